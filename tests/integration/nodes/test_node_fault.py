# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each action of os_node_fault: its effect on the node itself, its undo, nothing left."""

from __future__ import annotations

import json
import pathlib
import socket
import subprocess

import pytest
from lab_deadlines import kill, lasting
from lab_nodes import LONG, wait_for, with_memcached
from patience import HANG

SSHD = "pgrep -o -x sshd"


@pytest.fixture(scope="module")
def boxed_node(make_node):
    """A node with limits of its own: memory, processes, and a small filesystem."""
    limits = ("--memory=400m", "--memory-swap=400m", "--pids-limit=300", "--tmpfs=/data:size=64m,nr_inodes=3000")
    return make_node("boxed", *limits, furnish=with_memcached)


@pytest.fixture
def boxed(boxed_node, clean):
    with clean(boxed_node):
        yield boxed_node


def hit(node, action, *options, **args):
    """os_node_fault that has to succeed; its Answer."""
    return node.hit("os_node_fault", {"action": action, "wait_timeout": HANG, "recovery_timeout": HANG, **args}, *options)


def refused(node, action, **args):
    """os_node_fault that has to fail; its Answer."""
    return node.turned_down("os_node_fault", {"action": action, **args})


def boot(node):
    return node.sh("stat -c %Y /proc/1; cut -d')' -f2 /proc/1/stat | cut -d' ' -f21; cat /proc/sys/kernel/random/boot_id")


def control_group(node, controller, name):
    """What the machine outside says of a container's control group, whatever the version of these."""
    root = pathlib.Path("/sys/fs/cgroup")
    names = {name, {"memory.oom_control": "memory.events"}.get(name, name)}
    wanted = subprocess.run(["docker", "inspect", "-f", "{{.Id}}", node.container], check=True, capture_output=True, text=True).stdout.strip()
    for path in [*root.glob(f"{controller}/**/*{wanted}*"), *root.glob(f"**/*{wanted}*")]:
        for file in names:
            if (path / file).exists():
                return (path / file).read_text()
    raise AssertionError(f"{node.container} has no {name}")


def oom_kills(node):
    return int(next(line.split()[1] for line in control_group(node, "memory", "memory.oom_control").splitlines() if line.startswith("oom_kill ")))


# ---- reboot


@pytest.mark.gate
def test_reboot_is_waited_for_and_proven_by_another_boot(boxed):
    before = boot(boxed)
    answer = hit(boxed, "reboot")
    assert boot(boxed) != before
    assert answer["proof"]["boot"] != answer["proof"]["boot_after"] and answer["boot_time"] > 0
    assert answer["undo"]["state"] == "none" and "answers after" in answer["msg"]
    assert boxed.record(answer["fault"]["id"])["state"] == "done"
    wait_for(lambda: boxed.active("memcached"))


def test_reboot_as_a_sentence(boxed):
    before = boot(boxed)
    answer = boxed.call("os_fault", {"do": "Reboot one node", "recovery_timeout": HANG})
    assert not answer.failed and answer["proof"]["boot_after"], answer.output
    assert boot(boxed) != before
    wait_for(lambda: boxed.active("memcached"))


def test_a_node_that_does_not_go_down_is_no_reboot(boxed):
    boxed.sh("mkdir -p /run/systemd/transient; systemctl mask --runtime -q reboot.target")
    try:
        answer = refused(boxed, "reboot", recovery_timeout=6)
        assert answer["failure"]["code"] == "not_recovered" and "it has not gone down" in answer["msg"]
    finally:
        boxed.sh("systemctl unmask --runtime -q reboot.target; rmdir --ignore-fail-on-non-empty /run/systemd/transient")


