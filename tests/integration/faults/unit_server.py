# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the units of test_units.py run: unit_server.py ROLE PORT [HELPER'S PORT]. A server answers a connection with its PID.

workers: two workers answer, and end when their parent has gone; with a helper that leaves the session, listens on a port of its own and is found again.
inherit: the server of a socket unit. wrap: waits for a server in a session of its own. watch: only watches a server in a scope of its own, with its port.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time


def serve(listener, parent=None):
    while parent in (None, os.getppid()):
        if select.select([listener], [], [], 0.2)[0]:
            try:
                connection = listener.accept()[0]
            except BlockingIOError:
                continue
            connection.sendall(b"%d" % os.getpid())
            connection.close()


def listening(port):
    listener = socket.create_server(("127.0.0.1", port))
    listener.setblocking(False)
    return listener


def there(port):
    with socket.socket() as channel:
        return channel.connect_ex(("127.0.0.1", port)) == 0


def workers(port, helper):
    if helper and not there(helper):
        subprocess.Popen([sys.executable, __file__, "alone", str(helper)], start_new_session=True)
    listener, parent = listening(port), os.getpid()
    for _worker in range(2):
        if os.fork() == 0:
            serve(listener, parent)
            os._exit(0)
    while True:
        time.sleep(60)


def watch(port):
    def running():
        return subprocess.run(["systemctl", "is-active", "-q", "fl-payload.scope"], check=False).returncode == 0

    if not running():
        subprocess.Popen(["systemd-run", "--quiet", "--scope", "--collect", "--slice=machine.slice", "--unit=fl-payload.scope",
                          "--property=TimeoutStopSec=2", sys.executable, __file__, "alone", str(port)], start_new_session=True)
        while not running():
            time.sleep(0.1)
    while running():
        time.sleep(0.5)


def main(role, port, helper="0"):
    if role == "workers":
        workers(int(port), int(helper))
    elif role == "watch":
        watch(int(port))
    elif role == "wrap":
        subprocess.run([sys.executable, __file__, "alone", port], start_new_session=True, check=False)
    elif role == "inherit":
        serve(socket.socket(fileno=3))
    else:
        serve(listening(int(port)))


main(*sys.argv[1:])
