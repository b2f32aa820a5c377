# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module says of a fault, beside what a client on another node sees of the service (docs/witness.md)."""

from __future__ import annotations

import pytest
from lab_nodes import wait_for
from lab_witness import Table, Witness, away, returned

# seconds that a fault lasts: some hundred questions
LASTS = 6
# the services of the lab that clients reach: protocol, port, what to send where the service does not speak first
DOORS = {
    "keystone": ("http", 5000, ""), "mysql": ("tcp", 3306, ""), "rabbitmq": ("tcp", 5672, b"AMQP\0\0\x09\x01".hex()),
    "memcached": ("tcp", 11211, b"version\r\n".hex()), "haproxy": ("http", 8404, ""),
}


@pytest.fixture
def witnessed(cloud):
    """witnessed(service): a witness on another node, which asks the service on the first."""
    def watch(service):
        protocol, port, send = DOORS[service]
        return Witness(cloud["ctl2"], [{"name": service, "protocol": protocol, "address": cloud["ctl1"].address, "port": port, "send": send}])

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
    seen = witness.seen
    assert answer["undo"]["held"] is True and answer["residue"] == [], answer.output
    against = away(seen, record, service)
    asked = seen.between(service, record["proven"], record["proven"] + LASTS)
    back = seen.back(service, record["proven"])
    Table().add(
        f"service-{action}-{service}", action, service, f"shut for {LASTS} s; held; residue none",
        f"{sum(each.answered for each in asked)} of {len(asked)} questions answered; back {back.end - record['undone']:.1f} s after the undo",
        "no: " + "; ".join(against) if against else "yes")
    assert against == []


@pytest.mark.parametrize("service", DOORS)
def test_a_service_is_back_when_a_client_is_answered(cloud, witnessed, service):
    node = cloud["ctl1"]
    # one that looks later than the other by chance does not do so three times on end
    for _each in range(3):
        with witnessed(service) as witness:
            answer = node.fault(service, "kill", wait=True)
            record = node.record(answer["fault"]["id"])
            witness.settle(service, record["injected"])
        came_back = answer["proof"]["came_back"]
        against = returned(witness.seen, record, came_back, service)
        back = witness.seen.back(service, record["began"])
        if not against:
            break
    Table().add(
        f"service-kill-{service}", "kill", service, f"back after {came_back['after']:.2f} s" if came_back["back"] else "not back",
        f"answered {back.end - record['began']:.2f} s after it began" if back else "was never away", "no: " + "; ".join(against) if against else "yes")
    assert against == []
