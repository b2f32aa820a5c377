# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes by identity: a PID alone is no identity, a PID with its start time is."""

from __future__ import annotations

import os
import re
import signal
import socket
import time

from ._errors import FaultlineError


class Process:
    """One process: pid, start (clock ticks since boot, field 22 of proc_pid_stat(5)), comm."""

    def __init__(self, pid, start, comm):
        self.pid = pid
        self.start = start
        self.comm = comm

    def __eq__(self, other):
        return isinstance(other, Process) and (self.pid, self.start) == (other.pid, other.start)

    def __hash__(self):
        return hash((self.pid, self.start))

    def __str__(self):
        return "%s[%d]" % (self.comm, self.pid)

    def as_dict(self):
        return {"pid": self.pid, "start": self.start, "comm": self.comm}

    @classmethod
    def from_dict(cls, data):
        return cls(int(data["pid"]), int(data["start"]), str(data.get("comm", "?")))

    @property
    def state(self):
        """One letter of proc_pid_stat(5), or '' when this very process is gone or only a zombie is left."""
        now = _stat(self.pid)
        if now is None or now[0].start != self.start or now[1] in "ZX":
            return ""
        return now[1]

    @property
    def alive(self):
        return self.state != ""

    def ignores(self, number):
        """Whether a signal would be lost on it."""
        told = re.search(rb"^SigIgn:\s*([0-9a-f]+)$", _read("/proc/%d/status" % self.pid) or b"", re.MULTILINE)
        return self.alive and bool(told) and bool(int(told.group(1), 16) >> (number - 1) & 1)

    def send(self, number):
        """Signal this very process. False when it is gone; the PID's next owner is never hit."""
        try:
            # with a pidfd the check below and the signal mean the same process
            handle = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
        except ProcessLookupError:
            return False
        except OSError:
            handle = None
        try:
            if not self.alive:
                return False
            if handle is not None and hasattr(signal, "pidfd_send_signal"):
                signal.pidfd_send_signal(handle, number)
            else:
                os.kill(self.pid, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            if handle is not None:
                os.close(handle)


def _read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def _stat(pid):
    """(Process, state, parent) of a PID, or None."""
    raw = _read("/proc/%d/stat" % pid)
    if raw is None:
        return None
    head, tail = raw.rsplit(b")", 1)
    fields = tail.split()
    comm = head.split(b"(", 1)[1].decode(errors="replace")
    return Process(pid, int(fields[19]), comm), fields[0].decode(), int(fields[1])


def lookup(pid):
    """The live process that has this PID now, or None."""
    now = _stat(pid)
    return now[0] if now and now[1] not in "ZX" else None


def relation(pid):
    """(parent's PID, session) of a process; (0, 0) for the dead."""
    raw = _read("/proc/%d/stat" % pid)
    if raw is None:
        return 0, 0
    fields = raw.rsplit(b")", 1)[1].split()
    return int(fields[1]), int(fields[3])


def handles(pid, number):
    """Whether a process does something of its own on a signal, or lets it pass, and so does not die of it as others do."""
    found = re.findall(rb"^Sig(?:Cgt|Ign):\s*([0-9a-f]+)", _read("/proc/%d/status" % pid) or b"", re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in found)


def control_group(pid):
    """The control group of a process in systemd's own tree; '' for the dead."""
    for line in (_read("/proc/%d/cgroup" % pid) or b"").decode(errors="replace").splitlines():
        _number, controllers, path = line.split(":", 2)
        # the unified hierarchy, or name=systemd where cgroup v1 rules; there the unified one may be empty beside it
        if controllers == "name=systemd" or (not controllers and path != "/"):
            return path
    return ""


def every():
    """All PIDs of this host."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def command_line(pid):
    """The whole command line, arguments joined by blanks; '' for kernel threads and the dead."""
    return (_read("/proc/%d/cmdline" % pid) or b"").rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


def chain(pid):
    """PIDs from a process up to PID 1."""
    found = []
    while pid > 0 and pid not in found:
        found.append(pid)
        now = _stat(pid)
        pid = now[2] if now else 0
    return found


def own_chain():
    """PIDs from this process up to PID 1: never to be hit."""
    return chain(os.getpid())


def _carriers():
    """Our own chain below sshd or PID 1: shells and programs that may quote the pattern that we look for."""
    found = []
    for pid in own_chain():
        now = _stat(pid)
        if pid == 1 or (now and now[0].comm == "sshd"):
            break
        found.append(pid)
    return found


def matching(pattern):
    """Processes whose command line matches a regular expression; those that carry this task and quote it are left out."""
    try:
        compiled = re.compile(pattern)
    except re.error as exc:
        raise FaultlineError(
            "'%s' is not a regular expression: %s." % (pattern, exc), code="bad_pattern",
            hint="Mend 'grep'; it is matched against the whole command line.",
        ) from exc
    carriers = _carriers()
    found = []
    for pid in every():
        line = command_line(pid)
        if line and pid not in carriers and compiled.search(line):
            process = lookup(pid)
            if process:
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def descendants(processes):
    """The live processes that come of these, children of children too."""
    parents = {}
    for pid in every():
        now = _stat(pid)
        if now and now[1] not in "ZX":
            parents.setdefault(now[2], []).append(now[0])
    found, level = [], list(processes)
    while level:
        level = [child for parent in level if parent.alive for child in parents.get(parent.pid, ())]
        found += level
    return found


def ticks():
    """Now, by the clock of a process's start."""
    return int(time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) * os.sysconf("SC_CLK_TCK"))


