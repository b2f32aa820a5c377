# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A controller that dies at a moment of a fault, and an oracle from outside that sees whether anything is left then."""

from __future__ import annotations

import contextlib
import select
import subprocess
import time

from lab_deadlines import kill
from lab_nodes import wait_for
from patience import HANG

# in the order in which a fault comes to them, as the journal on the node tells
MOMENTS = ("asked for", "journalled", "armed", "injected", "proven")
# run on the node: ends the module that Ansible runs there (a Python without arguments, its program comes by its input) when a fault is as
# far as wanted, which only something on the node sees in time. It says how far it was then
_SNIPER = r"""
import json, os, signal, sys, time
JOURNAL = "/var/lib/faultline/open"
moments, wanted, known = sys.argv[1].split(","), sys.argv[2], set(sys.argv[3:])

def read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""

def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]

def modules():
    return [pid for pid in pids() if read("/proc/%d/cmdline" % pid).rstrip(b"\0").split(b"/")[-1] == b"python3"]

def far():
    names = os.listdir(JOURNAL) if os.path.isdir(JOURNAL) else []
    names = [name for name in names if name.endswith(".json") and name[0] != "." and name[:-5] not in known]
    if not names:
        return "asked for"
    record = json.loads(read(os.path.join(JOURNAL, names[0])) or b"{}")
    if record.get("proven"):
        return "proven"
    if record.get("state") == "injected":
        return "injected"
    held = ("\0hold\0" + names[0][:-5]).encode()
    return "armed" if any(held in read("/proc/%d/cmdline" % pid) for pid in pids()) else "journalled"

end, found = time.monotonic() + 250, []
print("ready", flush=True)
while time.monotonic() < end:
    found = modules() or found
    reached = far()
    if found and moments.index(reached) >= moments.index(wanted):
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        print(reached, flush=True)
        break
    time.sleep(0.001)
"""


@contextlib.contextmanager
def sniper(node, wanted, known):
    """Who ends the module of the next fault when that is as far as wanted; what it says."""
    argv = ["docker", "exec", node.container, "python3", "-c", _SNIPER, ",".join(MOMENTS), wanted, *known]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process.stdout
        finally:
            process.kill()


def settled(look):
    """What look() finds that is not as it was, once it finds nothing, or in the end."""
    end = time.monotonic() + HANG
    while (found := look()) and time.monotonic() < end:
        time.sleep(0.5)
    return found


def dies(node, moment, module, args, more, named=()):
    """Kill the controller of a fault when that has come to a moment; nothing may be left of it.

    more(): what the residue oracle does not look at, as text; named: the services that the fault is about.
    """
    before, at_first = node.snapshot(), more()
    known = node.faults()
    with sniper(node, moment, known) as said:
        playing = node.start(module, {**args, "duration": 3, "wait": True, "wait_timeout": HANG})
        wait_for(lambda: select.select([said], [], [], 0.1)[0] or playing.poll() is not None)
        assert select.select([said], [], [], 0)[0], "the module has ended before anybody could end it"
        # where the module was woken late, the fault is farther than wanted, and the test is of a later moment
        reached = said.readline().strip()
        kill(playing)
    assert reached in MOMENTS, f"it was never seen to be {moment}"
    if any(not node.record(fault_id)["supervisor"] for fault_id in node.open_faults()):
        # it came to nothing, before there was anybody who would close it: whoever looks next does
        node.hit("os_fault_undo", {"all": True})
    node.wait_healed()
    for fault_id in node.faults() - known:
        record = node.record(fault_id)
        assert record["residue"] == [] and record["state"] in ("undone", "aborted"), record
        wait_for(lambda fault_id=fault_id: node.sh(f"systemctl list-units --all --plain --no-legend 'faultline-*{fault_id}*'") == "")
    left = settled(lambda: before.difference(node.snapshot(), node.named | set(named)))
    assert left == {}
    assert not settled(lambda: more() != at_first), (at_first, more())
