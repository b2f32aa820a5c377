# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power without any machine: deadlines of drivers, who a node is, what is secret, and which driver is asked."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest
from patience import HANG, more_time

from ansible_collections.faultline.openstack.plugins.module_utils._fault import (
    _engine,
    _journal,
    _power,
    _power_faults,
    _power_ipmi,
    _power_libvirt,
    _power_machines,
    _power_openstack,
    _power_redfish,
    _power_steps,
    _runner,
    _steps,
    _supervisor,
)
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

MAC = "52:54:00:fa:00:0b"
BMC = {"address": "192.0.2.1", "username": "admin", "password": "s3cret"}


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setattr(_steps, "KEYS", {})


# ---- a deadline that nothing outlives


def test_what_a_driver_says_comes_back():
    assert _power.within(HANG, lambda: {"state": "on"}, "it") == {"state": "on"}


def test_an_error_of_a_driver_comes_back_whole():
    def fails():
        raise FaultlineError("no.", code="bad_credentials", hint="Look.", details={"a": 1})

    with pytest.raises(FaultlineError) as caught:
        _power.within(HANG, fails, "it")
    assert (caught.value.message, caught.value.code, caught.value.hint, caught.value.details) == ("no.", "bad_credentials", "Look.", {"a": 1})


def test_a_driver_that_hangs_is_ended(tmp_path):
    def hangs():
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(4321)

    for seconds in more_time(0.5):
        with pytest.raises(FaultlineError) as caught:
            _power.within(seconds, hangs, "BMC 192.0.2.1", "Is it there?")
        assert caught.value.code == "no_answer"
        assert caught.value.text == f"BMC 192.0.2.1 did not answer within {seconds:g} seconds. Is it there?"
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_driver_that_dies_is_an_error():
    with pytest.raises(FaultlineError) as caught:
        _power.within(HANG, lambda: os._exit(0), "BMC 192.0.2.1")
    assert caught.value.message == "The process that asked BMC 192.0.2.1 died."


def test_a_library_that_is_missing_is_named_with_its_package():
    with pytest.raises(FaultlineError) as caught:
        _power.library("no_such_library.part", "no-such-package")
    assert caught.value.code == "missing_library" and caught.value.hint == "pip install no-such-package"
    assert caught.value.message.startswith("The Python library no_such_library is not installed")


# ---- who a node is


@pytest.mark.parametrize("node, key", [
    ({"mac": MAC}, MAC.upper()),
    ({"mac": MAC.upper().replace(":", "-")}, MAC.upper()),
    ({"mac": "52:54:00:00:00:99", "fqdn": "Node-1.example.org"}, "node-1.EXAMPLE.org"),
    ({"name": "node-1.example.org"}, "node-1.EXAMPLE.org"),
    ({"mac": "", "fqdn": "node-2"}, None),
])
def test_which_bmc_is_a_node_s(node, key):
    args = {"mac_to_bmc": {MAC.upper(): BMC}, "fqdn_to_bmc": {"node-1.EXAMPLE.org": BMC}}
    assert _power.mapped(args, node) == (key, BMC if key else None)


@pytest.mark.parametrize("entry, found", [
    ({"address": "192.0.2.1"}, ("192.0.2.1", 623)),
    ({"address": "192.0.2.1", "port": "6230"}, ("192.0.2.1", 6230)),
    ({"address": "192.0.2.1:6230"}, ("192.0.2.1", 6230)),
    ({"address": "[2001:db8::1]:6230"}, ("2001:db8::1", 6230)),
    ({"address": "2001:db8::1"}, ("2001:db8::1", 623)),
])
def test_addresses_of_bmcs(entry, found):
    assert _power.address_and_port(entry, 623) == found


def test_a_port_that_is_none_is_refused():
    with pytest.raises(FaultlineError) as caught:
        _power.address_and_port({"address": "192.0.2.1:ipmi"}, 623)
    assert caught.value.message == "'ipmi' is not a port of a BMC."


@pytest.mark.parametrize("driver", [_power_ipmi, _power_redfish])
def test_a_machine_holds_no_secret(driver):
    machine, secret = driver.find({"mac_to_bmc": {MAC: BMC}}, {"mac": MAC, "name": "n1"})
    assert "s3cret" not in json.dumps(machine) and secret == {machine["key"]: "s3cret"}
    assert driver.find({"mac_to_bmc": {MAC: BMC}}, {"mac": "52:54:00:00:00:01", "name": "n1"}) is None


@pytest.mark.parametrize("driver, args, piece", [
    (_power_libvirt, {}, "needs connection_uri"),
    (_power_openstack, {}, "needs cloud or auth"),
    (_power_ipmi, {"fqdn_to_bmc": {"n1": {}}}, "The BMC of n1 has no address."),
    (_power_redfish, {"fqdn_to_bmc": {"n1": {}}}, "The BMC of n1 has no address."),
])
def test_a_driver_without_its_options(driver, args, piece):
    with pytest.raises(FaultlineError) as caught:
        driver.find(args, {"name": "n1"})
    assert caught.value.code == "bad_option" and piece in caught.value.message


