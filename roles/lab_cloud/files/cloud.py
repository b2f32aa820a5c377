# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits until a cloud can run servers, and makes what they need: cloud.py < JSON. Says what it has made.

{"auth": {...}, "region": ..., "computes": how many, "agents": how many of Neutron, "timeout": seconds,
 "guest": folder with vmlinuz, initrd and disk, or "" for an image of zeros, "network": {"cidr", "gateway", "first", "last"} or {}}
"""

import json
import sys
import time
import warnings

warnings.simplefilter("ignore")

import openstack  # noqa: E402

KERNEL_WORDS = "console=ttyS0 quiet mitigations=off tsc=reliable no_timer_check nokaslr random.trust_cpu=on panic=5"


def image(cloud, name, properties=None, **given):
    found = cloud.image.find_image(name)
    if found is None:
        found = cloud.image.create_image(name=name, visibility="public", wait=True, **given, **(properties or {}))
        print("made image", name)
    return found


def ready(cloud, computes, agents):
    """What is not there yet, '' when all is."""
    up = [each for each in cloud.compute.services(binary="nova-compute") if each.state == "up"]
    if len(up) < computes:
        return f"{len(up)} of {computes} nova-compute are up"
    known = len(list(cloud.compute.hypervisors()))
    if known < computes:
        return f"{known} of {computes} computes are in a cell"
    alive = [each for each in cloud.network.agents() if each.is_alive]
    if len(alive) < agents:
        return f"{len(alive)} of {agents} agents of Neutron are alive"
    return ""


def main():
    given = json.load(sys.stdin)
    cloud = openstack.connect(auth=given["auth"], region_name=given["region"], load_yaml_config=False, load_envvars=False)
    end = time.monotonic() + given["timeout"]

    def insist(what):
        """The answer of an API that may not answer yet; anything else is an error that says what was missing."""
        while True:
            try:
                return what()
            except Exception as exc:
                if time.monotonic() > end:
                    sys.exit(f"The cloud is not ready after {given['timeout']} seconds: {type(exc).__name__}: {exc}"[:500])
                time.sleep(1)

    def check():
        missing = ready(cloud, given["computes"], given["agents"])
        if missing:
            raise RuntimeError(missing)

    guest = given["guest"]
    if guest:
        kernel = insist(lambda: image(cloud, "tiny-kernel", disk_format="aki", container_format="aki", filename=f"{guest}/vmlinuz"))
        initrd = insist(lambda: image(cloud, "tiny-initrd", disk_format="ari", container_format="ari", filename=f"{guest}/initrd"))
        words = {"kernel_id": kernel.id, "ramdisk_id": initrd.id, "os_command_line": KERNEL_WORDS, "hw_rng_model": "virtio", "hw_video_model": "none"}
        insist(lambda: image(cloud, "tiny", words, disk_format="raw", container_format="bare", filename=f"{guest}/disk"))
    else:
        insist(lambda: image(cloud, "tiny", disk_format="raw", container_format="bare", data=b"\0" * 65536))
    if insist(lambda: cloud.compute.find_flavor("tiny")) is None:
        insist(lambda: cloud.compute.create_flavor(name="tiny", ram=128, vcpus=1, disk=1))
        print("made flavor tiny")
    wanted = given["network"]
    if wanted:
        external = insist(lambda: cloud.network.find_network("external"))
        if external is None:
            external = insist(lambda: cloud.network.create_network(
                name="external", is_router_external=True, provider_network_type="flat", provider_physical_network="external"))
            print("made network external")
        if not insist(lambda: list(cloud.network.subnets(network_id=external.id))):
            insist(lambda: cloud.network.create_subnet(
                network_id=external.id, name="external", ip_version=4, cidr=wanted["cidr"], gateway_ip=wanted["gateway"], enable_dhcp=False,
                allocation_pools=[{"start": wanted["first"], "end": wanted["last"]}]))
            print("made subnet external")
    insist(check)


main()
