# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of os_router_shell, for its action and its documentation."""

from __future__ import annotations


def shell():
    return {"namespace": {"type": "str"}, "command": {"type": "str"}, "label": {"type": "str"}}
