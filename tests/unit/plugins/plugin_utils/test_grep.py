# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pattern of an os-faults file finds is what `grep` finds by it: grep itself is the judge."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.faultline.openstack.plugins.plugin_utils import _grep

LINES = [
    "/usr/sbin/mariadbd --basedir=/usr", "/usr/sbin/mysqld", "mysqld|mariadbd", "python3 app.py --worker 3", "app --workers", "g++ -c main.cc",
    "gcc -c", "*nova-api", "nova-api", "nova-api-metadata", "/usr/bin/python3 /usr/bin/nova-api --config-file=/etc/nova/nova.conf",
    "neutron-server: rpc worker", "a+b", "aab", "ab", "a", "", "(x)", "x", "xx", "xxx", "xyxy", "x{2}", "a|b", "b", "c]d", "c-d", "c^d", "c\\d",
    "$HOME", "HOME$", "^a", "a.b", "axb", "tab\there", "_under_score_", "[1]", "UPPER lower 42", "{", "}", "a?", "beam.smp -W w -s rabbit",
]
PATTERNS = [
    r"mysqld\|mariadbd", "mysqld|mariadbd", "[[:space:]]--worker[[:space:]]", "g++ -c", "*nova-api", "^*nova", r"nova\(-api\)*$", "a+b", r"a\+b",
    "a?", r"a\?b", "(x)", r"\(x\)", r"x\{2\}", r"^x\{2\}$", r"^x\{2,\}$", r"^x\{,2\}$", "x{2}", r"\(xy\)\1", "[]c]d", "[^]]d", "c[-^]d", "c[a^-_]d", r"c[\]d",
    "[a-c]b", "^a", "a^", r"\(^a\)", r"b\|^a", "HOME$", "$HOME", r"\$HOME", "a.b", r"a\.b", r"\<api\>", r"\<nova", r"score\b", r"\w_", r"\W", r"\s", r"\S",
    "[[:upper:]]", "[[:digit:]][[:digit:]]", "[^[:alnum:]]", "[[:punct:]]$", "beam.smp.*rabbit", "m[ay][rs][iq][al]d", "", "^$", "x**", r"\(*nova\)",
    r"a\|*nova", r"\{",
    "[1]", r"a\+\?", r"a\+\+", r"\(ab\)*\{2\}",
    "[", "[a", "[[:nothing:]]", r"\(", r"\)", "a\\", r"\{1\}", r"a\{x\}", r"a\{1", "[z-a]", r"a\{3,2\}", "{", "}", "a}", r"a\{1\}}",
]


def grep(pattern, lines):
    """The lines that grep finds; None when it refuses the pattern."""
    done = subprocess.run(
        ["grep", "-e", pattern], input="".join(line + "\n" for line in lines), text=True, capture_output=True, check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    return done.stdout.splitlines() if done.returncode < 2 else None


def ours(pattern, lines):
    try:
        found = re.compile(_grep.to_python(pattern))
    except _grep.BadPattern:
        return None
    return [line for line in lines if found.search(line)]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_as_grep_has_it(pattern):
    assert ours(pattern, LINES) == grep(pattern, LINES)


PIECES = st.sampled_from(
    ["a", "b", "x", "y", ".", "*", "^", "$", r"\(", r"\)", r"\|", r"\+", r"\?", "+", "?", "|", "(", ")", "{", "}", "[ab]", "[^a]", "[[:alpha:]]", r"\{2\}",
     r"\.", r"\w", " ", "-"])


@given(st.lists(PIECES, max_size=6).map("".join), st.lists(st.text("abxy .*+?|(){}^$-", max_size=6), max_size=8))
def test_never_something_else_than_grep(pattern, lines):
    mine = ours(pattern, lines)
    # what is refused with a reason finds nothing by mistake; GNU takes some that the standard leaves undefined
    assert mine is None or mine == grep(pattern, lines)


def test_what_is_wrong_is_told():
    with pytest.raises(_grep.BadPattern, match="not closed"):
        _grep.to_python("nova[")
    with pytest.raises(_grep.BadPattern, match="ends with a backslash"):
        _grep.to_python("nova\\")


@pytest.mark.parametrize("pattern", [
    "nova-api", r"(^|/)nova-api( |$)", r"mysqld|mariadbd", r"a+b", r"a\+b", r"x{2}", r"\*nova", r"(?:xy)+$", r"\d+", r"[a-c]b", r"\(x\)", r"a?b", r"g\+\+ -c",
    r"^a\.b", r"\bapi\b", r"[^]]d", r"\{", r"a\|b", r"(a|b)$",
])
def test_a_pattern_of_ours_is_written_as_grep_reads_it(pattern):
    written = _grep.from_python(pattern)
    assert grep(written, LINES) == [line for line in LINES if re.search(pattern, line)] == ours(written, LINES)


@pytest.mark.parametrize("pattern", [r"nova(?!-api)", r"(?i)nova", r"(?<=a)b", r"[\]]", "a*?", "a++"])
def test_what_grep_has_no_words_for_is_refused(pattern):
    with pytest.raises(_grep.BadPattern):
        _grep.from_python(pattern)
