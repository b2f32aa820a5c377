# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The attributes of every module, as documentation fragments."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and tells what it would do, without touching the target.
  diff_mode:
    description: Returns what has changed, or would change, when in diff mode.
  idempotent:
    description:
      - When run twice in a row with the same arguments, the second run changes nothing.
      - This assumes that nothing else has acted on the target in between.
"""

    # The module belongs to the action group of the collection.
    ACTIONGROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/faultline.openstack.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - faultline.openstack.all
"""

    # The module only looks.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module does not change anything on the target.
  diff_mode:
    support: N/A
    details:
      - This module does not change anything on the target.
  idempotent:
    support: full
    details:
      - This module does not change anything on the target.
"""
