# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the machine of a router decides, from what it sees, what happened and what it remembers."""

from __future__ import annotations

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._router import _machine
from hypothesis import given
from hypothesis import strategies as st

ID = "00000001-0000-0000-0000-000000000000"
NOW = 1_800_000_000.0
LIMITS = _machine.Limits(patience=20, settle=30, rebuilds=3, window=3600, backoff=60, longest=900)
LONG = {"sick_since": NOW - 100}
CODES = sorted({*_machine._ANOTHER_AGENT, *_machine._CONFIGURATION, *_machine._NEW, "admin_state", "not_probed"})


def agents(*words):
    """Agents of words as net1, net2! (dead)."""
    return [{"host": each.rstrip("!"), "alive": not each.endswith("!")} for each in words]


def router(*codes, health=None, debug=None, spare=(), on=("net1", "net2"), silent=()):
    problems = [{"level": "degraded", "code": code, "text": code} for code in codes]
    problems += [{"level": "degraded", "code": "not_probed", "text": host, "host": host} for host in silent]
    return {
        "id": ID, "name": "web", "health": health or ("degraded" if problems else "ok"), "reason": "; ".join(each["text"] for each in problems),
        "problems": problems, "debug": debug, "spare": list(spare), "agents": agents(*on), "rebuilt": None}


def decided(found, event="poll", **memory):
    """The last decision before anything is done."""
    return _machine.preview({**_machine.fresh(ID), **memory}, event, found, LIMITS, NOW)[-1]


