# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each action of os_service_fault: its effect on the system itself, its undo, nothing left."""

from __future__ import annotations

import re
import socket

import pytest
from lab_nodes import LONG, wait_for
from patience import HANG

# the core: all of this file is in the gate
pytestmark = pytest.mark.gate


def connected(node, port, timeout=HANG):
    return socket.create_connection((node.address, port), timeout=timeout)


def answered(channel):
    """What memcached answers on an open connection."""
    channel.settimeout(HANG)
    channel.sendall(b"version\r\n")
    return channel.recv(100)


def dropped(node, table):
    """Packets that the rules of this table have dropped so far."""
    return sum(map(int, re.findall(r"counter packets (\d+)", node.sh(f"nft list table inet {table}"))))


def main_pid(node, unit):
    return int(node.sh(f"systemctl show -p MainPID --value {unit}"))


def restarts(node, unit):
    return int(node.sh(f"systemctl show -p NRestarts --value {unit}"))


def test_kill_hits_exactly_the_processes_of_the_unit_and_says_what_came_back(spare):
    before, count = spare.processes("memcached"), restarts(spare, "memcached")
    answer = spare.fault("memcached", "kill", wait=True)
    after = spare.processes("memcached")
    assert [p["pid"] for p in answer["proof"]["gone"]] == before
    assert not set(before) & set(after)
    came_back = answer["proof"]["came_back"]
    assert came_back["back"] is True and came_back["after"] > 0
    assert [p["pid"] for p in came_back["processes"]] == after
    assert came_back["ports"] == ["tcp 11211"]
    assert answer["undo"]["state"] == "none" and answer["residue"] == []
    assert restarts(spare, "memcached") > count


def test_kill_sends_the_signal_that_was_asked_for(spare):
    cursor = spare.sh("journalctl -q -n 1 --show-cursor -o cat").rpartition("-- cursor: ")[2]
    answer = spare.fault("memcached", "kill", signal="ABRT", wait=True)
    assert answer["proof"]["signal"] == "SIGABRT"
    wait_for(lambda: "status=6/ABRT" in spare.sh(f"journalctl -u memcached --no-pager --after-cursor='{cursor}'"))


def test_kill_of_a_service_that_nothing_restarts_fails_when_it_was_to_be_waited_for(spare):
    spare.sh("mkdir -p /run/systemd/system/memcached.service.d; printf '[Service]\\nRestart=no\\n' "
             "> /run/systemd/system/memcached.service.d/no.conf; systemctl daemon-reload")
    try:
        answer = spare.refused("memcached", "kill", wait=True)
        assert answer["failure"]["code"] == "not_recovered"
        assert "did not come back" in answer["msg"] and "nothing is set to restart it" in answer["msg"]
        assert not spare.active("memcached")
    finally:
        spare.sh("rm -r /run/systemd/system/memcached.service.d; systemctl daemon-reload; systemctl reset-failed memcached; systemctl start memcached")


def test_kill_keystone_on_the_cloud_comes_back_listening(ctl):
    before, main = ctl.processes("keystone"), main_pid(ctl, "keystone")
    answer = ctl.fault("keystone", "kill", wait=True)
    # a worker may have been another one when the fault looked
    gone = {p["pid"] for p in answer["proof"]["gone"]}
    assert main in gone and len(gone) >= 2
    wait_for(lambda: not ctl.states([*before, *gone]))
    assert "tcp 5000" in answer["proof"]["came_back"]["ports"]
    with connected(ctl, 5000):
        pass


def test_freeze_stops_every_process_of_the_unit_until_it_is_undone(ctl):
    main = main_pid(ctl, "keystone")
    answer = ctl.fault("keystone", "freeze", duration=LONG)
    pids = ctl.processes("keystone")
    assert main in pids and len(pids) >= 2 and set(ctl.states(pids).values()) == {"T"}
    # one of them may have died before the others were stopped
    assert {p["pid"] for p in answer["proof"]["stopped"]} >= set(pids)
    assert answer["undo"]["state"] == "armed" and answer["undo"]["deadline"]
    undone = ctl.fault("keystone", "unfreeze")
    assert undone["proof"]["undone"] == [answer["fault"]["id"]]
    assert "T" not in ctl.states(pids).values() and main_pid(ctl, "keystone") == main


