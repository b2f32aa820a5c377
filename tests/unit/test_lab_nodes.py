# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a node on which a test failed."""

from __future__ import annotations

import lab_nodes
import pytest


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node without a host, which keeps account of what is done to it."""
    node = lab_nodes.Node("n", "c", tmp_path / "inventory.yml", "192.0.2.1")
    node.done, node.faults_left = [], []
    monkeypatch.setattr(node, "open_faults", lambda: node.faults_left)
    monkeypatch.setattr(node, "call", lambda module, args: node.done.append((module, args)))
    monkeypatch.setattr(node, "sh", lambda command, check=True: node.done.append(command))
    return node


MENDED = [("os_fault_undo", {"all": True}), lab_nodes._MEND]


def test_a_good_node_is_left_alone(node):
    node.make_good()
    assert node.done == []


def test_a_spoiled_node_of_the_cloud_is_mended_once(node):
    node.spoiled = True
    node.make_good()
    node.make_good()
    assert node.done == MENDED and not node.spoiled


def test_a_node_with_an_open_fault_is_mended(node):
    node.faults_left = ["freeze-01234567"]
    node.make_good()
    assert node.done == MENDED


def test_a_spoiled_node_that_can_be_made_anew_is(node):
    node.spoiled, node.renew = True, lambda: node.done.append("renewed")
    node.make_good()
    assert node.done == ["renewed"] and not node.spoiled


def test_a_node_that_cannot_be_made_good_stays_spoiled(node):
    def fails():
        raise OSError("no engine")

    node.spoiled, node.renew = True, fails
    with pytest.raises(OSError):
        node.make_good()
    assert node.spoiled


def test_a_node_knows_the_services_that_were_named(node):
    node.command("os_service_fault", {"service": "my-cache", "linux_service": "memcached", "action": "kill"})
    node.command("os_fault_undo", {"all": True})
    assert node.named == {"my-cache", "memcached"}
