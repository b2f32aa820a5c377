# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP of the listener: sockets, limits, who may speak, and answers of one shape. What a command does is not its matter.

A connection carries one request, and has so many seconds for it and for taking the answer.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import json
import logging
import math
import resource
import socket
import time

try:
    from aiohttp import web
except ImportError:
    # ansible-rulebook brings it; others read this file too, for its docs
    web = None

from ...module_utils._fault._errors import FaultlineError
from ...module_utils._ha._things import passes
from . import _rug_options

LOG = logging.getLogger(__name__)
# bytes of a body, of a line, of a header; headers
BODY, LINE, FIELD, HEADERS = 65536, 8190, 8190, 64
# connections that are only told that there are too many, and that the kernel holds
CROWD, BACKLOG = 1000, 1024
# seconds that a command may take, that an end may take, that who sends too much has to read the answer
WORK, END, LINGER = 15, 2, 1
METHOD = "PUT"
STATUS = {
    "bad_arguments": 400, "bad_request": 400, "no_image": 400, "unauthorized": 401, "browser": 403, "unknown_command": 404, "not_found": 404, "bad_method": 405,
    "slow": 408, "too_large": 413, "too_many": 429, "interactive": 501, "busy": 503, "full": 503,
}
_AGAIN = (429, 503)
_PLAIN = {"Server": "faultline", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Bucket:
    """Lets so many through at once, and so many a second after that."""

    def __init__(self, rate, burst):
        self.rate, self.burst, self.left, self.at = rate, burst, float(burst), time.monotonic()

    def wait(self):
        """Seconds until the next one is let through; 0 when this one is."""
        now = time.monotonic()
        self.left, self.at = min(self.burst, self.left + (now - self.at) * self.rate), now
        if self.left >= 1:
            self.left -= 1
            return 0
        return (1 - self.left) / self.rate


def failed(exc):
    """(status, body, headers) of a FaultlineError."""
    status = 503 if exc.code in ("no_answer", "driver_failed") and passes(exc) else STATUS.get(exc.code, 500)
    headers = {405: {"Allow": METHOD}, 401: {"WWW-Authenticate": 'Bearer realm="faultline"'}}.get(status, {})
    if status in _AGAIN:
        headers = {"Retry-After": str(math.ceil(exc.details.get("seconds", 1)))}
    return status, {"error": exc.code, "msg": exc.message, "hint": exc.hint}, headers


def answer(status, body, headers=()):
    response = web.Response(status=status, text=json.dumps(body, default=str) + "\n", content_type="application/json", headers={**_PLAIN, **dict(headers)})
    response.force_close()
    return response


async def sockets(options):
    """The sockets of all addresses, bound. FaultlineError: bad_option, no_token, no_address."""
    loop, found = asyncio.get_running_loop(), {}
    for host in options.hosts:
        try:
            for family, _kind, _proto, _name, address in await loop.getaddrinfo(host, options.port, type=socket.SOCK_STREAM):
                found[family, address] = host
        except (OSError, UnicodeError) as exc:
            raise FaultlineError(f"host: {host} is no address of this machine: {exc}.", code="bad_option") from exc
    token = options.read_token()
    _rug_options.guarded(token, [address[0] for _family, address in found])
    bound = []
    try:
        for family, address in found:
            try:
                bound.append(_bound(family, address))
            except OSError as exc:
                if options.named or family == socket.AF_INET or exc.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise _no_address(address, exc) from exc
                LOG.warning("Not listening on %s: %s", address[0], exc.strerror)
    except FaultlineError:
        for each in bound:
            each.close()
        raise
    return bound


def _bound(family, address):
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # 0.0.0.0 and :: side by side
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        return sock
    except OSError:
        sock.close()
        raise


def _no_address(address, exc):
    hint = {errno.EADDRINUSE: "Another program listens there: give another port.", errno.EADDRNOTAVAIL: "This machine has no such address."}
    return FaultlineError(
        f"It cannot listen on {address[0]} port {address[1]}: {exc.strerror}.", code="no_address", hint=hint.get(exc.errno, ""))


class _Handler(web.RequestHandler if web else object):
    """A connection; what is no HTTP gets an answer of the same shape."""

    __slots__ = ()

    def handle_error(self, request, status=500, exc=None, message=None):
        if status >= 500:
            LOG.error("A request failed.", exc_info=exc)
            return answer(500, {"error": "internal", "msg": "It failed inside; its log says why.", "hint": ""})
        told = str(message or "").splitlines() or ["no HTTP"]
        return answer(status, {"error": "bad_request", "msg": f"It is no request: {told[0][:200].rstrip(':.')}.", "hint": ""})


class _Full(asyncio.Protocol):
    """A connection too many: told so once it has asked."""

    def __init__(self, server):
        self.server, self.transport, self.timer = server, None, None

    def connection_made(self, transport):
        self.transport = transport
        self.timer = asyncio.get_running_loop().call_later(self.server.seconds, transport.abort)

    def data_received(self, _data):
        if self.transport.is_closing():
            return
        status, body, headers = failed(FaultlineError("There are too many connections.", code="full", hint="Try again in a moment."))
        text = json.dumps(body) + "\n"
        lines = [f"HTTP/1.1 {status} Service Unavailable", "Content-Type: application/json; charset=utf-8", f"Content-Length: {len(text)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in {**_PLAIN, **headers}.items()]
        self.transport.write("\r\n".join([*lines, "", text]).encode())
        self.transport.close()

    def connection_lost(self, _exc):
        self.timer.cancel()
        self.server.room.release()


class _Server(web.Server if web else object):
    """Connections with a limit and a time each."""

    def __init__(self, handler, most, seconds):
        super().__init__(handler)
        self.most, self.seconds, self._timers = most, seconds, {}
        # those that are told to come again are there for a moment; where even these are too many, others are not accepted yet
        self.room = asyncio.Semaphore(most + min(CROWD, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))

    def __call__(self):
        if len(self.connections) >= self.most:
            return _Full(self)
        return _Handler(
            self, loop=asyncio.get_running_loop(), access_log=None, logger=LOG, max_line_size=LINE, max_field_size=FIELD, max_headers=HEADERS,
            lingering_time=0, auto_decompress=False)

    def connection_made(self, handler, transport):
        super().connection_made(handler, transport)
        self.hurry(handler)

    def connection_lost(self, handler, exc=None):
        self.calm(handler)
        super().connection_lost(handler, exc)
        self.room.release()

    def hurry(self, handler):
        """From now on it has so many seconds."""
        self.calm(handler)
        if handler.transport is not None:
            self._timers[handler] = asyncio.get_running_loop().call_later(self.seconds, handler.transport.abort)

    def calm(self, handler):
        timer = self._timers.pop(handler, None)
        if timer is not None:
            timer.cancel()


class Listener:
    """options: Options; work: what is awaited for a request that may be (path, query, body) and gives (body of the answer)."""

    def __init__(self, options, work):
        self.options, self.work = options, work
        self.answers, self.addresses = {}, []
        # who is refused does not use up what those who are let in may do
        self.allowed, self.refused = Bucket(options.rate, options.burst), Bucket(options.rate, options.burst)
        self._digest = self._context = self._server = None
        self._bound, self._tasks = [], set()

    # ---- from the beginning to the end

    async def open(self):
        if web is None:
            raise FaultlineError(
                "rug_api needs the Python package aiohttp, which is not there.", code="missing_program",
                hint="Install it where ansible-rulebook is: pip install aiohttp")
        self.read()
        self._bound = await sockets(self.options)
        self._server = _Server(self._asked, self.options.connections, self.options.timeout)
        for each in self._bound:
            each.setblocking(False)
            each.listen(BACKLOG)
            self.addresses.append(each.getsockname()[0])
            self._begin(self._accept(each))
        LOG.info("Listening on %s, port %d", ", ".join(self.addresses), self.options.port)

    async def close(self):
        """Listen no longer, and give what is under way a moment."""
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in self._bound:
            each.close()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(END)

    def _begin(self, work):
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, sock):
        loop = asyncio.get_running_loop()
        while True:
            await self._server.room.acquire()
            try:
                connection, _address = await loop.sock_accept(sock)
            except OSError as exc:
                # a client that has gone again, or no more files for this process
                self._server.room.release()
                LOG.warning("A connection was not accepted: %s", exc.strerror)
                await asyncio.sleep(LINGER if exc.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) else 0)
                continue
            self._begin(self._connect(connection))
            # those who are there already come first
            await asyncio.sleep(0)

    async def _connect(self, connection):
        handshake = {"ssl": self._context, "ssl_handshake_timeout": self.options.timeout} if self._context else {}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._server, connection, **handshake)
        except OSError as exc:
            # no TLS, or not in time
            self._server.room.release()
            LOG.info("A connection was not made: %s", exc)

    def read(self):
        """Read the token and the certificate, again. FaultlineError bad_option: those that were there stay."""
        token = self.options.read_token()
        _rug_options.guarded(token, self.addresses)
        self._context = self.options.read_certificate(self._context)
        self._digest = _digest(token) if token else None

    # ---- a request

    async def _asked(self, request):
        self._server.calm(request.protocol)
        try:
            status, body, headers = 200, await self._told(request), {}
        except FaultlineError as exc:
            status, body, headers = failed(exc)
            if status == 500:
                LOG.error("A request failed: %s", exc.text)
        except TimeoutError:
            status, body, headers = failed(FaultlineError(f"The cloud gave no answer within {WORK} seconds.", code="no_answer", hint="Try again later."))
        finally:
            self._server.hurry(request.protocol)
        self.answers[status] = self.answers.get(status, 0) + 1
        found = answer(status, body, headers)
        if not request.content.is_eof():
            await self._unread(request, found)
        return found

    async def _told(self, request):
        self._let_in(request)
        if request.method != METHOD:
            raise FaultlineError(f"It takes {METHOD} only.", code="bad_method")
        body = await self._body(request)
        async with asyncio.timeout(WORK):
            return await self.work(request.rel_url.raw_path, request.query.items(), body)

    def _let_in(self, request):
        refusal = self._refusal(request)
        seconds = (self.refused if refusal else self.allowed).wait()
        if seconds:
            raise FaultlineError(
                f"There are more requests than {self.options.rate:g} a second.", code="too_many", hint="Try again later.", details={"seconds": seconds})
        if refusal:
            raise refusal

    def _refusal(self, request):
        if "Origin" in request.headers:
            # a page in the browser of somebody who may reach this; no tool sends it
            return FaultlineError("It does not speak to browsers.", code="browser", hint="The header Origin says that this is one.")
        if self._digest is None:
            return None
        scheme, _space, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = request.headers.get("X-Auth-Token", "")
        if hmac.compare_digest(_digest(given.strip()), self._digest):
            return None
        return FaultlineError(
            "The token is wrong." if given else "A token is needed.", code="unauthorized", hint="Send it as Authorization: Bearer TOKEN, or as X-Auth-Token.")

    async def _body(self, request):
        found = bytearray()
        if (request.content_length or 0) <= BODY:
            try:
                async with asyncio.timeout(self.options.timeout):
                    if request.body_exists and request.headers.get("Expect", "").lower() == "100-continue":
                        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                        # it is no part of the answer
                        request.writer.output_size = 0
                    async for chunk in request.content.iter_any():
                        found += chunk
                        if len(found) > BODY:
                            break
                    else:
                        return bytes(found)
            except TimeoutError:
                raise FaultlineError(f"The body did not come within {self.options.timeout:g} seconds.", code="slow") from None
            except web.RequestPayloadError as exc:
                raise FaultlineError("The body is not what its headers say.", code="bad_request") from exc
        raise FaultlineError(f"The body has more than {BODY} bytes.", code="too_large")

    async def _unread(self, request, found):
        """Give who still sends a moment to read the answer: a connection that is closed with bytes unread may take it along."""
        await found.prepare(request)
        await found.write_eof()
        await asyncio.sleep(LINGER)


def _digest(text):
    # of one length, so that the comparison tells nothing
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
