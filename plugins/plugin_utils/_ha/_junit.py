# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict as JUnit XML: one case for each criterion. Failed is a failure, not evaluated an error: both are red in a CI system. Pure."""

from __future__ import annotations

import datetime
import re
from xml.etree import ElementTree

from . import _report

# what XML 1.0 has no way to say
_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report):
    """The text of junit.xml."""
    run, verdict = report["run"], report["verdict"]
    length = max(0.0, (run["last"] or 0.0) - (run["started"] or run["last"] or 0.0))
    counts = {"tests": len(report["criteria"]), "failures": verdict["failed"], "errors": verdict["not_evaluated"], "skipped": 0}
    numbers = {key: str(count) for key, count in counts.items()}
    root = ElementTree.Element("testsuites", {"name": "faultline", **numbers, "time": f"{length:.3f}"})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _say(run["name"]), **numbers, "time": f"{length:.3f}"})
    if run["started"] is not None:
        suite.set("timestamp", moment(run["started"]))
    properties = ElementTree.SubElement(suite, "properties")
    for name in ("id", "seed", "state"):
        ElementTree.SubElement(properties, "property", {"name": name, "value": _say(run[name])})
    for each in report["criteria"]:
        case = ElementTree.SubElement(suite, "testcase", {"classname": f"faultline.{_say(run['name'])}", "name": _say(each["name"]), "time": "0"})
        words = _say(each["why"] or "")
        if each["state"] == "failed":
            ElementTree.SubElement(case, "failure", {"type": "failed", "message": words}).text = _details(each)
        elif each["state"] != "passed":
            ElementTree.SubElement(case, "error", {"type": "not evaluated", "message": words}).text = _details(each)
        elif words:
            ElementTree.SubElement(case, "system-out").text = _details(each)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _details(each):
    lines = [f"state: {each['state']}", f"why: {each['why']}"]
    if each["limit"]:
        lines.append(f"limit: {_report.limit(each['limit'], each['unit'])}")
    if each["value"] is not None:
        error = "" if each["low"] is None or each["high"] is None else f" ({each['low']:g} to {each['high']:g})"
        lines.append(f"value: {each['value']:g}{error} {each['unit']}")
    lines += [f"{key}: {each[key]}" for key in ("series", "window") if each[key]]
    return _say("\n".join(lines))


def _say(value):
    return _UNSAYABLE.sub("\ufffd", "" if value is None else str(value))


def moment(epoch):
    """Epoch s as ISO 8601 in UTC, or empty where no calendar reaches."""
    try:
        return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return ""
