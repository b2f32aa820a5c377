# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way into routers, on real ones: their data plane looked at from inside, any module in their namespaces, a shell on a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import types

import pytest
from lab_nodes import ROOT, wait_for
from lab_terminal import on_a_terminal
from patience import HANG

CLOUD = "faultline-lab"
ROUTERS = f"plugin: faultline.openstack.os_routers\ncloud: {CLOUD}\n"


class Place:
    """Where an operator sits: commands with the inventories of the lab's nodes and of its routers."""

    def __init__(self, lab, made, folder):
        self.lab, self.router, self.namespace = lab, made.router, f"qrouter-{made.router.id}"
        self.inventory = folder / "routers.yml"
        self.inventory.write_text(ROUTERS)
        self.environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.folder / "clouds.yaml"), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
        self.nodes = ["-i", str(lab.folder / "os-faults.yaml")]

    def run(self, *argv, check=True):
        done = subprocess.run(argv, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * HANG, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def in_router(self, module, words, *options, pattern="router_test-lab", check=True):
        return self.run("ansible", *self.nodes, "-i", str(self.inventory), pattern, "-m", module, "-a", words, *options, check=check)

    def playbook(self, name, **variables):
        return ["ansible-playbook", f"faultline.openstack.{name}", *self.nodes, "-e", json.dumps({"router_cloud": CLOUD, **variables})]

    def poll(self, which="test-lab", **variables):
        """(health, all lines) of what the playbook tells."""
        told = self.run(*self.playbook("router_poll", router_which=which, router_timeout=1, **variables))
        told = told[told.index("TASK [Tell how they are]"):]
        return re.search(r'"1 routers?: 1 (ok|degraded|down)', told)[1], told

    def polled(self, health, words="", **variables):
        """Poll until it is so, and this is told; a ping may be late."""
        def look():
            found, told = self.poll(**variables)
            return found == health and words in told

        wait_for(look, pause=1)

    def sh(self, node, command, check=True):
        return node.sh(f"ip netns exec {self.namespace} {command}", check)

    def holders(self):
        """The network nodes that have the router's address."""
        return [node for node in self.lab.kind("net") if "192.168.77.1/" in self.sh(node, "ip -brief address", check=False)]

    def active(self):
        """The node where it is active, once Neutron says so too."""
        def look():
            held = self.holders()
            states = {agent.host: agent.ha_state for agent in self.lab.sdk.network.routers_hosting_l3_agents(self.router)}
            return held[0] if len(held) == 1 and states.get(held[0].name) == "active" and sorted(states.values()) == ["active", "standby"] else None

        return wait_for(look, pause=1)

    def standby(self):
        (node,) = [node for node in self.lab.kind("net") if node.name != self.active().name]
        return node


@pytest.fixture(scope="module")
def made(private_network):
    with private_network("test-lab", "192.168.77.0/24") as found:
        yield found


@pytest.fixture
def place(lab, made, tmp_path):
    found = Place(lab, made, tmp_path)
    found.active()
    found.polled("ok")
    return found


# ---- both planes


def test_a_poll_sees_the_data_plane(place):
    node = place.active()
    place.polled("ok", node.name)
    interface = re.search(r"(qr-[^\s@]+)\S* .*192\.168\.77\.1/24", place.sh(node, "ip -brief address"))[1]
    place.sh(node, "ip address delete 192.168.77.1/24 dev " + interface)
    try:
        place.polled("degraded", f"{node.name} lacks 192.168.77.1")
    finally:
        place.sh(node, "ip address add 192.168.77.1/24 dev " + interface)
    hop = re.search(r"default via (\S+) dev (\S+)", place.sh(node, "ip route"))
    place.sh(node, "ip route delete default")
    try:
        place.polled("degraded", f"{node.name} has no default route for it")
    finally:
        place.sh(node, f"ip route add default via {hop[1]} dev {hop[2]}")
    # what is sent to the gateway goes nowhere
    place.sh(node, f"ip neighbour replace {hop[1]} lladdr 02:00:00:00:00:01 nud permanent dev {hop[2]}")
    try:
        place.polled("degraded", f"the gateway {hop[1]} does not answer a ping from {node.name}: no answer within 1 s")
        place.polled("ok", router_gateway=False)
    finally:
        place.sh(node, f"ip neighbour delete {hop[1]} dev {hop[2]}")
    place.polled("ok")


def test_a_standby_without_keepalived_is_told(place):
    node = place.standby()
    # brackets, so that the shell is not one of those that are hit
    node.sh(f"pkill -STOP -f -- '[n]eutron-l3-agent' && pkill -9 -f -- '[k]eepalived .*{place.router.id}/keepalived.conf'")
    try:
        place.polled("degraded", f"its keepalived does not run on {node.name}")
    finally:
        node.sh("pkill -CONT -f -- '[n]eutron-l3-agent'; systemctl restart neutron-l3-agent")
    place.polled("ok")


def test_a_node_that_cannot_be_asked_is_told(place):
    place.nodes = ["-i", f"{place.active().name},"]
    place.polled("degraded", f"{place.standby().name} could not be asked: the inventory does not have it")


def test_many_routers_are_one_question_for_each_node(place):
    """What a node is asked of 200 routers, one after the other would take longer than any hang."""
    node, addresses = place.active(), ["192.168.77.1", *(each["ip_address"] for each in place.router.external_gateway_info["external_fixed_ips"])]
    asked = [{"id": place.router.id, "ha": True, "addresses": addresses, "targets": ["192.168.77.200"]}] * 200
    answer = node.hit("os_router_probe", {"routers": asked, "timeout": 5})
    assert len(answer["routers"]) == 200 and answer["seconds"] < HANG < 5 * 200
    assert {each["address"]: each["answered"] for each in answer["routers"][0]["pings"] if each["kind"] != "gateway"} == {
        **dict.fromkeys(addresses, True), "192.168.77.200": False}
    assert answer["routers"][0]["state"] == "active" and answer["routers"][0]["keepalived"]


# ---- any module


def test_a_router_is_a_host(place):
    told = place.in_router("command", "ip -brief address")
    assert "router_test-lab | CHANGED" in told and "192.168.77.1/24" in told
    assert "pong" in place.in_router("ping", "")
    group = f"os_routers_ok:&os_routers_project_{place.lab.sdk.identity.get_project(place.router.project_id).name}"
    assert "router_test-lab | SUCCESS" in place.in_router("ping", "", pattern=group)
    # what it needs files for goes to the node, not by a pipe
    assert "pong" in place.in_router("ping", "", "-e", "ansible_pipelining=false")


def test_a_namespace_that_is_gone_is_told(place):
    told = place.in_router("ping", "", "-e", "ansible_netns=qrouter-gone", check=False)
    assert "There is no network namespace qrouter-gone on this host." in told and "via ssh" not in told


@contextlib.contextmanager
def operator(node, password):
    """A user of a node who may become root, with a password or without."""
    user, rule = "faultline-test", "ALL" if password else "NOPASSWD: ALL"
    node.sh(f"useradd --create-home --shell /bin/bash {user} && cp -r /root/.ssh ~{user}/ && chown -R {user} ~{user}/.ssh")
    node.sh(f"echo '{user} ALL=(ALL) {rule}' > /etc/sudoers.d/{user}; echo '{user}:{password or 'unused'}' | chpasswd")
    try:
        yield user
    finally:
        node.sh(f"rm -f /etc/sudoers.d/{user}; userdel --remove --force {user} 2>/dev/null; true")


@pytest.mark.parametrize("password", [None, "for-tests-only"])
def test_a_login_that_is_not_root_asks_sudo(place, password):
    with operator(place.active(), password) as user:
        place.inventory.write_text(ROUTERS + f"nodes: {{{place.active().name}: {{ansible_user: {user}}}}}\n")
        place.environment["ANSIBLE_BECOME_PASS"] = password or ""
        assert "192.168.77.1/24" in place.in_router("command", "ip -brief address")
        if password:
            place.environment["ANSIBLE_BECOME_PASS"] = ""
            told = place.in_router("ping", "", check=False)
            assert "FAILED" in told and "password" in told


# ---- a shell


def test_a_shell_in_a_router(place):
    argv = place.playbook("router_ssh", router_which=place.router.id[:8])
    status, seen = on_a_terminal(
        argv, ("(test-lab)", "ip -brief address; hostname; tty\n"), ("/dev/pts/", "exit 4\n"), cwd=ROOT, env={**place.environment, "TERM": "dumb"})
    assert status == 0 and "192.168.77.1/24" in seen and f"root@{place.active().name}" in seen, seen
    argv = place.playbook("router_ssh", router_which="test-lab", router_command="ip route show default")
    status, seen = on_a_terminal(argv, cwd=ROOT, env=place.environment)
    assert status == 0 and "default via" in seen, seen


@pytest.mark.parametrize(("variables", "words"), [
    ({}, "Name one router: -e router_which=NAME."),
    ({"router_which": "test-lob"}, "The cloud has no router test-lob. Did you mean test-lab?"),
    ({"router_which": "test-lab"}, "There is no terminal to give."),
])
def test_a_shell_that_cannot_be_had(place, variables, words):
    assert words in " ".join(place.run(*place.playbook("router_ssh", **variables), check=False).split())


@pytest.fixture(scope="module")
def vm(lab, made, tmp_path_factory):
    """A server behind the router, in place of a service VM: address, floating, port, and the options with which ansible logs in there."""
    api, compute, folder = lab.sdk.network, lab.sdk.compute, tmp_path_factory.mktemp("vm")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id"], check=True)
    compute.create_keypair(name="test-inside", public_key=(folder / "id.pub").read_text())
    group = api.create_security_group(name="test-inside")
    api.create_security_group_rule(
        security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol="tcp", port_range_min=22, port_range_max=22)
    port = api.create_port(network_id=made.network.id, security_group_ids=[group.id])
    server = compute.create_server(
        name="test-inside", image_id=lab.sdk.image.find_image("tiny").id, flavor_id=compute.find_flavor("tiny").id, key_name="test-inside",
        networks=[{"port": port.id}])
    ip = api.create_ip(floating_network_id=api.find_network("external").id, port_id=port.id)
    told = {"ansible_ssh_private_key_file": str(folder / "id"), "router_user": "root"}
    known = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    try:
        compute.wait_for_server(server, wait=HANG, interval=0.5)
        ssh = ["ssh", "-i", folder / "id", *known.split(), "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", f"root@{ip.floating_ip_address}", "true"]
        wait_for(lambda: subprocess.run(ssh, capture_output=True, check=False, timeout=HANG).returncode == 0, pause=1)
        yield types.SimpleNamespace(address=port.fixed_ips[0]["ip_address"], floating=ip.floating_ip_address, port=port, variables=told, known=known)
    finally:
        api.delete_ip(ip)
        compute.delete_server(server)
        compute.wait_for_delete(server, wait=HANG, interval=0.5)
        api.delete_port(port)
        api.delete_security_group(group)
        compute.delete_keypair("test-inside")


def test_a_shell_on_a_service_vm_by_its_address(place, vm):
    argv = place.playbook("router_ssh", router_address=vm.floating, ansible_ssh_common_args=vm.known, **vm.variables)
    status, seen = on_a_terminal(argv, ("# ", "ip address; tty\n"), ("/dev/", "exit 4\n"), cwd=ROOT, env={**place.environment, "TERM": "dumb"})
    assert status == 0 and f"{vm.address}/24" in seen and "failed=0" in seen, seen


def test_a_shell_on_a_service_vm_by_the_port_of_its_router(place, vm):
    """As Astara names it, in a network that this machine reaches by the router alone."""
    way = f"docker exec -i {place.active().container} ip netns exec {place.namespace} nc %h %p"
    more = {"router_which": "test-lab", "router_management": True, "ansible_ssh_common_args": f"{vm.known} -o ProxyCommand='{way}'"}
    argv = place.playbook("router_ssh", router_command="ip address; exit 3", **more, **vm.variables)
    told = " ".join(place.run(*argv, check=False).split())
    assert f"test-lab has no port ASTARA:MGT:{place.router.id} with an address." in told
    place.lab.sdk.network.update_port(vm.port, name=f"ASTARA:MGT:{place.router.id}")
    status, seen = on_a_terminal(argv, cwd=ROOT, env=place.environment)
    assert status == 0 and f"{vm.address}/24" in seen and "failed=0" in seen, seen


# ---- the console


def colours(seen, word):
    """The colours, (red, green, blue), in which a word was shown."""
    found = re.findall(rf"\x1b\[[0-9;]*38;2;(\d+);(\d+);(\d+)[0-9;]*m(?={word})", seen)
    return [tuple(map(int, each)) for each in found]


def test_the_console_on_a_terminal(place):
    api, router = place.lab.sdk.network, place.router
    sick = api.create_router(name="test-lab-sick", ha=True, is_admin_state_up=False)

    def mend():
        # nobody presses anything
        api.update_router(sick, is_admin_state_up=True)
        return ""

    argv = place.playbook("router_console", router_every=1)
    environment = {**place.environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    try:
        status, seen = on_a_terminal(
            argv, ("test-lab", "/"), ("words that the row", "test-lab\r"), (router.id, "j"), (f"{sick.id}  its admin state is down", "k"),
            (router.id, "\x1b[B"), (sick.id, "\x1b[A"), (router.id, mend), (" 2 ok", "d"), ("taken out of automation", "odd NAT\r"),
            ("router: odd NAT", "r"), ("Rebuild test-lab?", "yes\r"), ("The router test-lab is in debug: odd NAT.", "m"),
            ("now under management: test-lab", "r"), ("Rebuild test-lab?", "yes\r"), ("rebuilt 1 router: test-lab is on net1 and net2", "q"),
            cwd=ROOT, env=environment)
    finally:
        api.delete_router(sick)
    assert status == 0 and "the console was left" not in seen and "failed=0" in seen, seen
    # by their state; the row of the cursor and the help at the foot have colours of their own
    assert any(red > 1.3 * max(green, blue) for red, green, blue in colours(seen, "down")), colours(seen, "down")
    assert any(green > 1.3 * max(red, blue) for red, green, blue in colours(seen, "ok")), colours(seen, "ok")
    tags = api.get_router(router.id).tags
    assert not [each for each in tags if "debug" in each] and [each for each in tags if each.startswith("faultline-rebuilt=")]


def test_the_console_prints_for_pipes(place):
    environment = {**place.environment, "PYTHONPATH": str(ROOT / ".venv" / "collections")}
    argv = ["python", "-m", "ansible_collections.faultline.openstack.plugins.plugin_utils._router_console", "--dump"]
    done = subprocess.run([*argv, "--cloud", CLOUD], env=environment, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0 and done.stderr == "" and re.search(r"^test-lab .* ok ", done.stdout, re.MULTILINE), done.stdout + done.stderr
    done = subprocess.run([*argv, "--cloud", "none"], env=environment, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 1 and "There is no cloud none in" in done.stderr and done.stdout == ""
