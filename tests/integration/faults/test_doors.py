# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doors: each address, port, protocol and family at which a service listens, in its network namespace; what a proof compares, and when it is back."""

from __future__ import annotations

import concurrent.futures
import json
import re

import pytest
from lab_doors import SERVER, Place
from lab_nodes import LAB, LONG, wait_for
from patience import HANG


@pytest.fixture
def place(spare):
    spare.sh(SERVER)
    made = Place(spare)
    yield made
    made.clean()


@pytest.fixture(scope="module")
def rooms_node(make_node):
    """A node with the right to make network namespaces, as those of Neutron's agents."""
    recipe = json.loads((LAB / "node-run.json").read_text())
    return make_node("rooms", recipe={**recipe, "argv": recipe["argv_with_engines"]}, furnish=lambda node: node.sh(
        "ip netns add doors && ip -n doors link set lo up"))


@pytest.fixture
def rooms(rooms_node, clean):
    """A place with the network namespace doors."""
    with clean(rooms_node):
        rooms_node.sh(SERVER)
        made = Place(rooms_node)
        yield made
        made.clean()


def tables(node, inside=""):
    return re.findall(r"faultline_\w+", node.sh(f"{inside} nft list tables"))


def test_udp_bound_to_one_address_is_cut_through_its_very_door(place):
    node, where = place.node, ("udp", place.node.address, 15555)
    place.serve("doors-udp", *where, "pong")
    place.serve("doors-other", "udp", "127.0.0.1", 15555, "other")
    cut = node.fault("doors-udp", "unplug", duration=LONG)
    name, door = f"udp {node.address} 15555", f"udp {node.address}:15555"
    assert cut["targets"][0]["doors"] == [door]
    assert cut["proof"]["answers_before"] == {name: "answered"} and cut["proof"]["answers"] == {name: "no answer"}
    assert cut["proof"]["dropped_by_door"][door] > 0
    assert place.asked(*where) == "silent" and place.asked("udp", "127.0.0.1", 15555, patience=HANG) == "other"
    node.heal(cut)
    assert place.asked(*where, patience=HANG) == "pong" and not tables(node)
    back = node.fault("doors-udp", "kill", wait=True)["proof"]["came_back"]
    assert back["back"] is True and back["ports"] == ["udp 15555"] and back["answering_after"] >= back["listening_after"]


def test_a_port_on_which_nobody_listens_is_refused_and_the_true_one_is_named(place):
    node = place.node
    place.serve("doors-port", "tcp", "0.0.0.0", 18097, "yes")
    known = node.faults()
    for options in ((), ("--check",)):
        answer = node.refused("doors-port", "unplug", *options, port=["tcp", 35357], duration=8)
        assert answer["failure"]["code"] == "not_listening", answer.output
        assert "nothing listens on tcp 35357" in answer["msg"] and "tcp 0.0.0.0:18097" in answer["msg"]
    # nor is the port of somebody else cut for it
    other = node.refused("doors-port", "unplug", port=["tcp", 11211], duration=8)
    assert other["failure"]["code"] == "not_listening" and "memcached" in other["msg"]
    assert node.faults() == known and not tables(node) and place.asked("tcp", "127.0.0.1", 18097, patience=HANG) == "yes"
    # what it says as a client from a port has nobody who listens there
    client = node.fault("doors-port", "unplug", port=["tcp", 35357, "egress"], duration=LONG)
    assert client["proof"]["dropped_packets"] > 0
    node.heal(client)


def test_what_did_not_answer_before_is_never_proven_by_its_silence(place):
    node = place.node
    place.serve("doors-port", "tcp", "0.0.0.0", 18097, "yes")
    node.sh("nft add table inet theirs; nft 'add chain inet theirs in { type filter hook input priority -400; }'; "
            "nft add rule inet theirs in tcp dport 18097 drop")
    try:
        answer = node.refused("doors-port", "unplug", duration=LONG)
        assert answer["failure"]["code"] == "not_answering" and "tcp 0.0.0.0:18097 did not answer before" in answer["msg"], answer.output
        assert not tables(node) and node.open_faults() == []
    finally:
        node.sh("nft delete table inet theirs")


def test_only_the_family_that_the_service_listens_on_is_cut(place):
    node = place.node
    place.serve("doors-six", "tcp", "::", 7778, "six")
    place.serve("doors-four", "tcp", "0.0.0.0", 7778, "four")
    for unit, cut, other in (("doors-six", "::1", "127.0.0.1"), ("doors-four", "127.0.0.1", "::1")):
        word, others = unit.partition("-")[2], "four" if unit == "doors-six" else "six"
        answer = node.fault(unit, "unplug", duration=LONG)
        assert answer["proof"]["answers"] == {f"{cut} 7778": "no answer"}, answer.output
        assert place.asked("tcp", cut, 7778) == "silent" and place.asked("tcp", other, 7778, patience=HANG) == others
        node.heal(answer)
        assert place.asked("tcp", cut, 7778, patience=HANG) == word
    assert not tables(node)


