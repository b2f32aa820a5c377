# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found, beside what was said, and as an os-faults file."""

from __future__ import annotations

import copy

import pytest
import yaml

from ansible_collections.faultline.openstack.plugins.plugin_utils import _config, _found

SOURCE = {
    "cloud_management": {"driver": "devstack", "args": {"address": "10.0.0.1", "auth": {"username": "stack", "password": "pw"}}},
    "node_discover": {
        "driver": "node_list",
        "args": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2", "auth": {"private_key_file": "k"}}, {"ip": "10.0.0.3", "mac": "aa:bb:cc:dd:ee:03"}],
    },
    "services": {
        "app": {"driver": "process", "args": {"grep": "app", "start_cmd": "/bin/app"}, "hosts": ["10.0.0.1", "10.0.0.3"]},
        "gone": {"driver": "system_service", "args": {"service_name": "gone", "grep": "gone"}, "hosts": ["10.0.0.2"]},
    },
    "power_managements": [{"driver": "libvirt", "args": {"connection_uri": "qemu+unix:///system"}}],
}


def node(number, services=None, containers=None, error="", **over):
    found = None
    if not error:
        found = {
            "faultline_services": services or {},
            "faultline_containers": containers or {},
            "faultline_networks": {"management": {"interface": f"eth{number}", "cidr": "10.0.0.0/24", "mac": "x"}},
            "faultline_host": {"fqdn": f"n{number}.example.org", "mac": f"aa:bb:cc:dd:ee:0{number}"},
        }
    values = {"name": f"10.0.0.{number}", "ip": f"10.0.0.{number}", "auth": {}, "found": found, "error": error, **over}
    return _found.Seen(**values)


UNIT = {"driver": "system_service", "unit": ["mariadb"], "grep": "(mysqld|mariadbd)", "active": True}
PROCESS = {"driver": "process", "grep": r"^\(wsgi:keystone", "active": True, "pids": [1]}


def test_the_found_file_keeps_the_rest_and_is_valid():
    before = copy.deepcopy(SOURCE)
    nodes = [
        node(1, {"app": {"driver": "process", "grep": "app"}, "mysql": UNIT}, {"nova_api": {"container_name": "nova_api"}}),
        node(2, {"mysql": UNIT, "keystone": PROCESS}),
        node(3, error="no answer", mac="aa:bb:cc:dd:ee:03"),
    ]
    written = _found.config(nodes, SOURCE)
    assert SOURCE == before
    assert written["cloud_management"] == {"driver": "universal"}
    assert written["node_discover"]["args"] == [
        {"ip": "10.0.0.1", "fqdn": "n1.example.org", "mac": "aa:bb:cc:dd:ee:01", "auth": {"username": "stack", "password": "pw"}},
        {
            "ip": "10.0.0.2", "fqdn": "n2.example.org", "mac": "aa:bb:cc:dd:ee:02",
            "auth": {"username": "stack", "password": "pw", "private_key_file": "k"},
        },
        {"ip": "10.0.0.3", "mac": "aa:bb:cc:dd:ee:03", "auth": {"username": "stack", "password": "pw"}},
    ]
    assert written["power_managements"] == SOURCE["power_managements"]
    assert written["services"] == {
        # as it was given; a node that does not answer keeps what was said of it
        "app": {"driver": "process", "args": {"grep": "app", "start_cmd": "/bin/app"}, "hosts": ["10.0.0.1", "10.0.0.3"]},
        "gone": {"driver": "system_service", "args": {"service_name": "gone", "grep": "gone"}},
        "keystone": {"driver": "process", "args": {"grep": "^(wsgi:keystone"}, "hosts": ["10.0.0.2"]},
        "mysql": {
            "driver": "system_service", "args": {"service_name": "mariadb", "grep": "m[ay][rs][iq][al]d"},
            "hosts": ["10.0.0.1", "10.0.0.2"],
        },
    }
    assert written["containers"] == {
        "nova_api": {"driver": "docker_container", "args": {"container_name": "nova_api"}, "hosts": ["10.0.0.1"]},
    }
    assert written["faultline"] == {
        "networks": {"management": "10.0.0.0/24"},
        "partial": {
            "services": {"keystone": {"10.0.0.3": "no answer"}, "mysql": {"10.0.0.3": "no answer"}}, "containers": {"nova_api": {"10.0.0.3": "no answer"}}},
    }
    cloud = _config.parse(yaml.safe_load(yaml.safe_dump(written)))
    assert cloud.services["mysql"].hosts == ["n1.example.org", "n2.example.org"]


