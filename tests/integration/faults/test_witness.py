# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module says of a fault, beside what a client on another node sees of the service (docs/witness.md)."""

from __future__ import annotations

import pytest
from lab_nodes import wait_for
from lab_witness import LASTS, Witness, comes_back, keeps_shut
from witness_table import Table

# the services of the lab that clients reach: protocol, port, what to send where the service does not speak first
DOORS = {
    "keystone": ("http", 5000, ""), "mysql": ("tcp", 3306, ""), "rabbitmq": ("tcp", 5672, b"AMQP\0\0\x09\x01".hex()),
    "memcached": ("tcp", 11211, b"version\r\n".hex()), "haproxy": ("http", 8404, ""),
}
# these are restarted within a question or two: questions a second
QUICK = {"memcached": 100, "haproxy": 100}


@pytest.fixture
def witnessed(cloud):
    """witnessed(service, rate=, send=): a witness on another node, which asks the service on the first; send: another question than the usual one."""
    def watch(service, rate=20, send=None):
        protocol, port, usual = DOORS[service]
        door = {"name": service, "protocol": protocol, "address": cloud["ctl1"].address, "port": port, "send": send.hex() if send else usual}
        return Witness([door], cloud["ctl2"], rate=rate)

    yield watch
    # MariaDB minds clients that leave without a word; one that was away takes its time until it takes part again
    wait_for(lambda: cloud["ctl1"].sh("mariadb -e 'FLUSH HOSTS' && echo done", check=False) == "done")


@pytest.mark.parametrize(("action", "service"), [
    *((action, service) for action in ("terminate", "freeze", "unplug", "mask") for service in DOORS),
    # which take longer to start than they are left alone
    *(("crash_loop", service) for service in DOORS if service not in QUICK),
])
def test_a_fault_that_lasts_keeps_the_door_shut_from_its_proof_to_its_end(cloud, witnessed, action, service):
    node = cloud["ctl1"]
    keeps_shut("service", action, service, node, witnessed(service), lambda: node.fault(service, action, duration=LASTS, wait=True))


@pytest.mark.parametrize("service", DOORS)
@pytest.mark.parametrize("action", ["kill", "restart"])
def test_a_service_is_back_when_a_client_is_answered(cloud, witnessed, action, service):
    node = cloud["ctl1"]
    comes_back("service", action, service, node, witnessed(service, rate=QUICK.get(service, 20)), lambda: node.fault(service, action, wait=True))


def test_in_a_crash_loop_nobody_answers_for_long(cloud, witnessed):
    # which tells its process; HAProxy's master and worker, killed at once, have systemd 252 wait 90 seconds in a container without cgroup v2
    node, service = cloud["ctl1"], "memcached"
    with witnessed(service, rate=QUICK[service], send=b"stats\r\n") as witness:
        answer = node.fault(service, "crash_loop", duration=LASTS, wait=True)
        record = node.record(answer["fault"]["id"])
        witness.settle(service, record["undone"])
    seen, until, kills = witness.seen, record["proven"] + LASTS, record["proof"]["kills"]
    lives, met = [], [each for each in seen.asked(service, record["proven"], until + 1) if each.end <= until]
    for before, each in zip([None, *met], met, strict=False):
        if each.answered and before and before.answered and before.who == each.who:
            lives[-1].append(each)
        elif each.answered:
            lives.append([each])
    # looked for ten times a second
    longest = max((life[-1].begin - life[0].begin for life in lives), default=0)
    earlier = {each.who for each in seen.answered(service, 0, record["began"])}
    meanwhile = {life[0].who for life in lives}
    later = {each.who for each in seen.answered(service, record["undone"], float("inf"))}
    against = [
        *([f"it answered {len(lives)} times, and {kills} were killed"] if len(lives) > kills else []),
        *([f"one of them answered for {longest:.2f} s"] if longest > 0.1 + seen.near(service, until) else []),
        *([f"{earlier & (later | meanwhile)} answered on"] if earlier & (later | meanwhile) else []),
        *([f"{later} answer after the undo"] if len(later) != 1 or later & meanwhile else []),
    ]
    Table().add(
        "service", "crash_loop", service, f"{kills} kills in {LASTS} s; {'held' if record['held'] else 'not held'}; residue "
        f"{', '.join(record['residue']) or 'none'}", f"answered {len(lives)} times meanwhile, never for longer than {longest:.2f} s", against)
    assert record["held"] is True and record["residue"] == [] and against == []
