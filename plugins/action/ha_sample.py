# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_sample: start the monitors of a run that belong to this host, or to the controller; stop them, and bring their samples home."""

from __future__ import annotations

import base64
import os
import zlib

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._ha import _apis, _cloud
from ..module_utils import _ha_arguments
from ..plugin_utils._action import FaultAction
from ..plugin_utils._ha import _clocks, _scenario, _specs
from ..plugin_utils._ha._run_dir import RunDirectory

_MODULE = "faultline.openstack.ha_monitor"
_CLOUD = ("cloud", "auth", "region_name", "interface", "verify", "cacert")
# parts of a file that are fetched at most, of 4 MiB each
_PARTS = 1000


class ActionModule(FaultAction):
    _supports_check_mode = False
    _supports_async = False

    def perform(self, result, task_vars):
        args = self.validate_argument_spec(_ha_arguments.sample())[1]
        self.args, self.task_vars = args, task_vars
        self.run_dir = RunDirectory(args["run"])
        self.host = None if args["controller"] else task_vars["inventory_hostname"]
        scenario, plan = self.run_dir.head()["scenario"], self.run_dir.read("plan.json")
        wanted = _specs.names(scenario, plan, self.host)
        if not wanted:
            return {**result, "changed": False, "skipped": True, "skip_reason": "No monitor runs here."}
        if args["state"] == "started":
            return {**result, **self.start(scenario, plan)}
        return {**result, **self.stop(wanted)}

    def start(self, scenario, plan):
        clock = {"offset": 0.0, "error": 0.0} if self.host is None else _clocks.measure(self)
        needs_cloud = self.host is None and any(monitor["type"] == "openstack_api" for monitor in scenario["monitors"])
        known = _cloud.login({name: self.args[name] for name in _CLOUD}) if needs_cloud else {}
        hostvars = self.task_vars["hostvars"]
        told = {
            "endpoints": self.args["endpoints"], "servers": self.args["servers"], "credentials": known,
            "addresses": {host: str(self._templar.template(hostvars[host].get("ansible_host") or host)) for host in self.task_vars["groups"]["all"]},
            "fill_command": lambda command, host: _scenario.fill_command(command, host, {
                name: self._templar.template(hostvars[host].get(name)) for name in ("ansible_host", "ansible_user")}),
        }
        specs = _specs.specs(scenario, plan, self.host, told)
        series = 0
        for spec in specs:
            options = {
                "state": "started", "output": self.output(spec["name"]), "limit": self.args["limit"], "resume": self.args["resume"],
                "spec": {**spec, "clock_offset": clock["offset"], "clock_error": clock["error"]}}
            if spec["type"] == "openstack_api":
                options["auth"] = _apis.login(known)
            elif self.args["passwords"].get(spec["name"]):
                options["auth"] = {"password": self.args["passwords"][spec["name"]]}
            answer = self.call(options)
            series += answer["monitor"]["series"]
        return {"changed": True, "clock": clock, "msg": f"{len(specs)} monitors take samples of {series} series"}

    def output(self, name):
        """Where a monitor writes: into the run itself on the controller, aside on a host."""
        if self.host is None:
            return str(self.run_dir.path / "samples" / f"{name}.jsonl")
        return f"/var/tmp/faultline-{self.run_dir.path.name}/{name}.jsonl"

    def call(self, options):
        answer = self._execute_module(module_name=_MODULE, module_args=options, task_vars=self.task_vars)
        if answer.get("failed") or answer.get("unreachable"):
            failure = answer.get("failure") or {}
            raise FaultlineError(answer.get("msg") or "The host does not answer.", code=failure.get("code", "no_answer"), details=failure.get("details"))
        return answer

    def stop(self, names):
        size, problems = 0, []
        for name in names:
            try:
                self.call({"state": "stopped", "output": self.output(name)})
                if self.host is not None:
                    size += self.bring(name)
            except FaultlineError as exc:
                # what one monitor has lost must not cost the others
                problems.append(f"{name}: {exc.message}")
        told = {"changed": True, "msg": f"{len(names)} monitors stopped, {size} bytes of samples brought", "problems": problems}
        if problems:
            told["warnings"] = problems
        return told

    def bring(self, name):
        """Append what a host's monitor has written to a file of the run, part by part, and take it away there."""
        path, offset = self.run_dir.path / "samples" / f"{name}@{self.host}.jsonl", 0
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            for _part in range(_PARTS):
                part = self.call({"state": "status", "output": self.output(name), "fetch": True, "offset": offset})["samples"]
                stream.write(zlib.decompress(base64.b64decode(part["content"])))
                if part["offset"] in (offset, part["size"]):
                    break
                offset = part["offset"]
        self.call({"state": "absent", "output": self.output(name)})
        return path.stat().st_size
