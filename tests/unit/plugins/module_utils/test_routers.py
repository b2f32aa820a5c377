# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers in a cloud that is a few lists, for what the lab's cloud does not have or do: pages, other projects' logins, an API that goes, agents that do not."""

from __future__ import annotations

import re
import time

import pytest
from patience import HANG
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._router import _claim, _marks, _rebuild, _routers, _runs
from cloud_of_lists import BLOG, SHOP, Answer, Cloud, keystone


@pytest.fixture
def cloud(monkeypatch):
    cloud = Cloud()
    monkeypatch.setattr(_runs._cloud, "Connection", lambda _params: cloud)
    for module in (_routers, _rebuild):
        monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(_rebuild, "SETTLED", 0)
    monkeypatch.setattr(_rebuild, "RESTORE", 0.2)
    return cloud


def act(action, check_mode=False, **more):
    params = {name: told.get("default") for name, told in _runs.arguments().items()}
    return _runs.act({**params, "action": action, "timeout": 1, **more}, check_mode)


def info(**more):
    return _runs.info({"router": None, "project": None, "debug": None, "management": False, **more})


def refused(work, *arguments, **more):
    with pytest.raises(FaultlineError) as told:
        work(*arguments, **more)
    return told.value


# ---- asking


def test_there_are_as_many_questions_whatever_their_number(cloud):
    for number in range(200):
        cloud.add(f"r{number:03}", BLOG if number % 2 else SHOP)
    found = info()
    assert len(cloud.asked) == 6 and len(found["routers"]) == 200
    assert found["msg"] == "200 routers: 200 ok" and {each["project_name"] for each in found["routers"]} == {"shop", "blog"}
    assert [each["name"] for each in info(project="blog", router=["r001", "r003"])["routers"]] == ["r001", "r003"]


@pytest.mark.parametrize("page", [1, 3, 7])
def test_pages_are_followed_by_their_query_only(cloud, page):
    for number in range(7):
        cloud.add(f"r{number}")
    whole = info()["routers"]
    cloud.page, cloud.asked = page, []
    assert [{**each, "age": 0} for each in info()["routers"]] == [{**each, "age": 0} for each in whole]
    assert not any("inside.example" in path for _method, path in cloud.asked)


def test_the_management_ports_of_service_vms_are_asked_for_by_name(cloud, monkeypatch):
    ids = [cloud.add(f"r{number:02}") for number in range(60)]
    listed = Cloud._listed

    def named(self, kind, query):
        if "name" not in query:
            return listed(self, kind, query)
        assert len(query["name"]) <= 50
        mine = f"ASTARA:MGT:{ids[55]}"
        return Answer(200, {"ports": [{"name": mine, "fixed_ips": [{"ip_address": "fdca::7"}]}] if mine in query["name"] else []})

    monkeypatch.setattr(Cloud, "_listed", named)
    found = {each["name"]: each["management"] for each in info(management=True)["routers"]}
    assert found == {**{f"r{number:02}": [] for number in range(60)}, "r55": ["fdca::7"]} and "management" not in info()["routers"][0]


def test_who_is_no_administrator_sees_the_project(cloud):
    cloud.add("web")
    cloud.forbidden = {("GET", "agents"), ("GET", "projects")}
    (found,) = info()["routers"]
    assert (found["project_name"], found["health"]) == (None, "ok") and {each["alive"] for each in found["agents"]} == {None}
    cloud.forbidden = {("GET", "agents"), ("GET", "projects"), ("GET", "l3-agents")}
    assert act("poll", router=["web"])["health"] == "ok"
    assert refused(act, "rebuild", router=["web"]).code == "not_supported" and cloud.changes() == []


def test_an_api_that_is_away_is_told(cloud):
    cloud.away = 100
    assert refused(info).code == "no_answer"


# ---- debug and manage


def test_marks_are_added_and_removed_one_by_one(cloud):
    web = cloud.add("web")
    told = act("debug", router=["web"], reason="its NAT, 50% lost/day")
    assert told["changed"] and told["msg"] == "now in debug: web: its NAT, 50% lost/day"
    assert told["routers"][0]["debug"] == {"by": "router", "reason": "its NAT, 50% lost/day"}
    assert cloud.routers[web]["tags"] == ["theirs", "faultline-debug-reason=its%20NAT%2C%2050%25%20lost%2Fday", "faultline-debug"]
    assert act("debug", router=["web"])["changed"] is False
    assert act("debug", router=["web"], reason="other")["msg"] == "now in debug: web: other" and len(cloud.routers[web]["tags"]) == 3
    told = act("manage", router=["web"])
    assert told["changed"] and told["msg"] == "now under management: web" and told["health"] == "ok" and cloud.routers[web]["tags"] == ["theirs"]
    assert act("manage", router=["web"])["msg"] == "already under management: web"
    assert not any(path.endswith("/tags") for _method, path in cloud.changes())


