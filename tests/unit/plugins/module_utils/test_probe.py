# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look at a host: what counts as being there, and what is said when something could not be seen."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
from patience import HANG, sleeper

from ansible_collections.faultline.openstack.plugins.module_utils import _probe


def unit(name, up=True, group="", main=0):
    return {"id": name + ".service", "up": up, "there": True, "control_group": group, "main": main}


def service(definition, units=None, processes=None):
    look = _probe.Look(HANG)
    return _probe._service(look, "x", definition, units or {}, processes or {})


def test_a_unit_that_runs_has_the_processes_of_its_control_group():
    found = service(
        {"driver": "system_service", "unit": ["nova-api", "openstack-nova-api"], "grep": "nova-api", "port": ["tcp", 8774]},
        {"nova-api": unit("nova-api", group="/system.slice/nova-api.service", main=10)},
        {
            10: ("nova-api", "/system.slice/nova-api.service"),
            11: ("nova-api worker", "/system.slice/nova-api.service/workers"),
            12: ("nova-api of another unit", "/system.slice/nova-api.service2"),
        },
    )
    assert found == {
        "driver": "system_service", "unit": ["nova-api"], "grep": "nova-api", "port": ["tcp", 8774], "active": True, "pids": [10, 11],
    }


def test_all_candidates_that_run_count():
    units = {"neutron-api": unit("neutron-api"), "neutron-rpc-server": unit("neutron-rpc-server"), "q-svc": unit("q-svc", up=False)}
    found = service({"unit": ["q-svc", "neutron-api", "neutron-rpc-server"]}, units)
    assert found["unit"] == ["neutron-api", "neutron-rpc-server"]


def test_an_alias_counts_once():
    found = service({"unit": ["mysql", "mariadb"]}, {"mysql": unit("mariadb"), "mariadb": unit("mariadb")})
    assert found["unit"] == ["mariadb"]


def test_a_unit_that_is_down_is_there_and_not_active():
    found = service({"unit": ["x"], "grep": "x"}, {"x": unit("x", up=False)}, {5: ("x", "/other")})
    assert (found["unit"], found["active"], found["pids"]) == (["x"], False, [])


def test_without_a_unit_the_process_is_what_there_is():
    found = service({"driver": "system_service", "unit": ["keystone"], "grep": r"^\(wsgi:keystone"}, {}, {7: ("(wsgi:keystone-pu -k", "/a")})
    assert found == {"driver": "process", "grep": r"^\(wsgi:keystone", "active": True, "pids": [7]}


def test_neither_unit_nor_process_is_not_there():
    assert service({"unit": ["x"], "grep": "x"}, {}, {7: ("y", "")}) is None
    assert service({"unit": ["x"]}, {}, {7: ("x", "")}) is None


def test_other_drivers_keep_their_keys():
    found = service({"driver": "pcs_service", "pcs_service": "p_x", "grep": "x"}, {}, {7: ("x", "")})
    assert (found["driver"], found["pcs_service"], found["pids"]) == ("pcs_service", "p_x", [7])


def test_a_bad_pattern_costs_its_own_entry_only():
    found = _probe.probe({"services": {"x": {"grep": "("}, "y": {"grep": "."}}, "timeout": HANG})
    assert found["services"].keys() == {"y"} and found["unseen"]["services"].keys() == {"x"}
    (said,) = found["lacking"]
    assert said.startswith("service x: its grep is no regular expression: ") and not found["complete"]


INTERFACES = {
    "lo": {"mac": "00:00:00:00:00:00", "state": "unknown", "addresses": ["127.0.0.1/8", "::1/128"]},
    "eth0": {"mac": "aa:00", "state": "up", "addresses": ["10.71.0.11/16", "fe80::1/64"]},
    "eth1": {"mac": "bb:00", "state": "up", "addresses": ["10.72.0.11/16"]},
}


def test_networks_are_found_by_address_or_interface():
    wanted = {"storage": "10.72.0.0/16", "public": {"interface": "eth1"}, "none": "192.0.2.0/24", "gone": {"interface": "eth7"}, "bad": "x"}
    assert _probe._networks(wanted, INTERFACES, "eth0") == {
        "storage": {"interface": "eth1", "cidr": "10.72.0.0/16", "mac": "bb:00"},
        "public": {"interface": "eth1", "cidr": "10.72.0.0/16", "mac": "bb:00"},
        "management": {"interface": "eth0", "cidr": "10.71.0.0/16", "mac": "aa:00"},
    }


def test_management_is_what_the_user_says_it_is():
    assert _probe._networks({"management": "10.72.0.0/16"}, INTERFACES, "eth0")["management"]["interface"] == "eth1"


