# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Container engines: Docker by its socket, Podman by its socket or else its command; what they say of a container, in one shape."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from urllib.parse import quote

from . import _proc, _sweeper, _systemd
from ._errors import FaultlineError
from ._exec import run, which

_SOCKETS = {"docker": ("/run/docker.sock", "/var/run/docker.sock"), "podman": ("/run/podman/podman.sock",)}
# the version of Docker's API that we speak where the engine does: that of 20.10; what we ask for is the same in all of them
_API = (1, 41)
_SHORT_ID = re.compile(r"^[0-9a-f]{12,64}$")
# seconds that an engine may take beyond a container's own stop timeout
_PATIENCE = 60


class Found:
    """What an engine says of one container."""

    def __init__(self, engine, told):
        state, host, config = told["State"], told.get("HostConfig") or {}, told.get("Config") or {}
        network = told.get("NetworkSettings") or {}
        policy = host.get("RestartPolicy") or {}
        self.engine = engine
        self.id = told["Id"]
        self.name = told["Name"].lstrip("/")
        self.image = told.get("ImageName") or config.get("Image") or ""
        self.status = state.get("Status") or "unknown"
        self.paused = bool(state.get("Paused"))
        self.running = bool(state.get("Running")) or self.paused or bool(state.get("Restarting"))
        self.pid = int(state.get("Pid") or 0)
        # from now on by its start time as well
        self._main = _proc.lookup(self.pid) if self.pid else None
        self.started_at = str(state.get("StartedAt") or "")
        self.exit_code = int(state.get("ExitCode") or 0)
        self.policy = (policy.get("Name") or "no", int(policy.get("MaximumRetryCount") or 0))
        self.restarts = int(told.get("RestartCount") or 0)
        self.auto_remove = bool(host.get("AutoRemove"))
        self.stop_timeout = int(config.get("StopTimeout") or told.get("StopTimeout") or 10)
        self.labels = config.get("Labels") or {}
        self.sandbox = network.get("SandboxKey") or ""
        networks = [network] + list((network.get("Networks") or {}).values())
        found = [each.get(key) for each in networks if each for key in ("IPAddress", "GlobalIPv6Address")]
        self.addresses = sorted({address for address in found if address})

    @property
    def up(self):
        """Whether it has a main process; one that is paused has, one that waits for its next restart has not."""
        return self.running and self.pid > 0

    @property
    def main(self):
        """Its main process, or None when that is gone since."""
        return self._main if self._main and self._main.alive else None

    @property
    def policy_words(self):
        name, retries = self.policy
        return "%s:%d" % (name, retries) if name == "on-failure" and retries else name

    def is_called(self, reference):
        """Whether this is its name, its id, or its id as the engines abbreviate it; never only a part of its name."""
        return reference in (self.name, self.id) or bool(_SHORT_ID.match(reference) and self.id.startswith(reference))

    def forget(self):
        """Note that its engine does not have it any more. The container itself."""
        self.status, self.running, self.paused, self.pid, self._main = "removed", False, False, 0, None
        return self

    def same_run(self, step):
        """Whether it is the very container of a step and has not been started again since."""
        return self.id == step["id"] and self.started_at == step["started_at"]


class Engine:
    """One container engine of this host. name: docker or podman; says: how a person calls it.

    stop_lasts: whether a stopped container stays down whatever its restart policy, until the host boots.
    """

    name = ""
    says = ""
    stop_lasts = False

    def containers(self):
        """The names of all its containers, running or not."""
        raise NotImplementedError

    def _inspect(self, reference):
        """What the engine tells of a container, or None."""
        raise NotImplementedError

    def look(self, reference):
        """The container of exactly this name or id as it is now, or None."""
        told = self._inspect(reference)
        found = Found(self, told) if told else None
        return found if found and found.is_called(reference) else None

    def order(self, what, found, seconds=_PATIENCE):
        """start, stop, restart, pause or unpause a container."""
        raise NotImplementedError

    def set_policy(self, found, name, retries):
        """Give a container another restart policy."""
        raise NotImplementedError

    def stop(self, found):
        self.order("stop", found, found.stop_timeout + _PATIENCE)

    def restart(self, found):
        self.order("restart", found, found.stop_timeout + _PATIENCE)


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api(Engine):
    """An engine that speaks Docker's API at a Unix socket; Podman's own service does so too."""

    def __init__(self, name, path):
        self.name = name
        self.says = name.capitalize()
        self.path = path
        about = self._ask("GET", "/version")
        self.stop_lasts = any("podman" in str(part.get("Name", "")).lower() for part in about.get("Components") or [])
        self.version = self._negotiated(about)

    @staticmethod
    def _negotiated(about):
        """The version that both sides speak, nearest to ours."""
        def number(text, otherwise):
            found = re.match(r"^(\d+)\.(\d+)", str(text or ""))
            return (int(found.group(1)), int(found.group(2))) if found else otherwise

        oldest, newest = number(about.get("MinAPIVersion"), (0, 0)), number(about.get("ApiVersion"), _API)
        return "v%d.%d" % max(oldest, min(newest, _API))

    def _ask(self, method, path, body=None, timeout=_PATIENCE):
        """The answer of the engine, decoded; None for a 404."""
        connection = _Connection(self.path, timeout)
        text = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
            answer = connection.getresponse()
            status, raw = answer.status, answer.read()
        except socket.timeout as exc:
            raise FaultlineError(
                "%s gave no answer within %g seconds at %s." % (self.says, timeout, self.path), code="timeout",
                hint="See its log, as: journalctl -u %s" % self.name,
            ) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise FaultlineError(
                "%s does not answer at %s: %s." % (self.says, self.path, getattr(exc, "strerror", None) or exc or type(exc).__name__),
                code="engine_down", hint="See: systemctl status %s" % self.name,
            ) from exc
        finally:
            connection.close()
        try:
            told = json.loads(raw.decode(errors="replace")) if raw.strip() else {}
        except ValueError:
            told = {"message": raw.decode(errors="replace").strip()[:300]}
        if status == 404:
            return None
        if status >= 400:
            raise FaultlineError(
                "%s refused %s %s: %s" % (self.says, method, path, told.get("message") or told.get("cause") or "status %d" % status),
                code="engine_refused", hint="See its log, as: journalctl -u %s" % self.name,
            )
        return told

    def _url(self, path):
        return "/%s/containers/%s" % (self.version, path)

    def containers(self):
        return sorted(name.lstrip("/") for each in self._ask("GET", self._url("json?all=true")) or [] for name in each["Names"])

    def _inspect(self, reference):
        return self._ask("GET", self._url("%s/json" % quote(reference, safe="")))

    def _post(self, found, path, body=None, seconds=_PATIENCE):
        if self._ask("POST", self._url("%s/%s" % (found.id, path)), body, seconds) is None:
            raise _gone(self, found)

    def order(self, what, found, seconds=_PATIENCE):
        self._post(found, what, seconds=seconds)

    def set_policy(self, found, name, retries):
        self._post(found, "update", {"RestartPolicy": {"Name": name, "MaximumRetryCount": retries}})


