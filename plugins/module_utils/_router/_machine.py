# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state machine of a router: what is done next, and why, from what is seen, what happened and what is remembered. Pure.

The states are those of Astara's machine as far as Neutron's routers have them: calculate, alive, configure, replug, stop, boot, check_boot, error and exit;
to these come ignored (in debug) and wait. A rebuild goes through stop, boot and check_boot in the order that costs least, which _rebuild.py knows.
"""

from __future__ import annotations

import collections

from . import _marks, _router

POLL, CREATE, UPDATE, DELETE, REBUILD = "poll", "create", "update", "delete", "rebuild"
EVENTS = (POLL, CREATE, UPDATE, DELETE, REBUILD)

CALCULATE, ALIVE, CONFIGURE, REPLUG, STOP, BOOT, CHECK_BOOT = "calculate", "alive", "configure", "replug", "stop", "boot", "check_boot"
ERROR, EXIT, IGNORED, WAIT = "error", "exit", "ignored", "wait"
# where the machine stays until something comes; it stays alive as long as that says so
_RESTS = (ERROR, EXIT, IGNORED, WAIT)

# what has to be done on the way to a state: the configuration pushed to the agents, the router given to one more, made anew, forgotten
PUSH, GIVE, MOVE, FORGET = "push", "give", "move", "forget"

# what ails a router -> what may help: another agent beside the one that is left, its configuration once more, or making it anew
_ANOTHER_AGENT = ("alone",)
_CONFIGURATION = (
    "not_taken_up", "ha_port", "elsewhere", "port", "lacking", "link_down", "no_route", "no_namespace", "no_keepalived", "fault", "not_learned", "silent",
    "status", "gateway_silent",
)
_NEW = ("unhosted", "dead", "not_active", "several_active", "active_on_dead", "dead_agent", "no_addresses", "split")
# of these making it anew is no remedy: the gateway itself may be away, for all routers at once
_NOT_BY_A_MOVE = ("gateway_silent",)

Limits = collections.namedtuple("Limits", "patience settle rebuilds window backoff longest")
# seconds: that something has to be wrong before anything is done; that a configuration may take to show; rebuilds within so many seconds; until the next
# rebuild after the first one, doubled with each, and at most
LIMITS = Limits(patience=20, settle=30, rebuilds=3, window=3600, backoff=60, longest=900)

Decision = collections.namedtuple("Decision", "state effect why")
"""state: the next one; effect: what is done on the way there, or None; why: in words."""


# ---- what is remembered


def fresh(router_id):
    """The memory of a router of which nothing is known.

    sick_since: when it was first seen not to be well, epoch seconds; configured: when its configuration was pushed for that; rebuilds: when it was made
    anew; not_before: nothing is done by itself before that; error: why it was given up; ignored: {count, since, event} of what came while it was in debug;
    history: the last steps, each {at, state, event, why, effect, outcome}.
    """
    return {
        "id": router_id, "state": CALCULATE, "why": "", "since": None, "health": None, "reason": "", "sick_since": None, "configured": None, "rebuilds": [],
        "not_before": None, "error": None, "ignored": None, "history": [],
    }


def observed(memory, router, now):
    """The memory after a look at a router, which has been as thorough as looks are."""
    memory = dict(memory, health=router["health"], reason=router["reason"])
    if router["health"] == _router.OK:
        memory.update(sick_since=None, configured=None)
    elif memory["sick_since"] is None:
        memory["sick_since"] = now
    return memory


def ignoring(memory, event, now):
    """The memory after something came that was left alone, as the router is in debug."""
    known = memory["ignored"] or {"count": 0, "since": now}
    return dict(memory, ignored=dict(known, count=known["count"] + 1, event=event))


def entered(memory, decision, now):
    """The memory after a decision was carried out."""
    memory = dict(memory, why=decision.why)
    if memory["state"] != decision.state:
        memory.update(state=decision.state, since=now)
    if decision.state == ERROR:
        memory["error"] = memory["error"] or decision.why
    elif decision.state not in (IGNORED, EXIT):
        memory["error"] = None
    if decision.state != IGNORED:
        memory["ignored"] = None
    return memory


def pushed(memory, limits, now):
    """The memory once a configuration was pushed: it has its time to show."""
    return dict(memory, configured=now, not_before=now + limits.settle)


def moved(memory, limits, now):
    """The memory once a router was made anew, well or not: the next time is farther off with each."""
    rebuilds = recent(memory, limits, now) + [now]
    return dict(memory, rebuilds=rebuilds, not_before=now + min(limits.backoff * 2 ** (len(rebuilds) - 1), limits.longest))


def recent(memory, limits, now):
    """When it was rebuilt, of which the limit takes account."""
    return [each for each in memory["rebuilds"] if now - limits.window < each <= now]


# ---- what is done next


def decide(state, memory, event, router, limits, now):
    """The Decision in a state. event: one of EVENTS; router: described with its spare agents, or None when it is gone; memory: observed."""
    if router is None:
        return Decision(EXIT, FORGET, "the router is gone")
    if router["debug"]:
        return Decision(IGNORED, None, "in debug by a mark of the %s%s" % (
            {"global": "whole cloud"}.get(router["debug"]["by"], router["debug"]["by"]), ": " + router["debug"]["reason"] if router["debug"]["reason"] else ""))
    if state == CALCULATE:
        return _calculate(memory, event, router, limits, now)
    if state == ALIVE:
        return _alive(memory, router, limits, now)
    return Decision(ALIVE, None, {CONFIGURE: "its agents were told", REPLUG: "it has an agent more", CHECK_BOOT: "it was made anew"}[state])


def rests(state, decision):
    """Whether the machine stays where it is until something comes."""
    return decision.effect is None and (decision.state == state or decision.state in _RESTS)


def preview(memory, event, router, limits, now):
    """The Decisions from the start until the first that has an effect, or until the machine rests."""
    state, found = CALCULATE, []
    while True:
        found.append(decide(state, memory, event, router, limits, now))
        if found[-1].effect or rests(state, found[-1]):
            return found
        state = found[-1].state


def _calculate(memory, event, router, limits, now):
    if event == REBUILD:
        return Decision(CHECK_BOOT, MOVE, "a rebuild was asked for")
    if event == UPDATE:
        return Decision(CONFIGURE, PUSH, "an update was asked for")
    if memory["error"] and router["health"] != _router.OK and recent(memory, limits, now):
        return Decision(ERROR, None, memory["error"])
    if memory["error"]:
        return Decision(ALIVE, None, "the error is over: " + told(router))
    if memory["ignored"]:
        return Decision(ALIVE, None, "back from debug, where it was left alone %d times: %s" % (memory["ignored"]["count"], told(router)))
    return Decision(ALIVE, None, told(router))


def _alive(memory, router, limits, now):
    if router["health"] == _router.OK:
        return Decision(ALIVE, None, "it is well")
    effect, why = remedy(router, memory)
    if effect is None:
        return Decision(WAIT, None, why)
    if now - (now if memory["sick_since"] is None else memory["sick_since"]) < limits.patience:
        return Decision(WAIT, None, "%s; nothing is done before it has been so for %d s" % (why, limits.patience))
    if memory["not_before"] and now < memory["not_before"]:
        return Decision(WAIT, None, "%s; nothing more is done before %s" % (why, _marks.stamp(memory["not_before"])))
    if effect == MOVE and len(recent(memory, limits, now)) >= limits.rebuilds:
        return Decision(ERROR, None, "it was rebuilt %d times within %s, and %s" % (limits.rebuilds, _router.duration(limits.window), told(router)))
    return Decision({PUSH: CONFIGURE, GIVE: REPLUG, MOVE: CHECK_BOOT}[effect], effect, why)


def told(router):
    """How a router is, in words."""
    return "it is %s%s" % (router["health"], ": " + router["reason"] if router["reason"] else "")


def remedy(router, memory):
    """(what may help a router that is not well, or None; why)."""
    codes, how = {each["code"] for each in router["problems"]}, told(router)
    if "admin_state" in codes:
        return None, "it is switched off"
    if codes.intersection(_NEW):
        return (MOVE, how) if _movable(router, codes) else (None, how + "; no other live L3 agent could take it")
    if codes.intersection(_CONFIGURATION):
        if not memory["configured"]:
            return PUSH, how
        if codes.difference(_NOT_BY_A_MOVE).intersection(_CONFIGURATION):
            return MOVE, how + ", although its configuration was pushed again"
        return None, how + ", although its configuration was pushed again; a rebuild would not help"
    if codes.intersection(_ANOTHER_AGENT):
        return (GIVE, how) if router["spare"] else (None, how + "; there is no other live L3 agent")
    return None, how + "; nothing that is done to the router would help"


def _movable(router, codes):
    """Whether making it anew may help: there is an agent more, or one of those that it has is alive and the others are no good."""
    if router["spare"]:
        return True
    if codes.intersection(_NEW) - {"dead_agent"}:
        return any(each["alive"] for each in router["agents"])
    # an agent that is dead while its node lives goes on with what it has, and serves as long as nobody takes the router from it
    silent = {each.get("host") for each in router["problems"] if each["code"] == "not_probed"}
    dead = {each["host"] for each in router["agents"] if each["alive"] is False}
    return bool(dead) and dead.issubset(silent) and any(each["alive"] for each in router["agents"])
