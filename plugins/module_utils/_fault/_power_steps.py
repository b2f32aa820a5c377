# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of faults of power, as steps (see _steps.py). It runs on the controller or a watcher host, never on the node."""

from __future__ import annotations

from . import _power, _power_ipmi, _power_libvirt, _power_machines, _power_openstack, _power_redfish, _steps
from ._errors import FaultlineError

PROGRAM = (_power, _power_ipmi, _power_libvirt, _power_machines, _power_openstack, _power_redfish)
# the drivers' libraries are not the standard library
LIBRARIES = True
# seconds within which a machine that is switched on says so
_ON = 60


class PowerOn:
    """Switch a machine on: {machine}."""

    type = "power_on"

    @classmethod
    def make(cls, machine):
        return _steps.step(cls, "switch on %s" % machine.words, claim="off:" + machine.words, machine=machine.data)

    @staticmethod
    def undo(step):
        machine = _power_machines.Machine(step["machine"])
        state = _state(machine)
        if state == "gone":
            return "%s is gone; nothing was there to be switched on" % machine.words
        if state == "on":
            return ""
        try:
            machine.ask("on", seconds=_ON)
        except FaultlineError as exc:
            # somebody else may have done it meanwhile; what counts is the state
            if exc.code != "driver_failed" or machine.state() != "on":
                raise
        machine.wait_state("on", _ON)
        return ""

    @staticmethod
    def held(step):
        return _state(_power_machines.Machine(step["machine"])) == "off"

    @staticmethod
    def residue(step):
        machine = _power_machines.Machine(step["machine"])
        state = _state(machine)
        return "" if state in ("on", "gone") else "%s is %s" % (machine.words, state)


def _state(machine):
    """The state, or "gone" where the machine itself was taken away meanwhile."""
    try:
        return machine.state()
    except FaultlineError as exc:
        if exc.code != "not_found":
            raise
        return "gone"


_steps.register(PowerOn)
