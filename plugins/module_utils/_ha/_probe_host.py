# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd and process: what runs on a host, as the host itself says."""

from __future__ import annotations

import asyncio
import os
import re

from .._fault import _proc, _systemd
from . import _dbus, _probes


class Systemd(_probes.Family):
    """units: names. ok when a unit is active; all units by one call."""

    type = "systemd"
    GROUP = "host"
    OPTIONS = {"units": (list, _probes.REQUIRED)}

    def __init__(self, spec):
        super().__init__(spec)
        self._units = [_systemd.unit_name(unit) for unit in _probes.words("units of the monitor %r" % self.spec["name"], self.spec["units"])]
        for unit in self.spec["units"]:
            self.named(unit)
        self.all(self.look)
        self._path = None

    async def prepare(self):
        self._path = _dbus.path()
        told = await _dbus.units(self._units, self._path)
        missing = [unit for unit, (load, _active, _sub) in zip(self._units, told) if load == "not-found"]
        if missing:
            raise _probes.bad("This host has no unit %s." % ", ".join(missing), "Name units that it has; a monitor of none would always say down.")

    async def look(self):
        told = await _dbus.units(self._units, self._path)
        found = {}
        for name, (load, active, sub) in zip(self.series, told):
            up = active in ("active", "reloading")
            words = "%s (%s)" % (active, sub) if load in ("loaded", "not-found") else load
            found[name] = (None if up else words, {"state": active, "sub": sub})
        return found


class Process(_probes.Family):
    """patterns: {name: regular expression on the whole command line}; ok when one that matches is there and not all are stopped."""

    type = "process"
    GROUP = "host"
    OPTIONS = {"patterns": (dict, _probes.REQUIRED), "count": (int, 1)}

    def __init__(self, spec):
        super().__init__(spec)
        patterns = self.spec["patterns"]
        what = "patterns of the monitor %r" % self.spec["name"]
        _probes.words(what, list(patterns.values()))
        if self.spec["count"] < 1:
            raise _probes.bad("count of the monitor %r is %d; it must be at least 1." % (self.spec["name"], self.spec["count"]))
        self._patterns = {}
        for name, pattern in patterns.items():
            try:
                self._patterns[self.named(name)] = re.compile(pattern)
            except re.error as exc:
                raise _probes.bad("%s has %r, which is not a regular expression: %s." % (what, pattern, exc)) from exc
        self.all(self.look)

    async def look(self):
        lines = {}
        for number, pid in enumerate(_proc.every()):
            if pid != os.getpid():
                lines[pid] = _proc.command_line(pid)
            if number % 64 == 63:
                # many processes take longer than another probe may wait
                await asyncio.sleep(0)
        return {name: self._judge([pid for pid, line in lines.items() if line and pattern.search(line)]) for name, pattern in self._patterns.items()}

    def _judge(self, pids):
        found = [process for process in map(_proc.lookup, pids) if process]
        at_work = [process for process in found if process.state not in ("", "T", "t")]
        value = {"count": len(found), "stopped": len(found) - len(at_work), "pids": [process.pid for process in found[:8]]}
        if len(at_work) >= self.spec["count"]:
            return None, value
        if not found:
            return "no process", value
        return "%d of %d processes at work" % (len(at_work), len(found)), value


_probes.register(Systemd, Process)
