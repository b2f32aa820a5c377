# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links, addresses, routes and neighbours by rtnetlink(7): read as the kernel's own messages, and given back to it as they were."""

from __future__ import annotations

import errno
import os
import socket
import struct

from ._errors import FaultlineError

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBi")  # family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, destination's and source's length, tos, table, protocol, scope, type, flags
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
_HOP = struct.Struct("=HBBi")  # length, flags, hops, index
_NEXTHOP = struct.Struct("=BBBxI")  # family, scope, protocol, flags
_MEMBER = struct.Struct("=IBBxx")  # id, weight less one, its high byte
_ATTRIBUTE = struct.Struct("=HH")

_NEW_LINK, _GET_LINK = 16, 18
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_NEW_ROUTE, _GET_ROUTE = 24, 26
_NEW_NEIGHBOUR, _GET_NEIGHBOUR = 28, 30
_NEW_NEXTHOP, _GET_NEXTHOP = 104, 106
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_REPLACE, _EXCLUSIVE, _CREATE, _APPEND = 0x100, 0x200, 0x400, 0x800

_UP, _LOOPBACK = 0x1, 0x8
# Ethernet, InfiniBand, loopback: kinds of hardware that are no tunnels; and kinds of tunnels that look like Ethernet
_FRAMES, _TUNNELS = (1, 32, 772), ("vxlan", "geneve", "gretap", "ip6gretap", "erspan", "tun", "wireguard")
_ONLINK = 0x04
_PERMANENT = 0x80  # of an address, and of a neighbour
_PROXY = 0x08
# flags of an address that are somebody's wish, not the kernel's finding
_WISHED = 0x02 | 0x10 | 0x100 | 0x200 | 0x400
_CLONED = 0x200
# dead, link down, offloaded and the like: what the kernel finds out of a route, or of one of its hops
_FOUND_HOP = 0x01 | 0x08 | 0x10 | 0x20 | 0x40
_FOUND_ROUTE = _FOUND_HOP | 0x4000 | 0x8000 | 0x20000000
_KERNEL, _LOCAL_TABLE = 2, 255
# redirect and router advertisement: the network tells them anew
_LEARNT = (1, 9)


def _pack(attributes):
    raw = b""
    for kind, value in attributes:
        raw += _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
    return raw


def _unpack(raw):
    """[(type, value)] of attributes."""
    found, at = [], 0
    while at + 4 <= len(raw):
        length, kind = _ATTRIBUTE.unpack_from(raw, at)
        if length < 4:
            break
        found.append((kind & 0x3FFF, raw[at + 4:at + length]))
        at += (length + 3) & ~3
    return found


def _ask(kind, body, flags):
    """Send one request; the bodies of what comes back. OSError when the kernel refuses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as channel:
        channel.settimeout(10)
        channel.bind((0, 0))
        channel.send(_HEADER.pack(16 + len(body), kind, flags | _REQUEST, 1, 0) + body)
        bodies = []
        while True:
            raw = channel.recv(1 << 20)
            at = 0
            while at + 16 <= len(raw):
                length, what, also, _sequence, _port = _HEADER.unpack_from(raw, at)
                inside = raw[at + 16:at + length]
                if what == _DONE:
                    return bodies
                if what == _ERROR:
                    code = -struct.unpack_from("=i", inside)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return bodies
                bodies.append(inside)
                if not also & 0x2 and not flags & (_DUMP | _ACK):
                    return bodies
                at += (length + 3) & ~3


def _dump(kind, body):
    return _ask(kind, body, _DUMP)


class Link:
    """An interface: index, name, flags, lower (index of what it stands on, or 0), master (index, or 0), mac, kind of hardware, queue (how
    many packets may wait), kind (vlan, bridge, ... or '')."""

    def __init__(self, body):
        _family, self.hardware, self.index, self.flags, _change = _LINK.unpack_from(body)
        told = dict(_unpack(body[16:]))
        self.name = told[3].rstrip(b"\0").decode(errors="replace")
        self.mac = told.get(1, b"")
        self.lower = struct.unpack("=i", told[5])[0] if 5 in told else 0
        if 37 in told:  # it stands on something in another network namespace
            self.lower = 0
        self.master = struct.unpack("=i", told[10])[0] if 10 in told else 0
        kind = dict(_unpack(told[18])).get(1, b"") if 18 in told else b""
        self.kind = kind.rstrip(b"\0").decode(errors="replace")
        self.queue = struct.unpack("=I", told[13])[0] if 13 in told else None

    @property
    def up(self):
        return bool(self.flags & _UP)

    @property
    def wraps(self):
        """Whether its packets travel inside of others, by an interface that it does not tell: a tunnel."""
        return self.hardware not in _FRAMES or self.kind in _TUNNELS

    @property
    def loopback(self):
        return bool(self.flags & _LOOPBACK)


def links():
    """Every interface, by name."""
    found = [Link(body) for body in _dump(_GET_LINK, _LINK.pack(0, 0, 0, 0, 0))]
    return {link.name: link for link in found}


def set_up(index, up):
    _ask(_NEW_LINK, _LINK.pack(0, 0, index, _UP if up else 0, _UP), _ACK)


def bits(address):
    """An address's bytes and family."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address), family


