# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cloud99's configurations, as they are: what each class becomes, and what is refused in that file's own words."""

from __future__ import annotations

import copy
import json

import pytest
import yaml
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _cloud99, _scenario

TIMES = {"down_timeout": 20, "down_time_min": 2, "down_time_max": 4, "cool_down_min": 3, "cool_down_max": 3, "times": 2, "delay": 0}
PROCESS = {
    "disrupt": "memcached", "where": ["ctl1"], "mode": "sequential",
    "with": {"down_command": "systemctl stop {disrupt}", "down_check": "", "up_command": "systemctl start {disrupt}",
             "up_check": "systemctl is-active {disrupt}", **TIMES},
}
HOST = {"where": ["ctl1", "cmp1"], "mode": "round_robin",
        "with": {"down_command": "shutdown -r now", "down_check": "", "up_check": "ssh {username}@{host} ls", **TIMES}}


def config(**sections):
    return {
        "openrc": {"auth_url": "http://10.0.0.10:5000/v3", "username": "admin", "password": "cl0ud", "region_name": "RegionOne", "tenant_name": "admin",
                   "https_cacert": "", "https_insecure": False},
        "inventory": {
            "ctl1": {"ip_or_hostname": "10.0.0.11", "username": "root", "password": "r00t", "role": "controller"},
            "cmp1": {"ip_or_hostname": "10.0.0.21", "username": "stack", "password": "st4ck", "role": "compute"},
        },
        "disruptors": [{"ProcessDisruptor": copy.deepcopy(PROCESS)}], "loaders": [{"DummyLoader": {"times": 10}}],
        "monitors": [{"OpenStackApiMonitor": {"cool_down_time": 5}}], **sections,
    }


def scenario(**sections):
    return _scenario.load(config(**sections)).scenario


def disruption(**keys):
    """The only disruption of a configuration with one disruptor."""
    return scenario(disruptors=[keys])["disruptions"][0]


def monitors(*given):
    return _scenario.load(config(monitors=list(given)))


def problems(**sections):
    with pytest.raises(FaultlineError) as caught:
        _scenario.load(config(**sections))
    assert caught.value.code == "bad_scenario"
    return caught.value.details["problems"]


def test_the_manuals_example_is_read():
    text = """
openrc: {auth_url: "http://10.0.0.10:5000/v3", username: admin, password: secret, region_name: RegionOne,
         tenant_name: admin, https_cacert: "", https_insecure: false}
inventory:
  ctl1: {ip_or_hostname: 10.0.0.11, username: root, password: secret, role: controller}
disruptors:
  - ProcessDisruptor:
      disrupt: memcached
      where: [ctl1]
      mode: sequential
      with: {down_command: "systemctl stop {disrupt}", down_check: "", up_command: "systemctl start {disrupt}", up_check: "systemctl is-active {disrupt}",
             down_timeout: 20, down_time_min: 2, down_time_max: 4, cool_down_min: 3, cool_down_max: 3, times: 2, delay: 0}
loaders: [{DummyLoader: {times: 10}}]
monitors: [{OpenStackApiMonitor: {cool_down_time: 5}}]
"""
    known = _scenario.load(yaml.safe_load(text))
    made = known.scenario["disruptions"][0]
    assert (made["name"], made["hosts"], made["mode"], made["times"]) == ("memcached on ctl1", ["ctl1"], "sequential", 2)
    assert made["command"] == {"down": "systemctl stop memcached", "up": "systemctl start memcached", "reboots": False}
    assert (made["down_time"], made["cool_down"], made["delay"], made["down_check"]) == ([2, 4], [3, 3], [0, 0], None)
    assert made["up_check"] == {"command": "systemctl is-active memcached", "on": "host", "timeout": 20}
    assert known.scenario["clean_run"] is True and known.scenario["order"] == "parallel" and known.warnings == []
    (load,) = known.scenario["load"]
    assert (load["name"], load["type"], load["command"], load["times"]) == ("dummy", "command", ["true"], 10)
    (monitor,) = known.scenario["monitors"]
    assert (monitor["type"], monitor["rate"], monitor["through"], monitor["services"]) == ("openstack_api", 0.2, ["vip"], "all")
    # what there is has to be ready, whatever that is
    assert known.scenario["health"]["services"] == ["keystone"]


