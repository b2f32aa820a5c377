# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_test in check mode on hosts that do not exist: what its plan refuses before any host is touched."""

from __future__ import annotations

import json

import pytest
from warm_ansible import run_ansible

APP = {"driver": "process", "grep": "my_app"}


@pytest.fixture(name="certify")
def fixture_certify(tmp_path):
    """certify(disruption, definition of the service app): what ha_test says of it, and its exit code."""

    def run(disruption, definition):
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {
            "hosts": {"ctl1": {"ansible_host": "192.0.2.1", "ansible_ssh_timeout": 2, "faultline_services": {"app": definition}}},
            "children": {"service_app": {"hosts": {"ctl1": None}}}}}))
        scenario = {"name": "test", "baseline": 0, "monitors": [], "disruptions": [disruption]}
        done = run_ansible([
            "ansible-playbook", "faultline.openstack.ha_test", "-i", str(tmp_path / "hosts.json"), "--check",
            "-e", json.dumps({"ha_test_scenario": scenario, "ha_test_dir": str(tmp_path / "runs")})])
        return " ".join((done.stdout + done.stderr).split()), done.returncode

    return run


@pytest.mark.parametrize("disruption", [
    {"do": "terminate app service", "down_time": 5},
    {"module": "os_service_fault", "args": {"service": "app", "action": "terminate"}, "hosts": ["ctl1"], "down_time": 5},
], ids=["sentence", "module"])
def test_what_nothing_could_start_again_is_refused(certify, disruption):
    said, code = certify(disruption, APP)
    assert code == 2 and "ctl1: terminate of app has no undo, so a duration has no meaning for it: its definition has no start_cmd" in said, said
    said, code = certify(disruption, {**APP, "start_cmd": "/bin/app"})
    assert code == 0 and "undone at +5 s" in said, said


def test_who_was_left_out_is_told(tmp_path):
    """A node that could not tell whether it runs the service is in no choice, which the plan says."""
    hosts = {name: {"ansible_host": f"192.0.2.{number}", "ansible_ssh_timeout": 2, "faultline_services": {}} for number, name in enumerate(["ctl1", "ctl2"])}
    hosts["ctl1"]["faultline_services"] = {"app": {**APP, "start_cmd": "/bin/app"}}
    hosts["ctl2"]["faultline_unseen"] = {"services": {"app": "systemctl told nothing"}}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    scenario = {"name": "test", "baseline": 0, "monitors": [], "disruptions": [{"do": "terminate app service", "down_time": 5}]}
    done = run_ansible([
        "ansible-playbook", "faultline.openstack.ha_test", "-i", str(tmp_path / "hosts.json"), "--check",
        "-e", json.dumps({"ha_test_scenario": scenario, "ha_test_dir": str(tmp_path / "runs")})])
    assert done.returncode == 0 and "d1 leaves out ctl2, where it could not be looked for: systemctl told nothing" in done.stdout, done.stdout