def test_freeze_heals_at_its_deadline_and_the_task_waits_for_it(spare):
    pids = spare.processes("memcached")
    answer = spare.fault("memcached", "freeze", duration=2, wait=True)
    assert answer["undo"]["state"] == "undone" and answer["undo"]["held"] is True and answer["residue"] == []
    assert set(spare.states(pids)) == set(pids) and "T" not in spare.states(pids).values()
    record = spare.record(answer["fault"]["id"])
    assert record["state"] == "undone"
    # the fault lasted as long as it was to last
    assert record["injected_at"][:-1] < record["deadline"] <= record["undone_at"]


def test_freeze_leaves_alone_what_somebody_else_has_stopped(spare):
    pid = spare.processes("memcached")[0]
    spare.sh(f"kill -STOP {pid}")
    try:
        answer = spare.refused("memcached", "freeze", duration=5)
        assert answer["failure"]["code"] == "already_stopped"
        assert spare.states([pid]) == {pid: "T"}
    finally:
        spare.fault("memcached", "unfreeze")
    assert spare.states([pid])[pid] != "T"


def test_unplug_cuts_established_connections_and_new_ones_and_gives_both_back(ctl):
    with connected(ctl, 11211) as established:
        assert answered(established).startswith(b"VERSION")
        answer = ctl.fault("memcached", "unplug", duration=LONG)
        table = answer["proof"]["table"]
        assert answer["targets"][0]["ports"] == ["tcp 11211"]
        assert set(answer["proof"]["answers"].values()) == {"no answer"}
        assert set(answer["proof"]["answers_before"].values()) <= {"answered", "closed"}
        before = dropped(ctl, table)
        established.settimeout(1)
        established.sendall(b"version\r\n")
        with pytest.raises(TimeoutError):
            established.recv(100)
        between = dropped(ctl, table)
        with pytest.raises(TimeoutError):
            connected(ctl, 11211, timeout=1)
        assert before < between < dropped(ctl, table)
        # the other services of the node are not touched
        with connected(ctl, 5000):
            pass
        ctl.fault("memcached", "plug")
        with connected(ctl, 11211) as fresh:
            assert answered(fresh).startswith(b"VERSION")
        # the kernel sends again what was lost
        established.settimeout(HANG)
        assert established.recv(100).startswith(b"VERSION")


def test_unplug_takes_the_ports_that_the_service_listens_on_when_none_is_given(spare):
    answer = spare.fault("memcached", "unplug", duration=2, wait=True)
    assert answer["targets"][0]["ports"] == ["tcp 11211"]
    assert answer["undo"]["state"] == "undone"


def test_unplug_drops_ipv4_and_ipv6(spare):
    server = ("import socket, threading, time; s = socket.create_server(('::', 7777), family=socket.AF_INET6, dualstack_ipv6=True); "
              "[s.accept() for _ in range(1000)]")
    spare.sh(f"systemd-run --quiet --collect --unit=dual-stack python3 -c \"{server}\"")
    try:
        wait_for(lambda: ":7777 " in spare.sh("ss -lnt"))
        answer = spare.fault("dual-stack", "unplug", duration=LONG)
        assert answer["proof"]["answers"] == {"127.0.0.1 7777": "no answer", "::1 7777": "no answer"}
        rules = spare.sh(f"nft list table inet {answer['proof']['table']}")
        assert "tcp dport 7777" in rules and "tcp sport 7777" in rules
        for address in ("127.0.0.1", "::1"):
            before = dropped(spare, answer["proof"]["table"])
            code = f"import socket; socket.create_connection(('{address}', 7777), timeout=0.5)"
            out = spare.sh(f"python3 -c \"{code}\" 2>&1", check=False)
            assert "timed out" in out, out
            assert dropped(spare, answer["proof"]["table"]) > before
        spare.fault("dual-stack", "plug")
    finally:
        spare.sh("systemctl stop dual-stack")


