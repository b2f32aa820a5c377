# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the machines of the routers remember: a file per router, shown as it is."""

from __future__ import annotations

import json
import os
import stat

from . import _events

# routers, bytes of one, and bytes of all that are shown
MOST, LARGEST, ALL = 1000, 65536, 4 << 20
_NAME = ".json"


def states(path, most=MOST, size=ALL):
    """(the states of the first routers by id, how many there are in all). A file that cannot be read is told by an error in its place."""
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith(_NAME) and _events.is_id(name[:-len(_NAME)]))
    except FileNotFoundError:
        names = []
    except OSError as exc:
        return [{"error": f"{path}: {exc.strerror}"}], 0
    found = []
    for name in names[:most]:
        told, length = _state(os.path.join(path, name))
        size -= length
        if size < 0:
            break
        found.append(dict({"id": name[:-len(_NAME)]}, **told))
    return found, len(names)


def _state(path):
    """(the state, its bytes)"""
    try:
        # neither a link to what others may not see, nor a pipe that never ends
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return {"error": "no file"}, 0
            text = file.read(LARGEST + 1)
    except OSError as exc:
        return {"error": exc.strerror}, 0
    try:
        told = json.loads(text) if len(text) <= LARGEST else None
    except (ValueError, RecursionError):
        told = None
    return (told, len(text)) if isinstance(told, dict) else ({"error": "no state"}, 0)
