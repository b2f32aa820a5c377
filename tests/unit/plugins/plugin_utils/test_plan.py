# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: which hosts a sentence means in a cloud, which arguments the module gets, and every refusal with its words."""

from __future__ import annotations

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _plan
from ansible_collections.faultline.openstack.plugins.plugin_utils._fill import fill
from ansible_collections.faultline.openstack.plugins.plugin_utils._model import group_name
from ansible_collections.faultline.openstack.plugins.plugin_utils._plan import Cloud, PlanError, plan
from ansible_collections.faultline.openstack.plugins.plugin_utils._sentence import SentenceError, parse
from hypothesis import given
from hypothesis import strategies as st

HOSTS = ("ctl1", "ctl2", "ctl3", "cmp1", "cmp2")
CONTROLLERS = ["ctl1", "ctl2", "ctl3"]
COMPUTES = ["cmp1", "cmp2"]


def model(groups=None, **more):
    """A cloud whose mapping is known: by groups for some services, by host variables for others."""
    hostvars = {host: {"faultline_services": {"own-api": {"driver": "process", "grep": "own"}} if host in CONTROLLERS else {}} for host in HOSTS}
    hostvars["ctl1"]["fqdn"] = "node-1.domain.tld"
    hostvars["ctl2"]["ansible_host"] = "10.0.0.2"
    for number, host in enumerate(HOSTS):
        hostvars[host]["faultline_networks"] = {"management": {"address": f"10.0.0.{number}"}}
    for host, variables in more.items():
        hostvars[host] = variables
    groups = {
        "all": list(HOSTS), "ungrouped": [], "Controllers": CONTROLLERS, "compute": COMPUTES, "network": ["ctl3"], "empty": [],
        "service_nova_api": CONTROLLERS, "service_nova_compute": COMPUTES, "service_mysql": ["ctl2", "ctl3"], "service_etcd": [],
        "service_odd_one": ["cmp1"], "service_mysql_router": [], "container_neutron_server": CONTROLLERS,
    } | (groups or {})
    return Cloud(groups, hostvars)


def planned(text, cloud=None, among=HOSTS, seed="s", built=_plan.BUILT, **more):
    return plan(parse(text), cloud or model(), among, seed, built=built, **more)


@pytest.mark.parametrize("text, targets", [
    ("kill nova-api service", CONTROLLERS),
    ("kill NOVA-API service on ALL nodes", CONTROLLERS),
    ("kill nova-api service on ctl2 node", ["ctl2"]),
    ("kill nova-api service on CTL2 and ctl1 nodes", ["ctl2", "ctl1"]),
    ("kill nova-api service on ctl1 and ctl1 nodes", ["ctl1"]),
    ("kill nova-api service on node-1.domain.tld node", ["ctl1"]),
    ("kill nova-api service on 10.0.0.2 node", ["ctl2"]),
    ("kill nova-api service on 3 nodes", CONTROLLERS),
    ("kill nova-api service on all nodes except ctl2", ["ctl1", "ctl3"]),
    ("kill nova-api service on nodes except ctl1 and cmp1", ["ctl2", "ctl3"]),
    ("kill nova-api service on nodes in network", ["ctl3"]),
    ("kill nova-api service on one node in controllers except ctl1 and ctl3", ["ctl2"]),
    ("kill nova-api service on 67% of nodes in controllers", CONTROLLERS),
    ("kill nova-api service on 1% of nodes except ctl1 and ctl2", ["ctl3"]),
    ("kill own-api service", CONTROLLERS),
    ("kill Own-API service on 3 nodes", CONTROLLERS),
    ("kill odd_one service", ["cmp1"]),
    ("kill mariadb service", ["ctl2", "ctl3"]),
    ("kill neutron_api container", CONTROLLERS),
    ("reboot nodes", list(HOSTS)),
    ("reboot nodes with mysql", ["ctl2", "ctl3"]),
    ("reboot ctl2 node with mysql", ["ctl2"]),
    ("reboot 2 nodes in compute", COMPUTES),
    ("stress cpu on nodes with nova-compute service", COMPUTES),
])
def test_targets(text, targets):
    assert planned(text).targets == targets


