# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sentences end to end: `disrupt` and `os_fault` as users run them, on the real services of the lab."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest
import yaml
from lab_nodes import LAB, ROOT, wait_for
from patience import HANG, more_time
from warm_ansible import run_ansible

# the core: all of this file is in the gate
pytestmark = pytest.mark.gate

ENVIRONMENT = {"ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={LAB}/known_hosts -o StrictHostKeyChecking=yes"}
DEAD = "192.0.2.77"
# what is hit may take long to be back
PATIENCE = {"wait_timeout": HANG, "recovery_timeout": HANG}


def command(fault, *options, inventory=LAB / "os-faults.yaml", **extra):
    return [
        "ansible-playbook", "faultline.openstack.disrupt", "-i", str(inventory), "-e", json.dumps({"fault": fault, **PATIENCE, **extra}), *options,
    ]


def disrupt(fault, *options, **more):
    """The command as a user types it; the finished process, all that it said in `said`."""
    done = run_ansible(command(fault, *options, **more), **ENVIRONMENT)
    done.said = done.stdout + done.stderr
    return done


def ran(done):
    """It ended well; the names of the hosts that it hit, of each sentence, as it said before."""
    assert done.returncode == 0, done.said
    return [hosts.split(", ") for hosts in re.findall(r'^ +"  hits (.*?) \(of ', done.stdout, re.MULTILINE)]


@pytest.fixture
def with_a_dead_host(tmp_path):
    """An inventory of the lab, without a word of what runs where, and with a host that does not answer."""
    hosts = yaml.safe_load((LAB / "inventory.yml").read_text())
    hosts["all"]["hosts"]["dead"] = {"ansible_host": DEAD, "ansible_ssh_timeout": 3}
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump(hosts))
    return path


def pid(node):
    """The main process of memcached."""
    return int(node.sh("systemctl show --property=MainPID --value memcached.service"))


def state(node):
    """The state letter of that process; "" if there is none."""
    return node.sh(f"ps -o stat= -p {pid(node)}", check=False)[:1]


def pids(cloud):
    return {name: pid(node) for name, node in cloud.items()}


def changed(cloud, before):
    """The nodes whose memcached is another one than before."""
    wait_for(lambda: all(pids(cloud).values()))
    return sorted(name for name, number in pids(cloud).items() if number != before[name])


def test_one_node_of_three(cloud, tmp_path):
    before = pids(cloud)
    done = disrupt("kill memcached service on one node", plan_file=str(tmp_path / "plan.json"))
    (chosen,) = ran(done)
    assert len(chosen) == 1
    assert changed(cloud, before) == chosen
    assert re.search(rf"{chosen[0]}: memcached: memcached\[{before[chosen[0]]}\] killed \(SIGKILL\); back after [0-9.]+ s", done.stdout)
    assert "residue: none" in done.stdout
    # the others are in no play that connects
    recap = dict(re.findall(r"^(ctl\d) +: (.*)$", done.stdout, re.MULTILINE))
    assert all("changed=0" in line for name, line in recap.items() if name not in chosen)
    # what was planned is what was done
    (plan,) = json.loads((tmp_path / "plan.json").read_text())["plans"]
    assert plan["chosen"] == chosen and plan["hosts"][chosen[0]]["module"] == "faultline.openstack.os_service_fault"
    assert f"seed {plan['seed']}" in done.stdout


def test_a_seed_repeats_the_choice(cloud):
    first = disrupt("restart memcached service on one node", "--check")
    seed = re.search(r"seed (\w+)", first.stdout)[1]
    assert ran(disrupt("restart memcached service on one node", seed=seed)) == ran(first)


def test_exactly_the_named_ones_and_the_case_is_alike(cloud):
    before = pids(cloud)
    assert ran(disrupt("KILL Memcached service on CTL1 and ctl3 nodes")) == [["ctl1", "ctl3"]]
    assert changed(cloud, before) == ["ctl1", "ctl3"]


def test_no_node_part_means_all(cloud):
    before = pids(cloud)
    assert ran(disrupt("Restart Memcached service")) == [["ctl1", "ctl2", "ctl3"]]
    assert changed(cloud, before) == ["ctl1", "ctl2", "ctl3"]


def test_a_duration_is_waited_for_and_healed(cloud):
    started = time.monotonic()
    done = disrupt("freeze memcached service on 2 nodes for 4 seconds")
    (chosen,) = ran(done)
    assert len(chosen) == 2 and time.monotonic() - started >= 4
    for name in chosen:
        assert re.search(rf"{name}: memcached: frozen: memcached\[\d+\] in state T, undone at \S+, nothing left behind", done.stdout)
    assert all(state(node) not in ("", "T") for node in cloud.values())


def test_stress_hits_a_node_with_a_service(cloud):
    done = disrupt("stress cpu for 3 seconds on one node with keystone service")
    (chosen,) = ran(done)
    assert re.search(rf"{chosen[0]}: .*cpu stressed.*nothing left behind", done.stdout)


def test_a_list_goes_in_order_with_all_hosts_of_one_before_the_next(cloud):
    before = pids(cloud)
    done = disrupt(["freeze memcached service on all nodes for 2 seconds", "kill memcached service on ctl2 node"], seed="7")
    assert ran(done) == [["ctl1", "ctl2", "ctl3"], ["ctl2"]]
    assert changed(cloud, before) == ["ctl2"]
    assert done.stdout.index("undone at") < done.stdout.index("killed (SIGKILL)")


def test_limit_narrows_and_says_so(cloud):
    before = pids(cloud)
    done = disrupt("kill memcached service on all nodes", "--limit", "ctl2")
    assert ran(done) == [["ctl2"]]
    assert changed(cloud, before) == ["ctl2"]
    assert "  never hits ctl1, ctl3: outside of --limit" in done.stdout


