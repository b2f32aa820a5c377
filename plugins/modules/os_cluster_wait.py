#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait until every VM of a cluster really answers, and let ssh know them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_cluster_wait
short_description: Wait until every VM of a cluster really answers, and let ssh know them
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Blocks until each VM of a session (M(faultline.openstack.os_cluster)) answers a ping and lets one in by key, all VMs side by side. Tells what
    happens, one line per VM and one every few seconds.
  - The time limit begins again whenever a VM gets further. A VM that goes to ERROR or is deleted meanwhile ends the wait at once.
  - Then C(known_hosts) is right for the addresses and the host names of the VMs. Keys of other hosts that had them before are removed, hashed entries
    too, the VMs' keys are added once, and every other byte of the file is as it was. The keys are those that the VM shows at the first login; there
    is nothing to compare them with.
  - In the end it writes the state file, with host names and disks, as they are in the VM.
options:
  session:
    description:
      - The session, or V(current) for that of this terminal or CI job. The one of O(state_file) by default, else the current one.
    type: str
  state_file:
    description: The state file, in JSON. It is read for the session, and written with what the cloud and the VMs say now.
    type: path
  account_file:
    description: An account file of the older scripts, INI with C([main]) and C(username), C(password), C(auth_url), C(tenant).
    type: path
  user:
    description: Who logs in.
    type: str
    default: root
  port:
    description: The port of the VMs' SSH servers.
    type: int
    default: 22
  private_key:
    description: The private key. Those of your SSH agent and ssh's usual ones by default.
    type: path
  ssh_args:
    description: More arguments for ssh, each an item.
    type: list
    elements: str
    default: []
  ping:
    description: Whether a VM has to answer pings.
    type: bool
    default: true
  known_hosts:
    description: The file that is put right.
    type: path
    default: ~/.ssh/known_hosts
  hash_known_hosts:
    description: Whether names are hashed there. What your ssh does (C(HashKnownHosts)) by default.
    type: bool
  timeout:
    description: Seconds without any VM getting further, after which the wait fails.
    type: float
    default: 300
  every:
    description: Seconds between two lines of progress.
    type: float
    default: 5
  forks:
    description: How many VMs are asked at the same time.
    type: int
    default: 20
attributes:
  check_mode:
    support: full
    details:
      - Tells which VMs would be waited for.
  diff_mode:
    support: none
  idempotent:
    support: full
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
seealso:
  - module: faultline.openstack.os_cluster
  - module: faultline.openstack.os_cluster_info
notes:
  - Runs on the controller, whatever host the task is for, with C(ssh), C(ssh-keyscan) and openstacksdk there.
  - A VM may say any host name of itself. One is taken into C(known_hosts) when it is the server's name or leads to one of its addresses; when it leads
    nowhere, as long as it replaces no other key; else it is left alone, and told.
  - Of the VM's other addresses those are learned that lead from here to the same keys.
"""

EXAMPLES = r"""
- name: Wait for the current session
  faultline.openstack.os_cluster_wait:
    cloud: lab
    state_file: cluster.json
  delegate_to: localhost
  register: waited
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "5 VMs answer, the last one after 31.5 s"
session:
  description: The session that was waited for.
  returned: success
  type: str
instances:
  description:
    - The VMs as in M(faultline.openstack.os_cluster_info), with C(VM_HOSTNAME_SHORT), C(VM_HOSTNAME_LONG) and C(VM_DISK) as in the state file,
      and C(host_keys), the fingerprints of their host keys.
    - C(VM_DISK) is what lsblk says there, or what its kernel says, or empty.
  returned: success
  type: list
  elements: dict
known_hosts:
  description:
    - C(path); C(removed) and C(added), each a list of C(name) and C(type); C(left), a list of C(name) and C(why), names that were left alone.
  returned: success, not in check mode
  type: dict
seconds:
  description: How long it took.
  returned: success, not in check mode
  type: float
state_file:
  description: The state file, or C(null).
  returned: success
  type: str
failure:
  description: The reason of a failure, for programs. C(details.missing) tells what each VM did not answer.
  returned: failed
  type: dict
"""

from ..module_utils import _cluster_wait_arguments, _ha_arguments


def main():
    _ha_arguments.refuse("os_cluster_wait", _cluster_wait_arguments.wait(), supports_check_mode=True)


if __name__ == "__main__":
    main()
