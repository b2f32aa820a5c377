# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look from inside says of routers, beside what Neutron says of them. Pure."""

from __future__ import annotations

import re

from . import _router

# what Ansible says before the words of ssh
_BEFORE_SSH = re.compile(r".*\b(?:over|via) ssh: ", re.DOTALL)


def expected(router):
    """The addresses that a described router has where it is active."""
    found = list((router["gateway"] or {}).get("addresses") or [])
    return list(dict.fromkeys(found + [each["address"] for each in router["interfaces"] if each["address"]]))


def questions(routers):
    """What os_router_probe is to be asked on each node: {host: [{id, ha, addresses}]}. Of a router without addresses nothing can be asked."""
    asked = {}
    for router in routers:
        addresses = expected(router)
        if router["distributed"] or not addresses or not router["admin_state_up"]:
            continue
        for agent in router["agents"]:
            asked.setdefault(agent["host"], []).append({"id": router["id"], "ha": router["ha"], "addresses": addresses})
    return asked


def judged(router, probed):
    """What changes of a described router once its nodes were asked: {problems, health, reason, probed}. probed: whether its active node has answered.

    probed: [{host, routers (as os_router_probe tells them) or error}], of every node that was asked.
    """
    if router["id"] not in {each["id"] for asked in questions([router]).values() for each in asked}:
        return {"problems": router["problems"], "health": router["health"], "reason": router["reason"], "probed": False}
    answers, errors = _answers(router, probed)
    found, seen = _of_nodes(router, answers, errors)
    found = router["problems"] + found
    health, reason = _router.health(found)
    return {"problems": found, "health": health, "reason": reason, "probed": seen}


def _problem(level, code, text):
    return {"level": level, "code": code, "text": text}


def _answers(router, probed):
    """({host: what it tells of the router}, {host: why it tells nothing}) of its nodes."""
    told = {each["host"]: each for each in probed}
    answers, errors = {}, {}
    for agent in router["agents"]:
        entry = told.get(agent["host"]) or {"error": "it was not asked"}
        mine = next((each for each in entry.get("routers") or [] if each["id"] == router["id"]), None)
        error = (mine or {}).get("error") or (None if mine else entry.get("error") or "it tells nothing of this router")
        if error:
            errors[agent["host"]] = _BEFORE_SSH.sub("", error).rstrip(".")
        else:
            answers[agent["host"]] = mine
    return answers, errors


def _holds(told):
    return any(each["interface"] for each in told["addresses"])


def _of_nodes(router, answers, errors):
    """(problems, whether the active node has answered)."""
    alive = {agent["host"]: agent["alive"] is not False for agent in router["agents"]}
    found = [dict(_problem(_router.DEGRADED, "not_probed", "%s could not be asked: %s" % pair), host=pair[0]) for pair in sorted(errors.items())]
    holders = sorted(host for host, told in answers.items() if _holds(told))
    if not holders:
        if any(alive[host] for host in errors):
            # that node may well have them
            return found, False
        return found + [_problem(_router.DOWN, "no_addresses", "its addresses are on none of its nodes (%s)" % ", ".join(sorted(alive)))], bool(answers)
    if router["ha"] and len(holders) > 1:
        found.append(_problem(_router.DEGRADED, "split", "its addresses are on %s at once" % " and ".join(holders)))
    elif router["ha"] and router["active"] and router["active"] != holders[0]:
        found.append(_problem(_router.DEGRADED, "not_learned", "its addresses are on %s, but Neutron takes %s for active" % (holders[0], router["active"])))
    for host, told in sorted(answers.items()):
        found += _of_active(router, told, host) if host in holders else []
        found += _of_every(router, told, host)
    return found, True


def _of_active(router, told, host):
    """What is wrong on a node that has its addresses."""
    there = [each for each in told["addresses"] if each["interface"]]
    lacking = [each["address"] for each in told["addresses"] if not each["interface"]]
    off = sorted({each["interface"] for each in there if not each["up"]})
    silent = [each for each in told["pings"] if not each["answered"]]
    nothing = all(not each["up"] for each in there) or (silent and len(silent) == len(told["pings"]))
    level, found = _router.DOWN if nothing else _router.DEGRADED, []
    if lacking:
        found.append(_problem(_router.DEGRADED, "lacking", "%s lacks %s" % (host, ", ".join(lacking))))
    if off:
        found.append(_problem(level, "link_down", "on %s %s is down" % (host, ", ".join(off))))
    if any("." in each for each in (router["gateway"] or {}).get("next_hops") or []) and not any("." in each for each in told["gateways"]):
        found.append(_problem(_router.DEGRADED, "no_route", "%s has no default route for it" % host))
    for each in silent:
        of_gateway = each["kind"] == "gateway"
        text = "%s%s does not answer a ping from %s: %s" % ("the gateway " if of_gateway else "", each["address"].partition("%")[0], host, each["error"])
        found.append(_problem(level, "gateway_silent" if of_gateway else "silent", text))
    return found


def _of_every(router, told, host):
    """What keeps a node from taking over, or from going on."""
    if not told["namespace"]:
        return [_problem(_router.DEGRADED, "no_namespace", "%s has no namespace of it" % host)]
    if router["ha"] and not told["keepalived"]:
        return [_problem(_router.DEGRADED, "no_keepalived", "its keepalived does not run on %s" % host)]
    if told["state"] == "fault":
        return [_problem(_router.DEGRADED, "fault", "its keepalived on %s is in FAULT" % host)]
    return []
