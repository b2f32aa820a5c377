#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Browse routers on a full screen, and act on them by keys."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_router_console
short_description: Browse routers on a full screen, and act on them by keys
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Shows the routers of M(faultline.openstack.os_router_info) on the whole terminal, until it is left. They are looked at again every few seconds. The
    playbook C(faultline.openstack.router_console) calls it.
  - "Keys: C(j), C(k) and the arrows move; C(r) rebuilds, once you have said yes; C(u) updates; C(d) puts in debug, with a reason; C(m) puts back; C(/) shows
    only the rows with all of some words, C(Escape) all again; C(g) looks at once; C(q) leaves."
  - "For pipes: C(python3 -m ansible_collections.faultline.openstack.plugins.plugin_utils._router_console --cloud lab --dump), with the directory of
    C(ansible_collections) in C(PYTHONPATH)."
options:
  project:
    description: Only the routers of this project, by name or id.
    type: str
  every:
    description: Seconds between two looks, 1 at least.
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
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
requirements:
  - textual for the Python that runs Ansible
seealso:
  - module: faultline.openstack.os_router_info
  - module: faultline.openstack.os_router
notes:
  - Needs a terminal that C(ansible-playbook) was started on, and runs on the controller whatever host the task is for. On Linux only.
"""

EXAMPLES = r"""
# ansible-playbook faultline.openstack.router_console -e router_cloud=lab
- name: Browse
  faultline.openstack.os_router_console:
    cloud: lab
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "the console was left"
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ..module_utils import _ha_arguments, _router_console_arguments


def main():
    _ha_arguments.refuse("os_router_console", _router_console_arguments.console())


if __name__ == "__main__":
    main()
