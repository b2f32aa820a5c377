# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of services: start, terminate, restart, kill, freeze, unfreeze, unplug, plug."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from . import _doors, _journal, _module, _nft, _proc, _reach, _service_steps, _steps
from ._engine import Fault, undo_now
from ._errors import FaultlineError

# seconds that a process may take to die, stop or leave before the fault counts as unproven; it catches only a hang, but where a process
# can ignore a signal
_SETTLE = 300
_IGNORED = 30
# seconds between two looks whether what was hit serves again
_LOOK = 0.05
# which packets are dropped, in words
_PACKETS = {"both": "to and from", "ingress": "to", "egress": "from"}
_PROTECTED_UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")


def _words(things):
    return ", ".join(str(thing) for thing in things)


class ServiceFault(Fault):
    """What all faults of a service share. service: a _services.Service; recovery_timeout: seconds, for faults without undo."""

    kind = "service"

    def __init__(self, service, recovery_timeout=_module.RECOVERY_TIMEOUT):
        self.service = service
        self.subject = service.name
        self.names = service.names
        self.recovery_timeout = recovery_timeout
        self.processes = []
        self.done = ""

    def targets(self):
        return [self.service.target()]

    def before(self):
        return self._before

    def after(self):
        return self.done

    def expected(self):
        return self.service.foreseen(self._will())

    def _will(self):
        """The state after it, in words."""
        return ", ".join(self.plan())

    def resolve(self):
        self.service.hit_by(self.action)
        self.processes = self.service.processes()
        self._before = self.service.describe()
        self._noted = self._look_around()

    # seen before anything was touched
    _noted = ()

    def _look_around(self):
        return self.service.notes()

    def notes(self):
        return list(self._noted)

    def _ours(self, action):
        """The open faults of an action on this service."""
        return [record for record in _journal.open_faults(action, self.names) if record["kind"] == self.kind]

    def _need_processes(self):
        if not self.processes:
            raise FaultlineError(
                "%s has no process on this host: there is nothing to %s." % (self.subject, self.action), code="not_running",
                hint=self.service.nothing_here(),
            )

    def guard(self):
        chain = _proc.own_chain()
        for process in self.processes:
            why = ""
            if process.pid == 1:
                why = "is PID 1"
            elif process.pid in chain:
                why = "carries this very task"
            elif process.comm == "sshd":
                why = "is the way in for Ansible"
            if why:
                raise FaultlineError(
                    "%s of %s is refused: %s %s." % (self.action, self.subject, process, why), code="guarded",
                    hint="Nothing was touched.",
                )
        protected = [name for name in self.names if name in _PROTECTED_UNITS or name.startswith("faultline-")]
        if protected:
            raise FaultlineError(
                "%s of %s is refused: it is the way in for Ansible, or ours." % (self.action, protected[0]), code="guarded",
                hint="Nothing was touched.",
            )

    def _gone(self, processes, patience=_SETTLE):
        """Wait until these very processes are gone, or fail."""
        left = []

        def none_left():
            left[:] = [process for process in processes if process.alive]
            return not left

        if not _proc.wait_until(none_left, patience):
            raise FaultlineError(
                "%s of %s is not proven: %s still there after %d seconds." % (self.action, self.subject, _words(left), patience),
                code="unproven", hint="A process in state D cannot die; see its state in /proc.",
            )


