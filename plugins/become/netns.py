# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Become root in a network namespace."""

from __future__ import annotations

DOCUMENTATION = r"""
name: netns
short_description: Become root in a network namespace
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Runs any module in a network namespace of a host, as in that of a router (C(qrouter-<id>)) on its network node, by C(ip netns exec).
  - Where the login is not root, C(sudo) is asked first.
  - What is not of the network is the host's, as its files and its processes.
options:
  namespace:
    description: The name of the namespace, as C(ip netns) lists it.
    type: str
    required: true
    vars:
      - name: ansible_netns
  become_user:
    description:
      - Nothing sets it. Ansible leaves out becoming the user who has logged in, but a namespace has to be entered by root as well.
    type: str
  user:
    description: Entering a namespace takes root, so no other user can be had.
    type: str
    default: root
    vars:
      - name: ansible_become_user
    keyword:
      - name: become_user
  become_exe:
    description: The program C(ip).
    type: str
    default: ip
    vars:
      - name: ansible_netns_exe
  become_flags:
    description: Options for C(sudo), where the login is not root.
    type: str
    default: -H -n
    vars:
      - name: ansible_netns_flags
  become_pass:
    description: The password for C(sudo).
    type: str
    vars:
      - name: ansible_become_password
      - name: ansible_become_pass
    env:
      - name: ANSIBLE_BECOME_PASS
seealso:
  - plugin: faultline.openstack.os_routers
    plugin_type: inventory
"""

EXAMPLES = r"""
# with the inventory plugin os_routers, a router is a host:
#   ansible router_edge -i os-faults.yaml -i routers.yml -m command -a "ip route"
- name: See what a router's DHCP server hands out
  ansible.builtin.command: ip -brief address
  become: true
  become_method: faultline.openstack.netns
  vars:
    ansible_netns: qdhcp-02996e4f-85c4-4871-8f44-20407dd2ccd4
  changed_when: false
"""

import shlex

from ansible.errors import AnsibleError
from ansible.plugins.become import BecomeBase

from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils import _netns


class BecomeModule(BecomeBase):
    name = "faultline.openstack.netns"
    # what sudo says
    fail = ("Sorry, try again.",)
    missing = ("Sorry, a password is required to run sudo", "sudo: a password is required")

    def build_become_command(self, cmd, shell):
        super().build_become_command(cmd, shell)
        if not cmd:
            return cmd
        user = self.get_option("user") or "root"
        if user != "root":
            raise AnsibleError(f"Nobody but root can enter a network namespace, and become_user is {user}. Leave it out, or use runuser in the command.")
        words = ["sudo", *shlex.split(self.get_option("become_flags") or "")]
        if self.get_option("become_pass"):
            # one word, as the shell splits what it is told
            self.prompt = f"password-for-netns-{self._id}:"
            words = [word for word in words if word not in ("-n", "--non-interactive")] + ["-S", "-p", self.prompt]
        try:
            return _netns.command(
                str(self.get_option("namespace")), self._build_success_command(cmd, shell), " ".join(words), shlex.quote(self.get_option("become_exe")))
        except FaultlineError as exc:
            raise AnsibleError(exc.text) from None
