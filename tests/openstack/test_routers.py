# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_router_info, os_router and router_browse with highly available routers on two network nodes, seen from the nodes and by pings from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time

import pytest
from lab_nodes import ROOT, Answer, wait_for
from lab_pings import Pings, answers
from patience import HANG

NAME = "test-routers"


@pytest.fixture
def environment(lab):
    return {**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.folder / "clouds.yaml"), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}


@pytest.fixture
def ask(environment):
    """ask(module, *options, **arguments): an ad-hoc call on the controller, as a user types it; its Answer."""

    def call(module, *options, **arguments):
        done = subprocess.run(
            ["ansible", "localhost", "-m", f"faultline.openstack.{module}", "-a", json.dumps({"cloud": "faultline-lab", **arguments}), *options], cwd=ROOT,
            env=environment, capture_output=True, text=True, timeout=2 * HANG, check=False)
        assert " => {" in done.stdout, done.stdout + done.stderr
        return Answer(json.loads(done.stdout[done.stdout.index(" => {") + 4:]), done.returncode, done.stdout + done.stderr)

    return call


@pytest.fixture
def hit(ask):
    """As ask, for what has to succeed."""

    def call(module, *options, **arguments):
        answer = ask(module, *options, **arguments)
        assert not answer.failed, answer.output
        return answer

    return call


@pytest.fixture(scope="module")
def made(private_network):
    with private_network(NAME, "192.168.79.0/24") as found:
        yield found


@pytest.fixture(scope="module")
def served(lab, made):
    """The floating IP of a server behind the router."""
    api, compute = lab.sdk.network, lab.sdk.compute
    group = api.create_security_group(name=NAME)
    api.create_security_group_rule(security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol="icmp")
    port = api.create_port(network_id=made.network.id, security_group_ids=[group.id])
    server = compute.create_server(
        name=NAME, image_id=lab.sdk.image.find_image("tiny").id, flavor_id=compute.find_flavor("tiny").id, networks=[{"port": port.id}])
    address = api.create_ip(floating_network_id=api.find_network("external").id, port_id=port.id)
    try:
        compute.wait_for_server(server, wait=HANG, interval=0.5)
        yield address.floating_ip_address
    finally:
        api.delete_ip(address)
        compute.delete_server(server)
        compute.wait_for_delete(server, wait=HANG, interval=0.5)
        api.delete_port(port)
        api.delete_security_group(group)


@pytest.fixture
def pinged(lab, served, web):
    """The floating IP, which answers."""
    wait_for(lambda: answers(lab.nodes["ctl1"], served), pause=0.5)
    return served


@pytest.fixture
def web(lab, made, hit):
    """A router with a gateway and an interface, without marks, active on one node and standby on the other."""
    router = made.router
    lab.sdk.network.set_tags(router, [])

    def settled():
        (found,) = hit("os_router_info", router=[router.id])["routers"]
        # after an agent has begun anew Neutron knows for a while what was before
        primary = [node.name for node in lab.kind("net") if node.sh(f"cat /var/lib/neutron/ha_confs/{router.id}/state", check=False) == "primary"]
        return found["health"] == "ok" and primary == [found["active"]] == holders(lab, router)

    wait_for(settled, pause=1)
    return router


def inside(node, router, command, check=False):
    return node.sh(f"ip netns exec qrouter-{router.id} {command}", check=check)


def address(lab, router):
    return lab.sdk.network.get_router(router).external_gateway_info["external_fixed_ips"][0]["ip_address"]


def holders(lab, router):
    """The nodes that have the router's address on the external network."""
    wanted = f"inet {address(lab, router)}/"
    return [node.name for node in lab.kind("net") if wanted in inside(node, router, "ip -4 address")]


def holder(lab, router):
    """The only one of them; None where there is none, or several."""
    found = holders(lab, router)
    return found[0] if len(found) == 1 else None