class _Hit(ServiceFault):
    """kill and restart: processes go, and others take their place."""

    def resolve(self):
        super().resolve()
        self.payload = self._payload()
        self.doors = _doors.of_processes(self.processes + self.payload)
        self.ports = {(door.protocol, door.port) for door in self.doors if door.protocol == "tcp"}
        # systemd goes on to listen for a service that it starts when somebody asks
        self.kept = _doors.kept_by_systemd(self.processes)
        self.started = time.monotonic()

    def _payload(self):
        """What it only watches, and what has to serve again with it."""
        return []

    def look_before(self, record):
        answers = _doors.ask(self.doors, _reach.ANSWER)
        # for each port, at which endpoint it was answered, and how
        self.wanted = dict(_doors.answered(self.doors, answers))
        self.ports |= {(endpoint.protocol, endpoint.port) for endpoint in self.wanted}

    # whether it comes back by itself, None where that is not known; who restarts it, or why nobody does
    returns = True, ""
    # whether the proof has just asked systemd that it is up
    _seen_up = False
    # what is waited for once it is listened on
    awaited = None
    # seconds after the injection at which its ports were first listened on, and were all answered as before
    listening_after = answering_after = None

    def _since(self):
        return round(time.monotonic() - self.started, 3)

    def _back(self):
        found = self.service.processes()
        # systemd is asked last: it is the dearest of all
        return self._serves(found) and (self._seen_up or self.service.back(self.processes, found))

    def _serves(self, found):
        """Whether who is new of these processes has all ports of the service, and answers there as it was answered before."""
        new = [process for process in found if process not in self.processes]
        watched = [process for process in self._payload() if process not in self.payload] if self.payload else []
        sockets = _proc.served(_proc.listening(new + watched))
        heard = {(entry.protocol, entry.port) for entry in sockets}
        if not self.ports <= heard | self.kept:
            return False
        if self.ports and self.listening_after is None:
            self.listening_after = self._since()
        if self.wanted and not self._answering(sockets):
            return False
        # of what had no process nobody knows one
        return (bool(new) or not self.processes) and self.ports <= heard

    @contextlib.contextmanager
    def _looked_at_meanwhile(self, old):
        """See when it serves again while whoever restarts it is still at it, who may be later than that. old: who answers until they are gone."""
        over = threading.Event()

        def look():
            # what cannot be seen now is seen afterwards
            with contextlib.suppress(FaultlineError, OSError):
                while not over.wait(_LOOK) and (any(process.alive for process in old) or not self._serves(self.service.processes())):
                    pass

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def _answering(self, sockets):
        """Whether all that was answered before is answered again, in the network namespaces where these sockets are."""
        if self.awaited is None or not self.awaited.reachable:
            self.awaited = _reach.Awaited(self._endpoints(sockets))
        if self.answering_after is None and self.awaited.look():
            self.answering_after = self._since()
        return self.answering_after is not None

    def _endpoints(self, sockets):
        """{endpoint: answer before} of these sockets, or where nobody has them yet of those before."""
        try:
            now = [endpoint for process, some in _doors.grouped(sockets) for door in _doors.of(some, process) for endpoint in door.endpoints]
        except FaultlineError as exc:
            if exc.code != "gone":
                raise
            # it has ended again, and who comes next is looked for
            now = []
        found = {}
        for before, answer in self.wanted.items():
            same = [each for each in now if (each.protocol, each.port) == (before.protocol, before.port)]
            for each in [each for each in same if each.address == before.address] or same or [before]:
                each.manner = before.manner
                found[each] = answer
        return found

    def recover(self, wait):
        expected, who = self.returns
        patience = self.recovery_timeout if wait and expected is not False else 0
        if patience and self.service.woken_by_connection and not self.wanted:
            # as its next client would
            _doors.ask(self.doors, _reach.SILENCE)
        try:
            back = bool(_proc.wait_until(self._back, patience, pause=_LOOK))
        finally:
            if self.awaited is not None:
                self.awaited.close()
        # a client sees it back when it is answered, whatever systemd says later
        after = self.answering_after or self._since()
        new = [process for process in self.service.processes() if process not in self.processes]
        why = ""
        if not back and expected is False:
            why = who
        elif not back and wait:
            self.service.look_again()
            why = self.service.describe() + (self._not_answering(new + self._payload()) if new else "")
            # what it was known for does not hold any more
            who = (self.service.given_up() or who) if expected else who
            why += "; " + who if who else ""
        return {
            "expected": expected, "restarted_by": self.returns[1] if expected is not False else "", "back": back, "after": after if back else None,
            "listening_after": self.listening_after, "answering_after": self.answering_after, "waited": patience, "why": why,
            "processes": [process.as_dict() for process in new], "ports": sorted("%s %d" % port for port in self.ports),
        }

    def _not_answering(self, new):
        """Which of its ports are not as they were, in words."""
        heard = {(entry.protocol, entry.port) for entry in _proc.listening(new)}
        silent = sorted("%s %d" % port for port in self.ports - heard)
        if silent:
            return ", not listening on %s" % _words(silent)
        mute = sorted(map(str, self.awaited.silent())) if self.awaited is not None else []
        return ", listening, but not answering at %s as before" % _words(mute) if mute else ""


