# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An undo in a network namespace is complete by what an oracle from outside sees before and after, whenever the controller dies."""

from __future__ import annotations

import json

import pytest
from lab_doors import SERVER, Place
from lab_nodes import LAB
from lab_oracle import MOMENTS, dies

ROOM = "oracle"
INSIDE = f"ip netns exec {ROOM}"
WHERE = ("tcp", "0.0.0.0", 18088)


@pytest.fixture(scope="module")
def room_node(make_node):
    """A node with the right to make network namespaces, as those of Neutron's agents, and one of them."""
    recipe = json.loads((LAB / "node-run.json").read_text())
    return make_node("oracleroom", recipe={**recipe, "argv": recipe["argv_with_engines"]}, furnish=lambda node: node.sh(
        f"ip netns add {ROOM} && ip -n {ROOM} link set lo up"))


@pytest.fixture
def room(room_node, clean):
    """A place whose server is in the namespace."""
    with clean(room_node):
        room_node.sh(SERVER)
        made = Place(room_node)
        made.serve("oracle-room", *WHERE, "there", inside=INSIDE)
        yield made
        made.clean()


def more(place):
    """What the residue oracle does not look at: the namespace, and whether its server answers."""
    told = place.node.sh(f"ip netns list; {INSIDE} nft list ruleset; {INSIDE} ip -o address; {INSIDE} ip route; {INSIDE} ss -Hltnu")
    return f"{told}\n{place.asked(*WHERE, inside=INSIDE, patience=5)}"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("action", ["unplug", "freeze"])
def test_nothing_is_left_in_a_network_namespace_whenever_the_controller_dies(room, action, moment):
    dies(room.node, moment, "os_service_fault", {"service": "oracle-room", "action": action}, lambda: more(room), {"oracle-room"})
