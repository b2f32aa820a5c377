# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packets are meant, what is done to them, and the one tree that does it: all of it pure."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault import (
    _net_match as match,
    _net_nft as nft,
    _net_options as options,
    _net_probe as probe,
    _net_tree as tree,
    _netlink as netlink,
)
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from hypothesis import given
from hypothesis import strategies as st

US = {"peer": "10.0.0.1", "port": 22}
US6 = {"peer": "fd00::1", "port": 22}


# ---- options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, wanted", [("30", 30), ("30%", 30), ("0.05 %", 0.05), ("100%", 100)])
def test_percent(text, wanted):
    assert options.percent("loss", text) == wanted


@pytest.mark.parametrize("text, wanted", [("100", 100), ("100ms", 100), ("1.5s", 1500), ("250us", 0.25), ("1 S", 1000)])
def test_milliseconds(text, wanted):
    assert options.milliseconds("delay", text) == wanted


@pytest.mark.parametrize("text, wanted", [("1mbit", 10 ** 6), ("500 kbit", 500000), ("10Gbit", 10 ** 10), ("1mbps", 8 * 10 ** 6), ("64000", 64000)])
def test_bits_per_second(text, wanted):
    assert options.bits_per_second("rate", text) == wanted


@pytest.mark.parametrize("read, text, piece", [
    (options.percent, "0", "loss is 0; it must be a percentage"), (options.percent, "101%", "at most 100%"), (options.percent, "-1", "percentage"),
    (options.percent, "half", "percentage"), (options.milliseconds, "1 hour", "a time such as 100ms"), (options.milliseconds, "0", "a time such as"),
    (options.milliseconds, "99999s", "a time such as"), (options.bits_per_second, "1kbit", "a rate of at least 8kbit"),
    (options.bits_per_second, "fast", "a rate"), (options.bits_per_second, "1 furlong", "a rate"), (options.bits_per_second, "100gbit", "32gbit at most"),
])
def test_what_is_no_amount(read, text, piece):
    with pytest.raises(FaultlineError) as caught:
        read("loss", text)
    assert piece in caught.value.message and caught.value.code == "bad_loss" and caught.value.hint == "Nothing was touched."


@pytest.mark.parametrize("given_, code", [
    ({"action": "delay", "network": "x"}, "missing_option"), ({"action": "disconnect", "network": "x", "loss": "3%"}, "bad_option"),
    ({"action": "disconnect", "network": "x", "peers": ["10.0.0.1"]}, "bad_option"),
    ({"action": "disconnect", "network": "x", "direction": "in"}, "bad_option"),
    ({"action": "partition"}, "missing_option"), ({"action": "disconnect"}, "missing_option"), ({"action": "connect"}, "missing_option"),
    ({"action": "loss", "loss": "3%"}, "missing_option"), ({"action": "loss", "loss": "3%", "network": "x", "port": [0]}, "bad_port"),
    ({"action": "loss", "loss": "3%", "network": "x", "port": [1], "protocol": "icmp"}, "bad_option"),
    ({"action": "loss", "loss": "3%", "network": "x", "shape": "one"}, "bad_option"),
])
def test_options_that_contradict_each_other(given_, code):
    with pytest.raises(FaultlineError) as caught:
        options.check(given_)
    assert caught.value.code == code and caught.value.hint


def test_options_that_need_each_other():
    for given_ in ({"jitter": "1ms"}, {"delay": "1ms", "distribution": "normal"}):
        with pytest.raises(FaultlineError, match="needs"):
            options.effects(given_)
    assert options.effects({"reorder": "25%"}) == {"reorder": 25, "delay": 10.0}
    assert options.words(options.effects({"delay": "1s", "jitter": "5ms", "loss": "0.5%", "rate": "1500kbit"})) == (
        "delay 1000ms +-5ms, loss 0.5%, rate 1.5mbit")


# ---- matches --------------------------------------------------------------------------------------------------------


def test_networks_do_not_overlap():
    assert match.networks(["10.0.0.1", "10.0.0.0/24", "fd00::1", "10.0.1.0/24"]) == ["10.0.0.0/23", "fd00::1/128"]
    with pytest.raises(FaultlineError, match="'nonsense' is not an address or a network"):
        match.networks(["nonsense"])


