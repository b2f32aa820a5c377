# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_cluster_info: read the account file and the environment of the controller, run the module once, write the state file."""

from __future__ import annotations

from ..module_utils._cluster import _state
from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils import _cluster
from ..plugin_utils._action import FaultAction
from ..plugin_utils._model import plain

_WHAT = ["instances", "sessions"]


class ActionModule(FaultAction):
    _supports_async = False

    def perform(self, result, task_vars):
        args = _cluster.login(plain(self._task.args))
        path = args.pop("state_file", None)
        # one that is another thing is refused before the cloud is asked
        before = _state.read(path) if path else {}
        if args.get("origin") is None:
            args["origin"] = _cluster.origin(task_vars or {})
        asked = {**args, "what": _WHAT} if path and self._known(args.get("what")) else args
        result.update(self._execute_module(module_name="faultline.openstack.os_cluster_info", module_args=asked, task_vars=task_vars))
        if path and not result.get("failed"):
            self._write(path, before, args, result)
        for name in _WHAT:
            if name not in self._listed(args.get("what")):
                result.pop(name, None)
        return result

    @staticmethod
    def _listed(what):
        """The choices that are meant."""
        return _WHAT if what is None else [each.strip() for each in what.split(",")] if isinstance(what, str) else what

    def _known(self, what):
        # a choice that there is not is the module's to refuse
        return isinstance(self._listed(what), list) and set(self._listed(what)) <= set(_WHAT)

    def _write(self, path, before, args, result):
        """Have the state file say what the cloud says of the session that is meant, that it holds, or that is the current one."""
        session = str(args.get("session") or "").strip().lower()
        if args.get("current") or session == "current":
            session = result["current"]
            if not session and before:
                raise FaultlineError(
                    f"The state file {path} is left as it is: there is no session of this terminal or CI job.", code="no_session", hint="Name one by session.")
        session = session or (_state.session(path) if before else result["current"])
        found = _state.state([each for each in result["instances"] if each["session"] == session], before)
        result["state_file"] = path
        if not self._task.check_mode:
            result["changed"] = _state.write(path, found)