class Kill(_Hit):
    """Send a deadly signal to the exact processes of a service."""

    action = "kill"

    def __init__(self, service, number=signal.SIGKILL, **options):
        super().__init__(service, **options)
        self.number = number

    def resolve(self):
        super().resolve()
        self._need_processes()
        # before the signal: what a process does on it is known only while it lives
        self.returns = self.service.revival(self.number, self.processes)

    def _will(self):
        return "%s killed by %s" % (_words(self.processes), signal.Signals(self.number).name)

    def plan(self):
        return ["send %s to %s" % (signal.Signals(self.number).name, _words(self.processes))] + ([self.returns[1]] if self.returns[1] else [])

    def inject(self, record):
        self.started = time.monotonic()
        for process in self.processes:
            process.send(self.number)

    @property
    def _patience(self):
        return _SETTLE if self.number == signal.SIGKILL else _IGNORED

    def prove(self, record):
        self._gone(self.processes, self._patience)
        self.done = "%s killed (%s)" % (_words(self.processes), signal.Signals(self.number).name)
        return {"signal": signal.Signals(self.number).name, "gone": [process.as_dict() for process in self.processes]}


class Restart(_Hit):
    """Restart a service; one that is down is started."""

    action = "restart"

    def _will(self):
        return "restarted, %s gone" % (_words(self.processes) or "no process")

    def plan(self):
        return ["restart %s (%s)" % (self.subject, _words(self.processes) or "no process")]

    def _payload(self):
        return self.service.payload()

    def inject(self, record):
        self.started = time.monotonic()
        with self._looked_at_meanwhile(self._ended()):
            self.service.restart()

    def _ended(self):
        """Who is gone once it is restarted."""
        return self.service.ended_by_stop(self.processes) + self.payload

    def prove(self, record):
        self._gone(self._ended())
        if not _proc.wait_until(lambda: self.service.up, _SETTLE):
            raise FaultlineError(
                "restart of %s is not proven: %s." % (self.subject, self.service.describe()), code="unproven",
                hint="See the service's own log.",
            )
        self._seen_up = True
        self.done = "restarted"
        return {"gone": [process.as_dict() for process in self.processes + self.payload if not process.alive]}


class Terminate(ServiceFault):
    """Stop a service in its own way, and start it again at the deadline."""

    action = "terminate"

    @property
    def reversible(self):
        return self.service.can_start

    @property
    def why_not(self):
        return "%s %s" % (self.service.why_no_start, self.service.how_to_start)

    @property
    def takes(self):
        return self.service.stop_timeout

    def resolve(self):
        super().resolve()
        self.payload = self.service.payload()
        self.shared = self._down_by_us()
        if not self.service.up and not self.processes and not self.shared:
            self._need_processes()

    def _down_by_us(self):
        """Steps of open faults that keep this service down already: their undo becomes ours as well."""
        return [
            step for record in self._ours("terminate") if record["state"] == "injected"
            for step in record["steps"]
        ]

    def _will(self):
        return "stopped"

    def plan(self):
        what = _words(self.processes + self.payload) or ("down already, by another fault" if self.shared else "no process")
        return ["stop %s (%s)" % (self.subject, what)] + ([] if self.reversible else ["undo: none. %s" % self.service.why_no_start.rstrip(".")])

    def steps(self, fault_id):
        found = {}
        # one that is about to be up has processes
        for step in self._down_by_us() + (self.service.start_steps() if self.service.up or self.processes else []):
            found[step["claim"]] = step
        return list(found.values())

    def inject(self, record):
        # on disk before anybody hears of it: who was told to stop never counts as started again
        if _service_steps.Run.told(record["steps"]):
            _journal.save(record)
        try:
            self.service.stop()
        except FaultlineError as exc:
            untold = exc.code == "missing_program"
            if (untold or exc.code == "program_failed") and _service_steps.Run.refused(record["steps"], untold):
                _journal.save(record)
            raise

    def prove(self, record):
        self._gone(self.service.ended_by_stop(self.processes) + self.payload)
        if self.service.processes() or self.service.up:
            raise FaultlineError(
                "terminate of %s is not proven: it is up again (%s)." % (self.subject, self.service.describe()), code="unproven",
                hint="Something starts it again; find out what: a cluster manager, a timer?",
            )
        stay = [process for process in self.processes if process.alive]
        self.done = "stopped" + (", %s still there, which its own stop does not end" % _words(stay) if stay else "")
        return {"gone": [process.as_dict() for process in self.processes + self.payload if process not in stay], "state": self.service.describe()}


