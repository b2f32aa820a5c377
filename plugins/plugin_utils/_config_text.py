# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of a configuration file, JSON or YAML, as plain data. Pure."""

from __future__ import annotations

import json
import re
import typing as t

import yaml

from ..module_utils._fault._errors import FaultlineError


class _Duplicate(Exception):
    """A key that is there twice."""


class _Loader(yaml.SafeLoader):
    """YAML as os-faults reads it, but: a key may not be there twice, and 52:54:00:12:34:56 is a MAC, not a number."""

    vaulted: t.Callable[[str], t.Any] = staticmethod(str)

    def construct_mapping(self, node, deep=False):
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key_node, _value in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, (str, int, float, bool, type(None))) or key in seen:
                    mark = key_node.start_mark
                    raise _Duplicate(f"line {mark.line + 1}, column {mark.column + 1}: the key {key} is there twice")
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _number(self, node):
    value = self.construct_scalar(node)
    if ":" in value:
        return value
    return self.construct_yaml_float(node) if node.tag.endswith(":float") else self.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
# A date is text here, as everything else that os-faults has no use for.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda self, node: self.construct_scalar(node))
_Loader.add_constructor("!unsafe", lambda self, node: self.construct_scalar(node))
for _tag in ("!vault", "!vault-encrypted"):
    _Loader.add_constructor(_tag, lambda self, node: self.vaulted(self.construct_scalar(node)))


def _no_duplicates(pairs):
    seen: dict = {}
    for key, value in pairs:
        if key in seen:
            raise _Duplicate(f"the key {key} is there twice")
        seen[key] = value
    return seen


def load(text, name, vaulted=str, json_as_yaml=False):
    """The text of a configuration file (JSON or YAML) as plain data; an error never quotes the file.

    vaulted: makes a value of the text of a `!vault` scalar.
    json_as_yaml: take JSON with comments, single quotes or a comma too many, as os-faults does, for which every file is YAML.
    """
    text = str.__str__(text)
    loader = type("_VaultLoader", (_Loader,), {"vaulted": staticmethod(vaulted)})
    refused = None
    try:
        if name.endswith(".json"):
            try:
                return json.loads(text, object_pairs_hook=_no_duplicates)
            except json.JSONDecodeError as exc:
                refused = (f"line {exc.lineno}, column {exc.colno}", exc.msg, "JSON")
        if refused is None or json_as_yaml:
            try:
                return yaml.load(text, Loader=loader)  # a SafeLoader
            except yaml.MarkedYAMLError as exc:
                mark = exc.problem_mark or exc.context_mark
                where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
                refused = refused or (where, exc.problem or exc.context or "not readable", "YAML")
            except yaml.YAMLError:
                refused = refused or ("somewhere", "it has characters that YAML does not know", "YAML")
    except _Duplicate as exc:
        raise FaultlineError(f"{name}: {exc}.", code="bad_config", hint="Keep one of them.") from None
    where, what, kind = refused
    # What YAML quotes may be part of a password.
    what = re.sub(r"'[^']{2,}'|\"[^\"]{2,}\"", "...", what)
    raise FaultlineError(
        f"{name}: {where}: this is not {kind}: {what}.",
        code="bad_config",
        hint="Look for a missing quote, a wrong indentation or a tab.",
    ) from None
