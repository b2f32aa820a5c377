# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes of each family: what they take for a good answer, what each failure is called, which specifications are refused."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time
import types

import pytest
from patience import HANG, more_time, sleeper, wait_for

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._ha import (
    _children, _dbus, _monitor, _probe_container, _probe_host, _probe_nagios, _probe_network, _probe_openstack, _probe_servers, _probes,
    _sampler, _web,
)

OK_PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def made(kind, **spec):
    """The family of a monitor of this type."""
    spec = {"name": "test", "type": kind, "timeout": HANG, **spec}
    return _probes.family(spec)(spec)


class Server:
    """A server of the event loop that answers each connection by answer(request bytes) -> bytes, or hangs for None."""

    def __init__(self, answer, path=None):
        self.answer, self.path, self.requests = answer, path, []

    async def _serve(self, reader, writer):
        request = await reader.read(65536)
        self.requests.append(request)
        told = self.answer(request)
        if told is None:
            await asyncio.sleep(60)
        writer.write(told)
        writer.close()

    async def __aenter__(self):
        if self.path:
            self.server = await asyncio.start_unix_server(self._serve, self.path)
        else:
            self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_failure):
        self.server.close()


def outcomes(family, rounds=1):
    """[{series: (error, value)}] of some rounds of a family's calls, as the sampler takes them."""

    class Kept:
        due = 0

        def __init__(self):
            self.samples = []

        def add(self, sample):
            self.samples.append(sample)

    async def sample():
        await family.prepare()
        found = []
        for _each in range(rounds):
            kept = Kept()
            sampler = _sampler.Sampler(family, kept, _monitor._clock.Clock())
            for call in family.calls:
                await sampler._take(call, 0.0)
            found.append({each["series"]: (each.get("error"), each.get("value")) for each in kept.samples})
        await family.close()
        return found

    return sample()


def one(family):
    """(error, value) of a family's one series."""
    (told,) = asyncio.run(outcomes(family))
    assert len(told) == 1
    return next(iter(told.values()))


# ---- specifications

@pytest.mark.parametrize("spec, words", [
    ({"type": "htpt"}, "has the type 'htpt'; it must be one of container, galera, http,"),
    ({"type": None}, "has the type None"),
    ({"type": "tcp"}, "has no targets"),
    ({"type": "tcp", "targets": []}, "targets of the monitor 'test' is empty; nothing would be monitored"),
    ({"type": "tcp", "targets": "all"}, "targets of the monitor 'test' is 'all'; it must be a list"),
    ({"type": "tcp", "targets": [{"name": "a", "host": "h"}]}, "entry 1, has no port"),
    ({"type": "tcp", "targets": [{"name": "a", "host": "h", "port": 70000}]}, "port of the target 'a' is 70000"),
    ({"type": "tcp", "targets": [{"name": "a", "host": "h", "port": True}]}, "is True; it must be a whole number"),
    ({"type": "tcp", "targets": [{"name": "a", "host": "h", "port": 1, "prot": 2}]}, "has the unknown key 'prot'; known are host, name, port, via"),
    ({"type": "tcp", "targets": [{"name": "a", "host": "h", "port": 1}] * 2}, "has two series 'a'"),
    ({"type": "tcp", "rate": 0, "targets": [{"name": "a", "host": "h", "port": 1}]}, "rate of the monitor 'test' is 0; it must be above 0 and at most 100"),
    ({"type": "tcp", "timeout": 1e6, "targets": [{"name": "a", "host": "h", "port": 1}]}, "timeout of the monitor 'test' is 1e+06"),
    ({"type": "tcp", "group": "apis", "targets": [{"name": "a", "host": "h", "port": 1}]}, "group of the monitor 'test' is 'apis'; it must be one of api,"),
    ({"type": "http", "targets": [{"name": "a", "url": "ftp://x"}]}, "url of the target 'a' is 'ftp://x'; it must be http://HOST"),
    ({"type": "http", "targets": [{"name": "a", "url": "http://x/ y"}]}, "it must be http://HOST"),
    ({"type": "http", "targets": [{"name": "a", "url": "http://x:y/"}]}, "url of the target 'a' is 'http://x:y/'"),
    ({"type": "http", "targets": [{"name": "a", "url": "http://u:p@x/"}]}, "has a user name in it"),
    ({"type": "http", "targets": [{"name": "a", "url": "http://x", "status": ["200"]}]}, "status of the target 'a' has '200'"),
    ({"type": "http", "targets": [{"name": "a", "url": "http://x", "headers": {"A": "b\r\nC: d"}}]}, "has a line break in it"),
    ({"type": "systemd", "units": [1]}, "units of the monitor 'test' has the entry 1; it must be text"),
    ({"type": "process", "patterns": {"a": "("}}, "which is not a regular expression"),
    ({"type": "process", "patterns": {"a": "b"}, "count": 0}, "count of the monitor 'test' is 0"),
    ({"type": "container", "containers": ["a"], "engine": "lxc"}, "engine of the monitor 'test' is 'lxc'"),
    ({"type": "livestatus", "address": "here"}, "it must be host:port or /path"),
    ({"type": "livestatus", "address": "/run/live", "filter": ["a\nGET hosts"]}, "it must be one line of text"),
    ({"type": "servers", "probe": "tcp", "targets": [{"name": "a", "address": "::1"}]}, "probe of the monitor 'test' is 'tcp'"),
    ({"type": "openstack_api", "requests": [{"service": "keystone", "url": "http://x/"}]}, "asks Keystone for tokens but has no auth"),
    ({"type": "openstack_api", "requests": [{"service": "nova", "url": "http://x/", "kind": "list"}]}, "kind of the request for nova is 'list'"),
    ({"type": "openstack_api", "requests": [{"service": "nova", "url": "http://x/"}], "auth": {"url": "http://x"}}, "has neither a user with a password"),
    ({"type": "rabbitmq", "url": "http://x:15672", "auth": {"username": "a"}}, "auth of the monitor 'test' has no password"),
    ({"type": "nagios_plugin", "command": []}, "command of the monitor 'test' is empty"),
])
def test_a_specification_that_is_wrong_is_refused_by_the_key(spec, words):
    with pytest.raises(FaultlineError) as failed:
        made(spec.pop("type"), **spec)
    assert failed.value.code == "bad_spec" and words in failed.value.message