def namespaces(lab, router):
    """{node: what tells its namespace from one that is made anew}."""
    # numbers are used again
    return {node.name: node.sh(f"stat -c '%i %z' /run/netns/qrouter-{router.id}", check=False) for node in lab.kind("net")}


def tags(lab, router):
    return sorted(lab.sdk.network.get_router(router).tags)


# ---- browse and poll


def test_a_router_is_told_as_its_nodes_have_it(lab, web, hit):
    (found,) = hit("os_router_info", router=[web.name])["routers"]
    assert (found["id"], found["name"], found["status"], found["ha"], found["health"], found["debug"]) == (web.id, NAME, "ACTIVE", True, "ok", None)
    assert found["active"] == holder(lab, web) and found["project_name"] == "admin" and 0 < found["age"]
    assert sorted((each["host"], each["alive"]) for each in found["agents"]) == [("net1", True), ("net2", True)]
    assert sorted(each["state"] for each in found["agents"]) == ["active", "standby"]
    assert found["gateway"]["addresses"] == [address(lab, web)] and found["gateway"]["network"] == "external"
    assert found["gateway"]["next_hops"] == [lab.names.address("0.1", "external")]
    (interface,) = found["interfaces"]
    assert (interface["address"], interface["cidr"], interface["network"]) == ("192.168.79.1", "192.168.79.0/24", NAME)
    polled = hit("os_router", action="poll", router=[web.id[:8]])
    assert not polled["changed"] and polled["health"] == "ok" and polled["routers"][0]["active"] == found["active"]


def test_browse_prints_a_line_for_each(lab, web, run):
    output = run(
        "ansible-playbook", "faultline.openstack.router_browse", "-e", json.dumps({"router_cloud": "faultline-lab", "router_which": web.name}),
        OS_CLIENT_CONFIG_FILE=str(lab.folder / "clouds.yaml"))
    assert "1 router: 1 ok" in output and re.search(r"router +project +status +health +agents +gateway", output)
    assert re.search(rf"{NAME} +admin +ACTIVE +ok +net1\*? net2\*? +{re.escape(address(lab, web))} +192\.168\.79\.1", output)


def test_a_dead_agent_is_told(lab, web, hit):
    standby = next(node for node in lab.kind("net") if node.name != holder(lab, web))
    standby.sh("systemctl stop neutron-l3-agent")
    try:
        told = wait_for(lambda: (polled := hit("os_router", action="poll", router=[web.id]))["health"] != "ok" and polled, pause=2)
        assert told["routers"][0]["reason"] == f"the L3 agent on {standby.name} is dead" and told["health"] == "degraded"
    finally:
        standby.sh("systemctl start neutron-l3-agent")
    wait_for(lambda: hit("os_router", action="poll", router=[web.id])["health"] == "ok", pause=2)


@pytest.mark.parametrize(("options", "text"), [
    ({"router": ["test-ruoters"]}, "The cloud has no router test-ruoters. Did you mean test-routers?"),
    ({"project": "amdin"}, "The cloud has no project amdin. Did you mean admin?"),
])
def test_what_is_not_known_is_told(web, ask, options, text):
    told = ask("os_router_info", **options)
    assert told.failed and told["failure"]["code"] == "not_found" and told["msg"].startswith(text)


# ---- rebuild and update


def ha_ports(lab, router):
    return {each.id for each in lab.sdk.network.ports(device_id=router.id, device_owner="network:router_ha_interface")}


