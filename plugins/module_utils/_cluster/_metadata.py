# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a VM says of itself: values as metadata of a server and back, and a server as an instance of a cluster. Pure."""

from __future__ import annotations

import json

from .._fault._errors import FaultlineError

# what Nova takes: characters of a value, and items of a server
LONGEST, MOST = 255, 128
# what every VM of a cluster has
MARKS = ("WE_ID", "WE_SESSION", "WE_TYPE_UUID")


def encode(values):
    """Values as metadata: each in JSON, and in KEY, KEY.1, KEY.2 ... where it is longer than one item may be. FaultlineError: too_long."""
    items = {}
    for key, value in values.items():
        # ASCII, as not every database of Nova's keeps all characters
        text = json.dumps(value, sort_keys=True)
        for number, start in enumerate(range(0, len(text), LONGEST)):
            items[key if number == 0 else "%s.%d" % (key, number)] = text[start:start + LONGEST]
    if len(items) > MOST:
        longest = sorted(values, key=lambda key: -len(json.dumps(values[key])))[0]
        raise FaultlineError(
            "The metadata of the VM %s needs %d items of %d characters, and Nova takes %d; most of them are %s."
            % (values.get("WE_TYPE_UUID"), len(items), LONGEST, MOST, longest), code="too_long", hint="Give it fewer or shorter labels.")
    return items


def decode(items):
    """The values of metadata. What is not JSON is the text that it is, as others may write metadata too."""
    values = {}
    for key in items:
        if _is_piece(key, items):
            continue
        text, number = str(items[key]), 1
        while "%s.%d" % (key, number) in items:
            text += str(items["%s.%d" % (key, number)])
            number += 1
        try:
            values[key] = json.loads(text)
        except (ValueError, RecursionError):
            values[key] = text
    return values


def _is_piece(key, items):
    """Whether a key goes on with the value of another."""
    name, dot, number = key.rpartition(".")
    return bool(dot) and number.isascii() and number.isdigit() and not number.startswith("0") and all(
        each in items for each in [name] + ["%s.%d" % (name, before) for before in range(1, min(int(number), MOST))])


def is_ours(items):
    """Whether metadata is that of a VM of a cluster, this collection's or of the scripts before it."""
    return all(mark in items for mark in MARKS)


def session_of(items):
    """The session in metadata, as text."""
    return str(decode({key: items[key] for key in ("WE_SESSION",) if key in items}).get("WE_SESSION") or "")


def instance(server, floating=None):
    """A server, as openstacksdk or Nova's API has it, as an instance of a cluster. floating: its floating IP where Nova may not know it yet."""
    data = server if type(server) is dict else server.to_dict()  # pylint: disable=unidiomatic-typecheck
    metadata = decode(data.get("metadata") or {})
    labels = metadata.get("WE_USER_LABEL")
    addresses = _addresses(data)
    floating = floating or next((each["addr"] for each in addresses if each.get("OS-EXT-IPS:type") == "floating"), None)
    fixed = [each for each in addresses if each.get("OS-EXT-IPS:type") != "floating"]
    fault = data.get("fault") or {}
    return {
        "id": data.get("id"),
        "we_id": _text(metadata.get("WE_ID")),
        "name": data.get("name"),
        "session": _text(metadata.get("WE_SESSION")),
        "type": _text(metadata.get("WE_TYPE_UUID")),
        "created": _first(data, "created_at", "created") or _text(metadata.get("WE_CREATED")),
        "status": data.get("status"),
        "task_state": _first(data, "task_state", "OS-EXT-STS:task_state"),
        "fault": (fault.get("message") or "Nova does not say why") if data.get("status") == "ERROR" else None,
        "labels": {str(name): each if isinstance(each, list) else [each] for name, each in labels.items()} if isinstance(labels, dict) else {},
        "image": _text(metadata.get("OS_IMAGE_NAME")) or _named(data.get("image")),
        "flavor": _text(metadata.get("OS_FLAVOR_NAME")) or _named(data.get("flavor")),
        "networks": {name: [each["addr"] for each in found or []] for name, found in (data.get("addresses") or {}).items()},
        "address": floating or next((each["addr"] for each in fixed if ":" not in each["addr"]), fixed[0]["addr"] if fixed else None),
        "floating": floating,
        "host": _first(data, "compute_host", "hypervisor_hostname", "OS-EXT-SRV-ATTR:host"),
        "metadata": metadata,
    }


def _addresses(data):
    return [each for found in (data.get("addresses") or {}).values() for each in found or []]


def _first(data, *names):
    return next((data[name] for name in names if data.get(name) is not None), None)


def _text(value):
    return None if value is None else str(value)


def _named(thing):
    """The name of an image or a flavor, else its id."""
    return _first(thing, "original_name", "name", "id") if isinstance(thing, dict) else None
