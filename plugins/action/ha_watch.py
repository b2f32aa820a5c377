# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_watch: follow a run through one or more phases, tell what happens, and say when it has to be ended."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time

from ansible.utils.display import Display

from ..module_utils._fault._errors import FaultlineError
from ..module_utils import _ha_arguments
from ..plugin_utils import _plan
from ..plugin_utils._action import FaultAction
from ..plugin_utils._ha import _again, _follow, _left_alone, _schedule, _specs
from ..plugin_utils._ha._injections import GRACE, SLOWEST
from ..plugin_utils._ha._run_dir import RunDirectory

# seconds between two looks at the samples
_LOOK = 0.5
# seconds after the end of a fault until its host is asked, and for how long hosts that are due are asked together
_SETTLE, _TOGETHER = 4, 6
# seconds after the end of a host's boot until it is armed with what comes later there, and between two tries
_REBOOTED, _AGAIN = 12, 6
# how long a host may take to answer again
_BOOTING = 180


class ActionModule(FaultAction):
    _supports_check_mode = False
    _supports_async = False

    def perform(self, result, task_vars):
        args = self.validate_argument_spec(_ha_arguments.watch())[1]
        run = RunDirectory(args["run"])
        cloud = _plan.Cloud(task_vars["groups"], task_vars["hostvars"])
        watch = Watch(run, args["every"], Display(), cloud, _left_alone.options(args))
        try:
            return {**result, "changed": False, **getattr(watch, args["phase"])()}
        finally:
            watch.close()


