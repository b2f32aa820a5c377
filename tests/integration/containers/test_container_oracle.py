# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An undo of a container's fault is complete by what an oracle from outside sees before and after, whenever the controller dies."""

from __future__ import annotations

import lab_engines
import pytest
from lab_nodes import wait_for
from lab_oracle import MOMENTS, dies

# by Docker with a restart policy and a network of its own, run by a unit, by Podman: the port of each
CONTAINERS = {"nova_api": 18774, "mariadb": 3306, "glance_api": 9292}
KINDS = [
    *((action, "nova_api") for action in ("terminate", "freeze", "unplug")), ("terminate", "mariadb"), ("terminate", "glance_api"), ("freeze", "glance_api")]


@pytest.fixture(scope="module")
def kolla_node(make_node):
    """A node with both engines, and containers with Kolla's names."""
    return make_node("oraclekolla", recipe=lab_engines.recipe(), furnish=lab_engines.furnish)


@pytest.fixture
def kolla(kolla_node, clean):
    with clean(kolla_node):
        for port in CONTAINERS.values():
            wait_for(lambda port=port: lab_engines.page(kolla_node, port) == "hello")
        yield kolla_node


def more(node):
    """What the residue oracle does not look at: our tables in the networks of containers, and what each container answers."""
    tables = node.sh(
        "for pid in $(docker ps -q | xargs -r docker inspect -f '{{.State.Pid}}'); do nsenter --net=/proc/$pid/ns/net nft list tables; done | sort -u")
    return "\n".join([tables, *(lab_engines.page(node, port) for port in CONTAINERS.values())])


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("action", "container"), KINDS)
def test_nothing_is_left_of_a_container_s_fault_whenever_the_controller_dies(kolla, action, container, moment):
    dies(kolla, moment, "os_container_fault", {"container": container, "action": action}, lambda: more(kolla))