@pytest.mark.parametrize("target, spec, name, group, via", [
    ({}, {}, "mysql", "network", None), ({"via": "vip"}, {"group": "app"}, "mysql via vip", "app", "vip"),
    ({}, {"host": "ctl1"}, "mysql on ctl1", "network", "ctl1"),
])
def test_series_are_named_by_what_they_are_of_and_how_it_is_seen(target, spec, name, group, via):
    family = made("tcp", targets=[{"name": "mysql", "host": "h", "port": 1, **target}], **spec)
    assert family.series == {name: {"group": group, "subject": "mysql", "via": via}}


def test_a_name_that_does_not_resolve_is_an_error_at_the_start():
    with pytest.raises(FaultlineError) as failed:
        asyncio.run(made("tcp", targets=[{"name": "a", "host": "nowhere.invalid", "port": 1}]).prepare())
    assert failed.value.code == "unresolved" and "nowhere.invalid cannot be resolved" in failed.value.message


# ---- http

def page(answer, hangs=False, **target):
    """(error, value) of one look at a server that answers so."""
    async def look():
        async with Server(answer if callable(answer) else lambda _request: answer) as server:
            target.setdefault("url", f"http://127.0.0.1:{server.port}/a?b=c")
            (told,) = await outcomes(made("http", timeout=0.5 if hangs else HANG, targets=[{"name": "web", **target}]))
            return (*told["web"], server.requests)

    return asyncio.run(look())


@pytest.mark.parametrize("answer, target, error", [
    (OK_PAGE, {}, None),
    (OK_PAGE, {"contains": "ell"}, None),
    (OK_PAGE, {"contains": "hell no"}, "the text is not there"),
    (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", {"contains": "the end"}, None),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", {"contains": "hello"}, None),
    (b"HTTP/1.1 204 No Content\r\n\r\n", {}, None),
    (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", {}, None),
    (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", {"status": [200]}, "status 302"),
    (b"HTTP/1.1 300 Multiple\r\nContent-Length: 0\r\n\r\n", {"status": [200, 300]}, None),
    (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", {}, "status 503"),
    (b"", {}, "connection closed without an answer"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhell", {}, "connection closed in the middle of the answer"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", {}, "not understood: IncompleteRead"),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", {}, "not understood: SSH-2.0"),
    (lambda _request: None, {}, "no answer within 0.5 s"),
    (OK_PAGE, {"url": "http://127.0.0.1:1/"}, "connection refused"),
    (OK_PAGE, {"url": "https://127.0.0.1:1/"}, "connection refused"),
])
def test_what_a_page_has_to_answer(answer, target, error):
    found, value, _requests = page(answer, hangs=(error or "").startswith("no answer"), **target)
    assert (found or "").startswith(error or "") and bool(found) is bool(error)
    if error is None or error.startswith(("status", "the text")):
        assert value["status"] in (200, 204, 300, 302, 503)


def test_a_request_is_what_was_asked_for_on_a_connection_of_its_own():
    _error, _value, (request,) = page(OK_PAGE, method="POST", headers={"X-One": "1"}, body="data")
    head, _blank, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:") and b"\r\nConnection: close\r\n" in head
    assert b"\r\nX-One: 1\r\nContent-Length: 4" in head and body == b"data"


def test_a_large_page_is_read_as_far_as_it_is_kept(monkeypatch):
    monkeypatch.setattr(_web, "MOST", 100)
    error, value, _requests = page(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000, contains="xxx")
    assert error is None and value == {"status": 200}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(certificate, key) of 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=here",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    return str(folder / "cert"), str(folder / "key")


@pytest.mark.parametrize("target, error", [({"verify": False}, None), ({"ca_file": True}, None), ({}, "certificate verify failed")])
def test_certificates_are_checked_unless_told_otherwise(certificate, target, error):
    import ssl

    if target.get("ca_file"):
        target = {"ca_file": certificate[0]}

    async def look():
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        serving = Server(lambda _request: OK_PAGE)
        server = await asyncio.start_server(serving._serve, "127.0.0.1", 0, ssl=context)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        (told,) = await outcomes(made("http", targets=[{"name": "web", "url": url, **target}]))
        server.close()
        return told["web"][0]

    found = asyncio.run(look())
    assert found is None if error is None else error in found


# ---- openstack_api

AUTH = {"url": None, "username": "admin", "password": "secret", "project_name": "admin"}
NOVA = {"services": [{"binary": "nova-compute", "host": "cmp1", "state": "up"}, {"binary": "nova-compute", "host": "cmp2", "state": "down"}]}


class Cloud:
    """Keystone and Nova: tokens are numbers, and those below `oldest` are refused."""

    def __init__(self, life=3600):
        self.issued, self.oldest, self.bodies, self.life = 0, 0, [], life
        self.down = False

    def answer(self, request):
        head, _blank, body = request.partition(b"\r\n\r\n")
        if self.down:
            return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        if head.startswith(b"POST /v3/auth/tokens"):
            told = json.loads(body)["auth"]
            self.bodies.append(told)
            if told["identity"]["methods"] == ["token"]:
                if int(told["identity"]["token"]["id"]) < self.oldest:
                    return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            elif told["identity"]["password"]["user"]["password"] != "secret":
                return b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
            self.issued += 1
            expires = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + self.life))
            content = json.dumps({"token": {"expires_at": expires}}).encode()
            return b"HTTP/1.1 201 Created\r\nX-Subject-Token: %d\r\nContent-Length: %d\r\n\r\n%s" % (self.issued, len(content), content)
        token = int(head.lower().split(b"x-auth-token: ")[1].split(b"\r\n")[0])
        if token < self.oldest:
            return b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        content = json.dumps(NOVA).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)


