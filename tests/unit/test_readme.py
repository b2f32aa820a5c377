# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What README.md and docs/ promise is there."""

from __future__ import annotations

import pathlib
import re
import textwrap

import pytest
import yaml
from ansible_collections.faultline.openstack.plugins.inventory import os_cluster, os_faults, os_routers
from ansible_collections.faultline.openstack.plugins.module_utils._router import _machine
from ansible_collections.faultline.openstack.plugins.plugin_utils import _config, _sentence
from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _rug_commands, _rug_listener

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROUTERS = (ROOT / "docs" / "guides" / "routers.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text):
    """The indented blocks, in order."""
    return [textwrap.dedent(found) for found in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_exists(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (areas,) = re.findall(r"^AREAS := (.+)$", makefile, re.MULTILINE)
    known = {*re.findall(r"^([a-z-]+):", makefile, re.MULTILINE), *(f"test-{area}" for area in areas.split()), "test-AREA"}
    for target in re.findall(r"^    make ([a-z-]+(?:AREA)?)|`make ([a-z-]+(?:AREA)?)", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert "".join(target) in known


def test_the_sentences_are_sentences():
    (listed,) = [block for block in blocks(README) if block.strip().startswith("kill nova-api")]
    told = re.findall(r'"fault": "([^"]+)"', README)
    assert len(told) >= 2
    for text in [*listed.strip().splitlines(), *told]:
        _sentence.parse(text)


def test_the_configuration_is_one():
    (block,) = [block for block in blocks(README) if "node_discover:" in block]
    written = block.partition("<<'X'\n")[2].partition("X\n")[0]
    cloud = _config.parse(yaml.safe_load(written))
    assert [node.ip for node in cloud.nodes] == ["192.0.2.11", "192.0.2.12"]


def test_every_playbook_and_module_is_named():
    for path in [*(ROOT / "playbooks").glob("[!_]*.yml"), *(ROOT / "plugins" / "modules").glob("[!_]*.py")]:
        assert f"`{path.stem}`" in README, path.stem


def test_the_inventories_are_ones_that_the_plugin_reads(tmp_path):
    plugin = os_faults.InventoryModule()
    named = set(re.findall(r" -i (\S+)", README))
    assert len(named) >= 2
    by_plugin = {"cluster.yml": os_cluster, "routers.yml": os_routers}
    for name in named - set(by_plugin):
        (tmp_path / name).write_text("cloud_management: {}")
        assert plugin.verify_file(str(tmp_path / name)), name
    for name, module in by_plugin.items():
        (tmp_path / name).write_text(f"plugin: faultline.openstack.{module.__name__.rpartition('.')[2]}\n")
        assert name in named and module.InventoryModule().verify_file(str(tmp_path / name))


def test_every_call_of_astara_and_every_status_is_in_the_guide():
    for noun, *verb in _rug_commands.COMMANDS:
        assert f"`/{'/'.join(['router' if noun == 'resource' else noun, *verb])}/" in ROUTERS, noun
    assert {int(each) for each in re.findall(r"^\| (\d{3}) \|", ROUTERS, re.MULTILINE)} == {200, 500, *_rug_listener.STATUS.values()}


def test_the_diagram_of_the_guide_has_the_states_of_the_machine():
    (diagram,) = re.findall(r"^```mermaid\n(.*?)^```$", ROUTERS, re.MULTILINE | re.DOTALL)
    names = ("CALCULATE", "ALIVE", "CONFIGURE", "REPLUG", "STOP", "BOOT", "CHECK_BOOT", "ERROR", "EXIT", "IGNORED", "WAIT")
    states = {getattr(_machine, name) for name in names}
    assert {each for pair in re.findall(r"^ +(\S+) --> (\S+)", diagram, re.MULTILINE) for each in pair} == {*states, "[*]"}
    limits = _machine.LIMITS
    for row in (
            f"`patience` | seconds that something has to be wrong before anything is done about it | {limits.patience} |",
            f"before a rebuild is thought of | {limits.settle} |", f"doubled with each, at most {limits.longest} | {limits.backoff} |",
            f"asks for a rebuild | {limits.rebuilds}, {limits.window} |"):
        assert row in ROUTERS, row
