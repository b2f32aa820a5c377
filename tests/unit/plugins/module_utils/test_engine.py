# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine's path, with a fault that only plays: what is written when, and what each failure means."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time

import pytest
from patience import HANG, more_time

from ansible_collections.faultline.openstack.plugins.module_utils._fault import (
    _care,
    _command_steps,
    _engine,
    _exec,
    _journal,
    _later,
    _module,
    _nft,
    _proc,
    _runner,
    _service_steps,
    _steps,
    _supervisor,
    _sweeper,
    _systemd,
    _unit_steps,
)
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError


INSTALL_RUNNER = _supervisor.install_runner


class World:
    """The thing that the playing fault breaks."""

    broken = False
    stubborn = False
    # nothing breaks it
    whole = False


class Mend:
    type = "mend"

    @staticmethod
    def do(step):
        World.broken = not World.whole

    @staticmethod
    def undo(step):
        if World.stubborn:
            raise FaultlineError("it will not")
        World.broken = False

    @staticmethod
    def held(step):
        return World.broken

    @staticmethod
    def residue(step):
        return "still broken" if World.broken else ""


class Break(_engine.Fault):
    kind = "world"
    action = "break"
    subject = "the world"
    reversible = True
    proven = True

    def resolve(self):
        pass

    def targets(self):
        return [{"world": 1}]

    def steps(self, fault_id):
        return [_steps.step(Mend, "mend the world", claim="world")]

    def inject(self, record):
        assert _journal.load_open(record["id"])["state"] == "armed", "not on disk before the injection"
        World.broken = True

    def prove(self, record):
        if not self.proven:
            raise FaultlineError("it is whole", code="unproven")
        return {"seen": True}

    def after(self):
        return "broken"


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    """A journal of our own, and a supervisor that does nothing."""
    monkeypatch.setattr(_journal, "HOME", str(tmp_path / "faultline"))
    monkeypatch.setitem(_steps.STEPS, "mend", Mend)
    monkeypatch.setattr(_supervisor, "arm", lambda record: {"type": "none"})
    monkeypatch.setattr(_supervisor, "install_runner", lambda: ["/no/program"])
    monkeypatch.setattr(_sweeper, "remove", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(World, "broken", False)
    monkeypatch.setattr(World, "stubborn", False)
    monkeypatch.setattr(World, "whole", False)
    return tmp_path / "faultline"


def disk_full(*args, **kwargs):
    raise OSError(28, "No space left on device")


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="the journal is root's")


@pytest.mark.parametrize("answers, held", [
    ([True, True], True), ([True, False], False), ([True, None], None), ([None, False], False), ([None], None), ([], True)])
def test_what_nobody_can_tell_is_not_told_to_be_gone(monkeypatch, answers, held):
    """As with two commands of the user's own, none of which looks."""
    monkeypatch.setattr(Mend, "held", staticmethod(lambda step: step["answer"]))
    assert _runner._held([{"type": "mend", "say": "", "answer": answer} for answer in answers]) is held


@needs_root
def test_a_fault_tells_when_it_began_was_done_and_was_proven(monkeypatch):
    now, did = [1000.0], []

    def later(what, seconds, work):
        def done(self, record):
            did.append((what, now[0]))
            now[0] += seconds
            return work(self, record)
        return done

    monkeypatch.setattr(_journal.time, "time", lambda: now[0])
    fault = type("Slow", (Break,), {
        "look_before": later("look", 1, Break.look_before), "inject": later("inject", 7, Break.inject), "prove": later("prove", 3, Break.prove)})()
    result = _engine.perform(fault, duration=300)
    # what it is compared with is seen before it begins; to stop a service may take seven seconds
    assert did == [("look", 1000.0), ("inject", 1001.0), ("prove", 1008.0)]
    moments = ["1970-01-01T00:16:41.000Z", "1970-01-01T00:16:48.000Z", "1970-01-01T00:16:51.000Z"]
    assert [result[moment] for moment in _module.MOMENTS] == moments
    record = _runner.undo(result["fault"]["id"])
    assert [record[moment] for moment in (*_module.MOMENTS, "undone_at")] == [*moments, "1970-01-01T00:16:51.000Z"]
    assert [record[moment] for moment in ("began", "injected", "proven", "undone")] == [1001.0, 1008.0, 1011.0, 1011.0]


@needs_root
def test_a_fault_is_journalled_injected_and_undone():
    result = _engine.perform(Break(), duration=300)
    assert World.broken and result["undo"]["state"] == "armed" and result["proof"] == {"seen": True}
    record = _journal.load_open(result["fault"]["id"])
    assert record["state"] == "injected" and record["deadline"]
    after = _runner.undo(record["id"])
    assert not World.broken and after["state"] == "undone" and after["held"] is True and after["residue"] == []
    assert _journal.open_records() == [] and [r["id"] for r in _journal.closed_records()] == [record["id"]]
    assert _runner.undo(record["id"]) is None


@needs_root
def test_an_unproven_fault_is_undone():
    fault = Break()
    fault.proven = False
    with pytest.raises(FaultlineError, match="it is whole"):
        _engine.perform(fault)
    assert not World.broken and _journal.open_records() == []


@needs_root
def test_an_unproven_fault_that_cannot_be_undone_says_both():
    fault = Break()
    fault.proven = False
    World.stubborn = True
    with pytest.raises(FaultlineError) as caught:
        _engine.perform(fault)
    assert "it is whole" in caught.value.message and "could not be undone wholly: mend the world: it will not" in caught.value.message
    assert [record["state"] for record in _journal.open_records()] == ["residue"]