def test_reboot_in_check_mode_is_only_told(boxed):
    before = boot(boxed)
    answer = hit(boxed, "reboot", "--check", "--diff")
    (was,), would_be = answer.diff
    assert was.startswith("boot ") and was.split()[1].partition("/")[0] in before and would_be == ["systemctl reboot"]
    assert answer["plan"] == ["systemctl reboot"] and answer["undo"]["state"] == "none"
    assert boot(boxed) == before


@pytest.mark.parametrize("action, options", [("crash", {}), ("clock", {"offset": 60})])
def test_what_would_hit_the_whole_machine_is_refused_in_a_container(boxed, action, options):
    before = boot(boxed)
    answer = refused(boxed, action, **options)
    assert answer["failure"]["code"] == "shared_kernel" and "container (docker)" in answer["msg"]
    assert boot(boxed) == before and boxed.open_faults() == []


# ---- oom


@pytest.mark.gate
def test_oom_is_ended_by_the_kernel_s_killer_and_spares_sshd(boxed):
    kills, server = oom_kills(boxed), boxed.sh(SSHD)
    answer = hit(boxed, "oom")
    assert oom_kills(boxed) == kills + 1
    assert answer["proof"]["oom_kills"] == 1 and answer["proof"]["sshd_died"] == [] and answer["undo"]["state"] == "none"
    assert boxed.sh(SSHD) == server and boxed.active("memcached")
    assert answer["proof"]["available"] > 200 << 20


def test_oom_for_a_while_kills_again_and_again_and_ends_without_the_controller(boxed):
    kills, server = oom_kills(boxed), boxed.sh(SSHD)

    def oom(seconds):
        playing, fault_id = boxed.begin("os_node_fault", {"action": "oom", "duration": seconds, "wait": True})
        kill(playing)
        return fault_id

    def again():
        wait_for(lambda: oom_kills(boxed) >= kills + 2 or not boxed.open_faults())
        return oom_kills(boxed) - kills

    seen, record = lasting(boxed.record, oom, again)
    assert seen >= 2
    assert record["state"] == "undone" and record["held"] is True and record["residue"] == []
    assert record["proof"]["oom_kills"] >= 2
    assert boxed.sh(SSHD) == server and boxed.active("memcached")


def test_oom_of_a_container_without_a_limit_is_refused(spare):
    answer = refused(spare, "oom")
    assert answer["failure"]["code"] == "shared_memory" and "whole machine's memory" in answer["msg"]


# ---- fill_disk


def used(node, path):
    return int(node.sh(f"df --output=pcent {path} | tail -1").strip(" %"))


@pytest.mark.gate
def test_a_full_disk_lets_nobody_write_until_its_deadline(boxed):
    def fill(seconds):
        answer = hit(boxed, "fill_disk", path="/data", percent=100, duration=seconds)
        assert answer["proof"]["percent"] == 100 and answer["proof"]["available"] == 0
        return answer["fault"]["id"]

    def look():
        return used(boxed, "/data"), boxed.sh("head -c 100000 /dev/zero 2>&1 > /data/theirs; rm -f /data/theirs", check=False)

    (percent, said), record = lasting(boxed.record, fill, look)
    assert percent == 100 and "No space left" in said
    assert used(boxed, "/data") == 0 and boxed.sh("ls -A /data") == ""
    assert record["held"] is True and record["state"] == "undone"


def test_fill_disk_to_a_percentage_and_to_bytes_in_both_orders_of_undo(boxed):
    for order in ((0, 1), (1, 0)):
        faults = [hit(boxed, "fill_disk", path="/data", percent=50), hit(boxed, "fill_disk", path="/data", free="8M")]
        assert faults[0]["proof"]["percent"] == 50 and faults[1]["proof"]["available"] == 8 << 20
        assert used(boxed, "/data") == 88
        boxed.heal(faults[order[0]])
        assert used(boxed, "/data") == {0: 38, 1: 50}[order[0]]
        boxed.heal(faults[order[1]])
        assert used(boxed, "/data") == 0


