# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP listener of the orchestrator, as a process that real clients speak to."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import pathlib
import socket
import subprocess
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lab_nodes import PASSWORD, wait_for
from lab_ports import free_port
from patience import HANG, more_time
from rug_listener import Listener

aiohttp = pytest.importorskip("aiohttp")

TOKEN = "0123456789abcdef0123"
NOBODY = "00000000-0000-4000-8000-000000000000"
LOGIN = {"Authorization": f"Bearer {TOKEN}"}
PLENTY = {"rate": 10_000, "burst": 10_000}


@pytest.fixture
def start(tmp_path):
    """start(**args): a listener that is up; gone at the end."""
    begun = []

    def begin(**args):
        begun.append(Listener(tmp_path, **args))
        return begun[-1].up()

    yield begin
    for each in begun:
        each.end()


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    """One with a token, for what changes nothing; its cloud does not answer."""
    found = Listener(tmp_path_factory.mktemp("rug"), token=TOKEN, **PLENTY).up()
    yield found
    assert found.end() == 0
    assert "A request failed" not in found.log.read_text() and "never retrieved" not in found.log.read_text()


def event(name, scope, source="rug_api", routers=(), project="", reason=""):
    return {"faultline_router": {"event": name, "routers": list(routers), "scope": scope, "project": project, "reason": reason, "source": source}}


# ---- what a command is, with ids of a real cloud


@pytest.fixture
def router(nova):
    found = nova.sdk.network.create_router(name="{{ 7 * 7 }}")
    yield found
    nova.sdk.network.delete_router(found)


def test_each_command_is_one_event_of_ids_and_fixed_words(nova, router, start):
    listener, project = start(auth=nova.auth, region_name="RegionOne"), nova.sdk.current_project_id
    wanted = [
        ("/poll/", event("poll", "all")),
        *[(f"/{noun}/{verb}/{router.id}", event(verb, "routers", routers=[router.id])) for noun, verb in (
            ("router", "rebuild"), ("router", "update"), ("router", "manage"), ("resource", "rebuild"))],
        (f"/router/debug/{router.id.upper()}/?reason=%7B%7B%207*7%20%7D%7D", event("debug", "routers", routers=[router.id], reason="%7B%7B%207%2A7%20%7D%7D")),
        # a reason with it, as Astara took it, and ignored it
        (f"/router/manage/{router.id}/--reason=x", event("manage", "routers", routers=[router.id])),
        ("/router/rebuild/*", event("rebuild", "all")), ("/router/update/error", event("update", "error")), ("/router/debug/error", event("debug", "error")),
        (f"/tenant/debug/{project}/--reason=its%20move", event("debug", "project", project=project, reason="its%20move")),
        (f"/tenant/manage/{project}", event("manage", "project", project=project)),
        ("/global/debug/enable?reason=why", event("debug", "all", reason="why")), ("/global-debug/disable/", event("manage", "all")),
        ("/config/reload/", event("reload", "all")),
    ]
    for number, (path, told) in enumerate(wanted, 1):
        status, body, _headers = listener.ask(path)
        assert (status, body["queued"], set(body)) == (200, True, {"msg", "queued", "waiting"}), body
        assert listener.events(number)[-1] == told
    # all routers that are there, by their ids: the scope all is the mark of the whole cloud
    every = sorted(each.id for each in nova.sdk.network.routers())
    assert listener.ask("/router/debug/*")[0] == 200
    assert listener.events(len(wanted) + 1)[-1] == event("debug", "routers", routers=every)
    for path in (f"/router/rebuild/{NOBODY}", f"/tenant/debug/{NOBODY.replace('-', '')}", f"/router/debug/{project}"):
        status, body, _headers = listener.ask(path)
        assert (status, body["error"]) == (404, "not_found")
    assert len(listener.events()) == len(wanted) + 1


