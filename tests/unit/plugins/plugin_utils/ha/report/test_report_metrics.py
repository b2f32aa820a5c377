# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The figures of a run, against ones worked out by hand."""

from __future__ import annotations

import math

import ha_recorded
import pytest
from ha_recorded import T0, injection

from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _metrics, _report, _run_files

NOVA = "api:nova via vip"


@pytest.fixture
def measured(tmp_path):
    """Builds a run by ha_recorded.simple(); the figures of its series in a window."""
    def make(window="d1", **options):
        report, _tracks = _report.build(_run_files.read(ha_recorded.simple(tmp_path / "run", **options)), T0)
        (series,) = report["series"]
        make.report, make.series = report, series
        return series["metrics"][window]

    return make


def bounds(figure, digits=2):
    return tuple(None if figure[key] is None else round(figure[key], digits) for key in ("value", "low", "high"))


# -- the statistics


def test_the_t_quantiles_are_those_of_the_tables():
    assert [_metrics.t95(n) for n in (1, 2, 9, 30, 35, 100, 10**6)] == [12.706, 4.303, 2.262, 2.042, 2.042, 2.000, 1.962]


def test_a_mean_has_the_confidence_interval_of_student():
    # 2, 4, 6: mean 4, s = 2, t(2) = 4.303: 4.303 * 2 / sqrt(3) = 4.969
    figures = [_metrics.figure(value) for value in (2.0, 4.0, 6.0)]
    mean = _metrics.mean_figure(figures)
    assert (mean["value"], mean["how"]) == (4.0, "t95")
    assert mean["high"] == pytest.approx(4 + 4.303 * 2 / math.sqrt(3))
    assert mean["low"] == 0.0  # no time is negative


def test_the_mean_of_equal_observations_keeps_their_own_error():
    mean = _metrics.mean_figure([_metrics.figure(1.0, 0.8, 1.2)] * 3)
    assert bounds(mean) == (1.0, 0.8, 1.2)


def test_quantiles_are_linear_between_neighbours():
    told = _metrics.statistics([4.0, 1.0, 2.0, 3.0, 5.0])
    assert (told["p50"], told["p95"], told["mean"]) == (3.0, 4.8, 3.0)
    assert told["std"] == pytest.approx(math.sqrt(2.5))
    assert _metrics.statistics([]) is None


def test_degradation_is_difference_and_ratio_of_means_with_welchs_error():
    slow, base = _metrics.statistics([3.0, 5.0]), _metrics.statistics([1.0, 3.0])
    absolute, relative = _metrics.difference(slow, base)
    # s^2 = 2 each, n = 2: sqrt(1 + 1), and v = 4 / (1 + 1) = 2, t = 4.303
    error = 4.303 * math.sqrt(2)
    assert bounds(absolute, 6) == (2.0, round(2 - error, 6), round(2 + error, 6))
    assert relative["value"] == 2.0
    assert relative["high"] == pytest.approx(2 + 4.303 * 2 * math.sqrt(1 / 16 + 1 / 4))


def test_one_operation_has_no_error():
    absolute, relative = _metrics.difference(_metrics.statistics([3.0]), _metrics.statistics([1.0, 1.0]))
    assert (absolute["value"], absolute["low"]) == (2.0, None)
    assert relative["why"] == "one operation only: its error is not known"


# -- one disruption


def test_an_outage_of_four_seconds_is_measured_within_a_period(measured):
    told = measured(down=[(41.0, 45.0)])
    # d1 goes from 40 to the end of the cool-down at 150
    assert round(told["window"], 1) == 110.0
    assert bounds(told["downtime"], 1) == (4.0, 3.8, 4.2)
    assert bounds(told["longest_outage"], 1) == (4.0, 3.8, 4.2)
    assert told["outages"] == 1
    assert bounds(told["availability"]) == (96.36, 96.18, 96.55)
    assert told["requests"] == {"due": 550, "taken": 550, "failed": 20, "not_taken": 0}
    assert bounds(told["requests_lost"]) == (20, 19, 21)
    assert bounds(told["availability_requests"]) == (96.36, 96.36, 96.36)
    # from the injection: it was last seen up at 40.8, and down at 44.8
    assert bounds(told["time_to_first_failure"], 1) == (1.0, 0.8, 1.0)
    assert bounds(told["time_to_recovery"], 1) == (5.0, 4.8, 5.0)
    assert bounds(told["mttr"], 1) == (5.0, 4.8, 5.0)