def test_a_node_that_nobody_looked_at_stays():
    written = _found.config([node(2, {"mysql": UNIT})], SOURCE)
    assert [each["ip"] for each in written["node_discover"]["args"]] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert written["services"]["app"]["hosts"] == ["10.0.0.1", "10.0.0.3"]


def test_services_in_containers_are_kept_apart_from_what_os_faults_knows():
    inside = {"driver": "docker_container", "container_name": "mariadb", "engine": "docker", "id": "a" * 64, "active": True, "pids": [7]}
    written = _found.config([node(1, {"mysql": UNIT}), node(2, {"mysql": inside, "nova-api": {**inside, "container_name": "nova_api"}})])
    assert list(written["services"]) == ["mysql"] and written["services"]["mysql"]["hosts"] == ["10.0.0.1"]
    assert written["faultline"]["in_containers"] == {
        "mysql": {"driver": "docker_container", "args": {"container_name": "mariadb"}, "hosts": ["10.0.0.2"]},
        "nova-api": {"driver": "docker_container", "args": {"container_name": "nova_api"}, "hosts": ["10.0.0.2"]},
    }
    cloud = _config.parse(yaml.safe_load(yaml.safe_dump(written)))
    assert cloud.in_containers["mysql"].hosts == ["n2.example.org"]
    assert cloud.service_definitions["mysql"]["driver"] == "system_service"
    assert cloud.service_definitions["nova-api"] == {"driver": "docker_container", "container_name": "nova_api"}


def test_the_units_of_a_service_in_several_parts_are_kept():
    units = ["devstack@neutron-api", "devstack@neutron-rpc-server"]
    written = _found.config([node(1, {"neutron-server": {"driver": "system_service", "unit": units, "grep": "x"}})])
    assert written["services"]["neutron-server"]["args"]["service_name"] == units[0]
    assert written["faultline"]["units"] == {"neutron-server": units}
    assert _config.parse(written).service_definitions["neutron-server"]["unit"] == units


def test_the_pattern_for_grep_of_a_service_that_the_user_calls_otherwise():
    written = _found.config([node(1, {"db": {"driver": "system_service", "unit": ["mariadb"], "grep": "(^|/)(mysqld|mariadbd)( |$)"}})])
    assert written["services"]["db"]["args"] == {"service_name": "mariadb", "grep": "m[ay][rs][iq][al]d"}


def test_what_was_found_once_is_found_again():
    """The file that was written, read and looked at again, gives the same file."""
    nodes = [node(1, {"mysql": UNIT}), node(2)]
    first = _found.config(nodes)
    again = [node(1, {"mysql": UNIT}, fqdn="n1.example.org", name="n1.example.org"), node(2, fqdn="n2.example.org", name="n2.example.org")]
    assert _found.config(again, first) == first


def test_an_inventory_of_another_kind_has_its_logins():
    variables = {
        "ansible_host": "10.0.0.1", "ansible_user": "stack", "ansible_ssh_pass": "pw", "ansible_become_password": "bp",
        "ansible_ssh_private_key_file": "k",
    }
    seen = _found.seen("ctl1", variables, {"unreachable": True, "msg": "Task failed: no\nroute"})
    assert (seen.name, seen.ip, seen.error) == ("ctl1", "10.0.0.1", "no route")
    assert _found.config([seen])["node_discover"]["args"] == [
        {"ip": "10.0.0.1", "auth": {"username": "stack", "password": "pw", "private_key_file": "k", "become_password": "bp"}},
    ]


def test_a_name_that_two_nodes_have_is_not_written():
    nodes = [node(1), node(2)]
    for each in nodes:
        each.found["faultline_host"]["fqdn"] = "localhost"
    assert all("fqdn" not in each for each in _found.config(nodes)["node_discover"]["args"])