def test_packets_of_options():
    assert match.packets() == match.EVERYTHING
    assert match.packets(["10.0.0.1"]) == [{"kind": "ip", "remote": "10.0.0.1/32"}]
    assert match.packets(["10.0.0.1"], arp=True)[-1] == {"kind": "arp", "remote": "10.0.0.1/32"}
    assert match.packets(["10.0.0.1"], "tcp", arp=True) == [{"kind": "ip", "remote": "10.0.0.1/32", "protocol": 6}]
    assert len(match.packets([], None, [53])) == 8  # IPv4 and IPv6, TCP and UDP, at either end
    assert {each["protocol"] for each in match.packets([], "icmp")} == {1, 58}


def test_what_fits_two_filters():
    assert match.both({}, {"kind": "ip"}) == {"kind": "ip"}
    assert match.both({"kind": "ip"}, {"kind": "arp"}) is None
    assert match.both({"kind": "ip", "remote": "10.0.0.0/8"}, {"kind": "ip", "remote": "10.1.0.0/16"})["remote"] == "10.1.0.0/16"
    assert match.both({"kind": "ip", "remote": "10.0.0.0/16"}, {"kind": "ip", "remote": "10.1.0.0/16"}) is None
    assert match.both({"kind": "nd"}, {"kind": "ip6", "protocol": 6}) is None
    assert match.both({"kind": "nd"}, {"kind": "ip6"}) == {"kind": "nd"}
    assert match.both({"local_port": 1}, {"local_port": 2}) is None
    assert match.touches(match.EVERYTHING, match.connection(US))
    assert match.touches(match.packets(["10.0.0.0/24"], "tcp"), match.connection(US))
    assert not match.touches(match.packets(["10.0.0.0/24"], "udp"), [match.connection(US)[0]])


def test_too_many_rules_are_refused():
    many = match.packets([f"10.{n}.0.0/24" for n in range(100)], None, [80])
    assert len(match.all_of([many])) == 400
    with pytest.raises(FaultlineError, match="more than 2000 rules"):
        match.all_of([match.packets([], None, list(range(1, 40))), match.packets([], None, list(range(40, 90)))])


@pytest.mark.parametrize("one, incoming, family, wanted", [
    ({}, True, "netdev", ""),
    ({"kind": "ip", "remote": "10.0.0.1/32"}, True, "netdev", "ip saddr 10.0.0.1/32"),
    ({"kind": "ip", "remote": "10.0.0.1/32"}, False, "netdev", "ip daddr 10.0.0.1/32"),
    ({"kind": "ip6", "protocol": 6, "local_port": 22}, True, "netdev", "meta protocol ip6 tcp dport 22"),
    ({"kind": "ip6", "protocol": 6, "local_port": 22}, False, "inet", "meta nfproto ipv6 tcp sport 22"),
    ({"kind": "ip", "protocol": 1}, True, "netdev", "meta protocol ip meta l4proto 1"),
    ({"kind": "arp", "remote": "10.0.0.1/32"}, False, "arp", "arp daddr ip 10.0.0.1/32"),
    ({"kind": "arp"}, True, "inet", None),
    ({"kind": "ip"}, False, "arp", None),
])
def test_as_nftables(one, incoming, family, wanted):
    assert match.as_nft(one, incoming, family) == wanted


@pytest.mark.parametrize("one, incoming, protocol, wanted", [
    ({}, True, "all", "match u32 0 0"),
    ({"kind": "ip", "remote": "10.0.0.0/8"}, False, "ip", "match ip dst 10.0.0.0/8"),
    ({"kind": "ip6", "remote": "fd00::/64", "protocol": 17, "remote_port": 53}, True, "ipv6",
     "match ip6 src fd00::/64 match ip6 protocol 17 0xff match ip6 sport 53 0xffff"),
    ({"kind": "arp", "remote": "10.71.0.1/32"}, True, "arp", "match u16 0x0a47 0xffff at 14 match u16 0x0001 0xffff at 16"),
    ({"kind": "arp", "remote": "10.71.0.1/32"}, False, "arp", "match u16 0x0a47 0xffff at 24 match u16 0x0001 0xffff at 26"),
])
def test_as_u32(one, incoming, protocol, wanted):
    assert match.as_u32(one, incoming) == (protocol, [wanted.split()])


def test_words():
    assert match.words(match.EVERYTHING) == "all packets"
    assert match.words(match.packets(["10.0.0.1", "10.9.0.0/16"], "tcp", [80])) == "tcp packets of port 80 with 10.0.0.1, 10.9.0.0/16"
    assert match.words(match.packets([f"10.0.{n}.1" for n in range(6)])).endswith("10.0.3.1 and 2 more")