def since(moment):
    """Seconds since a moment of that clock."""
    return (ticks() - moment) / os.sysconf("SC_CLK_TCK")


def container(pid):
    """The id of the container that a process is in, by its control group; '' for one of this host, which may be a container itself."""
    def ids(of):
        return re.findall(rb"[0-9a-f]{64}", _read("/proc/%d/cgroup" % of) or b"")

    inner = [each for each in ids(pid) if each not in ids(1)]
    return inner[-1].decode() if inner else ""


def refuse_all(control_group):
    """Fail for the group that all processes are below; it is nobody's own."""
    if not control_group.strip("/"):
        raise FaultlineError("'%s' is no control group of its own: all of the host is below it." % control_group, code="guarded")


def in_cgroup(control_group):
    """Processes of a systemd unit's control group and of all groups below it, whatever the cgroup version."""
    refuse_all(control_group)
    found = []
    below = control_group.rstrip("/") + "/"
    for pid in every():
        raw = _read("/proc/%d/cgroup" % pid)
        if raw is None:
            continue
        for line in raw.decode(errors="replace").splitlines():
            _number, controllers, path = line.split(":", 2)
            # systemd keeps its tree in the unified hierarchy, or in name=systemd where cgroup v1 rules
            if controllers in ("", "name=systemd") and (path + "/").startswith(below):
                process = lookup(pid)
                if process:
                    found.append(process)
                break
    return sorted(found, key=lambda process: process.pid)


def in_session(leader):
    """Processes of the session that a process leads or has led."""
    def belongs(pid):
        raw = _read("/proc/%d/stat" % pid)
        return raw is not None and int(raw.rsplit(b")", 1)[1].split()[3]) == leader.pid

    now = lookup(leader.pid)
    if now is not None and now != leader:
        # the PID went to somebody else, so nobody of the session is left
        return []
    return [process for process in map(lookup, filter(belongs, every())) if process]


def age(process):
    """Seconds since a process was started."""
    with open("/proc/uptime") as stream:
        return float(stream.read().split()[0]) - process.start / os.sysconf("SC_CLK_TCK")


