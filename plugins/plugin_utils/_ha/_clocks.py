# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far the controller's clock is ahead of a host's."""

from __future__ import annotations

import time

from ...module_utils._fault._errors import FaultlineError

# how often a host's clock is read; the quickest answer counts
_READINGS = 5


def measure(action):
    """{offset, error} in seconds, for the host of an action's task, over its connection.

    offset: controller - host; error: half of the quickest way there and back. An offset that is not larger than its error is taken for
    none (measured tells it then): clocks that are kept agree far better than a connection can show.
    """
    readings = []
    for _reading in range(_READINGS):
        before = time.time()
        told = action._low_level_execute_command("date +%s.%N", sudoable=False)
        after = time.time()
        try:
            readings.append(reading(before, float(told["stdout"].strip()), after))
        except ValueError:
            why = told.get("stderr", "").strip() or told["stdout"].strip() or "no answer"
            raise FaultlineError(f"The host's clock cannot be read: {why}.", code="no_clock", hint="Nothing was touched.") from None
    return best(readings)


def reading(before, there, after):
    """One look at another clock, between two at ours."""
    return {"offset": (before + after) / 2 - there, "error": (after - before) / 2}


def best(readings):
    """The quickest of several looks."""
    found = dict(min(readings, key=lambda each: each["error"]))
    if abs(found["offset"]) <= found["error"]:
        found.update(measured=found["offset"], offset=0.0)
    return {name: round(value, 6) for name, value in found.items()}
