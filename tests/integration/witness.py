# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client on another node that asks the doors of a service many times a second and writes down what came back: the outside witness.

Runs alone (standard library, Python 3.8 and later): argv[1] is JSON, {"doors": [DOOR], "output": path, "seconds": when to end at the latest,
"rate": questions a second to each door}.
DOOR: {"name", "protocol": "tcp" | "udp" | "http", "address", "port", "send": hexadecimal, or none for a service that speaks first;
"copies": seconds for which copies of an answer by UDP are counted}.

Each line of the output is one question: [begin, end, name, outcome, who]; begin and end in epoch seconds; outcome: answered, closed, refused, silent;
who: what tells one process that answers from another, where the answer has that ("pid=123"), or its clock, by an HTTP server that tells the time
("date=" and epoch seconds), or how many copies of it came ("answers=2"), or none. Questions have their own times, whatever becomes
of earlier ones. The first line is {"ready": pid}, the last, after SIGTERM, {"end": ...}.
"""

import asyncio
import email.utils
import json
import os
import re
import signal
import sys
import time

# seconds until a question counts as met by silence
PATIENCE = 1.0


def who(raw):
    """The words of an answer that name its process, or tell its time."""
    found = re.search(rb"(?:pid=|from |X-Faultline-Pid: |STAT pid )(\d+)", raw)
    if found:
        return "pid=%d" % int(found.group(1))
    told = re.search(rb"\r\nDate: ([^\r]+)", raw)
    return "date=%d" % email.utils.parsedate_to_datetime(told.group(1).decode()).timestamp() if told else None


class Datagrams(asyncio.DatagramProtocol):
    """One question by UDP. answer: a future of the first that comes; count: how many have come."""

    def __init__(self, question, answer):
        self.question = question
        self.answer = answer
        self.count = 0

    def connection_made(self, transport):
        transport.sendto(self.question)

    def datagram_received(self, data, addr):
        self.count += 1
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc):
        if not self.answer.done():
            self.answer.set_exception(exc)


async def by_udp(door):
    """(what a datagram through a door brings back, when, how many copies of it)."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Datagrams(bytes.fromhex(door.get("send") or "00"), loop.create_future()), remote_addr=(door["address"], door["port"]))
    try:
        raw = await asyncio.wait_for(protocol.answer, PATIENCE)
        end = time.time()
        await asyncio.sleep(door.get("copies", 0))
        return raw, end, protocol.count
    finally:
        transport.close()


async def by_tcp(door):
    """What a connection through a door brings back: its first bytes."""
    reader, writer = await asyncio.open_connection(door["address"], door["port"])
    try:
        if door["protocol"] == "http":
            writer.write(b"GET / HTTP/1.0\r\nHost: witness\r\n\r\n")
        elif door.get("send"):
            writer.write(bytes.fromhex(door["send"]))
        return await reader.read(4096)
    finally:
        writer.transport.abort()


async def ask(door, lines):
    begin, end, person = time.time(), None, None
    try:
        if door["protocol"] == "udp":
            raw, end, count = await by_udp(door)
        else:
            raw, count = await asyncio.wait_for(by_tcp(door), PATIENCE), 0
        outcome, person = ("answered" if raw else "closed"), ("answers=%d" % count if door.get("copies") else who(raw))
    except asyncio.TimeoutError:
        outcome = "silent"
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError:
        outcome = "closed"
    lines.append([begin, end or time.time(), door["name"], outcome, person])


async def main(task):
    """Ask until SIGTERM."""
    loop = asyncio.get_running_loop()
    over, lines, running = asyncio.Event(), [], set()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    loop.call_later(task["seconds"], over.set)
    with open(task["output"], "w") as stream:
        stream.write(json.dumps({"ready": os.getpid()}) + "\n")
        stream.flush()
        begin, number = loop.time(), 0
        while not over.is_set():
            for door in task["doors"]:
                question = loop.create_task(ask(door, lines))
                running.add(question)
                question.add_done_callback(running.discard)
            # what could not be asked in its time is not made up for
            number = max(number + 1, int((loop.time() - begin) * task["rate"]))
            try:
                await asyncio.wait_for(over.wait(), max(0.001, begin + number / task["rate"] - loop.time()))
            except asyncio.TimeoutError:
                pass
            stream.writelines(json.dumps(line) + "\n" for line in lines)
            lines.clear()
            stream.flush()
        if running:
            await asyncio.wait(running)
        stream.writelines(json.dumps(line) + "\n" for line in lines)
        stream.write(json.dumps({"end": time.time()}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
