# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os-faults files as a cloud model, and what is said of bad ones."""

from __future__ import annotations

import json
import re
import shlex

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _config, _config_form, _config_text, _login

SECRET = "hunter2-S3cr3t"

UNIVERSAL = """
cloud_management:
  driver: universal
node_discover:
  driver: node_list
  args:
    - ip: 10.0.0.11
      fqdn: ctl1.example.org
      mac: 52:54:00:12:34:56
      libvirt_name: vm-ctl1
      auth: {username: stack, private_key_file: cloud_key, become_password: secret, jump: {host: 192.0.2.1}}
    - ip: 10.0.0.12
      auth: {username: root, password: secret}
services:
  nova-api:
    driver: system_service
    args: {service_name: devstack@n-api, grep: nova-api, port: [tcp, 8774]}
    hosts: [10.0.0.11, ctl1.example.org, 10.0.0.12]
  app:
    driver: process
    args: {grep: my_app, start_cmd: /bin/app, terminate_cmd: /bin/stop, restart_cmd: /bin/again, port: [udp, 53, egress]}
containers:
  neutron_api:
    driver: docker_container
    args: {container_name: neutron_api}
    hosts: [10.0.0.12]
power_managements:
  - driver: libvirt
    args: {connection_uri: qemu+unix:///system}
  - driver: ipmi
    args:
      mac_to_bmc:
        "52:54:00:12:34:56": {address: 10.9.0.1, username: admin, password: secret}
  - driver: redfish
    args:
      fqdn_to_bmc:
        ctl1: {address: "https://10.9.0.1:8443", username: admin, password: secret, system: node-1, verify: false}
  - {driver: openstack, args: {cloud: undercloud}}
"""


def parsed(text, name="os-faults.yaml"):
    return _config.parse(_config_text.load(text, name), name)


def refused(text, name="os-faults.yaml"):
    with pytest.raises(FaultlineError) as caught:
        parsed(text, name)
    return caught.value.text


def test_a_universal_file():
    cloud = parsed(UNIVERSAL)
    first, second = cloud.nodes
    assert (first.name, first.ip, first.mac, first.libvirt_name) == (
        "ctl1.example.org", "10.0.0.11", "52:54:00:12:34:56", "vm-ctl1",
    )
    assert second.name == "10.0.0.12"
    assert cloud.service_definitions == {
        "nova-api": {"driver": "system_service", "unit": ["devstack@n-api"], "grep": "nova-api", "port": ["tcp", 8774]},
        "app": {
            "driver": "process", "grep": "my_app", "start_cmd": "/bin/app", "terminate_cmd": "/bin/stop",
            "restart_cmd": "/bin/again", "port": ["udp", 53, "egress"],
        },
    }
    assert cloud.services["nova-api"].hosts == ["ctl1.example.org", "10.0.0.12"]
    assert cloud.services["app"].hosts is None
    assert cloud.container_definitions == {"neutron_api": {"driver": "docker_container", "container_name": "neutron_api"}}
    assert cloud.containers["neutron_api"].hosts == ["10.0.0.12"]
    assert [power["driver"] for power in cloud.power] == ["libvirt", "ipmi", "redfish", "openstack"]


def test_json_is_the_same():
    as_json = json.dumps(yaml.safe_load(UNIVERSAL.replace("mac: 52:54:00:12:34:56", "mac: '52:54:00:12:34:56'")), indent="\t")
    assert parsed(as_json, "os-faults.json") == parsed(UNIVERSAL)


AUTH = "{username: ubuntu, password: pw, private_key_file: ~/.ssh/devstack}"
FLAT = "username: ubuntu, password: pw, private_key_file: ~/.ssh/devstack"


