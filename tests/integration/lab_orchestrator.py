# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The orchestrator of routers as an operator starts it: ansible-rulebook with the rulebook of the collection, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

import yaml
from lab_nodes import ROOT
from patience import HANG

RULEBOOK = ROOT / ".venv" / "eda" / "bin" / "ansible-rulebook"


class Orchestrator:
    """ansible-rulebook with the rulebook of the collection, as an operator starts it."""

    def __init__(self, folder, port, inventory, clouds, **variables):
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        folder.mkdir()
        given = {"inventory": [str(inventory)], "api_port": port, "settings": {"state_dir": str(folder / "state")}, **variables}
        (folder / "orchestrator.yml").write_text(yaml.safe_dump(given))
        # it has no ansible of its own
        path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
        with open(folder / "log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [RULEBOOK, "-r", "faultline.openstack.routers", "-i", str(inventory), "-e", str(folder / "orchestrator.yml")], cwd=ROOT, stdout=log, stderr=log,
                env={**os.environ, "PATH": path, "OS_CLIENT_CONFIG_FILE": str(clouds), "ANSIBLE_NOCOLOR": "1"}, start_new_session=True)

    @property
    def log(self):
        return (self.folder / "log").read_text()

    def put(self, path):
        """(status, JSON) of a call."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, method="PUT"), timeout=HANG) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as exc:
            return exc.code, json.load(exc)

    def report(self, source):
        with contextlib.suppress(OSError):
            return self.put("/workers/debug/")[1]["sources"].get(source, {})
        assert self.process.poll() is None, self.log[-3000:]
        return {}

    def machine(self, router):
        """What the machine of a router remembers, as workers debug shows it."""
        return next((each for each in self.put("/workers/debug/")[1]["routers"] if each["id"] == router.id), {"state": None, "rebuilds": [], "history": []})

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                assert self.process.wait(HANG) == 0, self.log[-3000:]
            finally:
                if self.process.poll() is None:
                    os.killpg(self.process.pid, signal.SIGKILL)
