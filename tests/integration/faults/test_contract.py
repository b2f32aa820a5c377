# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault is a contract: it is undone whatever dies, in any order, exactly once, and what is not ours stays."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
import yaml
from lab_nodes import JOURNAL, wait_for
from warm_ansible import run_ansible


def timekeeper(node, fault_id):
    return int(node.sh(f"systemctl show -p MainPID --value faultline-{fault_id}"))


def test_controller_killed_right_after_injection_heals_at_the_deadline(spare, tmp_path):
    pids = spare.processes("memcached")
    spare.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(tmp_path / "cp")
    try:
        playing = spare.start("os_service_fault", {"service": "memcached", "action": "freeze", "duration": 6, "wait": True})
        wait_for(lambda: set(spare.states(pids).values()) == {"T"})
        os.killpg(playing.pid, signal.SIGKILL)
        playing.wait()
        # the connection that outlives ansible dies as well, as it does with the controller's machine
        for path in (tmp_path / "cp").iterdir():
            subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "x"], capture_output=True, check=False)
        assert set(spare.states(pids).values()) == {"T"}
        fault_id = spare.open_faults()[0]
        spare.wait_healed()
    finally:
        del spare.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"]
    record = spare.record(fault_id)
    assert record["state"] == "undone" and record["held"] is True
    assert "T" not in spare.states(pids).values()


