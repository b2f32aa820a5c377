# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all faults of a service share."""

from __future__ import annotations

from . import _journal, _module, _proc
from ._engine import Fault
from ._errors import FaultlineError
from ._service_driver import named

# seconds that a process may take to die, stop or leave before the fault counts as unproven; it catches only a hang
SETTLE = 300
_PROTECTED_UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")


class ServiceFault(Fault):
    """What all faults of a service share. service: a _service_driver.Service; recovery_timeout: seconds, for faults without undo."""

    kind = "service"

    def __init__(self, service, recovery_timeout=_module.RECOVERY_TIMEOUT):
        self.service = service
        self.subject = service.name
        self.names = service.names
        self.recovery_timeout = recovery_timeout
        self.processes = []
        self.done = ""

    def targets(self):
        return [self.service.target()]

    def before(self):
        return self._before

    def after(self):
        return self.done

    def expected(self):
        return self.service.foreseen(self._will())

    def _will(self):
        """The state after it, in words."""
        return ", ".join(self.plan())

    def resolve(self):
        self.service.hit_by(self.action)
        self.processes = self.service.processes()
        self._before = self.service.describe()
        self._noted = self._look_around()

    # seen before anything was touched
    _noted = ()

    def _look_around(self):
        return self.service.notes()

    def notes(self):
        return list(self._noted)

    def _ours(self, action):
        """The open faults of an action on this service."""
        return [record for record in _journal.open_faults(action, self.names) if record["kind"] == self.kind]

    def _need_processes(self):
        if not self.processes:
            raise FaultlineError(
                "%s has no process on this host: there is nothing to %s." % (self.subject, self.action), code="not_running",
                hint=self.service.nothing_here(),
            )

    def guard(self):
        chain = _proc.own_chain()
        for process in self.processes:
            why = ""
            if process.pid == 1:
                why = "is PID 1"
            elif process.pid in chain:
                why = "carries this very task"
            elif process.comm == "sshd":
                why = "is the way in for Ansible"
            if why:
                raise FaultlineError(
                    "%s of %s is refused: %s %s." % (self.action, self.subject, process, why), code="guarded",
                    hint="Nothing was touched.",
                )
        protected = [name for name in self.names if name in _PROTECTED_UNITS or name.startswith("faultline-")]
        if protected:
            raise FaultlineError(
                "%s of %s is refused: it is the way in for Ansible, or ours." % (self.action, protected[0]), code="guarded",
                hint="Nothing was touched.",
            )

    def _gone(self, processes, patience=SETTLE):
        """Wait until these very processes are gone, or fail."""
        left = []

        def none_left():
            left[:] = [process for process in processes if process.alive]
            return not left

        if not _proc.wait_until(none_left, patience):
            raise FaultlineError(
                "%s of %s is not proven: %s still there after %d seconds." % (self.action, self.subject, named(left), patience),
                code="unproven", hint="A process in state D cannot die; see its state in /proc.",
            )
