# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follows the samples of a run while they are written: what is down now and since when, and how available each series was so far."""

from __future__ import annotations

import fnmatch
import heapq
import json
import pathlib

from ._scenario_form import CHECK_PREFIX

# seconds of nothing but good samples after which a series counts as up again: one of several servers may be down behind a load balancer
STEADY = 1.0


class Track:
    """One series. good, taken: samples so far; down_since: epoch s, None while it is up; error: why it is down."""

    def __init__(self, name, group, patience):
        self.name, self.group, self.patience = name, group, patience
        self.taken = self.good = 0
        self.down_since = self.good_since = None
        self.error = ""
        self.waiting = []

    @property
    def availability(self):
        """Percent of samples that were ok; None before the first."""
        return 100.0 * self.good / self.taken if self.taken else None

    def add(self, sample):
        """Take a sample in the order in which it came in: a probe that times out comes in after later ones that do not."""
        heapq.heappush(self.waiting, (sample["start"], sample["outcome"] == "ok", sample.get("error") or sample["outcome"]))

    def settle(self, now):
        """[(down or up, epoch s, seconds that it was down)] of all samples that none can come before any more."""
        changes = []
        while self.waiting and self.waiting[0][0] <= now - self.patience:
            change = self._take(*heapq.heappop(self.waiting))
            changes += [change] if change else []
        return changes

    def _take(self, start, good, error):
        self.taken += 1
        self.good += good
        if not good:
            self.good_since = None
            if self.down_since is None:
                self.down_since, self.error = start, error
                return "down", start, 0.0
        elif self.down_since is not None:
            self.good_since = start if self.good_since is None else self.good_since
            if start - self.good_since >= STEADY:
                since, self.down_since = self.down_since, None
                return "up", self.good_since, self.good_since - since
        return None


class Follower:
    """All sample files of a run's directory. poll() reads what is new."""

    def __init__(self, path):
        self.folder = pathlib.Path(path) / "samples"
        self.files = {}
        self.tracks = {}

    def poll(self, now):
        """[(down or up, Track, epoch s, seconds that it was down)] of what has become certain since the last call. now: epoch s."""
        for path in sorted(self.folder.glob("*.jsonl")):
            if path.name.startswith(CHECK_PREFIX):
                # what should fail most of the time is no outage
                continue
            reader = self.files.setdefault(path.name, {"offset": 0, "header": None})
            for line in self._lines(path, reader):
                self._take(line, reader)
        return [(change, track, at, seconds) for track in self.tracks.values() for change, at, seconds in track.settle(now)]

    @staticmethod
    def _lines(path, reader):
        with open(path, "rb") as stream:
            stream.seek(reader["offset"])
            raw = stream.read()
        raw = raw[:raw.rfind(b"\n") + 1]
        reader["offset"] += len(raw)
        for line in raw.splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def _take(self, line, reader):
        if "series" in line and isinstance(line["series"], dict):
            reader["header"] = line
            return
        header = reader["header"]
        if header is None or "outcome" not in line:
            return
        name = "%s:%s" % (header["name"], line["series"])
        if name not in self.tracks:
            group = header["series"].get(line["series"], {}).get("group", "")
            # a file is written twice a second
            self.tracks[name] = Track(name, group, (header.get("timeout") or 0) + 1)
        self.tracks[name].add(line)

    def down(self):
        """The series that are down now."""
        return [track for track in self.tracks.values() if track.down_since is not None]

    def too_long(self, rules, now):
        """The first series that was down for longer than a rule allows, in words, or ''. rules: [{series, down_for}]."""
        for rule in rules:
            for track in self.down():
                wanted = rule["series"]
                known = (track.name, track.name.partition(":")[2], "%s:%s" % (track.group, track.name.partition(":")[2]))
                if any(fnmatch.fnmatchcase(name, wanted) for name in known) and now - track.down_since > rule["down_for"]:
                    return f"{track.name} was down for more than {rule['down_for']:g} seconds ({track.error})"
        return ""


def availability(tracks):
    """The availability so far in a few words: the worst series, and how many were always up."""
    known = [track for track in tracks if track.taken]
    if not known:
        return "no sample yet"
    worst = sorted((track for track in known if track.good < track.taken), key=lambda track: track.availability)
    if not worst:
        return f"all {len(known)} series up"
    told = ", ".join(f"{track.name} {track.availability:.2f} %" for track in worst[:3])
    more = f" and {len(worst) - 3} more" if len(worst) > 3 else ""
    return f"{told}{more}; {len(known) - len(worst)} of {len(known)} series always up"
