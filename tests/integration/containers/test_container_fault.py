# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each action of os_container_fault on real engines: its effect, seen from outside; its undo; nothing left."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import socket
import subprocess

import lab_engines
import pytest
import yaml
from lab_deadlines import kill, lasting
from lab_engines import page
from lab_nodes import JOURNAL, LAB, LONG, wait_for
from patience import HANG
from warm_ansible import run_ansible

# name -> (engine, port at which the node's neighbours reach it)
CLOUD = {"nova_api": ("docker", 18774), "neutron_server": ("docker", 9696), "mariadb": ("docker", 3306), "glance_api": ("podman", 9292)}
# seconds in which a container that was hit comes back
PATIENCE = {"recovery_timeout": HANG, "wait_timeout": HANG}


@pytest.fixture(scope="module")
def kolla_node(make_node):
    """A node with both engines, and containers with Kolla's names."""
    return make_node("kolla", recipe=lab_engines.recipe(), furnish=lab_engines.furnish)


@pytest.fixture
def kolla(kolla_node, clean):
    """That node; the test fails if it leaves anything behind."""
    with clean(kolla_node):
        yield kolla_node


def hit(node, container, action, *options, **args):
    """os_container_fault that has to succeed; its Answer."""
    return node.hit("os_container_fault", {"container": container, "action": action, **PATIENCE, **args}, *options)


def refused(node, container, action, *options, **args):
    """os_container_fault that has to fail; its Answer."""
    return node.turned_down("os_container_fault", {"container": container, "action": action, **args}, *options)


