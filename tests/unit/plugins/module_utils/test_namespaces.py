# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our tables in the network namespaces of others: a look that fails is no empty residue, and a namespace is found by whatever still holds it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from patience import HANG, wait_for

from ansible_collections.faultline.openstack.plugins.module_utils._fault import (
    _container_steps,
    _namespaces,
    _net_nft,
    _nft,
    _runner,
    _service_steps,
    _steps,
)
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._fault._exec import Finished

TABLE = "faultline_unplug_00000000"


class Nft:
    """What nft and nsenter say: the tables that there are, or why nobody can look."""

    def __init__(self):
        self.tables = {TABLE}
        self.why = ""

    def run(self, argv, check=True, **_options):
        rest = argv[argv.index("nft"):]
        if self.why:
            done = Finished(1, "", self.why)
        elif rest[1:3] == ["delete", "table"]:
            self.tables.discard(rest[-1])
            done = Finished(0, "", "")
        elif rest[1:3] == ["list", "tables"]:
            done = Finished(0, "".join(f"table {rest[3]} {name}\n" for name in sorted(self.tables)), "")
        else:
            done = Finished(0 if rest[-1] in self.tables else 1, "", "Error: No such file or directory")
        if check and done.rc:
            raise FaultlineError(f"{argv} failed: {done.err}", code="program_failed")
        return done


@pytest.fixture
def nft(monkeypatch):
    made = Nft()
    monkeypatch.setattr(_nft, "run", made.run)
    monkeypatch.setattr(_net_nft, "run", made.run)
    monkeypatch.setattr(_namespaces, "find", lambda wanted, hint="": "/run/netns/doors")
    return made


def steps():
    service = _service_steps.DeleteTable.make(TABLE, (4, 4026532288), "doors")
    return [service, dict(service, type=_container_steps.DeleteTableInside.type, sandbox="/run/docker/netns/x", name="app")]


NOT_ENTERED = "nsenter: reassociate to namespace 'ns/net' failed: Operation not permitted"


@pytest.mark.parametrize("step", steps(), ids=lambda step: step["type"])
@pytest.mark.parametrize("why", [NOT_ENTERED, "nsenter: cannot open /run/netns/doors: No such file or directory", "netlink: Error: cache init failed"])
def test_a_table_that_nobody_can_look_for_is_not_told_to_be_gone(nft, step, why):
    nft.why = why
    residue, _notes = _runner._undone([step])
    assert len(residue) == 1 and why in residue[0]
    assert why in _runner._left(step)
    # nor that it has not lasted
    assert _runner._held([step]) is None
    nft.why = ""
    assert _runner._undone([step]) == ([], {""}) and not nft.tables
    assert _runner._left(step) == ""


def test_the_same_holds_for_tables_of_interfaces(nft):
    assert _net_nft.exists("netdev", TABLE) and not _net_nft.exists("netdev", TABLE + "0")
    nft.why = NOT_ENTERED
    with pytest.raises(FaultlineError, match="not permitted"):
        _net_nft.exists("netdev", TABLE)


@pytest.mark.parametrize("step", steps(), ids=lambda step: step["type"])
def test_what_went_with_its_namespace_is_told(nft, monkeypatch, step):
    monkeypatch.setattr(_namespaces, "find", lambda wanted, hint="": None)
    residue, notes = _runner._undone([step])
    (note,) = notes
    assert residue == [] and TABLE in note and "is gone, and" in note and nft.tables == {TABLE}
    assert _steps.kind(step).held(step) is False


@pytest.fixture
def alone():
    """(identity of a network namespace of its own, what ends the process in it)."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace is root's")
    child = subprocess.Popen(["unshare", "-n", "sleep", "4321"])
    try:
        ours = _namespaces.identity("/proc/self/ns/net")
        try:
            wait_for(lambda: _namespaces.identity(f"/proc/{child.pid}/ns/net") not in (None, ours) or child.poll() is not None)
        finally:
            if child.poll() is not None:
                pytest.skip("no network namespace can be made here")
        yield child, _namespaces.identity(f"/proc/{child.pid}/ns/net")
    finally:
        child.kill()
        child.wait(HANG)


def ended(child):
    child.kill()
    child.wait(HANG)


def test_a_namespace_is_found_by_an_open_file_though_its_process_has_gone(alone):
    child, wanted = alone
    with open(f"/proc/{child.pid}/ns/net", encoding="ascii") as held:
        ended(child)
        path = _namespaces.find(wanted, f"/proc/{child.pid}/ns/net")
        assert path == f"/proc/{os.getpid()}/fd/{held.fileno()}" and _namespaces.identity(path) == wanted


def test_a_namespace_is_found_by_a_mount_that_only_others_see(alone, tmp_path):
    """As those of engines and of `ip netns` in a container: in another mount namespace than ours."""
    child, wanted = alone
    (tmp_path / "kept here").touch()
    program = (
        f"mount --bind /proc/{child.pid}/ns/net '{tmp_path}/kept here' && touch {tmp_path}/done && exec {sys.executable} -c 'import time; time.sleep(4321)'")
    with subprocess.Popen(["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", program]) as keeper:
        try:
            wait_for(lambda: (tmp_path / "done").exists() or keeper.poll() is not None)
            assert (tmp_path / "done").exists()
            ended(child)
            path = _namespaces.find(wanted)
            assert path is not None and path.endswith("/kept here") and _namespaces.identity(path) == wanted
        finally:
            keeper.kill()
