# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wall time beside os-faults and plain Ansible, and what a task costs the wire and the target. `make bench` runs it.

Every sentence is run by every contender in each round, in turn, so that what else the machine does hits all alike. Each
sample starts from a service that runs everywhere, and is thrown out with an error if it didn't hit the hosts that it
should have. Sentences start without an SSH connection, as a person's command does; single modules with a warm one.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

import contenders
import footprint
import report
from nodes import SERVICE, Nodes

ROOT = contenders.ROOT
ROUNDS = {3: 7, 10: 5, 30: 5}
FAULT = "faultline.openstack.os_service_fault"
SENTENCES = {
    "kill on one, hosts known": (f"kill {SERVICE} service on one node", "known", "one"),
    "restart on all, hosts known": (f"restart {SERVICE} service on all nodes", "known", "all"),
    "kill on one, cold discovery": (f"kill {SERVICE} service on one node", "cold", "one"),
}
MODULES = {
    "raw true": ("ansible.builtin.raw", "true", None),
    "ping": ("ansible.builtin.ping", "", None),
    "os_service_fault kill": (FAULT, f"service={SERVICE} action=kill", "all"),
}


class Bench:
    """All samples of one run."""

    def __init__(self, nodes: Nodes, work: pathlib.Path, sockets: pathlib.Path) -> None:
        self.nodes = nodes
        self.work = work
        self.ours = contenders.faultline(work, sockets, nodes.lab)
        self.peers = [contenders.os_faults(work, sockets, helped) for helped in (False, True)]
        self.samples: dict[tuple[int, str, str], list[float]] = {}

    def sample(self, count: int, case: str, contender: contenders.Contender, argv: list[str], hits: str | None) -> None:
        before = self.nodes.ready(count)
        log = self.work / "logs" / f"{count}-{case}-{contender.name}.log".replace(" ", "_")
        log.parent.mkdir(exist_ok=True)
        wall = contender.time(argv, log)
        hit = sum(old != new for old, new in zip(before, self.nodes.ready(count), strict=True))
        wanted = {"one": 1, "all": count, None: 0}[hits]
        if hit != wanted:
            raise RuntimeError(f"{contender.name} hit {hit} hosts instead of {wanted}, see {log}")
        self.samples.setdefault((count, case, contender.name), []).append(wall)
        print(f"  {count:3} nodes  {case:30} {contender.name:18} {wall:7.2f} s", flush=True)

    def round(self, count: int) -> None:
        files = self.nodes.files(count)
        for case, (text, file, hits) in SENTENCES.items():
            for contender in (self.ours, *self.peers):
                contender.hang_up()
                self.sample(count, case, contender, contenders.sentence(contender, files[file], text), hits)
        # the least that Ansible can do over new connections: a command on all, a module on one
        for case, argv in {
            "raw true, cold": contenders.ad_hoc(files["known"], "ansible.builtin.raw", "true"),
            "ping one, cold": [*contenders.ad_hoc(files["known"], "ansible.builtin.ping"), "--limit", self.nodes.all[0]["fqdn"]],
        }.items():
            self.ours.hang_up()
            self.sample(count, case, self.ours, argv, None)
        for case, (module, arguments, hits) in MODULES.items():
            self.sample(count, case, self.ours, contenders.ad_hoc(files["known"], module, arguments), hits)


def results(bench: Bench) -> list[dict]:
    """Median, extremes and samples, per number of nodes, case and contender."""
    return [
        {"nodes": count, "case": case, "contender": name, "median": round(statistics.median(walls), 3),
         "min": round(min(walls), 3), "max": round(max(walls), 3), "samples": [round(wall, 3) for wall in walls]}
        for (count, case, name), walls in sorted(bench.samples.items())
    ]  # fmt: skip


def machine() -> dict:
    """Where and with what it was measured."""
    def version(*argv: str) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")[0].strip()

    return {
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": version("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0],
        "ansible": version(str(ROOT / ".venv/bin/ansible"), "--version"),
        "peer": version(str(ROOT / ".venv/peer/bin/ansible"), "--version") + ", os-faults 0.3.0",
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=sorted(ROUNDS), help="numbers of nodes")
    parser.add_argument("--rounds", type=int, help=f"samples of each case (default {ROUNDS})")
    parser.add_argument("--lab", type=pathlib.Path, default=ROOT / ".lab-bench", help="the lab's directory")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / ".build" / "bench" / "bench.json")
    options = parser.parse_args()

    # connections are hung up then, too
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit("terminated"))
    work = options.output.resolve().parent
    work.mkdir(parents=True, exist_ok=True)
    # paths of sockets are short
    sockets = pathlib.Path(tempfile.mkdtemp(prefix="flb"))
    contenders.private_folder(sockets / "s")
    nodes = Nodes(options.lab.resolve(), work, sockets / "s")
    if len(nodes.all) < max(options.hosts):
        parser.error(f"the lab has {len(nodes.all)} nodes: make lab PROFILE=bench")
    bench = Bench(nodes, work, sockets)
    found = {"machine": machine()}
    try:
        for count in options.hosts:
            for _each in range(options.rounds or ROUNDS.get(count, 5)):
                bench.round(count)
        found["footprint"] = footprint.measure(nodes, bench.ours)
    finally:
        # what was measured until then is not lost
        found["results"] = results(bench)
        found["goals"] = report.goals(found)
        options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        print(report.table(found))
        for contender in (bench.ours, *bench.peers):
            contender.hang_up()
        for socket in (sockets / "s").iterdir():
            subprocess.run(["ssh", "-O", "exit", "-S", str(socket), "any"], capture_output=True, check=False)
        shutil.rmtree(sockets)
    print(f"\nAll samples: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
