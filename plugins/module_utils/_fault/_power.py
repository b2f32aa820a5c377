# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all power drivers share: a library that may be missing, a deadline that nothing outlives, who a node is.

A driver is a module with
    NAME, ACTIONS          its name, and the actions that it has
    find(args, node)       (machine, keys) of a node, or None when it does not know it
    Session(machine, key)  a connection to that machine: state(), on(), off(), reset(), shutdown(), reboot(), ...; close()
A machine is a dictionary that names it for good and holds no secret: driver, words (for people), key (the name of its
secret in _steps.KEYS, or ''), and what the driver needs. keys: {name: secret}.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import time

from ._errors import FaultlineError


def library(name, package):
    """A Python library that a driver needs; FaultlineError (missing_library) with what to install."""
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise FaultlineError(
            "The Python library %s is not installed for the Python that does power: %s." % (name.partition(".")[0], exc),
            code="missing_library", hint="pip install %s" % package,
        ) from exc


def within(seconds, work, who, hint=""):
    """What work() returns, as JSON can say it. It runs in a process of its own, which is ended when its time is up: a library
    that waits for a dead machine cannot be interrupted otherwise. who: the machine, for the error (no_answer) with its hint."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(writer, work)
    os.close(writer)
    try:
        raw = _read_all(reader, seconds)
    finally:
        os.close(reader)
        # its helpers too, as the ssh of libvirt
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if raw is None:
        raise FaultlineError("%s did not answer within %g seconds." % (who, seconds), code="no_answer", hint=hint)
    if not raw:
        raise FaultlineError("The process that asked %s died." % who, code="driver_failed")
    answer = json.loads(raw.decode())
    if "error" in answer:
        raise FaultlineError(**answer["error"])
    return answer["value"]


def _answer(writer, work):
    """In the child: never returns."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for handle in (0, 1, 2):
            os.dup2(null, handle)
        try:
            answer = {"value": work()}
        except FaultlineError as exc:
            answer = {"error": {"message": exc.message, "code": exc.code, "hint": exc.hint, "details": exc.details}}
        except Exception as exc:  # whatever a library raises is an answer
            answer = {"error": {"message": "%s: %s" % (type(exc).__name__, exc), "code": "driver_failed"}}
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _read_all(reader, seconds):
    """All that comes, or None when it has not ended in time."""
    end, parts = time.monotonic() + seconds, []
    while True:
        ready, _ignored, _also = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return None
        part = os.read(reader, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def mac_of(text):
    """A MAC address as all are compared: lower case, colons."""
    digits = "".join(each for each in str(text or "").lower() if each in "0123456789abcdef")
    return ":".join(digits[i:i + 2] for i in range(0, 12, 2)) if len(digits) == 12 else ""


def mapped(args, node):
    """(key, entry) of the BMC that mac_to_bmc or fqdn_to_bmc of a driver names for a node; (None, None) when neither does."""
    mac = mac_of(node.get("mac"))
    for key, entry in (args.get("mac_to_bmc") or {}).items():
        if mac and mac_of(key) == mac:
            return key, entry
    names = [str(node[name]).lower() for name in ("fqdn", "name") if node.get(name)]
    for name in names:
        for key, entry in (args.get("fqdn_to_bmc") or {}).items():
            if str(key).lower() == name:
                return key, entry
    return None, None


def address_and_port(entry, usual):
    """(address, port) of an entry that has port, or address:port, or [address]:port; usual where it has none."""
    address, port = str(entry.get("address") or ""), entry.get("port")
    if port is None and address.startswith("[") and "]" in address:
        address, _bracket, rest = address[1:].partition("]")
        port = rest[1:] or None
    elif port is None and address.count(":") == 1:
        address, port = address.split(":")
    try:
        return address, int(port or usual)
    except ValueError:
        raise FaultlineError("'%s' is not a port of a BMC." % port, code="bad_option") from None


def refused_credentials(who, hint):
    return FaultlineError("%s refuses the user name or the password." % who, code="bad_credentials", hint=hint)


def unreachable(who, why, hint=""):
    return FaultlineError("%s cannot be reached: %s." % (who, str(why).strip().rstrip(".")), code="no_answer", hint=hint)
