# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the directory of a run of ha_test into plain data. The only part of the report that reads files.

A run may have been killed at any point: what is missing, cut off or not as it should be becomes a sentence in `Run.problems`, and the
rest is read. All times of the result are epoch seconds of the controller's clock.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import math
import os
import pathlib
import sys
from typing import NamedTuple

from ...module_utils._fault._errors import FaultlineError
from ._scenario_form import CHECK_PREFIX

OK, FAILED, TIMEOUT = "ok", "failed", "timeout"
LOAD_PHASES = ("baseline", "disrupted", "clean")
# what one error of a probe may take in a report
LONGEST_ERROR = 300


class Sample(NamedTuple):
    """One probe. due, start: epoch s; duration: s; outcome: ok, failed or timeout; error: empty where it was ok."""

    due: float
    start: float
    duration: float
    outcome: str
    error: str

    @property
    def ok(self):
        return self.outcome == OK

    @property
    def end(self):
        return self.start + self.duration


@dataclasses.dataclass
class Series:
    """What one monitor or load saw of one thing.

    key: unique in the run, `monitor[@host]:name`, of a load `load/name:series`, with ` (clean)` or ` (baseline)` behind it where it is not
    the disrupted one. period: s, None where nothing was due at a time (a load in a closed loop). clock_error: s, of what was added to its
    times. ended: epoch s of the last line, None where the file was cut off. samples: by their start.
    """

    key: str
    monitor: str
    name: str
    kind: str = "monitor"
    phase: str | None = None
    type: str = ""
    group: str = "other"
    subject: str = ""
    via: str = ""
    host: str | None = None
    period: float | None = None
    timeout: float | None = None
    clock_offset: float = 0.0
    clock_error: float = 0.0
    started: float | None = None
    ended: float | None = None
    file: str = ""
    samples: list = dataclasses.field(default_factory=list)

    @property
    def cut(self):
        """Whether its file lacks the last line."""
        return self.ended is None

    def names(self):
        """What a criterion may call it: its name, alone or behind its monitor (on its host, or anywhere) or its group."""
        prefix = self.monitor.removeprefix("load/")
        return (self.key, f"{prefix}:{self.name}", f"{prefix.partition('@')[0]}:{self.name}", f"{self.group}:{self.name}", self.name)

    def is_meant(self, pattern):
        """Whether a pattern, with * and ? as in file names, is one of its names."""
        return any(pattern == name or fnmatch.fnmatchcase(name, pattern) for name in self.names())


@dataclasses.dataclass
class Phase:
    name: str
    start: float
    end: float | None


@dataclasses.dataclass
class Run:
    """A run as it is on disk; scenario, plan, environment, before, after as they were written, or empty (before, after: None)."""

    path: str
    id: str = ""
    name: str = ""
    seed: str | None = None
    started: float | None = None
    ended: float | None = None
    state: str = "unknown"
    aborted: dict | None = None
    left_alone: list = dataclasses.field(default_factory=list)
    phases: list = dataclasses.field(default_factory=list)
    scenario: dict = dataclasses.field(default_factory=dict)
    environment: dict = dataclasses.field(default_factory=dict)
    plan: dict = dataclasses.field(default_factory=dict)
    injections: list = dataclasses.field(default_factory=list)
    series: list = dataclasses.field(default_factory=list)
    # what the commands of checks said; no availability of anything
    checks: list = dataclasses.field(default_factory=list)
    before: dict | None = None
    after: dict | None = None
    events: list = dataclasses.field(default_factory=list)
    problems: list = dataclasses.field(default_factory=list)
    # whether the plan is known
    planned: bool = False
    # monitors of the scenario (`name`, or `name@host`) that left nothing to evaluate
    unseen: list = dataclasses.field(default_factory=list)

    def phase(self, name):
        """The last phase of this name, or None."""
        return next((phase for phase in reversed(self.phases) if phase.name == name), None)

    def last_time(self):
        """The last moment that anything in it tells of: epoch s, None for an empty run."""
        times = [self.started, self.ended]
        times += [time for phase in self.phases for time in (phase.start, phase.end)]
        times += [each.samples[-1].start for each in self.series if each.samples]
        times += [each.ended for each in self.series]
        times += [event["at"] for event in self.events]
        return max((time for time in times if time is not None), default=None)


