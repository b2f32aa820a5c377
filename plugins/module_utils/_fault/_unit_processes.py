# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes of a unit are the service: all of its control group, or the main process with its workers; and whether they only watch others."""

from __future__ import annotations

import os

from . import _proc

# how a unit's own stop goes about its control group (systemd.kill(5)): with these only the main process is ended by it
BY_MAIN = ("process", "none")
# sessions of users are nobody's payload: sshd, cron
_SESSIONS = "/user.slice/"
# programs that do nothing but to wait for the one that they have started, which may have a session of its own
_WRAPPERS = frozenset((
    "sudo", "su", "runuser", "doas", "setsid", "script", "timeout", "flock", "unshare", "nsenter", "strace", "unbuffer", "dumb-init", "tini", "catatonit"))
# and those that may do so, and may start helpers as well
_SHELLS = frozenset(("sh", "bash", "dash", "ash", "ksh", "zsh", "busybox"))
# the protocol of sockets without a port
_UNIX = "unix"
# programs that do nothing but to wait for a container, and, of engines' own commands, which ones do
_MONITORS = ("conmon",)
_ENGINES = ("docker", "podman", "nerdctl")
_WAITING = ("run", "start", "attach", "wait")


def _in_session(leader, members):
    """A process and its descendants in its own session."""
    session, found, level = members[leader][1], {leader}, {leader}
    while level:
        level = {pid for pid, (parent, its) in members.items() if parent in level and its == session and pid not in found}
        found |= level
    return found


def _reached(main, members, name):
    """(the main process and its descendants in its own session, those of other sessions for which it only waits, as sudo or setsid does)."""
    found, carried, level = _in_session(main, members), set(), [main]
    while level:
        pid = level.pop()
        children = [child for child, (parent, _session) in members.items() if parent == pid]
        if name(pid) in _WRAPPERS:
            for child in children:
                carried |= _in_session(child, members) - found
        elif name(pid) in _SHELLS:
            # what has left the session of a shell is a helper that it has started
            children = [child for child in children if child in found | carried]
        else:
            children = []
        level += children
    return found, carried


def serving(main, members, doors, name):
    """(all PIDs of the service, those of them that go only if they notice that the main process has gone), of a unit whose main process stands for it.

    The service is the main process, its descendants in its own session, what it only waits for if it is a wrapper, and whoever listens on the same
    socket. A helper has left the session, and has no door, or one of its own. members: {pid: (parent, session)} of the control group; doors(pid):
    the sockets that a process listens on; name(pid): what it runs.
    """
    if main not in members:
        return set(), set()
    found = set().union(*_reached(main, members, name))
    own = {pid: doors(pid) for pid in found}
    shared = set().union(*own.values())
    sharing = {pid for pid in members if pid not in found and doors(pid) & shared}
    return found | sharing, {pid for pid in found if pid != main and not own[pid]}


def split(unit, asked):
    """(processes of a unit that are meant, left alone, of those meant the ones that the unit's own stop may leave). asked: "main", "all" or None:
    what the unit's own stop ends."""
    processes = unit.processes()
    if asked == "all" or (asked is None and unit.kill_mode not in BY_MAIN):
        return processes, [], []
    if not unit.main and unit.active and unit.type == "forking":
        # systemd itself does not know which one it is
        return processes, [], []
    members = {process.pid: _proc.relation(process.pid) for process in processes}
    found, loose = serving(unit.main, members, _doors, _name)
    meant = [process for process in processes if process.pid in found]
    left = [process for process in processes if process.pid not in found]
    may_stay = [process for process in meant if process.pid in loose] if unit.kill_mode in BY_MAIN else []
    return meant, left, may_stay


def carried(unit, meant):
    """Those of the processes that are meant for which the main process only waits."""
    members = {process.pid: _proc.relation(process.pid) for process in meant}
    found = _reached(unit.main, members, _name)[1] if unit.main in members else set()
    return [process for process in meant if process.pid in found]


def behind(main, members, found, listened, wanted):
    """Who may serve in place of those that are found, and is left alone: its child with a port where they have none, and who has a wanted port.

    listened(pid): {(protocol, port)} that a process listens on; wanted: [(protocol, port)] that the service is known by.
    """
    heard = set().union(*(listened(pid) for pid in found))
    others = {pid: {port for port in listened(pid) if port[0] != _UNIX} for pid in members if pid not in found}
    heirs, level = set(), {main}
    while level and not heard:
        level = {pid for pid, (parent, _session) in members.items() if parent in level and pid not in heirs}
        heirs |= level
    missed = set(map(tuple, wanted)) - heard
    return {pid for pid, its_ports in others.items() if its_ports and (pid in heirs or its_ports & missed)}


def ports(pid):
    """{(protocol, port)} that a process listens on, sockets of Unix included."""
    process = _proc.lookup(pid)
    sockets = _proc.served(_proc.listening([process])) if process else []
    return {(each.protocol, each.port) for each in sockets} | {(_UNIX, inode) for inode in _unix_listeners(pid) & _proc.open_sockets(pid)}


def in_words(found):
    """{(protocol, port)} for people."""
    return ", ".join("%s %s" % port for port in sorted(found, key=str) if port[0] != _UNIX)


def _name(pid):
    process = _proc.lookup(pid)
    return process.comm if process else ""


def _doors(pid):
    process = _proc.lookup(pid)
    # the same port elsewhere is another door
    return {(_proc.namespace(pid), str(each)) for each in _proc.listening([process])} if process else set()


def descendants_elsewhere(unit, processes):
    """Processes that descend from those of a unit and live in another control group, which is no session of a user."""
    children = {}
    for pid in _proc.every():
        children.setdefault(_proc.relation(pid)[0], []).append(pid)
    found, level = [], [process.pid for process in processes]
    seen = set(level)
    while level:
        level = [pid for parent in level for pid in children.get(parent, ()) if pid not in seen]
        seen.update(level)
        for pid in level:
            group = _proc.control_group(pid)
            if group and _SESSIONS not in group and not (group + "/").startswith(unit.control_group.rstrip("/") + "/"):
                found.append(_proc.lookup(pid))
    return [process for process in found if process]


def listens(processes):
    """Whether any of these processes listens on a socket, one of Unix included."""
    return bool(_proc.listening(processes)) or any(_unix_listeners(process.pid) & _proc.open_sockets(process.pid) for process in processes)


def _unix_listeners(pid):
    try:
        with open("/proc/%d/net/unix" % pid) as stream:
            lines = stream.read().splitlines()[1:]
    except OSError:
        return set()
    # __SO_ACCEPTCON
    return {fields[6] for fields in map(str.split, lines) if len(fields) > 6 and int(fields[3], 16) & 0x10000}


def container_watched(line):
    """What container a command line only waits for: (whether it does, its name or id or '')."""
    words = line.split()
    program = os.path.basename(words[0]) if words else ""
    if program in _MONITORS:
        return True, _value(words, ("-c", "--cid", "-n", "--name"))
    if program in _ENGINES and len(words) > 1 and any(word in _WAITING for word in words[1:3]):
        return True, _value(words, ("--name",)) or ("" if "run" in words[1:3] else words[-1])
    return False, ""


def _value(words, options):
    """The value of an option of a command line."""
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in options:
            return value if equals else (words[number + 1:] or [""])[0]
    return ""
