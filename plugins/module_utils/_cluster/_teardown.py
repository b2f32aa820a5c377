# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of clusters: all that bears a session is deleted, and gone when it is told so."""

from __future__ import annotations

import contextlib
import time

from .._fault._errors import FaultlineError
from .._ha._things import PAUSE
from . import _metadata
from ._survey import DESCRIBED, KINDS, PATIENCE, Survey, counted, describe, side_by_side

# seconds until a deletion that came to nothing is asked for again
AGAIN = 10
# seconds after the last VM of a session went until it is believed: who was at work for it, and was killed, may have asked for one more
SETTLED = 2


class Teardown(Survey):
    """Deletes what a Survey finds."""

    def __init__(self, connection, seconds):
        super().__init__(connection, seconds)
        self.removed = []

    def chosen(self, sessions, kinds=KINDS):
        """{kind: [(session, thing)]} of some sessions, or of all (None)."""
        return {kind: [each for each in things if sessions is None or each[0] in sessions] for kind, things in self.survey(kinds).items()}

    def absent(self, sessions, only=None):
        """Delete all of some sessions, or of all sessions (None), and wait until it is gone. only: WE_IDs; what is of no VM stays then."""
        found = self.chosen(sessions) if only is None else self._of(only, sessions)
        if not any(found.values()):
            return self.removed
        try:
            self._delete(found["servers"], sessions if only is None else ())
            # what was killed may have made some of these after the first look, for VMs that are gone now
            found.update(self.chosen(sessions, KINDS[1:]) if only is None else self._of(only, sessions))
            self._gone("floating_ips", found["floating_ips"], lambda each: self.network.delete_ip(each, ignore_missing=True))
            self.connection.ask(self._delete_volumes, [each.id for _owner, each in found["volumes"]])
            self._note("volumes", found["volumes"])
            self._gone("key_pairs", found["key_pairs"], lambda each: self.compute.delete_keypair(each, ignore_missing=True))
            self._gone("server_groups", found["server_groups"], lambda each: self.compute.delete_server_group(each, ignore_missing=True))
        except FaultlineError as exc:
            counts = {kind: len(things) - sum(each["kind"] == kind for each in self.removed) for kind, things in found.items()}
            raise FaultlineError(
                "%s Not asked to go yet: %s." % (exc.message, counted(counts)), code=exc.code, hint=exc.hint or "Tear it down again.",
                details=dict(exc.details, removed=self.removed)) from exc
        return self.removed

    def _of(self, only, sessions):
        """What was made for some VMs of sessions."""
        found = self.chosen(sessions, ("servers", "floating_ips", "volumes"))
        owners = {
            "servers": lambda each: _metadata.decode(each.metadata).get("WE_ID"), "floating_ips": lambda each: DESCRIBED.match(each.description).group(2),
            "volumes": lambda each: (each.metadata or {}).get("WE_ID")}
        return dict({kind: [] for kind in KINDS}, **{
            kind: [(session, each) for session, each in things if owners[kind](each) in only] for kind, things in found.items()})

    def _delete(self, servers, sessions=()):
        """Delete servers and wait until they are gone, with those of the sessions that come to light meanwhile."""
        asked, refused, noted, mine = {}, {}, set(), {each.id: (session, each) for session, each in servers}
        alone, settled, left = None, False, dict(mine)

        def delete(each):
            session, server = each
            try:
                self.compute.delete_server(server.id, ignore_missing=False)
            except self.connection.sdk_errors.NotFoundException:
                return
            except self.connection.sdk_errors.ConflictException as exc:
                refused[server.id] = str(exc.details or exc)
                return
            except self.connection.sdk_errors.HttpException as exc:
                if exc.status_code < 500:
                    raise
                return
            refused.pop(server.id, None)
            if server.id not in noted:
                noted.add(server.id)
                self._note("servers", [(session, server)])

        while True:
            begun = time.monotonic()
            todo = [each for key, each in left.items() if key not in asked or each[1].task_state != "deleting" and asked[key] + AGAIN < begun]
            for each, exc in zip(todo, side_by_side(delete, todo)):
                if exc is not None and not isinstance(exc, self.connection.errors.ConnectFailure):
                    self.connection.ask(_raise, exc)
                if exc is None:
                    asked[each[1].id] = begun
            now = self._servers()
            mine.update({each.id: (session, each) for session, each in now if sessions is None or session in sessions})
            left = {each.id: (session, each) for session, each in now if each.id in mine}
            if not left and (sessions == () or settled):
                return
            settled = not left
            if settled:
                time.sleep(SETTLED)
                continue
            alone = (alone or begun) if set(left) <= set(refused) else None
            first = next(iter(left.values()))[1]
            if alone and alone + PATIENCE < begun:
                raise FaultlineError(
                    "%d VMs cannot be deleted, as %s: %s." % (len(left), first.name, refused[first.id].rstrip(".")), code="not_deleted",
                    hint="Is it locked?", details={"left": [each.name for _owner, each in left.values()]})
            self.pause("%s is deleted (it is %s%s), one of %d" % (
                first.name, first.status, ", %s" % first.task_state if first.task_state else "", len(left)), max(PAUSE, time.monotonic() - begun))

    def _delete_volumes(self, ids):
        """Delete volumes, which Nova may be detaching or deleting, and wait until they are gone."""
        left = set(ids)
        while left:
            for each in left:
                # 400: it is attached still
                with contextlib.suppress(self.connection.sdk_errors.NotFoundException, self.connection.sdk_errors.ConflictException,
                                         self.connection.sdk_errors.BadRequestException):
                    self.sdk.block_storage.delete_volume(each, ignore_missing=True)
            left &= {each.id for _owner, each in self.survey(("volumes",))["volumes"]}
            if left:
                self.pause("%d volumes are deleted" % len(left))

    def _gone(self, kind, things, delete):
        """Delete things that go at once; those that are gone already do no harm."""
        def one(each):
            self._patiently(lambda: delete(each[1].id))

        failed = [exc for exc in side_by_side(one, things) if exc]
        if failed:
            raise failed[0]
        self._note(kind, things)

    def _note(self, kind, things):
        self.changed = self.changed or bool(things)
        self.removed += [{"kind": kind, "id": each.id, "name": describe(kind, each), "session": session} for session, each in things]


def _raise(exc):
    raise exc
