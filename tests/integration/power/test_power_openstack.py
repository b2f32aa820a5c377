# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Nova on one node. Power by OpenStack: its servers are the machines; what is asserted is what Nova's API says. And what a run asks of a
cloud: its state, servers to watch, loads."""

from __future__ import annotations

import contextlib
import json
import pathlib
import sys
import time

import pytest
import yaml
from lab_deadlines import kill, lasting
from lab_nodes import LONG, PASSWORD, ROOT, Node, wait_for
from lab_nova import network_agent
from lab_power import do, faults_here, keepers, open_here, record, refused, start
from patience import HANG, more_time


class Server(Node):
    """A server of Nova's fake driver, as a host of the inventory; nobody answers at its address."""

    def __init__(self, name, inventory, compute, uuid, environment):
        super().__init__(name, None, inventory, None, environment)
        self.compute = compute
        self.uuid = uuid

    @property
    def state(self):
        return self.compute.get_server(self.uuid).status

    def actions(self):
        """What Nova was asked to do with it, the last one first."""
        return [each.action for each in self.compute.server_actions(self.uuid)]


@pytest.fixture(scope="module")
def machine(nova):
    """A server, as the host guest-1."""
    sdk = nova.sdk
    image = sdk.image.create_image(name="tiny", data=b"\0" * 65536, disk_format="raw", container_format="bare", visibility="public", wait=True)
    flavor = sdk.compute.create_flavor(name="tiny", ram=64, vcpus=1, disk=1)
    server = sdk.compute.create_server(name="guest-1", image_id=image.id, flavor_id=flavor.id, networks="none")
    sdk.compute.wait_for_server(server, interval=0.5, wait=HANG)
    inventory = yaml.safe_load(pathlib.Path(nova.inventory).read_text())
    inventory["all"]["hosts"]["guest-1"] = {
        # refuses at once
        "ansible_host": "127.0.0.1", "ansible_port": 1,
        "faultline_power": [{"driver": "openstack", "args": {"cloud": "undercloud"}}],
    }
    path = pathlib.Path(nova.inventory).with_name("guests.yml")
    path.write_text(yaml.safe_dump(inventory))
    return Server("guest-1", path, sdk.compute, server.id, {"OS_CLIENT_CONFIG_FILE": str(nova.clouds)})


@pytest.fixture
def guest(machine):
    """The server, on; the test fails if it leaves anything of ours on this machine, or the server off."""
    assert machine.state == "ACTIVE" and open_here("guest-1") == []
    yield machine
    left = open_here("guest-1")
    if left:
        machine.call("os_power", {"action": "undo"})
    assert left == []
    wait_for(lambda: not keepers(*faults_here("guest-1")))
    assert machine.state == "ACTIVE"


def test_poweroff_stops_the_server_until_the_deadline(guest):
    def off(seconds):
        answer = do(guest, "poweroff", duration=seconds)
        assert answer["proof"]["state"] == "off" and answer["undo"]["state"] == "armed"
        assert answer["targets"][0]["machine"] == "server guest-1 of cloud undercloud"
        return answer["fault"]["id"]

    seen, after = lasting(record, off, lambda: guest.state)
    assert seen == "SHUTOFF"
    assert (after["state"], after["held"], after["residue"]) == ("undone", True, [])
    assert guest.state == "ACTIVE" and guest.actions()[:2] == ["start", "stop"]


def test_ansible_killed_leaves_no_server_off(guest):
    def off(seconds):
        playing, fault_id = start(guest, action="poweroff", duration=seconds, wait=True)
        kill(playing)
        return fault_id

    seen, after = lasting(record, off, lambda: guest.state)
    assert seen == "SHUTOFF" and guest.state == "ACTIVE" and after["held"] is True


def test_poweron_ends_a_poweroff(guest):
    answer = do(guest, "poweroff")
    assert guest.state == "SHUTOFF"
    on = do(guest, "poweron")
    assert on["proof"]["undone"] == [answer["fault"]["id"]] and guest.state == "ACTIVE"
    assert not do(guest, "poweron")["changed"]


@pytest.mark.parametrize("action", ["reset", "reboot"])
def test_a_restart_is_what_nova_has_finished(guest, action):
    answer = do(guest, action)
    assert answer["proof"]["restart_seen_by"].startswith("Nova's finished action req-") and guest.actions()[0] == "reboot"


