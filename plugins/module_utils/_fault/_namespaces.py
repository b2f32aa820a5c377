# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network namespaces of a host: known by the device and inode of their file, whatever leads to them at the moment."""

from __future__ import annotations

import os
import re
import threading

from ._errors import FaultlineError

# setns(2)
_CLONE_NEWNET = 0x40000000
# what `ip netns` keeps there has a name that people know
NAMED = "/run/netns/"


def within(path, work):
    """What work() returns in a network namespace: in a thread of its own, so that the rest of this process stays where it is."""
    # the programs that only undo never come here
    import ctypes

    told = {}

    def enter():
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            finally:
                os.close(handle)
            told["result"] = work()
        except BaseException as exc:  # pylint: disable=broad-except
            told["error"] = exc

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    error = told.get("error")
    if isinstance(error, OSError):
        raise FaultlineError(
            "The network namespace %s cannot be entered: %s." % (path, error.strerror), code="no_namespace",
            hint="It takes root with CAP_SYS_ADMIN.",
        ) from error
    if error is not None:
        raise error
    return told["result"]


def identity(path):
    """(device, inode) of a namespace's file, or None."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_dev, info.st_ino


def mounted(process="self"):
    """The paths at which namespaces are kept without a process: those of `ip netns`, and of the engines of containers; as a process sees them."""
    try:
        with open("/proc/%s/mountinfo" % process) as stream:
            lines = stream.read().splitlines()
    except OSError:
        return []
    paths = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal.group(1), 8)), line.split()[4]) for line in lines if " - nsfs " in line]
    # what people name comes first
    return sorted(paths, key=lambda path: not path.startswith(NAMED))


def named():
    """The paths of those that `ip netns` keeps, but for this process' own."""
    return [path for path in mounted() if path.startswith(NAMED) and identity(path) != identity("/proc/self/ns/net")]


def _processes():
    return [name for name in os.listdir("/proc") if name.isdigit()]


def _kept_elsewhere():
    """Paths that lead to namespaces which only others keep: their threads, their open files, and mounts that they alone see."""
    seen = {identity("/proc/self/ns/mnt")}
    for pid in _processes():
        for folder, below in (("task", "/ns/net"), ("fd", "")):
            try:
                names = os.listdir("/proc/%s/%s" % (pid, folder))
            except OSError:
                # it has ended meanwhile
                continue
            yield from ("/proc/%s/%s/%s%s" % (pid, folder, name, below) for name in names)
        tree = identity("/proc/%s/ns/mnt" % pid)
        if tree not in seen:
            seen.add(tree)
            yield from ("/proc/%s/root%s" % (pid, path) for path in mounted(pid))


def find(wanted, hint=""):
    """A path that leads to the namespace of this identity; None when the kernel has let it go, with all that was in it."""
    wanted = tuple(wanted)
    # any process that is in it will do: the one that was there first may be gone
    for path in ([hint] if hint else []) + mounted():
        if identity(path) == wanted:
            return path
    for name in _processes():
        path = "/proc/%s/ns/net" % name
        if identity(path) == wanted:
            return path
    return next((path for path in _kept_elsewhere() if identity(path) == wanted), None)


def name(wanted):
    """The name that `ip netns` has for the namespace of this identity, or ''."""
    path = next((path for path in mounted() if path.startswith(NAMED) and identity(path) == tuple(wanted)), "")
    return path[len(NAMED):]


def enter(path):
    """What runs a program in a network namespace."""
    return ["nsenter", "--net=" + path, "--"]


def entrance(wanted, hint=""):
    """enter() for the namespace of this identity; () for none, which is that of this host; None when it is gone."""
    if wanted is None:
        return ()
    path = find(wanted, hint)
    return None if path is None else enter(path)
