# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a run's directory, whole and broken."""

from __future__ import annotations

import json
import pathlib
import shutil
import tempfile

import ha_recorded
import pytest
from ha_recorded import T0
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _junit, _prometheus, _report, _report_html, _run_files


@pytest.fixture
def simple(tmp_path):
    return ha_recorded.simple(tmp_path / "run")


def rendered(place):
    """All outputs of a run; the report."""
    report, tracks = _report.build(_run_files.read(place), T0)
    json.dumps(report, allow_nan=False)
    _report_html.render(report, tracks)
    _junit.render(report)
    _prometheus.render(report)
    return report


def test_the_generator_writes_the_same_bytes_again(tmp_path):
    first, second = (ha_recorded.failover(tmp_path / name / "run") for name in "ab")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)


def test_who_was_left_out_of_the_plan_is_a_problem_of_the_run(simple):
    head = json.loads((simple / "run.json").read_text())
    (simple / "run.json").write_text(json.dumps({**head, "left_out": ["d1 leaves out ctl2: no answer"]}))
    assert "d1 leaves out ctl2: no answer" in rendered(simple)["problems"]


def test_a_whole_run_is_read(run_dir):
    run = _run_files.read(run_dir)
    assert (run.id, run.name, run.seed, run.state) == ("20261120-failover", "controller-failover", "lab-7", "finished")
    assert [phase.name for phase in run.phases] == ["health", "baseline", "disruption", "cool_down", "heal", "health_after", "clean"]
    keys = [series.key for series in run.series]
    assert len(keys) == len(set(keys)) == 31
    assert {"api:nova via vip", "units@ctl2:mariadb", "galera@ctl1:galera", "apps:vm1"} < set(keys)
    assert {"load/boot:boot_and_delete", "load/boot:boot_and_delete (clean)"} < set(keys)
    nova = next(series for series in run.series if series.key == "api:nova via vip")
    assert (nova.group, nova.subject, nova.via, nova.period, nova.cut) == ("api", "nova", "vip", 0.2, False)
    assert set(nova.names()) == {"api:nova via vip", "nova via vip"}
    unit = next(series for series in run.series if series.key == "units@ctl2:mariadb")
    assert set(unit.names()) == {"units@ctl2:mariadb", "units:mariadb", "host:mariadb", "mariadb"}
    assert unit.is_meant("host:*") and unit.is_meant("units:maria*") and not unit.is_meant("api:*")
    assert [len(run.injections), len(run.plan["disruptions"]), len(run.events)] == [6, 3, 40]


def test_a_run_that_is_not_there_is_an_error(tmp_path):
    for place, words in ((tmp_path / "none", "it is not a directory"), (tmp_path, "it has neither run.json nor samples/")):
        with pytest.raises(FaultlineError) as caught:
            _run_files.read(place)
        assert caught.value.code == "no_run"
        assert words in caught.value.text


@pytest.mark.parametrize("name, problem", [
    ("run.json", "run.json is missing: scenario, phases and state of the run are not known."),
    ("plan.json", "plan.json is missing: what should have been injected is known from injections.json only."),
    ("injections.json", "injections.json is missing: nothing is known to have been injected."),
    ("cloud.before.json", "cloud.before.json is missing: the state of the cloud before is not known."),
    ("cloud.after.json", "cloud.after.json is missing: the state of the cloud afterwards is not known."),
    ("events.jsonl", "events.jsonl is missing: the report has no list of events."),
])
def test_a_file_that_is_missing_is_told_and_the_rest_is_read(simple, name, problem):
    (simple / name).unlink()
    report = rendered(simple)
    assert problem in report["problems"]
    assert len(report["series"]) == 1
    if name != "events.jsonl":
        # a list of events proves nothing
        assert report["verdict"]["state"] == "failed"


