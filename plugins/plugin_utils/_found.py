# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look at all nodes has found: beside what was said, as a table, and as an os-faults file. Pure."""

from __future__ import annotations

import copy
import dataclasses

from . import _catalogue, _config, _grep, _names
from ..module_utils._fault._errors import FaultlineError
from ..module_utils._fault._module import CONTAINER_DRIVERS
from ._config_form import SECTIONS
from ._model import group_name, plain

_NOT_LOOKED = "nobody has looked"


@dataclasses.dataclass
class Seen:
    """One node after the look: what the inventory says of it, and what was found (None: it did not answer)."""

    name: str
    ip: str
    auth: dict
    fqdn: str = ""
    mac: str = ""
    libvirt_name: str = ""
    found: dict | None = None
    error: str = ""
    lacking: list = dataclasses.field(default_factory=list)

    def things(self, kind):
        return (self.found or {}).get(f"faultline_{kind}s") or {}

    def unseen(self, kind):
        """What could not be looked for, name -> why."""
        return ((self.found or {}).get("faultline_unseen") or {}).get(f"{kind}s") or {}

    def idle(self):
        """Why an engine of this node tells of no containers, engine -> why."""
        return ((self.found or {}).get("faultline_host") or {}).get("engines") or {}

    def blind(self, kind, name):
        """Why it is not known whether it is here, or ''."""
        return self.unseen(kind).get(name, "") if self.found is not None else self.error or _NOT_LOOKED

    def in_containers(self):
        """The services that containers run here."""
        return {name: told for name, told in self.things("service").items() if told.get("driver") in CONTAINER_DRIVERS}

    def written(self, kind):
        """The things that os-faults has a driver for."""
        return self.things(kind) if kind == "container" else {n: t for n, t in self.things(kind).items() if n not in self.in_containers()}


def seen(name, variables, look):
    """A node from its host variables and the registered result of os_cloud_facts."""
    dead = bool(look.get("unreachable") or look.get("failed") or "ansible_facts" not in look)
    error = str(look.get("msg") or _NOT_LOOKED) if dead else ""
    return Seen(
        name=name,
        ip=str(variables.get("ansible_host") or name),
        auth=_auth(variables),
        fqdn=str(variables.get("fqdn") or ""),
        mac=str(variables.get("mac") or ""),
        libvirt_name=str(variables.get("libvirt_name") or ""),
        found=None if dead else plain(look["ansible_facts"]),
        lacking=plain(look.get("lacking") or []),
        error=" ".join(error.removeprefix("Task failed: ").split()),
    )


def _auth(variables):
    """os-faults' auth from Ansible's connection variables."""
    names = {
        "username": ("ansible_user", "ansible_ssh_user"),
        "password": ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password"),
        "private_key_file": ("ansible_ssh_private_key_file", "ansible_private_key_file"),
        "become_username": ("ansible_become_user",),
        "become_password": ("ansible_become_password", "ansible_become_pass"),
        "become_method": ("ansible_become_method",),
    }
    auth = {}
    for key, candidates in names.items():
        value = next((variables[name] for name in candidates if variables.get(name)), None)
        if value:
            auth[key] = str(value)
    return auth


# -- beside what was said ---------------------------------------------------------------------------------------------


def gaps(nodes, definitions, groups):
    """What is not as it was said, one sentence each: nodes that do not answer, services that are not where they should be, and what could not be seen.

    definitions: {"service": names, "container": names}; groups: {("service", name): hosts} of the mappings that are known.
    """
    missing = [f"{node.name} ({node.ip}) does not answer: {node.error}" for node in nodes if node.found is None]
    alive = [node for node in nodes if node.found is not None]
    for node in alive:
        lacking = _lacking(node, alive, definitions, groups)
        missing += [f"{node.name} could be looked at in part only: {'; '.join(lacking)}"] if lacking else []
    for kind in ("service", "container"):
        for name in sorted(definitions[kind]):
            said = groups.get((kind, name))
            if said is None:
                if not any(name in node.things(kind) for node in alive) and not any(name in node.unseen(kind) for node in alive):
                    missing.append(f"{kind} {name} is on none of the nodes that answer")
            elif not said:
                missing.append(f"{kind} {name} is said to be on no node at all")
            for node in alive:
                there = node.things(kind).get(name)
                if there is None and name in node.unseen(kind) and _expected(kind, name, node, alive, said):
                    missing.append(f"{kind} {name} could not be looked for on {node.name}: {node.unseen(kind)[name]}")
                elif said is not None and node.name in said and there is None:
                    idle = "; ".join(node.idle().values()) if kind == "container" else ""
                    missing.append(f"{kind} {name} is not on {node.name}" + (f": {idle}" if idle else ""))
                elif there is not None and (said is None or node.name in said) and not there.get("active", True):
                    what = ", ".join(there.get("unit") or [])
                    missing.append(f"{kind} {name} is on {node.name}, but does not run" + (f" ({what})" if what else ""))
    return missing


