# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What faults of networks would leave that lost their journal: tables, queues and interfaces that bear our name."""

from __future__ import annotations

import json
import os
import re

from . import _nft
from ._exec import run, which

# as _net_tree.py and _net_tc.py name them
_HANDLE, _DETOUR = "7fa1:", re.compile(r"^flt-(\d+)$")
_FAMILIES = ("netdev", "arp")


def _json(argv):
    if not which(argv[0]):
        return []
    done = run(argv, check=False)
    return json.loads(done.out or "[]") if done.rc == 0 else []


def lost(records):
    """What belongs to none of these open records, in words."""
    tables = {_nft.table_name(record["id"]) for record in records}
    shaped = {name for record in records for step in record["steps"] if step["type"] == "shape_packets" for name in step["devices"]}
    listed = _json(["nft", "-j", "list", "tables"])
    entries = [entry["table"] for entry in (listed["nftables"] if listed else []) if "table" in entry]
    found = [
        "nftables table %s %s" % (entry["family"], entry["name"]) for entry in entries
        if entry["family"] in _FAMILIES and entry["name"].startswith(_nft.PREFIX) and entry["name"] not in tables
    ]
    for each in _json(["tc", "-json", "qdisc", "show"]):
        name = each.get("dev", "")
        if each.get("root") and each["handle"] == _HANDLE and name not in shaped and not _DETOUR.match(name):
            found.append("queues %s at %s" % (_HANDLE, name))
    for name in sorted(os.listdir("/sys/class/net")):
        if _DETOUR.match(name) and _turned(name) not in shaped:
            found.append("interface %s" % name)
    return found


def _turned(detour):
    """The name of the interface whose incoming packets make this detour, or None."""
    index = _DETOUR.match(detour).group(1)
    for name in os.listdir("/sys/class/net"):
        with open("/sys/class/net/%s/ifindex" % name) as stream:
            if stream.read().strip() == index:
                return name
    return None


def remove(words):
    """Take away what lost() has found."""
    told = words.split()
    if told[0] == "queues":
        run(["tc", "qdisc", "del", "dev", told[-1], "root"])
    elif told[0] == "interface":
        turned = _turned(told[-1])
        if turned is not None:
            run(["tc", "qdisc", "del", "dev", turned, "ingress"], check=False)
        run(["ip", "link", "del", told[-1]])
    else:
        run(["nft", "delete", "table", told[2], told[3]])
