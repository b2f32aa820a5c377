# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# `make` alone lists the commands. docs/development.md tells what each part is for.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3.11
PROFILE ?= mini
PYTEST_ARGS ?=
# of lab_up and lab_down, as -e lab_computes=libvirt
LAB_ARGS ?=
# which test hangs is seen by its name; what breaks the cloud and what breaks nodes or machines of its own run side by side; they mostly wait
SIDE_BY_SIDE := --verbose --numprocesses 4 --dist loadgroup --no-loadscope-reorder
# the folders of tests/integration, each with all that belongs to it
AREAS := faults containers networks nodes power ha clusters routers
ALL := gate $(AREAS) playbooks openstack

VENV := .venv
HERE := $(VENV)/collections/ansible_collections/faultline/openstack
LAB_INVENTORY := .lab/os-faults.yaml
ARCHIVE = .build/faultline-openstack-$(shell sed -n 's/^version: //p' galaxy.yml).tar.gz

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Ansible refuses to start in a locale that is not UTF-8
export LC_ALL := C.UTF-8

##@ Use

.PHONY: demo
demo: lab ## Break a real service on a small real cloud, and watch it heal
	@echo; echo '### 1. One of the three nodes loses its Keystone: who, what was seen, and when it was back'; echo
	ansible-playbook faultline.openstack.disrupt -i $(LAB_INVENTORY) \
	  -e '{"fault": "kill keystone service on one node"}'
	@echo; echo '### 2. A fault with a deadline: the node itself ends it, without this machine'; echo
	ansible-playbook faultline.openstack.disrupt -i $(LAB_INVENTORY) \
	  -e '{"fault": "freeze memcached service on one node for 5 seconds"}'
	@echo; echo '### 3. What is left on the nodes'; echo
	ansible-playbook faultline.openstack.heal -i $(LAB_INVENTORY)
	@echo; echo 'The lab is still up: try a sentence of your own, as above. make lab-down takes it away.'

.PHONY: demo-ha
demo-ha: $(VENV)/.run ## Certify a real, highly available OpenStack of seven nodes: three disruptions under load, and a report
	$(VENV)/bin/python -m pip install --quiet openstacksdk -c requirements/constraints.txt
	$(MAKE) lab PROFILE=openstack
	OS_CLIENT_CONFIG_FILE=$(CURDIR)/.lab-openstack/clouds.yaml ansible-playbook faultline.openstack.ha_test \
	  -i .lab-openstack/os-faults.yaml -e ha_test_scenario=docs/examples/ha-demo.yml -e ha_test_dir=$(CURDIR)/.build/ha-runs
	@echo; echo "The report: $$(ls -d $(CURDIR)/.build/ha-runs/*/report.html | tail -1)"
	@echo 'The lab is still up: try a scenario of your own. make lab-down PROFILE=openstack takes it away.'

.PHONY: lab
lab: $(VENV)/.run ## Bring the lab up (PROFILE=mini); one that is up is used as it is
	ansible-playbook faultline.openstack.lab_up -e lab_profile=$(PROFILE) $(LAB_ARGS)

# what make test-AREA brings up by itself where a test needs it
.PHONY: lab-machines
lab-machines: $(VENV)/.run # A hypervisor for tests, without guests
	ansible-playbook faultline.openstack.lab_up -e '{"lab_profile": "vm", "lab_vm_guests": []}'

.PHONY: lab-down
lab-down: $(VENV)/.run ## Take the lab away with all that it left
	ansible-playbook faultline.openstack.lab_down -e lab_profile=$(PROFILE)
	@# tests bring it up by themselves
	@[[ ! -e .lab-vm ]] || ansible-playbook faultline.openstack.lab_down -e lab_profile=vm

.PHONY: venv
venv: $(VENV)/.run ## Make .venv: the controller's Python, and the collection linked into it

##@ Check

.PHONY: test
test: $(VENV)/.test $(VENV)/.lint $(VENV)/.importer ## The gate: lint, sanity, unit tests, and a test of each kind of fault, driver and part on the lab
	tests/tools/gate.sh

.PHONY: test-all
test-all: $(VENV)/.run ## The gate and all areas, whatever fails, with a table at the end (docs/development.md)
	$(VENV)/bin/python tests/tools/area.py all $(ALL)

.PHONY: test-failed
test-failed: $(VENV)/.run ## Of those, what failed last
	$(VENV)/bin/python tests/tools/area.py all --failed $(ALL)

.PHONY: lint
lint: $(VENV)/.lint $(VENV)/.importer build ## Linters of Python, YAML, playbooks, roles, docs and changelog
	ruff check --output-format concise
	yamllint --strict .
	ansible-lint --offline --strict
	antsibull-changelog lint
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self --skip-rstcheck $(HERE)
	tests/tools/importer.sh $(VENV)/importer/bin/python $(ARCHIVE)

