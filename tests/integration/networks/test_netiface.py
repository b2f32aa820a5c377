# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_netiface on nodes of our own with a management and a storage network, seen from a peer."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest
import yaml
from lab_deadlines import kill, lasting, new_fault
from lab_names import subnet
from lab_nodes import JOURNAL, LONG, ROOT, wait_for
from lab_wires import cut_off, dropped, hit, queues, reaches, refused, say, wait_reached, wait_same
from patience import HANG, more_time
from warm_ansible import run_ansible


def everything(node, interface):
    """Addresses, routes of all tables and fixed neighbours of an interface, and the links that are ours, as ip(8) tells them."""
    told = node.sh(
        f"ip -o address show dev {interface}; ip route show table all; ip -6 route show table all; ip neigh show nud permanent; "
        "ip neigh show proxy; ip -6 neigh show proxy; ip nexthop; for link in eth0 eth1 up0 down0; do ip -o link show $link; done")
    return sorted(line.split(" valid_lft ")[0].split(": ", 1)[-1].strip() for line in told.splitlines())


# ---- disconnect and connect -----------------------------------------------------------------------------------------


@pytest.mark.gate
def test_disconnect_sets_the_link_down_until_connect(wire, peer):
    wait_reached(peer, wire.storage, "eth1")
    answer = hit(wire, "disconnect", network="storage", duration=LONG)
    assert answer["targets"][0]["interface"] == "eth1" and answer["targets"][0]["kind"] == "link"
    assert "state DOWN" in wire.sh("ip link show eth1")
    assert cut_off(peer, wire.storage, wire, answer, interface="eth1")
    # the other network is not touched
    wait_reached(peer, wire.address)
    connected = hit(wire, "connect", network="storage")
    assert connected["proof"]["undone"] == [answer["fault"]["id"]]
    wait_reached(peer, wire.storage, "eth1")
    assert hit(wire, "connect", network="storage")["changed"] is False


def here(text):
    """With what the lab's networks begin with, as 10.71, for STORAGE and MANAGEMENT."""
    return text.replace("STORAGE", subnet("storage").rsplit(".", 2)[0]).replace("MANAGEMENT", subnet("management").rsplit(".", 2)[0])


LOSES = """
ip -6 address add fd72::11/64 dev eth1 nodad
ip address add STORAGE.99.1/24 dev eth1 label eth1:x
ip route add 10.19.0.0/16 via STORAGE.0.12 dev eth1 metric 50 mtu 1400 advmss 1200
ip route add 10.18.0.0/16 via STORAGE.0.12 dev eth1 table 100 proto static
ip route add 10.17.0.0/16 nexthop via STORAGE.0.12 dev eth1 weight 3 nexthop via MANAGEMENT.0.12 dev eth0
ip route add 10.16.0.0/16 dev eth1 scope link src STORAGE.99.1
ip route add 10.15.0.0/16 via 10.16.0.5 dev eth1 onlink
ip -6 route add fd99::/64 via fd72::12 dev eth1 metric 77
ip -6 route add fd98::/64 via fe80::1 dev eth1 table 100
ip -6 route add fd97::/64 nexthop via fd72::12 dev eth1 weight 2 nexthop via fd72::13 dev eth1
ip nexthop add id 1 via STORAGE.0.12 dev eth1
ip nexthop add id 2 via MANAGEMENT.0.12 dev eth0
ip nexthop add id 3 group 1,4/2,2
ip nexthop add id 4 via fd72::12 dev eth1
ip nexthop add id 5 group 1
ip route add 10.13.0.0/16 nhid 1 metric 9
ip route add 10.12.0.0/16 nhid 3
ip route add 10.11.0.0/16 nhid 5 table 100
ip -6 route add fd96::/64 nhid 4
ip neigh add STORAGE.5.5 lladdr 02:00:00:00:00:05 nud permanent dev eth1
ip -6 neigh add fd72::5 lladdr 02:00:00:00:00:05 nud permanent dev eth1
ip neigh add proxy STORAGE.5.6 dev eth1
ip link add up0 link eth1 type macvlan mode bridge
ip address add 10.7.0.1/24 dev up0
ip link set up0 up
ip route add 10.14.0.0/16 via 10.7.0.9 dev up0
ip link add down0 link eth1 type macvlan mode bridge
"""
GIVES_UP = """
for id in 5 4 3 2 1; do ip nexthop del id $id; done
ip link del up0; ip link del down0; ip address del STORAGE.99.1/24 dev eth1; ip -6 address del fd72::11/64 dev eth1
ip neigh del proxy STORAGE.5.6 dev eth1; ip neigh del STORAGE.5.5 dev eth1; ip -6 neigh del fd72::5 dev eth1
ip -6 route flush table 100; for net in 10.19 10.18 10.17 10.16 10.15; do ip route del $net.0.0/16 2>/dev/null; done; ip route flush table 100
for net in fd99 fd97; do ip -6 route del $net::/64; done; true
"""


