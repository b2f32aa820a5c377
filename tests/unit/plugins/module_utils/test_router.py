# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers as they are described, judged, chosen by name and printed; where a rebuild puts them."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._router import _rebuild, _router

NOW = 1795228800.0
KNOWN = {
    "agents": {"net1": {"host": "net1", "id": "a1", "alive": True}, "net2": {"host": "net2", "id": "a2", "alive": True}},
    "projects": {"p1": {"name": "shop", "tags": []}}, "networks": {"n0": "external", "n1": "inner"},
    "subnets": {"s0": {"id": "s0", "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1"}, "s1": {"id": "s1", "cidr": "192.168.7.0/24", "gateway_ip": "192.168.7.1"}},
    "everywhere": None, "now": NOW,
}


def port(number, owner, host, status="ACTIVE", subnet=None, address=None, network="n1"):
    fixed = [{"subnet_id": subnet, "ip_address": address}] if address else []
    return {
        "id": number, "device_id": "r1", "device_owner": owner, "network_id": network, "fixed_ips": fixed, "status": status, "binding:host_id": host}


def routed(**more):
    return {
        "id": "3f2c0000-0000-0000-0000-000000000001", "name": "web", "project_id": "p1", "status": "ACTIVE", "admin_state_up": True, "ha": True,
        "distributed": False, "created_at": "2026-11-21T00:00:00Z", "tags": [], **more}


def highly(active="net1", gateway="ACTIVE", inner="ACTIVE", hosts=("net1", "net2"), ha="ACTIVE"):
    """The ports of a highly available router with a gateway and an interface."""
    return [
        port("g", _router.GATEWAY, active, gateway, "s0", "10.0.0.50", "n0"),
        port("i", "network:ha_router_replicated_interface", active, inner, "s1", "192.168.7.1"),
        *[port(f"h{number}", _router.HA, host, ha, "s9", f"169.254.0.{number}", "n9") for number, host in enumerate(hosts)],
    ]


def legacy(host, status="ACTIVE"):
    return [port("g", _router.GATEWAY, host, status, "s0", "10.0.0.50", "n0"), port("i", "network:router_interface", host, status, "s1", "192.168.7.1")]


def known(**more):
    return {**copy.deepcopy(KNOWN), **more}


def alive(**hosts):
    return known(agents={host: {"host": host, "id": "a" + host[-1], "alive": value} for host, value in hosts.items()})


def codes(found):
    return [each["code"] for each in found["problems"]]


# ---- described


def test_a_router_that_is_well():
    tags = ["theirs", "faultline-rebuilt=2026-11-20T10:00:00Z"]
    found = _router.described(routed(tags=tags), highly(), known(now=NOW + 90))
    assert found == {
        "id": "3f2c0000-0000-0000-0000-000000000001", "name": "web", "project": "p1", "project_name": "shop", "status": "ACTIVE", "admin_state_up": True,
        "ha": True, "distributed": False,
        "claimed": None,
        "agents": [
            {"host": "net1", "id": "a1", "alive": True, "state": "active"}, {"host": "net2", "id": "a2", "alive": True, "state": "standby"}],
        "active": "net1",
        "gateway": {
            "port": "g", "network": "external", "addresses": ["10.0.0.50"], "next_hops": ["10.0.0.1"], "status": "ACTIVE", "host": "net1"},
        "interfaces": [{
            "port": "i", "network": "inner", "subnet": "s1", "address": "192.168.7.1", "cidr": "192.168.7.0/24", "status": "ACTIVE", "host": "net1"}],
        "created": "2026-11-21T00:00:00Z", "age": found["age"], "debug": None, "rebuilt": "2026-11-20T10:00:00Z", "health": "ok", "reason": "", "problems": [],
    }
    later = _router.described(routed(), highly(), known(now=NOW + 190))
    assert later["age"] - found["age"] == 100 and _router.described(routed(created_at=None), [], known())["age"] is None


