# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters on a real Nova with its fake driver: what is asserted is what the cloud's APIs say, and that nothing is left."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import pathlib
import signal
import sys
import threading
import uuid

import pytest
import yaml
from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _cluster, _metadata, _runs, _session, _survey, _teardown
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from lab_nodes import LAB, PASSWORD, ROOT, Node, wait_for
from lab_nova import network_agent
from patience import HANG
from warm_ansible import run_ansible

sys.path.append(str(ROOT / "tests" / "bench"))
import clusters

KEY = LAB / "id_ed25519.pub"


def steering(count=1, networks=(), **more):
    """One instance, so many times, on no network."""
    return {
        "label": {"l": {"ROLE": ["node"]}}, "images": {"i": {"OS_IMAGE_NAME": "cluster-image", "usr_label": ["l"]}},
        "flavor": {"f": {"OS_FLAVOR_NAME": "c1.tiny"}},
        "instances": {"a": {"uuid_image": "i", "uuid_flavour": "f", "count": count, "networks": list(networks), **more}}}


FIVE = {
    "label": {"mon": {"CEPH_LAYOUT": ["MON"]}, "osd": {"CEPH_LAYOUT": ["OSD"], "DISK": ["vdb", "vdc"]}, "old": {"CEPH_LAYOUT": ["none"], "OS": ["debian"]},
              "small": {"SIZE": ["small"], "OS": ["any"]}},
    "images": {"i1": {"OS_IMAGE_NAME": "cluster-image", "usr_label": ["old"]}},
    "flavor": {"f1": {"OS_FLAVOR_NAME": "c1.tiny", "usr_label": ["small"]}},
    "instances": {
        "mon": {"uuid_image": "i1", "uuid_flavour": "f1", "usr_label": ["mon"], "floating_ip": True, "server_group": "mons"},
        "osd": {"uuid_image": "i1", "uuid_flavour": "f1", "usr_label": ["osd"], "count": 3},
        "other": {"uuid_image": "i1", "uuid_flavour": "f1", "user_data": "#cloud-config\npassword: hush-hush\n", "availability_zone": "nova"}}}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """The lab's cloud is near, and does what it is asked in a moment."""
    for module in (_cluster, _survey, _teardown):
        monkeypatch.setattr(module, "PAUSE", 0.3)
    monkeypatch.setattr(_teardown, "SETTLED", 0.5)


@pytest.fixture(scope="module")
def cloud(nova):
    """The node of Nova, with an image, flavors and a network that has an external one behind a router."""
    sdk, network = nova.sdk, nova.sdk.network
    image = sdk.image.create_image(
        name="cluster-image", data=b"\0" * 65536, disk_format="raw", container_format="bare", visibility="public", wait=True)
    flavors = [sdk.compute.create_flavor(name=name, ram=64, vcpus=vcpus, disk=1) for name, vcpus in (("c1.tiny", 1), ("c1.huge", 10**6))]
    outside = network.create_network(
        name="cluster-outside", is_router_external=True, provider_network_type="flat", provider_physical_network="external")
    network.create_subnet(network_id=outside.id, name="cluster-outside", cidr="203.0.113.0/24", ip_version=4, is_dhcp_enabled=False)
    inside = network.create_network(name="cluster-net")
    subnet = network.create_subnet(network_id=inside.id, name="cluster-net", cidr="10.9.0.0/24", ip_version=4)
    router = network.create_router(name="cluster-router", external_gateway_info={"network_id": outside.id})
    network.add_interface_to_router(router, subnet_id=subnet.id)
    with network_agent(nova):
        yield nova
        run(nova, state="absent", all=True)
    network.remove_interface_from_router(router, subnet_id=subnet.id)
    network.delete_router(router)
    for each in (inside, outside):
        network.delete_network(each)
    for each in flavors:
        sdk.compute.delete_flavor(each)
    sdk.image.delete_image(image)


def things(cloud):
    """All that a cluster may leave."""
    sdk = cloud.sdk
    return {
        "servers": sorted(each.name for each in sdk.compute.servers()), "key_pairs": sorted(each.name for each in sdk.compute.keypairs()),
        "server_groups": sorted(each.name for each in sdk.compute.server_groups()), "ports": sorted(each.id for each in sdk.network.ports()),
        "floating_ips": sorted(each.floating_ip_address for each in sdk.network.ips())}


