# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict: every criterion is passed, failed or not evaluated, and only what was injected, proven, held and sampled can pass. Pure.

Rules for a criterion with a limit:

- The measured value decides; where the limit lies within its error, `why` says so. Time that nobody sampled counts as time down.
- Of several series the worst decides. One that cannot be evaluated makes the criterion `not evaluated`, unless another one fails it.
- `not evaluated`: an injection that it is about was not done, not proven, not held, or a check of it failed; nothing matches `of` or
  `disruption`; a series was not sampled for more than 1 % of the window (a value that is beyond the limit for certain still fails).
- `disruption: "*"` means the whole disrupted run for availability, downtime, longest_outage and requests_lost, and for what is measured from
  a fault on (mttr, time_to_recovery, degradation) every disruption by itself, the worst of which decides.
"""

from __future__ import annotations

import fnmatch
import math

from ._metrics import DEFAULT_OBJECTIVE, disruptions
from ._run_files import dictionaries, number, text, texts

PASSED, FAILED, NOT_EVALUATED = "passed", "failed", "not evaluated"
# the share of a window that may go unsampled, at most
UNSEEN = 0.01
# name -> (figure in the metrics of a window, unit, whether more is better)
METRICS = {
    "availability": ("availability", "%", True),
    "downtime": ("downtime", "s", False),
    "longest_outage": ("longest_outage", "s", False),
    "mttr": ("mttr", "s", False),
    "requests_lost": ("requests_lost", "requests", False),
    "degradation": ("degradation_relative", "ratio", False),
    "time_to_recovery": ("time_to_recovery", "s", False),
    "correctness": (None, "findings", False),
}
PER_FAULT = ("mttr", "degradation", "time_to_recovery")
# a series that has no sample this close to the end of all sampling was not seen at the end: s, and periods
LAST_LOOK, LAST_PERIODS = 5.0, 10
_DONE = ("undone", "done")


def criterion(told, name, state, why, **more):
    """One line of the verdict; docs/ha-report.md has its keys."""
    return {
        "id": told, "name": name, "state": state, "metric": None, "of": [], "disruption": None, "series": None, "window": None, "value": None,
        "low": None, "high": None, "unit": None, "limit": None, "why": why, **more,
    }


def objectives(run):
    """[(patterns, per cent)] of the criteria that ask for an availability of the whole run: the objectives of error budgets."""
    found = []
    for entry in dictionaries(run.scenario.get("pass")):
        limit = number(entry.get("at_least"))
        if entry.get("metric") == "availability" and limit is not None and 1 < limit <= 100:
            found.append((_patterns(entry.get("of")), limit))
    return found


def objective_of(series, known):
    """The strictest objective that means this series, in per cent."""
    limits = [limit for patterns, limit in known if _means(patterns, series)]
    return max(limits, default=DEFAULT_OBJECTIVE)


def evaluate(run, tracks, windows, metrics, correctness):
    """All criteria. tracks: of the series that count; windows: of _metrics.windows(); metrics: {series key: {window id: figures or None}};
    correctness: of _cloud_diff.compare()."""
    judge = _Judge(run, tracks, windows, metrics, correctness)
    wanted = dictionaries(run.scenario.get("pass"))
    found = [judge.ended(), judge.undone()]
    if wanted:
        return found + [judge.wanted(f"c{place}", entry) for place, entry in enumerate(wanted, start=1)]
    return [*found, judge.injected(), judge.journals(), judge.correct("correctness", "The cloud is as it was", 0), judge.up_at_end()]


def overall(criteria):
    """{"state", "exit_status", "passed", "failed", "not_evaluated"}: passed when every criterion is, and there is one."""
    counts = {state: sum(each["state"] == state for each in criteria) for state in (PASSED, FAILED, NOT_EVALUATED)}
    good = bool(criteria) and counts[PASSED] == len(criteria)
    return {
        "state": PASSED if good else FAILED, "exit_status": 0 if good else 1, "passed": counts[PASSED], "failed": counts[FAILED],
        "not_evaluated": counts[NOT_EVALUATED],
    }


def _patterns(of):
    if isinstance(of, str):
        return [of]
    return texts(of) or ["*"]


def _means(patterns, series):
    return any(series.is_meant(pattern) for pattern in patterns)


class _Judge:
    def __init__(self, run, tracks, windows, metrics, correctness):
        self.run, self.tracks, self.metrics, self.correctness = run, tracks, metrics, correctness
        self.windows = {window.id: window for window in windows}
        self.disruptions = disruptions(run)

    # -- what always counts

    def ended(self):
        name = "The run came to its end"
        run = self.run
        if run.aborted:
            return criterion("run", name, FAILED, f"it was aborted: {run.aborted['reason']}")
        if run.state == "finished":
            return criterion("run", name, PASSED, None)
        if run.state == "running":
            return criterion("run", name, NOT_EVALUATED, "it was cut off: nobody wrote its end")
        return criterion("run", name, FAILED if run.state == "aborted" else NOT_EVALUATED, f"its state is {run.state}")

    def undone(self):
        name = "All faults are undone, and nothing is left of them"
        bad, unclear = [], []
        for each in self.run.injections:
            if each["injected"] is None and each["state"] not in ("residue", "open"):
                continue
            words = f"{each['id']} on {each['host'] or '?'}"
            if each["residue"] or each["state"] == "residue":
                bad.append(f"{words} left {', '.join(each['residue']) or 'something'}")
            elif each["state"] == "open":
                bad.append(f"{words} is open")
            elif each["state"] not in _DONE:
                unclear.append(f"what became of {words} is not known (state {each['state']})")
            else:
                bad += [f"{words} did not come back: {check['error'] or 'its up_check failed'}"
                        for check in each["checks"] if check["kind"] == "up_check" and not check["ok"]]
        if bad:
            return criterion("undone", name, FAILED, _listed(bad))
        if not self.run.planned:
            unclear.append("the plan is not known, and so nobody knows what else was injected")
        if unclear:
            return criterion("undone", name, NOT_EVALUATED, _listed(unclear))
        told = {each["id"] for each in self.run.injections}
        silent = [one for _name, _finite, planned in self.disruptions.values() for one in planned if one not in told]
        if silent:
            return criterion("undone", name, NOT_EVALUATED, f"nothing is known of {_listed(silent)}")
        return criterion("undone", name, PASSED, None)

    # -- what counts without any criteria in the scenario

    def injected(self):
        name = "All faults were injected and proven"
        if not self.disruptions:
            return criterion("injected", name, NOT_EVALUATED, "no disruption was planned")
        bad = [words for told in self.disruptions for words in self.unproven(told)]
        return criterion("injected", name, NOT_EVALUATED if bad else PASSED, _listed(bad) if bad else None)

    def journals(self):
        name = "No journal of a fault is open"
        check = next(each for each in self.correctness["checks"] if each["name"] == "open_faults")
        if check["state"] == "found":
            return criterion("journals", name, FAILED, _listed([each["text"] for each in check["findings"]]))
        return criterion("journals", name, PASSED if check["state"] == "clean" else NOT_EVALUATED, check["why"])

    def up_at_end(self):
        """Every API, or where no API was watched every series, has a last sample, at the end, and it is ok."""
        name = "Every API is up at the end"
        chosen = [track.series for track in self.tracks if track.series.kind == "monitor" and track.series.group == "api"]
        if not chosen:
            name = "All that was watched is up at the end"
            # application servers of the run's own are gone by then
            chosen = [track.series for track in self.tracks if track.series.kind == "monitor" and track.series.group != "app"]
        if not chosen:
            return criterion("up", name, NOT_EVALUATED, "nothing was watched")
        last = max((series.samples[-1].start for series in chosen if series.samples), default=None)
        down, unseen = [], [f"{monitor} left no sample" for monitor in self.run.unseen]
        for series in chosen:
            if not series.samples:
                unseen.append(f"{series.key} was never sampled")
            elif not series.samples[-1].ok:
                down.append(f"{series.key} is down: {series.samples[-1].error}")
            elif last - series.samples[-1].start > max(LAST_LOOK, LAST_PERIODS * (series.period or 0.0)):
                unseen.append(f"{series.key} was not sampled at the end")
        if down:
            return criterion("up", name, FAILED, _listed(down))
        return criterion("up", name, NOT_EVALUATED if unseen else PASSED, _listed(unseen) if unseen else None)

    def correct(self, told, name, limit, **more):
        state, count = self.correctness["state"], self.correctness["count"]
        more = {
            "metric": "correctness", "value": count, "low": count, "high": count, "unit": "findings",
            "limit": {"kind": "at_most", "number": limit}, **more,
        }
        if limit is None:
            return criterion(told, name, NOT_EVALUATED, "correctness takes `at_most`", **more)
        if count > limit:
            words = [each["text"] for check in self.correctness["checks"] for each in check["findings"]]
            return criterion(told, name, FAILED, _listed(words), **more)
        # most checks lack the same answer
        unknown = list(dict.fromkeys(why for check in self.correctness["checks"] if check["why"] for why in check["why"].split("; ")))
        if state == NOT_EVALUATED or unknown:
            return criterion(told, name, NOT_EVALUATED, _listed(unknown), **{**more, "value": None, "low": None, "high": None})
        return criterion(told, name, PASSED, None, **more)

    # -- the scenario's own

    def wanted(self, told, entry):
        metric = text(entry.get("metric"))
        name = text(entry.get("name")) or f"{metric} of {', '.join(_patterns(entry.get('of')))}"
        kind = next((each for each in ("at_least", "at_most") if number(entry.get(each)) is not None), None)
        limit = {"kind": kind, "number": number(entry.get(kind))} if kind else None
        more = {"metric": metric, "of": _patterns(entry.get("of")), "disruption": text(entry.get("disruption")) or "*", "limit": limit}
        if metric not in METRICS:
            return criterion(told, name, NOT_EVALUATED, f"there is no metric {metric or 'given'}; known are {', '.join(METRICS)}", **more)
        if metric == "correctness":
            if kind == "at_least":
                return criterion(told, name, NOT_EVALUATED, "correctness takes `at_most`", **more)
            at_most = limit["number"] if limit else 0
            return self.correct(told, name, at_most, of=[], disruption=None)
        more["unit"] = METRICS[metric][1]
        if limit is None:
            return criterion(told, name, NOT_EVALUATED, "it has neither `at_least` nor `at_most`", **more)
        if metric == "availability" and limit["number"] <= 1 and kind == "at_least":
            return criterion(told, name, NOT_EVALUATED, f"availability is in per cent, and {limit['number']:g} % says nothing", **more)
        return self._limited(told, name, metric, more)

    def _limited(self, told, name, metric, more):
        chosen, why = self._disruptions(more["disruption"])
        if why:
            return criterion(told, name, NOT_EVALUATED, why, **more)
        windows = chosen if metric in PER_FAULT or more["disruption"] != "*" else ["run"]
        series = [track.series for track in self.tracks if _means(more["of"], track.series)]
        if not series:
            return criterion(told, name, NOT_EVALUATED, f"no series is called {', '.join(more['of'])}", **more)
        judged = [self._one(metric, more["limit"], each, window) for window in windows for each in series]
        worst = max(judged, key=lambda each: each["rank"])
        state, why = worst["state"], worst["why"]
        # these come before any value: what did not happen proves nothing
        unproven = [words for each in chosen for words in self.unproven(each)]
        gone = [monitor for monitor in self.run.unseen if any(_could_mean(pattern, monitor) for pattern in more["of"])]
        if unproven:
            state, why = NOT_EVALUATED, _listed(unproven)
        elif gone and state == PASSED:
            state, why = NOT_EVALUATED, f"{_listed([f'the monitor {monitor} left no sample' for monitor in gone])}"
        figure = worst["figure"]
        return criterion(told, name, state, why, **{
            **more, "series": worst["series"], "window": worst["window"],
            **({key: figure[key] for key in ("value", "low", "high")} if figure else {}),
        })

    def _disruptions(self, wanted):
        """(ids that a criterion means, why there is none)."""
        if not self.disruptions:
            return [], "no disruption was planned"
        chosen = [
            told for told, (name, _finite, _planned) in self.disruptions.items()
            if wanted in (told, name) or fnmatch.fnmatchcase(told, wanted) or fnmatch.fnmatchcase(name, wanted)
        ]
        return chosen, None if chosen else f"there is no disruption {wanted}"

    def unproven(self, disruption):
        """Why a disruption proves nothing: one sentence for each injection that was not done, not proven or not held."""
        _name, _finite, planned = self.disruptions[disruption]
        done = {each["id"]: each for each in self.run.injections if each["disruption"] == disruption}
        if not planned and not done:
            return [f"{disruption} has no injections"]
        found = []
        for told in dict.fromkeys([*planned, *done]):
            each = done.get(told)
            words = f"{told} on {each['host']}" if each and each["host"] else told
            why = f": {each['failure'].rstrip('.')}" if each and each["failure"] else ""
            if each is None:
                found.append(f"{words} was not injected: nothing is known of it")
            elif each["state"] == "left_alone":
                found.append(f"{words} was left alone{why}")
            elif each["injected"] is None or each["state"] in ("missing", "aborted"):
                found.append(f"{words} was {'aborted' if each['state'] == 'aborted' else 'not injected'}{why}")
            elif not each["proven"]:
                found.append(f"{words} was not proven{why}")
            elif each["held"] is False:
                found.append(f"{words} was not held until its end{why}")
            else:
                found += [f"{words}: its down_check failed" + (f": {check['error']}" if check["error"] else "")
                          for check in each["checks"] if check["kind"] == "down_check" and not check["ok"]]
        return found

    def _one(self, metric, limit, series, window):
        """One series in one window: {state, why, figure, series, window, rank}; the greatest rank is the worst."""
        key, unit, _more_is_better = METRICS[metric]
        told = (self.metrics.get(series.key) or {}).get(window)
        if told is None:
            why = (self.windows[window].why if window in self.windows else None) or f"{series.key} has no time in it"
            return self._judged(NOT_EVALUATED, why, None, series, window, limit)
        figure = told[key]
        at_most = limit["kind"] == "at_most"
        unseen = told["not_sampled"] > UNSEEN * told["window"]
        missing = f"{series.key} was not sampled for {told['not_sampled']:.1f} of {told['window']:.1f} s"
        if figure["value"] is None:
            # known to be more than the limit already
            certain = at_most and figure["low"] is not None and figure["low"] > limit["number"]
            return self._judged(FAILED if certain else NOT_EVALUATED, f"{series.key}: {figure['why']}", figure, series, window, limit)
        value = figure["value"]
        if unseen:
            edge = figure["low"] if at_most else figure["high"]
            if metric == "availability":
                # what was not sampled may have been up
                edge = figure["high"] + 100.0 * told["not_sampled"] / told["window"] if not at_most else figure["low"]
            if metric == "requests_lost":
                edge = figure["low"] - told["requests"]["not_taken"]
            if edge is not None and _beyond(edge, limit):
                return self._judged(FAILED, f"{series.key}: {_words(value, unit)}", figure, series, window, limit)
            return self._judged(NOT_EVALUATED, missing, figure, series, window, limit)
        # time that was not sampled is never up
        counted = value + told["not_sampled"] if metric in ("downtime", "longest_outage", "mttr", "time_to_recovery") else value
        near = figure["low"] is not None and figure["low"] <= limit["number"] <= figure["high"] and figure["low"] < figure["high"]
        notes = [f"{series.key}: {_words(value, unit)}"]
        if counted != value:
            notes.append(f"{_words(told['not_sampled'], 's')} more were not sampled and count as down")
        if near:
            notes.append("the limit is within the error")
        return self._judged(FAILED if _beyond(counted, limit) else PASSED, "; ".join(notes), figure, series, window, limit)

    @staticmethod
    def _judged(state, why, figure, series, window, limit):
        value = (figure or {}).get("value")
        size = -math.inf if value is None else value if limit["kind"] == "at_most" else -value
        rank = ((PASSED, NOT_EVALUATED, FAILED).index(state), size)
        return {"state": state, "why": why, "figure": figure, "series": series.key, "window": window, "rank": rank}


def _could_mean(pattern, monitor):
    """Whether a pattern asks for series of a monitor whose series nobody knows."""
    head, colon, _rest = pattern.partition(":")
    return pattern == "*" if not colon else any(fnmatch.fnmatchcase(name, head) for name in (monitor, monitor.partition("@")[0]))


def _beyond(value, limit):
    # two floats that should be alike may differ in their last digit
    slack = 1e-9 * max(1.0, abs(limit["number"]))
    return value > limit["number"] + slack if limit["kind"] == "at_most" else value < limit["number"] - slack


def _words(value, unit):
    if unit in ("requests", "findings"):
        return f"{value:g} {unit}"
    return f"{value:.3f} %" if unit == "%" else f"{value:.2f} times the baseline" if unit == "ratio" else f"{value:.2f} s"


def _listed(words, most=5):
    """A list for a person, cut where it gets too long."""
    return "; ".join(words[:most]) + (f"; and {len(words) - most} more" if len(words) > most else "")
