# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one HTML page that needs no network: styles, scripts and data are in it.

Whatever comes from outside (names, errors, events) is escaped, and the page's own policy lets no other script run. The timeline is there
without scripts, too. It reads the files in assets/ and nothing else.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import html
import json
import math
import pathlib

import yaml

from . import _compare, _report
from ._run_files import text

_ASSETS = pathlib.Path(__file__).parent / "assets"
# points of all plots together, and of one plot: a page of some megabytes at most
MOST_POINTS, MOST_OF_ONE, LEAST_OF_ONE = 60_000, 4_000, 240
# bars of one lane of the timeline; more are drawn together
MOST_BARS = 400
MOST_EVENTS = 2_000
# all groups are open where there are no more series than these
OPEN_SERIES = 48
_GROUP_NAMES = {
    "api": "OpenStack APIs", "app": "Applications", "network": "Network", "cluster": "Clusters", "container": "Containers", "host": "Hosts",
    "nagios": "Nagios", "load": "Load", "other": "Other",
}


def render(report, tracks):
    """The text of report.html. tracks: of _report.build(), in the order of the report's series."""
    page = _Page(report, tracks)
    run = report["run"]
    return _document(f"{run['name']}: {report['verdict']['state']}", page.body(), page.data())


def render_comparison(compared):
    """The text of compare.html."""
    first, second = compared["before"], compared["after"]
    body = [
        '<header><div class="title"><h1>', _esc(f"{second['name']}: {second['id']} against {first['id']}"), "</h1>", _badge(compared["state"]), "</div>",
        '<p class="facts">', ", ".join(f"{count} {_esc(state)}" for state, count in compared["counts"].items()),
        ". A figure is better or worse where the intervals of its error do not touch.</p></header><main>",
    ]
    if compared["notes"]:
        body.append(f'<ul class="notes">{"".join(f"<li>{_esc(note)}</li>" for note in compared["notes"])}</ul>')
    for state in _compare.STATES:
        items = [item for item in compared["items"] if item["state"] == state]
        if not items:
            continue
        rows = [
            [_badge(state), _esc(item["series"] or item["what"]), _esc(item["window"] or "-"), _esc(item["metric"]), _esc(_compare.words(item, "before")),
             _esc(_compare.words(item, "after")), _esc(item["why"] or "")] for item in items
        ]
        table = _table(["", "What", "Disruption", "Metric", "Before", "After", "Why"], rows, wide=True)
        opened = " open" if state in ("worse", "better") else ""
        body.append(f"<section><details{opened}><summary>{_esc(state)} <small>{len(items)}</small></summary>{table}</details></section>")
    body.append("</main>")
    return _document(f"{second['name']}: {compared['state']}", "".join(body), None)


# -- pieces -----------------------------------------------------------------------------------------------------------


def _esc(value):
    return html.escape("" if value is None else str(value), quote=True)


def _asset(name):
    """The content of a file of assets/ without the comment that it begins with, if any."""
    content = (_ASSETS / name).read_text(encoding="utf-8")
    return content.partition("*/")[2].strip() if content.startswith("/*") else content


def _document(title, body, data):
    """A whole page; data: what report.js draws, or None for a page without scripts."""
    scripts, holder = [], ""
    if data is not None:
        licence = _asset("uPlot.LICENSE").strip().replace("*/", "")
        scripts = [f"/* uPlot 1.6.32\n{licence}\n*/\n{_asset('uPlot.iife.min.js')}", _asset("report.js")]
        holder = f'<script type="application/json" id="data">{_embedded(data)}</script>'
    styles = (_asset("uPlot.min.css") if scripts else "") + _asset("report.css")
    allowed = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts) or "'none'"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f'<link rel="icon" href="data:,">\n<title>{_esc(title)}</title>\n<style>{styles}</style>\n</head>\n<body>\n{body}\n'
        f'{holder}{"".join(f"<script>{script}</script>" for script in scripts)}\n</body>\n</html>\n'
    )


def _embedded(data):
    """JSON that cannot end the element that it stands in."""
    written = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _badge(state):
    return f'<span class="badge {_esc(state.replace(" ", "-"))}">{_esc(state)}</span>'


