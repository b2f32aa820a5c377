# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The console of routers as a program: python -m ansible_collections.faultline.openstack.plugins.plugin_utils._router_console --cloud lab.

The playbook router_console starts it on the terminal of ansible-playbook, with the login as JSON on a file descriptor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._ha import _cloud
from ..module_utils._router import _router, _routers, _runs
from . import _router_screen


class Cloud:
    """What the console shows and does. login: the options of the fragment cloud; project: only its routers."""

    def __init__(self, login, project=None):
        self.login, self.project = login, project
        self.routers = None

    def look(self):
        """All routers, as os_router_info tells them."""
        if self.routers is None:
            self.routers = _routers.Routers(_cloud.Connection(self.login))
        try:
            found = self.routers.described()
        except FaultlineError:
            # the next look logs in anew
            self.routers = None
            raise
        return _router.chosen(found, project=self.project, projects=self.routers.projects) if self.project else found

    def act(self, action, router, reason=None):
        """What os_router says of one router."""
        given = {name: option.get("default") for name, option in _runs.arguments().items()}
        return _runs.act({**self.login, **given, "action": action, "router": [router["id"]], "reason": reason}, False)["msg"]


def main(arguments=None):
    """The program; its exit status."""
    parser = argparse.ArgumentParser(prog="router_console", description="Browse the routers of an OpenStack cloud, rebuild them, put them in debug and back.")
    parser.add_argument("--cloud", help="a name of clouds.yaml; without it the variables OS_* of the shell")
    parser.add_argument("--project", help="only the routers of this project, by name or id")
    parser.add_argument("--every", type=float, default=5, help="seconds between two looks (5)")
    parser.add_argument("--dump", action="store_true", help="print the table once, for pipes")
    parser.add_argument("--login-fd", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    login = dict.fromkeys(_cloud.arguments())
    if given.login_fd is not None:
        with os.fdopen(given.login_fd, encoding="utf-8") as stream:
            login.update(json.load(stream))
    if given.cloud:
        login["cloud"] = given.cloud
    cloud = Cloud(login, given.project)
    try:
        if given.dump:
            found = cloud.look()
            print("\n".join(_router.table(found)))
            return 0
        _router_screen.require()
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise FaultlineError("The console needs a terminal.", code="no_terminal", hint="--dump prints the table once.")
        _router_screen.Console(cloud.look, cloud.act, max(1.0, given.every)).run()
    except FaultlineError as exc:
        print(exc.text, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