@pytest.mark.parametrize("how", [f"auth: {AUTH}", FLAT], ids=["auth", "flat"])
@pytest.mark.parametrize("driver", ["devstack", "devstack_systemd"])
def test_devstack_takes_both_forms_of_auth(driver, how):
    cloud = parsed(f"cloud_management: {{driver: {driver}, args: {{address: 192.0.2.5, {how}, iface: enp0s8}}}}")
    (node,) = cloud.nodes
    assert node.name == "192.0.2.5"
    assert node.auth == {"username": "ubuntu", "password": "pw", "private_key_file": "~/.ssh/devstack"}
    assert (cloud.driver, cloud.iface) == ("devstack", "enp0s8")


def test_devstack_of_older_releases_has_more_nodes():
    cloud = parsed("cloud_management: {driver: devstack, args: {address: a1, username: u, slaves: [a2, a3], serial: 5}}")
    assert [(node.ip, node.auth) for node in cloud.nodes] == [(ip, {"username": "u"}) for ip in ("a1", "a2", "a3")]
    assert cloud.iface == "eth0"


def test_universal_of_older_releases_has_one_node():
    (node,) = parsed("cloud_management: {driver: universal, args: {address: a1, auth: {username: u, become: true}}}").nodes
    assert node.auth == {"username": "u", "become": True}


def test_a_discovered_file_of_os_faults():
    """`os-faults discover` writes empty names, and keeps the driver of the cloud."""
    text = """
cloud_management: {driver: devstack, args: {address: 10.0.0.2, auth: {username: stack, password: pw, jump: {host: j}}}}
node_discover:
  driver: node_list
  args:
    - {fqdn: '', ip: 10.0.0.2, mac: '09:7b:74:90:63:c1'}
    - {fqdn: null, ip: 10.0.0.3, mac: '', auth: {username: root}}
services: {mysql: {driver: system_service, args: {grep: mysqld, service_name: mariadb, port: [tcp, 3307]}}}
"""
    first, second = parsed(text).nodes
    assert first.name == "10.0.0.2" and first.auth["username"] == "stack" and first.auth["jump"] == {"host": "j"}
    # A node's own auth comes first; where it has one, the way to it is its own, too.
    assert second.auth == {"username": "root", "password": "pw", "jump": None}
    assert parsed(text).service_definitions["mysql"]["unit"] == ["mariadb", "mysql"]


@pytest.mark.parametrize(
    ("driver", "args", "expected"),
    [
        ("linux_service", {"linux_service": "app"}, {"driver": "linux_service", "unit": ["app"]}),
        ("systemd_service", {"systemd_service": "app"}, {"driver": "system_service", "unit": ["app"]}),
        ("salt_service", {"salt_service": "app"}, {"driver": "salt_service", "salt_service": "app"}),
        ("pcs_service", {"pcs_service": "p_app"}, {"driver": "pcs_service", "pcs_service": "p_app"}),
        (
            "pcs_or_linux_service",
            {"pcs_service": "p_app", "linux_service": "app"},
            {"driver": "pcs_or_linux_service", "pcs_service": "p_app", "linux_service": "app"},
        ),
        ("screen", {"window_name": "g-api"}, {"driver": "process"}),
        (
            "system_service",
            {"service_name": "devstack@q-svc"},
            {
                "driver": "system_service",
                "unit": [
                    "devstack@q-svc", "devstack@neutron-api", "devstack@neutron-rpc-server",
                    "devstack@neutron-periodic-workers",
                ],
            },
        ),
    ],
)
def test_every_service_driver(driver, args, expected):
    definition = _config.service_definition(driver, {**args, "grep": "x"})
    assert definition == {**expected, "grep": "x"}
    data = {
        "cloud_management": {"driver": "universal", "args": {"address": "a"}},
        "services": {"app": {"driver": driver, "args": {**args, "grep": "x"}}},
    }
    assert _config.parse(data).service_definitions["app"] == definition


def test_our_own_section_is_for_what_os_faults_has_no_words_for():
    cloud = parsed(
        UNIVERSAL + "faultline: {networks: {storage: 10.1.0.5/24, public: {interface: br-ex}}, units: {nova-api: [a, b]}}"
    )
    assert cloud.networks == {"storage": {"cidr": "10.1.0.0/24"}, "public": {"interface": "br-ex"}}
    assert cloud.service_definitions["nova-api"]["unit"] == ["a", "b"]


