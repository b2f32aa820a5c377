# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is left alone because routers are in debug: which faults concern routers, which host a node is, in which words."""

from __future__ import annotations

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _catalogue, _in_debug, _spared
from ansible_collections.faultline.openstack.plugins.plugin_utils._fill import fill
from ansible_collections.faultline.openstack.plugins.plugin_utils._plan import Cloud
from ansible_collections.faultline.openstack.plugins.plugin_utils._sentence import parse

OURS = "faultline.openstack."
WEB = {
    "id": "11111111-0000-0000-0000-000000000001", "name": "web", "project": "shop", "debug": {"by": "router", "reason": "its NAT"}, "hosts": ["net1", "net2"]}
EDGE = {
    "id": "22222222-0000-0000-0000-000000000002", "name": "", "project": "shop", "debug": {"by": "project", "reason": ""}, "hosts": ["net2"]}
ALL = {"id": "3", "name": "all", "project": "p", "debug": {"by": "global", "reason": "an upgrade"}, "hosts": ["net1"]}


# ---- which faults


@pytest.mark.parametrize("name", sorted(_catalogue.services()))
@pytest.mark.parametrize("engine", [False, True])
def test_of_the_catalogue_only_services_of_routers_count(name, engine):
    known = {"faultline_services": {name: {"driver": "docker_container", "container_name": _catalogue.services()[name].get("container", [name])[0]}}}
    module, args = fill(f"{OURS}os_service_fault", {"service": name, "action": "kill"}, known if engine else {})
    assert _spared.concerns(module, args) is (name in _spared.SERVICES)


@pytest.mark.parametrize("module, args, concerned", [
    ("os_service_fault", {"service": "own", "action": "kill", "grep": "l3-agent"}, True),
    ("os_service_fault", {"service": "own", "action": "kill", "driver": "process", "grep": "keepalived"}, True),
    ("os_service_fault", {"service": "own", "action": "kill", "driver": "process", "grep": "haproxy"}, True),
    ("os_service_fault", {"service": "own", "action": "kill", "driver": "process", "grep": "nova-(api"}, False),
    ("os_service_fault", {"service": "own", "action": "kill", "unit": ["devstack@q-l3.service"]}, True),
    ("os_service_fault", {"service": "own", "action": "kill", "unit": "neutron-l3-agent"}, True),
    ("os_service_fault", {"service": "own", "action": "kill", "pcs_service": "neutron-l3-agent"}, True),
    ("os_service_fault", {"service": "neutron-ovs-agent", "action": "kill"}, True),
    ("os_service_fault", {"service": "memcached", "action": "kill"}, False),
    ("os_service_fault", {"service": "neutron-l3-agent", "action": "unfreeze"}, False),
    ("os_container_fault", {"container": "neutron_l3_agent", "action": "kill"}, True),
    ("os_container_fault", {"container": "openvswitch_db", "action": "freeze"}, True),
    ("os_container_fault", {"container": "neutron-keepalived-qrouter-1", "action": "kill"}, True),
    ("os_container_fault", {"container": "5f1c02a7bb10", "action": "kill"}, True),
    ("os_container_fault", {"container": "neutron_server", "action": "kill"}, False),
    ("os_container_fault", {"container": "own", "service": "neutron-l3-agent", "action": "kill"}, True),
    ("os_container_fault", {"container": "neutron_l3_agent", "action": "start"}, False),
    ("os_node_fault", {"action": "stress", "target": "cpu"}, True),
    ("os_power", {"action": "poweroff"}, True),
    ("os_power", {"action": "poweron"}, False),
    ("os_power", {"action": "undo"}, False),
    ("os_netiface", {"action": "delay", "network": "storage"}, True),
    ("os_netiface", {"action": "connect", "network": "storage"}, False),
    ("os_command_fault", {"down": "true"}, True),
])
def test_which_faults_concern_routers(module, args, concerned):
    assert _spared.concerns(OURS + module, args) is concerned


# ---- which hosts


@pytest.mark.parametrize("names, found", [
    ({"net1": {"net1"}, "net2": {"net2", "10.0.0.2"}, "ctl1": {"ctl1"}}, {"net1": "web", "net2": "web and more"}),
    ({"a": {"a", "net1"}, "b": {"b", "net2.lan"}}, {"a": "web", "b": "web and more"}),
    # one that is called exactly so comes before those that only begin so
    ({"net1": {"net1"}, "other": {"other", "net1.lan"}, "net2": {"net2"}}, {"net1": "web", "net2": "web and more"}),
    ({"x": {"x", "net1.a"}, "y": {"y", "net1.b"}}, {"x": "web", "y": "web"}),
    # two names of one machine
    ({"net1": {"net1"}, "again": {"again", "net1"}}, {"net1": "web", "again": "web"}),
    ({"ctl1": {"ctl1", "10.0.0.1"}}, {}),
    # who has an address only may be any node that nobody else is
    ({"10.0.0.1": {"10.0.0.1"}, "net2": {"net2"}}, {"10.0.0.1": "web on net1", "net2": "web and more"}),
])
def test_the_hosts_that_have_a_router_in_debug(names, found):
    told = _spared.by_host([WEB, EDGE], names)
    words = {"web": _spared.why_node(([WEB], None)), "web and more": _spared.why_node(([WEB, EDGE], None)), "web on net1": _spared.why_node(([WEB], "net1"))}
    assert {host: _spared.why_node(each) for host, each in told.items()} == {host: words[each] for host, each in found.items()}


