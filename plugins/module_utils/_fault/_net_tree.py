# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one queueing tree of ours at an interface, made of all open faults that impair its packets. Pure: shapes in, lines of tc out.

A shape is a dictionary: matches (see _net_match.py), exempt (matches that are left alone), effects (see _net_options.py), netem
(whether the kernel has it). Shapes of the same packets make one group. A packet may belong to several groups; every such
combination has a class of its own, in which the effects of its groups add up:

    7fa1:           htb; what no filter names passes it directly, unlimited
      7fa1:1G       what group G's rate leaves, shared by all combinations that have this rate
        7fa1:10C    combination C: netem, or a plain queue
          7fa1:20C  its lost packets, where the kernel has no netem: a random choice of cls_bpf, thrown away
          7fa1:30C  its other packets
"""

from __future__ import annotations

import itertools
import json

from . import _net_match
from ._errors import FaultlineError

# below 8000, where the kernel starts to number by itself
HANDLE = "7fa1"
_ROOT = HANDLE + ":"
_DIRECT = HANDLE + ":0"
MOST_GROUPS = 4
# more than this cannot be told in the 32 bits of old tc
_UNLIMITED = 32 * 10 ** 9
_PACKETS = 100000
# seconds that a packet may wait for a rate
_PATIENCE = 0.4
_PASS = "ffff:1"
_FIRST_PREF = 100
CHANCES = ("loss", "corrupt", "duplicate", "reorder")
NEEDS_NETEM = ("delay", "jitter", "corrupt", "duplicate", "reorder", "correlation", "distribution")


def merged(effects):
    """The effects of several faults on one packet, as effects."""
    found = {}
    for name in CHANCES:
        chances = [each[name] for each in effects if name in each]
        if chances:
            spared = 1.0
            for chance in chances:
                spared *= 1 - chance / 100.0
            found[name] = round(100 * (1 - spared), 6)
    delays = [each["delay"] for each in effects if "delay" in each]
    if delays:
        found["delay"] = sum(delays)
    jitters = [each["jitter"] for each in effects if "jitter" in each]
    if jitters:
        # variances of what is independent add up
        found["jitter"] = round(sum(each ** 2 for each in jitters) ** 0.5, 6)
    for name, choose in (("correlation", max), ("rate", min)):
        values = [each[name] for each in effects if name in each]
        if values:
            found[name] = choose(values)
    distributions = [each["distribution"] for each in effects if "distribution" in each]
    if distributions:
        found["distribution"] = distributions[-1]
    return found


class Tree:
    """The tree of these shapes, for packets that come in or go out."""

    def __init__(self, shapes, incoming):
        self.incoming = incoming
        self.netem = any(shape["netem"] for shape in shapes)
        self.groups = {}
        for shape in shapes:
            key = json.dumps([shape["matches"], shape["exempt"]], sort_keys=True)
            self.groups.setdefault(key, []).append(shape)
        self.keys = list(self.groups)
        if len(self.keys) > MOST_GROUPS:
            raise FaultlineError(
                "More than %d faults with different filters on one interface cannot be put together." % MOST_GROUPS, code="too_many",
                hint="Nothing was touched. Undo one of them first, or give them the same filter.",
            )
        matches = [shapes_[0]["matches"] for shapes_ in self.groups.values()]
        self.exempt = [shapes_[0]["exempt"] for shapes_ in self.groups.values()]
        self.combinations = {}
        self.rules = []
        numbers = range(len(self.keys))
        sets = sorted((c for size in numbers for c in itertools.combinations(numbers, size + 1)), key=lambda c: (-len(c), c))
        for spared in [match for index, group in enumerate(self.exempt) for match in group
                       if not any(match in earlier for earlier in self.exempt[:index])]:
            for combination in sets:
                if not any(spared in self.exempt[group] for group in combination):
                    self._add(combination, _net_match.all_of([[spared]] + [matches[group] for group in combination]))
            self.rules.append((spared, None))
        for combination in sets:
            self._add(combination, _net_match.all_of([matches[group] for group in combination]))
        if len(self.rules) > _net_match.MOST:
            raise FaultlineError(
                "The filters of the faults on this interface make more than %d rules." % _net_match.MOST, code="too_many",
                hint="Nothing was touched. Use networks instead of addresses.",
            )

    def _add(self, combination, matches):
        if matches:
            self.combinations.setdefault(combination, len(self.combinations) + 1)
            self.rules += [(match, combination) for match in matches]

    def effects(self, combination):
        return merged([shape["effects"] for group in combination for shape in self.groups[self.keys[group]]])

    def classes_of(self, shape):
        """The class ids, as tc shows them, in which packets of a shape end up."""
        key = json.dumps([shape["matches"], shape["exempt"]], sort_keys=True)
        found = []
        for combination, number in self.combinations.items():
            if key in [self.keys[group] for group in combination]:
                found += ["%s:%x" % (HANDLE, base + number) for base in (0x100, 0x200, 0x300)]
        return found

    # ---- lines of tc ----

    def lines(self, device):
        """What makes the tree at a device that has none."""
        made = ["qdisc add dev %s root handle %s htb default 0 direct_qlen 1000" % (device, _ROOT)]
        rated = {}
        for combination in self.combinations:
            limiting = self._limiting(combination)
            if limiting is not None and limiting not in rated:
                rated[limiting] = self.effects((limiting,))["rate"]
                made.append(_class(device, _ROOT, 0x10 + limiting, rated[limiting], rated[limiting]))
        for combination, number in self.combinations.items():
            effects, limiting = self.effects(combination), self._limiting(combination)
            parent = _ROOT if limiting is None else "%s:%x" % (HANDLE, 0x10 + limiting)
            rate = _UNLIMITED if limiting is None else rated[limiting]
            share = _UNLIMITED if limiting is None else 8000
            made.append(_class(device, parent, 0x100 + number, share, rate))
            made += self._leaf(device, number, effects, share, rate)
        for pref, (match, combination) in enumerate(self.rules):
            target = _DIRECT if combination is None else "%s:%x" % (HANDLE, 0x100 + self.combinations[combination])
            made += self._filters(device, _ROOT, pref, match, "flowid " + target)
        return made

    def _limiting(self, combination):
        """The group whose rate is the least of a combination's, or None."""
        rates = [(self.effects((group,))["rate"], group) for group in combination if "rate" in self.effects((group,))]
        return min(rates)[1] if rates else None

    def _leaf(self, device, number, effects, share, rate):
        here = "%s:%x" % (HANDLE, 0x100 + number)
        if self.netem and set(effects) - {"rate"}:
            return ["qdisc add dev %s parent %s %s" % (device, here, netem(effects))]
        if "loss" not in effects:
            return ["qdisc add dev %s parent %s bfifo limit %d" % (device, here, _bytes(rate))]
        if effects["loss"] >= 100:
            return ["qdisc add dev %s parent %s blackhole" % (device, here)]
        lost, kept = "%s:%x" % (HANDLE, 0x200 + number), "%s:%x" % (HANDLE, 0x300 + number)
        return [
            _class(device, here, 0x200 + number, share, rate), _class(device, here, 0x300 + number, share, rate),
            "qdisc add dev %s parent %s blackhole" % (device, lost), "qdisc add dev %s parent %s bfifo limit %d" % (device, kept, _bytes(rate)),
            "filter add dev %s parent %s protocol all pref 1 bpf bytecode \"%s\" flowid %s" % (device, here, chance(effects["loss"]), lost),
            "filter add dev %s parent %s protocol all pref 2 u32 match u32 0 0 flowid %s" % (device, here, kept),
        ]

    def _filters(self, device, parent, pref, match, then):
        protocol, alternatives = _net_match.as_u32(match, self.incoming)
        return [
            "filter add dev %s parent %s protocol %s pref %d u32 %s %s" % (device, parent, protocol, _FIRST_PREF + pref, " ".join(said), then)
            for said in alternatives
        ]

    def redirect(self, device, detour, left):
        """What sends the packets that come in by a device, and that the tree names, round by a device that has the tree.
        left: matches of packets that stay, because what drops them comes later on their way."""
        made = ["qdisc add dev %s handle ffff: ingress" % device]
        for pref, (match, combination) in enumerate([(each, None) for each in left] + self.rules):
            then = "flowid " + _PASS if combination is None else "action mirred egress redirect dev %s" % detour
            made += self._filters(device, "ffff:", pref, match, then)
        return made


