# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service is on this host: the drivers system_service, process and linux_service."""

from __future__ import annotations

import signal
import time

from . import _proc, _service_steps, _systemd
from ._errors import FaultlineError
from ._exec import which

# seconds that the start and the stop of a service may take which no unit runs, where its definition does not say: DevStack allows as long for a stop
START_TIMEOUT = STOP_TIMEOUT = 300


class Service:
    """A service on this host, by one of the drivers below.

    name: its name in the cloud model; definition: {unit, grep, port, start_cmd, terminate_cmd, restart_cmd, start_timeout, stop_timeout}.
    """

    def __init__(self, name, definition):
        self.name = name
        self.definition = definition

    @property
    def names(self):
        """All words by which a fault on this service can be found again."""
        return (self.name,)

    def find(self):
        """Look the service up; FaultlineError (not_found) when this host does not have it."""
        raise NotImplementedError

    def look_again(self):
        """Forget what was known of its state."""

    def processes(self):
        """Its live processes, children too."""
        raise NotImplementedError

    @property
    def up(self):
        return bool(self.processes())

    @property
    def settled(self):
        """Whether nobody needs to start it."""
        return self.up

    def describe(self):
        """Its state, in words."""
        found = self.processes()
        return "%s: %s" % (self.name, ", ".join("%s (%s)" % (process, process.state) for process in found) or "no process")

    def foreseen(self, state):
        """describe() of another state, without its processes."""
        return "%s: %s" % (self.name, state)

    def target(self):
        """What is hit, for the result."""
        return {"service": self.name, "processes": [process.as_dict() for process in self.processes()]}

    def comes_back_from(self, number):
        """Whether something is known to restart it after its processes died of this signal; None: not known."""
        return None

    # seconds that its stop may take
    stop_timeout = _systemd.STOP_TIMEOUT
    can_start = True
    # classes of faults for actions that are done in a way of its own
    faults = {}

    def start_steps(self):
        """The undo of a stop."""
        raise NotImplementedError

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def restart(self):
        raise NotImplementedError

    def _missing(self, what):
        return FaultlineError(
            "%s was not found on this host: %s." % (self.name, what), code="not_found", hint="Nothing was touched.",
            details={"service": self.name},
        )

    def _lacks(self, option, action):
        return FaultlineError(
            "%s cannot be %s: its definition has no %s." % (self.name, action, option), code="no_command",
            hint="Add %s to the service in the configuration file, or give it as an option." % option,
        )


class SystemService(Service):
    """Driver system_service: units of systemd; processes from their control groups."""

    def __init__(self, name, definition):
        super().__init__(name, definition)
        self.candidates = definition.get("unit") or [name]
        self.units = []

    @property
    def names(self):
        return (self.name,) + tuple(unit.name for unit in self.units)

    def find(self):
        if not _systemd.booted():
            raise FaultlineError(
                "This host is not run by systemd, so %s cannot be a system_service here." % self.name, code="no_systemd",
                hint="Use the driver process (with grep) or linux_service.",
            )
        shown = _systemd.show(self.candidates)
        wrong = [unit.wrong for unit in shown if unit.wrong]
        # one that is masked, maybe by us, is here as well
        self.units = _systemd.choose(shown) or [unit for unit in shown if unit.masked][:1]
        if not self.units and wrong:
            raise FaultlineError(
                "%s cannot be found on this host: %s." % (self.name, "; ".join(wrong)), code="bad_unit",
                hint="Nothing was touched. Mend the name of the unit in the definition of the service.", details={"service": self.name},
            )
        if not self.units:
            raise self._missing("no unit " + " or ".join(_systemd.unit_name(unit) for unit in self.candidates))

    def processes(self):
        found = set()
        for unit in self.units:
            found.update(unit.processes())
        return sorted(found, key=lambda process: process.pid)

    def look_again(self):
        """Ask systemd for the units' present state."""
        self.units = _systemd.show([unit.name for unit in self.units])

    @property
    def up(self):
        self.look_again()
        return all(unit.active for unit in self.units)

    def describe(self):
        words = []
        for unit in self.units:
            inside = ", ".join("%s (%s)" % (process, process.state) for process in unit.processes())
            words.append("%s: %s (%s)%s" % (unit.name, unit.state, unit.substate, ", " + inside if inside else ""))
        return "; ".join(words)

    def foreseen(self, state):
        return "; ".join("%s: %s" % (unit.name, state) for unit in self.units)

    @property
    def stop_timeout(self):
        # what would start it again is stopped as well
        return _systemd.stop_timeout([name for unit in self.units for name in unit.triggers] + [unit.name for unit in self.units])

    def target(self):
        return dict(super().target(), units=[unit.name for unit in self.units])

    def comes_back_from(self, number):
        return all(unit.comes_back_from(number) for unit in self.units)

    def start_steps(self):
        names = [unit.name for unit in self.units if unit.up]
        names += [name for name in _systemd.stopped_together(self.units) if name not in names]
        # a socket cannot be started any more once its service is up
        names.sort(key=lambda name: name.endswith(".service"))
        return [_service_steps.StartUnit.make(name) for name in names]

    def start(self):
        _systemd.start([unit.name for unit in self.units])

    def stop(self):
        # what would start the unit again goes first
        _systemd.stop([name for unit in self.units for name in unit.triggers] + [unit.name for unit in self.units])

    def restart(self):
        _systemd.restart([unit.name for unit in self.units])


