# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power: real domains under libvirt, real BMCs in front of them; what is asserted is what the hypervisor says."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import sysconfig

import pytest
import yaml
from lab_bmcs import IpmiSim, Redfish, VirtualBmc
from lab_deadlines import kill, lasting
from lab_nodes import JOURNAL, LAB, LONG, ROOT, wait_for
from lab_power import do, faults_here, keepers, record, refused, start
from patience import HANG, more_time
from warm_ansible import run_ansible

GUEST = "power"


# ---- libvirt


@pytest.mark.gate
def test_poweroff_takes_the_power_away_until_the_deadline(power):
    before = power.boot_id()

    def off(seconds):
        answer = do(power, "poweroff", duration=seconds)
        assert answer["proof"]["state"] == "off" and answer["undo"]["state"] == "armed"
        return answer["fault"]["id"]

    seen, after = lasting(record, off, lambda: (power.state, power.answers()))
    assert seen == ("shut off", False) and power.state == "running"
    assert (after["state"], after["held"], after["residue"]) == ("undone", True, [])
    power.wait_up()
    assert power.boot_id() != before


def test_poweroff_that_waits_tells_how_long_the_host_took_to_boot(power):
    answer = do(power, "poweroff", duration=2, wait=True)
    assert answer["undo"]["state"] == "undone" and answer["residue"] == []
    assert answer["boot"]["boot_id"] == power.boot_id() and answer["boot"]["seconds"] > 0
    assert "answers after" in answer["msg"]


def test_poweron_ends_a_poweroff_and_finds_nothing_to_do_then(power):
    answer = do(power, "poweroff")
    assert power.state == "shut off" and answer["undo"]["deadline"] is None
    on = do(power, "poweron", wait=True)
    assert power.state == "running" and on["proof"]["undone"] == [answer["fault"]["id"]]
    again = do(power, "poweron")
    assert not again["changed"] and again["msg"] == "poweron has nothing to do for power"


def test_what_others_switched_off_is_refused_by_poweroff_left_by_undo_and_switched_on_by_poweron(power):
    power.power_off()
    assert "is off already, and not by us" in refused(power, "poweroff", "already_off")["msg"]
    assert not do(power, "undo")["changed"] and power.state == "shut off"
    assert do(power, "poweron")["proof"]["state"] == "on" and power.state == "running"


def test_reset_is_seen_by_the_hypervisor_and_by_the_host_s_next_boot(power):
    before = power.boot_id()
    answer = do(power, "reset", wait=True)
    assert answer["proof"]["restart_seen_by"] == "the hypervisor's reboot event" and answer["undo"]["state"] == "none"
    assert answer["boot"]["boot_id"] == power.boot_id() != before


def test_reboot_asks_the_guest(power):
    before = power.boot_id()
    do(power, "reboot", wait=True)
    assert power.boot_id() != before


def test_shutdown_asks_the_guest_and_is_undone_by_switching_it_on(power):
    answer = do(power, "shutdown", duration=3, wait=True)
    assert answer["proof"]["state"] == "off" and answer["undo"]["steps"] == [f"switch on libvirt domain {power.domain}"]
    assert power.state == "running"


def test_a_guest_that_ignores_its_button_is_no_shutdown(power):
    power.ssh("killall acpid")
    answer = refused(power, "shutdown", "unproven", state_timeout=3)
    assert f"shutdown of power is not proven: after 3 seconds libvirt domain {power.domain} is still on." in answer["msg"]
    # the next one knows the button again
    power.power_off()
    power.power_on()


def test_a_snapshot_brings_the_memory_back(power):
    before = power.boot_id()
    power.ssh("echo kept > /tmp/mark")
    answer = do(power, "snapshot", snapshot="before")
    assert answer["proof"] == {"snapshot": "before", "state": "on", "read_from": f"libvirt domain {power.domain}"}
    refused(power, "snapshot", "exists", snapshot="before")
    power.ssh("echo lost > /tmp/mark")
    do(power, "revert", snapshot="before", wait=True)
    assert power.ssh("cat /tmp/mark") == "kept" and power.boot_id() == before
    assert "It has: before." in refused(power, "revert", "no_snapshot", snapshot="never")["msg"]


