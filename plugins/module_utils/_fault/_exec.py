# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a program on the target: an argv list, a deadline, the C locale; never a shell string made from a name.

run() is for programs that we know, command() for those of a user, which may leave anything behind.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time

from ._errors import FaultlineError

# seconds that a program may run: it catches only a hang
_HANG = 300
# descriptors of files in which each program that we start is noted (see _journal.injecting()); the programs themselves do not get them
NOTED_IN = set()
# bytes of such a note: the PID and the start of a process
NOTE = 64
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


def _note():
    """Note who we are: in the child, before it becomes the program, so that whoever starts it may die at any moment."""
    with open("/proc/self/stat", "rb") as stream:
        start = stream.read().rsplit(b")", 1)[1].split()[19]
    for handle in NOTED_IN:
        os.pwrite(handle, (b"%d %s" % (os.getpid(), start)).ljust(NOTE), 0)


def _noting():
    return _note if NOTED_IN else None


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


# when all programs together are to have ended, by the clock of time.monotonic(), and what each has even after that, in seconds
_end = [float("inf")]
_CHANCE = 10


@contextlib.contextmanager
def within(seconds):
    """Have all programs together run for no longer while this lasts; those that come too late for that have little time, but have it."""
    before, _end[0] = _end[0], min(_end[0], time.monotonic() + seconds)
    try:
        yield
    finally:
        _end[0] = before


def _allowed(timeout):
    """Seconds that a program may run, of those that its caller wants."""
    return min(timeout, _most[0], max(_end[0] - time.monotonic(), _CHANCE))


def run(argv, timeout=_HANG, stdin="", check=True):
    """Run argv (list of str), feed it stdin (str), wait at most timeout seconds.

    Returns Finished. With check, an exit status other than 0 raises FaultlineError, as a missing program
    (code missing_program) and a passed deadline (code timeout) always do.
    """
    timeout = _allowed(timeout)
    try:
        done = subprocess.run(
            argv, input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=timeout, env=environment(), check=False, preexec_fn=_noting(),  # pylint: disable=subprocess-popen-preexec-fn
        )
    except FileNotFoundError as exc:
        raise _missing(argv) from exc
    except subprocess.TimeoutExpired as exc:
        raise FaultlineError(
            "'%s' did not end within %.3g seconds." % (" ".join(argv), timeout), code="timeout", details={"argv": argv},
        ) from exc
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if check and done.returncode != 0:
        raise FaultlineError(
            "'%s' failed with status %d: %s" % (" ".join(argv), done.returncode, (err or out).strip()[-500:]),
            code="program_failed", details={"argv": argv, "rc": done.returncode},
        )
    return Finished(done.returncode, out, err)


def _missing(argv):
    return FaultlineError(
        "%s is not installed on this host." % argv[0], code="missing_program", hint="Install the package that has it.", details={"argv": argv})


# bytes of a command's output that are kept of its beginning, and as many of its end
_KEPT = 32 * 1024
# characters of its end that an error shows
_SHOWN = 1000
# how often it is looked whether a command has ended whose output somebody else keeps open, in seconds
_LOOK = 0.05
# seconds that a command has to end when it is told to, before it is killed
_LAST = 5


class _Output:
    """The beginning and the end of what a command says, however much comes between. reader: the descriptor it is read from."""

    def __init__(self, reader):
        self.reader = reader
        # whether anybody can still say something
        self.open = True
        self._first, self._last, self._size = b"", b"", 0

    def read(self):
        """Take what is there. False when there is nothing at the moment, or nothing any more."""
        try:
            part = os.read(self.reader, 65536)
        except BlockingIOError:
            return False
        self.open = part != b""
        room = _KEPT - len(self._first)
        self._first += part[:room]
        self._last = (self._last + part[room:])[-_KEPT:]
        self._size += len(part)
        return self.open

    def drain(self):
        """Take what is there, but not for ever: whoever is left may say more and more."""
        for _part in range(32):
            if not self.read():
                return

    @property
    def text(self):
        lost = self._size - len(self._first) - len(self._last)
        between = b"\n... %d bytes are left out ...\n" % lost if lost else b""
        return (self._first + between + self._last).decode(errors="replace")


def command(argv, timeout=_HANG, check=True, apart=()):
    """Run a command of the user's own, and come back when it has ended itself, whoever is left behind and keeps its output open.

    It has a session of its own and nothing to read. What runs longer than timeout is ended with its process group. apart: the argv of what runs a
    program outside of our control group, as _systemd.apart() says. Returns Finished, errors as in run(); out has both of its outputs, shortened.
    """
    timeout = _allowed(timeout)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    output = _Output(reader)
    try:
        try:
            child = subprocess.Popen(  # pylint: disable=consider-using-with
                list(apart) + argv, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, env=environment(), start_new_session=True,
                preexec_fn=_noting(),  # pylint: disable=subprocess-popen-preexec-fn
            )
        except OSError as exc:
            if isinstance(exc, FileNotFoundError):
                raise _missing(argv) from exc
            raise FaultlineError("'%s' cannot be run: %s." % (_line(argv), exc.strerror), code="program_failed", details={"argv": argv}) from exc
        finally:
            os.close(writer)
        try:
            in_time = _attend(child, output, time.monotonic() + timeout)
        finally:
            _finish(child)
        output.drain()
        if output.open and in_time:
            _read_on(reader, apart)
    finally:
        os.close(reader)
    if not in_time:
        raise FaultlineError(
            "'%s' did not end within %.3g seconds, and was ended with its process group.%s" % (_line(argv), timeout, _said(output)), code="timeout",
            hint="What it starts and leaves running has to go into the background (&). If it only needs longer, raise its timeout.",
            details={"argv": argv, "output": output.text},
        )
    if check and child.returncode != 0:
        raise FaultlineError(
            "'%s' %s.%s" % (_line(argv), _how(child.returncode), _said(output)),
            code="program_failed", details={"argv": argv, "rc": child.returncode, "output": output.text},
        )
    return Finished(child.returncode, output.text, "")


def _line(argv):
    """A command as the user gave it."""
    return argv[2] if argv[:2] == ["/bin/sh", "-c"] else " ".join(argv)


def _how(status):
    return "failed with status %d" % status if status > 0 else "was ended by signal %d" % -status


def _said(output):
    words = output.text.strip()[-_SHOWN:]
    return " It said: %s" % words if words else " It said nothing."


def _attend(child, output, end):
    """Take what a command says until it has ended; whether that was in time."""
    while child.poll() is None:
        left = end - time.monotonic()
        if left <= 0:
            return False
        if not output.open:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(min(left, 1))
        elif select.select([output.reader], [], [], min(left, _LOOK))[0]:
            output.read()
    return True


def _finish(child):
    """End a command that has not ended, and who is in its process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_LAST)


def _read_on(reader, apart):
    """Have somebody read what those say whom a command has left behind: to write where nobody reads would end them."""
    os.set_blocking(reader, True)
    with contextlib.suppress(OSError):
        subprocess.Popen(  # pylint: disable=consider-using-with
            list(apart) + ["cat"], stdin=reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True)
