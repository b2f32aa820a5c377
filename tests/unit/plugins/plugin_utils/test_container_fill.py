# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which module hits a service or a container on a host, and with which options."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.plugin_utils._fill import CONTAINER_MODULE, SERVICE_MODULE, fill, handed_over

FOUND = {"driver": "docker_container", "container_name": "nova_api", "engine": "podman", "id": "x", "grep": "nova-api", "active": True, "pids": [7]}


@pytest.mark.parametrize(("args", "known", "module", "filled"), [
    # as it was seen on the host
    ({"service": "nova-api", "action": "kill", "signal": "TERM"}, {"faultline_services": {"nova-api": FOUND}}, CONTAINER_MODULE,
     {"service": "nova-api", "container": "nova_api", "driver": "podman_container", "action": "kill", "signal": "TERM"}),
    # as the file says it, with its port
    ({"service": "Own-API", "action": "unplug"},
     {"faultline_service_definitions": {"own-api": {"driver": "podman_container", "container_name": "own", "port": ["tcp", 80]}}}, CONTAINER_MODULE,
     {"service": "own-api", "container": "own", "driver": "podman_container", "action": "unplug", "port": ["tcp", 80]}),
    # the user's word comes first
    ({"service": "nova-api", "action": "unplug", "port": 1}, {"faultline_services": {"nova-api": {**FOUND, "port": ["tcp", 2]}}}, CONTAINER_MODULE,
     {"service": "nova-api", "container": "nova_api", "driver": "podman_container", "action": "unplug", "port": 1}),
    ({"service": "nova-api", "action": "kill", "grep": "x", "driver": "process"}, {"faultline_services": {"nova-api": FOUND}}, SERVICE_MODULE,
     {"service": "nova-api", "action": "kill", "grep": "x", "driver": "process"}),
])
def test_a_service_that_a_container_runs(args, known, module, filled):
    assert fill(SERVICE_MODULE, args, known) == (module, filled)


def test_another_host_runs_it_as_a_unit():
    known = {"faultline_services": {"nova-api": {"driver": "system_service", "unit": ["nova-api"]}}}
    module, args = fill(SERVICE_MODULE, {"service": "nova-api", "action": "kill"}, known)
    assert (module, args["unit"]) == (SERVICE_MODULE, ["nova-api"])


@pytest.mark.parametrize(("container", "known", "name", "driver"), [
    ("nova_api", {"faultline_containers": {"nova_api": FOUND}}, "nova_api", "podman_container"),
    # os-faults' files say docker_container of any
    ("neutron_api", {"faultline_container_definitions": {"neutron_api": {"driver": "docker_container", "container_name": "neutron_server"}}},
     "neutron_server", "auto"),
    ("api", {"faultline_container_definitions": {"api": {"driver": "podman_container", "container_name": "own"}}}, "own", "podman_container"),
    # the catalogue knows names, not engines; an older name
    ("keystone", {}, "keystone", "auto"), ("Keystone", {}, "keystone", "auto"), ("neutron_ovs_agent", {}, "neutron_openvswitch_agent", "auto"),
    # nobody knows it: its name or id at the engine
    ("mine", {}, "mine", None), ("4f53cda18c2b", {}, "4f53cda18c2b", None),
])
def test_a_container(container, known, name, driver):
    module, args = fill(CONTAINER_MODULE, {"container": container, "action": "freeze"}, known)
    assert module == CONTAINER_MODULE
    assert args == {"container": name, "action": "freeze", **({"driver": driver} if driver else {})}
    assert fill(CONTAINER_MODULE, {"container": container, "driver": "auto"}, known)[1]["driver"] == "auto"


def test_what_is_handed_over_is_what_containers_have_options_for():
    args = {"service": "nova-api", "action": "freeze", "duration": 5, "wait": True, "port": 1, "unit": ["a"], "grep": "b", "driver": "system_service",
            "service_name": "c", "processes": "all"}
    assert handed_over(args, "4f53") == {"service": "nova-api", "action": "freeze", "duration": 5, "wait": True, "port": 1, "container": "4f53"}


def test_other_modules_keep_their_options():
    assert fill("faultline.openstack.os_power", {"action": "reset"}, {}) == ("faultline.openstack.os_power", {"action": "reset"})


@pytest.mark.parametrize("word", ["mysql", "MariaDB", "galera", "mysqld.service"])
def test_a_service_of_the_user_s_own_under_any_of_its_names(word):
    known = {"faultline_service_definitions": {"mariadb": {"driver": "system_service", "unit": ["mariadb"], "grep": "his"}}}
    module, args = fill(SERVICE_MODULE, {"service": word, "action": "kill"}, known)
    assert module == SERVICE_MODULE
    assert args == {"service": "mariadb", "action": "kill", "driver": "system_service", "unit": ["mariadb"], "grep": "his"}
