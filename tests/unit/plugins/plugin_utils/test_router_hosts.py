# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers and the hosts of an inventory."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.filter.router_nodes import router_nodes
from ansible_collections.faultline.openstack.plugins.plugin_utils import _router_hosts


def router(number, name="edge", **more):
    return {
        "id": f"0000000{number}-aaaa", "name": name, "project": "p1", "project_name": "blue", "health": "ok", "debug": None, "active": "net1", "ha": True,
        "distributed": False, "admin_state_up": True, "gateway": None, "interfaces": [{"address": "10.0.0.1"}],
        "agents": [{"host": "net1", "alive": True, "state": "active"}, {"host": "net2", "alive": True, "state": "standby"}], **more}


@pytest.mark.parametrize(("node", "hosts", "host"), [
    ("net1", {"net1": {}}, "net1"),
    ("net1", {"network-one": {"fqdn": "net1"}}, "network-one"),
    ("net1", {"n": {"fqdn": "net1.example.org"}}, "n"),
    ("net1.example.org", {"net1": {}}, "net1"),
    ("net1", {"a": {"fqdn": "net1.east"}, "b": {"fqdn": "net1.west"}}, None),
    ("net1.west", {"a": {"fqdn": "net1.east"}, "b": {"fqdn": "net1.west"}}, "b"),
    ("192.0.2.4", {"a": {"ansible_host": "192.0.2.4"}}, "a"),
    ("192.0.2.4", {"a": {"ansible_host": "192.0.9.9"}}, None),
    ("net1", {"net1": {"ansible_host": "192.0.2.1"}, "x": {"fqdn": "net1"}}, "net1"),
    ("net1", {"net10": {}}, None),
    ("net1", {}, None),
])
def test_a_node_is_a_host_by_any_of_its_names(node, hosts, host):
    assert _router_hosts.hosts_of([node], hosts) == {node: host}


@pytest.mark.parametrize(("changes", "node"), [
    ({}, "net1"),
    ({"active": None}, "net1"),
    ({"active": None, "agents": [{"host": "net1", "alive": False, "state": "standby"}, {"host": "net2", "alive": True, "state": "standby"}]}, "net2"),
    ({"active": None, "agents": [{"host": "net1", "alive": None, "state": "unknown"}]}, "net1"),
    ({"active": None, "agents": []}, None),
])
def test_the_active_node_is_entered(changes, node):
    assert _router_hosts.node(router(1, **changes)) == node


def test_every_router_has_a_name_of_its_own():
    routers = [router(1), router(2), router(3, "b"), router(4, ""), router(5, "a b;[x]:{{ y }}"), router(6, "é")]
    assert list(_router_hosts.named(routers)) == [
        "router_edge_00000001", "router_edge_00000002", "router_b", "router_00000004-aaaa", "router_a_b__x_____y___", "router__"]


def test_the_groups_of_a_router():
    assert _router_hosts.groups(router(1)) == ["os_routers", "os_routers_ok", "os_routers_project_blue"]
    one = router(1, health="down", debug={"by": "router", "reason": ""}, project_name=None, project="1-2")
    assert _router_hosts.groups(one) == ["os_routers", "os_routers_down", "os_routers_project_1_2", "os_routers_debug"]


def test_the_way_into_a_namespace_is_that_to_its_node():
    of_host = {
        "ansible_host": "192.0.2.4", "ansible_user": "stack", "ansible_become": True, "ansible_become_method": "su", "ansible_become_password": "p",
        "ansible_become_exe": "/opt/su", "faultline_services": {}, "fqdn": "net1"}
    assert _router_hosts.variables(router(1), "net1", of_host) == {
        "ansible_host": "192.0.2.4", "ansible_user": "stack", "ansible_become": True, "ansible_become_method": "faultline.openstack.netns",
        "ansible_become_password": "p", "ansible_netns": "qrouter-00000001-aaaa"}
    assert _router_hosts.variables(router(1), "net1", {})["ansible_host"] == "net1"


def test_the_filter_tells_every_node_and_what_it_is_asked():
    hostvars = {"one": {"fqdn": "net1", "secret": "x"}, "localhost": {}}
    asked = {"id": "00000001-aaaa", "ha": True, "addresses": ["10.0.0.1"]}
    assert router_nodes(hostvars, [router(1), router(2, active="net2", interfaces=[])]) == [
        {"host": "net1", "name": "one", "routers": [asked], "holds": ["00000001-aaaa"]},
        {"host": "net2", "name": None, "routers": [asked], "holds": ["00000002-aaaa"]}]
