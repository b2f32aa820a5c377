# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin, as Ansible's own inventory manager runs it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import EncryptedString, VaultEditor, VaultLib, VaultSecret
from ansible.plugins.loader import inventory_loader
from ansible.template import is_trusted_as_template

from ansible_collections.faultline.openstack.plugins.plugin_utils import _ssh

CLOUD = """
cloud_management: {driver: universal}
node_discover:
  driver: node_list
  args:
    - {ip: 10.0.0.11, fqdn: ctl1, mac: 52:54:00:12:34:56, libvirt_name: vm1, auth: {username: stack, password: "{{ x }}"}}
    - {ip: 10.0.0.12, auth: {username: root}}
services:
  nova-api: {driver: system_service, args: {service_name: nova-api, grep: nova-api}, hosts: [10.0.0.11]}
containers:
  nova_api: {driver: docker_container, args: {container_name: nova_api}, hosts: [10.0.0.12]}
power_managements:
  - {driver: libvirt, args: {connection_uri: "qemu+unix:///system"}}
"""
UNMAPPED = CLOUD.replace(", hosts: [10.0.0.11]", "").replace(", hosts: [10.0.0.12]", "")
PLUGIN = "plugin: faultline.openstack.os_faults\n"


@pytest.fixture(name="inventory")
def fixture_inventory(tmp_path, monkeypatch):
    """inventory(text, name): what Ansible makes of a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OS_FAULTS_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    def make(text, name="os-faults.yaml", cache=True, secret=None):
        path = tmp_path / name
        if text is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        loader = DataLoader()
        if secret:
            loader.set_vault_secrets([("default", VaultSecret(secret))])
        return InventoryManager(loader=loader, sources=[str(path)], cache=cache)

    return make


def groups(inventory):
    return {
        name: sorted(host.name for host in group.hosts)
        for name, group in inventory.groups.items()
        if name not in ("all", "ungrouped")
    }


def variables(inventory, host):
    return inventory.get_host(host).get_vars()


@pytest.mark.parametrize("name", ["config.json", "cloud.yaml", "hosts.yml"])
def test_a_file_is_known_by_its_content(inventory, name):
    text = CLOUD.replace("52:54:00:12:34:56", '"52:54:00:12:34:56"')
    found = inventory(json.dumps(yaml.safe_load(text)) if name.endswith("json") else text, name)
    assert groups(found) == {"service_nova_api": ["ctl1"], "container_nova_api": ["10.0.0.12"]}


def test_a_mistake_in_a_file_of_any_name_ends_the_run(inventory, capsys):
    with pytest.raises(SystemExit):
        inventory(CLOUD.replace("fqdn: ctl1", "fqdm: ctl1"), "config.yaml")
    assert "args[0].fqdm: found an unknown key" in capsys.readouterr().err


def test_a_group_of_that_name_in_a_file_of_ansibles_own_is_left_to_ansible(inventory):
    found = inventory("cloud_management:\n  hosts:\n    one: {driver: 1}\n", "hosts.yaml")
    assert groups(found) == {"cloud_management": ["one"]}


def test_keys_that_mean_nothing_here_are_told_once(inventory, capsys):
    found = inventory("x-anchors: {}\nwords: 1\n" + CLOUD)
    assert sorted(found.hosts) == ["10.0.0.12", "ctl1"]
    said = capsys.readouterr().err
    assert "words" in said and "passed over" in said and "x-anchors" not in said


@pytest.mark.parametrize("name", ["os-faults.yaml", "os-faults.yml", "os-faults.json", "my-os-faults.yaml", "os_faults.yml"])
def test_an_unchanged_file(inventory, name):
    text = CLOUD.replace("52:54:00:12:34:56", '"52:54:00:12:34:56"')
    if name.endswith("json"):
        text = json.dumps(yaml.safe_load(text))
    found = inventory(text, name)
    assert groups(found) == {"service_nova_api": ["ctl1"], "container_nova_api": ["10.0.0.12"]}
    first, second = variables(found, "ctl1"), variables(found, "10.0.0.12")
    assert (first["fqdn"], first["mac"], first["libvirt_name"]) == ("ctl1", "52:54:00:12:34:56", "vm1")
    assert first["ansible_host"] == "10.0.0.11" and first["ansible_become"] is True
    assert "ansible_become" not in second and "mac" not in second and "fqdn" not in second
    definition = {"driver": "system_service", "unit": ["nova-api"], "grep": "nova-api"}
    assert first["faultline_services"] == {"nova-api": definition} and second["faultline_services"] == {}
    assert second["faultline_containers"] == {"nova_api": {"driver": "docker_container", "container_name": "nova_api"}}
    for told in (first, second):
        assert told["faultline_service_definitions"] == {"nova-api": definition}
        assert told["faultline_power"] == [{"driver": "libvirt", "args": {"connection_uri": "qemu+unix:///system"}}]
        assert told["faultline_config_file"].endswith(name)


def test_a_service_runs_in_a_container_on_one_node_and_as_a_unit_on_another(inventory):
    kept = "faultline: {in_containers: {nova-api: {driver: docker_container, args: {container_name: nova_api}, hosts: [10.0.0.12]}}}\n"
    found = inventory(CLOUD + kept)
    assert groups(found)["service_nova_api"] == ["10.0.0.12", "ctl1"]
    assert variables(found, "ctl1")["faultline_services"]["nova-api"]["unit"] == ["nova-api"]
    assert variables(found, "10.0.0.12")["faultline_services"] == {"nova-api": {"driver": "docker_container", "container_name": "nova_api"}}


def test_nothing_of_the_file_is_a_template(inventory):
    """A password may look like one."""
    password = variables(inventory(CLOUD), "ctl1")["ansible_password"]
    assert password == "{{ x }}" and not is_trusted_as_template(password)


def test_a_service_without_hosts_has_no_group_and_nobody_has_looked(inventory):
    found = inventory(UNMAPPED)
    assert groups(found) == {}
    told = variables(found, "ctl1")
    assert "faultline_services" not in told and "faultline_containers" not in told
    assert "nova-api" in told["faultline_service_definitions"]


def test_one_service_without_hosts_leaves_it_open_what_runs_on_a_host(inventory):
    mixed = CLOUD.replace("containers:\n", "  app: {driver: process, args: {grep: app}}\ncontainers:\n")
    found = inventory(mixed)
    assert groups(found)["service_nova_api"] == ["ctl1"] and "service_app" not in groups(found)
    assert "faultline_services" not in variables(found, "ctl1")


def test_a_file_may_hold_the_cloud_itself(inventory):
    found = inventory(PLUGIN + "keyed_groups: [{key: libvirt_name, prefix: vm}]\ncompose: {rack: fqdn ~ '-rack'}\n" + CLOUD, "any.yml")
    assert groups(found) == {"service_nova_api": ["ctl1"], "container_nova_api": ["10.0.0.12"], "vm_vm1": ["ctl1"]}
    assert variables(found, "ctl1")["rack"] == "ctl1-rack"


@pytest.mark.parametrize("place", ["option", "environment", "here", "~/.config/os-faults", "~/.config/openstack"])
def test_a_file_may_name_the_cloud(inventory, tmp_path, monkeypatch, place):
    folder = tmp_path / "elsewhere"
    if place == "here":
        folder = tmp_path
    elif place.startswith("~"):
        folder = pathlib.Path(os.path.expanduser(place))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "os-faults.json").write_text(json.dumps({"cloud_management": {"driver": "devstack", "args": {"address": "a", "username": "u"}}}))
    text = PLUGIN
    if place == "option":
        # from the file that says so, not from the current directory
        text += "config_file: ../elsewhere/os-faults.json\n"
    elif place == "environment":
        monkeypatch.setenv("OS_FAULTS_CONFIG", str(folder / "os-faults.json"))
    found = inventory(text, "inventories/faultline.yml")
    assert list(found.hosts) == ["a"]
    assert variables(found, "a")["faultline_iface"] == "eth0"


VAULT = VaultLib([("default", VaultSecret(b"the-vault-password"))])


def test_a_vaulted_file(inventory, tmp_path):
    (tmp_path / "os-faults.yaml").write_text(CLOUD)
    VaultEditor(VAULT).encrypt_file(str(tmp_path / "os-faults.yaml"), VaultSecret(b"the-vault-password"))
    assert groups(inventory(None, secret=b"the-vault-password"))["service_nova_api"] == ["ctl1"]


def test_a_vaulted_value_stays_so_until_it_is_used(inventory):
    value = VAULT.encrypt(b"S3cret").decode().strip().replace("\n", "\n        ")
    vaulted = "ip: 10.0.0.12\n      auth:\n       password: !vault |\n        " + value
    # no vault password is known here
    password = variables(inventory(CLOUD.replace("{ip: 10.0.0.12, auth: {username: root}}", vaulted)), "10.0.0.12")["ansible_password"]
    assert isinstance(password, EncryptedString)


@pytest.mark.parametrize("name", ["os-faults.yaml", "os-faults.json"])
@pytest.mark.parametrize("text", ["cloud_managment: {driver: universal}\n", "a: [\n", "", "[]"])
def test_a_bad_unchanged_file_ends_the_run(inventory, capsys, name, text):
    """Else Ansible's YAML plugin would make groups of it, and the run would end well with no hosts."""
    with pytest.raises(SystemExit) as caught:
        inventory(text, name)
    assert caught.value.code == 4
    assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLUGIN + "cloud_managment: {}\n", "Did you mean cloud_management?"),
        (PLUGIN + "services: {}\n", "cloud_management: found nothing, expected it beside services"),
        (PLUGIN + "config_file: nowhere.yaml\n", "nowhere.yaml', which is not there"),
        (PLUGIN, "there is no os-faults.json, os-faults.yaml or os-faults.yml in"),
        (PLUGIN + "networks: {storage: nowhere}\n" + CLOUD, "networks.storage: found 'nowhere'"),
        (PLUGIN + CLOUD.replace("fqdn: ctl1", "fdqn: ctl1"), "node_discover.args[0].fdqn: found an unknown key"),
    ],
)
def test_a_bad_file_with_plugin_is_an_ordinary_parser_error(inventory, capsys, text, said):
    found = inventory(text, "cloud.yml")
    assert not found.hosts
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("name", "text", "ours"),
    [
        ("os-faults.yaml", "", True), ("os-faults.json", "", True), ("prod.os_faults.yml", "", True), ("os-faults.prod.yaml", "", True),
        ("os-faults.ini", "", False), ("not-os-faultsx.yaml", "", False), ("hosts.yml", "all: {}", False),
        ("hosts.yml", "---\n# mine\nplugin: 'faultline.openstack.os_faults'\n", True),
        ("hosts.yml", "plugin: other.os_faults\n", False),
    ],
)
def test_which_files_are_ours(tmp_path, name, text, ours):
    (tmp_path / name).write_text(text)
    assert inventory_loader.get("faultline.openstack.os_faults").verify_file(str(tmp_path / name)) is ours


