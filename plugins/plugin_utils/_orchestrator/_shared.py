# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the sources of one orchestrator tell each other; ansible-rulebook runs them in one process, on one event loop."""

from __future__ import annotations

import asyncio
import signal
import time


class Shared:
    """reports: {source: what it has told of itself last}; reloads: how often somebody asked for the configuration to be read again."""

    def __init__(self):
        self.begun = time.time()
        self.reports, self.reloads = {}, 0
        self._stopping = None

    def stopping(self):
        """An event that is set once the orchestrator is to end, by SIGTERM or SIGINT. Needs a running event loop.

        A source that returns then has ansible-rulebook wait for what is being done; left to the JVM, these signals end it in the middle.
        """
        if self._stopping is None:
            self._stopping = asyncio.Event()
            for each in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(each, self._stopping.set)
        return self._stopping

    def report(self, source, **facts):
        """Remember facts of a source, which stay until it tells others of the same names."""
        self.reports.setdefault(source, {}).update(facts, at=time.time())

    def reload(self):
        self.reloads += 1


shared = Shared()
