# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far apart the same fault comes on many hosts: fired by their own clocks (at), beside a plain task of Ansible. `make bench` runs it.

The spread is that of the moments at which the injection was done, as each host's journal has them. All nodes of the lab share one kernel
and so one clock.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAB = ROOT / ".lab-bench"
FAULT = {"service": "memcached", "action": "freeze", "duration": 3}
# seconds until the moment: all hosts have to be armed before
AHEAD = {3: 12, 10: 20, 30: 40}


def ansible(hosts: list[str], module: str, args: dict) -> dict[str, dict]:
    """{host: result} of one module on these hosts."""
    done = subprocess.run(
        ["ansible", ",".join(hosts), "-i", str(LAB / "os-faults.yaml"), "--forks", str(len(hosts)), "-m", f"faultline.openstack.{module}",
         "-a", json.dumps(args)],
        cwd=ROOT, env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True, text=True, timeout=300, check=False)
    found = {}
    for part in done.stdout.split("\n}\n"):
        if " => {" in part:
            head, _arrow, body = part.partition(" => ")
            found[head.split()[-3 if head.endswith("!") else 0]] = json.loads(body + "\n}" if not body.rstrip().endswith("\n}") else body)
    if done.returncode or len(found) != len(hosts):
        sys.exit(f"{module} on {len(hosts)} hosts: {done.stdout[-3000:]}{done.stderr[-1000:]}")
    return found


def spread(hosts: list[str], at: bool) -> tuple[float, float]:
    """(spread, lateness of the last) in seconds of one fault on all hosts; lateness is 0 for a plain task."""
    moment = time.time() + AHEAD[len(hosts)] if at else None
    args = {**FAULT, **({"at": moment} if at else {"wait": True})}
    ids = {host: result["fault"]["id"] for host, result in ansible(hosts, "os_service_fault", args).items()}
    if moment:
        time.sleep(max(0.0, moment + FAULT["duration"] + 3 - time.time()))
    told = ansible(hosts, "os_fault_info", {"closed": True})
    moments = []
    for host, fault in ids.items():
        (record,) = [each for each in told[host]["closed"] if each["id"] == fault]
        if record["state"] != "undone" or record.get("failure"):
            sys.exit(f"{host}: {fault} is {record['state']}: {record.get('failure')}")
        moments.append(record["began"])
    return max(moments) - min(moments), max(moments) - moment if moment else 0.0


def told(values: list[float]) -> str:
    return f"{statistics.median(values) * 1000:8.1f} ms (max {max(values) * 1000:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="+", default=[3, 30])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    names = [f"n{number}" for number in range(1, max(args.hosts) + 1)]
    print(f"{'hosts':>5}  {'plain task':>22}  {'by their clocks':>22}  {'last late':>10}  ratio")
    for count in args.hosts:
        plain, timed, late = [], [], []
        for _round in range(args.rounds):
            plain.append(spread(names[:count], at=False)[0])
            each = spread(names[:count], at=True)
            timed.append(each[0])
            late.append(each[1])
        ratio = statistics.median(timed) / statistics.median(plain)
        print(f"{count:>5}  {told(plain):>22}  {told(timed):>22}  {statistics.median(late) * 1000:7.1f} ms  {ratio:.4f}", flush=True)


if __name__ == "__main__":
    main()
