# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labs side by side on one machine: names and subnets of each number, and who may take which (roles/lab/files/labs.py)."""

from __future__ import annotations

import collections
import importlib.util
import ipaddress
import json
import pathlib
import re
import subprocess
import types

import pytest
import yaml
from patience import HANG
from warm_ansible import ROOT, run_ansible

SCRIPT = ROOT / "roles" / "lab" / "files" / "labs.py"
PROFILES = ["mini", "openstack", "devstack", "kolla", "bench"]
LAB, VM = ("lab_name", "__lab_networks", "__lab_nodes", "__lab_vip"), ("lab_vm_run", "lab_vm_bridges", "lab_vm_networks")


@pytest.fixture
def labs(monkeypatch):
    spec = importlib.util.spec_from_file_location("labs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # what this machine itself is in does not matter
    monkeypatch.setattr(module, "ROUTES", "/nonexistent")
    return module


# ---- names and subnets ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    """{(profile, number): the variables of a lab of it}, as the roles have them."""
    folder = tmp_path_factory.mktemp("variables")
    plays = []
    for role, profiles, names, given in (
        ("lab", PROFILES, LAB, {"lab_profile": "{{ item.0 }}", "lab_number": "{{ item.1 }}", "lab_dir": str(folder)}),
        ("lab_vm", ["vm"], VM, {"lab_vm_number": "{{ item.1 }}", "lab_vm_dir": str(folder)}),
    ):
        files = [str(ROOT / "roles" / role / kind / "main.yml") for kind in ("defaults", "vars")]
        told = {name: "{{ %s }}" % name for name in names}
        plays.append({"hosts": "localhost", "connection": "local", "gather_facts": False, "vars_files": files, "tasks": [
            {"ansible.builtin.debug": {"msg": told}, "vars": given, "loop": "{{ %s | product(range(13)) }}" % profiles, "register": "each"},
            {"ansible.builtin.copy": {"content": "{{ each.results | to_json }}", "dest": str(folder / role)}},
        ]})
    (folder / "play.yml").write_text(yaml.safe_dump(plays))
    done = run_ansible(["ansible-playbook", str(folder / "play.yml")], timeout=HANG)
    assert done.returncode == 0, done.stdout + done.stderr
    return {tuple(each["item"]): each["msg"] for role in ("lab", "lab_vm") for each in json.loads((folder / role).read_text())}


def test_number_0_has_the_names_and_subnets_that_a_single_lab_always_had(variables):
    told = {profile: [variables[profile, 0]["lab_name"], *(each["subnet"] for each in variables[profile, 0]["__lab_networks"])] for profile in PROFILES}
    assert told == {
        "mini": ["faultline", "10.71.0.0/16", "10.72.0.0/16"],
        "openstack": ["faultline-openstack", "10.81.0.0/16", "10.82.0.0/16", "10.83.0.0/16"],
        "devstack": ["faultline-devstack", "10.84.0.0/17", "10.84.128.0/17"],
        "kolla": ["faultline-kolla", "10.79.0.0/16", "10.80.0.0/16"],
        "bench": ["faultline-bench", "10.73.0.0/16", "10.74.0.0/16"],
    }
    assert variables["vm", 0] == {"lab_vm_run": "/run/faultline-vm", "lab_vm_bridges": ["fault-vm0", "fault-vm1"], "lab_vm_networks": ["10.75.0", "10.76.0"]}


def test_number_1_is_14_higher(variables):
    told = {profile: [variables[profile, 1]["lab_name"], *(each["subnet"] for each in variables[profile, 1]["__lab_networks"])] for profile in PROFILES}
    assert told == {
        "mini": ["faultline-1", "10.85.0.0/16", "10.86.0.0/16"],
        "openstack": ["faultline-1-openstack", "10.95.0.0/16", "10.96.0.0/16", "10.97.0.0/16"],
        "devstack": ["faultline-1-devstack", "10.98.0.0/17", "10.98.128.0/17"],
        "kolla": ["faultline-1-kolla", "10.93.0.0/16", "10.94.0.0/16"],
        "bench": ["faultline-1-bench", "10.87.0.0/16", "10.88.0.0/16"],
    }
    assert variables["vm", 1] == {"lab_vm_run": "/run/faultline-vm-1", "lab_vm_bridges": ["fault-vm2", "fault-vm3"], "lab_vm_networks": ["10.89.0", "10.90.0"]}
    cloud = variables["openstack", 1]
    assert cloud["__lab_vip"] == "10.95.0.10" and cloud["__lab_networks"][2]["args"] == ["--internal", "--gateway=10.97.0.1"]
    assert cloud["__lab_nodes"][3] == {
        "name": "net1", "kind": "network", "container": "faultline-1-openstack-net1", "address": "10.95.0.14",
        "second_network": "faultline-1-openstack-external", "second_address": "10.97.0.14"}


def test_no_two_labs_have_a_name_or_an_address_in_common(variables):
    subnets, words = [], []
    for (profile, _number), told in variables.items():
        if profile == "vm":
            subnets += [f"{each}.0/24" for each in told["lab_vm_networks"]]
            words += [told["lab_vm_run"], *told["lab_vm_bridges"]]
        else:
            subnets += [each["subnet"] for each in told["__lab_networks"]]
            words += [told["lab_name"], *(each["name"] for each in told["__lab_networks"]), *(each["container"] for each in told["__lab_nodes"])]
    assert [word for word, count in collections.Counter(words).items() if count > 1] == []
    networks = sorted(map(ipaddress.ip_network, subnets))
    assert not any(one.overlaps(next_one) for one, next_one in zip(networks, networks[1:], strict=False))
    assert networks[0] == ipaddress.ip_network("10.71.0.0/16") and networks[-1].subnet_of(ipaddress.ip_network("10.252.0.0/16"))
    # the kernel takes no longer names of interfaces
    assert max(len(word) for (profile, _number), told in variables.items() if profile == "vm" for word in told["lab_vm_bridges"]) <= 15


# ---- whose is what ----------------------------------------------------------------------------------------------------


class Docker:
    """As much of an engine as labs.py asks for. things: {kind: {name or id: what inspect says}}."""

    def __init__(self):
        self.things = {"container": {}, "network": {}, "volume": {}}
        self.count = 0
        # what happens right before a network is made
        self.meanwhile = lambda: None

    def add(self, kind, name, lab=None, folder=None, subnet=None, key=None):
        self.count += 1
        labels = {key: value for key, value in (("faultline.lab", lab), ("faultline.dir", folder)) if value}
        identity = name if kind == "volume" else f"{self.count:064x}"
        self.things[kind][identity] = {
            "Id": identity, "Name": name, "Labels": labels, "IPAM": {"Config": [{"Subnet": subnet}] if subnet else None}, "Options": {},
            "Config": {"Labels": labels, "Env": [f"FAULTLINE_AUTHORIZED_KEY={key}"] if key else None},
        }
        return identity

    def names(self):
        return sorted(each["Name"] for things in self.things.values() for each in things.values())

    def __call__(self, *words, check=True):
        code, output, error = getattr(self, f"_{words[1]}" if words[0] != "ps" else "_ps")(*words)
        assert not check or code == 0, error
        return types.SimpleNamespace(returncode=code, stdout=output, stderr=error)

    def _ps(self, *words):
        found = [name for name, each in self.things["container"].items() if "--all" not in words or each["Labels"].get("faultline.lab")]
        return 0, "\n".join(found), ""

    def _ls(self, kind, *words):
        found = [name for name, each in self.things[kind].items() if "--filter" not in words or each["Labels"].get("faultline.lab")]
        return 0, "\n".join(found), ""

    def _inspect(self, kind, _inspect, *names):
        return 0, json.dumps([self.things[kind][name] for name in names]), ""

    def _rm(self, kind, _rm, *words):
        gone = [word for word in words if not word.startswith("--")]
        missing = [word for word in gone if not self.things[kind].pop(word, None)]
        return int(bool(missing)), "", "".join(f"Error: No such {kind}: {word}\n" for word in missing)

    def _create(self, _network, _create, *words):
        self.meanwhile()
        options = dict(word[2:].partition("=")[::2] for word in words if word.startswith(("--subnet", "--ip-range")))
        labels = dict(word.removeprefix("--label=faultline.").split("=") for word in words if word.startswith("--label="))
        subnet = ipaddress.ip_network(options["subnet"])
        assert ipaddress.ip_network(options["ip-range"]).subnet_of(subnet)
        for each in self.things["network"].values():
            if any(ipaddress.ip_network(there["Subnet"]).overlaps(subnet) for there in each["IPAM"]["Config"] or []):
                return 1, "", "Error response from daemon: Pool overlaps with other one on this address space"
        return 0, self.add("network", words[-1], labels["lab"], labels["dir"], str(subnet)), ""


@pytest.fixture
def docker(labs, monkeypatch):
    engine = Docker()
    monkeypatch.setattr(labs, "docker", engine)
    return engine


@pytest.fixture
def checkout(tmp_path):
    """checkout(name): the directory of a lab, with its key."""

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "id_ed25519").write_text("private")
        (folder / "id_ed25519.pub").write_text(f"ssh-ed25519 {name}\n")
        return str(folder)

    return make