@pytest.mark.parametrize("content, problem", [
    ('{"id": "x"', "run.json is cut off or not JSON"), ("[]", "run.json does not hold a dictionary"), ("\ufffe", "run.json is cut off or not JSON"),
])
def test_a_file_that_is_cut_off_is_told(simple, content, problem):
    (simple / "run.json").write_text(content, encoding="utf-8")
    assert any(each.startswith(problem) for each in rendered(simple)["problems"])


def test_a_run_killed_at_once_is_reported(tmp_path):
    """SIGKILL before anything was sampled or injected."""
    (tmp_path / "run" / "samples").mkdir(parents=True)
    report = rendered(tmp_path / "run")
    assert report["verdict"]["state"] == "failed"
    assert {each["state"] for each in report["criteria"]} == {"not evaluated"}


def test_a_run_killed_in_the_middle_is_evaluated_as_far_as_it_was_sampled(tmp_path):
    phases = [{"name": "baseline", "start": T0, "end": T0 + 30}, {"name": "disruption", "start": T0 + 30, "end": None}]
    place = ha_recorded.simple(
        tmp_path / "run", end=60.0, cut=True, down=[(41.0, 45.0)], head={"state": "running", "ended": None, "phases": phases})
    (place / "cloud.after.json").unlink()
    report = rendered(place)
    told = report["series"][0]["metrics"]["d1"]
    # to the last sample
    assert told["window"] == pytest.approx(20, abs=0.4)
    assert told["downtime"]["value"] == pytest.approx(4.0, abs=0.01)
    assert told["not_sampled"] == 0
    assert report["verdict"]["state"] == "failed"
    assert "samples/api.jsonl has no last line: its writer was killed. What it holds is evaluated." in report["problems"]
    assert "The last line of samples/api.jsonl was cut off." in report["problems"]


def test_a_monitor_that_a_reboot_ended_goes_on_with_another_clock(simple):
    path = simple / "samples" / "api.jsonl"
    lines = path.read_text().splitlines()
    head, half = json.loads(lines[0]), len(lines) // 2
    before = rendered(simple)["series"][0]
    later = [json.loads(line) for line in lines[half:]]
    # its host's clock is ten seconds behind since
    shifted = [{**each, **{key: each[key] - 10 for key in ("due", "start", "ended") if key in each}} for each in later]
    path.write_text("\n".join([*lines[:half], json.dumps({"ended": head["started"], "due": 1, "taken": 1}), json.dumps(
        {**head, "clock_offset": head["clock_offset"] + 10}), *map(json.dumps, shifted)]) + "\n")
    told = rendered(simple)["series"][0]
    assert told["samples"] == before["samples"] and told["last"] == pytest.approx(before["last"]) and told["ended"] == pytest.approx(before["ended"])
    assert told["metrics"]["d1"]["downtime"]["value"] == pytest.approx(before["metrics"]["d1"]["downtime"]["value"])


def test_a_file_without_a_header_is_told_and_left_out(simple):
    path = simple / "samples" / "api.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    report = rendered(simple)
    assert "samples/api.jsonl has no header: nothing in it can be evaluated." in report["problems"]
    assert "The monitor api left no sample." in report["problems"]


def test_a_monitor_that_was_killed_before_its_first_sample_is_told(simple):
    (simple / "samples" / "api.jsonl").write_bytes(b"")
    assert "samples/api.jsonl is empty: its writer was killed before its first sample." in rendered(simple)["problems"]


def test_why_a_monitor_gave_up_is_told(simple):
    path = simple / "samples" / "api.jsonl"
    path.write_text(path.read_text().replace('{"ended":', '{"failure": "no credentials", "ended":'))
    assert "samples/api.jsonl: no credentials" in rendered(simple)["problems"]


