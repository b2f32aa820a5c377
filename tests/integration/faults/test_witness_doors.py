# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module says of a fault, beside what a client sees of doors that are none of TCP in the host's own network: UDP, and a network namespace; and of
services that are no unit of systemd."""

from __future__ import annotations

import json

import pytest
from lab_doors import SERVER, Place
from lab_nodes import LAB, wait_for
from lab_witness import LASTS, Witness, comes_back, keeps_shut

ROOM, ROOM_ADDRESS, NEXT_DOOR = "witnessed", "198.18.9.2", "198.18.9.1"
# the witness is in the namespace beside
_ROOM = f"""
ip netns add {ROOM}
ip -n {ROOM} link set lo up
ip link add beside type veth peer name inside netns {ROOM}
ip address add {NEXT_DOOR}/24 dev beside
ip link set beside up
ip -n {ROOM} address add {ROOM_ADDRESS}/24 dev inside
ip -n {ROOM} link set inside up
"""
LASTING = ("freeze", "unplug")
ENDING = ("kill", "restart")


@pytest.fixture(scope="module")
def rooms_node(make_node):
    """A node with the right to make network namespaces, and one that its neighbour can reach."""
    recipe = json.loads((LAB / "node-run.json").read_text())
    return make_node("witnessed", recipe={**recipe, "argv": recipe["argv_with_engines"]}, furnish=lambda node: node.sh(_ROOM))


@pytest.fixture
def rooms(rooms_node, clean):
    with clean(rooms_node):
        rooms_node.sh(SERVER)
        made = Place(rooms_node)
        yield made
        made.clean()


@pytest.fixture
def place(spare):
    spare.sh(SERVER)
    made = Place(spare)
    yield made
    made.clean()


def by_udp(place, onlooker):
    """(the service, the node that it is on, its witness)."""
    node = place.node
    place.serve("seen-udp", "udp", node.address, 15556, "pong")
    return "seen-udp", node, Witness([{"name": "seen-udp", "protocol": "udp", "address": node.address, "port": 15556}], onlooker)


def in_a_room(rooms):
    node = rooms.node
    # as dnsmasq in qdhcp-: nobody outside knows its address
    wait_for(lambda: node.sh(f"ping -c 1 -W 1 {ROOM_ADDRESS} >/dev/null && echo reached", check=False))
    rooms.serve("seen-room", "tcp", ROOM_ADDRESS, 18086, "pong", inside=f"ip netns exec {ROOM}")
    return "seen-room", node, Witness([{"name": "seen-room", "protocol": "http", "address": ROOM_ADDRESS, "port": 18086}], node)


def lasts(subject, action, service, node, witness, **options):
    keeps_shut("service", action, subject, node, witness, lambda: node.fault(service, action, duration=LASTS, wait=True, **options))


def ends(subject, action, service, node, witness, **options):
    comes_back("service", action, subject, node, witness, lambda: node.fault(service, action, wait=True, **options))


@pytest.mark.parametrize("action", LASTING)
def test_udp_is_silent_from_the_proof_to_the_end(place, onlooker, action):
    lasts("a server of UDP", action, *by_udp(place, onlooker))


@pytest.mark.parametrize("action", ENDING)
def test_udp_is_back_when_it_answers(place, onlooker, action):
    ends("a server of UDP", action, *by_udp(place, onlooker))


@pytest.mark.parametrize("action", LASTING)
def test_a_namespace_is_silent_from_the_proof_to_the_end(rooms, action):
    lasts("a server in a network namespace", action, *in_a_room(rooms))


@pytest.mark.parametrize("action", ENDING)
def test_a_namespace_is_back_when_it_answers(rooms, action):
    ends("a server in a network namespace", action, *in_a_room(rooms))


@pytest.fixture
def process(place, onlooker):
    """(the same of a server that is only a process, which a command starts; its definition)."""
    node = place.node
    run = f"/usr/bin/python3 /root/doors.py tcp {node.address} 15560 pong"
    # one that is away for a moment only may not be seen by a client
    definition = {"driver": "process", "grep": f"^{run}$", "start_cmd": f"sleep 0.5; setsid {run} >/dev/null 2>&1 &"}
    node.sh(f"setsid {run} >/dev/null 2>&1 &")
    yield ("seen-process", node, Witness([{"name": "seen-process", "protocol": "http", "address": node.address, "port": 15560}], onlooker)), definition
    node.sh(f"pkill -fx '{run}'", check=False)


@pytest.mark.parametrize("action", ["terminate", *LASTING])
def test_a_process_is_silent_from_the_proof_to_the_end(process, action):
    seen, definition = process
    lasts("a process, by its command", action, *seen, **definition)


def test_a_process_is_back_when_it_answers(process):
    seen, definition = process
    ends("a process, by its command", "restart", *seen, **definition)


@pytest.fixture(scope="module")
def sysv(make_node, onlooker):
    """The same of a memcached on a node without systemd, by Debian's own script."""
    node = make_node("seensysv", boots=False)
    node.sh("sed -i 's/^-l .*/-l 0.0.0.0/' /etc/memcached.conf; service memcached start")
    door = {"name": "seen-cache", "protocol": "tcp", "address": node.address, "port": 11211, "send": b"version\r\n".hex()}
    return "seen-cache", node, Witness([door], onlooker, rate=100)


SYSV = {"driver": "linux_service", "linux_service": "memcached"}


@pytest.mark.parametrize("action", ["terminate", *LASTING])
def test_a_service_of_init_scripts_is_silent_from_the_proof_to_the_end(sysv, action):
    lasts("memcached, by an init script", action, *sysv, **SYSV)


def test_a_service_of_init_scripts_is_back_when_it_answers(sysv):
    ends("memcached, by an init script", "restart", *sysv, **SYSV)
