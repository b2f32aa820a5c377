# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Monitors of a host as its tasks see them: start, look, fetch, stop, take away. The backend of ha_monitor."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys

from .._fault._errors import FaultlineError
from . import (
    _clock, _probe_cluster, _probe_container, _probe_host, _probe_http, _probe_nagios, _probe_network, _probe_openstack, _probe_servers, _probes,
    _process, _sampler, _samples,
)

# known here; a monitor's process gets only its own family
FAMILIES = (
    _probe_cluster, _probe_container, _probe_host, _probe_http, _probe_nagios, _probe_network, _probe_openstack, _probe_servers,
)
# bytes of samples in one answer, before they are compressed
SIZE = 4 << 20
# seconds that a monitor may take to end beyond the deadline of its last probe
_PATIENCE = 60
# secrets of a specification travel apart
_SECRETS = ("password", "application_credential_secret")


def pidfile(output):
    return output + ".pid"


def _digest(spec, limit):
    told = json.dumps([{key: value for key, value in spec.items() if key != "auth"}, limit], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _make_folder(path):
    # its parents too, which makedirs() leaves to the umask
    before = os.umask(0o077)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as exc:
        raise FaultlineError("%s cannot be made: %s." % (path, exc.strerror), code="unwritable", hint="Give another path for the output.") from exc
    finally:
        os.umask(before)


def start(spec, output, limit, auth=None, resume=False, check_mode=False):
    """Start a monitor, unless this very one is running; answers when its first probe is due.

    spec: the monitor, see Family.OPTIONS of its type; auth: its secrets; limit: seconds after which it ends by itself. resume: go on in the output
    of one that is gone; what its clock was is no matter then.
    """
    spec = dict(spec, **({"auth": {key: value for key, value in auth.items() if value is not None}} if auth else {}))
    if any(secret in (spec.get("auth") or {}) for secret in _SECRETS) and not auth:
        raise _probes.bad("The specification has secrets in it.", "Give auth as an option of its own, which keeps them.")
    if not 0 < limit <= 7 * 86400:
        raise _probes.bad("limit is %g; it must be above 0 and at most a week in seconds." % limit)
    family = _probes.family(spec)
    # it is wrong here and now, whether or not it would be started
    name = family(spec).spec["name"]
    running = _process.find(pidfile(output))
    if running:
        told = status(output)
        if not resume and (_samples.header(output) or {}).get("digest") != _digest(spec, limit):
            raise FaultlineError(
                "%s is being written by another monitor, %s." % (output, told["monitor"]["name"]), code="already_running",
                hint="Stop it first, or give another path.",
            )
        return dict(told, changed=False, msg="%s is running already" % name)
    if check_mode:
        return {"changed": True, "msg": "would start %s" % name, "monitor": {"name": name, "state": "absent", "output": output}}
    _make_folder(os.path.dirname(output))
    arguments = {
        "spec": spec, "family": family.__module__, "output": output, "pidfile": pidfile(output), "limit": limit, "digest": _digest(spec, limit),
        "resume": resume,
    }
    _process.launch(_sampler, arguments, pidfile(output), also=[sys.modules[family.__module__]], patience=_sampler.PREPARING + 10)
    told = status(output)
    return dict(told, changed=True, msg="%s is being sampled, %d series" % (name, told["monitor"]["series"]))


def status(output):
    """{changed, msg, monitor}: how the monitor of this output is: running, ended, killed (there is no end line) or absent."""
    header = _samples.header(output)
    process = _process.find(pidfile(output))
    if header is None:
        if process is None:
            return {"changed": False, "msg": "there is no monitor", "monitor": {"name": None, "state": "absent", "output": output}}
        header = {}
    monitor = {"name": header.get("name"), "type": header.get("type"), "output": output, "started": header.get("started"),
               "period": header.get("period"), "series": len(header.get("series", {}))}
    with contextlib.suppress(OSError):
        monitor["size"] = os.path.getsize(output)
    end = _samples.end_line(output)
    if process:
        monitor.update(state="running", pid=process.pid)
    elif end:
        monitor.update(end, state="ended")
    else:
        monitor["state"] = "killed"
    return {"changed": False, "msg": "%s: %s" % (monitor["name"], monitor["state"]), "monitor": monitor}


def stop(output, check_mode=False):
    """End the monitor of this output, in order if it lets us."""
    before = status(output)
    if before["monitor"]["state"] != "running":
        if not check_mode:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(pidfile(output))
        return before
    name = before["monitor"]["name"]
    if check_mode:
        return dict(before, changed=True, msg="would stop %s" % name)
    header = _samples.header(output) or {}
    how = _process.stop(pidfile(output), float(header.get("timeout") or 0) + _PATIENCE)
    told = status(output)
    words = "stopped %s" % name if how != "killed" else "killed %s, which did not end when asked to" % name
    return dict(told, changed=True, msg=words)


def remove(output, check_mode=False):
    """End the monitor of this output and remove what it left."""
    before = status(output)
    there = os.path.exists(output)
    if check_mode or not there:
        return dict(before, changed=there, msg="would remove %s" % output if there else "there is no monitor")
    stop(output)
    for path in (output, pidfile(output)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    folder = os.path.dirname(output)
    with contextlib.suppress(OSError):
        for _level in range(2):
            info = os.lstat(folder)
            # as start() makes them; nobody else's folder goes, and none that holds anything
            if info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) != 0o700:
                break
            os.rmdir(folder)
            folder = os.path.dirname(folder)
    return {"changed": True, "msg": "removed %s" % output, "monitor": {"name": before["monitor"]["name"], "state": "absent", "output": output}}


def arguments():
    """The argument_spec of ha_monitor."""
    auth = {key: {"type": "str"} for key in (
        "url", "username", "user_id", "user_domain_name", "user_domain_id", "project_name", "project_id", "project_domain_name",
        "project_domain_id", "system_scope", "application_credential_id", "application_credential_name",
    )}
    auth.update({secret: {"type": "str", "no_log": True} for secret in _SECRETS})
    auth.update(verify={"type": "bool"}, ca_file={"type": "path"})
    return {
        "state": {"type": "str", "default": "started", "choices": ["absent", "started", "status", "stopped"]},
        "output": {"type": "path", "required": True},
        "spec": {"type": "dict"},
        "auth": {"type": "dict", "options": auth},
        "limit": {"type": "float", "default": 3600},
        "resume": {"type": "bool", "default": False},
        "fetch": {"type": "bool", "default": False},
        "offset": {"type": "int", "default": 0},
        "size": {"type": "int", "default": SIZE},
    }


def manage(params, check_mode):
    """What ha_monitor answers. params: its options."""
    output, state = params["output"], params["state"]
    if not output.startswith("/"):
        raise FaultlineError("output is %r; it must be a whole path." % output, code="bad_path", hint="It begins with /.")
    if state == "started":
        told = start(params["spec"], output, params["limit"], params["auth"], params["resume"], check_mode)
    elif state == "stopped":
        told = stop(output, check_mode)
    elif state == "absent":
        told = remove(output, check_mode)
    else:
        told = status(output)
    if params["fetch"]:
        told["samples"] = _samples.part(output, params["offset"], params["size"])
    # last: the caller compares it with its own clock, which reads the answer's arrival
    told.update(_clock.reading())
    return told
