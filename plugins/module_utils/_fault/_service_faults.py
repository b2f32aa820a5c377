# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of services: start, terminate, restart, kill, freeze, unfreeze, unplug, plug."""

from __future__ import annotations

import signal
import time

from . import _journal, _nft, _proc, _reach, _service_steps, _steps
from ._engine import Fault, undo_now
from ._errors import FaultlineError

# seconds that a process may take to die, stop or leave before the fault counts as unproven; it catches only a hang, but where a process
# can ignore a signal
_SETTLE = 300
_IGNORED = 30
# seconds for which a port has to stay silent
_SILENCE = 0.4
# which packets are dropped, in words
_PACKETS = {"both": "to and from", "ingress": "to", "egress": "from"}
_PROTECTED_UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")


def _words(things):
    return ", ".join(str(thing) for thing in things)


class ServiceFault(Fault):
    """What all faults of a service share. service: a _services.Service; recovery_timeout: seconds, for faults without undo."""

    kind = "service"

    def __init__(self, service, recovery_timeout=30):
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
        self.heard = _proc.listening(self.processes)
        self.ports = {(s.protocol, s.port) for s in self.heard if s.protocol == "tcp"}
        self.started = time.monotonic()

    def _listening(self):
        """(protocol, port) of every listening socket where the service's ports are."""
        return _proc.listening_ports()

    # whether the proof has just asked systemd that it is up
    _seen_up = False

    def _back(self):
        # systemd is asked last: it is the dearest of the three
        new = any(process not in self.processes for process in self.service.processes())
        return new and self.ports <= self._listening() and (self._seen_up or self.service.back(self.processes))

    # whether it comes back by itself, None where that is not known; who restarts it, or why nobody does
    returns = True, ""

    def recover(self, wait):
        expected, who = self.returns
        patience = self.recovery_timeout if wait and expected is not False else 0
        if patience and self.service.woken_by_connection:
            # as its next client would
            _reach.ask(_reach.endpoints(self.heard, sorted(self.ports)), _SILENCE)
        back = bool(_proc.wait_until(self._back, patience, pause=0.05))
        after = round(time.monotonic() - self.started, 3)
        new = [process for process in self.service.processes() if process not in self.processes]
        why = ""
        if not back and expected is False:
            why = who
        elif not back and wait:
            self.service.look_again()
            silent = sorted("%s %d" % port for port in self.ports - self._listening())
            why = self.service.describe() + (", not listening on %s" % _words(silent) if new and silent else "")
            why += "; " + who if who else ""
        return {
            "expected": expected, "restarted_by": who if expected is not False else "", "back": back,
            "after": after if back else None, "waited": patience, "why": why,
            "processes": [process.as_dict() for process in new], "ports": sorted("%s %d" % port for port in self.ports),
        }


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

    def resolve(self):
        super().resolve()
        self.payload = self.service.payload()
        # what it only watches has to serve again
        self.ports |= {(s.protocol, s.port) for s in _proc.listening(self.payload) if s.protocol == "tcp"}

    def inject(self, record):
        self.started = time.monotonic()
        self.service.restart()

    def prove(self, record):
        self._gone(self.service.ended_by_stop(self.processes) + self.payload)
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
        for step in self._down_by_us() + (self.service.start_steps() if self.service.up else []):
            found[step["claim"]] = step
        return list(found.values())

    def inject(self, record):
        # on disk before anybody hears of it: who was told to stop never counts as started again
        if _service_steps.Run.told(record["steps"]):
            _journal.extend(record, [])
        try:
            self.service.stop()
        except FaultlineError as exc:
            if exc.code in ("program_failed", "missing_program") and _service_steps.Run.refused(record["steps"]):
                _journal.extend(record, [])
            raise

    def prove(self, record):
        self._gone(self.service.ended_by_stop(self.processes) + self.payload)
        if self.service.processes() or self.service.up:
            raise FaultlineError(
                "terminate of %s is not proven: it is up again (%s)." % (self.subject, self.service.describe()), code="unproven",
                hint="Something starts it again; find out what: a cluster manager, a timer?",
            )
        stay = [process for process in self.processes if process.alive]
        self.done = "stopped" + (", %s still there: its own stop leaves them to themselves" % _words(stay) if stay else "")
        return {"gone": [process.as_dict() for process in self.processes + self.payload if process not in stay], "state": self.service.describe()}


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
        self.done = "frozen: %s in state T" % _words(stopped)
        return {"stopped": [process.as_dict() for process in stopped]}


