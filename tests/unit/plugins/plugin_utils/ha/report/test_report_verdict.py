# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict: each way to pass, to fail and to be not evaluated."""

from __future__ import annotations

import ha_recorded
import pytest
from ha_recorded import T0, cloud, injection

from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _report, _run_files

NOVA = "api:nova via vip"


@pytest.fixture
def judged(tmp_path):
    """Builds a run by ha_recorded.simple(); {criterion id: (state, why)}."""
    def make(change=None, **options):
        place = ha_recorded.simple(tmp_path / "run", **options)
        if change:
            change(place)
        make.report, _tracks = _report.build(_run_files.read(place), T0)
        return {each["id"]: (each["state"], each["why"]) for each in make.report["criteria"]}

    return make


def ask(metric="downtime", **over):
    """One criterion of a scenario."""
    limit = {} if over.keys() & {"at_least", "at_most"} else {"at_most": 5}
    return [{"name": "asked", "metric": metric, "of": [NOVA], "disruption": "d1", **limit, **over}]


def one(**over):
    return [injection("d1.1", "d1", T0 + 40, **over)]


# -- without criteria


def test_a_good_run_without_criteria_passes_the_usual_ones(judged):
    found = judged()
    assert {told: state for told, (state, _why) in found.items()} == dict.fromkeys(
        ("run", "undone", "injected", "journals", "correctness", "up"), "passed")
    assert judged.report["verdict"] == {"state": "passed", "exit_status": 0, "passed": 6, "failed": 0, "not_evaluated": 0}


@pytest.mark.parametrize("head, state, why", [
    ({"state": "running", "ended": None}, "not evaluated", "it was cut off: nobody wrote its end"),
    ({"state": "aborted", "aborted": {"reason": "nova was down for 60 s", "at": T0}}, "failed", "it was aborted: nova was down for 60 s"),
    ({"state": "finished", "aborted": {"reason": "Ctrl-C"}}, "failed", "it was aborted: Ctrl-C"),
    ({"state": "strange"}, "not evaluated", "its state is strange"),
])
def test_a_run_without_its_end_fails(judged, head, state, why):
    assert judged(head=head)["run"] == (state, why)
    assert judged.report["verdict"]["exit_status"] == 1


def test_a_run_without_its_end_fails_whatever_the_scenario_asks(judged):
    found = judged(head={"state": "running"}, passing=ask(at_most=100))
    assert (found["c1"][0], found["run"][0]) == ("passed", "not evaluated")
    assert judged.report["verdict"]["state"] == "failed"


@pytest.mark.parametrize("over, state, why", [
    ({"state": "done", "undone": None}, "passed", None),
    ({"state": "open"}, "failed", "d1.1 on ctl1 is open"),
    ({"state": "residue", "residue": ["table faultline_x"]}, "failed", "d1.1 on ctl1 left table faultline_x"),
    ({"residue": ["a qdisc"]}, "failed", "d1.1 on ctl1 left a qdisc"),
    ({"state": "missing"}, "not evaluated", "what became of d1.1 on ctl1 is not known (state missing)"),
    ({"checks": [{"kind": "up_check", "ok": False, "after": None, "error": "HTTP 503"}]}, "failed", "d1.1 on ctl1 did not come back: HTTP 503"),
])
def test_what_is_left_of_a_fault_fails_the_run(judged, over, state, why):
    assert judged(injections=one(**over))["undone"] == (state, why)


def test_an_injection_that_nobody_tells_of_is_not_undone(judged):
    found = judged(change=lambda place: (place / "injections.json").write_text("[]"))
    assert found["undone"] == ("not evaluated", "nothing is known of d1.1")
    assert found["injected"] == ("not evaluated", "d1.1 was not injected: nothing is known of it")


@pytest.mark.parametrize("over, why", [
    ({"injected": None, "state": "missing"}, "d1.1 on ctl1 was not injected"),
    ({"injected": None, "state": "missing", "failure": "no such unit"}, "d1.1 on ctl1 was not injected: no such unit"),
    ({"injected": None, "state": "missing", "failure": "It was not armed."}, "d1.1 on ctl1 was not injected: It was not armed"),
    ({"injected": None, "state": "aborted"}, "d1.1 on ctl1 was aborted"),
    ({"injected": None, "state": "left_alone", "failure": "router web is in debug"}, "d1.1 on ctl1 was left alone: router web is in debug"),
    ({"proven": False}, "d1.1 on ctl1 was not proven"),
    ({"held": False}, "d1.1 on ctl1 was not held until its end"),
    ({"checks": [{"kind": "down_check", "ok": False, "after": None, "error": "it still answers"}]}, "d1.1 on ctl1: its down_check failed: it still answers"),
])
def test_what_was_not_injected_proven_and_held_proves_nothing(judged, over, why):
    found = judged(injections=one(**over), passing=ask(at_most=1000) + ask(disruption="*", at_most=1000))
    assert found["c1"] == found["c2"] == ("not evaluated", why)


