# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fault of services that nobody reaches: unplug."""

from __future__ import annotations

import os

from . import _doors, _nft, _proc, _reach, _service_steps
from ._errors import FaultlineError
from ._service_base import ServiceFault
from ._service_driver import named

# which packets are dropped, in words
_PACKETS = {"both": "to and from", "ingress": "to", "egress": "from"}


class Unplug(ServiceFault):
    """Cut a service's ports off, both ways or one, established connections too. ports: (protocol, number, way), or none for those it listens on."""

    action = "unplug"
    reversible = True

    def __init__(self, service, ports=(), **options):
        super().__init__(service, **options)
        self.given = list(ports)

    def resolve(self):
        super().resolve()
        self._locate()
        self.sockets = _proc.listening(self.processes)
        # who listens at a port that is given, where it is not the service
        self.held_by = {}
        self.ways = self._merged() or [(protocol, number, "both") for protocol, number in sorted({
            (entry.protocol, entry.port) for entry in _proc.served(self.sockets)})]
        self.ports = [(protocol, number) for protocol, number, _way in self.ways]
        if not self.ports:
            why = "its sockets cannot be seen without CAP_SYS_PTRACE" if _proc.hidden(self.processes) else _heard_words(self.sockets)
            raise FaultlineError(
                "unplug of %s needs a port: %s, and none is given." % (self.subject, why), code="no_port",
                hint="Nothing was touched. Give port, as [tcp, 5000].",
            )
        self.doors = [door for protocol, number, way in self.ways for door in self._doors_of(protocol, number, way)]
        self.places = _doors.Places(self.doors)
        _nft.require(any(inside for _first, _doors_there, inside in self.places))

    def _merged(self):
        """The ports that are given, each once: to it and from it is both."""
        ways = {}
        for protocol, number, way in self.given:
            ways.setdefault((protocol, number), set()).add(way)
        return [(protocol, number, min(way) if len(way) == 1 else "both") for (protocol, number), way in ways.items()]

    def _locate(self):
        """Find out where the ports are: where its processes are."""

    def _doors_of(self, protocol, number, way):
        """Where the service itself listens at a port: a load balancer may have the same port at another address of this host."""
        mine = [entry for entry in self.sockets if (entry.protocol, entry.port) == (protocol, number)]
        if mine:
            doors = [door for process, sockets in _doors.grouped(mine) for door in _doors.of(sockets, process, way)]
            if not doors:
                raise _doors.gone([process for entry in mine for process in entry.holders])
            return doors
        return self._doors_of_others(protocol, number, way)

    def _doors_of_others(self, protocol, number, way):
        """The doors at a port where no process of the service listens: those of who listens there for it, as Apache does for an application."""
        found, others = [], []
        for process in self._one_of_each_namespace():
            table = _proc.sockets_in_namespace(process.pid)
            sockets = [entry for entry in table.values() if (entry.protocol, entry.port) == (protocol, number)]
            found += _doors.of(sockets, process, way, table)
            others += _proc.holders(sockets) if sockets else []
        elsewhere = _proc.served(self.sockets)
        # what is sshd's is refused for that
        if found and (not elsewhere or _related(others, self.processes) or any(process.comm == "sshd" for process in others)):
            self.held_by["%s %d" % (protocol, number)] = sorted({str(process) for process in others})
            return found
        if way == "egress":
            # what it says from there as a client
            return [_doors.Door(protocol, None, number, way, *_doors.where(process)) for process in self._one_of_each_namespace()]
        who = "%s there" % named(sorted({process.comm for process in others})) if others else "nothing"
        raise FaultlineError(
            "unplug of %s is refused: %s listens on %s %d%s." % (
                self.subject, who, protocol, number,
                ", and %s on %s" % (self.subject, named(elsewhere)) if elsewhere else ", nor does %s listen on any other port" % self.subject),
            code="not_listening", hint="Nothing was touched. Correct port, or leave it out to cut off all that the service listens on.",
        )

    def _one_of_each_namespace(self):
        found = {}
        alive = [process for process in self.processes if process.alive]
        if self.processes and not alive:
            raise _doors.gone(self.processes)
        for process in alive or [_proc.lookup(os.getpid())]:
            found.setdefault(_proc.namespace(process.pid), process)
        return list(found.values())

    def guard(self):
        super().guard()
        self._guard_ports()

    def _guard_ports(self):
        ssh = {(entry.namespace, entry.port) for entry in _proc.listening(self._carriers())}
        here = _proc.namespace("self")
        for door in self.doors:
            if (door.namespace or here, door.port) in ssh:
                raise FaultlineError(
                    "unplug of %s is refused: port %d is sshd's, the way in for Ansible." % (self.subject, door.port), code="guarded",
                    hint="Nothing was touched.",
                )

    def _carriers(self):
        """The processes whose ports are the way in for Ansible."""
        return [process for process in map(_proc.lookup, _proc.every()) if process and process.comm == "sshd"]

    def targets(self):
        places = sorted({first.place for first, _doors_there, _inside in self.places if first.place})
        return [dict(self.service.target(), ports=self._named(), doors=[str(door) for door in self.doors], **({"namespaces": places} if places else {}))]

    def _named(self):
        """The ports in words, with the way where it is one alone."""
        return ["%s %d%s" % (protocol, number, "" if way == "both" else " " + way) for protocol, number, way in self.ways]

    def expected(self):
        # the service itself runs on
        return self._before + "; %s cut off" % named(self._named())

    def plan(self):
        return [
            "drop all packets %s %s%s; ask %s before and after" % (_PACKETS[door.way], door, self._whose(door), named(door.endpoints))
            for door in self.doors
        ]

    def _whose(self, door):
        others = self.held_by.get("%s %d" % (door.protocol, door.port))
        return ", where %s listens for it" % named(others) if others else ""

    def steps(self, fault_id):
        return [self._step(_nft.table_name(fault_id), first) for first, _doors_there, _inside in self.places]

    def _step(self, table, door):
        return _service_steps.DeleteTable.make(table, door.namespace, door.place)

    def _shared(self, record):
        """Other faults whose tables may have dropped the packets before ours saw them."""
        return [each["id"] for each in self._ours("unplug") if each["id"] != record["id"]]

    def look_before(self, record):
        self.answers_before = _doors.ask(self.doors, _reach.ANSWER)
        if self._shared(record):
            return
        for protocol, number, way in self.ways:
            doors = [door for door in self.doors if (door.protocol, door.port) == (protocol, number)]
            answers = {self.answers_before.get(str(endpoint)) for door in doors for endpoint in door.endpoints}
            # a datagram that nobody answers may have been heard
            heard = protocol == "udp" and "no answer" in answers or any(answer in _reach.RANKS for answer in answers)
            # of all its doors, some may be at a virtual address that is on another node
            elsewhere = answers == {None} and not self.given and any(answer in _reach.RANKS for answer in self.answers_before.values())
            if way != "egress" and not heard and not elsewhere:
                why = {answer or "it cannot be asked: this host does not have its address, or the loopback interface is down" for answer in answers}
                raise FaultlineError(
                    "unplug of %s proves nothing: %s did not answer before either (%s)." % (self.subject, named(doors), named(sorted(why))),
                    code="not_answering", hint="Nothing was cut off. See whether the service is well, and whether other rules drop the packets already.",
                )

    def inject(self, record):
        self.places.cut(_nft.table_name(record["id"]))

    def prove(self, record):
        table = _nft.table_name(record["id"])
        answers = _doors.ask(self.doors, _reach.SILENCE)
        for door in self.doors:
            if door.protocol == "udp" and door.way == "egress":
                _reach.knock_from(door.inner)
        loud = sorted(name for name, answer in answers.items() if answer != "no answer")
        dropped, shared = self.places.dropped(table), self._shared(record)
        # each door by its own rules, but for those that nobody here can ask
        # where one socket has all addresses and another one of them, the rule for that comes first
        met = {str(endpoint) for door, packets in dropped.items() if packets for endpoint in door.endpoints}
        missed = [door for door, packets in dropped.items() if not packets and any(str(each) in answers and str(each) not in met for each in door.endpoints)]
        if loud or not shared and (missed or not sum(dropped.values())):
            raise FaultlineError(
                "unplug of %s is not proven: %s." % (
                    self.subject, "it still answers at " + named(loud) if loud else
                    "no packet has met the rules for %s" % named(missed or self.doors)),
                code="unproven", hint="Look at: nft list table inet %s" % table,
            )
        self.done = "%s cut off" % named(self._named())
        return {
            "table": table, "dropped_packets": sum(dropped.values()), "dropped_by_door": {str(door): packets for door, packets in dropped.items()},
            "answers_before": self.answers_before, "answers": answers, "shared_with": shared, "held_by": self.held_by,
            "not_asked": [str(door) for door in self.doors if not any(str(endpoint) in answers for endpoint in door.endpoints)],
        }


def _related(others, processes):
    """Whether one of the others is an ancestor or a child of one of these processes."""
    ours, theirs = {process.pid for process in processes}, {process.pid for process in others}
    return any(theirs & set(_proc.chain(pid)) for pid in ours) or any(ours & set(_proc.chain(pid)) for pid in theirs)


def _heard_words(sockets):
    """Why none of the sockets gives a port, in words."""
    high = sorted({s.port for s in sockets})
    if not high:
        return "it listens on no port of this host"
    # among them are those from which a process only asks others
    return "it has udp %s only, from %d on, where the kernel takes ports for its own questions to others" % (", ".join(map(str, high)), _proc.ephemeral())
