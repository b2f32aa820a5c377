# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of os_router_step, for its action and its documentation."""

from __future__ import annotations

from ._ha import _cloud
from ._router import _machine


def step():
    return dict(
        _cloud.arguments(), router={"type": "str", "required": True}, event={"type": "str", "default": _machine.UPDATE, "choices": list(_machine.EVENTS)},
        record={"type": "path"}, state_dir={"type": "path"}, timeout={"type": "float", "default": 180}, force={"type": "bool", "default": False})
