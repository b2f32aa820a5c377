# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The open loop: who is due when, what a slow one does to the others (nothing), what is lost and how that is told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time

import pytest
from patience import HANG, wait_for

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._ha import _clock, _monitor, _probes, _process, _sampler, _samples


# these need no node, so nobody waits for them
pytestmark = pytest.mark.xdist_group("ha_sampler_alone")
# how often a test is done that needs a machine which did not stand still meanwhile
TRIES = 5


class Given(_probes.Family):
    """Series that do what they are told: {name: coroutine function}."""

    def __init__(self, rate=10.0, timeout=0.3, many=None, **series):
        super().__init__({"name": "given", "type": "given", "rate": rate, "timeout": timeout})
        for name in many[0] if many else series:
            self.named(name)
        if many:
            self.all(many[1])
        for name, run in series.items():
            self.one(name, run)


async def well():
    return {"fine": True}


def sampled(tmp_path, family, limit=1.0, meanwhile=None):
    """(samples, end line) of a family that is sampled for limit seconds. meanwhile: what is called halfway, in the loop."""
    path = tmp_path / "samples.jsonl"

    async def run():
        writer = _samples.Writer(str(path), {})
        sampler = _sampler.Sampler(family, writer, _clock.Clock())
        loop = asyncio.get_running_loop()
        if meanwhile:
            loop.call_later(limit / 2, meanwhile)
        started = []
        await sampler.run(loop.time() + 0.02, limit, lambda: started.append(True))
        writer.end(time.time())
        assert started == [True]

    asyncio.run(run())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return lines[1:-1], lines[-1]


def undisturbed(folder, *arguments, lost=(0,)):
    """As sampled(), where so many samples were lost and all others began within a period; or again: this machine may have stood still."""
    for number in range(TRIES):
        path = folder / str(number)
        path.mkdir()
        samples, end = sampled(path, *arguments)
        assert end["taken"] == len(samples)
        if end["due"] - end["taken"] in lost and all(0 <= sample["start"] - sample["due"] < 0.11 for sample in samples):
            return samples, end
    raise AssertionError(f"disturbed {TRIES} times of {TRIES}: {end}, {samples}")


def test_each_series_is_due_once_a_period_and_they_are_spread_over_it(tmp_path):
    samples, end = undisturbed(tmp_path, Given(a=well, b=well))
    assert len(samples) >= 19
    begin = samples[0]["due"]
    for name, offset in (("a", 0.0), ("b", 0.05)):
        dues = [sample["due"] - begin for sample in samples if sample["series"] == name]
        assert dues == pytest.approx([offset + number * 0.1 for number in range(len(dues))], abs=1e-5)
    assert all(sample["value"] == {"fine": True} for sample in samples)


def test_a_series_that_hangs_delays_nobody_not_even_itself(tmp_path):
    async def hangs():
        await asyncio.sleep(60)

    samples, _end = undisturbed(tmp_path, Given(a=hangs, b=well))
    hung = [sample for sample in samples if sample["series"] == "a"]
    assert len(hung) >= 9 and {(sample["outcome"], sample["error"]) for sample in hung} == {("timeout", "no answer within 0.3 s")}
    assert all(0.29 < sample["duration"] < 30 for sample in hung)


@pytest.mark.parametrize("exc, outcome, error", [
    (ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 80)"), "failed", "connection refused"),
    (TimeoutError(110, "Connection timed out"), "failed", "connection timed out"),
    (asyncio.IncompleteReadError(b"", 1), "failed", "connection closed without an answer"),
    (FaultlineError("systemd answers: no", code="x"), "failed", "systemd answers: no"),
    (_probes.Failed("status 503"), "failed", "status 503"),
    (ValueError("no json"), "failed", "not understood: no json"),
    (KeyError("gone"), "failed", "KeyError: 'gone'"),
])
def test_whatever_a_probe_raises_is_a_sample(tmp_path, exc, outcome, error):
    async def breaks():
        raise exc

    samples, _end = sampled(tmp_path, Given(a=breaks), 0.25)
    assert {(sample["outcome"], sample["error"]) for sample in samples} == {(outcome, error)}


def test_one_look_gives_samples_of_all_its_series(tmp_path):
    async def look():
        return {"a": (None, {"state": "active"}), "b": ("inactive (dead)", {"state": "inactive"})}

    samples, end = sampled(tmp_path, Given(many=(("a", "b"), look)), 0.25)
    assert end["due"] == end["taken"] == len(samples)
    assert {(sample["series"], sample["outcome"], sample.get("error"), sample["value"]["state"]) for sample in samples} == {
        ("a", "ok", None, "active"), ("b", "failed", "inactive (dead)", "inactive")}


def test_what_a_frozen_process_could_not_take_is_due_and_missing(tmp_path):
    # none is made up for later
    samples, end = undisturbed(tmp_path, Given(a=well), 1.5, lambda: time.sleep(0.55), lost=range(4, 7))
    dues = [sample["due"] for sample in samples]
    assert len(set(dues)) == len(dues) and max(b - a for a, b in zip(dues, dues[1:])) > 0.4


def launched(tmp_path, **over):
    """The news of a monitor of a port where nobody listens."""
    spec = {"name": "ports", "type": "tcp", "rate": 20, "targets": [{"name": "a", "host": "127.0.0.1", "port": 1}], **over}
    return _monitor.start(spec, str(tmp_path / "new" / "ports.jsonl"), 2 * HANG)


