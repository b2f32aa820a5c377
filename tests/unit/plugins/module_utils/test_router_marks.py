# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Marks as tags: there and back, and what is added and removed for each."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._router import _marks
from hypothesis import given
from hypothesis import strategies as st

OTHERS = ["theirs", "faultline-debugger", "faultline-debug-reasons"]


def applied(tags, change):
    add, remove = change
    assert not set(add) & set(remove)
    return sorted((set(tags) | set(add)) - set(remove))


@pytest.mark.parametrize(("tags", "reason"), [
    (None, None), ([], None), (["theirs"], None), (["faultline-debug-reason=x"], None), (["faultline-debug-all"], None),
    (["faultline-debug"], ""), (["theirs", "faultline-debug", "faultline-debug-reason=its%20NAT"], "its NAT"),
    (["faultline-debug", "faultline-debug-all", "faultline-debug-all-reason=other"], ""),
    (["faultline-debug", "faultline-debug-reason=%1b[31mred%0aline%ff"], "[31mred line\ufffd"),
])
def test_a_mark_is_read(tags, reason):
    assert _marks.debug(tags) == reason


@given(st.text(max_size=200))
def test_a_reason_comes_back_on_one_line(text):
    for name in (_marks.DEBUG, _marks.ALL):
        tags = applied(OTHERS, _marks.to_debug(OTHERS, text, name))
        read, whole = _marks.debug(tags, name), _marks.plain(text)
        assert set(OTHERS) < set(tags) and all(0 < len(tag) <= 255 and not set(",/ ") & set(tag) for tag in tags)
        if len(quote(whole, safe="")) <= 255 - len(name + "-reason="):
            assert read == whole
        else:
            assert read.endswith("...") and whole.startswith(read[:-3])
        assert applied(tags, _marks.to_manage(tags, name)) == sorted(OTHERS)


@pytest.mark.parametrize(("tags", "reason", "change"), [
    ([], None, (["faultline-debug"], [])),
    ([], "a b", (["faultline-debug-reason=a%20b", "faultline-debug"], [])),
    (["faultline-debug"], None, ([], [])),
    (["faultline-debug", "faultline-debug-reason=a"], None, ([], [])),
    (["faultline-debug", "faultline-debug-reason=a"], "a", ([], [])),
    (["faultline-debug", "faultline-debug-reason=a"], "b", (["faultline-debug-reason=b"], ["faultline-debug-reason=a"])),
    (["faultline-debug", "faultline-debug-reason=a"], " ", ([], ["faultline-debug-reason=a"])),
    (["faultline-debug-reason=a", "faultline-debug-reason=b"], None, (["faultline-debug"], ["faultline-debug-reason=b"])),
])
def test_debug_changes_what_it_has_to(tags, reason, change):
    assert _marks.to_debug(tags, reason) == change


def test_a_reason_fits_where_tags_are_short():
    (tag, _mark), _removed = _marks.to_debug([], "f\u00fcr die Wartung am Wochenende gesperrt", longest=_marks.SHORT)
    assert len(tag) <= 60 and _marks.debug([tag, _marks.DEBUG]) == "f\u00fcr die Wartung am Wo..."


@pytest.mark.parametrize(("tags", "removed"), [
    ([], []), (["theirs"], []), (["faultline-debug"], ["faultline-debug"]),
    (["faultline-debug", "faultline-debug-reason=x", "faultline-debug-all"], ["faultline-debug-reason=x", "faultline-debug"]),
])
def test_manage_takes_the_mark_away_last(tags, removed):
    assert _marks.to_manage(tags) == ([], removed)


@pytest.mark.parametrize(("tags", "when"), [
    (None, None), (["faultline-rebuilt=yesterday"], None), (["faultline-rebuilt=2026-11-21T01:17:11Z", "x"], "2026-11-21T01:17:11Z"),
    (["faultline-rebuilt=2026-11-21T01:17:11Z", "faultline-rebuilt=2026-11-22T01:17:11Z"], "2026-11-22T01:17:11Z"),
])
def test_the_last_rebuild_is_read(tags, when):
    assert _marks.rebuilt(tags) == when


def test_a_rebuild_is_written_in_place_of_the_last_one():
    old = ["faultline-rebuilt=2026-11-21T01:17:11Z", "theirs"]
    assert applied(old, _marks.to_rebuilt(old, 0)) == ["faultline-rebuilt=1970-01-01T00:00:00Z", "theirs"]
    assert _marks.to_rebuilt(["faultline-rebuilt=1970-01-01T00:00:00Z"], 0) == ([], [])
