#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the ha_report action, which is in plugins/action/."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_report
short_description: Judge a run of ha_test, and report it
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Reads what a run left in its directory on the controller (samples, injections, the cloud before and after), measures availability,
    downtime, recovery and degradation of each series for each disruption, judges the criteria, and writes the report into the same directory.
  - A run that was killed in the middle is evaluated as far as it was sampled. What was not injected, not proven, not held or not sampled is
    C(not evaluated), which never passes.
  - It runs on the controller, connects to nothing, and may be run as often as you like.
options:
  formats:
    description:
      - What to write. V(json) is C(report.json), whose keys C(docs/ha-report.md) tells; V(html) is C(report.html), one file that needs no network;
        V(junit) is C(junit.xml) with a case for each criterion; V(prometheus) is C(faultline_ha.prom) for the textfile collector of the node exporter.
    type: list
    elements: str
    choices: [json, html, junit, prometheus]
    default: [json, html, junit, prometheus]
  fail:
    description:
      - Whether the task fails when the verdict is C(failed). All outputs are written before.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    details:
      - The verdict is returned, and nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - The same run gives the same verdict and figures again, but the files are written anew.
extends_documentation_fragment:
  - faultline.openstack.run
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
requirements:
  - PyYAML on the controller, which ansible-core brings
seealso:
  - module: faultline.openstack.ha_compare
"""

EXAMPLES = r"""
- name: Report a run
  faultline.openstack.ha_report:
    run: .ha/20261120-141300-controller-failover
  delegate_to: localhost
  run_once: true
  register: report

- name: Tell the verdict
  ansible.builtin.debug:
    msg: "{{ report.summary }}"
  run_once: true

- name: Judge again, write only the machine's part, and fail with the verdict
  faultline.openstack.ha_report:
    run: .ha/20261120-141300-controller-failover
    formats: [json, junit]
    fail: true
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
msg:
  description: The verdict, in one line.
  returned: success
  type: str
  sample: "controller-failover (20261120-141300): PASSED: 6 criteria passed, 0 failed, 0 not evaluated"
verdict:
  description: V(passed) or V(failed).
  returned: success
  type: str
  sample: passed
passed:
  description: Whether it is V(passed).
  returned: success
  type: bool
exit_status:
  description: V(0) where every criterion passed, V(1) otherwise.
  returned: success
  type: int
criteria:
  description: Every criterion with its state (C(passed), C(failed), C(not evaluated)), value, error, limit and the reason.
  returned: success
  type: list
  elements: dict
summary:
  description: The report in a few lines for a person.
  returned: success
  type: list
  elements: str
problems:
  description: What was missing or could not be read in the run's directory, in sentences.
  returned: success
  type: list
  elements: str
paths:
  description: The files, by format.
  returned: success
  type: dict
  sample: {json: .ha/run/report.json, html: .ha/run/report.html}
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._report_arguments import report_arguments


def main():
    module = AnsibleModule(argument_spec=report_arguments(), supports_check_mode=True)
    module.fail_json(msg="ha_report is an action of the controller. Call it as faultline.openstack.ha_report, with the collection installed there.")


if __name__ == "__main__":
    main()
