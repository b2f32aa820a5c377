# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and command lines as people have them: each stands for a kind, and is read as os-faults 0.1.0 to 0.3.0 reads it, or refused by name."""

from __future__ import annotations

import re

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _catalogue, _config, _config_text, _login

ANCHORS = """
x-login: &login
  username: stack
  private_key_file: ~/.ssh/cloud
  become_password: "p"
cloud_management:
  driver: universal
node_discover:
  driver: node_list
  args:
    - {ip: 192.0.2.11, fqdn: ctl1, auth: *login}
    - ip: 192.0.2.12
      fqdn: ctl2
      auth:
        <<: *login
        username: other
"""
SUDO = """
# 0.1.18: auth.sudo, "deprecated, use become"; and iface inside auth, as its configuration manual shows
cloud_management:
  driver: devstack
  args:
    address: 192.0.2.240
    auth:
      username: ubuntu
      sudo: true
"""
COMMENTS = """{
  # the rack in the cellar
  "cloud_management": {"driver": "universal"},
  "node_discover": {
    "driver": "node_list",
    "args": [
      {"ip": "192.0.2.11", "fqdn": "ctl1"},
      {"ip": "192.0.2.12", "fqdn": "ctl2"},
    ]
  }
}
"""
SINGLE_QUOTES = """{
  'cloud_management': {
    'driver': 'devstack',
    'args': {
      'address': '192.0.2.2',
      'username': 'root'
    }
  }
}
"""
SINGULAR_POWER = """
cloud_management:
  driver: devstack
  args: {address: 192.0.2.10, username: root}
power_management:
  driver: libvirt
  args: {connection_uri: "qemu+unix:///system"}
"""
HEAD = """
cloud_management: {driver: universal}
node_discover: {driver: node_list, args: [{ip: 192.0.2.11, fqdn: ctl1}, {ip: 192.0.2.12, fqdn: ctl2}, {ip: 192.0.2.13, fqdn: ctl3}]}
"""
TWO_NAMES = HEAD + """
services:
  nova-api:
    driver: system_service
    args: {service_name: nova-api, grep: nova-api}
    hosts: [192.0.2.11]
  nova_api:
    driver: process
    args: {grep: nova_api_wsgi}
    hosts: [192.0.2.12, 192.0.2.13]
"""
GREP = HEAD + r"""
services:
  mysql:
    driver: process
    args:
      {grep: 'mysqld\|mariadbd', port: [tcp, 3306], start_cmd: "service mysql start", terminate_cmd: "service mysql stop", restart_cmd: "service mysql restart"}
  worker:
    driver: process
    args: {grep: '[[:space:]]--worker[[:space:]]', start_cmd: "/bin/true"}
  compiler:
    driver: process
    args: {grep: 'g++ -c'}
  star:
    driver: process
    args: {grep: '*nova-api'}
"""
TEMPLATE = HEAD + "services: {nova-compute: {driver: system_service, args: {service_name: 'nova-compute@', grep: nova-compute}}}"
NO_START = HEAD + "services: {app: {driver: process, args: {grep: my_app}, hosts: [192.0.2.11]}}"


def read(text, name="os-faults.yaml"):
    return _config.parse(_config_text.load(text, name, json_as_yaml=True), name)


@pytest.mark.parametrize("text, name, nodes", [
    (ANCHORS, "os-faults.yaml", {"ctl1": "stack", "ctl2": "other"}),
    (SUDO, "os-faults.yaml", {"192.0.2.240": "ubuntu"}),
    (COMMENTS, "os-faults.json", {"ctl1": None, "ctl2": None}),
    (SINGLE_QUOTES, "os-faults.json", {"192.0.2.2": "root"}),
    (SINGULAR_POWER, "os-faults.yaml", {"192.0.2.10": "root"}),
])
def test_what_os_faults_reads_is_read(text, name, nodes):
    assert {node.name: node.auth.get("username") for node in read(text, name).nodes} == nodes


def test_what_such_a_file_says_is_meant():
    one, other = read(ANCHORS).nodes
    assert one.auth == {"username": "stack", "private_key_file": "~/.ssh/cloud", "become_password": "p"} and other.auth == {**one.auth, "username": "other"}
    assert _login.becomes(read(SUDO).nodes[0].auth, "root") and read(SUDO).nodes[0].auth["become_username"] == "root"
    assert read(SINGULAR_POWER).power == [{"driver": "libvirt", "args": {"connection_uri": "qemu+unix:///system"}}]


