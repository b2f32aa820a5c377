# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pings by a program that is not ours: a node's, in the network of the machine that the lab is on."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time


def ping(node, *words, output=subprocess.DEVNULL):
    """The program ping of a node, running."""
    pid = subprocess.run(["docker", "inspect", "-f", "{{.State.Pid}}", node.container], check=True, capture_output=True, text=True).stdout.strip()
    return subprocess.Popen(
        ["nsenter", "-t", pid, "-m", "ping", "-n", *words], stdout=output, stderr=subprocess.STDOUT, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})


def answers(node, address):
    """Whether an address answers a ping."""
    return ping(node, "-c", "1", "-W", "1", address).wait() == 0


class _Answers:
    """Answers of an address to ten pings a second, for at most 15 minutes."""

    def __init__(self, node, address):
        # a pipe that nobody reads would be full after a minute; with -w a ping ends at the first error
        self.output = tempfile.TemporaryFile("w+")
        self.process = ping(node, "-D", "-i", "0.1", "-W", "1", "-c", "9000", address, output=self.output)

    def end(self):
        """When they came, epoch seconds."""
        self.process.terminate()
        self.process.wait()
        self.output.seek(0)
        output = self.output.read()
        found = [float(each) for each in re.findall(r"^\[([0-9.]+)\] [0-9]+ bytes from", output, re.MULTILINE)]
        assert len(found) > 5, output[-500:]
        return found


class Pings:
    """Pings to an address, ten a second, until they are looked at; where nobody does, for 15 minutes.

    Beside them the machine pings itself: a time without an answer to that is none of the address.
    """

    def __init__(self, node, address):
        self.answers, self.beside = _Answers(node, address), _Answers(node, "127.0.0.1")

    def _gaps(self):
        """[(last answer before, first answer after, for how long the machine itself stood still meanwhile)], until now; the pings end."""
        end = time.time()
        found, still = [*self.answers.end(), end], [*self.beside.end(), end]
        stops = [(before, after) for before, after in zip(still, still[1:]) if after - before > 0.3]
        return [
            (before, after, sum(max(0, min(after, over) - max(before, begun)) for begun, over in stops)) for before, after in zip(found, found[1:])]

    def longest(self):
        """The longest time without an answer, until now, in seconds: (but for those in which the machine stood still, with them); the pings end."""
        gaps = self._gaps()
        return max(after - before - still for before, after, still in gaps), max(after - before for before, after, _still in gaps)

    def outages(self, least=1.0):
        """[(last answer before, first answer after)] of the times without one that took this long; the pings end."""
        return [(before, after) for before, after, still in self._gaps()[:-1] if after - before - still >= least]
