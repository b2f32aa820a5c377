#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Poll, rebuild and update routers, take them out of automation and put them back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_router
short_description: Poll, rebuild and update routers, and take them out of automation
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Does what the operator's tools of Astara do, with the routers of Neutron's L3 agents.
  - What is in debug is marked in the cloud, by tags on routers and projects, so that all who look see it and there is nothing else to be kept.
  - It runs where openstacksdk is and the cloud's APIs can be reached, as on the controller.
options:
  action:
    description:
      - V(poll) tells the health now. What the data plane says is judged too where O(probed) holds it.
      - V(rebuild) takes a router from its L3 agents and gives it to live ones, so that they make it anew. Agents that are dead lose it. A highly available
        router is rebuilt where it is standby first, so that it is without service only while one takes over from the other. Where one agent alone is left that
        serves, it keeps the router and is told to configure it again, and the router gets another agent beside it where there is one. It waits until the router
        is well.
      - V(update) has Neutron tell the agents to configure the router again.
      - V(debug) takes routers out of automation, O(reason) says why. V(manage) puts them back, and polls them.
    type: str
    required: true
    choices: [poll, rebuild, update, debug, manage]
  router:
    description:
      - These routers, by id, the beginning of an id (at least four characters) or name. V(*) is all, V(error) all whose health is not C(ok). Those that
        V(*) stands for are rebuilt one after the other.
    type: list
    elements: str
  project:
    description:
      - The routers of this project, by id or name. Without O(router), V(debug) and V(manage) mark the project itself, which holds for its routers of the future
        too, and leaves the marks of single routers as they are.
    type: str
  all:
    description: All routers, for V(poll) the default. V(debug) and V(manage) mark the whole cloud then, routers of the future too.
    type: bool
    default: false
  reason:
    description: Why it is in debug. Without it a reason that is there stays. What makes more than a tag can hold is cut.
    type: str
  agent:
    description: With O(action=rebuild), the host or id of the L3 agent that is to be active. Highly available routers keep a standby elsewhere.
    type: str
  force:
    description:
      - Rebuild or update what is in debug as well. Without it a router in debug that is named is an error, and those that V(*), V(error) or O(project)
        stand for are left alone and listed in RV(skipped).
    type: bool
    default: false
  probed:
    description:
      - With O(action=poll), what the network nodes said, as the playbook C(faultline.openstack.router_poll) asks them. It makes part of the health.
      - With O(action=rebuild) it tells of a router that does not serve although it does for Neutron, so that no agent keeps it.
    type: list
    elements: dict
  ping:
    description:
      - With O(action=rebuild), an IP address that is to answer pings from where this runs, as the floating IP of a server behind the router. It is pinged
        all the time, five times a second, and the rebuild is not done before it answers.
      - For one router only.
    type: str
  timeout:
    description: Seconds that a rebuild of one router may take. With O(driver=astara), that an answer may take.
    type: float
    default: 180
  driver:
    description:
      - Who does it. V(neutron) is Neutron's own L3 agents. V(astara) sends the same action as a command to a running C(astara-orchestrator) by its HTTP API,
        and is done when that has taken it; what comes of it is in its log.
      - V(astara) takes ids, no names. V(rebuild) and V(update) take V(*) and V(error) too, V(poll) is of all routers, O(project) is for V(debug) and V(manage).
        O(agent), O(force) and O(probed) are nothing that Astara could do.
      - Astara is no longer maintained, and its package cannot be installed on a Python of today. This was written by its source, and is tested against a
        server that answers as its API did, and against the event source C(faultline.openstack.rug_api), not against Astara itself.
    type: str
    default: neutron
    choices: [neutron, astara]
  astara_url:
    description:
      - With O(driver=astara), where its API listens, an IPv6 address in brackets. Without a port it is 44250. For V(https) O(verify) and O(cacert) hold too.
    type: str
  astara_token:
    description: A token for what stands before it, sent as a bearer. Astara itself asks for none.
    type: str
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
    details: V(debug) and V(manage) are. V(rebuild) and V(update) act each time, and V(poll) never changes anything.
