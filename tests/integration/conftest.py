# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures: the nodes of the lab that is up, nodes of our own, and a comparison of a node before and after."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shlex
import subprocess
import tempfile
import time

import lab_names
import pytest
import yaml
from lab_manual import Cloud
from lab_nodes import LAB, PASSWORD, ROOT, Node, layer, wait_for, with_memcached
from lab_vms import Hypervisor, Vm
from patience import HANG
from warm_ansible import run_ansible


# fixtures that need the lab's own three nodes to themselves
_CLOUD = {"ctl", "cloud", "ansible"}


# what takes longest begins first, and what is slow in an emulated machine not all at once
_FIRST = ("cloud", "test_node_machine", "test_contract", "nova", "test_netiface_netem", "manual", "test_service_fault", "test_container_fault", "test_power")


def _group(item):
    used = set(item.fixturenames)
    for shared in ("manual", "nova"):
        if shared in used:
            return shared
    return item.path.stem if {"spare", "make_node", "make_vm"} & used and not _CLOUD & used else "cloud"


def pytest_itemcollected(item):
    """Who runs side by side (pytest-xdist, loadgroup): the tests that need the cloud to themselves, and each module with nodes of its own."""
    item.add_marker(pytest.mark.xdist_group(_group(item)))


def pytest_collection_modifyitems(items):
    """The order in which the groups begin."""
    here = pathlib.Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    ours.sort(key=lambda item: _FIRST.index(_group(item)) if _group(item) in _FIRST else len(_FIRST))
    items[:] = ours + [item for item in items if here not in item.path.parents]


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """With a test that failed on a virtual machine, what the machine last wrote on its console, and where its processor is."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
        for vm in {id(each): each for each in item.funcargs.values() if isinstance(each, Vm)}.values():
            report.sections.append((f"console of {vm.domain}", vm.console()))
            report.sections.append((f"processor of {vm.domain}", vm.processor()))
    return report


@pytest.fixture(scope="session")
def names():
    """Names and addresses in the lab that is up (lab_names.py)."""
    if not (LAB / "os-faults.yaml").exists():
        pytest.fail("the lab is not up: run `make lab` first", pytrace=False)
    return lab_names.names()


@pytest.fixture(scope="session")
def lab(names):
    """The three nodes of the lab that is up, by name."""
    hosts = yaml.safe_load((LAB / "inventory.yml").read_text())["all"]["hosts"]
    nodes = {name: Node(name, names.node(name), LAB / "os-faults.yaml", var["ansible_host"]) for name, var in hosts.items()}
    for node in nodes.values():
        # a run before may have been ended in the middle of a test
        node.spoiled = True
    return nodes


@pytest.fixture(scope="session")
def addresses(names):
    """next(addresses): an address for a node of our own."""
    return lab_names.Addresses(names)


@pytest.fixture(scope="session")
def make_node(names, addresses, tmp_path_factory):
    """make_node(name, *docker options): one more node of the lab's image, or of another recipe; gone at the end.

    furnish(node): what else it gets once it is up; a node with it is thrown away when a test on it has failed, and made anew.
    """
    made = []
    names.remove_dead()

    def make(name, *options, boots=True, recipe=None, furnish=None):
        recipe = recipe or json.loads((LAB / "node-run.json").read_text())
        container = names.own(name)
        subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=False)
        given = any(option.startswith("--ip=") for option in options)
        command = [*recipe["argv"], *names.labels(), "--name", container, "--hostname", name, *options, recipe["image"]]
        if not boots:
            command += ["sh", "-c", "mkdir -p /run/sshd && /usr/local/sbin/faultline-node && exec /usr/sbin/sshd -D"]
        made.append(container)
        while True:
            # docker may give another address after a reboot, unless it is told which; a node that is made anew keeps its own
            argv = [*command[:2], *([] if given else [f"--ip={next(addresses)}"]), *command[2:]]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if given or "Address already in use" not in done.stderr:
                break
            subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        address = subprocess.run(
            ["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", container],
            check=True, capture_output=True, text=True,
        ).stdout.split()[0]
        folder = tmp_path_factory.mktemp(name)
        node = Node(name, container, folder / "inventory.yml", address)
        known = shlex.quote(str(folder / "known_hosts"))
        host = {
            "ansible_host": address, "ansible_user": "root", "ansible_ssh_private_key_file": str(LAB / "id_ed25519"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {name: host}}}))

        def wait_up():
            wait_for(lambda: node.sh("cat /etc/ssh/ssh_host_ed25519_key.pub", check=False).startswith("ssh-"))
            key = " ".join(node.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
            (folder / "known_hosts").write_text(f"{address} {key}\n")
            if boots:
                node.wait_booted()
            if furnish:
                furnish(node)

        def renew():
            _run(["docker", "rm", "--force", "--volumes", container])
            for path in pathlib.Path(os.environ["ANSIBLE_SSH_CONTROL_PATH_DIR"]).iterdir():
                # it leads to the node that is gone, or another one is made
                path.unlink(missing_ok=True)
            _run(argv)
            wait_up()

        wait_up()
        node.renew = renew if furnish else None
        return node

    with pytest.MonkeyPatch.context() as patch:
        # connections of an earlier run led to another node of this address
        patch.setenv("ANSIBLE_SSH_CONTROL_PATH_DIR", str(tmp_path_factory.mktemp("cp")))
        yield make
    for container in made:
        subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=False)


def _run(argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def make_vm(tmp_path_factory):
    """make_vm(name, kind="debian", memory=640, words=""): a virtual machine of our own that answers SSH; gone at the end.

    kind "debian" (20 s): systemd, Python, nftables, netem, stress-ng, memcached; "tiny" (5 s, memory=128): a busybox without Python.
    words: for its kernel's command line. It has all that a Node has (lab_nodes.py) and the hypervisor's view (lab_vms.py).
    """
    lab = Hypervisor()

    def make(name, kind="debian", memory=640, words="", wait=True):
        vm = lab.make(name, tmp_path_factory.mktemp(name), kind, memory, words)
        if wait:
            vm.wait_up()
        return vm

    yield make
    lab.remove_all()


@pytest.fixture(scope="session")
def manual(make_node, make_vm, tmp_path_factory):
    """The cloud of os-faults' manual (lab_manual.py)."""
    return Cloud(tmp_path_factory.mktemp("manual"), make_node, make_vm)


