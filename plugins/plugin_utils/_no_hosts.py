# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why an inventory has no hosts, in words."""

from __future__ import annotations

import os


NO_INVENTORY = "Name one with -i, as in: -i os-faults.yaml"


def no_hosts(variables, groups):
    """The sentence for an inventory without hosts. variables: a task's or a play's; groups: the variable of that name."""
    sources = _sources(variables)
    hint = f"Look at what Ansible makes of it: ansible-inventory -i {sources[0]} --graph" if sources else NO_INVENTORY
    return f"The inventory has no hosts, so there is nothing to do. {mistaken(variables, groups) or hint}"


def mistaken(variables, groups):
    """What is wrong with the sources of the inventory, or ''."""
    sources = _sources(variables)
    missing = [source for source in sources if "," not in source and not os.path.exists(source)]
    if missing:
        return f"{missing[0]} is not there."
    if "cloud_management" in groups:
        return (
            f"{sources[0]} is a file of os-faults that Ansible's own plugin has taken. Name ours in ansible.cfg: section [inventory], "
            "enable_plugins = faultline.openstack.os_faults, host_list, script, auto, yaml, ini, toml"
        )
    return ""


def _sources(variables):
    """The sources that somebody has named."""
    sources = [str(source) for source in variables.get("ansible_inventory_sources") or []]
    return [] if sources == ["/etc/ansible/hosts"] else sources