def test_neutrons_own_states_count_where_they_are_known():
    found = _router.described(routed(), highly("net1"), known(), {"net1": "standby", "net2": "active"})
    assert found["active"] == "net2" and [each["state"] for each in found["agents"]] == ["standby", "active"]
    assert codes(found) == ["elsewhere"] and found["reason"] == "2 of its ports are bound to net1"


@pytest.mark.parametrize(("tags", "project", "everywhere", "debug"), [
    ([], [], None, None), (["faultline-debug"], ["faultline-debug"], "all", {"by": "router", "reason": ""}),
    ([], ["faultline-debug", "faultline-debug-reason=a%20b"], None, {"by": "project", "reason": "a b"}), ([], [], "all", {"by": "global", "reason": "all"}),
])
def test_the_nearest_mark_says_why(tags, project, everywhere, debug):
    cloud = known(everywhere=everywhere, projects={"p1": {"name": "shop", "tags": project}})
    assert _router.described(routed(tags=tags), [], cloud)["debug"] == debug


def test_a_name_cannot_write_on_the_terminal():
    assert _router.described(routed(name="a\x1b[2Jb\nc\u202e"), [], known())["name"] == "a [2Jb c"


@pytest.mark.parametrize(("router", "ports", "cloud", "states", "health", "reason"), [
    ({}, [], known(), None, "ok", ""),
    ({}, [], alive(net1=False), None, "ok", ""),
    ({"status": "ERROR"}, [], known(), None, "down", "its status is ERROR"),
    ({"status": "ALLOCATING"}, highly(), known(), None, "degraded", "its status is ALLOCATING"),
    ({"admin_state_up": False}, highly("", "DOWN", "DOWN", ()), known(), None, "down", "its admin state is down"),
    # highly available
    ({}, highly(hosts=()), known(), None, "down", "no L3 agent has it"),
    ({}, highly(), alive(net1=False, net2=False), None, "down", "the L3 agents on net1, net2 are dead"),
    ({}, highly("net2"), alive(net1=False, net2=True), None, "degraded", "the L3 agent on net1 is dead"),
    ({}, highly("net1"), alive(net1=False, net2=True), None, "degraded", "it is active on net1, whose L3 agent is dead"),
    ({}, highly("net1"), alive(net2=True), None, "degraded", "it is active on net1, whose L3 agent is dead"),
    ({}, highly(""), known(), None, "down", "it is active on no node"),
    ({}, highly("net3"), known(), None, "down", "it is active on no node"),
    ({}, highly("net1"), known(), {"net1": "standby", "net2": "standby"}, "down", "it is active on no node"),
    ({}, highly("net1"), known(), {"net1": "active", "net2": "active"}, "degraded", "it is active on net1 and net2"),
    ({}, highly("net1", hosts=("net1",)), known(), None, "degraded", "only the L3 agent on net1 has it"),
    ({}, highly("net1", hosts=("net1", "")), known(), {"net1": "active", "net2": "standby"}, "degraded", "an L3 agent has not taken it up yet"),
    ({}, highly(ha="DOWN"), known(), None, "degraded", "its HA port on net1 is DOWN; its HA port on net2 is DOWN"),
    ({}, highly(gateway="DOWN"), known(), None, "degraded", "the gateway port is DOWN"),
    ({}, highly(inner="DOWN"), known(), None, "degraded", "the interface 192.168.7.1 is DOWN"),
    ({}, highly(gateway="DOWN", inner="BUILD"), known(), None, "down", "the interface 192.168.7.1 is BUILD; the gateway port is DOWN"),
    ({}, highly("net2", gateway="DOWN"), alive(net1=False, net2=True), None, "degraded", "the L3 agent on net1 is dead; the gateway port is DOWN"),
    # legacy: it is where its ports are
    ({"ha": False}, legacy("net1"), known(), None, "ok", ""),
    ({"ha": False}, legacy(""), known(), None, "down", "no L3 agent has it"),
    ({"ha": False}, legacy("net1"), alive(net1=False, net2=True), None, "down", "the L3 agent on net1 is dead"),
    ({"ha": False}, legacy("net1"), known(), {"net2": None}, "down", "2 of its ports are bound to net1"),
    ({"ha": False}, legacy("net2"), known(), {"net2": None}, "ok", ""),
    # who is no administrator, and clouds without L3 agents
    ({"ha": None}, legacy("")[1:], known(agents={}), None, "ok", ""),
    ({"ha": None}, legacy("", "DOWN")[1:], known(agents={}), None, "down", "the interface 192.168.7.1 is DOWN"),
])
def test_health(router, ports, cloud, states, health, reason):
    found = _router.described(routed(**router), ports, cloud, states)
    assert (found["health"], found["reason"]) == (health, reason)


