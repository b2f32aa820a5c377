# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look that could not see everything says so, and a node that is called localhost is a node: on the real services of the lab."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml
from lab_names import address
from lab_nodes import JOURNAL, LAB, LONG, ROOT, wait_for
from patience import HANG
from warm_ansible import run_ansible

ENVIRONMENT = {"ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={LAB}/known_hosts -o StrictHostKeyChecking=yes"}
TEMPLATE = {"driver": "system_service", "args": {"service_name": "nova-compute@", "grep": "nova-compute"}}


@pytest.fixture(name="cloud")
def fixture_cloud(tmp_path):
    """cloud(change): the lab's os-faults file as change() leaves its data."""

    def make(change):
        data = yaml.safe_load((LAB / "os-faults.yaml").read_text())
        change(data)
        path = tmp_path / "os-faults.yaml"
        path.write_text(yaml.safe_dump(data))
        return path

    return make


def play(name, inventory, *options, **extra):
    """A playbook of ours; the finished process, what it said without line breaks in `said`."""
    words = ["-i", str(inventory), *(["-e", json.dumps(extra)] if extra else []), *options]
    done = run_ansible(["ansible-playbook", f"faultline.openstack.{name}", *words], **ENVIRONMENT)
    done.said = " ".join((done.stdout + done.stderr).split())
    return done


def test_a_bad_unit_name_costs_its_own_entry_only(lab, cloud, tmp_path):
    """systemctl shows nothing of the names after one that it refuses; the others' units are found all the same."""
    bad = {
        f"aa-{number}": {"driver": "system_service", "args": {"service_name": name, "grep": "never-there"}} for number, name in enumerate(["x" * 250, "aa@"])}
    path = cloud(lambda data: data["services"].update({"nova-compute": TEMPLATE, **bad}))
    written = tmp_path / "found.yaml"
    done = play("discover", path, output=str(written))
    assert done.returncode == 0, done.said
    services = yaml.safe_load(written.read_text())["services"]
    known = yaml.safe_load((LAB / "os-faults.yaml").read_text())["services"]
    assert {name: services[name] for name in known} == known, "units, hosts and ports as before"
    assert services["nova-compute"] == TEMPLATE and not any("hosts" in services[name] for name in bad)
    assert "'nova-compute@' is a template: say which instance" in done.said and "not looked for" in done.said and "in part:" in done.said

    done = play("verify", path)
    assert done.returncode == 2 and "service nova-compute could not be looked for on ctl2: 'nova-compute@' is a template" in done.said
    assert "service aa-0 could not be looked for on ctl1: systemctl told nothing of the unit xxx" in done.said
    assert not any(f"service {name} " in done.said for name in known)


def test_what_could_not_be_looked_for_is_not_hit(lab, cloud):
    path = cloud(lambda data: data["services"].update({"nova-compute": TEMPLATE}))
    done = play("disrupt", path, "--check", fault="kill nova-compute service")
    assert done.returncode == 2 and "'nova-compute@' is a template" in done.said, done.said


def test_what_was_found_beside_a_dead_node_is_no_full_list(lab, cloud, tmp_path):
    """Neither in the inventory that looked, nor in the file that discover has written."""
    nobody = {"ip": address("255.251"), "fqdn": "nobody", "auth": {"username": "root"}}
    path = cloud(lambda data: (data["services"].clear(), data["node_discover"]["args"].append(nobody)))
    looks = tmp_path / "looks.yml"
    looks.write_text(f"plugin: faultline.openstack.os_faults\nconfig_file: {path.name}\ndiscover: true\n")
    written = tmp_path / "found.yaml"
    assert play("discover", path, output=str(written)).returncode == 0
    for inventory in (looks, written):
        for sentence in ("kill memcached service", "kill memcached service on all nodes", "reboot nodes in service_memcached"):
            done = play("disrupt", inventory, "--check", fault=sentence)
            assert done.returncode == 0 and "hits ctl1, ctl2, ctl3 (of 3;" in done.said, done.said
            assert "leaves out nobody, where it could not be looked for: " in done.said, done.said
        done = play("disrupt", inventory, "--check", fault="kill memcached service on 4 nodes")
        assert done.returncode == 2 and "4 nodes are wanted, but there are only 3 nodes that run memcached. Left out: nobody." in done.said, done.said
        done = play("disrupt", inventory, "--check", fault="kill memcached service on ctl2 node")
        assert done.returncode == 0 and "hits ctl2 (of 1;" in done.said and "leaves out" not in done.said, done.said