def test_a_rebuild_under_ping_makes_it_anew_and_tells_the_downtime(lab, web, pinged, hit):
    before, active, ports = namespaces(lab, web), holder(lab, web), ha_ports(lab, web)
    pings = Pings(lab.nodes["ctl1"], pinged)
    told = hit("os_router", action="rebuild", router=[web.id], ping=pinged)
    longest, with_stops = pings.longest()
    (done,) = told["rebuilds"]
    print(f"rebuilt in {done['seconds']} s, down {done['downtime']} s for Neutron, {done['pinged']}, {longest:.1f} s for ping; {done['steps']}")
    assert told["changed"] and (done["was"], done["health"], done["after"]) == ("ok", "ok", ["net1", "net2"]) and done["active"] != active
    assert holder(lab, web) == done["active"]
    after = namespaces(lab, web)
    assert all(after[node] and after[node] != before[node] for node in before) and not ports & ha_ports(lab, web)
    # what it tells is what a ping beside it has seen
    assert longest - 1 <= done["pinged"]["longest"] <= with_stops + 1 and done["pinged"]["answers"]
    assert f"{pinged} did not answer for {done['pinged']['downtime']:g} s" in told["msg"]
    # Neutron learns of it later than the traffic, which stands still for less
    assert longest <= done["downtime"] + 1
    assert [each.partition("=")[0] for each in tags(lab, web)] == ["faultline-rebuilt"]
    (found,) = hit("os_router_info", router=[web.id])["routers"]
    assert tags(lab, web) == [f"faultline-rebuilt={found['rebuilt']}"]


def test_a_rebuild_on_an_agent_that_is_named(lab, web, hit, ask):
    wanted = next(node.name for node in lab.kind("net") if node.name != holder(lab, web))
    planned = hit("os_router", "--check", action="rebuild", router=[web.id], agent=wanted)
    assert planned["rebuilds"][0]["after"][0] == wanted and tags(lab, web) == []
    told = hit("os_router", action="rebuild", router=[web.id], agent=wanted)
    assert told["rebuilds"][0]["active"] == wanted and told["rebuilds"][0]["after"] == ["net1", "net2"]
    wait_for(lambda: holder(lab, web) == wanted, pause=0.5)
    refused = ask("os_router", action="rebuild", router=[web.id], agent="net3")
    assert refused.failed and refused["msg"].startswith("The cloud has no L3 agent net3. Did you mean net")


@contextlib.contextmanager
def agents_dead(lab, *nodes, frozen=False):
    """Agents that Neutron takes for dead, while their nodes live; they live again afterwards. Those that are frozen leave their keepaliveds running."""
    for node in nodes:
        node.sh("pkill -STOP -f -- '[n]eutron-l3-agent'" if frozen else "systemctl stop neutron-l3-agent")
    names = {node.name for node in nodes}

    def alive():
        return {each.host for each in lab.sdk.network.agents(binary="neutron-l3-agent") if each.is_alive}

    try:
        wait_for(lambda: not names & alive(), pause=1)
        yield
    finally:
        for node in nodes:
            node.sh("pkill -CONT -f -- '[n]eutron-l3-agent'" if frozen else "systemctl start neutron-l3-agent")
        wait_for(lambda: names <= alive(), pause=1)


def test_the_only_live_agent_that_serves_keeps_it(lab, web, pinged, hit):
    active = lab.nodes[holder(lab, web)]
    (standby,) = [node for node in lab.kind("net") if node is not active]
    before, pings = namespaces(lab, web)[active.name], Pings(lab.nodes["ctl1"], pinged)
    with agents_dead(lab, standby, frozen=True):
        (done,) = hit("os_router", action="rebuild", router=[web.id], ping=pinged)["rebuilds"]
        print(done)
        assert (done["was"], done["after"], done["active"], done["health"]) == ("degraded", ["net1", "net2"], active.name, "degraded")
        assert [each["what"] for each in done["steps"]] == [f"left on {active.name}, which is to configure it again"]
        # nothing tells that a keepalived does not take over; one that hears nobody does after 3 advertisements, 6 seconds
        time.sleep(10)
        assert holders(lab, web) == [active.name]
    wait_for(lambda: hit("os_router", action="poll", router=[web.id])["health"] == "ok", pause=1)
    longest, _with_stops = pings.longest()
    print(f"{longest:.1f} s without an answer")
    assert longest < 2 and namespaces(lab, web)[active.name] == before and holders(lab, web) == [active.name]


