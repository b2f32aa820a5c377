# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that a run boots to watch an application in them: made with all that they need, found again by their names, taken away again.

All that is made bears the prefix in its name, and a tag or a line of metadata: only what has both is ever deleted.
"""

from __future__ import annotations

import contextlib
import time

from .._fault._errors import FaultlineError
from ._things import Things, fault_of

TAG = "faultline-ha"
CIDR = "10.253.253.0/24"
# a router's ports that lead to subnets: of plain, distributed and highly available ones
_INTERFACES = ("network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface")


class Servers(Things):
    """The servers of one prefix. connection: a _cloud.Connection; seconds: that all of it may take."""

    def __init__(self, connection, prefix, seconds):
        super().__init__(connection, seconds)
        self.prefix = prefix

    # ---- making

    def present(self, wanted):
        """The servers, ACTIVE and with their addresses: [{id, name, status, host, address, fixed, floating}].

        wanted: {count, image, flavor, network, external_network, security_group, key_name, user_data, availability_zone}. What this call has made is
        deleted again when it fails.
        """
        there = {each.name for each in self.mine()}
        try:
            return self.connection.ask(self._present, wanted)
        except FaultlineError:
            if not there:
                with contextlib.suppress(FaultlineError):
                    self.end = max(self.end, time.monotonic() + 60)
                    self.absent()
            raise

    def _present(self, wanted):
        image = self.found("image", self.sdk.image.find_image, wanted["image"], self.sdk.image.images)
        flavor = self.found("flavor", self.compute.find_flavor, wanted["flavor"], self.compute.flavors)
        outside = self.external(wanted["external_network"])
        network = self._network(wanted["network"], outside)
        group = self._group(wanted["security_group"])
        there = {each.name: each for each in self.mine()}
        servers = []
        for number in range(1, wanted["count"] + 1):
            name = "%s-%d" % (self.prefix, number)
            servers.append(there.get(name) or self._boot(name, image, flavor, network, group, wanted))
        return [self._described(self._active(each), outside) for each in servers]

    def _network(self, name, outside):
        if name:
            return self.found("network", self.network.find_network, name, self.network.networks)
        network = next(iter(self.network.networks(name=self.prefix)), None)
        if network is None:
            network = self._made("networks", self.network.create_network(name=self.prefix, description=TAG))
        subnet = next(iter(self.network.subnets(network_id=network.id)), None)
        if subnet is None:
            subnet = self._made("subnets", self.network.create_subnet(
                name=self.prefix, network_id=network.id, ip_version=4, cidr=CIDR, description=TAG))
        if outside is not None and next(iter(self.network.routers(name=self.prefix)), None) is None:
            router = self._made("routers", self.network.create_router(
                name=self.prefix, description=TAG, external_gateway_info={"network_id": outside.id}))
            self.network.add_interface_to_router(router, subnet_id=subnet.id)
        return network

    def _group(self, name):
        if name:
            return self.found("security group", self.network.find_security_group, name, self.network.security_groups)
        group = next(iter(self.network.security_groups(name=self.prefix)), None)
        if group is None:
            group = self._made("security_groups", self.network.create_security_group(name=self.prefix, description=TAG))
            for protocol in ("icmp", "tcp"):
                self.network.create_security_group_rule(
                    security_group_id=group.id, direction="ingress", ethertype="IPv4", protocol=protocol, remote_ip_prefix="0.0.0.0/0")
        return group

    def _made(self, kind, thing):
        """Remember that something was made, and tag it where the cloud has tags."""
        self.changed = True
        with contextlib.suppress(self.connection.sdk_errors.SDKException):
            self.network.put("/%s/%s/tags" % (kind.replace("_", "-"), thing.id), json={"tags": [TAG, self.prefix]})
        return thing

    def _boot(self, name, image, flavor, network, group, wanted):
        self.changed = True
        more = {key: wanted[key] for key in ("key_name", "availability_zone", "user_data") if wanted.get(key)}
        return self.compute.create_server(
            name=name, image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}], security_groups=[{"name": group.id}],
            metadata={TAG: self.prefix}, **more)

    def _active(self, server):
        while True:
            server = self.compute.get_server(server.id)
            if server.status == "ACTIVE" and not server.task_state:
                return server
            if server.status == "ERROR":
                raise FaultlineError("The server %s is in ERROR: %s." % (server.name, fault_of(server)), code="boot_failed", hint="Ask Nova's logs.")
            self.pause("%s is ACTIVE (it is %s%s)" % (server.name, server.status, ", %s" % server.task_state if server.task_state else ""))

    def _described(self, server, outside):
        """A server with its addresses; it gets a floating IP where there is an external network."""
        ports = list(self.network.ports(device_id=server.id))
        fixed = next((each["ip_address"] for port in ports for each in port.fixed_ips or [] if ":" not in each["ip_address"]), None)
        floating = None
        if outside is not None and ports:
            ip = next(iter(self.network.ips(port_id=ports[0].id)), None)
            if ip is None:
                ip = self._made("floatingips", self.network.create_ip(
                    floating_network_id=outside.id, port_id=ports[0].id, description="%s %s" % (TAG, self.prefix)))
            floating = ip.floating_ip_address
        return {
            "id": server.id, "name": server.name, "status": server.status, "host": server.compute_host, "address": floating or fixed, "fixed": fixed,
            "floating": floating,
        }

    # ---- taking away

    def mine(self):
        """The servers of this prefix."""
        begin = self.prefix + "-"
        found = self.connection.ask(lambda: list(self.compute.servers(name="^%s" % begin.replace(".", "[.]"))))
        return [each for each in found if each.name.startswith(begin) and (each.metadata or {}).get(TAG) == self.prefix]

    def absent(self):
        """Delete all of it, and wait until it is gone; how many things were deleted."""
        return self.connection.ask(self._absent)

    def _absent(self):
        count = 0
        for ip in list(self.network.ips()):
            if ip.description == "%s %s" % (TAG, self.prefix):
                count += self.deleted(self.network.delete_ip, ip)
        for server in self.mine():
            count += self.deleted(self.compute.delete_server, server)
        while True:
            left = self.mine()
            if not left:
                break
            self.pause("%s is deleted" % left[0].name)
        for router in self._ours(self.network.routers):
            for port in list(self.network.ports(device_id=router.id)):
                if port.device_owner in _INTERFACES:
                    with contextlib.suppress(self.connection.sdk_errors.NotFoundException):
                        self.network.remove_interface_from_router(router, port_id=port.id)
            count += self.deleted(self.network.delete_router, router)
        for every, delete in (
            (self.network.networks, self.network.delete_network), (self.network.security_groups, self.network.delete_security_group),
        ):
            for thing in self._ours(every):
                count += self.deleted_when_free(delete, thing)
        return count

    def _ours(self, every):
        return [each for each in every(name=self.prefix) if each.name == self.prefix and each.description == TAG]
