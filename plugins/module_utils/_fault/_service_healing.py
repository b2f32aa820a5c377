# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What takes faults of services back: start, unfreeze, plug."""

from __future__ import annotations

import signal

from . import _proc, _steps
from ._engine import undo_now
from ._errors import FaultlineError
from ._service_base import SETTLE, ServiceFault
from ._service_driver import named


class _Heal(ServiceFault):
    """start, unfreeze, plug: undo our own faults of the opposite action, and what else the action promises."""

    opposite = ""
    # other actions that it undoes
    others = ()

    def resolve(self):
        super().resolve()
        self.records = [r for action in (self.opposite,) + self.others for r in self._ours(action) if r["state"] != "undoing"]
        self.changes = bool(self.records) or self._needed()

    def guard(self):
        """Healing hits nothing."""

    def _look_around(self):
        return []

    def _needed(self):
        """Whether there is something to do beside our own faults."""
        return False

    def plan(self):
        return ["undo %s" % record["id"] for record in self.records] + self._more()

    def _more(self):
        return []

    def inject(self, record):
        undo_now(self.records)

    def prove(self, record):
        self.service.look_again()
        return {"undone": [other["id"] for other in self.records], "state": self.service.describe()}


class Start(_Heal):
    """Start a service; what we terminated is undone."""

    action = "start"
    opposite = "terminate"
    others = ("mask", "crash_loop")

    def _will(self):
        return "up"

    def _needed(self):
        return not self.service.settled

    def _more(self):
        return [] if self.service.settled else ["start %s" % self.subject]

    def inject(self, record):
        super().inject(record)
        if not self.service.settled:
            self.service.start()

    def prove(self, record):
        if not _proc.wait_until(lambda: self.service.settled, SETTLE):
            raise FaultlineError(
                "start of %s is not proven: %s." % (self.subject, self.service.describe()), code="unproven",
                hint="See the service's own log.",
            )
        self.done = "up"
        return super().prove(record)


class Unfreeze(_Heal):
    """Let a service's processes continue, whoever stopped them."""

    action = "unfreeze"
    opposite = "freeze"

    def _will(self):
        return "running"

    def _stopped(self):
        return [process for process in self.service.processes() if process.state in ("T", "t")]

    def _needed(self):
        return bool(self._stopped())

    def _more(self):
        return ["send SIGCONT to %s" % named(self._stopped())] if self._stopped() else []

    def inject(self, record):
        super().inject(record)
        self._wake()

    def _wake(self):
        for process in self._stopped():
            process.send(signal.SIGCONT)

    def prove(self, record):
        if not _proc.wait_until(lambda: not self._stopped(), SETTLE):
            raise FaultlineError(
                "unfreeze of %s is not proven: %s still stopped." % (self.subject, named(self._stopped())), code="unproven",
            )
        self.done = "running"
        return super().prove(record)


def _residue(step):
    return _steps.kind(step).residue(step)


class Plug(_Heal):
    """Give a service its ports back that we cut off."""

    action = "plug"
    opposite = "unplug"

    def _will(self):
        return "plugged in"

    def prove(self, record):
        left = [words for each in self.records for words in map(_residue, each["steps"]) if words]
        if left:
            raise FaultlineError("plug of %s is not proven: %s." % (self.subject, named(left)), code="unproven")
        self.done = "plugged in"
        return super().prove(record)
