# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tcp, ssh, ping: whether a host is there and a port answers."""

from __future__ import annotations

import asyncio
import os
import socket
import struct

from .._fault._errors import FaultlineError
from . import _probes

_ADDRESSED = {"name": (str, _probes.REQUIRED), "host": (str, _probes.REQUIRED), "via": (str, None)}
_PINGABLE = ("0", "2147483647")


async def connect(address):
    """Connect, and hang up."""
    _reader, writer = await asyncio.open_connection(*address)
    writer.close()


async def banner(address):
    """Wait for what an SSH server says first."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        # RFC 4253, 4.2: other lines may come before it
        for _each in range(16):
            line = await reader.readuntil(b"\n")
            if line.startswith(b"SSH-"):
                return
        raise _probes.Failed("no SSH server answers there")
    finally:
        writer.close()


class _Ports(_probes.Family):
    """targets {name, host, port, via}."""

    PORT = _probes.REQUIRED
    OPTIONS = {"targets": (list, _probes.REQUIRED)}

    def __init__(self, spec):
        super().__init__(spec)
        self._addresses = {}
        known = dict(_ADDRESSED, port=(int, self.PORT))
        for target in _probes.each("targets of the monitor %r" % self.spec["name"], self.spec["targets"], known):
            if not 0 < target["port"] < 65536:
                raise _probes.bad("port of the target %r is %d; it must be from 1 to 65535." % (target["name"], target["port"]))
            name = self.named(target["name"], target["via"])
            self._addresses[name] = (target["host"], target["port"])
            self.one(name, lambda name=name: self.look(self._addresses[name]))

    async def prepare(self):
        for name, (host, port) in self._addresses.items():
            self._addresses[name] = await _probes.resolve(host, port)

    @staticmethod
    async def look(address):
        raise NotImplementedError


class Tcp(_Ports):
    """ok when the connection is made."""

    type = "tcp"
    GROUP = "network"

    @staticmethod
    async def look(address):
        await connect(address)


class Ssh(_Ports):
    """ok when an SSH server greets. From OpenSSH 9.8 on it shuts such guests out unless PerSourcePenaltyExemptList names the monitor's address."""

    type = "ssh"
    RATE = 1.0
    TIMEOUT = 5.0
    GROUP = "host"
    PORT = 22

    @staticmethod
    async def look(address):
        await banner(address)


def checksum(raw):
    """The Internet checksum (RFC 1071)."""
    total = sum(struct.unpack("!%dH" % (len(raw) // 2), raw))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Echo:
    """One socket for all ICMP echoes of a monitor and family of addresses; unprivileged where the kernel lets us, else raw."""

    def __init__(self, family):
        self._six = family == socket.AF_INET6
        self._ask, self._reply = (128, 129) if self._six else (8, 0)
        protocol = socket.IPPROTO_ICMPV6 if self._six else socket.IPPROTO_ICMP
        self.raw = False
        try:
            self._socket = socket.socket(family, socket.SOCK_DGRAM, protocol)
        except OSError:
            self.raw = True
            try:
                self._socket = socket.socket(family, socket.SOCK_RAW, protocol)
            except OSError as exc:
                raise FaultlineError(
                    "User %d may not ping here: %s." % (os.geteuid(), exc.strerror), code="no_ping",
                    hint="Run the monitor as root, or let the user's group ping: sysctl net.ipv4.ping_group_range='%s %s'." % _PINGABLE,
                ) from exc
        self._socket.setblocking(False)
        self._number = 0
        self._token = os.urandom(8)
        self._waiting = {}
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    async def ping(self, address):
        """Send an echo request, and wait for what comes back."""
        self._number += 1
        payload = self._token + struct.pack("!Q", self._number)
        head = struct.pack("!BBHHH", self._ask, 0, 0, os.getpid() & 0xFFFF, self._number & 0xFFFF)
        if not self._six:
            head = head[:2] + struct.pack("!H", checksum(head + payload)) + head[4:]
        waiting = self._waiting[payload] = asyncio.get_running_loop().create_future()
        try:
            self._socket.sendto(head + payload, (address, 0))
            await waiting
        finally:
            del self._waiting[payload]

    def _receive(self):
        for _each in range(64):
            try:
                raw, sender = self._socket.recvfrom(2048)
            except OSError:
                return
            if self.raw and not self._six:
                raw = raw[(raw[0] & 15) * 4:]
            waiting = self._waiting.get(raw[8:])
            if waiting and not waiting.done() and raw[0] == self._reply:
                waiting.set_result(sender[0])

    def close(self):
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


class Pings:
    """The echoes of one monitor, whatever families its addresses are of."""

    def __init__(self):
        self._echoes = {}

    async def prepare(self, address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if family not in self._echoes:
            self._echoes[family] = Echo(family)

    async def ping(self, address):
        await self._echoes[socket.AF_INET6 if ":" in address else socket.AF_INET].ping(address)

    def close(self):
        for echo in self._echoes.values():
            echo.close()


class Ping(_probes.Family):
    """targets {name, host, via}; ok when the echo comes back before the deadline."""

    type = "ping"
    TIMEOUT = 1.0
    GROUP = "network"
    OPTIONS = {"targets": (list, _probes.REQUIRED)}

    def __init__(self, spec):
        super().__init__(spec)
        self._pings = Pings()
        self._addresses = {}
        for target in _probes.each("targets of the monitor %r" % self.spec["name"], self.spec["targets"], _ADDRESSED):
            name = self.named(target["name"], target["via"])
            self._addresses[name] = target["host"]
            self.one(name, lambda name=name: self._pings.ping(self._addresses[name]))

    async def prepare(self):
        for name, host in self._addresses.items():
            self._addresses[name] = (await _probes.resolve(host, 0))[0]
            await self._pings.prepare(self._addresses[name])

    async def close(self):
        self._pings.close()


_probes.register(Tcp, Ssh, Ping)
