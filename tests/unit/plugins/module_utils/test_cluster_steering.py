# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steering files: what they want, and every refusal with its words."""

from __future__ import annotations

import base64
import copy
import random

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _steering
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from hypothesis import given
from hypothesis import strategies as st

# as in the manual of the scripts that had the format first
OLD = {
    "label": {"l1": {"ROLE": ["db"]}, "l2": {"DISK": ["vdb"]}},
    "images": {"i1": {"OS_IMAGE_NAME": "debian-12", "usr_label": ["l2"]}},
    "flavor": {"f1": {"OS_FLAVOR_NAME": "m1.tiny"}},
    "instances": {"a": {"uuid_image": "i1", "uuid_flavour": "f1", "usr_label": ["l1"]}},
}
PLAIN = {
    "networks": None, "volumes": [], "security_groups": [], "user_data": None, "availability_zone": None, "server_group": None, "floating_ip": False}


def changed(path, value):
    """OLD with one value in another place: path as a.b.c; value None takes it away."""
    data = copy.deepcopy(OLD)
    *others, last = path.split(".")
    place = data
    for key in others:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return data


def test_a_file_of_the_scripts_is_read_as_it_is():
    assert _steering.cluster(OLD) == [
        {"type": "a", "number": 1, "image": "debian-12", "flavor": "m1.tiny", "labels": {"ROLE": ["db"], "DISK": ["vdb"]}, **PLAIN}]


@pytest.mark.parametrize("flavor, image, instance, expected", [
    ("f", "i", "v", "instance"), ("f", "i", None, "image"), ("f", None, None, "flavor"), ("f", None, "v", "instance"), (None, "i", "v", "instance"),
])
def test_the_label_of_an_instance_wins_over_its_image_and_its_flavor(flavor, image, instance, expected):
    data = copy.deepcopy(OLD)
    data["label"] = {"f": {"ROLE": ["flavor"], "F": ["1"]}, "i": {"ROLE": ["image"]}, "v": {"ROLE": ["instance"]}}
    for place, label in ((data["flavor"]["f1"], flavor), (data["images"]["i1"], image), (data["instances"]["a"], instance)):
        place["usr_label"] = [label] if label else []
    (found,) = _steering.cluster(data)
    assert found["labels"]["ROLE"] == [expected] and ("F" in found["labels"]) == (flavor is not None)


def test_an_instance_says_what_it_needs_beyond():
    more = {
        "count": 2, "networks": ["net"], "volumes": [5, {"size": 1, "type": "ssd"}], "security_groups": ["ssh"], "user_data": "#cloud-config\n",
        "availability_zone": "nova", "server_group": "apart", "floating_ip": True}
    first, second = _steering.cluster(changed("instances.a", {**OLD["instances"]["a"], **more}))
    assert (first.pop("number"), second.pop("number")) == (1, 2) and first == second
    assert {key: first[key] for key in PLAIN} == {
        "networks": ["net"], "volumes": [{"size": 5, "type": None}, {"size": 1, "type": "ssd"}], "security_groups": ["ssh"],
        "user_data": base64.b64encode(b"#cloud-config\n").decode(), "availability_zone": "nova",
        "server_group": {"name": "apart", "policy": "anti-affinity"}, "floating_ip": True}


def test_identifiers_are_free_strings_which_yaml_may_take_for_numbers():
    data = {"images": {1: {"OS_IMAGE_NAME": "x"}}, "flavor": {"größe 1/2": {"OS_FLAVOR_NAME": "y"}}, "instances": {"": {}}}
    data["instances"] = {2: {"uuid_image": 1, "uuid_flavour": "größe 1/2"}}
    assert _steering.cluster(data)[0]["type"] == "2"


