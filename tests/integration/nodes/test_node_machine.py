# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only a machine with a kernel and a clock of its own can stand: crash, clock, stress of the whole."""

from __future__ import annotations

import time

import pytest
from lab_deadlines import lasting
from lab_nodes import LONG, wait_for
from lab_witness import SSH_RATE, Witness, boots
from patience import HANG
from witness_table import Table


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
    return vm.hit("os_node_fault", {"action": action, "wait_timeout": HANG, "recovery_timeout": HANG, **args})


def wrong(vm):
    """By how many seconds the machine's clock is ahead of ours, seen from outside; looked at again where that took long."""
    while True:
        began = time.time()
        told = float(vm.sh("date +%s.%N"))
        ended = time.time()
        if ended - began < 6:
            return told - (began + ended) / 2


def timesyncd(vm):
    return vm.active("systemd-timesyncd")


@pytest.mark.parametrize("offset", [3600, -1800])
def test_a_clock_that_jumps_is_set_back_at_the_deadline_of_a_clock_that_does_not(machine, offset):
    assert timesyncd(machine) and abs(wrong(machine)) < 5

    def jump(seconds):
        answer = hit(machine, "clock", offset=offset, duration=seconds)
        assert abs(answer["proof"]["offset"] - offset) < 1 and answer["proof"]["held_off"] == ["systemd-timesyncd.service"]
        return answer["fault"]["id"]

    def look():
        fault_ids = machine.open_faults()
        return wrong(machine), timesyncd(machine), machine.call("os_node_fault", {"action": "clock", "drift": 1000, "duration": 1, "wait": True}), fault_ids

    # by a clock that jumps, its deadline would be over at once, or in half an hour
    (ahead, synchronised, again, fault_ids), record = lasting(machine.record, jump, look, first=30)
    assert abs(ahead - offset) < 5 and not synchronised
    assert again.failed and again["failure"]["code"] == "busy" and fault_ids[0] in again["msg"]
    assert abs(wrong(machine)) < 5
    wait_for(lambda: timesyncd(machine))
    assert record["held"] is True and record["residue"] == []


@pytest.fixture
def page(machine):
    """The port of a page whose answers tell the machine's time."""
    machine.sh("systemctl reset-failed page 2>/dev/null; systemd-run --quiet --unit=page /usr/bin/python3 -m http.server 18088")
    yield 18088
    machine.sh("systemctl stop page; systemctl reset-failed page", check=False)


def test_the_time_that_a_witness_is_told_jumps_and_comes_back(machine, page):
    offset, lasts = 3600, 15
    with Witness([{"name": "page", "protocol": "http", "address": machine.address, "port": page}]) as witness:
        answer, ended = hit(machine, "clock", offset=offset, duration=lasts, wait=True), time.time()
        witness.settle("page", ended)
    record = machine.record(answer["fault"]["id"])
    told = [(each, int(each.who.partition("=")[2])) for each in witness.seen.of("page") if each.answered]
    ahead = [date - each.begin > offset / 2 for each, date in told]
    first, last = ahead.index(True), len(ahead) - 1 - ahead[::-1].index(True)
    span, near = told[last][0].end - told[first][0].begin, 2 * max(witness.seen.near("page", told[each][0].begin) for each in (first, last))
    # an answer tells whole seconds, and was made at some moment of its question
    off = [date - each.end - offset * there for (each, date), there in zip(told, ahead, strict=True)
           if not -6 - (each.end - each.begin) < date - each.end - offset * there < 6]
    against = [
        *(["it went to and fro"] if not all(ahead[first:last + 1]) else []),
        *([f"wrong by {off[0]:.1f} s"] if off else []),
        *([f"it lasted for {span:.2f} s only"] if span < lasts - near else []),
        *(["it was so after the module had said that it is undone"] if told[last][0].begin > ended else []),
    ]
    Table().add(
        "node", f"clock ({offset} s ahead)", "a page that tells the time", f"{answer['proof']['offset']:.1f} s ahead for {lasts} s; "
        f"{'held' if record['held'] else 'not held'}; residue {', '.join(record['residue']) or 'none'}",
        f"{sum(ahead)} of {len(told)} answers were that far ahead, for {span:.1f} s; none before, none after", against)
    assert against == [] and record["held"] is True and record["residue"] == []


