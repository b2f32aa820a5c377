# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at routers from inside of real namespaces, made here."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from patience import HANG, more_time

from ansible_collections.faultline.openstack.plugins.module_utils._router import _inside


# these need no node, so nobody waits for them
pytestmark = pytest.mark.xdist_group("router_inside_alone")


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def routers():
    """routers(number): the ids of that many namespaces with an inside network, a gateway outside and a default route to it; all share the gateway."""
    made, tag = [], f"{os.getpid():x}"
    outside = f"faultline-out-{tag}"

    def make(number):
        made.append(outside)
        ip("netns", "add", outside)
        ip("-n", outside, "link", "add", "bridge", "type", "bridge")
        ip("-n", outside, "address", "add", "198.18.0.1/16", "dev", "bridge")
        ip("-n", outside, "address", "add", "fd00:18::1/64", "dev", "bridge", "nodad")
        ip("-n", outside, "link", "set", "bridge", "up")
        found = []
        for each in range(number):
            router, name = f"test-{tag}-{each}", f"qrouter-test-{tag}-{each}"
            made.append(name)
            ip("netns", "add", name)
            ip("-n", name, "link", "add", "qg-1", "type", "veth", "peer", "name", f"out{each}", "netns", outside)
            ip("-n", outside, "link", "set", f"out{each}", "master", "bridge", "up")
            ip("-n", name, "link", "add", "qr-1", "type", "veth", "peer", "name", f"in{each}", "netns", outside)
            ip("-n", outside, "link", "set", f"in{each}", "up")
            for link in ("lo", "qg-1", "qr-1"):
                ip("-n", name, "link", "set", link, "up")
            ip("-n", name, "address", "add", f"198.18.1.{each + 1}/16", "dev", "qg-1")
            ip("-n", name, "address", "add", f"fd00:18::1:{each + 1}/64", "dev", "qg-1", "nodad")
            ip("-n", name, "address", "add", "10.0.0.1/24", "dev", "qr-1")
            ip("-n", name, "route", "add", "default", "via", "198.18.0.1")
            ip("-n", name, "route", "add", "default", "via", "fd00:18::1")
            found.append({"id": router, "addresses": [f"198.18.1.{each + 1}", f"fd00:18::1:{each + 1}", "10.0.0.1"]})
        return found

    yield make
    for name in reversed(made):
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def answers(told):
    return {each["address"]: each["answered"] for each in told["pings"]}


@pytest.mark.gate
def test_what_answers_and_what_does_not(routers):
    one, other = _inside.checked(routers(2))
    one["targets"] = ["198.18.99.99", "203.0.113.1"]
    here = os.readlink("/proc/thread-self/ns/net")
    wanted = {"198.18.0.1": True, "fd00:18::1": True, "198.18.1.1": True, "fd00:18::1:1": True, "10.0.0.1": True}
    for seconds in more_time(1.5):
        told, second = _inside.look([one, other], seconds)
        # or this machine stood still
        if answers(told) == {**wanted, "198.18.99.99": False, "203.0.113.1": False} and all(answers(second).values()):
            break
    assert os.readlink("/proc/thread-self/ns/net") == here
    assert told["namespace"] and told["error"] is None and told["state"] is None
    assert [(each["interface"], each["up"]) for each in told["addresses"]] == [("qg-1", True), ("qg-1", True), ("qr-1", True)]
    assert answers(told) == {**wanted, "198.18.99.99": False, "203.0.113.1": False}
    assert told["gateways"] == ["198.18.0.1", "fd00:18::1"]
    assert [each["kind"] for each in told["pings"]] == ["gateway"] * 2 + ["interface"] * 3 + ["target"] * 2
    assert all(0 < each["milliseconds"] <= 1000 * seconds for each in told["pings"] if each["answered"])
    assert all(answers(second).values()) and len(second["pings"]) == 5
    assert "2 routers: 2 active, 0 on standby; 10 of 12 addresses answer" == _inside.words([told, second])


def test_a_link_that_is_down_and_an_address_that_is_gone(routers):
    (one,) = _inside.checked(routers(1))
    name = _inside.namespace(one["id"])
    ip("-n", name, "address", "delete", "10.0.0.1/24", "dev", "qr-1")
    ip("-n", name, "link", "set", "qg-1", "down")
    (told,) = _inside.look([one], 0.6)
    assert [(each["address"], each["interface"], each["up"]) for each in told["addresses"] if ":" not in each["address"]] == [
        ("198.18.1.1", "qg-1", False), ("10.0.0.1", None, False)]
    # its default route went with the link
    assert told["gateways"] == [] and "198.18.0.1" not in answers(told)


def test_one_on_standby_is_not_asked(routers):
    (one,) = _inside.checked(routers(1))
    for each in ("qg-1", "qr-1"):
        ip("-n", _inside.namespace(one["id"]), "address", "flush", "dev", each)
    (told,) = _inside.look([one], 1)
    assert told["namespace"] and told["pings"] == [] and not any(each["interface"] for each in told["addresses"])


def test_many_that_are_silent_take_no_longer_than_their_deadlines(routers):
    some = _inside.checked(routers(6))
    for each in some:
        each["targets"] = [f"198.18.200.{number}" for number in range(1, 20)]
    begin = time.monotonic()
    # one after the other they would take longer than any hang
    told = _inside.look(some, 3)
    assert sum(not each["answered"] for router in told for each in router["pings"]) == 6 * 19
    assert time.monotonic() - begin < HANG < 6 * 19 * 3
