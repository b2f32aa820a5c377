#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cut a host off from its networks or make them bad, prove it, and undo it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_netiface
short_description: Cut a host off from its networks or make them bad, prove it, and undo it
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Hits one network interface of one host, or the traffic with some peers, with proof that it was hit. The fault is written to a journal on
    the target first, and something on the target undoes it at the deadline, whatever becomes of the controller.
  - Which interface a O(network) is on comes from the host variable C(faultline_networks), which the inventory or
    M(faultline.openstack.os_cloud_facts) gives. C(management) is the one that Ansible came in by, unless told otherwise.
  - The interface that carries Ansible's own connection is only disconnected for a O(duration). The target then does it after the task has its
    answer, and the task waits, connects again, and reports what the target has proven.
  - Whatever impairs packets leaves Ansible's own connection alone, ARP and neighbour discovery too, unless O(include_management) is set.
  - Several faults on one interface add up, and can be undone in any order. What is there already, as a queueing discipline that somebody
    has chosen, is never touched; where a fault would need its place, it is refused.
options:
  action:
    description:
      - V(disconnect) cuts the interface off, as O(kind) says. V(connect) undoes that now, and sets the interface up.
      - V(partition) drops everything to and from O(peers), on whatever interface they are reached.
      - V(delay), V(loss), V(corrupt), V(duplicate), V(reorder) and V(rate) impair packets by as much as the option of the same name says. The
        other options of this group can be given as well; all of them make one fault.
    type: str
    required: true
    choices: [connect, disconnect, partition, delay, loss, corrupt, duplicate, reorder, rate]
  network:
    description: Name of the network, as C(storage). Its interface is looked up in C(faultline_networks).
    type: str
  interface:
    description: Name of the interface, as C(eth1). Goes before O(network).
    type: str
  cidr:
    description: The network's addresses, as V(10.72.0.0/16). The interface that has one of them is meant. From C(faultline_networks) by default.
    type: str
  label:
    description:
      - Another name for the fault, by which V(connect) finds it again, and M(faultline.openstack.os_fault_undo). With V(connect) it may stand
        alone, without a network or an interface.
    type: str
  kind:
    description:
      - How V(disconnect) does it. V(link) sets the interface down. What it loses by that, its routes in all tables, IPv6 addresses, permanent
        neighbours, and the state of the VLANs on it, is given back exactly.
      - V(isolate) leaves the interface up and drops every packet both ways, ARP and IPv6 neighbour discovery too, as if a switch did it.
    type: str
    default: link
    choices: [link, isolate]
  direction:
    description:
      - Whether packets that come in or that go out are hit. For V(partition) V(both) by default, for what impairs packets V(out), as with tc.
    type: str
    choices: [both, in, out]
  peers:
    description:
      - Only packets from and to these. Addresses, networks, or names of hosts of the inventory, which mean all of their known addresses.
    type: list
    elements: str
  protocol:
    description: Only packets of this protocol.
    type: str
    choices: [tcp, udp, sctp, icmp]
  port:
    description: Only packets from or to these ports, at either end; of TCP and UDP unless O(protocol) is given.
    type: list
    elements: int
  delay:
    description: Time by which each packet is late, as V(100ms), V(1.5s) or V(250us). A bare number is milliseconds.
    type: str
  jitter:
    description: How much O(delay) varies.
    type: str
  distribution:
    description: How O(delay) varies, as in tc-netem(8). V(uniform) by default.
    type: str
    choices: [uniform, normal, pareto, paretonormal]
  correlation:
    description: How much each packet's luck depends on that of the one before, in percent, for everything of this fault that is left to chance.
    type: str
  loss:
    description: Percentage of packets that get lost, as V(30%) or V(0.05%).
    type: str
  corrupt:
    description: Percentage of packets in which one bit is wrong.
    type: str
  duplicate:
    description: Percentage of packets that are sent twice.
    type: str
  reorder:
    description: Percentage of packets that are sent at once and so overtake the others, which wait for O(delay), 10ms by default.
    type: str
  rate:
    description: All that can pass, as V(1mbit), V(500kbit) or V(10gbit).
    type: str
  include_management:
    description:
      - Hit Ansible's own connection too, if it is among the packets meant. Needs O(duration) then, as the task may lose the host.
    type: bool
    default: false
  shape:
    description:
      - For V(partition), cut the hosts of O(group) off from each other in this shape. The task has to run on all of them; each does its part.
      - With V(one) one host is alone. With V(half) there are two sides of the same size, with V(majority) one of them has just more than half.
      - With V(ring) each host sees only those next to it, just enough that each has a majority. With V(bridge) two halves see each other only
        through one host.
    type: str
    choices: [one, half, majority, ring, bridge]
  group:
    description: Group of the inventory for O(shape). All hosts of the play by default.
    type: str
  seed:
    description: Makes the same choice of sides again, for O(shape). A new one in each run by default.
    type: str
  duration:
    description:
      - Seconds until the fault undoes itself. Without it the fault lasts until it is undone by V(connect) or
        M(faultline.openstack.os_fault_undo).
    type: float
  wait:
    description: Answer when the fault is undone and proven undone, not already when it is proven. Needs O(duration) to have an effect.
    type: bool
    default: false
  wait_timeout:
    description: Seconds that the undo, and a host that was cut off, may take beyond the deadline before a task that waits fails.
    type: float
    default: 60
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Each call is a fault of its own, and they add up. V(connect) changes nothing when there is nothing to do.
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
  - faultline.openstack.marks
  - faultline.openstack.moment
seealso:
  - module: faultline.openstack.os_fault
  - module: faultline.openstack.os_fault_info
  - module: faultline.openstack.os_fault_undo
