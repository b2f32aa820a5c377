# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of containers: those of services (see _service_faults.py), where the engine, not the host, starts, stops and freezes."""

from __future__ import annotations

import signal

from . import _container_steps, _containers, _doors, _journal, _proc, _reach, _service_base, _service_faults, _service_stops
from ._errors import FaultlineError

# seconds that a container may take to be frozen before the fault counts as unproven, which catches only a hang
_SETTLE = 300
# seconds in which an engine does what it was asked for, though who asked is gone
_ENGINES_TURN = 30


def _words(things):
    return ", ".join(str(thing) for thing in things)


class _OfContainer:
    """What all faults of a container share; service is a _containers.Container."""

    kind = "container"
    lingers = _ENGINES_TURN

    def guard(self):
        chain = _proc.own_chain()
        carriers = [process for process in self.processes if process.pid in chain]
        if carriers:
            raise FaultlineError(
                "%s of %s is refused: its process %s carries this very task." % (self.action, self.subject, carriers[0]),
                code="guarded", hint="Nothing was touched. Reach the host by an SSH server that is not in this container.",
            )


class _Back(_OfContainer):
    """kill and restart: the ports of a container are those of its own network; another one may come back in its place."""

    def resolve(self):
        super().resolve()
        self.was = self.service.found

    def _all_ways(self, doors):
        main = self.service.main
        own_network = _doors.where(main)[0] if doors and main else None
        for door in doors:
            # a bridge may let nobody through for a second after its container serves inside
            _seen_from_here(door, self.service.found, own_network)
        return doors

    def _serving(self):
        try:
            self.service.look_again()
        except FaultlineError:
            # a unit that makes its container anew has moments without one, or with half of one
            return None
        return super()._serving()

    def recover(self, wait):
        recovery = super().recover(wait)
        if recovery["back"]:
            now = self.service.found
            recovery["by"] = self._by(now)
            recovery["replaced_by"] = now.id if now.id != self.was.id else None
        return recovery

    def _by(self, now):
        return ""


class Kill(_Back, _service_faults.Kill):
    """Send a deadly signal to the main process of a container; past its engine, which would take it for a wish to have it down."""

    def resolve(self):
        super().resolve()
        self.main = self.service.main
        if self.main is None:
            # it has just died
            self.processes = []
            self._need_processes()
        if self.was.paused:
            raise FaultlineError(
                "kill of %s is refused: it is paused, and a frozen process does not die." % self.subject, code="frozen",
                hint="Nothing was touched. unfreeze it first, or terminate it.",
            )

    def _will(self):
        return "%s, the main process, killed by %s" % (self.main, signal.Signals(self.number).name)

    def plan(self):
        return ["send %s to %s, the main process" % (signal.Signals(self.number).name, self.main)]

    def _hit(self):
        self.main.send(self.number)

    def prove(self, record):
        try:
            self._gone([self.main], self._patience)
        except FaultlineError as exc:
            if self.number != signal.SIGKILL:
                exc.hint = "The first process of a container ignores a signal that it does not handle; KILL it cannot ignore."
            raise
        return dict(super().prove(record), main=self.main.as_dict())

    def _by(self, now):
        if now.id == self.was.id and now.policy[0] != "no":
            return "restart policy %s" % now.policy_words
        return self.service.unit.name if self.service.unit else ""


class Restart(_Back, _service_faults.Restart):
    """Restart a container by its engine, or by the unit that runs it."""


class Terminate(_OfContainer, _service_faults.Terminate):
    """Stop a container, whatever would start it again, and start it at the deadline."""

    @property
    def lingers(self):
        return self.service.found.stop_timeout + _ENGINES_TURN

    def guard(self):
        super().guard()
        if not self.service.can_start:
            raise FaultlineError(
                "terminate of %s is refused: it was started with --rm, so that to stop it would delete it." % self.subject,
                code="no_undo", hint="Nothing was touched. kill hits it if that is meant.",
            )

    def plan(self):
        plan = super().plan()
        if any(step["type"] == _container_steps.RestorePolicy.type for step in self.steps("")):
            plan.insert(0, "set its restart policy, %s, to no meanwhile" % self.service.found.policy_words)
        return plan

    def prove(self, record):
        proof = super().prove(record)
        return dict(proof, status=self.service.found.status, policy_meanwhile=self.service.found.policy_words)


