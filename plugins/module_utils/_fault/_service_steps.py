# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of faults of services, as steps (see _steps.py)."""

from __future__ import annotations

import signal

from . import _nft, _proc, _steps, _systemd
from ._exec import run

PROGRAM = (_nft, _proc, _systemd)
# seconds that what is undone may take to show it. The other steps of the undo wait meanwhile, and an undo that shows nothing is told and
# tried again: so it is no longer than a host that stands still for a while needs
_SETTLE = 60


class Continue:
    """Let a stopped process run again: {process: {pid, start, comm}}."""

    type = "continue"

    @classmethod
    def make(cls, process):
        return _steps.step(
            cls, "continue %s" % process, claim="stopped:%d:%d" % (process.pid, process.start), process=process.as_dict())

    @staticmethod
    def undo(step):
        process = _proc.Process.from_dict(step["process"])
        if process.state in ("T", "t"):
            process.send(signal.SIGCONT)
            _proc.wait_until(lambda: process.state not in ("T", "t"), _SETTLE)

    @staticmethod
    def held(step):
        return _proc.Process.from_dict(step["process"]).state in ("T", "t")

    @staticmethod
    def residue(step):
        process = _proc.Process.from_dict(step["process"])
        return "%s is still stopped" % process if process.state in ("T", "t") else ""


class StartUnit:
    """Start a unit that was active: {unit}."""

    type = "start_unit"

    @classmethod
    def make(cls, unit):
        return _steps.step(cls, "start %s" % unit, claim="down:" + unit, unit=unit)

    @staticmethod
    def do(step):
        _systemd.stop([step["unit"]])

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

    type = "delete_table"

    @classmethod
    def make(cls, table):
        return _steps.step(cls, "delete nftables table inet %s" % table, table=table)

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

    type = "run"

    @classmethod
    def make(cls, argv, grep, claim):
        return _steps.step(cls, "run: %s" % " ".join(argv), claim=claim, argv=argv, grep=grep)

    @staticmethod
    def undo(step):
        if not _proc.matching(step["grep"]):
            launch(step["argv"])
            _proc.wait_until(lambda: _proc.matching(step["grep"]), _SETTLE, pause=0.1)

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


_steps.register(Continue, StartUnit, DeleteTable, Run)