ONE = "cloud_management: {driver: universal}\nnode_discover: {driver: node_list, args: [{ip: 10.0.0.1%s}]}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["os-faults.yaml: the file is empty"]),
        ("- 1", ["the file: found a list, expected a mapping with cloud_management"]),
        ("services: {}", ["cloud_management: found nothing, expected a mapping with driver and args"]),
        (
            ONE % ", auth: {usrname: u}",
            ["os-faults.yaml: node_discover.args[0].auth.usrname: found an unknown key, expected username,", "Did you mean username?"],
        ),
        ("cloud_managment: {driver: universal}", ["cloud_managment: found an unknown key", "Did you mean cloud_management?"]),
        ("cloud_management: {driver: univrsal}", ["cloud_management.driver: found 'univrsal'", "Did you mean universal?"]),
        ("cloud_management: {driver: tcpcloud}", ["found 'tcpcloud'", "list the nodes under node_discover"]),
        ("cloud_management: {driver: universal}", ["node_discover: found nothing"]),
        ("cloud_management: {driver: devstack, args: {iface: e}}", ["cloud_management.args.address: found nothing"]),
        (
            "cloud_management: {driver: devstack, args: {address: a, auth: {username: u}, username: u}}",
            ["cloud_management.args.username: found username beside auth", "Move it into cloud_management.args.auth."],
        ),
        (ONE % ", mac: 1234", ["node_discover.args[0].mac: found a number, expected a MAC address", "quotes"]),
        (ONE % ", mac: aa-bb", ["args[0].mac: found 'aa-bb', expected a MAC address such as 52:54:00:12:34:56"]),
        (ONE % ", fqdn: 'a b'", ["args[0].fqdn: found 'a b', expected a host name"]),
        (ONE % ", fqdn: '-oProxyCommand=x'", ["args[0].fqdn: found", "expected a host name"]),
        (ONE % "}, {ip: 10.0.0.1", ["node_discover.args[1]: found '10.0.0.1' again", "node_discover.args[0] has that already"]),
        (ONE % "}, {ipp: 10.0.0.2", ["node_discover.args[1].ipp: found an unknown key", "Did you mean ip?"]),
        (ONE % "" + "services: {a: {driver: process}}", ["services.a.args: found nothing"]),
        (ONE % "" + "services: {a: {driver: process, args: {}}}", ["services.a.args.grep: found nothing, expected a pattern"]),
        (ONE % "" + "services: {a: {driver: process, args: {grep: '\\(a'}}}", ["services.a.args.grep: found '\\(a' (\\( is not closed)"]),
        (
            ONE % "" + "services: {a: {driver: process, args: {grep: a, port: [tcp, 70000]}}}",
            ["services.a.args.port: found ['tcp', 70000], expected a pair such as [tcp, 3306]"],
        ),
        (
            ONE % "" + "services: {a: {driver: process, args: {grep: a, port: [tcp, 7000, inbound]}}}",
            ["services.a.args.port: found ['tcp', 7000, 'inbound'], expected a pair such as [tcp, 3306], or with a direction, ingress or egress"],
        ),
        (
            ONE % "" + "services: {a: {driver: system_service, args: {servicename: x, grep: a}}}",
            ["services.a.args.servicename: found an unknown key", "Did you mean service_name?"],
        ),
        (
            ONE % "" + "services: {a: {driver: system_service, args: {service_name: '-H evil', grep: a}}}",
            ["services.a.args.service_name: found '-H evil'"],
        ),
        (
            ONE % "" + "services: {a: {driver: process, args: {grep: a}, hosts: [10.0.0.2]}}",
            ["services.a.hosts[0]: found '10.0.0.2', expected the ip of a node: 10.0.0.1", "Did you mean 10.0.0.1?"],
        ),
        (ONE % "" + "services: {a: {driver: process, args: {grep: a}, hosts: []}}", ["services.a.hosts: found an empty list"]),
        (ONE % "" + "containers: {a: {driver: docker, args: {}}}", ["containers.a.driver: found 'docker', expected docker_container"]),
        (ONE % "" + "power_managements: {driver: libvirt}", ["power_managements: found a mapping, expected a list of power"]),
        (
            ONE % "" + "power_managements: [{driver: ipmi, args: {mac_to_bmc: {'52:54:00:00:00:01': {address: a}}}}]",
            ['power_managements[0].args.mac_to_bmc."52:54:00:00:00:01".username: found nothing'],
        ),
        (
            ONE % "" + "power_managements: [{driver: ipmi, args: {fqdn_to_bmc: {a: {address: a, username: b, password: c, port: 0}}}}]",
            ["power_managements[0].args.fqdn_to_bmc.a.port: found 0, expected a port"],
        ),
        (ONE % "" + "power_managements: [{driver: ilo, args: {}}]", ["power_managements[0].driver: found 'ilo', expected libvirt, ipmi, redfish"]),
        (ONE % "" + "faultline: {networks: {a: nowhere}}", ["faultline.networks.a: found 'nowhere'"]),
        (ONE % "" + "faultline: {units: {a: [b]}}", ["faultline.units.a: found no such service"]),
        (
            ONE % "" + "services: {nova-api: {driver: process, args: {grep: a}}, Nova_API: {driver: process, args: {grep: b}}}",
            ["services.Nova_API: found a name again", "'service_nova_api' is the group of the service nova-api"],
        ),
        (
            ONE % "" + "services: {a.b: {driver: process, args: {grep: a}}}\n"
            "faultline: {in_containers: {a-b: {driver: docker_container, args: {container_name: c}}}}",
            ["faultline.in_containers.a-b: found a name again"],
        ),
        (ONE % ", fqdn: all", ["node_discover.args[0]: found a node named 'all', expected a name that no group has"]),
        (ONE % ", fqdn: service_a" + "services: {a: {driver: process, args: {grep: a}}}", ["'service_a' is the group of the service a"]),
        (ONE % "" + "power_management: {driver: ilo, args: {}}", ["power_managements[0].driver: found 'ilo'"]),
        (ONE % "" + "service: {}", ["service: found an unknown key", "Did you mean services?"]),
        (ONE % ", auth: {sudo: true, become: true}", ["node_discover.args[0].auth.sudo: found sudo beside become"]),
        ("cloud_management: {driver: devstack, args: {address: a, iface: eth0, auth: {iface: eth1}}}", ["auth.iface: found 'eth1', expected 'eth0'"]),
        ("a: 1\na: 2\n", ["line 2, column 1: the key a is there twice"]),
        ("a: [1\n", ["this is not YAML"]),
        ("a:\n\t- 1", ["this is not YAML", "tab"]),
    ],
)
def test_a_bad_file_is_told_where_and_how(text, said):
    told = refused(text)
    for part in said:
        assert part in told


