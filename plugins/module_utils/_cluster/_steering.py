# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A steering file, checked to the last key, as the list of the VMs that it wants. Pure."""

from __future__ import annotations

import base64

from .. import _check
from .._check import REQUIRED, Form, ListOf, MapOf, Number, Text, Word, below, kind_of, problem, shown
from .._nearest import did_you_mean

# VMs of one steering file: what is meant as 10 and typed as 100000 is not built up
MOST = 500
# bytes in base64 that Nova takes
USER_DATA = 65535
POLICIES = ("anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity")

_NAME = Text("the name or id of one", r"[^\n\r\0]{1,255}", shown=True)


class _Identifier:
    """A free string, which YAML may take for a number."""

    def __init__(self, meaning):
        self.meaning = meaning

    def check(self, value, path, problems):
        if isinstance(value, int) and not isinstance(value, bool):
            value = shown(value)
        return Text(self.meaning, r"[^\0]{1,255}", shown=True).check(value, path, problems)


class _Label:
    """The values of a label: a list of texts or numbers; one alone is a list of one."""

    meaning = "a list of texts or numbers"

    def check(self, value, path, problems):
        values = value if isinstance(value, (list, tuple)) else [value]
        found = []
        for number, each in enumerate(values):
            if isinstance(each, str):
                found.append(str.__str__(each))
            elif isinstance(each, (bool, int, float)) and shown(each) not in ("a number", "nan", "inf", "-inf"):
                found.append(each)
            else:
                where = below(path, number) if isinstance(value, (list, tuple)) else path
                problems.append(problem(where, kind_of(each), "text or a number" if each is not value else self.meaning))
        return found


class _Volume:
    """The size of a volume in GB, or a mapping with size."""

    _form = Form({"size": (Number("a size in GB, 1 or more", 1, 10**6, whole=True), REQUIRED), "type": (_NAME, None)})
    meaning = "a size in GB, or a mapping with size and type"

    def check(self, value, path, problems):
        return self._form.check(value if isinstance(value, dict) else {"size": value}, path, problems)


class _ServerGroup:
    """The name of a server group, or a mapping with name and policy."""

    _form = Form({"name": (Text("a name", r"[^\n\r\0]{1,200}", shown=True), REQUIRED), "policy": (Word(POLICIES), POLICIES[0])})
    meaning = "the name of a server group, or a mapping with name and policy"

    def check(self, value, path, problems):
        return self._form.check({"name": value} if isinstance(value, str) else value, path, problems)


class _FloatingIp:
    """Whether there is one, or the external network that it is of."""

    meaning = "true, false, or the name of an external network"

    def check(self, value, path, problems):
        if isinstance(value, bool):
            return value
        return Text(self.meaning, _NAME.pattern.pattern, shown=True).check(value, path, problems)


class _UserData:
    """A text that Nova takes as user data; kept in base64."""

    meaning = "text, as of a script or #cloud-config"

    def check(self, value, path, problems):
        value = Text(self.meaning).check(value, path, problems)
        if not isinstance(value, str):
            return None
        encoded = base64.b64encode(value.encode("utf-8", "surrogatepass")).decode("ascii")
        if len(encoded) > USER_DATA:
            problems.append(problem(path, "a text of %d bytes in base64" % len(encoded), "at most %d" % USER_DATA))
        return encoded


_LABELS = (ListOf(_Identifier("an identifier of label"), "a list of identifiers of label", 0), [])
_KEY = _Identifier("an identifier, free text of 1 to 255 characters")


def _things(name):
    return MapOf(Form({name: (_NAME, REQUIRED), "usr_label": _LABELS}), "a mapping of identifiers to mappings with %s" % name, _KEY)


