# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What os_node_fault decides before it touches anything: sizes, caps, refusals; and how crm_mon is read."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from patience import sleeper

from ansible_collections.faultline.openstack.plugins.module_utils._fault import (
    _journal,
    _node_clock,
    _node_faults,
    _node_host,
    _node_load,
    _node_steps,
    _pacemaker,
    _proc,
    _systemd,
    _worker,
)
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

MIB = 1 << 20
OPTIONS = {name: spec.get("default") for name, spec in _node_faults.arguments().items()}


class Disk:
    """A filesystem of 1000 MiB, 400 of them used, with 50 for root alone."""

    path, kind, device, block = "/disk", "ext4", 1, 4096
    available, reserved, used = 550 * MIB, 50 * MIB, 400 * MIB
    inodes, free_inodes = 10000, 6000
    journal = False
    percent = 100.0 * 400 / 950
    percent_of_inodes = 40.0

    def holds_the_journal(self):
        return self.journal


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """A machine with a kernel of its own, 8 GiB, 4 of them free, and a disk."""
    disk = Disk()
    monkeypatch.setattr(_node_host, "container", lambda: "")
    monkeypatch.setattr(_node_host, "memory", lambda: _node_host.Memory(8192 * MIB, 4096 * MIB, 0, False))
    monkeypatch.setattr(_node_host, "Filesystem", lambda path: disk)
    monkeypatch.setattr(_node_host, "tasks", lambda: (32768, 300, False))
    monkeypatch.setattr(_node_load, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(_journal, "open_records", lambda: [])
    monkeypatch.setattr(_node_clock, "time_daemons", lambda: ["chrony.service"])
    monkeypatch.setattr(_node_clock, "set_ahead", lambda seconds: None)
    return disk


def made(action, **options):
    """A fault that was resolved and guarded."""
    fault = _node_faults.make(action, _node_faults.completed(dict(OPTIONS, action=action, **options)))
    fault.resolve()
    fault.guard()
    return fault


@pytest.mark.parametrize("options, size", [
    ({"percent": 50.0}, 75),
    ({"percent": 100.0}, 550),
    ({"free": 100 * MIB}, 450),
    ({"size": 7 * MIB}, 7),
])
def test_how_much_fills_a_disk(options, size):
    fault = made("fill_disk", path="/disk", **options)
    assert fault.size == size * MIB
    assert fault.steps("fill_disk-00000000")[0]["path"] == "/disk/.faultline-fill_disk-00000000"


def test_the_journal_s_disk_keeps_room_that_root_s_reserve_counts_for(host):
    host.journal = True
    assert made("fill_disk", path="/disk", percent=100.0).size == 550 * MIB
    host.reserved = 0
    assert made("fill_disk", path="/disk", free=32 * MIB).size == 518 * MIB
    with pytest.raises(FaultlineError, match=r"the journal lives on the filesystem of /disk, and 32 MiB must stay free") as caught:
        made("fill_disk", path="/disk", free=31 * MIB)
    assert caught.value.code == "journal_room" and "free: 32M" in caught.value.hint


@pytest.mark.parametrize("kind, container, code", [("overlay", "docker", "shared_disk"), ("overlay", "", None), ("ext4", "lxc", None)])
def test_a_container_does_not_fill_the_machine_s_disk(host, monkeypatch, kind, container, code):
    host.kind = kind
    monkeypatch.setattr(_node_host, "container", lambda: container)
    if code is None:
        assert made("fill_disk", path="/disk", percent=90.0)
        return
    with pytest.raises(FaultlineError) as caught:
        made("fill_disk", path="/disk", percent=90.0)
    assert caught.value.code == code
    assert made("fill_disk", path="/disk", size=MIB)


def test_a_tmpfs_is_not_filled_beyond_the_memory(host):
    host.kind, host.available = "tmpfs", 6000 * MIB
    with pytest.raises(FaultlineError, match="that would be an oom") as caught:
        made("fill_disk", path="/disk", size=4000 * MIB)
    assert caught.value.code == "too_much"


@pytest.mark.parametrize("resource, options, count", [
    ("inodes", {"percent": 90.0}, 4999), ("inodes", {"free": 10}, 5989), ("inodes", {}, 5499), ("inodes", {"size": 100}, 99),
    ("pids", {}, 30829), ("pids", {"free": 64}, 32404), ("pids", {"percent": 50.0}, 16084), ("pids", {"size": 9}, 9),
])
def test_how_many_are_taken(resource, options, count):
    assert made("exhaust", resource=resource, path="/disk", **options).count == count


@pytest.mark.parametrize("action, options, code, words", [
    ("exhaust", {}, "missing_option", "exhaust needs resource: fds, inodes or pids"),
    ("exhaust", {"resource": "inodes"}, "missing_option", "exhaust needs path"),
    ("exhaust", {"resource": "fds"}, "missing_option", "exhaust needs pattern"),
    ("exhaust", {"resource": "pids", "free": 63}, "too_much", "64 of 32768 must stay free"),
    ("exhaust", {"resource": "inodes", "path": "/disk", "size": 6000 + 1}, "too_much", "/disk has only 6000 free inodes"),
    ("stress", {}, "missing_option", "stress needs target: what is stressed"),
    ("clock", {}, "missing_option", "clock needs one of offset and drift"),
    ("clock", {"offset": 1.0, "drift": 600.0}, "missing_option", "clock needs one of offset and drift"),
    ("clock", {"offset": 0.5}, "bad_option", "at least one second, not 0.5"),
    ("clock", {"drift": 200000.0}, "bad_option", "between 500 and 100000 ppm, not 200000"),
    ("kill_process", {}, "missing_option", "kill_process needs pattern"),
])
def test_what_is_refused(action, options, code, words):
    with pytest.raises(FaultlineError, match=words) as caught:
        made(action, **options)
    assert caught.value.code == code


@pytest.mark.parametrize("numbers, limit", [([5, 5, 5], 5), ([5, 4, 5], 4), ([6, 4, 3], 3)])
def test_what_a_server_has_open_for_a_request_is_not_left_to_it(monkeypatch, numbers, limit):
    seen = iter(numbers)
    monkeypatch.setattr(_node_steps, "_LOOKS", len(numbers))
    monkeypatch.setattr(_node_steps, "first_free", lambda pid: next(seen))
    with sleeper("few-files"):
        (step,) = made("exhaust", resource="fds", pattern="few-files$").steps("exhaust-00000000")
    assert step["ours"] == limit


@pytest.mark.parametrize("number, proven", [(4, False), (5, True)])
def test_who_can_open_a_file_again_has_not_run_out_of_them(monkeypatch, number, proven):
    step = _node_steps.GiveFiles.make(_proc.Process(2 ** 22 + 1, 1, "server"), 1024, 5)
    monkeypatch.setattr(_node_steps.GiveFiles, "_ours", lambda step: True)
    monkeypatch.setattr(_node_steps, "first_free", lambda pid: number)
    monkeypatch.setattr(_node_steps.os, "listdir", lambda path: ["0", "1", "2", "3", "4"])
    if proven:
        assert _node_steps.GiveFiles.prove(step)["limit of 4194305"] == 5
    else:
        with pytest.raises(FaultlineError, match=r"server\[4194305\] has closed files meanwhile") as caught:
            _node_steps.GiveFiles.prove(step)
        assert caught.value.code == "unproven"


@pytest.mark.parametrize("action, code", [("crash", "shared_kernel"), ("clock", "shared_kernel"), ("oom", "shared_memory")])
def test_what_would_hit_more_than_the_container(monkeypatch, action, code):
    monkeypatch.setattr(_node_host, "container", lambda: "lxc")
    with pytest.raises(FaultlineError, match=r"it is a container \(lxc\)") as caught:
        made(action, offset=5.0) if action == "clock" else made(action)
    assert caught.value.code == code


def test_a_second_clock_is_refused_while_the_first_is_wrong(monkeypatch):
    monkeypatch.setattr(_journal, "open_records", lambda: [{"id": "clock-11111111", "action": "clock", "state": "injected", "steps": []}])
    with pytest.raises(FaultlineError, match=r"its clock is clock-11111111's until that is undone") as caught:
        made("clock", offset=5.0)
    assert caught.value.code == "busy"


@pytest.mark.parametrize("target, workers, size, wanted", [
    ("cpu", 2, None, ["--cpu", "2", "--cpu-load", "60"]),
    ("memory", 2, None, ["--vm", "2", "--vm-bytes", f"{1024 * MIB}b", "--vm-keep"]),
    # never more than 90 % of what there is
    ("memory", 1, 9000 * MIB, ["--vm", "1", "--vm-bytes", f"{4096 * MIB * 9 // 10}b", "--vm-keep"]),
    # no more workers than make sense of so little
    ("memory", 8, 32 * MIB, ["--vm", "2", "--vm-bytes", f"{16 * MIB}b", "--vm-keep"]),
    ("disk", 1, 900 * MIB, ["--hdd", "1", "--hdd-bytes", f"{275 * MIB}b"]),
    ("kernel", 3, None, ["--kill", "3", "--switch", "3"]),
    ("all", 1, 10 * MIB, ["--cpu", "1", "--cpu-load", "60", "--vm", "1", "--vm-bytes", f"{10 * MIB}b", "--vm-keep", "--hdd", "1", "--hdd-bytes",
                          f"{10 * MIB}b", "--kill", "1", "--switch", "1"]),
])
def test_stress_is_capped_and_its_timeout_comes_last(target, workers, size, wanted):
    step = made("stress", target=target, workers=workers, size=size, load=60).steps("stress-00000000")[0]
    folder = "/disk/faultline-stress-00000000"
    assert step["argv"] == ["stress-ng", "--quiet", "--oomable", "--temp-path", folder, *wanted, "--timeout", "900s"]
    assert step["folder"] == folder and step["limit"] == 10


def test_a_container_without_a_limit_takes_a_tenth_of_the_memory(monkeypatch):
    monkeypatch.setattr(_node_host, "container", lambda: "docker")
    argv = made("stress", target="memory", workers=1).steps("stress-00000000")[0]["argv"]
    assert f"{4096 * MIB // 10}b" in argv


@pytest.mark.parametrize("span, seconds", [("100ms", 0.1), ("5s", 5), ("1min 30s", 90), ("1h 1us", 3600.000001), ("infinity", 0), ("", 0), ("0", 0)])
def test_time_spans_of_systemd(span, seconds):
    assert _systemd.seconds(span) == pytest.approx(seconds)


def test_workers_of_one_fault_have_names_of_their_own():
    names = [_worker.Worker.make("oom-00000000", "it", ["x"], number=number)["worker"] for number in range(3)]
    assert names == ["faultline-work-oom-00000000", "faultline-work-oom-00000000-1", "faultline-work-oom-00000000-2"]


def test_the_age_of_a_process_grows():
    me = _proc.lookup(_proc.own_chain()[0])
    assert 0 <= _proc.age(me) < 24 * 3600


CLUSTER = """
<pacemaker-result><summary><current_dc present="true" name="p1" with_quorum="{quorum}"/></summary><resources>
 <resource id="vip" role="Started" active="true" managed="true" failed="false"><node name="p1" id="1"/></resource>
 <resource id="off" role="Stopped" active="false" managed="true" failed="false"/>
 <resource id="left" role="Started" active="true" managed="false" failed="false"><node name="p2" id="2"/></resource>
 <clone id="web-clone" multi_state="false">
  <resource id="web" role="Started" active="true" managed="true" failed="false"><node name="p1" id="1"/></resource>
  <resource id="web" role="Started" active="true" managed="true" failed="false"><node name="p3" id="3"/></resource>
  <resource id="web" role="Stopped" active="false" managed="true" failed="false"/>
 </clone>
 <clone id="db-clone" multi_state="true">
  <resource id="db:0" role="Promoted" active="true" managed="true" failed="false"><node name="p2" id="2"/></resource>
  <resource id="db:1" role="Slave" active="true" managed="true" failed="false"><node name="p1" id="1"/></resource>
 </clone>
 <group id="both"><resource id="one" role="Started" active="true" managed="true" failed="false"><node name="p3" id="3"/></resource></group>
</resources></pacemaker-result>"""


@pytest.mark.parametrize("name, cloned, roles, managed", [
    ("vip", False, {"p1": "Started"}, True),
    ("off", False, {}, True),
    ("left", False, {"p2": "Started"}, False),
    ("web-clone", True, {"p1": "Started", "p3": "Started"}, True),
    ("web", True, {"p1": "Started", "p3": "Started"}, True),
    ("db", True, {"p1": "Slave", "p2": "Promoted"}, True),
    ("db-clone", True, {"p1": "Slave", "p2": "Promoted"}, True),
    ("both", False, {"p3": "Started"}, True),
])
def test_where_a_resource_runs(name, cloned, roles, managed):
    found = _pacemaker.resource(name, ElementTree.fromstring(CLUSTER.format(quorum="true")))
    assert (found.cloned, found.roles, found.managed) == (cloned, roles, managed)


def test_what_the_cluster_has_and_whether_it_obeys():
    tree = ElementTree.fromstring(CLUSTER.format(quorum="true"))
    assert _pacemaker.resource("nothing", tree) is None
    assert _pacemaker.names(tree) == ["both", "db", "db-clone", "left", "off", "one", "vip", "web", "web-clone"]
    assert _pacemaker.quorate(tree) and not _pacemaker.quorate(ElementTree.fromstring(CLUSTER.format(quorum="false")))
