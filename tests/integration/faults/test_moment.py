# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults that a host fires by its own clock (at), when whoever asked for them has long gone; and os_command_fault."""

from __future__ import annotations

import time

import pytest
from lab_nodes import wait_for, with_memcached


@pytest.fixture(scope="module")
def clocked_node(make_node):
    return make_node("clocked", furnish=with_memcached)


@pytest.fixture
def clocked(clocked_node, clean):
    with clean(clocked_node):
        yield clocked_node


def ended(node, answer):
    """The record of a fault once it is closed."""
    wait_for(lambda: answer["fault"]["id"] not in node.open_faults())
    return node.record(answer["fault"]["id"])


def answers(node):
    return node.sh("echo version | nc -q1 -w1 127.0.0.1 11211", check=False).startswith("VERSION")


def test_a_freeze_comes_at_its_moment_and_ends_by_itself(clocked):
    at = time.time() + 9
    answer = clocked.fault("memcached", "freeze", at=at, duration=4)
    assert answer["undo"]["state"] == "scheduled" and "injected_at" not in answer.result, answer.output
    assert time.time() < at and answers(clocked)
    wait_for(lambda: set(clocked.states(clocked.processes("memcached")).values()) == {"T"})
    assert time.time() >= at
    record = ended(clocked, answer)
    assert record["state"] == "undone" and record["held"] is True and record["residue"] == [] and "failure" not in record
    assert at <= record["began"] <= record["injected"] < at + 1 and record["undone"] >= record["injected"] + 4
    assert answers(clocked)


def test_a_kill_comes_at_its_moment_and_tells_what_came_back(clocked):
    before = clocked.processes("memcached")
    at = time.time() + 7
    answer = clocked.fault("memcached", "kill", at=at)
    assert answer["undo"]["state"] == "none" and clocked.processes("memcached") == before
    record = ended(clocked, answer)
    assert record["state"] == "done" and record["proof"]["came_back"]["back"] is True and at <= record["injected"] < at + 1
    assert clocked.active("memcached") and clocked.processes("memcached") != before


def test_what_changes_before_the_moment_is_seen(clocked):
    # time for the task, and for what changes, before the second look
    at = time.time() + 25
    answer = clocked.fault("memcached", "kill", at=at)
    clocked.sh("systemctl restart memcached")
    restarted = clocked.processes("memcached")
    record = ended(clocked, answer)
    assert [each["pid"] for each in record["proof"]["gone"]] == restarted
    wait_for(lambda: clocked.active("memcached"))


def test_undo_disarms_what_has_not_come(clocked):
    answer = clocked.fault("memcached", "freeze", at=time.time() + 60, duration=30)
    told = clocked.call("os_fault_info", {})
    assert [(each["id"], each["state"]) for each in told["open"]] == [(answer["fault"]["id"], "scheduled")]
    clocked.heal(answer)
    record = clocked.record(answer["fault"]["id"])
    assert record["state"] == "aborted" and record["injected_at"] is None
    # nobody is left who could do it
    wait_for(lambda: not keepers(clocked))
    assert answers(clocked)


def keepers(node):
    """Processes of the node that carry our code beside the units of faults."""
    return node.sh("pgrep -f 'AnsiballZ|os_service_fault'", check=False).split()


def test_a_reboot_before_the_moment_disarms_it(clocked):
    at = time.time() + 25
    answer = clocked.fault("memcached", "terminate", at=at, duration=60)
    clocked.sh("systemctl reboot", check=False)
    wait_for(lambda: clocked.sh("systemctl is-system-running", check=False) in ("running", "degraded"))
    record = ended(clocked, answer)
    assert record["state"] == "aborted" and record["injected_at"] is None
    wait_for(lambda: time.time() > at + 1)
    assert clocked.active("memcached")


def test_a_service_that_is_gone_at_its_moment_is_a_failure_that_is_told(clocked):
    answer = clocked.fault("memcached", "freeze", at=time.time() + 25, duration=5)
    clocked.sh("systemctl stop memcached")
    try:
        record = ended(clocked, answer)
        assert record["state"] == "aborted" and record["injected_at"] is None
        assert record["failure"].startswith("memcached has no process on this host"), record["failure"]
    finally:
        clocked.sh("systemctl start memcached")


