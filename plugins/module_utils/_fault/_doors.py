# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doors of a service: each protocol, address and port that it listens on, in the network namespace where it does."""

from __future__ import annotations

import socket

from . import _namespaces, _nft, _proc, _reach
from ._errors import FaultlineError

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", None: "127.0.0.1"}


class Door:
    """One door. address: 0.0.0.0 for all of IPv4, :: for all of IPv6, None for all of both.

    way: which of its packets are meant, both, ingress (to it) or egress (from it). namespace: (device, inode) of a network namespace other than
    that of this host, path: what leads there, place: its name for people; None and '' for this host's. outer: other endpoints at which it answers.
    """

    def __init__(self, protocol, address, port, way="both", namespace=None, path="", place=""):
        self.protocol = protocol
        self.address = address
        self.port = port
        self.way = way
        self.namespace = namespace
        self.path = path
        self.place = place
        self.outer = []
        self.inner = _reach.Endpoint(protocol, _LOOPBACK.get(address, address), port, path, "in " + place if place else "", here=True)

    def __str__(self):
        return "%s %s" % (self.protocol, self.at())

    def at(self):
        if self.address is None:
            return str(self.port)
        return "%s:%d" % ("[%s]" % self.address if ":" in self.address else self.address, self.port) + (" in " + self.place if self.place else "")

    @property
    def key(self):
        return self.namespace, self.protocol, self.port, self.address, self.way

    @property
    def rule(self):
        """Itself, as _nft.cut_ports() takes it."""
        return self.protocol, self.port, self.way, self.address

    @property
    def endpoints(self):
        return [self.inner] + self.outer


def gone(processes):
    """The error for processes that have ended between two looks: what is not there any more is in no place."""
    return FaultlineError(
        "%s ended while it was looked at." % ", ".join(map(str, processes)), code="gone",
        hint="Nothing was touched. Try again; if it ends again and again, see the service's own log.")


def where(process):
    """(namespace, path, place) of a process, as a Door has it; FaultlineError (gone) for one that has ended."""
    namespace = _proc.namespace(process.pid)
    if not process.alive:
        # nor is what has its PID now the one that was meant
        raise gone([process])
    if namespace in (None, _proc.namespace("self")):
        return None, "", ""
    name = _namespaces.name(namespace)
    # a name outlives the process
    return (namespace, _namespaces.NAMED + name, name) if name else (
        namespace, _proc.namespace_path(process.pid), "the network namespace of %s" % process)


def of(sockets, process, way="both", table=None):
    """The doors of these sockets, which are in the network namespace of a process. table: all that is listened on there."""
    rest = where(process)
    table = _proc.sockets_in_namespace(process.pid) if table is None else table
    # a port of IPv4 that another socket has is not reached by the one of IPv6
    taken = {(entry.protocol, entry.port) for entry in table.values() if entry.family == socket.AF_INET and entry.address == "0.0.0.0"}
    found = {}
    for entry in sockets:
        addresses = [entry.address]
        if entry.address == "::" and (entry.protocol, entry.port) not in taken:
            addresses.append("0.0.0.0")
        for address in addresses:
            door = Door(entry.protocol, address, entry.port, way, *rest)
            if any(process.comm.startswith("qemu") for process in entry.holders):
                # what is sent there may be typed on the console of a machine
                door.inner.manner = "speaks"
            found.setdefault(door.key, door)
    # a rule for one address comes before that for all, so that each counts its own
    return sorted(found.values(), key=lambda door: (door.protocol, door.port, door.address in _LOOPBACK, str(door.address)))


def grouped(sockets):
    """[(process, its sockets)], one for each network namespace that these sockets are in; without those that nobody has open any more."""
    groups = {}
    for entry in sockets:
        holder = next((process for process in entry.holders if process.alive), None)
        if holder is not None:
            groups.setdefault(entry.namespace, (holder, []))[1].append(entry)
    return list(groups.values())


def of_processes(processes):
    """All doors of these processes, each in its own network namespace; UDP too."""
    return [door for process, sockets in grouped(_proc.listening(processes)) for door in of(_proc.served(sockets), process)]


def kept_by_systemd(processes):
    """(protocol, port) of what these processes listen on and PID 1 has open as well, to start them when somebody asks."""
    kept = _proc.open_sockets(1)
    return {(entry.protocol, entry.port) for entry in _proc.listening(processes) if entry.inode in kept}


def ask(doors, patience):
    """{name of an endpoint: answer} of all endpoints of these doors."""
    return _reach.ask([endpoint for door in doors for endpoint in door.endpoints], patience)


def answered(doors, answers):
    """[(endpoint, answer)] of those that were answered, not only connected to."""
    found = [(endpoint, answers.get(str(endpoint))) for door in doors for endpoint in door.endpoints]
    return [(endpoint, answer) for endpoint, answer in found if _reach.RANKS.get(answer, 0) > _reach.RANKS["connected"]]


def strangers(endpoint, processes):
    """Who else than these processes listens at the port of an endpoint, in the namespace that it is asked from."""
    def table():
        return _proc.sockets_in_namespace("thread-self")

    sockets = [entry for entry in endpoint.within(table).values() if (entry.protocol, entry.port) == (endpoint.protocol, endpoint.port)]
    return [process for process in _proc.holders(sockets) if process not in processes]


class Places:
    """Doors by the network namespace that they are in, for rules there."""

    def __init__(self, doors):
        self.doors = doors
        self._groups = {}
        for door in doors:
            self._groups.setdefault(door.namespace, []).append(door)

    def __iter__(self):
        """(first door, all doors, what runs a program there) for each namespace."""
        for namespace, doors in self._groups.items():
            yield doors[0], doors, _namespaces.enter(doors[0].path) if namespace else ()

    def cut(self, table):
        for _first, doors, inside in self:
            _nft.cut_ports(table, [door.rule for door in doors], inside)

    def dropped(self, table):
        """{door: packets that its own rules have dropped}."""
        found = {}
        for _first, doors, inside in self:
            found.update(zip(doors, _nft.dropped(table, [door.rule for door in doors], inside)))
        return found