def test_a_check_marks_nothing(cloud):
    cloud.add("web")
    assert act("debug", True, router=["web"])["msg"] == "would be in debug: web"
    assert act("debug", True, all=True)["changed"] and act("debug", True, project="shop")["changed"] and not act("manage", True, router=["web"])["changed"]
    assert cloud.changes() == []


def test_a_project_is_marked_for_its_routers_of_the_future(cloud):
    cloud.add("web")
    assert act("debug", project="shop", reason="moves")["msg"] == "now in debug: the project shop, which has 1 router: moves"
    cloud.add("new")
    cloud.add("other", BLOG)
    assert {each["name"]: (each["debug"] or {}).get("by") for each in info()["routers"]} == {"web": "project", "new": "project", "other": None}
    assert info()["debug_projects"] == [{"id": SHOP, "name": "shop", "reason": "moves"}] and cloud.projects[SHOP]["tags"][0] == "theirs"
    told = act("manage", router=["new"])
    assert not told["changed"] and told["msg"] == "already under management: new; 1 router still in debug by a mark of the project"
    act("debug", router=["new"])
    told = act("manage", project=SHOP)
    assert told["msg"] == "now under management: the project shop, which has 2 routers; 1 router still in debug by a mark of the router"


def test_the_whole_cloud(cloud):
    cloud.add("web")
    assert act("debug", all=True, reason="freeze")["msg"] == "now in debug: all routers, which are 1 now: freeze"
    assert info()["global"] == {"reason": "freeze"} and info()["msg"] == "1 router: 1 ok; 1 in debug; everything is in debug: freeze"
    # a mark that somebody else has put on the project of another login
    cloud.projects[BLOG]["tags"].append("faultline-debug-all")
    assert act("manage", all=True)["changed"] and info()["global"] is None
    assert {"faultline-debug-all"} & {tag for each in cloud.projects.values() for tag in each["tags"]} == set()


def test_who_may_not_mark_a_project_is_told(cloud):
    cloud.add("web")
    cloud.forbidden = {("PUT", "projects")}
    told = refused(act, "debug", project="shop")
    assert told.code == "forbidden" and told.message == "This login may not mark the project p-shop."


def test_a_neutron_with_short_tags_gets_a_short_reason(cloud):
    cloud.longest = 60
    web = cloud.add("web")
    act("debug", router=["web"], reason="word " * 20)
    assert info()["routers"][0]["debug"]["reason"].endswith("...") and all(len(tag) <= 60 for tag in cloud.routers[web]["tags"])


# ---- what is left alone


@pytest.mark.parametrize("action", ["rebuild", "update"])
def test_what_is_in_debug_is_left_alone(cloud, action):
    cloud.add("web")
    cloud.add("db", active="net2")
    act("debug", router=["web"], reason="mine")
    cloud.asked = []
    told = refused(act, action, router=["*", "web"])
    assert (told.code, told.message) == ("in_debug", "The router web is in debug: mine.") and cloud.changes() == []
    told = act(action, router=["*"])
    assert [each["name"] for each in told["skipped"]] == ["web"] and told["msg"].endswith("1 left alone: The router web is in debug: mine.")
    assert [each["name"] for each in told["routers"]] == ["db"]
    assert act(action, router=["web"], force=True)["changed"]
    act("debug", project="shop")
    assert refused(act, action, router=["db"]).message == "The project shop of the router db is in debug."


def test_a_router_that_is_switched_off_is_not_rebuilt(cloud):
    cloud.add("web", admin_state_up=False)
    assert refused(act, "rebuild", router=["web"]).code == "admin_state" and act("rebuild", router=["error"])["skipped"][0]["code"] == "admin_state"


@pytest.mark.parametrize(("options", "text"), [
    ({"action": "rebuild"}, "rebuild: nothing says what is meant. Say router, project or all."),
    ({"action": "update", "router": ["web"], "agent": "net1"}, "agent is no option of the action update."),
    ({"action": "manage", "router": ["web"], "reason": "x"}, "reason is no option of the action manage."),
    ({"action": "poll", "ping": "10.0.0.9"}, "ping is no option of the action poll."),
])
def test_options_that_do_not_go_together(cloud, options, text):
    told = refused(act, **options)
    assert (told.code, told.text) == ("bad_option", text) and cloud.asked == []