def test_the_inventory_and_the_login_are_told_apart_from_the_scenario():
    known = _scenario.load(config())
    assert known.inventory == {"all": {
        "hosts": {
            "ctl1": {"ansible_host": "10.0.0.11", "ansible_user": "root", "ansible_password": "r00t"},
            "cmp1": {"ansible_host": "10.0.0.21", "ansible_user": "stack", "ansible_password": "st4ck", "ansible_become": True,
                     "ansible_become_password": "st4ck"},
        },
        "children": {"controller": {"hosts": {"ctl1": {}}}, "compute": {"hosts": {"cmp1": {}}}},
    }}
    assert known.credentials == {
        "auth": {"auth_url": "http://10.0.0.10:5000/v3", "username": "admin", "password": "cl0ud", "project_name": "admin", "user_domain_name": "Default",
                 "project_domain_name": "Default"},
        "region_name": "RegionOne", "verify": True, "cacert": None,
    }
    assert sorted(known.secrets) == ["cl0ud", "r00t", "st4ck"]
    assert not any(secret in json.dumps(known.scenario) for secret in known.secrets)


def test_keystones_old_version_is_replaced():
    openrc = {**config()["openrc"], "auth_url": "http://10.0.0.10:5000/v2.0/", "https_insecure": True, "https_cacert": "/etc/ca.pem"}
    known = _scenario.load(config(openrc=openrc))
    assert known.credentials["auth"]["auth_url"] == "http://10.0.0.10:5000/v3"
    assert (known.credentials["verify"], known.credentials["cacert"]) == (False, "/etc/ca.pem")
    assert known.warnings == ["openrc.auth_url: Keystone's v2.0 is gone; v3 is asked instead."]


def test_a_host_disruptor_is_asked_from_the_controller():
    made = disruption(HostDisruptor=HOST)
    assert made["command"] == {"down": "shutdown -r now", "up": None, "reboots": True}
    assert made["hosts"] == ["ctl1", "cmp1"] and made["mode"] == "round_robin"
    assert made["up_check"] == {"command": "ssh {username}@{host} ls", "on": "controller", "timeout": 20}
    # of one host it is known at once
    assert disruption(HostDisruptor={**HOST, "where": ["cmp1"]})["up_check"]["command"] == "ssh stack@10.0.0.21 ls"


@pytest.mark.parametrize("command, reboots", [
    ("shutdown -r now", True), ("sudo shutdown -hr +0", True), ("/sbin/reboot -f", True), ("systemctl reboot", True), ("init 6", True),
    ("echo b > /proc/sysrq-trigger", True), ("shutdown -h now", False), ("poweroff", False), ("ip link set eth1 down", False),
])
def test_a_command_that_boots_a_host_again_is_known(command, reboots):
    assert disruption(HostDisruptor={**HOST, "with": {**HOST["with"], "down_command": command}})["command"]["reboots"] is reboots


def test_a_host_has_as_long_to_come_back_as_cloud99_waited():
    made = disruption(HostDisruptor={**HOST, "with": {**HOST["with"], "down_time_max": 300, "down_check": "! ping -c1 {host}"}})
    assert (made["up_check"]["timeout"], made["down_check"]["timeout"]) == (300, 20)


def test_a_check_that_prints_its_status_is_taken_by_its_status():
    told = {**PROCESS["with"], "up_check": "systemctl is-active -q {disrupt} ; echo $?"}
    assert disruption(ProcessDisruptor={**PROCESS, "with": told})["up_check"]["command"] == "systemctl is-active -q memcached"


def test_a_process_without_a_command_to_start_it_has_no_undo():
    assert disruption(ProcessDisruptor={**PROCESS, "with": {**PROCESS["with"], "up_command": ""}})["command"]["up"] is None


@pytest.mark.parametrize("command, expected", [
    ("systemctl stop {disrupt}", "systemctl stop cron"),
    ("docker inspect -f '{{{{.State}}}}' {disrupt}", "docker inspect -f '{{.State}}' cron"),
    ("pgrep {disrupt} | awk '{print $1}'", "pgrep cron | awk '{print $1}'"),
    ("docker inspect -f '{{{.State.ExitCode}}}' {disrupt}", "docker inspect -f '{{{.State.ExitCode}}}' cron"),
    ("echo {", "echo {"),
])
def test_placeholders_are_filled_in_as_cloud99_did(command, expected):
    assert _cloud99.filled(command, disrupt="cron") == expected


