# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal: what was done to this host, and what undoes it, on disk before anything is touched.

/var/lib/faultline (0700, root), or ~/.local/state/faultline where whoever runs us is not root (power, on the controller)
    open/<id>.json      faults that are armed, injected, or left residue
    closed/<id>.json    faults that are over: undone, aborted, or done where no undo exists
    lock, lock.d/<id>   one lock for the journal, one for each fault while it is undone, and <id>.injection while it is injected
    runner/<digest>/    the program that undoes; see _supervisor.py
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
import time

from . import _exec, _proc
from ._errors import FaultlineError

HOME = "/var/lib/faultline" if os.geteuid() == 0 else os.path.expanduser("~/.local/state/faultline")
ID = re.compile(r"^[a-z_]+-[0-9a-f]{8}$")
# so that later, longer states of a record fit in the place that it already has on a full disk
_RESERVE = 8192
_KEPT = 200


def _path(*parts):
    return os.path.join(HOME, *parts)


def now(later=0):
    """Wall clock time for people, UTC, some seconds later than now."""
    moment = time.time() + later
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + ".%03dZ" % (moment % 1 * 1000)


def clock():
    """Seconds of the clock that deadlines are kept by: it never jumps and counts suspended time too."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def boot():
    """What tells one boot of this host from another: the kernel's id and when PID 1 started (containers share the kernel's)."""
    with open("/proc/sys/kernel/random/boot_id") as stream:
        kernel = stream.read().strip()
    with open("/proc/1/stat", "rb") as stream:
        return "%s/%s" % (kernel, stream.read().rsplit(b")", 1)[1].split()[19].decode())


def make_folders():
    """Create the journal's folders where missing, and refuse those that others could have written to."""
    try:
        for folder in (HOME, _path("open"), _path("closed"), _path("lock.d"), _path("runner")):
            if not os.path.isdir(folder):
                os.makedirs(folder, mode=0o700, exist_ok=True)
            trust(folder)
    except OSError as exc:
        raise unwritable(exc) from exc


