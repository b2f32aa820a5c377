# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether one VM really answers: a ping, its host keys, a login by key; and what it then says of itself."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile

from .._fault._errors import FaultlineError
from .._ha import _probe_network
from . import _known_hosts

# seconds that a ping, one answer of ssh-keyscan, a connection and a whole login may take
PING, SCAN, CONNECT, LOGIN = 3, 10, 10, 45
# the one name in the known_hosts of a login
ALIAS = "vm"
# what a VM is asked for, on the standard input of its shell; images without lsblk are many, also such without hostname
LOOK = r"""
within() { if command -v timeout > /dev/null; then timeout 10 "$@"; else "$@"; fi; }
echo faultline:short
hostname -s 2> /dev/null || uname -n
echo faultline:long
within hostname -f 2> /dev/null || uname -n
echo faultline:lsblk
within lsblk --pairs --output NAME,MAJ:MIN,RM,SIZE,RO,TYPE,MOUNTPOINT 2> /dev/null
echo faultline:blocks
for each in /sys/block/*; do echo "${each##*/} $(cat "$each/removable" "$each/ro" | tr '\n' ' ')"; done 2> /dev/null
echo faultline:partitions
cat /proc/partitions 2> /dev/null
echo faultline:mounts
cat /proc/mounts 2> /dev/null
echo faultline:end
"""
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")
_PAIR = re.compile(r'([^\s="]+)="([^"]*)"')
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})|\\([0-7]{3})")
_CHANGED = ("Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED")


# ---- what a VM says


def looked(text):
    """{VM_HOSTNAME_SHORT, VM_HOSTNAME_LONG, VM_DISK} of what LOOK has printed; None when it was not all of it."""
    parts, name = {}, None
    for line in text.splitlines():
        if line.startswith("faultline:"):
            name = line[len("faultline:"):].strip()
        elif name and line.strip():
            parts.setdefault(name, []).append(line.strip())
    if name != "end":
        return None
    short = [each.partition(".")[0] for each in _names(parts.get("short"))]
    disks = _pairs(parts.get("lsblk")) or _blocks(parts.get("blocks"), parts.get("partitions"), parts.get("mounts"))
    return {"VM_HOSTNAME_SHORT": short, "VM_HOSTNAME_LONG": _names(parts.get("long")) or short, "VM_DISK": disks}


def _names(lines):
    return [each for line in lines or [] for each in line.split() if _NAME.fullmatch(each)]


def _plain(text):
    # lsblk escapes bytes as hexadecimal, the kernel as octal numbers
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16) if found[1] else int(found[2], 8)), text)


def _pairs(lines):
    """{NAME: columns} of lsblk --pairs."""
    found = {}
    for line in lines or []:
        columns = {key: _plain(value) for key, value in _PAIR.findall(line)}
        if columns.get("NAME"):
            found[columns["NAME"]] = columns
    return found


def _blocks(blocks, partitions, mounts):
    """The same from what the kernel says."""
    flags = {words[0]: words[1:3] for words in (line.split() for line in blocks or []) if len(words) >= 3}
    where = {}
    for words in (line.split() for line in mounts or []):
        if len(words) >= 2:
            where.setdefault(words[0], _plain(words[1]))
    found = {}
    for words in (line.split() for line in partitions or []):
        # 1 is the kernel's RAM disks, which lsblk leaves out as well
        if len(words) == 4 and words[0].isdigit() and words[0] != "1" and words[2].isdigit():
            name = words[3]
            whole = next((each for each in sorted(flags, key=len, reverse=True) if name.startswith(each)), name)
            removable, readonly = flags.get(whole, ("0", "0"))
            found[name] = {
                "NAME": name, "MAJ:MIN": "%s:%s" % tuple(words[:2]), "RM": removable, "SIZE": human(int(words[2]) * 1024), "RO": readonly,
                "TYPE": "part" if name not in flags else _kind(name), "MOUNTPOINT": where.get("/dev/" + name, ""),
            }
    return found


def _kind(name):
    return next((kind for prefix, kind in (("sr", "rom"), ("loop", "loop"), ("dm-", "dm")) if name.startswith(prefix)), "disk")


def human(count):
    """Bytes as lsblk writes them."""
    units = "BKMGTPE"
    power = next((power for power in range(len(units)) if count < 1024 ** (power + 1)), len(units) - 1)
    text = "%.1f" % (count / 1024.0 ** power)
    return (text[:-2] if text.endswith(".0") else text) + units[power]


def addresses(instance):
    """All addresses of an instance, the one that it is asked by first."""
    found = {}
    for text in [instance.get("address"), instance.get("floating"), *itertools.chain.from_iterable(instance["networks"].values())]:
        with contextlib.suppress(ValueError):
            found[ipaddress.ip_address(text or "").compressed] = True
    return list(found)


# ---- commands


def scan_argv(hosts, port, seconds=SCAN):
    return ["ssh-keyscan", "-T", str(seconds), "-p", str(port), *hosts]


