# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cloud model on real hosts: the inventory, discovery over SSH, the facts, and the playbooks discover and verify."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
import yaml
from lab_names import address, names
from lab_nodes import LAB, wait_for
from warm_ansible import run_ansible

# the core: all of this file is in the gate
pytestmark = pytest.mark.gate

SERVICES = ["haproxy", "keepalived", "keystone", "memcached", "mysql", "rabbitmq"]
CONTROLLERS = ["ctl1", "ctl2", "ctl3"]
KEY = str(LAB / "id_ed25519")


@pytest.fixture(name="ansible")
def fixture_ansible(lab, sockets):
    """ansible(program, *words): run it as a user would, in the checkout; output is JSON where the program has it."""

    def run(program, *words, check=True, known_hosts=LAB / "known_hosts", **environment):
        done = run_ansible(
            [program, *map(str, words)], **{
                "ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={known_hosts}", "ANSIBLE_TIMEOUT": "5",
                # a loaded node is slow to tell of itself; one that is dead is known at once
                "FAULTLINE_DISCOVER_TIMEOUT": "120",
                # masters of other tests may know other logins
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets), **environment})
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


def loads(text):
    """Ansible marks text that is no template."""
    return json.loads(text, object_hook=lambda found: found.get("__ansible_unsafe", found))


def listed(ansible, path, *options, **environment):
    return loads(ansible("ansible-inventory", "-i", path, "--list", *options, **environment).stdout)


def members(inventory):
    return {name: sorted(told.get("hosts", [])) for name, told in inventory.items() if name.startswith(("service_", "container_", "unprobed"))}


@pytest.fixture(name="cloud_file")
def fixture_cloud_file(tmp_path):
    """cloud_file(name, text of options, **changes): a file with the lab's nodes by a login that is not root."""

    def make(name, options="", nodes=(), services=None, base="os-faults-discover.yaml", **over):
        data = yaml.safe_load((LAB / base).read_text())
        data["node_discover"]["args"] += list(nodes)
        if services is not None:
            data["services"] = services
        data.update(over)
        path = tmp_path / name
        path.write_text(options + yaml.safe_dump(data))
        return path

    return make


@pytest.fixture(name="no_ssh")
def fixture_no_ssh(tmp_path):
    """Instead of ssh: what leaves a file behind when it is called."""
    program, called = tmp_path / "ssh", tmp_path / "called"
    program.write_text(f"#!/bin/sh\ntouch '{called}'\nexit 255\n")
    program.chmod(0o755)
    return str(program), called


def warnings_of_ours(text):
    """What the collection warned of, as one line each; others warn of this machine as they like."""
    found = re.findall(r"^\[WARNING\]: (.*(?:\n(?!\[).*)*)", text, re.MULTILINE)
    return [" ".join(each.split()) for each in found if re.search("faultline|os_faults|could not be probed", each)]


def plugin():
    """The options of a file that knows the lab's networks."""
    return f"plugin: faultline.openstack.os_faults\ndiscover: true\nnetworks: {json.dumps(names().subnets)}\n"


def dead():
    """A node of a file; no host has its address."""
    return {"ip": address("255.250"), "fqdn": "dead", "mac": "02:00:00:00:00:fe", "auth": {"username": "root"}}


def test_graph_of_an_unchanged_file(ansible):
    done = ansible("ansible-inventory", "-i", LAB / "os-faults.yaml", "--graph")
    for service in SERVICES:
        assert f"|--@service_{service}:\n" + "".join(f"  |  |--{host}\n" for host in CONTROLLERS) in done.stdout
    assert warnings_of_ours(done.stderr) == []


def test_nothing_is_connected_to_unless_asked(ansible, no_ssh):
    program, called = no_ssh
    found = listed(ansible, LAB / "os-faults-discover.yaml", ANSIBLE_SSH_EXECUTABLE=program)
    assert members(found) == {} and not called.exists()
    # it would have been called
    listed(ansible, LAB / "os-faults-discover.yaml", ANSIBLE_SSH_EXECUTABLE=program, FAULTLINE_DISCOVER="true")
    assert called.exists()


