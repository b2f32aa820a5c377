# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters of VMs in a cloud: looked for, booted, deleted.

Everything that is made bears its session from the request on that makes it, so that a teardown finds it whenever the maker died.
"""

from __future__ import annotations

import threading
import time
import uuid

from .._fault._errors import FaultlineError
from .._ha._things import PAUSE, fault_of
from . import _lookup, _metadata
from ._survey import DESCRIBED, PREFIX, side_by_side
from ._teardown import Teardown

# servers that one question for ports may name
_MANY = 40
# how often a server is asked for that gets no answer, and answers that are the last word
_TRIES, _FINAL = 3, ("quota_exceeded", "boot_refused")
_HINTS = {
    "quota_exceeded": "Tear down what is not needed any more, or ask for a larger quota.",
}


class Cluster(Teardown):
    """The VMs of this tool in the project of a login: what _survey and _teardown do, and the buildup."""

    def __init__(self, connection, seconds):
        super().__init__(connection, seconds)
        self.made = {}

    def present(self, plans, session, key=None, on_failure="keep", wait=True):
        """The instances of a session, of which those that are missing are booted. plans: what plan() says; key: the text of a public key.

        FaultlineError; what was made is deleted again with on_failure teardown, and in any case listed in its details.
        """
        before = any(plan["server"] is not None for plan in plans)
        try:
            self._replace(plans)
            return self.connection.ask(self._present, plans, session, key, wait)
        except FaultlineError as exc:
            raise self._failed(exc, session, plans, on_failure, before) from exc

    def plan(self, wanted, session, origin, there):
        """What is to be booted and what is there of it: [{wanted, server (or None), broken, we_id, name, metadata, body}]. Nothing is made."""
        found = self._patiently(lambda: _lookup.Lookup(self).found(wanted))
        left = sorted(there, key=lambda each: str(each.created_at))
        plans = []
        for each in wanted:
            server = next((one for one in left if _is(one, each, exact=True)), None)
            plans.append({"wanted": each, "server": server})
            left = [one for one in left if one is not server]
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for plan, things in zip(plans, found):
            if plan["server"] is None:
                # one of the scripts before has no number
                plan["server"] = next((one for one in left if _is(one, plan["wanted"], exact=False)), None)
                left = [one for one in left if one is not plan["server"]]
            plan["broken"] = plan["server"] is not None and plan["server"].status == "ERROR"
            plan.update(self._body(plan["wanted"], things, session, origin, created))
        return plans

    def _body(self, wanted, things, session, origin, created):
        """The request that boots a VM, but for what is made before it."""
        we_id = str(uuid.uuid4())
        name = "%s-%s" % (PREFIX, we_id)
        values = dict(
            origin, WE_ID=we_id, WE_SESSION=session, WE_TYPE_UUID=wanted["type"], WE_NUMBER=wanted["number"], WE_CREATED=created,
            WE_USER_LABEL=wanted["labels"], OS_NAME=name, OS_IMAGE_ID=things["image"].id, OS_IMAGE_NAME=wanted["image"],
            OS_IMAGE_HUMAN_NAME=things["image"].name, OS_FLAVOR_NAME=wanted["flavor"])
        if wanted["floating_ip"]:
            values["WE_FLOATING_IP"] = wanted["floating_ip"]
        body = {
            "name": name, "image_id": things["image"].id, "flavor_id": things["flavor"].id, "metadata": _metadata.encode(values),
            "networks": [{"uuid": each.id} for each in things["networks"]] or "none",
        }
        if things["security_groups"]:
            body["security_groups"] = [{"name": each.id} for each in things["security_groups"]]
        body.update({key: wanted[key] for key in ("user_data", "availability_zone") if wanted[key]})
        return {"we_id": we_id, "name": name, "body": body, "things": things}

    def _replace(self, plans):
        """Delete the VMs of the plans that are in ERROR, to boot them again."""
        broken = [(_metadata.session_of(plan["server"].metadata), plan["server"]) for plan in plans if plan["broken"]]
        if broken:
            self._delete(broken)
        for plan in plans:
            if plan["broken"]:
                plan["server"] = None
            plan["new"] = plan["server"] is None

    def _present(self, plans, session, key, wait):
        todo = [plan for plan in plans if plan["server"] is None]
        fresh = todo + [plan for plan in plans if plan["server"] is not None and plan["server"].status == "BUILD"]
        if todo:
            self._room(todo)
            # with an API that is slow each is looked for, or refused, when it is made again
            name = self._patiently(lambda: self._key(session, key)) if key else None
            self._patiently(lambda: self._groups(todo, session))
            self._volumes_of(todo, session)
            for plan in todo:
                if name:
                    plan["body"]["key_name"] = name
            self._boot(todo)
        floating = [plan for plan in plans if plan["wanted"]["floating_ip"]]
        if fresh and (wait or floating):
            self._active(fresh)
        servers = self._twins([each for each in self.servers() if _metadata.session_of(each.metadata) == session])
        if floating:
            self._float(floating, servers, session)
        return self._described(servers)

    def _room(self, todo):
        """Refuse what the quota of the project has no room for, before anything is made."""
        try:
            limits = self.compute.get_limits().absolute
        except (self.connection.sdk_errors.SDKException, self.connection.errors.ClientException):
            # the quota counts all the same when Nova is asked for a server
            return
        flavors = [plan["things"]["flavor"] for plan in todo]
        needs = (
            ("instances", len(todo), limits.instances, limits.instances_used),
            ("cores", sum(each.vcpus or 0 for each in flavors), limits.total_cores, limits.total_cores_used),
            ("RAM (MiB)", sum(each.ram or 0 for each in flavors), limits.total_ram, limits.total_ram_used),
        )
        short = [
            "%s: %d more are wanted, %d of %d are used" % (what, need, used, most)
            for what, need, most, used in needs if most is not None and used is not None and most >= 0 and need > most - used]
        if short:
            raise _quota("The quota of the project has no room for %d VMs: %s." % (len(todo), "; ".join(short)))

    def _key(self, session, key):
        """The name of the key pair of a public key in a session."""
        name = "%s-%s-%s-%s" % (PREFIX, session, self.project, _lookup.fingerprint(key))
        try:
            self._asked("key_pairs", "The key pair %s" % name, self.compute.create_keypair, name=name, public_key=key)
        except FaultlineError as exc:
            # what a killed buildup made is there
            if getattr(exc.__cause__, "status_code", None) != 409:
                raise
        return name

    def _groups(self, todo, session):
        """Make the server groups that are missing."""
        wanted = {plan["wanted"]["server_group"]["name"]: plan["wanted"]["server_group"]["policy"] for plan in todo if plan["wanted"]["server_group"]}
        if not wanted:
            return
        known = {each.name: each.id for _owner, each in self.survey(("server_groups",))["server_groups"]}
        for name, policy in wanted.items():
            full = "%s-%s-%s" % (PREFIX, session, name)
            if full not in known:
                known[full] = self._asked("server_groups", "The server group %s" % name, self.compute.create_server_group, name=full, policy=policy).id
        for plan in todo:
            if plan["wanted"]["server_group"]:
                plan["body"]["scheduler_hints"] = {"group": known["%s-%s-%s" % (PREFIX, session, plan["wanted"]["server_group"]["name"])]}

    def _volumes_of(self, todo, session):
        """Make the volumes, and wait until they can be attached."""
        made = set()
        for plan in todo:
            if not plan["wanted"]["volumes"]:
                continue
            disks = [{"source_type": "image", "uuid": plan["things"]["image"].id, "destination_type": "local", "boot_index": 0, "delete_on_termination": True}]
            for number, each in enumerate(plan["wanted"]["volumes"], 1):
                volume = self._asked(
                    "volumes", "A volume of %d GB" % each["size"], self.sdk.block_storage.create_volume, name="%s-%d" % (plan["name"], number),
                    size=each["size"], metadata={"WE_SESSION": session, "WE_ID": plan["we_id"]}, **({"volume_type": each["type"]} if each["type"] else {}))
                made.add(volume.id)
                disks.append({
                    "source_type": "volume", "uuid": volume.id, "destination_type": "volume", "boot_index": -1, "delete_on_termination": True})
            plan["body"]["block_device_mapping"] = disks
        while made:
            states = {each.id: each.status for _owner, each in self.survey(("volumes",))["volumes"]}
            broken = [each for each in made if states.get(each, "gone").startswith(("error", "gone"))]
            if broken:
                raise FaultlineError(
                    "The volume %s is %s." % (broken[0], states.get(broken[0], "gone")), code="boot_failed", hint="Ask Cinder's logs.")
            made = {each for each in made if states[each] != "available"}
            if made:
                self.pause("%d volumes are available" % len(made))

    def _boot(self, todo):
        """Ask for the servers, several at a time; nothing more is asked for once one is refused."""
        for again in range(_TRIES):
            failed = self._asked_for([plan for plan in todo if plan["server"] is None])
            self.made["servers"] = sum(plan["server"] is not None for plan in todo)
            self.changed = self.changed or self.made["servers"] > 0
            if not failed:
                return
            code, why = sorted((self._why(exc) for exc in failed), key=lambda told: told[0] != "quota_exceeded")[0]
            left = [plan for plan in todo if plan["server"] is None]
            error = FaultlineError(
                "%d of %d VMs could not be asked for: %s." % (len(left), len(todo), why.rstrip(".")), code=code, hint=_HINTS.get(code, ""))
            if code in _FINAL or again == _TRIES - 1:
                raise error
            # what got no answer may be on its way all the same
            time.sleep(PAUSE)
            try:
                known = {_metadata.decode(each.metadata)["WE_ID"]: each for each in self.servers()}
            except FaultlineError:
                raise error from None
            for plan in left:
                plan["server"] = known.get(plan["we_id"])

    def _asked_for(self, todo):
        """Ask for servers; the exceptions of those that were not to be had."""
        stop = threading.Event()

        def boot(plan):
            if stop.is_set():
                return
            try:
                plan["server"] = self.compute.create_server(**plan["body"])
            except Exception:
                stop.set()
                raise

        return [exc for exc in side_by_side(boot, todo) if exc]

    def _twins(self, servers):
        """Servers without those that came twice, as a request that got no answer was made again; these are deleted."""
        found, twins = {}, []
        for each in sorted(servers, key=lambda each: (each.status != "ACTIVE", str(each.created_at))):
            we_id = _metadata.decode(each.metadata)["WE_ID"]
            if found.setdefault(we_id, each) is not each:
                twins.append((_metadata.session_of(each.metadata), each))
        if twins:
            self._delete(twins)
        return list(found.values())

    def _why(self, exc):
        """(code, words) of a refused request."""
        if isinstance(exc, FaultlineError):
            return exc.code, exc.message
        status, words = getattr(exc, "status_code", None) or 0, str(getattr(exc, "details", None) or exc)
        if status in (403, 409, 413) and "quota" in words.lower():
            return "quota_exceeded", words
        if 400 <= status < 500:
            return "boot_refused", words
        return "no_answer" if isinstance(exc, self.connection.errors.ConnectFailure) else "boot_failed", self.connection.explain(exc)

    def _asked(self, kind, what, make, **arguments):
        """A thing that was made."""
        try:
            thing = make(**arguments)
        except self.connection.sdk_errors.HttpException as exc:
            code, words = self._why(exc)
            if code not in _FINAL:
                raise
            raise FaultlineError("%s cannot be made: %s." % (what, words.rstrip(".")), code=code, hint=_HINTS.get(code, "")) from exc
        self._count(kind, 1)
        return thing

    def _count(self, kind, count):
        self.changed = self.changed or count > 0
        self.made[kind] = self.made.get(kind, 0) + count

    def _active(self, plans):
        """Wait until all are ACTIVE, by lists of all."""
        while True:
            begun = time.monotonic()
            known = {each.id: each for each in self.servers()}
            found = [(plan, known.get(plan["server"].id)) for plan in plans]
            building = [each for _plan, each in found if each is not None and each.status != "ERROR" and (each.status != "ACTIVE" or each.task_state)]
            if not building:
                break
            first = building[0]
            self.pause(
                "%s is ACTIVE (it is %s%s), one of %d" % (first.name, first.status, ", %s" % first.task_state if first.task_state else "", len(building)),
                # a list of many that takes long is asked for the more seldom
                max(PAUSE, time.monotonic() - begun))
        known = {each.id: each for each in self._explained(list(known.values()))}
        found = [(plan, known.get(plan["server"].id)) for plan in plans]
        bad = [
            "%s (%s) %s" % (plan["name"], plan["wanted"]["type"], "was deleted by somebody" if each is None else "is in ERROR: %s" % fault_of(each))
            for plan, each in found if each is None or each.status == "ERROR"]
        if bad:
            raise FaultlineError("%d of %d VMs did not boot: %s." % (len(bad), len(plans), "; ".join(bad[:5])), code="boot_failed", hint="Ask Nova's logs.")

    def _float(self, plans, servers, session):
        """Give floating IPs to those that want one and have none. What got no answer may have been made: it is looked for, and asked for again."""
        mine = {_metadata.decode(each.metadata)["WE_ID"]: each.id for each in servers}
        plans = {plan["we_id"] if plan["new"] else str(_metadata.decode(plan["server"].metadata)["WE_ID"]): plan for plan in plans}
        ports = self._ports_of([mine[we_id] for we_id in plans if we_id in mine])

        def give(we_id):
            if mine[we_id] not in ports:
                raise FaultlineError("The VM %s has no port with an IPv4 address." % plans[we_id]["name"], code="boot_refused")
            if we_id in have:
                self.network.update_ip(have[we_id], port_id=ports[mine[we_id]])
                return
            self.network.create_ip(
                floating_network_id=plans[we_id]["things"]["external"].id, port_id=ports[mine[we_id]],
                description="%s %s %s" % (PREFIX, session, we_id))

        before, failed = None, []
        while True:
            have = {DESCRIBED.match(each.description).group(2): each for _owner, each in self.survey(("floating_ips",))["floating_ips"]}
            before = set(have) if before is None else before
            self.made["floating_ips"] = len([we_id for we_id in have if we_id in plans and we_id not in before])
            self.changed = self.changed or self.made["floating_ips"] > 0
            todo = [we_id for we_id in plans if we_id in mine and not (we_id in have and have[we_id].port_id)]
            if not todo:
                return
            final = [exc for exc in failed if self._why(exc)[0] in _FINAL]
            if final:
                code, words = self._why(final[0])
                raise FaultlineError("%d VMs got no floating IP: %s." % (len(todo), words.rstrip(".")), code=code, hint=_HINTS.get(code, ""))
            if failed:
                self.pause("%d VMs have floating IPs (%s)" % (len(todo), self._why(failed[0])[1].rstrip(".")))
            failed = [exc for exc in side_by_side(give, todo) if exc]

    def _ports_of(self, servers):
        """{id of a server: id of its first port with an IPv4 address}."""
        found = {}
        for start in range(0, len(servers), _MANY):
            some = servers[start:start + _MANY]
            for port in self._patiently(lambda some=some: list(self.network.ports(device_id=some))):
                if any(":" not in ip["ip_address"] for ip in port.fixed_ips or []):
                    found.setdefault(port.device_id, port.id)
        return found

    def _failed(self, exc, session, plans, on_failure, before):
        """The error of a buildup, with what was made and what became of it."""
        details = dict(exc.details, session=session, made=dict(self.made))
        message, hint = exc.message, exc.hint
        # names, as the cloud may not answer
        asked = [{"name": plan["name"], "type": plan["wanted"]["type"], "id": plan["server"].id if plan["server"] else None} for plan in plans]
        if on_failure == "teardown" and sum(self.made.values()):
            try:
                self.end = max(self.end, time.monotonic() + 120)
                mine = {plan["we_id"] for plan in plans} if before else None
                self.absent({session}, only=mine)
                message += " What was made is deleted again."
            except FaultlineError as told:
                message += " Not all that was made could be deleted: %s" % told.message
                details["asked"] = asked
                hint = "Tear down the session %s." % session
        else:
            try:
                details["instances"] = self.instances({session})
                if details["instances"]:
                    message += " Kept in the session %s: %d VMs." % (session, len(details["instances"]))
                    hint = hint or "Run again with this session to boot what is missing, or tear it down."
            except FaultlineError:
                details["asked"] = asked
                count = sum(1 for each in asked if each["id"])
                message += " The session %s has %d VMs that were asked for%s." % (session, count, ", and may have more")
                hint = "Tear the session down when the cloud answers again."
        return FaultlineError(message, code=exc.code, hint=hint, details=details)


def _quota(message):
    return FaultlineError(message, code="quota_exceeded", hint=_HINTS["quota_exceeded"])


def _is(server, wanted, exact):
    """Whether a server is one that is wanted: the very one, or one of its type that has no number."""
    values = _metadata.decode(server.metadata)
    if str(values.get("WE_TYPE_UUID")) != wanted["type"]:
        return False
    return values.get("WE_NUMBER") == wanted["number"] if exact else "WE_NUMBER" not in values