@needs_root
def test_a_jump_of_the_wall_clock_moves_no_deadline(monkeypatch):
    fault_id = _engine.perform(Break(), duration=3000)["fault"]["id"]
    monkeypatch.setattr(_journal.time, "time", lambda: 4102444800.0)
    firing, end = _runner.remaining(fault_id)
    assert firing is None and 3000 - HANG < end <= 3000


@needs_root
def test_what_cannot_be_armed_is_not_injected(monkeypatch):
    def fails(record):
        raise FaultlineError("no", code="not_armed")

    monkeypatch.setattr(_supervisor, "arm", fails)
    with pytest.raises(FaultlineError) as caught:
        _engine.perform(Break())
    assert caught.value.code == "not_armed" and not World.broken and _journal.open_records() == []


@needs_root
def test_check_mode_plans_and_writes_nothing(host):
    result = _engine.perform(Break(), duration=3, check_mode=True)
    assert result["changed"] is True and result["undo"] == {"state": "planned", "deadline": None, "steps": ["mend the world"]}
    assert not World.broken and not host.exists()


def test_faults_need_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(FaultlineError) as caught:
        _engine.perform(Break())
    assert caught.value.text == "Faults need root on the target. Set become: true."


@needs_root
def test_a_claim_of_another_open_fault_is_left_to_it():
    first = _engine.perform(Break(), duration=300)["fault"]["id"]
    second = _engine.perform(Break(), duration=300)["fault"]["id"]
    assert _runner.undo(first)["left_to"] == [second]
    assert World.broken
    assert _runner.undo(second)["left_to"] == []
    assert not World.broken


@needs_root
def test_residue_keeps_the_journal_open_until_an_undo_succeeds():
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    World.stubborn = True
    after = _runner.undo(fault_id)
    assert after["state"] == "residue" and after["residue"] == ["mend the world: it will not"]
    with pytest.raises(FaultlineError) as caught:
        _care.undo(everything=True)
    assert caught.value.code == "residue" and caught.value.details["residue"] == [f"{fault_id}: mend the world: it will not"]
    World.stubborn = False
    assert _care.undo(fault_id=fault_id)["undone"] == [fault_id]
    assert _care.info()["open"] == []


class Alone(Break):
    """A fault that shares nothing with others."""

    action = "alone"

    def steps(self, fault_id):
        return [_steps.step(Mend, "mend it alone")]


def healing_fails(timeout=_care.TIMEOUT):
    with pytest.raises(FaultlineError) as caught:
        _care.undo(everything=True, timeout=timeout)
    assert caught.value.code == "residue"
    return caught.value.details


@needs_root
def test_what_a_step_of_an_undo_fails_by_keeps_none_of_the_others(monkeypatch):
    class Broken(Mend):
        type = "broken"

        @staticmethod
        def undo(step):
            raise KeyError("what it was")

    monkeypatch.setitem(_steps.STEPS, "broken", Broken)
    monkeypatch.setattr(Alone, "steps", lambda self, fault_id: [_steps.step(Broken, "mend the first"), _steps.step(Mend, "mend the second")])
    fault_id = _engine.perform(Alone(), duration=300)["fault"]["id"]
    after = _runner.undo(fault_id)
    assert after["state"] == "residue" and after["residue"] == ["mend the first: KeyError: 'what it was'"] and not World.broken


@needs_root
def test_a_fault_whose_undo_somebody_else_is_at_and_never_ends_keeps_none_of_the_others():
    busy, other = (_engine.perform(Alone(), duration=300)["fault"]["id"] for _each in range(2))
    with _journal.locked_for_undo(busy):
        details = healing_fails(timeout=0.3)
    assert details["undone"] == [other]
    (left,) = details["residue"]
    assert left.startswith(f"{busy}: what is left of it is not known: Somebody else is at work at it, and did not end within 0.3 seconds")
    assert [record["id"] for record in _journal.open_records()] == [busy]


@needs_root
def test_a_record_that_cannot_be_read_keeps_none_of_the_others(host):
    lost, other = (_engine.perform(Alone(), duration=300)["fault"]["id"] for _each in range(2))
    (host / "open" / f"{lost}.json").write_text("not a record", encoding="ascii")
    details = healing_fails()
    assert details["undone"] == [other] and len(details["residue"]) == 1 and f"{lost}.json is not a record" in details["residue"][0]
    info = _care.info()
    assert info["open"] == [] and f"{lost}.json is not a record" in info["unreadable"][0] and "not known" in info["msg"]


@needs_root
@pytest.mark.parametrize("looks", ["heal", "the next fault"])
def test_a_fault_that_came_to_nothing_keeps_nothing_down_and_is_closed(looks):
    """Its injector died between the journal and the arming."""
    record = _engine._record(Break(), 300)
    record["steps"] = Break().steps(record["id"])
    with _journal.injecting(record["id"]):
        _journal.create(record)
        assert not _journal.never_armed(record), "its injector is at work"
    assert _journal.never_armed(record) and _journal.claimed_by_others("") == {}
    if looks == "heal":
        assert _care.undo(everything=True)["undone"] == []
    else:
        second = _engine.perform(Break(), duration=300)["fault"]["id"]
        assert _runner.undo(second)["left_to"] == [] and not World.broken
    assert _journal.open_records() == []
    closed = _journal.load(record["id"])
    assert closed["state"] == "aborted" and closed["failure"].startswith("Whoever was to inject it died before it was armed")


