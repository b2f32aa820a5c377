# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts, groups and variables from an os-faults configuration file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: os_faults
author:
  - The Faultline team (@faultline)
short_description: The nodes and services of an os-faults configuration file
description:
  - Reads a configuration file of os-faults (any C(.json), C(.yaml) or C(.yml) file with its C(cloud_management)) as it is, and gives
    its nodes as hosts, with their connection variables, and one group for each service and container whose hosts are known.
  - "Also reads a file with C(plugin: faultline.openstack.os_faults), which may name such a file, or hold its content itself."
  - Connects to nothing, unless O(discover=true).
  - "A host gets: C(ansible_host) and the other connection variables; C(fqdn), C(mac), C(libvirt_name);
    C(faultline_services) and C(faultline_containers), what runs on the host, where that is known;
    C(faultline_service_definitions) and C(faultline_container_definitions), what the file defines; C(faultline_networks),
    C(faultline_power) and C(faultline_config_file)."
  - A group C(service_NAME) or C(container_NAME) exists when the hosts of that service or container are known, from the file
    or from discovery. Every character outside of letters, digits and underscore is written as an underscore.
  - "Where a node did not answer, or could not tell, a group holds those of which it is known, and is named in the variable
    C(faultline_partial_groups) of every host: no sentence takes it for all that run it."
notes:
  - "A file without a C(plugin) key is not for Ansible's C(auto) plugin: name this plugin in the C([inventory]) section of
    C(ansible.cfg), C(enable_plugins = faultline.openstack.os_faults, host_list, script, auto, yaml, ini, toml)."
  - A file with a C(plugin) key needs nothing of the kind.
  - A file of os-faults that has an error ends the run with exit code 4. Ansible would otherwise go on to its own YAML
    inventory plugin, which takes the sections of the file for empty groups, and report success with no hosts.
  - Host keys are checked as your ssh does, unless O(host_key_checking=false).
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Marks a file as one for this plugin.
    type: str
    required: true
    choices:
      - faultline.openstack.os_faults
  config_file:
    description:
      - The os-faults configuration file. A relative path starts from the file that names it.
      - If neither this nor the environment variable is set and the file holds no C(cloud_management) itself, the first of
        C(os-faults.json), C(os-faults.yaml) and C(os-faults.yml) in the current directory, C(~/.config/os-faults),
        C(~/.config/openstack) and C(/etc/openstack).
    type: path
    env:
      - name: OS_FAULTS_CONFIG
  discover:
    description:
      - Look on every node, through ssh, for the services and containers that the file defines and that the built-in
        catalogue knows, for the node's MAC address and networks.
      - One ssh connection to a node, all nodes at once. What is found is kept in the inventory cache, if O(cache=true).
      - What O(config_file) says with C(hosts) is taken as it is.
      - "A node that cannot be probed is put in the group C(unprobed) and has the reason in C(faultline_probe_error)."
      - AWX gives no SSH key to inventories. Use M(faultline.openstack.os_cloud_facts) in a play there.
    type: bool
    default: false
    env:
      - name: FAULTLINE_DISCOVER
  discover_timeout:
    description: Seconds that one node may take to be probed.
    type: float
    default: 30
    env:
      - name: FAULTLINE_DISCOVER_TIMEOUT
  discover_forks:
    description: How many nodes are probed at once.
    type: int
    default: 50
    env:
      - name: FAULTLINE_DISCOVER_FORKS
  discover_python:
    description: The Python interpreter on the nodes, for discovery.
    type: str
    default: python3
    env:
      - name: FAULTLINE_DISCOVER_PYTHON
  host_key_checking:
    description:
      - V(false) connects to nodes and jump hosts whose host key is not known or has changed.
      - If not set, that is decided by Ansible's and by ssh's own configuration.
    type: bool
    env:
      - name: FAULTLINE_HOST_KEY_CHECKING
  networks:
    description:
      - "The networks of the cloud: name to a network such as V(10.0.0.0/24), or to a mapping with C(interface) and C(cidr)."
      - Comes before what the file says under C(faultline.networks).
    type: dict
    default: {}
