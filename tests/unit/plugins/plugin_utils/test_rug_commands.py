# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths as Astara's tools send them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator._rug_commands import Command, command
from hypothesis import given, settings
from hypothesis import strategies as st

ID, PROJECT = "7f8e4c1a-0b6d-4a53-9d0e-2f3b5c6d7e8f", "0" * 31 + "a"
IMAGE = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(("path", "wanted"), [
    ("/poll/", Command("poll")), ("/poll", Command("poll")), ("//poll//", Command("poll")), ("/workers/debug/", Command("workers debug")),
    ("/config/reload/", Command("config reload")),
    *[(f"/{noun}/{verb}/{ID}", Command(f"router {verb}", ID)) for noun in ("router", "resource") for verb in ("rebuild", "update", "debug", "manage")],
    (f"/router/rebuild/{ID.upper()}/", Command("router rebuild", ID)), (f"/router/update/{ID.replace('-', '')}", Command("router update", ID.replace("-", ""))),
    ("/router/rebuild/*", Command("router rebuild", "*")), ("/router/rebuild/%2A", Command("router rebuild", "*")),
    ("/router/update/ERROR", Command("router update", "error")),
    (f"/tenant/debug/{PROJECT}", Command("tenant debug", PROJECT)), (f"/tenant/manage/{PROJECT}", Command("tenant manage", PROJECT)),
    ("/global/debug/enable", Command("global debug", "enable")), ("/global-debug/Disable/", Command("global debug", "disable")),
    (f"/router/debug/{ID}/--reason=a%20b%2Fc/", Command("router debug", ID, "a b/c")), (f"/router/debug/--reason/why/{ID}", Command("router debug", ID, "why")),
    # Astara took a reason with these too
    (f"/router/rebuild/{ID}/--reason=x", Command("router rebuild", ID, "x")), ("/global/debug/enable/--reason/x", Command("global debug", "enable", "x")),
])
def test_a_path_is_the_command_line_of_astara_ctl(path, wanted):
    assert command(path) == wanted


@pytest.mark.parametrize(("path", "code", "text"), [
    ("/", "unknown_command", "There is no such command."), ("/nope", "unknown_command", "There is no such command."),
    ("/router", "unknown_command", "There is no such command."), ("/Poll", "unknown_command", "There is no such command."),
    ("/workers/reload", "unknown_command", "There is no such command."),
    ("/browse/", "interactive", "browse is for a terminal."), (f"/ssh/{ID}", "interactive", "ssh is for a terminal."),
    ("/poll/x", "bad_arguments", "poll takes no arguments."), ("/router/debug", "bad_arguments", "router debug takes the id of a router, * or error."),
    (f"/router/debug/{ID}/{ID}", "bad_arguments", "router debug takes the id of a router, * or error."),
    ("/tenant/debug", "bad_arguments", "tenant debug takes the id of a project."), ("/tenant/debug/*", "bad_arguments", "Projects are marked one by one."),
    ("/global/debug", "bad_arguments", "global debug takes enable or disable."),
    ("/global/debug/maybe", "bad_arguments", "global debug takes enable or disable."),
    (f"/router/debug/{ID}/--force", "bad_arguments", "router debug has no such option."), ("/poll/-h", "bad_arguments", "poll has no such option."),
    (f"/router/debug/{ID}/--reason", "bad_arguments", "--reason needs a value."), ("/poll/--reason=x", "bad_arguments", "poll takes no reason."),
    (f"/router/debug/{ID}/--reason=a/--reason=b", "bad_arguments", "There are several reasons."),
    *[(f"/router/rebuild/{ID}{image}", "no_image", "Routers of Neutron have no image.") for image in (
        f"/{IMAGE}", f"/--router_image_uuid/{IMAGE}", f"/--router_image_uuid={IMAGE}", f"/--image_uuid={IMAGE}")],
    ("/router/debug/web", "not_found", "There is no router of this id."),
    ("/router/debug/../x", "bad_arguments", "router debug takes the id of a router, * or error."),
    ("/tenant/debug/shop", "not_found", "There is no project of this id."),
])
def test_what_is_no_command_is_refused_as_astara_refused_it(path, code, text):
    with pytest.raises(FaultlineError) as told:
        command(path)
    assert (told.value.code, told.value.message) == (code, text)


@pytest.mark.parametrize(("query", "body", "reason"), [
    ([("reason", "its NAT")], b"", "its NAT"), ([], b'{"reason": "its NAT"}', "its NAT"), ([], b" {} ", ""), ([], b'{"reason": ""}', ""),
    ([("reason", "one\ntwo\x1b[31m")], b"", "one two [31m"), ([], json.dumps({"reason": "\ud800 x"}).encode(), "x"),
])
def test_a_reason_may_come_by_the_query_or_as_json_and_is_one_line(query, body, reason):
    assert command(f"/router/debug/{ID}", query, body).reason == reason


@pytest.mark.parametrize(("query", "body", "text"), [
    ([("why", "x")], b"", "There is nothing but reason that can stand behind the question mark."),
    ([("reason", "x"), ("reason", "y")], b"", "There are several reasons."), ([("reason", "x")], b'{"reason": "y"}', "There are several reasons."),
    *[([], body, "The body is no JSON.") for body in (b"reason=x", b"\xff", b"[" * 50000, b"9" * 5000)],
    *[([], body, "The body is no object with a reason, a text, and nothing else.") for body in (
        b"[]", b'{"reason": 1}', b'{"reason": "x", "force": true}', b"1")],
])
def test_a_wrong_reason_is_told(query, body, text):
    with pytest.raises(FaultlineError) as told:
        command(f"/router/debug/{ID}", query, body)
    assert (told.value.code, told.value.message) == ("bad_arguments", text)


words = st.sampled_from([
    "poll", "router", "resource", "debug", "rebuild", "global", "*", "error", ID, "--reason", "--image_uuid=x", "enable", "..", "%", "%ff"])


@settings(max_examples=300)
@given(st.lists(words | st.text(max_size=8), max_size=5), st.lists(st.tuples(st.just("reason") | st.text(), st.text()), max_size=2), st.binary(max_size=20))
def test_any_path_query_and_body_is_a_command_or_refused(path, query, body):
    try:
        found = command("/" + "/".join(path), query, body)
    except FaultlineError as told:
        assert told.message
    else:
        assert found.reason.isprintable() and found.name
