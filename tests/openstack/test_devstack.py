# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's profile devstack: the node that os-faults' DevStack driver means, with the latest OpenStack; its services are found by their units."""

from __future__ import annotations

import json

import pytest
from lab_nodes import wait_for
from patience import HANG

# service: the units that it has there
SERVICES = {
    "glance-api": ["devstack@g-api"],
    "keystone": ["devstack@keystone"],
    "neutron-api": ["devstack@neutron-api"],
    "neutron-dhcp-agent": ["devstack@q-dhcp"],
    "neutron-l3-agent": ["devstack@q-l3"],
    "neutron-meta-agent": ["devstack@q-meta"],
    "neutron-openvswitch-agent": ["devstack@q-agt"],
    "neutron-periodic-workers": ["devstack@neutron-periodic-workers"],
    "neutron-rpc-server": ["devstack@neutron-rpc-server"],
    "neutron-server": ["devstack@neutron-api", "devstack@neutron-periodic-workers", "devstack@neutron-rpc-server"],
    "nova-api": ["devstack@n-api"],
    "nova-api-metadata": ["devstack@n-api-meta"],
    "nova-compute": ["devstack@n-cpu"],
    "nova-conductor": ["devstack@n-cond-cell1", "devstack@n-super-cond"],
    "nova-scheduler": ["devstack@n-sch"],
    "placement-api": ["devstack@placement-api"],
    "apache": ["apache2"],
    "memcached": ["memcached"],
    "mysql": ["mariadb"],
    "rabbitmq": ["rabbitmq-server"],
}


@pytest.fixture(scope="module")
def found(devstack, run):
    """What a look at the node finds by the file of os-faults' DevStack driver: {service: definition}."""
    path = devstack.folder / "os-faults.yaml"
    assert "driver: devstack" in path.read_text() and "services" not in path.read_text()
    told = json.loads(
        run("ansible-inventory", "-i", path, "--list", FAULTLINE_DISCOVER="true"), object_hook=lambda each: each.get("__ansible_unsafe", each))
    (host,) = told["_meta"]["hostvars"].values()
    return host["faultline_services"]


def test_its_services_are_found_by_their_units(found):
    units = {name: sorted(each.get("unit", [])) for name, each in found.items() if name != "openvswitch"}
    assert units == SERVICES
    assert all(each["active"] and each["pids"] for each in found.values())


def test_its_apis_answer_behind_apache(devstack):
    sdk = devstack.sdk
    wait_for(lambda: [each.state for each in sdk.compute.services(binary="nova-compute")] == ["up"], pause=1)
    wait_for(lambda: sorted(each.binary for each in sdk.network.agents() if each.is_alive) == [
        "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent", "neutron-openvswitch-agent"], pause=1)
    assert sdk.image.find_image("tiny").status == "active" and list(sdk.placement.resource_providers())


def test_a_server_becomes_active_and_goes(devstack):
    compute = devstack.sdk.compute
    image, flavor = devstack.sdk.image.find_image("tiny"), compute.find_flavor("tiny")
    server = compute.create_server(name="test-devstack", image_id=image.id, flavor_id=flavor.id, networks="none")
    try:
        assert compute.wait_for_server(server, wait=HANG, interval=0.5).status == "ACTIVE"
    finally:
        compute.delete_server(server)
        compute.wait_for_delete(server, wait=HANG, interval=0.5)


def test_a_sentence_hits_a_service_in_parts_and_it_comes_back(devstack, run, found):
    """By os-faults' own file, with nothing but the address and a login."""
    (node,) = devstack.nodes.values()
    done = run(
        "ansible-playbook", "faultline.openstack.disrupt", "-i", devstack.folder / "os-faults.yaml",
        "-e", json.dumps({"fault": "restart nova-conductor service"}))
    assert "failed=0" in done
    for unit in SERVICES["nova-conductor"]:
        assert node.active(unit)
        (before,) = [pid for pid in found["nova-conductor"]["pids"] if pid in node.processes(unit)] or [None]
        assert before is None, f"{unit} was not restarted"