def networks(lab="faultline", octet=71):
    return [{"name": f"{lab}-management", "subnet": f"10.{octet}.0.0/16", "args": []},
            {"name": f"{lab}-storage", "subnet": f"10.{octet + 1}.0.0/16", "args": ["--internal"]}]


def claim(labs, folder, lab="faultline", octet=71, wide=False):
    return labs.claim(folder, lab, networks(lab, octet), wide)


def test_a_lab_makes_its_networks_and_finds_them_again(labs, docker, checkout):
    one = checkout("one")
    assert claim(labs, one) == ["faultline-management", "faultline-storage"]
    before = json.dumps(docker.things)
    assert claim(labs, one) == [] and json.dumps(docker.things) == before


def test_a_number_that_the_lab_of_another_directory_has_is_taken(labs, docker, checkout):
    one, two = checkout("one"), checkout("two")
    claim(labs, one)
    before = json.dumps(docker.things)
    with pytest.raises(labs.Taken, match=f"faultline is the lab of {re.escape(one)}"):
        claim(labs, two)
    assert json.dumps(docker.things) == before
    assert claim(labs, two, "faultline-1", 85) == ["faultline-1-management", "faultline-1-storage"]


def test_what_a_lab_left_whose_directory_is_gone_is_replaced(labs, docker, checkout, tmp_path):
    one, two = checkout("one"), checkout("two")
    claim(labs, one)
    docker.add("container", "faultline-ctl1", "faultline", one)
    docker.add("volume", "faultline-images", "faultline", one)
    (pathlib.Path(one) / "id_ed25519").unlink()
    claim(labs, two)
    assert docker.names() == ["faultline-management", "faultline-storage"]
    assert {each["Labels"]["faultline.dir"] for each in docker.things["network"].values()} == {two}


