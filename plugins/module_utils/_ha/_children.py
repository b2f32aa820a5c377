# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that probes run: an argv list, bounded output, and nothing of them left when a deadline cancels the probe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

from .._fault import _exec
from .._fault._errors import FaultlineError

# bytes of output that are kept
_MOST = 256 * 1024
# a monitor may run before others (see _sampler); what it starts may not
_NICE = ["nice", "-n", "5"]


def argv(command):
    """The argv list of a command with its program's path; FaultlineError (missing_program) when this host does not have it."""
    path = command[0] if "/" in command[0] else _exec.which(command[0])
    if not path or not os.access(path, os.X_OK):
        raise FaultlineError(
            "%s is not installed on this host." % command[0], code="missing_program", hint="Install the package that has it, or give its path.",
        )
    return [path] + command[1:]


async def _read(stream):
    kept = b""
    while True:
        more = await stream.read(65536)
        if not more:
            return kept
        kept += more[:_MOST - len(kept)]


async def run(command, environment=None):
    """(return code, output, errors), both text, of an argv list. Cancelled, it kills the program and all of its process group."""
    # a group, not a session: the end of a monitor that hangs takes its session along
    group = {"process_group": 0} if sys.version_info >= (3, 11) else {"preexec_fn": os.setpgrp}
    before = _NICE if os.getpriority(os.PRIO_PROCESS, 0) < 0 else []
    process = await asyncio.create_subprocess_exec(
        *before, *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=dict(_exec.environment(), **(environment or {})), **group,
    )
    try:
        out, err = await asyncio.gather(_read(process.stdout), _read(process.stderr))
        await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        # its pipes may be held open by whoever left the group
        process._transport.close()
        raise
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


def last_line(*texts):
    """The last line that says anything, for an error."""
    for text in texts:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1][:200]
    return ""
