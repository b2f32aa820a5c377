# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of os_cluster_wait. It works on the controller; its module only documents it."""

from __future__ import annotations

from ._ha import _cloud


def wait():
    return dict(
        _cloud.arguments(),
        account_file={"type": "path"},
        session={"type": "str"},
        state_file={"type": "path"},
        user={"type": "str", "default": "root"},
        port={"type": "int", "default": 22},
        private_key={"type": "path", "no_log": False},
        ssh_args={"type": "list", "elements": "str", "default": []},
        ping={"type": "bool", "default": True},
        known_hosts={"type": "path", "default": "~/.ssh/known_hosts"},
        hash_known_hosts={"type": "bool"},
        timeout={"type": "float", "default": 300},
        every={"type": "float", "default": 5},
        forks={"type": "int", "default": 20},
    )
