#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell the VMs and the sessions of clusters that os_cluster has built up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_cluster_info
short_description: Tell the VMs and the sessions of clusters
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Tells which VMs of M(faultline.openstack.os_cluster) are in the cloud, those of the C(osweint) scripts too, and which sessions they belong to.
options:
  what:
    description: What is told.
    type: list
    elements: str
    choices: [instances, sessions]
    default: [instances, sessions]
  session:
    description: Only this session; V(current) is that of this terminal or CI job.
    type: str
  current:
    description: Only the session of this terminal or CI job.
    type: bool
    default: false
  state_file:
    description:
      - A state file for test scripts, on the controller, that is written again with what the cloud says, of the session that O(session) or O(current)
        mean, else of the one that it holds, else of the current one. What a look into the VMs told is kept. Nothing else is changed by this.
    type: path
  account_file:
    description: An account file of the C(osweint) scripts, on the controller, in place of O(cloud) or O(auth).
    type: path
  origin:
    description: Where this is, as for M(faultline.openstack.os_cluster).
    type: dict
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
  - faultline.openstack.attributes.info_module
seealso:
  - module: faultline.openstack.os_cluster
"""

EXAMPLES = r"""
- name: Look at the cluster of this terminal
  faultline.openstack.os_cluster_info:
    cloud: lab
    current: true
  delegate_to: localhost
  register: cluster

- name: Write a state file that was lost once more
  faultline.openstack.os_cluster_info:
    cloud: lab
    session: current
    state_file: cluster.json
  delegate_to: localhost

- name: Look at all sessions
  faultline.openstack.os_cluster_info:
    cloud: lab
    what: sessions
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What is there, in one sentence.
  returned: always
  type: str
  sample: "2 sessions, 7 VMs"
instances:
  description: The VMs, as M(faultline.openstack.os_cluster) returns them.
  returned: when O(what) has V(instances)
  type: list
  elements: dict
sessions:
  description:
    - The sessions, the newest first, each with C(session), C(origin) (words), C(where) (metadata), C(created) (epoch seconds), C(instances) (how many),
      C(things) (how much of each kind is there), and C(current), whether it is the newest of this terminal or CI job.
  returned: when O(what) has V(sessions)
  type: list
  elements: dict
current:
  description: The newest session of this terminal or CI job, C(null) where there is none.
  returned: success
  type: str
state_file:
  description: The state file.
  returned: when O(state_file) is given
  type: str
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._cluster import _runs
from ..module_utils._fault import _module
from ..module_utils._ha import _cloud


def main():
    spec = dict(_cloud.arguments(), **_runs.info_arguments())
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, mutually_exclusive=[("session", "current")])
    _cloud.hide_only_secrets(module)
    _module.finish(module, lambda: _runs.info(module.params))


if __name__ == "__main__":
    main()
