# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Intent and cloud model to a plan: which module, with which arguments, on which hosts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._fault._module import ports
from ..module_utils._nearest import nearest
from . import _catalogue, _names, _select
from ._fill import definition_of
from ._model import group_name
from ._no_hosts import NO_INVENTORY
from ._run import MODEL
from ._sentence import UNDO_OF, SentenceError, render

# The module that does each kind of fault, and those that exist.
MODULES = {
    "service": "faultline.openstack.os_service_fault",
    "container": "faultline.openstack.os_container_fault",
    "node": "faultline.openstack.os_power",
    "network": "faultline.openstack.os_netiface",
    "partition": "faultline.openstack.os_netiface",
    "stress": "faultline.openstack.os_node_fault",
}
# What is done to nodes from within; the rest is done to them from outside.
FROM_WITHIN = ("reboot", "oom", "crash")
# of a host that nobody could look at
_SILENT = "no answer"
BUILT = frozenset(MODULES.values())


def module_of(intent):
    """The module that does what an intent asks for."""
    if intent.direction:
        return MODULES["partition"]
    return MODULES["stress" if intent.kind == "node" and intent.action in FROM_WITHIN else intent.kind]


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
    unreachable: list  # the hosts that were left out because it could not be seen what runs there
    module: str
    unseen: dict = field(default_factory=dict)  # why, of those of them where that is known: host -> why
    left_alone: list = field(default_factory=list)  # of those that could have been chosen: {host, why}
    args: dict = field(default_factory=dict)
    host_args: dict = field(default_factory=dict)  # host -> what only its step has

    def args_of(self, host):
        """The arguments of one host's step, so far as the sentence and the cloud say them."""
        return {**self.args, **self.host_args.get(host, {})}

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
            "unseen": self.unseen,
            "left_alone": self.left_alone,
            "undo": self.undo,
        }


def error_of(intent, message, word, code, expected=(), suggestions=(), hint=""):
    """The PlanError of a sentence, which points at a word of it."""
    text = intent.text or render(intent)
    column = intent.columns.get(word) or text.lower().find(str(word).lower()) + 1
    shown = text[column - 1 : column - 1 + len(str(word))] if column else ""
    return PlanError(message, text, max(1, column), shown or text, expected, suggestions, code, hint)


def describe(plan, detailed=False):
    """Lines for a person, of what as_dict() gives (and of its `hosts`, host -> module and arguments)."""
    yield f"{plan['sentence']}"
    yield f"  hits {', '.join(plan['chosen'])} (of {len(plan['candidates'])}; seed {plan['seed']}); undo: {plan['undo']}"
    if plan["outside"]:
        yield f"  never hits {', '.join(plan['outside'])}: outside of --limit"
    for line in left_out_words(left_out(plan)):
        yield f"  {line}"
    for each in plan["left_alone"]:
        yield f"  {spared_words(each)}"
    for host, step in plan["hosts"].items() if detailed else ():
        said = {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in step["args"].items()}
        yield f"  {host}: {step['module']} {' '.join(f'{name}={value}' for name, value in said.items())}"
        for line in step.get("foretold") or ():
            yield f"    {line}"


def left_out(plan):
    """{host: why}, of what as_dict() gives: the hosts that no choice was made among because it could not be seen what runs there."""
    return {host: (plan.get("unseen") or {}).get(host) or _SILENT for host in plan.get("unreachable") or []}


def left_out_words(left):
    """Lines for a person, of what left_out() gives."""
    silent = [host for host, why in left.items() if why == _SILENT]
    if silent:
        yield f"leaves out {', '.join(silent)}: {_SILENT}"
    for host, why in left.items():
        if why != _SILENT:
            yield f"leaves out {host}, where it could not be looked for: {why}"


