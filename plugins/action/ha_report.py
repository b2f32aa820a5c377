# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_report: read a run from its directory on the controller, judge it, and write the outputs beside it."""

from __future__ import annotations

import json
import time

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._report_arguments import report_arguments
from ..plugin_utils._action import FaultAction
from ..plugin_utils._ha import _junit, _prometheus, _report, _report_html, _run_files
from ..plugin_utils._ha._output import write

FILES = {"json": "report.json", "html": "report.html", "junit": "junit.xml", "prometheus": "faultline_ha.prom"}


class ActionModule(FaultAction):
    _supports_async = False
    _requires_connection = False

    def perform(self, result, task_vars):
        args = self.validate_argument_spec(report_arguments())[1]
        return {**result, **report(args["run"], args["formats"], args["fail"], self._task.check_mode)}


def report(path, formats, fail=False, check_mode=False):
    """The result of the task. path: a run's directory; formats: keys of FILES."""
    run = _run_files.read(path)
    try:
        told, tracks = _report.build(run, time.time())
        makers = {
            "json": lambda: json.dumps(told, indent=1, allow_nan=False) + "\n",
            "html": lambda: _report_html.render(told, tracks),
            "junit": lambda: _junit.render(told),
            "prometheus": lambda: _prometheus.render(told),
        }
        contents = {name: makers[name]() for name in formats}
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as exc:
        # a file that nobody foresaw must not cost the user the reason
        raise FaultlineError(
            f"The report of {path} cannot be made: {type(exc).__name__}: {exc}.", "report",
            "Its files are not as ha_test writes them. What they hold is still there; please report this with the directory.") from exc
    paths = {name: f"{run.path}/{FILES[name]}" for name in formats}
    if not check_mode:
        for name, where in paths.items():
            write(where, contents[name])
    verdict = told["verdict"]
    failed = {"failed": True} if fail and verdict["exit_status"] else {}
    return {
        "changed": bool(paths) and not check_mode, "msg": told["summary"][0], "verdict": verdict["state"], "passed": verdict["exit_status"] == 0,
        "exit_status": verdict["exit_status"], "criteria": told["criteria"], "summary": told["summary"], "problems": told["problems"], "paths": paths, **failed,
    }
