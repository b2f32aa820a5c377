# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_node_fault: run the module once; where it takes the node down, wait for the next boot, which is the proof."""

from __future__ import annotations

import contextlib
import time

from ansible.errors import AnsibleError

from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils._action import FaultAction
from ..plugin_utils._run import impatient

_MODULE = "faultline.openstack.os_node_fault"

# what boots again, and the seconds that it may take
_BOOTS = ("reboot", "crash")
_RECOVERY = 300
# the node goes down two seconds after the module's answer; no command may hang in a connection then
_FIRST_LOOK = 3


class ActionModule(FaultAction):
    INJECTS = True

    def perform(self, result, task_vars):
        args = dict(self._task.args)
        # one that is left to the node comes when nobody waits for it
        boots = args.get("action") in _BOOTS and args.get("at") is None
        self.guard(_MODULE, args, task_vars)
        if boots and self._task.async_val:
            raise FaultlineError(
                "%s cannot be async: the connection that would be asked for the result goes down." % args["action"], code="async",
                hint="Leave async out; the task waits for the next boot. Nothing was touched.",
            )
        result.update(self._execute_module(
            module_name=_MODULE, module_args=args, task_vars=task_vars, wrap_async=self._task.async_val,
        ))
        if boots and result.get("changed") and not result.get("failed") and not self._task.check_mode:
            if args["action"] == "reboot" or int(args.get("panic_timeout", 10)) > 0:
                self._see_next_boot(result, float(args.get("recovery_timeout") or _RECOVERY))
        return result

    def failed(self, result, exc):
        return {**super().failed(result, exc), "changed": bool(result.get("injected_at"))}

    def _see_next_boot(self, result, timeout):
        """Wait until the node answers from another boot."""
        # what the connection shared with others dies with the node
        with contextlib.suppress(AnsibleError):
            self._connection.reset()
        with impatient(self._connection):
            self._await(result, timeout)

    def _await(self, result, timeout):
        before, started = result["proof"]["boot"], time.monotonic()
        pause, last = _FIRST_LOOK, "it has not gone down"
        while True:
            time.sleep(pause)
            pause = 1
            try:
                boot = self._boot()
                last = "it has not gone down"
            except AnsibleError as exc:
                boot, last = before, "it does not answer: %s" % str(exc).strip().splitlines()[-1]
            waited = time.monotonic() - started
            if boot != before:
                result["proof"]["boot_after"] = boot
                result["boot_time"] = round(waited, 3)
                result["msg"] = "%s: booted again, answers after %.1f s" % (result["fault"]["subject"], waited)
                return
            if waited > timeout:
                raise FaultlineError(
                    "%s of %s is not proven: after %d seconds %s." % (result["fault"]["action"], result["fault"]["subject"], waited, last),
                    code="not_recovered", hint="Look at its console, or reset it by os_power.",
                )

    def _boot(self):
        """The boot that the node is in, as _journal.boot() says it."""
        done = self._low_level_execute_command("cat /proc/sys/kernel/random/boot_id /proc/1/stat")
        lines = done.get("stdout", "").strip().splitlines()
        if done["rc"] != 0 or len(lines) < 2:
            raise AnsibleError("it cannot tell its boot: %s" % (done.get("stderr", "").strip() or "no answer"))
        return "%s/%s" % (lines[-2].strip(), lines[-1].rsplit(")", 1)[1].split()[19])
