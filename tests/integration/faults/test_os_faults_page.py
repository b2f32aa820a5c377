# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/os-faults.md: every row is run as it stands there, and does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap

import pytest
import yaml
from lab_names import address
from lab_nodes import LAB, ROOT, wait_for
from patience import HANG

PAGE = (ROOT / "docs" / "os-faults.md").read_text(encoding="utf-8")


def rows(text):
    """{heading: what is indented below it}"""
    found = re.findall(r"^### (.+)\n((?:(?!^#).*\n?)*)", text, re.MULTILINE)
    return {
        heading.strip(): textwrap.dedent("\n".join(line for line in body.splitlines() if line.startswith("    ") or not line)).strip()
        for heading, body in found
    }


# the page's first half is for a lab of services, the second for the cloud of os-faults' manual
ROWS, MANUAL_ROWS = map(rows, PAGE.split("## Containers\n"))
ALL = ["ctl1", "ctl2", "ctl3"]


def hosts(*names):
    """--list-hosts, or a play whose task says who it runs on: exactly these."""
    def check(output, _seen):
        listed = re.findall(r"^ {4}(ctl[0-9])$", output, re.MULTILINE)
        said = re.findall(r'"inventory_hostname": "(ctl[0-9])"', output)
        assert sorted(listed or said) == sorted(names)
    return check


def replaced(*names):
    """The processes of memcached are others on these nodes, and the same on the rest."""
    def check(_output, seen):
        assert sorted(name for name in ALL if seen["before"][name] != seen["after"][name]) == sorted(names)
        assert all(seen["after"].values())
    return check


def replaced_on(many):
    """As replaced(), on so many nodes, whichever."""
    def check(_output, seen):
        assert sum(seen["before"][name] != seen["after"][name] for name in ALL) == many
        assert all(seen["after"].values())
    return check


def says(*words):
    def check(output, _seen):
        for each in words:
            assert (each() if callable(each) else each) in output
    return check


def at(*numbers):
    """What gives the addresses of the lab's nodes of these numbers, once the lab is asked."""
    return lambda: " ".join(address(f"0.{number}") for number in numbers)


def found_file(output, seen):
    assert "keystone" in yaml.safe_load((seen["folder"] / "os-faults-found.yaml").read_text())["services"]


# the row by the code that it begins with -> what is seen
CHECKS = {
    "os-inject-fault restart keystone": says("keystone: restarted", "residue: none"),
    "os-inject-fault kill memcached": replaced_on(1),
    "os-inject-fault --verify": says("failed=0"),
    "os-faults discover": found_file,
    "os-faults nodes": says(at(11), '"ctl3"', '"mac"'),
    "os-faults drivers": says("faultline.openstack.os_service_fault"),
    "os_faults.connect": says("@service_keystone:"),
    "os_faults.human_api": says("changed=1"),
    "destructor.get_service(name='memcached').restart": replaced(*ALL),
    "service.kill(nodes)": replaced("ctl1", "ctl2"),
    "service.freeze": says("changed=3"),
    "service.unplug(nodes)": says("changed=2"),
    "destructor.get_nodes()": hosts(*ALL),
    "destructor.get_nodes(fqdns": hosts("ctl1", "ctl3"),
    "service.get_nodes()`": hosts(*ALL),
    "service.get_nodes().pick()": replaced_on(1),
    "service.get_nodes().pick(count=2)": replaced_on(2),
    "a + b": hosts("ctl1", "ctl2"),
    "a & b": hosts("ctl2"),
    "a - b": hosts("ctl1", "ctl3"),
    "a ^ b": hosts("ctl3"),
    "len(nodes)": says("3, True, ctl1"),
    "nodes.filter": hosts("ctl2"),
    "nodes.get_ips": says(at(11, 12, 13)),
    "nodes.run_task": says("ctl1 | CHANGED", "ctl3 | CHANGED"),
}


# the same for the cloud of the manual: words of the output, and a state of it afterwards
MANUAL_CHECKS = {
    "destructor.get_container(name='neutron_api')": (["changed=1"], None),
    "container.terminate(nodes)": (["changed=2"], None),
    "container.get_nodes()": (["    node-3.domain.tld"], None),
    "nodes.reboot()": (["boot_time"], "boots"),
    "nodes.poweroff()": (["changed=2"], "boots"),
    "nodes.reset()": (["CHANGED"], "boots"),
    "nodes.shutdown()": (["changed=2"], "boots"),
    "nodes.snapshot('before')": (["changed=2"], None),
    "nodes.oom()": (["killed by the kernel"], None),
    "nodes.stress('cpu', 5)": (["cpu stressed"], None),
    "nodes.disconnect(network_name='storage')": (["changed=2"], None),
}


def check_of(row, checks):
    (found,) = [check for start, check in checks.items() if row.startswith("`" + start)]
    return found


def run(text, config, folder):
    """A row, run as it stands there; what it said."""
    (folder / "os-faults.yaml").symlink_to(config)
    command = text
    if text.startswith("- name:"):
        (folder / "play.yml").write_text(text)
        command = "ansible-playbook play.yml -i os-faults.yaml"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True, text=True, timeout=HANG, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_check_has_its_row():
    for told, checks in ((ROWS, CHECKS), (MANUAL_ROWS, MANUAL_CHECKS)):
        assert len(told) == len(checks)
        for row in told:
            check_of(row, checks)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.strip("`")[:60])
def test_the_row_does_what_it_says(row, cloud, tmp_path):
    seen = {"folder": tmp_path, "before": {name: cloud[name].processes("memcached") for name in ALL}}
    output = run(ROWS[row], LAB / "os-faults.yaml", tmp_path)
    wait_for(lambda: all(cloud[name].processes("memcached") for name in ALL))
    seen["after"] = {name: cloud[name].processes("memcached") for name in ALL}
    check_of(row, CHECKS)(output, seen)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.strip("`")[:60]) for row in MANUAL_ROWS])
def test_the_row_does_what_it_says_on_the_manuals_cloud(row, manual, tmp_path):
    words, effect = check_of(row, MANUAL_CHECKS)
    boot = manual.two.boot_id()
    output = run(MANUAL_ROWS[row], manual.found, tmp_path)
    for each in words:
        assert each in output
    manual.two.wait_up()
    assert (manual.two.boot_id() != boot) is (effect == "boots")
