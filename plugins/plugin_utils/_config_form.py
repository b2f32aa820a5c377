# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The form of an os-faults configuration file: which keys, which values, and what is said of a wrong one. Pure."""

from __future__ import annotations

import ipaddress

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
from . import _grep

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
FLAT = {key: _AUTH_KEYS[key] for key in ("username", "password", "private_key_file")}
# Older releases of os-faults had these. serial is Ansible's business here: forks.
_OLD = {"slaves": ListOf(_ADDRESS, "a list of addresses", 0), "serial": Integer(1, 10**6, "a number above 0")}
# the manual of os-faults has the interface in auth
_SINGLE = {"address": _ADDRESS, "auth": _Auth({"iface": _IFACE}), **FLAT, "iface": _IFACE, **_OLD}


class _DevStackArgs(Keys):
    def check(self, value, path, problems):
        checked = super().check(value, path, problems)
        if isinstance(value, dict) and "auth" in value:
            for key in FLAT:
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
_REASONS = MapOf(Text("the reason"), "a mapping of addresses of nodes", _ADDRESS)
_EXTRA = Keys(
    {
        "known_hosts": _FILE,
        "networks": MapOf(Network(), "a mapping of network names", _NAME),
        "units": MapOf(ListOf(_UNIT, "a list of units"), "a mapping of service names", _NAME),
        "ports": MapOf(_Port(), "a mapping of service names", _NAME),
        "in_containers": _CONTAINERS,
        "partial": Keys({section: MapOf(_REASONS, "a mapping of names", _NAME) for section in ("services", "containers")}),
    },
)
FORM = {
    "cloud_management": _CLOUD,
    "node_discover": _NODES,
    "services": _SERVICES,
    "containers": _CONTAINERS,
    "power_managements": _POWER,
    # Ours; os-faults passes over top-level keys that it does not know.
    "faultline": _EXTRA,
}
SECTIONS = tuple(FORM)
