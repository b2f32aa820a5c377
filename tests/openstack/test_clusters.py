# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/guides/clusters.md: every command is run as it stands there, in order, and does what the page says. The VMs are real ones."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import uuid

import pytest
from lab_nodes import ROOT, wait_for
from patience import HANG

PAGE = (ROOT / "docs" / "guides" / "clusters.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# what would make another place of it than the terminal that a test says it is
CI = ("EXECUTOR_NUMBER", "NODE_NAME", "ZUUL_UUID", "GITLAB_CI", "GITHUB_ACTIONS", "AWX_HOST", "JOB_ID", "GPG_TTY")
OTHERS = "# mine\nother.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl mine\n"
STEERING = {
    "images": {"image": {"OS_IMAGE_NAME": "tiny"}}, "flavor": {"flavor": {"OS_FLAVOR_NAME": "tiny"}},
    "instances": {"vm": {"uuid_image": "image", "uuid_flavour": "flavor"}},
}


class Place:
    """A terminal of its own, with a directory. number: tells it from others."""

    def __init__(self, lab, folder, number):
        self.lab, self.folder = lab, folder
        self.environment = {key: value for key, value in os.environ.items() if key not in CI}
        self.environment.update(
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), OS_CLIENT_CONFIG_FILE=str(lab.folder / "clouds.yaml"),
            SSH_CONNECTION=f"198.51.100.{number} 40000 198.51.100.200 22")

    def start(self, command):
        """A command line as a user types it, in a process group of its own."""
        return subprocess.Popen(
            ["bash", "-ec", command], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True)

    def type(self, command, status=0):
        """The output of a command line."""
        with self.start(command) as process:
            try:
                output = process.communicate(timeout=6 * HANG)[0]
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == status, output
        return output

    def playbook(self, name, status=0, **variables):
        given = json.dumps({"cluster_cloud": "faultline-lab", **variables})
        return self.type(f"ansible-playbook faultline.openstack.cluster_{name} -e '{given}'", status)

    def session(self, state="cluster.json"):
        (found,) = {each["WE_SESSION"] for each in self.vms(state)}
        return found

    def vms(self, state="cluster.json"):
        return list(json.loads((self.folder / state).read_text()).values())


@pytest.fixture(scope="module")
def cloud(lab, private_network):
    """The lab with a project as the page wants it."""
    api = lab.sdk.network
    with private_network("clusters", "192.168.78.0/24"):
        group = api.create_security_group(name="ssh")
        for rule in ({"protocol": "icmp"}, {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}):
            api.create_security_group_rule(security_group_id=group.id, direction="ingress", ethertype="IPv4", **rule)
        try:
            yield lab
        finally:
            api.delete_security_group(group)


@pytest.fixture
def place(cloud, tmp_path):
    """place(number): a Place; all clusters are gone afterwards, whatever happened."""
    (tmp_path / "steering.json").write_text(json.dumps(STEERING))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)
    made = []

    def make(number):
        made.append(Place(cloud, tmp_path, number))
        return made[-1]

    yield make
    Place(cloud, tmp_path, 0).playbook("teardown", cluster_all=True)
    assert left(cloud) == {}


def left(cloud, session=""):
    """{kind: names} of all in the cloud that bears a session, or any session."""
    sdk = cloud.sdk
    found = {
        "servers": [each.name for each in sdk.compute.servers() if session in (each.metadata or {}).get("WE_SESSION", "-")],
        "floating IPs": [each.floating_ip_address for each in sdk.network.ips() if f"whenenv {session}" in (each.description or "")],
        "key pairs": [each.name for each in sdk.compute.keypairs() if each.name.startswith(f"whenenv-{session}")],
    }
    return {kind: names for kind, names in found.items() if names}


def known(place, name):
    """The keys that ssh finds for a name in the page's known_hosts."""
    done = subprocess.run(["ssh-keygen", "-F", name, "-f", place.folder / "known_hosts"], capture_output=True, text=True, check=False)
    return [line.split()[1:3] for line in done.stdout.splitlines() if not line.startswith("#")]


