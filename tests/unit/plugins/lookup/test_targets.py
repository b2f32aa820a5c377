# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A playbook that no host matches fails and says why: nothing matched is never a success."""

from __future__ import annotations

import json
import os

import pytest
from warm_ansible import ROOT, run_ansible

HOSTS = "all:\n  children:\n    web:\n      hosts:\n        a: {ansible_connection: local}\n        b: {ansible_connection: local}\n"
CLOUD = '{"cloud_management": {"driver": "universal"}, "node_discover": {"driver": "node_list", "args": [{"ip": "192.0.2.20"}]}}'
PLAY = """
- hosts: "{{ lookup('faultline.openstack.targets', targets | default('all')) }}"
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: here {{ inventory_hostname }}
"""


@pytest.fixture(name="play")
def fixture_play(tmp_path):
    """play(*options): a play on `targets`; what it said, and its exit code."""
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "hosts.yml").write_text(HOSTS)

    def run(*options, **environment):
        done = run_ansible(["ansible-playbook", str(tmp_path / "play.yml"), *[option.replace("HERE", str(tmp_path)) for option in options]], **environment)
        return done.stdout + done.stderr, done.returncode

    return run


@pytest.mark.parametrize("options, who", [
    ((), ["a", "b"]), (("-e", "targets=web"), ["a", "b"]), (("-e", '{"targets": ["a", "nobody"]}'), ["a"]), (("-e", "targets=all:!a"), ["b"]),
    (("-e", "targets=web", "--limit", "b"), ["b"]),
])
def test_who_is_meant(play, options, who):
    said, code = play("-i", "HERE/hosts.yml", *options)
    assert code == 0 and [name for name in ("a", "b") if f"here {name}" in said] == who, said


@pytest.mark.parametrize("options, why", [
    (("-i", "HERE/nothing.yml"), "nothing.yml is not there."),
    (("-i", "HERE/hosts.yml", "-e", "targets=wep"), "No host of the inventory matches 'wep'. Nothing was done. Did you mean web?"),
    (("-i", "HERE/hosts.yml", "-e", "targets=web:!web"), "No host of the inventory matches 'web:!web'"),
    (("-i", "HERE/hosts.yml", "-e", "targets=a", "--limit", "b"), "No host that matches 'a' matches the limit 'b' too."),
    ((), "Name one with -i"),
])
def test_nobody_is_meant(play, options, why):
    said, code = play(*options)
    assert code == 4 and why in " ".join(said.split()), said


def test_a_file_of_os_faults_that_our_plugin_has_not_taken(play, tmp_path):
    (tmp_path / "config.json").write_text(CLOUD)
    (tmp_path / "plain.cfg").write_text("[defaults]\n")
    said, code = play("-i", "HERE/config.json", ANSIBLE_CONFIG=str(tmp_path / "plain.cfg"))
    assert code == 4 and "enable_plugins = faultline.openstack.os_faults" in said, said


@pytest.mark.parametrize("option", ["--syntax-check", "--list-hosts", "--list-tasks"])
def test_who_only_reads_the_playbook_needs_no_inventory(play, option):
    said, code = play(option)
    assert code == 0, said


SCENARIO = {"name": "quiet", "disruptions": [], "monitors": [], "baseline": 0}


@pytest.mark.parametrize("name", ["disrupt", "heal", "verify", "discover", "ha_test"])
def test_the_playbooks_of_ours(name, tmp_path):
    done = run_ansible(["ansible-playbook", f"faultline.openstack.{name}", "-i", str(tmp_path / "nothing.yml"), "-e", json.dumps(
        {"fault": "kill x service", "ha_test_scenario": SCENARIO, "ha_test_dir": str(tmp_path / "runs")})])
    assert done.returncode == 4 and "nothing.yml is not there" in done.stdout + done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_configuration_that_our_plugin_has_not_taken_is_no_inventory_to_certify(tmp_path):
    (tmp_path / "config.json").write_text(CLOUD)
    (tmp_path / "plain.cfg").write_text(f"[defaults]\ncollections_path = {ROOT / '.venv/collections'}\n")
    done = run_ansible([
        "ansible-playbook", "faultline.openstack.ha_test", "-i", str(tmp_path / "config.json"), "-e", json.dumps({"ha_test_scenario": SCENARIO})],
        ANSIBLE_CONFIG=str(tmp_path / "plain.cfg"))
    assert done.returncode == 4 and "enable_plugins = faultline.openstack.os_faults" in done.stderr, done.stdout + done.stderr


def certified(tmp_path, *options, **scenario):
    """ha_test in check mode with a scenario; what it said, and its exit code."""
    done = run_ansible([
        "ansible-playbook", "faultline.openstack.ha_test", "--check", *options,
        "-e", json.dumps({"ha_test_scenario": {**SCENARIO, **scenario}, "ha_test_dir": str(tmp_path / "runs")})])
    return " ".join((done.stdout + done.stderr).split()), done.returncode


def test_a_run_that_breaks_nothing_and_watches_no_host_needs_no_inventory(tmp_path):
    said, code = certified(tmp_path)
    assert code == 0 and "quiet: 30 seconds of disruptions" in said, said
    # one without hosts is no mistake of its own
    (tmp_path / "empty.yml").write_text("all: {}\n")
    said, code = certified(tmp_path, "-i", str(tmp_path / "empty.yml"))
    assert code == 0 and "quiet: 30 seconds of disruptions" in said, said