# -- discovery --------------------------------------------------------------------------------------------------------

FOUND = {
    "services": {"nova-api": {"driver": "system_service", "unit": ["nova-api"], "active": True, "pids": [1]}, "mysql": {"driver": "process"}},
    "containers": {}, "networks": {"management": {"interface": "eth0", "cidr": "10.0.0.0/24", "mac": "aa"}},
    "host": {"fqdn": "found.example.org", "mac": "aa"}, "complete": True, "lacking": [], "seconds": 0.1,
}
DISCOVER = PLUGIN + "discover: true\nnetworks: {storage: 10.1.0.0/24}\n"


@pytest.fixture(name="asked")
def fixture_asked(monkeypatch):
    """The questions that were put to nodes."""
    asked = []

    def probe_all(nodes, spec, settings, forks):
        asked.append({"nodes": [node.name for node in nodes], "spec": spec, "settings": settings, "forks": forks})
        return {"ctl1": {"found": FOUND}, "10.0.0.12": {"error": "no answer within 10 s"}}

    monkeypatch.setattr(_ssh, "probe_all", probe_all)
    return asked


def test_nobody_is_asked_unless_the_user_says_so(inventory, asked):
    inventory(CLOUD)
    inventory(PLUGIN + CLOUD, "a.yml")
    assert asked == []