def test_a_libvirt_that_knows_the_driver_test_is_asked_for_real():
    machine, troubles = _power_machines.find(
        [{"driver": "ipmi", "args": {}}, {"driver": "libvirt", "args": {"connection_uri": "test:///default"}}], {"name": "n", "libvirt_name": "test"}, 10)
    assert (machine.words, troubles) == ("libvirt domain test", [])
    assert machine.state() == "on" and machine.wait_state("off", 0.1)["state"] == "on"


def test_drivers_that_nobody_knows_and_nodes_that_no_driver_knows():
    node = {"name": "n1", "mac": MAC}
    for managers, code, piece in (
        ([], "no_driver", "No power driver is given for n1."),
        ([{"driver": "ilo"}], "no_driver", "'ilo' is not a power driver. There are: libvirt, ipmi, redfish, openstack."),
        ([{"driver": "ipmi", "args": []}], "not_found", f"No power driver knows n1. Nothing was touched. The host is known by mac {MAC}"),
        ([{"driver": "ipmi", "args": "x"}], "bad_option", "args of the power driver ipmi is not a dictionary."),
        ([{"driver": "libvirt", "args": {"connection_uri": "qemu+unix:///system?socket=/nowhere"}}], "no_answer", "cannot be reached"),
    ):
        with pytest.raises(FaultlineError) as caught:
            _power_machines.find(managers, node, 10)
        assert caught.value.code == code and piece in caught.value.text


# ---- what is secret


def test_only_what_is_secret_is_hidden():
    power = [
        {"driver": "ipmi", "args": {"mac_to_bmc": {MAC: BMC}}},
        {"driver": "openstack", "args": {"auth": {"username": "me", "password": "p2", "auth_url": "http://c"}, "region_name": "r"}},
        {"driver": "openstack", "args": {"auth": {"application_credential_id": "i", "application_credential_secret": "p3"}}},
    ]
    assert _power_faults.secrets(power) == {"s3cret", "p2", "p3"}


def test_a_machine_whose_password_is_nowhere_says_who_has_it():
    machine = _power_machines.Machine({"driver": "ipmi", "words": "BMC 192.0.2.1:623", "key": "ipmi:admin@192.0.2.1:623"})
    with pytest.raises(FaultlineError) as caught:
        machine.state()
    assert caught.value.code == "no_key" and "action=undo" in caught.value.hint


def test_the_watchers_get_the_keys_by_a_pipe_and_the_journal_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(_journal, "HOME", str(tmp_path))
    monkeypatch.setitem(_steps.KEYS, "ipmi:a@b:1", "s3cret")
    _journal.make_folders()
    program = tmp_path / "program"
    program.write_text(
        "import os, sys\n"
        "assert sys.argv[1] == 'watch', sys.argv\n"
        f"open({str(tmp_path / 'got')!r}, 'w').write(os.fdopen(int(sys.argv[4])).read())\n"
        "os.write(int(sys.argv[3]), b'1')\n")
    record = {"id": "poweroff-00000000", "program": ["/usr/bin/python3", str(program)]}
    assert _supervisor.arm(record) == {"type": "watchers"}
    assert json.loads((tmp_path / "got").read_text()) == {"ipmi:a@b:1": "s3cret"}


def test_the_program_that_gives_power_back_is_whole_and_sees_its_libraries(tmp_path, monkeypatch):
    monkeypatch.setattr(_journal, "HOME", str(tmp_path))
    monkeypatch.setattr(_steps, "STEPS", {_power_steps.PowerOn.type: _power_steps.PowerOn})
    _journal.make_folders()
    program = _supervisor.install_runner()
    assert "-S" not in program and "-I" not in program
    done = subprocess.run([*program, "no-such-command"], capture_output=True, text=True, check=False, cwd="/", env={"HOME": str(tmp_path)})
    assert done.returncode == 2 and "sweep" in done.stderr
    code = "import faultline._power as power; print(power.library('pyghmi.exceptions', 'pyghmi').__name__)"
    done = subprocess.run([*program[:-1], "-c", code], capture_output=True, text=True, check=True, cwd=program[-1], env={"HOME": str(tmp_path)})
    assert done.stdout == "pyghmi.exceptions\n"


def test_a_journal_of_who_is_not_root_is_theirs_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(FaultlineError) as caught:
        _journal.trust(str(tmp_path))
    assert caught.value.message == f"{tmp_path} is not user 4711's alone; no undo is run from there."
    assert "It must be owned by user 4711" in caught.value.hint


# ---- the faults