@pytest.mark.parametrize("path, value, message", [
    ("instances.a.uuid_image", "i2", "instances.a.uuid_image: found 'i2', expected an identifier of images. There is i1."),
    ("instances.a.uuid_flavour", "zzz", "instances.a.uuid_flavour: found 'zzz', expected an identifier of flavor. There is f1."),
    ("instances.a.uuid_image", None, "instances.a.uuid_image: found nothing, expected an identifier of images."),
    ("instances.a.usr_label", ["l3"], "instances.a.usr_label[0]: found 'l3', expected an identifier of label. There is l1 and l2."),
    ("images.i1.usr_label", "l1", "images.i1.usr_label: found text, expected a list of identifiers of label."),
    ("images.i1.OS_IMAGE_NAME", None, "images.i1.OS_IMAGE_NAME: found nothing, expected the name or id of one."),
    ("instances.a.uuid_flavor", "f1", "instances.a.uuid_flavor: found an unknown key, expected uuid_image, uuid_flavour, usr_label, count, networks, "
     "volumes, security_groups, user_data, availability_zone, server_group or floating_ip. Did you mean uuid_flavour?"),
    ("flavors", {}, "flavors: found an unknown key, expected label, images, flavor or instances. Did you mean flavor?"),
    ("instances", {}, "instances: found an empty mapping, expected at least one instance."),
    ("instances", None, "instances: found nothing, expected a mapping of identifiers to mappings with uuid_image and uuid_flavour."),
    ("instances.a.count", 0, "instances.a.count: found 0, expected a number of VMs, 1 to 500."),
    ("instances.a.count", 10**40, "instances.a.count: found a number, expected a number of VMs, 1 to 500."),
    ("instances.a.count", True, "instances.a.count: found true or false, expected a number of VMs, 1 to 500."),
    ("instances.a.volumes", [0], "instances.a.volumes[0].size: found 0, expected a size in GB, 1 or more."),
    ("instances.a.floating_ip", 3, "instances.a.floating_ip: found a number, expected true, false, or the name of an external network. Put it in quotes."),
    ("instances.a.server_group", {"name": "x", "policy": "affin"}, "instances.a.server_group.policy: found 'affin', expected anti-affinity, affinity, "
     "soft-anti-affinity or soft-affinity. Did you mean affinity?"),
    ("instances.a.user_data", "x" * 60000, "instances.a.user_data: found a text of 80000 bytes in base64, expected at most 65535."),
    ("label.l1", {"ROLE": [{}]}, "label.l1.ROLE[0]: found a mapping, expected text or a number."),
    ("label.l1", {"ROLE": None}, "label.l1.ROLE: found nothing, expected a list of texts or numbers."),
    ("label", [], "label: found a list, expected a mapping of identifiers to mappings of labels."),
])
def test_what_is_wrong_is_told(path, value, message):
    with pytest.raises(FaultlineError) as told:
        _steering.cluster(changed(path, value), "ceph.json")
    assert told.value.code == "bad_steering" and told.value.details["problems"] == [message]
    assert told.value.message == f"ceph.json: {message}"


def test_all_problems_are_told_at_once():
    data = changed("instances.a.uuid_image", "x")
    data["instances"]["b"] = {"uuid_image": "i1", "uuid_flavour": "f1", "usr_label": ["l9"], "count": 499}
    data["instances"]["c"] = {"uuid_image": "i1", "uuid_flavour": "f1"}
    with pytest.raises(FaultlineError, match="(?s)^the steering file: 3 problems:\n  instances.a.uuid_image: .*\n  instances.b.usr_label.0.: .*501 VMs"):
        _steering.cluster(data)


def test_what_python_cannot_write_is_refused():
    endless: list = []
    endless.append(endless)
    for label in ({10**5000: ["x"]}, {"ROLE": [10**5000]}, endless):
        with pytest.raises(FaultlineError):
            _steering.cluster({**OLD, "label": {"l1": label, "l2": {}}})


@pytest.mark.parametrize("data, found", [(None, "nothing"), ({}, "nothing"), ([], "a list"), ("x", "text"), (3, "a number")])
def test_what_is_no_steering_file_at_all(data, found):
    with pytest.raises(FaultlineError) as told:
        _steering.cluster(data)
    assert told.value.message == f"the steering file: found {found}, expected a mapping with label, images, flavor and instances."


def test_the_same_identifier_as_text_and_as_a_number():
    with pytest.raises(FaultlineError, match="images: found the identifier '1' twice, expected identifiers that differ as text"):
        _steering.cluster({**OLD, "images": {1: {"OS_IMAGE_NAME": "x"}, "1": {"OS_IMAGE_NAME": "y"}}})


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["a", "i1", "f1", "l1", "l2"])
_VALUES = st.recursive(_SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(_SCALARS, each, max_size=3), max_leaves=8)


@given(_VALUES, st.integers(0, 10**9))
def test_a_steering_file_with_anything_in_it_is_read_or_refused(value, seed):
    """One value of a good file becomes any other, or gets a key more."""
    draw = random.Random(seed)
    data = copy.deepcopy(OLD)
    data["instances"]["a"].update(count=2, networks=["n"], volumes=[1], server_group="g", user_data="x")
    places = []

    def walk(thing):
        for key in list(thing) if isinstance(thing, dict) else range(len(thing)):
            places.append((thing, key))
            if isinstance(thing[key], (dict, list)):
                walk(thing[key])

    walk(data)
    place, key = draw.choice(places)
    if draw.random() < 0.3 and isinstance(place, dict):
        place[value if isinstance(value, (str, int, float)) else "x"] = place[key]
    else:
        place[key] = value
    _refused_or_read(data)


@given(_VALUES)
def test_anything_as_a_steering_file_is_refused(value):
    _refused_or_read(value)


def _refused_or_read(data):
    try:
        found = _steering.cluster(data)
    except FaultlineError as exc:
        assert exc.code == "bad_steering" and exc.details["problems"]
    else:
        assert 0 < len(found) <= _steering.MOST and all(set(each) == {"type", "number", "image", "flavor", "labels", *PLAIN} for each in found)