def test_a_host_is_called_by_all_that_is_known_of_it():
    known = {"fqdn": "Net1.lan", "ansible_host": "10.0.0.1", "faultline_host": {"fqdn": "n1.other", "hostname": "n1"}, "nodename": "nn"}
    assert _spared.names_of("h", known.get) == {"h", "net1.lan", "10.0.0.1", "n1.other", "n1", "nn"}
    assert _spared.names_of("h", {"faultline_host": "odd"}.get) == {"h"}


# ---- in which words


@pytest.mark.parametrize("told, words", [
    (([WEB], None), "router web is in debug: its NAT"),
    (([EDGE], None), "project shop of router 22222222-0000-0000-0000-000000000002 is in debug"),
    (([ALL], None), "all routers, all too, are in debug: an upgrade"),
    (([WEB, EDGE], None), "router web is in debug: its NAT (and 1 more router)"),
    (([WEB, EDGE, ALL], None), "router web is in debug: its NAT (and 2 more routers)"),
    (([WEB], "net1"), "router web is in debug: its NAT on net1, and nobody knows whether this host is that one"),
])
def test_why_a_node_is_left_alone(told, words):
    assert _spared.why_node(told) == words


HOST = {"id": WEB["id"], "name": "web", "project": "uuid", "project_name": "shop", "debug": None, "active": "net1", "agents": [{"host": "net1"}]}


@pytest.mark.parametrize("router, known, words", [
    (HOST, [WEB], "router web is in debug: its NAT"),
    (HOST, [EDGE], ""),
    (HOST, None, ""),
    # what the cloud says now comes before what the inventory knew
    ({**HOST, "debug": {"by": "router", "reason": ""}}, [], ""),
    ({**HOST, "debug": {"by": "project", "reason": "a move"}}, None, "project shop of router web is in debug: a move"),
])
def test_why_a_router_is_left_alone(router, known, words):
    assert _spared.why_router(router, known) == words


@pytest.mark.parametrize("module, args, words", [
    ("os_netiface", {"action": "delay"}, ""),
    ("os_service_fault", {"service": "memcached", "action": "kill"}, ""),
    ("os_service_fault", {"service": "neutron-l3-agent", "action": "kill"}, "all routers, all too, are in debug: an upgrade"),
])
def test_what_is_done_to_the_node_of_a_router(module, args, words):
    assert _spared.why_inside(OURS + module, args, HOST, [EDGE, ALL]) == words


# ---- an inventory


def cloud(**more):
    hostvars = {host: {"faultline_services": {"neutron-l3-agent": {}, "memcached": {}}, "faultline_cloud": "lab"} for host in ("net1", "net2", "net3")}
    hostvars["router_web"] = {"os_router": HOST, "ansible_host": "net1", "faultline_services": {}}
    for host, variables in more.items():
        hostvars[host].update(variables)
    return Cloud({"all": list(hostvars)}, hostvars)


def asking(routers):
    told = []

    def asked(host):
        told.append(host)
        return routers

    return asked, told


def planned(text, inventory, asked):
    return _in_debug.planned(parse(text), inventory, inventory.groups["all"], "s", asked)


def test_a_choice_is_made_among_those_that_have_no_router_in_debug():
    asked, told = asking([WEB])
    plan = planned("freeze neutron-l3-agent service on one node", cloud(), asked)
    assert plan.targets == ["net3"] and [each["host"] for each in plan.left_alone] == ["net1", "net2"]
    assert set(told) == {"net1", "net2", "net3"}


def test_the_cloud_is_not_asked_for_what_concerns_no_router():
    asked, told = asking([WEB])
    assert planned("freeze memcached service", cloud(), asked).targets == ["net1", "net2", "net3"] and not told
    assert planned("unfreeze neutron-l3-agent service", cloud(), asked).targets == ["net1", "net2", "net3"] and not told


def test_where_no_cloud_is_known_nothing_is_left_alone_but_routers_that_the_inventory_has_in_debug():
    asked, _told = asking(None)
    assert planned("freeze neutron-l3-agent service", cloud(), asked).targets == ["net1", "net2", "net3"]
    marked = cloud(router_web={"os_router": {**HOST, "debug": {"by": "router", "reason": ""}}})
    with pytest.raises(FaultlineError, match="^router_web left alone: router web is in debug"):
        planned("reboot router_web node", marked, asked)


def test_a_host_that_is_allowed_is_hit():
    asked, told = asking([WEB])
    plan = planned("freeze neutron-l3-agent service on net1 node", cloud(net1={"faultline_allow_debug": True}), asked)
    assert plan.targets == ["net1"] and not told


def test_the_other_side_of_a_partition_is_asked_too():
    inventory = cloud(**{f"net{n}": {"faultline_networks": {"m": {"address": f"10.0.0.{n}"}}} for n in (1, 2, 3)})
    inventory.groups["pair"] = ["net2", "net3"]
    asked, _told = asking([dict(WEB, hosts=["net2"])])
    assert planned("partition net1 node from one node in pair", inventory, asked).targets == ["net1", "net3"]


def test_the_variable_of_the_cloud_is_a_name():
    assert _in_debug.named("lab", "net1") == {"cloud": "lab"}
    with pytest.raises(FaultlineError, match="^faultline_cloud of net1 is no name"):
        _in_debug.named({"cloud": "lab"}, "net1")
