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

import os

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase

from ..module_utils._nearest import did_you_mean


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        if any(context.CLIARGS.get(option) for option in ("syntax", "listhosts", "listtags", "listtasks")):
            # whoever only reads a playbook needs no inventory
            return list(terms)
        variables = variables or {}
        groups = variables.get("groups") or {}
        for pattern in terms:
            manager = _manager(self._loader, groups)
            if not manager.get_hosts("all"):
                raise AnsibleLookupError(f"The inventory has no hosts, so there is nothing to do. {_why(variables, groups)}")
            text = ",".join(pattern) if isinstance(pattern, list) else str(pattern)
            limit = variables.get("ansible_limit")
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


def _why(variables, groups):
    """What is wrong with the sources of the inventory."""
    sources = [str(source) for source in variables.get("ansible_inventory_sources") or []]
    if not sources or sources == ["/etc/ansible/hosts"]:
        return "Name one with -i, as in: -i os-faults.yaml"
    missing = [source for source in sources if "," not in source and not os.path.exists(source)]
    if missing:
        return f"{missing[0]} is not there."
    if "cloud_management" in groups:
        return (
            f"{sources[0]} is a file of os-faults that Ansible's own plugin has taken. Name ours in ansible.cfg: section [inventory], "
            "enable_plugins = faultline.openstack.os_faults, host_list, script, auto, yaml, ini, toml"
        )
    return f"Look at what Ansible makes of it: ansible-inventory -i {sources[0]} --graph"
