# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the directories of runs, as ha_test leaves them, with outages at known times. Seeded: the same call, the same bytes."""

from __future__ import annotations

import copy
import json
import pathlib
import random

T0 = 1_790_000_000.0
SERVICES = ("keystone", "nova", "neutron", "glance", "placement")
CONTROLLERS = ("ctl1", "ctl2", "ctl3")


def probes(start, end, period=0.2, down=(), slow=(), skipped=(), base=0.02, timeout=2.0, hang=False, error="connection refused", seed=0):
    """[sample without its series] of an open-loop monitor.

    down: [(from, to)] in which a probe that starts fails, at once or, with `hang`, by its timeout; slow: [(from, to, factor)];
    skipped: [(from, to)] in which no probe is taken. Times in epoch s.
    """
    rng = random.Random(seed)
    found, count = [], 0
    while start + count * period < end:
        due = start + count * period
        count += 1
        if any(a <= due < b for a, b in skipped):
            continue
        begun = due + rng.uniform(0.0, 0.001)
        if any(a <= begun < b for a, b in down):
            found.append({
                "due": round(due, 6), "start": round(begun, 6), "duration": timeout if hang else round(rng.uniform(0.001, 0.004), 6),
                "outcome": "timeout" if hang else "failed", "error": f"no answer in {timeout:g} s" if hang else error,
            })
            continue
        factor = next((factor for a, b, factor in slow if a <= begun < b), 1.0)
        found.append({"due": round(due, 6), "start": round(begun, 6), "duration": round(base * factor * rng.uniform(0.8, 1.2), 6), "outcome": "ok"})
    return found


def write_samples(path, name, series, *, start=T0, end=None, period=0.2, kind="monitor", type_="openstack_api", host=None, offset=0.0, error=0.0005, cut=False):
    """One file of a monitor. series: {name: (its header, [samples without their series])}; times are shifted to the clock of a host that
    is `offset` s behind the controller's. cut: leave out the last line, and half of the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {
        "format": 1, "kind": kind, "name": name, "type": type_, "host": host, "pid": 4711, "started": start - offset, "period": period, "timeout": 2.0,
        "series": {key: told for key, (told, _samples) in series.items()}, "clock_offset": offset, "clock_error": error,
    }
    samples = sorted(({"series": key, **sample} for key, (_told, found) in series.items() for sample in found), key=lambda sample: sample["start"])
    for sample in samples:
        sample["due"], sample["start"] = round(sample["due"] - offset, 6), round(sample["start"] - offset, 6)
    lines = [json.dumps(each) for each in [head, *samples]]
    if cut:
        lines[-1] = lines[-1][: len(lines[-1]) // 2]
        path.write_text("\n".join(lines), encoding="utf-8")
        return
    last = max((sample["start"] for sample in samples), default=start) if end is None else end - offset
    lines.append(json.dumps({"ended": last, "due": len(samples), "taken": len(samples)}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def injection(told, disruption, at, host="ctl1", **over):
    """An entry of injections.json of a fault that went as it should; `at` in epoch s."""
    return {
        "id": told, "disruption": disruption, "round": 1, "host": host, "planned": at - 0.002, "injected": at, "undone": at + 10, "clock_offset": 0.0,
        "clock_error": 0.0005, "fault_id": f"f-{told}", "state": "undone", "proven": True, "held": True, "residue": [], "failure": None,
        "proof": {"gone": ["nova-api[4711]"]}, "checks": [], **over,
    }


def cloud(**over):
    """A cloud's inventory in which nothing is wrong."""
    return {
        "format": 1, "at": T0,
        "servers": [{"id": "s1", "name": "web", "status": "ACTIVE", "task_state": None, "host": "cmp1", "flavor": "m1.tiny"}],
        "ports": [{"id": "p1", "name": "", "status": "ACTIVE", "device_id": "s1", "device_owner": "compute:nova", "host": "cmp1"}],
        "volumes": [], "images": [{"id": "i1", "name": "cirros", "status": "active"}],
        "routers": [{"id": "r1", "name": "edge", "status": "ACTIVE", "agents": [
            {"host": "net1", "ha_state": "active", "alive": True}, {"host": "net2", "ha_state": "standby", "alive": True}]}],
        "allocations": [{"consumer": "s1", "provider": "cmp1", "resources": {"VCPU": 1}}],
        "services": [{"kind": "compute", "binary": "nova-compute", "host": "cmp1", "state": "up", "enabled": True}],
        "open_faults": [], "residue": [], "errors": [], **over,
    }


