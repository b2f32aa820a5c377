# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What monitors are made of: families of probes, known by the type of a monitor.

A family checks its part of a monitor's specification when it is made, without touching anything; prepare() does what needs the world (names,
tokens, lists) before the first probe; calls is what is done once in every period, each for one series or, where one look serves all of them, for
many. Each family is in a module of its own, so that a host gets only what its monitor needs.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import ssl

from .._fault._errors import FaultlineError

PROBES = {}
REQUIRED = object()
GROUPS = ("api", "app", "host", "cluster", "network", "container", "nagios", "load")
# what every monitor has; type says the rest
COMMON = {
    "name": (str, REQUIRED), "type": (str, REQUIRED), "host": (str, None), "group": (str, None), "rate": (float, None), "timeout": (float, None),
    "clock_offset": (float, 0.0), "clock_error": (float, 0.0),
}
_WORDS = {str: "text", float: "a number", int: "a whole number", bool: "true or false", list: "a list", dict: "a dictionary"}
# seconds that names may take to be resolved
_RESOLVING = 10


class Failed(Exception):
    """A probe's way to say that the service is not as it should be. value: what was seen all the same."""

    def __init__(self, error, value=None):
        super().__init__(error)
        self.value = value


class Call:
    """What is done once in every period. series: names; run: coroutine function without arguments.

    run() returns the value of its one series (JSON-able or None), or for several {name: (error or None, value or None)}. Failed, OSError and
    errors of protocols mean that all of its series failed.
    """

    def __init__(self, series, run, many=False):
        self.series = series
        self.run = run
        self.many = many


class Family:
    """One type of monitors. spec: the monitor's specification, checked.

    RATE, TIMEOUT: per second and seconds, where the specification has none. OPTIONS: {key: (kind, default or REQUIRED)} beside COMMON.
    series: {name: {group, subject, via}}; calls: [Call]; both are there after prepare().
    """

    type = ""
    RATE = 5.0
    TIMEOUT = 2.0
    GROUP = "app"
    OPTIONS = {}

    def __init__(self, spec):
        self.spec = check("The monitor %r" % spec.get("name", ""), spec, dict(COMMON, **self.OPTIONS))
        self.rate = self.RATE if self.spec["rate"] is None else self.spec["rate"]
        self.timeout = self.TIMEOUT if self.spec["timeout"] is None else self.spec["timeout"]
        for key, value, most in (("rate", self.rate, 100), ("timeout", self.timeout, 600)):
            if not 0 < value <= most:
                raise bad("%s of the monitor %r is %g; it must be above 0 and at most %d." % (key, self.spec["name"], value, most))
        if self.spec["group"] not in (None,) + GROUPS:
            raise bad("group of the monitor %r is %r; it must be one of %s." % (self.spec["name"], self.spec["group"], ", ".join(GROUPS)))
        self.series = {}
        self.calls = []

    def named(self, subject, via=None, label=None):
        """Make one more series known; its name, unique in the run: 'nova via vip', 'nova-api on ctl1', 'horizon'."""
        host = self.spec["host"]
        name = label or subject
        if via:
            name += " via %s" % via
        if host:
            name += " on %s" % host
        if name in self.series:
            raise bad("The monitor %r has two series '%s'." % (self.spec["name"], name), "Give each a name of its own.")
        self.series[name] = {"group": self.spec["group"] or self.GROUP, "subject": subject, "via": via or host}
        return name

    def one(self, name, run):
        """A call for one series."""
        self.calls.append(Call([name], run))

    def all(self, run):
        """One call for all series."""
        self.calls.append(Call(list(self.series), run, many=True))

    async def prepare(self):
        """What has to be there before the first probe; FaultlineError when it is not."""

    async def close(self):
        """What is left to do after the last probe."""


def register(*classes):
    """Make classes of probes known by their type."""
    for cls in classes:
        PROBES[cls.type] = cls