def test_a_run_without_an_inventory_that_is_limited_is_refused(tmp_path):
    said, code = certified(tmp_path, "--limit", "x")
    assert code == 4 and "runs on the controller, which the limit 'x' leaves out. Nothing was done." in said, said


def test_a_run_is_limited_to_some_of_its_hosts(tmp_path):
    (tmp_path / "hosts.yml").write_text(HOSTS.replace("ansible_connection: local", "ansible_host: 192.0.2.1"))
    said, code = certified(tmp_path, "-i", str(tmp_path / "hosts.yml"), "--limit", "a", disruptions=[{"do": "reboot one node"}])
    assert code == 0 and "+0 s a, round 1" in said and "+0 s b" not in said, said


@pytest.mark.parametrize("sentence, why", [
    ("kill keystone service", "There is no node that runs keystone to choose from."), ("reboot one node", "There is no node to choose from."),
    ("reboot ctl1 node", "Unknown node 'ctl1'."),
])
def test_a_sentence_needs_an_inventory(tmp_path, sentence, why):
    said, code = certified(tmp_path, disruptions=[{"do": sentence}])
    assert code == 2 and f"{why} The inventory has no hosts: name one with -i, as in: -i os-faults.yaml" in said, said


# by name: what has to be said, and the variables without which it says so
PLAYBOOKS = {
    "cluster_buildup": "as the variable cluster_steering, as in -e cluster_steering=ceph.json",
    "cluster_debounce": "Give cloud", "cluster_list": "Give cloud", "cluster_teardown": "Give cloud",
    "ha_compare": "as the variables before and after",
    "ha_look": "as the variable ha_look_run",
    "ha_test": "as the variable ha_test_scenario",
    "router_ask": "Give cloud", "router_browse": "Give cloud", "router_orchestrate": "Give cloud", "router_poll": "Give cloud",
    "router_command": "as the variable router_event",
    "router_console": "There is no terminal to give.",
    "router_ssh": "Name one router: -e router_which=NAME.",
    "router_step": "as the variable router_which, as in -e router_which=web",
}
# whoever connects, fails in another way
OWNED = {"all": {"hosts": {"localhost": {
    "ansible_host": "192.0.2.7", "ansible_connection": "ssh", "ansible_ssh_timeout": 2, "ansible_become": True, "ansible_python_interpreter": "/nowhere"}}}}


def test_all_playbooks_are_known_here():
    there = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert there == {*PLAYBOOKS, "disrupt", "heal", "verify", "discover", "lab_up", "lab_down"}


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_what_was_not_told_is_named_on_the_controller_whatever_is_called_localhost(name, tmp_path):
    """With an inventory whose localhost is another machine, which is not connected to."""
    (tmp_path / "hosts.json").write_text(json.dumps(OWNED))
    clean = {each: "" for each in os.environ if each.startswith("OS_")}
    done = run_ansible(["ansible-playbook", f"faultline.openstack.{name}", "-i", str(tmp_path / "hosts.json")], HOME=str(tmp_path), **clean)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2 and PLAYBOOKS[name] in said and "unreachable=0" in said, said


def test_the_controller_is_not_the_node_of_its_own_address(tmp_path):
    """Ansible takes a host 127.0.0.1 of an inventory for localhost."""
    (tmp_path / "hosts.json").write_text(json.dumps(OWNED).replace('"localhost"', '"127.0.0.1"'))
    done = run_ansible(["ansible-playbook", "faultline.openstack.ha_compare", "-i", str(tmp_path / "hosts.json")])
    assert done.returncode == 2 and PLAYBOOKS["ha_compare"] in " ".join(done.stdout.split()), done.stdout
    done = run_ansible([
        "ansible-playbook", "faultline.openstack.ha_compare", "-i", str(tmp_path / "hosts.json"), "-e", f"before={tmp_path}/a", "-e", f"after={tmp_path}/b"])
    assert "unreachable=0" in done.stdout and str(tmp_path) in done.stdout, done.stdout


@pytest.mark.parametrize("name", ["cluster_list", "router_poll"])
def test_a_limit_that_leaves_out_the_controller(name, tmp_path):
    (tmp_path / "hosts.yml").write_text(HOSTS)
    done = run_ansible(["ansible-playbook", f"faultline.openstack.{name}", "-i", str(tmp_path / "hosts.yml"), "--limit", "a"])
    assert done.returncode == 4 and "runs on the controller, which the limit 'a' leaves out" in " ".join((done.stdout + done.stderr).split())


def test_a_limit_that_has_the_controller(tmp_path):
    (tmp_path / "hosts.yml").write_text(HOSTS)
    done = run_ansible(["ansible-playbook", "faultline.openstack.ha_compare", "-i", str(tmp_path / "hosts.yml"), "--limit", "a,localhost"])
    assert done.returncode == 2 and "before and after" in done.stdout


def test_a_disruption_that_was_not_told(tmp_path):
    (tmp_path / "hosts.yml").write_text(HOSTS)
    run = ["ansible-playbook", "faultline.openstack.disrupt", "-i", str(tmp_path / "hosts.yml")]
    done = run_ansible(run)
    assert done.returncode == 2 and "give a sentence as the variable fault" in done.stdout
    done = run_ansible([*run, "-e", "fault=kill keystone service"])
    assert done.returncode == 2 and "'keystone service' came after it" in done.stdout
