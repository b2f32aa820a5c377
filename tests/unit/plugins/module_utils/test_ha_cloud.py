# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cloud without any cloud: which login is meant, what is ready, questions that have a deadline, and what cannot be asked."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest
from patience import HANG, more_time
import yaml
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._ha import _cloud, _cloud_state, _servers

AUTH = {"auth_url": "http://192.0.2.1:5000/v3", "username": "me", "password": "s3cret", "project_name": "mine"}


@pytest.fixture(autouse=True)
def shell(monkeypatch, tmp_path):
    """A shell without a cloud, in a directory without clouds.yaml."""
    for name in list(os.environ):
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def clouds(shell, tmp_path):
    path = tmp_path / "of mine.yaml"
    path.write_text(yaml.safe_dump({"clouds": {
        "lab": {"auth": AUTH, "region_name": "RegionOne", "verify": False}, "other": {"auth": {**AUTH, "username": "you"}}}}))
    shell.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return path


# ---- which login is meant


def test_a_login_that_is_given_needs_no_library_and_nothing_is_mixed_into_it(shell):
    shell.setenv("OS_PROJECT_NAME", "theirs")
    shell.setattr(_cloud.importlib, "import_module", None)
    auth = {name: value for name, value in AUTH.items() if name != "project_name"}
    assert _cloud.login({"auth": auth, "region_name": "R", "verify": None}) == {"auth": auth, "region_name": "R", "verify": True, "cacert": None}


def test_a_configuration_of_a_login_knows_nothing_of_the_shell(shell):
    shell.setenv("OS_PROJECT_DOMAIN_NAME", "theirs")
    assert "project_domain_name" not in _cloud.configured({"auth": AUTH}).config["auth"]


def test_a_cloud_by_its_name(shell, tmp_path):
    clouds(shell, tmp_path)
    found = _cloud.login({"cloud": "lab"})
    assert found["auth"]["username"] == "me" and (found["region_name"], found["verify"]) == ("RegionOne", False)
    assert _cloud.login({"cloud": "other"})["verify"] is True


def test_a_cloud_by_the_variables_of_the_shell(shell):
    for name, value in AUTH.items():
        shell.setenv(f"OS_{name.upper()}", value)
    assert {name: _cloud.login({})["auth"][name] for name in AUTH} == AUTH


def test_an_unknown_cloud_is_named_with_those_that_are_there(shell, tmp_path):
    path = clouds(shell, tmp_path)
    with pytest.raises(FaultlineError) as caught:
        _cloud.login({"cloud": "lap"})
    assert (caught.value.text, caught.value.code) == (f"There is no cloud lap in {path}. It has: lab, other.", "no_credentials")


@pytest.mark.parametrize("options, message", [
    ({}, "The credentials for a cloud are not complete: Auth plugin requires parameters which were not given: auth_url. Give cloud (a name of "
         "clouds.yaml), or auth, or the variables OS_* of a shell."),
    ({"cloud": "lab"}, "There is no cloud lab in any clouds.yaml. Name the file by OS_CLIENT_CONFIG_FILE, or give auth."),
])
def test_no_credentials_are_an_error(options, message):
    with pytest.raises(FaultlineError) as caught:
        _cloud.login(options)
    assert (caught.value.text, caught.value.code) == (message, "no_credentials")


def test_a_missing_library_is_told_with_what_to_install(shell):
    def gone(name):
        raise ImportError(f"No module named '{name}'")

    shell.setattr(_cloud.importlib, "import_module", gone)
    with pytest.raises(FaultlineError) as caught:
        _cloud.Connection({"auth": AUTH})
    assert caught.value.text == (
        "The Python library openstacksdk is not installed for the Python that runs this: No module named 'openstack.config'. pip install openstacksdk")
    assert caught.value.code == "missing_library"


def test_of_a_login_only_the_secrets_are_hidden():
    class Module:
        params = {"auth": {**AUTH, "application_credential_secret": "hush", "user_id": None}}
        no_log_values = {"http://192.0.2.1:5000/v3", "me", "s3cret", "mine", "hush"}

    _cloud.hide_only_secrets(Module)
    assert Module.no_log_values == {"s3cret", "hush"}


# ---- questions that have a deadline


def test_all_questions_are_asked_side_by_side_and_none_outlives_its_deadline():
    meet, never = threading.Barrier(2, timeout=HANG), threading.Event()

    def fails():
        raise ValueError("no")

    found = _cloud.all_within(HANG, {"a": meet.wait, "b": meet.wait, "c": fails})
    assert {found["a"][0], found["b"][0]} == {0, 1} and found["a"][1] is None and str(found["c"][1]) == "no"
    found = _cloud.all_within(0.5, {"d": never.wait})
    never.set()
    assert str(found["d"][1]) == "no answer within 0.5 seconds"


