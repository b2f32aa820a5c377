# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task of os_cloud_facts asks a host for."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.action.os_cloud_facts import wanted
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _names

KNOWN = {"mysql": {"unit": ["mariadb"]}, "nova-api": {"unit": ["nova-api"]}}


def test_all_that_is_known_if_not_told():
    assert wanted("services", None, KNOWN) == {**_names.sought("service"), **KNOWN}
    assert wanted("services", [], KNOWN) == {}


def test_names_and_what_people_also_say():
    assert wanted("services", ["MariaDB", "nova-api"], KNOWN) == KNOWN
    assert wanted("services", "mysql", KNOWN) == {"mysql": KNOWN["mysql"]}


def test_what_the_user_has_defined_under_another_name():
    own = {"mariadb": {"unit": ["mariadb"], "grep": "his-own"}}
    assert wanted("services", "mysql", own) == own
    assert "mysql" not in wanted("services", None, own)


def test_definitions_of_ones_own():
    assert wanted("services", {"a": {"grep": "a"}}, KNOWN) == {"a": {"grep": "a"}}


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (["nova-ap"], "unknown_service", "Nobody knows a service 'nova-ap'. Did you mean nova-api"),
        (["mysqld"], "ambiguous_service", "mysqld may mean galera or mysql. Say one of these names."),
        ({"a": "b"}, "bad_option", "services.a is no definition."),
    ],
)
def test_what_is_not_known_is_refused(asked, code, said):
    with pytest.raises(FaultlineError) as caught:
        wanted("services", asked, {**KNOWN, "galera": {}})
    assert caught.value.code == code and said in caught.value.text


def test_a_definition_that_is_none_is_left_to_who_looks():
    found = wanted("services", None, {"good": {"unit": ["good"]}, "bad": "nova-api"})
    assert found["bad"] == "nova-api" and found["good"] == {"unit": ["good"]} and "nova-api" in found


@pytest.mark.parametrize("asked", ["bad", ["good", "Bad"]])
def test_a_definition_that_is_none_is_left_to_who_looks_by_name_too(asked):
    found = wanted("services", asked, {"good": {"unit": ["good"]}, "bad": "nova-api"})
    assert found["bad"] == "nova-api"


def test_a_definition_that_is_none_does_not_give_way_to_the_catalogue():
    assert wanted("services", ["mysql"], {"mariadb": 5}) == {"mariadb": 5}