def test_a_gateway_whose_port_is_hidden_is_told_by_the_router():
    told = {"network_id": "n0", "external_fixed_ips": [{"subnet_id": "s0", "ip_address": "10.0.0.50"}]}
    found = _router.described(routed(external_gateway_info=told), [], known(agents={}))
    assert found["gateway"] == {
        "port": None, "network": "external", "addresses": ["10.0.0.50"], "next_hops": ["10.0.0.1"], "status": None, "host": None}
    assert found["health"] == "ok"


# ---- chosen


def several():
    names = [("3f2c1111", "web", "p1", "ok"), ("3f2c2222", "db", "p1", "down"), ("aaaa1111", "web2", "p2", "degraded"), ("bbbb1111", "db", "p2", "ok")]
    found = []
    for start, name, project, health in names:
        each = _router.described(routed(id=start + "-0000-0000-0000-000000000000", name=name, project_id=project), [], known())
        found.append({**each, "health": health, "project_name": {"p1": "shop", "p2": "blog"}[project], "debug": None if name == "web" else {"by": "router"}})
    return found


@pytest.mark.parametrize(("wanted", "project", "debug", "numbers"), [
    (None, None, None, [0, 1, 2, 3]), ([], None, None, [0, 1, 2, 3]), (["*"], None, None, [0, 1, 2, 3]), (["error"], None, None, [1, 2]),
    (["web"], None, None, [0]), (["web2", "web"], None, None, [0, 2]), (["3F2C1"], None, None, [0]),
    (["aaaa1111-0000-0000-0000-000000000000"], None, None, [2]),
    (["db"], "shop", None, [1]), (["db"], "p2", None, [3]), (["error"], "shop", None, [1]), (None, None, False, [0]), (None, "shop", True, [1]),
    (["web", "error", "web"], None, None, [0, 1, 2]),
])
def test_routers_are_chosen(wanted, project, debug, numbers):
    routers = several()
    assert _router.chosen(routers, wanted, project, debug) == [routers[number] for number in numbers]


@pytest.mark.parametrize(("wanted", "project", "code", "text"), [
    (["wbe"], None, "not_found", "The cloud has no router wbe. Did you mean web?"),
    (["3f2"], None, "not_found", "The cloud has no router 3f2. It has: db, web, web2."),
    (["3f2c"], None, "ambiguous", "2 routers are meant by 3f2c. Give the id of one: 3f2c1111-0000-0000-0000-000000000000 (shop), "
     "3f2c2222-0000-0000-0000-000000000000 (shop)."),
    (["db"], None, "ambiguous", "2 routers are meant by db. Give the id of one: 3f2c2222-0000-0000-0000-000000000000 (shop), "
     "bbbb1111-0000-0000-0000-000000000000 (blog)."),
    (["web2"], "shop", "not_found", "The cloud has no router web2. Did you mean web?"),
    (None, "shp", "not_found", "The cloud has no project with a router shp. Did you mean shop?"),
    (["wbe", "web", "zzz"], None, "not_found", "2 routers are not known:\n  The cloud has no router wbe. Did you mean web?\n"
     "  The cloud has no router zzz. It has: db, web, web2."),
])
def test_what_is_not_known_is_told(wanted, project, code, text):
    with pytest.raises(FaultlineError) as told:
        _router.chosen(several(), wanted, project)
    assert (told.value.code, told.value.text) == (code, text)