@pytest.mark.parametrize("text, module, args, undo", [
    ("kill Nova-API service", "os_service_fault", {"service": "nova-api", "action": "kill"}, "none"),
    ("terminate mariadb service for 1m", "os_service_fault", {"service": "mysql", "action": "terminate", "duration": 60}, "start after 60 seconds"),
    ("freeze own-api service", "os_service_fault", {"service": "own-api", "action": "freeze"}, "unfreeze, when you ask for it"),
    ("restart neutron_api container", "os_container_fault", {"container": "neutron_server", "action": "restart"}, "none"),
    ("poweroff one node for 1 minute", "os_power", {"action": "poweroff", "duration": 60}, "poweron after 60 seconds"),
    ("mask nova-api service for 5 minutes", "os_service_fault", {"service": "nova-api", "action": "mask", "duration": 300}, "start after 300 seconds"),
    ("crash-loop nova-api service", "os_service_fault", {"service": "nova-api", "action": "crash_loop"}, "start, when you ask for it"),
    ("Reboot one node with mysql", "os_node_fault", {"action": "reboot"}, "none"),
    ("oom ctl1 node", "os_node_fault", {"action": "oom"}, "none"),
    ("crash ctl1 node", "os_node_fault", {"action": "crash"}, "none"),
    ("disconnect management network on one node", "os_netiface", {"network": "management", "action": "disconnect"}, "connect, when you ask for it"),
    ("delay management network by 1 second on one node for 1 minute", "os_netiface",
     {"network": "management", "action": "delay", "delay": "1000ms", "duration": 60}, "end of the delay after 60 seconds"),
    ("lose 0.5% of packets on management network on one node for 9 seconds", "os_netiface",
     {"network": "management", "action": "loss", "loss": "0.5%", "duration": 9}, "end of the loss after 9 seconds"),
    ("limit management network to 1 mbit on one node", "os_netiface",
     {"network": "management", "action": "rate", "rate": "1000kbit"}, "end of the limit, when you ask for it"),
    ("corrupt 5% of packets on management network on one node", "os_netiface",
     {"network": "management", "action": "corrupt", "corrupt": "5%"}, "end of the corruption, when you ask for it"),
    ("stress cpu on one node", "os_node_fault", {"target": "cpu", "action": "stress", "duration": 10}, "end of the stress after 10 seconds"),
])
def test_module_and_arguments(text, module, args, undo):
    made = planned(text)
    assert (made.module, made.args, made.undo) == (f"faultline.openstack.{module}", args, undo)


def of_ones_own(name, definition=None, **more):
    """A cloud in whose configuration file somebody has a service under a name of his own; its hosts are told there, and nobody has looked further."""
    definition = definition or {"driver": "system_service", "unit": ["mariadb"]}
    hostvars = {host: {
        "faultline_service_definitions": {name: definition, **more}, "faultline_services": {name: definition} if host in CONTROLLERS else {},
        "faultline_networks": {"management": {"address": f"10.0.0.{number}"}},
    } for number, host in enumerate(HOSTS)}
    return Cloud({"all": list(HOSTS), "ungrouped": [], group_name("service", name): CONTROLLERS, "service_nova_compute": COMPUTES}, hostvars)


@pytest.mark.parametrize("word", ["mysql", "mariadb", "MariaDB", "galera", "mysqld", "mariadb.service"])
@pytest.mark.parametrize("name", ["mariadb", "db", "galera", "mysql"])
def test_a_service_of_ones_own_is_found_by_any_of_its_names(name, word):
    made = planned(f"kill {word} service", of_ones_own(name))
    assert made.targets == CONTROLLERS and made.args == {"service": name, "action": "kill"}
    assert planned(f"reboot one node with {word}", of_ones_own(name)).candidates == CONTROLLERS


def test_a_service_of_ones_own_that_the_catalogue_calls_by_an_alias():
    assert planned("kill mariadb service", of_ones_own("mysql")).args["service"] == "mysql"


def test_a_service_of_ones_own_has_the_usual_port_where_nobody_says_another():
    made = planned("unplug mysql service ingress from nova-compute service", of_ones_own("mariadb"))
    assert made.args["label"] == "mariadb ingress from nova-compute" and made.args_of("ctl1")["port"] == [3306]


def test_a_word_for_two_services_of_ones_own_is_refused_and_names_both():
    with pytest.raises(PlanError, match="mysql may mean galera or mariadb") as caught:
        planned("kill mysql service", of_ones_own("mariadb", galera={"unit": ["galera"]}))
    assert caught.value.code == "ambiguous_service" and caught.value.expected == ["galera", "mariadb"] and caught.value.column == 6