@needs_root
def test_what_a_killed_writer_has_left_in_the_journal_is_removed(host):
    fault_id = _engine.perform(Alone(), duration=300)["fault"]["id"]
    with subprocess.Popen(["true"]) as dead:
        pass
    lost, being_written = (host / "open" / f".alone-0000000{number}.json.{pid}" for number, pid in ((1, dead.pid), (2, os.getpid())))
    lost.write_text("{", encoding="ascii")
    being_written.write_text("{", encoding="ascii")
    _runner.undo(fault_id)
    assert not lost.exists() and being_written.exists()


@needs_root
def test_the_stop_hook_waits_for_what_is_still_at_work_at_the_injection(monkeypatch):
    fault_id = _engine.perform(Alone(), duration=300)["fault"]["id"]
    looks = []

    def being_injected(asked):
        looks.append(World.broken)
        return len(looks) < 3

    monkeypatch.setattr(_journal, "being_injected", being_injected)
    monkeypatch.setattr(_runner, "_LOOK", 0)
    assert _runner.undo_persistently(fault_id) == 0
    assert looks == [True, True, True] and not World.broken


def test_programs_that_come_too_late_have_a_little_time_left(monkeypatch):
    monkeypatch.setattr(_exec, "_CHANCE", 0.3)
    with _exec.within(0.1):
        with pytest.raises(FaultlineError, match="did not end within 0.3 seconds"):
            _exec.run(["sleep", "4321"])
        assert _exec.run(["true"]).rc == 0
    assert _exec.run(["sleep", "0.5"]).rc == 0


@needs_root
@pytest.mark.parametrize("early", [False, True])
def test_a_fault_that_something_else_ended_early_is_told(monkeypatch, early):
    def time_passes(condition, seconds, pause=0.1):
        for record in _journal.open_records():
            World.broken = not early
            _runner.undo(record["id"])
        return condition()

    monkeypatch.setattr(_proc, "wait_until", time_passes)
    if not early:
        assert _engine.perform(Break(), duration=300, wait=True)["undo"]["held"] is True
        return
    with pytest.raises(FaultlineError, match="did not last until its deadline: something else ended its effect") as told:
        _engine.perform(Break(), duration=300, wait=True)
    assert told.value.code == "not_held" and told.value.details["undo"]["state"] == "undone" and told.value.details["residue"] == []


@needs_root
@pytest.mark.parametrize("words, found", [(["The World"], True), (["x", "a-world.service"], True), (["A-World"], True), (["other"], False)])
def test_a_fault_is_found_by_any_name_of_its_subject(monkeypatch, words, found):
    monkeypatch.setattr(Break, "names", ("a-world.service",))
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    assert [record["id"] for record in _care.info(subject=words)["open"]] == ([fault_id] if found else [])
    assert _care.undo(subject=words)["undone"] == ([fault_id] if found else [])


@needs_root
def test_the_sweeper_undoes_only_what_an_earlier_boot_left(monkeypatch):
    old = _engine.perform(Break(), duration=300)["fault"]["id"]
    assert _runner.sweep() == 0 and World.broken
    monkeypatch.setattr(_journal, "boot", lambda: "a later boot")
    monkeypatch.setattr(_runner, "run", lambda *args, **kwargs: None)
    assert _runner.sweep() == 0 and not World.broken
    assert _journal.load(old)["state"] == "undone"


@needs_root
def test_a_record_on_a_full_disk_is_written_in_its_own_place(monkeypatch):
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    monkeypatch.setattr(_journal, "_write_new", disk_full)
    assert _runner.undo(fault_id)["state"] == "undone"
    assert _journal.load(fault_id)["state"] == "undone"


@needs_root
def test_no_journal_no_fault(monkeypatch):
    monkeypatch.setattr(_journal, "_write_new", disk_full)
    monkeypatch.setattr(Mend, "undo", staticmethod(lambda step: pytest.fail("what was never done is undone")))
    with pytest.raises(FaultlineError, match="the disk is full. Nothing was touched."):
        _engine.perform(Break())
    assert not World.broken and os.listdir(os.path.join(_journal.HOME, "lock.d")) == []


class Last(Break):
    """A fault without an undo. One whose effect comes after the answer takes the node down."""

    reversible = False

    def steps(self, fault_id):
        return []


@needs_root
@pytest.mark.parametrize("ahead", [0, 2])
def test_the_record_of_what_takes_the_node_down_is_closed_on_disk_before_it_does(monkeypatch, ahead):
    monkeypatch.setattr(Last, "ahead", ahead)
    synced, fsync = [], os.fsync

    def noted(handle):
        synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{handle}"), _journal.HOME))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    fault_id = _engine.perform(Last())["fault"]["id"]
    assert [record["id"] for record in _journal.closed_records()] == [fault_id]
    last = [f"closed/{fault_id}.json", "closed", "open", "lock.d"]
    assert (synced[-4:] == last) is bool(ahead) and ("closed" in synced) is bool(ahead)
    assert fault_id not in os.listdir(os.path.join(_journal.HOME, "lock.d"))


@needs_root
@pytest.mark.parametrize("spoil", ["mode", "link", "content", "id"])
def test_a_record_that_is_not_root_s_alone_is_not_believed(host, spoil):
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    path = host / "open" / f"{fault_id}.json"
    if spoil == "mode":
        path.chmod(0o666)
    elif spoil == "link":
        path.rename(host / "elsewhere")
        path.symlink_to(host / "elsewhere")
    elif spoil == "content":
        path.write_text("{")
    else:
        path.write_text(json.dumps({"id": "break-00000000"}))
    with pytest.raises((FaultlineError, OSError)):
        _runner.undo(fault_id)
    assert World.broken


