# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of services, by their action words."""

from __future__ import annotations

import signal

from . import _module
from ._service_doors import Unplug
from ._service_healing import Plug, Start, Unfreeze
from ._service_hits import Kill, Restart
from ._service_stops import Freeze, Terminate


ACTIONS = {fault.action: fault for fault in (Start, Terminate, Restart, Kill, Freeze, Unfreeze, Unplug, Plug)}


def make(action, service, ports=(), number=signal.SIGKILL, recovery_timeout=_module.RECOVERY_TIMEOUT, actions=None, duration=None):
    """The fault of an action word on a service. actions: action word -> class, where they are not those of a service."""
    actions = actions or dict(ACTIONS, **service.faults)
    if action not in actions:
        # only who needs them loads them
        from . import _unit_faults
        return _unit_faults.make(action, service, duration)
    options = {"recovery_timeout": recovery_timeout}
    if action == "unplug":
        options["ports"] = ports
    if action == "kill":
        options["number"] = number
    return actions[action](service, **options)
