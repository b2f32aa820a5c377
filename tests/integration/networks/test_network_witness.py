# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What os_netiface says, beside what a client on a peer sees of a service behind that interface (docs/witness.md)."""

from __future__ import annotations

import math

import pytest
from lab_doors import SERVER, Place
from lab_witness import LASTS, Witness, shut
from lab_wires import hit, wait_reached
from witness_table import Table

PORT = 15557
# seconds that an impairment lasts, which is told from others by how many of some hundred questions it meets
LONGER = 15
CUTS = {
    "disconnect (link)": ("disconnect", {"network": "storage"}), "disconnect (isolate)": ("disconnect", {"network": "storage", "kind": "isolate"}),
    "partition": ("partition", {"peers": ["peer"]}), "partition (in)": ("partition", {"peers": ["peer"], "direction": "in"}),
    "loss of 100 %": ("loss", {"network": "storage", "loss": "100%"}),
}


@pytest.fixture
def served(wire):
    """The node that is hit, with a server that any of its networks reaches."""
    wire.sh(SERVER)
    place = Place(wire)
    place.serve("seen-tcp", "tcp", "0.0.0.0", PORT, "pong")
    place.serve("seen-udp", "udp", "0.0.0.0", PORT, "pong")
    yield wire
    place.clean()


def looked_at(address, peer, *protocols):
    return Witness([{"name": protocol, "protocol": protocol, "address": address, "port": PORT, "send": b"?\n".hex()} for protocol in protocols], peer)


@pytest.mark.parametrize("words", CUTS)
def test_a_network_that_is_cut_is_silent_from_the_proof_to_the_end(served, peer, words):
    action, options = CUTS[words]
    wait_reached(peer, served.storage, "eth1")
    with looked_at(served.storage, peer, "tcp", "udp") as witness:
        answer = hit(served, action, duration=LASTS, wait=True, **options)
        record = served.record(answer["fault"]["id"])
        for door in ("tcp", "udp"):
            witness.settle(door, record["undone"])
    for door in ("tcp", "udp"):
        shut("network", words, f"{door.upper()} over the network that is hit", witness.seen, record, door)


@pytest.mark.parametrize("kind", ["link", "isolate"])
def test_the_management_network_is_silent_from_the_proof_to_the_end(served, peer, kind):
    wait_reached(peer, served.address)
    with looked_at(served.address, peer, "tcp") as witness:
        answer = hit(served, "disconnect", network="management", kind=kind, duration=LASTS)
        record = served.record(answer["fault"]["id"])
        witness.settle("tcp", record["undone"])
    shut("network", f"disconnect ({kind})", "TCP over the way of Ansible", witness.seen, record, "tcp")


def test_other_networks_and_peers_notice_nothing(served, peer, onlooker):
    wait_reached(peer, served.storage, "eth1")
    with looked_at(served.address, onlooker, "udp") as witness:
        answer = hit(served, "disconnect", network="storage", duration=LASTS, wait=True)
        record = served.record(answer["fault"]["id"])
    assert witness.seen.share("udp", record["proven"], record["proven"] + LASTS) > 0.9


@pytest.mark.parametrize("percent", [30, 60])
def test_as_many_are_lost_as_is_said(served, peer, percent):
    wait_reached(peer, served.storage, "eth1")
    with looked_at(served.storage, peer, "udp") as witness:
        answer = hit(served, "loss", network="storage", loss=f"{percent}%", duration=LONGER, wait=True)
        record = served.record(answer["fault"]["id"])
        witness.settle("udp", record["undone"])
    seen, since, until = witness.seen, record["proven"], record["proven"] + LONGER
    assert answer["undo"]["state"] == "undone", answer.output
    count, lost = len(seen.asked("udp", since, until)), 100 * (1 - seen.share("udp", since, until))
    # a node that stands still answers late: four standard deviations, and some more are lost then
    spread = 400 * math.sqrt(percent / 100 * (1 - percent / 100) / count)
    against = [] if percent - spread < lost < percent + spread + 10 else [f"{lost:.0f} % were lost"]
    Table().add(
        "network", f"loss of {percent} %", "UDP over the network that is hit",
        f"for {LONGER} s; {'held' if record['held'] else 'not held'}; residue {', '.join(record['residue']) or 'none'}",
        f"{lost:.0f} % of {count} questions not answered; all of them after the undo", against)
    assert against == [] and record["held"] is True and record["residue"] == []
