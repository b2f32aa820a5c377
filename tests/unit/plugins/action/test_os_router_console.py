# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The console on a real terminal, started by ansible-playbook, with a cloud that is not there. tests/openstack has one."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import subprocess

import pytest
from patience import HANG, wait_for
from lab_terminal import on_a_terminal

_AUTH = {
    "auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "secret1", "project_name": "p", "user_domain_name": "Default",
    "project_domain_name": "Default"}


@pytest.fixture
def play(tmp_path):
    """The words that start the console."""
    tasks = [{"faultline.openstack.os_router_console": {"auth": _AUTH, "every": 1}}]
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    return ["ansible-playbook", str(tmp_path / "play.json")]


def children(pid):
    """PIDs of the processes that a process has started."""
    return [int(each) for each in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_it_has_the_terminal_and_gives_it_back(play):
    # a key that comes while Enter is still on its way to the line belongs to the line
    quits = [("not seen", "q")] * 100
    status, seen = on_a_terminal(
        play, ("not seen", "/"), ("words that the row has to have", "x\r"), *quits, env={**os.environ, "TERM": "xterm-256color"})
    assert status == 0 and "failed=0" in seen and "secret1" not in seen, seen
    # the screen that was there before is back
    assert seen.rindex("\x1b[?1049l") > seen.rindex("\x1b[?1049h")


def test_it_ends_when_its_terminal_is_gone(play):
    ours, theirs = pty.openpty()
    # Ansible itself goes without a word, as in a window that is closed
    process = subprocess.Popen(play, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env={**os.environ, "TERM": "xterm-256color"})
    os.close(theirs)
    seen = ""
    while "not seen" not in seen:
        seen += os.read(ours, 65536).decode(errors="replace")
    program = children(children(process.pid)[0])[0]
    assert "_router_console" in pathlib.Path(f"/proc/{program}/cmdline").read_text()
    process.kill()
    process.wait()
    os.close(ours)
    wait_for(lambda: not pathlib.Path(f"/proc/{program}").exists())


def test_without_a_terminal_it_says_what_else_there_is(play):
    done = subprocess.run(play, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, start_new_session=True, timeout=HANG)
    assert done.returncode == 2 and "The playbook router_browse prints the table." in done.stdout + done.stderr
