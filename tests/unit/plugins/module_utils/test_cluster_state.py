# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state file in the form that test scripts know."""

from __future__ import annotations

import json
import stat

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _state
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

METADATA = {"WE_ID": "w1", "WE_SESSION": "s1", "WE_TYPE_UUID": "mon", "WE_USER_LABEL": {"CEPH_LAYOUT": ["MON", "OSD"]}, "OS_NAME": "whenenv-w1"}
INSTANCE = {"id": "u1", "we_id": "w1", "session": "s1", "networks": {"net": ["10.0.0.5"]}, "metadata": METADATA, "name": "whenenv-w1"}
DISK = {"vda": {"NAME": "vda", "SIZE": "1G"}}
ENTRY = {**METADATA, "OS_ID": "u1", "OS_NETWORKS": {"net": ["10.0.0.5"]}}
LOOKED = {"VM_HOSTNAME_SHORT": ["vm"], "VM_HOSTNAME_LONG": ["vm.example.org"], "VM_DISK": DISK}


@pytest.mark.parametrize(("instance", "before", "entry"), [
    (INSTANCE, None, ENTRY),
    ({**INSTANCE, **LOOKED}, None, {**ENTRY, **LOOKED}),
    (INSTANCE, {"w1": {**LOOKED, "OS_ID": "u1", "WE_SESSION": "old"}}, {**ENTRY, **LOOKED}),
    (INSTANCE, {"w1": {**LOOKED, "OS_ID": "other"}}, ENTRY),
    ({**INSTANCE, "VM_DISK": {}}, {"w1": {**LOOKED, "OS_ID": "u1"}}, {**ENTRY, **LOOKED, "VM_DISK": {}}),
    (INSTANCE, {"w1": "broken"}, ENTRY),
    ({**INSTANCE, "floating": "192.0.2.5"}, None, {**ENTRY, "OS_NETWORKS": {"net": ["10.0.0.5", "192.0.2.5"]}}),
    ({**INSTANCE, "floating": "10.0.0.5"}, None, ENTRY),
    ({**INSTANCE, "floating": "192.0.2.5", "networks": {}}, None, {**ENTRY, "OS_NETWORKS": {}}),
], ids=["built up", "looked", "kept", "another server", "looked again", "broken", "floating, late", "floating", "no network"])
def test_an_entry_has_the_metadata_and_what_was_seen(instance, before, entry):
    assert _state.state([instance], before) == {"w1": entry}


def test_it_is_written_for_its_user_alone_and_read_again(tmp_path):
    path = tmp_path / "state.json"
    path.write_text("old")
    path.chmod(0o644)
    assert _state.write(str(path), {"w1": ENTRY}) is True
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == _state.read(str(path)) == {"w1": ENTRY}
    assert _state.session(str(path)) == "s1"
    assert _state.write(str(path), {"w1": ENTRY}) is False
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_stays_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "state.json")
    _state.write(str(tmp_path / "link"), {})
    assert (tmp_path / "link").is_symlink() and (tmp_path / "state.json").read_text() == "{}\n"


def test_one_that_is_not_there_holds_nothing(tmp_path):
    assert _state.read(str(tmp_path / "none")) == {} and _state.session(str(tmp_path / "none")) is None


@pytest.mark.parametrize(("text", "words"), [
    ("{", "is not JSON: Expecting property name"), ("[]", "it holds no dictionary"), ('{"a": 1}', "a is no dictionary"),
    ('{"a": {}}', "a has no WE_SESSION"), ('{"a": {"WE_SESSION": ["s"]}}', "a has no WE_SESSION"), ("[" * 100000, "is not JSON"),
    (b"\xff\xfe", "is not JSON"), ("", "is not JSON: Expecting value"),
])
def test_one_that_is_broken_is_told_and_how_to_get_another(tmp_path, text, words):
    path = tmp_path / "state.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FaultlineError) as caught:
        _state.read(str(path))
    assert caught.value.code == "bad_state" and str(path) in caught.value.message and words in caught.value.message
    assert "os_cluster_wait writes it again" in caught.value.hint


def test_of_two_sessions_none_is_the_one(tmp_path):
    path = tmp_path / "state.json"
    _state.write(str(path), {"a": {"WE_SESSION": "s2"}, "b": {"WE_SESSION": "s1"}})
    with pytest.raises(FaultlineError, match="holds 2 sessions: s1, s2"):
        _state.session(str(path))


@pytest.mark.parametrize(("name", "words"), [("missing/state.json", "cannot be written: No such file or directory"), (".", "Is a directory")])
def test_where_it_cannot_be_written_is_told(tmp_path, name, words):
    with pytest.raises(FaultlineError) as caught:
        _state.write(str(tmp_path / name), {})
    assert caught.value.code == "unwritable" and words in caught.value.message and not list(tmp_path.iterdir())
