# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disruptions of a scenario and the hosts that they mean, to one schedule of injections: pure data from the scenario and a seed.

Every injection has a start and an end, in seconds after T0. The targets are armed with them before T0 and keep the time by themselves.
"""

from __future__ import annotations

import hashlib

FORMAT = 1
# decimals of a second in a schedule
_DIGITS = 3


def drawn(bounds, *key):
    """A number of seconds between two bounds, the same for the same key; uniform over keys."""
    low, high = bounds
    raw = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
    return round(low + (high - low) * int.from_bytes(raw[:8], "big") / 2 ** 64, _DIGITS)


def schedule(scenario, steps, seed):
    """The plan of a run, as plan.json holds it, with t0 still null.

    scenario: the normalised scenario. steps: for each of its disruptions {hosts: {host: {module, args}}, undo: whether it has one}.
    """
    disruptions, at = [], 0.0
    for number, (disruption, step) in enumerate(zip(scenario["disruptions"], steps, strict=True), start=1):
        made, end = _disruption(f"d{number}", disruption, step, seed, at)
        disruptions.append(made)
        if scenario["order"] == "sequential":
            at = end
    ends = [
        moment for made in disruptions for injection in made["injections"] for moment in (injection["start"], injection["end"]) if moment is not None
    ]
    quiet = max([made["quiet_at"] for made in disruptions] + ends + [0.0])
    length = round(quiet + scenario["cool_down"], _DIGITS)
    for made in disruptions:
        del made["quiet_at"]
        for injection in made["injections"]:
            if not made["finite"] and injection["undo"]:
                injection["end"] = length
    return {"format": FORMAT, "seed": seed, "t0": None, "quiet": quiet, "length": length, "disruptions": disruptions}


def _disruption(name, disruption, step, seed, at):
    """(the disruption with its injections, when the next may begin)."""
    at = round(at + drawn(disruption["delay"], seed, name, "delay"), _DIGITS)
    injections, end = [], at
    for number, hosts, key in _turns(disruption, list(step["hosts"])):
        down = drawn(disruption["down_time"], seed, name, "down", *key)
        cool = drawn(disruption["cool_down"], seed, name, "cool", *key)
        for host in hosts:
            injections.append({
                "id": f"{name}.{number}.{host}", "round": number, "host": host, "module": step["hosts"][host]["module"],
                "args": step["hosts"][host]["args"], "start": at, "end": round(at + down, _DIGITS) if step["undo"] else None, "undo": step["undo"],
            })
        # one that lasts keeps no time free after it
        end = round(at + (down + cool if disruption["finite"] else 0), _DIGITS)
        at = end
    return {"id": name, "name": disruption["name"], "finite": disruption["finite"], "injections": injections, "quiet_at": end}, end


def _turns(disruption, hosts):
    """(round, the hosts hit at once, what tells this turn from others) in their order."""
    rounds = range(1, (disruption["times"] if disruption["finite"] else 1) + 1)
    if disruption["mode"] == "parallel":
        return [(number, hosts, (number,)) for number in rounds]
    if disruption["mode"] == "round_robin":
        return [(number, [host], (number, host)) for number in rounds for host in hosts]
    return [(number, [host], (number, host)) for host in hosts for number in rounds]


def hosts_of(plan):
    """The hosts that are hit, in the order of their first injection."""
    return list(dict.fromkeys(injection["host"] for injection in sorted(injections_of(plan), key=lambda each: each["start"])))


def injections_of(plan, host=None):
    """All injections of a plan, or those of one host, each with the id and name of its disruption."""
    return [
        {**injection, "disruption": disruption["id"], "name": disruption["name"]}
        for disruption in plan["disruptions"] for injection in disruption["injections"] if host in (None, injection["host"])
    ]


def waves(injections):
    """The injections of one host, in parts that can be left to it at once: one that ends its boot takes along all that waits there."""
    found, wave = [], []
    for injection in sorted(injections, key=lambda each: each["start"]):
        wave.append(injection)
        if ends_boot(injection):
            found.append(wave)
            wave = []
    return found + [wave] if wave else found


def ends_boot(injection):
    """Whether nothing that runs on the host outlives an injection."""
    action = injection["args"].get("action")
    return injection["args"].get("reboots") is True or (injection["module"], action) in {
        ("faultline.openstack.os_node_fault", "reboot"), ("faultline.openstack.os_node_fault", "crash"),
    } or injection["module"] == "faultline.openstack.os_power" and action in ("poweroff", "shutdown", "reset", "reboot", "revert")


def options(injection, t0, clock_offset, margin=0):
    """The options of the module that arms an injection on its host.

    t0: epoch seconds of the controller. clock_offset: seconds by which the controller's clock is ahead of the host's.
    margin: seconds that a fault with an undo lasts longer than planned, where the end is somebody else's to give.
    """
    timed = {"at": round(t0 + injection["start"] - clock_offset, 6), "wait": False}
    if injection["end"] is not None:
        timed["duration"] = round(injection["end"] - injection["start"] + margin, _DIGITS)
    return {**injection["args"], **timed}