def test_a_virtual_address_that_another_node_has_is_cut_and_not_asked(cloud):
    def vip(node):
        return re.search(r"inet (\S+)/32 scope global eth0", node.sh("ip -4 -o address show dev eth0"))

    address = wait_for(lambda: next(iter(filter(None, map(vip, cloud.values()))), None))[1]
    node = next(node for node in cloud.values() if not vip(node))
    own, other = f"{node.address} 8404", f"tcp {address}:5000"
    cut = node.fault("haproxy", "unplug", duration=LONG)
    # the other node goes on to answer there
    assert set(cut["proof"]["answers"]) == {own} and other in cut["proof"]["not_asked"] and other in cut["targets"][0]["doors"], cut.output
    node.heal(cut)
    frozen = node.fault("haproxy", "freeze", duration=LONG)
    assert set(frozen["proof"]["answers"]) == {own}
    node.heal(frozen)
    back = node.fault("haproxy", "kill", wait=True)["proof"]["came_back"]
    assert back["back"] is True and back["answering_after"] is not None and "tcp 5000" in back["ports"]
    refused = node.refused("haproxy", "unplug", port=5000, duration=LONG)
    assert refused["failure"]["code"] == "not_answering" and "does not have its address" in refused["msg"]


def test_a_server_in_a_network_namespace_is_cut_and_proven_there_and_nowhere_else(rooms):
    place, node, inside = rooms, rooms.node, "ip netns exec doors"
    place.serve("doors-here", "tcp", "0.0.0.0", 18080, "here")
    place.serve("doors-there", "tcp", "0.0.0.0", 18080, "there", inside=inside)
    killed = node.fault("doors-there", "kill", wait=True)
    back = killed["proof"]["came_back"]
    assert back["back"] is True and back["ports"] == ["tcp 18080"] and back["listening_after"] <= back["answering_after"] == back["after"]
    assert place.asked("tcp", "0.0.0.0", 18080, inside=inside, patience=HANG) == "there"

    cut = node.fault("doors-there", "unplug", duration=LONG)
    assert cut["targets"][0]["namespaces"] == ["doors"] and cut["proof"]["answers"] == {"127.0.0.1 18080, in doors": "no answer"}
    assert "in doors" in cut["undo"]["steps"][0]
    assert tables(node, inside) == [cut["proof"]["table"]] and not tables(node)
    assert place.asked("tcp", "0.0.0.0", 18080, inside=inside) == "silent"
    assert place.asked("tcp", "0.0.0.0", 18080, patience=HANG) == "here"
    # whoever was there first is gone when it is undone
    node.sh("systemctl stop doors-there")
    node.heal(cut)
    assert not tables(node, inside)
    place.serve("doors-there", "tcp", "0.0.0.0", 18080, "there", inside=inside)

    # by itself, at its deadline
    cut = node.fault("doors-there", "unplug", duration=2, wait=True)
    assert cut["undo"]["state"] == "undone" and cut["undo"]["held"] is True and not tables(node, inside)
    assert place.asked("tcp", "0.0.0.0", 18080, inside=inside, patience=HANG) == "there"


def test_what_a_loop_starts_again_in_a_network_namespace_is_seen_and_cut_there(rooms):
    node, inside = rooms.node, "ip netns exec doors"
    node.sh("printf '#!/bin/sh\\nwhile :; do ip netns exec doors \"$@\"; sleep 0.5; done\\n' > /root/loop && chmod +x /root/loop")
    options = {"driver": "process", "grep": "^/usr/bin/python3 /root/doors.py tcp 10.99.0.1 18086"}
    try:
        # an address that only the namespace has
        node.sh("ip -n doors address add 10.99.0.1/32 dev lo")
        rooms.serve("doors-loop", "tcp", "10.99.0.1", 18086, "loop", "/root/go", inside="/root/loop")
        node.sh("touch /root/go")
        wait_for(lambda: rooms.asked("tcp", "10.99.0.1", 18086, inside=inside) == "loop")
        old = node.sh("pgrep -f '^/usr/bin/python3 /root/doors.py tcp 10.99.0.1 18086'")
        back = node.fault("doors-loop", "kill", wait=True, **options)["proof"]["came_back"]
        assert back["back"] is True and back["answering_after"] >= back["listening_after"] > 0 and str(back["processes"][0]["pid"]) != old
        cut = node.fault("doors-loop", "unplug", duration=LONG, **options)
        assert cut["proof"]["answers_before"] == {"10.99.0.1 18086, in doors": "answered"}
        assert cut["proof"]["answers"] == {"10.99.0.1 18086, in doors": "no answer"} and not tables(node)
        assert rooms.asked("tcp", "10.99.0.1", 18086, inside=inside) == "silent"
        node.heal(cut)
        assert rooms.asked("tcp", "10.99.0.1", 18086, inside=inside, patience=HANG) == "loop" and not tables(node, inside)
    finally:
        node.sh("systemctl stop doors-loop; ip -n doors address del 10.99.0.1/32 dev lo; rm -f /root/loop", check=False)


