# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The orchestrator on Event-Driven Ansible, on the highly available lab: a network node dies, somebody debugs, two of them are at it, the cloud goes away."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
import types

import openstack
import pytest
from lab_nodes import wait_for
from lab_orchestrator import Orchestrator
from lab_pings import Pings, answers
from lab_ports import free_port
from patience import HANG

NAME = "test-orchestrated"
PERIOD = 5


@pytest.fixture
def orchestrator(lab, tmp_path):
    """orchestrator(name, **variables): one that runs until the test ends."""
    with contextlib.ExitStack() as running:
        def start(name="one", **variables):
            settings = {"state_dir": str(tmp_path / name / "state"), "patience": 5, "settle": 10, "backoff": 15, "owner": name}
            found = Orchestrator(
                tmp_path / name, free_port(), lab.folder / "os-faults.yaml", lab.folder / "clouds.yaml", cloud="faultline-lab", project=NAME, period=PERIOD,
                settings=settings, **variables)
            running.callback(found.stop)
            wait_for(lambda: found.report("router_health").get("looks"), pause=0.5)
            return found

        yield start


@pytest.fixture(scope="module")
def project(lab):
    found = lab.sdk.identity.create_project(name=NAME, domain_id="default")
    yield found
    lab.sdk.identity.delete_project(found)


@pytest.fixture(scope="module")
def places(lab, project):
    """Three routers of a project with a network each: highly available, and two that are not, which are on net1. The first has a server with a floating IP."""
    api, compute = lab.sdk.network, lab.sdk.compute
    external = api.find_network("external", ignore_missing=False)
    agents = {each.host: each for each in api.agents(agent_type="L3 agent")}
    with contextlib.ExitStack() as after:
        found = []
        for number, highly in enumerate((True, False, False)):
            network = api.create_network(name=f"{NAME}-{number}")
            after.callback(gone, api, network)
            subnet = api.create_subnet(network_id=network.id, name=NAME, ip_version=4, cidr=f"192.168.{90 + number}.0/24")
            router = api.create_router(name=f"{NAME}-{number}", project_id=project.id, is_ha=highly, external_gateway_info={"network_id": external.id})
            after.callback(api.delete_router, router)
            api.add_interface_to_router(router, subnet_id=subnet.id)
            after.callback(api.remove_interface_from_router, router, subnet_id=subnet.id)
            outside = api.get_router(router).external_gateway_info["external_fixed_ips"][0]["ip_address"]
            found.append(types.SimpleNamespace(router=router, network=network, outside=outside))
            if not highly:
                move(lab, router, "net1")
        group = api.create_security_group(name=NAME)
        after.callback(api.delete_security_group, group)
        api.create_security_group_rule(security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol="icmp")
        port = api.create_port(network_id=found[0].network.id, security_group_ids=[group.id])
        after.callback(api.delete_port, port)
        server = compute.create_server(
            name=NAME, image_id=lab.sdk.image.find_image("tiny").id, flavor_id=compute.find_flavor("tiny").id, networks=[{"port": port.id}])
        after.callback(compute.wait_for_delete, server, wait=HANG, interval=0.5)
        after.callback(compute.delete_server, server)
        address = api.create_ip(floating_network_id=external.id, port_id=port.id)
        after.callback(api.delete_ip, address)
        found[0].server = address.floating_ip_address
        compute.wait_for_server(server, wait=HANG, interval=0.5)
        assert set(agents) == {"net1", "net2"}
        yield found


def gone(api, network):
    for port in api.ports(network_id=network.id):
        if not (port.device_owner or "").startswith("network:"):
            api.delete_port(port)
    api.delete_network(network)


def agents_of(lab, router):
    """The nodes that have the router; None while an agent is just taken from it, for which Neutron answers 500 (its None has no `is_active`)."""
    try:
        return sorted(each.host for each in lab.sdk.network.routers_hosting_l3_agents(router))
    except openstack.exceptions.HttpException as exc:
        if exc.status_code != 500:
            raise
        return None


def move(lab, router, host):
    """Have a router that is not highly available on one node."""
    api = lab.sdk.network
    wait_for(lambda: agents_of(lab, router), pause=1)
    agents = {each.host: each for each in api.agents(agent_type="L3 agent")}
    before = agents_of(lab, router)
    for each in before:
        if each != host:
            api.remove_router_from_agent(agents[each], router)
    if host not in before:
        api.add_router_to_agent(agents[host], router)
    wait_for(lambda: agents_of(lab, router) == [host], pause=1)


def active(lab, router):
    """The node that has the address of a router's network."""
    held = [node.name for node in lab.kind("net") if re.search(
        r"^qr-\S+ .* 192\.168\.9", node.sh(f"ip netns exec qrouter-{router.id} ip -4 -brief address", check=False), re.MULTILINE)]
    return held[0] if len(held) == 1 else None


def alive(lab):
    return sorted(each.host for each in lab.sdk.network.agents(agent_type="L3 agent") if each.is_alive)