def test_a_router_that_was_made_a_moment_ago_is_known(nova, start):
    listener = start(auth=nova.auth)
    assert listener.ask(f"/router/update/{NOBODY}")[0] == 404
    new = nova.sdk.network.create_router(name="new")
    try:
        wait_for(lambda: listener.ask(f"/router/update/{new.id}")[0] == 200)
    finally:
        nova.sdk.network.delete_router(new)


def test_a_thousand_requests_at_once_are_answered_and_it_goes_on(nova, router, start):
    listener = start(auth=nova.auth, pace=1)
    url = f"http://127.0.0.1:{listener.port}/router/update/{router.id}"

    async def burst():
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            async def one(number):
                # half of them about nobody
                async with session.put(url if number % 2 else url.replace(router.id, f"{number:032x}")) as answer:
                    return answer.status, answer.headers.get("Retry-After"), set(await answer.json())
            return await asyncio.gather(*(one(number) for number in range(1000)))

    begun = time.monotonic()
    told = asyncio.run(burst())
    counted = collections.Counter(status for status, _again, _keys in told)
    assert sum(counted.values()) == 1000 and set(counted) <= {200, 404, 429, 503} and counted[200] and counted[404] and counted[429] + counted[503], counted
    for status, again, keys in told:
        assert keys == ({"msg", "queued", "waiting"} if status == 200 else {"error", "msg", "hint"})
        assert (again is not None) == (status in (429, 503))
    # equal commands that wait are one
    assert {json.dumps(each) for each in listener.events(1)} == {json.dumps(event("update", "routers", routers=[router.id]))}
    assert len(listener.events()) <= 2 + time.monotonic() - begun
    wait_for(lambda: listener.ask("/poll/")[0] == 200)


def test_workers_debug_tells_what_the_machines_know_and_what_is_in_debug(nova, router, start, tmp_path):
    states = tmp_path / "states"
    states.mkdir()
    (states / f"{router.id}.json").write_text('{"state": "alive", "rebuilds": 2}')
    nova.sdk.network.set_tags(router, ["faultline-debug", "faultline-debug-reason=its%20NAT"])
    listener = start(auth=nova.auth)
    told = wait_for(lambda: (told := listener.ask("/workers/debug/")[1])["marks"] and told)
    assert told["routers"] == [{"id": router.id, "state": "alive", "rebuilds": 2}] and told["count"] == 1
    assert told["marks"] == {"global": None, "projects": [], "routers": [{"id": router.id, "reason": "its NAT"}]} and told["marks_error"] == ""
    assert told["sources"]["rug_api"]["listening"] == ["127.0.0.1", "::1"] and told["sources"]["rug_api"]["port"] == listener.port
    assert told["uptime"] >= 0 and (told["waiting"], told["room"], told["reloads"]) == (0, 1000, 0) and PASSWORD not in json.dumps(told)
    listener.ask("/config/reload/")
    assert listener.ask("/workers/debug/")[1]["reloads"] == 1


# ---- what is refused


