# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An undo is complete by what an oracle from outside sees before and after, whenever the controller dies, for each kind of fault."""

from __future__ import annotations

import pytest
from lab_nodes import wait_for
from lab_oracle import MOMENTS, dies

SLOW = "/opt/oracle/slow.py"
_PREPARE = f"""
mkdir -p /opt/oracle
cat > {SLOW} <<'X'
import signal, sys, time
def leave(*_signal):
    time.sleep(2)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
while True:
    time.sleep(1)
X
setsid python3 {SLOW} </dev/null >/dev/null 2>&1 &
ip link add oracle0 type veth peer name oracle1
ip address add 198.18.7.1/24 dev oracle0
ip link set oracle0 up
ip link set oracle1 up
ip route add 198.18.8.0/24 via 198.18.7.2
"""
_CLEAR = "pkill -KILL -f '[/]opt/oracle/slow.py'; ip link del oracle0; rm -rf /opt/oracle /run/oracle.down"
_OF_THE_SERVICE = ("terminate", "freeze", "unplug", "mask", "crash_loop")
KINDS = {
    **{action: ("os_service_fault", {"service": "memcached", "action": action}) for action in _OF_THE_SERVICE},
    "process": ("os_service_fault", {
        "service": "slow", "action": "terminate", "driver": "process", "grep": f"^python3 {SLOW}$",
        "start_cmd": f"setsid python3 {SLOW} </dev/null >/dev/null 2>&1 &"}),
    "disconnect": ("os_netiface", {"action": "disconnect", "interface": "oracle0"}),
    "isolate": ("os_netiface", {"action": "disconnect", "interface": "oracle0", "kind": "isolate"}),
    "loss": ("os_netiface", {"action": "loss", "interface": "oracle0", "loss": "30%"}),
    "partition": ("os_netiface", {"action": "partition", "peers": ["198.18.7.2"]}),
    "rate": ("os_netiface", {"action": "rate", "interface": "oracle0", "rate": "10mbit"}),
    "fill_disk": ("os_node_fault", {"action": "fill_disk", "path": "/var/tmp", "size": "4M"}),
    "cpu": ("os_node_fault", {"action": "stress", "target": "cpu", "workers": 1, "load": 50}),
    "memory": ("os_node_fault", {"action": "stress", "target": "memory", "workers": 1, "size": "64M"}),
    "files": ("os_node_fault", {"action": "exhaust", "resource": "fds", "pattern": "^/usr/bin/memcached"}),
    "disk": ("os_node_fault", {"action": "stress", "target": "disk", "workers": 1, "size": "16M"}),
    "frozen": ("os_node_fault", {"action": "freeze_process", "pattern": "^/usr/bin/memcached"}),
    "command": ("os_command_fault", {"name": "oracle", "down": "touch /run/oracle.down", "up": "rm -f /run/oracle.down"}),
}


@pytest.fixture
def prepared(spare):
    """The spare node with a slow service, and a link that nobody needs."""
    spare.sh(_CLEAR, check=False)
    spare.sh(_PREPARE)
    wait_for(lambda: spare.sh(f"pgrep -fx 'python3 {SLOW}'", check=False))
    wait_for(lambda: "tentative" not in spare.sh("ip -6 address"))
    yield spare
    spare.sh(_CLEAR, check=False)


def more(node):
    """What the residue oracle does not look at: what the command made, who stresses, whether the slow service is there, and what memcached may open."""
    return node.sh(
        f"ls /run/oracle.down 2>/dev/null; pgrep -c stress-ng; pgrep -cfx 'python3 {SLOW}'; grep files /proc/$(pidof memcached)/limits", check=False)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_whenever_the_controller_dies(prepared, kind, moment):
    module, args = KINDS[kind]
    dies(prepared, moment, module, args, lambda: more(prepared), {"memcached"})
