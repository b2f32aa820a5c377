# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the listener, and what the machines have written."""

from __future__ import annotations

import os
import pathlib
import runpy

import pytest
import yaml
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _options, _rug_options, _rug_states

SOURCE = pathlib.Path(__file__).resolve().parents[4] / "extensions/eda/plugins/event_source/rug_api.py"
TOKEN = "0123456789abcdef"
ID = "7f8e4c1a-0b6d-4a53-9d0e-2f3b5c6d7e8f"


def test_the_defaults_are_those_of_the_documentation(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    found = _rug_options.checked({})
    documented = yaml.safe_load(runpy.run_path(str(SOURCE))["DOCUMENTATION"])["options"]
    assert set(documented) == {"host", "token", "state_dir", *_rug_options._NUMBERS, *_rug_options._TEXTS, *_options.CLOUD}
    for name in _rug_options._NUMBERS:
        assert documented[name]["default"] == getattr(found, name), name
    assert documented["host"]["default"] == list(found.hosts) == ["127.0.0.1", "::1"] and not found.named
    assert found.state_dir == "/state/faultline/routers" and found.read_token() == "" and found.read_certificate() is None


def test_options_may_be_texts_as_a_rulebooks_variables_are():
    found = _rug_options.checked({"port": "44251", "host": "[::1]", "rate": "2.5", "cloud": "lab", "token": None, "certfile": "", "auth": ""})
    assert (found.port, found.hosts, found.named, found.rate, found.cloud["cloud"]) == (44251, ("::1",), True, 2.5, "lab")
    assert TOKEN not in repr(_rug_options.checked({"token": TOKEN}))


@pytest.mark.parametrize(("args", "text"), [
    ({"prot": 1}, "There is no option prot. Did you mean port?"),
    *[({"port": port}, f"port is {port!r}; it has to be a whole number from 1 to 65535.") for port in (0, 65536, "http", 1.5, True, [])],
    ({"rate": 0}, "rate is 0; it has to be a number from 0.1 to 10000."),
    ({"burst": float("nan")}, "burst is nan; it has to be a whole number from 1 to 10000."),
    *[({"host": host}, "host has to be an address or a list of them. For example 127.0.0.1, or [127.0.0.1, '::1'].") for host in ([], [""], [1], {"a": 1})],
    ({"token": 5}, "token is no text."), ({"cloud": 5}, "cloud is no text."), ({"auth": "x"}, "auth is no dictionary."),
    ({"verify": "no"}, "verify is no yes or no."),
    ({"token": TOKEN, "token_file": "/x"}, "token and token_file are both given. One of them says what the token is."),
    ({"keyfile": "/x"}, "keyfile is given without certfile."),
    ({"state_dir": "states"}, "state_dir is states; it has to begin with / or ~. The playbooks run in another folder than this."),
])
def test_a_wrong_option_is_named(args, text):
    with pytest.raises(FaultlineError) as told:
        _rug_options.checked(args)
    assert (told.value.code, told.value.text) == ("bad_option", text)


@pytest.mark.parametrize("token", ["short", "has a space in its middle", "é" * 20, "line\nbreak-and-more-of-it"])
def test_a_token_that_no_header_can_have_or_is_short_is_refused_without_telling_it(token, tmp_path):
    (tmp_path / "token").write_text(token)
    for args, name in (({"token": token}, "token"), ({"token_file": str(tmp_path / "token")}, "token_file")):
        with pytest.raises(FaultlineError) as told:
            _rug_options.checked(args).read_token()
        assert told.value.message == f"{name} has to be at least 16 characters of ASCII, without spaces." and token not in told.value.text


def test_a_token_is_read_from_its_file(tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert _rug_options.checked({"token_file": str(tmp_path / "token")}).read_token() == TOKEN
    with pytest.raises(FaultlineError, match=r"token_file cannot be read: No such file or directory\."):
        _rug_options.checked({"token_file": str(tmp_path / "none")}).read_token()


def test_files_that_are_no_certificate_are_refused(tmp_path):
    (tmp_path / "cert").write_text("x")
    for path in ("cert", "none"):
        with pytest.raises(FaultlineError, match="certfile and keyfile do not make a certificate: "):
            _rug_options.checked({"certfile": str(tmp_path / path)}).read_certificate()


@pytest.mark.parametrize(("addresses", "outside"), [
    (["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"], []), (["0.0.0.0"], ["0.0.0.0"]), (["::", "::1"], ["::"]), (["fe80::1%eth0"], ["fe80::1%eth0"]),
    (["10.0.0.1", "::ffff:10.0.0.1"], ["10.0.0.1", "::ffff:10.0.0.1"]),
])
def test_off_loopback_a_token_is_required(addresses, outside):
    assert _rug_options.off_loopback(addresses) == outside
    _rug_options.guarded(TOKEN, addresses)
    if outside:
        with pytest.raises(FaultlineError) as told:
            _rug_options.guarded("", addresses)
        assert told.value.code == "no_token"
        assert told.value.message == f"Off loopback ({', '.join(outside)}) a token is required, and there is none."


def test_states_are_shown_as_they_are_and_what_is_no_state_is_told(tmp_path):
    def name(number):
        return tmp_path / f"{number:08x}-0000-0000-0000-000000000000.json"

    name(2).write_text('{"state": "alive", "rebuilds": 1}')
    name(1).write_text('{"state": "boot"}')
    name(3).write_text("[")
    name(4).write_text('"' + "x" * 70000 + '"')
    name(5).symlink_to("/etc/passwd")
    os.mkfifo(name(6))
    name(7).write_text("[" * 50000)
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "tmp1234").write_text("{}")
    found, count = _rug_states.states(str(tmp_path))
    assert found[:2] == [{"id": name(1).stem, "state": "boot"}, {"id": name(2).stem, "state": "alive", "rebuilds": 1}]
    assert [each["error"] for each in found[2:]] == ["no state", "no state", "Too many levels of symbolic links", "no file", "no state"]
    assert count == 7 and _rug_states.states(str(tmp_path), most=2) == (found[:2], 7) and _rug_states.states(str(tmp_path), size=40) == (found[:1], 7)


def test_no_states_are_no_error(tmp_path):
    assert _rug_states.states(str(tmp_path / "none")) == ([], 0)
    (tmp_path / "file").write_text("")
    assert _rug_states.states(str(tmp_path / "file")) == ([{"error": f"{tmp_path}/file: Not a directory"}], 0)