@pytest.mark.parametrize(("found", "event", "memory", "state", "effect", "why"), [
    # nothing to do
    (router(), "poll", {}, "alive", None, "it is well"),
    (router(), "create", {}, "alive", None, "it is well"),
    (router(), "delete", {}, "alive", None, "it is well"),
    # gone
    (None, "delete", {}, "exit", "forget", "the router is gone"),
    (None, "rebuild", LONG, "exit", "forget", "the router is gone"),
    # asked for
    (router(), "update", {}, "configure", "push", "an update was asked for"),
    (router("alone"), "update", {"error": "x"}, "configure", "push", "an update was asked for"),
    (router(), "rebuild", {}, "check_boot", "move", "a rebuild was asked for"),
    (router("unhosted"), "rebuild", {"error": "x", "rebuilds": [NOW - 1] * 9, "not_before": NOW + 9}, "check_boot", "move", "a rebuild was asked for"),
    # in debug nothing is done, whatever was asked for
    (router("dead", debug={"by": "router", "reason": "its NAT"}), "rebuild", LONG, "ignored", None, "in debug by a mark of the router: its NAT"),
    (router(debug={"by": "project", "reason": ""}), "update", {}, "ignored", None, "in debug by a mark of the project"),
    (router(debug={"by": "global", "reason": "storm"}), "poll", {}, "ignored", None, "in debug by a mark of the whole cloud: storm"),
    # not before it has lasted
    (router("unhosted", spare=["net1"], on=()), "poll", {"sick_since": NOW - 19.9}, "wait", None,
     "it is degraded: unhosted; nothing is done before it has been so for 20 s"),
    (router("unhosted", spare=["net1"], on=()), "poll", {}, "wait", None, "it is degraded: unhosted; nothing is done before it has been so for 20 s"),
    (router("unhosted", spare=["net1"], on=()), "poll", LONG, "check_boot", "move", "it is degraded: unhosted"),
    # nor soon after the last time
    (router("split"), "poll", {**LONG, "not_before": NOW + 5}, "wait", None, "it is degraded: split; nothing more is done before 2027-01-15T08:00:05Z"),
    (router("split"), "poll", {**LONG, "not_before": NOW}, "check_boot", "move", "it is degraded: split"),
    # nor for ever
    (router("split"), "poll", {**LONG, "rebuilds": [NOW - 3000, NOW - 2000, NOW - 1000]}, "error", None,
     "it was rebuilt 3 times within 1h, and it is degraded: split"),
    (router("split"), "poll", {**LONG, "rebuilds": [NOW - 3601, NOW - 2000, NOW - 1000]}, "check_boot", "move", "it is degraded: split"),
    (router("split"), "poll", {**LONG, "error": "given up", "rebuilds": [NOW - 9]}, "error", None, "given up"),
    (router("split"), "poll", {**LONG, "error": "given up", "rebuilds": [NOW - 3601]}, "check_boot", "move", "it is degraded: split"),
    (router(), "poll", {"error": "given up", "rebuilds": [NOW - 9] * 3}, "alive", None, "it is well"),
    # the configuration first, then anew
    (router("elsewhere"), "poll", LONG, "configure", "push", "it is degraded: elsewhere"),
    (router("elsewhere"), "poll", {**LONG, "configured": NOW - 40}, "check_boot", "move",
     "it is degraded: elsewhere, although its configuration was pushed again"),
    (router("gateway_silent"), "poll", LONG, "configure", "push", "it is degraded: gateway_silent"),
    (router("gateway_silent"), "poll", {**LONG, "configured": NOW - 40}, "wait", None,
     "it is degraded: gateway_silent, although its configuration was pushed again; a rebuild would not help"),
    (router("gateway_silent", "lacking"), "poll", {**LONG, "configured": NOW - 40}, "check_boot", "move",
     "it is degraded: gateway_silent; lacking, although its configuration was pushed again"),
    # agents that are dead
    (router("dead", on=["net1!", "net2!"], spare=["net3"]), "poll", LONG, "check_boot", "move", "it is degraded: dead"),
    (router("dead", on=["net1!", "net2!"]), "poll", LONG, "wait", None, "it is degraded: dead; no other live L3 agent could take it"),
    (router("active_on_dead", on=["net1!", "net2"]), "poll", LONG, "check_boot", "move", "it is degraded: active_on_dead"),
    (router("dead_agent", on=["net1!", "net2"], spare=["net3"]), "poll", LONG, "check_boot", "move", "it is degraded: dead_agent"),
    # an agent that is dead on a node that lives goes on serving
    (router("dead_agent", on=["net1!", "net2"]), "poll", LONG, "wait", None, "it is degraded: dead_agent; no other live L3 agent could take it"),
    (router("dead_agent", on=["net1!", "net2"], silent=["net1"]), "poll", LONG, "check_boot", "move", "it is degraded: dead_agent; net1"),
    (router("dead_agent", on=["net1!", "net2"], silent=["net2"]), "poll", LONG, "wait", None,
     "it is degraded: dead_agent; net2; no other live L3 agent could take it"),
    # one more agent
    (router("alone", on=["net1"], spare=["net2"]), "poll", LONG, "replug", "give", "it is degraded: alone"),
    (router("alone", on=["net1"]), "poll", LONG, "wait", None, "it is degraded: alone; there is no other live L3 agent"),
    (router("alone", "not_taken_up", on=["net1"], spare=["net2"]), "poll", LONG, "configure", "push", "it is degraded: alone; not_taken_up"),
    # what it cannot mend
    (router("admin_state", health="down"), "poll", LONG, "wait", None, "it is switched off"),
    (router(silent=["net1"]), "poll", LONG, "wait", None, "it is degraded: net1; nothing that is done to the router would help"),
])
def test_what_is_done_next(found, event, memory, state, effect, why):
    assert tuple(decided(found, event, **memory)) == (state, effect, why)


def test_the_way_to_a_decision_is_told():
    told = _machine.preview({**_machine.fresh(ID), "ignored": {"count": 3, "since": NOW - 60, "event": "poll"}}, "poll", router(), LIMITS, NOW)
    assert [(each.state, each.why) for each in told] == [("alive", "back from debug, where it was left alone 3 times: it is ok"), ("alive", "it is well")]
    told = _machine.preview({**_machine.fresh(ID), **LONG, "error": "given up"}, "poll", router("split"), LIMITS, NOW)
    assert [(each.state, each.why) for each in told] == [("alive", "the error is over: it is degraded: split"), ("check_boot", "it is degraded: split")]


