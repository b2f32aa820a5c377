# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab for tests: its nodes, seen from outside (docker exec) and driven as users do (ansible over SSH)."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import tempfile

import residue
import yaml
from patience import HANG, wait_for
from warm_ansible import ROOT, run_ansible

LAB = ROOT / ".lab"
JOURNAL = "/var/lib/faultline"
# seconds of a fault that the test itself ends: longer than any wait, so that none is ended by its deadline
LONG = 2 * HANG
# of the small OpenStack that tests bring up (nova.yml)
PASSWORD = "for-tests-only"
# what a test that failed may have left besides faults: stopped processes, masked units, services that do not run
_MEND = r"""
ps -eo pid=,stat= | awk '$2 ~ /^T/ {print $1}' | xargs -r kill -CONT
[ -d /run/systemd/system ] || exit 0
find /run/systemd/system.control -lname /dev/null -delete 2>/dev/null
systemctl daemon-reload
systemctl reset-failed
for unit in $(systemctl list-unit-files --state=enabled --type=service --no-legend | awk '{print $1}'); do
    [ "$(systemctl show -p Type --value "$unit")" = oneshot ] || systemctl is-active -q "$unit" || systemctl start "$unit"
done
"""


@contextlib.contextmanager
def one_at_a_time(what):
    """What workers that run side by side do one after the other."""
    folder = ROOT / ".cache"
    folder.mkdir(exist_ok=True)
    with open(folder / f"{what}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def layer(kind, text, files=None):
    """The image that this Dockerfile, which begins with ARG BASE, makes of the lab's node image; built once for each image of the lab.

    kind: for its name, as roles/lab has it; files: {name: what stands beside the Dockerfile}.
    """
    base = json.loads((LAB / "node-run.json").read_text())["image"]
    name = f"{base.partition(':')[0]}-{kind}:{hashlib.sha256((base + text).encode()).hexdigest()[:12]}"
    with one_at_a_time(kind), tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode != 0:
            for file, inside in {"Dockerfile": text, **(files or {})}.items():
                pathlib.Path(folder, file).write_text(inside, encoding="utf-8")
            done = subprocess.run(
                ["docker", "build", "--network=host", f"--build-arg=BASE={base}", "--tag", name, folder],
                capture_output=True, text=True, timeout=1200, check=False,
            )
            assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return name


class Answer:
    """What a module said: result (the JSON dictionary), rc of the command."""

    def __init__(self, result, rc, output):
        self.result = result
        self.rc = rc
        self.output = output

    @property
    def failed(self):
        return self.rc != 0

    @property
    def diff(self):
        """(lines taken away, lines added) as --diff shows them; the callback keeps them out of the result."""
        shown = self.output.partition(" => {")[0].splitlines()
        return tuple([line[1:] for line in shown if line.startswith(sign) and not line.startswith(sign * 3)] for sign in "-+")

    def __getitem__(self, key):
        return self.result[key]


class Node:
    """One node. inventory: a file that knows it; container: its name for docker.

    renew: what makes it anew, where it is thrown away after a test that failed; if None, it is mended instead.
    spoiled: whether it may be as a test has left it that failed.
    named: the services that tests have named so far.
    """

    def __init__(self, name, container, inventory, address, environment=None):
        self.name = name
        self.container = container
        self.inventory = str(inventory)
        self.address = address
        self.environment = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", **(environment or {})}
        self.renew = None
        self.spoiled = False
        self.named = set()

    def sh(self, command, check=True):
        """Run a shell command on the node, past SSH and Ansible; its output."""
        done = subprocess.run(
            ["docker", "exec", self.container, "bash", "-c", command], capture_output=True, text=True, timeout=HANG, check=False,
        )
        assert not check or done.returncode == 0, f"{command!r} on {self.name}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def command(self, module, args, *options):
        """The command line of an ad-hoc call, as a user types it."""
        given = ["-a", json.dumps(args)] if args else []
        self.named |= {args[key] for key in ("service", "linux_service") if key in args}
        return ["ansible", "-i", self.inventory, self.name, "-m", f"faultline.openstack.{module}", *given, *options]

    def _environment(self):
        return {**os.environ, **self.environment}

    def start(self, module, args):
        """An ad-hoc call in the background, in a process group of its own."""
        return subprocess.Popen(
            self.command(module, args), cwd=ROOT, env=self._environment(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def call(self, module, args, *options):
        """An ad-hoc call; its Answer."""
        done = run_ansible(self.command(module, args, *options), **self.environment)
        output = done.stdout + done.stderr
        try:
            result = json.loads(done.stdout[done.stdout.index(" => {") + 4:])
        except ValueError:
            raise AssertionError(f"no result in: {output}") from None
        return Answer(result, done.returncode, output)

    def hit(self, module, args, *options):
        """A call that has to succeed; its Answer."""
        answer = self.call(module, args, *options)
        assert not answer.failed, answer.output
        return answer

    def turned_down(self, module, args, *options):
        """A call that has to fail; its Answer."""
        answer = self.call(module, args, *options)
        assert answer.failed, answer.output
        return answer

    def fault(self, service, action, *options, **args):
        """os_service_fault that has to succeed; its Answer. One that waits may take long for its undo, or for the service to come back."""
        patience = {"wait_timeout": HANG, "recovery_timeout": HANG} if args.get("wait") else {}
        return self.hit("os_service_fault", {"service": service, "action": action, **patience, **args}, *options)

    def refused(self, service, action, *options, **args):
        """os_service_fault that has to fail; its Answer."""
        return self.turned_down("os_service_fault", {"service": service, "action": action, **args}, *options)

    def heal(self, answer):
        """Undo the fault of an Answer, which leaves nothing behind."""
        undone = self.hit("os_fault_undo", {"id": answer["fault"]["id"]})
        assert undone["undone"] == [answer["fault"]["id"]] and undone["residue"] == [], undone.output

    def open_faults(self):
        return [name[:-5] for name in self.sh(f"ls {JOURNAL}/open 2>/dev/null", check=False).split() if name.endswith(".json")]

    def faults(self):
        """The IDs of all faults, open and closed."""
        return {name[:-5] for name in self.sh(f"ls {JOURNAL}/open {JOURNAL}/closed 2>/dev/null", check=False).split() if name.endswith(".json")}

    def begin(self, module, args):
        """An ad-hoc call in the background; its process, and the ID of its fault once that is proven."""
        before = self.faults()
        playing = self.start(module, args)
        (fault_id,) = wait_for(lambda: self.faults() - before)
        wait_for(lambda: self.record(fault_id)["proof"])
        return playing, fault_id

    def clock(self):
        """Its own, in epoch seconds."""
        return float(self.sh("date +%s.%N"))

    def record(self, fault_id):
        """A journal's record, open or closed."""
        return json.loads(self.sh(f"cat {JOURNAL}/open/{fault_id}.json 2>/dev/null || cat {JOURNAL}/closed/{fault_id}.json"))

    def wait_healed(self):
        wait_for(lambda: not self.open_faults())

    def wait_booted(self):
        """Until its system is up."""
        wait_for(lambda: self.sh("systemctl is-system-running", check=False) in ("running", "degraded"))

    def restart(self, *, crash=False):
        """Boot it again, as a reboot or as a crash does."""
        for words in ([["kill"], ["start"]] if crash else [["restart", "--time", "5"]]):
            subprocess.run(["docker", *words, self.container], check=True, capture_output=True)
        self.wait_booted()

    def make_good(self):
        """End what a test that failed may have left; nothing where there is nothing."""
        if not self.spoiled and not self.open_faults():
            return
        if self.renew:
            self.renew()
        else:
            self.mend()
        self.spoiled = False

    def mend(self):
        """Undo all faults, and have the services run that are to run."""
        self.call("os_fault_undo", {"all": True})
        self.sh(_MEND, check=False)

    def processes(self, unit):
        """PIDs of a unit, from systemd's own mouth."""
        out = self.sh(
            f"systemctl status --no-pager -n0 {unit} | sed -n '/CGroup:/,$p' | grep -oE '[├└]─ *[0-9]+' | grep -oE '[0-9]+'", check=False)
        return [int(pid) for pid in out.split()]

    def states(self, pids):
        """{pid: state letter} of ps."""
        out = self.sh(f"ps -o pid=,stat= -p {','.join(map(str, pids))}", check=False)
        return {int(line.split()[0]): line.split()[1][0] for line in out.splitlines()}

    def plug(self, network):
        """Connect it to one more network of docker's, by the last two numbers of the address that it has."""
        subnet = subprocess.run(
            ["docker", "network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}}{{end}}", network], check=True, capture_output=True, text=True,
        ).stdout
        address = ".".join(subnet.split(".")[:2] + self.address.split(".")[2:])
        subprocess.run(["docker", "network", "connect", "--ip", address, network, self.container], check=True, capture_output=True)

    def active(self, unit):
        return self.sh(f"systemctl is-active {unit}", check=False) == "active"

    def snapshot(self):
        """How the node is, for the residue oracle; past SSH, which a fault may have broken."""
        return residue.Snapshot(self.sh)


def with_memcached(node):
    """What most nodes of tests are furnished with."""
    node.sh("systemctl enable -q --now memcached")


def by_os_faults_file(node, path, services):
    """The same node as an os-faults file knows it, that is written here. services: as in such a file, without their hosts."""
    variables = yaml.safe_load(pathlib.Path(node.inventory).read_text(encoding="utf-8"))["all"]["hosts"][node.name]
    words = shlex.split(variables["ansible_ssh_common_args"])
    known_hosts = next(word.partition("=")[2] for word in words if word.startswith("UserKnownHostsFile="))
    path.write_text(yaml.safe_dump({
        "cloud_management": {"driver": "universal"},
        "node_discover": {"driver": "node_list", "args": [
            {"ip": node.address, "auth": {"username": "root", "private_key_file": variables["ansible_ssh_private_key_file"]}}]},
        "services": {name: {**service, "hosts": [node.address]} for name, service in services.items()},
        "faultline": {"known_hosts": known_hosts},
    }), encoding="utf-8")
    return Node(node.address, node.container, path, node.address, node.environment)