def trust(path):
    """Fail unless we own path, who are root on targets, and only we can write it."""
    info = os.lstat(path)
    if stat.S_ISLNK(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
        owner = "root" if os.geteuid() == 0 else "user %d" % os.geteuid()
        raise FaultlineError(
            "%s is not %s's alone; no undo is run from there." % (path, owner), code="untrusted_journal",
            hint="It must be owned by %s, not a link, and not writable by others. Look at what is in it before you mend it." % owner,
        )


def unwritable(exc):
    """The error for an OSError that kept us from writing here."""
    why = "the disk is full" if exc.errno in (errno.ENOSPC, errno.EDQUOT) else (exc.strerror or str(exc))
    return FaultlineError(
        "The journal in %s cannot be written: %s. Nothing was touched." % (HOME, why), code="no_journal",
        hint="No fault is injected without a journal on disk; make room there.",
    )


@contextlib.contextmanager
def locked(name="lock", patience=None):
    """Hold one of the journal's locks; waits for whoever has it, for so many seconds if told, else as long as that takes.

    FaultlineError (busy) when it does not come free.
    """
    handle = os.open(_path(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if patience is None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            _take(handle, patience)
        yield
    finally:
        os.close(handle)


def _take(handle, patience):
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise FaultlineError(
                    "Somebody else is at work at it, and did not end within %g seconds." % patience, code="busy",
                    hint="Look at os_fault_info, and at what its undo runs on the host.") from None
        time.sleep(0.1)


@contextlib.contextmanager
def locked_for_undo(fault_id, patience=None):
    """One undo at a time for each fault. patience: as of locked()."""
    name = os.path.join("lock.d", fault_id)
    with locked(name, patience):
        yield
    if not os.path.exists(_path("open", fault_id + ".json")):
        with contextlib.suppress(OSError):
            os.unlink(_path(name))


def _injection(fault_id):
    return _path("lock.d", fault_id + ".injection")


@contextlib.contextmanager
def injecting(fault_id):
    """While a fault is injected and proven: hold a lock, and have the program that we have started for it last noted in its file.

    So whoever keeps the fault's time knows when nobody works at it any more, however we ended. The lock itself is nobody else's: what a
    program leaves running would hold it for ever.
    """
    try:
        handle = os.open(_injection(fault_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise unwritable(exc) from exc
    try:
        _reserve(handle)
        fcntl.flock(handle, fcntl.LOCK_EX)
        _exec.NOTED_IN.add(handle)
        yield
    finally:
        _exec.NOTED_IN.discard(handle)
        with contextlib.suppress(OSError):
            os.unlink(_injection(fault_id))
        os.close(handle)


def _reserve(handle):
    """Have room for a note, whatever becomes of the disk."""
    try:
        os.pwrite(handle, b" " * _exec.NOTE, 0)
    except OSError as exc:
        raise unwritable(exc) from exc


def being_injected(fault_id):
    """Whether anybody is at work at the injection of a fault, or a program that was started for it and has not ended itself."""
    try:
        handle = os.open(_injection(fault_id), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        noted = os.pread(handle, _exec.NOTE, 0).split()
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return bool(noted) and _proc.Process(int(noted[0]), int(noted[1]), "").alive


def sync_path(path):
    """Until the names in a folder, or what is in a file, are on disk: what a power cut must not take back."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_closed(fault_id):
    """Until it is on disk that a fault is closed, and that nobody is at it any more."""
    for path in (_path("closed", fault_id + ".json"), _path("closed"), _path("open"), _path("lock.d")):
        sync_path(path)


def _encode(record, room):
    raw = json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"
    return raw + b" " * max(0, room - len(raw))


def _write_new(folder, name, raw, sync):
    """Atomically: the whole file or nothing; with sync, on disk when we return."""
    temporary = os.path.join(folder, ".%s.%d" % (name, os.getpid()))
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            left = raw
            while left:
                left = left[os.write(handle, left):]
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(temporary, os.path.join(folder, name))
        if sync:
            sync_path(folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def create(record):
    """Write a new open record; FaultlineError (no_journal) when that fails, with nothing left of it."""
    raw = _encode(record, 0)
    try:
        _write_new(_path("open"), record["id"] + ".json", _encode(record, len(raw) + _RESERVE), sync=True)
    except OSError as exc:
        raise unwritable(exc) from exc


def update(record, sync=False):
    """Write an open record again. On a full disk in its own place, which create() made large enough.

    What must survive a crash is the undo. That a fault was proven or undone need not: it would only be undone again.
    """
    path = _path("open", record["id"] + ".json")
    size = os.path.getsize(path)
    raw = _encode(record, size)
    try:
        _write_new(_path("open"), record["id"] + ".json", raw, sync)
    except OSError:
        with open(path, "r+b") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())


def extend(record, steps):
    """Add steps to an open record's undo, on disk before what they undo is done."""
    record["steps"] += steps
    save(record)


def save(record):
    """Have an open record on disk before anything else is done; FaultlineError (undone_early) where it was undone meanwhile."""
    with locked():
        if not os.path.exists(_path("open", record["id"] + ".json")):
            raise FaultlineError(
                "The fault %s was undone while it was being injected." % record["id"], code="undone_early", hint="Somebody has healed this host meanwhile.")
        update(record, sync=True)


def tidy():
    """Remove what those have left who were killed while they wrote a record. The journal is locked by the caller."""
    for name in os.listdir(_path("open")):
        pid = name.rpartition(".")[2]
        if name.startswith(".") and pid.isdigit() and not os.path.exists("/proc/" + pid):
            with contextlib.suppress(OSError):
                os.unlink(_path("open", name))


def close(record):
    """Move a record among the closed ones, and forget the oldest of them."""
    update(record)
    tidy()
    os.rename(_path("open", record["id"] + ".json"), _path("closed", record["id"] + ".json"))
    with contextlib.suppress(OSError):
        # whoever injected it was killed
        os.unlink(_injection(record["id"]))
    closed = sorted(_names("closed"), key=lambda name: os.path.getmtime(_path("closed", name + ".json")))
    for name in closed[:-_KEPT]:
        os.unlink(_path("closed", name + ".json"))


def _names(folder):
    try:
        entries = os.listdir(_path(folder))
    except FileNotFoundError:
        return []
    return [entry[:-5] for entry in entries if entry.endswith(".json") and ID.match(entry[:-5])]


def _load(folder, name):
    path = _path(folder, name + ".json")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as stream:
        info = os.fstat(stream.fileno())
        if info.st_uid != os.geteuid() or info.st_mode & 0o022:
            trust(path)
        raw = stream.read()
    try:
        record = json.loads(raw.decode())
    except ValueError as exc:
        raise FaultlineError(
            "%s is not a record: %s." % (path, exc), code="untrusted_journal",
            hint="Look at it, undo by hand what it speaks of, and move it away.",
        ) from exc
    if record.get("id") != name:
        raise FaultlineError("%s does not hold the record of %s." % (path, name), code="untrusted_journal")
    return record


def load_open(fault_id):
    """The open record of this id, or None."""
    if not ID.match(fault_id):
        raise FaultlineError("'%s' is not the id of a fault." % fault_id, code="bad_id", hint="os_fault_info lists the ids.")
    for folder in (HOME, _path("open")):
        if os.path.exists(folder):
            trust(folder)
    return _load("open", fault_id)


def load(fault_id):
    """The record of this id, open or closed, or None."""
    return load_open(fault_id) or _load("closed", fault_id)


def _all(folder):
    return sorted(_look(folder)[0], key=lambda record: (record["armed_at"], record["id"]))


def _look(folder):
    """(records, {id: why it cannot be read}): one that cannot be believed keeps nobody from the others."""
    records, unreadable = [], {}
    for name in _names(folder):
        try:
            records.append(_load(folder, name))
        except FaultlineError as exc:
            unreadable[name] = exc.message
        except OSError as exc:
            unreadable[name] = "%s cannot be read: %s." % (_path(folder, name + ".json"), exc.strerror)
    return [record for record in records if record], unreadable


def open_records():
    """All open records, oldest first."""
    if os.path.exists(_path("open")):
        trust(HOME)
        trust(_path("open"))
    return _all("open")


def unreadable():
    """{id: why} of the open records that cannot be read or believed: what they would undo is not known."""
    return _look("open")[1]


def closed_records():
    """The records of faults that are over, oldest first."""
    return _all("closed")


def open_faults(action, names):
    """The open records of an action on any of these names, oldest first; those that only wait for their moment have done nothing yet."""
    return [
        record for record in open_records()
        if record["action"] == action and record["state"] != "scheduled" and set(record["names"]) & set(names)
    ]


def never_armed(record):
    """Whether a fault came to nothing: whoever wrote its record died before anything was there to undo it, and so before anything was done."""
    waits = record["state"] != "armed" or record.get("keeper") or record.get("fire_at") is not None
    return not waits and bool(record["steps"]) and not record.get("supervisor") and not being_injected(record["id"])


def claimed_by_others(fault_id, records=None):
    """Claims that other faults hold: what they want kept as it is until they are undone themselves."""
    held = {}
    for record in open_records() if records is None else records:
        if record["id"] != fault_id and record["state"] in ("armed", "injected") and not never_armed(record):
            for step in record["steps"]:
                if step.get("claim"):
                    held.setdefault(step["claim"], record["id"])
    return held


def claimed_by_undoing(claims):
    """Ids of faults that are being undone just now and hold one of these claims."""
    return [
        record["id"] for record in open_records()
        if record["state"] == "undoing" and any(step.get("claim") in claims for step in record["steps"])
    ]
