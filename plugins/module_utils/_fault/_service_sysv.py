# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The driver linux_service where no systemd runs: the service command."""

from __future__ import annotations

from . import _systemd
from ._errors import FaultlineError
from ._exec import which
from ._service_processes import ProcessService


class SysvService(ProcessService):
    """Driver linux_service where no systemd runs: the service command, processes by a regular expression."""

    def __init__(self, name, definition):
        super().__init__(name, definition)
        self.script = (definition.get("unit") or [name])[0]
        self.grep = self.grep or "(^|/)%s( |$)" % self.script

    def find(self):
        if not which("service"):
            raise FaultlineError("This host has neither systemd nor the service command.", code="no_service_manager")
        super().find()

    can_start = True

    def _command(self, option):
        return ["service", self.script, {"start_cmd": "start", "terminate_cmd": "stop", "restart_cmd": "restart"}[option]]

    _by_signal = False

    def restart(self):
        _systemd.launch(self._command("restart_cmd"), self.stop_timeout + self.start_timeout)
