# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action plugins share: the host's cloud model, the guard of the controller, the failed result."""

from __future__ import annotations

from ..module_utils._fault._errors import FaultlineError

_MODEL = ("faultline_services", "faultline_service_definitions")


def host_variables(action, task_vars):
    """The cloud model's variables of the task's host, templated where the user wrote templates."""
    return {name: action._templar.template(task_vars[name]) for name in _MODEL if name in task_vars}


def guarded_host(action, task_vars):
    """Refuse a fault that would hit the controller: a forgotten `hosts: localhost` must not break the operator's own machine."""
    connection = getattr(action._connection, "transport", "")
    if connection == "local" and not action._templar.template(task_vars.get("faultline_allow_local", False)):
        raise FaultlineError(
            "%s has the connection local: the fault would hit the controller itself." % task_vars.get("inventory_hostname"),
            code="guarded", hint="If that is meant, set the host variable faultline_allow_local to true.",
        )


def fail(exc):
    """The failed result of an action, in the shape of the modules'."""
    return {"failed": True, "changed": False, "msg": exc.text, "failure": exc.as_failure(), "residue": []}