def addresses():
    """[(index, address, prefix length)] of this host."""
    found = []
    for body in _dump(_GET_ADDRESS, _ADDRESS.pack(0, 0, 0, 0, 0)):
        family, length, _flags, _scope, index = _ADDRESS.unpack_from(body)
        told = dict(_unpack(body[8:]))
        raw = told.get(2) or told.get(1)
        if raw and family in (socket.AF_INET, socket.AF_INET6):
            found.append((index, socket.inet_ntop(family, raw), length))
    return found


def way_to(address, source=None):
    """(index of the interface, next hop) by which packets to an address leave; None when there is no way."""
    raw, family = bits(address)
    wanted = [(1, raw)]
    if source is not None and bits(source)[1] == family:
        wanted.append((2, bits(source)[0]))
    body = _ROUTE.pack(family, len(raw) * 8, len(raw) * 8 if len(wanted) > 1 else 0, 0, 0, 0, 0, 0, 0) + _pack(wanted)
    try:
        told = dict(_unpack(_ask(_GET_ROUTE, body, 0)[0][12:]))
    except OSError:
        return way_to(address) if source is not None else None
    if 4 not in told:
        return None
    hop = socket.inet_ntop(family, told[5]) if 5 in told else address
    return struct.unpack("=i", told[4])[0], hop


# -- what an interface loses when it goes down ------------------------------------------------------------------------


class Thing:
    """Something that an interface may lose: a kernel's message (body), what tells it from others (key), words for it.

    needed: whether its absence is residue. late: whether the kernel makes it by itself, so that we come second.
    """

    def __init__(self, sort, body, key, words, needed=True, late=False):
        self.sort, self.body, self.key, self.words, self.needed, self.late = sort, body, key, words, needed, late


def _text(raw, length=None):
    if len(raw) not in (4, 16):
        return raw.hex()
    shown = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
    return shown if length is None else "%s/%d" % (shown, length)


def _as_address(body, names):
    family, length, flags, scope, index = _ADDRESS.unpack_from(body)
    told = _unpack(body[8:])
    known = dict(told)
    flags = struct.unpack("=I", known[8])[0] if 8 in known else flags
    if index not in names or family not in (socket.AF_INET, socket.AF_INET6) or (family == socket.AF_INET6 and flags & 0x01):
        return None
    kept = [(kind, value) for kind, value in told if kind in (1, 2, 3, 4, 5, 6, 7, 9)]
    clean = _ADDRESS.pack(family, length, 0, scope, index) + _pack(kept + [(8, struct.pack("=I", flags & _WISHED))])
    raw = known.get(2) or known[1]
    return Thing(
        "address", clean, ("address", index, family, length, raw), "address %s on %s" % (_text(raw, length), names[index]),
        needed=bool(flags & _PERMANENT))


def _hops(raw):
    """[(flags, weight less one, index, attributes)] of a route with several ways."""
    found, at = [], 0
    while at + 8 <= len(raw):
        length, flags, weight, index = _HOP.unpack_from(raw, at)
        if length < 8:
            break
        found.append((flags & ~_FOUND_HOP, weight, index, raw[at + 8:at + length]))
        at += (length + 3) & ~3
    return found


