# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run of ha_test on the controller: its schedule, its books, what is asked of which host, and what is told while it lasts."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time

import pytest
from patience import HANG, wait_for
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.faultline.openstack.plugins.action import ha_watch
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._ha import _probe_servers
from ansible_collections.faultline.openstack.plugins.plugin_utils._plan import Cloud
from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import (
    _checks,
    _clocks,
    _follow,
    _guard,
    _injections,
    _left_alone,
    _report,
    _run_files,
    _schedule,
    _specs,
)
from ansible_collections.faultline.openstack.plugins.plugin_utils._ha._run_dir import RunDirectory

DISRUPTION = {
    "name": "freeze it", "delay": [0, 0], "down_time": [10, 10], "cool_down": [20, 20], "finite": True, "times": 1, "mode": "sequential",
    "down_check": None, "up_check": None, "command": None,
}


def scenario(*disruptions, order="sequential", cool_down=30, monitors=()):
    return {
        "order": order, "cool_down": cool_down, "monitors": list(monitors), "abort": [], "baseline": 0,
        "disruptions": [{**DISRUPTION, **each} for each in disruptions]}


def hits(*hosts, undo=True):
    return {"hosts": {host: {"module": "faultline.openstack.os_service_fault", "args": {"service": "x", "action": "freeze"}} for host in hosts}, "undo": undo}


def starts(plan):
    return [(each["id"], each["start"], each["end"]) for each in _schedule.injections_of(plan)]


@pytest.mark.parametrize("disruption, hosts, expected", [
    ({"mode": "sequential", "times": 2}, "ab", [("d1.1.a", 0, 10), ("d1.2.a", 30, 40), ("d1.1.b", 60, 70), ("d1.2.b", 90, 100)]),
    ({"mode": "round_robin", "times": 2}, "ab", [("d1.1.a", 0, 10), ("d1.1.b", 30, 40), ("d1.2.a", 60, 70), ("d1.2.b", 90, 100)]),
    ({"mode": "parallel", "times": 2}, "ab", [("d1.1.a", 0, 10), ("d1.1.b", 0, 10), ("d1.2.a", 30, 40), ("d1.2.b", 30, 40)]),
    ({"delay": [7, 7]}, "a", [("d1.1.a", 7, 17)]),
    # it lasts until the end of the run
    ({"finite": False}, "a", [("d1.1.a", 0, 40)]),
])
def test_the_modes_of_a_disruption_give_its_rounds_their_times(disruption, hosts, expected):
    plan = _schedule.schedule(scenario(disruption), [hits(*hosts)], "seed")
    assert starts(plan) == expected


def test_what_has_no_undo_has_no_end():
    plan = _schedule.schedule(scenario({}), [hits("a", undo=False)], "seed")
    assert starts(plan) == [("d1.1.a", 0, None)] and plan["quiet"] == 30 and plan["length"] == 60


def test_disruptions_follow_each_other_or_come_together():
    two = ({"name": "one"}, {"name": "two"})
    one_by_one = _schedule.schedule(scenario(*two), [hits("a"), hits("b")], "seed")
    assert starts(one_by_one) == [("d1.1.a", 0, 10), ("d2.1.b", 30, 40)] and one_by_one["length"] == 90
    together = _schedule.schedule(scenario(*two, order="parallel"), [hits("a"), hits("b")], "seed")
    assert starts(together) == [("d1.1.a", 0, 10), ("d2.1.b", 0, 10)] and together["length"] == 60


@given(st.floats(0, 100), st.floats(0, 100), st.text(max_size=8), st.text(max_size=8))
def test_a_time_is_drawn_within_its_range_and_the_same_for_the_same_seed(low, more, seed, key):
    bounds = [low, low + more]
    value = _schedule.drawn(bounds, seed, key)
    assert low - 0.001 <= value <= low + more + 0.001
    assert value == _schedule.drawn(bounds, seed, key)