def api(cloud, between=lambda: None, **spec):
    """What two rounds at a cloud say; between() is called before the second."""
    async def look():
        async with Server(cloud.answer) as server:
            url = f"http://127.0.0.1:{server.port}"
            requests = [
                {"service": "keystone", "via": "vip", "url": url + "/v3/auth/tokens"}, {"service": "nova", "via": "ctl1", "url": url + "/v2.1/os-services"}]
            family = made("openstack_api", requests=requests, **{"auth": {**AUTH, "url": url}, **spec})
            await family.prepare()
            found = []
            for turn in range(2):
                told = {}
                for call in family.calls:
                    try:
                        told[call.series[0]] = await call.run()
                    except _probes.Failed as exc:
                        told[call.series[0]] = str(exc)
                found.append(told)
                if not turn:
                    between()
            await family.close()
            return found

    return asyncio.run(look())


def test_an_api_tells_what_of_it_is_up_and_what_is_down():
    first, _second = api(Cloud())
    assert first == {"keystone via vip": {"status": 201}, "nova via ctl1": {"status": 200, "up": 1, "down": 1, "down_names": ["nova-compute@cmp2"]}}


def test_keystone_is_asked_by_token_unless_the_password_is_wanted():
    cloud = Cloud()
    api(cloud)
    assert [body["identity"]["methods"] for body in cloud.bodies] == [["password"], ["token"], ["token"]]
    assert cloud.bodies[0]["scope"] == {"project": {"name": "admin", "domain": {"id": "default"}}}
    cloud = Cloud()
    api(cloud, full_authentication=True)
    assert [body["identity"]["methods"] for body in cloud.bodies] == [["password"]] * 3


def test_a_token_that_is_refused_is_renewed_within_the_probe(monkeypatch):
    monkeypatch.setattr(_probe_openstack, "_AGAIN", 0)
    cloud = Cloud()

    def forget():
        cloud.oldest = cloud.issued + 1

    first, second = api(cloud, forget)
    assert first == second
    assert [body["identity"]["methods"] for body in cloud.bodies].count(["password"]) == 2


def test_a_cloud_that_is_down_is_not_asked_for_tokens_again_and_again():
    cloud = Cloud()

    def fall():
        cloud.down = True

    _first, second = api(cloud, fall)
    assert second == {"keystone via vip": "status 503", "nova via ctl1": "status 503"}


def test_a_token_is_renewed_in_the_background_before_it_expires(monkeypatch):
    monkeypatch.setattr(_probe_openstack, "_STALE", 0.05)
    monkeypatch.setattr(_probe_openstack, "_AGAIN", 0.01)
    cloud = Cloud(life=2)

    async def wait():
        async with Server(cloud.answer) as server:
            token = _probe_openstack.Token("It", _probes.check("auth", {**AUTH, "url": f"http://127.0.0.1:{server.port}/v3"}, _probe_openstack._AUTH))
            await token.prepare()
            first = token.id
            end = time.monotonic() + HANG
            while token.id == first and time.monotonic() < end:
                await asyncio.sleep(0.02)
            await token.close()
            return first, token.id

    first, second = asyncio.run(wait())
    assert (first, second) == ("1", "2")