def test_a_directory_that_we_may_not_look_into_is_a_lab(labs, monkeypatch):
    def denied(_path):
        raise PermissionError

    monkeypatch.setattr(labs.os, "stat", denied)
    assert labs.is_lab("/home/somebody/.lab")


def test_nodes_that_do_not_say_whose_they_are_are_left_alone_unless_they_let_our_key_in(labs, docker, checkout):
    one, two = checkout("one"), checkout("two")
    docker.add("network", "faultline-management", "faultline", subnet="10.71.0.0/16")
    docker.add("container", "faultline-ctl1", "faultline", key="ssh-ed25519 one")
    before = json.dumps(docker.things)
    with pytest.raises(labs.Taken, match="do not say which directory"):
        claim(labs, two)
    assert labs.remove(two, "faultline") == [] and json.dumps(docker.things) == before
    claim(labs, one)
    assert docker.names() == ["faultline-management", "faultline-storage"]


def test_networks_of_somebody_else_that_overlap_take_a_number(labs, docker, checkout):
    docker.add("network", "my-own", subnet="10.72.3.0/24")
    with pytest.raises(labs.Taken, match=r"10\.72\.0\.0/16 overlaps Docker's network my-own, 10\.72\.3\.0/24"):
        claim(labs, checkout("one"))
    assert docker.names() == ["my-own"]


def test_of_two_that_come_up_at_once_one_gets_the_number(labs, docker, checkout):
    """The other was faster between the look and the making: nothing of what was made stays."""
    one, two = checkout("one"), checkout("two")

    def other():
        docker.meanwhile = lambda: None
        docker.add("network", "faultline-storage", "faultline", two, "10.72.0.0/16")

    docker.meanwhile = other
    with pytest.raises(labs.Taken, match="overlaps"):
        claim(labs, one)
    assert docker.names() == ["faultline-storage"]