def _class(device, parent, minor, rate, ceil):
    burst = max(15000, ceil // 800)
    return "class add dev %s parent %s classid %s:%x htb rate %dbit ceil %dbit burst %d cburst %d quantum 60000" % (
        device, parent, HANDLE, minor, rate, ceil, burst, burst)


def _bytes(rate):
    """How much may wait for a rate: not less than the largest packet that the kernel has in one piece, twice."""
    return max(131072, int(rate / 8 * _PATIENCE)) if rate < _UNLIMITED else 16 * 2 ** 20


def netem(effects):
    """netem with these effects; rates are htb's."""
    waits = (effects.get("delay", 0) + 3 * effects.get("jitter", 0)) / 1000.0
    limit = _PACKETS if "rate" not in effects else max(100, min(_PACKETS, int(effects["rate"] / 8 * (waits + _PATIENCE) / 1000)))
    correlated = " %g%%" % effects["correlation"] if "correlation" in effects else ""
    said = ["netem limit %d" % limit]
    if "delay" in effects:
        said.append("delay %gus" % (effects["delay"] * 1000))
        if "jitter" in effects:
            said.append("%gus%s" % (effects["jitter"] * 1000, correlated))
            if effects.get("distribution", "uniform") != "uniform":
                said.append("distribution %s" % effects["distribution"])
    said += ["%s %g%%%s" % (name, effects[name], correlated) for name in CHANCES if name in effects]
    return " ".join(said)


def chance(percent):
    """A classic BPF program that says yes with this chance: a random number of the kernel's, compared."""
    limit = min(2 ** 32 - 1, max(0, int(round(percent / 100.0 * 2 ** 32)) - 1))
    return "4,32 0 0 4294963256,37 1 0 %d,6 0 0 4294967295,6 0 0 0" % limit


def means(effects, has_netem):
    """Which part of the kernel does each of these effects."""
    found = {}
    for name in effects:
        if name == "rate":
            found[name] = "htb"
        elif name == "loss" and not has_netem:
            found[name] = "cls_bpf" if effects[name] < 100 else "blackhole"
        else:
            found[name] = "netem"
    return found
