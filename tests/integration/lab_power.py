# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of power ask of this machine, which holds the faults of others."""

from __future__ import annotations

import contextlib
import json
import pathlib

from lab_nodes import JOURNAL


def open_here(name, home=JOURNAL):
    """The open faults of this machine on a host."""
    records = []
    for path in pathlib.Path(home, "open").glob("*.json"):
        # one that is closed between two looks is open no more
        with contextlib.suppress(FileNotFoundError):
            records.append(json.loads(path.read_text()))
    return [record for record in records if record["kind"] == "power" and record["subject"] == name]


def record(fault_id, home=JOURNAL):
    path = next(pathlib.Path(home).glob(f"*/{fault_id}.json"))
    return json.loads(path.read_text())


def keepers(home=JOURNAL):
    """PIDs of the processes that keep the time of faults on this machine."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"watch" in words and any(word.startswith(f"{home}/runner/".encode()) for word in words):
            found.append(int(path.parent.name))
    return found


def do(vm, action, *options, **args):
    """os_power that has to succeed; its Answer."""
    return vm.hit("os_power", {"action": action, **args}, *options)


def refused(vm, action, code, *options, **args):
    answer = vm.call("os_power", {"action": action, **args}, *options)
    assert answer.failed and answer["failure"]["code"] == code, answer.output
    return answer
