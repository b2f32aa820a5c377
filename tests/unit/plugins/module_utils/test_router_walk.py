# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machines of routers at work on a cloud of lists: what they do, remember and claim, and what they leave to others."""

from __future__ import annotations

import json
import os
import stat
import time

import pytest
from patience import HANG
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._router import (
    _claim,
    _machines,
    _marks,
    _memory,
    _rebuild,
    _routers,
    _runs,
    _walk,
)
from cloud_of_lists import Cloud


@pytest.fixture
def cloud(monkeypatch):
    cloud = Cloud()
    monkeypatch.setattr(_machines._cloud, "Connection", lambda _params: cloud)
    for module in (_routers, _rebuild):
        monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(_walk, "_PAUSE", 0.01)
    monkeypatch.setattr(_claim, "_PAUSE", 0.11)
    monkeypatch.setattr(_rebuild, "SETTLED", 0)
    monkeypatch.setattr(_rebuild, "RESTORE", 0.2)
    return cloud


@pytest.fixture
def act(cloud, tmp_path):
    """act(event, **options): os_router_machine, for all routers unless some are named."""

    def call(event="poll", check_mode=False, **more):
        params = {name: told.get("default") for name, told in _machines.arguments().items()}
        params.update(event=event, timeout=HANG, settle=0.2, patience=0, backoff=30, state_dir=str(tmp_path / "state"), all="router" not in more)
        return _machines.act({**params, **more}, check_mode)

    return call


@pytest.fixture
def remembered(tmp_path):
    return lambda router: _memory.Memory(str(tmp_path / "state")).load(router)


def kill(cloud, host):
    cloud.agents[host]["alive"] = False
    cloud.deaf.add(host)


def test_a_router_that_is_well_is_left_as_it_is(cloud, act, remembered):
    router = cloud.add("web")
    told = act()
    assert told["msg"] == "1 router: 1 alive" and not told["changed"] and cloud.changes() == []
    assert (remembered(router)["state"], remembered(router)["health"]) == ("alive", "ok")


def test_what_was_on_a_dead_agent_goes_to_a_live_one(cloud, act, remembered):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    told = act()
    (machine,) = told["machines"]
    assert told["changed"] and machine["state"] == "alive" and cloud.hosts[router] == ["net2"]
    assert [(each["state"], each["effect"]) for each in machine["steps"]] == [
        ("calculate", None), ("alive", "move"), ("check_boot", None), ("alive", None)]
    assert machine["rebuild"]["before"] == ["net1"] and machine["rebuild"]["after"] == ["net2"]
    assert told["msg"].startswith("1 router: 1 alive; web: on net2 after ")
    memory = remembered(router)
    assert len(memory["rebuilds"]) == 1 and memory["not_before"] > time.time() + 25 and [each["next"] for each in memory["history"]][-1] == "alive"
    assert cloud.routers[router]["tags"][0] == "theirs" and _marks.claims(cloud.routers[router]["tags"], time.time()) == []


def test_nothing_is_done_in_check_mode(cloud, act, tmp_path):
    cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    told = act(check_mode=True)
    assert told["changed"] and cloud.changes() == [] and not list((tmp_path / "state").glob("*.json"))
    assert told["msg"].startswith("1 router: 1 check_boot; web: would move, as it is down: the L3 agent on net1 is dead")
    assert told["machines"][0]["steps"][-1]["effect"] == "move"


def test_patience_begins_with_the_first_look(cloud, act, remembered):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    for _each in range(2):
        (machine,) = act(patience=60)["machines"]
        assert (machine["state"], machine["changed"]) == ("wait", False) and "nothing is done before it has been so for 60 s" in machine["why"]
    memory = remembered(router)
    assert 0 <= time.time() - memory["sick_since"] < HANG and memory["state"] == "wait"
    _memory.Memory(act(patience=60)["state_dir"]).save({**memory, "sick_since": time.time() - 61})
    assert act(patience=60)["machines"][0]["state"] == "alive"


def test_one_that_stays_broken_is_given_up_and_comes_back_by_a_rebuild(cloud, act, remembered):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    # takes what it is given, and never makes it
    cloud.deaf.add("net2")
    states = []
    for _each in range(4):
        (machine,) = act(backoff=0, rebuilds=2, timeout=2)["machines"]
        states.append(machine["state"])
    assert states == ["wait", "wait", "error", "error"]
    assert machine["why"].startswith("it was rebuilt 2 times within 1h, and it is down: ") and not machine["changed"]
    assert len(remembered(router)["rebuilds"]) == 2
    cloud.deaf.discard("net2")
    (machine,) = act("rebuild", router=["web"], backoff=0, rebuilds=2)["machines"]
    assert machine["state"] == "alive" and remembered(router)["error"] is None