def test_the_usual_criteria_want_every_fault_proven(judged):
    assert judged(injections=one(proven=False))["injected"] == ("not evaluated", "d1.1 on ctl1 was not proven")
    assert judged.report["verdict"]["state"] == "failed"


@pytest.mark.parametrize("after, state, why", [
    (cloud(open_faults=[{"host": "ctl1", "id": "f1"}]), "failed", "the fault f1 is open on ctl1"),
    (cloud(errors=[{"what": "open_faults", "why": "ctl2 did not answer"}]), "not evaluated", "open_faults after: ctl2 did not answer"),
    ({**cloud(), "open_faults": None}, "not evaluated", "open_faults after: nobody asked"),
])
def test_open_journals_fail(judged, after, state, why):
    assert judged(after=after)["journals"] == (state, why)


def test_a_service_that_is_down_at_the_end_fails(judged):
    assert judged(down=[(140.0, 200.0)])["up"] == ("failed", f"{NOVA} is down: connection refused")


def test_without_any_sample_nothing_is_known_to_be_up(judged):
    def change(place):
        (place / "samples" / "api.jsonl").unlink()

    assert judged(change=change)["up"] == ("not evaluated", "nothing was watched")


def test_a_series_that_nobody_sampled_at_the_end_is_not_known_to_be_up(judged):
    def change(place):
        ha_recorded.write_samples(place / "samples" / "web.jsonl", "web", {"horizon": ({"group": "api"}, ha_recorded.probes(T0, T0 + 60))}, end=T0 + 60)

    assert judged(change=change)["up"] == ("not evaluated", "web:horizon was not sampled at the end")


def test_a_monitor_of_the_scenario_without_samples_is_missed(judged):
    scenario = {"name": "s", "monitors": [{"name": "api"}, {"name": "web"}], "pass": ask(of=["*"], at_most=100) + ask(of=[NOVA], at_most=100)}

    def change(place):
        ha_recorded.write(place, "run.json", ha_recorded.head(scenario=scenario))

    found = judged(change=change)
    assert found["c1"] == ("not evaluated", "the monitor web left no sample")
    assert found["c2"][0] == "passed"
    assert "The monitor web left no sample." in judged.report["problems"]


# -- the scenario's criteria


@pytest.mark.parametrize("criterion, state", [
    (ask("downtime", at_most=4.1), "passed"),
    (ask("downtime", at_most=3.9), "failed"),
    (ask("downtime", at_most=4.1, disruption="break d1"), "passed"),
    (ask("downtime", at_most=4.1, disruption="*"), "passed"),
    (ask("availability", at_least=96), "passed"),
    (ask("availability", at_least=99), "failed"),
    (ask("longest_outage", at_most=4.1), "passed"),
    (ask("longest_outage", at_most=3), "failed"),
    (ask("mttr", at_most=6), "passed"),
    (ask("mttr", at_most=4), "failed"),
    (ask("mttr", at_most=4, disruption="*"), "failed"),
    (ask("time_to_recovery", at_most=6), "passed"),
    (ask("time_to_recovery", at_most=4), "failed"),
    (ask("requests_lost", at_most=20), "passed"),
    (ask("requests_lost", at_most=19), "failed"),
    (ask("degradation", at_most=3.5), "passed"),
    (ask("degradation", at_most=2), "failed"),
    (ask("correctness", at_most=0), "passed"),
    (ask(of=["api:*"], at_most=4.1), "passed"),
    (ask(of=["nova via vip"], at_most=4.1), "passed"),
    (ask(of="*", at_most=4.1), "passed"),
])
def test_a_criterion_is_judged_by_the_measured_value(judged, criterion, state):
    found = judged(down=[(40.5, 44.5)], slow=[(44.5, 45.5, 3.0)], passing=criterion)
    assert found["c1"][0] == state


def test_a_criterion_tells_value_error_limit_and_series(judged):
    judged(down=[(41.0, 45.0)], passing=ask(at_most=4.0))
    told = judged.report["criteria"][-1]
    assert (told["series"], told["window"], told["unit"], told["limit"]) == (NOVA, "d1", "s", {"kind": "at_most", "number": 4.0})
    assert (round(told["low"], 1), round(told["value"], 1), round(told["high"], 1)) == (3.8, 4.0, 4.2)
    assert told["why"].endswith("the limit is within the error")


@pytest.mark.parametrize("criterion, why", [
    (ask("uptime"), "there is no metric uptime; known are availability, downtime, longest_outage, mttr, requests_lost, degradation, "
                    "time_to_recovery, correctness"),
    ([{"metric": "downtime"}], "it has neither `at_least` nor `at_most`"),
    (ask("availability", at_least=0.999), "availability is in per cent, and 0.999 % says nothing"),
    (ask(of=["api:heat*"]), "no series is called api:heat*"),
    (ask(disruption="d9"), "there is no disruption d9"),
    (ask("correctness", at_least=1), "correctness takes `at_most`"),
])
def test_a_criterion_that_means_nothing_is_not_evaluated(judged, criterion, why):
    assert judged(passing=criterion)["c1"] == ("not evaluated", why)