def test_discovery_finds_the_lab_with_a_dead_host_among_it(ansible, cloud_file):
    path = cloud_file("cloud.yml", plugin(), nodes=[dead()])
    found = listed(ansible, path)
    assert members(found) == {**{f"service_{name}": CONTROLLERS for name in SERVICES}, "unprobed": ["dead"]}
    told = found["_meta"]["hostvars"]
    assert told["dead"]["faultline_probe_error"] and "faultline_services" not in told["dead"]
    for host in CONTROLLERS:
        networks = told[host]["faultline_networks"]
        assert networks["management"]["mac"] == told[host]["mac"] == told[host]["faultline_host"]["mac"]
        assert networks["storage"]["cidr"] == names().subnets["storage"] and networks["storage"]["interface"] != networks["management"]["interface"]
        assert told[host]["faultline_services"]["mysql"]["unit"] == ["mariadb"]
        assert all(each["active"] and each["pids"] for each in told[host]["faultline_services"].values())


def test_discovery_is_cached_and_refreshed_when_asked(ansible, cloud_file, tmp_path, no_ssh):
    program, called = no_ssh
    cache = f"cache: true\ncache_plugin: ansible.builtin.jsonfile\ncache_connection: {tmp_path}/cache\n"
    path = cloud_file("cloud.yml", plugin() + cache)
    first = members(listed(ansible, path))
    assert members(listed(ansible, path, ANSIBLE_SSH_EXECUTABLE=program)) == first and first and not called.exists()
    assert members(listed(ansible, path, "--flush-cache", ANSIBLE_SSH_EXECUTABLE=program)) == {"unprobed": CONTROLLERS} and called.exists()


def test_a_host_key_that_is_not_known_is_refused(ansible, cloud_file, tmp_path):
    (tmp_path / "none").write_text("")
    path = cloud_file("cloud.yml", plugin(), faultline={"known_hosts": str(tmp_path / "none")})
    found = listed(ansible, path, ANSIBLE_SSH_EXTRA_ARGS="-o GlobalKnownHostsFile=/dev/null")
    assert members(found) == {"unprobed": CONTROLLERS}
    assert found["_meta"]["hostvars"]["ctl1"]["faultline_probe_error"] == "Host key verification failed."


def facts_of(ansible, path, host, *options, **args):
    done = ansible(
        "ansible", "-i", path, host, "-m", "faultline.openstack.os_cloud_facts", *(["-a", json.dumps(args)] if args else []), *options,
        ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal",
    )
    return loads(done.stdout[done.stdout.index(" => {") + 4:])


def same_everywhere(services):
    return {name: {key: value for key, value in each.items() if key != "pids"} for name, each in services.items()}


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_facts_have_the_shape_of_the_inventory(ansible, cloud_file, options):
    path = cloud_file("cloud.yml", plugin())
    inventory = listed(ansible, path)["_meta"]["hostvars"]["ctl2"]
    result = facts_of(ansible, path, "ctl2", *options)
    assert result["changed"] is False and result["complete"] is True
    facts = result["ansible_facts"]
    assert same_everywhere(facts["faultline_services"]) == same_everywhere(inventory["faultline_services"])
    for name in ("faultline_containers", "faultline_networks"):
        assert facts[name] == inventory[name]
    assert with_links_of_the_lab(facts["faultline_host"]) == with_links_of_the_lab(inventory["faultline_host"])


def with_links_of_the_lab(host):
    """What is told of a host; a tunnel that the kernel adds between two looks, or a VIP that moves, is none of the test's."""
    links = {name: each for name, each in host["interfaces"].items() if name.startswith("eth")}
    own = (f"{address('0.12')}/", f"{address('0.12', 'storage')}/")
    return {**host, "interfaces": {
        name: {**each, "addresses": [found for found in each["addresses"] if found.startswith(own)]}
        for name, each in links.items()
    }}


def test_facts_need_no_root(ansible, cloud_file):
    nodes = yaml.safe_load((LAB / "os-faults-discover.yaml").read_text())["node_discover"]["args"]
    nodes[0]["auth"]["become"] = False
    path = cloud_file("cloud.yml", plugin().replace("true", "false"), node_discover={"driver": "node_list", "args": nodes})
    result = facts_of(ansible, path, "ctl1")
    assert sorted(result["ansible_facts"]["faultline_services"]) == SERVICES
    assert result["ansible_facts"]["faultline_host"]["root"] is False