def test_what_os_faults_of_old_takes():
    cloud = parsed(ONE % "" + "power_management: {driver: libvirt, args: {connection_uri: 'qemu+unix:///system'}}")
    assert cloud.power == [{"driver": "libvirt", "args": {"connection_uri": "qemu+unix:///system"}}]
    cloud = parsed("cloud_management: {driver: devstack, args: {address: 192.0.2.240, auth: {username: ubuntu, sudo: true, iface: ens3}}}")
    assert cloud.nodes[0].auth == {"username": "ubuntu", "become_username": "root"} and cloud.iface == "ens3"
    assert _login.becomes(parsed(ONE % ", auth: {username: ubuntu, sudo: false}").nodes[0].auth, "root") is False


def test_keys_that_os_faults_passes_over_are_told():
    cloud = parsed("x-login: &login {username: stack}\nwords: []\n" + ONE % ", auth: *login")
    assert cloud.nodes[0].auth == {"username": "stack"} and cloud.passed_over == ["x-login", "words"]


@pytest.mark.parametrize("text", [
    "{\n  # the rack in the cellar\n  'cloud_management': {'driver': 'universal'},\n  \"node_discover\": "
    "{'driver': 'node_list', 'args': [{'ip': '10.0.0.1'},]},\n}",
])
def test_json_that_only_yaml_understands_is_read_where_os_faults_reads_it(text):
    data = _config_text.load(text, "os-faults.json", json_as_yaml=True)
    assert [node.ip for node in _config.parse(data).nodes] == ["10.0.0.1"]
    with pytest.raises(FaultlineError, match="not JSON"):
        _config_text.load(text, "os-faults.json")
    # what is neither is told as what its name says
    with pytest.raises(FaultlineError, match="line 1, column 8: this is not JSON"):
        _config_text.load('{"a": 1', "os-faults.json", json_as_yaml=True)


