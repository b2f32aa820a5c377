# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run left in the cloud: its inventory before against the one after. Pure.

Every check is `clean`, `found` (with what was found) or `not evaluated` (with why: nobody could ask). What was so before already is not a
finding, except open faults and residue, which are always ours.
"""

from __future__ import annotations

import collections

from ._run_files import dictionaries, dictionary, text, texts

KINDS = ("servers", "ports", "volumes", "images", "routers")
# states that a thing passes through, or is broken in; lower case
_STUCK = {
    "servers": {"build", "error", "rebuild", "resize", "migrating", "reboot", "hard_reboot", "unknown", "deleted", "soft_deleted"},
    "ports": {"build", "error"},
    "volumes": {
        "creating", "deleting", "attaching", "detaching", "downloading", "uploading", "extending", "retyping", "maintenance", "reserved",
        "error", "error_deleting", "error_extending", "error_restoring",
    },
    "images": {"queued", "saving", "uploading", "importing", "pending_delete"},
    "routers": {"error", "alloc"},
}
# and those in which it serves
_WORKS = {"servers": {"active"}, "ports": {"active"}, "volumes": {"available", "in-use"}, "images": {"active"}, "routers": {"active"}}
# servers that are somewhere without a place on a compute node
_UNPLACED = {"shelved_offloaded", "error", "build", "deleted", "soft_deleted"}

CHECKS = (
    ("leaked", "Nothing is there that was not there before"),
    ("lost", "Nothing is gone that was there before"),
    ("duplicated", "No name is there twice"),
    ("stuck", "Nothing is stuck in a state or a task"),
    ("changed", "What worked before works now"),
    ("allocations", "Placement and Nova agree"),
    ("services", "All services and agents came back"),
    ("routers", "Every highly available router has one active agent"),
    ("open_faults", "No fault is open on any host"),
    ("residue", "No fault left anything behind"),
)


def compare(before, after):
    """{"state": clean|found|not evaluated, "count", "checks": [{"name", "title", "state", "findings": [{"kind", "id", "name", "text"}], "why"}],
    "errors": [{"when", "what", "why"}]}. before, after: as cloud.before.json and cloud.after.json, or None."""
    look = _Look(before, after)
    checks = []
    for name, title in CHECKS:
        findings, why = getattr(look, "_" + name)()
        state = "found" if findings else "not evaluated" if why else "clean"
        checks.append({"name": name, "title": title, "state": state, "findings": findings, "why": "; ".join(dict.fromkeys(why)) or None})
    unasked = look.unnamed()
    if unasked:
        checks.append({"name": "other", "title": "Everything else that was asked", "state": "not evaluated", "findings": [], "why": "; ".join(unasked)})
    states = {check["state"] for check in checks}
    state = "found" if "found" in states else "not evaluated" if "not evaluated" in states else "clean"
    return {"state": state, "count": sum(len(check["findings"]) for check in checks), "checks": checks, "errors": look.errors}


def _finding(kind, entry, words):
    return {"kind": kind, "id": text(entry.get("id")), "name": text(entry.get("name")), "text": words}


def _name(kind, entry):
    """The thing in words."""
    return f"{kind.removesuffix('s')} {text(entry.get('name')) or text(entry.get('id')) or '?'}"


class _Look:
    """Both inventories. Each check gives (findings, why it could not be made)."""

    def __init__(self, before, after):
        self.before, self.after = before, after
        self.errors = [
            {"when": when, "what": text(entry.get("what"), "?"), "why": text(entry.get("why"), "no reason is told")}
            for when, cloud in (("before", before), ("after", after)) if cloud is not None
            for entry in dictionaries(cloud.get("errors"))
        ]
        self.used = set()

    # what there is to know

    def entries(self, kind, when):
        """(the list, None) or (None, why not)."""
        cloud = getattr(self, when)
        if cloud is None:
            return None, f"the cloud's state {'before' if when == 'before' else 'afterwards'} is not known"
        for place, error in enumerate(self.errors):
            if error["when"] == when and _about(error["what"], kind):
                self.used.add(place)
                return None, f"{kind} {when}: {error['why']}"
        if not isinstance(cloud.get(kind), list):
            return None, f"{kind} {when}: nobody asked"
        return (texts(cloud[kind]) if kind == "residue" else dictionaries(cloud[kind])), None

    def both(self, kind):
        """(before, after, why not)."""
        before, first = self.entries(kind, "before")
        after, second = self.entries(kind, "after")
        return before, after, [why for why in (first, second) if why]

    def pairs(self):
        """(kind, {id: entry} before, {id: entry} after) of every kind that is known, and why others are not."""
        found, why = [], []
        for kind in KINDS:
            before, after, unknown = self.both(kind)
            why += unknown
            if not unknown:
                found.append((kind, {text(each.get("id")): each for each in before}, {text(each.get("id")): each for each in after}))
        return found, why

    def unnamed(self):
        """Questions without an answer that no check has missed."""
        return [f"{each['what']} {each['when']}: {each['why']}" for place, each in enumerate(self.errors) if place not in self.used]

    # the checks

    def _leaked(self):
        pairs, why = self.pairs()
        return [
            _finding(kind, entry, f"{_name(kind, entry)} was not there before")
            for kind, before, after in pairs for key, entry in after.items() if key not in before
        ], why

    def _lost(self):
        pairs, why = self.pairs()
        return [
            _finding(kind, entry, f"{_name(kind, entry)} is gone") for kind, before, after in pairs for key, entry in before.items() if key not in after
        ], why

    def _duplicated(self):
        pairs, why = self.pairs()
        found = []
        for kind, before, after in pairs:
            earlier = collections.Counter(text(each.get("name")) for each in before.values())
            later = collections.Counter(text(each.get("name")) for each in after.values())
            found += [
                _finding(kind, {"name": name}, f"{count} {kind} have the name {name}, {earlier[name] or 'none'} before")
                for name, count in sorted(later.items()) if name and count > 1 and count > earlier[name]
            ]
        return found, why

    def _stuck(self):
        pairs, why = self.pairs()
        found = []
        for kind, before, after in pairs:
            for key, entry in after.items():
                old = before.get(key, {})
                status, task = text(entry.get("status")), text(entry.get("task_state"))
                if task and text(old.get("task_state")) != task:
                    found.append(_finding(kind, entry, f"{_name(kind, entry)} is in the task state {task}"))
                elif status.lower() in _STUCK[kind] and text(old.get("status")) != status:
                    found.append(_finding(kind, entry, f"{_name(kind, entry)} is in {status}" + (f", was {text(old.get('status'))}" if old else "")))
        return found, why

    def _changed(self):
        pairs, why = self.pairs()
        return [
            _finding(kind, entry, f"{_name(kind, entry)} is {text(entry.get('status')) or 'without a status'}, was {text(before[key].get('status'))}")
            for kind, before, after in pairs for key, entry in after.items()
            if key in before and text(before[key].get("status")).lower() in _WORKS[kind]
            and text(entry.get("status")).lower() not in _WORKS[kind] | _STUCK[kind]
        ], why

    def _allocations(self):
        servers_before, servers, why = self.both("servers")
        allocations_before, allocations, more = self.both("allocations")
        if why or more:
            return [], why + more
        bare_before, lone_before = _disagreement(servers_before, allocations_before)
        bare, lone = _disagreement(servers, allocations)
        named = {text(each.get("id")): each for each in servers}
        found = [
            _finding("allocations", {"id": key}, f"the allocation of {key} on {', '.join(lone[key]) or '?'} has no server")
            for key in sorted(set(lone) - set(lone_before))
        ]
        return found + [
            _finding("servers", named[key], f"{_name('servers', named[key])} has no allocation") for key in sorted(bare - bare_before)
        ], []

    def _services(self):
        before, after, why = self.both("services")
        if why:
            return [], why
        later = {_service(each): each for each in after}
        found = []
        for each in before:
            key = _service(each)
            words = " ".join(part for part in key if part)
            now = later.get(key)
            if now is None:
                found.append(_finding("services", {"name": words}, f"{words} is not listed any more"))
            elif text(each.get("state")) == "up" and text(now.get("state")) != "up":
                found.append(_finding("services", {"name": words}, f"{words} is {text(now.get('state')) or 'of unknown state'}, was up"))
            elif each.get("enabled") is True and now.get("enabled") is False:
                found.append(_finding("services", {"name": words}, f"{words} is disabled, was enabled"))
        return found, []

    def _routers(self):
        before, after, why = self.both("routers")
        if why:
            return [], why
        earlier = {text(each.get("id")): each for each in before}
        found = []
        for router in after:
            old = earlier.get(text(router.get("id")))
            if old is None:
                continue
            was, now = _agents(old), _agents(router)
            if was["ha"] and was["active"] == 1 and now["active"] != 1:
                found.append(_finding("routers", router, f"{_name('routers', router)} has {now['active'] or 'no'} active agents, had 1"))
            if now["alive"] < was["alive"]:
                found.append(_finding("routers", router, f"{_name('routers', router)} has {now['alive']} living agents, had {was['alive']}"))
        return found, []

    def _open_faults(self):
        open_faults, why = self.entries("open_faults", "after")
        return [
            _finding("open_faults", each, f"the fault {text(each.get('id'), '?')} is open on {text(each.get('host'), '?')}") for each in open_faults or []
        ], [why] if why else []

    def _residue(self):
        residue, why = self.entries("residue", "after")
        return [{"kind": "residue", "id": "", "name": "", "text": words} for words in residue or []], [why] if why else []


def _about(what, kind):
    """Whether an error's `what` names this kind."""
    words = what.lower().replace("-", "_").replace(":", " ").replace("@", " ").replace("/", " ").replace(",", " ").split()
    return kind in words or kind.removesuffix("s") in words or kind.replace("_", " ") in what.lower()


def _disagreement(servers, allocations):
    """(ids of placed servers without an allocation, {consumer without a server: providers})."""
    ids = {text(each.get("id")) for each in servers}
    placed = {
        text(each.get("id")) for each in servers if text(each.get("host")) and text(each.get("status")).lower() not in _UNPLACED
    }
    providers = {}
    for each in allocations:
        providers.setdefault(text(each.get("consumer")), []).append(text(each.get("provider"), "?"))
    return placed - set(providers), {key: hosts for key, hosts in providers.items() if key not in ids}


def _service(entry):
    return tuple(text(entry.get(part)) for part in ("kind", "binary", "host"))


def _agents(router):
    """How many agents of a router live, and how many of the living are active; whether it is highly available at all."""
    agents = dictionaries(dictionary(router).get("agents"))
    alive = [each for each in agents if each.get("alive") is True]
    return {
        "alive": len(alive), "active": sum(text(each.get("ha_state")) == "active" for each in alive), "ha": any(text(each.get("ha_state")) for each in agents)}
