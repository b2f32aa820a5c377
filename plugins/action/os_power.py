# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_power: complete the options from the inventory, run the module on the controller or the watcher, wait for the host."""

from __future__ import annotations

from ..plugin_utils._action import FaultAction
from ..plugin_utils._power import Power


class ActionModule(FaultAction):
    INJECTS = True
    _supports_async = False

    def perform(self, result, task_vars):
        return Power(self, task_vars).perform(result)
