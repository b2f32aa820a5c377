# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a word for a service or a container means: the one place that says so. Pure.

What the user has defined comes first, by whatever name he says it: its own, one that the catalogue has for the same thing (`mysql` for a `mariadb` of
his, and `mariadb` for a `mysql`), or that of its unit or container. Then the catalogue. Upper and lower case are alike unless two names differ in
nothing else. A word that may mean two things is an error that names both.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from ..module_utils._fault._errors import FaultlineError
from . import _catalogue
from ._model import group_name, merge_definitions

# kind: (the catalogue's definitions, its aliases, where a definition says what the thing is called on its host)
_BOOKS = {
    "service": (_catalogue.services(), _catalogue.ALIASES, ("unit", "container_name", "pcs_service", "salt_service", "linux_service")),
    "container": (_catalogue.containers(), _catalogue.CONTAINER_ALIASES, ("container_name",)),
}


def resolve(kind, word, configured=None, known=None):
    """The name under which a thing is kept, or None when nobody knows it; FaultlineError (ambiguous_<kind>, details.candidates).

    configured: name -> definition of what the user's configuration defines; known: name -> definition (or None) of what the cloud is known to have
    besides, whoever said so.
    """
    word, configured = str(word), configured or {}
    known = {**(known or {}), **configured}
    builtin = _BOOKS[kind][0] if kind in _BOOKS else {}
    own = {name: known[name] for name in known if name not in builtin or name in configured}
    for candidates in (
        _spelled(word, own), _kin(kind, word, configured), _spelled(word, known), _kin(kind, word, own), _spelled(word, builtin),
        [name for name in [_of_the_catalogue(kind, word)] if name],
    ):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise _ambiguous(kind, word, candidates)
    return None


def entry(kind, name, definition=None):
    """The catalogue's name for a thing, which the user may call otherwise; None when it is none of the catalogue's."""
    found = _entries(kind, name, definition)
    return found[0] if len(found) == 1 else None


def called(word, host_vars):
    """All that a service or container of a host is called, which a user calls `word`: so that a fault is found again whatever name it was injected by."""
    found = {word: None}
    for kind in _BOOKS:
        configured, known = (host_vars.get(f"faultline_{kind}{rest}") or {} for rest in ("_definitions", "s"))
        name = resolve(kind, word, configured, known)
        if name is not None:
            definition = configured.get(name) or known.get(name)
            usual = entry(kind, name, definition)
            found.update(dict.fromkeys([name, *_there(kind, definition), *(words(kind, usual) if usual else [])]))
    return list(found)


def sought(kind, configured=None):
    """What a look at a host seeks, name -> definition: what the user has defined, and of the catalogue what he has not, under whatever name.

    A port of the catalogue is only what is usual; what a service listens on is known on its host. What the user calls nova_api is not looked for
    as nova-api too: both would be one group.
    """
    instead = {_by_name(kind, name) for name in configured or ()}
    groups = {group_name(kind, name) for name in configured or ()}
    usual = {
        name: {key: value for key, value in each.items() if key != "port"}
        for name, each in _BOOKS[kind][0].items() if name not in instead and group_name(kind, name) not in groups}
    return copy.deepcopy(merge_definitions(usual, configured))


def words(kind, name):
    """All that an entry of the catalogue is called: its name, its aliases, and what it is called on a host."""
    builtin, aliases, _keys = _BOOKS[kind]
    return [name, *(alias for alias, means in aliases.items() if means == name), *_there(kind, builtin[name])]


def unit(name):
    """A unit's name as people say it."""
    return str(name).lower().removesuffix(".service")


def _ambiguous(kind, word, candidates):
    candidates = sorted(candidates)
    return FaultlineError(
        f"{word} may mean {' or '.join(candidates)}.", code=f"ambiguous_{kind}", hint="Say one of these names.", details={"candidates": candidates})


def _spelled(word, names):
    return [word] if word in names else [str(name) for name in names if str(name).lower() == word.lower()]


def _kin(kind, word, own):
    """Names of what the user calls otherwise: by the catalogue's names for the same thing, or by that of a unit or container."""
    if kind not in _BOOKS:
        return []
    meant = _by_name(kind, word)
    if meant is None:
        same = [str(name) for name, definition in own.items() if unit(word) in _there(kind, definition)]
        meant = None if same else _by_unit(kind, word)
        if meant is None:
            return same
    return [str(name) for name, definition in own.items() if meant in _entries(kind, name, definition)]


def _of_the_catalogue(kind, word):
    return (_by_name(kind, word) or _by_unit(kind, word)) if kind in _BOOKS else None


def _by_name(kind, word):
    """The entry of the catalogue that a word names."""
    builtin, aliases, _keys = _BOOKS[kind]
    low = str(word).lower()
    return low if low in builtin else aliases.get(low)


def _by_unit(kind, word):
    """The entry of the catalogue that has a unit of this name; whoever names what is part of a whole means the whole, unless it has a name."""
    return next((name for name, definition in _BOOKS[kind][0].items() if unit(word) in _there(kind, definition)), None)


def _entries(kind, name, definition):
    """The entries of the catalogue that a thing of the user's may be: the one of its name, else those that share a unit with it."""
    named = _by_name(kind, name)
    if named is not None or not definition:
        return [named] if named is not None else []
    there = set(_there(kind, definition))
    found = [each for each, usual in _BOOKS[kind][0].items() if there.intersection(_there(kind, usual))]
    parts = {part for whole in found for part in _catalogue.PARTS.get(whole, ())}
    return [each for each in found if each not in parts]


def _there(kind, definition):
    """What a definition says that the thing is called on its host."""
    found = []
    for key in _BOOKS[kind][2] if isinstance(definition, Mapping) else ():
        value = definition.get(key)
        found += [unit(each) for each in (value if isinstance(value, list) else [value] if value else [])]
    return found
