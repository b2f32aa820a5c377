# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of faults of containers, as steps (see _steps.py)."""

from __future__ import annotations

from . import _container_engines, _namespaces, _proc, _steps, _systemd, _table_steps

PROGRAM = (_container_engines, _table_steps, *_table_steps.PROGRAM, _proc, _systemd)
# seconds that a container may take to run once it is started, or to be thawed; the undo's other steps wait meanwhile, and it is tried again
_START = 60
# and an engine to answer, as after the host has booted
_PATIENCE = 60


def _of(found):
    """The keys that say which container is meant."""
    return {"engine": found.engine.name, "id": found.id, "name": found.name}


def _look(step, by="id", patience=0):
    """The container of a step as it is now, or None when it is gone."""
    return _container_engines.wait_for_engine(step["engine"], patience).look(step[by])


def _lost(step):
    """What became of a container that is gone, for the notes."""
    other = _look(step, "name")
    if other is None:
        return "the container %s (%s) was removed by somebody else" % (step["name"], step["id"][:12])
    return "the container %s (%s) was replaced by %s, which is %s and was left alone" % (
        step["name"], step["id"][:12], other.id[:12], other.status)


class RestorePolicy:
    """Give a container its restart policy back: {engine, id, name, policy, retries}."""

    type = "restore_policy"

    @classmethod
    def make(cls, found):
        policy, retries = found.policy
        return _steps.step(
            cls, "give the container %s its restart policy %s back" % (found.name, found.policy_words),
            claim="policy:%s:%s" % (found.engine.name, found.id), policy=policy, retries=retries, **_of(found))

    @staticmethod
    def undo(step):
        found = _look(step, patience=_PATIENCE)
        # any other policy than the one that we gave it is somebody else's
        if found is not None and found.policy[0] == "no":
            found.engine.set_policy(found, step["policy"], step["retries"])
        elif found is not None and found.policy != (step["policy"], step["retries"]):
            return "the restart policy of %s was changed to %s meanwhile and was left alone" % (found.name, found.policy_words)
        return ""

    @staticmethod
    def held(step):
        found = _look(step)
        return found is not None and found.policy[0] == "no"

    @staticmethod
    def residue(step):
        found = _look(step)
        return "%s still has the restart policy no" % found.name if found is not None and found.policy[0] == "no" else ""


class StartContainer:
    """Start a container that ran, by the unit that ran it if there was one: {engine, id, name, unit}."""

    type = "start_container"

    @classmethod
    def make(cls, found, unit=None):
        return _steps.step(
            cls, "start %s" % unit if unit else "start the container %s" % found.name,
            # a fault of the unit itself, as a service, keeps the same thing down
            claim="down:" + unit if unit else "down:%s:%s" % (found.engine.name, found.id), unit=unit, **_of(found))

    @staticmethod
    def takes(step):
        return (_systemd.START_TIMEOUT if step["unit"] else 0) + 2 * _PATIENCE + _START

    @staticmethod
    def _now(step, patience=0):
        """The container, or, where a unit makes it anew with each start, the one of its name."""
        found = _look(step, patience=patience)
        return found if found is not None or not step["unit"] else _look(step, "name")

    @classmethod
    def undo(cls, step):
        found = cls._now(step, _PATIENCE)
        if step["unit"]:
            if not _systemd.show([step["unit"]])[0].stays:
                _systemd.start([step["unit"]])
        elif found is None:
            return _lost(step)
        elif not found.running:
            found.engine.order("start", found)
        _proc.wait_until(lambda: cls._up(step), _START, pause=0.1)
        return ""

    @classmethod
    def _up(cls, step):
        found = cls._now(step)
        return found is not None and found.up

    @classmethod
    def held(cls, step):
        return not cls._up(step)

    @classmethod
    def residue(cls, step):
        if step["unit"] and not _systemd.show([step["unit"]])[0].active:
            return _systemd.last_words(step["unit"])
        found = cls._now(step)
        if found is None:
            return "%s has started no container %s" % (step["unit"], step["name"]) if step["unit"] else ""
        return "" if found.up else "the container %s is %s (exit status %d)" % (found.name, found.status, found.exit_code)


class Unpause:
    """Let a paused container run again: {engine, id, name, started_at}."""

    type = "unpause"

    @classmethod
    def make(cls, found):
        return _steps.step(
            cls, "unpause the container %s" % found.name, claim=cls.claim(found), started_at=found.started_at, **_of(found))

    @staticmethod
    def claim(found):
        return "paused:%s:%s:%s" % (found.engine.name, found.id, found.started_at)

    @staticmethod
    def _paused(step, patience=0):
        """The container, if it is paused and has not been started again since: a pause of its next run would not be ours."""
        found = _look(step, patience=patience)
        return found if found is not None and found.same_run(step) and found.paused else None

    @classmethod
    def undo(cls, step):
        found = cls._paused(step, _PATIENCE)
        if found is not None:
            found.engine.order("unpause", found)
            _proc.wait_until(lambda: cls._paused(step) is None, _START)
            return ""
        return _lost(step) if _look(step) is None else ""

    @classmethod
    def held(cls, step):
        return cls._paused(step) is not None

    @classmethod
    def residue(cls, step):
        return "the container %s is still paused" % step["name"] if cls._paused(step) is not None else ""


class DeleteTableInside(_table_steps.OwnTable):
    """Delete an nftables table of our own in a network namespace: {table, namespace, sandbox, name}.

    namespace: [device, inode] of the namespace's file; sandbox: the path at which the engine keeps it.
    """

    type = "delete_table_inside"

    @classmethod
    def make(cls, table, found, namespace):
        return _steps.step(
            cls, "delete nftables table inet %s in the network namespace of the container %s" % (table, found.name),
            table=table, namespace=list(namespace), sandbox=found.sandbox, **_of(found))

    @staticmethod
    def entrance(step):
        return _namespaces.entrance(step["namespace"], step["sandbox"])

    @staticmethod
    def place(step):
        return "the network namespace of %s" % step["name"]


_steps.register(RestorePolicy, StartContainer, Unpause, DeleteTableInside)