@pytest.mark.parametrize("auth, words", [
    ({"password": "wrong"}, "got no token at the start: status 401"), ({"url": "http://127.0.0.1:1"}, "got no token at the start: connection refused"),
])
def test_no_token_at_the_start_is_an_error(auth, words):
    async def look():
        async with Server(Cloud().answer) as server:
            url = f"http://127.0.0.1:{server.port}"
            await made("openstack_api", requests=[{"service": "nova", "url": url}], auth={**AUTH, "url": url, **auth}).prepare()

    with pytest.raises(FaultlineError) as failed:
        asyncio.run(look())
    assert failed.value.code == "not_authenticated" and words in failed.value.message and "secret" not in failed.value.message


@pytest.mark.parametrize("auth, identity", [
    ({"user_id": "u", "password": "p"}, {"identity": {"methods": ["password"], "password": {"user": {"id": "u", "password": "p"}}}}),
    ({"username": "u", "user_domain_name": "d", "password": "p", "system_scope": "all"},
     {"identity": {"methods": ["password"], "password": {"user": {"name": "u", "domain": {"name": "d"}, "password": "p"}}},
      "scope": {"system": {"all": True}}}),
    ({"application_credential_id": "i", "application_credential_secret": "s"},
     {"identity": {"methods": ["application_credential"], "application_credential": {"id": "i", "secret": "s"}}}),
    ({"application_credential_name": "n", "username": "u", "application_credential_secret": "s"},
     {"identity": {"methods": ["application_credential"], "application_credential": {
         "name": "n", "user": {"name": "u", "domain": {"id": "default"}}, "secret": "s"}}}),
])
def test_an_authentication_is_written_as_keystone_wants_it(auth, identity):
    assert _probe_openstack.identity("It", _probes.check("auth", {"url": "x", **auth}, _probe_openstack._AUTH)) == {"auth": identity}


@pytest.mark.parametrize("kind, body, value", [
    ("agents", {"agents": [{"binary": "neutron-l3-agent", "host": "net1", "alive": False}, {"binary": "x", "host": "y", "alive": True}]},
     {"status": 200, "up": 1, "down": 1, "down_names": ["neutron-l3-agent@net1"]}),
    ("images", {"images": [1, 2]}, {"status": 200, "count": 2}),
    ("resource_providers", {"resource_providers": []}, {"status": 200, "count": 0}),
    ("plain", "anything", {"status": 200}),
])
def test_lists_are_counted(kind, body, value):
    assert _probe_openstack.judge(kind, _web.Answer(200, {}, json.dumps(body).encode())) == value


def test_a_list_that_is_none_is_no_answer():
    with pytest.raises(_probes.Failed, match="no agents in the answer"):
        _probe_openstack.judge("agents", _web.Answer(200, {}, b'{"versions": []}'))


# ---- tcp, ssh, ping, servers

