# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shell on a terminal: a real terminal and ansible-playbook, with a program in place of ssh that stays here. tests/openstack logs in to a node."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from patience import HANG
from lab_terminal import on_a_terminal

from ansible_collections.faultline.openstack.plugins.action import os_router_shell

# the last word is what would run on the node; a namespace is there when its file is
_SSH = """\
#!/bin/sh
printf '%s\\n' "$@" > FOLDER/argv
for last; do :; done
PATH=FOLDER:$PATH exec /bin/sh -c "$(printf %s "$last" | sed s#/var/run/netns#FOLDER#)"
"""
_IP = """\
#!/bin/sh
echo "$@" > FOLDER/entered
shift 3
exec "$@"
"""


@pytest.fixture
def play(tmp_path):
    """play(command, ssh): the words that run a command in the namespace ns-1 by ansible-playbook."""

    def make(command=None, ssh=_SSH):
        task = {"faultline.openstack.os_router_shell": {"namespace": "ns-1", "label": "edge; x", **({"command": command} if command else {})}}
        (tmp_path / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        for name, text in (("ssh", ssh), ("ip", _IP)):
            (tmp_path / name).write_text(text.replace("FOLDER", str(tmp_path)))
            (tmp_path / name).chmod(0o755)
        (tmp_path / "ns-1").touch()
        hosts = {"all": {"hosts": {"node": {"ansible_host": "192.0.2.1", "ansible_user": "stack", "ansible_ssh_executable": str(tmp_path / "ssh")}}}}
        (tmp_path / "hosts.yml").write_text(json.dumps(hosts))
        return ["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.json")]

    return make


def test_the_terminal_is_the_shells(play, tmp_path):
    status, seen = on_a_terminal(play('test -t 0 && test -t 1 && read answer && echo "got $answer in $debian_chroot"; exit 3'), ("TASK", "hello\n"))
    assert status == 0 and "got hello in edge; x" in seen, seen
    argv = (tmp_path / "argv").read_text().splitlines()
    assert "-tt" in argv and "192.0.2.1" in argv and 'User="stack"' in argv
    assert (tmp_path / "entered").read_text().startswith("netns exec ns-1 env debian_chroot=edge; x /bin/sh -c")


def test_without_a_command_it_is_a_shell(play):
    status, seen = on_a_terminal(play(), ("TASK", "echo $((40 + 2))-is-it\nexit\n"))
    assert status == 0 and "42-is-it" in seen, seen


def test_a_connection_that_is_lost_is_told(play):
    status, seen = on_a_terminal(play(ssh="#!/bin/sh\nexit 255\n"))
    assert status == 2 and "has ended with 255, as ssh does when it has lost its host" in " ".join(seen.split()), seen


def test_without_a_terminal_there_is_nothing_to_give(play):
    done = subprocess.run(play(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, start_new_session=True, timeout=HANG)
    assert done.returncode == 2 and "There is no terminal to give. Start ansible-playbook on a terminal." in done.stdout + done.stderr


def test_a_connection_of_another_kind_is_refused(play, tmp_path):
    argv = play()
    status, seen = on_a_terminal([*argv, "-e", "ansible_connection=local"])
    assert status == 2 and "node is reached by local, which has no terminal to give." in " ".join(seen.split()), seen


@pytest.mark.parametrize(("label", "inner"), [(None, "ns-1 /bin/sh -c"), ("a'; id", "ns-1 env debian_chroot=")])
def test_a_label_is_one_word(label, inner):
    line = os_router_shell.command("ns-1", "true", label)
    (shell, script) = shlex.split(line.removeprefix("exec "))[0], shlex.split(line)[-1]
    assert shell == "/bin/sh" and f"netns exec {inner}" in script
    assert label is None or f"debian_chroot={label}" in shlex.split(script)


def test_without_a_namespace_it_is_the_logins_own(play, tmp_path):
    argv = play("echo on $SHLVL-$debian_chroot")
    tasks = json.loads((tmp_path / "play.json").read_text())
    del tasks[0]["tasks"][0]["faultline.openstack.os_router_shell"]["namespace"]
    (tmp_path / "play.json").write_text(json.dumps(tasks))
    status, seen = on_a_terminal(argv)
    assert status == 0 and "-edge; x" in seen and not (tmp_path / "entered").exists(), seen