def test_a_clock_that_drifts_gets_back_its_rate_and_what_it_gained(machine):
    def rate():
        return float(machine.sh(
            "python3 -c 'import time; a, b = time.clock_gettime(4), time.clock_gettime(1); time.sleep(2); "
            "print((time.clock_gettime(1) - b) / (time.clock_gettime(4) - a))'"))

    answer = hit(machine, "clock", drift=50000, duration=LONG)
    # a machine that stands still between two looks at its clocks sees another rate
    wait_for(lambda: 1.04 < rate() < 1.06)
    assert abs(answer["proof"]["ppm"] - 50000) < 12501
    machine.heal(answer)
    wait_for(lambda: 0.998 < rate() < 1.002)
    assert abs(wrong(machine)) < 5
    wait_for(lambda: timesyncd(machine))
    assert machine.record(answer["fault"]["id"])["held"] is True


def test_stress_of_all_is_what_the_kernel_counts_and_ends(machine):
    def stress(seconds):
        answer = hit(machine, "stress", target="all", workers=1, size="48M", duration=seconds)
        proof = answer["proof"]["seen"]
        assert proof["memory"] >= 38 << 20 and proof["written"] > 0 and proof["cpu_percent"] > 5
        return answer["fault"]["id"]

    processes, record = lasting(machine.record, stress, lambda: int(machine.sh("ps -eo comm= | grep -c ^stress-ng", check=False)), first=15)
    assert processes >= 5
    assert machine.sh("pgrep stress-ng; ls /var/tmp | grep faultline", check=False) == ""
    assert record["held"] is True


def test_stress_as_a_sentence(machine):
    answer = machine.call("os_fault", {"do": "stress cpu for 8 seconds on one node", "wait": True, "wait_timeout": HANG})
    assert not answer.failed and answer["undo"]["state"] == "undone" and answer["undo"]["held"] is True, answer.output


def test_a_crash_is_proven_by_the_next_boot_and_what_was_open_is_swept(machine):
    boot = machine.boot_id()
    # on disk before the crash
    filled, jumped = hit(machine, "fill_disk", path="/var/tmp", size="8M", duration=3600), hit(machine, "clock", offset=600, duration=3600)
    answer = hit(machine, "crash", panic_timeout=2)
    machine.wait_up()
    assert machine.boot_id() != boot and answer["proof"]["boot"].split("/")[0] == boot
    assert answer["proof"]["boot_after"] != answer["proof"]["boot"] and answer["boot_time"] > 0
    machine.wait_healed()
    for fault in (filled, jumped):
        assert machine.record(fault["fault"]["id"])["state"] == "undone"
    assert machine.sh("ls -A /var/tmp | grep faultline", check=False) == ""
    wait_for(lambda: timesyncd(machine))
    assert abs(wrong(machine)) < 5


def test_a_machine_that_crashes_answers_by_its_own_words_no_sooner_than_to_a_witness(machine):
    machine.wait_up()
    with Witness([{"name": "ssh", "protocol": "tcp", "address": machine.address, "port": 22}], rate=SSH_RATE) as witness:
        began = time.time()
        answer, ended = hit(machine, "crash", panic_timeout=2), time.time()
        witness.settle("ssh", ended)
    machine.wait_up()
    machine.wait_healed()
    boots("crash", "a virtual machine's SSH", witness.seen, began, ended, answer["boot_time"])


def test_a_machine_out_of_memory_kills_our_hog_and_keeps_sshd(machine):
    server, kills = machine.sh("pgrep -o -x sshd"), int(machine.sh("awk '/^oom_kill / {print $2}' /proc/vmstat"))
    answer = hit(machine, "oom")
    assert int(machine.sh("awk '/^oom_kill / {print $2}' /proc/vmstat")) > kills
    assert machine.sh("pgrep -o -x sshd") == server and machine.active("memcached")
    assert answer["proof"]["sshd_died"] == [] and answer["proof"]["oom_kills"] == 1


def tasks(vm):
    return int(vm.sh("ls -d /proc/[0-9]*/task/* | wc -l"))


def test_a_machine_s_processes_run_out(machine):
    limit = int(machine.sh("cat /proc/sys/kernel/threads-max"))
    before = tasks(machine)
    answer = hit(machine, "exhaust", resource="pids", size=1500, duration=LONG)
    assert tasks(machine) > 1500 and answer["proof"]["limit"] <= limit
    assert machine.call("os_fault_undo", {"id": answer["fault"]["id"]})["residue"] == []
    wait_for(lambda: tasks(machine) < before + 500)


def test_the_lab_s_hypervisor_still_runs_the_machine(machine):
    # crash and oom left the domain as it was
    assert machine.state == "running"
    wait_for(machine.answers)
