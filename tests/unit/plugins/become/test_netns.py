# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The become plugin, as Ansible loads it, and what a shell makes of its words. tests/openstack enters a router's namespace."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import become_loader, shell_loader

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _netns


def become(**options):
    plugin = become_loader.get("faultline.openstack.netns")
    plugin.set_options(direct=options)
    return plugin


def shell():
    plugin = shell_loader.get("sh")
    plugin.executable = "/bin/sh"
    return plugin


def test_a_command_runs_in_the_namespace():
    plugin = become(namespace="qrouter-1")
    line = plugin.build_become_command("/bin/sh -c 'true && sleep 0'", shell())
    assert line.startswith("test -e /var/run/netns/qrouter-1 || { echo 'There is no network namespace qrouter-1 on this host.' >&2; exit 1; }; ")
    inner = "ip netns exec qrouter-1 /bin/sh -c 'echo BECOME-SUCCESS-"
    assert f"$(test \"$(id -u)\" = 0 || echo 'sudo -H -n') {inner}" in line
    assert plugin.success in line and not plugin.expect_prompt()


def test_a_password_is_asked_for_and_not_told():
    plugin = become(namespace="qrouter-1", become_pass="secret1")
    line = plugin.build_become_command("true", shell())
    assert f"echo 'sudo -H -S -p {plugin.prompt}'" in line and " " not in plugin.prompt
    assert plugin.expect_prompt() and "secret1" not in line
    assert plugin.check_password_prompt(plugin.prompt.encode())


def test_nothing_to_run_is_nothing_to_enter():
    assert become(namespace="qrouter-1").build_become_command("", shell()) == ""


@pytest.mark.parametrize("name", ["", "-x", "a b", "a;b", "$(id)", "../x", "a/b", "a'b"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(AnsibleError, match="is no name of a network namespace. That of a router is qrouter-<its id>."):
        become(namespace=name).build_become_command("true", shell())


def test_a_namespace_has_to_be_named():
    with pytest.raises(AnsibleError, match="namespace"):
        become().build_become_command("true", shell())


def test_another_user_is_refused():
    with pytest.raises(AnsibleError, match="Nobody but root can enter a network namespace, and become_user is nobody"):
        become(namespace="qrouter-1", user="nobody").build_become_command("true", shell())


def run(line, path):
    return subprocess.run(["/bin/sh", "-c", line], env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False)


def test_a_namespace_that_is_not_there_is_told(tmp_path):
    done = run(_netns.command("faultline-none", "true"), tmp_path)
    assert (done.returncode, done.stderr) == (1, "There is no network namespace faultline-none on this host.\n")


@pytest.mark.parametrize(("user", "words"), [("0", "netns exec NAME sh -c id\n"), ("1000", "-H -n ip netns exec NAME sh -c id\n")])
def test_sudo_is_asked_where_the_login_is_not_root(tmp_path, user, words):
    for name, text in (("id", f"echo {user}"), ("ip", 'echo "$@"'), ("sudo", 'echo "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    line = _netns.command("NAME", "sh -c id")
    done = run(line.replace("/var/run/netns/NAME", str(tmp_path)), tmp_path)
    assert (done.returncode, done.stdout) == (0, words)


def test_the_reason_is_for_programs_too():
    with pytest.raises(FaultlineError) as told:
        _netns.command("a b", "true")
    assert told.value.code == "bad_namespace"
