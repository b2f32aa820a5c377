# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A scenario file, read, checked to the last key, and filled in. Reads files; touches nothing else."""

from __future__ import annotations

import dataclasses
import os
import urllib.parse

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._fault import _module, _net_options, _node_faults, _power_faults
from ...module_utils._fault._errors import FaultlineError
from ...module_utils._ha._cloud_state import EXPECTED
from .. import _config_text
from ...module_utils._check import below, kind_of, listed, problem, refuse
from .._files import text_of
from .._model import plain
from ...module_utils._nearest import did_you_mean
from .._plan import Cloud, plan
from .._sentence import INSTEAD, UNDO_OF, SentenceError, parse
from . import _cloud99
from ._scenario_form import ALL, CHECK_PREFIX, CHECK_WAYS, DOWN_TIME, GROUPS, SCENARIO, SECRETS, WAYS, seconds

# the modules of faults, and the options that each takes
_PREFIX = "faultline.openstack."
_ARGUMENTS = {
    "os_service_fault": _module.service_arguments,
    "os_container_fault": _module.container_arguments,
    "os_netiface": _net_options.netiface_arguments,
    "os_node_fault": _node_faults.arguments,
    "os_power": _power_faults.arguments,
}
# actions of modules that put something back, or that nothing puts back
NO_UNDO = {*INSTEAD, "snapshot", "revert", "undo", "kill_process"}


@dataclasses.dataclass
class Loaded:
    """A scenario, ready to be planned.

    scenario: JSON-able, every key there, no secret in it. private: {"monitors" | "load": {name: {key: secret}}}.
    inventory: the hosts that the file itself names, as a YAML inventory has them, or None (only Cloud99's do).
    credentials: {"auth": {...}, "region_name", "verify", "cacert"} of the cloud, or None: `cloud` or the environment says it.
    secrets: texts that no result may show. warnings: sentences for the user. path: of the file, or None.
    """

    scenario: dict
    private: dict = dataclasses.field(default_factory=dict)
    inventory: dict | None = None
    credentials: dict | None = None
    secrets: list = dataclasses.field(default_factory=list)
    warnings: list = dataclasses.field(default_factory=list)
    path: str | None = None


def load(source, cloud=None, folder=None, vaulted=str, override=None):
    """The Loaded scenario of a file (path) or a dictionary, Cloud99's configurations included.

    override: keys of the top that count instead of the file's.

    cloud: the inventory as _plan.Cloud; without it hosts and services are not looked up.
    folder: where relative paths of a dictionary begin (a file's begin beside it). vaulted: opens the text of a `!vault` value.
    FaultlineError (bad_scenario) with every problem: the file, the path of the key, what was found, what was expected.
    """
    warnings: list = []
    if isinstance(source, (str, os.PathLike)):
        path = os.path.abspath(os.path.expanduser(os.fspath(source)))
        data, name, folder = _read(path, vaulted, warnings), os.path.basename(path), os.path.dirname(path)
    else:
        path, data, name, folder = None, source, "the scenario", os.path.abspath(folder or os.curdir)
    data = plain(_with_on(data))
    if not isinstance(data, dict) or not data:
        found = "nothing" if data in (None, {}) else kind_of(data)
        _fail(name, [f"found {found}, expected {SCENARIO.meaning}."])
    loaded, told = Loaded({}, path=path, warnings=warnings), str
    if _cloud99.is_one(data):
        known = _cloud99.read(data, name)
        data, loaded.inventory, loaded.credentials, loaded.secrets = known.scenario, known.inventory, known.credentials, known.secrets
        loaded.warnings += known.warnings
        known.paths = {ours: theirs for ours, theirs in known.paths.items() if ours.partition("[")[0] not in (override or {})}
        cloud, told = Cloud(known.groups, known.inventory["all"]["hosts"]), known.told
    data = {**data, **plain(_with_on(override or {}))}
    problems: list = []
    scenario = SCENARIO.check(data, "", problems)
    if not problems:
        _Checks(scenario, cloud, folder, path, problems, loaded).all()
    if problems:
        _fail(name, [told(text) for text in problems])
    loaded.scenario = scenario
    return loaded


