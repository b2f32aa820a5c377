# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look at a host: which services and containers are on it, what its networks are, what it can do.

This file stands alone. The module os_cloud_facts imports it; the inventory plugin sends it through ssh to `python3 -`.
"""

from __future__ import annotations

import ipaddress
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import time

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.\\@-]*\Z")
_DOCKER_SOCKET = "/var/run/docker.sock"
_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_UNIT_TYPES = (".service", ".socket", ".target", ".timer", ".mount", ".path", ".scope", ".slice")


class Look:
    """What one look has to keep in mind: its deadline, and what it was not allowed to see."""

    def __init__(self, timeout):
        self.end = time.monotonic() + timeout
        self.lacking = []
        # what was looked for and could not be seen, which says nothing of whether it is there: name -> why
        self.unseen = {"services": {}, "containers": {}}
        # unit -> why systemd was not asked for it, or did not tell; all of them, if it told nothing at all
        self.bad_units, self.no_units = {}, ""
        # why some processes, some engines are hidden from us
        self.hidden, self.engineless = "", ""
        self.engines = None
        # why an engine that has its program here has no containers to tell of: engine -> why
        self.idle = {}

    def lack(self, what):
        if what not in self.lacking:
            self.lacking.append(what)

    def miss(self, kind, name, why):
        """Note that a service or a container could not be looked for."""
        self.unseen[kind][name] = why
        if why not in self.lacking:
            self.lack("%s %s: %s" % (kind[:-1], name, why))

    def run(self, argv):
        """(return code, stdout, stderr) of a command; None when it is not there or too slow. It may take four fifths of what is left, so that one that
        hangs leaves some for the others, and for the answer."""
        program = which(argv[0])
        if not program:
            return None
        env = {"PATH": _PATH, "LC_ALL": "C", "HOME": "/", "SYSTEMD_COLORS": "0"}
        left = max(0.1, (self.end - time.monotonic()) * 0.8)
        try:
            done = subprocess.run(
                [program, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                timeout=left,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self.lack("%s gave no answer within %.1f s" % (argv[0], left))
            return None
        except OSError as exc:
            self.lack("%s could not be run: %s" % (argv[0], exc.strerror))
            return None
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def which(program):
    return shutil.which(program, path=_PATH)


def _read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


# -- processes --------------------------------------------------------------------------------------------------------


def _processes(look):
    """PID -> (command line, control group) of all processes but kernel threads, zombies and our own chain."""
    found, parents = {}, {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        pid = int(name)
        stat = _read("/proc/%d/stat" % pid)
        if stat is None:
            continue
        parents[pid] = int(stat.rsplit(b")", 1)[1].split()[1])
        line = (_read("/proc/%d/cmdline" % pid) or b"").rstrip(b"\0")
        if line:
            found[pid] = (line.replace(b"\0", b" ").decode("utf-8", "replace"), _control_group(pid))
    if 1 not in parents:
        look.hidden = "processes of other users are hidden here (hidepid)"
        look.lack(look.hidden)
    pid, lines = os.getpid(), set()
    while pid in parents:
        # What started us may quote a pattern that we look for, and so may its twin before sudo.
        lines.add(found.pop(pid, ("",))[0])
        pid = parents.pop(pid)
    return {pid: entry for pid, entry in found.items() if entry[0] not in lines}


def _control_group(pid):
    for line in (_read("/proc/%d/cgroup" % pid) or b"").decode("utf-8", "replace").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers in ("", "name=systemd"):
            return path
    return ""


# -- units ------------------------------------------------------------------------------------------------------------


def _full_name(unit):
    return unit if unit.endswith(_UNIT_TYPES) else unit + ".service"


def _init():
    if os.path.isdir("/run/systemd/system"):
        return "systemd"
    return (_read("/proc/1/comm") or b"unknown").decode("utf-8", "replace").strip()


def _units(look, candidates):
    """Candidate -> {id, up, there, control_group} for units that exist; all in one systemctl call, unless it refuses a name."""
    look.bad_units.update((unit, "'%s' is no name of a unit" % unit) for unit in candidates if not _UNIT.match(unit))
    candidates = sorted({unit for unit in candidates if unit not in look.bad_units})
    if not candidates:
        return {}
    if not os.path.isdir("/run/systemd/system"):
        scripts = [unit for unit in candidates if os.path.exists("/etc/init.d/" + unit)]
        return {unit: {"id": unit, "up": None, "there": True, "control_group": ""} for unit in scripts}
    for unit in candidates:
        if _full_name(unit).rpartition(".")[0].endswith("@"):
            # systemctl ends at such a name, and says nothing of those after it
            look.bad_units[unit] = "'%s' is a template: say which instance, as in %s1" % (unit, _full_name(unit).rpartition(".")[0])
    blocks = _shown(look, [unit for unit in candidates if unit not in look.bad_units])
    units = {}
    for unit, block in blocks.items():
        told = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        # Masked for now, as by a fault that is on: still a service of this host.
        loaded = told.get("LoadState") == "loaded" or told.get("UnitFileState") == "masked-runtime"
        state, file_state = told.get("ActiveState", ""), told.get("UnitFileState", "")
        up = state in ("active", "reloading", "activating", "deactivating")
        there = loaded and (up or state == "failed" or file_state.startswith(("enabled", "masked-runtime")))
        if there:
            units[unit] = {
                "id": told.get("Id") or _full_name(unit),
                "up": state in ("active", "reloading"),
                "there": there,
                "control_group": told.get("ControlGroup", ""),
                "main": int(told.get("MainPID") or 0),
            }
    return units


def _shown(look, units):
    """Unit -> what systemctl shows of it. It ends at the first name that it does not take: then each half is asked for by itself, so that such a name
    costs itself only."""
    if not units or look.no_units:
        return {}
    argv = ["systemctl", "show", "--no-pager", "--property=Id,LoadState,ActiveState,UnitFileState,MainPID,ControlGroup", "--"]
    done = look.run(argv + [_full_name(unit) for unit in units])
    said = (done[2].strip().splitlines() or [""])[-1][:200] if done else ""
    blocks = done[1].strip("\n").split("\n\n") if done and done[1].strip() else []
    if len(blocks) == len(units):
        return dict(zip(units, blocks))
    blamed = [unit for unit in units if done and _full_name(unit) in done[2]]
    if done is None or not blocks and not blamed and not _answers(look):
        look.no_units = "systemctl told nothing of the units%s" % (": " + said if said else "")
        look.lack(look.no_units)
        return {}
    if len(units) == 1:
        look.bad_units[units[0]] = "systemctl told nothing of the unit %s%s" % (units[0], ": " + said if said else "")
        return {}
    half = len(units) // 2
    parts = [blamed, [unit for unit in units if unit not in blamed]] if blamed and len(blamed) < len(units) else [units[:half], units[half:]]
    return {unit: block for part in parts for unit, block in _shown(look, part).items()}


def _answers(look):
    """Whether systemd tells anything at all."""
    done = look.run(["systemctl", "show", "--no-pager", "--property=Version"])
    return bool(done and done[0] == 0 and done[1].strip())


# -- services and containers ------------------------------------------------------------------------------------------


_TEXT, _NUMBER = (str,), (int, float)
# what a field of a definition may be, and how it is said; a list has text in it
_FIELDS = dict(
    [(name, (_TEXT, "text")) for name in (
        "driver", "grep", "container_name", "engine", "pcs_service", "salt_service", "linux_service", "start_cmd", "terminate_cmd", "restart_cmd")],
    unit=((str, list), "text, or a list of it, as in [nova-api]"), container=((str, list), "text, or a list of it, as in [nova_api]"),
    start_timeout=(_NUMBER, "a number of seconds"), stop_timeout=(_NUMBER, "a number of seconds"),
    port=((int, str, list), "a pair such as [tcp, 3306], or a list of such"))


def _kind(value):
    """What a value is, in words."""
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else "true or false"
    if isinstance(value, float):
        return str(value)
    return {int: "a number", list: "a list", dict: "a dictionary", str: "text"}.get(type(value), type(value).__name__)


def _is_number(value):
    try:
        return float(value) >= 0
    except ValueError:
        return False


def wrong_with(definition):
    """What is wrong with a definition of a service or a container, or ''."""
    if not isinstance(definition, dict):
        return "its definition is no dictionary, as {unit: [nova-api], grep: nova-api}"
    for name, (kinds, expected) in _FIELDS.items():
        value = definition.get(name)
        good = value is None or isinstance(value, kinds) and not isinstance(value, bool) or kinds is _NUMBER and isinstance(value, str) and _is_number(value)
        odd = [each for each in value if not isinstance(each, str)] if good and isinstance(value, list) and name != "port" else []
        if odd or not good:
            return "its %s is %s, expected %s" % (name, "a list with %s" % _kind(odd[0]) if odd else _kind(value), expected)
    return ""


def _well_formed(look, kind, definitions):
    """The definitions that are some, without what has no value; a unit that stands by itself is a list of one."""
    found = {}
    for name, definition in definitions.items():
        why = wrong_with(definition)
        if why:
            look.miss(kind, name, why)
            continue
        found[name] = {key: value for key, value in definition.items() if value is not None}
        for key in ("unit", "container"):
            if isinstance(definition.get(key), str):
                found[name][key] = [definition[key]]
    return found


def _services(look, definitions):
    definitions = _well_formed(look, "services", definitions)
    wanted = [unit for definition in definitions.values() for unit in definition.get("unit") or []]
    units = _units(look, wanted)
    processes = _processes(look)
    found = {}
    for name, definition in definitions.items():
        here = _service(look, name, definition, units, processes)
        # a unit that could not be asked for may be what runs the processes
        why = _unseen(look, definition, here, processes)
        if why:
            look.miss("services", name, why)
        elif here:
            found[name] = here
    return found


def _unseen(look, definition, here, processes):
    """Why it is not known whether, or how, a service is on this host; '' where it is."""
    if here and (here.get("unit") or here.get("container_name")):
        return ""
    if here and look.engineless and here["pids"] and all(_CONTAINER_ID.search(processes[pid][1]) for pid in here["pids"]):
        return look.engineless
    wanted = definition.get("unit") or []
    bad = next((look.bad_units[unit] for unit in wanted if unit in look.bad_units), "")
    if bad or wanted and look.no_units:
        return bad or look.no_units
    if here:
        return ""
    if definition.get("grep") and _expression(definition["grep"])[1]:
        return "its grep is no regular expression: %s" % _expression(definition["grep"])[1]
    if str(definition.get("driver") or "").endswith("_container"):
        return look.engineless
    return look.hidden if definition.get("grep") else ""


def _service(look, name, definition, units, processes):
    """The definition of a service as it is on this host, or None."""
    here, ids, groups, pids = {}, [], [], set()
    candidates = [units[unit] for unit in definition.get("unit") or [] if unit in units]
    # Of units that exist those count that run; of a service that is down altogether, those that should.
    for unit in [unit for unit in candidates if unit["up"]] or candidates:
        if unit["id"] not in ids:
            ids.append(unit["id"])
            groups.append(unit["control_group"])
            pids.update([unit["main"]] if unit.get("main") in processes else [])
    for pid, (_line, group) in processes.items():
        if any(below and (group + "/").startswith(below.rstrip("/") + "/") for below in groups):
            pids.add(pid)
    active = any(unit["up"] for unit in candidates)
    if not ids or candidates[0]["up"] is None:
        # No unit here, or an init script that tells nothing: the processes themselves.
        pids = set(_matching(definition.get("grep"), processes))
        active = bool(pids)
        container = None if ids else _container_of(look, name, definition, pids, processes)
        if container:
            return container
        if not ids and not pids:
            return None
    here["driver"] = definition.get("driver") or "system_service"
    if ids:
        here["unit"] = [unit[: -len(".service")] if unit.endswith(".service") else unit for unit in ids]
    elif here["driver"] in ("system_service", "linux_service"):
        # No unit of that name: what can be got hold of is the process.
        here["driver"] = "process"
    here.update({key: value for key, value in definition.items() if key not in ("driver", "unit", "container")})
    here["active"] = active
    here["pids"] = sorted(pids)
    return here


def _expression(pattern):
    """(the compiled regular expression or None, why it is none)."""
    try:
        return re.compile(pattern), ""
    except (re.error, TypeError) as exc:
        return None, str(exc)


def _matching(pattern, processes):
    expression = _expression(pattern)[0] if pattern else None
    return [pid for pid, (line, _group) in processes.items() if expression.search(line)] if expression else []


def _container_of(look, name, definition, pids, processes):
    """The definition of a service that is a container of this host and neither unit nor process of the host itself, or None."""
    driver, usual = definition.get("driver") or "system_service", definition.get("container") or []
    if driver.endswith("_container"):
        # the user says so
        pids, usual = set(), [definition.get("container_name") or name]
    elif driver not in ("system_service", "linux_service"):
        return None
    # this host may be a container itself, so that there are two
    ids = [_CONTAINER_ID.findall(processes[pid][1]) for pid in pids]
    there = _all_containers(look) if all(ids) and (pids or usual) else {}
    known = {told[1] for told in there.values()}
    if not all(known.intersection(each) for each in ids):
        return None
    names = [each for each, told in there.items() if (any(told[1] in of for of in ids) if pids else each in usual)]
    # of several that run it, as the API and the RPC server of Neutron, that which bears its name
    names = [each for each in usual if each in names] or (names if len(names) == 1 else [])
    if not names:
        return None
    engine, identity, up = there[names[0]]
    here = {"driver": engine + "_container", "container_name": names[0], "engine": engine, "id": identity, "active": up}
    here.update({key: definition[key] for key in ("grep", "port") if definition.get(key)})
    here["pids"] = sorted(pid for pid, (_line, group) in processes.items() if identity in group)
    return here


def _all_containers(look):
    """Container name -> (engine, id, whether it runs) of all on this host; one call per engine, once."""
    if look.engines is not None:
        return look.engines
    there = look.engines = {}
    for engine in ("docker", "podman"):
        if not which(engine):
            continue
        if engine == "podman" and os.path.realpath(which("docker") or "") == os.path.realpath(which("podman")):
            continue
        done = look.run([engine, "ps", "--all", "--no-trunc", "--format", "{{.ID}}\t{{.Names}}\t{{.Status}}"])
        if done is None or done[0] != 0:
            said = (done[2].strip().splitlines() or [""])[-1][:200] if done else "no answer"
            why = "%s ps: %s" % (engine, said)
            if engine == "docker" and not _listens(_DOCKER_SOCKET):
                look.idle[engine] = why if which("dockerd") else "docker is a client only here: it has no daemon"
                if look.idle[engine] != why:
                    continue
            look.engineless = why
            look.lack(why)
            continue
        for line in done[1].splitlines():
            fields = line.split("\t")
            if len(fields) == 3:
                for name in fields[1].split(","):
                    there.setdefault(name.strip(), (engine, fields[0], fields[2].startswith("Up")))
    return there


def _listens(path):
    """Whether somebody answers at a Unix socket, or may."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(path)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True


