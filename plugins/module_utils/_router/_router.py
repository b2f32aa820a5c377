# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a router is to those who look at it: described from what the APIs say, with its health; chosen by name; as a table. Pure."""

from __future__ import annotations

import calendar
import re
import time

from .._fault._errors import FaultlineError
from .._ha._things import unknown
from . import _marks

HA = "network:router_ha_interface"
GATEWAY = "network:router_gateway"
_SNAT = "network:router_centralized_snat"
_REPLICATED = "network:ha_router_replicated_interface"
_INTERFACES = ("network:router_interface", "network:router_interface_distributed", _REPLICATED)
# the owners of all ports that say something of a router
OWNERS = (HA, GATEWAY, _SNAT) + _INTERFACES
# what stands for many
WILD = EVERY, BROKEN = "*", "error"
OK, DEGRADED, DOWN = "ok", "degraded", "down"
_LEVELS = (OK, DEGRADED, DOWN)
# characters that tell an id from a name that was mistyped
_PREFIX = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")


def described(router, ports, known, states=None):
    """A router as everyone here has it.

    router, ports: as Neutron's API has them, the ports being all of this router's; states: {host: ha_state} of Neutron where it was asked for this router.
    known: {agents: {host: {id, alive}}, projects: {id: {name, tags}}, networks: {id: name}, subnets: {id: {cidr, gateway_ip}}, everywhere: reason of the global
    debug or None, now: epoch seconds}.
    """
    by_owner = {owner: [each for each in ports if each["device_owner"] == owner] for owner in OWNERS}
    ha = bool(router.get("ha")) or bool(by_owner[HA] or by_owner[_REPLICATED])
    gateways, inner = by_owner[GATEWAY], [each for owner in _INTERFACES for each in by_owner[owner]]
    project = known["projects"].get(router.get("project_id")) or {}
    found = {
        "id": router["id"], "name": _marks.plain(router.get("name") or ""), "project": router.get("project_id") or "", "project_name": project.get("name"),
        "status": router.get("status"), "admin_state_up": router.get("admin_state_up") is not False, "ha": ha,
        "distributed": bool(router.get("distributed")),
        "gateway": _gateway(gateways, router, known), "interfaces": [_interface(port, each, known) for port in inner for each in _fixed(port)],
        "created": router.get("created_at"), "age": _age(router.get("created_at"), known["now"]),
        "debug": _debug(router, project, known), "rebuilt": _marks.rebuilt(router.get("tags")),
        "claimed": next(({"by": owner, "until": until} for owner, until, _tag in _marks.claims(router.get("tags"), known["now"])), None),
    }
    found["interfaces"].sort(key=lambda each: (str(each["network"]), str(each["address"])))
    hosts, actives = _hosts(found, by_owner, states)
    found["agents"] = [_agent(host, ha, actives, known["agents"], states) for host in hosts]
    found["active"] = actives[0] if len(actives) == 1 else None
    found["problems"] = problems(found, actives, by_owner[HA], bool(known["agents"]))
    found["health"], found["reason"] = health(found["problems"])
    return found


def _hosts(found, by_owner, states):
    """(hosts of the agents that have the router, those that are active)."""
    moving = by_owner[GATEWAY] + by_owner[_REPLICATED] + by_owner[_SNAT]
    if not found["ha"]:
        bound = moving + ([] if found["distributed"] else by_owner[_INTERFACES[0]])
        hosts = sorted(states if states is not None else {host_of(each) for each in bound} - {""})
        return hosts, hosts
    hosts = sorted(states if states is not None else {host_of(each) for each in by_owner[HA]} - {""})
    if states is not None:
        return hosts, [each for each in hosts if states[each] == "active"]
    # Neutron binds these ports to the host whose agent says that it is active
    return hosts, [each for each in hosts if each in {host_of(port) for port in moving}]


def host_of(port):
    return port.get("binding:host_id") or ""


def _agent(host, ha, actives, agents, states):
    known = agents.get(host) or {}
    if states is not None and states.get(host):
        state = states[host]
    elif host in actives:
        state = "active"
    else:
        state = "standby" if ha and actives else "unknown"
    # an agent that the cloud has forgotten is dead; where it tells of no agents at all nobody knows
    return {"host": host, "id": known.get("id"), "alive": known.get("alive", False) if agents else None, "state": state}


def _fixed(port):
    return port.get("fixed_ips") or [{}]


def _gateway(ports, router, known):
    """The way out; None where there is none. Without the port, which only administrators see, what the router itself says."""
    told = router.get("external_gateway_info") or {}
    if not ports and not told:
        return None
    port = ports[0] if ports else {}
    fixed = port.get("fixed_ips") or told.get("external_fixed_ips") or []
    network = port.get("network_id") or told.get("network_id")
    hops = [(known["subnets"].get(each.get("subnet_id")) or {}).get("gateway_ip") for each in fixed]
    return {
        "port": port.get("id"), "network": known["networks"].get(network, network), "addresses": [each["ip_address"] for each in fixed],
        "next_hops": sorted({each for each in hops if each}), "status": port.get("status"), "host": host_of(port) or None,
    }