def play(node, tmp_path, *calls):
    """(container, action, options) of each call in turn, in one run of Ansible; what each said, failed ones too."""
    tasks = [
        {"faultline.openstack.os_container_fault": {"container": container, "action": action, **PATIENCE, **args}, "ignore_errors": True}
        for container, action, args in calls
    ]
    path = tmp_path / "calls.json"
    path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    done = run_ansible(["ansible-playbook", "-i", node.inventory, str(path)], ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal")
    starts = re.finditer(r"^kolla \| (?:CHANGED|SUCCESS|FAILED!) => (?=\{)", done.stdout, re.MULTILINE)
    answers = [json.JSONDecoder().raw_decode(done.stdout, start.end())[0] for start in starts]
    assert len(answers) == len(calls), done.stdout + done.stderr
    return answers


def end(node, fault_id):
    """Let a fault's deadline come: its own timekeeper undoes it."""
    node.sh(f"""python3 - <<'X'
import json
path = "{JOURNAL}/open/{fault_id}.json"
record = json.load(open(path))
record["deadline_clock"] = 0.0
json.dump(record, open(path, "w"))
X
systemctl stop faultline-{fault_id}""")
    wait_for(lambda: fault_id not in node.open_faults())
    assert node.record(fault_id)["residue"] == []


def inspect(node, name, what, engine=None):
    return node.sh(f"{engine or CLOUD.get(name, ('docker',))[0]} inspect --format '{{{{{what}}}}}' {name}", check=False)


def kept(node):
    """What outlives a boot: containers with their states and policies, files, journals; our tables must not."""
    return {line for line in node.snapshot().lines if line.startswith(("docker ", "podman ", "file ", "journal ", "masked ")) or "faultline" in line}


def status(node, name):
    return inspect(node, name, ".State.Status")


def main_pid(node, name):
    """0 while it has none, and while its engine does not answer."""
    return int(inspect(node, name, ".State.Pid") or 0)


def policy(node, name):
    return inspect(node, name, ".HostConfig.RestartPolicy.Name") + ":" + inspect(node, name, ".HostConfig.RestartPolicy.MaximumRetryCount")


def wait_served(node, *names):
    """Until a neighbour gets the pages of containers."""
    wait_for(lambda: all(page(node, CLOUD[name][1]) == "hello" for name in names))


def silent(node, port):
    """Whether a neighbour that asks a port of the node for a page hears nothing, for a while."""
    return page(node, port, timeout=1) == "TimeoutError"


def dropped(node, name):
    """How many packets the rules of ours have dropped on the node and in the network of a container."""
    shown = "for table in $({0}nft list tables | awk '$3 ~ /^faultline/ {{print $3}}'); do {0}nft list table inet $table; done"
    told = [node.sh(shown.format(way)) for way in ("", f"nsenter --net=/proc/{main_pid(node, name)}/ns/net ")]
    return sum(int(count) for text in told for count in re.findall(r"counter packets ([0-9]+) bytes [0-9]+ drop", text))


def cut(node, name):
    """Whether a neighbour hears nothing of a container because rules of ours drop what it sends."""
    before = dropped(node, name)
    return silent(node, CLOUD[name][1]) and dropped(node, name) > before


def broken(node, name, action):
    """Whether a container is frozen, unplugged or terminated, as the system and its neighbours see it."""
    return cut(node, name) if action == "unplug" else status(node, name) == {"terminate": "exited", "freeze": "paused"}[action]


def whole(node, name, action):
    """Whether it is not."""
    return page(node, CLOUD[name][1]) == "hello" if action == "unplug" else status(node, name) == "running"


@contextlib.contextmanager
def another(node, name, *options, engine="docker", port=8004):
    """One more container, for as long as a test."""
    identity = lab_engines.docker_run(node, name, "--network none", *options, program="heat-api", port=port, engine=engine)
    try:
        yield identity
    finally:
        node.sh(f"{engine} rm --force {name}", check=False)


@pytest.mark.gate
def test_kill_hits_the_main_process_of_exactly_that_container_and_its_policy_brings_it_back(kolla):
    before, other = main_pid(kolla, "nova_api"), main_pid(kolla, "nova_api_old")
    answer = hit(kolla, "nova_api", "kill", wait=True)
    assert answer["proof"]["main"]["pid"] == before and main_pid(kolla, "nova_api") not in (0, before)
    assert len(answer["proof"]["gone"]) == 2, "the program and its child"
    came_back = answer["proof"]["came_back"]
    assert came_back["by"] == "restart policy unless-stopped" and came_back["ports"] == ["tcp 8774"]
    assert main_pid(kolla, "nova_api") in [each["pid"] for each in came_back["processes"]]
    assert main_pid(kolla, "nova_api_old") == other and answer["undo"]["state"] == "none"
    wait_served(kolla, "nova_api")


@pytest.mark.gate
def test_kill_of_a_container_that_a_unit_runs_says_that_the_unit_brought_it_back(kolla):
    unit = "kolla-mariadb-container.service"
    restarts = kolla.sh(f"systemctl show -p NRestarts --value {unit}")
    answer = hit(kolla, "mariadb", "kill", wait=True)
    assert answer["targets"][0]["unit"] == unit and answer["proof"]["came_back"]["by"] == unit
    # a start that fails is one more
    assert int(kolla.sh(f"systemctl show -p NRestarts --value {unit}")) > int(restarts)
    wait_served(kolla, "mariadb")


def test_kill_sends_the_signal_and_says_who_ignores_it(kolla, tmp_path):
    kolla.sh("docker run -d --name deaf --network none lab/service sleep 9999")
    try:
        sent, ignored, alone = play(
            kolla, tmp_path, ("nova_api", "kill", {"signal": "TERM", "wait": True}), ("deaf", "kill", {"signal": "TERM"}), ("deaf", "kill", {"wait": True}))
        assert sent["proof"]["signal"] == "SIGTERM" and sent["proof"]["came_back"]["back"] is True
        assert ignored["failure"]["code"] == "unproven" and "KILL it cannot ignore" in ignored["msg"]
        assert alone["failure"]["code"] == "not_recovered" and "nothing is set to restart it" in alone["msg"]
        assert status(kolla, "deaf") == "exited"
    finally:
        kolla.sh("docker rm --force deaf")


@pytest.mark.gate
def test_freeze_stops_all_processes_as_the_kernel_itself_says(kolla, tmp_path):
    names = ("nova_api", "glance_api")
    before = {name: main_pid(kolla, name) for name in names}
    answers = play(kolla, tmp_path, *((name, "freeze", {"duration": LONG}) for name in names))
    for name, answer in zip(names, answers):
        pids = [each["pid"] for each in answer["proof"]["frozen"]]
        assert before[name] in pids and len(pids) == 2 and status(kolla, name) == "paused"
        ticks = [kolla.sh(f"cut -d' ' -f14,15 /proc/{each}/stat") for each in pids]
        assert silent(kolla, CLOUD[name][1])
        # whoever does not run does not use the processor
        assert [kolla.sh(f"cut -d' ' -f14,15 /proc/{each}/stat") for each in pids] == ticks
    undone = play(kolla, tmp_path, *((name, "unfreeze", {}) for name in names))
    assert [each["proof"]["undone"] for each in undone] == [[answer["fault"]["id"]] for answer in answers]
    wait_served(kolla, *names)
    assert {name: main_pid(kolla, name) for name in names} == before


def test_freeze_leaves_alone_what_somebody_else_has_paused(kolla, tmp_path):
    kolla.sh("docker pause nova_api")
    frozen, killed = play(kolla, tmp_path, ("nova_api", "freeze", {"duration": 5}), ("nova_api", "kill", {}))
    assert frozen["failure"]["code"] == "already_stopped" and killed["failure"]["code"] == "frozen"
    assert status(kolla, "nova_api") == "paused"
    hit(kolla, "nova_api", "unfreeze")
    assert status(kolla, "nova_api") == "running"


def test_terminate_outlasts_a_restart_of_the_engine_and_gives_the_policy_back_exactly(kolla, tmp_path):
    given = {"lasting": "always:0", "stopped": "unless-stopped:0", "failing": "on-failure:5"}
    with contextlib.ExitStack() as stack:
        for name, words in given.items():
            stack.enter_context(another(kolla, name, f"--restart {words.removesuffix(':0')}"))
        assert {name: policy(kolla, name) for name in given} == given
        faults = [answer["fault"]["id"] for answer in play(kolla, tmp_path, *((name, "terminate", {"duration": LONG}) for name in given))]
        before = {name: main_pid(kolla, name) for name in ("nova_api", "neutron_server", "nova_api_old")}
        kolla.sh("systemctl restart docker")
        # the others of the node are back, these are not
        wait_for(lambda: all(main_pid(kolla, name) not in (0, pid) for name, pid in before.items()))
        assert {status(kolla, name) for name in given} == {"exited"}
        for fault in faults:
            end(kolla, fault)
        assert {status(kolla, name) for name in given} == {"running"}
        assert {name: policy(kolla, name) for name in given} == given
        assert all(kolla.record(fault)["held"] for fault in faults)
    wait_for(lambda: kolla.active("kolla-mariadb-container"))
    wait_served(kolla, "mariadb")


def test_terminate_of_a_container_that_a_unit_runs_stops_and_starts_the_unit(kolla):
    def terminate(seconds):
        answer = hit(kolla, "mariadb", "terminate", duration=seconds)
        assert answer["undo"]["steps"] == ["start kolla-mariadb-container.service"]
        return answer["fault"]["id"]

    seen, record = lasting(
        kolla.record, terminate, lambda: (kolla.active("kolla-mariadb-container"), status(kolla, "mariadb"), page(kolla, 3306)))
    assert seen == (False, "exited", "ConnectionRefusedError") and record["held"] is True
    assert kolla.active("kolla-mariadb-container")
    wait_served(kolla, "mariadb")


def test_terminate_refuses_a_container_that_would_delete_itself(kolla):
    with another(kolla, "brief", "--rm"):
        answer = refused(kolla, "brief", "terminate", duration=5)
        assert answer["failure"]["code"] == "no_undo" and "--rm" in answer["msg"] and status(kolla, "brief") == "running"


@pytest.mark.gate
def test_unplug_cuts_a_container_with_a_network_of_its_own_and_no_other(kolla):
    with socket.create_connection((kolla.address, 18774), timeout=HANG) as established:
        answer = hit(kolla, "nova_api", "unplug", duration=LONG)
        assert answer["targets"][0]["network"] == "its own" and answer["targets"][0]["ports"] == ["tcp 8774"]
        assert set(answer["proof"]["answers"].values()) == {"no answer"} and answer["proof"]["dropped_packets"] > 0
        assert "answered" in answer["proof"]["answers_before"].values()
        established.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
        established.settimeout(1)
        with pytest.raises(TimeoutError):
            established.recv(100)
        assert cut(kolla, "nova_api")
        wait_served(kolla, "mariadb")
        # the table is the container's, not the host's
        assert answer["proof"]["table"] not in kolla.sh("nft list tables")
        inside = f"nsenter --net=/proc/{main_pid(kolla, 'nova_api')}/ns/net nft list tables"
        assert answer["proof"]["table"] in kolla.sh(inside)
        hit(kolla, "nova_api", "plug")
        assert answer["proof"]["table"] not in kolla.sh(inside)
        wait_served(kolla, "nova_api")
        established.settimeout(HANG)
        assert established.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.gate
def test_unplug_cuts_a_container_on_the_hosts_network_on_the_host(kolla, tmp_path):
    names = ("mariadb", "glance_api")
    answers = play(kolla, tmp_path, *((name, "unplug", {"duration": LONG}) for name in names))
    for name, answer in zip(names, answers):
        port = CLOUD[name][1]
        assert answer["targets"][0]["network"] == "the host's" and answer["targets"][0]["ports"] == [f"tcp {port}"]
        assert cut(kolla, name) and answer["proof"]["table"] in kolla.sh("nft list tables")
    wait_served(kolla, "nova_api")
    play(kolla, tmp_path, *((name, "plug", {}) for name in names))
    wait_served(kolla, *names)


def test_unplug_of_a_container_that_was_started_again_meanwhile_ends_with_its_network(kolla):
    answer = hit(kolla, "nova_api", "unplug", duration=LONG)
    kolla.sh("docker restart --time 1 nova_api")
    undone = kolla.call("os_fault_undo", {"id": answer["fault"]["id"]})
    assert undone["residue"] == [] and kolla.record(answer["fault"]["id"])["held"] is False
    wait_served(kolla, "nova_api")


@pytest.mark.parametrize("order", [0, 1])
def test_the_same_fault_twice_is_undone_in_both_orders(kolla, tmp_path, order):
    hits = {"freeze": "glance_api", "unplug": "mariadb", "terminate": "nova_api"}
    said = play(kolla, tmp_path, *((name, action, {"duration": LONG}) for action, name in hits.items() for _time in range(2)))
    for number, (action, name) in enumerate(hits.items()):
        faults = [answer["fault"]["id"] for answer in said[2 * number:2 * number + 2]]
        end(kolla, faults[order])
        assert broken(kolla, name, action), "one undo took the other fault away"
        end(kolla, faults[1 - order])
        wait_for(lambda name=name, action=action: whole(kolla, name, action))
    assert policy(kolla, "nova_api") == "unless-stopped:0"


def test_two_faults_of_two_kinds_on_one_container_are_both_undone(kolla, tmp_path):
    faults = [answer["fault"]["id"] for answer in play(
        kolla, tmp_path, ("nova_api", "unplug", {"duration": LONG}), ("nova_api", "freeze", {"duration": LONG}),
        ("mariadb", "freeze", {"duration": LONG}), ("mariadb", "terminate", {"duration": LONG}))]
    assert status(kolla, "nova_api") == "paused" and status(kolla, "mariadb") == "exited"
    end(kolla, faults[2])
    assert status(kolla, "mariadb") == "exited", "the undo of the freeze ended the terminate"
    end(kolla, faults[0])
    assert status(kolla, "nova_api") == "paused", "the undo of the unplug ended the freeze"
    undone = kolla.call("os_fault_undo", {"kind": "container"})
    assert sorted(undone["undone"]) == sorted([faults[1], faults[3]]) and undone["residue"] == []
    wait_served(kolla, "nova_api", "mariadb")


def test_controller_killed_heals_at_the_deadline(kolla, tmp_path):
    def terminate(seconds):
        playing, fault_id = kolla.begin("os_container_fault", {"container": "nova_api", "action": "terminate", "duration": seconds, "wait": True})
        kill(playing)
        for path in (tmp_path / "cp").iterdir():
            subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "x"], capture_output=True, check=False)
        return fault_id

    kolla.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(tmp_path / "cp")
    try:
        seen, record = lasting(kolla.record, terminate, lambda: status(kolla, "nova_api"))
    finally:
        del kolla.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"]
    assert seen == "exited" and record["state"] == "undone" and record["held"] is True
    assert status(kolla, "nova_api") == "running" and policy(kolla, "nova_api") == "unless-stopped:0"


