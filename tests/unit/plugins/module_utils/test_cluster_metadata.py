# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The metadata of VMs: values there and back, and servers as instances."""

from __future__ import annotations

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _metadata
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from hypothesis import given
from hypothesis import strategies as st

ONES = {"WE_ID": "w1", "WE_SESSION": "s1", "WE_TYPE_UUID": "a"}


@given(st.dictionaries(
    st.sampled_from(["WE_ID", "WE_USER_LABEL", "JENKINS_BUILD_URL", "OS_NAME"]),
    st.text(max_size=2000) | st.integers() | st.dictionaries(st.text(max_size=5), st.lists(st.text(max_size=80), max_size=5), max_size=5)))
def test_values_come_back_as_they_were(values):
    items = _metadata.encode(values)
    assert all(len(value) <= 255 and value.isascii() for value in items.values()) and len(items) <= 128
    assert _metadata.decode(items) == values


def test_a_value_is_in_json_as_the_scripts_had_it():
    assert _metadata.encode({"WE_ID": "x", "WE_USER_LABEL": {"ROLE": ["db"]}}) == {"WE_ID": '"x"', "WE_USER_LABEL": '{"ROLE": ["db"]}'}


def test_a_long_value_goes_on_in_items_of_its_own():
    items = _metadata.encode({"JENKINS_BUILD_URL": "h" * 600})
    assert {key: len(value) for key, value in items.items()} == {"JENKINS_BUILD_URL": 255, "JENKINS_BUILD_URL.1": 255, "JENKINS_BUILD_URL.2": 92}


def test_what_cannot_fit_is_refused():
    with pytest.raises(FaultlineError) as told:
        _metadata.encode({**ONES, "WE_USER_LABEL": {"ROLE": ["x" * 33000]}})
    assert told.value.code == "too_long" and told.value.text == (
        "The metadata of the VM a needs 133 items of 255 characters, and Nova takes 128; most of them are WE_USER_LABEL. Give it fewer or shorter labels.")


@given(st.dictionaries(st.text(max_size=12) | st.sampled_from(["A", "A.1", "A.2", "A.01", ".1", "A.\u0661", ".\u00b2"]), st.text(max_size=20)))
def test_metadata_of_others_is_read_whatever_it_is(items):
    values = _metadata.decode(items)
    assert set(values) <= set(items)
    _metadata.instance({"id": "1", "metadata": items})


def test_metadata_that_is_not_json_is_text():
    assert _metadata.decode({"a": "plain", "b.1": '"x"', "c": "[1"}) == {"a": "plain", "b.1": "x", "c": "[1"}


def server(**more):
    return {
        "id": "u1", "name": "whenenv-w1", "status": "ACTIVE", "created": "2026-11-21T00:00:00Z", "OS-EXT-STS:task_state": None,
        "OS-EXT-SRV-ATTR:host": "cmp1", "image": {"id": "i1"}, "flavor": {"original_name": "m1.tiny"},
        "metadata": _metadata.encode({**ONES, "WE_USER_LABEL": {"ROLE": ["db"]}, "OS_IMAGE_NAME": "debian"}),
        "addresses": {"net": [{"addr": "fd00::5", "OS-EXT-IPS:type": "fixed"}, {"addr": "10.0.0.5", "OS-EXT-IPS:type": "fixed"},
                              {"addr": "203.0.113.5", "OS-EXT-IPS:type": "floating"}]}, **more}


def test_a_server_is_an_instance():
    found = _metadata.instance(server())
    metadata = found.pop("metadata")
    assert metadata == {**ONES, "WE_USER_LABEL": {"ROLE": ["db"]}, "OS_IMAGE_NAME": "debian"}
    assert found == {
        "id": "u1", "we_id": "w1", "name": "whenenv-w1", "session": "s1", "type": "a", "created": "2026-11-21T00:00:00Z", "status": "ACTIVE",
        "task_state": None, "fault": None, "labels": {"ROLE": ["db"]}, "image": "debian", "flavor": "m1.tiny",
        "networks": {"net": ["fd00::5", "10.0.0.5", "203.0.113.5"]}, "address": "203.0.113.5", "floating": "203.0.113.5", "host": "cmp1"}


@pytest.mark.parametrize("more, expected", [
    ({"addresses": {"net": [{"addr": "fd00::5"}, {"addr": "10.0.0.5"}]}}, {"address": "10.0.0.5", "floating": None}),
    ({"addresses": {"net": [{"addr": "fd00::5"}]}}, {"address": "fd00::5"}),
    ({"addresses": {}}, {"address": None, "networks": {}}),
    ({"addresses": None, "image": "", "metadata": None}, {"address": None, "image": None, "session": None, "labels": {}}),
    ({"status": "ERROR", "fault": {"message": "No valid host was found."}}, {"fault": "No valid host was found."}),
    ({"status": "ERROR"}, {"fault": "Nova does not say why"}),
    ({"metadata": {"WE_USER_LABEL": '{"a": "b"}'}}, {"labels": {"a": ["b"]}}),
    ({"metadata": {"WE_USER_LABEL": "[1]"}}, {"labels": {}}),
])
def test_a_server_of_any_kind_is_an_instance(more, expected):
    found = _metadata.instance(server(**more))
    assert {key: found[key] for key in expected} == expected


def test_a_floating_ip_that_nova_does_not_know_yet_is_the_address():
    assert _metadata.instance(server(addresses={"net": [{"addr": "10.0.0.5"}]}), "203.0.113.9")["address"] == "203.0.113.9"


def test_a_server_of_the_library_is_the_same_instance():
    compute = pytest.importorskip("openstack.compute.v2.server")
    expected = _metadata.instance(server())
    assert _metadata.instance(compute.Server.existing(**{key: value for key, value in server().items() if key != "created"},
                                                      created_at="2026-11-21T00:00:00Z")) == expected


@pytest.mark.parametrize("items, ours", [(_metadata.encode(ONES), True), ({}, False), ({"WE_ID": '"x"', "WE_SESSION": '"x"'}, False)])
def test_what_is_ours_has_all_marks(items, ours):
    assert _metadata.is_ours(items) == ours
    assert _metadata.session_of(items) == ("s1" if ours else items and "x" or "")