def _nexthop_messages():
    """The nexthop objects of this host, and its groups of them, as messages."""
    try:
        return _dump(_GET_NEXTHOP, _NEXTHOP.pack(0, 0, 0, 0))
    except OSError:  # before Linux 5.3
        return []


def _members(raw):
    """{id of the nexthop: (weight less one, its high byte)} of a group."""
    return {number: tuple(weight) for number, *weight in _MEMBER.iter_unpack(raw)}


def _as_nexthop(body, names):
    family, _scope, protocol, flags = _NEXTHOP.unpack_from(body)
    told = _unpack(body[8:])
    known = dict(told)
    if 5 not in known or struct.unpack("=i", known[5])[0] not in names:
        return None
    number = struct.unpack("=I", known[1])[0]
    kept = sorted((kind, value) for kind, value in told if kind in (1, 5, 6, 7, 8, 11))
    return Thing(
        "nexthop", _NEXTHOP.pack(family, 0, protocol, flags & _ONLINK) + _pack(kept), ("nexthop", number, family, tuple(kept)),
        "nexthop %d on %s" % (number, names[struct.unpack("=i", known[5])[0]]))


def _as_members(body, numbers):
    """What a message of a group says of these nexthops: each membership is a thing of its own, as others may change the group meanwhile."""
    _family, _scope, protocol, _flags = _NEXTHOP.unpack_from(body)
    known = dict(_unpack(body[8:]))
    # groups of another type than hash-threshold have a state of their own, which nobody can give back
    if 2 not in known or struct.unpack("=H", known.get(3, b"\0\0"))[0] != 0:
        return []
    group = struct.unpack("=I", known[1])[0]
    return [
        Thing(
            "member", _NEXTHOP.pack(0, 0, protocol, 0) + _pack([(1, known[1]), (2, _MEMBER.pack(number, *weight))]),
            ("member", group, number, weight), "nexthop %d in group %d" % (number, group))
        for number, weight in _members(known[2]).items() if number in numbers
    ]


def _as_routes(body, names, numbers=()):
    """The routes of one message that use these interfaces, or the nexthop objects of these numbers; each way of IPv6 is a route of its
    own, as the kernel has it."""
    head = list(_ROUTE.unpack_from(body))
    family, table, protocol, sort = head[0], head[4], head[5], head[7]
    told = _unpack(body[12:])
    known = dict(told)
    table = struct.unpack("=I", known[15])[0] if 15 in known else table
    if family not in (socket.AF_INET, socket.AF_INET6) or head[8] & _CLONED or protocol in _LEARNT:
        return []
    # local, broadcast, anycast and multicast come and go with the addresses
    if table == _LOCAL_TABLE and protocol == _KERNEL or family == socket.AF_INET6 and sort in (2, 4, 5):
        return []
    head[8] &= ~_FOUND_ROUTE
    kept = [(kind, value) for kind, value in told if kind not in (12, 20)]
    ways = _hops(known[9]) if 9 in known else []
    made = []
    if 30 in known:
        # the kernel tells what the nexthop object says too, and takes only one of them back
        if struct.unpack("=I", known[30])[0] in numbers:
            made.append([(kind, value) for kind, value in kept if kind not in (4, 5, 9, 18)])
    elif ways and family == socket.AF_INET6:
        rest = [(kind, value) for kind, value in kept if kind != 9]
        for flags, weight, index, inside in ways:
            if index in names:
                made.append(rest + [(9, _HOP.pack(8 + len(inside), flags, weight, index) + inside)])
    elif ways:
        if any(index in names for _flags, _weight, index, _inside in ways):
            again = b"".join(_HOP.pack(8 + len(inside), flags, weight, index) + inside for flags, weight, index, inside in ways)
            made.append([(kind, again if kind == 9 else value) for kind, value in kept])
    elif 4 in known and struct.unpack("=i", known[4])[0] in names:
        made.append(kept)
    found = []
    for attributes in made:
        attributes.sort(key=lambda pair: pair[0])
        told = dict(attributes)
        target = _text(told[1], head[1]) if 1 in told else "default"
        via = " via %s" % _text(told[5]) if 5 in told else " via nexthop %d" % struct.unpack("=I", told[30]) if 30 in told else ""
        found.append(Thing(
            "route", _ROUTE.pack(*head) + _pack(attributes), ("route", tuple(head), tuple(attributes)),
            "route %s%s in table %d" % (target, via, table), late=protocol == _KERNEL))
    return found


