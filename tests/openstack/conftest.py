# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The OpenStack lab for tests: brought up if it is not, and left up. `make test-openstack` runs them; no other target does."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import types

import openstack
import pytest
import yaml
from lab_names import LabNames
from lab_nodes import ROOT, Node
from patience import HANG

CLOUD = "faultline-lab"


@dataclasses.dataclass(frozen=True)
class Lab:
    """A lab that is up. folder: what it has written; names: LabNames; nodes: {name: Node}; vip: its virtual address; sdk: as administrator."""

    folder: pathlib.Path
    names: LabNames
    nodes: dict
    vip: str
    sdk: openstack.connection.Connection

    def kind(self, prefix):
        return [node for name, node in self.nodes.items() if name.startswith(prefix)]


def playbook(name, *options):
    """Run a playbook of the lab."""
    done = subprocess.run(
        ["ansible-playbook", f"faultline.openstack.{name}", *options], cwd=ROOT, env={**os.environ, "PWD": str(ROOT)}, capture_output=True, text=True,
        timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def bring_up(profile, *options):
    """The Lab of a profile; a lab that is up is used as it is."""
    playbook("lab_up", "-e", f"lab_profile={profile}", *options)
    folder = ROOT / f".lab-{profile}"
    names = LabNames(folder)
    hosts = yaml.safe_load((folder / "inventory.yml").read_text())["all"]["hosts"]
    nodes = {
        name: Node(name, names.node(name), folder / "os-faults.yaml", told["ansible_host"]) for name, told in hosts.items()
    }
    told = yaml.safe_load((folder / "clouds.yaml").read_text())["clouds"][CLOUD]
    sdk = openstack.connect(auth=told["auth"], region_name=told["region_name"], load_yaml_config=False, load_envvars=False)
    return Lab(folder, names, nodes, told["auth"]["auth_url"].split("/")[2].split(":")[0], sdk)


@pytest.fixture(scope="session")
def lab():
    """The highly available cloud, with real servers."""
    return bring_up("openstack", "-e", "lab_computes=libvirt")


FILES = pathlib.Path(__file__).with_name("files")


@pytest.fixture(scope="session")
def debian(lab, tmp_path_factory):
    """An image and a flavor, both named debian: systemd, Python and an SSH server that takes the key of the server. They stay in the lab."""
    sdk = lab.sdk
    if sdk.image.find_image("debian") is None:
        # the disk, kernel and initramfs of the lab's own virtual machines, none of which is made
        playbook("lab_up", "-e", json.dumps({"lab_profile": "vm", "lab_vm_guests": []}))
        folder = pathlib.Path(json.loads((ROOT / ".lab-vm" / "vm.json").read_text())["environment"]["FAULTLINE_VM_IMAGES"])
        ram = tmp_path_factory.mktemp("ram")
        for name in ("init", "from-cloud.py", "from-cloud.service"):
            shutil.copy(FILES / name, ram / name)
            (ram / name).chmod(0o755)
        over = subprocess.run(
            ["cpio", "--quiet", "--create", "--format=newc"], cwd=ram, input=b"init\nfrom-cloud.py\nfrom-cloud.service\n", capture_output=True, check=True)
        kernel = sdk.image.create_image(
            name="debian-kernel", disk_format="aki", container_format="aki", visibility="public", data=(folder / "vmlinuz").read_bytes(), wait=True)
        initrd = sdk.image.create_image(
            name="debian-initrd", disk_format="ari", container_format="ari", visibility="public", wait=True,
            data=(folder / "initrd").read_bytes() + gzip.compress(over.stdout))
        sdk.image.create_image(
            name="debian", filename=str(folder / "debian.qcow2"), disk_format="qcow2", container_format="bare", visibility="public", wait=True,
            timeout=6 * HANG,
            kernel_id=kernel.id, ramdisk_id=initrd.id, os_command_line="console=ttyS0 quiet mitigations=off no_timer_check panic=5",
            hw_rng_model="virtio", hw_video_model="none")
    if sdk.compute.find_flavor("debian") is None:
        sdk.compute.create_flavor(name="debian", ram=512, vcpus=1, disk=5)
    return lab


@pytest.fixture(scope="session")
def devstack():
    """The node in DevStack's layout."""
    return bring_up("devstack")


@pytest.fixture(scope="session")
def run():
    """run(*argv, **environment): a command as a user types it in the checkout; its output."""

    def call(*argv, **environment):
        done = subprocess.run(
            [str(word) for word in argv], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=6 * HANG, check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def drop(api, network):
    """Delete a network with the ports that are nobody's of Neutron."""
    for port in api.ports(network_id=network.id):
        if not (port.device_owner or "").startswith("network:"):
            api.delete_port(port)
    api.delete_network(network)


@pytest.fixture(scope="session")
def private_network(lab):
    """private_network(name, cidr, **router): a context with a project network and a router of its own to the external one: network, subnet, router."""

    @contextlib.contextmanager
    def make(name, cidr, **router):
        api = lab.sdk.network
        external = api.find_network("external", ignore_missing=False)
        with contextlib.ExitStack() as after:
            made = types.SimpleNamespace(network=api.create_network(name=name))
            after.callback(drop, api, made.network)
            made.subnet = api.create_subnet(network_id=made.network.id, name=name, ip_version=4, cidr=cidr)
            made.router = api.create_router(name=name, external_gateway_info={"network_id": external.id}, **router)
            after.callback(api.delete_router, made.router)
            api.add_interface_to_router(made.router, subnet_id=made.subnet.id)
            after.callback(api.remove_interface_from_router, made.router, subnet_id=made.subnet.id)
            yield made

    return make


@pytest.fixture
def network(private_network):
    """A project network with a highly available router to the external one, for one test."""
    with private_network("test-lab", "192.168.77.0/24") as made:
        yield made
