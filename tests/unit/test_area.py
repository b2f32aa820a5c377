# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tests/tools/area.py: what failed is run once more, alone, and nothing that failed twice passes."""

from __future__ import annotations

import importlib.util
import json
import pathlib

import pytest

TOOL = pathlib.Path(__file__).resolve().parents[1] / "tools" / "area.py"
HEALED = "healed"
# fails as often as FAILS says; each test notes that it ran
TESTS = """
import os, pathlib, pytest
HERE = pathlib.Path(__file__).parent

def ran(name):
    with (HERE / name).open("a") as notes:
        notes.write("x")
    return len((HERE / name).read_text())

def test_good():
    ran("good")

def test_fails_once():
    assert ran("once") > 1
    assert (HERE / "healed").exists()

def test_fails_always():
    ran("always")
    assert not (HERE / "bad").exists()

@pytest.fixture
def leaves_something():
    yield
    assert ran("teardown") > 1

def test_fails_once_at_its_end(leaves_something):
    pass

@pytest.mark.parametrize("number", range(11))
def test_many(number):
    ran("many")
    assert not (HERE / "broken").exists()

@pytest.mark.skip
def test_skipped():
    pass
"""


@pytest.fixture
def tool(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("area", TOOL)
    area = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(area)
    area.ROOT, area.RESULTS = tmp_path, tmp_path / "results"
    area.heal = (tmp_path / HEALED).touch
    (tmp_path / "test_some.py").write_text(TESTS)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    return area


def result(tool):
    return json.loads((tool.RESULTS / "some" / "result.json").read_text())


def names(told):
    return [name.partition("::")[2] for name in told]


@pytest.mark.parametrize("spread, group", [(["-n", "2"], ""), (["--numprocesses", "2", "--dist", "loadgroup"], "@some"), ([], "")])
def test_what_passes_when_repeated_is_named_and_the_run_is_green(tool, tmp_path, capfd, spread, group):
    (tmp_path / "conftest.py").write_text(
        "import pytest\ndef pytest_itemcollected(item):\n    item.add_marker(pytest.mark.xdist_group('some'))\n")
    assert tool.main(["run", "some", *spread, "test_some.py"]) == 0
    told = result(tool)
    assert told["failed"] == [] and told["code"] == 0 and told["passed"] == 15
    assert names(told["repeated"]) == [f"test_fails_once{group}", f"test_fails_once_at_its_end{group}"]
    assert "Passed only when repeated (2):" in capfd.readouterr().out
    # nothing else was run again
    assert (tmp_path / "good").read_text() == "x" and (tmp_path / "many").read_text() == "x" * 11


def test_what_fails_twice_is_red_and_alone_in_what_may_be_run_again(tool, tmp_path, capfd):
    (tmp_path / "bad").touch()
    assert tool.main(["run", "some", "test_some.py"]) == 1
    told = result(tool)
    assert names(told["failed"]) == ["test_fails_always"] and len(told["repeated"]) == 2 and told["passed"] == 14
    assert (tmp_path / "always").read_text() == "xx"
    (tmp_path / "bad").unlink()
    assert tool.main(["run", "some", "test_some.py", "--lf"]) == 0
    assert (tmp_path / "always").read_text() == "xxx" and (tmp_path / "good").read_text() == "x"
    capfd.readouterr()


def test_more_than_ten_that_fail_are_not_run_again(tool, tmp_path, capfd):
    (tmp_path / "broken").touch()
    assert tool.main(["run", "some", "test_some.py"]) == 1
    assert len(result(tool)["failed"]) == 13 and result(tool)["repeated"] == []
    assert (tmp_path / "many").read_text() == "x" * 11 and not (tmp_path / HEALED).exists()
    assert "too many" in capfd.readouterr().out


@pytest.mark.parametrize("argument", ["-k=nothing_of_this_name", "no_such_file.py", "--no-such-option"])
def test_a_run_without_tests_is_red(tool, argument, capfd):
    assert tool.main(["run", "some", argument]) not in (0, 1)
    assert result(tool)["code"] not in (0, 1)
    capfd.readouterr()


def test_a_table_of_all_areas_and_what_failed_once_more(tool, tmp_path, capfd):
    (tmp_path / "Makefile").write_text(
        "test-%:\n\t@mkdir -p results/$*; echo '$(PYTEST_ARGS)' > ran-$*; cp told-$* results/$*/result.json;"
        " grep -q '\"code\": 0' told-$*\ntest:\n\tfalse\n")
    for name, failed, code in (("one", [], 0), ("two", ["a::b"], 1)):
        (tmp_path / f"told-{name}").write_text(json.dumps({"passed": 7, "failed": failed, "repeated": ["c::d"], "code": code, "minutes": 1}))
    assert tool.main(["all", "gate", "two", "one"]) == 1
    said = capfd.readouterr().out
    rows = [line.split() for line in said[said.rindex("area "):].splitlines()]
    assert [row[:4] for row in rows] == [
        ["area", "passed", "failed", "repeated"], ["gate", "-", "-", "-"], ["two", "7", "1", "1"], ["one", "7", "0", "1"]]
    assert [row[-1] == "red" for row in rows] == [False, True, True, False]
    (tmp_path / "ran-one").unlink()
    assert tool.main(["all", "--failed", "two", "one"]) == 1
    assert not (tmp_path / "ran-one").exists() and (tmp_path / "ran-two").read_text().startswith("--last-failed ")
    (tmp_path / "told-two").write_text((tmp_path / "told-one").read_text())
    assert tool.main(["all", "--failed", "two", "one"]) == 0
    assert tool.main(["all", "--failed", "two", "one"]) == 0
    assert "Nothing failed" in capfd.readouterr().out
