# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_netiface where packets are lost, late or few, as far as that needs no netem, seen from a peer."""

from __future__ import annotations

import subprocess

import pytest
from lab_nodes import LONG, wait_for
from lab_wires import cut_off, dropped, hit, queues, reaches, refused, wait_reached, wait_same
from patience import HANG


def lost(node, address, count=400):
    """Per cent of pings that are not answered."""
    return 100 - 100 * reaches_fast(node, address, count) / count


def reaches_fast(node, address, count):
    out = node.sh(f"ping -n -q -i 0.005 -W 1 -c {count} {address}", check=False)
    return int(out.split(" received")[0].split()[-1])


def seconds_to_send(node, address, size):
    """How long a peer takes to get so many bytes over TCP."""
    # the sender's own queue is not the wire: it is the receiver who tells the time
    return float(node.sh(f"""python3 - <<'X'
import socket, time
channel = socket.create_connection(("{address}", 7778), timeout=300)
begin = time.monotonic()
left = {size}
while left > 0:
    left -= channel.send(b"x" * min(left, 16384))
channel.shutdown(socket.SHUT_WR)
channel.recv(1)
print(time.monotonic() - begin)
X"""))


def wait_fast(node, address, size):
    """Until a peer gets so many bytes at 6 Mbit/s and more; a limit of 4 never lets them through as fast."""
    wait_for(lambda: seconds_to_send(node, address, size) < 8 * size / 6e6)


def heard(node, address, port):
    """Whether somebody accepts a connection within a second."""
    return node.sh(f"timeout 1 bash -c 'exec 3<>/dev/tcp/{address}/{port}' && echo heard", check=False) == "heard"


def unheard(asker, address, port, node, fault):
    """Whether nobody does, because of a fault that drops it on a node."""
    before = dropped(node, fault)
    return not heard(asker, address, port) and dropped(node, fault) > before


LISTENER = """cat > /run/sink.py <<'X'
import socket
server = socket.create_server(("0.0.0.0", 7778))
while True:
    channel, _peer = server.accept()
    while channel.recv(65536):
        pass
    channel.close()
X
setsid python3 /run/sink.py >/dev/null 2>&1 </dev/null &"""


@pytest.fixture(scope="module")
def sink(wires):
    """Both nodes swallow what they are sent on port 7778."""
    for node in wires:
        node.sh(LISTENER)
        wait_for(lambda node=node: node.sh("ss -Hltn 'sport = :7778'"))
    yield
    for node in wires:
        node.sh("pkill -f '^python3 /run/sink.py'; rm -f /run/sink.py", check=False)


@pytest.mark.gate
def test_loss_loses_as_many_as_it_says(wire, peer):
    answer = hit(wire, "loss", network="storage", loss="30%", duration=LONG)
    assert answer["proof"]["means"]["loss"] in ("netem", "cls_bpf") and answer["proof"]["met"] > 0
    before = dropped(wire, answer)
    # what goes out is hit, what comes in is not: 400 pings, four standard deviations; others get lost where the machine stands still
    assert 20 < lost(peer, wire.storage)
    assert 80 < dropped(wire, answer) - before < 160
    wire.heal(answer)
    wait_for(lambda: lost(peer, wire.storage, 50) == 0)
    assert "7fa1" not in queues(wire)


def test_a_sender_does_not_notice_that_its_packets_are_lost(wire, peer):
    """As on the wire: no error of the socket, which tc's or nftables' own drops would give."""
    answer = hit(wire, "loss", network="storage", loss="100%", duration=LONG)
    out = wire.sh(f"ping -n -i 0.2 -W 1 -c 3 {peer.storage} 2>&1", check=False)
    assert "100% packet loss" in out and "No buffer space" not in out and "not permitted" not in out
    wire.heal(answer)


def test_rate_limits_what_goes_out_and_not_what_comes_in(wire, peer, sink):
    answer = hit(wire, "rate", network="storage", rate="4mbit", duration=LONG)
    # a megabyte takes 2 seconds
    assert seconds_to_send(wire, peer.storage, 1000000) > 1.5
    wait_fast(peer, wire.storage, 1000000)
    wire.heal(answer)
    wait_fast(wire, peer.storage, 1000000)


