# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules of routers do, from options to results."""

from __future__ import annotations

from .._fault._errors import FaultlineError
from .._ha import _cloud
from . import _astara, _claim, _data_plane, _marks, _pings, _rebuild, _router, _routers

ACTIONS = ("poll", "rebuild", "update", "debug", "manage")
# failures of a router that is others' at the moment
_LEFT_ALONE = ("claimed", "in_debug", "admin_state")


def info_arguments():
    """The options of os_router_info, but for the login's."""
    return {
        "router": {"type": "list", "elements": "str"},
        "project": {"type": "str"},
        "debug": {"type": "bool"},
        "management": {"type": "bool", "default": False},
    }


def arguments():
    """The options of os_router, but for the login's."""
    return {
        "action": {"type": "str", "required": True, "choices": list(ACTIONS)},
        "router": {"type": "list", "elements": "str"},
        "project": {"type": "str"},
        "all": {"type": "bool", "default": False},
        "reason": {"type": "str"},
        "agent": {"type": "str"},
        "force": {"type": "bool", "default": False},
        "probed": {"type": "list", "elements": "dict"},
        "ping": {"type": "str"},
        "timeout": {"type": "float", "default": 180},
        **_astara.arguments(),
    }


def info(params):
    """The result of os_router_info."""
    routers = _routers.Routers(_cloud.Connection(params))
    found = _router.chosen(routers.described(), params["router"], params["project"], params["debug"], routers.projects)
    if params["management"]:
        addresses = routers.connection.ask(routers.management, [each["id"] for each in found])
        found = [dict(each, management=addresses.get(each["id"], [])) for each in found]
    told = _router.counted(found)
    everywhere = routers.known["everywhere"]
    if everywhere is not None:
        told += "; everything is in debug%s" % _because(everywhere)
    return {
        "changed": False, "msg": told, "routers": found, "table": _router.table(found), "global": None if everywhere is None else {"reason": everywhere},
        "debug_projects": [
            {"id": each, "name": known["name"], "reason": _marks.debug(known["tags"])}
            for each, known in sorted(routers.projects.items()) if _marks.debug(known["tags"]) is not None],
    }


def act(params, check_mode):
    """The result of os_router."""
    if params["driver"] == _astara.ASTARA:
        return _astara.act(params, check_mode)
    _astara.unasked(params)
    _checked(params)
    routers = _routers.Routers(_cloud.Connection(params), check_mode)
    work = {"poll": _poll, "rebuild": _rebuilt, "update": _updated, "debug": _debugged, "manage": _managed}[params["action"]]
    return work(routers, routers.described(), params, check_mode)


def _checked(params):
    """Refuse options that do not go together."""
    action = params["action"]
    given = [name for name in ("reason", "agent", "probed", "ping") if params[name] is not None]
    allowed = {"debug": ["reason"], "rebuild": ["agent", "probed", "ping"], "poll": ["probed"]}.get(action, [])
    for name in given:
        if name not in allowed:
            raise FaultlineError("%s is no option of the action %s." % (name, action), code="bad_option")
    if action != "poll" and not (params["router"] or params["project"] or params["all"]):
        raise FaultlineError("%s: nothing says what is meant." % action, code="bad_option", hint="Say router, project or all.")


def _chosen(routers, every, params):
    return _router.chosen(every, params["router"], params["project"], None, routers.projects)


def _because(reason):
    return ": " + reason if reason else ""


def _name(router):
    return router["name"] or router["id"]


# ---- poll


def _poll(routers, every, params, _check_mode):
    if params["probed"] is not None and params["router"]:
        # those whose nodes were asked are named by their ids; one may have gone meanwhile
        there = {each["id"] for each in every}
        params = dict(params, router=[each for each in params["router"] if each in there or not _marks.is_id(each)])
        if not params["router"]:
            return _polled([])
    found = _chosen(routers, every, params)
    if len(found) == 1 and params["router"]:
        found = [routers.one(found[0]["id"])]
    if params["probed"] is not None:
        found = [dict(each, **_data_plane.judged(each, params["probed"])) for each in found]
    return _polled(found)


def _polled(found, changed=False, msg=""):
    """The result of a look at some routers."""
    sick = ["%s is %s: %s" % (_name(each), each["health"], each["reason"]) for each in found if each["health"] != _router.OK]
    worst = [level for level in (_router.DOWN, _router.DEGRADED, _router.OK) if any(each["health"] == level for each in found)]
    told = "; ".join([msg or _router.counted(found)] + sick[:5]) + ("; and %d more" % (len(sick) - 5) if len(sick) > 5 else "")
    return {"changed": changed, "msg": told, "health": worst[0] if worst else _router.OK, "routers": found, "table": _router.table(found)}


