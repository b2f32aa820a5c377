# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load rally: Rally as a process of its own, and its iterations as samples.

Without the name of an environment it gets one of its own, with a database in the run's folder, which is removed at the end, for the cloud's password
is in it. What Rally reports stays, as load/<name>.<phase>.rally.json.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import time

from .._fault._errors import FaultlineError
from . import _load, _samples

PATIENCE = 120
# seconds that it has to finish the iterations that are under way and to clean up after itself
_ABORTING = 60
# seconds that each of Rally's commands beside the task may take
_COMMAND = 120
_INSTALL = "Install it with requirements/rally.txt into a virtual environment of its own, and say executable: the path of its bin/rally."
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def work_folder(paths):
    """Where a task's database is while it runs."""
    return paths.stem + ".rally.d"


class Rally(_load.Load):
    """One task of Rally."""

    patience = PATIENCE

    def __init__(self, load, told):
        super().__init__(load, told)
        self.work_folder = work_folder(self.paths)
        self.report = self.paths.stem + ".rally.json"
        self.tag = "faultline-%s" % os.urandom(6).hex()
        self.executable = None
        self.uuid = None
        # its progress bars and colours are for people
        self.environment.update(PYTHONWARNINGS="ignore", PYTHONUNBUFFERED="1", TERM="dumb", COLUMNS="200")

    # ---- before

    def prepare(self):
        self.executable = self.program(self.load["executable"], _INSTALL)
        for key in ("scenario_file", "args_file"):
            path = self.load[key]
            if path and not os.access(path, os.R_OK):
                raise FaultlineError("The load %s: %s %s is not there." % (self.name, key, path), code="no_file")
        try:
            os.mkdir(self.work_folder, 0o700)
        except FileExistsError as exc:
            raise FaultlineError("%s is there already." % self.work_folder, code="output_exists", hint="Each run has a directory of its own.") from exc
        try:
            self.connect()
            self.validate()
        except BaseException:
            self.tidy()
            raise

    def connect(self):
        """A database and an environment."""
        database = self.told.get("database")
        own = not self.load["environment"]
        if own:
            database = "sqlite:///" + os.path.join(self.work_folder, "rally.db")
        config = "[DEFAULT]\nuse_stderr = true\n" + ("[database]\nconnection = %s\n" % database.replace("$", "$$") if database else "")
        with open(os.path.join(self.work_folder, "rally.conf"), "w", opener=_private) as stream:
            stream.write(config)
        if own:
            self.rally(["db", "create"], "make its database")
            self.own_environment()
        else:
            told = self.rally(["env", "show", "--env", self.load["environment"], "--json"], "find the environment %s" % self.load["environment"],
                              "Make it with `rally env create`, or leave out environment.")
            self.env = _json_in(told).get("uuid") or self.load["environment"]

    def own_environment(self):
        told = self.told.get("credentials")
        name, words = "faultline-%s" % self.name, ["--no-use", "--json"]
        if told:
            self.environment.update(_variables(told))
            words.append("--from-sysenv")
        out = self.rally(["env", "create", "--name", name] + words, "make its environment", "Look at the cloud's credentials.")
        env = _json_in(out)
        if told and not env.get("platforms"):
            raise FaultlineError("Rally has not understood the cloud's credentials.", code="bad_credentials", hint="See %s." % self.paths.log)
        self.env = env["uuid"]

    def validate(self):
        """Refuse a task that Rally would refuse, before anybody waits for it."""
        self.rally(["task", "validate", "--deployment", self.env] + self.task(), "use %s" % self.load["scenario_file"], "See the output of Rally.")

    def task(self):
        words = ["--task", self.load["scenario_file"]]
        if self.load["args"]:
            words += ["--task-args", json.dumps(self.load["args"])]
        if self.load["args_file"]:
            words += ["--task-args-file", self.load["args_file"]]
        return words

    def masked(self, raw):
        """An output without the cloud's password, which Rally prints with an environment."""
        password = ((self.told.get("credentials") or {}).get("auth") or {}).get("password")
        return raw.replace(str(password).encode(), b"********") if password else raw

    def command(self, words):
        config = ["--config-file", os.path.join(self.work_folder, "rally.conf")]
        return [self.executable] + config + words

    def rally(self, words, what, hint="", seconds=_COMMAND):
        """The output of one of Rally's quick commands; FaultlineError when it fails."""
        output = os.path.join(self.work_folder, "output")
        with open(output, "wb", opener=_private) as stream:
            process = self.begin(self.command(words), stream, self.work_folder)
            end = time.monotonic() + seconds
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            late = process.poll() is None
            _load.finish(process, patience=0 if late else 5)
        with open(output, "rb") as stream:
            raw = stream.read()
        os.unlink(output)
        shown = self.masked(raw)
        with self.log_file() as log:
            log.write(("$ rally %s\n" % " ".join(words[:2])).encode() + shown + b"\n")
        if late:
            raise FaultlineError("Rally did not manage to %s within %d seconds." % (what, seconds), code="timeout", hint=hint)
        if process.returncode:
            raise FaultlineError(
                "Rally could not %s: %s." % (what, _reason(shown).rstrip(".")), code="rally_failed", hint=hint, details={"log": self.paths.log})
        return raw.decode(errors="replace")

    # ---- the task

    def work(self):
        self.begun = self.clock.epoch()
        try:
            self.run_task()
            self.keep()
        finally:
            self.tidy()

    def run_task(self):
        words = ["task", "start", "--deployment", self.env, "--tag", self.tag, "--no-use"] + self.task()
        output = os.path.join(self.work_folder, "task")
        with open(output, "wb", opener=_private) as stream:
            process = self.begin(self.command(words), stream, self.work_folder)
            end = time.monotonic() + self.load["timeout"]
            while process.poll() is None and not self.stopping.is_set() and time.monotonic() < end:
                self.stopping.wait(0.1)
            if process.poll() is None:
                if not self.stopping.is_set():
                    self.failure = "not done within %g s" % self.load["timeout"]
                self.abort(process, output)
            _load.finish(process, patience=0)
        raw = self.told_by(output)
        with self.log_file() as log:
            log.write(b"$ rally task start\n" + self.masked(raw) + b"\n")
        if process.returncode not in (0, 2) and not self.stopping.is_set() and not self.failure:
            # 2: an SLA of its own was not met, which the run judges by itself
            self.failure = "rally ended with status %d: %s" % (process.returncode, _reason(self.masked(raw)))

    def told_by(self, output):
        """What the task has said so far, its id among it."""
        with open(output, "rb") as stream:
            raw = stream.read()
        found = re.search(r"Task\b.*?(%s): started" % _UUID, raw.decode(errors="replace"))
        self.uuid = found.group(1) if found else None
        return raw

    def abort(self, process, output):
        """End the task: in order, so that it keeps what it has measured and cleans up after itself; else as Ctrl-C does."""
        self.told_by(output)
        if self.uuid:
            end = time.monotonic() + _ABORTING
            with contextlib.suppress(FaultlineError):
                self.rally(["task", "abort", "--uuid", self.uuid], "abort its task", seconds=_ABORTING)
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
        if process.poll() is None:
            _load.finish(process, signal.SIGINT, 15)

    def keep(self):
        """Rally's own report, and its iterations as samples."""
        if self.uuid is None:
            self.failure = self.failure or "rally started no task"
            return
        try:
            self.rally(["task", "report", "--uuid", self.uuid, "--json", "--out", self.report], "report its task")
            os.chmod(self.report, 0o600)
            with open(self.report) as stream:
                told = json.load(stream)
        except (FaultlineError, OSError, ValueError) as exc:
            self.failure = self.failure or "no report: %s" % (exc.message if isinstance(exc, FaultlineError) else exc)
            return
        series, samples = convert(told)
        self.open(series)
        self.writer.due = len(samples)
        for sample in samples:
            self.writer.add(sample)

    def tidy(self):
        shutil.rmtree(self.work_folder, ignore_errors=True)


