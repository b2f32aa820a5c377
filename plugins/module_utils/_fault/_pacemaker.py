# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pacemaker, by its own programs: what a resource is and where it runs, our own constraints; and their undo, as a step."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from . import _proc, _steps
from ._errors import FaultlineError
from ._exec import run, which

PROGRAM = (_proc,)
# a resource may take its time to stop or to start: a database
_TIMEOUT = 300
_RUNNING = ("Started", "Promoted", "Unpromoted", "Master", "Slave")


class Resource:
    """A resource as crm_mon shows it: {node: role} where it runs, whether it is cloned, managed; the processes' own names."""

    def __init__(self, name, cloned):
        self.name = name
        self.cloned = cloned
        self.roles = {}
        self.managed = True
        self.failed = False

    def describe(self):
        found = ", ".join("%s on %s" % (role, node) for node, role in sorted(self.roles.items()))
        return "%s: %s%s" % (self.name, found or "not running", "" if self.managed else ", not managed")


def here():
    """The name of this node in its cluster, or '' where Pacemaker does not run."""
    if not which("crm_node"):
        return ""
    done = run(["crm_node", "--name"], check=False)
    return done.out.strip() if done.rc == 0 else ""


def status():
    """The cluster's state: crm_mon's XML."""
    try:
        # since 2.0.3; before it was another option
        done = run(["crm_mon", "--one-shot", "--inactive", "--output-as=xml"], check=False)
        if done.rc != 0:
            done = run(["crm_mon", "--one-shot", "--inactive", "--as-xml"])
        return ElementTree.fromstring(done.out)
    except ElementTree.ParseError as exc:
        raise FaultlineError("crm_mon gives no XML: %s." % exc, code="no_pacemaker", hint="Pacemaker 1.1.14 or newer is needed.") from exc


def resource(name, tree=None):
    """The Resource of this id (a primitive, clone, group or bundle), or None."""
    tree = status() if tree is None else tree
    for cloned in (True, False):
        for kind in ("clone", "bundle") if cloned else ("group", "resource"):
            for node in tree.iter(kind):
                # the instances of a clone are called name:0, name:1
                if node.get("id", "").partition(":")[0] == name:
                    inside = any(node in list(parent.iter()) for parent in tree.iter("clone"))
                    return _read(name, tree, cloned or inside)
    return None


def _read(name, tree, cloned):
    found = Resource(name, cloned)
    holders = [node for kind in ("clone", "bundle", "group", "resource") for node in tree.iter(kind) if node.get("id", "").partition(":")[0] == name]
    for holder in holders:
        for each in [holder] if holder.tag == "resource" else holder.iter("resource"):
            found.managed = found.managed and each.get("managed") != "false"
            found.failed = found.failed or each.get("failed") == "true"
            if each.get("role") in _RUNNING and each.get("active") != "false":
                for node in each.iter("node"):
                    found.roles[node.get("name")] = each.get("role")
    return found


def names(tree):
    """The ids that resource() knows."""
    return sorted({node.get("id", "").partition(":")[0] for kind in ("clone", "bundle", "group", "resource") for node in tree.iter(kind)})


def quorate(tree):
    """Whether the cluster has a quorum, so that it obeys."""
    current = tree.find("summary/current_dc")
    return current is not None and current.get("with_quorum") == "true"


def constraints():
    """The ids of all location constraints."""
    done = run(["cibadmin", "--query", "--scope=constraints"], check=False)
    return [node.get("id") for node in ElementTree.fromstring(done.out).iter("rsc_location")] if done.rc == 0 and done.out.strip() else []


class Allow:
    """Take a constraint of our own away that keeps a resource off this node, and see it run: {constraint, resource, node, cloned}."""

    type = "allow_resource"

    @classmethod
    def make(cls, fault_id, name, node, cloned):
        constraint = "faultline-%s" % fault_id
        return _steps.step(
            cls, "delete the constraint %s, which keeps %s off %s" % (constraint, name, node), constraint=constraint, resource=name,
            node=node, cloned=cloned)

    @staticmethod
    def do(step):
        xml = "<rsc_location id=%s rsc=%s node=%s score=\"-INFINITY\"/>" % tuple(quoteattr(step[key]) for key in ("constraint", "resource", "node"))
        run(["cibadmin", "--create", "--scope=constraints", "--xml-text=" + xml], timeout=60)

    @staticmethod
    def takes(step):
        return 60 + _TIMEOUT

    @classmethod
    def undo(cls, step):
        if cls.held(step):
            run(["cibadmin", "--delete", "--scope=constraints", "--xml-text=<rsc_location id=%s/>" % quoteattr(step["constraint"])], timeout=60)
        if not cls._kept_off_by_others(step):
            _proc.wait_until(lambda: cls._runs(step), _TIMEOUT, pause=0.5)

    @staticmethod
    def _kept_off_by_others(step):
        """Whether another fault of ours keeps the resource off as well: it is not to run then."""
        query = run(["cibadmin", "--query", "--scope=constraints"]).out
        return any(
            each.get("rsc") == step["resource"] and each.get("node") == step["node"] and each.get("id", "").startswith("faultline-")
            for each in ElementTree.fromstring(query).iter("rsc_location")
        )

    @staticmethod
    def _runs(step):
        """A clone is to run here again. What runs in one place only may have stayed elsewhere, which is the cluster's own choice."""
        found = resource(step["resource"])
        return found is None or (step["node"] in found.roles if step["cloned"] else bool(found.roles))

    @staticmethod
    def held(step):
        return step["constraint"] in constraints()

    @classmethod
    def residue(cls, step):
        if cls.held(step):
            return "the constraint %s is still there" % step["constraint"]
        if not cls._kept_off_by_others(step) and not cls._runs(step):
            return resource(step["resource"]).describe()
        return ""


_steps.register(Allow)