def test_a_reboot_in_the_middle_is_swept_at_boot_and_the_policy_is_as_it_was(kolla_node, tmp_path):
    kolla, before = kolla_node, kept(kolla_node)
    faults = [answer["fault"]["id"] for answer in play(
        kolla, tmp_path, *((name, action, {"duration": 900}) for name, action in (
            ("neutron_server", "terminate"), ("mariadb", "terminate"), ("nova_api", "unplug"), ("nova_api", "freeze"))))]
    assert policy(kolla, "neutron_server") == "no:0"
    # not by docker kill: where cgroup v1 rules, what is frozen inside of a node does not even die with it
    subprocess.run(["docker", "restart", "--time", "60", kolla.container], check=True, capture_output=True)
    kolla.wait_booted()
    # nothing is set to start this one at boot
    kolla.sh("podman start glance_api")
    kolla.wait_healed()
    assert {kolla.record(each)["state"] for each in faults} == {"undone"}
    assert policy(kolla, "neutron_server") == "on-failure:5"
    wait_served(kolla, *CLOUD)
    wait_for(lambda: kept(kolla) == before)


def test_an_engine_that_is_down_is_told_and_the_undo_is_done_when_it_is_back(kolla):
    fault_id = hit(kolla, "nova_api", "terminate", duration=LONG)["fault"]["id"]
    kolla.sh("systemctl stop docker.socket docker.service")
    try:
        down = refused(kolla, "nova_api", "freeze", duration=LONG)
        assert down["failure"]["code"] == "engine_down" and "Docker does not answer" in down["msg"] and "systemctl status docker" in down["msg"]
        # Podman's are not Docker's business
        hit(kolla, "glance_api", "freeze", duration=1, wait=True)
        # as at the deadline; it is tried again and again
        kolla.sh(f"systemctl stop --no-block faultline-{fault_id}")
        wait_for(lambda: kolla.record(fault_id)["undone_at"] is None and any("Docker does not answer" in words for words in kolla.record(fault_id)["residue"]))
    finally:
        kolla.sh("systemctl start docker.socket docker.service kolla-mariadb-container")
    kolla.wait_healed()
    assert status(kolla, "nova_api") == "running" and policy(kolla, "nova_api") == "unless-stopped:0"
    wait_served(kolla, "mariadb", "neutron_server")


