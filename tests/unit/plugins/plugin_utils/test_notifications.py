# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Neutron's notifications as events: which routers they are about, what is no change, and many as few."""

from __future__ import annotations

import json

import pytest
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _events, _notifications
from hypothesis import given
from hypothesis import strategies as st

R1, R2, R3 = ("%08d-1111-4111-8111-111111111111" % number for number in (1, 2, 3))
PORT, FIP, NET = ("%08d-2222-4222-8222-222222222222" % number for number in (1, 2, 3))


def router(this=R1, /, **more):
    return {"router": {"id": this, "admin_state_up": True, "tags": [], "revision_number": 1, "name": "{{ lookup('pipe', 'id') }}", **more}}


def port(owner="network:router_interface", device=R1, **more):
    return {"port": {"id": PORT, "device_owner": owner, "device_id": device, "fixed_ips": [{"ip_address": "10.0.0.1"}], **more}}


def floating(of, **more):
    return {"floatingip": {"id": FIP, "router_id": of, **more}}


def told(*messages, seconds=2.0):
    """The events of (type, payload), all of one moment; the facts of each without its constants."""
    merged = _notifications.Merged(seconds)
    for event_type, payload in messages:
        merged.take(event_type, payload, 100.0)
    assert merged.due(101.9) == []
    return short(merged.due(102.0)), merged


def short(events):
    found = []
    for each in events:
        told = each[_events.KEY]
        assert told["source"] == "neutron_notifications" and told["project"] == "" and told["reason"] == ""
        found.append((told["event"], told["routers"] or told["scope"]))
    return found


@pytest.mark.parametrize(("messages", "events"), [
    ([("router.create.start", {"router": {"name": "new"}})], []),
    ([("router.create.end", router())], [("create", [R1])]),
    ([("router.update.end", router())], [("update", [R1])]),
    ([("router.delete.end", {"router_id": R1})], [("delete", [R1])]),
    ([("router.interface.create", {"router_interface": {"id": R1, "port_id": PORT}})], [("update", [R1])]),
    ([("router.interface.delete", {"router_interface": {"id": R1, "port_id": PORT}})], [("update", [R1])]),
    ([("port.update.end", port())], [("update", [R1])]),
    ([("port.update.end", port("network:ha_router_replicated_interface"))], [("update", [R1])]),
    ([("port.update.end", port("network:router_gateway"))], [("update", [R1])]),
    ([("port.update.end", port("compute:nova", NET))], []),
    ([("port.update.end", port("network:dhcp", "dhcp-of-a-host"))], []),
    ([("port.update.end", port("network:floatingip", FIP))], []),
    # what had a router has one no more, or another
    ([("port.update.end", port()), ("port.update.end", port("", ""))], [("update", [R1])]),
    ([("port.create.end", port()), ("port.update.end", port(device=R2))], [("update", [R1, R2])]),
    ([("port.delete.end", {"port_id": PORT})], []),
    ([("port.create.end", port()), ("port.delete.end", {"port_id": PORT})], [("update", [R1])]),
    ([("floatingip.create.end", floating(None))], []),
    ([("floatingip.update.end", floating(R1))], [("update", [R1])]),
    ([("floatingip.update.end", floating(R1)), ("floatingip.update.end", floating(None))], [("update", [R1])]),
    ([("floatingip.delete.end", {"floatingip_id": FIP})], []),
    # several of one router are one, and it is new, or gone, whatever else was done to it
    ([("router.create.end", router()), ("router.update.end", router(routes=[]))], [("create", [R1])]),
    ([("router.create.end", router()), ("router.delete.end", {"router_id": R1})], [("delete", [R1])]),
    ([("router.update.end", router()), ("router.delete.end", {"router_id": R1})], [("delete", [R1])]),
    ([("router.delete.end", {"router_id": R1}), ("port.update.end", port())], [("delete", [R1])]),
    # those of several routers are one event for each kind
    ([("router.update.end", router(R2)), ("router.delete.end", {"router_id": R3}), ("router.create.end", router(R1))],
     [("create", [R1]), ("update", [R2]), ("delete", [R3])]),
    ([("router.update.end", router(R2)), ("router.update.end", router(R1))], [("update", [R2, R1])]),
    # not about what a router does
    ([("l3_agent.router.add", {"agent": {"id": NET, "router_id": R1}}), ("tag.create.end", {"parent_resource": "routers"})], []),
    ([("network.update.end", {"network": {"id": NET}}), ("router.read.end", router()), ("", {})], []),
])
def test_a_notification_is_an_event(messages, events):
    found, merged = told(*messages)
    assert (found, merged.bad) == (events, 0)
    assert merged.received == len(messages) and not len(merged)