def test_connection_cut_in_the_middle_heals_at_the_deadline(spare):
    pids = spare.processes("memcached")
    spare.environment["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=no"
    try:
        playing = spare.start("os_service_fault", {"service": "memcached", "action": "freeze", "duration": 6, "wait": True})
        wait_for(lambda: set(spare.states(pids).values()) == {"T"})
        # sshd of this connection: the parents of the module, up to the listener
        chain = spare.sh("pid=$(pgrep -f -n 'python3.*' | head -1); pgrep -f '^sshd: root@notty'").split()
        assert chain
        spare.sh(f"kill -KILL {' '.join(chain)}")
        assert playing.wait(60) != 0
        fault_id = spare.open_faults()[0]
        spare.wait_healed()
    finally:
        del spare.environment["ANSIBLE_SSH_ARGS"]
    assert spare.record(fault_id)["state"] == "undone"
    assert "T" not in spare.states(pids).values()


def test_the_fault_s_own_process_killed_heals_at_once(spare):
    pids = spare.processes("memcached")
    answer = spare.fault("memcached", "freeze", duration=300)
    assert set(spare.states(pids).values()) == {"T"}
    spare.sh(f"kill -KILL {timekeeper(spare, answer['fault']['id'])}")
    spare.wait_healed()
    assert "T" not in spare.states(pids).values()


def test_a_hanging_timekeeper_is_ended_by_systemd(spare):
    pids = spare.processes("memcached")
    answer = spare.fault("memcached", "freeze", duration=3)
    spare.sh(f"kill -STOP {timekeeper(spare, answer['fault']['id'])}")
    spare.wait_healed()
    assert "T" not in spare.states(pids).values()


def test_reboot_in_the_middle_is_swept_at_boot(spare):
    # nothing but the sweeper would start it: the unit is not enabled
    spare.sh("systemctl disable -q memcached")
    try:
        terminated = spare.fault("memcached", "terminate", duration=900)
        assert not spare.active("memcached")
        subprocess.run(["docker", "restart", "--time", "5", spare.container], check=True, capture_output=True)
        wait_for(lambda: spare.sh("systemctl is-system-running", check=False) in ("running", "degraded"))
        spare.wait_healed()
        assert spare.record(terminated["fault"]["id"])["state"] == "undone"
        assert spare.active("memcached")
    finally:
        spare.sh("systemctl enable -q --now memcached")


def test_crash_in_the_middle_is_swept_at_boot(spare):
    frozen = spare.fault("memcached", "freeze", duration=900)
    unplugged = spare.fault("memcached", "unplug", duration=900)
    subprocess.run(["docker", "kill", spare.container], check=True, capture_output=True)
    subprocess.run(["docker", "start", spare.container], check=True, capture_output=True)
    wait_for(lambda: spare.sh("systemctl is-system-running", check=False) in ("running", "degraded"))
    spare.wait_healed()
    for answer in (frozen, unplugged):
        assert spare.record(answer["fault"]["id"])["state"] == "undone"
    assert "T" not in spare.states(spare.processes("memcached")).values()


def test_module_killed_in_the_middle_of_the_injection_is_undone(spare, root):
    pids = spare.processes("memcached")
    subprocess.run(["docker", "cp", f"{root}/plugins/module_utils/_fault", f"{spare.container}:/root/engine"], check=True, capture_output=True)
    spare.sh("""cat > /root/die.py <<'X'
import os, sys
sys.path.insert(0, "/root")
from engine import _engine, _service_faults, _services
class Dies(_service_faults.Freeze):
    def prove(self, record):
        os.kill(os.getpid(), 9)
_engine.perform(Dies(_services.service("memcached", "system_service", {})), duration=3)
X""")
    try:
        spare.sh("python3 /root/die.py", check=False)
        assert set(spare.states(pids).values()) == {"T"} and len(spare.open_faults()) == 1
        spare.wait_healed()
        assert "T" not in spare.states(pids).values()
    finally:
        spare.sh("rm -rf /root/engine /root/die.py")


def test_a_fault_that_cannot_be_proven_is_undone_and_fails(spare, root):
    pids = spare.processes("memcached")
    subprocess.run(["docker", "cp", f"{root}/plugins/module_utils/_fault", f"{spare.container}:/root/engine"], check=True, capture_output=True)
    spare.sh("""cat > /root/lie.py <<'X'
import sys
sys.path.insert(0, "/root")
from engine import _engine, _service_faults, _services
from engine._errors import FaultlineError
class Lies(_service_faults.Freeze):
    def prove(self, record):
        raise FaultlineError("it is not so", code="unproven")
try:
    _engine.perform(Lies(_services.service("memcached", "system_service", {})), duration=300)
except FaultlineError as exc:
    print(exc.code)
X""")
    try:
        assert spare.sh("python3 /root/lie.py") == "unproven"
        assert "T" not in spare.states(pids).values()
        assert spare.open_faults() == []
    finally:
        spare.sh("rm -rf /root/engine /root/lie.py")


@pytest.mark.parametrize("action", ["freeze", "unplug", "terminate"])
def test_the_same_fault_twice_heals_with_the_later_deadline(spare, action):
    first = spare.fault("memcached", action, duration=4)
    second = spare.fault("memcached", action, duration=300)
    wait_for(lambda: first["fault"]["id"] not in spare.open_faults())
    assert spare.record(first["fault"]["id"])["state"] == "undone"
    assert broken(spare, action), "the first undo took the second fault away"
    answer = spare.call("os_fault_undo", {"id": second["fault"]["id"]})
    assert answer["undone"] == [second["fault"]["id"]]
    assert not broken(spare, action)


@pytest.mark.parametrize("action", ["freeze", "unplug", "terminate"])
def test_the_same_fault_twice_undone_in_the_reverse_order(spare, action):
    first = spare.fault("memcached", action, duration=300)
    second = spare.fault("memcached", action, duration=300)
    spare.call("os_fault_undo", {"id": second["fault"]["id"]})
    assert broken(spare, action), "the second undo took the first fault away"
    spare.call("os_fault_undo", {"id": first["fault"]["id"]})
    assert not broken(spare, action) and spare.open_faults() == []


def broken(node, action):
    """Whether memcached is frozen, unplugged or terminated, as the system itself sees it."""
    if action == "terminate":
        return not node.active("memcached")
    if action == "freeze":
        return set(node.states(node.processes("memcached")).values()) == {"T"}
    return node.sh("timeout 1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/11211' && echo heard", check=False) != "heard"


@pytest.mark.parametrize("order", [("freeze", "unplug"), ("unplug", "freeze")])
def test_two_faults_on_one_service_are_undone_in_both_orders(spare, order):
    faults = {action: spare.fault("memcached", action, duration=300)["fault"]["id"] for action in ("freeze", "unplug")}
    for action in order:
        assert broken(spare, action)
        assert spare.call("os_fault_undo", {"id": faults[action]})["residue"] == []
        if action == "freeze":
            assert "T" not in spare.states(spare.processes("memcached")).values()
        else:
            assert spare.sh(f"nft list tables | grep {faults[action].replace('-', '_')}", check=False) == ""
    assert not broken(spare, "freeze") and not broken(spare, "unplug")


def test_terminate_over_freeze_heals_both(spare):
    frozen = spare.fault("memcached", "freeze", duration=300)
    terminated = spare.fault("memcached", "terminate", duration=300)
    assert not spare.active("memcached")
    assert spare.call("os_fault_undo", {"id": frozen["fault"]["id"]})["residue"] == []
    assert not spare.active("memcached")
    spare.call("os_fault_undo", {"id": terminated["fault"]["id"]})
    assert spare.active("memcached")


def test_undo_twice_is_nothing_the_second_time(spare):
    answer = spare.fault("memcached", "freeze", duration=300)
    assert spare.call("os_fault_undo", {"id": answer["fault"]["id"]})["changed"] is True
    again = spare.call("os_fault_undo", {"id": answer["fault"]["id"]})
    assert again["changed"] is False and not again.failed


def test_undo_of_a_fault_that_never_was_is_an_error(spare):
    answer = spare.call("os_fault_undo", {"id": "freeze-00000000"})
    assert answer.failed and answer["failure"]["code"] == "unknown_fault"


def test_a_reused_pid_is_not_touched(spare):
    foreign = int(spare.sh("setsid sleep 4242 >/dev/null 2>&1 & echo $!"))
    spare.sh(f"kill -STOP {foreign}")
    try:
        fault_id = spare.fault("memcached", "freeze", duration=300)["fault"]["id"]
        record = spare.record(fault_id)
        mine = record["steps"][0]["process"]["pid"]
        # as if memcached had died and its PID had gone to somebody else, who is stopped on purpose
        record["steps"][0]["process"]["pid"] = foreign
        spare.sh(f"cat > {JOURNAL}/open/{fault_id}.json <<'X'\n{json.dumps(record)}\nX")
        answer = spare.call("os_fault_undo", {"id": fault_id})
        assert answer["residue"] == []
        assert spare.states([foreign]) == {foreign: "T"}
        spare.sh(f"kill -CONT {mine}")
    finally:
        spare.sh(f"kill -KILL {foreign}; kill -CONT $(pidof memcached)")


def test_processes_that_died_while_frozen_leave_no_residue(spare):
    answer = spare.fault("memcached", "freeze", duration=300)
    spare.fault("memcached", "kill", wait=True)
    undone = spare.call("os_fault_undo", {"id": answer["fault"]["id"]})
    assert undone["residue"] == [] and spare.open_faults() == []
    assert spare.record(answer["fault"]["id"])["held"] is False


def test_a_fault_that_something_else_ended_early_is_told(spare):
    playing = spare.start("os_service_fault", {"service": "memcached", "action": "terminate", "duration": 5, "wait": True})
    fault_id = wait_for(spare.open_faults)[0]
    wait_for(lambda: spare.record(fault_id)["proof"])
    spare.sh("systemctl start memcached")
    assert playing.wait(60) != 0
    assert spare.record(fault_id)["held"] is False and spare.record(fault_id)["residue"] == []


def test_an_undo_that_fails_stays_open_says_so_and_is_tried_again(spare):
    options = {
        "driver": "process", "grep": "^sleep 13579$",
        "start_cmd": "test -e /run/may-start && { setsid sleep 13579 >/dev/null 2>&1 & }",
    }
    spare.sh("touch /run/may-start")
    try:
        spare.fault("stubborn", "start", **options)
        spare.sh("rm /run/may-start")
        answer = spare.refused("stubborn", "terminate", duration=1, wait=True, wait_timeout=3, **options)
        assert answer["failure"]["code"] == "residue" and answer["undo"]["state"] == "residue"
        assert answer["residue"] and "journal stays open" in answer["msg"]
        info = spare.call("os_fault_info", {"closed": False})
        assert [fault["state"] for fault in info["open"]] in (["residue"], ["undoing"])
        undo = spare.call("os_fault_undo", {"all": True})
        assert undo.failed and undo["residue"]
        # what stood in the way is gone: the stop hook tries again by itself
        spare.sh("touch /run/may-start")
        spare.wait_healed()
        assert spare.record(answer["fault"]["id"])["state"] == "undone"
    finally:
        spare.sh("touch /run/may-start; pkill -f '^sleep 13579$'; rm -f /run/may-start", check=False)


def test_foreign_tables_stay_as_they_were_and_do_not_weaken_ours(spare):
    spare.sh("""nft -f - <<'X'
table inet theirs {
  chain in { type filter hook input priority 0; policy accept; ct state established,related accept; tcp dport 11211 accept; }
}
table ip faultline { chain in { type filter hook input priority 0; policy accept; } }
X
iptables -I INPUT -p tcp --dport 11211 -j ACCEPT""")
    look = "nft list ruleset | sed -E 's/ (packets|bytes) [0-9]+//g'; iptables-save -t filter | grep -v '^#' | sed 's/\\[.*//'"
    before = spare.sh(look)
    try:
        answer = spare.fault("memcached", "unplug", duration=300)
        assert broken(spare, "unplug")
        spare.call("os_fault_undo", {"id": answer["fault"]["id"]})
        assert not broken(spare, "unplug")
        assert spare.sh(look) == before
    finally:
        spare.sh("nft delete table inet theirs; nft delete table ip faultline; nft delete table ip filter")


def test_what_lost_its_journal_is_found_and_healed(spare):
    spare.sh("nft add table inet faultline_unplug_deadbeef; systemd-run -q --unit=faultline-work-stress_deadbeef sleep 300; "
             "mkdir -p /run/systemd/system.control; ln -s /dev/null /run/systemd/system.control/memcached.service; systemctl daemon-reload")
    assert spare.call("os_fault_info", {})["orphans"] == [
        "nftables table inet faultline_unplug_deadbeef", "worker faultline-work-stress_deadbeef", "mask of memcached.service"]
    assert spare.call("os_fault_undo", {"all": True})["changed"] is True
    assert spare.call("os_fault_info", {})["orphans"] == []
    assert "deadbeef" not in spare.sh("nft list tables; systemctl list-units --all --plain --no-legend")
    assert "masked" not in spare.sh("systemctl is-enabled memcached")


def test_rules_that_a_firewall_reload_wiped_away_are_told(spare):
    playing = spare.start("os_service_fault", {"service": "memcached", "action": "unplug", "duration": 5, "wait": True})
    fault_id = wait_for(spare.open_faults)[0]
    wait_for(lambda: spare.record(fault_id)["proof"])
    spare.sh(f"nft delete table inet {spare.record(fault_id)['proof']['table']}")
    assert playing.wait(60) != 0
    assert spare.record(fault_id)["held"] is False and spare.record(fault_id)["state"] == "undone"


def test_heal_names_the_host_that_is_not_healed_and_heals_the_others(spare, other_nodes, clean, tmp_path):
    """One undo of three fails, and one host does not answer at all."""
    first, second = other_nodes
    stubborn = {"driver": "process", "grep": "^sleep 97531$", "start_cmd": "test -e /run/may-start && { setsid sleep 97531 >/dev/null 2>&1 & }"}
    spare.sh("setsid sleep 97531 >/dev/null 2>&1 &")
    with clean(first), clean(second):
        first.fault("memcached", "freeze", duration=300)
        second.fault("memcached", "unplug", duration=300)
        fault_id = spare.fault("stubborn", "terminate", duration=300, **stubborn)["fault"]["id"]
        heal = ["ansible-playbook", "faultline.openstack.heal", "-i", str(tmp_path / "all.yml")]
        one_inventory(tmp_path / "all.yml", spare, first, second, dead=True)
        done = run_ansible(heal)
        assert done.returncode != 0
        assert "spare is not healed" in done.stdout and "dead does not answer" in done.stdout
        assert not first.open_faults() and not second.open_faults()
        assert spare.record(fault_id)["state"] == "residue"
        spare.sh("touch /run/may-start")
        one_inventory(tmp_path / "all.yml", spare, first, second)
        done = run_ansible(heal)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not spare.open_faults()
    spare.sh("rm /run/may-start; pkill -f '^sleep 97531$'")


def test_an_unreachable_host_among_three_does_not_keep_the_others_from_their_answer(other_nodes, clean, tmp_path):
    first, second = other_nodes
    one_inventory(tmp_path / "all.yml", first, second, dead=True)
    with clean(first), clean(second):
        started = time.monotonic()
        done = run_ansible(
            ["ansible", "-i", str(tmp_path / "all.yml"), "all", "-m", "faultline.openstack.os_service_fault", "-a",
             "service=memcached action=freeze duration=2 wait=true"])
        assert done.returncode != 0 and "dead | UNREACHABLE!" in done.stdout
        assert done.stdout.count("| CHANGED =>") == 2 and done.stdout.count('"state": "undone"') == 2
        assert time.monotonic() - started < 60


@pytest.fixture(scope="module")
def other_nodes(make_node):
    """Two more nodes of our own."""
    nodes = [make_node("first"), make_node("second")]
    for node in nodes:
        node.sh("systemctl enable -q --now memcached")
    return nodes


def one_inventory(path, *nodes, dead=False):
    """Write the nodes into one file; dead: with a host that nobody answers for."""
    hosts = {}
    for node in nodes:
        hosts.update(yaml.safe_load(pathlib.Path(node.inventory).read_text())["all"]["hosts"])
    if dead:
        hosts["dead"] = {"ansible_host": "10.71.255.254", "ansible_user": "root", "ansible_ssh_timeout": 3}
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))


