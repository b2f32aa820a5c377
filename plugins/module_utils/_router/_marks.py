# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The marks that routers and projects bear in the cloud, as tags: in debug and why, all in debug, when a router was rebuilt. Pure."""

from __future__ import annotations

import re
import time
from urllib.parse import quote, unquote

DEBUG = "faultline-debug"
ALL = "faultline-debug-all"
_REASON = "-reason="
_REBUILT = "faultline-rebuilt="
_CLAIM = "faultline-claim="
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")
_OWNER = re.compile(r"[A-Za-z0-9_.-]{1,20}")
_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
# characters of a tag, in Keystone and Neutron alike; older Neutrons take fewer
LONGEST, SHORT = 255, 60


def is_id(text):
    """Whether a text is an id as Neutron and Keystone give them."""
    return isinstance(text, str) and bool(_ID.fullmatch(text))


def plain(text):
    """Text on one line without anything that a terminal would obey: whoever owns a router may write its tags."""
    return " ".join("".join(each if each.isprintable() else " " for each in str(text)).split())


# ---- reading


def debug(tags, name=DEBUG):
    """The reason of a mark, which may be empty; None where it is not there."""
    if name not in (tags or ()):
        return None
    found = sorted(each[len(name + _REASON):] for each in tags if each.startswith(name + _REASON))
    return plain(unquote(found[0], errors="replace")) if found else ""


def rebuilt(tags):
    """When a router was rebuilt last, as 2026-11-21T01:17:11Z; None where it never was."""
    found = [each[len(_REBUILT):] for each in tags or () if each.startswith(_REBUILT)]
    return max([each for each in found if _STAMP.fullmatch(each)], default=None)


def claims(tags, now):
    """[(owner, until, tag)] of those who have a router in hand, whose time is not over at epoch seconds."""
    found = []
    for tag in tags or ():
        owner, _mark, until = tag[len(_CLAIM):].partition("@") if tag.startswith(_CLAIM) else ("", "", "")
        if _OWNER.fullmatch(owner) and _STAMP.fullmatch(until) and until > stamp(now):
            found.append((owner, until, tag))
    return sorted(found)


# ---- writing: (tags to be added, tags to be removed)


def to_debug(tags, reason=None, name=DEBUG, longest=LONGEST):
    """What puts a thing in debug. Without a reason the one that is there stays; an empty one takes it away."""
    tags = set(tags or ())
    old = {each for each in tags if each.startswith(name + _REASON)}
    wanted = [name]
    if reason is None:
        wanted += sorted(old)[:1]
    elif plain(reason):
        wanted.insert(0, name + _REASON + _quoted(plain(reason), longest - len(name + _REASON)))
    return [each for each in wanted if each not in tags], sorted(old.difference(wanted))


def to_manage(tags, name=DEBUG):
    """What takes it out of debug; the mark goes last, so that who is interrupted leaves it in debug."""
    found = sorted(each for each in tags or () if each.startswith(name + _REASON))
    return [], found + [name] * (name in (tags or ()))


def stamp(now):
    """Epoch seconds as 2026-11-21T01:17:11Z."""
    return time.strftime(_TIME, time.gmtime(now))


def to_rebuilt(tags, now):
    """What says that it was rebuilt, at epoch seconds."""
    wanted = _REBUILT + stamp(now)
    old = {each for each in tags or () if each.startswith(_REBUILT)}
    return [wanted] if wanted not in old else [], sorted(old - {wanted})


def claim(owner, until):
    """The tag that says who has a router in hand, and until when at most, epoch seconds. owner: letters, digits and _.-"""
    return "%s%s@%s" % (_CLAIM, owner, stamp(until))


def spent(tags, now):
    """The claims whose time is over, or of which nobody knows when it is."""
    live = {tag for _owner, _until, tag in claims(tags, now)}
    return sorted(tag for tag in tags or () if tag.startswith(_CLAIM) and tag not in live)


def _quoted(text, longest):
    """Text percent-encoded, cut between two characters where it is too long."""
    whole = quote(text, safe="")
    if len(whole) <= longest:
        return whole
    found = ""
    for each in text:
        more = quote(each, safe="")
        if len(found) + len(more) > longest - 3:
            break
        found += more
    return found + "..."
