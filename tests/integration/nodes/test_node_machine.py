# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only a machine with a kernel and a clock of its own can stand: crash, clock, stress of the whole."""

from __future__ import annotations

import time

import pytest
from lab_nodes import wait_for


@pytest.fixture(scope="module")
def machine_vm(make_vm):
    vm = make_vm("breakable")
    vm.sh("systemctl enable -q --now memcached systemd-timesyncd")
    return vm


@pytest.fixture
def machine(machine_vm, clean):
    with clean(machine_vm):
        yield machine_vm


def hit(vm, action, **args):
    return vm.hit("os_node_fault", {"action": action, **args})


def wrong(vm):
    """By how many seconds the machine's clock is ahead of ours, seen from outside."""
    return float(vm.sh("date +%s.%N")) - time.time()


def timesyncd(vm):
    return vm.active("systemd-timesyncd")


@pytest.mark.parametrize("offset", [3600, -1800])
def test_a_clock_that_jumps_is_set_back_at_the_deadline_of_a_clock_that_does_not(machine, offset):
    assert timesyncd(machine) and abs(wrong(machine)) < 5
    started = time.monotonic()
    answer = hit(machine, "clock", offset=offset, duration=20)
    assert abs(wrong(machine) - offset) < 5 and not timesyncd(machine)
    assert abs(answer["proof"]["offset"] - offset) < 1 and answer["proof"]["held_off"] == ["systemd-timesyncd.service"]
    again = machine.call("os_node_fault", {"action": "clock", "drift": 1000})
    assert again.failed and again["failure"]["code"] == "busy" and answer["fault"]["id"] in again["msg"]
    machine.wait_healed()
    assert 15 < time.monotonic() - started < 90
    assert abs(wrong(machine)) < 5 and timesyncd(machine)
    record = machine.record(answer["fault"]["id"])
    assert record["held"] is True and record["residue"] == []


def test_a_clock_that_drifts_gets_back_its_rate_and_what_it_gained(machine):
    rate = "python3 -c 'import time; a, b = time.clock_gettime(4), time.clock_gettime(1); time.sleep(2); " \
           "print((time.clock_gettime(1) - b) / (time.clock_gettime(4) - a))'"
    answer = hit(machine, "clock", drift=50000, duration=30)
    assert 1.04 < float(machine.sh(rate)) < 1.06
    assert abs(answer["proof"]["ppm"] - 50000) < 5000
    machine.wait_healed()
    assert 0.998 < float(machine.sh(rate)) < 1.002 and abs(wrong(machine)) < 5 and timesyncd(machine)
    assert machine.record(answer["fault"]["id"])["held"] is True


def test_stress_of_all_is_what_the_kernel_counts_and_ends(machine):
    answer = hit(machine, "stress", target="all", workers=1, size="48M", duration=15)
    assert int(machine.sh("ps -eo comm= | grep -c ^stress-ng", check=False)) >= 5
    proof = answer["proof"]["seen"]
    assert proof["memory"] >= 38 << 20 and proof["written"] > 0 and proof["cpu_percent"] > 5
    machine.wait_healed()
    assert machine.sh("pgrep stress-ng; ls /var/tmp | grep faultline", check=False) == ""
    assert machine.record(answer["fault"]["id"])["held"] is True


def test_stress_as_a_sentence(machine):
    answer = machine.call("os_fault", {"do": "stress cpu for 8 seconds on one node", "wait": True})
    assert not answer.failed and answer["undo"]["state"] == "undone" and answer["undo"]["held"] is True, answer.output


def test_a_crash_is_proven_by_the_next_boot_and_what_was_open_is_swept(machine):
    boot = machine.boot_id()
    # on disk before the crash
    filled, jumped = hit(machine, "fill_disk", path="/var/tmp", size="8M", duration=3600), hit(machine, "clock", offset=600, duration=3600)
    answer = hit(machine, "crash", panic_timeout=2, recovery_timeout=240)
    machine.wait_up()
    assert machine.boot_id() != boot and answer["proof"]["boot"].split("/")[0] == boot
    assert answer["proof"]["boot_after"] != answer["proof"]["boot"] and answer["boot_time"] > 2
    machine.wait_healed()
    for fault in (filled, jumped):
        assert machine.record(fault["fault"]["id"])["state"] == "undone"
    assert machine.sh("ls -A /var/tmp | grep faultline", check=False) == "" and timesyncd(machine)
    assert abs(wrong(machine)) < 5


def test_a_machine_out_of_memory_kills_our_hog_and_keeps_sshd(machine):
    server, kills = machine.sh("pgrep -o -x sshd"), int(machine.sh("awk '/^oom_kill / {print $2}' /proc/vmstat"))
    answer = hit(machine, "oom")
    assert int(machine.sh("awk '/^oom_kill / {print $2}' /proc/vmstat")) > kills
    assert machine.sh("pgrep -o -x sshd") == server and machine.active("memcached")
    assert answer["proof"]["sshd_died"] == [] and answer["proof"]["oom_kills"] == 1


def test_a_machine_s_processes_run_out(machine):
    limit = int(machine.sh("cat /proc/sys/kernel/threads-max"))
    answer = hit(machine, "exhaust", resource="pids", size=1500, duration=300)
    assert int(machine.sh("ls -d /proc/[0-9]*/task/* | wc -l")) > 1500 and answer["proof"]["limit"] <= limit
    assert machine.call("os_fault_undo", {"id": answer["fault"]["id"]})["residue"] == []
    wait_for(lambda: int(machine.sh("ls -d /proc/[0-9]*/task/* | wc -l")) < 500)


def test_the_lab_s_hypervisor_still_runs_the_machine(machine):
    # crash and oom left the domain as it was
    assert machine.state == "running"
    wait_for(machine.answers)
