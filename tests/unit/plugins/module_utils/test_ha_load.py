# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loads: what becomes a sample, what a report of Rally says, where the light load asks, and what is refused before anything runs."""

from __future__ import annotations

import base64
import json
import os
import struct
import sys
import threading

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._ha import _apis, _load, _load_api, _load_command, _load_rally, _samples


def told(tmp_path, **more):
    folder = tmp_path / "load"
    folder.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"]}
    return {"phase": "disrupted", "folder": str(folder), "environment": environment, "limit": None, "credentials": None, "database": None, **more}


def lines(path):
    with open(path, encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


# ---- command


def command(tmp_path, what, **more):
    """The lines of the file of a command that has run."""
    load = {"name": "mine", "type": "command", "command": what, "times": 1, "pause": 0, "timeout": 10, "chdir": str(tmp_path), "start_delay": 0, **more}
    work = _load_command.Command(load, told(tmp_path))
    work.prepare()
    work.work()
    work.end()
    return lines(work.paths.samples)


@pytest.mark.parametrize("what, more, outcome, error, value", [
    (["true"], {}, "ok", None, {"exit_code": 0}),
    ("exit 3", {}, "failed", "exit status 3", {"exit_code": 3}),
    ("kill -9 $$", {}, "failed", "ended by signal 9", {"exit_code": -9}),
    ("sleep 60 & sleep 60", {"timeout": 0.3}, "timeout", "not done within 0.3 s", None),
    (["./mine.sh", "a b"], {}, "ok", None, {"exit_code": 0}),
    ('test "$FAULTLINE_PHASE" = disrupted && test -d "$FAULTLINE_RUN/load" && test "$PWD" = "$(dirname "$FAULTLINE_RUN/x")"', {}, "ok", None, {"exit_code": 0}),
])
def test_each_time_of_a_command_is_a_sample(tmp_path, what, more, outcome, error, value):
    script = tmp_path / "mine.sh"
    script.write_text('#!/bin/sh\ntest "$1" = "a b"\n')
    script.chmod(0o755)
    header, sample, end = command(tmp_path, what, **more)
    assert (header["kind"], header["name"], header["type"], header["phase"], header["host"]) == ("load", "mine", "command", "disrupted", None)
    assert header["series"] == {"mine": {"group": "load", "subject": "mine", "via": "command"}}
    assert (sample["outcome"], sample.get("error"), sample.get("value")) == (outcome, error, value)
    assert header["started"] <= sample["start"] == sample["due"] <= end["ended"] and 0 < sample["duration"] < 5
    assert (end["due"], end["taken"]) == (1, 1) and "failure" not in end


def test_a_command_goes_on_after_failures_and_its_output_is_kept(tmp_path):
    found = command(tmp_path, "echo here; false", times=3, pause=0.01)
    assert [each["outcome"] for each in found[1:-1]] == ["failed"] * 3 and found[-1]["taken"] == 3
    log = tmp_path / "load" / "mine.disrupted.log"
    assert log.read_text() == "here\n" * 3 and log.stat().st_mode & 0o777 == 0o600


def test_what_the_run_ends_is_no_failure_of_the_cloud(tmp_path):
    load = {"name": "mine", "type": "command", "command": "sleep 60", "times": 5, "pause": 0, "timeout": 60, "chdir": str(tmp_path), "start_delay": 0}
    work = _load_command.Command(load, told(tmp_path))
    work.prepare()
    worker = threading.Thread(target=work.work)
    worker.start()
    work.stopping.set()
    worker.join(10)
    assert not worker.is_alive()
    work.end()
    assert lines(work.paths.samples)[1:] == [{"stopped": True, "ended": pytest.approx(work.clock.epoch(), abs=5), "due": 0, "taken": 0}]


@pytest.mark.parametrize("more, message", [
    ({"command": ["no-such-program"]}, "The load mine needs the program no-such-program, which is not there."),
    ({"command": "true", "chdir": "/no/such"}, "The load mine should run in /no/such, which is no directory."),
])
def test_a_command_that_cannot_run_is_refused_at_once(tmp_path, more, message):
    with pytest.raises(FaultlineError) as caught:
        command(tmp_path, more.pop("command"), **more)
    assert caught.value.message == message
    assert not (tmp_path / "load" / "mine.disrupted.jsonl").exists()


def test_a_file_that_is_there_is_never_written_over(tmp_path):
    command(tmp_path, "true")
    with pytest.raises(FaultlineError) as caught:
        command(tmp_path, "true")
    assert caught.value.code == "output_exists"


# ---- what is known of a load by its files


def test_the_state_of_a_load(tmp_path):
    paths = _load.Paths(str(tmp_path), "mine", "clean")
    assert _load.state(paths)["state"] == "none"
    writer = _samples.Writer(paths.samples, {"kind": "load"})
    for outcome in ("ok", "failed", "timeout"):
        writer.due += 1
        writer.add(_samples.sample("mine", 1.0, 1.0, 0.1, outcome))
    writer.flush()
    assert (_load.state(paths)["state"], _load.state(paths)["failed"]) == ("cut_off", 2)
    writer.end(2.0, failure="no report")
    assert _load.state(paths) == {"state": "finished", "due": 3, "taken": 3, "failed": 2, "stopped": False, "failure": "no report"}


# ---- rally


def iteration(start, error=(), actions=(), duration=1.5):
    return {"timestamp": start, "duration": duration, "idle_duration": 0.25, "error": list(error), "atomic_actions": list(actions), "output": {}}


def report(*workloads):
    return {"info": {}, "tasks": [{"subtasks": [{"title": "t", "workloads": [{"scenario": {name: {}}, "data": data} for name, data in workloads]}]}]}


def test_iterations_of_rally_are_samples_in_the_order_of_time():
    boot = {"name": "nova.boot_server", "started_at": 10.0, "finished_at": 11.25, "children": [], "failed": True}
    series, samples = _load_rally.convert(report(
        ("NovaServers.boot", [iteration(20.0), iteration(10.0, ["GetResourceFailure", "Failed to get the server", "Traceback"], [boot])]),
        ("Authenticate.keystone", [iteration(15.0, duration=0.1)]),
    ))
    assert series == {
        "NovaServers.boot": {"subject": "NovaServers.boot", "via": "rally"}, "Authenticate.keystone": {"subject": "Authenticate.keystone", "via": "rally"}}
    assert samples == [
        {"series": "NovaServers.boot", "due": 10.0, "start": 10.0, "duration": 1.5, "outcome": "failed",
         "error": "GetResourceFailure: Failed to get the server", "value": {
             "iteration": 2, "idle": 0.25, "actions": [{"name": "nova.boot_server", "start": 10.0, "duration": 1.25, "failed": True}]}},
        {"series": "Authenticate.keystone", "due": 15.0, "start": 15.0, "duration": 0.1, "outcome": "ok",
         "value": {"iteration": 1, "idle": 0.25, "actions": []}},
        {"series": "NovaServers.boot", "due": 20.0, "start": 20.0, "duration": 1.5, "outcome": "ok", "value": {"iteration": 1, "idle": 0.25, "actions": []}},
    ]


@pytest.mark.parametrize("error, outcome, words", [
    (["TimeoutException", "Rally tired waiting 300.00 seconds"], "timeout", "TimeoutException: Rally tired waiting 300.00 seconds"),
    (["ConnectTimeout", "no answer"], "timeout", "ConnectTimeout: no answer"),
    (["Conflict", "x" * 900], "failed", "Conflict: " + "x" * 490),
    (["Odd"], "failed", "Odd"),
])
def test_an_error_of_an_iteration_is_told(error, outcome, words):
    _series, (sample,) = _load_rally.convert(report(("A.b", [iteration(1.0, error)])))
    assert (sample["outcome"], sample["error"]) == (outcome, words)


def test_one_scenario_twice_is_two_series():
    series, _samples_ = _load_rally.convert(report(("A.b", []), ("A.b", []), ("A.b", [])))
    assert list(series) == ["A.b", "A.b (2)", "A.b (3)"]


@pytest.mark.parametrize("nothing", [{}, {"tasks": []}, {"tasks": [{"subtasks": [{"workloads": []}]}]}])
def test_a_report_of_nothing_is_no_samples(nothing):
    assert _load_rally.convert(nothing) == ({}, [])


@pytest.mark.parametrize("output, reason", [
    ("Task is:\n...\nInput task is invalid!\n\nReason(s):\n No such scenario\n No such scenario\n Bad runner\n", "No such scenario; Bad runner"),
    ("INFO starting\n2026 ERROR Cannot connect\nbye\n", "2026 ERROR Cannot connect"),
    ("strange", "strange"),
    ("", "it says nothing"),
])
def test_the_reason_of_rally_is_found(output, reason):
    assert _load_rally._reason(output.encode()) == reason


def test_a_login_becomes_the_variables_that_rally_reads():
    auth = {"auth_url": "https://k/v3", "username": "u", "password": "p", "project_name": "x"}
    assert _load_rally._variables({"auth": auth, "region_name": "R", "verify": False, "cacert": None}) == {
        "OS_AUTH_URL": "https://k/v3", "OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_PROJECT_NAME": "x", "OS_TENANT_NAME": "x",
        "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": "R", "OS_INSECURE": "True", "OS_IDENTITY_API_VERSION": "3"}


RALLY = """#!{python}
import json, os, sys
words = [word for word in sys.argv[1:] if not word.startswith("--config")][1:]
print(" ".join(words[:2]), os.environ.get("OS_PASSWORD"))
if words[:2] == {fails!r}.split():
    sys.exit("ERROR: " + {fails!r} + " is broken, " + os.environ.get("OS_PASSWORD", ""))
if words[:2] == ["env", "create"]:
    print(json.dumps({{"uuid": "e", "platforms": {{"x": 1}}}}))
if words[:2] == ["task", "start"]:
    print("Task 12345678-1234-1234-1234-123456789012: started")
if words[:2] == ["task", "report"]:
    json.dump({{"tasks": []}}, open(words[words.index("--out") + 1], "w"))
"""


def rally(tmp_path, fails="nothing", **more):
    program = tmp_path / "rally"
    program.write_text(RALLY.format(python=sys.executable, fails=fails))
    program.chmod(0o755)
    (tmp_path / "boot.yaml").write_text("{}")
    load = {"name": "boot", "type": "rally", "scenario_file": str(tmp_path / "boot.yaml"), "args": {}, "args_file": None, "environment": None,
            "executable": str(program), "timeout": 20, "start_delay": 0, **more}
    credentials = {"auth": {"auth_url": "http://k/v3", "username": "u", "password": "s3cret", "project_name": "p"}, "verify": True}
    return _load_rally.Rally(load, told(tmp_path, credentials=credentials))


@pytest.mark.parametrize("fails, message", [
    ("db create", "Rally could not make its database: ERROR: db create is broken,."),
    ("env create", "Rally could not make its environment: ERROR: env create is broken, ********."),
    ("task validate", "Rally could not use {folder}/boot.yaml: ERROR: task validate is broken, ********."),
])
def test_a_rally_that_cannot_start_is_an_error_without_its_password(tmp_path, fails, message):
    work = rally(tmp_path, fails)
    with pytest.raises(FaultlineError) as caught:
        work.prepare()
    assert caught.value.message == message.replace("{folder}", str(tmp_path))
    assert os.listdir(tmp_path / "load") == ["boot.disrupted.log"]
    assert "s3cret" not in (tmp_path / "load" / "boot.disrupted.log").read_text()


@pytest.mark.parametrize("fails, failure", [
    ("nothing", None), ("task start", "rally ended with status 1: ERROR: task start is broken, ********"), ("task report", "no report: Rally could not report"),
])
def test_a_task_leaves_a_file_and_no_database(tmp_path, fails, failure):
    work = rally(tmp_path, fails)
    work.prepare()
    try:
        work.work()
    except FaultlineError as exc:
        work.failure = exc.message
    work.end()
    end = lines(work.paths.samples)[-1]
    assert end.get("failure", "none").startswith(failure or "none") and end["taken"] == 0
    assert not os.path.exists(work.work_folder)


@pytest.mark.parametrize("more, code, message", [
    ({"executable": "/no/such/rally"}, "missing_program", "The load boot needs the program /no/such/rally, which is not there."),
    ({"scenario_file": "/no/such.yaml"}, "no_file", "The load boot: scenario_file /no/such.yaml is not there."),
])
def test_what_rally_needs_is_looked_for_first(tmp_path, more, code, message):
    with pytest.raises(FaultlineError) as caught:
        rally(tmp_path, **more).prepare()
    assert (caught.value.code, caught.value.message) == (code, message)


# ---- api


@pytest.mark.parametrize("service, endpoint, url", [
    ("nova", {"compute": "http://h:8774/v2.1"}, "http://h:8774/v2.1/servers?limit=20"),
    ("nova", {"compute": "http://h:8774/v2.1/"}, "http://h:8774/v2.1/servers?limit=20"),
    ("neutron", {"network": "http://h:9696"}, "http://h:9696/v2.0/networks?limit=20"),
    ("neutron", {"network": "http://h:9696/v2.0"}, "http://h:9696/v2.0/networks?limit=20"),
    ("glance", {"image": "http://h/image/v2"}, "http://h/image/v2/images?limit=20"),
    ("placement", {"placement": "http://h:8778"}, "http://h:8778/resource_providers?name=faultline"),
    ("cinder", {"volumev3": "http://h:8776/v3/abc"}, "http://h:8776/v3/abc/volumes?limit=20"),
    ("swift", {"object-store": "http://h/v1/AUTH_x"}, "http://h/v1/AUTH_x?limit=20"),
])
def test_where_the_light_load_asks(service, endpoint, url):
    assert _apis.url_of(service, {name: {"url": each} for name, each in endpoint.items()}) == url


def test_a_service_that_is_not_in_the_catalogue_is_refused():
    with pytest.raises(FaultlineError) as caught:
        _apis.url_of("cinder", {"compute": {"url": "x"}, "image": {"url": "y"}})
    assert caught.value.text == "The cloud's catalogue has no cinder. It has: compute, image. Leave it out of services."


@pytest.mark.parametrize("url", ["http://h:5000", "http://h:5000/v3", "http://h:5000/v3/"])
def test_where_tokens_are_made(url):
    assert _apis.tokens_of(url) == "http://h:5000/v3/auth/tokens"


def test_the_light_load_needs_an_end(tmp_path):
    with pytest.raises(FaultlineError) as caught:
        _load_api.Api({"name": "light", "type": "api"}, told(tmp_path, credentials={"auth": {}}))
    assert caught.value.message == "The load light needs credentials and a duration."


def test_the_key_of_the_light_load_is_one():
    kind, blob, _comment = _load_api._KEY.split()
    raw = base64.b64decode(blob)
    (length,) = struct.unpack_from(">I", raw)
    assert raw[4:4 + length].decode() == kind and struct.unpack_from(">I", raw, 4 + length) == (32,) and len(raw) == 8 + length + 32
