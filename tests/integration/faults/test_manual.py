# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What os-faults' manuals promise, word for word."""

from __future__ import annotations

from lab_manual import play, say
from lab_nodes import LAB, wait_for


def pid(node, container):
    return node.sh(f"docker inspect --format '{{{{.State.Running}}}} {{{{.State.Pid}}}}' {container}").split()


def born(node):
    """When its PID 1 was started, in ticks since the kernel's own boot."""
    return node.sh("cut -d' ' -f22 /proc/1/stat")


def link(node, interface):
    return node.sh(f"cat /sys/class/net/{interface}/operstate")


def test_the_discovered_file_tells_the_truth(manual):
    play("verify", manual.found)


def test_restart_keystone_service(lab):
    before = {name: node.processes("keystone") for name, node in lab.items()}
    say(LAB / "os-faults.yaml", "Restart Keystone service")
    for name, node in lab.items():
        assert not set(before[name]) & set(node.processes("keystone")) and node.active("keystone")


def test_kill_nova_api_service_on_one_node(manual):
    before = pid(manual.three, "nova_api")
    said = say(manual.found, "kill nova-api service on one node")
    assert "hits node-3.domain.tld" in said
    after = wait_for(lambda: [each for each in [pid(manual.three, "nova_api")] if each[0] == "true"])[0]
    assert before[0] == "true" and before[1] != after[1]


def test_restart_neutron_ovs_agent_container(manual):
    before = pid(manual.three, "neutron_ovs_agent")
    say(manual.found, "Restart neutron_ovs_agent container")
    after = pid(manual.three, "neutron_ovs_agent")
    assert after[0] == "true" and before[1] != after[1]


def test_terminate_and_start_neutron_api_container_on_one_node(manual):
    say(manual.found, "Terminate neutron_api container on one node")
    assert pid(manual.three, "neutron_api")[0] == "false"
    say(manual.found, "Start neutron_api container on one node")
    assert pid(manual.three, "neutron_api")[0] == "true"


def test_reboot_one_node_with_mysql(manual):
    before = born(manual.one)
    said = say(manual.found, "Reboot one node with mysql")
    assert "hits node-1.domain.tld" in said and "booted again" in said
    assert before != born(manual.one)
    wait_for(lambda: manual.one.active("mariadb") and manual.one.active("rabbitmq-server"))


def test_reset_a_node(manual):
    before = manual.two.boot_id()
    say(manual.found, "Reset node-2.domain.tld node")
    manual.two.wait_up()
    assert manual.two.boot_id() != before


def test_poweroff_and_poweron_of_a_node(manual):
    say(manual.found, "Poweroff node-2.domain.tld node")
    assert manual.two.state == "shut off"
    say(manual.found, "Poweron node-2.domain.tld node")
    assert manual.two.state == "running"
    manual.two.wait_up()


def test_oom_of_a_node(manual):
    before = manual.two.sh("dmesg").count("Out of memory: Killed process")
    said = say(manual.found, "Oom node-2.domain.tld node")
    assert "the kernel's killer has taken our hog" in said
    assert manual.two.sh("dmesg").count("Out of memory: Killed process") > before


def test_disconnect_management_network_on_nodes_with_rabbitmq_service(manual, clean):
    with clean(manual.one):
        said = say(manual.found_over_storage, "Disconnect management network on nodes with rabbitmq service")
        assert "hits node-1.domain.tld (of 1" in said
        assert link(manual.one, "eth0") == "down" and link(manual.one, "eth1") == "up"
        say(manual.found_over_storage, "Connect management network on nodes with rabbitmq service")
        assert link(manual.one, "eth0") == "up"


def test_disconnect_and_connect_storage_network_on_a_node(manual, clean):
    with clean(manual.one):
        say(manual.found, "Disconnect storage network on node-1.domain.tld node")
        assert link(manual.one, "eth1") == "down" and link(manual.one, "eth0") == "up"
        say(manual.found, "Connect storage network on node-1.domain.tld node")
        assert link(manual.one, "eth1") == "up"


def test_disconnect_the_network_that_ansible_comes_by_for_a_while(manual, clean):
    with clean(manual.one):
        before = manual.one.faults()
        said = say(manual.found, "Disconnect management network on nodes with rabbitmq service for 5 seconds")
        assert "residue: none" in said and link(manual.one, "eth0") == "up"
        (record,) = [manual.one.record(name) for name in manual.one.faults() - before]
        assert record["state"] == "undone" and record["held"] is True and record["duration"] == 5