def _containers(look, definitions):
    """The containers that are on this host, by exact name."""
    definitions = _well_formed(look, "containers", definitions)
    there = _all_containers(look) if definitions else {}
    found = {}
    for name, definition in definitions.items():
        engine = there.get(definition.get("container_name") or name)
        if engine:
            found[name] = dict(definition, engine=engine[0], id=engine[1], active=engine[2])
        elif look.engineless:
            look.miss("containers", name, look.engineless)
    return found


# -- the host and its networks ----------------------------------------------------------------------------------------


def _interfaces(look):
    """Name -> {mac, state, addresses: [10.0.0.1/24, ...]}."""
    done = look.run(["ip", "-json", "address"])
    if done and done[0] == 0:
        try:
            return {
                link["ifname"]: {
                    "mac": link.get("address", ""),
                    "state": link.get("operstate", "").lower(),
                    "addresses": [
                        "%s/%d" % (each["local"], each["prefixlen"])
                        for each in link.get("addr_info", [])
                        if "local" in each
                    ],
                }
                for link in json.loads(done[1] or "[]")
                if link.get("ifname")
            }
        except (ValueError, KeyError, TypeError):
            pass
    found = {}
    for name in sorted(os.listdir("/sys/class/net") if os.path.isdir("/sys/class/net") else []):
        folder = "/sys/class/net/%s/" % name
        mac, state = _read(folder + "address"), _read(folder + "operstate")
        if mac is not None:
            found[name] = {"mac": mac.decode().strip(), "state": (state or b"").decode().strip(), "addresses": []}
    if found:
        look.lack("addresses of the interfaces: `ip -json address` does not work here")
    return found


