# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routers of a cloud: asked for with as many requests whatever their number, marked, given to agents and taken from them."""

from __future__ import annotations

import functools
import time
from urllib.parse import quote, urlencode, urlsplit

from .._fault._errors import FaultlineError
from .._ha import _cloud
from .._ha._things import passes
from . import _marks, _rebuild, _router

# seconds that the questions about all routers may take together, and that the API may be away while something is waited for
LOOK, PATIENCE = 60, 60
PAUSE = 0.5
_ROUTER = (
    "id", "name", "project_id", "status", "admin_state_up", "ha", "distributed", "external_gateway_info", "created_at", "tags", "availability_zone_hints",
    "description", "revision_number",
)
_PORT = ("id", "device_id", "device_owner", "network_id", "fixed_ips", "status", "binding:host_id")
_AGENT = ("id", "host", "alive", "admin_state_up", "configurations", "availability_zone")
_FORBIDDEN = (403, 404)
# the name of a port before the router's id, and how many names a URL holds safely
_MANAGEMENT, _NAMES = "ASTARA:MGT:", 50


class Routers:
    """connection: a _cloud.Connection; check: marks are only thought of.

    raw: {id: router} as Neutron's API had it; projects: {id: {name, tags}}; both once described() has asked.
    """

    def __init__(self, connection, check=False):
        self.connection, self.check = connection, check
        # made here, in one thread: what asks side by side only uses them
        self.network, self.identity = connection.ask(lambda: (connection.connection.network, connection.connection.identity))
        self.project = connection.ask(lambda: connection.connection.current_project_id)
        self.raw, self.projects, self.known = {}, {}, None

    # ---- asking

    def described(self):
        """All routers that the login may see, as _router.described has them, by name."""
        works = {
            "routers": lambda: self._list(self.network, "/routers", "routers", fields=_ROUTER),
            "ports": lambda: self._list(self.network, "/ports", "ports", fields=_PORT, device_owner=_router.OWNERS),
            "agents": self.agents,
            "networks": lambda: self._list(self.network, "/networks", "networks", fields=("id", "name")),
            "subnets": lambda: self._list(self.network, "/subnets", "subnets", fields=("id", "cidr", "gateway_ip")),
            "projects": self._projects,
        }
        asked = _cloud.all_within(LOOK, {name: functools.partial(self.connection.ask, work) for name, work in works.items()})
        told = {name: self._answer(name, *answer) for name, answer in asked.items()}
        self.raw = {each["id"]: each for each in told["routers"]}
        self.known = {
            "agents": {each["host"]: each for each in told["agents"]},
            "networks": {each["id"]: _marks.plain(each.get("name") or "") or each["id"] for each in told["networks"]},
            "subnets": {each["id"]: each for each in told["subnets"]},
            "now": time.time(), **self._marked(told["projects"]),
        }
        ports = {}
        for each in told["ports"]:
            ports.setdefault(each["device_id"], []).append(each)
        found = [self._described(each, ports.get(each["id"], [])) for each in told["routers"]]
        return sorted(found, key=lambda each: (each["name"], each["id"]))

    def _marked(self, projects):
        """What is known by the projects as Keystone has them: their names, and their marks."""
        self.projects = {each["id"]: {"name": _marks.plain(each.get("name") or ""), "tags": each.get("tags") or []} for each in projects}
        everywhere = [_marks.debug(each["tags"], _marks.ALL) for each in self.projects.values()]
        return {"projects": self.projects, "everywhere": max((each for each in everywhere if each is not None), default=None)}

    def one_with_marks(self, router_id):
        """As one, by the marks that its project and the whole cloud bear now."""
        projects = self.connection.ask(self._projects)
        if self.known is not None:
            self.known = dict(self.known, **self._marked(projects))
        return self.one(router_id)

    def one(self, router_id):
        """One router, with the states of its agents as Neutron has them. FaultlineError not_found when it is gone."""
        if self.known is None:
            self.described()
        return self.connection.ask(self._one, router_id)

    def _one(self, router_id):
        try:
            router = self._json(self.network.get("/routers/%s" % router_id))["router"]
        except self.connection.sdk_errors.NotFoundException as exc:
            raise FaultlineError("The router %s is gone." % router_id, code="not_found") from exc
        ports = self._list(self.network, "/ports", "ports", fields=_PORT, device_id=router_id, device_owner=_router.OWNERS)
        hosting = self.hosting(router_id)
        states = None
        if hosting is not None:
            states = {each["host"]: each.get("ha_state") for each in hosting}
            self.known["agents"].update({each["host"]: each for each in hosting})
        self.raw[router_id] = router
        return self._described(router, ports, states)

    def _described(self, router, ports, states=None):
        """A router with the hosts of the agents that could take it besides those that have it."""
        found = _router.described(router, ports, dict(self.known, now=time.time()), states)
        has, zones = {each["host"] for each in found["agents"]}, router.get("availability_zone_hints") or ()
        able = [host for host, agent in self.known["agents"].items() if host not in has and not _rebuild.unusable(agent, found, zones)]
        return dict(found, spare=sorted(able))

    def hosting(self, router_id):
        """The L3 agents that have a router, as the API has them; None where the cloud has no scheduler of L3 agents, or tells no one of it."""
        answer = self.network.get("/routers/%s/l3-agents" % router_id)
        if answer.status_code in _FORBIDDEN:
            return None
        return self._json(answer)["agents"]

    def management(self, ids):
        """{router: addresses} of those whose service VM has a management port, as Astara names it."""
        found = {}
        for some in range(0, len(ids), _NAMES):
            names = [_MANAGEMENT + each for each in ids[some:some + _NAMES]]
            for port in self._list(self.network, "/ports", "ports", fields=("name", "fixed_ips"), name=names):
                found.setdefault(port["name"][len(_MANAGEMENT):], []).extend(each["ip_address"] for each in port["fixed_ips"])
        return found

    def agents(self):
        """All L3 agents, as the API has them; [] where it tells of none."""
        try:
            return self._list(self.network, "/agents", "agents", fields=_AGENT, agent_type="L3 agent")
        except (self.connection.sdk_errors.ForbiddenException, self.connection.sdk_errors.NotFoundException):
            return []

    def _projects(self):
        """All projects, or the login's own where it may see no other."""
        try:
            return self._list(self.identity, "/projects", "projects")
        except self.connection.sdk_errors.ForbiddenException:
            answer = self.identity.get("/projects/%s" % self.project)
            return [] if answer.status_code in _FORBIDDEN else [self._json(answer)["project"]]

    def _list(self, proxy, path, key, **query):
        """All of a list, page by page."""
        found, asked = [], urlencode(query, doseq=True)
        while asked is not None:
            body = self._json(proxy.get(path + ("?" + asked if asked else "")))
            found += body[key]
            links = body.get(key + "_links") or [{"rel": "next", "href": (body.get("links") or {}).get("next")}]
            # only the query of it: behind a proxy the rest may be an address of the inside
            following = [urlsplit(each["href"]).query for each in links if each.get("rel") == "next" and each.get("href")]
            asked = following[0] if following and body[key] and following[0] != asked else None
        return found

    def _json(self, answer):
        self.connection.sdk_errors.raise_from_response(answer)
        return answer.json()

    def _answer(self, name, value, exc):
        if isinstance(exc, TimeoutError):
            raise FaultlineError("%s: its %s were not told %s." % (self.connection.words, name, str(exc).replace("no answer ", "")), code="no_answer") from exc
        if exc is not None:
            raise exc
        return value

    # ---- marks

    def debug_router(self, router_id, reason):
        """Put a router in debug; whether it changed anything."""
        tags, path = self.raw[router_id].get("tags"), "/routers/%s" % router_id
        try:
            return self.connection.ask(self._tag, self.network, path, _marks.to_debug(tags, reason))
        except FaultlineError as exc:
            if getattr(exc.__cause__, "status_code", None) != 400:
                raise
            return self.connection.ask(self._tag, self.network, path, _marks.to_debug(tags, reason, longest=_marks.SHORT))

    def debug_project(self, project_id, reason, name=_marks.DEBUG):
        return self._tag_project(project_id, _marks.to_debug(self._tags_of_project(project_id), reason, name))

    def manage_router(self, router_id):
        """Take a router out of debug; whether it changed anything."""
        return self.connection.ask(self._tag, self.network, "/routers/%s" % router_id, _marks.to_manage(self.raw[router_id].get("tags")))

    def manage_project(self, project_id, name=_marks.DEBUG):
        return self._tag_project(project_id, _marks.to_manage(self._tags_of_project(project_id), name))

    def mark_rebuilt(self, router_id, now):
        return self.connection.ask(self.tag, router_id, *_marks.to_rebuilt(self.raw[router_id].get("tags"), now))

    def tag(self, router_id, add, remove):
        """Add tags to a router and remove others; whether there were any. Not asked through the connection."""
        return self._tag(self.network, "/routers/%s" % router_id, (add, remove))

    def debugged_everywhere(self):
        """The projects that bear the global mark; it counts wherever it is, as each login has a project of its own."""
        return sorted(each for each, told in self.projects.items() if _marks.debug(told["tags"], _marks.ALL) is not None)

    def _tags_of_project(self, project_id):
        return (self.projects.get(project_id) or {}).get("tags")

    def _tag_project(self, project_id, change):
        try:
            return self.connection.ask(self._tag, self.identity, "/projects/%s" % project_id, change)
        except FaultlineError as exc:
            if getattr(exc.__cause__, "status_code", None) != 403:
                raise
            raise FaultlineError(
                "This login may not mark the project %s." % project_id, code="forbidden",
                hint="Keystone lets administrators do it. A router can be marked by those whom it belongs to.") from exc

    def _tag(self, proxy, path, change):
        # one by one: the tags of others stay, also those that come meanwhile
        add, remove = change if not self.check else ((), ())
        for tag in add:
            self.connection.sdk_errors.raise_from_response(proxy.put("%s/tags/%s" % (path, quote(tag, safe=""))))
        for tag in remove:
            answer = proxy.delete("%s/tags/%s" % (path, quote(tag, safe="")))
            if answer.status_code != 404:
                self.connection.sdk_errors.raise_from_response(answer)
        return any(change)

    # ---- acting

    def update(self, router_id):
        """Update a router without a change: Neutron tells its agents, and looks for one where none has it."""
        body = {"router": {"description": self.raw[router_id].get("description") or ""}}
        self.connection.sdk_errors.raise_from_response(self.network.put("/routers/%s" % router_id, json=body))

    def give(self, agent_id, router_id):
        """Give a router to an agent, which may have it."""
        answer = self.network.post("/agents/%s/l3-routers" % agent_id, json={"router_id": router_id})
        self.connection.sdk_errors.raise_from_response(answer)

    def take(self, agent_id, router_id):
        """Take a router from an agent, which may not have it."""
        answer = self.network.delete("/agents/%s/l3-routers/%s" % (agent_id, router_id))
        if answer.status_code not in (404, 409):
            self.connection.sdk_errors.raise_from_response(answer)

    def patiently(self, end, act, *arguments):
        """What act returns, although the API may be away for a while, until a time; (value, whether it was asked again)."""
        again = False
        end = min(end, time.monotonic() + PATIENCE)
        while True:
            try:
                return self.connection.ask(act, *arguments), again
            except FaultlineError as exc:
                if not passes(exc) or time.monotonic() > end:
                    raise
                again = True
            time.sleep(PAUSE)
