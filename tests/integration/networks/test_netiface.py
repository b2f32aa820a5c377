# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_netiface on nodes of our own with a management and a storage network, seen from a peer."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess

import pytest
import yaml
from lab_nodes import JOURNAL, ROOT, wait_for
from lab_wires import hit, queues, reaches, refused, say
from warm_ansible import run_ansible


def everything(node, interface):
    """Addresses, routes of all tables and fixed neighbours of an interface, as ip(8) tells them."""
    told = node.sh(
        f"ip -o address show dev {interface}; ip route show table all; ip -6 route show table all; ip neigh show nud permanent; "
        "ip neigh show proxy; ip -6 neigh show proxy; ip nexthop; ip -o link")
    return sorted(line.split(" valid_lft ")[0].split(": ", 1)[-1].strip() for line in told.splitlines())


# ---- disconnect and connect -----------------------------------------------------------------------------------------


def test_disconnect_sets_the_link_down_until_connect(wire, peer):
    assert reaches(peer, wire.storage, interface="eth1") == 3
    answer = hit(wire, "disconnect", network="storage", duration=300)
    assert answer["targets"][0]["interface"] == "eth1" and answer["targets"][0]["kind"] == "link"
    assert "state DOWN" in wire.sh("ip link show eth1")
    assert reaches(peer, wire.storage, interface="eth1") == 0
    # the other network is not touched
    assert reaches(peer, wire.address) == 3
    connected = hit(wire, "connect", network="storage")
    assert connected["proof"]["undone"] == [answer["fault"]["id"]]
    assert wait_for(lambda: reaches(peer, wire.storage, interface="eth1") == 3)
    assert hit(wire, "connect", network="storage")["changed"] is False


LOSES = """
ip -6 address add fd72::11/64 dev eth1 nodad
ip address add 10.72.99.1/24 dev eth1 label eth1:x
ip route add 10.99.0.0/16 via 10.72.0.12 dev eth1 metric 50 mtu 1400 advmss 1200
ip route add 10.98.0.0/16 via 10.72.0.12 dev eth1 table 100 proto static
ip route add 10.97.0.0/16 nexthop via 10.72.0.12 dev eth1 weight 3 nexthop via 10.71.0.12 dev eth0
ip route add 10.96.0.0/16 dev eth1 scope link src 10.72.99.1
ip route add 10.95.0.0/16 via 10.96.0.5 dev eth1 onlink
ip -6 route add fd99::/64 via fd72::12 dev eth1 metric 77
ip -6 route add fd98::/64 via fe80::1 dev eth1 table 100
ip -6 route add fd97::/64 nexthop via fd72::12 dev eth1 weight 2 nexthop via fd72::13 dev eth1
ip nexthop add id 1 via 10.72.0.12 dev eth1
ip nexthop add id 2 via 10.71.0.12 dev eth0
ip nexthop add id 3 group 1,4/2,2
ip nexthop add id 4 via fd72::12 dev eth1
ip nexthop add id 5 group 1
ip route add 10.93.0.0/16 nhid 1 metric 9
ip route add 10.92.0.0/16 nhid 3
ip route add 10.91.0.0/16 nhid 5 table 100
ip -6 route add fd96::/64 nhid 4
ip neigh add 10.72.5.5 lladdr 02:00:00:00:00:05 nud permanent dev eth1
ip -6 neigh add fd72::5 lladdr 02:00:00:00:00:05 nud permanent dev eth1
ip neigh add proxy 10.72.5.6 dev eth1
ip link add up0 link eth1 type macvlan mode bridge
ip address add 10.77.0.1/24 dev up0
ip link set up0 up
ip route add 10.94.0.0/16 via 10.77.0.9 dev up0
ip link add down0 link eth1 type macvlan mode bridge
"""
GIVES_UP = """
for id in 5 4 3 2 1; do ip nexthop del id $id; done
ip link del up0; ip link del down0; ip address del 10.72.99.1/24 dev eth1; ip -6 address del fd72::11/64 dev eth1
ip neigh del proxy 10.72.5.6 dev eth1; ip neigh del 10.72.5.5 dev eth1; ip -6 neigh del fd72::5 dev eth1
ip -6 route flush table 100; for net in 10.99 10.98 10.97 10.96 10.95; do ip route del $net.0.0/16 2>/dev/null; done; ip route flush table 100
for net in fd99 fd97; do ip -6 route del $net::/64; done; true
"""