def read(path):
    """The run in a directory. FaultlineError `no_run` where there is none."""
    place = pathlib.Path(path)
    if not place.is_dir():
        raise FaultlineError(f"There is no run at {path}: it is not a directory.", "no_run", "Give the directory that ha_test made for the run.")
    if not any((place / name).exists() for name in ("run.json", "plan.json", "injections.json", "samples", "load")):
        raise FaultlineError(
            f"There is no run in {path}: it has neither run.json nor samples/.", "no_run", "Give the directory that ha_test made for the run.")
    run = Run(path=str(place), id=place.resolve().name)
    _read_head(run, place)
    run.plan = _read_plan(run, place)
    run.injections = _read_injections(run, place)
    run.before = _document(run, place / "cloud.before.json", dict, "the state of the cloud before is not known")
    run.after = _document(run, place / "cloud.after.json", dict, "the state of the cloud afterwards is not known")
    run.events = _read_events(run, place / "events.jsonl")
    _read_all_samples(run, place)
    return run


# -- values of any kind into values of one kind ------------------------------------------------------------------------


def number(value, default=None):
    """A finite float, or the default."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    try:
        value = float(value)
    except OverflowError:
        return default
    return value if math.isfinite(value) else default


def text(value, default=""):
    """A string of what is a string or a number."""
    if isinstance(value, str):
        # half a character of UTF-16, which JSON can say and no file can hold
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return default


def dictionary(value):
    return value if isinstance(value, dict) else {}


def dictionaries(value):
    """Those entries of a list that are dictionaries."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts(value):
    return [text(each) for each in value if text(each)] if isinstance(value, list) else []


# -- documents --------------------------------------------------------------------------------------------------------


def _document(run, path, kind, consequence):
    """The JSON in a file, or None with a problem."""
    try:
        data = json.loads(path.read_bytes().decode("utf-8", "replace"))
    except FileNotFoundError:
        run.problems.append(f"{path.name} is missing: {consequence}.")
    except OSError as exc:
        run.problems.append(f"{path.name} cannot be read ({exc.strerror}): {consequence}.")
    except (ValueError, RecursionError):
        run.problems.append(f"{path.name} is cut off or not JSON: {consequence}.")
    else:
        if isinstance(data, kind):
            return data
        run.problems.append(f"{path.name} does not hold a {'list' if kind is list else 'dictionary'}: {consequence}.")
    return None


def _read_head(run, place):
    data = _document(run, place / "run.json", dict, "scenario, phases and state of the run are not known") or {}
    run.id = text(data.get("id"), run.id)
    run.scenario = dictionary(data.get("scenario"))
    run.name = text(data.get("name")) or text(run.scenario.get("name")) or run.id
    run.seed = text(data.get("seed"), None)
    run.started, run.ended = number(data.get("started")), number(data.get("ended"))
    run.state = text(data.get("state"), "unknown")
    run.environment = dictionary(data.get("environment"))
    if data.get("aborted"):
        aborted = dictionary(data["aborted"])
        run.aborted = {"reason": text(aborted.get("reason"), "no reason is told"), "at": number(aborted.get("at"))}
    run.left_alone = [
        {**{key: text(each.get(key)) for key in ("disruption", "host", "why")}, "injection": text(each.get("injection"), None)}
        for each in dictionaries(data.get("left_alone"))]
    # what could not be seen when the run was planned
    run.problems += texts(data.get("left_out"))
    for entry in dictionaries(data.get("phases")):
        start = number(entry.get("start"))
        if start is not None:
            run.phases.append(Phase(text(entry.get("name"), "?"), start, number(entry.get("end"))))
    run.phases.sort(key=lambda phase: phase.start)


def _read_plan(run, place):
    """As it was written, every entry of the right type."""
    known = _document(run, place / "plan.json", dict, "what should have been injected is known from injections.json only")
    run.planned = known is not None and isinstance(known.get("disruptions"), list)
    data, disruptions = known or {}, []
    for position, entry in enumerate(dictionaries(data.get("disruptions")), start=1):
        told = text(entry.get("id"), f"d{position}")
        injections = [
            {
                "id": text(each.get("id"), f"{told}.{count}"),
                "round": int(number(each.get("round"), 1)),
                "host": text(each.get("host")),
                "module": text(each.get("module")),
                "args": dictionary(each.get("args")),
                "start": number(each.get("start")),
                "end": number(each.get("end")),
            }
            for count, each in enumerate(dictionaries(entry.get("injections")), start=1)
        ]
        disruptions.append({
            "id": told, "name": text(entry.get("name"), told), "finite": entry.get("finite") is not False, "injections": injections})
    return {"seed": text(data.get("seed"), None), "t0": number(data.get("t0")), "length": number(data.get("length")), "disruptions": disruptions}