@pytest.mark.parametrize(("path", "request_", "status", "code"), [
    *[("/poll/", {"method": method}, 405, "bad_method") for method in ("GET", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE")],
    ("/", {}, 404, "unknown_command"), ("/router/explode/x", {}, 404, "unknown_command"), ("/browse/", {}, 501, "interactive"),
    (f"/ssh/{NOBODY}/", {}, 501, "interactive"), ("/poll/now", {}, 400, "bad_arguments"), ("/router/rebuild/", {}, 400, "bad_arguments"),
    (f"/router/rebuild/{NOBODY}/{NOBODY}", {}, 400, "no_image"), ("/global/debug/perhaps", {}, 400, "bad_arguments"),
    (f"/router/debug/{NOBODY}", {"body": b"no"}, 400, "bad_arguments"), ("/router/debug/web", {}, 404, "not_found"),
    ("/poll/", {"headers": {}}, 401, "unauthorized"), ("/poll/", {"headers": {"Authorization": f"Basic {TOKEN}"}}, 401, "unauthorized"),
    ("/poll/", {"headers": {"Authorization": "Bearer " + TOKEN[:-1]}}, 401, "unauthorized"),
    ("/poll/", {"headers": {"X-Auth-Token": "\xe9" * 20}}, 401, "unauthorized"), ("/nope", {"headers": {}, "method": "GET"}, 401, "unauthorized"),
    ("/poll/", {"headers": {**LOGIN, "Origin": "http://evil.example"}}, 403, "browser"), ("/poll/", {"headers": {**LOGIN, "Origin": "null"}}, 403, "browser"),
    ("/poll/", {"body": b"x" * 10_000_000}, 413, "too_large"), ("/poll/", {"headers": {"Origin": "x"}, "body": b"x" * 70_000}, 403, "browser"),
    # the cloud cannot be reached
    (f"/router/rebuild/{NOBODY}", {}, 503, "no_answer"), ("/router/manage/*", {}, 503, "no_answer"), (f"/tenant/debug/{NOBODY}", {}, 503, "no_answer"),
])
def test_what_is_wrong_has_its_status_and_it_still_answers(listener, path, request_, status, code):
    try:
        told, body, headers = listener.ask(path, **{"headers": LOGIN, **request_})
    except ConnectionError:
        # a client that cannot but send all of a body sees no answer
        assert status == 413
        told, body, headers = listener.ask(path, headers={**LOGIN, "Content-Length": "10000000"})
    assert (told, body["error"], set(body)) == (status, code, {"error", "msg", "hint"}) and body["msg"]
    assert TOKEN not in json.dumps(body) and headers["Server"] == "faultline"
    assert headers["Allow"] == ("PUT" if status == 405 else None)
    assert headers["WWW-Authenticate"] == ('Bearer realm="faultline"' if status == 401 else None)
    assert (headers["Retry-After"] is not None) == (status == 503)
    assert listener.ask("/workers/debug/", headers={"X-Auth-Token": TOKEN})[0] == 200


def test_a_head_is_refused_without_a_body(listener):
    status, body, headers = listener.ask("/poll/", method="HEAD", headers=LOGIN)
    assert (status, body, headers["Allow"]) == (405, None, "PUT")


def test_without_the_cloud_workers_debug_answers(listener):
    status, told, _headers = listener.ask("/workers/debug", headers=LOGIN)
    assert status == 200 and told["marks"] is None and "127.0.0.1:9" in told["marks_error"]


def test_curl_sends_a_body_of_ten_megabytes_and_is_told(listener, tmp_path):
    (tmp_path / "body").write_bytes(b"x" * 10_000_000)
    for more in ([], ["-H", "Expect:"], ["-H", "Transfer-Encoding: chunked"]):
        done = subprocess.run(
            ["curl", "-gsS", "-X", "PUT", "-H", f"X-Auth-Token: {TOKEN}", "--data-binary", f"@{tmp_path}/body", "-w", "%{http_code}", "-m", str(HANG), *more,
             f"http://[::1]:{listener.port}/poll/"], capture_output=True, text=True, check=False)
        assert done.stdout.endswith("}\n413"), (more, done)


def test_a_body_that_is_too_large_is_not_waited_for(listener):
    """One that was waited for would end with 408."""
    head = f"PUT /poll/ HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {TOKEN}\r\n"
    assert listener.raw(f"{head}Content-Length: 10000000\r\n\r\nxxx".encode()).startswith(b"HTTP/1.1 413 ")
    # one that does not tell how long it is, and does not end
    assert listener.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"4000\r\n" + b"x" * 0x4000 + b"\r\n" + b"8000\r\n" + b"x" * 0x8000 + (
        b"\r\n8000\r\n" + b"x" * 0x8000)).startswith(b"HTTP/1.1 413 ")


statuses = {200, 400, 401, 403, 404, 405, 408, 413, 501, 503}
pieces = st.sampled_from([
    "poll", "router", "debug", "rebuild", "*", "error", "workers", "global", "enable", NOBODY, "..", "%", "%2f", "%00", "?reason=", ";", "#", "//"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pieces | st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=6), max_size=6))
