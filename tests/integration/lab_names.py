# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and addresses that no other test has: not of another worker, not of another run on the same lab, not of another lab of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import json
import os
import pathlib
import subprocess

from lab_nodes import LAB

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[:8]
# says which process of a test made a container
LABEL = "faultline.test"


def process(pid):
    """What names this process and no later one of its number; "" if it is gone."""
    with contextlib.suppress(OSError):
        return f"{pid}-{pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='ascii', errors='replace').rpartition(')')[2].split()[19]}"
    return ""


def is_gone(maker):
    """Whether the process that process() named so is gone."""
    return process(maker.partition("-")[0]) != maker


class LabNames:
    """The lab in this folder. name: prefix of its containers; subnets: {name of a network: its CIDR}; networks: {the same: its name for docker}."""

    def __init__(self, folder=LAB):
        self.folder = folder
        told = json.loads((folder / "node-run.json").read_text())
        self.name = told["lab"]
        self.subnets = told["subnets"]
        self.networks = dict(zip(self.subnets, told["networks"], strict=True))

    def node(self, name):
        """The container of one of the lab's own nodes."""
        return f"{self.name}-{name}"

    def own(self, name):
        """The name of a container that a test makes."""
        return f"{self.name}-test-{RUN}-{name}{WORKER}"

    def labels(self):
        """The options of docker that say whose a container is: lab_down removes it, and a later run if this one is dead."""
        return [f"--label=faultline.lab={self.name}", f"--label=faultline.dir={self.folder.resolve()}", f"--label={LABEL}={process(os.getpid())}"]

    def remove_dead(self):
        """Remove the containers of runs that are dead."""
        told = subprocess.run(
            ["docker", "ps", "--all", "--filter", f"label=faultline.lab={self.name}", "--filter", f"label={LABEL}",
             "--format", f'{{{{.ID}}}} {{{{.Label "{LABEL}"}}}}'],
            check=True, capture_output=True, text=True,
        ).stdout
        dead = [identity for identity, maker in map(str.split, told.splitlines()) if is_gone(maker)]
        if dead:
            subprocess.run(["docker", "rm", "--force", "--volumes", *dead], capture_output=True, check=False)

    def address(self, number, network="management"):
        """The address in a network whose last two numbers are these, as "255.254"."""
        return f"{self.subnets[network].rsplit('.', 2)[0]}.{number}"


@functools.cache
def names():
    """Those of the lab that is up."""
    return LabNames()


def subnet(network):
    """The CIDR of a network of the lab that is up."""
    return names().subnets[network]


def address(number, network="management"):
    """The address in a network of the lab that is up whose last two numbers are these."""
    return names().address(number, network)


class Addresses:
    """Addresses of the lab's first network for nodes of this process, one after the other.

    Docker gives the address of a node away while it restarts. So each process has a block of its own, as long as it lives.
    """

    def __init__(self, names):
        # out of the way of what docker itself gives, from 128.0 on
        for block in range(200, 255):
            place = names.folder / "addresses"
            place.mkdir(mode=0o700, exist_ok=True)
            self._held = open(place / str(block), "w", encoding="ascii")
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                self._held.close()
        else:
            raise AssertionError(f"all blocks of addresses of {names.folder} are in use")
        # from the beginning again: by then the first ones are free
        self._all = itertools.cycle(names.address(f"{block}.{number}") for number in range(10, 250))

    def __next__(self):
        return next(self._all)