def test_all_ports_are_written_where_there_is_room():
    ports = [["tcp", 53], ["udp", 53]]
    notes = []
    written = _found.config([node(1, {"dns": {"driver": "process", "grep": "named", "port": ports}})], notes=notes)
    assert written["services"]["dns"]["args"]["port"] == ports[0] and written["faultline"]["ports"] == {"dns": ports}
    assert _config.parse(written).service_definitions["dns"]["port"] == ports
    assert notes == ["service dns has the ports tcp 53, udp 53. os-faults has room for the first; all are under faultline.ports."]
    # and it stays so
    again = _found.config([node(1, {"dns": {"driver": "process", "grep": "named", "port": ports}}, fqdn="n1.example.org", name="n1.example.org")], written)
    assert again == written


def test_what_a_file_cannot_hold_costs_its_own_entry_only():
    notes = []
    written = _found.config([node(1, {
        "app": PROCESS, "odd": {"driver": "process", "grep": "(?<=a)b"}, "web-api": PROCESS, "web_api": PROCESS})], notes=notes)
    assert list(written["services"]) == ["app", "web-api"]
    assert "service odd: its pattern '(?<=a)b' cannot be written" in notes[0] and notes[0].endswith("It is left out.")
    assert notes[1] == "service web_api: a file cannot have it beside web-api, as both would be the group service_web_api. It is left out."
    assert _config.parse(written)


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain", "all"])
def test_what_a_machine_calls_itself_is_no_name_where_it_is_none_of_its_own(name):
    each = node(1)
    each.found["faultline_host"]["fqdn"] = name
    assert "fqdn" not in _found.config([each])["node_discover"]["args"][0]
    # but what its file calls it stays
    each.fqdn = name
    assert _found.config([each])["node_discover"]["args"][0]["fqdn"] == name


def partly(number, why="systemctl told nothing", services=None):
    each = node(number, services, lacking=[f"service gone: {why}"])
    each.found["faultline_unseen"] = {"services": {"gone": why, "of-the-catalogue": why}, "containers": {}}
    return each


def test_what_could_not_be_seen_is_a_gap_and_is_marked():
    nodes = [partly(1, services={"app": {}}), node(2)]
    assert _found.gaps(nodes, DEFINED, {("service", "app"): ["10.0.0.1"]}) == [
        "10.0.0.1 could be looked at in part only: service gone: systemctl told nothing",
        "service gone could not be looked for on 10.0.0.1: systemctl told nothing",
    ]
    assert _found.table(nodes, DEFINED)[-3:] == ["", "not looked for  on        because", "service gone    10.0.0.1  systemctl told nothing"]


IDLE = "docker ps: Cannot connect to the Docker daemon"


def idle(number, services=None, unseen=None, why=IDLE):
    """A node whose engine does not run."""
    each = node(number, services, lacking=[IDLE])
    each.found["faultline_host"]["engines"] = {"docker": why}
    each.found["faultline_unseen"] = {"services": {}, "containers": {"of-the-catalogue": IDLE, "box": IDLE}, **(unseen or {})}
    return each


@pytest.mark.parametrize("groups, missing", [
    ({("service", "app"): ["10.0.0.1"], ("container", "box"): ["10.0.0.2"]}, []),
    ({("service", "app"): ["10.0.0.1"]}, []),
    ({("service", "app"): ["10.0.0.1"], ("container", "box"): ["10.0.0.1", "10.0.0.2"]},
     [f"10.0.0.1 could be looked at in part only: {IDLE}", f"container box could not be looked for on 10.0.0.1: {IDLE}"]),
], ids=["said to be elsewhere", "found elsewhere", "expected here"])
def test_an_engine_that_does_not_run_is_a_gap_where_something_is_expected_of_it(groups, missing):
    nodes = [idle(1, {"app": {}}), node(2, containers={"box": {"active": True}})]
    assert _found.gaps(nodes, {"service": {"app"}, "container": {"box"}}, groups) == missing


def test_an_engine_that_does_not_run_is_a_gap_where_a_service_may_be_in_it():
    nodes = [idle(1, unseen={"services": {"app": IDLE}, "containers": {}})]
    assert _found.gaps(nodes, {"service": {"app"}, "container": set()}, {("service", "app"): ["10.0.0.1"]}) == [
        f"10.0.0.1 could be looked at in part only: {IDLE}", f"service app could not be looked for on 10.0.0.1: {IDLE}"]


