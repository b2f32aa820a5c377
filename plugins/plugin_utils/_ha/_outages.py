# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the samples of a series to its outages, and to the time that nobody looked. Pure.

An outage begins at the start of the first sample that is not ok and ends at the start of the first ok sample after it. With one sample each
period that is the true length within one period: the truth lies between `shortest` (from the first to the last sample that failed) and
`longest` (from the last ok sample before to the first ok sample after).
"""

from __future__ import annotations

import dataclasses
import math

# Two samples further apart than this many periods have time between them that nobody looked at. 2, and 5 % for jitter.
GAP = 2.1


@dataclasses.dataclass(frozen=True)
class Outage:
    """One outage of one series. Times: epoch s; lengths: s.

    begin: start of the first failed sample; end: start of the first ok sample after it, None while there is none (still down).
    last_ok: start of the last ok sample before, None where there is none; last_failed: start of its last failed sample.
    hit: end of the first failed sample: a sample that was on its way when the fault came, began before the fault.
    seen_until: the last moment at which the series was looked at, which is all that is known of an outage without an end.
    """

    begin: float
    end: float | None
    last_ok: float | None
    last_failed: float
    hit: float
    seen_until: float
    samples: int
    errors: tuple = ()

    @property
    def length(self):
        """The measured length; of one that did not end, what was seen of it."""
        return (self.seen_until if self.end is None else self.end) - self.begin

    @property
    def shortest(self):
        return self.last_failed - self.begin

    @property
    def longest(self):
        """None where it has no end or began before the first sample: nobody knows."""
        return None if self.end is None or self.last_ok is None else self.end - self.last_ok

    def within(self, start, end):
        """(measured, shortest, longest) seconds of it in a window; the longest of an open outage reaches to the window's end."""
        def part(a, b):
            return max(0.0, min(b, end) - max(a, start))

        over = self.seen_until if self.end is None else self.end
        low = part(self.begin, self.last_failed)
        high = part(start if self.last_ok is None else self.last_ok, end if self.end is None else self.end)
        value = part(self.begin, over)
        return value, min(low, value), max(high, value)


def outages(samples, period=None):
    """The outages in samples that are sorted by their start; the last one may be open."""
    found, first, last, count, errors, last_ok, last_ok_before = [], None, None, 0, {}, None, None
    for sample in samples:
        if sample.ok:
            if first is not None:
                found.append(_outage(first, last, count, errors, last_ok_before, sample.start, sample.start))
                first = None
            last_ok = sample.start
            continue
        if first is None:
            first, count, errors, last_ok_before = sample, 0, {}, last_ok
        last, count = sample, count + 1
        errors[sample.error] = errors.get(sample.error, 0) + 1
    if first is not None:
        found.append(_outage(first, last, count, errors, last_ok_before, None, covered(last, period)))
    return found


def _outage(first, last, count, errors, last_ok, end, seen_until):
    often = tuple(sorted(errors, key=lambda error: -errors[error])[:3])
    return Outage(
        begin=first.start, end=end, last_ok=last_ok, last_failed=last.start, hit=first.end, seen_until=seen_until, samples=count, errors=often)


def covered(sample, period):
    """Until when a sample tells of the thing: the next one is due, or it has its answer."""
    return sample.start + max(period or 0.0, sample.duration)


def not_sampled(samples, period, start, end):
    """The intervals [(from, to)] of a window in which a probe was due and nobody looked.

    That is a gap of more than two periods between the starts of two samples, unless the first of them was still waiting for its answer
    meanwhile; and the window's time before the first and after the last sample. Nothing is due without a period.
    """
    if period is None or end <= start:
        return []
    found, until = [], start
    for sample in samples:
        if sample.start >= end:
            break
        if sample.start > until:
            # `until` is a period after the sample before
            allowed = (GAP - 1) * period if until > start else GAP * period
            if sample.start - until > allowed:
                found.append((until, sample.start))
        until = max(until, covered(sample, period))
    if end - until > (GAP * period if until == start else (GAP - 1) * period):
        found.append((until, end))
    return [(max(a, start), min(b, end)) for a, b in found if min(b, end) > max(a, start)]


def not_taken(samples, period):
    """Probes that were due and never taken, as runs of due times [(first, how many or infinite, step)]: the holes between the due times of
    samples, and all the time before the first and after the last one, where steps go backwards and forwards."""
    if period is None or not samples:
        return []
    dues = sorted(sample.due for sample in samples)
    found = [(dues[0] - period, math.inf, -period)]
    for a, b in zip(dues, dues[1:]):
        missing = round((b - a) / period) - 1
        if missing > 0:
            found.append((a + period, missing, period))
    return [*found, (dues[-1] + period, math.inf, period)]


def count_due(missing, period, start, end):
    """How many of the due times of not_taken() are in a window, whose ends are sharp to a thousandth of a period."""
    if period is None or end <= start:
        return 0
    if not missing:
        return math.ceil((end - start) / period - 1e-3)
    total = 0
    for first, many, step in missing:
        low, high = (start - first) / step, (end - first) / step
        if step > 0:
            lowest, highest = math.ceil(low - 1e-3), math.ceil(high - 1e-3) - 1
        else:
            lowest, highest = math.floor(high + 1e-3) + 1, math.floor(low + 1e-3)
        total += max(0, min(highest, many - 1) - max(lowest, 0) + 1)
    return int(total)