@pytest.fixture(scope="module")
def cramped_node(make_node):
    """A node whose journal has a small disk of its own."""
    node = make_node("cramped", "--tmpfs", f"{JOURNAL}:size=512k,mode=0700")
    node.sh("systemctl enable -q --now memcached")
    return node


def test_a_full_disk_where_the_journal_lives_refuses_the_fault_and_touches_nothing(cramped_node, clean):
    with clean(cramped_node) as node:
        pids = node.processes("memcached")
        node.sh(f"dd if=/dev/zero of={JOURNAL}/filler bs=1k 2>/dev/null", check=False)
        try:
            for action in ("freeze", "unplug", "terminate"):
                answer = node.refused("memcached", action, duration=5)
                assert answer["failure"]["code"] == "no_journal" and "disk is full" in answer["msg"]
            # a fault without an undo needs its journal all the same
            assert node.refused("memcached", "kill")["failure"]["code"] == "no_journal"
            assert node.processes("memcached") == pids and "T" not in node.states(pids).values()
            assert "faultline" not in node.sh("nft list tables") and node.open_faults() == []
        finally:
            node.sh(f"rm {JOURNAL}/filler")


def test_a_disk_that_fills_up_while_a_fault_is_open_does_not_stop_its_undo(cramped_node, clean):
    with clean(cramped_node) as node:
        pids = node.processes("memcached")
        answer = node.fault("memcached", "freeze", duration=5)
        node.sh(f"dd if=/dev/zero of={JOURNAL}/filler bs=1k 2>/dev/null", check=False)
        try:
            node.wait_healed()
            assert "T" not in node.states(pids).values()
            assert node.record(answer["fault"]["id"])["state"] == "undone"
        finally:
            node.sh(f"rm {JOURNAL}/filler")


