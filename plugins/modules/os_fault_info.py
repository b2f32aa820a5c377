#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the faults of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_fault_info
short_description: List the faults of a host
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Reads the journals on the target and tells which faults are open, which are over, and what is left of them.
options:
  id:
    description: Only the fault of this id.
    type: str
  kind:
    description: Only faults of this kind.
    type: str
    choices: [command, container, network, node, power, service]
  action:
    description: Only faults of this action, as V(freeze).
    type: str
  service:
    description: Only faults on this service, unit or container, by any of its names. Several may be given.
    type: list
    elements: str
  closed:
    description: Whether to list the faults that are over, too. The last 200 are kept.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.info_module
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.os_fault_undo
"""

EXAMPLES = r"""
- name: See what is broken just now
  faultline.openstack.os_fault_info:
    closed: false
  register: faults

- name: Insist that nothing is
  ansible.builtin.assert:
    that:
      - faults.open | length == 0
      - faults.orphans | length == 0
"""

RETURN = r"""
msg:
  description: How many are open.
  returned: always
  type: str
  sample: 1 fault open
open:
  description:
    - The open faults, oldest first. Each has C(id), C(kind), C(action), C(subject), C(state) (V(scheduled), V(armed), V(injected),
      V(undoing) or V(residue)), its times (C(planned), C(began), C(injected), C(proven) and C(undone) in epoch seconds of the
      host's clock; C(injecting_at), C(injected_at), C(proven_at) and C(undone_at) are the last four for people),
      C(duration), C(deadline), C(targets), C(steps) (the undo), C(proof), C(held) and C(not_held) (why not), and C(residue).
  returned: always
  type: list
  elements: dict
closed:
  description:
    - The faults that are over, oldest first, in the same shape. Their C(state) is V(undone), V(aborted) (never proven) or V(done) (no
      undo exists). C(failure) says why a fault that was left to the host did not come about.
  returned: always
  type: list
  elements: dict
boot:
  description: What tells this boot of the host from others. That of a fault is in its C(proof), where a reboot is the fault.
  returned: always
  type: str
clock:
  description: The host's clock, in epoch seconds.
  returned: always
  type: float
orphans:
  description: What bears our name on the host and belongs to no open fault.
  returned: always
  type: list
  elements: str
unreadable:
  description: The open records that cannot be read or believed, and why. What they would undo is not known.
  returned: always
  type: list
  elements: str
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _care, _module


def main():
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str"},
            "kind": {"type": "str", "choices": ["command", "container", "network", "node", "power", "service"]},
            "action": {"type": "str"},
            "service": {"type": "list", "elements": "str"},
            "closed": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    _module.finish(module, lambda: dict(_care.info(
        params["closed"], fault_id=params["id"], kind=params["kind"], action=params["action"], subject=params["service"],
    ), changed=False))


if __name__ == "__main__":
    main()
