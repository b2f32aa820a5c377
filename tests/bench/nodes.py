# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's nodes as the bench sees them: by plain ssh, beside the connections that are measured."""

from __future__ import annotations

import pathlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

import yaml

SERVICE = "memcached"

# Debian's unit comes back by itself after a kill, and systemd gives up on one that is killed too often
READY = f"""
systemctl reset-failed {SERVICE}
systemctl start {SERVICE} || exit 1
[ -z "$(ls -A /var/lib/faultline/open 2>/dev/null)" ] || {{ echo 'a fault is open' >&2; exit 1; }}
systemctl show --property MainPID --value {SERVICE}
"""


class Nodes:
    """Reads and writes of the bench on the lab's first nodes."""

    def __init__(self, lab: pathlib.Path, work: pathlib.Path, sockets: pathlib.Path) -> None:
        self.lab = lab
        self.work = work
        self.config = yaml.safe_load((lab / "os-faults.yaml").read_text(encoding="utf-8"))
        self.all = self.config["node_discover"]["args"]
        self._ssh = [
            "ssh", "-F", str(lab / "ssh_config"), "-o", "BatchMode=yes", "-o", "ControlMaster=auto",
            "-o", f"ControlPath={sockets}/%C", "-o", "ControlPersist=600",
        ]  # fmt: skip

    def run(self, node: dict, command: str, text: str | None = None) -> str:
        done = subprocess.run(
            [*self._ssh, node["fqdn"], command], input=text, stdin=None if text else subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{node['fqdn']}: {command}: {done.stderr.strip()}")
        return done.stdout.strip()

    def everywhere(self, count: int, command: str) -> list[str]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda node: self.run(node, command), self.all[:count]))

    def ready(self, count: int) -> list[str]:
        """The service is up everywhere and no fault is open; its main PIDs."""
        return self.everywhere(count, READY)

    def files(self, count: int) -> dict[str, pathlib.Path]:
        """os-faults files of the first nodes: one that tells where the service runs, one that leaves it to discovery."""
        known = {**self.config, "node_discover": {**self.config["node_discover"], "args": self.all[:count]}}
        service = self.config["services"][SERVICE]
        known["services"] = {SERVICE: {**service, "hosts": [node["ip"] for node in self.all[:count]]}}
        cold = {**known, "services": {SERVICE: {key: service[key] for key in ("driver", "args")}}}
        written = {}
        for name, content in (("known", known), ("cold", cold)):
            folder = self.work / f"{name}-{count}"
            folder.mkdir(parents=True, exist_ok=True)
            written[name] = folder / "os-faults.yaml"
            written[name].write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return written