def family(spec):
    """The class for a monitor's type; FaultlineError (bad_spec) for one that nobody knows."""
    try:
        return PROBES[spec.get("type")]
    except (KeyError, TypeError):
        raise bad("The monitor %r has the type %r; it must be one of %s." % (spec.get("name"), spec.get("type"), ", ".join(sorted(PROBES)))) from None


def bad(message, hint="Mend the monitor's specification; nothing was started."):
    return FaultlineError(message, code="bad_spec", hint=hint)


def _fits(value, kind):
    if kind in (float, int):
        return not isinstance(value, bool) and isinstance(value, (int, float) if kind is float else int)
    return isinstance(value, kind)


def check(what, given, known):
    """given (a dictionary) with the defaults of known ({key: (kind, default)}) filled in; FaultlineError names the key that is wrong."""
    if not isinstance(given, dict):
        raise bad("%s is %r; it must be a dictionary." % (what, given))
    for key in given:
        if key not in known:
            raise bad("%s has the unknown key %r; known are %s." % (what, key, ", ".join(sorted(known))))
    filled = {}
    for key, (kind, default) in known.items():
        value = given.get(key)
        if value is None:
            if default is REQUIRED:
                raise bad("%s has no %s." % (what, key))
            filled[key] = default
        elif not _fits(value, kind):
            raise bad("%s of %s is %r; it must be %s." % (key, what[0].lower() + what[1:], value, _WORDS[kind]))
        else:
            filled[key] = float(value) if kind is float else value
    return filled


def each(what, given, known):
    """A list of dictionaries, each checked; not empty."""
    if not given:
        raise bad("%s is empty; nothing would be monitored." % what)
    return [check("%s, entry %d," % (what, number), entry, known) for number, entry in enumerate(given, 1)]


def words(what, given):
    """A list of texts; not empty."""
    if not given:
        raise bad("%s is empty; nothing would be monitored." % what)
    for entry in given:
        if not isinstance(entry, str) or not entry:
            raise bad("%s has the entry %r; it must be text." % (what, entry))
    return given


async def resolve(host, port):
    """(address, port) of a host, resolved once: a monitor watches the service, not the resolver."""
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), _RESOLVING)
    except (OSError, UnicodeError, asyncio.TimeoutError) as exc:
        raise FaultlineError(
            "The name %s cannot be resolved: %s." % (host, _words_of(exc) or "no answer within %d seconds" % _RESOLVING), code="unresolved",
            hint="Monitors resolve names once, when they start. Give an address, or mend the resolver.",
        ) from exc
    return found[0][4][:2]


def _words_of(exc):
    # asyncio writes addresses into these; the name of the series tells them
    if isinstance(exc, (ssl.SSLError, socket.gaierror)):
        return exc.args[-1] if exc.args else str(exc)
    if isinstance(exc, OSError) and exc.errno:
        return os.strerror(exc.errno).lower()
    return str(exc)


def failure(exc, timeout):
    """(outcome, error) of a probe that ended with an exception; timeout: its deadline in seconds."""
    # the kernel's own timeout has an errno, our deadline has none
    if isinstance(exc, asyncio.TimeoutError) and not getattr(exc, "errno", None):
        return "timeout", "no answer within %g s" % timeout
    return "failed", explain(exc)


def explain(exc):
    """An exception of a probe in a few words, for people and for counting by kind."""
    if isinstance(exc, asyncio.IncompleteReadError):
        return "connection closed %s" % ("in the middle of the answer" if exc.partial else "without an answer")
    if isinstance(exc, FaultlineError):
        return exc.message
    if isinstance(exc, (Failed, OSError, ssl.SSLError)):
        return _words_of(exc) or type(exc).__name__
    if isinstance(exc, (http.client.HTTPException, asyncio.LimitOverrunError, ValueError)):
        return "not understood: %s" % (str(exc)[:200] or type(exc).__name__)
    return "%s: %s" % (type(exc).__name__, str(exc)[:200])
