# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process of a load: what all loads share. Each type is in a module of its own (_load_*.py), with a class that is known by register().

A load's file is load/<name>.<phase>.jsonl of the run, one sample per operation, beside it raw outputs. It is there as soon as the load is ready,
but for Rally, which tells of its iterations at the end.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import threading
import time

from .._fault import _proc
from .._fault._errors import FaultlineError
from . import _clock, _process, _samples

PHASES = ("baseline", "disrupted", "clean")
LOADS = {}
# seconds beyond a load's own limits after which the kernel ends its process
_BACKSTOP = 120
# bytes of an output that an error quotes
_QUOTED = 600


def register(kind, cls):
    LOADS[kind] = cls


class Paths:
    """The files of one load in one phase, in the folder of loads of a run."""

    def __init__(self, folder, name, phase):
        self.folder = folder
        self.stem = os.path.join(folder, "%s.%s" % (name, phase))
        self.samples = self.stem + ".jsonl"
        self.pidfile = self.stem + ".pid"
        self.log = self.stem + ".log"


class Load:
    """One load at work. load: normalised; told: {phase, folder, environment (of its programs), credentials, database, limit (seconds or None)}.

    prepare() does what may fail, and raises FaultlineError before anybody relies on the load. work() is the load; it ends soon after stopping
    is set. patience: seconds that it then may take.
    """

    patience = 10

    def __init__(self, load, told):
        self.load = load
        self.name = load["name"]
        self.told = told
        self.paths = Paths(told["folder"], load["name"], told["phase"])
        self.environment = dict(told.get("environment") or {})
        self.environment.update(FAULTLINE_RUN=os.path.dirname(told["folder"]), FAULTLINE_PHASE=told["phase"])
        self.stopping = threading.Event()
        self.clock = _clock.Clock()
        self.writer = None
        self.failure = None
        # epoch seconds; when the file is made later than the load begins
        self.begun = None

    def prepare(self):
        """Make ready, within the patience of whoever waits for it."""

    def work(self):
        raise NotImplementedError

    def open(self, series):
        """Begin the file. series: {name: {subject, via}}."""
        header = {
            "kind": "load", "name": self.name, "type": self.load["type"], "host": None, "pid": os.getpid(),
            "started": round(self.begun or self.clock.epoch(), 6), "period": None, "timeout": self.load.get("timeout"),
            "series": {name: dict(each, group="load") for name, each in series.items()},
            "clock_offset": 0.0, "clock_error": 0.0, "phase": self.told["phase"],
        }
        self.writer = _samples.Writer(self.paths.samples, header)

    def end(self):
        if self.writer is None:
            self.open({})
        more = {"stopped": True} if self.stopping.is_set() else {}
        if self.failure:
            more["failure"] = self.failure
        self.writer.end(self.clock.epoch(), **more)

    def program(self, name, hint):
        """The path of a program that the load needs, where the user's own environment has it."""
        found = shutil.which(os.path.expanduser(name), path=self.environment.get("PATH"))
        if found is None:
            raise FaultlineError("The load %s needs the program %s, which is not there." % (self.name, name), code="missing_program", hint=hint)
        return os.path.abspath(found)

    def begin(self, argv, output, cwd=None):
        """Start a program in a process group of its own, which dies with our session; output: a file object."""
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=self.environment,
            preexec_fn=os.setpgrp)  # pylint: disable=subprocess-popen-preexec-fn

    def log_file(self):
        handle = os.open(self.paths.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return os.fdopen(handle, "ab", buffering=0)


def finish(process, how=signal.SIGTERM, patience=5):
    """End the process group of a program: with a signal, and after patience seconds by force. Its leader has to be waited for by somebody else."""
    _signal_group(process, how)
    if not _proc.wait_until(lambda: process.poll() is not None, patience):
        _signal_group(process, signal.SIGKILL)
        _proc.wait_until(lambda: process.poll() is not None, 5)
    # what it left behind
    _signal_group(process, signal.SIGKILL)


def _signal_group(process, number):
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def quoted(raw):
    """The end of an output, for an error."""
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
    return text.strip()[-_QUOTED:]


def main(arguments):
    """The life of a load's process. arguments: {runner (module), load, told, pidfile, start_delay}."""
    try:
        importlib.import_module(arguments["runner"])
        work = LOADS[arguments["load"]["type"]](arguments["load"], arguments["told"])
        _process.enter(arguments["pidfile"])
        try:
            _live(work, arguments)
        finally:
            _process.leave(arguments["pidfile"])
    except FaultlineError as exc:
        _process.failed(exc)
        return 1
    return 0


def _live(work, arguments):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_ignored: work.stopping.set())
    work.prepare()
    limit = work.told.get("limit")
    if limit:
        signal.setitimer(signal.ITIMER_REAL, limit + work.patience + _BACKSTOP)
    _process.ready({"pid": os.getpid(), "output": work.paths.samples, "log": work.paths.log})
    begun = time.monotonic()
    worker = threading.Thread(target=_work, args=(work, arguments["start_delay"]), daemon=True)
    worker.start()
    while worker.is_alive() and not work.stopping.is_set():
        worker.join(0.1)
        if limit and time.monotonic() - begun > limit:
            work.stopping.set()
    worker.join(work.patience)
    if worker.is_alive():
        work.failure = work.failure or "it did not end within %g seconds" % work.patience
    work.end()


def _work(work, start_delay):
    work.stopping.wait(start_delay)
    try:
        if not work.stopping.is_set():
            work.work()
    except FaultlineError as exc:
        work.failure = exc.message
    except Exception as exc:  # pylint: disable=broad-except
        work.failure = "%s: %s" % (type(exc).__name__, exc)


def state(paths):
    """What is known of a load by its files: {state: none|running|finished|cut_off, due, taken, failed, stopped, failure}."""
    end = _samples.end_line(paths.samples)
    told = {"state": "none", "due": 0, "taken": 0, "failed": 0, "stopped": False, "failure": None}
    if _process.find(paths.pidfile):
        return dict(told, state="running")
    if end is not None:
        told.update(
            state="finished", due=end["due"], taken=end["taken"], stopped=bool(end.get("stopped")), failure=end.get("failure"), failed=_failed(paths.samples))
    elif os.path.exists(paths.samples) or os.path.exists(paths.pidfile):
        told.update(state="cut_off", failed=_failed(paths.samples))
    return told


def _failed(path):
    """How many samples are not ok."""
    try:
        with open(path, "rb") as stream:
            return sum(1 for line in stream if b'"outcome":"failed"' in line or b'"outcome":"timeout"' in line)
    except OSError:
        return 0
