# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process of a monitor: every probe is due at its own time, whatever became of the others (an open loop).

Probe k of series i is due at T0 + (i / number of calls + k) * period. One that cannot start within its period, because this process was frozen or
starved, is not made up for later: it would say nothing of its time. It stays due and not taken, which whoever reads the file sees.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib
import os
import signal

from .._fault._errors import FaultlineError
from . import _clock, _probes, _process, _samples

# seconds between two writes of the file
_FLUSH = 0.5
# seconds that what is prepared before the first probe may take, by the start of the monitor
PREPARING = 40
# seconds from the end of the preparation to the first probe
_HEADWAY = 0.05
# seconds beyond its limit after which the kernel ends a monitor that hangs
_BACKSTOP = 60


class Sampler:
    """One monitor at work. family: a prepared Family; writer: its file."""

    def __init__(self, family, writer, clock):
        self._family = family
        self._writer = writer
        self._clock = clock
        self._period = 1.0 / family.rate
        self._loop = asyncio.get_running_loop()
        self._tasks = set()
        self._timers = {}
        self._stopped = self._loop.create_future()
        self._over = asyncio.Event()

    async def run(self, begin, limit, started):
        """Take samples from begin (of the loop's clock) on until stop(), at most limit seconds; started() is called when the first is due."""
        calls = self._family.calls
        self._loop.call_at(begin, started)
        for number, call in enumerate(calls):
            self._arm(call, begin + number * self._period / len(calls))
        ending = self._loop.call_at(begin + limit, self.stop)
        flushing = self._loop.create_task(self._flush())
        await self._stopped
        ending.cancel()
        if self._tasks:
            # each has its own deadline
            await asyncio.wait(self._tasks, timeout=self._family.timeout + 2)
        self._over.set()
        await flushing

    def stop(self):
        """Begin no more probes; those that are under way are waited for."""
        if self._stopped.done():
            return
        now = self._loop.time()
        for call, (due, timer) in list(self._timers.items()):
            timer.cancel()
            if due <= now:
                self._fire(call, due)
        for _due, timer in self._timers.values():
            timer.cancel()
        self._stopped.set_result(None)

    def _arm(self, call, due):
        self._timers[call] = (due, self._loop.call_at(due, self._fire, call, due))

    def _fire(self, call, due):
        skipped = max(0, int((self._loop.time() - due) / self._period))
        due += skipped * self._period
        self._writer.due += (skipped + 1) * len(call.series)
        task = self._loop.create_task(self._take(call, due))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._arm(call, due + self._period)

    async def _take(self, call, due):
        timeout = self._family.timeout
        outcome, error, value, told = "ok", None, None, None
        start = self._loop.time()
        try:
            value = await asyncio.wait_for(call.run(), timeout)
            if call.many:
                told, value = value, None
        except Exception as exc:  # pylint: disable=broad-except
            outcome, error = _probes.failure(exc, timeout)
            value = exc.value if isinstance(exc, _probes.Failed) else None
        duration = self._loop.time() - start
        epochs = self._clock.epoch(due), self._clock.epoch(start)
        for name in call.series:
            if told is not None:
                error, value = told[name]
                outcome = "ok" if error is None else "failed"
            self._writer.add(_samples.sample(name, epochs[0], epochs[1], duration, outcome, error, value))

    async def _flush(self):
        # a disk that hangs, or is busy, delays no probe
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            while not self._over.is_set():
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._over.wait(), _FLUSH)
                await self._loop.run_in_executor(thread, self._writer.flush)


def _raise_priority():
    """Before others, so that a busy host delays no probe; as far as we may."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -5)
    # where sessions are groups to the scheduler, a process' own nice value counts within its session only (sched(7))
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as stream:
        stream.write("-5")
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("-500")


def _header(family, clock, begin, digest):
    spec = family.spec
    return {
        "kind": "monitor", "name": spec["name"], "type": spec["type"], "host": spec["host"], "pid": os.getpid(), "started": round(clock.epoch(begin), 6),
        "period": round(1.0 / family.rate, 6), "timeout": family.timeout, "series": family.series,
        "clock_offset": spec["clock_offset"], "clock_error": spec["clock_error"], "digest": digest,
    }


async def _prepared(family):
    try:
        await asyncio.wait_for(family.prepare(), PREPARING - 5)
    except asyncio.TimeoutError as exc:
        raise FaultlineError(
            "The monitor %r could not be prepared within %d seconds." % (family.spec["name"], PREPARING - 5), code="not_prepared",
            hint="What it watches has to answer when it starts.",
        ) from exc
    if not family.calls:
        raise _probes.bad("The monitor %r has nothing to watch." % family.spec["name"])


async def _monitor(family, arguments):
    loop = asyncio.get_running_loop()
    stopped = []
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.append, True)
    await _prepared(family)
    clock = _clock.Clock()
    begin = loop.time() + _HEADWAY
    header = _header(family, clock, begin, arguments["digest"])
    writer = _samples.Writer(arguments["output"], header, arguments.get("resume", False))
    failure = {}
    try:
        sampler = Sampler(family, writer, clock)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, sampler.stop)
        if stopped:
            loop.call_at(begin, sampler.stop)
        news = {"pid": os.getpid(), "started": header["started"], "period": header["period"], "series": len(family.series)}
        await sampler.run(begin, arguments["limit"], lambda: _process.ready(news))
        await asyncio.wait_for(family.close(), 60)
    except Exception as exc:  # pylint: disable=broad-except
        failure = {"failure": _probes.explain(exc)}
    finally:
        writer.end(clock.epoch(), **failure)


def main(arguments):
    """The life of a monitor's process. arguments: {spec, family (module), output, pidfile, limit (seconds)}."""
    try:
        _raise_priority()
        importlib.import_module(arguments["family"])
        spec = arguments["spec"]
        family = _probes.family(spec)(spec)
        _process.enter(arguments["pidfile"])
        signal.setitimer(signal.ITIMER_REAL, arguments["limit"] + PREPARING + family.timeout + _BACKSTOP)
        try:
            asyncio.run(_monitor(family, arguments))
        finally:
            _process.leave(arguments["pidfile"])
    except FaultlineError as exc:
        _process.failed(exc)
        return 1
    return 0
