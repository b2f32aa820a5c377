# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undoes everything when the run's ansible-playbook goes before the run has ended: Ctrl-C, a cancelled job, a kill.

A process of its own on the controller (`python _guard.py`, what it has to know comes as JSON on stdin), which start() begins. The targets
undo their faults at the deadlines without it, too; it only makes that sooner, and ends what runs on the controller.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

# seconds between two looks, and that the healing may take
_LOOK, _HEALING = 0.3, 900
# how often it is tried, for a host may be unreachable for a moment, and the seconds between
_TRIES, _PAUSE = 3, 5


def start(run, playbook, process, command, environment, until):
    """Begin to guard a run.

    run: its directory. playbook: the PID of its ansible-playbook. process: field 22 of its /proc/PID/stat. command: the argv that heals.
    until: epoch seconds at which the guard gives up.
    """
    told = {"run": str(run), "pid": playbook, "start": process, "command": command, "until": until, "cwd": os.getcwd()}
    with open(os.open(pathlib.Path(run) / "guard.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as log:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", os.path.abspath(__file__)], stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment,
            start_new_session=True)
    guard.stdin.write(json.dumps(told).encode())
    guard.stdin.close()
    return guard.pid


def started(pid):
    """When a process started, in clock ticks since boot (proc_pid_stat(5)); None when there is none, or only its zombie."""
    try:
        words = pathlib.Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if words[0] in (b"Z", b"X") else int(words[19])


def _state(run):
    try:
        return json.loads((run / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"state": "gone"}


def _say(words):
    """To whoever sits at the terminal that the run was started from, and to the log."""
    print(words, flush=True)
    try:
        with open("/dev/tty", "w", encoding="utf-8") as terminal:
            terminal.write(f"\r\nfaultline: {words}\r\n")
    except OSError:
        pass


def _end_local(run):
    """End the processes of the run on this machine, which their pidfiles name."""
    for path in sorted(run.glob("*/*.pid")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if started(told["pid"]) == told["start"]:
                os.kill(told["pid"], signal.SIGTERM)
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _note(run, state):
    """run.json of a run whose writer is gone."""
    now = time.time()
    for phase in state.get("phases", []):
        phase["end"] = now if phase.get("end") is None else phase["end"]
    state.update(state="aborted", ended=now, aborted=state.get("aborted") or {"reason": "The run was interrupted.", "at": now})
    temporary = run / ".run.json.guard"
    temporary.write_text(json.dumps(state, indent=1), encoding="utf-8")
    temporary.chmod(0o600)
    temporary.replace(run / "run.json")


def _heal(command, cwd):
    """The exit status of the last try."""
    end = time.monotonic() + _HEALING
    for number in range(_TRIES):
        if number:
            time.sleep(_PAUSE)
        try:
            code = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, timeout=max(1, end - time.monotonic()), check=False).returncode
        except (OSError, subprocess.TimeoutExpired) as exc:
            print(exc, flush=True)
            code = 1
        if code == 0 or time.monotonic() > end:
            break
    return code


def main():
    told = json.loads(sys.stdin.buffer.read().decode())
    run = pathlib.Path(told["run"])
    while started(told["pid"]) == told["start"]:
        if _state(run)["state"] != "running" or time.time() > told["until"]:
            return 0
        time.sleep(_LOOK)
    state = _state(run)
    if state["state"] != "running":
        return 0
    _say(f"The run {run.name} was interrupted. All of its faults are being undone now; see {run}/guard.log.")
    _end_local(run)
    code = _heal(told["command"], told["cwd"])
    _note(run, _state(run))
    _say("Everything is undone, and nothing is left." if code == 0 else (
        f"Not everything could be undone or seen: {run}/guard.log. Faults undo themselves at their deadlines; run the playbook heal."))
    return code


if __name__ == "__main__":
    sys.exit(main())
