# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state file: what a session's VMs are, for test scripts. An output only; the cloud is the truth."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile

from .._fault._errors import FaultlineError

# what only a look into the VM tells
LOOKED = ("VM_HOSTNAME_SHORT", "VM_HOSTNAME_LONG", "VM_DISK")
_HINT = "Move it away: os_cluster_wait writes it again, and so does os_cluster_info, of the session that it tells."


def state(instances, before=None):
    """{WE_ID: entry} of instances. What was learned in a VM is kept from `before`, a state, as long as it is the same server."""
    found = {}
    for instance in instances:
        entry = dict(instance["metadata"], OS_ID=instance["id"], OS_NETWORKS=_networks(instance))
        known = (before or {}).get(instance["we_id"])
        if isinstance(known, dict) and known.get("OS_ID") == instance["id"]:
            entry.update({key: known[key] for key in LOOKED if key in known})
        entry.update({key: instance[key] for key in LOOKED if key in instance})
        found[instance["we_id"]] = entry
    return found


def _networks(instance):
    """The addresses by network, with a floating IP that Nova does not tell of yet."""
    networks, floating = {name: list(each) for name, each in instance["networks"].items()}, instance.get("floating")
    if floating and networks and not any(floating in each for each in networks.values()):
        next(iter(networks.values())).append(floating)
    return networks


def read(path):
    """The state in a file, {} where there is none. FaultlineError: bad_state."""
    path = os.path.expanduser(path)
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise FaultlineError("The state file %s cannot be read: %s." % (path, exc.strerror), code="bad_state", hint="Give another state_file.") from exc
    except (ValueError, RecursionError) as exc:
        raise FaultlineError("The state file %s is not JSON: %s." % (path, exc), code="bad_state", hint=_HINT) from exc
    wrong = _wrong(found)
    if wrong:
        raise FaultlineError("The state file %s is none: %s." % (path, wrong), code="bad_state", hint=_HINT)
    return found


def _wrong(found):
    """Why this is no state, or ''."""
    if not isinstance(found, dict):
        return "it holds no dictionary"
    for name, entry in found.items():
        if not isinstance(entry, dict):
            return "%s is no dictionary" % name
        if not isinstance(entry.get("WE_SESSION"), str):
            return "%s has no WE_SESSION" % name
    return ""


def session(path):
    """The session of a state file, None where it holds none. FaultlineError: bad_state, also where it holds several."""
    found = sorted({entry["WE_SESSION"] for entry in read(path).values()})
    if len(found) > 1:
        raise FaultlineError(
            "The state file %s holds %d sessions: %s." % (path, len(found), ", ".join(found)), code="bad_state", hint="Say which by session.")
    return found[0] if found else None


def write(path, data):
    """Replace the file, for its user alone; whether that changed it. FaultlineError: unwritable."""
    # a link stays a link
    path = os.path.realpath(os.path.expanduser(path))
    raw = (json.dumps(data, indent=4, sort_keys=True) + "\n").encode("utf-8")
    temporary = None
    try:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as stream:
            if stream.read() == raw:
                return False
        # made with mode 0600
        handle, temporary = tempfile.mkstemp(prefix=".state.", dir=os.path.dirname(path))
        with open(handle, "wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as exc:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise FaultlineError(
            "The state file %s cannot be written: %s." % (path, exc.strerror), code="unwritable", hint="Give another state_file.") from exc
    return True
