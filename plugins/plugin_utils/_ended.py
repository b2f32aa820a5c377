# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's own failures around a module of ours, in words that say what is the matter with the fault. Pure."""

from __future__ import annotations

import re
import signal

from ..module_utils._nearest import did_you_mean

# what ssh says before any program of ours can have been started
_NEVER_THERE = re.compile(
    r"ssh: connect to host|could not resolve hostname|host key verification failed|permission denied|no route to host|name or service not known"
    r"|too many authentication failures|identification has changed|invalid/incorrect password|unprotected private key", re.IGNORECASE)
# how Ansible names a program whose output has no end, and one that has ended by an exception of its own
_NO_RESULT = re.compile(r"deserialization failed|MODULE FAILURE|no start of json char", re.IGNORECASE)
_RAISED = re.compile(r"^(?:Task failed: )?Module failed: (.+)", re.DOTALL)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):.*^(\S.*)", re.MULTILINE | re.DOTALL)
_NO_PYTHON = re.compile(r"module interpreter '([^']+)' was not found")
_NOT_FOUND = re.compile(r"(/\S+): (?:not found|command not found|No such file or directory)")
# of the folder that Ansible makes for a module, and of nothing that a module writes
_NO_ROOM = re.compile(
    r"Failed to create temporary directory|(?=.*(?:ansible[-_]tmp|AnsiballZ|ansible_\w+_payload))"
    r".*(?:No space left on device|Disk quota exceeded|Read-only file system|Permission denied)", re.DOTALL)
_ENDED = "The connection to {} ended, maybe in the middle."
_SIGNALS = {each.value: each.name.removeprefix("SIG") for each in signal.Signals}
_UNSUPPORTED = re.compile(r"Unsupported parameters for \(?([\w.]+)\)?[^:]*: (.+?)\. Supported parameters include: (.+?)\.?$", re.DOTALL)
_ONE_OF = re.compile(r"value of ([\w.]+) must be one (?:or more )?of: (.+), got: ?(.*?)( found in .+)?$", re.DOTALL)


def connection(message, host):
    """What a failed connection means for a fault: text to add, or '' where nothing of it can have reached the host."""
    if _NO_ROOM.search(message):
        return _no_room(host)
    return "" if _NEVER_THERE.search(message) else f"{_ENDED.format(host)} {_maybe_left(host)}"


def result(told, host, injects=True):
    """A module's failed result that is not in our shape, with what is the matter with the fault; others as they are. injects: whether there may be one."""
    message = str(told.get("msg") or "")
    if not told.get("failed") or "failure" in told or told.get("unreachable"):
        return told
    code, why, begun = _no_result(told, message, host)
    if begun and injects:
        why = f"{why} {_maybe_left(host)}"
    if code == "no_result" and not injects:
        code = ""
    if not code:
        code, why = "bad_option", option(message)
    return {**told, "msg": f"{message.rstrip('.')}. {why}", "failure": {"code": code, "hint": why, "details": {}}} if why else told


def _no_result(told, message, host):
    """(code, why, whether the module had begun) of a module that gave no result; ('', '', False) of another."""
    raised, output = _RAISED.search(message), "\n".join(str(told.get(name) or "") for name in ("module_stdout", "module_stderr"))
    if not raised and not _NO_RESULT.search(message) and not _NO_PYTHON.search(message):
        return "", "", False
    missing = _NO_PYTHON.search(message) or (_NOT_FOUND.search(output) if told.get("rc") == 127 else None)
    if missing:
        return "no_python", (
            f"There is no Python at {missing[1]} on {host}, so the module was not started there. Install it, or name another by the variable "
            "ansible_python_interpreter."), False
    crashed = raised or _TRACEBACK.search(output)
    if crashed and _NO_ROOM.search(crashed[1]):
        return "no_room", _no_room(host), False
    if crashed:
        said = " ".join(crashed[1].split())
        return "crashed", f"The module crashed on {host}: {said[:300].rstrip('.')}. That is a defect: report it with what -vvv shows.", True
    rc = told.get("rc")
    number = -rc if isinstance(rc, int) and rc < 0 else rc - 128 if isinstance(rc, int) and 128 < rc < 193 else 0
    if number in _SIGNALS:
        name = _SIGNALS[number]
        return "killed", f"The module was killed on {host} by the signal {name}{', as when memory runs out' if name == 'KILL' else ''}.", True
    if rc in (None, 0, 255):
        return "no_result", _ENDED.format(host), True
    last = (output.strip().splitlines() or [""])[-1][:300].rstrip(".")
    return "ended", f"The module ended on {host} with {rc} and gave no result{f': {last}' if last else ''}.", True


def _maybe_left(host):
    return (
        "Whether the fault was injected is not known. What was injected with a duration undoes itself. "
        f"Look by: ansible {host} -m faultline.openstack.os_fault_info -a closed=false; undo by: ansible-playbook faultline.openstack.heal -e targets={host}")


def _no_room(host):
    return (
        f"The folder for temporary files on {host} is full or cannot be written, so the module was not started there. Make room there, or name another by "
        "the variable ansible_remote_tmp.")


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
