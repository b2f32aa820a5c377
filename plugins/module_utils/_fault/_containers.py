# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container is on this host: its engine, its processes as the host sees them, the unit that runs it."""

from __future__ import annotations

import difflib
import os
import signal

from . import _container_engines, _container_steps, _proc, _systemd
from ._errors import FaultlineError
from ._exec import run
from ._service_driver import Service

_DOWN = ("engine_down", "timeout")
# seconds that a new main process may take to appear; it catches only a hang
_START = 300


class Container(Service):
    """A container on this host. name: its exact name or id; definition: {driver, service}."""

    def __init__(self, name, definition):
        super().__init__(name, definition)
        self.given = name
        self.driver = definition.get("driver") or "auto"
        self.service = definition.get("service")
        self.found = None
        self.unit = None

    @property
    def names(self):
        more = (self.found.name, self.found.id, self.found.id[:12]) if self.found else ()
        return tuple(name for name in (self.given, self.service) + more if name)

    @property
    def engine(self):
        return self.found.engine

    def find(self):
        found, asked, down = [], [], []
        for name in _container_engines.names(self.driver):
            try:
                engine = _container_engines.engine(name)
                seen = engine.look(self.name)
            except FaultlineError as exc:
                if exc.code not in _DOWN:
                    raise
                down.append(exc)
                continue
            asked.append(engine)
            found += [seen] if seen else []
        if len(found) > 1:
            raise FaultlineError(
                "%s is a container of both %s." % (self.name, " and ".join(each.engine.says for each in found)), code="ambiguous",
                hint="Nothing was touched. Set driver to the one that you mean.",
            )
        if not found:
            # an engine that does not answer may have it
            if down:
                raise down[0]
            raise self._unknown(asked)
        self.found = found[0]
        self.name = self.found.name
        self.unit = _unit(self.found)

    def _unknown(self, engines):
        there = sorted({name for engine in engines for name in engine.containers()})
        near = difflib.get_close_matches(self.name, there, 3, 0.6)
        hint = "Did you mean %s?" % " or ".join(near) if near else "Nothing was touched."
        return FaultlineError(
            "%s was not found on this host: %s has no container of exactly that name or id." % (
                self.name, " and ".join(engine.says for engine in engines)),
            code="not_found", hint=hint, details={"container": self.name, "containers": there[:50]},
        )

    def look_again(self):
        """Ask the engine for its present state; one that was replaced by another of its name is that other one from then on."""
        found = self.engine.look(self.found.id) or self.engine.look(self.found.name)
        if found is None:
            raise FaultlineError(
                "The container %s is gone: somebody removed it." % self.found.name, code="not_found",
                hint="Containers that were started with --rm remove themselves.",
            )
        self.found = found

    @property
    def main(self):
        """Its main process, or None."""
        return self.found.main

    def processes(self):
        main = self.found.main
        return inside(main, self.found.id) if main else []

    @property
    def up(self):
        try:
            self.look_again()
        except FaultlineError as exc:
            # one that its unit makes anew with each start is gone while it is down
            if exc.code != "not_found":
                raise
            self.found.forget()
        return self.found.up

    def describe(self):
        found = self.found
        words = "%s: %s, restart policy %s" % (found.name, found.status, found.policy_words)
        if found.up:
            words += ", main process %s" % (found.main or "[%d]" % found.pid)
        if not found.running:
            words += ", exit status %d" % found.exit_code
        return words + ("; %s" % _systemd.last_words(self.unit.name) if self.unit else "")

    def target(self):
        found, main = self.found, self.found.main
        return {
            "container": found.name, "id": found.id, "engine": found.engine.name, "image": found.image, "service": self.service,
            "started_at": found.started_at, "main": main.as_dict() if main else None, "unit": self.unit.name if self.unit else None,
            "processes": [process.as_dict() for process in self.processes()],
        }

    @property
    def _wrapped(self):
        """Whether a unit runs it just now, so that it must be stopped and started by that."""
        return self.unit is not None and self.unit.up

    @property
    def can_start(self):
        # what starts such a container anew is its unit
        return not self.found.auto_remove or self.unit is not None

    def comes_back_from(self, number):
        name, retries = self.found.policy
        if name in ("always", "unless-stopped"):
            return True
        if name == "on-failure":
            # what the program makes of a signal that it can catch is its own business
            return None if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT) else not retries or self.found.restarts < retries
        if self._wrapped:
            # its main process only waits for the container, and ends with its exit status
            return self.unit.restart in ("always", "on-failure")
        return False

    @property
    def stop_timeout(self):
        """Seconds that its stop may take, which an engine ends even where nobody waits for it any more."""
        wrapped = _systemd.stop_timeout(self.unit.triggers + [self.unit.name]) if self._wrapped else 0
        return self.found.stop_timeout + wrapped

    def start_steps(self):
        steps = []
        if self._policy_would_act:
            steps.append(_container_steps.RestorePolicy.make(self.found))
        return steps + [_container_steps.StartContainer.make(self.found, self.unit.name if self._wrapped else None)]

    @property
    def _policy_would_act(self):
        """Whether the engine would start it again though it was stopped, as Docker does when its daemon is restarted."""
        return self.found.policy[0] != "no" and not self.engine.stop_lasts

    def start(self):
        if self.unit:
            _systemd.start([self.unit.name])
        else:
            self.engine.order("start", self.found)
        _proc.wait_until(lambda: self.up, _START, pause=0.1)

    def stop(self):
        if self._policy_would_act:
            self.engine.set_policy(self.found, "no", 0)
        self._thaw()
        if self._wrapped:
            _systemd.stop(self.unit.triggers + [self.unit.name])
            # which may have removed it
            self.found = self.engine.look(self.found.id) or self.found.forget()
        if self.found.running:
            self.engine.stop(self.found)

    def restart(self):
        self._thaw()
        if self._wrapped:
            _systemd.restart([self.unit.name])
            _proc.wait_until(lambda: self.up, _START, pause=0.1)
        else:
            self.engine.restart(self.found)

    def _thaw(self):
        """Frozen processes can be neither stopped nor killed in their own way."""
        if self.found.paused:
            self.engine.order("unpause", self.found)


