#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Break a service on a host, prove it, and undo it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_service_fault
short_description: Break a service on a host, prove it, and undo it
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Hits one service of an OpenStack cloud on one host, with proof that it was hit. Faults that have an undo are written to a
    journal on the target first, and something on the target undoes them at the deadline, whatever becomes of the controller.
  - What the task does not say about the service (O(driver), O(unit), O(grep), O(port) and the commands) comes from the
    inventory (C(faultline_services), C(faultline_service_definitions)) and then from the built-in catalogue.
  - A service that a container of Docker or Podman runs is hit as that container, as M(faultline.openstack.os_container_fault) does it; the
    result is that of a container then.
  - The path is always the same. Find the exact processes and units; refuse what must not be hit; write the journal; arm the
    undo; inject; prove; undo; prove that nothing is left.
options:
  service:
    description: Name of the service, as C(nova-api).
    type: str
    required: true
  action:
    description:
      - V(kill) sends O(signal) to the exact processes of the service, see O(processes).
      - V(terminate) stops it in its own way; its undo starts it again.
      - V(restart) restarts it. V(start) starts it, and undoes V(terminate), V(mask) and V(crash_loop).
      - V(mask) stops it and lets nobody start it. V(crash_loop) kills it whenever it comes back, start limit included. Their undo
        starts it again. Both are for units of systemd.
      - V(freeze) stops its processes with SIGSTOP, children too, see O(processes); its undo lets them continue. V(unfreeze) lets them continue now.
      - V(unplug) drops all packets to and from its ports, IPv4 and IPv6, established connections too, by an nftables table of
        our own; its undo deletes that table. V(plug) does so now.
    type: str
    required: true
    choices: [start, terminate, restart, kill, freeze, unfreeze, unplug, plug, mask, crash_loop]
  driver:
    description:
      - How the service is run. V(system_service) is a unit of systemd.
      - V(process) is whatever matches O(grep), started and stopped by the given commands.
      - V(linux_service) is a unit where systemd runs, and a script of the C(service) command elsewhere.
      - V(pcs_service) is a resource of Pacemaker, O(pcs_service). V(terminate) keeps it off this node by a location constraint of our
        own, and deletes that in the end; Pacemaker may start it on another node meanwhile. V(restart) restarts it in place.
      - V(pcs_or_linux_service) is V(pcs_service) where Pacemaker runs and has that resource, V(linux_service) elsewhere.
      - V(salt_service) is started and stopped by Salt's module C(service) on this very minion, O(salt_service).
    type: str
    default: system_service
    choices: [system_service, process, linux_service, pcs_service, pcs_or_linux_service, salt_service]
  unit:
    description:
      - Candidates for the service's units. Those that exist on the host and are active count; if none is active, those that
        are enabled. The name of the service itself by default.
    type: list
    elements: str
    aliases: [service_name, linux_service]
  pcs_service:
    description: The id of the resource, or of its clone or group, for the Pacemaker drivers. The name of the service by default.
    type: str
  salt_service:
    description: The name that Salt knows the service by. The name of the service by default.
    type: str
  grep:
    description: Regular expression that is looked for in the whole command line of processes.
    type: str
  port:
    description:
      - Port for V(unplug), as V([tcp, 3306]), V(tcp/3306), V(3306), or a list of these.
      - With V(ingress) or V(egress) as a third element, as V([tcp, 3306, ingress]), as os-faults has it, only packets that come in for the port, or
        only those that go out from it, are dropped. V(plug) gives back whatever V(unplug) has cut.
      - The ports that the service listens on by default.
    type: raw
  processes:
    description:
      - Which processes of a unit of systemd are meant. By default those that the unit's own stop ends. With C(KillMode=control-group), as units have it
        unless they say otherwise, and C(mixed), these are all of its control group. With C(KillMode=process) and C(none) it is the main process with its
        workers, that is its descendants in its own session, and whoever listens on the same sockets; a helper is left alone, and
        C(targets[].left_alone) tells it. Of a main process that only waits for another one, as sudo, setsid or script does, that one is meant as well.
      - Where the main process listens on nothing and a child of its own that is left alone does, or where such a helper has O(port), nobody can tell which
        of them is the service. V(kill), V(freeze), V(unplug) and V(crash_loop) are refused then, unless V(main) or V(all) is given.
      - V(main) means the main process with its workers whatever the unit says, V(all) all of the control group, helpers too.
      - A unit that only watches what serves, in another control group or in a container, is refused by V(kill), V(freeze), V(unplug) and V(crash_loop);
        with V(main) or V(all) the watcher itself is hit.
    type: str
    choices: [main, all]
  start_cmd:
    description:
      - Shell command line that starts the service (O(driver=process)).
      - This and the other two end when the shell has ended, whatever they leave running. What stays in the foreground is ended when its time is up.
    type: str
  terminate_cmd:
    description: Shell command line that stops the service (O(driver=process)). SIGTERM to its processes by default.
    type: str
  restart_cmd:
    description: Shell command line that restarts the service (O(driver=process)).
    type: str
  start_timeout:
    description:
      - Seconds that the start of a service may take which no unit of systemd runs. 300 by default.
      - A unit has its own limit (C(TimeoutStartSec)).
    type: float
  stop_timeout:
    description:
      - Seconds that the stop of a service may take which no unit of systemd runs, from the order until its processes are gone. 300 by default, as long as
        DevStack gives to the services of OpenStack. O(duration) counts from their end.
      - If they are not gone by then, the fault has failed. Its undo still waits for them. While one of them that was told to stop is there it may go at
        any moment, so the journal stays open, and the service is started again when it has gone.
      - A unit has its own limit (C(TimeoutStopSec)).
    type: float
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
      - For V(kill) and V(restart), answer when the service is back, and fail if it does not come back within O(recovery_timeout).
    type: bool
    default: false
  wait_timeout:
    description: Seconds that the undo may take beyond the deadline before a task that waits for it fails.
    type: float
    default: 60
  recovery_timeout:
    description:
      - Seconds within which a killed or restarted service is expected back (running, listening on the ports that it had, and answering where it
        answered before).
      - Also where it is not known whether anything restarts it; not waited for where it is known that nothing does.
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
      - A second V(kill), V(restart), V(terminate), V(freeze), V(unplug), V(mask) or V(crash_loop) is a second fault.
      - V(start), V(unfreeze) and V(plug) change nothing when there is nothing to do.
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
  - faultline.openstack.marks
  - faultline.openstack.moment
