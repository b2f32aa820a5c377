#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell which machine a host is, and whether it is on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_power_info
short_description: Tell which machine a host is, and whether it is on
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Asks the power drivers of the inventory for the machine that a host is, and for its state. It runs on the controller by itself; the
    host need not answer.
options:
  power:
    description: As O(faultline.openstack.os_power#module:power).
    type: list
    elements: dict
    default: []
  node:
    description: As O(faultline.openstack.os_power#module:node).
    type: str
  libvirt_name:
    description: As O(faultline.openstack.os_power#module:libvirt_name).
    type: str
  mac:
    description: As O(faultline.openstack.os_power#module:mac).
    type: str
  fqdn:
    description: As O(faultline.openstack.os_power#module:fqdn).
    type: str
  watcher:
    description: As O(faultline.openstack.os_power#module:watcher).
    type: str
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.info_module
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.os_power
"""

EXAMPLES = r"""
- name: See which hosts are off
  faultline.openstack.os_power_info:
  register: power

- name: Insist that none is
  ansible.builtin.assert:
    that: power.state == "on"
"""

RETURN = r"""
msg:
  description: The state, in one sentence.
  returned: always
  type: str
  sample: "node-1: BMC 10.30.0.11:623 is on"
driver:
  description: The driver that knows the host.
  returned: success
  type: str
machine:
  description: The machine in words.
  returned: success
  type: str
state:
  description: V(on), V(off), V(paused), V(suspended), V(crashed) or V(unknown).
  returned: success
  type: str
actions:
  description: The actions that O(faultline.openstack.os_power#module:action) has for it.
  returned: success
  type: list
  elements: str
facts:
  description: What else the driver says, as C(uuid), or C(snapshots) of a libvirt domain.
  returned: success
  type: dict
open:
  description: Ids of our open faults on this machine.
  returned: success
  type: list
  elements: str
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _module, _power_faults


def main():
    wanted = ("power", "node", "libvirt_name", "mac", "fqdn", "watcher")
    spec = {name: each for name, each in _power_faults.arguments().items() if name in wanted}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    _power_faults.hide_only_secrets(module)
    _module.finish(module, lambda: _power_faults.info(module.params, module.warn))


if __name__ == "__main__":
    main()
