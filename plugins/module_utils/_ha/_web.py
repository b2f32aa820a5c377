# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP request on a connection of its own, by asyncio; the answer is understood by http.client."""

from __future__ import annotations

import asyncio
import base64
import http.client
import io
import re
import ssl
from urllib.parse import urlsplit

from . import _probes

# bytes of a body that are read; what is looked for has to be there
MOST = 1 << 20
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked[ \t]*\r\n")
_contexts = {}


class Answer:
    """status (number), headers (http.client's), body (bytes, at most MOST)."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body


class _Received:
    """What http.client takes for a socket: all that came."""

    def __init__(self, raw):
        self._raw = raw

    def makefile(self, _mode):
        return io.BytesIO(self._raw)


def context(verify, ca_file=None):
    """The TLS context for these settings, made once."""
    key = (verify, ca_file)
    if key not in _contexts:
        try:
            made = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as exc:
            raise _probes.bad("The certificates in %s cannot be read: %s." % (ca_file, _probes.explain(exc))) from exc
        if not verify:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        _contexts[key] = made
    return _contexts[key]


def basic(user, password):
    """The header of HTTP's basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()}


def request(method, target, host, headers=None, body=b""):
    """The bytes of a request. headers: a dictionary; body: bytes."""
    lines = ["%s %s HTTP/1.1" % (method, target), "Host: %s" % host, "Connection: close", "User-Agent: faultline", "Accept: */*"]
    lines += ["%s: %s" % (name, value) for name, value in (headers or {}).items()]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append("Content-Length: %d" % len(body))
    if any("\r" in line or "\n" in line for line in lines):
        raise _probes.bad("A header of the request for %s%s has a line break in it." % (host, target))
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Place:
    """Where a URL leads: host, port, target and, for https, the TLS context."""

    def __init__(self, what, url, verify=True, ca_file=None):
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise _probes.bad("url of %s is %r: %s." % (what, url, exc)) from exc
        if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\x00-\x1f]", url):
            raise _probes.bad("url of %s is %r; it must be http://HOST... or https://HOST..." % (what, url))
        if parts.username is not None:
            raise _probes.bad("url of %s has a user name in it." % what, "Give secrets by the option that keeps them.")
        self.host = parts.hostname
        self.netloc = parts.netloc
        self.port = port or (443 if parts.scheme == "https" else 80)
        self.target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        self._tls = (verify, ca_file) if parts.scheme == "https" else None
        self._address = None

    async def prepare(self):
        self._address = await _probes.resolve(self.host, self.port)
        if self._tls:
            context(*self._tls)

    def request(self, method, headers=None, body=b""):
        return request(method, self.target, self.netloc, headers, body)

    async def ask(self, raw):
        """The Answer to a request."""
        if self._tls:
            streams = asyncio.open_connection(self._address[0], self._address[1], ssl=context(*self._tls), server_hostname=self.host)
        else:
            streams = asyncio.open_connection(self._address[0], self._address[1])
        return await exchange(await streams, raw)


async def ask_socket(path, raw):
    """The Answer of a server at a Unix socket."""
    return await exchange(await asyncio.open_unix_connection(path), raw)


async def _body(reader, head):
    if head[9:12] in (b"204", b"304"):
        return b""
    length = _LENGTH.search(head)
    if length:
        return await reader.readexactly(min(int(length.group(1)), MOST))
    chunked = _CHUNKED.search(head)
    body = b""
    while len(body) < MOST:
        more = await reader.read(65536)
        body += more
        if not more or chunked and body.endswith(b"0\r\n\r\n"):
            break
    return body


async def exchange(streams, raw):
    """Send a request over an open connection, which is closed afterwards; the Answer."""
    reader, writer = streams
    whole = False
    try:
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        body = b"" if raw.startswith(b"HEAD ") else await _body(reader, head.lower())
        whole = True
    finally:
        # nobody waits for the farewell of a server that does not answer; that of TLS keeps a connection for half a minute
        if whole and not writer.get_extra_info("ssl_object"):
            writer.close()
        else:
            writer.transport.abort()
    answer = http.client.HTTPResponse(_Received(head + body), method=raw.partition(b" ")[0].decode())
    answer.begin()
    try:
        content = answer.read(MOST)
    except http.client.IncompleteRead as exc:
        content = exc.partial
        if len(body) < MOST:
            raise
    return Answer(answer.status, answer.headers, content)
