# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The faults of networks: connect, disconnect, partition, and what impairs packets."""

from __future__ import annotations

from . import _journal, _net, _net_match, _net_nft, _net_options, _net_steps, _net_tc, _net_tree, _netlink, _proc
from ._engine import StepFault, undo_now
from ._errors import FaultlineError

# seconds between the answer and a fault that cuts the way of the answer
FIRE_IN = 2.0
# seconds that a link may take to be up; it catches only a hang
_SETTLE = 300


class NetworkFault(StepFault):
    """What all faults of networks share. params: the options of os_netiface, checked."""

    kind = "network"
    why_not = "Leave duration out."

    def __init__(self, params):
        self.params = params
        self.action = params["action"]
        self.came_by = _net.session()
        self.link = self.links = None
        self.look()
        if params.get("label"):
            self.subject, self.names = params["label"], [self.subject] + self.devices

    def look(self):
        """Find the interface; done once, before the engine asks."""
        params = self.params
        self.link, self.links = _net.find(params.get("interface"), params.get("network"), params.get("cidr"), self.came_by)
        self.devices = [self.link.name]
        self.subject = params.get("network") or self.link.name
        self.names = self.devices

    def resolve(self):
        _netlink.require()

    @property
    def carries_us(self):
        """Whether the task's own connection goes by what is hit."""
        return bool(set(self.devices) & set(_net.carriers(self.links, self.came_by)))

    @property
    def cuts_us(self):
        """Whether the fault may cut the task's own connection."""
        return False

    @property
    def fire_in(self):
        return FIRE_IN if self.cuts_us else None

    def guard(self):
        if self.cuts_us and self.params.get("duration") is None:
            raise FaultlineError(
                "%s of %s needs a duration: Ansible comes in by %s, from %s." % (
                    self.action, self.subject, ", ".join(self.devices), self.came_by.peer),
                code="needs_duration", hint="Nothing was touched. With a duration the host itself undoes it.",
            )

    def targets(self):
        return [
            {"interface": name, "network": self.params.get("network"), "carries_ansible": self.carries_us,
             "mac": ":".join("%02x" % byte for byte in self.links[name].mac)}
            for name in self.devices
        ]

    def before(self):
        return "".join("%s %s\n" % (name, "up" if self.links[name].up else "down") for name in self.devices)

    def expected(self):
        # known beforehand
        return self.after()


class Disconnect(NetworkFault):
    """Cut an interface off: its link set down, or all packets dropped, both ways."""

    def look(self):
        super().look()
        self.by = self.params["kind"]

    @property
    def cuts_us(self):
        return self.carries_us

    def resolve(self):
        super().resolve()
        self.shared = [
            step for record in _journal.open_faults("disconnect", [self.link.name]) if record["state"] in ("armed", "injected")
            for step in record["steps"] if step["type"] == "link_up" and step["index"] == self.link.index
        ]
        if self.by == "link" and not self.link.up and not self.shared:
            raise FaultlineError(
                "%s is down already, and not by us." % self.link.name, code="already_down",
                hint="Nothing was touched. connect sets it up.",
            )
        self.egress = _net_nft.egress_hook(self.link.name) if self.by == "isolate" else None

    def guard(self):
        if self.link.loopback:
            raise FaultlineError(
                "disconnect of %s is refused: this host talks to itself by it." % self.link.name, code="guarded",
                hint="Nothing was touched.",
            )
        super().guard()

    def steps(self, fault_id):
        if self.by == "isolate":
            return [_net_steps.CutPackets.make(fault_id, self.devices, _net_match.EVERYTHING, egress=self.egress)]
        if self.shared:
            return [_net_steps.LinkUp.share(fault_id, self.shared[0])]
        return [_net_steps.LinkUp.make(fault_id, self.link, _net.above(self.link, self.links))]

    def targets(self):
        return [dict(target, kind=self.by) for target in super().targets()]

    def plan(self):
        if self.by == "link":
            return ["set link %s down" % self.link.name]
        return ["drop every packet at %s, in and out%s" % (self.link.name, "" if self.egress else _net_steps.NO_EGRESS)]

    def after(self):
        return "%s disconnected (%s)" % (self.link.name, "link down" if self.by == "link" else "all packets dropped")


class Selected(NetworkFault):
    """What hits some packets: those of the task's own connection are exempt, unless that was asked for. matches: the packets."""

    matches = ()

    @property
    def us(self):
        """The packets of the task's connection, with what finds their way, where they are among those meant; else none."""
        if self.came_by is None or not self.carries_us:
            return []
        found = _net_match.connection(self.came_by.as_dict())
        return found if _net_match.touches(self.matches, found) else []

    @property
    def cuts_us(self):
        return bool(self.us) and self.params["include_management"]

    @property
    def exempt(self):
        return [] if self.params["include_management"] else self.us

    def guard(self):
        super().guard()
        for name in self.devices if self.exempt else []:
            if _net.blurs(name, self.links, self.came_by):
                raise FaultlineError(
                    "Ansible's own packets cannot be told from others at %s: they have a VLAN's tag there, or go in a tunnel." % name,
                    code="guarded", hint="Nothing was touched. Hit what stands on it, or set include_management and a duration.",
                )


