# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two nodes that share both networks of the lab: what tests of networks do to the one and see from the other."""

from __future__ import annotations

import json

from warm_ansible import run_ansible

STORAGE = "10.72.0.0/16"


def hit(node, action, *options, **args):
    """os_netiface that has to succeed; its Answer."""
    return node.hit("os_netiface", {"action": action, **args}, *options)


def refused(node, action, **args):
    return node.turned_down("os_netiface", {"action": action, **args})


def reaches(node, address, count=3, interface=None):
    """How many of so many pings are answered."""
    bound = f"-I {interface}" if interface else ""
    out = node.sh(f"ping -n -q -i 0.2 -W 1 -c {count} {bound} {address}", check=False)
    return int(out.split(" received")[0].split()[-1]) if " received" in out else 0


def queues(node):
    return node.sh("for d in $(ls /sys/class/net); do tc qdisc show dev $d; done; ip -br link")


def say(node, sentence, *options):
    """The playbook disrupt with one sentence, as a user types it; what it prints."""
    done = run_ansible(
        ["ansible-playbook", "faultline.openstack.disrupt", "-i", node.inventory, "-e", json.dumps({"fault": sentence}), *options], **node.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
