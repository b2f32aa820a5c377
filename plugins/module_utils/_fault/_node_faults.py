# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of a whole node by their action words; here those of its boot, its clock and its processes."""

from __future__ import annotations

import os

from . import (
    _journal,
    _module,
    _node_base,
    _node_clock,
    _node_host,
    _node_load,
    _node_room,
    _service_faults,
    _service_steps,
    _services,
    _steps,
    _systemd,
)
from ._errors import FaultlineError

STRESS_SECONDS = 10


class _Down(_node_base.NodeFault):
    """reboot and crash: this boot ends. Whoever called the module sees the next one."""

    reversible = False
    ahead = _node_base.GOES_AFTER

    def resolve(self):
        self.boot = _journal.boot()
        self._before = "boot %s" % self.boot

    def inject(self, record):
        _node_base.go_down(self.action, self._goes())

    def _goes(self):
        """The argv that ends this boot."""
        raise NotImplementedError

    def prove(self, record):
        self.done = "goes down %d seconds after this answer" % _node_base.GOES_AFTER
        return {"boot": self.boot}


class Reboot(_Down):
    """Reboot gracefully."""

    action = "reboot"

    def plan(self):
        return [" ".join(self._goes())]

    def _goes(self):
        return ["systemctl", "reboot"] if _systemd.booted() else ["shutdown", "-r", "now"]


class Crash(_Down):
    """Panic the kernel, without a word to anybody; it boots again after panic_timeout seconds."""

    action = "crash"

    def guard(self):
        container = _node_host.container()
        if container:
            self._refuse(
                "it is a container (%s), and its kernel is the whole machine's" % container, "Use reboot, or crash the machine itself.",
                "shared_kernel")
        if not os.access("/proc/sysrq-trigger", os.W_OK):
            self._refuse("this kernel has no /proc/sysrq-trigger", code="no_capability")

    def plan(self):
        return ["kernel.panic = %d, until the next boot" % self.options["panic_timeout"], "write c to /proc/sysrq-trigger"]

    def inject(self, record):
        # it does not outlive this boot
        with open("/proc/sys/kernel/panic", "w") as stream:
            stream.write(str(self.options["panic_timeout"]))
        super().inject(record)

    def _goes(self):
        # what is journalled is on disk already; the rest is lost, as in a crash
        return ["/bin/sh", "-c", "echo c > /proc/sysrq-trigger"]


class Clock(_node_base.NodeFault):
    """Set the clock wrong, or let it drift, with the time daemons held off."""

    action = "clock"
    reversible = True

    def resolve(self):
        offset, drift = self.options["offset"], self.options["drift"]
        if (offset is None) == (drift is None):
            raise FaultlineError(
                "clock needs one of offset and drift.", code="missing_option",
                hint="offset: seconds that the clock jumps; drift: parts per million that it runs too fast.")
        if offset is not None and abs(offset) < 1:
            raise FaultlineError("offset must be at least one second, not %g." % offset, code="bad_option", hint="Use drift for less.")
        if drift is not None and not 500 <= abs(drift) <= 100000:
            raise FaultlineError("drift must be between 500 and 100000 ppm, not %g." % drift, code="bad_option",
                                 hint="The kernel's clock cannot be made more than a tenth too fast or slow.")
        self.daemons = _node_clock.time_daemons()
        self._before = "time daemons: %s" % (_node_base.words(self.daemons) or "none")

    def guard(self):
        container = _node_host.container()
        if container:
            self._refuse("it is a container (%s), and its clock is the whole machine's" % container, "Hit the machine itself.", "shared_kernel")
        held = [record["id"] for record in _journal.open_records() if record["action"] == "clock" and record["state"] != "scheduled"]
        if held:
            self._refuse("its clock is %s's until that is undone" % held[0], "Undo that first: os_fault_undo id=%s." % held[0], "busy")
        # fails where we lack the capability, and changes nothing
        _node_clock.set_ahead(_node_clock.ahead())

    def plan(self):
        what = "jump by %+g seconds" % self.options["offset"] if self.options["offset"] is not None else "run %+g ppm fast" % self.options["drift"]
        return ["stop %s" % _node_base.words(self.daemons)] * bool(self.daemons) + ["let the clock " + what]

    def steps(self, fault_id):
        offset = self.options["offset"]
        clock = _node_clock.SetBack.make(offset) if offset is not None else _node_clock.Steady.make(int(self.options["drift"]))
        # the daemons come back to a clock that is right
        return [clock] + [_service_steps.StartUnit.make(unit) for unit in self.daemons]

    def inject(self, record):
        _steps.do(record["steps"][1:])
        _steps.do(record["steps"][:1])

    def prove(self, record):
        proof = _steps.prove(record["steps"])
        self.done = "clock off by %+g seconds" % proof["offset"] if "offset" in proof else "clock runs %+d ppm fast" % proof["ppm"]
        if self.daemons:
            self.done += ", %s held off" % _node_base.words(self.daemons)
        return dict(proof, held_off=self.daemons)


