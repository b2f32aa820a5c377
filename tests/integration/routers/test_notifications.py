# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notifications as Neutron sends them, over the lab's RabbitMQ; that Neutron does is tests/openstack's."""

from __future__ import annotations

import pytest
from lab_names import RUN, WORKER
from lab_nodes import LAB, wait_for
from lab_notifications import listening, sending

POOL = f"faultline-test-{RUN}{WORKER}"
ROUTER, HUGE = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture(scope="module")
def transport_url(lab):
    """The queues of the tests go with them."""
    password = (LAB / "secrets" / "messaging").read_text().strip()
    yield f"rabbit://openstack:{password}@{lab['ctl1'].address}:5672/"
    for name in (POOL, "notifications.info"):
        lab["ctl1"].sh(f"timeout 60 rabbitmqctl --quiet delete_queue {name}", check=False)


def test_events_come_of_what_is_sent_and_a_lost_connection_is_found_again(lab, transport_url):
    with listening(transport_url, pool=POOL, debounce=0.5) as listener, sending(transport_url) as send:
        for event_type, payload in (
            ("router.create.end", {"router": {"id": ROUTER, "routes": []}}), ("router.update.end", {"router": {"id": HUGE, "routes": ["x" * 5_000_000]}}),
            ("router.update.end", {"router": {"id": "{{ lookup('pipe', 'id') }}"}}), ("router.update.end", None), ("raw", "no JSON"), ("raw", "[1]"),
            ("raw", '{"oslo.version": "2.0", "oslo.message": "[1]"}'), ("raw", '{"oslo.version": "2.0", "oslo.message": "{\\"priority\\": \\"INFO\\"}"}'),
        ):
            send(event_type, payload)
        wait_for(lambda: listener.of(ROUTER) == [("create", ROUTER)] and listener.of(HUGE) == [("update", HUGE)])
        wait_for(lambda: listener.report["received"] == 8)
        assert listener.report["bad"] == 6

        lab["ctl1"].sh("timeout 60 rabbitmqctl --quiet close_all_connections test")
        # on a slow machine it may lose it again
        wait_for(lambda: set(listener.of(ROUTER)[1:]) == {("poll", "all")})
        send("router.delete.end", {"router_id": ROUTER})
        wait_for(lambda: listener.of(ROUTER)[-1] == ("delete", ROUTER))
        assert set(listener.of(ROUTER)[1:-1]) == {("poll", "all")}
        assert listener.end() == 0 and listener.cancelled


def test_a_login_that_is_refused_is_told_without_the_password_and_tried_again(lab):
    url = f"rabbit://openstack:wrong-%40password%3A@{lab['ctl1'].address}:5672/"
    with listening(url, wait=False, pool=POOL) as listener:
        wait_for(lambda: listener.report.get("problem"))
        assert "ACCESS_REFUSED" in listener.report["problem"] and not listener.connected()
        assert listener.end() == 0 and listener.cancelled
    assert "password" not in "".join(listener.errors) + str(listener.reports)
