# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs tests on the lab, once more what failed, and tells how each area stands.

    area.py run AREA [argument of pytest]...    pytest; what failed is run once more, alone, on a healed lab
    area.py all [--failed] AREA...              make test-AREA of each, whatever fails; a table; --failed: only where the last run left failures

What a test of `run` did is in .build/tests/AREA: result.json (passed, failed, repeated: names; minutes), and pytest's cache, so that
`make test-AREA PYTEST_ARGS=--lf` runs only what failed last.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
import time
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".build" / "tests"
# where so many fail, it is not the moment that was bad
MOST_REPEATED = 10
TESTS_FAILED = 1


class Area:
    """The tests of one area: where pytest remembers what failed, and where the result stands."""

    def __init__(self, name):
        self.folder = RESULTS / name
        self.cache = self.folder / "cache"
        self.report = self.folder / "junit.xml"
        self.result = self.folder / "result.json"

    def run(self, arguments):
        """What to exit with."""
        began = time.monotonic()
        self.result.unlink(missing_ok=True)
        if not {"--lf", "--last-failed"} & set(arguments):
            # pytest goes on remembering what a run did not look at
            shutil.rmtree(self.cache, ignore_errors=True)
        code = self._pytest(arguments)
        passed, failed, repeated = self._count(), self._failed(), []
        if code == TESTS_FAILED and 0 < len(failed) <= MOST_REPEATED:
            print(f"\n{len(failed)} failed, and are run once more, alone, on a healed lab:", *failed, sep="\n  ", flush=True)
            heal()
            again = self._pytest([*alone(arguments), "--last-failed", "--last-failed-no-failures=none"])
            first, failed = failed, self._failed()
            # a run that broke off says nothing of what it did not reach
            if again not in (0, TESTS_FAILED):
                failed = first
            repeated = [name for name in first if name not in failed]
            code = TESTS_FAILED if failed else 0
            print_names("Passed only when repeated", repeated)
        elif code == TESTS_FAILED and len(failed) > MOST_REPEATED:
            print(f"\n{len(failed)} failed: too many to blame the moment, so none was run once more.")
        print_names("Failed", failed)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.result.write_text(json.dumps(
            {"passed": passed + len(repeated), "failed": failed, "repeated": repeated, "code": code, "minutes": (time.monotonic() - began) / 60}))
        return code

    def _pytest(self, arguments):
        self.folder.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-o", f"cache_dir={self.cache}", f"--junitxml={self.report}", *arguments], cwd=ROOT, check=False,
        ).returncode

    def _failed(self):
        """Names of what failed last, in the order of names."""
        try:
            return sorted(json.loads((self.cache / "v" / "cache" / "lastfailed").read_text()))
        except FileNotFoundError:
            return []

    def _count(self):
        """How many tests passed, teardown included."""
        if not self.report.exists():
            return 0
        cases = {}
        for case in ElementTree.parse(self.report).iter("testcase"):
            cases.setdefault((case.get("classname"), case.get("name")), []).extend(each.tag for each in case)
        return sum(not {"failure", "error", "skipped"} & set(tags) for tags in cases.values())


def alone(arguments):
    """Arguments that run one test after the other. With --dist loadgroup tests bear the names of their groups: so one worker stays where there were several."""
    spread = any(each.startswith(("-n", "--numprocesses")) for each in arguments)
    return [*arguments, "--numprocesses", "1"] if spread else arguments


def heal():
    """What a failed test left on the lab's nodes is undone, and what it broke is made anew."""
    inventory = ROOT / ".lab" / "os-faults.yaml"
    subprocess.run(["ansible-playbook", "faultline.openstack.heal", "-i", str(inventory)], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    subprocess.run(["make", "--no-print-directory", "lab"], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)


def print_names(title, names):
    if names:
        print(f"\n{title} ({len(names)}):", *names, sep="\n  ", flush=True)


def table(rows):
    """Columns of a table, as text."""
    lines = [("area", "passed", "failed", "repeated", "minutes"), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(
        word.ljust(width) if column == 0 else word.rjust(width) for column, (word, width) in enumerate(zip(line, widths, strict=True))
    ).rstrip() for line in lines)


def run_all(names, only_failed):
    """What to exit with; a table of all areas goes to the output."""
    rows, failed, repeated = [], [], []
    for name in names:
        area = Area(name)
        before = json.loads(area.result.read_text()) if area.result.exists() else {"code": 1, "failed": []}
        if only_failed and before["code"] == 0:
            continue
        area.result.unlink(missing_ok=True)
        began = time.monotonic()
        target = "test" if name == "gate" else f"test-{name}"
        only = ["PYTEST_ARGS=--last-failed --last-failed-no-failures=all"] if only_failed and before["failed"] and name != "gate" else []
        print(f"\n### make {' '.join([target, *only])}", flush=True)
        code = subprocess.run(["make", "--no-print-directory", target, *only], cwd=ROOT, check=False).returncode
        minutes = f"{(time.monotonic() - began) / 60:.1f}"
        if area.result.exists():
            told = json.loads(area.result.read_text())
            failed += told["failed"]
            repeated += told["repeated"]
            rows.append((name, str(told["passed"]), str(len(told["failed"])), str(len(told["repeated"])), minutes))
        else:
            rows.append((name, "-", "-", "-", minutes))
        if code:
            rows[-1] = (*rows[-1][:-1], f"{minutes} red")
    if not rows:
        print("Nothing failed in the last run of any area.")
        return 0
    print_names("Passed only when repeated", repeated)
    print_names("Failed", failed)
    print("\n" + table(rows))
    return int(any(row[-1].endswith("red") for row in rows))


def main(arguments):
    if arguments[:1] == ["run"] and len(arguments) > 1:
        return Area(arguments[1]).run(arguments[2:])
    if arguments[:1] == ["all"] and len(arguments) > 1:
        return run_all([name for name in arguments[1:] if name != "--failed"], "--failed" in arguments)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