@pytest.mark.parametrize(("state", "why"), [
    ("configure", "its agents were told"), ("replug", "it has an agent more"), ("check_boot", "it was made anew")])
def test_after_an_effect_it_is_looked_at_again(state, why):
    decision = _machine.decide(state, _machine.fresh(ID), "rebuild", router(), LIMITS, NOW)
    assert tuple(decision) == ("alive", None, why) and not _machine.rests(state, decision)


def test_what_is_seen_is_remembered_from_when_it_began():
    memory = _machine.observed(_machine.fresh(ID), router("split"), NOW)
    memory = _machine.observed(memory, router("alone"), NOW + 50)
    assert (memory["sick_since"], memory["health"], memory["reason"]) == (NOW, "degraded", "alone")
    memory = _machine.pushed(memory, LIMITS, NOW + 60)
    assert (memory["configured"], memory["not_before"]) == (NOW + 60, NOW + 90)
    memory = _machine.observed(memory, router(), NOW + 70)
    assert (memory["sick_since"], memory["configured"], memory["health"]) == (None, None, "ok")


def test_each_rebuild_puts_the_next_one_farther_off():
    memory, seen = _machine.fresh(ID), []
    for number in range(6):
        memory = _machine.moved(memory, LIMITS, NOW + number)
        seen.append(memory["not_before"] - NOW - number)
    assert seen == [60, 120, 240, 480, 900, 900]
    memory = _machine.moved(memory, LIMITS, NOW + 4000)
    assert memory["rebuilds"] == [NOW + 4000] and memory["not_before"] == NOW + 4060


def test_what_was_ignored_is_counted_and_caught_up_with_once():
    memory = _machine.fresh(ID)
    for number, event in enumerate(("update", "poll", "rebuild")):
        memory = _machine.ignoring(memory, event, NOW + number)
        memory = _machine.entered(memory, _machine.Decision("ignored", None, "in debug"), NOW + number)
    assert memory["ignored"] == {"count": 3, "since": NOW, "event": "rebuild"} and (memory["state"], memory["since"]) == ("ignored", NOW)
    memory = _machine.entered(memory, decided(router(), **memory), NOW + 9)
    assert memory["ignored"] is None and (memory["state"], memory["since"], memory["why"]) == ("alive", NOW + 9, "it is well")


def test_an_error_stays_until_it_is_over():
    memory = _machine.entered(_machine.fresh(ID), _machine.Decision("error", None, "too often"), NOW)
    memory = _machine.entered(memory, _machine.Decision("ignored", None, "in debug"), NOW)
    memory = _machine.entered(memory, _machine.Decision("error", None, "once more"), NOW)
    assert memory["error"] == "too often"
    assert _machine.entered(memory, _machine.Decision("alive", None, "well"), NOW)["error"] is None


@given(
    st.lists(st.sampled_from(CODES), max_size=4), st.sampled_from(_machine.EVENTS), st.booleans(), st.booleans(), st.booleans(),
    st.lists(st.integers(0, 4000), max_size=5), st.integers(0, 100) | st.none(), st.integers(-50, 50) | st.none(), st.sampled_from([None, "given up"]))
def test_whatever_happens_it_comes_to_an_end_and_keeps_its_limits(codes, event, debug, spare, configured, rebuilds, sick, later, error):
    found = router(*codes, debug={"by": "router", "reason": ""} if debug else None, spare=["net3"] * spare)
    memory = {
        **_machine.fresh(ID), "configured": NOW - 50 if configured else None, "rebuilds": [NOW - each for each in rebuilds], "error": error,
        "sick_since": None if sick is None else NOW - sick, "not_before": None if later is None else NOW + later}
    told = _machine.preview(memory, event, found, LIMITS, NOW)
    last = told[-1]
    assert len(told) <= 3 and last.why
    if last.effect:
        assert not debug
        if event not in ("update", "rebuild"):
            assert found["problems"] and sick is not None and sick >= LIMITS.patience and (later is None or later <= 0)
            assert last.effect != "move" or len([each for each in rebuilds if each < LIMITS.window]) < LIMITS.rebuilds