class Freeze(_OfContainer, _service_base.ServiceFault):
    """Have the engine pause a container: the kernel's freezer stops all of its processes."""

    action = "freeze"
    reversible = True

    def resolve(self):
        super().resolve()
        self._need_processes()
        found = self.service.found
        if found.paused and _container_steps.Unpause.claim(found) not in _journal.claimed_by_others(""):
            raise FaultlineError(
                "%s is paused already, and not by us." % self.subject, code="already_stopped",
                hint="Nothing was touched. unfreeze lets it continue.",
            )

    def _will(self):
        return "paused, %s frozen" % _words(self.processes)

    def plan(self):
        return ["pause the container %s: %s" % (self.subject, _words(self.processes))]

    def steps(self, fault_id):
        return [_container_steps.Unpause.make(self.service.found)]

    def look_before(self, record):
        self.watch = _service_stops.Answers(self, _doors.of_processes(self.processes))

    def inject(self, record):
        if not self.service.found.paused:
            self.service.engine.order("pause", self.service.found)

    def prove(self, record):
        running = []

        def all_frozen():
            self.service.look_again()
            running[:] = [process for process in self.service.processes() if process.alive and not _frozen(process)]
            return self.service.found.paused and not running

        if not _proc.wait_until(all_frozen, _SETTLE, pause=0.1):
            why = "%s still running" % _words(running) if running else "its state is %s" % self.service.found.status
            raise FaultlineError(
                "freeze of %s is not proven: %s." % (self.subject, why), code="unproven",
                hint="The proof is the state of the kernel's freezer, in the control group of each process.",
            )
        frozen = self.service.processes()
        answers = self.watch.prove_silent()
        self.done = "paused: %s frozen" % _words(frozen)
        return dict({"status": self.service.found.status, "frozen": [dict(process.as_dict(), state=process.state) for process in frozen]}, **answers)


def _frozen(process):
    """By the kernel's freezer; where we cannot see that, a process that it holds is in state D."""
    said = _containers.frozen(process)
    return process.state == "D" if said is None else said


class Unplug(_OfContainer, _service_faults.Unplug):
    """Cut a container's ports off, in its own network namespace, or on this host where it has the host's network."""

    def _locate(self):
        self._need_processes()
        self.own_network = _doors.where(self.service.main or self.processes[0])[0]

    def _doors_of(self, protocol, number, way):
        doors = super()._doors_of(protocol, number, way)
        for door in doors:
            _seen_from_here(door, self.service.found, self.own_network)
        return doors

    def guard(self):
        super().guard()
        self._guard_ports()

    def _carriers(self):
        # an SSH server in the container, as Kolla's nova_ssh, is no way in for us: guard() saw to that
        return [process for process in super()._carriers() if process not in self.processes]

    def targets(self):
        return [dict(super().targets()[0], network="its own" if self.own_network else "the host's")]

    def _step(self, table, door):
        if door.namespace is None or door.namespace != self.own_network:
            return super()._step(table, door)
        return _container_steps.DeleteTableInside.make(table, self.service.found, door.namespace)


def _seen_from_here(door, found, own_network):
    """Have a door of a container with a network of its own asked at the container's addresses as well, as others do."""
    if door.namespace is None or door.namespace != own_network:
        return
    door.place = "the network namespace of the container %s" % found.name
    door.inner.place = "from inside"
    if door.protocol == "tcp":
        wild = {"0.0.0.0": False, "::": True}
        door.outer = [
            _reach.Endpoint("tcp", address, door.port) for address in found.addresses
            if door.address in (None, address) or wild.get(door.address) == (":" in address)]


class Start(_OfContainer, _service_faults.Start):
    """Start a container; what we terminated is undone."""

    def guard(self):
        """Healing hits nothing."""


class Unfreeze(_OfContainer, _service_faults.Unfreeze):
    """Let a paused container run again, whoever paused it."""

    def guard(self):
        """Healing hits nothing."""

    def _stopped(self):
        self.service.look_again()
        return [self.service.found.name] if self.service.found.paused else []

    def _more(self):
        return ["unpause the container %s" % name for name in self._stopped()]

    def _wake(self):
        if self._stopped():
            self.service.engine.order("unpause", self.service.found)


class Plug(_OfContainer, _service_faults.Plug):
    """Give a container its ports back that we cut off."""

    def guard(self):
        """Healing hits nothing."""


ACTIONS = {fault.action: fault for fault in (Start, Terminate, Restart, Kill, Freeze, Unfreeze, Unplug, Plug)}