def _table(heads, rows, wide=False, numbers=(), classes="", caption=None):
    """A table in a box that scrolls by itself. rows: lists of HTML; numbers: columns that are aligned right."""
    def cell(tag, column, content, more=""):
        kind = ' class="n"' if column in numbers else ' class="why"' if heads[column] in ("Why", "What was seen") else ""
        if "stack" in classes and tag == "td" and column in numbers:
            more = f' data-label="{_esc(heads[column])}"'
        return f"<{tag}{kind}{more}>{content}</{tag}>"

    head = "".join(cell("th", column, _esc(each), ' scope="col"') for column, each in enumerate(heads))
    lines = "".join(
        "<tr>" + "".join(cell("th" if column == 0 and "metrics" in classes else "td", column, each) for column, each in enumerate(row)) + "</tr>"
        for row in rows
    )
    named = f"<caption class=\"none\">{_esc(caption)}</caption>" if caption else ""
    kinds = " ".join(each for each in (classes, "wide" if wide else "") if each)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_esc(caption or heads[0] or heads[1])}"><table class="{kinds}">{named}'
        f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _figure(figure, better=None):
    """A figure in a cell: the value, its error below."""
    if figure["value"] is None:
        return f'<span class="none" title="{_esc(figure["why"])}">n/k</span>'
    digits = {"s": 2, "%": 3, "ratio": 2}.get(figure["unit"], 0)
    value = f"{figure['value']:.{digits}f}"
    shown = f'<span class="hit">{value}</span>' if better is not None and figure["value"] != better else value
    low, high = figure["low"], figure["high"]
    if low is None or high is None or f"{low:.{digits}f}" == f"{high:.{digits}f}":
        return shown
    return f"{shown}<small>{low:.{digits}f} to {high:.{digits}f}</small>"


def _seconds(value, digits=2):
    return '<span class="none">-</span>' if value is None else f"{value:.{digits}f}"


def _moment(epoch):
    if epoch is None:
        return "not known"
    try:
        return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{epoch:g}"


def _length(seconds):
    """4:05 or 1:02:03, of s."""
    whole = int(round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02}"


def _span(kind, style, title, content=""):
    """Something on the timeline."""
    return f'<span class="{kind}" style="{style}" title="{_esc(title)}">{_esc(content)}</span>'