def test_rally_with_its_own_environment(tmp_path):
    (tmp_path / "ports.json").write_text("{}")
    (tmp_path / "defaults.json").write_text("{}")
    rally = {"scenario_file": "ports.json", "scenario_args": {"concurrency": 5}, "scenario_args_file": "defaults.json", "start_delay": 3,
             "deployment_name": "lab"}
    path = tmp_path / "cloud99.yaml"
    path.write_text(yaml.safe_dump(config(loaders=[{"Rally": rally}, {"Rally": {**rally, "start_delay": 0}}])))
    known = _scenario.load(path)
    first, second = known.scenario["load"]
    assert (first["name"], second["name"]) == ("rally", "rally-2")
    assert first["scenario_file"] == str(tmp_path / "ports.json") and first["args_file"] == str(tmp_path / "defaults.json")
    assert (first["args"], first["start_delay"], first["environment"]) == ({"concurrency": 5}, 3, None)
    assert known.warnings[0] == "loaders: Rally's deployment lab is not looked up; the run makes an environment of its own from openrc."


def test_rally_in_a_database_of_the_users(tmp_path):
    (tmp_path / "ports.json").write_text("{}")
    rally = {"scenario_file": str(tmp_path / "ports.json"), "start_delay": 0, "deployment_name": "lab",
             "db": {"host": "db", "user": "rally", "password": "d@tabase", "name": "rally"}}
    known = _scenario.load(config(loaders=[{"Rally": rally}]))
    assert known.private["load"] == {"rally": {"database": "mysql+pymysql://rally:d%40tabase@db/rally"}}
    assert known.scenario["load"][0]["environment"] == "lab" and "d@tabase" in known.secrets and "base@" not in json.dumps(known.scenario)


def test_services_are_watched_by_role():
    service = {"where": ["ctl1", "cmp1"], "with": "systemctl is-active {service_name}", "cool_down_time": 10,
               "services_to_monitor": {"controller": ["neutron-server", "nova-api"], "compute": ["nova-compute"]}}
    made = monitors({"ServiceMonitor": service}).scenario["monitors"]
    assert [(each["name"], each["type"], each["on"]) for each in made] == [
        ("neutron-server-controller", "nagios_plugin", ["ctl1"]), ("nova-api-controller", "nagios_plugin", ["ctl1"]),
        ("nova-compute-compute", "nagios_plugin", ["cmp1"])]
    # a failure of a command is no warning of a plugin
    assert made[0]["command"] == ["sh", "-c", "( systemctl is-active neutron-server\n) || exit 2"]
    assert (made[0]["rate"], made[0]["timeout"]) == (0.1, 10)


@pytest.mark.parametrize("command", ["ps aux | grep {disrupt}", "ps -ef | grep '{service_name}' | grep -v grep"])
def test_a_grep_that_finds_itself_is_a_look_at_processes(command):
    service = {"where": ["ctl1"], "with": command, "cool_down_time": 10, "services_to_monitor": {"controller": ["neutron-server"], "compute": ["nova-compute"]}}
    known = monitors({"ServiceMonitor": service})
    (made,) = known.scenario["monitors"]
    assert (made["type"], made["on"], made["patterns"]) == ("process", ["ctl1"], {"neutron-server": "neutron\\-server"})
    assert known.warnings == [
        "monitors[0].ServiceMonitor.services_to_monitor.compute: no host of where has this role, or no service is named: not monitored."]


def test_the_other_monitors():
    known = monitors({"MariaDBMonitor": {"where": ["ctl1"], "cool_down_time": 10, "db_user": "nova", "db_password": "d4ta"}},
                     {"DummyMonitor": {"cool_down_time": 10}}, "DummyMonitor")
    (made,) = known.scenario["monitors"]
    assert (made["type"], made["on"], made["user"], made["password"]) == ("galera", ["ctl1"], "nova", None)
    assert known.private == {"monitors": {"mariadb": {"password": "d4ta"}}} and "d4ta" in known.secrets


