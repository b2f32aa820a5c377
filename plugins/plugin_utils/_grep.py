# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

r"""The patterns of os-faults files. Pure.

os-faults runs `ps | grep PATTERN`, so they are basic regular expressions with GNU's additions: `a\|b` means either, `+ ? | ( ) { }` are
themselves, `*` is itself where it begins, a backslash in brackets is itself (POSIX.1-2017, XBD 9.3; grep(1), "Basic vs Extended").
"""

from __future__ import annotations

import re

# in Python's words, of what a command line can have
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9", "graph": "!-~", "lower": "a-z",
    "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": "\\s", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}
# GNU's names of places in a line
_PLACES = {"<": r"\b(?=\w)", ">": r"\b(?<=\w)", "b": r"\b", "B": r"\B", "`": r"\A", "'": r"\Z"}
_INTERVAL = re.compile(r"(\d*)(,?)(\d*)\\\}")


class BadPattern(ValueError):
    """What grep would refuse."""


def to_python(pattern):
    """Python's regular expression for what grep means by a pattern; BadPattern says what is wrong with it."""
    if "\n" in pattern:
        raise BadPattern("it has more than one line")
    made, at = _Made(), 0
    while at < len(pattern):
        char, rest = pattern[at], pattern[at + 1:]
        if char == "[":
            text, at = _bracket(pattern, at)
            made.atom(text)
            continue
        if char == "\\":
            at += _escape(made, rest)
        elif char == "*":
            made.repeat("*", r"\*")
        elif char == "^" and (at == 0 or pattern[:at].endswith((r"\(", r"\|"))):
            made.other("^")
        elif char == "$" and (not rest or rest.startswith((r"\)", r"\|"))):
            made.other("$")
        else:
            made.atom("." if char == "." else _itself(char))
        at += 1
    return made.text()


def _itself(char):
    """A character that stands for itself; patterns are shown to people, so no more backslashes than it takes."""
    return "\\" + char if char in r"\.^$*+?{}[]|()" else char


class _Made:
    """The text so far: what the last thing that may be repeated begins with, and the groups that are open."""

    def __init__(self):
        self.parts: list = []
        self.last = None
        self.repeated = False
        self.groups: list = []

    def atom(self, text):
        self.last, self.repeated = len(self.parts), False
        self.parts.append(text)

    def other(self, text):
        """What cannot be repeated."""
        self.last = None
        self.parts.append(text)

    def repeat(self, text, itself):
        """A repetition of the last thing; the character itself where there is none."""
        if self.last is None:
            self.atom(itself)
            return
        if self.repeated:
            # to Python x*? and x++ are other things than the repetition of one
            self.parts.insert(self.last, "(?:")
            self.parts.append(")")
        self.parts.append(text)
        self.repeated = True

    def open(self):
        self.groups.append(len(self.parts))
        self.other("(")

    def close(self):
        if not self.groups:
            raise BadPattern(r"\) closes nothing")
        self.parts.append(")")
        self.last, self.repeated = self.groups.pop(), False

    def text(self):
        if self.groups:
            raise BadPattern(r"\( is not closed")
        text = "".join(self.parts)
        try:
            re.compile(text)
        except re.error as exc:
            raise BadPattern(str(exc)) from None
        return text


def _escape(made, rest):
    """Takes what follows a backslash; how many characters that is."""
    if not rest:
        raise BadPattern("it ends with a backslash")
    char = rest[0]
    if char == "|":
        made.other("|")
    elif char == "(":
        made.open()
    elif char == ")":
        made.close()
    elif char in "+?":
        made.repeat(char, _itself(char))
    elif char == "{" and made.last is not None:
        interval = _INTERVAL.match(rest[1:])
        if not interval or not (interval[1] or interval[3]):
            raise BadPattern(r"\{ is not the beginning of a number of repetitions, as in x\{2,3\}")
        low, comma, high = interval.groups()
        made.repeat("{%s%s%s}" % (low or 0, comma, high), "")
        return 1 + interval.end()
    elif char in "wWsS":
        made.atom("\\" + char)
    elif char in _PLACES:
        made.other(_PLACES[char])
    elif char in "123456789":
        made.atom("\\" + char)
    else:
        made.atom(_itself(char))
    return 1


def _bracket(pattern, start):
    """A bracket expression in Python's words, and where it ends."""
    at = start + 1
    inside = "["
    if pattern[at:at + 1] == "^":
        inside += "^"
        at += 1
    begin = at
    while True:
        char = pattern[at:at + 1]
        if not char:
            raise BadPattern("[ is not closed")
        if char == "]" and at > begin:
            return inside + "]", at + 1
        if pattern[at:at + 2] == "[:":
            name, end, _rest = pattern[at + 2:].partition(":]")
            if not end or name not in _CLASSES:
                raise BadPattern("[:%s:] is no class of characters" % name if end else "[: is not closed")
            inside += _CLASSES[name]
            at += len(name) + 4
        elif pattern[at:at + 2] in ("[.", "[="):
            raise BadPattern("%s is not understood here" % pattern[at:at + 2])
        else:
            # a hyphen is a range between two characters, and itself at either end
            inside += char if char == "-" and at > begin and pattern[at + 1:at + 2] != "]" else re.escape(char)
            at += 1


def from_python(pattern):
    """What says to grep what a regular expression of Python says; BadPattern where grep has no words for it."""
    made, at = [], 0
    while at < len(pattern):
        char, following = pattern[at], pattern[at + 1:at + 2]
        step = 1
        if char == "\\":
            step = 2
            made.append({"d": "[0-9]", "D": "[^0-9]"}.get(following) or (following if following in "+?|(){}" else char + following))
        elif char == "[":
            step = _end_of_bracket(pattern, at) - at
            made.append(pattern[at:at + step])
        elif pattern.startswith("(?:", at):
            step = 3
            made.append(r"\(")
        elif pattern.startswith("(?", at):
            raise BadPattern("grep has no words for %s" % pattern[at:at + 3])
        elif char in "*+?}" and following in ("?", "+"):
            raise BadPattern("grep has no words for %s" % pattern[at:at + 2])
        else:
            made.append("\\" + char if char in "+?|(){}" else char)
        at += step
    return "".join(made)


def _end_of_bracket(pattern, start):
    first = start + 2 if pattern[start + 1:start + 2] == "^" else start + 1
    end = pattern.find("]", first + 1)
    if end < 0 or "\\" in pattern[start:end]:
        raise BadPattern("a backslash in brackets is itself to grep")
    return end + 1