# ---- nftables -------------------------------------------------------------------------------------------------------


def test_a_table_drops_both_ways_and_lets_ansible_pass_first():
    tables, text = nft.ruleset("faultline_x", ["eth1"], match.EVERYTHING, "both", match.connection(US))
    assert tables == [["netdev", "faultline_x"]]
    lines = [line.strip() for line in text.splitlines()]
    assert 'type filter hook ingress device "eth1" priority -310; policy accept;' in lines
    assert 'type filter hook egress device "eth1" priority -310; policy accept;' in lines
    for one in ("ip saddr 10.0.0.1/32 tcp dport 22", "ip daddr 10.0.0.1/32 tcp sport 22"):
        at = lines.index(f"{one} counter accept")
        assert lines[at + 1:at + 3] == ["meta protocol arp counter accept", "counter drop"]


def test_without_a_hook_for_what_leaves_the_host_drops_it_in_each_family():
    tables, text = nft.ruleset("faultline_x", ["eth1"], match.packets(["10.0.0.1"], arp=True), "out", egress=False)
    assert tables == [["arp", "faultline_x"], ["inet", "faultline_x"]] and "netdev" not in text
    assert 'oifname "eth1" ip daddr 10.0.0.1/32 counter drop' in text and 'oifname "eth1" arp daddr ip 10.0.0.1/32 counter drop' in text


def test_only_tables_of_ours_are_ever_deleted():
    with pytest.raises(FaultlineError, match="not a table of ours"):
        nft.delete("inet", "firewalld")


# ---- the tree -------------------------------------------------------------------------------------------------------


def shape(matches=None, exempt=(), netem=True, **effects):
    return {"matches": matches or match.EVERYTHING, "exempt": list(exempt), "effects": effects, "netem": netem}


def test_effects_add_up():
    assert tree.merged([{"delay": 100, "jitter": 3, "loss": 50}, {"delay": 20, "jitter": 4, "loss": 50, "rate": 9}, {"rate": 8}]) == {
        "delay": 120, "jitter": 5.0, "loss": 75.0, "rate": 8}


def test_faults_on_the_same_packets_share_one_netem():
    lines = tree.Tree([shape(delay=100), shape(loss=10)], False).lines("eth1")
    assert [line for line in lines if "netem" in line] == ["qdisc add dev eth1 parent 7fa1:101 netem limit 100000 delay 100000us loss 10%"]
    assert lines[0] == "qdisc add dev eth1 root handle 7fa1: htb default 0 direct_qlen 1000"


def test_ansible_s_own_packets_go_first_and_past_it_all():
    made = tree.Tree([shape(exempt=match.connection(US), loss=100)], False)
    assert made.rules == [(match.connection(US)[0], None), (match.connection(US)[1], None), ({}, (0,))]
    filters = [line for line in made.lines("eth0") if line.startswith("filter")]
    assert filters[0].endswith("flowid 7fa1:0") and "match ip dst 10.0.0.1/32" in filters[0] and filters[2].endswith("flowid 7fa1:101")


def test_a_fault_that_includes_ansible_hits_it_beside_one_that_does_not():
    made = tree.Tree([shape(exempt=match.connection(US6), loss=100), shape(matches=match.packets(["fd00::/64"]), delay=5)], False)
    ours = [(rule, combination) for rule, combination in made.rules if rule.get("local_port") == 22 or rule.get("kind") == "nd"]
    # first as a packet of the second fault alone, else it passes
    assert [combination for _rule, combination in ours] == [(1,), None, (1,), None]


def test_packets_of_several_filters_get_all_effects():
    made = tree.Tree([shape(delay=100), shape(matches=match.packets(["10.0.0.0/8"]), loss=10), shape(matches=match.packets([], "tcp"), rate=10 ** 6)], False)
    assert made.rules[0] == ({"kind": "ip", "remote": "10.0.0.0/8", "protocol": 6}, (0, 1, 2))
    assert made.effects((0, 1, 2)) == {"delay": 100, "loss": 10.0, "rate": 10 ** 6}
    assert ({}, (0,)) in made.rules
    lines = made.lines("eth1")
    # one rate for all combinations that have it
    assert sum("rate 1000000bit ceil 1000000bit" in line for line in lines) == 1
    assert sum("parent 7fa1:12 " in line for line in lines) == sum(2 in combination for combination in made.combinations)


