# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which services of a host are containers: by their processes' control groups, or by name where they are down."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils import _probe
from ansible_collections.faultline.openstack.plugins.plugin_utils import _catalogue

NOVA, RPC, HOST = "a" * 64, "b" * 64, "f" * 64
THERE = {"nova_api": ("docker", NOVA, True), "neutron_rpc_server": ("podman", RPC, True), "mariadb": ("docker", "c" * 64, False)}
DEFINITION = {"driver": "system_service", "unit": ["nova-api"], "grep": "nova-api", "container": ["nova_api"], "port": ["tcp", 8774]}


def service(processes, definition=None, there=None, units=None, name="nova-api"):
    look = _probe.Look(5)
    look.engines = THERE if there is None else there
    return _probe._service(look, name, definition or DEFINITION, units or {}, processes)


@pytest.mark.parametrize("group", [
    f"/docker/{NOVA}", f"/system.slice/docker-{NOVA}.scope", f"/docker/{HOST}/docker/{NOVA}", f"/machine.slice/libpod-{NOVA}.scope/container",
])
def test_processes_in_a_container_are_the_container(group):
    found = service({7: ("dumb-init nova-api", group), 8: ("nova-api", group), 9: ("sshd", "/system.slice/ssh.service")})
    assert found == {
        "driver": "docker_container", "container_name": "nova_api", "engine": "docker", "id": NOVA, "active": True,
        "grep": "nova-api", "port": ["tcp", 8774], "pids": [7, 8],
    }


@pytest.mark.parametrize(("processes", "driver"), [
    # one on the host itself, too
    ({7: ("nova-api", f"/docker/{NOVA}"), 8: ("nova-api", "/user.slice")}, "process"),
    # the host is a container, and nothing more
    ({7: ("nova-api", f"/docker/{HOST}/system.slice/nova.service")}, "process"),
    # a container of an engine that we may not ask
    ({7: ("nova-api", "/docker/" + "e" * 64)}, "process"),
])
def test_what_also_runs_on_the_host_is_a_process(processes, driver):
    assert service(processes)["driver"] == driver


def test_a_unit_comes_before_a_container():
    unit = {"id": "nova-api.service", "up": True, "there": True, "control_group": "/system.slice/nova-api.service", "main": 7}
    assert service({7: ("nova-api", "/system.slice/nova-api.service")}, units={"nova-api": unit})["driver"] == "system_service"


def test_a_container_that_is_down_is_known_by_its_name():
    definition = {"driver": "system_service", "unit": ["mysql"], "grep": "mariadbd", "container": ["mariadb"]}
    found = service({}, definition, name="mysql")
    assert (found["container_name"], found["active"], found["pids"]) == ("mariadb", False, [])
    assert service({}, {**definition, "container": ["other"]}, name="mysql") is None


def test_of_several_containers_that_which_bears_the_name():
    definition = {"driver": "system_service", "grep": "neutron-(server|rpc-server)", "container": ["neutron_server"]}
    processes = {7: ("neutron-server", f"/docker/{NOVA}"), 8: ("neutron-rpc-server", f"/docker/{RPC}")}
    there = {"neutron_server": ("docker", NOVA, True), "neutron_rpc_server": ("docker", RPC, True)}
    assert service(processes, definition, there)["container_name"] == "neutron_server"
    # a name that the catalogue does not know, and only one
    only = service({8: processes[8]}, definition)
    assert (only["container_name"], only["driver"]) == ("neutron_rpc_server", "podman_container")
    # two, and none that is meant
    assert service(processes, {**definition, "container": []}, there)["driver"] == "process"


def test_a_service_that_the_user_says_is_a_container():
    definition = {"driver": "docker_container", "container_name": "nova_api"}
    found = service({7: ("anything", f"/docker/{NOVA}")}, definition, name="compute-api")
    assert (found["container_name"], found["pids"], found["active"]) == ("nova_api", [7], True)
    assert service({}, {**definition, "container_name": "nova"}, name="compute-api") is None


def test_a_process_that_the_user_says_is_one_stays_one():
    definition = {"driver": "process", "grep": "nova-api", "start_cmd": "x"}
    assert service({7: ("nova-api", f"/docker/{NOVA}")}, definition)["driver"] == "process"


@pytest.mark.parametrize(("name", "container"), [
    ("nova-api", "nova_api"), ("mysql", "mariadb"), ("neutron-meta-agent", "neutron_metadata_agent"), ("nova-api-metadata", "nova_metadata"),
    ("libvirt", "nova_libvirt"), ("ovn-nb-db", "ovn_nb_db"), ("rabbitmq", "rabbitmq"), ("swift-proxy", "swift_proxy_server"),
])
def test_the_catalogue_knows_the_container_of_a_service(name, container):
    assert _catalogue.services()[name]["container"] == [container]


def test_containers_of_services_are_containers():
    known = set(_catalogue.containers())
    assert all(set(each.get("container", [])) <= known for each in _catalogue.services().values())
    assert "container" not in _catalogue.services()["apache"]
