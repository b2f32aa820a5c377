# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source rug_api as a process, run as ansible-rulebook runs a source: its file by itself, with a queue that has room for one."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys

from lab_nodes import ROOT, wait_for
from lab_ports import free_port
from patience import HANG

SOURCE = ROOT / ".venv/collections/ansible_collections/faultline/openstack/extensions/eda/plugins/event_source/rug_api.py"
_RUN = """
import asyncio, json, runpy, sys

async def main(file, args, takes):
    queue = asyncio.Queue(1)
    source = asyncio.ensure_future(runpy.run_path(file)["main"](queue, args))
    while takes and not source.done():
        taken = asyncio.ensure_future(queue.get())
        await asyncio.wait([source, taken], return_when=asyncio.FIRST_COMPLETED)
        if taken.done():
            print(json.dumps(taken.result()), flush=True)
        taken.cancel()
    await source

asyncio.run(main(sys.argv[1], *json.load(sys.stdin)))
"""


class Listener:
    """takes: whether the rules take events; args: the source's."""

    def __init__(self, folder, takes=True, **args):
        self.args = {"auth": {"auth_url": "http://127.0.0.1:9/v3", "username": "x", "password": "y"}, "state_dir": str(folder / "states"), "pace": 0, **args}
        self.port = self.args.setdefault("port", free_port())
        self.out, self.log = pathlib.Path(folder, f"{self.port}.events"), pathlib.Path(folder, f"{self.port}.log")
        with self.out.open("w") as out, self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN, str(SOURCE)], stdin=subprocess.PIPE, stdout=out, stderr=log, text=True,
                # nothing of the collection is where Python looks by itself
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"})
        self.process.stdin.write(json.dumps([self.args, takes]))
        self.process.stdin.close()

    def up(self):
        wait_for(lambda: self.process.poll() is not None or self._answers())
        assert self.process.poll() is None, self.log.read_text()
        return self

    def _answers(self):
        try:
            socket.create_connection((self._first(), self.port), 1).close()
        except OSError:
            return False
        return True

    def _first(self):
        host = self.args.get("host", "127.0.0.1")
        return host if isinstance(host, str) else host[0]

    def ask(self, path, method="PUT", body=None, headers=(), host=None, tls=None):
        """(status, body, headers) of one request."""
        if tls:
            connection = http.client.HTTPSConnection(host or self._first(), self.port, timeout=HANG, context=ssl.create_default_context(cafile=tls))
        else:
            connection = http.client.HTTPConnection(host or self._first(), self.port, timeout=HANG)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            text = answer.read()
            assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
            return answer.status, json.loads(text) if text else None, answer.headers
        finally:
            connection.close()

    def raw(self, text):
        """What comes back for some bytes until the other end closes; None where it resets the connection."""
        with socket.create_connection((self._first(), self.port), HANG) as sock:
            try:
                sock.sendall(text)
                return b"".join(iter(lambda: sock.recv(65536), b""))
            except ConnectionError:
                return None

    def events(self, count=None):
        """The events that the rules took; waits until there are so many."""
        def told():
            return [json.loads(line) for line in self.out.read_text().splitlines()]
        if count is not None:
            wait_for(lambda: len(told()) >= count)
        return told()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(HANG)
            finally:
                self.process.kill()
        return self.process.returncode
