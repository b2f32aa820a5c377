# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a fault lasts whose injection takes its time, by the node's own clock; and what becomes of it when its injector dies."""

from __future__ import annotations

import json
import signal

import pytest
from lab_nodes import wait_for
from patience import HANG

SLOW = "test-slow.service"
# seconds that it needs to stop
STOP = 20


@pytest.fixture
def slow(spare):
    """A service that stops as slowly as a database may."""
    spare.sh(
        f"printf '[Service]\\nExecStart=/usr/bin/sleep infinity\\nExecStop=/usr/bin/sleep {STOP}\\n' > /etc/systemd/system/{SLOW}; "
        f"systemctl daemon-reload; systemctl start {SLOW}")
    yield spare
    spare.sh(
        f"systemctl kill -s KILL {SLOW}; systemctl stop {SLOW}; rm -f /etc/systemd/system/{SLOW}; systemctl daemon-reload; systemctl reset-failed {SLOW}; "
        # a module that was killed leaves what Ansible made for it
        "rm -rf /tmp/ansible_faultline.openstack.os_service_fault_payload_*", check=False)


# what systemd logs of a unit that is up, and of one that is down
STARTED, STOPPED = "39f53479d3a045ac8e11786248231fbf", "9d1aaa27d60140bd96365438aad20286"


def times(node, message):
    """When that was logged of the unit, in seconds of the node's clock that nobody sets."""
    told = node.sh(f"journalctl --no-pager -o json _PID=1 UNIT={SLOW} MESSAGE_ID={message} 2>/dev/null", check=False)
    return [int(json.loads(line)["__MONOTONIC_TIMESTAMP"]) / 1e6 for line in told.splitlines()]


def down(node, already):
    """(since, until) when the unit was down; already: how often it had been before."""
    stopped = wait_for(lambda: times(node, STOPPED)[already:], HANG)
    assert len(stopped) == 1, "it went down more than once"
    started = wait_for(lambda: [when for when in times(node, STARTED) if when > stopped[0]], HANG)
    return stopped[0], started[0]


def active(node):
    return node.sh(f"systemctl is-active {SLOW}", check=False) == "active"


def nothing_left(node, fault_id):
    """Nothing of the fault: no unit, no record, no lock."""
    wait_for(lambda: node.sh(f"systemctl list-units --all --plain --no-legend 'faultline-{fault_id}*'") == "", HANG)
    assert node.open_faults() == [] and node.sh("ls /var/lib/faultline/lock.d") == ""


def test_a_fault_lasts_for_its_duration_after_a_slow_stop(slow):
    before = len(times(slow, STOPPED))
    answer = slow.fault(SLOW, "terminate", duration=10, wait=True, wait_timeout=HANG)
    since, until = down(slow, before)
    assert until - since >= 10, "it was down for %.1f of 10 seconds" % (until - since)
    record = slow.record(answer["fault"]["id"])
    assert record["injected"] - record["began"] >= STOP - 1, "its stop was not slow"
    assert record["undone"] - record["proven"] >= 10
    assert answer["undo"]["held"] is True and answer["undo"]["not_held"] == "" and answer["residue"] == []
    assert active(slow)
    nothing_left(slow, answer["fault"]["id"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_fault_whose_module_is_killed_while_it_stops_the_service_is_undone(slow, number):
    before = len(times(slow, STOPPED))
    playing = slow.start("os_service_fault", {"service": SLOW, "action": "terminate", "duration": 10})
    stop = f"pgrep -fx 'systemctl stop -- {SLOW}'"
    wait_for(lambda: slow.sh(stop, check=False), HANG)
    module = int(slow.sh(f"ps -o ppid= -p $({stop})"))
    assert "python" in slow.sh(f"cat /proc/{module}/comm") and module > 1
    slow.sh(f"kill -{number:d} {module}")
    assert playing.wait(HANG) != 0
    # the stop goes on, for systemd does it, and the undo comes after it
    fault_id = slow.open_faults()[0]
    slow.wait_healed()
    assert active(slow)
    since, until = down(slow, before)
    assert until - since >= 9, "undone while whoever has it stopped may still be at it"
    record = slow.record(fault_id)
    assert record["state"] == "aborted" and record["residue"] == [] and record["held"] is False
    assert record["not_held"] == "whoever injected it died before its effect was proven"
    nothing_left(slow, fault_id)


def test_without_systemd_a_slow_stop_and_its_killed_module_come_to_the_same(make_node):
    node = make_node("slow", boots=False)
    options = {
        "driver": "process", "grep": "^sleep 24681$", "start_cmd": "setsid sleep 24681 >/dev/null 2>&1 </dev/null &",
        "terminate_cmd": f"sleep {STOP}; pkill -fx 'sleep 24681'; true",
    }
    running = "pgrep -fx 'sleep 24681'"
    node.sh(options["start_cmd"])
    answer = node.fault("their-sleep", "terminate", duration=10, wait=True, wait_timeout=HANG, **options)
    record = node.record(answer["fault"]["id"])
    assert record["injected"] - record["began"] >= STOP and record["undone"] - record["proven"] >= 10
    assert answer["undo"]["held"] is True and node.sh(running)

    playing = node.start("os_service_fault", {"service": "their-sleep", "action": "terminate", "duration": 10, **options})
    stop = f"pgrep -fx 'sleep {STOP}'"
    wait_for(lambda: node.sh(stop, check=False), HANG)
    # the shell of the command, and then the module
    module = int(node.sh(f"ps -o ppid= -p $(ps -o ppid= -p $({stop}))"))
    assert "python" in node.sh(f"cat /proc/{module}/comm") and module > 1
    first = node.sh(running)
    node.sh(f"kill -KILL {module}")
    assert playing.wait(HANG) != 0
    fault_id = node.open_faults()[0]
    node.wait_healed()
    assert node.sh(running) != first, "it was never down, so nothing had to be undone"
    assert node.record(fault_id)["residue"] == [] and node.record(fault_id)["held"] is False
