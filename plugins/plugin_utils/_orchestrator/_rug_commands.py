# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of Astara's HTTP API, from a path to what is meant. Pure.

The path is the command line of astara-ctl: its words, then its arguments and options. As Astara had it, a command that nobody knows is not_found, one for a
terminal is interactive, and one with wrong arguments is bad_arguments.
"""

from __future__ import annotations

import dataclasses
import json
from urllib.parse import unquote

from ...module_utils._fault._errors import FaultlineError
from ...module_utils._router import _marks, _router
from . import _events

ROUTER, PROJECT, SWITCH = "router", "project", "switch"
WILD = (_router.EVERY, _router.BROKEN)
_ON_ROUTERS = ("rebuild", "update", "debug", "manage")
# the words of a command: what its argument is; router is the older word for resource, and both are taken
COMMANDS = {
    ("poll",): None, ("workers", "debug"): None, ("config", "reload"): None,
    **{(noun, verb): ROUTER for noun in ("router", "resource") for verb in _ON_ROUTERS},
    **{("tenant", verb): PROJECT for verb in ("debug", "manage")},
    ("global", "debug"): SWITCH, ("global-debug",): SWITCH,
}
_INTERACTIVE = {
    "browse": "Use the playbook faultline.openstack.router_browse or router_console.", "ssh": "Use the playbook faultline.openstack.router_ssh.",
}
_NEEDS = {ROUTER: "the id of a router, * or error", PROJECT: "the id of a project", SWITCH: "enable or disable"}
_IMAGE = ("--image_uuid", "--router_image_uuid")


@dataclasses.dataclass(frozen=True)
class Command:
    """name: its words, router for resource; target: an id, *, error, enable or disable; reason: on one line."""

    name: str
    target: str = ""
    reason: str = ""


def words(path):
    """The words of a path that is still percent-encoded."""
    return [unquote(each, errors="replace") for each in path.split("/") if each]


def command(path, query=(), body=b""):
    """The Command of a path, pairs of a query and a body. FaultlineError: unknown_command, interactive, bad_arguments, not_found, no_image."""
    given = words(path)
    if given and given[0] in _INTERACTIVE:
        raise FaultlineError(f"{given[0]} is for a terminal.", code="interactive", hint=_INTERACTIVE[given[0]])
    name = next((tuple(given[:count]) for count in (2, 1) if tuple(given[:count]) in COMMANDS), None)
    if name is None:
        known = ", ".join(sorted({"/" + "/".join(each) for each in COMMANDS}))
        raise FaultlineError("There is no such command.", code="unknown_command", hint=f"There are {known}.")
    takes, shown = COMMANDS[name], " ".join(name)
    arguments, reasons, image = _arguments(shown, given[len(name):])
    reasons += _of_query(query) + _of_body(body)
    if image or (name[-1] == "rebuild" and len(arguments) == 2):
        raise FaultlineError(
            "Routers of Neutron have no image.", code="no_image", hint="Leave it away: a rebuild makes the router anew on the L3 agents that are alive.")
    if len(arguments) != (1 if takes else 0):
        raise _wrong(f"{shown} takes {_NEEDS[takes]}." if takes else f"{shown} takes no arguments.")
    if reasons and not takes:
        raise _wrong(f"{shown} takes no reason.")
    if len(reasons) > 1:
        raise _wrong("There are several reasons.")
    target = _target(takes, arguments[0]) if takes else ""
    if name[0] == "resource":
        shown = f"router {name[1]}"
    return Command(shown.replace("-", " "), target, _marks.plain(reasons[0]) if reasons else "")


def _wrong(message, hint=""):
    return FaultlineError(message, code="bad_arguments", hint=hint)


def _arguments(shown, given):
    """(arguments, reasons, whether there is an image) as argparse would find them."""
    arguments, reasons, image, left = [], [], False, list(given)
    while left:
        option, equals, value = left.pop(0).partition("=")
        if not option.startswith("-"):
            arguments.append(option + equals + value)
            continue
        if option != "--reason" and option not in _IMAGE:
            raise _wrong(f"{shown} has no such option.", "There is --reason.")
        if not equals:
            if not left:
                raise _wrong(f"{option} needs a value.")
            value = left.pop(0)
        if option == "--reason":
            reasons.append(value)
        else:
            image = True
    return arguments, reasons, image


def _of_query(query):
    pairs = list(query)
    if any(name != "reason" for name, _value in pairs):
        raise _wrong("There is nothing but reason that can stand behind the question mark.")
    return [value for _name, value in pairs]


def _of_body(body):
    if not body.strip():
        return []
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise _wrong("The body is no JSON.", 'For example {"reason": "its NAT is looked into"}.') from exc
    if not isinstance(told, dict) or set(told) - {"reason"} or not isinstance(told.get("reason", ""), str):
        raise _wrong("The body is no object with a reason, a text, and nothing else.", 'For example {"reason": "its NAT is looked into"}.')
    return list(told.values())


def _target(takes, given):
    given = given.lower()
    if takes == SWITCH:
        if given not in ("enable", "disable"):
            raise _wrong("global debug takes enable or disable.")
        return given
    if given in WILD:
        if takes == PROJECT:
            raise _wrong("Projects are marked one by one.", "All routers: /global/debug/enable.")
        return given
    if not _events.is_id(given):
        raise unknown(takes)
    return given


def unknown(what):
    """The error that there is no such thing; without its name, which anybody may have written."""
    return FaultlineError(f"There is no {what} of this id.", code="not_found", hint=f"It takes {_NEEDS[what]}.")