def test_the_network_that_every_host_is_on_is_known_without_a_word_of_anybody():
    cloud = Cloud({"all": ["ctl1"], "ungrouped": []}, {"ctl1": {}})
    assert planned("disconnect Management network on ctl1 node for 5 seconds", cloud, among=["ctl1"]).args["network"] == "management"


def test_network_names_come_from_the_hosts():
    cloud = model(ctl1={"faultline_networks": {"Storage": {}}})
    assert planned("disconnect storage network on ctl1 node for 5 seconds", cloud).args == {
        "network": "Storage", "action": "disconnect", "duration": 5,
    }


def test_each_side_of_a_partition_drops_the_other():
    made = planned("partition nodes with mysql service from nodes with nova-compute service for 30 seconds")
    assert made.targets == ["ctl2", "ctl3", *COMPUTES] and made.module == "faultline.openstack.os_netiface"
    assert made.args_of("ctl2") == {"action": "partition", "duration": 30, "peers": COMPUTES}
    assert made.args_of(COMPUTES[0]) == {"action": "partition", "duration": 30, "peers": ["ctl2", "ctl3"]}
    assert made.undo == "end of the partition after 30 seconds"


def test_peers_are_looked_at_before_they_are_cut_off():
    """A host whose other addresses nobody knows would still be heard by them."""
    cloud = model(cmp1={"ansible_host": "10.0.0.9", "faultline_services": {}})
    with pytest.raises(PlanError, match="which addresses cmp1 has") as caught:
        planned("partition ctl1 node from cmp1 and cmp2 nodes", cloud)
    assert (caught.value.code, caught.value.details["hosts"]) == ("unmapped", ["cmp1"])
    for known in ({"faultline_host": {"interfaces": {}}}, {"ansible_facts": {"all_ipv4_addresses": ["10.0.0.9"]}}):
        assert planned("partition ctl1 node from cmp1 node", model(cmp1={"faultline_services": {}, **known})).targets == ["ctl1", "cmp1"]


def test_from_all_nodes_means_all_the_others():
    made = planned("partition one node from all nodes", seed=3)
    alone = made.targets[0]
    assert made.args_of(alone)["peers"] == [host for host in HOSTS if host != alone]
    assert all(made.args_of(host)["peers"] == [alone] for host in made.targets[1:])


@pytest.mark.parametrize("text, direction, peers, port", [
    ("unplug nova-api service ingress from mysql service", "in", ["ctl2", "ctl3"], 8774),
    ("unplug nova-api service egress to mysql service", "out", ["ctl2", "ctl3"], 3306),
])
def test_a_direction_cuts_two_services_off_from_each_other(text, direction, peers, port):
    made = planned(text)
    step = made.args_of(made.targets[0])
    assert made.targets == CONTROLLERS and made.module == "faultline.openstack.os_netiface"
    assert (step["action"], step["direction"], step["peers"], step["port"], step["protocol"]) == ("partition", direction, peers, [port], "tcp")
    back = planned(text.replace("unplug", "plug"))
    assert back.args_of("ctl1") == {"action": "connect", "label": step["label"]}


def test_one_is_one_and_the_seed_says_which():
    made = {seed: planned("kill nova-api service on one node", seed=seed).targets for seed in range(40)}
    assert all(len(targets) == 1 for targets in made.values())
    assert {target for targets in made.values() for target in targets} == set(CONTROLLERS)
    assert made == {seed: planned("KILL nova-api SERVICE on single NODE", seed=seed).targets for seed in range(40)}


def test_only_among():
    made = planned("kill nova-api service on all nodes", among=["ctl1", "cmp1"])
    assert (made.candidates, made.targets, made.outside) == (["ctl1"], ["ctl1"], ["ctl2", "ctl3"])


