# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service of the user's own, hit and healed by names that are not his."""

from __future__ import annotations

from lab_nodes import by_os_faults_file


def test_a_service_of_the_file_is_hit_and_healed_by_the_names_that_others_have_for_it(spare, tmp_path):
    own = {"driver": "system_service", "args": {"service_name": "memcached", "grep": "memcached"}}
    node = by_os_faults_file(spare, tmp_path / "os-faults.yaml", {"cache": own})
    pids = node.processes("memcached")
    # the catalogue's name, in a sentence
    frozen = node.hit("os_fault", {"do": "freeze memcached service for 600 seconds"})
    assert frozen["fault"]["subject"] == "cache" and set(node.states(pids).values()) == {"T"}
    # that of the unit, and the user's own in another case, by the modules
    assert [fault["id"] for fault in node.hit("os_fault_info", {"service": "memcached.service", "closed": False})["open"]] == [frozen["fault"]["id"]]
    assert node.hit("os_fault_info", {"service": "haproxy", "closed": False})["open"] == []
    healed = node.hit("os_fault_undo", {"service": "Cache"})
    assert healed["undone"] == [frozen["fault"]["id"]] and healed["residue"] == []
    assert "T" not in node.states(pids).values() and node.open_faults() == []
