# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's own failures around a fault say whether one may be left, how to look, and what an option should have been."""

from __future__ import annotations

import json

import pytest
from warm_ansible import run_ansible

from ansible_collections.faultline.openstack.plugins.plugin_utils import _ended

LOST = "Whether the fault was injected is not known"


@pytest.mark.parametrize("message, maybe", [
    ("Failed to connect to the host via ssh: Shared connection to 10.0.0.1 closed.", True),
    ("Failed to connect to the host via ssh: Connection to 10.0.0.1 closed by remote host.", True),
    ("Failed to connect to the host via ssh: client_loop: send disconnect: Broken pipe", True),
    ("Failed to connect to the host via ssh: ", True),
    ("Failed to connect to the host via ssh: ssh: connect to host 192.0.2.1 port 22: No route to host", False),
    ("Failed to connect to the host via ssh: Host key verification failed.", False),
    ("Failed to connect to the host via ssh: root@10.0.0.1: Permission denied (publickey).", False),
    ("Failed to connect to the host via ssh: ssh: Could not resolve hostname ctl9: Name or service not known", False),
])
def test_a_connection_that_ended(message, maybe):
    said = _ended.connection(message, "ctl1")
    assert bool(said) is maybe
    if maybe:
        assert LOST in said and "ansible ctl1 -m faultline.openstack.os_fault_info" in said and "heal -e targets=ctl1" in said


NOT_JSON = "Module result deserialization failed: No start of json char found"
TRACEBACK = "Traceback (most recent call last):\n  File \"<stdin>\", line 1, in <module>\nKeyError: 'a'\n"
UNPACKED = "OSError: [Errno 28] No space left on device: '/root/.ansible/tmp/ansible-tmp-1-2/AnsiballZ_os_service_fault.py'"


@pytest.mark.parametrize("told, code, words, maybe", [
    # as ansible-core 2.19 and later say it, and 2.18 and before
    ({"msg": NOT_JSON, "rc": 255}, "no_result", "The connection to ctl1 ended", True),
    ({"msg": NOT_JSON}, "no_result", "The connection to ctl1 ended", True),
    ({"msg": NOT_JSON, "rc": 0}, "no_result", "The connection to ctl1 ended", True),
    ({"msg": "MODULE FAILURE\nSee stdout/stderr for the exact error", "rc": 255}, "no_result", "The connection to ctl1 ended", True),
    ({"msg": NOT_JSON, "rc": 137, "module_stderr": "Killed\n"}, "killed", "The module was killed on ctl1 by the signal KILL, as when memory runs out.", True),
    ({"msg": NOT_JSON, "rc": -9}, "killed", "by the signal KILL, as when memory runs out.", True),
    ({"msg": NOT_JSON, "rc": 143, "module_stderr": "Terminated\n"}, "killed", "The module was killed on ctl1 by the signal TERM.", True),
    ({"msg": NOT_JSON, "rc": 139}, "killed", "by the signal SEGV.", True),
    ({"msg": NOT_JSON, "rc": 200}, "ended", "The module ended on ctl1 with 200 and gave no result.", True),
    ({"msg": NOT_JSON, "rc": 3, "module_stderr": "a\nboo\n"}, "ended", "The module ended on ctl1 with 3 and gave no result: boo.", True),
    ({"msg": NOT_JSON, "rc": 1, "module_stderr": TRACEBACK}, "crashed", "The module crashed on ctl1: KeyError: 'a'. That is a defect", True),
    ({"msg": "MODULE FAILURE", "rc": 1, "module_stdout": TRACEBACK}, "crashed", "The module crashed on ctl1: KeyError: 'a'.", True),
    ({"msg": "Module failed: 'a'", "exception": TRACEBACK}, "crashed", "The module crashed on ctl1: 'a'. That is a defect", True),
    ({"msg": NOT_JSON, "rc": 1, "module_stderr": f"Traceback (most recent call last):\n{UNPACKED}"}, "no_room", "is full or cannot be written", False),
    ({"msg": f"Module failed: {UNPACKED}"}, "no_room", "is full or cannot be written", False),
    ({"msg": "Module failed: /etc/a: No such file or directory"}, "crashed", "The module crashed on ctl1: /etc/a: No such file", True),
    ({"msg": "Module failed: [Errno 28] No space left on device: '/var/lib/faultline/open/x'"}, "crashed", "No space left", True),
    ({"msg": "The module interpreter '/usr/bin/python3' was not found.", "rc": 127, "module_stderr": "/bin/sh: 1: /usr/bin/python3: not found"},
     "no_python", "There is no Python at /usr/bin/python3 on ctl1", False),
    ({"msg": "MODULE FAILURE", "rc": 127, "module_stdout": "/bin/sh: 1: /usr/bin/python: not found\r\n"}, "no_python", "no Python at /usr/bin/python on ctl1",
     False),
    ({"msg": NOT_JSON, "rc": 127, "module_stderr": "bash: line 1: /usr/bin/python3: No such file or directory"}, "no_python", "no Python at /usr/bin/python3",
     False),
])
def test_a_module_that_gave_no_result(told, code, words, maybe):
    told = {"failed": True, **told}
    said = _ended.result(told, "ctl1")
    assert said["failure"]["code"] == code and words in said["msg"], said["msg"]
    assert (LOST in said["msg"], "was not started there" in said["msg"]) == (maybe, not maybe)
    assert ("connection" in said["msg"]) is (code == "no_result")
    # of what injects nothing, nothing is left
    alike = _ended.result(told, "ctl1", injects=False)
    assert LOST not in alike["msg"] and (words in alike["msg"]) is (code != "no_result")


