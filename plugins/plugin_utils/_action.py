# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the action plugins of faults."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..module_utils._fault._errors import FaultlineError
from . import _ended, _in_debug, _names
from ._model import plain
from ._run import fail, guarded_host, host_variables


class FaultAction(ActionBase):
    """perform() does the task; a FaultlineError of it becomes a failed result, in the shape of the modules'."""

    _supports_check_mode = True
    _supports_async = True
    # whether the task may leave a fault on its host
    INJECTS = False

    def run(self, tmp=None, task_vars=None):
        del tmp
        result = super().run(task_vars=task_vars)
        host = task_vars["inventory_hostname"]
        try:
            return _ended.result(self.perform(result, task_vars), host, self.INJECTS)
        except FaultlineError as exc:
            return self.failed(result, exc)
        except AnsibleConnectionFailure as exc:
            hint = _ended.connection(exc.message, host) if self.INJECTS else ""
            if not hint:
                raise
            raise AnsibleConnectionFailure(f"{exc.message} {hint}") from None
        except AnsibleActionFail as exc:
            hint = _ended.option(exc.message)
            if not hint:
                raise
            return _ended.result({**result, "failed": True, "changed": False, "msg": exc.message}, host, self.INJECTS)

    def perform(self, result, task_vars):
        """The result of the task, begun as `result`."""
        raise NotImplementedError

    def guard(self, module, args, task_vars):
        """Refuse a fault of the task's host that would hit the controller itself, or what is in debug. args: filled in."""
        guarded_host(self, task_vars)
        _in_debug.refuse(self, module, args, task_vars)

    def failed(self, result, exc):
        """The result of a task that has raised."""
        return {**result, **fail(exc)}


class ByAnyName(FaultAction):
    """Runs a module that finds faults by the service that they are on."""

    MODULE = ""

    def perform(self, result, task_vars):
        args, model = plain(self._task.args), host_variables(self, task_vars)
        said = args.get("service")
        if said:
            said = said if isinstance(said, list) else [each.strip() for each in str(said).split(",")]
            args["service"] = list(dict.fromkeys(name for word in said for name in _names.called(word, model)))
        return {**result, **self._execute_module(
            module_name=self.MODULE, module_args=args, task_vars=task_vars, wrap_async=self._task.async_val)}
