# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault that the target fires by its own clock: a process of ours on the target, the keeper, waits for its moment.

The keeper outlives the task and its connection. Its record is in the journal from the beginning (state scheduled), so that heal and
os_fault_undo disarm it, and a reboot does. If the keeper dies before the moment, nothing is injected.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import json
import os
import select
import time
import traceback

from . import _journal, _runner
from ._errors import FaultlineError

# seconds before the moment in which the fault is resolved once more and armed, so that only the injection is left
LEAD = 5.0
# how far away a moment may be, in seconds
NEAREST, FARTHEST = 0.5, 86400.0
# seconds that the keeper has for its first look; it catches only a hang
_PATIENCE = 300
# how often it looks whether it was disarmed, in seconds
_LOOK = 0.5


def clock_of(at):
    """The moment `at`, epoch seconds of this host's wall clock, as a time of _journal.clock(), which nobody can set."""
    left = at - time.time()
    if left < NEAREST:
        raise FaultlineError(
            "The moment to fire (at) is %s: it must be %g seconds away at least. Nothing was touched." % (
                "%.3f seconds ago" % -left if left < 0 else "in %.3f seconds" % left, NEAREST),
            code="too_late", hint="at is epoch seconds by the clock of the target, which may differ from yours.",
        )
    if left > FARTHEST:
        raise FaultlineError(
            "The moment to fire (at) is %.0f seconds away; %.0f is the most. Nothing was touched." % (left, FARTHEST), code="too_early",
            hint="at is epoch seconds by the clock of the target.",
        )
    return _journal.clock() + left


def leave(fault, moment, look, arm, fire):
    """Have a keeper fire the fault at a moment of _journal.clock(). What look() returned there, once the keeper stands.

    fault: not resolved yet; each use gets a copy of it.
    look(fault): the first look, which makes the record (scheduled); returns (record, answer).
    arm(fault, record): the second, LEAD before the moment. fire(fault, record): the injection, its proof and all that follows.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _detach(reader, writer, lambda: _keep(fault, moment, look, arm, fire, writer))
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as stream:
        answer = _answer(stream)
    if "error" in answer:
        raise FaultlineError(**answer["error"])
    return answer


def _answer(stream):
    raw, end = b"", time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        ready, _ignored, _also = select.select([stream], [], [], max(0, end - time.monotonic()))
        part = os.read(stream.fileno(), 65536) if ready else b""
        raw += part
        if not part:
            break
    try:
        return json.loads(raw.decode())
    except ValueError:
        return {"error": {
            "message": "The keeper of the fault did not come to stand. Nothing was touched.", "code": "not_armed",
            "hint": "Look at os_fault_info; what is scheduled there is disarmed by os_fault_undo.",
        }}


def _detach(reader, writer, work):
    """In the first child: let a grandchild do the work, which nobody waits for. Never returns."""
    try:
        if os.fork() == 0:
            os.close(reader)
            os.setsid()
            os.chdir("/")
            null = os.open(os.devnull, os.O_RDWR)
            for handle in (0, 1, 2):
                os.dup2(null, handle)
            work()
    finally:
        # nothing of the task's own end may happen here, as the removal of its files
        os._exit(0)


def _keep(fault, moment, look, arm, fire, writer):
    pristine = copy.deepcopy(fault)
    try:
        record, answer = look(fault)
    except FaultlineError as exc:
        answer = {"error": {"message": exc.message, "code": exc.code, "hint": exc.hint, "details": exc.details}}
        record = None
    except Exception:  # pylint: disable=broad-except
        # nobody else would ever hear of it
        answer = {"error": {"message": "The keeper of the fault failed: %s" % traceback.format_exc().strip(), "code": "not_armed"}}
        record = None
    with os.fdopen(writer, "wb") as stream:
        stream.write(json.dumps(answer).encode())
    if record is None or not _sleep_until(record, moment - LEAD):
        return
    _hurry()
    try:
        arm(pristine, record)
        if _sleep_until(record, moment - pristine.ahead):
            fire(pristine, record)
    except Exception as exc:  # pylint: disable=broad-except
        _give_up(record, exc)


def _sleep_until(record, moment):
    """Whether the fault is still to come when it is time."""
    while True:
        left = moment - _journal.clock()
        if left <= 0:
            return _still(record)
        if left > _LOOK and not _still(record):
            return False
        # the last sleep goes to the moment itself
        time.sleep(left if left <= 2 * _LOOK else _LOOK)


def _still(record):
    """Whether nobody has disarmed it."""
    present = _journal.load_open(record["id"])
    return present is not None and present["state"] in ("scheduled", "armed")


def _hurry():
    """Be woken in time on a busy host; what we start does not inherit it."""
    gc.disable()
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def _give_up(record, exc):
    """Say in the record why the fault did not come about; what is undone of it already stays undone."""
    with contextlib.suppress(FaultlineError, OSError):
        with _journal.locked_for_undo(record["id"]), _journal.locked():
            present = _journal.load_open(record["id"])
            if present is not None:
                _journal.update(dict(present, failure=getattr(exc, "message", str(exc))))
        _runner.undo(record["id"])