def test_in_debug_everything_is_counted_and_nothing_done_until_it_is_back(cloud, act, remembered):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    cloud.routers[router]["tags"] += ["faultline-debug", "faultline-debug-reason=its%20NAT"]
    for event in ("poll", "update", "rebuild"):
        (machine,) = act(event)["machines"]
        assert (machine["state"], machine["why"], machine["changed"]) == ("ignored", "in debug by a mark of the router: its NAT", False)
    assert cloud.changes() == [] and remembered(router)["ignored"]["count"] == 3
    assert act("update")["msg"] == "1 router: 1 ignored; web: in debug by a mark of the router: its NAT"
    cloud.routers[router]["tags"] = ["theirs"]
    (machine,) = act()["machines"]
    assert machine["state"] == "alive" and machine["changed"] and machine["steps"][0]["why"].startswith("back from debug, where it was left alone 4 times")
    assert cloud.hosts[router] == ["net2"] and remembered(router)["ignored"] is None


def test_an_update_has_the_agents_told(cloud, act, remembered):
    router = cloud.add("web")
    (machine,) = act("update")["machines"]
    assert machine["changed"] and machine["steps"][0]["outcome"] == "the L3 agents on net1 and net2 were told"
    assert ("PUT", f"/routers/{router}") in cloud.changes() and remembered(router)["configured"]


def test_a_router_that_is_gone_is_forgotten(cloud, act, tmp_path):
    gone, left = cloud.add("web"), cloud.add("shop")
    act()
    assert len(list((tmp_path / "state").glob("*.json"))) == 2
    del cloud.routers[gone]
    told = act("delete", router=[gone, left])
    assert {each["id"]: (each["state"], each["why"]) for each in told["machines"]} == {
        gone: ("exit", "the router is gone"), left: ("alive", "it is well")}
    assert [each.name for each in (tmp_path / "state").glob("*.json")] == [f"{left}.json"]
    del cloud.routers[left]
    # one that nobody has told of is found by whoever looks at all
    assert [each["state"] for each in act()["machines"]] == ["exit"] and not list((tmp_path / "state").glob("*.json"))


# ---- not alone


def test_a_router_that_somebody_else_has_in_hand_is_left_to_it(cloud, act, remembered):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    cloud.routers[router]["tags"].append(_marks.claim("other-7", time.time() + 2 * HANG))
    before = list(cloud.routers[router]["tags"])
    (machine,) = act()["machines"]
    assert machine["state"] == "wait" and machine["why"].startswith(f"other-7 has the router {router} in hand, until ")
    assert cloud.hosts[router] == ["net1"] and cloud.routers[router]["tags"] == before and remembered(router)["rebuilds"] == []


def test_a_claim_whose_time_is_over_is_cleared_away(cloud, act):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    cloud.routers[router]["tags"] += [_marks.claim("dead-7", time.time() - 1), "faultline-claim=nonsense"]
    assert act()["machines"][0]["state"] == "alive"
    assert [each for each in cloud.routers[router]["tags"] if each.startswith("faultline-claim")] == []


def test_two_that_see_each_other_both_draw_back(cloud, act, monkeypatch):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    tagged, put = [], cloud._tag

    def tag(method, tags, name):
        answer = put(method, tags, name)
        if method == "PUT" and name.startswith("faultline-claim=") and len(tagged) < 2:
            # the other one comes between the tag and the look, and draws back when it has looked
            tagged.append(name)
            tags.append(_marks.claim("other-7", time.time() + 2 * HANG))
        elif method == "DELETE" and name.startswith("faultline-claim="):
            tags[:] = [each for each in tags if "other-7" not in each]
        return answer

    monkeypatch.setattr(cloud, "_tag", tag)
    assert act()["machines"][0]["state"] == "alive" and len(tagged) == 2 and cloud.hosts[router] == ["net2"]


@pytest.fixture
def meanwhile(cloud, monkeypatch):
    """meanwhile(act): act() comes between the look and the claim."""
    put = cloud._tag

    def once(act):
        def tag(method, tags, name):
            if method == "PUT" and name.startswith("faultline-claim="):
                act()
            return put(method, tags, name)

        monkeypatch.setattr(cloud, "_tag", tag)

    return once


def test_what_somebody_else_has_rebuilt_since_is_not_rebuilt_again(cloud, act, meanwhile):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    meanwhile(lambda: cloud.routers[router]["tags"].append("faultline-rebuilt=2026-11-21T01:17:11Z"))
    (machine,) = act()["machines"]
    assert (machine["state"], machine["why"], machine["changed"]) == ("wait", "somebody else has rebuilt it meanwhile", False)
    assert cloud.hosts[router] == ["net1"]