@pytest.mark.parametrize("options, code, words", [
    ({"path": "/data", "percent": 10, "free": "1M"}, "missing_option", "one of percent, free and size, not percent and free"),
    ({"path": "/data"}, "missing_option", "one of percent, free and size, not none"),
    ({"percent": 10}, "missing_option", "fill_disk needs path"),
    ({"path": "/nowhere", "percent": 10}, "not_found", "/nowhere cannot be looked at: No such file"),
    ({"path": "/etc/hostname", "percent": 10}, "not_found", "is not a folder"),
    ({"path": "/data", "percent": 0}, "already_full", "is as full as that already"),
    ({"path": "/data", "size": "1G"}, "too_much", "has only"),
    ({"path": "/var", "percent": 99}, "shared_disk", "disk of the machine that runs this container"),
])
def test_fill_disk_refuses(boxed, options, code, words):
    answer = refused(boxed, "fill_disk", **options)
    assert answer["failure"]["code"] == code and words in answer["msg"]
    assert boxed.open_faults() == []


def test_the_journal_s_own_filesystem_keeps_room(make_node, clean):
    node = make_node("journal", "--tmpfs=/var/lib/faultline:size=48m,mode=0700")
    with clean(node):
        answer = refused(node, "fill_disk", path="/var/lib/faultline", percent=90)
        assert answer["failure"]["code"] == "journal_room" and "32 MiB must stay free" in answer["msg"]
        answer = hit(node, "fill_disk", path="/var/lib/faultline", free="40M", duration=2, wait=True)
        assert answer["undo"]["state"] == "undone"


def test_a_reboot_in_the_middle_leaves_no_file(boxed):
    answer = hit(boxed, "fill_disk", path="/var/tmp", size="4M", duration=900)
    assert boxed.sh(f"stat -c %s {answer['proof']['file']}") == str(4 << 20)
    hit(boxed, "reboot")
    boxed.wait_booted()
    boxed.wait_healed()
    assert boxed.record(answer["fault"]["id"])["state"] == "undone"
    assert boxed.sh("ls -A /var/tmp | grep faultline", check=False) == ""


# ---- exhaust


def test_without_inodes_nobody_can_make_a_file(boxed):
    def exhaust(seconds):
        answer = hit(boxed, "exhaust", resource="inodes", path="/data", percent=100, duration=seconds)
        assert answer["proof"]["free"] == 0
        return answer["fault"]["id"]

    def look():
        return boxed.sh("touch /data/theirs 2>&1", check=False), boxed.sh("df --output=iavail /data | tail -1").strip()

    (said, free), record = lasting(boxed.record, exhaust, look)
    assert "No space left" in said and free == "0"
    # one that was made while the fault was over
    boxed.sh("rm -f /data/theirs")
    assert boxed.sh("ls -A /data; touch /data/theirs; rm /data/theirs") == ""
    assert record["held"] is True


MANY = """python3 - <<'X'
import os, signal, time
children = []
try:
    for _each in range(120):
        child = os.fork()
        if not child:
            time.sleep(4321)
        children.append(child)
except OSError as exc:
    print(exc)
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
X"""


@pytest.mark.gate
def test_pids_are_taken_but_for_those_that_are_needed_to_heal(boxed):
    before = int(control_group(boxed, "pids", "pids.current"))
    answer = hit(boxed, "exhaust", resource="pids", free=70, duration=LONG)
    taken = int(control_group(boxed, "pids", "pids.current"))
    assert 200 <= taken <= 240 and answer["proof"]["limit"] == 300
    # whoever needs many gets no more, while a login still works
    assert "unavailable" in boxed.sh(MANY)
    boxed.heal(answer)
    wait_for(lambda: int(control_group(boxed, "pids", "pids.current")) < before + 30)


def test_so_many_pids_that_nobody_could_heal_are_refused(boxed):
    answer = refused(boxed, "exhaust", resource="pids", free=10)
    assert answer["failure"]["code"] == "too_much" and "64 of 300 must stay free" in answer["msg"]