def test_terminate_keeps_a_restart_always_unit_down_until_its_deadline(spare):
    spare.sh("mkdir -p /run/systemd/system/memcached.service.d; printf '[Service]\\nRestart=always\\nRestartSec=100ms\\n' "
             "> /run/systemd/system/memcached.service.d/always.conf; systemctl daemon-reload")
    try:
        answer = spare.fault("memcached", "terminate", duration=3, wait=True)
        assert answer["undo"]["held"] is True and answer["undo"]["state"] == "undone"
        assert spare.active("memcached")
    finally:
        spare.sh("rm -r /run/systemd/system/memcached.service.d; systemctl daemon-reload")


def test_terminate_takes_the_trigger_along_and_start_gives_both_back(spare):
    spare.sh("""
printf '[Socket]\\nListenStream=127.0.0.1:7070\\nAccept=no\\n' > /run/systemd/system/woken.socket
printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > /run/systemd/system/woken.service
systemctl daemon-reload; systemctl start woken.socket woken.service""")
    try:
        answer = spare.fault("woken", "terminate")
        assert answer["undo"]["state"] == "armed" and answer["undo"]["deadline"] is None
        assert not spare.active("woken.service") and not spare.active("woken.socket")
        spare.fault("woken", "start")
        assert spare.active("woken.service") and spare.active("woken.socket")
    finally:
        spare.sh("systemctl stop woken.socket woken.service; rm /run/systemd/system/woken.*; systemctl daemon-reload")


def test_terminate_starts_again_the_units_that_went_down_with_it(spare):
    spare.sh("""
printf '[Unit]\\nBindsTo=memcached.service\\nAfter=memcached.service\\n[Service]\\nExecStart=/bin/sleep infinity\\n' > /run/systemd/system/bound.service
systemctl daemon-reload; systemctl start bound""")
    try:
        spare.fault("memcached", "terminate", duration=2, wait=True)
        assert spare.active("bound") and spare.active("memcached")
    finally:
        spare.sh("systemctl stop bound; rm /run/systemd/system/bound.service; systemctl daemon-reload")


def test_restart_replaces_the_processes(spare):
    before = spare.processes("memcached")
    answer = spare.fault("memcached", "restart", wait=True)
    after = spare.processes("memcached")
    assert after and not set(before) & set(after)
    assert answer["proof"]["came_back"]["back"] is True


def test_start_is_idempotent(spare):
    answer = spare.fault("memcached", "start")
    assert answer["changed"] is False


@pytest.mark.parametrize(("action", "args", "code"), [
    ("kill", {"duration": 5}, "no_undo"),
    ("restart", {"duration": 5}, "no_undo"),
    ("freeze", {"duration": 0}, "bad_duration"),
    ("unplug", {"port": "tcp/http"}, "bad_port"),
    ("freeze", {"driver": "process"}, "no_pattern"),
    ("freeze", {"driver": "process", "grep": "("}, "bad_pattern"),
    ("kill", {"driver": "process", "grep": "^no such program$"}, "not_found"),
])
def test_a_request_that_makes_no_sense_is_refused_and_touches_nothing(spare, action, args, code):
    before = spare.processes("memcached")
    answer = spare.refused("memcached", action, **args)
    assert answer["failure"]["code"] == code
    assert answer["msg"] and spare.processes("memcached") == before


def test_a_service_that_is_not_there_is_an_error_that_says_what_was_looked_for(spare):
    answer = spare.refused("memcachd", "kill")
    assert answer["failure"]["code"] == "not_found"
    assert "no unit memcachd.service" in answer["msg"] and "Did you mean memcached?" in answer["msg"]


@pytest.mark.parametrize(("service", "action", "args"), [
    ("ssh", "kill", {}),
    ("ssh", "freeze", {"duration": 5}),
    ("ssh", "terminate", {"duration": 5}),
    ("ssh", "unplug", {"duration": 5}),
    ("my-way-in", "kill", {"driver": "process", "grep": "sshd"}),
    ("init", "freeze", {"driver": "process", "grep": "^(/sbin/init|/lib/systemd/systemd)( |$)"}),
    ("memcached", "unplug", {"port": 22, "duration": 5}),
])
def test_pid_1_and_the_way_in_are_guarded(spare, service, action, args):
    answer = spare.refused(service, action, **args)
    assert answer["failure"]["code"] == "guarded"
    assert spare.active("ssh")