seealso:
  - module: faultline.openstack.os_container_fault
  - module: faultline.openstack.os_fault
  - module: faultline.openstack.os_fault_info
  - module: faultline.openstack.os_fault_undo
notes:
  - Needs root on the target, and nftables there for V(unplug).
  - V(kill) and V(restart) have no undo by nature; their result says C(undo.state=none).
  - PID 1, sshd, and the processes that carry the task itself are never hit.
"""

EXAMPLES = r"""
- name: Kill nova-api, and see it come back
  faultline.openstack.os_service_fault:
    service: nova-api
    action: kill
    wait: true

- name: Freeze memcached for ten seconds, and come back when it runs again
  faultline.openstack.os_service_fault:
    service: memcached
    action: freeze
    duration: 10
    wait: true

- name: Cut the database of this host off for half a minute, and go on at once
  faultline.openstack.os_service_fault:
    service: mysql
    action: unplug
    port: [tcp, 3306]
    duration: 30

- name: Stop a service that no unit runs
  faultline.openstack.os_service_fault:
    service: my-api
    action: terminate
    driver: process
    grep: /opt/my/bin/api
    start_cmd: /opt/my/bin/api --daemon
    duration: 20
"""

RETURN = r"""
msg:
  description: What happened, in one sentence.
  returned: always
  type: str
  sample: "memcached: frozen: memcached[1234] in state T, undone at 2026-11-20T10:00:40Z"
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
      description: V(service).
      type: str
    action:
      description: The action.
      type: str
    subject:
      description: The service.
      type: str
targets:
  description: The things hit. Units, processes with their start times (clock ticks since boot), ports.
  returned: always
  type: list
  elements: dict
  contains:
    service:
      description: The service.
      type: str
    units:
      description: Its units.
      returned: for units of systemd
      type: list
      elements: str
    processes:
      description: The processes that are meant, each with C(pid), C(start) and C(comm).
      type: list
      elements: dict
    left_alone:
      description: The processes of its units that are not meant, see O(processes), each with its C(unit) as well.
      returned: for units of systemd
      type: list
      elements: dict
notes:
  description:
    - What a person has to know of what is hit and what is not; which processes are left alone; where O(grep), O(port) and the unit do not fit together.
  returned: always
  type: list
  elements: str
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
      it is looked for as long as O(recovery_timeout), else once, right after the proof.
    - C(came_back.expected) is whether it comes back by itself, by the units whose processes were hit; C(null) where that is not
      known, as with O(driver=process). C(came_back.restarted_by) says by what, as C(Restart=always of nova-api.service), a socket or
      a timer. Where nothing is set to restart it, it is not waited for.
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
residue:
  description: What is left of the fault after its undo. Anything else than an empty list is a failure.
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

from ..module_utils._fault import _engine, _module, _service_faults, _services


class ServiceFaultModule:
    """os_service_fault on one host."""

    def __init__(self, module):
        self.module = module
        self.params = module.params

    def run(self):
        params = self.params
        definition = {key: params[key] for key in _module.DEFINITION if params[key]}
        ports = _module.ways(params["port"])
        definition["port"] = _module.ports(params["port"])
        service = _services.service(params["service"], params["driver"], definition)
        fault = _service_faults.make(
            params["action"], service, ports, _module.signal_number(params["signal"]), params["recovery_timeout"],
            duration=params["duration"])
        return _engine.perform(
            fault, params["duration"], params["wait"], params["wait_timeout"], self.module.check_mode, at=params["at"])


def main():
    module = AnsibleModule(argument_spec=_module.service_arguments(), supports_check_mode=True)
    _module.finish(module, ServiceFaultModule(module).run)


if __name__ == "__main__":
    main()
