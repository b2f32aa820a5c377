# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the journal of this host says, and undoing by it: the backends of os_fault_info and os_fault_undo."""

from __future__ import annotations

import time

from . import _exec, _journal, _orphans, _runner, _service_steps, _supervisor
from ._errors import FaultlineError

# seconds that the undo of one fault may take when somebody heals
TIMEOUT = _runner.ATTEMPT
# known here; faults of other families are undone by the program that armed them
KNOWN = (_service_steps,)
STATES = ("scheduled", "armed", "injected", "undoing", "residue", "undone", "aborted", "done")
_SHOWN = (
    "id", "kind", "action", "subject", "state", "armed_at", "planned", "began", "injecting_at", "injected", "injected_at", "proven",
    "proven_at", "undone", "undone_at",
    "duration", "deadline", "targets", "steps", "proof", "held", "not_held", "residue", "notes", "undo_attempts", "failure",
)


def _plain(name):
    """A name as people say it: of a unit without its type, whatever its case."""
    name = str(name).lower()
    return name[:-len(".service")] if name.endswith(".service") else name


def _matches(record, fault_id=None, kind=None, action=None, subject=None):
    return (
        (fault_id is None or record["id"] == fault_id) and (kind is None or record["kind"] == kind)
        and (action is None or record["action"] == action) and (not subject or set(map(_plain, subject)) & set(map(_plain, record["names"])))
    )


def orphans():
    """What bears our name on this host and belongs to no open fault."""
    return _orphans.lost(_journal.open_records())


def info(closed=True, **which):
    """{open: [...], closed: [...], orphans: [...], unreadable: [...], boot, clock} of the faults of this host that match."""
    def shown(records):
        return [{key: record.get(key) for key in _SHOWN} for record in records if _matches(record, **which)]

    found = {"open": shown(_journal.open_records()), "closed": shown(_journal.closed_records()) if closed else [], "orphans": orphans()}
    found.update(boot=_journal.boot(), clock=time.time(), unreadable=_unreadable())
    count, left = len(found["open"]), sum(1 for record in found["open"] if record["state"] == "residue")
    found["msg"] = "%d fault%s open%s" % (count, "" if count == 1 else "s", ", %d with residue" % left if left else "")
    if found["orphans"]:
        found["msg"] += "; without a journal: %s" % ", ".join(found["orphans"])
    if found["unreadable"]:
        found["msg"] += "; not known: %s" % " ".join(found["unreadable"])
    return found


def _unreadable():
    """The open records that nobody can read, in words."""
    return [words for _id, words in sorted(_journal.unreadable().items())]


def undo(check_mode=False, everything=False, timeout=TIMEOUT, **which):
    """Undo the open faults that match; with everything, what bears our name without a journal as well. timeout: seconds for each fault.

    What cannot be undone keeps none of the others.
    """
    if not check_mode:
        _runner.forget_never_armed()
    records = [record for record in _journal.open_records() if _matches(record, **which)]
    fault_id = which.get("fault_id")
    if fault_id is not None and not records and _journal.load(fault_id) is None:
        raise FaultlineError(
            "This host knows no fault %s." % fault_id, code="unknown_fault",
            hint="Its open faults: %s." % (", ".join(record["id"] for record in _journal.open_records()) or "none"),
        )
    lost = orphans() if everything else []
    result = {
        "changed": bool(records or lost), "undone": [], "residue": [], "notes": [], "orphans": lost,
        "diff": {"before": "".join("%s %s\n" % (r["id"], r["subject"]) for r in records) + "".join("%s\n" % name for name in lost), "after": ""},
    }
    if not check_mode:
        for record in records:
            after, left = _undone(record, timeout)
            if not left:
                result["undone"].append(record["id"])
                result["notes"] += (after or {}).get("notes", [])
            result["residue"] += ["%s: %s" % (record["id"], words) for words in left]
        for name in lost:
            try:
                _orphans.remove(name)
            except (FaultlineError, OSError) as exc:
                result["residue"].append("%s: %s" % (name, getattr(exc, "message", exc)))
        if everything:
            result["residue"] += _unreadable()
    count = len(records) + len(lost)
    result["msg"] = "%s %d fault%s" % ("would undo" if check_mode else "undid", count, "" if count == 1 else "s") if count else "nothing to undo"
    if result["residue"]:
        raise FaultlineError(
            "Not everything could be undone: %s." % "; ".join(result["residue"]), code="residue", details=result,
            hint="The journals stay open, and the undo is tried again at the next heal or boot.",
        )
    return result


def _undone(record, timeout):
    """(the record of a fault after its undo, what is left of it, in words)."""
    try:
        with _exec.within(timeout):
            after = _runner.undo(record["id"], patience=timeout)
        _supervisor.disarm(record)
    except (FaultlineError, OSError) as exc:
        return None, ["what is left of it is not known: %s" % getattr(exc, "message", exc)]
    return after, after["residue"] if after and after["state"] == "residue" else []