def test_mttr_lasts_until_operations_are_as_quick_as_before(measured):
    told = measured(down=[(41.0, 45.0)], slow=[(45.0, 53.0, 3.0)])
    assert bounds(told["time_to_recovery"], 1) == (5.0, 4.8, 5.0)
    assert bounds(told["mttr"], 1) == (13.0, 12.8, 13.0)
    assert bounds(told["recovery_period"], 1) == (12.0, 11.8, 12.2)
    # 3 times 20 ms; the operations in the recovery period that succeeded are the slow ones
    assert told["degradation_relative"]["value"] == pytest.approx(3.0, abs=0.1)
    assert told["degradation_relative"]["low"] < 3.0 < told["degradation_relative"]["high"]
    assert told["degradation_absolute"]["value"] == pytest.approx(0.040, abs=0.002)


def test_without_an_effect_recovery_took_no_time(measured):
    told = measured(down=[])
    assert bounds(told["mttr"]) == (0.0, 0.0, 0.2)
    assert told["mttr"]["why"] == "neither failed nor degraded"
    # an outage between two probes may go unseen
    assert bounds(told["longest_outage"]) == (0.0, 0.0, 0.2)
    assert bounds(told["availability"]) == (100.0, 99.82, 100.0)
    assert bounds(told["requests_lost"]) == (0, 0, 1)
    assert (told["degradation_relative"]["value"], told["time_to_first_failure"]["value"]) == (1.0, None)
    assert told["time_to_first_failure"]["why"] == "it never failed"


def test_what_is_still_down_at_the_end_has_not_recovered(measured):
    told = measured(down=[(41.0, 200.0)])
    assert told["time_to_recovery"]["value"] is None
    assert told["time_to_recovery"]["why"] == "still down at the end of the window"
    assert told["time_to_recovery"]["low"] == pytest.approx(110.0, abs=0.1)
    assert told["mttr"]["why"] == "not recovered at the end of the window"
    assert round(told["downtime"]["value"]) == 109


def test_what_was_down_before_is_not_the_faults_first_failure(measured):
    told = measured(down=[(35.0, 45.0)])
    assert told["time_to_first_failure"]["why"] == "it was down already when the fault came"
    assert bounds(told["downtime"], 1) == (5.0, 4.8, 5.0)


def test_a_probe_on_its_way_when_the_fault_comes_failed_by_the_fault(measured):
    # every probe that begins within 30 ms before the injection hangs
    told = measured(down=[(39.99, 44.0)], hang=True, injections=[injection("d1.1", "d1", T0 + 40.02)])
    assert told["time_to_first_failure"]["value"] == 0.0
    assert told["outages"] == 1


def test_time_that_nobody_sampled_is_never_up(measured):
    told = measured(down=[], skipped=[(60.0, 71.0)])
    assert round(told["not_sampled"], 1) == 11.0
    assert bounds(told["availability"])[0] == 90.0
    assert told["requests"]["not_taken"] == 55
    assert told["availability_requests"]["value"] == 90.0
    assert told["requests_lost"]["value"] == 55
    assert told["downtime"]["value"] == 0.0
    assert measured.series["not_sampled"] == [pytest.approx([T0 + 60, T0 + 71], abs=0.3)]


def test_a_hole_in_an_outage_counts_once(measured):
    told = measured(down=[(41.0, 61.0)], skipped=[(45.0, 56.0)])
    assert round(told["not_up"], 1) == 20.0
    assert round(told["not_sampled"], 1) == 11.0
    assert round(told["downtime"]["value"], 1) == 20.0


def test_a_monitor_that_was_killed_leaves_the_rest_unsampled(measured):
    told = measured(down=[], end=100.0, cut=True)
    assert round(told["not_sampled"]) == 50
    assert round(told["availability"]["value"], 1) == pytest.approx(100 * 60 / 110, abs=0.2)
    assert measured.series["cut"]


def test_a_window_without_a_sample_has_no_figures(measured):
    told = measured(end=35.0, down=[])
    assert told["availability"]["value"] is None
    assert told["availability"]["why"] == "no sample was taken in this window"
    assert told["not_sampled"] == pytest.approx(110.0, abs=0.01)


def test_too_small_a_baseline_says_nothing_of_degradation(measured):
    told = measured(down=[(0.0, 29.0), (41.0, 45.0)])
    assert told["degradation_relative"]["why"] == "the baseline has 5 ok samples, 10 are needed"


def test_without_a_baseline_only_failures_tell_of_recovery(measured):
    told = measured(down=[(0.0, 29.0)])
    assert told["mttr"]["why"] == "it never failed; too few baseline samples to tell whether it degraded"