# ---- poll, update, rebuild


def test_a_poll_says_what_is_wrong(cloud):
    cloud.add("web")
    cloud.add("db", hosts=["net2"], active="net2")
    told = act("poll")
    assert not told["changed"] and told["health"] == "degraded" and told["msg"] == (
        "2 routers: 1 ok, 1 degraded; db is degraded: only the L3 agent on net2 has it")
    assert act("poll", router=["web"])["health"] == "ok" and act("poll", project="blog")["routers"] == []


def test_an_update_changes_nothing_but_tells_the_agents(cloud):
    web = cloud.add("web")
    cloud.agents["net2"]["alive"] = False
    told = act("update", router=["web"])
    assert told["updates"] == [{"id": web, "name": "web", "agents": ["net1"], "dead": ["net2"]}]
    assert told["msg"] == "asked L3 agents on net1 to configure web again; web is degraded: the L3 agent on net2 is dead"
    assert cloud.changes() == [("PUT", f"/routers/{web}")] and act("update", True, all=True)["msg"].startswith("would ask L3 agents on net1 to")


def scheduled(cloud):
    """What was given and taken, in order."""
    return [
        ("give" if method == "POST" else "take", path.split("/")[2]) for method, path in cloud.changes() if re.search("/l3-routers", path)]


def test_a_rebuild_goes_by_the_standby(cloud):
    web = cloud.add("web")
    told = act("rebuild", router=["web"])
    assert scheduled(cloud) == [("take", "a2"), ("give", "a2"), ("take", "a1"), ("give", "a1")]
    (done,) = told["rebuilds"]
    assert (done["was"], done["before"], done["after"], done["active"], done["health"]) == ("ok", ["net1", "net2"], ["net1", "net2"], "net2", "ok")
    assert done["downtime"] == 0 and [each["what"] for each in done["steps"]] == [
        "taken from the L3 agent on net2", "given to the L3 agent on net2", "taken from the L3 agent on net1", "given to the L3 agent on net1"]
    assert re.search(r"^rebuilt 1 router: web is on net1 and net2, active on net2, after [0-9.]+ s, of which it was down for 0 s$", told["msg"])
    assert told["routers"][0]["rebuilt"] and info()["routers"][0]["rebuilt"] == told["routers"][0]["rebuilt"] and cloud.routers[web]["tags"][0] == "theirs"


def test_a_rebuild_is_planned_in_check_mode(cloud):
    cloud.add("web")
    told = act("rebuild", True, router=["web"], agent="net2")
    assert told["msg"].startswith("1 router would be rebuilt: web from net1 and net2 to net2 and net1") and cloud.changes() == []


def test_the_time_without_service_is_measured(cloud, monkeypatch):
    # neither is active
    web = cloud.add("web", hosts=["net1"])
    del cloud.agents["net2"]
    cloud.deaf.add("net1")
    give = Cloud._schedule

    def slowly(self, method, words, body):
        if method == "POST":
            # the agent is there at once, and deaf for a while
            self.deaf.add("net1")
            self.looks = 5
        return give(self, method, words, body)

    monkeypatch.setattr(Cloud, "_schedule", slowly)
    hosting = _routers.Routers.hosting

    def looked(self, router_id):
        cloud.looks = getattr(cloud, "looks", 1) - 1
        if cloud.looks <= 0:
            cloud.deaf.clear()
        return hosting(self, router_id)

    monkeypatch.setattr(_routers.Routers, "hosting", looked)
    monkeypatch.setattr(_rebuild, "PAUSE", 0.1)
    told = act("rebuild", router=[web], timeout=HANG)["rebuilds"][0]
    assert 0.3 <= told["downtime"] <= told["seconds"] and told["reason"] == "only the L3 agent on net1 has it"
    assert [each["what"].partition(":")[0] for each in told["steps"][-2:]] == ["down", "up again, active on net1"]


