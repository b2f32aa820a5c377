# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state files that os_cluster and os_cluster_info write on the controller."""

from __future__ import annotations

import json

import pytest
from ansible_collections.faultline.openstack.plugins.action import os_cluster_info
from ansible_collections.faultline.openstack.plugins.action.os_cluster import ActionModule
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

ONE = {"id": "u1", "we_id": "w1", "networks": {"net": ["10.0.0.5"]}, "metadata": {"WE_ID": "w1", "WE_SESSION": "s1"}}
ENTRY = {"w1": {"WE_ID": "w1", "WE_SESSION": "s1", "OS_ID": "u1", "OS_NETWORKS": {"net": ["10.0.0.5"]}}}


@pytest.mark.parametrize("before, result, after", [
    (None, {"instances": [ONE]}, ENTRY),
    # what was kept of a buildup that failed can be torn down by the file
    (None, {"failed": True, "failure": {"details": {"instances": [ONE]}}}, ENTRY),
    (ENTRY, {"failed": True, "failure": {"details": {}}}, ENTRY),
    (ENTRY, {"failed": True}, ENTRY),
    (None, {"failed": True}, None),
    (ENTRY, {"sessions": ["s1", "s2"]}, {}),
    (ENTRY, {"sessions": ["s2"]}, ENTRY),
    (None, {"sessions": ["s1"]}, None),
    (ENTRY, {"instances": []}, {}),
])
def test_the_state_file_says_what_there_is(tmp_path, before, result, after):
    path = tmp_path / "state.json"
    if before is not None:
        path.write_text(json.dumps(before))
    ActionModule._write(None, str(path), result)
    assert (json.loads(path.read_text()) if path.exists() else None) == after


TWO = {**ONE, "id": "u2", "we_id": "w2", "metadata": {"WE_ID": "w2", "WE_SESSION": "s2"}}
TOLD = {"instances": [{**ONE, "session": "s1"}, {**TWO, "session": "s2"}], "sessions": [], "current": "s2", "changed": False}
DISKS = {"w1": {**ENTRY["w1"], "VM_DISK": {"vda": {}}}}


@pytest.fixture
def look(tmp_path, monkeypatch):
    """look(before, told, **options): os_cluster_info with such a state file, by what its module tells; (result, what the module was asked, the file after)."""
    path = tmp_path / "state.json"

    def call(before=None, told=None, check_mode=False, **options):
        path.write_text(json.dumps(before, indent=4, sort_keys=True) + "\n") if before is not None else path.unlink(missing_ok=True)
        asked = []
        task = type("Task", (), {"args": {"origin": {}, "state_file": str(path), **options}, "check_mode": check_mode})
        action = os_cluster_info.ActionModule.__new__(os_cluster_info.ActionModule)
        action._task = task
        action._execute_module = lambda module_name, module_args, task_vars: asked.append(module_args) or json.loads(json.dumps({**TOLD, **(told or {})}))
        result = action.perform({}, {})
        return result, asked[0], json.loads(path.read_text()) if path.exists() else None

    return call


@pytest.mark.parametrize(("before", "options", "sessions"), [
    (None, {}, {"w2"}), (None, {"session": "s1"}, {"w1"}), (ENTRY, {}, {"w1"}), (ENTRY, {"session": "current"}, {"w2"}), (ENTRY, {"current": True}, {"w2"}),
    (ENTRY, {"session": "s3"}, set()),
])
def test_a_look_writes_the_state_of_the_session_that_is_meant(look, before, options, sessions):
    result, _asked, after = look(before, **options)
    assert set(after) == sessions and result["changed"] is (after != before)


def test_a_look_keeps_what_was_seen_inside_and_forgets_what_is_gone(look):
    assert look(DISKS)[2] == DISKS
    assert look(DISKS, {"instances": []})[2] == {}
    # nobody's session, and nothing that could be lost
    assert look(None, {"current": None})[2] == {}


def test_a_look_that_knows_no_session_loses_nothing(look):
    with pytest.raises(FaultlineError, match="is left as it is: there is no session of this terminal or CI job"):
        look(ENTRY, {"current": None}, session="current")
    assert look(ENTRY, {"failed": True})[2] == ENTRY and look(ENTRY, check_mode=True, session="s3")[2] == ENTRY


@pytest.mark.parametrize(("what", "told"), [
    (None, {"instances", "sessions"}), ("sessions", {"sessions"}), (["instances"], {"instances"}), ("instances, sessions", {"instances", "sessions"})])
def test_a_look_tells_what_was_asked_for_whatever_the_file_needs(look, what, told):
    result, asked, after = look(ENTRY, **({"what": what} if what else {}))
    assert set(result) & {"instances", "sessions"} == told and asked["what"] == ["instances", "sessions"] and after == ENTRY
    # one that there is not is the module's to refuse
    assert look(ENTRY, {"failed": True}, what=["nodes"])[1]["what"] == ["nodes"]
