# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Galaxy would hand out: built, installed elsewhere, stripped to the directories that may count, and used."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
COUNTS = {"meta", "plugins", "roles", "playbooks"}
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("[!_]*.yml"))

CLOUD = {
    "cloud_management": {"driver": "universal"},
    "node_discover": {
        "driver": "node_list",
        # addresses set aside for documentation: whoever connects to one fails
        "args": [{"ip": f"192.0.2.{number}", "fqdn": f"ctl{number}", "auth": {"username": "root"}} for number in (1, 2, 3)],
    },
    "services": {
        "keystone": {
            "driver": "system_service",
            "args": {"service_name": "keystone", "grep": "keystone"},
            "hosts": ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        }
    },
}


@pytest.fixture(scope="module")
def away(tmp_path_factory):
    """Runs a command where the installed collection is the only one."""
    place = tmp_path_factory.mktemp("away")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "OS_FAULTS_"))}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(place / "collections")
    # the one setting that README.md asks of a user who has an os-faults file
    environment["ANSIBLE_INVENTORY_ENABLED"] = "faultline.openstack.os_faults,auto,yaml,ini"

    def run(*argv, check=True):
        return subprocess.run(argv, cwd=place, env=environment, capture_output=True, text=True, check=check)

    run("ansible-galaxy", "collection", "build", "--output-path", place, ROOT)
    (archive,) = place.glob("faultline-openstack-*.tar.gz")
    run("ansible-galaxy", "collection", "install", "--offline", "-p", place / "collections", archive)
    run.size = archive.stat().st_size
    run.installed = place / "collections" / "ansible_collections" / "faultline" / "openstack"
    run.shipped = {path.name for path in run.installed.iterdir()}
    for path in run.installed.iterdir():
        if path.is_dir() and path.name not in COUNTS:
            shutil.rmtree(path)
        elif path.is_file() and path.name not in ("MANIFEST.json", "FILES.json"):
            path.unlink()
    (place / "os-faults.yaml").write_text(yaml.safe_dump(CLOUD), encoding="utf-8")
    return run


def test_the_archive_holds_what_users_need_and_nothing_of_the_workshop(away):
    meant = COUNTS | {"README.md", "COPYING", "CHANGELOG.rst", "ansible.cfg", "changelogs", "docs", "MANIFEST.json", "FILES.json"}
    assert away.shipped - {"extensions"} == meant
    assert not (away.installed / "extensions" / "molecule").exists()


def test_the_archive_is_small(away):
    assert away.size < 1_000_000


def test_every_plugin_documents_itself_from_the_archive(away):
    for kind, names in (("module", "*.py"), ("inventory", "*.py")):
        folder = away.installed / "plugins" / ("modules" if kind == "module" else kind)
        wanted = {f"faultline.openstack.{path.stem}" for path in folder.glob(names)}
        shown = json.loads(away("ansible-doc", "--json", "-t", kind, *wanted).stdout)
        assert set(shown) == wanted


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_is_found_by_its_full_name(away, playbook):
    away("ansible-playbook", f"faultline.openstack.{playbook}", "-i", "os-faults.yaml", "--syntax-check")


def test_the_main_job_plans_from_the_archive(away):
    """The sentence, the cloud model and the plan, without a single connection."""
    asked = json.dumps({"fault": "kill keystone service on one node", "seed": "42", "plan_file": "plan.json"})
    done = away("ansible-playbook", "faultline.openstack.disrupt", "-i", "os-faults.yaml", "-e", asked, "--check", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    plan = json.loads((away.installed.parents[3] / "plan.json").read_text(encoding="utf-8"))
    (step,) = plan["plans"]
    assert step["seed"] == "42"
    (chosen,) = step["chosen"]
    assert f"hits {chosen} (of 3; seed 42)" in done.stdout