def test_two_names_of_one_group_are_refused_and_both_named():
    with pytest.raises(FaultlineError) as caught:
        read(TWO_NAMES)
    assert "services.nova_api: found a name again" in caught.value.text and "'service_nova_api' is the group of the service nova-api" in caught.value.text


@pytest.mark.parametrize("name, line, found", [
    ("mysql", "/usr/sbin/mariadbd --x", True), ("mysql", "/usr/sbin/mysqld", True), ("mysql", "mysqld|mariadbd", True),
    ("worker", "app --worker 3", True), ("worker", "app --worker", False), ("compiler", "g++ -c a.cc", True), ("compiler", "gg -c a.cc", False),
    ("star", "x *nova-api", True), ("star", "nova-api", False),
])
def test_a_pattern_of_such_a_file_means_what_grep_means_by_it(name, line, found):
    assert bool(re.search(read(GREP).service_definitions[name]["grep"], line)) is found


def test_a_template_and_a_service_without_a_start_are_read_as_they_are():
    """What is the matter with them is said by who looks (test_probe), and by who plans (test_step)."""
    assert read(TEMPLATE).service_definitions["nova-compute"]["unit"] == ["nova-compute@"]
    assert read(NO_START).service_definitions["app"] == {"driver": "process", "grep": "my_app"}


@pytest.mark.parametrize("name", ["all", "ungrouped", "unprobed", "service_app"])
def test_a_node_that_is_named_as_a_group_is_refused_by_name(name):
    with pytest.raises(FaultlineError, match=f"found a node named '{name}', expected a name that no group has"):
        read(NO_START.replace("fqdn: ctl1", f"fqdn: {name}"))


def test_a_node_that_is_called_localhost_is_a_node():
    assert read(NO_START.replace("fqdn: ctl1", "fqdn: localhost")).services["app"].hosts == ["localhost"]


LINES = """\
keystone|(wsgi:keystone- -DFOREGROUND
keystone|(wsgi:keystone-ad -k start
heat-api|(wsgi:heat-api)   -k start
heat-api-cfn|(wsgi:heat-api- -DFOREGROUND
nova-api-metadata|(wsgi:nova-api-me -k start
nova-api-metadata|(wsgi:nova-metada -k start
placement-api|(wsgi:placement -DFOREGROUND
aodh-api|(wsgi:aodh-api)   -k start
nova-api|/usr/bin/python3 /usr/bin/nova-api --config-file=/etc/nova/nova.conf
nova-api-metadata|/usr/bin/python3 /usr/bin/nova-api-metadata
keystone|keystoneuWSGI worker 2
neutron-server|neutron-server: rpc worker
nova-conductor|/usr/bin/python3 /usr/bin/nova-conductor
mysql|/usr/libexec/mysqld --basedir=/usr
rabbitmq|/usr/lib/erlang/erts-13.1.5/bin/beam.smp -W w -- -root /usr/lib/erlang -bindir /usr/lib/erlang/bin -progname erl \
-- -home /var/lib/rabbitmq -- -pa -noshell -s rabbit boot
-|haproxy -f /var/lib/neutron/ns-metadata-proxy/0d2f.conf
memcached|/usr/bin/memcached -m 64 -p 11211 -u memcache -l 127.0.0.1
-|/usr/sbin/virtlogd
redis|/usr/bin/redis-server 127.0.0.1:6379
-|/usr/bin/redis-sentinel *:26379 [sentinel]
-|tail -F /var/log/nova/nova-api.log
-|/usr/bin/python3 /usr/bin/nova-manage cell_v2 nova-api
openvswitch|ovs-vswitchd unix:/var/run/openvswitch/db.sock -vconsole:emer
cinder-volume|/usr/bin/python3 /usr/bin/cinder-volume --config-file /etc/cinder/cinder.conf
octavia-health-manager|/usr/bin/python3 /usr/bin/octavia-health-manager
"""


@pytest.mark.parametrize("name, line", [each.split("|", 1) for each in LINES.splitlines()])
def test_a_command_line_is_that_of_one_service(name, line):
    assert {known for known, each in _catalogue.services().items() if re.search(each["grep"], line)} == {name} - {"-"}
