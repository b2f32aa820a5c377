# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packets dropped at an interface, both ways, in nftables of our own: before bridges, routing and connection tracking see them."""

from __future__ import annotations

import json

from . import _net_match
from ._errors import FaultlineError
from ._exec import run, which

_PRIORITY = -310
PREFIX = "faultline_"


def table_name(fault_id):
    return PREFIX + fault_id.replace("-", "_")


def egress_hook(device):
    """Whether nftables sees what leaves an interface (Linux 5.16 and later), so that ARP and bridged packets are dropped too."""
    if not which("nft"):
        raise FaultlineError(
            "nft is not installed on this host; dropping packets needs it.", code="missing_program", hint="Install the package nftables.",
        )
    if _works(_chain("netdev", "probe", 'egress device "%s"' % device)):
        return True
    done = run(["nft", "--check", "--file", "-"], stdin=_chain("netdev", "probe", 'ingress device "%s"' % device), check=False)
    if done.rc != 0:
        raise FaultlineError(
            "nftables cannot drop packets at an interface of this host: %s" % done.err.strip()[:300], code="no_nftables",
            hint="Nothing was touched. The kernel needs nf_tables with the netdev family, and we need CAP_NET_ADMIN.",
        )
    return False


def _works(ruleset):
    return run(["nft", "--check", "--file", "-"], stdin=ruleset, check=False).rc == 0


def _chain(family, name, hook, rules=()):
    head = "table %s %s%s {\n" % (family, "" if name.startswith(PREFIX) else PREFIX, name)
    return head + "  chain c {\n    type filter hook %s priority %d; policy accept;\n%s  }\n}\n" % (
        hook, _PRIORITY, "".join("    %s\n" % rule for rule in rules))


def _rules(matches, exempt, incoming, family, prefix=""):
    for verdict, group in (("accept", exempt), ("drop", matches)):
        for match in group:
            said = _net_match.as_nft(match, incoming, family)
            if said is not None:
                yield " ".join(filter(None, (prefix, said, "counter", verdict)))


def ruleset(table, devices, matches, direction="both", exempt=(), egress=True):
    """(the tables as [family, name], what makes them) of dropping the packets of these matches at these devices.

    exempt: matches that pass all the same. egress: whether there is a hook for what leaves an interface; if not, what this host
    itself sends is dropped where IPv4, IPv6 and ARP leave it.
    """
    chains = {}
    for number, device in enumerate(devices):
        if direction in ("both", "in"):
            chains.setdefault("netdev", []).append(
                ("in%d" % number, 'ingress device "%s"' % device, list(_rules(matches, exempt, True, "netdev"))))
        if direction in ("both", "out") and egress:
            chains.setdefault("netdev", []).append(
                ("out%d" % number, 'egress device "%s"' % device, list(_rules(matches, exempt, False, "netdev"))))
    if direction in ("both", "out") and not egress:
        for family, hook in (("inet", "postrouting"), ("arp", "output")):
            rules = [rule for device in devices for rule in _rules(matches, exempt, False, family, 'oifname "%s"' % device)]
            if rules:
                chains[family] = [("out", hook, rules)]
    text, tables = "", []
    for family in sorted(chains):
        tables.append([family, table])
        # made anew where a part of it is there already
        text += "table %s %s\ndelete table %s %s\ntable %s %s {\n" % ((family, table) * 3)
        for name, hook, rules in chains[family]:
            text += "  chain %s {\n    type filter hook %s priority %d; policy accept;\n" % (name, hook, _PRIORITY)
            text += "".join("    %s\n" % rule for rule in rules) + "  }\n"
        text += "}\n"
    return tables, text


def load(text):
    run(["nft", "--file", "-"], stdin=text)


def exists(family, table):
    """Whether a table is there; FaultlineError where nobody can look."""
    # a table that is not there and a look that fails have the same status
    listed = run(["nft", "list", "tables", family]).out
    return "table %s %s" % (family, table) in map(str.strip, listed.splitlines())


def delete(family, table):
    """Remove a table of ours; no matter if it is gone already."""
    if not table.startswith(PREFIX):
        raise FaultlineError("'%s' is not a table of ours; it stays." % table, code="not_ours")
    if exists(family, table):
        run(["nft", "delete", "table", family, table])


def counted(tables):
    """{in: {drop, accept}, out: {drop, accept}}: packets that the rules of these tables have met."""
    found = {side: {"drop": 0, "accept": 0} for side in ("in", "out")}
    for family, table in tables:
        for entry in json.loads(run(["nft", "-j", "list", "table", family, table]).out)["nftables"]:
            rule = entry.get("rule", {})
            verdicts = [each for expression in rule.get("expr", []) for each in expression if each in ("drop", "accept")]
            for expression in rule.get("expr", []):
                if "counter" in expression and verdicts:
                    side = "in" if rule["chain"].startswith("in") else "out"
                    found[side][verdicts[0]] += expression["counter"]["packets"]
    return found
