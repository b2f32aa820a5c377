# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The built-in catalogue, and the names of the cloud model."""

from __future__ import annotations

import collections
import re

import pytest

from ansible_collections.faultline.openstack.plugins.plugin_utils import _catalogue
from ansible_collections.faultline.openstack.plugins.plugin_utils._model import group_name, merge_definitions, plain
from ansible_collections.faultline.openstack.plugins.module_utils._nearest import did_you_mean, nearest

SERVICES = _catalogue.services()


def test_no_unit_belongs_to_two_services():
    """All loaded candidates of a service count, so a shared one would be hit with the wrong service; but whoever names a whole means its parts."""
    parts = {part for parts in _catalogue.PARTS.values() for part in parts}
    counted = collections.Counter(unit for name, each in SERVICES.items() if name not in parts for unit in each["unit"])
    assert [unit for unit, number in counted.items() if number > 1] == []


def test_a_whole_is_more_than_each_of_its_parts():
    for whole, parts in _catalogue.PARTS.items():
        units = [unit for part in parts for unit in SERVICES[part]["unit"]]
        assert len(units) == len(set(units)) and set(units) < set(SERVICES[whole]["unit"])


def test_every_definition_has_its_shape():
    for name, each in SERVICES.items():
        assert each["driver"] == "system_service" and each["unit"], name
        re.compile(each["grep"])
        ports = each.get("port", [])
        for protocol, port in [ports] if ports and isinstance(ports[0], str) else ports:
            assert protocol == "tcp" and 0 < port < 65536, name
    for name, each in _catalogue.containers().items():
        assert each == {"driver": "docker_container", "container_name": name}


def test_a_copy_is_fresh():
    _catalogue.services()["mysql"]["unit"].append("x")
    assert "x" not in _catalogue.services()["mysql"]["unit"]


# Units of DevStack, of Debian and Ubuntu, of RDO.
@pytest.mark.parametrize(
    ("service", "units"),
    [
        ("cinder-api", "devstack@c-api cinder-api openstack-cinder-api"),
        ("cinder-scheduler", "devstack@c-sch cinder-scheduler openstack-cinder-scheduler"),
        ("cinder-volume", "devstack@c-vol cinder-volume openstack-cinder-volume"),
        ("etcd", "devstack@etcd etcd"),
        ("glance-api", "devstack@g-api glance-api openstack-glance-api"),
        ("heat-api", "devstack@h-api heat-api openstack-heat-api"),
        ("heat-engine", "devstack@h-eng heat-engine openstack-heat-engine"),
        ("keystone", "devstack@keystone keystone"),
        ("memcached", "memcached"),
        ("mysql", "mariadb mysql mysqld"),
        ("neutron-dhcp-agent", "devstack@q-dhcp neutron-dhcp-agent"),
        ("neutron-l3-agent", "devstack@q-l3 neutron-l3-agent"),
        ("neutron-meta-agent", "devstack@q-meta neutron-metadata-agent"),
        ("neutron-openvswitch-agent", "devstack@q-agt neutron-openvswitch-agent"),
        ("neutron-server", "devstack@q-svc devstack@neutron-api devstack@neutron-rpc-server neutron-server neutron-api neutron-rpc-server"),
        ("nova-api", "devstack@n-api nova-api openstack-nova-api"),
        ("nova-compute", "devstack@n-cpu nova-compute openstack-nova-compute"),
        ("nova-scheduler", "devstack@n-sch nova-scheduler openstack-nova-scheduler"),
        ("placement-api", "devstack@placement-api placement-api openstack-placement-api"),
        ("rabbitmq", "rabbitmq-server"),
    ],
)
def test_the_services_of_os_faults_devstack_on_all_deployments(service, units):
    assert service in _catalogue.DEVSTACK
    assert set(units.split()) <= set(SERVICES[service]["unit"])


def test_os_faults_knows_twenty():
    assert len(_catalogue.DEVSTACK) == 20


