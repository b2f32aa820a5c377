# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_report, ha_compare and its playbook as Ansible runs them."""

from __future__ import annotations

import json
import pathlib
import shutil
import stat
import subprocess

import ha_recorded
import pytest
from patience import HANG

from ansible_collections.faultline.openstack.plugins.action import ha_compare, ha_report
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of one scenario, the second with a longer outage: it fails."""
    place = tmp_path_factory.mktemp("runs")
    passing = [{"name": "Nova is back soon", "metric": "downtime", "of": ["api:nova via vip"], "disruption": "d1", "at_most": 5}]
    for name, end in (("good", 44.0), ("bad", 49.0)):
        ha_recorded.simple(place / name, down=[(40.1, end)], passing=passing)
    return place


@pytest.fixture
def copied(runs, tmp_path):
    """The same two, to be changed."""
    return pathlib.Path(shutil.copytree(runs, tmp_path / "runs"))


def report(run, **over):
    return ha_report.report(str(run), **{"formats": list(ha_report.FILES), **over})


def compare(before, after, **over):
    return ha_compare.compare({"before": str(before), "after": str(after), "html": None, "everything": False, "fail": False, **over})


def test_a_run_is_reported_beside_its_samples(copied):
    result = report(copied / "good")
    assert (result["verdict"], result["passed"], result["exit_status"], result["changed"]) == ("passed", True, 0, True)
    assert result["msg"] == "simple (20261120-simple): PASSED: 3 criteria passed, 0 failed, 0 not evaluated"
    assert result["summary"][0] == result["msg"]
    assert [each["state"] for each in result["criteria"]] == ["passed"] * 3
    names = {name: pathlib.Path(path).name for name, path in result["paths"].items()}
    assert names == {"json": "report.json", "html": "report.html", "junit": "junit.xml", "prometheus": "faultline_ha.prom"}
    for path in result["paths"].values():
        assert stat.S_IMODE(pathlib.Path(path).stat().st_mode) == 0o600
    assert json.loads((copied / "good" / "report.json").read_text())["verdict"]["state"] == "passed"
    # nothing half-written is left
    assert not list((copied / "good").glob(".*"))


def test_only_the_formats_that_are_asked_for_are_written(copied):
    assert list(report(copied / "good", formats=["junit"])["paths"]) == ["junit"]
    assert (copied / "good" / "junit.xml").exists() and not (copied / "good" / "report.json").exists()


def test_check_mode_judges_and_writes_nothing(copied):
    result = report(copied / "good", check_mode=True)
    assert (result["verdict"], result["changed"]) == ("passed", False)
    assert not (copied / "good" / "report.json").exists()


def test_a_failed_verdict_fails_the_task_only_if_asked_to(copied):
    result = report(copied / "bad", formats=["json"])
    assert (result["verdict"], result["exit_status"]) == ("failed", 1) and "failed" not in result
    result = report(copied / "bad", formats=["json"], fail=True)
    assert result["failed"] and "1 failed" in result["msg"]
    assert (copied / "bad" / "report.json").exists()


def test_a_run_that_was_killed_is_reported_with_what_is_missing(copied):
    run = copied / "good"
    for name in ("run.json", "injections.json", "cloud.after.json"):
        (run / name).unlink()
    lines = (run / "samples" / "api.jsonl").read_text().splitlines()[:250]
    (run / "samples" / "api.jsonl").write_text("\n".join(lines) + '\n{"series": "nova v')
    result = report(run)
    assert result["verdict"] == "failed"
    assert any(problem.startswith("run.json is missing") for problem in result["problems"])
    assert "The last line of samples/api.jsonl was cut off." in result["problems"]
    assert "nova via vip" in (run / "report.html").read_text()


@pytest.mark.parametrize("name, words", [("none", "There is no run at"), ("", "There is no run in")])
def test_no_run_is_an_error_that_says_so(copied, name, words):
    with pytest.raises(FaultlineError) as caught:
        report(copied / name)
    assert caught.value.code == "no_run" and words in caught.value.text


def test_a_report_that_cannot_be_made_says_why(copied, monkeypatch):
    monkeypatch.setattr(ha_report._report, "build", lambda *_args: {}["nobody foresaw this"])
    with pytest.raises(FaultlineError) as caught:
        report(copied / "good")
    assert caught.value.code == "report"
    assert "KeyError: 'nobody foresaw this'" in caught.value.text


def test_a_file_that_cannot_be_written_is_told(copied):
    (copied / "good" / "report.json").mkdir()
    with pytest.raises(FaultlineError) as caught:
        report(copied / "good")
    assert caught.value.code == "output"
    assert "report.json cannot be written: Is a directory" in caught.value.text
    assert not list((copied / "good").glob(".*"))


def test_two_runs_are_compared_from_samples_or_from_reports(copied):
    first = compare(copied / "good", copied / "bad")
    assert (first["state"], first["changed"]) == ("worse", False)
    assert {item["metric"] for item in first["items"]} >= {"downtime", "availability", "Nova is back soon"}
    assert any(line.startswith("worse") and "downtime" in line for line in first["table"])
    for name in ("good", "bad"):
        report(copied / name, formats=["json"])
    page = copied / "c.html"
    second = compare(copied / "good" / "report.json", copied / "bad" / "report.json", html=str(page))
    assert second["counts"] == first["counts"]
    assert page.read_text().startswith("<!DOCTYPE html>") and second["changed"] is True


def test_worse_fails_the_task_only_if_asked_to(copied):
    assert compare(copied / "good", copied / "bad", fail=True)["failed"]
    assert "failed" not in compare(copied / "bad", copied / "good", fail=True)


@pytest.mark.parametrize("content, words", [
    (None, "cannot be read: No such file or directory"), ("{", "is not a report: it is not JSON"), ('{"format": 7}', "is not a report of format 1"),
])
def test_what_is_no_report_is_told(copied, content, words):
    if content is not None:
        (copied / "x.json").write_text(content)
    with pytest.raises(FaultlineError) as caught:
        compare(copied / "x.json", copied / "good")
    assert caught.value.code == "no_report" and words in caught.value.text


def test_a_report_of_another_making_is_told(copied):
    """A report.json whose inside is not what it says it is."""
    (copied / "x.json").write_text(json.dumps({"format": 1, "verdict": {}, "run": {}, "series": [{"key": "a", "metrics": {"run": {"mttr": {"value": 1}}}}]}))
    assert compare(copied / "x.json", copied / "good")["state"] in ("same", "better", "worse")


def test_the_actions_run_in_a_play(root, copied):
    """Both, in one play: a broken call is a failed task with a reason, not a traceback."""
    tasks = [
        {"faultline.openstack.ha_report": {"run": str(copied / "bad"), "formats": ["json"]}, "register": "report"},
        {"faultline.openstack.ha_report": {"run": str(copied / "none")}, "register": "nothing", "ignore_errors": True},
        {"faultline.openstack.ha_compare": {"before": str(copied / "good"), "after": str(copied / "bad")}, "register": "compared"},
        {"ansible.builtin.assert": {"that": [
            "report.verdict == 'failed'", "report.exit_status == 1", "not report.failed", "nothing.failure.code == 'no_run'", "compared.state == 'worse'"]}},
    ]
    (copied / "play.yml").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(["ansible-playbook", str(copied / "play.yml")], cwd=root, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("before, after, more, status", [("good", "bad", [], 2), ("good", "bad", ["-e", "may_be_worse=true"], 0)])
def test_the_playbook_fails_where_something_is_worse(root, runs, before, after, more, status):
    argv = ["ansible-playbook", "faultline.openstack.ha_compare", "-e", f"before={runs / before}", "-e", f"after={runs / after}", *more]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "WORSE" in done.stdout