@pytest.mark.parametrize("grep, line, found", [
    (r"mysqld\|mariadbd", "/usr/sbin/mariadbd --basedir=/usr", True), ("mysqld|mariadbd", "/usr/sbin/mariadbd", False),
    ("[[:space:]]--worker[[:space:]]", "app --worker 3", True), ("g++ -c", "g++ -c main.cc", True), ("*nova-api", "x*nova-api", True),
])
def test_a_pattern_means_what_grep_means_by_it(grep, line, found):
    cloud = parsed(ONE % "" + f"services: {{a: {{driver: process, args: {{grep: '{grep}'}}}}}}")
    assert bool(re.search(cloud.service_definitions["a"]["grep"], line)) is found


def test_bad_json_is_told_where():
    assert "os-faults.json: line 1, column 8: this is not JSON" in refused('{"a": 1', "os-faults.json")
    assert "the key a is there twice" in refused('{"a": 1, "a": 2}', "os-faults.json")


def test_all_problems_are_told_at_once():
    told = refused(ONE % ", mac: x, auth: {usrname: u}" + "services: {a: {driver: proces}}")
    assert "3 problems" in told
    for path in ("node_discover.args[0].mac", "node_discover.args[0].auth.usrname", "services.a.driver"):
        assert path in told


@pytest.mark.parametrize(
    "auth",
    [
        f"{{username: u, password: [{SECRET}]}}",
        f"{{username: u, password: {{{SECRET}: 1}}}}",
        f"{{username: u, pasword: {SECRET}}}",
        f"{{username: 'u:{SECRET}'}}",
        f"'root:{SECRET}'",
        f"[{SECRET}]",
        f"{{username: u, become_password: {{a: {SECRET}}}}}",
        f"{{jump: {SECRET}}}",
        f"{{jump: {{host: 'u:{SECRET}@h'}}}}",
        f"{{username: u, private_key_file: [{SECRET}]}}",
    ],
)
def test_no_secret_is_told(auth):
    assert SECRET not in refused(ONE % f", auth: {auth}, mac: bad")


@pytest.mark.parametrize(
    "line",
    [f"password: *{SECRET}", f"password: !{SECRET} x", f'password: "{SECRET}\\q"', f"password: {SECRET}: x", f"password: '{SECRET}"],
)
def test_no_secret_is_told_of_broken_yaml(line):
    told = refused(f"cloud_management:\n  driver: devstack\n  args:\n    {line}\n")
    assert SECRET not in told
    assert "this is not YAML" in told


def test_a_number_as_password_is_not_told():
    told = refused(ONE % ", auth: {password: 20991231}")
    assert "20991231" not in told and "auth.password: found a number, expected text (not shown). Put it in quotes." in told


_SHAPES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from([*_config_form.SECTIONS, "driver", "args", "auth", "ip", "hosts", "grep", "port"]), st.text(max_size=5)
            ),
            inner, max_size=4,
        ),
    ),
    max_leaves=20,
)


@settings(max_examples=150)
@given(_SHAPES)
def test_whatever_the_file_says_there_is_a_model_or_our_own_error(data):
    try:
        _config.parse(data)
    except FaultlineError as exc:
        assert exc.code == "bad_config"