# ---- the state of a cloud


class Things(list):
    """What an API lists; a call gives it."""

    def __call__(self, **_options):
        if self and isinstance(self[0], Exception):
            raise self[0]
        return iter(self)


class Thing:
    def __init__(self, **values):
        self.__dict__.update(values)


class FakeConnection:
    """A connection to a cloud of fakes. services: name -> {list: things}."""

    words = "the cloud fake"

    def __init__(self, **services):
        self.services = services
        self.connection = Thing(**{name: Thing(**lists) for name, lists in services.items()})

    def has(self, service):
        return service.replace("-", "_") in self.services

    @staticmethod
    def explain(exc):
        return str(exc)


def service(binary="nova-compute", host="cmp1", state="up", status="enabled"):
    return Thing(binary=binary, host=host, state=state, status=status)


def agent(binary="neutron-l3-agent", host="net1", alive=True, admin=True):
    return Thing(binary=binary, host=host, is_alive=alive, is_admin_state_up=admin)


class Answer:
    status_code = 200

    def __init__(self, content):
        self.json = lambda: content


def cloud(**more):
    """A whole small cloud."""
    server = Thing(id="s", name="vm", status="ACTIVE", task_state=None, compute_host="cmp1", flavor={"original_name": "m1.tiny"})
    port = Thing(id="p", name="", status="DOWN", device_id="s", device_owner="compute:nova", binding_host_id="cmp1")
    services = {
        "compute": {"servers": Things([server]), "services": Things([service()])},
        "network": {"ports": Things([port]), "routers": Things([]), "agents": Things([agent()])},
        "image": {"images": Things([Thing(id="i", name="tiny", status="active")])},
        "placement": {"resource_providers": Things([Thing(id="r", name="cmp1")]),
                      "get": lambda _url: Answer({"allocations": {"s": {"resources": {"VCPU": 1}}}})},
    }
    made = FakeConnection(**{**services, **more})
    made.sdk_errors = Thing(raise_from_response=lambda _answer: None)
    return made


def test_the_inventory_of_a_cloud():
    found = _cloud_state.State(cloud(), HANG).inventory()
    assert 0 <= time.time() - found.pop("at") < HANG
    assert found == {
        "format": 1,
        "servers": [{"id": "s", "name": "vm", "status": "ACTIVE", "task_state": None, "host": "cmp1", "flavor": "m1.tiny"}],
        "ports": [{"id": "p", "name": "", "status": "DOWN", "device_id": "s", "device_owner": "compute:nova", "host": "cmp1"}],
        # no such service in the catalogue is no error
        "volumes": [], "images": [{"id": "i", "name": "tiny", "status": "active"}], "routers": [],
        "allocations": [{"consumer": "s", "provider": "cmp1", "resources": {"VCPU": 1}}],
        "services": [
            {"kind": "compute", "binary": "nova-compute", "host": "cmp1", "state": "up", "enabled": True},
            {"kind": "network", "binary": "neutron-l3-agent", "host": "net1", "state": "up", "enabled": True},
        ],
        "errors": [],
    }


def test_what_cannot_be_asked_is_listed_and_the_rest_is_there():
    broken = cloud(network={"ports": Things([ValueError("403: not allowed")]), "routers": Things([]), "agents": Things([agent()])})
    found = _cloud_state.State(broken, HANG).inventory()
    assert found["errors"] == [{"what": "ports", "why": "403: not allowed"}]
    assert len(found["servers"]) == 1 and {each["kind"] for each in found["services"]} == {"compute", "network"}


def test_an_api_that_never_answers_costs_its_deadline_and_nothing_else():
    never = threading.Event()
    slow = cloud(image={"images": lambda **_options: never.wait()})
    for seconds in more_time(0.5):
        found = _cloud_state.State(slow, seconds).inventory()
        if len(found["errors"]) == 1:
            break
    never.set()
    assert found["errors"] == [{"what": "images", "why": f"no answer within {seconds:g} seconds"}] and found["servers"]


@pytest.mark.parametrize("more, expected", [
    ({}, []),
    ({"compute": {"services": Things([service(state="down"), service(host="cmp2")])}}, ["nova-compute on cmp1 is down."]),
    ({"compute": {"services": Things([service(state="down", status="disabled"), service(host="cmp2")])}}, []),
    ({"compute": {"services": Things([service("nova-scheduler", "ctl1")])}}, ["No nova-compute is up."]),
    ({"network": {"agents": Things([agent(alive=False), agent(host="net2", alive=False, admin=False)])}}, ["neutron-l3-agent on net1 is down."]),
    ({"image": {"images": Things([ValueError("503")])}}, ["The API of image cannot be asked: 503."]),
    ({"compute": {"services": Things([ValueError("503")])}}, ["The services of compute cannot be asked: 503.", "No nova-compute is up."]),
])
def test_what_is_not_ready_is_told(more, expected):
    assert _cloud_state.State(cloud(**more), 5).unready() == expected


