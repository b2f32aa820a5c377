# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine of a router at work: it looks, decides, does, remembers, until there is nothing more to do."""

from __future__ import annotations

import time

from .._fault._errors import FaultlineError
from . import _claim, _data_plane, _machine, _memory, _rebuild, _router

# decisions of one walk; there are fewer in any that makes sense
_MOST = 12
_PAUSE = 1.0
# failures that say nothing of the router
_NOT_ITS_OWN = ("no_answer", "bad_credentials", "no_credentials", "claimed", "forbidden")


class Skip(Exception):
    """Raised by the function before() of a Walk: the step is left out."""


class Walk:
    """One event of one router.

    routers: a Routers that has described(); memory: a Memory; owner: who claims the router; limits: of the machine; probed: what its nodes told, as
    _data_plane takes it, or None; seconds: that a rebuild may take; despite: whatever the router's debug; before: called with a Moment before anything is
    done.
    """

    def __init__(self, routers, memory, owner, limits=_machine.LIMITS, probed=None, seconds=180, despite=False, before=None):
        self.routers, self.store, self.owner, self.limits, self.probed, self.seconds = routers, memory, owner, limits, probed, seconds
        self.despite, self.before = despite, before or (lambda moment: None)
        self.steps = []

    def run(self, router_id, router, event):
        """Walk. router: described, or None when it is gone. {id, name, state, why, health, reason, steps, changed, rebuild}; state is busy where another
        process is at it."""
        told = {"id": router_id, "name": (router or {}).get("name", ""), "changed": False, "rebuild": None}
        with self.store.held(router_id) as mine:
            if not mine:
                return dict(told, state="busy", why="it is being worked on", health=(router or {}).get("health"), reason=(router or {}).get("reason"), steps=[])
            walked = _Walked(self, router_id, event, router)
            try:
                walked.go()
            finally:
                walked.remember()
            return dict(
                told, changed=walked.changed, rebuild=walked.rebuild, state=walked.memory["state"], why=walked.memory["why"], health=walked.memory["health"],
                reason=walked.memory["reason"], steps=walked.steps)

    def check(self, router_id, router, event):
        """As run, but nothing is done and nothing remembered: the steps are those up to the first that has an effect."""
        now, memory = time.time(), self.store.load(router_id)
        router = looked_at(router, self.probed, self.despite)
        memory = _machine.observed(memory, router, now) if router else memory
        found = _machine.preview(memory, event, router, self.limits, now)
        steps = [{"state": one, "next": each.state, "why": each.why, "effect": each.effect, "outcome": None}
                 for one, each in zip([_machine.CALCULATE] + [each.state for each in found], found)]
        return {
            "id": router_id, "name": (router or {}).get("name", ""), "changed": bool(found[-1].effect), "rebuild": None, "state": found[-1].state,
            "why": found[-1].why, "health": (router or {}).get("health"), "reason": (router or {}).get("reason"), "steps": steps}


class Moment:
    """What is about to be done: in state, for event, with router and memory as they are, words of it; decision where it is one of the machine's."""

    def __init__(self, state, event, router, memory, words, decision=None):
        self.state, self.event, self.router, self.memory, self.words, self.decision = state, event, router, memory, words, decision


def looked_at(router, probed=None, despite=False):
    """A described router as the machine takes it: judged by both planes, and out of debug where that is not to count."""
    if router is None:
        return None
    judged = _data_plane.judged(router, probed) if probed is not None else {}
    return dict(router, debug=None if despite else router["debug"], **judged)