class Answers:
    """The doors of what is frozen: the kernel goes on to take connections, but none may be answered any more.

    What only ever took connections proves nothing, and is not asked again.
    """

    def __init__(self, fault, doors):
        self.fault = fault
        answers = _doors.ask(doors, _reach.ANSWER)
        self.before = _doors.answered(doors, answers)

    def prove_silent(self):
        """{answers_before, answers} for the proof; FaultlineError (unproven) where somebody still answers."""
        if not self.before:
            return {}
        answers = _reach.ask([endpoint for endpoint, _answer in self.before], _reach.SILENCE)
        loud = [endpoint for endpoint, _answer in self.before if _reach.RANKS.get(answers.get(str(endpoint)), 0) > _reach.RANKS["connected"]]
        if loud:
            others = _doors.strangers(loud[0], self.fault.processes)
            raise FaultlineError(
                "%s of %s is not proven: it still answers at %s%s." % (
                    self.fault.action, self.fault.subject, _words(loud), ", by %s" % _words(others) if others else ""),
                code="unproven", hint="Somebody else serves that port as well: hit that, too, or name it as the service.",
            )
        return {"answers_before": {str(endpoint): answer for endpoint, answer in self.before}, "answers": answers}


class Freeze(ServiceFault):
    """Stop all processes of a service with SIGSTOP, children too, and let them continue at the deadline."""

    action = "freeze"
    reversible = True
    # rounds of looking for children that were forked meanwhile
    _ROUNDS = 20

    def resolve(self):
        super().resolve()
        self._need_processes()
        ours = _journal.claimed_by_others("")
        self.foreign = [p for p in self.processes if p.state in ("T", "t") and self._claim(p) not in ours]
        self.processes = [p for p in self.processes if p not in self.foreign]
        if not self.processes:
            raise FaultlineError(
                "%s is stopped already, and not by us: %s." % (self.subject, _words(self.foreign)), code="already_stopped",
                hint="Nothing was touched. unfreeze lets it continue.",
            )

    @staticmethod
    def _claim(process):
        return _service_steps.Continue.make(process)["claim"]

    def _will(self):
        return "frozen, %s" % ", ".join("%s (T)" % process for process in self.processes)

    def plan(self):
        return ["send SIGSTOP to %s" % _words(self.processes)]

    def steps(self, fault_id):
        return [_service_steps.Continue.make(process) for process in self.processes]

    def look_before(self, record):
        self.watch = Answers(self, _doors.of_processes(self.processes))

    def inject(self, record):
        # parents first: they are the ones who fork
        fresh = sorted(self.processes, key=lambda process: process.start)
        for _round in range(self._ROUNDS):
            for process in fresh:
                process.send(signal.SIGSTOP)
            known = set(self.processes) | set(self.foreign)
            fresh = [process for process in self.service.processes() if process not in known]
            if not fresh:
                return
            _journal.extend(record, [_service_steps.Continue.make(process) for process in fresh])
            self.processes += fresh
        raise FaultlineError(
            "%s forks faster than it can be frozen." % self.subject, code="unproven", hint="Use terminate.",
        )

    def prove(self, record):
        running = []

        def all_stopped():
            running[:] = [process for process in self.service.processes() if process.state not in ("T", "t", "")]
            return not running

        if not _proc.wait_until(all_stopped, _SETTLE):
            raise FaultlineError(
                "freeze of %s is not proven: %s still running." % (self.subject, _words(running)), code="unproven",
                hint="A process in state D stops only when its system call ends.",
            )
        stopped = [process for process in self.processes if process.state in ("T", "t")]
        if not stopped:
            raise FaultlineError("freeze of %s is not proven: its processes are gone." % self.subject, code="unproven")
        answers = self.watch.prove_silent()
        self.done = "frozen: %s in state T" % _words(stopped)
        return dict({"stopped": [process.as_dict() for process in stopped]}, **answers)


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
        who = "%s there" % _words(sorted({process.comm for process in others})) if others else "nothing"
        raise FaultlineError(
            "unplug of %s is refused: %s listens on %s %d%s." % (
                self.subject, who, protocol, number,
                ", and %s on %s" % (self.subject, _words(elsewhere)) if elsewhere else ", nor does %s listen on any other port" % self.subject),
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
        return self._before + "; %s cut off" % _words(self._named())

    def plan(self):
        return [
            "drop all packets %s %s%s; ask %s before and after" % (_PACKETS[door.way], door, self._whose(door), _words(door.endpoints))
            for door in self.doors
        ]

    def _whose(self, door):
        others = self.held_by.get("%s %d" % (door.protocol, door.port))
        return ", where %s listens for it" % _words(others) if others else ""

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
                    "unplug of %s proves nothing: %s did not answer before either (%s)." % (self.subject, _words(doors), _words(sorted(why))),
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
                    self.subject, "it still answers at " + _words(loud) if loud else
                    "no packet has met the rules for %s" % _words(missed or self.doors)),
                code="unproven", hint="Look at: nft list table inet %s" % table,
            )
        self.done = "%s cut off" % _words(self._named())
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


