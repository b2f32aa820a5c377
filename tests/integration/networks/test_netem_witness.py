# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What os_netiface says where the kernel has netem, beside what a client on this machine sees of a guest (docs/witness.md)."""

from __future__ import annotations

import math
import time

import pytest
from lab_doors import SERVER, Place
from lab_witness import Witness
from witness_table import Table

PORT = 15558
LASTS = 15
# seconds by which the guest's clock is known to be off
VAGUE = 0.5


@pytest.fixture(scope="module")
def guest_vm(make_vm):
    return make_vm("seenetem")


@pytest.fixture
def served(guest_vm, clean):
    """The guest with a server of UDP; the test fails if it leaves anything behind."""
    with clean(guest_vm):
        guest_vm.sh(SERVER)
        place = Place(guest_vm)
        place.serve("seen-udp", "udp", "0.0.0.0", PORT, "pong")
        yield guest_vm
        place.clean()


def ahead(vm):
    """By how many seconds the guest's clock is ahead of ours; looked at again where that took long."""
    while True:
        began = time.time()
        told = vm.clock()
        ended = time.time()
        if ended - began < 2 * VAGUE:
            return told - (began + ended) / 2


def witnessed(vm, action, **options):
    """(what the witness saw, the spans before the fault and while it lasted by our clock, the record)."""
    with Witness([{"name": "udp", "protocol": "udp", "address": vm.address, "port": PORT}]) as witness:
        answer = vm.hit("os_netiface", {"action": action, "network": "management", "duration": LASTS, "wait": True, "wait_timeout": 300, **options})
        record, off = vm.record(answer["fault"]["id"]), ahead(vm)
        witness.settle("udp", record["undone"] - off)
    since = record["proven"] - off
    return witness.seen, (0, record["began"] - off - VAGUE), (since + VAGUE, since + LASTS - VAGUE), record


def judged(record, words, saw, against):
    Table().add(
        "network", words, "UDP of a virtual machine", f"for {LASTS} s; {'held' if record['held'] else 'not held'}; "
        f"residue {', '.join(record['residue']) or 'none'}", saw, against)
    assert against == [] and record["held"] is True and record["residue"] == []


def test_answers_are_as_late_as_is_said(served):
    seen, earlier, span, record = witnessed(served, "delay", delay="300ms")
    took, before = 1000 * seen.median("udp", *span), 1000 * seen.median("udp", *earlier)
    judged(record, "delay of 300 ms", f"answers took {took:.0f} ms where they took {before:.0f} ms", [] if took >= 290 else [f"answers took {took:.0f} ms"])


def test_as_many_are_spoiled_as_is_said(served):
    seen, _earlier, span, record = witnessed(served, "corrupt", corrupt="40%")
    count, lost = len(seen.asked("udp", *span)), 100 * (1 - seen.share("udp", *span))
    # four standard deviations; a guest that stands still answers late, which only adds to them, and what hits an address of the frame is sent anew
    spread = 400 * math.sqrt(0.4 * 0.6 / count)
    judged(record, "corrupt of 40 %", f"{lost:.0f} % of {count} questions not answered", [] if 40 - spread - 10 < lost else [f"{lost:.0f} % were spoiled"])
