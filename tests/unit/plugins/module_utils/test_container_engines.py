# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What engines say, in one shape; who is meant by a name; what each silence and each refusal is called."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socketserver
import threading

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _container_engines as engines
from ansible_collections.faultline.openstack.plugins.module_utils._fault import _container_steps, _containers, _namespaces, _steps
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

ID = "4f53cda18c2b" + "0" * 52


def told(**over):
    """What Docker says of a container that runs; over: keys of State, HostConfig or the rest."""
    state = {"Status": "running", "Running": True, "Paused": False, "Restarting": False, "Pid": os.getpid(), "ExitCode": 0,
             "StartedAt": "2026-11-20T10:00:00.1Z"}
    host = {"RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0}, "AutoRemove": False}
    rest = {"Id": ID, "Name": "/nova_api", "RestartCount": 0, "Config": {"Image": "kolla/nova-api", "Labels": {"a": "b"}},
            "NetworkSettings": {"SandboxKey": "/run/ns/1", "Networks": {"net": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": ""}}}}
    for key, value in over.items():
        place = state if key in state else host if key in host else rest
        place[key] = value
    return {**rest, "State": state, "HostConfig": host}


def found(**over):
    class Docker(engines.Engine):
        name, says = "docker", "Docker"

    return engines.Found(Docker(), told(**over))


def test_a_running_container():
    seen = found()
    assert (seen.name, seen.id, seen.status, seen.up, seen.paused) == ("nova_api", ID, "running", True, False)
    assert seen.main.pid == os.getpid() and seen.main.start > 0
    assert seen.policy == ("unless-stopped", 0) and seen.addresses == ["172.17.0.2"] and seen.sandbox == "/run/ns/1"
    assert (seen.image, seen.stop_timeout, seen.auto_remove, seen.labels) == ("kolla/nova-api", 10, False, {"a": "b"})


@pytest.mark.parametrize(("state", "up", "running"), [
    ({"Status": "exited", "Running": False, "Pid": 0, "ExitCode": 137}, False, False),
    ({"Status": "paused", "Paused": True}, True, True),
    # Podman
    ({"Status": "paused", "Paused": True, "Running": False}, True, True),
    # between two starts by its restart policy
    ({"Status": "restarting", "Restarting": True, "Pid": 0}, False, True),
])
def test_a_container_is_up_when_it_has_a_main_process(state, up, running):
    seen = found(**state)
    assert (seen.up, seen.running, seen.main is not None) == (up, running, up)


def test_what_engines_leave_out_is_what_is_usual():
    bare = {"Id": ID, "Name": "x", "State": {"Status": "created"}}
    seen = engines.Found(None, bare)
    assert (seen.policy, seen.restarts, seen.addresses, seen.labels, seen.up) == (("no", 0), 0, [], {}, False)


@pytest.mark.parametrize(("policy", "words"), [
    ({"Name": "", "MaximumRetryCount": 0}, "no"), ({"Name": "always", "MaximumRetryCount": 0}, "always"),
    ({"Name": "on-failure", "MaximumRetryCount": 5}, "on-failure:5"), ({"Name": "on-failure", "MaximumRetryCount": 0}, "on-failure"),
])
def test_a_policy_in_words(policy, words):
    assert found(RestartPolicy=policy).policy_words == words


@pytest.mark.parametrize(("reference", "meant"), [
    ("nova_api", True), (ID, True), (ID[:12], True), (ID[:20], True),
    ("nova", False), ("nova_api_old", False), ("NOVA_API", False), ("/nova_api", False), (ID[:11], False), (ID[1:], False), ("", False),
])
def test_a_container_is_called_by_its_exact_name_or_id(reference, meant):
    assert found().is_called(reference) is meant


def test_another_run_of_a_container_is_not_the_same():
    step = _container_steps.Unpause.make(found())
    assert found().same_run(step)
    assert not found(StartedAt="2026-11-20T10:00:01Z").same_run(step)
    assert not found(Id="5" * 64).same_run(step)


@pytest.mark.parametrize(("policy", "unit", "number", "comes"), [
    ("always", None, signal.SIGKILL, True), ("unless-stopped", None, signal.SIGTERM, True), ("no", None, signal.SIGKILL, False),
    ("on-failure", None, signal.SIGKILL, True), ("on-failure", None, signal.SIGTERM, None),
    ("no", "always", signal.SIGKILL, True), ("no", "on-failure", signal.SIGKILL, True), ("no", "no", signal.SIGKILL, False),
])
def test_what_brings_a_killed_container_back(policy, unit, number, comes):
    class Unit:
        up = True
        restart = unit

    container = _containers.Container("nova_api", {})
    container.found, container.unit = found(RestartPolicy={"Name": policy}), Unit() if unit else None
    assert container.comes_back_from(number) is comes


def test_a_policy_that_has_used_up_its_retries_brings_nothing_back():
    container = _containers.Container("nova_api", {})
    container.found = found(RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 3}, RestartCount=3)
    assert container.comes_back_from(signal.SIGKILL) is False


@pytest.mark.parametrize(("policy", "lasts", "unit", "steps"), [
    ("no", False, None, ["start the container nova_api"]),
    ("always", False, None, ["give the container nova_api its restart policy always back", "start the container nova_api"]),
    # what Podman has stopped stays down
    ("always", True, None, ["start the container nova_api"]),
    ("no", False, "kolla-nova_api-container.service", ["start kolla-nova_api-container.service"]),
])
def test_the_undo_of_a_stop(policy, lasts, unit, steps):
    class Unit:
        up = True
        name = unit

    container = _containers.Container("nova_api", {})
    container.found, container.unit = found(RestartPolicy={"Name": policy}), Unit() if unit else None
    container.found.engine.stop_lasts = lasts
    assert [_steps.describe(step) for step in container.start_steps()] == steps


@pytest.mark.parametrize(("about", "version"), [
    ({"ApiVersion": "1.41", "MinAPIVersion": "1.12"}, "v1.41"),
    ({"ApiVersion": "1.52", "MinAPIVersion": "1.44"}, "v1.44"),
    ({"ApiVersion": "1.50", "MinAPIVersion": "1.24"}, "v1.41"),
    ({"ApiVersion": "1.24"}, "v1.24"),
    ({}, "v1.41"),
])
def test_the_version_is_one_that_both_sides_speak(about, version):
    assert engines.Api._negotiated(about) == version


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """docker(path -> (status, body)): an engine of our own at a socket of its own; what it was asked is in docker.asked."""
    servers = []

    def serve(answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self):
                return "unix"

            def log_message(self, *_words):
                """Say nothing."""

            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                serve.asked.append((self.command, self.path, self.rfile.read(length).decode()))
                status, body = answers.get(self.path, (404, {"message": "No such container"}))
                raw = body if isinstance(body, bytes) else json.dumps(body).encode() if status != 204 else b""
                self.send_response(status)
                if status not in (204, 304):
                    self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                if status not in (204, 304):
                    self.wfile.write(raw)

            do_POST = do_GET

        serve.asked = []
        server = Server(str(tmp_path / "docker.sock"), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return engines.engine("docker")

    monkeypatch.setattr(engines, "_SOCKETS", {"docker": (str(tmp_path / "docker.sock"),), "podman": (str(tmp_path / "podman.sock"),)})
    monkeypatch.setattr(engines, "which", lambda name: "/usr/bin/docker" if name == "docker" else None)
    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


VERSION = {"/version": (200, {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Components": [{"Name": "Engine"}]})}


def test_an_engine_is_asked_at_its_socket(docker):
    engine = docker({
        **VERSION,
        "/v1.41/containers/nova_api/json": (200, told()),
        "/v1.41/containers/json?all=true": (200, [{"Id": ID, "Names": ["/nova_api"]}, {"Id": "1", "Names": ["/keystone"]}]),
        f"/v1.41/containers/{ID}/pause": (204, None), f"/v1.41/containers/{ID}/stop": (304, None),
        f"/v1.41/containers/{ID}/update": (200, {"Warnings": None}),
    })
    seen = engine.look("nova_api")
    assert seen.name == "nova_api" and not engine.stop_lasts
    assert engine.containers() == ["keystone", "nova_api"]
    engine.order("pause", seen)
    # one that is down already
    engine.stop(seen)
    engine.set_policy(seen, "on-failure", 5)
    assert json.loads(docker.asked[-1][2]) == {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}}
    assert [asked[0] for asked in docker.asked] == ["GET", "GET", "GET", "POST", "POST", "POST"]


def test_a_prefix_that_the_engine_would_take_is_not_taken(docker):
    engine = docker({**VERSION, "/v1.41/containers/4f5/json": (200, told())})
    assert engine.look("4f5") is None and engine.look("nothing") is None


def test_a_name_is_never_part_of_the_path(docker):
    engine = docker(VERSION)
    assert engine.look("../../images/x?y=1") is None
    assert docker.asked[-1][1] == "/v1.41/containers/..%2F..%2Fimages%2Fx%3Fy%3D1/json"


def test_podman_in_the_place_of_docker_is_known(docker):
    engine = docker({"/version": (200, {"ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]})})
    assert engine.stop_lasts


@pytest.mark.parametrize(("answer", "code", "words"), [
    ((409, {"message": "Container is already paused"}), "engine_refused", "Docker refused POST /v1.41/containers/%s/pause: Container is already paused" % ID),
    ((500, b"oops"), "engine_refused", "oops"),
    ((404, {"message": "No such container"}), "not_found", "Docker knows no container nova_api any more"),
])
def test_a_refusal_says_what_the_engine_says(docker, answer, code, words):
    engine = docker({**VERSION, f"/v1.41/containers/{ID}/pause": answer})
    with pytest.raises(FaultlineError) as caught:
        engine.order("pause", found())
    assert caught.value.code == code and words in caught.value.text


def test_an_engine_that_is_down_is_told_from_one_that_is_not_there(docker, tmp_path):
    with pytest.raises(FaultlineError) as caught:
        engines.engine("docker")
    assert caught.value.code == "engine_down" and "there is no %s" % (tmp_path / "docker.sock") in caught.value.message
    docker(VERSION)
    docker_socket = tmp_path / "docker.sock"
    docker_socket.unlink()
    # a socket that nobody listens at
    dead = socketserver.UnixStreamServer(str(docker_socket), http.server.BaseHTTPRequestHandler)
    dead.server_close()
    with pytest.raises(FaultlineError) as caught:
        engines.engine("docker")
    assert caught.value.code == "engine_down" and "Connection refused" in caught.value.message and "systemctl status docker" in caught.value.text
    with pytest.raises(FaultlineError) as caught:
        engines.engine("podman")
    assert caught.value.code == "no_engine" and "There is no Podman on this host." in caught.value.text


def test_an_engine_that_is_silent_is_given_up_at_its_deadline(docker, tmp_path):
    engine = docker(VERSION)
    silent = socketserver.UnixStreamServer(str(tmp_path / "silent.sock"), http.server.BaseHTTPRequestHandler)
    engine.path = str(tmp_path / "silent.sock")
    try:
        with pytest.raises(FaultlineError) as caught:
            engine.order("pause", found(), seconds=0.2)
    finally:
        silent.server_close()
    assert caught.value.code == "timeout" and "Docker gave no answer" in caught.value.message


@pytest.mark.parametrize(("paths", "driver", "meant"), [
    (["docker"], "auto", ["docker"]), (["podman"], "auto", ["podman"]), (["docker", "podman"], "auto", ["docker", "podman"]),
    (["docker"], "podman_container", ["podman"]), ([], "docker_container", ["docker"]),
])
def test_the_engines_that_a_driver_means(tmp_path, monkeypatch, paths, driver, meant):
    monkeypatch.setattr(engines, "_SOCKETS", {name: (str(tmp_path / name),) for name in ("docker", "podman")})
    monkeypatch.setattr(engines, "which", lambda name: None)
    for name in paths:
        (tmp_path / name).touch()
    assert engines.names(driver) == meant


def test_a_host_without_engines_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_SOCKETS", {name: (str(tmp_path / name),) for name in ("docker", "podman")})
    monkeypatch.setattr(engines, "which", lambda name: None)
    with pytest.raises(FaultlineError) as caught:
        engines.names("auto")
    assert caught.value.code == "no_engine" and "neither Docker nor Podman" in caught.value.message


def test_docker_that_is_podman_is_asked_once(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_SOCKETS", {name: (str(tmp_path / name),) for name in ("docker", "podman")})
    (tmp_path / "podman").touch()
    (tmp_path / "docker").symlink_to(tmp_path / "podman")
    assert engines.names("auto") == ["podman"]


@pytest.mark.parametrize(("lines", "group"), [
    ("0::/docker/%s\n" % ID, "/docker/%s" % ID),
    ("0::/system.slice/docker-%s.scope\n" % ID, "/system.slice/docker-%s.scope" % ID),
    ("0::/machine.slice/libpod-%s.scope/container\n" % ID, "/machine.slice/libpod-%s.scope" % ID),
    ("12:freezer:/docker/{0}\n1:name=systemd:/docker/{0}/init.scope\n0::/\n".format(ID), "/docker/%s" % ID),
    # a container that shares the host's control group has none of its own
    ("1:name=systemd:/\n0::/\n", ""), ("0::/docker/%s\n" % ("5" * 64), ""),
])
def test_the_control_group_of_a_container(monkeypatch, lines, group):
    rows = [tuple(line.split(":", 2)[1:]) for line in lines.splitlines()]
    monkeypatch.setattr(_containers, "_memberships", lambda pid: rows)
    assert _containers._control_group(1, ID) == group


V1 = [("freezer", f"/docker/{ID}"), ("name=systemd", f"/docker/{ID}"), ("", "/")]
V2 = [("", f"/system.slice/docker-{ID}.scope")]


@pytest.mark.parametrize(("rows", "files", "frozen"), [
    (V1, {f"/sys/fs/cgroup/freezer/docker/{ID}/freezer.state": "FROZEN\n"}, True),
    (V1, {f"/sys/fs/cgroup/freezer/docker/{ID}/freezer.state": "THAWED\n"}, False),
    (V1, {f"/sys/fs/cgroup/freezer/docker/{ID}/freezer.state": "FREEZING\n"}, False),
    # version 1 and 2 side by side: that which freezes counts
    (V1, {f"/sys/fs/cgroup/freezer/docker/{ID}/freezer.state": "FROZEN\n", "/sys/fs/cgroup/unified/cgroup.events": "frozen 0\n"}, True),
    (V2, {f"/sys/fs/cgroup/system.slice/docker-{ID}.scope/cgroup.events": "populated 1\nfrozen 1\n"}, True),
    (V2, {f"/sys/fs/cgroup/system.slice/docker-{ID}.scope/cgroup.events": "populated 1\nfrozen 0\n"}, False),
    # nothing that we may see
    (V2, {}, None), ([], {}, None),
])
def test_what_the_kernels_freezer_says(monkeypatch, rows, files, frozen):
    monkeypatch.setattr(_containers, "_memberships", lambda pid: rows)
    monkeypatch.setattr(_containers, "_says", lambda path, line: line in files[path].splitlines() if path in files else None)
    assert _containers.frozen(found().main) is frozen


def test_a_network_namespace_is_entered_through_whoever_is_in_it():
    ours = {"namespace": list(_namespaces.identity("/proc/self/ns/net")), "sandbox": "/run/docker/netns/gone"}
    nsenter, way, end = _container_steps.DeleteTableInside.entrance(ours)
    assert (nsenter, end) == ("nsenter", "--") and _namespaces.identity(way.removeprefix("--net=")) == tuple(ours["namespace"])
    # the kernel has let it go
    assert _container_steps.DeleteTableInside.entrance({**ours, "namespace": [1, 1]}) is None


@pytest.mark.parametrize(("there", "undone", "notes"), [
    # nobody has changed it
    (("no", 0), ("on-failure", 5), ""),
    # somebody has given it back already
    (("on-failure", 5), None, ""),
    (("always", 0), None, "the restart policy of nova_api was changed to always meanwhile and was left alone"),
])
def test_a_policy_that_somebody_has_changed_is_left_alone(monkeypatch, there, undone, notes):
    given = []
    now = found(RestartPolicy={"Name": there[0], "MaximumRetryCount": there[1]})
    now.engine.set_policy = lambda _found, name, retries: given.append((name, retries))
    step = _container_steps.RestorePolicy.make(found(RestartPolicy={"Name": "on-failure", "MaximumRetryCount": 5}))
    monkeypatch.setattr(_container_steps, "_look", lambda step, by="id", patience=0: now)
    assert _container_steps.RestorePolicy.undo(step) == notes and given == ([undone] if undone else [])
