# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of services whose processes go, and are replaced: kill, restart."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

from . import _doors, _proc, _reach
from ._errors import FaultlineError
from ._service_base import SETTLE, ServiceFault
from ._service_driver import named

# seconds that a process may take to die of a signal that it can ignore
_IGNORED = 30
# seconds between two looks whether what was hit serves again
_LOOK = 0.05


class _Hit(ServiceFault):
    """kill and restart: processes go, and others take their place."""

    def resolve(self):
        super().resolve()
        self.payload = self._payload()
        self.doors = self._all_ways(_doors.of_processes(self.processes + self.payload))
        self.ports = {(door.protocol, door.port) for door in self.doors if door.protocol == "tcp"}
        # systemd goes on to listen for a service that it starts when somebody asks
        self.kept = _doors.kept_by_systemd(self.processes)
        self.started = time.monotonic()

    def _payload(self):
        """What it only watches, and what has to serve again with it."""
        return []

    def _all_ways(self, doors):
        """These doors, each with all endpoints at which others find it."""
        return doors

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
        found = self._serving()
        # systemd is asked last: it is the dearest of all
        return found is not None and (self._seen_up or self.service.back(self.processes, found))

    def _serving(self):
        """All processes of the service, once who is new of them has all of its ports and answers there as it was answered before; None until then."""
        found = self.service.processes()
        new = [process for process in found if process not in self.processes]
        watched = [process for process in self._payload() if process not in self.payload] if self.payload else []
        sockets = _proc.served(_proc.listening(new + watched))
        heard = {(entry.protocol, entry.port) for entry in sockets}
        if not self.ports <= heard | self.kept:
            self._forget()
            return None
        if self.ports and self.listening_after is None:
            self.listening_after = self._since()
        if self.wanted and not self._answering(sockets):
            return None
        # of what had no process nobody knows one
        return found if (new or not self.processes) and self.ports <= heard else None

    def _forget(self):
        """Who served for a moment only was not back."""
        self.listening_after = self.answering_after = None
        if self.awaited is not None:
            self.awaited.close()
            self.awaited = None

    def inject(self, record):
        self.started = time.monotonic()
        self._watch()
        try:
            self._hit()
        except BaseException:
            self._end_watch()
            raise

    def _hit(self):
        """Do it."""
        raise NotImplementedError

    def _ended(self):
        """Who is gone once it is done."""
        return self.processes

    def _watch(self):
        """See when it serves again while others are at it, as who restarts it, or the journal: they may be later than its clients."""
        over, old = threading.Event(), self._ended()

        def look():
            # what cannot be seen now is seen afterwards; the old ones answer until they are gone
            with contextlib.suppress(FaultlineError, OSError):
                while not over.wait(_LOOK) and (any(process.alive for process in old) or self._serving() is None):
                    pass

        watcher = threading.Thread(target=look, daemon=True)
        self.watch = over, watcher
        watcher.start()

    def _end_watch(self):
        over, watcher = self.watch
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
            doors = self._all_ways([door for process, some in _doors.grouped(sockets) for door in _doors.of(some, process)])
            now = [endpoint for door in doors for endpoint in door.endpoints]
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
        self._end_watch()
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
            return ", not listening on %s" % named(silent)
        mute = sorted(map(str, self.awaited.silent())) if self.awaited is not None else []
        return ", listening, but not answering at %s as before" % named(mute) if mute else ""


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
        return "%s killed by %s" % (named(self.processes), signal.Signals(self.number).name)

    def plan(self):
        return ["send %s to %s" % (signal.Signals(self.number).name, named(self.processes))] + ([self.returns[1]] if self.returns[1] else [])

    def _hit(self):
        for process in self.processes:
            process.send(self.number)

    @property
    def _patience(self):
        return SETTLE if self.number == signal.SIGKILL else _IGNORED

    def prove(self, record):
        self._gone(self.processes, self._patience)
        self.done = "%s killed (%s)" % (named(self.processes), signal.Signals(self.number).name)
        return {"signal": signal.Signals(self.number).name, "gone": [process.as_dict() for process in self.processes]}


class Restart(_Hit):
    """Restart a service; one that is down is started."""

    action = "restart"

    def _will(self):
        return "restarted, %s gone" % (named(self.processes) or "no process")

    def plan(self):
        return ["restart %s (%s)" % (self.subject, named(self.processes) or "no process")]

    def _payload(self):
        return self.service.payload()

    def _hit(self):
        self.service.restart()

    def _ended(self):
        return self.service.ended_by_stop(self.processes) + self.payload

    def prove(self, record):
        self._gone(self._ended())
        if not _proc.wait_until(lambda: self.service.up, SETTLE):
            raise FaultlineError(
                "restart of %s is not proven: %s." % (self.subject, self.service.describe()), code="unproven",
                hint="See the service's own log.",
            )
        self._seen_up = True
        self.done = "restarted"
        return {"gone": [process.as_dict() for process in self.processes + self.payload if not process.alive]}
