# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""servers: the applications of a cloud's users, from outside: virtual machines by ping, SSH, a port or a page."""

from __future__ import annotations

import asyncio
import re

from .._fault._errors import FaultlineError
from . import _probe_http, _probe_network, _probes

_TARGET = {"name": (str, _probes.REQUIRED), "address": (str, _probes.REQUIRED)}
_PROBE = re.compile(r"^(?:(ping)|(ssh|tcp|http|https)(?::(\d{1,5}))?)$")
_PORTS = {"ssh": 22, "http": 80, "https": 443}
# seconds between two tries of a server that does not answer yet
_PAUSE = 0.5


class Servers(_probes.Family):
    """targets {name, address}; probe: ping, ssh[:PORT], tcp:PORT, http[:PORT] or https[:PORT] (with path and contains; certificates not checked)."""

    type = "servers"
    OPTIONS = {"targets": (list, _probes.REQUIRED), "probe": (str, "ping"), "path": (str, "/"), "contains": (str, None)}

    def __init__(self, spec):
        super().__init__(spec)
        found = _PROBE.match(self.spec["probe"])
        port = found and int(found.group(3) or _PORTS.get(found.group(2), 0))
        if not found or not found.group(1) and not 0 < port < 65536:
            raise _probes.bad(
                "probe of the monitor %r is %r; it must be ping, ssh[:PORT], tcp:PORT, http[:PORT] or https[:PORT]." % (self.spec["name"], self.spec["probe"]))
        self._kind, self._port = found.group(1) or found.group(2), port
        self._pings = _probe_network.Pings()
        self._pages = []
        self._addresses = {}
        for target in _probes.each("targets of the monitor %r" % self.spec["name"], self.spec["targets"], _TARGET):
            name = self.named(target["name"])
            self._addresses[name] = target["address"]
            self.one(name, self._look(name, target["address"]))

    def _look(self, name, address):
        if self._kind == "ping":
            return lambda: self._pings.ping(self._addresses[name])
        if self._kind in ("ssh", "tcp"):
            look = _probe_network.banner if self._kind == "ssh" else _probe_network.connect
            return lambda: look(self._addresses[name])
        url = "%s://%s:%d%s" % (self._kind, "[%s]" % address if ":" in address else address, self._port, self.spec["path"])
        target = _probes.check("the server %r" % name, {"name": name, "url": url, "verify": False, "contains": self.spec["contains"]}, _probe_http.TARGET)
        self._pages.append(_probe_http.Page("the server %r" % name, target))
        return self._pages[-1].look

    async def prepare(self):
        for page in self._pages:
            await page.prepare()
        for name, address in self._addresses.items():
            resolved = await _probes.resolve(address, self._port)
            if self._kind == "ping":
                await self._pings.prepare(resolved[0])
            self._addresses[name] = resolved[0] if self._kind == "ping" else resolved

    async def close(self):
        self._pings.close()


def wait(targets, probe, path, contains, seconds):
    """Wait until all targets have answered a probe once; FaultlineError (timeout) names those that have not."""
    family = Servers({"name": "servers", "type": Servers.type, "targets": targets, "probe": probe, "path": path, "contains": contains})
    left = asyncio.run(_answered(family, seconds))
    if left:
        raise FaultlineError(
            "%d of %d servers did not answer %s within %g seconds: %s." % (
                len(left), len(targets), probe, seconds, "; ".join("%s (%s)" % each for each in sorted(left.items()))),
            code="timeout", hint="Look at their consoles, their security group and the way from here to them.")


async def _answered(family, seconds):
    """{series: why} of those that gave no answer in time."""
    left = {name: "not tried" for call in family.calls for name in call.series}
    loop = asyncio.get_running_loop()

    async def until_it_answers(call):
        # wait_for() of Python up to 3.11 loses a cancellation that comes as its call ends
        while loop.time() < end:
            try:
                await asyncio.wait_for(call.run(), family.timeout)
                for name in call.series:
                    del left[name]
                return
            except Exception as exc:  # pylint: disable=broad-except
                left.update({name: _probes.failure(exc, family.timeout)[1] for name in call.series})
            await asyncio.sleep(_PAUSE)

    await family.prepare()
    end = loop.time() + seconds
    try:
        await asyncio.wait([asyncio.ensure_future(until_it_answers(call)) for call in family.calls], timeout=seconds)
    finally:
        await family.close()
    return left


_probes.register(Servers)
