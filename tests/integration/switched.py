# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP service of its own process, each port of which is switched off and on at given times, and which notes when it truly was.

`switched.py SCHEDULE`: {port: [[seconds until it goes off, seconds that it is off], ...]}, each pair after the one before. It prints "ready"
when all ports listen, begins with the schedule when it has read a line, and prints at its end what it has done: {port: [[off, on], ...]}, each as
[before, after], epoch seconds. It serves on until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 300\r\nConnection: close\r\n\r\n" + b"x" * 300


async def _serve(reader, writer):
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER)
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def _port(number, schedule, listening, begun, done):
    server = await asyncio.start_server(_serve, "127.0.0.1", number)
    listening.release()
    await begun.wait()
    for wait, length in schedule:
        await asyncio.sleep(wait)
        off = [time.time()]
        server.close()
        off.append(time.time())
        await asyncio.sleep(length)
        on = [time.time()]
        server = await asyncio.start_server(_serve, "127.0.0.1", number)
        done[number].append([off, [*on, time.time()]])


async def main(schedules):
    listening, begun, done = asyncio.Semaphore(0), asyncio.Event(), {number: [] for number in schedules}
    ports = [asyncio.create_task(_port(number, schedule, listening, begun, done)) for number, schedule in schedules.items()]
    for _each in ports:
        await listening.acquire()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    begun.set()
    await asyncio.gather(*ports)
    print(json.dumps(done), flush=True)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main({int(number): schedule for number, schedule in json.loads(sys.argv[1]).items()}))