def write(place, name, data):
    (place / name).write_text(json.dumps(data, indent=1), encoding="utf-8")


def head(**over):
    """The content of run.json of a run that came to its end: 30 s baseline, 100 s disruption, 20 s cool-down."""
    return {
        "format": 1, "id": "20261120-simple", "name": "simple", "seed": "42", "started": T0, "ended": T0 + 160, "state": "finished", "aborted": None,
        "phases": [
            {"name": "health", "start": T0 - 5, "end": T0}, {"name": "baseline", "start": T0, "end": T0 + 30},
            {"name": "disruption", "start": T0 + 30, "end": T0 + 130}, {"name": "cool_down", "start": T0 + 130, "end": T0 + 150},
            {"name": "heal", "start": T0 + 150, "end": T0 + 155}, {"name": "health_after", "start": T0 + 155, "end": T0 + 160},
        ],
        "scenario": {"name": "simple", "monitors": [{"name": "api", "type": "openstack_api"}], "load": [], "pass": []},
        "environment": {"cloud": {}, "nodes": {}, "versions": {}}, **over,
    }


def plan(*injections, **over):
    """plan.json for entries of injections.json."""
    disruptions = {}
    for each in injections:
        disruption = disruptions.setdefault(each["disruption"], {
            "id": each["disruption"], "name": f"break {each['disruption']}", "finite": True, "injections": []})
        disruption["injections"].append({
            "id": each["id"], "round": each["round"], "host": each["host"], "module": "faultline.openstack.os_service_fault",
            "args": {"service": "nova-api"}, "start": each["planned"] - T0, "end": None})
    return {"format": 1, "seed": "42", "t0": T0, "length": 100, "disruptions": list(disruptions.values()), **over}


def simple(place, *, down=((40.0, 44.0),), slow=(), skipped=(), injections=None, passing=(), before=None, after=None, end=150.0, **options):
    """A run with one series, `api:nova via vip`, and one injection d1.1 at T0 + 40; times in s after T0. Returns the directory."""
    place = pathlib.Path(place)
    place.mkdir(parents=True)
    told = [injection("d1.1", "d1", T0 + 40)] if injections is None else injections
    scenario = {**head()["scenario"], "pass": list(passing)}
    write(place, "run.json", head(scenario=scenario, **options.pop("head", {})))
    write(place, "plan.json", plan(*told))
    write(place, "injections.json", told)
    write(place, "cloud.before.json", cloud() if before is None else before)
    write(place, "cloud.after.json", cloud() if after is None else after)
    (place / "events.jsonl").write_text("".join(
        json.dumps({"at": each["injected"], "phase": "disruption", "kind": "injected", "text": each["id"], "subject": each["host"]}) + "\n"
        for each in told if each["injected"] is not None))
    shifted = {
        "down": [(T0 + a, T0 + b) for a, b in down], "slow": [(T0 + a, T0 + b, factor) for a, b, factor in slow],
        "skipped": [(T0 + a, T0 + b) for a, b in skipped],
    }
    keys = ("base", "timeout", "hang", "seed", "error_text")
    samples = probes(T0, T0 + end, **shifted, **{key: options.pop(key) for key in keys if key in options})
    write_samples(
        place / "samples" / "api.jsonl", "api", {"nova via vip": ({"group": "api", "subject": "nova", "via": "vip"}, samples)}, end=T0 + end, **options)
    return place


# -- a whole run, as of a lab -----------------------------------------------------------------------------------------

DISRUPTIONS = (
    ("d1", "kill nova-api service on one node", (60.0, 90.0, 120.0), "ctl1", None),
    ("d2", "terminate mysql service on ctl2 node for 15 seconds", (160.0,), "ctl2", 15.0),
    ("d3", "disconnect management network on ctl1 and ctl3 nodes for 20 seconds", (220.0,), "ctl3", 20.0),
)
# name -> down, slow (s after T0) of what goes through the VIP
VIP = {
    "keystone": ([(160.4, 163.1), (220.2, 228.3)], [(163.0, 168.0, 4.0), (228.0, 236.0, 3.0)]),
    "nova": ([(60.1, 61.2), (90.05, 91.4), (120.15, 120.9), (160.3, 164.0), (220.3, 229.4)], [(61.2, 66.0, 3.0), (91.4, 95.0, 3.5), (164.0, 171.0, 5.0)]),
    "neutron": ([(160.5, 163.6), (220.2, 228.9)], [(228.9, 240.0, 2.5)]),
    "glance": ([(220.2, 228.1)], []),
    "placement": ([(160.5, 162.4), (220.4, 228.0)], []),
}


