# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of docs/witness.md: what the last runs of the tests of the witness have seen. Run alone, it writes the table into that page."""

from __future__ import annotations

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Table:
    """Rows, kept in a folder until all are there, one file each, so that tests on several workers can add them."""

    HEAD = ("area", "fault", "service or driver", "what the module proved", "what the witness saw", "agree")

    def __init__(self, folder=ROOT / ".build" / "witness"):
        self.folder = folder

    def add(self, area, fault, subject, proved, saw, against):
        """A row, which takes the place of an earlier one of the same fault. against: what speaks against the module, in words."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^a-z0-9]+", "-", f"{area} {fault} {subject}".lower())
        cells = (area, fault, subject, proved, saw, "no: " + "; ".join(against) if against else "yes")
        (self.folder / f"{name}.json").write_text(json.dumps(cells), encoding="utf-8")

    def text(self):
        rows = sorted(json.loads(path.read_text(encoding="utf-8")) for path in self.folder.glob("*.json"))
        return "".join(
            f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in [self.HEAD, ["---"] * len(self.HEAD), *rows])

    def write(self, page):
        """Put the table in the place of the one that a page has; a page without a table, or no row, is an error."""
        if not any(self.folder.glob("*.json")):
            raise SystemExit(f"There is no row in {self.folder}: run the tests of the witness first (make witness).")
        told = page.read_text(encoding="utf-8")
        begin = told.index("\n| ") + 1
        end = begin + len(re.match(r"(\|.*\n)*", told[begin:])[0])
        page.write_text(told[:begin] + self.text() + told[end:], encoding="utf-8")


if __name__ == "__main__":
    Table().write(ROOT / "docs" / "witness.md")