def _bare(address):
    return ipaddress.ip_address(address.split("/")[0].split("%")[0])


def _interface_of(address, interfaces):
    """The interface that holds an address, or ''."""
    try:
        wanted = _bare(address)
    except ValueError:
        return ""
    for name, told in interfaces.items():
        if any(_bare(each) == wanted for each in told["addresses"]):
            return name
    return ""


def _interface_in(cidr, interfaces):
    """The first interface with an address in a network, or ''."""
    try:
        network = ipaddress.ip_network(cidr, strict=False) if cidr else None
    except ValueError:
        return ""
    for name in sorted(interfaces) if network else []:
        if any(_bare(address) in network for address in interfaces[name]["addresses"]):
            return name
    return ""


def _default_route():
    for line in (_read("/proc/net/route") or b"").decode().splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000":
            return fields[0]
    return ""


def _management(spec, interfaces):
    """The interface by which the host is reached."""
    if spec.get("iface") in interfaces:
        return spec["iface"]
    for address in [spec.get("address") or "", (os.environ.get("SSH_CONNECTION") or "").split(" ")[2:3]]:
        address = address[0] if isinstance(address, list) and address else address
        name = _interface_of(address, interfaces) if address else ""
        if name and name != "lo":
            return name
    default = _default_route()
    if default in interfaces:
        return default
    return next((name for name in sorted(interfaces) if name != "lo"), "")