def _unit(found):
    """The systemd unit that runs a container, as Kolla's and Podman's do; None where there is none."""
    names = [found.labels.get("PODMAN_SYSTEMD_UNIT"), "kolla-%s-container.service" % found.name]
    if not _systemd.booted():
        return None
    for unit in _systemd.show([name for name in names if name]):
        # a unit of that name may be about something else
        if unit.loaded and {found.name, found.id} & set(_command(unit.name)):
            return unit
    return None


def _command(unit):
    """The words of a unit's command line; an option and its value are two."""
    told = run(["systemctl", "show", "--no-pager", "--value", "--property=ExecStart", "--", unit]).out
    return told.replace("=", " ").split()


def inside(main, container_id):
    """All processes of a container, as this host sees them: by their control group, or else by their PID namespace."""
    group = _control_group(main.pid, container_id)
    if group:
        return _proc.in_cgroup(group)
    space = _namespace("pid", main.pid)
    if space and space != _namespace("pid", os.getpid()):
        found = [_proc.lookup(pid) for pid in _proc.every() if _namespace("pid", pid) == space]
        return sorted((process for process in found if process), key=lambda process: process.pid)
    return [main]


def _memberships(pid):
    """(controllers, path) of each control group of a process."""
    try:
        with open("/proc/%d/cgroup" % pid, "rb") as stream:
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [tuple(line.split(":", 2)[1:]) for line in lines]


def _control_group(pid, container_id):
    """The container's own control group, below which all of its processes are; '' where its path does not bear the id."""
    for controllers, path in _memberships(pid):
        parts = path.split("/")
        own = [number for number, part in enumerate(parts) if container_id in part]
        if controllers in ("", "name=systemd") and own:
            return "/".join(parts[:own[0] + 1])
    return ""


def _namespace(kind, pid):
    try:
        return os.readlink("/proc/%d/ns/%s" % (pid, kind))
    except OSError:
        return ""


def frozen(process):
    """Whether the kernel's freezer holds a process; None where this host does not let us see its control group."""
    answers = []
    for controllers, path in _memberships(process.pid):
        if controllers == "freezer":
            answers.append(_says("/sys/fs/cgroup/freezer%s/freezer.state" % path, "FROZEN"))
        elif not controllers:
            answers += [_says("%s%s/cgroup.events" % (root, path), "frozen 1") for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")]
    seen = [answer for answer in answers if answer is not None]
    return any(seen) if seen else None


def _says(path, line):
    try:
        with open(path) as stream:
            return line in stream.read().splitlines()
    except OSError:
        return None
