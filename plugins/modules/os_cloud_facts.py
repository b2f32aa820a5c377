#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find what runs on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_cloud_facts
short_description: Find the services, containers and networks of a host
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Looks once at a host and tells which OpenStack services and containers are on it and how, what its networks are, and what
    it can do. The facts have the shape that the inventory plugin P(faultline.openstack.os_faults#inventory) gives.
  - A service is on a host if one of its systemd units is loaded and is active, enabled or failed, or if a process matches
    its C(grep). A container is on a host if an engine has one of exactly that name, running or not.
  - Needs no root. Where it was not allowed to see everything, RV(complete) is V(false) and RV(lacking) has the reasons.
  - A definition that cannot be looked for, as one with a name that systemd does not take, costs its own entry only, which is in
    RV(ansible_facts.faultline_unseen) then.
options:
  services:
    description:
      - A dictionary of service definitions, or a list of names.
      - If not set, all services that the inventory defines in C(faultline_service_definitions), and all of the built-in catalogue.
      - Names are looked up in both. What was known before of services that are not named here stays known.
    type: raw
  containers:
    description: The same for containers.
    type: raw
  networks:
    description:
      - The networks to look for, name to a network such as V(10.0.0.0/24), or to a mapping with C(interface) and C(cidr).
      - If not set, C(faultline_networks) of the inventory.
      - The network by which the host is reached is found in any case, as C(management) if that name is free.
    type: dict
  iface:
    description: The interface whose MAC address identifies the host. If not set, the one with the address O(address).
    type: str
  address:
    description: The address by which the host is reached. If not set, C(ansible_host).
    type: str
  timeout:
    description: Seconds that the look may take. What has not answered by then is told in RV(lacking).
    type: float
    default: 30
attributes:
  action:
    support: full
    description: Has an action plugin, which fills in on the controller what the task does not say.
  facts:
    support: full
    description: Returns facts that become known for the host.
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.info_module
  - faultline.openstack.attributes.actiongroup
seealso:
  - plugin: faultline.openstack.os_faults
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Find out what runs on each host
  faultline.openstack.os_cloud_facts:

- name: Find out where memcached and the database run
  faultline.openstack.os_cloud_facts:
    services: [memcached, mysql]
    containers: []

- name: Look for a service of our own
  faultline.openstack.os_cloud_facts:
    services:
      billing:
        driver: system_service
        unit: [billing]
        grep: /opt/billing/bin/serve
    networks:
      storage: 10.72.0.0/16

- name: Tell where the database runs
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} has {{ ansible_facts.faultline_services.mysql.unit | default('a process') }}"
  when: "'mysql' in ansible_facts.faultline_services"
"""

RETURN = r"""
ansible_facts:
  description: What was found.
  returned: success
  type: dict
  contains:
    faultline_services:
      description: Service name to definition, of the services on this host; V({}) if there are none.
      type: dict
      returned: success
      sample:
        mysql: {driver: system_service, unit: [mariadb], grep: mariadbd, active: true, pids: [711]}
    faultline_containers:
      description: Container name to definition, of the containers on this host.
      type: dict
      returned: success
      sample:
        nova_api: {driver: docker_container, container_name: nova_api, engine: docker, id: 4f53cda18c2b, active: true}
    faultline_networks:
      description: Network name to interface, network and MAC address, of the networks that this host is on.
      type: dict
      returned: success
      sample:
        management: {interface: eth0, cidr: 10.71.0.0/16, mac: "02:42:0a:47:00:0b"}
    faultline_unseen:
      description:
        - C(services) and C(containers), name to reason, of what could not be looked for here. It says nothing of whether they are on the host.
      type: dict
      returned: success
      sample:
        services: {nova-compute: "'nova-compute@' is a template: say which instance, as in nova-compute@1"}
        containers: {}
    faultline_host:
      description:
        - The host's C(fqdn), C(mac), C(interfaces), C(init), C(kernel), C(python), and which C(tools) it has.
        - C(engines) has the container engines whose program is there and whose daemon is not, with the reason. A client without any daemon is no engine.
      type: dict
      returned: success
complete:
  description: Whether everything could be seen.
  returned: success
  type: bool
  sample: true
lacking:
  description: What could not be seen, and why.
  returned: success
  type: list
  elements: str
  sample: ["docker ps: permission denied while trying to connect to the Docker daemon socket"]
seconds:
  description: How long the look took on the host.
  returned: success
  type: float
  sample: 0.14
msg:
  description: What was found, in one sentence.
  returned: always
  type: str
  sample: "6 services, 0 containers, 2 networks"
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._probe import probe


def main():
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "raw"},
            "containers": {"type": "raw"},
            "networks": {"type": "dict"},
            "iface": {"type": "str"},
            "address": {"type": "str"},
            "timeout": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    for name in ("services", "containers"):
        if not isinstance(module.params[name] or {}, dict):
            module.fail_json(msg="%s: a list of names needs the controller's half of this module." % name)
    found = probe(module.params)
    facts = {"faultline_" + name: found[name] for name in ("services", "containers", "networks", "host", "unseen")}
    counted = ["%d %s" % (len(found[name]), name) for name in ("services", "containers", "networks")]
    rest = {name: found[name] for name in ("complete", "lacking", "seconds")}
    module.exit_json(changed=False, ansible_facts=facts, msg=", ".join(counted), **rest)


if __name__ == "__main__":
    main()
