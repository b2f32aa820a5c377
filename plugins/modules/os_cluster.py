#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build up a cluster of test VMs from a steering file, and tear it down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_cluster
short_description: Build up a cluster of test VMs from a steering file, and tear it down
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Boots the VMs that a steering file describes, all at once, waits until they are ACTIVE, and tears them down again with all that was made for them.
  - Every VM belongs to a session, which it bears as metadata together with the terminal or CI job that it was built up from. The cloud is the truth, no
    file is needed to find it again.
  - It runs where openstacksdk is and the cloud's APIs can be reached, as on the controller.
options:
  state:
    description:
      - V(present) boots what is missing of the cluster, and again what is in ERROR. V(absent) deletes sessions, and waits until they are gone.
    type: str
    choices: [present, absent]
    default: present
  steering:
    description:
      - The steering file, in JSON or YAML, or what it holds as a dictionary. Required for O(state=present). It is checked to the last key before the
        cloud is asked for anything.
    type: raw
  session:
    description:
      - The session, a UUID, or V(current) for the one that was built up last from this terminal or CI job. With O(state=present) a new one by
        default, with O(state=absent) those of this terminal or CI job.
      - A session that has VMs is added to, and nothing else is torn down for it.
    type: str
  all:
    description: With O(state=absent), all sessions of the project.
    type: bool
    default: false
  older_than:
    description: With O(state=absent), all sessions that are older, in seconds or as text such as V(2 hours) or V(1 day).
    type: str
  auto_teardown:
    description:
      - With O(state=present), tear down first what was built up earlier from the same terminal or CI job, when the session has no VM yet. What the
        cloud does not have is told before that.
    type: bool
    default: true
  on_failure:
    description:
      - What becomes of what was made when the buildup fails. V(keep) leaves it in its session, and lists it in C(failure.details). V(teardown) deletes it.
    type: str
    choices: [keep, teardown]
    default: keep
  wait:
    description: Wait until all VMs are ACTIVE. It always waits where a floating IP is wanted.
    type: bool
    default: true
  timeout:
    description: Seconds that all of it may take.
    type: float
    default: 900
  public_key:
    description:
      - The file of the public key that lets you in, on the controller. The first of C(id_ed25519.pub), C(id_ecdsa.pub) and C(id_rsa.pub) in
        C(~/.ssh) by default. No key with an empty text.
    type: str
  state_file:
    description:
      - A state file for test scripts, on the controller, written when the task ends. With O(state=absent) the session that it
        holds is the default of O(session); with O(state=present) it is only written, as the cloud is what counts.
    type: path
  account_file:
    description: An account file of the C(osweint) scripts, on the controller, in place of O(cloud) or O(auth).
    type: path
  user_data:
    description:
      - User data by the identifier of an instance, beside that of the steering file. It may hold secrets, and is not logged.
    type: dict
  origin:
    description:
      - Where the cluster is built up from, as metadata such as C(JENKINS_EXECUTOR_NUMBER). What the variables of the controller's environment say by
        default.
    type: dict
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
attributes:
  check_mode:
    support: full
    details: Lists what would be booted and removed.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: With the same O(session). Without it each buildup is a new session.
notes:
  - Key pairs belong to the user of the login. Another user of the project cannot delete them.
seealso:
  - module: faultline.openstack.os_cluster_info
"""

EXAMPLES = r"""
- name: Build up a cluster
  faultline.openstack.os_cluster:
    cloud: lab
    steering: ceph.json
  delegate_to: localhost
  register: cluster

- name: Boot what is missing of it
  faultline.openstack.os_cluster:
    cloud: lab
    steering: ceph.json
    session: "{{ cluster.session }}"
  delegate_to: localhost

- name: Tear it down
  faultline.openstack.os_cluster:
    cloud: lab
    state: absent
    session: "{{ cluster.session }}"
  delegate_to: localhost

- name: Tear down what has been forgotten
  faultline.openstack.os_cluster:
    cloud: lab
    state: absent
    older_than: 1 day
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "session 5f0c7a1e-c66b-11f0-9d3a-5b1e2f0a9c11: 5 VMs, of which 5 were booted"
session:
  description: The session that was built up, or the only one that was torn down.
  returned: success
  type: str
sessions:
  description: The sessions that were torn down, the previous one of this terminal or CI job before a buildup too.
  returned: success
  type: list
  elements: str
instances:
  description:
    - The VMs of the session, each with C(id), C(we_id), C(name), C(session), C(type) (the instance's identifier in the steering file), C(created),
      C(status), C(task_state), C(fault), C(labels), C(image), C(flavor), C(networks), C(address), C(floating), C(host), C(metadata).
  returned: when O(state=present), not in check mode
  type: list
  elements: dict
removed:
  description: What was deleted, or would be in check mode, each with C(kind), C(id), C(name), C(session).
  returned: success
  type: list
  elements: dict
made:
  description: How much was made, by kind.
  returned: when O(state=present), not in check mode
  type: dict
wanted:
  description: The VMs that would be booted, each with C(type), C(number), C(image), C(flavor), C(labels).
  returned: when O(state=present), in check mode
  type: list
  elements: dict
failure:
  description:
    - The reason of a failure, for programs. C(code) is a stable word, C(details) has C(session), C(made) and C(instances), or C(asked) when the cloud
      does not answer.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._cluster import _runs
from ..module_utils._fault import _module
from ..module_utils._ha import _cloud


def main():
    spec = dict(_cloud.arguments(), **_runs.arguments())
    module = AnsibleModule(
        argument_spec=spec, supports_check_mode=True, required_if=[("state", "present", ("steering",))], mutually_exclusive=[("session", "all", "older_than")])
    _cloud.hide_only_secrets(module)
    _module.finish(module, lambda: _runs.change(module.params, module.check_mode))


if __name__ == "__main__":
    main()
