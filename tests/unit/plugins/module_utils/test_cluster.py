# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters in a cloud that is only a few lists, for what the lab's clouds do not have or do: volumes, locked VMs, an API that comes back."""

from __future__ import annotations

import types

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _cluster, _lookup, _metadata, _steering, _survey, _teardown
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._ha import _things

exceptions = pytest.importorskip("openstack.exceptions")
keystone = pytest.importorskip("keystoneauth1.exceptions")

SESSION = "11111111-2222-3333-4444-555555555555"
STEERING = {
    "images": {"i": {"OS_IMAGE_NAME": "img"}}, "flavor": {"f": {"OS_FLAVOR_NAME": "flv"}},
    "instances": {"a": {"uuid_image": "i", "uuid_flavour": "f", "count": 3, "networks": []}}}


class Thing(types.SimpleNamespace):
    """A thing of a cloud; what nobody has given it is None."""

    def __getattr__(self, name):
        return None

    def to_dict(self):
        return dict(vars(self))


class Cloud:
    """Lists of things, and what openstacksdk would have of them. busy: how often a volume is refused to be deleted."""

    def __init__(self):
        self.lists = {kind: {} for kind in _survey.KINDS}
        self.booted = []
        self.locked, self.away, self.busy = set(), 0, 1
        self.limits = Thing(instances=10, instances_used=0, total_cores=-1, total_cores_used=0, total_ram=-1, total_ram_used=0)
        self.compute = self.network = self.image = self.block_storage = self
        self.current_project_id = "p"
        self.connection, self.errors, self.sdk_errors = self, keystone, exceptions

    # the connection

    def ask(self, act, *arguments):
        try:
            return act(*arguments)
        except keystone.ConnectFailure as exc:
            raise FaultlineError("the cloud cannot be reached", code="no_answer") from exc
        except exceptions.SDKException as exc:
            raise FaultlineError(str(exc), code="driver_failed") from exc

    def has(self, _service):
        return True

    def explain(self, exc):
        return str(exc)

    # what there is

    def _every(self, kind):
        if self.away:
            self.away -= 1
            raise keystone.ConnectFailure("away")
        return list(self.lists[kind].values())

    def servers(self, **_query):
        for each in self._every("servers"):
            if each.status == "BUILD":
                each.status = "ACTIVE"
        return self._every("servers")

    def volumes(self, **_query):
        for each in self._every("volumes"):
            each.status = "available" if each.status == "creating" else each.status
        return self._every("volumes")

    def ips(self, **_query):
        return self._every("floating_ips")

    def keypairs(self):
        return self._every("key_pairs")

    def server_groups(self):
        return self._every("server_groups")

    def images(self, **_query):
        return [Thing(id="i1", name="img")]

    def flavors(self):
        return [Thing(id="f1", name="flv", vcpus=1, ram=64)]

    def get_limits(self):
        return Thing(absolute=self.limits)

    # what is made and deleted

    def _made(self, kind, thing):
        self.lists[kind][thing.id] = thing
        return thing

    def create_server(self, **body):
        self.booted.append(body)
        return self._made("servers", Thing(id=f"s{len(self.booted)}", status="BUILD", metadata=body["metadata"], name=body["name"]))

    def create_volume(self, **body):
        return self._made("volumes", Thing(id=f"v{len(self.lists['volumes'])}", status="creating", **body))

    def create_keypair(self, **body):
        return self._made("key_pairs", Thing(id=body["name"], **body))

    def delete_server(self, each, ignore_missing=True):
        if each in self.locked:
            raise exceptions.ConflictException("Instance is locked", http_status=409)
        if self.lists["servers"].pop(each, None) is None and not ignore_missing:
            raise exceptions.NotFoundException("no such server", http_status=404)

    def delete_volume(self, each, ignore_missing=True):
        assert ignore_missing
        if self.busy:
            self.busy -= 1
            raise exceptions.BadRequestException("Volume status must be available", http_status=400)
        self.lists["volumes"].pop(each, None)

    def delete_keypair(self, each, ignore_missing=True):
        assert ignore_missing
        self.lists["key_pairs"].pop(each, None)


@pytest.fixture
def cloud(monkeypatch):
    for module in (_things, _survey, _teardown, _cluster):
        monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(_teardown, "SETTLED", 0.01)
    return Cloud()


def build(cloud, session=SESSION, seconds=20, **more):
    steering = {**STEERING, "instances": {"a": {**STEERING["instances"]["a"], **more.pop("instance", {})}}}
    cluster = _cluster.Cluster(cloud, seconds)
    there = [each for each in cluster.servers() if _metadata.session_of(each.metadata) == session]
    plans = cluster.plan(_steering.cluster(steering), session, {"WE_HOSTNAME": "box"}, there)
    return cluster, cluster.present(plans, session, **more)


def refused(act, *arguments, **more):
    with pytest.raises(FaultlineError) as told:
        act(*arguments, **more)
    return told.value


def test_volumes_bear_their_session_and_go_with_it(cloud):
    cluster, instances = build(cloud, instance={"count": 2, "volumes": [5, {"size": 1, "type": "ssd"}]})
    assert cluster.made == {"volumes": 4, "servers": 2} and len(instances) == 2
    volumes = list(cloud.lists["volumes"].values())
    assert {each.metadata["WE_SESSION"] for each in volumes} == {SESSION}
    assert [(each.size, each.volume_type) for each in volumes[:2]] == [(5, None), (1, "ssd")]
    disks = cloud.booted[0]["block_device_mapping"]
    assert [(each["source_type"], each["uuid"], each["boot_index"]) for each in disks] == [("image", "i1", 0), ("volume", "v0", -1), ("volume", "v1", -1)]
    assert all(each["delete_on_termination"] for each in disks)
    # a volume that is attached still is asked again
    assert len(cluster.absent({SESSION})) == 6 and not any(cloud.lists.values())


