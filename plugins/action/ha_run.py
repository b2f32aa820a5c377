# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_run: keep the books of a run: its phases, its T0, what the cloud was, what the hosts told, why and how it ended."""

from __future__ import annotations

import time

from ansible import context

from ..module_utils import _ha_arguments
from ..plugin_utils._action import FaultAction
from ..plugin_utils._ha import _injections, _left_alone, _schedule
from ..plugin_utils._ha._run_dir import RunDirectory

# seconds that arming takes at least, that it takes for each injection of a host, and in which a target gets ready before the moment
_ARMING, _EACH, _LEAD = 4, 1.5, 6


class ActionModule(FaultAction):
    _supports_check_mode = False
    _supports_async = False

    def perform(self, result, task_vars):
        args = self.validate_argument_spec(_ha_arguments.run(), required_together=[["cloud", "moment"]])[1]
        run, told = RunDirectory(args["run"]), {"changed": True, "msg": ""}
        head = run.head()
        if args["environment"]:
            run.update(environment={**head["environment"], **args["environment"]})
        if args["phase"]:
            run.enter(args["phase"])
        if args["cloud"] is not None:
            run.write(f"cloud.{args['moment']}.json", args["cloud"])
        if args["t0"]:
            told.update(self.t0(run, args["arm_time"]))
        if args["gather"]:
            told.update(self.gather(run))
        if args["abort"]:
            run.abort(args["abort"])
        if args["end"]:
            run.end()
        return {**result, **told}

    @staticmethod
    def t0(run, arm_time):
        """Fix the moment at which the schedule begins: late enough for all hosts to be armed before."""
        plan = run.read("plan.json")
        injections = _schedule.injections_of(plan)
        hosts = _schedule.hosts_of(plan)
        batches = -(-len(hosts) // max(1, int(context.CLIARGS.get("forks") or 5)))
        most = max((sum(1 for each in injections if each["host"] == host) for host in hosts), default=0)
        arming = arm_time if arm_time is not None else _ARMING + batches * (1 + most * _EACH)
        first = min((each["start"] for each in injections), default=0.0)
        t0 = time.time() + max(0.0, arming + _LEAD - first)
        run.write("plan.json", {**plan, "t0": round(t0, 3)})
        return {"t0": t0, "msg": f"The schedule begins in {t0 - time.time():.1f} seconds."}

    @staticmethod
    def gather(run):
        """Put together what the hosts have told: injections.json, and what is open on them."""
        plan, entries, opened, silent = run.read("plan.json"), [], [], []
        left = _left_alone.of(run.head())
        for injection in _schedule.injections_of(plan):
            host = injection["host"]
            told = run.read(f"hosts/{host}.told.json")
            mine = [entry for entry in (told or {}).get("injections", []) if entry["id"] == injection["id"]]
            armed = (run.read(f"hosts/{host}.armed.json") or {}).get("armed", {}).get(injection["id"])
            entries += mine or [_injections.told(injection, plan["t0"], armed, None, left.get(injection["id"]))]
            if told is None or not told["asked"]:
                silent.append(host)
        for host in _schedule.hosts_of(plan):
            opened += (run.read(f"hosts/{host}.told.json") or {}).get("open", [])
        run.write("injections.json", entries)
        states = ", ".join(f"{entry['id']} {entry['state']}" for entry in entries)
        errors = [{"what": f"the journal of {host}", "why": "the host did not answer"} for host in dict.fromkeys(silent)]
        residue = [f"{entry['host']}: {words}" for entry in entries for words in entry["residue"]]
        return {
            "injections": entries, "open_faults": opened, "residue": residue, "errors": errors,
            "msg": states or "Nothing was injected."}