# ---- rebuild and update


def _allowed(routers, every, params):
    """(the routers that may be touched, those that are left alone and why). FaultlineError in_debug or admin_state for one that was named."""
    found = _chosen(routers, every, params)
    explicit, kept, skipped = _explicit(found, params), [], []
    for each in found:
        refusal = _refusal(each, params)
        if refusal is None:
            kept.append(each)
        elif each["id"] in explicit:
            raise refusal
        else:
            skipped.append(_entry(each, refusal.code, refusal.message))
    return kept, skipped


def _explicit(found, params):
    """The ids of those that are named, and not only meant by a pattern, a project or all."""
    named = [each for each in params["router"] or () if each not in _router.WILD]
    return {each["id"] for each in _router.chosen(found, named)} if named else set()


def _entry(router, code, why):
    return {"id": router["id"], "name": router["name"], "code": code, "why": why}


def _refusal(router, params):
    """Why a router is not touched; None when it may be."""
    debug = router["debug"]
    if debug and not params["force"]:
        whose = {"router": "The router %s is" % _name(router), "project": "The project %s of the router %s is" % (
            router["project_name"] or router["project"], _name(router)), "global": "All routers, %s too, are" % _name(router)}[debug["by"]]
        return FaultlineError(
            "%s in debug%s." % (whose, _because(debug["reason"])), code="in_debug",
            hint="Automation leaves it alone. Take it out with the action manage, or say force. Nothing was touched.")
    if params["action"] == "rebuild" and not router["admin_state_up"]:
        return FaultlineError(
            "The admin state of the router %s is down: its agents have nothing of it." % _name(router), code="admin_state",
            hint="Set it up first. Nothing was touched.")
    return None


def _left(skipped):
    return "; %d left alone: %s" % (len(skipped), " ".join(each["why"] for each in skipped[:5])) if skipped else ""


def _rebuilt(routers, every, params, check_mode):
    kept, skipped = _allowed(routers, every, params)
    if params["probed"] is not None:
        kept = [dict(each, **_data_plane.judged(each, params["probed"])) for each in kept]
    pings = params["ping"] and _pings.Pings(params["ping"])
    if pings and len(kept) > 1:
        raise FaultlineError("ping is for the rebuild of one router, and %d are meant." % len(kept), code="bad_option", hint="Nothing was touched.")
    if check_mode:
        return _would_rebuild(routers, kept, skipped, params)
    done, failed, explicit = [], [], _explicit(kept, params)
    for each in kept:
        try:
            rebuild = _rebuild.Rebuild(routers, each, params["agent"], params["timeout"], pings=pings)
            # what cannot be done is refused before anything is written
            rebuild.planned()
            # an orchestrator may be at it
            with _claim.claimed(routers, each["id"], _claim.own_name(), params["timeout"] + _claim.SPARE):
                # somebody may have put it in debug since the look at all of them
                refusal = _refusal(routers.one_with_marks(each["id"]), params)
                if refusal:
                    raise refusal
                done.append(rebuild.run())
        except FaultlineError as exc:
            if len(kept) == 1:
                raise
            if exc.code in _LEFT_ALONE and each["id"] not in explicit:
                skipped.append(_entry(each, exc.code, exc.message))
                continue
            failed.append(_entry(each, exc.code, exc.text))
            if exc.code in ("no_answer", "bad_credentials"):
                # the next one would only wait as long
                break
    found = [each.pop("router") for each in done]
    if failed:
        raise FaultlineError(
            "%d of %d routers were not rebuilt: %s" % (len(kept) - len(done), len(kept), " ".join(each["why"] for each in failed[:5])), code=failed[0]["code"],
            details={"failed": failed, "rebuilds": done, "skipped": skipped})
    words = ["%s is on %s, active on %s, after %g s, of which %s" % (
        each["name"] or each["id"], " and ".join(each["after"]), each["active"], each["seconds"], _outage(each)) for each in done[:5]]
    msg = "rebuilt %d router%s" % (len(done), "" if len(done) == 1 else "s") + (": " + "; ".join(words) if words else "") + _left(skipped)
    return dict(_polled(found, bool(done), msg), rebuilds=done, skipped=skipped)


def _outage(done):
    """For how long a router that was rebuilt did not serve, in words."""
    if done["pinged"]:
        return "%s did not answer for %g s" % (done["pinged"]["address"], done["pinged"]["downtime"])
    return "it was down for %g s" % done["downtime"]


