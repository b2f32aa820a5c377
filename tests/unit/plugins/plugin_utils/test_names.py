# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a word for a service or a container means: what the user has defined first, by any of its names."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _names
from ansible_collections.faultline.openstack.plugins.plugin_utils._fill import container_definition_of, definition_of

UNIT = {"unit": ["mariadb"]}
WHOLE = {"unit": ["neutron-server", "neutron-api", "neutron-rpc-server"]}


@pytest.mark.parametrize("word, configured, known, name", [
    # nothing of the user's own: the catalogue's name, its aliases, its units
    ("mysql", {}, {}, "mysql"), ("MySQL", {}, {}, "mysql"), ("mariadb", {}, {}, "mysql"), ("Galera", {}, {}, "mysql"),
    ("mariadb.service", {}, {}, "mysql"), ("devstack@n-api", {}, {}, "nova-api"), ("openstack-nova-api.service", {}, {}, "nova-api"),
    ("neutron-metadata-agent", {}, {}, "neutron-meta-agent"), ("neutron-rpc-server", {}, {}, "neutron-rpc-server"), ("our-own", {}, {}, None),
    ("", {}, {}, None),
    # what the user calls by an alias, said as the catalogue does, and as others do
    ("mysql", {"mariadb": UNIT}, {}, "mariadb"), ("MariaDB", {"mariadb": UNIT}, {}, "mariadb"), ("galera", {"mariadb": UNIT}, {}, "mariadb"),
    ("mysqld.service", {"mariadb": UNIT}, {}, "mariadb"), ("mysql", {"MariaDB": {}}, {}, "MariaDB"),
    # and the other way round
    ("mariadb", {"mysql": {"unit": ["our-db"]}}, {}, "mysql"), ("our-db", {"mysql": {"unit": ["our-db"]}}, {}, "mysql"),
    # what he calls by a name of his own is known by its unit
    ("mysql", {"db": UNIT}, {}, "db"), ("mariadb", {"db": UNIT}, {}, "db"), ("DB", {"db": UNIT}, {}, "db"), ("mariadb.service", {"db": UNIT}, {}, "db"),
    ("our.service", {"thing": {"unit": ["our"]}}, {}, "thing"), ("nova_api", {"api": {"container_name": "nova_api"}}, {}, "api"),
    # before what was found beside it
    ("mysql", {"mariadb": UNIT}, {"mariadb": UNIT, "mysql": UNIT}, "mariadb"),
    # its own name is what is meant, whatever else could be
    ("mysql", {"mysql": {}, "mariadb": {}}, {}, "mysql"), ("mariadb", {"mysql": {}, "mariadb": {}}, {}, "mariadb"),
    # names that differ in their case only
    ("a", {"a": {}, "A": {}}, {}, "a"), ("A", {"a": {}, "A": {}}, {}, "A"),
    # what is written into the inventory by hand, or has a group there
    ("mysql", {}, {"mariadb": None}, "mariadb"), ("mysql", {}, {"mariadb": None, "mysql": None}, "mysql"), ("mariadb", {}, {"mysql": None}, "mysql"),
    # what the catalogue knows by name is no other entry of it, though they share a unit
    ("apache2", {"keystone": {"unit": ["apache2"]}, "horizon": {"unit": ["apache2"]}}, {}, "apache"),
    ("neutron-api", {"neutron-server": WHOLE}, {}, "neutron-api"), ("neutron-server", {"net": WHOLE}, {}, "net"),
])
def test_what_a_service_is(word, configured, known, name):
    assert _names.resolve("service", word, configured, known) == name


@pytest.mark.parametrize("word, configured, known, name", [
    ("mysql", {}, {}, "mariadb"), ("Nova_API", {}, {}, "nova_api"), ("neutron_api", {}, {}, "neutron_server"), ("ours", {}, {}, None),
    ("mariadb", {"mysql": {"container_name": "galera_1"}}, {}, "mysql"), ("galera_1", {"mysql": {"container_name": "galera_1"}}, {}, "mysql"),
    ("mariadb", {"db": {"container_name": "mariadb"}}, {}, "db"), ("galera", {"db": {"container_name": "mariadb"}}, {}, "db"),
])
def test_what_a_container_is(word, configured, known, name):
    assert _names.resolve("container", word, configured, known) == name


