# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host's step of a plan will do, so far as its definition says it, and what only the host can tell. Pure."""

from __future__ import annotations

import json

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._fault._module import ports
from ._fill import SERVICE_MODULE

# actions of services that stop what is started again by their undo, and those that need a unit of systemd
_STOPS, _OF_UNITS = ("terminate",), ("mask", "crash_loop")
_NOT_STARTED = "its definition has no start_cmd, so nothing starts it again"


def _is_process(module, args):
    return module == SERVICE_MODULE and args.get("driver") == "process"


def no_undo(module, args):
    """Why nothing undoes what a step does, or ''."""
    return _NOT_STARTED if _is_process(module, args) and args.get("action") in _STOPS and not args.get("start_cmd") else ""


def refuse(module, args, lasts):
    """FaultlineError for a step that its module would refuse, whatever the host says. lasts: whether it is to be undone after a while."""
    if not _is_process(module, args):
        return
    action, service = args.get("action"), args.get("service")
    if lasts and no_undo(module, args):
        raise FaultlineError(
            f"{action} of {service} has no undo, so a duration has no meaning for it: {_NOT_STARTED}.", code="no_undo",
            hint="Add start_cmd to its definition, or leave the duration out. Nothing was touched.")
    if action == "restart" and not args.get("restart_cmd") and not args.get("start_cmd"):
        raise FaultlineError(
            f"{service} cannot be restarted: its definition has neither restart_cmd nor start_cmd.", code="no_command",
            hint="Add one of them to the service in the configuration file. Nothing was touched.")
    if action in _OF_UNITS:
        raise FaultlineError(
            f"{action} of {service} needs a unit of systemd, which runs it; it is defined as a process.", code="no_systemd",
            hint="Say terminate. Nothing was touched.")


def undo(module, args, word):
    """What puts a step back, as a person would say it. word: what does by the sentence."""
    why = no_undo(module, args)
    return f"none: {why}" if why else word


def foretold(host, module, args):
    """Lines for a person: what is hit and which door is cut or asked on a host; and how to ask what only the host can tell."""
    if module != SERVICE_MODULE:
        return []
    found = [f"{protocol} {number}" for protocol, number in ports(args.get("port"))]
    does = {"unplug": "cuts", "plug": "opens"}.get(args.get("action"), "asks")
    units = args.get("unit") or [args.get("service")]
    units = [units] if isinstance(units, str) else units
    what = f"processes that match '{args.get('grep')}'" if _is_process(module, args) else f"the unit {' or '.join(map(str, units))}"
    if args.get("driver") not in (None, "process", "system_service", "linux_service"):
        what = f"what {args['driver']} runs"
    # the rest is filled in from the inventory, as it was here
    said = json.dumps({name: args[name] for name in ("service", "action", "duration") if args.get(name) is not None})
    return [
        f"{what}; {does} {', '.join(found) or 'the ports that it listens on there'}",
        "which processes are hit and which are left alone, and which ports answer, only the host can tell: "
        f"ansible {host} -m {module} -a '{said}' --check",
    ]
