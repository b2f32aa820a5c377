# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_compare: two runs, or their reports, beside each other."""

from __future__ import annotations

import json
import os
import time

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._report_arguments import compare_arguments
from ..plugin_utils._action import FaultAction
from ..plugin_utils._ha import _compare, _report, _report_html, _run_files
from ..plugin_utils._ha._output import write


class ActionModule(FaultAction):
    _supports_async = False
    _requires_connection = False

    def perform(self, result, task_vars):
        return {**result, **compare(self.validate_argument_spec(compare_arguments())[1], self._task.check_mode)}


def compare(args, check_mode=False):
    """The result of the task, of its options."""
    reports = {which: read(args[which]) for which in ("before", "after")}
    try:
        compared = _compare.compare(reports["before"], reports["after"])
        table = _compare.table(compared, args["everything"])
        page = _report_html.render_comparison(compared) if args["html"] else None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as exc:
        raise FaultlineError(
            f"{args['before']} and {args['after']} cannot be compared: {type(exc).__name__}: {exc}.", "compare",
            "Make both reports again with ha_report.") from exc
    if page and not check_mode:
        write(args["html"], page)
    failed = {"failed": True} if args["fail"] and compared["state"] == "worse" else {}
    return {
        "changed": bool(page) and not check_mode, "msg": table[0], "state": compared["state"], "counts": compared["counts"], "notes": compared["notes"],
        "items": [item for item in compared["items"] if args["everything"] or item["state"] in ("worse", "better")], "table": table,
        "path": args["html"], **failed,
    }


def read(path):
    """The report of a run's directory, from its samples, or of a report.json. FaultlineError says what is wrong with it."""
    if os.path.isdir(path):
        if not os.path.exists(os.path.join(path, "run.json")) and os.path.exists(os.path.join(path, "report.json")):
            return read(os.path.join(path, "report.json"))
        try:
            return _report.build(_run_files.read(path), time.time())[0]
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as exc:
            raise FaultlineError(
                f"The run in {path} cannot be read: {type(exc).__name__}: {exc}.", "report", "Its files are not as ha_test writes them.") from exc
    try:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
    except OSError as exc:
        raise FaultlineError(f"{path} cannot be read: {exc.strerror}.", "no_report", "Give a run's directory or its report.json.") from exc
    except (ValueError, RecursionError) as exc:
        raise FaultlineError(f"{path} is not a report: it is not JSON.", "no_report", "Give a run's directory or its report.json.") from exc
    if not _report.is_report(report):
        raise FaultlineError(
            f"{path} is not a report of format {_report.FORMAT}.", "no_report", "Give a run's directory or its report.json; ha_report makes it again.")
    return report
