# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Cloud99 configuration, as it is, as a scenario, an inventory and credentials. Pure."""

from __future__ import annotations

import dataclasses
import re
import string
import urllib.parse

from ...module_utils._fault._errors import FaultlineError
from ...module_utils._check import REQUIRED, Flag, Form, ListOf, MapOf, Number, Text, Word, below, kind_of, listed, problem
from ...module_utils._nearest import did_you_mean, nearest
from ._scenario_form import ADDRESS, ALL, MODES, Seconds

SECTIONS = ("openrc", "inventory", "disruptors", "loaders", "monitors")
# commands after which a host boots again
_REBOOT = re.compile(r"\breboot\b|\bshutdown\b.*\s(-[a-zA-Z]*r[a-zA-Z]*|--reboot)\b|\b(tel)?init\s+6\b|/proc/sysrq-trigger")
# what no scenario of our own has
_OURS_ALONE = ("openrc", "inventory", "disruptors", "loaders")


@dataclasses.dataclass
class Known:
    """scenario: as a user would write it. inventory: {"all": {"hosts", "children"}}. groups: name -> hosts. paths: where a key of the
    scenario stands in the configuration. See _scenario.Loaded."""

    scenario: dict
    inventory: dict
    groups: dict
    credentials: dict
    secrets: list
    warnings: list
    paths: dict

    def told(self, text):
        """A problem of the scenario in the configuration's words."""
        for ours, theirs in self.paths.items():
            if text.startswith((f"{ours}:", f"{ours}.", f"{ours}[")):
                return theirs + text[len(ours):]
        return text


def is_one(data):
    """Whether data is a Cloud99 configuration, by its top-level keys."""
    return isinstance(data, dict) and len([key for key in _OURS_ALONE if key in data]) >= 2


_TEXT = Text("text", shown=True, empty=True)
_SECRET = Text("text (not shown)", empty=True)
_WHERE = ListOf(Text("the name of a host of the inventory", shown=True), "a list of names of the inventory")
_COUNT = Number("a whole number, 1 or more", 1, 10**6, whole=True)
_POLL = {"cool_down_time": (Seconds(), REQUIRED)}
_NAME = Text("a name that an inventory may have", r"[A-Za-z0-9_][A-Za-z0-9_.-]*", shown=True)

_OPENRC = Form({
    "auth_url": (Text("a URL", r"https?://\S+", shown=True), REQUIRED),
    "username": (_TEXT, REQUIRED),
    "password": (_SECRET, REQUIRED),
    "region_name": (_TEXT, ""),
    "tenant_name": (_TEXT, REQUIRED),
    "https_cacert": (_TEXT, ""),
    "https_insecure": (Flag(), False),
})
_HOST = Form({
    "ip_or_hostname": (ADDRESS, REQUIRED),
    "username": (Text("a login name", r"[^\s@:'\"\\-][^\s@:'\"\\]*"), REQUIRED),
    "password": (_SECRET, ""),
    "role": (_TEXT, ""),
})
_WITH = {
    "down_command": (Text("a command line", shown=True), REQUIRED),
    "down_check": (_TEXT, ""),
    "up_check": (_TEXT, ""),
    "down_timeout": (Seconds(), 20),
    "down_time_min": (Seconds(), REQUIRED),
    "down_time_max": (Seconds(), REQUIRED),
    "cool_down_min": (Seconds(), REQUIRED),
    "cool_down_max": (Seconds(), REQUIRED),
    "times": (_COUNT, REQUIRED),
    "delay": (Seconds(), 0),
}
_COMMON = {"where": (_WHERE, REQUIRED), "mode": (Word(MODES), REQUIRED)}
_DISRUPTORS = {
    "ProcessDisruptor": Form({
        "disrupt": (Text("the name of a service", shown=True), REQUIRED),
        **_COMMON,
        "with": (Form({**_WITH, "up_command": (_TEXT, REQUIRED)}), REQUIRED),
    }),
    "HostDisruptor": Form({**_COMMON, "with": (Form(_WITH), REQUIRED)}),
}


class _Arguments:
    meaning = "a mapping of Rally's arguments"

    def check(self, value, path, problems):
        if not isinstance(value, dict):
            problems.append(problem(path, kind_of(value), self.meaning))
            return {}
        return value


class _Database(Form):
    """The host, user, password and name of a database; older files have a URL."""

    def check(self, value, path, problems):
        if isinstance(value, str) and value:
            return value
        return super().check(value, path, problems)


