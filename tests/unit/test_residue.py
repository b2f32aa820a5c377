# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comparison of the residue oracle: it finds what a fault could leave or destroy, and nothing that others do meanwhile."""

from __future__ import annotations

import time

import pytest
import residue

NODE = """\
unit package memcached.service active running
unit package apt-daily.timer active waiting
unit package dbus.socket active running
unit package networking.service active exited
unit package fstrim.service activating start
unit node keystone.service active running
unit node faultline-node.service active exited
nft inet theirs table inet theirs {
nft inet theirs \ttcp dport 11211 accept
nft inet theirs }
iptables-legacy -A INPUT -j ACCEPT
qdisc noqueue 0: dev eth0 root refcnt 2
qdisc noqueue 0: dev br9 root refcnt 2
link lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN
link eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP
link br9: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP
link docker0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP
link tunl0: <NOARP> mtu 1480 state DOWN
address eth0    inet 10.71.0.11/16 scope global eth0
route -4 default via 10.71.0.1 dev eth0
route -4 172.17.0.0/16 dev docker0 proto kernel
rule -4 0: from all lookup local
socket tcp 127.0.0.1:11211
neighbour -4 10.71.0.12 dev eth0 lladdr 02:42:0a:47:00:0c PERMANENT
mount / /data rw - tmpfs tmpfs rw
sysctl /proc/sys/kernel/panic:0
docker /nova_api running unless-stopped 0
file /etc/systemd/system/keystone.service
"""


def snapshot(text, clock=0.0):
    return residue.Snapshot(lambda script: str(time.time() + clock) if script.startswith("date") else text)


def difference(*appeared, gone=(), changed=(), named=()):
    """What the oracle says when these lines appear, those are gone, and of these pairs the first has become the second."""
    lines = NODE.splitlines()
    for old, new in (*((line, None) for line in gone), *changed):
        assert any(old in line for line in lines), f"no line of the node has {old!r}"
        lines = [line.replace(old, new or "") for line in lines if new or old not in line]
    after = "\n".join([*lines, *appeared])
    return snapshot(NODE).difference(snapshot(after), named)


def test_a_node_that_is_as_it_was_differs_in_nothing():
    assert difference() == {}


@pytest.mark.parametrize("line", [
    "unit node faultline-freeze-01234567.service active running",
    "unit package faultline-work-0.scope active running",
    "unit node woken.socket active listening",
    "unit node dual-stack.service failed failed",
    "masked /run/systemd/system.control/memcached.service",
    "stopped   812 T    /usr/bin/memcached -m 64",
    "nft inet faultline_unplug_01234567 \ttcp dport 11211 drop",
    "nft netdev faultline_isolate_01234567 table netdev faultline_isolate_01234567 {",
    "qdisc netem 7fa1: dev eth0 root refcnt 2 limit 1000 delay 200ms",
    "qdisc ingress ffff: dev br9 parent ffff:fff1",
    "class eth0 class htb 7fa1:1 root rate 1Mbit",
    "filter eth0 ingress filter parent ffff: protocol all pref 1 u32",
    "link flt-8: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 state UNKNOWN",
    "link eth2: <BROADCAST,MULTICAST> mtu 1500 state DOWN",
    "address eth0    inet 10.71.9.9/16 scope global eth0",
    "address br9    inet 10.9.9.9/16 scope global br9",
    "route -4 10.9.0.0/16 via 10.71.0.9 dev eth0",
    "neighbour -4 10.71.0.13 dev eth0 lladdr 02:00:00:00:00:00 PERMANENT",
    "mount / /data rw - ext4 /dev/sdb rw",
    "mount / /run/faultline/room rw - tmpfs tmpfs rw",
    "cgroup /sys/fs/cgroup/cpu/docker/1/faultline-work",
    "file /etc/systemd/system/memcached.service.d/limit.conf",
    "file /var/tmp/faultline-fill-01234567",
    "journal /var/lib/faultline/open/freeze-01234567.json",
])
def test_what_a_fault_leaves_is_found(line):
    assert difference(line) == {"appeared": [line], "gone": []}


