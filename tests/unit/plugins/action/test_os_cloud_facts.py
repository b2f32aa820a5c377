# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task of os_cloud_facts asks a host for."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.action.os_cloud_facts import wanted
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _catalogue

KNOWN = {"mysql": {"unit": ["mariadb"]}, "nova-api": {"unit": ["nova-api"]}}


def test_all_that_is_known_if_not_told():
    assert wanted("services", None, KNOWN, _catalogue.canonical) == KNOWN
    assert wanted("services", [], KNOWN, _catalogue.canonical) == {}


def test_names_and_what_people_also_say():
    assert wanted("services", ["MariaDB", "nova-api"], KNOWN, _catalogue.canonical) == KNOWN
    assert wanted("services", "mysql", KNOWN, _catalogue.canonical) == {"mysql": KNOWN["mysql"]}


def test_definitions_of_ones_own():
    assert wanted("services", {"a": {"grep": "a"}}, KNOWN, _catalogue.canonical) == {"a": {"grep": "a"}}


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (["nova-ap"], "unknown_service", "Nobody knows a service 'nova-ap'. Did you mean nova-api?"),
        ({"a": "b"}, "bad_option", "services.a is no definition."),
    ],
)
def test_what_is_not_known_is_refused(asked, code, said):
    with pytest.raises(FaultlineError) as caught:
        wanted("services", asked, KNOWN, _catalogue.canonical)
    assert caught.value.code == code and said in caught.value.text
