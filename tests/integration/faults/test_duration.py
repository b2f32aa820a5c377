# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a fault lasts whose injection takes its time, by the node's own clock; and what becomes of it when its injector dies."""

from __future__ import annotations

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
    spare.sh(f"systemctl kill -s KILL {SLOW}; systemctl stop {SLOW}; rm -f /etc/systemd/system/{SLOW}; systemctl daemon-reload", check=False)


def down(node):
    """(since, until) when the unit was last down, in seconds of the node's monotonic clock, from systemd's own mouth."""
    told = node.sh(f"systemctl show -p InactiveEnterTimestampMonotonic -p InactiveExitTimestampMonotonic {SLOW}")
    since, until = (int(dict(line.split("=") for line in told.splitlines())[f"Inactive{which}TimestampMonotonic"]) / 1e6 for which in ("Enter", "Exit"))
    return since, until


def active(node):
    return node.sh(f"systemctl is-active {SLOW}", check=False) == "active"


def nothing_left(node):
    """Nothing of ours: no unit, no table, no lock."""
    wait_for(lambda: node.sh("systemctl list-units --all --plain --no-legend 'faultline-*'") == "", HANG)
    assert node.open_faults() == [] and node.sh("ls /var/lib/faultline/lock.d") == ""


def test_a_fault_lasts_for_its_duration_after_a_slow_stop(slow):
    before = down(slow)
    answer = slow.fault(SLOW, "terminate", duration=10, wait=True, wait_timeout=HANG)
    since, until = down(slow)
    assert before[0] < since, "it was never down"
    assert until - since >= 10, "it was down for %.1f of 10 seconds" % (until - since)
    record = slow.record(answer["fault"]["id"])
    assert record["injected"] - record["began"] >= STOP - 1, "its stop was not slow"
    assert record["undone"] - record["proven"] >= 10
    assert answer["undo"]["held"] is True and answer["undo"]["not_held"] == "" and answer["residue"] == []
    assert active(slow)
    nothing_left(slow)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_fault_whose_module_is_killed_while_it_stops_the_service_is_undone(slow, number):
    before = down(slow)
    playing = slow.start("os_service_fault", {"service": SLOW, "action": "terminate", "duration": 10})
    stop = f"pgrep -fx 'systemctl stop -- {SLOW}'"
    wait_for(lambda: slow.sh(stop, check=False), HANG)
    module = int(slow.sh(f"ps -o ppid= -p $({stop})"))
    assert "python" in slow.sh(f"cat /proc/{module}/comm") and module > 1
    slow.sh(f"kill -{number:d} {module}")
    assert playing.wait(HANG) != 0
    # the stop goes on, for systemd does it, and the undo comes after it
    fault_id = slow.open_faults()[0]
    slow.wait_healed(HANG)
    assert active(slow)
    since, until = down(slow)
    assert before[0] < since, "it was never down, so nothing had to be undone"
    assert until - since >= 9, "undone while whoever has it stopped may still be at it"
    record = slow.record(fault_id)
    assert record["state"] == "aborted" and record["residue"] == [] and record["held"] is False
    assert record["not_held"] == "whoever injected it died before its effect was proven"
    nothing_left(slow)


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
    node.wait_healed(HANG)
    assert node.sh(running) != first, "it was never down, so nothing had to be undone"
    assert node.record(fault_id)["residue"] == [] and node.record(fault_id)["held"] is False
