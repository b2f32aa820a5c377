# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of faults of a whole node, as steps (see _steps.py), and the work that their workers do."""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import resource
import shutil
import signal
import threading
import time

from . import _node_host, _proc, _steps, _systemd, _worker
from ._errors import FaultlineError

PROGRAM = (_node_host, _proc, _systemd, _worker)
_CHUNK = 16 << 20
# mmap(2): the kernel takes all pages at once; one by one, a host short of memory reads its programs from disk between each two
_MAP_POPULATE = 0x8000
_THREADS = 256
# seconds between two looks at a process, and how long they take part in a proof
_LOOK = 0.5
# looks at the open files of a process, one after the other, and the seconds between them
_LOOKS, _BETWEEN_LOOKS = 25, 0.02


def _reason(exc):
    return exc.strerror or str(exc)


class EndStress(_worker.Worker):
    """End a stress-ng of our own: {worker, argv, limit, folder, stressed: {cpu, memory, disk, kernel: what is wanted}}."""

    type = "end_stress"
    # seconds that a stress may take to show; it catches only a hang
    _SETTLE = 300

    @classmethod
    def prove(cls, step):
        """CPU time, memory and writes of the very processes: what the kernel counts, not what stress-ng says."""
        seen = {}

        def enough():
            seen.update(cls._seen(step["worker"]))
            wanted = step["stressed"]
            return (
                seen["processes"] > 1
                and ("memory" not in wanted or seen["memory"] >= wanted["memory"] * 0.8)
                and ("disk" not in wanted or seen["written"] > 0)
                and ("cpu" not in wanted or seen["cpu_percent"] > 5) and ("kernel" not in wanted or seen["kernel_percent"] > 1)
            )

        if not _proc.wait_until(enough, cls._SETTLE, pause=0.1):
            raise FaultlineError(
                "The stress of %s is not proven: its processes show %s." % (
                    " and ".join(sorted(step["stressed"])), ", ".join("%s %s" % pair for pair in sorted(seen.items()))),
                code="unproven", hint="See: journalctl -u %s" % step["worker"],
            )
        return {"seen": seen}

    @staticmethod
    def _seen(worker):
        processes = _worker.processes(worker)
        first = _usage(processes)
        started = time.monotonic()
        time.sleep(_LOOK)
        # those that came meanwhile count from their birth
        last, passed = _usage(processes), time.monotonic() - started
        ticks = os.sysconf("SC_CLK_TCK")
        return {
            "processes": len(processes), "memory": last["memory"], "written": last["written"],
            "cpu_percent": round(100 * (last["cpu"] - first["cpu"]) / ticks / passed),
            "kernel_percent": round(100 * (last["kernel"] - first["kernel"]) / ticks / passed),
        }


def _usage(processes):
    """What processes have used: {cpu, kernel (ticks), memory (resident), written (bytes)}."""
    total = {"cpu": 0, "kernel": 0, "memory": 0, "written": 0}
    for process in processes:
        try:
            with open("/proc/%d/stat" % process.pid, "rb") as stream:
                fields = stream.read().rsplit(b")", 1)[1].split()
            with open("/proc/%d/io" % process.pid) as stream:
                total["written"] += next(int(line.split()[1]) for line in stream if line.startswith("wchar:"))
        except OSError:
            continue
        total["kernel"] += int(fields[12])
        total["cpu"] += int(fields[11]) + int(fields[12])
        total["memory"] += int(fields[21]) * mmap.PAGESIZE
    return total


class EndHog(_worker.Worker):
    """End a process of our own that fills the memory until the kernel's killer takes it: {worker, options: {cap, once}}."""

    type = "end_hog"

    @staticmethod
    def work(arguments):
        """Fill the memory in a child that the killer prefers to everybody else; say what became of it. Once, or until ended."""
        fault_id, options = arguments[0], json.loads(arguments[1])
        kills = 0
        while True:
            before = _node_host.oom_kills()
            child = os.fork()
            if child == 0:
                os._exit(_fill_memory(options["cap"]))
            _pid, status = os.waitpid(child, 0)
            after = _node_host.oom_kills()
            counted = before is None or after > before
            if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and counted):
                why = {3: "all of the memory was filled, and the killer did not act", 4: "the kernel gives no more memory than it has"}
                _worker.report(fault_id, hog=why.get(os.WEXITSTATUS(status) if os.WIFEXITED(status) else None, "it ended with status %d" % status))
                return 1
            kills += 1
            if not _worker.report(fault_id, oom_kills=kills, hog="killed by the kernel") or options["once"]:
                return 0
            # who was short of memory gets a breath
            time.sleep(_LOOK)

    @staticmethod
    def prove(step):
        return wait_for_oom(step["fault"], step["worker"])


