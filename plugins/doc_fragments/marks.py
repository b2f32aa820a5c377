# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation of all modules of faults says of routers that are in debug, as a documentation fragment."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
notes:
  - Where the variable C(faultline_cloud) of the host names a cloud of C(clouds.yaml), its routers that are in debug (M(faultline.openstack.os_router)) are left
    alone. What may take traffic or automation from one of them on this host is refused with the code C(in_debug), and nothing is touched. It is
    refused as well when the cloud cannot be asked. The variable C(faultline_allow_debug=true) overrides that. What undoes is never refused.
"""
