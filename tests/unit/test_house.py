# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every file of its kind, so that a new one cannot forget it."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = sorted(path for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PYTHON = sorted(
    path
    for folder in ("plugins", "roles", "tests", "extensions")
    for path in (ROOT / folder).rglob("*.py")
    if path.stat().st_size
)
ON_TARGETS = sorted([*(ROOT / "plugins" / "module_utils").rglob("*.py"), *MODULES])

by_name = pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)


def documentation(path: pathlib.Path, name: str = "DOCUMENTATION"):
    """The YAML in the module's variable of that name."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [target.id for target in node.targets] == [name]:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{path.name} has no {name}")


def attributes(path: pathlib.Path) -> dict:
    """The module's attributes, with those of the fragments that it extends."""
    docs = documentation(path)
    parts = [docs]
    for fragment in docs.get("extends_documentation_fragment", []):
        name, _dot, section = fragment.removeprefix("faultline.openstack.").partition(".")
        tree = ast.parse((ROOT / "plugins" / "doc_fragments" / f"{name}.py").read_text(encoding="utf-8"))
        wanted = (section or "documentation").upper()
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and node.targets[0].id == wanted:
                parts.append(yaml.safe_load(ast.literal_eval(node.value)))
    found = {}
    for part in parts:
        for name, value in part.get("attributes", {}).items():
            found[name] = {**found.get(name, {}), **value}
    return found


def test_the_action_group_holds_every_module():
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert sorted(runtime["action_groups"]["all"]) == [path.stem for path in MODULES]


@by_name
def test_a_module_documents_itself(path):
    assert documentation(path)["module"] == path.stem
    assert documentation(path, "EXAMPLES")
    assert documentation(path, "RETURN")


@by_name
def test_a_module_says_how_it_behaves(path):
    known = attributes(path)
    needed = {"check_mode"} if path.stem.endswith(("_facts", "_info")) else {"check_mode", "diff_mode", "idempotent"}
    assert needed <= set(known)
    for name, value in known.items():
        assert value.get("support") in ("full", "partial", "none", "N/A"), name
        assert value.get("description"), name


def test_an_action_that_may_leave_a_fault_says_so():
    """What it says decides whether a failed connection is told to have left one: those that inject at a moment, the sentence, and a run's own."""
    says = {
        path.stem for path in (ROOT / "plugins" / "action").glob("*.py")
        if any(isinstance(node, ast.Assign) and ast.unparse(node) == "INJECTS = True" for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))}
    at_a_moment = {path.stem for path in MODULES if "faultline.openstack.moment" in documentation(path).get("extends_documentation_fragment", [])}
    assert at_a_moment and says == at_a_moment | {"os_fault", "ha_inject"}


@by_name
def test_a_modules_main_is_thin(path):
    (main,) = [
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    ] or [None]
    if main is None:
        # the documentation of an action plugin
        assert (ROOT / "plugins" / "action" / path.name).exists()
    else:
        assert main.end_lineno - main.lineno <= 20


