# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_service_fault: complete the options from the inventory and the catalogue, then run the module once."""

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ..plugin_utils._fill import fill_service, suggestion
from ..plugin_utils._run import fail, guarded_host, host_variables
from ..module_utils._fault._errors import FaultlineError


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        del tmp
        result = super().run(task_vars=task_vars)
        try:
            guarded_host(self, task_vars)
            model = host_variables(self, task_vars)
            args = fill_service(self._task.args, model)
        except FaultlineError as exc:
            return {**result, **fail(exc)}
        result.update(self._execute_module(
            module_name="faultline.openstack.os_service_fault", module_args=args, task_vars=task_vars,
            wrap_async=self._task.async_val,
        ))
        if result.get("failure", {}).get("code") == "not_found":
            result["msg"] = " ".join(filter(None, [result["msg"], suggestion(self._task.args["service"], model)]))
        return result