def test_a_cloud_without_a_service_is_not_ready():
    poor = cloud()
    del poor.services["placement"]
    assert _cloud_state.State(poor, 5).unready() == ["The catalogue has no placement service."]


def test_the_health_check_waits_and_then_tells_all(monkeypatch):
    monkeypatch.setattr(_cloud_state, "PAUSE", 0.05)
    looks = []

    def connection(_options, request):
        looks.append(request)
        return cloud(compute={"services": Things([service(state="down" if len(looks) < 3 else "up")])})

    monkeypatch.setattr(_cloud_state._cloud, "Connection", connection)
    monkeypatch.setattr(_cloud_state.State, "unready", lambda self, services: [] if len(looks) > 2 else looks.append(0) or ["nova-compute on cmp1 is down."])
    found, seconds = _cloud_state.wait_ready({}, 5)
    assert found.words == "the cloud fake" and 0 < seconds < 5
    monkeypatch.setattr(_cloud_state.State, "unready", lambda self, services: ["nova-compute on cmp1 is down.", "The API of image cannot be asked: 503."])
    with pytest.raises(FaultlineError) as caught:
        _cloud_state.wait_ready({}, 0.2)
    assert caught.value.message == "The cloud is not ready after 0 seconds: nova-compute on cmp1 is down. The API of image cannot be asked: 503."
    assert caught.value.details == {"not_ready": ["nova-compute on cmp1 is down.", "The API of image cannot be asked: 503."]}


@pytest.mark.parametrize("code, raised", [("bad_credentials", "bad_credentials"), ("no_credentials", "no_credentials"), ("no_answer", "not_ready")])
def test_only_what_time_can_mend_is_waited_for(monkeypatch, code, raised):
    def refuses(_options, request):
        raise FaultlineError("No.", code=code)

    monkeypatch.setattr(_cloud_state, "PAUSE", 0.05)
    monkeypatch.setattr(_cloud_state._cloud, "Connection", refuses)
    with pytest.raises(FaultlineError) as caught:
        _cloud_state.wait_ready({}, 0.2)
    assert caught.value.code == raised


def test_a_keystone_that_never_answers_is_told_in_time():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(50)
        begun = time.monotonic()
        with pytest.raises(FaultlineError) as caught:
            _cloud_state.wait_ready({"auth": {**AUTH, "auth_url": f"http://127.0.0.1:{mute.getsockname()[1]}/v3"}}, 2)
        assert time.monotonic() - begun > 1
    assert caught.value.code == "not_ready" and "timed out" in caught.value.message


# ---- servers to watch


class NetworkOfOurs:
    """Networks, routers and security groups of ours and of others; deleted: what was deleted."""

    def __init__(self):
        self.deleted = []
        ours, theirs = Thing(id="1", name="ha-1", description="faultline-ha"), Thing(id="2", name="ha-1", description="")
        self.networks = self.routers = self.security_groups = lambda name: [ours, theirs]
        self.ips = lambda: [Thing(description="faultline-ha ha-1", id="3"), Thing(description="faultline-ha ha-12", id="4"), Thing(description=None, id="5")]
        self.ports = lambda device_id: []

    def __getattr__(self, name):
        assert name.startswith("delete_"), name
        return lambda thing, ignore_missing: self.deleted.append((name, thing.id))


class ComputeOfOurs:
    """A server of ours, and some that are like it."""

    def __init__(self):
        self.there = [
            Thing(name="ha-1-1", metadata={"faultline-ha": "ha-1"}), Thing(name="ha-1-2", metadata={}),
            Thing(name="ha-12-1", metadata={"faultline-ha": "ha-12"})]
        self.deleted = []

    def servers(self, name):
        return self.there

    def delete_server(self, thing, ignore_missing):
        self.there.remove(thing)
        self.deleted.append(thing.name)


def test_only_what_has_our_name_and_our_mark_is_deleted():
    connection = FakeConnection()
    connection.connection = Thing(network=NetworkOfOurs(), compute=ComputeOfOurs())
    connection.sdk_errors = Thing(NotFoundException=KeyError, ConflictException=KeyError)
    connection.ask = lambda act, *arguments: act(*arguments)
    servers = _servers.Servers(connection, "ha-1", 5)
    assert servers.absent() == 5 and servers.changed
    assert connection.connection.compute.deleted == ["ha-1-1"]
    assert connection.connection.network.deleted == [
        ("delete_ip", "3"), ("delete_router", "1"), ("delete_network", "1"), ("delete_security_group", "1")]