def test_another_seed_draws_other_times():
    drawn = {_schedule.schedule(scenario({"down_time": [1, 100]}), [hits("a")], seed)["disruptions"][0]["injections"][0]["end"] for seed in "abcdef"}
    assert len(drawn) == 6


def test_the_options_of_an_injection_are_by_its_host_s_clock():
    plan = _schedule.schedule(scenario({"delay": [5, 5]}), [hits("a")], "seed")
    (injection,) = _schedule.injections_of(plan)
    assert _schedule.options(injection, 1000.0, 2.5) == {"service": "x", "action": "freeze", "at": 1002.5, "wait": False, "duration": 10}
    assert _schedule.options(dict(injection, end=None), 1000.0, 0)["at"] == 1005 and "duration" not in _schedule.options(dict(injection, end=None), 1, 0)


def test_what_ends_a_boot_ends_what_can_be_left_to_a_host_at_once():
    def at(start, module, **args):
        return {"id": str(start), "start": start, "module": f"faultline.openstack.{module}", "args": args}

    command = at(0, "os_command_fault", down="shutdown -r now", reboots=True)
    assert _schedule.ends_boot(command) and not _schedule.ends_boot(at(0, "os_command_fault", down="x"))
    kill, reboot, off = ("os_service_fault", {"action": "kill"}), ("os_node_fault", {"action": "reboot"}), ("os_power", {"action": "poweroff"})
    order = [at(start, module, **args) for start, (module, args) in enumerate([kill, reboot, kill, kill, off, reboot])]
    assert [[each["id"] for each in wave] for wave in _schedule.waves(order[::-1])] == [["0", "1"], ["2", "3", "4"], ["5"]]
    assert _schedule.waves([]) == [] and len(_schedule.waves(order[:1])) == 1


# ---- what became of it

PLANNED = {"id": "d1.1.a", "disruption": "d1", "round": 1, "host": "a", "start": 5.0, "end": 15.0}
RECORD = {
    "id": "freeze-00000001", "kind": "service", "action": "freeze", "state": "undone", "injected": 1004.9, "undone": 1014.9, "held": True, "residue": [],
    "failure": None, "proof": {"state": "T"},
}
ARMED = {"fault_id": "freeze-00000001", "clock_offset": 0.1, "clock_error": 0.01, "failure": None}


@pytest.mark.parametrize("record, armed, expected", [
    (RECORD, ARMED, {"state": "undone", "proven": True, "injected": 1005.0, "undone": 1015.0, "held": True, "failure": None}),
    ({**RECORD, "state": "aborted", "injected": None, "undone": 1001.0}, ARMED, {"state": "aborted", "proven": False, "injected": None}),
    ({**RECORD, "failure": "it is whole"}, ARMED, {"state": "undone", "proven": False, "failure": "it is whole"}),
    ({**RECORD, "state": "residue", "residue": ["x"]}, ARMED, {"state": "residue", "residue": ["x"]}),
    ({**RECORD, "state": "scheduled", "injected": None, "undone": None}, ARMED, {"state": "open", "proven": False}),
    (None, ARMED, {"state": "missing", "proven": False, "failure": "The host's journal has no record of freeze-00000001."}),
    (None, None, {"state": "missing", "failure": "It was not armed."}),
    (None, {**ARMED, "fault_id": None, "failure": "No route to host"}, {"state": "missing", "failure": "No route to host"}),
    ({**RECORD, "kind": "node", "action": "reboot", "state": "done", "proof": {"boot": "one"}}, ARMED, {"state": "done", "proven": False}),
    ({**RECORD, "kind": "node", "action": "reboot", "state": "done", "proof": {"boot": "none"}}, ARMED, {"state": "done", "proven": True, "undone": None}),
    ({**RECORD, "kind": "command", "action": "command", "state": "done", "proof": {"boot": "one"}}, ARMED, {"state": "done", "proven": False}),
    ({**RECORD, "kind": "command", "action": "command", "state": "done", "proof": {"boot": "none"}}, ARMED, {"state": "done", "proven": True}),
])
def test_what_became_of_an_injection_is_told_by_the_controller_s_clock(record, armed, expected):
    told = _injections.told(PLANNED, 1000.0, armed, {"open": [], "closed": [record] if record else [], "boot": "one"})
    assert {key: told[key] for key in expected} == expected and told["planned"] == 1005.0


