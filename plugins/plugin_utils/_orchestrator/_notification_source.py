# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listener to Neutron's notifications: from the message queue to the rules."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time

from ...module_utils._fault._errors import FaultlineError
from . import _notification_bus, _notification_options, _notifications
from ._in_thread import in_thread
from ._shared import shared

_LOG = logging.getLogger(f"faultline.openstack.{_notifications.NAME}")
# seconds from one look around to the next while nothing comes, that the end may take, and between two lines in the log
_LOOK, _END, _QUIET = 1, 5, 30


async def run(queue, args):
    """Listen until cancelled. FaultlineError where an option is wrong, or oslo.messaging is not there."""
    options = _notification_options.checked(args)
    if not options:
        # an end of one source is the end of all
        shared.report(_notifications.NAME, connected=False, problem="No transport_url is given: nothing is heard.")
        await asyncio.Event().wait()
    source = Source(options)
    await source.begin()
    try:
        await source.forward(queue)
    finally:
        await source.end()


class Source:
    """What comes in by threads of the message queue goes out by the event loop."""

    def __init__(self, options):
        self.options, self._lock, self._news = options, threading.Lock(), asyncio.Event()
        self._merged = _notifications.Merged(options.debounce)
        self._loop, self._reloads, self._events = asyncio.get_running_loop(), shared.reloads, 0
        # _quiet: until when no further line says that it is away
        self.bus = self._up = self._told_away = None
        self._quiet = 0.0

    async def begin(self):
        self.bus = await self._made()
        self.bus.begin()
        shared.report(
            _notifications.NAME, connected=False, problem="", exchange=self.options.exchange, topics=list(self.options.topics), pool=self.options.pool)

    async def _made(self):
        # it reads files
        return await in_thread(_notification_bus.Bus, self.options, self._told, self._skipped, self._changed)

    async def _reload(self):
        """Read the configuration again; where it is wrong now, what was read before holds."""
        if self.options.config_file:
            try:
                new = await self._made()
            except FaultlineError as exc:
                _LOG.warning("The configuration is not read again: %s", exc.text)
                return
            await self.end()
            self.bus = new
            self.bus.begin()

    async def end(self):
        if self.bus:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END):
                    await in_thread(self.bus.end)

    async def forward(self, queue):
        """Hand the events to a queue when their time has come, for ever."""
        while True:
            with self._lock:
                now = time.monotonic()
                events, left, merged = self._merged.due(now), self._merged.seconds_left(now), self._merged
                shared.report(
                    _notifications.NAME, received=merged.received, bad=merged.bad, unchanged=merged.unchanged, events=self._events + len(events),
                    waiting=len(merged))
            for event in events:
                await queue.put(event)
            self._events += len(events)
            if shared.reloads != self._reloads:
                self._reloads = shared.reloads
                await self._reload()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK if left is None else min(left, _LOOK)):
                    await self._news.wait()
            self._news.clear()

    # ---- from the threads of the message queue

    def _told(self, event_type, payload):
        with self._lock:
            new = self._merged.take(event_type, payload, time.monotonic())
        if new:
            self._wake()

    def _skipped(self):
        with self._lock:
            self._merged.received += 1
            self._merged.bad += 1

    def _changed(self, up, problem):
        """The connection was lost or found again, or is still lost. What was sent meanwhile may be lost with it."""
        with self._lock:
            now, words = time.monotonic(), None
            if up and self._up is False:
                self._merged.missed(now)
            if up and self._told_away:
                words, self._told_away = "The message queue is there again.", False
            elif not up and not self._told_away and now >= self._quiet:
                words, self._told_away, self._quiet = f"The message queue is away, and is waited for: {problem}", True, now + _QUIET
            self._up = up
            shared.report(_notifications.NAME, connected=up, problem=problem)
        if words:
            _LOG.warning(words)
        self._wake()

    def _wake(self):
        # the loop may have ended meanwhile
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)
