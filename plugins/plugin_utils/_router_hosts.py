# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers and the hosts of an inventory: which host a network node is, what a router is called there, how its namespace is reached. Pure."""

from __future__ import annotations

import collections
import re

from ..module_utils._router import _data_plane, _inside

# how to become somebody on the node is not how to enter a namespace there
_OF_THE_NODE = {
    "ansible_become", "ansible_become_method", "ansible_become_user", "ansible_become_exe", "ansible_become_flags", "ansible_netns", "ansible_facts",
}
# what patterns of hosts take for something else
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_NOT_IN_A_GROUP_NAME = re.compile(r"[^A-Za-z0-9_]")


def hosts_of(nodes, hosts):
    """{node: host of the inventory, or None}. nodes: as Neutron names the hosts of its agents; hosts: {inventory name: variables}.

    A host is known by its name in the inventory, its fqdn or its ansible_host, else by the first part of these where only one host has it.
    """
    whole, short = {}, collections.defaultdict(set)
    for host, variables in hosts.items():
        for name in (host, variables.get("fqdn"), variables.get("ansible_host")):
            if name:
                whole.setdefault(str(name), host)
                short[_first(name)].add(host)
    found = {}
    for node in nodes:
        alike = short[_first(node)]
        # the name in the inventory comes before what others say of themselves
        found[node] = node if node in hosts else whole.get(node) or (next(iter(alike)) if len(alike) == 1 else None)
    return found


def _first(name):
    name = str(name)
    return name if name.replace(".", "").isdigit() or ":" in name else name.partition(".")[0]


def asked(routers, hosts):
    """Every node of these routers: [{host (as Neutron has it), name (in the inventory, or None), routers (what os_router_probe is to be asked)}]."""
    questions = _data_plane.questions(routers)
    nodes = sorted({agent["host"] for router in routers for agent in router["agents"]})
    names = hosts_of(nodes, hosts)
    return [{"host": node, "name": names[node], "routers": questions.get(node, [])} for node in nodes]


def node(router):
    """The node whose namespace of a router is the one to be in: the active one, else one that is alive, else any; None where no node has it."""
    if router["active"]:
        return router["active"]
    ordered = sorted(router["agents"], key=lambda each: (each["state"] != "active", each["alive"] is False, each["host"]))
    return ordered[0]["host"] if ordered else None


def named(routers):
    """{host name: router}: router_<name>, with the beginning of the id where several are named so."""
    bases = [_NOT_IN_A_NAME.sub("_", f"router_{each['name'] or each['id']}") for each in routers]
    many = collections.Counter(bases)
    return {base if many[base] == 1 else f"{base}_{each['id'][:8]}": each for base, each in zip(bases, routers, strict=True)}


def groups(router):
    """The groups of a router."""
    found = ["os_routers", f"os_routers_{router['health']}"]
    project = router["project_name"] or router["project"]
    if project:
        found.append(_NOT_IN_A_GROUP_NAME.sub("_", f"os_routers_project_{project}"))
    return found + ["os_routers_debug"] * bool(router["debug"])


def variables(router, host, of_host):
    """What reaches the namespace of a router on a host of the inventory, whose variables are of_host."""
    found = {name: value for name, value in of_host.items() if name.startswith("ansible_") and name not in _OF_THE_NODE}
    found.setdefault("ansible_host", host)
    return {
        **found, "ansible_become": True, "ansible_become_method": "faultline.openstack.netns", "ansible_netns": _inside.namespace(router["id"]),
    }
