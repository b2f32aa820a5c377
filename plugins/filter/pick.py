# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Some of many, the same ones for the same seed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pick
author:
  - The Faultline team (@faultline)
version_added: 0.1.0
short_description: Some hosts of many, the same ones for the same seed
description:
  - Chooses as a sentence does, so C(kill nova-api service on one node) with a seed hits the host that this filter picks with it from the
    same group.
  - What a host's place in the choice is depends on the seed and its name alone. That a host joins or leaves changes nothing for the others.
  - Ansible evaluates an expression anew wherever it stands, so there is no choice without a seed.
positional: _input, count
options:
  _input:
    description: The names to choose from.
    type: list
    elements: str
    required: true
  count:
    description: How many, or a percentage as V(50%), which is rounded up.
    type: raw
    default: 1
  seed:
    description: Any text or number.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Reboot one of the nodes with MySQL, as `get_nodes().pick().reboot()` of os-faults does
  hosts: "{{ groups.service_mysql | faultline.openstack.pick(seed=seed) }}"
  gather_facts: false
  tasks:
    - name: Say who it is
      ansible.builtin.debug:
        var: inventory_hostname

- name: Half of the nodes
  hosts: "{{ groups.all | faultline.openstack.pick('50%', seed=7) }}"
  gather_facts: false
  tasks:
    - name: Say who they are
      ansible.builtin.debug:
        var: inventory_hostname
"""

RETURN = r"""
_value:
  description: The chosen names, in their order.
  type: list
  elements: str
"""

from ansible.errors import AnsibleFilterError

from ..plugin_utils._select import choose


def pick(names, count=1, *, seed=None):
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        raise AnsibleFilterError(f"pick chooses from a list of names, not from {names!r}.")
    if seed is None or str(seed) == "":
        raise AnsibleFilterError("pick needs a seed, as pick(seed=42): without one each use of it would choose anew.")
    names, number = [str(name) for name in dict.fromkeys(names)], str(count).removesuffix("%")
    mode = "percent" if str(count).endswith("%") else "count"
    if not number.isdecimal() or int(number) < 1 or (mode == "percent" and int(number) > 100):
        raise AnsibleFilterError(f"pick: {count!r} is neither a number of names from 1 on nor a percentage from 1% to 100%.")
    try:
        return choose(names, mode, int(number), str(seed))
    except ValueError:
        raise AnsibleFilterError(f"pick: {count} of {len(names)} names are wanted: {', '.join(names) or 'there is none'}.") from None


class FilterModule:
    def filters(self):
        return {"pick": pick}
