# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mask and crash_loop of services: what systemd itself says meanwhile, the undo, nothing left."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess

import pytest
import yaml
from lab_nodes import wait_for


def start(node, unit="memcached"):
    """What systemd answers to who starts a unit."""
    return node.sh(f"systemctl start {unit} 2>&1 && echo started", check=False)


def test_a_masked_service_cannot_be_started_until_it_is_undone(spare):
    answer = spare.fault("memcached", "mask", duration=6)
    assert "is masked" in start(spare) and not spare.active("memcached")
    assert "is masked" in answer["proof"]["start"]["memcached.service"]
    spare.wait_healed()
    assert spare.active("memcached") and spare.sh("systemctl is-enabled memcached") == "enabled"
    record = spare.record(answer["fault"]["id"])
    assert record["held"] is True and record["residue"] == [] and record["state"] == "undone"


def test_a_unit_of_etc_is_masked_too_and_start_undoes_it(spare):
    spare.sh("printf '[Service]\\nExecStart=/usr/bin/sleep infinity\\n' > /etc/systemd/system/theirs.service; systemctl daemon-reload; systemctl start theirs")
    try:
        answer = spare.fault("theirs", "mask")
        assert "is masked" in start(spare, "theirs")
        healed = spare.fault("theirs", "start")
        assert healed["proof"]["undone"] == [answer["fault"]["id"]] and spare.active("theirs")
        assert "sleep infinity" in spare.sh("cat /etc/systemd/system/theirs.service")
    finally:
        spare.sh("systemctl stop theirs; rm /etc/systemd/system/theirs.service; systemctl daemon-reload")


def test_what_somebody_else_has_masked_stays_masked(spare):
    spare.sh("systemctl stop memcached; systemctl mask -q memcached")
    try:
        answer = spare.refused("memcached", "mask", duration=5)
        assert answer["failure"]["code"] == "already_masked" and "not by us" in answer["msg"]
        assert os.devnull in spare.sh("readlink /etc/systemd/system/memcached.service")
    finally:
        spare.sh("systemctl unmask -q memcached; systemctl start memcached")


@pytest.mark.parametrize("first, second", [("mask", "mask"), ("terminate", "mask"), ("crash_loop", "mask"), ("crash_loop", "crash_loop")])
@pytest.mark.parametrize("reverse", [False, True], ids=["first_undone_first", "second_undone_first"])
def test_two_that_keep_a_service_down_are_undone_in_both_orders(spare, first, second, reverse):
    faults = [spare.fault("memcached", action, duration=300) for action in (first, second)]
    if reverse:
        faults.reverse()
        first, second = second, first
    spare.heal(faults[0])
    if second == "crash_loop":
        seen = spare.record(faults[1]["fault"]["id"])["proof"]["kills"]
        # nothing lives long, or it has run into its start limit
        wait_for(lambda: spare.record(faults[1]["fault"]["id"])["proof"]["kills"] > seen or not spare.active("memcached"))
    else:
        assert not spare.active("memcached"), "the undo of one took the other away"
        assert ("is masked" in start(spare)) == (second == "mask") or second == "terminate"
    spare.heal(faults[1])
    wait_for(lambda: spare.active("memcached"))
    assert spare.open_faults() == []


def test_a_crash_loop_kills_whatever_comes_back_and_counts_it(spare):
    before = spare.processes("memcached")
    answer = spare.fault("memcached", "crash_loop", duration=8)
    assert [p["pid"] for p in answer["proof"]["gone"]] == before
    assert answer["proof"]["restarts_by_itself"] is True
    spare.wait_healed()
    record = spare.record(answer["fault"]["id"])
    assert record["proof"]["kills"] >= 2 and record["held"] is True and record["residue"] == []
    assert spare.active("memcached")
    pid = spare.processes("memcached")
    # nobody kills any more
    spare.fault("memcached", "freeze", duration=2, wait=True)
    assert spare.processes("memcached") == pid
    assert spare.sh("systemctl list-units --all --plain --no-legend 'faultline-work-*'") == ""


def test_a_crash_loop_into_the_start_limit_is_part_of_the_effect_and_undone(spare):
    spare.sh("mkdir -p /run/systemd/system/memcached.service.d; printf '[Unit]\\nStartLimitBurst=2\\nStartLimitIntervalSec=300\\n[Service]\\nRestartSec=0\\n'"
             " > /run/systemd/system/memcached.service.d/limit.conf; systemctl daemon-reload")
    try:
        answer = spare.fault("memcached", "crash_loop", duration=300)
        wait_for(lambda: spare.sh("systemctl is-failed memcached", check=False) == "failed")
        spare.heal(answer)
        assert spare.active("memcached")
    finally:
        spare.sh("rm -r /run/systemd/system/memcached.service.d; systemctl daemon-reload")


def test_a_crash_loop_outlives_its_controller_and_ends_at_its_deadline(spare):
    playing = spare.start("os_service_fault", {"service": "memcached", "action": "crash_loop", "duration": 8, "wait": True})
    fault_id = wait_for(spare.open_faults)[0]
    wait_for(lambda: spare.record(fault_id)["proof"].get("kills"))
    os.killpg(playing.pid, signal.SIGKILL)
    playing.wait()
    spare.wait_healed()
    assert spare.record(fault_id)["state"] == "undone" and spare.active("memcached")


def test_a_reboot_ends_a_mask_and_a_crash_loop(spare):
    masked = spare.fault("memcached", "mask", duration=900)
    subprocess.run(["docker", "restart", "--time", "5", spare.container], check=True, capture_output=True)
    wait_for(lambda: spare.sh("systemctl is-system-running", check=False) in ("running", "degraded"))
    spare.wait_healed()
    assert spare.record(masked["fault"]["id"])["state"] == "undone" and spare.active("memcached")
    looped = spare.fault("memcached", "crash_loop", duration=900)
    subprocess.run(["docker", "kill", spare.container], check=True, capture_output=True)
    subprocess.run(["docker", "start", spare.container], check=True, capture_output=True)
    wait_for(lambda: spare.sh("systemctl is-system-running", check=False) in ("running", "degraded"))
    spare.wait_healed()
    assert spare.record(looped["fault"]["id"])["state"] == "undone" and spare.active("memcached")


def test_mask_needs_a_unit(spare):
    spare.sh("setsid sleep 31415 >/dev/null 2>&1 &")
    try:
        answer = spare.refused("my-sleep", "mask", driver="process", grep="^sleep 31415$")
        assert answer["failure"]["code"] == "no_systemd" and "Use terminate" in answer["msg"]
        assert spare.refused("ssh", "mask")["failure"]["code"] == "guarded"
    finally:
        spare.sh("pkill -f '^sleep 31415$'")


def test_mask_as_a_sentence(spare, tmp_path):
    known = yaml.safe_load(pathlib.Path(spare.inventory).read_text())
    known["all"]["hosts"][spare.name]["faultline_services"] = {"memcached": {"driver": "system_service", "unit": ["memcached"]}}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(known))
    usual, spare.inventory = spare.inventory, str(tmp_path / "inventory.yml")
    try:
        answer = spare.call("os_fault", {"do": "mask memcached service for 3 seconds", "wait": True})
        assert not answer.failed and answer["undo"]["state"] == "undone", answer.output
    finally:
        spare.inventory = usual
    assert spare.active("memcached")
