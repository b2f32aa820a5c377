# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run left in the cloud."""

from __future__ import annotations

import pytest
from ha_recorded import changed, cloud

from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _cloud_diff

BASE = cloud()
SERVER, PORT, IMAGE, ROUTER, SERVICE = (BASE[kind][0] for kind in ("servers", "ports", "images", "routers", "services"))


def texts(before, after):
    """{check: what it found}, of those that found something."""
    told = _cloud_diff.compare(before, after)
    return {check["name"]: [each["text"] for each in check["findings"]] for check in told["checks"] if check["findings"]}


def test_nothing_changed_is_clean():
    told = _cloud_diff.compare(BASE, BASE)
    assert (told["state"], told["count"], told["errors"]) == ("clean", 0, [])
    assert {check["state"] for check in told["checks"]} == {"clean"}


@pytest.mark.parametrize("over, expected", [
    ({"volumes": [{"id": "v1", "name": "rally", "status": "available"}]}, {"leaked": ["volume rally was not there before"]}),
    ({"images": []}, {"lost": ["image cirros is gone"]}),
    ({"servers": [changed(SERVER, status="ERROR")]}, {"stuck": ["server web is in ERROR, was ACTIVE"]}),
    ({"servers": [changed(SERVER, task_state="rebooting")]}, {"stuck": ["server web is in the task state rebooting"]}),
    ({"servers": [changed(SERVER, status="SHUTOFF")]}, {"changed": ["server web is SHUTOFF, was ACTIVE"]}),
    ({"ports": [changed(PORT, status="DOWN")]}, {"changed": ["port p1 is DOWN, was ACTIVE"]}),
    ({"ports": [changed(PORT, status="BUILD")]}, {"stuck": ["port p1 is in BUILD, was ACTIVE"]}),
    ({"images": [changed(IMAGE, status="saving")]}, {"stuck": ["image cirros is in saving, was active"]}),
    ({"allocations": []}, {"allocations": ["server web has no allocation"]}),
    ({"allocations": [*BASE["allocations"], {"consumer": "s9", "provider": "cmp2"}]}, {"allocations": ["the allocation of s9 on cmp2 has no server"]}),
    ({"services": [changed(SERVICE, state="down")]}, {"services": ["compute nova-compute cmp1 is down, was up"]}),
    ({"services": [changed(SERVICE, enabled=False)]}, {"services": ["compute nova-compute cmp1 is disabled, was enabled"]}),
    ({"services": []}, {"services": ["compute nova-compute cmp1 is not listed any more"]}),
    ({"open_faults": [{"host": "ctl1", "id": "f1"}]}, {"open_faults": ["the fault f1 is open on ctl1"]}),
    ({"residue": ["ctl1: nft table faultline_f1"]}, {"residue": ["ctl1: nft table faultline_f1"]}),
])
def test_each_kind_of_harm_is_found(over, expected):
    assert texts(BASE, cloud(**over)) == expected


def test_a_server_that_was_lost_leaves_its_allocation():
    assert texts(BASE, cloud(servers=[])) == {"lost": ["server web is gone"], "allocations": ["the allocation of s1 on cmp1 has no server"]}


def test_the_same_name_twice_is_a_duplicate_once():
    twin = changed(SERVER, id="s2")
    after = cloud(servers=[SERVER, twin], allocations=[*BASE["allocations"], {"consumer": "s2", "provider": "cmp1"}])
    assert texts(BASE, after) == {"leaked": ["server web was not there before"], "duplicated": ["2 servers have the name web, 1 before"]}
    # so it was before
    assert texts(after, after) == {}
    # things without a name are not alike
    nameless = cloud(ports=[PORT, changed(PORT, id="p2")])
    assert "duplicated" not in texts(BASE, nameless)


@pytest.mark.parametrize("agents, words", [
    ([("net1", "standby", True), ("net2", "standby", True)], ["router edge has no active agents, had 1"]),
    ([("net1", "active", True), ("net2", "active", True)], ["router edge has 2 active agents, had 1"]),
    ([("net1", "active", False), ("net2", "active", True)], ["router edge has 1 living agents, had 2"]),
    ([("net1", "standby", True), ("net2", "active", True)], None),
])
def test_a_router_has_one_active_agent(agents, words):
    router = changed(ROUTER, agents=[{"host": host, "ha_state": state, "alive": alive} for host, state, alive in agents])
    assert texts(BASE, cloud(routers=[router])).get("routers") == words


def test_what_was_so_before_is_no_finding():
    bad = cloud(servers=[changed(SERVER, status="ERROR", task_state="deleting")], services=[changed(SERVICE, state="down")], allocations=[])
    assert texts(bad, bad) == {}


@pytest.mark.parametrize("what, checks", [
    ("volumes", {"leaked", "lost", "duplicated", "stuck", "changed"}),
    ("ports", {"leaked", "lost", "duplicated", "stuck", "changed"}),
    ("servers", {"leaked", "lost", "duplicated", "stuck", "changed", "allocations"}),
    ("allocations", {"allocations"}),
    ("services", {"services"}),
    ("routers", {"leaked", "lost", "duplicated", "stuck", "changed", "routers"}),
    ("open_faults", {"open_faults"}),
    ("open faults on ctl2", {"open_faults"}),
    ("residue", {"residue"}),
    ("quotas", {"other"}),
])
def test_what_could_not_be_asked_is_not_evaluated(what, checks):
    told = _cloud_diff.compare(BASE, cloud(errors=[{"what": what, "why": "HTTP 500"}]))
    assert {check["name"] for check in told["checks"] if check["state"] == "not evaluated"} == checks
    assert told["state"] == "not evaluated"
    assert all("HTTP 500" in check["why"] for check in told["checks"] if check["name"] in checks)


def test_a_question_that_failed_before_spoils_the_comparison_too():
    told = _cloud_diff.compare(cloud(errors=[{"what": "servers", "why": "no answer"}]), BASE)
    assert next(check for check in told["checks"] if check["name"] == "leaked")["why"] == "servers before: no answer"


def test_one_kind_that_is_unknown_hides_no_finding_of_another():
    after = cloud(volumes=None, servers=[changed(SERVER, status="ERROR")])
    told = _cloud_diff.compare(BASE, after)
    stuck = next(check for check in told["checks"] if check["name"] == "stuck")
    assert (stuck["state"], stuck["why"]) == ("found", "volumes after: nobody asked")


@pytest.mark.parametrize("before, after", [(None, None), (BASE, None), (None, BASE), ({}, {}), (BASE, {"servers": "many", "errors": 7})])
def test_an_inventory_that_is_missing_or_broken_is_not_evaluated(before, after):
    assert _cloud_diff.compare(before, after)["state"] == "not evaluated"
