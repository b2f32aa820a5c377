# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks of the cloud model: which interface, which addresses a host has, who is cut off from whom. Pure but for name lookups."""

from __future__ import annotations

import ipaddress
import socket

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._nearest import did_you_mean
from ._select import rank


class Hosts:
    """The inventory's hosts, and of(host, variable)."""

    def __init__(self, names, of):
        self.names, self.of = names, of


def fill(args, networks):
    """The options that faultline_networks completes: interface and cidr of the network that is named."""
    name = str(args["network"])
    found = [each for each in networks if str(each) == name] or [each for each in networks if str(each).lower() == name.lower()]
    if args.get("interface") or args.get("cidr"):
        return {}
    if not found:
        if name == "management":
            return {}
        raise FaultlineError(
            "This host is on no network %r." % name, code="unknown_network",
            hint=" ".join(filter(None, [
                did_you_mean(name, networks), "Set faultline_networks, run os_cloud_facts, or give interface. Nothing was touched."])),
        )
    if len(found) > 1:
        raise FaultlineError(
            "The network %s may be %s." % (name, " or ".join(sorted(map(str, found)))), code="ambiguous_network",
            hint="Say one of these names, in upper and lower case as they are. Nothing was touched.")
    told = networks[found[0]]
    told = {"cidr": told} if isinstance(told, str) else dict(told or {})
    return {"network": str(found[0]), **{key: told[key] for key in ("interface", "cidr") if told.get(key)}}


def addresses(peers, hosts):
    """Addresses and networks as they are, names of hosts as all of their known addresses."""
    found = []
    for peer in peers:
        peer = str(peer)
        try:
            ipaddress.ip_network(peer, strict=False)
            found.append(peer)
        except ValueError:
            if peer not in hosts.names:
                raise FaultlineError(
                    "%r is neither an address, a network nor a host of the inventory." % peer, code="bad_peer",
                    hint=" ".join(filter(None, [did_you_mean(peer, hosts.names), "Nothing was touched."])),
                ) from None
            found += of_host(peer, hosts)
    return list(dict.fromkeys(found))


def of_host(host, hosts):
    """All known addresses of a host of the inventory."""
    facts = hosts.of(host, "ansible_facts") or {}
    interfaces = (hosts.of(host, "faultline_host") or {}).get("interfaces") or {}
    told = [address.split("/")[0] for each in interfaces.values() for address in each.get("addresses", [])]
    told += [str((each or {}).get("address") or "") for each in (hosts.of(host, "faultline_networks") or {}).values() if isinstance(each, dict)]
    for name in ("all_ipv4_addresses", "all_ipv6_addresses"):
        told += facts.get(name) or hosts.of(host, "ansible_" + name) or []
    told.append(str(hosts.of(host, "ansible_host") or host))
    found = []
    for address in told:
        found += [each for each in _numbers(address) if each not in found and not _nobody_elses(each)]
    if not found:
        raise FaultlineError(
            "No address of the peer %s is known." % host, code="bad_peer",
            hint="Run os_cloud_facts on it, or give its addresses. Nothing was touched.",
        )
    return found


def _nobody_elses(address):
    """Addresses that every host has, or that mean another host on each link."""
    found = ipaddress.ip_address(address)
    return found.is_loopback or found.is_link_local


def _numbers(name):
    if not name:
        return []
    try:
        return [str(ipaddress.ip_address(name.split("%")[0]))]
    except ValueError:
        pass
    try:
        return sorted({entry[4][0].split("%")[0] for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except OSError:
        return []


def grudges(hosts, shape, seed):
    """host -> the hosts that it drops, for a shape of partition; the same for the same seed."""
    order = sorted(hosts, key=lambda host: rank(seed, host))
    if len(order) < 2:
        raise FaultlineError("A partition needs two hosts at least.", code="too_few", hint="Nothing was touched.")
    if shape in ("one", "half", "majority"):
        size = {"one": 1, "half": len(order) // 2, "majority": (len(order) - 1) // 2}[shape]
        sides = [order[:max(1, size)], order[max(1, size):]]
        return {host: list(sides[1] if host in sides[0] else sides[0]) for host in order}
    if len(order) < 3:
        raise FaultlineError("The shape %s needs three hosts at least." % shape, code="too_few", hint="Nothing was touched.")
    if shape == "bridge":
        one, other = order[1:1 + (len(order) - 1) // 2], order[1 + (len(order) - 1) // 2:]
        return {order[0]: [], **{host: list(other) for host in one}, **{host: list(one) for host in other}}
    # each host sees so many on either side that it and they are a majority
    near = (len(order) // 2 + 1) // 2
    cut = {}
    for at, host in enumerate(order):
        seen = {order[(at + step) % len(order)] for step in range(-near, near + 1)}
        cut[host] = [other for other in order if other not in seen]
    return cut