def test_without_netem_a_random_number_loses_packets():
    lines = tree.Tree([shape(netem=False, loss=25)], False).lines("eth1")
    assert not any("netem" in line for line in lines)
    assert any("blackhole" in line and "7fa1:201" in line for line in lines)
    assert 'bpf bytecode "4,32 0 0 4294963256,37 1 0 1073741823,6 0 0 4294967295,6 0 0 0" flowid 7fa1:201' in "\n".join(lines)
    everything = tree.Tree([shape(netem=False, loss=100)], False).lines("eth1")
    assert any("parent 7fa1:101 blackhole" in line for line in everything) and not any("bpf" in line for line in everything)


def test_what_comes_in_makes_a_detour_but_for_what_is_dropped_later():
    made = tree.Tree([shape(exempt=match.connection(US), rate=10 ** 6)], True)
    lines = made.redirect("eth1", "flt-7", match.packets(["10.5.0.0/16"]))
    assert lines[0] == "qdisc add dev eth1 handle ffff: ingress"
    assert lines[1].endswith("u32 match ip src 10.5.0.0/16 flowid ffff:1") and lines[2].endswith("flowid ffff:1")
    assert lines[-1].endswith("u32 match u32 0 0 action mirred egress redirect dev flt-7")
    assert sum("mirred" in line for line in lines) == 1


def test_too_many_filters_are_refused():
    with pytest.raises(FaultlineError, match="More than 4 faults with different filters") as caught:
        tree.Tree([shape(matches=match.packets([f"10.{n}.0.0/16"]), delay=1) for n in range(5)], False)
    assert caught.value.code == "too_many" and "Nothing was touched" in caught.value.hint
    assert tree.Tree([shape(delay=n + 1) for n in range(9)], False).effects((0,)) == {"delay": 45}


def test_netem_in_words_of_tc():
    assert tree.netem({"delay": 0.25, "jitter": 1, "correlation": 25, "distribution": "normal", "loss": 0.05, "duplicate": 3}) == (
        "netem limit 100000 delay 250us 1000us 25% distribution normal loss 0.05% 25% duplicate 3% 25%")


def test_which_part_of_the_kernel_does_it():
    assert tree.means({"loss": 5, "rate": 8000}, False) == {"loss": "cls_bpf", "rate": "htb"}
    assert tree.means({"loss": 100}, False) == {"loss": "blackhole"}
    assert tree.means({"loss": 5, "delay": 5}, True) == {"loss": "netem", "delay": "netem"}


# a packet, and what becomes of it by the rules of a tree
PACKETS = st.fixed_dictionaries({
    "kind": st.sampled_from(["ip", "ip6", "arp"]), "host": st.integers(0, 3), "protocol": st.sampled_from([6, 17, 1]),
    "local_port": st.sampled_from([22, 80]), "remote_port": st.sampled_from([22, 80]),
})
FILTERS = st.tuples(
    st.lists(st.sampled_from(["10.0.0.1", "10.0.0.0/30", "10.0.0.2", "fd00::/126"]), max_size=2), st.sampled_from([None, "tcp", "udp"]),
    st.lists(st.sampled_from([22, 80]), max_size=1), st.booleans(),
)


def _fits(packet, one):
    if "kind" in one and one["kind"] != packet["kind"]:
        return False
    base = "fd00::" if packet["kind"] == "ip6" else "10.0.0."
    if "remote" in one and ipaddress.ip_address(f"{base}{packet['host']}") not in ipaddress.ip_network(one["remote"]):
        return False
    if packet["kind"] == "arp":
        return not {"protocol", "local_port", "remote_port"} & set(one)
    return all(one.get(key, packet[key]) == packet[key] for key in ("protocol", "local_port", "remote_port"))


@given(st.lists(FILTERS, min_size=1, max_size=4), PACKETS)
def test_every_packet_gets_exactly_the_effects_of_the_faults_that_mean_it(filters, packet):
    us = match.connection(US)
    shapes = [
        shape(match.packets(peers, protocol, ports), us if spared else (), delay=2 ** number)
        for number, (peers, protocol, ports, spared) in enumerate(filters)
    ]
    made = tree.Tree(shapes, False)
    combination = next((target for rule, target in made.rules if _fits(packet, rule)), None)
    got = made.effects(combination).get("delay", 0) if combination else 0
    wanted = sum(
        each["effects"]["delay"] for each in shapes
        if any(_fits(packet, one) for one in each["matches"]) and not any(_fits(packet, one) for one in each["exempt"])
    )
    assert got == wanted


