# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often the listener asks the cloud, on one that is a few lists; tests/integration/test_rug_api.py asks a real one."""

from __future__ import annotations

import asyncio

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _rug_cloud
from cloud_of_lists import BLOG, SHOP
from cloud_of_lists import Cloud as Lists

NOBODY = "9" * 32


@pytest.fixture
def lists(monkeypatch):
    cloud = Lists()
    cloud.logins = 0

    def connected(_options, _request):
        cloud.logins += 1
        return cloud

    monkeypatch.setattr(_rug_cloud._cloud, "Connection", connected)
    return cloud


def asked(lists, work):
    """What work(Cloud) gives, and the requests that it took."""
    async def run():
        return await work(_rug_cloud.Cloud({}))
    del lists.asked[:]
    return asyncio.run(run()), [path.partition("?")[0] for _method, path in lists.asked]


def test_a_thousand_at_once_are_one_request(lists):
    one = lists.add("one")

    async def work(cloud):
        found = await asyncio.gather(*(cloud.has_router(one) for _each in range(1000)))
        return found + [await cloud.has_router(one) for _each in range(10)]
    found, paths = asked(lists, work)
    assert all(found) and paths == ["/routers"] and lists.logins == 1


def test_any_number_of_wrong_ids_is_one_request_a_moment(lists, monkeypatch):
    lists.add("one")

    async def work(cloud):
        return [await cloud.has_router(f"{number:032x}") for number in range(100)]
    found, paths = asked(lists, work)
    assert not any(found) and paths == ["/routers"]
    monkeypatch.setattr(_rug_cloud, "BRIEF", 0)

    async def made_meanwhile(cloud):
        before = await cloud.has_router("00000002-0000-0000-0000-000000000000")
        lists.add("two")
        return before, await cloud.has_router("00000002-0000-0000-0000-000000000000")
    assert asked(lists, made_meanwhile)[0] == (False, True)


def test_a_project_is_asked_for_by_itself_and_who_may_see_none_has_its_own(lists):
    async def work(cloud):
        return [await cloud.has_project(each) for each in (SHOP, BLOG, NOBODY, SHOP, NOBODY)]
    found, paths = asked(lists, work)
    assert found == [True, True, False, True, False] and paths == [f"/projects/{each}" for each in (SHOP, BLOG, NOBODY)]
    lists.forbidden.add(("GET", "projects"))
    assert asked(lists, work)[0] == [True, False, False, True, False]


def test_the_marks_are_told_with_their_reasons_page_by_page(lists):
    lists.page = 1
    one, two = lists.add("one", tags=["faultline-debug", "faultline-debug-reason=its%20NAT"]), lists.add("two")
    lists.projects[BLOG]["tags"] += ["faultline-debug", "faultline-debug-all"]
    found, _paths = asked(lists, lambda cloud: cloud.marks())
    assert found == {"global": "", "projects": [{"id": BLOG, "reason": ""}], "routers": [{"id": one, "reason": "its NAT"}]}
    assert two in asked(lists, lambda cloud: cloud.routers())[0]


def test_a_cloud_that_is_away_is_asked_once_a_moment_and_then_again(lists, monkeypatch):
    one, lists.away = lists.add("one"), 1

    async def work(cloud):
        told = await asyncio.gather(*(cloud.has_router(one) for _each in range(100)), return_exceptions=True)
        with pytest.raises(FaultlineError):
            await cloud.has_router(one)
        monkeypatch.setattr(_rug_cloud, "BRIEF", 0)
        return told, await cloud.has_router(one)
    (told, after), paths = asked(lists, work)
    assert {type(each) for each in told} == {FaultlineError} and {each.code for each in told} == {"no_answer"}
    # a login that failed is made anew: clouds.yaml may be another one now
    assert after and paths == ["/routers", "/routers"] and lists.logins == 2


def test_what_was_known_is_asked_again_after_a_reload(lists):
    one = lists.add("one")

    async def work(cloud):
        before = await cloud.has_router(one)
        cloud.forget()
        return before, await cloud.has_router(one)
    assert asked(lists, work) == ((True, True), ["/routers", "/routers"]) and lists.logins == 2