def test_who_asks_for_some_services_keeps_what_is_known_of_others(ansible):
    facts = facts_of(ansible, LAB / "os-faults.yaml", "ctl1", services=["mariadb"])["ansible_facts"]
    assert sorted(facts["faultline_services"]) == SERVICES
    assert "pids" in facts["faultline_services"]["mysql"] and "pids" not in facts["faultline_services"]["keystone"]


def play(ansible, name, path, *words, **over):
    return ansible("ansible-playbook", f"faultline.openstack.{name}", "-i", path, *words, **over)


def test_discover_writes_a_file_that_verify_proves(ansible, cloud_file, tmp_path):
    power = [{"driver": "libvirt", "args": {"connection_uri": "qemu+unix:///system"}}]
    output = tmp_path / "os-faults-found.yaml"
    # the dead host is the first, on which Ansible would run what is run once
    data = yaml.safe_load((LAB / "os-faults-discover.yaml").read_text())["node_discover"]["args"]
    path = cloud_file("os-faults.yaml", power_managements=power, node_discover={"driver": "node_list", "args": [dead(), *data]})
    done = play(ansible, "discover", path, "-e", f"output={output}")
    assert "dead" in done.stdout and "keystone" in done.stdout
    assert output.stat().st_mode & 0o777 == 0o600
    written = yaml.safe_load(output.read_text())
    assert written["power_managements"] == power
    assert sorted(written["services"]) == SERVICES
    assert written["services"]["keystone"]["hosts"] == [address(f"0.{number}") for number in (11, 12, 13)]
    nodes = {node["fqdn"]: node for node in written["node_discover"]["args"]}
    assert nodes["ctl1"]["auth"] == data[0]["auth"] and nodes["dead"]["mac"] == dead()["mac"]
    assert members(listed(ansible, output)) == {f"service_{name}": CONTROLLERS for name in SERVICES}
    # it says that the dead one may have each of them, too
    assert sorted(written["faultline"]["partial"]["services"]) == SERVICES
    assert {ip for nodes in written["faultline"]["partial"]["services"].values() for ip in nodes} == {dead()["ip"]}
    assert f"dead: it could not be seen whether it has {', '.join(SERVICES)}: " in " ".join(done.stdout.split())
    # once more from its own file: the same file
    again = tmp_path / "os-faults-again.yaml"
    play(ansible, "discover", output, "-e", f"output={again}")
    assert yaml.safe_load(again.read_text()) == written
    written["node_discover"]["args"] = [node for node in written["node_discover"]["args"] if node["fqdn"] != "dead"]
    output.write_text(yaml.safe_dump(written))
    assert "everything named runs where it is said to be" in play(ansible, "verify", output).stdout


def test_discover_of_an_inventory_of_another_kind(ansible, tmp_path):
    output = tmp_path / "found.yaml"
    play(ansible, "discover", LAB / "inventory.yml", "-e", f"output={output}")
    written = yaml.safe_load(output.read_text())
    assert written["node_discover"]["args"][0]["auth"] == {
        "username": "root", "private_key_file": yaml.safe_load((LAB / "inventory.yml").read_text())["all"]["vars"]["ansible_ssh_private_key_file"]}
    assert sorted(written["services"]) == SERVICES


def test_discover_in_check_mode_writes_nothing(ansible, tmp_path):
    output = tmp_path / "found.yaml"
    play(ansible, "discover", LAB / "os-faults.yaml", "-e", f"output={output}", "--check")
    assert not output.exists()


def test_verify_names_every_dead_node_and_every_missing_service(ansible, cloud_file):
    service = {"driver": "system_service", "args": {"service_name": "no-such", "grep": "no-such-process"}}
    services = {"nova-api": service, "etcd": {**service, "hosts": [address("0.11"), dead()["ip"]]}, "memcached": service}
    services["memcached"] = {"driver": "system_service", "args": {"service_name": "memcached", "grep": "memcached"}}
    path = cloud_file("os-faults.yaml", nodes=[dead(), {**dead(), "ip": address("255.251"), "fqdn": "dead2"}], services=services)
    done = play(ansible, "verify", path, check=False)
    assert done.returncode == 2
    for said in (
        f"dead ({address('255.250')}) does not answer", f"dead2 ({address('255.251')}) does not answer",
        "service etcd is not on ctl1", "service nova-api is on none of the nodes that answer",
    ):
        assert said in done.stdout
    assert "service memcached" not in done.stdout.split("Insist")[1]