@pytest.mark.parametrize(("event_type", "payload", "why"), [
    (None, {}, "no type, or no payload"), ("router.update.end", None, "no type, or no payload"), ("router.update.end", [R1], "no type, or no payload"),
    ("router.update.end", {}, "no router in it"), ("router.update.end", {"router": R1}, "no router in it"),
    ("router.update.end", router("../../etc"), "its id is no id"), ("router.update.end", router("1" * 10_000_000), "its id is no id"),
    ("router.delete.end", {"router_id": R1.upper().replace("1", "A")}, "its router_id is no id"), ("router.delete.end", {"id": R1}, "its router_id is no id"),
    ("router.interface.create", {"router_interface": {"id": "{{ 1 }}"}}, "its id is no id"), ("port.update.end", port(device="x"), "its device_id is no id"),
    ("port.update.end", {"port": {"device_owner": "network:router_gateway", "device_id": R1}}, "its id is no id"),
    ("floatingip.update.end", floating(["x"]), "its router_id is no id"),
])
def test_what_is_none_is_dropped_and_counted(event_type, payload, why):
    with pytest.raises(_notifications.Bad, match=why):
        _notifications.changes(event_type, payload)
    found, merged = told((event_type, payload))
    assert (found, merged.received, merged.bad) == ([], 1, 1)


@pytest.mark.parametrize(("more", "changed"), [
    ({}, False), ({"tags": ["faultline-rebuilt=x"]}, False), ({"revision_number": 2, "updated_at": "2026-11-21T01:17:11Z"}, False),
    ({"description": "other", "name": "other"}, False), ({"status": "ERROR", "availability_zones": ["nova"]}, False),
    ({"routes": [{"nexthop": "10.0.0.1", "destination": "10.1.0.0/24"}, {"destination": "10.2.0.0/24", "nexthop": "10.0.0.1"}]}, False),
    ({"routes": [{"destination": "10.1.0.0/24", "nexthop": "10.0.0.2"}]}, True), ({"admin_state_up": False}, True),
    ({"external_gateway_info": {"network_id": NET}}, True), ({"flavor_id": NET}, True),
])
def test_an_update_without_a_change_is_none(more, changed):
    routes = [{"destination": "10.2.0.0/24", "nexthop": "10.0.0.1"}, {"destination": "10.1.0.0/24", "nexthop": "10.0.0.1"}]
    merged = _notifications.Merged(2)
    merged.take("router.create.end", router(routes=routes), 0)
    assert short(merged.due(2)) == [("create", [R1])]
    assert merged.take("router.update.end", router(**{"routes": routes, **more}), 3) is changed
    assert short(merged.due(5)) == [("update", [R1])] * changed
    assert merged.unchanged == (not changed)


def test_an_update_that_an_event_makes_gives_no_further_one():
    merged, events = _notifications.Merged(1), 0
    # what somebody has changed, and then what is pushed for each event
    merged.take("router.update.end", router(routes=[]), 0)
    for now in range(1, 20):
        for _each in merged.due(now):
            events += 1
            merged.take("router.update.end", router(routes=[], revision_number=now), now)
    assert events == 1


def test_a_burst_is_told_soon_and_not_when_it_ends():
    merged = _notifications.Merged(2)
    times = [now / 10 for now in range(101)]
    for now in times:
        merged.take("router.update.end", router(routes=[str(now)]), now)
        assert merged.seconds_left(now) <= 2
        if now in (2, 4.1):
            assert short(merged.due(now)) == [("update", [R1])]
    assert len(merged) == 1 and merged.received == 101


def test_too_many_routers_are_told_by_one_poll(monkeypatch):
    monkeypatch.setattr(_notifications, "MOST", 3)
    monkeypatch.setattr(_notifications, "PART", 2)
    monkeypatch.setattr(_notifications, "KNOWN", 2)
    names = [f"{number:032x}" for number in range(5)]
    found, merged = told(*[("router.update.end", router(name)) for name in names])
    assert found == [("update", names[:2]), ("update", names[2:3]), ("poll", "all")] and merged.lost == 2
    assert len(merged._known) == 2


def test_what_was_missed_is_looked_at():
    merged = _notifications.Merged(2)
    assert merged.seconds_left(0) is None
    merged.missed(10)
    merged.missed(11)
    assert (merged.seconds_left(11), merged.due(11.9), len(merged)) == (1, [], 1)
    assert short(merged.due(12)) == [("poll", "all")] and not len(merged)


# ---- anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([R1, PORT, "network:router_interface"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["router", "id", "router_id", "port", "device_owner", "device_id", "floatingip", "router_interface"]),
        inner, max_size=4), max_leaves=20)
TYPES = st.sampled_from([f"{each}.{verb}.end" for each in ("router", "port", "floatingip") for verb in ("create", "update", "delete")] + [
    "router.interface.create", "router.interface.delete"]) | JSON


ROUTER = st.fixed_dictionaries({"router": JSON | st.fixed_dictionaries({"id": st.just(R1)})})


@given(st.lists(st.tuples(TYPES, JSON | ROUTER), max_size=10))
def test_no_message_breaks_it_and_nothing_but_ids_comes_out(messages):
    merged = _notifications.Merged(1)
    for event_type, payload in messages:
        merged.take(event_type, payload, 0)
    for each in merged.due(1):
        assert set(each) == {_events.KEY} and each[_events.KEY]["event"] in ("create", "update", "delete")
        assert all(_events.is_id(name) for name in each[_events.KEY]["routers"])
        json.dumps(each)
    assert merged.received == len(messages) and not len(merged)


def test_a_nest_deeper_than_the_stack_is_dropped():
    deep = []
    for _each in range(100_000):
        deep = [deep]
    found, merged = told(("router.update.end", router(routes=deep)))
    assert (found, merged.bad) == ([], 1)
