# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a program on the target: an argv list, a deadline, the C locale; never a shell string made from a name."""

from __future__ import annotations

import contextlib
import os
import subprocess

from ._errors import FaultlineError

# seconds that a program may run: it catches only a hang
_HANG = 300
# descriptors that every program that we start has open as well (see _journal.injecting())
LENT = set()
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Finished:
    """How a program ended: rc, out, err (text)."""

    def __init__(self, rc, out, err):
        self.rc = rc
        self.out = out
        self.err = err


def environment():
    """The environment of every program that we start."""
    return {"LC_ALL": "C", "PATH": _PATH, "HOME": os.path.expanduser("~")}


def which(name):
    """The path of a program, or None."""
    for folder in _PATH.split(":"):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    return None


# seconds that a program may run at most, whatever its caller allows
_most = [float("inf")]


@contextlib.contextmanager
def at_most(seconds):
    """Have no program run for longer while this lasts."""
    before, _most[0] = _most[0], seconds
    try:
        yield
    finally:
        _most[0] = before


def run(argv, timeout=_HANG, stdin="", check=True):
    """Run argv (list of str), feed it stdin (str), wait at most timeout seconds.

    Returns Finished. With check, an exit status other than 0 raises FaultlineError, as a missing program
    (code missing_program) and a passed deadline (code timeout) always do.
    """
    timeout = min(timeout, _most[0])
    try:
        done = subprocess.run(
            argv, input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=timeout, env=environment(), check=False, pass_fds=tuple(LENT),
        )
    except FileNotFoundError as exc:
        raise FaultlineError(
            "%s is not installed on this host." % argv[0], code="missing_program",
            hint="Install the package that has it.", details={"argv": argv},
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise FaultlineError(
            "'%s' did not end within %g seconds." % (" ".join(argv), timeout), code="timeout", details={"argv": argv},
        ) from exc
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if check and done.returncode != 0:
        raise FaultlineError(
            "'%s' failed with status %d: %s" % (" ".join(argv), done.returncode, (err or out).strip()[-500:]),
            code="program_failed", details={"argv": argv, "rc": done.returncode},
        )
    return Finished(done.returncode, out, err)