def login_argv(address, settings, known_hosts):
    """Log in by key and nothing else, and give the shell what comes on the standard input.

    settings: {user, port, private_key (path or None), ssh_args (list)}; known_hosts: a file with the VM's keys under ALIAS.
    """
    argv = [
        "ssh", "-T", "-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey", "-o", "ControlMaster=no", "-o", "ControlPath=none",
        "-o", "ConnectTimeout=%d" % CONNECT, "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "StrictHostKeyChecking=yes",
        # the keys that were just shown count, whatever the user's files say of this address
        "-o", 'UserKnownHostsFile="%s"' % known_hosts, "-o", "GlobalKnownHostsFile=/dev/null", "-o", "UpdateHostKeys=no", "-o", "HostKeyAlias=" + ALIAS,
        "-p", str(settings["port"]), "-l", settings["user"],
    ]
    if settings.get("private_key"):
        argv += ["-i", os.path.expanduser(settings["private_key"]), "-o", "IdentitiesOnly=yes"]
    return [*argv, *settings.get("ssh_args", ()), address, "exec sh -s"]


def run(argv, timeout, stdin=""):
    """(status, output, errors); status None when it took too long. In the user's environment, for the SSH agent."""
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL="C"), start_new_session=True)
    except FileNotFoundError as exc:
        raise FaultlineError("%s is not installed on this host." % argv[0], code="missing_program", hint="Install OpenSSH's client.") from exc
    with process:
        try:
            out, err = process.communicate(stdin.encode(), timeout=timeout)
        except BaseException as exc:
            # the whole group: a ProxyCommand is a child of ssh
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(exc, subprocess.TimeoutExpired):
                return None, "", ""
            raise
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


async def _echo(address, seconds):
    pings = _probe_network.Pings()
    try:
        await pings.prepare(address)
        await asyncio.wait_for(pings.ping(address), seconds)
        return True
    except (asyncio.TimeoutError, OSError):
        return False
    finally:
        pings.close()


def ping(address, seconds=PING):
    """Whether it echoes. FaultlineError no_ping when the user may not find out."""
    try:
        return asyncio.run(_echo(address, seconds))
    except FaultlineError as exc:
        # a program of the system may have the right
        if not shutil.which("ping"):
            raise FaultlineError(exc.message, code="no_ping", hint=exc.hint + " Or wait for SSH only, with ping set to false.") from exc
    return run(["ping", "-n", "-c", "1", "-W", str(seconds), address], seconds + 2)[0] == 0


def hashes_names(address, settings):
    """Whether the user's ssh hashes the names that it learns."""
    _status, out, _err = run(["ssh", "-G", "-p", str(settings["port"]), *settings.get("ssh_args", ()), address], CONNECT)
    return "hashknownhosts yes" in out.lower().splitlines()


# ---- one VM


class Asked:
    """One VM, asked step by step until it has answered everything.

    settings: those of login_argv, and ping (bool). reached: how many steps it has taken; why: what it has not answered yet.
    """

    def __init__(self, instance, settings):
        self.instance, self.settings = instance, settings
        self.addresses = addresses(instance)
        self.address = self.addresses[0]
        self.steps = [("no ping yet", self._ping)] if settings["ping"] else []
        self.steps += [("no SSH yet", self._keys), ("no login yet", self._login)]
        self.reached = 0
        self.why = self.steps[0][0]
        # {name of known_hosts: {(type, key)}}
        self.keys = {}
        self.seen = None

    @property
    def done(self):
        return self.reached == len(self.steps)

    def step(self):
        """Try the next step; whether it was taken."""
        why, work = self.steps[self.reached]
        told = work()
        if not told:
            self.reached += 1
            self.why = "" if self.done else self.steps[self.reached][0]
        else:
            self.why = why if told is True else "%s: %s" % (why, told)
        return not told

    def _ping(self):
        return not ping(self.address)

    def _keys(self):
        name = _known_hosts.name_of(self.address, self.settings["port"])
        out = run(scan_argv([self.address], self.settings["port"]), SCAN * 3)[1]
        keys = _known_hosts.scanned(out).get(name)
        if keys:
            self.keys = {name: keys}
        return not keys

    def _login(self):
        with tempfile.TemporaryDirectory(prefix="faultline-") as folder:
            path = os.path.join(folder, "known_hosts")
            keys = next(iter(self.keys.values()))
            with open(path, "w", encoding="ascii") as stream:
                stream.write(_known_hosts.lines_of({ALIAS: keys}))
            status, out, err = run(login_argv(self.address, self.settings, path), LOGIN, LOOK)
        self.seen = looked(out)
        if self.seen is None:
            if any(words in err for words in _CHANGED):
                # cloud-init makes new ones in the first boot
                self.reached -= 1
                return "its host keys are others now"
            return "it took longer than %d s" % LOGIN if status is None else _last(err) or _last(out) or "ssh ended with %d and said nothing" % status
        self._other_addresses(keys)
        return False

    def _other_addresses(self, keys):
        """Learn those of its other addresses that lead from here to the same keys. Others lead elsewhere, or nowhere."""
        others = self.addresses[1:]
        found = _known_hosts.scanned(run(scan_argv(others, self.settings["port"], PING), LOGIN)[1]) if others else {}
        for name in (_known_hosts.name_of(each, self.settings["port"]) for each in others):
            if found.get(name, set()) & keys:
                self.keys[name] = keys


def _last(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
