# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the checks of disruptions passed in time, from the samples of a run: those of commands that were tried all along, and those of series
that a monitor watches. Pure."""

from __future__ import annotations

from ._follow import STEADY
from ._run_files import dictionaries, dictionary, number, text
from ._specs import by_monitor, check_name

KINDS = ("down_check", "up_check")


def judge(run):
    """Fill in what is missing in `checks` of the injections of a Run: for each check of its disruption {kind, ok, after (s), error}."""
    for disruption, planned in zip(dictionaries(run.scenario.get("disruptions")), run.plan.get("disruptions", ())):
        for kind in KINDS:
            check = dictionary(disruption.get(kind))
            if not check or not (check.get("series") or by_monitor(disruption, check)):
                continue
            for entry in run.injections:
                if entry["disruption"] == planned["id"] and all(each["kind"] != kind for each in entry["checks"]):
                    entry["checks"].append({"kind": kind, **_told(run, entry, kind, check)})


def _told(run, entry, kind, check):
    timeout, since = number(check.get("timeout"), 0.0), entry["injected"]
    if since is None:
        return _failed("There was no moment to count from.")
    undone = entry["undone"] is not None
    if kind == "up_check" and undone:
        since = entry["undone"]
    if kind == "down_check" and check.get("series"):
        # what is watched may fail before all of it is done
        since = entry["at"]
    if kind == "down_check" and undone:
        timeout = round(min(timeout, entry["undone"] - since), 3)
    if not check.get("series"):
        name = check_name(entry["disruption"], kind, entry["host"])
        tries = [sample for series in run.checks if series.monitor.partition("@")[0] == name for sample in series.samples]
        return passed(tries if kind == "down_check" or undone else _from_down(tries, since, timeout), since, timeout)
    wanted = text(check["series"]).replace("{host}", entry["host"])
    watched = [series for series in run.series if series.kind == "monitor" and series.is_meant(wanted)]
    if not watched:
        return _failed(f"No series is called {wanted}.")
    look = went_down if kind == "down_check" else came_up
    told = [(series, look(
        series.samples if kind == "down_check" or undone else _from_down(series.samples, since, timeout), since, timeout)) for series in watched]
    bad = [f"{series.key} {each['error']}" for series, each in told if not each["ok"]]
    if bad:
        return _failed("; ".join(bad[:3]) + (f"; and {len(bad) - 3} more" if len(bad) > 3 else ""))
    return {"ok": True, "after": max(each["after"] for _series, each in told), "error": None}


def _from_down(samples, since, timeout):
    """The samples of what has no undo, from the first that failed: a host that is to boot is up for a moment yet. All of them, if none did."""
    first = next((place for place, sample in enumerate(samples) if not sample.ok and since <= sample.start <= since + timeout), 0)
    return samples[first:]


def passed(samples, since, timeout):
    """{ok, after, error}: whether a check passed within timeout seconds after a moment, and after how many. One try that began before the
    moment says nothing."""
    tried = [sample for sample in samples if since <= sample.start <= since + timeout]
    good = next((sample for sample in tried if sample.ok), None)
    if good is not None:
        return _good(good.end - since)
    return _failed(f"It did not pass within {timeout:g} seconds: {tried[-1].error if tried else 'it was never tried in that time'}.")


def went_down(samples, since, timeout):
    """The same of a series that should fail."""
    tried = [sample for sample in samples if since <= sample.start <= since + timeout]
    bad = next((sample for sample in tried if not sample.ok), None)
    if bad is not None:
        return _good(bad.start - since)
    return _failed(f"was not down within {timeout:g} seconds" if tried else f"was not sampled for {timeout:g} seconds")


def came_up(samples, since, timeout):
    """The same of a series that should be well again, and stay so: one of several servers may be down behind a load balancer."""
    first, why = None, None
    for sample in samples:
        if sample.start < since:
            continue
        if first is None and sample.start > since + timeout:
            break
        if not sample.ok:
            first, why = None, sample.error
        elif first is None:
            first = sample
        if first is not None and sample.start - first.start >= STEADY:
            break
    if first is not None:
        return _good(first.start - since)
    return _failed(f"was not up again within {timeout:g} seconds: {why}" if why else f"was not sampled for {timeout:g} seconds")


def _good(after):
    return {"ok": True, "after": round(max(0.0, after), 3), "error": None}


def _failed(error):
    return {"ok": False, "after": None, "error": error}
