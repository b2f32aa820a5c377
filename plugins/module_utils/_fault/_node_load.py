# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults that load a node: oom, stress."""

from __future__ import annotations

import os

from . import _node_base, _node_host, _node_steps, _supervisor, _worker
from ._errors import FaultlineError
from ._exec import run, which

OOM_SECONDS = 120


class Oom(_node_base.NodeFault):
    """Fill the memory until the kernel's killer takes our hog: once, or again and again until the deadline."""

    action = "oom"

    @property
    def reversible(self):
        return self.options["duration"] is not None

    def resolve(self):
        self.memory = _node_host.memory()
        self.servers = _node_host.ssh_servers()
        self.takes = OOM_SECONDS
        self._before = "%s of %s available" % (_node_base.size(self.memory.available), _node_base.size(self.memory.total))

    def guard(self):
        container = _node_host.container()
        if container and not self.memory.limited:
            self._refuse(
                "it is a container (%s) without a memory limit of its own, so the whole machine's memory would be filled" % container,
                "Give the container a limit, or hit the machine itself.", "shared_memory")
        for server in self.servers:
            if _node_host.readiness(server.pid) == 1000:
                self._refuse("%s has oom_score_adj 1000, so the killer would take the way in for Ansible as readily as our hog" % server)

    def plan(self):
        times = "again and again" if self.reversible else "once"
        return ["fill %s of memory, oom_score_adj 1000, until the kernel kills it, %s" % (_node_base.size(self.memory.available), times)]

    def _worker(self, fault_id):
        # a process that got all of this, and more, and lives, is not what was wanted
        cap = self.memory.total + self.memory.swap + 64 * _node_base.MIB
        return _node_steps.EndHog.make(
            fault_id, "the process that fills the memory", None, self.options["duration"] or OOM_SECONDS,
            backstop=_worker.BACKSTOP if self.reversible else 60, options={"cap": cap, "once": not self.reversible})

    def steps(self, fault_id):
        return [self._worker(fault_id)]

    def inject(self, record):
        if self.reversible:
            return super().inject(record)
        # its own runtime limit ends it, should we be killed
        _supervisor.install_runner()
        return _node_steps.EndHog.do(self._worker(record["id"]))

    def prove(self, record):
        worker = _worker.name_for(record["id"])
        try:
            proof = _node_steps.wait_for_oom(record["id"], worker, OOM_SECONDS)
        finally:
            if not self.reversible:
                _worker.stop(worker)
        dead = [str(server) for server in self.servers if not server.alive]
        self.done = "memory filled, the kernel's killer has taken our hog%s" % (" (again and again)" if self.reversible else "")
        return dict(proof, sshd_died=dead, available_before=self.memory.available, available=_node_host.memory().available)


class Stress(_node_base.NodeFault):
    """stress-ng with caps, in a unit of its own."""

    action = "stress"
    TARGETS = ("cpu", "memory", "disk", "kernel")

    def install(self):
        if self.options["install"] and not which("stress-ng"):
            install_package("stress-ng")

    def resolve(self):
        target = self._need("target", "what is stressed")
        self.wanted = self.TARGETS if target == "all" else (target,)
        self.memory = _node_host.memory()
        self.disk = _node_host.Filesystem(self.options["path"] or "/var/tmp")
        self._before = "load %s" % os.getloadavg()[0]
        self.done = "%s stressed" % " and ".join(self.wanted)

    def guard(self):
        if not which("stress-ng") and not self.options["install"]:
            raise FaultlineError(
                "stress-ng is not installed on %s." % self.subject, code="missing_program",
                hint="Install the package stress-ng there, or set install: true. Nothing was touched.")
        if "disk" in self.wanted and self.disk.available < 4 * _node_base.JOURNAL_ROOM:
            self._refuse("%s has only %s left" % (self.disk.path, _node_base.size(self.disk.available)), "Give another path.")

    def _workers(self):
        return self.options["workers"] or os.cpu_count() or 1

    def _bytes(self, what):
        """How much memory or disk all workers take together."""
        wanted = self.options["size"]
        if what == "memory":
            if wanted is None:
                # the memory of a container without a limit belongs to others as well
                wanted = self.memory.available // (10 if _node_host.container() and not self.memory.limited else 2)
            return min(wanted, self.memory.available * 9 // 10)
        return min(wanted or 1024 * _node_base.MIB, self.disk.available // 2)

    def _argv(self, folder):
        workers = self._workers()
        argv = ["stress-ng", "--quiet", "--oomable"]
        if folder:
            argv += ["--temp-path", folder]
        if "cpu" in self.wanted:
            argv += ["--cpu", str(workers), "--cpu-load", str(self.options["load"])]
        if "memory" in self.wanted:
            count = max(1, min(workers, self._bytes("memory") // (16 * _node_base.MIB)))
            argv += ["--vm", str(count), "--vm-bytes", "%db" % (self._bytes("memory") // count), "--vm-keep"]
        if "disk" in self.wanted:
            argv += ["--hdd", str(workers), "--hdd-bytes", "%db" % max(_node_base.MIB, self._bytes("disk") // workers)]
        if "kernel" in self.wanted:
            argv += ["--kill", str(workers), "--switch", str(workers)]
        # last: other options set it anew. The undo comes before it, even where the host is slow
        return argv + ["--timeout", "%ds" % (self._seconds() + _worker.BACKSTOP - 10)]

    def _seconds(self):
        return int(self.options["duration"] + 0.999)

    def plan(self):
        return [" ".join(self._argv("FOLDER" if "disk" in self.wanted else None))]

    def steps(self, fault_id):
        folder = os.path.join(self.disk.path, "faultline-" + fault_id)
        stressed = {what: self._bytes(what) if what in ("memory", "disk") else self._workers() for what in self.wanted}
        return [_node_steps.EndStress.make(
            fault_id, "stress-ng", self._argv(folder), self.options["duration"], folder=folder, stressed=stressed)]


def install_package(name):
    """Install a package by whichever package manager the host has."""
    for program, argv in (
        ("apt-get", ["-q", "-y", "-o", "DPkg::Lock::Timeout=120", "install", "--no-install-recommends"]), ("dnf", ["-q", "-y", "install"]),
        ("yum", ["-q", "-y", "install"]), ("zypper", ["-q", "-n", "install"]), ("apk", ["add", "-q"]),
    ):
        if which(program):
            if program == "apt-get" and run(["apt-get", "-q", "-s", "install", name], check=False).rc != 0:
                run(["apt-get", "-q", "update"], timeout=300)
            run([program, *argv, name], timeout=900)
            return
    raise FaultlineError("%s cannot be installed: this host has no package manager that we know." % name, code="missing_program")
