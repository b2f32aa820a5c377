# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Neutron's notifications mean for routers, and those of a moment made into few events. Pure; the time is given.

Of a notification nothing but ids goes on. Whether a thing has changed is seen by its essence: a digest of it without what no agent asks for. So an update
without a change, which is how this collection has a router's configuration pushed again, gives no event, and events give no circle.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json

from . import _events

NAME = "neutron_notifications"
CREATE, UPDATE, DELETE = "create", "update", "delete"
# what may change in a router, a port or a floating IP without a change of what the agents do
_VOLATILE = {"availability_zones", "created_at", "description", "name", "revision_number", "status", "tags", "updated_at"}
# things whose essence is remembered, those that were seen last
KNOWN = 20_000
# routers that wait to be told; more are told by one poll of all
MOST = 5000
# routers that one event names
PART = 200


class Bad(ValueError):
    """A notification that is none of Neutron's."""


@dataclasses.dataclass(frozen=True)
class Change:
    """kind: what has become of a router; of: the thing it was seen by, (resource, id); essence: of that thing now, None where it is gone or not told."""

    kind: str
    router: str
    of: tuple
    essence: str | None = None


def changes(event_type, payload):
    """The Changes of a notification, none where it is not about a router. A router of "" is the one that the thing had before. Bad."""
    if not isinstance(event_type, str) or not isinstance(payload, dict):
        raise Bad("no type, or no payload")
    resource, _dot, rest = event_type.partition(".")
    if rest in ("interface.create", "interface.delete") and resource == "router":
        return [Change(UPDATE, _id(_part(payload, "router_interface"), "id"), ("interface", ""))]
    verb, _dot, moment = rest.partition(".")
    if moment != "end" or verb not in (CREATE, UPDATE, DELETE) or resource not in ("router", "port", "floatingip"):
        return []
    if verb == DELETE:
        gone = (resource, _id(payload, f"{resource}_id"))
        if resource == "router":
            return [Change(DELETE, gone[1], gone)]
        # what had no router that is known of is none of ours
        return [Change(UPDATE, "", gone)]
    thing = _part(payload, resource)
    of, essence = (resource, _id(thing, "id")), _essence(thing)
    if resource == "router":
        return [Change(verb, of[1], of, essence)]
    if resource == "port":
        owner = thing.get("device_owner")
        routed = isinstance(owner, str) and owner.startswith("network:") and "router" in owner
        router = _id(thing, "device_id") if routed and thing.get("device_id") else ""
    else:
        router = _id(thing, "router_id") if thing.get("router_id") else ""
    return [Change(UPDATE, router, of, essence)]


def _part(payload, name):
    part = payload.get(name)
    if not isinstance(part, dict):
        raise Bad(f"no {name} in it")
    return part


def _id(part, name):
    if not _events.is_id(part.get(name)):
        raise Bad(f"its {name} is no id")
    return part[name]


def _essence(thing):
    """A digest of what matters of a thing. Lists of Neutron's are sets: the database gives them in any order."""
    def ordered(value):
        if isinstance(value, dict):
            return {str(name): ordered(each) for name, each in value.items()}
        if isinstance(value, list):
            return sorted((ordered(each) for each in value), key=_json)
        return value

    matters = {name: value for name, value in thing.items() if name not in _VOLATILE and not str(name).startswith("binding:")}
    try:
        return hashlib.sha256(_json(ordered(matters)).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    except (RecursionError, TypeError, ValueError):
        raise Bad("it is no JSON") from None


def _json(value):
    return json.dumps(value, sort_keys=True)


class Merged:
    """The events that wait: those of one router within `seconds` after the first are one. Not safe for several threads.

    received, bad, unchanged: notifications; lost: how often there were more routers than MOST.
    """

    def __init__(self, seconds):
        self.seconds = seconds
        self.received = self.bad = self.unchanged = self.lost = 0
        # router -> (kind, when it is due, seconds); the oldest first
        self._waiting = collections.OrderedDict()
        # when all are to be polled, as something may have been missed; None where nothing was
        self._poll = None
        # (resource, id) -> (the router that it is of, its essence)
        self._known = collections.OrderedDict()

    def __len__(self):
        return len(self._waiting) + (self._poll is not None)

    def take(self, event_type, payload, now):
        """Take note of a notification; whether something waits that did not before."""
        self.received += 1
        try:
            found = changes(event_type, payload)
        except Bad:
            self.bad += 1
            return False
        before = len(self)
        for change in found:
            self._take(change, now)
        return len(self) > before

    def missed(self, now):
        """Something may have been missed: have all routers looked at."""
        if self._poll is None:
            self._poll = now + self.seconds

    def _take(self, change, now):
        had, essence = self._known.pop(change.of, ("", None))
        # most ports of a cloud have no router
        if change.essence is not None and (change.router or had):
            self._known[change.of] = (change.router, change.essence)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
            if (had, essence) == (change.router, change.essence):
                self.unchanged += 1
                return
        for router in {had, change.router} - {""}:
            self._wait(router, change.kind, now)

    def _wait(self, router, kind, now):
        if router in self._waiting:
            before, due = self._waiting[router]
            # a router that is new is told as such, whatever was done to it since; one that is gone stays gone
            self._waiting[router] = (DELETE if DELETE in (before, kind) else CREATE if CREATE in (before, kind) else UPDATE, due)
        elif len(self._waiting) < MOST:
            self._waiting[router] = (kind, now + self.seconds)
        else:
            self.lost += 1
            self.missed(now)

    def due(self, now):
        """The events whose time has come."""
        routers = {CREATE: [], UPDATE: [], DELETE: []}
        while self._waiting:
            router, (kind, when) = next(iter(self._waiting.items()))
            if when > now:
                break
            del self._waiting[router]
            routers[kind].append(router)
        found = [
            _events.event(kind, NAME, routers=each[first:first + PART]) for kind, each in routers.items() for first in range(0, len(each), PART)
        ]
        if self._poll is not None and self._poll <= now:
            self._poll = None
            found.append(_events.event("poll", NAME, scope=_events.ALL))
        return found

    def seconds_left(self, now):
        """Until the next event is due; None where none waits."""
        times = [when for _kind, when in list(self._waiting.values())[:1]] + ([self._poll] if self._poll is not None else [])
        return max(0.0, min(times) - now) if times else None