class Unplug(ServiceFault):
    """Cut a service's ports off, both ways or one, established connections too. ports: (protocol, number, way), or none for those it listens on."""

    action = "unplug"
    reversible = True
    # what runs a program in the network namespace where the ports are, if that is not this host's
    inside = ()

    def __init__(self, service, ports=(), **options):
        super().__init__(service, **options)
        self.given = list(ports)

    def resolve(self):
        super().resolve()
        self._locate()
        self.sockets = _proc.listening(self.processes)
        heard = sorted({(s.protocol, s.port) for s in self.sockets if s.protocol == "tcp" or s.port < _ephemeral()})
        self.ways = self.given or [(protocol, number, "both") for protocol, number in heard]
        self.ports = list(dict.fromkeys((protocol, number) for protocol, number, _way in self.ways))
        if not self.ports:
            why = "its sockets cannot be seen without CAP_SYS_PTRACE" if _proc.hidden(self.processes) else "it listens on no port of this host"
            raise FaultlineError(
                "unplug of %s needs a port: %s, and none is given." % (self.subject, why), code="no_port",
                hint="Nothing was touched. Give port, as [tcp, 5000].",
            )
        _nft.require()
        self.pairs = _reach.endpoints(self.sockets, self.ports)
        self.doors = [(protocol, number, way, address) for protocol, number, way in self.ways for address in self._addresses(protocol, number)]

    def _locate(self):
        """Find out where the ports are: on this host."""

    def _addresses(self, protocol, number):
        """Where the service itself listens: a load balancer may have the same port at another address of this host."""
        heard = {s.address for s in self.sockets if (s.protocol, s.port) == (protocol, number)}
        return sorted(heard) if heard and not heard & {"0.0.0.0", "::"} else [None]

    def guard(self):
        super().guard()
        self._guard_ports()

    def _guard_ports(self):
        ssh = {s.port for s in _proc.listening(self._carriers())}
        for _protocol, number in self.ports:
            if number in ssh:
                raise FaultlineError(
                    "unplug of %s is refused: port %d is sshd's, the way in for Ansible." % (self.subject, number), code="guarded",
                    hint="Nothing was touched.",
                )

    def _carriers(self):
        """The processes whose ports are the way in for Ansible."""
        return [process for process in map(_proc.lookup, _proc.every()) if process and process.comm == "sshd"]

    def targets(self):
        return [dict(self.service.target(), ports=self._named())]

    def _named(self):
        """The ports in words, with the way where it is one alone."""
        return ["%s %d%s" % (protocol, number, "" if way == "both" else " " + way) for protocol, number, way in self.ways]

    def expected(self):
        # the service itself runs on
        return self._before + "; %s cut off" % _words(self._named())

    def plan(self):
        meant = {way: _words("%s %d" % way_of[:2] for way_of in self.ways if way_of[2] == way) for way in _PACKETS}
        return ["drop all packets %s %s" % (_PACKETS[way], meant[way]) for way in sorted(meant) if meant[way]]

    def steps(self, fault_id):
        return [_service_steps.DeleteTable.make(_nft.table_name(fault_id))]

    def inject(self, record):
        self.answers_before = self._ask()
        _nft.cut_ports(_nft.table_name(record["id"]), self.doors, self.inside)

    def _ask(self):
        return _reach.ask(self.pairs, _SILENCE)

    def _knock(self):
        _reach.knock(self.doors)

    def prove(self, record):
        table = _nft.table_name(record["id"])
        answers = self._ask()
        self._knock()
        heard = sorted(name for name, answer in answers.items() if answer != "no answer")
        dropped = _nft.dropped(table, self.inside)
        # another fault's table may have dropped the packets before ours saw them
        shared = [r["id"] for r in self._ours("unplug") if r["id"] != record["id"]]
        if heard or not (dropped or shared):
            raise FaultlineError(
                "unplug of %s is not proven: %s." % (
                    self.subject, "it still answers at " + _words(heard) if heard else "our rules have not met a packet"),
                code="unproven", hint="Look at: nft list table inet %s" % table,
            )
        self.done = "%s cut off" % _words(self._named())
        return {
            "table": table, "dropped_packets": dropped, "answers_before": self.answers_before, "answers": answers,
            "shared_with": shared,
        }


def _ephemeral():
    """The first port that the kernel gives to clients; UDP sockets from there on are no service's."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as stream:
        return int(stream.read().split()[0])


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


def make(action, service, ports=(), number=signal.SIGKILL, recovery_timeout=30, actions=None, duration=None):
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
