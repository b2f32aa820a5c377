# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rebuild: a router is taken from its agents and given to live ones, so that it serves meanwhile wherever it has a standby."""

from __future__ import annotations

import contextlib
import time

from .._fault._errors import FaultlineError
from .._ha._things import passes
from .._nearest import did_you_mean
from . import _marks, _pings, _router

# seconds between two looks
PAUSE = 0.5
# seconds until an agent that has its HA port has also started keepalived and heard the active one; no API tells when it has
SETTLED = 10
# seconds that putting back what was taken may take after a failure
RESTORE = 60
_CENTRAL = ("legacy", "dvr_snat")
# what a rebuild cannot mend: there is no agent more
_BEYOND = ("alone", "dead_agent")


def mode(agent):
    return (agent.get("configurations") or {}).get("agent_mode", "legacy")


def unusable(agent, found, zones):
    """Why an agent cannot take a router; '' when it can."""
    if not agent.get("alive"):
        return "it is dead"
    if agent.get("admin_state_up") is False:
        return "its admin state is down"
    if mode(agent) not in (_CENTRAL[1:] if found["distributed"] else _CENTRAL):
        return "its mode is %s" % mode(agent)
    if zones and agent.get("availability_zone") not in zones:
        return "it is in the availability zone %s" % agent.get("availability_zone")
    return ""


def plan(found, hosting, agents, wanted=None, zones=(), serves=True, silent=()):
    """Where a router goes: {first, take, stay, then, back, dead, highly, ids}, the hosts to which it is given first, from which it is taken then, where it is
    left as it is and configured again, to which it is given at last, which get it back after a failure, and whose agents are dead; highly: whether it can be
    on several.

    found: the router described; hosting: the agents that have it, agents: all, both as the API has them; wanted: the host or id of the agent that is to be
    active; zones: the router's availability zones; serves: whether it serves where it is active; silent: the hosts that did not answer when they were asked.
    FaultlineError: no_agent, not_found, bad_agent.
    """
    usable = {each["host"]: each for each in agents if not unusable(each, found, zones)}
    before = [each["host"] for each in hosting if mode(each) in _CENTRAL]
    ids = {each["host"]: each["id"] for each in list(hosting) + list(agents)}
    dead = [each["host"] for each in hosting if each["host"] in before and not each.get("alive")]
    same = {"ids": ids, "highly": found["ha"], "dead": dead}
    name = found["name"] or found["id"]
    wanted = _named(wanted, agents, usable, found, zones) if wanted else None
    if not usable:
        raise FaultlineError("There is no L3 agent that could take the router %s." % name, code="no_agent", hint="%s Nothing was touched." % (
            " ".join("%s: %s." % (each["host"], unusable(each, found, zones)) for each in agents[:5]) or "The cloud has none."))
    kept = [host for host in before if host in usable]
    fresh = sorted((host for host in usable if host not in before), key=lambda host: ((usable[host].get("configurations") or {}).get("routers", 0), host))
    if not found["ha"]:
        # it moves wherever it can
        return {"first": [], "take": before, "stay": [], "then": [wanted or (fresh + kept)[0]], "back": kept[:1], **same}
    many = max(len(before), 2)
    serving = [each["host"] for each in found["agents"] if each["state"] == "active" and each["host"] in kept] if serves else []
    if len(kept) == 1 and kept == serving and wanted in (None, kept[0]):
        # nothing else would serve meanwhile
        first = fresh[:many - 1]
        # a keepalived that lives where the agent is dead would not hear the active one any more, and take over
        lost = [host for host in before if host not in kept and (first or host not in dead or host in silent)]
        return {"first": first, "take": lost, "stay": kept, "then": [], "back": kept, **same}
    targets = list(dict.fromkeys(([wanted] if wanted else []) + kept + fresh))[:many]
    first = [wanted] if wanted else [host for host in targets if host not in serving[:1]]
    return {
        "first": first, "take": [host for host in before if host not in first], "stay": [], "then": [host for host in targets if host not in first],
        "back": kept, **same,
    }


def _named(wanted, agents, usable, found, zones):
    known = [each for each in agents if wanted in (each["host"], each["id"])]
    if not known:
        raise FaultlineError(
            "The cloud has no L3 agent %s." % wanted, code="not_found",
            hint=did_you_mean(wanted, [each["host"] for each in agents]) or "It has: %s." % ", ".join(sorted(each["host"] for each in agents)))
    if known[0]["host"] not in usable:
        raise FaultlineError(
            "The L3 agent on %s cannot take the router %s: %s." % (known[0]["host"], found["name"] or found["id"], unusable(known[0], found, zones)),
            code="bad_agent", hint="These can: %s. Nothing was touched." % (", ".join(sorted(usable)) or "none"))
    return known[0]["host"]


