# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures: the nodes of the lab that is up, nodes of our own, and a comparison of a node before and after."""

from __future__ import annotations

import json
import os
import shlex
import subprocess

import pytest
import yaml
from lab_nodes import LAB, Node, wait_for


def pytest_itemcollected(item):
    """Tests that break nodes of their own run beside those that need the cloud to themselves (pytest-xdist, loadgroup)."""
    own = {"spare", "make_node"} & set(item.fixturenames) and not {"ctl", "cloud", "ansible"} & set(item.fixturenames)
    item.add_marker(pytest.mark.xdist_group("spare" if own else "cloud"))


@pytest.fixture(scope="session")
def lab():
    """The three nodes of the lab that is up, by name."""
    if not (LAB / "os-faults.yaml").exists():
        pytest.fail("the lab is not up: run `make lab` first", pytrace=False)
    nodes = yaml.safe_load((LAB / "inventory.yml").read_text())["all"]["hosts"]
    return {name: Node(name, f"faultline-{name}", LAB / "os-faults.yaml", var["ansible_host"]) for name, var in nodes.items()}


@pytest.fixture(scope="session")
def make_node(lab, tmp_path_factory):
    """make_node(name, *docker options): one more node of the lab's image; gone at the end."""
    made = []

    def make(name, *options, boots=True):
        recipe = json.loads((LAB / "node-run.json").read_text())
        # workers run side by side
        container = f"faultline-test-{name}{os.environ.get('PYTEST_XDIST_WORKER', '')}"
        subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=False)
        command = [*recipe["argv"], "--name", container, "--hostname", name, *options, recipe["image"]]
        if not boots:
            command += ["sh", "-c", "mkdir -p /run/sshd && /usr/local/sbin/faultline-node && exec /usr/sbin/sshd -D"]
        subprocess.run(command, check=True, capture_output=True)
        made.append(container)
        address = subprocess.run(
            ["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", container],
            check=True, capture_output=True, text=True,
        ).stdout.split()[0]
        folder = tmp_path_factory.mktemp(name)
        node = Node(name, container, folder / "inventory.yml", address)
        wait_for(lambda: node.sh("cat /etc/ssh/ssh_host_ed25519_key.pub", check=False).startswith("ssh-"))
        key = " ".join(node.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        (folder / "known_hosts").write_text(f"{address} {key}\n")
        known = shlex.quote(str(folder / "known_hosts"))
        host = {
            "ansible_host": address, "ansible_user": "root", "ansible_ssh_private_key_file": str(LAB / "id_ed25519"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {name: host}}}))
        if boots:
            wait_for(lambda: node.sh("systemctl is-system-running", check=False) in ("running", "degraded"), 60)
        return node

    yield make
    for container in made:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=False)


@pytest.fixture(scope="session")
def spare_node(make_node):
    """A node of our own with memcached, for what would disturb the cloud."""
    # docker turns IPv6 off where its network has none
    node = make_node("spare", "--sysctl=net.ipv6.conf.all.disable_ipv6=0")
    node.sh("systemctl enable -q --now memcached")
    return node


@pytest.fixture
def spare(spare_node, clean):
    """The spare node; the test fails if it leaves anything behind."""
    with clean(spare_node):
        yield spare_node


@pytest.fixture
def ctl(lab, clean):
    """The first node of the cloud; the test fails if it leaves anything behind."""
    with clean(lab["ctl1"]):
        yield lab["ctl1"]


@pytest.fixture
def clean():
    """clean(node): a context that compares the node before and after."""

    class Clean:
        def __init__(self, node):
            self.node = node

        def __enter__(self):
            assert self.node.open_faults() == []
            self.before = self.node.snapshot()
            return self.node

        def __exit__(self, kind, value, traceback):
            if kind is not None:
                # the next test must not suffer from this one
                self.node.call("os_fault_undo", {"all": True})
                return
            left = wait_for(lambda: self._same() or self._differs_for_good(), 40, pause=0.5)
            assert left is True, left

        def _same(self):
            return self.node.snapshot() == self.before

        def _differs_for_good(self):
            self.tries = getattr(self, "tries", 0) + 1
            if self.tries < 20:
                return None
            now = self.node.snapshot()
            return {"appeared": sorted(set(now) - set(self.before)), "gone": sorted(set(self.before) - set(now))}

    return Clean
