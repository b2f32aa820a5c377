# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual machines for tests, in the lab's own libvirtd (roles/lab_vm): seen from the hypervisor, driven over SSH."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import socket
import subprocess
import time

import lab_names
import libvirt
import libvirt_qemu
import yaml
from lab_nodes import ROOT, Node, one_at_a_time, wait_for
from patience import HANG
from warm_ansible import run_ansible

FOLDER = ROOT / ".lab-vm"


class Vm(Node):
    """One guest. kind "debian": sh() goes through the guest agent, past SSH and all networks. kind "tiny": a busybox, sh() is SSH.

    state, virsh(), power_off(), power_on(): the hypervisor's own view. container is the name of the domain.
    """

    def __init__(self, name, domain, inventory, address, kind, lab):
        super().__init__(name, domain, inventory, address)
        self.kind = kind
        self.lab = lab
        self.domain = domain
        self.mac = ""

    def virsh(self, *arguments, check=True):
        """One command of virsh; its output."""
        return self.lab.virsh(*arguments, check=check)

    @property
    def state(self):
        """The domain's state, as the hypervisor has it: running, shut off, paused, ..."""
        return self.virsh("domstate", self.domain)

    def console(self, lines=60):
        """The last lines that the machine wrote on its console."""
        path = FOLDER / "disks" / self.domain / "console.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else f"{path} is not there"

    def processor(self, looks=3):
        """Where its processor is, looked at a few times, and its timer: what a guest that hangs says nothing of."""
        asked = ["info registers"] * looks + ["info lapic", "info status"]
        try:
            return "\n".join(self.virsh("qemu-monitor-command", self.domain, "--hmp", each, check=False) for each in asked)
        except subprocess.TimeoutExpired as exc:
            # it is asked for a report, and what a report raises ends the whole run
            return str(exc)

    def power_on(self):
        if self.state != "running":
            self.virsh("start", self.domain)

    def power_off(self):
        if self.state != "shut off":
            self.virsh("destroy", self.domain)

    def ssh(self, command, check=True):
        """Run a command over SSH; its output."""
        known = self.inventory.replace("inventory.yml", "known_hosts")
        done = subprocess.run(
            ["ssh", "-i", str(FOLDER / "id_ed25519"), "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes",
             "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=60", "-o", "BatchMode=yes", f"root@{self.address}", command],
            capture_output=True, text=True, timeout=HANG, check=False,
        )
        assert not check or done.returncode == 0, f"{command!r} on {self.name}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def sh(self, command, check=True):
        if self.kind == "tiny":
            return self.ssh(command, check)
        code, output = self._by_agent(command)
        assert not check or code == 0, f"{command!r} on {self.name}: {output}"
        return output.strip()

    def _agent(self, command, **arguments):
        return json.loads(self.lab.agent(self.domain, json.dumps({"execute": command, "arguments": arguments})))["return"]

    def _by_agent(self, command):
        started = self._agent("guest-exec", **{"path": "/bin/bash", "arg": ["-c", command], "capture-output": True})
        end = time.monotonic() + HANG
        while True:
            told = self._agent("guest-exec-status", pid=started["pid"])
            if told["exited"]:
                text = base64.b64decode(told.get("out-data", "")) + base64.b64decode(told.get("err-data", ""))
                return told.get("exitcode", 128 + told.get("signal", 0)), text.decode(errors="replace")
            assert time.monotonic() < end, f"{command!r} on {self.name} does not end"
            time.sleep(0.1)

    def answers(self):
        """Whether its sshd greets just now."""
        try:
            with socket.create_connection((self.address, 22), timeout=2) as channel:
                channel.settimeout(3)
                return channel.recv(4) == b"SSH-"
        except OSError:
            return False

    def wait_up(self):
        """Until it answers SSH, and with a Debian until its system is up."""
        wait_for(self.answers, pause=0.3)
        if self.kind == "debian":
            wait_for(self._up, pause=0.5)

    def _up(self):
        try:
            return self.sh("systemctl is-system-running", check=False) in ("running", "degraded")
        except AssertionError:
            return False

    def boot_id(self):
        return self.ssh("cat /proc/sys/kernel/random/boot_id")


