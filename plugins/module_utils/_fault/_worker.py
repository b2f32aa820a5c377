# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workers: processes of our own that an effect needs for as long as it lasts, in a unit of their own.

With systemd a worker is the transient unit faultline-work-<fault id>.service, whose runtime limit ends it even when nobody
else does. Without, it is a session of its own, which /run/faultline-work-<fault id> names.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal

from . import _exec, _journal, _proc, _steps, _systemd
from ._errors import FaultlineError
from ._exec import run

_PREFIX = "faultline-work-"
# how much longer than the fault a worker may live; the undo ends it long before. The fault's time begins only when its effect is proven
BACKSTOP = 900
# seconds that a worker has to end in its own way
_PATIENCE = 2
# seconds that the kernel may take to end what was killed; it is tried again
_KILLED = 60


def name_for(fault_id):
    return _PREFIX + fault_id


def _note(name):
    return os.path.join("/run", name)


def own(kind, *arguments):
    """The argv that runs a step's own work(arguments)."""
    return _steps.program + ["work", kind] + [str(argument) for argument in arguments]


def start(name, argv, limit=None, tasks=None, last="KILL", backstop=BACKSTOP):
    """Start a worker; FaultlineError when its program cannot be run.

    limit: seconds that the fault lasts; backstop: how much longer it may live; tasks: how many processes and threads it needs; last: the signal that ends it.
    """
    if not _systemd.booted():
        _detach(name, argv)
        return
    options = ["--property=TimeoutStopSec=%d" % _PATIENCE, "--property=KillSignal=SIG%s" % last]
    if _systemd.version() >= 243:
        # systemd would end the whole unit when the kernel's killer takes one process
        options.append("--property=OOMPolicy=continue")
    if limit is not None:
        options.append("--property=RuntimeMaxSec=%d" % (limit + backstop))
    if tasks is not None:
        options.append("--property=TasksMax=%d" % tasks)
    run(["systemd-run", "--quiet", "--collect", "--unit=%s.service" % name, "--description=faultline: at work", *options, "--", *argv])


def _detach(name, argv):
    """A session of its own for argv; its leader is noted before it does anything."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
                null = os.open(os.devnull, os.O_RDWR)
                for handle in (0, 1, 2):
                    os.dup2(null, handle)
                with open(_note(name), "w") as stream:
                    json.dump(_proc.lookup(os.getpid()).as_dict(), stream)
                os.execvpe(argv[0], argv, _exec.environment())
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def names():
    """The workers of this host."""
    if not _systemd.booted():
        return sorted(name for name in os.listdir("/run") if name.startswith(_PREFIX))
    listed = run(["systemctl", "list-units", "--plain", "--no-legend", _PREFIX + "*.service"], check=False).out
    return [line.split()[0][:-len(".service")] for line in listed.splitlines() if line.strip()]


def processes(name):
    """The live processes of a worker, children too."""
    if _systemd.booted():
        unit = _systemd.show(["%s.service" % name])[0]
        return unit.processes() if unit.loaded else []
    try:
        with open(_note(name)) as stream:
            leader = _proc.Process.from_dict(json.load(stream))
    except (OSError, ValueError):
        return []
    return _proc.in_session(leader)


def stop(name):
    """End a worker, whatever it does."""
    if _systemd.booted():
        run(["systemctl", "stop", "--", "%s.service" % name], check=False)
    else:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in processes(name):
                process.send(number)
            _proc.wait_until(lambda: not processes(name), _PATIENCE)
    left = processes(name)
    for process in left:
        process.send(signal.SIGKILL)
    _proc.wait_until(lambda: not any(process.alive for process in left), _KILLED)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_note(name))


def report(fault_id, **news):
    """Put what a worker has seen into the record's proof. False when the fault is over."""
    with _journal.locked_for_undo(fault_id):
        record = _journal.load_open(fault_id)
        if record is None or record["state"] not in ("armed", "injected"):
            return False
        record["proof"].update(news)
        with _journal.locked():
            _journal.update(record)
    return True


def reported(fault_id):
    """The proof of a fault as it stands in its record."""
    record = _journal.load(fault_id)
    return record["proof"] if record else {}


class Worker:
    """End a worker, and remove its folder: {worker, argv, limit, tasks, folder}. What its effect is, a subclass knows."""

    type = "end_worker"

    @classmethod
    def make(cls, fault_id, what, argv, limit=None, tasks=None, folder=None, number=0, backstop=BACKSTOP, **keys):
        say = "end %s" % what + (", remove %s" % folder if folder else "")
        worker = name_for(fault_id) + ("-%d" % number if number else "")
        return _steps.step(
            cls, say, worker=worker, fault=fault_id, argv=argv, limit=limit, tasks=tasks, folder=folder, backstop=backstop, **keys)

    @classmethod
    def do(cls, step):
        if step["folder"]:
            try:
                os.mkdir(step["folder"], 0o700)
            except OSError as exc:
                raise FaultlineError("%s cannot be made: %s." % (step["folder"], exc.strerror), code="unwritable") from exc
        # our own work needs the program's path, which is known only where it is installed
        argv = step["argv"] if step["argv"] else own(cls.type, step["fault"], json.dumps(step["options"]))
        # our own have nothing to put in order
        start(step["worker"], argv, step["limit"], step["tasks"], "TERM" if step["argv"] else "KILL", step["backstop"])

    @staticmethod
    def undo(step):
        stop(step["worker"])
        if step["folder"]:
            shutil.rmtree(step["folder"], ignore_errors=True)

    @staticmethod
    def held(step):
        return bool(processes(step["worker"]))

    @staticmethod
    def residue(step):
        left = processes(step["worker"])
        if left:
            return "%s still there" % ", ".join(map(str, left))
        if step["folder"] and os.path.lexists(step["folder"]):
            return "%s is still there" % step["folder"]
        return ""
