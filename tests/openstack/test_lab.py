# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's profile openstack is what its documentation says: a highly available OpenStack that runs servers and that is found by itself."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
import yaml
from lab_nodes import wait_for
from patience import HANG

# API: port, what to get, what it answers without a token
APIS = {
    "keystone": (5000, "/v3", 200),
    "glance": (9292, "/", 300),
    "placement": (8778, "/", 200),
    "nova": (8774, "/", 200),
    "nova-metadata": (8775, "/", 200),
    "neutron": (9696, "/", 200),
}
CONTROL = [
    "glance-api", "haproxy", "keepalived", "keystone", "memcached", "mysql", "neutron-api", "neutron-rpc-server", "neutron-server",
    "nova-api", "nova-api-metadata", "nova-conductor", "nova-scheduler", "placement-api", "rabbitmq",
]
NETWORK = ["neutron-dhcp-agent", "neutron-l3-agent", "neutron-linuxbridge-agent", "neutron-meta-agent"]
COMPUTE = ["neutron-linuxbridge-agent", "nova-compute"]
UNPRIVILEGED = "plugin: faultline.openstack.os_faults\ndiscover: true\n"


def status(address, port, path):
    try:
        with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=HANG) as answer:
            return answer.status
    except urllib.error.HTTPError as exc:
        return exc.code
    except OSError as exc:
        return str(exc)


@pytest.mark.parametrize("api", APIS)
def test_an_api_answers_through_the_vip_and_on_each_controller(lab, api):
    port, path, code = APIS[api]
    addresses = [lab.vip, *(node.address for node in lab.kind("ctl"))]
    for address in addresses:
        wait_for(lambda address=address: status(address, port, path) == code, pause=1)


def test_each_service_says_yes_to_the_administrator(lab):
    assert {each.type for each in lab.sdk.identity.services()} >= {"compute", "identity", "image", "network", "placement"}
    assert lab.sdk.image.find_image("tiny").status == "active" and lab.sdk.compute.find_flavor("tiny")
    assert len(list(lab.sdk.placement.resource_providers())) == 2
    external = lab.sdk.network.find_network("external")
    assert external.is_router_external and len(external.subnet_ids) == 1


def test_galera_is_a_cluster_of_three(lab):
    ask = "mariadb -NBe \"SHOW STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_local_state_comment')\" | cut -f2 | xargs"
    wait_for(lambda: {node.sh(ask) for node in lab.kind("ctl")} <= {"3 Synced", "Synced 3"}, pause=1)


def test_rabbitmq_is_a_cluster_of_three_with_mirrored_queues(lab):
    (first, *_others) = lab.kind("ctl")

    def whole():
        told = json.loads(first.sh("timeout 100 rabbitmqctl --quiet cluster_status --formatter json"))
        return sorted(told["running_nodes"]) == ["rabbit@ctl1", "rabbit@ctl2", "rabbit@ctl3"] and not told["partitions"]

    wait_for(whole, pause=1)
    assert '"ha-mode":"all"' in first.sh("timeout 100 rabbitmqctl --quiet list_policies").replace(" ", "")


def test_one_controller_has_the_virtual_address(lab):
    wait_for(lambda: len([node.name for node in lab.kind("ctl") if f"inet {lab.vip}/" in node.sh("ip -4 address show dev eth0")]) == 1, pause=1)


def test_images_are_the_same_on_all_controllers(lab):
    image = lab.sdk.image.find_image("tiny")
    assert {node.sh(f"stat -c %s /var/lib/glance/images/{image.id}") for node in lab.kind("ctl")} == {str(image.size)}


def test_all_services_and_agents_are_up(lab):
    computes = [("nova-compute", node.name, "up") for node in lab.kind("cmp")]
    others = [(binary, node.name, "up") for binary in ("nova-conductor", "nova-scheduler") for node in lab.kind("ctl")]
    # one that had no processor for a while counts as down until it reports again
    wait_for(lambda: sorted((each.binary, each.host, each.state) for each in lab.sdk.compute.services()) == sorted(computes + others), pause=1)
    assert sorted(each.name for each in lab.sdk.compute.hypervisors()) == [node.name for node in lab.kind("cmp")]
    wanted = [(f"neutron-{kind}-agent", node.name, True) for kind in ("dhcp", "l3", "linuxbridge", "metadata") for node in lab.kind("net")]
    wanted = sorted(wanted + [("neutron-linuxbridge-agent", node.name, True) for node in lab.kind("cmp")])
    wait_for(lambda: sorted((each.binary, each.host, each.is_alive) for each in lab.sdk.network.agents()) == wanted, pause=1)