# ---- frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [
    {}, {"kind": "ip", "remote": "10.0.0.0/24", "protocol": 6, "local_port": 22}, {"kind": "arp", "remote": "10.0.0.1/32"},
    {"kind": "ip6", "remote": "fd00::/64", "protocol": 17, "remote_port": 53}, {"kind": "nd"}, {"kind": "ip", "protocol": 1},
])
def test_a_frame_fits_its_match(one):
    kind, raw = probe.frame(one)
    if one.get("kind") == "arp":
        assert kind == 0x0806 and raw[24:28] == bytes([10, 0, 0, 1])
    elif one.get("kind") in ("ip6", "nd"):
        assert kind == 0x86DD and raw[0] == 0x60 and raw[6] == one.get("protocol", 58)
        assert len(raw) == 40 + int.from_bytes(raw[4:6], "big")
    else:
        assert kind == 0x0800 and raw[0] == 0x45 and len(raw) == int.from_bytes(raw[2:4], "big")
        words = [int.from_bytes(raw[at:at + 2], "big") for at in range(0, 20, 2)]
        assert (sum(words) & 0xFFFF) + (sum(words) >> 16) == 0xFFFF
    if "local_port" in one:
        assert raw[20:22] == one["local_port"].to_bytes(2, "big") and raw[16:20] == bytes([10, 0, 0, 1])


def test_the_chance_of_classic_bpf_is_what_was_asked_for():
    for percent in (0.001, 1, 30, 99.999):
        limit = int(tree.chance(percent).split(",")[2].split()[3])
        assert abs((limit + 1) / 2 ** 32 * 100 - percent) < 1e-6


# ---- what an interface loses ----------------------------------------------------------------------------------------

# as the kernel's own headers have them: linux/rtnetlink.h, linux/nexthop.h
NAMES = {7: "eth1"}


def message(head, *attributes):
    return head + b"".join(
        struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4) for kind, value in attributes)


def number(value):
    return struct.pack("=I", value)


NEXTHOP = message(struct.pack("=BBBxI", 2, 253, 186, 0x14), (1, number(1)), (5, number(7)), (6, bytes([10, 0, 0, 1])))


def test_a_nexthop_is_given_back_as_the_kernel_takes_it():
    """It tells a scope, and that the link is down, and takes neither."""
    thing = netlink.thing_of("nexthop", NEXTHOP, NAMES)
    assert thing.body[:8] == struct.pack("=BBBxI", 2, 0, 186, 0x04) and thing.body[8:] == NEXTHOP[8:]
    assert thing.words == "nexthop 1 on eth1"
    assert netlink.thing_of("nexthop", NEXTHOP, {8: "eth2"}) is None


def test_only_our_places_in_a_group_are_ours():
    pair = struct.pack("=IBBxx", 1, 3, 0) + struct.pack("=IBBxx", 2, 0, 0)
    group = message(struct.pack("=BBBxI", 0, 0, 186, 0), (1, number(5)), (2, pair), (3, b"\0\0"))
    (member,) = netlink._as_members(group, {1})
    assert member.key == ("member", 5, 1, (3, 0)) and member.words == "nexthop 1 in group 5"
    assert netlink.thing_of("member", member.body, NAMES).key == member.key
    # a resilient group has a state of its own
    assert netlink._as_members(message(struct.pack("=BBBxI", 0, 0, 186, 0), (1, number(5)), (2, pair), (3, b"\1\0")), {1}) == []


def test_a_route_by_a_nexthop_object_says_nothing_else():
    """The kernel tells what the object says as well, and refuses both together."""
    head = struct.pack("=BBBBBBBBI", 2, 16, 0, 0, 254, 3, 0, 1, 0)
    route = message(
        head, (1, bytes([10, 9, 0, 0])), (4, number(7)), (5, bytes([10, 0, 0, 1])), (15, number(254)), (30, number(1)))
    (thing,) = netlink._as_routes(route, NAMES, {1})
    assert thing.body == message(head, (1, bytes([10, 9, 0, 0])), (15, number(254)), (30, number(1)))
    assert thing.words == "route 10.9.0.0/16 via nexthop 1 in table 254"
    assert netlink.thing_of("route", thing.body, NAMES).key == thing.key
    assert netlink._as_routes(route, NAMES, {2}) == []
