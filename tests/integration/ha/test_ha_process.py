# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes that outlive the task: what reaches them, what they tell, how they are known again and ended."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import signal
import sys

import pytest
from patience import HANG, more_time, wait_for

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _proc
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._ha import _process

# these need no node, so nobody waits for them
pytestmark = pytest.mark.xdist_group("ha_process_alone")

# what the process is to do comes with its arguments
MAIN = """
import os, signal, sys, time

from .helper import double


def main(arguments):
    pidfile = arguments["pidfile"]
    if arguments["do"] == "break":
        raise RuntimeError("it broke")
    with open(pidfile, "w") as stream:
        stream.write(str(os.getpid()))
    if arguments["do"] == "silent":
        time.sleep(4321)
    if arguments["do"] == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b'{"ready": {"twice": %d, "session": %d, "argv": %d}}\\n' % (
        double(arguments["number"]), os.getsid(0), len(" ".join(sys.orig_argv)) if hasattr(sys, "orig_argv") else 0))
    time.sleep(4321)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A module of a package of its own, with a relative import."""
    folder = tmp_path / "carried"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "helper.py").write_text("def double(number):\n    return 2 * number\n")
    (folder / "work.py").write_text(MAIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("carried.work")
    for name in [name for name in sys.modules if name.partition(".")[0] == "carried"]:
        del sys.modules[name]


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def launch(package, tmp_path, do="work", **keys):
    inner = tmp_path / "inner"
    said = _process.launch(package, {"do": do, "number": 21, "pidfile": str(inner), **keys}, str(tmp_path / "pid"), patience=HANG)
    return said, int(inner.read_text())


def test_what_a_process_needs_is_carried_to_it_and_nothing_more(package):
    carried = _process.sources("carried.work")
    assert set(carried) == {"carried", "carried.work", "carried.helper"}
    assert carried["carried"] is None and "def double" in carried["carried.helper"]


def test_it_runs_in_a_session_of_its_own_without_us(package, tmp_path):
    said, pid = launch(package, tmp_path)
    try:
        assert said["twice"] == 42 and said["session"] not in (os.getsid(0), pid)
        parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        assert parent != os.getpid()
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    finally:
        kill(pid)


def test_its_command_line_names_nothing_of_what_it_does(package, tmp_path):
    _said, pid = launch(package, tmp_path, secret="nova-api")
    try:
        line = _proc.command_line(pid)
        assert "nova-api" not in line and "carried" not in line
        assert b"nova-api" not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        kill(pid)


def test_what_breaks_before_it_is_ready_is_told(package, tmp_path):
    with pytest.raises(FaultlineError) as failed:
        launch(package, tmp_path, "break")
    assert failed.value.code == "not_started" and "RuntimeError: it broke" in failed.value.message


def test_who_does_not_get_ready_is_ended(package, tmp_path):
    inner = tmp_path / "inner"
    for patience in more_time(1):
        with pytest.raises(FaultlineError) as failed:
            _process.launch(package, {"do": "silent", "number": 1, "pidfile": str(inner)}, str(tmp_path / "pid"), patience=patience)
        assert failed.value.code == "not_started" and f"no answer within {patience} seconds" in failed.value.message
        if inner.exists() and inner.read_text():
            break
    pid = int(inner.read_text())
    assert _proc.wait_until(lambda: _proc.lookup(pid) is None, HANG)


def identity(pid):
    from ansible_collections.faultline.openstack.plugins.module_utils._fault import _journal

    return {**_proc.lookup(pid).as_dict(), "boot": _journal.boot()}


@pytest.mark.parametrize("change, known", [({}, True), ({"start": 1}, False), ({"boot": "another"}, False)])
def test_a_process_is_known_by_pid_start_and_boot(tmp_path, change, known):
    pidfile = tmp_path / "pid"
    pidfile.write_text(json.dumps({**identity(os.getpid()), **change}))
    pidfile.chmod(0o600)
    assert bool(_process.find(str(pidfile))) is known


@pytest.mark.parametrize("text", ["", "12", "{", '{"pid": "x"}'])
def test_a_broken_pidfile_names_nobody(tmp_path, text):
    pidfile = tmp_path / "pid"
    pidfile.write_text(text)
    pidfile.chmod(0o600)
    assert _process.find(str(pidfile)) is None


def test_a_pidfile_that_others_can_write_is_refused(tmp_path):
    pidfile = tmp_path / "pid"
    pidfile.write_text(json.dumps(identity(os.getpid())))
    pidfile.chmod(0o666)
    with pytest.raises(FaultlineError) as failed:
        _process.stop(str(pidfile), 1)
    assert failed.value.code == "untrusted_pidfile"


def test_a_link_is_no_pidfile(tmp_path):
    (tmp_path / "real").write_text("{}")
    (tmp_path / "pid").symlink_to(tmp_path / "real")
    with pytest.raises(FaultlineError) as failed:
        _process.find(str(tmp_path / "pid"))
    assert failed.value.code == "untrusted_pidfile"


@pytest.mark.parametrize("do, patience, how", [("work", HANG, "ended"), ("stubborn", 0.5, "killed")])
def test_stop_ends_it_and_says_how(package, tmp_path, do, patience, how):
    _said, pid = launch(package, tmp_path, do)
    pidfile = tmp_path / "pid"
    pidfile.write_text(json.dumps(identity(pid)))
    pidfile.chmod(0o600)
    with pytest.raises(FaultlineError) as failed:
        launch(package, tmp_path)
    assert failed.value.code == "already_running" and str(pid) in failed.value.message
    assert _process.stop(str(pidfile), patience) == how and not pidfile.exists()
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}/exe").exists())
    assert _process.stop(str(pidfile), patience) == "none"
