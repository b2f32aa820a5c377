# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pattern of hosts that matches somebody."""

from __future__ import annotations

DOCUMENTATION = r"""
name: targets
author:
  - The Faultline team (@faultline)
short_description: A pattern of hosts, or an error where it matches none
description:
  - Ansible passes over a play that no host matches, and ends with success. For a play that has something to prove, nothing matched is a failure.
  - Gives the pattern back, for the C(hosts) of a play, when at least one host of the inventory matches it and C(--limit).
  - The error says why nobody does, as far as that can be seen.
options:
  _terms:
    description: One pattern, as C(hosts) takes it.
    type: list
    elements: str
    required: true
  controller:
    description:
      - Whether the play is one of the controller. Then no inventory is needed, and a C(--limit) without V(localhost) is an error.
      - With a pattern of other hosts, too, as V(all:localhost), any of them will do, and an inventory that was named but not read is an error.
    type: bool
    default: false
"""
EXAMPLES = r"""
- name: Heal
  hosts: "{{ lookup('faultline.openstack.targets', targets | default('all')) }}"
  gather_facts: false
  roles:
    - faultline.openstack.heal
"""
RETURN = r"""
_raw:
  description: The pattern.
  type: list
  elements: str
"""

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase

from ..module_utils._nearest import did_you_mean
from ..plugin_utils._no_hosts import mistaken, no_hosts


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        if any(context.CLIARGS.get(option) for option in ("syntax", "listhosts", "listtags", "listtasks")):
            # whoever only reads a playbook needs no inventory
            return list(terms)
        self.set_options(var_options=variables, direct=kwargs)
        variables = variables or {}
        groups = variables.get("groups") or {}
        for pattern in terms:
            manager, limit = _manager(self._loader, groups), variables.get("ansible_limit")
            if self.get_option("controller"):
                why = mistaken(variables, groups) if pattern != "localhost" and not manager.get_hosts("all") else ""
                if why:
                    raise AnsibleLookupError(f"{why} Nothing was done.")
                manager.subset(limit)
                if not manager.get_hosts(pattern):
                    raise AnsibleLookupError(
                        f"This playbook runs on the controller, which the limit '{limit}' leaves out. Nothing was done. "
                        "Leave out --limit, or add localhost to it.")
                continue
            if not manager.get_hosts("all"):
                raise AnsibleLookupError(no_hosts(variables, groups))
            text = ",".join(pattern) if isinstance(pattern, list) else str(pattern)
            if not manager.get_hosts(text):
                names = [name for name in (*groups, *groups.get("all", ())) if name not in ("all", "ungrouped")]
                hint = did_you_mean(text, names) or "ansible-inventory --graph shows the hosts and groups that there are."
                raise AnsibleLookupError(f"No host of the inventory matches '{text}'. Nothing was done. {hint}")
            manager.subset(limit)
            if limit and not manager.get_hosts(text):
                raise AnsibleLookupError(f"No host that matches '{text}' matches the limit '{limit}' too. Nothing was done.")
        return list(terms)


def _manager(loader, groups):
    """An inventory of these groups, which knows what patterns mean."""
    manager = InventoryManager(loader, parse=False)
    for group, hosts in groups.items():
        manager.add_group(group)
        for host in hosts:
            manager.add_host(host, group=group)
    return manager