def _as_neighbour(body, names):
    family, index, state, flags, sort = _NEIGHBOUR.unpack_from(body)
    if index not in names or family not in (socket.AF_INET, socket.AF_INET6) or not (state & _PERMANENT or flags & _PROXY):
        return None
    kept = [(kind, value) for kind, value in _unpack(body[12:]) if kind in (1, 2)]
    raw = dict(kept).get(1, b"")
    return Thing(
        "neighbour", _NEIGHBOUR.pack(family, index, state, flags & ~0x10, sort) + _pack(kept),
        ("neighbour", index, family, flags & _PROXY, tuple(kept)), "neighbour %s on %s" % (_text(raw), names[index]))


def things(names):
    """All that these interfaces, index -> name, have and may lose. In the order in which it has to be given back."""
    found = [_as_address(body, names) for body in _dump(_GET_ADDRESS, _ADDRESS.pack(0, 0, 0, 0, 0))]
    for flags in (0, _PROXY):
        for family in (socket.AF_INET, socket.AF_INET6):
            found += [_as_neighbour(body, names) for body in _dump(_GET_NEIGHBOUR, _NEIGHBOUR.pack(family, 0, 0, flags, 0))]
    messages = _nexthop_messages()
    nexthops = [thing for thing in (_as_nexthop(body, names) for body in messages) if thing]
    members = [thing for body in messages for thing in _as_members(body, {thing.key[1] for thing in nexthops})]
    numbers = {thing.key[1] for thing in nexthops + members}
    routes = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for body in _dump(_GET_ROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
            routes += _as_routes(body, names, numbers)
    # what is on the link comes before what is behind it
    routes.sort(key=lambda thing: -_ROUTE.unpack_from(thing.body)[6])
    connected = [thing for thing in routes if thing.late]
    return [thing for thing in found if thing] + connected + nexthops + members + [thing for thing in routes if not thing.late]


def _number(body, kind):
    """A number that an attribute of a kept message of a route or a nexthop begins with."""
    head = 12 if kind == 30 else 8
    told = dict(_unpack(body[head:]))
    return struct.unpack_from("=I", told[kind])[0] if kind in told else None


def thing_of(sort, body, names):
    """A Thing of a message that things() gave."""
    if sort == "route":
        return (_as_routes(body, names, {_number(body, 30)}) or [None])[0]
    if sort == "member":
        return _as_members(body, {_number(body, 2)})[0]
    return {"address": _as_address, "neighbour": _as_neighbour, "nexthop": _as_nexthop}[sort](body, names)


_GIVE = {"address": _NEW_ADDRESS, "route": _NEW_ROUTE, "neighbour": _NEW_NEIGHBOUR, "nexthop": _NEW_NEXTHOP}


def _join(thing):
    """Make a nexthop a member of its group again, beside those that are in it now."""
    _sort, group, number, weight = thing.key
    now = [dict(_unpack(body[8:])) for body in _nexthop_messages()]
    members = next((_members(told[2]) for told in now if 2 in told and struct.unpack("=I", told[1])[0] == group), {})
    members[number] = weight
    raw = b"".join(_MEMBER.pack(each, *members[each]) for each in sorted(members))
    body = thing.body[:_NEXTHOP.size] + _pack([(1, struct.pack("=I", group)), (2, raw)])
    _ask(_NEW_NEXTHOP, body, _CREATE | _REPLACE | _ACK)


def give_back(thing):
    """Make a thing again. '' or why not."""
    flags = _CREATE | _EXCLUSIVE
    if thing.sort == "route" and thing.body[0] == socket.AF_INET6:
        flags = _CREATE | _APPEND
    try:
        if thing.sort == "member":
            _join(thing)
        else:
            _ask(_GIVE[thing.sort], thing.body, flags | _ACK)
    except OSError as exc:
        return "" if exc.errno == errno.EEXIST else (exc.strerror or str(exc))
    return ""


def require():
    """Fail when rtnetlink does not answer."""
    try:
        links()
    except OSError as exc:
        raise FaultlineError("The kernel's interfaces cannot be read: %s." % exc, code="no_netlink") from exc