def test_a_directory_has_one_lab(labs, docker, checkout):
    """What it made under another name, or on other subnets, goes."""
    one = checkout("one")
    claim(labs, one)
    docker.add("container", "faultline-ctl1", "faultline", one)
    claim(labs, one, octet=85)
    assert docker.names() == ["faultline-management", "faultline-storage"]
    claim(labs, one, "faultline-2", 99)
    assert docker.names() == ["faultline-2-management", "faultline-2-storage"]


def test_down_removes_what_is_of_the_directory_and_nothing_else(labs, docker, checkout):
    one, two = checkout("one"), checkout("two")
    claim(labs, one)
    claim(labs, two, "faultline-1", 85)
    docker.add("container", "faultline-1-test-3f-spare", "faultline-1", two)
    docker.add("volume", "faultline-1-images", "faultline-1", two)
    docker.add("container", "somebody")
    labs.remove(two, "faultline-1")
    assert docker.names() == ["faultline-management", "faultline-storage", "somebody"]
    assert labs.others(two) == [f"the lab of {one}", "1 running containers"]
    assert labs.others(one) == ["1 running containers"]


# ---- routes -----------------------------------------------------------------------------------------------------------

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
tun0	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
br-1	0000470A	00000000	0001	0	0	0	0000FFFF	0	0	0
eth1	000000AC	0100550A	0003	0	0	0	000000FF	0	0	0
"""


@pytest.mark.parametrize(("network", "interfaces", "strict", "wide"), [
    ("10.71.0.0/16", [], False, False),
    # its own bridge: what is left is the wide route, which may be hidden in part
    ("10.71.0.0/16", ["br-1"], False, True),
    ("10.72.0.0/16", [], False, True),
    ("192.168.0.0/16", [], True, True),
    # the gateway of a route is there
    ("10.85.0.0/16", [], False, False),
])
def test_routes_of_this_machine_take_a_number(labs, monkeypatch, tmp_path, network, interfaces, strict, wide):
    (tmp_path / "route").write_text(ROUTES)
    monkeypatch.setattr(labs, "ROUTES", str(tmp_path / "route"))

    def free(wide):
        try:
            labs.refuse_routed([ipaddress.ip_network(network)], interfaces, wide)
        except labs.Taken:
            return False
        return True

    assert (free(wide=False), free(wide=True)) == (strict, wide)


# ---- virtual machines -------------------------------------------------------------------------------------------------


@pytest.fixture
def claim_vm(labs, monkeypatch, tmp_path):
    monkeypatch.setattr(labs, "LOCK", str(tmp_path / "lock"))
    (tmp_path / "hypervisor.sh").write_text(f'echo "$1 $FAULTLINE_VM_DIR $FAULTLINE_VM_RUN $FAULTLINE_VM_BRIDGES" >> {tmp_path}/calls\n')
    run, script = str(tmp_path / "run"), str(tmp_path / "hypervisor.sh")
    return lambda folder: labs.claim_vm(folder, run, ["fault-vm0", "fault-vm1"], ["10.75.0", "10.76.0"], script, False)


def test_a_run_folder_is_of_the_lab_that_it_notes(labs, claim_vm, checkout, tmp_path):
    one, two = checkout("one"), checkout("two")
    assert claim_vm(one) == [str(tmp_path / "run")] and claim_vm(one) == []
    with pytest.raises(labs.Taken, match=f"is the lab of {re.escape(one)}"):
        claim_vm(two)
    (pathlib.Path(one) / "id_ed25519").unlink()
    claim_vm(two)
    assert (tmp_path / "run" / "dir").read_text() == f"{two}\n"
    # what runs of the one whose directory is gone is taken away
    assert (tmp_path / "calls").read_text() == f"leave {one} {tmp_path}/run fault-vm0 fault-vm1\n"


def test_a_libvirtd_that_does_not_say_whose_it_is_is_left_alone(labs, claim_vm, checkout, tmp_path):
    (tmp_path / "run").mkdir()
    with subprocess.Popen(["bash", "-c", "printf libvirtd > /proc/self/comm; echo up; read -r"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        daemon.stdout.readline()
        (tmp_path / "run" / "libvirtd.pid").write_text(f"{daemon.pid}")
        with pytest.raises(labs.Taken, match="does not say which directory"):
            claim_vm(checkout("one"))
        daemon.stdin.close()
    claim_vm(checkout("two"))
