#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the ha_compare action, which is in plugins/action/."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_compare
short_description: Compare two runs of ha_test
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Puts two runs beside each other, figure by figure, and says which got better or worse beyond the error.
  - A figure is C(better) or C(worse) where the intervals of its two errors do not touch, C(same) where they overlap, and C(not comparable) where
    one of the values or errors is not known. Criteria and findings in the cloud, which have no error, differ where they are unlike.
  - Series are matched by their key, disruptions by their name.
  - It runs on the controller and connects to nothing.
options:
  before:
    description:
      - The directory of a run, or its C(report.json).
    type: path
    required: true
  after:
    description:
      - The directory of the run to compare with it, or its C(report.json).
    type: path
    required: true
  html:
    description:
      - Write the comparison to this file, too, as a page that needs no network.
    type: path
  everything:
    description:
      - Whether RV(items) and RV(table) hold what is the same and what cannot be compared, too.
    type: bool
    default: false
  fail:
    description:
      - Whether the task fails when anything is worse.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    details:
      - The comparison is returned, and nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - The same runs give the same comparison again, but the file is written anew.
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
requirements:
  - PyYAML on the controller, which ansible-core brings
seealso:
  - module: faultline.openstack.ha_report
"""

EXAMPLES = r"""
- name: Did the new release get worse?
  faultline.openstack.ha_compare:
    before: .ha/20261113-090000-controller-failover
    after: .ha/20261120-141300-controller-failover
    html: compare.html
    fail: true
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
msg:
  description: The comparison, in one line.
  returned: success
  type: str
state:
  description: V(worse) where anything is worse, else V(better) where anything is better, else V(same).
  returned: success
  type: str
counts:
  description: How many figures are worse, better, the same, not comparable.
  returned: success
  type: dict
  sample: {worse: 1, better: 4, same: 730, not comparable: 3}
notes:
  description: What only one of the runs has, in sentences.
  returned: success
  type: list
  elements: str
items:
  description: The figures that differ, or all of them with O(everything).
  returned: success
  type: list
  elements: dict
  sample:
    - what: figure
      series: api:nova via vip
      window: kill nova-api service on one node
      metric: downtime
      unit: s
      before: {value: 0.4, low: 0.2, high: 0.6}
      after: {value: 2.2, low: 2.0, high: 2.4}
      change: 1.8
      state: worse
      why: null
table:
  description: The comparison as lines for a person.
  returned: success
  type: list
  elements: str
path:
  description: The page that was written, or null.
  returned: success
  type: str
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._report_arguments import compare_arguments


def main():
    module = AnsibleModule(argument_spec=compare_arguments(), supports_check_mode=True)
    module.fail_json(msg="ha_compare is an action of the controller. Call it as faultline.openstack.ha_compare, with the collection installed there.")


if __name__ == "__main__":
    main()
