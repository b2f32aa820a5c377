# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The form of a scenario: every key with its type, its default and its limits. Pure; what a value means to the others is _scenario.py's."""

from __future__ import annotations

import re
import shlex

from ...module_utils._check import (
    REQUIRED, Anything, Flag, Form, ListOf, MapOf, Number, Regex, Text, Word, below, is_text, kind_of, listed, plain_number, problem, shown,
)
from ...module_utils._nearest import did_you_mean

MODES = ("sequential", "parallel", "round_robin")
ORDERS = ("sequential", "parallel")
METRICS = (
    "availability", "downtime", "longest_outage", "mttr", "requests_lost", "degradation", "time_to_recovery", "correctness",
)
GROUPS = ("api", "app", "host", "cluster", "network", "container", "nagios", "load")
# what the monitor openstack_api and the load api ask
APIS = ("keystone", "nova", "neutron", "glance", "placement")
MORE_APIS = ("cinder", "heat", "swift", "octavia", "designate", "barbican", "ironic", "manila", "magnum")
# keys whose values are kept out of the scenario that is written down
SECRETS = ("password", "database")
LONGEST = 7 * 24 * 3600

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_PIECE = r"([0-9]+(?:\.[0-9]+)?) ?(ms|milliseconds?|h|hours?|m|mins?|minutes?|s|secs?|seconds?)"


def seconds(text):
    """Seconds of `30 seconds`, `1m30s`, `500 ms` or `30`; None of anything else. Each unit once, the largest first."""
    text = " ".join(str(text).lower().split())
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return plain_number(float(text))
    if not re.fullmatch(rf"{_PIECE}( ?{_PIECE})*", text):
        return None
    sizes = [(float(number), _UNITS["ms" if unit.startswith(("ms", "mill")) else unit[0]]) for number, unit in re.findall(_PIECE, text)]
    order = [size for _number, size in sizes]
    if order != sorted(set(order), reverse=True):
        return None
    return plain_number(round(sum(number * size for number, size in sizes), 6))


class Seconds(Number):
    """A time: a number of seconds, or text as in sentences."""

    def __init__(self, low=0, high=LONGEST, above=False):
        limit = f"above {low}" if above else "0 or more" if low == 0 else f"{low} or more"
        super().__init__(f"seconds ({limit}), as a number or as text such as 30 seconds or 1m30s", low, high, above)

    def value(self, value):
        return seconds(value) if isinstance(value, str) else super().value(value)


class Span:
    """A time, or [min, max] between which it is drawn; always [min, max] in the end."""

    def __init__(self):
        self.item = Seconds()
        self.meaning = f"{self.item.meaning}, or [min, max]"

    def check(self, value, path, problems):
        if not isinstance(value, (list, tuple)):
            number = self.item.value(value)
            if number is None or not self.item.fits(number):
                problems.append(problem(path, shown(value), self.meaning))
                return None
            return [number, number]
        ends = [self.item.value(each) for each in value]
        if len(ends) != 2 or None in ends or not all(map(self.item.fits, ends)):
            problems.append(problem(path, shown(value), self.meaning))
            return None
        if ends[0] > ends[1]:
            problems.append(problem(path, f"{shown(value)}, an empty range", "[min, max] with min not above max", f"Did you mean [{ends[1]}, {ends[0]}]?"))
            return None
        return ends


class Argv:
    """A program and its arguments; text is split as a shell would, and no shell sees it."""

    meaning = "a command: a list of arguments, or text"

    def check(self, value, path, problems):
        if is_text(value) and value:
            try:
                value = shlex.split(value)
            except ValueError as exc:
                problems.append(problem(path, f"a command that cannot be split ({exc})", self.meaning))
                return None
        if not isinstance(value, (list, tuple)) or not value or not all(isinstance(each, (str, int, float)) and not isinstance(each, bool) for each in value):
            problems.append(problem(path, "empty text" if value == "" else "an empty list" if value == [] else kind_of(value), self.meaning))
            return None
        return [str(each) for each in value]


class CommandLine(Argv):
    """A list of arguments, or a line for a shell, which stays text."""

    meaning = "a command: a list of arguments, or a line for a shell"

    def check(self, value, path, problems):
        if isinstance(value, str) and value.strip():
            return str.__str__(value)
        return super().check("" if is_text(value) else value, path, problems)


