# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs beside each other."""

from __future__ import annotations

import json

import ha_recorded
import pytest
from ha_recorded import T0, cloud

from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _compare, _metrics, _report, _report_html, _run_files

NOVA = "api:nova via vip"


@pytest.fixture
def report(tmp_path):
    """Builds reports of runs by ha_recorded.simple()."""
    def make(name="a", **options):
        report, _tracks = _report.build(_run_files.read(ha_recorded.simple(tmp_path / name, **options)), T0)
        return json.loads(json.dumps(report))

    return make


def states(compared, window="break d1"):
    return {item["metric"]: item["state"] for item in compared["items"] if item["window"] == window}


@pytest.mark.parametrize("before, after, more_is_better, state", [
    ((1.0, 0.8, 1.2), (2.0, 1.8, 2.2), False, "worse"),
    ((2.0, 1.8, 2.2), (1.0, 0.8, 1.2), False, "better"),
    ((1.0, 0.8, 1.2), (1.3, 1.1, 1.5), False, "same"),
    # they touch
    ((1.0, 0.8, 1.2), (1.4, 1.2, 1.6), False, "same"),
    ((99.0, 98.9, 99.1), (99.9, 99.8, 100.0), True, "better"),
    ((99.9, 99.8, 100.0), (99.0, 98.9, 99.1), True, "worse"),
    ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), False, "same"),
])
def test_figures_differ_where_their_errors_do_not_touch(before, after, more_is_better, state):
    assert _compare.judge(_metrics.figure(*before), _metrics.figure(*after), more_is_better) == (state, None)


def test_what_is_not_known_is_not_comparable():
    known, unknown = _metrics.figure(1.0), _metrics.unknown("no sample was taken")
    assert _compare.judge(known, unknown, False) == ("not comparable", "after: no sample was taken")
    assert _compare.judge(unknown, known, False) == ("not comparable", "before: no sample was taken")
    assert _compare.judge({**known, "low": None}, known, False) == ("not comparable", "before: its error is not known")


def test_a_run_is_the_same_as_itself(report):
    one = report()
    compared = _compare.compare(one, one)
    assert compared["state"] == "same"
    assert compared["counts"]["worse"] == compared["counts"]["better"] == 0
    assert compared["notes"] == []


def test_the_same_cloud_twice_is_the_same_within_the_error(report):
    compared = _compare.compare(report("a", down=[(40.11, 44.05)], seed=1), report("b", down=[(40.03, 44.12)], seed=2))
    assert compared["state"] == "same"


def test_a_longer_outage_is_worse_and_a_shorter_one_better(report):
    short, long = report("a", down=[(40.1, 44.1)]), report("b", down=[(40.1, 46.1)])
    assert states(_compare.compare(short, long)) == {
        "availability": "worse", "downtime": "worse", "longest outage": "worse", "MTTR": "worse", "time to recovery": "worse", "requests lost": "worse"}
    assert set(states(_compare.compare(long, short)).values()) == {"better"}
    change = next(item for item in _compare.compare(short, long)["items"] if item["metric"] == "downtime" and item["window"] == "run")
    assert change["change"] == pytest.approx(2.0, abs=0.01)


def test_criteria_and_findings_count_too(report):
    passing = [{"name": "short", "metric": "downtime", "at_most": 5}]
    compared = _compare.compare(
        report("a", passing=passing), report("b", passing=passing, down=[(40.0, 48.0)], after=cloud(images=[])))
    told = {(item["what"], item["metric"]): (item["state"], item["why"]) for item in compared["items"] if item["what"] != "figure"}
    assert told["criterion", "short"] == ("worse", "passed, then failed")
    assert told["correctness", "findings"] == ("worse", None)


def test_what_only_one_of_them_has_is_noted(report):
    one, other = report("a"), report("b")
    other["series"][0]["key"] = "api:nova via ctl1"
    other["windows"][1]["name"] = "something else"
    notes = _compare.compare(one, other)["notes"]
    assert f"Only the run before has the series {NOVA}." in notes
    assert "Only the run after has the series api:nova via ctl1." in notes
    assert "Only the run before has the disruption break d1." in notes
    assert "Only the run after has the disruption something else." in notes


def test_disruptions_are_matched_by_name_not_by_number(report):
    one, other = report("a"), report("b", injections=[ha_recorded.injection("d7.1", "d7", T0 + 40)])
    other["windows"][1]["name"] = "break d1"
    assert "downtime" in states(_compare.compare(one, other))


def test_the_table_holds_what_differs_and_on_request_all(report):
    compared = _compare.compare(report("a", down=[(40.1, 44.1)]), report("b", down=[(40.1, 46.1)]))
    lines = _compare.table(compared)
    assert lines[0].endswith("WORSE")
    assert any(line.startswith("worse") and "4.00 s (3.80 to 4.20)" in line and "6.00 s (5.80 to 6.20)" in line for line in lines)
    assert not any(line.startswith("same") for line in lines[3:])
    assert any(line.startswith("same") for line in _compare.table(compared, everything=True)[3:])


def test_the_page_of_a_comparison_is_inert(report):
    one = report("a")
    one["series"][0]["key"] = one["run"]["name"] = "<script>alert(1)</script>"
    text = _report_html.render_comparison(_compare.compare(one, report("b")))
    assert "<script" not in text
    assert "script-src 'none'" in text