@pytest.mark.gate
def test_rate_limits_what_comes_in_by_a_detour_of_our_own(wire, peer, sink):
    answer = hit(wire, "rate", network="storage", rate="4mbit", direction="in", duration=LONG)
    assert seconds_to_send(peer, wire.storage, 1000000) > 1.35
    wait_fast(wire, peer.storage, 1000000)
    assert "flt-" in queues(wire)
    wire.heal(answer)
    assert "flt-" not in queues(wire) and "ingress" not in queues(wire)


def test_a_filter_hits_only_what_it_names(wire, peer, sink, lab):
    answer = hit(wire, "loss", network="storage", loss="100%", protocol="tcp", port=[7778], direction="both", duration=LONG)
    assert unheard(wire, peer.storage, 7778, wire, answer) and unheard(peer, wire.storage, 7778, wire, answer)
    wait_for(lambda: heard(wire, peer.storage, 22))
    wait_reached(peer, wire.storage)
    wire.heal(answer)
    answer = hit(wire, "loss", interface="eth1", loss="100%", peers=["peer"], duration=LONG)
    assert cut_off(wire, peer.storage, wire, answer)
    # another one in the same network
    wait_reached(wire, ".".join([*wire.storage.split(".")[:2], *lab["ctl1"].address.split(".")[2:]]))
    wire.heal(answer)
    wait_for(lambda: heard(wire, peer.storage, 7778))


def test_a_filter_works_on_ipv6_too(wire, peer):
    wire.sh("ip -6 address add fd72::21/64 dev eth1 nodad")
    peer.sh("ip -6 address add fd72::22/64 dev eth1 nodad")
    try:
        wait_reached(peer, "fd72::21")
        for args in ({"action": "loss", "loss": "100%", "direction": "both", "interface": "eth1"}, {"action": "partition"}):
            answer = wire.hit("os_netiface", {"peers": ["fd72::22"], "duration": LONG, **args})
            assert cut_off(peer, "fd72::21", wire, answer)
            wait_reached(peer, wire.storage)
            wire.heal(answer)
        wait_reached(peer, "fd72::21")
    finally:
        wire.sh("ip -6 address del fd72::21/64 dev eth1")
        peer.sh("ip -6 address del fd72::22/64 dev eth1")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_faults_on_one_interface_add_up_and_end_in_any_order(wire, peer, sink, order):
    faults = [
        hit(wire, "rate", network="storage", rate="4mbit", direction="both", duration=LONG),
        hit(wire, "loss", network="storage", loss="50%", direction="both", protocol="icmp", duration=LONG),
        hit(wire, "disconnect", network="storage", kind="isolate", duration=LONG),
    ]

    def effects(active):
        cut, lossy, slow = 2 in active, 1 in active, 0 in active
        if cut:
            assert cut_off(peer, wire.storage, wire, faults[2]) and cut_off(wire, peer.storage, wire, faults[2])
            return
        if lossy:
            # there and back: 75 per cent of 200 get lost
            assert 55 < lost(peer, wire.storage, 200)
            wait_for(lambda: lost(peer, wire.storage, 200) < 90)
        else:
            wait_for(lambda: lost(peer, wire.storage, 50) == 0)
        for one, other in ((wire, peer), (peer, wire)):
            if slow:
                assert seconds_to_send(one, other.storage, 600000) > 0.8
            else:
                wait_fast(one, other.storage, 600000)

    active = {0, 1, 2}
    effects(active)
    for number in order:
        wire.heal(faults[number])
        active.discard(number)
        if 2 not in active:
            wait_for(lambda: reaches(wire, peer.storage, count=1) or 1 in active)
        effects(active)
    assert "7fa1" not in queues(wire) and "flt-" not in queues(wire)