def fill_command(command, host, variables):
    """A command of a disruption or a check for one host: {host} is its address, {username} its login; other braces stay.

    command: text or a list, or None. variables: the host's, templated.
    """
    words = {"{host}": str(variables.get("ansible_host") or host), "{username}": str(variables.get("ansible_user") or "root")}

    def filled(text):
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    return [filled(each) for each in command] if isinstance(command, list) else command and filled(command)


def _with_on(data):
    """The data with `on` as the key that it is: YAML 1.1 takes it for true, and so does Ansible with its variables."""
    if isinstance(data, dict):
        return {{True: "on", False: "off"}[key] if isinstance(key, bool) else key: _with_on(value) for key, value in data.items()}
    return [_with_on(each) for each in data] if isinstance(data, list) else data


def _fail(name, problems):
    refuse(name, problems, "bad_scenario")


def _read(path, vaulted, warnings):
    """The data of a file."""
    name, text = os.path.basename(path), text_of(path, "scenario", "A scenario is a YAML file.")
    try:
        return _config_text.load(text, name, vaulted)
    except FaultlineError as exc:
        data = _lenient(text)
        if not _cloud99.is_one(data):
            raise FaultlineError(exc.message, code="bad_scenario", hint=exc.hint) from None
        # Cloud99 itself took the last one, and its own example has such keys
        warnings.append(f"{exc.message} The last one counts, as for Cloud99.")
        return data


def _lenient(text):
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