def test_a_link_gets_back_all_that_it_lost(wire):
    """Routes of all tables with all their attributes, several ways, nexthop objects, IPv6 addresses, fixed neighbours, what stands on it."""
    wire.sh(LOSES)
    try:
        wait_for(lambda: "tentative" not in wire.sh("ip -6 address"))
        before = everything(wire, "eth1")
        answer = hit(wire, "disconnect", interface="eth1", duration=300)
        during = everything(wire, "eth1")
        assert not [line for line in during if line.startswith(("10.99.", "10.98.", "10.93.", "10.91.", "fd9", "id 1 ", "id 4 ", "id 5 "))]
        # others change what is not ours meanwhile, and keep it
        wire.sh("ip nexthop add id 6 via 10.71.0.13 dev eth0; ip nexthop replace id 3 group 2,2/6")
        wire.heal(answer)
        wait_for(lambda: "tentative" not in wire.sh("ip -6 address"))
        assert "id 3 group 1,4/2,2/6" in wire.sh("ip nexthop")
        wire.sh("ip nexthop del id 6")
        assert everything(wire, "eth1") == before
    finally:
        wire.sh(GIVES_UP)


def test_a_bridge_keeps_its_members(wire):
    wire.sh("ip link add br9 type bridge; ip link set eth1 master br9; ip link set br9 up")
    try:
        answer = hit(wire, "disconnect", interface="eth1", duration=300)
        wire.heal(answer)
        assert "master br9" in wire.sh("ip link show eth1")
        wait_for(lambda: "state forwarding" in wire.sh("bridge link show dev eth1"))
    finally:
        wire.sh("ip link set eth1 nomaster; ip link del br9")


def test_isolate_drops_everything_both_ways_and_leaves_the_link_up(wire, peer):
    answer = hit(wire, "disconnect", network="storage", kind="isolate", duration=300)
    assert answer["proof"]["dropped_out"] > 0
    assert "state UP" in wire.sh("ip link show eth1")
    table = answer["proof"]["tables"][0]
    for node, address, family in ((peer, wire.storage, ""), (wire, peer.storage, "")):
        node.sh(f"ip neigh flush dev eth1 {family}")
        assert reaches(node, address, interface="eth1") == 0
    # the peer has not even heard its ARP, nor IPv6 neighbour discovery
    assert "REACHABLE" not in peer.sh(f"ip neigh show {wire.storage} dev eth1")
    link_local = wire.sh("ip -6 -o address show dev eth1 scope link").split()[3].split("/")[0]
    assert reaches(peer, f"{link_local}%eth1") == 0
    rules = wire.sh(f"nft list table {table}")
    assert rules.count("counter packets 0 ") == 0, rules
    wire.heal(answer)
    # neighbours that were in vain asked for are found anew
    assert wait_for(lambda: reaches(peer, f"{link_local}%eth1") == 3)
    assert wait_for(lambda: reaches(peer, wire.storage, interface="eth1") == 3)


def test_what_already_flows_is_cut_too(wire, peer):
    peer.sh("setsid nc -l -k -p 7777 > /run/heard 2>/dev/null < /dev/null &")
    wire.sh(f"setsid bash -c 'exec 3<>/dev/tcp/{peer.storage}/7777; while echo x >&3; do sleep 0.2; done' >/dev/null 2>&1 </dev/null & echo $! > /run/talker")
    try:
        wait_for(lambda: peer.sh("cat /run/heard"))
        answer = hit(wire, "disconnect", network="storage", kind="isolate", duration=300)
        heard = len(peer.sh("cat /run/heard"))
        assert reaches(wire, peer.storage) == 0
        assert len(peer.sh("cat /run/heard")) == heard
        wire.heal(answer)
        wait_for(lambda: len(peer.sh("cat /run/heard")) > heard)
    finally:
        wire.sh("pkill -s $(cat /run/talker); rm /run/talker", check=False)
        peer.sh("pkill -x nc; rm -f /run/heard", check=False)


