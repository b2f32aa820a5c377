# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Things of a cloud that somebody makes, waits for and deletes: names that have to be there, waiting that ends, deletion of what others may still hold."""

from __future__ import annotations

import time

from .._fault._errors import FaultlineError
from .._nearest import did_you_mean

# seconds between two looks at what is being made or deleted
PAUSE = 1


class Things:
    """connection: a _cloud.Connection; seconds: that all of it may take."""

    def __init__(self, connection, seconds):
        self.connection = connection
        self.sdk = connection.connection
        self.compute = self.sdk.compute
        self.end = time.monotonic() + seconds
        self.seconds = seconds
        self.changed = False

    @property
    def network(self):
        return self.sdk.network

    def found(self, what, find, name, every):
        """The thing that is called so, by name or id."""
        try:
            thing = find(name)
        except self.connection.sdk_errors.NotFoundException:
            # what later versions of the library do instead of telling None
            thing = None
        except self.connection.sdk_errors.DuplicateResource as exc:
            raise FaultlineError("The cloud has several: %s %s." % (what, name), code="ambiguous", hint="Give the id of one.") from exc
        if thing is None:
            raise unknown(what, name, {each.name for each in every() if each.name})
        return thing

    def external(self, name, option="external_network"):
        """The network of floating IPs: the one that is named, else the only one that is there; None where there is none."""
        if name:
            return self.found("network", self.network.find_network, name, self.network.networks)
        found = list(self.network.networks(is_router_external=True))
        if len(found) > 1:
            raise FaultlineError(
                "The cloud has %d external networks." % len(found), code="ambiguous",
                hint="Say %s: %s." % (option, " or ".join(sorted(each.name for each in found))))
        return found[0] if found else None

    def pause(self, what, seconds=PAUSE):
        """Wait a little until something is; FaultlineError (timeout) when the time is up."""
        if time.monotonic() > self.end:
            raise FaultlineError("Waited %g seconds in vain until %s." % (self.seconds, what), code="timeout")
        time.sleep(seconds)

    def deleted(self, delete, thing):
        """Delete a thing, which may be gone; 1."""
        delete(thing, ignore_missing=True)
        self.changed = True
        return 1

    def deleted_when_free(self, delete, thing):
        """Delete what others may hold a moment longer."""
        while True:
            try:
                return self.deleted(delete, thing)
            except self.connection.sdk_errors.ConflictException as exc:
                self.pause("%s can be deleted (%s)" % (thing.name or thing.id, str(exc)[:200]))


def unknown(what, name, names):
    """The error (not_found) that the cloud has nothing of this name, with the names that it has."""
    known = sorted(names)[:20]
    hint = did_you_mean(name, names) or ("It has: %s." % ", ".join(known) if known else "It has none at all.")
    return FaultlineError("The cloud has no %s %s." % (what, name), code="not_found", hint=hint)


def passes(exc):
    """Whether a FaultlineError of a request may pass by itself: the API is away, or says that it is not well."""
    status = getattr(exc.__cause__, "status_code", None) or getattr(exc.__cause__, "http_status", None) or 500
    return exc.code in ("no_answer", "driver_failed") and status >= 500


def fault_of(server):
    """Why a server is in ERROR."""
    return ((server.fault or {}).get("message") or "Nova does not say why").rstrip(".")
