# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults that take what a node has only so much of: fill_disk; exhaust of files, inodes, processes."""

from __future__ import annotations

import os
import resource

from . import _journal, _node_base, _node_host, _node_steps, _proc
from ._errors import FaultlineError

JOURNAL_INODES = 128
# processes that stay free, so that one can log in and the undo can start its programs
TASKS_ROOM = 64
MOST_FILES = 5000000


class FillDisk(_node_base.NodeFault):
    """Take room on a filesystem by one file of our own."""

    action = "fill_disk"
    reversible = True

    def resolve(self):
        self.disk = disk = _node_host.Filesystem(self._need("path", "a folder on the filesystem to fill"))
        given = [name for name in ("percent", "free", "size") if self.options[name] is not None]
        if len(given) != 1:
            raise FaultlineError(
                "fill_disk needs one of percent, free and size, not %s." % (" and ".join(given) or "none"), code="missing_option",
                hint="percent: how full it shall be; free: the bytes to leave; size: the bytes to take.")
        if self.options["percent"] is not None:
            self.size = int((disk.used + disk.available) * self.options["percent"] / 100) - disk.used
        elif self.options["free"] is not None:
            self.size = disk.available - self.options["free"]
        else:
            self.size = self.options["size"]
        self._before = "%s: %.1f %% used, %s free" % (disk.path, disk.percent, _node_base.size(disk.available))
        if self.size <= 0:
            raise FaultlineError(
                "%s is as full as that already: %.1f %%, %s free." % (disk.path, disk.percent, _node_base.size(disk.available)), code="already_full",
                hint="Nothing was touched.")

    def guard(self):
        disk = self.disk
        if disk.kind == "overlay" and _node_host.container() and self.options["size"] is None:
            self._refuse("%s lies on the disk of the machine that runs this container, and others are on it" % disk.path,
                         "Give size, or a path on a filesystem of its own.", "shared_disk")
        if self.size > disk.available:
            self._refuse("%s has only %s left, and %s are wanted" % (disk.path, _node_base.size(disk.available), _node_base.size(self.size)), code="too_much")
        if disk.holds_the_journal() and disk.available + disk.reserved - self.size < _node_base.JOURNAL_ROOM:
            self._refuse(
                "the journal lives on the filesystem of %s, and %s must stay free for the undo's own records" % (
                    disk.path, _node_base.size(_node_base.JOURNAL_ROOM)),
                "Ask for free: %dM, or more." % (_node_base.JOURNAL_ROOM >> 20), "journal_room")
        if disk.kind == "tmpfs" and self.size > _node_host.memory().available * 3 // 4:
            self._refuse("%s is in memory, and %s of it are not to be had; that would be an oom" % (disk.path, _node_base.size(self.size)), code="too_much")

    def targets(self):
        return [{"node": self.subject, "path": self.disk.path, "filesystem": self.disk.kind}]

    def plan(self):
        return ["take %s of %s on %s" % (_node_base.size(self.size), _node_base.size(self.disk.available), self.disk.path)]

    def steps(self, fault_id):
        return [_node_steps.RemoveFile.make(os.path.join(self.disk.path, ".faultline-" + fault_id), self.size)]

    def prove(self, record):
        proof = super().prove(record)
        self.done = "%s %.1f %% full, %s free" % (self.disk.path, proof["percent"], _node_base.size(proof["available"]))
        return proof


def _share(total, used, options):
    """How many of something are to be taken, by percent, free or size."""
    if options["size"] is not None:
        return options["size"]
    if options["free"] is not None:
        return total - used - options["free"]
    return int(total * (95 if options["percent"] is None else options["percent"]) / 100) - used


class ExhaustInodes(_node_base.NodeFault):
    """Take the inodes of a filesystem by empty files in a folder of our own."""

    action = "exhaust"
    reversible = True

    def resolve(self):
        self.disk = disk = _node_host.Filesystem(self._need("path", "a folder on the filesystem whose inodes are to be taken"))
        if not disk.inodes:
            self._refuse("%s (%s) has no fixed number of inodes" % (disk.path, disk.kind), code="no_limit")
        # the folder itself is one inode
        self.count = _share(disk.inodes, disk.inodes - disk.free_inodes, self.options) - 1
        self.takes = self.count // 10000
        self._before = "%s: %.1f %% of the inodes used" % (disk.path, disk.percent_of_inodes)
        if self.count <= 0:
            raise FaultlineError(
                "%s has no more than %d free inodes already." % (disk.path, disk.free_inodes), code="already_full", hint="Nothing was touched.")

    def guard(self):
        disk = self.disk
        if disk.kind == "overlay" and _node_host.container() and self.options["size"] is None:
            self._refuse("%s lies on the disk of the machine that runs this container, and others are on it" % disk.path,
                         "Give size, or a path on a filesystem of its own.", "shared_disk")
        if self.count >= disk.free_inodes:
            self._refuse("%s has only %d free inodes" % (disk.path, disk.free_inodes), code="too_much")
        if self.count > MOST_FILES:
            self._refuse("that takes %d files, more than %d" % (self.count, MOST_FILES), "Take a smaller filesystem.", "too_much")
        if disk.holds_the_journal() and disk.free_inodes - self.count - 1 < JOURNAL_INODES:
            self._refuse("the journal lives there, and %d inodes must stay free for it" % JOURNAL_INODES, "Ask for free: %d." % JOURNAL_INODES,
                         "journal_room")

    def targets(self):
        return [{"node": self.subject, "path": self.disk.path, "filesystem": self.disk.kind}]

    def plan(self):
        return ["make %d empty files in a folder of our own under %s" % (self.count, self.disk.path)]

    def steps(self, fault_id):
        return [_node_steps.RemoveFiles.make(os.path.join(self.disk.path, ".faultline-" + fault_id), self.count)]

    def prove(self, record):
        proof = super().prove(record)
        self.done = "%s: %.1f %% of the inodes used, %d free" % (self.disk.path, proof["percent"], proof["free"])
        return proof


