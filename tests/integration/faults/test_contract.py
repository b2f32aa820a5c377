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

import pytest
import yaml
from lab_names import address
from lab_nodes import JOURNAL, LONG, wait_for, with_memcached
from patience import HANG, more_time
from warm_ansible import run_ansible

# the core: all of this file is in the gate
pytestmark = pytest.mark.gate


def timekeeper(node, fault_id):
    """The PID of the process that keeps a fault's time."""
    pid = int(node.sh(f"systemctl show -p MainPID --value faultline-{fault_id}"))
    assert pid > 1, f"{fault_id} has no timekeeper"
    return pid


def states(node, pids):
    return set(node.states(pids).values())


def deadline(record):
    """When it was to end, by the node's clock, at the earliest."""
    return record["injected"] + record["duration"]


def healed_at_its_deadline(node, fault_id, pids):
    """Await the end of a frozen memcached's fault; its record."""
    node.wait_healed()
    record = node.record(fault_id)
    assert record["state"] == "undone" and record["undone"] >= deadline(record)
    assert set(node.states(pids)) == set(pids) and "T" not in states(node, pids)
    return record


def test_controller_killed_right_after_injection_heals_at_the_deadline(spare, sockets):
    pids = spare.processes("memcached")
    for duration in more_time(6):
        spare.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(sockets)
        try:
            playing, fault_id = spare.begin("os_service_fault", {"service": "memcached", "action": "freeze", "duration": duration, "wait": True})
            os.killpg(playing.pid, signal.SIGKILL)
            playing.wait()
            # the connection that outlives ansible dies as well, as it does with the controller's machine
            for path in sockets.iterdir():
                subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "x"], capture_output=True, check=False)
        finally:
            del spare.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"]
        frozen, looked = states(spare, pids) == {"T"}, spare.clock()
        record = healed_at_its_deadline(spare, fault_id, pids)
        assert record["held"] is True
        if looked < deadline(record):
            break
    assert looked < deadline(record) and frozen


# the processes of sshd above the module's, up to the listener, which is systemd's child
CONNECTION = """
pid=$(pgrep -o -f '[A]nsiballZ_os_service_fault')
while [ "${pid:-1}" -gt 1 ]; do
    read -r parent name < <(ps -o ppid=,comm= -p "$pid")
    case $name in sshd*) [ "$parent" = 1 ] || echo "$pid";; esac
    pid=$parent
done"""