@needs_root
def test_the_oldest_closed_records_are_forgotten(monkeypatch):
    monkeypatch.setattr(_journal, "_KEPT", 2)
    ids = []
    for _round in range(4):
        ids.append(_engine.perform(Break())["fault"]["id"])
        os.utime(_journal._path("open", ids[-1] + ".json"), (_round, _round))
        _runner.undo(ids[-1])
    assert {record["id"] for record in _journal.closed_records()} == set(ids[-2:])


def test_an_unknown_step_is_an_error_never_skipped():
    with pytest.raises(FaultlineError, match="unknown type 'burn'"):
        _steps.kind({"type": "burn"})


class Wait(_engine.StepFault):
    """A fault that the target fires."""

    kind, action, subject = "world", "break", "the world"
    resolve = Break.resolve
    targets = Break.targets
    steps = Break.steps


@needs_root
def test_a_fault_that_the_target_fires_waits_for_its_time_and_its_duration_begins_then():
    result = _engine.perform(Wait(), duration=3000, fire_in=1000)
    fault_id = result["fault"]["id"]
    assert not World.broken and result["injected_at"] is None and result["fires_at"] and result["undo"]["state"] == "armed"
    firing, end = _runner.remaining(fault_id)
    assert 1000 - HANG < firing <= 1000 and end is None
    assert 1000 - HANG < _runner._pause(fault_id) <= 1000 and not World.broken
    # its time comes; the other watcher leaves it to the first
    record = _journal.load_open(fault_id)
    _journal.update(dict(record, fire_at=_journal.clock() - 1))
    assert _runner._pause(fault_id, fires=False) == 0.2 and not World.broken
    assert _runner._pause(fault_id) == 0.0 and World.broken
    record = _journal.load_open(fault_id)
    assert record["state"] == "injected" and record["injected_at"] and record["deadline"] and record["proven"] >= record["injected"]
    assert 3000 - HANG < _runner._pause(fault_id) <= 3000
    after = _runner.undo(fault_id)
    assert after["state"] == "undone" and after["held"] is True and not World.broken


@needs_root
def test_a_fault_that_the_target_fires_in_vain_is_undone_and_says_why():
    World.whole = True
    fault_id = _engine.perform(Wait(), duration=300, fire_in=0)["fault"]["id"]
    assert _runner._pause(fault_id) is None, "not undone at once"
    after = _runner.undo(fault_id)
    assert after["failure"] == "The effect that is undone by 'mend the world' is not there." and after["residue"] == []


@needs_root
def test_a_fault_of_another_family_is_undone_by_the_program_that_armed_it(host, monkeypatch):
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    calls = []

    def play(argv, timeout):
        calls.append(argv)
        with monkeypatch.context() as other:
            other.setitem(_steps.STEPS, "mend", Mend)
            _runner.undo(argv[-1], elsewhere=False)

    monkeypatch.delitem(_steps.STEPS, "mend")
    monkeypatch.setattr(_runner, "run", play)
    _journal.update(dict(_journal.load_open(fault_id), program=["python", str(host)]))
    assert _runner.undo(fault_id)["state"] == "undone"
    assert calls == [["python", str(host), "once", fault_id]] and not World.broken


@needs_root
def test_a_fault_of_another_family_whose_program_is_gone_stays_open_and_says_so(monkeypatch):
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    monkeypatch.delitem(_steps.STEPS, "mend")
    after = _runner.undo(fault_id)
    assert after["state"] == "residue" and "/no/program" in after["residue"][0]
    assert _journal.load_open(fault_id)["state"] == "residue" and World.broken


@pytest.mark.parametrize(("value", "pairs"), [
    (None, []),
    ([], []),
    (["tcp", 3306], [("tcp", 3306)]),
    (["TCP", "3306"], [("tcp", 3306)]),
    ("udp/53", [("udp", 53)]),
    ("5000", [("tcp", 5000)]),
    (5000, [("tcp", 5000)]),
    ([5000, 5001], [("tcp", 5000), ("tcp", 5001)]),
    ([["tcp", 1], ["udp", 2]], [("tcp", 1), ("udp", 2)]),
])
def test_ports_in_all_their_forms(value, pairs):
    assert _module.ports(value) == pairs


@pytest.mark.parametrize(("value", "found"), [
    (["tcp", 3306, "ingress"], [("tcp", 3306, "ingress")]), (["UDP", "53", "Egress"], [("udp", 53, "egress")]),
    ("tcp/3306/egress", [("tcp", 3306, "egress")]), (["tcp", 3306], [("tcp", 3306, "both")]), (5000, [("tcp", 5000, "both")]), (None, []),
    ([5000, 5001, 5002], [("tcp", port, "both") for port in (5000, 5001, 5002)]),
    ([["tcp", 1, "ingress"], ["tcp", 1, "egress"], "udp/2"], [("tcp", 1, "ingress"), ("tcp", 1, "egress"), ("udp", 2, "both")]),
])
def test_ports_with_their_direction(value, found):
    assert _module.ways(value) == found
    assert _module.ports(value) == list(dict.fromkeys(each[:2] for each in found))


