# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin, as Ansible's own inventory manager runs it, with instances as the cloud would give them. tests/openstack asks a real one."""

from __future__ import annotations

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import is_trusted_as_template

from ansible_collections.faultline.openstack.plugins.inventory import os_cluster
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

PLUGIN = "plugin: faultline.openstack.os_cluster\n"


def instance(kind, number, session="s1", **more):
    return {
        "id": f"u-{kind}-{number}", "we_id": f"w-{kind}-{number}", "name": f"whenenv-{kind}-{number}", "session": session, "type": kind, "status": "ACTIVE",
        "image": "tiny", "address": f"192.0.2.{number}", "labels": {"CEPH_LAYOUT": [kind.upper()]}, "metadata": {"WE_NUMBER": number}, **more}


class Cloud:
    """A Cluster that knows some instances."""

    instances_there: list = []
    current = "s1"
    asked: list = []

    def __init__(self, connection, seconds):
        assert seconds
        Cloud.asked.append(connection)

    def instances(self, sessions=None):
        return [each for each in Cloud.instances_there if sessions is None or each["session"] in sessions]

    def sessions(self, origin):
        assert origin["WE_HOSTNAME"]
        return [{"session": name, "current": name == Cloud.current} for name in ("s1", "s2")]


@pytest.fixture(name="inventory")
def fixture_inventory(tmp_path, monkeypatch):
    """inventory(text): what Ansible makes of a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAULTLINE_CLUSTER_SESSION", raising=False)
    monkeypatch.setattr(os_cluster, "Cluster", Cloud)
    monkeypatch.setattr(os_cluster._cloud, "Connection", lambda options: {key: value for key, value in options.items() if value is not None})
    Cloud.instances_there = [instance("mon", 1), instance("osd", 1), instance("osd", 2), instance("mon", 1, "s2", we_id="other-uuid", address="192.0.2.9")]
    Cloud.current, Cloud.asked = "s1", []

    def make(text):
        path = tmp_path / "cluster" / "cluster.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return InventoryManager(loader=DataLoader(), sources=[str(path)])

    return make


def groups(inventory):
    return {name: sorted(host.name for host in group.hosts) for name, group in inventory.groups.items() if name not in ("all", "ungrouped")}


def test_the_current_session_is_hosts_in_groups_by_their_labels(inventory):
    found = inventory(PLUGIN + "cloud: lab\nuser: debian\nprivate_key: /k\n")
    assert groups(found) == {"os_cluster": ["mon-1", "osd-1", "osd-2"], "CEPH_LAYOUT_MON": ["mon-1"], "CEPH_LAYOUT_OSD": ["osd-1", "osd-2"]}
    told = found.get_host("osd-2").get_vars()
    assert (told["ansible_host"], told["ansible_user"], told["ansible_ssh_private_key_file"]) == ("192.0.2.2", "debian", "/k")
    assert told["fqdn"] == "whenenv-osd-2" and told["os_cluster"]["id"] == "u-osd-2"
    assert told["faultline_power"] == [{"driver": "openstack", "args": {"cloud": "lab"}}]
    assert Cloud.asked == [{"cloud": "lab"}]


@pytest.mark.parametrize(("text", "environment", "hosts"), [
    ("session: s2\n", {}, ["mon-1"]),
    ("", {"FAULTLINE_CLUSTER_SESSION": "s2"}, ["mon-1"]),
    ("session: all\n", {}, ["mon-1-other-uu", "mon-1-w-mon-1", "osd-1", "osd-2"]),
    ("session: none\n", {}, []),
])
def test_another_session_may_be_meant(inventory, monkeypatch, text, environment, hosts):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert groups(inventory(PLUGIN + text))["os_cluster"] == hosts


def test_without_a_current_session_there_are_no_hosts(inventory):
    Cloud.current = None
    assert groups(inventory(PLUGIN)) == {"os_cluster": []}


def test_one_without_an_address_is_left_out(inventory):
    Cloud.instances_there = [instance("mon", 1, address=None, status="BUILD"), instance("osd", 1)]
    assert groups(inventory(PLUGIN)) == {"os_cluster": ["osd-1"], "CEPH_LAYOUT_OSD": ["osd-1"]}


def test_an_account_file_is_beside_the_file_that_names_it_and_its_password_in_no_variable(inventory, tmp_path):
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "account").write_text('[main]\nusername = "u"\npassword = "secret1"\nauth_url = "http://192.0.2.1:5000"\ntenant = "t"\n')
    found = inventory(PLUGIN + "account_file: account\n")
    assert Cloud.asked[0]["auth"]["password"] == "secret1"
    told = found.get_host("mon-1").get_vars()
    assert "faultline_power" not in told and "secret1" not in str(told)


def test_what_a_cloud_says_is_no_template(inventory):
    Cloud.instances_there = [instance("mon", 1, labels={"X": ["{{ lookup('pipe', 'id') }}"]})]
    found = inventory(PLUGIN)
    (text,) = found.get_host("mon-1").get_vars()["os_cluster"]["labels"]["X"]
    assert not is_trusted_as_template(text) and "X____lookup__pipe____id_____" in groups(found)


def test_users_may_compose_more(inventory):
    found = inventory(
        PLUGIN + "compose: {kind: os_cluster.type}\ngroups: {first: ansible_host.endswith('.1')}\nkeyed_groups: [{key: os_cluster.image, prefix: image}]\n")
    assert found.get_host("mon-1").get_vars()["kind"] == "mon"
    assert groups(found)["first"] == ["mon-1", "osd-1"] and groups(found)["image_tiny"] == ["mon-1", "osd-1", "osd-2"]


@pytest.mark.parametrize("text", ["plugin: other.collection.os_cluster\n", "hosts: [a]\n", "# plugin: faultline.openstack.os_cluster\n"])
def test_files_of_others_are_left_to_them(inventory, tmp_path, text):
    plugin = os_cluster.InventoryModule()
    path = tmp_path / "other.yml"
    path.write_text(text)
    assert not plugin.verify_file(str(path))


def test_an_error_names_the_file(inventory, monkeypatch, capsys):
    def refuse(_options):
        raise FaultlineError("There is no cloud lba in clouds.yaml.", code="no_credentials", hint="It has: lab.")

    monkeypatch.setattr(os_cluster._cloud, "Connection", refuse)
    assert groups(inventory(PLUGIN + "cloud: lba\n")) == {}
    said = " ".join(capsys.readouterr().err.split())
    assert "There is no cloud lba in clouds.yaml. It has: lab." in said and "cluster.yml" in said
