#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leave the injections of a run to a host, or ask what became of them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_inject
short_description: Leave the injections of a run to a host, or ask what became of them
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Measures how far the host's clock is from the controller's, and leaves to the host each injection that the schedule has for it, by the
    module of the fault and its option C(at). The host fires them by its own clock.
  - For a host that the schedule does not have it does nothing.
options:
  state:
    description:
      - V(armed) before they are due; V(told) asks the host's journal what became of them.
      - V(disarmed) takes back what C(run.json) has as left alone since it was armed. What has begun by then is undone.
    type: str
    choices: [armed, disarmed, told]
    default: armed
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
- name: Leave the faults to their targets
  faultline.openstack.ha_inject:
    run: ha-runs/20261120-101500-failover
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
armed:
  description: For each injection the id of its fault, its targets, and the host's clock.
  returned: when O(state=armed)
  type: dict
clock:
  description: C(offset) (the controller's clock ahead of the host's, in seconds) and C(error).
  returned: when O(state=armed)
  type: dict
injections:
  description: What became of them.
  returned: when O(state=told)
  type: list
  elements: dict
open:
  description: All faults that are open on the host.
  returned: when O(state=told)
  type: list
  elements: dict
failure:
  description: The reason of a failure, for programs. C(code) is a stable word.
  returned: failed
  type: dict
"""

from ..module_utils import _ha_arguments


def main():
    _ha_arguments.refuse("ha_inject", _ha_arguments.inject())


if __name__ == "__main__":
    main()
