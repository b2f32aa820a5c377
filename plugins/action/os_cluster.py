# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_cluster: read the files and the environment of the controller, run the module once, write the state file."""

from __future__ import annotations

from ..module_utils._cluster import _state
from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils import _cluster
from ..plugin_utils._action import FaultAction
from ..plugin_utils._model import plain


class ActionModule(FaultAction):
    _supports_async = False

    def perform(self, result, task_vars):
        args = _cluster.login(plain(self._task.args))
        path = args.pop("state_file", None)
        if path and args.get("state") == "absent" and not any(args.get(name) for name in ("session", "all", "older_than")):
            args["session"] = _state.session(path)
        if args.get("origin") is None:
            args["origin"] = _cluster.origin(task_vars or {})
        if args.get("older_than") is not None:
            args["older_than"] = _cluster.age(args["older_than"])
        if args.get("state", "present") == "present":
            self._what_is_wanted(args)
        result.update(self._execute_module(module_name="faultline.openstack.os_cluster", module_args=args, task_vars=task_vars))
        if path and not self._task.check_mode:
            self._write(path, result)
        return result

    def _what_is_wanted(self, args):
        """Put what the files say in place of their names."""
        if args.get("steering") is None:
            raise FaultlineError("There is no steering.", code="bad_option", hint="Name the steering file that says which VMs are wanted.")
        args["steering"], taken = _cluster.without_user_data(_cluster.steering(args["steering"]))
        args["user_data"] = {**taken, **(args.get("user_data") or {})}
        # none at all is asked for by an empty text
        if args.get("public_key") != "":
            args["public_key"] = _cluster.key(args.get("public_key"))

    def _write(self, path, result):
        """The state file says what there is, after a failure too."""
        details = (result.get("failure") or {}).get("details") or {}
        instances, before = details.get("instances") if result.get("failed") else result.get("instances"), _state.read(path)
        if instances is not None:
            _state.write(path, _state.state(instances, before=before))
        elif before and not result.get("failed") and {entry["WE_SESSION"] for entry in before.values()} <= set(result.get("sessions") or ()):
            _state.write(path, {})