def test_what_was_found_is_known(inventory, asked):
    found = inventory(DISCOVER + UNMAPPED, "a.yml")
    # a container that was found nowhere may be where nobody could look
    assert groups(found) == {"service_nova_api": ["ctl1"], "service_mysql": ["ctl1"], "unprobed": ["10.0.0.12"]}
    alive, dead = variables(found, "ctl1"), variables(found, "10.0.0.12")
    assert alive["faultline_services"] == FOUND["services"] and alive["faultline_containers"] == {}
    assert alive["faultline_networks"] == FOUND["networks"] and alive["mac"] == "52:54:00:12:34:56"
    assert dead["faultline_probe_error"] == "no answer within 10 s" and "faultline_services" not in dead
    assert alive["faultline_partial_groups"] == dead["faultline_partial_groups"] == ["service_mysql", "service_nova_api"]
    (question,) = asked
    assert question["spec"]["networks"] == {"storage": {"cidr": "10.1.0.0/24"}}
    assert {"nova-api", "mysql", "keystone"} <= set(question["spec"]["services"]) and question["forks"] == 50


def test_what_a_node_could_not_tell_is_told_and_makes_no_group(inventory, asked, monkeypatch, capsys):
    unseen = {"services": {"nova-api": "systemctl told nothing"}, "containers": {}}
    part = {**FOUND, "services": {}, "lacking": ["systemctl told nothing"], "complete": False, "unseen": unseen}
    monkeypatch.setattr(_ssh, "probe_all", lambda *_args: {"ctl1": {"found": part}, "10.0.0.12": {"found": part}})
    found = inventory(DISCOVER + UNMAPPED, "a.yml")
    assert groups(found) == {"container_nova_api": []}
    assert variables(found, "ctl1")["faultline_unseen"] == unseen
    assert "ctl1 could be probed in part only: systemctl told nothing" in " ".join(capsys.readouterr().err.split())