@pytest.mark.parametrize("order", [1, -1], ids=["the first ends first", "the last ends first"])
def test_of_two_poweroffs_the_one_that_ends_last_switches_on(power, order):
    early, late = [do(power, "poweroff")["fault"]["id"] for _count in range(2)][::order]
    undo_here(early)
    assert power.state == "shut off" and record(early)["left_to"] == [late]
    undo_here(late)
    assert power.state == "running" and record(late)["residue"] == []


def undo_here(fault_id):
    """By the module that knows nothing of power: the program that armed the fault does it."""
    done = run_ansible(["ansible", "localhost", "-m", "faultline.openstack.os_fault_undo", "-a", f"id={fault_id}"])
    assert done.returncode == 0 and record(fault_id)["state"] == "undone", done.stdout


def test_check_mode_asks_and_touches_nothing(power):
    answer = do(power, "poweroff", "--check", "--diff", duration=60)
    assert answer.diff == ([f"libvirt domain {power.domain}: on"], [f"libvirt domain {power.domain}: off"])
    assert answer["changed"] and answer["undo"]["state"] == "planned" and answer["plan"] == [
        f"poweroff libvirt domain {power.domain} by libvirt"]
    assert power.state == "running" and power.answers()


def test_an_action_without_an_undo_refuses_a_duration(power):
    assert "Actions with an undo: poweroff, shutdown." in refused(power, "reset", "no_undo", duration=3)["msg"]


@pytest.mark.parametrize("known_by", ["mac", "fqdn"])
def test_a_host_is_found_by_its_mac_in_any_case_or_its_name(power, known_by):
    args = {"mac": power.mac.upper()} if known_by == "mac" else {"fqdn": power.domain}
    answer = power.call("os_power_info", args)
    assert (answer["state"], answer["driver"], answer["machine"]) == ("on", "libvirt", f"libvirt domain {power.domain}")


def test_a_host_that_no_driver_knows_is_named_with_what_was_looked_for(power):
    answer = refused(power, "poweroff", "not_found", libvirt_name="nobody")
    assert "No power driver knows power." in answer["msg"] and "libvirt_name nobody" in answer["msg"]


def test_a_driver_that_cannot_be_asked_is_passed_over_with_a_warning(power):
    drivers = [{"driver": "libvirt", "args": {"connection_uri": uri}} for uri in ("qemu+unix:///system?socket=/nowhere", power.lab.uri)]
    answer = power.call("os_power_info", {"power": drivers})
    assert answer["state"] == "on"
    assert "[WARNING]: libvirt at qemu+unix:///system?socket=/nowhere cannot be reached" in answer.output


# ---- who undoes it


def test_ansible_killed_leaves_no_host_off(power):
    def off(seconds):
        playing, fault_id = start(power, action="poweroff", duration=seconds, wait=True)
        kill(playing)
        return fault_id

    seen, after = lasting(record, off, lambda: power.state)
    assert seen == "shut off" and power.state == "running"
    assert after["state"] == "undone" and after["held"] is True


def test_one_keeper_killed_the_other_switches_on_at_once(power):
    fault_id = do(power, "poweroff", duration=LONG)["fault"]["id"]
    # the second of the two is the first's child
    os.kill(keepers(fault_id)[-1], signal.SIGKILL)
    wait_for(lambda: power.state == "running")
    wait_for(lambda: record(fault_id)["state"] == "undone")


# ---- BMCs


