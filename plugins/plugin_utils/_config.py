# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An os-faults configuration file as a cloud model. Pure: text in, model or FaultlineError out."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import re
import shlex
import typing as t

import yaml

from ..module_utils._check import (
    Anything,
    Driven,
    Flag,
    Integer,
    Keys,
    ListOf,
    MapOf,
    Number,
    Text,
    below,
    is_text,
    kind_of,
    listed,
    problem,
)
from ..module_utils._fault._errors import FaultlineError
from ..module_utils._nearest import did_you_mean, nearest
from . import _catalogue, _grep
from ._model import group_name

# -- reading ----------------------------------------------------------------------------------------------------------


class _Duplicate(Exception):
    """A key that is there twice."""


class _Loader(yaml.SafeLoader):
    """YAML as os-faults reads it, but: a key may not be there twice, and 52:54:00:12:34:56 is a MAC, not a number."""

    vaulted: t.Callable[[str], t.Any] = staticmethod(str)

    def construct_mapping(self, node, deep=False):
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key_node, _value in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, (str, int, float, bool, type(None))) or key in seen:
                    mark = key_node.start_mark
                    raise _Duplicate(f"line {mark.line + 1}, column {mark.column + 1}: the key {key} is there twice")
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _number(self, node):
    value = self.construct_scalar(node)
    if ":" in value:
        return value
    return self.construct_yaml_float(node) if node.tag.endswith(":float") else self.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
# A date is text here, as everything else that os-faults has no use for.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda self, node: self.construct_scalar(node))
_Loader.add_constructor("!unsafe", lambda self, node: self.construct_scalar(node))
for _tag in ("!vault", "!vault-encrypted"):
    _Loader.add_constructor(_tag, lambda self, node: self.vaulted(self.construct_scalar(node)))


def _no_duplicates(pairs):
    seen: dict = {}
    for key, value in pairs:
        if key in seen:
            raise _Duplicate(f"the key {key} is there twice")
        seen[key] = value
    return seen


def load(text, name, vaulted=str, json_as_yaml=False):
    """The text of a configuration file (JSON or YAML) as plain data; an error never quotes the file.

    vaulted: makes a value of the text of a `!vault` scalar.
    json_as_yaml: take JSON with comments, single quotes or a comma too many, as os-faults does, for which every file is YAML.
    """
    text = str.__str__(text)
    loader = type("_VaultLoader", (_Loader,), {"vaulted": staticmethod(vaulted)})
    refused = None
    try:
        if name.endswith(".json"):
            try:
                return json.loads(text, object_pairs_hook=_no_duplicates)
            except json.JSONDecodeError as exc:
                refused = (f"line {exc.lineno}, column {exc.colno}", exc.msg, "JSON")
        if refused is None or json_as_yaml:
            try:
                return yaml.load(text, Loader=loader)  # a SafeLoader
            except yaml.MarkedYAMLError as exc:
                mark = exc.problem_mark or exc.context_mark
                where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
                refused = refused or (where, exc.problem or exc.context or "not readable", "YAML")
            except yaml.YAMLError:
                refused = refused or ("somewhere", "it has characters that YAML does not know", "YAML")
    except _Duplicate as exc:
        raise FaultlineError(f"{name}: {exc}.", code="bad_config", hint="Keep one of them.") from None
    where, what, kind = refused
    # What YAML quotes may be part of a password.
    what = re.sub(r"'[^']{2,}'|\"[^\"]{2,}\"", "...", what)
    raise FaultlineError(
        f"{name}: {where}: this is not {kind}: {what}.",
        code="bad_config",
        hint="Look for a missing quote, a wrong indentation or a tab.",
    ) from None


# -- the form of a file -----------------------------------------------------------------------------------------------

