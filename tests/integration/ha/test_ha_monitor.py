# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Monitors: whether what they report is true, whether they lose samples, and each kind of probe on the real thing over real SSH."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import urllib.request
import zlib

import lab_engines
import pytest
import yaml
from lab_nodes import LAB, ROOT, layer, wait_for
from lab_ports import free_ports
from patience import HANG, more_time

from ansible_collections.faultline.openstack.plugins.module_utils._ha import _monitor
from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _outages, _run_files

SWITCHED = ROOT / "tests" / "integration" / "switched.py"
PERIOD = 0.2
# what two readings of a clock may differ by: samples are timed by the steady one
SLACK = 0.05
# seconds that a probe has that is not to fail, however long the machine stands still
PATIENT = 60
# how often a test is done that needs a machine which did not stand still meanwhile
TRIES = 5
# these need processes of this machine and no node, so nobody waits for them
on_this_machine = pytest.mark.xdist_group("ha_monitor_alone")


@pytest.fixture
def serve():
    """serve({port: [(seconds until off, seconds off), ...]}): a process of switched.py, once it listens; it begins by a line. Gone at the end."""
    started = []

    def start(schedules):
        process = subprocess.Popen([sys.executable, SWITCHED, json.dumps(schedules)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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

    yield lambda spec, limit=2 * HANG: Watch(spec, limit)
    for path in begun:
        _monitor.remove(str(path))


def looked_since(path, since, count, series=None):
    """Wait until a monitor's file has so many samples (of one series) that began after a time."""
    def there():
        raw = path.read_bytes()
        samples = parsed(raw[:raw.rfind(b"\n") + 1])[1]
        return len([each for each in samples if each["start"] > since and series in (None, each["series"])]) >= count

    wait_for(there)


def parsed(raw):
    """(header, samples, end line or None) of a file; every line of it is whole."""
    lines = [json.loads(line) for line in raw.decode().splitlines()]
    end = lines.pop() if "ended" in lines[-1] else None
    return lines[0], lines[1:], end


def outages(samples, name, period=PERIOD):
    """The outages of one series, by the rule of the report."""
    seen = [
        _run_files.Sample(each["due"], each["start"], each["duration"], each["outcome"], each.get("error", ""))
        # they are written as they end
        for each in sorted(samples, key=lambda each: each["start"]) if each["series"] == name
    ]
    return _outages.outages(seen, period)


def of_start(samples, name, start):
    """The sample of a series that began then."""
    return next(each for each in samples if each["series"] == name and each["start"] == start)


def bounded(outage, samples, name, off, on):
    """Whether an outage is where the thing was down, as closely as who looks now and then can tell, however late this machine let them look.

    off, on: (before, after) it went and came, by the clock of who did it.
    """
    # nothing failed before, and nothing was well that began after it
    assert off[0] - SLACK <= outage.hit and outage.last_ok <= off[1] + SLACK, (outage, off)
    # nothing was well before it was back, and nothing failed that began after it
    back = of_start(samples, name, outage.end)
    assert on[0] - SLACK <= back["start"] + back["duration"] and outage.last_failed <= on[1] + SLACK, (outage, on)


def undisturbed(samples, end):
    """Whether every probe that was due was taken, and none began later than a period after it was due."""
    assert end["taken"] == len(samples)
    return end["due"] == end["taken"] and max(sample["start"] - sample["due"] for sample in samples) < PERIOD


def fairly(watched):
    """What watched() tells and its samples, none of which is lost; watched(): (anything, samples, end line).

    Again where one is: this machine, a guest itself, may have given the monitor no processor for a whole period.
    """
    for _try in range(TRIES):
        told, samples, end = watched()
        if undisturbed(samples, end):
            return told, samples
    raise AssertionError(f"samples were lost {TRIES} times of {TRIES}: {end}")


def pages(ports, **spec):
    targets = [{"name": f"web{number}", "url": f"http://127.0.0.1:{port}/"} for number, port in enumerate(ports)]
    return {"name": "web", "type": "http", "rate": 1 / PERIOD, "timeout": PATIENT, "targets": targets, **spec}


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
        server.stdin.write("begin\n")
        server.stdin.flush()
        truth = json.loads(server.stdout.readline())
        # each port is looked at once more
        looked_since(watch.path, time.time(), 4)
        return list(truth.values()), *watch.stop()[1:]

    truth, samples = fairly(watched)
    for number, true in enumerate(truth):
        found = outages(samples, f"web{number}")
        assert len(found) == len(true) == 5, f"found {found} of {true}"
        for outage, (off, on) in zip(found, true, strict=True):
            bounded(outage, samples, f"web{number}", off, on)
            # so its length is right within a period, and what its last sample was late
            late = max(each["start"] - each["due"] for each in samples if each["start"] in (outage.begin, outage.end))
            assert outage.begin - off[1] <= PERIOD + late + SLACK and outage.end - on[1] <= PERIOD + late + SLACK, (outage, off, on)


@on_this_machine
def test_a_service_that_hangs_is_down_for_who_waits_no_longer_than_the_deadline(serve, monitor):
    timeout = 1.5

    def watched():
        ports = free_ports(2)
        server, _beside = serve({ports[0]: []}), serve({ports[1]: []})
        watch = monitor(pages(ports, timeout=timeout))
        looked_since(watch.path, time.time(), 4)
        off = [time.time()]
        server.send_signal(signal.SIGSTOP)
        # who is stopped has done nothing more from here on
        wait_for(lambda: pathlib.Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", pause=0.01)
        off.append(time.time())
        # these ended while it hung
        looked_since(watch.path, off[1], 10, series="web0")
        on = [time.time()]
        server.send_signal(signal.SIGCONT)
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/", timeout=HANG) as answer:
            answer.read()
        on.append(time.time())
        looked_since(watch.path, on[1], 4)
        return (off, on), *watch.stop()[1:]

    (off, on), samples = fairly(watched)
    assert outages(samples, "web1") == [], "one that hangs delays nobody else"
    (outage,) = outages(samples, "web0")
    bounded(outage, samples, "web0", off, on)
    assert {sample["outcome"] for sample in samples} == {"ok", "timeout"}
    assert min(sample["duration"] for sample in samples if sample["outcome"] == "timeout") > timeout - SLACK


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
            # what is measured is this time
            time.sleep(8)
            return None, *watch.stop()[1:]

    _told, samples = fairly(watched)
    assert len(samples) >= 10 * 8 / PERIOD and {sample["outcome"] for sample in samples} == {"ok"}


@on_this_machine
def test_a_monitor_that_is_killed_leaves_all_but_its_last_second(serve, monitor):
    ports = free_ports(2)
    serve({port: [] for port in ports})
    for _try in range(TRIES):
        watch = monitor(pages(ports))
        looked_since(watch.path, time.time(), 12)
        os.kill(watch.pid, signal.SIGKILL)
        killed = time.time()
        wait_for(lambda path=str(watch.path): _monitor.status(path)["monitor"]["state"] == "killed")
        raw = watch.path.read_bytes()
        header, samples, end = parsed(raw)
        assert raw.endswith(b"\n") and end is None and header["series"].keys() == {"web0", "web1"}
        # or this machine stood still in between
        if 0 < killed - samples[-1]["start"] < 1:
            return
    raise AssertionError(f"the last sample began {killed - samples[-1]['start']:.1f} s before the monitor was killed, {TRIES} times of {TRIES}")


# ---- on hosts, over SSH

def complete(header, samples, end):
    """The file was ended in order, and what is missing from it are probes that the monitor itself counts as not taken.

    A node of the lab is a container, in which not even root may run before others.
    """
    assert end["taken"] == len(samples) and 0 <= end["due"] - end["taken"], end
    missing = 0
    for name in header["series"]:
        dues = sorted(sample["due"] for sample in samples if sample["series"] == name)
        missing += sum(round((b - a) / header["period"]) - 1 for a, b in zip(dues, dues[1:]))
    assert missing <= end["due"] - end["taken"], (missing, end)


FOLDER = "/var/lib/faultline/monitors"


class OnHost:
    """Monitors of a node, by name, as the run has them."""

    def __init__(self, node, *options):
        self.node, self.options, self.folder = node, options, FOLDER

    def _args(self, name, **args):
        return {"output": f"{self.folder}/{name}.jsonl", **args}

    def start(self, name, kind, **spec):
        answer = self.node.hit("ha_monitor", self._args(
            name, limit=6 * HANG, spec={"name": name, "type": kind, "host": self.node.name, "timeout": PATIENT, **spec}), *self.options)
        assert abs(answer["clock"] - time.time()) < HANG
        return answer["monitor"]

    def samples(self, name):
        """Those that are in its file by now."""
        # the last line may be half of one
        lines = self.node.sh(f"cat {self.folder}/{name}.jsonl").splitlines()[1:-1]
        return [each for each in map(json.loads, lines) if "outcome" in each]

    def looked_since(self, since, *names, count=3):
        """Wait until each of these monitors has taken some samples that began after a time."""
        wait_for(lambda: all(len([each for each in self.samples(name) if each["start"] > since]) >= count for name in names), pause=0.5)

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


@contextlib.contextmanager
def broken(node, service, action):
    """A service is broken while this is entered; (before, after) it went, by the node's clock, which is this machine's."""
    answer = node.fault(service, action, duration=2 * HANG)
    record = node.record(answer["fault"]["id"])
    try:
        # what is told to end is gone in a moment
        yield record["began"], record["injected"] + 1
    except BaseException:
        node.call("os_fault_undo", {"all": True})
        raise
    node.heal(answer)


def hit(host, service, action, *names):
    """Break a service of the spare node until these monitors have looked, and mend it; (before, after) it went, (before, after) it came."""
    with broken(host.node, service, action) as off:
        host.looked_since(off[1], *names)
        undo = time.time()
    wait_for(lambda: listens(host.node))
    on = (undo, time.time())
    host.looked_since(on[1], *names)
    return off, on


def listens(node):
    """Whether its memcached takes connections and answers."""
    return "pid" in node.sh("exec 3<>/dev/tcp/127.0.0.1/11211 && printf 'stats\\r\\nquit\\r\\n' >&3 && timeout 5 cat <&3", check=False)


def matches(samples, name, off, on, period=PERIOD):
    """Whether there is one outage, which is where the fault was."""
    (outage,) = outages(samples, name, period)
    bounded(outage, samples, name, off, on)


def test_a_host_sees_its_units_processes_and_ports_itself(on_spare, spare):
    on_spare.start("units", "systemd", units=["memcached", "ssh.service"])
    on_spare.start("processes", "process", patterns={"memcached": "/usr/bin/memcached", "sshd": "^sshd: .*listener"})
    on_spare.start("ports", "tcp", targets=[{"name": "memcached", "host": "127.0.0.1", "port": 11211}])
    on_spare.start("logins", "ssh", rate=2, targets=[{"name": "ssh", "host": "127.0.0.1"}])
    on_spare.start("pings", "ping", targets=[{"name": "itself", "host": spare.address}])
    true = hit(on_spare, "memcached", "terminate", "units", "processes", "ports", "logins", "pings")
    for name, error in (("units", "inactive (dead)"), ("processes", "no process"), ("ports", "connection refused")):
        header, samples, end = on_spare.fetch(name)
        complete(header, samples, end)
        matches(samples, f"memcached on {spare.name}", *true)
        assert error in {sample.get("error") for sample in samples}
    for name, subject in (("units", "ssh.service"), ("processes", "sshd"), ("logins", "ssh"), ("pings", "itself")):
        _header, samples, _end = on_spare.fetch(name, "status")
        assert outages(samples, f"{subject} on {spare.name}") == [] and len(samples) > 5, name
    for name in ("units", "processes", "ports", "logins", "pings"):
        on_spare.remove(name)


def test_a_frozen_process_is_a_process_not_at_work(on_spare, spare):
    on_spare.start("processes", "process", patterns={"memcached": "/usr/bin/memcached"})
    true = hit(on_spare, "memcached", "freeze", "processes")
    _header, samples, _end = on_spare.fetch("processes", size=700)
    matches(samples, f"memcached on {spare.name}", *true)
    assert "0 of 1 processes at work" in {sample.get("error") for sample in samples}
    on_spare.remove("processes")


def test_a_monitor_outlives_its_task_its_connection_and_its_sshd(on_spare, spare):
    monitor = on_spare.start("ports", "tcp", targets=[{"name": "memcached", "host": "127.0.0.1", "port": 11211}])
    # the end of whatever carried the task, with all that is in its control group
    spare.sh("systemctl kill --kill-who=all --signal=KILL ssh; systemctl reset-failed ssh; systemctl restart ssh")
    wait_for(lambda: spare.active("ssh"))
    on_spare.looked_since(time.time(), "ports")
    assert on_spare.status("ports")["pid"] == monitor["pid"]
    header, samples, end = on_spare.fetch("ports")
    complete(header, samples, end)
    assert {sample["outcome"] for sample in samples} == {"ok"}
    on_spare.remove("ports")


def test_a_monitor_outlives_the_controller(on_spare, spare):
    output = f"{FOLDER}/ports.jsonl"
    for limit in more_time(8):
        playing = spare.start("ha_monitor", {"output": output, "limit": limit, "spec": {
            "name": "ports", "type": "tcp", "targets": [{"name": "memcached", "host": "127.0.0.1", "port": 11211}]}})
        wait_for(lambda: spare.sh(f"cat {output} 2>/dev/null", check=False))
        os.killpg(playing.pid, signal.SIGKILL)
        playing.wait()
        killed = time.time()
        # and nobody stops it
        wait_for(lambda: on_spare.status("ports")["state"] == "ended")
        header, samples, end = on_spare.fetch("ports", "status")
        complete(header, samples, end)
        assert limit - SLACK <= end["ended"] - header["started"] and 5 * limit <= end["due"] <= 5 * (end["ended"] - header["started"]) + 1
        on_spare.remove("ports")
        if end["ended"] > killed:
            return
    raise AssertionError(f"within {limit} s it was not killed while the monitor was at work")


def test_a_host_that_is_cut_off_samples_on(on_spare, spare):
    on_spare.start("ports", "tcp", targets=[{"name": "memcached", "host": "127.0.0.1", "port": 11211}])
    gateway, duration = spare.sh("ip route | awk '/^default/ {print $3}'"), 20
    on_spare.start("out", "ping", timeout=5, targets=[{"name": "gateway", "host": gateway}])
    # longer than this machine may stand still
    answer = spare.hit("os_netiface", {"action": "disconnect", "interface": "eth0", "duration": duration, "wait": True})
    record = spare.record(answer["fault"]["id"])
    off, over = (record["began"], record["injected"]), record["injected"] + duration
    wait_for(lambda: "1 received" in spare.sh(f"ping -c 1 -W 5 {gateway}", check=False))
    on = (over - 1, time.time())
    on_spare.looked_since(on[1], "ports", "out")
    for name in ("ports", "out"):
        header, samples, end = on_spare.fetch(name)
        complete(header, samples, end)
        # the network is no reason to lose samples
        assert len([each for each in samples if off[1] < each["start"] < over]) > duration / PERIOD / 4, name
        if name == "out":
            matches(samples, f"gateway on {spare.name}", off, on)
        else:
            assert outages(samples, f"memcached on {spare.name}") == []
        on_spare.remove(name)


def test_a_killed_monitor_of_a_host_is_still_fetched(on_spare, spare):
    monitor = on_spare.start("ports", "tcp", targets=[{"name": "memcached", "host": "127.0.0.1", "port": 11211}])
    on_spare.looked_since(0, "ports", count=5)
    spare.sh(f"kill -KILL {monitor['pid']}")
    wait_for(lambda: on_spare.status("ports")["state"] == "killed")
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
    # Podman has no socket here; its command takes a while, and on a busy machine they would pile up
    host.start("boxes", "container", rate=0.2, containers=["keystone", "glance_api", "never_there"])

    def looked(since):
        wait_for(lambda: any(each["start"] > since and each["series"] == "keystone on boxes" for each in host.samples("boxes")))

    answer = node.hit("os_container_fault", {"container": "keystone", "action": "freeze", "duration": 2 * HANG})
    record = node.record(answer["fault"]["id"])
    looked(record["injected"])
    on = [time.time()]
    node.heal(answer)
    on.append(time.time())
    looked(on[1])
    off = [time.time()]
    node.sh("docker kill keystone")
    off.append(time.time())
    looked(off[1])
    _header, samples, _end = host.fetch("boxes")
    frozen, killed = outages(samples, "keystone on boxes", 5.0)
    bounded(frozen, samples, "keystone on boxes", (record["began"], record["injected"]), on)
    assert off[0] - SLACK <= killed.hit and killed.last_ok <= off[1] + SLACK and killed.end is None
    errors = [sample.get("error", "") for sample in samples if sample["series"] == "keystone on boxes"]
    assert any("Paused" in error for error in errors) and errors[-1].startswith("Exited (137)")
    assert outages(samples, "glance_api on boxes", 5.0) == []
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
    wait_for(lambda: says(node) == "0")
    return node


def says(node):
    """What Icinga says of memcached: 0, 2, or nothing yet."""
    return node.sh(f"printf 'GET services\\nColumns: state\\nFilter: has_been_checked = 1\\n\\n' | nc -w 2 -U {LIVESTATUS}", check=False)


def test_what_nagios_knows_and_what_its_plugins_say(nagios, watch_on):
    host = watch_on(nagios)
    host.start("one", "livestatus", rate=2, address=LIVESTATUS)
    host.start("each", "livestatus", rate=2, address=LIVESTATUS, each=True)
    host.start("port", "nagios_plugin", rate=2, command=["/usr/lib/nagios/plugins/check_tcp", "-H", "127.0.0.1", "-p", "11211"])
    names = ("one", "each", "port")
    with broken(nagios, "memcached", "terminate") as off:
        # Icinga looks once a second
        wait_for(lambda: says(nagios) == "2")
        known = time.time()
        host.looked_since(known, *names)
        undo = time.time()
    wait_for(lambda: listens(nagios) and says(nagios) == "0")
    on = (undo, time.time())
    host.looked_since(on[1], *names)
    found = {name: host.fetch(name)[1] for name in names}
    for name, series in (("one", "nagios on nagios"), ("each", "memcached on spare on nagios"), ("port", "port on nagios")):
        matches(found[name], series, off if name == "port" else (off[0], known), on, 0.5)
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
    _monitor.start({"name": "api", "type": "openstack_api", "timeout": PATIENT, "requests": requests}, str(path), 6 * HANG, auth)
    try:
        assert path.stat().st_mode & 0o777 == 0o600
        monitor = _monitor.status(str(path))["monitor"]
        for place in ("cmdline", "environ"):
            assert auth["password"].encode() not in pathlib.Path(f"/proc/{monitor['pid']}/{place}").read_bytes()
        looked_since(path, 0, 2, "keystone via ctl1")
        with broken(ctl, "keystone", "terminate") as off:
            looked_since(path, off[1], 2, "keystone via ctl1")
            undo = time.time()
        # its first answers after a start take their time
        wait_for(lambda: outcomes(path, "keystone via ctl1")[-5:] == ["ok"] * 5)
        looked_since(path, time.time(), 2, "keystone via ctl1")
        _monitor.stop(str(path))
        raw = path.read_bytes()
    finally:
        _monitor.remove(str(path))
    assert auth["password"].encode() not in raw
    header, samples, end = parsed(raw)
    complete(header, samples, end)
    first, *_more = outages(samples, "keystone via ctl1")
    back = of_start(samples, "keystone via ctl1", first.end)
    assert off[0] - SLACK <= first.hit and first.last_ok <= off[1] and undo - SLACK <= back["start"] + back["duration"]
    for name in ("ctl2", "ctl3"):
        assert outages(samples, f"keystone via {name}") == []
    assert {sample["value"]["status"] for sample in samples if sample["series"] == "keystone via ctl2"} == {201}


def test_a_member_of_galera_and_of_rabbitmq_from_its_host(ctl, lab, watch_on):
    host, other = watch_on(ctl), watch_on(lab["ctl2"])
    # each look costs some of a processor, and on a busy machine they would pile up
    host.start("galera", "galera", rate=0.5, size=3)
    other.start("galera", "galera", rate=0.5, size=3)
    other.start("rabbit", "rabbitmq", rate=0.1, members=3)

    def latest(of, name):
        return next(reversed(of.samples(name)), {"outcome": "none yet"})

    wait_for(lambda: [latest(*each)["outcome"] for each in ((host, "galera"), (other, "galera"), (other, "rabbit"))] == ["ok"] * 3, pause=1)
    with broken(ctl, "mariadb", "terminate") as off:
        host.looked_since(off[1], "galera")
        wait_for(lambda: "2 of 3 members" in {each.get("error") for each in other.samples("galera")}, pause=1)
        undo = time.time()
    with broken(ctl, "rabbitmq", "terminate") as stopped:
        wait_for(lambda: latest(other, "rabbit")["outcome"] == "failed", pause=1)
    wait_for(lambda: latest(other, "rabbit")["outcome"] == "ok", pause=1)
    wait_for(lambda: latest(host, "galera").get("value", {}).get("state") == "Synced", pause=1)
    samples = host.fetch("galera")[1]
    first, *_more = outages(samples, "galera on ctl1", 2.0)
    back = of_start(samples, "galera on ctl1", first.end)
    # a member that is asked to end leaves the others at once, and takes seconds until it is gone
    assert off[0] - SLACK <= first.hit and first.last_ok <= off[1] and undo - SLACK <= back["start"] + back["duration"]
    assert samples[-1]["value"]["state"] == "Synced" and samples[-1]["value"]["size"] == 3 and "flow_control_paused" in samples[-1]["value"]
    errors = {sample["error"] for sample in other.fetch("galera")[1] if sample["outcome"] == "failed"}
    assert "2 of 3 members" in errors, "the others see that one is missing"
    seen = other.fetch("rabbit")[1]
    down = [sample for sample in seen if sample["outcome"] == "failed"]
    assert {sample["error"] for sample in down} == {"2 of 3 members"} and down[0]["value"]["down_names"] == ["rabbit@ctl1"]
    assert stopped[0] - SLACK <= down[0]["start"] + down[0]["duration"] and seen[0]["outcome"] == seen[-1]["outcome"] == "ok"
    host.remove("galera")
    other.remove("galera")
    other.remove("rabbit")


def test_a_rabbitmqctl_that_hangs_hangs_no_monitor(ctl, watch_on):
    host = watch_on(ctl)
    host.start("rabbit", "rabbitmq", rate=0.1, timeout=20, members=3)
    wait_for(lambda: "ok" in {each["outcome"] for each in host.samples("rabbit")}, pause=1)
    with broken(ctl, "rabbitmq", "freeze") as off:
        # these ended while it was frozen: by its own deadline, or where it does not keep that by ours
        wait_for(lambda: len([
            each for each in host.samples("rabbit") if each["start"] > off[1] and each["outcome"] in ("failed", "timeout")]) >= 2, pause=1)
    _header, samples, end = host.fetch("rabbit")
    assert end["taken"] == len(samples)
    wait_for(lambda: "rabbitmqctl" not in ctl.sh("ps -eo args"))
    host.remove("rabbit")
