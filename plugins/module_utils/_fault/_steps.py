# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo as data: small typed steps, each of which can be undone, asked whether its effect still holds, and proven undone.

A step is a dictionary with a type of STEPS and that type's keys. A step may have a claim: a word for the thing that it
keeps as it is. While another open fault holds the same claim, the thing is left to that fault's undo.
"""

from __future__ import annotations

import signal

from . import _nft, _proc, _systemd
from ._errors import FaultlineError
from ._exec import run


class Continue:
    """Let a stopped process run again: {process: {pid, start, comm}}."""

    @staticmethod
    def make(process):
        return {"type": "continue", "process": process.as_dict(), "claim": "stopped:%d:%d" % (process.pid, process.start)}

    @staticmethod
    def undo(step):
        process = _proc.Process.from_dict(step["process"])
        if process.state in ("T", "t"):
            process.send(signal.SIGCONT)
            _proc.wait_until(lambda: process.state not in ("T", "t"), 2)

    @staticmethod
    def held(step):
        return _proc.Process.from_dict(step["process"]).state in ("T", "t")

    @staticmethod
    def residue(step):
        process = _proc.Process.from_dict(step["process"])
        return "%s is still stopped" % process if process.state in ("T", "t") else ""


class StartUnit:
    """Start a unit that was active: {unit}."""

    @staticmethod
    def make(unit):
        return {"type": "start_unit", "unit": unit, "claim": "down:" + unit}

    @staticmethod
    def undo(step):
        if not _systemd.show([step["unit"]])[0].active:
            _systemd.start([step["unit"]])

    @staticmethod
    def held(step):
        return not _systemd.show([step["unit"]])[0].up

    @staticmethod
    def residue(step):
        return "" if _systemd.show([step["unit"]])[0].active else _systemd.last_words(step["unit"])


class DeleteTable:
    """Delete an nftables table of our own: {table}."""

    @staticmethod
    def make(table):
        return {"type": "delete_table", "table": table}

    @staticmethod
    def undo(step):
        _nft.delete(step["table"])

    @staticmethod
    def held(step):
        return _nft.exists(step["table"])

    @staticmethod
    def residue(step):
        return "nftables table inet %s is still there" % step["table"] if _nft.exists(step["table"]) else ""


class Run:
    """Run a program and see that a process is there afterwards: {argv, grep}."""

    @staticmethod
    def make(argv, grep, claim):
        return {"type": "run", "argv": argv, "grep": grep, "claim": claim}

    @staticmethod
    def undo(step):
        if not _proc.matching(step["grep"]):
            launch(step["argv"])
            _proc.wait_until(lambda: _proc.matching(step["grep"]), 30, pause=0.1)

    @staticmethod
    def held(step):
        return not _proc.matching(step["grep"])

    @staticmethod
    def residue(step):
        return "" if _proc.matching(step["grep"]) else "no process matches '%s'" % step["grep"]


def launch(argv):
    """Run a command that may leave a service behind: outside of our own control group, which ends with us."""
    if _systemd.booted():
        argv = ["systemd-run", "--quiet", "--scope", "--collect", "--"] + argv
    run(argv, timeout=_systemd.START_TIMEOUT)


STEPS = {"continue": Continue, "start_unit": StartUnit, "delete_table": DeleteTable, "run": Run}


def kind(step):
    """The class that knows this step; an unknown one is an error, never skipped."""
    try:
        return STEPS[step["type"]]
    except KeyError:
        raise FaultlineError(
            "The journal holds a step of the unknown type %r." % step.get("type"), code="unknown_step",
            hint="It was written by another version of faultline; undo with that version.",
        ) from None


def describe(step):
    """A step in words, for plans and people."""
    name = step["type"]
    if name == "continue":
        return "continue %s" % _proc.Process.from_dict(step["process"])
    if name == "start_unit":
        return "start %s" % step["unit"]
    if name == "delete_table":
        return "delete nftables table inet %s" % step["table"]
    return "run: %s" % " ".join(step["argv"])