def test_the_worst_series_decides(judged):
    def change(place):
        slow = ha_recorded.probes(T0, T0 + 150, down=[(T0 + 50, T0 + 60)])
        ha_recorded.write_samples(place / "samples" / "web.jsonl", "web", {"horizon": ({"group": "app"}, slow)}, end=T0 + 150)

    found = judged(change=change, passing=ask(of=["*"], at_most=5))
    assert found["c1"][0] == "failed"
    assert judged.report["criteria"][-1]["series"] == "web:horizon"


def test_the_worst_disruption_decides_what_is_measured_from_a_fault_on(judged):
    injections = [injection("d1.1", "d1", T0 + 40), injection("d2.1", "d2", T0 + 80)]
    judged(down=[(40.1, 41.0), (80.1, 90.0)], injections=injections, passing=ask("mttr", disruption="*", at_most=20))
    told = judged.report["criteria"][-1]
    assert (told["window"], round(told["value"])) == ("d2", 10)


# -- what was not sampled


@pytest.mark.parametrize("metric, limit, state", [
    ("downtime", {"at_most": 60}, "not evaluated"),
    # it was down for longer than that for certain
    ("downtime", {"at_most": 3}, "failed"),
    ("availability", {"at_least": 50}, "not evaluated"),
    ("availability", {"at_least": 99}, "failed"),
    ("longest_outage", {"at_most": 60}, "not evaluated"),
    ("requests_lost", {"at_most": 1000}, "not evaluated"),
    ("requests_lost", {"at_most": 10}, "failed"),
    ("mttr", {"at_most": 100}, "not evaluated"),
])
def test_a_window_with_a_hole_cannot_pass(judged, metric, limit, state):
    found = judged(down=[(41.0, 45.0)], skipped=[(60.0, 70.0)], passing=ask(metric, **limit))
    assert found["c1"][0] == state
    if state == "not evaluated":
        assert "was not sampled for 10.0 of 110.0 s" in found["c1"][1]


def test_a_monitor_that_was_killed_cannot_pass(judged):
    assert judged(down=[], end=100.0, cut=True, passing=ask(at_most=100))["c1"][0] == "not evaluated"


def test_a_short_stall_counts_as_time_down(judged):
    # 0.8 s of 110 are less than one per cent
    found = judged(down=[(41.0, 45.0)], skipped=[(60.0, 60.8)], passing=ask(at_most=4.4) + ask(at_most=5.0))
    assert found["c1"][0] == "failed"
    assert found["c2"] == ("passed", f"{NOVA}: 4.00 s; 0.80 s more were not sampled and count as down")


def test_a_service_that_never_came_back_fails_a_limit_that_it_is_beyond(judged):
    found = judged(down=[(41.0, 500.0)], passing=ask("time_to_recovery", at_most=30) + ask("time_to_recovery", at_most=300))
    assert found["c1"] == ("failed", f"{NOVA}: still down at the end of the window")
    assert found["c2"][0] == "not evaluated"


# -- correctness


def test_what_is_left_in_the_cloud_fails(judged):
    after = cloud(volumes=[{"id": "v1", "name": "rally", "status": "available"}])
    found = judged(after=after, passing=[{"metric": "correctness", "at_most": 0}, {"metric": "correctness", "at_most": 1}])
    assert found["c1"] == ("failed", "volume rally was not there before")
    assert found["c2"][0] == "passed"


def test_what_nobody_could_ask_is_not_evaluated(judged):
    found = judged(after=cloud(errors=[{"what": "volumes", "why": "HTTP 500"}]), passing=[{"metric": "correctness", "at_most": 5}])
    assert found["c1"][0] == "not evaluated"
    assert "volumes after: HTTP 500" in found["c1"][1]


def test_without_the_plan_nobody_knows_that_all_is_undone(judged):
    found = judged(change=lambda place: (place / "plan.json").unlink())
    assert found["undone"] == ("not evaluated", "the plan is not known, and so nobody knows what else was injected")


def test_without_an_api_all_that_was_watched_has_to_be_up_but_servers_of_the_runs_own(judged):
    def change(place):
        path = place / "samples" / "api.jsonl"
        path.write_text(path.read_text().replace('"group": "api"', '"group": "host"'))
        gone = ha_recorded.probes(T0, T0 + 150, down=[(T0 + 140, T0 + 150)])
        ha_recorded.write_samples(place / "samples" / "apps.jsonl", "apps", {"vm1": ({"group": "app"}, gone)}, end=T0 + 150)

    assert judged(change=change)["up"] == ("passed", None)
    assert judged.report["criteria"][-1]["name"] == "All that was watched is up at the end"


def test_without_the_state_before_and_after_nothing_is_correct(judged):
    def change(place):
        (place / "cloud.before.json").unlink()

    found = judged(change=change)
    assert found["correctness"][0] == "not evaluated"
    assert found["correctness"][1] == "the cloud's state before is not known"


def test_no_criterion_at_all_is_no_pass():
    from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _verdict

    assert _verdict.overall([])["state"] == "failed"
