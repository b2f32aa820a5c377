# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `--check --diff` shows of each fault: the state before, and what it would be."""

from __future__ import annotations

import socket
import types

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault import (
    _clustered,
    _command_faults,
    _container_faults,
    _engine,
    _net_faults,
    _nft,
    _node_faults,
    _power_faults,
    _power_machines,
    _proc,
    _service_faults,
    _service_driver,
    _service_units,
    _systemd,
)

PROCESS = type("P", (), {"pid": 7, "comm": "memcached", "state": "S", "alive": True, "start": 1, "as_dict": dict, "__str__": lambda self: "memcached[7]"})()


SOCKETS = [_proc.Socket("tcp", "0.0.0.0", 11211, socket.AF_INET), _proc.Socket("udp", "0.0.0.0", 53, socket.AF_INET)]
for each in SOCKETS:
    each.holders = [PROCESS]


class Service(_service_units.SystemService):
    """A service of one unit, which runs or does not."""

    running = True
    settled = property(lambda self: self.running)

    def find(self):
        state, substate = ("active", "running") if self.running else ("inactive", "dead")
        self.units = [_systemd.Unit({"Id": "memcached.service", "ActiveState": state, "SubState": substate, "LoadState": "loaded"})]

    look_again = find

    def processes(self):
        return [PROCESS] if self.running else []

    def describe(self):
        return "memcached.service: active (running), memcached[7] (S)" if self.running else "memcached.service: inactive (dead)"


@pytest.fixture(autouse=True)
def host(monkeypatch, tmp_path):
    monkeypatch.setattr(_engine._journal, "HOME", str(tmp_path / "faultline"))
    monkeypatch.setattr(_engine.os, "geteuid", lambda: 0)
    monkeypatch.setattr(_nft, "require", lambda elsewhere: None)
    monkeypatch.setattr(_proc, "listening", lambda processes: SOCKETS)
    monkeypatch.setattr(_systemd, "booted", lambda: True)
    monkeypatch.setattr(_systemd, "show", lambda names: [])
    monkeypatch.setattr(_service_faults.Unplug, "_carriers", lambda self: [])


def shown(fault):
    """The lines of before, and of after."""
    told = _engine.perform(fault, check_mode=True)
    assert told["changed"] and all(text.endswith("\n") and text.strip() for text in told["diff"].values())
    assert told["diff"]["before"] != told["diff"]["after"]
    return [text.rstrip("\n") for text in (told["diff"]["before"], told["diff"]["after"])]


@pytest.mark.parametrize("action, running, after", [
    ("kill", True, "memcached.service: memcached[7] killed by SIGKILL"), ("restart", True, "memcached.service: restarted, memcached[7] gone"),
    ("terminate", True, "memcached.service: stopped"), ("freeze", True, "memcached.service: frozen, memcached[7] (T)"),
    ("mask", True, "memcached.service: masked, stopped"),
    ("unplug", True, "memcached.service: active (running), memcached[7] (S); tcp 11211, udp 53 egress cut off"),
    ("start", False, "memcached.service: up"), ("restart", False, "memcached.service: restarted, no process gone"),
])
def test_of_a_service(action, running, after):
    service = Service("memcached", {})
    service.running = running
    service.find()
    before = "memcached.service: active (running), memcached[7] (S)" if running else "memcached.service: inactive (dead)"
    fault = _service_faults.make(action, service, ports=[("tcp", 11211, "both"), ("udp", 53, "egress")])
    assert shown(fault) == [before, after]


def test_of_what_changes_nothing_nothing_is_shown_as_changed():
    service = Service("memcached", {})
    service.find()
    told = _engine.perform(_service_faults.make("start", service), check_mode=True)
    assert told["changed"] is False and told["diff"]["before"] == told["diff"]["after"] == "memcached.service: active (running), memcached[7] (S)\n"


@pytest.mark.parametrize("action, after", [
    ("kill", "web: memcached[7], the main process, killed by SIGKILL"), ("restart", "web: restarted, memcached[7] gone"), ("terminate", "web: stopped"),
    ("freeze", "web: paused, memcached[7] frozen"),
])
def test_of_a_container(action, after):
    found = types.SimpleNamespace(
        name="web", id="i" * 64, paused=False, policy=("no", 0), stop_timeout=10, engine=types.SimpleNamespace(name="docker", stop_lasts=True),
        started_at="", running=True, up=True)
    container = type("Container", (_service_driver.Service,), {
        "found": found, "main": PROCESS, "up": True, "can_start": True, "processes": lambda self: [PROCESS], "describe": lambda self: "web: running",
        "start_steps": lambda self: [], "stop_timeout": 10})("web", {})
    fault = _service_faults.make(action, container, actions=_container_faults.ACTIONS)
    assert shown(fault) == ["web: running", after]


@pytest.mark.parametrize("action, state, after", [
    ("poweroff", "on", "off"), ("shutdown", "on", "off"), ("reset", "on", "on, restarted"), ("reboot", "on", "on, restarted"), ("poweron", "off", "on"),
    ("snapshot", "on", "as it is, kept as snapshot s"), ("revert", "on", "as it was at snapshot s"),
])
def test_of_power(monkeypatch, action, state, after):
    machine = types.SimpleNamespace(
        words="vm1", data={}, state=lambda seconds: state, actions=lambda: [action], driver=types.SimpleNamespace(NAME="libvirt"), has=lambda name: True)
    monkeypatch.setattr(_power_machines, "find", lambda managers, node, seconds: (machine, []))
    monkeypatch.setattr(_power_faults._power_steps.PowerOn, "make", classmethod(lambda cls, machine: {"type": "power_on", "say": "switch on vm1"}))
    fault = _power_faults.make(action, {"name": "n1"}, [], 60, "s")
    assert shown(fault) == [f"vm1: {state}", f"vm1: {after}"]


def test_of_a_network(monkeypatch):
    link = types.SimpleNamespace(name="eth1", up=True, loopback=False, index=2, mac=b"")
    monkeypatch.setattr(_net_faults._net, "session", lambda: None)
    monkeypatch.setattr(_net_faults._net, "find", lambda *args: (link, {"eth1": link}))
    monkeypatch.setattr(_net_faults._net, "carriers", lambda *args: [])
    monkeypatch.setattr(_net_faults._netlink, "require", lambda: None)
    monkeypatch.setattr(_net_faults.Disconnect, "steps", lambda self, fault_id: [])
    assert shown(_net_faults.Disconnect({"action": "disconnect", "kind": "link", "interface": "eth1"})) == ["eth1 up", "eth1 disconnected (link down)"]


def test_of_a_command():
    options = {"name": "app", "down": "stop it", "up": None, "down_check": None, "up_check": ["true"], "timeout": 20, "reboots": False}
    assert shown(_command_faults.CommandFault(options)) == ["app: up, as its check says", "run stop it"]
    assert shown(_command_faults.CommandFault({**options, "up_check": None})) == ["app: untouched", "run stop it"]


def test_of_a_node(monkeypatch):
    fault = _node_faults.make("reboot", {"duration": None})
    monkeypatch.setattr(type(fault), "guard", lambda self: None)
    before, after = shown(fault)
    assert before.startswith("boot ") and after == "systemctl reboot"


def test_of_a_resource_of_pacemaker():
    service = types.SimpleNamespace(foreseen=lambda state: "vip: " + state, node="ctl1", name="vip", names=("vip",))
    assert _clustered.KeepOff(service).expected() == "vip: kept off ctl1 by Pacemaker"
