# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract that every fault keeps: resolve, guard, journal, arm, inject, prove, undo, prove undone."""

from __future__ import annotations

import contextlib
import os
import time

from . import _exec, _journal, _later, _module, _proc, _runner, _steps, _supervisor
from ._errors import FaultlineError

# seconds that the undo of another fault may take before ours is refused: it may start a database
_HANG = 300
# seconds between listening and answering that are worth a word
_NOTABLE = 0.5


class Fault:
    """One fault on this host. A subclass says what is hit and how; perform() walks the path.

    kind, action, subject: words for the record and the result.
    reversible: whether there is an undo, and hence a duration and a dead-man's switch; if not, why_not says why.
    needs_root: whether it is root's; not for what only asks another machine, as a BMC.
    undone_by: what undoes it when a user asks for it.
    names: other words for the subject, by which the faults on it are found again.
    takes: how many seconds its injection and proof may take beyond the usual; only then does the dead-man's switch end an injection that hangs.
    lingers: how many seconds after whoever injects it has died its effect may still come, by somebody else whom it has asked.
    changes: whether inject() is needed at all; resolve() may find the wanted state already there (only for healing actions).
    ahead: how many seconds after the injection its effect comes; one that waits for a moment is injected so much sooner.
    """

    kind = ""
    action = ""
    subject = ""
    reversible = False
    needs_root = True
    why_not = "Leave duration out. Actions with an undo: terminate, freeze, unplug."
    names = ()
    takes = 0
    lingers = 0
    changes = True
    undone_by = "os_fault_undo"
    ahead = 0

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

    def expected(self):
        """What that state would be, in words, for --check --diff; what would be done where no state can be told."""
        return "\n".join(self.plan())

    def plan(self):
        """What will be done, in words, for check mode."""
        return []

    def notes(self):
        """What a person has to know of what is hit and what is left alone, as sentences without a full stop."""
        return []

    def steps(self, fault_id):
        """The undo, as data (see _steps.py)."""
        return []

    def look_before(self, record):
        """See what the proof compares with: once it is armed, and before its moment; FaultlineError where there is nothing to compare with."""

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


class StepFault(Fault):
    """A fault whose injection is data as well: its steps can be done (see _steps.py), so the target can fire it by itself."""

    reversible = True

    def inject(self, record):
        _steps.do(record["steps"])

    def prove(self, record):
        return _steps.prove(record["steps"])


def undo_now(records):
    """Undo other faults, whatever their deadlines; FaultlineError (residue) for the first that cannot be undone wholly."""
    for record in records:
        after = _runner.undo(record["id"])
        _supervisor.disarm(record)
        if after and after["residue"]:
            raise FaultlineError(
                "%s could not be undone: %s." % (record["id"], "; ".join(after["residue"])), code="residue", details=after,
                hint="Its journal stays open.",
            )


def perform(fault, duration=None, wait=False, wait_timeout=None, check_mode=False, fire_in=None, at=None):
    """Walk a fault's whole path on this host. The result dictionary of the module.

    duration: seconds until the fault undoes itself, or None.
    wait: come back only when it is undone and proven undone.
    wait_timeout: seconds that the undo may take beyond the deadline.
    fire_in: seconds; come back when it is armed, and let the target inject it by itself so much later (a StepFault).
    at: epoch seconds of this host's clock; come back when it is scheduled, and let the target inject it at that moment.
    """
    if fault.needs_root and os.geteuid() != 0:
        raise FaultlineError("Faults need root on the target.", code="not_root", hint="Set become: true.")
    if duration is not None and duration <= 0:
        raise FaultlineError("duration must be more than 0 seconds, not %s." % duration, code="bad_duration")
    if at is not None and not check_mode:
        return _scheduled(fault, duration, wait, at)
    _looked_at(fault, duration)
    if check_mode or not fault.changes:
        return _preview(fault, duration, check_mode)
    if fire_in is not None:
        return _left_to_the_target(fault, duration, fire_in)
    _runner.forget_never_armed()
    record = _record(fault, duration)
    with _at_work(fault, record):
        _with_its_undo(fault, record, _journal.create)
        with _taking_back(record):
            _armed(fault, record)
            _fired(fault, record, duration)
    result = _result(fault, record)
    result["diff"] = diff(fault, fault.after())
    if not fault.reversible:
        _closed(fault, record)
        _recovered(fault, result, wait)
    elif wait and duration is not None:
        _wait_undone(record, result, wait_timeout)
    return result