@pytest.mark.parametrize("kind", ["link", "isolate"])
def test_two_disconnections_are_undone_in_both_orders(wire, peer, kind):
    for order in ((0, 1), (1, 0)):
        wire.sh("ip route replace 10.99.0.0/16 via 10.72.0.12 dev eth1")
        faults = [hit(wire, "disconnect", network="storage", kind=by, duration=300) for by in ("link", kind)]
        wire.heal(faults[order[0]])
        assert reaches(peer, wire.storage, interface="eth1") == 0, "the first undo took the other fault away"
        wire.heal(faults[order[1]])
        assert wait_for(lambda: reaches(peer, wire.storage, interface="eth1") == 3)
        assert "10.99.0.0/16 via 10.72.0.12" in wire.sh("ip route")
        wire.sh("ip route del 10.99.0.0/16")


def test_a_link_that_somebody_else_has_set_down_is_not_ours_to_hit(wire):
    wire.sh("ip link set eth1 down")
    try:
        answer = refused(wire, "disconnect", interface="eth1", duration=5)
        assert answer["failure"]["code"] == "already_down"
        assert hit(wire, "connect", interface="eth1")["changed"] is True
        assert "state UP" in wire.sh("ip link show eth1")
    finally:
        wire.sh("ip link set eth1 up")


def test_what_cannot_be_is_refused_and_nothing_is_touched(wire):
    for args, code in (
        ({"interface": "eth7"}, "no_interface"), ({"network": "nowhere"}, "unknown_network"), ({"interface": "lo"}, "guarded"),
        ({"network": "management"}, "needs_duration"), ({"network": "storage", "cidr": "nonsense"}, "bad_network"),
    ):
        answer = refused(wire, "disconnect", **args)
        assert answer["failure"]["code"] == code, answer.output
    assert "eth1" in refused(wire, "disconnect", interface="eth7")["failure"]["hint"]


def test_check_mode_tells_the_plan(wire):
    answer = hit(wire, "disconnect", "--check", network="storage", duration=30)
    assert answer["changed"] is True and answer["plan"] == ["set link eth1 down"]
    assert answer["undo"]["state"] == "planned" and "set link eth1 up" in answer["undo"]["steps"][0]
    assert wire.open_faults() == []


