# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our tree at an interface of this host (see _net_tree.py): made, taken away, looked at. What is not ours is never touched."""

from __future__ import annotations

import contextlib
import json
import os
import re

from . import _net_tree, _netlink
from ._errors import FaultlineError
from ._exec import run, which

# kinds of interfaces that a trial may stand on, the first that the kernel has
_KINDS = (["type", "ifb"], ["type", "dummy"], ["type", "bridge"])


def detour(index):
    """The name of the interface by which packets that come in make their detour through our tree."""
    return "flt-%d" % index


def require():
    for program, package in (("tc", "iproute2, or iproute-tc"), ("ip", "iproute2, or iproute")):
        if not which(program):
            raise FaultlineError("%s is not installed on this host." % program, code="missing_program", hint="Install the package %s." % package)


def qdiscs(device):
    """[{kind, handle, root?, parent?, ...}] of an interface."""
    return json.loads(run(["tc", "-json", "-statistics", "qdisc", "show", "dev", device]).out or "[]")


def root(device):
    """(whose, kind) of what queues packets at an interface: 'kernel' for its own default, 'ours' or 'foreign'."""
    for each in qdiscs(device):
        if each.get("root"):
            if each["handle"] == _net_tree.HANDLE + ":" and each["kind"] == "htb":
                return "ours", each["kind"]
            # what nobody has asked for has no handle
            return "kernel" if each["handle"] == "0:" else "foreign", each["kind"]
    return "kernel", "none"


def ingress(device, index):
    """Whose what sees incoming packets at an interface is: 'none', 'ours' or 'foreign'."""
    if not any(each["kind"] in ("ingress", "clsact") for each in qdiscs(device)):
        return "none"
    return "ours" if detour(index) in _netlink.links() else "foreign"


def respect(link, directions):
    """Refuse an interface where somebody else has what a tree of ours would replace."""
    if "out" in directions:
        whose, kind = root(link.name)
        if whose == "foreign":
            raise FaultlineError(
                "%s has a queueing discipline that somebody has chosen (%s); it stays as it is." % (link.name, kind), code="foreign_qdisc",
                hint="Nothing was touched. Take it away first, if it may go, or hit the peer's side, or use direction: in.",
            )
    if "in" in directions and ingress(link.name, link.index) == "foreign":
        raise FaultlineError(
            "Incoming packets of %s are handled by tc filters of somebody else's; they stay as they are." % link.name, code="foreign_qdisc",
            hint="Nothing was touched. Use direction: out, or hit the peer's side.",
        )


def batch(lines):
    """Run lines of tc; FaultlineError names the one that failed."""
    done = run(["tc", "-batch", "-"], stdin="".join(line + "\n" for line in lines), check=False)
    if done.rc != 0:
        failed = re.search(r"Command failed -:(\d+)", done.err)
        line = lines[int(failed.group(1)) - 1] if failed else ""
        raise FaultlineError(
            "tc refused '%s': %s" % (line, " ".join(done.err.replace("\n", " ").split())[:300]), code="program_failed",
            details={"line": line, "error": done.err},
        )


@contextlib.contextmanager
def _scratch(kinds=_KINDS):
    """The name of an interface of our own, for a trial; gone afterwards."""
    name, why = "fltp%d" % (os.getpid() % 1000000), ""
    for kind in kinds:
        done = run(["ip", "link", "add", name] + kind, check=False)
        if done.rc == 0:
            break
        why = done.err.strip()
    else:
        raise FaultlineError(
            "No interface can be made on this host for a trial: %s" % why, code="no_ifb",
            hint="Nothing was touched. %s" % ("direction in needs the kernel module ifb." if kinds != _KINDS else "It takes CAP_NET_ADMIN."),
        )
    try:
        yield name
    finally:
        run(["ip", "link", "del", name], check=False)


def has_netem():
    """Whether the kernel has netem; tried out on an interface of our own."""
    if os.path.isdir("/sys/module/sch_netem"):
        return True
    with _scratch() as name:
        return run(["tc", "qdisc", "add", "dev", name, "root", "netem", "delay", "1ms"], check=False).rc == 0


def rehearse(shapes, incoming):
    """Make the tree of these shapes on an interface of our own, so that what the kernel lacks is known before anything is touched."""
    tree = _net_tree.Tree(shapes, incoming)
    with _scratch(_KINDS if not incoming else _KINDS[:1]) as name:
        try:
            batch(tree.lines(name))
            if incoming:
                batch(tree.redirect(name, name, []))
        except FaultlineError as exc:
            words = exc.details["line"].split() if "line" in exc.details else []
            lacks = next((word for word in ("netem", "htb", "u32", "bpf", "blackhole", "bfifo", "mirred", "ingress") if word in words), "tc")
            raise FaultlineError(
                "This host cannot do it: %s" % exc.message, code="no_%s" % lacks,
                hint="Nothing was touched. The kernel may lack %s (kernel-modules-extra, linux-modules-extra)." % lacks, details=exc.details,
            ) from exc


def build(link, going, coming, left, queue):
    """Make the tree of an interface anew: shapes of packets that go out, of those that come in, and matches of what stays untouched of
    these. Nothing is left of ours where there are none. queue: the length of its queue as it was before us."""
    way = detour(link.index)
    if root(link.name)[0] == "ours":
        run(["tc", "qdisc", "del", "dev", link.name, "root"])
    if way in _netlink.links():
        if ingress(link.name, link.index) == "ours":
            run(["tc", "qdisc", "del", "dev", link.name, "ingress"])
        run(["ip", "link", "del", way])
    try:
        if not going and not coming and queue == 0:
            # an interface without a queue gets a length with the first tree, and would keep it
            run(["ip", "link", "set", "dev", link.name, "txqueuelen", "0"])
        if going:
            batch(_net_tree.Tree(going, False).lines(link.name))
        if coming:
            run(["ip", "link", "add", way, "type", "ifb"])
            run(["ip", "link", "set", way, "up"])
            tree = _net_tree.Tree(coming, True)
            batch(tree.lines(way))
            batch(tree.redirect(link.name, way, left))
    except FaultlineError:
        if going or coming:
            build(link, [], [], [], queue)
        raise


_CLASS = re.compile(r"^class htb (\S+) .*?\n Sent \d+ bytes (\d+) pkts? \(dropped (\d+),.*?\n backlog \S+ (\d+)p", re.MULTILINE)


def counts(device):
    """({class id: packets that it has met}, packets that passed directly) of our tree at a device."""
    # tc has no JSON for these
    told = _CLASS.findall(run(["tc", "-statistics", "class", "show", "dev", device]).out)
    met = {handle: int(sent) + int(dropped) + int(waiting) for handle, sent, dropped, waiting in told}
    direct = next((each.get("options", {}).get("direct_packets_stat", 0) for each in qdiscs(device) if each.get("root")), 0)
    return met, direct


def present(link, direction):
    """Whether our tree is there for all of a direction."""
    out = direction == "in" or root(link.name)[0] == "ours"
    way = detour(link.index)
    come = direction == "out" or way in _netlink.links() and root(way)[0] == "ours" and ingress(link.name, link.index) == "ours"
    return out and come