def test_a_link_gets_back_all_that_it_lost(wire):
    """Routes of all tables with all their attributes, several ways, nexthop objects, IPv6 addresses, fixed neighbours, what stands on it."""
    wire.sh(here(LOSES))
    try:
        wait_for(lambda: "tentative" not in wire.sh("ip -6 address"))
        before = everything(wire, "eth1")
        answer = hit(wire, "disconnect", interface="eth1", duration=LONG)
        during = everything(wire, "eth1")
        assert not [line for line in during if line.startswith(("10.19.", "10.18.", "10.13.", "10.11.", "fd9", "id 1 ", "id 4 ", "id 5 "))]
        # others change what is not ours meanwhile, and keep it
        wire.sh(here("ip nexthop add id 6 via MANAGEMENT.0.13 dev eth0; ip nexthop replace id 3 group 2,2/6"))
        wire.heal(answer)
        wait_for(lambda: "tentative" not in wire.sh("ip -6 address"))
        assert "id 3 group 1,4/2,2/6" in wire.sh("ip nexthop")
        wire.sh("ip nexthop del id 6")
        wait_same(lambda: everything(wire, "eth1"), before)
    finally:
        wire.sh(here(GIVES_UP))


def test_a_bridge_keeps_its_members(wire):
    wire.sh("ip link add br9 type bridge; ip link set eth1 master br9; ip link set br9 up")
    try:
        answer = hit(wire, "disconnect", interface="eth1", duration=LONG)
        wire.heal(answer)
        assert "master br9" in wire.sh("ip link show eth1")
        wait_for(lambda: "state forwarding" in wire.sh("bridge link show dev eth1"))
    finally:
        wire.sh("ip link set eth1 nomaster; ip link del br9")


@pytest.mark.gate
def test_isolate_drops_everything_both_ways_and_leaves_the_link_up(wire, peer):
    answer = hit(wire, "disconnect", network="storage", kind="isolate", duration=LONG)
    assert answer["proof"]["dropped_out"] > 0
    assert "state UP" in wire.sh("ip link show eth1")
    table = answer["proof"]["tables"][0]
    for node, address in ((peer, wire.storage), (wire, peer.storage)):
        node.sh("ip neigh flush dev eth1")
        assert cut_off(node, address, wire, answer, interface="eth1")
    # the peer has not even heard its ARP, nor IPv6 neighbour discovery
    assert "REACHABLE" not in peer.sh(f"ip neigh show {wire.storage} dev eth1")
    link_local = wire.sh("ip -6 -o address show dev eth1 scope link").split()[3].split("/")[0]
    assert cut_off(peer, f"{link_local}%eth1", wire, answer)
    wait_for(lambda: "counter packets 0 " not in wire.sh(f"nft list table {table}"))
    wire.heal(answer)
    # neighbours that were in vain asked for are found anew
    wait_reached(peer, f"{link_local}%eth1")
    wait_reached(peer, wire.storage, "eth1")


def test_what_already_flows_is_cut_too(wire, peer):
    peer.sh("setsid nc -l -k -p 7777 > /run/heard 2>/dev/null < /dev/null &")
    wait_for(lambda: peer.sh("ss -Hltn 'sport = :7777'"))
    wire.sh(f"setsid bash -c 'exec 3<>/dev/tcp/{peer.storage}/7777; while echo x >&3; do sleep 0.2; done' >/dev/null 2>&1 </dev/null & echo $! > /run/talker")
    try:
        wait_for(lambda: peer.sh("cat /run/heard"))
        answer = hit(wire, "disconnect", network="storage", kind="isolate", duration=LONG)

        def heard():
            return len(peer.sh("cat /run/heard"))

        def quiet():
            before = heard()
            assert cut_off(wire, peer.storage, wire, answer)
            return heard() == before

        # the last words before the cut may be written down late
        wait_for(quiet)
        last = heard()
        wire.heal(answer)
        wait_for(lambda: heard() > last)
    finally:
        wire.sh("pkill -s $(cat /run/talker); rm /run/talker", check=False)
        peer.sh("pkill -x nc; rm -f /run/heard", check=False)


