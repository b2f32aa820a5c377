# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_cluster_info: read the account file and the environment of the controller, run the module once."""

from __future__ import annotations

from ..plugin_utils import _cluster
from ..plugin_utils._action import FaultAction
from ..plugin_utils._model import plain


class ActionModule(FaultAction):
    _supports_async = False

    def perform(self, result, task_vars):
        args = _cluster.login(plain(self._task.args))
        if args.get("origin") is None:
            args["origin"] = _cluster.origin(task_vars or {})
        result.update(self._execute_module(module_name="faultline.openstack.os_cluster_info", module_args=args, task_vars=task_vars))
        return result