def wait_for_oom(fault_id, worker, timeout=120):
    """The proof that the kernel's killer has taken our hog; FaultlineError."""
    ended = _proc.wait_until(lambda: "hog" in _worker.reported(fault_id), timeout, pause=0.1)
    proof = _worker.reported(fault_id)
    if not proof.get("oom_kills"):
        why = proof["hog"] if ended else "after %d seconds the killer has not acted" % timeout
        raise FaultlineError(
            "oom is not proven: %s." % why, code="unproven",
            hint="With vm.overcommit_memory=2 or much swap the kernel's killer does not come; see also: journalctl -u %s" % worker,
        )
    return {key: proof[key] for key in ("oom_kills", "hog")}


def _fill_memory(cap):
    """Take memory until somebody stops us. The exit status: 3 when there was more than cap, 4 when we got no more."""
    with open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("1000")
    # random, lest it be compressed away
    pattern, held = os.urandom(_CHUNK), []
    try:
        while len(held) * _CHUNK <= cap:
            chunk = mmap.mmap(-1, _CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_POPULATE)
            chunk.write(pattern)
            held.append(chunk)
    except (OSError, MemoryError):
        return 4
    return 3


class EndCrowd(_worker.Worker):
    """End processes of our own that do nothing but exist: {worker, options: {count}, tasks}."""

    type = "end_crowd"
    # seconds that all of them may take to be there; it catches only a hang
    SETTLE = 300

    @staticmethod
    def work(arguments):
        """Be as many processes and threads as are wanted, or as we may be."""
        left = json.loads(arguments[1])["count"] - 1
        threading.stack_size(64 << 10)
        while left > 0:
            try:
                child = os.fork()
            except BlockingIOError:
                break
            if child == 0:
                _be_many(min(left, _THREADS) - 1)
            left -= _THREADS
        while True:
            signal.pause()

    @classmethod
    def do(cls, step):
        super().do(step)
        # its time begins when all of them are there
        _proc.wait_until(lambda: cls._count(step) >= step["options"]["count"], cls.SETTLE, pause=0.2)

    @staticmethod
    def _count(step):
        return sum(map(threads, _worker.processes(step["worker"])))

    @classmethod
    def prove(cls, step):
        wanted, seen = step["options"]["count"], cls._count(step)
        if seen < wanted:
            raise FaultlineError(
                "exhaust of pids is not proven: there are %d of %d wanted." % (seen, wanted), code="unproven",
                hint="See: journalctl -u %s" % step["worker"],
            )
        limit, used, _own = _node_host.tasks()
        return {"ours": seen, "limit": limit, "used": used}


def _be_many(count):
    for _number in range(count):
        try:
            threading.Thread(target=signal.pause, daemon=True).start()
        except RuntimeError:
            break
    while True:
        signal.pause()


def threads(process):
    """How many threads a process has."""
    try:
        return len(os.listdir("/proc/%d/task" % process.pid))
    except OSError:
        return 0


