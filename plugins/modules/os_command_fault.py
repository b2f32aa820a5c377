#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Break something by a command of your own, and mend it by another."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_command_fault
short_description: Break something by a command of your own, and mend it by another
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - For what no other module of faults does. It walks the same path as they do. The command that mends is in the journal before the one that
    breaks is run, and the target runs it at the deadline, whatever becomes of the controller.
  - What is hit, and whether it is mended, is only known by the commands given. Where M(faultline.openstack.os_service_fault) or another
    module does what is wanted, it proves more.
options:
  name:
    description: What is broken, in words; the fault is found by it.
    type: str
    required: true
  down:
    description: The command that breaks. A list of words, or a line for C(/bin/sh). It must end with 0.
    type: raw
    required: true
  up:
    description: The command that mends, in the same form. Without it the fault has no undo, and no O(duration).
    type: raw
  down_check:
    description: A command that ends with 0 when the fault is there. It is tried until O(timeout); if it never does, the fault is undone and the task fails.
    type: raw
  up_check:
    description: A command that ends with 0 when all is well. It must do so before the fault and after its undo.
    type: raw
  timeout:
    description: Seconds that each of these commands may take, and that O(down_check) is tried for.
    type: float
    default: 20
  reboots:
    description:
      - Whether O(down) ends the boot of the host, as C(shutdown -r now). It is started two seconds after the answer then, in a process that nobody waits
        for. What proves it is another boot, which M(faultline.openstack.os_fault_info) tells. Excludes O(up) and O(down_check).
    type: bool
    default: false
    version_added: 0.1.0
  duration:
    description: Seconds until O(up) is run. Without it the fault lasts until M(faultline.openstack.os_fault_undo).
    type: float
  wait:
    description: Answer when the fault is undone and proven undone. Needs O(duration) to have an effect.
    type: bool
    default: false
  wait_timeout:
    description: Seconds that the undo may take beyond the deadline before a task that waits for it fails.
    type: float
    default: 60
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: none
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
  - faultline.openstack.marks
  - faultline.openstack.moment
seealso:
  - module: faultline.openstack.os_service_fault
  - module: faultline.openstack.os_fault_undo
notes:
  - Needs root on the target.
"""

EXAMPLES = r"""
- name: Stop memcached by the command of the runbook, and start it again after ten seconds
  faultline.openstack.os_command_fault:
    name: memcached
    down: systemctl stop memcached
    down_check: "! systemctl is-active --quiet memcached"
    up: systemctl start memcached
    up_check: [systemctl, is-active, --quiet, memcached]
    duration: 10
    wait: true
"""

RETURN = r"""
msg:
  description: What happened, in one sentence.
  returned: always
  type: str
fault:
  description: The fault, as in M(faultline.openstack.os_service_fault).
  returned: always
  type: dict
  sample: {id: command-9f3a61c2, kind: command, action: command, subject: memcached}
targets:
  description: The command.
  returned: always
  type: list
  elements: dict
injecting_at:
  description: When the command was started, UTC. What is seen from here on may be its effect.
  returned: when injected
  type: str
  sample: "2026-11-20T10:00:30.123Z"
injected_at:
  description: When the command had ended, UTC.
  returned: when injected
  type: str
  sample: "2026-11-20T10:00:31.456Z"
proven_at:
  description: When its effect was proven, UTC, by the same clock. Its duration counts from here.
  returned: when proven
  type: str
  sample: "2026-11-20T10:00:31.789Z"
proof:
  description: The exit status, and whether O(down_check) passes.
  returned: when injected
  type: dict
undo:
  description: The undo, as in M(faultline.openstack.os_service_fault).
  returned: always
  type: dict
residue:
  description: What is left after the undo. O(up_check) that fails is.
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

from ..module_utils._fault import _command_faults, _engine, _module


def main():
    module = AnsibleModule(argument_spec=_command_faults.arguments(), supports_check_mode=True)
    params = module.params
    _module.finish(module, lambda: _engine.perform(
        _command_faults.CommandFault(params), params["duration"], params["wait"], params["wait_timeout"], module.check_mode, at=params["at"]))


if __name__ == "__main__":
    main()
