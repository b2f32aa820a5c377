# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which lab of this machine is whose, so that none disturbs another:

    labs.py claim         take a number: make the networks of the lab, or find that they are another lab's
    labs.py remove        remove from the engine what is of the lab in a directory, and nothing else
    labs.py others        name the other labs of this engine
    labs.py claim-vm      take a number for virtual machines: a run folder

A lab is a directory with its key, and all that it has made carries the label faultline.dir with that directory. What carries a directory that is gone
is nobody's. The request is JSON on standard input. Exit code 3: the number is not free, and why is on standard error.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import pathlib
import re
import subprocess
import sys

TAKEN = 3
KEY = "id_ed25519"
ROUTES = "/proc/net/route"
# whoever looks at run folders does it alone
LOCK = "/run/faultline-vm.lock"


class Taken(Exception):
    """A number that is not free, with the reason."""


# ---- what both kinds of labs ask --------------------------------------------------------------------------------------


def is_lab(folder):
    """Whether a lab is in this directory. One that we may not look into counts."""
    try:
        os.stat(os.path.join(folder, KEY))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def routes():
    """Each IPv4 route of this machine but the default ones: (interface, network, gateway or None)."""

    def address(word):
        return ipaddress.IPv4Address(int(word, 16).to_bytes(4, sys.byteorder))

    if not os.path.exists(ROUTES):
        return []
    lines = pathlib.Path(ROUTES).read_text(encoding="ascii").splitlines()[1:]
    found = []
    for interface, target, gateway, _flags, _refs, _use, _metric, mask, *_rest in map(str.split, lines):
        network = ipaddress.IPv4Network((address(target), str(address(mask))), strict=False)
        found.append((interface, network, address(gateway) if int(gateway, 16) else None))
    return found


def refuse_routed(wanted, interfaces, wide):
    """Raise Taken if this machine reaches one of these networks by an interface that is not of the lab.

    wide: a wider route does no harm, as that of the lab is the more specific one; what is reached by the wider one there is hidden then.
    """
    for interface, network, gateway in routes():
        for mine in wanted:
            inside = network.subnet_of(mine) or (gateway is not None and gateway in mine)
            hidden = network.prefixlen > 0 and network.overlaps(mine) and not wide
            if interface not in interfaces and (inside or hidden):
                raise Taken(f"{mine} overlaps the route to {network} by {interface}")


# ---- labs of containers -----------------------------------------------------------------------------------------------


def docker(*words, check=True):
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"docker {' '.join(words[:3])}: {done.stderr.strip()}")
    return done


class Thing:
    """A container, network or volume of the engine. lab, folder: what its labels say, or None."""

    def __init__(self, kind, name, labels, told):
        self.kind = kind
        self.name = name
        self.lab = (labels or {}).get("faultline.lab")
        self.folder = (labels or {}).get("faultline.dir")
        self.told = told

    def subnets(self):
        return [ipaddress.ip_network(each["Subnet"]) for each in self.told["IPAM"]["Config"] or [] if each.get("Subnet")]

    def interface(self):
        """The bridge of a network, by which this machine reaches it."""
        return (self.told.get("Options") or {}).get("com.docker.network.bridge.name") or f"br-{self.told['Id'][:12]}"

    def key(self):
        """The public key by which a node lets in."""
        environment = dict(word.partition("=")[::2] for word in self.told["Config"]["Env"] or [])
        return environment.get("FAULTLINE_AUTHORIZED_KEY", "").strip()