def test_a_key_that_is_there_twice_is_told_and_the_last_one_counts(tmp_path):
    path = tmp_path / "cloud99.yaml"
    path.write_text(yaml.safe_dump(config()).replace("times: 2", "times: 2\n      times: 3"))
    known = _scenario.load(path)
    assert known.scenario["disruptions"][0]["times"] == 3
    (warning,) = known.warnings
    assert "the key times is there twice. The last one counts, as for Cloud99." in warning


def test_what_cloud99_has_no_words_for_comes_from_outside():
    more = {"baseline": "5 s", "pass": [{"metric": "availability", "of": "api:*", "at_least": 99}]}
    made = _scenario.load(config(), override=more).scenario
    assert made["baseline"] == 5 and made["pass"][0]["at_least"] == 99 and made["disruptions"][0]["name"] == "memcached on ctl1"
    with pytest.raises(FaultlineError, match="the scenario: bseline: found an unknown key, .* Did you mean baseline?"):
        _scenario.load(config(), override={"bseline": 5})


def test_what_is_read_is_a_scenario_of_our_own_too():
    made = scenario()
    assert _scenario.load(made).scenario == made


@pytest.mark.parametrize("sections, expected", [
    ({"disruptors": [{"ProcesDisruptor": {}}]},
     "disruptors[0].ProcesDisruptor: found an unknown class, expected a disruptor: ProcessDisruptor or HostDisruptor. Did you mean ProcessDisruptor?"),
    ({"loaders": ["Raly"]}, "loaders[0].Raly: found an unknown class, expected a loader: Rally or DummyLoader. Did you mean Rally?"),
    ({"monitors": [{"NagiosMonitor": {}}]},
     "monitors[0].NagiosMonitor: found an unknown class, expected a monitor: ServiceMonitor, MariaDBMonitor, OpenStackApiMonitor or DummyMonitor. "
     "Did you mean MariaDBMonitor?"),
    ({"disruptors": [{"ProcessDisruptor": {**PROCESS, "wher": ["ctl1"]}}]},
     "disruptors[0].ProcessDisruptor.wher: found an unknown key, expected disrupt, where, mode or with. Did you mean where?"),
    ({"disruptors": [{"HostDisruptor": {**HOST, "with": {**HOST["with"], "up_command": "x"}}}]},
     "disruptors[0].HostDisruptor.with.up_command: found an unknown key, expected down_command, down_check, up_check, down_timeout, down_time_min, "
     "down_time_max, cool_down_min, cool_down_max, times or delay. Did you mean down_command?"),
    ({"disruptors": [{"ProcessDisruptor": {**PROCESS, "where": ["ctl2"]}}]},
     "disruptors[0].ProcessDisruptor.where[0]: found 'ctl2', expected a name of the inventory: ctl1 or cmp1. Did you mean ctl1?"),
    ({"disruptors": [{"ProcessDisruptor": {**PROCESS, "mode": "serial"}}]},
     "disruptors[0].ProcessDisruptor.mode: found 'serial', expected sequential, parallel or round_robin. Did you mean sequential?"),
    ({"disruptors": [{"ProcessDisruptor": {**PROCESS, "with": {**PROCESS["with"], "down_time_min": 9}}}]},
     "disruptors[0].ProcessDisruptor.with.down_time_min: found 9, an empty range, expected at most down_time_max, which is 4."),
    ({"loaders": [{"Rally": {"scenario_file": "/nowhere/x.json"}}]},
     "loaders[0].Rally.scenario_file: found '/nowhere/x.json', which is not there (/nowhere/x.json), expected the path of a file, relative to the "
     "scenario's. There is no directory /nowhere either."),
    ({"inventory": {"ctl1": {"ip_or_hostname": "10.0.0.11"}}}, "inventory.ctl1.username: found nothing, expected a login name."),
])
def test_a_configuration_is_refused_in_its_own_words(sections, expected):
    assert problems(**sections) == [expected]


def test_no_password_is_ever_in_a_problem():
    host = {"ip_or_hostname": "bad address!", "username": "root", "password": ["s3cret"], "role": "controller"}
    told = problems(inventory={"ctl1": host})
    assert len(told) == 2 and "s3cret" not in str(told)
