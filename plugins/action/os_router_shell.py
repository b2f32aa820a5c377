# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_router_shell: give the terminal to a shell on the host, in a network namespace of it."""

from __future__ import annotations

import shlex

from ..module_utils import _router_shell_arguments
from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils import _netns, _terminal
from ..plugin_utils._action import FaultAction

# what ssh ends with when it could not connect
_NOT_CONNECTED = 255
_HINT = "Start ansible-playbook on a terminal. Without one, run single commands: ansible router_NAME -m command -a 'ip route'."
_LOGIN_SHELL = 'cd; exec "${SHELL:-/bin/sh}" -l'


class ActionModule(FaultAction):
    _supports_check_mode = False
    _supports_async = False

    def perform(self, result, task_vars):
        args = self.validate_argument_spec(_router_shell_arguments.shell())[1]
        connection, host = self._connection, task_vars.get("inventory_hostname")
        if connection.transport != "ssh" or connection.get_option("password"):
            raise FaultlineError(
                f"{host} is reached by {'a password' if connection.transport == 'ssh' else connection.transport}, which has no terminal to give.",
                code="no_terminal", hint="Use ssh with a key.")
        line = command(args["namespace"], args["command"], args["label"])
        address = connection.get_option("host") or self._play_context.remote_addr
        argv = connection._build_command(connection.get_option("ssh_executable"), "ssh", "-tt", address, line)
        status = _terminal.run(argv, _HINT)
        if status == _NOT_CONNECTED:
            raise FaultlineError(f"The shell on {host} has ended with 255, as ssh does when it has lost its host.", code="no_answer")
        where = f"in {args['namespace']} on {host}" if args["namespace"] else f"on {host}"
        return {**result, "changed": False, "status": status, "msg": f"the shell {where} ended with {status}"}


def command(namespace, words=None, label=None):
    """The command line, for the login's shell on the host."""
    inner = f"/bin/sh -c {shlex.quote(words or _LOGIN_SHELL)}"
    if label:
        inner = f"env debian_chroot={shlex.quote(label)} {inner}"
    if namespace is None:
        return f"exec {inner}"
    # as other users' shells are no sh
    return f"exec /bin/sh -c {shlex.quote(_netns.command(str(namespace), inner, sudo='sudo -H'))}"
