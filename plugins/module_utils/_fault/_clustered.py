# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service is where a cluster manager runs it: the drivers pcs_service and salt_service."""

from __future__ import annotations

from . import _pacemaker, _proc, _service_faults, _service_processes, _services, _steps, _systemd
from ._errors import FaultlineError
from ._exec import run, which

_TIMEOUT = 300


class KeepOff(_service_faults.Terminate):
    """Keep a resource off this node by a constraint of our own."""

    reversible = True

    def guard(self):
        super().guard()
        self.service.obeyed()

    def _will(self):
        return "kept off %s by Pacemaker" % self.service.node

    def plan(self):
        return ["constrain %s to run anywhere but on %s" % (self.service.resource, self.service.node)]

    def steps(self, fault_id):
        # each fault has a constraint of its own: they may go in any order
        return self.service.start_steps(fault_id)

    def inject(self, record):
        _steps.do(record["steps"])
        self.service.left()

    def prove(self, record):
        proof = super().prove(record)
        self.done = "kept off %s by Pacemaker" % self.service.node
        return dict(proof, constraint=record["steps"][0]["constraint"])


class PacemakerService(_service_processes.ProcessService):
    """Driver pcs_service: a resource of Pacemaker, on this node; processes by a regular expression."""

    def __init__(self, name, definition):
        super().__init__(name, definition)
        self.resource = definition.get("pcs_service") or name
        self.node = ""

    @property
    def names(self):
        return (self.name, self.resource)

    def find(self):
        self.node = _pacemaker.here()
        if not self.node:
            raise FaultlineError(
                "Pacemaker does not run on this host, so %s cannot be a pcs_service here." % self.name, code="no_pacemaker",
                hint="Start it, or use the driver pcs_or_linux_service. Nothing was touched.",
            )
        tree = _pacemaker.status()
        if _pacemaker.resource(self.resource, tree) is None:
            raise self._missing("Pacemaker has no resource %s; it has: %s" % (self.resource, ", ".join(_pacemaker.names(tree)) or "none"))

    def _now(self):
        return _pacemaker.resource(self.resource) or _pacemaker.Resource(self.resource, False)

    @property
    def up(self):
        return self.node in self._now().roles

    def back(self, old, found):
        return self.up

    @property
    def settled(self):
        """Whether it runs where the cluster wants it: here, or, of what runs in one place only, elsewhere."""
        now = self._now()
        return bool(now.roles) if not now.cloned else self.node in now.roles

    def processes(self):
        return _proc.matching(self.grep) if self.grep else []

    def describe(self):
        return self._now().describe()

    def target(self):
        return dict(super().target(), resource=self.resource, node=self.node)

    can_start = True
    faults = {"terminate": KeepOff}

    def start_steps(self, fault_id=None):
        return [_pacemaker.Allow.make(fault_id, self.resource, self.node, self._now().cloned)]

    def obeyed(self):
        """Fail when Pacemaker would not do what a constraint says."""
        tree = _pacemaker.status()
        why = ""
        if not _pacemaker.resource(self.resource, tree).managed:
            why = "%s is not managed (maintenance?)" % self.resource
        elif not _pacemaker.quorate(tree):
            why = "the cluster has no quorum"
        if why:
            raise FaultlineError(
                "Pacemaker would not obey: %s." % why, code="not_managed", hint="Nothing was touched. Use kill, freeze or unplug.")

    def left(self):
        """Wait until it has left this node, once it is kept off."""
        return _proc.wait_until(lambda: not self.up and not self.processes(), _TIMEOUT, pause=0.5)

    def start(self):
        # what we kept off is undone already; what somebody else has stopped is told
        if not _proc.wait_until(lambda: self.settled, _TIMEOUT, pause=0.5):
            raise FaultlineError(
                "%s is not started by Pacemaker: %s." % (self.resource, self.describe()), code="not_started",
                hint="Look for what keeps it off: pcs constraint location, pcs resource config %s." % self.resource,
            )

    def restart(self):
        argv = ["crm_resource", "--restart", "--resource=" + self.resource]
        if self._now().cloned:
            argv.append("--node=" + self.node)
        run(argv, timeout=_TIMEOUT)


class SaltService(_service_processes.ProcessService):
    """Driver salt_service: Salt's module `service` on this minion; processes by a regular expression."""

    def __init__(self, name, definition):
        super().__init__(name, definition)
        self.salt_name = definition.get("salt_service") or name
        self.grep = self.grep or "(^|/)%s( |$)" % self.salt_name

    can_start = True

    def _command(self, option):
        # --local: what the minion does by itself, as os-faults has it do; no master is asked
        function = {"start_cmd": "start", "terminate_cmd": "stop", "restart_cmd": "restart"}[option]
        return [self._salt_call(), "--local", "--retcode-passthrough", "service.%s" % function, self.salt_name]

    @staticmethod
    def _salt_call():
        # Salt's own packages link it there; pip puts it beside its Python
        for path in (which("salt-call"), "/opt/saltstack/salt/salt-call", "/opt/salt/bin/salt-call"):
            if path and which(path):
                return path
        raise FaultlineError("salt-call is not installed on this host.", code="missing_program", hint="Is it a minion? Use the driver system_service.")

    def find(self):
        call = [self._salt_call(), "--local", "--retcode-passthrough", "--out=newline_values_only", "service.available", self.salt_name]
        if run(call, check=False).out.strip() != "True":
            raise self._missing("Salt knows no service %s" % self.salt_name)

    _by_signal = False

    def restart(self):
        _systemd.launch(self._command("restart_cmd"), self.stop_timeout + self.start_timeout)


def service(name, driver, definition):
    """The Service of a definition that a cluster manager runs, found on this host; FaultlineError when it is not here."""
    if driver == "pcs_or_linux_service":
        found = PacemakerService(name, definition)
        if not _pacemaker.here() or _pacemaker.resource(found.resource) is None:
            return _services.service(name, "linux_service", definition)
    else:
        found = {"pcs_service": PacemakerService, "salt_service": SaltService}[driver](name, definition)
    found.find()
    return found
