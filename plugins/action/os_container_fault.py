# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_container_fault: complete the options from the inventory, then run the module once."""

from __future__ import annotations

from ..plugin_utils._action import FaultAction
from ..plugin_utils._fill import CONTAINER_MODULE, fill
from ..plugin_utils._run import execute, host_variables


class ActionModule(FaultAction):
    INJECTS = True

    def perform(self, result, task_vars):
        module, args = fill(CONTAINER_MODULE, self._task.args, host_variables(self, task_vars))
        self.guard(module, args, task_vars)
        return {**result, **execute(self, module, args, task_vars)}
