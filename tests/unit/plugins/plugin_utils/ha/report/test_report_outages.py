# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From samples to outages and to time that nobody looked."""

from __future__ import annotations

import ha_recorded
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _outages
from ansible_collections.faultline.openstack.plugins.plugin_utils._ha._run_files import Sample

PERIOD = 0.2


def line(pattern, period=1.0, duration=0.01):
    """Samples from a string: `.` ok, `x` failed, ` ` never taken; one each period from 0."""
    return [
        Sample(place * period, place * period, duration, "ok" if sign == "." else "failed", "" if sign == "." else f"e{place}")
        for place, sign in enumerate(pattern) if sign != " "
    ]


@pytest.mark.parametrize("pattern, expected", [
    ("", []),
    ("....", []),
    ("..xx..", [(2, 4, 1.0, 3.0)]),
    ("..x..", [(2, 3, 0.0, 2.0)]),
    (".x.x.", [(1, 2, 0.0, 2.0), (3, 4, 0.0, 2.0)]),
    # nobody knows how long it had been down already
    ("xx..", [(0, 2, 1.0, None)]),
    # it ends with the first ok sample after it, however late that is
    (".xx   ..", [(1, 6, 1.0, 6.0)]),
    # still down
    ("..xx", [(2, None, 1.0, None)]),
])
def test_an_outage_goes_from_the_first_failed_to_the_next_ok_sample(pattern, expected):
    assert [(each.begin, each.end, each.shortest, each.longest) for each in _outages.outages(line(pattern), 1.0)] == expected


def test_an_open_outage_is_as_long_as_it_was_seen():
    (found,) = _outages.outages(line("..xx"), 1.0)
    assert found.length == 2.0
    assert found.within(0, 100) == (2.0, 1.0, 99.0)


def test_an_outage_tells_its_commonest_errors_first():
    samples = [Sample(n, n, 0.01, "failed", error) for n, error in enumerate(["a", "b", "b", "c", "c", "c", "d"])]
    assert _outages.outages(samples, 1.0)[0].errors == ("c", "b", "a")


@pytest.mark.parametrize("window, expected", [
    ((0, 100), (20.0, 19.0, 21.0)),
    ((0, 20), (10.0, 10.0, 11.0)),
    ((20, 25), (5.0, 5.0, 5.0)),
    ((25, 100), (5.0, 4.0, 5.0)),
    ((50, 60), (0.0, 0.0, 0.0)),
])
def test_the_part_of_an_outage_in_a_window_keeps_its_bounds(window, expected):
    (found,) = _outages.outages(line("." * 10 + "x" * 20 + "." * 70), 1.0)
    assert found.within(*window) == expected


@pytest.mark.parametrize("pattern, expected", [
    ("......", []),
    # one that is missing is no gap yet
    ("... ..", []),
    ("...  ..", [(3.0, 5.0)]),
    ("   ...", [(0.0, 3.0)]),
    ("...   ", [(3.0, 6.0)]),
    # failed samples are samples
    (".xxx..", []),
    # but a hole in an outage is one
    (".x   x.", [(2.0, 5.0)]),
    ("", []),
])
def test_a_gap_of_more_than_two_periods_is_not_sampled(pattern, expected):
    assert _outages.not_sampled(line(pattern), 1.0, 0.0, float(len(pattern))) == expected


def test_time_without_any_sample_is_not_sampled_at_all():
    assert _outages.not_sampled([], 1.0, 10.0, 20.0) == [(10.0, 20.0)]


def test_a_probe_that_waits_for_its_answer_is_looking():
    samples = [Sample(0, 0, 0.1, "ok", ""), Sample(1, 1, 5.0, "timeout", "no answer"), Sample(6, 6, 0.1, "ok", "")]
    assert _outages.not_sampled(samples, 1.0, 0.0, 7.0) == []


def test_nothing_is_due_in_a_closed_loop():
    assert _outages.not_sampled(line("..    .."), None, 0.0, 8.0) == []
    assert _outages.not_taken(line("..    .."), None) == []


@pytest.mark.parametrize("pattern, window, expected", [
    ("......", (0, 6), 0),
    ("...  .", (0, 6), 2),
    # only what was due in the window
    ("...  .", (4, 6), 1),
    ("...  .", (3.9, 4.1), 1),
    # before the first and after the last
    ("  ....", (0, 6), 2),
    ("....  ", (0, 6), 2),
    ("....", (10, 15), 5),
    ("  ....", (-3, 2), 5),
    # a window that ends where one is due does not hold it
    ("....", (2, 4), 0),
    ("", (0, 6), 6),
])
def test_probes_that_were_due_and_never_taken_are_counted(pattern, window, expected):
    missing = _outages.not_taken(line(pattern), 1.0)
    assert _outages.count_due(missing, 1.0, *window) == expected


def test_jitter_at_the_edge_of_a_window_loses_no_probe():
    samples = [Sample(n * PERIOD, n * PERIOD + 0.0007, 0.01, "ok", "") for n in range(100)]
    missing = _outages.not_taken(samples, PERIOD)
    for place in range(10, 50):
        start = place * PERIOD / 3 + 0.0003
        assert _outages.count_due(missing, PERIOD, start, start + 7.0) == 0


@st.composite
def known_outages(draw):
    """[(from, to)] of at least two periods each, apart from each other by at least two."""
    found, at = [], 5.0
    for _each in range(draw(st.integers(0, 8))):
        at += draw(st.floats(3 * PERIOD, 10.0))
        length = draw(st.floats(2 * PERIOD + 0.002, 5.0))
        found.append((at, at + length))
        at += length
    return found, at + 5.0


@settings(max_examples=150)
@given(known_outages(), st.booleans(), st.integers(0, 1000))
def test_every_known_outage_is_found_within_one_period(known, hang, seed):
    outages, end = known
    t0 = ha_recorded.T0
    samples = [
        Sample(each["due"], each["start"], each["duration"], each["outcome"], each.get("error", ""))
        for each in ha_recorded.probes(t0, t0 + end, PERIOD, down=[(t0 + a, t0 + b) for a, b in outages], hang=hang, seed=seed)
    ]
    found = _outages.outages(samples, PERIOD)
    assert len(found) == len(outages)
    for each, (a, b) in zip(found, outages):
        assert abs(each.length - (b - a)) <= PERIOD + 0.002
        assert each.shortest <= b - a + 0.002 and b - a <= each.longest + 0.002
        assert 0 <= each.begin - (t0 + a) <= PERIOD + 0.002 and 0 <= each.end - (t0 + b) <= PERIOD + 0.002
    assert _outages.not_sampled(samples, PERIOD, t0, t0 + end) == []


@settings(max_examples=100)
@given(st.text(alphabet=".x ", max_size=60), st.integers(0, 70), st.integers(1, 70))
def test_every_due_probe_is_taken_or_not_taken(pattern, start, length):
    samples = line(pattern)
    taken = sum(start <= sample.due < start + length for sample in samples)
    assert taken + _outages.count_due(_outages.not_taken(samples, 1.0), 1.0, start, start + length) == length
