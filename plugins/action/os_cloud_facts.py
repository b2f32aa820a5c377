# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_cloud_facts: fill in what to look for from the inventory and the catalogue, then run the module once."""

from __future__ import annotations

from ansible.plugins.action import ActionBase

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._nearest import did_you_mean
from ..plugin_utils import _names
from ..plugin_utils._model import plain


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        del tmp
        result = super().run(task_vars=task_vars)
        args = plain(self._task.args)
        self._task_vars = task_vars or {}
        before = {kind: self._var(f"faultline_{kind}") for kind in ("services", "containers")}
        unseen = self._var("faultline_unseen") or {}
        partly = {kind for kind in before if args.get(kind) is not None}
        try:
            for kind in before:
                args[kind] = wanted(kind, args.get(kind), self._var(f"faultline_{kind[:-1]}_definitions") or {})
        except FaultlineError as exc:
            return {**result, "failed": True, "changed": False, "msg": exc.text, "failure": exc.as_failure()}
        if args.get("networks") is None:
            args["networks"] = self._var("faultline_networks") or {}
        args.setdefault("iface", self._var("faultline_iface"))
        args.setdefault("address", self._var("ansible_host") or self._var("inventory_hostname"))
        result.update(
            self._execute_module(
                module_name="faultline.openstack.os_cloud_facts",
                module_args=args,
                task_vars=task_vars,
                wrap_async=self._task.async_val,
            )
        )
        facts = result.get("ansible_facts") or {}
        for kind in partly:
            # Who asks for some has not looked for the others.
            found, known = facts.get(f"faultline_{kind}"), before[kind] or {}
            if found is not None:
                found.update({name: each for name, each in known.items() if name not in args[kind]})
                facts["faultline_unseen"][kind].update({name: why for name, why in (unseen.get(kind) or {}).items() if name not in args[kind]})
        return result

    def _var(self, name):
        """A variable of the host, plain, with the user's own templates done."""
        if name not in self._task_vars:
            return None
        return plain(self._templar.template(self._task_vars[name]))


def wanted(kind, asked, defined):
    """Name -> definition of what the task asks for: all that is known, names of it, or definitions of its own. defined: what the user has defined."""
    # what is none is named by who looks
    wrong = {name: definition for name, definition in defined.items() if not isinstance(definition, dict)}
    defined = {name: definition for name, definition in defined.items() if name not in wrong}
    if asked is None:
        return {**_names.sought(kind[:-1], defined), **wrong}
    if isinstance(asked, dict):
        for name, definition in asked.items():
            if not isinstance(definition, dict):
                raise FaultlineError(
                    f"{kind}.{name} is no definition.",
                    code="bad_option",
                    hint="Give a dictionary such as {unit: [nova-api], grep: nova-api}, or a list of names.",
                )
        return asked
    names, known = [asked] if isinstance(asked, str) else asked, _names.sought(kind[:-1], defined)
    chosen = {}
    for name in names:
        name = str(name)
        kept = _names.resolve(kind[:-1], name, {**defined, **wrong})
        if kept is None:
            hint = did_you_mean(name, known) or "Give a dictionary of definitions for one that the catalogue does not have."
            raise FaultlineError(f"Nobody knows a {kind[:-1]} {name!r}.", code=f"unknown_{kind[:-1]}", hint=hint)
        chosen[kept] = wrong[kept] if kept in wrong else known[kept]
    return chosen
