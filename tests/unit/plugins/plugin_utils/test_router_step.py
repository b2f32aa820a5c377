# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine of a router walked step by step: what is shown, asked and written down before each."""

from __future__ import annotations

import json

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._router import _memory, _rebuild, _routers, _walk
from ansible_collections.faultline.openstack.plugins.plugin_utils import _router_step
from cloud_of_lists import Cloud


@pytest.fixture
def cloud(monkeypatch):
    cloud = Cloud()
    monkeypatch.setattr(_router_step._cloud, "Connection", lambda _login: cloud)
    for module in (_routers, _rebuild):
        monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(_walk, "_PAUSE", 0.01)
    monkeypatch.setattr(_rebuild, "SETTLED", 0)
    monkeypatch.setattr(_rebuild, "RESTORE", 0.2)
    return cloud


@pytest.fixture
def web(cloud):
    return cloud.add("web", tags=["theirs", "faultline-debug"])


@pytest.fixture
def walk(cloud, tmp_path, monkeypatch, capsys):
    """walk(answers, *options): the program; (exit status, what it prints, the lines of its record)."""

    def call(answers, *options):
        words, prompts = iter(answers), []

        def ask(prompt):
            prompts.append(prompt)
            try:
                word = next(words)
            except StopIteration:
                raise EOFError from None
            return word

        monkeypatch.setattr("builtins.input", ask)
        monkeypatch.setattr(_router_step.sys.stdin, "isatty", lambda: True, raising=False)
        record = tmp_path / "walk.jsonl"
        status = _router_step.main(["--cloud", "lists", "--router", "web", "--record", str(record), "--state-dir", str(tmp_path / "state"), *options])
        told = capsys.readouterr()
        lines = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        return status, told.out + told.err, lines

    return call


def test_each_step_of_an_update_is_shown_before_it_is_done(cloud, web, walk):
    status, seen, record = walk([""] * 9)
    assert status == 0
    assert [(each["state"], each["next"], each["effect"]) for each in record[:-1]] == [
        ("calculate", "configure", "push"), ("configure", None, None), ("configure", "alive", None), ("alive", "alive", None)]
    assert record[-1]["end"] == "alive" and record[-1]["why"] == "it is well"
    for text in (
            "[1] calculate   event update", "health    ok", "agents    net1* net2", "decides   configure, as an update was asked for",
            "does      has Neutron tell the L3 agents to configure it again",
            "step      have Neutron tell the L3 agents on net1 and net2 to configure it again",
            "push: the L3 agents on net1 and net2 were told", "The machine rests: alive, as it is well"):
        assert text in seen
    assert [each["health"] for each in record[:-1]] == ["ok"] * 4 and record[0]["memory"]["state"] == "calculate"
    assert ("PUT", f"/routers/{web}") in cloud.changes()


@pytest.mark.parametrize(("answers", "steps", "end"), [
    (["q"], 1, "quit"), ([], 1, "quit"), (["s"], 1, "wait"), (["x", "i", "q"], 1, "quit"), (["", "q"], 2, "quit")])
def test_what_is_left_out_is_not_done(cloud, web, walk, answers, steps, end):
    status, seen, record = walk(answers)
    assert status == 0 and len(record) == steps + 1 and record[-1]["end"] == end
    assert [each for each in cloud.changes() if "tags" not in each[1]] == []
    assert ('"interfaces"' in seen) == ("i" in answers)
    assert cloud.routers[web]["tags"] == ["theirs", "faultline-debug"]


def test_a_rebuild_is_shown_step_by_step_and_given_back_when_left(cloud, web, walk):
    status, seen, record = walk(["", "", "", "s"], "--event", "rebuild")
    states = [each["state"] for each in record[:-1]]
    assert status == 0 and states[0] == "calculate" and set(states[1:]) <= {"stop", "boot", "check_boot", "configure"} and len(states) == 4
    assert record[-1]["end"] == "wait" and "left in the middle" in seen
    assert sorted(cloud.hosts[web]) == ["net1", "net2"]


def test_the_orchestrators_memory_is_read_and_not_written(web, walk, tmp_path):
    memory = _memory.Memory(str(tmp_path / "state"))
    before = {**memory.load(web), "state": "ignored", "ignored": {"count": 3, "since": 1, "event": "poll"}}
    memory.save(before)
    _status, seen, _record = walk([""] * 9)
    assert "left alone 3 times" in seen and memory.load(web) == before


@pytest.mark.parametrize(("options", "text"), [
    ((), "The router web is not in debug: the orchestrator may act on it meanwhile. Put it in debug first, by os_router with action debug, or say force."),
    (("--router", "*"), "* stands for 2 routers; one is walked at a time. Give its id or name."),
    (("--router", "wep"), "The cloud has no router wep. Did you mean web?"),
    (("--record", "/nowhere/walk.jsonl"), "The record /nowhere/walk.jsonl cannot be written: No such file or directory."),
])
def test_what_cannot_be_walked_is_told(cloud, walk, options, text):
    cloud.add("web")
    cloud.add("shop")
    status, seen, _record = walk([], *options)
    assert status == 1 and text in seen and cloud.changes() == []


def test_by_force_and_without_questions_it_walks_any(cloud, walk):
    cloud.add("web")
    status, _seen, record = walk([], "--force", "--yes")
    assert status == 0 and record[-1]["end"] == "alive" and {each["answer"] for each in record[:-1]} == {"do"}
