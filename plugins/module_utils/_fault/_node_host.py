# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node has: memory, processes, room on its disks; and whether these are its own or shared with others."""

from __future__ import annotations

import os

from . import _journal, _proc
from ._errors import FaultlineError
from ._exec import run, which

_CGROUPS = "/sys/fs/cgroup"
# what no limit looks like in cgroup v1: about 2^63
_NO_LIMIT = 1 << 60


def container():
    """What kind of container this host is, or '' for a machine with a kernel of its own."""
    if which("systemd-detect-virt"):
        # exit status 1: none
        found = run(["systemd-detect-virt", "--container"], check=False).out.strip()
        if found != "none":
            return found
    return "container" if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv") else ""


def _number(*paths):
    """The number in the first of these files that exists and holds one, or None."""
    for path in paths:
        try:
            with open(path) as stream:
                return int(stream.read())
        except (OSError, ValueError):
            continue
    return None


def _meminfo():
    with open("/proc/meminfo") as stream:
        return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in stream if line.endswith("kB\n")}


class Memory:
    """Memory in bytes: total, available, swap; limited: whether a control group limits the whole host (a container)."""

    def __init__(self, total, available, swap, limited):
        self.total = total
        self.available = available
        self.swap = swap
        self.limited = limited


def memory():
    """This host's Memory."""
    info = _meminfo()
    total, available = info["MemTotal"], info.get("MemAvailable", info["MemFree"])
    limit = _number(_CGROUPS + "/memory.max", _CGROUPS + "/memory/memory.limit_in_bytes")
    if limit is None or limit >= _NO_LIMIT or limit >= total:
        return Memory(total, available, info.get("SwapTotal", 0), False)
    used = _number(_CGROUPS + "/memory.current", _CGROUPS + "/memory/memory.usage_in_bytes") or 0
    return Memory(limit, min(available, limit - used), 0, True)


def oom_kills():
    """How often the kernel's killer has acted, on this host or for its control group; None when the kernel does not count it."""
    for path in (_CGROUPS + "/memory.events", _CGROUPS + "/memory/memory.oom_control", "/proc/vmstat"):
        try:
            with open(path) as stream:
                found = [int(line.split()[1]) for line in stream if line.startswith("oom_kill ")]
        except OSError:
            continue
        if found:
            return found[0]
    return None


def tasks():
    """(processes and threads that there may be, that there are, whether the limit is a container's own)."""
    limit = _number(_CGROUPS + "/pids.max", _CGROUPS + "/pids/pids.max")
    if limit is not None:
        return limit, _number(_CGROUPS + "/pids.current", _CGROUPS + "/pids/pids.current") or 0, True
    limit = min(_number("/proc/sys/kernel/pid_max"), _number("/proc/sys/kernel/threads-max"))
    with open("/proc/loadavg") as stream:
        return limit, int(stream.read().split()[3].split("/")[1]), False


class Filesystem:
    """The filesystem that a folder lies on."""

    def __init__(self, path):
        try:
            self.path = os.path.realpath(path)
            found = os.statvfs(self.path)
            self.device = os.stat(self.path).st_dev
        except OSError as exc:
            raise FaultlineError(
                "%s cannot be looked at: %s." % (path, exc.strerror), code="not_found", hint="Give a folder that exists. Nothing was touched.",
            ) from exc
        if not os.path.isdir(self.path):
            raise FaultlineError("%s is not a folder." % path, code="not_found", hint="Nothing was touched.")
        self.block = found.f_frsize
        # room that nobody but root may use is left out, as df does
        self.available = found.f_bavail * found.f_frsize
        self.reserved = (found.f_bfree - found.f_bavail) * found.f_frsize
        self.used = (found.f_blocks - found.f_bfree) * found.f_frsize
        self.inodes, self.free_inodes = found.f_files, found.f_ffree
        self.kind = _kind_of(self.path)

    @property
    def percent(self):
        return 100.0 * self.used / (self.used + self.available) if self.used + self.available else 100.0

    @property
    def percent_of_inodes(self):
        return 100.0 * (self.inodes - self.free_inodes) / self.inodes if self.inodes else 0.0

    def holds_the_journal(self):
        home = _journal.HOME
        while not os.path.exists(home):
            home = os.path.dirname(home)
        return os.stat(home).st_dev == self.device


def _kind_of(path):
    """The type of the filesystem at a path, as ext4, tmpfs, overlay."""
    best, kind = "", ""
    with open("/proc/self/mounts") as stream:
        for line in stream:
            _device, where, what = line.split()[:3]
            where = where.replace("\\040", " ")
            if (path + "/").startswith(where.rstrip("/") + "/") and len(where) >= len(best):
                best, kind = where, what
    return kind


def ssh_servers():
    """The processes of sshd."""
    return [process for process in map(_proc.lookup, _proc.every()) if process and process.comm == "sshd"]


def readiness(pid):
    """How readily the kernel's killer takes a process: oom_score_adj, -1000 to 1000; None when it is gone."""
    return _number("/proc/%d/oom_score_adj" % pid)