@pytest.fixture
def settled(lab, places):
    """All three serve: the highly available one active on net1, the others there too."""
    one, two, three = places
    wait_for(lambda: alive(lab) == ["net1", "net2"] and agents_of(lab, one.router) == ["net1", "net2"], pause=1)
    for each in (two, three):
        move(lab, each.router, "net1")
        lab.sdk.network.set_tags(each.router, [])
    lab.sdk.network.set_tags(one.router, [])
    node = lab.nodes["ctl1"]
    for address in (one.server, two.outside, three.outside):
        wait_for(lambda address=address: answers(node, address), pause=0.5)
    if active(lab, one.router) != "net1":
        # the one with the lower priority leaves for a moment
        api = lab.sdk.network
        (agent,) = api.agents(agent_type="L3 agent", host="net2")
        api.remove_router_from_agent(agent, one.router)
        wait_for(lambda: active(lab, one.router) == "net1", pause=1)
        api.add_router_to_agent(agent, one.router)
        wait_for(lambda: agents_of(lab, one.router) == ["net1", "net2"] and answers(node, one.server), pause=1)
    return places


@contextlib.contextmanager
def dead(lab, name):
    """A network node without power, as long as the context is; when it died."""
    container = lab.nodes[name].container
    died = time.time()
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    try:
        yield died
    finally:
        subprocess.run(["docker", "start", container], check=True, capture_output=True)
        wait_for(lambda: alive(lab) == ["net1", "net2"], pause=2)


def first(machine, **wanted):
    """When a machine did a step first."""
    return next((step["at"] for step in machine["history"] if all(step[name] == value for name, value in wanted.items())), None)


def moved(orchestrators, router):
    """When one of them has made a router anew first; None before."""
    return min((at for at in (first(each.machine(router), effect="move") for each in orchestrators) if at), default=None)


def told_by_next_look(found):
    """Fail where a look that began after now finds all well; how long the look took that did not, in seconds."""
    before = found.report("router_health")["looks"]

    def told():
        report = found.report("router_health")
        if report.get("degraded", 0) + report.get("down", 0):
            return report["took"]
        # the next one may have been under way
        assert report.get("error") or report.get("looks", 0) < before + 2, report
        return None

    return wait_for(told, pause=0.2)


def test_a_network_node_dies_and_two_orchestrators_mend_what_is_not_in_debug(lab, settled, orchestrator, capsys):
    one, two, three = settled
    node, api = lab.nodes["ctl1"], lab.sdk.network
    both = [orchestrator(name) for name in ("one", "two")]
    wait_for(lambda: all(each.machine(place.router).get("health") == "ok" for each in both for place in settled), pause=1)
    assert both[0].put(f"/router/debug/{three.router.id}?reason=its%20NAT%20%7B%7B%207*7%20%7D%7D")[0] == 200
    wait_for(lambda: all(each.machine(three.router)["state"] == "ignored" for each in both), pause=1)
    pings = {"server": Pings(node, one.server), "moved": Pings(node, two.outside), "in debug": Pings(node, three.outside)}
    with dead(lab, "net1") as died:
        told_by = [told_by_next_look(each) for each in both]
        wait_for(lambda: all(each.machine(place.router)["health"] != "ok" for each in both for place in settled), pause=0.5)
        seen = max(each.machine(place.router)["sick_since"] for each in both for place in (one, two)) - died
        wait_for(lambda: agents_of(lab, two.router) == ["net2"] and agents_of(lab, one.router) == ["net2"], pause=1)
        wait_for(lambda: answers(node, two.outside), pause=0.5)
        wait_for(lambda: moved(both, two.router), pause=1)
        # whatever is due by now would have been done twice by the next looks
        looks = [each.report("router_health")["looks"] for each in both]
        wait_for(lambda: all(each.report("router_health")["looks"] > before + 2 for each, before in zip(both, looks)), pause=1)
        rebuilt = {place.router.name: [len(each.machine(place.router)["rebuilds"]) for each in both] for place in settled}
        assert [sum(rebuilt[place.router.name]) for place in settled] == [1, 1, 0], (rebuilt, [each.machine(two.router) for each in both])
        # in debug nothing is done, and it is counted
        ignored = [each.machine(three.router) for each in both]
        assert {each["state"] for each in ignored} == {"ignored"} and all(each["ignored"]["count"] >= 2 for each in ignored)
        assert agents_of(lab, three.router) == ["net1"] and not answers(node, three.outside)
        assert "its NAT {{ 7*7 }}" in ignored[0]["why"]
        # back under management it is caught up with
        managed = time.time()
        assert both[1].put(f"/router/manage/{three.router.id}")[0] == 200
        wait_for(lambda: agents_of(lab, three.router) == ["net2"] and answers(node, three.outside), pause=0.5)
        wait_for(lambda: answers(node, one.server), pause=0.5)
        told = {name: each.outages() for name, each in pings.items()}
        # the last steps are written down when the walk is over
        moves = {place.router.name: wait_for(lambda place=place: moved(both, place.router), pause=0.5) for place in settled}
    # the node is back, and its agent gets the router as a standby again
    wait_for(lambda: agents_of(lab, one.router) == ["net1", "net2"], pause=1)
    wait_for(lambda: all(each.machine(one.router)["state"] == "alive" and each.machine(one.router)["health"] == "ok" for each in both), pause=1)
    tags = [tag for place in settled for tag in api.get_router(place.router).tags]
    assert [tag for tag in tags if "claim" in tag or "debug" in tag] == [] and len([tag for tag in tags if tag.startswith("faultline-rebuilt=")]) == 3
    lost = {name: round(sum(after - before for before, after in found), 1) for name, found in told.items()}
    assert len(told["server"]) >= 1 and len(told["moved"]) == 1 and told["in debug"][0][1] > managed
    assert lost["server"] < lost["moved"], "VRRP is faster than any orchestrator"
    with capsys.disabled():
        after = {name: round(at - died, 1) for name, at in moves.items()}
        print(f"\nnet1 died: seen after {seen:.1f} s, period {PERIOD} s, looks of {max(told_by)} s; rebuilt after {after} s; without an answer {lost} s")