def test_only_the_packets_of_the_direction_are_dropped(monkeypatch):
    monkeypatch.setattr(_nft, "run", lambda argv, stdin: None)
    rules = _nft.cut_ports("faultline_x", [("tcp", 1, "ingress", None), ("udp", 2, "egress", "10.0.0.1"), ("tcp", 3, "both", "::1")])
    hooks = {hook: [line.strip() for line in rules.split("chain %s {" % hook)[1].split("}")[0].splitlines()[2:-1]] for hook in ("input", "output")}
    assert hooks == {
        "input": ["tcp dport 1 counter drop", "ip6 daddr ::1 tcp dport 3 counter drop"],
        "output": ["ip saddr 10.0.0.1 udp sport 2 counter drop", "ip6 saddr ::1 tcp sport 3 counter drop"],
    }


@pytest.mark.parametrize("value", [
    ["tcp", 1, "in"], ["tcp", 1, "ingress", 2], "tcp/1/both/2", [["tcp", 1, "up"]],
    "http", "\u00b2", ["tcp", "http"], 0, 65536, ["icmp", 1], "tcp/1/2", [["tcp"]], -5])
def test_a_port_that_is_none_is_refused(value):
    with pytest.raises(FaultlineError) as caught:
        _module.ports(value)
    assert caught.value.code == "bad_port" and repr(value) in caught.value.message


@pytest.mark.parametrize(("restart", "number", "back"), [
    ("no", 9, False), ("always", 15, True), ("on-failure", 9, True), ("on-failure", 15, False), ("on-abnormal", 6, True), ("on-success", 9, False),
])
def test_which_signals_a_unit_comes_back_from(restart, number, back):
    assert _systemd.Unit({"Restart": restart}).comes_back_from(number) is back


@pytest.mark.parametrize(("name", "unit"), [
    ("keystone", "keystone.service"), ("keystone.service", "keystone.service"), ("a.socket", "a.socket"),
    ("devstack@n-api", "devstack@n-api.service"), ("kolla.api", "kolla.api.service"),
])
def test_unit_names(name, unit):
    assert _systemd.unit_name(name) == unit


@pytest.mark.parametrize(("text", "family", "address"), [
    ("0100007F", 2, "127.0.0.1"), ("00000000", 2, "0.0.0.0"), ("00000000000000000000000001000000", 10, "::1"),
])
def test_addresses_of_proc(text, family, address):
    assert _proc._address(text, family) == address


def test_own_processes_are_known_by_pid_and_start():
    me = _proc.lookup(os.getpid())
    assert me.alive and me.state == "R"
    stranger = _proc.Process(me.pid, me.start + 1, me.comm)
    assert not stranger.alive and stranger.send(0) is False
    assert os.getpid() in _proc.own_chain() and 1 in _proc.own_chain()


def test_only_tables_of_ours_are_deleted():
    with pytest.raises(FaultlineError, match="'filter' is not a table of ours"):
        _nft.delete("filter")


def test_command_lines_of_units_are_refused_rather_than_quoted():
    with pytest.raises(FaultlineError, match="cannot stand in a unit's command line"):
        _supervisor._line(["/usr/bin/python3", "a b"])


@needs_root
def test_the_runner_s_program_is_whole(monkeypatch):
    """What arming installs runs alone, with nothing of Ansible or of this checkout in sight."""
    _journal.make_folders()
    monkeypatch.delitem(_steps.STEPS, "mend")
    program = INSTALL_RUNNER()
    assert INSTALL_RUNNER() == program
    assert "_service_steps.py" in os.listdir(os.path.join(program[-1], "faultline"))
    done = subprocess.run([*program, "no-such-command"], capture_output=True, text=True, check=False, cwd="/", env={})
    assert done.returncode == 2 and "sweep" in done.stderr


@pytest.mark.parametrize("group", ["", "/", "//"])
@pytest.mark.parametrize("look", [_proc.in_cgroup, _unit_steps.inside])
def test_the_control_group_of_everything_is_nobody_s(look, group):
    """A unit in which nothing runs tells an empty one, and all processes of the host are below that."""
    with pytest.raises(FaultlineError, match="all of the host is below it"):
        look(group)


def ended(fault_id, *states):
    """The record once it is in one of these states."""
    assert _proc.wait_until(lambda: (_journal.load(fault_id) or {"state": ""})["state"] in states, HANG, pause=0.02), _journal.load(fault_id)
    return _journal.load(fault_id)


def left(fault, lead, **options):
    """perform() with a fault that is left to the host for a moment so many seconds away, or further where that was too late."""
    for seconds in more_time(lead):
        try:
            return _engine.perform(fault, at=time.time() + seconds, **options)
        except FaultlineError as exc:
            if exc.code != "too_late":
                raise
    raise AssertionError("always too late")


class Leave(Break):
    """A fault that shows on disk what it has done, for a keeper is another process."""

    reversible = True

    def __init__(self, path, proven=True):
        self.path, self.proven, self.looks = path, proven, 0

    def resolve(self):
        self.looks += 1
        if self.path.exists():
            raise FaultlineError("There is no world to break.", code="not_found")

    def inject(self, record):
        self.path.write_text("looked %d" % self.looks)


@needs_root
def test_a_fault_left_to_the_host_is_scheduled_then_fired_at_its_moment(host):
    result = left(Leave(host.parent / "broken"), 1, duration=300)
    at = result["planned"]
    assert result["undo"] == {"state": "scheduled", "deadline": None, "steps": ["mend the world"]}
    record = ended(result["fault"]["id"], "injected")
    # the keeper has looked again, from the beginning
    assert (host.parent / "broken").read_text() == "looked 1"
    assert at <= record["began"] <= record["injected"]
    assert _proc.wait_until(lambda: _journal.load_open(record["id"])["proven"], HANG)
    proven = _journal.load_open(record["id"])["proven"]
    before, (_firing, end), after = time.time(), _runner.remaining(record["id"]), time.time()
    assert proven + 300 - after - 0.01 <= end <= proven + 300 - before + 0.01


