#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open a shell on a host, in a network namespace of it, on your terminal."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_router_shell
short_description: Open a shell on a host, in a network namespace of it, on your terminal
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Gives your terminal to a shell in a network namespace of the host, as in that of a router, until the shell ends. The playbook
    C(faultline.openstack.router_ssh) finds the node of a router, or its service VM, and calls it there.
  - It uses Ansible's own SSH connection, with all that is configured of it, and C(ip netns exec), by C(sudo) where the login is not root. C(sudo) may ask
    for its password on the terminal.
options:
  namespace:
    description:
      - The name of the namespace, as C(ip netns) lists it. That of a router is C(qrouter-<id>).
      - Without it the shell is the login's own on the host, as on a service VM that is a router by itself.
    type: str
  command:
    description: A command line to run in place of a shell, as V(tcpdump -ni any icmp). The shell of the host reads it.
    type: str
  label:
    description: What the shell's prompt shows, as the name of the router. Debian's shells do.
    type: str
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: none
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.os_router_info
  - plugin: faultline.openstack.netns
    plugin_type: become
notes:
  - Needs a terminal that C(ansible-playbook) was started on, a connection by C(ssh), a login by key, and one host at a time. On Linux only.
  - Only the network is that of the namespace. Files and processes are the host's.
"""

EXAMPLES = r"""
# ansible-playbook faultline.openstack.router_ssh -i os-faults.yaml -e router_which=edge
- name: Have a look
  faultline.openstack.os_router_shell:
    namespace: qrouter-7a5c04b4-7a69-4a30-b7f2-01bc19a7b173
    label: edge
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "the shell in qrouter-7a5c04b4-7a69-4a30-b7f2-01bc19a7b173 on net1 ended with 0"
status:
  description: What the shell, or the command, has ended with. Whatever it is, the task has not failed.
  returned: success
  type: int
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ..module_utils import _ha_arguments, _router_shell_arguments


def main():
    _ha_arguments.refuse("os_router_shell", _router_shell_arguments.shell())


if __name__ == "__main__":
    main()
