# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules of clusters do, from options to results."""

from __future__ import annotations

import time

from .._fault._errors import FaultlineError
from .._ha import _cloud
from . import _cluster, _metadata, _session, _steering, _survey

_SHOWN = ("type", "number", "image", "flavor", "labels")
# the session that was built up last from this terminal or CI job
_CURRENT = "current"
_NOBODY = "Nobody can tell this place from others: there is neither a terminal nor a CI that is known."


def arguments():
    """The options of os_cluster, but for the login's."""
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "steering": {"type": "raw"},
        "session": {"type": "str"},
        "all": {"type": "bool", "default": False},
        "older_than": {"type": "str"},
        "auto_teardown": {"type": "bool", "default": True},
        "on_failure": {"type": "str", "choices": ["keep", "teardown"], "default": "keep"},
        "wait": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 900},
        "public_key": {"type": "str", "no_log": False},
        "state_file": {"type": "path"},
        "account_file": {"type": "path"},
        "user_data": {"type": "dict", "no_log": True},
        "origin": {"type": "dict"},
    }


def info_arguments():
    """The options of os_cluster_info, but for the login's."""
    return {
        "what": {"type": "list", "elements": "str", "choices": ["instances", "sessions"], "default": ["instances", "sessions"]},
        "session": {"type": "str"},
        "current": {"type": "bool", "default": False},
        "state_file": {"type": "path"},
        "account_file": {"type": "path"},
        "origin": {"type": "dict"},
    }


def change(params, check_mode):
    """The result of os_cluster."""
    if params["state"] == "absent":
        return _absent(params, check_mode)
    return _present(params, check_mode)


def _present(params, check_mode):
    wanted = _wanted(params)
    session, origin = _given(params), _origin(params)
    cluster = _cluster.Cluster(_cloud.Connection(params), params["timeout"])
    every = [(_metadata.session_of(each.metadata), each) for each in cluster.servers()]
    if session == _CURRENT:
        session = _newest([(owner, _metadata.decode(each.metadata), each.created_at) for owner, each in every], origin)
    session = session or _session.new()
    there = [each for owner, each in every if owner == session]
    # tells what the cloud does not have, before anything is touched
    plans = cluster.plan(wanted, session, origin, there)
    previous = set()
    if params["auto_teardown"] and not there:
        previous = {owner for owner, each in every if _session.same(_session.of(_metadata.decode(each.metadata)), origin)}
    missing = [plan for plan in plans if plan["server"] is None or plan["broken"]]
    if check_mode:
        removed = _listed(cluster.chosen(previous)) if previous else []
        return {
            "changed": bool(missing or removed), "session": session, "sessions": sorted(previous), "removed": removed,
            "wanted": [{key: plan["wanted"][key] for key in _SHOWN} for plan in missing],
            "msg": "%d VMs would be booted%s" % (len(missing), _and_removed(previous, removed, "would be torn down")),
        }
    removed = list(cluster.absent(previous)) if previous else []
    instances = cluster.present(plans, session, params["public_key"], params["on_failure"], params["wait"])
    return {
        "changed": cluster.changed, "session": session, "sessions": sorted(previous), "instances": instances, "removed": cluster.removed,
        "made": {kind: cluster.made.get(kind, 0) for kind in _survey.KINDS},
        "msg": "session %s: %d VMs, of which %d were booted%s" % (
            session, len(instances), cluster.made.get("servers", 0), _and_removed(previous, removed, "was torn down before")),
    }


def _and_removed(sessions, removed, words):
    """What was removed for a buildup, as the rest of a sentence."""
    return "; of the session %s before %s %s" % (", ".join(sorted(sessions)), _counted(removed), words) if sessions else ""


