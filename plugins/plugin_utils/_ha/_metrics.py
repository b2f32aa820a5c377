# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the samples of a run say of availability, recovery and degradation, each figure with its error. Pure.

The definitions are those of OpenStack's performance documentation (reliability testing, version 2.0):

- service downtime: the time when the service was not available;
- recovery period: the time after the fault in which performance degrades;
- MTTR: the mean time to recover service performance after the fault;
- absolute performance degradation: the difference between the mean operation duration in the recovery period and the baseline's;
- relative performance degradation: their ratio.

A figure is a dictionary, made by `figure()`: value, low, high, unit, how, why. `how` says what low and high are: `sampling` (the truth lies
between them, from the neighbouring samples), `t95` (the 95 % confidence interval of a mean) or `exact`. A figure that nobody knows has the
value None, and `why` says why.
"""

from __future__ import annotations

import bisect
import dataclasses
import math

from . import _outages
from ._outages import GAP

DEFAULT_OBJECTIVE = 99.9
# fewer baseline samples than these say nothing of what is normal
FEWEST_BASELINE = 10
# A stretch is degraded where the median of this many neighbouring ok samples is above the threshold,
MEDIAN_OF = 5
# which is this many standard deviations above the baseline's mean, and at least so much more than it: s, and as a share
SIGMAS, LEAST_MORE, LEAST_SHARE = 4.0, 0.005, 0.25
# disruptions that begin within so many seconds of each other began together: none ends the window of another
TOGETHER = 1.0

# two-sided 95 % quantiles of Student's t by degrees of freedom; between two of them the smaller degree counts, which errs on the wide side
_T95 = {
    1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228, 11: 2.201, 12: 2.179, 13: 2.160,
    14: 2.145, 15: 2.131, 16: 2.120, 17: 2.110, 18: 2.101, 19: 2.093, 20: 2.086, 21: 2.080, 22: 2.074, 23: 2.069, 24: 2.064, 25: 2.060,
    26: 2.056, 27: 2.052, 28: 2.048, 29: 2.045, 30: 2.042, 40: 2.021, 60: 2.000, 120: 1.980, 1000: 1.962,
}


def t95(degrees):
    """The two-sided 95 % quantile of Student's t. degrees: at least 1, rounded down to one of the table."""
    return _T95[max(known for known in _T95 if known <= max(1, degrees))]


def figure(value, low=None, high=None, unit="s", how="sampling", why=None):
    """A measured value with its error; low and high are the value where not given."""
    if value is None:
        return {"value": None, "low": low, "high": high, "unit": unit, "how": how, "why": why or "not known"}
    return {"value": value, "low": value if low is None else low, "high": value if high is None else high, "unit": unit, "how": how, "why": why}


def unknown(why, unit="s"):
    return figure(None, unit=unit, why=why)


def mean_figure(figures, unit="s"):
    """The mean of repeated observations: m -+ t(0.975, n - 1) * s / sqrt(n), s the standard deviation of a sample (n - 1).

    It is never narrower than the means of the observations' own bounds, which count where all are alike; and never below 0.
    figures: at least 2, their values known.
    """
    count, values = len(figures), [each["value"] for each in figures]
    mean = math.fsum(values) / count
    error = t95(count - 1) * deviation(values) / math.sqrt(count)
    low = min(mean - error, math.fsum(each["low"] for each in figures) / count)
    return figure(mean, max(0.0, low), max(mean + error, math.fsum(each["high"] for each in figures) / count), unit, "t95")


