# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times of samples: the wall clock is read once, the monotonic clock keeps it from then on."""

from __future__ import annotations

import time


class Clock:
    """Epoch seconds that never jump, whoever sets this host's clock meanwhile."""

    def __init__(self):
        # between two readings of the one, so that the other belongs to the middle
        before = time.monotonic()
        wall = time.time()
        self._base = wall - (before + time.monotonic()) / 2

    def epoch(self, monotonic=None):
        """Epoch seconds of a reading of time.monotonic(), by default of now."""
        return self._base + (time.monotonic() if monotonic is None else monotonic)


def reading():
    """The host's wall clock as it is now: clock (epoch seconds) and clock_ns (the same in nanoseconds, exactly)."""
    now = time.time_ns()
    return {"clock": now / 1e9, "clock_ns": now}
