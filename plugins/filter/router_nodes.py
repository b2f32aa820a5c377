# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes of routers, as hosts of the inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: router_nodes
author:
  - The Faultline team (@faultline)
version_added: 0.1.0
short_description: The nodes of routers, as hosts of the inventory
description:
  - Finds the hosts of the inventory on which the L3 agents of some routers are, and what M(faultline.openstack.os_router_probe) is to be asked there.
  - A host is known by its name in the inventory, its C(fqdn) or its C(ansible_host); else by the first part of these, up to a dot, where only one host
    has it.
  - The playbooks C(faultline.openstack.router_poll) and C(faultline.openstack.router_ssh) are made of it.
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  routers:
    description: Routers as M(faultline.openstack.os_router_info) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Find the nodes of all routers
  ansible.builtin.set_fact:
    nodes: "{{ hostvars | faultline.openstack.router_nodes(looked.routers) }}"
"""

RETURN = r"""
_value:
  description: One entry for each node.
  type: list
  elements: dict
  contains:
    host:
      description: The node, as Neutron has it.
      type: str
    name:
      description: The host of the inventory; C(null) where the inventory does not have it.
      type: str
    routers:
      description: What the node is to be asked, the option C(routers) of M(faultline.openstack.os_router_probe).
      type: list
      elements: dict
    holds:
      description: The ids of the routers whose namespace is best entered here, as they are active here.
      type: list
      elements: str
"""

from ..plugin_utils import _router_hosts
from ..plugin_utils._model import plain

_NAMES = ("fqdn", "ansible_host")


def router_nodes(hostvars, routers):
    routers = plain(routers)
    hosts = {str(host): {name: plain(hostvars[host].get(name)) for name in _NAMES} for host in hostvars}
    found = _router_hosts.asked(routers, hosts)
    for each in found:
        each["holds"] = [router["id"] for router in routers if _router_hosts.node(router) == each["host"]]
    return found


class FilterModule:
    def filters(self):
        return {"router_nodes": router_nodes}