def _interface(port, fixed, known):
    subnet = known["subnets"].get(fixed.get("subnet_id")) or {}
    return {
        "port": port["id"], "network": known["networks"].get(port.get("network_id"), port.get("network_id")), "subnet": fixed.get("subnet_id"),
        "address": fixed.get("ip_address"), "cidr": subnet.get("cidr"), "status": port.get("status"), "host": host_of(port) or None,
    }


def _debug(router, project, known):
    """What keeps automation away from it, the nearest first; None where nothing does."""
    for by, reason in (("router", _marks.debug(router.get("tags"))), ("project", _marks.debug(project.get("tags"))), ("global", known["everywhere"])):
        if reason is not None:
            return {"by": by, "reason": reason}
    return None


def _age(created, now):
    """Seconds since a time as Neutron writes it, which is in UTC; None of anything else."""
    try:
        return max(0, int(now - calendar.timegm(time.strptime(str(created)[:19], "%Y-%m-%dT%H:%M:%S"))))
    except ValueError:
        return None


# ---- health, as the control plane knows it


def problems(found, actives, ha_ports, agents_known):
    """What is wrong with a described router: [{level, code, text}]."""
    if not found["admin_state_up"]:
        # all else follows from it
        return [_problem(DOWN, "admin_state", "its admin state is down")]
    told = []
    if found["status"] != "ACTIVE":
        told.append(_problem(DOWN if found["status"] in ("ERROR", "DOWN") else DEGRADED, "status", "its status is %s" % found["status"]))
    if agents_known and (found["gateway"] or found["interfaces"]):
        told += _of_agents(found, actives, ha_ports)
    return told + _of_ports(found)


def _of_agents(found, actives, ha_ports):
    agents = found["agents"]
    dead = [each["host"] for each in agents if not each["alive"]]
    if not agents:
        return [_problem(DOWN, "unhosted", "no L3 agent has it")]
    if len(dead) == len(agents):
        return [_problem(DOWN, "dead", "the L3 agent%s on %s %s dead" % ("s" if len(dead) > 1 else "", ", ".join(dead), "are" if len(dead) > 1 else "is"))]
    told = []
    if found["ha"] and not actives:
        told.append(_problem(DOWN, "not_active", "it is active on no node"))
    if found["ha"] and len(actives) > 1:
        told.append(_problem(DEGRADED, "several_active", "it is active on %s" % " and ".join(actives)))
    for host in dead:
        words = "it is active on %s, whose L3 agent is dead" if host in actives else "the L3 agent on %s is dead"
        told.append(_problem(DEGRADED, "active_on_dead" if host in actives else "dead_agent", words % host))
    told += _elsewhere(found, actives)
    if found["ha"] and len(agents) == 1 and all(host_of(each) for each in ha_ports):
        told.append(_problem(DEGRADED, "alone", "only the L3 agent on %s has it" % agents[0]["host"]))
    told += [
        _problem(DEGRADED, "not_taken_up", "an L3 agent has not taken it up yet")
        for each in ha_ports if not host_of(each)][:1]
    told += [
        _problem(DEGRADED, "ha_port", "its HA port on %s is %s" % (host_of(each), each.get("status")))
        for each in ha_ports if each.get("status") != "ACTIVE" and host_of(each) and host_of(each) not in dead]
    return told


def _elsewhere(found, actives):
    """Ports that are bound to a node that is not the one which has the router: its agent has not taken it up, or not reported yet."""
    if found["distributed"] or not actives:
        return []
    ports = [each for each in [found["gateway"]] + found["interfaces"] if each and each["port"] and each["host"] not in actives]
    if not ports:
        return []
    where = " and ".join(sorted({each["host"] or "no node" for each in ports}))
    return [_problem(DEGRADED if found["ha"] else DOWN, "elsewhere", "%s of its ports are bound to %s" % (len({each["port"] for each in ports}), where))]


def _of_ports(found):
    ports = {each["port"]: ("the interface %s" % each["address"], each["status"]) for each in found["interfaces"]}
    gateway = found["gateway"]
    if gateway and gateway["port"]:
        ports[gateway["port"]] = ("the gateway port", gateway["status"])
    away = [(words, status) for words, status in ports.values() if status not in ("ACTIVE", "N/A")]
    level = DOWN if away and len(away) == len(ports) else DEGRADED
    return [_problem(level, "port", "%s is %s" % each) for each in away]


def _problem(level, code, text):
    return {"level": level, "code": code, "text": text}


def health(told):
    """(ok, degraded or down, the reason) of problems, the worst first."""
    ordered = sorted(told, key=lambda each: -_LEVELS.index(each["level"]))
    return (ordered[0]["level"] if ordered else OK), "; ".join(each["text"] for each in ordered)