def test_the_error_budget_is_what_an_objective_leaves(measured):
    told = measured("run", down=[(41.0, 41.1)])
    # 120 s at 99.9 %
    assert told["error_budget"]["allowed"] == pytest.approx(0.12)
    assert told["error_budget"]["spent"] == pytest.approx(0.2, abs=0.01)
    assert told["error_budget"]["left"] == pytest.approx(-0.08, abs=0.01)


def test_the_objective_is_that_of_the_criteria(tmp_path):
    passing = [
        {"metric": "availability", "of": ["other"], "at_least": 99.99}, {"metric": "availability", "of": ["api:*"], "at_least": 99},
        {"metric": "availability", "of": ["*"], "at_least": 90}, {"metric": "availability", "at_least": 0.999},
    ]
    report, _tracks = _report.build(_run_files.read(ha_recorded.simple(tmp_path / "run", passing=passing)), T0)
    assert report["series"][0]["metrics"]["run"]["error_budget"]["objective"] == 99


# -- several


def test_rounds_give_a_mean_with_its_confidence(measured):
    injections = [injection(f"d1.{n}", "d1", T0 + at, round=n) for n, at in ((1, 40), (2, 60), (3, 80))]
    told = measured(down=[(40.1, 41.1), (60.1, 62.1), (80.1, 83.1)], injections=injections)
    assert [round(each["downtime"]["value"], 1) for each in told["rounds"]] == [1.0, 2.0, 3.0]
    # mean 2, s = 1, 4.303 / sqrt(3) = 2.484
    assert told["downtime"]["value"] == pytest.approx(2.0, abs=0.01)
    assert told["downtime"]["high"] == pytest.approx(4.484, abs=0.03)
    assert told["downtime"]["how"] == "t95"
    assert bounds(told["downtime_total"], 1) == (6.0, 5.4, 6.6)
    assert told["time_to_recovery"]["value"] == pytest.approx(2.2, abs=0.1)
    assert told["outages"] == 3


def test_one_round_that_never_recovered_leaves_the_mean_unknown(measured):
    injections = [injection(f"d1.{n}", "d1", T0 + at, round=n) for n, at in ((1, 40), (2, 60))]
    told = measured(down=[(60.1, 200.0)], injections=injections)
    assert told["mttr"]["value"] is None
    assert told["mttr"]["why"] == "not recovered at the end of the window (1 of 2 rounds)"
    assert told["mttr"]["low"] == pytest.approx(45.0, abs=0.1)


def test_a_disruption_ends_where_the_next_begins(measured):
    injections = [injection("d1.1", "d1", T0 + 40), injection("d2.1", "d2", T0 + 80, "ctl2")]
    first = measured("d1", down=[(40.1, 42.1), (80.0, 85.0)], injections=injections)
    assert (round(first["window"]), first["outages"]) == (40, 1)
    assert bounds(first["downtime"], 1) == (2.0, 1.8, 2.2)
    second = measured.series["metrics"]["d2"]
    assert (round(second["window"]), second["outages"]) == (70, 1)
    assert bounds(second["downtime"], 1) == (5.0, 4.8, 5.0)


def test_disruptions_at_the_same_time_share_it(measured):
    injections = [injection(f"{told}.{n}", told, T0 + at, round=n) for told, n, at in (("d1", 1, 40), ("d2", 1, 50), ("d1", 2, 60), ("d2", 2, 70))]
    measured(injections=injections)
    windows = {window["id"]: window for window in measured.report["windows"]}
    assert windows["d1"]["overlaps"] == ["d2"]
    assert (round(windows["d1"]["start"] - T0), round(windows["d1"]["end"] - T0)) == (40, 150)


def test_disruptions_that_begin_together_have_the_same_time(measured):
    measured(injections=[injection("d1.1", "d1", T0 + 40.001), injection("d2.1", "d2", T0 + 40, "ctl2")])
    windows = {window["id"]: window for window in measured.report["windows"]}
    assert [(round(windows[told]["end"] - T0), windows[told]["overlaps"]) for told in ("d1", "d2")] == [(150, ["d2"]), (150, ["d1"])]


def test_an_injection_begins_when_its_target_began(measured):
    # stopping it took six seconds
    late = injection("d1.1", "d1", T0 + 46, began=T0 + 40)
    told = measured(down=[(41.0, 50.0)], injections=[late])
    assert bounds(told["time_to_first_failure"], 1) == (1.0, 0.8, 1.0)
    assert measured.report["injections"][0]["at"] == T0 + 40


def test_a_disruption_that_did_not_happen_has_no_figures(measured):
    nothing = injection("d1.1", "d1", T0 + 40, injected=None, proven=False, state="missing")
    assert measured(injections=[nothing]) is None
    assert measured.report["windows"][1]["why"] == "nothing of it was injected"


