# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An os-faults configuration file as a cloud model. Pure: data in, model or FaultlineError out."""

from __future__ import annotations

import dataclasses

from ..module_utils._check import Anything, Keys, below, listed, problem, refuse
from ..module_utils._fault._errors import FaultlineError
from ..module_utils._nearest import did_you_mean, nearest
from . import _catalogue
from ._config_form import FLAT, FORM, SECTIONS
from ._model import group_name

# os-faults before 0.2, with one driver or a list
_POWER_OF_OLD = "power_management"


@dataclasses.dataclass
class Node:
    """A node as the file tells of it; `auth` is what holds for it, the cloud's own included."""

    ip: str
    fqdn: str = ""
    mac: str = ""
    libvirt_name: str = ""
    auth: dict = dataclasses.field(default_factory=dict)
    known_hosts: str = ""

    @property
    def name(self):
        """The inventory hostname."""
        return self.fqdn or self.ip


@dataclasses.dataclass
class Thing:
    """A service or a container: its definition, and the inventory hostnames that run it (None: not told)."""

    name: str
    definition: dict
    hosts: list | None = None
    # nodes that may belong to them, but could not tell when the file was written: inventory hostname -> why
    unseen: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Cloud:
    nodes: list
    services: dict
    containers: dict
    power: list
    networks: dict
    driver: str
    iface: str = ""
    # services that run in containers, which os-faults has no driver for; the same name may run otherwise elsewhere
    in_containers: dict = dataclasses.field(default_factory=dict)
    # top-level keys that mean nothing here, nor to os-faults
    passed_over: list = dataclasses.field(default_factory=list)

    @property
    def service_definitions(self):
        return {name: thing.definition for name, thing in {**self.in_containers, **self.services}.items()}

    @property
    def container_definitions(self):
        return {name: thing.definition for name, thing in self.containers.items()}


def sections(data):
    """The data of a file by the names that sections have today; it is otherwise as it was."""
    if not isinstance(data, dict) or _POWER_OF_OLD not in data or "power_managements" in data:
        return data
    drivers = data[_POWER_OF_OLD]
    return {("power_managements" if key == _POWER_OF_OLD else key):
            ((drivers if isinstance(drivers, list) else [drivers]) if key == _POWER_OF_OLD else value) for key, value in data.items()}


def is_ours(data):
    """Whether this is what os-faults takes for a configuration: it may have any name."""
    return isinstance(data, dict) and isinstance(data.get("cloud_management"), dict) and "driver" in data["cloud_management"]


def _unknown(data, known):
    """Top-level keys that os-faults passes over; what looks like one of ours is a mistake, and not among them."""
    return [key for key in data if key not in known and not nearest(key, known, 1)] if isinstance(data, dict) else []


def parse(data, name="os-faults.yaml", extra=()):
    """A Cloud from the data of a file; FaultlineError with every problem found.

    extra: top-level keys that mean something else to the caller (the options of the inventory plugin).
    """
    problems: list = []
    if data is None:
        raise FaultlineError(
            f"{name}: the file is empty, expected a mapping with cloud_management.",
            code="bad_config",
            hint="See docs/cloud-model.md for examples.",
        )
    known = {**FORM, **dict.fromkeys(extra, Anything())}
    data = sections(data)
    passed_over = _unknown(data, known)
    known.update(dict.fromkeys(passed_over, Anything()))
    checked = Keys(known, ["cloud_management"], f"a mapping with {listed(SECTIONS)}", True).check(data, "", problems)
    if problems:
        refuse(name, problems, "bad_config")
    cloud = _build(checked, problems)
    if problems:
        refuse(name, problems, "bad_config")
    cloud.passed_over = [str(key) for key in passed_over]
    return cloud


def _build(data, problems):
    management = data["cloud_management"]
    args = management.get("args") or {}
    shared = args.get("auth") or {key: args[key] for key in FLAT if key in args}
    driver = "devstack" if management["driver"] == "devstack_systemd" else management["driver"]
    nodes = _nodes(data, args, shared, problems)
    for node in nodes:
        node.known_hosts = (data.get("faultline") or {}).get("known_hosts") or ""
    cloud = Cloud(
        nodes=nodes,
        services={},
        containers={},
        power=data.get("power_managements") or [],
        networks=(data.get("faultline") or {}).get("networks") or {},
        driver=driver,
        iface=args.get("iface") or ("eth0" if driver == "devstack" else ""),
    )
    units, ports = ((data.get("faultline") or {}).get(key) or {} for key in ("units", "ports"))
    for key, named in (("units", units), ("ports", ports)):
        known = data.get("services") or {}
        for name in named:
            if name not in known:
                path = below(f"faultline.{key}", name)
                problems.append(problem(path, "no such service", "a name under services", did_you_mean(name, known, 1)))
    for section, things, define in (
        ("services", cloud.services, lambda n, d: service_definition(d["driver"], d["args"], units.get(n), ports.get(n))),
        ("containers", cloud.containers, lambda n, d: {"driver": d["driver"], **d["args"]}),
    ):
        for name, entry in (data.get(section) or {}).items():
            hosts = _hosts(entry.get("hosts"), nodes, below(below(section, name), "hosts"), problems)
            things[name] = Thing(name, define(name, entry), hosts)
    for name, entry in ((data.get("faultline") or {}).get("in_containers") or {}).items():
        hosts = _hosts(entry.get("hosts"), nodes, below(below("faultline.in_containers", name), "hosts"), problems)
        cloud.in_containers[name] = Thing(name, {"driver": entry["driver"], **entry["args"]}, hosts or [])
    _partial(cloud, (data.get("faultline") or {}).get("partial") or {})
    _ambiguous(cloud, data, problems)
    return cloud


