# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cloud that is a few lists, as a connection to it: for what the lab's cloud does not have or do."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._router import _router

exceptions = pytest.importorskip("openstack.exceptions")
keystone = pytest.importorskip("keystoneauth1.exceptions")

SHOP, BLOG = "p-shop", "p-blog"


class Answer:
    """What requests would have of an answer."""

    def __init__(self, status, body=None):
        self.status_code, self.body = status, body
        self.headers, self.url, self.request, self.reason = {"content-type": "application/json"}, "http://cloud", None, "because"
        self.text = self.content = json.dumps(body)

    def json(self):
        return self.body


class Cloud:
    """Keystone and Neutron, as a connection that asks itself. page: how many things a list tells at once; away: how many requests find nobody."""

    words = "the cloud lists"
    current_project_id = SHOP

    def __init__(self):
        self.connection = self.network = self.identity = self
        self.errors, self.sdk_errors = keystone, exceptions
        self.page, self.away, self.asked, self.forbidden, self.deaf, self.longest = None, 0, [], set(), set(), 255
        self.projects = {each: {"id": each, "name": each[2:], "tags": ["theirs"]} for each in (SHOP, BLOG)}
        self.agents = {
            f"net{number}": {"id": f"a{number}", "host": f"net{number}", "alive": True, "admin_state_up": True, "configurations": {}} for number in (1, 2)}
        self.routers, self.hosts, self.actives = {}, {}, {}

    def add(self, name, project=SHOP, hosts=("net1", "net2"), active="net1", **more):
        number = len(self.routers) + 1
        router = {
            "id": f"{number:08x}-0000-0000-0000-000000000000", "name": name, "project_id": project, "status": "ACTIVE", "admin_state_up": True, "ha": True,
            "tags": ["theirs"], "description": "mine", **more}
        self.routers[router["id"]] = router
        self.hosts[router["id"]], self.actives[router["id"]] = list(hosts), active
        return router["id"]

    def fail_over(self, router):
        """VRRP: one of those that have it, and hear of it, is active."""
        if not self.routers[router]["ha"]:
            self.actives[router] = self.hosts[router][0] if self.hosts[router] else None
            return
        there = [each for each in self.hosts[router] if each not in self.deaf]
        if self.actives[router] not in there:
            self.actives[router] = there[0] if there else None

    def ports(self, query):
        found = []
        for router in self.routers:
            self.fail_over(router)
            at = self.actives[router] or ""
            inner = [("network:router_interface", at)]
            if self.routers[router]["ha"]:
                inner = [("network:ha_router_replicated_interface", at), *[(_router.HA, each) for each in self.hosts[router]]]
            for owner, host in [(_router.GATEWAY, at), *inner]:
                status = "DOWN" if host in self.deaf else "ACTIVE"
                found.append({
                    "id": f"{router}-{owner}-{host}", "device_id": router, "device_owner": owner, "network_id": "n", "status": status, "binding:host_id": host,
                    "fixed_ips": [{"subnet_id": "s", "ip_address": "10.0.0.9"}]})
        return [each for each in found if each["device_id"] in query.get("device_id", [each["device_id"]]) and each["device_owner"] in query["device_owner"]]

    # ---- the connection

    def ask(self, act, *arguments):
        try:
            return act(*arguments)
        except (keystone.ConnectFailure, keystone.ConnectTimeout) as exc:
            raise FaultlineError("the cloud cannot be reached", code="no_answer") from exc
        except exceptions.SDKException as exc:
            raise FaultlineError(str(exc), code="driver_failed") from exc

    # ---- the APIs

    def get(self, path):
        return self._answer("GET", path)

    def put(self, path, json=None):
        return self._answer("PUT", path, json)

    def post(self, path, json=None):
        return self._answer("POST", path, json)

    def delete(self, path):
        return self._answer("DELETE", path)

    def _answer(self, method, path, body=None):
        self.asked.append((method, path))
        if self.away:
            self.away -= 1
            raise keystone.ConnectFailure("away")
        where, query = urlsplit(path).path, parse_qs(urlsplit(path).query)
        words = where.strip("/").split("/")
        if (method, words[0]) in self.forbidden or (method, words[-1]) in self.forbidden:
            return Answer(403, {"error": {"message": "no"}})
        if len(words) == 4 and words[2] == "tags":
            return self._tag(method, getattr(self, words[0])[words[1]]["tags"], unquote(words[3]))
        if words[0] == "agents" and len(words) > 1:
            return self._schedule(method, words, body)
        if words[-1] == "l3-agents":
            self.fail_over(words[1])
            return Answer(200, {"agents": [
                dict(self.agents[host], ha_state="active" if host == self.actives[words[1]] else "standby") for host in self.hosts[words[1]]]})
        if len(words) == 2:
            thing = getattr(self, words[0]).get(words[1])
            return Answer(200, {words[0][:-1]: thing}) if thing else Answer(404, {"error": {"message": "gone"}})
        return self._listed(words[0], query)

    def _listed(self, kind, query):
        things = {
            "ports": lambda: self.ports(query), "networks": lambda: [{"id": "n", "name": "inner"}],
            "subnets": lambda: [{"id": "s", "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1"}]}.get(kind, lambda: list(getattr(self, kind).values()))()
        start = int(query.get("marker", ["0"])[0])
        if not self.page:
            return Answer(200, {kind: things})
        following = {"rel": "next", "href": f"http://inside.example/v2.0/{kind}?marker={start + self.page}" + "".join(
            f"&{name}={value}" for name, values in query.items() if name != "marker" for value in values)}
        links = {f"{kind}_links": [following, {"rel": "previous", "href": "http://x"}]} if kind != "projects" else {"links": {"next": following["href"]}}
        return Answer(200, {kind: things[start:start + self.page], **links})

    def _tag(self, method, tags, tag):
        if len(tag) > self.longest:
            return Answer(400, {"NeutronError": {"message": "too long"}})
        if method == "PUT" and tag not in tags:
            tags.append(tag)
        elif method == "DELETE" and tag not in tags:
            return Answer(404, {"NeutronError": {"message": "no such tag"}})
        elif method == "DELETE":
            tags.remove(tag)
        return Answer(201)

    def _schedule(self, method, words, body):
        (host,) = [each["host"] for each in self.agents.values() if each["id"] == words[1]]
        if method == "POST":
            hosts = self.hosts[body["router_id"]]
            if host not in hosts:
                hosts.append(host)
            return Answer(201)
        hosts = self.hosts[words[3]]
        if host not in hosts:
            return Answer(409, {"NeutronError": {"message": "not hosted"}})
        hosts.remove(host)
        return Answer(204)

    def changes(self):
        return [(method, path) for method, path in self.asked if method != "GET"]