def test_one_that_a_single_agent_serves_gets_another_and_goes_on_where_it_is(lab, web, pinged, hit):
    active = lab.nodes[holder(lab, web)]
    (standby,) = [node for node in lab.kind("net") if node is not active]
    (agent,) = lab.sdk.network.agents(binary="neutron-l3-agent", host=standby.name)
    lab.sdk.network.remove_router_from_agent(agent, web)
    # a keepalived that is on its way out may take over once more
    wait_for(lambda: not namespaces(lab, web)[standby.name] and holder(lab, web) == active.name, pause=0.5)
    wait_for(lambda: hit("os_router_info", router=[web.id])["routers"][0]["active"] == active.name, pause=1)
    before, pings = namespaces(lab, web)[active.name], Pings(lab.nodes["ctl1"], pinged)
    (done,) = hit("os_router", action="rebuild", router=["error"], ping=pinged)["rebuilds"]
    print(done)
    assert [each["what"] for each in done["steps"]] == [
        f"given to the L3 agent on {standby.name}", f"left on {active.name}, which is to configure it again"]
    assert (done["was"], done["after"], done["active"], done["health"]) == ("degraded", ["net1", "net2"], active.name, "ok")
    longest, _with_stops = pings.longest()
    print(f"{longest:.1f} s without an answer")
    assert longest < 2 and namespaces(lab, web)[active.name] == before and holders(lab, web) == [active.name]


def test_one_that_goes_on_where_the_agent_is_dead_is_told_and_goes_on(lab, web, pinged, ask, hit):
    """Its keepalived lives and hears nobody: no API takes the router from there."""
    active = lab.nodes[holder(lab, web)]
    (standby,) = [node for node in lab.kind("net") if node is not active]
    pings = Pings(lab.nodes["ctl1"], pinged)
    with agents_dead(lab, active, frozen=True):
        refused = ask("os_router", action="rebuild", router=[web.id], timeout=20)
        print(refused["msg"])
        assert refused.failed and refused["failure"]["code"] == "timeout" and f"until it is active on {standby.name}" in refused["msg"]
        assert refused["msg"].endswith(
            f"It was given back to {standby.name}. On {active.name}, whose agent is dead, keepalived may go on with it until the agent lives again.")
        assert pings.longest()[0] < 2
    # it learns that the router is not its own any more
    wait_for(lambda: holders(lab, web) == [standby.name], pause=0.5)
    wait_for(lambda: hit("os_router", action="poll", router=[web.id])["routers"][0]["active"] == standby.name, pause=1)
    assert hit("os_router", action="rebuild", router=["error"], ping=pinged)["rebuilds"][0]["after"] == ["net1", "net2"]


def test_one_that_its_only_agent_does_not_serve_is_made_anew_there(lab, web, pinged, hit, made):
    active = lab.nodes[holder(lab, web)]
    (standby,) = [node for node in lab.kind("net") if node is not active]
    with agents_dead(lab, standby):
        before = namespaces(lab, web)[active.name]
        inside(active, web, "bash -c 'for each in /sys/class/net/q*; do ip address flush dev ${each##*/}; done'", check=True)
        (found,) = hit("os_router_info", router=[web.id])["routers"]
        assert found["health"] == "degraded" and found["active"] == active.name
        addresses = [address(lab, web), "192.168.79.1"]
        probed = active.hit("os_router_probe", {"routers": [{"id": web.id, "ha": True, "addresses": addresses}]})
        given = [{"host": active.name, "routers": probed["routers"]}, {"host": standby.name, "error": "it is dead"}]
        told = hit("os_router", action="poll", router=[web.id], probed=given)
        print(told["msg"])
        (done,) = hit("os_router", action="rebuild", router=[web.id], probed=given, ping=pinged)["rebuilds"]
        print(done)
        assert done["was"] == told["health"] and done["after"] == [active.name] and done["pinged"]["answers"]
        assert namespaces(lab, web)[active.name] != before
    wait_for(lambda: hit("os_router", action="rebuild", router=[web.id])["health"] == "ok", pause=2)