class ExhaustPids(_node_base.NodeFault):
    """Take the host's processes and threads by a crowd of our own, in a unit of its own."""

    action = "exhaust"
    reversible = True

    def resolve(self):
        self.limit, self.used, self.own = _node_host.tasks()
        self.count = _share(self.limit, self.used, self.options)
        self.takes = _node_steps.EndCrowd.SETTLE
        self._before = "%d of %d processes and threads" % (self.used, self.limit)
        if self.count <= 0:
            raise FaultlineError(
                "There are %d of %d processes and threads already." % (self.used, self.limit), code="already_full", hint="Nothing was touched.")

    def guard(self):
        container = _node_host.container()
        if container and not self.own:
            self._refuse(
                "it is a container (%s) without a limit of its own, so the whole machine's processes would be taken" % container,
                "Give the container a limit, or hit the machine itself.", "shared_pids")
        if self.limit - self.used - self.count < TASKS_ROOM:
            self._refuse(
                "%d of %d must stay free, so that one can log in and the undo can start its programs" % (TASKS_ROOM, self.limit),
                "Ask for free: %d, or more." % TASKS_ROOM, "too_much")
        # a kernel stack and a few pages each
        memory = self.count * (48 << 10)
        if memory > _node_host.memory().available // 2:
            self._refuse("%d of them take about %s of memory" % (self.count, _node_base.size(memory)), "Ask for fewer, by size.", "too_much")

    def plan(self):
        return ["be %d processes and threads that do nothing" % self.count]

    def steps(self, fault_id):
        # which may need a while to come to be
        limit = None if self.options["duration"] is None else self.options["duration"] + self.takes
        return [_node_steps.EndCrowd.make(
            fault_id, "%d processes and threads" % self.count, None, limit, self.count + TASKS_ROOM,
            options={"count": self.count})]

    def prove(self, record):
        proof = super().prove(record)
        self.done = "%d of %d processes and threads, %d of them ours" % (proof["used"], proof["limit"], proof["ours"])
        return proof


class ExhaustFiles(_node_base.NodeFault):
    """Let processes open no more files: their soft limit becomes the number that the next one would get."""

    action = "exhaust"
    reversible = True

    def resolve(self):
        pattern = self._need("pattern", "a regular expression for the processes that shall open no more files")
        self.processes = _proc.matching(pattern)
        self.names = (pattern,)
        if not self.processes:
            raise FaultlineError("No process matches '%s'." % pattern, code="not_running", hint="Nothing was touched.")
        self.first = _node_steps.lowest_free([process.pid for process in self.processes])
        self._before = "%s may open files" % _node_base.words(self.processes)
        self.done = "%s can open no more files" % _node_base.words(self.processes)

    def guard(self):
        _guard_processes(self, self.processes)
        for process in self.processes:
            if process.pid not in self.first:
                self._refuse("the open files of %s cannot be seen" % process, "It takes CAP_SYS_PTRACE.", "no_capability")
            if self.first[process.pid] > resource.prlimit(0, resource.RLIMIT_NOFILE)[1]:
                self._refuse("%s has more files open than we may allow" % process, code="no_capability")

    def targets(self):
        return [{"node": self.subject, "processes": [process.as_dict() for process in self.processes]}]

    def plan(self):
        return ["lower the limit of open files of %s to those that are open" % _node_base.words(self.processes)]

    def steps(self, fault_id):
        # a process that another fault has limited gets back what it had before that
        known = {step["claim"]: step for record in _journal.open_records() for step in record["steps"] if step["type"] == "give_files"}
        found = []
        for process in self.processes:
            try:
                soft = _node_steps.limits(process.pid)[0]
            except OSError:
                continue
            step = _node_steps.GiveFiles.make(process, soft, self.first[process.pid])
            if step["claim"] in known:
                step = dict(known[step["claim"]])
            found.append(step)
        return found


def _guard_processes(fault, processes):
    chain = _proc.own_chain()
    for process in processes:
        if process.pid == 1 or process.pid in chain or process.comm == "sshd":
            fault._refuse("%s is PID 1, carries this task, or is the way in for Ansible" % process)
