# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_service_fault: complete the options from the inventory and the catalogue, then run the module once; where a container runs the
service, that of containers."""

from __future__ import annotations

from ..plugin_utils._action import FaultAction
from ..plugin_utils._fill import SERVICE_MODULE, fill, suggestion
from ..plugin_utils._run import execute, host_variables


class ActionModule(FaultAction):
    INJECTS = True

    def perform(self, result, task_vars):
        model = host_variables(self, task_vars)
        module, args = fill(SERVICE_MODULE, self._task.args, model)
        self.guard(module, args, task_vars)
        result.update(execute(self, module, args, task_vars))
        if result.get("failure", {}).get("code") == "not_found":
            result["msg"] = " ".join(filter(None, [result["msg"], suggestion(self._task.args["service"], model)]))
        return result