class Watch:
    """Follows one run. Times are the controller's, in epoch seconds. cloud: the inventory; login: the run's cloud, as _left_alone.options gives it."""

    def __init__(self, run, every, display, cloud, login):
        self.run, self.every, self.display = run, every, display
        self.scenario = run.head()["scenario"]
        self.plan = run.read("plan.json")
        self.follower = _follow.Follower(run.path)
        self.look = None
        self.told = {}
        # what is to be armed later: host -> [(when its boot has ended, when it begins, ids)]
        self.waiting = {}
        self.looker = _left_alone.Looker(run, cloud, _schedule.injections_of(self.plan), self.plan["t0"], login)
        # hosts that have to give back what is left alone
        self.to_disarm = set()
        self.next_status = 0.0
        # what came before was told by the watch before this one
        self.since = time.time()

    def close(self):
        if self.look is not None and self.look.poll() is None:
            self.look.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.look.wait(10)

    # ---- phases

    def baseline(self):
        self.run.enter("baseline")
        self.looker.injections = []
        return self.follow(time.time() + self.scenario["baseline"], [], [])

    def arming(self):
        """Who is to be left alone by now; whoever cannot know that arms nothing."""
        found = self.looker.now()
        for name, host, why in found:
            self.event("note", f"{name}: {host} left alone: {why}", name, time.time())
        return {"aborted": None, "msg": f"{len(found)} injection{'' if len(found) == 1 else 's'} left alone"}

    def disruption(self):
        t0 = self.plan["t0"]
        if t0 is None:
            raise FaultlineError("The run has no T0 yet.", code="no_t0")
        self.run.enter("disruption", at=t0)
        injections = _schedule.injections_of(self.plan)
        moments = sorted((
            (t0 + each[key], words.format(**each), each) for each in injections
            for key, words in (("start", "{disruption} {name}: now on {host}"), ("end", "{disruption} {name}: over on {host}")) if each[key] is not None
        ), key=lambda each: each[0])
        due = [(t0 + (each["end"] if each["end"] is not None else each["start"]) + _SETTLE, each["host"]) for each in injections]
        # what lasts until the end of the run is healed then
        due = sorted([each for each in due if each[0] < t0 + self.plan["length"]] + self.rearmings(injections))
        result = self.follow(t0 + self.plan["quiet"], moments, due)
        if not result["aborted"] and self.plan["length"] > self.plan["quiet"]:
            self.run.enter("cool_down", at=t0 + self.plan["quiet"])
            result = self.follow(t0 + self.plan["length"], [each for each in moments if each[0] > time.time()], [each for each in due if each[0] > time.time()])
        return result

    def rearmings(self, injections):
        """When to try first to leave to a host what comes after the end of a boot of it: [(epoch s, host)]."""
        found, t0 = [], self.plan["t0"]
        for host in {each["host"] for each in injections}:
            waves, booted = _schedule.waves([each for each in injections if each["host"] == host]), 0.0
            for before, wave in zip(waves, waves[1:], strict=False):
                last = before[-1]
                booted = max(booted, t0 + (last["end"] if last["end"] is not None else last["start"]) + _REBOOTED)
                found.append((booted, host))
                self.waiting.setdefault(host, []).append((booted, t0 + wave[0]["start"], [each["id"] for each in wave]))
        return found

    def follow(self, until, moments, due):
        """Until a moment, or until something ends the run."""
        while True:
            now = time.time()
            left = _left_alone.of(self.run.head()) if moments and moments[0][0] <= now else ()
            while moments and moments[0][0] <= now:
                at, words, each = moments.pop(0)
                if each["id"] in left:
                    continue
                self.event("injected" if ": now on" in words else "undone", words, each["id"], at)
            for change, track, at, seconds in self.follower.poll(now):
                if at + track.patience < self.since:
                    continue
                self.event(change, f"{track.name} ({track.error})" if change == "down" else f"{track.name} after {seconds:.1f} s", track.name, at)
            self.leave_alone(due, now)
            reason = self.follower.too_long(self.scenario["abort"], now) or self.ask(due, now)
            if reason:
                self.run.abort(reason)
                self.say(f"ABORT: {reason}. All faults are disarmed and undone now.")
                return {"aborted": reason, "failed": False, "msg": reason}
            if now >= until:
                return {"aborted": None, "msg": _follow.availability(self.follower.tracks.values())}
            if now >= self.next_status:
                self.status(now)
            time.sleep(max(0.05, min(_LOOK, until - now)))

    # ---- what people see

    def say(self, words):
        self.display.display(f"{time.strftime('%H:%M:%S')}  {words}")

    def event(self, kind, words, subject, at):
        self.run.event(kind, words, subject, at=at)
        self.display.display(f"{time.strftime('%H:%M:%S', time.localtime(at))}  {kind:<9} {words}")

    def status(self, now):
        self.next_status = now + self.every
        t0 = self.plan["t0"]
        where = self.run.phase() + (f" {now - t0:+.0f} of {self.plan['length']:.0f} s" if t0 is not None and self.run.phase() != "baseline" else "")
        down = ", ".join(track.name for track in self.follower.down()[:5])
        self.say(f"{where}  {'down: ' + down + '; ' if down else ''}{_follow.availability(self.follower.tracks.values())}")

    # ---- what is left alone

    def leave_alone(self, due, now):
        """Have taken back what has not begun on hosts that have got a router in debug."""
        found, silent = self.looker.poll(now)
        if silent:
            self.event("note", f"{silent} What was known before counts.", "marks", now)
        for name, host, why in found:
            self.event("note", f"{name}: {host} left alone: {why}", name, now)
            self.to_disarm.add(host)
            due.append((now, host))
            due.sort()

    # ---- what the hosts say

    def ask(self, due, now):
        """Ask the hosts whose faults are over, and arm those that have booted again; why the run has to end, or ''."""
        if self.look is not None and self.look.poll() is not None:
            self.look = None
            self.armed(due, now)
            return self.read(due)
        if self.look is None and due and due[0][0] + (0 if self.to_arm(now) or self.to_disarm else _TOGETHER) <= now:
            hosts = sorted({host for moment, host in due if moment <= now})
            due[:] = [each for each in due if each[0] > now]
            disarm, self.to_disarm = sorted(self.to_disarm), set()
            self.look = subprocess.Popen(
                _again.argv("faultline.openstack.ha_look", [
                    "--extra-vars", json.dumps({
                        "ha_look_run": str(self.run.path), "ha_look_arm": self.to_arm(now), "ha_look_sample": self.to_sample(hosts, now),
                        "ha_look_disarm": disarm}),
                    "--limit", ",".join([*hosts, "localhost"])]),
                env=_again.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return ""

    def to_sample(self, hosts, now):
        """Those of hosts whose own monitors a boot has ended."""
        return [host for host in hosts if _specs.names(self.scenario, self.plan, host) and any(
            _schedule.ends_boot(each) and self.plan["t0"] + each["start"] < now for each in _schedule.injections_of(self.plan, host))]

    def to_arm(self, now):
        """The hosts that wait to be armed, and whose boot has ended by now."""
        return sorted(host for host, waves in self.waiting.items() if waves and waves[0][0] <= now)

    def armed(self, due, now):
        """Note which hosts are armed now; try again with the others, as long as there is time."""
        for host in self.to_arm(now):
            known = (self.run.read(f"hosts/{host}.armed.json") or {}).get("armed", {})
            _booted, begins, ids = self.waiting[host][0]
            if all(name in known for name in ids) or begins < now:
                self.waiting[host].pop(0)
                self.event("note", f"{host}: {'armed again' if ids[0] in known else 'not back in time to be armed again'}: {', '.join(ids)}", host, now)
            else:
                _ask_again(due, host, now)

    def read(self, due):
        """Tell what the hosts' journals say that is new; why the run has to end, or ''. Who could not say yet is asked again."""
        now, t0 = time.time(), self.plan["t0"]
        left = _left_alone.of(self.run.head())
        planned = {each["id"]: each for each in _schedule.injections_of(self.plan) if each["end"] is not None}
        for path in sorted((self.run.path / "hosts").glob("*.told.json")):
            told = self.run.read(f"hosts/{path.name}", {})
            for entry in told.get("injections", []):
                if entry["id"] in left and entry["state"] not in ("left_alone", "undone", "done", "residue") and (entry["planned"] or 0) > now:
                    # it could not be taken back yet
                    self.to_disarm.add(entry["host"])
                    _ask_again(due, entry["host"], now)
                    continue
                if self.told.get(entry["id"]) == entry["state"] or not entry["planned"] or entry["planned"] > now:
                    continue
                if now < entry["planned"] + _BOOTING and (not told["asked"] or _boots(entry)):
                    _ask_again(due, entry["host"], now)
                    continue
                self.told[entry["id"]] = entry["state"]
                if entry["state"] in ("undone", "done", "aborted", "missing"):
                    proven = "proven" if entry["proven"] else f"NOT proven: {entry['failure'] or 'no effect was seen'}"
                    left = ", nothing left behind" if told["asked"] else ""
                    self.event("note", f"{entry['id']}: {proven}, {entry['state']}{left}", entry["id"], now)
                late = entry["state"] == "open" and entry["id"] in planned and _end(planned[entry["id"]], entry, t0) + GRACE < now
                if entry["state"] == "residue" or late:
                    return f"{entry['id']} could not be undone: {'; '.join(entry['residue']) or 'its undo has not ended'}"
        return ""


def _end(injection, entry, t0):
    """When an injection is over, by now: its time begins when all of it is done, which may take long, as the stop of a database does."""
    if entry["injected"] is None:
        return t0 + injection["end"] + SLOWEST
    return max(t0 + injection["end"], entry["injected"] + injection["end"] - injection["start"])


def _ask_again(due, host, now):
    """Have a host asked once more, in the order of the moments that are due."""
    due.append((now + _AGAIN, host))
    due.sort()


def _boots(entry):
    """Whether a host answers that has still to go down, or has only just done so: its next boot is the proof."""
    return entry["state"] == "done" and not entry["proven"] and not entry["failure"]
