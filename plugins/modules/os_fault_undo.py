#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Undo faults on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_fault_undo
short_description: Undo faults on a host
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Undoes open faults by their journals on the target, before their deadlines or long after, and proves that nothing is left.
  - Fails when something is left, and says what.
options:
  id:
    description: The fault of this id.
    type: str
  kind:
    description: All faults of this kind.
    type: str
    choices: [command, container, network, node, power, service]
  action:
    description: All faults of this action, as V(freeze).
    type: str
  service:
    description: All faults on this service, unit or container, by any of its names. Several may be given.
    type: list
    elements: str
  timeout:
    description:
      - Seconds that the undo of each fault may take. What does not end by then is told as left, and the other faults are undone.
      - The journal of such a fault stays open.
    type: float
    default: 900
  all:
    description: All faults, and what bears our name on the host without a journal.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.os_fault_info
notes:
  - Needs root on the target.
"""

EXAMPLES = r"""
- name: Undo everything
  faultline.openstack.os_fault_undo:
    all: true

- name: Undo one fault
  faultline.openstack.os_fault_undo:
    id: freeze-9f3a61c2

- name: Plug everything in again
  faultline.openstack.os_fault_undo:
    action: unplug
"""

RETURN = r"""
msg:
  description: What was undone, in one sentence.
  returned: always
  type: str
  sample: undid 2 faults
notes:
  description: What the undo left alone, and why, as a container that somebody replaced meanwhile.
  returned: when faults were undone
  type: list
  elements: str
undone:
  description: Ids of the faults that were undone.
  returned: always
  type: list
  elements: str
orphans:
  description: What bore our name without a journal, and was removed (O(all=true)).
  returned: always
  type: list
  elements: str
residue:
  description: What is left, or is not known to be gone. Anything else than an empty list is a failure.
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
            "all": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": _care.TIMEOUT},
        },
        required_one_of=[["id", "kind", "action", "service", "all"]],
        supports_check_mode=True,
    )
    params = module.params
    _module.finish(module, lambda: _care.undo(
        module.check_mode, params["all"], params["timeout"],
        fault_id=params["id"], kind=params["kind"], action=params["action"], subject=params["service"],
    ))


if __name__ == "__main__":
    main()
