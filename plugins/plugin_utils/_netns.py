# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line that runs something in a network namespace, by a shell of the login's on the host. Pure."""

from __future__ import annotations

import re
import shlex

from ..module_utils._fault._errors import FaultlineError

# what `ip netns` takes, and neither a shell nor a path reads another way
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,254}")


def command(namespace, inner, sudo="sudo -H -n", ip="ip"):
    """Run inner, words of a command line already, in a namespace. sudo: words before it where the login is not root. FaultlineError: bad_namespace.

    A namespace that is not there is told beforehand: `ip` would end with 255, which Ansible takes for an SSH that did not connect.
    """
    if not _NAME.fullmatch(namespace):
        raise FaultlineError(f"{namespace!r} is no name of a network namespace.", code="bad_namespace", hint="That of a router is qrouter-<its id>.")
    there = f"test -e /var/run/netns/{namespace} || {{ echo 'There is no network namespace {namespace} on this host.' >&2; exit 1; }}"
    who = f"$(test \"$(id -u)\" = 0 || echo {shlex.quote(sudo)})"
    return f"{there}; {who} {ip} netns exec {namespace} {inner}"
