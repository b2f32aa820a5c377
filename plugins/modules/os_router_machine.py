#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Give an event to the state machines of routers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_router_machine
short_description: Give an event to the state machines of routers
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Walks the state machine of each router that is meant until it rests. It looks at the router, decides from that, from the event and from what it
    remembers, does at most what its limits allow, and remembers.
  - This is what the rulebook C(faultline.openstack.routers) runs for each event. It can be run by hand or by cron as well.
  - A router has a machine for each O(state_dir), and whoever changes a router has claimed it before by a tag in the cloud, so that two orchestrators never
    work on one at once.
  - It runs where openstacksdk is and the cloud's APIs can be reached, as on the controller.
options:
  event:
    description:
      - V(poll) looks, and mends what is not well. V(create) and V(delete) are as V(poll) for what others have done.
      - V(update) has Neutron tell the L3 agents to configure the router again. V(rebuild) makes it anew, whatever its health is, and takes it out of the state
        C(error).
    type: str
    default: poll
    choices: [poll, create, update, delete, rebuild]
  router:
    description:
      - These routers, by id, the beginning of an id (at least four characters) or name. V(*) is all, V(error) all whose health is not C(ok). An id that
        the cloud does not have is forgotten.
    type: list
    elements: str
  project:
    description: The routers of this project, by id or name.
    type: str
  all:
    description: All routers. One of O(router), O(project) and O(all) is needed.
    type: bool
    default: false
  probed:
    description: What the network nodes said, as the playbook C(faultline.openstack.router_orchestrate) asks them. It makes part of the health.
    type: list
    elements: dict
  state_dir:
    description:
      - The folder in which the machines remember, a file for each router. The default is C(faultline/routers) in E(XDG_STATE_HOME), which is
        C(~/.local/state) where it is not set.
    type: path
  owner:
    description: The name that a claim bears, of letters, digits and C(_.-), at most 20. The default is made of the host's name and the number of the process.
    type: str
  patience:
    description: Seconds that something has to be wrong before anything is done about it.
    type: float
    default: 20
  settle:
    description: Seconds that a configuration that was pushed may take to show.
    type: float
    default: 30
  rebuilds:
    description:
      - Rebuilds of one router within O(window). One more, and the router is in the state C(error) until that time is over or somebody asks for a rebuild.
    type: int
    default: 3
  window:
    description: Seconds in which rebuilds are counted.
    type: float
    default: 3600
  backoff:
    description: Seconds between a rebuild and the next one, doubled with each within O(window), at most 900.
    type: float
    default: 60
  timeout:
    description: Seconds that a rebuild of one router may take.
    type: float
    default: 180
  at_once:
    description: Routers that are worked on side by side.
    type: int
    default: 4
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: A router that is well is left as it is, unless an update or a rebuild is asked for.
notes:
  - A router in debug is left alone, and the event is counted. Once it is out of debug, the next event catches up by one poll.
  - docs/guides/routers.md has the states and what leads from one to another.
seealso:
  - module: faultline.openstack.os_router
  - module: faultline.openstack.os_router_info
"""

EXAMPLES = r"""
- name: Mend what is broken, once
  faultline.openstack.os_router_machine:
    cloud: lab
    all: true
    patience: 0
  delegate_to: localhost
  register: mended

- name: Say what was done
  ansible.builtin.debug:
    msg: "{{ mended.machines | map(attribute='why') }}"
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "1 router: 1 alive; web: on net2 and net3 after 31.4 s, of which it was down for 4.6 s"
machines:
  description: The machines that the event was given to.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The id of the router.
      type: str
    name:
      description: Its name.
      type: str
    state:
      description: >-
        Where it rests, C(alive), C(wait), C(error), C(ignored) (in debug) or C(exit) (gone); C(busy) where another process is at it. In check mode the state
        that the first effect would lead to.
      type: str
    why:
      description: Why it is there.
      type: str
    health:
      description: The health of the router, as in M(faultline.openstack.os_router_info).
      type: str
    reason:
      description: What is wrong with it.
      type: str
    changed:
      description: Whether anything was done to the router.
      type: bool
    steps:
      description:
        - The walk, each step with C(at) (epoch seconds), C(state), C(event), C(next), C(why), C(effect) (V(push), V(give), V(move), V(forget) or none) and
          C(outcome).
      type: list
      elements: dict
    rebuild:
      description: As in RV(faultline.openstack.os_router#module:rebuilds), where it was rebuilt.
      type: dict
state_dir:
  description: The folder in which the machines remember.
  returned: success
  type: str
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _module
from ..module_utils._ha import _cloud
from ..module_utils._router import _machines


def main():
    module = AnsibleModule(
        argument_spec=dict(_cloud.arguments(), **_machines.arguments()), supports_check_mode=True, required_one_of=[("router", "project", "all")],
        mutually_exclusive=[("all", "router"), ("all", "project")])
    _cloud.hide_only_secrets(module)
    _module.finish(module, lambda: _machines.act(module.params, module.check_mode))


if __name__ == "__main__":
    main()
