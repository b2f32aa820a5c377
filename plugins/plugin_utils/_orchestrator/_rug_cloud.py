# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the listener asks of the cloud: which ids there are, and what is in debug. Many who ask at once make one request, and answers are kept for a while."""

from __future__ import annotations

import asyncio
import math
import threading
import time

from ...module_utils._fault._errors import FaultlineError
from ...module_utils._ha import _cloud
from ...module_utils._router import _marks, _routers
from ._in_thread import in_thread

# seconds: that what is there counts as there, that what is not there (or a failure) counts, that a request may take
KEPT, BRIEF, REQUEST = 30, 1, 10
# requests at once
_AT_ONCE = 4
# answers about single projects that are kept
_MOST = 10_000


class _Listed(_routers.Routers):
    """The routers of a cloud, by their ids alone."""

    def ids(self):
        return frozenset(each["id"] for each in self._all())

    def has_project(self, project):
        answer = self.connection.ask(self.identity.get, f"/projects/{project}")
        if answer.status_code in (403, 404):
            # who may see no other project has one of its own
            return project == self.project
        self.connection.ask(self.connection.sdk_errors.raise_from_response, answer)
        return True

    def marks(self):
        found = self._all()
        projects = self.connection.ask(self._projects)
        everywhere = [_marks.debug(each.get("tags"), _marks.ALL) for each in projects]
        return {
            "global": max((each for each in everywhere if each is not None), default=None),
            "projects": _debugged(projects), "routers": _debugged(found),
        }

    def _all(self):
        return self.connection.ask(lambda: self._list(self.network, "/routers", "routers", fields=("id", "tags")))


def _debugged(things):
    return [
        {"id": each["id"], "reason": _marks.debug(each.get("tags"))}
        for each in sorted(things, key=lambda each: each["id"]) if _marks.debug(each.get("tags")) is not None]


class Cloud:
    """options: those of _cloud.arguments()."""

    def __init__(self, options):
        self.options = options
        self._lock, self._listed = threading.Lock(), None
        self._kept, self._asking, self._places = {}, {}, asyncio.Semaphore(_AT_ONCE)

    async def routers(self, seconds=KEPT):
        """The ids of all routers, as they were at most so many seconds ago."""
        return await self._told("routers", lambda _ids: seconds, _Listed.ids)

    async def has_router(self, router_id):
        # a router that is new is known after a moment, and any number of wrong ids makes one request a moment
        return router_id in await self.routers() or router_id in await self.routers(BRIEF)

    async def has_project(self, project):
        if len(self._kept) > _MOST:
            self._kept.clear()
        return await self._told(("project", project), lambda there: KEPT if there else BRIEF, lambda listed: listed.has_project(project))

    async def marks(self):
        """{global: reason or None, projects: [{id, reason}], routers: [{id, reason}]}: what is in debug."""
        return await self._told("marks", lambda _marks: BRIEF, _Listed.marks)

    def forget(self):
        """Log in again and ask anew: the configuration may have changed."""
        self._listed = None
        self._kept.clear()

    async def _told(self, key, lasts, work):
        begun, answer = self._kept.get(key, (-math.inf, None))
        if time.monotonic() - begun > (BRIEF if isinstance(answer, FaultlineError) else lasts(answer)):
            if key not in self._asking:
                self._asking[key] = asyncio.ensure_future(self._ask(key, work))
            # who gives up waiting does not take the answer from the others
            answer = await asyncio.shield(self._asking[key])
        if isinstance(answer, FaultlineError):
            raise answer.with_traceback(None)
        return answer

    async def _ask(self, key, work):
        begun, answer = time.monotonic(), None
        try:
            async with self._places:
                answer = await in_thread(lambda: work(self._connected()))
        except FaultlineError as exc:
            answer, self._listed = exc, None
        finally:
            del self._asking[key]
        self._kept[key] = (begun, answer)
        return answer

    def _connected(self):
        with self._lock:
            listed = self._listed
            if listed is None:
                listed = self._listed = _Listed(_cloud.Connection(self.options, REQUEST))
            return listed
