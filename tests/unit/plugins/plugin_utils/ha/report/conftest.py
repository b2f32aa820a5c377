# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole run, as ha_test leaves it, for the tests beside this."""

from __future__ import annotations

import pathlib
import shutil

import ha_recorded
import pytest


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """The directory of a whole run that passes, for reading only: three disruptions, APIs, hosts, applications, a load."""
    return ha_recorded.failover(tmp_path_factory.mktemp("whole") / "20261120-failover")


@pytest.fixture
def run_dir(whole_run, tmp_path):
    """The same, to be changed."""
    return pathlib.Path(shutil.copytree(whole_run, tmp_path / whole_run.name))


@pytest.fixture(scope="session")
def built(whole_run):
    """(report, tracks) of that run, for reading only."""
    # a conftest is read before the collection is where Python finds it
    from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _report, _run_files

    return _report.build(_run_files.read(whole_run), ha_recorded.T0 + 400)
