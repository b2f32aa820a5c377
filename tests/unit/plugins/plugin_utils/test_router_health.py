# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the looks of the orchestrator conclude: whose machine has something to do, what is only remembered, and a cloud that is away."""

from __future__ import annotations

import asyncio
import stat
import threading
import time

import pytest
from patience import HANG
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._router import _machine, _memory
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _events, _health, _health_options, _shared

ONE, TWO = (f"{number}0000000-0000-0000-0000-000000000000" for number in (1, 2))


def router(*codes, id=ONE, debug=None, spare=("net3",)):
    return {
        "id": id, "health": "down" if codes else "ok", "reason": " ".join(codes), "problems": [{"level": "down", "code": each, "text": each} for each in codes],
        "debug": debug, "spare": list(spare), "agents": [{"host": "net1", "alive": True}]}


@pytest.fixture
def health(tmp_path):
    return _health.Health(_health_options.checked({"state_dir": str(tmp_path), "patience": 10}))


@pytest.fixture
def made(health):
    """made(**memory): the machine of the first router remembers this."""
    return lambda **memory: health.memory.save({**_machine.fresh(ONE), **memory})


def test_routers_that_are_well_make_no_event_and_one_file_each(health, tmp_path):
    for _each in range(3):
        assert health.concluded([router(), router(id=TWO)]) == []
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert len(written) == 2 and health.memory.load(ONE)["state"] == "alive" and len(health.memory.load(ONE)["history"]) == 1
    health.concluded([router(), router(id=TWO)])
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")} == written, "nothing is written where nothing is new"


def test_one_that_is_ill_is_told_of_once_it_has_lasted(health, made):
    assert health.concluded([router("unhosted")]) == []
    memory = health.memory.load(ONE)
    assert (memory["state"], memory["health"]) == ("wait", "down") and 0 <= time.time() - memory["sick_since"] < HANG
    made(**{**memory, "sick_since": time.time() - 11})
    assert health.concluded([router("unhosted")]) == [ONE]
    assert health.concluded([router("unhosted")]) == [], "the rules have been told"
    health._told[ONE] -= _health._AGAIN
    assert health.concluded([router("unhosted")]) == [ONE], "and have done nothing"


@pytest.mark.parametrize(("found", "memory", "state"), [
    (router("unhosted"), lambda now: {"not_before": now + 600}, "wait"),
    (router("unhosted"), lambda now: {"error": "given up", "rebuilds": [now]}, "error"),
    (router("admin_state"), lambda now: {}, "wait"),
    (router("dead_agent", spare=()), lambda now: {}, "wait"),
    (router(), lambda now: {"error": "given up", "rebuilds": [now]}, "alive"),
    (router("unhosted", debug={"by": "router", "reason": ""}), lambda now: {}, "ignored"),
])
def test_what_needs_no_hand_is_only_remembered(health, made, found, memory, state):
    now = time.time()
    made(state="alive", sick_since=now - 100, **memory(now))
    assert health.concluded([found]) == [] and health.memory.load(ONE)["state"] == state


def test_what_was_ignored_is_counted_and_caught_up_with(health):
    debug = {"by": "project", "reason": "x"}
    for _each in range(3):
        health.concluded([router(debug=debug)])
    assert health.memory.load(ONE)["ignored"]["count"] == 1
    for _each in range(3):
        health.concluded([router("unhosted", debug=debug)])
    assert health.memory.load(ONE)["ignored"]["count"] == 2, "each change counts once"
    assert health.concluded([router("unhosted")]) == [ONE]


def test_a_machine_at_work_is_not_disturbed(health, made):
    made(state="boot", sick_since=1.0)
    with health.memory.held(ONE):
        assert health.concluded([router("unhosted")]) == [] and health.memory.load(ONE)["state"] == "boot"
    assert health.concluded([router("unhosted")]) == [ONE]


def test_one_that_falls_ill_again_is_told_of_at_once(health, made):
    made(state="wait", sick_since=1.0)
    assert health.concluded([router("unhosted")]) == [ONE] and health.concluded([router("unhosted")]) == []
    assert health.concluded([router()]) == []
    made(state="alive", sick_since=1.0)
    assert health.concluded([router("unhosted")]) == [ONE]


def test_a_router_that_is_gone_is_forgotten(health, tmp_path):
    health.concluded([router(), router(id=TWO)])
    with health.memory.held(TWO):
        health.concluded([router()])
        assert health.memory.ids() == [ONE, TWO], "not while a machine is at it"
    assert health.concluded([router()]) == [] and health.memory.ids() == [ONE]
    assert not list(tmp_path.glob(f"{TWO}*"))


def test_a_cloud_that_is_away_is_waited_for(tmp_path, caplog):
    answers = [FaultlineError("away"), FaultlineError("away"), [router("unhosted")], FaultlineError("away again"), [router()]]

    async def ask():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    health = _health.Health(_health_options.checked({"state_dir": str(tmp_path), "patience": 0}), ask)

    async def look(times):
        return [await health.look() for _each in range(times)]

    assert asyncio.run(look(5)) == [[], [], [ONE], [], []]
    assert [record.message.partition(":")[0].partition(",")[0] for record in caplog.records] == [
        "the routers cannot be seen", "the routers are seen again"] * 2, "each time is told once"
    assert _shared.shared.reports["router_health"]["error"] is None and _shared.shared.reports["router_health"]["ok"] == 1


