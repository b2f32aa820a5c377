# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What os_container_fault says, beside what a client on another node sees of the container (docs/witness.md)."""

from __future__ import annotations

import lab_engines
import pytest
from lab_witness import LASTS, Witness, comes_back, keeps_shut
from patience import HANG

# each way in which a container may run: name -> (port at which its node's neighbours reach it, in words)
CONTAINERS = {
    "nova_api": (18774, "Docker, its own network"), "neutron_server": (9696, "Docker, the host's network"),
    "mariadb": (3306, "Docker, run by a unit"), "glance_api": (9292, "Podman, the host's network"),
}


@pytest.fixture(scope="module")
def kolla_node(make_node):
    """A node with both engines, and containers with Kolla's names."""
    return make_node("seenkolla", recipe=lab_engines.recipe(), furnish=lab_engines.furnish)


@pytest.fixture
def kolla(kolla_node, clean):
    with clean(kolla_node):
        yield kolla_node


def looked_at(node, name, onlooker):
    return Witness([{"name": name, "protocol": "http", "address": node.address, "port": CONTAINERS[name][0]}], onlooker)


def hit(node, name, action, **args):
    return node.hit("os_container_fault", {
        "container": name, "action": action, "wait": True, "recovery_timeout": HANG, "wait_timeout": HANG, **args})


def words(name):
    return f"{name} ({CONTAINERS[name][1]})"


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("action", ["terminate", "freeze", "unplug"])
def test_a_fault_that_lasts_keeps_the_door_shut_from_its_proof_to_its_end(kolla, onlooker, action, name):
    keeps_shut("container", action, words(name), kolla, looked_at(kolla, name, onlooker), lambda: hit(kolla, name, action, duration=LASTS))


# Podman has no policy by which somebody would start one again that was killed
@pytest.mark.parametrize(("action", "name"), [
    (action, name) for action in ("kill", "restart") for name in CONTAINERS if (action, name) != ("kill", "glance_api")])
def test_a_container_is_back_when_a_client_is_answered(kolla, onlooker, action, name):
    comes_back("container", action, words(name), kolla, looked_at(kolla, name, onlooker), lambda: hit(kolla, name, action))
