# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Intent and cloud model to a plan: which module, with which arguments, on which hosts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..module_utils._fault._errors import FaultlineError
from . import _catalogue, _select
from ._model import group_name
from ._nearest import nearest
from ._sentence import UNDO_OF, SentenceError, render

# The module that does each kind of fault, and those kinds whose module exists.
MODULES = {
    "service": "faultline.openstack.os_service_fault",
    "container": "faultline.openstack.os_container_fault",
    "node": "faultline.openstack.os_power",
    "network": "faultline.openstack.os_netiface",
    "stress": "faultline.openstack.os_node_fault",
}
BUILT = frozenset({"service"})


class PlanError(SentenceError):
    """A sentence that is understood but does not fit this cloud. Code `unmapped`: details.hosts must be looked at first."""


@dataclass(frozen=True)
class Plan:
    """What a sentence does to this cloud."""

    intent: object
    seed: str
    candidates: list  # the hosts that could be chosen
    targets: list  # the hosts that are
    outside: list  # the hosts where it runs too, but which are not among those to choose from
    unreachable: list  # the hosts that were left out because nobody could look at them
    module: str
    args: dict = field(default_factory=dict)

    @property
    def undo(self):
        """What puts it back, as a person would say it."""
        undo, seconds = UNDO_OF.get(self.intent.action), self.intent.duration
        if undo is None:
            return "none"
        return f"{undo} after {seconds} seconds" if seconds else f"{undo}, when you ask for it"

    def as_dict(self):
        """JSON-able: what a plan file holds of one sentence."""
        return {
            "sentence": self.intent.text,
            "intent": self.intent.as_dict(),
            "seed": self.seed,
            "chosen": self.targets,
            "candidates": self.candidates,
            "outside": self.outside,
            "unreachable": self.unreachable,
            "undo": self.undo,
        }


def describe(plan, detailed=False):
    """Lines for a person, of what as_dict() gives (and of its `hosts`, host -> module and arguments)."""
    yield f"{plan['sentence']}"
    yield f"  hits {', '.join(plan['chosen'])} (of {len(plan['candidates'])}; seed {plan['seed']}); undo: {plan['undo']}"
    if plan["outside"]:
        yield f"  never hits {', '.join(plan['outside'])}: outside of --limit"
    if plan["unreachable"]:
        yield f"  leaves out {', '.join(plan['unreachable'])}: no answer"
    for host, step in plan["hosts"].items() if detailed else ():
        said = {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in step["args"].items()}
        yield f"  {host}: {step['module']} {' '.join(f'{name}={value}' for name, value in said.items())}"


def expect(plan, sentence, me, play_hosts):
    """Refuse a plan (as_dict() with `hosts`) that is not this sentence's, or that names hosts which are not in the play."""
    chosen, steps = plan.get("chosen") or [], plan.get("hosts") or {}
    strangers = [host for host in chosen if host not in play_hosts]
    if strangers:
        raise FaultlineError(
            f"{', '.join(strangers)} would be hit, but this play does not run there.", "not_in_play", "Add the hosts to the play."
        )
    complete = chosen and {"intent", "seed", "undo"} <= set(plan) and (me in steps or me not in chosen)
    ours = all(step.get("module") in MODULES.values() and isinstance(step.get("args"), dict) for step in steps.values())
    if plan.get("sentence") != sentence or not complete or not ours:
        raise FaultlineError("The plan is not one of this sentence.", "wrong_plan", "Use it as plan_only has returned it.")


class Cloud:
    """The cloud model as it stands in an inventory: `groups`, and `hostvars` that are read as late as possible."""

    def __init__(self, groups, hostvars):
        self.groups, self.hostvars = groups, hostvars

    def var(self, host, name):
        """A variable or a fact of a host, or None."""
        variables = self.hostvars[host]
        if name in variables:
            return variables[name]
        return (variables.get("ansible_facts") or {}).get(name)  # where facts are not variables as well

    def names(self, kind):
        """The names of the services, containers or networks that this cloud has, so far as anybody has said."""
        found = {}
        for host in self.groups["all"]:
            for variable in (f"faultline_{kind}s", f"faultline_{kind}_definitions"):
                found.update(dict.fromkeys(map(str, self.var(host, variable) or ())))
        slugs = {group_name(kind, name) for name in (*found, *self.builtin(kind))}
        own = [group for group in self.groups if group.startswith(f"{kind}_") and group not in slugs]
        return [*found, *(group.removeprefix(f"{kind}_") for group in own)]

    def definitions(self, host):
        """What _fill.py needs to know of a host."""
        return {name: self.var(host, name) for name in ("faultline_services", "faultline_service_definitions")}

    @staticmethod
    def builtin(kind):
        """The names of the built-in catalogue."""
        return {"service": _catalogue.services, "container": _catalogue.containers}.get(kind, dict)()

    def runs(self, kind, name, hosts):
        """(the hosts that run it, those of `hosts` of which nobody knows)."""
        group = group_name(kind, name)
        if group in self.groups:
            return list(self.groups[group]), []
        known = {host: self.var(host, f"faultline_{kind}s") for host in hosts}
        return [h for h, names in known.items() if name in (names or ())], [h for h, names in known.items() if names is None]


