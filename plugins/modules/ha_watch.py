#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follow a run while it lasts, and say when it has to be ended."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_watch
short_description: Follow a run while it lasts, and say when it has to be ended
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Tells what happens, one line per event and one every few seconds, until the end of the phase.
  - Ends early (RV(aborted)) when a condition of the scenario's C(abort) comes true, or a fault cannot be undone.
options:
  phase:
    description:
      - V(baseline) lasts as long as the scenario says; V(disruption) as long as the schedule, with the time to cool down.
      - V(arming) only asks the cloud which routers are in debug, and notes in C(run.json) which injections are left alone for that. V(disruption) goes on
        asking, and has taken back from the hosts what has not begun. Without O(cloud), O(auth) and C(OS_*) nothing is asked.
    type: str
    choices: [baseline, arming, disruption]
    default: disruption
  every:
    description: Seconds between two lines of progress.
    type: float
    default: 5
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: none
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.run
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.ha_report
notes:
  - The role P(faultline.openstack.ha_test#role) and the playbook C(faultline.openstack.ha_test) put these together.
"""

EXAMPLES = r"""
- name: Watch
  faultline.openstack.ha_watch:
    run: ha-runs/20261120-101500-failover
  register: watched
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
aborted:
  description: Why the run has to be ended, or C(null).
  returned: success
  type: str
failure:
  description: The reason of a failure, for programs. C(code) is a stable word.
  returned: failed
  type: dict
"""

from ..module_utils import _ha_arguments


def main():
    _ha_arguments.refuse("ha_watch", _ha_arguments.watch())


if __name__ == "__main__":
    main()