class Engine:
    """What there is in Docker's engine, as seen at one moment."""

    def __init__(self):
        ours = ["--filter", "label=faultline.lab"]
        self.containers = [
            Thing("container", each["Id"], each["Config"]["Labels"], each) for each in self._inspect("container", "ps", "--all", "--no-trunc", *ours)]
        self.networks = [Thing("network", each["Id"], each["Labels"], each) for each in self._inspect("network", "network", "ls", "--no-trunc")]
        self.volumes = [Thing("volume", each["Name"], each["Labels"], each) for each in self._inspect("volume", "volume", "ls", *ours)]

    @staticmethod
    def _inspect(kind, *listing):
        names = docker(*listing, "--quiet").stdout.split()
        # what went meanwhile is missing from the answer
        return json.loads(docker(kind, "inspect", *names, check=False).stdout or "[]") if names else []

    @property
    def things(self):
        return [*self.containers, *self.networks, *self.volumes]

    def of_folder(self, folder):
        return [thing for thing in self.things if thing.folder == folder]

    def unmarked(self, lab):
        """What is of a lab that was made before labs noted their directory."""
        return [thing for thing in self.things if thing.lab == lab and not thing.folder]

    def left_over(self, lab, folder):
        """What is of a lab of this name that may be replaced. Raises Taken where it is another lab's."""
        for thing in self.things:
            if thing.lab == lab and thing.folder and thing.folder != folder and is_lab(thing.folder):
                raise Taken(f"{lab} is the lab of {thing.folder}")
        unmarked = self.unmarked(lab)
        if any(thing.kind == "container" for thing in unmarked) and not proven(unmarked, folder):
            raise Taken(f"{lab} has nodes that do not say which directory they are of; if nobody needs them, remove them with docker rm")
        return unmarked + [thing for thing in self.things if thing.lab == lab and thing.folder and thing.folder != folder]


def take_away(things):
    """Remove these; their names."""
    for kind, *how in (("container", "--force", "--volumes"), ("network",), ("volume",)):
        names = [thing.name for thing in things if thing.kind == kind]
        done = docker(kind, "rm", *how, *names, check=False) if names else None
        # what another took away meanwhile is gone as well
        left = [line for line in done.stderr.splitlines() if line.strip() and not re.search("no such|not found", line, re.IGNORECASE)] if done else []
        if done and done.returncode and left:
            raise SystemExit(f"docker {kind} rm: {' '.join(left)}")
    return [thing.name for thing in things]


def proven(unmarked, folder):
    """Whether these nodes, which do not say which directory they are of, let this directory's key in."""
    try:
        key = pathlib.Path(folder, f"{KEY}.pub").read_text(encoding="utf-8").strip()
    except OSError:
        return False
    return any(thing.kind == "container" and thing.key() == key for thing in unmarked)


def claim(folder, lab, networks, wide):
    """The networks of this lab are there and its own. Returns what was changed.

    networks: [{name, subnet, args}]. That the engine refuses what overlaps is what keeps two labs apart that come up at the same moment.
    """
    engine = Engine()
    replaced = engine.left_over(lab, folder)
    wanted = {each["name"]: ipaddress.ip_network(each["subnet"]) for each in networks}
    mine = engine.of_folder(folder)
    kept = [thing for thing in mine if thing.kind == "network" and thing.lab == lab and [wanted.get(thing.told["Name"])] == thing.subnets()]
    if any(thing.kind == "network" and thing not in kept for thing in mine) or any(thing.lab != lab for thing in mine):
        # a directory has one lab: this one had another name, or other networks
        replaced, kept = replaced + mine, []
    missing = [each for each in networks if each["name"] not in [thing.told["Name"] for thing in kept]]
    if missing:
        ours = [thing for thing in engine.networks if thing in kept or thing in replaced]
        refuse_overlaps([wanted[each["name"]] for each in missing], [thing for thing in engine.networks if thing not in ours])
        refuse_routed([wanted[each["name"]] for each in missing], [thing.interface() for thing in ours], wide)
    gone = take_away(replaced)
    make(missing, lab, folder)
    return gone + [each["name"] for each in missing]


def refuse_overlaps(wanted, networks):
    for thing in networks:
        for subnet in thing.subnets():
            for mine in wanted:
                if subnet.version == 4 and subnet.overlaps(mine):
                    raise Taken(f"{mine} overlaps Docker's network {thing.told['Name']}, {subnet}")