def test_info_tells_the_server_and_a_snapshot_is_refused(guest):
    info = guest.call("os_power_info", {})
    assert (info["state"], info["driver"], info["machine"]) == ("on", "openstack", "server guest-1 of cloud undercloud")
    assert info["facts"] == {"server": "guest-1", "id": guest.uuid, "status": "ACTIVE"}
    assert "snapshot" in refused(guest, "snapshot", "unsupported", snapshot="x")["msg"]


def test_a_node_is_found_by_the_mac_of_its_port(guest, nova):
    network = nova.sdk.network.create_network(name="wire")
    port = nova.sdk.network.create_port(network_id=network.id, mac_address="fa:16:3e:00:00:01", device_id=guest.uuid)
    try:
        info = guest.call("os_power_info", {"mac": "FA:16:3E:00:00:01", "fqdn": "nobody"})
        assert info["machine"] == "server guest-1 of cloud undercloud"
        refused(guest, "poweroff", "not_found", mac="fa:16:3e:00:00:02", node="nobody")
    finally:
        nova.sdk.network.delete_port(port)
        nova.sdk.network.delete_network(network)


def test_the_variables_of_a_shell_are_no_cloud_to_come_back_to(guest, nova):
    guest.environment.update({f"OS_{name.upper()}": value for name, value in nova.auth.items()})
    try:
        args = {"power": [{"driver": "openstack", "args": {"cloud": "envvars", "region_name": "RegionOne"}}]}
        assert "Write it into clouds.yaml" in refused(guest, "poweroff", "bad_option", **args)["msg"]
    finally:
        for name in nova.auth:
            del guest.environment[f"OS_{name.upper()}"]


def test_a_login_of_the_inventory_is_in_no_file(guest, nova):
    args = {"power": [{"driver": "openstack", "args": {"auth": nova.auth, "region_name": "RegionOne"}}]}
    answer = do(guest, "poweroff", duration=LONG, **args)
    assert PASSWORD not in answer.output and PASSWORD not in json.dumps(record(answer["fault"]["id"]))
    assert do(guest, "poweron", **args)["proof"]["undone"] == [answer["fault"]["id"]]


def test_a_watcher_over_ssh_switches_on_without_the_controller(guest, nova, clean):
    """Nova's own node has openstacksdk; the journal is there, and nothing is here."""
    args = {"power": [{"driver": "openstack", "args": {"auth": nova.auth, "region_name": "RegionOne"}}], "watcher": "nova"}
    with clean(nova):
        seen, after = lasting(
            nova.record, lambda seconds: do(guest, "poweroff", duration=seconds, **args)["fault"]["id"],
            lambda: (guest.state, open_here("guest-1"), nova.open_faults()), first=20)
        assert seen == ("SHUTOFF", [], [after["id"]]) and guest.state == "ACTIVE"
        assert (after["state"], after["held"], after["residue"]) == ("undone", True, []) and PASSWORD not in json.dumps(after)


# ---- what a run asks of a cloud


