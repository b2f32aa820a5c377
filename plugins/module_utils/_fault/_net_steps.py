# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of networks, and their undo, as steps (see _steps.py)."""

from __future__ import annotations

import base64
import time

from . import _journal, _net_match, _net_nft, _net_probe, _net_tc, _net_tree, _netlink, _proc, _steps
from ._errors import FaultlineError

PROGRAM = (_net_match, _net_nft, _net_probe, _net_tc, _net_tree, _netlink, _proc)

# seconds that a link may take to have all its addresses and routes again; what does not come back is told, and tried again
_RETURN = 60
# seconds in which the kernel itself makes the routes that it made before
_KERNELS_TURN = 1
NO_EGRESS = " (this kernel has no hook where packets leave an interface: bridged ones pass)"


# what an interface loses, as it is counted
_LOST = (
    ("address", "addresses"), ("route", "routes"), ("neighbour", "fixed neighbours"), ("nexthop", "nexthops"), ("member", "places in groups of them"))
# frames of ours that are sent to see whether a tree leaves Ansible's connection alone: more than others send meanwhile
_MANY = 50


def _open_steps(fault_id=None, without=None):
    """Steps of the faults of this boot that are in force. fault_id: one that is just being injected; without: one that goes."""
    now, boot = _journal.clock(), _journal.boot()
    return [
        step for record in _journal.open_records() for step in record["steps"]
        if record["id"] != without and record["boot"] == boot and record["state"] in ("armed", "injected")
        # one that waits for its time is not in force
        and (record["id"] == fault_id or record["state"] == "injected" or record.get("fire_at") is None or record["fire_at"] <= now)
    ]


def shapes_at(device, direction, fault_id=None, without=None):
    """The shapes of packets that go out of ("out") or come in by ("in") an interface."""
    return [
        step for step in _open_steps(fault_id, without)
        if step["type"] == "shape_packets" and step["devices"] == [device] and step["direction"] in ("both", direction)
    ]


def _left_alone(device, fault_id=None, without=None):
    """Matches of incoming packets that other faults drop, which therefore must not make our detour."""
    return [
        match for step in _open_steps(fault_id, without)
        if step["type"] == "cut_packets" and device in step["devices"] and step["direction"] in ("both", "in") for match in step["matches"]
    ]


def _rebuild(device, index, fault_id=None, without=None, only_coming=False, queue=None):
    """Make our tree of an interface anew from the open journals. only_coming: just what packets that come in meet, if they meet any."""
    with _journal.locked("network"):
        link = _netlink.links().get(device)
        if link is None or link.index != index:
            return
        going, coming = (shapes_at(device, way, fault_id, without) for way in ("out", "in"))
        if only_coming and not coming:
            return
        queue = (going + coming)[0]["queue"] if going or coming else queue
        _net_tc.build(link, going, coming, _left_alone(device, fault_id, without), queue)


def _others(step):
    """Steps of the other open faults that may keep packets of ours from being counted: links down, packets dropped."""
    return [
        other for record in _journal.open_records() if record["id"] != step["fault"] and record["state"] in ("armed", "injected")
        for other in record["steps"]
        if other["type"] in ("link_up", "cut_packets") and set(other["devices"]) & set(step["devices"])
    ]


