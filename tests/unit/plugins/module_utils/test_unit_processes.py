# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes of a unit are the service, whether it only watches others, and whether it comes back."""

from __future__ import annotations

import signal

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _proc, _service_units, _systemd, _unit_processes
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError


# PID: (parent, session); 10 is the main process
_GROUP = {10: (1, 10), 11: (10, 10), 12: (11, 10), 20: (10, 20), 21: (20, 20), 30: (1, 30), 31: (1, 31)}
_DOORS = {10: {"tcp :80"}, 11: {"tcp :80"}, 20: {"tcp :81"}, 31: {"tcp :80"}}


def test_the_service_is_the_main_process_its_workers_and_who_shares_its_door():
    found, loose = _unit_processes.serving(10, _GROUP, lambda pid: _DOORS.get(pid, set()), lambda pid: "app")
    # helpers have a session of their own, 31 was left by an earlier main process and still answers
    assert found == {10, 11, 12, 31}
    assert loose == {12}


# sudo with use_pty has a monitor in between; 30 has left the shell, as who starts a helper does
_CARRIED = {10: (1, 10), 11: (10, 11), 12: (11, 11), 13: (12, 11), 14: (13, 14), 30: (1, 30)}


@pytest.mark.parametrize(("names", "meant"), [
    ({10: "sudo", 11: "sudo"}, {10, 11, 12, 13}), ({10: "setsid"}, {10, 11, 12, 13}), ({10: "script"}, {10, 11, 12, 13}),
    # what a wrapper runs may be a wrapper itself
    ({10: "setsid", 11: "dumb-init"}, {10, 11, 12, 13}), ({10: "sudo", 11: "sudo", 12: "sh", 13: "setsid"}, {10, 11, 12, 13, 14}),
    # one that only starts others goes on to mean itself
    ({10: "neutron-l3-agen", 11: "sudo"}, {10}), ({10: "sh"}, {10}), ({}, {10}),
])
def test_who_only_waits_for_the_service_means_what_it_waits_for(names, meant):
    found, loose = _unit_processes.serving(10, _CARRIED, lambda pid: set(), lambda pid: names.get(pid, "app"))
    assert found == meant and loose == meant - {10}


def test_a_shell_goes_on_to_the_wrapper_that_it_waits_for():
    group = {10: (1, 10), 11: (10, 10), 12: (11, 12), 20: (10, 20)}
    names = {10: "sh", 11: "setsid", 12: "app", 20: "helper"}
    assert _unit_processes.serving(10, group, lambda pid: set(), names.get)[0] == {10, 11, 12}


# PID: (parent, session); 20 is a child of the main process 10, 30 is nobody's
_AGENT = {10: (1, 10), 20: (10, 20), 30: (1, 30)}


@pytest.mark.parametrize(("doors", "asked_ports", "behind"), [
    # the main process listens on nothing, and its child does: which of them is the service nobody can tell
    ({20: {("tcp", 80)}}, [], {20}),
    # agents: a main process with a door, helpers that are nobody's children, helpers without a door
    ({10: {("tcp", 80)}, 20: {("tcp", 81)}}, [], set()), ({30: {("tcp", 81)}}, [], set()), ({}, [], set()),
    # what the definition names is the service
    ({10: {("tcp", 80)}, 30: {("tcp", 81)}}, [("tcp", 81)], {30}), ({10: {("tcp", 80)}, 30: {("tcp", 80)}}, [("tcp", 80)], set()),
])
def test_who_may_serve_in_place_of_the_main_process(doors, asked_ports, behind):
    assert _unit_processes.behind(10, _AGENT, {10}, lambda pid: doors.get(pid, set()), asked_ports) == behind


