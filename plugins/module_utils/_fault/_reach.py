# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a client sees of a port: asked over TCP, all at once, with one deadline."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time

_GONE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
# where nobody listens
_DISCARD = 9
_LOOPBACK = {"0.0.0.0": ["127.0.0.1"], "::": ["127.0.0.1", "::1"]}


def endpoints(sockets, ports):
    """(address, port) pairs at which the TCP ports among ports, (protocol, number) pairs, answer on this host."""
    found = []
    for protocol, number in ports:
        if protocol == "tcp":
            heard = [s.address for s in sockets if (s.protocol, s.port) == (protocol, number)] or ["127.0.0.1"]
            for address in heard:
                found += [(real, number) for real in _LOOPBACK.get(address, [address]) if (real, number) not in found]
    return found


def ask(pairs, timeout):
    """{'address port': 'connected' | 'refused' | 'no answer'} after timeout seconds; addresses that this host does not
    have are left out."""
    answers, waiting = {}, {}
    for address, number in pairs:
        name = "%s %d" % (address, number)
        channel = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        code = channel.connect_ex((address, number))
        if code in _GONE:
            channel.close()
        elif code in (0, errno.ECONNREFUSED):
            answers[name] = "refused" if code else "connected"
            channel.close()
        else:
            answers[name] = "no answer"
            waiting[channel] = name
    end = time.monotonic() + timeout
    while waiting and time.monotonic() < end:
        _readable, writable, _failed = select.select([], list(waiting), [], max(0.0, end - time.monotonic()))
        for channel in writable:
            name = waiting.pop(channel)
            code = channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            answers[name] = "connected" if code == 0 else ("refused" if code == errno.ECONNREFUSED else "no answer")
            channel.close()
    for channel in waiting:
        channel.close()
    return answers


def knock(doors):
    """One empty datagram through each UDP door of this host, for the counters of those who drop them: to it, or, where only what goes out from it
    is dropped, from it. doors: (protocol, number, way, address or None)."""
    for protocol, number, way, address in doors:
        if protocol != "udp":
            continue
        address = address or "127.0.0.1"
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        # its own socket has the port, so a raw one speaks for it
        kind, number_of = (socket.SOCK_RAW, socket.IPPROTO_UDP) if way == "egress" else (socket.SOCK_DGRAM, 0)
        with contextlib.suppress(OSError), socket.socket(family, kind, number_of) as channel:
            channel.setblocking(False)
            if way == "egress":
                channel.bind((address, 0))
                channel.sendto(struct.pack("!HHHH", number, _DISCARD, 8, 0), (address, 0))
            else:
                channel.sendto(b"", (address, number))