def test_a_journal_that_others_could_write_is_not_believed(spare):
    spare.sh(f"chmod 0777 {JOURNAL}/open")
    try:
        answer = spare.refused("memcached", "freeze", duration=5)
        assert answer["failure"]["code"] == "untrusted_journal"
        answer = spare.call("os_fault_undo", {"all": True})
        assert answer.failed and answer["failure"]["code"] == "untrusted_journal"
    finally:
        spare.sh(f"chmod 0700 {JOURNAL}/open")


def test_without_systemd_two_watchers_keep_the_time_and_each_other(make_node):
    node = make_node("plain", boots=False)
    node.sh("setsid sleep 24680 >/dev/null 2>&1 &")
    options = {"driver": "process", "grep": "^sleep 24680$"}
    pid = int(node.sh("pgrep -f '^sleep 24680$'"))
    # at the deadline
    answer = node.fault("my-sleep", "freeze", duration=2, wait=True, **options)
    assert answer["undo"]["state"] == "undone" and node.states([pid])[pid] != "T"
    # when either of the two is killed
    watchers = "^[^ ]*python[^ ]* .* watch freeze-"
    for which in ("-o", "-n"):
        node.fault("my-sleep", "freeze", duration=300, **options)
        assert node.states([pid]) == {pid: "T"}
        assert len(node.sh(f"pgrep -f '{watchers}'").split()) == 2
        node.sh(f"kill -KILL $(pgrep {which} -f '{watchers}')")
        node.wait_healed()
        assert node.states([pid])[pid] != "T"
        wait_for(lambda: node.sh(f"pgrep -f '{watchers}'", check=False) == "")


def test_the_timekeeper_of_a_fault_stays_under_40_mib(spare):
    answer = spare.fault("memcached", "freeze", duration=300)
    peak = spare.sh(f"awk '/VmHWM/ {{print $2}}' /proc/{timekeeper(spare, answer['fault']['id'])}/status")
    spare.fault("memcached", "unfreeze")
    assert int(peak) < 40 * 1024