def test_a_router_is_on_both_network_nodes_and_active_on_one(lab, network):
    def states():
        return sorted((agent.host, agent.ha_state) for agent in lab.sdk.network.routers_hosting_l3_agents(network.router))

    assert lab.sdk.network.get_router(network.router).is_ha

    def settled():
        found = states()
        return sorted(state for _host, state in found) == ["active", "standby"] and found

    assert [host for host, _state in wait_for(settled, pause=1)] == ["net1", "net2"]
    # its address on the external network is on that node and on no other
    address = lab.sdk.network.get_router(network.router).external_gateway_info["external_fixed_ips"][0]["ip_address"]

    def holders():
        space = f"qrouter-{network.router.id}"
        return [node.name for node in lab.kind("net") if f"{address}/" in node.sh(f"ip netns exec {space} ip -4 address", check=False)]

    wait_for(lambda: holders() == [host for host, state in states() if state == "active"] and len(holders()) == 1, pause=1)


def test_a_server_becomes_active_and_goes(lab, network):
    compute = lab.sdk.compute
    image, flavor = lab.sdk.image.find_image("tiny"), compute.find_flavor("tiny")
    server = compute.create_server(name="test-lab", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.network.id}])
    try:
        server = compute.wait_for_server(server, wait=HANG, interval=0.5)
        assert server.status == "ACTIVE" and server.compute_host in ("cmp1", "cmp2") and server.addresses["test-lab"]
    finally:
        compute.delete_server(server)
        compute.wait_for_delete(server, wait=HANG, interval=0.5)
    wait_for(lambda: list(lab.sdk.network.ports(device_id=server.id)) == [], pause=1)


def groups(text):
    told = json.loads(text, object_hook=lambda found: found.get("__ansible_unsafe", found))
    return {name: sorted(each["hosts"]) for name, each in told.items() if name.startswith(("service_", "unprobed")) and each.get("hosts")}


def test_discovery_finds_every_service_and_no_other(lab, run, tmp_path):
    data = yaml.safe_load((lab.folder / "os-faults-discover.yaml").read_text())
    assert "services" not in data
    path = tmp_path / "cloud.yml"
    path.write_text(UNPRIVILEGED + yaml.safe_dump(data))
    wanted = {}
    extra = ["libvirt"] if lab.nodes["cmp1"].active("libvirtd") else []
    for prefix, services in (("ctl", CONTROL), ("net", NETWORK), ("cmp", COMPUTE + extra)):
        for service in services:
            wanted.setdefault("service_" + service.replace("-", "_"), []).extend(node.name for node in lab.kind(prefix))
    assert groups(run("ansible-inventory", "-i", path, "--list")) == {name: sorted(hosts) for name, hosts in wanted.items()}


@pytest.mark.parametrize(("host", "services"), [("ctl2", CONTROL), ("net1", NETWORK)])
def test_facts_find_the_same(lab, run, host, services):
    path = lab.folder / "os-faults-discover.yaml"
    text = run("ansible", "-i", path, host, "-m", "faultline.openstack.os_cloud_facts", ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal")
    facts = json.loads(text[text.index(" => {") + 4:])["ansible_facts"]
    assert sorted(facts["faultline_services"]) == services
    assert all(each["active"] and each["pids"] for each in facts["faultline_services"].values())


def test_what_the_lab_says_of_its_services_is_what_is_there(lab, run):
    """os-faults.yaml names them by hand; the look finds the same hosts."""
    path = lab.folder / "os-faults.yaml"
    told = groups(run("ansible-inventory", "-i", path, "--list"))
    found = groups(run("ansible-inventory", "-i", lab.folder / "os-faults-discover.yaml", "--list", FAULTLINE_DISCOVER="true"))
    assert told == {name: found.get(name) for name in told}
    assert told["service_nova_compute"] == ["cmp1", "cmp2"] and told["service_neutron_l3_agent"] == ["net1", "net2"]


def test_up_again_changes_nothing(lab, run):
    done = run("ansible-playbook", "faultline.openstack.lab_up", "-e", "lab_profile=openstack")
    recap = [line for line in done.splitlines() if "changed=" in line]
    assert len(recap) == 8 and all("changed=0" in line and "failed=0" in line for line in recap), recap


def test_what_is_not_well_is_mended_on_the_nodes_that_are_there(lab, run):
    def nodes():
        return run("docker", "ps", "--quiet", "--no-trunc", "--filter", f"label=faultline.lab={lab.names.name}").splitlines()

    before, node = nodes(), lab.nodes["ctl2"]
    node.sh("systemctl stop memcached")
    run("ansible-playbook", "faultline.openstack.lab_up", "-e", "lab_profile=openstack")
    assert node.active("memcached") and nodes() == before and len(before) == 7