_LOADERS = {
    "Rally": Form({
        "scenario_file": (Text("the path of a file", shown=True), REQUIRED),
        "scenario_args": (_Arguments(), {}),
        "scenario_args_file": (_TEXT, ""),
        "start_delay": (Seconds(), 0),
        "deployment_name": (_TEXT, ""),
        "db": (_Database({"host": (_TEXT, REQUIRED), "user": (_TEXT, REQUIRED), "password": (_SECRET, REQUIRED), "name": (_TEXT, REQUIRED)}), None),
    }),
    "DummyLoader": Form({"times": (_COUNT, 1)}),
}
_MONITORS = {
    "ServiceMonitor": Form({
        "where": (_WHERE, REQUIRED),
        "with": (Text("a command line", shown=True), REQUIRED),
        "services_to_monitor": (MapOf(ListOf(_TEXT, "a list of services", 0), "a mapping of roles to lists of services"), REQUIRED),
        **_POLL,
    }),
    "MariaDBMonitor": Form({"where": (_WHERE, REQUIRED), "db_user": (_TEXT, REQUIRED), "db_password": (_SECRET, REQUIRED), **_POLL}),
    "OpenStackApiMonitor": Form(_POLL),
    "DummyMonitor": Form({"cool_down_time": (Seconds(), 0)}),
}


class _Class:
    """A class name with its options, or the name alone."""

    def __init__(self, classes, what):
        self.classes, self.what = classes, what
        self.meaning = f"a {what}: {listed(classes, 'or')}, with its options"

    def check(self, value, path, problems):
        if isinstance(value, str):
            value = {value: {}}
        if not isinstance(value, dict) or len(value) != 1:
            problems.append(problem(path, f"{len(value)} classes" if isinstance(value, dict) else kind_of(value), self.meaning))
            return None
        ((name, options),) = value.items()
        if name not in self.classes:
            problems.append(problem(below(path, name), "an unknown class", f"a {self.what}: {listed(self.classes, 'or')}", did_you_mean(name, self.classes, 1)))
            return None
        return name, self.classes[name].check({} if options is None else options, below(path, name), problems)


_FORM = Form({
    "openrc": (_OPENRC, REQUIRED),
    "inventory": (MapOf(_HOST, "a mapping of host names", _NAME), REQUIRED),
    "disruptors": (ListOf(_Class(_DISRUPTORS, "disruptor"), "a list of disruptors", 0), []),
    "loaders": (ListOf(_Class(_LOADERS, "loader"), "a list of loaders", 0), []),
    "monitors": (ListOf(_Class(_MONITORS, "monitor"), "a list of monitors", 0), []),
}, f"a Cloud99 configuration: {listed(SECTIONS)}")


def read(data, name):
    """The Known of the data of a configuration; FaultlineError (bad_scenario) with every problem, in the words of that file."""
    problems: list = []
    checked = _FORM.check(data, "", problems)
    known = None if problems else _Reader(checked, problems).known()
    if problems:
        message = f"{name}: {problems[0]}"
        if len(problems) > 1:
            message = f"{name}: {len(problems)} problems:\n" + "\n".join(f"  {text}" for text in problems)
        raise FaultlineError(message, code="bad_scenario", details={"file": name, "problems": problems})
    return known


def filled(command, **words):
    """A command with its placeholders replaced, as Cloud99 did it: by Python's format, where doubled braces are plain ones. One that is no such
    text (awk, docker --format) keeps its other braces. A word that is None keeps its placeholder."""
    words = {name: f"{{{name}}}" if value is None else value for name, value in words.items()}
    try:
        fields = {field for _text, field, _spec, _conversion in string.Formatter().parse(command) if field is not None}
        if fields <= set(words):
            return command.format(**words)
    except (ValueError, IndexError, KeyError):
        pass
    for name, value in words.items():
        command = command.replace(f"{{{name}}}", value)
    return command


