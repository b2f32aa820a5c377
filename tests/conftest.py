# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts the collection where Ansible and Python find it, wherever the checkout stands."""

from __future__ import annotations

import os
import pathlib
import sys

import hypothesis
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".venv" / "collections"

# the same examples in every run, whatever the machine is doing; `--hypothesis-profile=wide` draws new ones, and more of them
hypothesis.settings.register_profile("gate", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("wide", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("gate")


def _link_checkout() -> None:
    """What `make venv` does, for a pytest that is run without it."""
    link = COLLECTIONS / "ansible_collections" / "faultline" / "openstack"
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(ROOT, link.parent))


def pytest_configure() -> None:
    _link_checkout()
    # for the commands that tests start, and, as it is read on import, for Ansible in this process
    os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
    # the programs beside this Python, whether or not .venv is activated
    os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    # names ansible_collections.* become importable by Ansible's own finder
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(COLLECTIONS)])


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    """The checkout."""
    return ROOT