def test_the_rules_in_a_namespace_that_is_gone_are_gone_with_it(rooms):
    place, node = rooms, rooms.node
    node.sh("printf '#!/bin/sh\\nip link set lo up\\nexec \"$@\"\\n' > /root/alone && chmod +x /root/alone; touch /root/go")
    try:
        place.serve("doors-alone", "tcp", "0.0.0.0", 18081, "alone", "/root/go", inside="/usr/bin/unshare -n /root/alone")
        (pid,) = wait_for(lambda: node.processes("doors-alone"))
        inside = f"nsenter -t {pid} -n"
        wait_for(lambda: place.asked("tcp", "0.0.0.0", 18081, inside=inside) == "alone")
        cut = node.fault("doors-alone", "unplug", duration=LONG)
        assert tables(node, inside) == [cut["proof"]["table"]] and not tables(node)
        node.sh("systemctl stop doors-alone")
        node.heal(cut)
        record = node.record(cut["fault"]["id"])
        assert record["state"] == "undone" and record["held"] is False
        (note,) = record["notes"]
        assert "is gone, and nftables table inet " + cut["proof"]["table"] in note
    finally:
        node.sh("rm -f /root/alone")


def test_a_freeze_that_leaves_somebody_who_answers_is_not_proven(place):
    node = place.node
    # systemd does not hear in every container that a control group has become empty
    place.serve("doors-lent", "lent", "0.0.0.0", 18082, "lent", options="-p TimeoutStopSec=2")
    pattern = "^/usr/bin/python3 /root/doors.py lent"
    (pid,) = node.sh(f"pgrep -f '{pattern}'").split()
    answer = node.refused("doors-lent", "freeze", duration=LONG, driver="process", grep=pattern)
    assert answer["failure"]["code"] == "unproven" and "it still answers at 127.0.0.1 18082, by python3[" in answer["msg"], answer.output
    assert node.states([pid])[int(pid)] != "T" and node.open_faults() == []
    # all of the unit is both
    frozen = node.fault("doors-lent", "freeze", duration=LONG)
    assert frozen["proof"]["answers_before"] == {"127.0.0.1 18082": "answered"} and frozen["proof"]["answers"] == {"127.0.0.1 18082": "connected"}
    assert place.asked("tcp", "0.0.0.0", 18082) == "silent"
    node.heal(frozen)
    assert place.asked("tcp", "0.0.0.0", 18082, patience=HANG) == "lent"


def test_the_rules_in_a_namespace_that_outlives_its_processes_are_found_there(rooms):
    """Somebody still has it open: what is in it is neither gone nor another namespace's."""
    place, node = rooms, rooms.node
    node.sh("printf '#!/bin/sh\\nip link set lo up\\nexec \"$@\"\\n' > /root/alone && chmod +x /root/alone; touch /root/go")
    try:
        place.serve("doors-alone", "tcp", "0.0.0.0", 18081, "alone", "/root/go", inside="/usr/bin/unshare -n /root/alone")
        (pid,) = wait_for(lambda: node.processes("doors-alone"))
        wait_for(lambda: place.asked("tcp", "0.0.0.0", 18081, inside=f"nsenter -t {pid} -n") == "alone")
        node.sh(f"systemd-run --quiet --unit=doors-keeper /bin/sh -c 'exec 3</proc/{pid}/ns/net; exec sleep 4321'")
        place.units.add("doors-keeper")
        keeper = node.processes("doors-keeper")[0]
        inside = f"nsenter --net={wait_for(lambda: node.sh(f'ls /proc/{keeper}/fd/3', check=False))}"
        cut = node.fault("doors-alone", "unplug", duration=LONG)
        node.sh("systemctl stop doors-alone")
        assert tables(node, inside) == [cut["proof"]["table"]]
        node.heal(cut)
        assert tables(node, inside) == [] and node.record(cut["fault"]["id"])["notes"] == []
    finally:
        node.sh("rm -f /root/alone")


