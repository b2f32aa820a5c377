# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a look at many routers takes: of the control plane, of both planes, and what Ansible itself adds.

    python tests/bench/routers.py --cloud faultline-lab -i .lab-openstack/os-faults.yaml --many 200 --live 60

Of the routers that it makes, and removes again, some are live: each is a namespace with a gateway, on one network node. The others are highly available with
a gateway and an interface, and switched off, so that only Neutron's database has them.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import time

# where `make venv` links the collection
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / ".venv" / "collections"))

import openstack
from ansible_collections.faultline.openstack.plugins.module_utils._ha import _cloud
from ansible_collections.faultline.openstack.plugins.module_utils._router import _routers
from keystoneauth1.session import Session

NAME = "bench-routers"
AT_ONCE = 3


def side_by_side(work, things):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, things))


@contextlib.contextmanager
def routers(api, many, live):
    """That many routers, the live ones of which are where they belong; gone afterwards."""
    outside, made = api.find_network("external", ignore_missing=False), []
    inner = api.create_network(name=NAME)
    subnet = api.create_subnet(network_id=inner.id, ip_version=4, cidr="10.98.0.0/20", enable_dhcp=False)

    def make(number):
        way_out = {"network_id": outside.id}
        router = api.create_router(name=f"{NAME}-{number:03}", ha=number >= live, is_admin_state_up=number < live, external_gateway_info=way_out)
        made.append(router)
        if number >= live:
            api.add_interface_to_router(router, port_id=api.create_port(network_id=inner.id, fixed_ips=[{"subnet_id": subnet.id}]).id)

    def unmake(router):
        for port in api.ports(device_id=router.id, network_id=inner.id):
            api.remove_interface_from_router(router, port_id=port.id)
        api.delete_router(router)

    def settled():
        ports = list(api.ports(network_id=outside.id, device_owner="network:router_gateway"))
        mine = {router.id for router in made}
        return sum(port.device_id in mine and port.status == "ACTIVE" for port in ports) >= live

    try:
        side_by_side(make, range(many))
        end = time.monotonic() + 900
        while not settled() and time.monotonic() < end:
            time.sleep(3)
        yield
    finally:
        side_by_side(unmake, made)
        for port in api.ports(network_id=inner.id):
            api.delete_port(port)
        api.delete_network(inner)


def looked(login):
    """A look at all routers in this process: (seconds with the login, requests, routers)."""
    sent, request = [], Session.request

    def counted(self, url, method, *arguments, **more):
        sent.append(url)
        return request(self, url, method, *arguments, **more)

    Session.request = counted
    try:
        begun = time.monotonic()
        found = _routers.Routers(_cloud.Connection(login)).described()
        return time.monotonic() - begun, len(sent), len(found)
    finally:
        Session.request = request


def timed(argv):
    """(seconds, the line that counts the routers) of a command."""
    begun = time.monotonic()
    done = subprocess.run(argv, env={**os.environ, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begun
    if done.returncode != 0:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return seconds, next((line.strip().strip('",') for line in done.stdout.splitlines() if " routers: " in line), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloud", required=True, help="a name of clouds.yaml")
    parser.add_argument("-i", "--inventory", required=True, help="the inventory that has the network nodes")
    parser.add_argument("--many", type=int, default=200)
    parser.add_argument("--live", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    play = ["ansible-playbook", "-e", f"router_cloud={args.cloud}", "-i", args.inventory]
    commands = {
        "ansible -m ansible.builtin.ping": ["ansible", "localhost", "-m", "ansible.builtin.ping"],
        "ansible -m os_router_info": ["ansible", "localhost", "-m", "faultline.openstack.os_router_info", "-a", f"cloud={args.cloud}"],
        "router_browse": [*play, "faultline.openstack.router_browse"],
        "router_poll": [*play, "faultline.openstack.router_poll"],
    }
    with routers(openstack.connect(cloud=args.cloud).network, args.many, args.live):
        login = {**dict.fromkeys(_cloud.arguments()), "cloud": args.cloud}
        found = [looked(login) for _round in range(args.rounds)]
        print(f"{found[0][2]} routers, asked for by {found[0][1]} requests: {statistics.median(each[0] for each in found):.2f} s with the login")
        for name, argv in commands.items():
            taken = [timed(argv) for _round in range(args.rounds)]
            print(f"{name:<32} {statistics.median(each[0] for each in taken):5.2f} s  {taken[-1][1][:100]}")


if __name__ == "__main__":
    main()