# What `ps` shows of a service, and which services' patterns match it: exactly those.
@pytest.mark.parametrize(
    ("line", "services"),
    [
        ("/usr/bin/python3 /usr/bin/nova-api --config-file=/etc/nova/nova.conf", {"nova-api"}),
        ("nova-apiuWSGI worker 1", {"nova-api"}),
        ("nova-api-metauWSGI master", {"nova-api-metadata"}),
        ("(wsgi:nova-api -DFOREGROUND", {"nova-api"}),
        # cut after 15 and after 17 characters
        ("(wsgi:heat-api)   -k start", {"heat-api"}),
        ("(wsgi:heat-api- -DFOREGROUND", {"heat-api-cfn"}),
        ("(wsgi:heat-api-cf -k start", {"heat-api-cfn"}),
        ("(wsgi:nova-api-me -k start", {"nova-api-metadata"}),
        ("(wsgi:nova-metada -k start", {"nova-api-metadata"}),
        ("(wsgi:keystone-ad -k start", {"keystone"}),
        ("(wsgi:keystone-so -k start", set()),
        ("/usr/bin/uwsgi_python3 --http-socket [::]:8774 --ini /etc/nova/nova-api-uwsgi.ini --lazy", {"nova-api"}),
        ("/usr/bin/uwsgi_python3 --ini /etc/keystone/keystone-uwsgi.ini --pyargv --config-dir=/etc/keystone", {"keystone"}),
        ("keystoneuWSGI worker 2", {"keystone"}),
        ("(wsgi:keystone-pu -k start", {"keystone"}),
        ("placementuWSGI worker 1", {"placement-api"}),
        ("glance-apiuWSGI worker 1", {"glance-api"}),
        ("(wsgi:horizon    -DFOREGROUND", {"horizon"}),
        ("/usr/sbin/apache2 -k start", {"apache"}),
        ("/usr/sbin/httpd -DFOREGROUND", {"apache"}),
        ("neutron-server: api worker (/usr/bin/python3 /usr/bin/neutron-server --config-file x)", {"neutron-server"}),
        ("neutron-server: rpc worker", {"neutron-server"}),
        ("/usr/bin/python3 /usr/bin/neutron-rpc-server --config-file=/etc/neutron/neutron.conf", {"neutron-server", "neutron-rpc-server"}),
        ("/opt/stack/data/venv/bin/python3 /opt/stack/data/venv/bin/neutron-periodic-workers --config-file x", {"neutron-server", "neutron-periodic-workers"}),
        ("neutron-apiuWSGI worker 1", {"neutron-server", "neutron-api"}),
        ("/usr/bin/uwsgi_python3 --http-socket 10.0.0.1:9696 --ini /etc/neutron/neutron-api-uwsgi.ini", {"neutron-server", "neutron-api"}),
        ("/usr/bin/uwsgi_python3 --http-socket 10.0.0.1:8775 --ini /etc/nova/nova-api-metadata-uwsgi.ini", {"nova-api-metadata"}),
        ("/usr/bin/uwsgi_python3 --http-socket 10.0.0.1:8778 --ini /etc/placement/placement-api-uwsgi.ini", {"placement-api"}),
        ("/usr/bin/python3 /usr/bin/neutron-linuxbridge-agent --config-file=/etc/neutron/neutron.conf", {"neutron-linuxbridge-agent"}),
        ("/usr/bin/python3 /usr/bin/neutron-dhcp-agent --config-file=/etc/neutron/neutron.conf", {"neutron-dhcp-agent"}),
        ("/usr/bin/python3 /usr/bin/neutron-keepalived-state-change --router_id=x --namespace=qrouter-x", set()),
        ("dnsmasq --no-hosts --pid-file=/var/lib/neutron/dhcp/x/pid", set()),
        ("neutron-l3-agent (/usr/bin/python3 /usr/bin/neutron-l3-agent --config-file x)", {"neutron-l3-agent"}),
        ("/usr/bin/python3 /usr/bin/neutron-metadata-agent --config-file x", {"neutron-meta-agent"}),
        ("/usr/bin/python3 /usr/bin/nova-compute --config-file=/etc/nova/nova.conf", {"nova-compute"}),
        ("/usr/bin/python3.9 /usr/bin/ceilometer-polling --polling-namespaces compute --logfile x", {"ceilometer-agent-compute"}),
        ("/usr/sbin/mariadbd --wsrep_start_position=x", {"mysql"}),
        ("/usr/sbin/mysqld --basedir=/usr", {"mysql"}),
        ("/usr/bin/erl/bin/beam.smp -W w -- -home /var/lib/rabbitmq -- -s rabbit boot", {"rabbitmq"}),
        ("/usr/bin/memcached -m 64 -p 11211", {"memcached"}),
        ("/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg", {"haproxy"}),
        ("haproxy -f /var/lib/neutron/ns-metadata-proxy/a.conf", set()),
        ("keepalived -P -f /var/lib/neutron/ha_confs/a/keepalived.conf -p x", set()),
        ("ovsdb-server /etc/openvswitch/conf.db -vconsole:emer --remote=punix:/var/run/openvswitch/db.sock", {"openvswitch"}),
        ("ovsdb-server -vconsole:off --remote=punix:/var/run/ovn/ovnnb_db.sock /var/lib/ovn/ovnnb_db.db", {"ovn-nb-db"}),
        ("tail -f /var/log/nova/nova-api.log", set()),
        ("vim /etc/keystone/keystone.conf", set()),
        ("grep nova-api-metadata x", set()),
    ],
)
def test_a_pattern_finds_its_service_and_no_other(line, services):
    assert {name for name, each in SERVICES.items() if re.search(each["grep"], line)} == services


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("mysql", ["/usr/sbin/mariadbd", "/usr/sbin/mysqld --x"]),
        ("neutron-server", ["x/neutron-server y", "x/neutron-rpc-server", "neutron-apiuWSGI worker", "x/neutron-periodic-workers"]),
        ("apache", ["/usr/sbin/apache2 -k start", "/usr/sbin/httpd -D"]),
        ("libvirt", ["/usr/sbin/libvirtd", "/usr/sbin/virtqemud"]),
        ("nova-api", ["/usr/bin/nova-api"]),
    ],
)
def test_patterns_for_grep_mean_the_same_to_grep_and_to_python(name, lines):
    pattern = _catalogue.plain_grep(name)
    assert not set("(|+?{\\") & set(pattern), "not the same in basic regular expressions"
    for line in lines:
        assert re.search(pattern, line)


