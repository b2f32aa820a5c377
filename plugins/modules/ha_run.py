#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the books of a run of an availability test."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_run
short_description: Keep the books of a run of an availability test
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Writes what the other steps of a run find out into its directory, such as phases, the moment of T0, the state of the cloud, and the fate of
    each injection.
options:
  phase:
    description: Begin this phase, which ends the one before.
    type: str
  t0:
    description: Fix the moment at which the schedule begins.
    type: bool
    default: false
  arm_time:
    description: Seconds until the first injection that arming all hosts may take. By the number of hosts and injections by default.
    type: float
  cloud:
    description: What the cloud is, as RV(faultline.openstack.os_cloud_state#module:cloud) says it.
    type: dict
  moment:
    description: Whether O(cloud) is that of before or of after the disruptions.
    type: str
    choices: [before, after]
  environment:
    description: What to note of the surroundings.
    type: dict
  gather:
    description: Put together what the hosts have told of their injections (C(injections.json)).
    type: bool
    default: false
  abort:
    description: Why the run ends early.
    type: str
  end:
    description: End the run.
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
  - faultline.openstack.run
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.ha_report
notes:
  - The role P(faultline.openstack.ha_test#role) and the playbook C(faultline.openstack.ha_test) put these together.
"""

EXAMPLES = r"""
- name: Begin the health check
  faultline.openstack.ha_run:
    run: ha-runs/20261120-101500-failover
    phase: health
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
t0:
  description: The moment at which the schedule begins, in epoch seconds.
  returned: with O(t0)
  type: float
injections:
  description: What became of each injection, as C(injections.json) holds it.
  returned: with O(gather)
  type: list
  elements: dict
open_faults:
  description: Faults that are open on the hosts.
  returned: with O(gather)
  type: list
  elements: dict
residue:
  description: What faults have left behind, with the host.
  returned: with O(gather)
  type: list
  elements: str
errors:
  description: What could not be asked.
  returned: with O(gather)
  type: list
  elements: dict
failure:
  description: The reason of a failure, for programs. C(code) is a stable word.
  returned: failed
  type: dict
"""

from ..module_utils import _ha_arguments


def main():
    _ha_arguments.refuse("ha_run", _ha_arguments.run(), required_together=[["cloud", "moment"]])


if __name__ == "__main__":
    main()
