# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_plan: read and check a scenario, choose the hosts, make the schedule, and the directory of the run."""

from __future__ import annotations

import os
import secrets
import time

from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils import _in_debug, _plan, _sentence, _step
from ..module_utils import _ha_arguments
from ..plugin_utils._action import FaultAction
from ..plugin_utils._fill import fill
from ..plugin_utils._ha import _again, _guard, _left_alone, _scenario, _schedule, _specs
from ..plugin_utils._ha._run_dir import RunDirectory
from ..plugin_utils._run import refuse_local

_COMMAND = "faultline.openstack.os_command_fault"
# hours that a run may last beyond its schedule before its guard gives up
_GUARDED = 6


class ActionModule(FaultAction):
    _supports_async = False

    def perform(self, result, task_vars):
        args = self.validate_argument_spec(_ha_arguments.plan())[1]
        cloud = _plan.Cloud(task_vars["groups"], task_vars["hostvars"])
        if args["scenario"] in ("", {}):
            raise FaultlineError(
                "No scenario was given: say what is to be certified as the variable ha_test_scenario.", code="no_scenario",
                hint="As in -e ha_test_scenario=scenario.yml; docs/ha-scenario.md says what is in one.")
        loaded = _scenario.load(args["scenario"], cloud, folder=os.getcwd(), override=args["override"])
        scenario = loaded.scenario
        if args["cloud"]:
            scenario["cloud"] = args["cloud"]
        seed = args["seed"] or scenario["seed"] or secrets.token_hex(6)
        told = {"scenario": scenario, "seed": seed, "warnings": loaded.warnings, "changed": False}
        if loaded.secrets:
            # those who have to log in get them from the registered result, and nobody else
            told["_ansible_no_log"] = True
        if loaded.inventory is not None and not set(loaded.inventory["all"]["hosts"]) <= set(task_vars["groups"]["all"]):
            # the file brings hosts of its own, which have to be made known first
            return {**result, **told, "unknown_hosts": loaded.inventory["all"]["hosts"], "unmapped": [], "credentials": loaded.credentials}
        # only what is going to be done asks the cloud
        login = _left_alone.options(args, loaded.credentials, scenario["cloud"]) if args["dir"] else None
        self.asked, self.left_alone, self.left_out = _left_alone.asker(login, scenario["health"]["timeout"]), [], []
        steps, unmapped = self.steps(scenario, cloud, task_vars, seed, args["skip_unmapped"])
        told.update(unknown_hosts={}, unmapped=unmapped, credentials=loaded.credentials, private=loaded.private)
        if unmapped:
            return {**result, **told}
        plan = _schedule.schedule(scenario, steps, seed)
        left = [*map(_plan.spared_words, self.left_alone), *self.left_out]
        told.update(plan=plan, targets=_schedule.hosts_of(plan), words=[*words(scenario, plan), *(f"  {each}" for each in left)])
        for host in told["targets"]:
            refuse_local(host, cloud.var(host, "ansible_connection"), cloud.var(host, "faultline_allow_local"))
        told["play_hosts"] = list(dict.fromkeys([*told["targets"], *_specs.hosts(scenario, plan)]))
        if args["dir"] and not self._task.check_mode:
            told.update(self.begin(args["dir"], scenario, plan, seed, loaded.path if loaded.inventory else None), changed=True)
        return {**result, **told}

    def steps(self, scenario, cloud, task_vars, seed, skip_unmapped):
        """For each disruption what is done on which host; and the hosts that nobody has looked at."""
        steps, unmapped = [], set()
        for number, disruption in enumerate(scenario["disruptions"], start=1):
            try:
                steps.append(getattr(self, "_by_" + next(way for way in ("do", "module", "command") if disruption[way] is not None))(
                    disruption, cloud, task_vars, f"{seed}/{number}", skip_unmapped))
            except _plan.PlanError as exc:
                if exc.code != "unmapped" or skip_unmapped:
                    code = exc.code if exc.code == "in_debug" else "bad_scenario"
                    raise FaultlineError(f"disruptions[{number - 1}].do: {exc.text}", code=code, hint="Nothing was touched.") from exc
                unmapped.update(exc.details["hosts"])
        return steps, sorted(unmapped)

    def _by_do(self, told, cloud, task_vars, seed, skip_unmapped):
        intent = _sentence.parse(told["do"])
        # in a play on all:localhost one that the inventory does not have only stands for the controller
        among = [host for host in task_vars["ansible_play_hosts_all"] if host in task_vars["groups"]["all"]]
        plan = _in_debug.planned(intent, cloud, among, seed, self.asked, skip_unmapped=skip_unmapped)
        disruption = f"d{seed.rpartition('/')[2]}"
        self.left_alone += [{"disruption": disruption, "injection": None, **each} for each in plan.left_alone]
        self.left_out += [f"{disruption} {words}" for words in _plan.left_out_words(_plan.left_out(plan.as_dict()))]
        hosts = {}
        for host in plan.targets:
            module, filled = fill(plan.module, plan.args_of(host), cloud.definitions(host))
            # a schedule undoes whatever has an undo
            refused(host, module, filled, intent.action in _sentence.UNDO_OF)
            hosts[host] = {"module": module, "args": without_times(filled)}
        return {"hosts": hosts, "undo": intent.action in _sentence.UNDO_OF}

    def _by_module(self, disruption, cloud, _task_vars, _seed, _skip_unmapped):
        hosts = {}
        for host in disruption["hosts"]:
            module, filled = fill(disruption["module"], disruption["args"], cloud.definitions(host))
            refused(host, module, filled, disruption["args"].get("action") not in _scenario.NO_UNDO)
            hosts[host] = {"module": module, "args": without_times(filled)}
        self.insist(cloud, hosts)
        return {"hosts": hosts, "undo": disruption["args"].get("action") not in _scenario.NO_UNDO}

    def _by_command(self, disruption, cloud, _task_vars, _seed, _skip_unmapped):
        hosts = {}
        for host in disruption["hosts"]:
            variables = {name: cloud.var(host, name) for name in ("ansible_host", "ansible_user")}
            args = {"name": disruption["name"], **{
                way: _scenario.fill_command(disruption["command"][way], host, variables) for way in ("down", "up") if disruption["command"][way]}}
            if disruption["command"]["reboots"]:
                args["reboots"] = True
            for check in ("down_check", "up_check"):
                if disruption[check] and disruption[check].get("on") == "host":
                    args[check] = _scenario.fill_command(disruption[check]["command"], host, variables)
                    args["timeout"] = max(args.get("timeout", 0), disruption[check]["timeout"])
            hosts[host] = {"module": _COMMAND, "args": args}
        self.insist(cloud, hosts)
        return {"hosts": hosts, "undo": bool(disruption["command"]["up"])}

    def insist(self, cloud, hosts):
        _left_alone.insist(cloud, {host: (step["module"], step["args"]) for host, step in hosts.items()}, self.asked)

    def begin(self, folder, scenario, plan, seed, source):
        """Make the directory of the run, and have it guarded. source: the file that the hosts are known from, if no inventory is."""
        run_id = time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + scenario["name"]
        run = RunDirectory.create(
            folder, run_id, name=scenario["name"], seed=seed, scenario=scenario, source=source, environment={}, left_alone=self.left_alone,
            left_out=self.left_out)
        run.write("plan.json", plan)
        playbook = os.getppid()
        until = time.time() + plan["length"] + scenario["baseline"] + _GUARDED * 3600
        _guard.start(
            run.path, playbook, _guard.started(playbook),
            _again.argv("faultline.openstack.ha_look", ["--extra-vars", f"ha_look_run={run.path}", "--extra-vars", "ha_look_heal=true"]),
            _again.environment(), until)
        return {"run": str(run.path)}


def refused(host, module, args, lasts):
    """FaultlineError for a step that its module would refuse in the middle of the run."""
    try:
        _step.refuse(module, args, lasts)
    except FaultlineError as exc:
        raise FaultlineError(f"{host}: {exc.message}", code="bad_scenario", hint=exc.hint) from None


def without_times(args):
    """The options of a step but for those that the schedule gives."""
    return {name: value for name, value in args.items() if name not in ("duration", "at", "wait", "wait_timeout")}


def words(scenario, plan):
    """Lines for a person: what comes when."""
    yield f"{scenario['name']}: {plan['length']:g} seconds of disruptions, seed {plan['seed']}"
    for disruption in plan["disruptions"]:
        yield f"  {disruption['id']} {disruption['name']}"
        for injection in disruption["injections"]:
            end = "no undo" if injection["end"] is None else f"undone at +{injection['end']:g} s"
            yield f"    +{injection['start']:g} s {injection['host']}, round {injection['round']}, {end}"
