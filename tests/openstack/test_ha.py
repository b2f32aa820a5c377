# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole catalogue of disruptions against the highly available cloud, with Rally running and servers behind its routers.

It takes a quarter of an hour. The figures are printed as the table of docs/ha-figures.md, into .build/ha-figures.md.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from lab_nodes import ROOT
from patience import HANG

DISRUPTIONS = [
    "nova-api killed", "nova-api stopped", "keystone killed", "the Galera writer stopped", "a network node killed", "the other network node killed",
    "a RabbitMQ node rebooted", "a controller isolated, its ARP left alone", "a controller's cable cut", "the VIP's holder rebooted",
]


@pytest.fixture(scope="module")
def report(lab, tmp_path_factory):
    """report.json of the run of docs/examples/ha-proof.yml."""
    runs = tmp_path_factory.mktemp("runs")
    # as it stands for lab number 0; it names files beside it, and one of the checkout
    place = tmp_path_factory.mktemp("checkout")
    (place / ".venv").symlink_to(ROOT / ".venv")
    scenario = pathlib.Path(shutil.copytree(ROOT / "docs" / "examples", place / "docs" / "examples"), "ha-proof.yml")
    text = scenario.read_text().replace("faultline-openstack-", lab.names.node("")).replace("10.81.0.0/16", lab.names.subnets["management"])
    scenario.write_text(text)
    done = subprocess.run(
        ["ansible-playbook", "faultline.openstack.ha_test", "-i", lab.folder / "os-faults.yaml", "-i", "docs/examples/ha-proof-hosts.yml",
         "-e", f"ha_test_scenario={scenario}", "-e", f"ha_test_dir={runs}", "-e", "ha_test_fail=false"],
        cwd=ROOT, env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(lab.folder / "clouds.yaml")}, capture_output=True, text=True, timeout=5400, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    (run,) = runs.iterdir()
    told = json.loads((run / "report.json").read_text())
    (ROOT / ".build").mkdir(exist_ok=True)
    (ROOT / ".build" / "ha-figures.md").write_text("".join(f"{line}\n" for line in table(told)))
    return told


def seconds(figure):
    return "?" if figure is None or figure["value"] is None else f"{figure['value']:.1f}"


def of(report, prefix, via=None):
    return [each for each in report["series"] if each["key"].startswith(prefix) and via in (None, each["via"])]


def worst(series, window, metric):
    """(figure, name) of the series that it was worst for."""
    known = [(each["metrics"][window][metric], each["name"]) for each in series if (each["metrics"] or {}).get(window)]
    known = [each for each in known if each[0]["value"] is not None]
    return max(known, key=lambda each: each[0]["value"], default=(None, ""))


def table(report):
    """The lines of a table, a row for each disruption."""
    yield "| disruption | longest outage of an API | all back after | probes of APIs lost | longest outage of a server | Rally |"
    yield "|---|---|---|---|---|---|"
    vip, apps = of(report, "api:", "vip"), of(report, "apps:")
    for each in report["disruptions"]:
        window = each["id"]
        longest, name = worst(vip, window, "longest_outage")
        known = [one["metrics"][window] for one in vip if one["metrics"][window]]
        lost = sum(one["requests_lost"]["value"] or 0 for one in known)
        due = sum(one["requests"]["due"] for one in known)
        rally = [one["metrics"][window] for one in of(report, "load/servers") if one["phase"] == "disrupted" and (one["metrics"] or {}).get(window)]
        iterations, failed = (sum(one["requests"][key] for one in rally) for key in ("taken", "failed"))
        whose = f" ({name})" if longest and longest["value"] else ""
        recovery = worst(vip, window, "time_to_recovery")[0]
        yield (
            f"| {each['name']} | {seconds(longest)} s{whose} | {seconds(recovery)} s | {lost:g} of {due} "
            f"| {seconds(worst(apps, window, 'longest_outage')[0])} s | {iterations - failed} of {iterations} |")


def test_every_disruption_happened_and_is_undone(report):
    assert sorted(each["name"] for each in report["disruptions"]) == sorted(DISRUPTIONS)
    for each in report["disruptions"]:
        assert (each["injected"], each["proven"]) == (1, 1), each
        assert each["residue"] == 0 and each["open"] == 0, each
    assert report["run"]["aborted"] is None and report["run"]["state"] == "finished"


def test_outages_of_the_apis_are_plausible(report):
    vip = of(report, "api:", "vip")
    assert {each["subject"] for each in vip} == {"keystone", "nova", "neutron", "glance", "placement"}
    for each in report["disruptions"]:
        longest, name = worst(vip, each["id"], "longest_outage")
        assert longest["value"] <= HANG, (each["name"], name, longest)
    assert all(each["up_at_end"] for each in vip)
    # the holder of the virtual address goes, and takes it along
    assert worst(vip, report["disruptions"][-1]["id"], "longest_outage")[0]["value"] > 0


def test_servers_lose_their_router_and_get_it_back(report):
    apps = of(report, "apps:")
    killed = [worst(apps, each["id"], "longest_outage")[0]["value"] for each in report["disruptions"] if "network node" in each["name"]]
    # the router was on one of the two
    assert len(apps) == 2 and 2 < max(killed) < HANG, killed
    assert all(each["up_at_end"] for each in apps)


def test_rally_ran_all_the_time(report):
    (load,) = [each for each in report["load"] if each["name"] == "servers"]
    assert load["phases"]["disrupted"]["iterations"] == 34
    windows = [each["id"] for each in report["disruptions"]]
    (series,) = [each for each in of(report, "load/servers") if each["phase"] == "disrupted"]
    assert sum(series["metrics"][window]["requests"]["taken"] > 0 for window in windows if (series["metrics"] or {}).get(window)) >= len(windows) - 1


def test_the_members_of_the_cluster_are_seen_to_go(report):
    window = next(each["id"] for each in report["disruptions"] if each["name"] == "the Galera writer stopped")
    (ctl1,) = of(report, "galera@ctl1:")
    assert 15 < ctl1["metrics"][window]["downtime_total"]["value"] < HANG


def test_nothing_that_the_run_made_is_left(lab):
    assert [each.name for each in lab.sdk.compute.servers(all_projects=True) if each.name.startswith(("ha-", "s_rally_", "c_rally_"))] == []
    assert [each.name for each in lab.sdk.network.routers() if each.name.startswith(("ha-", "c_rally_"))] == []