def test_every_pattern_for_grep_is_a_basic_one():
    for name in SERVICES:
        assert not set("(|+?{\\") & set(_catalogue.plain_grep(name)), name
    assert _catalogue.plain_grep("our-own") == ""


def test_aliases_lead_to_services():
    assert set(_catalogue.ALIASES.values()) <= set(SERVICES)
    assert not set(_catalogue.ALIASES) & set(SERVICES)
    assert set(_catalogue.CONTAINER_ALIASES.values()) <= set(_catalogue.containers())


@pytest.mark.parametrize(
    ("name", "group"),
    [("nova-api", "service_nova_api"), ("Nova.API v2", "service_nova_api_v2"), ("a_b", "service_a_b"), ("é", "service__")],
)
def test_the_name_of_a_group(name, group):
    assert group_name("service", name) == group


def test_a_definition_is_replaced_as_a_whole():
    merged = merge_definitions({"a": {"unit": ["x"], "grep": "x"}, "b": {}}, {"a": {"grep": "y"}}, None)
    assert merged == {"a": {"grep": "y"}, "b": {}}


def test_plain_data_is_plain():
    class Text(str):
        pass

    data = plain({Text("a"): (Text("b"), True, None, 1, 1.5)})
    assert data == {"a": ["b", True, None, 1, 1.5]}
    assert not isinstance(data["a"][0], Text) and not isinstance(next(iter(data)), Text)


@pytest.mark.parametrize(
    ("word", "known", "first"),
    [
        ("nova-ap", ["nova-api", "glance-api"], "nova-api"),
        ("KEYSTON", ["keystone"], "keystone"),
        ("openvswitch", ["neutron-openvswitch-agent", "nova-api"], "neutron-openvswitch-agent"),
        ("zzz", ["nova-api"], None),
        ("", ["nova-api"], None),
    ],
)
def test_the_nearest_name(word, known, first):
    assert (nearest(word, known) or [None])[0] == first


def test_did_you_mean():
    assert did_you_mean("usrname", ["username", "password"]) == "Did you mean username?"
    assert did_you_mean("nova", ["nova-api", "nova-compute"]) == "Did you mean nova-api or nova-compute?"
    assert did_you_mean("q", ["nova-api"]) == ""