class Podman(Engine):
    """Podman by its command, where its service is not there."""

    name = "podman"
    says = "Podman"
    stop_lasts = True

    def containers(self):
        told = self._decoded(run(["podman", "ps", "--all", "--format", "json"], timeout=_PATIENCE).out or "[]")
        return sorted(name for each in told or [] for name in each["Names"])

    @staticmethod
    def _decoded(text):
        try:
            return json.loads(text)
        except ValueError as exc:
            raise FaultlineError(
                "Podman answered with something else than JSON: %s" % text.strip()[:200], code="engine_refused",
                hint="Try by hand: podman ps --all --format json",
            ) from exc

    def _inspect(self, reference):
        done = run(["podman", "container", "inspect", "--", reference], timeout=_PATIENCE, check=False)
        if done.rc == 0:
            return self._decoded(done.out)[0]
        if "no such" in done.err.lower():
            return None
        raise FaultlineError(
            "Podman failed to tell of %s: %s" % (reference, done.err.strip()[-300:]), code="engine_refused",
            hint="Try by hand: podman container inspect %s" % reference,
        )

    def order(self, what, found, seconds=_PATIENCE):
        argv = ["podman", what, "--", found.id]
        if what in ("start", "restart") and _systemd.booted():
            # it leaves a monitor behind, which must not end with the control group of whoever started it
            argv = ["systemd-run", "--quiet", "--scope", "--collect", "--"] + argv
        run(argv, timeout=seconds)


def _gone(engine, found):
    return FaultlineError(
        "%s knows no container %s any more: it was removed meanwhile." % (engine.says, found.name), code="not_found",
        hint="Nothing else was touched.",
    )


def _paths(name):
    return [path for path in _SOCKETS[name] if os.path.exists(path)]


def there(name):
    """Whether this host has an engine at all, whether or not it answers."""
    return bool(_paths(name) or which(name))


def _same_socket():
    """Whether what is called docker here is Podman (the package podman-docker)."""
    return {os.path.realpath(path) for path in _paths("docker")} & {os.path.realpath(path) for path in _paths("podman")}


def engine(name):
    """The engine of this name; FaultlineError (no_engine, engine_down) when it is not there or does not answer."""
    if not there(name):
        raise FaultlineError(
            "There is no %s on this host." % name.capitalize(), code="no_engine", hint="Nothing was touched. Set driver to what runs here.",
        )
    paths = _paths(name)
    if name == "docker" and not paths:
        raise FaultlineError(
            "Docker does not answer: there is no %s." % _SOCKETS[name][0], code="engine_down", hint="See: systemctl status docker",
        )
    try:
        if paths:
            return Api(name, paths[0])
    except FaultlineError:
        # a socket may be left of a service that was stopped; the command needs none
        if name != "podman" or not which("podman"):
            raise
    return Podman()


def wait_for_engine(name, patience=20):
    """The engine of this name, also when it is only just starting, as at boot."""
    failed = []

    def answers():
        try:
            return engine(name)
        except FaultlineError as exc:
            failed[:] = [exc]
            return None

    found = _proc.wait_until(lambda: answers() or _sweeper.is_next(), patience, pause=0.5)
    if not isinstance(found, Engine):
        raise failed[0]
    return found


def names(driver):
    """The engines that a driver means, by name, that are on this host."""
    if driver != "auto":
        return [driver.partition("_")[0]]
    found = [name for name in ("docker", "podman") if there(name)]
    if not found:
        raise FaultlineError(
            "This host has neither Docker nor Podman, so it runs no container.", code="no_engine", hint="Nothing was touched.",
        )
    return ["podman"] if len(found) == 2 and _same_socket() else found