def test_connection_cut_in_the_middle_heals_at_the_deadline(spare):
    pids = spare.processes("memcached")
    # the module has its name on its command line, and a connection of its own
    usual, spare.environment = spare.environment, {**spare.environment, "ANSIBLE_PIPELINING": "false", "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}
    try:
        for duration in more_time(6):
            playing, fault_id = spare.begin("os_service_fault", {"service": "memcached", "action": "freeze", "duration": duration, "wait": True})
            chain = spare.sh(CONNECTION).split()
            spare.sh(f"kill -KILL {' '.join(chain)}", check=False)
            cut = spare.clock()
            code = playing.wait(HANG)
            record = healed_at_its_deadline(spare, fault_id, pids)
            if cut < deadline(record):
                break
        assert cut < deadline(record) and chain and code != 0
    finally:
        spare.environment = usual


def test_the_fault_s_own_process_killed_heals_at_once(spare):
    pids = spare.processes("memcached")
    answer = spare.fault("memcached", "freeze", duration=LONG)
    assert states(spare, pids) == {"T"}
    spare.sh(f"kill -KILL {timekeeper(spare, answer['fault']['id'])}")
    spare.wait_healed()
    assert "T" not in states(spare, pids)
    record = spare.record(answer["fault"]["id"])
    assert record["held"] is False and record["not_held"].startswith("what keeps its time was ended ") and record["residue"] == []


def test_a_hanging_timekeeper_is_ended_by_its_second(spare):
    pids = spare.processes("memcached")
    for duration in more_time(3):
        answer = spare.fault("memcached", "freeze", duration=duration)
        fault_id = answer["fault"]["id"]
        hung = spare.sh(f"pid=$(systemctl show -p MainPID --value faultline-{fault_id}); [ $pid -gt 1 ] && kill -STOP $pid && echo hung", check=False)
        stopped = spare.clock()
        record = healed_at_its_deadline(spare, fault_id, pids)
        if stopped < deadline(record):
            break
    assert stopped < deadline(record) and hung == "hung"


def test_reboot_in_the_middle_is_swept_at_boot(spare):
    # nothing but the sweeper would start it: the unit is not enabled
    spare.sh("systemctl disable -q memcached")
    try:
        terminated = spare.fault("memcached", "terminate", duration=LONG)
        assert not spare.active("memcached")
        spare.restart()
        spare.wait_healed()
        assert spare.record(terminated["fault"]["id"])["state"] == "undone"
        assert spare.active("memcached")
    finally:
        spare.sh("systemctl enable -q --now memcached")


def test_crash_in_the_middle_is_swept_at_boot(spare):
    frozen = spare.fault("memcached", "freeze", duration=LONG)
    unplugged = spare.fault("memcached", "unplug", duration=LONG)
    spare.restart(crash=True)
    spare.wait_healed()
    for answer in (frozen, unplugged):
        assert spare.record(answer["fault"]["id"])["state"] == "undone"
    assert "T" not in states(spare, spare.processes("memcached"))


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
_engine.perform(Dies(_services.service("memcached", "system_service", {})), duration=float(sys.argv[1]))
X""")
    try:
        for duration in more_time(3):
            before = spare.faults()
            spare.sh(f"python3 /root/die.py {duration}", check=False)
            (fault_id,) = spare.faults() - before
            frozen, looked = states(spare, pids) == {"T"}, spare.clock()
            spare.wait_healed()
            record = spare.record(fault_id)
            assert record["state"] == "undone" and "T" not in states(spare, pids)
            if looked < record["undone"]:
                break
        assert looked < record["undone"] and frozen
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
    _engine.perform(Lies(_services.service("memcached", "system_service", {})), duration=600)
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
    for duration in more_time(4):
        first = spare.fault("memcached", action, duration=duration)["fault"]["id"]
        second = spare.fault("memcached", action, duration=LONG)["fault"]["id"]
        wait_for(lambda first=first: first not in spare.open_faults())
        ended = spare.record(first)
        assert ended["state"] == "undone"
        assert broken(spare, action), "the first undo took the second fault away"
        overlapped = spare.record(second)["injected"] < ended["undone"]
        answer = spare.call("os_fault_undo", {"id": second})
        assert answer["undone"] == [second]
        assert whole(spare, action)
        if overlapped:
            break
    assert overlapped


@pytest.mark.parametrize("action", ["freeze", "unplug", "terminate"])
def test_the_same_fault_twice_undone_in_the_reverse_order(spare, action):
    first = spare.fault("memcached", action, duration=LONG)
    second = spare.fault("memcached", action, duration=LONG)
    spare.call("os_fault_undo", {"id": second["fault"]["id"]})
    assert broken(spare, action), "the second undo took the first fault away"
    spare.call("os_fault_undo", {"id": first["fault"]["id"]})
    assert whole(spare, action) and spare.open_faults() == []


CONNECT = "timeout {0} bash -c 'exec 3<>/dev/tcp/127.0.0.1/11211' && echo heard"


def dropped(node):
    """Packets that rules of ours have dropped so far."""
    return int(node.sh("nft list ruleset | awk '/^table/ {ours = /faultline/} ours && /drop/ {sub(/.* packets /, \"\"); sum += $1} END {print sum + 0}'"))


def broken(node, action):
    """Whether memcached is frozen, unplugged or terminated, as the system itself sees it."""
    if action == "terminate":
        return not node.active("memcached")
    if action == "freeze":
        return states(node, node.processes("memcached")) == {"T"}
    before = dropped(node)
    return node.sh(CONNECT.format(1), check=False) != "heard" and dropped(node) > before


def whole(node, action):
    """Whether it is as usual again."""
    if action == "terminate":
        return node.active("memcached")
    if action == "freeze":
        return not states(node, node.processes("memcached")) & {"T"}
    return wait_for(lambda: node.sh(CONNECT.format(60), check=False) == "heard")


@pytest.mark.parametrize("order", [("freeze", "unplug"), ("unplug", "freeze")])
def test_two_faults_on_one_service_are_undone_in_both_orders(spare, order):
    faults = {action: spare.fault("memcached", action, duration=LONG)["fault"]["id"] for action in ("freeze", "unplug")}
    for action in order:
        assert broken(spare, action)
        assert spare.call("os_fault_undo", {"id": faults[action]})["residue"] == []
        if action == "freeze":
            assert whole(spare, "freeze")
        else:
            assert spare.sh(f"nft list tables | grep {faults[action].replace('-', '_')}", check=False) == ""
    assert whole(spare, "freeze") and whole(spare, "unplug")


def test_terminate_over_freeze_heals_both(spare):
    frozen = spare.fault("memcached", "freeze", duration=LONG)
    terminated = spare.fault("memcached", "terminate", duration=LONG)
    assert not spare.active("memcached")
    assert spare.call("os_fault_undo", {"id": frozen["fault"]["id"]})["residue"] == []
    assert not spare.active("memcached")
    spare.call("os_fault_undo", {"id": terminated["fault"]["id"]})
    assert spare.active("memcached")


def test_undo_twice_is_nothing_the_second_time(spare):
    answer = spare.fault("memcached", "freeze", duration=LONG)
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
        fault_id = spare.fault("memcached", "freeze", duration=LONG)["fault"]["id"]
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
    answer = spare.fault("memcached", "freeze", duration=LONG)
    spare.fault("memcached", "kill", wait=True)
    undone = spare.call("os_fault_undo", {"id": answer["fault"]["id"]})
    assert undone["residue"] == [] and spare.open_faults() == []
    assert spare.record(answer["fault"]["id"])["held"] is False


def test_a_fault_that_something_else_ended_early_is_told(spare):
    answer = spare.fault("memcached", "terminate", duration=LONG)
    spare.sh("systemctl start memcached")
    spare.heal(answer)
    assert spare.record(answer["fault"]["id"])["held"] is False


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
        assert "journal stays open" in answer["msg"]
        fault_id = answer["fault"]["id"]
        assert wait_for(lambda: spare.record(fault_id)["residue"])
        info = spare.call("os_fault_info", {"closed": False})
        # it is being tried again
        assert [fault["id"] for fault in info["open"]] == [fault_id] and info["open"][0]["state"] in ("residue", "undoing")
        undo = spare.call("os_fault_undo", {"all": True})
        assert undo.failed and undo["residue"]
        # what stood in the way is gone: the stop hook tries again by itself
        spare.sh("touch /run/may-start")
        spare.wait_healed()
        assert spare.record(fault_id)["state"] == "undone"
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
    look = "nft list table inet theirs; nft list table ip faultline; iptables-save -t filter | grep -v '^#' | sed 's/\\[.*//'"
    before = spare.sh(look)
    try:
        answer = spare.fault("memcached", "unplug", duration=LONG)
        assert broken(spare, "unplug")
        spare.call("os_fault_undo", {"id": answer["fault"]["id"]})
        assert whole(spare, "unplug")
        assert spare.sh(look) == before
    finally:
        spare.sh("nft delete table inet theirs; nft delete table ip faultline; nft delete table ip filter")


def test_what_lost_its_journal_is_found_and_healed(spare):
    spare.sh("nft add table inet faultline_unplug_deadbeef; systemd-run -q --unit=faultline-work-stress_deadbeef sleep 3000; "
             "mkdir -p /run/systemd/system.control; ln -s /dev/null /run/systemd/system.control/memcached.service; systemctl daemon-reload")
    assert spare.call("os_fault_info", {})["orphans"] == [
        "nftables table inet faultline_unplug_deadbeef", "worker faultline-work-stress_deadbeef", "mask of memcached.service"]
    assert spare.call("os_fault_undo", {"all": True})["changed"] is True
    assert spare.call("os_fault_info", {})["orphans"] == []
    assert "deadbeef" not in spare.sh("nft list tables")
    # a unit that is stopped is forgotten a moment later
    wait_for(lambda: "deadbeef" not in spare.sh("systemctl list-units --all --plain --no-legend"))
    assert "masked" not in spare.sh("systemctl is-enabled memcached")


def test_rules_that_a_firewall_reload_wiped_away_are_told(spare):
    answer = spare.fault("memcached", "unplug", duration=LONG)
    spare.sh(f"nft delete table inet {answer['proof']['table']}")
    spare.heal(answer)
    record = spare.record(answer["fault"]["id"])
    assert record["held"] is False and record["state"] == "undone"


def test_heal_names_the_host_that_is_not_healed_and_heals_the_others(spare, other_nodes, clean, tmp_path):
    """One undo of three fails, and one host does not answer at all."""
    first, second = other_nodes
    stubborn = {"driver": "process", "grep": "^sleep 97531$", "start_cmd": "test -e /run/may-start && { setsid sleep 97531 >/dev/null 2>&1 & }"}
    heal = ["ansible-playbook", "faultline.openstack.heal", "-i", str(tmp_path / "all.yml")]
    running(spare, "97531")
    try:
        with clean(first), clean(second):
            first.fault("memcached", "freeze", duration=LONG)
            second.fault("memcached", "unplug", duration=LONG)
            fault_id = spare.fault("stubborn", "terminate", duration=LONG, **stubborn)["fault"]["id"]
            one_inventory(tmp_path / "all.yml", spare, first, second, dead=True)
            done = run_ansible(heal)
            assert done.returncode != 0
            assert "spare is not healed" in done.stdout and "dead does not answer" in done.stdout
            assert not first.open_faults() and not second.open_faults()
            # it is being tried again
            assert spare.record(fault_id)["state"] in ("residue", "undoing") and spare.record(fault_id)["residue"]
            spare.sh("touch /run/may-start")
            one_inventory(tmp_path / "all.yml", spare, first, second)
            done = run_ansible(heal)
            assert done.returncode == 0, done.stdout + done.stderr
            assert not spare.open_faults()
    finally:
        spare.sh("touch /run/may-start; pkill -f '^sleep 97531$'; rm /run/may-start", check=False)


def running(node, seconds):
    """A sleep of so many seconds on the node; its PID, once its command line shows."""
    node.sh(f"setsid sleep {seconds} >/dev/null 2>&1 &")
    return int(wait_for(lambda: node.sh(f"pgrep -f '^sleep {seconds}$'", check=False)))


def test_an_unreachable_host_among_three_does_not_keep_the_others_from_their_answer(other_nodes, clean, tmp_path):
    first, second = other_nodes
    one_inventory(tmp_path / "all.yml", first, second, dead=True)
    with clean(first), clean(second):
        done = run_ansible(
            ["ansible", "-i", str(tmp_path / "all.yml"), "all", "-m", "faultline.openstack.os_service_fault", "-a",
             f"service=memcached action=freeze duration=2 wait=true wait_timeout={HANG}"])
        assert done.returncode != 0 and "dead | UNREACHABLE!" in done.stdout
        assert done.stdout.count("| CHANGED =>") == 2 and done.stdout.count('"state": "undone"') == 2


@pytest.fixture(scope="module")
def other_nodes(make_node):
    """Two more nodes of our own."""
    return [make_node(name, furnish=with_memcached) for name in ("first", "second")]


def one_inventory(path, *nodes, dead=False):
    """Write the nodes into one file; dead: with a host that nobody answers for."""
    hosts = {}
    for node in nodes:
        hosts.update(yaml.safe_load(pathlib.Path(node.inventory).read_text())["all"]["hosts"])
    if dead:
        hosts["dead"] = {"ansible_host": address("255.254"), "ansible_user": "root", "ansible_ssh_timeout": 3}
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))


@pytest.fixture(scope="module")
def cramped_node(make_node):
    """A node whose journal has a small disk of its own."""
    return make_node("cramped", "--tmpfs", f"{JOURNAL}:size=512k,mode=0700", furnish=with_memcached)


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
        for duration in more_time(5):
            answer = node.fault("memcached", "freeze", duration=duration)
            try:
                node.sh(f"dd if=/dev/zero of={JOURNAL}/filler bs=1k 2>/dev/null", check=False)
                full = node.clock()
                record = healed_at_its_deadline(node, answer["fault"]["id"], pids)
            finally:
                node.sh(f"rm {JOURNAL}/filler")
            if full < deadline(record):
                break
        assert full < deadline(record)


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
    options = {"driver": "process", "grep": "^sleep 24680$"}
    pid = running(node, "24680")
    # at the deadline
    answer = node.fault("my-sleep", "freeze", duration=2, wait=True, **options)
    assert answer["undo"]["state"] == "undone" and node.states([pid])[pid] != "T"
    # when either of the two is killed
    for which in (min, max):
        fault_id = node.fault("my-sleep", "freeze", duration=LONG, **options)["fault"]["id"]
        assert node.states([pid]) == {pid: "T"}

        def watchers(fault_id=fault_id):
            return [int(each) for each in node.sh(f"pgrep -f '^[^ ]*python[^ ]* .* watch {fault_id}'", check=False).split()]

        wait_for(lambda: len(watchers()) == 2)
        node.sh(f"kill -KILL {which(watchers())}")
        node.wait_healed()
        assert node.states([pid])[pid] != "T"
        wait_for(lambda: not watchers())


def test_the_timekeeper_of_a_fault_stays_under_40_mib(spare):
    answer = spare.fault("memcached", "freeze", duration=LONG)
    peak = spare.sh(f"awk '/VmHWM/ {{print $2}}' /proc/{timekeeper(spare, answer['fault']['id'])}/status")
    spare.fault("memcached", "unfreeze")
    assert int(peak) < 40 * 1024
