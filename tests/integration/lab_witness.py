# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outside witness (witness.py) on a node of the lab, and whether what a module said agrees with what it saw."""

from __future__ import annotations

import json
import pathlib
import secrets
import shlex
import subprocess

from lab_nodes import ROOT, wait_for

PROGRAM = pathlib.Path(__file__).with_name("witness.py")
# longer than any test
LIMIT = 1800
# seconds by which a module and the witness may differ, unless the machine was too busy for the witness itself
NEAR = 0.2


class Question:
    """One line of the witness."""

    def __init__(self, begin, end, door, outcome, who):
        self.begin, self.end, self.door, self.outcome, self.who = begin, end, door, outcome, who

    @property
    def answered(self):
        return self.outcome == "answered"

    def __repr__(self):
        return f"{self.door} {self.begin:.3f}-{self.end:.3f} {self.outcome}{' ' + self.who if self.who else ''}"


class Seen:
    """What the witness saw."""

    def __init__(self, lines):
        self.questions = sorted((Question(*line) for line in lines if isinstance(line, list)), key=lambda each: each.begin)

    def of(self, door):
        return [each for each in self.questions if each.door == door]

    def between(self, door, since, until):
        """Questions of a door that were asked and met within a span."""
        return [each for each in self.of(door) if since <= each.begin and each.end <= until]

    def answered(self, door, since, until):
        return [each for each in self.between(door, since, until) if each.answered]

    def back(self, door, since):
        """The first answered question after since, of those behind the last one that was not answered; None: it was never away, or never came back."""
        behind = [each for each in self.of(door) if each.end >= since]
        away = [number for number, each in enumerate(behind) if not each.answered]
        return behind[away[-1] + 1] if away and away[-1] + 1 < len(behind) else None

    def near(self, door, moment):
        """By how much a moment of the witness may be wrong: two of its own samples there."""
        begins = [each.begin for each in self.of(door)]
        gaps = [later - earlier for earlier, later in zip(begins, begins[1:], strict=False) if earlier - 1 <= moment <= later + 1]
        return max([NEAR, *(2 * gap for gap in gaps)])


class Witness:
    """Asks doors from a node while a test goes on: with Witness(node, doors) as witness: ...; witness.seen.

    doors: as witness.py has them. It begins once each of them has answered.
    """

    def __init__(self, node, doors):
        self.node = node
        self.doors = doors
        self.output = f"/run/witness-{secrets.token_hex(4)}"
        self.seen = None

    def __enter__(self):
        subprocess.run(
            ["docker", "exec", "-i", self.node.container, "sh", "-c", f"cat > {self.output}.py"], input=PROGRAM.read_bytes(), check=True)
        task = json.dumps({"doors": self.doors, "output": self.output, "seconds": LIMIT})
        subprocess.run(
            ["docker", "exec", "--detach", self.node.container, "python3", f"{self.output}.py", task], check=True, capture_output=True)
        names = {door["name"] for door in self.doors}
        wait_for(lambda: {line[2] for line in self._lines() if isinstance(line, list) and line[3] == "answered"} == names)
        return self

    def _lines(self):
        return [json.loads(line) for line in self.node.sh(f"cat {self.output}", check=False).splitlines() if line.endswith(("]", "}"))]

    def settle(self, door, since):
        """Wait until a door has answered again after since (epoch seconds), 20 questions on end."""
        def steady():
            last = Seen(self._lines()).of(door)[-20:]
            return len(last) == 20 and last[0].begin > since and all(each.answered for each in last)

        wait_for(steady, pause=0.5)

    def __exit__(self, *_exc):
        pid = self._lines()[0]["ready"]
        self.node.sh(f"kill {pid}", check=False)
        wait_for(lambda: "end" in self._lines()[-1])
        self.seen = Seen(self._lines())
        self.node.sh(f"rm -f {shlex.quote(self.output)} {shlex.quote(self.output)}.py")


def away(seen, record, door):
    """What speaks against a fault that was to keep a door shut from its proof to its deadline. record: the journal's, of a fault that is over."""
    until = record["proven"] + record["duration"]
    words = []
    if not seen.answered(door, record["began"] - 2, record["began"]):
        words.append(f"{door} did not answer before it began")
    met = seen.answered(door, record["proven"], until)
    asked = seen.between(door, record["proven"], until)
    if record["held"] and met:
        words.append(f"it held, by its record, and {door} answered {len(met)} of {len(asked)} questions: {met[0]}")
    if not asked:
        words.append(f"nobody asked {door} while it lasted")
    back = seen.back(door, record["proven"])
    if back is None:
        words.append(f"{door} did not come back")
    return words


def returned(seen, record, came_back, door):
    """What speaks against a recovery. came_back: of a fault without an undo that was waited for; record: the journal's."""
    if not came_back["back"]:
        return [f"{door} came back, by the witness"] if seen.back(door, record["began"]) else []
    back = seen.back(door, record["began"])
    if back is None:
        return [f"{door} was never away, by the witness, or never came back"]
    moment = record["began"] + came_back["after"]
    if abs(back.end - moment) > seen.near(door, moment):
        return [f"{door} answered {back.end - record['began']:.2f} s after it began, and the module says {came_back['after']:.2f} s"]
    return []


class Table:
    """Rows of docs/witness.md, kept until all are there."""

    folder = ROOT / ".build" / "witness"
    HEAD = ("fault", "service or driver", "what the module proved", "what the witness saw", "agree")

    def add(self, name, *cells):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.json").write_text(json.dumps(cells), encoding="utf-8")

    def text(self):
        rows = [self.HEAD, ["---"] * len(self.HEAD), *(json.loads(path.read_text()) for path in sorted(self.folder.glob("*.json")))]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(Table().text())