notes:
  - Needs root on the target. V(disconnect) with O(kind=isolate) and V(partition) need nftables there; what impairs packets needs C(tc), in the
    kernel htb and u32, for O(direction=in) also ifb, and netem for all but V(loss) and V(rate). What lacks is told before anything is touched.
  - Where the kernel has no hook for packets that leave an interface (before Linux 5.16), V(isolate) and V(partition) drop what leaves this
    host in the tables of IPv4, IPv6 and ARP; packets bridged through it then pass.
"""

EXAMPLES = r"""
- name: Cut a host off from its storage for half a minute
  faultline.openstack.os_netiface:
    action: disconnect
    network: storage
    duration: 30
    wait: true

- name: Cut a host off from the management network, which Ansible uses itself; the task comes back when the host does
  faultline.openstack.os_netiface:
    action: disconnect
    network: management
    kind: isolate
    duration: 60

- name: A slow, lossy way to the database, both ways
  faultline.openstack.os_netiface:
    action: delay
    interface: eth0
    delay: 100ms
    jitter: 20ms
    loss: 1%
    direction: both
    protocol: tcp
    port: [3306]
    duration: 120

- name: Everything but Ansible's own connection is lost
  faultline.openstack.os_netiface:
    action: loss
    network: management
    loss: 100%
    direction: both
    duration: 300

- name: One megabit for the storage network
  faultline.openstack.os_netiface:
    action: rate
    network: storage
    rate: 1mbit
    duration: 60

- name: Two hosts do not hear each other
  faultline.openstack.os_netiface:
    action: partition
    peers: [ctl2, ctl3]
    duration: 30

- name: Half of the controllers against the other half
  faultline.openstack.os_netiface:
    action: partition
    shape: half
    group: controllers
    duration: 30
"""

RETURN = r"""
msg:
  description: What happened, in one sentence.
  returned: always
  type: str
  sample: "storage: eth1 disconnected (link down), undone at 2026-11-20T10:00:40Z"
fault:
  description: The fault, for M(faultline.openstack.os_fault_info) and M(faultline.openstack.os_fault_undo).
  returned: always
  type: dict
  contains:
    id:
      description: Its id, C(null) in check mode and when there was nothing to do.
      type: str
      sample: disconnect-9f3a61c2
    kind:
      description: V(network).
      type: str
    action:
      description: The action.
      type: str
    subject:
      description: The network, or the interface, or the peers.
      type: str
targets:
  description:
    - The interfaces hit. C(carries_ansible) says whether Ansible's own connection goes by it, C(kind) how it was disconnected, C(means) what of
      the kernel impairs packets.
  returned: always
  type: list
  elements: dict
injecting_at:
  description: When its injection began, UTC. What is seen from here on may be its effect, as of a stop that takes long.
  returned: when injected
  type: str
  sample: "2026-11-20T10:00:30.123Z"
injected_at:
  description: When its injection had ended, UTC.
  returned: when injected
  type: str
  sample: "2026-11-20T10:00:31.456Z"
proven_at:
  description: When its effect was proven, UTC, by the same clock. Its duration counts from here.
  returned: when proven
  type: str
  sample: "2026-11-20T10:00:31.789Z"
proof:
  description:
    - What was observed. Frames of our own, which leave the interface and reach nobody, are counted where they are dropped or impaired, and,
      where Ansible's connection is exempt, where they pass.
  returned: when injected
  type: dict
undo:
  description: The undo.
  returned: always
  type: dict
  contains:
    state:
      description: V(none), V(planned) (check mode), V(armed), V(undone) or V(residue).
      type: str
    deadline:
      description: When it is undone, UTC, counted from the moment at which its effect was proven; C(null) without a duration.
      type: str
    steps:
      description: What the undo does, in words.
      type: list
      elements: str
    held:
      description: Whether the effect lasted until the undo, and the undo came no sooner than it should.
      returned: when waited for
      type: bool
    not_held:
      description: Why it did not, in words; empty where it did.
      returned: when waited for
      type: str
residue:
  description: What is left of the fault after its undo. Anything else than an empty list is a failure.
  returned: always
  type: list
  elements: str
notes:
  description: What a person has to know of what is hit and what is not, in sentences; they are in RV(msg) as well.
  returned: always
  type: list
  elements: str
seed:
  description: The seed of the choice of sides.
  returned: with O(shape)
  type: str
fires_at:
  description: When the target was to fire the fault by itself, UTC.
  returned: when the fault cuts Ansible's own connection
  type: str
fires_in:
  description: How many seconds that was after the answer.
  returned: when the fault cuts Ansible's own connection
  type: float
away:
  description: How many seconds the host was gone, of a fault that cut Ansible's own connection.
  returned: when the target fired the fault after its answer
  type: float
duration:
  description: The duration in seconds, or C(null).
  returned: always
  type: float
plan:
  description: What would be done, in words.
  returned: in check mode
  type: list
  elements: str
failure:
  description: The reason of a failure, for programs. C(code) is a stable word.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _engine, _module, _net_faults, _net_options


class NetifaceModule:
    """os_netiface on one host."""

    def __init__(self, module):
        self.module = module
        self.params = module.params

    def run(self):
        params = self.params
        fault = _net_faults.make(params)
        result = _engine.perform(
            fault, params["duration"], params["wait"], params["wait_timeout"], self.module.check_mode, fire_in=fault.fire_in, at=params["at"])
        if "fires_at" in result:
            # the controller sees to the rest: see plugins/action/os_netiface.py
            result.update(fires_in=fault.fire_in, diff=_engine.diff(fault, fault.after()))
        return result


def main():
    module = AnsibleModule(argument_spec=_net_options.netiface_arguments(), supports_check_mode=True)
    _module.finish(module, NetifaceModule(module).run)


if __name__ == "__main__":
    main()
