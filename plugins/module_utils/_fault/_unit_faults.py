# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of services that systemd runs, and only there: mask, crash_loop."""

from __future__ import annotations

import signal

from . import _journal, _proc, _service_base, _service_steps, _service_units, _steps, _systemd, _unit_steps, _worker
from ._errors import FaultlineError

# seconds that a unit may take to come back for the second time, beyond its own RestartSec; it catches only a hang
_SETTLE = 300


class _UnitFault(_service_base.ServiceFault):
    """What both share: they are done to units."""

    reversible = True
    duration = None

    @property
    def takes(self):
        # a unit that comes back is waited for
        return self.service.stop_timeout + max([unit.restart_pause for unit in self.service.units] + [0])

    def resolve(self):
        super().resolve()
        if not isinstance(self.service, _service_units.SystemService):
            raise FaultlineError(
                "%s of %s needs a unit of systemd, which runs it." % (self.action, self.subject),
                code="no_systemd", hint="Nothing was touched. Use terminate.",
            )
        if not self.service.can_start:
            raise FaultlineError(
                "%s of %s is refused: %s" % (self.action, self.subject, self.service.why_no_start), code="no_undo",
                hint="Nothing was touched. kill or terminate hit it without an undo.",
            )
        self.units = self.service.units
        self.ours = {step["claim"] for record in _journal.open_records() for step in record["steps"] if step.get("claim")}
        if not self.service.up and not self.processes and not any("down:" + unit.name in self.ours for unit in self.units):
            self._need_processes()

    def _starts(self):
        """Undo steps for all that goes down: what is up now, and what another fault of ours keeps down."""
        found = {step["claim"]: step for step in self.service.start_steps()} if self.service.up or self.processes else {}
        for unit in self.units:
            claim = "down:" + unit.name
            if claim in self.ours:
                found.setdefault(claim, _service_steps.StartUnit.make(unit.name))
        return list(found.values())


class Mask(_UnitFault):
    """Stop a service and let nobody start it."""

    action = "mask"

    def resolve(self):
        if _systemd.booted():
            masked = [unit for unit in _systemd.show(self.service.candidates) if unit.masked] if hasattr(self.service, "candidates") else []
            for unit in masked:
                self._foreign(unit.name)
        super().resolve()

    def _foreign(self, name):
        if not any(step.get("claim") == "mask:" + name for record in _journal.open_records() for step in record["steps"]):
            raise FaultlineError(
                "%s is masked already, and not by us." % name, code="already_masked", hint="Nothing was touched; it stays masked.")

    def _will(self):
        return "masked, stopped"

    def plan(self):
        names = ", ".join(unit.name for unit in self.units)
        return ["stop %s" % names] + ["link %s to /dev/null, until the next boot at most" % _unit_steps.mask_path(u.name) for u in self.units]

    def steps(self, fault_id):
        # unmasked first, or it could not be started
        return [_unit_steps.Unmask.make(unit.name) for unit in self.units] + self._starts()

    def inject(self, record):
        self.service.stop()
        _steps.do([step for step in record["steps"] if step["type"] == "unmask"])

    def prove(self, record):
        self._gone(self.service.ended_by_stop(self.processes))
        said = {unit.name: _unit_steps.start_refused(unit.name) for unit in self.units}
        for unit in _systemd.show([unit.name for unit in self.units]):
            if not unit.masked or unit.up:
                raise FaultlineError(
                    "mask of %s is not proven: %s." % (self.subject, _systemd.last_words(unit.name)), code="unproven",
                    hint="Look at: systemctl cat %s" % unit.name,
                )
        self.done = "stopped, and cannot be started"
        return {"gone": [process.as_dict() for process in self.processes], "start": said}


class CrashLoop(_UnitFault):
    """Kill a service whenever it comes back."""

    action = "crash_loop"

    def resolve(self):
        super().resolve()
        # another loop of ours may have killed them a moment ago; a unit tells its control group only while something runs in it
        known = {
            step["options"]["unit"]: step["options"]["control_group"]
            for loop in self._loops() for step in loop["steps"] if step["type"] == "end_loop"}
        self.groups = {unit.name: unit.control_group or known.get(unit.name, "") for unit in self.units}
        # what is stopped anyway is left alone
        self.units = [unit for unit in self.units if self.groups[unit.name]]
        if not known or not self.units:
            self._need_processes()

    def _loops(self):
        return self._ours("crash_loop")

    def _will(self):
        return "killed whenever it comes back"

    def plan(self):
        return [
            "kill %s of %s, every %g seconds" % (
                "the main process with its workers" if self.service.by_main(unit) else "whatever runs", unit.name, _unit_steps.LOOK) for unit in self.units]

    def steps(self, fault_id):
        loops = [
            _unit_steps.EndLoop.make(
                fault_id, "the crash loop of %s" % unit.name, None, self.duration, number=number,
                options={"unit": unit.name, "control_group": self.groups[unit.name], "word": self._word(unit),
                         "by_main": self.service.by_main(unit)})
            for number, unit in enumerate(self.units)
        ]
        names = [step["unit"] for step in self._starts()] or [unit.name for unit in self.units]
        return loops + [_unit_steps.Revive.make(name) for name in names]

    def _word(self, unit):
        return "kills" if len(self.units) == 1 else "kills of %s" % unit.name

    def inject(self, record):
        _steps.do([step for step in record["steps"] if step["type"] == "end_loop"])

    def prove(self, record):
        self._gone(self.processes)
        returns = all(unit.comes_back_from(signal.SIGKILL) for unit in self.units)
        wanted = 2 if returns else 1
        words = [self._word(unit) for unit in self.units]
        # who comes first to what has come back is a race between this loop and others of ours
        others = [loop["id"] for loop in self._loops() if loop["id"] != record["id"]]

        def counted(fault_ids):
            seen = [_worker.reported(fault_id) for fault_id in fault_ids]
            return min(sum(proof.get(word, 0) for proof in seen) for word in words)

        before = counted(others) if others else 0

        def kills():
            return counted([record["id"]] + others) - before

        def enough():
            at_work = all(word in _worker.reported(record["id"]) for word in words)
            return at_work and (kills() >= wanted or (returns and self._given_up()))

        pause = max([unit.restart_pause for unit in self.units])
        # a unit that the other loops have driven into its start limit stays down as it is
        if not _proc.wait_until(enough, _SETTLE + pause, pause=0.1) or not (kills() or others):
            raise FaultlineError(
                "crash_loop of %s is not proven: it was killed %d times, and is %s." % (
                    self.subject, kills(), self.service.describe()), code="unproven",
                hint="See the journal of its unit.",
            )
        self.done = "killed whenever it comes back" + ("" if returns else " (nothing is set to restart it)")
        return {"gone": [process.as_dict() for process in self.processes], "restarts_by_itself": returns}

    def _given_up(self):
        """Whether systemd has run into the unit's start limit, which belongs to the effect."""
        return all(unit.state == "failed" for unit in _systemd.show([unit.name for unit in self.units]))


ACTIONS = {fault.action: fault for fault in (Mask, CrashLoop)}


def make(action, service, duration=None):
    """The fault of an action word on a service."""
    fault = ACTIONS[action](service)
    fault.duration = duration
    return fault