def _expected(kind, name, node, alive, said):
    """Whether something has to be on a node so far as anybody knows. said: the hosts of it, or None where nobody says any."""
    return node.name in said if said is not None else not any(name in each.things(kind) for each in alive)


def _lacking(node, alive, definitions, groups):
    """What a look at a node could not see; an engine that does not run keeps nothing from us where nothing is expected of it."""
    needed = {
        why for kind in ("service", "container") for name, why in node.unseen(kind).items()
        if name in definitions[kind] and _expected(kind, name, node, alive, groups.get((kind, name)))}
    return [why for why in node.lacking if why not in node.idle().values() or why in needed]


def table(nodes, defined=None):
    """What was found, as lines for a person: the nodes, what runs where, and what of the `defined` ({"service": names, ...}) could not be looked for."""
    defined = defined or {"service": (), "container": ()}
    rows = [("node", "address", "mac", "answers")]
    for node in nodes:
        host = (node.found or {}).get("faultline_host") or {}
        mac = host.get("mac") or node.mac
        answers = "yes" if node.found is not None else f"no: {node.error[:100]}"
        if node.lacking:
            answers = f"in part: {'; '.join(node.lacking)[:100]}"
        rows.append((node.name, node.ip, mac or "-", answers))
    lines = _columns(rows)
    for kind in ("service", "container"):
        rows = [(kind, "as", "hosts")]
        for name in sorted({name for node in nodes for name in node.things(kind)}):
            on = [node for node in nodes if name in node.things(kind)]
            first = on[0].things(kind)[name]
            how = ", ".join(first.get("unit") or [first.get("engine") or first.get("driver") or "-"])
            hosts = [node.name + ("" if node.things(kind)[name].get("active", True) else " (down)") for node in on]
            rows.append((name, how, " ".join(hosts)))
        if len(rows) > 1:
            lines += ["", *_columns(rows)]
    return lines + _not_seen(nodes, defined)


def _not_seen(nodes, defined):
    """What nobody could look for, as lines of the table. Of what only the catalogue seeks the nodes say enough: they were looked at in part."""
    rows = [("not looked for", "on", "because")]
    for kind in ("service", "container"):
        for name in sorted({name for node in nodes for name in node.unseen(kind) if name in defined[kind]}):
            on = [node for node in nodes if name in node.unseen(kind)]
            rows.append((f"{kind} {name}", " ".join(node.name for node in on), on[0].unseen(kind)[name]))
    return ["", *_columns(rows)] if len(rows) > 1 else []


