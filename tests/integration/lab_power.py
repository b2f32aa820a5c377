# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of power ask of this machine, which holds the faults of others."""

from __future__ import annotations

import contextlib
import json
import pathlib

from lab_nodes import JOURNAL
from patience import HANG, wait_for


def _records(folders, home):
    for path in pathlib.Path(home).glob(f"{folders}/*.json"):
        # one that is closed between two looks is somewhere else
        with contextlib.suppress(FileNotFoundError):
            yield json.loads(path.read_text())


def open_here(name, home=JOURNAL):
    """The open faults of this machine on a host."""
    return [record for record in _records("open", home) if record["kind"] == "power" and record["subject"] == name]


def faults_here(name, home=JOURNAL):
    """The ids of all of them, the closed ones too."""
    return {record["id"] for record in _records("*", home) if record["kind"] == "power" and record["subject"] == name}


def record(fault_id, home=JOURNAL):
    return wait_for(lambda: next((each for each in _records("*", home) if each["id"] == fault_id), None))


def start(vm, **args):
    """(a run of os_power in the background, the id of its fault once that is proven)."""
    known = faults_here(vm.name)
    playing = vm.start("os_power", args)
    fault_id = wait_for(lambda: next(iter(faults_here(vm.name) - known), None))
    wait_for(lambda: record(fault_id)["proof"] or record(fault_id)["undone_at"])
    return playing, fault_id


def keepers(*fault_ids):
    """PIDs of the processes that keep the time of these faults on this machine, each before those that it has started."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        # a process may end between two looks
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "watch" in words and set(fault_ids) & set(words):
                found[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    return sorted(found, key=lambda pid: found[pid] in found)


def do(vm, action, *options, **args):
    """os_power that has to succeed; its Answer."""
    patience = {"state_timeout": HANG, "wait_timeout": HANG, "recovery_timeout": HANG}
    return vm.hit("os_power", {"action": action, **patience, **args}, *options)


def refused(vm, action, code, *options, **args):
    answer = vm.call("os_power", {"action": action, **args}, *options)
    assert answer.failed and answer["failure"]["code"] == code, answer.output
    return answer
