# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of os_fault, for its action and for the module that only documents it."""

from __future__ import annotations


def sentence_arguments():
    """The argument_spec of os_fault."""
    return {
        "do": {"type": "raw", "required": True},
        "seed": {"type": "str"},
        "among": {"type": "list", "elements": "str"},
        "plan": {"type": "dict"},
        "plan_only": {"type": "bool", "default": False},
        "plan_file": {"type": "path"},
        "skip_unmapped": {"type": "bool", "default": False},
        "signal": {"type": "str"},
        "processes": {"type": "str", "choices": ["main", "all"]},
        "wait": {"type": "bool", "default": False},
        "wait_timeout": {"type": "float"},
        "recovery_timeout": {"type": "float"},
    }