@pytest.fixture
def domain(tmp_path, monkeypatch):
    """libvirt's own test driver has the state of one process only; here it is a file."""
    state = tmp_path / "state"
    state.write_text("on")

    class Session:
        def __init__(self, machine, key):
            pass

        def close(self):
            pass

        def state(self):
            return state.read_text()

        def on(self):
            state.write_text("on")

        def off(self):
            state.write_text("off")

        def shutdown(self):
            """A guest that does not listen."""

    machine = {"driver": "libvirt", "words": "libvirt domain n1", "key": "", "uuid": "u", "macs": []}
    monkeypatch.setattr(_power_libvirt, "find", lambda args, node: (machine, {}))
    monkeypatch.setattr(_power_libvirt, "Session", Session)
    monkeypatch.setattr(_journal, "HOME", str(tmp_path / "faultline"))
    monkeypatch.setattr(_supervisor, "arm", lambda record: {"type": "none"})
    monkeypatch.setattr(_supervisor, "install_runner", lambda: ["/no/program"])
    return state


def fault(action, seconds=0.3):
    return _power_faults.make(action, {"name": "n1", "mac": MAC}, [{"driver": "libvirt"}], seconds, "s")


def test_two_poweroffs_are_undone_by_the_last(domain):
    first = _engine.perform(fault("poweroff"))["fault"]["id"]
    second = _engine.perform(fault("poweroff"))["fault"]["id"]
    assert _runner.undo(first)["left_to"] == [second] and domain.read_text() == "off"
    assert _runner.undo(second)["state"] == "undone" and domain.read_text() == "on"


def test_what_is_not_proven_is_undone_and_closed(domain):
    with pytest.raises(FaultlineError) as caught:
        _engine.perform(fault("shutdown"))
    assert caught.value.code == "unproven" and "after 0.3 seconds libvirt domain n1 is still on" in caught.value.message
    assert _journal.open_records() == [] and domain.read_text() == "on"


@pytest.mark.parametrize("action, state, code", [
    ("poweroff", "off", "already_off"), ("reset", "off", "not_on"), ("reboot", "paused", "not_on"),
])
def test_a_state_that_the_action_does_not_fit_is_refused(domain, action, state, code):
    domain.write_text(state)
    with pytest.raises(FaultlineError) as caught:
        _engine.perform(fault(action))
    assert caught.value.code == code and domain.read_text() == state


def test_an_undo_that_the_machine_does_not_follow_is_residue(domain, monkeypatch):
    fault_id = _engine.perform(fault("poweroff"))["fault"]["id"]
    monkeypatch.setattr(_power_libvirt.Session, "on", lambda self: None)
    monkeypatch.setattr(_power_steps, "_ON", 0.2)
    after = _runner.undo(fault_id)
    assert after["state"] == "residue" and after["residue"] == ["libvirt domain n1 is off"]


def test_a_machine_that_was_taken_away_meanwhile_is_no_residue(domain, monkeypatch):
    fault_id = _engine.perform(fault("poweroff"))["fault"]["id"]

    def gone(self, machine, key):
        raise FaultlineError("libvirt domain n1 is gone.", code="not_found")

    monkeypatch.setattr(_power_libvirt.Session, "__init__", gone)
    after = _runner.undo(fault_id)
    assert (after["state"], after["held"]) == ("undone", False)
    assert after["notes"] == ["libvirt domain n1 is gone; nothing was there to be switched on"]


def test_a_domain_that_would_be_gone_once_it_is_off_is_refused(domain, monkeypatch):
    machine = dict(_power_libvirt.find({}, {})[0], transient=True)
    monkeypatch.setattr(_power_libvirt, "find", lambda args, node: (machine, {}))
    with pytest.raises(FaultlineError) as caught:
        _engine.perform(fault("poweroff"))
    assert caught.value.code == "transient" and domain.read_text() == "on"


def test_the_controller_s_own_machine_is_refused(domain, monkeypatch):
    monkeypatch.setattr(_power_faults, "_own_macs", lambda: {MAC})
    with pytest.raises(FaultlineError) as caught:
        _engine.perform(fault("poweroff"))
    assert caught.value.code == "guarded" and domain.read_text() == "on"


def test_an_undo_asks_no_driver_where_nothing_is_open(monkeypatch, tmp_path):
    monkeypatch.setattr(_journal, "HOME", str(tmp_path))
    asked = _power_faults.make("undo", {"name": "n1"}, [], 1, "s")
    assert _engine.perform(asked)["msg"] == "undo has nothing to do for n1"


def test_a_node_has_a_name():
    nothing = dict.fromkeys(("node", "libvirt_name", "mac", "fqdn"))
    assert _power_faults.node_of(dict(nothing, mac=MAC))["name"] == MAC
    with pytest.raises(FaultlineError) as caught:
        _power_faults.node_of(nothing)
    assert caught.value.message == "Nothing says which node is meant."