def test_a_volume_that_cannot_be_made_fails_the_buildup(cloud, monkeypatch):
    monkeypatch.setattr(cloud, "volumes", lambda **_query: [Thing(**{**vars(each), "status": "error"}) for each in cloud.lists["volumes"].values()])
    told = refused(build, cloud, instance={"volumes": [5]}, on_failure="keep")
    assert told.code == "boot_failed" and told.message.startswith("The volume v") and " is error." in told.message and cloud.booted == []
    assert told.details["made"] == {"volumes": 3}


def test_the_quota_is_looked_at_before_anything_is_made(cloud):
    cloud.limits.instances_used = 8
    told = refused(build, cloud, key="ssh-ed25519 AAAA")
    assert told.code == "quota_exceeded" and "instances: 3 more are wanted, 8 of 10 are used" in told.message and not any(cloud.lists.values())


def test_an_api_that_comes_back_is_waited_for(cloud):
    cluster, _instances = build(cloud)
    cloud.away = 5
    assert len(cluster.absent({SESSION})) == 3 and cloud.away == 0


def test_an_api_that_does_not_come_back_is_told_with_what_was_asked_for(cloud, monkeypatch):
    monkeypatch.setattr(_survey, "PATIENCE", 0.05)
    create = cloud.create_server

    def lost(**body):
        if len(cloud.booted) == 2:
            cloud.away = 10**9
            raise keystone.ConnectFailure("away")
        return create(**body)

    monkeypatch.setattr(cloud, "create_server", lost)
    monkeypatch.setattr(_survey, "THREADS", 1)
    told = refused(build, cloud)
    assert told.code == "no_answer" and told.message == (
        f"1 of 3 VMs could not be asked for: away. The session {SESSION} has 2 VMs that were asked for, and may have more.")
    assert [each["id"] for each in told.details["asked"]] == ["s1", "s2", None] and told.details["made"] == {"servers": 2}
    gone = refused(_cluster.Cluster(cloud, 5).absent, {SESSION})
    assert gone.code == "no_answer"


def test_a_vm_that_is_locked_is_told(cloud, monkeypatch):
    monkeypatch.setattr(_teardown, "PATIENCE", 0.05)
    cluster, instances = build(cloud)
    cloud.locked = {instances[0]["id"]}
    told = refused(cluster.absent, {SESSION})
    assert told.code == "not_deleted" and told.details["left"] == [instances[0]["name"]] and len(told.details["removed"]) == 2
    assert told.message == f"1 VMs cannot be deleted, as {instances[0]['name']}: Instance is locked. Not asked to go yet: 1 VMs."


def test_a_vm_that_comes_to_light_late_is_deleted_too(cloud):
    cluster, _instances = build(cloud)
    late = cloud.create_server(name="whenenv-late", metadata=_metadata.encode({"WE_ID": "late", "WE_SESSION": SESSION, "WE_TYPE_UUID": "a"}))
    del cloud.lists["servers"][late.id]
    delete = cloud.delete_server

    def deleted(each, ignore_missing=True):
        delete(each, ignore_missing)
        if late not in cloud.lists["servers"].values() and late.id:
            cloud.lists["servers"]["late"], late.id = Thing(**{**vars(late), "id": "late"}), None

    cloud.delete_server = deleted
    assert len(cluster.absent({SESSION})) == 4 and not cloud.lists["servers"]


def test_a_vm_of_the_scripts_before_is_one_of_its_type(cloud):
    cloud.create_server(name="whenenv-w", metadata=_metadata.encode({"WE_ID": "w", "WE_SESSION": SESSION, "WE_TYPE_UUID": "a"}))
    cluster, instances = build(cloud)
    assert cluster.made == {"servers": 2} and [each["metadata"].get("WE_NUMBER") for each in instances] == [None, 2, 3]


def test_a_request_without_an_answer_is_made_again_and_makes_no_twins(cloud, monkeypatch):
    """The first answer is lost, the second request is; what was made is there a moment later, or twice."""
    create, asked = cloud.create_server, []

    def unsure(**body):
        asked.append(body["name"])
        if len(asked) == 1:
            create(**body)
        if len(asked) < 3:
            raise keystone.ConnectTimeout("timed out")
        return create(**body)

    monkeypatch.setattr(cloud, "create_server", unsure)
    monkeypatch.setattr(_survey, "THREADS", 1)
    cluster, instances = build(cloud)
    assert len(instances) == len(cloud.lists["servers"]) == 3 and cluster.made["servers"] == 3 and len(asked) == 4
    # one that was slow comes to light after all
    twin = instances[0]
    cloud.lists["servers"]["twin"] = Thing(**{**vars(cloud.lists["servers"][twin["id"]]), "id": "twin"})
    cluster, instances = build(cloud)
    assert len(instances) == len(cloud.lists["servers"]) == 3


def test_key_pairs_of_another_project_are_left_alone(cloud):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBcEpna70Tlc3tywrZh17KSkOjF+OIbpxynJGtZP7u7j"
    cluster, _instances = build(cloud, key=key)
    (name,) = cloud.lists["key_pairs"]
    assert name == f"whenenv-{SESSION}-p-{_lookup.fingerprint(key)}" and cluster.made["key_pairs"] == 1
    cloud.current_project_id = "other"
    other = _cluster.Cluster(cloud, 20)
    assert [each["things"]["key_pairs"] for each in other.sessions()] == [0]
    cluster.absent(None)
    assert not any(cloud.lists.values())
