# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power from the controller: the options from the inventory, the module here or on a watcher, the host's own boots as a proof."""

from __future__ import annotations

import calendar
import contextlib
import sys
import time

from ansible.errors import AnsibleError
from ansible.plugins.loader import connection_loader

from ..module_utils._fault._errors import FaultlineError
from . import _in_debug
from ._model import plain
from ._run import guarded_host

# variables of a host that say which machine it is
IDENTITY = ("libvirt_name", "mac", "fqdn")
# actions that a host which is the controller itself is protected from
HARMFUL = ("poweroff", "shutdown", "reset", "reboot", "revert")
_MODULE = "faultline.openstack.os_power"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def fill_power(args, name, variables):
    """The options of os_power, completed. What the user says stays."""
    args = dict(args)
    given = any(args.get(key) for key in IDENTITY)
    args.setdefault("node", name)
    for key in IDENTITY if not given else ():
        if variables.get(key):
            args[key] = str(variables[key])
    if not args.get("power"):
        args["power"] = variables.get("faultline_power") or []
    if not args.get("watcher") and variables.get("faultline_power_watcher"):
        args["watcher"] = variables["faultline_power_watcher"]
    if not isinstance(args["power"], list):
        raise FaultlineError("faultline_power is not a list of power drivers.", code="bad_option", hint="As [{driver: libvirt, args: {...}}].")
    return args


def moment(text):
    """Seconds since the epoch of a time in a result."""
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float("0" + text[19:-1])


class Controller:
    """Runs a module of power for the host of an action's task."""

    def __init__(self, action, task_vars):
        self.action, self.task_vars = action, task_vars
        self.name = task_vars["inventory_hostname"]
        if action._task.delegate_to:
            raise FaultlineError(
                "delegate_to would make %s the subject." % action._task.delegate_to, code="delegated",
                hint="Leave out delegate_to: power is done from the controller by itself, or from the host that watcher names.",
            )

    def args(self):
        wanted = (*IDENTITY, "faultline_power", "faultline_power_watcher")
        variables = {name: self.template(self.task_vars[name]) for name in wanted if name in self.task_vars}
        return fill_power(plain(self.action._task.args), self.name, variables)

    def template(self, value):
        return plain(self.action._templar.template(value))

    def run(self, module, args, watcher=None):
        """Run it here, as whoever runs Ansible, or on the watcher as who logs in there; never with become."""
        action, subject = self.action, self.action._connection
        watcher = watcher or args.get("watcher")
        action._connection, variables = self._watcher(watcher) if watcher else self._here()
        try:
            return action._execute_module(module_name=module, module_args=dict(args), task_vars=variables)
        finally:
            action._connection.close()
            action._connection = subject

    def _here(self):
        connection = connection_loader.get("ansible.builtin.local", self.action._play_context)
        # its options are on no disk then
        connection.set_options(var_options={"ansible_pipelining": True})
        return connection, {**self.task_vars, "ansible_connection": "local", "ansible_python_interpreter": sys.executable}

    def _watcher(self, name):
        hostvars = self.task_vars["hostvars"]
        if name not in hostvars:
            raise FaultlineError("The watcher %s is not in the inventory." % name, code="unknown_node", hint="Nothing was touched.")
        # what the task's own host says of itself is not the watcher's
        variables = dict(hostvars[name])
        kind = str(variables.get("ansible_connection") or "ssh")
        connection = connection_loader.get(kind, self.action._play_context)
        connection.set_options(var_options=variables)
        return connection, variables

    def boot_id(self):
        """The kernel's name of the host's boot, or '' when the host does not answer."""
        with contextlib.suppress(AnsibleError, NotImplementedError):
            # the one that there is may lead to a machine that is gone
            self.action._connection.reset()
        try:
            told = self.action._low_level_execute_command("cat " + _BOOT_ID, sudoable=False)
        except AnsibleError:
            return ""
        return told["stdout"].strip() if told.get("rc") == 0 else ""