def test_check_mode_says_what_would_be_hit_and_touches_nothing(spare):
    pids = spare.processes("memcached")
    answer = spare.fault("memcached", "freeze", "--check", "--diff", duration=5)
    assert answer["changed"] is True
    assert f"memcached[{pids[0]}]" in answer["msg"]
    assert answer["undo"] == {"state": "planned", "deadline": None, "steps": [f"continue memcached[{pids[0]}]"]}
    shown = answer.output.split("spare |")[0]
    assert re.search(rf"-memcached\.service: active \(running\), memcached\[{pids[0]}\] \([^T]\)", shown)
    assert f"+memcached.service: frozen, memcached[{pids[0]}] (T)" in shown
    assert spare.processes("memcached") == pids and "T" not in spare.states(pids).values()


def test_process_driver_finds_starts_and_stops_by_its_own_commands(spare):
    spare.sh("printf '#!/bin/sh\\nexec sleep 98765\\n' > /usr/local/bin/my-service; chmod +x /usr/local/bin/my-service")
    options = {"driver": "process", "grep": "^sleep 98765$", "start_cmd": "setsid /usr/local/bin/my-service >/dev/null 2>&1 &"}
    pids = "pgrep -f '^sleep 98765$'"
    try:
        spare.fault("my-service", "start", **options)
        first = spare.sh(pids)
        spare.fault("my-service", "freeze", duration=2, wait=True, **options)
        assert spare.sh(pids) == first
        answer = spare.fault("my-service", "terminate", duration=2, wait=True, **options)
        assert answer["undo"]["held"] is True
        second = spare.sh(pids)
        assert second and second != first
        spare.fault("my-service", "restart", **options)
        assert spare.sh(pids) not in ("", second)
        refused = spare.refused("my-service", "terminate", duration=2, driver="process", grep=options["grep"])
        assert refused["failure"]["code"] == "no_undo" and "start_cmd" in refused["msg"]
    finally:
        spare.sh("pkill -f '^sleep 98765$'; rm /usr/local/bin/my-service", check=False)


def test_linux_service_is_the_unit_where_systemd_runs(spare):
    answer = spare.fault("my-cache", "terminate", driver="linux_service", linux_service="memcached", duration=2, wait=True)
    assert answer["targets"][0]["units"] == ["memcached.service"]
    assert answer["undo"]["held"] is True and spare.active("memcached")


def test_linux_service_is_the_service_command_where_no_systemd_runs(make_node):
    node = make_node("sysv", boots=False)
    # Debian's own script, started as an administrator would
    node.sh("service memcached start")
    options = {"driver": "linux_service", "linux_service": "memcached"}
    pids = "pgrep -x memcached"
    first = wait_for(lambda: node.sh(pids, check=False))

    answer = node.fault("my-cache", "freeze", duration=2, wait=True, **options)
    assert answer["undo"]["held"] is True and [p["pid"] for p in answer["proof"]["stopped"]] == [int(first)]
    assert node.sh(pids) == first and node.states([int(first)])[int(first)] != "T"

    # the script itself says that it is down, and up again
    down = node.fault("my-cache", "terminate", duration=LONG, **options)
    assert down["undo"]["steps"] == ["run: service memcached start"]
    assert "is not running" in node.sh("service memcached status", check=False)
    node.fault("my-cache", "start", **options)
    second = node.sh(pids)
    assert second not in ("", first) and "is running" in node.sh("service memcached status")

    node.fault("my-cache", "restart", **options)
    third = node.sh(pids)
    assert third not in ("", second)
    killed = node.fault("my-cache", "kill", **options)
    assert [p["pid"] for p in killed["proof"]["gone"]] == [int(third)] and node.sh(pids, check=False) == ""
    # a stale PID file of the killed one does not keep the undo of a later fault from starting it
    node.fault("my-cache", "start", **options)
    answer = node.fault("my-cache", "terminate", duration=2, wait=True, **options)
    assert answer["undo"]["state"] == "undone" and answer["residue"] == [] and node.sh(pids)
    assert node.open_faults() == []


def test_controller_itself_is_not_hit_by_a_forgotten_local_connection(spare):
    answer = spare.refused("cron", "kill", "-e", "ansible_connection=local")
    assert answer["failure"]["code"] == "guarded" and "the controller itself" in answer["msg"]