notes:
  - A rebuild and the marks of projects need an administrator.
  - During a rebuild the router is claimed by a tag, as the orchestrator does, and a router that somebody else has in hand is left to it.
  - A rebuild that fails gives the router back before it ends, to the agents that had it and live, a highly available one also to those that were to have it.
  - C(downtime) is what Neutron knew of it. Agents report to it some seconds after VRRP has switched over, so that traffic stands still for a shorter time.
    What O(ping) tells is the time that traffic stood still, never told shorter than it was, and longer by less than half a second.
  - An agent that is dead while its node lives goes on with the router until it comes back, whatever Neutron does. So where one agent alone is left that
    serves, and none replaces the dead one, that keeps the router too, as the standby that it may still be, unless O(probed) tells that its node is silent.
seealso:
  - module: faultline.openstack.os_router_info
"""

EXAMPLES = r"""
- name: Stop unless all routers are well
  faultline.openstack.os_router:
    cloud: lab
    action: poll
  delegate_to: localhost
  register: polled
  failed_when: polled.health | default('down') != 'ok'

- name: Take a router out of automation
  faultline.openstack.os_router:
    cloud: lab
    action: debug
    router: web
    reason: "its NAT is looked into"
  delegate_to: localhost

- name: Put it back
  faultline.openstack.os_router:
    cloud: lab
    action: manage
    router: web
  delegate_to: localhost

- name: Rebuild what is broken
  faultline.openstack.os_router:
    cloud: lab
    action: rebuild
    router: error
  delegate_to: localhost

- name: Rebuild one, and learn for how long the server behind it could not be reached
  faultline.openstack.os_router:
    cloud: lab
    action: rebuild
    router: web
    ping: 203.0.113.27
  delegate_to: localhost
  register: rebuilt

- name: Leave a whole project alone
  faultline.openstack.os_router:
    cloud: lab
    action: debug
    project: shop
    reason: migration
  delegate_to: localhost

- name: Have Astara rebuild a router
  faultline.openstack.os_router:
    driver: astara
    astara_url: "http://[fdca:3ba5:a17a:acda::1]:44250"
    action: rebuild
    router: 7f8e4c1a-0b6d-4a53-9d0e-2f3b5c6d7e8f
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: "rebuilt 1 router: web is on net1 and net2, active on net2, after 31.4 s, of which it was down for 4.6 s"
health:
  description: The worst of the routers.
  returned: success, with O(driver=neutron)
  type: str
  sample: ok
routers:
  description:
    - The routers as they are now, as M(faultline.openstack.os_router_info) returns them. With O(probed) each has C(probed), whether its active node has
      answered.
  returned: success, with O(driver=neutron)
  type: list
  elements: dict
table:
  description: The same as lines for a person.
  returned: success, with O(driver=neutron)
  type: list
  elements: str
rebuilds:
  description:
    - What was rebuilt, each with C(id), C(name), C(was) (its health before), C(before) and C(after) (hosts), C(active), C(health), C(reason), C(downtime),
      C(seconds), C(steps), each of which has C(at) (seconds) and C(what), and C(pinged), which with O(ping) has C(address), C(sent), C(lost), C(answers)
      (whether it does now), C(downtime) and C(longest), the longest of several outages. In check mode C(id), C(name), C(before), C(after).
  returned: when O(action=rebuild)
  type: list
  elements: dict
updates:
  description: What was updated, each with C(id), C(name), C(agents) (the hosts whose agents were told) and C(dead) (those that could not be).
  returned: when O(action=update)
  type: list
  elements: dict
skipped:
  description: What was left alone, each with C(id), C(name), C(code) and C(why).
  returned: when O(action=rebuild) or O(action=update)
  type: list
  elements: dict
calls:
  description: What was sent, each with C(call), and the C(status) and C(answer) to it.
  returned: when O(driver=astara)
  type: list
  elements: dict
failure:
  description:
    - The reason of a failure, for programs. C(details) has C(steps), C(downtime) and C(pinged) of a rebuild that failed, or C(failed),
      C(rebuilds) and C(skipped) where there were several.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _module
from ..module_utils._ha import _cloud
from ..module_utils._router import _runs


def main():
    module = AnsibleModule(
        argument_spec=dict(_cloud.arguments(), **_runs.arguments()), supports_check_mode=True, mutually_exclusive=[("all", "router"), ("all", "project")])
    _cloud.hide_only_secrets(module)
    _module.finish(module, lambda: _runs.act(module.params, module.check_mode))


if __name__ == "__main__":
    main()