def test_a_group_that_a_node_may_belong_to_which_could_not_tell_is_named(inventory, monkeypatch):
    part = {**FOUND, "services": {}, "unseen": {"services": {"nova-api": "systemctl told nothing"}, "containers": {}}}
    monkeypatch.setattr(_ssh, "probe_all", lambda *_args: {"ctl1": {"found": FOUND}, "10.0.0.12": {"found": part}})
    found = inventory(DISCOVER + UNMAPPED, "a.yml")
    assert groups(found) == {"service_nova_api": ["ctl1"], "service_mysql": ["ctl1"], "container_nova_api": []}
    assert variables(found, "ctl1")["faultline_partial_groups"] == ["service_nova_api"]


def test_a_full_look_leaves_no_partial_group(inventory, monkeypatch):
    monkeypatch.setattr(_ssh, "probe_all", lambda *_args: {"ctl1": {"found": FOUND}, "10.0.0.12": {"found": FOUND}})
    assert "faultline_partial_groups" not in variables(inventory(DISCOVER + UNMAPPED, "a.yml"), "ctl1")


def test_a_node_that_did_not_answer_is_not_known_though_the_file_has_hosts_for_all(inventory, asked):
    mapped = UNMAPPED.replace("grep: nova-api}}", "grep: nova-api}, hosts: [10.0.0.11, 10.0.0.12]}")
    found = inventory(DISCOVER + mapped, "a.yml")
    assert groups(found)["service_nova_api"] == ["10.0.0.12", "ctl1"]
    assert variables(found, "ctl1")["faultline_partial_groups"] == ["service_mysql"], "what the file says is no look"
    assert "faultline_services" not in variables(found, "10.0.0.12")


MARKED = CLOUD + """
faultline:
  partial:
    services: {nova-api: {10.0.0.12: timed out}}
"""


def test_what_a_partial_look_has_written_is_no_full_list(inventory, capsys):
    found = inventory(MARKED)
    said = " ".join(capsys.readouterr().err.split())
    assert "some nodes could not tell whether they belong to these groups, which have only the others: service_nova_api" in said
    assert groups(found)["service_nova_api"] == ["ctl1"]
    assert variables(found, "ctl1")["faultline_partial_groups"] == variables(found, "10.0.0.12")["faultline_partial_groups"] == ["service_nova_api"]
    assert variables(found, "10.0.0.12")["faultline_unseen"] == {"services": {"nova-api": "timed out"}, "containers": {}}
    assert "faultline_unseen" not in variables(found, "ctl1")