def test_a_container_is_named_exactly_and_what_is_near_is_suggested(kolla, tmp_path):
    before = [main_pid(kolla, name) for name in ("nova_api", "nova_api_old")]
    identity = inspect(kolla, "nova_api", ".Id")
    *unknown, known = play(
        kolla, tmp_path, *((name, "kill", {}) for name in ("nova", "api", "nova_apo", "/nova_api", identity[:11])),
        (identity[:12], "freeze", {"duration": 1, "wait": True}))
    for answer in unknown:
        assert answer["failure"]["code"] == "not_found" and "Docker and Podman has no container of exactly that name or id" in answer["msg"]
    assert "Did you mean nova_api" in unknown[2]["msg"] and "nova_api_old" in unknown[2]["failure"]["details"]["containers"]
    assert known["fault"]["subject"] == "nova_api" and known["undo"]["state"] == "undone"
    assert [main_pid(kolla, name) for name in ("nova_api", "nova_api_old")] == before


def test_a_request_that_makes_no_sense_is_refused_and_touches_nothing(kolla, tmp_path):
    before = main_pid(kolla, "nova_api")
    requests = [
        ("kill", {"duration": 5}, "no_undo"), ("restart", {"duration": 5}, "no_undo"), ("freeze", {"duration": 0}, "bad_duration"),
        ("unplug", {"port": "tcp/http"}, "bad_port"),
    ]
    answers = play(kolla, tmp_path, *(("nova_api", action, args) for action, args, _code in requests))
    assert [answer["failure"]["code"] for answer in answers] == [code for _action, _args, code in requests]
    assert main_pid(kolla, "nova_api") == before


