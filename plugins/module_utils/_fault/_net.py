# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which interface is meant, what stands on what, and by which interface Ansible came in."""

from __future__ import annotations

import difflib
import ipaddress
import re

from . import _netlink, _proc
from ._errors import FaultlineError

MANAGEMENT = "management"
# what may stand in a line of tc or nftables as it is
_NAME = re.compile(r"^[A-Za-z0-9_.:@+-]+$")


class Session:
    """The connection that carries the task: its peer, our address and port, the interface (index) towards the peer."""

    def __init__(self, peer, address, port, index):
        self.peer, self.address, self.port, self.index = peer, address, port, index

    def as_dict(self):
        return {"peer": self.peer, "port": self.port}

    def __str__(self):
        return "%s to our port %d" % (self.peer, self.port)


def plain(address):
    """An address as the kernel's tables have it: no zone, IPv4 not as IPv6."""
    found = ipaddress.ip_address(address.split("%")[0])
    return str(getattr(found, "ipv4_mapped", None) or found)


def session():
    """The SSH connection that this task came in by, or None. sudo takes the variable away, so our parents are asked."""
    for pid in _proc.own_chain():
        try:
            with open("/proc/%d/environ" % pid, "rb") as stream:
                words = stream.read().split(b"\0")
        except OSError:
            continue
        for word in words:
            if word.startswith(b"SSH_CONNECTION="):
                told = word.decode(errors="replace").partition("=")[2].split()
                if len(told) == 4:
                    peer, address = plain(told[0]), plain(told[2])
                    way = _netlink.way_to(peer, address)
                    return Session(peer, address, int(told[3]), way[0] if way else 0)
    return None


def below(link, links):
    """The names of an interface and of all that it stands on: VLANs, bonds, bridges, to any depth."""
    found, level = [], [link]
    while level:
        found += [each.name for each in level]
        level = [
            each for each in links.values() if each.name not in found
            and any(each.index == upper.lower or each.master == upper.index for upper in level)
        ]
    return found


def above(link, links):
    """An interface and those that stand on it and go down with it (VLANs), lowest first."""
    found, level = [], [link]
    while level:
        found += level
        level = [each for each in links.values() if each not in found and each.lower in [lower.index for lower in level]]
    return found


def carriers(links, came_by):
    """The names of the interfaces that carry the task's connection."""
    if came_by is None:
        return []
    own = {index for index, address, _length in _netlink.addresses() if address == came_by.address}
    found = []
    if any(link.index == came_by.index and link.wraps for link in links.values()):
        # nobody knows by which of them the tunnel's own packets go
        return sorted(links)
    for link in links.values():
        if link.index in own | {came_by.index}:
            found += [name for name in below(link, links) if name not in found]
    return found


def blurs(name, links, came_by):
    """Whether the packets of the task's connection cannot be told from others at an interface, as they have a VLAN's tag there or travel
    in a tunnel."""
    top = next((link for link in links.values() if link.index == came_by.index), None)
    if top is None or name == top.name:
        return False
    tagged = [link for link in links.values() if link.kind == "vlan" and link.name in below(top, links)]
    return top.wraps or any(name in below(link, links)[1:] for link in tagged)


def find(interface=None, network=None, cidr=None, came_by=None):
    """The link that is meant: by its name, by an address of the network on it, or, for management, by the task's own connection."""
    links = _netlink.links()
    if interface is None and cidr:
        interface = _with_address_in(cidr, links)
        if interface is None:
            raise FaultlineError(
                "No interface of this host has an address in %s%s." % (cidr, " (network %s)" % network if network else ""),
                code="no_interface", hint="Nothing was touched. Give interface.",
            )
    if interface is None and network == MANAGEMENT and came_by is not None:
        interface = next((link.name for link in links.values() if link.index == came_by.index), None)
    if interface is None:
        raise FaultlineError(
            "Nobody knows which interface of this host the network %s is on." % network, code="no_interface",
            hint="Set faultline_networks: {%s: {cidr: 192.0.2.0/24}}, run os_cloud_facts, or give interface." % network,
        )
    if interface not in links:
        near = difflib.get_close_matches(interface, list(links), 1)
        raise FaultlineError(
            "This host has no interface %s.%s" % (interface, " Did you mean %s?" % near[0] if near else ""), code="no_interface",
            hint="Nothing was touched. It has: %s." % ", ".join(sorted(links)[:20]),
        )
    if not _NAME.match(interface):
        raise FaultlineError("The interface name %r cannot be told to tc and nftables." % interface, code="bad_interface", hint="Rename it.")
    return links[interface], links


def _with_address_in(cidr, links):
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError as exc:
        raise FaultlineError("'%s' is not a network: %s." % (cidr, exc), code="bad_network", hint="For example 10.0.0.0/24.") from exc
    names = {link.index: link.name for link in links.values()}
    for index, address, _length in _netlink.addresses():
        if ipaddress.ip_address(address) in network and index in names:
            return names[index]
    return None


def ways_to(peers):
    """The names of the interfaces by which these networks are reached."""
    names = {link.index: link.name for link in _netlink.links().values()}
    found = set()
    for peer in peers:
        network = ipaddress.ip_network(peer, strict=False)
        way = _netlink.way_to(str(network.network_address))
        indexes = {way[0]} if way else set()
        if network.num_addresses > 1:
            # those of it that are neighbours, on several interfaces perhaps
            indexes |= {
                index for index, address, length in _netlink.addresses()
                if ipaddress.ip_address(address).version == network.version
                and ipaddress.ip_interface("%s/%d" % (address, length)).network.overlaps(network)
            }
        if not indexes:
            raise FaultlineError(
                "This host has no route to %s." % peer, code="no_route", hint="Nothing was touched. Give network or interface.",
            )
        found |= {names[index] for index in indexes if index in names}
    return sorted(found)
