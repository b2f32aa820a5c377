# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routers of a cloud as hosts: each is its namespace on its active node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: os_routers
author:
  - The Faultline team (@faultline)
short_description: Routers as hosts, each its namespace on its active node
description:
  - Gives the routers of a cloud as hosts, so that any module runs in a router's namespace on the node where it is active, by the become plugin
    P(faultline.openstack.netns#become). Nothing is cached, as routers move.
  - A host is named C(router_<name>), every character that host names do not have written as an underscore; where several routers have the name, with
    the beginning of the id after it.
  - How the node is reached is what the inventory says of it, so the sources that have the nodes come before this file. A node is known by its name there,
    its C(fqdn) or its C(ansible_host).
  - "Groups: C(os_routers), all of them; C(os_routers_ok), C(os_routers_degraded) and C(os_routers_down); C(os_routers_project_<name>); and
    C(os_routers_debug)."
  - "A host gets: C(os_router), the router as M(faultline.openstack.os_router_info) tells it; C(ansible_netns), its namespace; C(ansible_become) with its
    method; the C(ansible_) variables of its node; and C(faultline_cloud), which is O(cloud) and says where faults ask whether the router is in debug."
extends_documentation_fragment:
  - faultline.openstack.cloud
  - ansible.builtin.constructed
options:
  plugin:
    description: Marks a file as one for this plugin.
    type: str
    required: true
    choices:
      - faultline.openstack.os_routers
  project:
    description: Only the routers of this project, by name or id.
    type: str
    env:
      - name: FAULTLINE_ROUTER_PROJECT
  nodes:
    description:
      - Connection variables by node, as Neutron names the hosts of its L3 agents. They come before those of the inventory.
      - "For example C(net1: {ansible_host: 192.0.2.14, ansible_user: root})."
    type: dict
    default: {}
seealso:
  - module: faultline.openstack.os_router_info
  - plugin: faultline.openstack.netns
    plugin_type: become
notes:
  - A node that the inventory does not have is reached by its own name, as C(ssh) would.
  - A router that no node has is a host too, but nothing runs there.
  - Files and processes are those of the node; only the network is the router's.
"""

EXAMPLES = r"""
# routers.yml
#   ansible-inventory -i os-faults.yaml -i routers.yml --graph
#   ansible router_edge -i os-faults.yaml -i routers.yml -m command -a "ip route"
#   ansible os_routers_degraded -i os-faults.yaml -i routers.yml -m command -a "ip -brief address"
plugin: faultline.openstack.os_routers
cloud: lab
keyed_groups:
  - key: os_router.active
    prefix: active_on
"""

from ansible.errors import AnsibleParserError
from ansible.inventory.helpers import get_group_vars
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._ha import _cloud
from ..module_utils._router import _router
from ..module_utils._router._routers import Routers
from ..plugin_utils import _router_hosts
from ..plugin_utils._constructed import ConstructedInventory
from ..plugin_utils._model import plain


class InventoryModule(ConstructedInventory):
    NAME = "faultline.openstack.os_routers"

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            args = plain({name: self.get_option(name) for name in _cloud.arguments()})
            self._populate(_router.chosen(Routers(_cloud.Connection(args)).described(), project=plain(self.get_option("project"))), path)
        except FaultlineError as exc:
            raise AnsibleParserError(f"{path}: {exc.text}") from None

    def _populate(self, routers, path):
        nodes = self._nodes(routers, path)
        self.inventory.add_group("os_routers")
        for name, router in _router_hosts.named(routers).items():
            told, node = {"os_router": router}, _router_hosts.node(router)
            if node:
                told.update(_router_hosts.variables(router, *nodes[node]))
            else:
                self.display.warning(f"{name} is on no node, so nothing can run there.")
            if self.get_option("cloud"):
                # faults ask it for marks
                told["faultline_cloud"] = str(self.get_option("cloud"))
            self.add(name, told, _router_hosts.groups(router))

    def _nodes(self, routers, path):
        """{node: (its name, its variables)} of the nodes that are to be entered."""
        wanted = sorted({_router_hosts.node(each) for each in routers} - {None})
        hosts, own = dict(self.inventory.hosts), self.get_option("nodes")
        names = _router_hosts.hosts_of(wanted, {name: host.get_vars() for name, host in hosts.items()})
        strange = [node for node in wanted if names[node] is None and node not in own]
        if strange:
            self.display.warning(f"{path}: no host before it in the inventory is {' or '.join(strange)}, so these are reached by their own names.")
        found = {}
        for node in wanted:
            known = self._variables(hosts[names[node]]) if names[node] else {}
            found[node] = names[node] or node, {**known, **(own.get(node) or {})}
        return found

    def _variables(self, host):
        """All variables of a host, those of its groups and of files beside the inventory with them."""
        # Ansible makes all hosts members of all only in the end
        groups = list({*host.get_groups(), self.inventory.groups["all"]})
        sources, told = self.inventory.processed_sources, get_group_vars(groups)
        told = combine_vars(told, get_vars_from_inventory_sources(self.loader, sources, groups, "all"))
        told = combine_vars(told, host.get_vars())
        return combine_vars(told, get_vars_from_inventory_sources(self.loader, sources, [host], "all"))
