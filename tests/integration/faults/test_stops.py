# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A slow stop is a stop, who was told to stop never counts as started again, and a user's command holds nobody."""

from __future__ import annotations

import os
import subprocess

import pytest
from lab_deadlines import injectors, kill
from lab_nodes import LONG, ROOT, wait_for
from patience import HANG

# as of oslo.service: it ends its work before it goes (seconds), and says in a file that it has heard of it
SLOW = """
import signal, sys, time
def leave(*_signal):
    open("/run/slow.told", "a").write("%d\\n" % __import__("os").getpid())
    end = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < end:
        time.sleep(0.1)
        try:
            open("/run/slow.may-go").close()
            break
        except OSError:
            pass
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
while True:
    time.sleep(1)
"""
# for ever, unless it may go: as slow as can be
NEVER = 100 * HANG


def slow(seconds, **more):
    """The definition of a service that needs so long to stop."""
    return {
        "driver": "process", "grep": f"^python3 /opt/stops/slow.py {seconds}$",
        "start_cmd": f"setsid python3 /opt/stops/slow.py {seconds} >/dev/null 2>&1 &", **more}


def pids(node, definition):
    return [int(pid) for pid in node.sh(f"pgrep -f '{definition['grep']}'", check=False).split()]


def pid(node, definition):
    """Of the one process that a service has."""
    (found,) = wait_for(lambda: pids(node, definition))
    return found


def told(node):
    """PIDs of those who have got their SIGTERM."""
    return [int(each) for each in node.sh("cat /run/slow.told", check=False).split()]


@pytest.fixture
def stops(spare):
    """The spare node with such a service; none of its processes is left in the end."""
    spare.sh(f"mkdir -p /opt/stops; rm -f /run/slow.*; cat > /opt/stops/slow.py <<'X'\n{SLOW}\nX")
    yield spare
    spare.sh(
        "touch /run/slow.may-go; pkill -KILL -f '[/]opt/stops/slow.py'; pkill -KILL -f '[s]leep 864[0-9][0-9]'; rm -rf /opt/stops /run/slow.*", check=False)


def test_a_process_that_takes_its_time_to_stop_is_waited_for(stops):
    service = slow(12)
    stops.sh(service["start_cmd"])
    old = pid(stops, service)
    answer = stops.fault("slow", "terminate", duration=4, wait=True, **service)
    record = stops.record(answer["fault"]["id"])
    # it was down for its time, after it had gone
    assert record["injected"] - record["began"] >= 11 and record["undone"] - record["proven"] >= 4
    assert answer["undo"]["held"] is True and answer["residue"] == []
    assert told(stops) == [old] and pid(stops, service) != old


def test_who_was_told_to_stop_never_counts_as_started_again(stops):
    """It does not go within its time, so the stop is not proven; and it goes later."""
    service = slow(NEVER, stop_timeout=2)
    stops.sh(service["start_cmd"])
    old = pid(stops, service)
    known = stops.faults()
    answer = stops.refused("slow", "terminate", duration=LONG, **service)
    (fault_id,) = stops.faults() - known
    assert answer["failure"]["code"] == "unproven" and f"python3[{old}] was told to stop by SIGTERM and is still there" in answer["msg"]
    assert any("it may go at any moment" in words for words in answer["residue"]), answer.output
    assert told(stops)[0] == old and pids(stops, service) == [old]
    # nobody takes it for healed
    assert fault_id in stops.open_faults() and "may go at any moment" in " ".join(stops.record(fault_id)["residue"])
    stops.sh("touch /run/slow.may-go")
    stops.wait_healed()
    assert pid(stops, service) != old and stops.record(fault_id)["residue"] == []


def test_it_is_started_again_however_late_it_goes_while_the_undo_waits(stops):
    service = slow(NEVER)
    stops.sh(service["start_cmd"])
    old = pid(stops, service)
    known = stops.faults()
    playing = stops.start("os_service_fault", {"service": "slow", "action": "terminate", "duration": LONG, **service})
    wait_for(lambda: told(stops) == [old])
    (fault_id,) = stops.faults() - known
    # as of a controller that dies while it waits for the stop
    (module,) = wait_for(lambda: injectors(stops, fault_id))
    stops.sh(f"kill -KILL {module}")
    kill(playing)
    healing = stops.start("os_fault_undo", {"id": fault_id})
    wait_for(lambda: stops.record(fault_id)["state"] == "undoing")
    assert pids(stops, service) == [old]
    stops.sh("touch /run/slow.may-go")
    assert healing.wait(HANG) == 0
    assert pid(stops, service) != old and fault_id not in stops.open_faults()