# text -> code, word pointed at, message, suggestions or a piece of the hint
REFUSED = {
    "kill nova-apo service": ("unknown_service", "nova-apo", "Unknown service 'nova-apo'.", "Did you mean nova-api"),
    "kill nova_api service": ("unknown_service", "nova_api", "Unknown service 'nova_api'.", "Did you mean nova-api"),
    "kill own service": ("unknown_service", "own", "Unknown service 'own'.", "own-api"),
    "kill zzz service": ("unknown_service", "zzz", "Unknown service 'zzz'.", "This cloud has: mysql_router, odd_one, own-api."),
    "kill neutron_servr container": ("unknown_container", "neutron_servr", "Unknown container 'neutron_servr'.", "neutron_server"),
    "kill nova-api service on ctl4 node": ("unknown_node", "ctl4", "Unknown node 'ctl4'.", "Did you mean ctl"),
    "kill nova-api service on ctl1 and two nodes": ("unknown_node", "two", "Unknown node 'two'.", "This cloud has: cmp1, cmp2, ctl1, ctl2, ctl3."),
    "kill nova-api service on nodes except ctl9": ("unknown_node", "ctl9", "Unknown node 'ctl9'.", "ctl1"),
    "kill nova-api service on nodes in controller": ("unknown_group", "controller", "Unknown group 'controller'.", "Did you mean Controllers"),
    "kill nova-api service on 4 nodes": ("too_few", "4", "4 nodes are wanted, but there are only 3 nodes that run nova-api.", ""),
    "kill odd_one service on 2 nodes": ("too_few", "2", "2 nodes are wanted, but there is only one node that runs odd_one: cmp1.", ""),
    "reboot 9 nodes": ("too_few", "9", "9 nodes are wanted, but there are only 5 nodes.", ""),
    "kill etcd service": ("empty", "etcd", "There is no node that runs etcd to choose from.", ""),
    "kill nova-api service on nodes in compute": ("empty", "nova-api", "There is no node that runs nova-api to choose from.", "words about nodes"),
    "kill nova-api service on one node except ctl1, ctl2 and ctl3": ("empty", "nova-api", "There is no node that runs nova-api to choose from.", ""),
    "kill nova-api service on cmp1 node": ("not_running", "cmp1", "The service nova-api does not run on cmp1.", "It runs on: ctl1, ctl2, ctl3."),
    "kill etcd service on ctl1 node": ("not_running", "ctl1", "The service etcd does not run on ctl1.", "It runs on no host."),
    "reboot ctl1 and cmp1 nodes with nova-api": ("not_running", "cmp1", "The service nova-api does not run on cmp1.", ""),
    "reboot nodes with nova-apo": ("unknown_service", "nova-apo", "Unknown service 'nova-apo'.", ""),
    "reboot nodes in empty": ("empty", "empty", "There is no node to choose from.", ""),
    "disconnect storage network on one node": ("unknown_network", "storage", "Unknown network 'storage'.", ""),
    "partition nodes from nodes with mysql": ("both_sides", "mysql", "ctl2 would be on both sides of the partition.", "cut off from itself"),
    "partition ctl1 node from ctl1 and ctl2 nodes": ("both_sides", "ctl1", "ctl1 would be on both sides of the partition.", ""),
    "unplug own-api service ingress from mysql service": ("no_port", "own-api", "Nobody knows the port of own-api.", "Say port"),
    "unplug mysql service ingress from etcd service": ("empty", "etcd", "There is no node that runs etcd.", ""),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    code, word, message, hint = REFUSED[text]
    with pytest.raises(PlanError) as caught:
        planned(text)
    error = caught.value
    assert (error.code, error.word, error.message) == (code, word, message)
    assert hint in error.hint
    assert text[error.column - 1:].startswith(word)
    assert error.text.splitlines()[-1] == " " * (error.column + 3) + "^" * len(word)


@pytest.mark.parametrize("text, module", [
    ("poweroff one node with mysql", "os_power"),
    ("Reboot one node with mysql", "os_node_fault"),
    ("Disconnect management network on nodes with rabbitmq service", "os_netiface"),
    ("stress cpu on one node", "os_node_fault"),
])
def test_what_has_no_module_yet_is_refused_by_name(text, module):
    with pytest.raises(PlanError, match=f"needs the module faultline.openstack.{module}, which does not exist yet") as caught:
        planned(text, built={_plan.MODULES["service"]})
    assert caught.value.code == "not_built"


def test_names_that_differ_in_case_only_have_to_be_exact():
    cloud = model(cmp1={"faultline_services": {"Own-API": {}}})
    assert planned("kill Own-API service", cloud).targets == ["cmp1"]
    with pytest.raises(PlanError, match=r"OWN-API may mean Own-API or own-api\."):
        planned("kill OWN-API service", cloud)


def test_the_users_definition_has_a_say_in_the_name():
    cloud = model(groups={"service_db": ["ctl1"]}, ctl1={"faultline_service_definitions": {"DB": {}}, "faultline_services": {"DB": {}}})
    assert planned("kill db service", cloud).args["service"] == "DB"


def test_a_named_host_outside_of_the_play():
    with pytest.raises(PlanError, match="The node ctl2 is not among the hosts to choose from, because of --limit") as caught:
        planned("kill nova-api service on ctl1 and ctl2 nodes", among=["ctl1"])
    assert (caught.value.code, caught.value.word) == ("outside", "ctl2")


def test_an_ambiguous_address():
    cloud = model(cmp1={"ansible_host": "127.0.0.1"}, cmp2={"ansible_host": "127.0.0.1"})
    with pytest.raises(PlanError, match="The node 127.0.0.1 may be cmp1 or cmp2"):
        planned("reboot 127.0.0.1 node", cloud)


# ---- nobody has looked yet ---------------------------------------------------------------------------------------


def unmapped():
    return model(ctl3={}, cmp2={})


@pytest.mark.parametrize("text, hosts", [
    ("kill own-api service", ["ctl3", "cmp2"]),
    ("kill own-api service on one node except ctl3", ["cmp2"]),
    ("kill own-api service on ctl3 node", ["ctl3"]),
    ("kill own-api service on nodes in network", ["ctl3"]),
    ("reboot nodes with own-api", ["ctl3", "cmp2"]),
])
def test_unmapped(text, hosts):
    with pytest.raises(PlanError, match="Nobody has looked yet where the service own-api runs.") as caught:
        planned(text, unmapped())
    assert caught.value.code == "unmapped"
    assert caught.value.details["hosts"] == hosts
    assert "os_cloud_facts" in caught.value.hint


def test_a_group_or_a_named_host_needs_no_looking():
    assert planned("kill nova-api service", unmapped()).targets == CONTROLLERS
    assert planned("kill own-api service on ctl1 node", unmapped()).targets == ["ctl1"]
    assert planned("reboot nodes", unmapped()).targets == list(HOSTS)


def test_hosts_that_do_not_answer_are_left_out_and_told():
    made = planned("kill own-api service on all nodes", unmapped(), skip_unmapped=True)
    assert (made.targets, made.unreachable) == (["ctl1", "ctl2"], ["ctl3", "cmp2"])
    assert list(_plan.describe({**made.as_dict(), "hosts": {}}))[-1] == "  leaves out ctl3, cmp2: no answer"


OWN = {"driver": "system_service", "port": [["tcp", 9999]]}
TO_OWN = "unplug nova-api service egress to own-api service"


def with_peers(**more):
    """nova-api by its group, own-api by the variables of cmp1 and cmp2; more: other variables of hosts."""
    told = {host: {"faultline_services": {"own-api": OWN}, "faultline_host": {"fqdn": host}} for host in COMPUTES}
    return model(**{host: {"faultline_services": {}, "faultline_service_definitions": {"own-api": OWN}} for host in CONTROLLERS}, **{**told, **more})


@pytest.mark.parametrize("lost, reason", [
    ({}, "no answer"),  # nobody knows what runs there
    ({"faultline_services": {"own-api": OWN}}, "no answer"),  # nor by which addresses it is heard
    ({"faultline_services": {}, "faultline_unseen": {"services": {"own-api": "systemctl told nothing"}}}, "systemctl told nothing"),
    ({"faultline_probe_error": "timed out"}, "it could not be probed: timed out"),
])
def test_a_peer_that_nobody_could_look_at_is_no_peer_and_the_plan_says_so(lost, reason):
    with pytest.raises(PlanError) as caught:
        planned(TO_OWN, with_peers(cmp2=lost))
    assert caught.value.code == "unmapped" and caught.value.details["hosts"] == ["cmp2"]
    made = planned(TO_OWN, with_peers(cmp2=lost), skip_unmapped=True)
    assert made.targets == CONTROLLERS and made.args["peers"] == ["cmp1"]
    assert _plan.left_out(made.as_dict()) == {"cmp2": reason}


def test_a_peer_outside_of_the_limit_that_nobody_could_look_at_is_named():
    made = planned(TO_OWN, with_peers(cmp2={}), among=CONTROLLERS, skip_unmapped=True)
    assert made.args["peers"] == ["cmp1"]
    assert _plan.left_out(made.as_dict()) == {"cmp2": "it is outside of --limit, so nobody has looked"}


def test_without_any_peer_that_could_be_looked_at_there_is_no_plan():
    with pytest.raises(PlanError, match="There is no node that runs own-api.") as caught:
        planned(TO_OWN, with_peers(cmp1={}, cmp2={}), skip_unmapped=True)
    assert caught.value.hint == "Left out because they do not answer: cmp1, cmp2."


def test_hosts_that_could_not_tell_are_looked_at_again_and_then_left_out_with_the_reason():
    unseen = {"faultline_services": {}, "faultline_unseen": {"services": {"own-api": "systemctl told nothing"}}}
    cloud = model(ctl3=unseen)
    with pytest.raises(PlanError, match="It could not be seen whether the service own-api runs on ctl3: systemctl told nothing.") as caught:
        planned("kill own-api service", cloud)
    assert caught.value.code == "unmapped" and caught.value.details["hosts"] == ["ctl3"] and "leave out by except: ctl3." in caught.value.hint
    made = planned("kill own-api service", cloud, skip_unmapped=True).as_dict()
    assert (made["chosen"], made["unreachable"], made["unseen"]) == (["ctl1", "ctl2"], ["ctl3"], {"ctl3": "systemctl told nothing"})
    assert list(_plan.describe({**made, "hosts": {}}))[-1] == "  leaves out ctl3, where it could not be looked for: systemctl told nothing"
    with pytest.raises(PlanError, match="could not be seen what runs on ctl3: systemctl told nothing"):
        planned("kill own-api service on ctl3 node", cloud, skip_unmapped=True)


def test_who_could_not_tell_and_who_was_not_looked_at_are_both_named():
    unseen = {"faultline_services": {}, "faultline_unseen": {"services": {"own-api": "systemctl told nothing"}}}
    with pytest.raises(PlanError, match="runs on ctl3: systemctl told nothing. Nobody has looked yet at cmp2."):
        planned("kill own-api service", model(ctl3=unseen, cmp2={}))


UNSEEN = {"faultline_unseen": {"services": {"mysql": "systemctl told nothing"}}, "faultline_services": {}}


def looked_at(lost, **more):
    """A cloud as the inventory plugin gives it: mysql was found on ctl1 and ctl2, ctl3 could not tell."""
    found = {host: {"faultline_services": {"mysql": {}} if host in ("ctl1", "ctl2") else {}, **more} for host in HOSTS}
    groups = {"all": list(HOSTS), "ungrouped": [], "service_mysql": ["ctl1", "ctl2"]}
    return Cloud(groups, {**found, "ctl3": {**lost, **more}})


@pytest.mark.parametrize("lost, why", [(UNSEEN, "systemctl told nothing"), ({"faultline_probe_error": "timed out"}, "it could not be probed: timed out")])
@pytest.mark.parametrize("text, targets", [
    ("kill mysql service", ["ctl1", "ctl2"]),
    ("kill mysql service on all nodes", ["ctl1", "ctl2"]),
    ("kill mysql service on 100% of nodes", ["ctl1", "ctl2"]),
    ("kill mysql service on 2 nodes", ["ctl1", "ctl2"]),
    ("kill mysql service on 3 nodes", None),
    ("reboot nodes except ctl1 with mysql", ["ctl2"]),
    ("kill mysql service on ctl3 node", None),
    ("reboot nodes in service_mysql", ["ctl1", "ctl2"]),
])
def test_a_group_of_a_partial_look_is_no_full_one(text, targets, lost, why):
    cloud = looked_at(lost, faultline_partial_groups=["service_mysql"])
    with pytest.raises(PlanError) as caught:
        planned(text, cloud)
    details = caught.value.details
    assert caught.value.code == "unmapped" and (details["hosts"], details["unseen"]) == (["ctl3"], {"ctl3": why})
    if targets is None:
        with pytest.raises(PlanError) as caught:
            planned(text, cloud, skip_unmapped=True)
        assert why in caught.value.text
        return
    made = planned(text, cloud, skip_unmapped=True)
    assert made.targets == targets
    assert list(_plan.left_out_words(_plan.left_out(made.as_dict()))) == [f"leaves out ctl3, where it could not be looked for: {why}"]


def test_who_could_not_tell_does_not_matter_where_nobody_means_it():
    cloud = looked_at(UNSEEN, faultline_partial_groups=["service_mysql"])
    assert planned("kill mysql service on all nodes except ctl3", cloud).targets == ["ctl1", "ctl2"]
    assert planned("kill mysql service on ctl1 node", cloud).targets == ["ctl1"]


def test_who_could_tell_at_the_second_look_counts_though_the_group_is_of_the_first():
    cloud = looked_at({"faultline_services": {"mysql": {}}, "faultline_probe_error": "timed out"}, faultline_partial_groups=["service_mysql"])
    assert planned("kill mysql service", cloud).targets == CONTROLLERS


def test_a_group_that_somebody_has_said_needs_no_looking():
    assert planned("kill mysql service", looked_at(UNSEEN)).targets == ["ctl1", "ctl2"]


@pytest.mark.parametrize("word, targets", [("web-api", ["cmp1"]), ("web_api", ["cmp2"])])
def test_two_names_of_one_group_are_kept_apart(word, targets):
    """In a hand-written inventory: the group says of neither where it runs, the hosts do."""
    cloud = model({"service_web_api": COMPUTES}, cmp1={"faultline_services": {"web-api": {}}}, cmp2={"faultline_services": {"web_api": {}}})
    assert planned(f"kill {word} service", cloud).targets == targets


def test_a_definition_that_is_none_is_named():
    cloud = model(ctl1={"faultline_services": {"own-api": "own-api.service"}})
    assert planned("kill own-api service on ctl1 node", cloud).targets == ["ctl1"]
    with pytest.raises(FaultlineError, match="The definition of the service own-api is wrong: its definition is no dictionary"):
        fill("faultline.openstack.os_service_fault", {"service": "own-api"}, cloud.definitions("ctl1"))


@pytest.mark.parametrize("key, wrong", [("unit", 5), ("unit", [5]), ("driver", ["process"]), ("engine", 5), ("grep", True), ("port", {"tcp": 1})])
def test_a_definition_with_a_field_of_another_kind_is_named(key, wrong):
    cloud = model(ctl1={"faultline_services": {"own-api": {"driver": "docker_container", "container_name": "own", key: wrong}}})
    with pytest.raises(FaultlineError, match=f"The definition of the service own-api is wrong: its {key} is ") as caught:
        fill("faultline.openstack.os_service_fault", {"service": "own-api"}, cloud.definitions("ctl1"))
    assert caught.value.code == "bad_definition"


def test_hosts_that_do_not_answer_are_an_error_when_named():
    with pytest.raises(PlanError, match="The node ctl3 does not answer") as caught:
        planned("kill own-api service on ctl3 node", unmapped(), skip_unmapped=True)
    assert caught.value.code == "unreachable_node"


def test_hosts_that_do_not_answer_do_not_count():
    with pytest.raises(PlanError, match="only 2 nodes that run own-api.") as caught:
        planned("kill own-api service on 3 nodes", unmapped(), skip_unmapped=True)
    assert "Left out because they do not answer: ctl3, cmp2." in caught.value.hint


# ---- the plan as data -------------------------------------------------------------------------------------------


def test_as_data_and_in_words():
    made = planned("freeze nova-api service on one node for 5 seconds", among=["ctl1", "ctl2"], seed="7").as_dict()
    host = made["chosen"][0]
    assert made == {
        "sentence": "freeze nova-api service on one node for 5 seconds",
        "intent": {
            "kind": "service", "action": "freeze", "subject": "nova-api", "with_service": None, "duration": 5, "direction": None, "peer": None,
            "selector": {"mode": "count", "n": 1, "names": [], "group": None, "exclude": []},
        },
        "seed": "7", "chosen": [host], "candidates": ["ctl1", "ctl2"], "outside": ["ctl3"], "unreachable": [], "unseen": {}, "left_alone": [],
        "undo": "unfreeze after 5 seconds",
    }
    made["hosts"] = {host: {"module": "faultline.openstack.os_service_fault", "args": {"service": "nova-api", "unit": ["a", "b"]}}}
    assert list(_plan.describe(made, detailed=True)) == [
        "freeze nova-api service on one node for 5 seconds",
        f"  hits {host} (of 2; seed 7); undo: unfreeze after 5 seconds",
        "  never hits ctl3: outside of --limit",
        f"  {host}: faultline.openstack.os_service_fault service=nova-api unit=a,b",
    ]


@pytest.mark.parametrize("change, code", [
    ({"sentence": "kill mysql service"}, "wrong_plan"),
    ({"chosen": []}, "wrong_plan"),
    ({"hosts": {}}, "wrong_plan"),
    ({"seed": None, "intent": None}, None),
    ({"chosen": ["ctl9"]}, "not_in_play"),
    ({"hosts": {"ctl1": {"module": "ansible.builtin.shell", "args": {}}}}, "wrong_plan"),
    ({"hosts": {"ctl1": {"module": "faultline.openstack.os_service_fault"}}}, "wrong_plan"),
    ({"chosen": ["ctl2"], "hosts": {}}, None),
    ({}, None),
])
def test_a_plan_from_elsewhere(change, code):
    made = planned("kill nova-api service on ctl1 node").as_dict()
    made["hosts"] = {"ctl1": {"module": "faultline.openstack.os_service_fault", "args": {}}}
    made.update(change)
    if code is None:
        _plan.expect(made, "kill nova-api service on ctl1 node", "ctl1", HOSTS)
        return
    with pytest.raises(FaultlineError) as caught:
        _plan.expect(made, "kill nova-api service on ctl1 node", "ctl1", HOSTS)
    assert caught.value.code == code


WORDS = """kill freeze reboot nova-api mysql own-api service nodes node one all 2 9 50% of on and except in with for 5 seconds
ctl1 ctl2 cmp1 nobody compute not""".split()


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.lists(st.sampled_from(HOSTS), unique=True), st.text(max_size=5))
def test_whatever_is_said_only_hosts_of_the_play_are_chosen(text, among, seed):
    try:
        made = planned(text, among=among, seed=seed)
    except SentenceError as exc:
        assert exc.text
        return
    assert made.targets and set(made.targets) <= set(made.candidates) <= set(among)