class RemoveFile:
    """Remove a file of our own that takes room: {path, size}."""

    type = "remove_file"

    @classmethod
    def make(cls, path, size):
        return _steps.step(cls, "remove %s (%d MiB)" % (path, size >> 20), path=path, size=size)

    @staticmethod
    def do(step):
        try:
            handle = os.open(step["path"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, step["size"])
            finally:
                os.close(handle)
        except OSError as exc:
            raise FaultlineError("%s cannot be filled to %d bytes: %s." % (step["path"], step["size"], _reason(exc)), code="unproven") from exc

    @staticmethod
    def undo(step):
        try:
            os.unlink(step["path"])
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise FaultlineError("%s: %s." % (step["path"], _reason(exc)), code="residue") from exc

    @staticmethod
    def held(step):
        return _blocks(step["path"]) >= step["size"] * 0.98

    @staticmethod
    def residue(step):
        return "%s is still there" % step["path"] if os.path.lexists(step["path"]) else ""

    @classmethod
    def prove(cls, step):
        if not cls.held(step):
            raise FaultlineError(
                "fill_disk is not proven: %s takes %d bytes, not %d." % (step["path"], _blocks(step["path"]), step["size"]), code="unproven",
                hint="A filesystem that compresses or shares blocks cannot be filled so.",
            )
        now = _node_host.Filesystem(os.path.dirname(step["path"]))
        return {"file": step["path"], "taken": _blocks(step["path"]), "percent": round(now.percent, 1), "available": now.available}


def _blocks(path):
    """The bytes that a file takes on its disk; 0 when it is not there."""
    try:
        return os.lstat(path).st_blocks * 512
    except OSError:
        return 0


class RemoveFiles:
    """Remove a folder of our own with many empty files: {path, count}."""

    type = "remove_files"

    @classmethod
    def make(cls, path, count):
        return _steps.step(cls, "remove %s with its %d files" % (path, count), path=path, count=count)

    @staticmethod
    def do(step):
        try:
            os.mkdir(step["path"], 0o700)
            for number in range(step["count"]):
                os.close(os.open(os.path.join(step["path"], str(number)), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as exc:
            raise FaultlineError("%s cannot be filled with %d files: %s." % (step["path"], step["count"], _reason(exc)), code="unproven") from exc

    @staticmethod
    def undo(step):
        shutil.rmtree(step["path"], ignore_errors=True)

    @staticmethod
    def held(step):
        try:
            with os.scandir(step["path"]) as entries:
                return sum(1 for _entry in entries) >= step["count"]
        except OSError:
            return False

    @staticmethod
    def residue(step):
        return "%s is still there" % step["path"] if os.path.lexists(step["path"]) else ""

    @classmethod
    def prove(cls, step):
        if not cls.held(step):
            raise FaultlineError("exhaust of inodes is not proven: %s lacks files." % step["path"], code="unproven")
        now = _node_host.Filesystem(os.path.dirname(step["path"]))
        return {"folder": step["path"], "files": step["count"], "percent": round(now.percent_of_inodes, 1), "free": now.free_inodes}


class GiveFiles:
    """Give a process its limit of open files back: {process, was, ours}."""

    type = "give_files"

    @classmethod
    def make(cls, process, was, ours):
        return _steps.step(
            cls, "let %s open %s files again" % (process, "any number of" if was == resource.RLIM_INFINITY else was),
            claim="nofile:%d:%d" % (process.pid, process.start), process=process.as_dict(), was=was, ours=ours)

    @classmethod
    def do(cls, step):
        process = _proc.Process.from_dict(step["process"])
        if process.alive:
            limit_files(process.pid, step["ours"])

    @staticmethod
    def _ours(step):
        """Whether this very process still has the limit that we gave it."""
        process = _proc.Process.from_dict(step["process"])
        try:
            return process.alive and resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] == step["ours"]
        except PermissionError:
            return limits(process.pid)[0] == step["ours"]
        except ProcessLookupError:
            return False

    @classmethod
    def undo(cls, step):
        if cls._ours(step):
            limit_files(step["process"]["pid"], step["was"])

    @classmethod
    def held(cls, step):
        return cls._ours(step)

    @classmethod
    def residue(cls, step):
        return "%s may still open only %d files" % (_proc.Process.from_dict(step["process"]), step["ours"]) if cls._ours(step) else ""

    @classmethod
    def prove(cls, step):
        if not cls._ours(step):
            raise FaultlineError("exhaust of fds is not proven: %s has another limit." % _proc.Process.from_dict(step["process"]), code="unproven")
        pid = step["process"]["pid"]
        if lowest_free([pid]).get(pid, step["ours"]) < step["ours"]:
            raise FaultlineError(
                "exhaust of fds is not proven: %s has closed files meanwhile, and can open as many again." % _proc.Process.from_dict(step["process"]),
                code="unproven", hint="It opens and closes files all the time. Do it again, or when it has less to do.")
        return {"limit of %d" % pid: step["ours"], "open of %d" % pid: len(os.listdir("/proc/%d/fd" % pid))}


def limits(pid):
    """(soft, hard) limit of open files of a process, as anybody may read it."""
    with open("/proc/%d/limits" % pid) as stream:
        words = next(line for line in stream if line.startswith("Max open files")).split()[3:5]
    return tuple(resource.RLIM_INFINITY if word == "unlimited" else int(word) for word in words)


def first_free(pid):
    """The lowest number that a process has no open file for: what its next one would get."""
    taken = {int(name) for name in os.listdir("/proc/%d/fd" % pid)}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def lowest_free(pids):
    """{PID: the lowest of first_free() in some looks}: what a process has open for a moment only, as for a request, it can open again."""
    found = {}
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN_LOOKS)
        for pid in pids:
            with contextlib.suppress(OSError):
                first = first_free(pid)
                found[pid] = min(first, found.get(pid, first))
    return found


def limit_files(pid, soft):
    """Set how many files a process may open. Where root lacks CAP_SYS_RESOURCE (a container) its own user may still do it."""
    try:
        hard = limits(pid)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    except PermissionError:
        owner = os.stat("/proc/%d" % pid)
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
                os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
                os._exit(0)
            except OSError as exc:
                os._exit(exc.errno or errno.EPERM)
            finally:
                os._exit(errno.EPERM)
        status = os.waitpid(child, 0)[1]
        if status:
            raise FaultlineError(
                "The limits of the process %d cannot be set: %s." % (pid, os.strerror(os.WEXITSTATUS(status))), code="no_capability",
                hint="It takes CAP_SYS_RESOURCE.",
            ) from None
    except (ProcessLookupError, FileNotFoundError):
        # who is gone has no limits
        return


_steps.register(EndStress, EndHog, EndCrowd, RemoveFile, RemoveFiles, GiveFiles)