class Hypervisor:
    """The lab of virtual machines, brought up where it is not. make() and remove() guests."""

    def __init__(self):
        with one_at_a_time("hypervisor"):
            if not self._is_up():
                done = run_ansible(
                    ["ansible-playbook", "faultline.openstack.lab_up", "-e", json.dumps({"lab_profile": "vm", "lab_vm_guests": []})], timeout=900)
                assert done.returncode == 0, done.stdout + done.stderr
        recipe = json.loads((FOLDER / "vm.json").read_text())
        self.script = recipe["script"]
        self.uri = recipe["uri"]
        self.environment = {**os.environ, **recipe["environment"], "LIBVIRT_DEFAULT_URI": recipe["uri"]}
        self.made = []
        self._connection = None
        self._remove_dead()

    def _remove_dead(self):
        """Remove the guests of runs that are dead; their names end in what lab_names.process() says of who made them."""
        for domain in os.listdir(FOLDER / "disks"):
            maker = re.search(r"-(\d+-\d+)$", domain)
            if maker and lab_names.is_gone(maker[1]):
                self._script("remove", domain)

    @staticmethod
    def _is_up():
        if not (FOLDER / "vm.json").exists():
            return False
        recipe = json.loads((FOLDER / "vm.json").read_text())
        images = recipe["environment"]["FAULTLINE_VM_IMAGES"]
        asked = subprocess.run(["virsh", "-c", recipe["uri"], "version"], capture_output=True, timeout=HANG, check=False)
        return os.path.exists(os.path.join(images, "complete")) and asked.returncode == 0

    def virsh(self, *arguments, check=True):
        done = subprocess.run(["virsh", "--quiet", *arguments], env=self.environment, capture_output=True, text=True, timeout=HANG, check=False)
        assert not check or done.returncode == 0, f"virsh {arguments}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def agent(self, domain, command):
        """What the guest's agent says to a command (JSON both)."""
        try:
            if not self._connection or not self._connection.isAlive():
                self._connection = libvirt.open(self.uri)
            return libvirt_qemu.qemuAgentCommand(self._connection.lookupByName(domain), command, HANG, 0)
        except libvirt.libvirtError as exc:
            raise AssertionError(f"{command} on {domain}: {exc}") from None

    def _script(self, *arguments):
        done = subprocess.run(
            ["bash", self.script, *arguments], env=self.environment, capture_output=True, text=True, timeout=HANG, check=False)
        assert done.returncode == 0, f"hypervisor.sh {arguments}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def make(self, name, folder, kind, memory, words):
        """A guest, started; not yet waited for."""
        domain = f"test-{name}{lab_names.WORKER}-{lab_names.process(os.getpid())}"
        self._script("remove", domain)
        number = int(self._script("make", domain, kind, str(memory), words))
        self.made.append(domain)
        address = f"{self.environment['FAULTLINE_VM_NETS'].split()[0]}.{number}"
        vm = Vm(name, domain, folder / "inventory.yml", address, kind, self)
        vm.mac = f"52:54:00:fa:00:{number:02x}"
        key = " ".join((FOLDER / "disks" / domain / "seed" / "ssh_host_ed25519_key.pub").read_text().split()[:2])
        (folder / "known_hosts").write_text(f"{address} {key}\n")
        known = shlex.quote(str(folder / "known_hosts"))
        host = {
            "ansible_host": address, "ansible_user": "root", "ansible_ssh_private_key_file": str(FOLDER / "id_ed25519"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
            "ansible_python_interpreter": "/usr/bin/python3", "mac": vm.mac, "libvirt_name": domain,
            "faultline_power": [{"driver": "libvirt", "args": {"connection_uri": self.uri}}],
        }
        (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {name: host}}}))
        return vm

    def remove_all(self):
        while self.made:
            self._script("remove", self.made.pop())
