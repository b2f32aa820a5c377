# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of a configuration file's shape that say what is wrong, where, and never a secret.

A check is an object with `check(value, path, problems)`: it returns the value, cleaned of everything but plain Python
types, and appends to `problems` what is wrong. A value is shown in a problem only where its check says that it is safe.
"""

from __future__ import annotations

import copy
import re

from ._fault._errors import FaultlineError
from ._nearest import did_you_mean, nearest

# as a default: the key must be there
REQUIRED = object()
# a number beyond is none of anything here, and may be too long for Python to write
_HUGE = 10**18
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_/@-]+")


def is_text(value):
    """Text, or text of Ansible's vault that nobody has decrypted yet."""
    return isinstance(value, str) or type(value).__name__ == "EncryptedString"


def kind_of(value):
    """What a value is, for a person, without the value."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "text"


def below(path, key):
    """The path of a key: node_discover.args[2].auth."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    key = str(key) if _PLAIN_KEY.fullmatch(str(key)) else f'"{key}"'
    return f"{path}.{key}" if path else key


def problem(path, found, expected, hint=""):
    text = f"{path or 'the file'}: found {found}, expected {expected}."
    return f"{text} {hint}" if hint else text


def refuse(name, problems, code):
    """Raise the problems of a file, all at once."""
    message = f"{name}: {problems[0]}"
    if len(problems) > 1:
        message = f"{name}: {len(problems)} problems:\n" + "\n".join(f"  {text}" for text in problems)
    raise FaultlineError(message, code=code, details={"file": name, "problems": problems})


class Text:
    """Text; with a pattern and its meaning, text of that form. Shown in a problem only when `shown`."""

    def __init__(self, meaning="text", pattern=None, shown=False, empty=False):
        self.meaning = meaning
        self.pattern = re.compile(pattern) if pattern else None
        self.shown = shown
        self.empty = empty

    def check(self, value, path, problems):
        if not is_text(value):
            hint = "Put it in quotes." if isinstance(value, (bool, int, float)) else ""
            problems.append(problem(path, kind_of(value), self.meaning, hint))
            return None
        if not isinstance(value, str):
            return value  # vaulted: whoever uses it decrypts it
        value = str.__str__(value)
        if value == "" and self.empty:
            return value
        if value == "" or (self.pattern and not self.pattern.fullmatch(value)):
            safe = self.shown and len(value) <= 80 and not {"@", "\n"} & set(value)
            found = "empty text" if value == "" else f"'{value}'" if safe else "other text"
            problems.append(problem(path, found, self.meaning))
            return None
        return value


class Regex:
    """A regular expression."""

    meaning = "a regular expression"

    def check(self, value, path, problems):
        value = Text(self.meaning).check(value, path, problems)
        if value is not None:
            try:
                re.compile(value)
            except re.error as exc:
                problems.append(problem(path, f"'{value}' ({exc})", self.meaning))
                return None
        return value


class Integer:
    def __init__(self, low, high, meaning):
        self.low, self.high, self.meaning = low, high, meaning

    def check(self, value, path, problems):
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            found = str(value) if isinstance(value, int) and not isinstance(value, bool) else kind_of(value)
            problems.append(problem(path, found, self.meaning))
            return None
        return int(value)


class Flag:
    meaning = "true or false"

    def check(self, value, path, problems):
        if not isinstance(value, bool):
            problems.append(problem(path, kind_of(value), self.meaning))
            return None
        return bool(value)


class ListOf:
    def __init__(self, item, meaning, least=1):
        self.item, self.meaning, self.least = item, meaning, least

    def check(self, value, path, problems):
        if not isinstance(value, list) or len(value) < self.least:
            found = "an empty list" if isinstance(value, list) else kind_of(value)
            problems.append(problem(path, found, self.meaning))
            return []
        return [self.item.check(item, below(path, number), problems) for number, item in enumerate(value)]


class MapOf:
    """A mapping of names of the user's own to values of one form."""

    def __init__(self, item, meaning, key=None):
        self.item, self.meaning, self.key = item, meaning, key

    def check(self, value, path, problems):
        if not isinstance(value, dict):
            problems.append(problem(path, kind_of(value), self.meaning))
            return {}
        checked = {}
        for name, item in value.items():
            where = below(path, name)
            if self.key:
                name = self.key.check(name, where, problems)
            checked[str(name)] = self.item.check(item, where, problems)
        return checked


