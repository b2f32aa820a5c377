# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault that cuts our own way to the host: wait for it to come back, and prove the healing from its journal."""

from __future__ import annotations

import time

from ansible.errors import AnsibleError

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._fault._module import MOMENTS

# seconds between two tries, and what an undo usually takes
_PAUSE, _UNDO = 1.0, 0.5


def see_it_healed(action, result, task_vars, fire_in, grace):
    """Complete the result of a module that has armed a fault and let the target fire it. FaultlineError when the host does not
    come back in time, or what comes back is not healed.

    action: the action plugin; fire_in: seconds between the answer and the fault; grace: seconds that the host may take after its end.
    """
    fault, duration = result["fault"], float(result["duration"] or 0)
    begin = time.monotonic()
    time.sleep(fire_in + duration + _UNDO)
    record, last, patience = None, "", fire_in + duration + grace
    while True:
        try:
            # what outlived the fault may hang in it still
            action._connection.reset()
            told = action._execute_module(
                module_name="faultline.openstack.os_fault_info", module_args={"id": fault["id"]}, task_vars=task_vars)
            record = next(iter(told.get("open", []) + told.get("closed", [])), None)
            last = told.get("msg", "") if told.get("failed") else "its undo has not ended"
            if record is not None and record["undone_at"]:
                break
        except AnsibleError as exc:
            last = "it does not answer: %s" % (str(exc).strip().splitlines() or [""])[-1]
        if time.monotonic() - begin > patience:
            raise FaultlineError(
                "The host has not come back healed from %s of %s, %d seconds after it should have: %s." % (
                    fault["action"], fault["subject"], grace, last),
                code="residue" if record else "not_back", details=dict(_known(result, record), changed=True),
                hint="The fault %s undoes itself on the host; look at its console, and heal when it answers." % fault["id"],
            )
        time.sleep(_PAUSE)
    result.update(_known(result, record))
    result["away"] = round(time.monotonic() - begin - fire_in, 1)
    if record.get("failure"):
        raise FaultlineError(
            "%s of %s failed on the host: %s" % (fault["action"], fault["subject"], record["failure"]), code="unproven",
            details=result, hint="It is undone.",
        )
    if record["held"] is False:
        raise FaultlineError(
            "The fault %s on %s did not last until its deadline: %s." % (fault["id"], fault["subject"], record["not_held"]),
            code="not_held", details=result, hint="It is undone and nothing is left; but what you saw meanwhile proves little.",
        )
    result["msg"] = "%s: %s, undone at %s, back after %g s, nothing left behind" % (
        fault["subject"], result["diff"]["after"].rstrip("\n"), record["undone_at"], result["away"])


def _known(result, record):
    """What the record says, as parts of a result."""
    if record is None:
        return {key: result[key] for key in ("fault", "targets", "undo", "duration", "residue") if key in result}
    state = record["state"] if record["state"] in ("undone", "residue") else result["undo"]["state"]
    return {
        "fault": result["fault"], "targets": result["targets"], "duration": result["duration"],
        **{moment: record.get(moment) for moment in MOMENTS},
        "proof": record["proof"], "residue": record["residue"],
        "undo": dict(result["undo"], state=state, deadline=record["deadline"], undone_at=record["undone_at"], held=record["held"], not_held=record["not_held"]),
    }