.PHONY: sanity
sanity: $(VENV)/.run ## ansible-test sanity on a copy under .build/
	tests/tools/sanity.sh $(SANITY_ARGS)

.PHONY: unit
unit: $(VENV)/.test ## pytest without a lab
	pytest --numprocesses 3 tests/unit $(PYTEST_ARGS)

# only with the lab up: what `make test` ends with
.PHONY: gate-on-lab
gate-on-lab:
	$(VENV)/bin/python tests/tools/area.py run gate $(SIDE_BY_SIDE) -m gate tests/integration $(PYTEST_ARGS)

.PHONY: test-playbooks
test-playbooks: $(VENV)/.test lab ## The playbooks as users run them, by the Molecule scenarios under extensions/molecule
	tests/tools/molecule.sh

.PHONY: $(AREAS:%=test-%)
$(AREAS:%=test-%): test-%: $(VENV)/.test lab
	$(VENV)/bin/python tests/tools/area.py run $* $(SIDE_BY_SIDE) tests/integration/$* $(PYTEST_ARGS)
test-ha test-power: $(VENV)/.rally
test-routers: $(VENV)/.eda

.PHONY: test-openstack
test-openstack: $(VENV)/.test $(VENV)/.rally $(VENV)/.eda lab ## pytest on a whole OpenStack and on a DevStack, which are left up
	$(VENV)/bin/python tests/tools/area.py run openstack tests/openstack $(PYTEST_ARGS)

.PHONY: witness
witness: $(VENV)/.test lab ## What modules say beside what a client sees: the tests of the witness of all areas, and their table into docs/witness.md
	rm -rf .build/witness
	$(VENV)/bin/python tests/tools/area.py run witness $(SIDE_BY_SIDE) tests/integration -k witness $(PYTEST_ARGS)
	$(MAKE) witness-table

# what those tests have seen that ran since, as by PYTEST_ARGS of an area
.PHONY: witness-table
witness-table: $(VENV)/.run
	$(VENV)/bin/python tests/integration/witness_table.py

.PHONY: bench
bench: $(VENV)/.run $(VENV)/.peer ## Speed, beside os-faults and plain Ansible; spread, monitors and looks at doors (BENCH_ARGS="--hosts 3 --rounds 3")
	ansible-playbook faultline.openstack.lab_up -e lab_profile=bench
	$(VENV)/bin/python tests/bench/bench.py $(BENCH_ARGS)
	$(VENV)/bin/python tests/bench/spread.py
	$(VENV)/bin/python tests/bench/monitors.py
	$(VENV)/bin/python tests/bench/doors.py

##@ Release

.PHONY: build
build: $(VENV)/.run ## The collection's archive, .build/faultline-openstack-*.tar.gz
	@mkdir -p .build
	ansible-galaxy collection build --force --output-path .build .

.PHONY: constraints
constraints: $(VENV)/.lint $(VENV)/.test # Pin again what the requirements pull in
	@{ sed -n '/^#/p' requirements/constraints.txt; pip freeze --exclude-editable | grep -viE '^(pip|setuptools|wheel)=='; } \
	  > requirements/constraints.txt.new
	@mv requirements/constraints.txt.new requirements/constraints.txt

.PHONY: clean
clean: ## Remove what the checks made; .venv and the lab stay
	rm -rf .build .cache .pytest_cache .ruff_cache .hypothesis .ansible

.PHONY: help
help: # This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' \
	  $(firstword $(MAKEFILE_LIST))

# ---- the virtual environment: one stamp per set of requirements, so that a second run costs nothing

$(VENV)/bin/python:
	@tests/tools/python.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(HERE):
	@mkdir -p $(@D)
	ln -sfn ../../../.. $@

$(VENV)/.run: requirements/run.txt requirements/constraints.txt | $(VENV)/bin/python $(HERE)
	$(VENV)/bin/python -m pip install --quiet -r $< -c requirements/constraints.txt
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.run
	@tests/tools/power.sh
	$(VENV)/bin/python -m pip install --quiet -r $< -c requirements/constraints.txt
	@touch $@

$(VENV)/.lint: requirements/lint.txt $(VENV)/.run
	$(VENV)/bin/python -m pip install --quiet -r $< -c requirements/constraints.txt
	@touch $@

.PHONY: java
java:
	@tests/tools/java.sh

$(VENV)/.eda: | java

$(VENV)/.importer $(VENV)/.peer $(VENV)/.rally $(VENV)/.eda: $(VENV)/.%: requirements/%.txt | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(VENV)/$*
	$(VENV)/$*/bin/python -m pip install --quiet -r $<
	@touch $@
