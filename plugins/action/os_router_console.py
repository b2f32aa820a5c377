# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_router_console: the console of routers, on the terminal that Ansible was started on."""

from __future__ import annotations

from ..module_utils import _router_console_arguments
from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils import _router_screen, _terminal
from ..plugin_utils._action import FaultAction
from ..plugin_utils._model import plain


class ActionModule(FaultAction):
    _supports_check_mode = False
    _supports_async = False

    def perform(self, result, task_vars):
        args = plain(self.validate_argument_spec(_router_console_arguments.console())[1])
        _router_screen.require()
        project, every = args.pop("project"), args.pop("every")
        status = _terminal.run_program(
            "_router_console", args, ["--every", str(every), *(["--project", project] if project else [])],
            "Start ansible-playbook on a terminal. The playbook router_browse prints the table.")
        if status:
            raise FaultlineError(f"The console has ended with {status}; what it says is above.", code="console_failed")
        return {**result, "changed": False, "msg": "the console was left"}
