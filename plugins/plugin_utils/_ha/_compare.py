# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two reports beside each other: what got better or worse, beyond the error. Pure.

The rule: a figure is `better` or `worse` where the two intervals [low, high] do not touch, and `same` where they overlap. Each interval holds
the truth (sampling) or does so with 95 % confidence (t95), so that two that do not touch differ indeed. Where one of the values or errors
is not known the two are `not comparable`. Figures without an error of their own (counts of findings, criteria) differ where they are unlike.
"""

from __future__ import annotations

from . import _report
from ._run_files import dictionaries, dictionary, number, text

# figure -> (words, whether more is better)
FIGURES = {
    "availability": ("availability", True),
    "downtime": ("downtime", False),
    "longest_outage": ("longest outage", False),
    "mttr": ("MTTR", False),
    "time_to_recovery": ("time to recovery", False),
    "requests_lost": ("requests lost", False),
    "degradation_relative": ("degradation", False),
}
STATES = ("worse", "better", "same", "not comparable")
_ORDER = ("failed", "not evaluated", "passed")


def compare(before, after):
    """{"state": worse|better|same, "counts": {state: n}, "before", "after": heads of the runs, "notes": [str], "items": [...]}.

    Each item: {"what": figure|criterion|correctness|load, "series", "window", "metric", "unit", "before", "after": {"value", "low", "high"},
    "change": after - before or None, "state", "why"}. before, after: the content of report.json. The whole is `worse` as soon as anything is.
    """
    notes, items = [], []
    names = _windows(before, after, notes)
    items += _criteria(before, after)
    items += _figures(before, after, names, notes)
    items += _loads(before, after)
    items.append(_correctness(before, after))
    counts = {state: sum(item["state"] == state for item in items) for state in STATES}
    state = "worse" if counts["worse"] else "better" if counts["better"] else "same"
    if before.get("scenario") != after.get("scenario"):
        notes.insert(0, "The two scenarios are not alike.")
    return {"state": state, "counts": counts, "before": _head(before), "after": _head(after), "notes": notes, "items": items}


def judge(before, after, more_is_better):
    """(state, why) of two figures by the rule above."""
    for which, figure in (("before", before), ("after", after)):
        if figure.get("value") is None:
            return "not comparable", f"{which}: {figure.get('why') or 'not known'}"
        if figure.get("low") is None or figure.get("high") is None:
            return "not comparable", f"{which}: its error is not known"
    if after["low"] > before["high"]:
        return ("better" if more_is_better else "worse"), None
    if after["high"] < before["low"]:
        return ("worse" if more_is_better else "better"), None
    return "same", None


def _head(report):
    run = report["run"]
    return {key: run.get(key) for key in ("id", "name", "seed", "started")} | {"verdict": report["verdict"].get("state")}


def _item(what, metric, before, after, state, why=None, series=None, window=None, unit=None):
    first, second = (number(each.get("value")) if each else None for each in (before, after))
    return {
        "what": what, "series": series, "window": window, "metric": metric, "unit": unit, "before": before, "after": after,
        "change": None if first is None or second is None else second - first, "state": state, "why": why,
    }


def _short(figure):
    return {key: figure.get(key) for key in ("value", "low", "high")} | ({"why": figure["why"]} if figure.get("value") is None else {})


def _windows(before, after, notes):
    """[(name, window id before, id after)]: disruptions by their names, those of one name in their order."""
    def named(report):
        found, seen = {}, {}
        for window in dictionaries(report.get("windows")):
            name = text(window.get("name"))
            seen[name] = seen.get(name, 0) + 1
            label = "run" if window.get("id") == "run" else name + (f" ({seen[name]})" if seen[name] > 1 else "")
            found[label] = window.get("id")
        return found

    first, second = named(before), named(after)
    notes += [f"Only the run before has the disruption {name}." for name in first if name not in second]
    notes += [f"Only the run after has the disruption {name}." for name in second if name not in first]
    return [(name, first[name], second[name]) for name in first if name in second]


def _figures(before, after, names, notes):
    first = {text(each.get("key")): each for each in dictionaries(before.get("series")) if each.get("metrics")}
    second = {text(each.get("key")): each for each in dictionaries(after.get("series")) if each.get("metrics")}
    notes += [f"Only the run before has the series {key}." for key in first if key not in second]
    notes += [f"Only the run after has the series {key}." for key in second if key not in first]
    items = []
    for key in first:
        if key not in second:
            continue
        for name, one, other in names:
            told, later = dictionary(dictionary(first[key]["metrics"]).get(one)), dictionary(dictionary(second[key]["metrics"]).get(other))
            for metric, (words, more) in FIGURES.items():
                figures = dictionary(told.get(metric)), dictionary(later.get(metric))
                if not all(figures) or all(figure.get("value") is None for figure in figures):
                    continue
                if metric in ("downtime", "requests_lost") and abs((told.get("window") or 0) - (later.get("window") or 0)) > 0.05 * (told.get("window") or 1):
                    # a longer look sees more
                    state, why = judge(*figures, more)
                    why = why or f"the windows are not alike: {told.get('window', 0):.0f} and {later.get('window', 0):.0f} s"
                else:
                    state, why = judge(*figures, more)
                items.append(_item("figure", words, _short(figures[0]), _short(figures[1]), state, why, key, name, figures[0].get("unit")))
    return items


def _criteria(before, after):
    first = {text(each.get("name")): each for each in dictionaries(before.get("criteria"))}
    items = []
    for each in dictionaries(after.get("criteria")):
        old = first.get(text(each.get("name")))
        if old is None:
            continue
        states = old.get("state"), each.get("state")
        ranks = [_ORDER.index(state) if state in _ORDER else 0 for state in states]
        state = "better" if ranks[1] > ranks[0] else "worse" if ranks[1] < ranks[0] else "same"
        words = None if state == "same" else f"{states[0]}, then {states[1]}"
        items.append(_item("criterion", text(each.get("name")), {"value": None, "state": states[0]}, {"value": None, "state": states[1]}, state, words))
    return items


def _loads(before, after):
    """The load's mean duration and failures in the disrupted run, and how it compares to a clean one."""
    first = {text(each.get("key")): each for each in dictionaries(before.get("load"))}
    items = []
    for each in dictionaries(after.get("load")):
        old = first.get(text(each.get("key")))
        if old is None:
            continue
        earlier = {(pair.get("run"), pair.get("reference")): dictionary(pair.get("relative")) for pair in dictionaries(old.get("against"))}
        for pair in dictionaries(each.get("against")):
            figures = earlier.get((pair.get("run"), pair.get("reference"))), dictionary(pair.get("relative"))
            if all(figures):
                state, why = judge(*figures, False)
                metric = f"duration {pair.get('run')} / {pair.get('reference')}"
                items.append(_item("load", metric, _short(figures[0]), _short(figures[1]), state, why, text(each.get("key")), None, "ratio"))
    return items