def test_a_cloud_that_never_answers_ends_the_look_in_its_time_and_not_the_next_one(tmp_path, monkeypatch):
    """Of the control plane, as it is asked without an inventory."""
    hangs, over = [True, False], threading.Event()

    class Routers:
        projects = {}

        def __init__(self, _connection):
            pass

        @staticmethod
        def described():
            if hangs.pop(0):
                over.wait(HANG)
            return [dict(router(), name="web", project="p")]

    monkeypatch.setattr(_health._cloud, "Connection", lambda _login: None)
    monkeypatch.setattr(_health._routers, "Routers", Routers)
    health = _health.Health(_health_options.checked({"state_dir": str(tmp_path), "timeout": 1}))

    async def looks():
        return [await health.look(), _shared.shared.reports[_health.NAME]["error"], await health.look(), _shared.shared.reports[_health.NAME]["error"]]

    try:
        assert asyncio.run(looks()) == [[], "The cloud has not told of its routers within 1 s.", [], None]
    finally:
        over.set()
    assert health.memory.load(ONE)["state"] == "alive"


def test_it_looks_each_period_and_at_once_after_a_reload_until_it_is_stopped(tmp_path, monkeypatch):
    shared = _shared.Shared()
    monkeypatch.setattr(_health, "shared", shared)
    looks, put = [], []

    async def ask():
        looks.append(time.monotonic())
        return [router("unhosted")]

    class Queue:
        async def put(self, event):
            put.append(event)

    async def go():
        health = _health.Health(_health_options.checked({"state_dir": str(tmp_path), "patience": 0, "period": 2 * HANG}), ask)
        running = asyncio.ensure_future(health.run(Queue()))
        while not put:
            await asyncio.sleep(0.01)
        shared.reload()
        while len(looks) < 2:
            await asyncio.sleep(0.01)
        shared.stopping().set()
        await asyncio.wait_for(running, HANG)

    asyncio.run(asyncio.wait_for(go(), HANG))
    assert put == [_events.event("poll", "router_health", [ONE])] and len(looks) == 2


@pytest.mark.parametrize(("args", "text"), [
    ({"perod": 3}, "There is no option perod. Did you mean period?"),
    ({"period": "soon"}, "period is 'soon'; it has to be a number from 1 to 3600."),
    ({"period": 0}, "period is 0; it has to be a number from 1 to 3600."),
    ({"rebuilds": 1.5}, "rebuilds is 1.5; it has to be a whole number from 0 to 1000."),
    ({"inventory": [3]}, "inventory has to be a path or a list of them."),
    ({"inventory": 3}, "inventory has to be a path or a list of them."),
    ({"cloud": 3}, "cloud is no text."),
])
def test_bad_options_are_refused(args, text):
    with pytest.raises(FaultlineError) as told:
        _health_options.checked(args)
    assert told.value.text == text


def test_what_a_rulebook_leaves_empty_has_its_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = _health_options.checked({"cloud": "", "inventory": [], "period": "10", "patience": "", "state_dir": ""})
    assert (found.period, found.inventory, found.limits, found.cloud["cloud"]) == (10.0, (), _machine.LIMITS, None)
    assert found.state_dir == str(tmp_path / "faultline" / "routers")
    assert stat.S_IMODE((_memory.Memory(found.state_dir).folder and tmp_path / "faultline" / "routers").stat().st_mode) == 0o700


@pytest.mark.parametrize(("output", "told"), [
    ("x\nlocalhost | FAILED! => {\n    \"changed\": false,\n    \"msg\": \"the cloud cannot be reached\"\n}", "the cloud cannot be reached"),
    ("fine | SUCCESS => {\n \"msg\": \"good\"\n}\nlocalhost | FAILED! => {\n \"msg\": \"bad\"}", "bad"),
    ("[ERROR]: the playbook could not be found", "[ERROR]: the playbook could not be found"), ("", "it has printed nothing"), ("so it goes", "so it goes"),
])
def test_why_a_playbook_has_failed_is_found_in_what_it_prints(output, told):
    assert _health._last(output).rstrip('"}') == told


@pytest.mark.parametrize(("options", "text"), [
    ({"name": "pol"}, "'pol' is no event; there are poll, create, update, delete, rebuild, debug, manage, reload"),
    ({"scope": "none"}, "'none' is no scope; there are routers, project, error, all"),
    ({"routers": ["{{ 1 }}"]}, "'{{ 1 }}' is no id"), ({"scope": "project", "project": "shop"}, "'shop' is no id"),
    ({}, "the scope routers needs routers"), ({"routers": [ONE], "scope": "all"}, "the scope all takes no routers"),
    ({"scope": "project"}, "the scope project needs project"), ({"routers": [ONE], "project": ONE}, "the scope routers takes no project"),
])
def test_an_event_holds_ids_and_fixed_words_only(options, text):
    with pytest.raises(ValueError) as told:
        _events.event(**{"name": "poll", "source": "test", **options})
    assert str(told.value) == text


def test_a_reason_cannot_be_a_template():
    (told,) = _events.event("debug", "test", scope="all", reason="{{ lookup('pipe', 'id') }} {% x %}" * 20).values()
    assert "{" not in told["reason"] and "%7B%7B" in told["reason"] and len(told["reason"]) <= 3 * _events.LONGEST_REASON