@pytest.mark.parametrize("message", [
    "Failed to create temporary directory. In some cases, you may have been able to authenticate and did not have permissions on the target directory. "
    "Consider changing the remote tmp path in ansible.cfg to a path rooted in \"/tmp\". Failed command was: ( umask 77 && mkdir ), exited with result 1",
    "mkdir: cannot create directory '/root/.ansible/tmp/ansible-tmp-1': No space left on device",
    "mkdir: cannot create directory '/root/.ansible/tmp/ansible-tmp-1': Read-only file system",
    "mkdir: cannot create directory '/root/.ansible/tmp/ansible-tmp-1': Permission denied",
])
def test_a_folder_for_temporary_files_that_cannot_be_written_is_no_connection_that_ended(message):
    said = _ended.connection(message, "ctl1")
    assert said == (
        "The folder for temporary files on ctl1 is full or cannot be written, so the module was not started there. Make room there, or name another by "
        "the variable ansible_remote_tmp.")


@pytest.mark.parametrize("told", [
    {"changed": True, "msg": "killed"}, {"failed": True, "msg": "MODULE FAILURE", "failure": {"code": "x"}}, {"failed": True, "msg": "something else"},
    {"unreachable": True, "failed": True, "msg": "MODULE FAILURE"},
])
def test_other_results_are_as_they_are(told):
    assert _ended.result(dict(told), "ctl1") == told


@pytest.mark.parametrize("args, words", [
    (
        {"do": "kill keystone service", "recovry_timeout": 3},
        "recovry_timeout. Supported|Did you mean recovery_timeout?|ansible-doc faultline.openstack.os_fault",
    ),
    ({"do": "kill keystone service", "wait_timeout": "soon"}, "wait_timeout|Nothing was touched."),
    ({"wait": True}, "do|Nothing was touched."),
])
def test_a_refused_option_of_a_sentence(tmp_path, args, words):
    (tmp_path / "hosts").write_text("ctl1 ansible_host=192.0.2.1\n")
    done = run_ansible(["ansible", "-i", str(tmp_path / "hosts"), "ctl1", "-m", "faultline.openstack.os_fault", "-a", json.dumps(args)])
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2 and all(word in said for word in words.split("|")) and '"code": "bad_option"' in said, said


@pytest.mark.parametrize("message, hint", [
    ("value of action must be one of: start, kill, freeze, got: kil", "Did you mean kill? Nothing was touched."),
    ("Unsupported parameters for (faultline.openstack.os_power) module: nodes. Supported parameters include: action, node, wait (at).",
     "Did you mean node? Nothing was touched. See: ansible-doc faultline.openstack.os_power"),
    ("missing required arguments: service", "Nothing was touched."),
    ("the service is down", ""),
])
def test_a_refused_option_of_a_module(message, hint):
    assert _ended.option(message) == hint


@pytest.mark.parametrize("variables, words", [
    ({"ansible_python_interpreter": "/nowhere/python3"}, "There is no Python at /nowhere/python3 on here, so the module was not started there."),
    ({"ansible_remote_tmp": "/proc/nowhere", "ansible_pipelining": False}, "The folder for temporary files on here is full or cannot be written"),
])
def test_as_ansible_says_it(tmp_path, variables, words):
    """A fault that is meant for a unit that no host has."""
    hosts = {"here": {"ansible_connection": "local", "faultline_allow_local": True, **variables}}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    args = {"service": "faultline-nothing", "unit": ["faultline-nothing"], "action": "restart"}
    done = run_ansible(["ansible", "-i", str(tmp_path / "hosts.json"), "here", "-m", "faultline.openstack.os_service_fault", "-a", json.dumps(args)])
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode in (2, 4) and words in said and "connection to here ended" not in said, said