class _Reader:
    def __init__(self, data, problems):
        self.data, self.problems = data, problems
        self.secrets, self.warnings = [], []
        self.names = {"monitors": {}, "load": {}, "disruptions": {}}

    def known(self):
        hosts, groups = self.hosts()
        scenario = {
            "order": "parallel",  # each disruptor was a thread of its own
            "monitors": self.monitors(),
            "load": [self.load(kind, options) for kind, options in self.data["loaders"]],
            "disruptions": [
                self.disruption(kind, options, below(below("disruptors", number), kind)) for number, (kind, options) in enumerate(self.data["disruptors"])
            ],
        }
        inventory = {"all": {"hosts": hosts, "children": {group: {"hosts": dict.fromkeys(members, {})} for group, members in groups.items()}}}
        groups = {"all": list(hosts), "ungrouped": [], **groups}
        credentials = self.credentials()
        secrets = [each for each in dict.fromkeys(self.secrets) if each]
        return Known(scenario, inventory, groups, credentials, secrets, self.warnings, self.paths())

    def paths(self):
        paths = {}
        for number, (kind, _options) in enumerate(self.data["loaders"]):
            ours, theirs = below("load", number), below(below("loaders", number), kind)
            paths.update({f"{ours}.args": f"{theirs}.scenario_args", f"{ours}.args_file": f"{theirs}.scenario_args_file", ours: theirs})
        for number, (kind, _options) in enumerate(self.data["disruptors"]):
            paths[below("disruptions", number)] = below(below("disruptors", number), kind)
        return paths

    def hosts(self):
        """(host -> variables, role -> hosts)"""
        hosts, groups = {}, {}
        for name, told in self.data["inventory"].items():
            variables = {"ansible_host": told["ip_or_hostname"], "ansible_user": told["username"]}
            if told["password"]:
                variables["ansible_password"] = told["password"]
                self.secrets.append(told["password"])
            if told["username"] != "root":
                # faults are root's work
                variables["ansible_become"] = True
                if told["password"]:
                    variables["ansible_become_password"] = told["password"]
            hosts[name] = variables
            group = re.sub(r"[^A-Za-z0-9_]", "_", told["role"])
            if group and group not in ("all", "ungrouped"):
                groups.setdefault(group if not group[0].isdigit() else f"_{group}", []).append(name)
        return hosts, groups

    def credentials(self):
        openrc = self.data["openrc"]
        url = openrc["auth_url"].rstrip("/")
        if re.search(r"/v2(\.0)?$", url):
            self.warnings.append("openrc.auth_url: Keystone's v2.0 is gone; v3 is asked instead.")
            url = re.sub(r"/v2(\.0)?$", "/v3", url)
        self.secrets.append(openrc["password"])
        return {
            "auth": {
                "auth_url": url, "username": openrc["username"], "password": openrc["password"], "project_name": openrc["tenant_name"],
                "user_domain_name": "Default", "project_domain_name": "Default",
            },
            "region_name": openrc["region_name"] or None,
            "verify": not openrc["https_insecure"],
            "cacert": openrc["https_cacert"] or None,
        }

    def where(self, names, path):
        """The hosts of a `where`."""
        known = self.data["inventory"]
        for number, name in enumerate(names):
            if name not in known:
                self.problems.append(problem(
                    below(below(path, "where"), number), f"'{name}'", f"a name of the inventory: {listed(known, 'or')}", did_you_mean(name, known, 1)))
        return list(dict.fromkeys(name for name in names if name in known))

    def name(self, section, name):
        """A name that no other item of the section has."""
        if section != "disruptions":
            name = re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:60].lstrip(".-") or "unnamed"
        seen = self.names[section]
        seen[name] = seen.get(name, 0) + 1
        return name if seen[name] == 1 else f"{name}-{seen[name]}"

    # ---- disruptors

    def disruption(self, kind, options, path):
        told, service = options["with"], options.get("disrupt")
        hosts = self.where(options["where"], path)
        for what in ("down_time", "cool_down"):
            least, most = told[f"{what}_min"], told[f"{what}_max"]
            if least > most:
                where = below(below(path, "with"), f"{what}_min")
                self.problems.append(problem(where, f"{least}, an empty range", f"at most {what}_max, which is {most}"))
        # a host that is down cannot be asked whether it is up: Cloud99 did that from where it ran
        on = "controller" if kind == "HostDisruptor" else "host"
        words = {"disrupt": service} if service else {}
        if kind == "HostDisruptor":
            one = self.data["inventory"][hosts[0]] if len(hosts) == 1 else {}
            words.update(host=one.get("ip_or_hostname"), username=one.get("username"))
        up, down = told.get("up_command"), filled(told["down_command"], **words)
        patience = {"down_check": told["down_timeout"] or 1, "up_check": told["down_timeout"] or 1}
        if kind == "HostDisruptor":
            # so long Cloud99 waited for a host
            patience["up_check"] = max(patience["up_check"], told["down_time_max"])
        checks = {
            name: {"command": _by_status(filled(told[name], **words)), "on": on, "timeout": timeout} if told[name].strip() else None
            for name, timeout in patience.items()
        }
        return {
            "name": self.name("disruptions", f"{service or 'host'} on {' and '.join(hosts)}"[:190]),
            "command": {
                "down": down, "up": filled(up, **words) if up and up.strip() else None,
                "reboots": kind == "HostDisruptor" and bool(_REBOOT.search(down)),
            },
            "hosts": hosts, "mode": options["mode"], "times": told["times"], "delay": told["delay"],
            "down_time": [told["down_time_min"], told["down_time_max"]], "cool_down": [told["cool_down_min"], told["cool_down_max"]],
            **checks,
        }

    # ---- loaders

    def load(self, kind, options):
        if kind == "DummyLoader":
            return {"name": self.name("load", "dummy"), "type": "command", "command": ["true"], "times": options["times"]}
        load = {
            "name": self.name("load", "rally"), "type": "rally", "scenario_file": options["scenario_file"], "args": options["scenario_args"],
            "args_file": options["scenario_args_file"] or None, "start_delay": options["start_delay"],
        }
        database = options["db"]
        if database:
            if isinstance(database, dict):
                self.secrets.append(database["password"])
                database = _url(database)
            load.update(database=database, environment=options["deployment_name"] or "cloud99")
        elif options["deployment_name"]:
            self.warnings.append(
                f"loaders: Rally's deployment {options['deployment_name']} is not looked up; the run makes an environment of its own from openrc.")
        return load

    # ---- monitors

    def monitors(self):
        found = []
        for number, (kind, options) in enumerate(self.data["monitors"]):
            path = below(below("monitors", number), kind)
            pause = options["cool_down_time"]
            # probes per second; Cloud99 polled again after a pause
            common = {"rate": min(1 / pause, 5) if pause else 5, "timeout": max(2, min(pause, 10))}
            found += getattr(self, f"_{kind}")(options, common, path)
        return found

    def _DummyMonitor(self, _options, _common, _path):
        return []

    def _OpenStackApiMonitor(self, _options, common, _path):
        return [{"name": self.name("monitors", "api"), "type": "openstack_api", "services": ALL, **common}]

    def _MariaDBMonitor(self, options, common, path):
        self.secrets.append(options["db_password"])
        return [{
            "name": self.name("monitors", "mariadb"), "type": "galera", "on": self.where(options["where"], path),
            "user": options["db_user"], "password": options["db_password"], "alone": True, **common,
        }]

    def _ServiceMonitor(self, options, common, path):
        hosts, found = self.where(options["where"], path), []
        inventory = self.data["inventory"]
        roles = {told["role"] for told in inventory.values()}
        for role, services in options["services_to_monitor"].items():
            on = [host for host in hosts if inventory[host]["role"] == role]
            if role not in roles and nearest(role, roles, 1):
                self.problems.append(problem(
                    below(below(path, "services_to_monitor"), role), "a role that no host has", listed(sorted(roles), "or"), did_you_mean(role, roles, 1)))
            if not on or not services:
                where = below(below(path, "services_to_monitor"), role)
                self.warnings.append(f"{where}: no host of where has this role, or no service is named: not monitored.")
                continue
            patterns = _greps(options["with"], services)
            if patterns:
                # `ps | grep x` always finds itself
                found.append({"name": self.name("monitors", f"processes-{role}"), "type": "process", "on": on, "patterns": patterns, **common})
                continue
            for service in services:
                command = filled(options["with"], service_name=service, service=service, disrupt=service)
                # a plugin's 1 is a warning, a command's 1 a failure
                argv = ["sh", "-c", f"( {command}\n) || exit 2"]
                found.append({"name": self.name("monitors", f"{service}-{role}"), "type": "nagios_plugin", "on": on, "command": argv, **common})
        return found


def _by_status(command):
    """A check whose exit status says what it would print: Cloud99 looked for a 0 in its output."""
    return re.sub(r"\s*;\s*echo\s+['\"]?\$\?['\"]?\s*$", "", command)


def _greps(command, services):
    """{service: regular expression} where the command only looks for the service in the list of processes."""
    name = r"['\"]?\{(service_name|service|disrupt)\}['\"]?"
    if not re.fullmatch(rf"\s*ps\s+[-A-Za-z]*\s*\|\s*grep\s+(-[A-Za-z]+\s+)?{name}\s*(\|\s*grep\s+-v\s+grep\s*)?", command):
        return {}
    return {service: re.escape(service) for service in services}


def _url(database):
    """Rally's connection string of a db section."""
    user, password = (urllib.parse.quote(database[key], safe="") for key in ("user", "password"))
    return f"mysql+pymysql://{user}:{password}@{database['host']}/{database['name']}"
