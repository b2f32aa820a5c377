# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command that README.md shows, typed in the checkout with its ansible.cfg and no other setting."""

from __future__ import annotations

import os
import subprocess

import pytest
from lab_nodes import LAB

# the core: all of this file is in the gate
pytestmark = pytest.mark.gate

ROOT = LAB.parent


@pytest.mark.parametrize("inventory", ["os-faults.yaml", "os-faults-discover.yaml", "inventory.yml"])
def test_the_labs_files_are_enough_for_new_connections(lab, inventory, sockets):
    settings = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    # sockets of connections that were made before would hide a host key that nobody knows
    settings["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(sockets)
    argv = ["ansible", "all", "-i", f".lab/{inventory}", "-m", "ansible.builtin.raw", "-a", "true"]
    try:
        done = subprocess.run(argv, cwd=ROOT, env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    finally:
        for socket in sockets.iterdir():
            subprocess.run(["ssh", "-O", "exit", "-S", str(socket), "any"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("rc=0") == len(lab)
