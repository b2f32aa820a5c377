# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module says of a fault, beside what a client on another node sees of the service (docs/witness.md)."""

from __future__ import annotations

import pytest
from lab_nodes import wait_for
from lab_witness import LASTS, Witness, back, shut

# the services of the lab that clients reach: protocol, port, what to send where the service does not speak first
DOORS = {
    "keystone": ("http", 5000, ""), "mysql": ("tcp", 3306, ""), "rabbitmq": ("tcp", 5672, b"AMQP\0\0\x09\x01".hex()),
    "memcached": ("tcp", 11211, b"version\r\n".hex()), "haproxy": ("http", 8404, ""),
}
# these are restarted within a question or two: questions a second
QUICK = {"memcached": 100, "haproxy": 100}


@pytest.fixture
def witnessed(cloud):
    """witnessed(service, **options): a witness on another node, which asks the service on the first."""
    def watch(service, **options):
        protocol, port, send = DOORS[service]
        return Witness([{"name": service, "protocol": protocol, "address": cloud["ctl1"].address, "port": port, "send": send}], cloud["ctl2"], **options)

    yield watch
    # MariaDB minds clients that leave without a word; one that was away takes its time until it takes part again
    wait_for(lambda: cloud["ctl1"].sh("mariadb -e 'FLUSH HOSTS' && echo done", check=False) == "done")


@pytest.mark.parametrize("service", DOORS)
@pytest.mark.parametrize("action", ["terminate", "freeze", "unplug", "mask"])
def test_a_fault_that_lasts_keeps_the_door_shut_from_its_proof_to_its_end(cloud, witnessed, action, service):
    node = cloud["ctl1"]
    with witnessed(service) as witness:
        answer = node.fault(service, action, duration=LASTS, wait=True)
        record = node.record(answer["fault"]["id"])
        witness.settle(service, record["undone"])
    assert answer["undo"]["held"] is True and answer["residue"] == [], answer.output
    shut("service", action, service, witness.seen, record, service)


@pytest.mark.parametrize("service", DOORS)
@pytest.mark.parametrize("action", ["kill", "restart"])
def test_a_service_is_back_when_a_client_is_answered(cloud, witnessed, action, service):
    node = cloud["ctl1"]

    def hit():
        with witnessed(service, rate=QUICK.get(service, 20)) as witness:
            answer = node.fault(service, action, wait=True)
            record = node.record(answer["fault"]["id"])
            witness.settle(service, record["injected"])
        return witness.seen, record, answer["proof"]["came_back"], service

    back("service", action, service, hit)