def floating(vm):
    """The floating IP of an entry of the state file."""
    (address,) = [each for each in vm["OS_NETWORKS"]["clusters"] if not each.startswith("192.168.78.")]
    return address


# ---- what is seen after each command of the page


def described(place, _output):
    assert set(json.loads((place.folder / "ceph.json").read_text())) == {"label", "images", "flavor", "instances"}


def would_be_built(place, output):
    assert "5 VMs would be booted" in output and left(place.lab) == {}


def built(place, output):
    session = place.session()
    servers = [each for each in place.lab.sdk.compute.servers() if json.loads(each.metadata.get("WE_SESSION", '""')) == session]
    assert len(servers) == 5 and {each.status for each in servers} == {"ACTIVE"}
    assert f"session {session}: 5 VMs, of which 5 were booted" in output
    labels = {each["WE_TYPE_UUID"]: each["WE_USER_LABEL"] for each in place.vms()}
    assert labels == {
        "mon": {"SIZE": ["small"], "OS": ["linux"], "DISK": ["vda"], "CEPH_LAYOUT": ["MON"]},
        "osd": {"SIZE": ["small"], "OS": ["linux"], "DISK": ["vda", "vdb"], "CEPH_LAYOUT": ["OSD"]},
        "client": {"SIZE": ["small"], "OS": ["linux"], "DISK": ["vda"], "CEPH_LAYOUT": ["CLIENT"]},
    }
    # other hosts had these addresses before, one of them hashed
    first, second = map(floating, place.vms()[:2])
    stale = OTHERS.splitlines()[1].split(" ", 1)[1]
    known_hosts = place.folder / "known_hosts"
    known_hosts.write_text(f"{second} {stale}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known_hosts], check=True, capture_output=True)
    known_hosts.write_text(f"{OTHERS}{first} {stale}\n{known_hosts.read_text()}")


def written_again(place, output):
    assert f"{place.session()}: 5 VMs" in output and len(place.vms()) == 5 and all(each["OS_NETWORKS"]["clusters"] for each in place.vms())


def gone_on_with(place, output):
    assert f"session {place.session()}: 5 VMs, of which 0 were booted" in output and "torn down" not in output


def answering(place, output):
    assert "5 VMs answer" in output and output.count("answers   ") == 5 and "known_hosts: 2 keys removed, 10 learned" in output
    lines = (place.folder / "known_hosts").read_text()
    assert lines.startswith(OTHERS)
    for each in place.vms():
        address = floating(each)
        assert each["VM_HOSTNAME_SHORT"] == [each["OS_NAME"].lower()] and each["VM_HOSTNAME_LONG"]
        assert each["VM_DISK"]["vda"]["SIZE"]
        (key,) = known(place, address)
        assert known(place, each["VM_HOSTNAME_SHORT"][0]) == [key] and key[1] != OTHERS.split()[4]
        told = place.type(f"ssh -i key -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=known_hosts root@{address} hostname")
        assert told.strip() == each["VM_HOSTNAME_SHORT"][0]


def scripted(place, output):
    assert sorted(line.split()[0] for line in output.splitlines()) == ["client", "mon", "osd", "osd", "osd"] and "'vda'" in output


def in_groups(place, output):
    groups = dict(re.findall(r"^  \|--@(\w+):\n((?:  \|  \|--.*\n)*)", output, re.MULTILINE))
    hosts = {name: re.findall(r"--(\S+)", text) for name, text in groups.items()}
    assert hosts["CEPH_LAYOUT_MON"] == ["mon-1"] and hosts["CEPH_LAYOUT_OSD"] == ["osd-1", "osd-2", "osd-3"]
    assert hosts["DISK_vdb"] == hosts["CEPH_LAYOUT_OSD"] and len(hosts["os_cluster"]) == len(hosts["SIZE_small"]) == 5


def run_on(place, output):
    assert sorted(re.findall(r"^(\S+) \| CHANGED", output, re.MULTILINE)) == ["mon-1", "osd-1", "osd-2", "osd-3"]


def broken(place, output):
    (host,) = re.findall(r"hits (osd-[123]) \(of 3", output)
    assert "failed=0" in output and f"{host}:" in output
    assert {each.status for each in place.lab.sdk.compute.servers() if "WE_SESSION" in (each.metadata or {})} == {"ACTIVE"}


def answering_again(place, output):
    assert "5 VMs answer" in output and "0 keys removed, 0 learned" in output


def listed(place, output):
    assert f"{place.session()}: 5 VMs" in output and "(the current one)" in output and output.count("ACTIVE") == 5


def would_be_gone(place, output):
    assert "5 VMs" in output and "would be" in output and len(left(place.lab)["servers"]) == 5


def gone(place, _output):
    assert left(place.lab) == {} and place.vms() == []


def nothing_old(_place, output):
    assert "nothing is there to be deleted" in output


CHECKS = [
    ("cat > ceph.json", described), ("ssh-keygen", lambda *_given: None), ("ansible-playbook faultline.openstack.cluster_buildup", would_be_built),
    ("ansible-playbook faultline.openstack.cluster_buildup", built), ("rm cluster.json", written_again),
    ("ansible-playbook faultline.openstack.cluster_buildup", gone_on_with), ("ansible-playbook faultline.openstack.cluster_debounce", answering),
    ("python3", scripted), ("cat > inventory.yml", in_groups), ("ansible -i", run_on), ("ansible-playbook faultline.openstack.disrupt", broken),
    ("ansible-playbook faultline.openstack.cluster_debounce", answering_again), ("ansible-playbook faultline.openstack.cluster_list", listed),
    ("ansible-playbook faultline.openstack.cluster_teardown", would_be_gone), ("ansible-playbook faultline.openstack.cluster_teardown", gone),
    ("ansible-playbook faultline.openstack.cluster_teardown", nothing_old),
]


def test_the_page_leads_from_a_steering_file_to_a_cluster_that_is_broken_and_torn_down(place):
    here = place(1)
    assert len(COMMANDS) == len(CHECKS)
    for command, (begin, check) in zip(COMMANDS, CHECKS, strict=True):
        assert command.startswith(begin)
        begun = time.monotonic()
        output = here.type(command)
        print(f"{time.monotonic() - begun:6.1f} s  {command.splitlines()[-1]}\n{output}")
        check(here, output)


# ---- beyond the page


def test_two_sessions_side_by_side_leave_each_other_alone(place):
    one, other = place(2), place(3)
    given = {"cluster_steering": "steering.json", "cluster_public_key": "id.pub"}
    one.playbook("buildup", **given, cluster_state="one.json")
    other.playbook("buildup", **given, cluster_state="other.json")
    mine, theirs = one.session("one.json"), other.session("other.json")
    assert mine != theirs and len(left(one.lab, mine)["servers"]) == len(left(one.lab, theirs)["servers"]) == 1
    assert f"{theirs}: 1 VMs" in other.playbook("list", cluster_what="sessions", cluster_current=True)
    # the same place again: its previous session goes, the other's stays
    again = one.playbook("buildup", **given, cluster_state="again.json")
    assert "was torn down before" in again and "servers" not in left(one.lab, mine) and len(left(one.lab, theirs)["servers"]) == 1
    one.playbook("teardown")
    assert left(one.lab, one.session("again.json")) == {} and len(left(one.lab, theirs)["servers"]) == 1
    other.playbook("teardown", cluster_session=theirs)
    assert left(one.lab) == {}


def test_a_buildup_whose_controller_is_killed_leaves_nothing_after_a_teardown_by_session(place):
    here, session = place(4), str(uuid.uuid4())
    steering = {**STEERING, "instances": {"vm": {**STEERING["instances"]["vm"], "count": 4}}}
    (here.folder / "four.json").write_text(json.dumps(steering))
    given = json.dumps({
        "cluster_cloud": "faultline-lab", "cluster_steering": "four.json", "cluster_public_key": "id.pub", "cluster_session": session})
    with here.start(f"ansible-playbook faultline.openstack.cluster_buildup -e '{given}'") as process:
        wait_for(lambda: left(here.lab, session).get("servers"))
        os.killpg(process.pid, signal.SIGKILL)
    # its module may be in a session of its own, and ask for more
    here.playbook("teardown", cluster_session=session)
    assert left(here.lab, session) == {}


def test_a_fault_that_needs_python_hits_a_group_of_labels(place, debian):
    """On a VM with a whole system: its disks as lsblk tells them, and a reboot by a sentence."""
    here = place(7)
    (here.folder / "mon.json").write_text(json.dumps({
        "label": {"mon": {"CEPH_LAYOUT": ["MON"]}}, "images": {"image": {"OS_IMAGE_NAME": "debian"}}, "flavor": {"flavor": {"OS_FLAVOR_NAME": "debian"}},
        "instances": {"mon": {
            "uuid_image": "image", "uuid_flavour": "flavor", "usr_label": ["mon"], "security_groups": ["ssh"], "floating_ip": True}}}))
    (here.folder / "inventory.yml").write_text(
        "plugin: faultline.openstack.os_cluster\ncloud: faultline-lab\nprivate_key: id\n"
        "compose: {ansible_ssh_common_args: \"'-o UserKnownHostsFile=known_hosts'\"}\n")
    wait = {"cluster_state": "cluster.json", "cluster_private_key": "id", "cluster_known_hosts": "known_hosts", "cluster_timeout": 2 * HANG}
    here.playbook("buildup", cluster_steering="mon.json", cluster_public_key="id.pub", cluster_state="cluster.json")
    assert "1 VMs answer" in here.playbook("debounce", **wait)
    (vm,) = here.vms()
    assert vm["VM_DISK"]["vda"]["TYPE"] == "disk" and vm["VM_DISK"]["vda"]["MOUNTPOINT"] == "/" and vm["VM_HOSTNAME_SHORT"] == [vm["OS_NAME"]]
    boot = "ansible -i inventory.yml CEPH_LAYOUT_MON -m ansible.builtin.command -a 'cat /proc/sys/kernel/random/boot_id'"
    before = here.type(boot)
    output = here.type("ansible-playbook faultline.openstack.disrupt -i inventory.yml -e '{\"fault\": \"reboot one node in CEPH_LAYOUT_MON\"}'")
    assert "hits mon-1" in output and "failed=0" in output
    assert "1 VMs answer" in here.playbook("debounce", **wait) and here.type(boot) != before


def test_an_account_file_of_the_scripts_is_a_login(place):
    here = place(5)
    auth = here.lab.sdk.config.auth
    path = here.folder / "account.cfg"
    path.touch(mode=0o600)
    keys = {"username": "username", "password": "password", "auth_url": "auth_url", "tenant": "project_name"}
    path.write_text("[main]\n" + "".join(f'{key} = "{auth[name]}"\n' for key, name in keys.items()))
    output = here.playbook("list", cluster_cfg="account.cfg", cluster_cloud="")
    assert "0 sessions, 0 VMs" in output and auth["password"] not in output


def test_a_vm_without_a_way_to_it_is_told_with_its_reason(place):
    here = place(6)
    here.playbook("buildup", cluster_steering="steering.json", cluster_public_key="id.pub", cluster_state="cluster.json")
    output = here.playbook("debounce", 2, cluster_state="cluster.json", cluster_known_hosts="known_hosts", cluster_timeout=8)
    assert "1 of 1 VMs do not answer, and none has got further for 8 s" in output and "no ping yet" in output
    (vm,) = here.vms()
    assert "VM_DISK" not in vm and not (here.folder / "known_hosts").exists()
