# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of a deadline itself: what they look at has to be looked at before it, also on a machine that stands still meanwhile."""

from __future__ import annotations

import os
import signal

from patience import more_time, wait_for


def lasting(record, inject, look, first=8):
    """(what look() said while a fault lasted, the fault's record once it has ended by itself).

    inject(seconds): the id of a fault of this duration; record(id): its journal's record. Where the fault was over before it was looked at,
    all is done again with a fault that lasts longer.
    """
    for seconds in more_time(first):
        fault_id = inject(seconds)
        seen = look()
        in_time = record(fault_id)["state"] == "injected"
        wait_for(lambda fault_id=fault_id: record(fault_id)["undone_at"])
        if in_time:
            return seen, record(fault_id)
    raise AssertionError(f"{fault_id} was over before it was looked at, though it lasted {seconds} seconds")


def new_fault(node, known):
    """The ID of a fault that was not among those known, once it is proven, or over."""
    fault_id = wait_for(lambda: next(iter(node.faults() - known), None))
    wait_for(lambda: node.record(fault_id)["proof"] or node.record(fault_id)["undone_at"])
    return fault_id


def kill(playing):
    """Kill a run of Ansible with all that it has started."""
    os.killpg(playing.pid, signal.SIGKILL)
    playing.wait()


def injectors(node, fault_id):
    """PIDs of those who are at work at the injection of a fault: they hold its lock, at which whoever keeps its time only looks."""
    found = node.sh(
        f"for fd in /proc/[0-9]*/fd/*; do [ \"$(readlink $fd)\" != /var/lib/faultline/lock.d/{fault_id}.injection ] || echo $fd; done | cut -d/ -f3",
        check=False).split()
    return [int(pid) for pid in found if not node.sh(f"tr '\\0' ' ' </proc/{pid}/cmdline | grep -E ' (hold|watch) {fault_id}'", check=False)]
