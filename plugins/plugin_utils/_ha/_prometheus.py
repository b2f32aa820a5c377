# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a textfile for Prometheus' node exporter. What nobody knows has no sample, rather than a 0. Pure."""

from __future__ import annotations

_STATES = ("passed", "failed", "not evaluated")
# metric -> (figure in the metrics of a window, factor to the base unit, help)
_FIGURES = {
    "faultline_ha_availability_ratio": ("availability", 0.01, "Share of the time in which the series was seen to be up."),
    "faultline_ha_availability_requests_ratio": ("availability_requests", 0.01, "Share of the probes that were due and were answered well."),
    "faultline_ha_downtime_seconds": ("downtime_total", 1, "Time in which the service was not available."),
    "faultline_ha_longest_outage_seconds": ("longest_outage", 1, "The longest outage."),
    "faultline_ha_mttr_seconds": ("mttr", 1, "Mean time to recover service performance after the fault."),
    "faultline_ha_recovery_seconds": ("time_to_recovery", 1, "Time from the fault until the service was available again."),
    "faultline_ha_first_failure_seconds": ("time_to_first_failure", 1, "Time from the fault to the first failure."),
    "faultline_ha_requests_lost": ("requests_lost", 1, "Probes that failed or were never taken."),
    "faultline_ha_degradation_seconds": ("degradation_absolute", 1, "Mean operation duration in the recovery period less the baseline's."),
    "faultline_ha_degradation_ratio": ("degradation_relative", 1, "Mean operation duration in the recovery period over the baseline's."),
}


def render(report):
    """The text of faultline_ha.prom."""
    run = report["run"]
    out = _Out({"scenario": run["name"]})
    out.metric("faultline_ha_passed", "Whether every criterion of the last run passed.", [({"run": run["id"]}, int(report["verdict"]["state"] == "passed"))])
    out.metric("faultline_ha_run_end_timestamp_seconds", "When the last run ended, or was last heard of.", [({"run": run["id"]}, run["last"])])
    out.metric("faultline_ha_criteria", "Criteria of the last run by their state.", [
        ({"state": state}, sum(each["state"] == state for each in report["criteria"])) for state in _STATES])
    out.metric("faultline_ha_criterion_passed", "Whether a criterion passed.", [
        ({"id": each["id"], "criterion": each["name"], "state": each["state"]}, int(each["state"] == "passed")) for each in report["criteria"]])
    rows = [
        ({**_labels(series), "window": window}, told)
        for series in report["series"] for window, told in (series["metrics"] or {}).items() if told
    ]
    for name, (key, factor, words) in _FIGURES.items():
        out.metric(name, words, [(labels, None if told[key]["value"] is None else told[key]["value"] * factor) for labels, told in rows])
    out.metric("faultline_ha_not_sampled_seconds", "Time in which nobody looked at the series.", [(labels, told["not_sampled"]) for labels, told in rows])
    out.metric("faultline_ha_error_budget_left_seconds", "What is left of the error budget of the disrupted run; below 0 where it is overspent.", [
        (labels, told["error_budget"]["left"]) for labels, told in rows if labels["window"] == "run"])
    out.metric("faultline_ha_injections", "Injections of a disruption by what became of them.", [
        ({"disruption": each["id"], "name": each["name"], "state": state}, each[state])
        for each in report["disruptions"] for state in ("planned", "injected", "proven", "undone", "residue", "open")])
    out.metric("faultline_ha_injection_spread_seconds", "Between the first and the last host of what should be at the same time.", [
        ({"disruption": each["id"], "name": each["name"]}, each["spread"]) for each in report["disruptions"]])
    out.metric("faultline_ha_correctness_findings", "What the run left wrong in the cloud.", [
        ({"check": each["name"], "state": each["state"]}, None if each["state"] == "not evaluated" else len(each["findings"]))
        for each in report["correctness"]["checks"]])
    return out.text()


def _labels(series):
    return {"series": series["key"], "group": series["group"], "subject": series["subject"], "via": series["via"], "host": series["host"] or ""}


class _Out:
    """Lines of the exposition format, with labels that every sample has."""

    def __init__(self, labels):
        self.labels, self.lines = labels, []

    def metric(self, name, words, samples):
        known = [(labels, value) for labels, value in samples if value is not None]
        if not known:
            return
        self.lines += [f"# HELP {name} {_escaped(words, quotes=False)}", f"# TYPE {name} gauge"]
        for labels, value in known:
            inner = ",".join(f'{key}="{_escaped(str(each))}"' for key, each in {**self.labels, **labels}.items())
            self.lines.append(f"{name}{{{inner}}} {float(value)!r}")

    def text(self):
        return "\n".join(self.lines) + "\n"


def _escaped(value, quotes=True):
    value = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", " ")
    return value.replace('"', '\\"') if quotes else value
