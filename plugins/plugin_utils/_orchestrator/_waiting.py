# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The events that wait until the rules take them.

A rule begins a playbook for each event, and ansible-rulebook takes one event at a time, or all that come where its rules run in parallel. So events are
handed on one by one, so many seconds apart, and those that wait meanwhile are made into few.
"""

from __future__ import annotations

import asyncio
import collections

from ...module_utils._fault._errors import FaultlineError
from . import _events

# routers that one event names
PART = 200


class Waiting:
    """A queue with so much room. pace: seconds between two events that it hands on; one that comes alone does not wait."""

    def __init__(self, room, pace=0):
        self.room, self.pace, self._events, self._some, self._given = room, pace, collections.deque(), asyncio.Event(), 0

    def __len__(self):
        return len(self._events) + self._given

    def put(self, events):
        """Add all of them or, with FaultlineError busy, none; whether anything in them was not there yet."""
        new = [each for each in events if self._like(each[_events.KEY]) is None]
        if len(self) + len(new) > self.room:
            raise FaultlineError(
                f"{len(self)} commands wait already.", code="busy", hint="The rules are slower than the commands come; try again later.")
        added = [self._add(each) for each in events]
        if self._events:
            self._some.set()
        return any(added)

    def _add(self, event):
        waiting = self._like(event[_events.KEY])
        if waiting is None:
            self._events.append({_events.KEY: dict(event[_events.KEY])})
            return True
        more = [each for each in event[_events.KEY]["routers"] if each not in waiting["routers"]]
        waiting["routers"] = waiting["routers"] + more
        return bool(more)

    def _like(self, event):
        """One that waits and may hold this one too: an equal one, or the same for other routers. What is done before a mark changes and after it differs."""
        joins = event["scope"] == _events.ROUTERS
        for each in reversed(self._events):
            waiting = each[_events.KEY]
            if waiting == event:
                return waiting
            routers = {*waiting["routers"], *event["routers"]}
            if joins and dict(waiting, routers=()) == dict(event, routers=()) and len(routers) <= PART:
                return waiting
            if not {waiting["event"], event["event"]} <= set(_events.MACHINE):
                return None
            # two commands for one router stay in their order
            joins = joins and waiting["scope"] == _events.ROUTERS and len(routers) == len(waiting["routers"]) + len(event["routers"])
        return None

    async def forward(self, queue):
        """Hand the events to a queue, one after the other, for ever."""
        while True:
            while self._events:
                # nothing joins it any more, but it waits until it is taken
                event, self._given = self._events.popleft(), 1
                await queue.put(event)
                self._given = 0
                await asyncio.sleep(self.pace)
            self._some.clear()
            await self._some.wait()
