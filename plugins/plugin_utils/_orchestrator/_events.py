# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one shape of the events that the sources of the orchestrator emit. Pure.

Ansible templates what a rulebook hands to a playbook, so an event holds nothing that a tenant or a caller has written: ids, fixed words, a reason
that is percent-encoded.
"""

from __future__ import annotations

from urllib.parse import quote

from ...module_utils._router._marks import is_id

KEY = "faultline_router"
# what a router's machine takes
MACHINE = ("poll", "create", "update", "delete", "rebuild")
# what changes marks in the cloud
MARKS = ("debug", "manage")
RELOAD = "reload"
EVENTS = (*MACHINE, *MARKS, RELOAD)
ROUTERS, PROJECT, ERROR, ALL = "routers", "project", "error", "all"
SCOPES = (ROUTERS, PROJECT, ERROR, ALL)
# characters of a reason, before they are encoded
LONGEST_REASON = 200


def event(name, source, routers=(), scope=ROUTERS, project="", reason=""):
    """An event. routers: ids, which scope ROUTERS needs; project: the id that scope PROJECT needs. ValueError where something is not of its kind."""
    if name not in EVENTS:
        raise ValueError(f"{name!r} is no event; there are {', '.join(EVENTS)}")
    if scope not in SCOPES:
        raise ValueError(f"{scope!r} is no scope; there are {', '.join(SCOPES)}")
    for each in [*routers, *([project] if project else [])]:
        if not is_id(each):
            raise ValueError(f"{each!r} is no id")
    if name != RELOAD and (scope == ROUTERS) != bool(routers):
        raise ValueError(f"the scope {scope} {'needs' if scope == ROUTERS else 'takes no'} routers")
    if (scope == PROJECT) != bool(project):
        raise ValueError(f"the scope {scope} {'needs' if scope == PROJECT else 'takes no'} project")
    return {KEY: {
        "event": name, "routers": list(dict.fromkeys(routers)), "scope": scope, "project": project, "reason": quote(reason[:LONGEST_REASON], safe=""),
        "source": source,
    }}