# ---- which are meant


def chosen(routers, wanted=None, project=None, debug=None, projects=None):
    """The routers that are meant, each once, in their order.

    wanted: ids, beginnings of ids, names, * and error, of which none means all; project: an id or a name; debug: in debug or not; projects: as for
    project_of. FaultlineError: not_found, ambiguous.
    """
    owner = None if project is None else project_of(routers, project, projects)
    within = [each for each in routers if owner is None or each["project"] == owner]
    within = [each for each in within if debug is None or bool(each["debug"]) == debug]
    if not wanted:
        return within
    meant, refused = set(), []
    for name in wanted:
        try:
            meant.update(each["id"] for each in _meant(within, name))
        except FaultlineError as exc:
            refused.append(exc)
    if len(refused) == 1:
        raise refused[0]
    if refused:
        raise FaultlineError(
            "%d routers are not known:\n%s" % (len(refused), "\n".join("  " + exc.text for exc in refused)), code=refused[0].code,
            details={"problems": [exc.text for exc in refused]})
    return [each for each in within if each["id"] in meant]


def _meant(routers, name):
    if name == EVERY:
        return routers
    if name == BROKEN:
        return [each for each in routers if each["health"] != OK]
    exact = [each for each in routers if each["id"] == name.lower()]
    if exact:
        return exact
    named = [each for each in routers if each["name"] == name]
    if not named and _PREFIX.fullmatch(name.lower()):
        named = [each for each in routers if each["id"].startswith(name.lower())]
    if len(named) > 1:
        raise FaultlineError(
            "%d routers are meant by %s." % (len(named), name), code="ambiguous",
            hint="Give the id of one: %s." % ", ".join("%s (%s)" % (each["id"], each["project_name"] or each["project"]) for each in named[:10]))
    if not named:
        raise unknown("router", name, {each["name"] or each["id"] for each in routers})
    return named


def project_of(routers, name, projects=None):
    """The id of a project that is named by id or name. projects: {id: {name}}, or those of the routers. FaultlineError: not_found, ambiguous."""
    known = {each["project"]: {"name": each["project_name"]} for each in routers} if projects is None else projects
    if name in known:
        return name
    found = sorted(each for each, told in known.items() if told.get("name") == name)
    if len(found) > 1:
        raise FaultlineError("%d projects are named %s." % (len(found), name), code="ambiguous", hint="Give the id of one: %s." % ", ".join(found[:10]))
    if not found:
        raise unknown("project with a router" if projects is None else "project", name, {told.get("name") or each for each, told in known.items() if each})
    return found[0]


# ---- told to a person

COLUMNS = ("router", "project", "status", "health", "agents", "gateway", "interfaces", "age", "rebuilt", "debug")


def cells(router):
    """What stands in the columns for a router. An agent that is active bears a *, one that is dead a !."""
    inner = [str(each["address"]) for each in router["interfaces"]]
    return (
        router["name"] or router["id"][:8], router["project_name"] or router["project"][:8], str(router["status"]), router["health"],
        " ".join(_shown(agent) for agent in router["agents"]) or "-", ", ".join((router["gateway"] or {}).get("addresses") or []) or "-",
        ", ".join(inner[:3]) + (" ..." if len(inner) > 3 else "") or "-", duration(router["age"]),
        (router["rebuilt"] or "-").replace("T", " ").rstrip("Z"), _debugged(router["debug"]),
    )


def table(routers):
    """Lines, the first of which names the columns; what is wrong with a router is below it."""
    rows = [COLUMNS] + [cells(each) for each in routers]
    widths = [max(len(row[number]) for row in rows) for number in range(len(COLUMNS))]
    told = []
    for row, reason in zip(rows, [""] + [each["reason"] for each in routers]):
        told.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        if reason:
            told.append("  " + reason)
    return told


def _shown(agent):
    mark = "*" if agent["state"] == "active" else ""
    return agent["host"] + mark + ("!" if agent["alive"] is False else "")


def _debugged(debug):
    if not debug:
        return "-"
    return (debug["by"] + (": " + debug["reason"] if debug["reason"] else ""))[:60]


def duration(seconds):
    """Seconds as 45s, 12m, 5h or 3d."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return "%d%s" % (seconds // size, unit)
    return "%ds" % seconds


def counted(routers):
    """How many there are by health, in words: 12 routers: 10 ok, 1 degraded, 1 down; 2 in debug."""
    by = [(level, sum(each["health"] == level for each in routers)) for level in _LEVELS]
    words = "%d router%s" % (len(routers), "" if len(routers) == 1 else "s")
    told = ", ".join("%d %s" % (count, level) for level, count in by if count)
    debug = sum(bool(each["debug"]) for each in routers)
    return words + (": " + told if told else "") + ("; %d in debug" % debug if debug else "")