def _partial(cloud, told):
    """What the file says of nodes that could not tell when it was written; of what it does not have any more it says nothing."""
    names = {node.ip: node.name for node in cloud.nodes}
    for section, kinds in (("services", (cloud.services, cloud.in_containers)), ("containers", (cloud.containers,))):
        for name, nodes in (told.get(section) or {}).items():
            for thing in [known[name] for known in kinds if name in known]:
                thing.unseen = {names[address]: why for address, why in nodes.items() if address in names}


def _ambiguous(cloud, data, problems):
    """Names that become one group, or that a node shares with a group: whoever is meant by them would be another one."""
    groups = {name: f"'{name}' is a group of Ansible's own" for name in ("all", "ungrouped")}
    groups["unprobed"] = "'unprobed' is the group of nodes that could not be looked at"
    for kind, where, things in (
        ("service", "services", cloud.services), ("service", "faultline.in_containers", cloud.in_containers),
        ("container", "containers", cloud.containers),
    ):
        for name in things:
            group = group_name(kind, name)
            told = f"'{group}' is the group of the {kind} {name}"
            if groups.setdefault(group, told) != told:
                problems.append(problem(
                    below(where, name), "a name again", f"one that is another by more than case, hyphen, underscore or dot: {groups[group]}"))
    for number, node in enumerate(cloud.nodes):
        if node.name in groups:
            path = below("node_discover.args", number) if data.get("node_discover") else "cloud_management.args"
            problems.append(problem(path, f"a node named '{node.name}'", f"a name that no group has: {groups[node.name]}"))


def _nodes(data, args, shared, problems):
    if data.get("node_discover"):
        listed_nodes = [
            (below("node_discover.args", number), Node(**{**node, "auth": {**shared, **_own(node, shared)}}))
            for number, node in enumerate(data["node_discover"]["args"])
        ]
    else:
        addresses = [("cloud_management.args.address", args["address"])] if args.get("address") else []
        addresses += [
            (below("cloud_management.args.slaves", number), ip) for number, ip in enumerate(args.get("slaves") or [])
        ]
        listed_nodes = [(path, Node(ip, auth=dict(shared))) for path, ip in addresses]
        if not listed_nodes:
            problems.append(problem("node_discover", "nothing", "a mapping with driver and args: the nodes of the cloud"))
    seen: dict = {}
    for path, node in listed_nodes:
        for what in dict.fromkeys((node.ip, node.name)):
            if what in seen:
                problems.append(problem(path, f"'{what}' again", f"a node of its own; {seen[what]} has that already"))
            seen.setdefault(what, path)
    return [node for _path, node in listed_nodes]


def _own(node, shared):
    """A node's own auth over the cloud's: key by key, but a node with an auth of its own is reached as that says."""
    auth = node.get("auth") or {}
    if auth and "jump" in shared and "jump" not in auth:
        return {**auth, "jump": None}
    return auth


def _hosts(addresses, nodes, path, problems):
    if addresses is None:
        return None
    names = {}
    for node in nodes:
        names.update({node.ip: node.name, node.name: node.name})
    hosts = []
    for number, address in enumerate(addresses):
        if address not in names:
            expected = "the ip of a node: " + listed([node.ip for node in nodes][:5], "or")
            problems.append(problem(below(path, number), f"'{address}'", expected, did_you_mean(address, names, 1)))
        elif names[address] not in hosts:
            hosts.append(names[address])
    return hosts


def service_definition(driver, args, units=None, ports=None):
    """A service as the cloud model has it, from the driver and the arguments of os-faults; units and ports: all of them, where it has room for one."""
    args = dict(args)
    definition = {"driver": driver}
    if driver in ("system_service", "systemd_service", "linux_service"):
        key = {"system_service": "service_name"}.get(driver, driver)
        unit = args.pop(key)
        # A unit that was split since still means the whole service.
        definition["unit"] = list(units or [unit, *_catalogue.SUCCESSORS.get(unit, [])])
        if driver == "systemd_service":
            definition["driver"] = "system_service"
    elif driver == "screen":
        # DevStack has no screen any more; what is left of it is the process.
        args.pop("window_name", None)
        definition["driver"] = "process"
    first = args.pop("port", None)
    ports = ports or first
    definition.update(args)
    if ports:
        # with its direction, where it has one
        definition["port"] = ports
    return definition