def test_pids_of_a_container_without_a_limit_are_refused(spare):
    assert refused(spare, "exhaust", resource="pids")["failure"]["code"] == "shared_pids"


def test_a_server_without_fds_serves_nobody_until_it_is_undone(boxed):
    # as servers do: accept() fails, and is tried again
    boxed.sh(r"""cat > /root/server.py <<'X'
import socket, time
server = socket.create_server(("0.0.0.0", 7878))
while True:
    try:
        client = server.accept()[0]
    except OSError:
        time.sleep(0.1)
        continue
    client.sendall(b"here")
    client.close()
X
systemd-run -q --collect --unit=tiny-server python3 /root/server.py""")
    try:
        wait_for(lambda: ask(boxed) == b"here")
        soft = limits(boxed, "[/]root/server.py")
        for order in ((0, 1), (1, 0)):
            faults = [hit(boxed, "exhaust", resource="fds", pattern="/root/server.py") for _twice in range(2)]
            # who waits in accept() has its descriptor already
            ask(boxed)
            assert ask(boxed) is None and limits(boxed, "[/]root/server.py") != soft
            boxed.heal(faults[order[0]])
            assert ask(boxed) is None and limits(boxed, "[/]root/server.py") != soft, "the undo of one took the other away"
            boxed.heal(faults[order[1]])
            wait_for(lambda: ask(boxed) == b"here")
            assert limits(boxed, "[/]root/server.py") == soft
    finally:
        boxed.sh("systemctl stop tiny-server; rm /root/server.py")


def limits(node, pattern):
    """The limits of open files of a process, as the kernel shows them to anybody."""
    return node.sh(f"grep 'open files' /proc/$(pgrep -f '{pattern}')/limits")


def ask(node):
    """What the tiny server says within a second, or None."""
    try:
        with socket.create_connection((node.address, 7878), timeout=1) as channel:
            return channel.recv(10) or None
    except OSError:
        return None


def test_fds_of_a_process_of_another_user_are_given_back(boxed):
    pid = boxed.processes("memcached")[0]
    before = limits(boxed, "^/usr/bin/memcached")
    answer = hit(boxed, "exhaust", resource="fds", pattern="^/usr/bin/memcached", duration=3, wait=True)
    assert answer["proof"][f"limit of {pid}"] <= answer["proof"][f"open of {pid}"]
    assert limits(boxed, "^/usr/bin/memcached") == before and answer["undo"]["held"] is True


@pytest.mark.parametrize("pattern", ["sshd", "^/sbin/init", "."])
def test_fds_of_what_carries_us_are_not_taken(boxed, pattern):
    assert refused(boxed, "exhaust", resource="fds", pattern=pattern)["failure"]["code"] == "guarded"


# ---- processes by pattern


@pytest.mark.gate
def test_processes_by_pattern_are_killed_or_frozen(boxed):
    # as a service that nobody looks after
    pids = [int(boxed.sh(f"setsid sleep {n} >/dev/null 2>&1 & echo $!")) for n in (86421, 86422)]
    try:
        # a shell is not yet what it starts
        wait_for(lambda: boxed.sh("pgrep -c -f '^sleep 8642[12]$'", check=False) == "2")
        answer = hit(boxed, "freeze_process", pattern="^sleep 8642[12]$", duration=3, wait=True)
        assert sorted(p["pid"] for p in answer["proof"]["stopped"]) == sorted(pids) and answer["undo"]["held"] is True
        assert "T" not in boxed.states(pids).values()
        answer = hit(boxed, "kill_process", pattern="^sleep 86421$", signal="TERM")
        assert [p["pid"] for p in answer["proof"]["gone"]] == [pids[0]] and answer["undo"]["state"] == "none"
        wait_for(lambda: list(boxed.states(pids)) == [pids[1]])
    finally:
        boxed.sh(f"kill -KILL {' '.join(map(str, pids))}", check=False)