def test_a_container_that_is_nowhere_may_be_where_an_engine_does_not_run():
    assert _found.gaps([idle(1), node(2)], {"service": set(), "container": {"box"}}, {}) == [
        f"10.0.0.1 could be looked at in part only: {IDLE}", f"container box could not be looked for on 10.0.0.1: {IDLE}"]


def test_a_container_that_is_expected_of_a_client_without_a_daemon_is_missing():
    each = node(1)
    each.found["faultline_host"]["engines"] = {"docker": "docker is a client only here: it has no daemon"}
    assert _found.gaps([each], {"service": set(), "container": {"box"}}, {("container", "box"): ["10.0.0.1"]}) == [
        "container box is not on 10.0.0.1: docker is a client only here: it has no daemon"]


def test_what_could_not_be_seen_stays_as_the_file_says_it():
    written = _found.config([node(1, {"app": PROCESS}), partly(2)], SOURCE)
    assert written["services"]["gone"]["hosts"] == ["10.0.0.2"] and written["services"]["app"]["hosts"] == ["10.0.0.1", "10.0.0.3"]


CONTAINED = {"driver": "docker_container", "args": {"container_name": "nova_api"}, "hosts": ["10.0.0.1", "10.0.0.2", "10.0.0.3"]}
INSIDE = {"driver": "docker_container", "container_name": "nova_api", "engine": "docker", "id": "a" * 64, "active": True, "pids": [7]}


def could_not_tell(number, why="docker ps: no answer"):
    each = node(number, lacking=[why])
    each.found["faultline_unseen"] = {"services": {"nova-api": why}, "containers": {}}
    return each


@pytest.mark.parametrize("others", [
    [could_not_tell(2), node(3, error="timed out")], [node(2, error="timed out"), could_not_tell(3)], [could_not_tell(2)], [],
], ids=["unseen and dead", "dead and unseen", "unseen and not asked", "not asked"])
def test_a_service_in_containers_stays_where_nobody_could_see_it(others):
    source = {**SOURCE, "faultline": {"in_containers": {"nova-api": CONTAINED}}}
    for found, hosts in (({"nova-api": INSIDE}, CONTAINED["hosts"]), ({}, CONTAINED["hosts"][1:])):
        written = _found.config([node(1, found), *others], source)
        assert written["faultline"]["in_containers"] == {"nova-api": {**CONTAINED, "hosts": hosts}}
        assert "partial" not in written["faultline"] or "nova-api" not in written["faultline"]["partial"]["services"], "the file said it before"


def test_where_a_service_in_containers_is_no_more_it_goes():
    written = _found.config([node(1), node(2), node(3)], {**SOURCE, "faultline": {"in_containers": {"nova-api": CONTAINED}}})
    assert "in_containers" not in written["faultline"]


def test_the_file_and_the_notes_say_which_nodes_could_not_tell():
    notes = []
    nodes = [
        node(1, {"mysql": UNIT, "nova-api": INSIDE}, {"nova_api": {"container_name": "nova_api"}}), partly(2, services={}), node(3, error="timed out")]
    nodes[1].found["faultline_unseen"]["services"]["mysql"] = "systemctl told nothing"
    written = _found.config(nodes, SOURCE, notes=notes)
    assert written["services"]["mysql"]["hosts"] == ["10.0.0.1"]
    # what the file said of app and gone before, stays said
    assert written["faultline"]["partial"] == {
        "services": {"mysql": {"10.0.0.2": "systemctl told nothing", "10.0.0.3": "timed out"}, "nova-api": {"10.0.0.3": "timed out"}},
        "containers": {"nova_api": {"10.0.0.3": "timed out"}},
    }
    assert notes == [
        "10.0.0.2: it could not be seen whether it has mysql: systemctl told nothing. The file says so under faultline.partial.",
        "10.0.0.3: it could not be seen whether it has mysql, nova-api, nova_api: timed out. The file says so under faultline.partial.",
    ]
    again = _config.parse(yaml.safe_load(yaml.safe_dump(written)))
    assert again.services["mysql"].unseen == {"n2.example.org": "systemctl told nothing", "10.0.0.3": "timed out"}
    assert again.services["gone"].unseen == {} and again.containers["nova_api"].unseen == {"10.0.0.3": "timed out"}
    assert again.in_containers["nova-api"].unseen == {"10.0.0.3": "timed out"}


