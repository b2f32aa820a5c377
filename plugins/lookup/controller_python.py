# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Python of what runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: controller_python
author:
  - The Faultline team (@faultline)
version_added: 0.1.0
short_description: The Python interpreter of tasks that run on the controller
description:
  - For the variable C(ansible_python_interpreter) of a play or a task that runs on the controller, beside C(ansible_connection) V(local) and
    C(ansible_become) V(false), whatever host the inventory calls localhost.
  - Gives the interpreter that the inventory names for its localhost, if that is this machine, by the connection V(local); else that of C(ansible-playbook).
options: {}
"""
EXAMPLES = r"""
- name: Look on the controller which hosts it keeps switched off
  faultline.openstack.os_fault_info:
    kind: power
  vars:
    ansible_connection: local
    ansible_become: false
    ansible_python_interpreter: "{{ lookup('faultline.openstack.controller_python') }}"
  run_once: true
"""
RETURN = r"""
_raw:
  description: The path of the interpreter.
  type: list
  elements: str
"""

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        here = variables["hostvars"]["localhost"]
        own = here.get("ansible_python_interpreter") if here.get("ansible_connection") == "local" else None
        return [own or variables["ansible_playbook_python"]]
