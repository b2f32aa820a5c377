# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of samples: whole lines only, whatever happens, and nothing lost without being counted."""

from __future__ import annotations

import base64
import errno
import json
import os
import time
import zlib

import pytest
from patience import HANG

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._ha import _clock, _samples


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def one(number=1.0):
    return _samples.sample("nova via vip", number, number + 0.01, 0.0251239, "ok")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "api.jsonl"


def test_a_file_has_a_header_samples_and_an_end(path):
    writer = _samples.Writer(str(path), {"kind": "monitor"})
    assert lines(path) == [{"format": 1, "kind": "monitor"}]
    writer.due = 2
    writer.add(one())
    assert len(lines(path)) == 1, "it waits for the next flush"
    assert writer.flush() and lines(path)[1] == {"series": "nova via vip", "due": 1.0, "start": 1.01, "duration": 0.025124, "outcome": "ok"}
    writer.end(5.0)
    assert lines(path)[2] == {"ended": 5.0, "due": 2, "taken": 1}
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_error_and_a_value_stand_only_where_there_is_one():
    assert _samples.sample("s", 1, 1, 2, "failed", "connection refused", {"status": 503}) == {
        "series": "s", "due": 1, "start": 1, "duration": 2, "outcome": "failed", "error": "connection refused", "value": {"status": 503}}


def test_nobodys_file_is_overwritten(path):
    path.write_text("theirs")
    with pytest.raises(FaultlineError) as failed:
        _samples.Writer(str(path), {})
    assert failed.value.code == "output_exists" and path.read_text() == "theirs"


def test_a_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FaultlineError) as failed:
        _samples.Writer(str(tmp_path / "no" / "a.jsonl"), {})
    assert failed.value.code == "unwritable" and "No such file" in failed.value.message


def test_a_full_disk_costs_nothing_but_time(path, monkeypatch):
    writer = _samples.Writer(str(path), {})
    room = [7]
    real = os.write

    def cramped(handle, data):
        if not room[0]:
            raise OSError(errno.ENOSPC, "full")
        taken = real(handle, bytes(data[:room[0]]))
        room[0] -= taken
        return taken

    monkeypatch.setattr(_samples.os, "write", cramped)
    for number in range(3):
        writer.add(one(float(number)))
    assert writer.flush() is False
    room[0] = 100000
    assert writer.flush() is True
    assert [line["due"] for line in lines(path)[1:]] == [0.0, 1.0, 2.0] and writer.taken == 3


def test_what_memory_cannot_hold_is_lost_and_counted_so(path, monkeypatch):
    writer = _samples.Writer(str(path), {})
    monkeypatch.setattr(_samples, "_BACKLOG", 200)
    for number in range(10):
        writer.due += 1
        writer.add(one(float(number)))
    writer.end(1.0)
    assert lines(path)[-1] == {"ended": 1.0, "due": 10, "taken": len(lines(path)) - 2} and 0 < writer.taken < 10


def unpacked(part):
    return zlib.decompress(base64.b64decode(part["content"]))


@pytest.mark.parametrize("size", [1, 50, 300, 1 << 20])
def test_a_file_comes_in_parts_of_whole_lines(path, size):
    writer = _samples.Writer(str(path), {})
    for number in range(20):
        writer.add(one(float(number)))
    writer.end(1.0)
    offset, raw, calls = 0, b"", 0
    while calls < 50:
        part = _samples.part(str(path), offset, size)
        raw, offset, calls = raw + unpacked(part), part["offset"], calls + 1
        assert raw.endswith(b"\n")
        if part["ended"]:
            break
    assert raw == path.read_bytes() and offset == part["size"]


def test_a_line_that_is_being_written_comes_with_the_next_part(path):
    path.write_bytes(b'{"format":1}\n{"series":"x"')
    part = _samples.part(str(path), 0, 1000)
    assert unpacked(part) == b'{"format":1}\n' and part["offset"] == 13 and part["ended"] is False
    assert _samples.part(str(path), 13, 1000)["offset"] == 13


def test_no_file_is_an_error_that_names_it(path):
    with pytest.raises(FaultlineError) as failed:
        _samples.part(str(path), 0, 10)
    assert failed.value.code == "no_output" and str(path) in failed.value.message


@pytest.mark.parametrize("text, ended", [
    ('{"format":1}\n{"ended":2.0,"due":1,"taken":1}\n', True), ('{"format":1}\n', False), ('{"format":1}\n{"ended":2.0}', False),
    ("", False), ("\n\n", False),
])
def test_only_a_whole_end_line_is_an_end(path, text, ended):
    path.write_text(text)
    assert bool(_samples.end_line(str(path))) is ended


def test_the_clock_of_samples_never_jumps(monkeypatch):
    clock = _clock.Clock()
    around = time.time()
    before = clock.epoch()
    assert around - 0.01 < before < time.time() + 0.01
    monkeypatch.setattr(_clock.time, "time", lambda: 1.0)
    assert 0 <= clock.epoch() - before < HANG
    now = time.monotonic()
    assert clock.epoch(now + 10) - clock.epoch(now) == pytest.approx(10, abs=0.01)


def test_a_reading_of_the_clock_is_exact():
    told = _clock.reading()
    assert isinstance(told["clock_ns"], int) and told["clock"] == told["clock_ns"] / 1e9