def test_a_mark_of_what_a_file_does_not_have_any_more_says_nothing(inventory, capsys):
    found = inventory(MARKED.replace("{nova-api: {10.0.0.12:", "{gone: {10.0.0.12: timed out}, nova-api: {10.0.0.19:"))
    assert groups(found)["service_nova_api"] == ["ctl1"] and "faultline_partial_groups" not in variables(found, "ctl1")
    with pytest.raises(SystemExit):
        inventory(MARKED.replace("timed out", "5"))
    assert "faultline.partial.services.nova-api" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("answer, members, partial", [
    ({"found": FOUND}, ["10.0.0.12", "ctl1"], None),
    ({"found": {**FOUND, "services": {}}}, ["ctl1"], None),
    ({"found": {**FOUND, "services": {}, "unseen": {"services": {"nova-api": "x"}, "containers": {}}}}, ["ctl1"], ["service_nova_api"]),
    ({"error": "no route"}, ["ctl1"], ["service_mysql", "service_nova_api"]),
])
def test_a_mark_holds_until_the_node_can_tell(inventory, monkeypatch, answer, members, partial):
    monkeypatch.setattr(_ssh, "probe_all", lambda *_args: {"ctl1": {"found": FOUND}, "10.0.0.12": answer})
    found = inventory(DISCOVER + MARKED, "a.yml")
    assert groups(found)["service_nova_api"] == members and variables(found, "ctl1").get("faultline_partial_groups") == partial
    if members[0] != "ctl1":
        assert "nova-api" in variables(found, "10.0.0.12")["faultline_services"]


def test_a_node_named_as_the_group_of_what_was_found(inventory, monkeypatch, capsys):
    monkeypatch.setattr(_ssh, "probe_all", lambda *_args: {"service_mysql": {"found": FOUND}})
    inventory(DISCOVER + UNMAPPED.replace("fqdn: ctl1", "fqdn: service_mysql"), "a.yml")
    assert "a node is named 'service_mysql', which is the group of the service mysql that was found" in " ".join(capsys.readouterr().err.split())


def test_what_the_file_says_is_taken_as_it_is(inventory, asked):
    mapped = UNMAPPED.replace("grep: nova-api}}", "grep: nova-api}, hosts: [10.0.0.12]}")
    found = inventory(DISCOVER + mapped, "a.yml")
    assert groups(found)["service_nova_api"] == ["10.0.0.12"]
    assert "nova-api" not in variables(found, "ctl1")["faultline_services"]


def test_a_service_that_the_file_calls_otherwise_is_looked_for_under_that_name_only(inventory, asked):
    inventory(DISCOVER + UNMAPPED.replace("nova-api:", "mariadb:").replace("nova_api:", "mysql:"), "a.yml")
    (question,) = asked
    assert "mariadb" in question["spec"]["services"] and "mysql" not in question["spec"]["services"]
    assert "mysql" in question["spec"]["containers"] and "mariadb" not in question["spec"]["containers"]


def test_the_environment_can_ask(inventory, asked, monkeypatch):
    monkeypatch.setenv("FAULTLINE_DISCOVER", "true")
    monkeypatch.setenv("ANSIBLE_SSH_COMMON_ARGS", "-o Foo=bar")
    inventory(UNMAPPED)
    assert asked[0]["settings"]["args"][-2:] == ["-o", "Foo=bar"]


def test_answers_are_kept_in_the_inventory_cache(inventory, asked, tmp_path):
    cached = f"cache: true\ncache_plugin: ansible.builtin.jsonfile\ncache_connection: {tmp_path}/cache\n"
    text = DISCOVER + cached + UNMAPPED
    first = groups(inventory(text, "a.yml"))
    assert groups(inventory(text, "a.yml")) == first and len(asked) == 1
    kept = "".join(path.read_text() for path in (tmp_path / "cache").iterdir())
    assert "{{ x }}" not in kept, "no secret is kept"
    # the user asks for a refresh, or the file has changed
    inventory(text, "a.yml", cache=False)
    assert len(asked) == 2
    inventory(text.replace("grep: nova-api", "grep: nova_api"), "a.yml")
    assert len(asked) == 3


def test_compose_and_groups_see_what_was_found(inventory, asked):
    text = DISCOVER + "compose: {named: faultline_host.fqdn}\ngroups: {databases: \"'mysql' in (faultline_services | default({}))\"}\n"
    found = inventory(text + UNMAPPED, "a.yml")
    assert groups(found)["databases"] == ["ctl1"]
    assert variables(found, "ctl1")["named"] == "found.example.org"


def test_the_documented_configuration_of_ansible_enables_the_plugin(tmp_path):
    (tmp_path / "os-faults.yaml").write_text(CLOUD)
    done = subprocess.run(
        ["ansible-inventory", "-i", str(tmp_path / "os-faults.yaml"), "--graph"], capture_output=True, text=True, check=True,
    )
    assert "|--@service_nova_api:\n  |  |--ctl1" in done.stdout
    # others warn of this machine as they like
    assert not [line for line in done.stderr.splitlines() if "os_faults" in line or "faultline" in line or "probed" in line], done.stderr