def test_what_is_refused_touches_nothing(cloud):
    before = pids(cloud)
    for text, piece in {
        "please do not kill memcached service": "Unknown action 'please'",
        "kill memcached service on 4 nodes": "4 nodes are wanted, but there are only 3",
        ("kill memcached service", "kill memcached service on no nodes"): "'no' is not understood after 'on'",
        "unplug memcached service ingress from keystne service": "Unknown service 'keystne'",
        "freeze memcached service on ctl1 node for 192 hours": "192 hours is not a possible duration",
    }.items():
        done = disrupt(text)
        assert done.returncode == 2
        assert piece in done.said
    assert changed(cloud, before) == []


def test_discovery_finds_the_hosts_and_leaves_a_dead_one_out(cloud, with_a_dead_host):
    before = pids(cloud)
    done = disrupt("kill memcached service on 3 nodes", inventory=with_a_dead_host)
    assert ran(done) == [["ctl1", "ctl2", "ctl3"]]
    assert changed(cloud, before) == ["ctl1", "ctl2", "ctl3"]
    assert "  leaves out dead: no answer" in done.stdout


@pytest.mark.parametrize("text, piece", [
    ("kill memcached service on dead node", "The node dead does not answer."),
    ("kill memcached service on 4 nodes", "Left out because they do not answer: dead."),
])
def test_a_dead_host_is_an_error_where_it_counts(cloud, with_a_dead_host, text, piece):
    before = pids(cloud)
    done = disrupt(text, inventory=with_a_dead_host)
    assert done.returncode == 2
    assert piece in done.said
    assert changed(cloud, before) == []


def test_discovery_by_a_login_that_is_not_root(cloud):
    before = pids(cloud)
    (chosen,) = ran(disrupt("kill memcached service on one node", inventory=LAB / "os-faults-discover.yaml"))
    assert changed(cloud, before) == chosen


def test_a_failed_fault_fails_the_run_and_ends_it_but_says_what_happened(cloud, with_a_dead_host):
    groups = yaml.safe_load(with_a_dead_host.read_text())
    groups["all"]["children"] = {
        "service_ghost": {"hosts": {"ctl1": None, "ctl2": None}}, "service_memcached": {"hosts": {f"ctl{n}": None for n in (1, 2, 3)}},
    }
    groups["all"]["vars"]["faultline_service_definitions"] = {"ghost": {"driver": "system_service", "unit": ["no-such"]}}
    with_a_dead_host.write_text(yaml.safe_dump(groups))
    before = pids(cloud)
    done = disrupt(["kill ghost service", "kill memcached service"], inventory=with_a_dead_host)
    assert done.returncode == 2
    assert "What happened" in done.stdout
    assert re.search(r"ctl1: .*ghost", done.stdout) and re.search(r"ctl2: .*ghost", done.stdout)
    assert changed(cloud, before) == []


def test_a_chosen_host_that_is_dead_fails_the_run_with_an_unknown_end(cloud, with_a_dead_host):
    groups = yaml.safe_load(with_a_dead_host.read_text())
    groups["all"]["children"] = {"service_memcached": {"hosts": {"dead": None, "ctl2": None}}}
    with_a_dead_host.write_text(yaml.safe_dump(groups))
    before = pids(cloud)
    done = disrupt("kill memcached service on all nodes", inventory=with_a_dead_host)
    assert done.returncode != 0
    assert "residue: unknown" in done.stdout
    assert changed(cloud, before) == ["ctl2"]


def test_the_controller_dies_and_the_nodes_heal_themselves(cloud):
    node = cloud["ctl1"]
    for duration in more_time(8):
        before = node.faults()
        process = subprocess.Popen(
            command(f"freeze memcached service on ctl1 node for {duration} seconds"), cwd=ROOT, env={**os.environ, **ENVIRONMENT},
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        (fault_id,) = wait_for(lambda before=before: node.faults() - before)
        wait_for(lambda fault_id=fault_id: node.record(fault_id)["proof"])
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        frozen, looked = state(node) == "T", node.clock()
        node.wait_healed()
        record = node.record(fault_id)
        assert record["state"] == "undone" and record["held"] is True and state(node) not in ("", "T")
        if looked < record["injected"] + duration:
            break
    assert looked < record["injected"] + duration <= record["undone"] and frozen


@pytest.mark.parametrize("keywords", [{}, {"strategy": "free"}, {"serial": 1}], ids=str)
def test_as_a_task(cloud, tmp_path, keywords):
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{
        "hosts": "all", "gather_facts": False, **keywords,
        "tasks": [{"faultline.openstack.os_fault": {"do": "kill memcached service on one node", "wait": True, **PATIENCE}}],
    }]))
    before = pids(cloud)
    done = run_ansible(["ansible-playbook", "-i", str(LAB / "os-faults.yaml"), str(play)], **ENVIRONMENT)
    assert done.returncode == 0, done.stdout
    (hit,) = re.findall(r"^changed: \[(\w+)\]", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^skipping: ", done.stdout, re.MULTILINE)) == 2
    assert changed(cloud, before) == [hit]


def test_as_an_ad_hoc_command(cloud):
    before = pids(cloud)
    done = run_ansible(
        ["ansible", "-i", str(LAB / "os-faults.yaml"), "all", "-m", "faultline.openstack.os_fault", "-a",
         json.dumps({"do": "kill memcached service on one node", "wait": True, **PATIENCE})], **ENVIRONMENT)
    assert done.returncode == 0, done.stdout
    assert len(changed(cloud, before)) == 1
