# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the VMs of a steering file need of a cloud, found by names before anything is made; each list is asked for once."""

from __future__ import annotations

import base64
import hashlib
import re

from .._fault._errors import FaultlineError
from .._ha._things import unknown

_KEY = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[A-Za-z0-9@.-]+ +([A-Za-z0-9+/]+=*)(?: .*)?")


class Lookup:
    """things: a Things, whose cloud is asked."""

    def __init__(self, things):
        self.things, self.sdk, self.compute = things, things.sdk, things.compute
        self.lists = {}
        self.images = {}

    def found(self, wanted):
        """For each VM of the list its {image, flavor, networks, security_groups, external}. FaultlineError with all that the cloud does not have."""
        problems, found, told = [], [], set()

        def one(what, kind, name, where):
            try:
                return getattr(self, "_" + kind)(name) if kind == "image" else self._named(what, kind, name)
            except FaultlineError as exc:
                if (what, name) not in told:
                    told.add((what, name))
                    problems.append((exc, where))
                return None

        for each in wanted:
            where = "instances.%s" % each["type"]
            things = {
                "image": one("image", "image", each["image"], where), "flavor": one("flavor", "flavors", each["flavor"], where),
                "security_groups": [one("security group", "security_groups", name, where) for name in each["security_groups"]], "external": None,
            }
            if each["networks"] is None:
                things["networks"] = one("network", "only", "", where)
            else:
                things["networks"] = [one("network", "networks", name, where) for name in each["networks"]]
            if each["floating_ip"]:
                things["external"] = one("external network", "external", "" if each["floating_ip"] is True else each["floating_ip"], where)
            if each["availability_zone"]:
                # an administrator may name a host behind a colon
                one("availability zone", "zones", each["availability_zone"].partition(":")[0], where)
            if each["volumes"]:
                one("volume service", "storage", "", where)
            found.append(things)
        if problems:
            first = problems[0][0]
            if len(problems) == 1:
                raise first
            lines = ["%s: %s" % (where, exc.text) for exc, where in problems]
            raise FaultlineError(
                "The cloud does not have %d things of the steering file:\n%s" % (len(lines), "\n".join("  " + line for line in lines)), code=first.code,
                details={"problems": lines})
        return found

    def _image(self, name):
        """Glance lists few images at a time: it is asked for each name."""
        if name not in self.images:
            found = list(self.sdk.image.images(name=name))
            if not found:
                found = [each for each in [self.sdk.image.find_image(name)] if each is not None]
            if len(found) > 1:
                raise FaultlineError("The cloud has %d images %s." % (len(found), name), code="ambiguous", hint="Give the id of one.")
            if not found:
                raise unknown("image", name, {each.name for each in self.sdk.image.images() if each.name})
            self.images[name] = found[0]
        return self.images[name]

    def _list(self, kind):
        if kind not in self.lists:
            self.lists[kind] = getattr(self, "_all_" + kind)()
        return self.lists[kind]

    def _named(self, what, kind, name):
        """The one of a list that has this name or id."""
        if kind == "only":
            return [self._only_network()]
        if kind == "external":
            return self._external(name)
        if kind == "storage":
            if not self.things.has["volumes"]:
                raise FaultlineError("The cloud has no service for volumes.", code="not_found", hint="Leave volumes out.")
            return None
        every = self._list(kind)
        found = [each for each in every if each.id == name] or [each for each in every if each.name == name]
        if not found:
            raise unknown(what, name, {each.name for each in every if each.name})
        if len(found) > 1:
            raise FaultlineError("The cloud has %d of the name: %s %s." % (len(found), what, name), code="ambiguous", hint="Give the id of one.")
        return found[0]

    def _all_flavors(self):
        return list(self.compute.flavors())

    def _all_networks(self):
        return list(self.sdk.network.networks())

    def _all_security_groups(self):
        mine = self.sdk.current_project_id
        # an administrator sees those of all projects, and each has a default
        return [each for each in self.sdk.network.security_groups() if not mine or each.project_id == mine]

    def _all_zones(self):
        return [_Zone(each.name) for each in self.compute.availability_zones()]

    def _only_network(self):
        mine = self.sdk.current_project_id
        found = [
            each for each in self._list("networks")
            if not each.is_router_external and (each.is_shared or not mine or each.project_id == mine) and each.subnet_ids]
        if len(found) == 1:
            return found[0]
        names = sorted(each.name or each.id for each in found)
        raise FaultlineError(
            "The project has %d networks." % len(found) if found else "The project has no network.", code="ambiguous" if found else "not_found",
            hint="Say networks: [%s]." % "] or [".join(names[:10]) if found else "Make one, or say networks: [] for VMs without any.")

    def _external(self, name):
        every = [each for each in self._list("networks") if each.is_router_external]
        found = [each for each in every if not name or name in (each.id, each.name)]
        if name and not found:
            raise unknown("external network", name, {each.name for each in every if each.name})
        if len(found) == 1:
            return found[0]
        raise FaultlineError(
            "The cloud has %s external network%s." % (len(found) or "no", "s" if found else ""), code="ambiguous" if found else "not_found",
            hint="Say floating_ip: %s." % " or ".join(sorted(each.name for each in found)) if found else "Leave floating_ip out.")


class _Zone:
    def __init__(self, name):
        self.name = self.id = name


def public_key(text):
    """The line of a public key. FaultlineError: bad_key."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if "PRIVATE KEY" in text:
        raise FaultlineError("This is a private key.", code="bad_key", hint="Give the public one, whose file ends with .pub.")
    if len(lines) != 1 or not _KEY.fullmatch(lines[0]):
        raise FaultlineError("This is no public key of SSH.", code="bad_key", hint="It is one line, as ssh-ed25519 AAAA... name.")
    return lines[0]


def fingerprint(text):
    """The fingerprint of a public key, short and fit for names."""
    return hashlib.sha256(base64.b64decode(_KEY.fullmatch(text).group(1) + "==")).hexdigest()[:16]
