#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Break a whole node, prove it, and undo it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_node_fault
short_description: Break a whole node, prove it, and undo it
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Hits a node as a whole, with proof that it was hit. It reboots or crashes, runs out of memory, disk, inodes, processes or
    open files, has the wrong time, or is under load.
  - Faults that have an undo are written to a journal on the target first, and something on the target undoes them at the
    deadline, whatever becomes of the controller. What takes memory, processor or processes runs in a unit of its own with a
    runtime limit.
options:
  action:
    description:
      - V(reboot) reboots gracefully. V(crash) panics the kernel, which boots again after O(panic_timeout) seconds. Both wait for
        the next boot, which is the proof, and for the node to answer again.
      - V(oom) fills the memory by a process that the kernel's killer prefers to all others, until the killer has taken it; once,
        or again and again for O(duration).
      - V(stress) runs stress-ng on O(target) for O(duration), ten seconds by default, with caps.
      - V(fill_disk) takes room under O(path), by one file of our own.
      - V(exhaust) takes O(resource).
      - V(clock) lets the clock jump by O(offset) or drift by O(drift), with the time daemons held off.
      - V(kill_process) sends O(signal) to the processes that match O(pattern). V(freeze_process) stops them with SIGSTOP; its undo lets
        them continue.
    type: str
    required: true
    choices: [reboot, crash, oom, stress, fill_disk, exhaust, clock, kill_process, freeze_process]
  target:
    description: What V(stress) presses on. V(all) is all four at once.
    type: str
    choices: [cpu, memory, disk, kernel, all]
  workers:
    description: How many workers each kind of V(stress) has. V(0) is one for each processor.
    type: int
    default: 0
  load:
    description: For V(stress) of V(cpu), how busy each worker is, in percent.
    type: int
    default: 100
  size:
    description:
      - For V(stress), how much memory or disk all workers take together, as V(512M). By default half of the memory that is
        available, a tenth in a container without a limit of its own, and one GiB of disk. Never more than 90 % of what is
        available of memory, and half of what is free of the disk.
      - For V(fill_disk), how much room to take. For V(exhaust), how many inodes or processes to take.
    type: bytes
  path:
    description:
      - For V(fill_disk) and V(exhaust) of inodes, a folder on the filesystem to be hit.
      - For V(stress) of the disk, the folder to write in; V(/var/tmp) by default.
    type: path
  percent:
    description:
      - For V(fill_disk), how full the filesystem shall be, as C(df) counts.
      - For V(exhaust), how many of the inodes or processes shall be in use; V(95) by default.
    type: float
  free:
    description: How many bytes, inodes or processes shall stay free, instead of O(percent).
    type: bytes
  resource:
    description:
      - What V(exhaust) takes.
      - V(fds) lets the processes that match O(pattern) open no more files.
      - V(inodes) makes empty files in a folder of our own under O(path).
      - V(pids) is a crowd of processes and threads that do nothing.
    type: str
    choices: [fds, inodes, pids]
  offset:
    description: By how many seconds the clock jumps; less than 0 is into the past.
    type: float
  drift:
    description: By how many parts per million the clock runs too fast; less than 0 is too slow. From 500 to 100000.
    type: float
  pattern:
    description: Regular expression that is looked for in the whole command line of processes.
    type: str
  signal:
    description: What V(kill_process) sends.
    type: str
    default: KILL
    choices: [KILL, TERM, INT, QUIT, ABRT, SEGV, BUS]
  panic_timeout:
    description: After how many seconds a crashed kernel boots again. V(0) is never; then os_power must do it, and is not waited for.
    type: int
    default: 10
  install:
    description: Install stress-ng by the host's package manager where it lacks. It stays installed.
    type: bool
    default: false
  duration:
    description:
      - After how many seconds the fault undoes itself. Without it, the fault lasts until it is undone by
        M(faultline.openstack.os_fault_undo).
      - V(reboot), V(crash) and V(kill_process) have no undo and take no duration.
    type: float
  wait:
    description:
      - Come back only when the fault is undone and proven undone; for V(kill_process), when something else came in place of
        what was killed.
    type: bool
    default: false
  wait_timeout:
    description: How many seconds the undo may take beyond the deadline, with O(wait).
    type: float
    default: 60
  recovery_timeout:
    description:
      - For V(reboot) and V(crash), how many seconds the node may take to answer again; 300 by default.
      - For V(kill_process), how many seconds what was killed may take to come back, with O(wait); 60 by default.
    type: float
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - Each run is a fault of its own.
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
  - Needs root on the target, and stress-ng there for V(stress).
  - V(crash) and V(clock) are refused in containers, whose kernel and clock are the whole machine's; V(oom) and V(exhaust) of pids where
    the container has no limit of its own.
  - V(reboot), V(crash), V(kill_process), and V(oom) without a duration have no undo by nature; their result says C(undo.state=none).
  - PID 1, sshd, and the processes that carry the task itself are never hit. On the filesystem of the journal 32 MiB stay free, and 64
    processes everywhere.
"""

EXAMPLES = r"""
- name: Reboot, and go on when the node is back
  faultline.openstack.os_node_fault:
    action: reboot

- name: Let the kernel's killer act, again and again for a minute
  faultline.openstack.os_node_fault:
    action: oom
    duration: 60

- name: Keep two processors busy for twenty seconds
  faultline.openstack.os_node_fault:
    action: stress
    target: cpu
    workers: 2
    duration: 20
    install: true
    wait: true

- name: Leave 100 MiB on the disk of the database for five minutes
  faultline.openstack.os_node_fault:
    action: fill_disk
    path: /var/lib/mysql
    free: 100M
    duration: 300

- name: Let nova-api open no more files for a minute
  faultline.openstack.os_node_fault:
    action: exhaust
    resource: fds
    pattern: nova-api
    duration: 60

- name: Be ten minutes ahead of the others for two minutes
  faultline.openstack.os_node_fault:
    action: clock
    offset: 600
    duration: 120
"""

RETURN = r"""
msg:
  description: What happened, in one sentence.
  returned: always
  type: str
  sample: "ctl1: /var 95.0 % full, 1.2 GiB free, until it is undone (os_fault_undo)"
fault:
  description: The fault, for M(faultline.openstack.os_fault_info) and M(faultline.openstack.os_fault_undo).
  returned: always
  type: dict
  contains:
    id:
      description: Its id, C(null) in check mode.
      type: str
      sample: fill_disk-9f3a61c2
    kind:
      description: V(node).
      type: str
    action:
      description: The action.
      type: str
    subject:
      description: The node's own name.
      type: str
targets:
  description: The things hit.
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
boot_time:
  description: Seconds from the answer of the node that goes down to its next answer, for V(reboot) and V(crash).
  returned: when it came back
  type: float
proof:
  description: What was observed. For V(reboot) and V(crash) the id of the boot before and after.
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

from ..module_utils._fault import _engine, _module, _node_faults


class NodeFaultModule:
    """os_node_fault on one host."""

    def __init__(self, module):
        self.module = module
        self.params = module.params

    def run(self):
        params = _node_faults.completed(self.params)
        fault = _node_faults.make(params["action"], params)
        if not self.module.check_mode:
            fault.install()
        return _engine.perform(
            fault, params["duration"], params["wait"], params["wait_timeout"], self.module.check_mode, at=params["at"])


def main():
    module = AnsibleModule(argument_spec=_node_faults.arguments(), supports_check_mode=True)
    _module.finish(module, NodeFaultModule(module).run)


if __name__ == "__main__":
    main()