@pytest.mark.parametrize(
    ("spec", "interface"),
    [
        ({"address": "10.72.0.11"}, "eth1"),
        ({"address": "10.72.0.11", "iface": "eth0"}, "eth0"),
        ({"address": "10.71.0.11", "iface": "enp9s9"}, "eth0"),
        ({"address": "fe80::1"}, "eth0"),
    ],
)
def test_the_interface_by_which_the_host_is_reached(spec, interface):
    assert _probe._management(spec, INTERFACES) == interface


def test_the_interface_that_ssh_came_in_by(monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "10.72.0.1 40000 10.72.0.11 22")
    assert _probe._management({"address": "a-name-behind-nat"}, INTERFACES) == "eth1"


SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
cat <<END
Id=mariadb.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
MainPID=12
ControlGroup=/system.slice/mariadb.service

Id=nope.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
MainPID=0
ControlGroup=

Id=off.service
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled
MainPID=0
ControlGroup=

Id=sick.service
LoadState=loaded
ActiveState=failed
UnitFileState=disabled
MainPID=0
ControlGroup=

Id=standby.service
LoadState=loaded
ActiveState=inactive
UnitFileState=enabled
MainPID=0
ControlGroup=
END
"""


@pytest.fixture(name="programs")
def fixture_programs(tmp_path, monkeypatch):
    """A folder of programs that the probe finds before all others."""
    monkeypatch.setattr(_probe, "_PATH", f"{tmp_path}:{_probe._PATH}")
    real = os.path.isdir
    monkeypatch.setattr(_probe.os.path, "isdir", lambda path: path == "/run/systemd/system" or real(path))

    def program(name, text):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
        return tmp_path

    return program


def test_all_units_are_asked_for_at_once(programs):
    folder = programs("systemctl", SYSTEMCTL)
    found = _probe._units(_probe.Look(HANG), ["mysql", "nope", "off", "sick", "standby", "--evil", "a b", "x*"])
    assert sorted(found) == ["mysql", "sick", "standby"]
    assert found["mysql"]["id"] == "mariadb.service" and found["mysql"]["up"] is True
    assert found["sick"]["up"] is False and found["standby"]["up"] is False
    (call,) = (folder / "calls").read_text().splitlines()
    assert call.endswith("-- mysql.service nope.service off.service sick.service standby.service")


# as the real one: it ends at a name that it does not take, whatever comes after it
PICKY = """#!/bin/sh
case "$*" in *--property=Version) echo Version=252; exit;; esac
while [ "$1" != -- ]; do shift; done
shift
for name; do
    case $name in
        bad*|*@.service) echo "Failed to get properties: Unit name $name is neither a valid invocation ID nor unit name." >&2; exit 1;;
        mute*) echo "Failed to get properties: Too big" >&2; exit 1;;
    esac
    printf "Id=%s\\nLoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\nMainPID=12\\nControlGroup=/x\\n\\n" "$name"