def convert(report):
    """(series {name: {subject, via}}, samples by time) of a report of `rally task report --json`."""
    series, samples = {}, []
    for task in report.get("tasks") or []:
        for subtask in task.get("subtasks") or []:
            for workload in subtask.get("workloads") or []:
                subject = next(iter(workload.get("scenario") or {}), None) or workload.get("name") or subtask.get("title") or "workload"
                name = _unique(subject, series)
                series[name] = {"subject": subject, "via": "rally"}
                samples += [_iteration(name, number, each) for number, each in enumerate(workload.get("data") or [], 1)]
    return series, sorted(samples, key=lambda each: each["start"])


def _unique(name, taken):
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = "%s (%d)" % (name, number)
    return unique


def _iteration(name, number, data):
    """One iteration as a sample. Rally's times are epoch seconds of the host's clock; idle time is sleep that the scenario asked for."""
    error = data.get("error") or []
    words = None
    if error:
        words = ("%s: %s" % (error[0], error[1]) if len(error) > 1 else str(error[0])).strip()[:500]
    value = {"iteration": number, "idle": round(data.get("idle_duration") or 0.0, 6), "actions": _actions(data.get("atomic_actions") or [])}
    start = data.get("timestamp") or 0.0
    late = bool(error) and "imeout" in str(error[0])
    return _samples.sample(name, start, start, data.get("duration") or 0.0, "timeout" if late else "failed" if error else "ok", words, value)