@needs_root
def test_a_fault_that_was_disarmed_before_its_moment_never_comes(host):
    for lead in more_time(1.5):
        (host.parent / "broken").unlink(missing_ok=True)
        result = left(Leave(host.parent / "broken"), lead)
        assert _care.undo(fault_id=result["fault"]["id"])["undone"] == [result["fault"]["id"]]
        # it is undone where its moment came first
        if _journal.load(result["fault"]["id"])["state"] == "aborted":
            assert not _proc.wait_until((host.parent / "broken").exists, result["planned"] + 0.5 - time.time(), pause=0.05)
            return
    pytest.fail("its moment always came first")


@needs_root
def test_what_has_gone_before_the_moment_is_told_and_nothing_is_injected(host):
    for lead in more_time(6):
        (host.parent / "broken").unlink(missing_ok=True)
        result = left(Leave(host.parent / "broken"), lead, duration=3)
        assert result["undo"]["state"] == "scheduled"
        # the second look, five seconds before the moment, finds it gone
        (host.parent / "broken").write_text("somebody else")
        record = ended(result["fault"]["id"], "aborted", "undone")
        if record["state"] == "aborted":
            assert record["failure"] == "There is no world to break." and record["injected_at"] is None
            return
    pytest.fail("the second look always came first")


@needs_root
def test_a_fault_left_to_the_host_that_proves_nothing_is_undone_and_says_so(host):
    result = left(Leave(host.parent / "broken", proven=False), 0.8, duration=300)
    record = ended(result["fault"]["id"], "undone")
    assert record["failure"] == "it is whole" and record["residue"] == []


@needs_root
@pytest.mark.parametrize("at, options, code, words", [
    (-3, {}, "too_late", "3.000 seconds ago: it must be 0.5 seconds away at least. Nothing was touched."),
    (0.2, {}, "too_late", r"in 0\.200 seconds: it must be"),
    (90000, {}, "too_early", "is 90000 seconds away; 86400 is the most."),
    (5, {"wait": True}, "bad_option", "wait and at exclude each other"),
])
def test_a_moment_that_cannot_be_kept_is_refused(host, monkeypatch, at, options, code, words):
    monkeypatch.setattr(_later.time, "time", lambda: 1_800_000_000.0)
    with pytest.raises(FaultlineError, match=words) as caught:
        _engine.perform(Leave(host.parent / "broken"), at=time.time() + at, **options)
    assert caught.value.code == code and not (host / "open").exists()


@needs_root
def test_what_the_first_look_finds_wrong_is_the_tasks_failure(host):
    (host.parent / "broken").write_text("already")
    with pytest.raises(FaultlineError, match="There is no world to break.") as caught:
        left(Leave(host.parent / "broken"), 5)
    assert caught.value.code == "not_found" and _journal.open_records() == []


class Slow(Break):
    """Its injection and its proof take their time, as a database that stops: the clock moves on."""

    def __init__(self, clock, takes=0):
        self.clock, self.takes = clock, takes

    def look(self, record):
        """What whoever keeps the time does meanwhile."""
        assert _runner._pause(record["id"]) == _runner._LOOK, "it is undone while it is being injected"
        self.during = _runner.remaining(record["id"])

    def inject(self, record):
        super().inject(record)
        self.clock[0] += 20
        self.look(record)

    def prove(self, record):
        self.clock[0] += 20
        self.look(record)
        return {"seen": True}


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(_journal, "clock", lambda: now[0])
    return now


@needs_root
def test_the_duration_counts_from_the_proof_however_long_the_injection_took(clock):
    fault = Slow(clock)
    fault_id = _engine.perform(fault, duration=10)["fault"]["id"]
    assert _runner.remaining(fault_id) == (None, 10)
    clock[0] += 10
    assert _runner._pause(fault_id) is None
    _runner.undo_persistently(fault_id)
    record = _journal.load(fault_id)
    assert record["state"] == "undone" and record["held"] is True and record["not_held"] == ""


@needs_root
def test_the_backstop_of_systemd_allows_for_the_longest_injection(clock, monkeypatch):
    """RuntimeMaxSec counts from the arming, and is never to come before the deadline that counts from the proof."""
    calls = []
    monkeypatch.setattr(_supervisor, "run", lambda argv, **options: calls.append(argv))
    monkeypatch.setattr(_sweeper, "install", lambda line: None)
    monkeypatch.setattr(_supervisor, "arm", lambda record: _supervisor._arm_systemd(record, record["program"]))
    fault = Slow(clock, takes=400)
    armed, fault_id = clock[0], _engine.perform(fault, duration=10)["fault"]["id"]
    limit = next(int(word.rpartition("=")[2]) for word in calls[0] if word.startswith("--property=RuntimeMaxSec="))
    assert armed + limit > _journal.load_open(fault_id)["deadline_clock"] + _runner._BACKSTOP
    # and no injection that is not given up can be longer
    assert limit >= 400 + _runner._INJECTION + 10 + _runner._BACKSTOP