def deviation(values):
    """The standard deviation of a sample (n - 1); 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def quantile(ordered, share):
    """Linear between the neighbours; `ordered` is sorted and not empty."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def statistics(values):
    """n, mean, std, min, p50, p95, p99, max of durations in s, or None where there is none."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        "n": len(ordered), "mean": math.fsum(ordered) / len(ordered), "std": deviation(ordered), "min": ordered[0],
        "p50": quantile(ordered, 0.50), "p95": quantile(ordered, 0.95), "p99": quantile(ordered, 0.99), "max": ordered[-1],
    }


def difference(after, before):
    """(absolute, relative) degradation between two sets of durations, as figures.

    Absolute: m1 - m2 -+ t(0.975, v) * sqrt(s1^2/n1 + s2^2/n2), v by Welch and Satterthwaite. Relative: r = m1 / m2,
    r -+ t(0.975, v) * r * sqrt(s1^2/(n1 m1^2) + s2^2/(n2 m2^2)) (propagation of errors). after, before: results of statistics().
    """
    variances = [each["std"] ** 2 / each["n"] for each in (after, before)]
    total = math.fsum(variances)
    freedom = sum(variance**2 / (each["n"] - 1) for variance, each in zip(variances, (after, before)) if each["n"] > 1)
    error = t95(int(total**2 / freedom) if freedom else 1) * math.sqrt(total)
    known = after["n"] > 1 and before["n"] > 1
    absolute = after["mean"] - before["mean"]
    why = None if known else "one operation only: its error is not known"
    first = figure(absolute, absolute - error, absolute + error, "s", "t95", why)
    if not known:
        first["low"] = first["high"] = None
    if before["mean"] <= 0:
        return first, unknown("the baseline's mean is 0", "ratio")
    ratio = after["mean"] / before["mean"]
    parts = [variance / each["mean"] ** 2 for variance, each in zip(variances, (after, before)) if each["mean"] > 0]
    spread = t95(int(total**2 / freedom) if freedom else 1) * ratio * math.sqrt(math.fsum(parts))
    second = figure(ratio, max(0.0, ratio - spread), ratio + spread, "ratio", "t95", why)
    if not known:
        second["low"] = second["high"] = None
    return first, second


# -- windows of time --------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Window:
    """A stretch of the run that is evaluated. id: `run`, or the disruption's; rounds: [(number, start, end, clock error)], each from an
    injection on; why: why it cannot be evaluated, if so; overlaps: ids of disruptions that were on at the same time; final: the end of all
    windows: one that ends earlier ends with the next fault."""

    id: str
    name: str
    start: float | None = None
    end: float | None = None
    rounds: list = dataclasses.field(default_factory=list)
    overlaps: list = dataclasses.field(default_factory=list)
    why: str | None = None
    final: float | None = None

    @property
    def length(self):
        return 0.0 if self.start is None or self.end is None else max(0.0, self.end - self.start)


def disruptions(run):
    """id -> (name, finite, the planned injections' ids) of the plan, and of what was injected without being in it."""
    found = {each["id"]: (each["name"], each["finite"], [one["id"] for one in each["injections"]]) for each in run.plan["disruptions"]}
    for each in run.injections:
        found.setdefault(each["disruption"], (each["disruption"], True, []))
    return found


def whole_window(run):
    """The disrupted time: from the start of phase `disruption` (else the first injection) to the end of `cool_down`."""
    window = Window("run", "the whole disrupted run")
    injected = begins(run)
    phase, cool_down = run.phase("disruption"), run.phase("cool_down")
    if phase is None and not injected:
        window.why = "the run has no phase `disruption`"
        return window
    window.start = phase.start if phase else min(injected)
    if cool_down is not None and cool_down.start >= window.start:
        phase = cool_down
    end = phase.end if phase else None
    if end is None and phase is not None:
        end = next((later.start for later in run.phases if later.start > phase.start), None)
    window.end = window.final = run.last_time() if end is None else end
    return window


def begins(run):
    """When each injection that was done began, epoch s."""
    return [each["at"] for each in run.injections if each["at"] is not None]


def windows(run):
    """The windows of a run: [the whole disrupted time, one of each disruption ...].

    A disruption's goes from its first injection to the next disruption's first injection after its own last one (TOGETHER later at least), or to
    the end of the cool-down. Its rounds are cut in the same way.
    """
    whole = whole_window(run)
    times = {}
    for each in run.injections:
        if each["at"] is not None:
            rounds = times.setdefault(each["disruption"], {})
            first, error = rounds.get(each["round"], (math.inf, 0.0))
            rounds[each["round"]] = (min(first, each["at"]), max(error, each["clock_error"]))
    found = [whole]
    for told, (name, _finite, _planned) in disruptions(run).items():
        window = Window(told, name)
        found.append(window)
        if told not in times:
            window.why = "nothing of it was injected"
            continue
        if whole.end is None:
            window.why = whole.why
            continue
        begun = sorted((first, number, error) for number, (first, error) in times[told].items())
        window.start = begun[0][0]
        others = {other: [first for first, _error in rounds.values()] for other, rounds in times.items() if other != told}
        nexts = [first for firsts in others.values() for first in firsts if min(firsts) > begun[-1][0] + TOGETHER]
        window.end, window.final = max(window.start, min([whole.end, *nexts])), whole.end
        window.overlaps = sorted(other for other, firsts in others.items() if any(window.start - TOGETHER <= first < window.end for first in firsts))
        ends = [first for first, _number, _error in begun[1:]] + [window.end]
        window.rounds = [(number, first, end, error) for (first, number, error), end in zip(begun, ends)]
    return found


# -- one series -------------------------------------------------------------------------------------------------------


class Track:
    """A series with what is computed of it once: outages, baseline, degraded stretches. references: the load's other runs (see reference)."""

    def __init__(self, series, run, references=()):
        self.series = series
        self.samples = series.samples
        self._starts = [sample.start for sample in self.samples]
        self._longest = max((sample.duration for sample in self.samples), default=0.0)
        self.outages = _outages.outages(self.samples, series.period)
        self.missing = _outages.not_taken(self.samples, series.period)
        # how far apart looks are: the error of whatever begins or ends between two of them
        self.step = series.period or _median([b - a for a, b in zip(self._starts, self._starts[1:])])
        self.baseline, self.baseline_from = self._baseline(run, references)
        self.threshold = threshold(self.baseline)
        self.degraded = degraded(self.samples, self.threshold)

    def between(self, start, end):
        """The samples that started in a window."""
        return self.samples[bisect.bisect_left(self._starts, start):bisect.bisect_left(self._starts, end)]

    def not_sampled(self, start, end):
        """[(from, to)] of a window in which nobody looked; see _outages.not_sampled."""
        return _outages.not_sampled(self.between(start - self._longest - (self.series.period or 0.0) * GAP, end), self.series.period, start, end)

    def not_taken(self, start, end):
        """How many probes were due in a window and never taken."""
        return _outages.count_due(self.missing, self.series.period, start, end)

    def _baseline(self, run, references):
        """Statistics of ok samples before any fault, and where they are from; a load's clean run where there are too few of those."""
        phase = run.phase("baseline")
        first = min(begins(run), default=None)
        limits = []
        if phase is not None:
            end = phase.end if phase.end is not None else first
            disrupted = run.phase("disruption")
            limits.append((phase.start, end if end is not None else disrupted.start if disrupted else math.inf))
        elif first is not None:
            limits.append((-math.inf, first))
        durations = [sample.duration for start, end in limits for sample in self.samples if start <= sample.start and sample.end <= end and sample.ok]
        durations += [sample.duration for other in references if other.phase == "baseline" for sample in other.samples if sample.ok]
        if len(durations) >= FEWEST_BASELINE or self.series.kind != "load":
            return statistics(durations), "baseline"
        clean = [sample.duration for other in references if other.phase == "clean" for sample in other.samples if sample.ok]
        return (statistics(clean), "clean") if len(clean) >= FEWEST_BASELINE else (statistics(durations), "baseline")


def _median(values):
    return quantile(sorted(values), 0.5) if values else 0.0


def threshold(baseline):
    """The duration in s above which operations are degraded, or None where the baseline is too small."""
    if baseline is None or baseline["n"] < FEWEST_BASELINE:
        return None
    mean = baseline["mean"]
    return mean + max(SIGMAS * baseline["std"], LEAST_MORE, LEAST_SHARE * mean)


def degraded(samples, limit):
    """The degraded stretches [(first slow start, last slow start, start of the first quick sample after, or None)] among the ok samples.

    A stretch is one where the median of MEDIAN_OF neighbouring ok samples is above the limit; single slow ones are noise.
    """
    if limit is None:
        return []
    good = [sample for sample in samples if sample.ok]
    slow = [sample.duration > limit for sample in good]
    half, found, count = MEDIAN_OF // 2, [], 0
    inside = [False] * len(good)
    for place, is_slow in enumerate(slow):
        count += is_slow - (slow[place - MEDIAN_OF] if place >= MEDIAN_OF else 0)
        if place >= MEDIAN_OF - 1 and count > half:
            for each in range(place - MEDIAN_OF + 1, place + 1):
                inside[each] = True
    place = 0
    while place < len(good):
        if not inside[place]:
            place += 1
            continue
        stop = place
        while stop < len(good) and inside[stop]:
            stop += 1
        marked = [each for each in range(place, stop) if slow[each]]
        after = marked[-1] + 1
        found.append((good[marked[0]].start, good[marked[-1]].start, good[after].start if after < len(good) else None))
        place = stop
    return found


def span(series, window):
    """The part of a window in which a series should have been looked at: a load that ended by itself ends its own."""
    start, end = window
    if series.kind == "load":
        if series.started is not None:
            start = max(start, series.started)
        if series.ended is not None:
            end = min(end, series.ended)
    return (start, end) if end > start else None


def measure(track, window, objective=DEFAULT_OBJECTIVE):
    """The figures of one series in one window, as a dictionary (docs/ha-report.md), or None where it has no time in it."""
    if window.start is None or window.end is None or window.end <= window.start:
        return None
    limits = span(track.series, (window.start, window.end))
    if limits is None:
        return None
    rounds = [
        each for each in (
            _round(track, number, start, min(end, limits[1]), error, end < window.final) for number, start, end, error in window.rounds if start < limits[1]
        ) if each
    ]
    told = _totals(track, limits[0], limits[1], window.rounds[0][3] if window.rounds else 0.0, window.end < window.final)
    told["downtime_total"] = told["downtime"]
    if rounds:
        told["time_to_first_failure"] = _over_rounds(rounds, "time_to_first_failure", "it never failed")
        told["time_to_recovery"] = _over_rounds(rounds, "time_to_recovery")
        told["mttr"] = _over_rounds(rounds, "mttr")
        if len(rounds) > 1:
            told["downtime"] = _over_rounds(rounds, "downtime")
    else:
        why = "measured for each disruption, not for the whole run" if window.id == "run" else "nothing was injected in this window"
        told["time_to_first_failure"] = told["time_to_recovery"] = told["mttr"] = unknown(why)
    told["rounds"] = rounds
    told.update(_degradation(track, window, limits, rounds))
    told["error_budget"] = _budget(told, objective)
    return told


def _mine(track, start, end, slack, fault_at_end):
    """The outages that have time in a window. Where it ends with the next fault, one that was seen by a probe which was on its way at that
    time, or by less than the clocks' error before it, is that fault's."""
    return [
        each for each in track.outages
        if each.begin < end and (each.end is None or each.end > start)
        and not (fault_at_end and (each.hit >= end or each.begin >= end - slack))
    ]


def _caused(mine, start, slack):
    """Those of a window's outages that its fault may have caused, by the same rule."""
    return [each for each in mine if each.begin >= start - slack or each.hit >= start]


def _totals(track, start, end, clock_error, fault_at_end):
    series, length = track.series, end - start
    samples = track.between(start, end)
    slack = clock_error + series.clock_error
    mine = _mine(track, start, end, slack, fault_at_end)
    parts = [each.within(start, end) for each in mine]
    holes = track.not_sampled(start, end)
    unseen = math.fsum(b - a for a, b in holes)
    down = _sum(parts, track.step, samples)
    if down["value"]:
        down["high"] = min(length, down["high"] + slack)
    failed = sum(not sample.ok for sample in samples)
    missed = track.not_taken(start, end)
    due = len(samples) + missed
    not_up = _union([(each.begin, each.seen_until if each.end is None else each.end) for each in mine] + holes, start, end)
    nothing = "no sample was taken in this window" if not samples else None
    longest = max(mine, key=lambda each: each.within(start, end)[0], default=None)
    told = {
        "start": start,
        "end": end,
        "window": length,
        "not_sampled": unseen,
        "not_up": not_up,
        "outages": len(mine),
        "downtime": down,
        "longest_outage": unknown(nothing) if nothing else figure(*longest.within(start, end)) if longest else _no_outage(track.step),
        "outage_mean": _outage_mean(mine, start, end),
        "availability": unknown(nothing, "%") if nothing else _availability(not_up, down, length),
        "availability_requests": unknown(nothing, "%") if not due else figure(100.0 * (len(samples) - failed) / due, unit="%", how="exact"),
        "requests": {"due": due, "taken": len(samples), "failed": failed, "not_taken": missed},
        "requests_lost": figure(failed + missed, max(0, failed + missed - len(mine)), failed + missed + max(1, len(mine)), "requests"),
        "latency": statistics([sample.duration for sample in samples if sample.ok]),
    }
    if nothing:
        told["downtime"] = unknown(nothing)
        told["requests_lost"] = figure(None, unit="requests", why=nothing)
    return told


def _no_outage(step):
    """None was seen; one shorter than the time between two looks may have been there."""
    return figure(0.0, 0.0, step)


def _sum(parts, step, samples):
    if not parts:
        return _no_outage(step) if samples else figure(0.0)
    return figure(*(math.fsum(part[which] for part in parts) for which in range(3)))


def _union(intervals, start, end):
    """The length of what several intervals cover of a window."""
    total, until = 0.0, start
    for a, b in sorted(intervals):
        a, b = max(a, until), min(b, end)
        if b > a:
            total += b - a
            until = b
    return total


def _availability(not_up, down, length):
    """Per cent of a window in which it was seen to be up; time that nobody sampled counts as not up."""
    value = 100.0 * (1 - not_up / length)
    low = 100.0 * (1 - min(length, not_up + max(0.0, down["high"] - down["value"])) / length)
    high = 100.0 * (1 - max(0.0, not_up - max(0.0, down["value"] - down["low"])) / length)
    return figure(value, low, high, "%")


def _outage_mean(mine, start, end):
    if not mine:
        return unknown("there was no outage")
    lengths = [figure(*each.within(start, end)) for each in mine]
    return mean_figure(lengths) if len(lengths) > 1 else lengths[0]


def _round(track, number, start, end, clock_error, fault_at_end):
    """What one injection did to a series: figures from `start` (the injection) to `end`, or None where nothing was sampled."""
    samples = track.between(start, end)
    if end <= start or not samples:
        return None
    step = track.step
    slack = clock_error + track.series.clock_error
    mine = _mine(track, start, end, slack, fault_at_end)
    caused = _caused(mine, start, slack)
    down = _sum([each.within(start, end) for each in mine], step, samples)
    if down["value"]:
        down["high"] = min(end - start, down["high"] + slack)
    if caused:
        first = min(caused, key=lambda each: each.begin)
        value = max(0.0, first.begin - start)
        earliest = start if first.last_ok is None else max(start, first.last_ok)
        to_failure = figure(value, max(0.0, earliest - start - slack), value + slack)
    else:
        to_failure = unknown("it was down already when the fault came" if mine else "it never failed")
    open_at_end = next((each for each in mine if each.end is None or each.end > end), None)
    ended = [each for each in mine if each.end is not None and each.end <= end]
    if open_at_end:
        recovery = figure(None, end - start, None, why="still down at the end of the window")
    elif ended:
        last = max(ended, key=lambda each: each.end)
        recovery = figure(last.end - start, max(0.0, last.last_failed - start - slack), last.end - start + slack)
    else:
        recovery = figure(0.0, 0.0, step, why="it never failed")
    bad = [(each.begin, each.last_failed, each.end) for each in mine]
    bad += [
        each for each in track.degraded
        if each[0] < end and (each[2] is None or each[2] > start) and not (fault_at_end and each[0] >= end - max(slack, step))
    ]
    period_end, whole = _recovered(start, end, [each[2] for each in bad])
    begun = min((max(start, each[0]) for each in bad), default=None)
    if not whole:
        mttr = figure(None, end - start, None, why="not recovered at the end of the window")
    elif period_end is None:
        note = "neither failed nor degraded" if track.threshold is not None else "it never failed; too few baseline samples to tell whether it degraded"
        mttr = figure(0.0, 0.0, step, why=note)
    else:
        # it was not recovered yet when the last bad sample began
        last_bad = max(each[1] for each in bad)
        mttr = figure(period_end - start, max(0.0, last_bad - start - slack), period_end - start + slack)
    return {
        "round": number, "injected": start, "end": end, "downtime": down, "time_to_first_failure": to_failure, "time_to_recovery": recovery,
        "mttr": mttr, "recovery_period": None if begun is None else [begun, end if period_end is None else period_end],
    }


def _recovered(start, end, ends):
    """(end of the recovery period or None where there is none, whether it ended within the window)."""
    if not ends:
        return None, True
    if any(each is None or each > end for each in ends):
        return None, False
    return max(start, *ends), True


def _over_rounds(rounds, name, none=None):
    """A figure over all rounds: of one its own; of several the mean with its confidence interval; not known if one is not known."""
    figures = [each[name] for each in rounds]
    known = [each for each in figures if each["value"] is not None]
    if len(figures) == 1:
        return figures[0]
    if len(known) < len(figures) and none is None:
        bad = [each for each in figures if each["value"] is None]
        # at least so much, from what is known
        least = math.fsum([*(each["value"] for each in known), *(each["low"] or 0.0 for each in bad)]) / len(figures)
        return figure(None, least, None, why=f"{bad[0]['why']} ({len(bad)} of {len(figures)} rounds)")
    if not known:
        return unknown(none)
    return mean_figure(known) if len(known) > 1 else known[0]


def _degradation(track, window, limits, rounds):
    """degradation_absolute, degradation_relative, recovery_period (s in all) of a window."""
    if track.threshold is None:
        count = track.baseline["n"] if track.baseline else 0
        why = f"the baseline has {count} ok samples, {FEWEST_BASELINE} are needed"
        return {"degradation_absolute": unknown(why), "degradation_relative": unknown(why, "ratio"), "recovery_period": unknown(why)}
    if rounds:
        periods = [each["recovery_period"] for each in rounds if each["recovery_period"]]
    else:
        stretches = [(a, b) for a, _last, b in track.degraded if a < limits[1] and (b is None or b > limits[0])]
        down = [(each.begin, each.end) for each in _mine(track, *limits, 0.0, False)]
        periods = [[max(a, limits[0]), limits[1] if b is None else min(b, limits[1])] for a, b in stretches + down]
    total = _union(periods, *limits)
    error = track.step * max(1, len(periods))
    told = {"recovery_period": figure(total, max(0.0, total - error), total + error)}
    if not periods:
        told["degradation_absolute"] = figure(0.0, how="exact", why="no recovery period: never slower than the threshold")
        told["degradation_relative"] = figure(1.0, unit="ratio", how="exact", why="no recovery period: never slower than the threshold")
        return told
    inside, until = [], -math.inf
    for a, b in sorted(periods):
        inside += [sample.duration for sample in track.between(max(a, until), b) if sample.ok]
        until = max(until, b)
    if not inside:
        why = "no operation succeeded in the recovery period"
        told.update(degradation_absolute=unknown(why), degradation_relative=unknown(why, "ratio"))
        return told
    told["degradation_absolute"], told["degradation_relative"] = difference(statistics(inside), track.baseline)
    return told


def _budget(told, objective):
    """Seconds of not being up that an objective (per cent) allows in a window, how many were spent, and what is left."""
    allowed = told["window"] * (1 - objective / 100.0)
    return {"objective": objective, "allowed": allowed, "spent": told["not_up"], "left": allowed - told["not_up"]}


# -- the load ---------------------------------------------------------------------------------------------------------


def loads(tracks):
    """The load's runs beside each other: [{key, name, series, phases: {phase: counts and statistics}, against: [{run, reference, absolute,
    relative}]}]. The baseline is a run of its own, or what the disrupted run did before the first fault."""
    grouped = {}
    for track in tracks:
        if track.series.kind == "load":
            grouped.setdefault((track.series.monitor, track.series.name), {})[track.series.phase] = track
    found = []
    for (monitor, name), phases in grouped.items():
        told = {phase: _load(track.series) for phase, track in phases.items()}
        latency = {phase: each["latency"] for phase, each in told.items()}
        if "baseline" not in told and "disrupted" in phases and phases["disrupted"].baseline_from == "baseline":
            latency["baseline"] = phases["disrupted"].baseline
        against = []
        for run, reference in (("disrupted", "baseline"), ("disrupted", "clean"), ("clean", "baseline")):
            if latency.get(run) and latency.get(reference):
                absolute, relative = difference(latency[run], latency[reference])
                against.append({"run": run, "reference": reference, "absolute": absolute, "relative": relative})
        found.append({"key": f"{monitor}:{name}", "name": monitor.removeprefix("load/"), "series": name, "phases": told, "against": against})
    return found


def _load(series):
    samples = series.samples
    length = samples[-1].end - samples[0].start if samples else 0.0
    ok = [sample for sample in samples if sample.ok]
    return {
        "start": samples[0].start if samples else series.started, "end": max((sample.end for sample in samples), default=series.ended),
        "iterations": len(samples), "failed": len(samples) - len(ok), "cut": series.cut,
        "throughput": len(ok) / length if length > 0 else None, "latency": statistics([sample.duration for sample in ok]),
    }