def test_an_error_of_a_playbook_run_is_told_and_ends_it(ansible, tmp_path):
    path = tmp_path / "os-faults.yaml"
    path.write_text("cloud_management: {driver: devstack, args: {address: a, auth: {username: u, pasword: S3cr3t}}}\n")
    done = play(ansible, "verify", path, check=False)
    assert done.returncode == 4
    assert "cloud_management.args.auth.pasword: found an unknown key" in done.stderr and "Did you mean password?" in done.stderr
    assert "S3cr3t" not in done.stdout + done.stderr


def test_containers_are_found_by_the_engine_that_has_them(ansible):
    """This machine has the engine that the lab runs on."""
    image = json.loads((LAB / "node-run.json").read_text())["image"]
    # another run may have such containers on this machine too
    ours = names().own("nova_api")
    containers = (ours, f"{ours}_of_somebody")
    try:
        for name in containers:
            subprocess.run(
                ["docker", "run", "--detach", "--network=none", *names().labels(), "--name", name, "--entrypoint=/bin/sleep", image, "999"],
                check=True, capture_output=True,
            )
        done = ansible(
            "ansible", "localhost", "-m", "faultline.openstack.os_cloud_facts", "-a",
            json.dumps({"services": [], "containers": {"nova_api": {"container_name": ours}}}),
            ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal",
        )
        result = loads(done.stdout[done.stdout.index(" => {") + 4:])
        (found,) = result["ansible_facts"]["faultline_containers"].values()
        assert (found["container_name"], found["engine"], found["active"]) == (ours, "docker", True)
        assert result["ansible_facts"]["faultline_services"] == {}
    finally:
        subprocess.run(["docker", "rm", "--force", *containers], capture_output=True, check=False)


# -- a node of our own: other logins, other units, a hang --------------------------------------------------------------


@pytest.fixture(name="node", scope="module")
def fixture_node(make_node):
    return make_node("model1", furnish=furnish)


def furnish(node):
    node.sh("usermod --unlock stack; echo 'stack:pa ss\"1' | chpasswd; echo 'stack ALL=(ALL:ALL) ALL' > /etc/sudoers.d/stack")
    node.sh("sed -i 's/^PasswordAuthentication.*/PasswordAuthentication yes/' /etc/ssh/sshd_config.d/*.conf; systemctl reload ssh")
    for unit in ("devstack@n-api", "devstack@neutron-api", "devstack@neutron-rpc-server", "standby"):
        text = "[Service]\\nExecStart=/bin/sleep 7777\\n[Install]\\nWantedBy=multi-user.target\\n"
        node.sh(f"printf '{text}' > /etc/systemd/system/{unit}.service; systemctl daemon-reload; systemctl enable --now {unit}")
    node.sh("systemctl stop standby")


def one(node, auth, **over):
    return {"cloud_management": {"driver": "devstack", "args": {"address": node.address, "auth": auth, **over}}}