def _actions(actions):
    """[{name, start, duration, failed}] of atomic actions, without those within others."""
    return [
        {"name": each["name"], "start": round(each["started_at"], 6), "duration": round(each["finished_at"] - each["started_at"], 6),
         "failed": bool(each.get("failed"))}
        for each in actions if isinstance(each, dict) and "started_at" in each
    ]


def _variables(credentials):
    """The variables of a shell that Rally reads credentials from."""
    auth = credentials["auth"]
    found = {
        "OS_AUTH_URL": auth.get("auth_url"), "OS_USERNAME": auth.get("username"), "OS_PASSWORD": auth.get("password"),
        "OS_PROJECT_NAME": auth.get("project_name") or auth.get("tenant_name"), "OS_TENANT_NAME": auth.get("project_name") or auth.get("tenant_name"),
        "OS_USER_DOMAIN_NAME": auth.get("user_domain_name") or "Default", "OS_PROJECT_DOMAIN_NAME": auth.get("project_domain_name") or "Default",
        "OS_REGION_NAME": credentials.get("region_name"), "OS_CACERT": credentials.get("cacert"),
        "OS_INSECURE": None if credentials.get("verify", True) else "True", "OS_IDENTITY_API_VERSION": "3",
    }
    return {name: str(value) for name, value in found.items() if value}


def _json_in(text):
    """The JSON object in an output that may have warnings before it."""
    decoder = json.JSONDecoder()
    for found in re.finditer(r"^\{", text, re.MULTILINE):
        try:
            return decoder.raw_decode(text[found.start():])[0]
        except ValueError:
            continue
    raise FaultlineError("Rally's answer is not understood: there is no JSON in it.", code="rally_failed")


def _reason(raw):
    """The line of Rally's output that says why."""
    text = raw.decode(errors="replace")
    reasons = text.partition("Reason(s):")[2].strip()
    if reasons:
        return "; ".join(dict.fromkeys(line.strip() for line in reasons.splitlines() if line.strip()))[:500]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"error|invalid|fail|not found|no such|refused|cannot|can't", line, re.IGNORECASE)]
    return (told[-1] if told else _load.quoted(text))[-500:] or "it says nothing"


def _private(path, flags):
    return os.open(path, flags, 0o600)


_load.register("rally", Rally)
