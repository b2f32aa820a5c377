# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine of a router walked step by step, each shown before it is done: python -m ..._router_step --cloud lab --router web.

The playbook router_step starts it on the terminal of ansible-playbook, with the login as JSON on a file descriptor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import textwrap
import time

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._ha import _cloud
from ..module_utils._router import _claim, _machine, _memory, _router, _routers, _walk

_KEYS = "Enter: do it   s: leave it out   i: all that is known   q: quit"
_HEAD = "Each step of the machine is shown before it is done. What is left out or quit in the middle of a rebuild gives the router back to its agents."
_WIDTH = 120


class Quit(Exception):
    """The person has seen enough."""


class Stepper:
    """What is shown before each step, asked, and written down.

    ask: a function of a prompt to an answer, None where nobody is asked; show: takes lines; record: a stream that gets a line of JSON for each step, or None.
    """

    def __init__(self, ask, show, record=None):
        self.ask, self.show, self.record, self.number = ask, show, record, 0

    def before(self, moment):
        """As Walk calls it: returns to have the step done, raises Skip or Quit."""
        self.number += 1
        for line in shown(self.number, moment):
            self.show(line)
        answer = self._answer(moment)
        self._write(moment, answer)
        if answer == "skip":
            raise _walk.Skip
        if answer == "quit":
            raise Quit

    def _answer(self, moment):
        while self.ask:
            try:
                word = self.ask(f"    {_KEYS} > ").strip().lower()
            except (EOFError, KeyboardInterrupt):
                word = "q"
            if word in ("", "y", "s", "q"):
                return {"s": "skip", "q": "quit"}.get(word, "do")
            if word == "i":
                self.show(json.dumps({"router": moment.router, "memory": moment.memory}, indent=2, sort_keys=True))
        return "do"

    def _write(self, moment, answer):
        decision = moment.decision
        self.told({
            "step": self.number, "state": moment.state, "event": moment.event, "health": moment.router and moment.router["health"],
            "reason": moment.router and moment.router["reason"], "agents": moment.router and moment.router["agents"],
            "memory": {name: value for name, value in moment.memory.items() if name != "history"}, "why": moment.words,
            "next": decision and decision.state, "effect": decision and decision.effect, "answer": answer})

    def told(self, facts):
        """A line of the record."""
        if self.record:
            self.record.write(json.dumps({"at": round(time.time(), 3), **facts}, sort_keys=True) + "\n")
            self.record.flush()


def shown(number, moment):
    """The lines that tell of a step before it is done."""
    router, memory = moment.router, moment.memory
    lines = ["", f"[{number}] {moment.state}   event {moment.event}"]

    def line(name, text):
        lines.extend(textwrap.wrap(text, _WIDTH, initial_indent=f"    {name:<10}", subsequent_indent=" " * 14, break_on_hyphens=False) or [])

    if moment.decision is None:
        line("step", moment.words)
        return lines
    if router:
        line("health", router["health"] + (": " + router["reason"] if router["reason"] else ""))
        cells = dict(zip(_router.COLUMNS, _router.cells(router), strict=True))
        line("agents", cells["agents"] + (f"; could take it too: {' '.join(router['spare'])}" if router["spare"] else ""))
        line("ports", f"gateway {cells['gateway']}, interfaces {cells['interfaces']}")
    line("remembers", remembered(memory, time.time()))
    line("decides", f"{moment.decision.state}, as {moment.words}")
    line("does", EFFECTS[moment.decision.effect])
    return lines


EFFECTS = {
    None: "nothing", _machine.PUSH: "has Neutron tell the L3 agents to configure it again", _machine.GIVE: "gives it to one L3 agent more",
    _machine.MOVE: "makes it anew: takes it from L3 agents and gives it to live ones, step by step", _machine.FORGET: "forgets it"}


