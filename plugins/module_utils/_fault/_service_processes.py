# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The driver process: processes known by a pattern, run by commands that are given."""

from __future__ import annotations

import signal
import time

from . import _proc, _service_steps, _systemd
from ._errors import FaultlineError
from ._service_driver import Service

# seconds that the start of a service may take which no unit runs, where its definition does not say
START_TIMEOUT = 300


class ProcessService(Service):
    """Driver process: processes by a regular expression on their command line; start, stop and restart by given commands."""

    def __init__(self, name, definition):
        super().__init__(name, definition)
        self.grep = definition.get("grep")

    def find(self):
        if not self.grep:
            raise FaultlineError(
                "%s has the driver process but no grep." % self.name, code="no_pattern",
                hint="Give grep: a regular expression that its command line matches.",
            )
        if not self.processes() and not self.can_start:
            raise self._missing("no process matches '%s'" % self.grep)

    def processes(self):
        return _proc.matching(self.grep)

    def back(self, old, found):
        return bool(found)

    @property
    def can_start(self):
        return bool(self.definition.get("start_cmd"))

    def _command(self, option):
        # the configuration file's own shell command line, as os-faults runs it; no name is put into it
        return ["/bin/sh", "-c", self.definition[option]]

    @property
    def stop_timeout(self):
        return self.definition.get("stop_timeout") or _service_steps.STOP_TIMEOUT

    @property
    def start_timeout(self):
        return self.definition.get("start_timeout") or START_TIMEOUT

    # whether its stop is a SIGTERM of ours
    @property
    def _by_signal(self):
        return not self.definition.get("terminate_cmd")

    def start_steps(self):
        return [_service_steps.Run.make(
            self._command("start_cmd"), self.grep, "down:process:" + self.name, self.processes(), self.start_timeout, self._by_signal,
            self.stop_timeout)]

    def start(self):
        if not self.can_start:
            raise self._lacks("start_cmd", "started")
        _systemd.launch(self._command("start_cmd"), self.start_timeout)

    def stop(self):
        """Tell it to stop, and wait until it has; FaultlineError (unproven) when it has not within its time."""
        meant = self.processes()
        if not meant:
            # another fault has stopped it already
            return
        end = time.monotonic() + self.stop_timeout
        if self._by_signal:
            for process in meant:
                process.send(signal.SIGTERM)
        else:
            _systemd.launch(self._command("terminate_cmd"), self.stop_timeout)
        left = []

        def none_left():
            left[:] = [process for process in meant if process.alive]
            return not left

        if not _proc.wait_until(none_left, max(0, end - time.monotonic()), pause=0.05):
            words = ", ".join(map(str, left))
            raise FaultlineError(
                "The stop of %s is not proven: %s was told to stop by %s and is still there after %g seconds (stop_timeout)." % (
                    self.name, words, "SIGTERM" if self._by_signal else "terminate_cmd", self.stop_timeout),
                code="unproven", hint="It may only be slow, and go later: give it a longer stop_timeout.",
                details={"left": [process.as_dict() for process in left]},
            )

    def restart(self):
        if self.definition.get("restart_cmd"):
            _systemd.launch(self._command("restart_cmd"), self.stop_timeout + self.start_timeout)
            return
        if not self.can_start:
            raise self._lacks("restart_cmd", "restarted")
        try:
            self.stop()
        except FaultlineError as exc:
            if exc.code == "unproven":
                exc.message += " Nothing starts it again when it goes: a restart has no undo."
            raise
        self.start()