def test_check_mode_says_what_would_be_done_and_touches_nothing(kolla):
    pid = main_pid(kolla, "nova_api")
    answer = hit(kolla, "nova_api", "terminate", "--check", "--diff", duration=5)
    assert answer["changed"] is True and answer["undo"]["state"] == "planned"
    assert "set its restart policy, unless-stopped, to no meanwhile" in answer["msg"] and f"nova-api[{pid}]" in answer["msg"]
    assert answer["undo"]["steps"] == ["give the container nova_api its restart policy unless-stopped back", "start the container nova_api"]
    assert f"nova_api: running, restart policy unless-stopped, main process nova-api[{pid}]" in answer.output.split("kolla |")[0]
    assert "+nova_api: stopped" in answer.output.split("kolla |")[0]
    assert main_pid(kolla, "nova_api") == pid and policy(kolla, "nova_api") == "unless-stopped:0" and not kolla.open_faults()
    assert hit(kolla, "nova_api", "start")["changed"] is False


@pytest.mark.parametrize("action", ["terminate", "freeze"])
def test_a_container_that_was_replaced_meanwhile_is_left_alone_and_told(kolla, action):
    with another(kolla, "replaced", "--restart always") as first:
        fault = hit(kolla, "replaced", action, duration=LONG)["fault"]["id"]
        kolla.sh("docker rm --force replaced")
        second = lab_engines.docker_run(kolla, "replaced", "--network none", program="heat-api", port=8004)
        kolla.sh("docker pause replaced" if action == "freeze" else "docker stop --time 1 replaced")
        undone = kolla.call("os_fault_undo", {"id": fault})
        now = "paused" if action == "freeze" else "exited"
        assert undone["notes"] == [f"the container replaced ({first[:12]}) was replaced by {second[:12]}, which is {now} and was left alone"]
        assert undone["residue"] == [] and status(kolla, "replaced") == now


