# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the actions that make up a run of ha_test. They work on the controller; their modules only document them."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ._ha import _cloud

_RUN = {"type": "path", "required": True}


def plan():
    return {
        "scenario": {"type": "raw", "required": True},
        "dir": {"type": "path"},
        **_cloud.arguments(),
        "seed": {"type": "str"},
        "override": {"type": "dict", "default": {}},
        "skip_unmapped": {"type": "bool", "default": False},
    }


def run():
    return {
        "run": _RUN,
        "phase": {"type": "str"},
        "t0": {"type": "bool", "default": False},
        "arm_time": {"type": "float"},
        "cloud": {"type": "dict"},
        "moment": {"type": "str", "choices": ["before", "after"]},
        "environment": {"type": "dict"},
        "gather": {"type": "bool", "default": False},
        "abort": {"type": "str"},
        "end": {"type": "bool", "default": False},
    }


def inject():
    return {"run": _RUN, "state": {"type": "str", "choices": ["armed", "disarmed", "told"], "default": "armed"}}


def sample():
    return dict(
        _cloud.arguments(),
        run=_RUN,
        state={"type": "str", "choices": ["started", "stopped"], "default": "started"},
        controller={"type": "bool", "default": False},
        endpoints={"type": "dict", "default": {}},
        servers={"type": "dict", "default": {}},
        passwords={"type": "dict", "default": {}, "no_log": True},
        limit={"type": "float", "default": 86400},
        resume={"type": "bool", "default": False},
    )


def watch():
    return dict(
        _cloud.arguments(),
        run=_RUN,
        phase={"type": "str", "choices": ["baseline", "arming", "disruption"], "default": "disruption"},
        every={"type": "float", "default": 5},
    )


def refuse(name, arguments, supports_check_mode=False, **rules):
    """The main() of a module whose work an action does."""
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=supports_check_mode, **rules)
    module.fail_json(msg="%s is an action of the controller. Call it as faultline.openstack.%s, with the collection installed there." % (name, name))