def wait_until(condition, timeout, pause=0.02):
    """Poll condition() until it is true or timeout seconds have passed; its last value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() >= end:
            return value
        time.sleep(min(pause, max(0.0, end - time.monotonic())))


class Socket:
    """A listening socket: protocol 'tcp' or 'udp', address (text), port, family; inode, by which its holders are known.

    namespace: (device, inode) of the network namespace that it is in, or None where that cannot be seen; path: a file of that namespace.
    holders: those of the processes asked for that have it open.
    """

    def __init__(self, protocol, address, port, family, inode=""):
        self.protocol = protocol
        self.address = address
        self.port = port
        self.family = family
        self.inode = inode
        self.namespace = None
        self.path = ""
        self.holders = []

    def __str__(self):
        return "%s %s:%d" % (self.protocol, "[%s]" % self.address if ":" in self.address else self.address, self.port)


def _address(text, family):
    """An address of proc_net(5): hexadecimal, 32-bit words in host byte order."""
    raw = bytes.fromhex(text)
    words = [raw[i:i + 4][::-1] for i in range(0, len(raw), 4)]
    return socket.inet_ntop(family, b"".join(words))


def _sockets_of_table(process, name, family):
    """inode -> Socket of the listening TCP or bound, unconnected UDP sockets in the network namespace of process (a PID, or thread-self)."""
    table = {}
    protocol = name[:3]
    wanted = "0A" if protocol == "tcp" else "07"
    raw = _read("/proc/%s/net/%s" % (process, name)) or b""
    for line in raw.decode().splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == wanted:
            text, port = fields[1].split(":")
            address, kind = _address(text, family), family
            if address.startswith("::ffff:") and "." in address:
                # an IPv6 socket that is bound to an address of IPv4 is reached by IPv4 alone
                address, kind = address[7:], socket.AF_INET
            table[fields[9]] = Socket(protocol, address, int(port, 16), kind, fields[9])
    return table


_TABLES = (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6), ("udp", socket.AF_INET), ("udp6", socket.AF_INET6))


def namespace_path(pid):
    """The file of a process's network namespace."""
    return "/proc/%s/ns/net" % pid


def namespace(pid):
    """(device, inode) of the network namespace of a process; None when it is gone, or hidden."""
    try:
        info = os.stat(namespace_path(pid))
    except OSError:
        return None
    return info.st_dev, info.st_ino


def sockets_in_namespace(pid):
    """inode -> Socket of all that is listened on in the network namespace of a process, whoever does."""
    table = {}
    for name, family in _TABLES:
        table.update(_sockets_of_table(pid, name, family))
    where = namespace(pid)
    for entry in table.values():
        entry.namespace, entry.path = where, namespace_path(pid)
    return table


def open_sockets(pid):
    """The inodes of the sockets that a process has open."""
    folder = "/proc/%d/fd" % pid
    found = set()
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            link = os.readlink("%s/%s" % (folder, name))
        except OSError:
            continue
        if link.startswith("socket:["):
            found.add(link[8:-1])
    return found


def listening(processes):
    """The sockets that these processes listen on, each in the network namespace of its process; one per (namespace, protocol, address, port)."""
    tables, found = {}, {}
    for process in processes:
        where = namespace(process.pid) or process
        if where not in tables:
            tables[where] = sockets_in_namespace(process.pid)
        table = tables[where]
        for inode in open_sockets(process.pid) & set(table):
            entry = found.setdefault((where, str(table[inode])), table[inode])
            entry.holders.append(process)
    return sorted(found.values(), key=lambda entry: (str(entry), entry.namespace or (0, 0)))


def served(sockets):
    """Without the UDP sockets of clients."""
    return [entry for entry in sockets if entry.protocol == "tcp" or entry.port < ephemeral()]


def ephemeral():
    """The first port that the kernel gives to clients; UDP sockets from there on are no service's."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as stream:
        return int(stream.read().split()[0])


def holders(sockets):
    """All processes of this host that have one of these sockets open."""
    wanted = {entry.inode for entry in sockets}
    return [process for process in map(lookup, [pid for pid in every() if open_sockets(pid) & wanted]) if process]


def hidden(processes):
    """Whether we may not see the open files, and so the sockets, of any of these processes (it takes CAP_SYS_PTRACE)."""
    def unreadable(process):
        try:
            os.listdir("/proc/%d/fd" % process.pid)
        except PermissionError:
            return True
        except OSError:
            pass
        return False

    return any(unreadable(process) for process in processes)
