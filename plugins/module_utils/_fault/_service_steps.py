# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of faults of services, as steps (see _steps.py)."""

from __future__ import annotations

import signal

from . import _journal, _namespaces, _proc, _steps, _systemd, _table_steps

PROGRAM = (_table_steps, *_table_steps.PROGRAM, _proc, _systemd)
# seconds that what is undone may take to show it. The other steps of the undo wait meanwhile, and an undo that shows nothing is told and
# tried again: so it is no longer than a host that stands still for a while needs
_SETTLE = 60
# seconds that the stop of a service may take which no unit runs, where its definition does not say: DevStack allows as long
STOP_TIMEOUT = 300


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
    def takes(step):
        return _systemd.START_TIMEOUT + _SETTLE

    @staticmethod
    def do(step):
        _systemd.stop([step["unit"]])

    @staticmethod
    def undo(step):
        if not _systemd.show([step["unit"]])[0].stays:
            _systemd.start([step["unit"]])

    @staticmethod
    def held(step):
        return not _systemd.show([step["unit"]])[0].up

    @staticmethod
    def residue(step):
        return "" if _systemd.show([step["unit"]])[0].active else _systemd.last_words(step["unit"])


class DeleteTable(_table_steps.OwnTable):
    """Delete an nftables table of our own: {table}; with {namespace, place}, in another network namespace than that of this host.

    namespace: (device, inode) of its file; place: its name for people.
    """

    type = "delete_table"

    @classmethod
    def make(cls, table, namespace=None, place=""):
        keys = {"namespace": list(namespace), "place": place} if namespace else {}
        return _steps.step(cls, "delete nftables table inet %s%s" % (table, " in " + place if place else ""), table=table, **keys)

    @staticmethod
    def entrance(step):
        return _namespaces.entrance(step.get("namespace"))

    @staticmethod
    def place(step):
        return step.get("place") or ("the network namespace of the service" if step.get("namespace") else "")


class Run:
    """Run a command, and see that a process has come: {argv, grep, timeout, stopping}. timeout: seconds that the command may take.

    stopping, of its stop: meant, the processes that were there before; told, when they were told to stop, in ticks of the clock that processes are
    dated by since boot, or None; by_signal, whether that was a SIGTERM of ours; refused, whether what was to stop them has failed; limit, seconds
    that they may take to go even so.
    """

    type = "run"

    @classmethod
    def make(cls, argv, grep, claim, meant=(), timeout=_systemd.START_TIMEOUT, by_signal=False, stop_timeout=STOP_TIMEOUT):
        return _steps.step(
            cls, "run: %s" % " ".join(argv), claim=claim, argv=argv, grep=grep, timeout=timeout, stopping={
                "meant": [process.as_dict() for process in meant], "told": None, "boot": _journal.boot(), "by_signal": by_signal, "refused": False,
                "limit": stop_timeout})

    @classmethod
    def told(cls, steps):
        """Note in steps that the stop of their service begins; whether there was anything to note."""
        return cls._note(steps, "told", _proc.ticks())

    @classmethod
    def refused(cls, steps, untold=False):
        """Note in steps that what was to stop their service has failed; whether there was anything to note. untold: nobody can have heard of it."""
        return cls._note(steps, "refused", True, **({"limit": 0} if untold else {}))

    @classmethod
    def _note(cls, steps, key, value, **more):
        fresh = [step for step in steps if step["type"] == cls.type and not cls._stopping(step)[key]]
        for step in fresh:
            step["stopping"] = dict(cls._stopping(step), **{key: value}, **more)
        return bool(fresh)

    @staticmethod
    def _stopping(step):
        """What is known of its stop. Records of older versions have that among the keys of the step itself, or do not tell."""
        unknown = {"meant": [], "told": None, "boot": None, "by_signal": False, "refused": False, "limit": STOP_TIMEOUT}
        return step.get("stopping") or {key: step.get(key, default) for key, default in unknown.items()}

    @staticmethod
    def takes(step):
        return step.get("timeout", _systemd.START_TIMEOUT) + 2 * _SETTLE

    @classmethod
    def undo(cls, step):
        leaving, new = cls._now(step)
        if leaving and not new:
            # who was told to stop may go at any moment, and only then is there something to start
            _proc.wait_until(lambda: cls._stays(step, leaving) or not any(process.alive for process in leaving), _SETTLE, pause=0.1)
            leaving, new = cls._now(step)
            if leaving and not new and not cls._bystanders(step, leaving):
                return cls._stays(step, leaving)
        if not new:
            _systemd.launch(step["argv"], step.get("timeout", _systemd.START_TIMEOUT))
            _proc.wait_until(lambda: cls._now(step)[1], _SETTLE, pause=0.1)
        return ""

    @staticmethod
    def held(step):
        return not _proc.matching(step["grep"])

    @classmethod
    def residue(cls, step):
        leaving, new = cls._now(step)
        if new or (leaving and cls._stays(step, leaving)):
            return ""
        if not leaving:
            return "no process matches '%s'" % step["grep"]
        return "%s %s: it may go at any moment, and is started again only when it has gone" % (
            ", ".join(map(str, leaving)),
            "may have been told to stop by what has failed" if cls._stopping(step)["refused"] else "was told to stop and is still there")

    @classmethod
    def _now(cls, step):
        """(processes that are on their way out, processes that nobody has told to stop) of those that match."""
        found, stopping = _proc.matching(step["grep"]), cls._stopping(step)
        # after a boot nobody is left who was told
        if stopping["told"] is None or stopping["boot"] != _journal.boot():
            return [], found
        meant = [_proc.Process.from_dict(each) for each in stopping["meant"]]
        # one that came before the order may be a child that a worker had made meanwhile; it has got the same signal
        leaving = [process for process in found if process in meant or process.start < stopping["told"]]
        # what a process that leaves makes goes with it
        heirs = _proc.descendants(leaving)
        return [p for p in found if p in leaving or p in heirs], [p for p in found if p not in leaving and p not in heirs]

    @classmethod
    def _bystanders(cls, step, leaving):
        """Whether who is still there only matches, as who reads a log: the command that stops the service has ended others, and these have stayed."""
        stopping = cls._stopping(step)
        meant = [_proc.Process.from_dict(each) for each in stopping["meant"]]
        return (not stopping["by_signal"] and not stopping["refused"] and all(each in meant for each in leaving)
                and not all(each.alive for each in meant))

    @classmethod
    def _stays(cls, step, leaving):
        """Why these processes are known to stay though they were told to stop, in words; '' where they may still go."""
        names, stopping = ", ".join(map(str, leaving)), cls._stopping(step)
        # a command that has failed may have sent its signal before
        if stopping["refused"] and _proc.since(stopping["told"]) >= stopping["limit"]:
            return "what was to stop %s has failed, and it runs on" % names
        if stopping["by_signal"] and all(process.ignores(signal.SIGTERM) for process in leaving):
            return "%s ignores SIGTERM, and runs on" % names
        return ""


_steps.register(Continue, StartUnit, DeleteTable, Run)
