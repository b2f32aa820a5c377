# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Monitors: whether what they report is true, whether they lose samples, and each kind of probe on the real thing over real SSH."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
import zlib

import lab_engines
import pytest
import yaml
from lab_nodes import LAB, layer, wait_for

from ansible_collections.faultline.openstack.plugins.module_utils._ha import _monitor
from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _outages, _run_files

HERE = pathlib.Path(__file__).parent
PERIOD = 0.2
# beyond a period: what a sample may begin late, and how long a port takes to close
SLACK = 0.02
# these need processes of this machine and no node, so nobody waits for them
on_this_machine = pytest.mark.xdist_group("ha_monitor_alone")


def free_ports(count):
    """Ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _each in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture
def serve():
    """serve({port: [(seconds until off, seconds off), ...]}): a process of switched.py, once it listens; gone at the end."""
    started = []

    def start(schedules):
        process = subprocess.Popen([sys.executable, HERE / "switched.py", json.dumps(schedules)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def monitor(tmp_path):
    """monitor(spec, limit=...): its Watch, started on this machine as the module does; gone at the end."""
    begun = []

    class Watch:
        def __init__(self, spec, limit):
            self.path = tmp_path / f"{spec['name']}{len(begun)}.jsonl"
            begun.append(self.path)
            self.told = _monitor.start(spec, str(self.path), limit)["monitor"]
            self.pid = self.told["pid"]

        def stop(self):
            """(header, samples, end line)"""
            _monitor.stop(str(self.path))
            return parsed(self.path.read_bytes())

    yield lambda spec, limit=120: Watch(spec, limit)
    for path in begun:
        _monitor.remove(str(path))


def parsed(raw):
    """(header, samples, end line or None) of a file; every line of it is whole."""
    lines = [json.loads(line) for line in raw.decode().splitlines()]
    end = lines.pop() if "ended" in lines[-1] else None
    return lines[0], lines[1:], end


def outages(samples, name, period=PERIOD):
    """[(begin, end)] of one series, by the rule of the report."""
    seen = [
        _run_files.Sample(each["due"], each["start"], each["duration"], each["outcome"], each.get("error", ""))
        for each in samples if each["series"] == name
    ]
    return [(outage.begin, outage.end) for outage in _outages.outages(seen, period)]


def late(samples, start):
    """How late the sample began that began then; beyond the slack only where this machine was starved."""
    return max(SLACK, *[each["start"] - each["due"] for each in samples if each["start"] == start])


def nothing_lost(samples, end):
    """Every probe that was due was taken, and none began later than a period after it was due."""
    assert end["due"] == end["taken"] == len(samples)
    assert max(sample["start"] - sample["due"] for sample in samples) < PERIOD


def fairly(watched):
    """What watched() tells and its samples, none of which is lost; watched(): (anything, samples, end line).

    Once more where the monitor itself says that it lost one: this machine, a guest itself, gave it no processor for a whole period then.
    """
    told, samples, end = watched()
    if end["taken"] < end["due"]:
        told, samples, end = watched()
    nothing_lost(samples, end)
    return told, samples


def pages(ports, **spec):
    targets = [{"name": f"web{number}", "url": f"http://127.0.0.1:{port}/"} for number, port in enumerate(ports)]
    return {"name": "web", "type": "http", "rate": 1 / PERIOD, "timeout": 2, "targets": targets, **spec}


# ---- truth

@on_this_machine
def test_every_outage_is_found_and_its_length_is_right(serve, monitor):
    # 20 outages of 0.3 to 5 s, on four ports side by side
    chance = random.Random("twenty outages")
    lengths = [0.3, 5.0] + [round(chance.uniform(0.3, 5), 3) for _each in range(18)]

    def watched():
        ports = free_ports(4)
        server = serve({port: [(chance.uniform(0.8, 1.6), length) for length in lengths[number::4]] for number, port in enumerate(ports)})
        watch = monitor(pages(ports))
        truth = json.loads(server.stdout.readline())
        time.sleep(3 * PERIOD)
        return list(truth.values()), *watch.stop()[1:]

    truth, samples = fairly(watched)
    wrong = []
    for number, true in enumerate(truth):
        found = outages(samples, f"web{number}")
        assert len(found) == len(true) == 5, f"found {found} of {true}"
        for (begin, over), (off, on) in zip(found, true, strict=True):
            bounds = [PERIOD + late(samples, edge) for edge in (begin, over)]
            if not -SLACK <= begin - off <= bounds[0] or not -SLACK <= over - on <= bounds[1] or abs((over - begin) - (on - off)) > max(bounds):
                wrong.append((begin - off, over - on))
    assert not wrong


@on_this_machine
def test_a_service_that_hangs_is_down_for_who_waits_no_longer_than_the_deadline(serve, monitor):
    timeout, length = 0.5, 2.3

    def watched():
        ports = free_ports(2)
        server, _beside = serve({ports[0]: []}), serve({ports[1]: []})
        watch = monitor(pages(ports, timeout=timeout))
        time.sleep(1)
        server.send_signal(signal.SIGSTOP)
        hung = time.time()
        time.sleep(length)
        server.send_signal(signal.SIGCONT)
        on = time.time()
        time.sleep(1)
        return (hung, on), *watch.stop()[1:]

    (hung, on), samples = fairly(watched)
    ((begin, over),) = outages(samples, "web0")
    assert outages(samples, "web1") == [], "one that hangs delays nobody else"
    # who came in its last half second still got an answer in time
    assert -SLACK <= begin - hung <= PERIOD + late(samples, begin)
    assert -SLACK <= over - (on - timeout) <= PERIOD + late(samples, over)
    assert {sample["outcome"] for sample in samples} == {"ok", "timeout"}
    assert max(sample["duration"] for sample in samples) < timeout + 0.2


@on_this_machine
def test_no_sample_is_lost_while_all_cores_are_busy(serve, monitor):
    def watched():
        ports = free_ports(10)
        serve({port: [] for port in ports})
        with contextlib.ExitStack() as stack:
            for _core in range(os.cpu_count()):
                busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
                stack.callback(busy.kill)
            watch = monitor(pages(ports))
            time.sleep(8)
            return None, *watch.stop()[1:]

    _told, samples = fairly(watched)
    assert len(samples) >= 10 * 8 / PERIOD and {sample["outcome"] for sample in samples} == {"ok"}


@on_this_machine
def test_a_monitor_that_is_killed_leaves_all_but_its_last_second(serve, monitor):
    ports = free_ports(2)
    serve({port: [] for port in ports})
    watch = monitor(pages(ports))
    time.sleep(3)
    os.kill(watch.pid, signal.SIGKILL)
    killed = time.time()
    wait_for(lambda: _monitor.status(str(watch.path))["monitor"]["state"] == "killed")
    raw = watch.path.read_bytes()
    header, samples, end = parsed(raw)
    assert raw.endswith(b"\n") and end is None and header["series"].keys() == {"web0", "web1"}
    assert 0 < killed - samples[-1]["start"] < 1


# ---- on hosts, over SSH

def complete(samples, end):
    """The file was ended in order and nothing is missing from it, but for a probe that a starved node could not begin in time.

    A node of the lab is a container, in which not even root may run before others.
    """
    assert end["taken"] == len(samples) and end["taken"] >= 0.95 * end["due"], end
    starts = sorted(sample["start"] for sample in samples)
    assert max(b - a for a, b in zip(starts, starts[1:])) < 1


FOLDER = "/var/lib/faultline/monitors"


class OnHost:
    """Monitors of a node, by name, as the run has them."""

    def __init__(self, node, *options):
        self.node, self.options, self.folder = node, options, FOLDER

    def _args(self, name, **args):
        return {"output": f"{self.folder}/{name}.jsonl", **args}

    def start(self, name, kind, **spec):
        answer = self.node.hit("ha_monitor", self._args(
            name, limit=120, spec={"name": name, "type": kind, "host": self.node.name, **spec}), *self.options)
        assert abs(answer["clock"] - time.time()) < 30
        return answer["monitor"]

    def status(self, name):
        return self.node.hit("ha_monitor", self._args(name, state="status"), *self.options)["monitor"]

    def fetch(self, name, state="stopped", size=1 << 20):
        """(header, samples, end line), fetched in parts."""
        raw, offset = b"", 0
        while True:
            told = self.node.hit("ha_monitor", self._args(name, state=state, fetch=True, offset=offset, size=size), *self.options)["samples"]
            raw += zlib.decompress(base64.b64decode(told["content"]))
            if told["offset"] in (offset, told["size"]):
                return parsed(raw)
            offset = told["offset"]

    def remove(self, name):
        self.node.hit("ha_monitor", self._args(name, state="absent"), *self.options)


@pytest.fixture
def watch_on():
    """watch_on(node): the monitors of a node; it is left without a trace of them."""
    nodes = []

    def watch(node):
        nodes.append(node)
        return OnHost(node)

    yield watch
    left = []
    for node in nodes:
        left += node.sh(f"ls {FOLDER} 2>/dev/null", check=False).split()
        left += node.sh("systemctl list-units --all --plain --no-legend 'faultline-ha-*'").splitlines()
        # the next test must not suffer from this one
        node.sh(f"systemctl kill --signal=KILL 'faultline-ha-*'; rm -rf {FOLDER}", check=False)
    assert left == []


@pytest.fixture
def on_spare(watch_on, spare):
    """The monitors of the spare node."""
    return watch_on(spare)


def epoch(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def hit(node, service, action, duration):
    """Inject a service fault and wait until it is over; (from, to), epoch seconds."""
    answer = node.fault(service, action, duration=duration, wait=True)
    record = node.record(answer["fault"]["id"])
    return epoch(record["injected_at"]), epoch(record["undone_at"])


def matches(found, true, period=PERIOD, slack=1.0):
    """Whether there is one outage that is as long as the fault was, but for a period and what the service takes to go and come."""
    ((begin, end),) = found
    assert -slack <= begin - true[0] <= period + slack and -slack <= end - true[1] <= period + slack, (found, true)


def test_a_host_sees_its_units_processes_and_ports_itself(on_spare, spare):
    on_spare.start("units", "systemd", units=["memcached", "ssh.service"])
    on_spare.start("processes", "process", patterns={"memcached": "/usr/bin/memcached", "sshd": "^sshd: .*listener"})
    on_spare.start("ports", "tcp", targets=[{"name": "memcached", "host": "127.0.0.1", "port": 11211}])
    on_spare.start("logins", "ssh", rate=2, targets=[{"name": "ssh", "host": "127.0.0.1"}])
    on_spare.start("pings", "ping", targets=[{"name": "itself", "host": spare.address}])
    true = hit(spare, "memcached", "terminate", 3)
    time.sleep(1)
    for name, error in (("units", "inactive (dead)"), ("processes", "no process"), ("ports", "connection refused")):
        _header, samples, end = on_spare.fetch(name)
        complete(samples, end)
        matches(outages(samples, f"memcached on {spare.name}"), true)
        assert error in {sample.get("error") for sample in samples}
    for name, subject in (("units", "ssh.service"), ("processes", "sshd"), ("logins", "ssh"), ("pings", "itself")):
        _header, samples, _end = on_spare.fetch(name, "status")
        assert outages(samples, f"{subject} on {spare.name}") == [] and len(samples) > 5, name
    for name in ("units", "processes", "ports", "logins", "pings"):
        on_spare.remove(name)


def test_a_frozen_process_is_a_process_not_at_work(on_spare, spare):
    on_spare.start("processes", "process", patterns={"memcached": "/usr/bin/memcached"})
    true = hit(spare, "memcached", "freeze", 2)
    time.sleep(0.5)
    _header, samples, _end = on_spare.fetch("processes", size=700)
    matches(outages(samples, f"memcached on {spare.name}"), true)
    assert "0 of 1 processes at work" in {sample.get("error") for sample in samples}
    on_spare.remove("processes")


def test_a_monitor_outlives_its_task_its_connection_and_its_sshd(on_spare, spare):
    monitor = on_spare.start("ports", "tcp", targets=[{"name": "memcached", "host": "127.0.0.1", "port": 11211}])
    # the end of whatever carried the task, with all that is in its control group
    spare.sh("systemctl kill --kill-who=all --signal=KILL ssh; systemctl reset-failed ssh; systemctl restart ssh")
    wait_for(lambda: spare.active("ssh"))
    time.sleep(1)
    assert on_spare.status("ports")["pid"] == monitor["pid"]
    _header, samples, end = on_spare.fetch("ports")
    complete(samples, end)
    assert {sample["outcome"] for sample in samples} == {"ok"}
    on_spare.remove("ports")


def test_a_monitor_outlives_the_controller(on_spare, spare):
    output = f"{FOLDER}/ports.jsonl"
    playing = spare.start("ha_monitor", {"output": output, "limit": 8, "spec": {
        "name": "ports", "type": "tcp", "targets": [{"name": "memcached", "host": "127.0.0.1", "port": 11211}]}})
    wait_for(lambda: spare.sh(f"cat {output} 2>/dev/null", check=False))
    os.killpg(playing.pid, signal.SIGKILL)
    playing.wait()
    # and nobody stops it
    wait_for(lambda: on_spare.status("ports")["state"] == "ended")
    _header, samples, end = on_spare.fetch("ports", "status")
    complete(samples, end)
    assert 40 <= end["due"] <= 41
    on_spare.remove("ports")


def test_a_host_that_is_cut_off_samples_on(on_spare, spare):
    on_spare.start("ports", "tcp", targets=[{"name": "memcached", "host": "127.0.0.1", "port": 11211}])
    on_spare.start("out", "ping", targets=[{"name": "gateway", "host": spare.sh("ip route | awk '/^default/ {print $3}'")}])
    answer = spare.hit("os_netiface", {"action": "disconnect", "interface": "eth0", "duration": 4, "wait": True})
    record = spare.record(answer["fault"]["id"])
    time.sleep(1)
    for name in ("ports", "out"):
        _header, samples, end = on_spare.fetch(name)
        # the network is no reason to lose samples
        complete(samples, end)
        found = outages(samples, f"{'memcached' if name == 'ports' else 'gateway'} on {spare.name}")
        if name == "out":
            matches(found, (epoch(record["injected_at"]), epoch(record["undone_at"])), slack=2.5)
        else:
            assert found == []
        on_spare.remove(name)


def test_a_killed_monitor_of_a_host_is_still_fetched(on_spare, spare):
    monitor = on_spare.start("ports", "tcp", targets=[{"name": "memcached", "host": "127.0.0.1", "port": 11211}])
    time.sleep(2)
    spare.sh(f"kill -KILL {monitor['pid']}")
    _header, samples, end = on_spare.fetch("ports")
    assert end is None and len(samples) >= 5 and on_spare.status("ports")["state"] == "killed"
    on_spare.remove("ports")


def test_somebody_else_than_root_monitors_what_they_may(spare):
    spare.sh("useradd --create-home watcher && cp -r /root/.ssh /home/watcher/ && chown -R watcher: /home/watcher/.ssh")
    try:
        host = OnHost(spare, "-e", "ansible_user=watcher")
        host.folder = "/home/watcher/monitors"
        host.start("ports", "tcp", targets=[{"name": "memcached", "host": "127.0.0.1", "port": 11211}])
        host.start("units", "systemd", units=["memcached"])
        # Docker lets everybody ping in its containers
        host.start("pings", "ping", targets=[{"name": "a", "host": "127.0.0.1"}])
        for name in ("ports", "units", "pings"):
            _header, samples, end = host.fetch(name)
            assert end["taken"] == len(samples) > 0 and {sample["outcome"] for sample in samples} == {"ok"}
            host.remove(name)
        assert spare.sh("ls /home/watcher") == ""
    finally:
        spare.sh("pkill -KILL -u watcher; userdel --remove watcher 2>/dev/null", check=False)


def test_what_is_wrong_with_a_monitor_is_told_before_anything_is_started(spare):
    for spec, words in (
        ({"type": "systemd", "units": ["memcachedd"]}, "This host has no unit memcachedd.service."),
        ({"type": "galera", "command": ["mysqll"]}, "mysqll is not installed on this host."),
        ({"type": "tcp", "targets": []}, "targets of the monitor 'wrong' is empty"),
        ({"type": "container", "containers": ["a"]}, "neither Docker nor Podman"),
    ):
        refused = spare.turned_down("ha_monitor", {"output": f"{FOLDER}/wrong.jsonl", "spec": {"name": "wrong", **spec}})
        assert words in refused["msg"] and refused["failure"]["code"], refused.output
    assert spare.sh(f"ls {FOLDER} 2>/dev/null", check=False) == ""
    spare.sh(f"rmdir {FOLDER}", check=False)


# ---- containers, Nagios

def test_containers_of_both_engines(make_node, watch_on):
    node = make_node("boxes", recipe=lab_engines.recipe())
    lab_engines.start(node)
    lab_engines.docker_run(node, "keystone", "--network host", port=5000)
    lab_engines.docker_run(node, "glance_api", "--network host", engine="podman", port=9292)
    host = watch_on(node)
    # Podman has no socket here, and its command takes a while
    host.start("boxes", "container", rate=2, timeout=10, containers=["keystone", "glance_api", "never_there"])
    answer = node.hit("os_container_fault", {"container": "keystone", "action": "freeze", "duration": 3, "wait": True})
    record = node.record(answer["fault"]["id"])
    node.sh("docker kill keystone")
    time.sleep(3)
    _header, samples, _end = host.fetch("boxes")
    (begin, end), (_killed, never) = outages(samples, "keystone on boxes", 0.5)
    assert abs(begin - epoch(record["injected_at"])) < 2 and abs(end - epoch(record["undone_at"])) < 2 and never is None
    errors = [sample.get("error", "") for sample in samples if sample["series"] == "keystone on boxes"]
    assert any("Paused" in error for error in errors) and errors[-1].startswith("Exited (137)")
    assert outages(samples, "glance_api on boxes", 0.5) == []
    assert {sample.get("error") for sample in samples if sample["series"] == "never_there on boxes"} == {"no such container"}
    host.remove("boxes")


# Icinga speaks Livestatus too; Debian has no Nagios with it
NAGIOS = """
ARG BASE
FROM ${BASE}
RUN apt-get update -qq \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends icinga2-bin icinga2-common monitoring-plugins-basic >/dev/null \\
 && apt-get clean && rm -rf /var/lib/apt/lists/* \\
 && systemctl disable -q icinga2 && icinga2 feature enable livestatus && : > /etc/icinga2/conf.d/services.conf && : > /etc/icinga2/conf.d/hosts.conf \\
 && : > /etc/icinga2/conf.d/notifications.conf
COPY lab.conf /etc/icinga2/conf.d/lab.conf
"""
ICINGA = """
object Host "spare" {
  check_command = "dummy"
  check_interval = 1s
}
object Service "memcached" {
  host_name = "spare"
  check_command = "tcp"
  vars.tcp_address = "127.0.0.1"
  vars.tcp_port = 11211
  check_interval = 1s
  retry_interval = 1s
  max_check_attempts = 1
}
"""
LIVESTATUS = "/var/run/icinga2/cmd/livestatus"


@pytest.fixture(scope="module")
def nagios(make_node):
    """A node with Nagios' plugins and an Icinga that watches its memcached."""
    lab = json.loads((LAB / "node-run.json").read_text())
    node = make_node("nagios", recipe={**lab, "image": layer("nagios", NAGIOS, {"lab.conf": ICINGA})})
    node.sh("systemctl start memcached icinga2")
    wait_for(lambda: "0" in node.sh(f"printf 'GET services\\nColumns: state\\nFilter: has_been_checked = 1\\n\\n' | nc -w 2 -U {LIVESTATUS}", check=False))
    return node


def test_what_nagios_knows_and_what_its_plugins_say(nagios, watch_on):
    host = watch_on(nagios)
    host.start("one", "livestatus", rate=2, address=LIVESTATUS)
    host.start("each", "livestatus", rate=2, address=LIVESTATUS, each=True)
    host.start("port", "nagios_plugin", rate=2, command=["/usr/lib/nagios/plugins/check_tcp", "-H", "127.0.0.1", "-p", "11211"])
    true = hit(nagios, "memcached", "terminate", 5)
    time.sleep(3)
    found = {name: host.fetch(name)[1] for name in ("one", "each", "port")}
    for name, series in (("one", "nagios on nagios"), ("each", "memcached on spare on nagios"), ("port", "port on nagios")):
        # Icinga looks once a second
        matches(outages(found[name], series, 0.5), true, 0.5, slack=3)
        host.remove(name)
    assert outages(found["each"], "spare on nagios", 0.5) == []
    down = next(sample for sample in found["one"] if sample["outcome"] == "failed")
    assert down["error"] == "1 down: memcached on spare" and down["value"]["services"] == {"critical": 1}
    good, bad = [next(sample for sample in found["port"] if sample["outcome"] == outcome) for outcome in ("ok", "failed")]
    assert good["value"]["state"] == "ok" and good["value"]["perfdata"]["time"]["unit"] == "s"
    assert bad["value"]["code"] == 2 and "connect to address" in bad["error"].lower()


# ---- the cloud

def cloud_auth():
    auth = yaml.safe_load((LAB / "clouds.yaml").read_text())["clouds"]["faultline-lab"]["auth"]
    return {"url": auth["auth_url"], **{key: auth[key] for key in ("username", "password", "project_name")}}


def outcomes(path, series):
    """Of one series, as far as whole lines are there."""
    raw = path.read_bytes()
    return [sample["outcome"] for sample in parsed(raw[:raw.rfind(b"\n") + 1])[1] if sample["series"] == series]


def test_keystone_through_the_vip_and_on_each_controller(ctl, lab, tmp_path):
    auth = cloud_auth()
    vip = auth["url"].rpartition(":")[0]
    requests = [{"service": "keystone", "via": "vip", "url": vip + ":5000/v3/auth/tokens"}]
    requests += [{"service": "keystone", "via": name, "url": f"http://{node.address}:5000/v3/auth/tokens"} for name, node in lab.items()]
    # names and text are no secrets, but whoever could read the file would know the cloud
    path = tmp_path / "api" / "api.jsonl"
    _monitor.start({"name": "api", "type": "openstack_api", "timeout": 3, "requests": requests}, str(path), 120, auth)
    try:
        assert path.stat().st_mode & 0o777 == 0o600
        monitor = _monitor.status(str(path))["monitor"]
        for place in ("cmdline", "environ"):
            assert auth["password"].encode() not in pathlib.Path(f"/proc/{monitor['pid']}/{place}").read_bytes()
        true = hit(ctl, "keystone", "terminate", 5)
        # its first answers after a start take their time
        wait_for(lambda: set(outcomes(path, "keystone via ctl1")[-2:]) == {"ok"})
        time.sleep(2)
        _monitor.stop(str(path))
        raw = path.read_bytes()
    finally:
        _monitor.remove(str(path))
    assert auth["password"].encode() not in raw
    _header, samples, end = parsed(raw)
    complete(samples, end)
    found = outages(samples, "keystone via ctl1")
    assert found[0][0] - true[0] < PERIOD + 1 and found[-1][1] > true[1] - 1
    for name in ("ctl2", "ctl3"):
        assert outages(samples, f"keystone via {name}") == []
    assert {sample["value"]["status"] for sample in samples if sample["series"] == "keystone via ctl2"} == {201}


def test_a_member_of_galera_and_of_rabbitmq_from_its_host(ctl, lab, watch_on):
    host, other = watch_on(ctl), watch_on(lab["ctl2"])
    host.start("galera", "galera", size=3)
    other.start("galera", "galera", size=3)
    other.start("rabbit", "rabbitmq", rate=0.5, timeout=10, members=3)
    asked = time.time()
    true = hit(ctl, "mariadb", "terminate", 6)
    killed = epoch(ctl.fault("rabbitmq", "kill")["injected_at"])
    rabbit = f"{FOLDER}/rabbit.jsonl"
    wait_for(lambda: '"failed"' in lab["ctl2"].sh(f"cat {rabbit}") and '"ok"' in lab["ctl2"].sh(f"tail -n 1 {rabbit}"), pause=1)
    wait_for(lambda: "Synced" in ctl.sh(f"tail -n 1 {FOLDER}/galera.jsonl"), pause=1)
    samples = host.fetch("galera")[1]
    (begin, end), *more = outages(samples, "galera on ctl1", 1.0)
    # a member that is asked to end leaves the others at once, and takes seconds until it is gone
    assert asked - 1 < begin < true[0] + 3 and -1.5 < (more[-1][1] if more else end) - true[1] < 20
    assert samples[-1]["value"]["state"] == "Synced" and samples[-1]["value"]["size"] == 3 and "flow_control_paused" in samples[-1]["value"]
    errors = {sample["error"] for sample in other.fetch("galera")[1] if sample["outcome"] == "failed"}
    assert "2 of 3 members" in errors, "the others see that one is missing"
    seen = other.fetch("rabbit")[1]
    down = [sample for sample in seen if sample["outcome"] == "failed"]
    assert {sample["error"] for sample in down} == {"2 of 3 members"} and down[0]["value"]["down_names"] == ["rabbit@ctl1"]
    assert killed - 3 < down[0]["start"] and seen[0]["outcome"] == seen[-1]["outcome"] == "ok"
    host.remove("galera")
    other.remove("galera")
    other.remove("rabbit")


def test_a_rabbitmqctl_that_hangs_hangs_no_monitor(ctl, watch_on):
    host = watch_on(ctl)
    host.start("rabbit", "rabbitmq", rate=0.5, timeout=3, members=3)
    wait_for(lambda: '"ok"' in ctl.sh(f"cat {FOLDER}/rabbit.jsonl"))
    hit(ctl, "rabbitmq", "freeze", 8)
    _header, samples, end = host.fetch("rabbit")
    assert end["taken"] == len(samples)
    # by its own deadline, or where it does not keep that by ours
    assert len([sample for sample in samples if sample["outcome"] in ("failed", "timeout")]) >= 2, samples
    assert max(sample["duration"] for sample in samples) < 4
    wait_for(lambda: "rabbitmqctl" not in ctl.sh("ps -eo args"))
    host.remove("rabbit")