class Power(Controller):
    """os_power for one host."""

    def perform(self, result):
        args = self.args()
        harmful, check = args.get("action") in HARMFUL, self.action._task.check_mode
        later = args.get("at") is not None
        before = ""
        if harmful:
            guarded_host(self.action, self.task_vars)
            _in_debug.refuse(self.action, _MODULE, args, self.task_vars)
            self._impatient(30)
            before = self.boot_id()
            self._guard(before)
        if not check:
            time.sleep(self._turn(args))
        told = self.run(_MODULE, args)
        if harmful and not check and not later:
            # no later task is to hang on the connection of before
            with contextlib.suppress(AnsibleError, NotImplementedError):
                self.action._connection.reset()
        result.update(told)
        if told.get("changed") and args.get("duration") and not args.get("watcher") and "awx_job_id" in self.task_vars:
            told.setdefault("warnings", []).append(
                "What switches %s on again ends with this job's execution environment. Name a host that stays: faultline_power_watcher." % self.name)
        if not told.get("failed") and told.get("changed") and not check and not later:
            self._booted(args, before, result)
        return result

    def _guard(self, boot_id):
        with open(_BOOT_ID, encoding="ascii") as stream:
            here = stream.read().strip()
        if boot_id == here and not self.template(self.task_vars.get("faultline_allow_local", False)):
            raise FaultlineError(
                "%s is the machine that the controller runs on." % self.name, code="guarded",
                hint="Nothing was touched. If that is meant, set the host variable faultline_allow_local to true.",
            )

    def _turn(self, args):
        """Seconds until it is this host's turn."""
        hosts = self.task_vars.get("ansible_play_batch") or [self.name]
        return float(args.get("stagger") or 0) * (hosts.index(self.name) if self.name in hosts else 0)

    def _booted(self, args, before, result):
        """Wait for the host to answer where that is wanted, or where nothing else proves its restart."""
        action, wait = args["action"], _true(args.get("wait"))
        restart = action in ("reset", "reboot")
        unseen = restart and not result["proof"].get("restart_seen_by")
        off = action in ("poweroff", "shutdown")
        if not unseen and (not wait or action == "snapshot" or (off and args.get("duration") is None)):
            return
        if unseen and not before:
            self._fail(result, "unproven", (
                "%s of %s is not proven: %s has nothing that shows a restart, and the host did not answer before." % (
                    action, self.name, result["targets"][0]["machine"])),
                "It may have been restarted. Only a host that Ansible reaches can prove it here.")
            return
        limit = float(args.get("recovery_timeout") or 300)
        since = moment((result["undo"].get("undone_at") if off else None) or result["injecting_at"])
        end, now = time.monotonic() + limit, ""
        self._impatient(3)
        while time.monotonic() < end:
            now = self.boot_id()
            # a snapshot takes the boot along, and only a restart must be another one
            if now and (now != before or action == "revert"):
                break
            time.sleep(0.5)
        if now and (now != before or action == "revert"):
            result["boot"] = {"seconds": round(time.time() - since, 2), "boot_id": now}
            if unseen:
                result["proof"]["restart_seen_by"] = "the host's new boot %s" % now
            result["msg"] += "; answers after %.1f s" % result["boot"]["seconds"]
        elif now:
            self._fail(result, "unproven", "%s of %s is not proven: after %g seconds it still runs the boot of before." % (
                action, self.name, limit), "The command was taken, and nothing came of it: look at the machine.")
        else:
            self._fail(result, "not_recovered", "%s was hit by %s and does not answer after %g seconds." % (
                self.name, action, limit), "Its machine is on. Look at its console, or give recovery_timeout more seconds.")

    def _impatient(self, seconds):
        """A host that is off need not be waited for; while one boots, what is sent to it is lost: try often rather than long."""
        with contextlib.suppress(AnsibleError, KeyError):
            self.action._connection.set_option("timeout", seconds)

    @staticmethod
    def _fail(result, code, message, hint):
        result.update(failed=True, msg="%s %s" % (message, hint), failure={"code": code, "hint": hint, "details": {}})


def _true(value):
    return str(value).lower() in ("true", "yes", "on", "1")
