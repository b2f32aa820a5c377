# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scenarios: what is filled in, what each key may be, and every refusal with its words."""

from __future__ import annotations

import copy
import importlib
import json
import pathlib
import re

import pytest
import yaml
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._ha import _apis, _probes
from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _scenario, _scenario_form
from ansible_collections.faultline.openstack.plugins.plugin_utils._plan import Cloud

ROOT = pathlib.Path(__file__).resolve().parents[4]
KILL = {"do": "kill nova-api service on one node"}


def cloud():
    """Three controllers whose services are known, and a compute node."""
    hosts = ["ctl1", "ctl2", "ctl3", "cmp1"]
    controllers = hosts[:3]
    groups = {
        "all": hosts, "ungrouped": [], "controllers": controllers, "empty": [], "service_nova_api": controllers, "service_keystone": controllers,
        "service_nova_compute": ["cmp1"],
    }
    return Cloud(groups, {host: {"ansible_host": f"10.0.0.{number}", "faultline_services": {}} for number, host in enumerate(hosts, 11)})


def loaded(known=True, **keys):
    return _scenario.load({"disruptions": [], **keys}, cloud() if known else None)


def problems(known=True, folder=None, **keys):
    """What is said about a scenario, line by line, without its file's name."""
    with pytest.raises(FaultlineError) as caught:
        _scenario.load({"disruptions": [], **keys}, cloud() if known else None, folder=folder)
    assert caught.value.code == "bad_scenario"
    return caught.value.details["problems"]


def test_a_service_is_known_by_any_of_its_names_and_one_that_may_be_two_is_refused():
    one = {"disruptions": [{"module": "os_service_fault", "hosts": ["ctl1"], "args": {"service": "mysql", "action": "kill"}}]}
    own = cloud()
    own.groups["service_mariadb"] = ["ctl1"]
    assert _scenario.load(one, own).scenario["disruptions"]
    own.groups["service_galera"] = ["ctl1"]
    with pytest.raises(FaultlineError, match="found 'mysql', expected galera or mariadb"):
        _scenario.load(one, own)


def test_a_group_of_a_partial_look_is_warned_of():
    one = {"disruptions": [{"module": "os_service_fault", "hosts": ["service_keystone"], "args": {"service": "keystone", "action": "kill"}}]}
    own = cloud()
    own.hostvars["cmp1"]["faultline_partial_groups"] = ["service_keystone"]
    assert _scenario.load(one, own).warnings == [
        "disruptions[0].hosts[0]: the group service_keystone has only those hosts of which it is known, ctl1, ctl2, ctl3: others could not tell."]
    assert _scenario.load(one, cloud()).warnings == []


def monitor(**keys):
    return loaded(monitors=[keys]).scenario["monitors"][0]


def disruption(**keys):
    return loaded(disruptions=[keys]).scenario["disruptions"][0]


# ---- what is filled in


def test_every_default_is_filled_in():
    assert loaded(disruptions=[KILL]).scenario == {
        "name": "ha-test", "seed": None, "cloud": None, "health": {"timeout": 120, "services": ["nova", "neutron", "glance", "placement"]}, "baseline": 30,
        "cool_down": 30, "clean_run": True,
        "order": "sequential", "monitors": [], "load": [], "abort": [], "pass": [],
        "disruptions": [{
            "name": "kill nova-api service on one node", "do": "kill nova-api service on one node", "module": None, "args": None, "command": None,
            "hosts": None, "mode": "sequential", "times": 1, "delay": [0, 0], "down_time": [10, 10], "cool_down": [20, 20], "finite": True,
            "down_check": None, "up_check": None,
        }],
    }


