# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long tests wait. The machine may stand still for ten seconds at any moment, and no test may mind."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
import time

# seconds: the upper bound of every wait, which only catches a hang
HANG = 300


def more_time(first):
    """Seconds for a test of a deadline itself: what has to happen before it may not have, so the test does it again with eight times as long."""
    while first < HANG:
        yield first
        first *= 8


def wait_for(condition, timeout=HANG, pause=0.1):
    """Await a condition; its value, or a failure that says what it was."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout} seconds: {condition}"
        time.sleep(pause)


@contextlib.contextmanager
def sleeper(word):
    """A process that sleeps, with this word as the last of its command line; it shows there, which it need not when Popen returns."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(4321)", word]) as process:
        try:
            shown = pathlib.Path(f"/proc/{process.pid}/cmdline")
            wait_for(lambda: shown.read_bytes().endswith(word.encode() + b"\0"), pause=0.01)
            yield process
        finally:
            process.kill()
