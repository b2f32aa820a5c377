# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file of samples as it grows: JSON lines, first a header, then samples, last an end line. One that went on after a reboot has another header there.

Only whole lines are handed to the kernel, so a SIGKILL costs what was not flushed yet and nothing else. On a full disk the lines
wait in memory, which is bounded too: what does not fit there is lost and missing in the count of samples taken.
"""

from __future__ import annotations

import base64
import json
import os
import zlib

from .._fault._errors import FaultlineError

FORMAT = 1
# bytes that may wait in memory while the disk is full
_BACKLOG = 32 << 20
# bytes of a file's end in which its last line is looked for
_TAIL = 4096


def _line(record):
    return json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def sample(series, due, start, duration, outcome, error=None, value=None):
    """One sample as it stands in the file: epoch seconds and seconds to the microsecond; outcome ok, failed or timeout."""
    made = {"series": series, "due": round(due, 6), "start": round(start, 6), "duration": round(duration, 6), "outcome": outcome}
    if error is not None:
        made["error"] = error
    if value is not None:
        made["value"] = value
    return made


class Writer:
    """The file of one process. due: samples that were due so far, for its owner to count; taken: those written.

    header: what the first line says; format is added. resume: go on in the file if it is there. FaultlineError (output_exists, unwritable) when
    the file cannot be made.
    """

    def __init__(self, path, header, resume=False):
        self.path = path
        self.due = 0
        self.taken = 0
        self._waiting = bytearray()
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._handle = os.open(path, flags if resume else flags | os.O_EXCL, 0o600)
            if resume:
                _cut(self._handle)
        except FileExistsError as exc:
            raise FaultlineError(
                "%s is there already." % path, code="output_exists", hint="Each run writes files of its own; give another path, or remove it.",
            ) from exc
        except OSError as exc:
            raise FaultlineError(
                "%s cannot be made: %s." % (path, exc.strerror), code="unwritable", hint="Samples need a place on disk; give another path.",
            ) from exc
        self._waiting += _line(dict(header, format=FORMAT))
        if not self.flush():
            raise FaultlineError("%s cannot be written: no room is left." % path, code="unwritable", hint="Make room there, or give another path.")

    def add(self, record):
        """Take a sample (a dictionary, see sample()); it is in the file after the next flush()."""
        raw = _line(record)
        if len(self._waiting) + len(raw) > _BACKLOG:
            return
        self._waiting += raw
        self.taken += 1

    def flush(self):
        """Hand everything to the kernel. False when some of it has to wait, as on a full disk.

        One thread may be in here, for as long as a disk hangs, while another one adds.
        """
        try:
            while self._waiting:
                # as much of it as fits; the rest of a line follows when there is room again
                del self._waiting[:os.write(self._handle, bytes(self._waiting))]
        except OSError:
            return False
        return True

    def end(self, ended, **more):
        """Write the end line and close. more: further keys of it, as failure."""
        self._waiting += _line(dict(more, ended=round(ended, 6), due=self.due, taken=self.taken))
        self.flush()
        os.close(self._handle)


def _cut(handle):
    """Take away the line that whoever wrote before could not end; no line is longer than the end that is looked at."""
    size = os.fstat(handle).st_size
    tail = os.pread(handle, _BACKLOG, max(0, size - _BACKLOG))
    os.ftruncate(handle, size - len(tail) + tail.rfind(b"\n") + 1)


def part(path, offset, size):
    """A part of a file for the way through a task's result: whole lines from offset on, at most size bytes of them.

    Returns {content (zlib, base64), offset (where the next part begins), size (of the file now), ended (whether this part reaches the end
    line)}. FaultlineError (no_output) when there is no such file.
    """
    try:
        with open(path, "rb") as stream:
            total = os.fstat(stream.fileno()).st_size
            stream.seek(offset)
            raw = stream.read(size)
            if offset + len(raw) < total and b"\n" not in raw:
                # one line that is longer than size
                raw += stream.readline()
    except OSError as exc:
        raise FaultlineError("%s cannot be read: %s." % (path, exc.strerror), code="no_output", hint="No monitor has written there.") from exc
    raw = raw[:raw.rfind(b"\n") + 1]
    following = offset + len(raw)
    return {
        "content": base64.b64encode(zlib.compress(raw, 6)).decode(), "offset": following, "size": total,
        "ended": following == total and end_line(path) is not None,
    }


def end_line(path):
    """The end line of a file as a dictionary, or None when it was not ended in order, or not yet."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            raw = stream.read()
        if not raw.endswith(b"\n"):
            return None
        told = json.loads(raw.splitlines()[-1].decode())
    except (OSError, ValueError, IndexError):
        return None
    return told if "ended" in told else None


def header(path):
    """The header of a file as a dictionary, or None."""
    try:
        with open(path, "rb") as stream:
            return json.loads(stream.readline().decode())
    except (OSError, ValueError):
        return None
