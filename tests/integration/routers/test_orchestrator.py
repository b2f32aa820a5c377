# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The orchestrator of routers where no cloud answers: the engine takes its rulebook, starts its playbooks, tells what is wrong, and ends in order."""

from __future__ import annotations

import pytest
import yaml
from lab_nodes import wait_for
from lab_orchestrator import Orchestrator
from lab_ports import free_port

# these need no node, so nobody waits for them
pytestmark = pytest.mark.xdist_group("orchestrator_alone")


@pytest.fixture
def start(tmp_path):
    """start(**variables): an orchestrator whose cloud refuses connections."""
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": {
        "ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}}}}))
    auth = {"auth_url": "http://127.0.0.1:9/v3", "username": "admin", "password": "x", "project_name": "admin"}
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"away": {"auth": auth}}}))
    running = []

    def begin(**variables):
        given = {"cloud": "away", "period": 1, **variables}
        running.append(Orchestrator(tmp_path / "one", free_port(), tmp_path / "inventory.yml", tmp_path / "clouds.yaml", **given))
        return running[0]

    yield begin
    for each in running:
        each.stop()


def test_it_serves_and_starts_playbooks_where_no_cloud_answers_and_ends_in_order(start):
    found = start()
    wait_for(lambda: found.report("router_health").get("looks", 0) > 2, pause=0.5)
    told = found.put("/workers/debug/")[1]
    assert set(told["sources"]) == {"router_health", "rug_api", "neutron_notifications"} and told["routers"] == []
    assert "127.0.0.1:9" in told["sources"]["router_health"]["error"]
    assert told["sources"]["neutron_notifications"]["problem"] == "No transport_url is given: nothing is heard."
    assert found.log.count("the routers cannot be seen") == 1
    assert found.put("/global/debug/enable/") == (200, {"msg": "global debug: all routers; queued", "queued": True, "waiting": 1})
    # the rules have a playbook do it, which says why it cannot
    wait_for(lambda: "TASK [Change the marks]" in found.log and "failed=1" in found.log, pause=0.5)
    found.stop()
    assert found.process.returncode == 0 and "Traceback" not in found.log


@pytest.mark.parametrize(("variables", "text"), [
    ({"period": 0}, "router_health: period is 0; it has to be a number from 1 to 3600."),
    ({"settings": {"state_dir": "states"}}, "state_dir is states; it has to begin with / or ~."),
    ({"api_host": "0.0.0.0"}, "rug_api: Off loopback (0.0.0.0) a token is required, and there is none."),
    ({"notifications": {"pool": "a b"}, "transport_url": "rabbit://u:secret@127.0.0.1:9/"}, "neutron_notifications: pool has to be a name"),
])
def test_a_wrong_variable_ends_it_with_its_name(start, variables, text):
    found = start(**variables)
    wait_for(lambda: found.process.poll() is not None, pause=0.5)
    assert text in found.log and "secret" not in found.log
