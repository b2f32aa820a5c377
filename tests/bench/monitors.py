# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What monitors cost, and whether they lose samples: 10 endpoints at 5 probes a second, on a quiet machine and with all cores busy.

    python tests/bench/monitors.py [--seconds 20] [--output .build/bench/monitors.json]

Beside them stands what the same probes cost as a new process each (curl), as checks by command lines do. No lab is needed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".venv" / "collections"))

from ansible_collections.faultline.openstack.plugins.module_utils._ha import _monitor  # noqa: E402

ENDPOINTS, RATE = 10, 5
# percent of one core
MOST = 15
SERVER = """
import asyncio, ssl, sys
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 300\\r\\nConnection: close\\r\\n\\r\\n" + b"x" * 300
async def serve(reader, writer):
    try:
        await reader.readuntil(b"\\r\\n\\r\\n")
        writer.write(ANSWER)
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()
async def main():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(sys.argv[3], sys.argv[4])
    servers = [await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1])), await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[2]), ssl=tls)]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))
asyncio.run(main())
"""


def ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _each in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def specs(plain: int, tls: int) -> dict[str, dict]:
    """The monitors that are measured, by the name of their row."""
    def targets(**keys):
        return [{"name": f"endpoint{number}", **keys} for number in range(ENDPOINTS)]

    return {
        "http": {"type": "http", "targets": targets(url=f"http://127.0.0.1:{plain}/")},
        "https": {"type": "http", "targets": targets(url=f"https://127.0.0.1:{tls}/", verify=False)},
        "tcp": {"type": "tcp", "targets": targets(host="127.0.0.1", port=plain)},
        "ping": {"type": "ping", "targets": targets(host="127.0.0.1")},
    }


def processor_time(pid: int) -> float:
    """utime and stime of a process, seconds."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, spec: dict, seconds: float, folder: pathlib.Path) -> dict:
    """Run a monitor for a while; what it took and what it lost."""
    output = folder / "samples.jsonl"
    monitor = _monitor.start({"name": name, "rate": RATE, **spec}, str(output), seconds + 60)["monitor"]
    try:
        before, begin = processor_time(monitor["pid"]), time.monotonic()
        time.sleep(seconds)
        used, took = processor_time(monitor["pid"]) - before, time.monotonic() - begin
        memory = int(pathlib.Path(f"/proc/{monitor['pid']}/status").read_text().split("VmRSS:")[1].split()[0])
        end = _monitor.stop(str(output))["monitor"]
        samples = [json.loads(line) for line in output.read_text().splitlines()[1:-1]]
    finally:
        _monitor.remove(str(output))
    late = sorted(sample["start"] - sample["due"] for sample in samples)
    return {
        "core_percent": round(100 * used / took, 2), "memory_kib": memory, "due": end["due"], "taken": end["taken"],
        "late_ms_p99": round(1000 * late[len(late) * 99 // 100], 2), "late_ms_max": round(1000 * late[-1], 2),
        "ok": sum(sample["outcome"] == "ok" for sample in samples),
    }


def curls(plain: int) -> dict | None:
    """What the same number of probes costs as a process each, computed from 50 of them."""
    curl = shutil.which("curl")
    if not curl:
        return None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _each in range(50):
        subprocess.run([curl, "--silent", "--output", "/dev/null", f"http://127.0.0.1:{plain}/"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return {"core_percent": round(100 * used / 50 * ENDPOINTS * RATE, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / ".build" / "bench" / "monitors.json")
    options = parser.parse_args()
    found = {"cores": os.cpu_count(), "endpoints": ENDPOINTS, "rate": RATE, "load": os.getloadavg()[0], "quiet": {}, "busy": {}}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=here",
             "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
        plain, tls = ports(2)
        server = stack.enter_context(subprocess.Popen(
            [sys.executable, "-c", SERVER, str(plain), str(tls), folder / "cert", folder / "key"], stdout=subprocess.PIPE, text=True))
        stack.callback(server.kill)
        if server.stdout.readline() != "ready\n":
            raise RuntimeError("the server did not start")
        print(f"{ENDPOINTS} endpoints, {RATE} probes a second each, {options.seconds:g} s per row; load before: {found['load']:.1f}\n")
        print(f"{'machine':<8} {'monitor':<8} {'of one core':>11} {'memory':>9} {'due':>6} {'taken':>6} {'late, p99':>10} {'late, max':>10}")
        for machine in ("quiet", "busy"):
            with contextlib.ExitStack() as busy:
                for _core in range(os.cpu_count() if machine == "busy" else 0):
                    loop = busy.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
                    busy.callback(loop.kill)
                for kind, spec in specs(plain, tls).items():
                    row = found[machine][kind] = measure(kind, spec, options.seconds, folder)
                    print(f"{machine:<8} {kind:<8} {row['core_percent']:>9.1f} % {row['memory_kib'] / 1024:>5.1f} MiB {row['due']:>6} {row['taken']:>6}"
                          f" {row['late_ms_p99']:>7.1f} ms {row['late_ms_max']:>7.1f} ms", flush=True)
        found["curl"] = curls(plain)
    if found["curl"]:
        print(f"\nThe same as a curl for each probe: {found['curl']['core_percent']:.1f} % of one core")
    rows = [(machine, kind, row) for machine in ("quiet", "busy") for kind, row in found[machine].items()]
    missed = [f"{machine} {kind}" for machine, kind, row in rows if row["core_percent"] >= MOST or row["due"] != row["taken"]]
    print(f"\n{'MISSED: ' + ', '.join(missed) if missed else 'reached'}: under {MOST} % of one core, no sample lost")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