@pytest.mark.parametrize("bmc", [
    pytest.param(VirtualBmc, id="virtualbmc", marks=pytest.mark.gate), pytest.param(IpmiSim, id="ipmi_sim"),
    pytest.param(Redfish, id="redfish", marks=pytest.mark.gate),
], indirect=True)
def test_a_bmc_switches_off_and_on_and_no_password_is_left_anywhere(power, bmc, by_bmc, tmp_path):
    vm = by_bmc()
    secret = bmc.entry["password"]
    assert vm.call("os_power_info", {})["state"] == "on"
    # the password is a new one in each run: only what was written since may have it
    marker = tmp_path / "begun"
    marker.touch()

    def off(seconds):
        answer = do(vm, "poweroff", "-vvv", duration=seconds)
        assert answer["proof"]["state"] == "off" and secret not in answer.output
        return answer["fault"]["id"]

    def look():
        shown = []
        for pid in keepers(*faults_here("power")):
            # they are gone where the fault is over
            with contextlib.suppress(OSError):
                shown += [pathlib.Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        return power.state, shown, subprocess.run(
            ["find", JOURNAL, str(pathlib.Path.home() / ".ansible"), "/run", "/tmp", "-xdev", "-path", "*/pytest-*", "-prune", "-o",
             "-newer", str(marker), "-type", "f", "-exec", "grep", "-lF", "-e", secret, "{}", "+"],
            capture_output=True, text=True, check=False).stdout.split()

    (state, shown, found), after = lasting(record, off, look)
    assert state == "shut off" and shown and not any(secret.encode() in each for each in shown)
    assert found == []
    assert power.state == "running" and after["state"] == "undone"


def test_a_reset_that_the_bmc_cannot_show_is_proven_by_the_host_s_next_boot(power, by_bmc):
    before = power.boot_id()
    answer = do(by_bmc(), "reset")
    assert answer["proof"]["restart_seen_by"] == f"the host's new boot {power.boot_id()}" and power.boot_id() != before


def test_a_bmc_that_refuses_the_password_and_one_that_is_silent_are_told_apart(power, bmc, by_bmc):
    answer = refused(by_bmc(password="wrong"), "poweroff", "bad_credentials")
    assert "refuses the user name or the password" in answer["msg"]
    bmc.silence()
    try:
        silent = refused(by_bmc(), "poweroff", "no_answer")
    finally:
        bmc.wake()
    assert "silent" in silent["msg"] or "did not answer" in silent["msg"]
    assert power.state == "running"


def test_what_the_controller_s_reboot_interrupted_is_healed_with_the_inventory_s_password(power, bmc, by_bmc):
    vm = by_bmc()
    answer = do(vm, "poweroff", duration=LONG)
    # both at once: neither may see the other go
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in keepers(answer["fault"]["id"]):
            os.kill(pid, number)
    assert power.state == "shut off"
    healing = play("heal", vm, "-e", "targets=power")
    # a guest without Python is no host for the rest of that playbook
    assert power.state == "running", healing
    assert record(answer["fault"]["id"])["state"] == "undone"


def play(name, vm, *options):
    done = run_ansible(["ansible-playbook", f"faultline.openstack.{name}", "-i", vm.inventory, "-e", f"recovery_timeout={HANG}", *options])
    return done.stdout + done.stderr


def test_who_is_not_root_keeps_the_journal_at_home(power, tmp_path):
    with IpmiSim(power, tmp_path / "bmc") as bmc:
        home = tmp_path / "home"
        home.mkdir()
        key = home / "key"
        key.write_bytes((ROOT / ".lab-vm" / "id_ed25519").read_bytes())
        host = yaml.safe_load(pathlib.Path(power.inventory).read_text())["all"]["hosts"]["power"]
        host.update(
            ansible_ssh_private_key_file=str(key), ansible_ssh_common_args="-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
            # nothing of it may be for the controller
            ansible_become=True, faultline_power=[{"driver": "ipmi", "args": {"fqdn_to_bmc": {"power": bmc.entry}}}])
        (home / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {"power": host}}}))
        for path in (*home.iterdir(), home):
            path.chmod(0o700 if path is home else 0o600)
            os.chown(path, 65534, 65534)
        for folder in (tmp_path, *tmp_path.parents):
            if str(folder).startswith("/tmp/pytest-"):
                folder.chmod(0o755)
        state = home / ".local" / "state" / "faultline"

        def off(seconds):
            known = faults_here("power", state)
            done = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
                 # ours may be where only root can read
                 "/usr/bin/python3", "-m", "ansible", "adhoc", "-i", str(home / "inventory.yml"), "power", "-m", "faultline.openstack.os_power",
                 "-a", json.dumps({"action": "poweroff", "duration": seconds, "state_timeout": HANG})],
                cwd=ROOT, env={**os.environ, "HOME": str(home), "USER": "nobody", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
                               "PYTHONPATH": sysconfig.get_path("purelib")},
                capture_output=True, text=True, timeout=HANG, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            (fault_id,) = faults_here("power", state) - known
            return fault_id

        seen, after = lasting(lambda fault_id: record(fault_id, state), off, lambda: (power.state, state.stat().st_uid))
        assert seen == ("shut off", 65534)
        assert power.state == "running" and after["state"] == "undone"


