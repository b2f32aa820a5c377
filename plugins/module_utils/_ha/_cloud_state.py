# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in a cloud, of all projects, as cloud.before.json and cloud.after.json hold it; and whether the cloud is ready. Only asks."""

from __future__ import annotations

import time

from .._fault._errors import FaultlineError
from . import _apis, _cloud

FORMAT = 1
# what is asked of which service; the first word is what errors name
_PARTS = {
    "compute": ("servers", "services of compute"),
    "network": ("ports", "routers", "services of network"),
    "block-storage": ("volumes", "services of volume"),
    "image": ("images",),
    "placement": ("allocations",),
}
# the health check: what is asked until all of it is well
_HEALTH = {
    "compute": ("services of compute",), "network": ("services of network",), "block-storage": ("services of volume",),
    "image": ("an answer of image",), "placement": ("an answer of placement",),
}
# what the health check expects of a cloud, unless it is told: without these nobody would call it one
EXPECTED = ("nova", "neutron", "glance", "placement")
# seconds between two looks, and that one look may take
PAUSE, LOOK = 2, 30


def _text(value):
    return None if value is None else str(value)


class State:
    """The state of one cloud. connection: a _cloud.Connection; seconds: that all questions together may take."""

    def __init__(self, connection, seconds):
        self.connection = connection
        self.sdk = connection.connection
        self.seconds = seconds

    def inventory(self):
        """The whole inventory; what could not be asked is in its errors."""
        found = {"servers": [], "ports": [], "volumes": [], "images": [], "routers": [], "allocations": [], "services": []}
        at = time.time()
        parts, errors = self._ask(_PARTS)
        for name, value in parts.items():
            found["services" if name.startswith("services of ") else name] += value
        return dict({"format": FORMAT, "at": at}, **dict(found, errors=errors))

    def versions(self, seconds):
        """{service: {version, microversion}} as each API tells them; without those that do not."""
        def one(service):
            def ask():
                data = getattr(self.sdk, service.replace("-", "_")).get_endpoint_data()
                if data is None:
                    return None
                version = ".".join(map(str, data.api_version)) if data.api_version else None
                micro = ".".join(map(str, data.max_microversion)) if data.max_microversion else None
                return {"version": version, "microversion": micro}
            return ask

        services = [name for name in ("identity",) + tuple(_PARTS) if self.connection.has(name)]
        found = _cloud.all_within(seconds, {name: one(name) for name in services})
        return {name: value for name, (value, exc) in found.items() if value}

    def _ask(self, parts):
        """({part: list}, errors) of what the catalogue has of the parts."""
        works, errors = {}, []
        for service, names in parts.items():
            if self.connection.has(service):
                works[service] = self._work(names)
        found = {}
        for service, (value, exc) in _cloud.all_within(self.seconds, works).items():
            for name in parts[service]:
                # a copy: a thread that is late may still be at work
                answer = dict(value if value is not None else {}).get(name, exc)
                if isinstance(answer, Exception):
                    errors.append({"what": name, "why": self.connection.explain(answer)})
                elif answer is not None:
                    found[name] = answer
        return found, errors

    def _work(self, names):
        def ask():
            found = {}
            for name in names:
                try:
                    found[name] = getattr(self, "_" + name.replace(" ", "_"))()
                except Exception as exc:  # pylint: disable=broad-except
                    found[name] = exc
            return found
        return ask

    # ---- the parts

    def _servers(self):
        return [
            {
                "id": each.id, "name": each.name, "status": each.status, "task_state": each.task_state, "host": _text(each.compute_host),
                "flavor": _text((each.flavor or {}).get("original_name") or (each.flavor or {}).get("name") or (each.flavor or {}).get("id")),
            }
            for each in self.sdk.compute.servers(details=True, all_projects=True)
        ]

    def _ports(self):
        return [
            {
                "id": each.id, "name": each.name, "status": each.status, "device_id": each.device_id or "", "device_owner": each.device_owner or "",
                "host": _text(each.binding_host_id),
            }
            for each in self.sdk.network.ports()
        ]

    def _routers(self):
        return [{"id": each.id, "name": each.name, "status": each.status, "agents": self._agents_of(each.id)} for each in self.sdk.network.routers()]

    def _agents_of(self, router):
        """Who serves a router; [] where the cloud has no scheduler of L3 agents (OVN)."""
        answer = self.sdk.network.get("/routers/%s/l3-agents" % router)
        if answer.status_code == 404:
            return []
        self.connection.sdk_errors.raise_from_response(answer)
        return [{"host": each["host"], "ha_state": each.get("ha_state"), "alive": bool(each.get("alive"))} for each in answer.json()["agents"]]

    def _volumes(self):
        return [{"id": each.id, "name": each.name, "status": each.status} for each in self.sdk.block_storage.volumes(details=True, all_projects=True)]

    def _images(self):
        return [{"id": each.id, "name": each.name, "status": each.status} for each in self.sdk.image.images()]

    def _allocations(self):
        found = []
        for provider in self.sdk.placement.resource_providers():
            answer = self.sdk.placement.get("/resource_providers/%s/allocations" % provider.id)
            if answer.status_code == 404:
                # gone since
                continue
            self.connection.sdk_errors.raise_from_response(answer)
            found += [
                {"consumer": consumer, "provider": provider.name, "resources": each["resources"]}
                for consumer, each in answer.json()["allocations"].items()
            ]
        return found

    def _services_of_compute(self):
        return [
            {"kind": "compute", "binary": each.binary, "host": each.host, "state": each.state, "enabled": each.status == "enabled"}
            for each in self.sdk.compute.services()
        ]

    def _services_of_network(self):
        return [
            {
                "kind": "network", "binary": each.binary, "host": each.host, "state": "up" if each.is_alive else "down",
                "enabled": bool(each.is_admin_state_up),
            }
            for each in self.sdk.network.agents()
        ]

    def _services_of_volume(self):
        return [
            {"kind": "volume", "binary": each.binary, "host": each.host, "state": each.state, "enabled": each.status == "enabled"}
            for each in self.sdk.block_storage.services()
        ]

    def _an_answer_of_image(self):
        next(iter(self.sdk.image.images(limit=1, paginated=False)), None)
        return []

    def _an_answer_of_placement(self):
        # the cheapest question that reaches its database
        self.connection.sdk_errors.raise_from_response(self.sdk.placement.get("/resource_providers?name=faultline"))
        return []

    # ---- readiness

    def unready(self, services=EXPECTED):
        """What is not as it should be, as sentences; [] when the cloud is ready. services: the projects that it has to have."""
        wanted = [_apis.type_of(name) for name in services]
        missing = ["The catalogue has no %s service." % name for name in wanted if not self.connection.has(name)]
        parts, errors = self._ask(_HEALTH)
        return missing + ["%s cannot be asked: %s." % (_subject(each["what"]), each["why"].rstrip(".")) for each in errors] + judge(
            [service for part in parts.values() for service in part], "compute" in wanted)


