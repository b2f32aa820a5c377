# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands of users: they end when they end, whatever they leave behind, and nothing of them is endless."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys

import pytest
from patience import HANG, wait_for

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _exec
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError


def shell(line):
    return ["/bin/sh", "-c", line]


@pytest.fixture
def left_behind(tmp_path):
    """The PID of a process that a command leaves behind, for a shell's line; it is ended in the end."""
    pid = tmp_path / "pid"
    yield lambda: int(pid.read_text())
    if pid.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def readers_of(pid):
    """PIDs of those who read what a process writes into the pipe that is its output."""
    pipe = os.readlink(f"/proc/{pid}/fd/1")
    found = []
    for other in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{other}/fd/0") == pipe:
                found.append(int(other))
    return found


def test_what_keeps_its_pipes_does_not_hold_us(tmp_path, left_behind):
    done = _exec.command(shell(f"echo begun; sleep 4321 & echo $! > {tmp_path}/pid; echo ended"), timeout=HANG)
    assert (done.rc, done.out) == (0, "begun\nended\n")
    assert alive(left_behind())


def test_what_is_left_behind_may_go_on_writing(tmp_path, left_behind):
    """Nobody may have read its pipe any more, and it would have died of that."""
    program = (
        "import os, time\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "for number in range(10**9):\n"
        "    print('x' * 1000, flush=True)\n"
        f"    open({str(tmp_path / 'lines')!r}, 'w').write(str(number))\n"
        "    time.sleep(0.001)\n")
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} & while [ ! -s {tmp_path}/pid ]; do sleep 0.05; done"
    _exec.command(shell(line), timeout=HANG)
    pid = left_behind()
    readers = wait_for(lambda: readers_of(pid))
    # more than the pipe could hold
    wait_for(lambda: int((tmp_path / "lines").read_text() or 0) > 2000)
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(map(alive, readers)))


def test_it_has_nothing_to_read_and_a_session_of_its_own():
    done = _exec.command([sys.executable, "-c", "import os, sys; print(repr(sys.stdin.read()), os.getsid(0) == os.getpid())"])
    assert done.out == "'' True\n"


def test_endless_output_is_bounded_and_shows_both_ends():
    done = _exec.command(shell("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last >&2"))
    assert done.out.startswith("first\nxxx") and done.out.endswith("xxx\nlast\n") and "bytes are left out" in done.out
    assert len(done.out) < 70000


def test_whoever_is_left_and_never_stops_talking_does_not_hold_us(tmp_path, left_behind):
    done = _exec.command(shell(f"yes & echo $! > {tmp_path}/pid"), timeout=HANG)
    assert done.rc == 0 and len(done.out) < 70000


@pytest.mark.parametrize("line, how", [("echo out; echo no such thing >&2; exit 7", "failed with status 7"), ("kill -9 $$", "was ended by signal 9")])
def test_a_failure_shows_the_command_its_status_and_what_it_said(line, how):
    with pytest.raises(FaultlineError) as caught:
        _exec.command(shell(line))
    assert caught.value.code == "program_failed" and f"'{line}' {how}." in caught.value.message
    assert ("It said: out\nno such thing" if "exit" in line else "It said nothing.") in caught.value.message
    assert caught.value.details["argv"] == shell(line)


def test_one_that_does_not_end_is_ended_with_its_group_and_told(tmp_path, left_behind):
    with pytest.raises(FaultlineError) as caught:
        _exec.command(shell(f"trap '' TERM; echo waiting; sleep 4321 & echo $! > {tmp_path}/pid; wait; sleep 4321"), timeout=1)
    assert caught.value.code == "timeout"
    assert "did not end within 1 seconds, and was ended with its process group. It said: waiting" in caught.value.message
    wait_for(lambda: not alive(left_behind()))


def test_a_shorter_bound_of_who_calls_holds():
    with pytest.raises(FaultlineError, match="within 0.5 seconds"), _exec.at_most(0.5):
        _exec.command(["sleep", "4321"])


def test_a_program_that_is_not_there_or_cannot_be_run(tmp_path):
    with pytest.raises(FaultlineError) as caught:
        _exec.command(["no-such-program-at-all"])
    assert caught.value.code == "missing_program"
    with pytest.raises(FaultlineError, match="cannot be run: "):
        _exec.command([str(tmp_path)])
