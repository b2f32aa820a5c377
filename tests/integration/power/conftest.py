# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest whose power tests switch, and BMCs in front of it."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from lab_bmcs import IpmiSim, Redfish, VirtualBmc
from lab_power import faults_here, keepers, open_here
from patience import wait_for


@pytest.fixture(scope="module")
def machine(request, make_vm):
    """A small guest, by the name that the module has for it as GUEST: faults of one host that others know by the same name stand side by side here."""
    return make_vm(request.module.GUEST, kind="tiny", memory=128)


@pytest.fixture
def power(machine):
    """The guest, on and answering; the test fails if it leaves anything of ours on this machine, or the guest off."""
    machine.power_on()
    machine.wait_up()
    assert open_here(machine.name) == []
    yield machine
    left = open_here(machine.name)
    if left:
        machine.call("os_power", {"action": "undo"})
    assert left == []
    wait_for(lambda: not keepers(*faults_here(machine.name)))
    assert machine.state == "running"


@pytest.fixture(params=[VirtualBmc, IpmiSim, Redfish], ids=["virtualbmc", "ipmi_sim", "redfish"])
def bmc(request, power, tmp_path):
    """A BMC in front of the guest, and the way to it in the guest's inventory."""
    with request.param(power, tmp_path / "bmc") as running:
        yield running


@pytest.fixture
def by_bmc(bmc, power, tmp_path):
    """by_bmc(**entry): the guest in an inventory that knows its BMC only, the keys of its entry changed."""
    def known(**entry):
        inventory = yaml.safe_load(pathlib.Path(power.inventory).read_text())
        host = inventory["all"]["hosts"][power.name]
        host.update(faultline_power=[{"driver": bmc.driver, "args": {"mac_to_bmc": {power.mac.upper(): {**bmc.entry, **entry}}}}])
        del host["libvirt_name"]
        path = tmp_path / "bmc.yml"
        path.write_text(yaml.safe_dump(inventory))
        path.chmod(0o600)
        other = type(power)(power.name, power.domain, path, power.address, power.kind, power.lab)
        return other

    return known