def a_minute(found):
    """Wait for a minute, and for some looks."""
    looks, begun = found.report("router_health")["looks"], time.monotonic()
    wait_for(lambda: found.report("router_health")["looks"] > looks + 2 and time.monotonic() - begun > 60, pause=1)


def takes_commands(found, router):
    assert found.put(f"/router/update/{router.id}")[0] == 200
    wait_for(lambda: first(found.machine(router), event="update", effect="push"), pause=1)


def test_it_waits_for_an_api_that_is_away_and_goes_on(lab, settled, orchestrator):
    one = settled[0]
    found = orchestrator()
    wait_for(lambda: found.machine(one.router).get("health") == "ok", pause=1)
    for node in lab.kind("ctl"):
        node.sh("systemctl stop neutron-api")
    try:
        wait_for(lambda: found.report("router_health").get("error"), pause=1)
        assert found.put(f"/router/rebuild/{NAME}")[0] == 404, "a name is no id"
        a_minute(found)
        assert found.process.poll() is None and found.machine(one.router)["rebuilds"] == []
    finally:
        for node in lab.kind("ctl"):
            node.sh("systemctl start neutron-api")
    wait_for(lambda: found.report("router_health")["error"] is None, pause=1)
    wait_for(lambda: found.machine(one.router)["health"] == "ok", pause=1)
    assert found.log.count("the routers cannot be seen") == 1 and found.log.count("the routers are seen again") == 1
    takes_commands(found, one.router)


def test_it_rebuilds_nothing_because_the_message_queue_is_away(lab, settled, orchestrator):
    one = settled[0]
    found = orchestrator()
    wait_for(lambda: found.machine(one.router).get("health") == "ok", pause=1)
    for node in lab.kind("ctl"):
        node.sh("systemctl stop --no-block rabbitmq-server")
    try:
        # no agent can say that it is there
        wait_for(lambda: alive(lab) == [], pause=1)
        wait_for(lambda: found.machine(one.router)["health"] not in ("ok", None), pause=1)
        a_minute(found)
        # they serve all the time
        for address in (one.server, settled[1].outside, settled[2].outside):
            wait_for(lambda address=address: answers(lab.nodes["ctl1"], address))
    finally:
        for node in lab.kind("ctl"):
            node.sh("systemctl start --no-block rabbitmq-server")
        for node in lab.kind("ctl"):
            node.sh("systemctl start rabbitmq-server")
        wait_for(lambda: alive(lab) == ["net1", "net2"], pause=2)
    wait_for(lambda: all(found.machine(place.router)["health"] == "ok" for place in settled), pause=1)
    assert [found.machine(place.router)["rebuilds"] for place in settled] == [[], [], []]
    takes_commands(found, one.router)


def test_commands_over_http_are_done(lab, settled, orchestrator):
    two = settled[1]
    found = orchestrator()
    node = lab.nodes["ctl1"]
    status, told = found.put(f"/router/rebuild/{two.router.id}")
    assert status == 200 and told["queued"], told
    wait_for(lambda: agents_of(lab, two.router) == ["net2"] and answers(node, two.outside), pause=0.5)
    wait_for(lambda: found.machine(two.router)["state"] == "alive", pause=1)
    assert found.put(f"/tenant/debug/{lab.sdk.network.get_router(two.router).project_id}")[0] == 200
    wait_for(lambda: {found.machine(place.router)["state"] for place in settled} == {"ignored"}, pause=1)
    assert found.put(f"/tenant/manage/{lab.sdk.network.get_router(two.router).project_id}")[0] == 200
    wait_for(lambda: "ignored" not in {found.machine(place.router)["state"] for place in settled}, pause=1)
    assert found.put("/poll/")[0] == 200
    found.stop()
    assert found.process.returncode == 0
