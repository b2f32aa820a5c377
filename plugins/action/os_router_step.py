# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_router_step: the machine of a router, step by step, on the terminal that Ansible was started on."""

from __future__ import annotations

import os

from ..module_utils import _router_step_arguments
from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils import _terminal
from ..plugin_utils._action import FaultAction
from ..plugin_utils._model import plain


class ActionModule(FaultAction):
    _supports_check_mode = False
    _supports_async = False

    def perform(self, result, task_vars):
        args = plain(self.validate_argument_spec(_router_step_arguments.step())[1])
        options = []
        for name in ("router", "event", "record", "state_dir", "timeout"):
            value = args.pop(name)
            if value is not None:
                # one word, as a name may begin with a dash; the program runs in another directory than the user
                options.append(f"--{name.replace('_', '-')}={os.path.abspath(value) if name in ('record', 'state_dir') else value}")
        if args.pop("force"):
            options.append("--force")
        status = _terminal.run_program("_router_step", args, options, "Start ansible-playbook on a terminal.")
        if status:
            raise FaultlineError(f"The walk has ended with {status}; what it says is above.", code="walk_failed")
        return {**result, "changed": True, "msg": "the walk is over"}