def make(networks, lab, folder):
    made = []
    for each in networks:
        # whoever asks for no address gets one of the upper half, out of the way of the nodes and the virtual address
        upper = list(ipaddress.ip_network(each["subnet"]).subnets())[1]
        done = docker(
            "network", "create", "--driver=bridge", f"--subnet={each['subnet']}", f"--ip-range={upper}", f"--label=faultline.lab={lab}",
            f"--label=faultline.dir={folder}", *each["args"], each["name"], check=False)
        if done.returncode:
            for identity in made:
                docker("network", "rm", identity, check=False)
            reason = f"docker network create {each['name']} {each['subnet']}: {done.stderr.strip()}"
            raise Taken(reason) if re.search("overlap|conflict|already exists", done.stderr) else SystemExit(reason)
        made.append(done.stdout.strip())


def remove(folder, lab):
    """Remove what is of the lab in this directory; its names."""
    engine = Engine()
    unmarked = engine.unmarked(lab)
    return take_away(engine.of_folder(folder) + (unmarked if proven(unmarked, folder) else []))


def others(folder):
    """What there is of other labs, and what else runs in the engine."""
    labs = {thing.folder for thing in Engine().things if thing.folder and thing.folder != folder and is_lab(thing.folder)}
    running = len(docker("ps", "--quiet").stdout.split())
    return sorted(f"the lab of {lab}" for lab in labs) + ([f"{running} running containers"] if running else [])


# ---- labs of virtual machines -----------------------------------------------------------------------------------------


def claim_vm(folder, run, bridges, networks, script, wide):
    """The run folder is there and this lab's own. Returns what was changed."""
    with locked():
        note = pathlib.Path(run, "dir")
        owner = note.read_text(encoding="utf-8").rstrip("\n") if note.exists() else None
        if owner == folder:
            return []
        if owner and is_lab(owner):
            raise Taken(f"{run} is the lab of {owner}")
        if not owner and libvirtd(run) and not proven_vm(run, folder):
            raise Taken(f"{run} has a libvirtd that does not say which directory it is of")
        refuse_routed([ipaddress.ip_network(f"{each}.0/24") for each in networks], bridges, wide)
        if owner:
            leave(owner, run, bridges, script)
        os.makedirs(run, exist_ok=True)
        note.write_text(f"{folder}\n", encoding="utf-8")
        return [run]


@contextlib.contextmanager
def locked():
    with open(LOCK, "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def libvirtd(run):
    """The PID of the libvirtd of this run folder, or None."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(pathlib.Path(run, "libvirtd.pid").read_text(encoding="ascii"))
        return pid if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "libvirtd\n" else None
    return None


def proven_vm(run, folder):
    """Whether that libvirtd's configuration is that of this directory: it lives in a mount namespace where libvirt's folders are the lab's."""
    try:
        return os.path.samefile(f"/proc/{libvirtd(run)}/root/etc/libvirt/qemu.conf", os.path.join(folder, "libvirt/etc/qemu.conf"))
    except OSError:
        return False


def leave(owner, run, bridges, script):
    """Take away what runs of a lab whose directory is gone."""
    environment = {**os.environ, "FAULTLINE_VM_DIR": owner, "FAULTLINE_VM_RUN": run, "FAULTLINE_VM_BRIDGES": " ".join(bridges)}
    subprocess.run(["bash", script, "leave"], env=environment, stdout=subprocess.DEVNULL, check=True)


def main():
    action = {"claim": claim, "remove": remove, "others": others, "claim-vm": claim_vm}[sys.argv[1]]
    try:
        print(json.dumps(action(**json.load(sys.stdin))))
    except Taken as exc:
        print(exc, file=sys.stderr)
        sys.exit(TAKEN)


if __name__ == "__main__":
    main()
