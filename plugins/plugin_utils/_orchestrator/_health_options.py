# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the looks at routers, checked."""

from __future__ import annotations

import dataclasses

from ...module_utils._router import _machine
from . import _options

_LIMITS = {
    "patience": (float, 0, 86400), "settle": (float, 0, 3600),
    "rebuilds": (int, 0, 1000), "window": (float, 1, 10 ** 6), "backoff": (float, 0, 86400),
}
_NUMBERS = {"period": (float, 1, 3600, 30), "timeout": (float, 1, 600, 60), "ping_timeout": (float, 0.1, 60, 2)}


@dataclasses.dataclass
class Options:
    """period: seconds from one look to the next; timeout: that one may take; inventory: of the network nodes, none for the control plane alone."""

    period: float
    timeout: float
    ping_timeout: float
    inventory: tuple
    project: str
    state_dir: str
    limits: _machine.Limits
    cloud: dict


def checked(args):
    """The Options of a source's arguments. FaultlineError bad_option."""
    args = _options.given(args, {"inventory", "project", "state_dir", *_LIMITS, *_NUMBERS, *_options.CLOUD})
    numbers = {name: _options.number(name, args.get(name, limits[-1]), *limits[:3]) for name, limits in _NUMBERS.items()}
    limits = {name: _options.number(name, args.get(name, getattr(_machine.LIMITS, name)), *bounds) for name, bounds in _LIMITS.items()}
    inventory = args.get("inventory", ())
    inventory = (inventory,) if isinstance(inventory, str) else inventory
    if not isinstance(inventory, (list, tuple)) or not all(isinstance(each, str) and each for each in inventory):
        raise _options.bad("inventory has to be a path or a list of them.")
    return Options(
        inventory=tuple(inventory), project=_options.text("project", args.get("project", "")),
        state_dir=_options.state_dir(args),
        limits=_machine.LIMITS._replace(**limits), cloud=_options.login(args), **numbers)
