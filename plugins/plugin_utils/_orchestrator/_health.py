# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at all routers, again and again: what their machines conclude without touching anything is remembered, and who has something to do is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import tempfile
import time

from ...module_utils._fault._errors import FaultlineError
from ...module_utils._ha import _cloud
from ...module_utils._router import _machine, _memory, _router, _routers
from . import _events
from ._in_thread import in_thread
from ._shared import shared

NAME = "router_health"
_PLAYBOOK = "faultline.openstack.router_poll"
# seconds until a router of which the rules were told is told of again, should they have done nothing
_AGAIN = 60
_LOG = logging.getLogger(NAME)


class Health:
    """options: of _health_options; ask: how all routers are asked for, for tests of what is concluded."""

    def __init__(self, options, ask=None):
        self.options, self.memory = options, _memory.Memory(options.state_dir)
        self._ask = ask or (lambda: asked_by_playbook(options) if options.inventory else asked(options))
        self._told, self._away_since = {}, None

    async def run(self, queue):
        """Look, tell, wait, until the orchestrator ends."""
        stopping, looks = shared.stopping(), 0
        while not stopping.is_set():
            begin, reloads = time.monotonic(), shared.reloads
            looks += 1
            due = await self.look()
            shared.report(NAME, looks=looks, period=self.options.period, planes="both" if self.options.inventory else "control")
            if due:
                await queue.put(_events.event("poll", NAME, due))
            while not stopping.is_set() and time.monotonic() - begin < self.options.period and reloads == shared.reloads:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(stopping.wait(), min(1, self.options.period))

    async def look(self):
        """The ids of the routers whose machines have something to do. A cloud that is away is told of once, and asked again the next time."""
        begin = time.monotonic()
        try:
            routers = await self._ask()
        except FaultlineError as exc:
            if self._away_since is None:
                self._away_since = time.time()
                _LOG.warning("the routers cannot be seen: %s", exc.text)
            shared.report(NAME, error=exc.text, away_since=self._away_since)
            return []
        if self._away_since is not None:
            _LOG.warning("the routers are seen again, after %d seconds", time.time() - self._away_since)
            self._away_since = None
        due = await in_thread(self.concluded, routers)
        counts = {health: sum(each["health"] == health for each in routers) for health in ("ok", "degraded", "down")}
        shared.report(NAME, error=None, away_since=None, took=round(time.monotonic() - begin, 2), routers=len(routers), due=len(due), **counts)
        return due

    def concluded(self, routers):
        """What the machines conclude: the ids of those that want to do something, and were not told of lately."""
        now, due = time.time(), [each["id"] for each in routers if self._concluded(each)]
        self._forget({each["id"] for each in routers})
        # of one that wants nothing more, or is in hand, what was told has been taken
        self._told = {router: at for router, at in self._told.items() if router in due and now - at < _AGAIN}
        due = [each for each in due if each not in self._told]
        self._told.update(dict.fromkeys(due, now))
        return due

    def _forget(self, known):
        """Forget routers that are gone."""
        for each in self.memory.ids():
            if each not in known:
                with self.memory.held(each) as mine:
                    if mine:
                        self.memory.forget(each)

    def _concluded(self, router):
        """Whether the machine of a router has something to do; what it only takes note of is done here."""
        with self.memory.held(router["id"]) as mine:
            if not mine:
                return False
            now, before = time.time(), self.memory.load(router["id"])
            memory = _machine.observed(before, router, now)
            if router["debug"]:
                if router["health"] != before["health"] or before["state"] != _machine.IGNORED:
                    memory = _machine.ignoring(memory, _machine.POLL, now)
            elif before["ignored"]:
                # it is back: one poll catches up with what came
                return True
            steps = _machine.preview(memory, _machine.POLL, router, self.options.limits, now)
            if steps[-1].effect:
                if memory != before:
                    self.memory.save(memory)
                return True
            state = memory["state"]
            memory = _machine.entered(memory, steps[-1], now)
            if memory["state"] != state:
                memory = _memory.noted(memory, state, _machine.POLL, steps[-1])
            if memory != before:
                self.memory.save(memory)
            return False


async def asked(options):
    """All routers as the control plane has them. A login is made each time: a cloud that comes back may know nothing of an old token."""

    def ask():
        routers = _routers.Routers(_cloud.Connection(options.cloud))
        return _router.chosen(routers.described(), project=options.project or None, projects=routers.projects)

    try:
        return await asyncio.wait_for(in_thread(ask), options.timeout)
    except asyncio.TimeoutError:
        raise FaultlineError(f"The cloud has not told of its routers within {options.timeout:g} s.", code="no_answer") from None


async def asked_by_playbook(options):
    """All routers as both planes have them: the playbook router_poll asks Neutron and, by SSH, the network nodes."""
    program = shutil.which("ansible-playbook")
    if program is None:
        raise FaultlineError(
            "There is no ansible-playbook on PATH.", code="missing_program", hint="Start ansible-rulebook where Ansible is, or give no inventory.")
    with tempfile.TemporaryDirectory(prefix="faultline-") as folder:
        result = os.path.join(folder, "routers.json")
        extra = os.path.join(folder, "variables.json")
        with open(extra, "w", encoding="utf-8") as stream:
            json.dump({"router_cloud": options.cloud.get("cloud") or "", "router_result": result, "router_timeout": options.ping_timeout,
                       "router_project": options.project}, stream)
        words = [program, _PLAYBOOK, *(word for each in options.inventory for word in ("-i", each)), "-e", "@" + extra]
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", "ANSIBLE_NOCOLOR": "1"}, start_new_session=True)
        try:
            output, _none = await asyncio.wait_for(process.communicate(), options.timeout)
        except asyncio.TimeoutError:
            raise FaultlineError(f"{_PLAYBOOK} has not ended within {options.timeout:g} s.", code="no_answer") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                await process.wait()
        try:
            with open(result, encoding="utf-8") as stream:
                return json.load(stream)["routers"]
        except (OSError, ValueError, KeyError):
            told = output.decode("utf-8", "replace").strip()
            raise FaultlineError(f"{_PLAYBOOK} has failed: {_last(told)}", code="no_answer") from None


def _last(output):
    """What a playbook has failed of, from what it has printed."""
    failed = max(output.rfind(word) for word in ("FAILED!", "UNREACHABLE!", "[ERROR]", "fatal:"))
    found = [line for line in output[max(failed, 0):].splitlines() if '"msg":' in line or "ERROR" in line] if failed >= 0 else []
    return (found[0].split('"msg":')[-1].strip().strip('",') if found else output[-300:] or "it has printed nothing")[:500]
