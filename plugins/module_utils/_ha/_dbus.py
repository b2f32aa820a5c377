# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Just enough of D-Bus to ask systemd for the states of units: one call, one connection, no library.

`systemctl show` costs PID 1 the same and this host a new process each time, which at five times a second is most of a monitor's cost.
"""

from __future__ import annotations

import asyncio
import os
import struct

from .._fault._errors import FaultlineError

# root talks to systemd itself, so that a fault on the bus takes no sample away
_PRIVATE = "/run/systemd/private"
_BUS = "/run/dbus/system_bus_socket"
_RETURN, _ERROR = 2, 3
_REPLY_SERIAL, _ERROR_NAME = 5, 4
_MOST = 4 << 20


def _string(text):
    raw = text.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0"


def _pad(raw, size):
    return raw + b"\0" * (-len(raw) % size)


def _field(code, signature, value):
    """A header field: a byte, and a variant of text."""
    head = bytes([code, 1]) + signature.encode() + b"\0"
    if signature == "g":
        return head + bytes([len(value)]) + value.encode() + b"\0"
    return head + _string(value)


def message(serial, path, destination, interface, member, names=None):
    """The bytes of a method call without arguments, or with one list of texts."""
    body = b""
    fields = [_field(1, "o", path), _field(2, "s", interface), _field(3, "s", member), _field(6, "s", destination)]
    if names is not None:
        fields.append(_field(8, "g", "as"))
        listed = b""
        for name in names:
            # each begins on a multiple of 4; the list does too
            listed = _pad(listed, 4) + _string(name)
        body = struct.pack("<I", len(listed)) + listed
    header = b""
    for field in fields:
        header = _pad(header, 8) + field
    head = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(header)) + header
    return _pad(head, 8) + body


class Reader:
    """Values of a message, one after the other. order: < or >."""

    def __init__(self, raw, order, at=0):
        self._raw = raw
        self._order = order
        self.at = at

    def align(self, size):
        self.at += -self.at % size

    def number(self):
        self.align(4)
        self.at += 4
        return struct.unpack_from(self._order + "I", self._raw, self.at - 4)[0]

    def byte(self):
        self.at += 1
        return self._raw[self.at - 1]

    def text(self):
        size = self.number()
        self.at += size + 1
        return self._raw[self.at - size - 1:self.at - 1].decode(errors="replace")

    def signature(self):
        size = self.byte()
        self.at += size + 1
        return self._raw[self.at - size - 1:self.at - 1].decode()

    def value(self, signature):
        """A value of one of the types that headers have."""
        if signature in ("s", "o"):
            return self.text()
        if signature == "g":
            return self.signature()
        if signature == "u":
            return self.number()
        raise ValueError("a D-Bus header of the type %s" % signature)

    def units(self):
        """[(name, load state, active state, sub state)] of an array of (ssssssouso)."""
        size = self.number()
        self.align(8)
        end = self.at + size
        found = []
        while self.at < end:
            self.align(8)
            name, _description, load, active, sub, _following, _path = [self.text() for _each in range(7)]
            self.number()
            self.text()
            self.text()
            found.append((name, load, active, sub))
        return found


async def _receive(stream):
    """(type, {field: value}, Reader of the body) of the next message."""
    fixed = await stream.readexactly(16)
    order = "<" if fixed[:1] == b"l" else ">"
    body, _serial, header = struct.unpack_from(order + "III", fixed, 4)
    if body + header > _MOST:
        raise ValueError("a D-Bus message of %d bytes" % (body + header))
    rest = await stream.readexactly(header + -header % 8 + body)
    reader, fields = Reader(fixed + rest, order, 16), {}
    while reader.at < 16 + header:
        reader.align(8)
        code = reader.byte()
        fields[code] = reader.value(reader.signature())
    return fixed[1], fields, Reader(rest[header + -header % 8:], order)


async def _answer(stream, serial):
    while True:
        kind, fields, body = await _receive(stream)
        if fields.get(_REPLY_SERIAL) != serial:
            continue
        if kind == _ERROR:
            raise FaultlineError("systemd answers: %s" % fields.get(_ERROR_NAME), code="bus_error")
        if kind == _RETURN:
            return body


def path():
    """The socket at which we may ask; FaultlineError (no_systemd) where there is none."""
    for candidate in ([_PRIVATE] if os.geteuid() == 0 else []) + [_BUS]:
        if os.path.exists(candidate):
            return candidate
    raise FaultlineError(
        "systemd does not run this host, or has no bus (%s)." % _BUS, code="no_systemd", hint="Watch processes instead, by a monitor of the type process.",
    )


async def units(names, where):
    """[(load state, active state, sub state)] of units, in their order."""
    reader, writer = await asyncio.open_unix_connection(where)
    try:
        # all at once, as systemd's own clients do: a call that it reads together with BEGIN is not seen until more comes
        writer.write(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\nBEGIN\r\n")
        told = await reader.readuntil(b"\r\n")
        if not told.startswith(b"OK"):
            raise FaultlineError("%s does not let us in: %s" % (where, told.decode(errors="replace").strip()), code="bus_error")
        if where != _PRIVATE:
            writer.write(message(1, "/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus", "Hello"))
            await _answer(reader, 1)
        writer.write(message(
            2, "/org/freedesktop/systemd1", "org.freedesktop.systemd1", "org.freedesktop.systemd1.Manager", "ListUnitsByNames", names))
        found = (await _answer(reader, 2)).units()
    finally:
        writer.transport.abort()
    if len(found) != len(names):
        raise ValueError("systemd knows %d of %d units" % (len(found), len(names)))
    return [each[1:] for each in found]
