# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What faults would leave that lost their journal: whatever bears our name, or is where only we put things."""

from __future__ import annotations

import os

from . import _namespaces, _net_orphans, _nft, _systemd, _worker
from ._exec import which

_TABLE, _WORKER, _MASK = "nftables table inet ", "worker ", "mask of "
_INSIDE = " in the network namespace "


def lost(records):
    """What belongs to none of these open records, in words."""
    tables = {_nft.table_name(record["id"]) for record in records}
    steps = [step for record in records for step in record["steps"]]
    workers, masked = {step.get("worker") for step in steps}, {step.get("claim") for step in steps}
    found = [_TABLE + name for name in _nft.tables() if name not in tables]
    # what a container or another process keeps may be a host of its own, with its own journal
    for path in _namespaces.named() if which("nsenter") else []:
        found += [_TABLE + name + _INSIDE + path[len(_namespaces.NAMED):] for name in _nft.tables(_namespaces.enter(path)) if name not in tables]
    found += _net_orphans.lost(records)
    found += [_WORKER + name for name in _worker.names() if name not in workers]
    there = sorted(os.listdir(_systemd.MASKS)) if os.path.isdir(_systemd.MASKS) else []
    return found + [_MASK + name for name in there if _systemd.masks(os.path.join(_systemd.MASKS, name)) and "mask:" + name not in masked]


def remove(words):
    """Take away what lost() has found."""
    words, _inside, place = words.partition(_INSIDE)
    name = words.rpartition(" ")[2]
    if words.startswith(_WORKER):
        _worker.stop(name)
    elif words.startswith(_MASK):
        _systemd.unmask(os.path.join(_systemd.MASKS, name))
    elif words.startswith(_TABLE):
        _nft.delete(name, _namespaces.enter(_namespaces.NAMED + place) if place else ())
    else:
        _net_orphans.remove(words)