@pytest.mark.parametrize("path", ROLES, ids=lambda path: path.name)
def test_a_role_documents_itself(path):
    assert (path / "README.md").read_text(encoding="utf-8").startswith("# ")
    specs = yaml.safe_load((path / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    entries = {task.stem for task in (path / "tasks").glob("[!_]*.yml")}
    assert "main" in specs
    for entry, spec in specs.items():
        assert entry in entries
        assert spec["short_description"] and spec["description"]
    defaults = yaml.safe_load((path / "defaults" / "main.yml").read_text(encoding="utf-8")) or {}
    described = set().union(*(spec.get("options", {}) for spec in specs.values()))
    assert set(defaults) <= described


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_python_file_names_its_licence(path):
    head = path.read_text(encoding="utf-8")[:400]
    assert "SPDX-License-Identifier: GPL-3.0-or-later" in head


@pytest.mark.parametrize("path", ON_TARGETS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_travels_to_targets_is_python_3_8_and_standard_library(path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        else:
            continue
        for name in names:
            first = name.partition(".")[0]
            assert first in sys.stdlib_module_names or name.startswith(
                ("ansible.module_utils.", "ansible_collections.faultline.openstack.plugins.module_utils.")
            ), f"{name} is not on every target"


def test_the_execution_environment_metadata_introspects():
    done = subprocess.run(
        ["ansible-builder", "introspect", "--sanitize", ROOT / ".venv" / "collections"],
        capture_output=True, text=True, check=True,
    )
    found = yaml.safe_load(done.stdout[done.stdout.index("---"):])
    assert any(line.startswith("lark") for line in found["python"])
    assert any(line.startswith("openssh-client ") for line in found["system"])


def test_the_execution_environment_has_what_the_controller_needs():
    """What `make demo` runs with is what an execution environment gets, beside ansible-core that every one has."""
    name = re.compile(r"^[A-Za-z0-9_.-]+")
    pinned = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8").splitlines()
    needed = (ROOT / "meta" / "ee-requirements.txt").read_text(encoding="utf-8").splitlines()
    names = {found[0] for found in map(name.match, pinned) if found}
    assert names - {"ansible-core"} == {found[0] for found in map(name.match, needed) if found}


def test_the_map_names_every_playbook():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for path in (ROOT / "playbooks").glob("[!_]*.yml"):
        assert f"`{path.stem}`" in text or f"`{path.stem.partition('_')[0]}_*" in text, path.name


def _tasks(items):
    """Each task and play of a list, those of blocks included."""
    for item in items or []:
        yield item
        for key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from _tasks(item.get(key))


@pytest.mark.parametrize("path", sorted(
    path for path in [
        *(ROOT / "playbooks").rglob("*.yml"), *(ROOT / "roles").glob("*/tasks/*.yml"), *(ROOT / "extensions/molecule").rglob("*.yml")]
    if "vars" not in path.parts and path.name != "molecule.yml"
), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_runs_on_the_controller_goes_through_no_name_of_an_inventory(path):
    """A node may be called localhost: such a play has the controller's own variables, and such a task, too."""
    for item in _tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
        assert "connection" not in item, item["name"]
        # a play that has hosts, too, has those variables in its tasks
        hosts = str(item.get("hosts", "")).replace("hostvars.localhost", "")
        if "localhost" in hosts and hosts != "{{ lookup('faultline.openstack.targets', 'all:localhost', controller=true) }}":
            assert hosts == "{{ lookup('faultline.openstack.targets', 'localhost', controller=true) }}"
            assert pathlib.Path(path.parent, item["vars_files"][0]).resolve() == ROOT / "playbooks/vars/controller.yml", item["name"]
        # where facts are kept is no connection
        assert "delegate_to" not in item or item.get("delegate_facts") and "ansible.builtin.set_fact" in item, item["name"]
        variables = item.get("vars") or {}
        if variables.get("ansible_connection") == "local":
            assert _controller(variables) == _controller(yaml.safe_load((ROOT / "playbooks/vars/controller.yml").read_text(encoding="utf-8"))), item["name"]


def _controller(variables):
    return {name: variables.get(name) for name in ("ansible_connection", "ansible_become", "ansible_python_interpreter")}


def test_every_test_on_the_lab_belongs_to_an_area():
    """make test-AREA runs the folder of that name: a file beside the folders, or in one that is no area, would be run by nobody."""
    (areas,) = re.findall(r"^AREAS := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    lab = ROOT / "tests" / "integration"
    assert {path.relative_to(lab).parts[0] for path in lab.rglob("test_*.py")} == set(areas.split())
    assert sorted((ROOT / "tests").glob("*/test_*.py")) == sorted([*(ROOT / "tests").glob("unit/test_*.py"), *(ROOT / "tests").glob("openstack/test_*.py")])


def _in_gate(path):
    """Whether a test of a file has the mark of the gate: by a decorator, as a mark of parameters, or for the whole file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    marks = [node for node in tree.body if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["pytestmark"]]
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name.lower().startswith("test"):
            marks += node.decorator_list
    return any(isinstance(node, ast.Attribute) and ast.unparse(node) == "pytest.mark.gate" for mark in marks for node in ast.walk(mark))


def test_the_gate_has_a_test_of_every_area():
    lab = ROOT / "tests" / "integration"
    marked = {path.relative_to(lab).parts[0] for path in lab.rglob("test_*.py") if _in_gate(path)}
    assert marked == {path.parent.name for path in lab.rglob("test_*.py")}
