# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Python tasks on the controller are run with, whatever the inventory has under the name localhost."""

from __future__ import annotations

import json
import sys

import pytest
from warm_ansible import run_ansible

PLAY = [{"hosts": "node", "gather_facts": False, "tasks": [{
    "ansible.builtin.debug": {"msg": "with {{ lookup('faultline.openstack.controller_python') }}"}, "vars": {"ansible_connection": "local"}}]}]


@pytest.mark.parametrize("localhost, python", [
    (None, None),
    ({"ansible_connection": "local", "ansible_python_interpreter": "/opt/{{ 'own' }}/python"}, "/opt/own/python"),
    ({"ansible_connection": "local"}, None),
    ({"ansible_connection": "ssh", "ansible_python_interpreter": "/its/python"}, None),
    ({"ansible_python_interpreter": "/its/python"}, None),
], ids=["of no inventory", "this machine with a Python of its own", "this machine", "a node", "a node by default"])
def test_the_python_of_the_controller(tmp_path, localhost, python):
    hosts = {"node": {"ansible_python_interpreter": "/node/python"}, **({"localhost": localhost} if localhost else {})}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (tmp_path / "play.yml").write_text(json.dumps(PLAY))
    done = run_ansible(["ansible-playbook", "-i", str(tmp_path / "hosts.json"), str(tmp_path / "play.yml")])
    assert f"with {python or sys.executable}" in done.stdout, done.stdout + done.stderr
