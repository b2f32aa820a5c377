#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot the servers that an availability run watches, and delete them again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_servers
short_description: Boot the servers that an availability run watches, and delete them again
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Boots servers with floating IPs, so that a monitor can see what a fault does to applications in them, and takes them away with all that was made for
    them.
  - A network with a router and a security group that lets ICMP and TCP in are made where none is named. Only what bears the O(prefix) in its name and
    this module's mark is ever deleted.
  - It runs where openstacksdk is and the cloud's APIs can be reached, as on the controller.
options:
  state:
    description:
      - V(present) makes what is missing, and waits until the servers are ACTIVE. V(absent) deletes all of it, and waits until it is gone.
    type: str
    choices: [present, absent]
    default: present
  prefix:
    description: What the names of all that is made begin with. It has to be the run's own, as C(ha-20261120-101500-apps).
    type: str
    required: true
  count:
    description: How many servers.
    type: int
    default: 2
  image:
    description: Name or id of the image. Required for V(present).
    type: str
  flavor:
    description: Name or id of the flavor. Required for V(present).
    type: str
  network:
    description: Name or id of the network that the servers are on. Without it one is made, and a router where there is an external network.
    type: str
  external_network:
    description: Name or id of the network of floating IPs. Without it the only one that the cloud has; none where it has none.
    type: str
  security_group:
    description: Name or id of a security group.
    type: str
  key_name:
    description: The name of a key pair.
    type: str
  user_data:
    description: User data in base64.
    type: str
  availability_zone:
    description: The availability zone, which also may name a host.
    type: str
  probe:
    description:
      - Waits until every server has answered this as well, V(ping), V(ssh[:PORT]), V(tcp:PORT), V(http[:PORT]) or V(https[:PORT]). Without it they
        only have to be ACTIVE.
    type: str
  path:
    description: The page that a probe by HTTP asks for.
    type: str
    default: /
  contains:
    description: Text that this page has to contain.
    type: str
  timeout:
    description: Seconds that all of it may take.
    type: float
    default: 300
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: faultline.openstack.os_cloud_state
"""

EXAMPLES = r"""
- name: Boot two servers for the monitor apps
  faultline.openstack.ha_servers:
    cloud: lab
    prefix: "ha-{{ run_id }}-apps"
    image: tiny
    flavor: m1.tiny
    probe: ssh
  delegate_to: localhost
  register: apps

- name: Take them away
  faultline.openstack.ha_servers:
    cloud: lab
    prefix: "ha-{{ run_id }}-apps"
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "2 servers ha-1-apps-* are ACTIVE"
servers:
  description:
    - Each with C(id), C(name), C(status), C(host), C(fixed), C(floating), and C(address), which is the floating IP where it has one.
  returned: when O(state=present), not in check mode
  type: list
  elements: dict
deleted:
  description: How many things were deleted.
  returned: when O(state=absent), not in check mode
  type: int
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _module
from ..module_utils._ha import _cloud, _probe_servers, _servers

_WANTED = ("count", "image", "flavor", "network", "external_network", "security_group", "key_name", "user_data", "availability_zone")


def run(params, check_mode):
    """The result of the module."""
    servers = _servers.Servers(_cloud.Connection(params), params["prefix"], params["timeout"])
    if check_mode:
        there = len(servers.mine())
        wanted = params["count"] if params["state"] == "present" else 0
        return {"changed": there != wanted, "msg": "%d servers %s-* are there, %d are wanted" % (there, params["prefix"], wanted)}
    if params["state"] == "absent":
        count = servers.absent()
        return {"changed": servers.changed, "deleted": count, "msg": "%d things of %s deleted" % (count, params["prefix"])}
    found = servers.present({name: params[name] for name in _WANTED})
    if params["probe"]:
        targets = [{"name": each["name"], "address": each["address"]} for each in found]
        _probe_servers.wait(targets, params["probe"], params["path"], params["contains"], max(1, servers.end - time.monotonic()))
    words = "answer %s" % params["probe"] if params["probe"] else "are ACTIVE"
    return {"changed": servers.changed, "servers": found, "msg": "%d servers %s-* %s" % (len(found), params["prefix"], words)}


def main():
    spec = {name: {"type": "str"} for name in _WANTED}
    spec.update(
        _cloud.arguments(),
        state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        prefix={"type": "str", "required": True},
        count={"type": "int", "default": 2},
        probe={"type": "str"},
        path={"type": "str", "default": "/"},
        contains={"type": "str"},
        timeout={"type": "float", "default": 300},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, required_if=[("state", "present", ("image", "flavor"))])
    _cloud.hide_only_secrets(module)
    _module.finish(module, lambda: run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
