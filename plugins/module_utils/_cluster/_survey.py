# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there of clusters in a cloud: VMs, and all that bears the name of a session."""

from __future__ import annotations

import calendar
import concurrent.futures
import contextlib
import re
import time

from .._fault._errors import FaultlineError
from .._ha._things import PAUSE, Things, passes
from . import _metadata, _session

PREFIX = "whenenv"
KINDS = ("servers", "floating_ips", "volumes", "key_pairs", "server_groups")
WORDS = {"servers": "VMs", "floating_ips": "floating IPs", "volumes": "volumes", "key_pairs": "key pairs", "server_groups": "server groups"}
# requests at a time; more would only wait for each other in the API's own workers
THREADS = 8
# seconds that the API may be away while something is waited for
PATIENCE = 30
# servers in ERROR that are asked for their faults, one by one
_FAULTS = 20
_GONE = ("DELETED", "SOFT_DELETED")
_NAMED = re.compile(r"%s-(%s)-" % (PREFIX, _session.UUID.pattern))
DESCRIBED = re.compile(r"%s (%s) (\S+)" % (PREFIX, _session.UUID.pattern))


class Survey(Things):
    """All of this tool in the project of a login. connection: a _cloud.Connection; seconds: that all of it may take."""

    def __init__(self, connection, seconds):
        super().__init__(connection, seconds)
        self.project = self.sdk.current_project_id or "none"
        self.has = {kind: True for kind in KINDS}
        self.has["floating_ips"] = connection.has("network")
        self.has["volumes"] = connection.has("block-storage")

    def servers(self):
        """All VMs of this tool."""
        found = self._patiently(lambda: list(self.compute.servers()))
        return [each for each in found if _metadata.is_ours(each.metadata or {}) and each.status not in _GONE]

    def _patiently(self, ask):
        """What ask() returns, although the API may be away for a while."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.connection.ask(ask)
            except FaultlineError as exc:
                if not passes(exc) or time.monotonic() > end:
                    raise
            time.sleep(PAUSE)

    def survey(self, kinds=KINDS):
        """{kind: [(session, thing)]} of all that is this tool's."""
        found = {}
        for kind in kinds:
            every = self._patiently(lambda kind=kind: list(getattr(self, "_" + kind)())) if self.has[kind] else []
            found[kind] = [(session, each) for session, each in every if session]
        return found

    def _servers(self):
        return [(_metadata.session_of(each.metadata), each) for each in self.servers()]

    def _floating_ips(self):
        return [(_part(DESCRIBED, each.description), each) for each in self.network.ips()]

    def _volumes(self):
        return [((each.metadata or {}).get("WE_SESSION"), each) for each in self.sdk.block_storage.volumes(details=True)]

    def _key_pairs(self):
        # they are of a user, who may have other projects
        mine = "-%s-" % self.project
        return [(_part(_NAMED, each.name), each) for each in self.compute.keypairs() if mine in (each.name or "")]

    def _server_groups(self):
        return [(_part(_NAMED, each.name), each) for each in self.compute.server_groups()]

    def _explained(self, servers):
        """Servers, where those that are in ERROR have their fault: lists of Nova leave out the faults of what no host would take."""
        found = []
        for number, each in enumerate([each for each in servers if each.status == "ERROR" and not each.fault]):
            if number < _FAULTS:
                with contextlib.suppress(FaultlineError, self.connection.sdk_errors.SDKException):
                    found.append(self._patiently(lambda each=each: self.compute.get_server(each.id)))
        better = {each.id: each for each in found}
        return [better.get(each.id, each) for each in servers]

    def instances(self, sessions=None):
        """The instances of some sessions, or of all; by type and number."""
        found = [each for each in self.servers() if sessions is None or _metadata.session_of(each.metadata) in sessions]
        return self._described(found)

    def _described(self, servers):
        """Servers as instances. Nova may not know yet of a floating IP."""
        floating = {}
        if any("WE_FLOATING_IP" in each.metadata for each in servers):
            for _owner, each in self.survey(("floating_ips",))["floating_ips"]:
                floating[DESCRIBED.match(each.description).group(2)] = each.floating_ip_address
        servers = self._explained(servers)
        found = [_metadata.instance(each) for each in servers]
        found = [_metadata.instance(server, floating.get(each["we_id"])) for server, each in zip(servers, found)]
        return sorted(found, key=lambda each: (str(each["session"]), str(each["type"]), _number(each["metadata"].get("WE_NUMBER")), str(each["we_id"])))

    def sessions(self, origin=None):
        """The sessions, the newest first: session, origin (words), where (metadata), created, instances, things ({kind: count}), current."""
        found = {}
        for kind, things in self.survey().items():
            for session, thing in things:
                entry = found.setdefault(session, {
                    "session": session, "where": {}, "created": None, "instances": 0, "things": {name: 0 for name in KINDS}, "current": False})
                entry["things"][kind] += 1
                made = _epoch(getattr(thing, "created_at", None)) or _session.born(session)
                if made is not None:
                    entry["created"] = made if entry["created"] is None else min(entry["created"], made)
                if kind == "servers":
                    entry["instances"] += 1
                    entry["where"] = entry["where"] or _session.of(_metadata.decode(thing.metadata))
        ordered = sorted(found.values(), key=lambda each: (-(each["created"] or 0), each["session"]))
        for entry in ordered:
            entry["origin"] = _session.words(entry["where"])
            entry["same"] = origin is not None and _session.same(entry["where"], origin)
        for entry in [each for each in ordered if each["same"]][:1]:
            entry["current"] = True
        return ordered


def describe(kind, thing):
    """What a person knows a thing by."""
    return thing.floating_ip_address if kind == "floating_ips" else thing.name


def counted(things):
    """{kind: count} in words: 5 VMs, 1 key pairs."""
    return ", ".join("%d %s" % (things[kind], WORDS[kind]) for kind in KINDS if things.get(kind)) or "nothing"


def side_by_side(work, items):
    """Call work(item) for all, some at a time: for each the exception that it raised, or None."""
    def one(item):
        try:
            work(item)
        except Exception as exc:  # pylint: disable=broad-except
            return exc
        return None

    if not items:
        return []
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(THREADS, len(items))) as pool:
        return list(pool.map(one, items))


def _part(pattern, text):
    found = pattern.match(text or "")
    return found.group(1) if found else None


def _number(value):
    return value if isinstance(value, int) else 0


def _epoch(text):
    """Epoch seconds of a time as OpenStack's APIs write it, which is in UTC; None of anything else."""
    try:
        return calendar.timegm(time.strptime(str(text)[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None
