#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tell what is in an OpenStack cloud, and whether it is ready."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_cloud_state
short_description: Tell what is in an OpenStack cloud, and whether it is ready
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Lists servers, ports, volumes, images, routers, allocations, services and agents of all projects, to be compared with a list of another time.
  - It runs where openstacksdk is and the cloud's APIs can be reached, as on the controller, and only asks.
  - A service that the catalogue does not have is no error. What is there and cannot be asked is in RV(cloud.errors).
options:
  ready:
    description:
      - The health check. Waits until every API answers and every service and agent that is enabled is up, at most C(timeout) seconds, and fails
        with the list of those that are not.
    type: dict
    suboptions:
      timeout:
        description: Seconds.
        type: float
        default: 120
      services:
        description: The projects that the catalogue has to have, as C(nova), or types of services.
        type: list
        elements: str
        default: [nova, neutron, glance, placement]
  timeout:
    description: Seconds that the questions about one service of the cloud may take together.
    type: float
    default: 60
  inventory:
    description: Whether RV(cloud) is made. The health check does not need it.
    type: bool
    default: true
extends_documentation_fragment:
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.info_module
  - faultline.openstack.attributes.actiongroup
notes:
  - Lists of all projects need the role admin. Without it they are in RV(cloud.errors), or hold the project's own only, as Nova's and Neutron's policies say.
"""

EXAMPLES = r"""
- name: Stop unless the cloud is ready
  faultline.openstack.os_cloud_state:
    cloud: lab
    ready:
      timeout: 120
    inventory: false
  delegate_to: localhost

- name: Know what is there before it is broken
  faultline.openstack.os_cloud_state:
    cloud: lab
  delegate_to: localhost
  register: before
"""

RETURN = r"""
msg:
  description: What was found, in one sentence.
  returned: always
  type: str
  sample: "the cloud lab: 2 servers, 7 ports, 1 images, 1 routers, 12 services and agents"
cloud:
  description: The inventory.
  returned: when O(inventory)
  type: dict
  contains:
    format:
      description: The version of this form, which is 1.
      type: int
    at:
      description: When the questions began, seconds since the epoch.
      type: float
    servers:
      description: Each with C(id), C(name), C(status), C(task_state), C(host), C(flavor).
      type: list
      elements: dict
    ports:
      description: Each with C(id), C(name), C(status), C(device_id), C(device_owner), C(host).
      type: list
      elements: dict
    volumes:
      description: Each with C(id), C(name), C(status).
      type: list
      elements: dict
    images:
      description: Each with C(id), C(name), C(status).
      type: list
      elements: dict
    routers:
      description: Each with C(id), C(name), C(status), C(agents); each agent with C(host), C(ha_state), C(alive).
      type: list
      elements: dict
    allocations:
      description: Each with C(consumer), C(provider), C(resources), as Placement has them.
      type: list
      elements: dict
    services:
      description: Each with C(kind) (V(compute), V(network) or V(volume)), C(binary), C(host), C(state), C(enabled).
      type: list
      elements: dict
    errors:
      description: What could not be asked, each with C(what) and C(why).
      type: list
      elements: dict
ready:
  description: Whether the cloud is ready, and after how many C(seconds).
  returned: when O(ready)
  type: dict
  sample: {ready: true, seconds: 2.1}
endpoints:
  description: The catalogue, by type of service. C(url) is the one of the interface in use.
  returned: success
  type: dict
  sample: {compute: {name: nova, region: RegionOne, public: "http://10.0.0.10:8774/v2.1", url: "http://10.0.0.10:8774/v2.1"}}
versions:
  description: What the APIs say of their version and highest microversion.
  returned: success
  type: dict
  sample: {compute: {version: "2.1", microversion: "2.93"}}
failure:
  description: The reason of a failure, for programs. C(details.not_ready) lists what is not ready.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _module
from ..module_utils._ha import _cloud, _cloud_state


def state(params):
    """The result of the module."""
    result = {"changed": False}
    if params["ready"] is not None:
        connection, seconds = _cloud_state.wait_ready(params, params["ready"]["timeout"], params["ready"]["services"])
        result["ready"] = {"ready": True, "seconds": round(seconds, 3)}
        result["msg"] = "%s is ready" % connection.words
    else:
        connection = _cloud.Connection(params)
    known = _cloud_state.State(connection, params["timeout"])
    if params["inventory"]:
        cloud = result["cloud"] = known.inventory()
        counted = ["%d %s" % (len(cloud[name]), name) for name in ("servers", "ports", "volumes", "images", "routers") if cloud[name]]
        counted.append("%d services and agents" % len(cloud["services"]))
        result["msg"] = "%s: %s" % (connection.words, ", ".join(counted))
        if cloud["errors"]:
            result["msg"] += "; not asked: %s" % ", ".join(each["what"] for each in cloud["errors"])
    result.setdefault("msg", "%s answers" % connection.words)
    result["endpoints"] = connection.endpoints()
    result["versions"] = known.versions(min(params["timeout"], 20))
    return result


def main():
    module = AnsibleModule(
        argument_spec=dict(
            _cloud.arguments(),
            ready={"type": "dict", "options": {
                "timeout": {"type": "float", "default": 120}, "services": {"type": "list", "elements": "str", "default": list(_cloud_state.EXPECTED)}}},
            timeout={"type": "float", "default": 60},
            inventory={"type": "bool", "default": True},
        ),
        supports_check_mode=True,
    )
    _cloud.hide_only_secrets(module)
    _module.finish(module, lambda: state(module.params))


if __name__ == "__main__":
    main()