def unit_of(monkeypatch, doors, **names):
    """A service whose unit ends only its main process."""
    group = [_proc.Process(pid, 1, names.get("p%d" % pid, "python3")) for pid in _AGENT]
    unit = _systemd.Unit({"Id": "x.service", "ActiveState": "active", "KillMode": "process", "MainPID": "10"})
    unit.processes = lambda: group
    monkeypatch.setattr(_proc, "relation", _AGENT.get)
    monkeypatch.setattr(_proc, "lookup", lambda pid: next((process for process in group if process.pid == pid), None))
    monkeypatch.setattr(_proc, "command_line", lambda pid: "")
    monkeypatch.setattr(_unit_processes, "_doors", lambda pid: {str(door) for door in doors.get(pid, ())})
    monkeypatch.setattr(_unit_processes, "ports", lambda pid: doors.get(pid, set()))
    monkeypatch.setattr(_unit_processes, "listens", lambda processes: any(doors.get(process.pid) for process in processes))
    monkeypatch.setattr(_unit_processes, "descendants_elsewhere", lambda unit, processes: [])
    monkeypatch.setattr(_proc, "listening", lambda processes: [])
    monkeypatch.setattr(_systemd, "show", lambda names: [unit])
    monkeypatch.setattr(_systemd, "stops", lambda name: [])
    service = _service_units.SystemService("x", {})
    service.units = [unit]
    return service


@pytest.mark.parametrize("action", ["kill", "freeze", "unplug", "crash_loop"])
def test_a_main_process_that_may_only_be_a_wrapper_is_refused_with_what_to_say(monkeypatch, action):
    service = unit_of(monkeypatch, {20: {("tcp", 80)}})
    with pytest.raises(FaultlineError) as caught:
        service.hit_by(action)
    assert caught.value.code == "wrapper" and "python3[20]" in caught.value.message and "tcp 80" in caught.value.message
    assert "processes=all" in caught.value.hint and "processes=main" in caught.value.hint and "Nothing was touched" in caught.value.hint
    # what the unit itself does is its own, and what is said holds
    service.hit_by("terminate")
    service.hit_by("unfreeze")
    service.asked = "main"
    service.hit_by(action)


def test_what_a_wrapper_runs_is_meant_and_told(monkeypatch):
    service = unit_of(monkeypatch, {20: {("tcp", 80)}}, p10="sudo")
    service.hit_by("kill")
    assert [process.pid for process in service.processes()] == [10, 20]
    notes = service.notes()
    assert any("meant as well: python3[20], for which sudo[10] only waits" in note for note in notes), notes
    assert any("left alone: python3[30]" in note and "processes=all" in note for note in notes)


def test_without_its_main_process_nothing_of_a_unit_is_the_service():
    assert _unit_processes.serving(0, _GROUP, lambda pid: set(), lambda pid: "app") == (set(), set())


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
    service = _service_units.SystemService("x", {})
    service.units = [_systemd.Unit({"Id": "x.service", "Restart": restart, "MainPID": "7", "TriggeredBy": " ".join(triggers)})]
    process = _proc.Process(7, 1, "x")
    service._unit_of[process] = "x.service"
    found, words = service.revival(signal.SIGKILL, [process])
    assert found is comes and says in words
    assert service.woken_by_connection is (triggers == ["x.socket"] and comes is None)


def test_a_unit_that_was_not_hit_does_not_matter_for_what_comes_back():
    service = _service_units.SystemService("x", {})
    service.units = [_systemd.Unit({"Id": "a.service", "Restart": "always", "MainPID": "7"}), _systemd.Unit({"Id": "b.service", "Restart": "no"})]
    process = _proc.Process(7, 1, "x")
    service._unit_of[process] = "a.service"
    assert service.revival(signal.SIGKILL, [process])[0] is True
    other = _proc.Process(8, 1, "y")
    service._unit_of[other] = "b.service"
    assert service.revival(signal.SIGKILL, [process, other]) == (False, "nothing is set to restart it (b.service has Restart=no)")


def test_a_unit_that_systemd_no_longer_restarts_is_named():
    service = _service_units.SystemService("x", {})
    failed = [{"Id": "a.service", "Restart": "always", "ActiveState": "failed"}, {"Id": "b.service", "ActiveState": "failed"}]
    service.units = [_systemd.Unit(each) for each in failed]
    assert "given up on a.service, which" in service.given_up()
    service.units[0].state = "active"
    assert service.given_up() == ""


def test_a_unit_that_was_seen_while_nothing_ran_in_it_is_found_when_it_is_back(monkeypatch):
    monkeypatch.setattr(_systemd, "show", lambda names: [_systemd.Unit({"Id": "x.service", "ActiveState": "activating"})])
    service = _service_units.SystemService("x", {})
    service.units = [_systemd.Unit({"Id": "x.service", "ActiveState": "active", "ControlGroup": "/system.slice/x.service"})]
    service.look_again()
    assert service.units[0].control_group == "/system.slice/x.service"