@example(["router", "debug", "%ff%fe"])
def test_no_path_is_an_inner_error(listener, path):
    line = ("PUT /" + "/".join(path)).encode("latin-1", "replace")
    told = listener.raw(line + f" HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {TOKEN}\r\n\r\n".encode())
    head, _end, body = told.partition(b"\r\n\r\n")
    assert int(head.split()[1]) in statuses, told
    assert set(json.loads(body)) >= {"msg"}


@pytest.mark.parametrize("text", [
    b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"PUT /poll/ HTTP/9.9\r\n\r\n", b"PUT /poll/ HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    b"PUT poll HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PUT * HTTP/1.1\r\nHost: x\r\n\r\n", b"PUT http://[ HTTP/1.1\r\nHost: x\r\n\r\n", b"PUT /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"PUT /poll/ HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", b"PUT /poll/ HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    b"PUT /poll/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"PUT /poll/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"BREW /poll/ HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n",
], ids=lambda text: f"{len(text)} bytes, {text[:44]!r}")
def test_what_is_no_http_is_refused_in_the_same_shape(listener, text):
    told = listener.raw(text)
    head, _end, body = told.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"401", b"404", b"405"), told
    assert set(json.loads(body)) == {"error", "msg", "hint"}
    assert listener.ask("/workers/debug/", headers=LOGIN)[0] == 200


# ---- limits


def test_slow_clients_are_closed_and_others_are_told_to_come_again(start):
    for seconds in more_time(1):
        listener = start(connections=20, timeout=seconds, **PLENTY)
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(socket.create_connection(("127.0.0.1", listener.port))) for _each in range(20)]
            for each in slow:
                each.sendall(b"PUT /poll/ HTTP/1.1\r\nX-")
            status, body, headers = listener.ask("/poll/")
            # or some were closed before this one came
            if status == 503:
                break
    assert (status, body["error"], headers["Retry-After"]) == (503, "full", "1")


def test_a_byte_now_and_then_does_not_keep_a_connection(start):
    listener = start(connections=20, timeout=1, **PLENTY)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", listener.port))) for _each in range(20)]

        def drip():
            for each in slow:
                with contextlib.suppress(OSError):
                    each.sendall(b"a")
            return all(closed(each) for each in slow)

        wait_for(drip)
        assert listener.ask("/poll/")[0] == 200


