# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work that blocks, off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading


async def in_thread(work, *arguments):
    """What work returns or raises. Its thread is a daemon: one that hangs does not keep the process from ending, as a pool's would."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def finish(value, exc):
        if done.cancelled():
            return
        if exc is None:
            done.set_result(value)
        else:
            done.set_exception(exc)

    def run():
        try:
            told = work(*arguments), None
        except Exception as exc:  # pylint: disable=broad-except
            told = None, exc
        # the loop may have ended meanwhile
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, *told)

    threading.Thread(target=run, daemon=True).start()
    return await done
