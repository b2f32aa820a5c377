# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of power: what is done to a machine by its driver, and what the driver shows of it afterwards."""

from __future__ import annotations

import contextlib
import os

from . import _engine, _journal, _module, _power, _power_machines, _power_steps, _proc
from ._errors import FaultlineError

# seconds for one question to a driver
_ASK = 30


class PowerFault(_engine.Fault):
    """An action on the machine that a node is.

    node: {name, libvirt_name, mac, fqdn}; managers: [{driver, args}]; seconds: how long the machine may take to be as wanted.
    """

    kind = "power"
    needs_root = False
    why_not = "Leave duration out. Actions with an undo: poweroff, shutdown."
    # what it does to the controller itself makes it dangerous there
    harms = True
    undone_by = "os_power"
    done = ""

    def __init__(self, node, managers, seconds):
        self.node, self.managers, self.seconds = node, managers, seconds
        self.subject = node["name"]
        # a machine may obey late, and whoever keeps its fault's time is not to take it for one that is on and stays so
        self.takes, self.lingers = seconds + 4 * _ASK, seconds
        self.names = [str(node[name]) for name in ("libvirt_name", "mac", "fqdn") if node.get(name)]
        self.warnings = []

    def resolve(self):
        self.machine, self.warnings = _power_machines.find(self.managers, self.node, _ASK)
        self.state = self.machine.state(_ASK)
        self._look()

    def _look(self):
        """See whether this action fits the state."""

    def guard(self):
        if self.action not in self.machine.actions():
            raise FaultlineError(
                "The power driver %s has no %s." % (self.machine.driver.NAME, self.action), code="unsupported",
                hint="It has: %s." % ", ".join(self.machine.actions()),
            )
        if self.harms and self._is_this_machine():
            raise FaultlineError(
                "%s of %s is refused: that is the machine that this task runs on." % (self.action, self.subject), code="guarded",
                hint="Nothing was touched. Give another machine as watcher, if that is meant.",
            )

    def _is_this_machine(self):
        macs = {_power.mac_of(self.node.get("mac"))} | set(self.machine.data.get("macs") or ())
        uuid = str(self.machine.data.get("uuid") or "-").lower()
        return bool((macs - {""}) & _own_macs()) or _read("/sys/class/dmi/id/product_uuid").lower() == uuid

    def targets(self):
        told = {name: value for name, value in self.machine.data.items() if name in ("driver", "uri", "domain", "uuid", "address", "port", "url", "server")}
        return [dict(told, machine=self.machine.words, state_before=self.state)]

    def before(self):
        return "%s: %s\n" % (self.machine.words, self.state)

    def after(self):
        return self.done or self.action

    def expected(self):
        return "%s: %s\n" % (self.machine.words, self.will or self.action)

    # the state after it, in words
    will = ""

    def plan(self):
        return ["%s %s by %s" % (self.action, self.machine.words, self.machine.driver.NAME)]

    def ours(self, states=("armed", "injected", "residue")):
        """Open faults that switched this machine off, and are in one of these states."""
        names = [self.subject] + self.names
        return [r for action in ("poweroff", "shutdown") for r in _journal.open_faults(action, names) if r["state"] in states]

    def _shown(self, wanted):
        """The state read back; FaultlineError (unproven) unless it becomes the wanted one in time."""
        shown = self.machine.wait_state(wanted, self.seconds)
        if shown["state"] != wanted:
            raise FaultlineError(
                "%s of %s is not proven: after %g seconds %s is still %s." % (
                    self.action, self.subject, self.seconds, self.machine.words, shown["state"]),
                code="unproven", hint=self.unproven_hint,
            )
        return dict(shown, read_from=self.machine.words)

    unproven_hint = "The command was taken, and nothing came of it: look at the machine, or give state_timeout more seconds."


class PowerOff(PowerFault):
    """Take the power away; its undo gives it back."""

    action = "poweroff"
    operation = "off"
    will = "off"
    reversible = True

    def _look(self):
        if self.state == "off" and not self.ours():
            # it may just be on its way back from another fault of ours
            _proc.wait_until(lambda: not self.ours(states=("undoing",)), _ASK, pause=0.5)
            self.state = self.machine.state(_ASK)
        if self.state == "off" and not self.ours():
            raise FaultlineError(
                "%s is off already, and not by us; nothing was touched." % self.machine.words, code="already_off",
                hint="A fault that takes no effect proves nothing. Switch it on first: action=poweron.",
            )

    def guard(self):
        super().guard()
        if self.machine.data.get("transient"):
            raise FaultlineError(
                "%s of %s is refused: %s is transient, and would be gone once it is off." % (self.action, self.subject, self.machine.words),
                code="transient", hint="Nothing was touched. Define it first: virsh define.",
            )

    def steps(self, fault_id):
        return [_power_steps.PowerOn.make(self.machine)]

    def inject(self, record):
        if self.machine.state(_ASK) != "off":
            self.machine.ask(self.operation, seconds=_ASK)

    def prove(self, record):
        proof = self._shown("off")
        self.done = "off (%s)" % self.machine.words
        return proof