@pytest.fixture
def output(tmp_path):
    """The file of launched(); its monitor does not outlive the test."""
    path = tmp_path / "new" / "ports.jsonl"
    yield path
    _process.stop(_monitor.pidfile(str(path)), 5)


def test_a_monitor_lives_by_its_output(tmp_path, output):
    told = launched(tmp_path)
    monitor = told["monitor"]
    assert told["changed"] and told["msg"] == "ports is being sampled, 1 series"
    assert monitor["state"] == "running" and monitor["period"] == 0.05 and abs(monitor["started"] - time.time()) < HANG
    assert output.parent.stat().st_mode & 0o777 == 0o700
    again = launched(tmp_path)
    assert again["changed"] is False and again["monitor"]["pid"] == monitor["pid"]
    with pytest.raises(FaultlineError) as failed:
        launched(tmp_path, rate=10)
    assert failed.value.code == "already_running" and "being written by another monitor, ports" in failed.value.message
    ended = _monitor.stop(str(output))
    assert ended["changed"] and ended["monitor"]["state"] == "ended" and ended["monitor"]["due"] == ended["monitor"]["taken"]
    assert _monitor.stop(str(output))["changed"] is False
    with pytest.raises(FaultlineError) as failed:
        launched(tmp_path)
    assert failed.value.code == "output_exists" and _monitor.status(str(output))["monitor"]["state"] == "ended"
    assert _monitor.remove(str(output))["changed"] and not output.parent.exists()
    assert _monitor.remove(str(output))["changed"] is False


def test_a_monitor_goes_on_in_its_file_after_a_reboot(tmp_path, output):
    def again(**more):
        spec = {"name": "ports", "type": "tcp", "rate": 20, "targets": [{"name": "a", "host": "127.0.0.1", "port": 1}], **more}
        return _monitor.start(spec, str(output), 2 * HANG, resume=True)

    first = launched(tmp_path)["monitor"]["pid"]
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: _monitor.status(str(output))["monitor"]["state"] != "running")
    whole = output.read_bytes()
    # as of a host that lost its power
    output.write_bytes(whole + b'{"series":"a","du')
    told = again(clock_offset=1.5)
    assert told["changed"] and told["monitor"]["state"] == "running" and told["monitor"]["pid"] != first
    # what runs is left alone, whatever was measured meanwhile
    assert again(clock_offset=2.5)["changed"] is False
    _monitor.stop(str(output))
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert output.read_bytes().startswith(whole)
    headers = [line for line in lines if isinstance(line.get("series"), dict)]
    assert [each["clock_offset"] for each in headers] == [0.0, 1.5] and "ended" in lines[-1]


def test_a_monitor_ends_by_itself(tmp_path, output):
    spec = {"name": "ports", "type": "tcp", "rate": 20, "targets": [{"name": "a", "host": "127.0.0.1", "port": 1}]}
    _monitor.start(spec, str(output), 0.5)
    wait_for(lambda: _monitor.status(str(output))["monitor"]["state"] != "running")
    told = _monitor.status(str(output))["monitor"]
    lasted = told["ended"] - told["started"]
    assert told["state"] == "ended" and lasted >= 0.49 and 9 <= told["due"] <= lasted / 0.05 + 1
    assert not (tmp_path / "new" / "ports.jsonl.pid").exists()


def test_what_keeps_a_monitor_from_its_first_probe_is_told(tmp_path):
    with pytest.raises(FaultlineError) as failed:
        launched(tmp_path, targets=[{"name": "a", "host": "nowhere.invalid", "port": 1}])
    assert failed.value.code == "unresolved" and "nowhere.invalid" in failed.value.message
    assert list((tmp_path / "new").iterdir()) == []


def test_check_mode_says_what_is_wrong_and_starts_nothing(tmp_path):
    spec = {"name": "ports", "type": "tcp", "targets": [{"name": "a", "host": "127.0.0.1", "port": 1}]}
    told = _monitor.start(spec, str(tmp_path / "new" / "a.jsonl"), 30, check_mode=True)
    assert told["changed"] and told["msg"] == "would start ports" and not (tmp_path / "new").exists()
    with pytest.raises(FaultlineError, match="unknown key 'tagrets'"):
        _monitor.start({"name": "ports", "type": "tcp", "tagrets": []}, str(tmp_path / "a"), 30, check_mode=True)


@pytest.mark.parametrize("limit", [0, -1, 1e7])
def test_a_monitor_has_a_limit(tmp_path, limit):
    with pytest.raises(FaultlineError, match="limit is"):
        _monitor.start({"name": "ports", "type": "tcp", "targets": [{"name": "a", "host": "h", "port": 1}]}, str(tmp_path / "a"), limit)


def test_secrets_do_not_travel_with_the_specification(tmp_path):
    with pytest.raises(FaultlineError) as failed:
        _monitor.start({"name": "r", "type": "rabbitmq", "url": "http://x", "auth": {"username": "a", "password": "b"}}, str(tmp_path / "a"), 5)
    assert "has secrets in it" in failed.value.message and failed.value.hint.startswith("Give auth as an option of its own")