class _Page:
    def __init__(self, report, tracks):
        self.report, self.tracks = report, tracks
        self.start, self.length = self._span()
        self.groups = {}
        for place, series in enumerate(report["series"]):
            self.groups.setdefault(series["group"], []).append((place, series, tracks[place]))

    def _span(self):
        """(the first moment on the timeline, its length in s)."""
        series, phases = self.report["series"], self.report["run"]["phases"]
        times = [phase["start"] for phase in phases] + [each["first"] for each in series]
        known = [time for time in times if time is not None]
        start = min(known, default=self.report["run"]["started"] or 0.0)
        ends = [phase["end"] for phase in phases] + [each["last"] for each in series] + [self.report["run"]["last"]]
        return start, max(1.0, max((end for end in ends if end is not None), default=start) - start)

    def body(self):
        sections = (
            ("criteria", "Verdict", self._criteria()), ("timeline", "Timeline", self._timeline()), ("plots", "Latency and errors", self._plots()),
            ("metrics", "Availability and recovery", self._metrics()), ("injections", "Injections", self._injections()), ("load", "Load", self._load()),
            ("correctness", "Correctness of the cloud", self._correctness()), ("environment", "Environment", self._environment()),
            ("scenario", "Scenario and plan", self._scenario()), ("events", "Events", self._events()),
        )
        links = "".join(f'<li><a href="#{told}">{_esc(title)}</a></li>' for told, title, _content in sections)
        parts = "".join(
            f'<section id="{told}" aria-labelledby="h-{told}"><h2 id="h-{told}">{_esc(title)}</h2>{content}</section>\n'
            for told, title, content in sections
        )
        return (
            f'<a class="skip" href="#criteria">Skip to the verdict</a>\n{self._header()}\n<nav aria-label="Sections"><ul>{links}</ul></nav>\n'
            f"<main>{self._problems()}\n{parts}</main>\n<footer>Made by faultline.openstack from the samples of the run, {_moment(self.report['generated'])}. "
            "Times on the timeline and plots are minutes and seconds of the run; all others are UTC.</footer>"
        )

    # -- top

    def _header(self):
        run, verdict = self.report["run"], self.report["verdict"]
        facts = [
            f"run <b>{_esc(run['id'])}</b>", f"began <b>{_moment(run['started'])}</b>", f"seed <b>{_esc(run['seed'] or 'none')}</b>",
            f"state <b>{_esc(run['state'])}</b>",
        ]
        if run["started"] is not None and run["last"] is not None:
            facts.insert(2, f"took <b>{_length(run['last'] - run['started'])}</b>")
        aborted = f'<p class="hit">Aborted: {_esc(run["aborted"]["reason"])}</p>' if run["aborted"] else ""
        tiles = "".join(
            f'<li{" class=bad" if bad else ""}><span>{_esc(words)}</span><strong>{_esc(value)}</strong><span>{_esc(more)}</span></li>'
            for words, value, more, bad in self._tiles()
        )
        return (
            f'<header><div class="title"><h1>{_esc(run["name"])}</h1>{_badge(verdict["state"])}</div>'
            f'<p class="facts">{", ".join(facts)}</p>{aborted}<ul class="tiles">{tiles}</ul></header>'
        )

    def _tiles(self):
        """(words, value, more, whether it is bad) of the figures that tell most: of APIs through the VIP, where there are any."""
        verdict, correctness = self.report["verdict"], self.report["correctness"]
        total = verdict["passed"] + verdict["failed"] + verdict["not_evaluated"]
        others = f"{verdict['failed']} failed, {verdict['not_evaluated']} not evaluated"
        yield "criteria passed", f"{verdict['passed']} of {total}", others, verdict["state"] != "passed"
        front = [each for each in self.report["series"] if each["metrics"] and each["group"] == "api" and each["via"] == "vip"]
        front = front or [each for each in self.report["series"] if each["metrics"]]

        def worst(key, windows, least=False):
            found = [
                (told[key]["value"], each["key"], told[key]) for each in front for window, told in each["metrics"].items()
                if told and (window == "run") == (windows == "run") and told[key]["value"] is not None
            ]
            return (min if least else max)(found, key=lambda each: each[0], default=None)

        for words, key, windows, least, form in (
            ("lowest availability", "availability", "run", True, "{:.2f}%"), ("most downtime", "downtime_total", "run", False, "{:.1f} s"),
            ("longest outage", "longest_outage", "run", False, "{:.1f} s"), ("slowest to recover (MTTR)", "mttr", "disruption", False, "{:.1f} s"),
            ("most requests lost", "requests_lost", "run", False, "{:.0f}"),
        ):
            found = worst(key, windows, least)
            yield words, form.format(found[0]) if found else "not known", found[1] if found else "", False
        planned = sum(each["planned"] for each in self.report["disruptions"])
        proven = sum(each["proven"] for each in self.report["disruptions"])
        yield "injections proven", f"{proven} of {planned}", f"{len(self.report['disruptions'])} disruptions", proven < planned or not planned
        words = {"clean": "as it was", "found": f"{correctness['count']} findings", "not evaluated": "not evaluated"}[correctness["state"]]
        yield "the cloud afterwards", words, "", correctness["state"] != "clean"

    def _problems(self):
        problems = [*_report.left_alone(self.report), *self.report["problems"]]
        if not problems:
            return ""
        return f'<ul class="notes">{"".join(f"<li>{_esc(problem)}</li>" for problem in problems)}</ul>'

    def _criteria(self):
        rows = []
        for each in self.report["criteria"]:
            shown, error, bounds = ("", "", "") if each["value"] is None else _figure(each).partition("<small>")
            value = f"{shown} {_esc(each['unit'])}{error}{bounds}" if shown else ""
            limit = _report.limit(each["limit"], each["unit"]) if each["limit"] else ""
            why = "; ".join(part for part in (each["why"], {None: "", "run": "in the whole disrupted run"}.get(each["window"], f"in {each['window']}")) if part)
            rows.append([_badge(each["state"]), _esc(each["name"]), value, _esc(limit), _esc(why)])
        return _table(["State", "Criterion", "Value", "Limit", "Why"], rows, wide=True, numbers=(2, 3), classes="stack", caption="Criteria")

    # -- timeline

    def _place(self, start, end=None, least=0.0):
        """The style that puts something on the timeline, of epoch s."""
        left = 100.0 * (start - self.start) / self.length
        style = f"left:{left:.4f}%"
        if end is not None:
            style += f";width:{max(least, 100.0 * (end - start) / self.length):.4f}%"
        return style

    def _timeline(self):
        report = self.report
        phases = [(phase["name"].replace("_", " "), self._place(phase["start"], self._until(place))) for place, phase in enumerate(report["run"]["phases"])]
        rows = [self._row("phases", "Phase", "".join(_span("phase", style, name, name) for name, style in phases))]
        faults = self._faults()
        flags = "".join(_span("flag", self._place(fault["at"]), fault["words"], fault["disruption"]) for fault in faults)
        rows.append(self._row("faults", "Disruption", flags))
        for group, members in self.groups.items():
            rows.append(f'<div class="row group"><span class="name">{_esc(_GROUP_NAMES.get(group, group))}</span></div>')
            rows += [self._lane(series, track) for _place, series, track in members]
        rows.append(self._row("axis", "", ""))
        bands = "".join(
            _span("band", self._place(fault["at"], fault["at"] if fault["until"] is None else fault["until"]), fault["words"]) for fault in faults)
        buttons = ['<button type="button" data-from="0" data-to="%.3f">Whole run</button>' % self.length]
        for window in report["windows"]:
            if window["start"] is not None and window["id"] != "run":
                margin = 0.05 * window["length"]
                limits = max(0.0, window["start"] - self.start - margin), min(self.length, window["end"] - self.start + margin)
                buttons.append('<button type="button" data-from="%.3f" data-to="%.3f" title="%s">%s</button>' % (
                    *limits, _esc(window["name"]), _esc(f"{window['id']}: {window['name']}")))
        moves = "".join(
            f'<button type="button" class="move" data-do="{what}" aria-label="{words}" title="{words}">{sign}</button>'
            for what, words, sign in (("in", "Zoom in", "+"), ("out", "Zoom out", "\u2212"), ("left", "Earlier", "\u2190"), ("right", "Later", "\u2192")))
        buttons.insert(1, moves)
        legend = "".join(f'<li><i class="{kind}"></i>{words}</li>' for kind, words in (
            ("seen", "up"), ("down", "down"), ("slow", "slower than the baseline"), ("unseen", "not sampled"), ("band", "a fault is on")))
        return (
            f'<div class="controls" role="group" aria-label="What is shown">{"".join(buttons)}</div>'
            '<p class="range"><span id="range"></span> <span id="at"></span></p>'
            f'<ul class="legend">{legend}</ul><div class="timeline" tabindex="0" role="group" aria-label="Timeline. Plus and minus zoom, arrows move, '
            f'Home shows the whole run."><div class="over"><div class="inner">{bands}</div></div>{"".join(rows)}<div class="over top"></div></div>'
            '<p class="none">Drag over a stretch, here or in a plot, to see it closer; double-click for the whole run. With the timeline in focus: '
            "+ and -, arrows, Home.</p>"
        )

    def _until(self, place):
        """The end of a phase: its own, the next one's start, or the end of the timeline."""
        phases = self.report["run"]["phases"]
        if phases[place]["end"] is not None:
            return phases[place]["end"]
        return phases[place + 1]["start"] if place + 1 < len(phases) else self.start + self.length

    @staticmethod
    def _row(kind, name, content):
        return f'<div class="row {kind}"><span class="name">{_esc(name)}</span><div class="strip"><div class="inner">{content}</div></div></div>'

    def _lane(self, series, track):
        end = self.start + self.length
        first = series["first"] if series["first"] is not None else series["started"]
        last = series["last"] if series["last"] is not None else series["ended"]
        bars = []
        if series["first"] is not None:
            bars.append(("seen", first, min(end, max(track.samples[-1].end, last + (series["period"] or 0.0))), "up"))
        slow = _joined([(a, end if b is None else b) for a, b in series["degraded"]], self.length)
        bars += [("slow", a, b, f"slower than {1000 * series['threshold']:.0f} ms for {b - a:.1f} s") for a, b in slow]
        down = [(each["begin"], each["begin"] + each["length"]) for each in series["outages"]]
        words = {each["begin"]: each for each in series["outages"]}
        for a, b in _joined(down, self.length):
            told = words.get(a)
            title = f"down for {b - a:.2f} s from {_length(a - self.start)}" + (f": {'; '.join(told['errors'])}" if told and told["errors"] else "")
            if told and told["end"] is None:
                title = f"down from {_length(a - self.start)} on" + (f": {'; '.join(told['errors'])}" if told["errors"] else "")
            bars.append(("down", a, b, title))
        bars += [("unseen", a, b, f"not sampled for {b - a:.1f} s") for a, b in _joined(series["not_sampled"], self.length)]
        total = math.fsum(each["length"] for each in series["outages"])
        unseen = math.fsum(b - a for a, b in series["not_sampled"])
        label = f"{series['key']}: {len(series['outages'])} outages, {total:.1f} s down" + (f", {unseen:.1f} s not sampled" if unseen else "")
        if series["first"] is None:
            bars, label = [("unseen", self.start, end, "never sampled")], f"{series['key']}: never sampled"
        spans = "".join(_span(kind, self._place(a, max(a, b)), title) for kind, a, b, title in bars)
        return (
            f'<div class="row lane" data-series="{_esc(series["key"])}"><span class="name" title="{_esc(label)}">{_esc(_short(series))}</span>'
            f'<div class="strip" role="img" aria-label="{_esc(label)}"><div class="inner">{spans}</div></div></div>'
        )

    def _faults(self):
        """What was done, a round of a disruption at a time: from the first injection, until the last undo (None: at once), in words."""
        names = {each["id"]: each["name"] for each in self.report["disruptions"]}
        found = {}
        for each in sorted(self.report["injections"], key=lambda each: each["at"] or 0.0):
            if each["at"] is None:
                continue
            until = each["undone"] if each["undone"] is not None or each["state"] != "open" else self.start + self.length
            words = f"{each['host'] or '?'}: {each['state']}"
            mark = (each["disruption"], each["round"])
            if mark not in found:
                begin = f"{each['disruption']} {names.get(each['disruption'], '')}, round {each['round']}; "
                found[mark] = {"at": each["at"], "until": until, "words": begin + words, "disruption": each["disruption"]}
                continue
            told = found[mark]
            told["until"] = max((time for time in (told["until"], until) if time is not None), default=None)
            told["words"] += f", {words}"
        return list(found.values())

    # -- plots

    def _plots(self):
        if not self.report["series"]:
            return '<p class="none">There are no samples.</p>'
        few = len(self.report["series"]) <= OPEN_SERIES
        parts = [
            "<noscript><p>The plots need scripts; all figures are in the tables.</p></noscript>",
            '<p class="none">Durations of probes that were answered well (slowest and quickest where many share a pixel), in red the share that failed.</p>',
        ]
        for group, members in self.groups.items():
            figures = "".join(
                f'<figure><figcaption><span>{_esc(series["key"])}</span><output></output></figcaption>'
                f'<div class="plot" data-series="{place}" role="img" aria-label="{_esc(self._spoken(series))}"></div></figure>'
                for place, series, _track in members)
            opened = " open" if few or group == "api" else ""
            parts.append(
                f'<details class="printed"{opened}><summary>{_esc(_GROUP_NAMES.get(group, group))} <small>{len(members)} series</small></summary>'
                f'<div class="plots">{figures}</div></details>')
        return "".join(parts)

    @staticmethod
    def _spoken(series):
        counts, base = series["samples"], series["baseline"]
        words = f"{series['key']}: {counts['taken']} probes, {counts['failed'] + counts['timeout']} failed"
        return words + (f", normally {1000 * base['p50']:.1f} ms" if base else "")

    def data(self):
        """What the script draws: times in ms after the start and durations in microseconds, as whole numbers."""
        share = max(LEAST_OF_ONE, min(MOST_OF_ONE, MOST_POINTS // max(1, len(self.tracks))))
        return {
            "t0": self.start, "length": self.length, "series": [plotted(track, self.start, self.length, share) for track in self.tracks],
            "faults": [
                {"from": each["at"] - self.start, "to": None if each["until"] is None else each["until"] - self.start} for each in self._faults()],
        }

    # -- tables

    def _metrics(self):
        measured = [series for series in self.report["series"] if series["metrics"]]
        if not measured:
            return '<p class="none">Nothing was measured.</p>'
        parts = [
            '<p class="none">Below a value: the bounds of its error. n/k: not known, the reason is in its tooltip and in report.json. First failure, '
            "recovery and MTTR count from the injection; of several rounds these and downtime are means with their 95 % confidence interval.</p>"]
        for window in self.report["windows"]:
            whole = window["id"] == "run"
            heads = [
                "Series", "Availability, %", "Of requests, %", "Downtime, s", "Outages", "Longest, s",
                *(() if whole else ("First failure, s", "Recovered, s", "MTTR, s")), "Requests lost", "Degradation, times", "p50, p95, p99, ms",
                "Not sampled, s", "Budget left, s",
            ]
            rows = [self._metric_row(series, series["metrics"][window["id"]], whole) for series in measured if series["metrics"].get(window["id"])]
            name = window["name"] if window["id"] == "run" else f"{window['id']}: {window['name']}"
            facts = "; ".join(part for part in (
                f"{window['length']:.0f} s from {_length(window['start'] - self.start)}" if window["start"] is not None else "",
                f"{len(window['rounds'])} rounds" if len(window["rounds"]) > 1 else "",
                f"at the same time: {', '.join(window['overlaps'])}" if window["overlaps"] else "", window["why"] or "") if part)
            table = _table(heads, rows, numbers=range(1, len(heads)), classes="metrics", caption=name)
            content = table if rows else '<p class="none">Nothing was measured.</p>'
            parts.append(f'<details class="printed" open><summary>{_esc(name)} <small>{_esc(facts)}</small></summary>{content}</details>')
        return "".join(parts)

    @staticmethod
    def _metric_row(series, told, whole):
        latency = " / ".join(f"{1000 * told['latency'][key]:.1f}" for key in ("p50", "p95", "p99")) if told["latency"] else '<span class="none">-</span>'
        after = [_figure(told["time_to_first_failure"]), _figure(told["time_to_recovery"], 0.0), _figure(told["mttr"], 0.0)]
        budget, unseen, absolute = told["error_budget"], told["not_sampled"], told["degradation_absolute"]
        slower = _figure(told["degradation_relative"])
        if absolute["value"]:
            slower += f"<small>{1000 * absolute['value']:+.1f} ms</small>"
        return [
            _esc(series["key"]), _figure(told["availability"], 100.0), _figure(told["availability_requests"], 100.0), _figure(told["downtime"], 0.0),
            str(told["outages"]), _figure(told["longest_outage"], 0.0), *(() if whole else after), _figure(told["requests_lost"], 0), slower, latency,
            f'<span class="hit">{unseen:.1f}</span>' if unseen else "0.0",
            f'<span{" class=hit" if budget["left"] < 0 else ""}>{budget["left"]:.2f}</span>'
            f'<small>of {budget["allowed"]:.2f} ({budget["objective"]:g} %)</small>',
        ]

    def _injections(self):
        report = self.report
        rows = []
        for each in report["disruptions"]:
            spread = "-" if each["spread"] is None else f"{1000 * each['spread']:.1f} ms<small>error {1000 * each['spread_error']:.1f} ms</small>"
            rows.append([
                _esc(each["id"]), _esc(each["name"]) + ("" if each["finite"] else " <small>until the end of the run</small>"), _esc(", ".join(each["hosts"])),
                str(len(each["rounds"])), str(each["planned"]), self._count(each["injected"], each["planned"]), self._count(each["proven"], each["planned"]),
                self._count(each["undone"], each["planned"]), self._count(each["residue"], 0), self._count(each["open"], 0),
                "-" if each["lateness"] is None else f"{1000 * each['lateness']:.1f} ms", spread])
        heads = ["Id", "Disruption", "Hosts", "Rounds", "Planned", "Injected", "Proven", "Undone", "Residue", "Open", "Latest", "Spread"]
        first = _table(heads, rows, wide=True, numbers=range(3, 12), caption="Disruptions") if rows else '<p class="none">None was planned.</p>'
        rows = []
        for each in report["injections"]:
            facts = [f"held: {'yes' if each['held'] else 'no'}"] if each["held"] is not None else []
            facts += [f"{check['kind']}: {'ok' if check['ok'] else 'failed'}" + (f" after {check['after']:.1f} s" if check["after"] is not None else "")
                      + (f" ({check['error']})" if check["error"] else "") for check in each["checks"]]
            facts += [f"failure: {each['failure']}"] if each["failure"] else []
            facts += [f"residue: {', '.join(each['residue'])}"] if each["residue"] else []
            proof = "; ".join(f"{key}: {_plain(value)}" for key, value in each["proof"].items())
            good = each["state"] in ("undone", "done")
            rows.append([
                _esc(each["id"]), str(each["round"]), _esc(each["host"]), _esc(self._at(each["planned"])), _esc(self._at(each["injected"])),
                "-" if each["lateness"] is None else f"{1000 * each['lateness']:+.1f} ms<small>error {1000 * each['clock_error']:.1f} ms</small>",
                "yes" if each["proven"] else '<span class="hit">no</span>', _esc(self._at(each["undone"])) if each["undone"] is not None else "-",
                _esc(each["state"]) if good else f'<span class="hit">{_esc(each["state"])}</span>', _esc("; ".join([*facts, proof] if proof else facts))])
        heads = ["Id", "Round", "Host", "Planned", "Injected", "Late by", "Proven", "Undone", "State", "What was seen"]
        if not rows:
            return first
        second = _table(heads, rows, wide=True, numbers=(1, 3, 4, 5, 7), caption="Injections")
        return f'{first}<details class="printed" open><summary>Every injection <small>{len(rows)}</small></summary>{second}</details>'

    @staticmethod
    def _count(count, meant):
        return str(count) if count == meant else f'<span class="hit">{count}</span>'

    def _at(self, epoch):
        """A moment of the run, as minutes and seconds after its start."""
        if epoch is None:
            return "-"
        since = epoch - self.start
        return f"{'-' if since < 0 else ''}{int(abs(since) // 60)}:{abs(since) % 60:06.3f}"

    def _load(self):
        if not self.report["load"]:
            return '<p class="none">There was no load.</p>'
        rows, pairs = [], []
        for each in self.report["load"]:
            for phase in ("baseline", "disrupted", "clean"):
                told = each["phases"].get(phase)
                if told is None:
                    continue
                numbers = [f"{told['latency'][key]:.3f}" if told["latency"] else "-" for key in ("mean", "std", "p50", "p95", "p99")]
                rows.append([
                    _esc(each["key"]), _esc(phase), str(told["iterations"]), self._count(told["failed"], 0), *numbers,
                    _seconds(told["throughput"]), _esc(self._at(told["start"])), _esc(self._at(told["end"]))])
            pairs += [
                [_esc(each["key"]), _esc(f"{pair['run']} against {pair['reference']}"), _figure(pair["absolute"]), _figure(pair["relative"])]
                for pair in each["against"]
            ]
        heads = ["Load", "Run", "Operations", "Failed", "Mean, s", "Deviation, s", "p50, s", "p95, s", "p99, s", "Done per s", "From", "To"]
        first = _table(heads, rows, wide=True, numbers=range(2, 12), caption="The load's runs")
        if not pairs:
            return first
        return first + "<h3>Beside each other</h3>" + _table(
            ["Load", "Runs", "Difference of the means, s", "Ratio of the means"], pairs, numbers=(2, 3), caption="The load's runs beside each other")

    def _correctness(self):
        rows = []
        for check in self.report["correctness"]["checks"]:
            found = "".join(f"<div>{_esc(each['text'])}</div>" for each in check["findings"][:50])
            if len(check["findings"]) > 50:
                found += f"<div>and {len(check['findings']) - 50} more</div>"
            rows.append([_badge(check["state"]), _esc(check["title"]), found + (f"<div>{_esc(check['why'])}</div>" if check["why"] else "")])
        return _table(["State", "Check", "What was seen"], rows, wide=True, classes="stack", caption="Correctness")

    def _environment(self):
        environment = self.report["environment"]
        if not environment:
            return '<p class="none">Nothing is told of it.</p>'
        parts = []
        for name, told in environment.items():
            parts.append(f"<h3>{_esc(name)}</h3>")
            if isinstance(told, dict):
                inner = "".join(f"<dt>{_esc(key)}</dt><dd>{_esc(_plain(value))}</dd>" for key, value in told.items())
                parts.append(f'<dl class="pairs">{inner}</dl>')
            else:
                parts.append(f"<p>{_esc(_plain(told))}</p>")
        return "".join(parts)

    def _scenario(self):
        seed = self.report["run"]["seed"]
        parts = [f"<p>Seed: <b>{_esc(seed or 'none')}</b>. The same seed plans the same run.</p>"]
        for name, key in (("Scenario", "scenario"), ("Plan", "plan")):
            written = yaml.safe_dump(self.report[key], sort_keys=False, allow_unicode=True, width=120)
            parts.append(f"<details><summary>{name}</summary><pre>{_esc(written)}</pre></details>")
        return "".join(parts)

    def _events(self):
        events = self.report["events"]
        if not events:
            return '<p class="none">There is no list of events.</p>'
        rows = [
            [_esc(each) for each in (_moment(event["at"]), self._at(event["at"]), event["phase"], event["kind"], event["text"])]
            for event in events[:MOST_EVENTS]
        ]
        more = f'<p class="none">{len(events) - MOST_EVENTS} more are in report.json.</p>' if len(events) > MOST_EVENTS else ""
        table = _table(["Time", "In the run", "Phase", "Kind", "Event"], rows, wide=True, numbers=(1,), caption="Events")
        return f"<details><summary>All events <small>{len(events)}</small></summary>{table}{more}</details>"


def _short(series):
    """A series' name on its lane: without the monitor, with the host that it ran on."""
    host = series["host"]
    name = series["name"] + (f" ({series['phase']})" if series["phase"] in ("baseline", "clean") else "")
    return f"{name} on {host}" if host and host not in name else name


def _plain(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(each) for each in value)
    return text(value) if not isinstance(value, bool) and value is not None else json.dumps(value)


def _joined(intervals, length):
    """Intervals in order; where there are too many to see, neighbours become one."""
    intervals = sorted((a, b) for a, b in intervals)
    near = length / 4000.0 if len(intervals) > MOST_BARS else 0.0
    found = []
    for a, b in intervals:
        if found and a - found[-1][1] <= near:
            found[-1] = (found[-1][0], max(found[-1][1], b))
        else:
            found.append((a, b))
    return found


def plotted(track, start, length, most):
    """A series for the script: {"x0", "dx", "hi", "lo", "bad"}.

    x0, dx: the first time and the steps from each to the next, ms; hi, lo: the slowest and quickest ok probe, microseconds, lo None where no two
    probes share a point; bad: the share that failed, per cent. No more than about `most` points: probes of one bucket of time become one.
    A point with hi and bad None breaks the line where nobody looked.
    """
    samples = track.samples
    points = []
    holes = iter([*track.not_sampled(samples[0].start, samples[-1].start), (math.inf, math.inf)] if samples else [(math.inf, math.inf)])
    hole = next(holes)
    width = length / most if len(samples) > most else 0.0
    place = 0
    while place < len(samples):
        first = samples[place]
        while first.start > hole[0]:
            points.append((hole[0], None, None, None))
            hole = next(holes)
        stop = place + 1
        if width:
            bucket = math.floor((first.start - start) / width)
            while stop < len(samples) and math.floor((samples[stop].start - start) / width) == bucket and samples[stop].start <= hole[0]:
                stop += 1
        some = samples[place:stop]
        good = [sample.duration for sample in some if sample.ok]
        points.append((
            first.start, max(good) if good else None, min(good) if good else None, round(100 * (len(some) - len(good)) / len(some))))
        place = stop
    if samples:
        # the last one lasts for as long as it tells of
        points.append((samples[-1].start + max(track.step, 0.001), None, None, None))
    times = [round(1000 * (point[0] - start)) for point in points]
    micro = [[None if point[which] is None else round(1e6 * point[which]) for point in points] for which in (1, 2)]
    return {
        "x0": times[0] if times else 0, "dx": [b - a for a, b in zip(times[:1] + times, times)], "hi": micro[0],
        "lo": micro[1] if width else None, "bad": [point[3] for point in points],
    }
