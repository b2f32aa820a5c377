# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cloud of os-faults' manual: node-1.domain.tld to node-3.domain.tld, with services of systemd, a virtual machine, and containers."""

from __future__ import annotations

import json
import pathlib

import lab_engines
import lab_names
import yaml
from lab_nodes import LAB, ROOT
from lab_vms import FOLDER as VMS
from patience import HANG
from warm_ansible import run_ansible


class Cloud:
    """The three nodes, and files that know them.

    found: what `discover` wrote; found_over_storage: the same, with node-1 reached over the storage network.
    The file that these are from is as in the manual's example, without hosts.
    """

    def __init__(self, folder, make_node, make_vm):
        self.folder = folder
        # name -> lines of the file that knows the keys of all hosts
        self._known = {}
        self.two = make_vm("node-2", wait=False)
        self.one = make_node("node-1", furnish=self._furnish_one)
        self.three = make_node("node-3", recipe=lab_engines.recipe(), furnish=self._furnish_three)
        self.two.wait_up()
        self._know(self.two, self.two.address)
        self.found = self._discovered("os-faults.yaml", self.one.address)
        self.found_over_storage = self._discovered("os-faults-storage.yaml", self.one.storage)

    def _furnish_one(self, node):
        node.plug(lab_names.names().networks["storage"])
        node.storage = node.sh("ip -4 -o address show dev eth1").split()[3].split("/")[0]
        node.sh("systemctl enable -q --now mariadb; systemctl enable -q --now rabbitmq-server")
        self._know(node, node.address, node.storage)

    def _furnish_three(self, node):
        lab_engines.start(node)
        lab_engines.docker_run(node, "nova_api", "--restart unless-stopped", port=8774)
        lab_engines.docker_run(node, "neutron_api", program="neutron-server", port=9696)
        lab_engines.docker_run(node, "neutron_ovs_agent", program="heat-api", port=8004)
        self._know(node, node.address)

    def _know(self, node, *addresses):
        """A node that was made anew has another key."""
        line = (pathlib.Path(node.inventory).parent / "known_hosts").read_text()
        self._known[node.name] = "".join(line.replace(node.address, address) for address in addresses)
        (self.folder / "known_hosts").write_text("".join(self._known.values()))

    def _file(self, name, address):
        """An os-faults file in which node-1 is reached at this address."""
        def node(node, fqdn, ip, key, **also):
            return {"ip": ip, "fqdn": fqdn, "auth": {"username": "root", "private_key_file": str(key / "id_ed25519")}, **also}

        path = self.folder / name
        path.write_text(yaml.safe_dump({
            "cloud_management": {"driver": "universal"},
            "node_discover": {"driver": "node_list", "args": [
                node(self.one, "node-1.domain.tld", address, LAB),
                node(self.two, "node-2.domain.tld", self.two.address, VMS, mac=self.two.mac, libvirt_name=self.two.domain),
                node(self.three, "node-3.domain.tld", self.three.address, LAB),
            ]},
            "containers": {
                name: {"driver": "docker_container", "args": {"container_name": name}} for name in ("neutron_api", "neutron_ovs_agent")
            },
            "power_managements": [{"driver": "libvirt", "args": {"connection_uri": self.two.lab.uri}}],
            "faultline": {"known_hosts": str(self.folder / "known_hosts"), "networks": lab_names.names().subnets},
        }))
        return path

    def _discovered(self, name, address):
        output = self.folder / f"found-{name}"
        play("discover", self._file(name, address), output=str(output))
        return output


def play(name, config, **variables):
    """A playbook of ours that has to succeed; what it said."""
    done = run_ansible(
        ["ansible-playbook", f"faultline.openstack.{name}", "-i", str(config), "-e", json.dumps(variables)], timeout=600,
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def say(config, sentence):
    """The playbook disrupt; what is hit may take long to be back."""
    return play("disrupt", config, fault=sentence, wait_timeout=HANG, recovery_timeout=HANG)
