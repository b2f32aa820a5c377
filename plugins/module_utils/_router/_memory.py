# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the machines of routers remember, on disk: a file for each router, written whole, held by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import tempfile
import time

from .._fault._errors import FaultlineError
from . import _machine

_ID = re.compile(r"[0-9a-f][0-9a-f-]{7,35}")
_STEPS = 30


def default_folder():
    """Where memories are when nobody says so."""
    return os.path.join(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "faultline", "routers")


class Memory:
    """folder: made when it is not there. FaultlineError: bad_state_dir."""

    def __init__(self, folder=None):
        self.folder = os.path.abspath(os.path.expanduser(folder or default_folder()))
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as exc:
            raise FaultlineError(
                "The folder %s cannot hold what is remembered of routers: %s." % (self.folder, exc.strerror), code="bad_state_dir",
                hint="Give another one as state_dir.") from exc

    def _path(self, router_id, end=".json"):
        if not _ID.fullmatch(router_id):
            raise FaultlineError("%r is no id of a router." % router_id, code="bad_router")
        return os.path.join(self.folder, router_id + end)

    def load(self, router_id):
        """The memory of a router; a fresh one where there is none, or none that can be read."""
        known = _machine.fresh(router_id)
        with contextlib.suppress(OSError, ValueError):
            with open(self._path(router_id), encoding="utf-8") as stream:
                found = json.load(stream)
            if isinstance(found, dict) and found.get("id") == router_id:
                known.update({name: value for name, value in found.items() if name in known})
        return known

    def save(self, memory):
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=".")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(memory, stream, indent=1, sort_keys=True)
                stream.write("\n")
            os.replace(temporary, self._path(memory["id"]))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def forget(self, router_id):
        """Remove what is remembered of a router that is gone. The lock's file stays with whoever holds it, and goes with it."""
        for end in (".json", ".lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(router_id, end))

    def ids(self):
        """The ids of the routers of which something is remembered."""
        return sorted(name[:-5] for name in os.listdir(self.folder) if name.endswith(".json") and _ID.fullmatch(name[:-5]))

    @contextlib.contextmanager
    def held(self, router_id):
        """Hold the memory of a router for one process; True within, or False where another one has it."""
        with open(self._path(router_id, ".lock"), "a", encoding="ascii") as stream:
            os.chmod(stream.name, 0o600)
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def noted(memory, state, event, decision, outcome=None, now=None):
    """The memory with a step at the end of its history."""
    step = {
        "at": round(time.time() if now is None else now, 1), "state": state, "event": event, "next": decision.state, "why": decision.why,
        "effect": decision.effect, "outcome": outcome}
    return dict(memory, history=(memory["history"] + [step])[-_STEPS:])