def _would_rebuild(routers, kept, skipped, params):
    plans = []
    for each in kept:
        found, planned = _rebuild.Rebuild(routers, each, params["agent"], params["timeout"]).planned()
        plans.append({
            "id": each["id"], "name": each["name"], "before": [agent["host"] for agent in found["agents"]],
            "after": planned["stay"] + planned["first"] + planned["then"]})
    words = ["%s from %s to %s" % (each["name"] or each["id"], " and ".join(each["before"]) or "no agent", " and ".join(each["after"])) for each in plans[:5]]
    msg = "%d router%s would be rebuilt" % (len(plans), "" if len(plans) == 1 else "s") + (": " + "; ".join(words) if words else "") + _left(skipped)
    return dict(_polled(kept, bool(plans), msg), rebuilds=plans, skipped=skipped)


def _updated(routers, every, params, check_mode):
    kept, skipped = _allowed(routers, every, params)
    told = []
    for each in kept:
        if not check_mode:
            routers.connection.ask(routers.update, each["id"])
        told.append({
            "id": each["id"], "name": each["name"], "agents": [agent["host"] for agent in each["agents"] if agent["alive"] is not False],
            "dead": [agent["host"] for agent in each["agents"] if agent["alive"] is False]})
    words = ["L3 agents on %s to configure %s again" % (" and ".join(each["agents"]) or "no node", each["name"] or each["id"]) for each in told]
    msg = ("would ask " if check_mode else "asked ") + ("; ".join(words[:5]) or "nobody") + ("; and %d more" % (len(words) - 5) if len(words) > 5 else "")
    msg += _left(skipped)
    return dict(_polled(kept, bool(told), msg), updates=told, skipped=skipped)


# ---- debug and manage


def _scope(params):
    return "router" if params["router"] else "project" if params["project"] else "global"


def _debugged(routers, every, params, check_mode):
    scope, reason = _scope(params), params["reason"]
    if scope == "router":
        found = _chosen(routers, every, params)
        changed = [each for each in found if routers.debug_router(each["id"], reason)]
        what = _listed(found)
    elif scope == "project":
        owner, found = _of_project(routers, every, params)
        changed = routers.debug_project(owner, reason)
        what = "the project %s, which has %s" % (routers.projects[owner]["name"] or owner, _number(found))
    else:
        found, owner = every, (routers.debugged_everywhere() or [routers.project])[0]
        if not owner:
            raise FaultlineError("The login is of no project, which the mark could be on.", code="bad_option", hint="Log in with a project.")
        changed = routers.debug_project(owner, reason, _marks.ALL)
        what = "all routers, which are %d now" % len(found)
    msg = "%s: %s%s" % (_words("in debug", changed, check_mode), what, _because(_marks.plain(reason or "")))
    return _polled_again(routers, found, changed, check_mode, msg, sick=False)


def _managed(routers, every, params, check_mode):
    scope = _scope(params)
    if scope == "router":
        found = _chosen(routers, every, params)
        changed = [each for each in found if routers.manage_router(each["id"])]
        what = _listed(found)
    elif scope == "project":
        owner, found = _of_project(routers, every, params)
        changed = routers.manage_project(owner)
        what = "the project %s, which has %s" % (routers.projects[owner]["name"] or owner, _number(found))
    else:
        found = every
        changed = [each for each in routers.debugged_everywhere() if routers.manage_project(each, _marks.ALL)]
        what = "all routers, which are %d now" % len(found)
    return _polled_again(routers, found, changed, check_mode, "%s: %s" % (_words("under management", changed, check_mode), what), sick=True)


def _words(state, changed, check_mode):
    return ("would be " if changed and check_mode else "now " if changed else "already ") + state


def _of_project(routers, every, params):
    owner = _router.project_of(every, params["project"], routers.projects)
    return owner, [each for each in every if each["project"] == owner]


def _polled_again(routers, found, changed, check_mode, msg, sick):
    """The routers after a mark was changed: what came while they were ignored is seen by this look."""
    if changed and not check_mode:
        meant = {each["id"] for each in found}
        found = [each for each in routers.described() if each["id"] in meant]
    still = [each for each in found if each["debug"]] if sick and not (changed and check_mode) else []
    if still:
        by = sorted({each["debug"]["by"] for each in still})
        msg += "; %s still in debug by a mark of %s" % (_number(still), " and ".join("the whole cloud" if each == "global" else "the " + each for each in by))
    result = _polled(found, bool(changed), msg)
    return result if sick else dict(result, msg=msg)


def _number(found):
    return "%d router%s" % (len(found), "" if len(found) == 1 else "s")


def _listed(found):
    return ", ".join(_name(each) for each in found[:5]) + (" and %d more" % (len(found) - 5) if len(found) > 5 else "") or "no router"