def _at_work(fault, record):
    """Journal, arm, inject and prove in here, so that the fault is undone when we die."""
    # what has no undo has nobody who would look
    return _journal.injecting(record["id"]) if fault.reversible else contextlib.nullcontext()


@contextlib.contextmanager
def _taking_back(record):
    """Undo what was done in here when it fails."""
    try:
        yield
    except BaseException as exc:
        # what the undo starts has nothing to do with the injection
        _exec.NOTED_IN.clear()
        _taken_back(record, exc)
        raise


def _looked_at(fault, duration):
    """Resolve and guard: nothing is touched yet."""
    fault.resolve()
    fault.guard()
    if duration is not None and not fault.reversible:
        raise FaultlineError(
            "%s of %s has no undo, so a duration has no meaning for it." % (fault.action, fault.subject), code="no_undo",
            hint=fault.why_not,
        )


def _preview(fault, duration, check_mode):
    steps = fault.steps("%s-00000000" % fault.action) if fault.reversible and fault.changes else []
    words = "would hit" if fault.changes else "has nothing to do for"
    plan = fault.plan() + fault.notes() if fault.changes else []
    return {
        "changed": fault.changes,
        "msg": "%s %s %s%s" % (fault.action, words, fault.subject, ": " + "; ".join(plan) if check_mode and plan else ""),
        "fault": {"id": None, "kind": fault.kind, "action": fault.action, "subject": fault.subject},
        "targets": fault.targets(),
        "plan": plan,
        "notes": fault.notes() if fault.changes else [],
        "undo": {
            "state": "planned" if steps else "none", "deadline": None, "steps": [_steps.describe(step) for step in steps],
        },
        "duration": duration,
        "residue": [],
        "diff": diff(fault, fault.expected() if fault.changes else fault.before()),
    }


def diff(fault, after):
    """The difference that a fault makes, or would make, for --diff: whole lines, none of them empty."""
    def lines(words):
        return (words or "%s: untouched" % fault.subject).rstrip("\n") + "\n"

    return {"before": lines(fault.before()), "after": lines(after)}


def _record(fault, duration, **keys):
    """A new record, in memory."""
    _journal.make_folders()
    return dict({
        "version": 1, "id": "%s-%s" % (fault.action, os.urandom(4).hex()), "kind": fault.kind, "action": fault.action, "subject": fault.subject,
        "state": "armed", "boot": _journal.boot(), "armed_at": _journal.now(), "armed_clock": None, "injecting_at": None, "injected_at": None,
        "proven_at": None, "undone_at": None,
        "duration": duration, "deadline": None, "deadline_clock": None, "proven": None,
        "names": sorted({fault.subject} | set(fault.names)), "targets": fault.targets(), "steps": [], "before": fault.before(),
        "proof": {}, "residue": [], "held": None, "not_held": "", "supervisor": {},
        "takes": fault.takes, "lingers": fault.lingers, "fire_at": None,
        "program": _supervisor.install_runner() if fault.reversible else None,
    }, **keys)


def _with_its_undo(fault, record, write, patience=_HANG):
    """Write a record with its undo, once no undo of another fault is on its way that would undo ours, too."""
    def free():
        with _journal.locked():
            record["steps"] = fault.steps(record["id"]) if fault.reversible else []
            record["undo_takes"] = _steps.undo_takes(record["steps"])
            if _journal.claimed_by_undoing({step.get("claim") for step in record["steps"]} - {None}):
                return False
            # its time to be injected begins now
            record["armed_clock"] = _journal.clock()
            write(record)
            return True

    if not _proc.wait_until(free, patience, pause=0.2):
        raise FaultlineError(
            "Another fault on %s is being undone and does not come to an end; nothing was touched." % fault.subject, code="busy",
            hint="See os_fault_info, and heal first.",
        )