@pytest.fixture(name="known")
def fixture_known(node, tmp_path):
    key = " ".join(node.sh("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    path = tmp_path / "known_hosts"
    path.write_text(f"{node.address} {key}\n")
    return path


def test_a_login_by_password_with_a_password_for_sudo(ansible, node, known, tmp_path):
    path = tmp_path / "os-faults.yaml"
    password = 'pa ss"1'
    path.write_text(yaml.safe_dump(one(node, {"username": "stack", "password": password, "become_password": password})))
    found = listed(ansible, path, known_hosts=known, FAULTLINE_DISCOVER="true")
    assert found["_meta"]["hostvars"][node.address]["faultline_host"]["root"] is True, found
    done = ansible("ansible", "-i", path, "all", "-m", "ansible.builtin.command", "-a", "id -un", known_hosts=known)
    assert done.stdout.strip().endswith("root")
    wrong = one(node, {"username": "stack", "password": "S3cr3t", "become_password": "S3cr3t"})
    path.write_text(yaml.safe_dump(wrong))
    done = ansible("ansible-inventory", "-i", path, "--graph", known_hosts=known, FAULTLINE_DISCOVER="true")
    assert "Permission denied" in done.stderr and "S3cr3t" not in done.stdout + done.stderr


def test_sudo_that_asks_without_a_password_is_told(ansible, node, known, tmp_path):
    path = tmp_path / "os-faults.yaml"
    path.write_text(yaml.safe_dump(one(node, {"username": "stack", "private_key_file": KEY})))
    done = ansible("ansible-inventory", "-i", path, "--graph", known_hosts=known, FAULTLINE_DISCOVER="true")
    assert "a password is required" in done.stderr and "@unprobed" in done.stdout


@pytest.mark.parametrize("key", [None, KEY], ids=["ProxyJump", "ProxyCommand"])
def test_the_way_through_a_jump_host(ansible, node, known, tmp_path, sockets, key):
    jump = {"host": address("0.12"), "username": "root", **({"private_key_file": key} if key else {})}
    path = tmp_path / "os-faults.yaml"
    path.write_text(yaml.safe_dump(one(node, {"username": "root", "private_key_file": KEY, "jump": jump})))
    # an agent with the lab's key stands for the user's own on the way
    agent = subprocess.run(["ssh-agent", "-s", "-a", sockets / "agent"], capture_output=True, text=True, check=True).stdout
    environment = {"SSH_AUTH_SOCK": str(sockets / "agent"), "FAULTLINE_HOST_KEY_CHECKING": "false"}
    try:
        subprocess.run(["ssh-add", "-q", KEY], env={**os.environ, **environment}, check=True)
        told = listed(ansible, path, FAULTLINE_DISCOVER="true", **environment)["_meta"]["hostvars"][node.address]
        assert told["faultline_host"]["hostname"] == "model1", told
        done = ansible(
            "ansible", "-i", path, "all", "-m", "ansible.builtin.shell", "-a", "echo $SSH_CONNECTION", **environment,
        )
        assert f"{address('0.12')} " in done.stdout
    finally:
        pid = agent.split("SSH_AGENT_PID=")[1].split(";")[0]
        os.kill(int(pid), 15)


def test_units_of_devstack_are_found_and_a_service_in_parts_whole(ansible, node, known, tmp_path):
    path = tmp_path / "os-faults.yaml"
    data = one(node, {"username": "root", "private_key_file": KEY}, iface="eth0")
    args = {"service_name": "standby", "grep": "standby"}
    path.write_text(yaml.safe_dump({**data, "services": {"standby": {"driver": "system_service", "args": args}}}))
    found = listed(ansible, path, known_hosts=known, FAULTLINE_DISCOVER="true")
    told = found["_meta"]["hostvars"][node.address]
    services = told["faultline_services"]
    assert services["nova-api"]["unit"] == ["devstack@n-api"] and services["nova-api"]["active"] is True
    assert services["neutron-server"]["unit"] == ["devstack@neutron-api", "devstack@neutron-rpc-server"]
    assert len(services["neutron-server"]["pids"]) == 2
    assert services["standby"]["active"] is False
    assert told["mac"] == node.sh("cat /sys/class/net/eth0/address")
    output = tmp_path / "found.yaml"
    play(ansible, "discover", path, "-e", f"output={output}", known_hosts=known)
    assert yaml.safe_load(output.read_text())["faultline"]["units"] == {"neutron-server": services["neutron-server"]["unit"]}
    done = play(ansible, "verify", path, check=False, known_hosts=known)
    assert f"service standby is on {node.address}, but does not run (standby)" in done.stdout


def test_a_node_that_hangs_costs_its_deadline_and_not_the_others(ansible, node, cloud_file, tmp_path):
    """Its kernel answers, its sshd does not."""
    hung = {"ip": node.address, "fqdn": "hung", "auth": {"username": "root", "private_key_file": KEY}}
    path = cloud_file("cloud.yml", plugin() + "discover_timeout: 20\nhost_key_checking: false\n", nodes=[hung])
    subprocess.run(["docker", "pause", node.container], check=True, capture_output=True)
    try:
        found = listed(ansible, path, FAULTLINE_DISCOVER_TIMEOUT="20")
    finally:
        subprocess.run(["docker", "unpause", node.container], check=True, capture_output=True)
    assert members(found) == {**{f"service_{name}": CONTROLLERS for name in SERVICES}, "unprobed": ["hung"]}
    wait_for(lambda: node.sh("echo awake", check=False) == "awake")