def failover(place, seed=7, name="controller-failover", change=None):
    """A run of three disruptions with everything in it. change: function(files) that may change the documents before they are written."""
    place = pathlib.Path(place)
    place.mkdir(parents=True)
    rng = random.Random(seed)
    start, end = T0 - 5.0, T0 + 290.0
    injections = []
    for told, _name, times, host, length in DISRUPTIONS:
        for number, at in enumerate(times, start=1):
            for other in (host, "ctl1") if told == "d3" else (host,):
                late = rng.uniform(0.0005, 0.004)
                injections.append(injection(
                    f"{told}.{number}.{other}", told, T0 + at + late, other, round=number, planned=T0 + at,
                    undone=None if length is None else T0 + at + length, state="done" if length is None else "undone", held=None if length is None else True,
                    checks=[{"kind": "up_check", "ok": True, "after": 3.2, "error": None}] if told == "d2" else [],
                    proof={"gone": [f"nova-api[{rng.randint(1000, 9000)}]"]}))
    planned = plan(*injections)
    for each, (_told, words, _times, _host, length) in zip(planned["disruptions"], DISRUPTIONS):
        each["name"] = words
        for one in each["injections"]:
            one["end"] = None if length is None else one["start"] + length
    passing = [
        {"name": "Nova answers through the VIP", "metric": "availability", "of": ["api:nova via vip"], "disruption": "*", "at_least": 90},
        {"name": "No API is gone for long", "metric": "longest_outage", "of": ["api:* via vip"], "disruption": "*", "at_most": 15},
        {"name": "A killed nova-api is back soon", "metric": "mttr", "of": ["api:nova via vip"], "disruption": "d1", "at_most": 10},
        {"name": "Nothing is left behind", "metric": "correctness", "of": ["*"], "disruption": "*", "at_most": 0},
    ]
    scenario = {
        "name": name, "seed": "lab-7", "cloud": "lab", "baseline": 50, "cool_down": 30, "clean_run": True, "order": "sequential",
        "monitors": [
            {"name": "api", "type": "openstack_api", "rate": 5, "timeout": 2, "services": list(SERVICES), "through": ["vip", *CONTROLLERS]},
            {"name": "units", "type": "systemd", "on": list(CONTROLLERS), "units": ["nova-api", "mariadb"]},
            {"name": "galera", "type": "galera", "on": ["ctl1"], "size": 3}, {"name": "apps", "type": "servers", "count": 2, "password": "not for you"},
        ],
        "load": [{"name": "boot", "type": "rally"}], "disruptions": [{"do": words} for _told, words, *_rest in DISRUPTIONS], "pass": passing,
    }
    phases = [("health", -20, -5), ("baseline", -5, 50), ("disruption", 50, 260), ("cool_down", 260, 290), ("heal", 290, 296),
              ("health_after", 296, 305), ("clean", 305, 365)]
    files = {
        "run.json": head(
            id=place.name, name=name, seed="lab-7", started=T0 - 20, ended=T0 + 365, scenario=scenario,
            phases=[{"name": phase, "start": T0 + a, "end": T0 + b} for phase, a, b in phases],
            environment={
                "cloud": {"name": "lab", "auth_url": "http://10.0.0.10:5000/v3", "services": list(SERVICES)},
                "nodes": {host: {"kernel": "6.1.0-31-amd64", "os": "Debian 12"} for host in CONTROLLERS},
                "versions": {"ansible-core": "2.19.14", "nova": "26.2.2"}}),
        "plan.json": {**planned, "length": 210}, "injections.json": injections, "cloud.before.json": cloud(), "cloud.after.json": cloud(),
    }
    if change:
        change(files)
    for file, data in files.items():
        if data is not None:
            write(place, file, data)
    api = {}
    for service in SERVICES:
        down, slow = VIP[service]
        api[f"{service} via vip"] = ({"group": "api", "subject": service, "via": "vip"}, probes(
            start, end, down=_at(down), slow=[(T0 + a, T0 + b, factor) for a, b, factor in slow], base=0.03, hang=service == "keystone", timeout=2.0,
            seed=rng.random()))
        for host in CONTROLLERS:
            gone = {"ctl1": [(220.1, 241.0)], "ctl2": [(160.1, 176.5)] if service != "glance" else [], "ctl3": [(220.1, 242.3)]}[host]
            if service == "nova" and host == "ctl1":
                gone = [(60.02, 62.0), (90.02, 92.1), (120.02, 122.0), *gone]
            api[f"{service} via {host}"] = ({"group": "api", "subject": service, "via": host}, probes(
                start, end, down=_at(gone), base=0.02, seed=rng.random()))
    write_samples(place / "samples" / "api.jsonl", "api", api, start=start, end=end)
    for host in CONTROLLERS:
        units = {
            unit: ({"group": "host", "subject": unit, "via": host}, probes(
                start, end, period=0.5, base=0.005, error="inactive", seed=rng.random(),
                down=_at([(160.01, 175.4)] if (unit, host) == ("mariadb", "ctl2") else [(60.01, 61.5), (90.01, 91.5), (120.01, 121.5)]
                         if (unit, host) == ("nova-api", "ctl1") else [])))
            for unit in ("nova-api", "mariadb")
        }
        write_samples(place / "samples" / f"units@{host}.jsonl", "units", units, start=start, end=end, period=0.5, type_="systemd", host=host,
                      offset={"ctl1": 0.25, "ctl2": -3.0, "ctl3": 0.0}[host])
    write_samples(
        place / "samples" / "galera@ctl1.jsonl", "galera", {"galera": ({"group": "cluster", "subject": "galera", "via": "ctl1"}, probes(
            start, end, period=1.0, base=0.01, error="wsrep_cluster_size is 2, not 3", down=_at([(160.5, 177.0), (220.5, 243.0)]),
            skipped=_at([(100.0, 104.0)]), seed=rng.random()))},
        start=start, end=end, period=1.0, type_="galera", host="ctl1")
    apps = {
        f"vm{number}": ({"group": "app", "subject": f"vm{number}", "via": f"203.0.113.{number}"}, probes(
            start, end, base=0.001, down=_at([(220.6, 223.0)] if number == 1 else []), hang=True, timeout=0.5, seed=rng.random())) for number in (1, 2)
    }
    write_samples(place / "samples" / "apps.jsonl", "apps", apps, start=start, end=end, type_="servers", cut=True)
    for phase, a, b in (("disrupted", 50, 285), ("clean", 306, 364)):
        found, at = [], T0 + a
        while at < T0 + b:
            bad = phase == "disrupted" and any(T0 + x <= at < T0 + y for x, y in ((60, 61), (160, 163), (219, 228)))
            slow = 1.8 if phase == "disrupted" and any(T0 + x <= at < T0 + y for x, y in ((61, 66), (163, 172), (228, 240))) else 1.0
            length = rng.uniform(0.9, 1.3) * slow
            found.append({"due": at, "start": at, "duration": round(length, 6), "outcome": "failed" if bad else "ok",
                          **({"error": "HTTP 503: no server is available"} if bad else {})})
            at = round(at + length / 2, 6)
        write_samples(place / "load" / f"boot.{phase}.jsonl", "boot", {"boot_and_delete": ({"group": "load", "subject": "nova", "via": "vip"}, found)},
                      start=T0 + a, end=T0 + b, period=None, kind="load", type_="rally")
    events = [{"at": T0 + a, "phase": phase, "kind": "phase", "text": f"phase {phase}", "subject": None} for phase, a, _b in phases]
    for each in injections:
        events.append({"at": each["injected"], "phase": "disruption", "kind": "injected", "text": f"{each['id']} injected and proven", "subject": each["host"]})
        if each["undone"]:
            events.append({"at": each["undone"], "phase": "disruption", "kind": "undone", "text": f"{each['id']} undone", "subject": each["host"]})
    for service in SERVICES:
        for a, b in VIP[service][0]:
            events.append({"at": T0 + a, "phase": "disruption", "kind": "down", "text": f"{service} via vip is down", "subject": f"{service} via vip"})
            events.append({"at": T0 + b, "phase": "disruption", "kind": "up", "text": f"{service} via vip is up after {b - a:.1f} s", "subject": service})
    (place / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in sorted(events, key=lambda each: each["at"])), encoding="utf-8")
    return place


def _at(intervals):
    return [(T0 + a, T0 + b) for a, b in intervals]


def changed(document, **over):
    """A copy with other values."""
    return {**copy.deepcopy(document), **over}
