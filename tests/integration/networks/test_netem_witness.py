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

PORT, LONG_PORT = 15558, 15561
# octets of a long answer, and what Ethernet, IPv4 and UDP add to it
LONG_ANSWER, HEADERS = 1000, 42
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
        place.serve("seen-long", "udp", "0.0.0.0", LONG_PORT, LONG_ANSWER * "x")
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


def witnessed(vm, action, port=PORT, copies=0, **options):
    """(what the witness saw, the spans before the fault and while it lasted by our clock, the record)."""
    with Witness([{"name": "udp", "protocol": "udp", "address": vm.address, "port": port, "copies": copies}]) as witness:
        answer = vm.hit("os_netiface", {"action": action, "network": "management", "duration": LASTS, "wait": True, "wait_timeout": 300, **options})
        record, off = vm.record(answer["fault"]["id"]), ahead(vm)
        witness.settle("udp", record["undone"] - off)
    since = record["proven"] - off
    return witness.seen, (0, record["began"] - off - VAGUE), (since + VAGUE, since + LASTS - VAGUE), record


def deviations(share, count):
    """Four standard deviations of the share of so many that chance hits, in percent."""
    return 400 * math.sqrt(share * (1 - share) / count)


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
    # a guest that stands still answers late, which only adds to them, and what hits an address of the frame is sent anew
    spread = deviations(0.4, count)
    judged(record, "corrupt of 40 %", f"{lost:.0f} % of {count} questions not answered", [] if 40 - spread - 10 < lost else [f"{lost:.0f} % were spoiled"])


def test_as_many_come_twice_as_is_said(served):
    seen, earlier, span, record = witnessed(served, "duplicate", copies=0.2, duplicate="50%")
    answered = seen.answered("udp", *span)
    twice = 100 * sum(each.who == "answers=2" for each in answered) / len(answered)
    before = sum(each.who != "answers=1" for each in seen.answered("udp", *earlier))
    spread = deviations(0.5, len(answered))
    against = [*([f"{twice:.0f} % came twice"] if abs(twice - 50) > spread else []), *([f"{before} came twice before"] if before else [])]
    judged(record, "duplicate of 50 %", f"{twice:.0f} % of {len(answered)} answers came twice", against)


def test_as_many_overtake_the_others_as_is_said(served):
    seen, _earlier, span, record = witnessed(served, "reorder", reorder="50%", delay="400ms")
    took = [each.end - each.begin for each in seen.answered("udp", *span)]
    first = 100 * sum(each < 0.2 for each in took) / len(took)
    # a guest that stands still answers late
    spread = deviations(0.5, len(took))
    between = [each for each in took if 0.2 <= each < 0.39]
    against = [] if 50 - spread - 10 < first < 50 + spread else [f"{first:.0f} % overtook the others"]
    judged(record, "reorder of 50 %, delay of 400 ms", f"{first:.0f} % of {len(took)} answers came at once, the others late; {len(between)} between", against)


def test_no_more_is_answered_than_the_rate_lets_through(served):
    # twenty long answers a second are twice as much as this
    rate, burst = 80_000, 15_000
    seen, earlier, span, record = witnessed(served, "rate", port=LONG_PORT, rate="80kbit")
    answered, asked = len(seen.answered("udp", *span)), len(seen.asked("udp", *span))
    most = (rate * LASTS / 8 + burst) / (LONG_ANSWER + HEADERS)
    before = seen.share("udp", *earlier)
    against = [*([f"{answered} were answered"] if not 0 < answered <= most < asked else []), *([f"{before:.0%} before"] if before < 0.9 else [])]
    judged(
        record, "rate of 80 kbit/s", f"{answered} of {asked} questions answered by {LONG_ANSWER} octets within a second ({most:.0f} at most, at that rate), "
        f"where it was {before:.0%}", against)
