# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the listener to Neutron's notifications, checked."""

from __future__ import annotations

import dataclasses
import os
import re

from . import _options

_NAMES = {"exchange": "neutron", "pool": "faultline-routers"}
# as RabbitMQ takes them, without what would be a pattern in a binding
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_KNOWN = {"transport_url", "config_file", "topics", "debounce", *_NAMES}


@dataclasses.dataclass
class Options:
    """transport_url: None where config_file tells it."""

    config_file: str
    topics: tuple
    exchange: str
    pool: str
    debounce: float
    transport_url: str | None = dataclasses.field(repr=False, default=None)


def checked(args):
    """The Options of a source's arguments; None where transport_url is given and empty, so that nothing is heard. FaultlineError bad_option."""
    off, args = args.get("transport_url") == "", _options.given(args, _KNOWN)
    url = _options.text("transport_url", args.get("transport_url", "")) or None
    config_file = os.path.expanduser(_options.text("config_file", args.get("config_file", "")))
    if not url and not config_file:
        if off:
            return None
        raise _options.bad(
            "transport_url and config_file are both missing.",
            "transport_url is that of Neutron's own configuration, as rabbit://user:password@host:5672/, and config_file a file that holds it.")
    topics = args.get("topics", ["notifications"])
    topics = tuple([topics] if isinstance(topics, str) else topics if isinstance(topics, list) else ())
    if not topics or not all(isinstance(each, str) and _NAME.fullmatch(each) for each in topics):
        raise _options.bad("topics has to be a name or a list of them.", "For example [notifications].")
    names = {name: args.get(name, default) for name, default in _NAMES.items()}
    for name, value in names.items():
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise _options.bad(f"{name} has to be a name: letters, digits and _.:-, 200 at most.")
    return Options(
        transport_url=url, config_file=config_file, topics=topics, debounce=_options.number("debounce", args.get("debounce", 2), float, 0.1, 300), **names)