def test_without_a_live_agent_nothing_is_touched(lab, web, hit, ask):
    before = namespaces(lab, web)
    with agents_dead(lab, *lab.kind("net")):
        refused = ask("os_router", action="rebuild", router=[web.id])
        assert refused.failed and refused["failure"]["code"] == "no_agent"
        assert refused["msg"] == (
            "There is no L3 agent that could take the router test-routers. net1: it is dead. net2: it is dead. Nothing was touched.")
        assert hit("os_router", action="poll", router=[web.id])["routers"][0]["reason"] == "the L3 agents on net1, net2 are dead"
    assert namespaces(lab, web) == before


def test_an_agent_that_does_not_take_it_leaves_it_with_the_one_that_serves(lab, web, pinged, ask, hit):
    active = lab.nodes[holder(lab, web)]
    (standby,) = [node for node in lab.kind("net") if node is not active]
    before, pings = namespaces(lab, web)[active.name], Pings(lab.nodes["ctl1"], pinged)
    # it lives, as far as Neutron knows
    standby.sh("pkill -STOP -f -- '[n]eutron-l3-agent'")
    try:
        refused = ask("os_router", action="rebuild", router=[web.id], timeout=8)
    finally:
        standby.sh("pkill -CONT -f -- '[n]eutron-l3-agent'")
    print(refused["msg"])
    assert refused.failed and refused["failure"]["code"] == "timeout"
    assert f"waited 8 seconds in vain until the L3 agent on {standby.name} has it" in refused["msg"]
    assert refused["msg"].endswith(f"It was given back to {' and '.join(sorted([active.name, standby.name]))}.")
    # the keepalived of the other one hears nobody and may have taken over for a moment, after which Neutron has the ports on the wrong node
    assert pings.longest()[0] < 2 and namespaces(lab, web)[active.name] == before and tags(lab, web) == []
    assert hit("os_router", action="rebuild", router=[web.id], ping=pinged)["health"] == "ok"


