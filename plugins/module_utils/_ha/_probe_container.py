# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""container: what the engines of a host say of its containers; one question for all of them."""

from __future__ import annotations

import json

from .._fault import _container_engines
from . import _children, _probes, _web


class Container(_probes.Family):
    """containers: names. engine: docker, podman or auto. ok when a container runs, is not paused and not unhealthy."""

    type = "container"
    GROUP = "container"
    OPTIONS = {"containers": (list, _probes.REQUIRED), "engine": (str, "auto")}

    def __init__(self, spec):
        super().__init__(spec)
        self._names = _probes.words("containers of the monitor %r" % self.spec["name"], self.spec["containers"])
        if self.spec["engine"] not in ("auto", "docker", "podman"):
            raise _probes.bad("engine of the monitor %r is %r; it must be auto, docker or podman." % (self.spec["name"], self.spec["engine"]))
        for name in self._names:
            self.named(name)
        self.all(self.look)
        self._engines = []

    async def prepare(self):
        driver = self.spec["engine"]
        self._engines = _container_engines.names(driver if driver == "auto" else driver + "_container")
        await self._ask_all()

    async def look(self):
        there, failed = await self._ask_all()
        found = {}
        for series, name in zip(self.series, self._names):
            if name in there:
                state, status = there[name]
                up = state == "running" and "(unhealthy)" not in status
                found[series] = (None if up else status or state, {"state": state})
            else:
                found[series] = (failed or "no such container", None)
        return found

    async def _ask_all(self):
        """({name: (state, status)}, why an engine did not answer)"""
        there, failed = {}, None
        for engine in self._engines:
            try:
                told = await self._ask(engine)
            except (OSError, ValueError, _probes.Failed) as exc:
                failed = "%s: %s" % (engine, _probes.explain(exc))
                continue
            for each in told:
                for name in each.get("Names") or []:
                    there.setdefault(name.lstrip("/"), (str(each.get("State", "")).lower(), str(each.get("Status", ""))))
        return there, failed

    @staticmethod
    async def _ask(engine):
        paths = _container_engines._paths(engine)
        if not paths:
            rc, out, err = await _children.run(_children.argv(["podman", "ps", "--all", "--format", "json"]))
            if rc != 0:
                raise _probes.Failed(_children.last_line(err, out))
            return json.loads(out or "[]") or []
        answer = await _web.ask_socket(paths[0], _web.request("GET", "/containers/json?all=true", "localhost"))
        if answer.status != 200:
            raise _probes.Failed("status %d" % answer.status)
        return json.loads(answer.body.decode())


_probes.register(Container)
