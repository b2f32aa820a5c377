#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Walk the state machine of a router step by step, on a terminal."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_router_step
short_description: Walk the state machine of a router step by step
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Shows each step of the machine of M(faultline.openstack.os_router_machine) before it is done, as C(astara-debug-router) did. It tells the state, what the
    machine sees and remembers, what it decides and why, and what it is about to do; of a rebuild each step of its own.
  - "Keys: C(Enter) does the step, C(s) leaves it out, C(i) shows all that is known of the router as JSON, C(q) quits. A rebuild that is left in the middle
    gives the router back to its agents."
  - The playbook C(faultline.openstack.router_step) calls it.
options:
  router:
    description: The router, by id, the beginning of an id (at least four characters) or name. It has to be in debug, so that the orchestrator leaves it alone.
    type: str
    required: true
  event:
    description: What happens to it.
    type: str
    default: update
    choices: [poll, create, update, delete, rebuild]
  record:
    description: A file to which each step is added as a line of JSON.
    type: path
  state_dir:
    description: Where the machines remember, as for M(faultline.openstack.os_router_machine). It is read, and nothing is written there.
    type: path
  timeout:
    description: Seconds that a rebuild may take, those with it that a person thinks.
    type: float
    default: 180
  force:
    description: Walk a router that is not in debug as well.
    type: bool
    default: false
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: none
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.os_router_machine
  - module: faultline.openstack.os_router
notes:
  - Needs a terminal that C(ansible-playbook) was started on, and runs on the controller whatever host the task is for. On Linux only.
  - "Without a terminal: C(python3 -m ansible_collections.faultline.openstack.plugins.plugin_utils._router_step --cloud lab --router web --yes), with the
    directory of C(ansible_collections) in C(PYTHONPATH)."
  - It looks at the router as Neutron knows it; what its nodes see is polled by the playbook C(faultline.openstack.router_poll).
"""

EXAMPLES = r"""
# ansible-playbook faultline.openstack.router_step -e router_cloud=lab -e router_which=web
- name: Walk an update of a router
  faultline.openstack.os_router_step:
    cloud: lab
    router: web
    record: walk.jsonl
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "the walk is over"
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ..module_utils import _ha_arguments, _router_step_arguments


def main():
    _ha_arguments.refuse("os_router_step", _router_step_arguments.step())


if __name__ == "__main__":
    main()
