# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How what a module said is compared with what the outside witness saw, and the table of it."""

from __future__ import annotations

import lab_witness
import pytest
import witness_table

# a fault that began at 100, was proven at 101, and lasted until 107
RECORD = {"began": 100.0, "injected": 100.5, "proven": 101.0, "duration": 6, "undone": 107.1, "held": True, "residue": []}


def seen(*outcomes, begin=90.0, gap=0.05):
    """A witness with a question every so many seconds: (outcome, until when)."""
    lines, moment = [{"ready": 1}], begin
    for outcome, until in outcomes:
        while moment < until:
            took = lab_witness.PATIENCE if outcome == "silent" else 0.01
            lines.append([moment, moment + took, "door", outcome, None])
            moment += gap
    return lab_witness.Seen(lines)


def test_a_door_that_is_shut_while_it_is_said_to_be_agrees():
    assert lab_witness.away(seen(("answered", 100.8), ("silent", 107.1), ("answered", 120)), RECORD, "door") == []


@pytest.mark.parametrize(("outcomes", "words"), [
    ([("answered", 103), ("silent", 107), ("answered", 120)], "door answered"), ([("silent", 107), ("answered", 120)], "did not answer before"),
    ([("answered", 100), ("silent", 120)], "did not come back"), ([("answered", 100.5)], "nobody asked"),
])
def test_a_door_that_is_not_shut_when_it_is_said_to_be_is_told(outcomes, words):
    assert any(words in each for each in lab_witness.away(seen(*outcomes), RECORD, "door"))


@pytest.mark.parametrize(("after", "gap", "agrees"), [(3.0, 0.05, True), (3.15, 0.05, True), (3.5, 0.05, False), (2.5, 0.05, False), (3.5, 0.4, True)])
def test_a_recovery_agrees_within_two_tenths_of_a_second_or_two_questions(after, gap, agrees):
    told = seen(("answered", 100.2), ("refused", 103), ("answered", 120), gap=gap)
    assert (lab_witness.returned(told, RECORD, {"back": True, "after": after}, "door") == []) is agrees


def test_a_recovery_that_nobody_saw_is_told():
    back = {"back": True, "after": 1.0}
    assert lab_witness.returned(seen(("answered", 120)), RECORD, back, "door")
    assert lab_witness.returned(seen(("answered", 100), ("refused", 120)), RECORD, back, "door")
    assert lab_witness.returned(seen(("answered", 100), ("refused", 120)), RECORD, {"back": False, "after": None}, "door") == []
    assert lab_witness.returned(seen(("answered", 100), ("refused", 103), ("answered", 120)), RECORD, {"back": False, "after": None}, "door")


def test_those_on_their_way_at_the_end_are_not_counted():
    told = seen(("answered", 103), ("silent", 105), ("answered", 120))
    assert told.share("door", 101, 107) == pytest.approx(0.6, abs=0.02)
    assert told.median("door", 101, 107) == pytest.approx(0.01) and told.median("door", 103, 106) == pytest.approx(1)
    assert lab_witness.stays_open(told, RECORD, "door") == []
    assert lab_witness.stays_open(seen(("answered", 102), ("silent", 106), ("answered", 120)), RECORD, "door")


@pytest.fixture
def table(tmp_path):
    return witness_table.Table(tmp_path / "rows")


def test_a_row_takes_the_place_of_the_earlier_one_and_all_are_in_order(table):
    table.add("network", "loss of 30 %", "UDP", "30 %", "31 %", [])
    table.add("container", "kill", "nova_api (Docker)", "back after 1 s", "was never away", ["it was never away"])
    table.add("container", "kill", "nova_api (Docker)", "back after 1 s", "answered after 1 s", [])
    assert table.text().splitlines()[2:] == [
        "| container | kill | nova_api (Docker) | back after 1 s | answered after 1 s | yes |", "| network | loss of 30 % | UDP | 30 % | 31 % | yes |"]


def test_the_table_of_a_page_is_written_anew_and_the_rest_stays(table, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nWords.\n\n| fault |\n| --- |\n| old |\n\nMore words.\n")
    with pytest.raises(SystemExit, match="no row"):
        table.write(page)
    table.add("service", "kill", "mysql", "back", "answered", ["it | did not"])
    table.write(page)
    told = page.read_text()
    assert told.startswith("# Page\n\nWords.\n\n| area | fault |") and told.endswith("| no: it \\| did not |\n\nMore words.\n") and "old" not in told