def test_a_reboot_comes_at_its_moment_and_the_boot_tells(clocked):
    boot = clocked.call("os_fault_info", {})["boot"]
    at = time.time() + 9
    answer = clocked.hit("os_node_fault", {"action": "reboot", "at": at})
    assert answer["undo"]["state"] == "none"
    wait_for(lambda: not clocked.sh("systemctl is-system-running", check=False).startswith(("running", "degraded")), pause=0.05)
    assert time.time() >= at - 1
    wait_for(lambda: clocked.sh("systemctl is-system-running", check=False) in ("running", "degraded"))
    wait_for(lambda: clocked.sh("systemctl is-active ssh", check=False) == "active")
    told = clocked.call("os_fault_info", {})
    (record,) = [each for each in told["closed"] if each["id"] == answer["fault"]["id"]]
    assert record["state"] == "done" and record["proof"]["boot"] == boot != told["boot"]


def test_our_own_way_in_is_cut_at_the_moment_and_comes_back(clocked):
    clocked_interface = {"action": "disconnect", "interface": "eth0", "kind": "isolate", "duration": 4}
    at = time.time() + 9
    answer = clocked.hit("os_netiface", {**clocked_interface, "at": at})
    assert answer["undo"]["state"] == "scheduled"
    record = ended(clocked, answer)
    assert record["state"] == "undone" and record["held"] is True and at <= record["injected"] < at + 1
    assert clocked.call("os_fault_info", {})["open"] == []


def test_a_moment_that_has_passed_is_refused(clocked):
    answer = clocked.refused("memcached", "freeze", at=time.time() - 30, duration=5)
    assert answer["failure"]["code"] == "too_late" and "seconds ago" in answer["msg"]


# ---- commands of the user's own

STOP = {
    "name": "memcached", "down": "systemctl stop memcached", "down_check": "! systemctl is-active --quiet memcached",
    "up": ["systemctl", "start", "memcached"], "up_check": "systemctl is-active --quiet memcached",
}


def test_a_command_breaks_and_another_mends(clocked):
    answer = clocked.hit("os_command_fault", {**STOP, "duration": 3})
    assert answer["proof"] == {"status": 0, "down_check": "passes"} and not clocked.active("memcached")
    record = ended(clocked, answer)
    assert record["state"] == "undone" and record["held"] is True and clocked.active("memcached")


def test_a_command_whose_check_never_passes_is_undone_and_fails(clocked):
    answer = clocked.turned_down("os_command_fault", {**STOP, "down": "true", "duration": 30, "timeout": 2})
    assert answer["failure"]["code"] == "unproven" and clocked.active("memcached") and clocked.open_faults() == []


def test_a_command_that_fails_is_undone(clocked):
    answer = clocked.turned_down("os_command_fault", {**STOP, "down": "systemctl stop memcached; exit 3", "duration": 30})
    assert answer["failure"]["code"] == "program_failed" and clocked.active("memcached") and clocked.open_faults() == []


def test_what_is_not_up_is_not_broken(clocked):
    answer = clocked.turned_down("os_command_fault", {**STOP, "up_check": "false", "duration": 3})
    assert answer["failure"]["code"] == "not_running" and clocked.active("memcached")


def test_an_undo_that_does_not_mend_is_residue_until_it_does(clocked):
    check = "systemctl is-active --quiet memcached && ! test -e /tmp/broken"
    answer = clocked.hit("os_command_fault", {**STOP, "up_check": check})
    clocked.sh("touch /tmp/broken")
    told = clocked.turned_down("os_fault_undo", {"id": answer["fault"]["id"]})
    assert told["failure"]["code"] == "residue" and "the check of its recovery fails" in told["msg"]
    clocked.sh("rm /tmp/broken")
    # the host itself tries again
    clocked.wait_healed()
    assert clocked.record(answer["fault"]["id"])["state"] == "undone" and clocked.active("memcached")