def whole():
    """A scenario with one of everything."""
    text = (ROOT / "docs" / "ha-scenario.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^## A whole example\n.*?```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return example


@pytest.fixture
def example(tmp_path):
    """The documentation's example as a file, with the file of Rally that it names."""
    (tmp_path / "boot.yaml").write_text("{}")
    path = tmp_path / "controller-failover.yaml"
    path.write_text(whole())
    return path


def test_the_documented_example_is_good(example):
    scenario = _scenario.load(example, cloud()).scenario
    assert scenario["name"] == "controller-failover"
    assert {each["type"] for each in scenario["monitors"]} == set(_scenario_form.MONITORS)
    assert {each["type"] for each in scenario["load"]} == set(_scenario_form.LOADS)
    assert {way for each in scenario["disruptions"] for way in _scenario_form.WAYS if each[way]} == set(_scenario_form.WAYS)


def test_a_filled_in_scenario_is_a_scenario_and_stays_as_it_is(example):
    scenario = _scenario.load(example, cloud()).scenario
    again = _scenario.load(json.loads(json.dumps(scenario)), cloud(), folder=example.parent)
    assert again.scenario == scenario and again.warnings == []


def test_the_documentation_names_every_key_of_every_part():
    text = (ROOT / "docs" / "ha-scenario.md").read_text(encoding="utf-8")
    words = set(re.findall(r"`([a-z_]+)`", text))
    forms = [_scenario_form.SCENARIO.keys, *_scenario_form.MONITORS.values(), *_scenario_form.LOADS.values(), _scenario_form._DISRUPTION.keys,
             _scenario_form._PASS.keys, _scenario_form._ABORT.keys]
    assert {key for form in forms for key in form} - words == set()
    assert {*_scenario_form.MONITORS, *_scenario_form.LOADS, *_scenario_form.METRICS, *_scenario_form.MODES} - words == set()


def test_the_file_is_named_and_begins_the_paths(tmp_path):
    (tmp_path / "boot.yaml").write_text("{}")
    path = tmp_path / "my run.yaml"
    path.write_text("disruptions: []\nload: [{type: rally, scenario_file: boot.yaml}, {type: command, command: ./x}]\n")
    known = _scenario.load(str(path))
    assert known.path == str(path) and known.scenario["name"] == "my-run"
    rally, command = known.scenario["load"]
    assert rally["scenario_file"] == str(tmp_path / "boot.yaml")
    assert command["chdir"] == str(tmp_path) and command["command"] == "./x"


@pytest.mark.parametrize("value, expected", [
    (5, 5), (0.5, 0.5), ("30", 30), ("30 seconds", 30), ("1m30s", 90), ("1 minute 30 seconds", 90), ("5 MINUTES", 300), ("1h", 3600), ("500 ms", 0.5),
    ("1.5s", 1.5),
])
def test_a_time_is_a_number_or_text(value, expected):
    assert loaded(baseline=value).scenario["baseline"] == expected


@pytest.mark.parametrize("value, expected", [(5, [5, 5]), ("1m", [60, 60]), ([2, 4], [2, 4]), (["2 s", "1m"], [2, 60]), ([3, 3], [3, 3]), (0, [0, 0])])
def test_a_span_is_a_time_or_two(value, expected):
    for key in ("down_time", "cool_down", "delay"):
        assert disruption(**KILL, **{key: value})[key] == expected


def test_a_duration_of_the_sentence_is_the_down_time():
    assert disruption(do="terminate keystone service for 30 seconds")["down_time"] == [30, 30]
    assert disruption(do="terminate keystone service for 1m30s", down_time=[90, 90])["down_time"] == [90, 90]
    # the ten seconds that stress has by itself are no word of the user
    assert disruption(do="stress cpu on ctl1 node", down_time=30)["down_time"] == [30, 30]
    args = {"service": "keystone", "action": "terminate", "duration": 15}
    assert disruption(module="os_service_fault", hosts=["ctl1"], args=args)["down_time"] == [15, 15]


@pytest.mark.parametrize("check, expected", [
    ("systemctl is-active x", {"command": "systemctl is-active x", "on": "host", "timeout": 20}),
    (["true"], {"command": ["true"], "on": "host", "timeout": 20}),
    ({"command": "ping -c1 {host}", "on": "controller", "timeout": "1m"}, {"command": "ping -c1 {host}", "on": "controller", "timeout": 60}),
])
def test_a_check_has_a_short_form(check, expected):
    assert disruption(**KILL, up_check=check)["up_check"] == expected


def test_a_check_may_be_a_series_of_a_monitor_or_a_probe_that_becomes_one():
    web = {"type": "http", "targets": ["http://10.0.0.10/"], "rate": 2}
    made = loaded(monitors=[{"type": "systemd", "on": ["ctl1"], "units": ["x"], "name": "units"}], disruptions=[
        {**KILL, "down_check": {"series": "units:x on {host}", "timeout": 5}, "up_check": {"series": "units@ctl1:*"}},
        {**KILL, "down_check": {"probe": web}, "up_check": {"probe": web, "timeout": "1m"}},
        {**KILL, "down_check": {"probe": web}, "up_check": {"probe": {**web, "rate": 1}}},
    ]).scenario
    checks = [(each["down_check"], each["up_check"]) for each in made["disruptions"]]
    assert checks == [
        ({"series": "units:x on {host}", "timeout": 5}, {"series": "units@ctl1:*", "timeout": 20}),
        ({"series": "probe-d2:*", "timeout": 20}, {"series": "probe-d2:*", "timeout": 60}),
        ({"series": "probe-d3:*", "timeout": 20}, {"series": "probe-d3-2:*", "timeout": 20})]
    assert [(each["name"], each["type"], each["rate"]) for each in made["monitors"]] == [
        ("units", "systemd", 5), ("probe-d2", "http", 2), ("probe-d3", "http", 2), ("probe-d3-2", "http", 1)]
    assert made["monitors"][1]["targets"][0]["name"] == "10.0.0.10" and made["monitors"][1]["timeout"] == 2


def test_names_of_the_inventory_and_groups_are_hosts():
    assert monitor(type="systemd", units=["nova-api"], on=["cmp1", "controllers", "ctl1"])["on"] == ["cmp1", "ctl1", "ctl2", "ctl3"]
    assert monitor(type="openstack_api", through=["vip", "controllers"])["through"] == ["vip", "ctl1", "ctl2", "ctl3"]
    made = disruption(command={"down": "systemctl stop x"}, hosts=["controllers"])
    assert made["hosts"] == ["ctl1", "ctl2", "ctl3"] and made["name"] == "systemctl stop x"


def test_what_yaml_takes_for_true_is_on():
    made = yaml.safe_load("{type: systemd, units: [x], on: [ctl1]}")
    assert True in made and loaded(monitors=[made]).scenario["monitors"][0]["on"] == ["ctl1"]


def test_targets_have_short_forms_and_names():
    assert monitor(type="ping", targets=["ctl2", "192.0.2.1"])["targets"] == [{"name": "ctl2", "host": "10.0.0.12"}, {"name": "192.0.2.1", "host": "192.0.2.1"}]
    assert monitor(type="tcp", targets=[{"host": "ctl1", "port": 3306}])["targets"] == [{"name": "ctl1:3306", "host": "10.0.0.11", "port": 3306}]
    (page,) = monitor(type="http", targets=["http://10.0.0.10/dashboard"])["targets"]
    assert (page["name"], page["status"], page["verify"]) == ("10.0.0.10", [200], True)


def test_what_has_no_name_is_called_by_what_it_does():
    made = loaded(disruptions=[KILL, KILL, {"module": "os_service_fault", "args": {"service": "keystone", "action": "kill"}, "hosts": ["ctl1"]}])
    assert [each["name"] for each in made.scenario["disruptions"]] == [
        "kill nova-api service on one node", "kill nova-api service on one node (2)", "os_service_fault kill keystone"]
    assert made.scenario["disruptions"][2]["module"] == "faultline.openstack.os_service_fault"
    criteria = [{"metric": "downtime", "of": "api:nova via vip", "at_most": 5, "disruption": "d1"}, {"metric": "availability", "at_least": 99}]
    made = loaded(disruptions=[KILL], monitors=[{"type": "openstack_api"}], **{"pass": criteria})
    assert [each["name"] for each in made.scenario["pass"]] == ["downtime of api:nova via vip in d1 at most 5", "availability at least 99"]
    assert made.scenario["pass"][0]["of"] == ["api:nova via vip"]


def test_a_criterion_may_name_a_disruption():
    made = loaded(disruptions=[KILL, {**KILL, "name": "again"}], **{"pass": [{"metric": "mttr", "at_most": 9, "disruption": "again"}]})
    assert made.scenario["pass"][0]["disruption"] == "d2"


def test_a_seed_is_text():
    assert loaded(seed=42).scenario["seed"] == "42"


def test_passwords_are_kept_apart():
    made = loaded(monitors=[{"type": "galera", "on": ["ctl1"], "user": "watch", "password": "s3cret"}],
                  load=[{"type": "rally", "scenario_file": str(pathlib.Path(__file__)), "environment": "e", "database": "mysql://u:p4ss@h/r"}])
    assert made.private == {"monitors": {"galera": {"password": "s3cret"}}, "load": {"rally": {"database": "mysql://u:p4ss@h/r"}}}
    assert made.secrets == ["s3cret", "mysql://u:p4ss@h/r"]
    assert "s3cret" not in json.dumps(made.scenario) and "p4ss" not in json.dumps(made.scenario)


def test_a_time_that_ends_nothing_is_told():
    assert loaded(disruptions=[{**KILL, "down_time": 60}]).warnings == [
        "disruptions[0].down_time: kill has no undo, so that nothing ends it after this time."]


def test_where_nobody_has_looked_the_run_does():
    unknown = Cloud({"all": ["ctl1"]}, {"ctl1": {}})
    assert _scenario.load({"disruptions": [KILL]}, unknown).scenario["disruptions"][0]["do"] == KILL["do"]


@pytest.mark.parametrize("command, expected", [
    ("ssh {username}@{host} ls", "ssh stack@10.0.0.11 ls"),
    (["ping", "{host}"], ["ping", "10.0.0.11"]),
    ("docker inspect -f '{{.State}}' x", "docker inspect -f '{{.State}}' x"),
    (None, None),
])
def test_a_command_is_filled_in_for_a_host(command, expected):
    assert _scenario.fill_command(command, "ctl1", {"ansible_host": "10.0.0.11", "ansible_user": "stack"}) == expected
    assert _scenario.fill_command("{host}", "ctl1", {}) == "ctl1"


# ---- the same words as the others


def test_paces_are_those_of_the_monitors():
    for module in ("cluster", "container", "host", "http", "nagios", "network", "openstack", "servers"):
        importlib.import_module(f"{_probes.__package__}._probe_{module}")
    assert set(_probes.PROBES) - {"api"} == set(_scenario_form.MONITORS)
    for kind, keys in _scenario_form.MONITORS.items():
        family = _probes.PROBES[kind]
        assert (keys["rate"][1], keys["timeout"][1]) == (family.RATE, family.TIMEOUT), kind


def test_every_service_can_be_loaded():
    assert set(_apis.SERVICES) == set(_scenario_form.APIS + _scenario_form.MORE_APIS)


# ---- what is refused


@pytest.mark.parametrize("keys, expected", [
    ({"disruptons": []}, "disruptons: found an unknown key, expected name, seed, cloud, health, baseline, cool_down, clean_run, order, monitors, load, "
                         "disruptions, abort or pass. Did you mean disruptions?"),
    ({"name": "a b"}, "name: found 'a b', expected a name of letters, digits, dots, dashes and underscores."),
    ({"seed": 1.5}, "seed: found a number, expected text of 1 to 200 characters, or a whole number."),
    ({"baseline": -1}, "baseline: found -1, expected seconds (0 or more), as a number or as text such as 30 seconds or 1m30s."),
    ({"baseline": "soon"}, "baseline: found 'soon', expected seconds (0 or more), as a number or as text such as 30 seconds or 1m30s."),
    ({"baseline": "30s 1m"}, "baseline: found '30s 1m', expected seconds (0 or more), as a number or as text such as 30 seconds or 1m30s."),
    ({"baseline": float("nan")}, "baseline: found nan, expected seconds (0 or more), as a number or as text such as 30 seconds or 1m30s."),
    ({"baseline": True}, "baseline: found true or false, expected seconds (0 or more), as a number or as text such as 30 seconds or 1m30s."),
    ({"health": {"timeout": 0}}, "health.timeout: found 0, expected seconds (above 0), as a number or as text such as 30 seconds or 1m30s."),
    ({"health": 30}, "health: found a number, expected a mapping with timeout and services."),
    ({"clean_run": "yes"}, "clean_run: found text, expected true or false."),
    ({"order": "paralel"}, "order: found 'paralel', expected sequential or parallel. Did you mean parallel?"),
    ({"monitors": {}}, "monitors: found a mapping, expected a list of monitors."),
    ({"abort": [{"series": "nova via vip"}]},
     "abort[0].down_for: found nothing, expected seconds (above 0), as a number or as text such as 30 seconds or 1m30s."),
])
def test_a_scenario_is_refused(keys, expected):
    assert problems(**keys) == [expected]


TYPES = ("openstack_api, http, tcp, ping, ssh, systemd, process, container, galera, rabbitmq, nagios_plugin, livestatus or servers")


@pytest.mark.parametrize("keys, expected", [
    ({"type": "htpp"}, f"monitors[0].type: found 'htpp', expected the type of a monitor: {TYPES}. Did you mean http?"),
    ({"name": "x"}, f"monitors[0].type: found nothing, expected the type of a monitor: {TYPES}."),
    ({"type": "openstack_api", "rate": 0}, "monitors[0].rate: found 0, expected probes per second, above 0 and at most 100."),
    ({"type": "openstack_api", "rate": 1000}, "monitors[0].rate: found 1000, expected probes per second, above 0 and at most 100."),
    ({"type": "openstack_api", "services": ["nvoa"]},
     "monitors[0].services[0]: found 'nvoa', expected keystone, nova, neutron, glance, placement, cinder, heat, swift, octavia, designate, barbican, ironic, "
     "manila or magnum. Did you mean nova?"),
    ({"type": "openstack_api", "through": ["vipp"]},
     "monitors[0].through[0]: found 'vipp', expected vip, a host or a group of the inventory. Did you mean vip?"),
    ({"type": "systemd", "units": ["x"], "on": ["clt1"]}, "monitors[0].on[0]: found 'clt1', expected a host or a group of the inventory. Did you mean ctl1?"),
    ({"type": "systemd", "units": ["x"], "on": ["empty"]},
     "monitors[0].on[0]: found 'empty', a group without a host, expected a host or a group of the inventory."),
    ({"type": "systemd", "units": ["x"]}, "monitors[0].on: found nothing, expected a list of hosts of the inventory."),
    ({"type": "systemd", "units": [], "on": ["ctl1"]}, "monitors[0].units: found an empty list, expected a list of systemd units."),
    ({"type": "process", "patterns": {"a": "("}, "on": ["ctl1"]},
     "monitors[0].patterns.a: found '(' (missing ), unterminated subpattern at position 0), expected a regular expression."),
    ({"type": "tcp", "targets": [{"host": "h", "port": 70000}]}, "monitors[0].targets[0].port: found 70000, expected a port, 1 to 65535."),
    ({"type": "http", "targets": ["http://user:secret@h/"]}, "monitors[0].targets[0].url: found other text, expected a URL such as http://10.0.0.10/."),
    ({"type": "ping", "targets": ["h", "h"]},
     "monitors[0].targets[1].name: found 'h' again, expected a name of its own; monitors[0].targets[0] has that already."),
    ({"type": "nagios_plugin", "command": []}, "monitors[0].command: found an empty list, expected a command: a list of arguments, or text."),
    ({"type": "nagios_plugin", "command": "check 'x"},
     "monitors[0].command: found a command that cannot be split (No closing quotation), expected a command: a list of arguments, or text."),
    ({"type": "galera", "on": ["ctl1"], "password": "s3cret"},
     "monitors[0].user: found nothing, expected the name of a database user, as there is a password."),
    ({"type": "servers", "image": "i", "flavor": "f", "probe": "pong"},
     "monitors[0].probe: found 'pong', expected ping, ssh[:PORT], tcp:PORT, http[:PORT] or https[:PORT]."),
    ({"type": "livestatus", "adress": "x:1"},
     "monitors[0].adress: found an unknown key, expected name, type, rate, timeout, address, filter or host_filter. "
     "Did you mean address?"),
])
def test_a_monitor_is_refused(keys, expected):
    assert problems(monitors=[keys]) == [expected]


def test_two_monitors_of_one_name_are_refused():
    assert problems(monitors=[{"type": "openstack_api"}, {"type": "openstack_api"}]) == [
        "monitors[1].name: found 'openstack_api' again, expected a name of its own; monitors[0] has that already."]


@pytest.mark.parametrize("keys, expected", [
    ({"type": "raly"}, "load[0].type: found 'raly', expected the type of a load: rally, command or api. Did you mean rally?"),
    ({"type": "command", "command": "  "}, "load[0].command: found empty text, expected a command: a list of arguments, or a line for a shell."),
    ({"type": "command", "command": "x", "times": 1.5}, "load[0].times: found 1.5, expected a number of times, 1 or more."),
    ({"type": "api", "rate": -2}, "load[0].rate: found -2, expected requests per second, above 0 and at most 100."),
    ({"type": "rally"}, "load[0].scenario_file: found nothing, expected the path of a file."),
    ({"type": "rally", "scenario_file": "bot.yaml"},
     "load[0].scenario_file: found 'bot.yaml', which is not there ({folder}/bot.yaml), expected the path of a "
     "file, relative to the scenario's. Did you mean boot.yaml?"),
    ({"type": "rally", "scenario_file": "no/boot.yaml"},
     "load[0].scenario_file: found 'no/boot.yaml', which is not there ({folder}/no/boot.yaml), expected the "
     "path of a file, relative to the scenario's. There is no directory {folder}/no either."),
    ({"type": "rally", "scenario_file": "boot.yaml", "args": [1]}, "load[0].args: found a list, expected a mapping of Rally's arguments."),
    ({"type": "rally", "scenario_file": "boot.yaml", "executable": "./boot.yaml"},
     "load[0].executable: found './boot.yaml', which cannot be run, expected a program."),
    ({"type": "rally", "scenario_file": "boot.yaml", "database": "sqlite:///x"},
     "load[0].environment: found nothing, expected the name of the environment in "
     "that database."),
    ({"type": "command", "command": "x", "chdir": "nowhere"},
     "load[0].chdir: found '{folder}/nowhere', which is no directory, expected a directory, relative to "
     "the scenario's."),
])
def test_a_load_is_refused(keys, expected, tmp_path):
    (tmp_path / "boot.yaml").write_text("{}")
    assert problems(load=[keys], folder=tmp_path) == [expected.replace("{folder}", str(tmp_path))]


@pytest.mark.parametrize("keys, expected", [
    ({**KILL, "down_time": [5, 2]}, "disruptions[0].down_time: found [5, 2], an empty range, expected [min, max] with min not above max. Did you mean [2, 5]?"),
    ({**KILL, "down_time": [1, 2, 3]},
     "disruptions[0].down_time: found [1, 2, 3], expected seconds (0 or more), as a number or as text such as 30 seconds or "
     "1m30s, or [min, max]."),
    ({**KILL, "cool_down": [-5, 2]},
     "disruptions[0].cool_down: found [-5, 2], expected seconds (0 or more), as a number or as text such as 30 seconds or 1m30s, "
     "or [min, max]."),
    ({**KILL, "times": 0}, "disruptions[0].times: found 0, expected a number of rounds, 1 or more."),
    ({**KILL, "mode": "roundrobin"}, "disruptions[0].mode: found 'roundrobin', expected sequential, parallel or round_robin. Did you mean round_robin?"),
    ({}, "disruptions[0]: found nothing to do, expected one of do, module or command."),
    ({**KILL, "command": {"down": "x"}}, "disruptions[0]: found do and command at once, expected one of do, module or command."),
    ({**KILL, "hosts": ["ctl1"]},
     "disruptions[0].hosts: found hosts beside do, expected the nodes in the sentence. As in: kill nova-api service on ctl1 node."),
    ({**KILL, "args": {}}, "disruptions[0].args: found args beside do, expected args only with module."),
    ({"command": {"down": "x"}}, "disruptions[0].hosts: found nothing, expected a list of hosts of the inventory."),
    ({"command": {"dwon": "x"}, "hosts": ["ctl1"]}, "disruptions[0].command.dwon: found an unknown key, expected down, up or reboots. Did you mean down?"),
    ({"command": {"down": "reboot", "up": "x", "reboots": True}, "hosts": ["ctl1"]},
     "disruptions[0].command.up: found up beside reboots, expected a boot that ends, or an undo in the same boot."),
    ({"command": {"down": "reboot", "reboots": True}, "hosts": ["ctl1"], "down_check": "false"},
     "disruptions[0].down_check: found a command on the host that is down, expected a series, a probe or on: controller."),
    ({**KILL, "up_check": {"command": "x", "on": "hosts"}}, "disruptions[0].up_check.on: found 'hosts', expected host or controller. Did you mean host?"),
    ({**KILL, "up_check": {"timeout": 5}}, "disruptions[0].up_check: found nothing to look at, expected one of command, probe or series."),
    ({**KILL, "up_check": {"command": "x", "series": "y"}},
     "disruptions[0].up_check: found command and series at once, expected one of command, probe or series."),
    ({**KILL, "up_check": {"probe": {"type": "tcp", "targets": [{"host": "ctl1", "port": 80}]}, "on": "host"}},
     "disruptions[0].up_check.on: found on beside probe, expected on only with command."),
    ({**KILL, "up_check": {"probe": {"type": "htp"}}},
     "disruptions[0].up_check.probe.type: found 'htp', expected the type of a probe: openstack_api, http, tcp, ping, ssh, systemd, process, container, "
     "galera, rabbitmq, nagios_plugin or livestatus. Did you mean http?"),
    ({**KILL, "up_check": {"probe": {"type": "systemd", "on": ["ctl9"], "units": ["x"]}}},
     "disruptions[0].up_check.probe.on[0]: found 'ctl9', expected a host or a group of the inventory. Did you mean ctl3?"),
    ({**KILL, "up_check": {"series": "y"}}, "disruptions[0].up_check.series: found 'y', expected a series of a monitor, and there is none."),
    ({**KILL, "down_check": {"probe": {"type": "tcp", "targets": [{"host": "x", "port": 1}]}}, "up_check": {"series": "apj:y"}},
     "disruptions[0].up_check.series: found 'apj:y', expected a series, as api:nova via vip; before the colon one of api, app, host, cluster, network, "
     "container, nagios, load or probe-d1. Did you mean app?"),
    ({"do": "terminate keystone service for 30 seconds", "down_time": 10},
     "disruptions[0].down_time: found [10, 10], but the sentence says 30 seconds, expected one of the two."),
    ({**KILL, "finite": False}, "disruptions[0].finite: found false, but kill has no undo, expected true. Nothing keeps it down until the end of the run."),
    ({"do": "terminate keystone service on ctl1 node", "finite": False, "times": 2},
     "disruptions[0].times: found 2, expected 1, as finite: false lasts to the end of the run."),
    ({"do": "kill nova-apl service on one node"},
     "disruptions[0].do: Unknown service 'nova-apl'. Did you mean nova-api or octavia-api or nova-compute?\n"
     "      kill nova-apl service on one node\n           ^^^^^^^^"),
    ({"do": "kil nova-api service"}, "disruptions[0].do: Unknown action 'kil': "),
    ({"do": "kill nova-api service on 9 nodes"}, "disruptions[0].do: 9 nodes are wanted, but there are only 3 nodes that run nova-api."),
    ({"do": "kill keystone service on ctl9 node"}, "disruptions[0].do: Unknown node 'ctl9'. Did you mean ctl3"),
    ({"module": "os_service_falt", "hosts": ["ctl1"]}, "disruptions[0].module: found 'os_service_falt', expected os_service_fault, os_container_fault, "),
    ({"module": "os_service_fault", "hosts": ["ctl1"], "args": {"servic": "keystone", "action": "kill"}},
     "disruptions[0].args.servic: found an unknown key, expected an option of os_service_fault. Did you mean service?"),
    ({"module": "os_service_fault", "hosts": ["ctl1"], "args": {"action": "kill"}}, "disruptions[0].args: Missing required arguments: service."),
    ({"module": "os_service_fault", "hosts": ["ctl1"], "args": {"service": "keystone", "action": "kil"}},
     "disruptions[0].args: Value of action must be one of: start, terminate, restart, kill, freeze, unfreeze, unplug, plug, mask, crash_loop, got: kil."),
    ({"module": "os_service_fault", "hosts": ["ctl1"], "args": {"service": "keystoen", "action": "kill"}},
     "disruptions[0].args.service: found 'keystoen', expected the name of a service of this cloud. Did you mean keystone?"),
    ({"module": "os_power", "hosts": ["ctl1"], "args": {"action": "poweroff", "power": [{"driver": "ipmi", "args": {"password": "x"}}]}},
     "disruptions[0].args.power: found a password, expected none here. Put the power drivers into the inventory: faultline_power."),
])
def test_a_disruption_is_refused(keys, expected):
    (told,) = problems(disruptions=[keys])
    assert told == expected or expected.endswith(("'kil': ", "os_container_fault, ", "nova-api.", "ctl3")) and told.startswith(expected)


def test_two_disruptions_of_one_name_are_refused():
    assert problems(disruptions=[{**KILL, "name": "a"}, {**KILL, "name": "a"}]) == [
        "disruptions[1].name: found 'a' again, expected a name of its own; disruptions[0] has that already."]


@pytest.mark.parametrize("keys, expected", [
    ({"metric": "availability"}, "pass[0]: found no bound, expected one of at_least or at_most."),
    ({"metric": "mttr", "at_least": 1, "at_most": 2}, "pass[0]: found at_least and at_most at once, expected one of at_least or at_most."),
    ({"metric": "uptime", "at_least": 1},
     "pass[0].metric: found 'uptime', expected availability, downtime, longest_outage, mttr, requests_lost, degradation, "
     "time_to_recovery or correctness."),
    ({"metric": "mttr", "at_most": -1}, "pass[0].at_most: found -1, expected a number, 0 or more."),
    ({"metric": "mttr", "at_most": 1, "disruption": "d2"}, "pass[0].disruption: found 'd2', expected * or a disruption: d1."),
    ({"metric": "mttr", "at_most": 1, "of": "apii:nova"},
     "pass[0].of[0]: found 'apii:nova', expected a series, as api:nova via vip; before the colon one of "
     "api, app, host, cluster, network, container, nagios or load. Did you mean api?"),
])
def test_a_criterion_is_refused(keys, expected):
    assert problems(disruptions=[KILL], **{"pass": [keys]}) == [expected]


def test_all_problems_are_told_at_once():
    with pytest.raises(FaultlineError) as caught:
        loaded(baseline=-1, order="x", disruptions=[{**KILL, "times": 0}])
    assert caught.value.message.startswith("the scenario: 3 problems:\n  ")
    assert len(caught.value.details["problems"]) == 3


@pytest.mark.parametrize("content, code, expected", [
    ("disruptions: [\n", "bad_scenario", "run.yaml: line 2, column 1: this is not YAML: "),
    ("a: 1\na: 2\n", "bad_scenario", "run.yaml: line 2, column 1: the key a is there twice."),
    ("", "bad_scenario", "run.yaml: found nothing, expected a mapping with disruptions, monitors, load and pass."),
    ("- a\n", "bad_scenario", "run.yaml: found a list, expected a mapping with disruptions, monitors, load and pass."),
    ("monitors: []\n", "bad_scenario", "run.yaml: disruptions: found nothing, expected a list of disruptions."),
    (b"\xff\xfe", "bad_scenario", "run.yaml: this is not text in UTF-8."),
])
def test_a_file_is_refused(tmp_path, content, code, expected):
    path = tmp_path / "run.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FaultlineError) as caught:
        _scenario.load(path)
    assert caught.value.code == code and caught.value.message.startswith(expected)


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path):
    (tmp_path / "controller.yaml").write_text("")
    with pytest.raises(FaultlineError) as caught:
        _scenario.load(tmp_path / "controler.yaml")
    assert (caught.value.message, caught.value.hint, caught.value.code) == (
        f"There is no scenario file {tmp_path}/controler.yaml.", "Did you mean controller.yaml?", "no_file")


def test_nothing_of_the_users_own_is_changed():
    data = {"disruptions": [copy.deepcopy(KILL)], "monitors": [{"type": "ping", "targets": [{"host": "ctl1"}]}]}
    before = copy.deepcopy(data)
    _scenario.load(data, cloud())
    assert data == before


def test_the_example_is_what_yaml_says():
    assert yaml.safe_load(whole())["disruptions"]