@needs_root
def test_an_injection_that_hangs_is_undone(clock):
    fault = Slow(clock, takes=400)
    fault.look = lambda record: None

    def hangs(record):
        clock[0] += _runner._INJECTION + 399
        assert _runner._pause(record["id"]) == _runner._LOOK
        clock[0] += 2
        assert _runner._pause(record["id"]) is None
        _runner.undo_persistently(record["id"])

    fault.inject = hangs
    with pytest.raises(FaultlineError) as caught:
        _engine.perform(fault, duration=10)
    assert caught.value.code == "undone_early" and not World.broken


class Patient(Mend):
    """Its undo starts something that may take long: {needs: seconds}."""

    type = "patient"

    @staticmethod
    def takes(step):
        return step["needs"]


@needs_root
@pytest.mark.parametrize("needs, takes", [(0, 0), (3000, 0), (0, 2000), (5000, 700)])
def test_systemd_never_ends_an_undo_in_the_middle(clock, monkeypatch, needs, takes):
    """All of its attempts hang for as long as they are allowed to, and what waits for them allows for that."""
    calls, attempts = [], []
    monkeypatch.setitem(_steps.STEPS, "patient", Patient)
    monkeypatch.setattr(Alone, "steps", lambda self, fault_id: [_steps.step(Patient, "mend it in its time", needs=needs)])
    monkeypatch.setattr(Alone, "takes", takes)
    monkeypatch.setattr(_supervisor, "run", lambda argv, **options: calls.append(argv))
    monkeypatch.setattr(_sweeper, "install", lambda line: None)
    monkeypatch.setattr(_sweeper, "is_next", lambda: False)
    monkeypatch.setattr(_supervisor, "arm", lambda record: _supervisor._arm_systemd(record, record["program"]))
    fault_id = _engine.perform(Alone(), duration=10)["fault"]["id"]
    (limit,) = [int(word.rpartition("=")[2]) for word in calls[0] if word.startswith("--property=TimeoutStopSec=")]

    @contextlib.contextmanager
    def within(seconds):
        attempts.append(seconds)
        clock[0] += seconds
        yield

    def sleep(seconds):
        clock[0] += seconds

    def being_injected(asked):
        # whoever injects it hangs as well
        clock[0] += 10
        return True

    monkeypatch.setattr(_exec, "within", within)
    monkeypatch.setattr(_runner.time, "sleep", sleep)
    monkeypatch.setattr(_journal, "being_injected", being_injected)
    World.stubborn = True
    begun = clock[0]
    assert _runner.undo_persistently(fault_id) == 1
    assert clock[0] - begun < limit
    assert attempts and min(attempts) >= max(900, needs)
    # nor does it give up before what was told to stop has had its time
    assert clock[0] - begun >= takes


@needs_root
def test_an_undo_by_another_program_has_the_time_that_it_needs(host, monkeypatch):
    monkeypatch.setitem(_steps.STEPS, "patient", Patient)
    monkeypatch.setattr(Alone, "steps", lambda self, fault_id: [_steps.step(Patient, "mend it in its time", needs=5000)])
    fault_id = _engine.perform(Alone(), duration=10)["fault"]["id"]
    allowed = []
    monkeypatch.delitem(_steps.STEPS, "patient")
    monkeypatch.setattr(_journal, "trust", lambda path: None)
    monkeypatch.setattr(_runner, "run", lambda argv, timeout: allowed.append(timeout))
    _runner.undo(fault_id)
    assert len(allowed) == 1 and allowed[0] >= 5000


@pytest.mark.parametrize("step, least", [
    (_service_steps.StartUnit.make("x.service"), _systemd.START_TIMEOUT), (_service_steps.Run.make(["start"], "x", "down:x", timeout=2000), 2000),
    (_command_steps.Mend.make(["up"], ["look"], None, 2000, "up"), 4000), ({"type": "run", "say": "run: start"}, _systemd.START_TIMEOUT)])
def test_a_step_says_what_its_undo_may_take(step, least):
    assert least <= _steps.undo_takes([step]) < least + 300 and _steps.undo_takes([step] * 3) == 3 * _steps.undo_takes([step])


def abandoned(fault, **options):
    """Perform a fault in a process that dies in the middle of it; the record that it leaves."""
    child = os.fork()
    if child == 0:
        try:
            _engine.perform(fault, **options)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 9
    return _journal.open_records()[0]


class Dies(Break):
    """Whoever injects it is killed, and a program that he has started goes on for a while."""

    def __init__(self, program=None, lingers=0, run=_exec.run):
        self.program, self.lingers, self.run = program, lingers, run

    def inject(self, record):
        if self.program:
            child = os.fork()
            if child == 0:
                try:
                    self.run(self.program, timeout=HANG)
                finally:
                    os._exit(0)
            assert _proc.wait_until(lambda: any(p.comm == "sleep" for p in _proc.matching(r"4321\.%d" % os.getppid())), HANG)
        os.kill(os.getpid(), 9)


@needs_root
@pytest.mark.parametrize("duration, lingers, left", [(10, 0, 10), (None, 0, 0), (10, 60, 60), (None, 60, 60)])
def test_a_fault_whose_injector_died_is_undone_after_its_time(clock, duration, lingers, left):
    record = abandoned(Dies(lingers=lingers), duration=duration)
    assert record["state"] == "armed" and record["deadline_clock"] is None
    clock[0] += 5
    assert _runner._pause(record["id"]) == (left or None)
    assert _runner.remaining(record["id"]) == (None, left)
    clock[0] += left
    assert _runner._pause(record["id"]) is None
    _runner.undo_persistently(record["id"])
    after = _journal.load(record["id"])
    assert after["state"] == "aborted" and after["residue"] == [] and after["held"] is False
    assert after["not_held"] == "whoever injected it died before its effect was proven" and after["failure"]
    assert os.listdir(os.path.join(_journal.HOME, "lock.d")) == []


