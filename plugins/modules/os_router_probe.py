#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look at routers from inside of their namespaces."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_router_probe
short_description: Look at routers from inside of their namespaces
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Runs on a network node, as root. For each router it tells what keepalived thinks, which of the router's addresses are on which interface there, and
    what answers a ping from the namespace C(qrouter-<id>), the next hop of the default route, each address of the router's own, and any that you name.
  - All routers are looked at side by side. Each address has a deadline, so the answer comes within about O(timeout) for every 64 routers that are dead.
  - It changes nothing, starts no program, and needs neither C(ping) nor Neutron's API. The playbook C(faultline.openstack.router_poll) asks all nodes and
    judges what they say.
options:
  routers:
    description: The routers that have an agent on this node.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: The router's id.
        type: str
        required: true
      ha:
        description: Whether it is highly available, so that keepalived has a say.
        type: bool
        default: false
      addresses:
        description: The addresses that it has to have where it is active, those of its gateway and of its interfaces.
        type: list
        elements: str
        default: []
      targets:
        description: More addresses that are to be pinged from where it is active, as that of a server behind it.
        type: list
        elements: str
        default: []
  timeout:
    description: Seconds that an address may take to answer. There are three tries within that time.
    type: float
    default: 2
  gateway:
    description: Whether the next hop of the default route is pinged. V(false) where it answers no pings.
    type: bool
    default: true
  ha_confs:
    description: Where the L3 agent keeps the state of its highly available routers, C(ha_confs_path) of its configuration.
    type: path
    default: /var/lib/neutron/ha_confs
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.info_module
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.os_router_info
notes:
  - A distributed router has parts of it on every compute node, which are not looked at.
"""

EXAMPLES = r"""
- name: Look at one router, and whether a server behind it answers
  faultline.openstack.os_router_probe:
    routers:
      - id: 7a5c04b4-7a69-4a30-b7f2-01bc19a7b173
        ha: true
        addresses: [10.83.1.155, 10.2.0.1]
        targets: [10.2.0.17]
  become: true
  register: looked
"""

RETURN = r"""
msg:
  description: What was found, in one sentence.
  returned: always
  type: str
  sample: "2 routers: 1 active, 1 on standby; 3 of 3 addresses answer"
routers:
  description: What was found of each router, in the order that was asked.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The router's id.
      type: str
    namespace:
      description: Whether it has a namespace on this node.
      type: bool
    state:
      description: What keepalived has told last, V(active), V(standby) or V(fault); C(null) of one that is not highly available or has told nothing.
      type: str
    keepalived:
      description: Whether its keepalived runs; C(null) of one that is not highly available.
      type: bool
    addresses:
      description: Its addresses, each with C(address), C(interface), which is C(null) where this node does not have it, and C(up).
      type: list
      elements: dict
    gateways:
      description: The next hops of its default routes. One that is on standby has none. The address of a link is told with the number of its interface.
      type: list
      elements: str
    pings:
      description: What was pinged, each with C(kind), V(gateway), V(interface) or V(target), C(address), C(answered), C(milliseconds) and C(error).
      type: list
      elements: dict
    error:
      description: Why it could not be looked at, or C(null).
      type: str
seconds:
  description: How long it took.
  returned: success
  type: float
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _module
from ..module_utils._router import _inside

_ADDRESSES = {"type": "list", "elements": "str", "default": []}


def run(params):
    """The result of the module."""
    begin = time.monotonic()
    routers = _inside.look(_inside.checked(params["routers"]), params["timeout"], params["gateway"], ha_confs=params["ha_confs"])
    return {"changed": False, "routers": routers, "seconds": round(time.monotonic() - begin, 3), "msg": _inside.words(routers)}


def main():
    router = {"id": {"type": "str", "required": True}, "ha": {"type": "bool", "default": False}, "addresses": _ADDRESSES, "targets": _ADDRESSES}
    module = AnsibleModule(
        argument_spec={
            "routers": {"type": "list", "elements": "dict", "required": True, "options": router},
            "timeout": {"type": "float", "default": 2},
            "gateway": {"type": "bool", "default": True},
            "ha_confs": {"type": "path", "default": _inside.HA_CONFS},
        },
        supports_check_mode=True)
    _module.finish(module, lambda: run(module.params))


if __name__ == "__main__":
    main()