def test_a_container_that_carries_the_task_is_refused(kolla):
    kolla.sh("docker run -d --name way_in --network host --pid host --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add AUDIT_WRITE --cap-add SYS_PTRACE "
             "--security-opt seccomp=unconfined --volume /:/host --entrypoint /bin/busybox lab/service "
             "chroot /host /usr/sbin/sshd -D -p 2222")
    try:
        wait_for(lambda: kolla.sh("ss -lnt | grep -w 2222", check=False))
        way = ("-e", "ansible_port=2222", "-e", f"ansible_ssh_common_args='-i {LAB}/id_ed25519 -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no'")
        for action in ("freeze", "unplug"):
            answer = refused(kolla, "way_in", action, *way)
            assert "failure" in answer.result, answer.output
            assert answer["failure"]["code"] == "guarded" and "carries this very task" in answer["msg"], answer.output
        assert status(kolla, "way_in") == "running"
    finally:
        kolla.sh("docker rm --force way_in")


def test_podman_by_its_service_is_hit_as_by_its_command(kolla_node, tmp_path):
    kolla, before = kolla_node, kept(kolla_node)
    kolla.sh("systemctl start podman.socket")
    try:
        answers = play(
            kolla, tmp_path, *(("glance_api", action, {"duration": 1, "wait": True}) for action in ("terminate", "freeze", "unplug")),
            ("glance_api", "restart", {"wait": True}))
        assert [answer["msg"] for answer in answers if "failure" in answer] == []
        assert all(answer["undo"]["held"] for answer in answers[:3]) and answers[0]["targets"][0]["engine"] == "podman"
    finally:
        kolla.sh("systemctl stop podman.socket podman.service")
    wait_served(kolla, "glance_api")
    wait_for(lambda: kept(kolla) == before)