MARKS = [
    ("router", lambda cloud, router: cloud.routers[router]["tags"].append("faultline-debug"), "in debug by a mark of the router"),
    ("project", lambda cloud, _router: cloud.projects["p-shop"]["tags"].append("faultline-debug"), "in debug by a mark of the project"),
    ("global", lambda cloud, _router: cloud.projects["p-blog"]["tags"].append("faultline-debug-all"), "in debug by a mark of the whole cloud"),
]


@pytest.mark.parametrize(("by", "mark", "words"), MARKS, ids=[each[0] for each in MARKS])
@pytest.mark.parametrize("event", ["poll", "update", "rebuild"])
def test_what_is_put_in_debug_after_the_look_is_left_alone(cloud, act, remembered, meanwhile, event, by, mark, words):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    meanwhile(lambda: mark(cloud, router))
    (machine,) = act(event)["machines"]
    assert (machine["state"], machine["why"], machine["changed"], machine["steps"][-1]["outcome"]) == ("ignored", words, False, "not done")
    assert cloud.hosts[router] == ["net1"] and remembered(router)["ignored"]["count"] == 1 and remembered(router)["rebuilds"] == []
    assert _marks.claims(cloud.routers[router]["tags"], time.time()) == [] and ("PUT", f"/routers/{router}") not in cloud.changes()


def test_a_machine_at_work_is_left_alone_by_another_process(cloud, act, tmp_path):
    router = cloud.add("web")
    with _memory.Memory(str(tmp_path / "state")).held(router) as mine:
        assert mine and act("update")["machines"][0]["state"] == "busy" and cloud.changes() == []
    assert act("update")["machines"][0]["state"] == "alive"


def test_an_api_that_goes_away_does_not_count_as_a_rebuild(cloud, act, remembered, monkeypatch):
    router = cloud.add("web", ha=False, hosts=["net1"])
    kill(cloud, "net1")
    monkeypatch.setattr(_routers, "PATIENCE", 0.05)
    schedule = cloud._schedule

    def gone(method, words, body):
        cloud.away = 10 ** 6
        return schedule(method, words, body)

    monkeypatch.setattr(cloud, "_schedule", gone)
    (machine,) = act()["machines"]
    assert (machine["state"], machine["why"], machine["steps"][-1]["outcome"]) == ("wait", "the cloud cannot be reached", "failed: no_answer")
    cloud.away = 0
    monkeypatch.setattr(cloud, "_schedule", schedule)
    assert remembered(router)["rebuilds"] == [] and act()["machines"][0]["state"] == "wait"


# ---- what is remembered


def test_memories_are_private_whole_and_survive_rubbish(tmp_path):
    folder = tmp_path / "a" / "state"
    memory = _memory.Memory(str(folder))
    router = "00000001-0000-0000-0000-000000000000"
    memory.save({**memory.load(router), "state": "alive"})
    path = folder / f"{router}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert json.loads(path.read_text())["state"] == "alive" and os.listdir(folder) == [path.name]
    for rubbish in ("", "{", "[]", '{"id": "another"}', '"x"'):
        path.write_text(rubbish)
        assert memory.load(router)["state"] == "calculate"
    path.write_text(json.dumps({"id": router, "state": "wait", "of_a_later_version": 1}))
    assert memory.load(router)["state"] == "wait" and "of_a_later_version" not in memory.load(router)
    for bad in ("../../etc/passwd", "", "x/y", ".."):
        with pytest.raises(FaultlineError, match="is no id of a router"):
            memory.load(bad)


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FaultlineError) as told:
        _memory.Memory(str(tmp_path / "file" / "state"))
    assert told.value.text == (
        f"The folder {tmp_path}/file/state cannot hold what is remembered of routers: Not a directory. Give another one as state_dir.")


@pytest.mark.parametrize(("option", "value", "text"), [
    ("owner", "a b", "owner: 'a b' is not of 1 to 20 letters, digits and _.-"), ("patience", -1, "patience is -1; it must be at least 0."),
    ("rebuilds", -1, "rebuilds is -1; it must be at least 0."), ("window", 0.5, "window is 0.5; it must be at least 1."),
    ("settle", float("nan"), "settle is nan; it must be at least 0."), ("at_once", 0, "at_once is 0; it must be at least 1.")])
def test_options_out_of_range_are_refused(cloud, tmp_path, option, value, text):
    params = {name: told.get("default") for name, told in _machines.arguments().items()}
    with pytest.raises(FaultlineError) as told:
        _machines.act({**params, "all": True, "state_dir": str(tmp_path), option: value}, False)
    assert told.value.message == text and cloud.asked == []


def test_owners_have_names_that_tags_can_bear():
    assert _machines._OWNER.fullmatch(_claim.own_name())
    assert len(_marks.claim("x" * 20, 0)) <= _marks.SHORT
    assert _runs.ACTIONS
