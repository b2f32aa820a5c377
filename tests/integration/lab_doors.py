# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small servers on a node of the lab, each a unit of its own, at doors that a test chooses."""

from __future__ import annotations

from lab_nodes import wait_for

# doors.py KIND ADDRESS PORT WORD [GO]: answers everybody with a word; with GO it listens at once, and answers once that file is there
SERVER = r"""cat > /root/doors.py <<'X'
import os, socket, subprocess, sys, time
kind, address, port, word = sys.argv[1:5]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if kind == "fd":
    server = socket.socket(fileno=int(port))
else:
    server = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((address, int(port)))
    if kind != "udp":
        server.listen(16)
if kind == "lent":
    # another program answers there
    os.set_inheritable(server.fileno(), True)
    subprocess.run([sys.executable, "/root/answers.py", "fd", "x", str(server.fileno()), word], close_fds=False)
while len(sys.argv) > 5 and not os.path.exists(sys.argv[5]):
    time.sleep(0.01)
while True:
    if kind == "udp":
        said, peer = server.recvfrom(99)
        try:
            server.sendto(word.encode(), peer)
        except OSError:
            pass
    else:
        connection = server.accept()[0]
        with connection:
            try:
                connection.recv(99)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + word.encode())
            except OSError:
                pass
X
cp /root/doors.py /root/answers.py
cat > /root/asks.py <<'X'
import socket, sys
kind, address, port = sys.argv[1:4]
client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
client.settimeout(float(sys.argv[4]))
try:
    client.connect((address, int(port)))
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    print(client.recv(4096).split()[-1].decode())
except TimeoutError:
    print("silent")
except OSError as exc:
    print(exc)
X"""


class Place:
    """A node with small servers of ours, each a unit."""

    def __init__(self, node):
        self.node = node
        self.units = set()

    def serve(self, unit, *arguments, inside="", options=""):
        """Run doors.py as a unit; inside: what enters the network namespace that it is to be in."""
        self.units.add(unit)
        self.node.sh(
            f"systemctl reset-failed {unit} 2>/dev/null; systemd-run --quiet --unit={unit} -p Restart=always -p RestartSec=100ms {options} "
            f"{inside} /usr/bin/python3 /root/doors.py {' '.join(map(str, arguments))}")
        if len(arguments) < 5:
            wait_for(lambda: self.asked(*arguments[:3], inside=inside) == arguments[3])

    def asked(self, kind, address, port, inside="", patience=0.5):
        """What a client gets there: the word, 'silent', or why not."""
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        return self.node.sh(f"{inside} python3 /root/asks.py {'udp' if kind == 'udp' else 'tcp'} {address} {port} {patience}")

    def clean(self):
        units = " ".join(sorted(self.units))
        self.node.sh(f"systemctl stop {units}; systemctl reset-failed {units}", check=False)
        self.node.sh("rm -f /root/doors.py /root/answers.py /root/asks.py /root/go /root/stopping")