seealso:
  - module: faultline.openstack.os_cloud_facts
"""

EXAMPLES = r"""
# 1. The file of os-faults as it is:
#   ansible-inventory -i os-faults.yaml --graph
---
cloud_management:
  driver: universal
node_discover:
  driver: node_list
  args:
    - ip: 10.0.0.11
      fqdn: ctl1.example.org
      mac: "52:54:00:00:00:11"
      auth:
        username: stack
        private_key_file: ~/.ssh/cloud
        jump:
          host: 192.0.2.10
    - ip: 10.0.0.12
      fqdn: ctl2.example.org
      auth:
        username: root
services:
  nova-api:
    driver: system_service
    args:
      service_name: devstack@n-api
      grep: nova-api
      port: [tcp, 8774]
    hosts: [10.0.0.11, 10.0.0.12]

# 2. A file that names it, and looks for what runs where:
#   ansible-inventory -i faultline.yml --graph
---
plugin: faultline.openstack.os_faults
config_file: os-faults.yaml
discover: true
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/faultline
networks:
  management: 10.0.0.0/24
  storage: 10.1.0.0/24
keyed_groups:
  - key: faultline_host.init
    prefix: init

# 3. Both in one file, here for a DevStack:
---
plugin: faultline.openstack.os_faults
discover: true
cloud_management:
  driver: devstack
  args:
    address: 192.0.2.20
    auth:
      username: stack
      private_key_file: ~/.ssh/id_ed25519
    iface: enp0s8