class LinkUp:
    """Set a link up that was up, and give it back what it has lost:
    {fault, index, devices, boot, links: [[index, name, up]], lost: [[sort, message]]}."""

    type = "link_up"

    @classmethod
    def make(cls, fault_id, link, standing):
        """link: a _netlink.Link; standing: it and what stands on it, lowest first."""
        names = {each.index: each.name for each in standing}
        lost = [[thing.sort, base64.b64encode(thing.body).decode()] for thing in _netlink.things(names)]
        return _steps.step(
            cls, cls.words(link.name, lost), claim="link:%d:%s" % (link.index, link.name), fault=fault_id, index=link.index,
            devices=[link.name], boot=_journal.boot(), links=[[each.index, each.name, each.up] for each in standing], lost=lost)

    @staticmethod
    def words(name, lost):
        said = ", ".join(
            "%d %s" % (number, words) for number, words in (
                (sum(1 for each in lost if each[0] == sort), words) for sort, words in _LOST) if number)
        return "set link %s up%s" % (name, " with its %s" % said if said else "")

    @classmethod
    def share(cls, fault_id, step):
        """The step of a second fault on a link that is down already: it gives back what the first one has taken."""
        return dict(step, fault=fault_id)

    @staticmethod
    def do(step):
        _netlink.set_up(step["index"], False)

    @staticmethod
    def prove(step):
        links = {link.index: link for link in _netlink.links().values()}
        if step["index"] not in links or links[step["index"]].up:
            raise FaultlineError("%s is still up." % step["devices"][0], code="unproven", hint="Something sets it up again; find out what.")
        return {"link": step["devices"][0], "up": False}

    @staticmethod
    def _present(step):
        """index -> Link of those that there were, and are still the same; empty after a reboot, which has made all anew."""
        if step["boot"] != _journal.boot():
            return {}
        now = {link.index: link for link in _netlink.links().values()}
        return {index: now[index] for index, name, _up in step["links"] if index in now and now[index].name == name}

    @classmethod
    def undo(cls, step):
        present = cls._present(step)
        for index, name, up in step["links"]:
            if index in present and present[index].up != up:
                cls._set(index, name, up)
        # what stands on a link goes up and down with it, as it was or not
        for index, name, up in step["links"]:
            now = cls._present(step)
            if index in now and now[index].up != up:
                cls._set(index, name, up)
        begin = time.monotonic()
        _proc.wait_until(lambda: not cls._give_back(step, time.monotonic() - begin), _RETURN, pause=0.1)

    @staticmethod
    def _set(index, name, up):
        try:
            _netlink.set_up(index, up)
        except OSError as exc:
            raise FaultlineError("%s cannot be set %s: %s." % (name, "up" if up else "down", exc), code="link") from exc

    @classmethod
    def _missing(cls, step):
        names = {index: link.name for index, link in cls._present(step).items() if link.up}
        if not names:
            return []
        have = {thing.key for thing in _netlink.things(names)}
        lost = [_netlink.thing_of(sort, base64.b64decode(body), names) for sort, body in step["lost"]]
        return [thing for thing in lost if thing is not None and thing.key not in have]

    @classmethod
    def _give_back(cls, step, waited):
        """Make again what is missing; the needed things that were missing, as words."""
        missing = cls._missing(step)
        for thing in missing:
            if not thing.late or waited > _KERNELS_TURN:
                _netlink.give_back(thing)
        return [thing.words for thing in missing if thing.needed]

    @classmethod
    def held(cls, step):
        present = cls._present(step)
        return step["index"] in present and not present[step["index"]].up

    @classmethod
    def residue(cls, step):
        present = cls._present(step)
        left = ["%s is %s" % (name, "down" if up else "up") for index, name, up in step["links"]
                if index in present and present[index].up != up]
        left += ["%s is missing" % thing.words for thing in cls._missing(step) if thing.needed]
        return ", ".join(left)


class CutPackets:
    """Delete our nftables that drop packets:
    {fault, devices, tables: [[family, name]], ruleset, matches, exempt, direction, boot}."""

    type = "cut_packets"

    @classmethod
    def make(cls, fault_id, devices, matches, direction="both", exempt=(), egress=True):
        tables, text = _net_nft.ruleset(_net_nft.table_name(fault_id), devices, matches, direction, exempt, egress)
        said = ", ".join("nftables table %s %s" % (family, name) for family, name in tables)
        return _steps.step(
            cls, "delete " + said, fault=fault_id, devices=list(devices), tables=tables, ruleset=text, matches=list(matches),
            exempt=list(exempt), direction=direction, boot=_journal.boot())

    @classmethod
    def do(cls, step):
        _net_nft.load(step["ruleset"])
        cls._mind_detours(step, fault_id=step["fault"])

    @staticmethod
    def _mind_detours(step, **which):
        links = _netlink.links()
        for name in step["devices"]:
            if name in links and step["direction"] != "out":
                _rebuild(name, links[name].index, only_coming=True, **which)

    @classmethod
    def prove(cls, step):
        proof = {"tables": [" ".join(table) for table in step["tables"]], "devices": step["devices"], "direction": step["direction"]}
        links = _netlink.links()
        sent = exempted = 0
        frames = [family for family, _name in step["tables"]] == ["netdev"]
        if step["direction"] in ("both", "out"):
            for name in step["devices"]:
                if name in links and links[name].up:
                    sent += (_net_probe.send if frames else _net_probe.talk)(links[name], step["matches"][:10])
                    exempted += _net_probe.send(links[name], step["exempt"], times=1) if frames else 0
        counted = _net_nft.counted(step["tables"])
        proof.update(dropped_out=counted["out"]["drop"], dropped_in=counted["in"]["drop"], passed=counted["out"]["accept"] + counted["in"]["accept"])
        # another fault may have dropped them before our rules saw them
        if sent and not counted["out"]["drop"] and not _others(step):
            raise FaultlineError(
                "Packets still leave by %s: our rules have not met a single one." % ", ".join(step["devices"]), code="unproven",
                hint="Look at: nft list ruleset",
            )
        if exempted and not counted["out"]["accept"] and not _others(step):
            raise FaultlineError(
                "The way of Ansible is not exempt: our rules have not let its packets pass.", code="unproven", hint="Look at: nft list ruleset",
            )
        return proof

    @classmethod
    def undo(cls, step):
        for family, name in step["tables"]:
            _net_nft.delete(family, name)
        cls._mind_detours(step, without=step["fault"])

    @staticmethod
    def held(step):
        return all(_net_nft.exists(family, name) for family, name in step["tables"])

    @staticmethod
    def residue(step):
        left = [" ".join(table) for table in step["tables"] if _net_nft.exists(*table)]
        return "nftables table %s is still there" % ", ".join(left) if left else ""


