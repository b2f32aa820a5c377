# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names and shapes of the cloud model: groups, definitions and what stands behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NOT_IN_A_GROUP_NAME = re.compile(r"[^A-Za-z0-9_]")


def group_name(kind, name):
    """The inventory group of a service or a container: ("service", "nova-api") -> "service_nova_api"."""
    return _NOT_IN_A_GROUP_NAME.sub("_", f"{kind}_{name}").lower()


def merge_definitions(*layers):
    """One dictionary of definitions; a later layer replaces an earlier definition of the same name as a whole.

    A definition is never mixed with another one: the unit of the catalogue and the regular expression
    of the user's file may well be different things.
    """
    merged = {}
    for layer in layers:
        merged.update({str(name): dict(definition) for name, definition in (layer or {}).items()})
    return merged


def plain(value):
    """Plain Python data of what Ansible has tagged, vaulted text included."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else str(value)
