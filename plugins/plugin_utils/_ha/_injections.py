# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of each planned injection, from the journals of the targets. Pure."""

from __future__ import annotations

# how long after its end an undo may still be on its way, in seconds: it may start a database
GRACE = 120
# how long an injection may take that has not told of its end yet, in seconds; longer ones the host itself undoes
SLOWEST = 600


def told(injection, t0, armed, info, left=None):
    """The entry of injections.json for one planned injection; all times by the controller's clock.

    injection: of the plan, with its disruption. armed: what arming gave: {fault_id, clock_offset, clock_error, failure}, or None.
    info: the answer of os_fault_info on the host that keeps the journal, or None where nobody could ask.
    left: why it is left alone, or None.
    """
    armed = armed or {}
    offset = armed.get("clock_offset") or 0.0
    entry = {
        "id": injection["id"], "disruption": injection["disruption"], "round": injection["round"], "host": injection["host"],
        "planned": None if t0 is None else round(t0 + injection["start"], 6), "began": None, "injected": None, "undone": None,
        "clock_offset": offset, "clock_error": armed.get("clock_error") or 0.0,
        "fault_id": armed.get("fault_id"), "state": "missing", "proven": False, "held": None, "residue": [], "failure": armed.get("failure"),
        "proof": {},
    }
    record = _record(entry["fault_id"], info)
    if record is None:
        if left and not entry["fault_id"]:
            return {**entry, "state": "left_alone", "failure": left}
        entry["failure"] = entry["failure"] or _why_missing(entry["fault_id"], info)
        return entry
    entry.update(
        **{moment: _moved(record.get(moment), offset) for moment in ("began", "injected", "undone")}, held=record.get("held"),
        residue=list(record.get("residue") or []), failure=record.get("failure") or record.get("not_held") or entry["failure"], proof=record.get("proof") or {},
        state=_state(record), proven=_proven(record, info),
    )
    if left and entry["state"] == "aborted":
        entry.update(state="left_alone", failure=left)
    elif left and entry["injected"] is not None:
        # it came before it could be taken back
        entry["failure"] = entry["failure"] or f"It was undone before its time: {left}."
    if record["state"] == "done" and entry["injected"] is not None:
        entry["undone"] = None
    return entry


def _record(fault_id, info):
    records = [*(info or {}).get("open", []), *(info or {}).get("closed", [])]
    return next((record for record in records if fault_id and record["id"] == fault_id), None)


def _why_missing(fault_id, info):
    if not fault_id:
        return "It was not armed."
    return "The host's journal could not be read." if info is None else f"The host's journal has no record of {fault_id}."


def _moved(moment, offset):
    return None if moment is None else round(moment + offset, 6)


def _state(record):
    """The word of injections.json for the state of a record."""
    state = record["state"]
    return state if state in ("undone", "done", "residue", "aborted") else "open"


def _proven(record, info):
    """Whether the effect was observed. A boot that ended is proven by another one now."""
    if not record.get("injected") or record.get("failure") or record["state"] == "aborted":
        return False
    proof = record.get("proof") or {}
    if proof.get("boot") or record["kind"] == "node" and record["action"] in ("reboot", "crash"):
        return bool(proof.get("boot")) and info.get("boot") not in (None, proof["boot"])
    return True
