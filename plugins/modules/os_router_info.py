#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell the routers of a cloud, with their agents, ports and health."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_router_info
short_description: Tell the routers of a cloud, with their agents, ports and health
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Tells every router of Neutron with its project, the L3 agents that have it, which of them is active and which are dead, its gateway and interfaces, its age,
    whether it is in debug and why, and when it was rebuilt last.
  - The number of questions does not grow with the number of routers.
  - It runs where openstacksdk is and the cloud's APIs can be reached, as on the controller, and only asks.
options:
  router:
    description: Only these, by id, the beginning of an id (at least four characters) or name. V(*) is all, V(error) all whose health is not C(ok).
    type: list
    elements: str
  project:
    description: Only those of this project, by id or name.
    type: str
  debug:
    description: Only those that are in debug, by a mark of their own, of their project or of the whole cloud; or only those that are not.
    type: bool
  management:
    description: Whether the management addresses of service VMs are told too, as those of Astara have them, on ports named C(ASTARA:MGT:<router id>).
    type: bool
    default: false
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
  - faultline.openstack.attributes.info_module
notes:
  - Agents, hosts and other projects are told to administrators. Who is none sees the routers of the project, and their health as far as their ports show it.
seealso:
  - module: faultline.openstack.os_router
"""

EXAMPLES = r"""
- name: Look at all routers
  faultline.openstack.os_router_info:
    cloud: lab
  delegate_to: localhost
  register: found

- name: Look at those that are not well
  faultline.openstack.os_router_info:
    cloud: lab
    router: error
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What is there, in one sentence.
  returned: always
  type: str
  sample: "12 routers: 11 ok, 1 degraded; 1 in debug"
routers:
  description: The routers, by name.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
    name:
      description: Its name, which may be empty.
      type: str
    project:
      description: The id of its project.
      type: str
    project_name:
      description: The name of its project, C(null) where the login may not see it.
      type: str
    status:
      description: What Neutron says, as C(ACTIVE).
      type: str
    admin_state_up:
      description: Whether it is switched on.
      type: bool
    ha:
      description: Whether it is highly available (VRRP).
      type: bool
    distributed:
      description: Whether it is distributed.
      type: bool
    agents:
      description: The L3 agents that have it, each with C(host), C(id), C(alive) and C(state) (C(active), C(standby) or C(unknown)).
      type: list
      elements: dict
    active:
      description: The host whose agent is active, C(null) where there is none, or several.
      type: str
    gateway:
      description:
        - Its way out, C(null) where it has none, with C(port), C(network), C(addresses), C(next_hops) (the gateways of the external subnets), C(status),
          C(host).
      type: dict
    interfaces:
      description: Its interfaces, each with C(port), C(network), C(subnet), C(address), C(cidr), C(status), C(host).
      type: list
      elements: dict
    management:
      description: The management addresses of its service VM, with O(management).
      type: list
      elements: str
    created:
      description: When it was created, as Neutron writes it.
      type: str
    age:
      description: Seconds since then.
      type: int
    debug:
      description: What keeps automation away from it, C(by) (C(router), C(project) or C(global)) and C(reason); C(null) where nothing does.
      type: dict
    rebuilt:
      description: When M(faultline.openstack.os_router) rebuilt it last, in UTC.
      type: str
    claimed:
      description: Who has it in hand right now, C(by), and C(until) when at most, in UTC; C(null) where nobody has.
      type: dict
    spare:
      description: The hosts of the L3 agents that do not have it and could take it.
      type: list
      elements: str
    health:
      description: What the control plane says, C(ok), C(degraded) or C(down). A router without gateway and interfaces is C(ok).
      type: str
    reason:
      description: Why it is not C(ok).
      type: str
    problems:
      description: The same for programs, each with C(level), C(code), C(text).
      type: list
      elements: dict
table:
  description: The routers as lines for a person, the first of which names the columns. An agent that is active bears a C(*), one that is dead a C(!).
  returned: success
  type: list
  elements: str
global:
  description: The C(reason) why all routers are in debug; C(null) when they are not.
  returned: success
  type: dict
debug_projects:
  description: The projects that are in debug, with or without routers, each with C(id), C(name), C(reason).
  returned: success
  type: list
  elements: dict
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _module
from ..module_utils._ha import _cloud
from ..module_utils._router import _runs


def main():
    module = AnsibleModule(argument_spec=dict(_cloud.arguments(), **_runs.info_arguments()), supports_check_mode=True)
    _cloud.hide_only_secrets(module)
    _module.finish(module, lambda: _runs.info(module.params))


if __name__ == "__main__":
    main()