# ---- hosts that are left alone

WHY = "router web is in debug: its NAT"


@pytest.mark.parametrize("text, spared, targets", [
    ("kill nova-api service on one node", ["ctl1", "ctl2"], ["ctl3"]),
    ("kill nova-api service on 2 nodes", ["ctl2"], ["ctl1", "ctl3"]),
    # of three, not of the two that remain
    ("kill nova-api service on 34% of nodes", ["ctl2"], ["ctl1", "ctl3"]),
    ("kill nova-api service on all nodes except ctl2", ["ctl2"], ["ctl1", "ctl3"]),
    ("kill nova-api service", ["cmp1"], CONTROLLERS),
    ("reboot one node in compute", ["cmp2"], ["cmp1"]),
    ("partition ctl1 node from one node in compute", ["cmp1"], ["ctl1", "cmp2"]),
])
def test_a_choice_avoids_who_is_left_alone(text, spared, targets):
    found = planned(text, spared=dict.fromkeys(spared, WHY))
    assert found.targets == targets
    assert not set(found.candidates) & set(spared)
    avoided = [host for host in spared if "except" not in text and host != "cmp1" or "partition" in text]
    assert found.left_alone == [{"host": host, "why": WHY} for host in avoided]
    assert [line for line in _plan.describe(found.as_dict() | {"hosts": {}}) if "left alone" in line] == [f"  {host} left alone: {WHY}" for host in avoided]