class Either:
    """A short form (text, a list) that stands for {key: value} of a longer one."""

    def __init__(self, form, key, kinds=(str,)):
        self.form, self.key, self.kinds, self.meaning = form, key, kinds, form.meaning

    def check(self, value, path, problems):
        if isinstance(value, self.kinds):
            value = {self.key: value}
        return self.form.check(value, path, problems)


class Typed:
    """A mapping whose `type` decides which other keys it has."""

    def __init__(self, types, common, what):
        self.types, self.common, self.what = types, common, what
        self.meaning = f"a mapping with type: {listed(types, 'or')}"

    def check(self, value, path, problems):
        if not isinstance(value, dict):
            problems.append(problem(path, kind_of(value), self.meaning))
            return {}
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in self.types:
            hint = did_you_mean(kind, self.types, 1) if is_text(kind) else ""
            problems.append(problem(below(path, "type"), shown(kind), f"the type of a {self.what}: {listed(self.types, 'or')}", hint))
            return {}
        kind = str.__str__(kind)
        # what has no name of its own is called after its type
        common = {key: (check, kind if key == "name" else default) for key, (check, default) in self.common.items()}
        return Form({**common, "type": (Word([kind]), REQUIRED), **self.types[kind]}).check(value, path, problems)


NAME = Text("a name of letters, digits, dots, dashes and underscores", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", shown=True)
TITLE = Text("a line of text", r"[^\n\r]{1,200}", shown=True)
HOST = Text("the name of a host or a group of the inventory", r"[^\s,]{1,253}", shown=True)
HOSTS = ListOf(HOST, "a list of hosts of the inventory")
ADDRESS = Text("an IP address or a host name", r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%[A-Za-z0-9_.-]+)?", shown=True)
PORT = Number("a port, 1 to 65535", 1, 65535, whole=True)
URL = Text("a URL such as http://10.0.0.10/", r"https?://[^\s/@]+(/\S*)?|https?://[^\s/@]+\?\S*", shown=True)
TIMEOUT = Seconds(above=True)
FILE = Text("the path of a file", r"[^\n\0]+", shown=True)
SECRET = Text("text (not shown)", empty=True)
ANY_TEXT = Text("text", shown=True)

_HTTP = Form({
    "name": (TITLE, None),
    "url": (URL, REQUIRED),
    "status": (ListOf(Number("an HTTP status, 100 to 599", 100, 599, whole=True), "a list of HTTP status codes"), [200]),
    "contains": (ANY_TEXT, None),
    "method": (Word(("GET", "HEAD", "POST")), "GET"),
    "verify": (Flag(), True),
    "ca_file": (FILE, None),
})
_TCP = Form({"name": (TITLE, None), "host": (ADDRESS, REQUIRED), "port": (PORT, REQUIRED)})
_PING = Form({"name": (TITLE, None), "host": (ADDRESS, REQUIRED)})
_SSH = Form({"name": (TITLE, None), "host": (ADDRESS, REQUIRED), "port": (PORT, 22)})
_SERVICES = (ListOf(Word(APIS + MORE_APIS), f"a list of services ({listed((*APIS, *MORE_APIS), 'or')})"), list(APIS))
# those of them that the catalogue has
ALL = "all"


class _Watched:
    """A list of services, or the word for all that there are."""

    meaning = f"{_SERVICES[0].meaning}, or {ALL}"

    def check(self, value, path, problems):
        if is_text(value) and value != ALL:
            problems.append(problem(path, shown(value), self.meaning))
            return None
        return ALL if is_text(value) else _SERVICES[0].check(value, path, problems)


def _targets(form, key, meaning):
    return {"targets": (ListOf(Either(form, key), meaning), REQUIRED)}


MONITORS = {
    "openstack_api": {
        "services": (_Watched(), list(APIS)),
        "through": (ListOf(HOST, "a list of vip and hosts of the inventory"), ["vip"]),
    },
    "http": _targets(_HTTP, "url", "a list of URLs, or of mappings with url"),
    "tcp": {"targets": (ListOf(_TCP, "a list of mappings with host and port"), REQUIRED)},
    "ping": _targets(_PING, "host", "a list of addresses, or of mappings with host"),
    "ssh": _targets(_SSH, "host", "a list of addresses, or of mappings with host"),
    "systemd": {
        "on": (HOSTS, REQUIRED),
        "units": (ListOf(Text("the name of a systemd unit", r"[A-Za-z0-9_][A-Za-z0-9:_.\\@-]*", shown=True), "a list of systemd units"), REQUIRED),
    },
    "process": {
        "on": (HOSTS, REQUIRED),
        "patterns": (MapOf(Regex(), "a mapping of names to regular expressions on command lines", TITLE), REQUIRED),
        "count": (Number("how many processes at least, 1 or more", 1, 10**4, whole=True), 1),
    },
    "container": {
        "on": (HOSTS, REQUIRED),
        "containers": (ListOf(Text("the name of a container", r"[A-Za-z0-9][A-Za-z0-9_.-]*", shown=True), "a list of containers"), REQUIRED),
        "engine": (Word(("auto", "docker", "podman")), "auto"),
    },
    "galera": {
        "on": (HOSTS, REQUIRED),
        "size": (Number("the number of nodes of the cluster, 1 or more", 1, 99, whole=True), None),
        "alone": (Flag(), False),
        "user": (Text("the name of a database user", r"[^\s:@]+", shown=True), None),
        "password": (SECRET, None),
        "socket": (FILE, None),
        "defaults_file": (FILE, None),
        "command": (Argv(), None),
    },
    "rabbitmq": {
        "on": (HOSTS, REQUIRED),
        "members": (Number("the number of nodes of the cluster, 1 or more", 1, 99, whole=True), None),
        "command": (Argv(), None),
    },
    "nagios_plugin": {
        "on": (ListOf(HOST, "a list of hosts of the inventory; empty for the controller", 0), []),
        "command": (Argv(), REQUIRED),
        "ok": (ListOf(Number("an exit code, 0 to 255", 0, 255, whole=True), "a list of exit codes"), [0, 1]),
    },
    "livestatus": {
        "address": (Text("host:port or the path of a socket", r"/[^\s]+|[^\s/]+:[0-9]{1,5}", shown=True), REQUIRED),
        "filter": (ListOf(ANY_TEXT, "a list of Livestatus filters of services, each as host_name = ctl1", 0), []),
        "host_filter": (ListOf(ANY_TEXT, "a list of Livestatus filters of hosts, each as name = ctl1", 0), []),
    },
    "servers": {
        "count": (Number("a number of servers, 1 to 100", 1, 100, whole=True), 2),
        "image": (ANY_TEXT, REQUIRED),
        "flavor": (ANY_TEXT, REQUIRED),
        "network": (ANY_TEXT, None),
        "external_network": (ANY_TEXT, None),
        "security_group": (ANY_TEXT, None),
        "probe": (Text("ping, ssh[:PORT], tcp:PORT, http[:PORT] or https[:PORT]", r"ping|tcp:[0-9]{1,5}|(ssh|https?)(:[0-9]{1,5})?", shown=True), "ping"),
        "path": (Text("the path of a page", r"/\S*", shown=True), "/"),
        "contains": (ANY_TEXT, None),
        "boot_timeout": (TIMEOUT, 300),
    },
}
# probes per second and the seconds that each may take, where they are not the usual ones: what is asked is slow or costs the host much
PACES = {"ping": (5, 1), "ssh": (1, 5), "galera": (1, 5), "rabbitmq": (0.1, 20), "nagios_plugin": (1, 10), "livestatus": (1, 5)}
for _kind, _keys in MONITORS.items():
    _rate, _timeout = PACES.get(_kind, (5, 2))
    MONITORS[_kind] = {
        "rate": (Number("probes per second, above 0 and at most 100", 0, 100, above=True), _rate), "timeout": (TIMEOUT, _timeout), **_keys,
    }
_MONITOR = Typed(MONITORS, {"name": (NAME, None)}, "monitor")
# servers are booted for a whole run
_PROBE = Typed({kind: keys for kind, keys in MONITORS.items() if kind != "servers"}, {}, "probe")

LOADS = {
    "rally": {
        "scenario_file": (FILE, REQUIRED),
        "args": (Anything("a mapping"), {}),
        "args_file": (FILE, None),
        "environment": (Text("the name of a Rally environment"), None),
        "database": (Text("the URL of Rally's database (not shown)"), None),
        "executable": (FILE, "rally"),
        "timeout": (TIMEOUT, 3600),
    },
    "command": {
        "command": (CommandLine(), REQUIRED),
        "times": (Number("a number of times, 1 or more", 1, 10**6, whole=True), 1),
        "pause": (Seconds(), 0),
        "chdir": (FILE, None),
        "timeout": (TIMEOUT, 3600),
    },
    "api": {
        "rate": (Number("requests per second, above 0 and at most 100", 0, 100, above=True), 2),
        "services": _SERVICES,
        "write": (Flag(), False),
        "timeout": (TIMEOUT, 10),
    },
}
_LOAD = Typed(LOADS, {"name": (NAME, None), "start_delay": (Seconds(), 0)}, "load")

# how the names of monitors begin that try the commands of checks
CHECK_PREFIX = "check."
CHECK_WAYS = ("command", "probe", "series")
_CHECK = Either(Form({
    "command": (CommandLine(), None),
    "probe": (_PROBE, None),
    "series": (TITLE, None),
    "on": (Word(("host", "controller")), None),
    "timeout": (TIMEOUT, 20),
}, f"a command, or a mapping with one of {listed(CHECK_WAYS, 'or')}"), "command", (str, list))
_COMMAND = Form({"down": (CommandLine(), REQUIRED), "up": (CommandLine(), None), "reboots": (Flag(), False)})
WAYS = ("do", "module", "command")
_DISRUPTION = Form({
    "name": (TITLE, None),
    "do": (Text("a sentence, as kill nova-api service on one node"), None),
    "module": (Text("the name of a module of faults", r"[a-z0-9_.]+", shown=True), None),
    "args": (Anything("the options of the module: a mapping"), None),
    "command": (_COMMAND, None),
    "hosts": (HOSTS, None),
    "mode": (Word(MODES), "sequential"),
    "times": (Number("a number of rounds, 1 or more", 1, 1000, whole=True), 1),
    "delay": (Span(), [0, 0]),
    "down_time": (Span(), None),
    "cool_down": (Span(), [20, 20]),
    "finite": (Flag(), True),
    "down_check": (_CHECK, None),
    "up_check": (_CHECK, None),
}, f"a mapping with one of {listed(WAYS, 'or')}")
DOWN_TIME = [10, 10]

_ABORT = Form({"series": (TITLE, REQUIRED), "down_for": (TIMEOUT, REQUIRED)})
_BOUND = Number("a number, 0 or more", 0, 10**9)


class _Texts:
    """A text, or a list of texts."""

    meaning = "a list of series, as api:nova via vip, or *"

    def check(self, value, path, problems):
        return ListOf(TITLE, self.meaning).check([value] if is_text(value) else value, path, problems)


_PASS = Form({
    "name": (TITLE, None),
    "metric": (Word(METRICS), REQUIRED),
    "of": (_Texts(), ["*"]),
    "disruption": (TITLE, "*"),
    "at_least": (_BOUND, None),
    "at_most": (_BOUND, None),
})

SCENARIO = Form({
    "name": (NAME, None),
    "seed": (Anything("text or a whole number"), None),
    "cloud": (Text("the name of a cloud in clouds.yaml", shown=True), None),
    "health": (Form({"timeout": (TIMEOUT, 120), "services": (_SERVICES[0], None)}), {"timeout": 120, "services": None}),
    "baseline": (Seconds(), 30),
    "cool_down": (Seconds(), 30),
    "clean_run": (Flag(), True),
    "order": (Word(ORDERS), "sequential"),
    "monitors": (ListOf(_MONITOR, "a list of monitors", 0), []),
    "load": (ListOf(_LOAD, "a list of loads", 0), []),
    "disruptions": (ListOf(_DISRUPTION, "a list of disruptions", 0), REQUIRED),
    "abort": (ListOf(_ABORT, "a list of mappings with series and down_for", 0), []),
    "pass": (ListOf(_PASS, "a list of criteria", 0), []),
}, "a mapping with disruptions, monitors, load and pass")
