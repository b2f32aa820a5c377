# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it costs to ask the doors of a service before a kill, a freeze or an unplug, beside a task of Ansible that does nothing.

    python tests/bench/doors.py [--rounds 10] [--output .build/bench/doors.json]

Each kind of server is asked at one door and at ten, by turns with a `ping` of Ansible on this machine, so that both meet the same load. No lab is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".venv" / "collections"))

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _doors, _reach  # noqa: E402

MANY = 10
# part of a task that it may take where somebody answers; who is silent takes as long as he is waited for
MOST = 0.3
# how much longer many doors may take than one, which are asked all at once
MORE = 1.5
ANSWERING = ("speaks first", "replies", "hangs up", "udp")
SERVER = """
import asyncio, sys
OPEN = set()
async def speaks(reader, writer):
    writer.write(b"220 ready\\r\\n")
    writer.close()
async def replies(reader, writer):
    await reader.read(999)
    writer.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    writer.close()
async def hangs_up(reader, writer):
    await reader.read(999)
    writer.close()
async def says_nothing(reader, writer):
    OPEN.add(writer)
class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, peer):
        self.transport.sendto(b"pong", peer)
async def main():
    count, loop, ports = int(sys.argv[1]), asyncio.get_running_loop(), {}
    for name, serve in (("speaks first", speaks), ("replies", replies), ("hangs up", hangs_up), ("says nothing", says_nothing)):
        servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for _each in range(count)]
        ports[name] = [each.sockets[0].getsockname()[1] for each in servers]
    for name, protocol in (("udp", Udp), ("udp, says nothing", asyncio.DatagramProtocol)):
        made = [await loop.create_datagram_endpoint(protocol, ("127.0.0.1", 0)) for _each in range(count)]
        ports[name] = [transport.get_extra_info("sockname")[1] for transport, _protocol in made]
    print(__import__("json").dumps(ports), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def used() -> float:
    """utime and stime of this process, seconds."""
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_utime + now.ru_stime


def look(kind: str, ports: list[int]) -> dict:
    """One look at these doors, as the module has it before it does anything."""
    doors = [_doors.Door("udp" if kind.startswith("udp") else "tcp", "127.0.0.1", port) for port in ports]
    before, begin = used(), time.monotonic()
    _doors.ask(doors, _reach.ANSWER)
    return {"seconds": time.monotonic() - begin, "processor": used() - before}


def task() -> float:
    """Seconds that a task of Ansible takes which does nothing."""
    begin = time.monotonic()
    subprocess.run(
        ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", "ansible.builtin.ping"], check=True, capture_output=True,
        env={**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"})
    return time.monotonic() - begin


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="of each measurement")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / ".build" / "bench" / "doors.json")
    options = parser.parse_args()
    looks, tasks = {}, []
    with subprocess.Popen([sys.executable, "-c", SERVER, str(MANY)], stdout=subprocess.PIPE, text=True) as server:
        try:
            ports = json.loads(server.stdout.readline())
            for _round in range(options.rounds):
                tasks.append(task())
                for kind, some in ports.items():
                    for count in (1, MANY):
                        looks.setdefault((kind, count), []).append(look(kind, some[:count]))
        finally:
            server.kill()
    usual = statistics.median(tasks)
    print(f"{options.rounds} rounds, load {os.getloadavg()[0]:.1f}; a task that does nothing: {usual:.2f} s\n")
    print(f"{'a server that':<18} {'doors':>5} {'asked in':>9} {'processor':>10} {'of a task':>10}")
    rows = []
    for (kind, count), each in looks.items():
        seconds, processor = (statistics.median(one[what] for one in each) for what in ("seconds", "processor"))
        rows.append({"kind": kind, "doors": count, "seconds": round(seconds, 4), "processor": round(processor, 4), "of_a_task": round(seconds / usual, 3)})
        print(f"{kind:<18} {count:>5} {seconds:>7.3f} s {1000 * processor:>7.1f} ms {seconds / usual:>10.2f}")
    took = {(row["kind"], row["doors"]): row for row in rows}
    missed = [f"{kind} takes {took[kind, 1]['of_a_task']} of a task" for kind in ANSWERING if took[kind, 1]["of_a_task"] > MOST]
    missed += [f"{MANY} doors: {kind}" for kind in ports if took[kind, MANY]["seconds"] > MORE * took[kind, 1]["seconds"] + 0.05]
    print(f"\n{'MISSED: ' + '; '.join(missed) if missed else 'reached'}: who answers takes under {MOST} of a task; {MANY} doors take as long as one")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg()[0], "task": usual, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
