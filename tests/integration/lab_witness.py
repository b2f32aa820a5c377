# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outside witness (witness.py) on a node of the lab, and whether what a module said agrees with what it saw."""

from __future__ import annotations

import json
import pathlib
import secrets
import subprocess

from patience import HANG, wait_for
from witness_table import Table

PROGRAM = pathlib.Path(__file__).with_name("witness.py")
# longer than any test
LIMIT = 1800
# questions a second, to each door
RATE = 20
# of an SSH server, which turns some away at random while ten others have not logged in yet
SSH_RATE = 4
# seconds that a fault lasts: some hundred questions
LASTS = 6
# seconds until a question counts as met by silence, as the witness has it
PATIENCE = 1.0
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

    def asked(self, door, since, until):
        """Questions of a door that were asked within a span, those too that were met by silence after it, but for what was on its way at its end."""
        return [each for each in self.of(door) if since <= each.begin <= until - PATIENCE]

    def share(self, door, since, until):
        """Which part of them was answered."""
        asked = self.asked(door, since, until)
        return sum(each.answered for each in asked) / len(asked)

    def median(self, door, since, until):
        """Seconds that an answer took; one that did not come took as long as anybody waits."""
        took = sorted(each.end - each.begin for each in self.asked(door, since, until))
        return took[len(took) // 2]

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


class Here:
    """This machine, as the place of a witness. A node is another one."""

    argv = ()

    @staticmethod
    def sh(command, check=True):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=HANG, check=False)
        assert not check or done.returncode == 0, f"{command!r}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


class Witness:
    """Asks doors from somewhere while a test goes on: with Witness(doors, node) as witness: ...; witness.seen.

    doors: as witness.py has them; node: where it asks from, this machine by default. It begins once each of them has answered.
    """

    def __init__(self, doors, node=None, rate=RATE):
        self.doors = doors
        self.node = node or Here
        self.rate = rate
        self.output = f"/run/witness-{secrets.token_hex(4)}"
        self.seen = None
        self._running = None

    def __enter__(self):
        argv = ["docker", "exec", "--interactive", self.node.container] if self.node is not Here else []
        subprocess.run([*argv, "sh", "-c", f"cat > {self.output}.py"], input=PROGRAM.read_bytes(), check=True)
        task = json.dumps({"doors": self.doors, "output": self.output, "seconds": LIMIT, "rate": self.rate})
        self._running = subprocess.Popen([*argv, "python3", f"{self.output}.py", task], stdin=subprocess.DEVNULL)
        names = {door["name"] for door in self.doors}
        try:
            wait_for(lambda: {line[2] for line in self._lines() if isinstance(line, list) and line[3] == "answered"} == names)
        except BaseException:
            # nobody else would end it
            self.__exit__()
            raise
        return self

    def _lines(self):
        return [json.loads(line) for line in self.node.sh(f"cat {self.output}", check=False).splitlines() if line.endswith(("]", "}"))]

    def settle(self, door, since):
        """Wait until a door has answered again after since (epoch seconds), for as long as 20 questions take by default."""
        count = self.rate

        def steady():
            last = Seen(self._lines()).of(door)[-count:]
            return len(last) == count and last[0].begin > since and all(each.answered for each in last)

        wait_for(steady, pause=0.5)

    def __exit__(self, *_exc):
        pid = self._lines()[0]["ready"]
        self.node.sh(f"kill {pid}", check=False)
        self._running.wait(HANG)
        self.seen = Seen(self._lines())
        self.node.sh(f"rm -f {self.output} {self.output}.py")


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


def stays_open(seen, record, door):
    """What speaks against a fault of which clients notice slower answers at most: most of their questions are answered, where the machine is busy as well."""
    since, until = record["proven"], record["proven"] + record["duration"]
    if not seen.asked(door, since, until):
        return [f"nobody asked {door} while it lasted"]
    share = seen.share(door, since, until)
    return [f"{door} answered {100 * share:.0f} % of the questions"] if share < 0.5 else []


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


def shut(area, action, subject, seen, record, door, proved=""):
    """Judge a fault that was to keep a door shut, by its record once it is over, and write a row."""
    against = away(seen, record, door) + ([] if record["residue"] == [] else [f"it left {record['residue']}"])
    since, until = record["proven"], record["proven"] + record["duration"]
    asked, back = seen.between(door, since, until), seen.back(door, since)
    Table().add(
        area, action, subject, f"{proved or 'shut'} for {record['duration']:g} s; {'held' if record['held'] else 'not held'}; residue "
        f"{', '.join(record['residue']) or 'none'}",
        f"{sum(each.answered for each in asked)} of {len(asked)} questions answered; "
        + (f"back {back.end - record['undone']:.1f} s after the undo" if back else "not back"), against)
    assert record["held"] is True and against == []


def back(area, action, subject, hit):
    """Judge a fault without an undo that was waited for, and write a row.

    hit(): does it, and gives (what the witness saw, the journal's record, came_back, the door). One that looks later than the other by chance does not
    do so three times on end.
    """
    for _each in range(3):
        seen, record, came_back, door = hit()
        against = returned(seen, record, came_back, door)
        if not against:
            break
    answered = seen.back(door, record["began"])
    Table().add(
        area, action, subject, f"back after {came_back['after']:.2f} s" if came_back["back"] else "not back",
        f"answered {answered.end - record['began']:.2f} s after it began" if answered else "was never away, or never came back", against)
    assert against == []


def keeps_shut(area, action, subject, node, witness, hit):
    """Have a witness look at a fault that keeps its door shut for LASTS seconds, and judge that. hit(): does it, until it is over; its Answer."""
    door = witness.doors[0]["name"]
    with witness:
        answer = hit()
        record = node.record(answer["fault"]["id"])
        witness.settle(door, record["undone"])
    assert answer["undo"]["held"] is True and answer["residue"] == [], answer.output
    shut(area, action, subject, witness.seen, record, door)


def comes_back(area, action, subject, node, witness, hit):
    """Have a witness look at a fault without an undo, and judge when its door answers again. hit(): does it, until it is back; its Answer."""
    door = witness.doors[0]["name"]

    def once():
        with witness:
            answer = hit()
            record = node.record(answer["fault"]["id"])
            witness.settle(door, record["injected"])
        return witness.seen, record, answer["proof"]["came_back"], door

    back(area, action, subject, once)


def boots(action, subject, seen, began, ended, boot_time):
    """Judge a task that waits for a node to boot and to answer, by when it began and ended, and write a row. boot_time: what it says."""
    first = seen.back("ssh", began)
    missed = [each for each in seen.of("ssh") if each.begin >= began and not each.answered]
    against = [f"it was never away, or never came back: {len(missed)} not answered, the last {missed[-1:]}"] if first is None else []
    if first is not None and ended < first.begin:
        against.append(f"it had answered Ansible after {ended - began:.1f} s, and nobody else by then")
    Table().add(
        "node", action, subject, f"answers Ansible after {boot_time:.1f} s",
        f"answered {first.end - began:.1f} s after the task began" if first else "not back", against)
    assert against == []
