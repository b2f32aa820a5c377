# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packets are meant: pure data, written as rules of nftables and as u32 filters of tc.

A match is a dictionary; what it does not name does not matter. A filter is a list of matches: a packet that fits one is meant.
    kind      ip, ip6, arp, or nd (neighbour discovery of IPv6)
    remote    the network at the other end
    protocol  its number
    local_port, remote_port
"""

from __future__ import annotations

import ipaddress
import itertools

from ._errors import FaultlineError

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}
_NAMES = {6: "tcp", 17: "udp", 132: "sctp"}
EVERYTHING = [{}]
# more rules than this on one interface make each packet slow
MOST = 2000


def networks(peers):
    """Peers, addresses and networks, as networks that do not overlap: text."""
    found = []
    for peer in peers:
        try:
            found.append(ipaddress.ip_network(str(peer).strip(), strict=False))
        except ValueError as exc:
            raise FaultlineError(
                "'%s' is not an address or a network." % peer, code="bad_peer",
                hint="Give addresses, networks as 10.0.0.0/24, or names of hosts in the inventory.",
            ) from exc
    merged = [list(ipaddress.collapse_addresses(n for n in found if n.version == version)) for version in (4, 6)]
    return [str(network) for network in merged[0] + merged[1]]


def packets(peers=(), protocol=None, ports=(), arp=False):
    """The filter of these options. arp: ARP of the peers too, so that nothing at all passes between them and us."""
    if not peers and protocol is None and not ports:
        return EVERYTHING
    found = []
    for remote in networks(peers) or [None]:
        kinds = ["ip", "ip6"] if remote is None else ["ip6" if ":" in remote else "ip"]
        for kind in kinds:
            if protocol in ("icmp", "icmpv6"):
                numbers = [PROTOCOLS["icmp" if kind == "ip" else "icmpv6"]]
            elif protocol is None:
                numbers = [PROTOCOLS["tcp"], PROTOCOLS["udp"]] if ports else [None]
            else:
                numbers = [PROTOCOLS[protocol]]
            for number in numbers:
                base = {"kind": kind}
                if remote is not None:
                    base["remote"] = remote
                if number is not None:
                    base["protocol"] = number
                found += [dict(base, **{side: port}) for port in ports for side in ("local_port", "remote_port")] or [base]
        if arp and remote is not None and kinds == ["ip"] and protocol is None and not ports:
            found.append({"kind": "arp", "remote": remote})
    return found


def connection(session):
    """The filter of the connection that carries the task, and of what finds the way for it. session: a _net.Session's dictionary."""
    kind = "ip6" if ":" in session["peer"] else "ip"
    length = 128 if kind == "ip6" else 32
    found = [{"kind": kind, "remote": "%s/%d" % (session["peer"], length), "protocol": 6, "local_port": session["port"]}]
    # all of it: who asks for us, a router perhaps, need not have the address that we ask for
    return found + [{"kind": "nd" if kind == "ip6" else "arp"}]


def both(one, other):
    """The match of packets that fit two matches; None when there are none."""
    found = dict(one)
    for key, value in other.items():
        if key not in found or found[key] == value:
            found[key] = value
        elif key == "remote":
            mine, its = ipaddress.ip_network(found[key]), ipaddress.ip_network(value)
            if mine.version != its.version or not mine.overlaps(its):
                return None
            found[key] = str(mine if mine.prefixlen >= its.prefixlen else its)
        elif key == "kind" and {found[key], value} == {"nd", "ip6"}:
            found[key] = "nd"
        else:
            return None
    if found.get("kind") == "nd" and (found.get("protocol", 58) != 58 or "local_port" in found or "remote_port" in found):
        return None
    return found


def all_of(filters):
    """The filter of packets that fit all of these filters."""
    found = []
    for matches in itertools.product(*filters):
        match = {}
        for each in matches:
            match = both(match, each)
            if match is None:
                break
        if match is not None and match not in found:
            found.append(match)
        if len(found) > MOST:
            raise FaultlineError(
                "The filters of the faults on this interface make more than %d rules together." % MOST, code="too_many",
                hint="Nothing was touched. Use networks instead of addresses, or undo another fault first.",
            )
    return found


