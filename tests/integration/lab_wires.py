# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two nodes that share both networks of the lab: what tests of networks do to the one and see from the other."""

from __future__ import annotations

import contextlib
import json

from patience import HANG, wait_for
from warm_ansible import run_ansible


def hit(node, action, *options, **args):
    """os_netiface that has to succeed; its Answer."""
    return node.hit("os_netiface", {"action": action, "wait_timeout": HANG, **args}, *options)


def refused(node, action, **args):
    return node.turned_down("os_netiface", {"action": action, **args})


def reaches(node, address, count=3, interface=None):
    """How many of so many pings are answered."""
    bound = f"-I {interface}" if interface else ""
    out = node.sh(f"ping -n -q -i 0.2 -W 1 -c {count} {bound} {address}", check=False)
    return int(out.split(" received")[0].split()[-1]) if " received" in out else 0


def wait_reached(node, address, interface=None):
    """Until pings are answered."""
    wait_for(lambda: reaches(node, address, interface=interface) == 3)


def dropped(node, fault):
    """How many packets a fault, an answer or a record of it, has dropped on a node: in its tables, or in the queues of its interfaces."""
    proof = fault["proof"]
    if "tables" in proof:
        # none, where the fault has just ended
        told = [node.sh(f"nft -j list table {table}", check=False) for table in proof["tables"]]
        rules = [{key: value for each in entry["rule"]["expr"] for key, value in each.items()}
                 for text in told if text for entry in json.loads(text)["nftables"] if "rule" in entry]
        return sum(rule["counter"]["packets"] for rule in rules if "drop" in rule)
    told = node.sh("for d in $(ls /sys/class/net); do tc -statistics -json qdisc show dev $d; done").splitlines()
    return sum(queue["drops"] for text in told for queue in json.loads(text) if queue.get("parent", "").startswith("7fa1"))


def cut_off(asker, address, node, *faults, interface=None):
    """Whether pings get no answer for a while, because of these faults on a node: a link is down, or packets are dropped."""
    links = [fault["proof"]["link"] for fault in faults if "link" in fault["proof"]]
    drops = [fault for fault in faults if "link" not in fault["proof"]]
    before = sum(dropped(node, fault) for fault in drops)
    silent = reaches(asker, address, interface=interface) == 0
    return silent and (any("state DOWN" in node.sh(f"ip link show {link}") for link in links) or sum(dropped(node, fault) for fault in drops) > before)


def queues(node, *devices):
    """The queues and links of all devices, or of some."""
    return node.sh(f"for d in {' '.join(devices) or '$(ls /sys/class/net)'}; do tc qdisc show dev $d; ip -br link show dev $d; done")


def wait_same(look, wanted):
    """Until all is as it was; the failure says what is not."""
    with contextlib.suppress(AssertionError):
        wait_for(lambda: look() == wanted)
    assert look() == wanted


def say(node, sentence, *options):
    """The playbook disrupt with one sentence, as a user types it; what it prints."""
    done = run_ansible(
        ["ansible-playbook", "faultline.openstack.disrupt", "-i", node.inventory, "-e", json.dumps({"fault": sentence}), *options], **node.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
