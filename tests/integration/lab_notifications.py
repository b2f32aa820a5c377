# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source neutron_notifications as a process of its own, by the Python that ansible-rulebook has, and what sends it notifications."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading

import pytest
from lab_nodes import ROOT, wait_for
from patience import HANG

EDA = ROOT / ".venv" / "eda" / "bin" / "python"
_SOURCE = ROOT / ".venv/collections/ansible_collections/faultline/openstack/extensions/eda/plugins/event_source/neutron_notifications.py"

# as ansible-rulebook runs it, with what it reports of itself when that changes
_LISTEN = """
import asyncio, json, os, runpy, signal

class Queue:
    async def put(self, event):
        print(json.dumps(event), flush=True)

async def main():
    source = runpy.run_path(os.environ["SOURCE"])
    task = asyncio.create_task(source["main"](Queue(), json.loads(os.environ["ARGUMENTS"])))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    told = None
    while not task.done():
        await asyncio.wait([task], timeout=0.1)
        from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator._shared import shared
        facts = {name: value for name, value in shared.reports.get("neutron_notifications", {}).items() if name != "at"}
        if facts != told:
            told = facts
            print(json.dumps({"report": facts}), flush=True)
    try:
        await task
    except asyncio.CancelledError:
        print(json.dumps({"cancelled": True}), flush=True)

asyncio.run(main())
"""

# sends what it reads, [type, payload] on a line, as Neutron does; of the type "raw" it is a text as it is
_SEND = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import kombu
import oslo_messaging
from oslo_config import cfg
conf = cfg.ConfigOpts()
conf([], project="test", default_config_files=[], default_config_dirs=[])
oslo_messaging.set_transport_defaults("neutron")
transport = oslo_messaging.get_notification_transport(conf, url=os.environ["TRANSPORT_URL"])
notifier = oslo_messaging.Notifier(transport, "network.test", driver="messagingv2", topics=["notifications"])
for line in sys.stdin:
    event_type, payload = json.loads(line)
    if event_type == "raw":
        with kombu.Connection(os.environ["TRANSPORT_URL"].replace("rabbit://", "amqp://")) as connection:
            connection.Producer().publish(
                payload, exchange="neutron", routing_key="notifications.info", content_type="application/json", content_encoding="utf-8")
    else:
        notifier.info({}, event_type, payload)
    print("sent", flush=True)
"""


class Listener:
    """A process that listens. events: as they came; report: what it has told of itself last."""

    def __init__(self, **arguments):
        self.events, self.reports, self.cancelled = [], [], False
        self.process = subprocess.Popen(
            [EDA, "-c", _LISTEN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
            env={**os.environ, "SOURCE": str(_SOURCE), "ARGUMENTS": json.dumps(arguments)})
        self.errors = []
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()

    @property
    def report(self):
        return self.reports[-1] if self.reports else {}

    def connected(self):
        return self.report.get("connected")

    def _read(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "report" in told:
                self.reports.append(told["report"])
            elif "cancelled" in told:
                self.cancelled = True
            else:
                self.events.append(told["faultline_router"])

    def _read_errors(self):
        self.errors.extend(self.process.stderr)

    def of(self, *routers):
        """[(event, routers or scope)] about some routers, and about all."""
        found = []
        for each in self.events:
            named = [name for name in each["routers"] if name in routers]
            if named or each["scope"] != "routers":
                found.append((each["event"], *named) if named else (each["event"], each["scope"]))
        return found

    def end(self):
        """As ansible-rulebook ends a source: it is cancelled. The exit code."""
        self.process.terminate()
        code = self.process.wait(HANG)
        for thread in self._threads:
            thread.join(HANG)
        return code


@contextlib.contextmanager
def listening(transport_url, wait=True, **arguments):
    """A Listener that is connected."""
    if not EDA.exists():
        pytest.fail("ansible-rulebook is not there: run `make .venv/.eda` first", pytrace=False)
    listener = Listener(transport_url=transport_url, **arguments)
    try:
        if wait:
            wait_for(lambda: listener.connected() or listener.process.poll() is not None)
            assert listener.connected(), listener.errors
        yield listener
    finally:
        if listener.process.poll() is None:
            listener.process.kill()
        listener.process.wait()


@contextlib.contextmanager
def sending(transport_url):
    """send(event_type, payload), which returns when the message queue has it."""
    process = subprocess.Popen(
        [EDA, "-c", _SEND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "TRANSPORT_URL": transport_url})

    def send(event_type, payload):
        process.stdin.write(json.dumps([event_type, payload]) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "sent\n"

    try:
        yield send
    finally:
        process.stdin.close()
        try:
            process.wait(HANG)
        finally:
            process.kill()
