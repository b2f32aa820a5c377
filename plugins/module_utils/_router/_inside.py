# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at routers of a network node from inside of their namespaces: who is active, which addresses are there, what answers a ping."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ipaddress
import os
import re
import socket
import struct
import time

from .._fault import _namespaces, _netlink, _proc
from .._fault._errors import FaultlineError
from .._ha._probe_network import Echo

NAMESPACES = "/run/netns"
HA_CONFS = "/var/lib/neutron/ha_confs"
# what keepalived calls it, and called it before 2.2
_STATES = {"primary": "active", "master": "active", "backup": "standby", "fault": "fault"}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KEEPALIVED = re.compile(r"(?:\S*/)?keepalived\s.*?/([A-Za-z0-9_-]+)/keepalived\.conf(?:\s|$)")
_RUNNING, _TO_A_GATEWAY = 0x40, 0x2
# echo requests to one address within its deadline
_TRIES = 3
_SIDE_BY_SIDE = 64
# seconds that anybody may want to wait for an answer
_LONGEST = 60


def namespace(router):
    """The name of the namespace of a router, by its id."""
    return "qrouter-%s" % router


def checked(routers):
    """Routers as users give them, with every address as the kernel writes it. FaultlineError: bad_router."""
    found = []
    for router in routers:
        if not _ID.fullmatch(router["id"]):
            raise FaultlineError("routers: %r is no id of a router." % router["id"], code="bad_router", hint="Neutron's ids are UUIDs.")
        lists = {name: [_address(each, router["id"]) for each in router.get(name) or []] for name in ("addresses", "targets")}
        found.append(dict(lists, id=router["id"], ha=bool(router.get("ha"))))
    return found


def _address(text, router):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as exc:
        raise FaultlineError("routers: %r of %s is no IP address." % (text, router), code="bad_router") from exc


def look(routers, timeout, gateway=True, namespaces=NAMESPACES, ha_confs=HA_CONFS):
    """What is found of each router on this node, side by side. routers: those of checked(); timeout: seconds that one address may take to answer."""
    if not 0 < timeout <= _LONGEST:
        raise FaultlineError("timeout is %g; it must be more than 0 and at most %d seconds." % (timeout, _LONGEST), code="bad_option")
    running = keepaliveds(_proc.command_line(pid) for pid in _proc.every()) if any(router["ha"] for router in routers) else set()

    def one(router):
        told = {
            "id": router["id"], "namespace": False, "state": None, "keepalived": None, "gateways": [], "pings": [], "error": None,
            "addresses": [{"address": each, "interface": None, "up": False} for each in router["addresses"]],
        }
        if router["ha"]:
            told.update(state=state(os.path.join(ha_confs, router["id"], "state")), keepalived=router["id"] in running)
        path = os.path.join(namespaces, namespace(router["id"]))
        if os.path.exists(path):
            told["namespace"] = True
            try:
                told.update(_namespaces.within(path, lambda: inside(router, timeout, gateway)))
            except FaultlineError as exc:
                told["error"] = exc.message
        return told

    with concurrent.futures.ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(one, routers))


def words(routers):
    """What a look has found, in one sentence."""
    holding = sum(any(each["interface"] for each in router["addresses"]) for router in routers)
    by = sum(router["namespace"] and not any(each["interface"] for each in router["addresses"]) for router in routers)
    pings = [each["answered"] for router in routers for each in router["pings"]]
    text = "%d routers: %d active, %d on standby; %d of %d addresses answer" % (len(routers), holding, by, sum(pings), len(pings))
    failed = [router["error"] for router in routers if router["error"]]
    return "%s; %s" % (text, failed[0]) if failed else text


def state(path):
    """active, standby or fault, as keepalived has told last; None where it has told nothing."""
    try:
        with open(path, encoding="utf-8") as stream:
            return _STATES.get(stream.read(64).strip())
    except (OSError, UnicodeDecodeError):
        return None


def keepaliveds(lines):
    """The ids of the routers whose keepalived is among these command lines."""
    return {found.group(1) for found in map(_KEEPALIVED.match, lines) if found}


# ---- within the namespace


def inside(router, timeout, gateway):
    """The addresses and pings of a router, as they are in the namespace that this thread is in."""
    links = {link.index: link for link in _netlink.links().values()}
    holders = {address: links[index] for index, address, _length in _netlink.addresses() if index in links}
    addresses = []
    for address in router["addresses"]:
        link = holders.get(address)
        addresses.append({"address": address, "interface": link.name if link else None, "up": bool(link and link.up and link.flags & _RUNNING)})
    wanted, hops = [], _gateways({link.name: link.index for link in links.values()})
    # a node without the addresses is on standby, and has nothing to ask from
    if any(each["interface"] for each in addresses):
        wanted += [("gateway", each) for each in hops if gateway]
        wanted += [("interface", each["address"]) for each in addresses if each["interface"]]
        wanted += [("target", each) for each in router["targets"]]
    return {"addresses": addresses, "gateways": hops, "pings": asyncio.run(_pings(wanted, timeout)) if wanted else []}


def _gateways(indexes):
    with open("/proc/thread-self/net/route", encoding="ascii") as stream:
        found = gateways_4(stream)
    try:
        with open("/proc/thread-self/net/ipv6_route", encoding="ascii") as stream:
            return found + gateways_6(stream, indexes)
    except FileNotFoundError:  # a kernel without IPv6
        return found


def gateways_4(lines):
    """The next hops of the default routes in /proc/net/route."""
    found = []
    for line in lines:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and int(fields[3], 16) & _TO_A_GATEWAY:
            found.append(socket.inet_ntoa(struct.pack("=I", int(fields[2], 16))))
    return list(dict.fromkeys(found))


def gateways_6(lines, indexes):
    """The same of /proc/net/ipv6_route. One of a link is told with the number of its interface."""
    found = []
    for line in lines:
        fields = line.split()
        if len(fields) < 10 or fields[1] != "00" or not int(fields[8], 16) & _TO_A_GATEWAY:
            continue
        hop = ipaddress.IPv6Address(bytes.fromhex(fields[4]))
        found.append("%s%%%d" % (hop, indexes.get(fields[9], 0)) if hop.is_link_local else str(hop))
    return list(dict.fromkeys(found))


async def _pings(wanted, timeout):
    """[{kind, address, answered, milliseconds, error}] of [(kind, address)], all at once."""
    echoes = {}
    try:
        for _kind, address in wanted:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            if family not in echoes:
                echoes[family] = Echo(family)
        return list(await asyncio.gather(*(
            _ping(echoes[socket.AF_INET6 if ":" in address else socket.AF_INET], kind, address, timeout) for kind, address in wanted)))
    finally:
        for echo in echoes.values():
            echo.close()


async def _ping(echo, kind, address, timeout):
    error = "no answer within %g s" % timeout
    for _each in range(_TRIES):
        begin = time.monotonic()
        try:
            await asyncio.wait_for(echo.ping(address), timeout / _TRIES)
        except asyncio.TimeoutError:
            continue
        except OSError as exc:
            error = exc.strerror or str(exc)
            await asyncio.sleep(max(0.0, timeout / _TRIES - (time.monotonic() - begin)))
            continue
        took = round((time.monotonic() - begin) * 1000, 2)
        return {"kind": kind, "address": address, "answered": True, "milliseconds": took, "error": None}
    return {"kind": kind, "address": address, "answered": False, "milliseconds": None, "error": error}
