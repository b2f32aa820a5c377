# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes of a unit are the service, whether it only watches others, and whether it comes back."""

from __future__ import annotations

import signal

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _proc, _services, _systemd, _unit_processes


# PID: (parent, session); 10 is the main process
_GROUP = {10: (1, 10), 11: (10, 10), 12: (11, 10), 20: (10, 20), 21: (20, 20), 30: (1, 30), 31: (1, 31)}
_DOORS = {10: {"tcp :80"}, 11: {"tcp :80"}, 20: {"tcp :81"}, 31: {"tcp :80"}}


def test_the_service_is_the_main_process_its_workers_and_who_shares_its_door():
    found, loose = _unit_processes.serving(10, _GROUP, lambda pid: _DOORS.get(pid, set()))
    # helpers have a session of their own, 31 was left by an earlier main process and still answers
    assert found == {10, 11, 12, 31}
    assert loose == {12}


def test_without_its_main_process_nothing_of_a_unit_is_the_service():
    assert _unit_processes.serving(0, _GROUP, lambda pid: set()) == (set(), set())


@pytest.mark.parametrize(("mode", "asked", "meant", "left"), [
    ("control-group", None, 2, 0), ("mixed", None, 2, 0), ("process", None, 1, 1), ("none", None, 1, 1),
    ("process", "all", 2, 0), ("control-group", "main", 1, 1),
])
def test_what_is_meant_of_a_unit_is_what_its_own_stop_ends(monkeypatch, mode, asked, meant, left):
    group = [_proc.Process(10, 1, "main"), _proc.Process(20, 1, "helper")]
    monkeypatch.setattr(_proc, "relation", lambda pid: _GROUP[pid])
    monkeypatch.setattr(_unit_processes, "_doors", lambda pid: _DOORS[pid])
    unit = _systemd.Unit({"Id": "x.service", "ActiveState": "active", "KillMode": mode, "MainPID": "10"})
    unit.processes = lambda: group
    found, others, loose = _unit_processes.split(unit, asked)
    assert (len(found), len(others), loose) == (meant, left, [])


@pytest.mark.parametrize(("line", "watched"), [
    ("/usr/bin/conmon --api-version 1 -c 1234 -u 1234 -n nova_api", (True, "1234")),
    ("/usr/bin/docker run --rm --name=nova_api image", (True, "nova_api")),
    ("/usr/bin/podman start -a nova_api", (True, "nova_api")), ("docker --debug run image cmd", (True, "")),
    ("/usr/bin/dockerd -H fd://", (False, "")), ("/usr/bin/podman system service", (False, "")), ("", (False, "")),
])
def test_programs_that_only_wait_for_a_container_are_known(line, watched):
    assert _unit_processes.container_watched(line) == watched


@pytest.mark.parametrize(("triggers", "restart", "comes", "says"), [
    ([], "always", True, "Restart=always of x.service"), ([], "no", False, "x.service has Restart=no"),
    (["x.socket"], "no", None, "x.socket starts it with its next connection"), (["x.timer"], "no", None, "x.timer starts it at its next time"),
    (["x.path"], "no", None, "x.path starts it when its path changes"), (["x.socket"], "always", True, "Restart=always"),
])
def test_who_starts_a_killed_unit_again(monkeypatch, triggers, restart, comes, says):
    monkeypatch.setattr(_systemd, "show", lambda names: [_systemd.Unit({"Id": name, "ActiveState": "active"}) for name in names])
    monkeypatch.setattr(_proc, "handles", lambda pid, number: False)
    service = _services.SystemService("x", {})
    service.units = [_systemd.Unit({"Id": "x.service", "Restart": restart, "MainPID": "7", "TriggeredBy": " ".join(triggers)})]
    process = _proc.Process(7, 1, "x")
    service._unit_of[process] = "x.service"
    found, words = service.revival(signal.SIGKILL, [process])
    assert found is comes and says in words
    assert service.woken_by_connection is (triggers == ["x.socket"] and comes is None)


def test_a_unit_that_was_not_hit_does_not_matter_for_what_comes_back():
    service = _services.SystemService("x", {})
    service.units = [_systemd.Unit({"Id": "a.service", "Restart": "always", "MainPID": "7"}), _systemd.Unit({"Id": "b.service", "Restart": "no"})]
    process = _proc.Process(7, 1, "x")
    service._unit_of[process] = "a.service"
    assert service.revival(signal.SIGKILL, [process])[0] is True
    other = _proc.Process(8, 1, "y")
    service._unit_of[other] = "b.service"
    assert service.revival(signal.SIGKILL, [process, other]) == (False, "nothing is set to restart it (b.service has Restart=no)")


def test_a_unit_that_systemd_no_longer_restarts_is_named():
    service = _services.SystemService("x", {})
    failed = [{"Id": "a.service", "Restart": "always", "ActiveState": "failed"}, {"Id": "b.service", "ActiveState": "failed"}]
    service.units = [_systemd.Unit(each) for each in failed]
    assert "given up on a.service, which" in service.given_up()
    service.units[0].state = "active"
    assert service.given_up() == ""


def test_a_unit_that_was_seen_while_nothing_ran_in_it_is_found_when_it_is_back(monkeypatch):
    monkeypatch.setattr(_systemd, "show", lambda names: [_systemd.Unit({"Id": "x.service", "ActiveState": "activating"})])
    service = _services.SystemService("x", {})
    service.units = [_systemd.Unit({"Id": "x.service", "ActiveState": "active", "ControlGroup": "/system.slice/x.service"})]
    service.look_again()
    assert service.units[0].control_group == "/system.slice/x.service"
