# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_command_fault: refuse the controller itself, then run the module once."""

from __future__ import annotations

from ..plugin_utils._action import FaultAction
from ..plugin_utils._run import execute

_MODULE = "faultline.openstack.os_command_fault"


class ActionModule(FaultAction):
    INJECTS = True

    def perform(self, result, task_vars):
        self.guard(_MODULE, self._task.args, task_vars)
        return {**result, **execute(self, _MODULE, self._task.args, task_vars)}