class _Walked:
    def __init__(self, walk, router_id, event, router):
        self.walk, self.id, self.event = walk, router_id, event
        self.memory = walk.store.load(router_id)
        self.router = looked_at(router, walk.probed, walk.despite)
        self.steps, self.changed, self.rebuild, self.gone = [], False, None, False

    def go(self):
        now = time.time()
        if self.router:
            self.memory = _machine.observed(self.memory, self.router, now)
            if self.router["debug"]:
                self.memory = _machine.ignoring(self.memory, self.event, now)
        state = _machine.CALCULATE
        for _each in range(_MOST):
            decision = _machine.decide(state, self.memory, self.event, self.router, self.walk.limits, time.time())
            decision, outcome = self._do(state, decision)
            self.memory = _machine.entered(self.memory, decision, time.time())
            self._note(state, decision, outcome)
            if self.gone or _machine.rests(state, decision):
                return
            state = decision.state

    def remember(self):
        if self.gone:
            self.walk.store.forget(self.id)
        else:
            self.walk.store.save(self.memory)

    def _note(self, state, decision, outcome):
        self.memory = _memory.noted(self.memory, state, self.event, decision, outcome)
        self.steps.append(self.memory["history"][-1])

    def _do(self, state, decision):
        """(the decision that holds once it was carried out, how that went)."""
        try:
            self.walk.before(Moment(state, self.event, self.router, self.memory, decision.why, decision))
        except Skip:
            return _machine.Decision(_machine.WAIT, None, "left out: " + decision.why), "left out"
        if decision.effect is None:
            return decision, None
        if decision.effect == _machine.FORGET:
            self.gone = True
            return decision, "forgotten"
        try:
            with _claim.claimed(self.walk.routers, self.id, self.walk.owner, self.walk.seconds + _claim.SPARE):
                instead = self._overtaken(state)
                if instead:
                    return instead, "not done"
                self.changed = True
                outcome = self._push() if decision.effect == _machine.PUSH else self._move(decision)
        except Skip:
            return _machine.Decision(_machine.WAIT, None, "left in the middle: " + decision.why), "left in the middle"
        except FaultlineError as exc:
            return self._failed(decision, exc)
        return decision, outcome

    def _overtaken(self, state):
        """The Decision that holds instead, where somebody has put the router in debug or rebuilt it since the look that this one comes from; or None."""
        now = looked_at(self.walk.routers.one_with_marks(self.id), None, self.walk.despite)
        if now["debug"]:
            self.router, self.memory = now, _machine.ignoring(self.memory, self.event, time.time())
            return _machine.decide(state, self.memory, self.event, now, self.walk.limits, time.time())
        if self.event != _machine.REBUILD and now["rebuilt"] != self.router["rebuilt"]:
            return _machine.Decision(_machine.WAIT, None, "somebody else has rebuilt it meanwhile")
        return None

    def _failed(self, decision, exc):
        now = time.time()
        if decision.effect == _machine.MOVE and exc.code not in _NOT_ITS_OWN:
            self.memory = _machine.moved(self.memory, self.walk.limits, now)
        else:
            self.memory = dict(self.memory, not_before=now + self.walk.limits.settle)
        return _machine.Decision(_machine.WAIT, None, exc.message), "failed: %s" % exc.code

    # ---- effects

    def _shown(self, state, words):
        """Before each step of an effect: whoever looks sees how far it is."""
        self.walk.before(Moment(state, self.event, self.router, self.memory, words))
        self.memory = dict(self.memory, state=state, why=words, since=time.time())
        self.walk.store.save(self.memory)

    def _push(self):
        agents = " and ".join(each["host"] for each in self.router["agents"] if each["alive"] is not False) or "no node"
        self._shown(_machine.CONFIGURE, "have Neutron tell the L3 agents on %s to configure it again" % agents)
        self.walk.routers.patiently(time.monotonic() + self.walk.seconds, self.walk.routers.update, self.id)
        self.memory = _machine.pushed(self.memory, self.walk.limits, time.time())
        end = time.monotonic() + self.walk.limits.settle
        while True:
            self._look()
            if self.router["health"] == _router.OK or time.monotonic() > end:
                return "the L3 agents on %s were told" % agents
            time.sleep(_PAUSE)

    def _move(self, decision):
        rebuild = _rebuild.Rebuild(self.walk.routers, self.router, None, self.walk.seconds, self._shown)
        told = rebuild.run()
        self.rebuild = {name: value for name, value in told.items() if name != "router"}
        if decision.effect == _machine.MOVE:
            self.memory = _machine.moved(self.memory, self.walk.limits, time.time())
        self._look()
        return "on %s after %g s, of which it was down for %g s" % (" and ".join(told["after"]), told["seconds"], told["downtime"])

    def _look(self):
        """See it again, as the control plane does: what its nodes told is old by now."""
        found, _again = self.walk.routers.patiently(time.monotonic() + self.walk.seconds, self.walk.routers.one, self.id)
        self.router = looked_at(found, None, self.walk.despite)
        self.memory = dict(self.memory, health=found["health"], reason=found["reason"])
