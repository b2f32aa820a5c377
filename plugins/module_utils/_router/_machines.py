# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What os_router_machine does, from options to results: one event to the machines of many routers."""

from __future__ import annotations

import collections
import concurrent.futures
import re

from .._fault._errors import FaultlineError
from .._ha import _cloud
from . import _claim, _machine, _marks, _memory, _router, _routers, _walk

_OWNER = re.compile(r"[A-Za-z0-9_.-]{1,20}")


def arguments():
    """The options of os_router_machine, but for the login's."""
    limits = _machine.LIMITS
    return {
        "event": {"type": "str", "default": "poll", "choices": list(_machine.EVENTS)},
        "router": {"type": "list", "elements": "str"},
        "project": {"type": "str"},
        "all": {"type": "bool", "default": False},
        "probed": {"type": "list", "elements": "dict"},
        "state_dir": {"type": "path"},
        "owner": {"type": "str"},
        "patience": {"type": "float", "default": limits.patience},
        "settle": {"type": "float", "default": limits.settle},
        "rebuilds": {"type": "int", "default": limits.rebuilds},
        "window": {"type": "float", "default": limits.window},
        "backoff": {"type": "float", "default": limits.backoff},
        "timeout": {"type": "float", "default": 180},
        "at_once": {"type": "int", "default": 4},
    }


def limits_of(params):
    """The limits of the machine. FaultlineError: bad_option."""
    for name, least in (("patience", 0), ("settle", 0), ("rebuilds", 0), ("window", 1), ("backoff", 0), ("timeout", 1), ("at_once", 1)):
        if params.get(name) is not None and not least <= params[name] < float("inf"):
            raise FaultlineError("%s is %g; it must be at least %d." % (name, params[name], least), code="bad_option")
    return _machine.Limits(longest=_machine.LIMITS.longest, **{name: params[name] for name in ("patience", "settle", "rebuilds", "window", "backoff")})


def act(params, check_mode):
    """The result of os_router_machine."""
    limits = limits_of(params)
    owner = params["owner"] or _claim.own_name()
    if not _OWNER.fullmatch(owner):
        raise FaultlineError("owner: %r is not of 1 to 20 letters, digits and _.-" % owner, code="bad_option")
    memory = _memory.Memory(params["state_dir"])
    routers = _routers.Routers(_cloud.Connection(params), check_mode)
    every = routers.described()
    work = _meant(every, routers, memory, params)
    walk = _walk.Walk(routers, memory, owner, limits, params["probed"], params["timeout"])
    one = walk.check if check_mode else walk.run
    with concurrent.futures.ThreadPoolExecutor(params["at_once"]) as pool:
        found = list(pool.map(lambda pair: one(pair[0], pair[1], params["event"]), work))
    return {"changed": any(each["changed"] for each in found), "msg": words(found, check_mode), "machines": found, "state_dir": memory.folder}


def _meant(every, routers, memory, params):
    """[(id, router, or None where the cloud has it no more)]."""
    known = {each["id"] for each in every}
    gone = [each for each in params["router"] or () if _marks.is_id(each) and each not in known]
    left = None if params["router"] is None else [each for each in params["router"] if each not in gone]
    found = _router.chosen(every, left, params["project"], None, routers.projects) if left or left is None else []
    if params["all"]:
        gone = [each for each in memory.ids() if each not in known]
    return [(each["id"], each) for each in found] + [(each, None) for each in dict.fromkeys(gone)]


def words(found, check_mode=False):
    """What was done, in one sentence."""
    counts = collections.Counter(each["state"] for each in found)
    told = "%d router%s%s" % (len(found), "" if len(found) == 1 else "s", ": " * bool(found)) + ", ".join(
        "%d %s" % (count, state) for state, count in sorted(counts.items()))
    if check_mode:
        done = ["%s: would %s, as %s" % (_name(each), each["steps"][-1]["effect"], each["why"]) for each in found if each["changed"]]
    else:
        done = ["%s: %s" % (_name(each), next((step["outcome"] for step in reversed(each["steps"]) if step["outcome"]), each["why"]))
                for each in found if each["changed"]]
        done += ["%s: %s" % (_name(each), each["why"]) for each in found if not each["changed"] and each["state"] in ("error", "ignored")]
    return "; ".join([told] + done[:5]) + ("; and %d more" % (len(done) - 5) if len(done) > 5 else "")


def _name(each):
    return each["name"] or each["id"]
