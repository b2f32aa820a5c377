# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an AnsibleModule to the engine and back; the one place where our errors become fail_json."""

from __future__ import annotations

import signal

from ._errors import FaultlineError

SERVICE_ACTIONS = ("start", "terminate", "restart", "kill", "freeze", "unfreeze", "unplug", "plug", "mask", "crash_loop")
SERVICE_DRIVERS = ("system_service", "process", "linux_service", "pcs_service", "pcs_or_linux_service", "salt_service")
# what a definition says of how a service is found and run
DEFINITION = (
    "unit", "grep", "processes", "start_cmd", "terminate_cmd", "restart_cmd", "start_timeout", "stop_timeout", "pcs_service", "salt_service")
# of the packets of a port, as os-faults calls them
WAYS = ("ingress", "egress")
# signals that no process survives unless it asks to
DEADLY = ("KILL", "TERM", "INT", "QUIT", "ABRT", "SEGV", "BUS")
CONTAINER_ACTIONS = ("start", "terminate", "restart", "kill", "freeze", "unfreeze", "unplug", "plug")
CONTAINER_DRIVERS = ("docker_container", "podman_container")
# seconds that an undo may take beyond its deadline
WAIT_TIMEOUT = 60
# what every module of faults takes
TIMES = {
    "duration": {"type": "float"},
    "at": {"type": "float"},
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "float", "default": WAIT_TIMEOUT},
}
# seconds within which a service has to answer again as it did; MariaDB and Keystone take half of that on a busy host
RECOVERY_TIMEOUT = 60
# when a fault began to be injected, was injected, and was proven, in a record and in a result
MOMENTS = ("injecting_at", "injected_at", "proven_at")
# keys of a result that a failed task has as well
_RESULT = ("fault", "targets", "planned", *MOMENTS, "proof", "undo", "residue", "duration", "diff", "undone", "notes", "orphans")


def service_arguments():
    """The argument_spec of os_service_fault."""
    return {
        "service": {"type": "str", "required": True},
        "action": {"type": "str", "required": True, "choices": list(SERVICE_ACTIONS)},
        "driver": {"type": "str", "default": "system_service", "choices": list(SERVICE_DRIVERS)},
        "unit": {"type": "list", "elements": "str", "aliases": ["service_name", "linux_service"]},
        "pcs_service": {"type": "str"},
        "salt_service": {"type": "str"},
        "grep": {"type": "str"},
        "port": {"type": "raw"},
        "processes": {"type": "str", "choices": ["main", "all"]},
        "start_cmd": {"type": "str"},
        "terminate_cmd": {"type": "str"},
        "restart_cmd": {"type": "str"},
        "start_timeout": {"type": "float"},
        "stop_timeout": {"type": "float"},
        "signal": {"type": "str", "default": "KILL", "choices": list(DEADLY)},
        **TIMES,
        "recovery_timeout": {"type": "float", "default": RECOVERY_TIMEOUT},
    }


def container_arguments():
    """The argument_spec of os_container_fault."""
    service = service_arguments()
    shared = ("port", "signal", *TIMES, "recovery_timeout")
    return dict(
        {name: service[name] for name in shared},
        container={"type": "str", "required": True},
        action={"type": "str", "required": True, "choices": list(CONTAINER_ACTIONS)},
        driver={"type": "str", "default": "auto", "choices": list(CONTAINER_DRIVERS) + ["auto"]},
        service={"type": "str"},
    )


def ways(value):
    """[(protocol, number, way)] of what a port option may be: [tcp, 3306], [tcp, 3306, ingress], a list of such, tcp/3306 or 3306.

    way: what is meant of the packets: those that come in for the port (ingress), those that go out from it (egress), or both.
    """
    if value in (None, "", []):
        return []
    one = not isinstance(value, (list, tuple)) or _is_one(value)
    found = []
    for each in [value] if one else value:
        words = [str(word).lower() for word in (each if isinstance(each, (list, tuple)) else str(each).split("/"))]
        protocol, number, way = (["tcp"] + words if len(words) == 1 else words) + ["both"] if len(words) < 3 else words[:3]
        good = len(words) < 4 and protocol in ("tcp", "udp") and number.isdecimal() and 0 < int(number) < 65536
        if not good or way not in WAYS + ("both",):
            raise FaultlineError(
                "port is %r; it must be a protocol and a number, and may have a direction." % (value,), code="bad_port",
                hint="For example [tcp, 3306], [tcp, 3306, ingress], tcp/3306, or a list of such.",
            )
        found.append((protocol, int(number), way))
    return found


def ports(value):
    """[(protocol, number)] of the same, whatever the way."""
    return list(dict.fromkeys((protocol, number) for protocol, number, _way in ways(value)))


def _is_one(value):
    return len(value) in (2, 3) and str(value[0]).lower() in ("tcp", "udp") and not isinstance(value[1], (list, tuple))


def signal_number(name):
    return getattr(signal, "SIG" + name)


def finish(module, work):
    """End a module with what work() returns, or with its FaultlineError."""
    try:
        result = work()
    except FaultlineError as exc:
        known = {key: exc.details[key] for key in _RESULT if key in exc.details}
        failure = exc.as_failure()
        failure["details"] = {key: value for key, value in exc.details.items() if key not in known}
        known.setdefault("residue", [])
        known["changed"] = bool(known.get("injected_at"))
        module.fail_json(msg=exc.text, failure=failure, **known)
    module.exit_json(**result)