_HOST = r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%[A-Za-z0-9_.-]+)?"
_ADDRESS = Text("an IP address or a host name", _HOST, shown=True)
_FQDN = Text("a host name", _HOST, shown=True, empty=True)
_MAC = Text("a MAC address such as 52:54:00:12:34:56", r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", shown=True, empty=True)
_USER = Text("a login name", r"[^\s@:'\"\\-][^\s@:'\"\\]*")
_IFACE = Text("the name of a network interface", r"[^\s/]{1,15}", shown=True)
_UNIT = Text("the name of a systemd unit or a service", r"[A-Za-z0-9_][A-Za-z0-9:_.\\@-]*", shown=True)
_CONTAINER = Text("the name of a container", r"[A-Za-z0-9][A-Za-z0-9_.-]*", shown=True)
_NAME = Text("a name", r"[A-Za-z0-9_][A-Za-z0-9_.@-]*", shown=True)
_COMMAND = Text("a command line")
_SECRET = Text("text (not shown)", empty=True)
_FILE = Text("the path of a file")


class _Pattern:
    """What os-faults gives to grep; the result is Python's word for it."""

    meaning = "a pattern as grep takes it (a basic regular expression)"

    def check(self, value, path, problems):
        value = Text(self.meaning).check(value, path, problems)
        if not isinstance(value, str):
            return value
        try:
            return _grep.to_python(value)
        except _grep.BadPattern as exc:
            problems.append(problem(path, f"'{value}' ({exc})", self.meaning))
            return None


class _Port:
    """[tcp, 3306], [tcp, 3306, ingress], or a list of such."""

    meaning = "a pair such as [tcp, 3306], or with a direction, ingress or egress: [tcp, 3306, ingress]"

    def check(self, value, path, problems):
        if isinstance(value, list) and value and all(isinstance(item, list) for item in value):
            return [self._pair(item, below(path, number), problems) for number, item in enumerate(value)]
        return self._pair(value, path, problems)

    def _pair(self, value, path, problems):
        good = (
            isinstance(value, list)
            and 2 <= len(value) <= 3
            and value[0] in ("tcp", "udp")
            and isinstance(value[1], int)
            and not isinstance(value[1], bool)
            and 0 < value[1] < 65536
            and (len(value) == 2 or value[2] in ("ingress", "egress"))
        )
        if not good:
            simple = isinstance(value, (str, int, list)) and len(str(value)) < 40
            problems.append(problem(path, str(value) if simple else kind_of(value), self.meaning))
            return None
        return [str(value[0]), int(value[1]), *[str(way) for way in value[2:]]]


class _Cidr:
    meaning = "a network such as 10.0.0.0/24"

    def check(self, value, path, problems):
        try:
            if not is_text(value) or "/" not in value:
                raise ValueError
            return str(ipaddress.ip_network(str(value), strict=False))
        except ValueError:
            found = f"'{value}'" if is_text(value) and len(value) < 60 else kind_of(value)
            problems.append(problem(path, found, self.meaning))
            return None


class Network:
    """A network: 10.0.0.0/24, or its interface, or both."""

    meaning = "a network such as 10.0.0.0/24, or a mapping with interface and cidr"

    def check(self, value, path, problems):
        if isinstance(value, dict):
            return Keys({"cidr": _Cidr(), "interface": _IFACE}, (), self.meaning).check(value, path, problems)
        return {"cidr": _Cidr().check(value, path, problems)}


_AUTH_KEYS = {
    "username": _USER,
    "password": _SECRET,
    "private_key_file": _FILE,
    "become": Flag(),
    "become_username": _USER,
    "become_password": _SECRET,
    "become_method": Text("the name of a become method", r"[A-Za-z0-9_.]+", shown=True),
    "jump": Keys({"host": _ADDRESS, "username": _USER, "private_key_file": _FILE}, ["host"]),
}


class _Auth(Keys):
    """How to log in; `sudo` is what os-faults 0.1 had for become."""

    def __init__(self, also=None):
        super().__init__({**_AUTH_KEYS, "sudo": Flag(), **(also or {})}, (), f"a mapping with {listed(_AUTH_KEYS)}")

    def check(self, value, path, problems):
        checked = super().check(value, path, problems)
        if "sudo" in checked:
            if "become" in checked:
                problems.append(problem(below(path, "sudo"), "sudo beside become", "one of the two"))
            if checked.pop("sudo"):
                checked.setdefault("become_username", "root")
            else:
                checked["become"] = False
        return checked


_AUTH = _Auth()
_FLAT = {key: _AUTH_KEYS[key] for key in ("username", "password", "private_key_file")}
# Older releases of os-faults had these. serial is Ansible's business here: forks.
_OLD = {"slaves": ListOf(_ADDRESS, "a list of addresses", 0), "serial": Integer(1, 10**6, "a number above 0")}
# the manual of os-faults has the interface in auth
_SINGLE = {"address": _ADDRESS, "auth": _Auth({"iface": _IFACE}), **_FLAT, "iface": _IFACE, **_OLD}


class _DevStackArgs(Keys):
    def check(self, value, path, problems):
        checked = super().check(value, path, problems)
        if isinstance(value, dict) and "auth" in value:
            for key in _FLAT:
                if key in value:
                    hint = f"Move it into {below(path, 'auth')}."
                    problems.append(problem(below(path, key), f"{key} beside auth", "one of the two", hint))
        own = (checked.get("auth") or {}).pop("iface", None)
        if own and checked.setdefault("iface", own) != own:
            problems.append(problem(below(below(path, "auth"), "iface"), f"'{own}'", f"'{checked['iface']}', as beside auth, or nothing"))
        return checked


_ELSEWHERE = (
    "It finds its nodes through a deployment tool, which is not done here: use universal, and list the nodes under "
    "node_discover with the driver node_list."
)
_CLOUD = Driven(
    {
        "devstack": _DevStackArgs(_SINGLE, ["address"]),
        "devstack_systemd": _DevStackArgs(_SINGLE, ["address"]),
        "universal": _DevStackArgs(_SINGLE),
    },
    args_required=False,
    retired=dict.fromkeys(("saltcloud", "tcpcloud", "fuel", "fuel_ccp", "mcp"), _ELSEWHERE),
)
_NODE_KEYS = {"ip": _ADDRESS, "mac": _MAC, "fqdn": _FQDN, "libvirt_name": Text("the name of a libvirt domain"), "auth": _AUTH}
_NODES = Driven({"node_list": ListOf(Keys(_NODE_KEYS, ["ip"], optional_as_nothing=True), "a list of nodes")})
_PROCESS = {"grep": _Pattern(), "port": _Port()}
_COMMANDS = {"start_cmd": _COMMAND, "terminate_cmd": _COMMAND, "restart_cmd": _COMMAND}
# ours: how long it may take
_PATIENCE = dict.fromkeys(("start_timeout", "stop_timeout"), Number("a number of seconds", above=True))
_HOSTS = {"hosts": ListOf(_ADDRESS, "a list of addresses of nodes")}
_SERVICES = MapOf(
    Driven(
        {
            "process": Keys({**_PROCESS, **_COMMANDS, **_PATIENCE}, ["grep"]),
            "system_service": Keys({"service_name": _UNIT, **_PROCESS}, ["service_name"]),
            "systemd_service": Keys({"systemd_service": _UNIT, **_PROCESS, **_COMMANDS}, ["systemd_service"]),
            "linux_service": Keys({"linux_service": _UNIT, **_PROCESS, **_PATIENCE}, ["linux_service", "grep"]),
            "salt_service": Keys({"salt_service": _UNIT, **_PROCESS, **_PATIENCE}, ["salt_service", "grep"]),
            "pcs_service": Keys({"pcs_service": _UNIT, **_PROCESS}, ["pcs_service", "grep"]),
            "pcs_or_linux_service": Keys(
                {"pcs_service": _UNIT, "linux_service": _UNIT, **_PROCESS}, ["pcs_service", "linux_service", "grep"]
            ),
            "screen": Keys({"window_name": Text(), **_PROCESS}, ["grep"]),
        },
        _HOSTS,
    ),
    "a mapping of service names",
    _NAME,
)
_CONTAINERS = MapOf(
    # the second is ours
    Driven({name: Keys({"container_name": _CONTAINER}, ["container_name"]) for name in ("docker_container", "podman_container")}, _HOSTS),
    "a mapping of container names",
    _NAME,
)
_LOGIN = {"username": Text("a login name"), "password": _SECRET}
_BMC = Keys({"address": _ADDRESS, **_LOGIN, "port": Integer(1, 65535, "a port")}, ["address", "username", "password"])
_REDFISH = Keys(
    {
        "address": Text("an address or a URL", r"(https?://)?[^\s/]+(/\S*)?", shown=True),
        **_LOGIN,
        "system": Text("the Id, Name or UUID of a system"),
        "verify": Anything("true, false or the path of a file"),
    },
    ["address", "username", "password"],
)


def _by_node(bmc):
    return Keys({"mac_to_bmc": MapOf(bmc, "a mapping of MAC addresses", _MAC), "fqdn_to_bmc": MapOf(bmc, "a mapping of host names")})


_POWER = ListOf(
    Driven(
        {
            "libvirt": Keys({"connection_uri": Text("the URI of a libvirt connection")}, ["connection_uri"]),
            "ipmi": _by_node(_BMC),
            # os-faults has no such drivers
            "redfish": _by_node(_REDFISH),
            "openstack": Keys(
                {
                    "cloud": Text("the name of a cloud in clouds.yaml"),
                    "auth": Anything("a mapping, as auth in clouds.yaml"),
                    "region_name": Text("the name of a region"),
                    "interface": Text("public, internal or admin"),
                    "verify": Anything("true or false"),
                    "cacert": _FILE,
                },
            ),
        }
    ),
    "a list of power drivers",
)
_EXTRA = Keys(
    {
        "known_hosts": _FILE,
        "networks": MapOf(Network(), "a mapping of network names", _NAME),
        "units": MapOf(ListOf(_UNIT, "a list of units"), "a mapping of service names", _NAME),
        "ports": MapOf(_Port(), "a mapping of service names", _NAME),
        "in_containers": _CONTAINERS,
    },
)
_FORM = {
    "cloud_management": _CLOUD,
    "node_discover": _NODES,
    "services": _SERVICES,
    "containers": _CONTAINERS,
    "power_managements": _POWER,
    # Ours; os-faults passes over top-level keys that it does not know.
    "faultline": _EXTRA,
}
SECTIONS = tuple(_FORM)
# os-faults before 0.2, with one driver or a list
_POWER_OF_OLD = "power_management"

# -- the model --------------------------------------------------------------------------------------------------------


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
    known = {**_FORM, **dict.fromkeys(extra, Anything())}
    data = sections(data)
    passed_over = _unknown(data, known)
    known.update(dict.fromkeys(passed_over, Anything()))
    checked = Keys(known, ["cloud_management"], f"a mapping with {listed(SECTIONS)}", True).check(data, "", problems)
    if problems:
        _fail(name, problems)
    cloud = _build(checked, problems)
    if problems:
        _fail(name, problems)
    cloud.passed_over = [str(key) for key in passed_over]
    return cloud


def _fail(name, problems):
    message = f"{name}: {problems[0]}"
    if len(problems) > 1:
        message = f"{name}: {len(problems)} problems:\n" + "\n".join(f"  {text}" for text in problems)
    raise FaultlineError(message, code="bad_config", details={"file": name, "problems": problems})


def _build(data, problems):
    management = data["cloud_management"]
    args = management.get("args") or {}
    shared = args.get("auth") or {key: args[key] for key in _FLAT if key in args}
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
    _ambiguous(cloud, data, problems)
    return cloud


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


# -- the way to a node ------------------------------------------------------------------------------------------------


def login(auth, default_user):
    return auth.get("username") or default_user


def becomes(auth, default_user):
    """Whether root must be become on the node: the login is not root, unless the file says otherwise."""
    if auth.get("become") is not None:
        return bool(auth["become"])
    if auth.get("become_username"):
        return True
    return login(auth, default_user) != "root"


def key_file(path):
    return os.path.expanduser(path) if path else ""


def jump_options(node, default_user, host_key_checking=None):
    """ssh options that lead through the jump host, as an argv; [] without one."""
    jump = node.auth.get("jump")
    if not jump:
        return []
    user = jump.get("username") or login(node.auth, default_user)
    host = jump["host"]
    key = key_file(jump.get("private_key_file"))
    host_keys = host_key_options(node, host_key_checking)
    if not key and not host_keys:
        target = f"[{host}]" if ":" in host else host
        return ["-o", f"ProxyJump={user}@{target}"]
    # ssh hands this to a shell, and expands % in it first.
    argv = ["ssh", *(["-i", key] if key else []), *host_keys]
    command = " ".join(shlex.quote(word).replace("%", "%%") for word in argv)
    where = shlex.quote(f"{user}@{host}").replace("%", "%%")
    return ["-o", f"ProxyCommand={command} -W %h:%p {where}"]


def host_key_options(node, host_key_checking):
    """ssh options for a user who wants no host keys checked, or has them in a file of their own."""
    if host_key_checking is False:
        return ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    # ssh takes blanks for the end of a file's name
    return ["-o", f'UserKnownHostsFile="{key_file(node.known_hosts)}"'] if node.known_hosts else []


def connection_variables(node, default_user, host_key_checking=None):
    """Ansible's connection variables for a node."""
    auth = node.auth
    variables: dict[str, t.Any] = {"ansible_host": node.ip}
    for variable, value in (
        ("ansible_user", auth.get("username")),
        ("ansible_password", auth.get("password")),
        ("ansible_ssh_private_key_file", key_file(auth.get("private_key_file"))),
        ("ansible_become_user", auth.get("become_username")),
        ("ansible_become_password", auth.get("become_password")),
        ("ansible_become_method", auth.get("become_method")),
    ):
        # A vaulted value stays as it is: asking whether it is empty would decrypt it.
        if value is not None and not (isinstance(value, str) and not value):
            variables[variable] = value
    if becomes(auth, default_user):
        variables["ansible_become"] = True
    elif auth.get("become") is False:
        variables["ansible_become"] = False
    options = jump_options(node, default_user, host_key_checking)
    if node.known_hosts:
        options = host_key_options(node, host_key_checking) + options
    if options:
        variables["ansible_ssh_common_args"] = shlex.join(options)
    if host_key_checking is not None:
        variables["ansible_host_key_checking"] = host_key_checking
    return variables
