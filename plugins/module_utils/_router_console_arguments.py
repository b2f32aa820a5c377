# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of os_router_console, for its action and its documentation."""

from __future__ import annotations

from ._ha import _cloud


def console():
    return dict(_cloud.arguments(), project={"type": "str"}, every={"type": "float", "default": 5})
