# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Figures as a person reads them, beside the goals. Pure."""

from __future__ import annotations

# case, nodes, against which case of whom, at most
GOALS = [
    ("kill on one, hosts known", 3, ("kill on one, hosts known", "os-faults"), 0.6),
    ("kill on one, hosts known", 30, ("kill on one, hosts known", "os-faults"), 0.35),
    ("restart on all, hosts known", 30, ("restart on all, hosts known", "os-faults"), 0.4),
    ("os_service_fault kill", 3, ("ping", "faultline"), 1.3),
    ("os_service_fault kill", 10, ("ping", "faultline"), 1.3),
    ("os_service_fault kill", 30, ("ping", "faultline"), 1.3),
]
MOST_MEMORY_KIB = 40 * 1024


def medians(found: dict) -> dict[tuple[int, str, str], float]:
    return {(row["nodes"], row["case"], row["contender"]): row["median"] for row in found["results"]}


def goals(found: dict) -> list[dict]:
    """Each goal with what was measured; those whose samples are missing are left out."""
    known = medians(found)
    rows = []
    for case, nodes, (other, whose), limit in GOALS:
        ours, theirs = known.get((nodes, case, "faultline")), known.get((nodes, other, whose))
        if ours and theirs:
            ratio = round(ours / theirs, 2)
            name = f"{case}, {nodes} nodes, against {whose if whose != 'faultline' else other}"
            rows.append({"goal": name, "limit": limit, "measured": ratio, "reached": ratio <= limit})
    for task, figures in found.get("footprint", {}).items():
        if task.startswith("os_"):
            most = max(figures["module_peak_kib"], figures.get("holder_peak_kib", 0))
            rows.append(
                {"goal": f"KiB on the target, {task}", "limit": MOST_MEMORY_KIB, "measured": most, "reached": most < MOST_MEMORY_KIB}
            )
    return rows


def table(found: dict) -> str:
    known = medians(found)
    lines = ["", "Wall time in seconds, median (fastest to slowest); the ratio is Faultline's time to theirs", ""]
    lines.append(f"{'nodes':>5}  {'case':<30} {'contender':<18} {'median':>7}  {'range':>15}  {'ratio':>5}")
    for row in found["results"]:
        ours = known.get((row["nodes"], row["case"], "faultline"))
        ratio = f"{ours / row['median']:5.2f}" if ours and row["contender"] != "faultline" else ""
        spread = f"{row['min']:.2f} to {row['max']:.2f}"
        lines.append(f"{row['nodes']:>5}  {row['case']:<30} {row['contender']:<18} {row['median']:7.2f}  {spread:>15}  {ratio:>5}")
    lines += ["", f"{'task':<26} {'sent to a target':>17} {'peak of the module':>19} {'of what holds it':>17}"]
    for task, figures in found.get("footprint", {}).items():
        holder = f"{figures['holder_peak_kib'] / 1024:.1f} MiB" if "holder_peak_kib" in figures else ""
        lines.append(f"{task:<26} {figures['sent_bytes']:>11} bytes {figures['module_peak_kib'] / 1024:>15.1f} MiB {holder:>17}")
    lines.append("")
    for goal in found.get("goals", []):
        verdict = "reached" if goal["reached"] else "MISSED"
        lines.append(f"{verdict:<8} {goal['goal']}: {goal['measured']}, at most {goal['limit']}")
    return "\n".join(lines)
