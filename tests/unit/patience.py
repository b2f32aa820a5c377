# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long tests wait. The machine may stand still for ten seconds at any moment, and no test may mind."""

from __future__ import annotations

# seconds: the upper bound of every wait, which only catches a hang
HANG = 300


def more_time(first):
    """Seconds for a test of a deadline itself: what has to happen before it may not have, so the test does it again with eight times as long."""
    while first < HANG:
        yield first
        first *= 8
