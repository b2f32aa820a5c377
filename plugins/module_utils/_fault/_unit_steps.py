# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of mask and crash_loop, as steps (see _steps.py), and the work of who kills whatever comes back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time

from . import _proc, _service_steps, _steps, _systemd, _unit_processes, _worker
from ._errors import FaultlineError
from ._exec import run

PROGRAM = (_proc, _service_steps, _systemd, _unit_processes, _worker)
# seconds between two looks at the unit, and how long a process may live before the loop counts as broken
LOOK = 0.1
_OLD = 30.0
# where systemd has its tree of control groups
_ROOTS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup")


def mask_path(unit):
    return os.path.join(_systemd.MASKS, unit)


class Unmask:
    """Take a mask of our own away: {unit, path}."""

    type = "unmask"

    @classmethod
    def make(cls, unit):
        return _steps.step(cls, "unmask %s" % unit, claim="mask:" + unit, unit=unit, path=mask_path(unit))

    @staticmethod
    def do(step):
        os.makedirs(_systemd.MASKS, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(os.devnull, step["path"])
        run(["systemctl", "daemon-reload"])

    @staticmethod
    def undo(step):
        _systemd.unmask(step["path"])

    @staticmethod
    def held(step):
        return _systemd.masks(step["path"])

    @staticmethod
    def residue(step):
        return "%s is still masked" % step["unit"] if _systemd.show([step["unit"]])[0].masked else ""


class EndLoop(_worker.Worker):
    """End the crash loop of a unit: {worker, options: {unit, control_group, word: what its kills are counted under, by_main: whether the rest of
    its control group is left alone}}."""

    type = "end_loop"

    @staticmethod
    def work(arguments):
        """Kill whatever runs in the unit, again and again."""
        fault_id, options = arguments[0], json.loads(arguments[1])
        killed, kills, left = set(), 0, set()
        if not _worker.report(fault_id, **{options["word"]: kills}):
            return 0
        while True:
            fresh = set()
            for process in _served(options, left):
                process.send(signal.SIGKILL)
                fresh.add(process)
            if fresh - killed:
                # a service that comes back is one more time, however many processes it has
                kills += 1
                if not _worker.report(fault_id, **{options["word"]: kills}):
                    return 0
            killed = fresh
            time.sleep(LOOK)

    @staticmethod
    def held(step):
        old = [process for process in _served(step["options"], set()) if _proc.age(process) > _OLD]
        return _worker.Worker.held(step) and not old


class Revive(_service_steps.StartUnit):
    """Start a unit that something keeps killing, whatever start limit it ran into: {unit}. It may be up between two kills."""

    type = "revive_unit"

    @staticmethod
    def held(step):
        return True


def inside(group):
    """The live processes of a unit's control group and of those below it, without a look at all of the host's."""
    _proc.refuse_all(group)
    for root in _ROOTS:
        if os.path.isdir(os.path.dirname(root + group)):
            pids = []
            for folder, _below, names in os.walk(root + group):
                if "cgroup.procs" in names:
                    with contextlib.suppress(OSError), open(os.path.join(folder, "cgroup.procs")) as stream:
                        pids += [int(line) for line in stream]
            return [process for process in map(_proc.lookup, pids) if process]
    return _proc.in_cgroup(group)


def _served(options, left):
    """The live processes that a crash loop means. left: those that are known not to be meant, which grows."""
    fresh = [process for process in inside(options["control_group"]) if process not in left]
    if not fresh or not options.get("by_main"):
        return fresh
    # the main process of this moment is known to systemd only
    unit = _systemd.show([options["unit"]])[0]
    meant, others, _loose = _unit_processes.split(unit, "main")
    if meant:
        left.update(others)
    return meant


def start_refused(unit):
    """What systemd answers to who wants to start a masked unit; FaultlineError when it starts it."""
    done = run(["systemctl", "start", "--", unit], check=False, timeout=_systemd.START_TIMEOUT)
    if done.rc == 0:
        raise FaultlineError("mask of %s is not proven: it can be started." % unit, code="unproven")
    return done.err.strip()


_steps.register(Unmask, EndLoop, Revive)