def _scheduled(fault, duration, wait, at):
    """Leave the fault to a keeper on this host; the result once that stands."""
    if wait:
        raise FaultlineError(
            "wait and at exclude each other: a task that leaves its fault to the target does not wait for it.", code="bad_option",
            hint="Leave wait out, and look at os_fault_info when the fault is over.",
        )
    moment = _later.clock_of(at)

    def look(fault):
        _looked_at(fault, duration)
        if not fault.changes:
            raise FaultlineError(
                "%s has nothing to do for %s, so there is nothing to schedule." % (fault.action, fault.subject), code="nothing_to_do")
        record = _record(fault, duration, state="scheduled", planned=at, keeper=True)
        # a reboot before the moment disarms it: the sweeper closes its record, whether or not it has an undo
        record["program"] = record["program"] or _supervisor.install_runner()
        _journal.create(record)
        _supervisor.install_sweeper(record["program"])
        steps = fault.steps(record["id"]) if fault.reversible else []
        return record, {
            "changed": True,
            "msg": "%s: %s in %.1f seconds%s" % (
                fault.subject, fault.action, moment - _journal.clock(), "" if duration is None else ", undone %g seconds later" % duration),
            "fault": {key: record[key] for key in ("id", "kind", "action", "subject")},
            "targets": record["targets"], "residue": [], "duration": duration, "planned": at,
            "undo": {"state": "scheduled" if steps else "none", "deadline": None, "steps": [_steps.describe(step) for step in steps]},
            "notes": fault.notes(),
            "diff": diff(fault, "%s\nat %.3f, by the clock of this host" % (fault.expected(), at)),
        }

    # the keeper's own, from its second look to the end of the proof
    work = contextlib.ExitStack()

    def arm(fault, record):
        _looked_at(fault, duration)
        record.update(
            state="armed", targets=fault.targets(), before=fault.before(), fire_at=moment, takes=fault.takes, lingers=fault.lingers)
        work.enter_context(_at_work(fault, record))

        def write(written):
            if _journal.load_open(written["id"]) is None:
                raise FaultlineError("It was disarmed.", code="disarmed")
            _journal.update(written, sync=True)

        try:
            _with_its_undo(fault, record, write, _later.LEAD)
            _armed(fault, record)
        except BaseException:
            # the keeper undoes it by itself
            work.close()
            raise

    def fire(fault, record):
        with work, _taking_back(record):
            _fired(fault, record, duration)
        if not fault.reversible:
            record["proof"]["came_back"] = fault.recover(True)
            _closed(fault, record)

    return _later.leave(fault, moment, look, arm, fire)


def _left_to_the_target(fault, duration, fire_in):
    """Arm only. Who waits finds the rest in the record."""
    record = _record(fault, duration, fire_at=_journal.clock() + fire_in)
    _with_its_undo(fault, record, _journal.create)
    try:
        supervisor = _supervisor.arm(record)
        with _journal.locked_for_undo(record["id"]), _journal.locked():
            # its time may have come already
            armed = _journal.load_open(record["id"])
            if armed is not None:
                _journal.update(dict(armed, supervisor=supervisor))
    except BaseException:
        with contextlib.suppress(FaultlineError, OSError):
            _runner.undo(record["id"])
            _supervisor.disarm(record)
        raise
    result = _result(fault, record)
    result.update(msg="%s: %s in %g seconds" % (fault.subject, fault.action, fire_in), fires_at=_journal.now(fire_in))
    return result


def _armed(fault, record):
    """Start what undoes it, have that on disk before anything is done, and look at how it is before."""
    if fault.reversible:
        record["supervisor"] = _supervisor.arm(record)
        _save(record)
    fault.look_before(record)


def _fired(fault, record, duration):
    """Inject and prove."""
    record["began"] = time.time() + fault.ahead
    record["injecting_at"] = _journal.now(fault.ahead)
    fault.inject(record)
    record["injected"] = time.time() + fault.ahead
    record["injected_at"] = _journal.now(fault.ahead)
    record["state"] = "injected"
    _save(record)
    record["proof"] = fault.prove(record)
    _runner.count_from_now(record)
    _save(record)


