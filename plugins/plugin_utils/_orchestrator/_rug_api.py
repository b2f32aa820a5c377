# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listener of the orchestrator: what each of Astara's commands does here."""

from __future__ import annotations

import asyncio
import logging
import time

from ...module_utils._fault._errors import FaultlineError
from . import _events, _rug_cloud, _rug_commands, _rug_listener, _rug_options, _rug_states
from ._in_thread import in_thread
from ._shared import shared
from ._waiting import PART, Waiting

LOG = logging.getLogger(__name__)
NAME = "rug_api"
# seconds that the cloud has to say what is in debug, before the rest is told without it
_MARKS = 5


async def run(queue, args):
    """Listen until the orchestrator ends. FaultlineError where an option is wrong or there is nowhere to listen."""
    api = RugApi(_rug_options.checked(args))
    until = [asyncio.ensure_future(work) for work in (api.waiting.forward(queue), shared.stopping().wait())]
    try:
        await api.listener.open()
        until.append(asyncio.ensure_future(api.look()))
        shared.report(NAME, listening=api.listener.addresses, port=api.options.port)
        done, _others = await asyncio.wait(until[:2], return_when=asyncio.FIRST_COMPLETED)
        # the rules that take no events any more are an error; the end is none
        done.pop().result()
    finally:
        for each in until:
            each.cancel()
        await api.listener.close()
        if api.waiting:
            LOG.warning("%d commands were not taken any more", len(api.waiting))


class RugApi:
    def __init__(self, options):
        self.options, self.begun = options, time.time()
        self.cloud, self.waiting = _rug_cloud.Cloud(options.cloud), Waiting(options.waiting, options.pace)
        self.listener = _rug_listener.Listener(options, self.asked)

    async def look(self):
        """Log in before anybody asks; what keeps it from that is told in the log, and may pass."""
        try:
            await self.cloud.routers()
        except FaultlineError as exc:
            LOG.warning("Commands for single routers have to wait: %s", exc.text)

    async def asked(self, path, query, body):
        """The answer to a request. FaultlineError."""
        command = _rug_commands.command(path, query, body)
        noun, _space, verb = command.name.partition(" ")
        if command.name == "workers debug":
            return await self._debug()
        if command.name == "config reload":
            return self._reload()
        if noun == "poll":
            return self._queued(command, [self._event("poll", scope=_events.ALL)], "all routers")
        if noun == "global":
            verb = "debug" if command.target == "enable" else "manage"
            return self._queued(command, [self._event(verb, scope=_events.ALL, reason=command.reason)], "all routers")
        if noun == "tenant":
            if not await self.cloud.has_project(command.target):
                raise _rug_commands.unknown(_rug_commands.PROJECT)
            event = self._event(verb, scope=_events.PROJECT, project=command.target, reason=_reason(verb, command))
            return self._queued(command, [event], f"the project {command.target}")
        return await self._routers(command, verb)

    async def _routers(self, command, verb):
        """A command about routers: one, those that are broken, or all."""
        reason = _reason(verb, command)
        if command.target == "error":
            return self._queued(command, [self._event(verb, scope=_events.ERROR, reason=reason)], "all routers that are not well")
        if command.target == "*":
            if verb in _events.MACHINE:
                return self._queued(command, [self._event(verb, scope=_events.ALL)], "all routers")
            # the scope all is the mark of the whole cloud, routers of the future too; this is all that are there
            found = sorted(filter(_events.is_id, await self.cloud.routers(_rug_cloud.BRIEF)))
            events = [self._event(verb, routers=found[first:first + PART], reason=reason) for first in range(0, len(found), PART)]
            return self._queued(command, events, f"{len(found)} router{'' if len(found) == 1 else 's'}")
        if not await self.cloud.has_router(command.target):
            raise _rug_commands.unknown(_rug_commands.ROUTER)
        return self._queued(command, [self._event(verb, routers=[command.target], reason=reason)], f"the router {command.target}")

    @staticmethod
    def _event(name, **more):
        return _events.event(name, NAME, **more)

    def _queued(self, command, events, what):
        new = self.waiting.put(events)
        return {
            "msg": f"{command.name}: {what}; {'queued' if new else 'queued before' if events else 'nothing to do'}", "queued": bool(events),
            "waiting": len(self.waiting),
        }

    def _reload(self):
        self.listener.read()
        self.cloud.forget()
        shared.reload()
        self.waiting.put([self._event(_events.RELOAD, scope=_events.ALL)])
        return {"msg": "config reload: queued; the token, the certificate and the login of the listener are read again", "queued": True,
                "waiting": len(self.waiting)}

    async def _debug(self):
        found, count = await in_thread(_rug_states.states, self.options.state_dir)
        marks, away = None, ""
        try:
            async with asyncio.timeout(_MARKS):
                marks = await self.cloud.marks()
        except FaultlineError as exc:
            away = exc.text
        except TimeoutError:
            away = f"The cloud gave no answer within {_MARKS} seconds."
        shown = f", of which {len(found)} are shown" if count > len(found) else ""
        return {
            "msg": f"workers debug: the machine knows {count} router{'' if count == 1 else 's'}{shown}; {len(self.waiting)} commands wait",
            "uptime": round(time.time() - self.begun, 1), "waiting": len(self.waiting), "room": self.waiting.room,
            "answers": {str(status): many for status, many in sorted(self.listener.answers.items())},
            "reloads": shared.reloads, "sources": shared.reports, "marks": marks, "marks_error": away,
            "state_dir": self.options.state_dir, "count": count, "routers": found,
        }


def _reason(verb, command):
    """Astara took a reason with each of these commands, and kept that of debug."""
    return command.reason if verb == "debug" else ""
