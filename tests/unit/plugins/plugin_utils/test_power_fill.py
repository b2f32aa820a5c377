# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What os_power takes from the inventory."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils._power import fill_power, moment

POWER = [{"driver": "libvirt", "args": {"connection_uri": "qemu:///system"}}]
KNOWN = {"faultline_power": POWER, "mac": "52:54:00:00:00:01", "fqdn": "n1.example.org"}


def test_the_inventory_says_which_machine_a_host_is():
    assert fill_power({"action": "reset"}, "n1", KNOWN) == {
        "action": "reset", "node": "n1", "power": POWER, "mac": "52:54:00:00:00:01", "fqdn": "n1.example.org"}


def test_one_who_says_which_machine_it_is_says_all_of_it():
    filled = fill_power({"libvirt_name": "vm", "power": [{"driver": "ipmi"}]}, "n1", KNOWN)
    assert filled == {"libvirt_name": "vm", "node": "n1", "power": [{"driver": "ipmi"}]}


def test_a_watcher_of_the_inventory_is_taken():
    assert fill_power({}, "n1", {"faultline_power_watcher": "keeper"})["watcher"] == "keeper"
    assert fill_power({"watcher": "other"}, "n1", {"faultline_power_watcher": "keeper"})["watcher"] == "other"


def test_power_that_is_no_list_is_refused():
    with pytest.raises(FaultlineError) as caught:
        fill_power({}, "n1", {"faultline_power": {"driver": "libvirt"}})
    assert caught.value.message == "faultline_power is not a list of power drivers."


def test_moments_of_results():
    assert moment("1970-01-01T00:01:00.250Z") == 60.25