done
"""


def services_of(folder_program, **definitions):
    folder_program("systemctl", PICKY)
    look = _probe.Look(HANG)
    found = _probe._services(look, {name.replace("_", "-"): each for name, each in definitions.items()})
    return look, found


@pytest.mark.parametrize("name, why", [
    ("nova-compute@", "'nova-compute@' is a template: say which instance, as in nova-compute@1"),
    ("nova-compute@.service", "'nova-compute@.service' is a template"),
    ("bad", "systemctl told nothing of the unit bad: Failed to get properties: Unit name bad.service is neither"),
    ("mute", "systemctl told nothing of the unit mute: Failed to get properties: Too big"),
    ("a b", "'a b' is no name of a unit"),
    ("--evil", "'--evil' is no name of a unit"),
])
def test_a_bad_unit_name_costs_its_own_entry_only(programs, name, why):
    """And what runs there is no `process`: its unit was not asked for."""
    units = {f"s{number}": {"unit": [f"s{number}"], "grep": "nothing-of-it"} for number in range(5)}
    look, found = services_of(programs, **units, wrong={"unit": [name], "grep": "."})
    assert found.keys() == units.keys() and all(each["driver"] == "system_service" for each in found.values())
    assert look.unseen["services"].keys() == {"wrong"} and look.unseen["services"]["wrong"].startswith(why)
    assert [said.startswith("service wrong: " + why) for said in look.lacking] == [True]


def test_a_service_that_has_a_unit_beside_a_bad_one_is_there(programs):
    look, found = services_of(programs, both={"unit": ["nova-compute@", "bad", "good"]})
    assert found["both"]["unit"] == ["good"] and look.unseen["services"] == {}


def test_a_systemctl_that_tells_nothing_makes_no_processes_of_services(programs):
    programs("systemctl", "#!/bin/sh\necho 'Failed to connect to bus: No such file' >&2\nexit 1\n")
    look = _probe.Look(HANG)
    found = _probe._services(look, {"a": {"unit": ["a"], "grep": "."}, "b": {"unit": ["b"], "grep": "."}, "c": {"driver": "process", "grep": "."}})
    assert found.keys() == {"c"} and look.unseen["services"].keys() == {"a", "b"}
    assert look.lacking == ["systemctl told nothing of the units: Failed to connect to bus: No such file"]


def test_a_definition_that_is_none_costs_its_own_entry_only(programs):
    look, found = services_of(programs, good={"unit": "good"}, bad="nova-api", odd={"driver": "process", "grep": 5})
    assert found["good"]["unit"] == ["good"] and found.keys() == {"good"}
    assert look.unseen["services"].keys() == {"bad", "odd"} and "its definition is no dictionary" in look.unseen["services"]["bad"]


@pytest.mark.parametrize("key, wrong, why", [
    *(("unit", wrong, "its unit is " + what) for wrong, what in [
        (5, "a number"), ([5], "a list with a number"), (True, "true or false"), ([None], "a list with nothing"), ([["a"]], "a list with a list"),
        ({"a": 1}, "a dictionary"), (["a", False], "a list with true or false")]),
    ("container", 5, "its container is a number"), ("container", [5], "its container is a list with a number"),
    *((key, wrong, "its %s is %s" % (key, what)) for key in (
        "driver", "grep", "container_name", "pcs_service", "salt_service", "linux_service", "start_cmd", "terminate_cmd", "restart_cmd")
      for wrong, what in [(5, "a number"), (["a"], "a list"), (True, "true or false"), ({}, "a dictionary")]),
    *((key, wrong, "its %s is %s" % (key, what)) for key in ("start_timeout", "stop_timeout") for wrong, what in [
        ("soon", "text"), ([1], "a list"), (False, "true or false")]),
    *(("port", wrong, "its port is " + what) for wrong, what in [(True, "true or false"), ({"tcp": 1}, "a dictionary"), (1.5, "1.5")]),
], ids=str)
def test_a_field_that_is_of_another_kind_costs_its_own_entry_only(programs, key, wrong, why):
    definition = {"driver": "process", "grep": "sleep", key: wrong}
    look, found = services_of(programs, good={"unit": ["good"]}, odd=definition)
    assert found.keys() == {"good"} and look.unseen["services"].keys() == {"odd"}
    assert look.unseen["services"]["odd"].startswith(why) and "expected" in look.unseen["services"]["odd"]
    assert _probe.wrong_with(definition) == look.unseen["services"]["odd"]


def test_a_container_whose_name_is_none_costs_its_own_entry_only(programs):
    programs("docker", "#!/bin/sh\nprintf 'id1\\tgood\\tUp 2 hours\\n'\n")
    look = _probe.Look(HANG)
    assert _probe._containers(look, {"good": {"container_name": "good"}, "odd": {"container_name": ["a"]}}).keys() == {"good"}
    assert look.unseen["containers"].keys() == {"odd"}


@pytest.mark.parametrize("key", ["unit", "grep", "port", "container", "start_cmd", "start_timeout"])
def test_what_is_there_without_a_value_is_as_if_it_were_not(programs, key):
    look, found = services_of(programs, good={"unit": ["good"], **{key: None}})
    assert look.unseen["services"] == {} and ("good" in found) is (key != "unit") and all(key not in each for each in found.values())


@pytest.mark.parametrize("port", [3306, "3306", ["tcp", 3306], [["tcp", 3306, "ingress"]], "tcp/3306"])
def test_what_says_a_port(port):
    assert _probe.wrong_with({"port": port, "start_timeout": "2.5", "stop_timeout": 3}) == ""


def test_processes_of_others_that_are_hidden_are_not_absent(monkeypatch):
    look = _probe.Look(HANG)
    look.hidden = "processes of other users are hidden here (hidepid)"
    monkeypatch.setattr(_probe, "_processes", lambda look: {7: ("mine", "")})
    found = _probe._services(look, {"mine": {"driver": "process", "grep": "mine"}, "theirs": {"driver": "process", "grep": "theirs"}})
    assert found.keys() == {"mine"} and look.unseen["services"] == {"theirs": look.hidden}


def test_a_systemctl_that_hangs_costs_its_deadline_only(programs):
    programs("systemctl", "#!/bin/sh\nexec sleep 4321\n")
    look = _probe.Look(0.3)
    assert _probe._units(look, ["mysql"]) == {}
    assert look.lacking[0].startswith("systemctl gave no answer within")


def test_what_a_command_may_take_follows_what_is_left(monkeypatch):
    """None has a bound of its own, and one that hangs leaves time for the others."""
    now, allowed = [0.0], []

    def hangs(argv, timeout, **options):
        allowed.append((argv[1], round(timeout, 3)))
        now[0] += timeout
        raise subprocess.TimeoutExpired(argv, timeout)

    monkeypatch.setattr(_probe.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(_probe.subprocess, "run", hangs)
    monkeypatch.setattr(_probe, "which", lambda program: "/bin/" + program)
    look = _probe.Look(300)
    for word in ("-json", "show", "ps"):
        assert look.run(["ip", word]) is None
    assert allowed == [("-json", 240.0), ("show", 48.0), ("ps", 9.6)]


def test_containers_are_found_by_exact_name(programs):
    programs("docker", "#!/bin/sh\nprintf 'id1\\tnova_api\\tUp 2 hours\\nid2\\tnova_api_old\\tUp\\nid3\\tkeystone\\tExited (0)\\n'\n")
    wanted = {name: {"driver": "docker_container", "container_name": name} for name in ("nova_api", "keystone", "nova")}
    found = _probe._containers(_probe.Look(HANG), wanted)
    assert found == {
        "nova_api": {"driver": "docker_container", "container_name": "nova_api", "engine": "docker", "id": "id1", "active": True},
        "keystone": {"driver": "docker_container", "container_name": "keystone", "engine": "docker", "id": "id3", "active": False},
    }


def test_an_engine_that_refuses_is_told(programs):
    programs("docker", "#!/bin/sh\necho 'permission denied' >&2\nexit 1\n")
    look = _probe.Look(HANG)
    assert _probe._containers(look, {"a": {"container_name": "a"}}) == {}
    assert look.lacking == ["docker ps: permission denied"] and look.unseen["containers"] == {"a": "docker ps: permission denied"}


NO_DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.fixture(name="client")
def fixture_client(programs, tmp_path, monkeypatch):
    """A node with a docker that has nobody to ask; client(name): with this program, too."""
    programs("docker", f"#!/bin/sh\necho '{NO_DAEMON}' >&2\nexit 1\n")
    monkeypatch.setattr(_probe, "_PATH", str(tmp_path))
    monkeypatch.setattr(_probe, "_DOCKER_SOCKET", str(tmp_path / "docker.sock"))
    return lambda name: programs(name, "#!/bin/sh\n")


def test_a_client_without_a_daemon_is_no_engine(client):
    found = _probe.probe({"containers": {"a": {"container_name": "a"}}, "timeout": HANG})
    assert found["containers"] == {} and found["unseen"]["containers"] == {}
    assert found["host"]["engines"] == {"docker": "docker is a client only here: it has no daemon"}
    assert not [each for each in found["lacking"] if "docker" in each]


def test_a_daemon_that_does_not_run_may_have_containers(client):
    client("dockerd")
    found = _probe.probe({"containers": {"a": {"container_name": "a"}}, "timeout": HANG})
    assert found["unseen"]["containers"] == {"a": f"docker ps: {NO_DAEMON}"} and f"docker ps: {NO_DAEMON}" in found["lacking"]
    assert found["host"]["engines"] == {"docker": f"docker ps: {NO_DAEMON}"}


@pytest.mark.parametrize("there", [True, False])
def test_a_daemon_that_does_not_let_us_in_has_containers(client, tmp_path, there):
    """Something listens, whichever program it is; or what was there before has left its socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        if there:
            listener.listen()
        found = _probe.probe({"containers": {"a": {"container_name": "a"}}, "timeout": HANG})
    assert (found["unseen"]["containers"].keys() == {"a"}) is there and ("docker ps" in str(found["lacking"])) is there
    assert bool(found["host"]["engines"]) is not there