def remembered(memory, now):
    """What a machine remembers, in words."""
    told = [memory["state"]]
    if memory["sick_since"]:
        told.append(f"not well for {_router.duration(int(now - memory['sick_since']))}")
    if memory["configured"]:
        told.append(f"configured again {_router.duration(int(now - memory['configured']))} ago")
    if memory["rebuilds"]:
        told.append(f"rebuilt {len(memory['rebuilds'])} times, the last {_router.duration(int(now - memory['rebuilds'][-1]))} ago")
    if memory["not_before"] and memory["not_before"] > now:
        told.append(f"does nothing by itself for another {_router.duration(int(memory['not_before'] - now))}")
    if memory["ignored"]:
        told.append(f"left alone {memory['ignored']['count']} times")
    return ", ".join(told + ([f"gave up: {memory['error']}"] if memory["error"] else []))


def walk(login, given, stepper):
    """Walk one router; what Walk.run returns. FaultlineError: not_found, ambiguous, not_in_debug."""
    routers = _routers.Routers(_cloud.Connection(login))
    found = _router.chosen(routers.described(), [given.router])
    if len(found) != 1:
        raise FaultlineError(f"{given.router} stands for {len(found)} routers; one is walked at a time.", code="ambiguous", hint="Give its id or name.")
    router = routers.one(found[0]["id"])
    if not router["debug"] and not given.force:
        raise FaultlineError(
            f"The router {router['name'] or router['id']} is not in debug: the orchestrator may act on it meanwhile.", code="not_in_debug",
            hint="Put it in debug first, by os_router with action debug, or say force.")
    # the orchestrator's machine is not to know what a person tries
    with tempfile.TemporaryDirectory(prefix="faultline-") as folder:
        memory = _memory.Memory(folder)
        memory.save(_memory.Memory(given.state_dir).load(router["id"]))
        walker = _walk.Walk(
            routers, memory, _claim.own_name(), _machine.LIMITS._replace(patience=0), seconds=given.timeout, despite=True, before=stepper.before)
        return walker.run(router["id"], router, given.event)


def main(arguments=None):
    """The program; its exit status."""
    parser = argparse.ArgumentParser(prog="router_step", description="Walk the state machine of a router step by step.")
    parser.add_argument("--cloud", help="a name of clouds.yaml; without it the variables OS_* of the shell")
    parser.add_argument("--router", required=True, help="its id, the beginning of its id, or its name")
    parser.add_argument("--event", default=_machine.UPDATE, choices=_machine.EVENTS, help="what happens to it (update)")
    parser.add_argument("--record", help="a file that gets each step as a line of JSON")
    parser.add_argument("--state-dir", help="where the machines remember, as for os_router_machine; it is only read")
    parser.add_argument("--timeout", type=float, default=180, help="seconds that a rebuild may take (180)")
    parser.add_argument("--force", action="store_true", help="also a router that is not in debug")
    parser.add_argument("--yes", action="store_true", help="ask nobody, do each step")
    parser.add_argument("--login-fd", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    login = dict.fromkeys(_cloud.arguments())
    if given.login_fd is not None:
        with os.fdopen(given.login_fd, encoding="utf-8") as stream:
            login.update(json.load(stream))
    if given.cloud:
        login["cloud"] = given.cloud
    try:
        if not given.yes and not sys.stdin.isatty():
            raise FaultlineError("There is no terminal to ask on.", code="no_terminal", hint="--yes does each step without a question.")
        with _record(given.record) as record:
            return _walked(login, given, Stepper(None if given.yes else input, print, record))
    except FaultlineError as exc:
        print(exc.text, file=sys.stderr)
        return 1


def _record(path):
    try:
        return open(path or os.devnull, "a", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))
    except OSError as exc:
        raise FaultlineError(f"The record {path} cannot be written: {exc.strerror}.", code="bad_option") from exc


def _walked(login, given, stepper):
    print(_HEAD)
    try:
        told = walk(login, given, stepper)
    except Quit:
        stepper.told({"end": "quit"})
        print("\nQuit. What was done so far stays.")
        return 0
    for step in told["steps"]:
        if step["outcome"]:
            print(f"\n{step['effect'] or step['state']}: {step['outcome']}")
    print(f"\nThe machine rests: {told['state']}, as {told['why']}")
    stepper.told({"end": told["state"], "why": told["why"], "steps": told["steps"]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
