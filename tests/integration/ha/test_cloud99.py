# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration of Cloud99, as it is: hosts that no inventory knows, logins by password, a real OpenStack, and what the report says of it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest
from lab_nodes import PASSWORD, ROOT
from patience import HANG

# those of the hosts, and of the operator who has to become root
SECRETS = {"root": "r00t-for-tests", "stack": "st4ck-for-tests"}
# as Cloud99's own example, the key that is there twice included
CONFIGURATION = """
openrc:
  auth_url: "http://{cloud}:5000/v2.0"
  username: "admin"
  password: "{password}"
  region_name: "RegionOne"
  tenant_name: "admin"
  https_cacert: ""
  https_insecure: False

inventory:
  controller-1:
    ip_or_hostname: "{cloud}"
    username: "root"
    password: "{root}"
    role: "controller"
  compute-1:
    ip_or_hostname: "{compute}"
    username: "stack"
    password: "{stack}"
    role: "compute"

disruptors:
  - ProcessDisruptor:
      disrupt: glance-api
      where: ["controller-1"]
      mode: "sequential"
      with:
        down_command: "systemctl stop {{disrupt}}"
        down_check: "! systemctl is-active {{disrupt}}"
        down_timeout: 300
        down_timeout: 300
        up_command: "systemctl start {{disrupt}}"
        up_check: "systemctl is-active {{disrupt}} > /dev/null; echo $?"
        down_time_min: 12
        down_time_max: 12
        cool_down_min: 1
        cool_down_max: 2
        times: 1
        delay: 0
  - HostDisruptor:
      where: ["compute-1"]
      mode: "round_robin"
      with:
        down_command: "shutdown -r now"
        down_check: ""
        up_check: "timeout 2 bash -c '</dev/tcp/{{host}}/22'"
        down_time_min: 5
        down_time_max: 5
        down_timeout: 300
        cool_down_min: 1
        cool_down_max: 1
        times: 1
        delay: 0

loaders:
  - DummyLoader:
      times: 10

monitors:
  - ServiceMonitor:
      where: ["controller-1", "compute-1"]
      with: "systemctl is-active {{service_name}}"
      cool_down_time: 1
      services_to_monitor:
        controller: ['glance-api']
        compute: ['ssh']
  - MariaDBMonitor:
      where: ["controller-1"]
      cool_down_time: 1
      db_user: nova
      db_password: {password}
  - OpenStackApiMonitor:
      cool_down_time: 1
  - DummyMonitor:
      cool_down_time: 10
"""
# what such a file has no words for
MORE = {"baseline": 3, "cool_down": 8, "health": {"timeout": HANG}}


def let_in(node, user):
    """Have a node take this user's password, and let an operator become root by it."""
    node.sh(f"id {user} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --groups sudo {user}; echo '{user}:{SECRETS[user]}' | chpasswd")
    node.sh("printf 'PasswordAuthentication yes\\nPermitRootLogin yes\\n' > /etc/ssh/sshd_config.d/00-password.conf && systemctl reload ssh")


@pytest.fixture
def play(nova, make_node, tmp_path):
    """play(playbook, {variables}): the finished ansible-playbook, without an inventory and without a key."""
    compute = make_node("compute")
    known = tmp_path / "known_hosts"
    known.write_text("".join(pathlib.Path(node.inventory).with_name("known_hosts").read_text() for node in (nova, compute)))
    (tmp_path / "cloud99.yaml").write_text(CONFIGURATION.format(cloud=nova.address, compute=compute.address, password=PASSWORD, **SECRETS))
    environment = {
        **os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_SSH_CONTROL_PATH_DIR": str(tmp_path / "cp"),
        "ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes -o PubkeyAuthentication=no"}
    try:
        let_in(nova, "root")
        let_in(compute, "stack")
        yield lambda playbook, variables: subprocess.run(
            ["ansible-playbook", f"faultline.openstack.{playbook}", "-v", "-e", json.dumps(variables)], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=2 * HANG, check=False)
    finally:
        nova.sh("rm -f /etc/ssh/sshd_config.d/00-password.conf && systemctl reload ssh && usermod --password '*' root")


def test_a_configuration_of_cloud99_is_run_as_it_is(play, nova, clean, tmp_path):
    with clean(nova):
        done = play("ha_test", {"ha_test_scenario": str(tmp_path / "cloud99.yaml"), "ha_test_dir": str(tmp_path / "runs"), "ha_test_override": MORE})
        assert done.returncode == 0, done.stdout[-6000:]
    (run,) = (tmp_path / "runs").iterdir()
    report = json.loads((run / "report.json").read_text())
    assert report["verdict"]["state"] == "passed" and "PASSED" in done.stdout
    assert "Keystone's v2.0 is gone; v3 is asked instead." in done.stdout and "the key down_timeout is there twice" in " ".join(done.stdout.split())

    process, host = report["injections"]
    assert (process["host"], process["state"], process["proven"], process["held"], process["residue"]) == ("controller-1", "undone", True, True, [])
    assert 11.9 < process["undone"] - process["injected"]
    # another boot proves it, and who looks from here saw it go and come
    assert (host["host"], host["state"], host["proven"], bool(host["proof"]["boot"])) == ("compute-1", "done", True, True)
    (check,) = host["checks"]
    assert (check["kind"], check["ok"]) == ("up_check", True) and 0 < check["after"]
    # they are hit side by side
    assert [window["overlaps"] for window in report["windows"]] == [[], ["d2"], ["d1"]]

    series = {each["key"]: each for each in report["series"]}
    # all that the catalogue has
    assert {name.removeprefix("api:") for name in series if name.startswith("api:")} == {
        f"{service} via vip" for service in ("keystone", "nova", "neutron", "glance", "placement")}
    for name in ("api:glance via vip", "glance-api-controller@controller-1:glance-api-controller on controller-1"):
        (outage,) = series[name]["outages"]
        # those who look may have had no processor for some of it
        assert 0 < outage["length"] and process["at"] - 1.5 < outage["begin"] < process["undone"], name
    assert series["api:keystone via vip"]["outages"] == [] and series["mariadb@controller-1:galera on controller-1"]["samples"]["ok"] > 10
    # the same load once more
    assert (run / "load" / "dummy.clean.jsonl").exists() and report["load"]

    # who heals later knows the hosts by the file as well
    healed = play("ha_look", {"ha_look_run": str(run), "ha_look_heal": True})
    assert healed.returncode == 0 and "compute-1" in healed.stdout.partition("PLAY RECAP")[2], healed.stdout[-3000:]
    told = done.stdout + healed.stdout + "".join(path.read_text(errors="replace") for path in run.rglob("*") if path.is_file())
    assert not [secret for secret in (PASSWORD, *SECRETS.values()) if secret in told]