@pytest.mark.gate
def test_podmans_own_policy_brings_back_what_was_killed_and_not_what_was_terminated(kolla, tmp_path):
    with another(kolla, "restless", "--restart always", engine="podman"):
        pid = int(inspect(kolla, "restless", ".State.Pid", "podman"))
        killed, stopped = play(kolla, tmp_path, ("restless", "kill", {"wait": True}), ("restless", "terminate", {"duration": 3, "wait": True}))
        assert killed["proof"]["came_back"]["by"] == "restart policy always" and killed["proof"]["gone"][0]["pid"] == pid
        assert stopped["undo"]["held"] is True
        assert inspect(kolla, "restless", ".State.Status", "podman") == "running"


@contextlib.contextmanager
def podmans_unit(node):
    """A container that its unit makes anew with each start; the unit's name."""
    unit = "container-keystone.service"
    node.sh(f"cat > /etc/systemd/system/{unit} <<'X'\n{lab_engines.PODMAN_UNIT}X\nsystemctl daemon-reload; systemctl start {unit}")
    try:
        yield unit
    finally:
        node.sh(f"systemctl stop {unit}; systemctl reset-failed {unit}; rm /etc/systemd/system/{unit}; systemctl daemon-reload", check=False)


def test_a_container_that_its_unit_makes_anew_with_each_start_is_another_one_and_told(kolla, tmp_path):
    with podmans_unit(kolla) as unit:
        first = inspect(kolla, "keystone", ".Id", "podman")
        killed, stopped = play(kolla, tmp_path, ("keystone", "kill", {"wait": True}), ("keystone", "terminate", {"duration": LONG}))
        assert "failure" not in killed and "failure" not in stopped, (killed["msg"], stopped["msg"])
        came_back = killed["proof"]["came_back"]
        assert came_back["by"] == unit and came_back["replaced_by"] not in (None, first)
        assert stopped["undo"]["steps"] == [f"start {unit}"] and not kolla.active(unit)
        assert inspect(kolla, "keystone", ".Id", "podman") == ""
        end(kolla, stopped["fault"]["id"])
        assert kolla.active(unit)
        wait_for(lambda: page(kolla, 5000) == "hello")
        assert inspect(kolla, "keystone", ".Id", "podman") not in ("", first, came_back["replaced_by"])


def test_a_name_that_both_engines_have_needs_a_driver(kolla):
    with another(kolla, "twin"), another(kolla, "twin", engine="podman"):
        assert refused(kolla, "twin", "kill")["failure"]["code"] == "ambiguous"
        answer = hit(kolla, "twin", "kill", driver="podman_container")
        assert answer["targets"][0]["engine"] == "podman" and status(kolla, "twin") == "running"


# -- by the names of services, and in sentences -----------------------------------------------------------------------


@pytest.fixture
def file(kolla, tmp_path):
    """An os-faults file of this node: neutron_api is the name that the cloud has for a container of another."""
    known = pathlib.Path(kolla.inventory).parent / "known_hosts"
    written = {
        "cloud_management": {"driver": "universal"},
        "node_discover": {"driver": "node_list", "args": [
            {"ip": kolla.address, "fqdn": "kolla", "auth": {"username": "root", "private_key_file": str(LAB / "id_ed25519")}}]},
        "containers": {
            "neutron_api": {"driver": "docker_container", "args": {"container_name": "neutron_server"}, "hosts": [kolla.address]},
            "nova_api": {"driver": "docker_container", "args": {"container_name": "nova_api"}, "hosts": [kolla.address]},
        },
        "faultline": {"known_hosts": str(known)},
    }
    path = tmp_path / "os-faults.yaml"
    path.write_text(yaml.safe_dump(written))
    return path


