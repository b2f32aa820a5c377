# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account file of the scripts before this collection, an INI file with one section, as a login for openstacksdk."""

from __future__ import annotations

import configparser
import os
import re

from .. import _check
from .._fault._errors import FaultlineError
from .._nearest import did_you_mean

SECTION = "main"
REQUIRED = ("username", "password", "auth_url", "tenant")
# what Keystone wants today and the file may say
_MORE = {"user_domain": "Default", "project_domain": "Default", "region": None, "cacert": None}
LARGEST = 100_000
_CODE = "bad_account"


def load(path):
    """account() of a file. FaultlineError: no_file, bad_account."""
    path = os.path.abspath(os.path.expanduser(path))
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read(LARGEST)
    except FileNotFoundError:
        folder = os.path.dirname(path)
        there = os.listdir(folder) if os.path.isdir(folder) else []
        raise FaultlineError("There is no account file %s." % path, code="no_file", hint=did_you_mean(os.path.basename(path), there, 1)) from None
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is no text in UTF-8"
        raise FaultlineError("The account file %s cannot be read: %s." % (path, why), code="no_file") from None
    return account(text, path)


def account(text, name):
    """{auth, region_name, cacert} of an account file's text, the last two only where it says them. No error quotes a value."""
    parser = configparser.RawConfigParser(strict=True, default_section="\0")
    try:
        parser.read_string(text)
    except configparser.Error as exc:
        # the message itself quotes the line, which may be the password's
        line = getattr(exc, "lineno", None) or next((number for number, _line in getattr(exc, "errors", ())), None)
        if isinstance(exc, configparser.MissingSectionHeaderError):
            what = "there is no [%s] before it" % SECTION
        elif isinstance(exc, (configparser.DuplicateOptionError, configparser.DuplicateSectionError)):
            what = "a key or a section is there twice"
        else:
            what = "this is no line of an INI file"
        raise FaultlineError("%s: line %s: %s." % (name, line, what), code=_CODE, hint='A line is: key = "value".') from None
    if not parser.has_section(SECTION):
        hint = did_you_mean(SECTION, parser.sections(), 1)
        raise FaultlineError("%s: the section [%s] is not there." % (name, SECTION), code=_CODE, hint=hint)
    problems, found, known = [], {}, REQUIRED + tuple(_MORE)
    for key, value in parser.items(SECTION):
        where = "[%s] %s" % (SECTION, key)
        if key not in known:
            problems.append(_check.problem(where, "an unknown key", _check.listed(known, "or"), did_you_mean(key, known, 1)))
            continue
        found[key] = _unquoted(value, where, problems)
    for key in REQUIRED:
        if key not in found:
            problems.append(_check.problem("[%s] %s" % (SECTION, key), "nothing", "text in double quotes"))
    if found.get("auth_url") and not re.match(r"https?://[^\s/]", found["auth_url"]):
        problems.append(_check.problem("[%s] auth_url" % SECTION, "other text", "a URL such as https://cloud:5000/v3"))
    if problems:
        _check.refuse(name, problems, _CODE)
    found = dict({key: value for key, value in _MORE.items() if value}, **found)
    result = {"auth": {
        # Keystone left its second version behind, and tells of its third at the root
        "auth_url": re.sub(r"/v2\.0/?$", "", found["auth_url"]), "username": found["username"], "password": found["password"],
        "project_name": found["tenant"], "user_domain_name": found["user_domain"], "project_domain_name": found["project_domain"],
    }}
    result.update({key: found[other] for key, other in (("region_name", "region"), ("cacert", "cacert")) if found.get(other)})
    return result


def _unquoted(value, where, problems):
    """A value without its double quotes, which are not required."""
    value = value.strip()
    if value[:1] == '"' or value[-1:] == '"':
        if len(value) < 2 or value[0] != '"' or value[-1] != '"':
            problems.append(_check.problem(where, "a quote without its other", "text in double quotes"))
            return None
        value = value[1:-1]
    if not value:
        problems.append(_check.problem(where, "empty text", "text in double quotes"))
    return value
