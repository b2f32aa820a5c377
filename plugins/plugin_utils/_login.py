# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to a node of an os-faults configuration file: who logs in, who is become, which options ssh gets. Pure."""

from __future__ import annotations

import os
import shlex
import typing as t


def login(auth, default_user):
    return auth.get("username") or default_user


def becomes(auth, default_user):
    """Whether root must be become on the node: the login is not root, unless the file says otherwise."""
    if auth.get("become") is not None:
        return bool(auth["become"])
    if auth.get("become_username"):
        return True
    return login(auth, default_user) != "root"


def key_file(path):
    return os.path.expanduser(path) if path else ""


def jump_options(node, default_user, host_key_checking=None):
    """ssh options that lead through the jump host, as an argv; [] without one."""
    jump = node.auth.get("jump")
    if not jump:
        return []
    user = jump.get("username") or login(node.auth, default_user)
    host = jump["host"]
    key = key_file(jump.get("private_key_file"))
    host_keys = host_key_options(node, host_key_checking)
    if not key and not host_keys:
        target = f"[{host}]" if ":" in host else host
        return ["-o", f"ProxyJump={user}@{target}"]
    # ssh hands this to a shell, and expands % in it first.
    argv = ["ssh", *(["-i", key] if key else []), *host_keys]
    command = " ".join(shlex.quote(word).replace("%", "%%") for word in argv)
    where = shlex.quote(f"{user}@{host}").replace("%", "%%")
    return ["-o", f"ProxyCommand={command} -W %h:%p {where}"]


def host_key_options(node, host_key_checking):
    """ssh options for a user who wants no host keys checked, or has them in a file of their own."""
    if host_key_checking is False:
        return ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    # ssh takes blanks for the end of a file's name
    return ["-o", f'UserKnownHostsFile="{key_file(node.known_hosts)}"'] if node.known_hosts else []


def connection_variables(node, default_user, host_key_checking=None):
    """Ansible's connection variables for a node."""
    auth = node.auth
    variables: dict[str, t.Any] = {"ansible_host": node.ip}
    for variable, value in (
        ("ansible_user", auth.get("username")),
        ("ansible_password", auth.get("password")),
        ("ansible_ssh_private_key_file", key_file(auth.get("private_key_file"))),
        ("ansible_become_user", auth.get("become_username")),
        ("ansible_become_password", auth.get("become_password")),
        ("ansible_become_method", auth.get("become_method")),
    ):
        # A vaulted value stays as it is: asking whether it is empty would decrypt it.
        if value is not None and not (isinstance(value, str) and not value):
            variables[variable] = value
    if becomes(auth, default_user):
        variables["ansible_become"] = True
    elif auth.get("become") is False:
        variables["ansible_become"] = False
    options = jump_options(node, default_user, host_key_checking)
    if node.known_hosts:
        options = host_key_options(node, host_key_checking) + options
    if options:
        variables["ansible_ssh_common_args"] = shlex.join(options)
    if host_key_checking is not None:
        variables["ansible_host_key_checking"] = host_key_checking
    return variables
