# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the directory of a run, whose files _run_files.py reads. Each file is whole or not there at any time, and its owner's only."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import time

from ...module_utils._fault._errors import FaultlineError

FORMAT = 1
# what a run's state may be while it can still change anything
RUNNING = "running"


class RunDirectory:
    """One run. All its parts on the controller write through this; run.json has one writer at a time."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    @classmethod
    def create(cls, folder, run_id, **head):
        """A new one; FaultlineError where it cannot be made. head: what run.json says from the beginning."""
        made = cls(pathlib.Path(folder).expanduser().absolute() / run_id)
        try:
            made.path.parent.mkdir(parents=True, exist_ok=True)
            made.path.mkdir(mode=0o700)
            for part in ("samples", "load", "hosts"):
                (made.path / part).mkdir(mode=0o700)
        except OSError as exc:
            if made.path.is_dir():
                raise FaultlineError(f"{made.path} is there already.", code="output_exists", hint="Each run has a directory of its own.") from None
            raise FaultlineError(
                f"The directory of the run cannot be made: {made.path}: {exc.strerror}.", code="unwritable", hint="Give another ha_test_dir.") from None
        made.write("run.json", {
            "format": FORMAT, "id": run_id, "started": time.time(), "ended": None, "state": RUNNING, "aborted": None, "phases": [], **head})
        return made

    def write(self, name, data):
        """A JSON file, atomically."""
        path = self.path / name
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
                json.dump(data, stream, indent=1)
                stream.write("\n")
            os.replace(temporary, path)
        except OSError as exc:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise FaultlineError(f"{path} cannot be written: {exc.strerror}.", code="unwritable", hint="Make room there.") from None

    def read(self, name, default=None):
        """What a JSON file holds, or the default where there is none."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return default
        except (OSError, ValueError) as exc:
            raise FaultlineError(f"{self.path / name} cannot be read: {exc}.", code="no_run", hint="Give the directory that ha_test made.") from None

    def head(self):
        """run.json; FaultlineError where this is no run."""
        head = self.read("run.json")
        if not isinstance(head, dict):
            raise FaultlineError(f"There is no run in {self.path}.", code="no_run", hint="Give the directory that ha_test made for the run.")
        return head

    def update(self, **keys):
        self.write("run.json", {**self.head(), **keys})

    def enter(self, phase, at=None):
        """Begin a phase, which ends the one before."""
        at = time.time() if at is None else at
        phases = self.head()["phases"]
        for each in phases:
            each["end"] = at if each["end"] is None else each["end"]
        self.update(phases=[*phases, {"name": phase, "start": at, "end": None}])
        self.event("phase", phase, at=at, phase=phase)

    def end(self, state="finished"):
        """Nothing more happens in this run. One that was aborted stays so."""
        head, now = self.head(), time.time()
        for each in head["phases"]:
            each["end"] = now if each["end"] is None else each["end"]
        self.write("run.json", {**head, "ended": now, "state": "aborted" if head["aborted"] else state})

    def abort(self, reason):
        """Note why the run ends early; the first reason counts."""
        if not self.head()["aborted"]:
            self.update(aborted={"reason": reason, "at": time.time()})
            self.event("abort", reason)

    def phase(self):
        """The name of the phase that is on, or ''."""
        return next((each["name"] for each in reversed(self.head()["phases"]) if each["end"] is None), "")

    def event(self, kind, text, subject="", at=None, phase=None):
        """Add a line to events.jsonl."""
        line = {"at": time.time() if at is None else at, "phase": self.phase() if phase is None else phase, "kind": kind, "text": text, "subject": subject}
        raw = json.dumps(line).encode() + b"\n"
        handle = os.open(self.path / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # one write, so that lines of several writers do not mix
            os.write(handle, raw)
        finally:
            os.close(handle)
