# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of routers, as Ansible's own inventory manager runs it, with routers as the cloud would tell them. tests/openstack asks a real one."""

from __future__ import annotations

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import is_trusted_as_template

from ansible_collections.faultline.openstack.plugins.inventory import os_routers
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

PLUGIN = "plugin: faultline.openstack.os_routers\n"
NODES = """\
all:
  vars: {ansible_port: 2222}
  children:
    network:
      hosts:
        one: {ansible_host: 192.0.2.1, fqdn: net1.example.org}
      vars: {ansible_user: stack, ansible_become: true, ansible_become_method: sudo}
"""


def router(number, name="edge", **more):
    return {
        "id": f"0000000{number}-aaaa", "name": name, "project": "p1", "project_name": "blue", "health": "ok", "debug": None, "active": "net1",
        "agents": [{"host": "net1", "alive": True, "state": "active"}], **more}


class Cloud:
    """Routers that knows some."""

    there: list = []
    asked: list = []

    def __init__(self, connection):
        Cloud.asked.append(connection)

    def described(self):
        return Cloud.there


@pytest.fixture(name="inventory")
def fixture_inventory(tmp_path, monkeypatch):
    """inventory(text, nodes): what Ansible makes of two files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os_routers, "Routers", Cloud)
    monkeypatch.setattr(os_routers._cloud, "Connection", lambda options: {key: value for key, value in options.items() if value is not None})
    Cloud.there = [router(1), router(2, "core", health="down", debug={"by": "project", "reason": "x"}, project="p2", project_name="red")]
    Cloud.asked = []

    def make(text, nodes=NODES):
        paths = [tmp_path / "nodes.yml", tmp_path / "routers.yml"]
        for path, content in zip(paths, (nodes, PLUGIN + text), strict=True):
            path.write_text(content)
        return InventoryManager(loader=DataLoader(), sources=[str(path) for path in paths])

    return make


def groups(inventory):
    return {name: sorted(host.name for host in group.hosts) for name, group in inventory.groups.items() if name.startswith("os_routers")}


def said(capsys):
    return " ".join(capsys.readouterr().err.split())


def test_routers_are_hosts_on_their_active_nodes(inventory, tmp_path, capsys):
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "network.yml").write_text("ansible_ssh_private_key_file: /k\n")
    found = inventory("cloud: lab\n")
    assert groups(found) == {
        "os_routers": ["router_core", "router_edge"], "os_routers_ok": ["router_edge"], "os_routers_down": ["router_core"],
        "os_routers_project_blue": ["router_edge"], "os_routers_project_red": ["router_core"], "os_routers_debug": ["router_core"]}
    told = found.get_host("router_edge").get_vars()
    assert {name: value for name, value in told.items() if name.startswith("ansible_")} == {
        "ansible_host": "192.0.2.1", "ansible_user": "stack", "ansible_port": 2222, "ansible_ssh_private_key_file": "/k", "ansible_become": True,
        "ansible_become_method": "faultline.openstack.netns", "ansible_netns": "qrouter-00000001-aaaa"}
    assert told["os_router"]["project_name"] == "blue" and Cloud.asked == [{"cloud": "lab"}]
    # what faults ask for marks
    assert told["faultline_cloud"] == "lab" and "faultline_cloud" not in inventory("").get_host("router_edge").get_vars()
    assert "WARNING" not in said(capsys)


def test_users_say_how_nodes_are_reached(inventory):
    found = inventory("nodes: {net1: {ansible_host: 192.0.2.9, ansible_user: root}}\n", "all: {hosts: {}}\n")
    told = found.get_host("router_edge").get_vars()
    assert (told["ansible_host"], told["ansible_user"]) == ("192.0.2.9", "root")


def test_a_node_that_nobody_knows_is_told(inventory, capsys):
    assert inventory("", "all: {hosts: {other: {}}}\n").get_host("router_edge").get_vars()["ansible_host"] == "net1"
    assert "no host before it in the inventory is net1, so these are reached by their own names" in said(capsys)


def test_one_on_no_node_is_there_all_the_same(inventory, capsys):
    Cloud.there = [router(1, active=None, agents=[], health="down")]
    assert groups(inventory(""))["os_routers_down"] == ["router_edge"]
    assert "router_edge is on no node, so nothing can run there." in said(capsys)


def test_only_those_of_a_project(inventory, monkeypatch):
    assert groups(inventory("project: red\n"))["os_routers"] == ["router_core"]
    monkeypatch.setenv("FAULTLINE_ROUTER_PROJECT", "p1")
    assert groups(inventory(""))["os_routers"] == ["router_edge"]


def test_what_a_cloud_says_is_no_template(inventory):
    Cloud.there = [router(1, "{{ lookup('pipe', 'id') }}")]
    (host,) = inventory("").groups["os_routers"].hosts
    assert host.name == "router____lookup__pipe____id_____" and not is_trusted_as_template(host.get_vars()["os_router"]["name"])


def test_users_may_compose_more(inventory):
    found = inventory("compose: {node: os_router.active}\nkeyed_groups: [{key: os_router.active, prefix: active_on}]\n")
    assert found.get_host("router_edge").get_vars()["node"] == "net1"
    assert len(found.groups["active_on_net1"].hosts) == 2


@pytest.mark.parametrize("text", ["plugin: faultline.openstack.os_cluster\n", "hosts: [a]\n", "# plugin: faultline.openstack.os_routers\n"])
def test_files_of_others_are_left_to_them(tmp_path, text):
    path = tmp_path / "other.yml"
    path.write_text(text)
    assert not os_routers.InventoryModule().verify_file(str(path))


def test_an_error_names_the_file(inventory, monkeypatch, capsys):
    def refuse(_options):
        raise FaultlineError("There is no cloud lba in clouds.yaml.", code="no_credentials", hint="It has: lab.")

    monkeypatch.setattr(os_routers._cloud, "Connection", refuse)
    assert groups(inventory("cloud: lba\n")) == {}
    told = said(capsys)
    assert "There is no cloud lba in clouds.yaml. It has: lab." in told and "routers.yml" in told
