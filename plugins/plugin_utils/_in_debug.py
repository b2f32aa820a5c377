# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks a cloud which routers are in debug, and keeps faults away from the hosts that have them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time

from ansible import constants

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._ha import _cloud
from ..module_utils._router._routers import Routers
from . import _plan, _spared
from ._fill import fill

# variables of a host: the cloud that has its marks, and that they do not count
CLOUD, ALLOWED, ROUTER = "faultline_cloud", "faultline_allow_debug", "os_router"
# seconds that the hosts of one task share an answer
_TOGETHER = 10
_ANYWAY = f"To go on without the marks, set the variable {ALLOWED} to true. Nothing was touched."


def refuse(action, module, args, task_vars):
    """FaultlineError in_debug for a fault that would hit a router in debug. action: the action of the task; args: filled in."""
    told = {name: action._templar.template(task_vars[name]) for name in (CLOUD, ALLOWED) if name in task_vars}
    router, me = task_vars.get(ROUTER), task_vars["inventory_hostname"]
    if _yes(told.get(ALLOWED)) or not _spared.matters(module, args, router):
        return
    known = shared(named(told.get(CLOUD), me), action._task._uuid, _TOGETHER) if told.get(CLOUD) else None
    why = _why(_plan.Cloud(task_vars["groups"], task_vars["hostvars"]), me, (module, args), router, known)
    if why:
        raise FaultlineError(
            f"{me} is left alone: {why}.", code="in_debug", details={"left_alone": [{"host": me, "why": why}]},
            hint=f"Take it out of debug by os_router, or set the variable {ALLOWED} to true. Nothing was touched.")


def planned(intent, cloud, among, seed, asked, **more):
    """_plan.plan(), but that hosts which have a router in debug are not chosen; as PlanError in_debug where they are named.

    asked: function from a host to what is in debug in its cloud (_spared.in_debug), or None where no cloud is known.
    """
    spared = {}
    while True:
        plan = _plan.plan(intent, cloud, among, seed, spared=spared, **more)
        found = {host: why for host, why in left_alone(cloud, {
            host: fill(plan.module, plan.args_of(host), cloud.definitions(host)) for host in plan.candidates}, asked).items() if host not in spared}
        if not found:
            return plan
        spared.update(found)


def left_alone(cloud, steps, asked):
    """{host: why} of those hosts of steps ({host: (module, args)}) that are to be left alone. cloud: _plan.Cloud; asked: as for planned."""
    found = {}
    for host, step in steps.items():
        router = cloud.var(host, ROUTER)
        if _spared.matters(*step, router) and not _yes(cloud.var(host, ALLOWED)):
            why = _why(cloud, host, step, router, asked(host))
            if why:
                found[host] = why
    return found


def _why(cloud, host, step, router, known):
    if router:
        return _spared.why_router(router, known) or _spared.why_inside(*step, router, known)
    if not known:
        return ""
    # the addresses of routers' hosts are their nodes'
    names = {each: _spared.names_of(each, lambda name, each=each: cloud.var(each, name)) for each in cloud.groups["all"] if not cloud.var(each, ROUTER)}
    told = _spared.by_host(known, names).get(host)
    return _spared.why_node(told) if told else ""


def _yes(value):
    return str(value).lower() in ("true", "yes", "on", "1")


# ---- asking


def named(name, host):
    """The options of a cloud that a variable names."""
    if not isinstance(name, str):
        raise FaultlineError(f"{CLOUD} of {host} is no name.", code="bad_option", hint=f"Give the name of a cloud in clouds.yaml. {_ANYWAY}")
    return {"cloud": str(name)}


def by_variable(cloud, task, key):
    """The function that planned() asks, for clouds that the variables of hosts name: each is asked once for all hosts of a task and key."""
    def asked(host):
        name = cloud.var(host, CLOUD)
        return shared(named(name, host), f"{task}\0{key}") if name else None
    return asked


def shared(options, key, seconds=None):
    """What ask() tells, the same for all who ask with a key: every host of a run, each in a process of its own, is to come to the same choice.

    seconds: how old the answer may be.
    """
    name = hashlib.sha256(json.dumps([options, key]).encode()).hexdigest()
    # this run's own, and gone with it
    path = os.path.join(constants.DEFAULT_LOCAL_TMP, f"faultline-{name}")
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        told = json.loads(stream.read() or "null")
        if told is None or seconds is not None and time.time() - told["at"] > seconds:
            told = _answer(options)
            stream.seek(0)
            stream.truncate()
            json.dump(told, stream)
    if told["error"]:
        raise FaultlineError(*told["error"])
    return told["routers"]


def _answer(options):
    told = {"routers": None, "error": None}
    try:
        told["routers"] = ask(options)
    except FaultlineError as exc:
        told["error"] = [exc.message, exc.code, exc.hint, exc.details]
    # from the end: a cloud that is away may take longer than an answer keeps
    return {**told, "at": time.time()}


def ask(options):
    """The routers of a cloud that are in debug now (_spared.in_debug). options: those of _cloud.arguments(). FaultlineError where that cannot be known."""
    try:
        connection = _cloud.Connection(options)
        if not connection.has("network"):
            return []
        routers = Routers(connection)
        described = routers.described()
        hidden = _hidden(routers, [each for each in described if each["debug"] and not each["agents"]])
    except FaultlineError as exc:
        raise FaultlineError(
            f"Nobody knows which routers are in debug: {exc.message}", code=exc.code, hint=" ".join(filter(None, (exc.hint, _ANYWAY))),
        ) from (exc.__cause__ or exc)
    for each in described:
        if each["id"] in hidden:
            raise FaultlineError(
                f"Router {each['name'] or each['id']} is in debug, and {connection.words} does not tell this login which nodes have it.", code="forbidden",
                hint=f"Only administrators see that. {_ANYWAY}")
    return _spared.in_debug(described)


def _hidden(routers, nowhere):
    """Ids of those routers on no node whose ports the login does not see, or without the nodes that they are on."""
    if not nowhere:
        return set()
    ports = routers.connection.ask(lambda: routers._list(
        routers.network, "/ports", "ports", fields=("id", "device_id", "binding:host_id"), device_id=[each["id"] for each in nowhere]))
    return {each["device_id"] for each in ports if "binding:host_id" not in each} | {
        each["id"] for each in nowhere if each["gateway"] and not each["gateway"]["port"]}