def test_the_clock_of_a_host_is_set_right(tmp_path):
    plain = ha_recorded.simple(tmp_path / "a")
    moved = ha_recorded.simple(tmp_path / "b", host="ctl1", offset=7.5, error=0.01)
    first, second = (_report.build(_run_files.read(place), T0)[0]["series"][0] for place in (plain, moved))
    assert second["key"] == "api@ctl1:nova via vip"
    assert second["outages"][0]["begin"] == pytest.approx(first["outages"][0]["begin"], abs=1e-4)
    # its error is in what is measured from the injection on
    assert second["metrics"]["d1"]["time_to_recovery"]["high"] == pytest.approx(first["metrics"]["d1"]["time_to_recovery"]["high"] + 0.0095, abs=1e-3)


# -- load


def test_the_load_is_compared_with_its_baseline_and_its_clean_run(tmp_path):
    place = ha_recorded.simple(tmp_path / "run")
    for phase, start, base in (("baseline", 0, 1.0), ("disrupted", 30, 1.5), ("clean", 160, 1.2)):
        samples = ha_recorded.probes(T0 + start, T0 + start + 60, 1.0, base=base, seed=3)
        ha_recorded.write_samples(place / "load" / f"boot.{phase}.jsonl", "boot", {"boot": ({"group": "load"}, samples)}, start=T0 + start,
                                  end=T0 + start + 60, period=None, kind="load", type_="rally")
    report, _tracks = _report.build(_run_files.read(place), T0)
    (load,) = report["load"]
    assert {phase: told["iterations"] for phase, told in load["phases"].items()} == {"baseline": 60, "disrupted": 60, "clean": 60}
    ratios = {(each["run"], each["reference"]): round(each["relative"]["value"], 2) for each in load["against"]}
    assert ratios == {("disrupted", "baseline"): 1.5, ("disrupted", "clean"): 1.25, ("clean", "baseline"): 1.2}
    keys = [series["key"] for series in report["series"] if series["kind"] == "load"]
    assert keys == ["load/boot:boot (baseline)", "load/boot:boot", "load/boot:boot (clean)"]
    measured = {series["key"]: series["metrics"] is not None for series in report["series"]}
    assert measured == {NOVA: True, "load/boot:boot (baseline)": False, "load/boot:boot": True, "load/boot:boot (clean)": False}


def test_a_load_that_ended_by_itself_is_not_missing_afterwards(tmp_path):
    place = ha_recorded.simple(tmp_path / "run", passing=[{"metric": "availability", "of": ["light:*"], "at_least": 99}])
    samples = ha_recorded.probes(T0 + 30, T0 + 90, 0.5)
    ha_recorded.write_samples(place / "load" / "light.disrupted.jsonl", "light", {"nova": ({"group": "load"}, samples)}, start=T0 + 30, end=T0 + 90,
                              period=0.5, kind="load", type_="api")
    report, _tracks = _report.build(_run_files.read(place), T0)
    assert report["criteria"][-1]["state"] == "passed"
    told = next(series for series in report["series"] if series["kind"] == "load")["metrics"]["run"]
    assert (told["window"], told["not_sampled"]) == (60.0, 0)


# -- degraded stretches


@pytest.mark.parametrize("pattern, expected", [
    ("....................", []),
    # single slow ones are noise
    ("....^....^....^.....", []),
    (".....^^^^^^.........", [(5, 10, 11)]),
    (".....^^^^.^^^.......", [(5, 12, 13)]),
    # failed ones say nothing of speed
    (".....^^^xxx^^^......", [(5, 13, 14)]),
    ("..............^^^^^^", [(14, 19, None)]),
])
def test_a_degraded_stretch_is_one_where_the_median_is_slow(pattern, expected):
    samples = [
        _run_files.Sample(n, n, 0.5 if sign == "^" else 0.02, "failed" if sign == "x" else "ok", "e" if sign == "x" else "") for n, sign in enumerate(pattern)]
    assert _metrics.degraded(samples, 0.1) == expected


def test_the_threshold_is_four_deviations_and_a_share_above_the_baseline():
    def limit(mean, std):
        return _metrics.threshold({"n": 100, "mean": mean, "std": std})

    assert limit(0.1, 0.05) == pytest.approx(0.3)
    assert limit(0.1, 0.001) == pytest.approx(0.125)
    assert limit(0.001, 0.0001) == pytest.approx(0.006)
    assert _metrics.threshold({"n": 9, "mean": 1, "std": 1}) is None
    assert _metrics.threshold(None) is None
