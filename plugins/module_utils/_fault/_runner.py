# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo runner: what keeps a fault's time on the target and undoes it, without controller, SSH or module.

    hold ID    wait for the deadline of a fault (a unit's main process)
    undo ID    undo a fault and prove it, again and again for a while (the unit's stop hook)
    watch ID   hold and undo without systemd: two processes that watch each other
    sweep      undo what a reboot interrupted (at boot)
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from . import _journal, _steps, _sweeper
from ._errors import FaultlineError
from ._exec import run

# a failed undo is tried again after these pauses, in seconds; then it waits for heal or the next boot
PAUSES = (1, 2, 5, 10, 30, 60, 60, 60)


def undo(fault_id):
    """Undo one fault from whatever state, prove it, close its record. The record, or None if there is no such open fault.

    Never raises for a step that fails: the record then stays open, in state residue, and names what is left.
    """
    with _journal.locked_for_undo(fault_id):
        with _journal.locked():
            record = _journal.load_open(fault_id)
            if record is None:
                return None
            if record["state"] == "injected":
                record["held"] = _held(record["steps"])
            record["state"] = "undoing"
            _journal.update(record)
            others = _journal.claimed_by_others(fault_id)
        mine = [step for step in record["steps"] if step.get("claim") not in others]
        record["left_to"] = sorted({others[step["claim"]] for step in record["steps"] if step.get("claim") in others})
        residue = []
        for step in mine:
            try:
                _steps.kind(step).undo(step)
            except FaultlineError as exc:
                residue.append("%s: %s" % (_steps.describe(step), exc.message))
        if not residue:
            residue = [words for words in (_steps.kind(step).residue(step) for step in mine) if words]
        record["undo_attempts"] = record.get("undo_attempts", 0) + 1
        record["residue"] = residue
        record["undone_at"] = None if residue else _journal.now()
        with _journal.locked():
            if residue:
                record["state"] = "residue"
                _journal.update(record)
            else:
                record["state"] = "done" if not record["steps"] else ("undone" if record.get("injected_at") else "aborted")
                close(record)
        return record


def close(record):
    """Close a record; with the last one the sweeper goes. The journal is locked by the caller."""
    _journal.close(record)
    if not _journal.open_records():
        _sweeper.remove()


def _held(steps):
    """Whether the effect lasted until now; None when that cannot be told."""
    try:
        return all(_steps.kind(step).held(step) for step in steps)
    except FaultlineError:
        return None


def undo_persistently(fault_id):
    """Undo, and try again while there is residue. The exit status of the stop hook."""
    for pause in PAUSES + (0,):
        record = undo(fault_id)
        if record is None or record["state"] != "residue":
            return 0
        time.sleep(pause)
    return 1


def remaining(fault_id):
    """Seconds until a fault's deadline; None when it is over, infinity when it has none."""
    record = _journal.load_open(fault_id)
    if record is None:
        return None
    if record["deadline_clock"] is None:
        return float("inf")
    return record["deadline_clock"] - _journal.clock()


def hold(fault_id):
    """Sleep until the deadline. The injection moves it while we sleep, so it is read again on waking."""
    _tell_systemd("READY=1")
    while True:
        left = remaining(fault_id)
        if left is None or left <= 0:
            return
        # a day at most, lest a float outgrow the kernel's timer
        time.sleep(min(left, 86400.0))


def _tell_systemd(words):
    """sd_notify(3)."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(words.encode(), "\0" + path[1:] if path.startswith("@") else path)


def watch(fault_id, ready):
    """Keep a fault's time without systemd, detached from whoever started us. ready: a descriptor that is written to once
    both watchers stand. Each undoes the fault when the other dies, and at the deadline."""
    os.setsid()
    keeper = os.fork()
    other = keeper or os.getppid()
    if keeper == 0:
        os.write(ready, b"1")
        os.close(ready)
        _sleep_while(fault_id, lambda: os.getppid() == other)
    else:
        os.close(ready)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _sleep_while(fault_id, lambda: os.waitpid(other, os.WNOHANG)[0] == 0)
    undo_persistently(fault_id)


def _sleep_while(fault_id, other_lives):
    while other_lives():
        left = remaining(fault_id)
        if left is None or left <= 0:
            return
        time.sleep(min(left, 0.2))


def sweep():
    """Undo the open faults of earlier boots. The number of those that left residue."""
    left = 0
    for record in _journal.open_records():
        if record["boot"] != _journal.boot():
            after = undo(record["id"])
            left += 1 if after and after["state"] == "residue" else 0
    if not left:
        # our own unit's file is gone, and systemd is to forget it
        run(["systemctl", "daemon-reload", "--no-block"], check=False)
    return left


def main(arguments):
    command, fault_id = arguments[0], (arguments[1:] or [""])[0]
    if command == "hold":
        hold(fault_id)
        return 0
    if command == "undo":
        return undo_persistently(fault_id)
    if command == "watch":
        watch(fault_id, int(arguments[2]))
        return 0
    if command == "sweep":
        return 1 if sweep() else 0
    sys.stderr.write((__doc__ or "") + "\n")
    return 2
