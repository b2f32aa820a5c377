# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The monitors of a scenario, and the checks of its disruptions, as the specifications that ha_monitor takes. Pure."""

from __future__ import annotations

import urllib.parse

from ...module_utils._fault._errors import FaultlineError
from ...module_utils._ha import _apis
from ._scenario_form import ALL, CHECK_PREFIX

# seconds between two tries of a check
_CHECK_RATE = 1.0
# the keys of a monitor that only the run itself needs
_OURS = ("on", "through", "services", "count", "image", "flavor", "network", "external_network", "security_group", "boot_timeout", "user", "password")


def specs(scenario, plan, host, told):
    """The specifications for one host of the inventory, or for the controller (host None); no secret is in them.

    told: what only the run knows: endpoints (os_cloud_state's), credentials (_cloud.login()), addresses ({host: address}),
    servers ({monitor: [those of ha_servers]}), fill_command (of a check, for a host).
    """
    found = []
    for monitor in scenario["monitors"]:
        hosts = monitor.get("on") or [None]
        if host in hosts:
            spec = {key: value for key, value in monitor.items() if key not in _OURS and value is not None}
            found.append({**spec, **_more(monitor, told), "host": host})
    return found + _checks(scenario, plan, host, told)


def _more(monitor, told):
    kind = monitor["type"]
    if kind == "openstack_api":
        return {"requests": _requests(monitor, told)}
    if kind == "galera":
        return {"user": monitor["user"]} if monitor["user"] else {}
    if kind == "servers":
        # their own names bear the run's, and two runs are to be compared
        return {"targets": [
            {"name": f"server {server['name'].rpartition('-')[2]}", "address": server["address"]} for server in told["servers"].get(monitor["name"], [])]}
    if kind == "process":
        return {"patterns": monitor["patterns"]}
    return {}


def _requests(monitor, told):
    requests, services = [], monitor["services"]
    if services == ALL:
        services = [name for name in _apis.SERVICES if name == "keystone" or any(kind in told["endpoints"] for kind in _apis.SERVICES[name][0])]
    for service in services:
        try:
            made = _apis.request(service, told["endpoints"], told["credentials"], _apis.HEALTH)
        except FaultlineError as exc:
            raise FaultlineError(
                f"The monitor {monitor['name']} watches {service}, and the cloud's catalogue has no such service.", code="no_endpoint",
                hint=exc.hint) from exc
        for via in monitor["through"]:
            url = made["url"] if via == "vip" else moved(made["url"], told["addresses"].get(via, via))
            requests.append({key: value for key, value in {**made, "via": via, "url": url}.items() if value is not None})
    return requests


def moved(url, address):
    """The same URL at another address."""
    parts = urllib.parse.urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))


def _checks(scenario, plan, host, told):
    """down_check and up_check as monitors of their own; those of a command's own fault are its proof, and not repeated here."""
    found = []
    for disruption, planned in zip(scenario["disruptions"], plan["disruptions"], strict=True):
        for kind in ("down_check", "up_check"):
            check = disruption[kind]
            if not by_monitor(disruption, check):
                continue
            for target in dict.fromkeys(each["host"] for each in planned["injections"]):
                if host != (target if check["on"] == "host" else None):
                    continue
                command = told["fill_command"](check["command"], target)
                found.append({
                    "name": check_name(planned["id"], kind, target), "type": "nagios_plugin", "host": host, "group": "host", "rate": _CHECK_RATE,
                    "timeout": check["timeout"], "subject": kind, "ok": [0],
                    "command": command if isinstance(command, list) else ["/bin/sh", "-c", command]})
    return found


def check_name(disruption, kind, host):
    """The name of the monitor that tries a check."""
    return f"{CHECK_PREFIX}{disruption}.{kind}.{host}"


def by_monitor(disruption, check):
    """Whether a check is a command that a monitor tries all along; on the host of a command's own fault it is a part of that."""
    return bool(check and check.get("command")) and not (disruption.get("command") and check.get("on") == "host")


def names(scenario, plan, host):
    """The names of the monitors of one host, or of the controller (None)."""
    monitors = [monitor["name"] for monitor in scenario["monitors"] if host in (monitor.get("on") or [None])]
    nothing = {"fill_command": lambda command, _host: command}
    return monitors + [spec["name"] for spec in _checks(scenario, plan, host, nothing)]


def hosts(scenario, plan):
    """The hosts on which a monitor runs."""
    on = [host for monitor in scenario["monitors"] for host in monitor.get("on") or ()]
    checked = [
        each["host"] for disruption, planned in zip(scenario["disruptions"], plan["disruptions"], strict=True) for each in planned["injections"]
        if any(by_monitor(disruption, disruption[kind]) and disruption[kind]["on"] == "host" for kind in ("down_check", "up_check"))]
    return list(dict.fromkeys(on + checked))