@pytest.mark.parametrize("word, configured, known, candidates", [
    ("mysql", {"mariadb": {}, "galera": {}}, {}, ["galera", "mariadb"]), ("mysqld", {"mariadb": {}, "mysql": {}}, {}, ["mariadb", "mysql"]),
    ("mysql", {"db1": UNIT, "db2": UNIT}, {}, ["db1", "db2"]), ("our.service", {"a": {"unit": ["our"]}, "b": {"unit": ["our"]}}, {}, ["a", "b"]),
    ("API", {"Api": {}, "aPI": {}}, {}, ["Api", "aPI"]), ("mysql", {}, {"mariadb": None, "galera": None}, ["galera", "mariadb"]),
])
def test_a_word_that_may_mean_two_things_names_both(word, configured, known, candidates):
    with pytest.raises(FaultlineError) as caught:
        _names.resolve("service", word, configured, known)
    assert caught.value.code == "ambiguous_service" and caught.value.details == {"candidates": candidates}
    assert caught.value.text == f"{word} may mean {' or '.join(candidates)}. Say one of these names."


@pytest.mark.parametrize("host_vars, name, definition", [
    ({"faultline_service_definitions": {"mariadb": {"grep": "his"}}}, "mariadb", {"grep": "his"}),
    # as it is on the host
    ({"faultline_service_definitions": {"mariadb": {"grep": "his"}}, "faultline_services": {"mariadb": {"pids": [1]}}}, "mariadb", {"pids": [1]}),
    ({"faultline_services": {"mysql": {"pids": [1]}}}, "mysql", {"pids": [1]}),
])
def test_the_definition_is_that_of_the_name(host_vars, name, definition):
    for word in ("mysql", "MariaDB", "galera"):
        assert definition_of(word, host_vars) == (name, definition)


def test_the_definition_of_what_the_catalogue_has_and_of_what_nobody_knows():
    name, definition = definition_of("galera", {})
    assert name == "mysql" and "mariadb" in definition["unit"] and "port" not in definition
    assert definition_of("ours", {}) == ("ours", None) and container_definition_of("ours", {}) == ("ours", None)
    assert container_definition_of("mysql", {"faultline_containers": {"mariadb": {"engine": "docker"}}}) == ("mariadb", {"engine": "docker"})


def test_a_service_is_not_sought_under_a_second_name_of_its_group():
    found = _names.sought("service", {"nova_api": {"grep": "mine"}})
    assert found["nova_api"] == {"grep": "mine"} and "nova-api" not in found and "keystone" in found


def test_what_is_sought_is_what_the_user_has_defined_and_the_rest_of_the_catalogue():
    found = _names.sought("service", {"mariadb": {"port": ["tcp", 3]}, "b": {}})
    assert found["mariadb"] == {"port": ["tcp", 3]} and found["b"] == {}
    assert "mysql" not in found, "the same service under two names"
    # a port of the catalogue is only what is usual
    assert "port" not in found["keystone"] and "unit" in found["keystone"]
    found["keystone"]["unit"].append("x")
    assert "x" not in _names.sought("service")["keystone"]["unit"]


@pytest.mark.parametrize("word, host_vars, some", [
    ("galera", {}, {"galera", "mysql", "mariadb", "mysqld"}), ("mysql", {"faultline_service_definitions": {"db": UNIT}}, {"mysql", "db", "mariadb"}),
    ("ours", {}, {"ours"}), ("api", {"faultline_containers": {"api": {"container_name": "nova_api"}}}, {"api", "nova_api"}),
])
def test_all_that_a_service_is_called(word, host_vars, some):
    called = _names.called(word, host_vars)
    assert some <= set(called) and len(called) == len(set(called)) and called[0] == word
    assert "keystone" not in called


def test_the_catalogue_s_entry_of_what_the_user_calls_otherwise():
    assert _names.entry("service", "mariadb") == "mysql" and _names.entry("service", "db", UNIT) == "mysql" and _names.entry("service", "db", {}) is None
    # two of them is none
    assert _names.entry("service", "edge", {"unit": ["haproxy", "keepalived"]}) is None
