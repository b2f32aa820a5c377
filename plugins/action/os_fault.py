# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_fault: parse the sentence, plan it, and on a chosen host call the one module that does it.

Every host of the task runs this on its own and comes to the same choice, so any strategy and any `serial` will do.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._sentence_arguments import sentence_arguments
from ..plugin_utils import _in_debug, _plan, _sentence, _step
from ..plugin_utils._action import FaultAction
from ..plugin_utils._fill import CONTAINER_MODULE, fill
from ..plugin_utils._run import execute, host_variables

# Drawn where every strategy loads this file: in the main process, before it forks. So all hosts of a run share it.
_RUN = secrets.token_hex(16)
_sentence.warm_up()  # once, for all of them

_PASSED_ON = ("wait", "wait_timeout", "recovery_timeout", "signal", "processes")
# what has no meaning for a module: nothing of a network has to come back by itself, and a container has no unit
_NOT_FOR = {"faultline.openstack.os_netiface": ("recovery_timeout", "signal", "processes"), CONTAINER_MODULE: ("processes",)}


def _whole(sentence, others):
    """Refuse the first word of a sentence of which Ansible's command line has taken the other words for something else."""
    if isinstance(sentence, str) and others and len(sentence.split()) == 1:
        raise FaultlineError(
            f"Of the sentence only '{sentence}' has arrived: -e \"fault=...\" ends at the first blank, and '{others}' came after it.", "cut_sentence",
            f"Write -e '{{\"fault\": \"{sentence} {others}\"}}'.",
        )


def _undo_of_all(steps):
    """What puts the steps back ({host: step}), in words; of which hosts, where it is not the same for all."""
    hosts = {}
    for host, step in steps.items():
        hosts.setdefault(step["undo"], []).append(host)
    return "; ".join(undo if len(hosts) == 1 else f"{undo} (on {', '.join(of)})" for undo, of in hosts.items())


class ActionModule(FaultAction):
    INJECTS = True

    def perform(self, result, task_vars):
        args = self.validate_argument_spec(sentence_arguments())[1]
        result["sentence"] = args["do"]
        _whole(args["do"], task_vars.get("_raw_params"))
        return {**result, **(self.plan(args, task_vars) if args["plan_only"] else self.inject(args, task_vars))}

    def inject(self, args, task_vars):
        """This host's part of the sentence."""
        me, check = task_vars["inventory_hostname"], self._task.check_mode
        plan = args["plan"] or self.plan_of(args["do"], self.seed(args), args, task_vars, only=me)
        _plan.expect(plan, args["do"], me, task_vars["ansible_play_hosts_all"])
        # the plan of a file may be older than these
        told = {
            **{name: plan[name] for name in ("intent", "seed", "chosen")}, "left_alone": plan.get("left_alone") or [], "left_out": _plan.left_out(plan)}
        if me not in plan["chosen"]:
            lost = [host for host in plan["chosen"] if host not in task_vars["ansible_play_hosts"]]
            warning = {"warnings": [f"{', '.join(lost)} should be hit, but left the play before."]} if lost else {}
            return {**told, **warning, "changed": False, "skipped": True, "skip_reason": f"The sentence means {', '.join(plan['chosen'])}."}
        if self._task.delegate_to:
            raise FaultlineError(f"delegate_to would hit {self._task.delegate_to}, not {me}.", "delegated", "Leave out delegate_to.")
        module = plan["hosts"][me]["module"]
        said = {name: args[name] for name in _PASSED_ON if args[name] is not None and name not in _NOT_FOR.get(module, ())}
        told["steps"] = [{"module": module, "args": {**plan["hosts"][me]["args"], **said}}]
        # a plan may be old
        self.guard(module, told["steps"][0]["args"], task_vars)
        left = "".join(f"; {words}" for words in [*map(_plan.spared_words, told["left_alone"]), *_plan.left_out_words(told["left_out"])])
        if check:
            word = plan["hosts"][me].get("undo") or plan["undo"]
            undo = {"state": "planned", "steps": [word]}
            steps = f"{module.rpartition('.')[2]} {' '.join(f'{name}={value}' for name, value in sorted(told['steps'][0]['args'].items()))}"
            told["diff"] = {"before": f"{me}: untouched\n", "after": f"{me}: {args['do']}\n{me}: {steps}\n{me}: undo: {word}\n"}
            return {**told, "changed": True, "msg": f"Would {args['do']}, here on {me}; undo: {word}{left}.", "undo": undo}
        done = execute(self, module, told["steps"][0]["args"], task_vars)
        return {**done, **told, **({"msg": done["msg"] + left} if left and not done.get("failed") and done.get("msg") else {})}

    def plan(self, args, task_vars):
        """All sentences for all hosts, on the controller: nothing is connected to."""
        base, plans, unmapped = self.seed(args), [], set()
        sentences = args["do"] if isinstance(args["do"], list) else [args["do"]]
        if not sentences:
            raise FaultlineError("There is no sentence.", "no_sentence", "Give at least one.")
        for number, sentence in enumerate(sentences, start=1):
            try:
                plans.append(self.plan_of(sentence, base if number == 1 else f"{base}/{number}", args, task_vars))
            except _plan.PlanError as exc:
                if exc.code != "unmapped" or args["skip_unmapped"]:
                    raise
                unmapped.update(exc.details["hosts"])
        if unmapped:
            plans = []
        elif args["plan_file"]:
            self.write(args["plan_file"], plans)
        words = [line for plan in plans for line in _plan.describe(plan, detailed=self._task.check_mode)]
        return {"changed": False, "seed": base, "plans": plans, "unmapped": sorted(unmapped), "words": words}

    def plan_of(self, sentence, seed, args, task_vars, only=None):
        """The plan of one sentence as a dictionary, with the step of each chosen host, or of one host only."""
        cloud = _plan.Cloud(task_vars["groups"], task_vars["hostvars"])
        among = task_vars["ansible_play_hosts_all"] if args["among"] is None else args["among"]
        # all hosts of a run that choose for themselves come to the same choice
        asked = _in_debug.by_variable(cloud, self._task._uuid, seed)
        plan = _in_debug.planned(_sentence.parse(sentence), cloud, among, seed, asked, skip_unmapped=args["skip_unmapped"])
        steps = {}
        for host in plan.targets if only is None else {only}.intersection(plan.targets):
            known = host_variables(self, task_vars) if host == only else cloud.definitions(host)
            # one host may run a service as a unit, another as a container
            module, filled = fill(plan.module, plan.args_of(host), known)
            try:
                _step.refuse(module, filled, plan.intent.duration is not None)
            except FaultlineError as exc:
                raise _plan.error_of(plan.intent, f"{host}: {exc.message}", plan.intent.action, exc.code, hint=exc.hint) from None
            steps[host] = {
                "module": module, "args": filled, "undo": _step.undo(module, filled, plan.undo), "foretold": _step.foretold(host, module, filled)}
        told = plan.as_dict()
        return {**told, "undo": _undo_of_all(steps) or told["undo"], "hosts": steps}

    def seed(self, args):
        """The given seed, or one that is the same for all hosts of this task and new in each run."""
        if args["seed"] is not None:
            return args["seed"]
        return hashlib.sha256(f"{_RUN}\0{self._task.get_path()}\0{args['do']}".encode()).hexdigest()[:12]

    @staticmethod
    def write(path, plans):
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump({"version": 1, "plans": plans}, file, indent=2)
                file.write("\n")
        except OSError as exc:
            raise FaultlineError(f"The plan cannot be written to {path}: {exc.strerror}.", "plan_file", "Nothing was done.") from exc