def _networks(wanted, interfaces, management):
    """Network name -> {interface, cidr, mac}, of the networks that this host is on."""
    wanted = dict(wanted)
    if management:
        wanted.setdefault("management", {"interface": management})
    found = {}
    for name, told in wanted.items():
        told = {"cidr": told} if isinstance(told, str) else dict(told or {})
        interface, cidr = told.get("interface") or "", told.get("cidr") or ""
        interface = _interface_in(cidr, interfaces) or interface
        if interface in interfaces:
            if not cidr:
                cidr = next((str(ipaddress.ip_interface(a).network) for a in interfaces[interface]["addresses"]), "")
            found[name] = {"interface": interface, "cidr": cidr, "mac": interfaces[interface]["mac"]}
    return found


def _fqdn(look):
    """The host's full name, without asking a name server that may be slow."""
    name = os.uname().nodename
    if "." in name:
        return name
    for line in (_read("/etc/hosts") or b"").decode("utf-8", "replace").splitlines():
        for word in line.split("#")[0].split()[1:]:
            if word.startswith(name + "."):
                return word
    done = look.run(["hostname", "--fqdn"])
    told = done[1].strip() if done and done[0] == 0 else ""
    return told if told and not told.startswith("localhost") else name


def _host(look, spec, interfaces, management):
    return {
        "fqdn": _fqdn(look),
        "hostname": socket.gethostname(),
        "mac": interfaces.get(management, {}).get("mac", ""),
        "interface": management,
        "interfaces": interfaces,
        "init": _init(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "tools": {tool: bool(which(tool)) for tool in ("nft", "tc", "ip", "systemctl", "systemd-run", "docker", "podman")},
        "engines": look.idle,
        "root": os.geteuid() == 0,
    }


def probe(spec):
    """What is on this host.

    spec: services (name -> definition), containers (name -> definition), networks (name -> cidr, or a mapping with
    interface and cidr), iface and address (how the host is known), timeout (seconds for all of it, 30 if not said).
    Returns services, containers, networks (those that are here), host, complete, lacking (reasons), unseen (what could not be looked for: services and
    containers, name -> why), seconds.
    """
    begin = time.monotonic()
    look = Look(float(spec.get("timeout") or 30))
    interfaces = _interfaces(look)
    management = _management(spec, interfaces)
    found = {
        "services": _services(look, spec.get("services") or {}),
        "containers": _containers(look, spec.get("containers") or {}),
        "networks": _networks(spec.get("networks") or {}, interfaces, management),
        "host": _host(look, spec, interfaces, management),
    }
    found["complete"] = not look.lacking
    found["lacking"] = look.lacking
    found["unseen"] = look.unseen
    found["seconds"] = round(time.monotonic() - begin, 3)
    return found
