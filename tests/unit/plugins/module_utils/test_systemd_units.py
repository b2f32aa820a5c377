# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemctl says of units, whatever their names, and what systemd will do when one has died."""

from __future__ import annotations

import types

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _service_units, _services, _systemd
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._fault._exec import Finished


@pytest.fixture
def systemctl(monkeypatch):
    """A systemctl that refuses the whole call for a name that it is told to refuse; the calls are kept."""
    calls, refused = [], set()

    def run(argv, check=True, **_options):
        names = argv[argv.index("--") + 1:]
        calls.append(names)
        bad = [name for name in names if name in refused]
        if bad and check:
            raise FaultlineError(f"refused {bad}", code="program_failed")
        good = names[:names.index(bad[0])] if bad else names
        return Finished(1 if bad else 0, "\n\n".join(f"Id={name}\nLoadState=loaded\nActiveState=active" for name in good) + "\n", "")

    monkeypatch.setattr(_systemd, "run", run)
    return types.SimpleNamespace(calls=calls, refused=refused)


@pytest.mark.parametrize(("name", "why"), [
    ("nova-api", ""), ("devstack@n-api", ""), ("nova-compute@1.service", ""), ("x.scope", ""), ("dev-disk-by\\x2duuid", ""),
    ("nova-compute@", "template"), ("nova-compute@.service", "template"), ("*nova-api", "no name"), ("nova api", "no name"), ("", "no name"),
    ("/etc/nova", "no name"), ("@1", "no name"), ("x" * 300, "no name"), ("nova-api\n", "no name"),
])
def test_names_that_systemctl_refuses_are_known(name, why):
    assert why in _systemd.wrong_name(name) and bool(why) == bool(_systemd.wrong_name(name))


def test_one_wrong_name_costs_only_its_own_entry(systemctl):
    units = _systemd.show(["a", "nova-compute@", "b"])
    assert [(unit.name, unit.loaded) for unit in units] == [("a.service", True), ("nova-compute@.service", False), ("b.service", True)]
    assert "nova-compute@1.service" in units[1].wrong and systemctl.calls == [["a.service", "b.service"]]


def test_a_name_that_only_systemctl_refuses_costs_only_its_own_entry(systemctl):
    systemctl.refused.add("b.service")
    units = _systemd.show(["a", "b", "c"])
    assert [unit.loaded for unit in units] == [True, False, True] and units[1].wrong == "systemctl refuses 'b'"
    # where it answers nothing at all, it is that which is wrong
    with pytest.raises(FaultlineError):
        _systemd.show(["b"])


def test_a_service_names_what_is_wrong_with_its_units(systemctl, monkeypatch):
    monkeypatch.setattr(_systemd, "booted", lambda: True)
    with pytest.raises(FaultlineError) as caught:
        _services.service("nova-compute", "system_service", {"unit": ["nova-compute@"], "grep": "nova-compute"})
    assert caught.value.code == "bad_unit" and "template" in caught.value.message
    found = _services.service("nova-compute", "system_service", {"unit": ["nova-compute@", "nova-compute"]})
    assert [unit.name for unit in found.units] == ["nova-compute.service"]


def test_a_pattern_that_is_none_costs_a_unit_nothing_and_is_told(systemctl, monkeypatch):
    monkeypatch.setattr(_systemd, "booted", lambda: True)
    found = _services.service("nova-api", "system_service", {"unit": ["nova-api"], "grep": "*nova-api"})
    assert found.grep is None and any("'*nova-api' is not a regular expression" in note for note in found.notes())


@pytest.mark.parametrize(("states", "outside", "looks"), [
    # killed, and not noticed yet; then systemd does
    (["active running", "active running", "activating auto-restart"], False, 3), (["active running", "failed failed"], False, 2),
    # what it has started has ended, or runs where systemd does not know
    (["active exited"], True, 1), (["active running"] * 2, True, None),
])
def test_a_unit_whose_process_has_just_died_is_not_one_that_runs_nothing_itself(monkeypatch, states, outside, looks):
    told = []

    def show(names):
        told.append(states[min(len(told), len(states) - 1)].split())
        return [_systemd.Unit({"Id": "memcached.service", "LoadState": "loaded", "ActiveState": told[-1][0], "SubState": told[-1][1]}) for _name in names]

    monkeypatch.setattr(_systemd, "booted", lambda: True)
    monkeypatch.setattr(_systemd, "show", show)
    monkeypatch.setattr(_service_units, "_UNNOTICED", 10 if looks else 0.2)
    found = _services.service("memcached", "system_service", {"unit": ["memcached"]})
    assert found._outside is outside and (len(told) == looks if looks else len(told) > 2)


@pytest.mark.parametrize(("properties", "number", "handled", "back"), [
    ({"Restart": "always", "RestartPreventExitStatus": "KILL"}, 9, False, False),
    ({"Restart": "always", "RestartPreventExitStatus": "1 SIGKILL"}, 9, False, False),
    ({"Restart": "always", "RestartPreventExitStatus": "1"}, 9, False, True),
    ({"Restart": "no", "RestartForceExitStatus": "9 KILL"}, 9, False, True),
    ({"Restart": "no", "RestartForceExitStatus": "9"}, 9, False, False),
    ({"Restart": "on-failure", "SuccessExitStatus": "143 KILL"}, 9, False, False),
    ({"Restart": "on-failure", "SuccessExitStatus": "143"}, 9, False, True),
    ({"Restart": "on-success"}, 15, False, True), ({"Restart": "on-watchdog"}, 9, False, False),
    # what a process makes of a signal is its own business
    ({"Restart": "always"}, 15, True, True), ({"Restart": "on-failure"}, 15, True, None), ({"Restart": "on-success"}, 15, True, None),
    ({"Restart": "on-abort"}, 6, True, False), ({"Restart": "no"}, 15, True, False), ({"Restart": "no", "RestartForceExitStatus": "1"}, 15, True, None),
    ({"Restart": "always", "RestartPreventExitStatus": "1"}, 15, True, None),
])
def test_whether_systemd_starts_a_unit_again(properties, number, handled, back):
    assert _systemd.Unit(properties).comes_back_from(number, handled) is back


def test_who_a_units_own_stop_names(monkeypatch):
    told = ("{ path=/usr/bin/systemctl ; argv[]=/usr/bin/systemctl --no-block stop lib-x.scope x.service y ; ignore_errors=no ; pid=0 }\n"
            "{ path=/bin/sh ; argv[]=/bin/sh -c rm /run/a.service ; ignore_errors=no }\n"
            "{ path=/usr/bin/systemctl ; argv[]=/usr/bin/systemctl start b.service ; ignore_errors=no }\n")
    monkeypatch.setattr(_systemd, "run", lambda argv, **options: Finished(0, told, ""))
    assert _systemd.stops("x.service") == ["lib-x.scope", "y.service"]