def _correctness(before, after):
    first, second = dictionary(before.get("correctness")), dictionary(after.get("correctness"))
    counts = number(first.get("count")), number(second.get("count"))
    figures = {"value": counts[0]}, {"value": counts[1]}
    if "not evaluated" in (first.get("state"), second.get("state")) or None in counts:
        return _item("correctness", "findings", *figures, "not comparable", "one of the two could not ask everything", unit="findings")
    state = "same" if counts[0] == counts[1] else "worse" if counts[1] > counts[0] else "better"
    return _item("correctness", "findings", *figures, state, unit="findings")


def table(compared, everything=False):
    """The comparison as lines for a person; without `everything` only what is not the same."""
    first, second = compared["before"], compared["after"]
    counts = compared["counts"]
    lines = [
        f"{second['name']} ({second['id']}, {second['verdict']}) against {first['name']} ({first['id']}, {first['verdict']}): {compared['state'].upper()}",
        f"{counts['worse']} worse, {counts['better']} better, {counts['same']} the same within the error, {counts['not comparable']} not comparable",
        *(f"note: {note}" for note in compared["notes"]),
    ]
    shown = [item for item in compared["items"] if everything or item["state"] in ("worse", "better")]
    shown.sort(key=lambda item: STATES.index(item["state"]))
    if shown:
        rows = [("", "what", "disruption", "metric", "before", "after")]
        rows += [
            (item["state"], item["series"] or item["what"], _cut(item["window"] or "-"), item["metric"], words(item, "before"), words(item, "after"))
            for item in shown
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += ["", *("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)]
    return lines


def _cut(name, most=40):
    return name if len(name) <= most else name[: most - 3] + "..."


def words(item, which):
    """One side of an item in words."""
    side = item[which]
    if "state" in side:
        return text(side["state"], "-")
    if side.get("value") is None:
        return "not known"
    return _report.value({"low": None, "high": None, "why": None, "unit": item["unit"] or "", **side})