def plan(intent, cloud, among, seed, built=BUILT, skip_unmapped=False):
    """The Plan of an intent, or PlanError. Only hosts of `among` are ever chosen.

    skip_unmapped: somebody has looked; a host of which still nothing is known does not answer, and is left out.
    """
    unreachable = []
    while True:
        try:
            return _Planner(intent, cloud, among, seed, unreachable).plan(built)
        except PlanError as exc:
            if exc.code != "unmapped" or not skip_unmapped:
                raise
            unreachable += exc.details["hosts"]


class _Planner:
    def __init__(self, intent, cloud, among, seed, unreachable):
        self.intent, self.cloud, self.seed = intent, cloud, str(seed)
        self.among = [host for host in dict.fromkeys(among) if host not in unreachable]
        self.unreachable = [host for host in unreachable if host in among]

    def plan(self, built):
        intent = self.intent
        if intent.kind not in built:
            raise self.error(f"{self.what()} needs the module {MODULES[intent.kind]}, which does not exist yet.", intent.action, "not_built")
        if intent.direction:
            raise self.error(f"{intent.action} with a direction is understood, but not built yet.", intent.direction, "not_built")
        subject = self.name(intent.kind, intent.subject) if intent.kind in ("service", "container", "network") else intent.subject
        pool = outside = self.named_pool()
        for kind, name in ((intent.kind, subject), ("service", self.with_service())):
            if kind in ("service", "container") and name:
                pool, outside = self.running(kind, name, pool)
        return Plan(
            intent=intent,
            seed=self.seed,
            candidates=pool,
            targets=self.choose(pool, outside),
            outside=[host for host in outside if host not in self.among and host not in self.unreachable],
            unreachable=self.unreachable,
            module=MODULES[intent.kind],
            args=self.args(subject),
        )

    def args(self, subject):
        intent = self.intent
        args = {} if intent.kind == "node" else {"target" if intent.kind == "stress" else intent.kind: subject}
        args["action"] = intent.action
        if intent.duration is not None:
            args["duration"] = intent.duration
        return args

    def what(self):
        intent = self.intent
        return f"To {intent.action} {'nodes' if intent.kind == 'node' else f'the {intent.subject} {intent.kind}'}"

    # ---- names

    def with_service(self):
        return self.name("service", self.intent.with_service) if self.intent.with_service else None

    def name(self, kind, word):
        """The known name that a word means; upper and lower case are alike unless two names differ in nothing else."""
        builtin = self.cloud.builtin(kind)
        if word in builtin:
            return word
        own = self.cloud.names(kind)
        known = list(dict.fromkeys([*own, *builtin]))
        found = [word] if word in known else [name for name in known if name.lower() == word.lower()]
        if not found:
            found = [n for n in (self.alias(kind, word),) if n in known]
        if len(found) == 1:
            return found[0]
        if found:
            raise self.error(f"{word} may mean {' or '.join(sorted(found))}.", word, f"ambiguous_{kind}", expected=sorted(found))
        raise self.error(
            f"Unknown {kind} {word!r}.", word, f"unknown_{kind}", [f"the name of a {kind}"], nearest(word, known), self.all_names(own)
        )

    @staticmethod
    def all_names(known):
        return f"This cloud has: {', '.join(sorted(set(known)))}." if 0 < len(known) <= 20 else ""

    @staticmethod
    def alias(kind, word):
        return {"service": _catalogue.canonical, "container": _catalogue.canonical_container}.get(kind, lambda name: name)(word)

    def host(self, word):
        """The inventory's name of a node: by that name, its fqdn or its address."""
        hosts = self.cloud.groups["all"]
        if word in hosts:
            return word
        low = word.lower()
        found = [host for host in hosts if host.lower() == low]
        found = found or [h for h in hosts if low in (str(self.cloud.var(h, v) or "").lower() for v in ("fqdn", "ansible_host"))]
        if len(found) == 1:
            return found[0]
        if found:
            raise self.error(f"The node {word} may be {' or '.join(found)}.", word, "ambiguous_node", expected=found)
        names = [*hosts, *filter(None, (self.cloud.var(host, "fqdn") for host in hosts))]
        raise self.error(f"Unknown node {word!r}.", word, "unknown_node", ["the name of a node"], nearest(word, names), self.all_names(hosts))

    def group(self, word):
        groups = self.cloud.groups
        found = [name for name in groups if name == word] or [name for name in groups if name.lower() == word.lower()]
        if len(found) == 1:
            return groups[found[0]]
        if found:
            raise self.error(f"The group {word} may be {' or '.join(found)}.", word, "ambiguous_group", expected=found)
        known = [name for name in groups if name not in ("all", "ungrouped")]
        raise self.error(f"Unknown group {word!r}.", word, "unknown_group", ["the name of a group"], nearest(word, known))

    # ---- hosts

    def named_pool(self):
        """The hosts that the words about nodes leave, whatever runs on them."""
        selector = self.intent.selector
        if selector.mode == "names":
            return list(dict.fromkeys(self.among_host(word) for word in selector.names))
        pool = self.among
        if selector.group is not None:
            group = self.group(selector.group)
            pool = [host for host in pool if host in group]
        excluded = {self.host(word) for word in selector.exclude}
        return [host for host in pool if host not in excluded]

    def among_host(self, word):
        host = self.host(word)
        if host in self.unreachable:
            raise self.error(f"The node {host} does not answer.", word, "unreachable_node")
        if host not in self.among:
            raise self.error(
                f"The node {host} is not among the hosts to choose from, because of --limit or the play's hosts.", word, "outside"
            )
        return host

    def running(self, kind, name, pool):
        """(those of the pool that run it, all that do)."""
        everywhere, unknown = self.cloud.runs(kind, name, pool)
        word = self.intent.subject if kind == self.intent.kind else self.intent.with_service
        if unknown:
            error = self.error(
                f"Nobody has looked yet where the {kind} {name} runs.",
                word,
                "unmapped",
                hint="Run faultline.openstack.os_cloud_facts on these hosts first, or give them a group: "
                f"{', '.join(unknown[:5])}{', ...' if len(unknown) > 5 else ''}.",
            )
            error.details["hosts"] = unknown
            raise error
        missing = [host for host in pool if host not in everywhere]
        if missing and self.intent.selector.mode == "names":
            raise self.error(
                f"The {kind} {name} does not run on {missing[0]}.",
                self.word_of(missing[0]),
                "not_running",
                hint=f"It runs on: {', '.join(everywhere)}." if everywhere else "It runs on no host.",
            )
        return [host for host in pool if host in everywhere], everywhere

    def word_of(self, host):
        return next((word for word in self.intent.selector.names if self.host(word) == host), host)

    def choose(self, pool, elsewhere):
        selector = self.intent.selector
        try:
            return _select.choose(pool, selector.mode, selector.n, self.seed)
        except ValueError as exc:
            service = self.intent.with_service or (self.intent.subject if self.intent.kind in ("service", "container") else None)
            runs = f" that runs {service}" if service else ""
            hint = f"Left out because they do not answer: {', '.join(self.unreachable)}." if self.unreachable else ""
            if not pool:
                narrowed = "It runs elsewhere: look at --limit, the play's hosts, and the words about nodes." if elsewhere else ""
                hint = " ".join(filter(None, (hint, narrowed)))
                raise self.error(f"There is no node{runs} to choose from.", service or selector.group, "empty", hint=hint) from exc
            there = f"there is only one node{runs}: {pool[0]}" if len(pool) == 1 else f"there are only {len(pool)} nodes{runs.replace('runs', 'run')}"
            raise self.error(
                f"{selector.n} nodes are wanted, but {there}.", str(selector.n), "too_few", [f"at most {len(pool)}"], hint=hint
            ) from exc

    def error(self, message, word, code, expected=(), suggestions=(), hint=""):
        text = self.intent.text or render(self.intent)
        column = self.intent.columns.get(word) or text.lower().find(str(word).lower()) + 1
        shown = text[column - 1 : column - 1 + len(str(word))] if column else ""
        return PlanError(message, text, max(1, column), shown or text, expected, suggestions, code, hint)
