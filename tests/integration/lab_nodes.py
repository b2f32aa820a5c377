# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab for tests: its nodes, seen from outside (docker exec) and driven as users do (ansible over SSH)."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LAB = ROOT / ".lab"
JOURNAL = "/var/lib/faultline"
# one line for each thing that a fault could leave behind; docker exec runs it, so a broken sshd does not hide it
SNAPSHOT = r"""
systemctl list-units --all --plain --no-legend --type=service,socket | awk '$1 !~ /^(session-|user|systemd-|run-)/ {print "unit", $1, $3, $4}'
ps -eo pid=,stat=,args= | awk '$2 ~ /^[Tt]/ {print "stopped", $0}'
nft list ruleset | grep -vF 127.0.0.11 | sed -E 's/ (packets|bytes) [0-9]+//g; s/^/nft /'
ip -o link | sed -E 's/^[0-9]+: //; s/@if[0-9]+//; s/ mtu .* state / state /; s/ mode .*//; s/^/link /'
find /etc/systemd/system -mindepth 1 2>/dev/null | sed 's/^/etc /'
find /var/lib/faultline/open /var/lib/faultline/lock.d -mindepth 1 2>/dev/null | sed 's/^/journal /'
"""


def wait_for(condition, timeout=30, pause=0.1):
    """Await a condition; its value, or a failure that says what it was."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout} seconds: {condition}"
        time.sleep(pause)


class Answer:
    """What a module said: result (the JSON dictionary), rc of the command."""

    def __init__(self, result, rc, output):
        self.result = result
        self.rc = rc
        self.output = output

    @property
    def failed(self):
        return self.rc != 0

    def __getitem__(self, key):
        return self.result[key]


class Node:
    """One node. inventory: a file that knows it; container: its name for docker."""

    def __init__(self, name, container, inventory, address, environment=None):
        self.name = name
        self.container = container
        self.inventory = str(inventory)
        self.address = address
        self.environment = environment or {}

    def sh(self, command, check=True):
        """Run a shell command on the node, past SSH and Ansible; its output."""
        done = subprocess.run(
            ["docker", "exec", self.container, "bash", "-c", command], capture_output=True, text=True, timeout=120, check=False,
        )
        assert not check or done.returncode == 0, f"{command!r} on {self.name}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def command(self, module, args, *options):
        """The command line of an ad-hoc call, as a user types it."""
        given = ["-a", json.dumps(args)] if args else []
        return ["ansible", "-i", self.inventory, self.name, "-m", f"faultline.openstack.{module}", *given, *options]

    def _environment(self):
        return {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", **self.environment}

    def start(self, module, args):
        """An ad-hoc call in the background, in a process group of its own."""
        return subprocess.Popen(
            self.command(module, args), cwd=ROOT, env=self._environment(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def call(self, module, args, *options):
        """An ad-hoc call; its Answer."""
        done = subprocess.run(
            self.command(module, args, *options), cwd=ROOT, env=self._environment(), capture_output=True, text=True, timeout=300, check=False,
        )
        output = done.stdout + done.stderr
        try:
            result = json.loads(done.stdout[done.stdout.index(" => {") + 4:])
        except ValueError:
            raise AssertionError(f"no result in: {output}") from None
        return Answer(result, done.returncode, output)

    def fault(self, service, action, *options, **args):
        """os_service_fault that has to succeed; its Answer."""
        answer = self.call("os_service_fault", {"service": service, "action": action, **args}, *options)
        assert not answer.failed, answer.output
        return answer

    def refused(self, service, action, *options, **args):
        """os_service_fault that has to fail; its Answer."""
        answer = self.call("os_service_fault", {"service": service, "action": action, **args}, *options)
        assert answer.failed, answer.output
        return answer

    def open_faults(self):
        return [name[:-5] for name in self.sh(f"ls {JOURNAL}/open 2>/dev/null", check=False).split() if name.endswith(".json")]

    def record(self, fault_id):
        """A journal's record, open or closed."""
        return json.loads(self.sh(f"cat {JOURNAL}/open/{fault_id}.json 2>/dev/null || cat {JOURNAL}/closed/{fault_id}.json"))

    def wait_healed(self, timeout=60):
        wait_for(lambda: not self.open_faults(), timeout)

    def processes(self, unit):
        """PIDs of a unit, from systemd's own mouth."""
        out = self.sh(
            f"systemctl status --no-pager -n0 {unit} | sed -n '/CGroup:/,$p' | grep -oE '[├└]─ *[0-9]+' | grep -oE '[0-9]+'", check=False)
        return [int(pid) for pid in out.split()]

    def states(self, pids):
        """{pid: state letter} of ps."""
        out = self.sh(f"ps -o pid=,stat= -p {','.join(map(str, pids))}", check=False)
        return {int(line.split()[0]): line.split()[1][0] for line in out.splitlines()}

    def active(self, unit):
        return self.sh(f"systemctl is-active {unit}", check=False) == "active"

    def snapshot(self):
        return sorted(self.sh(SNAPSHOT).splitlines())