# -- the way to a node ------------------------------------------------------------------------------------------------


def variables(auth, user="root", checking=None):
    return _login.connection_variables(_config.Node("10.0.0.1", auth=auth), user, checking)


@pytest.mark.parametrize(
    ("auth", "user", "become"),
    [
        ({"username": "root"}, "alice", None),
        ({"username": "stack"}, "root", True),
        ({}, "root", None),
        ({}, "alice", True),
        ({"username": "stack", "become": False}, "root", False),
        ({"username": "root", "become_username": "nova"}, "root", True),
    ],
)
def test_root_is_become_where_the_login_is_not_root(auth, user, become):
    assert variables(auth, user).get("ansible_become") is become


def test_connection_variables():
    assert variables(
        {
            "username": "stack", "password": "pw", "private_key_file": "keys/id", "become_username": "root",
            "become_password": "bp", "become_method": "su",
        }
    ) == {
        "ansible_host": "10.0.0.1", "ansible_user": "stack", "ansible_password": "pw", "ansible_become": True,
        "ansible_ssh_private_key_file": "keys/id", "ansible_become_user": "root", "ansible_become_password": "bp",
        "ansible_become_method": "su",
    }


def test_a_home_is_found_for_a_key(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert variables({"private_key_file": "~/key"})["ansible_ssh_private_key_file"] == "/home/me/key"


@pytest.mark.parametrize(
    ("jump", "expected"),
    [
        ({"host": "j"}, ["-o", "ProxyJump=stack@j"]),
        ({"host": "j", "username": "u"}, ["-o", "ProxyJump=u@j"]),
        ({"host": "fe80::1"}, ["-o", "ProxyJump=stack@[fe80::1]"]),
        (
            {"host": "j", "username": "u", "private_key_file": "/k"},
            ["-o", "ProxyCommand=ssh -i /k -W %h:%p u@j"],
        ),
        (
            {"host": "j", "username": "u", "private_key_file": "/my keys/50% 'x'; rm -rf"},
            ["-o", "ProxyCommand=ssh -i '/my keys/50%% '\"'\"'x'\"'\"'; rm -rf' -W %h:%p u@j"],
        ),
    ],
)
def test_the_way_through_a_jump_host(jump, expected):
    told = variables({"username": "stack", "jump": jump})["ansible_ssh_common_args"]
    assert shlex.split(told) == expected


def test_host_keys_are_checked_unless_the_user_says_otherwise():
    auth = {"username": "root", "jump": {"host": "j"}}
    assert "ansible_host_key_checking" not in variables(auth)
    assert "StrictHostKeyChecking" not in str(variables(auth))
    unchecked = variables(auth, checking=False)
    assert unchecked["ansible_host_key_checking"] is False
    assert "-o StrictHostKeyChecking=no" in unchecked["ansible_ssh_common_args"]


@pytest.mark.parametrize(
    ("jump", "expected"),
    [
        (None, ["-o", 'UserKnownHostsFile="/my lab/known_hosts"']),
        (
            {"host": "j"},
            [
                "-o", 'UserKnownHostsFile="/my lab/known_hosts"',
                "-o", "ProxyCommand=ssh -o 'UserKnownHostsFile=\"/my lab/known_hosts\"' -W %h:%p root@j",
            ],
        ),
    ],
)
def test_host_keys_in_a_file_of_their_own_hold_for_the_jump_host_too(jump, expected):
    auth = {"username": "root", **({"jump": jump} if jump else {})}
    node = {"ip": "10.0.0.1", "auth": auth}
    (found,) = _config.parse({
        "cloud_management": {"driver": "universal"}, "node_discover": {"driver": "node_list", "args": [node]},
        "faultline": {"known_hosts": "/my lab/known_hosts"},
    }).nodes
    told = _login.connection_variables(found, "root")
    assert shlex.split(told["ansible_ssh_common_args"]) == expected
    assert "ansible_host_key_checking" not in told
