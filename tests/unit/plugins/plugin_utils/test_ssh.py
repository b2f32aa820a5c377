# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many hosts probed at once: the command for each, its deadline, and no host fatal to the rest."""

from __future__ import annotations

import os
import pathlib
import stat

import pytest
from patience import HANG, more_time

from ansible_collections.faultline.openstack.plugins.plugin_utils import _ssh
from ansible_collections.faultline.openstack.plugins.plugin_utils._config import Node

SPEC = {"services": {"me": {"grep": "^sh -c never$"}}, "containers": {}, "networks": {}}


def settings(**over):
    return {
        "executable": "ssh", "args": ["-o", "ServerAliveInterval=5"], "user": "root", "timeout": 120.0, "python": "python3",
        "host_key_checking": None, **over,
    }


def argv(auth, **over):
    return _ssh.argv_for(Node("10.0.0.1", auth=auth), settings(**over))


def test_the_command_for_a_node():
    words = argv({"username": "root", "private_key_file": "/k"})
    assert words[0] == "ssh" and words[-2:] == ["10.0.0.1", "exec python3 -"]
    assert "BatchMode=yes" in words and "ConnectTimeout=119" in words and "ControlPath=none" in words
    assert words[words.index("-i") + 1] == "/k" and words[words.index("-l") + 1] == "root"
    assert words[words.index("ServerAliveInterval=5") - 1] == "-o"
    assert not [word for word in words if "StrictHostKeyChecking" in word]


def test_root_is_become_without_a_question():
    assert argv({"username": "stack"})[-1] == "exec sudo -u root -n python3 -"
    assert argv({"username": "stack", "become_username": "a b"})[-1] == "exec sudo -u 'a b' -n python3 -"
    assert argv({"username": "stack", "become_method": "su"})[-1] == "exec python3 -"


def test_no_password_is_on_a_command_line():
    words = argv({"username": "stack", "password": "S3cret", "become_password": "S3cret"})
    assert "BatchMode=no" in words
    assert "S3cret" not in " ".join(words)


def test_a_jump_host_is_on_the_way():
    assert "ProxyJump=stack@j" in argv({"username": "stack", "jump": {"host": "j"}})
    assert "StrictHostKeyChecking=no" in argv({"username": "stack", "jump": {"host": "j"}}, host_key_checking=False)


@pytest.fixture(name="fake_ssh")
def fixture_fake_ssh(tmp_path):
    """An ssh that runs the command here, whatever the host; what it does before is up to the test."""

    def make(before=""):
        script = tmp_path / "ssh"
        script.write_text(
            f'#!/bin/sh\n{before}\nfor word; do last="$word"; done\n'
            # the last but one word is the host
            'exec sh -c "$last"\n'
        )
        script.chmod(0o755)
        return str(script)

    return make


def probe_one(*args, **over):
    return next(iter(probe_all(*args, **over).values()))


def probe_all(executable, nodes=1, timeout=120.0, auth=None):
    known = [Node(f"10.0.0.{number}", auth=auth or {"username": "root"}) for number in range(1, nodes + 1)]
    return _ssh.probe_all(known, SPEC, settings(executable=executable, timeout=timeout), 50)


def test_what_a_node_says_is_found(fake_ssh):
    answer = probe_one(fake_ssh("echo 'a greeting of the login shell'"))
    assert answer["found"]["services"] == {} and answer["found"]["complete"] in (True, False)


def test_all_nodes_are_asked_at_once(fake_ssh, tmp_path):
    """Each of them answers once all have been asked."""
    meet = f"touch {tmp_path}/asked.$$; while [ $(ls {tmp_path} | grep -c '^asked') != 8 ]; do sleep 0.05; done"
    answers = probe_all(fake_ssh(meet), nodes=8, timeout=HANG)
    assert len(answers) == 8 and all("found" in answer for answer in answers.values())


def test_a_node_that_hangs_has_a_deadline_and_leaves_nothing(fake_ssh, tmp_path):
    for seconds in more_time(1.0):
        answer = probe_one(fake_ssh(f"sleep 4321 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait"), timeout=seconds)
        assert answer == {"error": f"no answer within {seconds:g} s"}
        if (tmp_path / "pid").exists():
            break
    child = int((tmp_path / "pid").read_text())
    assert not pathlib.Path(f"/proc/{child}").exists() or "Z" in pathlib.Path(f"/proc/{child}/stat").read_text()


@pytest.mark.parametrize(
    ("before", "error"),
    [
        ("echo 'Warning: Permanently added x' >&2; echo 'Host key verification failed.' >&2; exit 255", "Host key verification failed."),
        ("exit 3", "ssh ended with 3 and said nothing"),
        ("echo faultline-probe:nonsense; exit 0", "its answer cannot be read"),
    ],
)
def test_why_a_node_failed_is_told_in_a_line(fake_ssh, before, error):
    assert probe_all(fake_ssh(before)) == {"10.0.0.1": {"error": error}}


def test_one_node_that_fails_is_not_fatal_to_the_others(fake_ssh):
    answers = probe_all(fake_ssh('case "$*" in *10.0.0.2*) echo dead >&2; exit 255;; esac'), nodes=3)
    assert answers["10.0.0.2"] == {"error": "dead"}
    assert "found" in answers["10.0.0.1"] and "found" in answers["10.0.0.3"]


def test_an_ssh_that_is_not_there():
    answer = probe_one("/nonexistent/ssh")
    assert "No such file" in answer["error"]


def test_a_password_is_answered_by_a_program_of_our_own(fake_ssh, tmp_path):
    before = f'$SSH_ASKPASS > {tmp_path}/said; stat -c %a $SSH_ASKPASS > {tmp_path}/mode; echo $SSH_ASKPASS > {tmp_path}/path'
    answer = probe_one(fake_ssh(before), auth={"username": "root", "password": "S3 'cret"})
    assert "found" in answer
    assert (tmp_path / "said").read_text() == "S3 'cret\n"
    assert (tmp_path / "mode").read_text() == "700\n"
    assert not os.path.exists((tmp_path / "path").read_text().strip())


@pytest.mark.parametrize("asks", [True, False])
def test_sudo_gets_the_password_only_where_it_asks(fake_ssh, tmp_path, asks):
    """And Python gets the program, without the password, in either case."""
    sudo = tmp_path / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text(
        "#!/bin/sh\n"
        "while [ $# -gt 0 ]; do case $1 in -u|-p) shift 2;; -n) quiet=1; shift;; -S) stdin=1; shift;; *) break;; esac; done\n"
        + ('[ -n "$quiet" ] && exit 1\n' if asks else "")
        + f'[ -n "$stdin" ] && {{ IFS= read -r word; printf "%s" "$word" > {tmp_path}/asked; }}\n'
        'exec "$@"\n'
    )
    sudo.chmod(sudo.stat().st_mode | stat.S_IXUSR)
    answer = probe_one(
        fake_ssh(f"PATH={sudo.parent}:$PATH"), auth={"username": "stack", "become_password": "b'p w"}
    )
    assert "found" in answer, answer
    assert (tmp_path / "asked").exists() == asks
    if asks:
        assert (tmp_path / "asked").read_text() == "b'p w"
