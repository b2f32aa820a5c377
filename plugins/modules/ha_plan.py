#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and check a scenario, and make the schedule of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_plan
short_description: Read and check a scenario, and make the schedule of a run
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Reads a scenario of an availability test, or a Cloud99 configuration as it is, checks all of it, chooses the hosts of each disruption, and makes
    one schedule of all injections. With O(dir) it makes the directory of a run as well.
  - Connects to no host. With O(dir) it asks the cloud which routers are in debug, if something is going to be done to nodes or services that routers need, and
    leaves these alone. A choice avoids their nodes, and a disruption that names them is an error.
  - A process of its own then guards the run. If the playbook goes before the run has ended, it undoes all faults.
options:
  scenario:
    description: The path of the file, or the same as a dictionary.
    type: raw
    required: true
  dir:
    description: Where to make the directory of the run. Without it nothing is written.
    type: path
  cloud:
    description: A name of C(clouds.yaml), instead of the scenario's.
  seed:
    description: Makes the same choices again. The scenario's by default, and else a new one.
    type: str
  override:
    description: Keys of the top of a scenario, as C(baseline) or C(pass), that count instead of the file's. A file of Cloud99 has none of them.
    type: dict
    default: {}
  skip_unmapped:
    description: Leave hosts out that nobody has looked at, rather than name them as RV(unmapped).
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.ha_report
notes:
  - The role P(faultline.openstack.ha_test#role) and the playbook C(faultline.openstack.ha_test) put these together.
"""

EXAMPLES = r"""
- name: What would happen
  faultline.openstack.ha_plan:
    scenario: controller-failover.yml
  register: planned

- name: Tell it
  ansible.builtin.debug:
    msg: "{{ planned.words }}"
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
scenario:
  description: The scenario with every key filled in.
  returned: success
  type: dict
plan:
  description: The schedule, as C(plan.json) of the run holds it.
  returned: when all hosts are known
  type: dict
words:
  description: The schedule, line by line, for a person.
  returned: when all hosts are known
  type: list
  elements: str
targets:
  description: The hosts that are hit.
  returned: when all hosts are known
  type: list
  elements: str
play_hosts:
  description: These, and the hosts that monitors run on.
  returned: when all hosts are known
  type: list
  elements: str
unmapped:
  description: Hosts that M(faultline.openstack.os_cloud_facts) has to look at before a plan can be made.
  returned: success
  type: list
  elements: str
unknown_hosts:
  description: Hosts that the file brings along and the inventory does not have.
  returned: success
  type: dict
credentials:
  description: The login that the file brings along. A result with secrets is shown to nobody.
  returned: success
  type: dict
seed:
  description: The seed.
  returned: success
  type: str
run:
  description: The directory of the run.
  returned: with O(dir)
  type: str
failure:
  description: The reason of a failure, for programs. C(code) is a stable word.
  returned: failed
  type: dict
"""

from ..module_utils import _ha_arguments


def main():
    _ha_arguments.refuse("ha_plan", _ha_arguments.plan(), supports_check_mode=True)


if __name__ == "__main__":
    main()