@pytest.mark.parametrize("kind", ["link", "isolate"])
def test_two_disconnections_are_undone_in_both_orders(wire, peer, kind):
    for order in ((0, 1), (1, 0)):
        wire.sh(here("ip route replace 10.19.0.0/16 via STORAGE.0.12 dev eth1"))
        faults = [hit(wire, "disconnect", network="storage", kind=by, duration=LONG) for by in ("link", kind)]
        wire.heal(faults[order[0]])
        assert cut_off(peer, wire.storage, wire, faults[order[1]], interface="eth1"), "the first undo took the other fault away"
        wire.heal(faults[order[1]])
        wait_reached(peer, wire.storage, "eth1")
        assert here("10.19.0.0/16 via STORAGE.0.12") in wire.sh("ip route")
        wire.sh("ip route del 10.19.0.0/16")


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
    answer = hit(wire, "disconnect", "--check", "--diff", network="storage", duration=30)
    assert answer.diff == (["eth1 up"], ["eth1 disconnected (link down)"])
    assert answer["changed"] is True and answer["plan"] == ["set link eth1 down"]
    assert answer["undo"]["state"] == "planned" and "set link eth1 up" in answer["undo"]["steps"][0]
    assert wire.open_faults() == []


# ---- the way of Ansible itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "isolate"])
def test_the_management_interface_is_cut_after_the_answer_and_the_task_sees_it_healed(wire, peer, kind):
    runs = []

    def cut(seconds):
        for playing in runs:
            playing.communicate(timeout=HANG)
        known = wire.faults()
        args = {"action": "disconnect", "network": "management", "kind": kind, "duration": seconds, "wait_timeout": HANG}
        runs.append(subprocess.Popen(
            wire.command("os_netiface", args), cwd=ROOT, env=wire._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return new_fault(wire, known)

    seen, _record = lasting(wire.record, cut, lambda: cut_off(peer, wire.address, wire, *map(wire.record, wire.open_faults())))
    assert seen
    output = runs[-1].communicate(timeout=HANG)[0]
    assert runs[-1].returncode == 0, output
    assert '"state": "undone"' in output and '"held": true' in output and '"away":' in output
    wait_reached(peer, wire.address)


def test_a_host_that_does_not_come_back_is_an_error_that_says_so(wire):
    # somebody else keeps it away from before the fault's end until after the task's
    cut = f"grep -qsE '\"state\": ?\"injected\"' {JOURNAL}/open/*.json"
    keep_away = (f"(until {cut}; do sleep 0.1; done; nft add table netdev foreign;"
                 " nft 'add chain netdev foreign c { type filter hook ingress device eth0 priority 0; policy drop; }') >/dev/null 2>&1 & echo $!")
    wire.environment["ANSIBLE_TIMEOUT"] = "3"
    try:
        for seconds in more_time(4):
            looking = wire.sh(keep_away)
            answer = wire.call(
                "os_netiface", {"action": "disconnect", "network": "management", "kind": "isolate", "duration": seconds, "wait_timeout": 5})
            if answer.failed:
                break
            # it was over before it was noticed
            wire.sh(f"kill {looking}; nft delete table netdev foreign", check=False)
    finally:
        del wire.environment["ANSIBLE_TIMEOUT"]
        wire.sh(f"kill {looking}; nft delete table netdev foreign", check=False)
    assert answer.failed and answer["failure"]["code"] == "not_back", answer.output
    assert "has not come back healed" in answer["msg"] and answer["fault"]["id"] in answer["msg"]
    wire.wait_healed()


def test_the_controller_killed_while_its_way_is_cut_heals_at_the_deadline(wire, peer):
    def cut(seconds):
        playing, fault_id = wire.begin("os_netiface", {"action": "disconnect", "network": "management", "duration": seconds})
        kill(playing)
        return fault_id

    seen, record = lasting(wire.record, cut, lambda: cut_off(peer, wire.address, wire, *map(wire.record, wire.open_faults())))
    assert seen and record["state"] == "undone" and record["held"] is True
    wait_reached(peer, wire.address)


def test_reboot_in_the_middle_leaves_nothing_cut(wires, clean):
    node = wires[0]
    faults = [hit(node, "disconnect", network="storage", kind=kind, duration=900) for kind in ("isolate", "link")]
    node.restart(crash=True)
    node.wait_healed()
    for answer in faults:
        assert node.record(answer["fault"]["id"])["state"] == "undone"
    assert "state UP" in node.sh("ip link show eth1") and "faultline" not in node.sh("nft list tables")


# ---- partition ------------------------------------------------------------------------------------------------------


@pytest.mark.gate
def test_partition_drops_what_a_peer_says_and_hears_and_nothing_else(wire, peer, lab):
    answer = hit(wire, "partition", peers=["peer"], duration=LONG)
    assert sorted(target["interface"] for target in answer["targets"]) == ["eth0", "eth1"]
    assert cut_off(peer, wire.address, wire, answer) and cut_off(peer, wire.storage, wire, answer)
    wait_reached(wire, lab["ctl1"].address)
    wire.heal(answer)
    wait_reached(peer, wire.address)
    wait_reached(peer, wire.storage)


def test_nobody_is_cut_off_from_himself(wire, peer):
    answer = refused(wire, "partition", peers=[wire.address, wire.storage], duration=LONG)
    assert answer["failure"]["code"] == "bad_peer"
    answer = hit(wire, "partition", peers=["wire", "peer"], duration=LONG)
    assert cut_off(wire, peer.storage, wire, answer)
    wait_reached(wire, wire.storage)
    wait_reached(wire, wire.address)
    wire.heal(answer)


def test_partition_one_way(wire, peer):
    """What the peer says is not heard; what it is told, it hears."""
    peer.sh("nft -f - <<'X'\ntable netdev ear { chain c { type filter hook ingress device eth1 priority 0; policy accept; "
            f"ip saddr {wire.storage} icmp type echo-request counter; }}; }}\nX")
    try:
        wait_reached(wire, peer.storage)
        answer = hit(wire, "partition", peers=[peer.storage], direction="in", duration=LONG)
        heard = peer.sh("nft list table netdev ear")
        assert cut_off(wire, peer.storage, wire, answer)
        assert peer.sh("nft list table netdev ear") != heard
        wire.heal(answer)
        wait_reached(wire, peer.storage)
    finally:
        peer.sh("nft delete table netdev ear")


def test_a_partition_from_the_controller_leaves_ansible_its_way(wire, peer):
    """The peers are a network that the controller is in: everything of it is cut, but not the connection that carries us."""
    answer = hit(wire, "partition", peers=[subnet("management")], duration=LONG)
    assert "the way of Ansible" in answer["msg"] and answer["proof"]["passed"] > 0
    assert cut_off(peer, wire.address, wire, answer)
    controller = wire.sh("ss -Htn state established '( sport = :22 )' | awk '{print $4}' | head -1 | sed 's/:[0-9]*$//'")
    assert controller and cut_off(wire, controller, wire, answer)
    # a new connection too, with the neighbour forgotten
    wire.sh("ip neigh flush dev eth0")
    wire.environment["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=no -o ControlPath=none"
    try:
        wire.heal(answer)
    finally:
        del wire.environment["ANSIBLE_SSH_ARGS"]
    wait_reached(peer, wire.address)


def test_a_partition_may_include_the_way_of_ansible_for_a_while(wire, peer):
    refusal = refused(wire, "partition", peers=[subnet("management")], include_management=True)
    assert refusal["failure"]["code"] == "needs_duration"
    answer = hit(wire, "partition", peers=[subnet("management")], include_management=True, duration=3)
    assert answer["undo"]["state"] == "undone" and answer["away"] >= 3
    wait_reached(peer, wire.address)


def test_foreign_rules_stay_as_they_are(wire):
    wire.sh("nft -f - <<'X'\ntable inet firewall { chain c { type filter hook input priority 0; policy accept; tcp dport 9 counter drop; }; }\n"
            "table netdev guard { chain c { type filter hook ingress device eth1 priority 0; policy accept; }; }\nX\n"
            "iptables-legacy -A INPUT -p tcp --dport 99 -j DROP 2>/dev/null || true")
    try:
        before = wire.sh("nft -s list ruleset")
        answer = hit(wire, "disconnect", network="storage", kind="isolate", duration=LONG)
        wire.heal(answer)
        assert wire.sh("nft -s list ruleset") == before
    finally:
        wire.sh("nft delete table inet firewall; nft delete table netdev guard; iptables-legacy -D INPUT -p tcp --dport 99 -j DROP 2>/dev/null || true")


def test_rules_that_a_firewall_reload_wiped_away_are_told(wire):
    playing, fault_id = wire.begin("os_netiface", {"action": "disconnect", "network": "storage", "kind": "isolate", "duration": LONG, "wait": True})
    wire.sh(f"nft delete table {wire.record(fault_id)['proof']['tables'][0]}")
    wire.hit("os_fault_undo", {"id": fault_id})
    assert playing.wait(HANG) != 0
    assert wire.record(fault_id)["held"] is False and wire.record(fault_id)["state"] == "undone"


# ---- sentences ------------------------------------------------------------------------------------------------------


def test_a_sentence_makes_a_network_bad_and_waits_for_its_end(wire, peer):
    out = say(wire, "lose 50% of packets on storage network on wire node for 3 seconds", "-e", f"recovery_timeout={HANG}")
    assert "loss 50% for all packets going out of eth1" in out and "nothing left behind" in out
    assert "7fa1" not in queues(wire)


def test_a_sentence_cuts_the_management_network_and_the_play_goes_on(wire, peer):
    out = say(wire, "disconnect management network on wire node for 4 seconds")
    assert "eth0 disconnected (link down)" in out and "nothing left behind" in out
    wait_reached(peer, wire.address)


def test_a_sentence_parts_two_sides(wire, peer, clean):
    with clean(peer):
        for seconds in more_time(8):
            known = {node: node.faults() for node in (wire, peer)}
            playing = subprocess.Popen(
                ["ansible-playbook", "faultline.openstack.disrupt", "-i", wire.inventory, "-e",
                 json.dumps({"fault": f"partition wire node from all nodes for {seconds} seconds", "recovery_timeout": HANG})],
                cwd=ROOT, env=wire._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            faults = {node: new_fault(node, known[node]) for node in (wire, peer)}
            seen = reaches(peer, wire.storage), reaches(wire, peer.address)
            # either side may be the one that drops them
            lost = sum(dropped(node, node.record(fault)) for node, fault in faults.items() if fault in node.open_faults())
            in_time = all(node.record(fault)["state"] == "injected" for node, fault in faults.items())
            output = playing.communicate(timeout=HANG)[0]
            assert playing.returncode == 0, output
            if in_time:
                break
        assert in_time and seen == (0, 0) and lost > 0
        assert output.count("nothing left behind") >= 2
        wait_reached(peer, wire.storage)


def test_a_shape_is_cut_by_each_host_of_the_group(wires, clean):
    with clean(wires[0]), clean(wires[1]):
        done = run_ansible(
            ["ansible", "-i", wires[0].inventory, "all", "-m", "faultline.openstack.os_netiface", "-a",
             json.dumps({"action": "partition", "shape": "half", "duration": LONG})], **wires[0].environment)
        assert done.returncode == 0, done.stdout + done.stderr
        lost = [dropped(node, node.record(node.open_faults()[0])) for node in wires]
        assert reaches(wires[1], wires[0].storage) == 0
        assert [dropped(node, node.record(node.open_faults()[0])) for node in wires] != lost
        for node in wires:
            assert node.call("os_fault_undo", {"kind": "network"})["residue"] == []
        wait_reached(wires[1], wires[0].storage)


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
            record = wire.record(wire.open_faults()[0])
            lost = dropped(wire, record)
            assert peer.sh(heard, check=False) != "heard" and dropped(wire, record) > lost
            wait_reached(peer, wire.storage)
            wait_for(lambda: wire.sh(heard, check=False) == "heard")
            said("plug my-api service ingress from my-client service")
            assert wire.open_faults() == []
            wait_for(lambda: peer.sh(heard, check=False) == "heard")
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
        answer = hit(jumping, "partition", peers=[subnet("management")], duration=LONG)
        assert f"the way of Ansible ({peer.address} to our port 22) is exempt" in answer["msg"]
        assert cut_off(peer, wire.address, wire, answer) and cut_off(lab["ctl1"], wire.address, wire, answer)
        jumping.heal(answer)
        answer = hit(jumping, "disconnect", network="management", kind="isolate", duration=3)
        assert answer["undo"]["state"] == "undone" and answer["away"] >= 3
