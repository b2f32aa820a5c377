# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our own nftables tables: one per fault, named after it; nothing else is ever edited.

inside: an argv that runs a program in another network namespace; none for that of this host.
"""

from __future__ import annotations

import json

from ._errors import FaultlineError
from ._exec import run, which

# below raw (-300) and conntrack (-200): established connections are cut as well, and no foreign accept comes first
_PRIORITY = -310
PREFIX = "faultline_"


def table_name(fault_id):
    return PREFIX + fault_id.replace("-", "_")


def require(elsewhere=False):
    """Fail before anything is touched when this host cannot do nftables; elsewhere: in a network namespace other than its own."""
    if not which("nft"):
        raise FaultlineError(
            "nft is not installed on this host; unplug needs it.", code="missing_program", hint="Install the package nftables.",
        )
    if elsewhere and not which("nsenter"):
        raise FaultlineError(
            "nsenter is not installed on this host; unplug in a network namespace needs it.", code="missing_program",
            hint="Install the package util-linux.",
        )
    done = run(["nft", "list", "tables"], check=False)
    if done.rc != 0:
        raise FaultlineError(
            "nftables does not work on this host: %s" % done.err.strip()[:300], code="no_nftables",
            hint="The kernel needs nf_tables, and we need root with CAP_NET_ADMIN.",
        )


# what is meant by an address of a door that is none: all of a family
_FAMILIES = {"0.0.0.0": "meta nfproto ipv4 ", "::": "meta nfproto ipv6 "}
# the hook for each way that a packet goes, with the side of it that is ours, and the way that leaves that hook alone
_HOOKS = (("input", "d", "egress"), ("output", "s", "ingress"))


def cut_ports(table, doors, inside=()):
    """Drop packets to and from local ports. doors: (protocol, number, way, address); way: ingress (to), egress (from) or both; address: None
    for all of IPv4 and IPv6, 0.0.0.0 or :: for all of one. Each has counters of its own (see dropped())."""
    lines = ["table inet %s {" % table]
    for hook, side, other in _HOOKS:
        lines.append("  chain %s {" % hook)
        lines.append("    type filter hook %s priority %d; policy accept;" % (hook, _PRIORITY))
        for protocol, number, way, address in doors:
            if way == other:
                continue
            only = "" if address is None else _FAMILIES.get(address) or "%s %saddr %s " % ("ip6" if ":" in address else "ip", side, address)
            lines.append("    %s%s %sport %d counter drop" % (only, protocol, side, number))
        lines.append("  }")
    lines.append("}")
    ruleset = "\n".join(lines) + "\n"
    run(list(inside) + ["nft", "-f", "-"], stdin=ruleset)
    return ruleset


def tables(inside=()):
    """Names of the tables that are ours by their name."""
    if not which("nft"):
        return []
    done = run(list(inside) + ["nft", "-j", "list", "tables"], check=False)
    if done.rc != 0:
        return []
    entries = [entry["table"] for entry in json.loads(done.out)["nftables"] if "table" in entry]
    return [entry["name"] for entry in entries if entry["family"] == "inet" and entry["name"].startswith(PREFIX)]


def exists(table, inside=()):
    """Whether a table is there; FaultlineError where nobody can look, as in a namespace that cannot be entered."""
    # a table that is not there and a look that fails have the same status
    listed = run(list(inside) + ["nft", "list", "tables", "inet"]).out
    return "table inet %s" % table in map(str.strip, listed.splitlines())


def dropped(table, doors, inside=()):
    """For each of these doors, which the table was made of, the packets that its own rules have dropped so far."""
    listing = json.loads(run(list(inside) + ["nft", "-j", "list", "table", "inet", table]).out)
    counts = {hook: [] for hook, _side, _other in _HOOKS}
    for entry in listing["nftables"]:
        rule = entry.get("rule", {})
        if rule:
            counts[rule["chain"]].append(sum(expression.get("counter", {}).get("packets", 0) for expression in rule["expr"]))
    # rules are listed in the order in which they were made
    left = {hook: iter(numbers) for hook, numbers in counts.items()}
    return [sum(next(left[hook], 0) for hook, _side, other in _HOOKS if door[2] != other) for door in doors]


def delete(table, inside=()):
    """Remove a table of ours; no matter if it is gone already."""
    if not table.startswith(PREFIX):
        raise FaultlineError("'%s' is not a table of ours; it stays." % table, code="not_ours")
    if exists(table, inside):
        run(list(inside) + ["nft", "delete", "table", "inet", table])