def _subject(what):
    """What could not be asked, as the beginning of a sentence."""
    return "The API of %s" % what.rpartition(" ")[2] if what.startswith("an answer of ") else "The %s" % what


def judge(services, computes=True):
    """What of services and agents is down although it is enabled, and, with computes, whether no nova-compute is up; sentences."""
    told = [
        "%s on %s is %s." % (each["binary"], each["host"], each["state"] or "in no known state")
        for each in services if each["enabled"] and each["state"] != "up"
    ]
    if computes and not any(each["binary"] == "nova-compute" and each["enabled"] and each["state"] == "up" for each in services):
        told.append("No nova-compute is up.")
    return told


def wait_ready(options, timeout, services=EXPECTED):
    """(connection, seconds it took) once the cloud is ready; FaultlineError (not_ready) with all that is not, after timeout seconds.

    options: those of _cloud.arguments(). A login that is refused, or that nobody gave, is no matter of time and raises at once.
    """
    begun = time.monotonic()
    connection, told = None, []
    while True:
        left = timeout - (time.monotonic() - begun)
        try:
            if connection is None:
                # to log in takes two requests
                connection = _cloud.Connection(options, request=max(1, min(_cloud.REQUEST, left / 2)))
            told = State(connection, max(1, min(LOOK, left))).unready(services)
        except FaultlineError as exc:
            if exc.code in ("bad_credentials", "no_credentials", "missing_library"):
                raise
            told = [exc.message.rstrip(".") + "."]
        if not told:
            return connection, time.monotonic() - begun
        if time.monotonic() - begun + PAUSE >= timeout:
            raise FaultlineError(
                "The cloud is not ready after %d seconds: %s" % (round(time.monotonic() - begun), " ".join(told[:10])), code="not_ready",
                hint="Nothing was touched.", details={"not_ready": told})
        time.sleep(PAUSE)