class KillProcess(_service_faults.Kill):
    """Send a deadly signal to all processes that match a pattern."""

    kind = "node"
    action = "kill_process"

    def install(self):
        """Nothing is needed."""


class FreezeProcess(_service_faults.Freeze):
    """SIGSTOP to all processes that match a pattern, and SIGCONT at the deadline."""

    kind = "node"
    action = "freeze_process"

    def install(self):
        """Nothing is needed."""


ACTIONS = ("reboot", "crash", "oom", "stress", "fill_disk", "exhaust", "clock", "kill_process", "freeze_process")
EXHAUST = {"fds": _node_room.ExhaustFiles, "inodes": _node_room.ExhaustInodes, "pids": _node_room.ExhaustPids}
FAULTS = {fault.action: fault for fault in (Reboot, Crash, _node_load.Oom, _node_load.Stress, _node_room.FillDisk, Clock)}


def arguments():
    """The argument_spec of os_node_fault."""
    return {
        "action": {"type": "str", "required": True, "choices": list(ACTIONS)},
        "target": {"type": "str", "choices": [*_node_load.Stress.TARGETS, "all"]},
        "workers": {"type": "int", "default": 0},
        "load": {"type": "int", "default": 100},
        "size": {"type": "bytes"},
        "path": {"type": "path"},
        "percent": {"type": "float"},
        "free": {"type": "bytes"},
        "resource": {"type": "str", "choices": sorted(EXHAUST)},
        "offset": {"type": "float"},
        "drift": {"type": "float"},
        "pattern": {"type": "str"},
        "signal": {"type": "str", "default": "KILL", "choices": list(_module.DEADLY)},
        "panic_timeout": {"type": "int", "default": 10},
        "install": {"type": "bool", "default": False},
        **_module.TIMES,
        "recovery_timeout": {"type": "float"},
    }


def completed(options):
    """The options with what is the default for their action."""
    options = dict(options)
    if options["action"] == "stress" and options["duration"] is None:
        options["duration"] = STRESS_SECONDS
    return options


def make(action, options):
    """The fault of an action word. options: those of os_node_fault."""
    if action in ("kill_process", "freeze_process"):
        pattern = options["pattern"]
        if not pattern:
            raise FaultlineError("%s needs pattern: a regular expression for command lines." % action, code="missing_option", hint="Nothing was touched.")
        service = _services.service(pattern, "process", {"grep": pattern})
        if action == "freeze_process":
            return FreezeProcess(service)
        return KillProcess(service, _module.signal_number(options["signal"]), recovery_timeout=options["recovery_timeout"] or _module.RECOVERY_TIMEOUT)
    if action == "exhaust":
        if options["resource"] is None:
            raise FaultlineError("exhaust needs resource: fds, inodes or pids.", code="missing_option", hint="Nothing was touched.")
        return EXHAUST[options["resource"]](options)
    return FAULTS[action](options)