@pytest.fixture
def word():
    """What a sleep of ours is known by; none is left in the end."""
    made = "4321.%d" % os.getpid()
    yield made
    for process in _proc.matching("sleep " + made):
        process.send(9)


@needs_root
@pytest.mark.parametrize("run", [_exec.run, _exec.command])
def test_a_program_that_was_started_for_the_injection_is_waited_for(clock, word, run):
    """As systemctl stop: it outlives whoever called it, and so must the patience."""
    record = abandoned(Dies(["sleep", word], run=run), duration=10)
    clock[0] += 60
    assert _runner._pause(record["id"]) == _runner._LOOK
    for process in _proc.matching("sleep " + word):
        process.send(9)
    assert _proc.wait_until(lambda: _runner._pause(record["id"]) != _runner._LOOK, HANG)
    assert _runner.remaining(record["id"]) == (None, 10)


@needs_root
@pytest.mark.parametrize("run", [_exec.run, _exec.command])
def test_what_a_command_leaves_running_is_no_part_of_the_injection(clock, word, run):
    """It may run for ever: nobody is to wait for it, nor does it get a lock of ours."""
    record = abandoned(Dies(["/bin/sh", "-c", f"sleep {word} >/dev/null 2>&1 &"], run=run), duration=10)
    (left,) = [process for process in _proc.matching("sleep " + word) if process.comm == "sleep"]
    assert _proc.wait_until(lambda: not [p for p in _proc.matching("sh -c sleep " + word) if p.comm == "sh"], HANG)
    opened = [os.readlink(f"/proc/{left.pid}/fd/{name}") for name in os.listdir(f"/proc/{left.pid}/fd")]
    assert not [path for path in opened if path.startswith(_journal.HOME)]
    assert _runner._pause(record["id"]) == 10 and left.alive
    assert not _journal.never_armed(record) and not _journal.being_injected(record["id"])


@needs_root
def test_a_fault_that_was_ended_early_is_not_told_as_held(clock):
    """As by who kills its timekeeper: systemd runs its stop hook."""
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    clock[0] += 100
    _runner.undo_persistently(fault_id)
    record = _journal.load(fault_id)
    assert record["state"] == "undone" and record["held"] is False
    assert record["not_held"] == "what keeps its time was ended 200.0 seconds early"


@needs_root
def test_a_fault_that_somebody_wanted_undone_early_was_held_until_then(clock):
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    assert _runner.undo(fault_id)["held"] is True


@needs_root
def test_a_fault_without_end_whose_timekeeper_was_killed_is_not_told_as_held():
    fault_id = _engine.perform(Break())["fault"]["id"]
    _runner.undo_persistently(fault_id)
    assert _journal.load(fault_id)["not_held"] == "what keeps its time was ended before anybody wanted it undone"


@needs_root
def test_a_task_that_waits_for_a_fault_that_was_ended_early_fails_and_says_why(monkeypatch):
    def wait(condition, timeout, pause=0.02):
        for record in _journal.open_records():
            _runner.undo_persistently(record["id"])
        return condition()

    fault = Break()
    monkeypatch.setattr(fault, "prove", lambda record: monkeypatch.setattr(_proc, "wait_until", wait) or {"seen": True})
    with pytest.raises(FaultlineError, match="did not last until its deadline: what keeps its time was ended .* seconds early") as caught:
        _engine.perform(fault, duration=300, wait=True)
    assert caught.value.code == "not_held" and caught.value.details["undo"]["held"] is False


@needs_root
def test_a_look_that_hangs_does_not_keep_the_undo_waiting(monkeypatch):
    allowed = []
    monkeypatch.setattr(subprocess, "run", lambda argv, timeout, **options: allowed.append(timeout) or subprocess.CompletedProcess(argv, 0, b"", b""))
    monkeypatch.setattr(Mend, "held", staticmethod(lambda step: _exec.run(["look"]).rc == 0))
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    assert _runner.undo(fault_id)["held"] is True
    _exec.run(["mend"])
    assert allowed == [_runner._GLANCE, _exec._HANG]


@needs_root
@pytest.mark.parametrize("moves", [True, False])
def test_a_timekeeper_that_hangs_is_ended_by_its_second(monkeypatch, moves):
    """moves: the fault is proven, and its time begins, only once both stand."""
    monkeypatch.setattr(_runner, "_BACKSTOP", 0.3)
    fault_id = _engine.perform(Break(), duration=300)["fault"]["id"]
    record = dict(_journal.load_open(fault_id), deadline_clock=_journal.clock() - 1)
    _journal.update(dict(record, deadline_clock=None, proven=None) if moves else record)
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(_runner, "_pause", lambda fault_id: 4321)
        monkeypatch.setattr(_runner, "_tell_systemd", lambda words: None)
        _runner.hold(fault_id)
        os._exit(0)
    if moves:
        _journal.update(record)
    assert os.waitpid(child, 0)[1] == 9


class Overtaken(Break):
    """While it is injected, somebody heals."""

    def inject(self, record):
        _runner.undo(record["id"])
        World.broken = True


@needs_root
def test_a_fault_that_is_healed_while_it_is_injected_is_undone_once_more():
    with pytest.raises(FaultlineError) as caught:
        _engine.perform(Overtaken(), duration=300)
    assert caught.value.code == "undone_early" and not World.broken and _journal.open_records() == []
