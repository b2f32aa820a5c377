# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo runner: what keeps a fault's time on the target and undoes it, without controller, SSH or module.

    hold ID    wait for the deadline of a fault, and before it for the time to fire it (a unit's main process)
    undo ID    undo a fault and prove it, again and again for a while (the unit's stop hook)
    once ID    undo a fault and prove it, once (for a program that does not know the fault's steps)
    watch ID   hold and undo without systemd: two processes that watch each other
    sweep      undo what a reboot interrupted (at boot)
    work TYPE  what the effect of a step of that type needs for as long as it lasts (started by the step)
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import resource
import select
import signal
import socket
import sys
import time

from . import _exec, _journal, _steps, _sweeper
from ._errors import FaultlineError
from ._exec import run

# a failed undo is tried again after these pauses, in seconds, the last one again and again; in the end it waits for heal or the next boot
PAUSES = (1, 2, 5, 10, 30, 60)
# how long an injection and its proof may take, in seconds, before it is undone for that though somebody is still at work; it catches only
# a hang, for each program that is run has a bound of its own
_INJECTION = 600
# how often it is looked whether somebody still is, in seconds
_LOOK = 0.2
# how much later than its time a timekeeper that hangs is ended, in seconds
_BACKSTOP = 5
# how long one look at the effect may take before the undo, in seconds
_GLANCE = 30
# as long as all programs of one attempt of an undo may take together, in seconds, where its steps do not need more: it may start a database
ATTEMPT = 900


def undo(fault_id, elsewhere=True, asked=True, patience=None):
    """Undo one fault from whatever state, prove it, close its record. The record, or None if there is no such open fault.

    Never raises for a step that fails: the record then stays open, in state residue, and names what is left.
    elsewhere: leave a fault whose steps we do not know to the program that armed it. asked: whether somebody wants it undone now, whatever its
    deadline. patience: seconds for which another undo of it is waited for; FaultlineError (busy) after them.
    """
    record = _journal.load_open(fault_id)
    if elsewhere and record is not None and record.get("program") and not _steps.known(record["steps"]):
        return _undo_by_its_own_program(record, patience)
    with _journal.locked_for_undo(fault_id, patience):
        with _journal.locked():
            record = _journal.load_open(fault_id)
            if record is None:
                return None
            if record["state"] == "injected":
                record["held"], record["not_held"] = _lasted(record, asked)
            record["state"] = "undoing"
            _journal.update(record)
            others = _journal.claimed_by_others(fault_id)
        mine = [step for step in record["steps"] if step.get("claim") not in others]
        record["left_to"] = sorted({others[step["claim"]] for step in record["steps"] if step.get("claim") in others})
        residue, notes = _undone(mine)
        record["notes"] = sorted((notes | set(record.get("notes", []))) - {""})
        record["undo_attempts"] = record.get("undo_attempts", 0) + 1
        record["residue"] = residue
        record.update(undone_at=None if residue else _journal.now(), undone=None if residue else time.time())
        with _journal.locked():
            if residue:
                record["state"] = "residue"
                _journal.update(record)
            else:
                record["state"] = _end(record)
                close(record)
        return record


def _end(record):
    """The state of a record that is closed without residue."""
    if record.get("injected_at"):
        return "undone" if record["steps"] else "done"
    # what was planned for a moment and has no undo is known to have come to nothing
    return "aborted" if record["steps"] or record.get("planned") is not None else "done"


def _undone(steps):
    """Undo steps: (what is left, in words; what they left alone, a set of words)."""
    residue, notes = [], set()
    for step in steps:
        try:
            said = _steps.kind(step).undo(step)
            notes |= {said} if isinstance(said, str) else set()
        except Exception as exc:  # pylint: disable=broad-except
            # whatever it is, the other steps are still to be undone
            residue.append("%s: %s" % (_steps.describe(step), _why(exc)))
    return residue or [words for words in map(_left, steps) if words], notes


def once_more(record):
    """Undo the steps of a record that was closed while they were done. The record, with its residue."""
    with _journal.locked_for_undo(record["id"]):
        return dict(record, residue=_undone(record["steps"])[0])


def _left(step):
    """What is left after the undo of a step, in words, or ''."""
    try:
        return _steps.kind(step).residue(step)
    except Exception as exc:  # pylint: disable=broad-except
        return "%s: %s" % (_steps.describe(step), _why(exc))


def _why(exc):
    """An exception in words."""
    return exc.message if isinstance(exc, FaultlineError) else "%s: %s" % (type(exc).__name__, exc)


def _undo_by_its_own_program(record, patience):
    try:
        _journal.trust(record["program"][-1])
        run(record["program"] + ["once", record["id"]], timeout=_longest_attempt(record))
    except (FaultlineError, OSError) as exc:
        with _journal.locked_for_undo(record["id"], patience), _journal.locked():
            record = _journal.load_open(record["id"]) or record
            if record["state"] != "residue":
                record.update(state="residue", residue=["its undo could not be run: %s" % getattr(exc, "message", exc)])
                _journal.update(record)
    return _journal.load(record["id"])


def fire(fault_id):
    """Do the steps of a fault that waited for its time, and prove them. Whether it stands; if not, the record says why
    (failure), and its undo is next."""
    with _journal.locked_for_undo(fault_id):
        record = _journal.load_open(fault_id)
        if record is None or record["state"] != "armed":
            return False
        try:
            with _journal.injecting(fault_id):
                record.update(began=time.time(), injecting_at=_journal.now())
                _steps.do(record["steps"])
                record.update(injected_at=_journal.now(), injected=time.time(), state="injected")
                _keep(record)
                record["proof"] = _steps.prove(record["steps"])
                count_from_now(record)
                _keep(record)
        except (FaultlineError, OSError) as exc:
            record["failure"] = getattr(exc, "message", str(exc))
            _keep(record)
        return "failure" not in record


def count_from_now(record):
    """Begin a fault's time: its effect is proven."""
    record.update(proven=time.time(), proven_at=_journal.now())
    if record["duration"] is not None:
        record.update(deadline_clock=_journal.clock() + record["duration"], deadline=_journal.now(record["duration"]))


def _keep(record):
    with _journal.locked():
        _journal.update(record)


def close(record):
    """Close a record; with the last one the sweeper goes. The journal is locked by the caller."""
    _journal.close(record)
    if not _journal.open_records() and not _journal.unreadable():
        _sweeper.remove()


def forget_never_armed():
    """Close the records of faults that came to nothing: nobody else ever would before the next boot."""
    for record in filter(_journal.never_armed, _journal.open_records()):
        with _journal.locked_for_undo(record["id"]), _journal.locked():
            record = _journal.load_open(record["id"])
            if record is not None and _journal.never_armed(record):
                record.update(state="aborted", failure="Whoever was to inject it died before it was armed. Nothing was done.")
                close(record)
    if os.path.isdir(os.path.join(_journal.HOME, "open")):
        with _journal.locked():
            _journal.tidy()


def _held(steps):
    """Whether the effect lasted until now; None when that cannot be told."""
    try:
        # the undo is not to wait for a look that hangs
        with _exec.at_most(_GLANCE):
            answers = [_steps.kind(step).held(step) for step in steps]
    except FaultlineError:
        return None
    if None in answers and all(each is None or each for each in answers):
        return None
    return all(answers)


def _lasted(record, asked):
    """(whether the fault lasted until now, or for as long as it was to last; why not, in words)."""
    # those of older versions do not tell
    if record.get("proven", record["injected_at"]) is None:
        return False, "its effect was never proven"
    end = record["deadline_clock"]
    if not asked and (end is None or _journal.clock() < end):
        return False, "what keeps its time was ended %s" % (
            "before anybody wanted it undone" if end is None else "%.1f seconds early" % (end - _journal.clock()))
    held = _held(record["steps"])
    return held, "something else ended its effect" if held is False else ""


def undo_persistently(fault_id):
    """Undo, and try again while there is residue. The exit status of the stop hook."""
    _wait_for_programs(fault_id)
    record, begun = _journal.load_open(fault_id), _journal.clock()
    for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
        if record is None:
            return 0
        with _exec.within(_attempt(record)):
            record = undo(fault_id, elsewhere=False, asked=False)
        if record is None or record["state"] != "residue":
            return 0
        # the shutdown must not wait for us
        if _sweeper.is_next() or _journal.clock() + pause > begun + _perseverance(record):
            return 1
        time.sleep(pause)


def _attempt(record):
    """Seconds that all programs of one attempt of an undo may take together."""
    return max(ATTEMPT, record.get("undo_takes", 0))


def _longest_attempt(record):
    """And the attempt as a whole, which waits for what its programs have begun."""
    return 2 * _attempt(record)


def _perseverance(record):
    """Seconds in which an undo is tried again and again: what was told to stop has its time to go, and a hang of one attempt is not the end."""
    return sum(PAUSES) + _attempt(record) + record.get("takes", 0)


def longest_undo(record):
    """Seconds that undo_persistently() can take at most, with its wait for who still injects: whoever runs it never ends it before."""
    return _INJECTION + record.get("takes", 0) + _perseverance(record) + _longest_attempt(record) + _BACKSTOP


def _wait_for_programs(fault_id):
    """Let what is still at work at an injection end first: who has started it may have been ended in the middle, and it would come after the undo."""
    while _journal.being_injected(fault_id):
        record = _journal.load_open(fault_id)
        if record is None or _journal.clock() >= given_up(record):
            return
        time.sleep(_LOOK)


def _waits(record):
    """Whether a fault still waits for us to fire it."""
    return record.get("fire_at") is not None and record["state"] == "armed" and not record.get("keeper")


def _unproven(record):
    """Whether a fault is just being injected or proven, so that its time has not begun."""
    return record["state"] in ("armed", "injected") and not _waits(record) and not record.get("proven") and record["deadline_clock"] is None


def given_up(record):
    """When an injection is undone that still has not come to an end."""
    return (record["armed_clock"] if record.get("fire_at") is None else record["fire_at"]) + _INJECTION + record.get("takes", 0)


def longest(record):
    """Seconds from now that a fault with a duration can last at most."""
    return given_up(record) - _journal.clock() + max(record["duration"], record.get("lingers", 0)) + 2 * _BACKSTOP


def remaining(fault_id):
    """Seconds until something is to be done for a fault: (its firing, its end), each None when it never comes. (0, 0) when
    the fault is over."""
    record = _journal.load_open(fault_id)
    if record is None:
        return 0, 0
    now = _journal.clock()
    if _waits(record):
        return record["fire_at"] - now, None
    if _unproven(record):
        return None, given_up(record) - now
    if record["deadline_clock"] is None:
        # an injection that failed is being undone, or was in vain
        return None, None if record.get("proven") else 0
    return None, record["deadline_clock"] - now


def _see_who_injects(fault_id):
    """Whether a fault is just being injected. One whose injection nobody works at any more, and nobody has proven, gets its end."""
    record = _journal.load_open(fault_id)
    if record is None or not _unproven(record):
        return False
    if _journal.being_injected(fault_id):
        return True
    with _journal.locked_for_undo(fault_id):
        record = _journal.load_open(fault_id)
        if record is not None and _unproven(record):
            _abandoned(record)
    return False


def _abandoned(record):
    """Whoever injected it is gone: it lasts as long from now as was wanted, for its effect may be there, or come."""
    begun = record.get("fire_at") is None or record["fire_at"] <= _journal.clock()
    left = max(record["duration"] or 0, record.get("lingers", 0)) if begun else 0
    record.update(deadline_clock=_journal.clock() + left, deadline=_journal.now(left), held=False if begun else None)
    record["not_held"] = "whoever injected it died before its effect was proven"
    record.setdefault("failure", "Whoever injected it died before its effect was proven.")
    _keep(record)


def _pause(fault_id, fires=True):
    """What to sleep until the next look; None when the undo is due. Fires the fault when its time has come."""
    injected_now = _see_who_injects(fault_id)
    firing, end = remaining(fault_id)
    if end is not None and end <= 0:
        return None
    if injected_now:
        return _LOOK
    if firing is not None and firing <= 0:
        if not fires:
            return 0.2
        return 0.0 if fire(fault_id) else None
    # a day at most, lest a float outgrow the kernel's timer
    return min([each for each in (firing, end) if each is not None] + [86400.0])


def hold(fault_id):
    """Sleep until the deadline. The injection moves it while we sleep, so it is read again on waking."""
    second = _second(fault_id)
    _tell_systemd("READY=1")
    try:
        while True:
            pause = _pause(fault_id)
            if pause is None:
                return
            time.sleep(pause)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(second, signal.SIGKILL)
        os.waitpid(second, 0)


def _second(fault_id):
    """Start who ends this process when it hangs: systemd then runs the undo. Its own limit (RuntimeMaxSec) is set before anybody knows when the
    fault's time begins, and so is too far away. The PID."""
    first = os.getpid()
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        # it stays open as long as this process lives
        os.close(reader)
        return child
    os.close(writer)
    try:
        while os.getppid() == first:
            record = _journal.load_open(fault_id)
            if record is None:
                break
            fixed = record.get("proven") and not _waits(record)
            end = record["deadline_clock"] if fixed or record["deadline_clock"] is not None else given_up(record)
            left = 60.0 if end is None else end + _BACKSTOP - _journal.clock()
            if left <= 0:
                os.kill(first, signal.SIGKILL)
                break
            if select.select([reader], [], [], min(left, 60.0 if fixed else 1.0))[0]:
                break
    finally:
        os._exit(0)


def _tell_systemd(words):
    """sd_notify(3)."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(words.encode(), "\0" + path[1:] if path.startswith("@") else path)


def watch(fault_id, ready, keys):
    """Keep a fault's time without systemd, detached from whoever started us. ready: a descriptor that is written to once
    both watchers stand. keys: one with what the undo needs and no disk may hold (_steps.KEYS). Each undoes the fault when the
    other dies, and at the deadline."""
    os.setsid()
    # nor may the dump of a crash
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(keys, "rb") as stream:
        _steps.KEYS.update(json.loads(stream.read().decode()))
    keeper = os.fork()
    other = keeper or os.getppid()
    if keeper == 0:
        os.write(ready, b"1")
        os.close(ready)
        _sleep_while(fault_id, True, lambda: os.getppid() == other)
    else:
        os.close(ready)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _sleep_while(fault_id, False, lambda: os.waitpid(other, os.WNOHANG)[0] == 0)
    undo_persistently(fault_id)


def _sleep_while(fault_id, fires, other_lives):
    while other_lives():
        pause = _pause(fault_id, fires)
        if pause is None:
            return
        time.sleep(min(pause, 0.2))


def sweep():
    """Undo the open faults of earlier boots. The number of those that left residue."""
    left = 0
    for record in _journal.open_records():
        if record["boot"] != _journal.boot():
            after = undo(record["id"])
            left += 1 if after and after["state"] == "residue" else 0
    if not left:
        # our own unit's file is gone, and systemd is to forget it
        with contextlib.suppress(FaultlineError):
            run(["systemctl", "daemon-reload", "--no-block"], check=False)
    return left


def main(arguments):
    _steps.program = [sys.executable, "-I", "-S", "-B", sys.argv[0]]
    command, fault_id = arguments[0], (arguments[1:] or [""])[0]
    if command == "hold":
        hold(fault_id)
        return 0
    if command == "undo":
        return undo_persistently(fault_id)
    if command == "once":
        undo(fault_id, elsewhere=False)
        return 0
    if command == "watch":
        watch(fault_id, int(arguments[2]), int(arguments[3]))
        return 0
    if command == "sweep":
        return 1 if sweep() else 0
    if command == "work":
        return _steps.STEPS[arguments[1]].work(arguments[2:])
    sys.stderr.write((__doc__ or "") + "\n")
    return 2