def test_lines_that_nobody_can_read_are_counted(simple):
    path = simple / "samples" / "api.jsonl"
    lines = path.read_text().splitlines()
    lines[3], lines[4], lines[5], lines[6] = "{", "[1]", '{"series": "nova via vip"}', '{"start": 1e999, "series": "nova via vip"}'
    path.write_text("\n".join(lines) + "\n")
    problems = rendered(simple)["problems"]
    assert "2 lines of samples/api.jsonl cannot be read and are left out." in problems
    assert "2 samples of samples/api.jsonl lack a series or a time and are left out." in problems


def test_a_monitor_that_is_missing_on_one_host_is_told(run_dir):
    (run_dir / "samples" / "units@ctl2.jsonl").unlink()
    report = rendered(run_dir)
    assert "The monitor units@ctl2 left no sample." in report["problems"]


def test_a_load_that_never_ran_is_told(simple):
    ha_recorded.write(simple, "run.json", ha_recorded.head(scenario={"monitors": [], "load": [{"name": "boot"}]}))
    assert "The load boot left no sample." in rendered(simple)["problems"]


def test_an_outcome_that_nobody_knows_is_no_success(simple):
    path = simple / "samples" / "api.jsonl"
    path.write_text(path.read_text().replace('"outcome": "ok"', '"outcome": "fine"', 1))
    (series,) = rendered(simple)["series"]
    assert series["outages"][0]["errors"] == ["failed"]


def test_secrets_of_the_scenario_stay_out_of_the_report(run_dir):
    page = json.dumps(rendered(run_dir))
    assert "not for you" not in page
    assert _report.without_secrets({"a": {"db_password": "x", "passwords": [{"token": "y"}], "user": "u"}}) == {
        "a": {"db_password": "********", "passwords": [{"token": "********"}], "user": "u"}}


# -- whatever may be in the files


_SCALARS = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=5) | st.just(T0 + 40)
_ANYTHING = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5)
_FILES = ("run.json", "plan.json", "injections.json", "cloud.before.json", "cloud.after.json", "samples/api.jsonl", "events.jsonl")


def _places(data, path=()):
    """The path to every value in a document."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _put(data, path, value):
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


@settings(max_examples=120)
@given(st.data())
def test_no_content_of_any_file_breaks_the_report(data):
    with tempfile.TemporaryDirectory() as folder:
        place = ha_recorded.simple(pathlib.Path(folder) / "run", end=60.0, passing=[{"metric": "mttr", "of": ["*"], "at_most": 5}])
        for name in data.draw(st.lists(st.sampled_from(_FILES), min_size=1, max_size=3, unique=True)):
            path = place / name
            if name.endswith(".jsonl"):
                lines = path.read_text().splitlines()
                where = data.draw(st.integers(0, len(lines) - 1))
                document = json.loads(lines[where])
                _put(document, data.draw(st.sampled_from(list(_places(document)))), data.draw(_ANYTHING))
                lines[where] = json.dumps(document)
                path.write_text("\n".join(lines))
            else:
                document = json.loads(path.read_text())
                _put(document, data.draw(st.sampled_from(list(_places(document)))), data.draw(_ANYTHING))
                path.write_text(json.dumps(document))
        rendered(place)


@settings(max_examples=60)
@given(st.sampled_from(_FILES), st.integers(0, 10**6))
def test_no_cut_of_any_file_breaks_the_report(name, where):
    with tempfile.TemporaryDirectory() as folder:
        place = ha_recorded.simple(pathlib.Path(folder) / "run", end=60.0)
        content = (place / name).read_bytes()
        (place / name).write_bytes(content[: where % (len(content) + 1)])
        rendered(place)


def test_a_directory_in_place_of_a_file_is_a_problem(simple):
    (simple / "plan.json").unlink()
    (simple / "plan.json").mkdir()
    shutil.rmtree(simple / "samples")
    (simple / "samples" / "api.jsonl").mkdir(parents=True)
    problems = rendered(simple)["problems"]
    assert any(each.startswith("plan.json cannot be read (Is a directory)") for each in problems)
    assert any(each.startswith("samples/api.jsonl cannot be read (Is a directory)") for each in problems)
