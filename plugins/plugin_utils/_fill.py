# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fill in what the user did not say about a service or a container, from the inventory and the catalogue."""

from __future__ import annotations

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._fault._module import CONTAINER_DRIVERS, SERVICE_DRIVERS
from ..module_utils._nearest import did_you_mean
from ..module_utils._probe import wrong_with
from . import _names
from ._catalogue import ALIASES, containers, services
from ._model import plain

SERVICE_MODULE = "faultline.openstack.os_service_fault"
CONTAINER_MODULE = "faultline.openstack.os_container_fault"

# what a definition may say, and the option of os_service_fault that takes it
_KEYS = ("driver", "unit", "grep", "port", "start_cmd", "terminate_cmd", "restart_cmd", "start_timeout", "stop_timeout", "pcs_service", "salt_service")


def definition_of(service, host_vars):
    """(name, definition) of a service on a host: what the host is known to have, the configuration file's, the catalogue's; (service, None) when
    nobody knows it."""
    # a port of the catalogue is only what is usual; what the service listens on is known on the host
    usual = {name: {key: value for key, value in each.items() if key != "port"} for name, each in services().items()}
    return _definition_of("service", service, host_vars, usual)


def _definition_of(kind, word, host_vars, usual):
    found, configured = (host_vars.get(f"faultline_{kind}{rest}") or {} for rest in ("s", "_definitions"))
    name = _names.resolve(kind, word, configured, found)
    if name is None:
        return word, None
    definition = next((layer[name] for layer in (found, configured, usual) if layer.get(name) is not None), None)
    why = wrong_with(plain(definition)) if definition is not None else ""
    if why:
        raise FaultlineError(
            f"The definition of the {kind} {name} is wrong: {why}.", code="bad_definition",
            hint=f"Mend it in faultline_{kind}s or faultline_{kind}_definitions. Nothing was touched.")
    return name, definition


def known_services(host_vars):
    """All names that definition_of() knows."""
    found = set(services()) | set(ALIASES)
    for key in ("faultline_services", "faultline_service_definitions"):
        found.update(str(name) for name in host_vars.get(key) or {})
    return found


def fill_service(args, host_vars):
    """The options of os_service_fault, completed. What the user says stays; the rest comes from one definition as a whole.

    args: the task's options; host_vars: the host's variables, templated. Returns a new dictionary of plain values; those of
    os_container_fault where a container is what runs the service.
    """
    args = dict(args)
    service = str(args.get("service") or "")
    name, definition = definition_of(service, host_vars)
    if definition is None:
        return args
    # one who says how the service is found says all of it: the unit of one source and the pattern of another may differ
    if not any(args.get(key) for key in ("driver", "unit", "service_name", "linux_service", "pcs_service", "salt_service", "grep")):
        driver = definition.get("driver", "system_service")
        if driver in CONTAINER_DRIVERS:
            return _of_container(args, name, definition)
        if driver not in SERVICE_DRIVERS:
            raise FaultlineError(
                "%s has the driver %s, which faultline does not have yet." % (name, driver), code="no_driver",
                hint="It has: %s." % ", ".join(SERVICE_DRIVERS + CONTAINER_DRIVERS),
            )
        for key in _KEYS:
            if definition.get(key) is not None and args.get(key) is None:
                args[key] = definition[key]
        # the other half of pcs_or_linux_service
        if definition.get("linux_service") and not any(args.get(key) for key in ("unit", "service_name", "linux_service")):
            args["unit"] = [definition["linux_service"]]
    args["service"] = name
    return args


def suggestion(service, host_vars):
    """What a service that nobody knows may have meant, as a sentence; '' for one that is known."""
    if definition_of(service, host_vars)[1] is not None:
        return ""
    return did_you_mean(service, known_services(host_vars))


def _of_container(args, service, definition):
    """The options of os_container_fault for a service that a container runs."""
    args = {key: value for key, value in args.items() if key not in ("service", "processes")}
    if definition.get("port") is not None and args.get("port") is None:
        args["port"] = definition["port"]
    return dict(args, service=service, container=definition.get("container_name") or service, driver=_engine(definition))


def handed_over(args, container):
    """The options of os_container_fault for those of os_service_fault, when the target has found the service in a container."""
    own = {*_KEYS, "processes", "service_name", "linux_service"} - {"port"}
    return dict({key: value for key, value in args.items() if key not in own}, container=container)


def _engine(definition):
    """The driver of a definition of a container: the engine that was seen to have it, else what a file says. os-faults' files say
    docker_container whichever engine it is."""
    if definition.get("engine"):
        return definition["engine"] + "_container"
    driver = definition.get("driver") or "auto"
    return "auto" if driver == "docker_container" else driver


def container_definition_of(container, host_vars):
    """(name, definition) of a container on a host; (container, None) when nobody knows it."""
    # the catalogue knows names, not engines
    usual = {name: {"container_name": each["container_name"]} for name, each in containers().items()}
    return _definition_of("container", container, host_vars, usual)


def fill_container(args, host_vars):
    """The options of os_container_fault, completed; what the user says stays."""
    args = dict(args)
    name, definition = container_definition_of(str(args.get("container") or ""), host_vars)
    if definition is not None:
        args["container"] = definition.get("container_name") or name
        if not args.get("driver"):
            args["driver"] = _engine(definition)
    return args


def fill(module, args, host_vars):
    """(module, its options completed) of one fault of a service or a container; others stay as they are."""
    if module == CONTAINER_MODULE:
        return module, fill_container(args, host_vars)
    if module == SERVICE_MODULE:
        args = fill_service(args, host_vars)
        return CONTAINER_MODULE if "container" in args else SERVICE_MODULE, args
    return module, args