_INSTANCE = Form({
    "uuid_image": (_Identifier("an identifier of images"), REQUIRED),
    "uuid_flavour": (_Identifier("an identifier of flavor"), REQUIRED),
    "usr_label": _LABELS,
    "count": (Number("a number of VMs, 1 to %d" % MOST, 1, MOST, whole=True), 1),
    "networks": (ListOf(_NAME, "a list of names or ids of networks", 0), None),
    "volumes": (ListOf(_Volume(), "a list of sizes in GB, or of mappings with size and type", 0), []),
    "security_groups": (ListOf(_NAME, "a list of names or ids of security groups", 0), []),
    "user_data": (_UserData(), None),
    "availability_zone": (_NAME, None),
    "server_group": (_ServerGroup(), None),
    "floating_ip": (_FloatingIp(), False),
})
_STEERING = Form({
    "label": (MapOf(MapOf(_Label(), "a mapping of labels to lists", Text("the name of a label", r"[^\0]{1,255}", shown=True)),
                    "a mapping of identifiers to mappings of labels", _KEY), {}),
    "images": (_things("OS_IMAGE_NAME"), REQUIRED),
    "flavor": (_things("OS_FLAVOR_NAME"), REQUIRED),
    "instances": (MapOf(_INSTANCE, "a mapping of identifiers to mappings with uuid_image and uuid_flavour", _KEY), REQUIRED),
}, "a mapping with label, images, flavor and instances")


def cluster(data, name="the steering file"):
    """The VMs that the data of a steering file wants, each its own dictionary: type, number (from 1), image, flavor, labels, networks (None: the
    project's only one), volumes, security_groups, user_data (base64), availability_zone, server_group, floating_ip.

    FaultlineError (bad_steering) with every problem.
    """
    try:
        return _cluster(data, name)
    except (ValueError, RecursionError):
        return _check.refuse(name, ["found a number of thousands of digits or an endless nesting, expected %s." % _STEERING.meaning], "bad_steering")


def _cluster(data, name):
    if not isinstance(data, dict) or not data:
        _check.refuse(name, ["found %s, expected %s." % (kind_of(data) if data not in (None, {}) else "nothing", _STEERING.meaning)], "bad_steering")
    problems = []
    for section in _STEERING.keys:
        _once(data.get(section), section, problems)
    steering = _STEERING.check(data, "", problems)
    if not problems:
        _references(steering, problems)
    if problems:
        _check.refuse(name, problems, "bad_steering")
    wanted = []
    for identifier, each in steering["instances"].items():
        image, flavor = steering["images"][each["uuid_image"]], steering["flavor"][each["uuid_flavour"]]
        labels = {}
        for owner in (flavor, image, each):
            for label in owner["usr_label"]:
                labels.update(steering["label"][label])
        common = {key: value for key, value in each.items() if key not in ("uuid_image", "uuid_flavour", "usr_label", "count")}
        for number in range(1, each["count"] + 1):
            wanted.append(dict(
                common, type=identifier, number=number, image=image["OS_IMAGE_NAME"], flavor=flavor["OS_FLAVOR_NAME"], labels=labels))
    return wanted


def _once(section, path, problems):
    """Identifiers are text: 1 and "1" of YAML are the same."""
    seen = set()
    for key in section if isinstance(section, dict) else ():
        if str(key) in seen:
            problems.append(problem(path, "the identifier %s twice" % shown(str(key)), "identifiers that differ as text"))
        seen.add(str(key))


def _references(steering, problems):
    """Whether every identifier that is meant is there, and how many VMs it makes."""
    if not steering["instances"]:
        problems.append(problem("instances", "an empty mapping", "at least one instance"))
    for section in ("images", "flavor", "instances"):
        for identifier, each in steering[section].items():
            where = below(section, identifier)
            for number, label in enumerate(each["usr_label"]):
                _known(label, steering["label"], "label", below(below(where, "usr_label"), number), problems)
            for key, other in (("uuid_image", "images"), ("uuid_flavour", "flavor")):
                if key in each:
                    _known(each[key], steering[other], other, below(where, key), problems)
    policies = {}
    for identifier, each in steering["instances"].items():
        group = each["server_group"]
        if group and policies.setdefault(group["name"], group["policy"]) != group["policy"]:
            problems.append(problem(
                below(below(below("instances", identifier), "server_group"), "policy"), group["policy"],
                "%s, as others of the server group %s" % (policies[group["name"]], group["name"])))
    count = sum(each["count"] for each in steering["instances"].values())
    if count > MOST:
        problems.append(problem("instances", "%d VMs in all" % count, "at most %d" % MOST))


def _known(identifier, known, section, path, problems):
    if identifier not in known:
        hint = did_you_mean(identifier, known, 1) or "There is %s." % _check.listed(sorted(known)[:10])
        problems.append(problem(path, shown(identifier), "an identifier of %s" % section, hint))
