# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loads as the run starts them: processes that outlive their task, a real Rally without a cloud, and what is left when they are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from lab_nodes import ROOT, Node, wait_for
from patience import HANG, more_time

# apart from the cloud's own tests: these need no node
pytestmark = pytest.mark.xdist_group("test_ha_load")

RALLY = ROOT / ".venv" / "rally" / "bin" / "rally"
TASK = {
    "version": 2, "title": "dummies",
    "subtasks": [
        {"title": "quiet", "scenario": {"Dummy.dummy": {"sleep": 0.1}}, "runner": {"constant": {"times": "{{times}}", "concurrency": 1}}},
        {"title": "loud", "scenario": {"Dummy.dummy_exception": {"size_of_message": 5}}, "runner": {"constant": {"times": 3, "concurrency": 1}}},
    ],
}


class Run:
    """One run's directory, and ha_load on this machine."""

    def __init__(self, folder):
        self.path = folder / "run"
        self.path.mkdir(mode=0o700)
        inventory = folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {"controller": {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}}))
        self.node = Node("controller", None, inventory, None)

    def __call__(self, state, load, *, fails=False, **more):
        call = self.node.turned_down if fails else self.node.hit
        return call("ha_load", {"run": str(self.path), "state": state, "load": load, **more})

    def file(self, name):
        return self.path / "load" / name

    def lines(self, name):
        # a line that is being written is none yet
        return [json.loads(line) for line in self.file(name).read_text().splitlines(keepends=True) if line.endswith("\n")]

    def names(self):
        return sorted(path.name for path in (self.path / "load").iterdir())


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path)
    yield made
    for path in (made.path / "load").glob("*.pid"):
        name, phase, _pid = path.name.rsplit(".", 2)
        made("stopped", {"name": name}, phase=phase, timeout=HANG)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A task of Rally that needs no cloud: some iterations that are well, and three that fail."""
    path = tmp_path_factory.mktemp("task") / "dummies.yaml"
    path.write_text(yaml.safe_dump(TASK).replace("'{{times}}'", "{{times}}"))
    return path


def command(what, **more):
    return {"name": "mine", "type": "command", "command": what, "times": 1, "pause": 0, "timeout": HANG, "chdir": "/", "start_delay": 0, **more}


def rally(task, times=5, **more):
    return {
        "name": "boot", "type": "rally", "scenario_file": str(task), "args": {"times": times}, "args_file": None, "environment": None,
        "executable": str(RALLY), "timeout": 2 * HANG, "start_delay": 0, **more,
    }


def test_a_command_outlives_its_task_and_goes_on_after_failures(run):
    before = time.time()
    answer = run("started", command("date +%s.%N; exit 7", times=4, pause=0.2))
    assert answer["changed"] and answer["load"]["state"] in ("running", "finished")
    done = run("waited", {"name": "mine"}, timeout=HANG)
    assert done["msg"] == "The load mine has finished: 4 operations, 4 of them failed" and not done["changed"]
    header, *samples, end = run.lines("mine.disrupted.jsonl")
    assert header["type"] == "command" and end["taken"] == end["due"] == 4
    # what the command itself saw
    for said, sample in zip(run.file("mine.disrupted.log").read_text().split(), samples, strict=True):
        assert before < sample["start"] <= float(said) <= sample["start"] + sample["duration"]
        assert (sample["outcome"], sample["error"], sample["value"]) == ("failed", "exit status 7", {"exit_code": 7})
    assert run.names() == ["mine.disrupted.jsonl", "mine.disrupted.log"]


def test_a_load_that_is_stopped_takes_its_processes_along(run):
    run("started", command("echo $$; sleep 3000 & wait", times=9))
    log = run.file("mine.disrupted.log")
    wait_for(lambda: log.exists() and log.read_text().strip())
    shell = int(log.read_text())
    assert run("status", {"name": "mine"})["load"]["state"] == "running"
    assert run("started", command("true"), fails=True)["failure"]["code"] in ("already_running", "output_exists")
    stopped = run("stopped", {"name": "mine"})
    assert stopped["changed"] and (stopped["load"]["state"], stopped["load"]["stopped"], stopped["load"]["taken"]) == ("finished", True, 0)
    wait_for(lambda: not os.path.exists(f"/proc/{shell}"))
    assert not run("stopped", {"name": "mine"})["changed"]


def test_a_load_waits_for_its_start_and_ends_by_itself(run):
    for number, duration in enumerate(more_time(4)):
        before, name = time.time(), f"mine{number}"
        run("started", command("sleep 0.2", name=name, times=10_000, start_delay=duration / 2), duration=duration)
        run("waited", {"name": name}, timeout=2 * HANG)
        _header, *samples, end = run.lines(f"{name}.disrupted.jsonl")
        assert end["stopped"] is True and len(samples) == end["taken"] < 10_000
        if samples:
            break
    assert samples[0]["start"] > before + duration / 2


def test_what_a_killed_load_had_is_there(run):
    pid = run("started", command("true", times=1000, pause=0.1))["load"]["pid"]
    wait_for(lambda: len(run.lines("mine.disrupted.jsonl")) > 4)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: run("status", {"name": "mine"})["load"]["state"] == "cut_off")
    assert all("outcome" in each for each in run.lines("mine.disrupted.jsonl")[1:])


def test_iterations_of_a_real_rally_are_samples(run, task):
    before = time.time()
    answer = run("started", rally(task), phase="clean")
    assert answer["msg"] == "The load boot is at work"
    done = run("waited", {"name": "boot"}, phase="clean", timeout=2 * HANG)["load"]
    assert (done["state"], done["taken"], done["failed"], done["failure"]) == ("finished", 8, 3, None)
    header, *samples, end = run.lines("boot.clean.jsonl")
    assert header["series"] == {
        name: {"group": "load", "subject": name, "via": "rally"} for name in ("Dummy.dummy", "Dummy.dummy_exception")}
    quiet = [each for each in samples if each["series"] == "Dummy.dummy"]
    loud = [each for each in samples if each["series"] == "Dummy.dummy_exception"]
    assert [each["outcome"] for each in quiet] == ["ok"] * 5 and all(0.1 <= each["duration"] for each in quiet)
    assert [each["value"]["actions"][0]["name"] for each in quiet] == ["foo"] * 5
    assert [each["outcome"] for each in loud] == ["failed"] * 3 and "DummyScenarioException" in loud[0]["error"]
    assert [each["start"] for each in samples] == sorted(each["start"] for each in samples)
    assert before < header["started"] <= samples[0]["start"] and samples[-1]["start"] < end["ended"] < time.time()
    # Rally's own report stays, its database does not
    report = json.loads(run.file("boot.clean.rally.json").read_text())
    assert len(report["tasks"][0]["subtasks"]) == 2
    assert run.names() == ["boot.clean.jsonl", "boot.clean.log", "boot.clean.rally.json"]
    assert all(run.file(name).stat().st_mode & 0o077 == 0 for name in run.names())


def test_a_rally_that_is_stopped_keeps_what_it_has_measured(run, task):
    run("started", rally(task, times=3000))
    # its progress is in its own file
    progress = run.file("boot.disrupted.rally.d") / "task"
    wait_for(lambda: progress.exists() and "ITER: 15 END" in progress.read_text())
    stopped = run("stopped", {"name": "boot"})["load"]
    assert (stopped["state"], stopped["stopped"], stopped["failure"]) == ("finished", True, None)
    assert 10 <= stopped["taken"] < 3000 and stopped["failed"] == 0
    assert "successfully stopped" in run.file("boot.disrupted.log").read_text()
    assert "boot.disrupted.rally.d" not in run.names()


@pytest.mark.parametrize("content, more, message", [
    ("{Dummy.dumy: [{}]}", {}, "There is no "),
    ("{NovaServers.list_servers: [{}]}", {}, "No user credentials for openstack"),
    ("{{", {}, "Failed to render task template"),
    ("{}", {"executable": "/no/rally"}, "The load boot needs the program /no/rally, which is not there. Install it with requirements/rally.txt"),
])
def test_a_rally_that_cannot_start_is_a_clear_error(run, tmp_path, content, more, message):
    path = tmp_path / "task.yaml"
    path.write_text(content)
    told = run("started", {**rally(path), **more}, fails=True)["msg"]
    assert message in told, told
    assert "boot.disrupted.jsonl" not in run.names() and "boot.disrupted.rally.d" not in run.names()


def test_a_rally_uses_an_environment_that_is_there(run, task, tmp_path):
    database = f"sqlite:///{tmp_path}/theirs.db"
    config = tmp_path / "rally.conf"
    config.write_text(f"[database]\nconnection = {database}\n")

    def theirs(*words):
        done = subprocess.run([RALLY, "--config-file", config, *words], capture_output=True, text=True, timeout=HANG, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    theirs("db", "create")
    theirs("env", "create", "--name", "mine", "--no-use")
    missing = run("started", rally(task, environment="min"), database=database, fails=True)
    assert missing["msg"].startswith("Rally could not find the environment min: ") and missing["failure"]["code"] == "rally_failed"
    run("started", rally(task, environment="mine"), database=database, phase="clean")
    assert run("waited", {"name": "boot"}, phase="clean", timeout=2 * HANG)["load"]["taken"] == 8
    assert (tmp_path / "theirs.db").exists()