# ---- another cloud


def test_a_cloud_that_refuses_the_login_and_one_without_servers_are_told_apart(lab, power):
    """There is a Keystone here, and no Nova."""
    assert lab
    cloud = yaml.safe_load((LAB / "clouds.yaml").read_text())["clouds"]["faultline-lab"]
    for auth, code, piece in (
        (dict(cloud["auth"], password="wrong"), "bad_credentials", "refuses the user name or the password"),
        (dict(cloud["auth"], auth_url="http://127.0.0.1:1/v3"), "no_answer", "cannot be reached"),
        (cloud["auth"], "driver_failed", "compute"),
    ):
        args = {"power": [{"driver": "openstack", "args": {"auth": auth, "region_name": "RegionOne"}}]}
        answer = power.call("os_power_info", args)
        assert answer.failed and answer["failure"]["code"] == code and piece in answer["msg"], answer.output
        assert auth["password"] not in answer.output or auth["password"] == "wrong"


# ---- several hosts, sentences, guards


def test_stagger_goes_from_host_to_host(power, make_vm, tmp_path):
    other = make_vm("power2", kind="tiny", memory=128)
    hosts = {vm.name: yaml.safe_load(pathlib.Path(vm.inventory).read_text())["all"]["hosts"][vm.name] for vm in (power, other)}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    for stagger in more_time(4):
        done = run_ansible(
            ["ansible", "-i", str(tmp_path / "inventory.yml"), "all", "-m", "faultline.openstack.os_power",
             "-a", json.dumps({"action": "snapshot", "snapshot": f"staggered-{stagger}", "stagger": stagger})],
            ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal")
        told = dict(re.findall(r'^(power2?) \| CHANGED.*?"injected_at": "([^"]+)"', done.stdout, re.MULTILINE | re.DOTALL))
        assert set(told) == {"power", "power2"}, done.stdout
        began = [told[name] for name in ("power", "power2")]
        seconds = [sum(float(part) * factor for part, factor in zip(text[11:-1].split(":"), (3600, 60, 1), strict=True)) for text in began]
        # the first one may be late
        if (seconds[1] - seconds[0]) % 86400 >= 0.75 * stagger:
            break
    assert 0.75 * stagger <= (seconds[1] - seconds[0]) % 86400 < 43200


def test_sentences_switch_a_host_off_for_a_time_and_until_another_sentence(power):
    out = play("disrupt", power, "-e", json.dumps({"fault": ["poweroff power node for 3 seconds", "poweroff power node", "poweron power node"]}))
    assert "failed=0" in out and out.count("residue: none") == 3, out
    assert "nothing left behind; answers after" in out and f"power: on (libvirt domain {power.domain}); answers after" in out
    assert power.state == "running"


def test_the_controller_itself_is_refused(lab, power):
    # the nodes of the lab are containers: they run the kernel of the controller
    node = lab["ctl1"]
    args = {"action": "poweroff", "libvirt_name": power.domain, "power": [{"driver": "libvirt", "args": {"connection_uri": power.lab.uri}}]}
    answer = node.call("os_power", args)
    assert answer.failed and "ctl1 is the machine that the controller runs on" in answer["msg"]
    assert power.state == "running"


def test_a_watcher_acts_in_the_controller_s_place(power, tmp_path):
    inventory = yaml.safe_load(pathlib.Path(power.inventory).read_text())
    inventory["all"]["hosts"]["keeper"] = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    vm = type(power)(power.name, power.domain, tmp_path / "inventory.yml", power.address, power.kind, power.lab)
    assert "The watcher nobody is not in the inventory" in refused(vm, "poweroff", "unknown_node", watcher="nobody")["msg"]
    answer = do(vm, "poweroff", watcher="keeper", duration=3, wait=True)
    assert answer["undo"]["state"] == "undone" and power.state == "running"