def closed(sock):
    """Whether the other end has closed a connection."""
    sock.setblocking(False)
    try:
        return sock.recv(65536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_slow_body_is_told_and_closed(start):
    listener = start(timeout=0.5)
    told = listener.raw(b"PUT /poll/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
    assert told.startswith(b"HTTP/1.1 408 ") and b'"slow"' in told


def test_who_is_refused_does_not_use_up_what_others_may_do(start):
    # one more each so many seconds
    for seconds in (1, 10):
        listener = start(token=TOKEN, rate=1 / seconds, burst=3)
        begun = time.monotonic()
        refused = [listener.ask("/poll/")[0] for _each in range(5)]
        allowed = [listener.ask("/poll/", headers=LOGIN)[0] for _each in range(3)]
        status, body, headers = listener.ask("/poll/", headers=LOGIN)
        if time.monotonic() - begun < seconds:
            break
    assert refused == [401, 401, 401, 429, 429] and allowed == [200, 200, 200]
    assert (status, body["error"]) == (429, "too_many") and 1 <= int(headers["Retry-After"]) <= seconds
    wait_for(lambda: listener.ask("/poll/", headers=LOGIN)[0] == 200)


def test_commands_that_wait_have_a_limit_and_equal_ones_wait_once(start):
    listener = start(takes=False, waiting=2)
    # the first is taken by the queue of the rules
    assert listener.ask("/poll/")[1]["waiting"] == 1
    wait_for(lambda: listener.ask("/workers/debug/")[1]["waiting"] == 0)
    for path, queued in (("/router/rebuild/error", "queued"), ("/poll/", "queued"), ("/poll/", "queued before")):
        status, body, _headers = listener.ask(path)
        assert (status, body["msg"].rpartition("; ")[2]) == (200, queued)
    status, body, headers = listener.ask("/router/update/error")
    assert (status, body["error"], headers["Retry-After"]) == (503, "busy", "1")
    assert listener.end() == 0 and "2 commands were not taken any more" in listener.log.read_text()


# ---- where it listens, and who may speak


def test_it_listens_on_both_loopbacks_by_default_and_ends_cleanly(start):
    # by itself it would close one that says nothing later than any hang
    listener = start(timeout=2 * HANG)
    assert [listener.ask("/poll/", host=host)[0] for host in ("127.0.0.1", "::1")] == [200, 200]
    with socket.create_connection(("127.0.0.1", listener.port)):
        assert listener.end() == 0
    with socket.create_server(("127.0.0.1", listener.port)):
        pass
    assert "Task was destroyed" not in listener.log.read_text() and "never retrieved" not in listener.log.read_text()


@pytest.mark.parametrize(("args", "text"), [
    ({"host": "0.0.0.0"}, "RuntimeError: rug_api: Off loopback (0.0.0.0) a token is required, and there is none. Give token or token_file, with at least 16 "),
    ({"host": ["127.0.0.1", "::"]}, "RuntimeError: rug_api: Off loopback (::) a token is required, and there is none."),
    ({"host": "198.51.100.7", "token": TOKEN}, "RuntimeError: rug_api: It cannot listen on 198.51.100.7 port "),
    ({"host": "no.such.host.invalid"}, "RuntimeError: rug_api: host: no.such.host.invalid is no address of this machine: "),
    ({"token": "short"}, "RuntimeError: rug_api: token has to be at least 16 characters of ASCII, without spaces."),
    ({"prot": 1}, "RuntimeError: rug_api: There is no option prot. Did you mean port?"),
])
def test_it_refuses_to_begin_with_an_error_that_says_why(tmp_path, args, text):
    listener = Listener(tmp_path, **args)
    assert listener.process.wait(HANG) == 1
    log = listener.log.read_text()
    assert log.splitlines()[-1].startswith(text), log


def test_a_port_that_is_taken_is_told(tmp_path):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        listener = Listener(tmp_path, port=port)
        assert listener.process.wait(HANG) == 1
    assert f"It cannot listen on 127.0.0.1 port {port}: Address already in use. Another program listens there" in listener.log.read_text()


def test_off_loopback_with_tls_and_a_token_that_is_read_again(start, tmp_path):
    cert, token = tmp_path / "cert.pem", tmp_path / "token"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,IP:::1", "-keyout", str(tmp_path / "key.pem"), "-out", str(cert)], check=True, capture_output=True)
    token.write_text(TOKEN)
    listener = start(host=["127.0.0.1", "::"], certfile=str(cert), keyfile=str(tmp_path / "key.pem"), token_file=str(token))
    for host in ("127.0.0.1", "::1"):
        assert listener.ask("/poll/", tls=str(cert), host=host)[0] == 401
        assert listener.ask("/poll/", tls=str(cert), host=host, headers=LOGIN)[0] == 200
    # what is wrong leaves the old one
    token.write_text("short")
    status, body, _headers = listener.ask("/config/reload/", tls=str(cert), headers=LOGIN)
    assert (status, body["error"]) == (500, "bad_option")
    token.write_text("a-new-one-" + TOKEN)
    assert listener.ask("/config/reload/", tls=str(cert), headers=LOGIN)[0] == 200
    assert listener.ask("/poll/", tls=str(cert), headers=LOGIN)[0] == 401
    assert listener.ask("/poll/", tls=str(cert), headers={"Authorization": "bearer a-new-one-" + TOKEN})[0] == 200
    assert TOKEN not in listener.log.read_text() and TOKEN not in pathlib.Path(f"/proc/{listener.process.pid}/cmdline").read_text()
