# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The console of routers, driven by Textual's pilot with routers of our own. tests/openstack drives it on a real terminal with a real cloud."""

from __future__ import annotations

import asyncio
import threading

import pytest
from patience import HANG

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _router_screen
from textual.widgets import DataTable, Static


def router(number, name, **more):
    return {
        "id": f"0000000{number}-aaaa", "name": name, "project": "p1", "project_name": "blue", "status": "ACTIVE", "health": "ok", "reason": "", "debug": None,
        "active": "net1", "agents": [{"host": "net1", "alive": True, "state": "active"}], "gateway": None, "interfaces": [], "age": 90, "rebuilt": None,
        **more}


class Cloud:
    """What a console looks at, and what it has done."""

    def __init__(self, routers):
        self.routers, self.done, self.errors = routers, [], []
        self.looks = threading.Semaphore(0)

    def look(self):
        self.looks.release()
        for each in self.errors:
            raise each
        return list(self.routers)

    def act(self, action, one, reason):
        self.done.append((action, one["name"], reason))
        for each in self.errors:
            raise each
        return f"{action} is done"


@pytest.fixture
def cloud():
    return Cloud([router(1, "core", health="down", status="ERROR", reason="no L3 agent has it"), router(2, "edge"), router(3, "shop", project_name="red")])


def driven(cloud, drive, every=3600):
    """Run the console with a coroutine function that drives it by (app, pilot)."""
    async def run():
        app = _router_screen.Console(cloud.look, cloud.act, every)
        async with app.run_test(size=(140, 30)) as pilot:
            await seen(pilot, lambda: app.routers)
            await drive(app, pilot)

    asyncio.run(run())


async def seen(pilot, condition):
    for _each in range(500):
        await pilot.pause(0.01)
        if condition():
            return
    raise AssertionError("not seen")


def rows(app):
    table = app.query_one(DataTable)
    return [table.get_row_at(number)[0].plain for number in range(table.row_count)]


def said(app, name):
    return str(app.query_one(name, Static).content)


def test_keys_move_as_in_astara(cloud):
    async def drive(app, pilot):
        assert rows(app) == ["core", "edge", "shop"]
        assert "3 routers: 2 ok, 1 down" in said(app, "#head") and said(app, "#reason") == "00000001-aaaa  no L3 agent has it"
        for key, name in (("j", "edge"), ("down", "shop"), ("j", "shop"), ("k", "edge"), ("up", "core"), ("k", "core")):
            await pilot.press(key)
            assert app.current["name"] == name
        await pilot.press("q")
        assert not app.is_running or app._exit

    driven(cloud, drive)


@pytest.mark.parametrize(("column", "text", "style"), [
    (2, "ACTIVE", "green"), (2, "ERROR", "red"), (2, "BUILD", "yellow"), (3, "ok", "green"), (3, "degraded", "yellow"), (3, "down", "red"), (0, "down", ""),
    (9, "router: x", "cyan"), (9, "-", ""), (2, "OTHER", ""),
])
def test_colours_tell_states(column, text, style):
    assert _router_screen.colour(column, text) == style


def test_what_a_router_is_named_is_no_markup(cloud):
    cloud.routers = [router(1, "[red]x[/red]", reason="[bold]y")]

    async def drive(app, _pilot):
        assert rows(app) == ["[red]x[/red]"] and "[bold]y" in said(app, "#reason")

    driven(cloud, drive)


def test_a_filter_lets_through_what_has_all_words(cloud):
    async def drive(app, pilot):
        await pilot.press("slash", *"red")
        assert rows(app) == ["shop"]
        await pilot.press("enter", "j")
        assert app.current["name"] == "shop" and app.query_one("#filter").display
        await pilot.press("escape")
        assert rows(app) == ["core", "edge", "shop"] and app.current["name"] == "shop"

    driven(cloud, drive)


def test_a_rebuild_is_asked_about(cloud):
    async def drive(app, pilot):
        await pilot.press("j", "r", *"no", "enter")
        assert cloud.done == [] and said(app, "#said") == "rebuild: left"
        await pilot.press("r", "escape")
        assert cloud.done == []
        await pilot.press("r", *"yes", "enter")
        await seen(pilot, lambda: said(app, "#said") == "rebuild is done")
        assert cloud.done == [("rebuild", "edge", None)]

    driven(cloud, drive)


def test_debug_takes_a_reason_and_manage_none(cloud):
    async def drive(app, pilot):
        await pilot.press("d", *"odd", "space", *"NAT", "enter")
        await seen(pilot, lambda: said(app, "#said") == "debug is done")
        await pilot.press("m")
        await seen(pilot, lambda: said(app, "#said") == "manage is done")
        await pilot.press("u")
        await seen(pilot, lambda: said(app, "#said") == "update is done")
        assert cloud.done == [("debug", "core", "odd NAT"), ("manage", "core", None), ("update", "core", None)]

    driven(cloud, drive)


def test_an_answer_that_comes_while_it_is_closed_is_shown_nowhere(cloud):
    closing = threading.Event()
    cloud.act = lambda action, one, reason: closing.wait(HANG) and "too late"

    async def run():
        app = _router_screen.Console(cloud.look, cloud.act, 3600)
        async with app.run_test(size=(140, 30)) as pilot:
            await seen(pilot, lambda: app.routers)
            await pilot.press("u")
            # first of all that closes it
            app._running = False
            app.query_one("#said").remove()
            closing.set()
            await app.workers.wait_for_complete()

    asyncio.run(run())


def test_it_looks_again_by_itself_and_the_cursor_stays_on_its_router(cloud):
    async def drive(app, pilot):
        await pilot.press("j")
        cloud.routers = [router(0, "a-new-one"), *cloud.routers]
        await seen(pilot, lambda: "a-new-one" in rows(app))
        assert app.current["name"] == "edge"
        cloud.routers = [each for each in cloud.routers if each["name"] != "edge"]
        await seen(pilot, lambda: "edge" not in rows(app))
        cloud.routers[0]["health"] = "degraded"
        await seen(pilot, lambda: app.query_one(DataTable).get_row_at(0)[3].plain == "degraded")

    driven(cloud, drive, every=0.05)


def test_a_cloud_that_is_away_is_told_and_what_was_seen_stays(cloud):
    async def drive(app, pilot):
        cloud.errors = [FaultlineError("The cloud lab does not answer.", code="no_answer")]
        await pilot.press("g")
        await seen(pilot, lambda: "The cloud lab does not answer." in said(app, "#head"))
        assert rows(app) == ["core", "edge", "shop"] and "not seen since " in said(app, "#head")
        await pilot.press("m")
        await seen(pilot, lambda: said(app, "#said") == "The cloud lab does not answer.")
        cloud.errors = []
        await pilot.press("g")
        await seen(pilot, lambda: "3 routers" in said(app, "#head"))

    driven(cloud, drive)


def test_an_empty_table_has_nothing_to_act_on():
    cloud = Cloud([])

    async def drive(app, pilot):
        await pilot.press("r", "d", "m", "u", "j", "k")
        assert cloud.done == [] and app.current is None

    async def run():
        app = _router_screen.Console(cloud.look, cloud.act, 3600)
        async with app.run_test() as pilot:
            await seen(pilot, lambda: "0 routers" in said(app, "#head"))
            await drive(app, pilot)

    asyncio.run(run())


def test_without_textual_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(_router_screen, "missing", ImportError("No module named 'textual'"))
    with pytest.raises(FaultlineError) as told:
        _router_screen.require()
    assert told.value.code == "missing_library" and "pip install textual" in told.value.text
