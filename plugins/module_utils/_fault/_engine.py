# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract that every fault keeps: resolve, guard, journal, arm, inject, prove, undo, prove undone."""

from __future__ import annotations

import contextlib
import os

from . import _journal, _proc, _runner, _steps, _supervisor
from ._errors import FaultlineError

# how long after its deadline an undo may take before a task that waits for it gives up
WAIT_GRACE = 60


class Fault:
    """One fault on this host. A subclass says what is hit and how; perform() walks the path.

    kind, action, subject: words for the record and the result.
    reversible: whether there is an undo, and hence a duration and a dead-man's switch; if not, why_not says why.
    names: other words for the subject, by which the faults on it are found again.
    changes: whether inject() is needed at all; resolve() may find the wanted state already there (only for healing actions).
    """

    kind = ""
    action = ""
    subject = ""
    reversible = False
    why_not = "Leave duration out. Actions with an undo: terminate, freeze, unplug."
    names = ()
    changes = True

    def resolve(self):
        """Find the exact things to hit; FaultlineError when there is nothing."""
        raise NotImplementedError

    def guard(self):
        """Refuse what must not be hit."""

    def targets(self):
        """The things hit, as a list of dictionaries for the result."""
        raise NotImplementedError

    def before(self):
        """The state of the things hit, in words, for --diff."""
        return ""

    def after(self):
        """What that state will be, or is, in words."""
        return ""

    def plan(self):
        """What will be done, in words, for check mode."""
        return []

    def steps(self, fault_id):
        """The undo, as data (see _steps.py)."""
        return []

    def inject(self, record):
        """Do it. record: the journal's, for _journal.extend()."""
        raise NotImplementedError

    def prove(self, record):
        """Observe the effect; a dictionary, or FaultlineError (unproven)."""
        raise NotImplementedError

    def recover(self, wait):
        """What came back by itself after a fault without undo: {back, after, waited, why, ...}; None if there is nothing to see.
        wait: whether to look for it for the whole of its time, or only to glance."""
        return None


def perform(fault, duration=None, wait=False, wait_timeout=None, check_mode=False):
    """Walk a fault's whole path on this host. The result dictionary of the module.

    duration: seconds until the fault undoes itself, or None.
    wait: come back only when it is undone and proven undone.
    wait_timeout: seconds that the undo may take beyond the deadline.
    """
    if os.geteuid() != 0:
        raise FaultlineError("Faults need root on the target.", code="not_root", hint="Set become: true.")
    if duration is not None and duration <= 0:
        raise FaultlineError("duration must be more than 0 seconds, not %s." % duration, code="bad_duration")
    fault.resolve()
    fault.guard()
    if duration is not None and not fault.reversible:
        raise FaultlineError(
            "%s of %s has no undo, so a duration has no meaning for it." % (fault.action, fault.subject), code="no_undo",
            hint=fault.why_not,
        )
    if check_mode or not fault.changes:
        return _preview(fault, duration, check_mode)
    record = _journalled(fault, duration)
    _injected(fault, record, duration)
    result = _result(fault, record)
    result["diff"] = {"before": fault.before(), "after": fault.after()}
    if not fault.reversible:
        with _journal.locked_for_undo(record["id"]), _journal.locked():
            record["state"] = "done"
            _runner.close(record)
        _recovered(fault, result, wait)
    elif wait and duration is not None:
        _wait_undone(record, result, wait_timeout)
    return result


def _preview(fault, duration, check_mode):
    steps = fault.steps("%s-00000000" % fault.action) if fault.reversible and fault.changes else []
    words = "would hit" if fault.changes else "has nothing to do for"
    return {
        "changed": fault.changes,
        "msg": "%s %s %s%s" % (fault.action, words, fault.subject, ": " + "; ".join(fault.plan()) if fault.changes and check_mode else ""),
        "fault": {"id": None, "kind": fault.kind, "action": fault.action, "subject": fault.subject},
        "targets": fault.targets(),
        "plan": fault.plan() if fault.changes else [],
        "undo": {
            "state": "planned" if steps else "none", "deadline": None, "steps": [_steps.describe(step) for step in steps],
        },
        "duration": duration,
        "residue": [],
        "diff": {"before": fault.before(), "after": fault.after() if fault.changes else fault.before()},
    }


