# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of services that stand still for a while: terminate, freeze."""

from __future__ import annotations

import signal

from . import _doors, _journal, _proc, _reach, _service_steps
from ._errors import FaultlineError
from ._service_base import SETTLE, ServiceFault
from ._service_driver import named


class Terminate(ServiceFault):
    """Stop a service in its own way, and start it again at the deadline."""

    action = "terminate"

    @property
    def reversible(self):
        return self.service.can_start

    @property
    def why_not(self):
        return "%s %s" % (self.service.why_no_start, self.service.how_to_start)

    @property
    def takes(self):
        return self.service.stop_timeout

    def resolve(self):
        super().resolve()
        self.payload = self.service.payload()
        self.shared = self._down_by_us()
        if not self.service.up and not self.processes and not self.shared:
            self._need_processes()

    def _down_by_us(self):
        """Steps of open faults that keep this service down already: their undo becomes ours as well."""
        return [
            step for record in self._ours("terminate") if record["state"] == "injected"
            for step in record["steps"]
        ]

    def _will(self):
        return "stopped"

    def plan(self):
        what = named(self.processes + self.payload) or ("down already, by another fault" if self.shared else "no process")
        return ["stop %s (%s)" % (self.subject, what)] + ([] if self.reversible else ["undo: none. %s" % self.service.why_no_start.rstrip(".")])

    def steps(self, fault_id):
        found = {}
        # one that is about to be up has processes
        for step in self._down_by_us() + (self.service.start_steps() if self.service.up or self.processes else []):
            found[step["claim"]] = step
        return list(found.values())

    def inject(self, record):
        # on disk before anybody hears of it: who was told to stop never counts as started again
        if _service_steps.Run.told(record["steps"]):
            _journal.save(record)
        try:
            self.service.stop()
        except FaultlineError as exc:
            untold = exc.code == "missing_program"
            if (untold or exc.code == "program_failed") and _service_steps.Run.refused(record["steps"], untold):
                _journal.save(record)
            raise

    def prove(self, record):
        self._gone(self.service.ended_by_stop(self.processes) + self.payload)
        if self.service.processes() or self.service.up:
            raise FaultlineError(
                "terminate of %s is not proven: it is up again (%s)." % (self.subject, self.service.describe()), code="unproven",
                hint="Something starts it again; find out what: a cluster manager, a timer?",
            )
        stay = [process for process in self.processes if process.alive]
        self.done = "stopped" + (", %s still there, which its own stop does not end" % named(stay) if stay else "")
        return {"gone": [process.as_dict() for process in self.processes + self.payload if process not in stay], "state": self.service.describe()}


class Answers:
    """The doors of what is frozen: the kernel goes on to take connections, but none may be answered any more.

    What only ever took connections proves nothing, and is not asked again.
    """

    def __init__(self, fault, doors):
        self.fault = fault
        answers = _doors.ask(doors, _reach.ANSWER)
        self.before = _doors.answered(doors, answers)

    def prove_silent(self):
        """{answers_before, answers} for the proof; FaultlineError (unproven) where somebody still answers."""
        if not self.before:
            return {}
        answers = _reach.ask([endpoint for endpoint, _answer in self.before], _reach.SILENCE)
        loud = [endpoint for endpoint, _answer in self.before if _reach.RANKS.get(answers.get(str(endpoint)), 0) > _reach.RANKS["connected"]]
        if loud:
            others = _doors.strangers(loud[0], self.fault.processes)
            raise FaultlineError(
                "%s of %s is not proven: it still answers at %s%s." % (
                    self.fault.action, self.fault.subject, named(loud), ", by %s" % named(others) if others else ""),
                code="unproven", hint="Somebody else serves that port as well: hit that, too, or name it as the service.",
            )
        return {"answers_before": {str(endpoint): answer for endpoint, answer in self.before}, "answers": answers}


class Freeze(ServiceFault):
    """Stop all processes of a service with SIGSTOP, children too, and let them continue at the deadline."""

    action = "freeze"
    reversible = True
    # rounds of looking for children that were forked meanwhile
    _ROUNDS = 20

    def resolve(self):
        super().resolve()
        self._need_processes()
        ours = _journal.claimed_by_others("")
        self.foreign = [p for p in self.processes if p.state in ("T", "t") and self._claim(p) not in ours]
        self.processes = [p for p in self.processes if p not in self.foreign]
        if not self.processes:
            raise FaultlineError(
                "%s is stopped already, and not by us: %s." % (self.subject, named(self.foreign)), code="already_stopped",
                hint="Nothing was touched. unfreeze lets it continue.",
            )

    @staticmethod
    def _claim(process):
        return _service_steps.Continue.make(process)["claim"]

    def _will(self):
        return "frozen, %s" % ", ".join("%s (T)" % process for process in self.processes)

    def plan(self):
        return ["send SIGSTOP to %s" % named(self.processes)]

    def steps(self, fault_id):
        return [_service_steps.Continue.make(process) for process in self.processes]

    def look_before(self, record):
        self.watch = Answers(self, _doors.of_processes(self.processes))

    def inject(self, record):
        # parents first: they are the ones who fork
        fresh = sorted(self.processes, key=lambda process: process.start)
        for _round in range(self._ROUNDS):
            for process in fresh:
                process.send(signal.SIGSTOP)
            known = set(self.processes) | set(self.foreign)
            fresh = [process for process in self.service.processes() if process not in known]
            if not fresh:
                return
            _journal.extend(record, [_service_steps.Continue.make(process) for process in fresh])
            self.processes += fresh
        raise FaultlineError(
            "%s forks faster than it can be frozen." % self.subject, code="unproven", hint="Use terminate.",
        )

    def prove(self, record):
        running = []

        def all_stopped():
            running[:] = [process for process in self.service.processes() if process.state not in ("T", "t", "")]
            return not running

        if not _proc.wait_until(all_stopped, SETTLE):
            raise FaultlineError(
                "freeze of %s is not proven: %s still running." % (self.subject, named(running)), code="unproven",
                hint="A process in state D stops only when its system call ends.",
            )
        stopped = [process for process in self.processes if process.state in ("T", "t")]
        if not stopped:
            raise FaultlineError("freeze of %s is not proven: its processes are gone." % self.subject, code="unproven")
        answers = self.watch.prove_silent()
        self.done = "frozen: %s in state T" % named(stopped)
        return dict({"stopped": [process.as_dict() for process in stopped]}, **answers)