class Keys:
    """A mapping with known keys; every other key is a problem, with the nearest known key."""

    def __init__(self, known, required=(), meaning="", optional_as_nothing=False):
        self.known, self.required = known, required
        self.meaning = meaning or f"a mapping with {listed(known)}"
        self.optional_as_nothing = optional_as_nothing

    def check(self, value, path, problems):
        if not isinstance(value, dict):
            problems.append(problem(path, kind_of(value), self.meaning))
            return {}
        checked = {}
        for key, item in value.items():
            where = below(path, key)
            if key not in self.known:
                expected = listed(self.known, "or") if self.known else "no keys here"
                problems.append(problem(where, "an unknown key", expected, did_you_mean(key, self.known, 1)))
            elif item is None and self.optional_as_nothing and key not in self.required:
                continue
            else:
                checked[str(key)] = self.known[key].check(item, where, problems)
        # A key that is there under a wrong name is one problem, not two.
        meant = [name for key in value if key not in self.known for name in nearest(key, self.known, 1)]
        for key in self.required:
            if key not in value and key not in meant:
                problems.append(problem(below(path, key), "nothing", self.known[key].meaning))
        return checked


def listed(names, last="and"):
    names = [str(name) for name in names]
    if len(names) < 2:
        return "".join(names) or "nothing"
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


class Driven:
    """A mapping with `driver` and `args`, whose form the driver decides; and other keys."""

    def __init__(self, drivers, others=None, args_required=True, retired=None):
        self.drivers, self.others, self.args_required = drivers, others or {}, args_required
        self.retired = retired or {}
        self.meaning = "a mapping with driver and args"

    def check(self, value, path, problems):
        if not isinstance(value, dict):
            problems.append(problem(path, kind_of(value), self.meaning))
            return {}
        driver = value.get("driver")
        if "driver" in value and (not is_text(driver) or driver not in self.drivers):
            where, found = below(path, "driver"), kind_of(driver)
            if is_text(driver):
                found = f"'{driver}'"
            hint = self.retired.get(driver) if is_text(driver) else ""
            hint = hint or (did_you_mean(driver, self.drivers, 1) if is_text(driver) else "")
            problems.append(problem(where, found, listed(self.drivers, "or"), hint))
            return {}
        args = self.drivers.get(driver, Anything())
        known = {"driver": Anything(listed(self.drivers, "or")), "args": args, **self.others}
        required = ["driver", "args"] if self.args_required else ["driver"]
        nothing = not self.args_required
        return Keys(known, required, self.meaning, optional_as_nothing=nothing).check(value, path, problems)


class Anything:
    def __init__(self, meaning="a value"):
        self.meaning = meaning

    def check(self, value, path, problems):
        return value


def shown(value):
    """A value as an error may quote it: numbers, short texts and lists of them; else what kind of thing it is."""
    if isinstance(value, bool) or value is None:
        return kind_of(value)
    if _is_number_to_show(value):
        return str(value)
    if is_text(value):
        return f"'{value}'" if isinstance(value, str) and 0 < len(value) <= 80 and "\n" not in value else "empty text" if value == "" else "other text"
    if isinstance(value, (list, tuple)) and len(value) <= 4 and all(isinstance(each, str) or _is_number_to_show(each) for each in value):
        return f"[{', '.join(map(str, value))}]"
    return kind_of(value)


def _is_number_to_show(value):
    return isinstance(value, float) or isinstance(value, int) and -_HUGE < value < _HUGE


class Form:
    """A mapping with known keys. keys: name -> (check, default); REQUIRED as default: it must be there. The result has all of them."""

    def __init__(self, keys, meaning=""):
        self.keys = keys
        self.meaning = meaning or f"a mapping with {listed(keys)}"

    def check(self, value, path, problems):
        checks = {name: check for name, (check, _default) in self.keys.items()}
        required = [name for name, (_check, default) in self.keys.items() if default is REQUIRED]
        checked = Keys(checks, required, self.meaning, optional_as_nothing=True).check(value, path, problems)
        return {name: checked[name] if name in checked else copy.deepcopy(default) if default is not REQUIRED else None
                for name, (_check, default) in self.keys.items()}


def plain_number(value):
    return int(value) if float(value).is_integer() else float(value)


class Number:
    """A number from low to high; `above`: low itself is too little; `whole`: no fractions."""

    def __init__(self, meaning, low=0, high=10**6, above=False, whole=False):
        self.meaning, self.low, self.high, self.above, self.whole = meaning, low, high, above, whole

    def value(self, value):
        """The number that a value is, or None."""
        if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            value = float(value)  # as a variable of Ansible's command line is text
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_HUGE < value < _HUGE:
            return None
        if self.whole and not float(value).is_integer():
            return None
        return plain_number(value)

    def fits(self, number):
        return (number > self.low if self.above else number >= self.low) and number <= self.high

    def check(self, value, path, problems):
        number = self.value(value)
        if number is None or not self.fits(number):
            problems.append(problem(path, shown(value), self.meaning))
            return None
        return number


class Word:
    """One of some words."""

    def __init__(self, words):
        self.words, self.meaning = tuple(words), listed(words, "or")

    def check(self, value, path, problems):
        if not isinstance(value, str) or value not in self.words:
            hint = did_you_mean(value, self.words, 1) if is_text(value) else ""
            problems.append(problem(path, shown(value), self.meaning, hint))
            return None
        return str.__str__(value)
