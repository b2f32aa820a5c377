#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Break a container on a host, prove it, and undo it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_container_fault
short_description: Break a container on a host, prove it, and undo it
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Hits one container of Docker or Podman on one host, with proof that it was hit. Faults that have an undo are written to a
    journal on the target first, and something on the target undoes them at the deadline, whatever becomes of the controller.
  - The engine is asked by its own socket. Nothing needs to be installed on the target, no SDK either. Podman without its service is
    asked by its command.
  - Containers that a systemd unit runs, as Kolla's C(kolla-NAME-container.service) and those of Podman's generators, are stopped and
    started by that unit.
  - What the task does not say about the container (its name at the engine, the engine) comes from the inventory
    (C(faultline_containers), C(faultline_container_definitions)).
options:
  container:
    description: Name or id of the container, exactly; or its name in the cloud model, as C(neutron_api).
    type: str
    required: true
  action:
    description:
      - V(kill) sends O(signal) to the main process of the container, not by the engine, which would not restart it then.
      - V(terminate) stops it. A restart policy that could bring it back is set to C(no) meanwhile. Its undo gives the policy back
        exactly, with its number of retries, and starts the container. A container that was started with C(--rm) is refused.
      - V(restart) restarts it. V(start) starts it, and undoes V(terminate).
      - V(freeze) pauses it, so that the kernel freezes all of its processes; its undo unpauses it. V(unfreeze) does so now. A container
        that somebody else has paused is refused.
      - V(unplug) drops all packets to and from its ports, IPv4 and IPv6, established connections too, by an nftables table of
        our own in the container's network namespace, or on the host where it has the host's network; its undo deletes that table.
        V(plug) does so now.
    type: str
    required: true
    choices: [start, terminate, restart, kill, freeze, unfreeze, unplug, plug]
  driver:
    description:
      - The engine. V(auto) is the one that has the container; it fails where both have one of this name.
      - It comes from the inventory where that knows the container.
    type: str
    default: auto
    choices: [docker_container, podman_container, auto]
  service:
    description: The service that the container runs, as C(nova-api). The fault is found by this name as well.
    type: str
  port:
    description:
      - Port for V(unplug), as V([tcp, 3306]), V(tcp/3306), V(3306), or a list of these. The port inside the container, where it has a
        network of its own.
      - With V(ingress) or V(egress) as a third element, as V([tcp, 3306, ingress]), as os-faults has it, only packets that come in for the port, or
        only those that go out from it, are dropped. V(plug) gives back whatever V(unplug) has cut.
      - The ports that its processes listen on by default.
    type: raw
  signal:
    description: Signal of V(kill).
    type: str
    default: KILL
    choices: [KILL, TERM, INT, QUIT, ABRT, SEGV, BUS]
  duration:
    description:
      - Seconds until V(terminate), V(freeze) and V(unplug) undo themselves. Refused for the other actions, which have no undo.
      - Without it the fault lasts until it is undone by V(start), V(unfreeze), V(plug) or M(faultline.openstack.os_fault_undo).
    type: float
  wait:
    description:
      - Answer when the fault is undone and proven undone, not already when it is proven. Needs O(duration) to have an effect.
      - For V(kill) and V(restart), answer when the container is back, and fail if it does not come back within O(recovery_timeout).
    type: bool
    default: false
  wait_timeout:
    description: Seconds that the undo may take beyond the deadline before a task that waits for it fails.
    type: float
    default: 60
  recovery_timeout:
    description: Seconds within which a killed or restarted container is expected back
      (running, listening on the ports that it had, and answering where it answered before).
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
      - A second V(kill), V(restart), V(terminate), V(freeze) or V(unplug) is a second fault.
      - V(start), V(unfreeze) and V(plug) change nothing when there is nothing to do.
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
  - faultline.openstack.marks
  - faultline.openstack.moment
seealso:
  - module: faultline.openstack.os_service_fault
  - module: faultline.openstack.os_fault
  - module: faultline.openstack.os_fault_info
  - module: faultline.openstack.os_fault_undo