class ShapePackets:
    """Take a fault out of our queueing tree, and the tree away with the last one:
    {fault, devices: [name], index, queue, direction, matches, exempt, effects, netem, boot}."""

    type = "shape_packets"

    @classmethod
    def make(cls, fault_id, link, matches, effects, direction, exempt, netem):
        # the first of several tells how it was before all of them
        queue = next((step["queue"] for way in ("out", "in") for step in shapes_at(link.name, way)), link.queue)
        return _steps.step(
            cls, "take %s out of the queues of %s" % (fault_id, link.name), fault=fault_id, devices=[link.name], index=link.index,
            queue=queue, direction=direction, matches=list(matches), exempt=list(exempt), effects=effects, netem=netem, boot=_journal.boot())

    @staticmethod
    def do(step):
        _rebuild(step["devices"][0], step["index"], fault_id=step["fault"])

    @classmethod
    def prove(cls, step):
        device = step["devices"][0]
        link = _netlink.links().get(device)
        if link is None or not _net_tc.present(link, step["direction"]):
            raise FaultlineError("Our queues are not at %s." % device, code="unproven", hint="Look at: tc qdisc show dev %s" % device)
        proof = {"device": device, "direction": step["direction"], "means": _net_tree.means(step["effects"], step["netem"])}
        if step["direction"] in ("both", "out"):
            proof.update(cls._prove_out(step, link))
        return proof

    @classmethod
    def _prove_out(cls, step, link):
        shapes = shapes_at(link.name, "out", fault_id=step["fault"])
        ours = _net_tree.Tree(shapes, False).classes_of(step)
        before, _direct = _net_tc.counts(link.name)
        sent = _net_probe.send(link, step["matches"][:10])
        after, passed = _net_tc.counts(link.name)
        met = sum(after.get(each, 0) - before.get(each, 0) for each in ours)
        if sent and not met and link.up and not _others(step):
            raise FaultlineError(
                "Packets that are meant leave by %s as before: our queues have not met a single one." % link.name, code="unproven",
                hint="Look at: tc -s class show dev %s" % link.name,
            )
        proof = {"met": met}
        # all exempt alike: what no fault wants
        spared = [match for match in step["exempt"] if all(match in shape["exempt"] for shape in shapes)][:1]
        if spared and link.up and not _others(step):
            many = _net_probe.send(link, spared, times=_MANY)
            proof["passed"] = _net_tc.counts(link.name)[1] - passed
            if proof["passed"] < many:
                raise FaultlineError(
                    "The way of Ansible is not exempt: only %d of %d frames have passed." % (proof["passed"], many), code="unproven",
                    hint="Look at: tc filter show dev %s" % link.name,
                )
        return proof

    @staticmethod
    def undo(step):
        if step["boot"] == _journal.boot():
            _rebuild(step["devices"][0], step["index"], without=step["fault"], queue=step["queue"])

    @staticmethod
    def held(step):
        link = _netlink.links().get(step["devices"][0])
        return link is not None and link.index == step["index"] and _net_tc.present(link, step["direction"])

    @staticmethod
    def residue(step):
        link = _netlink.links().get(step["devices"][0])
        if link is None or link.index != step["index"] or step["boot"] != _journal.boot():
            return ""
        left = []
        going, coming = (shapes_at(link.name, way, without=step["fault"]) for way in ("out", "in"))
        if not going and _net_tc.root(link.name)[0] == "ours":
            left.append("our queues are still at %s" % link.name)
        if not coming and _net_tc.detour(link.index) in _netlink.links():
            left.append("our interface %s is still there" % _net_tc.detour(link.index))
        if not going and not coming and step["queue"] == 0 and link.queue:
            left.append("the queue of %s has a length now" % link.name)
        return ", ".join(left)


_steps.register(LinkUp, CutPackets, ShapePackets)
