# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults that a host fires by its own clock (at), when whoever asked for them has long gone; and os_command_fault."""

from __future__ import annotations

import pytest
from lab_nodes import LONG, wait_for, with_memcached
from patience import HANG, more_time


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
    return node.sh("echo version | nc -q1 -w60 127.0.0.1 11211", check=False).startswith("VERSION")


def at_a_moment(node, module, before=lambda: None, lead=10, **args):
    """Schedule a fault, and do something before its moment; the moment, the Answer, and what was done.

    It is done again with more time where the moment had come by then.
    """
    for seconds in more_time(lead):
        at = node.clock() + seconds
        answer = node.call(module, {**args, "at": at})
        if not answer.failed:
            done = before()
            if node.clock() < at:
                return at, answer, done
            node.call("os_fault_undo", {"all": True})
            ended(node, answer)
            node.wait_booted()
            node.sh("systemctl start memcached")
        else:
            assert answer["failure"]["code"] == "too_late", answer.output
    raise AssertionError("the moment has always come before all was done that was to be done before")


def hit_service(node, action, before=lambda: None, lead=10, **args):
    """at_a_moment(), of memcached."""
    return at_a_moment(node, "os_service_fault", before, lead, service="memcached", action=action, **args)


def test_a_freeze_comes_at_its_moment_and_ends_by_itself(clocked):
    for duration in more_time(4):
        at, answer, answered = hit_service(clocked, "freeze", lambda: answers(clocked), duration=duration)
        assert answer["undo"]["state"] == "scheduled" and "injected_at" not in answer.result, answer.output
        assert answered
        fault_id = answer["fault"]["id"]
        wait_for(lambda fault_id=fault_id: clocked.record(fault_id)["proof"])
        frozen, looked = set(clocked.states(clocked.processes("memcached")).values()) == {"T"}, clocked.clock()
        record = ended(clocked, answer)
        assert record["state"] == "undone" and record["held"] is True and record["residue"] == [] and "failure" not in record
        assert at <= record["began"] <= record["injected"] <= record["undone"] - duration
        assert answers(clocked)
        if looked < record["injected"] + duration:
            break
    assert looked < record["injected"] + duration and frozen


def test_a_kill_comes_at_its_moment_and_tells_what_came_back(clocked):
    at, answer, before = hit_service(clocked, "kill", lambda: clocked.processes("memcached"), recovery_timeout=HANG)
    assert answer["undo"]["state"] == "none"
    record = ended(clocked, answer)
    assert record["state"] == "done" and record["proof"]["came_back"]["back"] is True and at <= record["injected"]
    # they lived until then
    assert before and [each["pid"] for each in record["proof"]["gone"]] == before
    assert clocked.active("memcached") and not set(clocked.processes("memcached")) & set(before)


def test_what_changes_before_the_moment_is_seen(clocked):
    def restart():
        clocked.sh("systemctl restart memcached")
        return clocked.processes("memcached")

    _at, answer, restarted = hit_service(clocked, "kill", restart, lead=25, recovery_timeout=HANG)
    record = ended(clocked, answer)
    assert restarted and [each["pid"] for each in record["proof"]["gone"]] == restarted
    wait_for(lambda: clocked.active("memcached"))


def test_undo_disarms_what_has_not_come(clocked):
    answer = clocked.fault("memcached", "freeze", at=clocked.clock() + LONG, duration=30)
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


def born(node):
    """When its PID 1 was started, in ticks since the kernel's own boot; "" while there is none."""
    return node.sh("cut -d' ' -f22 /proc/1/stat", check=False)


def rebooted(node, before):
    wait_for(lambda: born(node) not in ("", before))
    node.wait_booted()


def test_a_reboot_before_the_moment_disarms_it(clocked):
    def reboot():
        before = born(clocked)
        clocked.sh("systemctl reboot", check=False)
        rebooted(clocked, before)

    at, answer, _none = hit_service(clocked, "terminate", reboot, lead=25, duration=LONG)
    record = ended(clocked, answer)
    assert record["state"] == "aborted" and record["injected_at"] is None
    # that nothing happens at the moment is seen by nothing but its passing
    wait_for(lambda: clocked.clock() > at + 1)
    assert clocked.active("memcached")


def test_a_service_that_is_gone_at_its_moment_is_a_failure_that_is_told(clocked):
    try:
        _at, answer, _none = hit_service(clocked, "freeze", lambda: clocked.sh("systemctl stop memcached"), lead=25, duration=5)
        record = ended(clocked, answer)
        assert record["state"] == "aborted" and record["injected_at"] is None
        assert record["failure"].startswith("memcached has no process on this host"), record["failure"]
    finally:
        clocked.sh("systemctl start memcached")


def test_a_reboot_comes_at_its_moment_and_the_boot_tells(clocked):
    boot = clocked.call("os_fault_info", {})["boot"]
    at, answer, before = at_a_moment(clocked, "os_node_fault", lambda: born(clocked), action="reboot")
    assert answer["undo"]["state"] == "none" and before
    rebooted(clocked, before)
    wait_for(lambda: clocked.sh("systemctl is-active ssh", check=False) == "active")
    told = clocked.call("os_fault_info", {})
    (record,) = [each for each in told["closed"] if each["id"] == answer["fault"]["id"]]
    assert record["state"] == "done" and record["proof"]["boot"] == boot != told["boot"]
    assert clocked.record(answer["fault"]["id"])["began"] >= at


def test_our_own_way_in_is_cut_at_the_moment_and_comes_back(clocked):
    at, answer, _none = at_a_moment(clocked, "os_netiface", action="disconnect", interface="eth0", kind="isolate", duration=4)
    assert answer["undo"]["state"] == "scheduled"
    record = ended(clocked, answer)
    assert record["state"] == "undone" and record["held"] is True and at <= record["injected"]
    assert clocked.call("os_fault_info", {})["open"] == []


def test_a_moment_that_has_passed_is_refused(clocked):
    answer = clocked.refused("memcached", "freeze", at=clocked.clock() - 30, duration=5)
    assert answer["failure"]["code"] == "too_late" and "seconds ago" in answer["msg"]


# ---- commands of the user's own

STOP = {
    "name": "memcached", "down": "systemctl stop memcached", "down_check": "! systemctl is-active --quiet memcached",
    "up": ["systemctl", "start", "memcached"], "up_check": "systemctl is-active --quiet memcached",
}


def test_a_command_breaks_and_another_mends(clocked):
    for duration in more_time(3):
        answer = clocked.hit("os_command_fault", {**STOP, "duration": duration})
        assert answer["proof"] == {"status": 0, "down_check": "passes"}
        active, looked = clocked.active("memcached"), clocked.clock()
        record = ended(clocked, answer)
        assert record["state"] == "undone" and record["held"] is True and clocked.active("memcached")
        if looked < record["injected"] + duration:
            break
    assert looked < record["injected"] + duration <= record["undone"] and not active


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