def touches(one, other):
    """Whether a packet may fit both filters."""
    return any(both(first, second) is not None for first in one for second in other)


def words(matches):
    """A filter for people."""
    if matches == EVERYTHING:
        return "all packets"
    peers = list(dict.fromkeys(match["remote"].replace("/32", "").replace("/128", "") for match in matches if "remote" in match))
    protocols = list(dict.fromkeys(match.get("protocol") for match in matches if "protocol" in match))
    ports = list(dict.fromkeys(match[side] for match in matches for side in ("local_port", "remote_port") if side in match))
    known = {number: name for name, number in PROTOCOLS.items()}
    text = "%s packets" % "/".join(known.get(number, str(number)) for number in protocols) if protocols else "packets"
    text += " of port %s" % ", ".join(map(str, ports)) if ports else ""
    shown = ", ".join(peers[:4]) + (" and %d more" % (len(peers) - 4) if len(peers) > 4 else "")
    return text + (" with %s" % shown if peers else "")


# -- as nftables ------------------------------------------------------------------------------------------------------


def as_nft(match, incoming, family="netdev"):
    """The conditions of one match as nftables writes them. None when a table of this family never sees such packets."""
    there, here = ("s", "d") if incoming else ("d", "s")
    kind, remote, number = match.get("kind"), match.get("remote"), match.get("protocol")
    if family != "netdev" and kind is not None and (family == "arp") != (kind == "arp"):
        return None
    said = []
    if kind == "arp":
        said += ["arp %saddr ip %s" % (there, remote)] if remote else (["meta protocol arp"] if family == "netdev" else [])
    elif kind is not None:
        name = "ip" if kind == "ip" else "ip6"
        if remote:
            said.append("%s %saddr %s" % (name, there, remote))
        elif family == "netdev":
            said.append("meta protocol %s" % name)
        else:
            said.append("meta nfproto %s" % {"ip": "ipv4", "ip6": "ipv6"}[name])
        if kind == "nd":
            said.append("icmpv6 type { 133, 134, 135, 136 }")
    ports = [("local_port", here), ("remote_port", there)]
    for key, side in ports:
        if key in match:
            said.append("%s %sport %d" % (_NAMES[number], side, match[key]))
    if number is not None and "local_port" not in match and "remote_port" not in match:
        said.append("meta l4proto %d" % number)
    return " ".join(said)


# -- as u32 -----------------------------------------------------------------------------------------------------------


def as_u32(match, incoming):
    """(protocol for tc, list of argv with the matches) of one match; IPv4 options and IPv6 extension headers are not followed."""
    kind, remote, number = match.get("kind"), match.get("remote"), match.get("protocol")
    if kind is None:
        return "all", [["match", "u32", "0", "0"]]
    there, here = ("src", "dst") if incoming else ("dst", "src")
    said = []
    if kind == "arp":
        if remote:
            network = ipaddress.ip_network(remote)
            # the sender's address of what comes, the target's of what goes; u32 wants its words where words begin
            for at, shift in ((0, 16), (2, 0)):
                value, mask = (int(each) >> shift & 0xFFFF for each in (network.network_address, network.netmask))
                said += ["match", "u16", "0x%04x" % value, "0x%04x" % mask, "at", str((14 if incoming else 24) + at)]
        return "arp", [said or ["match", "u32", "0", "0"]]
    name = "ip" if kind == "ip" else "ip6"
    if remote:
        said += ["match", name, there, remote]
    if kind == "nd":
        return "ipv6", [said + ["match", "ip6", "protocol", "58", "0xff", "match", "u8", str(sort), "0xff", "at", "40"] for sort in (133, 134, 135, 136)]
    if number is not None:
        said += ["match", name, "protocol", str(number), "0xff"]
    if "local_port" in match or "remote_port" in match:
        if kind == "ip":
            # only the first fragment has ports, and only without options they are where u32 looks
            said += ["match", "u8", "0x05", "0x0f", "at", "0", "match", "u16", "0", "0x1fff", "at", "6"]
        for key, side in (("local_port", here), ("remote_port", there)):
            if key in match:
                said += ["match", name, "%sport" % side[0], str(match[key]), "0xffff"]
    return ("ip" if kind == "ip" else "ipv6"), [said or ["match", "u32", "0", "0"]]