def test_a_rebuild_that_does_not_come_up_is_told_and_has_its_agents(cloud):
    web = cloud.add("web")
    cloud.deaf = {"net2"}
    told = refused(act, "rebuild", router=["web"], timeout=0.2)
    assert told.code == "timeout" and told.message == (
        "The router web: waited 0.2 seconds in vain until the L3 agent on net2 has it; it is degraded: its HA port on net2 is DOWN.")
    # the one that serves was never touched
    assert told.hint == "It was given back to net1 and net2."
    assert cloud.hosts[web] == ["net1", "net2"] and told.details["downtime"] == 0 and ("take", "a1") not in scheduled(cloud)


def test_the_only_one_that_serves_keeps_it(cloud):
    web = cloud.add("web", active="net2")
    cloud.agents["net1"]["alive"] = False
    (done,) = act("rebuild", router=["web"])["rebuilds"]
    assert scheduled(cloud) == [] and ("PUT", f"/routers/{web}") in cloud.changes()
    assert (done["was"], done["after"], done["active"], done["downtime"]) == ("degraded", ["net1", "net2"], "net2", 0)
    assert [each["what"] for each in done["steps"]] == ["left on net2, which is to configure it again"] and done["reason"] == "the L3 agent on net1 is dead"


def test_a_dead_agent_whose_node_is_silent_too_loses_it(cloud):
    web = cloud.add("web", active="net2")
    cloud.agents["net1"]["alive"] = False
    (done,) = act("rebuild", router=["web"], probed=[{"host": "net1", "error": "it is off"}])["rebuilds"]
    assert scheduled(cloud) == [("take", "a1")] and ("PUT", f"/routers/{web}") in cloud.changes()
    assert (done["was"], done["after"], done["active"], done["downtime"]) == ("degraded", ["net2"], "net2", 0)
    assert [each["what"] for each in done["steps"]] == ["taken from the L3 agent on net1", "left on net2, which is to configure it again"]
    # the next one gives it another agent, and takes it from none
    cloud.agents["net1"]["alive"], cloud.asked = True, []
    told = act("rebuild", router=["error"])
    assert scheduled(cloud) == [("give", "a1")] and told["health"] == "ok" and told["rebuilds"][0]["after"] == ["net1", "net2"]


def test_what_its_nodes_say_counts(cloud):
    """For Neutron it is well on its only node, which knows better."""
    web = cloud.add("web", hosts=["net1"])
    told = {"id": web, "addresses": [{"address": "10.0.0.9", "interface": None, "up": False}], "pings": [], "gateways": [], "namespace": True,
            "keepalived": True, "state": "active", "error": None}
    done = act("rebuild", router=["web"], probed=[{"host": "net1", "routers": [told]}])["rebuilds"][0]
    assert (done["was"], done["health"]) == ("down", "ok") and scheduled(cloud) == [("take", "a1"), ("give", "a1"), ("give", "a2")]


def test_a_legacy_router_that_does_not_come_up_goes_back(cloud):
    web = cloud.add("web", ha=False, hosts=["net1"])
    cloud.deaf = {"net2"}
    told = refused(act, "rebuild", router=["web"], timeout=0.2)
    assert told.code == "timeout" and told.hint == "It was given back to net1." and cloud.hosts[web] == ["net1"]
    assert scheduled(cloud) == [("take", "a1"), ("give", "a2"), ("take", "a2"), ("give", "a1")]


def test_an_address_that_answers_is_part_of_a_rebuild(cloud):
    cloud.add("web")
    cloud.add("db")
    told = act("rebuild", router=["web"], ping="127.0.0.1")
    (done,) = told["rebuilds"]
    assert done["pinged"]["address"] == "127.0.0.1" and done["pinged"]["answers"] and (done["pinged"]["lost"], done["pinged"]["downtime"]) == (0, 0)
    assert told["msg"].endswith("of which 127.0.0.1 did not answer for 0 s")
    told = refused(act, "rebuild", router=["web"], ping="240.0.0.1", timeout=2)
    assert told.code == "no_ping_answer" and told.text == (
        "The router web is well for Neutron, but 240.0.0.1 does not answer a ping from here within 2 seconds. It was given back to net1 and net2.")
    assert told.details["pinged"]["sent"] == told.details["pinged"]["lost"] > 0 and told.details["pinged"]["downtime"] > 0
    cloud.asked = []
    assert refused(act, "rebuild", all=True, ping="127.0.0.1").text == (
        "ping is for the rebuild of one router, and 2 are meant. Nothing was touched.") and cloud.changes() == []
    assert refused(act, "rebuild", router=["web"], ping="web.example").text == "ping: 'web.example' is no IP address."