WHY = "router web is in debug"


@pytest.mark.parametrize("record, armed, expected", [
    (None, None, {"state": "left_alone", "failure": WHY, "injected": None}),
    ({**RECORD, "state": "aborted", "injected": None, "undone": 1001.0}, ARMED, {"state": "left_alone", "failure": WHY, "injected": None}),
    # not taken back yet
    ({**RECORD, "state": "scheduled", "injected": None, "undone": None}, ARMED, {"state": "open", "failure": None}),
    # nobody knows whether it came
    (None, ARMED, {"state": "missing", "failure": "The host's journal has no record of freeze-00000001."}),
    (RECORD, ARMED, {"state": "undone", "failure": f"It was undone before its time: {WHY}."}),
])
def test_what_became_of_an_injection_that_is_left_alone(record, armed, expected):
    told = _injections.told(PLANNED, 1000.0, armed, {"open": [], "closed": [record] if record else [], "boot": "one"}, WHY)
    assert {key: told[key] for key in expected} == expected


class Marks:
    """Stands for a cloud: what it tells, or raises, one answer after the other."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    def __call__(self, login):
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return [{"id": "1", "name": "web", "project": "p", "debug": {"by": "router", "reason": ""}, "hosts": [host]} for host in answer]


AWAY = FaultlineError("the cloud lab does not answer.", code="no_answer")


@pytest.fixture
def looker(tmp_path, monkeypatch):
    """looker(*answers): a Looker for two injections of an agent, on hosts a and b, and one of keystone on a; and the cloud that it asks."""
    def make(*answers, starts=(5.0, 1e6, 1e6)):
        marks = Marks(*answers)
        monkeypatch.setattr(_left_alone._in_debug, "ask", marks)
        monkeypatch.setattr(_left_alone, "_PAUSE", 0)
        run = RunDirectory.create(tmp_path, "one", left_alone=[])
        injections = [
            {"id": f"d{n}.1.{host}", "disruption": f"d{n}", "host": host, "start": start, "module": "faultline.openstack.os_service_fault",
             "args": {"service": service, "action": "freeze"}}
            for n, (host, start, service) in enumerate(zip("aba", starts, ("neutron-l3-agent", "neutron-l3-agent", "keystone"), strict=True), start=1)]
        return _left_alone.Looker(run, Cloud({"all": ["a", "b"]}, {"a": {}, "b": {}}), injections, time.time() - 60, {"cloud": "lab"}), marks

    return make


def test_before_a_run_all_injections_on_nodes_of_routers_in_debug_are_left_alone(looker):
    found, _marks = looker(["a", "b"])
    found.t0 = None
    why = "router web is in debug"
    assert found.now() == [("d1.1.a", "a", why), ("d2.1.b", "b", why)]
    assert found.run.head()["left_alone"] == [
        {"disruption": f"d{n}", "injection": f"d{n}.1.{host}", "host": host, "why": why} for n, host in ((1, "a"), (2, "b"))]
    assert _left_alone.of(found.run.head()) == {"d1.1.a": why, "d2.1.b": why}


def test_a_cloud_that_is_away_before_a_run_is_waited_for_and_then_stops_it(looker, monkeypatch):
    found, marks = looker(AWAY, ["b"])
    assert [each[0] for each in found.now()] == ["d2.1.b"] and marks.asked == 2
    monkeypatch.setattr(_left_alone, "PATIENCE", -1)
    marks.answers = [AWAY]
    with pytest.raises(FaultlineError, match="the cloud lab does not answer"):
        found.now()


def test_while_a_run_lasts_what_has_begun_stays_and_what_has_not_is_left_alone_once(looker):
    found, marks = looker(["a", "b"], AWAY, AWAY, ["a", "b"])

    def polled():
        found.due = 0
        assert found.poll(time.time()) == ([], "")
        found.thread.join(10)
        return found.poll(time.time())

    # the first began a minute ago
    assert polled() == ([("d2.1.b", "b", "router web is in debug")], "")
    # it is said once that nobody answers
    assert polled() == ([], "the cloud lab does not answer.") and polled() == ([], "")
    assert polled() == ([], "") and marks.asked == 4
    assert list(_left_alone.of(found.run.head())) == ["d2.1.b"]


def test_a_run_that_breaks_nothing_of_routers_asks_for_no_marks(looker):
    # all that concerns any has begun
    found, marks = looker(starts=(1.0, 1.0, 1e6))
    assert [each["id"] for each in found.injections] == ["d1.1.a", "d2.1.b"]
    assert found.poll(time.time()) == ([], "") and found.thread is None and marks.asked == 0


@pytest.mark.parametrize("args, credentials, cloud, environment, login", [
    ({}, None, "lab", {}, {"cloud": "lab"}),
    ({"cloud": "other", "auth": None}, None, "lab", {}, {"cloud": "other"}),
    ({"auth": {"auth_url": "x"}}, None, "lab", {}, {"auth": {"auth_url": "x"}}),
    ({}, {"auth": {"auth_url": "y"}, "verify": False}, "lab", {}, {"auth": {"auth_url": "y"}, "verify": False}),
    ({}, None, None, {"OS_CLOUD": "lab"}, {}),
    ({}, None, None, {}, None),
])
def test_the_cloud_of_a_run_is_the_one_that_is_asked(monkeypatch, args, credentials, cloud, environment, login):
    for name in ("OS_CLOUD", "OS_AUTH_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _left_alone.options(args, credentials, cloud) == login


def test_a_host_that_cannot_be_asked_leaves_its_injection_missing():
    told = _injections.told(PLANNED, 1000.0, ARMED, None)
    assert told["state"] == "missing" and told["failure"] == "The host's journal could not be read." and told["proven"] is False


def test_the_spread_of_a_round_is_that_of_its_achieved_times():
    plan = _schedule.schedule(scenario({"mode": "parallel"}), [hits("a", "b", "c")], "seed")
    entries = [
        {**_injections.told(each, 0, None, None), "injected": moment, "clock_error": error}
        for each, moment, error in zip(_schedule.injections_of(plan), (10.0, 10.004, None), (0.01, 0.02, 0.5), strict=True)]
    (told,) = _report._disruptions(_run_files.Run(path="run", id="run", plan=plan, injections=entries))
    assert told["spread"] == pytest.approx(0.004) and told["spread_error"] == 0.04 and (told["planned"], told["injected"]) == (3, 2)
    # one that took longer to stop its service did not begin later
    entries[0]["began"], entries[1]["began"], entries[1]["injected"] = 9.999, 10.001, 17.0
    (told,) = _report._disruptions(_run_files.Run(path="run", id="run", plan=plan, injections=entries))
    assert told["spread"] == pytest.approx(0.002)


# ---- clocks


@pytest.mark.parametrize("readings, expected", [
    ([(100.0, 98.0, 100.2), (101.0, 99.02, 101.04)], {"offset": 2.0, "error": 0.02}),
    # less than a connection can show
    ([(100.0, 100.05, 100.2)], {"offset": 0.0, "error": 0.1, "measured": 0.05}),
])
def test_the_quickest_reading_of_a_clock_counts(readings, expected):
    assert _clocks.best([_clocks.reading(*each) for each in readings]) == expected


# ---- monitors

TOLD = {
    "endpoints": {
        "compute": {"url": "http://10.0.0.10:8774/v2.1"}, "network": {"url": "http://10.0.0.10:9696"}, "image": {"url": "http://10.0.0.10:9292/v2/"},
        "volumev3": {"url": "https://cloud/volume/v3/abc"},
    },
    "credentials": {
        "auth": {"auth_url": "http://10.0.0.10:5000", "username": "admin", "password": "secret", "project_name": "admin"}, "verify": True, "cacert": None},
    "addresses": {"ctl1": "10.0.0.11", "ctl2": "fd00::2"}, "servers": {}, "fill_command": lambda command, host: f"{command} {host}",
}


@pytest.mark.parametrize("service, via, url", [
    ("keystone", "vip", "http://10.0.0.10:5000/v3/auth/tokens"),
    ("nova", "ctl1", "http://10.0.0.11:8774/v2.1/os-services"),
    ("neutron", "ctl2", "http://[fd00::2]:9696/v2.0/agents"),
    ("glance", "vip", "http://10.0.0.10:9292/v2/images?limit=1"),
    ("cinder", "vip", "https://cloud/volume/v3/abc/os-services"),
])
def test_an_api_is_asked_where_the_catalogue_has_it_or_at_one_controller(service, via, url):
    monitor = {"name": "api", "type": "openstack_api", "rate": 5, "timeout": 2, "services": [service], "through": [via]}
    (spec,) = _specs.specs(scenario(monitors=[monitor]), {"disruptions": []}, None, TOLD)
    (request,) = spec["requests"]
    assert request.pop("kind", "token") == "token" and request == {"service": service, "via": via, "url": url, "verify": True}
    assert spec["host"] is None and "secret" not in json.dumps(spec)


def test_a_service_that_the_catalogue_lacks_is_named():
    monitor = {"name": "api", "type": "openstack_api", "rate": 5, "timeout": 2, "services": ["placement"], "through": ["vip"]}
    with pytest.raises(FaultlineError, match="The monitor api watches placement, and the cloud's catalogue has no such service."):
        _specs.specs(scenario(monitors=[monitor]), {"disruptions": []}, None, TOLD)


def test_servers_have_names_that_two_runs_share():
    monitor = {"name": "apps", "type": "servers", "rate": 5, "timeout": 2, "probe": "ssh", "image": "tiny", "flavor": "tiny", "boot_timeout": 300}
    booted = [{"id": "7f", "name": f"ha-20261120-101500-demo-apps-{number}", "status": "ACTIVE", "address": f"10.83.1.{number}"} for number in (1, 12)]
    (spec,) = _specs.specs(scenario(monitors=[monitor]), {"disruptions": []}, None, {**TOLD, "servers": {"apps": booted}})
    assert spec["targets"] == [{"name": "server 1", "address": "10.83.1.1"}, {"name": "server 12", "address": "10.83.1.12"}]
    # what it says is what the monitor takes
    assert set(_probe_servers.Servers(spec).series) == {"server 1", "server 12"}


def test_all_services_are_those_of_the_catalogue():
    monitor = {"name": "api", "type": "openstack_api", "rate": 5, "timeout": 2, "services": "all", "through": ["vip"]}
    (spec,) = _specs.specs(scenario(monitors=[monitor]), {"disruptions": []}, None, TOLD)
    assert [request["service"] for request in spec["requests"]] == ["keystone", "nova", "neutron", "glance", "cinder"]


def test_each_host_gets_its_own_monitors_and_checks():
    units = {"name": "units", "type": "systemd", "on": ["ctl1", "ctl2"], "units": ["memcached"], "rate": 5, "timeout": 2}
    checked = {"up_check": {"command": "true", "on": "host", "timeout": 9}, "down_check": {"command": ["ping"], "on": "controller", "timeout": 3}}
    told = {**TOLD, "fill_command": lambda command, host: command}
    whole = scenario(checked, monitors=[units])
    plan = _schedule.schedule(whole, [hits("ctl2")], "seed")
    assert [spec["name"] for spec in _specs.specs(whole, plan, "ctl1", told)] == ["units"]
    on_ctl2 = _specs.specs(whole, plan, "ctl2", told)
    assert [spec["name"] for spec in on_ctl2] == ["units", "check.d1.up_check.ctl2"] and on_ctl2[1]["command"] == ["/bin/sh", "-c", "true"]
    (here,) = _specs.specs(whole, plan, None, told)
    assert here["name"] == "check.d1.down_check.ctl2" and here["command"] == ["ping"]
    for host in ("ctl1", "ctl2", None):
        assert _specs.names(whole, plan, host) == [spec["name"] for spec in _specs.specs(whole, plan, host, told)]
    assert _specs.hosts(whole, plan) == ["ctl1", "ctl2"]


def seen(*samples):
    """Samples of (start, end, error); '' is ok."""
    return [_run_files.Sample(start, start, end - start, "failed" if error else "ok", error) for start, end, error in samples]


def good(after):
    return {"ok": True, "after": after, "error": None}


@pytest.mark.parametrize("look, samples, expected", [
    (_checks.passed, [(9, 9.5, ""), (10.5, 11, "no"), (11.5, 12, "")], good(2)),
    (_checks.passed, [(10.5, 11, "status 3")], "It did not pass within 5 seconds: status 3."),
    (_checks.passed, [(16, 17, "")], "It did not pass within 5 seconds: it was never tried in that time."),
    # one that was on its way says nothing
    (_checks.went_down, [(9.9, 10.2, "refused"), (10.2, 10.3, ""), (10.4, 10.5, "refused")], good(0.4)),
    (_checks.went_down, [(10.2, 10.3, ""), (15.2, 15.3, "refused")], "was not down within 5 seconds"),
    (_checks.went_down, [(8, 8.1, "")], "was not sampled for 5 seconds"),
    # up is what stays up
    (_checks.came_up, [
        (10.1, 10.2, "refused"), (10.3, 10.4, ""), (10.5, 10.6, "refused"), (10.7, 10.8, ""), (11.8, 11.9, ""), (12, 12.1, "refused")], good(0.7)),
    (_checks.came_up, [(10.1, 10.2, ""), (20.1, 20.2, "")], good(0.1)),
    (_checks.came_up, [(10.1, 10.2, "refused"), (14.9, 15, ""), (15.1, 15.2, "refused"), (15.3, 15.4, "")], "was not up again within 5 seconds: refused"),
    (_checks.came_up, [(15.1, 15.2, "")], "was not sampled for 5 seconds"),
])
def test_a_check_passes_by_what_is_seen_in_its_time(look, samples, expected):
    told = look(seen(*samples), 10, 5)
    assert told == (expected if isinstance(expected, dict) else {"ok": False, "after": None, "error": expected})


def checked(check, series=(), checks=(), kind="down_check", **entry):
    """What judge() makes of one check of one injection on the host a, from 100 to 110 s."""
    whole = scenario({kind: {"timeout": 5, **check}})
    plan = _schedule.schedule(whole, [hits("a")], "seed")
    injection = {"id": "d1.1.a", "disruption": "d1", "host": "a", "at": 99.5, "injected": 100.0, "undone": 110.0, "checks": [], **entry}
    run = _run_files.Run(path="run", scenario=whole, plan=plan, injections=[injection], series=list(series), checks=list(checks))
    _checks.judge(run)
    _checks.judge(run)
    return injection["checks"]


def watched(monitor, name, *samples, group="host"):
    return _run_files.Series(key=f"{monitor}:{name}", monitor=monitor, name=name, group=group, samples=seen(*samples))


@pytest.mark.parametrize("check, more, expected", [
    ({"series": "x on {host}"}, {}, good(0.2)),
    # all that is meant has to be down
    ({"series": "units:*"}, {}, "units@b:x on b was not down within 5 seconds"),
    ({"series": "host:x on [ab]"}, {"kind": "up_check"}, good(0.5)),
    ({"series": "y"}, {}, "No series is called y."),
    ({"series": "x on {host}"}, {"injected": None, "at": None, "undone": None}, "There was no moment to count from."),
    # what is over is not down later
    ({"series": "x on {host}"}, {"undone": 99.6}, "units@a:x on a was not sampled for 0.1 seconds"),
    ({"command": "true", "on": "host"}, {}, good(1.5)),
    ({"command": "true", "on": "host"}, {"kind": "up_check"}, "It did not pass within 5 seconds: it was never tried in that time."),
])
def test_a_check_is_judged_from_what_was_sampled(check, more, expected):
    series = [
        watched("units@a", "x on a", (99.4, 99.5, ""), (99.7, 99.8, "dead"), (110.2, 110.3, "dead"), (110.5, 110.6, ""), (111.6, 111.7, "")),
        watched("units@b", "x on b", (99.7, 99.8, ""), (110.2, 110.3, "")),
    ]
    (told,) = checked(check, series, [watched("check.d1.down_check.a@a", "down_check on a", (100.5, 100.6, "no"), (101.4, 101.5, ""))], **more)
    wanted = expected if isinstance(expected, dict) else {"ok": False, "after": None, "error": expected}
    assert told == {"kind": more.get("kind", "down_check"), **wanted}


@pytest.mark.parametrize("samples, expected", [
    # a host answers for a moment before it goes
    ([(100.1, 100.2, ""), (101.1, 101.2, "refused"), (103.1, 103.2, "")], good(3.2)), ([(100.1, 100.2, ""), (101.1, 101.2, "")], good(0.2)),
])
def test_what_has_no_undo_is_up_once_it_was_down(samples, expected):
    (told,) = checked({"command": "true", "on": "host"}, (), [watched("check.d1.up_check.a@a", "up_check on a", *samples)], kind="up_check", undone=None)
    assert told == {"kind": "up_check", **expected}


def test_the_check_of_a_command_s_own_fault_is_its_proof():
    whole = {"command": "true", "on": "host"}
    made = scenario({"down_check": {**whole, "timeout": 5}, "command": {"down": "x", "up": "y"}})
    run = _run_files.Run(path="run", scenario=made, plan=_schedule.schedule(made, [hits("a")], "seed"), injections=[
        {"id": "d1.1.a", "disruption": "d1", "host": "a", "at": 1.0, "injected": 1.0, "undone": 2.0, "checks": []}])
    _checks.judge(run)
    assert run.injections[0]["checks"] == []


# ---- the directory


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path / "runs", "one", name="n", seed="s", scenario=scenario())


def test_the_directory_of_a_run_is_its_owner_s_alone_and_has_its_phases(run):
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700 and stat.S_IMODE((run.path / "run.json").stat().st_mode) == 0o600
    run.enter("baseline", at=10.0)
    run.enter("disruption", at=20.0)
    run.abort("it was enough")
    run.abort("too late")
    run.end()
    head = run.head()
    assert [(each["name"], each["start"]) for each in head["phases"]] == [("baseline", 10.0), ("disruption", 20.0)]
    assert head["phases"][0]["end"] == 20.0 and head["phases"][1]["end"] == head["ended"]
    assert head["state"] == "aborted" and head["aborted"]["reason"] == "it was enough"
    kinds = [json.loads(line)["kind"] for line in (run.path / "events.jsonl").read_text().splitlines()]
    assert kinds == ["phase", "phase", "abort"]


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FaultlineError, match="The directory of the run cannot be made: .*/file/one: (File exists|Not a directory)."):
        RunDirectory.create(tmp_path / "file", "one")
    with pytest.raises(FaultlineError, match="There is no run in"):
        RunDirectory(tmp_path).head()


# ---- while it lasts


def lines(*samples, name="api"):
    header = {"format": 1, "kind": "monitor", "name": name, "timeout": 2, "series": {"nova via vip": {"group": "api"}}}
    return "".join(json.dumps(each) + "\n" for each in (header, *samples))


def sample(start, outcome="ok"):
    return {"series": "nova via vip", "due": start, "start": start, "duration": 0.1, "outcome": outcome, "error": "refused"}


def test_what_is_written_is_followed_line_by_line(run):
    path = run.path / "samples" / "api.jsonl"
    follower = _follow.Follower(run.path)
    assert follower.poll(100) == [] and _follow.availability(follower.tracks.values()) == "no sample yet"
    # what timed out comes in after what began later
    text = lines(sample(1), sample(4.5), sample(2, "failed"), sample(3, "timeout"), sample(5.5))
    path.write_text(text[:-20])
    assert follower.poll(4.9) == []
    assert [(change, at) for change, _track, at, _seconds in follower.poll(6.1)] == [("down", 2)]
    assert follower.too_long([{"series": "nova via vip", "down_for": 5}], 6) == ""
    assert follower.too_long([{"series": "api:*", "down_for": 3}], 6) == "api:nova via vip was down for more than 3 seconds (refused)"
    path.write_text(text)
    # up is what stays up
    assert follower.poll(8) == []
    ((change, track, at, seconds),) = follower.poll(9)
    assert (change, at, seconds) == ("up", 4.5, 2.5) and track.availability == 60.0 and follower.down() == []
    assert _follow.availability([track]) == "api:nova via vip 60.00 %; 0 of 1 series always up"


def test_what_a_check_says_is_no_outage(run):
    (run.path / "samples" / "check.d1.down_check.a.jsonl").write_text(lines(sample(1, "failed"), name="check.d1.down_check.a"))
    follower = _follow.Follower(run.path)
    assert follower.poll(100) == [] and follower.tracks == {}
    read = _run_files.read(run.path)
    assert read.series == [] and [each.monitor for each in read.checks] == ["check.d1.down_check.a"]


def test_the_guard_heals_when_the_playbook_goes_and_notes_it(run):
    healed = run.path / "healed"
    playbook = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    _guard.start(
        run.path, playbook.pid, _guard.started(playbook.pid), [sys.executable, "-c", f"open({str(healed)!r}, 'w')"], dict(os.environ), time.time() + 2 * HANG)
    assert not healed.exists()
    playbook.kill()
    playbook.wait()
    wait_for(lambda: run.head()["state"] != "running")
    head = run.head()
    assert head["state"] == "aborted" and head["aborted"]["reason"] == "The run was interrupted." and healed.exists()


@pytest.mark.parametrize("fails, code, tries", [(0, 0, 1), (2, 0, 3), (9, 1, 3)])
def test_the_guard_tries_again_to_reach_a_host(tmp_path, monkeypatch, fails, code, tries):
    monkeypatch.setattr(_guard, "_PAUSE", 0.01)
    log = tmp_path / "tries"
    script = f"import sys; log = open({str(log)!r}, 'a+'); log.write('x'); log.seek(0); sys.exit(len(log.read()) <= {fails})"
    assert _guard._heal([sys.executable, "-c", script], tmp_path) == code
    assert len(log.read_text()) == tries


def test_the_guard_of_a_run_that_has_ended_does_nothing(run):
    run.end()
    guard = _guard.start(run.path, os.getpid(), _guard.started(os.getpid()), ["/bin/false"], dict(os.environ), time.time() + 2 * HANG)
    wait_for(lambda: _guard.started(guard) is None)
    assert (run.path / "guard.log").read_text() == "" and run.head()["state"] == "finished"


@pytest.mark.parametrize("injected, end", [(1010.0, 1040.0), (1025.5, 1055.5), (None, 1640.0), (1009.0, 1040.0)])
def test_an_injection_is_over_when_its_time_is_and_that_begins_when_it_is_done(injected, end):
    """As the stop of a database, which may take long; t0 is 1000, and it was planned for 10 to 40 seconds later."""
    assert ha_watch._end({"start": 10.0, "end": 40.0}, {"injected": injected}, 1000.0) == end