UNIT = "test-slow-stop.service"


@pytest.fixture
def slow_unit(stops):
    """The same as a unit, as case-slow is."""
    stops.sh(
        f"printf '[Service]\\nExecStart=/usr/bin/python3 /opt/stops/slow.py {NEVER}\\nTimeoutStopSec={NEVER}\\nRestart=always\\n' "
        f"> /etc/systemd/system/{UNIT}; systemctl daemon-reload; systemctl start {UNIT}")
    yield stops
    stops.sh(
        f"touch /run/slow.may-go; systemctl kill -s KILL {UNIT}; systemctl stop {UNIT}; rm -f /etc/systemd/system/{UNIT}; systemctl daemon-reload; "
        f"systemctl reset-failed {UNIT}", check=False)


def test_the_stop_of_a_unit_that_something_starts_again_is_told_in_words(slow_unit, tmp_path):
    before = slow_unit.processes(UNIT)
    starter = tmp_path / "starter"
    known = slow_unit.faults()
    with subprocess.Popen(
            slow_unit.command("os_service_fault", {"service": UNIT, "action": "terminate", "duration": LONG}), cwd=ROOT,
            env={**os.environ, **slow_unit.environment}, stdout=starter.open("w"), stderr=subprocess.STDOUT) as playing:
        wait_for(lambda: told(slow_unit))
        (fault_id,) = slow_unit.faults() - known
        slow_unit.sh(f"systemctl start --no-block {UNIT}; touch /run/slow.may-go")
        assert playing.wait(HANG) != 0
    assert f"systemd has cancelled the stop of {UNIT}: another job for it came in between" in starter.read_text()
    wait_for(lambda: slow_unit.active(UNIT))
    assert slow_unit.open_faults() == [] and slow_unit.record(fault_id)["residue"] == []
    assert not set(before) & set(slow_unit.processes(UNIT))


def test_a_stop_that_its_command_refuses_leaves_the_service_and_closes_the_journal(stops):
    service = slow(0, terminate_cmd="echo no such thing >&2; exit 3", stop_timeout=1)
    stops.sh(service["start_cmd"])
    old = pid(stops, service)
    known = stops.faults()
    answer = stops.refused("slow", "terminate", duration=LONG, **service)
    (fault_id,) = stops.faults() - known
    assert answer["failure"]["code"] == "program_failed" and answer["residue"] == []
    assert "'echo no such thing >&2; exit 3' failed with status 3. It said: no such thing" in answer["msg"]
    assert pids(stops, service) == [old] and stops.open_faults() == []
    assert any("has failed, and it runs on" in note for note in stops.record(fault_id)["notes"])


def test_a_stop_whose_command_fails_after_its_signal_is_a_slow_one(stops):
    """As of a script that sends the signal, and fails because its process has not gone within ten seconds: it goes later, and is started again."""
    service = slow(NEVER, terminate_cmd="pkill -TERM -f '[/]opt/stops/slow.py'; echo still there >&2; exit 3", stop_timeout=NEVER)
    stops.sh(service["start_cmd"])
    old = pid(stops, service)
    known = stops.faults()
    answer = stops.refused("slow", "terminate", duration=LONG, **service)
    (fault_id,) = stops.faults() - known
    assert answer["failure"]["code"] == "program_failed" and told(stops) == [old], answer.output
    assert any("may have been told to stop by what has failed" in words for words in answer["residue"]), answer.output
    assert pids(stops, service) == [old] and stops.open_faults() == [fault_id]
    stops.sh("touch /run/slow.may-go")
    stops.wait_healed()
    assert pid(stops, service) != old and stops.record(fault_id)["residue"] == []


def test_one_that_ignores_the_signal_is_known_to_stay(stops):
    service = {"driver": "process", "grep": "^sleep 86401$", "stop_timeout": 1, "start_cmd": "setsid sleep 86401 >/dev/null 2>&1 &"}
    stops.sh("trap '' TERM; setsid sleep 86401 >/dev/null 2>&1 &")
    old = pid(stops, service)
    known = stops.faults()
    answer = stops.refused("deaf", "terminate", duration=LONG, **service)
    (fault_id,) = stops.faults() - known
    assert answer["failure"]["code"] == "unproven" and answer["residue"] == []
    assert pids(stops, service) == [old] and stops.open_faults() == []
    assert any("ignores SIGTERM" in note for note in stops.record(fault_id)["notes"])


