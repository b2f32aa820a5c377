# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults leave alone the nodes of routers in debug: real marks, real routers, sentences and ad-hoc faults, seen from the nodes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess

import pytest
import yaml
from lab_nodes import ROOT, wait_for
from patience import HANG

CLOUD, NAME, ALONE = "faultline-lab", "test-debug", "test-debug-alone"
AGENT = "neutron-l3-agent"
FREEZE = f"freeze {AGENT} service on %s for 3 seconds"
KNOWN = {"faultline_cloud": CLOUD}
WHY = f"router {NAME} is in debug: its NAT is looked into"


class Place:
    """Where an operator sits."""

    def __init__(self, lab, folder):
        self.lab, self.folder = lab, folder
        self.environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.folder / "clouds.yaml"), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
        self.nodes = {node.name: node for node in lab.kind("net")}

    def run(self, *argv, **environment):
        """(exit status, output) of a command."""
        done = subprocess.run(
            [str(word) for word in argv], cwd=ROOT, env={**self.environment, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=2 * HANG, check=False)
        return done.returncode, done.stdout + done.stderr

    def disrupt(self, sentence, known=None, **environment):
        given = json.dumps({"fault": sentence, **(KNOWN if known is None else known)})
        return self.run("ansible-playbook", "faultline.openstack.disrupt", "-i", self.lab.folder / "os-faults.yaml", "-e", given, **environment)

    def fault(self, host, module, *options, known=None, environment=None, **args):
        """The result of an ad-hoc fault."""
        _code, output = self.run(
            "ansible", host, "-i", self.lab.folder / "os-faults.yaml", "-m", f"faultline.openstack.{module}", "-a", json.dumps(args), "-e",
            json.dumps(KNOWN if known is None else known), *options, **{"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", **(environment or {})})
        assert "=> {" in output, output
        return json.loads(output[output.index("=> {") + 3:output.rindex("}") + 1])

    def router(self, **args):
        code, output = self.run("ansible", "localhost", "-m", "faultline.openstack.os_router", "-a", json.dumps({"cloud": CLOUD, **args}))
        assert code == 0, output

    def faults(self):
        """All faults that the network nodes have ever had."""
        return {name: node.sh("ls /var/lib/faultline/open /var/lib/faultline/closed 2>/dev/null", check=False) for name, node in self.nodes.items()}

    def holders(self, router):
        return sorted(agent.host for agent in self.lab.sdk.network.routers_hosting_l3_agents(router))


@pytest.fixture(scope="module")
def place(lab, tmp_path_factory):
    return Place(lab, tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def web(place, private_network):
    """A highly available router, on both nodes."""
    with private_network(NAME, "192.168.86.0/24") as made:
        wait_for(lambda: place.holders(made.router) == ["net1", "net2"], pause=1)
        yield made.router


@pytest.fixture(scope="module")
def alone(place):
    """(a router of a project of its own that one node has, that node, the other)."""
    api, identity = place.lab.sdk.network, place.lab.sdk.identity
    project = identity.create_project(name=ALONE, domain_id="default")
    router = api.create_router(name=ALONE, is_ha=False, project_id=project.id, external_gateway_info={"network_id": api.find_network("external").id})
    try:
        (holder,) = wait_for(lambda: place.holders(router), pause=1)
        (other,) = set(place.nodes) - {holder}
        yield router, holder, other
    finally:
        api.delete_router(router)
        identity.delete_project(project)


@contextlib.contextmanager
def debug(place, **which):
    place.router(action="debug", reason="its NAT is looked into", **which)
    try:
        yield
    finally:
        place.router(action="manage", **which)


@pytest.fixture
def marked(place, web):
    with debug(place, router=[NAME]):
        yield


@pytest.fixture
def untouched(place):
    """No node has a new fault when the test has ended, and no agent is stopped."""
    before = place.faults()
    yield
    assert place.faults() == before
    for node in place.nodes.values():
        assert set(node.states(node.processes(AGENT)).values()) <= {"S", "R", "D"}


def test_a_choice_among_nodes_that_all_have_it_is_refused(place, marked, untouched):
    code, output = place.disrupt(FREEZE % "one node")
    assert code != 0 and "1 node is wanted, there are 2, and not all may be hit:" in output
    assert f"net1 left alone: {WHY}; net2 left alone: {WHY}." in output and "Nothing was touched." in output


@pytest.mark.parametrize(("sentence", "words"), [
    (FREEZE % "net1 node", f"net1 left alone: {WHY}."),
    (f"freeze {AGENT} service for 3 seconds", f"net1 left alone: {WHY}; net2 left alone: {WHY}."),
    ("delay management network by 1 ms on net2 node for 3 seconds", f"net2 left alone: {WHY}."),
    ("poweroff net1 node for 1 second", f"net1 left alone: {WHY}."),
])
def test_a_node_that_is_named_is_refused(place, marked, untouched, sentence, words):
    code, output = place.disrupt(sentence)
    assert code != 0 and words in output and "set the variable faultline_allow_debug of these hosts to true" in output


@pytest.mark.parametrize(("module", "args"), [
    ("os_service_fault", {"service": AGENT, "action": "freeze", "duration": 3}),
    ("os_service_fault", {"service": "own", "driver": "process", "grep": "keepalived", "action": "kill"}),
    ("os_node_fault", {"action": "stress", "target": "cpu", "duration": 1}),
    ("os_netiface", {"network": "management", "action": "delay", "delay": "1ms", "duration": 1}),
    ("os_power", {"action": "poweroff", "duration": 1}),
])
def test_single_faults_are_refused(place, marked, untouched, module, args):
    told = place.fault("net1", module, **args)
    assert (told["failure"]["code"], told["changed"]) == ("in_debug", False)
    assert told["msg"].startswith(f"net1 is left alone: {WHY}. ") and told["msg"].endswith("Nothing was touched.")
    assert told["failure"]["details"] == {"left_alone": [{"host": "net1", "why": WHY}]}


def test_what_has_nothing_to_do_with_routers_is_hit(place, marked):
    told = place.fault("net1", "os_service_fault", service="neutron-dhcp-agent", action="freeze", duration=1, wait=True)
    assert told["undo"]["state"] == "undone" and not told["residue"]
    code, output = place.disrupt("freeze memcached service on one node for 1 second")
    assert code == 0 and "left alone" not in output


def test_those_who_mean_it_say_so(place, marked):
    code, output = place.disrupt(FREEZE % "net1 node", known={**KNOWN, "faultline_allow_debug": True})
    assert code == 0 and "residue: none" in output


def test_after_manage_the_node_is_hit_again(place, web):
    with debug(place, router=[NAME]):
        assert place.disrupt(FREEZE % "one node")[0] != 0
    code, output = place.disrupt(FREEZE % "one node")
    assert code == 0 and "left alone" not in output


def test_the_choice_falls_on_the_other_node_and_says_why(place, alone):
    router, holder, other = alone
    before = place.faults()
    with debug(place, router=[router.id]):
        code, output = place.disrupt(FREEZE % "one node")
    why = f"{holder} left alone: router {ALONE} is in debug: its NAT is looked into"
    assert code == 0 and f"hits {other} (of 1; " in output and output.count(why) >= 2
    after = place.faults()
    assert after[holder] == before[holder] and after[other] != before[other]


def test_a_project_in_debug_counts_for_its_routers(place, alone, untouched):
    _router, holder, _other = alone
    with debug(place, project=ALONE):
        code, output = place.disrupt(FREEZE % f"{holder} node")
    assert code != 0 and f"{holder} left alone: project {ALONE} of router {ALONE} is in debug: its NAT is looked into." in output


def test_a_plan_of_before_is_refused_when_it_is_done(place, web, untouched):
    play = place.folder / "plan.yml"
    play.write_text(json.dumps([{"hosts": "net1,net2", "gather_facts": False, "vars": KNOWN, "tasks": [
        {"faultline.openstack.os_fault": {"do": FREEZE % "net1 node", "plan_only": True}, "register": "planned"},
        {"faultline.openstack.os_router": {"cloud": CLOUD, "action": "debug", "router": NAME, "reason": "its NAT is looked into"},
         "delegate_to": "localhost", "run_once": True},
        {"faultline.openstack.os_fault": {"do": FREEZE % "net1 node", "plan": "{{ planned.plans[0] }}"}},
    ]}]))
    try:
        code, output = place.run("ansible-playbook", "-i", place.lab.folder / "os-faults.yaml", play)
    finally:
        place.router(action="manage", router=[NAME])
    assert code != 0 and f"net1 is left alone: {WHY}." in output


def test_the_router_itself_is_refused(place, web, marked, untouched):
    inventory = place.folder / "routers.yml"
    inventory.write_text(f"plugin: faultline.openstack.os_routers\ncloud: {CLOUD}\n")
    options = {"module": "os_netiface", "interface": "lo", "action": "delay", "delay": "1ms", "duration": 1}
    # the inventory names the cloud
    told = place.fault(f"router_{NAME}", options.pop("module"), "-i", inventory, known={}, **options)
    assert told["failure"]["code"] == "in_debug" and told["msg"].startswith(f"router_{NAME} is left alone: {WHY}.")


def test_without_the_marks_nothing_is_broken(place, web, untouched):
    away = place.folder / "clouds.yaml"
    away.write_text((place.lab.folder / "clouds.yaml").read_text().replace(":5000/", ":5999/"))
    told = place.fault("net1", "os_service_fault", environment={"OS_CLIENT_CONFIG_FILE": str(away)}, service=AGENT, action="freeze", duration=3)
    assert told["failure"]["code"] == "no_answer" and told["msg"].startswith("Nobody knows which routers are in debug: ")
    assert told["msg"].endswith("To go on without the marks, set the variable faultline_allow_debug to true. Nothing was touched.")
    code, output = place.disrupt(FREEZE % "one node", OS_CLIENT_CONFIG_FILE=str(away))
    assert code != 0 and "Nobody knows which routers are in debug: " in output
    told = place.fault("net1", "os_service_fault", known={"faultline_cloud": "labb"}, service=AGENT, action="freeze", duration=3)
    assert told["failure"]["code"] == "no_credentials" and "There is no cloud labb" in told["msg"]


def test_a_login_that_does_not_see_where_routers_are_is_refused(place, alone, untouched):
    identity = place.lab.sdk.identity
    user = identity.create_user(name=ALONE, domain_id="default", password="s-" + ALONE)
    project = identity.find_project(ALONE)
    clouds = yaml.safe_load((place.lab.folder / "clouds.yaml").read_text())
    clouds["clouds"][CLOUD]["auth"].update(username=ALONE, password="s-" + ALONE, project_name=ALONE)
    (place.folder / "theirs.yaml").write_text(yaml.safe_dump(clouds))
    try:
        identity.assign_project_role_to_user(project, user, identity.find_role("member"))
        with debug(place, router=[alone[0].id]):
            theirs = {"OS_CLIENT_CONFIG_FILE": str(place.folder / "theirs.yaml")}
            told = place.fault("net1", "os_service_fault", environment=theirs, service=AGENT, action="freeze", duration=3)
    finally:
        identity.delete_user(user)
    assert told["failure"]["code"] == "forbidden" and told["msg"].startswith(
        f"Router {ALONE} is in debug, and the cloud {CLOUD} does not tell this login which nodes have it. Only administrators see that.")


# ---- ha_test


def test_a_run_leaves_alone_what_is_in_debug_and_what_gets_it_meanwhile(place, web, alone, tmp_path):
    router, holder, other = alone
    scenario = tmp_path / "scenario.yml"
    scenario.write_text(json.dumps({
        "name": "debug", "cloud": CLOUD, "health": {"services": ["neutron"]}, "baseline": 1, "cool_down": 1, "clean_run": False, "order": "parallel",
        "monitors": [{"type": "tcp", "name": "ports", "targets": [{"name": "memcached", "host": "ctl1", "port": 11211}]}],
        "disruptions": [
            {"name": "the cache", "do": "freeze memcached service on ctl1 node", "down_time": 2},
            {"name": "an agent", "do": f"freeze {AGENT} service on one node", "down_time": 2},
            {"name": "an agent later", "do": f"freeze {AGENT} service on {other} node", "delay": 120, "down_time": 2},
        ]}))
    with debug(place, router=[router.id]), open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            ["ansible-playbook", "faultline.openstack.ha_test", "-i", place.lab.folder / "os-faults.yaml", "-e", json.dumps({
                "ha_test_scenario": str(scenario), "ha_test_dir": str(tmp_path / "runs"), "ha_test_fail": False})],
            cwd=ROOT, env=place.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            def second_is_over():
                assert process.poll() is None, (tmp_path / "log").read_text()
                return any("d2 an agent: over on" in path.read_text() for path in tmp_path.glob("runs/*/events.jsonl"))

            wait_for(second_is_over, pause=0.5)
            with debug(place, router=[NAME]):
                assert process.wait(2 * HANG) == 0, (tmp_path / "log").read_text()
        finally:
            if process.poll() is None:
                # its guard heals
                process.kill()
    (run,) = (tmp_path / "runs").iterdir()
    report = json.loads((run / "report.json").read_text())
    told = {each["id"]: (each["state"], each["proven"], each["failure"]) for each in report["injections"]}
    assert told == {
        "d1.1.ctl1": ("undone", True, None), f"d2.1.{other}": ("undone", True, None), f"d3.1.{other}": ("left_alone", False, WHY)}
    avoided = f"router {ALONE} is in debug: its NAT is looked into"
    assert report["run"]["left_alone"] == json.loads((run / "run.json").read_text())["left_alone"] == [
        {"disruption": "d2", "injection": None, "host": holder, "why": avoided},
        {"disruption": "d3", "injection": f"d3.1.{other}", "host": other, "why": WHY}]
    assert f"  d3.1.{other}: {other} left alone: {WHY}" in report["summary"] and f"  d2: {holder} left alone: {avoided}" in report["summary"]
    assert [each["why"] for each in report["criteria"] if each["id"] == "injected"] == [f"d3.1.{other} on {other} was left alone: {WHY}"]
    log = (tmp_path / "log").read_text()
    assert f"{holder} left alone: {avoided}" in log and f"d3.1.{other}: {other} left alone: {WHY}" in log


def test_a_run_that_names_a_node_of_a_router_in_debug_does_not_begin(place, marked, untouched, tmp_path):
    code, output = place.run("ansible-playbook", "faultline.openstack.ha_test", "-i", place.lab.folder / "os-faults.yaml", "-e", json.dumps({
        "ha_test_dir": str(tmp_path / "runs"), "ha_test_scenario": {
            "name": "debug", "cloud": CLOUD, "monitors": [{"type": "tcp", "name": "ports", "targets": [{"name": "m", "host": "ctl1", "port": 11211}]}],
            "disruptions": [{"name": "it", "module": "os_service_fault", "args": {"service": AGENT, "action": "freeze"}, "hosts": ["net1"], "down_time": 2}]}}))
    assert code != 0 and f"net1 left alone: {WHY}." in output and not (tmp_path / "runs").exists()
