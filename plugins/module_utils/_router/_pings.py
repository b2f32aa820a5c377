# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pings to an address while its router is worked on: for how long nothing came back, as seen from where this runs."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time

from .._fault._errors import FaultlineError
from .._ha._probe_network import Echo

# seconds between two echo requests, and that one may take
EVERY, TIMEOUT = 0.2, 1.0


class Pings:
    """A thread that pings an address from start() to stop(). FaultlineError: bad_option for what is no IP address, no_ping where nobody may ping."""

    def __init__(self, address):
        try:
            self.address = str(ipaddress.ip_address(address))
        except ValueError as exc:
            raise FaultlineError("ping: %r is no IP address." % address, code="bad_option") from exc
        # [when it was sent, whether it was answered (None as long as it may be)], in order
        self._sent = []
        self._ready, self._end, self._error, self._thread = threading.Event(), threading.Event(), None, None

    def start(self):
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def stop(self):
        self._end.set()
        self._thread.join(TIMEOUT + EVERY)

    @property
    def answers(self):
        """Whether the last one that is decided was answered."""
        return bool(self._decided()) and self._decided()[-1][1]

    def told(self):
        """{address, sent, lost, answers, downtime, longest}, the last two in seconds."""
        decided = self._decided()
        outages = gaps(decided)
        return {
            "address": self.address, "sent": len(decided), "lost": sum(not answered for _at, answered in decided), "answers": self.answers,
            "downtime": round(sum(outages), 1), "longest": round(max(outages, default=0), 1),
        }

    def _decided(self):
        return [(at, answered) for at, answered in list(self._sent) if answered is not None]

    # ---- in the thread

    async def _run(self):
        try:
            echo = Echo(socket.AF_INET6 if ":" in self.address else socket.AF_INET)
        except FaultlineError as exc:
            self._error = exc
            return
        finally:
            self._ready.set()
        running = set()
        try:
            while not self._end.is_set():
                entry = [time.monotonic(), None]
                self._sent.append(entry)
                task = asyncio.ensure_future(self._ping(echo, entry))
                running.add(task)
                task.add_done_callback(running.discard)
                await asyncio.sleep(EVERY)
            await asyncio.gather(*running)
        finally:
            echo.close()

    async def _ping(self, echo, entry):
        try:
            await asyncio.wait_for(echo.ping(self.address), TIMEOUT)
        except (asyncio.TimeoutError, OSError):
            entry[1] = False
        else:
            entry[1] = True


def gaps(decided):
    """The seconds of each time without an answer, [(when it was sent, whether it was answered)] in order: from the last answered one before to the first after.

    So none is told shorter than it was; by two pauses between pings it may be told longer.
    """
    found, begun, before = [], None, None
    for at, answered in decided:
        if not answered and begun is None:
            begun = at if before is None else before
        elif answered and begun is not None:
            found.append(at - begun)
            begun = None
        if answered:
            before = at
    if begun is not None:
        found.append(decided[-1][0] - begun)
    return found