@pytest.fixture
def untouched(cloud):
    """The cloud; the test fails if it leaves anything there."""
    before = things(cloud)
    yield cloud
    # ports go a moment after their servers
    with contextlib.suppress(AssertionError):
        wait_for(lambda: things(cloud) == before)
    left = things(cloud)
    if left != before:
        run(cloud, state="absent", all=True)
    assert left == before


def ours(cloud):
    """The VMs of clusters."""
    return [each for each in cloud.sdk.compute.servers() if _metadata.is_ours(each.metadata)]


ORIGIN = {"TERMINAL_SSH_CONNECTION": "192.0.2.1 5000 192.0.2.2 22"}


def run(cloud, **options):
    """os_cluster as its module does it, in this process."""
    defaults = {name: each.get("default") for name, each in _runs.arguments().items()}
    options = {**defaults, "auth": cloud.auth, "public_key": KEY.read_text().strip(), "origin": ORIGIN, "timeout": 2 * HANG, **options}
    return _runs.change(options, check_mode=False)


def refused(cloud, **options):
    with pytest.raises(FaultlineError) as told:
        run(cloud, **options)
    assert PASSWORD not in told.value.text
    return told.value


def parsed(moment):
    """Epoch seconds of a moment as Nova has it."""
    return datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


@pytest.fixture(scope="module")
def controller(cloud):
    """This machine, as a user's terminal."""
    path = pathlib.Path(cloud.inventory).with_name("cluster.yml")
    path.write_text(yaml.safe_dump({"all": {"hosts": {"controller": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}}))
    return Node("controller", None, path, None, {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds), "SSH_CONNECTION": "192.0.2.7 6000 192.0.2.2 22"})


def test_a_cluster_from_its_steering_file_to_its_end(untouched, controller, tmp_path):
    """As a user does it, by Ansible and files."""
    sdk, file, state = untouched.sdk, tmp_path / "ceph.steering", tmp_path / "state.json"
    file.write_text(json.dumps(FIVE))
    args = {"cloud": "undercloud", "steering": str(file), "public_key": str(KEY), "state_file": str(state)}
    would = controller.hit("os_cluster", args, "--check")
    assert would["changed"] and [each["type"] for each in would["wanted"]] == ["mon", "osd", "osd", "osd", "other"] and not state.exists()
    assert ours(untouched) == []

    built = controller.hit("os_cluster", args)
    session, found = built["session"], {(each["type"], each["metadata"]["WE_NUMBER"]): each for each in built["instances"]}
    assert built["made"] == {"servers": 5, "floating_ips": 1, "volumes": 0, "key_pairs": 1, "server_groups": 1} and len(found) == 5
    assert {each["status"] for each in found.values()} == {"ACTIVE"} and PASSWORD not in built.output and "hush" not in built.output
    assert found["mon", 1]["labels"] == {"CEPH_LAYOUT": ["MON"], "OS": ["debian"], "SIZE": ["small"]}
    assert found["osd", 2]["labels"] == {"CEPH_LAYOUT": ["OSD"], "OS": ["debian"], "SIZE": ["small"], "DISK": ["vdb", "vdc"]}
    assert found["mon", 1]["address"] == found["mon", 1]["floating"] and found["mon", 1]["floating"].startswith("203.0.113.")
    assert found["osd", 1]["address"].startswith("10.9.0.") and found["osd", 1]["networks"] == {"cluster-net": [found["osd", 1]["address"]]}
    servers, image = {each.id: each for each in ours(untouched)}, sdk.image.find_image("cluster-image")
    for each in found.values():
        server = servers[each["id"]]
        assert json.loads(server.metadata["WE_SESSION"]) == session and server.name == f"whenenv-{json.loads(server.metadata['WE_ID'])}"
        assert json.loads(server.metadata["TERMINAL_SSH_CONNECTION"]) == "192.0.2.7 6000 192.0.2.2 22"
        assert server.key_name.startswith(f"whenenv-{session}-")
        told = _metadata.decode(server.metadata)
        assert (told["OS_IMAGE_ID"], told["OS_IMAGE_NAME"], told["OS_IMAGE_HUMAN_NAME"]) == (image.id, "cluster-image", "cluster-image")
        assert abs(parsed(told["WE_CREATED"]) - parsed(server.created_at)) < HANG
    other = sdk.compute.get_server(found["other", 1]["id"])
    assert base64.b64decode(other.user_data).decode() == FIVE["instances"]["other"]["user_data"] and other.availability_zone == "nova"
    (group,) = sdk.compute.server_groups()
    assert (group.policy, group.member_ids) == ("anti-affinity", [found["mon", 1]["id"]])
    written = json.loads(state.read_text())
    assert {entry["OS_ID"] for entry in written.values()} == set(servers) and state.stat().st_mode & 0o777 == 0o600

    # what is missing is added, to the session of this terminal; the state file is lost and written again
    state.unlink()
    sdk.compute.delete_server(found["osd", 2]["id"])
    sdk.compute.wait_for_delete(servers[found["osd", 2]["id"]], interval=0.5, wait=HANG)
    again = controller.hit("os_cluster", {**args, "session": "current"})
    assert again["made"]["servers"] == 1 and len(again["instances"]) == 5 and again["made"]["floating_ips"] == 0 and again["session"] == session
    assert not run(untouched, steering=FIVE, session=session)["changed"]
    assert {entry["OS_ID"] for entry in json.loads(state.read_text()).values()} == {each["id"] for each in again["instances"]}
    would = controller.hit("os_cluster", args, "--check")
    assert would["sessions"] == [session] and would["session"] != session, "the state file is no reason to go on with a session"

    # with a login as the scripts had it, whose Keystone has no second version any more
    account = tmp_path / "account.cfg"
    account.write_text(f'[main]\nusername = "admin"\npassword = "{PASSWORD}"\nauth_url = "http://{untouched.address}:5000/v2.0/"\ntenant = "admin"\n')
    told = controller.hit("os_cluster_info", {"account_file": str(account)})
    assert PASSWORD not in told.output
    assert told["current"] == session and [each["session"] for each in told["sessions"]] == [session]
    assert told["sessions"][0]["instances"] == 5 and told["sessions"][0]["origin"].endswith("by SSH from 192.0.2.7")
    assert sorted(each["id"] for each in told["instances"]) == sorted(each["id"] for each in again["instances"])

    gone = {"cloud": "undercloud", "state": "absent", "state_file": str(state)}
    would = controller.hit("os_cluster", gone, "--check")
    assert would["changed"] and len(would["removed"]) == 8 and len(ours(untouched)) == 5
    done = controller.hit("os_cluster", gone)
    assert sorted(map(str, done["removed"])) == sorted(map(str, would["removed"])) and done["session"] == session
    assert json.loads(state.read_text()) == {}
    assert not run(untouched, state="absent", session=session)["changed"]


