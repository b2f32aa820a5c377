# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mask and crash_loop of services: what systemd itself says meanwhile, the undo, nothing left."""

from __future__ import annotations

import os
import pathlib
import signal

import pytest
import yaml
from lab_nodes import LONG, wait_for
from patience import HANG, more_time


def start(node, unit="memcached"):
    """What systemd answers to who starts a unit."""
    return node.sh(f"systemctl start {unit} 2>&1 && echo started", check=False)


def test_a_masked_service_cannot_be_started_until_it_is_undone(spare):
    for duration in more_time(6):
        answer = spare.fault("memcached", "mask", duration=duration)
        said, active, looked = start(spare), spare.active("memcached"), spare.clock()
        assert "is masked" in answer["proof"]["start"]["memcached.service"]
        spare.wait_healed()
        assert spare.active("memcached") and spare.sh("systemctl is-enabled memcached") == "enabled"
        record = spare.record(answer["fault"]["id"])
        assert record["residue"] == [] and record["state"] == "undone"
        if looked < record["injected"] + duration:
            break
    assert looked < record["injected"] + duration <= record["undone"]
    assert "is masked" in said and not active and record["held"] is True


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
    faults = [spare.fault("memcached", action, duration=LONG) for action in (first, second)]
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
    answer = spare.fault("memcached", "crash_loop", duration=LONG)
    assert [p["pid"] for p in answer["proof"]["gone"]] == before
    assert answer["proof"]["restarts_by_itself"] is True
    wait_for(lambda: spare.record(answer["fault"]["id"])["proof"].get("kills", 0) >= 2)
    spare.heal(answer)
    record = spare.record(answer["fault"]["id"])
    assert record["proof"]["kills"] >= 2 and record["held"] is True and record["residue"] == []
    assert spare.active("memcached")
    pid = spare.processes("memcached")
    # nobody kills any more, which is seen by nothing but some time that passes
    spare.fault("memcached", "freeze", duration=2, wait=True)
    assert spare.processes("memcached") == pid
    # a unit that is stopped is forgotten a moment later
    wait_for(lambda: spare.sh("systemctl list-units --all --plain --no-legend 'faultline-work-*'") == "")


def test_a_crash_loop_into_the_start_limit_is_part_of_the_effect_and_undone(spare):
    spare.sh("mkdir -p /run/systemd/system/memcached.service.d; printf '[Unit]\\nStartLimitBurst=2\\nStartLimitIntervalSec=300\\n[Service]\\nRestartSec=0\\n'"
             " > /run/systemd/system/memcached.service.d/limit.conf; systemctl daemon-reload")
    try:
        answer = spare.fault("memcached", "crash_loop", duration=LONG)
        wait_for(lambda: spare.sh("systemctl is-failed memcached", check=False) == "failed")
        spare.heal(answer)
        assert spare.active("memcached")
    finally:
        spare.sh("rm -r /run/systemd/system/memcached.service.d; systemctl daemon-reload")


def test_a_crash_loop_outlives_its_controller_and_ends_at_its_deadline(spare):
    for duration in more_time(8):
        playing, fault_id = spare.begin("os_service_fault", {"service": "memcached", "action": "crash_loop", "duration": duration, "wait": True})
        os.killpg(playing.pid, signal.SIGKILL)
        playing.wait()
        killed = spare.clock()
        spare.wait_healed()
        record = spare.record(fault_id)
        assert record["state"] == "undone" and spare.active("memcached")
        if killed < record["injected"] + duration and record["proof"].get("kills"):
            break
    assert killed < record["injected"] + duration <= record["undone"] and record["proof"]["kills"]


def test_a_reboot_ends_a_mask_and_a_crash_loop(spare):
    masked = spare.fault("memcached", "mask", duration=LONG)
    spare.restart()
    spare.wait_healed()
    assert spare.record(masked["fault"]["id"])["state"] == "undone" and spare.active("memcached")
    looped = spare.fault("memcached", "crash_loop", duration=LONG)
    spare.restart(crash=True)
    spare.wait_healed()
    assert spare.record(looped["fault"]["id"])["state"] == "undone" and spare.active("memcached")


def test_mask_needs_a_unit(spare):
    spare.sh("setsid sleep 31415 >/dev/null 2>&1 &")
    wait_for(lambda: spare.sh("pgrep -f '^sleep 31415$'", check=False))
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
        answer = spare.call("os_fault", {"do": "mask memcached service for 3 seconds", "wait": True, "wait_timeout": HANG})
        assert not answer.failed and answer["undo"]["state"] == "undone", answer.output
    finally:
        spare.inventory = usual
    assert spare.active("memcached")
