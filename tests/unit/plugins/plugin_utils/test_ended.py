# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's own failures around a fault say whether one may be left, how to look, and what an option should have been."""

from __future__ import annotations

import json

import pytest
from warm_ansible import run_ansible

from ansible_collections.faultline.openstack.plugins.plugin_utils import _ended

LOST = "whether the fault was injected is not known"


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


def test_a_module_that_gave_no_result():
    told = _ended.result({"failed": True, "msg": "Module result deserialization failed: No start of json char found"}, "ctl1")
    assert LOST in told["msg"] and told["failure"]["code"] == "no_result"


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