def test_a_project_without_routers_is_no_error():
    projects = {"p1": {"name": "shop"}, "p3": {"name": "new"}, "p4": {"name": "twice"}, "p5": {"name": "twice"}}
    assert _router.chosen(several(), None, "new", None, projects) == []
    with pytest.raises(FaultlineError) as told:
        _router.chosen(several(), None, "twice", None, projects)
    assert told.value.text == "2 projects are named twice. Give the id of one: p4, p5."


# ---- printed


def test_the_table_is_aligned_and_says_what_is_wrong():
    first = _router.described(routed(), highly(), known())
    second = _router.described(
        routed(id="aaaa1111", name="", tags=["faultline-debug", "faultline-debug-reason=NAT", "faultline-rebuilt=2026-11-20T10:00:00Z"]), highly("net2"),
        alive(net1=False, net2=True))
    first["age"], second["age"] = 90, 90000
    assert _router.table([first, second]) == [
        "router    project  status  health    agents       gateway    interfaces   age  rebuilt              debug",
        "web       shop     ACTIVE  ok        net1* net2   10.0.0.50  192.168.7.1  1m   -                    -",
        "aaaa1111  shop     ACTIVE  degraded  net1! net2*  10.0.0.50  192.168.7.1  1d   2026-11-20 10:00:00  router: NAT",
        "  the L3 agent on net1 is dead",
    ]
    assert _router.table([])[0].startswith("router  project")


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (0, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (86400, "1d")])
def test_ages(seconds, text):
    assert _router.duration(seconds) == text


def test_they_are_counted():
    assert _router.counted(several()) == "4 routers: 2 ok, 1 degraded, 1 down; 3 in debug"
    assert _router.counted([]) == "0 routers" and _router.counted(several()[:1]) == "1 router: 1 ok"


# ---- where a rebuild puts them


def agent(host, up=True, **more):
    return {"host": host, "id": "a" + host[-1], "alive": up, "admin_state_up": True, "configurations": {"agent_mode": "legacy", "routers": 5}, **more}


def exact(active, ha=True):
    ports = highly(active) if ha else legacy(active)
    return _router.described(routed(ha=ha), ports, known())


ONE, TWO, THREE = agent("net1"), agent("net2"), agent("net3")


GONE = agent("net1", False)


@pytest.mark.parametrize(("active", "hosting", "agents", "wanted", "first", "take", "stay", "then"), [
    # the standby first, then the active one
    ("net1", [ONE, TWO], [ONE, TWO], None, ["net2"], ["net1"], [], ["net1"]),
    # a third agent gets nothing as long as both live
    ("net1", [ONE, TWO], [ONE, TWO, THREE], None, ["net2"], ["net1"], [], ["net1"]),
    # the only one that serves keeps it; a dead one that nobody replaces does too, where its keepalived may live
    ("net2", [GONE, TWO], [GONE, TWO], None, [], [], ["net2"], []),
    ("net2", [GONE, TWO], [GONE, TWO], "net2", [], [], ["net2"], []),
    ("net2", [GONE, TWO], [GONE, TWO, THREE], None, ["net3"], ["net1"], ["net2"], []),
    ("net1", [ONE], [ONE], None, [], [], ["net1"], []),
    # which gets another one beside it
    ("net1", [ONE], [ONE, TWO], None, ["net2"], [], ["net1"], []),
    ("net1", [ONE], [ONE, TWO], "net2", ["net2"], ["net1"], [], ["net1"]),
    # one that is not to have it any more
    ("net1", [agent("net1", admin_state_up=False), TWO], [agent("net1", admin_state_up=False), TWO, THREE], None, ["net2", "net3"], ["net1"], [], []),
    # it serves, if at all, where nobody can be told
    ("net1", [GONE, TWO], [GONE, TWO], None, ["net2"], ["net1"], [], []),
    # nobody is active: all at once
    ("", [ONE, TWO], [ONE, TWO], None, ["net1", "net2"], [], [], []),
    ("", [], [ONE, TWO, THREE], None, ["net1", "net2"], [], [], []),
    ("", [GONE, TWO], [GONE, TWO], None, ["net2"], ["net1"], [], []),
    # the one that is named is active afterwards
    ("net1", [ONE, TWO], [ONE, TWO], "net2", ["net2"], ["net1"], [], ["net1"]),
    ("net1", [ONE, TWO], [ONE, TWO], "a1", ["net1"], ["net2"], [], ["net2"]),
    ("net1", [ONE, TWO], [ONE, TWO, THREE], "net3", ["net3"], ["net1", "net2"], [], ["net1"]),
])
def test_a_highly_available_router_keeps_one_that_serves(active, hosting, agents, wanted, first, take, stay, then):
    found = _rebuild.plan(exact(active), hosting, agents, wanted)
    assert (found["first"], found["take"], found["stay"], found["then"]) == (first, take, stay, then)
    assert found["ids"].items() >= {each["host"]: each["id"] for each in agents}.items()