def test_rules_in_a_named_namespace_that_lost_their_journal_are_found_and_healed(rooms):
    node = rooms.node
    inside = "ip netns exec doors"
    node.sh(f"{inside} nft add table inet faultline_unplug_deadbeef; {inside} nft add table inet theirs")
    told = ["nftables table inet faultline_unplug_deadbeef in the network namespace doors"]
    try:
        assert node.call("os_fault_info", {})["orphans"] == told
        undone = node.hit("os_fault_undo", {"all": True})
        assert undone["orphans"] == told and undone["changed"] is True
        assert node.call("os_fault_info", {})["orphans"] == []
        assert node.sh(f"{inside} nft list tables").split() == ["table", "inet", "theirs"]
    finally:
        node.sh(f"{inside} nft flush ruleset")


@pytest.mark.parametrize("action", ["kill", "restart"])
def test_back_is_when_it_answers_not_when_it_listens(place, action):
    node = place.node
    node.sh("touch /root/go")
    place.serve("doors-slow", "tcp", "0.0.0.0", 18083, "slow", "/root/go")
    wait_for(lambda: place.asked("tcp", "0.0.0.0", 18083) == "slow")
    old = node.processes("doors-slow")
    node.sh("rm /root/go")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(node.fault, "doors-slow", action, wait=True)
        wait_for(lambda: (new := node.processes("doors-slow")) and not set(old) & set(new))
        wait_for(lambda: node.sh("ss -Hltn 'sport = :18083'"))
        assert place.asked("tcp", "0.0.0.0", 18083) == "silent"
        answers = node.clock()
        node.sh("touch /root/go")
        hit = running.result()
    back, record = hit["proof"]["came_back"], node.record(hit["fault"]["id"])
    assert back["back"] is True and back["after"] == back["answering_after"] >= back["listening_after"]
    if back["answering_after"] - back["listening_after"] > 1:
        assert f"it listened after {back['listening_after']:.1f} s" in hit["msg"]
    # no sooner than a client had an answer
    assert record["injected"] + back["answering_after"] >= answers
    assert not set(old) & {process["pid"] for process in back["processes"]}


def test_the_same_port_of_somebody_else_is_not_the_service_s(place):
    node, started = place.node, ("tcp", "127.0.0.1", 18085, "mine")
    node.sh("touch /root/go; printf '#!/bin/sh\\nuntil test -e /root/go; do sleep 0.05; done\\n' > /root/hold && chmod +x /root/hold")
    try:
        place.serve("doors-mine", *started, options="-p ExecStartPre=/root/hold")
        place.serve("doors-theirs", "tcp", "127.0.0.9", 18085, "theirs")
        node.sh("rm /root/go")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(node.fault, "doors-mine", "kill", wait=True)
            wait_for(lambda: "start-pre" in node.sh("systemctl show -p SubState doors-mine"))
            assert place.asked("tcp", "127.0.0.9", 18085, patience=HANG) == "theirs"
            listens = node.clock()
            node.sh("touch /root/go")
            hit = running.result()
        back = hit["proof"]["came_back"]
        assert back["back"] is True and node.record(hit["fault"]["id"])["injected"] + back["listening_after"] >= listens
    finally:
        node.sh("touch /root/go; systemctl stop doors-mine; rm -f /root/hold")


def test_one_that_listens_again_and_never_answers_is_not_back(place):
    node = place.node
    node.sh("touch /root/go")
    place.serve("doors-slow", "tcp", "0.0.0.0", 18083, "slow", "/root/go")
    wait_for(lambda: place.asked("tcp", "0.0.0.0", 18083) == "slow")
    node.sh("rm /root/go")
    answer = node.refused("doors-slow", "kill", wait=True, recovery_timeout=5)
    assert answer["failure"]["code"] == "not_recovered", answer.output
    # a node that stands still may not even have begun to listen
    assert re.search("listening, but not answering at 127.0.0.1 18083 as before|not listening on tcp 18083", answer["msg"]), answer.output


def test_the_moments_of_a_slow_stop(place):
    node = place.node
    node.sh("printf '#!/bin/sh\\ndate +%%s.%%N > /root/stopping\\nsleep 1\\n' > /root/leave && chmod +x /root/leave")
    try:
        place.serve("doors-leave", "tcp", "0.0.0.0", 18084, "yes", options="-p ExecStop=/root/leave")
        hit = node.fault("doors-leave", "restart")
        record, stopping = node.record(hit["fault"]["id"]), float(node.sh("cat /root/stopping"))
        assert record["began"] <= stopping and stopping + 1 <= record["injected"] <= record["proven"]
        moments = [hit[moment] for moment in ("injecting_at", "injected_at", "proven_at")]
        assert moments == sorted(moments) and len(set(moments[:2])) == 2
        assert moments == [record[moment] for moment in ("injecting_at", "injected_at", "proven_at")]
    finally:
        # its stop needs it
        node.sh("systemctl stop doors-leave; rm -f /root/leave")
