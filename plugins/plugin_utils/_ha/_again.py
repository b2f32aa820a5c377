# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another ansible-playbook with the inventory and the connection settings of the one that runs: to look, or to heal."""

from __future__ import annotations

import os
import shutil
import sys

from ansible import context


def argv(playbook, extra=()):
    """The command line of a playbook of ours (its FQCN) on the hosts of this run. extra: words for it, as -e key=value.

    What only a person can give, as a password that was asked for, is not in it.
    """
    said = context.CLIARGS
    line = [*_program(), playbook]
    for source in said.get("inventory") or ():
        line += ["--inventory", source]
    for option, key in (
        ("--private-key", "private_key_file"), ("--user", "remote_user"), ("--connection", "connection"), ("--timeout", "timeout"),
        ("--ssh-common-args", "ssh_common_args"), ("--ssh-extra-args", "ssh_extra_args"), ("--become-method", "become_method"),
        ("--become-user", "become_user"), ("--forks", "forks"),
    ):
        if said.get(key):
            line += [f"{option}={said[key]}"]
    if said.get("become"):
        line.append("--become")
    for source in said.get("vault_ids") or ():
        line += ["--vault-id", source]
    for source in said.get("vault_password_files") or ():
        line += ["--vault-password-file", source]
    for variables in said.get("extra_vars") or ():
        line += ["--extra-vars", variables]
    return [*line, *extra]


def _program():
    """What runs playbooks: the program that runs this one, else that of this Python."""
    own = os.path.abspath(sys.argv[0])
    if os.path.basename(own) == "ansible-playbook" and os.access(own, os.X_OK):
        return [own]
    found = shutil.which("ansible-playbook", path=os.path.dirname(sys.executable)) or shutil.which("ansible-playbook")
    return [found] if found else [sys.executable, "-m", "ansible.cli.playbook"]


def environment():
    """Its environment: ours, without colours and without what would ask somebody."""
    return {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_RETRY_FILES_ENABLED": "0"}
