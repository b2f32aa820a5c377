# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both planes of a router, put together: which nodes are asked what, and what their answers mean."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._router import _data_plane

ROUTER = {
    "id": "r1", "name": "edge", "ha": True, "distributed": False, "admin_state_up": True, "active": "net1",
    "agents": [{"host": "net1", "alive": True, "state": "active"}, {"host": "net2", "alive": True, "state": "standby"}],
    "gateway": {"addresses": ["10.83.1.5"], "next_hops": ["10.83.0.1"]}, "interfaces": [{"address": "10.2.0.1"}, {"address": "10.3.0.1"}],
    "problems": [], "health": "ok", "reason": "",
}
ADDRESSES = ["10.83.1.5", "10.2.0.1", "10.3.0.1"]


def told(active=True, silent=(), gone=(), down=(), **more):
    """What a node tells of the router."""
    names = dict(zip(ADDRESSES, ("qg-1", "qr-1", "qr-2"), strict=True))
    pings = [("gateway", "10.83.0.1"), *(("interface", each) for each in ADDRESSES if each not in gone)]
    return {
        "id": "r1", "namespace": True, "state": "active" if active else "standby", "keepalived": True, "error": None,
        "gateways": ["10.83.0.1"] if active else [],
        "addresses": [{"address": each, "interface": names[each] if active and each not in gone else None, "up": active and names[each] not in down}
                      for each in ADDRESSES],
        "pings": [{"kind": kind, "address": each, "answered": each not in silent, "milliseconds": None, "error": "no answer within 2 s"}
                  for kind, each in pings if active], **more}


STANDBY = told(active=False)
ALL = [*ADDRESSES, "10.83.0.1"]


def node(host, found):
    return {"host": host, "error": found} if isinstance(found, str) else {"host": host, "routers": [found]}


def router(**changes):
    return {**copy.deepcopy(ROUTER), **changes}


def dead(host):
    return [{**each, "alive": each["alive"] and each["host"] != host} for each in ROUTER["agents"]]


@pytest.mark.parametrize(("changes", "one", "other", "health", "reason", "probed"), [
    ({}, told(), STANDBY, "ok", "", True),
    ({}, told(silent=["10.83.0.1"]), STANDBY, "degraded", "the gateway 10.83.0.1 does not answer a ping from net1: no answer within 2 s", True),
    ({}, told(silent=["10.2.0.1"]), STANDBY, "degraded", "10.2.0.1 does not answer a ping from net1: no answer within 2 s", True),
    ({}, told(gone=["10.3.0.1"]), STANDBY, "degraded", "net1 lacks 10.3.0.1", True),
    ({}, told(gateways=["fe80::1%3"]), STANDBY, "degraded", "net1 has no default route for it", True),
    ({"gateway": {"addresses": ["10.83.1.5"]}}, told(gateways=[]), STANDBY, "ok", "", True),
    ({}, told(down=["qg-1"]), STANDBY, "degraded", "on net1 qg-1 is down", True),
    ({}, told(down=["qg-1", "qr-1", "qr-2"]), STANDBY, "down", "on net1 qg-1, qr-1, qr-2 is down", True),
    ({}, told(silent=ALL), STANDBY, "down", None, True),
    ({}, STANDBY, STANDBY, "down", "its addresses are on none of its nodes (net1, net2)", True),
    ({}, told(), told(), "degraded", "its addresses are on net1 and net2 at once", True),
    ({}, STANDBY, told(), "degraded", "its addresses are on net2, but Neutron takes net1 for active", True),
    ({"active": None}, STANDBY, told(), "ok", "", True),
    ({}, told(), told(active=False, keepalived=False), "degraded", "its keepalived does not run on net2", True),
    ({}, told(), told(active=False, state="fault"), "degraded", "its keepalived on net2 is in FAULT", True),
    ({}, told(), told(active=False, namespace=False), "degraded", "net2 has no namespace of it", True),
    ({}, told(), "unreachable: no route to host.", "degraded", "net2 could not be asked: unreachable: no route to host", True),
    ({}, "unreachable", STANDBY, "degraded", "net1 could not be asked: unreachable", False),
    ({}, 'Task failed: Data could not be sent to remote host "n". Make sure this host can be reached over ssh: ssh: connect to host n: No route to host',
     STANDBY, "degraded", "net1 could not be asked: ssh: connect to host n: No route to host", False),
    ({"agents": dead("net1")}, "unreachable", STANDBY, "down",
     "its addresses are on none of its nodes (net1, net2); net1 could not be asked: unreachable", True),
    ({"agents": dead("net1"), "active": "net2"}, "unreachable", told(), "degraded", "net1 could not be asked: unreachable", True),
    ({}, told(error="The network namespace x cannot be entered."), STANDBY, "degraded",
     "net1 could not be asked: The network namespace x cannot be entered", False),
    ({"problems": [{"level": "down", "code": "status", "text": "its status is ERROR"}], "health": "down", "reason": "its status is ERROR"},
     told(silent=["10.2.0.1"]), STANDBY, "down", "its status is ERROR; 10.2.0.1 does not answer a ping from net1: no answer within 2 s", True),
])
def test_the_worse_plane_counts_and_every_reason_is_told(changes, one, other, health, reason, probed):
    found = _data_plane.judged(router(**changes), [node("net1", one), node("net2", other)])
    assert (found["health"], found["probed"]) == (health, probed)
    assert reason is None or found["reason"] == reason
    assert all(set(each) == {"level", "code", "text"} | ({"host"} if each["code"] == "not_probed" else set()) for each in found["problems"])


def test_what_was_not_asked_is_told():
    found = _data_plane.judged(router(), [{"host": "net1", "routers": []}])
    assert found["reason"] == "net1 could not be asked: it tells nothing of this router; net2 could not be asked: it was not asked"
    assert (found["health"], found["probed"]) == ("degraded", False)


@pytest.mark.parametrize("changes", [
    {"gateway": None, "interfaces": []}, {"distributed": True}, {"admin_state_up": False, "health": "down", "reason": "its admin state is down"}])
def test_of_some_nothing_can_be_asked(changes):
    one = router(**changes)
    assert _data_plane.questions([one]) == {}
    assert _data_plane.judged(one, []) == {"problems": [], "health": one["health"], "reason": one["reason"], "probed": False}


def test_each_node_is_asked_once_for_all_of_its_routers():
    plain = router(id="r2", ha=False, agents=[{"host": "net2", "alive": True, "state": "active"}], gateway=None, interfaces=[{"address": "10.9.0.1"}])
    assert _data_plane.questions([router(), plain]) == {
        "net1": [{"id": "r1", "ha": True, "addresses": ADDRESSES}],
        "net2": [{"id": "r1", "ha": True, "addresses": ADDRESSES}, {"id": "r2", "ha": False, "addresses": ["10.9.0.1"]}]}
    answer = {**told(), "id": "r2", "keepalived": None, "state": None, "addresses": [{"address": "10.9.0.1", "interface": "qr-1", "up": True}]}
    assert _data_plane.judged(plain, [{"host": "net2", "routers": [answer]}])["health"] == "ok"
