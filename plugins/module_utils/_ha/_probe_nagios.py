# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nagios_plugin, livestatus: what Nagios' own checks and Nagios itself say."""

from __future__ import annotations

import asyncio
import json
import re

from . import _children, _probes

_STATES = {0: "ok", 1: "warning", 2: "critical", 3: "unknown"}
# 'label'=value[unit];[warn];[crit];[min];[max]; quotes in a label are doubled
_PERFDATA = re.compile(r"(?:'((?:[^']|'')*)'|([^\s=']+))=(-?[0-9][0-9.,eE+-]*|U)([^\s;0-9][^\s;]*)?((?:;[^\s;]*)*)")
_THRESHOLDS = ("warning", "critical", "minimum", "maximum")


def _figure(text):
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def perfdata(output):
    """{label: {value, unit, warning, critical, minimum, maximum}} of a plugin's output; what is not given is left out."""
    parts, begun = [], False
    for number, line in enumerate(output.splitlines()):
        # the first line has its own, the long text may end with more of it
        _text, found_bar, tail = line.partition("|")
        if found_bar:
            parts.append(tail)
            begun = number > 0
        elif begun:
            parts.append(line)
    found = {}
    for quoted, bare, value, unit, thresholds in _PERFDATA.findall(" ".join(parts)):
        figure = _figure(value)
        if figure is None:
            continue
        entry = {"value": figure}
        if unit:
            entry["unit"] = unit
        for name, text in zip(_THRESHOLDS, thresholds.split(";")[1:]):
            if text:
                # ranges of thresholds are more than figures
                entry[name] = text if _figure(text) is None else _figure(text)
        found[quoted.replace("''", "'") or bare] = entry
    return found


class NagiosPlugin(_probes.Family):
    """command: any plugin, as a list. ok: exit codes that count as such, by default ok and warning."""

    type = "nagios_plugin"
    RATE = 1.0
    TIMEOUT = 10.0
    GROUP = "nagios"
    OPTIONS = {"command": (list, _probes.REQUIRED), "ok": (list, None), "subject": (str, None)}

    def __init__(self, spec):
        super().__init__(spec)
        self._command = _probes.words("command of the monitor %r" % self.spec["name"], self.spec["command"])
        self._ok = [0, 1] if self.spec["ok"] is None else self.spec["ok"]
        self.one(self.named(self.spec["subject"] or self.spec["name"]), self.look)

    async def prepare(self):
        self._command = _children.argv(self._command)

    async def look(self):
        rc, out, err = await _children.run(self._command)
        # the shell's 126 and 127, and what a signal ended, are no plugin's answer
        value = {"state": _STATES.get(rc, "unknown"), "code": rc}
        figures = perfdata(out)
        if figures:
            value["perfdata"] = figures
        if rc not in self._ok:
            text = (out.strip() or err.strip()).partition("\n")[0].partition("|")[0].strip()[:200]
            raise _probes.Failed("%s: %s" % (value["state"], text) if text else value["state"], value)
        return value


class Livestatus(_probes.Family):
    """Nagios' own status. address: host:port or the path of a socket. filter, host_filter: of services and of hosts, as Livestatus has them.

    One series with counts; with each, one for every service and host that is there when the monitor starts. Where only one of the filters is
    given, only its table is asked. ok when no service is CRITICAL and no host DOWN or unreachable.
    """

    type = "livestatus"
    RATE = 1.0
    TIMEOUT = 5.0
    GROUP = "nagios"
    OPTIONS = {"address": (str, _probes.REQUIRED), "filter": (list, None), "host_filter": (list, None), "each": (bool, False)}
    _SERVICES = ("services", ("host_name", "description", "state"))
    _HOSTS = ("hosts", ("name", "state"))

    def __init__(self, spec):
        super().__init__(spec)
        self._address = self.spec["address"]
        filters = [self.spec["filter"] or None, self.spec["host_filter"] or None]
        self._queries = []
        for (table, columns), lines in zip((self._SERVICES, self._HOSTS), filters):
            if lines is None and any(each is not None for each in filters):
                continue
            self._queries.append((table, self._query(table, columns, lines or [])))
        if not self._address.startswith("/"):
            host, _colon, port = self._address.rpartition(":")
            if not host or not port.isdecimal():
                raise _probes.bad("address of the monitor %r is %r; it must be host:port or /path." % (self.spec["name"], self._address))
            self._address = (host.strip("[]"), int(port))

    def _query(self, table, columns, lines):
        query = ["GET %s" % table, "Columns: %s" % " ".join(columns)]
        for line in lines:
            if not isinstance(line, str) or "\n" in line or not line:
                raise _probes.bad("A filter of the monitor %r is %r; it must be one line of text." % (self.spec["name"], line))
            query.append(line if re.match(r"(Filter|And|Or|Negate|AuthUser):", line) else "Filter: %s" % line)
        return ("\n".join(query + ["OutputFormat: json", "ResponseHeader: fixed16"]) + "\n\n").encode()

    async def prepare(self):
        if isinstance(self._address, tuple):
            self._address = await _probes.resolve(*self._address)
        there = await self._ask()
        if not self.spec["each"]:
            self.one(self.named("nagios"), self.look)
            return
        self._keys = {self.named("%s on %s" % (key[1], key[0]) if key[1] else key[0]): key for key in there}
        if self._keys:
            self.all(self.look_at_each)

    async def _ask(self):
        """{(host, service or ''): state}"""
        found = {}
        for table, query in self._queries:
            for row in await self._answer(query):
                found[(row[0], row[1] if table == "services" else "")] = int(row[-1])
        return found

    async def _answer(self, query):
        unix = isinstance(self._address, str)
        reader, writer = await (asyncio.open_unix_connection(self._address) if unix else asyncio.open_connection(*self._address))
        try:
            writer.write(query)
            head = (await reader.readexactly(16)).decode(errors="replace")
            if not re.match(r"^\d{3} +\d+\n$", head):
                raise ValueError("no answer of Livestatus: %r" % head)
            size = int(head[4:])
            if size > 32 << 20:
                raise ValueError("an answer of %d bytes" % size)
            body = (await reader.readexactly(size)).decode(errors="replace")
        finally:
            writer.close()
        if head[:3] != "200":
            raise _probes.Failed("Livestatus answers %s: %s" % (head[:3], body.strip()[:200]))
        return json.loads(body)

    @staticmethod
    def _is_up(key, state):
        return state != 2 if key[1] else state == 0

    async def look(self):
        told = await self._ask()
        services, hosts = [[state for key, state in told.items() if bool(key[1]) is of] for of in (True, False)]
        value = {"services": {word: services.count(number) for number, word in _STATES.items() if services.count(number)},
                 "hosts": {word: hosts.count(number) for number, word in enumerate(("up", "down", "unreachable")) if hosts.count(number)}}
        down = sorted("%s on %s" % (key[1], key[0]) if key[1] else key[0] for key, state in told.items() if not self._is_up(key, state))
        if down:
            value["down_names"] = down[:20]
            raise _probes.Failed("%d down: %s" % (len(down), ", ".join(down[:3]) + (", ..." if len(down) > 3 else "")), value)
        return value

    async def look_at_each(self):
        told = await self._ask()
        found = {}
        for name, key in self._keys.items():
            state = told.get(key)
            if state is None:
                found[name] = ("Nagios does not know it any more", None)
                continue
            word = _STATES.get(state, "unknown") if key[1] else ("up", "down", "unreachable")[min(state, 2)]
            found[name] = (None if self._is_up(key, state) else word, {"state": word})
        return found


_probes.register(NagiosPlugin, Livestatus)
