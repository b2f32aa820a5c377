# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fill in what the user did not say about a service, from the inventory and the catalogue."""

from __future__ import annotations

from ._catalogue import ALIASES, services
from ._nearest import did_you_mean
from ..module_utils._fault._errors import FaultlineError
from ..module_utils._fault._module import SERVICE_DRIVERS

# what a definition may say, and the option of os_service_fault that takes it
_KEYS = ("driver", "unit", "grep", "port", "start_cmd", "terminate_cmd", "restart_cmd")


def definition_of(service, host_vars):
    """(canonical name, definition) of a service on a host: what the host is known to have, the configuration file's, the catalogue's;
    (service, None) when nobody knows it. Names are compared without case."""
    # a port of the catalogue is only what is usual; what the service listens on is known on the host
    usual = {name: {key: value for key, value in each.items() if key != "port"} for name, each in services().items()}
    layers = (host_vars.get("faultline_services"), host_vars.get("faultline_service_definitions"), usual)
    for wanted in (service.lower(), ALIASES.get(service.lower(), "")):
        for layer in layers:
            for name, definition in (layer or {}).items():
                if wanted and str(name).lower() == wanted:
                    return str(name), definition
    return service, None


def known_services(host_vars):
    """All names that definition_of() knows."""
    found = set(services()) | set(ALIASES)
    for key in ("faultline_services", "faultline_service_definitions"):
        found.update(str(name) for name in host_vars.get(key) or {})
    return found


def fill_service(args, host_vars):
    """The options of os_service_fault, completed. What the user says stays; the rest comes from one definition as a whole.

    args: the task's options; host_vars: the host's variables, templated. Returns a new dictionary of plain values.
    """
    args = dict(args)
    service = str(args.get("service") or "")
    name, definition = definition_of(service, host_vars)
    if definition is None:
        return args
    # one who says how the service is found says all of it: the unit of one source and the pattern of another may differ
    if not any(args.get(key) for key in ("driver", "unit", "service_name", "linux_service", "grep")):
        driver = definition.get("driver", "system_service")
        if driver not in SERVICE_DRIVERS:
            raise FaultlineError(
                "%s has the driver %s, which faultline does not have yet." % (name, driver), code="no_driver",
                hint="It has: %s." % ", ".join(SERVICE_DRIVERS),
            )
        for key in _KEYS:
            if definition.get(key) is not None and args.get(key) is None:
                args[key] = definition[key]
    args["service"] = name
    return args


def suggestion(service, host_vars):
    """What a service that nobody knows may have meant, as a sentence; '' for one that is known."""
    if definition_of(service, host_vars)[1] is not None:
        return ""
    return did_you_mean(service, known_services(host_vars))