def test_a_pattern_that_matches_sshd_or_everything_is_refused(boxed):
    for pattern in ("sshd", "."):
        assert refused(boxed, "kill_process", pattern=pattern)["failure"]["code"] == "guarded"
    assert refused(boxed, "kill_process", pattern="no-such-thing")["failure"]["code"] == "not_found"
    assert refused(boxed, "kill_process")["failure"]["code"] == "missing_option"


# ---- workers


def test_a_worker_that_somebody_ends_early_is_told(boxed):
    answer = hit(boxed, "exhaust", resource="pids", size=20, duration=LONG)
    boxed.sh(f"systemctl kill --signal=KILL faultline-work-{answer['fault']['id']}")
    # it dies a moment after the signal was sent
    wait_for(lambda: not boxed.active(f"faultline-work-{answer['fault']['id']}"))
    boxed.heal(answer)
    record = boxed.record(answer["fault"]["id"])
    assert record["held"] is False and record["state"] == "undone" and record["residue"] == []


def test_the_fault_s_own_process_killed_ends_its_worker(boxed):
    answer = hit(boxed, "exhaust", resource="pids", size=20, duration=LONG)
    boxed.sh(f"systemctl kill --signal=KILL faultline-{answer['fault']['id']}")
    boxed.wait_healed()
    wait_for(lambda: boxed.sh(f"systemctl is-active faultline-work-{answer['fault']['id']}", check=False) == "inactive")


@pytest.mark.parametrize("target, seen", [
    pytest.param("cpu", lambda proof: proof["cpu_percent"] > 5, marks=pytest.mark.gate),
    ("memory", lambda proof: proof["memory"] >= 38 << 20),
    ("disk", lambda proof: proof["written"] > 0),
    ("kernel", lambda proof: True),
])
def test_stress_is_what_the_kernel_counts_and_ends(boxed, target, seen):
    def stress(seconds):
        answer = hit(boxed, "stress", target=target, workers=1, size="48M", duration=seconds)
        assert seen(answer["proof"]["seen"]), answer.output
        return answer["fault"]["id"]

    processes, record = lasting(boxed.record, stress, lambda: int(boxed.sh("ps -eo comm= | grep -c ^stress-ng", check=False)))
    assert processes >= 2
    assert boxed.sh("pgrep stress-ng; ls /var/tmp | grep faultline", check=False) == ""
    assert record["held"] is True


def test_stress_without_stress_ng_says_how_to_get_it(boxed):
    boxed.sh("mv /usr/bin/stress-ng /usr/bin/stress-ng.away")
    try:
        answer = refused(boxed, "stress", target="cpu", duration=2)
    finally:
        boxed.sh("mv /usr/bin/stress-ng.away /usr/bin/stress-ng")
    assert answer["failure"]["code"] == "missing_program" and "install: true" in answer["msg"]


def test_without_systemd_a_worker_is_a_session_of_its_own(make_node):
    node = make_node("bare", "--pids-limit=300", "--tmpfs=/data:size=16m", boots=False)
    sessions = []

    def exhaust(seconds):
        return hit(node, "exhaust", resource="pids", size=50, duration=seconds)["fault"]["id"]

    def look():
        sessions.append(node.sh("cat /run/faultline-work-*", check=False))
        return sessions[-1] and node.sh(f"ps -o pid= -s {json.loads(sessions[-1])['pid']}", check=False)

    workers, record = lasting(node.record, exhaust, look)
    assert workers.split() and record["held"] is True
    assert node.sh(f"ps -o pid= -s {json.loads(sessions[-1])['pid']}; ls /run | grep faultline", check=False) == ""
    # fd limits and files need nobody
    assert hit(node, "fill_disk", path="/data", percent=50, duration=1, wait=True)["undo"]["state"] == "undone"