def test_a_docker_client_without_a_daemon_is_no_engine(spare, tmp_path):
    there = {"driver": "system_service", "unit": ["memcached"]}
    inventory = yaml.safe_load(pathlib.Path(spare.inventory).read_text())
    inventory["all"]["hosts"]["spare"].update(faultline_service_definitions={"memcached": there}, faultline_services={"memcached": there})
    inventory["all"]["children"] = {"service_memcached": {"hosts": {"spare": None}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
    subprocess.run(["docker", "cp", shutil.which("docker"), f"{spare.container}:/usr/local/bin/docker"], check=True, capture_output=True)
    try:
        assert "daemon" in spare.sh("docker ps 2>&1", check=False), "it is a client, and nobody answers"
        done = play("verify", tmp_path / "hosts.yml")
        assert done.returncode == 0 and "in part" not in done.said, done.said
        inventory["all"]["hosts"]["spare"]["faultline_container_definitions"] = {"box": {"driver": "docker_container", "container_name": "box"}}
        inventory["all"]["children"]["container_box"] = {"hosts": {"spare": None}}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
        done = play("verify", tmp_path / "hosts.yml")
        assert done.returncode == 2 and "container box is not on spare: docker is a client only here: it has no daemon" in done.said, done.said
    finally:
        spare.sh("rm -f /usr/local/bin/docker")


def test_a_field_of_another_kind_costs_its_own_entry_only(spare):
    odd = {"number": {"unit": 5}, "numbers": {"unit": [5]}, "listed": {"driver": "process", "grep": ["memcached"]}, "text": "memcached.service"}
    definitions = {"memcached": {"unit": ["memcached"]}, **odd}
    for services, found in ((None, True), (["memcached", "text", "number"], True), (["text"], False)):
        asked = {} if services is None else {"services": services}
        told = spare.call("os_cloud_facts", asked, "-e", json.dumps({"faultline_service_definitions": definitions}))
        assert not told.failed, told
        facts = told["ansible_facts"]
        assert ("memcached" in facts["faultline_services"]) is found and facts["faultline_unseen"]["services"].keys() >= set(services or odd) - {"memcached"}
        assert "its definition is no dictionary" in facts["faultline_unseen"]["services"]["text"]


def test_a_node_that_is_called_localhost_is_a_node(lab, cloud, tmp_path):
    """What runs on the controller still runs there: the plan, the file that is written, the journal of power."""
    def rename(data):
        data["node_discover"]["args"][0]["fqdn"] = "localhost"

    path, node, written = cloud(rename), lab["ctl1"], tmp_path / "found.yaml"
    assert play("discover", path, output=str(written)).returncode == 0
    assert yaml.safe_load(written.read_text())["node_discover"]["args"][0]["fqdn"] == "localhost"
    assert node.sh(f"test -e {written} && echo there || echo absent") == "absent"

    before = node.sh("systemctl show --value -p MainPID memcached")
    plan = tmp_path / "plan.json"
    done = play("disrupt", path, fault="kill memcached service on localhost node", plan_file=str(plan), recovery_timeout=HANG)
    assert done.returncode == 0 and json.loads(plan.read_text())["plans"][0]["chosen"] == ["localhost"], done.said
    wait_for(lambda: node.sh("systemctl show --value -p MainPID memcached") not in ("0", before))

    try:
        done = play("disrupt", path, fault=f"freeze memcached service on localhost node for {LONG} seconds", wait=False)
        assert done.returncode == 0, done.said
        main = node.sh("systemctl show --value -p MainPID memcached")
        assert node.sh(f"ps -o stat= -p {main}").startswith("T")
    finally:
        healed = play("heal", path)
    assert healed.returncode == 0 and "nothing is left" in healed.said, healed.said
    assert not node.sh(f"ps -o stat= -p {main}").startswith("T")
    assert play("verify", path).returncode == 0


# -- words ------------------------------------------------------------------------------------------------------------

# the processes of sshd above the module's, up to the listener, which is systemd's child
CONNECTION = """
pid=$(pgrep -o -f '[A]nsiballZ_os_service_fault')
while [ "${pid:-1}" -gt 1 ]; do
    read -r parent name < <(ps -o ppid=,comm= -p "$pid")
    case $name in sshd*) [ "$parent" = 1 ] || echo "$pid";; esac
    pid=$parent
done"""


def test_a_connection_that_ended_says_that_a_fault_may_be_left_and_how_to_look(spare):
    # the module has its name on its command line, and a connection of its own
    environment = {**os.environ, **spare.environment, "ANSIBLE_PIPELINING": "false", "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}
    args = {"service": "memcached", "action": "freeze", "duration": LONG, "wait": True}
    try:
        with subprocess.Popen(
                spare.command("os_service_fault", args), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as playing:
            wait_for(lambda: '"injected"' in spare.sh(f"cat {JOURNAL}/open/freeze-*.json", check=False))
            chain = wait_for(lambda: spare.sh(CONNECTION).split())
            spare.sh(f"kill -KILL {' '.join(chain)}", check=False)
            said = " ".join(playing.communicate(timeout=HANG)[0].split())
        assert "UNREACHABLE" in said and "Whether the fault was injected is not known" in said, said
        # and what it says to do, does it
        look = re.search(r"ansible spare (-m faultline\.openstack\.os_fault_info -a closed=false)", said)
        told = run_ansible(["ansible", "-i", spare.inventory, "spare", *look[1].split()], **spare.environment)
        assert '"action": "freeze"' in told.stdout
    finally:
        spare.call("os_fault_undo", {"all": True})


def test_a_masked_unit_is_named_and_what_to_do(spare):
    spare.sh("systemctl stop memcached && systemctl mask --runtime memcached")
    try:
        answer = spare.call("os_service_fault", {"service": "memcached", "action": "start"})
        assert answer.failed and answer["failure"]["code"] == "masked" and "it is masked" in answer["msg"] and "systemctl unmask memcached" in answer["msg"]
    finally:
        spare.sh("systemctl unmask --runtime memcached && systemctl start memcached")


def test_a_port_above_the_ephemeral_line_is_named(spare):
    """Nobody can tell from outside whether a service answers there, or has only asked."""
    spare.sh("systemd-run --unit=faultline-test-udp --collect python3 -c "
             "'import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((\"0.0.0.0\", 40123)); time.sleep(3600)'")
    try:
        wait_for(lambda: "40123" in spare.sh("ss -Hlun"))
        answer = spare.call("os_service_fault", {"service": "udp", "unit": ["faultline-test-udp"], "action": "unplug", "duration": LONG})
        assert answer.failed and answer["failure"]["code"] == "no_port"
        assert "it has udp 40123 only, from 32768 on, where the kernel takes ports" in answer["msg"] and "Give port" in answer["msg"]
    finally:
        spare.sh("systemctl stop faultline-test-udp")