notes:
  - Needs root on the target. V(unplug) needs nftables there, and nsenter (util-linux) for a container with a network of its own.
  - V(kill) and V(restart) have no undo by nature; their result says C(undo.state=none).
  - A container whose processes carry the task itself is never hit.
"""

EXAMPLES = r"""
- name: Kill nova-api, and see what brings it back
  faultline.openstack.os_container_fault:
    container: nova_api
    action: kill
    wait: true

- name: Freeze memcached for ten seconds, and come back when it runs again
  faultline.openstack.os_container_fault:
    container: memcached
    action: freeze
    duration: 10
    wait: true

- name: Stop the database of this host for half a minute, whatever would start it, and go on at once
  faultline.openstack.os_container_fault:
    container: mariadb
    action: terminate
    duration: 30

- name: Cut a container of Podman off
  faultline.openstack.os_container_fault:
    container: keystone
    driver: podman_container
    action: unplug
    port: [tcp, 5000]
    duration: 20
"""

RETURN = r"""
msg:
  description: What happened, in one sentence.
  returned: always
  type: str
  sample: "nova_api: paused: nova-api[1234] frozen, undone at 2026-11-20T10:00:40Z"
fault:
  description: The fault, for M(faultline.openstack.os_fault_info) and M(faultline.openstack.os_fault_undo).
  returned: always
  type: dict
  contains:
    id:
      description: Its id, C(null) in check mode and when there was nothing to do.
      type: str
      sample: freeze-9f3a61c2
    kind:
      description: V(container).
      type: str
    action:
      description: The action.
      type: str
    subject:
      description: The container.
      type: str
targets:
  description:
    - The things hit. Container with its id and engine, its main process and all processes as the host sees them, with their start
      times (clock ticks since boot), the unit that runs it, ports.
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
    - What was observed. For V(kill) and V(restart) C(came_back) says what came back, and after how many seconds. With O(wait)
      it is looked for as long as O(recovery_timeout), else once, right after the proof. Its C(by) is the restart policy or the
      unit that brought it back, its C(replaced_by) the id of a container that came in its place.
    - In C(came_back) C(listening_after) is when its ports were listened on again, C(answering_after) when all that was answered before was answered
      again, and C(after) when a client sees it back, in seconds from the injection; C(null) where nobody has seen it.
    - For V(unplug) and V(freeze) C(answers_before) and C(answers) are what each door said before and after, as V(answered), V(closed), V(connected),
      V(refused) or V(no answer); C(dropped_by_door) are the packets that the rules of each door have dropped.
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
    undone_at:
      description: When it had been undone, UTC, by the clock of this host.
      returned: when waited for
      type: str
    held:
      description: Whether the effect lasted until the undo, and the undo came no sooner than it should.
      returned: when waited for
      type: bool
    not_held:
      description: Why it did not, in words; empty where it did.
      returned: when waited for
      type: str
    notes:
      description: What the undo left alone, and why, as a container that somebody replaced meanwhile.
      returned: when waited for
      type: list
      elements: str
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

from ..module_utils._fault import _container_faults, _containers, _engine, _module, _service_faults


class ContainerFaultModule:
    """os_container_fault on one host."""

    def __init__(self, module):
        self.module = module
        self.params = module.params

    def run(self):
        params = self.params
        ports = _module.ways(params["port"])
        container = _containers.Container(params["container"], {"driver": params["driver"], "service": params["service"]})
        container.find()
        fault = _service_faults.make(
            params["action"], container, ports, _module.signal_number(params["signal"]), params["recovery_timeout"],
            _container_faults.ACTIONS)
        return _engine.perform(
            fault, params["duration"], params["wait"], params["wait_timeout"], self.module.check_mode, at=params["at"])


def main():
    module = AnsibleModule(argument_spec=_module.container_arguments(), supports_check_mode=True)
    _module.finish(module, ContainerFaultModule(module).run)


if __name__ == "__main__":
    main()