@pytest.mark.parametrize("text, spared, message, word", [
    ("kill nova-api service", ["ctl2"], f"ctl2 left alone: {WHY}. Take", ""),
    ("kill nova-api service on ctl1 and ctl2 nodes", ["ctl2"], f"ctl2 left alone: {WHY}. Take", "ctl2"),
    ("reboot CTL2 node", ["ctl2"], f"ctl2 left alone: {WHY}. Take", "CTL2"),
    ("kill nova-api service on 3 nodes", ["ctl2"], f"3 nodes are wanted, there are 3, and not all may be hit: ctl2 left alone: {WHY}. Take", "3"),
    ("reboot one node in network", ["ctl3"], f"1 node is wanted, there is 1, and it may not be hit: ctl3 left alone: {WHY}. Take", ""),
    ("reboot 100% of nodes in compute", ["cmp1", "cmp2"],
     f"2 nodes are wanted, there are 2, and not all may be hit: cmp1 left alone: {WHY}; cmp2 left alone: {WHY}. Take", "100"),
    ("partition ctl1 node from all nodes", ["cmp1"], f"cmp1 left alone: {WHY}. Take", ""),
])
def test_who_is_named_or_meant_with_all_is_refused(text, spared, message, word):
    with pytest.raises(PlanError) as told:
        planned(text, spared=dict.fromkeys(spared, WHY))
    error = told.value
    assert (error.code, error.details["left_alone"]) == ("in_debug", [{"host": host, "why": WHY} for host in spared])
    assert error.text.startswith(message) and (not word or error.word == word)
    assert "set the variable faultline_allow_debug of these hosts to true." in error.hint and error.hint.endswith("Nothing was touched.")
    assert ("Or say: except " + spared[0] in error.hint) is (text in ("kill nova-api service", "partition ctl1 node from all nodes"))
