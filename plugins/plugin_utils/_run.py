# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugins share: the host's cloud model, the guard of the controller, the failed result."""

from __future__ import annotations

import contextlib

from ..module_utils._fault._errors import FaultlineError
from ._fill import CONTAINER_MODULE, handed_over

MODEL = ("faultline_services", "faultline_service_definitions", "faultline_containers", "faultline_container_definitions")

# modules whose action plugins do more than to fill in options
WITH_ACTION = {"faultline.openstack.os_netiface", "faultline.openstack.os_node_fault", "faultline.openstack.os_power"}

_IMPATIENT = "-o ControlMaster=no -o ControlPath=none -o ServerAliveInterval=2 -o ServerAliveCountMax=3"


def host_variables(action, task_vars):
    """The cloud model's variables of the task's host, templated where the user wrote templates."""
    return {name: action._templar.template(task_vars[name]) for name in MODEL if name in task_vars}


def guarded_host(action, task_vars):
    """Refuse a fault that would hit the controller: a forgotten `hosts: localhost` must not break the operator's own machine."""
    refuse_local(
        task_vars.get("inventory_hostname"), getattr(action._connection, "transport", ""),
        action._templar.template(task_vars.get("faultline_allow_local", False)))


def refuse_local(host, connection, allowed):
    """The same of a host by its variables. allowed: its faultline_allow_local."""
    if connection == "local" and not allowed:
        raise FaultlineError(
            "%s has the connection local: the fault would hit the controller itself." % host, code="guarded",
            hint="If that is meant, set the host variable faultline_allow_local to true.",
        )


def execute(action, module, args, task_vars):
    """The result of a module, with what its own action plugin does around it. Where a service turns out to run in a container, that of
    the module for containers."""
    if module in WITH_ACTION:
        return _by_its_action(action, module, args, task_vars)

    def run(name, options):
        # it adds to the options
        return action._execute_module(module_name=name, module_args=dict(options), task_vars=task_vars, wrap_async=action._task.async_val)

    result = run(module, args)
    failure = result.get("failure") or {}
    if failure.get("code") == "in_container":
        return run(CONTAINER_MODULE, handed_over(args, failure["details"]["container"]))
    return result


@contextlib.contextmanager
def impatient(connection):
    """While a host goes down and comes back: each command in an SSH connection of its own, which gives up soon. One that was made just
    before the host went would hang for good."""
    if connection.transport != "ssh":
        yield
        return
    usual = connection.get_option("ssh_args") or ""
    # ssh takes the first value of an option
    connection.set_option("ssh_args", "%s %s" % (_IMPATIENT, usual))
    try:
        yield
    finally:
        connection.set_option("ssh_args", usual)


def _by_its_action(action, module, args, task_vars):
    """The result of the action plugin of a module, for the task that another action runs."""
    task = action._task.copy()
    task.action, task.args = module, dict(args)
    plugin = action._shared_loader_obj.action_loader.get(
        module, task=task, connection=action._connection, play_context=action._play_context, loader=action._loader,
        templar=action._templar, shared_loader_obj=action._shared_loader_obj)
    return plugin.run(task_vars=task_vars)


def fail(exc):
    """The failed result of an action, in the shape of the modules'."""
    return {"failed": True, "changed": False, "msg": exc.text, "failure": exc.as_failure(), "residue": []}