class Shutdown(PowerOff):
    """Ask the node to shut down; its undo switches it on."""

    action = "shutdown"
    operation = "shutdown"
    unproven_hint = "The node may have no ACPI daemon, or take longer: see state_timeout. It may still shut down later."


class Restart(PowerFault):
    """reset: at once, as by its button. Where the driver shows no restart, the node's own boot has to prove it (the action plugin)."""

    action = "reset"
    will = "on, restarted"

    def _look(self):
        if self.state != "on":
            raise FaultlineError(
                "%s is %s; %s needs a machine that is on." % (self.machine.words, self.state, self.action), code="not_on",
                hint="Nothing was touched. Switch it on first: action=poweron.",
            )

    def inject(self, record):
        self.seen = self._restart()

    def _restart(self):
        return self.machine.restart(self.action, self.seconds)

    def prove(self, record):
        proof = dict({"restart_seen_by": None}, **self.seen)
        proof.update(self._shown("on"))
        self.done = "restarted (%s)" % self.machine.words
        return proof


class Reboot(Restart):
    """reboot: the node is asked. A driver that has no such request shuts it down and switches it on."""

    action = "reboot"

    def _restart(self):
        if self.machine.has("reboot"):
            with contextlib.suppress(_Unsupported):
                return self._asked()
        self.machine.ask("shutdown", seconds=_ASK)
        self._shown("off")
        self.machine.ask("on", seconds=_ASK)
        return {"restart_seen_by": "the power state, off and on again"}

    def _asked(self):
        try:
            return self.machine.restart("reboot", self.seconds)
        except FaultlineError as exc:
            if exc.code == "unsupported":
                raise _Unsupported() from exc
            raise


class _Unsupported(Exception):
    """This machine's BMC does not offer it."""


class _Heal(PowerFault):
    """Undo our own faults on the machine now."""

    harms = False
    will = "on"

    def resolve(self):
        self.records = self.ours()
        super().resolve()
        self.changes = bool(self.records) or self._needed()

    def _needed(self):
        return False

    def plan(self):
        return ["undo %s" % record["id"] for record in self.records]

    def after(self):
        return self.done or "nothing to undo"

    def inject(self, record):
        _engine.undo_now(self.records)

    def prove(self, record):
        return dict(self._shown("on"), undone=[other["id"] for other in self.records])


class PowerOn(_Heal):
    """Switch it on, whoever switched it off."""

    action = "poweron"

    def _needed(self):
        return self.state != "on"

    def plan(self):
        return super().plan() + (["switch on %s" % self.machine.words] if self.state != "on" else [])

    def after(self):
        return self.done or ("on already" if not self.changes else "on")

    def inject(self, record):
        super().inject(record)
        if self.machine.state(_ASK) != "on":
            self.machine.ask("on", seconds=_ASK)

    def prove(self, record):
        proof = super().prove(record)
        self.done = "on (%s)" % self.machine.words
        return proof


class Undo(_Heal):
    """Undo our faults on this machine; a machine that others switched off stays off."""

    action = "undo"

    def resolve(self):
        # a heal goes through all hosts: a BMC is asked only where something is open
        if self.ours():
            super().resolve()
        else:
            self.records, self.changes = [], False

    def guard(self):
        """Every driver that switched off can switch on."""

    def targets(self):
        return super().targets() if self.records else []

    def before(self):
        return super().before() if self.records else ""

    def prove(self, record):
        proof = super().prove(record)
        self.done = "undid %s" % ", ".join(proof["undone"])
        return proof