def test_processes_leave_out_our_own_chain_and_kernel_threads():
    look = _probe.Look(HANG)
    with sleeper("faultline-unit-test-marker") as child:
        found = _probe._processes(look)
    assert "faultline-unit-test-marker" in found[child.pid][0]
    assert os.getpid() not in found and os.getppid() not in found
    assert not any(line.startswith("[kthread") for line, _group in found.values())


def test_the_file_runs_alone():
    """As the inventory plugin sends it: as a program on stdin, with nothing of the collection beside it."""
    with open(_probe.__file__, encoding="utf-8") as stream:
        text = stream.read() + "\nprint(json.dumps(probe({'services': {'me': {'grep': 'faultline-alone'}}, 'timeout': 300})))\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"], input=text, capture_output=True, text=True, check=True, cwd="/", timeout=HANG,
    )
    found = json.loads(done.stdout)
    assert sorted(found) == ["complete", "containers", "host", "lacking", "networks", "seconds", "services", "unseen"]
    assert found["services"] == {} and found["host"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_what_is_found_is_plain_json():
    found = _probe.probe({"services": {"init": {"grep": "."}}, "containers": {"x": {"container_name": "x"}}, "timeout": 5})
    assert json.loads(json.dumps(found)) == found
    assert found["services"]["init"]["driver"] == "process"