def test_sessions_side_by_side_leave_each_other_alone(untouched):
    other = {"TERMINAL_SSH_CONNECTION": "192.0.2.1 5001 192.0.2.2 22"}
    one, two = run(untouched, steering=steering(2)), run(untouched, steering=steering(), origin=other)
    assert one["session"] != two["session"] and two["removed"] == []
    # from the same terminal again: its previous session goes, the other stays
    again = run(untouched, steering=steering())
    assert again["sessions"] == [one["session"]] and {each["kind"] for each in again["removed"]} == {"servers", "key_pairs"}
    assert {_metadata.session_of(each.metadata) for each in ours(untouched)} == {again["session"], two["session"]}
    third = run(untouched, steering=steering(), auto_teardown=False)
    assert third["removed"] == []
    # nobody knows what this was run from
    assert refused(untouched, state="absent", origin={"WE_HOSTNAME": "x"}).code == "no_session"
    assert run(untouched, state="absent", older_than="3600")["removed"] == []
    gone = run(untouched, state="absent")
    assert set(gone["sessions"]) == {again["session"], third["session"]}
    assert run(untouched, state="absent", older_than="0")["sessions"] == [two["session"]]


def test_a_ci_job_tears_down_what_it_has_left_and_nothing_of_another_executor(untouched):
    """As two executors of a Jenkins do, one after the other; one of them twice."""
    def job(executor, build):
        return _session.origin({
            "BUILD_TAG": f"jenkins-cluster-{build}", "BUILD_URL": f"https://ci.example.org/job/cluster/{build}/", "EXECUTOR_NUMBER": str(executor),
            "NODE_NAME": "built-in", "WORKSPACE": "/var/lib/jenkins/cluster", "SSH_CONNECTION": "192.0.2.1 5000 192.0.2.2 22"}, "ci")

    first, beside = run(untouched, steering=steering(), origin=job(1, 7)), run(untouched, steering=steering(), origin=job(2, 8))
    (server,) = [each for each in ours(untouched) if _metadata.session_of(each.metadata) == first["session"]]
    told = _metadata.decode(server.metadata)
    assert {key: value for key, value in told.items() if key.startswith(("JENKINS_", "TERMINAL_"))} == {
        "JENKINS_BUILD_TAG": "jenkins-cluster-7", "JENKINS_BUILD_URL": "https://ci.example.org/job/cluster/7/", "JENKINS_EXECUTOR_NUMBER": "1",
        "JENKINS_NODE_NAME": "built-in", "JENKINS_WORKSPACE": "/var/lib/jenkins/cluster"}
    again = run(untouched, steering=steering(), origin=job(1, 9))
    assert again["sessions"] == [first["session"]]
    assert {_metadata.session_of(each.metadata) for each in ours(untouched)} == {again["session"], beside["session"]}
    assert run(untouched, state="absent", origin=job(2, 10))["sessions"] == [beside["session"]]
    assert run(untouched, state="absent", origin=job(1, 11))["sessions"] == [again["session"]]