@pytest.mark.parametrize("piece", [
    "memcached.service", "keystone.service active", "apt-daily.timer", "dbus.socket", "networking.service", "tcp dport 11211 accept",
    "iptables-legacy", "link eth0", "link br9", "link docker0", "inet 10.71.0.11/16", "default via",
    "from all lookup local", "lladdr", "/data", "sysctl", "/nova_api", "file /etc",
])
def test_what_was_there_and_is_not_is_found(piece):
    told = difference(gone=[piece])
    assert told["appeared"] == [] and len(told["gone"]) == 1 and piece in told["gone"][0]


@pytest.mark.parametrize("old, new", [
    ("memcached.service active running", "memcached.service failed failed"),
    ("memcached.service active running", "memcached.service active exited"),
    ("memcached.service active running", "memcached.service activating auto-restart"),
    ("keystone.service active running", "keystone.service failed failed"),
    ("networking.service active exited", "networking.service failed failed"),
    ("dbus.socket active running", "dbus.socket failed failed"),
    ("LOWER_UP> mtu 1500 state UP", "LOWER_UP> mtu 576 state UP"),
    ("/nova_api running unless-stopped", "/nova_api running no"),
    ("/proc/sys/kernel/panic:0", "/proc/sys/kernel/panic:2"),
    ("/data rw - tmpfs", "/data ro - tmpfs"),
])
def test_what_is_not_as_it_was_is_found(old, new):
    assert any(old in line for line in difference(changed=[(old, new)])["gone"])


@pytest.mark.parametrize("line", [
    "unit package man-db.timer active waiting",
    "unit package man-db.service activating start",
    "unit package packagekit.service active running",
    "unit package logrotate.service failed failed",
    "unit package mnt.mount active mounted",
    "link veth1234567: <BROADCAST,MULTICAST,UP> mtu 1500 state UP",
    "link sit0: <NOARP> mtu 1480 state DOWN",
    "link ip6tnl0: <NOARP> mtu 1452 state DOWN",
    "link br-0123456789ab: <BROADCAST,MULTICAST,UP> mtu 1500 state UP",
    "address docker0    inet6 fe80::1/64 scope link",
    "qdisc noqueue 0: dev docker0 root refcnt 2",
    "qdisc noqueue 0: dev erspan0 root refcnt 2",
    "route -6 fe80::/64 dev docker0 proto kernel",
    "nft ip nat \tchain DOCKER {",
    "iptables-legacy -A DOCKER -j RETURN",
    "rule -4 100: from all lookup 100",
    "sysctl /proc/sys/net/ipv4/conf/sit0/forwarding:1",
    "docker /theirs running no 0",
    "mount / /mnt rw - tmpfs tmpfs rw",
])
def test_what_others_do_meanwhile_is_nobodys_residue(line):
    assert difference(line) == {}


@pytest.mark.parametrize("old, new", [
    ("apt-daily.timer active waiting", "apt-daily.timer active running"),
    ("dbus.socket active running", "dbus.socket active listening"),
    ("fstrim.service activating start", "fstrim.service failed failed"),
    ("networking.service active exited", "networking.service active running"),
    ("docker0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP", "docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 state DOWN"),
    ("tunl0: <NOARP> mtu 1480 state DOWN", "tunl0: <NOARP,UP> mtu 1480 state UNKNOWN"),
])
def test_what_others_change_meanwhile_is_nobodys_residue(old, new):
    assert difference(changed=[(old, new)]) == {}


def test_what_others_end_meanwhile_is_nobodys_residue():
    assert difference(gone=["fstrim.service", "link tunl0", "172.17.0.0/16 dev docker0"]) == {}


def test_units_that_the_test_names_are_as_ours():
    line = "unit package cron.service active running"
    assert difference(line) == {} and difference(line, named={"cron"}) == {"appeared": [line], "gone": []}
    assert difference("unit package cron.socket failed failed", named={"cron"})["appeared"]


def test_ends_of_containers_networks_are_not_even_lines():
    assert not snapshot("link veth0123456: <UP>\nmount net:[4026531840] /run/docker/netns/0123 rw - nsfs nsfs rw").lines


def test_a_clock_that_was_set_is_found_and_one_that_drifts_is_not():
    assert snapshot(NODE).difference(snapshot(NODE, clock=1.0)) == {}
    assert "clock moved by +600" in snapshot(NODE).difference(snapshot(NODE, clock=600.0))["appeared"][0]
