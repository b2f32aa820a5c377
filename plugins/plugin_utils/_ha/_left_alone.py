# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Injections of a run that are left alone because routers of their hosts are in debug: asked of the run's cloud before and while it lasts."""

from __future__ import annotations

import functools
import json
import os
import threading
import time

from ...module_utils._fault._errors import FaultlineError
from ...module_utils._ha import _cloud
from ...module_utils._ha._things import passes
from .. import _in_debug, _spared

# seconds between two questions while a run lasts; that a cloud may be away before one begins to break it, and between two tries then
PERIOD, PATIENCE, _PAUSE = 10, 30, 2


def options(args, credentials=None, cloud=None):
    """The login of a run's cloud as _in_debug.ask() takes it, or None where nobody has named one.

    args: options of an action that has those of _cloud.arguments(); credentials: of the scenario's own file; cloud: the scenario's.
    """
    given = {name: args.get(name) for name in _cloud.arguments() if args.get(name) is not None}
    if credentials:
        return dict(credentials)
    if cloud and not given.get("auth") and not given.get("cloud"):
        given["cloud"] = cloud
    named = given.get("auth") or given.get("cloud") or os.environ.get("OS_AUTH_URL") or os.environ.get("OS_CLOUD")
    return given if named else None


def asker(login, seconds):
    """The function that _in_debug.planned() asks: one question for all hosts. seconds: that the cloud may be away."""
    known = functools.cache(lambda: _patiently(login, seconds) if login is not None else None)
    return lambda _host: known()


def _patiently(login, seconds):
    end = time.monotonic() + seconds
    while True:
        try:
            return _in_debug.ask(login)
        except FaultlineError as exc:
            if not passes(exc) or time.monotonic() > end:
                raise
        time.sleep(_PAUSE)


def insist(cloud, steps, asked):
    """FaultlineError in_debug for steps ({host: (module, args)}) that name hosts which are to be left alone."""
    found = _in_debug.left_alone(cloud, steps, asked)
    if found:
        raise FaultlineError(
            "; ".join(f"{host} left alone: {why}" for host, why in found.items()) + ".", code="in_debug",
            hint=f"Take the routers out of debug by os_router, or set the variable {_in_debug.ALLOWED} of these hosts to true. Nothing was touched.",
            details={"left_alone": [{"host": host, "why": why} for host, why in found.items()]})


def of(head):
    """{id of an injection: why} of those that run.json has as left alone."""
    return {each["injection"]: each["why"] for each in head.get("left_alone") or [] if each.get("injection")}


class Looker:
    """Looks after the injections of a run that have not begun.

    cloud: the inventory, as _plan.Cloud; injections: of _schedule.injections_of; t0: None before it is fixed; login: of options().
    """

    def __init__(self, run, cloud, injections, t0, login):
        self.run, self.cloud, self.login, self.t0 = run, cloud, login, t0
        self.injections = [
            each for each in injections if login is not None and _spared.matters(each["module"], each["args"], cloud.var(each["host"], _in_debug.ROUTER))]
        self.thread, self.answer, self.silent, self.due = None, None, "", 0.0

    def now(self):
        """Ask, and note the injections that are to be left alone: [(id, host, why)] of the new ones. FaultlineError where that cannot be known."""
        return self._note(_patiently(self.login, PATIENCE)) if self.injections else []

    def poll(self, now):
        """The same beside other work; where the cloud, which is being disrupted, does not answer, what it said last goes on to count: ([...], why or '')."""
        if self.answer is not None:
            (routers, silent), self.answer, self.thread = self.answer, None, None
            told = silent if silent != self.silent else ""
            self.silent = silent
            return self._note(routers) if not silent else [], told
        if self.thread is None and now >= self.due and any(self._waits(each, now) for each in self.injections):
            self.due = now + PERIOD
            self.thread = threading.Thread(target=self._ask, daemon=True)
            self.thread.start()
        return [], ""

    def _ask(self):
        try:
            self.answer = _in_debug.ask(self.login), ""
        except FaultlineError as exc:
            self.answer = None, exc.message

    def _waits(self, injection, now):
        return self.t0 is None or self.t0 + injection["start"] > now

    def _note(self, routers):
        head, now = self.run.head(), time.time()
        known, reasons, found = of(head), {}, []
        for each in self.injections if routers else ():
            if each["id"] in known or not self._waits(each, now):
                continue
            key = json.dumps([each["host"], each["module"], each["args"]])
            if key not in reasons:
                steps = {each["host"]: (each["module"], each["args"])}
                reasons[key] = _in_debug.left_alone(self.cloud, steps, lambda _host: routers).get(each["host"])
            if reasons[key]:
                found.append({"disruption": each["disruption"], "injection": each["id"], "host": each["host"], "why": reasons[key]})
        if found:
            self.run.update(left_alone=[*(head.get("left_alone") or []), *found])
        return [(each["injection"], each["host"], each["why"]) for each in found]