def _taken_back(record, exc):
    """Undo what was done of a fault that failed; what cannot be undone is added to the error."""
    with contextlib.suppress(FaultlineError, OSError):
        with _journal.locked_for_undo(record["id"]), _journal.locked():
            present = _journal.load_open(record["id"])
            if present is not None:
                _journal.update(dict(present, failure=getattr(exc, "message", str(exc))))
        # healed while we injected: its undo came too early for what we did then
        residue = (_runner.undo(record["id"]) or _runner.once_more(record))["residue"]
        _supervisor.disarm(record)
        if residue and isinstance(exc, FaultlineError):
            exc.message += " What was done could not be undone wholly: %s." % "; ".join(residue)
            exc.details["residue"] = residue


def _closed(fault, record):
    """Close the record of a fault without an undo."""
    with _journal.locked_for_undo(record["id"]), _journal.locked():
        record["state"] = "done"
        _runner.close(record)
    if fault.ahead:
        # a node that crashes in a moment would have it open again, and nobody to close it
        with contextlib.suppress(OSError):
            _journal.sync_closed(record["id"])


def _save(record):
    """Write an open record again, unless it was undone meanwhile."""
    with _journal.locked_for_undo(record["id"]):
        present = _journal.load_open(record["id"])
        if present is None:
            raise FaultlineError(
                "The fault %s was undone while it was being proven." % record["id"], code="undone_early",
                hint="Its duration is too short, or somebody healed.",
            )
        # what a worker has counted stays
        record["proof"] = dict(present["proof"], **record["proof"])
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
        until = ", undone at %s" % record["deadline"] if record["deadline"] else ", until it is undone (%s)" % fault.undone_by
    return {
        "changed": True,
        "msg": "%s: %s%s%s" % (fault.subject, fault.after(), "".join("; " + note for note in fault.notes()), until),
        "fault": {key: record[key] for key in ("id", "kind", "action", "subject")},
        "targets": record["targets"],
        **{moment: record[moment] for moment in _module.MOMENTS},
        "proof": record["proof"],
        "undo": undo,
        "residue": [],
        "duration": record["duration"],
        "notes": fault.notes(),
    }


def _recovered(fault, result, wait):
    recovery = fault.recover(wait)
    if recovery is None:
        return
    result["proof"]["came_back"] = recovery
    if recovery["back"]:
        listened = recovery.get("listening_after")
        early = listened is not None and recovery["after"] - listened >= _NOTABLE
        result["msg"] += "; back after %.1f s%s" % (recovery["after"], " (it listened after %.1f s)" % listened if early else "")
    elif wait:
        raise FaultlineError(
            "%s was hit by %s and did not come back%s: %s." % (
                fault.subject, fault.action, " within %g seconds" % recovery["waited"] if recovery["waited"] else "", recovery["why"]),
            code="not_recovered", details=result, hint="This fault has no undo; start the service if nothing else does.",
        )
    else:
        result["msg"] += "; not back yet" + (", and %s" % recovery["why"] if recovery["why"] else "")


def _wait_undone(record, result, wait_timeout):
    """Wait until the record is closed by whoever undoes it, and tell the end."""
    grace = _module.WAIT_TIMEOUT if wait_timeout is None else wait_timeout
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
    result["undo"].update({key: after[key] for key in ("undone_at", "held", "not_held", "left_to")}, state="undone", notes=after.get("notes", []))
    result["residue"] = after["residue"]
    result["proof"] = after["proof"]
    result["msg"] = "%s: %s%s, undone at %s, nothing left behind" % (
        record["subject"], result["diff"]["after"].rstrip("\n"), "".join("; " + note for note in result["notes"]), after["undone_at"])
    if after["held"] is False:
        raise FaultlineError(
            "The fault %s on %s did not last until its deadline: %s." % (record["id"], record["subject"], after["not_held"]),
            code="not_held", details=result, hint="It is undone and nothing is left; but what you saw meanwhile proves little.",
        )
