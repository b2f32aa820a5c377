# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo as data: small typed steps, each of which can be undone, asked whether its effect still holds, and proven undone.

A step is a dictionary: its type, the words that say what its undo does, and the keys of its type. A step may have a claim: a
word for the thing that it keeps as it is. While another open fault holds the same claim, the thing is left to that fault's undo.

A class of steps has a type (a word) and the static methods undo(step), held(step) (whether the effect is there) and
residue(step) (what is left after the undo, in words, or ''). takes(step) gives the seconds that its undo may take, where that is more than a
moment. undo() may return words for the record's notes: what it left alone, and why. Where the target itself is to fire the fault (see _runner.fire)
it has do(step) as well, and may have prove(step): a dictionary for the record's proof, or FaultlineError. What the effect
needs for as long as it lasts is work(arguments), in a process of its own: `program work TYPE ARGUMENTS...` (see _worker.py).

Each family of faults has its steps in a module of its own, so that a task carries only those that it needs: it registers
them when it is imported, and names in PROGRAM what else its steps use. The runner that arming puts on a host knows the families
of the module that armed it.
"""

from __future__ import annotations

import sys

from ._errors import FaultlineError

STEPS = {}
# What an undo needs and no disk may hold, passwords, by name. Whoever runs undos fills it: the task from its options, the watchers
# from a pipe. It is lost when they die, and heal brings it again.
KEYS = {}
# the argv of the program that the host has of us, once it is installed or runs
program = []


def register(*classes):
    """Make classes of steps known by their type."""
    for cls in classes:
        STEPS[cls.type] = cls


def step(cls, say, claim=None, **keys):
    """The dictionary of one step."""
    made = dict(keys, type=cls.type, say=say)
    if claim:
        made["claim"] = claim
    return made


def needs_libraries():
    """Whether a family of steps uses more than the standard library; it says so by LIBRARIES = True."""
    return any(getattr(family, "LIBRARIES", False) for family in families().values())


def families():
    """The modules that the registered steps come from, and what these use."""
    found = {}
    for name in sorted({cls.__module__ for cls in STEPS.values()}):
        family = sys.modules[name]
        found[name] = family
        found.update((module.__name__, module) for module in family.PROGRAM)
    return found


def known(steps):
    """Whether all of these steps belong to families that this program has."""
    return all(each.get("type") in STEPS for each in steps)


def kind(step):
    """The class that knows this step; an unknown one is an error, never skipped."""
    try:
        return STEPS[step["type"]]
    except KeyError:
        raise FaultlineError(
            "The journal holds a step of the unknown type %r." % step.get("type"), code="unknown_step",
            hint="It was written by another version of faultline; undo with that version.",
        ) from None


def do(steps):
    """Do what these steps will undo, in order."""
    for each in steps:
        kind(each).do(each)


def prove(steps):
    """What proves that these steps are done, from each that has a proof of its own; FaultlineError (unproven)."""
    proof = {}
    for each in steps:
        cls = kind(each)
        if hasattr(cls, "prove"):
            proof.update(cls.prove(each))
        elif not cls.held(each):
            raise FaultlineError("The effect that is undone by '%s' is not there." % each["say"], code="unproven")
    return proof


# seconds that the undo of a step takes at most which does not say: it asks a program or two that know the answer
_MOMENT = 10


def undo_takes(steps):
    """The seconds that the undo of these steps may take, one after the other."""
    classes = [(STEPS.get(each["type"]), each) for each in steps]
    return sum(cls.takes(each) if hasattr(cls, "takes") else _MOMENT for cls, each in classes)


def describe(step):
    """A step in words, for plans and people."""
    return step["say"]
