# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load command: a program or a shell line of the user's own, as often as wanted; it goes on after failures."""

from __future__ import annotations

import os
import threading
import time

from .._fault._errors import FaultlineError
from . import _load, _samples

PATIENCE = 15


class Command(_load.Load):
    """One sample for each time that it ran to its end; its output is in the log."""

    patience = PATIENCE

    def __init__(self, load, told):
        super().__init__(load, told)
        command = load["command"]
        self.argv = command if isinstance(command, list) else ["/bin/sh", "-c", command]
        self.process = None

    def prepare(self):
        folder = self.load.get("chdir")
        if folder and not os.path.isdir(folder):
            raise FaultlineError("The load %s should run in %s, which is no directory." % (self.name, folder), code="bad_option")
        # a name with a slash begins where it runs
        name = self.argv[0]
        if os.sep in name:
            name = os.path.join(folder or os.curdir, os.path.expanduser(name))
        self.argv = [self.program(name, "Install it, or mend command of the load.")] + self.argv[1:]
        self.open({self.name: {"subject": self.name, "via": "command"}})

    def work(self):
        with self.log_file() as log:
            for number in range(self.load["times"]):
                if number and self.load["pause"]:
                    self.stopping.wait(self.load["pause"])
                if self.stopping.is_set():
                    break
                self.once(log)
                self.writer.flush()

    def once(self, log):
        timeout = self.load["timeout"]
        begun = time.monotonic()
        try:
            self.process = process = self.begin(self.argv, log, self.load.get("chdir"))
        except OSError as exc:
            self.add(begun, time.monotonic(), "failed", "it cannot be started: %s" % (exc.strerror or exc))
            return
        late = []
        watch = threading.Thread(target=self.watch, args=(process, timeout, late), daemon=True)
        watch.start()
        status = process.wait()
        ended = time.monotonic()
        watch.join(15)
        # what it left behind is not part of the next time
        _load.finish(process, patience=0)
        if self.stopping.is_set() and not late and status < 0:
            # the run has ended it, which says nothing of the cloud
            return
        if late:
            self.add(begun, ended, "timeout", "not done within %g s" % timeout)
        elif status:
            self.add(begun, ended, "failed", "exit status %d" % status if status > 0 else "ended by signal %d" % -status, status)
        else:
            self.add(begun, ended, "ok", None, 0)

    def watch(self, process, timeout, late):
        """End the program when its time is up, or when the run is over."""
        end = time.monotonic() + timeout
        while process.returncode is None and not self.stopping.is_set():
            left = end - time.monotonic()
            if left <= 0:
                late.append(True)
                break
            self.stopping.wait(min(left, 0.1))
        if process.returncode is None:
            _load.finish(process)

    def add(self, begun, ended, outcome, error, status=None):
        self.writer.due += 1
        start = self.clock.epoch(begun)
        self.writer.add(_samples.sample(
            self.name, start, start, ended - begun, outcome, error, None if status is None else {"exit_code": status}))


_load.register("command", Command)
