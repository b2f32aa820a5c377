# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state file that os_cluster writes on the controller."""

from __future__ import annotations

import json

import pytest
from ansible_collections.faultline.openstack.plugins.action.os_cluster import ActionModule

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