def test_loss_and_rate_in_one_call(wire, peer, sink):
    answer = hit(wire, "rate", network="storage", rate="8mbit", loss="20%", protocol="icmp", direction="both", duration=LONG)
    assert 20 < lost(peer, wire.storage, 200)
    wait_for(lambda: lost(peer, wire.storage, 200) < 52)
    assert set(answer["proof"]["means"]) == {"loss", "rate"}
    wire.heal(answer)


def test_everything_is_lost_but_the_way_of_ansible(wire, peer):
    answer = hit(wire, "loss", network="management", loss="100%", direction="both", duration=600)
    assert answer["proof"]["passed"] >= 50 and "the way of Ansible" in answer["msg"]
    assert cut_off(peer, wire.address, wire, answer) and cut_off(wire, peer.address, wire, answer)
    controller = wire.sh("ss -Htn state established '( sport = :22 )' | awk '{print $4}' | head -1 | sed 's/:[0-9]*$//'")
    # nothing else of the controller passes either
    assert cut_off(wire, controller, wire, answer)
    # neighbours are forgotten within a second, and asked for again; longer than that
    wire.sh("ip ntable change name arp_cache dev eth0 base_reachable 1000; nft -f - <<'X'\ntable netdev ear { chain c { "
            f"type filter hook ingress device eth0 priority 0; policy accept; arp saddr ip {controller} counter; }}; }}\nX")
    wire.environment["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=no -o ControlPath=none"
    try:
        for _time in range(3):
            heard = wire.sh("nft list table netdev ear")
            wire.sh("ip neigh flush dev eth0")
            assert wire.call("os_fault_info", {"closed": False})["open"][0]["id"] == answer["fault"]["id"]
            wait_for(lambda heard=heard: wire.sh("nft list table netdev ear") != heard)
        wire.heal(answer)
    finally:
        del wire.environment["ANSIBLE_SSH_ARGS"]
        wire.sh("nft delete table netdev ear; ip ntable change name arp_cache dev eth0 base_reachable 30000")
    wait_reached(peer, wire.address)


def test_a_queue_that_somebody_has_chosen_is_refused_and_stays(wire):
    wire.sh("tc qdisc add dev eth1 root handle 1: tbf rate 900mbit burst 200k latency 50ms; tc qdisc add dev eth0 handle ffff: ingress; "
            "ip link add ifb7 type ifb; ip link set ifb7 up; "
            "tc filter add dev eth0 parent ffff: protocol ip u32 match ip dst 192.0.2.9 action mirred egress redirect dev ifb7")
    try:
        before = queues(wire, "eth0", "eth1", "ifb7") + wire.sh("tc filter show dev eth0 parent ffff:")
        answer = refused(wire, "loss", network="storage", loss="10%", duration=LONG)
        assert answer["failure"]["code"] == "foreign_qdisc" and "tbf" in answer["msg"]
        answer = refused(wire, "loss", interface="eth0", loss="10%", direction="in", duration=LONG)
        assert answer["failure"]["code"] == "foreign_qdisc"
        # what does not need their place goes beside them
        beside = hit(wire, "rate", interface="eth0", rate="100mbit", duration=LONG)
        wire.heal(beside)
        beside = hit(wire, "rate", interface="eth1", rate="100mbit", direction="in", duration=LONG)
        wire.heal(beside)
        wait_same(lambda: queues(wire, "eth0", "eth1", "ifb7") + wire.sh("tc filter show dev eth0 parent ffff:"), before)
    finally:
        # the kernel gives a length to the queue of whatever gets a queueing discipline, the test's own too
        wire.sh("tc qdisc del dev eth1 root; tc qdisc del dev eth0 ingress; ip link del ifb7; "
                "ip link set eth0 txqueuelen 0; ip link set eth1 txqueuelen 0")


def test_what_the_kernel_lacks_is_told_before_anything_is_touched(wire):
    if wire.sh("ip link add try0 type ifb; tc qdisc add dev try0 root netem delay 1ms 2>/dev/null && echo has; ip link del try0", check=False):
        pytest.skip("this kernel has netem")
    before = queues(wire, "eth0", "eth1")
    answer = refused(wire, "delay", network="storage", delay="100ms", duration=LONG)
    assert answer["failure"]["code"] == "no_netem" and "Nothing was touched" in answer["msg"]
    assert queues(wire, "eth0", "eth1") == before and wire.open_faults() == []


def test_queues_that_were_wiped_away_are_told(wire):
    playing, fault_id = wire.begin("os_netiface", {"network": "storage", "action": "loss", "loss": "10%", "duration": LONG, "wait": True})
    wire.sh("tc qdisc del dev eth1 root")
    wire.hit("os_fault_undo", {"id": fault_id})
    assert playing.wait(HANG) != 0
    assert wire.record(fault_id)["held"] is False and wire.record(fault_id)["state"] == "undone"


def test_reboot_in_the_middle_of_a_loss_leaves_no_queue(wires):
    node = wires[0]
    answer = hit(node, "loss", network="storage", loss="50%", direction="both", duration=900)
    node.restart(crash=True)
    node.wait_healed()
    assert node.record(answer["fault"]["id"])["state"] == "undone"
    assert "7fa1" not in queues(node) and "flt-" not in queues(node)


def test_without_a_hook_where_packets_leave_they_are_dropped_in_the_tables_of_their_families(wire, peer, root):
    """As before Linux 5.16: the same step, told that the hook is not there."""
    subprocess.run(["docker", "cp", f"{root}/plugins/module_utils/_fault", f"{wire.container}:/root/engine"], check=True, capture_output=True)
    wire.sh("""cat > /root/old.py <<'X'
import sys
sys.path.insert(0, "/root")
from engine import _journal, _net_match, _net_steps
_journal.make_folders()
step = _net_steps.CutPackets.make("disconnect-01234567", ["eth1"], _net_match.EVERYTHING, egress=False)
if sys.argv[1] == "do":
    _net_steps.CutPackets.do(step)
    print(sorted(family for family, _name in step["tables"]), _net_steps.CutPackets.prove(step)["dropped_out"] > 0)
else:
    _net_steps.CutPackets.undo(step)
    print(_net_steps.CutPackets.residue(step) or "nothing")
X""")
    try:
        assert wire.sh("python3 /root/old.py do") == "['arp', 'inet', 'netdev'] True"
        wire.sh("ip neigh flush dev eth1")
        peer.sh("ip neigh flush dev eth1")
        cut = {"proof": {"tables": [f"{family} faultline_disconnect_01234567" for family in ("arp", "inet", "netdev")]}}
        assert cut_off(wire, peer.storage, wire, cut) and cut_off(peer, wire.storage, wire, cut, interface="eth1")
        assert wire.sh("python3 /root/old.py undo") == "nothing" and wire.sh("python3 /root/old.py undo") == "nothing"
        wait_reached(wire, peer.storage)
    finally:
        wire.sh("python3 /root/old.py undo; rm -rf /root/engine /root/old.py")


def test_what_lost_its_journal_is_found_and_healed(wire):
    wire.sh("nft add table netdev faultline_disconnect_deadbeef; tc qdisc add dev eth0 root handle 7fa1: htb default 0; "
            "index=$(cat /sys/class/net/eth1/ifindex); ip link add flt-$index type ifb; tc qdisc add dev eth1 handle ffff: ingress; "
            "tc filter add dev eth1 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev flt-$index")
    try:
        told = wire.call("os_fault_info", {"closed": False})["orphans"]
        assert told[:2] == ["nftables table netdev faultline_disconnect_deadbeef", "queues 7fa1: at eth0"] and told[2].startswith("interface flt-")
        assert wire.call("os_fault_undo", {"all": True})["changed"] is True
        assert wire.call("os_fault_info", {"closed": False})["orphans"] == []
        assert "7fa1" not in queues(wire) and "flt-" not in queues(wire) and "ingress" not in queues(wire)
    finally:
        # what the kernel did when the test, not a fault, made queues
        wire.sh("ip link set eth0 txqueuelen 0; ip link set eth1 txqueuelen 0")
