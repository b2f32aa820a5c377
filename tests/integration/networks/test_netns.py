# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The become plugin netns, with real namespaces, made here. tests/openstack has those of routers, and logins that are not root."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from warm_ansible import run_ansible


@pytest.fixture
def within(tmp_path):
    """within(module, words, **variables): the output of an ad-hoc call in a namespace of our own, whose only address is 198.18.0.1."""
    name = f"faultline-test-{os.getpid():x}"
    # one that a run which was killed has left
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for words in (("address", "add", "198.18.0.1/32", "dev", "lo"), ("link", "set", "lo", "up")):
            subprocess.run(["ip", "-n", name, *words], check=True)

        def run(module, words, **variables):
            told = {"ansible_connection": "local", "ansible_become": True, "ansible_become_method": "faultline.openstack.netns", "ansible_netns": name}
            (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"inside": {**told, **variables}}}}))
            done = run_ansible(["ansible", "-i", str(tmp_path / "hosts.yml"), "inside", "-m", module, "-a", words])
            return done.returncode, done.stdout + done.stderr

        yield run
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_module_runs_in_the_namespace(within, pipelining):
    status, told = within("command", "ip -brief address", ansible_pipelining=pipelining)
    assert status == 0 and "198.18.0.1/32" in told and "UP" not in told, told


def test_without_become_it_is_the_host(within):
    assert "198.18.0.1/32" not in within("command", "ip -brief address", ansible_become=False)[1]


@pytest.mark.parametrize(("variables", "words"), [
    ({"ansible_netns": "faultline-none"}, "There is no network namespace faultline-none on this host."),
    ({"ansible_netns": "a; id"}, "'a; id' is no name of a network namespace."),
    ({"ansible_become_user": "nobody"}, "Nobody but root can enter a network namespace, and become_user is nobody."),
])
def test_what_cannot_be_entered_is_told(within, variables, words):
    status, told = within("ping", "", **variables)
    assert status != 0 and words in " ".join(told.replace("\\n", " ").split()), told