def descendants(pid):
    """A process and all that it has started."""
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text(errors="replace").rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


@pytest.mark.parametrize("all_of_it", [True, False], ids=["with its module", "alone"])
def test_a_controller_that_is_killed_leaves_what_a_teardown_finds(untouched, controller, monkeypatch, all_of_it):
    # what goes on without its controller may stand still for as long, and then ask for one more
    monkeypatch.setattr(_teardown, "SETTLED", 15)
    session = _session.new()
    more = {"networks": ["cluster-net"], "floating_ip": True, "server_group": {"name": "g", "policy": "soft-anti-affinity"}}
    playing = controller.start("os_cluster", {
        "cloud": "undercloud", "steering": steering(6, **more), "public_key": str(KEY), "session": session})
    wait_for(lambda: ours(untouched))
    for each in descendants(playing.pid) if all_of_it else [playing.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    playing.wait()
    gone = run(untouched, state="absent", session=session)
    assert {"servers", "key_pairs", "server_groups"} <= {each["kind"] for each in gone["removed"]}
    # nor does what goes on without its controller make any more
    wait_for(lambda: not workers(session))


def workers(session):
    """The processes on this machine that work for a session."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if session in path.read_text(errors="replace"):
                found.append(path.parent.name)
    return found


def test_teardowns_at_the_same_time_do_each_other_no_harm(untouched):
    built = run(untouched, steering=steering(4))
    # one is gone already
    untouched.sdk.compute.delete_server(built["instances"][0]["id"])
    done = []

    def tear_down():
        try:
            done.append(run(untouched, state="absent", session=built["session"])["msg"])
        except FaultlineError as exc:
            done.append(exc)

    threads = [threading.Thread(target=tear_down) for _each in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(done) == 2 and all(isinstance(each, str) for each in done), done


@pytest.mark.parametrize("change, code, message", [
    ({"images.i.OS_IMAGE_NAME": "cluster-imag"}, "not_found", "The cloud has no image cluster-imag. Did you mean cluster-image?"),
    ({"flavor.f.OS_FLAVOR_NAME": "c1.tinny"}, "not_found", "The cloud has no flavor c1.tinny. Did you mean c1.tiny"),
    ({"instances.a.networks": ["clusternet"]}, "not_found", "The cloud has no network clusternet. Did you mean cluster-net"),
    ({"instances.a.security_groups": ["defalt"]}, "not_found", "The cloud has no security group defalt. Did you mean default?"),
    ({"instances.a.availability_zone": "nowa:x"}, "not_found", "The cloud has no availability zone nowa. Did you mean nova?"),
    ({"instances.a.floating_ip": "outside"}, "not_found", "The cloud has no external network outside. Did you mean cluster-outside?"),
    ({"instances.a.volumes": [1]}, "not_found", "The cloud has no service for volumes. Leave volumes out."),
    ({"images.i.OS_IMAGE_NAME": "x", "flavor.f.OS_FLAVOR_NAME": "y"}, "not_found", "The cloud does not have 2 things of the steering file:\n  instances.a: "),
    ({"instances.a.count": 0}, "bad_steering", "steering: instances.a.count: found 0, expected a number of VMs, 1 to 500."),
    ({"label.l.ROLE": ["x" * 33000]}, "too_long", "The metadata of the VM a needs "),
])
def test_what_the_cloud_does_not_have_is_told_before_anything_is_touched(untouched, change, code, message):
    data = steering()
    for path, value in change.items():
        *folders, last = path.split(".")
        place = data
        for each in folders:
            place = place[each]
        place[last] = value
    told = refused(untouched, steering=data)
    assert (told.code, told.text[:len(message)]) == (code, message)


@contextlib.contextmanager
def quota(cloud, **limits):
    project = cloud.sdk.current_project_id
    cloud.sdk.compute.update_quota_set(project, **limits)
    try:
        yield
    finally:
        cloud.sdk.compute.revert_quota_set(project)


def test_a_quota_that_is_exceeded_is_told(untouched):
    count = len(list(untouched.sdk.compute.servers()))
    with quota(untouched, instances=count + 2):
        told = refused(untouched, steering=steering(3))
        assert (told.code, told.message) == (
            "quota_exceeded", f"The quota of the project has no room for 3 VMs: instances: 3 more are wanted, {count} of {count + 2} are used.")
    with quota(untouched, server_groups=0):
        told = refused(untouched, steering=steering(1, server_group="g"), on_failure="teardown")
        assert told.code == "quota_exceeded" and told.message.startswith("The server group g cannot be made: Quota exceeded")
    # what Nova itself refuses while it boots
    with quota(untouched, metadata_items=3):
        told = refused(untouched, steering=steering(2))
        assert told.code == "boot_refused" and told.message.startswith("2 of 2 VMs could not be asked for: Maximum number of metadata items exceeds 3")
    run(untouched, state="absent", session=told.details["session"])


def test_a_vm_in_error_shows_its_fault_and_is_booted_again(untouched):
    data = steering(2)
    data["flavor"]["g"] = {"OS_FLAVOR_NAME": "c1.huge"}
    data["instances"]["b"] = {**data["instances"]["a"], "count": 1, "uuid_flavour": "g"}
    told = refused(untouched, steering=data)
    assert told.code == "boot_failed" and told.message.startswith("1 of 3 VMs did not boot: whenenv-")
    assert "(b) is in ERROR: No valid host was found" in told.message
    session = told.details["session"]
    assert told.message.endswith(f"Kept in the session {session}: 3 VMs.") and told.details["made"]["servers"] == 3
    assert sorted((each["type"], each["status"]) for each in told.details["instances"]) == [("a", "ACTIVE"), ("a", "ACTIVE"), ("b", "ERROR")]
    assert "No valid host" in next(each["fault"] for each in told.details["instances"] if each["type"] == "b")
    data["flavor"]["g"] = {"OS_FLAVOR_NAME": "c1.tiny"}
    again = run(untouched, steering=data, session=session)
    assert again["made"]["servers"] == 1 and {each["status"] for each in again["instances"]} == {"ACTIVE"} and len(again["instances"]) == 3
    # what was made by this run goes, what was there stays
    data["instances"]["c"] = {**data["instances"]["a"], "count": 2}
    data["flavor"]["f"], data["flavor"]["g"] = {"OS_FLAVOR_NAME": "c1.huge"}, {"OS_FLAVOR_NAME": "c1.tiny"}
    told = refused(untouched, steering=data, session=session, on_failure="teardown")
    assert told.message.endswith("What was made is deleted again.")
    assert {each.id for each in ours(untouched)} == {each["id"] for each in again["instances"]}
    run(untouched, state="absent", session=session)


# ---- by the playbooks


@pytest.fixture
def play(cloud):
    """play(name, **variables): the playbook cluster_<name> from a terminal of its own; (return code, output)."""
    def run_it(name, **variables):
        given = json.dumps({"cluster_cloud": "undercloud", "cluster_public_key": str(KEY), **variables})
        done = run_ansible(
            ["ansible-playbook", f"faultline.openstack.cluster_{name}", "-e", given], timeout=2 * HANG, OS_CLIENT_CONFIG_FILE=str(cloud.clouds),
            SSH_CONNECTION="192.0.2.8 6000 192.0.2.2 22")
        output = done.stdout + done.stderr
        assert "Traceback" not in output and PASSWORD not in output
        return done.returncode, output

    return run_it


def test_a_playbook_takes_away_what_it_could_not_finish_and_lists_what_is_there(untouched, play, tmp_path):
    data, file, state = steering(2), tmp_path / "ceph.json", tmp_path / "cluster.json"
    data["flavor"]["g"] = {"OS_FLAVOR_NAME": "c1.huge"}
    data["instances"]["b"] = {**data["instances"]["a"], "count": 1, "uuid_flavour": "g"}
    file.write_text(json.dumps(data))
    code, output = play("buildup", cluster_steering=str(file), cluster_on_failure="teardown", cluster_state=str(state))
    assert code == 2 and "No valid host was found" in output and "What was made is deleted again." in output
    assert ours(untouched) == [] and not state.exists()
    file.write_text(json.dumps(steering(2)))
    code, output = play("buildup", cluster_steering=str(file), cluster_state=str(state))
    session = {entry["WE_SESSION"] for entry in json.loads(state.read_text()).values()}
    assert code == 0 and len(session) == 1 and len(ours(untouched)) == 2, output
    # a file that was lost is written again by a list, of what it was asked for or not
    state.unlink()
    code, output = play("list", cluster_what="instances")
    assert code == 0 and output.count("ACTIVE") == 2 and "sessions" not in output and not state.exists(), output
    code, output = play("list", cluster_what="sessions", cluster_state=str(state))
    assert code == 0 and f"{session.pop()}: 2 VMs" in output and "ACTIVE" not in output and len(json.loads(state.read_text())) == 2, output
    code, output = play("teardown", cluster_state=str(state))
    assert code == 0 and ours(untouched) == [] and json.loads(state.read_text()) == {}, output


DAMAGED = {
    "cut off": ('{"label": {', "is not JSON"), "a list": ("[1, 2]", "found a list, expected a mapping"), "empty": ("", "is empty"),
    "another thing": ("- hosts: all\n  tasks: []\n", "found a list, expected a mapping"), "no text": ("\x00\x01\x02", "ceph.steering"),
    "nothing wanted": ('{"instances": {}, "images": {}, "flavor": {}, "label": {}}', "instances"),
    "a label unknown": (json.dumps(steering(usr_label=["ll"])), "ll"),
    "a count of a thousand": (json.dumps(steering(1000)), "expected a number of VMs, 1 to 500"),
}


@pytest.mark.parametrize(("content", "words"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_steering_file_is_told_by_the_playbook_and_boots_nothing(untouched, play, tmp_path, content, words):
    file = tmp_path / "ceph.steering"
    file.write_text(content)
    code, output = play("buildup", cluster_steering=str(file))
    assert code == 2 and words in output and ours(untouched) == [], output


def test_an_api_that_is_lost_in_the_middle_is_told_with_what_was_made(untouched, monkeypatch):
    monkeypatch.setattr(_survey, "PATIENCE", 2)
    session, wait = str(uuid.uuid4()), _cluster.Cluster._active

    def stop_and_wait(*arguments):
        untouched.sh("systemctl stop nova-api")
        return wait(*arguments)

    monkeypatch.setattr(_cluster.Cluster, "_active", stop_and_wait)
    try:
        told = refused(untouched, steering=steering(6), session=session)
        lost = refused(untouched, state="absent", session=session)
    finally:
        untouched.sh("systemctl start nova-api")
        wait_for(lambda: untouched.sh("curl -s -o /dev/null http://$(hostname -i):8774/ && echo up", check=False))
    assert told.code in ("no_answer", "boot_failed") and told.details["session"] == session and len(told.details["asked"]) == 6
    assert f"The session {session} has " in told.message and told.hint == "Tear the session down when the cloud answers again."
    assert lost.code == "no_answer"
    gone = run(untouched, state="absent", session=session)
    assert {"servers", "key_pairs"} == {each["kind"] for each in gone["removed"]}


def test_a_vm_takes_one_call_to_boot_and_one_to_delete(untouched):
    up, down = clusters.measure(untouched.auth, steering(8), KEY.read_text().strip(), ORIGIN)
    assert (up["vms"], down["vms"]) == (8, 8)
    per_vm = [(len(calls["POST", "servers"]), len(calls["DELETE", "servers"])) for calls in (up["calls"], down["calls"])]
    assert per_vm == [(8, 0), (0, 8)]
    # all the others are for all of them together, however often they are asked
    assert all(sum(len(set(urls)) for urls in each["calls"].values()) < 8 + 40 for each in (up, down))
