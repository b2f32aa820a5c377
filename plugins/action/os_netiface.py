# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_netiface: complete the options from the inventory, run the module once; where it cuts our own way, see the host healed."""

from __future__ import annotations

import secrets
import time

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._fault._module import MOMENTS, WAIT_TIMEOUT
from ..plugin_utils import _away, _networks
from ..plugin_utils._action import FaultAction
from ..plugin_utils._model import plain

_MODULE = "faultline.openstack.os_netiface"
# Drawn where every strategy loads this file: in the main process, before it forks. So all hosts of a run share it.
_RUN = secrets.token_hex(8)


class ActionModule(FaultAction):
    INJECTS = True

    def perform(self, result, task_vars):
        args = plain(self._task.args)
        self.guard(_MODULE, args, task_vars)
        self._networks(args, task_vars)
        if args.get("shape"):
            result["seed"] = args["seed"] = str(args.get("seed") or _RUN)
            self._shape(args, task_vars)
            if not args["peers"]:
                return {**result, "changed": False, "skipped": True, "skip_reason": "This host is not cut off from any."}
        if args.get("peers"):
            args["peers"] = _networks.addresses(args["peers"], self._variables(task_vars))
        began = time.monotonic()
        result.update(self._execute_module(
            module_name=_MODULE, module_args=dict(args), task_vars=task_vars, wrap_async=self._task.async_val,
        ))
        if result.get("fires_in") and not result.get("failed"):
            left = max(0.0, result["fires_in"] - (time.monotonic() - began))
            _away.see_it_healed(self, result, task_vars, left, float(args.get("wait_timeout") or WAIT_TIMEOUT))
        return result

    def failed(self, result, exc):
        result = super().failed(result, exc)
        result.update({key: value for key, value in exc.details.items() if key in ("fault", "targets", "proof", "undo", "residue", *MOMENTS)})
        result["changed"] = bool(result.get("injected_at")) or exc.code == "not_back"
        return result

    def _variables(self, task_vars):
        """host -> variable of that host, templated; read as late as possible."""
        def of(host, name):
            value = task_vars["hostvars"][host].get(name)
            return plain(self._templar.template(value)) if value is not None else None
        return _networks.Hosts(list(task_vars["groups"]["all"]), of)

    def _networks(self, args, task_vars):
        """What the inventory knows of the network's interface."""
        known = self._templar.template(task_vars.get("faultline_networks") or {})
        if args.get("network"):
            args.update(_networks.fill(args, plain(known)))

    def _shape(self, args, task_vars):
        """The peers that this host is cut off from."""
        me, group = task_vars["inventory_hostname"], args.pop("group", None)
        if args.get("peers"):
            raise FaultlineError("shape chooses the peers by itself.", code="bad_option", hint="Leave peers out, or shape.")
        if group is not None and group not in task_vars["groups"]:
            raise FaultlineError("The inventory has no group %s." % group, code="unknown_group", hint="Nothing was touched.")
        hosts = task_vars["groups"][group] if group else task_vars["ansible_play_hosts_all"]
        missing = [host for host in hosts if host not in task_vars["ansible_play_hosts_all"]]
        if missing or me not in hosts:
            raise FaultlineError(
                "The shape needs all hosts of %s in the play: %s is not." % (group, (missing or [me])[0]), code="not_in_play",
                hint="Each host drops its own peers. Nothing was touched.",
            )
        args["peers"] = _networks.grudges(hosts, args.pop("shape"), args.pop("seed"))[me]