def disrupt(inventory, *sentences, **extra):
    command = ["ansible-playbook", "faultline.openstack.disrupt", "-i", str(inventory), "-e",
               json.dumps({"fault": list(sentences), "recovery_timeout": HANG, **extra})]
    done = run_ansible(command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_os_faults_file_names_a_container_for_an_ad_hoc_call(kolla, file):
    before = main_pid(kolla, "neutron_server")
    done = run_ansible(["ansible", "-i", str(file), "all", "-m", "faultline.openstack.os_container_fault", "-a", "container=neutron_api action=kill wait=true"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"by": "restart policy on-failure:5"' in done.stdout and main_pid(kolla, "neutron_server") not in (0, before)


def test_what_a_container_runs_is_hit_by_the_services_name_and_by_the_containers(kolla, file):
    pids = [main_pid(kolla, "nova_api")]
    for sentence in ("kill nova-api service on one node", "Kill nova_api container on one node"):
        said = disrupt(file, sentence)
        wait_for(lambda: main_pid(kolla, "nova_api") not in (0, pids[-1]))
        pids.append(main_pid(kolla, "nova_api"))
        assert re.search(rf"nova_api: nova-api\[{pids[-2]}\], httpd\[\d+\] killed \(SIGKILL\); back after", said), said
    assert len(set(pids)) == 3


@pytest.mark.gate
def test_all_actions_are_sentences_for_containers(kolla, file):
    said = disrupt(
        file, "restart neutron_api container", "Freeze nova_api container on one node", "unfreeze nova_api container",
        "unplug nova_api container", "plug nova_api container on all nodes", "terminate nova_api container", "start nova_api container",
        "terminate mysql service on one node for 1 second")
    assert "mariadb: stopped, undone at" in said and said.count("nothing left behind") == 1 and said.count("residue: none") == 8
    assert policy(kolla, "nova_api") == "unless-stopped:0"
    wait_served(kolla, "nova_api", "mariadb")


def test_discovery_finds_the_services_in_the_containers(kolla):
    facts = kolla.call("os_cloud_facts", {})["ansible_facts"]["faultline_services"]
    nova, mysql = facts["nova-api"], facts["mysql"]
    assert (nova["driver"], nova["container_name"], nova["active"]) == ("docker_container", "nova_api", True)
    assert (mysql["driver"], mysql["container_name"]) == ("docker_container", "mariadb")
    assert (facts["glance-api"]["driver"], facts["glance-api"]["container_name"]) == ("podman_container", "glance_api")
    assert main_pid(kolla, "nova_api") in nova["pids"]


def test_a_service_that_nobody_has_looked_for_is_found_in_its_container(kolla):
    before = main_pid(kolla, "nova_api")
    answer = kolla.fault("nova-api", "kill", wait=True, recovery_timeout=HANG)
    assert answer["fault"]["kind"] == "container" and answer["targets"][0]["container"] == "nova_api"
    assert main_pid(kolla, "nova_api") not in (0, before)
    # the fault is known by both names
    fault = kolla.fault("nova-api", "freeze", duration=LONG)["fault"]["id"]
    assert kolla.call("os_fault_undo", {"service": "nova-api"})["undone"] == [fault]


def test_a_unit_that_only_waits_for_a_container_is_hit_as_that_container(kolla):
    with podmans_unit(kolla) as keystone:
        # `docker start -a` in the one, conmon in the other
        for unit, name, engine in (("kolla-mariadb-container.service", "mariadb", "docker"), (keystone, "keystone", "podman")):
            pid = int(inspect(kolla, name, ".State.Pid", engine))
            watcher = kolla.sh(f"systemctl show -p MainPID --value {unit}")
            fault = kolla.fault(unit, "freeze", duration=LONG)
            assert fault["fault"]["kind"] == "container" and pid in [each["pid"] for each in fault["targets"][0]["processes"]]
            assert inspect(kolla, name, ".State.Status", engine) == "paused"
            undone = kolla.fault(unit, "unfreeze")
            assert undone["proof"]["undone"] == [fault["fault"]["id"]] and inspect(kolla, name, ".State.Status", engine) == "running"
            assert int(inspect(kolla, name, ".State.Pid", engine)) == pid and kolla.sh(f"systemctl show -p MainPID --value {unit}") == watcher