def spared_words(each):
    """One of the hosts that are left alone, in words."""
    return f"{each['host']} left alone: {each['why']}"


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

    def meant(self, kind, word):
        """The known name that a word means, or None; FaultlineError when it may mean several."""
        configured, known = {}, dict.fromkeys(self.names(kind))
        if kind == "network":
            known.update(self.builtin(kind))
        for host in self.groups["all"]:
            configured.update(self.var(host, f"faultline_{kind}_definitions") or {})
            known.update(self.var(host, f"faultline_{kind}s") or {})
        return _names.resolve(kind, word, configured, known)

    def definitions(self, host):
        """What _fill.py needs to know of a host."""
        return {name: self.var(host, name) for name in MODEL}

    @staticmethod
    def builtin(kind):
        """The names of the built-in catalogue."""
        known = {"service": _catalogue.services, "container": _catalogue.containers, "network": _management}
        return known.get(kind, dict)()

    def runs(self, kind, name, hosts):
        """(the hosts that run it, those of `hosts` of which nobody knows)."""
        group = group_name(kind, name)
        # a group that two names share says of neither where it runs, nor does one that was made though some hosts could not tell
        if group in self.groups and not self.sharing(kind, name) and not self.partial(group):
            return list(self.groups[group]), []
        known = {host: self.var(host, f"faultline_{kind}s") for host in hosts}
        # a look may have been unable to tell
        return [h for h, names in known.items() if name in (names or ())], [
            h for h, names in known.items() if names is None or name not in names and self.unseen(h, kind, name)]

    def sharing(self, kind, name):
        """The other names of this cloud that become the same group."""
        return [each for each in self.names(kind) if each != name and group_name(kind, each) == group_name(kind, name)]

    def partial(self, group):
        """Whether a group holds only those hosts of which it could be seen that they belong to it."""
        return any(group in (self.var(host, "faultline_partial_groups") or ()) for host in self.groups["all"])

    def unseen(self, host, kind, name):
        """Why it could not be looked for there, or ''."""
        why = ((self.var(host, "faultline_unseen") or {}).get(f"{kind}s") or {}).get(name)
        error = self.var(host, "faultline_probe_error") if self.var(host, f"faultline_{kind}s") is None else None
        return why or (f"it could not be probed: {error}" if error else "")


def _some(hosts):
    return f"{', '.join(hosts[:5])}{', ...' if len(hosts) > 5 else ''}"


def _management():
    """The network that every host is on: the one by which Ansible comes in."""
    return {"management": {}}


def plan(intent, cloud, among, seed, built=BUILT, skip_unmapped=False, spared=None):
    """The Plan of an intent, or PlanError. Only hosts of `among` are ever chosen.

    skip_unmapped: somebody has looked; a host of which it is still not known is left out, of peers too, and the plan says so.
    spared: {host: why} of those to be left alone. A choice avoids them; where they are named, or all are meant, it is a PlanError in_debug.
    """
    unreachable, unseen = [], {}
    while True:
        try:
            return _Planner(intent, cloud, among, seed, unreachable, spared or {}, unseen).plan(built)
        except PlanError as exc:
            if exc.code != "unmapped" or not skip_unmapped:
                raise
            # those left out are asked about no more, so there are ever fewer
            unreachable += exc.details["hosts"]
            unseen.update(dict.fromkeys((host for host in exc.details["hosts"] if host not in among), "it is outside of --limit, so nobody has looked"))
            unseen.update(exc.details.get("unseen", {}))


