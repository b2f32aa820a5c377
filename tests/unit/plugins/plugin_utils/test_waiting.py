# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events that wait for rules that are busy, and work off the event loop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _events
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator._in_thread import in_thread
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator._waiting import Waiting

ONE, TWO = "7f8e4c1a-0b6d-4a53-9d0e-2f3b5c6d7e8f", "8" * 32


def event(text):
    """poll 1+2: an event for two routers; rebuild error: one for all that are not well."""
    name, _space, routers = text.partition(" ")
    if routers == "error":
        return _events.event(name, "test", scope="error")
    return _events.event(name, "test", routers=[{"1": ONE, "2": TWO}[each] for each in routers.split("+")])


@pytest.mark.parametrize(("given", "kept"), [
    (["poll 1", "poll 1"], ["poll 1"]), (["poll 1", "rebuild 2", "poll 1"], ["poll 1", "rebuild 2"]), (["poll 1", "poll 2"], ["poll 1+2"]),
    (["poll 1+2", "poll 2"], ["poll 1+2"]), (["debug 1", "debug 2"], ["debug 1+2"]),
    (["debug 1", "debug 1"], ["debug 1"]),
    (["rebuild error", "poll 1", "rebuild error"], ["rebuild error", "poll 1"]), (["rebuild error", "rebuild 1"], ["rebuild error", "rebuild 1"]),
    (["update 1", "poll 1", "update 2"], ["update 1+2", "poll 1"]),
    # two commands for one router stay in their order
    (["update 1", "rebuild 2", "update 2"], ["update 1", "rebuild 2", "update 2"]),
    (["update 1", "rebuild error", "update 2"], ["update 1", "rebuild error", "update 2"]),
    (["debug 1", "manage 1", "debug 1"], ["debug 1", "manage 1", "debug 1"]),
    # the first rebuild finds the router in debug
    (["debug 1", "rebuild 1", "manage 1", "rebuild 1"], ["debug 1", "rebuild 1", "manage 1", "rebuild 1"]),
])
def test_events_that_wait_are_made_few_where_the_result_is_the_same(given, kept):
    async def work():
        waiting, queue = Waiting(10), asyncio.Queue()
        told = [waiting.put([event(each)]) for each in given]
        assert told[0] and len(waiting) == len(kept)
        forward = asyncio.ensure_future(waiting.forward(queue))
        assert [await queue.get() for _each in kept] == [event(each) for each in kept]
        forward.cancel()
        await asyncio.gather(forward, return_exceptions=True)
        assert queue.empty() and len(waiting) == 0
    asyncio.run(work())


def test_a_full_queue_takes_all_events_of_a_command_or_none():
    waiting = Waiting(2)
    waiting.put([event("poll 1")])
    with pytest.raises(FaultlineError) as told:
        waiting.put([event("update 1"), event("rebuild 2")])
    assert (told.value.code, told.value.message, len(waiting)) == ("busy", "1 commands wait already.", 1)
    # what waits already needs no room
    assert waiting.put([event("poll 1"), event("update 2")]) and not waiting.put([event("poll 1")]) and waiting.put([event("update 1")])
    assert len(waiting) == 2


def test_an_event_names_so_many_routers_and_no_more():
    waiting = Waiting(10)
    for number in range(450):
        waiting.put([_events.event("update", "test", routers=[f"{number:032x}"])])
    assert len(waiting) == 3


def test_events_come_at_a_pace_and_join_meanwhile():
    async def work():
        waiting, queue, begun = Waiting(10, pace=0.2), asyncio.Queue(1), time.monotonic()
        forward = asyncio.ensure_future(waiting.forward(queue))
        waiting.put([event("poll 1")])
        assert await queue.get() == event("poll 1")
        for each in ("rebuild 1", "rebuild 2", "rebuild 1"):
            waiting.put([event(each)])
        assert await queue.get() == event("rebuild 1+2") and time.monotonic() - begun >= 0.2
        forward.cancel()
        await asyncio.gather(forward, return_exceptions=True)
        assert queue.empty()
    asyncio.run(work())


def test_an_event_waits_until_the_rules_take_it():
    async def work():
        waiting, queue = Waiting(10), asyncio.Queue(1)
        forward = asyncio.ensure_future(waiting.forward(queue))
        for each in ("poll 1", "update 2", "rebuild 1"):
            waiting.put([event(each)])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # the queue of ansible-rulebook has room for one
        assert (queue.qsize(), len(waiting)) == (1, 2)
        assert [await queue.get() for _each in range(3)] == [event(each) for each in ("poll 1", "update 2", "rebuild 1")]
        forward.cancel()
        with pytest.raises(asyncio.CancelledError):
            await forward
    asyncio.run(work())


def test_work_in_a_thread_gives_its_value_or_raises_and_one_that_hangs_is_left():
    async def work():
        assert await in_thread(lambda number: number + 1, 1) == 2
        with pytest.raises(ZeroDivisionError):
            await in_thread(lambda: 1 / 0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_thread(free.wait), 0.05)
    free = threading.Event()
    asyncio.run(work())
    free.set()
