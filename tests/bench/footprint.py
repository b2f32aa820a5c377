# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task sends to a target and how much memory it takes there, measured on the path that it really goes."""

from __future__ import annotations

import json

import contenders
from nodes import SERVICE, Nodes

# Stands in for the target's Python: counts what comes down the pipe and asks the kernel for the peak of what it ran.
METER = """\
#!/usr/bin/python3
import resource, subprocess, sys
data = sys.stdin.buffer.read()
done = subprocess.run(["/usr/bin/python3"] + sys.argv[1:], input=data)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open("/run/faultline-bench.meter", "w") as out:
    out.write("%d %d" % (len(data), peak))
sys.exit(done.returncode)
"""
PLACE = "/usr/local/bin/faultline-bench-meter"

# Peaks of all processes in the units that hold armed faults, in KiB
HOLDER = """\
grep -lE '/faultline-[a-z]+-[0-9a-f]+[.]service' /proc/[0-9]*/cgroup 2>/dev/null | while IFS=/ read -r _ _ pid _; do
  sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' "/proc/$pid/status"
done
"""
TASKS = {
    "ping": ("ansible.builtin.ping", ""),
    "os_service_fault kill": ("faultline.openstack.os_service_fault", f"service={SERVICE} action=kill"),
    "os_service_fault freeze": ("faultline.openstack.os_service_fault", f"service={SERVICE} action=freeze duration=60"),
    "os_fault_info": ("faultline.openstack.os_fault_info", ""),
    "os_fault_undo": ("faultline.openstack.os_fault_undo", "all=true"),
    "os_cloud_facts": ("faultline.openstack.os_cloud_facts", ""),
}


def measure(nodes: Nodes, ours: contenders.Contender) -> dict[str, dict[str, int]]:
    """Bytes on the wire (as the module's standard input) and peak memory on the target, per task."""
    node = nodes.all[0]
    config = nodes.files(1)["known"]
    nodes.run(node, f"cat > {PLACE} && chmod 755 {PLACE}", METER)
    found = {}
    try:
        for name, (module, arguments) in TASKS.items():
            argv = [*contenders.ad_hoc(config, module, arguments), "-e", json.dumps({"ansible_python_interpreter": PLACE})]
            ours.time(argv, nodes.work / "logs" / f"footprint-{name}.log".replace(" ", "_"))
            sent, peak = nodes.run(node, "cat /run/faultline-bench.meter").split()
            found[name] = {"sent_bytes": int(sent), "module_peak_kib": int(peak)}
            if "freeze" in name:
                peaks = [int(line) for line in nodes.run(node, HOLDER).splitlines()]
                if not peaks:
                    raise RuntimeError("no process holds the armed fault")
                found[name]["holder_peak_kib"] = sum(peaks)
    finally:
        nodes.run(node, f"rm -f {PLACE} /run/faultline-bench.meter")
    return found