def _absent(params, check_mode):
    session = _given(params)
    session = None if session == _CURRENT else session
    cluster = _cluster.Cluster(_cloud.Connection(params), params["timeout"])
    if session:
        sessions = {session}
    elif params["all"]:
        sessions = None
    elif params["older_than"] is not None:
        sessions = _older(cluster, params["older_than"])
    else:
        origin = _origin(params)
        if _session.identity(origin) is None:
            raise FaultlineError(_NOBODY, code="no_session", hint="Say session, all or older_than.")
        sessions = {each["session"] for each in cluster.sessions(origin) if each["same"]}
    removed = _listed(cluster.chosen(sessions)) if check_mode else list(cluster.absent(sessions))
    found = sorted({each["session"] for each in removed})
    told = "%s of %d sessions %s deleted" % (_counted(removed), len(found), "would be" if check_mode else "were")
    # a session that has nothing is torn down all the same
    return {
        "changed": bool(removed), "session": session or (found[0] if len(found) == 1 else None), "sessions": sorted(set(found) | (sessions or set())),
        "removed": removed, "msg": told if removed else "nothing is there to be deleted",
    }


def _newest(vms, origin):
    """The session of the youngest of some VMs, [(session, metadata, created)], that are of a place; None where there is none."""
    mine = [(str(created), session) for session, metadata, created in vms if _session.same(_session.of(metadata), origin)]
    return max(mine)[1] if mine else None


def _older(cluster, age):
    """The sessions that are older than some seconds."""
    try:
        limit = time.time() - float(age)
    except ValueError as exc:
        raise FaultlineError("older_than is no number of seconds: %s." % age, code="bad_option") from exc
    return {each["session"] for each in cluster.sessions() if each["created"] is not None and each["created"] < limit}


def info(params):
    """The result of os_cluster_info."""
    session, origin = _given(params), _origin(params)
    cluster = _cluster.Cluster(_cloud.Connection(params), 300)
    result = {"changed": False}
    sessions = cluster.sessions(origin) if "sessions" in params["what"] else None
    instances = cluster.instances() if "instances" in params["what"] else None
    if sessions is not None:
        current = next((each["session"] for each in sessions if each["current"]), None)
    else:
        current = _newest([(each["session"], each["metadata"], each["created"]) for each in instances], origin)
    only = {current} if params["current"] or session == _CURRENT else {session} if session else None
    told = []
    if sessions is not None:
        result["sessions"] = [
            {key: value for key, value in each.items() if key != "same"} for each in sessions if only is None or each["session"] in only]
        told.append("%d sessions" % len(result["sessions"]))
    if instances is not None:
        result["instances"] = [each for each in instances if only is None or each["session"] in only]
        told.append("%d VMs" % len(result["instances"]))
    return dict(result, current=current, msg=", ".join(told))


# ---- options


def _wanted(params):
    """What the steering says, with the user data that came beside it."""
    data = params["steering"]
    if not isinstance(data, dict):
        raise FaultlineError("steering is no dictionary.", code="bad_option", hint="The action plugin of this module reads files.")
    given = dict(params["user_data"] or {})
    instances = data.get("instances")
    if given and isinstance(instances, dict):
        unknown = sorted(set(given) - set(instances))
        if unknown:
            raise FaultlineError("user_data is for an instance %s, which the steering does not have." % unknown[0], code="bad_option")
        data = dict(data, instances={
            name: dict(each, user_data=given[name]) if name in given and isinstance(each, dict) else each for name, each in instances.items()})
    return _steering.cluster(data, "steering")


def _given(params):
    session = (params["session"] or "").strip().lower()
    if session and session != _CURRENT and not _session.UUID.fullmatch(session):
        raise FaultlineError(
            "session is neither a UUID nor %s: %s." % (_CURRENT, session[:80]), code="bad_option", hint="os_cluster_info tells the sessions.")
    return session or None


def _origin(params):
    return {str(key): str(value) for key, value in (params["origin"] or {}).items() if value is not None}


# ---- results


def _listed(found):
    """What was found as it is told when it is removed."""
    return [
        {"kind": kind, "id": each.id, "name": _survey.describe(kind, each), "session": session} for kind in _survey.KINDS for session, each in found[kind]]


def _counted(removed):
    return _survey.counted({kind: sum(each["kind"] == kind for each in removed) for kind in _survey.KINDS})