class ProcessService(Service):
    """Driver process: processes by a regular expression on their command line; start, stop and restart by given commands."""

    def __init__(self, name, definition):
        super().__init__(name, definition)
        self.grep = definition.get("grep")

    def find(self):
        if not self.grep:
            raise FaultlineError(
                "%s has the driver process but no grep." % self.name, code="no_pattern",
                hint="Give grep: a regular expression that its command line matches.",
            )
        if not self.processes() and not self.can_start:
            raise self._missing("no process matches '%s'" % self.grep)

    def processes(self):
        return _proc.matching(self.grep)

    @property
    def can_start(self):
        return bool(self.definition.get("start_cmd"))

    def _command(self, option):
        # the configuration file's own shell command line, as os-faults runs it; no name is put into it
        return ["/bin/sh", "-c", self.definition[option]]

    @property
    def stop_timeout(self):
        return self.definition.get("stop_timeout") or STOP_TIMEOUT

    @property
    def start_timeout(self):
        return self.definition.get("start_timeout") or START_TIMEOUT

    # whether its stop is a SIGTERM of ours
    @property
    def _by_signal(self):
        return not self.definition.get("terminate_cmd")

    def start_steps(self):
        return [_service_steps.Run.make(
            self._command("start_cmd"), self.grep, "down:process:" + self.name, self.processes(), self.start_timeout, self._by_signal)]

    def start(self):
        if not self.can_start:
            raise self._lacks("start_cmd", "started")
        _service_steps.launch(self._command("start_cmd"), self.start_timeout)

    def stop(self):
        """Tell it to stop, and wait until it has; FaultlineError (unproven) when it has not within its time."""
        meant = self.processes()
        if not meant:
            # another fault has stopped it already
            return
        end = time.monotonic() + self.stop_timeout
        if self._by_signal:
            for process in meant:
                process.send(signal.SIGTERM)
        else:
            _service_steps.launch(self._command("terminate_cmd"), self.stop_timeout)
        left = []

        def none_left():
            left[:] = [process for process in meant if process.alive]
            return not left

        if not _proc.wait_until(none_left, max(0, end - time.monotonic()), pause=0.05):
            words = ", ".join(map(str, left))
            raise FaultlineError(
                "The stop of %s is not proven: %s was told to stop by %s and is still there after %g seconds (stop_timeout)." % (
                    self.name, words, "SIGTERM" if self._by_signal else "terminate_cmd", self.stop_timeout),
                code="unproven", hint="It may only be slow, and go later: give it a longer stop_timeout.",
                details={"left": [process.as_dict() for process in left]},
            )

    def restart(self):
        if self.definition.get("restart_cmd"):
            _service_steps.launch(self._command("restart_cmd"), self.stop_timeout + self.start_timeout)
            return
        if not self.can_start:
            raise self._lacks("restart_cmd", "restarted")
        try:
            self.stop()
        except FaultlineError as exc:
            if exc.code == "unproven":
                exc.message += " Nothing starts it again when it goes: a restart has no undo."
            raise
        self.start()


class SysvService(ProcessService):
    """Driver linux_service where no systemd runs: the service command, processes by a regular expression."""

    def __init__(self, name, definition):
        super().__init__(name, definition)
        self.script = (definition.get("unit") or [name])[0]
        self.grep = self.grep or "(^|/)%s( |$)" % self.script

    def find(self):
        if not which("service"):
            raise FaultlineError("This host has neither systemd nor the service command.", code="no_service_manager")
        super().find()

    can_start = True

    def _command(self, option):
        return ["service", self.script, {"start_cmd": "start", "terminate_cmd": "stop", "restart_cmd": "restart"}[option]]

    _by_signal = False

    def restart(self):
        _service_steps.launch(self._command("restart_cmd"), self.stop_timeout + self.start_timeout)


def service(name, driver, definition):
    """The Service of a definition, found on this host; FaultlineError when it is not here. Where no unit of a system_service
    exists, its grep still finds what runs."""
    if driver == "linux_service":
        driver = "system_service" if _systemd.booted() else "sysv"
    if driver in ("pcs_service", "pcs_or_linux_service", "salt_service"):
        # only who uses a cluster manager carries its steps
        from . import _clustered
        return _clustered.service(name, driver, definition)
    found = {"system_service": SystemService, "process": ProcessService, "sysv": SysvService}[driver](name, definition)
    try:
        found.find()
    except FaultlineError as exc:
        if driver != "system_service" or exc.code != "not_found" or not definition.get("grep"):
            raise
        found = ProcessService(name, definition)
        if not found.processes():
            raise
        _hand_over(found)
    return found


def _hand_over(service):
    """Fail (in_container) for a service that a container runs: the action plugin then calls the module for containers."""
    ids = {_proc.container(process.pid) for process in service.processes()}
    if len(ids) == 1 and "" not in ids:
        raise FaultlineError(
            "%s runs in the container %s and is no unit of this host." % (service.name, min(ids)[:12]), code="in_container",
            hint="Nothing was touched. Use os_container_fault.", details={"service": service.name, "container": min(ids)},
        )
