# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listener to notifications without a message queue: its options, what it says of one that is away, what it keeps to itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _notification_bus, _notification_options, _notification_source
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator._shared import shared

URL = "rabbit://openstack:geheim@10.0.0.1:5672/"


def test_without_more_than_a_url_it_listens_to_neutron():
    options = _notification_options.checked({"transport_url": URL, "debounce": "0.5", "config_file": None, "pool": ""})
    assert options == _notification_options.Options(
        config_file="", topics=("notifications",), exchange="neutron", pool="faultline-routers", debounce=0.5, transport_url=URL)
    assert "geheim" not in repr(options)


@pytest.mark.parametrize(("args", "text"), [
    ({}, "transport_url and config_file are both missing. transport_url is that of Neutron's own configuration, as rabbit://user:password@host:5672/, and "
     "config_file a file that holds it."),
    ({"transport_urls": URL}, "There is no option transport_urls. Did you mean transport_url?"),
    ({"transport_url": [URL]}, "transport_url is no text."),
    ({"transport_url": URL, "topics": []}, "topics has to be a name or a list of them. For example [notifications]."),
    ({"transport_url": URL, "topics": ["notifications", "#"]}, "topics has to be a name or a list of them. For example [notifications]."),
    ({"transport_url": URL, "topics": {"a": 1}}, "topics has to be a name or a list of them. For example [notifications]."),
    ({"transport_url": URL, "pool": "a b"}, "pool has to be a name: letters, digits and _.:-, 200 at most."),
    ({"transport_url": URL, "exchange": 5}, "exchange has to be a name: letters, digits and _.:-, 200 at most."),
    ({"transport_url": URL, "debounce": 0}, "debounce is 0; it has to be a number from 0.1 to 300."),
    ({"transport_url": URL, "debounce": "soon"}, "debounce is 'soon'; it has to be a number from 0.1 to 300."),
])
def test_a_wrong_option_is_refused(args, text):
    with pytest.raises(FaultlineError) as refused:
        _notification_options.checked(args)
    assert (refused.value.code, refused.value.text) == ("bad_option", text)


def test_a_rulebook_that_leaves_the_url_empty_goes_on_without_it():
    assert _notification_options.checked({"transport_url": "", "config_file": "", "pool": ""}) is None

    async def play():
        waiting = asyncio.ensure_future(_notification_source.run(asyncio.Queue(), {"transport_url": ""}))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting

    asyncio.run(play())
    assert shared.reports["neutron_notifications"]["problem"] == "No transport_url is given: nothing is heard."


def test_words_of_others_are_short_and_hold_no_secret():
    secrets = {URL, "geheim", "ge%68eim"}
    assert _notification_bus.cleaned(f"cannot reach {URL}: geheim, ge%68eim\n\x1b[31mred", secrets) == "cannot reach ***: ***, *** [31mred"
    assert len(_notification_bus.cleaned("x" * 100_000, secrets)) == 300
    assert _notification_bus.cleaned(ValueError(), secrets) == "ValueError"


def test_a_queue_that_comes_and_goes_fills_no_log_and_what_was_missed_is_looked_at(caplog, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(_notification_source.time, "monotonic", lambda: now[0])
    caplog.set_level(logging.WARNING)

    async def play():
        source = _notification_source.Source(_notification_options.checked({"transport_url": URL}))
        for up, at, events, lines in (
            (True, 0, 0, 0),
            # every try of the library's
            (False, 1, 0, 1), (False, 2, 0, 1), (False, 20, 0, 1), (True, 21, 1, 2),
            # again so soon that it is not said, unless it lasts
            (False, 25, 1, 2), (True, 26, 1, 2), (False, 27, 1, 2), (False, 40, 1, 3), (True, 41, 1, 4), (True, 50, 1, 4),
        ):
            now[0] = 1000.0 + at
            source._changed(up, "" if up else "refused")
            assert (len(source._merged), len(caplog.records)) == (events, lines), at
            told = shared.reports["neutron_notifications"]
            assert (told["connected"], told["problem"]) == (up, "" if up else "refused")
        assert [each["faultline_router"]["scope"] for each in source._merged.due(now[0] + 2)] == ["all"]

    asyncio.run(play())
    assert [each.getMessage() for each in caplog.records] == [
        "The message queue is away, and is waited for: refused", "The message queue is there again."] * 2


def test_without_oslo_messaging_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "oslo_messaging", None)
    with pytest.raises(FaultlineError, match="needs the Python package oslo.messaging") as refused:
        asyncio.run(_notification_source.run(None, {"transport_url": URL}))
    assert refused.value.code == "missing_program" and refused.value.hint.endswith("pip install oslo.messaging")
