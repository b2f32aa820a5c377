# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's own failures around a module of ours, in words that say what is the matter with the fault. Pure."""

from __future__ import annotations

import re

from ..module_utils._nearest import did_you_mean

# what ssh says before any program of ours can have been started
_NEVER_THERE = re.compile(
    r"ssh: connect to host|could not resolve hostname|host key verification failed|permission denied|no route to host|name or service not known"
    r"|too many authentication failures|identification has changed|invalid/incorrect password|unprotected private key", re.IGNORECASE)
# how Ansible names a program whose output has no end
_NO_RESULT = re.compile(r"deserialization failed|MODULE FAILURE|no start of json char", re.IGNORECASE)
_UNSUPPORTED = re.compile(r"Unsupported parameters for \(?([\w.]+)\)?[^:]*: (.+?)\. Supported parameters include: (.+?)\.?$", re.DOTALL)
_ONE_OF = re.compile(r"value of ([\w.]+) must be one (?:or more )?of: (.+), got: ?(.*?)( found in .+)?$", re.DOTALL)


def connection(message, host):
    """What a failed connection means for a fault: text to add, or '' where nothing of it can have reached the host."""
    if _NEVER_THERE.search(message):
        return ""
    return (
        f"The connection to {host} ended, maybe in the middle: whether the fault was injected is not known. What was injected with a duration undoes itself. "
        f"Look by: ansible {host} -m faultline.openstack.os_fault_info -a closed=false; undo by: ansible-playbook faultline.openstack.heal -e targets={host}")


def result(told, host, injects=True):
    """A module's failed result that is not in our shape, with what is the matter with the fault; others as they are. injects: whether there may be one."""
    message = str(told.get("msg") or "")
    if not told.get("failed") or "failure" in told or told.get("unreachable"):
        return told
    if injects and _NO_RESULT.search(message):
        hint = connection(message, host)
        return {**told, "msg": f"{message.rstrip('.')}. {hint}", "failure": {"code": "no_result", "hint": hint, "details": {}}}
    hint = option(message)
    return {**told, "msg": f"{message.rstrip('.')}. {hint}", "failure": {"code": "bad_option", "hint": hint, "details": {}}} if hint else told


def option(message):
    """What to do about an option that Ansible has refused, or '' where the message is of something else."""
    found, words = _UNSUPPORTED.search(message), []
    if found:
        name = found[1].rpartition(".")[2]
        # an alias stands in brackets behind its option
        known = re.findall(r"[\w]+", found[3])
        words = [did_you_mean(name.strip(), known, 1) for name in found[2].split(",")]
        return " ".join(filter(None, [*words, f"Nothing was touched. See: ansible-doc faultline.openstack.{name}"]))
    found = _ONE_OF.search(message)
    if found:
        words = [did_you_mean(found[3].strip(), [each.strip() for each in found[2].split(",")], 1)]
    if found or re.search(r"missing required arguments|argument '?\w+'? is of type", message):
        return " ".join(filter(None, [*words, "Nothing was touched."]))
    return ""