class _Heal(ServiceFault):
    """start, unfreeze, plug: undo our own faults of the opposite action, and what else the action promises."""

    opposite = ""
    # other actions that it undoes
    others = ()

    def resolve(self):
        super().resolve()
        self.records = [r for action in (self.opposite,) + self.others for r in self._ours(action) if r["state"] != "undoing"]
        self.changes = bool(self.records) or self._needed()

    def guard(self):
        """Healing hits nothing."""

    def _look_around(self):
        return []

    def _needed(self):
        """Whether there is something to do beside our own faults."""
        return False

    def plan(self):
        return ["undo %s" % record["id"] for record in self.records] + self._more()

    def _more(self):
        return []

    def inject(self, record):
        undo_now(self.records)

    def prove(self, record):
        self.service.look_again()
        return {"undone": [other["id"] for other in self.records], "state": self.service.describe()}


class Start(_Heal):
    """Start a service; what we terminated is undone."""

    action = "start"
    opposite = "terminate"
    others = ("mask", "crash_loop")

    def _will(self):
        return "up"

    def _needed(self):
        return not self.service.settled

    def _more(self):
        return [] if self.service.settled else ["start %s" % self.subject]

    def inject(self, record):
        super().inject(record)
        if not self.service.settled:
            self.service.start()

    def prove(self, record):
        if not _proc.wait_until(lambda: self.service.settled, _SETTLE):
            raise FaultlineError(
                "start of %s is not proven: %s." % (self.subject, self.service.describe()), code="unproven",
                hint="See the service's own log.",
            )
        self.done = "up"
        return super().prove(record)


class Unfreeze(_Heal):
    """Let a service's processes continue, whoever stopped them."""

    action = "unfreeze"
    opposite = "freeze"

    def _will(self):
        return "running"

    def _stopped(self):
        return [process for process in self.service.processes() if process.state in ("T", "t")]

    def _needed(self):
        return bool(self._stopped())

    def _more(self):
        return ["send SIGCONT to %s" % _words(self._stopped())] if self._stopped() else []

    def inject(self, record):
        super().inject(record)
        self._wake()

    def _wake(self):
        for process in self._stopped():
            process.send(signal.SIGCONT)

    def prove(self, record):
        if not _proc.wait_until(lambda: not self._stopped(), _SETTLE):
            raise FaultlineError(
                "unfreeze of %s is not proven: %s still stopped." % (self.subject, _words(self._stopped())), code="unproven",
            )
        self.done = "running"
        return super().prove(record)


def _residue(step):
    return _steps.kind(step).residue(step)


class Plug(_Heal):
    """Give a service its ports back that we cut off."""

    action = "plug"
    opposite = "unplug"

    def _will(self):
        return "plugged in"

    def prove(self, record):
        left = [words for each in self.records for words in map(_residue, each["steps"]) if words]
        if left:
            raise FaultlineError("plug of %s is not proven: %s." % (self.subject, _words(left)), code="unproven")
        self.done = "plugged in"
        return super().prove(record)


ACTIONS = {fault.action: fault for fault in (Start, Terminate, Restart, Kill, Freeze, Unfreeze, Unplug, Plug)}


def make(action, service, ports=(), number=signal.SIGKILL, recovery_timeout=_module.RECOVERY_TIMEOUT, actions=None, duration=None):
    """The fault of an action word on a service. actions: action word -> class, where they are not those of a service."""
    actions = actions or dict(ACTIONS, **service.faults)
    if action not in actions:
        # only who needs them loads them
        from . import _unit_faults
        return _unit_faults.make(action, service, duration)
    options = {"recovery_timeout": recovery_timeout}
    if action == "unplug":
        options["ports"] = ports
    if action == "kill":
        options["number"] = number
    return actions[action](service, **options)
