# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of a node: how it is set, how fast it runs, who disciplines it; and the undo of both, as steps."""

from __future__ import annotations

import ctypes
import os
import time

from . import _journal, _steps, _systemd
from ._errors import FaultlineError

PROGRAM = (_systemd,)
NTP_UNITS = (
    "systemd-timesyncd.service", "chrony.service", "chronyd.service", "ntp.service", "ntpd.service", "ntpsec.service", "openntpd.service",
)
# a clock that is so near to where it belongs is right, in seconds
_RIGHT = 0.05


def time_daemons():
    """The units that discipline this host's clock just now."""
    if not _systemd.booted():
        return []
    return sorted({unit.name for unit in _systemd.show(NTP_UNITS) if unit.loaded and unit.up})


def ahead():
    """By how many seconds the wall clock is ahead of the clock that never jumps: constant, but for jumps."""
    # between two looks at the one, so that an interruption shows
    first, wall, last = _journal.clock(), time.time(), _journal.clock()
    return wall - (first + last) / 2


def raw():
    """The clock that no adjustment changes."""
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


def set_ahead(seconds):
    """Set the wall clock to be so far ahead of the clock that never jumps."""
    try:
        time.clock_settime(time.CLOCK_REALTIME, _journal.clock() + seconds)
    except OSError as exc:
        raise _refused(exc.strerror) from exc


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2)."""

    _fields_ = [
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("constant", ctypes.c_long), ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long), ("seconds", ctypes.c_long), ("fraction", ctypes.c_long), ("tick", ctypes.c_long),
        ("rest", ctypes.c_long * 32),
    ]


_SET_FREQUENCY, _SET_TICK = 0x0002, 0x4000


def rate(tick=None, frequency=None):
    """(tick, frequency) of the kernel's clock, set first where given: microseconds in a hundredth of a second, and 2^-16 ppm."""
    libc = ctypes.CDLL(None, use_errno=True)
    # whoever does not set anything needs no privilege
    request = _Timex(modes=(0 if tick is None else _SET_TICK) | (0 if frequency is None else _SET_FREQUENCY), tick=tick or 0, freq=frequency or 0)
    if libc.adjtimex(ctypes.byref(request)) < 0:
        raise _refused(os.strerror(ctypes.get_errno()))
    return request.tick, request.freq


def _refused(why):
    return FaultlineError(
        "The clock cannot be set: %s." % why, code="no_capability",
        hint="It takes CAP_SYS_TIME, which containers lack; their clock is the whole machine's.",
    )


class SetBack:
    """Set a clock that has jumped back to where it would be: {ahead, offset, boot}."""

    type = "set_clock_back"

    @classmethod
    def make(cls, offset):
        return _steps.step(cls, "set the clock back by %+g seconds" % -offset, ahead=ahead(), offset=offset, boot=_journal.boot())

    @staticmethod
    def do(step):
        set_ahead(step["ahead"] + step["offset"])

    @staticmethod
    def _wrong(step):
        """By how much the clock is wrong. After another boot it comes from the hardware's clock, which we have not touched."""
        return 0.0 if step["boot"] != _journal.boot() else ahead() - step["ahead"]

    @classmethod
    def undo(cls, step):
        if abs(cls._wrong(step)) > _RIGHT:
            set_ahead(step["ahead"])

    @classmethod
    def held(cls, step):
        return abs(cls._wrong(step)) > abs(step["offset"]) / 2

    @classmethod
    def residue(cls, step):
        wrong = cls._wrong(step)
        return "the clock is wrong by %+.3f seconds" % wrong if abs(wrong) > _RIGHT else ""

    @classmethod
    def prove(cls, step):
        wrong = cls._wrong(step)
        if abs(wrong - step["offset"]) > 1:
            raise FaultlineError(
                "The clock is off by %+.3f seconds, not by %+g." % (wrong, step["offset"]), code="unproven", hint="Something else sets it.",
            )
        return {"offset": round(wrong, 3)}


class Steady:
    """Let a clock that drifts run as before, and take back what it has gained: {tick, frequency, ours, ahead, raw, since, boot}.

    The clock that deadlines are kept by drifts as well; what was gained is told by the raw one.
    """

    type = "steady_clock"

    @classmethod
    def make(cls, ppm):
        tick, frequency = rate()
        return _steps.step(
            cls, "let the clock run as fast as before, and take back what it gained", tick=tick, frequency=frequency, ppm=ppm,
            ours=tick + round(ppm / 100), ahead=ahead(), raw=raw(), since=_journal.clock(), boot=_journal.boot())

    @staticmethod
    def do(step):
        rate(step["ours"])

    @classmethod
    def held(cls, step):
        return step["boot"] == _journal.boot() and rate()[0] == step["ours"]

    @classmethod
    def undo(cls, step):
        if not cls.held(step):
            return
        rate(step["tick"], step["frequency"])
        gained = (_journal.clock() - step["since"]) - (raw() - step["raw"])
        set_ahead(ahead() - gained)

    @classmethod
    def residue(cls, step):
        return "the clock still runs %+d ppm too fast" % step["ppm"] if cls.held(step) else ""

    @staticmethod
    def prove(step):
        before, start = time.time(), raw()
        time.sleep(0.5)
        passed = raw() - start
        seen = (time.time() - before - passed) / passed * 1e6
        if abs(seen - step["ppm"]) > max(500, abs(step["ppm"]) / 4):
            raise FaultlineError("The clock runs %+d ppm fast, not %+d." % (seen, step["ppm"]), code="unproven", hint="Something else adjusts it.")
        return {"ppm": round(seen)}


_steps.register(SetBack, Steady)
