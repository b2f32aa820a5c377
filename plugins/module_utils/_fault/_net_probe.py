# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames of our own that leave by an interface and reach nobody, for the counters of what hits them on their way."""

from __future__ import annotations

import ipaddress
import socket
import struct

_TYPES = {"ip": 0x0800, "ip6": 0x86DD, "arp": 0x0806, "nd": 0x86DD}
# for documentation, so nobody's: RFC 5737 and RFC 3849
_NOBODY = {"ip": "192.0.2.1", "ip6": "2001:db8::1"}
_EXPERIMENT, _DISCARD = 253, 9


def _sum(raw):
    total = sum(struct.unpack("!%dH" % (len(raw) // 2), raw))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _address(match, kind):
    remote = match.get("remote")
    if remote is None:
        return ipaddress.ip_address(_NOBODY[kind])
    network = ipaddress.ip_network(remote)
    return network.network_address if network.num_addresses == 1 else network.network_address + 1


def frame(match, source=None):
    """(type, bytes after the link's header) of a packet that leaves this host and fits a match."""
    kind = match.get("kind") or "ip"
    if kind == "arp":
        there = _address(match, "ip").packed
        return _TYPES[kind], struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + b"\x02\0\0\0\0\x01" + there + b"\0" * 6 + there
    number = match.get("protocol", 58 if kind == "nd" else _EXPERIMENT)
    ports = struct.pack("!HH", match.get("local_port", _DISCARD), match.get("remote_port", _DISCARD))
    inside = {
        6: ports + struct.pack("!IIBBHHH", 0, 0, 0x50, 0x04, 0, 0, 0), 17: ports + struct.pack("!HH", 8, 0),
        132: ports + b"\0" * 8, 58: struct.pack("!BBHI", 136, 0, 0, 0) + b"\0" * 16, 1: b"\0" * 8,
    }.get(number, b"\0" * 8)
    if kind == "ip":
        there = _address(match, "ip")
        here = ipaddress.ip_address(source or "192.0.2.2")
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(inside), 0, 0, 1, number, 0, here.packed, there.packed)
        return _TYPES[kind], head[:10] + struct.pack("!H", _sum(head)) + head[12:] + inside
    there = _address(match, "ip6")
    here = ipaddress.ip_address("2001:db8::2")
    return _TYPES[kind], struct.pack("!IHBB16s16s", 6 << 28, len(inside), number, 1, here.packed, there.packed) + inside


def send(link, matches, times=3):
    """Send frames that fit these matches out of an interface, back to its own hardware address, which no switch forwards.
    How many were sent; 0 where we may not."""
    mac = b"\x02\0\0\0\0\x01"[:len(link.mac)] if link.loopback else link.mac
    sent = 0
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as channel:
            for match in matches:
                kind, raw = frame(match)
                for _time in range(times):
                    try:
                        channel.sendto(raw, (link.name, kind, 0, 0, mac))
                    except OSError:
                        # what drops a frame before its queue says so to who sends it
                        pass
                    sent += 1
    except PermissionError:
        return 0
    return sent


def talk(link, matches, times=3):
    """Send packets that fit these matches as this host's own programs do, for rules that see no frames. How many were sent; 0 where we
    may not. Not for what is exempt: these would reach somebody."""
    sent = 0
    for match in matches:
        kind, raw = frame(match)
        if kind == _TYPES["arp"]:
            continue
        family = socket.AF_INET if kind == _TYPES["ip"] else socket.AF_INET6
        try:
            with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as channel:
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.name.encode() + b"\0")
                for _time in range(times):
                    try:
                        channel.sendto(raw, (str(_address(match, "ip" if family == socket.AF_INET else "ip6")), 0))
                    except OSError:
                        # not permitted: that is the rule
                        pass
                    sent += 1
        except OSError:
            continue
    return sent
