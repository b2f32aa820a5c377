# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Account files: what they are, and every refusal with its words."""

from __future__ import annotations

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _account
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from hypothesis import given
from hypothesis import strategies as st

OLD = '[main]\nusername = "alice"\npassword="hu%sh = # x"\nauth_url = "https://cloud:5000/v2.0/"\ntenant = "tests"\n'
LOGIN = {
    "auth_url": "https://cloud:5000", "username": "alice", "password": "hu%sh = # x", "project_name": "tests", "user_domain_name": "Default",
    "project_domain_name": "Default"}


def test_an_account_file_is_a_login():
    assert _account.account(OLD, "a.cfg") == {"auth": LOGIN}


def test_an_account_file_may_say_what_keystone_wants_today():
    found = _account.account(OLD + 'region = "R1"\nuser_domain = users\ncacert = "/ca.pem"\n', "a.cfg")
    assert found == {"auth": {**LOGIN, "user_domain_name": "users"}, "region_name": "R1", "cacert": "/ca.pem"}


@pytest.mark.parametrize("text, message", [
    ("", "a.cfg: the section [main] is not there."),
    ("[mian]\n", "a.cfg: the section [main] is not there. Did you mean mian?"),
    (OLD.replace("[main]\n", ""), 'a.cfg: line 1: there is no [main] before it. A line is: key = "value".'),
    (OLD + "tenant = 'x'\n", 'a.cfg: line 6: a key or a section is there twice. A line is: key = "value".'),
    ("[main]\nhush hush\n", 'a.cfg: line 2: this is no line of an INI file. A line is: key = "value".'),
    (OLD.replace("tenant", "tenants"), "a.cfg: 2 problems:\n  [main] tenants: found an unknown key, expected username, password, auth_url, tenant, "
     "user_domain, project_domain, region or cacert. Did you mean tenant?\n  [main] tenant: found nothing, expected text in double quotes."),
    (OLD.replace('x"', "x"), "a.cfg: [main] password: found a quote without its other, expected text in double quotes."),
    (OLD.replace("alice", ""), "a.cfg: [main] username: found empty text, expected text in double quotes."),
    (OLD.replace("https://", ""), "a.cfg: [main] auth_url: found other text, expected a URL such as https://cloud:5000/v3."),
])
def test_what_is_wrong_is_told_without_the_password(text, message):
    with pytest.raises(FaultlineError) as told:
        _account.account(text, "a.cfg")
    assert (told.value.code, told.value.text) == ("bad_account", message) and "hu%sh" not in message


@given(st.text() | st.text(alphabet='[main]\n="\'%#; :usernaethpwodx\0'))
def test_any_text_is_read_or_refused(text):
    try:
        assert set(_account.account(text, "x")) >= {"auth"}
    except FaultlineError as exc:
        assert exc.code == "bad_account"


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "account.cfg").write_bytes(b"\xff\xfe")
    with pytest.raises(FaultlineError, match="account.cfg cannot be read: it is no text in UTF-8"):
        _account.load(tmp_path / "account.cfg")
    with pytest.raises(FaultlineError) as told:
        _account.load(tmp_path / "acount.cfg")
    assert told.value.text == f"There is no account file {tmp_path}/acount.cfg. Did you mean account.cfg?"
    (tmp_path / "account.cfg").write_text(OLD)
    assert _account.load(tmp_path / "account.cfg")["auth"] == LOGIN