class _Checks:
    """What no key alone can say: names, files, hosts, sentences, modules, criteria."""

    def __init__(self, scenario, cloud, folder, path, problems, loaded):
        self.scenario, self.cloud, self.folder, self.path = scenario, cloud, folder, path
        self.problems, self.loaded = problems, loaded
        self.hosts = list(cloud.groups.get("all", ())) if cloud else []

    def all(self):
        scenario = self.scenario
        stem = os.path.splitext(os.path.basename(self.path))[0] if self.path else "ha-test"
        scenario["name"] = scenario["name"] or "".join(each if each.isalnum() and each.isascii() or each in "._-" else "-" for each in stem)[:64]
        self.seed()
        paths = [below("monitors", number) for number in range(len(scenario["monitors"]))] + self.checks()
        self.health(scenario["health"])
        for monitor, path in zip(scenario["monitors"], paths, strict=True):
            self.monitor(monitor, path)
        for number, load_ in enumerate(scenario["load"]):
            self.load(load_, below("load", number))
        for number, disruption in enumerate(scenario["disruptions"]):
            self.disruption(disruption, below("disruptions", number))
        for section in ("monitors", "load"):
            self.unique(section)
        self.name_disruptions()
        for number, criterion in enumerate(scenario["pass"]):
            self.criterion(criterion, below("pass", number))
        self.unique("pass")

    def problem(self, path, found, expected, hint=""):
        self.problems.append(problem(path, found, expected, hint))

    def health(self, health):
        """The cloud has to have what is watched and loaded; where that is nothing of OpenStack's, what makes a cloud."""
        used = [each.get("services") for each in (*self.scenario["monitors"], *self.scenario["load"])]
        # of all that there are, one at least is there
        named = [service for each in used if each for service in (("keystone",) if each == ALL else each)]
        if health["services"] is None:
            health["services"] = list(dict.fromkeys(named)) or list(EXPECTED)

    def seed(self):
        seed = self.scenario["seed"]
        if isinstance(seed, int) and not isinstance(seed, bool):
            seed = str(seed)
        if seed is not None and (not isinstance(seed, str) or not 0 < len(seed) <= 200):
            self.problem("seed", kind_of(seed) if not isinstance(seed, str) else "text of this length", "text of 1 to 200 characters, or a whole number")
        self.scenario["seed"] = seed

    def unique(self, section):
        """Names tell files and lines of the report apart."""
        seen: dict = {}
        for number, item in enumerate(self.scenario[section]):
            if item["name"] in seen:
                first = below(section, seen[item["name"]])
                self.problem(below(below(section, number), "name"), f"'{item['name']}' again", f"a name of its own; {first} has that already")
            seen.setdefault(item["name"], number)

    # ---- monitors and loads

    def checks(self):
        """Bring the checks of disruptions to their final form; the paths of the probes among them, which become monitors."""
        paths = []
        for number, disruption in enumerate(self.scenario["disruptions"], start=1):
            probes: list = []
            for kind in ("down_check", "up_check"):
                path = below(below("disruptions", number - 1), kind)
                if disruption[kind] is None or not self.check(disruption[kind], path):
                    continue
                check = {key: value for key, value in disruption[kind].items() if value is not None}
                if "command" in check:
                    check.setdefault("on", "host")
                elif "probe" in check:
                    probe = check.pop("probe")
                    if probe not in probes:
                        probes.append(probe)
                        paths.append(below(path, "probe"))
                        self.scenario["monitors"].append({"name": _probe_name(number, len(probes)), **probe})
                    check["series"] = f"{_probe_name(number, probes.index(probe) + 1)}:*"
                disruption[kind] = check
        return paths

    def check(self, check, path):
        """Whether a check says one thing to look at."""
        ways = [way for way in CHECK_WAYS if check[way] is not None]
        if len(ways) != 1:
            self.problem(path, f"{listed(ways)} at once" if ways else "nothing to look at", f"one of {listed(CHECK_WAYS, 'or')}")
        elif ways != ["command"] and check["on"] is not None:
            self.problem(below(path, "on"), f"on beside {ways[0]}", "on only with command")
        elif ways == ["series"]:
            if self.scenario["monitors"]:
                self.series(check["series"], below(path, "series"))
            else:
                self.problem(below(path, "series"), f"'{check['series']}'", "a series of a monitor, and there is none")
        return len(ways) == 1

    def series(self, series, path):
        """What stands before the colon of a series has to be there; its name is only known when it is sampled."""
        prefix, colon, _name = series.partition(":")
        names = [each["name"] for section in ("monitors", "load") for each in self.scenario[section]]
        known = [*GROUPS, *names]
        if colon and not any(prefix == each or prefix.startswith(f"{each}@") for each in known) and not {"*", "?", "["} & set(prefix):
            expected = f"a series, as api:nova via vip; before the colon one of {listed(dict.fromkeys(known), 'or')}"
            self.problem(path, f"'{series}'", expected, did_you_mean(prefix, known, 1))

    def monitor(self, monitor, path):
        if monitor["name"].startswith(CHECK_PREFIX):
            self.problem(below(path, "name"), f"'{monitor['name']}'", f"a name that does not begin with {CHECK_PREFIX}, as the run's own do")
        self.hide("monitors", monitor)
        if monitor.get("on"):
            monitor["on"] = self.known(monitor["on"], below(path, "on"))
        if "through" in monitor:
            monitor["through"] = self.known(monitor["through"], below(path, "through"), ("vip",))
        seen: dict = {}
        for number, target in enumerate(monitor.get("targets", ())):
            where = below(below(path, "targets"), number)
            if target["name"] is None:
                target["name"] = _target_name(target, len(monitor["targets"]))
            if "host" in target and self.cloud and target["host"] in self.hosts:
                # an address works for a monitor on the controller, a name of the inventory may not
                target["host"] = str(self.cloud.var(target["host"], "ansible_host") or target["host"])
            if target["name"] in seen:
                self.problem(below(where, "name"), f"'{target['name']}' again", f"a name of its own; {seen[target['name']]} has that already")
            seen.setdefault(target["name"], where)
        if monitor["type"] == "galera" and (monitor["user"] is None) and monitor["name"] in self.loaded.private.get("monitors", {}):
            self.problem(below(path, "user"), "nothing", "the name of a database user, as there is a password")

    def load(self, load_, path):
        self.hide("load", load_)
        for key in ("scenario_file", "args_file"):
            if load_.get(key) is not None:
                load_[key] = self.file(load_[key], below(path, key))
        if "args" in load_ and not isinstance(load_["args"], dict):
            self.problem(below(path, "args"), kind_of(load_["args"]), "a mapping of Rally's arguments")
        if load_["type"] == "command":
            load_["chdir"] = os.path.normpath(os.path.join(self.folder, os.path.expanduser(load_["chdir"] or os.curdir)))
            if not os.path.isdir(load_["chdir"]):
                self.problem(below(path, "chdir"), f"'{load_['chdir']}', which is no directory", "a directory, relative to the scenario's")
        if load_.get("executable") and os.sep in load_["executable"]:
            load_["executable"] = self.file(load_["executable"], below(path, "executable"), program=True)
        if load_["type"] == "rally" and load_["name"] in self.loaded.private.get("load", {}) and load_["environment"] is None:
            self.problem(below(path, "environment"), "nothing", "the name of the environment in that database")

    def hide(self, section, item):
        """Take the secrets out of what is written down."""
        for key in SECRETS:
            if item.get(key) is not None:
                self.loaded.private.setdefault(section, {}).setdefault(item["name"], {})[key] = item[key]
                self.loaded.secrets.append(item[key])
                item[key] = None

    def file(self, name, path, program=False):
        """The absolute path of a file that has to be there."""
        absolute = os.path.normpath(os.path.join(self.folder, os.path.expanduser(name)))
        if not os.path.isfile(absolute):
            folder = os.path.dirname(absolute)
            there = [each for each in os.listdir(folder) if os.path.isfile(os.path.join(folder, each))] if os.path.isdir(folder) else []
            hint = did_you_mean(os.path.basename(absolute), there, 1)
            if not os.path.exists(folder):
                hint = f"There is no directory {folder} either."
            self.problem(path, f"'{name}', which is not there ({absolute})", "the path of a file, relative to the scenario's", hint)
        elif not os.access(absolute, os.X_OK if program else os.R_OK):
            self.problem(path, f"'{name}', which cannot be {'run' if program else 'read'}", "a program" if program else "a file that may be read")
        return absolute

    def known(self, names, path, others=()):
        """The hosts that names of hosts and groups mean, each once."""
        if self.cloud is None:
            return list(dict.fromkeys(names))
        found: list = []
        for number, name in enumerate(names):
            if name in others or name in self.hosts:
                found.append(name)
            elif name in self.cloud.groups:
                members = list(self.cloud.groups[name])
                if not members:
                    self.problem(below(path, number), f"'{name}', a group without a host", "a host or a group of the inventory")
                elif self.cloud.partial(name):
                    self.loaded.warnings.append(
                        f"{below(path, number)}: the group {name} has only those hosts of which it is known, {', '.join(members)}: others could not tell.")
                found += members
            else:
                known = [*others, *self.hosts, *(group for group in self.cloud.groups if group not in ("all", "ungrouped"))]
                expected = f"{''.join(f'{each}, ' for each in others)}a host or a group of the inventory"
                hint = did_you_mean(name, known, 1) or (f"It has: {', '.join(self.hosts[:10])}." if self.hosts else "It is empty.")
                self.problem(below(path, number), f"'{name}'", expected, hint)
        return list(dict.fromkeys(found))

    # ---- disruptions

    def disruption(self, disruption, path):
        ways = [way for way in WAYS if disruption[way] is not None]
        if len(ways) != 1:
            found = f"{listed(ways)} at once" if ways else "nothing to do"
            self.problem(path, found, f"one of {listed(WAYS, 'or')}")
            return
        (way,) = ways
        if way != "module" and disruption["args"] is not None:
            self.problem(below(path, "args"), f"args beside {way}", "args only with module")
        if way == "do" and disruption["hosts"] is not None:
            self.problem(below(path, "hosts"), "hosts beside do", "the nodes in the sentence", "As in: kill nova-api service on ctl1 node.")
        elif way != "do":
            if disruption["hosts"] is None:
                self.problem(below(path, "hosts"), "nothing", "a list of hosts of the inventory")
            else:
                disruption["hosts"] = self.known(disruption["hosts"], below(path, "hosts"))
        said, undone = getattr(self, f"_{way}")(disruption, path)
        self.times(disruption, path, said, undone)

    def _do(self, disruption, path):
        """(the duration that the sentence itself says, whether anything undoes it)"""
        where = below(path, "do")
        try:
            intent = parse(disruption["do"])
            if self.cloud is not None:
                plan(intent, self.cloud, self.hosts, "scenario")
        except SentenceError as exc:
            # where nobody has looked at the hosts yet, the run does
            if exc.code != "unmapped":
                text = exc.text.replace("\n", "\n  ")
                self.problems.append(f"{where}: {text}")
                return None, True
        # stress has a duration of its own, which down_time may replace
        said = " for " in " ".join(disruption["do"].lower().split())
        return intent.duration if said else None, intent.action in UNDO_OF

    def _module(self, disruption, path):
        name, args = disruption["module"].removeprefix(_PREFIX), disruption["args"] if disruption["args"] is not None else {}
        if name not in _ARGUMENTS:
            self.problem(below(path, "module"), f"'{disruption['module']}'", listed(_ARGUMENTS, "or"), did_you_mean(name, _ARGUMENTS, 1))
            return None, True
        disruption["module"], disruption["args"] = _PREFIX + name, args
        where = below(path, "args")
        if not isinstance(args, dict):
            self.problem(where, kind_of(args), "the options of the module: a mapping")
            return None, True
        spec = _ARGUMENTS[name]()
        known = {*spec, *(alias for each in spec.values() for alias in each.get("aliases", ()))}
        strange = [key for key in args if key not in known]
        for key in strange:
            self.problem(below(where, key), "an unknown key", f"an option of {name}", did_you_mean(key, known, 1))
        if _power_faults.secrets(args.get("power")):
            self.problem(below(where, "power"), "a password", "none here", "Put the power drivers into the inventory: faultline_power.")
        if not strange:
            for text in ArgumentSpecValidator(spec).validate(args).error_messages:
                self.problems.append(f"{where}: {text[0].upper()}{text[1:]}.")
        if name == "os_service_fault" and self.cloud is not None and isinstance(args.get("service"), str):
            self.service(args["service"], below(where, "service"))
        said = args.get("duration")
        if said is not None:
            said = seconds(said)
        return said, args.get("action") not in NO_UNDO

    def service(self, name, path):
        try:
            if self.cloud.meant("service", name) is None:
                known = {*self.cloud.names("service"), *self.cloud.builtin("service")}
                self.problem(path, f"'{name}'", "the name of a service of this cloud", did_you_mean(name, known, 1))
        except FaultlineError as exc:
            self.problem(path, f"'{name}'", listed(exc.details["candidates"], "or"))

    def _command(self, disruption, path):
        down_check = disruption["down_check"] or {}
        if disruption["command"]["reboots"] and disruption["command"]["up"] is not None:
            self.problem(below(below(path, "command"), "up"), "up beside reboots", "a boot that ends, or an undo in the same boot")
        if disruption["command"]["reboots"] and down_check.get("command") and down_check["on"] == "host":
            self.problem(below(path, "down_check"), "a command on the host that is down", "a series, a probe or on: controller")
        return None, disruption["command"]["up"] is not None

    def times(self, disruption, path, said, undone):
        """The times of a disruption, and whether they fit what it does."""
        given = disruption["down_time"]
        if said is not None and given is not None and given != [said, said]:
            self.problem(below(path, "down_time"), f"{given}, but {'the sentence' if disruption['do'] else 'args'} says {said} seconds", "one of the two")
        disruption["down_time"] = given or ([said, said] if said is not None else list(DOWN_TIME))
        action = (disruption["do"] or "").split(" ")[0] or (disruption["args"] or {}).get("action") or "a command without up"
        if not disruption["finite"]:
            if not undone:
                self.problem(below(path, "finite"), f"false, but {action} has no undo", "true", "Nothing keeps it down until the end of the run.")
            if disruption["times"] > 1:
                self.problem(below(path, "times"), str(disruption["times"]), "1, as finite: false lasts to the end of the run")
        elif not undone and given not in (None, DOWN_TIME) and disruption["command"] is None:
            self.loaded.warnings.append(f"{below(path, 'down_time')}: {action} has no undo, so that nothing ends it after this time.")

    def name_disruptions(self):
        """The name of what has none is what it does."""
        taken = {each["name"] for each in self.scenario["disruptions"] if each["name"]}
        self.unique_given()
        for disruption in self.scenario["disruptions"]:
            if disruption["name"]:
                continue
            name = _disruption_name(disruption)
            number, unique = 1, name
            while unique in taken:
                number += 1
                unique = f"{name} ({number})"
            taken.add(unique)
            disruption["name"] = unique

    def unique_given(self):
        seen: dict = {}
        for number, disruption in enumerate(self.scenario["disruptions"]):
            name = disruption["name"]
            if name and name in seen:
                self.problem(below(below("disruptions", number), "name"), f"'{name}' again", f"a name of its own; {seen[name]} has that already")
            seen.setdefault(name, below("disruptions", number))

    # ---- criteria

    def criterion(self, criterion, path):
        bounds = [key for key in ("at_least", "at_most") if criterion[key] is not None]
        if len(bounds) != 1:
            self.problem(path, f"{listed(bounds)} at once" if bounds else "no bound", "one of at_least or at_most")
        criterion["disruption"] = self.reference(criterion["disruption"], below(path, "disruption"))
        for number, series in enumerate(criterion["of"]):
            self.series(series, below(below(path, "of"), number))
        if criterion["name"] is None and len(bounds) == 1:
            which = "" if criterion["of"] == ["*"] else f" of {', '.join(criterion['of'])}"
            when = "" if criterion["disruption"] == "*" else f" in {criterion['disruption']}"
            criterion["name"] = f"{criterion['metric']}{which}{when} {bounds[0].replace('_', ' ')} {criterion[bounds[0]]}"[:200]

    def reference(self, wanted, path):
        """The id of a disruption that is named by its id or its name."""
        ids = {f"d{number}": each["name"] for number, each in enumerate(self.scenario["disruptions"], 1)}
        if wanted == "*" or wanted in ids:
            return wanted
        for key, name in ids.items():
            if name == wanted:
                return key
        names = [*ids, *ids.values()]
        self.problem(path, f"'{wanted}'", f"* or a disruption: {listed(list(ids)[:10], 'or')}", did_you_mean(wanted, filter(None, names), 1))
        return wanted


def _probe_name(disruption, number):
    """What the monitor is called that a check's probe becomes."""
    return f"probe-d{disruption}" + (f"-{number}" if number > 1 else "")


def _target_name(target, count):
    """What a target without a name is called."""
    if "url" in target:
        address = urllib.parse.urlsplit(target["url"])
        return address.netloc if count == 1 else target["url"]
    return f"{target['host']}:{target['port']}" if target.get("port") not in (None, 22) else target["host"]


def _disruption_name(disruption):
    if disruption["do"]:
        return " ".join(disruption["do"].split())
    if disruption["module"]:
        args = disruption["args"] if isinstance(disruption["args"], dict) else {}
        subject = args.get("service") or args.get("container") or args.get("network") or args.get("target") or ""
        return " ".join(filter(None, (disruption["module"].rpartition(".")[2], str(args.get("action") or ""), str(subject))))
    down = disruption["command"]["down"] if disruption["command"] else "nothing"
    return " ".join((down if isinstance(down, str) else " ".join(down)).split())[:80]
