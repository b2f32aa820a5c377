# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_inject: leave a run's injections to this host before they are due, or ask its journal what became of them."""

from __future__ import annotations

import time

from ansible.errors import AnsibleError

from ..module_utils._fault._errors import FaultlineError
from ..module_utils import _ha_arguments
from ..plugin_utils import _in_debug
from ..plugin_utils._action import FaultAction
from ..plugin_utils._ha import _clocks, _injections, _left_alone, _schedule
from ..plugin_utils._ha._run_dir import RunDirectory
from ..plugin_utils._power import Controller
from ..plugin_utils._run import execute, guarded_host

_POWER = "faultline.openstack.os_power"
_INFO, _UNDO = "faultline.openstack.os_fault_info", "faultline.openstack.os_fault_undo"
# seconds that a fault lasts beyond the end of the run, if nobody heals then
_MARGIN = 60


class ActionModule(FaultAction):
    INJECTS = True
    _supports_check_mode = False
    _supports_async = False

    def perform(self, result, task_vars):
        args = self.validate_argument_spec(_ha_arguments.inject())[1]
        self.run_dir = RunDirectory(args["run"])
        self.me, self.task_vars = task_vars["inventory_hostname"], task_vars
        self.plan = self.run_dir.read("plan.json")
        if not self.plan:
            raise FaultlineError(f"The run {args['run']} has no plan.", code="no_plan", hint="ha_plan makes it.")
        mine = _schedule.injections_of(self.plan, self.me)
        if not mine:
            return {**result, "changed": False, "skipped": True, "skip_reason": "Nothing is injected here."}
        self.left = _left_alone.of(self.run_dir.head())
        return {**result, **{"armed": self.arm, "disarmed": self.disarm, "told": self.tell}[args["state"]](mine)}

    # ---- before

    def arm(self, injections):
        """Leave to the host what comes next: up to the first injection that ends its boot. What comes after that is for another time."""
        guarded_host(self, self.task_vars)
        if self.plan["t0"] is None:
            raise FaultlineError("The run has no T0 yet.", code="no_t0", hint="Nothing was touched.")
        before = self.run_dir.read(f"hosts/{self.me}.armed.json") or {"armed": {}}
        # a try that broke off in the middle of a wave has left a part of it to the host already
        missing = ([each for each in wave if each["id"] not in before["armed"] and each["id"] not in self.left] for wave in _schedule.waves(injections))
        wave = next(filter(None, missing), [])
        if not wave:
            return {"changed": False, "armed": {}, "msg": "Nothing is to be armed."}
        host_clock, here = _clocks.measure(self), {"offset": 0.0, "error": 0.0}
        armed = {}
        try:
            for injection in wave:
                # power is kept by the controller's clock
                clock = here if injection["module"] == _POWER else host_clock
                armed[injection["id"]] = self.arm_one(injection, clock)
        finally:
            self.run_dir.write(f"hosts/{self.me}.armed.json", {"host": self.me, "clock": host_clock, "armed": {**before["armed"], **armed}})
        failures = [f"{name}: {each['failure']}" for name, each in armed.items() if each["failure"]]
        if failures:
            raise FaultlineError(f"{failures[0]}", code="not_armed", hint="The run ends, and what was armed is disarmed.", details={"failures": failures})
        return {
            "changed": True, "armed": armed, "clock": host_clock,
            "msg": f"armed {len(armed)} injection{'s' if len(armed) != 1 else ''}; clock {host_clock['offset']:+.3f} s (± {host_clock['error']:.3f} s)"}

    def arm_one(self, injection, clock):
        margin = _MARGIN if injection["end"] == self.plan["length"] else 0
        options = _schedule.options(injection, self.plan["t0"], clock["offset"], margin)
        # who is in debug is for the whole run to say, which has just asked
        told = execute(self, injection["module"], options, {**self.task_vars, _in_debug.ALLOWED: True})
        failure = told.get("msg", "no answer") if told.get("failed") or told.get("unreachable") else None
        return {
            "fault_id": (told.get("fault") or {}).get("id"), "failure": failure, "targets": told.get("targets", []),
            "clock_offset": clock["offset"], "clock_error": clock["error"]}

    def disarm(self, injections):
        """Take back from the host what is to be left alone."""
        armed = (self.run_dir.read(f"hosts/{self.me}.armed.json") or {}).get("armed", {})
        undone = []
        for each in injections:
            fault = (armed.get(each["id"]) or {}).get("fault_id")
            if each["id"] in self.left and fault:
                told = self.on_its_journal(_UNDO, {"id": fault}, each["module"] == _POWER)
                undone += [each["id"]] if told is not None else []
        return {"changed": bool(undone), "msg": f"took back {', '.join(undone) or 'nothing'}"}

    # ---- afterwards

    def tell(self, injections):
        armed = (self.run_dir.read(f"hosts/{self.me}.armed.json") or {}).get("armed", {})
        info = {power: self.on_its_journal(_INFO, {}, power) for power in {each["module"] == _POWER for each in injections}}
        entries = [
            _injections.told(each, self.plan["t0"], armed.get(each["id"]), info[each["module"] == _POWER], self.left.get(each["id"])) for each in injections]
        open_faults = [
            {"host": self.me, "id": record["id"], "state": record["state"]}
            for told in info.values() for record in (told or {}).get("open", [])]
        told = {"at": time.time(), "injections": entries, "open": open_faults, "asked": None not in info.values()}
        self.run_dir.write(f"hosts/{self.me}.told.json", told)
        return {"changed": False, "injections": entries, "open": open_faults, "msg": ", ".join(f"{each['id']} {each['state']}" for each in entries)}

    def on_its_journal(self, module, options, power):
        """What a module says where the journal of power, or of this host's own faults, is; None where it cannot be asked."""
        try:
            if power:
                controller = Controller(self, self.task_vars)
                told = controller.run(module, options, controller.args().get("watcher"))
            else:
                told = self._execute_module(module_name=module, module_args=dict(options), task_vars=self.task_vars)
        except AnsibleError:
            return None
        return None if told.get("failed") or told.get("unreachable") else told