@pytest.mark.parametrize(("silent", "take"), [((), []), (["net3"], []), (["net1"], ["net1"])])
def test_a_dead_one_that_nobody_replaces_loses_it_where_its_node_is_silent_too(silent, take):
    found = _rebuild.plan(exact("net2"), [GONE, TWO], [GONE, TWO], silent=silent)
    assert (found["first"], found["take"], found["stay"], found["then"]) == ([], take, ["net2"], [])


@pytest.mark.parametrize(("active", "hosting", "first", "take", "then"), [
    ("net2", [GONE, TWO], ["net2"], ["net1"], []), ("net1", [ONE], ["net1"], [], []), ("net1", [ONE, TWO], ["net1", "net2"], [], []),
])
def test_one_that_does_not_serve_where_it_is_active_is_made_anew_there(active, hosting, first, take, then):
    found = _rebuild.plan(exact(active), hosting, hosting, serves=False)
    assert (found["first"], found["take"], found["stay"], found["then"]) == (first, take, [], then)


def test_of_two_that_are_active_one_serves_while_the_other_is_made_anew():
    states = {"net1": "active", "net2": "active"}
    found = _rebuild.plan(_router.described(routed(), highly("net1"), known(), states), [ONE, TWO], [ONE, TWO])
    assert (found["first"], found["take"], found["then"]) == (["net2"], ["net1"], ["net1"])


@pytest.mark.parametrize(("hosting", "agents", "wanted", "take", "then"), [
    ([ONE], [ONE, TWO], None, ["net1"], ["net2"]), ([ONE], [ONE], None, ["net1"], ["net1"]), ([ONE], [ONE, TWO], "net1", ["net1"], ["net1"]),
    ([agent("net1", False)], [agent("net1", False), TWO, agent("net3", configurations={"routers": 1})], None, ["net1"], ["net3"]),
    ([], [TWO, ONE], None, [], ["net1"]),
])
def test_a_legacy_router_moves(hosting, agents, wanted, take, then):
    found = _rebuild.plan(exact("net1", False), hosting, agents, wanted)
    assert (found["first"], found["take"], found["then"]) == ([], take, then)


@pytest.mark.parametrize(("agents", "wanted", "zones", "code", "text"), [
    ([], None, (), "no_agent", "There is no L3 agent that could take the router web. The cloud has none. Nothing was touched."),
    ([agent("net1", False), agent("net2", admin_state_up=False)], None, (), "no_agent",
     "There is no L3 agent that could take the router web. net1: it is dead. net2: its admin state is down. Nothing was touched."),
    ([ONE, TWO], "net3", (), "not_found", "The cloud has no L3 agent net3. Did you mean net2 or net1?"),
    ([ONE, agent("net2", configurations={"agent_mode": "dvr"})], "net2", (), "bad_agent",
     "The L3 agent on net2 cannot take the router web: its mode is dvr. These can: net1. Nothing was touched."),
    ([agent("net1", availability_zone="east")], None, ["west"], "no_agent",
     "There is no L3 agent that could take the router web. net1: it is in the availability zone east. Nothing was touched."),
])
def test_no_agent_for_it(agents, wanted, zones, code, text):
    with pytest.raises(FaultlineError) as told:
        _rebuild.plan(exact("net1"), [ONE], agents, wanted, zones)
    assert (told.value.code, told.value.text) == (code, text)