# how long an injection may take, where nobody says when it began
SLOWEST = 30.0


def _began(entry):
    """When an injection began, epoch s: `injected` is when all of it was done, and stopping a service takes its time. From `began`, or from
    `planned` where the target fired by its clock; None where it was not injected."""
    injected, planned, began = (number(entry.get(key)) for key in ("injected", "planned", "began"))
    if injected is None:
        return None
    if began is not None:
        return min(began, injected)
    return planned if planned is not None and 0 <= injected - planned <= SLOWEST else injected


def _read_injections(run, place):
    """As it was written, every entry of the right type, with `at`: when it began, epoch s."""
    data = _document(run, place / "injections.json", list, "nothing is known to have been injected")
    found = []
    for position, entry in enumerate(dictionaries(data), start=1):
        told = text(entry.get("id"), f"?{position}")
        found.append({
            "id": told,
            "disruption": text(entry.get("disruption")) or told.partition(".")[0],
            "round": int(number(entry.get("round"), 1)),
            "host": text(entry.get("host")),
            "planned": number(entry.get("planned")),
            "at": _began(entry),
            "began": number(entry.get("began")),
            "injected": number(entry.get("injected")),
            "undone": number(entry.get("undone")),
            "clock_offset": number(entry.get("clock_offset"), 0.0),
            "clock_error": abs(number(entry.get("clock_error"), 0.0)),
            "fault_id": text(entry.get("fault_id"), None),
            "state": text(entry.get("state"), "missing"),
            "proven": entry.get("proven") is True,
            "held": entry.get("held") if isinstance(entry.get("held"), bool) else None,
            "residue": texts(entry.get("residue")),
            "failure": text(entry.get("failure"), None),
            "proof": dictionary(entry.get("proof")),
            "checks": [
                {"kind": text(each.get("kind")), "ok": each.get("ok") is True, "after": number(each.get("after")), "error": text(each.get("error"), None)}
                for each in dictionaries(entry.get("checks"))
            ],
        })
    return found


def _read_events(run, path):
    if not path.exists():
        run.problems.append("events.jsonl is missing: the report has no list of events.")
        return []
    found = [
        {"at": number(entry.get("at")), "phase": text(entry.get("phase")), "kind": text(entry.get("kind"), "note"),
         "text": text(entry.get("text")), "subject": text(entry.get("subject"))}
        for entry in _lines(run, path) if number(entry.get("at")) is not None
    ]
    return sorted(found, key=lambda event: event["at"])


# -- samples ----------------------------------------------------------------------------------------------------------


def _lines(run, path):
    """The dictionaries in a file of JSON lines. A last line that is cut off is dropped, others that cannot be read are counted."""
    unread, last_bad = 0, False
    try:
        with path.open("rb") as file:
            for line in file:
                if last_bad:
                    unread += 1
                    last_bad = False
                if not line.strip():
                    continue
                try:
                    entry = json.loads(line)
                except (ValueError, RecursionError):
                    last_bad = True
                    continue
                if isinstance(entry, dict):
                    yield entry
                else:
                    unread += 1
    except OSError as exc:
        run.problems.append(f"{_relative(run, path)} cannot be read ({exc.strerror}).")
    if last_bad:
        run.problems.append(f"The last line of {_relative(run, path)} was cut off.")
    if unread:
        run.problems.append(f"{unread} lines of {_relative(run, path)} cannot be read and are left out.")


def _relative(run, path):
    return os.path.relpath(path, run.path)


def _read_all_samples(run, place):
    for folder, kind in (("samples", "monitor"), ("load", "load")):
        for path in sorted((place / folder).glob("*.jsonl")):
            _read_samples(run, path, kind)
    run.checks = [series for series in run.series if series.kind == "monitor" and series.monitor.startswith(CHECK_PREFIX)]
    run.series = [series for series in run.series if series.kind == "load" or not series.monitor.startswith(CHECK_PREFIX)]
    seen = {series.monitor for series in run.series if series.kind == "monitor" and series.samples}
    seen |= {monitor.partition("@")[0] for monitor in seen}
    for entry in dictionaries(run.scenario.get("monitors")):
        name = text(entry.get("name"))
        wanted = [f"{name}@{host}" for host in texts(entry.get("on"))] or [name]
        run.unseen += [each for each in wanted if name and each not in seen]
    run.problems += [f"The monitor {name} left no sample." for name in run.unseen]
    loads = {series.monitor for series in run.series if series.kind == "load" and series.phase == "disrupted" and series.samples}
    run.problems += [f"The load {name} left no sample." for name in _names(run.scenario.get("load")) if f"load/{name}" not in loads]
    run.series.sort(key=lambda series: (series.kind == "load", series.monitor, LOAD_PHASES.index(series.phase) if series.phase else 0))