class _Planner:
    def __init__(self, intent, cloud, among, seed, unreachable, spared, unseen):
        self.intent, self.cloud, self.seed, self.spared = intent, cloud, str(seed), spared
        # those that a choice has avoided
        self.avoided = {}
        self.among = [host for host in dict.fromkeys(among) if host not in unreachable]
        self.unreachable, self.unseen = list(unreachable), unseen

    def plan(self, built):
        intent = self.intent
        module = module_of(intent)
        if module not in built:
            raise self.error(f"{self.what()} needs the module {module}, which does not exist yet.", intent.action, "not_built")
        subject = self.name(intent.kind, intent.subject) if intent.kind in ("service", "container", "network") else intent.subject
        pool, targets, outside = self.side(subject)
        args, host_args = self.args(subject), {}
        if intent.kind == "partition":
            others = self.other_side(targets)
            self.addressed([*targets, *others])
            host_args = {**{host: {"peers": others} for host in targets}, **{host: {"peers": targets} for host in others}}
            pool, targets = [*pool, *(host for host in others if host not in pool)], [*targets, *others]
        elif intent.direction:
            args, host_args = self.link(subject, targets)
        return Plan(
            intent=intent,
            seed=self.seed,
            candidates=[host for host in pool if host not in self.spared],
            targets=targets,
            outside=[host for host in outside if host not in self.among and host not in self.unreachable],
            unreachable=self.unreachable,
            unseen=dict(self.unseen),
            left_alone=[{"host": host, "why": why} for host, why in self.avoided.items()],
            module=module,
            args=args,
            host_args=host_args,
        )

    def side(self, subject=None):
        """(the hosts to choose from, those chosen, all hosts where it runs) for the words about nodes."""
        pool = outside = self.named_pool()
        for kind, name in ((self.intent.kind, subject), ("service", self.with_service())):
            if kind in ("service", "container") and name:
                pool, outside = self.running(kind, name, pool)
        return pool, self.choose(pool, outside), outside

    def other_side(self, targets):
        """The hosts that the targets are cut off from."""
        intent = self.intent
        if intent.others.mode == "all" and not intent.others_with:
            # "from all nodes" means all the others
            among = [host for host in self.among if host not in targets]
        else:
            among = self.among
        other = replace(intent, selector=intent.others, with_service=intent.others_with, others=None, others_with=None)
        planner = _Planner(other, self.cloud, among, self.seed, self.unreachable, self.spared, self.unseen)
        others = planner.side()[1]
        self.avoided.update(planner.avoided)
        both = [host for host in targets if host in others]
        if both:
            raise self.error(
                f"{both[0]} would be on both sides of the partition.", intent.others_with or self.word_of(both[0]), "both_sides",
                hint="A host cannot be cut off from itself. Name the nodes of one side, or leave some out with except.",
            )
        return others

    def addressed(self, hosts):
        """Refuse peers of whose addresses nobody knows more than one, as they have others by which they would still be heard."""
        unknown = [
            host for host in hosts if not self.cloud.var(host, "faultline_host") and not self.cloud.var(host, "all_ipv4_addresses")
            and not any(isinstance(each, dict) and each.get("address") for each in (self.cloud.var(host, "faultline_networks") or {}).values())
        ]
        if unknown:
            error = self.error(
                f"Nobody has looked yet which addresses {unknown[0]} has.", self.intent.action, "unmapped",
                hint="Run faultline.openstack.os_cloud_facts on these hosts first, or give their networks an address: "
                f"{_some(unknown)}.",
            )
            error.details["hosts"] = unknown
            raise error

    def link(self, subject, targets):
        """The arguments of a service that is cut off from another one, or may hear it again, in one direction."""
        intent = self.intent
        peer = self.name("service", intent.peer)
        label = f"{subject} {intent.direction} {'from' if intent.direction == 'ingress' else 'to'} {peer}"
        if intent.action == "plug":
            return {"action": "connect", "label": label}, {}
        left = [host for host in self.cloud.groups["all"] if host not in self.unreachable]
        others = [host for host in self.where("service", peer, left, intent.peer) if host in left]
        if not others:
            raise self.error(f"There is no node that runs {peer}.", intent.peer, "empty", hint=self.who_is_left_out())
        self.addressed(others)
        args = {"action": "partition", "label": label, "direction": "in" if intent.direction == "ingress" else "out", "peers": others}
        if intent.duration is not None:
            args["duration"] = intent.duration
        # who is called has the port
        called, hosts, word = (subject, targets, intent.subject) if intent.direction == "ingress" else (peer, others, intent.peer)
        return args, {host: self.doors(called, host if intent.direction == "ingress" else hosts[0], word) for host in targets}

    def doors(self, service, host, word):
        """protocol and port of a service, as the configuration says them, or as is usual."""
        name, definition = definition_of(service, self.cloud.definitions(host))
        usual = _catalogue.services().get(_names.entry("service", name, definition), {})
        told = (definition or {}).get("port") or usual.get("port")
        pairs = ports(told)
        if not pairs:
            raise self.error(
                f"Nobody knows the port of {service}.", word, "no_port", hint="Say port in the configuration's definition of the service.")
        protocols = {protocol for protocol, _number in pairs}
        return {"port": [number for _protocol, number in pairs], **({"protocol": protocols.pop()} if len(protocols) == 1 else {})}

    def args(self, subject):
        intent = self.intent
        if intent.kind == "partition":
            return {"action": "partition", **({"duration": intent.duration} if intent.duration is not None else {})}
        args = {} if intent.kind == "node" else {"target" if intent.kind == "stress" else intent.kind: subject}
        args["action"] = intent.action
        if intent.amount is not None:
            args["action"] = {"lose": "loss", "limit": "rate"}.get(intent.action, intent.action)
            unit = {"delay": "ms", "limit": "kbit"}.get(intent.action, "%")
            args[args["action"]] = f"{intent.amount:.12g}{unit}"
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
        try:
            found = self.cloud.meant(kind, word)
        except FaultlineError as exc:
            candidates = exc.details["candidates"]
            raise self.error(exc.message, word, exc.code, expected=candidates) from None
        if found is not None:
            return found
        own = self.cloud.names(kind)
        known = list(dict.fromkeys([*own, *self.cloud.builtin(kind)]))
        raise self.error(
            f"Unknown {kind} {word!r}.", word, f"unknown_{kind}", [f"the name of a {kind}"], nearest(word, known), self.all_names(own)
        )

    @staticmethod
    def all_names(known):
        return f"This cloud has: {', '.join(sorted(set(known)))}." if 0 < len(known) <= 20 else ""

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
        hint = self.all_names(hosts) or self.no_hosts()
        raise self.error(f"Unknown node {word!r}.", word, "unknown_node", ["the name of a node"], nearest(word, names), hint)

    def group(self, word, pool):
        """The hosts of a group; PlanError unmapped where some of the pool may belong to it and could not tell."""
        groups = self.cloud.groups
        found = [name for name in groups if name == word] or [name for name in groups if name.lower() == word.lower()]
        if len(found) == 1 and self.cloud.partial(found[0]):
            kind = found[0].partition("_")[0]
            return self.where(kind, next(name for name in self.cloud.names(kind) if group_name(kind, name) == found[0]), pool, word)
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
            group = self.group(selector.group, pool)
            pool = [host for host in pool if host in group]
        excluded = {self.host(word) for word in selector.exclude}
        return [host for host in pool if host not in excluded]

    def among_host(self, word):
        host = self.host(word)
        if host in self.unseen:
            raise self.error(f"It could not be seen what runs on {host}: {self.unseen[host]}.", word, "unseen")
        if host in self.unreachable:
            raise self.error(f"The node {host} does not answer.", word, "unreachable_node")
        if host not in self.among:
            raise self.error(
                f"The node {host} is not among the hosts to choose from, because of --limit or the play's hosts.", word, "outside"
            )
        return host

    def where(self, kind, name, pool, word):
        """All hosts that run it; PlanError unmapped, details hosts and unseen, where that is not known of some of the pool."""
        everywhere, unknown = self.cloud.runs(kind, name, pool)
        if not unknown:
            return everywhere
        unseen = {host: why for host, why in ((host, self.cloud.unseen(host, kind, name)) for host in unknown) if why}
        unasked = [host for host in unknown if host not in unseen]
        message, hint = f"Nobody has looked yet where the {kind} {name} runs.", ""
        if unseen:
            message = f"It could not be seen whether the {kind} {name} runs on {'; on '.join(f'{host}: {why}' for host, why in unseen.items())}."
            message += f" Nobody has looked yet at {_some(unasked)}." if unasked else ""
            hint = f"Look again by faultline.openstack.os_cloud_facts when that is mended, or leave out by except: {_some(list(unseen))}."
        else:
            hint = f"Run faultline.openstack.os_cloud_facts on these hosts first, or give them a group: {_some(unknown)}."
        error = self.error(message, word, "unmapped", hint=hint)
        error.details.update(hosts=unknown, unseen=unseen)
        raise error

    def running(self, kind, name, pool):
        """(those of the pool that run it, all that do)."""
        everywhere = self.where(kind, name, pool, self.intent.subject if kind == self.intent.kind else self.intent.with_service)
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
        spared = [host for host in pool if host in self.spared]
        if spared:
            return self.choose_beside(spared, pool)
        try:
            return _select.choose(pool, selector.mode, selector.n, self.seed)
        except ValueError as exc:
            service = self.intent.with_service or (self.intent.subject if self.intent.kind in ("service", "container") else None)
            runs = f" that runs {service}" if service else ""
            hint = self.who_is_left_out()
            if not pool:
                narrowed = "It runs elsewhere: look at --limit, the play's hosts, and the words about nodes." if elsewhere else self.no_hosts()
                hint = " ".join(filter(None, (hint, narrowed)))
                raise self.error(f"There is no node{runs} to choose from.", service or selector.group, "empty", hint=hint) from exc
            there = f"there is only one node{runs}: {pool[0]}" if len(pool) == 1 else f"there are only {len(pool)} nodes{runs.replace('runs', 'run')}"
            raise self.error(
                f"{selector.n} nodes are wanted, but {there}.", str(selector.n), "too_few", [f"at most {len(pool)}"], hint=hint
            ) from exc

    def no_hosts(self):
        """What to do about an inventory without hosts, or ''."""
        return "" if self.cloud.groups["all"] else f"The inventory has no hosts: {NO_INVENTORY[0].lower()}{NO_INVENTORY[1:]}."

    def who_is_left_out(self):
        """The hosts of which it could not be seen what runs there, as a sentence, or ''."""
        if self.unseen:
            return f"Left out: {', '.join(self.unreachable)}. {'; '.join(f'{host}: {why}' for host, why in self.unseen.items())}."
        return f"Left out because they do not answer: {', '.join(self.unreachable)}." if self.unreachable else ""

    def choose_beside(self, spared, pool):
        """The chosen hosts of a pool of which some are to be left alone."""
        selector = self.intent.selector
        wanted, rest = _select.how_many(selector.mode, selector.n, len(pool)), [host for host in pool if host not in spared]
        if selector.mode in ("count", "percent") and 0 < wanted <= len(rest):
            self.avoided.update({host: self.spared[host] for host in spared})
            return _select.choose(rest, "count", wanted, self.seed)
        reasons = "; ".join(spared_words({"host": host, "why": self.spared[host]}) for host in spared)
        if selector.mode in ("names", "all"):
            word, message = self.word_of(spared[0]), f"{reasons}."
        else:
            there = "there is 1, and it may not be hit" if len(pool) == 1 else f"there are {len(pool)}, and not all may be hit"
            word, message = str(selector.n), f"{wanted} node{'s are' if wanted > 1 else ' is'} wanted, {there}: {reasons}."
        others = f" Or say: except {' and '.join(spared)}." if selector.mode == "all" and rest else ""
        error = self.error(
            message, word, "in_debug",
            hint=f"Take the routers out of debug by os_router, or set the variable faultline_allow_debug of these hosts to true.{others} Nothing was touched.")
        error.details["left_alone"] = [{"host": host, "why": self.spared[host]} for host in spared]
        raise error

    def error(self, message, word, code, expected=(), suggestions=(), hint=""):
        return error_of(self.intent, message, word, code, expected, suggestions, hint)
