# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A claim on a router, as a tag in the cloud with an end: whoever does something to a router by itself has it in hand alone, wherever the others run."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import time

from .._fault._errors import FaultlineError
from . import _marks

# times that two who came at once draw back and try again, and the longest that one of them waits between
_TRIES, _PAUSE = 4, 1.5
# seconds that a claim lasts longer than what is done may
SPARE = 60


def own_name():
    """Who claims where nobody says so."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:12] or "host"
    return "%s-%d" % (host, os.getpid() % 1000000)


@contextlib.contextmanager
def claimed(routers, router_id, owner, seconds):
    """Have a router in hand within. FaultlineError: claimed, by somebody else.

    Each writes its tag and then looks. Who comes later sees the tag of who came before and draws back; two who see each other both do.
    """
    for left in reversed(range(_TRIES)):
        tag = _marks.claim(owner, time.time() + seconds)
        others = _others(routers, router_id, None)
        if not others:
            routers.connection.ask(routers.tag, router_id, [tag], _marks.spent(routers.raw[router_id].get("tags"), time.time()))
            others = _others(routers, router_id, tag)
            if not others:
                break
            routers.connection.ask(routers.tag, router_id, [], [tag])
        if not left:
            raise FaultlineError(
                "%s has the router %s in hand, until %s at most." % (others[0][0], router_id, others[0][1]), code="claimed", hint="It is left to it.")
        time.sleep(random.uniform(0.1, _PAUSE))
    try:
        yield
    finally:
        with contextlib.suppress(FaultlineError):
            # one that stays ends by itself
            routers.patiently(time.monotonic() + seconds, routers.tag, router_id, [], [tag])


def _others(routers, router_id, own):
    """The claims of others as the cloud has them now."""
    routers.one(router_id)
    return [each for each in _marks.claims(routers.raw[router_id].get("tags"), time.time()) if each[2] != own]
