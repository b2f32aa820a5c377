# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab's Neutron tells of its routers becomes events: exactly those, also when the message queue is away for a while."""

from __future__ import annotations

import contextlib
import os
import time

import pytest
from lab_nodes import wait_for
from lab_notifications import listening
from patience import more_time

POOL = f"faultline-test-{os.getpid()}"


@pytest.fixture(scope="module")
def password(lab):
    return (lab.folder / "secrets" / "messaging").read_text().strip()


@pytest.fixture(scope="module")
def transport_url(lab, password):
    """As in the lab's neutron.conf."""
    return "rabbit://" + ",".join(f"openstack:{password}@{node.address}:5672" for node in lab.kind("ctl")) + "/"


@pytest.fixture(scope="module", autouse=True)
def queues(lab):
    """The queues of the tests, which would stay."""
    yield
    first = lab.kind("ctl")[0]
    for name in first.sh("timeout 60 rabbitmqctl --quiet list_queues name").splitlines():
        if name.startswith(POOL):
            first.sh(f"timeout 60 rabbitmqctl --quiet delete_queue {name}")


@pytest.fixture
def made(lab):
    """A router's id; the router goes with the test, where that has not deleted it."""
    made = []

    def make(name):
        made.append(lab.sdk.network.create_router(name=name).id)
        return made[-1]

    yield make
    for each in made:
        lab.sdk.network.delete_router(each, ignore_missing=True)


def test_what_is_done_to_a_router_is_told_and_nothing_else(lab, transport_url, password, made):
    api = lab.sdk.network
    with listening(transport_url, pool=f"{POOL}-one", debounce=1) as listener, contextlib.ExitStack() as after:
        router, known = made("test-notified"), 0

        def told(event):
            """Wait until it is; on a slow machine the parts of one change may come apart, and be told one by one."""
            nonlocal known
            wait_for(lambda: {(event, router)} == set(listener.of(router)[known:]) - ({("update", router)} if event == "delete" else set()))
            known = len(listener.of(router))

        told("create")

        # what a push of the configuration is, and marks
        unchanged = listener.report["unchanged"]
        assert api.put(f"/routers/{router}", json={"router": {"description": ""}}).status_code == 200
        assert api.put(f"/routers/{router}/tags/test-tag").status_code == 201
        wait_for(lambda: listener.report["unchanged"] == unchanged + 1)

        external = api.find_network("external", ignore_missing=False)
        api.update_router(router, external_gateway_info={"network_id": external.id})
        told("update")

        network = api.create_network(name="test-notified")
        after.callback(api.delete_network, network)
        subnet = api.create_subnet(network_id=network.id, name="test-notified", ip_version=4, cidr="10.198.0.0/24")
        api.add_interface_to_router(router, subnet_id=subnet.id)
        told("update")

        port = api.create_port(network_id=network.id)
        after.callback(api.delete_port, port)
        address = api.create_ip(floating_network_id=external.id, port_id=port.id)
        told("update")
        api.update_ip(address, port_id=None)
        told("update")
        api.delete_ip(address)

        api.remove_interface_from_router(router, subnet_id=subnet.id)
        told("update")
        api.delete_router(router)
        told("delete")
        assert listener.report["bad"] == 0 and {each["source"] for each in listener.events} == {"neutron_notifications"}
        assert listener.end() == 0 and listener.cancelled and not listener.errors


def test_the_changes_of_a_moment_are_one_event(lab, transport_url, made):
    api = lab.sdk.network
    for debounce in more_time(10):
        with listening(transport_url, pool=f"{POOL}-moment{debounce}", debounce=debounce) as listener:
            begun = time.monotonic()
            router = made("test-moment")
            for up in (False, True, False):
                api.update_router(router, is_admin_state_up=up)
            wait_for(lambda listener=listener: listener.report["received"] >= 8)
            moment = time.monotonic() - begun
            wait_for(lambda listener=listener, router=router: listener.of(router))
            # or it took longer than the moment
            if moment < debounce:
                break
    assert listener.of(router) == [("create", router)]


def test_a_queue_is_shared_by_those_who_name_it_and_each_name_has_its_own(lab, transport_url, made):
    with (
        listening(transport_url, pool=f"{POOL}-shared", debounce=0.1) as one, listening(transport_url, pool=f"{POOL}-shared", debounce=0.1) as two,
        listening(transport_url, pool=f"{POOL}-own", debounce=0.1) as own,
    ):
        routers = [made(f"test-shared-{number}") for number in range(4)]
        everything = [("create", router) for router in routers]
        wait_for(lambda: own.of(*routers) == everything)
        wait_for(lambda: sorted(one.of(*routers) + two.of(*routers)) == sorted(everything))
        # by turns; of each change that is its beginning for one and its end for the other
        wait_for(lambda: one.report["received"] and two.report["received"])


def test_a_message_queue_that_is_away_is_waited_for(lab, transport_url, password, made):
    controllers = lab.kind("ctl")
    with listening(transport_url, pool=f"{POOL}-away", debounce=1) as listener:
        before = made("test-before")
        wait_for(lambda: ("create", before) in listener.of(before))
        for node in controllers:
            node.sh("systemctl stop --no-block rabbitmq-server")
        try:
            wait_for(lambda: not listener.connected())
            # one that begins meanwhile
            with listening(transport_url, wait=False, pool=f"{POOL}-begun", debounce=1) as begun:
                wait_for(lambda: begun.report.get("problem"))
                used = cpu(listener)
                # what is measured is this time
                time.sleep(10)
                assert cpu(listener) - used < 1, "it is busy while it waits"
                for node in controllers:
                    node.sh("systemctl start --no-block rabbitmq-server")
                wait_for(lambda: listener.connected() and begun.connected())
                wait_for(lambda: ("poll", "all") in listener.of() and ("poll", "all") in begun.of())
                after = made("test-after")
                wait_for(lambda: ("create", after) in listener.of(after) and ("create", after) in begun.of(after))
                assert begun.end() == 0
        finally:
            for node in controllers:
                node.sh("systemctl start rabbitmq-server")
        assert listener.end() == 0
    for each in (listener, begun):
        said = "".join(each.errors)
        # on a slow machine it may lose it more than once
        assert "is away" in said and "is there again" in said and len(each.errors) <= 3 * said.count("is there again") + 3, said
        assert password not in said + str(each.reports) + str(each.events)


def cpu(listener):
    """Seconds of processor time that its process has used."""
    fields = open(f"/proc/{listener.process.pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