class Snapshot(PowerFault):
    """Keep the machine as it is now, memory too, under a name."""

    action = "snapshot"
    harms = False

    def __init__(self, node, managers, seconds, name):
        super().__init__(node, managers, seconds)
        self.snapshot = name
        self.will = "as it is, kept as snapshot %s" % name if self.action == "snapshot" else "as it was at snapshot %s" % name

    def _ask(self):
        self.machine.ask(self.action, self.snapshot, seconds=self.seconds)

    def inject(self, record):
        self._ask()

    def prove(self, record):
        name, state = self.machine.ask("current_snapshot", seconds=_ASK)
        if name != self.snapshot:
            raise FaultlineError(
                "%s of %s is not proven: its current snapshot is %s." % (self.action, self.subject, name or "none"), code="unproven",
                hint=self.unproven_hint,
            )
        return self._proven(name, state)

    def _proven(self, name, state):
        self.done = "kept as snapshot %s (%s)" % (name, state)
        return {"snapshot": name, "state": state, "read_from": self.machine.words}


class Revert(Snapshot):
    """Make the machine again what it was at a snapshot."""

    action = "revert"
    harms = True

    def _proven(self, name, state):
        proof = self._shown(state)
        self.done = "as it was at snapshot %s (%s)" % (name, state)
        return dict(proof, snapshot=name)


_ACTIONS = {cls.action: cls for cls in (PowerOff, PowerOn, Restart, Shutdown, Reboot, Undo)}
ACTIONS = ("poweroff", "poweron", "reset", "shutdown", "reboot", "snapshot", "revert", "undo")


def arguments():
    """The argument_spec of os_power."""
    return {
        "action": {"type": "str", "required": True, "choices": list(ACTIONS)},
        "power": {"type": "list", "elements": "dict", "no_log": True, "default": []},
        "node": {"type": "str"},
        "libvirt_name": {"type": "str"},
        "mac": {"type": "str"},
        "fqdn": {"type": "str"},
        **_module.TIMES,
        "snapshot": {"type": "str", "default": "faultline"},
        "stagger": {"type": "float", "default": 0},
        "state_timeout": {"type": "float", "default": 60},
        "recovery_timeout": {"type": "float", "default": 300},
        "watcher": {"type": "str"},
    }


def node_of(params):
    """The node that a task's options name."""
    node = {name: params[name] for name in ("libvirt_name", "mac", "fqdn")}
    node["name"] = params["node"] or params["fqdn"] or params["libvirt_name"] or params["mac"]
    if not node["name"]:
        raise FaultlineError("Nothing says which node is meant.", code="bad_option", hint="Give node, or libvirt_name, mac or fqdn.")
    return node


def secrets(value, secret=False):
    """The texts in a power option that are secret."""
    if isinstance(value, dict):
        return {each for name, item in value.items() for each in secrets(item, secret or str(name).lower() in _SECRET)}
    if isinstance(value, (list, tuple)):
        return {each for item in value for each in secrets(item, secret)}
    return {str(value)} if secret and value not in (None, "") else set()


_SECRET = ("password", "application_credential_secret", "token", "secret", "passcode", "access_token")


def hide_only_secrets(module):
    """Let results name drivers, addresses and users: of all that stands in the option power only passwords are hidden."""
    hidden = secrets(module.params["power"])
    module.no_log_values.clear()
    module.no_log_values.update(hidden)


def make(action, node, managers, seconds, snapshot):
    """The fault of an action."""
    if action in ("snapshot", "revert"):
        return {"snapshot": Snapshot, "revert": Revert}[action](node, managers, seconds, snapshot)
    return _ACTIONS[action](node, managers, seconds)


def _own_macs():
    """The MAC addresses of the machine that we run on; those of bridges and of container networks prove nothing and are left out."""
    found = set()
    for name in os.listdir("/sys/class/net"):
        if os.path.exists("/sys/class/net/%s/device" % name):
            found.add(_read("/sys/class/net/%s/address" % name))
    return found - {"", "00:00:00:00:00:00"}


def _read(path):
    try:
        with open(path) as stream:
            return stream.read().strip()
    except OSError:
        return ""


def info(params, warn):
    """The result of os_power_info."""
    node = node_of(params)
    fault = PowerFault(node, params["power"], _ASK)
    machine, troubles = _power_machines.find(params["power"], node, _ASK)
    for trouble in troubles:
        warn(trouble)
    state = machine.state(_ASK)
    return {
        "changed": False, "msg": "%s: %s is %s" % (node["name"], machine.words, state), "driver": machine.driver.NAME, "machine": machine.words,
        "state": state, "actions": list(machine.actions()), "facts": machine.ask("facts", seconds=_ASK),
        "open": [record["id"] for record in fault.ours()],
    }