def test_an_api_that_goes_in_the_middle_of_a_rebuild_is_waited_for(lab, web, pinged, environment, hit):
    (standby,) = [node for node in lab.kind("net") if node.name != holder(lab, web)]
    before = namespaces(lab, web)
    given = json.dumps({"cloud": "faultline-lab", "action": "rebuild", "router": [web.id], "ping": pinged})
    with subprocess.Popen(
            ["ansible", "localhost", "-m", "faultline.openstack.os_router", "-a", given], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as run:
        try:
            wait_for(lambda: namespaces(lab, web)[standby.name] != before[standby.name])
            for node in lab.kind("ctl"):
                node.sh("systemctl stop neutron-api")
            # what is tried is this outage
            time.sleep(6)
        finally:
            for node in lab.kind("ctl"):
                node.sh("systemctl start neutron-api")
        output = run.communicate(timeout=2 * HANG)[0]
    assert run.returncode == 0, output
    (done,) = json.loads(output[output.index(" => {") + 4:])["rebuilds"]
    print(done)
    assert done["health"] == "ok" and done["after"] == ["net1", "net2"] and done["pinged"]["answers"]
    assert hit("os_router", action="poll", router=[web.id])["health"] == "ok"


def handled(lab, router):
    return {
        node.name: int(node.sh(f"grep -c 'Finished a router update for {router.id}' /var/log/neutron/neutron-l3-agent.log", check=False) or 0)
        for node in lab.kind("net")}


def test_an_update_reaches_the_agents_and_mends_the_firewall(lab, web, pinged, hit):
    before, same, active = handled(lab, web), namespaces(lab, web), lab.nodes[holder(lab, web)]

    def translated():
        # a ping would be answered by the router itself
        return f"-d {pinged}/32" in inside(active, web, "iptables -t nat -S", check=True)

    assert translated()
    inside(active, web, "iptables -t nat -F", check=True)
    assert not translated()
    told = hit("os_router", action="update", router=[web.id])
    assert told["updates"] == [{"id": web.id, "name": NAME, "agents": ["net1", "net2"], "dead": []}]
    wait_for(lambda: all(count > before[node] for node, count in handled(lab, web).items()), pause=0.5)
    wait_for(translated, pause=0.5)
    assert namespaces(lab, web) == same and lab.sdk.network.get_router(web).description == ""


def test_what_an_update_does_not_mend_a_rebuild_does(lab, web, pinged, hit):
    """An agent does not look at the addresses that it gave to keepalived."""
    before, active = handled(lab, web), lab.nodes[holder(lab, web)]
    inside(active, web, "bash -c 'for each in /sys/class/net/qg-*; do ip address flush dev ${each##*/}; done'", check=True)
    hit("os_router", action="update", router=[web.id])
    wait_for(lambda: all(count > before[node] for node, count in handled(lab, web).items()), pause=0.5)
    assert holder(lab, web) is None
    wait_for(lambda: not answers(lab.nodes["ctl1"], pinged))
    (done,) = hit("os_router", action="rebuild", router=[web.id], ping=pinged)["rebuilds"]
    assert done["pinged"]["answers"] and holder(lab, web) == done["active"]


# ---- debug and manage


def test_a_router_in_debug_is_left_alone_until_it_is_managed(lab, web, hit, ask):
    lab.sdk.network.set_tags(web, ["theirs"])
    told = hit("os_router", action="debug", router=[web.name], reason="its NAT, 50%: Grüße/später")
    assert told["changed"] and told["routers"][0]["debug"] == {"by": "router", "reason": "its NAT, 50%: Grüße/später"}
    assert "faultline-debug" in tags(lab, web) and "theirs" in tags(lab, web) and len(tags(lab, web)) == 3
    assert not hit("os_router", action="debug", router=[web.name])["changed"]
    made = namespaces(lab, web)
    for action in ("rebuild", "update"):
        refused = ask("os_router", action=action, router=[web.id])
        assert refused.failed and refused["failure"]["code"] == "in_debug"
        assert refused["msg"].startswith("The router test-routers is in debug: its NAT, 50%: Grüße/später. Automation leaves it alone.")
        left = hit("os_router", action=action, router=["error"], project="admin")
        assert left["routers"] == [] and not left["changed"]
    assert namespaces(lab, web) == made
    assert hit("os_router", action="update", router=[web.id], force=True)["changed"]
    assert [each["name"] for each in hit("os_router_info", debug=True)["routers"]] == [NAME]
    told = hit("os_router", action="manage", router=[web.id])
    assert told["changed"] and told["health"] == "ok" and told["msg"] == "now under management: test-routers"
    assert tags(lab, web) == ["theirs"] and not hit("os_router", action="manage", router=[web.id])["changed"]


@contextlib.contextmanager
def unmarked(hit, **scope):
    try:
        yield
    finally:
        hit("os_router", action="manage", **scope)


@pytest.mark.parametrize(("scope", "by", "whose"), [
    ({"project": "admin"}, "project", "The project admin of the router test-routers is"), ({"all": True}, "global", "All routers, test-routers too, are"),
])
def test_a_project_or_everything_in_debug(lab, web, hit, ask, scope, by, whose):
    with unmarked(hit, **scope):
        assert hit("os_router", action="debug", reason="migration", **scope)["changed"]
        assert not hit("os_router", action="debug", **scope)["changed"]
        # one that comes later is meant as well
        later = lab.sdk.network.create_router(name="test-later", ha=False)
        try:
            assert {each["debug"]["by"] for each in hit("os_router_info", router=[NAME, "test-later"])["routers"]} == {by}
        finally:
            lab.sdk.network.delete_router(later)
        refused = ask("os_router", action="update", router=[web.id])
        assert refused.failed and refused["msg"].startswith(f"{whose} in debug: migration.") and tags(lab, web) == []
    (found,) = hit("os_router_info", router=[web.id])["routers"]
    assert found["debug"] is None
    project = lab.sdk.identity.get_project(lab.sdk.current_project_id)
    assert [tag for tag in project.tags if tag.startswith("faultline")] == []