def _columns(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


# -- as an os-faults file ---------------------------------------------------------------------------------------------


def config(nodes, source=None, name="os-faults.yaml", notes=None):
    """A configuration file of os-faults with what was found; what else the source file has, stays.

    source: the data of the file that the inventory is from, or None for an inventory of another kind; notes: gets what such a file cannot hold, a
    sentence each.
    """
    notes = [] if notes is None else notes
    source = _config.sections(source)
    written = {key: copy.deepcopy(plain(source[key])) for key in SECTIONS if source and key in source}
    cloud = _config.parse(written, name) if written else None
    nodes = _with_others(nodes, cloud)
    written["cloud_management"] = {"driver": "universal"}
    written["node_discover"] = {"driver": "node_list", "args": [_node(node, nodes, cloud) for node in nodes]}
    units, ports = (dict((written.get("faultline") or {}).get(key) or {}) for key in ("units", "ports"))
    in_containers = _in_containers(nodes, cloud)
    for kind, section in (("service", "services"), ("container", "containers")):
        entries = written.get(section) or {}
        given, taken = set(entries), {group_name(kind, each): each for each in entries}
        for thing in sorted({*entries, *(name for node in nodes for name in node.written(kind))}):
            other = taken.setdefault(group_name(kind, thing), thing)
            if other != thing:
                notes.append(f"{kind} {thing}: a file cannot have it beside {other}, as both would be the group {group_name(kind, thing)}. It is left out.")
                continue
            try:
                entries[thing] = _entry(kind, thing, entries.get(thing), nodes, cloud)
            except FaultlineError as exc:
                notes.append(f"{exc.text} It is left out.")
                continue
            all_units = _units(nodes, thing) if kind == "service" else []
            if len(all_units) > 1 and entries[thing]["driver"] in ("system_service", "systemd_service"):
                units[thing] = all_units
            # os-faults has room for one port
            if kind == "service" and thing not in given and len(_ports(nodes, thing)) > 1:
                ports[thing] = _ports(nodes, thing)
                notes.append(
                    f"service {thing} has the ports {', '.join(' '.join(map(str, pair)) for pair in ports[thing])}. os-faults has room for the first; "
                    "all are under faultline.ports.")
        if entries or section == "services":
            written[section] = {thing: entries[thing] for thing in sorted(entries)}
    partial = _partial(nodes, cloud, {"service": [written["services"], in_containers], "container": [written.get("containers") or {}]}, notes)
    extra = {
        **(written.pop("faultline", None) or {}), "networks": _networks(nodes, cloud), "units": units, "ports": ports, "in_containers": in_containers,
        "partial": partial}
    extra = {key: value for key, value in extra.items() if value}
    if extra:
        # Ours: os-faults passes over it.
        written["faultline"] = extra
    first = ("cloud_management", "node_discover", "services", "containers", "power_managements", "faultline")
    return {key: written[key] for key in first if key in written}


def _with_others(nodes, cloud):
    """The nodes of the source in their order, those that nobody looked at included; then any others."""
    looked = {node.name: node for node in nodes}
    said = [
        Seen(name=each.name, ip=each.ip, auth=each.auth, fqdn=each.fqdn, mac=each.mac, libvirt_name=each.libvirt_name)
        for each in (cloud.nodes if cloud else [])
    ]
    return [looked.pop(node.name, node) for node in said] + list(looked.values())


def _node(node, nodes, cloud):
    host = (node.found or {}).get("faultline_host") or {}
    said = next((each for each in cloud.nodes if each.name == node.name), None) if cloud else None
    names = [(other.found or {}).get("faultline_host", {}).get("fqdn") for other in nodes]
    fqdn = node.fqdn or host.get("fqdn") or ""
    entry = {"ip": node.ip}
    # what every machine calls itself is no name of one
    if fqdn and names.count(fqdn) < 2 and (node.fqdn or fqdn.partition(".")[0] not in ("localhost", "all", "ungrouped", "unprobed")):
        entry["fqdn"] = fqdn
    if host.get("mac") or node.mac:
        entry["mac"] = host.get("mac") or node.mac
    if node.libvirt_name:
        entry["libvirt_name"] = node.libvirt_name
    auth = {key: value for key, value in said.auth.items() if value is not None} if said else node.auth
    if auth:
        entry["auth"] = plain(auth)
    return entry


def _entry(kind, name, given, nodes, cloud):
    """One service or container: as it was given, or as it was found; with its hosts."""
    on = [node for node in nodes if name in node.written(kind)]
    said = (cloud.services if kind == "service" else cloud.containers).get(name) if cloud and given else None
    ips = _addresses(kind, name, nodes, on, said)
    if given:
        entry = {key: value for key, value in given.items() if key != "hosts"}
    else:
        entry = _found_entry(kind, name, on[0].things(kind)[name])
    if ips:
        entry["hosts"] = ips
    return entry


def _addresses(kind, name, nodes, on, said):
    """The nodes that have it: those it was found on, and those that could not tell of which it is said. on: the first; said: the Thing of the file, or None."""
    told = said.hosts or [] if said else []
    return [node.ip for node in nodes if node in on or node.blind(kind, name) and node.name in told]


def _in_containers(nodes, cloud):
    """Services that run in containers; os-faults has no driver for that, so they are not among the services of its file."""
    said, entries = cloud.in_containers if cloud else {}, {}
    for name in sorted({*said, *(name for node in nodes for name in node.in_containers())}):
        on = [node for node in nodes if name in node.in_containers()]
        ips = _addresses("service", name, nodes, on, said.get(name))
        if ips:
            first = on[0].things("service")[name] if on else said[name].definition
            entries[name] = {"driver": first["driver"], "args": {"container_name": first["container_name"]}, "hosts": ips}
    return entries


def _partial(nodes, cloud, written, notes):
    """Section -> name -> address of a node -> why it could not be seen whether it belongs to the hosts that are written, which nobody has said either.

    written: kind -> lists of entries by name.
    """
    found, why_of = {}, {}
    for kind, sections in written.items():
        known = ([cloud.services, cloud.in_containers] if kind == "service" else [cloud.containers]) if cloud else []
        for name in sorted({name for entries in sections for name, entry in entries.items() if entry.get("hosts")}):
            hosts = {ip for entries in sections for ip in entries.get(name, {}).get("hosts") or []}
            said = [things[name] for things in known if name in things]
            before = {node: why for thing in said for node, why in thing.unseen.items()}
            told = any(thing.hosts is not None for thing in said)
            for node in nodes:
                why = node.blind(kind, name)
                if why and node.ip not in hosts and (not told or node.name in before):
                    why = (before.get(node.name, why) if why == _NOT_LOOKED else why)[:200]
                    found.setdefault(f"{kind}s", {}).setdefault(name, {})[node.ip] = why
                    why_of.setdefault((node.name, why), {})[name] = None
    notes += [
        f"{node}: it could not be seen whether it has {', '.join(names)}: {why}. The file says so under faultline.partial."
        for (node, why), names in why_of.items()]
    return found


def _found_entry(kind, name, definition):
    if kind == "container":
        return {"driver": "docker_container", "args": {"container_name": definition["container_name"]}}
    driver, ports = definition["driver"], definition.get("port") or []
    args = {"grep": _pattern(name, definition)}
    if driver in ("system_service", "linux_service"):
        key = {"system_service": "service_name"}.get(driver, driver)
        args = {key: definition["unit"][0], "grep": args["grep"] or definition["unit"][0]}
    else:
        keys = ("start_cmd", "terminate_cmd", "restart_cmd", "start_timeout", "stop_timeout", "salt_service", "pcs_service", "linux_service")
        args.update({key: definition[key] for key in keys if definition.get(key)})
    if ports:
        args["port"] = ports[0] if isinstance(ports[0], list) else ports
    return {"driver": driver, "args": args}


def _pattern(name, definition):
    """What finds the service in `ps | grep`; '' where nothing does."""
    plain_one = _catalogue.plain_grep(_names.entry("service", name, definition))
    # with a unit the pattern is for os-faults alone
    if definition.get("unit") and plain_one or not definition.get("grep"):
        return plain_one
    try:
        return _grep.from_python(definition["grep"])
    except _grep.BadPattern as exc:
        if plain_one or definition.get("unit"):
            return plain_one
        raise FaultlineError(
            f"service {name}: its pattern '{definition['grep']}' cannot be written to an os-faults file: {exc}.", code="bad_config",
            hint="Give it a pattern that needs no more than grep knows.",
        ) from None


def _units(nodes, service):
    found = [unit for node in nodes for unit in node.written("service").get(service, {}).get("unit") or []]
    return list(dict.fromkeys(found))


def _ports(nodes, service):
    """All ports of a service, as pairs."""
    found = [node.written("service").get(service, {}).get("port") or [] for node in nodes]
    return list({str(pair): pair for each in found for pair in (each if each and isinstance(each[0], list) else [each] if each else [])}.values())


def _networks(nodes, cloud):
    """Name -> network, of those that are the same on all nodes that have them."""
    networks = dict(cloud.networks) if cloud else {}
    for node in nodes:
        for name, told in ((node.found or {}).get("faultline_networks") or {}).items():
            if told.get("cidr"):
                networks.setdefault(name, {}).setdefault("cidr", told["cidr"])
                if networks[name]["cidr"] != told["cidr"]:
                    networks[name] = {"interface": told["interface"]}
    return {
        name: told["cidr"] if list(told) == ["cidr"] else {key: value for key, value in told.items() if value}
        for name, told in networks.items()
    }
