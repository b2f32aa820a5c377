# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for hosts with a real sshd: who answers, who does not, and what ssh knows of them afterwards. tests/openstack has real VMs."""

from __future__ import annotations

import json
import subprocess

import pytest
from lab_nodes import LAB, wait_for
from patience import HANG, more_time

from ansible_collections.faultline.openstack.plugins.action.os_cluster_wait import Wait
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

STALE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.fixture(scope="module")
def nodes(make_node):
    return [make_node(f"vm{number}", boots=False) for number in (1, 2)]


def instance(node):
    return {
        "id": f"u-{node.name}", "we_id": f"w-{node.name}", "name": f"whenenv-{node.name}", "session": "s", "type": node.name, "status": "ACTIVE",
        "fault": None, "address": node.address, "networks": {"net": [node.address]}, "labels": {}, "metadata": {"WE_ID": f"w-{node.name}", "WE_SESSION": "s"}}


@pytest.fixture
def wait(nodes, tmp_path):
    """wait(react, **options): the result of a wait for the nodes, with a known_hosts and a state file of its own. react: called with what it says."""
    def call(react=lambda words: None, **options):
        call.said = []

        def say(words):
            call.said.append(words)
            react(words)

        args = {
            "user": "root", "port": 22, "private_key": str(LAB / "id_ed25519"), "ssh_args": [], "ping": True, "forks": 5, "every": 1, "timeout": HANG,
            "known_hosts": str(tmp_path / "known_hosts"), "hash_known_hosts": False, "state_file": str(tmp_path / "state.json"), **options}
        return Wait(args, "s", {}, say).run(lambda: [instance(each) for each in nodes])

    call.known_hosts, call.state = tmp_path / "known_hosts", tmp_path / "state.json"
    return call


def keys(node):
    """The host keys that a node has, from its own disk."""
    return {tuple(line.split()[:2]) for line in node.sh("cat /etc/ssh/ssh_host_*_key.pub").splitlines()}


def shown(node):
    """The host keys that it shows to whoever comes."""
    done = subprocess.run(["ssh-keyscan", "-T", "10", node.address], capture_output=True, text=True, check=False)
    return {tuple(line.split()[1:3]) for line in done.stdout.splitlines() if not line.startswith("#")}


def known(path, name):
    done = subprocess.run(["ssh-keygen", "-F", name, "-f", path], capture_output=True, text=True, check=False)
    return {tuple(line.split()[1:3]) for line in done.stdout.splitlines() if not line.startswith("#")}


@pytest.mark.parametrize("hashed", [pytest.param(False, marks=pytest.mark.gate), True])
def test_ssh_knows_who_answers_and_nothing_stale(nodes, wait, hashed):
    one, two = nodes
    wait.known_hosts.write_text(f"{one.address},stays {STALE}\n{two.address} {STALE}\n")
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", wait.known_hosts], check=True, capture_output=True)
    result = wait(hash_known_hosts=hashed)
    assert result["changed"] and result["msg"].startswith("2 VMs answer, the last one after ")
    assert sorted(line.partition(" after ")[0] for line in wait.said if "answers" in line) == [f"answers   {each.name} ({each.address})" for each in nodes]
    for node in nodes:
        assert known(wait.known_hosts, node.address) == known(wait.known_hosts, node.name) == keys(node)
        entry = json.loads(wait.state.read_text())[f"w-{node.name}"]
        assert entry["VM_HOSTNAME_SHORT"] == [node.name] and entry["OS_ID"] == f"u-{node.name}"
    assert known(wait.known_hosts, "stays") == {tuple(STALE.split())}
    assert (one.address in wait.known_hosts.read_text()) is not hashed
    told = subprocess.run(
        ["ssh", "-i", LAB / "id_ed25519", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={wait.known_hosts}", f"root@{two.address}", "hostname"],
        capture_output=True, text=True, check=False)
    assert told.stdout.strip() == two.name, told.stderr
    again = wait(hash_known_hosts=hashed)
    assert not again["changed"] and again["known_hosts"]["added"] == again["known_hosts"]["removed"] == []


def test_new_host_keys_are_learned_in_place_of_the_old(nodes, wait):
    one, _two = nodes
    wait()
    before = keys(one)
    one.sh("rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key && kill -HUP 1")
    wait_for(lambda: shown(one) == keys(one))
    result = wait()
    assert known(wait.known_hosts, one.address) == keys(one) and not keys(one) & before
    assert {each["name"] for each in result["known_hosts"]["removed"]} == {one.address}
    # its name leads nowhere, so it takes nobody's place
    assert {each["name"] for each in result["known_hosts"]["left"]} == {one.name}


def test_one_that_comes_late_is_waited_for(nodes, wait):
    _one, two = nodes
    missed = f"1 of 2 VMs answer; {two.name} ({two.address}): no SSH yet"
    subprocess.run(["docker", "pause", two.container], check=True, capture_output=True)

    def come(words):
        if words.startswith(missed):
            subprocess.run(["docker", "unpause", two.container], capture_output=True, check=False)

    try:
        result = wait(come, ping=False)
    finally:
        subprocess.run(["docker", "unpause", two.container], capture_output=True, check=False)
    assert result["msg"].startswith("2 VMs answer, ") and any(line.startswith(missed) for line in wait.said)


def test_one_that_lets_nobody_in_is_told_and_the_others_are_kept(nodes, wait):
    one, two = nodes
    two.sh("mv /root/.ssh /root/.ssh.away")
    try:
        for seconds in more_time(3):
            with pytest.raises(FaultlineError) as caught:
                wait(timeout=seconds)
            # or the other one had no time either
            if any(line.startswith(f"answers   {one.name} ") for line in wait.said) and "no login yet: " in str(caught.value.details["missing"]):
                break
    finally:
        two.sh("mv /root/.ssh.away /root/.ssh")
    assert caught.value.code == "not_answering"
    (missing,) = caught.value.details["missing"]
    assert missing.startswith(f"{two.name} ({two.address}): no login yet: ") and "Permission denied" in missing
    assert known(wait.known_hosts, one.address) == keys(one) and not known(wait.known_hosts, two.address)
    assert set(json.loads(wait.state.read_text())) == {"w-vm1", "w-vm2"} and "VM_DISK" not in json.loads(wait.state.read_text())["w-vm2"]