"""

import getpass
import os
import re
import shlex

from ansible import constants as C
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.parsing.vault import EncryptedString
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.plugins.loader import connection_loader

from ..module_utils._check import MapOf, listed
from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils import _config, _config_text, _login, _model, _names, _ssh
from ..plugin_utils._config_form import SECTIONS, Network
from ..plugin_utils._model import group_name
from ..module_utils._nearest import did_you_mean

_NAMES = re.compile(r"(^|[._-])os[-_]faults([._-].*)?\.(json|yaml|yml)$")
_MARK = re.compile(r"^plugin\s*:\s*['\"]?faultline\.openstack\.os_faults\b", re.MULTILINE)
# the section that every file of os-faults has, in YAML or JSON, at any indentation; and what is in it
_CLOUD = re.compile(r"""(^|[{,])\s*["']?cloud_management["']?\s*:""", re.MULTILINE)
_DRIVER = re.compile(r"""\bdriver["']?\s*:""")
_MOST_OF_A_FILE = 1 << 20
_PARSER_ERROR = 4


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "faultline.openstack.os_faults"

    def verify_file(self, path):
        if not super().verify_file(path) or not path.endswith((".json", ".yaml", ".yml")):
            return False
        if _NAMES.search(os.path.basename(path)):
            return True
        # Any other name is for us only when the file says so, or is what os-faults takes.
        with open(path, "rb") as stream:
            text = stream.read(_MOST_OF_A_FILE).decode("utf-8", "replace")
        return bool(_MARK.search(text) or _CLOUD.search(text) and _DRIVER.search(text))

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        final = bool(_NAMES.search(os.path.basename(path)))
        try:
            data = self._load(path)
            if not final and not _is_plugin_file(data) and not _config.is_ours(data):
                raise AnsibleParserError(f"{path} is no configuration of os-faults")
            final = not _is_plugin_file(data)
            self._populate(*self._cloud(path, data), path, cache)
        except Exception as exc:
            text = exc.text if isinstance(exc, FaultlineError) else f"{path}: {exc}"
            if not final:
                raise AnsibleParserError(text) from (None if isinstance(exc, FaultlineError) else exc)
            # Ansible's YAML plugin comes next, and would make empty groups of this file and end with 0.
            self.display.error(text)
            raise SystemExit(_PARSER_ERROR) from None

    # -- what the file says -------------------------------------------------------------------------------------------

    def _load(self, path):
        """The data of a file, decrypted if need be, without Ansible's own reader: its errors quote the file."""
        try:
            text = self.loader.get_text_file_contents(path)
        except AnsibleError as exc:
            raise FaultlineError(f"{path}: {exc}", code="bad_config") from None
        return _config_text.load(text, path, vaulted=lambda value: EncryptedString(ciphertext=value), json_as_yaml=True)

    def _cloud(self, path, data):
        """The cloud model, and the file that it is from."""
        if not _is_plugin_file(data):
            self.set_options(direct={"plugin": self.NAME}, var_options=self._vars)
            if self.get_option("cache"):
                self.load_cache_plugin()
            return _config.parse(data, path), path
        self._read_config_data(path)
        options = [option for option in self._options if not option.startswith("_")]
        for key in data:
            if key not in options and key not in SECTIONS:
                known = [*options, *SECTIONS]
                raise FaultlineError(
                    f"{path}: {key}: found an unknown key, expected an option of {self.NAME} or a section of os-faults.",
                    code="bad_config",
                    hint=did_you_mean(key, known, 1) or f"See: ansible-doc -t inventory {self.NAME}",
                )
        if "cloud_management" in data:
            return _config.parse(data, path, extra=options), path
        others = [section for section in SECTIONS if section in data]
        if others:
            raise FaultlineError(
                f"{path}: cloud_management: found nothing, expected it beside {listed(others)}.",
                code="bad_config",
                hint="Without any of them the file is the one that config_file names.",
            )
        source = self._source(path, data)
        return _config.parse(self._load(source), source), source

    def _source(self, path, data):
        named = self.get_option("config_file")
        if named:
            named = os.path.expanduser(str(named))
            # Ansible makes a path option absolute, from the current directory where it is not from a file.
            if data.get("config_file"):
                named = os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(str(data["config_file"])))
            if not os.path.exists(named):
                raise FaultlineError(f"{path}: config_file: found '{named}', which is not there.", code="no_config")
            return named
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        folders = [os.getcwd(), os.path.join(config, "os-faults"), os.path.join(config, "openstack"), "/etc/openstack"]
        for folder in folders:
            for suffix in (".json", ".yaml", ".yml"):
                candidate = os.path.join(folder, "os-faults" + suffix)
                if os.path.exists(candidate) and os.path.realpath(candidate) != os.path.realpath(path):
                    return candidate
        raise FaultlineError(
            f"{path}: there is no os-faults.json, os-faults.yaml or os-faults.yml in {', '.join(folders)}.",
            code="no_config",
            hint="Set config_file, or OS_FAULTS_CONFIG in the environment.",
        )

    # -- what the nodes say -------------------------------------------------------------------------------------------

    def _discover(self, cloud, networks, path, cache):
        """Node name -> {"found": ...} or {"error": ...}; {} when nobody asked."""
        if not self.get_option("discover"):
            return {}
        spec = {
            "services": _names.sought("service", cloud.service_definitions),
            "containers": _names.sought("container", cloud.container_definitions),
            "networks": networks,
            "iface": cloud.iface,
        }
        question = {"spec": spec, "nodes": [[node.name, node.ip] for node in cloud.nodes]}
        use, key = self.get_option("cache"), self.get_cache_key(path)
        if use and cache:
            kept = self._cache.get(key)
            # An answer to another question is none: the file has changed since.
            if kept and kept.get("question") == question:
                return kept["answers"]
        answers = _ssh.probe_all(cloud.nodes, spec, self._ssh_settings(), self.get_option("discover_forks"))
        for name, answer in sorted(answers.items()):
            if "error" in answer:
                self.display.warning(f"{name} could not be probed: {answer['error']}")
            elif answer["found"]["lacking"]:
                self.display.warning(f"{name} could be probed in part only: {'; '.join(answer['found']['lacking'])}")
        if use:
            self._cache[key] = {"question": question, "answers": answers}
        return answers

    def _ssh_settings(self):
        """How the user has Ansible use ssh, for an ssh of our own."""
        connection_loader.get("ssh", class_only=True)  # makes its settings known

        def setting(name):
            return C.config.get_config_value(name, plugin_type="connection", plugin_name="ssh", variables={})

        checking = self.get_option("host_key_checking")
        if checking is None and setting("host_key_checking") is False:
            checking = False
        args = [word for name in ("ssh_args", "ssh_common_args", "ssh_extra_args") for word in shlex.split(setting(name) or "")]
        return {
            "executable": str(setting("ssh_executable") or "ssh"),
            "args": [str(word) for word in args],
            "user": _default_user(),
            "timeout": self.get_option("discover_timeout"),
            "python": str(self.get_option("discover_python")),
            "host_key_checking": checking,
        }

    # -- the inventory ------------------------------------------------------------------------------------------------

    def _populate(self, cloud, source, path, cache):
        # what begins so is a user's own by custom: a place for anchors
        strange = [key for key in cloud.passed_over if not key.startswith(("x-", "."))]
        if strange:
            self.display.warning(f"{source}: {listed(strange)}: not known here, and passed over.")
        networks = {**cloud.networks, **self._networks(path)}
        answers = self._discover(cloud, networks, path, cache)
        strict = self.get_option("strict")
        shared = {
            "faultline_service_definitions": cloud.service_definitions,
            "faultline_container_definitions": cloud.container_definitions,
            "faultline_power": cloud.power,
            "faultline_config_file": os.path.abspath(source),
        }
        if cloud.iface:
            shared["faultline_iface"] = cloud.iface
        for node in cloud.nodes:
            self.inventory.add_host(node.name)
            told = _login.connection_variables(node, _default_user(), self.get_option("host_key_checking"))
            told.update(shared)
            told.update(_node_facts(node, cloud, answers.get(node.name, {}), networks))
            told.update(_on_node(node.name, cloud, answers.get(node.name, {})))
            for name, value in told.items():
                self.inventory.set_variable(node.name, name, value)
        partial = self._group(cloud, answers, path)
        if partial:
            some = f"{', '.join(partial[:5])}{', ...' if len(partial) > 5 else ''}"
            self.display.warning(f"{source}: some nodes could not tell whether they belong to these groups, which have only the others: {some}")
        for node in cloud.nodes:
            if partial:
                self.inventory.set_variable(node.name, "faultline_partial_groups", partial)
            variables = self.inventory.get_host(node.name).get_vars()
            self._set_composite_vars(self.get_option("compose"), variables, node.name, strict)
            variables = self.inventory.get_host(node.name).get_vars()
            self._add_host_to_composed_groups(self.get_option("groups"), variables, node.name, strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, node.name, strict)

    def _networks(self, path):
        problems: list = []
        check = MapOf(Network(), "a mapping of network names")
        networks = check.check(_model.plain(self.get_option("networks") or {}), "networks", problems)
        if problems:
            raise FaultlineError(f"{path}: {problems[0]}", code="bad_config")
        return networks

    def _group(self, cloud, answers, path):
        """Make the groups; the names of those that some node may belong to, which could not tell."""
        nodes, partial = {node.name for node in cloud.nodes}, []
        dead = sorted(name for name, answer in answers.items() if "error" in answer)
        for kind, things in (("service", cloud.services), ("container", cloud.containers)):
            members = {thing.name: list(thing.hosts) for thing in things.values() if thing.hosts is not None}
            for thing in cloud.in_containers.values() if kind == "service" else ():
                members[thing.name] = list(dict.fromkeys([*members.get(thing.name, []), *thing.hosts]))
            told, marked = set(members), _marked(cloud, kind)
            for name, answer in answers.items():
                for found in answer.get("found", {}).get(f"{kind}s", {}):
                    if found not in told or name in marked.get(found, {}):
                        members.setdefault(found, []).append(name)
            unseen = {name for answer in answers.values() for name in answer.get("found", {}).get("unseen", {}).get(f"{kind}s", {})}
            if answers and not dead:
                # Looked for and found nowhere: known to be empty.
                for name in things:
                    if name not in unseen:
                        members.setdefault(name, [])
            partial += [
                group_name(kind, name) for name in sorted(members)
                if name not in told and (dead or name in unseen) or any(not _tells(answers.get(node, {}), kind, name) for node in marked.get(name, {}))]
            for name in sorted(members):
                if group_name(kind, name) in nodes:
                    raise FaultlineError(
                        f"{path}: a node is named '{group_name(kind, name)}', which is the group of the {kind} {name} that was found.", code="bad_config",
                        hint="Give the node another fqdn.")
                group = self.inventory.add_group(group_name(kind, name))
                for host in sorted(members[name]):
                    self.inventory.add_child(group, host)
        if dead:
            group = self.inventory.add_group("unprobed")
            for host in dead:
                self.inventory.add_child(group, host)
        return partial


def _is_plugin_file(data):
    return isinstance(data, dict) and "plugin" in data


def _default_user():
    """Who logs in where the file does not say."""
    return str(C.DEFAULT_REMOTE_USER or getpass.getuser())


def _marked(cloud, kind):
    """Name -> node -> why, of the nodes that could not tell when the file was written."""
    things = [*cloud.services.values(), *cloud.in_containers.values()] if kind == "service" else cloud.containers.values()
    return {thing.name: thing.unseen for thing in things if thing.unseen}


def _tells(answer, kind, name):
    """Whether a node could say whether it has something."""
    return "found" in answer and name not in answer["found"].get("unseen", {}).get(f"{kind}s", {})


def _node_facts(node, cloud, answer, networks):
    found = answer.get("found", {})
    facts = {
        "fqdn": node.fqdn or found.get("host", {}).get("fqdn") or "",
        "mac": node.mac.lower() or found.get("host", {}).get("mac") or "",
        "libvirt_name": node.libvirt_name,
    }
    facts = {name: value for name, value in facts.items() if value}
    if found.get("networks") or networks:
        facts["faultline_networks"] = found.get("networks") or networks
    if found:
        facts["faultline_host"] = found["host"]
        facts["faultline_unseen"] = found.get("unseen", {})
    else:
        unseen = {
            f"{kind}s": {name: nodes[node.name] for name, nodes in _marked(cloud, kind).items() if node.name in nodes} for kind in ("service", "container")}
        if any(unseen.values()):
            facts["faultline_unseen"] = unseen
    if "error" in answer:
        facts["faultline_probe_error"] = answer["error"]
    return facts


def _on_node(host, cloud, answer):
    """faultline_services and faultline_containers of one host; absent when nobody has looked."""
    variables = {}
    found = answer.get("found")
    for kind, things, also in (("services", cloud.services, cloud.in_containers), ("containers", cloud.containers, {})):
        mapped = bool(things or also) and all(thing.hosts is not None for thing in things.values())
        # of a node that did not answer all is not known, whatever the file says of it
        if not found and (not mapped or "error" in answer):
            continue
        here = dict(found[kind]) if found else {}
        for name, thing in things.items():
            if thing.hosts is not None and host not in thing.hosts:
                # of a node that could not tell when the file was written it says nothing
                if host not in thing.unseen:
                    here.pop(name, None)
            elif thing.hosts is not None:
                here.setdefault(name, dict(thing.definition))
        for name, thing in also.items():
            if host in thing.hosts:
                here.setdefault(name, dict(thing.definition))
        variables[f"faultline_{kind}"] = here
    return variables