@pytest.mark.parametrize("kind, answer, error", [
    ("tcp", b"", None), ("ssh", b"SSH-2.0-x\r\n", None), ("ssh", b"hello\r\nSSH-2.0-x\r\n", None),
    ("ssh", b"", "connection closed without an answer"), ("ssh", b"220 smtp\r\n", "connection closed without an answer"),
    ("ssh", b"a\n" * 16, "no SSH server answers there"),
])
def test_what_a_port_has_to_answer(kind, answer, error):
    async def look():
        async def greet(_reader, writer):
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        (told,) = await outcomes(made(kind, targets=[{"name": "a", "host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}]))
        server.close()
        return told["a"][0]

    assert asyncio.run(look()) == error


def may_ping():
    try:
        asyncio.run(made("ping", targets=[{"name": "a", "host": "127.0.0.1"}]).prepare())
    except FaultlineError:
        return False
    return True


@pytest.mark.skipif(not may_ping(), reason="this user may not ping")
@pytest.mark.parametrize("raw", [False, True], ids=["unprivileged", "raw"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_ping(monkeypatch, raw, address):
    if raw and os.geteuid() != 0:
        pytest.skip("raw sockets are root's")
    if raw:
        real = socket.socket

        def only_raw(family=socket.AF_INET, kind=socket.SOCK_STREAM, *more, **keys):
            if kind == socket.SOCK_DGRAM:
                raise PermissionError(13, "Permission denied")
            return real(family, kind, *more, **keys)

        monkeypatch.setattr(_probe_network.socket, "socket", only_raw)
    assert one(made("ping", targets=[{"name": "a", "host": address}])) == (None, None)


@pytest.mark.skipif(not may_ping(), reason="this user may not ping")
def test_an_echo_that_does_not_come_back_is_a_timeout(monkeypatch):
    monkeypatch.setattr(_probe_network.Echo, "_receive", lambda echo: echo._socket.recvfrom(2048))
    assert one(made("ping", timeout=0.3, targets=[{"name": "a", "host": "127.0.0.1"}])) == ("no answer within 0.3 s", None)


def test_who_may_not_ping_is_told_what_to_do(monkeypatch):
    def refused(*_given, **_keys):
        raise PermissionError(1, "Operation not permitted")

    async def look():
        monkeypatch.setattr(_probe_network.socket, "socket", refused)
        _probe_network.Echo(socket.AF_INET)

    with pytest.raises(FaultlineError) as failed:
        asyncio.run(look())
    assert failed.value.code == "no_ping" and "Operation not permitted" in failed.value.message and "ping_group_range" in failed.value.hint


def test_a_checksum_is_that_of_the_rfc():
    raw = struct.pack("!4H", 0x0001, 0xF203, 0xF4F5, 0xF6F7)
    assert _probe_network.checksum(raw) == 0x220D


@pytest.mark.parametrize("probe, answer", [("tcp:{}", b""), ("ssh:{}", b"SSH-2.0-x\r\n"), ("http:{}", OK_PAGE)])
def test_servers_are_probed_as_wanted(probe, answer):
    async def look():
        async def greet(reader, writer):
            if answer.startswith(b"HTTP"):
                await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        (told,) = await outcomes(made("servers", probe=probe.format(port), targets=[{"name": "vm1", "address": "127.0.0.1"}]))
        server.close()
        return told

    told = asyncio.run(look())
    assert told["vm1"][0] is None


# ---- processes, units, containers

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def test_servers_are_waited_for_until_all_have_answered(monkeypatch):
    port, tries = free_port(), []
    opened = []

    async def connect(address):
        tries.append(address)
        if len(tries) == 3:
            opened.append(socket.create_server(address))
        await real(address)

    real = _probe_network.connect
    monkeypatch.setattr(_probe_network, "connect", connect)
    monkeypatch.setattr(_probe_servers, "_PAUSE", 0.01)
    _probe_servers.wait([{"name": "a", "address": "127.0.0.1"}], f"tcp:{port}", "/", None, HANG)
    opened[0].close()
    assert len(tries) == 3


def test_servers_that_do_not_answer_in_time_are_named_with_the_reason(monkeypatch):
    monkeypatch.setattr(_probe_servers, "_PAUSE", 0.01)
    targets = [{"name": name, "address": "127.0.0.1"} for name in ("b", "a")]
    port = free_port()
    with pytest.raises(FaultlineError) as caught:
        _probe_servers.wait(targets, f"tcp:{port}", "/", None, 0.2)
    assert caught.value.code == "timeout"
    assert caught.value.message == (
        f"2 of 2 servers did not answer tcp:{port} within 0.2 seconds: a (connection refused); b (connection refused).")


def test_a_cancellation_that_is_lost_keeps_nobody_waiting(monkeypatch):
    async def wait_for(call, _timeout):
        call.close()
        try:
            await asyncio.sleep(HANG)
        except asyncio.CancelledError:
            raise ConnectionRefusedError from None

    monkeypatch.setattr(_probe_servers, "asyncio", types.SimpleNamespace(**{**vars(asyncio), "wait_for": wait_for}))
    with pytest.raises(FaultlineError, match="did not answer"):
        _probe_servers.wait([{"name": "a", "address": "127.0.0.1"}], "tcp:9", "/", None, 0.2)


def test_a_process_counts_while_it_is_not_stopped():
    word = f"ha-probe-target-{os.getpid()}"
    with sleeper(word) as process:
        family = made("process", patterns={"sleeper": word + "$", "none": "ha-probe-nobod[y]$"})
        (told,) = asyncio.run(outcomes(family))
        assert told["none"] == ("no process", {"count": 0, "stopped": 0, "pids": []})
        assert told["sleeper"] == (None, {"count": 1, "stopped": 0, "pids": [process.pid]})
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        (told,) = asyncio.run(outcomes(family))
        assert told["sleeper"][0] == "0 of 1 processes at work" and told["sleeper"][1]["stopped"] == 1


def reply(units, serial=2, order="<"):
    """systemd's answer to ListUnitsByNames, as D-Bus writes it."""
    def text(raw, word):
        raw += b"\0" * (-len(raw) % 4)
        return raw + struct.pack(order + "I", len(word)) + word.encode() + b"\0"

    listed = b""
    for load, active, sub in units:
        listed += b"\0" * (-len(listed) % 8)
        for word in ("a.service", "A", load, active, sub, "", "/a"):
            listed = text(listed, word)
        listed += b"\0" * (-len(listed) % 4) + struct.pack(order + "I", 0)
        listed = text(text(listed, ""), "/")
    body = struct.pack(order + "I", len(listed)) + b"\0" * 4 + listed
    header = struct.pack(order + "BBBBI", 5, 1, ord("u"), 0, serial) + b"\x08\x01g\0" + bytes([len("a(ssssssouso)")]) + b"a(ssssssouso)\0"
    head = (b"l" if order == "<" else b"B") + bytes([2, 0, 1]) + struct.pack(order + "III", len(body), 9, len(header)) + header
    return head + b"\0" * (-len(head) % 8) + body


def bus(monkeypatch, tmp_path, answer, where=None):
    """What units() says of two units at a bus that answers so."""
    path = str(tmp_path / "bus")

    async def serve(reader, writer):
        assert (await reader.readuntil(b"\r\n")).startswith(b"\0AUTH EXTERNAL ")
        writer.write(b"OK 0123\r\n")
        assert await reader.readuntil(b"\r\n") == b"BEGIN\r\n"
        await reader.read(1000)
        writer.write(answer)
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()

    async def look():
        monkeypatch.setattr(_dbus, "_PRIVATE", path)
        server = await asyncio.start_unix_server(serve, path)
        try:
            return await _dbus.units(["a.service", "b.service"], path)
        finally:
            server.close()

    return asyncio.run(look())


@pytest.mark.parametrize("order", ["<", ">"])
def test_systemd_is_understood_in_both_orders_of_bytes(monkeypatch, tmp_path, order):
    units = [("loaded", "active", "running"), ("loaded", "failed", "failed")]
    signal = reply([], serial=77, order=order)
    assert bus(monkeypatch, tmp_path, signal + reply(units, order=order)) == units


def test_systemd_that_leaves_one_out_is_not_believed(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="1 of 2 units"):
        bus(monkeypatch, tmp_path, reply([("loaded", "active", "running")]))


@pytest.mark.parametrize("told, error", [
    (("loaded", "active", "running"), None), (("loaded", "reloading", "reload"), None), (("loaded", "inactive", "dead"), "inactive (dead)"),
    (("loaded", "activating", "auto-restart"), "activating (auto-restart)"), (("masked", "inactive", "dead"), "masked"),
])
def test_a_unit_is_up_while_it_is_active(monkeypatch, told, error):
    async def units(_names, _where):
        return [told]

    monkeypatch.setattr(_probe_host._dbus, "units", units)
    monkeypatch.setattr(_probe_host._dbus, "path", lambda: "/bus")
    assert one(made("systemd", units=["nova-api"])) == (error, {"state": told[1], "sub": told[2]})


def test_a_unit_that_is_not_there_is_refused_at_the_start(monkeypatch):
    async def units(_names, _where):
        return [("not-found", "inactive", "dead")]

    monkeypatch.setattr(_probe_host._dbus, "units", units)
    monkeypatch.setattr(_probe_host._dbus, "path", lambda: "/bus")
    with pytest.raises(FaultlineError, match="no unit nova-apo.service"):
        asyncio.run(made("systemd", units=["nova-apo"]).prepare())


def test_containers_are_up_while_they_run_and_are_not_unhealthy(monkeypatch, tmp_path):
    path = str(tmp_path / "docker.sock")
    content = json.dumps([
        {"Names": ["/keystone"], "State": "running", "Status": "Up 3 minutes (healthy)"}, {"Names": ["/sick"], "State": "running", "Status": "Up (unhealthy)"},
        {"Names": ["/nova_api"], "State": "exited", "Status": "Exited (137) 2 seconds ago"}, {"Names": ["/frozen"], "State": "paused", "Status": "Up (Paused)"},
    ]).encode()
    monkeypatch.setattr(_probe_container._container_engines, "names", lambda _driver: ["docker"])
    monkeypatch.setattr(_probe_container._container_engines, "_paths", lambda _name: [path])

    async def look():
        async with Server(lambda _request: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content), path) as server:
            (told,) = await outcomes(made("container", containers=["keystone", "nova_api", "sick", "frozen", "gone"]))
            assert len(server.requests) == 2 and server.requests[0].startswith(b"GET /containers/json?all=true ")
            return told

    assert asyncio.run(look()) == {
        "keystone": (None, {"state": "running"}), "nova_api": ("Exited (137) 2 seconds ago", {"state": "exited"}),
        "sick": ("Up (unhealthy)", {"state": "running"}), "frozen": ("Up (Paused)", {"state": "paused"}), "gone": ("no such container", None)}


def test_an_engine_that_does_not_answer_is_the_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(_probe_container._container_engines, "names", lambda _driver: ["docker"])
    monkeypatch.setattr(_probe_container._container_engines, "_paths", lambda _name: [str(tmp_path / "none")])
    assert one(made("container", containers=["a"])) == ("docker: no such file or directory", None)


# ---- clusters

def galera(**over):
    told = {"wsrep_cluster_status": "Primary", "wsrep_cluster_size": "3", "wsrep_local_state_comment": "Synced", "wsrep_ready": "ON",
            "wsrep_flow_control_paused": "0.0125", **over}
    return "".join(f"{name}\t{value}\n" for name, value in told.items())


@pytest.mark.parametrize("over, error", [
    ({}, None), ({"wsrep_cluster_size": "2"}, "2 of 3 members"),
    ({"wsrep_cluster_status": "non-Primary", "wsrep_ready": "OFF"}, "status non-Primary, not ready"),
    ({"wsrep_local_state_comment": "Donor/Desynced"}, "state Donor/Desynced"),
])
def test_a_member_of_galera_is_primary_synced_and_sees_all(over, error):
    family = made("galera", size=3)
    if error is None:
        assert family.judge(galera(**over)) == {"status": "Primary", "size": 3, "state": "Synced", "ready": "ON", "flow_control_paused": 0.0125}
        return
    with pytest.raises(_probes.Failed) as failed:
        family.judge(galera(**over))
    assert str(failed.value) == error and failed.value.value["flow_control_paused"] == 0.0125


def test_a_database_without_a_cluster_is_told():
    with pytest.raises(_probes.Failed, match="in no Galera cluster"):
        made("galera").judge("")
    # as MariaDB says it without Galera's library
    told = galera(wsrep_cluster_status="Disconnected", wsrep_cluster_size="0", wsrep_ready="OFF", wsrep_provider_name="")
    with pytest.raises(_probes.Failed, match="in no Galera cluster"):
        made("galera").judge(told)
    assert made("galera", alone=True).judge(told) == {}
    with pytest.raises(_probes.Failed, match="status non-Primary"):
        made("galera", alone=True).judge(galera(wsrep_cluster_status="non-Primary", wsrep_provider_name="Galera"))


@pytest.fixture
def program(tmp_path):
    """program(text): a shell script, its path."""
    def make(text):
        path = tmp_path / "program"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return str(path)

    return make


def test_the_client_gets_its_password_where_no_ps_shows_it(program):
    path = program('[ "$MYSQL_PWD" = secret ] && [ "$1" = --user=root ] && ! echo "$@" | grep -q secret && printf "%s"' + f" '{galera()}'\n")
    error, value = one(made("galera", size=3, command=[path], user="root", auth={"password": "secret"}))
    assert error is None and value["size"] == 3


def test_what_a_client_says_last_is_the_error(program):
    path = program("echo 'ERROR 2002 (HY000): no server' >&2; exit 1\n")
    assert one(made("galera", command=[path])) == ("ERROR 2002 (HY000): no server", None)


def test_a_program_that_is_not_there_is_refused_at_the_start():
    with pytest.raises(FaultlineError) as failed:
        asyncio.run(made("galera", command=["no-such-mysql"]).prepare())
    assert failed.value.code == "missing_program" and "no-such-mysql is not installed" in failed.value.message


RABBIT = {"disk_nodes": ["rabbit@a", "rabbit@b"], "running_nodes": ["rabbit@a", "rabbit@b"], "partitions": {}, "alarms": []}


@pytest.mark.parametrize("over, members, error", [
    ({}, 2, None), ({}, None, None), ({"running_nodes": ["rabbit@a"]}, 2, "1 of 2 members"), ({"running_nodes": ["rabbit@a"]}, None, "1 of 2 members"),
    ({"partitions": {"rabbit@a": ["rabbit@b"]}}, 2, "partitioned"), ({}, 3, "2 of 3 members"),
])
def test_rabbitmq_has_all_members_and_no_partition(program, over, members, error):
    path = program("printf '%s' '" + json.dumps({**RABBIT, **over}) + "'\n")
    found, value = one(made("rabbitmq", command=[path], members=members))
    assert found == error and value["known"] == 2


def test_rabbitmq_by_its_api(certificate):
    nodes = json.dumps([{"name": "rabbit@a", "running": True}, {"name": "rabbit@b", "running": False}]).encode()

    async def look():
        async with Server(lambda _request: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(nodes), nodes)) as server:
            family = made("rabbitmq", url=f"http://127.0.0.1:{server.port}/", members=2, auth={"username": "guest", "password": "guest"})
            assert (family.rate, made("rabbitmq").rate) == (1.0, 0.1)
            (told,) = await outcomes(family)
            assert server.requests[0].startswith(b"GET /api/nodes HTTP/1.1\r\n") and b"Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=" in server.requests[0]
            return told

    error, value = asyncio.run(look())["rabbitmq"]
    assert error == "1 of 2 members" and value["down_names"] == ["rabbit@b"]


# ---- nagios

@pytest.mark.parametrize("text, figures", [
    ("DISK OK", {}),
    ("DISK OK - free | /=2643MB;5948;5958;0;5968", {
        "/": {"value": 2643.0, "unit": "MB", "warning": 5948.0, "critical": 5958.0, "minimum": 0.0, "maximum": 5968.0}}),
    ("OK|time=0.5s;1;2;; 'a b'=3% 'it''s'=-1.5c;~:10;@5:6", {
        "time": {"value": 0.5, "unit": "s", "warning": 1.0, "critical": 2.0}, "a b": {"value": 3.0, "unit": "%"},
        "it's": {"value": -1.5, "unit": "c", "warning": "~:10", "critical": "@5:6"}}),
    ("OK | a=1\nlong text\nmore | b=2\nc=3", {"a": {"value": 1.0}, "b": {"value": 2.0}, "c": {"value": 3.0}}),
    ("OK | a=U b=1,5", {"b": {"value": 1.5}}),
    ("OK | rubbish = = ;;", {}),
])
def test_perfdata(text, figures):
    assert _probe_nagios.perfdata(text) == figures


@pytest.mark.parametrize("code, ok, error, state", [
    (0, None, None, "ok"), (1, None, None, "warning"), (2, None, "critical: DISK 3", "critical"), (3, None, "unknown: DISK 3", "unknown"),
    (1, [0], "warning: DISK 3", "warning"), (4, None, "unknown: DISK 3", "unknown"),
])
def test_a_plugin_speaks_by_its_exit_code(program, code, ok, error, state):
    path = program(f"echo 'DISK 3 | a=1'; exit {code}\n")
    assert one(made("nagios_plugin", command=[path], ok=ok)) == (error, {"state": state, "code": code, "perfdata": {"a": {"value": 1.0}}})


def gone(stat):
    """Whether the process whose /proc/PID/stat this is lives no more."""
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_plugin_that_hangs_is_ended_with_its_children(program, tmp_path):
    path = program(f"sleep 4321 & echo $! > {tmp_path}/child\necho $$ > {tmp_path}/new\nmv {tmp_path}/new {tmp_path}/parent\nwait\n")
    for seconds in more_time(0.5):
        assert one(made("nagios_plugin", command=[path], timeout=seconds))[0] == f"no answer within {seconds:g} s"
        if (tmp_path / "parent").exists():
            break
    for name in ("parent", "child"):
        stat = pathlib.Path("/proc", (tmp_path / name).read_text().strip(), "stat")
        wait_for(functools.partial(gone, stat))


def test_output_is_bounded(program):
    rc, out, _err = asyncio.run(_children.run([program("head -c 1000000 /dev/zero | tr '\\0' x\n")]))
    assert rc == 0 and len(out) == _children._MOST


class Nagios:
    """Livestatus, as far as we ask it."""

    def __init__(self, services, hosts, status=200):
        self.tables, self.status, self.asked = {"services": services, "hosts": hosts}, status, []

    def answer(self, request):
        self.asked.append(request.decode())
        body = json.dumps(self.tables[request.decode().split()[1]]).encode() if self.status == 200 else b"bad\n"
        return b"%03d %11d\n%s" % (self.status, len(body), body)


def livestatus(nagios, path, **spec):
    async def look():
        async with Server(nagios.answer, path):
            (told,) = await outcomes(made("livestatus", address=path, **spec))
            return told

    return asyncio.run(look())


SERVICES = [["ctl1", "HTTP", 0], ["ctl1", "Disk", 1], ["ctl2", "HTTP", 2]]
HOSTS = [["ctl1", 0], ["ctl2", 1]]


def test_nagios_in_one_series(tmp_path):
    nagios = Nagios(SERVICES, HOSTS)
    assert livestatus(nagios, str(tmp_path / "live"), name="n") == {"nagios": ("2 down: HTTP on ctl2, ctl2", {
        "services": {"ok": 1, "warning": 1, "critical": 1}, "hosts": {"up": 1, "down": 1}, "down_names": ["HTTP on ctl2", "ctl2"]})}
    assert nagios.asked[0] == "GET services\nColumns: host_name description state\nOutputFormat: json\nResponseHeader: fixed16\n\n"


def test_nagios_with_nothing_down(tmp_path):
    (told,) = livestatus(Nagios(SERVICES[:2], HOSTS[:1]), str(tmp_path / "live")).values()
    assert told == (None, {"services": {"ok": 1, "warning": 1}, "hosts": {"up": 1}})


def test_nagios_in_a_series_each(tmp_path):
    assert livestatus(Nagios(SERVICES, HOSTS), str(tmp_path / "live"), each=True) == {
        "HTTP on ctl1": (None, {"state": "ok"}), "Disk on ctl1": (None, {"state": "warning"}), "HTTP on ctl2": ("critical", {"state": "critical"}),
        "ctl1": (None, {"state": "up"}), "ctl2": ("down", {"state": "down"})}


@pytest.mark.parametrize("spec, asked", [
    ({"filter": ["host_name = ctl1", "Or: 2"]}, ["GET services\nColumns: host_name description state\nFilter: host_name = ctl1\nOr: 2\nOutputFormat"]),
    ({"host_filter": ["name ~ ctl"], "filter": []}, ["GET hosts\nColumns: name state\nFilter: name ~ ctl\nOutputFormat"]),
])
def test_only_the_table_of_the_filter_is_asked(tmp_path, spec, asked):
    nagios = Nagios(SERVICES, HOSTS)
    livestatus(nagios, str(tmp_path / "live"), **spec)
    assert [each.partition("OutputFormat")[0] + "OutputFormat" for each in nagios.asked[::2]] == asked


def test_a_refusal_of_livestatus_is_told(tmp_path):
    with pytest.raises(_probes.Failed, match="Livestatus answers 400: bad"):
        livestatus(Nagios([], [], 400), str(tmp_path / "live"))