# ---- the way of Ansible itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "isolate"])
def test_the_management_interface_is_cut_after_the_answer_and_the_task_sees_it_healed(wire, peer, kind):
    playing = subprocess.Popen(
        wire.command("os_netiface", {"action": "disconnect", "network": "management", "kind": kind, "duration": 6}),
        cwd=ROOT, env=wire._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    wait_for(lambda: wire.open_faults() and wire.record(wire.open_faults()[0])["state"] == "injected")
    assert reaches(peer, wire.address) == 0
    output = playing.communicate(timeout=120)[0]
    assert playing.returncode == 0, output
    assert '"state": "undone"' in output and '"held": true' in output and '"away":' in output
    assert reaches(peer, wire.address) == 3


def test_a_host_that_does_not_come_back_is_an_error_that_says_so(wire):
    # somebody else keeps it away for longer than the fault
    cut = f"grep -qsE '\"state\": ?\"injected\"' {JOURNAL}/open/*.json"
    wire.sh(f"(for look in $(seq 600); do {cut} && break; sleep 0.1; done; nft add table netdev foreign;"
            " nft 'add chain netdev foreign c { type filter hook ingress device eth0 priority 0; policy drop; }';"
            " sleep 22; nft delete table netdev foreign) >/dev/null 2>&1 &")
    wire.environment["ANSIBLE_TIMEOUT"] = "3"
    try:
        answer = wire.call("os_netiface", {"action": "disconnect", "network": "management", "kind": "isolate", "duration": 4, "wait_timeout": 5})
    finally:
        del wire.environment["ANSIBLE_TIMEOUT"]
    assert answer.failed and answer["failure"]["code"] == "not_back", answer.output
    assert "has not come back healed" in answer["msg"] and answer["fault"]["id"] in answer["msg"]
    wait_for(lambda: "foreign" not in wire.sh("nft list tables"))


def test_the_controller_killed_while_its_way_is_cut_heals_at_the_deadline(wire, peer):
    playing = wire.start("os_netiface", {"action": "disconnect", "network": "management", "duration": 8})
    wait_for(lambda: wire.open_faults() and wire.record(wire.open_faults()[0])["state"] == "injected")
    fault_id = wire.open_faults()[0]
    os.killpg(playing.pid, signal.SIGKILL)
    playing.wait()
    assert reaches(peer, wire.address) == 0
    wire.wait_healed()
    assert wire.record(fault_id)["state"] == "undone" and wire.record(fault_id)["held"] is True
    assert reaches(peer, wire.address) == 3


def test_reboot_in_the_middle_leaves_nothing_cut(wires, clean):
    node = wires[0]
    faults = [hit(node, "disconnect", network="storage", kind=kind, duration=900) for kind in ("isolate", "link")]
    subprocess.run(["docker", "kill", node.container], check=True, capture_output=True)
    subprocess.run(["docker", "start", node.container], check=True, capture_output=True)
    wait_for(lambda: node.sh("systemctl is-system-running", check=False) in ("running", "degraded"))
    node.wait_healed()
    for answer in faults:
        assert node.record(answer["fault"]["id"])["state"] == "undone"
    assert "state UP" in node.sh("ip link show eth1") and "faultline" not in node.sh("nft list tables")


# ---- partition ------------------------------------------------------------------------------------------------------


def test_partition_drops_what_a_peer_says_and_hears_and_nothing_else(wire, peer, lab):
    answer = hit(wire, "partition", peers=["peer"], duration=300)
    assert sorted(target["interface"] for target in answer["targets"]) == ["eth0", "eth1"]
    assert reaches(peer, wire.address) == 0 and reaches(peer, wire.storage) == 0
    assert reaches(wire, lab["ctl1"].address) == 3
    wire.heal(answer)
    assert wait_for(lambda: reaches(peer, wire.address) == 3 and reaches(peer, wire.storage) == 3)


def test_nobody_is_cut_off_from_himself(wire, peer):
    answer = refused(wire, "partition", peers=[wire.address, wire.storage], duration=30)
    assert answer["failure"]["code"] == "bad_peer"
    answer = hit(wire, "partition", peers=["wire", "peer"], duration=300)
    assert reaches(wire, peer.storage) == 0 and reaches(wire, wire.storage) == 3 and reaches(wire, wire.address) == 3
    wire.heal(answer)


def test_partition_one_way(wire, peer):
    """What the peer says is not heard; what it is told, it hears."""
    peer.sh("nft -f - <<'X'\ntable netdev ear { chain c { type filter hook ingress device eth1 priority 0; policy accept; "
            f"ip saddr {wire.storage} icmp type echo-request counter; }}; }}\nX")
    try:
        assert reaches(wire, peer.storage) == 3
        answer = hit(wire, "partition", peers=[peer.storage], direction="in", duration=300)
        assert reaches(wire, peer.storage) == 0
        assert "counter packets 6 " in peer.sh("nft list table netdev ear")
        wire.heal(answer)
        assert wait_for(lambda: reaches(wire, peer.storage) == 3)
    finally:
        peer.sh("nft delete table netdev ear")


def test_a_partition_from_the_controller_leaves_ansible_its_way(wire, peer):
    """The peers are a network that the controller is in: everything of it is cut, but not the connection that carries us."""
    answer = hit(wire, "partition", peers=["10.71.0.0/16"], duration=300)
    assert "the way of Ansible" in answer["msg"] and answer["proof"]["passed"] > 0
    assert reaches(peer, wire.address) == 0
    controller = wire.sh("ss -Htn state established '( sport = :22 )' | awk '{print $4}' | head -1 | sed 's/:[0-9]*$//'")
    assert controller and reaches(wire, controller) == 0
    # a new connection too, with the neighbour forgotten
    wire.sh("ip neigh flush dev eth0")
    wire.environment["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=no -o ControlPath=none"
    try:
        wire.heal(answer)
    finally:
        del wire.environment["ANSIBLE_SSH_ARGS"]
    assert wait_for(lambda: reaches(peer, wire.address) == 3)


def test_a_partition_may_include_the_way_of_ansible_for_a_while(wire, peer):
    refusal = refused(wire, "partition", peers=["10.71.0.0/16"], include_management=True)
    assert refusal["failure"]["code"] == "needs_duration"
    answer = hit(wire, "partition", peers=["10.71.0.0/16"], include_management=True, duration=3)
    assert answer["undo"]["state"] == "undone" and answer["away"] >= 3
    assert reaches(peer, wire.address) == 3


def test_foreign_rules_stay_as_they_are(wire):
    wire.sh("nft -f - <<'X'\ntable inet firewall { chain c { type filter hook input priority 0; policy accept; tcp dport 9 counter drop; }; }\n"
            "table netdev guard { chain c { type filter hook ingress device eth1 priority 0; policy accept; }; }\nX\n"
            "iptables-legacy -A INPUT -p tcp --dport 99 -j DROP 2>/dev/null || true")
    try:
        before = wire.sh("nft -s list ruleset")
        answer = hit(wire, "disconnect", network="storage", kind="isolate", duration=300)
        wire.heal(answer)
        assert wire.sh("nft -s list ruleset") == before
    finally:
        wire.sh("nft delete table inet firewall; nft delete table netdev guard; iptables-legacy -D INPUT -p tcp --dport 99 -j DROP 2>/dev/null || true")


def test_rules_that_a_firewall_reload_wiped_away_are_told(wire):
    playing = wire.start("os_netiface", {"action": "disconnect", "network": "storage", "kind": "isolate", "duration": 5, "wait": True})
    fault_id = wait_for(wire.open_faults)[0]
    wait_for(lambda: wire.record(fault_id)["proof"])
    wire.sh(f"nft delete table {wire.record(fault_id)['proof']['tables'][0]}")
    assert playing.wait(60) != 0
    assert wire.record(fault_id)["held"] is False and wire.record(fault_id)["state"] == "undone"


# ---- sentences ------------------------------------------------------------------------------------------------------


def test_a_sentence_makes_a_network_bad_and_waits_for_its_end(wire, peer):
    out = say(wire, "lose 50% of packets on storage network on wire node for 3 seconds", "-e", "recovery_timeout=40")
    assert "loss 50% for all packets going out of eth1" in out and "nothing left behind" in out
    assert "7fa1" not in queues(wire)


def test_a_sentence_cuts_the_management_network_and_the_play_goes_on(wire, peer):
    out = say(wire, "disconnect management network on wire node for 4 seconds")
    assert "eth0 disconnected (link down)" in out and "nothing left behind" in out
    assert reaches(peer, wire.address) == 3


def test_a_sentence_parts_two_sides(wire, peer, clean):
    with clean(peer):
        playing = subprocess.Popen(
            ["ansible-playbook", "faultline.openstack.disrupt", "-i", wire.inventory, "-e",
             json.dumps({"fault": "partition wire node from all nodes for 8 seconds"})],
            cwd=ROOT, env=wire._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        wait_for(lambda: all(node.open_faults() and node.record(node.open_faults()[0])["proof"] for node in (wire, peer)))
        assert reaches(peer, wire.storage) == 0 and reaches(wire, peer.address) == 0
        output = playing.communicate(timeout=120)[0]
        assert playing.returncode == 0, output
        assert output.count("nothing left behind") >= 2
        assert wait_for(lambda: reaches(peer, wire.storage) == 3)


def test_a_shape_is_cut_by_each_host_of_the_group(wires, clean):
    with clean(wires[0]), clean(wires[1]):
        done = run_ansible(
            ["ansible", "-i", wires[0].inventory, "all", "-m", "faultline.openstack.os_netiface", "-a",
             json.dumps({"action": "partition", "shape": "half", "duration": 300})], **wires[0].environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert reaches(wires[1], wires[0].storage) == 0
        for node in wires:
            assert node.call("os_fault_undo", {"kind": "network"})["residue"] == []
        assert wait_for(lambda: reaches(wires[1], wires[0].storage) == 3)


def test_two_services_do_not_hear_each_other_until_plug(wires, clean, tmp_path):
    """unplug A service ingress from B service: who calls A from B's host is not heard; others are."""
    wire, peer = wires
    inventory = yaml.safe_load(pathlib.Path(wire.inventory).read_text())
    inventory["all"]["hosts"]["wire"]["faultline_services"] = {"my-api": {"driver": "process", "grep": "x", "port": ["tcp", 11211]}}
    inventory["all"]["hosts"]["peer"]["faultline_services"] = {"my-client": {"driver": "process", "grep": "x"}}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    heard = f"timeout 1 bash -c 'exec 3<>/dev/tcp/{wire.storage}/11211' && echo heard"

    def said(sentence):
        done = run_ansible(
            ["ansible-playbook", "faultline.openstack.disrupt", "-i", str(tmp_path / "inventory.yml"), "-e", json.dumps({"fault": sentence})],
            **wire.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with clean(wire):
        wire.sh("setsid python3 -c 'import socket; s = socket.create_server((\"\", 11211)); [s.accept() for _ in range(99)]' "
                ">/dev/null 2>&1 </dev/null & echo $! > /run/api")
        try:
            wait_for(lambda: peer.sh(heard, check=False) == "heard")
            out = said("unplug my-api service ingress from my-client service")
            assert "my-api ingress from my-client" in out
            assert peer.sh(heard, check=False) != "heard" and reaches(peer, wire.storage) == 3
            assert wire.sh(heard, check=False) == "heard"
            said("plug my-api service ingress from my-client service")
            assert peer.sh(heard, check=False) == "heard" and wire.open_faults() == []
        finally:
            wire.sh("kill $(cat /run/api); rm /run/api")


def test_behind_a_jump_host_the_way_of_ansible_is_that_of_the_jump_host(wires, clean, tmp_path, lab):
    """The target sees the jump host as its peer: that is what must pass, and what is cut only for a while."""
    wire, peer = wires
    inventory = yaml.safe_load(pathlib.Path(wire.inventory).read_text())
    host = inventory["all"]["hosts"]["wire"]
    jump = inventory["all"]["hosts"]["peer"]
    ssh = f"ssh -i {jump['ansible_ssh_private_key_file']} {jump['ansible_ssh_common_args']} -W %h:%p root@{peer.address}"
    host["ansible_ssh_common_args"] += f" -o ControlPath=none -o ProxyCommand='{ssh}'"
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    jumping = type(wire)(wire.name, wire.container, tmp_path / "inventory.yml", wire.address)
    with clean(wire):
        answer = hit(jumping, "partition", peers=["10.71.0.0/16"], duration=300)
        assert f"the way of Ansible ({peer.address} to our port 22) is exempt" in answer["msg"]
        assert reaches(peer, wire.address) == 0 and reaches(lab["ctl1"], wire.address) == 0
        jumping.heal(answer)
        answer = hit(jumping, "disconnect", network="management", kind="isolate", duration=3)
        assert answer["undo"]["state"] == "undone" and answer["away"] >= 3
