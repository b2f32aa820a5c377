# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The driver system_service: units of systemd."""

from __future__ import annotations

import re
import signal
import time

from . import _proc, _service_steps, _systemd, _unit_processes
from ._errors import FaultlineError
from ._service_driver import Service, hand_over, named

# seconds that what its unit leaves to itself has to end on SIGTERM, where it is to end as well
_LAST_WORDS = 30
# seconds in which systemd, on a busy host, notices that the last process of a unit has died, and between two looks at it
_UNNOTICED, _PAUSE = 3, 0.05
# actions that go to the processes themselves, where others ask whoever runs them; and those that take such an action back
_ON_PROCESSES = ("kill", "freeze", "unplug", "crash_loop")
_OFF_PROCESSES = ("unfreeze", "plug")


class SystemService(Service):
    """Driver system_service: units of systemd; processes from their control groups, or, of a unit that has none, by pattern or port."""

    def __init__(self, name, definition):
        super().__init__(name, definition)
        self.candidates = definition.get("unit") or [name]
        self.units = []
        self.asked = definition.get("processes")
        self.grep = definition.get("grep")
        self.ports = definition.get("port") or []
        # what in the definition is not what it should be, in words
        self._wrong = []
        # whether its units are up without a process of their own, so that it is known by pattern or port
        self._outside = False
        self._left, self._loose, self._unit_of = [], set(), {}

    @property
    def names(self):
        return (self.name,) + tuple(unit.name for unit in self.units)

    def find(self):
        if not _systemd.booted():
            raise FaultlineError(
                "This host is not run by systemd, so %s cannot be a system_service here." % self.name, code="no_systemd",
                hint="Use the driver process (with grep) or linux_service.",
            )
        shown = _systemd.show(self.candidates)
        self._wrong = [unit.wrong for unit in shown if unit.wrong]
        # one that is masked, maybe by us, is here as well
        self.units = _systemd.choose(shown) or [unit for unit in shown if unit.masked][:1]
        if not self.units and self._wrong:
            raise FaultlineError(
                "%s cannot be found on this host: %s." % (self.name, "; ".join(self._wrong)), code="bad_unit",
                hint="Nothing was touched. Mend the name of the unit in the definition of the service.", details={"service": self.name},
            )
        if not self.units:
            raise self._missing("no unit " + " or ".join(_systemd.unit_name(unit) for unit in self.candidates))
        self._check_pattern()
        self._outside = self._without_processes()
        if self._outside:
            hand_over(self)

    def _without_processes(self):
        """Whether its units are up with no process of their own. Those whose process has died a moment ago are not: systemd is about to notice."""
        end = time.monotonic() + _UNNOTICED
        while any(unit.active for unit in self.units) and not any(unit.processes() for unit in self.units):
            if time.monotonic() > end or not any(unit.substate == "running" for unit in self.units):
                return True
            time.sleep(_PAUSE)
            self.look_again()
        return False

    def _check_pattern(self):
        """Do without a pattern that is none: the units are known by their names."""
        try:
            re.compile(self.grep or "")
        except re.error as exc:
            self._wrong.append("grep '%s' is not a regular expression (%s), and was not looked for" % (self.grep, exc))
            self.grep = None

    def processes(self):
        if self._outside:
            return self._found_outside()
        if any(self.by_main(unit) and not (unit.main and _proc.lookup(unit.main)) for unit in self.units):
            # the next main process is known to systemd only
            self.look_again()
        found, left = set(), set()
        for unit in self.units:
            meant, others, loose = _unit_processes.split(unit, self.asked)
            found.update(meant)
            left.update(others)
            self._loose.update(loose)
            self._unit_of.update((process, unit.name) for process in meant + others)
        self._left = sorted(left - found, key=lambda process: process.pid)
        return sorted(found, key=lambda process: process.pid)

    def by_main(self, unit):
        """Whether of this unit only the main process with its workers is meant."""
        return self.asked == "main" or (self.asked is None and unit.kill_mode in _unit_processes.BY_MAIN)

    def _found_outside(self):
        """What its units have started and do not run themselves."""
        return _proc.matching(self.grep) if self.grep else self._holders()

    def _holders(self):
        """Who listens on its ports, whoever runs them."""
        wanted = set(self.ports)
        everybody = [process for process in map(_proc.lookup, _proc.every()) if process] if wanted else []
        sockets = [entry for entry in _proc.listening(everybody) if (entry.protocol, entry.port) in wanted]
        # systemd listens for others
        return sorted({process for entry in sockets for process in entry.holders if process.pid != 1}, key=lambda process: process.pid)

    def hit_by(self, action):
        if self._outside and action == "crash_loop":
            raise FaultlineError(
                "crash_loop of %s is refused: %s has no process of its own that systemd would start again." % (
                    self.name, named(unit.name for unit in self.units)), code="watcher", hint="Nothing was touched. Use kill, or terminate.",
            )
        if action not in _ON_PROCESSES + _OFF_PROCESSES or self.asked or self._outside:
            return
        for unit in self.units:
            own = unit.processes()
            if own:
                self._refuse_watcher(action, unit, own)
                self._refuse_wrapper(action, unit)
        if action in _ON_PROCESSES and self.grep and self._running():
            inside, outside = self._matching()
            if outside and not inside:
                raise self._elsewhere(action, "matches '%s'" % self.grep, outside)
        if action in _ON_PROCESSES and self.ports and self._running():
            own = self._running()
            # one that listens on other ports may be behind who has these
            holders = [] if _proc.listening(own) or _proc.hidden(own) else self._holders()
            if holders:
                raise self._elsewhere(action, "listens on %s" % named("%s %d" % port for port in self.ports), holders)

    def _elsewhere(self, action, known, processes):
        return FaultlineError(
            "%s of %s is refused: what %s is %s, and %s runs other processes." % (
                action, self.name, known, _with_units(processes), named(unit.name for unit in self.units)),
            code="elsewhere", details={"service": self.name},
            hint="Nothing was touched. Name the unit that runs them as unit, or hit them by a pattern: driver process with grep. "
                 "With processes=main the unit's own are hit.",
        )

    def _refuse_watcher(self, action, unit, own):
        """Fail for a unit that only watches what serves."""
        watched, where = self._watched(unit, own)
        if not watched:
            return
        containers = {_proc.container(process.pid) for process in watched if isinstance(process, _proc.Process)} or {where}
        if len(containers) == 1 and "" not in containers:
            raise FaultlineError(
                "%s only watches the container %s." % (unit.name, min(containers)[:12]), code="in_container",
                hint="Nothing was touched. Use os_container_fault.", details={"service": self.name, "container": min(containers)},
            )
        if action in _OFF_PROCESSES:
            return
        raise FaultlineError(
            "%s of %s is refused: %s only watches what serves, %s." % (action, self.name, unit.name, _with_units(watched)),
            code="watcher", details={"service": self.name, "unit": unit.name},
            hint="Nothing was touched. %s terminate and restart of %s are the unit's own and take it along; with processes=main the watcher itself "
                 "is hit." % ("Give %s as unit." % where if where else "Use os_container_fault with the name of the container.", self.name),
        )

    def _refuse_wrapper(self, action, unit):
        """Fail where who is meant of a unit may only wait for what serves, and would be proven in its place."""
        if action not in _ON_PROCESSES or not self.by_main(unit):
            return
        meant, left, _loose = _unit_processes.split(unit, self.asked)
        members = {process.pid: _proc.relation(process.pid) for process in meant + left}
        heard = {pid: _unit_processes.ports(pid) for pid in members}
        found = _unit_processes.behind(unit.main, members, {process.pid for process in meant}, heard.get, self.ports)
        if not meant or not found:
            return
        others = [process for process in left if process.pid in found]
        raise FaultlineError(
            "%s of %s is refused: %s listens on %s, and the stop of %s (KillMode=%s) leaves it alone and ends only %s, which does not." % (
                action, self.name, named(others), _unit_processes.in_words(set().union(*(heard[pid] for pid in found))), unit.name, unit.kill_mode,
                named(meant)),
            code="wrapper", details={"service": self.name, "unit": unit.name},
            hint="Nothing was touched. With processes=all both are hit; with processes=main only %s, where the other is a helper that has to stay." % (
                named(meant)),
        )

    def _watched(self, unit, own):
        """(what a unit only watches: processes, or words; the unit or the container that it is in, or '')."""
        waits, name = _unit_processes.container_watched(_proc.command_line(unit.main)) if unit.main else (False, "")
        if waits:
            return _unit_processes.descendants_elsewhere(unit, own) or ["the container %s" % (name or "that it runs")], name
        if _unit_processes.listens(own):
            return [], ""
        elsewhere = _unit_processes.descendants_elsewhere(unit, own)
        if not elsewhere:
            # once the watcher was restarted, what it watches is nobody's child
            others = [other for other in _systemd.show(_systemd.stops(unit.name)) if other.active]
            elsewhere = [process for other in others for process in other.processes()]
        return elsewhere, _proc.control_group(elsewhere[0].pid).rpartition("/")[2] if elsewhere else ""

    def payload(self):
        found = []
        for unit in self.units:
            own = unit.processes()
            found += [process for process in (self._watched(unit, own)[0] if own else []) if isinstance(process, _proc.Process)]
        return found

    def _running(self):
        return [process for unit in self.units for process in unit.processes()]

    def _matching(self):
        """(processes that match the pattern and that its units run, those that others run)."""
        ours = set(self._running())
        found = _proc.matching(self.grep)
        return [process for process in found if process in ours], [process for process in found if process not in ours]

    def ended_by_stop(self, processes):
        return [process for process in processes if process not in self._loose]

    def nothing_here(self):
        exited = [unit.name for unit in self.units if unit.active]
        if not exited:
            return super().nothing_here()
        known = " and ".join(filter(None, [self.grep and "grep '%s'" % self.grep, self.ports and "port %s" % named("%s %d" % port for port in self.ports)]))
        return "Nothing was touched. %s is active without a process of its own; %s. terminate and restart go by the unit itself." % (
            named(exited), "nothing was found by " + known if known else "give grep or port, by which its processes are known")

    def notes(self):
        found = ["meant as well: %s, for which %s only waits" % (named(carried), main) for main, carried in self._carried()]
        found += ["left alone: %s, %s" % (named(group), why) for why, group in self._left_by_reason()]
        found += self._wrong
        if self._outside:
            names = named(unit.name for unit in self.units)
            known = "matches '%s'" % self.grep if self.grep else "listens on %s" % named("%s %d" % port for port in self.ports)
            return found + ["%s has no process of its own%s" % (names, ": meant is what %s" % known if self.grep or self.ports else "")]
        return found + self._disagreements()

    def _carried(self):
        """[(main process, what it only waits for)] of units that are known by it."""
        if self._outside or self.asked == "all":
            return []
        each = [(_proc.lookup(unit.main), _unit_processes.carried(unit, _unit_processes.split(unit, self.asked)[0]))
                for unit in self.units if unit.main and self.by_main(unit)]
        return [(main, carried) for main, carried in each if main and carried]

    def _left_by_reason(self):
        own = "which KillMode=%s does not end (processes=all hits them as well)"
        whys = {unit.name: "as processes=main says" if self.asked else own % unit.kill_mode for unit in self.units}
        groups = {}
        for process in self._left:
            groups.setdefault(whys[self._unit_of[process]], []).append(process)
        return sorted(groups.items())

    def _disagreements(self):
        """Where the pattern and the ports of the definition and what the units run do not fit together."""
        running = self._running()
        if not running:
            return []
        names, found = named(unit.name for unit in self.units), []
        if self.grep:
            inside, outside = self._matching()
            if not inside:
                found.append("no process of %s matches '%s'" % (names, self.grep))
            if outside:
                found.append("'%s' matches %s as well, which %s does not run: not meant" % (self.grep, _with_units(outside), names))
        heard = {(s.protocol, s.port) for s in _proc.listening(running)}
        silent = [port for port in self.ports if tuple(port[:2]) not in heard]
        if silent and not _proc.hidden(running):
            found.append("%s does not listen on %s, %s" % (
                names, named("%s %d" % tuple(port[:2]) for port in silent),
                "but on %s" % named("%s %d" % port for port in sorted(heard)) if heard else "or any port"))
        return found

    def look_again(self):
        """Ask systemd for the units' present state."""
        known = {unit.name: unit.control_group for unit in self.units}
        self.units = _systemd.show([unit.name for unit in self.units])
        for unit in self.units:
            # a unit has none while nothing runs in it, and the same one when it is back
            unit.control_group = unit.control_group or known.get(unit.name, "")

    @property
    def up(self):
        self.look_again()
        return all(unit.active for unit in self.units)

    def back(self, old, found):
        hit = {self._unit_of[process] for process in old if process in self._unit_of}
        if not hit or self._outside:
            return self.up
        new = {self._unit_of.get(process) for process in found if process not in old}
        self.look_again()
        # one that was not hit may be down for its own reasons
        return hit <= new and all(unit.active for unit in self.units if unit.name in hit)

    def describe(self):
        words = []
        for unit in self.units:
            inside = ", ".join("%s (%s)" % (process, process.state) for process in unit.processes())
            words.append("%s: %s (%s)%s" % (unit.name, unit.state, unit.substate, ", " + inside if inside else ""))
        return "; ".join(words)

    def foreseen(self, state):
        return "; ".join("%s: %s" % (unit.name, state) for unit in self.units)

    @property
    def stop_timeout(self):
        # what would start it again is stopped as well
        return _systemd.stop_timeout([name for unit in self.units for name in unit.triggers] + [unit.name for unit in self.units])

    def target(self):
        meant = super().target()
        return dict(
            meant, units=[unit.name for unit in self.units],
            left_alone=[dict(process.as_dict(), unit=self._unit_of.get(process)) for process in self._left])

    def comes_back_from(self, number):
        return self.revival(number, self.processes())[0]

    def revival(self, number, processes):
        """By the units whose processes are hit: each of them has to come back."""
        hit = {self._unit_of[process] for process in processes if process in self._unit_of}
        units = [unit for unit in self.units if unit.name in hit]
        if not units or self._outside:
            return None, "it is not known whether anything restarts it"
        each = [self._revival_of(unit, number) for unit in units]
        worst = False if any(comes is False for comes, _said in each) else (None if any(comes is None for comes, _said in each) else True)
        words = list(dict.fromkeys(said for comes, said in each if comes is worst))
        self.woken_by_connection = worst is None and any(name.endswith(".socket") for unit in units for name in unit.triggers)
        return worst, "; ".join(words)

    def given_up(self):
        failed = [unit.name for unit in self.units if unit.state == "failed" and unit.restart != "no"]
        return "systemd has given up on %s, which was started too often (StartLimitBurst=)" % named(failed) if failed else ""

    @staticmethod
    def _revival_of(unit, number):
        if unit.main:
            comes = unit.comes_back_from(number, handled=_proc.handles(unit.main, number))
        else:
            # systemd does not know how the one died that it does not know: it takes it for a clean end
            comes = unit.restart in ("always", "on-success")
        if comes:
            return True, "Restart=%s of %s starts it again" % (unit.restart, unit.name)
        triggers = [each.name for each in _systemd.show(unit.triggers) if each.active]
        when = {"socket": "with its next connection", "timer": "at its next time", "path": "when its path changes"}
        if triggers:
            return None, "; ".join("%s starts it %s" % (name, when.get(name.rpartition(".")[2], "in its own time")) for name in triggers)
        if comes is None:
            return None, "whether Restart=%s of %s starts it again depends on the exit status with which it ends" % (unit.restart, unit.name)
        return False, "nothing is set to restart it (%s has Restart=%s)" % (unit.name, unit.restart)

    @property
    def can_start(self):
        return all(unit.startable for unit in self.units)

    @property
    def why_no_start(self):
        return "%s is a transient unit, gone once it has stopped, or refuses to be started by hand: nothing could start it again." % named(
            unit.name for unit in self.units if not unit.startable)

    how_to_start = "Leave duration out."

    def start_steps(self):
        names = [unit.name for unit in self.units if unit.up]
        names += [name for name in _systemd.stopped_together(self.units) if name not in names]
        # a socket cannot be started any more once its service is up
        names.sort(key=lambda name: name.endswith(".service"))
        return [_service_steps.StartUnit.make(name) for name in names]

    def start(self):
        _systemd.start([unit.name for unit in self.units])

    def stop(self):
        rest = self._running() if self.asked == "all" else []
        # what would start the unit again goes first
        _systemd.stop([name for unit in self.units for name in unit.triggers] + [unit.name for unit in self.units])
        _end(rest)

    def restart(self):
        if self.asked == "all" and any(unit.kill_mode in _unit_processes.BY_MAIN for unit in self.units):
            rest = self._running()
            _systemd.stop([unit.name for unit in self.units])
            _end(rest)
        _systemd.restart([unit.name for unit in self.units])


def _end(processes):
    """End processes that nobody else ends."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = [process for process in processes if process.send(number)]
        _proc.wait_until(lambda left=left: not any(process.alive for process in left), _LAST_WORDS)


def _with_units(things):
    """Processes with what runs them, in words; words stay as they are."""
    groups = {}
    for thing in things:
        where = _proc.control_group(thing.pid).rpartition("/")[2] if isinstance(thing, _proc.Process) else ""
        groups.setdefault(where, []).append(thing)
    return " and ".join("%s in %s" % (named(each), where) if where else named(each) for where, each in groups.items())