@pytest.fixture(scope="module")
def controller(nova):
    """This machine, as the host of a play that knows the cloud undercloud."""
    path = pathlib.Path(nova.inventory).with_name("controller.yml")
    path.write_text(yaml.safe_dump({"all": {"hosts": {"controller": {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}}))
    return Node("controller", None, path, None, {"OS_CLIENT_CONFIG_FILE": str(nova.clouds)})


def state(controller, **more):
    """os_cloud_state that has to succeed; its Answer, which has no secret in it."""
    answer = controller.hit("os_cloud_state", {"cloud": "undercloud", **more})
    assert PASSWORD not in answer.output and "gAAAA" not in answer.output
    return answer


def test_the_state_of_a_cloud_is_what_is_in_it(controller, guest):
    def up(answer):
        return all(each["state"] == "up" for each in answer["cloud"]["services"])

    # a service that stood still for a minute is taken for dead
    wait_for(lambda: up(state(controller)))
    before = time.time()
    answer = state(controller)
    cloud = answer["cloud"]
    assert before - 1 < cloud["at"] < time.time() and cloud["format"] == 1 and cloud["errors"] == []
    assert cloud["servers"] == [
        {"id": guest.uuid, "name": "guest-1", "status": "ACTIVE", "task_state": None, "host": "nova", "flavor": "tiny"}]
    assert [(each["name"], each["status"]) for each in cloud["images"]] == [("tiny", "active")]
    assert [(each["consumer"], each["resources"]["VCPU"]) for each in cloud["allocations"]] == [(guest.uuid, 1)]
    services = {each["binary"]: each for each in cloud["services"]}
    assert {"nova-compute", "nova-scheduler", "nova-conductor"} <= set(services)
    assert services["nova-compute"] == {"kind": "compute", "binary": "nova-compute", "host": "nova", "state": "up", "enabled": True}
    # there is no Cinder in the catalogue
    assert cloud["volumes"] == [] and set(answer["endpoints"]) == {"identity", "image", "placement", "network", "compute"}
    assert answer["endpoints"]["compute"]["url"].endswith(":8774/v2.1") and answer["endpoints"]["compute"]["name"] == "nova"
    assert answer["versions"]["compute"]["microversion"].startswith("2.")
    assert answer["msg"].startswith("the cloud undercloud: 1 servers, 1 images, ")


def test_a_cloud_is_ready_when_everything_answers(controller, nova):
    ready = state(controller, ready={"timeout": HANG}, inventory=False)
    assert ready["ready"]["ready"] and "cloud" not in ready.result and ready["msg"] == "the cloud undercloud is ready"
    nova.sh("systemctl stop glance-api")
    try:
        answer = controller.turned_down("os_cloud_state", {"cloud": "undercloud", "ready": {"timeout": 4}})
    finally:
        nova.sh("systemctl start glance-api")
    (told,) = answer["failure"]["details"]["not_ready"]
    assert answer["failure"]["code"] == "not_ready" and told.startswith("The API of image cannot be asked: ")
    # it waits for what comes back
    assert state(controller, ready={"timeout": HANG}, inventory=False)["ready"]["ready"]


@pytest.mark.parametrize("change, code", [({"password": "wrong"}, "bad_credentials"), ({"auth_url": "http://127.0.0.1:1/v3"}, "no_answer")])
def test_a_cloud_that_lets_nobody_in_is_a_clear_error(controller, nova, change, code):
    answer = controller.turned_down("os_cloud_state", {"auth": {**nova.auth, **change}})
    assert answer["failure"]["code"] == code
    assert PASSWORD not in answer.output


def test_what_a_login_may_not_ask_is_listed(controller, nova, guest):
    identity = nova.sdk.identity
    project = identity.create_project(name="mine", domain_id="default")
    user = identity.create_user(name="somebody", password=PASSWORD, domain_id="default", default_project_id=project.id)
    try:
        identity.assign_project_role_to_user(project, user, identity.find_role("member"))
        cloud = controller.hit("os_cloud_state", {"auth": {**nova.auth, "username": "somebody", "project_name": "mine"}})["cloud"]
    finally:
        identity.delete_user(user)
        identity.delete_project(project)
    refused = {each["what"] for each in cloud["errors"]}
    assert {"servers", "services of compute", "allocations"} <= refused and "images" not in refused
    assert len(cloud["images"]) == 1 and all(each["why"] for each in cloud["errors"])


def things(nova):
    """What of networks and servers is there, by name."""
    network = nova.sdk.network
    found = {kind: sorted(each.name for each in getattr(network, kind)()) for kind in ("networks", "subnets", "routers", "security_groups")}
    return {**found, "ips": sorted(each.floating_ip_address for each in network.ips()), "servers": sorted(each.name for each in nova.sdk.compute.servers())}


@pytest.fixture
def outside(nova):
    """An external network."""
    network = nova.sdk.network.create_network(
        name="outside", is_router_external=True, provider_network_type="flat", provider_physical_network="external")
    nova.sdk.network.create_subnet(network_id=network.id, name="outside", cidr="203.0.113.0/24", ip_version=4, is_dhcp_enabled=False)
    yield network
    nova.sdk.network.delete_network(network)


def servers(node, state="present", fails=False, **more):
    call = node.turned_down if fails else node.hit
    return call("ha_servers", {"cloud": "undercloud", "prefix": "ha-test-apps", "state": state, "image": "tiny", "flavor": "tiny", "timeout": HANG, **more})


def test_servers_that_cannot_boot_leave_nothing_behind(controller, nova, guest):
    before = things(nova)
    answer = servers(controller, fails=True)
    assert answer["failure"]["code"] == "boot_failed" and answer["msg"].startswith("The server ha-test-apps-1 is in ERROR: ")
    assert things(nova) == before


@pytest.mark.parametrize("more, message", [
    ({"image": "tyni"}, "The cloud has no image tyni. It has: tiny."), ({"flavor": "big"}, "The cloud has no flavor big. It has: tiny."),
    ({"network": "none"}, "The cloud has no network none. It has none at all."),
])
def test_servers_of_what_the_cloud_does_not_have_are_refused(controller, nova, guest, more, message):
    before = things(nova)
    answer = servers(controller, fails=True, **more)
    assert (answer["failure"]["code"], answer["msg"]) == ("not_found", message) and things(nova) == before


def test_servers_come_with_all_they_need_and_go_again(controller, nova, guest, outside):
    before = things(nova)
    with network_agent(nova), contextlib.ExitStack() as after:
        after.callback(servers, controller, "absent")
        assert servers(controller, "present", count=2).result["changed"]
        there = things(nova)
        assert set(there["servers"]) - set(before["servers"]) == {"ha-test-apps-1", "ha-test-apps-2"}
        again = servers(controller, count=2)
        assert not again["changed"] and things(nova) == there
        found = again["servers"]
        assert [(each["name"], each["status"], each["host"]) for each in found] == [(f"ha-test-apps-{number}", "ACTIVE", "nova") for number in (1, 2)]
        assert all(each["fixed"].startswith("10.253.253.") and each["address"] == each["floating"] for each in found)
        assert sorted(each["floating"] for each in found) == there["ips"] and all(ip.startswith("203.0.113.") for ip in there["ips"])
        gone = servers(controller, "absent")
        # two servers and their addresses, a router, a network, a security group
        assert gone["changed"] and gone["deleted"] == 7 and things(nova) == before
        assert not servers(controller, "absent")["changed"]


def load(controller, folder, state, load, **more):
    return controller.hit("ha_load", {"run": str(folder), "state": state, "load": load, "cloud": "undercloud", **more})


def samples(folder, name):
    lines = (folder / "load" / f"{name}.disrupted.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_light_load_asks_at_its_rate_and_leaves_nothing(controller, nova, guest, tmp_path):
    light = {"name": "light", "type": "api", "rate": 6, "services": ["keystone", "nova", "neutron", "glance", "placement"], "write": True,
             "timeout": HANG, "start_delay": 0}
    for seconds in more_time(10):
        run = tmp_path / str(seconds)
        run.mkdir()
        load(controller, run, "started", light, duration=seconds)
        done = load(controller, run, "waited", {"name": "light"}, timeout=HANG)["load"]
        header, *taken, end = samples(run, "light")
        assert (done["state"], done["failed"], done["failure"]) == ("finished", 0, None), [each for each in taken if each["outcome"] != "ok"]
        # where the machine stands still, those that were due meanwhile are left out
        if end["due"] == end["taken"]:
            break
    assert set(header["series"]) == {"keystone", "nova", "neutron", "glance", "placement", "keypair"}
    assert {each["group"] for each in header["series"].values()} == {"load"}
    assert end["due"] == end["taken"] and 5.4 * seconds <= end["taken"] <= 6.6 * seconds
    per = {name: sum(each["series"] == name for each in taken) for name in header["series"]}
    assert max(per.values()) - min(per.values()) <= 1
    assert list(nova.sdk.compute.keypairs()) == []
    assert PASSWORD not in "".join(path.read_text() for path in (run / "load").iterdir())


def test_a_light_load_of_what_is_not_there_is_refused(controller, guest, tmp_path):
    light = {"name": "light", "type": "api", "rate": 6, "services": ["cinder"], "write": False, "timeout": 10, "start_delay": 0}
    answer = controller.turned_down("ha_load", {"run": str(tmp_path), "load": light, "cloud": "undercloud", "duration": 5})
    assert answer["msg"] == (
        "The cloud's catalogue has no cinder. It has: compute, identity, image, network, placement. Leave it out of services.")


def test_rally_makes_an_environment_of_the_clouds_login(controller, guest, tmp_path):
    task = tmp_path / "tokens.yaml"
    task.write_text("{Authenticate.keystone: [{runner: {type: constant, times: 4, concurrency: 2}}]}")
    rally = {"name": "tokens", "type": "rally", "scenario_file": str(task), "args": {}, "args_file": None, "environment": None, "timeout": 300,
             "executable": str(ROOT / ".venv/rally/bin/rally"), "start_delay": 0}
    load(controller, tmp_path, "started", rally)
    done = load(controller, tmp_path, "waited", {"name": "tokens"}, timeout=HANG)["load"]
    assert (done["state"], done["taken"], done["failed"], done["failure"]) == ("finished", 4, 0, None)
    taken = samples(tmp_path, "tokens")[1:-1]
    assert {each["series"] for each in taken} == {"Authenticate.keystone"} and all(each["duration"] > 0 for each in taken)
    assert PASSWORD not in "".join(path.read_text() for path in (tmp_path / "load").iterdir())