def test_an_api_that_comes_back_is_waited_for_and_the_agent_told_again(cloud, monkeypatch):
    web = cloud.add("web")
    post = Cloud.post

    def lost(self, path, json=None):
        answer = post(self, path, json)
        if not getattr(self, "lost", False):
            # done, and nobody knows
            self.lost = True
            raise keystone.ConnectFailure("away")
        return answer

    monkeypatch.setattr(Cloud, "post", lost)
    assert act("rebuild", router=["web"], timeout=HANG)["rebuilds"][0]["health"] == "ok"
    assert ("PUT", f"/routers/{web}") in cloud.changes()


def test_an_agent_that_hangs_is_told_and_not_an_api_that_is_away(cloud, monkeypatch):
    web, post = cloud.add("web"), Cloud.post
    cloud.deaf = {"net2"}

    def hanging(self, path, json=None):
        post(self, path, json)
        raise keystone.ConnectTimeout("Neutron waits for the agent")

    monkeypatch.setattr(Cloud, "post", hanging)
    told = refused(act, "rebuild", router=["web"], timeout=0.3)
    assert told.code == "timeout" and told.text.endswith("its HA port on net2 is DOWN. It was given back to net1 and net2.")
    assert cloud.hosts[web] == ["net1", "net2"] and ("take", "a1") not in scheduled(cloud)


def test_one_that_an_orchestrator_has_in_hand_is_left_to_it(cloud, monkeypatch):
    monkeypatch.setattr(_claim, "_PAUSE", 0.11)
    web, db = cloud.add("web"), cloud.add("db")
    tag = _marks.claim("other-7", time.time() + 2 * HANG)
    cloud.routers[web]["tags"].append(tag)
    told = refused(act, "rebuild", router=["web"])
    assert told.code == "claimed" and told.text.startswith(f"other-7 has the router {web} in hand, until ") and cloud.changes() == []
    told = act("rebuild", router=["*"])
    assert [each["name"] for each in told["rebuilds"]] == ["db"] and [each["code"] for each in told["skipped"]] == ["claimed"]
    assert cloud.routers[web]["tags"] == ["theirs", tag] and "1 left alone: other-7 has the router" in told["msg"]
    # its own ends with it
    assert [each.partition("=")[0] for each in cloud.routers[db]["tags"]] == ["theirs", "faultline-rebuilt"]


def test_one_that_is_put_in_debug_after_the_look_is_not_rebuilt(cloud, monkeypatch):
    web, db = cloud.add("web"), cloud.add("db")
    put = cloud._tag

    def tag(method, tags, name):
        if method == "PUT" and name.startswith("faultline-claim=") and tags is cloud.routers[web]["tags"] and "faultline-debug" not in tags:
            tags.append("faultline-debug")
        return put(method, tags, name)

    def anew():
        cloud.routers[web]["tags"][:] = ["theirs"]
        cloud.asked.clear()

    monkeypatch.setattr(cloud, "_tag", tag)
    told = refused(act, "rebuild", router=["web"])
    assert told.code == "in_debug" and told.text.startswith("The router web is in debug. ") and scheduled(cloud) == []
    anew()
    told = act("rebuild", router=["*"])
    assert [each["name"] for each in told["rebuilds"]] == ["db"] and [(each["name"], each["code"]) for each in told["skipped"]] == [("web", "in_debug")]
    anew()
    told = refused(act, "rebuild", router=["web", "db"])
    assert told.code == "in_debug" and [each["name"] for each in told.details["rebuilds"]] == ["db"]
    anew()
    assert [each["name"] for each in act("rebuild", router=["web"], force=True)["rebuilds"]] == ["web"]
    assert [each for each in cloud.routers[db]["tags"] if each.startswith("faultline-claim")] == []


def test_one_that_fails_does_not_keep_the_others(cloud):
    cloud.add("a")
    cloud.add("b", availability_zone_hints=["west"])
    cloud.add("c")
    told = refused(act, "rebuild", all=True)
    assert told.code == "no_agent" and told.message.startswith("1 of 3 routers were not rebuilt: There is no L3 agent that could take the router b.")
    assert [each["name"] for each in told.details["rebuilds"]] == ["a", "c"] and [each["name"] for each in told.details["failed"]] == ["b"]


def test_a_router_that_goes_meanwhile(cloud):
    cloud.add("web")
    routers = _routers.Routers(cloud)
    found = routers.described()[0]
    cloud.routers.clear()
    told = refused(routers.one, found["id"])
    assert told.code == "not_found" and told.message == f"The router {found['id']} is gone."
