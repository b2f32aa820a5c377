# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a run to the dictionary of report.json, which every other output is made of. Pure. docs/ha-report.md tells every key.

The HTML page needs the samples too: build() gives the tracks beside the dictionary.
"""

from __future__ import annotations

import re

from . import _checks, _cloud_diff, _metrics, _verdict
from ._run_files import dictionaries, dictionary

FORMAT = 1
# different errors of a series that a report lists, and events that it keeps
MOST_ERRORS, MOST_EVENTS = 10, 20_000
_SECRET = re.compile(r"passw|passphrase|secret|token|credential|private_?key|api_?key", re.IGNORECASE)
_HIDDEN = "********"
# what a summary tells first
_GROUPS = ("api", "app", "network", "cluster", "container", "host", "nagios", "load", "other")


def build(run, generated):
    """(the report as a dictionary, [Track] of all series). generated: epoch s."""
    _checks.judge(run)
    tracks = []
    for series in run.series:
        others = [each for each in run.series if each.kind == "load" and (each.monitor, each.name) == (series.monitor, series.name)]
        tracks.append(_metrics.Track(series, run, others if series.kind == "load" else ()))
    tracks.sort(key=lambda track: (_GROUPS.index(track.series.group) if track.series.group in _GROUPS else len(_GROUPS)))
    counted = [track for track in tracks if track.series.phase in (None, "disrupted")]
    windows = _metrics.windows(run)
    known = _verdict.objectives(run)
    metrics = {
        track.series.key: {window.id: _metrics.measure(track, window, _verdict.objective_of(track.series, known)) for window in windows}
        for track in counted
    }
    correctness = _cloud_diff.compare(run.before, run.after)
    criteria = _verdict.evaluate(run, counted, windows, metrics, correctness)
    verdict = _verdict.overall(criteria)
    report = {
        "format": FORMAT,
        "generated": generated,
        "run": {
            "id": run.id, "name": run.name, "seed": run.seed, "started": run.started, "ended": run.ended, "last": run.last_time(),
            "state": run.state, "aborted": run.aborted, "left_alone": run.left_alone,
            "phases": [{"name": phase.name, "start": phase.start, "end": phase.end} for phase in run.phases],
        },
        "verdict": verdict,
        "criteria": criteria,
        "windows": [_window(window) for window in windows],
        "series": [_series(track, metrics.get(track.series.key)) for track in tracks],
        "disruptions": _disruptions(run),
        "injections": [_injection(each) for each in run.injections],
        "load": _metrics.loads(tracks),
        "correctness": correctness,
        "events": run.events[:MOST_EVENTS],
        "environment": without_secrets(run.environment),
        "scenario": without_secrets(run.scenario),
        "plan": without_secrets(run.plan),
        "problems": run.problems + ([f"{len(run.events) - MOST_EVENTS} more events are left out."] if len(run.events) > MOST_EVENTS else []),
    }
    report["summary"] = summary(report)
    return report, tracks


def without_secrets(value):
    """The same data, with what its key calls a secret hidden."""
    if isinstance(value, dict):
        return {
            str(key): _HIDDEN if _SECRET.search(str(key)) and isinstance(each, (str, int, float)) and each != "" else without_secrets(each)
            for key, each in value.items()
        }
    return [without_secrets(each) for each in value] if isinstance(value, list) else value


def _window(window):
    return {
        "id": window.id, "name": window.name, "start": window.start, "end": window.end, "length": window.length, "overlaps": window.overlaps,
        "rounds": [{"round": number, "start": start, "end": end} for number, start, end, _error in window.rounds], "why": window.why,
    }


def _series(track, metrics):
    series, samples = track.series, track.samples
    counts = {outcome: 0 for outcome in ("ok", "failed", "timeout")}
    errors = {}
    for sample in samples:
        counts[sample.outcome] += 1
        if not sample.ok:
            told = errors.setdefault(sample.error, [0, sample.start])
            told[0] += 1
    often = sorted(errors, key=lambda error: -errors[error][0])
    start = samples[0].start if samples else series.started
    until = series.ended if series.ended is not None else samples[-1].start if samples else series.started
    holes = track.not_sampled(start, until) if start is not None and until is not None else []
    return {
        "key": series.key, "monitor": series.monitor, "name": series.name, "kind": series.kind, "phase": series.phase, "type": series.type,
        "group": series.group, "subject": series.subject, "via": series.via, "host": series.host, "period": series.period, "timeout": series.timeout,
        "clock_offset": series.clock_offset, "clock_error": series.clock_error, "started": series.started, "ended": series.ended,
        "cut": series.cut, "file": series.file, "samples": {"taken": len(samples), **counts},
        "first": samples[0].start if samples else None, "last": samples[-1].start if samples else None,
        "up_at_end": samples[-1].ok if samples else None,
        "outages": [
            {"begin": each.begin, "end": each.end, "length": each.length, "shortest": each.shortest, "longest": each.longest,
             "samples": each.samples, "errors": list(each.errors)} for each in track.outages
        ],
        "not_sampled": [[a, b] for a, b in holes],
        "degraded": [[a, b] for a, _last, b in track.degraded],
        "errors": [{"error": error, "count": errors[error][0], "first": errors[error][1]} for error in often[:MOST_ERRORS]],
        "baseline": track.baseline, "baseline_from": track.baseline_from, "threshold": track.threshold,
        "metrics": metrics,
    }


def _beginning(each):
    """When an injection that was done began: to stop a service may take long, and is not late for that. Where nobody tells, when it was done."""
    return each["injected"] if each["began"] is None else min(each["began"], each["injected"])


def _lateness(each):
    """How long after its time an injection began, s."""
    return None if each["planned"] is None or each["injected"] is None else _beginning(each) - each["planned"]


def _injection(each):
    return {**{key: each[key] for key in each if key not in ("proof", "began")}, "lateness": _lateness(each), "proof": without_secrets(each["proof"])}


def _disruptions(run):
    """One line for each disruption: planned, injected, proven, undone, and the spread of what should have been at the same time."""
    found = []
    for told, (name, finite, planned) in _metrics.disruptions(run).items():
        mine = [each for each in run.injections if each["disruption"] == told]
        together = {}
        for each in mine:
            if each["injected"] is not None:
                planned_at = None if each["planned"] is None else round(each["planned"], 3)
                together.setdefault((each["round"], planned_at), []).append(each)
        groups = [group for group in together.values() if len(group) > 1]
        spreads = [max(map(_beginning, group)) - min(map(_beginning, group)) for group in groups]
        errors = [2 * max(each["clock_error"] for each in group) for group in groups]
        late = [told for told in (_lateness(each) for each in mine) if told is not None]
        found.append({
            "id": told, "name": name, "finite": finite, "planned": len(planned) or len(mine),
            "injected": sum(each["injected"] is not None for each in mine), "proven": sum(each["proven"] for each in mine),
            "undone": sum(each["state"] in ("undone", "done") for each in mine),
            "residue": sum(bool(each["residue"]) or each["state"] == "residue" for each in mine), "open": sum(each["state"] == "open" for each in mine),
            "hosts": sorted({each["host"] for each in mine}), "rounds": sorted({each["round"] for each in mine}),
            "spread": max(spreads, default=None), "spread_error": max(errors, default=None), "lateness": max(late, default=None),
        })
    return found


# -- for a person -----------------------------------------------------------------------------------------------------


def summary(report):
    """The report in a few lines of plain text: the verdict, what did not pass, what each disruption did, where to look further."""
    verdict, run = report["verdict"], report["run"]
    lines = [
        f"{run['name']} ({run['id']}): {verdict['state'].upper()}: {verdict['passed']} criteria passed, {verdict['failed']} failed, "
        f"{verdict['not_evaluated']} not evaluated"
    ]
    for each in report["criteria"]:
        lines.append(f"  {each['state']}: {each['name']}" + (f" ({limit(each['limit'], each['unit'])})" if each["limit"] else "")
                     + (f": {each['why']}" if each["why"] else ""))
    for window in report["windows"][1:]:
        lines.append(f"{window['id']} {window['name']}: {window['why'] or worst(report, window['id'])}")
    lines += [f"  {words}" for words in left_alone(report)[:10]]
    lines += [f"  note: {problem}" for problem in report["problems"][:10]]
    if len(report["problems"]) > 10:
        lines.append(f"  note: and {len(report['problems']) - 10} more; report.json has them all")
    return lines


def left_alone(report):
    """What was not broken since somebody has it in debug, a line each."""
    return [f"{each['injection'] or each['disruption']}: {each['host']} left alone: {each['why']}" for each in report["run"]["left_alone"]]


def worst(report, window):
    """What one disruption did to the series that it hit hardest, in words; APIs through the VIP first, where there are any."""
    measured = [(each, each["metrics"][window]) for each in report["series"] if dictionary(each["metrics"]).get(window)]
    some = [pair for pair in measured if pair[0]["group"] == "api" and pair[0]["via"] == "vip"] or measured
    known = [pair for pair in some if pair[1]["downtime_total"]["value"] is not None]
    if not known:
        return "nothing was sampled"
    series, told = max(known, key=lambda pair: (pair[1]["downtime_total"]["value"], pair[1]["mttr"]["value"] or 0.0))
    down = told["downtime_total"]["value"]
    return (
        f"{series['key']} was down for {value(told['downtime_total'])}, availability {value(told['availability'])}, recovered after "
        f"{value(told['mttr'])}, {value(told['requests_lost'])} lost" if down else f"none of {len(known)} series failed, the slowest to recover "
        f"needed {value(max((pair[1]['mttr'] for pair in known), key=lambda figure: figure['value'] or 0.0))}"
    )


def limit(told, unit):
    """A criterion's limit in words."""
    return f"{'at least' if told['kind'] == 'at_least' else 'at most'} {told['number']:g}" + (f" {unit}" if unit else "")


def value(figure):
    """A figure in words: `1.20 s (0.80 to 1.60)`, or why nobody knows it."""
    if figure["value"] is None:
        return f"not known ({figure['why']})"
    unit = figure["unit"]
    digits = {"s": 2, "%": 3, "ratio": 2}.get(unit, 0)
    words = f"{figure['value']:.{digits}f}" + ("" if unit == "ratio" else "%" if unit == "%" else f" {unit}")
    if unit == "ratio":
        words += " times"
    low, high = figure["low"], figure["high"]
    if low is None or high is None or f"{low:.{digits}f}" == f"{high:.{digits}f}":
        return words
    return f"{words} ({low:.{digits}f} to {high:.{digits}f})"


def is_report(data):
    """Whether this is the content of a report.json that this code reads."""
    return (
        isinstance(data, dict) and data.get("format") == FORMAT and isinstance(data.get("verdict"), dict) and isinstance(data.get("run"), dict)
        and len(dictionaries(data.get("series"))) == len(data.get("series") or ())
    )