class Rebuild:
    """routers: a Routers; found: a router, described; wanted: the agent that is to be active, or None; seconds: that it may take; pings: Pings, or None.

    before: called with the state of the machine (stop, boot, check_boot, configure) and words before each step; what it raises ends the rebuild.
    """

    def __init__(self, routers, found, wanted=None, seconds=180, before=None, pings=None):
        self.before = before or (lambda state, words: None)
        self.routers, self.id, self.wanted, self.pings = routers, found["id"], wanted, pings
        self.name, self.was = found["name"] or found["id"], found["health"]
        self.silent = [each.get("host") for each in found["problems"] if each["code"] == "not_probed"]
        self.begun = time.monotonic()
        self.end, self.seconds = self.begun + seconds, seconds
        self.steps = []
        self.downtime, self.down_since, self.up_until = 0.0, None, self.begun

    def planned(self):
        """(the router now, its plan); nothing is touched."""
        found = self._see()
        hosting = self.routers.connection.ask(self.routers.hosting, self.id)
        if hosting is None:
            raise FaultlineError(
                "The router %s has no L3 agents that it could be moved between." % self.name, code="not_supported",
                hint="The cloud schedules its routers in another way, or this login may not see how.")
        zones = self.routers.raw[self.id].get("availability_zone_hints") or ()
        # what its nodes say is known to who has asked them
        serves = _router.DOWN not in (self.was, found["health"])
        return found, plan(found, hosting, self.routers.connection.ask(self.routers.agents), self.wanted, zones, serves, self.silent)

    def run(self):
        """Do it: {id, name, was, before, after, active, health, reason, downtime, pinged, seconds, steps}. FaultlineError when it is not well again in time."""
        found, planned = self.planned()
        told = {"id": self.id, "name": self.name, "was": self.was, "before": [each["host"] for each in found["agents"]]}
        try:
            if self.pings:
                self.pings.start()
                time.sleep(_pings.EVERY)
            after = self._move(found, planned)
            self._until_answered()
        except BaseException as exc:
            given = self._give_back(planned) if self.steps else []
            if isinstance(exc, FaultlineError):
                exc.hint = exc.hint or self._afterwards(given, planned["dead"])
                exc.details = dict(exc.details, steps=self.steps, downtime=self._lost(), pinged=self._pinged())
            raise
        pinged, now = self._pinged(), time.time()
        with contextlib.suppress(FaultlineError):
            self.routers.mark_rebuilt(self.id, now)
            after = dict(after, rebuilt=_marks.stamp(now))
        return dict(
            told, after=[each["host"] for each in after["agents"]], active=after["active"], health=after["health"], reason=after["reason"],
            downtime=self._lost(), pinged=pinged, seconds=round(time.monotonic() - self.begun, 1), steps=self.steps, router=after)

    def _afterwards(self, given, dead):
        """What a failure leaves behind, in words."""
        told = ["It was given back to %s." % " and ".join(sorted(given))] if given else ["Nothing was touched."] if not self.steps else []
        if dead and self.steps:
            told.append("On %s, whose agent is dead, keepalived may go on with it until the agent lives again." % " and ".join(dead))
        return " ".join(told)

    # ---- the steps

    def _move(self, found, planned):
        first, stay = planned["first"], planned["stay"]
        had = [each["host"] for each in found["agents"]]
        for host in first:
            if host in had:
                self._take(host, planned)
            self._give(host, planned)
        if first:
            found = self._until("the L3 agent on %s has it" % " and ".join(first), lambda seen: taken_up(seen, first))
            if any(each["state"] == "active" and each["host"] in planned["take"] for each in found["agents"]):
                time.sleep(max(0, min(SETTLED, self.end - time.monotonic())))
        for host in planned["take"]:
            self._take(host, planned)
        if first and not stay:
            self._until("it is active on %s" % " or ".join(first), lambda seen: seen["active"] in first)
        if stay:
            self.before("configure", "have the L3 agent on %s configure it again" % " and ".join(stay))
            self.routers.patiently(self.end, self.routers.update, self.id)
            self._told("left on %s, which is to configure it again" % " and ".join(stay))
        for host in planned["then"]:
            self._give(host, planned)
        return self._until("it is well", lambda seen: well(seen, first + planned["then"] + stay))

    def _until_answered(self):
        while self.pings and not self.pings.answers:
            if time.monotonic() > self.end:
                raise FaultlineError(
                    "The router %s is well for Neutron, but %s does not answer a ping from here within %g seconds." % (
                        self.name, self.pings.address, self.seconds), code="no_ping_answer")
            time.sleep(PAUSE)

    def _pinged(self):
        """What the pings tell, which end with it; None without any."""
        if not self.pings:
            return None
        self.pings.stop()
        return self.pings.told()

    def _take(self, host, planned):
        self.before("stop", "take it from the L3 agent on %s" % host)
        if self.down_since is None:
            self.up_until = time.monotonic()
        self.routers.patiently(self.end, self.routers.take, planned["ids"][host], self.id)
        self._told("taken from the L3 agent on %s" % host)

    def _give(self, host, planned):
        self.before("boot", "give it to the L3 agent on %s" % host)
        try:
            _done, again = self.routers.patiently(self.end, self.routers.give, planned["ids"][host], self.id)
        except FaultlineError as exc:
            # Neutron waits for the agent's word, after it has written down that the agent has the router
            if not passes(exc) or host not in self._hosts():
                raise
            again = False
        if again:
            # Neutron may have kept the first request without telling the agent
            self.routers.patiently(self.end, self.routers.update, self.id)
        self._told("given to the L3 agent on %s" % host)

    def _hosts(self):
        """The hosts whose agents have it now, as far as can be told."""
        try:
            return [each["host"] for each in self.routers.connection.ask(self.routers.hosting, self.id) or ()]
        except FaultlineError:
            return []

    def _give_back(self, planned):
        """After a failure let those have it that had it and live, and those that were to have it; the hosts that have it now."""
        end, back = time.monotonic() + RESTORE, planned["back"] + planned["first"] + planned["then"]
        given = []
        if not planned["highly"]:
            # it can be in one place
            back = back[:1]
            for host in planned["then"]:
                if host not in back:
                    with contextlib.suppress(FaultlineError):
                        self.routers.patiently(end, self.routers.take, planned["ids"][host], self.id)
        there = self._hosts()
        for host in dict.fromkeys(back):
            if host in there:
                given.append(host)
                continue
            with contextlib.suppress(FaultlineError):
                self.routers.patiently(end, self.routers.give, planned["ids"][host], self.id)
                given.append(host)
        return given

    # ---- looking

    def _see(self):
        found, _again = self.routers.patiently(self.end, self.routers.one, self.id)
        now = time.monotonic()
        if found["health"] == _router.DOWN:
            if self.down_since is None:
                self.down_since = self.up_until
                self._told("down: %s" % found["reason"])
        elif self.down_since is not None:
            self.downtime += now - self.down_since
            self.down_since = None
            self._told("up again, active on %s" % found["active"])
        if self.down_since is None:
            self.up_until = now
        return found

    def _until(self, what, test):
        self.before("check_boot", "wait until %s" % what)
        while True:
            found = self._see()
            if test(found):
                return found
            if time.monotonic() > self.end:
                raise FaultlineError(
                    "The router %s: waited %g seconds in vain until %s; it is %s%s." % (
                        self.name, self.seconds, what, found["health"], ": " + found["reason"] if found["reason"] else ""), code="timeout",
                    details={"router": found})
            time.sleep(PAUSE)

    def _told(self, what):
        self.steps.append({"at": round(time.monotonic() - self.begun, 1), "what": what})

    def _lost(self):
        """Seconds that it was down so far."""
        return round(self.downtime + (time.monotonic() - self.down_since if self.down_since is not None else 0), 1)


def taken_up(found, hosts):
    """Whether agents have made what they were given, as far as the control plane knows."""
    there = [each["host"] for each in found["agents"]]
    return all(host in there for host in hosts) and not any(each["code"] in ("not_taken_up", "ha_port") for each in found["problems"])


def well(found, hosts):
    """Whether a rebuild has reached what it could on these hosts."""
    beyond = _BEYOND if len(hosts) == 1 else ()
    return (
        # Neutron may have given it to another one meanwhile
        {each["host"] for each in found["agents"]}.issuperset(hosts) and not [each for each in found["problems"] if each["code"] not in beyond]
        and (found["active"] in hosts or not found["ha"]))