# what keeps its output open for as long as it lives, as in os-faults' manual
KEEPS = {
    "driver": "process", "grep": "^sleep 86402$", "start_cmd": "nohup sleep 86402 &", "terminate_cmd": "echo stopping; pkill -fx 'sleep 86402'",
    "restart_cmd": "pkill -fx 'sleep 86402'; nohup sleep 86402 &"}


def test_commands_that_leave_their_pipes_open_hold_nobody(stops):
    stops.fault("kept", "start", **KEEPS)
    first = pid(stops, KEEPS)
    stops.fault("kept", "restart", wait=True, **KEEPS)
    second = pid(stops, KEEPS)
    assert second != first
    answer = stops.fault("kept", "terminate", duration=2, wait=True, **KEEPS)
    assert answer["undo"]["state"] == "undone" and answer["undo"]["held"] is True and answer["residue"] == []
    third = pid(stops, KEEPS)
    assert third != second
    terminated = stops.fault("kept", "terminate", duration=LONG, **KEEPS)
    assert pids(stops, KEEPS) == []
    stops.heal(terminated)
    assert pid(stops, KEEPS) != third
    # somebody reads what it says, so that it does not die of saying it, and ends with it
    pipe = stops.sh(f"readlink /proc/{pid(stops, KEEPS)}/fd/1")
    (reader,) = stops.sh(f"for fd in /proc/[0-9]*/fd/0; do [ \"$(readlink $fd)\" != '{pipe}' ] || echo $fd; done | cut -d/ -f3", check=False).split()
    stops.sh("pkill -KILL -fx 'sleep 86402'")
    wait_for(lambda: not stops.states([int(reader)]))


def test_what_a_command_leaves_running_holds_no_lock_of_ours(stops):
    """The module is killed while the command runs on; when that has ended, what it has left keeps neither the undo nor another fault waiting."""
    down = "setsid sleep 86407 >/dev/null 2>&1 & touch /run/slow.down; until test -e /run/slow.may-go; do sleep 0.1; done"
    known = stops.faults()
    playing = stops.start("os_command_fault", {
        "name": "left", "down": ["/bin/sh", "-c", down], "up": "rm -f /run/slow.down", "timeout": NEVER, "duration": 1})
    wait_for(lambda: stops.sh("ls /run/slow.down", check=False))
    (fault_id,) = stops.faults() - known
    (module,) = wait_for(lambda: injectors(stops, fault_id))
    stops.sh(f"kill -KILL {module}")
    kill(playing)
    left = int(stops.sh("pgrep -fx 'sleep 86407'"))
    assert "/var/lib/faultline" not in stops.sh(f"ls -l /proc/{left}/fd")
    # the command itself is still at work, and what it does would come after an undo
    assert stops.record(fault_id)["deadline_clock"] is None and stops.open_faults() == [fault_id]
    stops.sh("touch /run/slow.may-go")
    second = stops.fault("memcached", "freeze", duration=LONG)
    stops.heal(second)
    stops.wait_healed()
    assert stops.record(fault_id)["residue"] == [] and stops.sh("ls /run/slow.down", check=False) == "" and stops.states([left])


def test_a_command_that_does_not_end_is_told_and_the_other_faults_are_healed(stops):
    service = {"driver": "process", "grep": "^sleep 86403$", "start_cmd": "echo up soon; sleep 86404", "start_timeout": 2}
    stops.sh("setsid sleep 86403 >/dev/null 2>&1 &")
    pid(stops, service)
    hanging = stops.fault("never", "terminate", duration=LONG, **service)
    frozen = stops.fault("memcached", "freeze", duration=LONG)
    try:
        answer = stops.turned_down("os_fault_undo", {"all": True})
        assert answer["undone"] == [frozen["fault"]["id"]]
        (left,) = answer["residue"]
        assert hanging["fault"]["id"] in left and "did not end within 2 seconds" in left and "It said: up soon" in left
        # the undo is tried again, which starts another one for a moment
        wait_for(lambda: stops.sh("pgrep -fx 'sleep 86404'", check=False) == "")
        assert stops.record(hanging["fault"]["id"])["state"] in ("residue", "undoing")
    finally:
        # somebody starts it by hand: the next undo finds it
        stops.sh("setsid sleep 86403 >/dev/null 2>&1 &")
    stops.wait_healed()


