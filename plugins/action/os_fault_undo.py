# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_fault_undo: say a service by all of its names, then run the module once."""

from __future__ import annotations

from ..plugin_utils._action import ByAnyName


class ActionModule(ByAnyName):
    MODULE = "faultline.openstack.os_fault_undo"
