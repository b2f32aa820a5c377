# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The VMs of a cluster as hosts, by their labels."""

from __future__ import annotations

DOCUMENTATION = r"""
name: os_cluster
author:
  - The Faultline team (@faultline)
short_description: The VMs of a cluster, in groups by their labels
description:
  - Asks the cloud for the VMs of a session of M(faultline.openstack.os_cluster), and gives them as hosts. Nothing is cached.
  - A host is named after the identifier of its instance in the steering file and its number, as C(mon-1).
  - Each label and value is a group, as C(CEPH_LAYOUT_OSD), every character outside of letters, digits and underscore written as an underscore. The group
    C(os_cluster) has all of them.
  - "A host gets: C(ansible_host), C(ansible_user) and C(ansible_ssh_private_key_file); C(os_cluster), the VM as M(faultline.openstack.os_cluster_info)
    tells it; C(fqdn), the name of the server; and, where O(cloud) is given, C(faultline_power), so that faults of power work by Nova."
  - A VM that has no address yet is left out, with a warning.
extends_documentation_fragment:
  - faultline.openstack.cloud
  - ansible.builtin.constructed
options:
  plugin:
    description: Marks a file as one for this plugin.
    type: str
    required: true
    choices:
      - faultline.openstack.os_cluster
  session:
    description:
      - V(current) is the newest session of this terminal or CI job, V(all) means all sessions of the project. Else the session.
    type: str
    default: current
    env:
      - name: FAULTLINE_CLUSTER_SESSION
  account_file:
    description:
      - An account file of the older scripts, in place of O(cloud) or O(auth). A relative path starts from the file that names it.
    type: path
  user:
    description: Who logs in.
    type: str
    default: root
  private_key:
    description: The private key. Those of your SSH agent and ssh's usual ones by default.
    type: path
seealso:
  - module: faultline.openstack.os_cluster
  - module: faultline.openstack.os_cluster_wait
"""

EXAMPLES = r"""
# cluster.yml
#   ansible-inventory -i cluster.yml --graph
#   ansible-playbook faultline.openstack.disrupt -i cluster.yml -e '{"fault": "reboot one node in CEPH_LAYOUT_MON"}'
plugin: faultline.openstack.os_cluster
cloud: lab
user: debian
keyed_groups:
  - key: os_cluster.image
    prefix: image
"""

import os

from ansible.errors import AnsibleParserError

from ..module_utils._cluster._cluster import Cluster
from ..module_utils._fault._errors import FaultlineError
from ..module_utils._ha import _cloud
from ..plugin_utils import _cluster, _cluster_hosts
from ..plugin_utils._constructed import ConstructedInventory
from ..plugin_utils._model import plain

# seconds that the cloud may take
_PATIENCE = 120
# what of the options the driver of power takes
_POWER = ("cloud", "region_name", "interface", "verify", "cacert")


class InventoryModule(ConstructedInventory):
    NAME = "faultline.openstack.os_cluster"

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        data = self._read_config_data(path)
        try:
            self._populate(self._instances(path, data))
        except FaultlineError as exc:
            raise AnsibleParserError(f"{path}: {exc.text}") from None

    def _instances(self, path, data):
        """The VMs that are meant."""
        args = plain({name: self.get_option(name) for name in [*_cloud.arguments(), "account_file"]})
        if data.get("account_file"):
            # Ansible makes a path option absolute from the current directory
            args["account_file"] = os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(str(data["account_file"])))
        cluster = Cluster(_cloud.Connection(_cluster.login(args)), _PATIENCE)
        session = str(self.get_option("session"))
        if session == "current":
            session = next((each["session"] for each in cluster.sessions(_cluster.origin(self._vars or {})) if each["current"]), None)
            if session is None:
                self.display.warning(f"{path}: there is no session of this terminal or CI job, so there are no hosts.")
                return []
        return cluster.instances(None if session == "all" else {session})

    def _populate(self, instances):
        shared = {"ansible_user": str(self.get_option("user"))}
        if self.get_option("private_key"):
            shared["ansible_ssh_private_key_file"] = str(self.get_option("private_key"))
        if self.get_option("cloud") and not self.get_option("auth"):
            args = {name: self.get_option(name) for name in _POWER if self.get_option(name) is not None}
            shared["faultline_power"] = [{"driver": "openstack", "args": plain(args)}]
        self.inventory.add_group("os_cluster")
        for name, instance in _cluster_hosts.named(instances).items():
            if not instance["address"]:
                self.display.warning(f"{name} ({instance['name']}, {instance['status']}) has no address, so it is left out.")
                continue
            told = {**shared, "ansible_host": instance["address"], "fqdn": instance["name"], "os_cluster": instance}
            self.add(name, told, ["os_cluster", *_cluster_hosts.groups(instance)])