class Partition(Selected):
    """Drop all packets of some peers, or those of a filter."""

    def look(self):
        params = self.params
        own = {address for _index, address, _length in _netlink.addresses()}
        # nobody is cut off from himself, but a service may be from another one of the same host
        peers = _net_match.networks(peer for peer in params["peers"] if params.get("port") or peer.strip() not in own)
        if not peers:
            raise FaultlineError("All of the peers are this host itself.", code="bad_peer", hint="Nothing was touched.")
        if params.get("network") or params.get("interface"):
            super().look()
        else:
            self.links = _netlink.links()
            self.devices = [name for name in _net.ways_to(peers) if params.get("port") or not self.links[name].loopback]
            self.subject = ", ".join(params["peers"][:4]) + (" and %d more" % (len(params["peers"]) - 4) if len(params["peers"]) > 4 else "")
            self.names = self.devices
        self.direction = params.get("direction") or "both"
        self.matches = _net_match.packets(peers, params.get("protocol"), params.get("port") or (), arp=True)

    def resolve(self):
        super().resolve()
        self.egress = all(_net_nft.egress_hook(name) for name in self.devices)

    def steps(self, fault_id):
        return [_net_steps.CutPackets.make(fault_id, self.devices, self.matches, self.direction, self.exempt, self.egress)]

    def _words(self):
        way = {"both": "both ways", "in": "coming in", "out": "going out"}[self.direction]
        return "%s at %s, %s%s" % (
            _net_match.words(self.matches), ", ".join(self.devices), way,
            "; the way of Ansible (%s) is exempt" % self.came_by if self.exempt else "")

    def plan(self):
        return ["drop %s" % self._words() + ("" if self.egress else _net_steps.NO_EGRESS)]

    def after(self):
        return "dropped: %s" % self._words()


class Impair(Selected):
    """Delay, lose, corrupt, duplicate, reorder or limit packets; several of these in one fault."""

    def look(self):
        super().look()
        params = self.params
        self.effects = _net_options.effects(params)
        self.direction = params.get("direction") or "out"
        self.matches = _net_match.packets(params.get("peers") or (), params.get("protocol"), params.get("port") or ())

    def resolve(self):
        super().resolve()
        _net_tc.require()
        directions = ("out", "in") if self.direction == "both" else (self.direction,)
        _net_tc.respect(self.link, directions)
        needs = [name for name in _net_tree.NEEDS_NETEM if name in self.effects]
        self.netem = bool(needs or "loss" in self.effects) and _net_tc.has_netem()
        if needs and not self.netem:
            raise FaultlineError(
                "This kernel has no netem, which %s needs." % needs[0], code="no_netem",
                hint="Nothing was touched. Install kernel-modules-extra or linux-modules-extra, or use loss and rate, which work without it.",
            )
        for direction in directions:
            _net_tc.rehearse(_net_steps.shapes_at(self.link.name, direction) + self.steps("rehearsal"), direction == "in")

    def steps(self, fault_id):
        return [_net_steps.ShapePackets.make(fault_id, self.link, self.matches, self.effects, self.direction, self.exempt, self.netem)]

    def targets(self):
        return [dict(target, means=_net_tree.means(self.effects, self.netem)) for target in super().targets()]

    def before(self):
        return "%s queued by %s\n" % (self.link.name, _net_tc.root(self.link.name)[1])

    def after(self):
        way = {"both": "in and out of", "in": "coming in by", "out": "going out of"}[self.direction]
        return "%s for %s %s %s%s" % (
            _net_options.words(self.effects), _net_match.words(self.matches), way, self.link.name,
            "; the way of Ansible (%s) is exempt" % self.came_by if self.exempt else "")

    def plan(self):
        means = _net_tree.means(self.effects, self.netem)
        return [self.after(), "by %s" % ", ".join("%s: %s" % (name, means[name]) for name in sorted(means))]


class Connect(NetworkFault):
    """Undo our own disconnections of an interface, and set it up."""

    reversible = False
    why_not = "connect is an undo. Leave duration out."

    def look(self):
        if self.params.get("network") or self.params.get("interface"):
            super().look()
        else:
            self.links, self.devices, self.subject = _netlink.links(), [], self.params["label"]

    def resolve(self):
        super().resolve()
        names = [self.params["label"]] if self.params.get("label") else [self.subject, self.link.name]
        self.records = [
            record for action in ("disconnect", "partition") for record in _journal.open_faults(action, names) if record["state"] != "undoing"
        ]
        self.changes = bool(self.records) or not self._up()

    def plan(self):
        return ["undo %s" % record["id"] for record in self.records] + ([] if self._up() else ["set link %s up" % self.link.name])

    def inject(self, record):
        undo_now(self.records)
        if not self._up():
            _netlink.set_up(self.link.index, True)

    def _up(self):
        if self.link is None:
            return True
        now = _netlink.links().get(self.link.name)
        return now is not None and now.up

    def prove(self, record):
        if not _proc.wait_until(self._up, _SETTLE):
            raise FaultlineError("connect of %s is not proven: it is down." % self.link.name, code="unproven")
        return {"undone": [other["id"] for other in self.records], "link": self.link and self.link.name, "up": True}

    def after(self):
        return "connected" if self.link is None else "%s up" % self.link.name


def make(params):
    """The fault of the options of os_netiface."""
    _net_options.check(params)
    return {"connect": Connect, "disconnect": Disconnect, "partition": Partition}.get(params["action"], Impair)(params)
