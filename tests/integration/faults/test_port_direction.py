# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The direction of a port in an os-faults file: which packets of a connection still arrive while it is cut, the undo, nothing left."""

from __future__ import annotations

import pytest
from lab_nodes import by_os_faults_file, wait_for
from patience import HANG

# tells what it hears, and answers it; on one address, or on all
SERVER = """cat > /root/hears.py <<'X'
import socket, sys
kind, address, port = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM, sys.argv[2], int(sys.argv[3])
server = socket.socket(socket.AF_INET, kind)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((address, port))
if kind == socket.SOCK_STREAM:
    server.listen(8)
    peer = server.accept()[0]
while True:
    said, where = server.recvfrom(99) if kind == socket.SOCK_DGRAM else (peer.recv(99), None)
    with open("/root/heard", "ab") as log:
        log.write(said + b"\\n")
    if kind == socket.SOCK_DGRAM:
        try:
            server.sendto(b"yes " + said, where)
        except PermissionError:
            # a rule of this host drops it
            pass
    elif said:
        peer.sendall(b"yes " + said)
    else:
        break
X"""
# says one word when it is told to, by a file, and notes the answers
CLIENT = """cat > /root/says.py <<'X'
import os, select, socket, sys, time
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
peer = socket.socket(socket.AF_INET, kind)
peer.connect((sys.argv[2], int(sys.argv[3])))
while not os.path.exists("/root/end"):
    if os.path.exists("/root/say"):
        peer.send(open("/root/say", "rb").read())
        os.unlink("/root/say")
    if select.select([peer], [], [], 0.1)[0]:
        with open("/root/answers", "ab") as log:
            log.write(peer.recv(99) + b"\\n")
X"""


def say(node, word):
    node.sh(f"printf {word} > /root/say.new && mv /root/say.new /root/say")
    wait_for(lambda: node.sh("test -e /root/say || echo said", check=False), HANG)


def has(node, name, word):
    return node.sh(f"grep -x '{word}' /root/{name}", check=False) == word


def packets(node, table, hook):
    """How many packets a chain of our table has dropped."""
    told = node.sh(f"nft list chain inet {table} {hook}")
    return sum(int(line.split("packets ")[1].split()[0]) for line in told.splitlines() if "packets " in line)


@pytest.fixture
def talk(spare):
    """talk(protocol, address): a server, and a client that has had one answer of it."""
    spare.sh(SERVER)
    spare.sh(CLIENT)

    def start(protocol, address):
        spare.sh("rm -f /root/end /root/heard /root/answers")
        spare.sh(f"setsid python3 /root/hears.py {protocol} {address} 4977 >/dev/null 2>&1 </dev/null &")
        wait_for(lambda: spare.sh(f"ss -Hln -A {protocol} 'sport = :4977'", check=False), HANG)
        spare.sh(f"setsid python3 /root/says.py {protocol} {address} 4977 >/dev/null 2>&1 </dev/null &")
        say(spare, "before")
        wait_for(lambda: has(spare, "heard", "before") and has(spare, "answers", "yes before"), HANG)

    yield start
    spare.sh("touch /root/end; pkill -f '^python3 /root/(hears|says).py'; cd /root && rm -f hears.py says.py heard answers say", check=False)


@pytest.mark.parametrize("protocol, address", [("tcp", "127.0.0.1"), ("udp", "127.0.0.1"), ("udp", "127.0.0.7")])
@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_only_what_the_file_s_direction_means_is_cut(spare, talk, tmp_path, protocol, address, way):
    talk(protocol, address)
    node = by_os_faults_file(spare, tmp_path / "os-faults.yaml", {
        "hears": {"driver": "process", "args": {"grep": "/root/hears.py", "port": [protocol, 4977, way]}}})
    cut = node.fault("hears", "unplug")
    assert cut["targets"][0]["ports"] == [f"{protocol} 4977 {way}"]
    table = cut["proof"]["table"]
    hook, other = ("input", "output") if way == "ingress" else ("output", "input")
    assert node.sh(f"nft list chain inet {table} {hook}").count("counter") == 1
    assert "counter" not in node.sh(f"nft list chain inet {table} {other}")

    before = packets(node, table, hook)
    say(spare, "meanwhile")
    # our own rule has met the word, or its answer
    wait_for(lambda: packets(node, table, hook) > before, HANG)
    if way == "egress":
        wait_for(lambda: has(spare, "heard", "meanwhile"), HANG)
    else:
        assert not has(spare, "heard", "meanwhile"), "it came in"
    assert not has(spare, "answers", "yes meanwhile"), "it was answered"

    healed = node.fault("hears", "plug")
    assert healed["proof"]["undone"] == [cut["fault"]["id"]] and healed["residue"] == []
    say(spare, "after")
    wait_for(lambda: has(spare, "heard", "after") or has(spare, "heard", "meanwhileafter"), HANG)
    wait_for(lambda: "after" in spare.sh("cat /root/answers"), HANG)
    assert "faultline" not in spare.sh("nft list tables") and spare.open_faults() == []
