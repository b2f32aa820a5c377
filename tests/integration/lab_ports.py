# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports of this machine's loopback that are nobody's, until a test listens there."""

from __future__ import annotations

import contextlib
import random
import socket

# below those that the kernel gives to whoever connects somewhere, or listens on port 0
_RANGE = range(15000, 32000)
_given = set()


def _is_free(port):
    with contextlib.ExitStack() as stack:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            sock = stack.enter_context(socket.socket(family))
            try:
                sock.bind((address, port))
            except OSError:
                return False
    return True


def free_ports(count):
    """So many ports, none of which this process has had before."""
    # workers have their own; where they chose the same, one of them would fail
    chance, found = random.SystemRandom(), []
    while len(found) < count:
        port = chance.choice(_RANGE)
        if port not in _given and _is_free(port):
            _given.add(port)
            found.append(port)
    return found


def free_port():
    (port,) = free_ports(1)
    return port