def _names(entries):
    return [name for name in (text(entry.get("name")) for entry in dictionaries(entries)) if name]


def _read_samples(run, path, kind):
    """The series of one file, appended to the run's."""
    entries = _lines(run, path)
    head = next(entries, None)
    if head is None or "series" not in head or not isinstance(head["series"], dict):
        # without it neither the period nor the clock is known
        why = "is empty: its writer was killed before its first sample" if head is None else "has no header: nothing in it can be evaluated"
        run.problems.append(f"{_relative(run, path)} {why}.")
        for _entry in entries:
            pass
        return
    made = _Maker(path, kind, head)
    series = {name: made.series(text(name, "?"), dictionary(told)) for name, told in head["series"].items()}
    ended, badly = None, 0
    for entry in entries:
        if "ended" in entry and "series" not in entry:
            ended = number(entry["ended"])
            if text(entry.get("failure")):
                run.problems.append(f"{_relative(run, path)}: {text(entry['failure'])[:LONGEST_ERROR]}")
            continue
        if isinstance(entry.get("series"), dict):
            # it went on after a reboot, maybe with another clock
            made, ended = _Maker(path, kind, entry), None
            continue
        sample = made.sample(entry)
        name = entry.get("series")
        if sample is None or not isinstance(name, str):
            badly += 1
            continue
        if name not in series:
            series[name] = made.series(name, {})
        series[name].samples.append(sample)
    if badly:
        run.problems.append(f"{badly} samples of {_relative(run, path)} lack a series or a time and are left out.")
    if ended is None:
        run.problems.append(f"{_relative(run, path)} has no last line: its writer was killed. What it holds is evaluated.")
    known = {each.key for each in run.series}
    for each in series.values():
        if each.key in known:
            run.problems.append(f"{_relative(run, path)} tells of {each.key}, and so does another file: this one is left out.")
            continue
        each.ended = None if ended is None else ended + made.offset
        each.samples.sort(key=lambda sample: sample.start)
        run.series.append(each)


class _Maker:
    """What the header says, for all series and samples of a file."""

    def __init__(self, path, kind, head):
        stem = path.name.removesuffix(".jsonl")
        self.kind, self.file = kind, f"{path.parent.name}/{path.name}"
        self.phase, self.host = None, None
        if kind == "load":
            name, _dot, phase = stem.rpartition(".")
            # a load's file without a phase is of the disrupted run
            self.phase = phase if name and phase in LOAD_PHASES else "disrupted"
            self.monitor = f"load/{text(head.get('name')) or name or stem}"
        else:
            name, _at, host = stem.partition("@")
            self.host = text(head.get("host")) or host or None
            self.monitor = (text(head.get("name")) or name) + (f"@{self.host}" if self.host else "")
        self.offset = number(head.get("clock_offset"), 0.0)
        self.head = head

    def series(self, name, told):
        head = self.head
        period = number(head.get("period"))
        started = number(head.get("started"))
        suffix = f" ({self.phase})" if self.phase in ("baseline", "clean") else ""
        return Series(
            key=f"{self.monitor}:{name}{suffix}",
            monitor=self.monitor,
            name=name,
            kind=self.kind,
            phase=self.phase,
            type=text(head.get("type")),
            group=text(told.get("group")) or ("load" if self.kind == "load" else "other"),
            subject=text(told.get("subject")) or name,
            via=text(told.get("via")),
            host=self.host,
            period=period if period is not None and period > 0 else None,
            timeout=number(head.get("timeout")),
            clock_offset=self.offset,
            clock_error=abs(number(head.get("clock_error"), 0.0)),
            started=None if started is None else started + self.offset,
            file=self.file,
        )

    def sample(self, entry):
        start = number(entry.get("start"))
        if start is None:
            return None
        due = number(entry.get("due"), start)
        duration = max(0.0, number(entry.get("duration"), 0.0))
        outcome = entry.get("outcome")
        # what is not known to be ok is not ok
        outcome = sys.intern(outcome) if outcome in (OK, TIMEOUT) else FAILED
        error = "" if outcome == OK else sys.intern(text(entry.get("error"))[:LONGEST_ERROR] or outcome)
        return Sample(due + self.offset, start + self.offset, duration, outcome, error)
