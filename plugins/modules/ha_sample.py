#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start the monitors of a run on a host or on the controller, and bring their samples home."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_sample
short_description: Start and stop the monitors of a run, and bring their samples home
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Starts each monitor of the scenario that belongs to this host by M(faultline.openstack.ha_monitor), as a process of its own. What a host has
    sampled is fetched when they are stopped, so that a cut network loses no sample.
options:
  state:
    description: V(started) or V(stopped).
    type: str
    choices: [started, stopped]
    default: started
  controller:
    description: The monitors of the controller, not those of the host.
    type: bool
    default: false
  endpoints:
    description: The catalogue of the cloud, as RV(faultline.openstack.os_cloud_state#module:endpoints).
    type: dict
    default: {}
  servers:
    description: For each monitor of servers those that M(faultline.openstack.ha_servers) has booted.
    type: dict
    default: {}
  passwords:
    description: For each monitor that logs in by itself, as V(galera), its password.
    type: dict
    default: {}
  resume:
    description:
      - Start again what a reboot of the host has ended, and let it go on in the same files. What runs is left alone.
    type: bool
    default: false
  limit:
    description: Seconds after which a monitor that nobody stops ends by itself.
    type: float
    default: 86400
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: none
extends_documentation_fragment:
  - faultline.openstack.run
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.ha_report
notes:
  - The role P(faultline.openstack.ha_test#role) and the playbook C(faultline.openstack.ha_test) put these together.
"""

EXAMPLES = r"""
- name: Start the monitors of each host
  faultline.openstack.ha_sample:
    run: ha-runs/20261120-101500-failover

- name: Bring the samples
  faultline.openstack.ha_sample:
    run: ha-runs/20261120-101500-failover
    state: stopped
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
clock:
  description: C(offset) (the controller's clock ahead of the host's, in seconds) and C(error).
  returned: when O(state=started)
  type: dict
problems:
  description: Monitors whose samples could not be brought, and why.
  returned: when O(state=stopped)
  type: list
  elements: str
failure:
  description: The reason of a failure, for programs. C(code) is a stable word.
  returned: failed
  type: dict
"""

from ..module_utils import _ha_arguments


def main():
    _ha_arguments.refuse("ha_sample", _ha_arguments.sample())


if __name__ == "__main__":
    main()