def test_an_undo_that_hangs_keeps_none_of_the_others_from_being_healed(stops):
    """Who keeps the fault's time runs a command that does not end; heal does not wait for it for ever, and tells."""
    service = {"driver": "process", "grep": "^sleep 86403$", "start_cmd": "sleep 86405", "start_timeout": LONG}
    stops.sh("setsid sleep 86403 >/dev/null 2>&1 &")
    pid(stops, service)
    hanging = stops.fault("never", "terminate", duration=1, **service)["fault"]["id"]
    frozen = stops.fault("memcached", "freeze", duration=LONG)["fault"]["id"]
    undoing = wait_for(lambda: stops.sh("pgrep -fx 'sleep 86405'", check=False))
    answer = stops.turned_down("os_fault_undo", {"all": True, "timeout": 2})
    assert answer["undone"] == [frozen] and stops.open_faults() == [hanging]
    (left,) = answer["residue"]
    assert left.startswith(f"{hanging}: what is left of it is not known: Somebody else is at work at it, and did not end within 2 seconds")
    stops.sh(f"setsid sleep 86403 >/dev/null 2>&1 & kill -KILL {undoing}")
    stops.wait_healed()
    assert stops.record(hanging)["state"] == "undone"


# a nft that waits, when it is to cut packets, for as long as it is told
HELD_NFT = """#!/bin/sh
if [ "$*" = "--file -" ] && [ -e /run/nft.hold ]; then
    touch /run/nft.began
    while [ -e /run/nft.hold ]; do sleep 0.1; done
fi
exec /usr/sbin/nft "$@"
"""


def test_the_unit_of_a_fault_that_is_stopped_while_its_timekeeper_fires_it(spare):
    """What the timekeeper has started goes on without it; the undo comes after that, and not before."""
    spare.sh(f"cat > /usr/local/sbin/nft <<'X'\n{HELD_NFT}X\nchmod +x /usr/local/sbin/nft; touch /run/nft.hold")
    try:
        known = spare.faults()
        playing = spare.start("os_netiface", {"action": "disconnect", "interface": "eth0", "kind": "isolate", "duration": LONG})
        wait_for(lambda: spare.sh("ls /run/nft.began", check=False))
        (fault_id,) = spare.faults() - known
        unit = f"faultline-{fault_id}"
        timekeeper = int(spare.sh(f"systemctl show -p MainPID --value {unit}"))
        spare.sh(f"systemctl stop --no-block {unit}")
        wait_for(lambda: timekeeper not in spare.states([timekeeper]))
        wait_for(lambda: spare.sh(f"systemctl show -p SubState --value {unit}") == "stop-post")
        assert spare.record(fault_id)["state"] == "armed" and spare.record(fault_id)["undone_at"] is None
        spare.sh("rm /run/nft.hold")
        spare.wait_healed()
        wait_for(lambda: not spare.sh("pgrep -f '[/]usr/local/sbin/nft'", check=False))
        assert fault_id.replace("-", "_") not in spare.sh("/usr/sbin/nft list tables")
        record = spare.record(fault_id)
        assert record["residue"] == [] and record["state"] == "aborted"
        wait_for(lambda: spare.sh(f"systemctl list-units --all --plain --no-legend '{unit}*'") == "")
        kill(playing)
    finally:
        spare.sh("rm -f /run/nft.hold /run/nft.began /usr/local/sbin/nft")


def test_without_systemd_a_process_that_goes_late_is_started_again(make_node):
    node = make_node("late", boots=False)
    service = slow(NEVER, stop_timeout=2)
    node.sh(f"mkdir -p /opt/stops; cat > /opt/stops/slow.py <<'X'\n{SLOW}\nX")
    node.sh(service["start_cmd"])
    old = pid(node, service)
    known = node.faults()
    answer = node.refused("slow", "terminate", duration=LONG, **service)
    (fault_id,) = node.faults() - known
    assert answer["failure"]["code"] == "unproven" and answer["residue"] and node.open_faults() == [fault_id]
    node.sh("touch /run/slow.may-go")
    node.wait_healed()
    assert pid(node, service) != old