@pytest.fixture(scope="session")
def nova(make_node):
    """A node with a whole, small Nova; its clouds.yaml is beside its inventory."""
    import openstack  # takes a second, and few need it

    image = layer("openstack", (ROOT / "roles/lab/files/openstack/Dockerfile").read_text())
    node = make_node("nova", recipe={**json.loads((LAB / "node-run.json").read_text()), "image": image})
    done = run_ansible(
        ["ansible-playbook", "-i", node.inventory, str(pathlib.Path(__file__).with_name("nova.yml")), "-e", f"password={PASSWORD}"],
        timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    folder = pathlib.Path(node.inventory).parent
    node.auth = {
        "auth_url": f"http://{node.address}:5000/v3", "username": "admin", "password": PASSWORD, "project_name": "admin",
        "user_domain_name": "Default", "project_domain_name": "Default",
    }
    node.clouds = folder / "clouds.yaml"
    node.clouds.write_text(yaml.safe_dump({"clouds": {"undercloud": {"auth": node.auth, "region_name": "RegionOne"}}}))
    node.sdk = openstack.connect(region_name="RegionOne", **{"auth": node.auth})
    wait_for(lambda: list(node.sdk.compute.hypervisors()), pause=1)
    return node


@pytest.fixture
def sockets():
    """A folder whose path is short enough for that of a Unix socket (108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="fl-", ignore_cleanup_errors=True) as folder:
        yield pathlib.Path(folder)


@pytest.fixture(scope="session")
def spare_node(make_node):
    """A node of our own with memcached, for what would disturb the cloud."""
    # docker turns IPv6 off where its network has none
    return make_node("spare", "--sysctl=net.ipv6.conf.all.disable_ipv6=0", furnish=with_memcached)


@pytest.fixture(scope="session")
def onlooker(make_node):
    """A node of our own that only looks at others."""
    return make_node("onlooker")


@pytest.fixture(scope="module")
def wires(make_node, names):
    """Two nodes that share both networks of the lab, in one inventory."""
    def furnish(node):
        node.plug(names.networks["storage"])
        node.storage = node.sh("ip -4 -o address show dev eth1").split()[3].split("/")[0]
        # the kernel keeps these tables once they were there
        node.sh("iptables-legacy -n -L >/dev/null", check=False)

    hosts, nodes = {}, []
    for name in ("wire", "peer"):
        node = make_node(name, "--sysctl=net.ipv6.conf.all.disable_ipv6=0", furnish=furnish)
        hosts.update(yaml.safe_load(pathlib.Path(node.inventory).read_text())["all"]["hosts"])
        hosts[name]["faultline_networks"] = {
            "management": {"interface": "eth0", "address": node.address}, "storage": {"cidr": names.subnets["storage"], "address": node.storage},
        }
        nodes.append(node)
    for node in nodes:
        pathlib.Path(node.inventory).write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    return nodes


@pytest.fixture
def wire(wires, clean):
    """The node that is hit; the test fails if it leaves anything behind."""
    with clean(wires[0]):
        yield wires[0]


@pytest.fixture
def peer(wires):
    """The other node, which looks at it."""
    return wires[1]


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
def cloud(lab, clean):
    """The three nodes; the test fails if it leaves anything behind on any of them."""
    with contextlib.ExitStack() as stack:
        for node in lab.values():
            stack.enter_context(clean(node))
        yield lab


@pytest.fixture
def clean(request):
    """clean(node): a context that compares the node before and after, and fails if anything of ours is left or anything is destroyed.

    A node on which the test fails is made anew before the next test, or mended at once where others use it too.
    """
    @contextlib.contextmanager
    def compared(node):
        node.make_good()
        assert node.open_faults() == []
        # an address that the kernel still looks for others of is another line in a snapshot a moment later
        wait_for(lambda: "tentative" not in node.sh("ip -6 address"))
        before, good = node.snapshot(), False
        try:
            yield node
            if not request.node.stash.get(_FAILED, False):
                difference = _settled(before, node)
                assert difference == {}
                good = True
        finally:
            if not good:
                node.spoiled = True
                if not node.renew:
                    node.make_good()

    return compared


def _settled(before, node):
    """How a node differs from before: what a fault had hit may take a moment to be as it was."""
    end = time.monotonic() + HANG
    while (difference := before.difference(node.snapshot(), node.named)) and time.monotonic() < end:
        time.sleep(0.5)
    return difference
