# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Instances of a cluster as hosts of an inventory: their names and groups. Pure."""

from __future__ import annotations

import collections
import re

# what patterns of hosts and sentences take for something else
_NOT_IN_A_HOST_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_NOT_IN_A_GROUP_NAME = re.compile(r"[^A-Za-z0-9_]")


def named(instances):
    """{host name: instance}: type and number, with the VM's own identifier where that is not one alone."""
    bases = [_base(each) for each in instances]
    many = collections.Counter(bases)
    return {base if many[base] == 1 else f"{base}-{str(each['we_id'])[:8]}": each for base, each in zip(bases, instances, strict=True)}


def _base(instance):
    number = instance["metadata"].get("WE_NUMBER")
    name = f"{instance['type']}-{number if isinstance(number, int) else 1}"
    return _NOT_IN_A_HOST_NAME.sub("_", name).lstrip("-.") or "vm"


def groups(instance):
    """The groups of an instance: one for each value of each label."""
    found = []
    for label, values in instance["labels"].items():
        for value in values:
            name = _NOT_IN_A_GROUP_NAME.sub("_", f"{label}_{value}")
            found.append(f"_{name}" if name[0].isdigit() else name)
    return list(dict.fromkeys(found))