def _journalled(fault, duration):
    """Write the record, undo included, to disk."""
    _journal.make_folders()
    fault_id = "%s-%s" % (fault.action, os.urandom(4).hex())
    record = {
        "version": 1, "id": fault_id, "kind": fault.kind, "action": fault.action, "subject": fault.subject,
        "state": "armed", "boot": _journal.boot(), "armed_at": _journal.now(), "injected_at": None, "undone_at": None,
        "duration": duration, "deadline": None, "deadline_clock": None if duration is None else _journal.clock() + duration,
        "names": sorted({fault.subject} | set(fault.names)), "targets": fault.targets(), "steps": [], "before": fault.before(),
        "proof": {}, "residue": [], "held": None, "supervisor": {},
    }

    def free():
        """Wait for the undo of another fault on the same things: it would undo ours too."""
        with _journal.locked():
            record["steps"] = fault.steps(fault_id) if fault.reversible else []
            if _journal.claimed_by_undoing({step.get("claim") for step in record["steps"]} - {None}):
                return False
            _journal.create(record)
            return True

    if not _proc.wait_until(free, 30, pause=0.2):
        raise FaultlineError(
            "Another fault on %s is being undone and does not come to an end; nothing was touched." % fault.subject, code="busy",
            hint="See os_fault_info, and heal first.",
        )
    return record


def _injected(fault, record, duration):
    """Arm, inject, prove; whatever fails is undone."""
    try:
        if fault.reversible:
            record["supervisor"] = _supervisor.arm(record)
        fault.inject(record)
        record["injected_at"] = _journal.now()
        if duration is not None:
            record["deadline_clock"] = _journal.clock() + duration
            record["deadline"] = _journal.now(duration)
        record["state"] = "injected"
        _save(record)
        record["proof"] = fault.prove(record)
        _save(record)
    except BaseException as exc:
        with contextlib.suppress(FaultlineError, OSError):
            after = _runner.undo(record["id"])
            _supervisor.disarm(record)
            if after and after["residue"] and isinstance(exc, FaultlineError):
                exc.message += " What was done could not be undone wholly: %s." % "; ".join(after["residue"])
                exc.details["residue"] = after["residue"]
        raise


def _save(record):
    """Write an open record again, unless it was undone meanwhile."""
    with _journal.locked_for_undo(record["id"]):
        if _journal.load_open(record["id"]) is None:
            raise FaultlineError(
                "The fault %s was undone while it was being proven." % record["id"], code="undone_early",
                hint="Its duration is too short, or somebody healed.",
            )
        with _journal.locked():
            _journal.update(record)


def _result(fault, record):
    undo = {"state": "none", "deadline": None, "steps": []}
    if fault.reversible:
        undo = {
            "state": "armed", "deadline": record["deadline"], "steps": [_steps.describe(step) for step in record["steps"]],
        }
    until = ""
    if fault.reversible:
        until = ", undone at %s" % record["deadline"] if record["deadline"] else ", until it is undone (os_fault_undo)"
    return {
        "changed": True,
        "msg": "%s: %s%s" % (fault.subject, fault.after(), until),
        "fault": {key: record[key] for key in ("id", "kind", "action", "subject")},
        "targets": record["targets"],
        "injected_at": record["injected_at"],
        "proof": record["proof"],
        "undo": undo,
        "residue": [],
        "duration": record["duration"],
    }


def _recovered(fault, result, wait):
    recovery = fault.recover(wait)
    if recovery is None:
        return
    result["proof"]["came_back"] = recovery
    if recovery["back"]:
        result["msg"] += "; back after %.1f s" % recovery["after"]
    elif wait:
        raise FaultlineError(
            "%s was hit by %s and did not come back within %g seconds: %s." % (
                fault.subject, fault.action, recovery["waited"], recovery["why"]),
            code="not_recovered", details=result, hint="This fault has no undo; start the service if nothing else does.",
        )
    else:
        result["msg"] += "; not back yet" + (", and %s" % recovery["why"] if recovery["why"] else "")


def _wait_undone(record, result, wait_timeout):
    """Wait until the record is closed by whoever undoes it, and tell the end."""
    grace = WAIT_GRACE if wait_timeout is None else wait_timeout
    left = record["deadline_clock"] - _journal.clock()
    _proc.wait_until(lambda: _journal.load_open(record["id"]) is None, max(0, left) + grace, pause=0.1)
    after = _journal.load(record["id"])
    if after is None or after["state"] != "undone":
        residue = after["residue"] if after else []
        result["undo"]["state"] = "residue"
        result["residue"] = residue
        raise FaultlineError(
            "The fault %s on %s is not undone %g seconds after its deadline: %s." % (
                record["id"], record["subject"], grace, "; ".join(residue) or "the undo has not ended"),
            code="residue", details=result, hint="Its journal stays open; heal with os_fault_undo id=%s." % record["id"],
        )
    result["undo"].update(state="undone", undone_at=after["undone_at"], held=after["held"], left_to=after["left_to"])
    result["residue"] = after["residue"]
    result["msg"] = "%s: %s, undone at %s, nothing left behind" % (record["subject"], result["diff"]["after"], after["undone_at"])
    if after["held"] is False:
        raise FaultlineError(
            "The fault %s on %s did not last until its deadline; something else ended it early." % (record["id"], record["subject"]),
            code="not_held", details=result, hint="It is undone and nothing is left; but what you saw meanwhile proves little.",
        )
