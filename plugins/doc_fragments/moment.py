# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation of all modules of faults says of the moment at which they fire."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  at:
    description:
      - The moment of the fault, in epoch seconds of the clock of the host that carries it out (the target; for M(faultline.openstack.os_power)
        the controller or the watcher). From half a second to a day away.
      - The task looks at what is to be hit, leaves the fault to that host and answers at once (C(undo.state=scheduled)). A process there
        looks again five seconds before the moment, arms the undo, and injects the fault at the moment itself, with or without a controller.
        So the same fault hits many hosts at the same time, which a task that goes from host to host cannot.
      - O(duration) counts from that moment. What became of it is in M(faultline.openstack.os_fault_info); until then
        M(faultline.openstack.os_fault_undo) and a reboot disarm it. Excludes O(wait).
    type: float
    version_added: 0.1.0
"""
