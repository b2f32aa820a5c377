# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts faults leave alone because routers there are in debug: which faults concern routers, which host a node is, in which words. Pure."""

from __future__ import annotations

import collections
import ipaddress
import re

from . import _catalogue
from . import _names as _names_of
from ._router_hosts import node as node_of

_SERVICE, _CONTAINER, _NETIFACE = (f"faultline.openstack.{name}" for name in ("os_service_fault", "os_container_fault", "os_netiface"))
# what puts back, or takes nothing away, whichever module does it
_HARMLESS = frozenset(("start", "unfreeze", "plug", "connect", "poweron", "undo", "snapshot"))
_AGENT = "/usr/bin/python3 /usr/bin/%s --config-file=/etc/neutron/neutron.conf"
# The services of a node that its routers live by, each with command lines of what it runs there: a pattern that finds one of them hits routers,
# whatever it is called. All other faults of a node concern its routers, too.
SERVICES = {
    "neutron-l3-agent": (
        _AGENT % "neutron-l3-agent", "/usr/bin/python3 /usr/bin/neutron-keepalived-state-change --router_id=1",
        "keepalived -P -f /var/lib/neutron/ha_confs/1/keepalived.conf", "radvd -C /var/lib/neutron/ra/1.radvd.conf"),
    "neutron-meta-agent": (_AGENT % "neutron-metadata-agent", "haproxy -f /var/lib/neutron/ns-metadata-proxy/1.conf"),
    "neutron-openvswitch-agent": (_AGENT % "neutron-openvswitch-agent",),
    "neutron-linuxbridge-agent": (_AGENT % "neutron-linuxbridge-agent",),
    "neutron-ovn-agent": (_AGENT % "neutron-ovn-agent",),
    "ovn-controller": ("ovn-controller unix:/var/run/openvswitch/db.sock",),
    "openvswitch": ("ovs-vswitchd unix:/var/run/openvswitch/db.sock", "ovsdb-server /etc/openvswitch/conf.db"),
    # the catalogue's is the node's own, but one of a configuration may be a router's
    "keepalived": (),
}
_CONTAINERS = {"openvswitch_db", "ovsdpdk_db", "ovsdpdk_vswitchd"}
# containers of single routers, and those that are named by an id, which may be any
_OF_ROUTERS = re.compile(r"qrouter-|[0-9a-f]{12,64}\Z")
_OPTIONS = ("service", "unit", "service_name", "linux_service", "pcs_service", "salt_service")


def concerns(module, args):
    """Whether a fault may take a router's traffic or its automation from a node. module, args: as filled in for the node."""
    if args.get("action") in _HARMLESS:
        return False
    if module not in (_SERVICE, _CONTAINER):
        return True
    named = {_plain(each) for option in _OPTIONS for each in _listed(args.get(option))}
    if named & _names():
        return True
    if module == _CONTAINER:
        name = str(args.get("container") or "").strip("/")
        return name in _containers() or bool(_OF_ROUTERS.search(name))
    return any(_finds(args.get("grep"), line) for lines in SERVICES.values() for line in lines)


def matters(module, args, router):
    """Whether marks have anything to say of a fault. router: the one whose host it is done on (variable os_router), or None."""
    return args.get("action") not in _HARMLESS if router else concerns(module, args)


def _names():
    return {_plain(each) for name in SERVICES for each in _names_of.words("service", name)}


def _containers():
    known = _catalogue.services()
    return _CONTAINERS | {each for name in SERVICES for each in known[name].get("container", ())}


def _plain(unit):
    return _names_of.unit(unit).removeprefix("devstack@")


def _listed(value):
    return value if isinstance(value, list) else [value] if value else []


def _finds(pattern, line):
    try:
        return bool(pattern) and re.search(str(pattern), line) is not None
    except re.error:
        # the module refuses it
        return False


# ---- what is in debug


def in_debug(routers):
    """Of described routers those that are in debug, with no more than is needed here; JSON-able."""
    return [{
        "id": each["id"], "name": each["name"], "project": each["project_name"] or each["project"], "debug": each["debug"],
        "hosts": [agent["host"] for agent in each["agents"]],
    } for each in routers if each["debug"]]


def names_of(host, var):
    """All that a host is called, as far as anybody knows. var: function from the name of a variable to its value."""
    told = var("faultline_host")
    told = told if isinstance(told, dict) else {}
    found = [host, *(var(name) for name in ("fqdn", "ansible_host", "hostname", "nodename")), told.get("fqdn"), told.get("hostname")]
    return {str(each).lower() for each in found if each}


def by_host(routers, names):
    """{host: (routers in debug that it has, the node that it may be where that is not known)}. routers: of in_debug; names: {host: of names_of}.

    Active or standby is the same: what happens to either changes what automation does with the router. Whoever may be the node counts as it.
    """
    on_node = collections.defaultdict(list)
    for router in routers:
        for node in router["hosts"]:
            on_node[node].append(router)
    found = {}
    for node, there in on_node.items():
        low = node.lower()
        same = [host for host, own in names.items() if low in own] or [
            host for host, own in names.items() if low.partition(".")[0] in {each.partition(".")[0] for each in own if not _is_address(each)}]
        for host in same:
            found[host] = (found.get(host, ([], None))[0] + there, None)
        for host in () if same else [host for host, own in names.items() if all(map(_is_address, own))]:
            found.setdefault(host, (there, node))
    return found


def _is_address(text):
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


# ---- why


def why_router(router, routers):
    """Why a fault in a router is refused, or ''. router: the variable os_router; routers: of in_debug, None where no cloud is known."""
    if routers is None:
        return _words([dict(router, project=router.get("project_name") or router.get("project"))]) if router.get("debug") else ""
    return _words([each for each in routers if each["id"] == router.get("id")])


def why_node(told):
    """Why a fault on a node is refused. told: of by_host."""
    routers, maybe = told
    return _words(routers) + (f" on {maybe}, and nobody knows whether this host is that one" if maybe else "")


def why_inside(module, args, router, routers):
    """Why a fault that only seems to be in a router is refused, or '': files and processes there are those of its node."""
    if module == _NETIFACE or not concerns(module, args):
        return ""
    node = node_of(router) if router.get("agents") else None
    return _words([each for each in routers or () if node in each["hosts"]])


def _words(routers):
    if not routers:
        return ""
    first = routers[0]
    by, reason = first["debug"]["by"], first["debug"]["reason"]
    name = first.get("name") or first["id"]
    told = {"router": f"router {name} is", "project": f"project {first.get('project')} of router {name} is", "global": f"all routers, {name} too, are"}[by]
    more = f" (and {len(routers) - 1} more router{'s' if len(routers) > 2 else ''})" if len(routers) > 1 else ""
    return f"{told} in debug{': ' + reason if reason else ''}{more}"