def named(number, services=None, error=""):
    return node(number, services, error=error, fqdn=f"n{number}.example.org", name=f"n{number}.example.org")


def test_a_mark_stays_until_the_node_can_tell():
    first = _found.config([named(1, {"mysql": UNIT}), named(2, error="timed out")])
    assert first["faultline"]["partial"] == {"services": {"mysql": {"10.0.0.2": "timed out"}}}
    assert _found.config([named(1, {"mysql": UNIT}), named(2, error="timed out")], first)["faultline"]["partial"] == first["faultline"]["partial"]
    # one that is not asked again keeps its reason
    assert _found.config([named(1, {"mysql": UNIT})], first)["faultline"]["partial"] == first["faultline"]["partial"]
    for services, hosts in (({"mysql": UNIT}, ["10.0.0.1", "10.0.0.2"]), ({}, ["10.0.0.1"])):
        then = _found.config([named(1, {"mysql": UNIT}), named(2, services)], first)
        assert "partial" not in then["faultline"] and then["services"]["mysql"]["hosts"] == hosts


def test_who_is_said_to_run_it_and_could_not_tell_is_no_gap_in_what_is_known():
    source = {**SOURCE, "services": {"gone": {**SOURCE["services"]["gone"], "hosts": ["10.0.0.2"]}}}
    assert "partial" not in (_found.config([node(1), partly(2), node(3)], source).get("faultline") or {})


def test_a_service_without_hosts_is_marked_only_where_it_has_some():
    """Without hosts a file says of nobody that he does not run it."""
    entry = {"driver": "system_service", "args": {"service_name": "gone", "grep": "gone"}}
    source = {**SOURCE, "services": {"gone": entry}}
    written = _found.config([node(1), partly(2), node(3)], source)
    assert written["services"]["gone"] == entry and "partial" not in written["faultline"]
    written = _found.config([node(1, {"gone": {"driver": "process", "grep": "gone"}}), partly(2), node(3)], source)
    assert written["services"]["gone"]["hosts"] == ["10.0.0.1"]
    assert written["faultline"]["partial"] == {"services": {"gone": {"10.0.0.2": "systemctl told nothing"}}}


DEFINED = {"service": {"app", "gone"}, "container": set()}


def test_no_gaps():
    groups = {("service", "app"): ["10.0.0.1"]}
    nodes = [node(1, {"app": {"active": True}, "gone": {}}), node(2)]
    assert _found.gaps(nodes, DEFINED, groups) == []


def test_every_gap_is_told_at_once_by_name():
    groups = {("service", "app"): ["10.0.0.1", "10.0.0.2", "10.0.0.3"], ("container", "nova_api"): []}
    nodes = [node(1), node(2, {"app": {"active": False, "unit": ["app"]}}), node(3, error="timed out"), node(4, error="refused")]
    assert _found.gaps(nodes, {"service": {"app", "gone"}, "container": {"nova_api"}}, groups) == [
        "10.0.0.3 (10.0.0.3) does not answer: timed out",
        "10.0.0.4 (10.0.0.4) does not answer: refused",
        "service app is not on 10.0.0.1",
        "service app is on 10.0.0.2, but does not run (app)",
        "service gone is on none of the nodes that answer",
        "container nova_api is said to be on no node at all",
    ]


def test_the_table_names_nodes_and_services():
    nodes = [node(1, {"mysql": UNIT}), node(2, {"mysql": {**UNIT, "active": False}}), node(3, error="timed out")]
    nodes[0].lacking = ["docker ps: permission denied"]
    assert _found.table(nodes) == [
        "node      address   mac                answers",
        "10.0.0.1  10.0.0.1  aa:bb:cc:dd:ee:01  in part: docker ps: permission denied",
        "10.0.0.2  10.0.0.2  aa:bb:cc:dd:ee:02  yes",
        "10.0.0.3  10.0.0.3  -                  no: timed out",
        "",
        "service  as       hosts",
        "mysql    mariadb  10.0.0.1 10.0.0.2 (down)",
    ]


@pytest.mark.parametrize("look", [{}, {"failed": True, "msg": "x"}, {"unreachable": True}])
def test_no_answer_is_no_answer(look):
    assert _found.seen("a", {}, look).found is None
