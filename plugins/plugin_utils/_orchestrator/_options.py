# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the options of all sources have in common: what is no option, texts, numbers, and the login to a cloud."""

from __future__ import annotations

import os

from ...module_utils._fault._errors import FaultlineError
from ...module_utils._ha import _cloud
from ...module_utils._nearest import did_you_mean
from ...module_utils._router import _memory

CLOUD = tuple(_cloud.arguments())


def given(args, known):
    """The arguments that are not empty, as a rulebook may leave some. FaultlineError bad_option of one that is not known."""
    for name in args:
        if name not in known:
            raise bad(f"There is no option {name}.", did_you_mean(str(name), known) or f"There are {', '.join(sorted(known))}.")
    return {name: value for name, value in args.items() if value not in (None, "")}


def bad(message, hint=""):
    return FaultlineError(message, code="bad_option", hint=hint)


def text(name, value):
    if not isinstance(value, str):
        raise bad(f"{name} is no text.")
    return value


def number(name, value, kind, least, most):
    """A number, also one that a rulebook's variable has made a text."""
    try:
        if isinstance(value, bool) or not least <= float(value) <= most or kind(float(value)) != float(value):
            raise ValueError
        return kind(float(value))
    except (TypeError, ValueError, OverflowError):
        raise bad(f"{name} is {value!r}; it has to be a{' whole' if kind is int else ''} number from {least:g} to {most:g}.") from None


def state_dir(args):
    """Where the machines remember: the same folder for this process and for the playbooks, which run elsewhere."""
    found = os.path.expanduser(text("state_dir", args.get("state_dir", ""))) or _memory.default_folder()
    if not os.path.isabs(found):
        raise bad(f"state_dir is {found}; it has to begin with / or ~.", "The playbooks run in another folder than this.")
    return found


def login(args):
    kinds = {"auth": dict, "verify": bool}
    for name in CLOUD:
        if name in args and not isinstance(args[name], kinds.get(name, str)):
            raise bad(f"{name} is no {'dictionary' if name == 'auth' else 'yes or no' if name == 'verify' else 'text'}.")
    return {name: args.get(name) for name in CLOUD}
