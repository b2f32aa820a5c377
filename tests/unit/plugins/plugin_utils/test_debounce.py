# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for VMs: all side by side, patient while one gets further, and over at once when one cannot answer any more."""

from __future__ import annotations

import re
import threading
import time

import pytest
from patience import HANG, more_time

from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _answers
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _debounce

KEYS = {("ssh-ed25519", "AAAA")}


def instance(number, status="ACTIVE", **more):
    address = f"192.0.2.{number}"
    return {
        "id": f"u{number}", "we_id": f"w{number}", "name": f"whenenv-W{number}", "type": f"t{number}", "status": status, "fault": None, "address": address,
        "networks": {"net": [address]}, "metadata": {}, "labels": {}, **more}


class Told(_answers.Asked):
    """A VM that takes each step at a moment: seconds after the begin, None for never; an exception is raised."""

    moments: dict = {}
    begun = 0.0
    busy = 0
    most = 0
    # where all first steps meet
    together = None
    lock = threading.Lock()

    def step(self):
        with Told.lock:
            Told.busy += 1
            Told.most = max(Told.most, Told.busy)
        try:
            if Told.together and not self.reached:
                Told.together.wait()
            time.sleep(0.002)
            moment = Told.moments[self.instance["id"]][self.reached]
            if isinstance(moment, Exception):
                raise moment
            if moment is None or time.monotonic() - Told.begun < moment:
                self.why = self.steps[self.reached][0]
                return False
            self.reached += 1
            return True
        finally:
            with Told.lock:
                Told.busy -= 1


@pytest.fixture(name="wait")
def fixture_wait(monkeypatch):
    """wait({id: moments of ping, keys, login}, looks, patience): (what was said, Debounce); looks: what the cloud says at each look."""
    monkeypatch.setattr(_answers, "Asked", Told)

    def call(moments, looks, patience=HANG, forks=10, every=100.0, look=0.05, together=None):
        looks, said = list(looks), []

        def ask():
            found = looks.pop(0) if len(looks) > 1 else looks[0]
            if isinstance(found, Exception):
                raise found
            return found

        Told.moments, Told.begun, Told.most, Told.together = moments, time.monotonic(), 0, together
        settings = {"user": "root", "port": 22, "private_key": None, "ssh_args": [], "ping": True}
        debounce = _debounce.Debounce(ask, settings, patience, every, forks, said.append, pause=0.01, look=look)
        call.debounce, call.said = debounce, said
        debounce.run()
        return said, debounce

    return call


def test_all_answer_side_by_side(wait):
    said, debounce = wait(
        {f"u{number}": (0, 0, 0) for number in range(1, 9)}, [[instance(number) for number in range(1, 9)]], together=threading.Barrier(8, timeout=HANG))
    assert len(debounce.answering) == 8 and Told.most == 8
    assert sorted(line.split(" after ")[0] for line in said) == [f"answers   t{number} (192.0.2.{number})" for number in range(1, 9)]


def test_no_more_are_asked_at_a_time_than_forks(wait):
    wait({f"u{number}": (0, 0, 0.1) for number in range(1, 9)}, [[instance(number) for number in range(1, 9)]], forks=2)
    assert Told.most == 2


def test_the_time_begins_again_whenever_one_gets_further(wait):
    for patience in more_time(0.9):
        moments = {"u1": (0.5 * patience, 1.1 * patience, 1.6 * patience), "u2": (0.2 * patience, 0.8 * patience, 1.3 * patience)}
        begun = time.monotonic()
        try:
            wait(moments, [[instance(1), instance(2)]], patience=patience)
        except FaultlineError:
            continue
        assert time.monotonic() - begun > 1.5 * patience
        return
    pytest.fail("it never waited on")


def test_without_progress_it_ends_and_says_who_does_not_answer(wait):
    for patience in more_time(0.5):
        begun = time.monotonic()
        with pytest.raises(FaultlineError) as caught:
            wait({"u1": (0, 0, 0), "u2": (0, None, None), "u3": (None,)}, [[instance(1), instance(2), instance(3)]], patience=patience)
        assert time.monotonic() - begun >= patience and caught.value.code == "not_answering"
        if wait.debounce.answering and wait.debounce.asked["u2"].reached:
            break
    assert caught.value.message == (
        f"2 of 3 VMs do not answer, and none has got further for {patience:g} s: t2 (192.0.2.2): no SSH yet; t3 (192.0.2.3): no ping yet.")
    assert caught.value.details["missing"] == ["t2 (192.0.2.2): no SSH yet", "t3 (192.0.2.3): no ping yet"]
    assert [vm.instance["id"] for vm in wait.debounce.answering] == ["u1"]


def test_progress_is_told_while_it_waits(wait):
    for moment in more_time(0.4):
        said, _debounce_ = wait({"u1": (0, 0, 0), "u2": (0, moment, moment)}, [[instance(1), instance(2)]], every=0.1)
        if any(re.match(r"1 of 2 VMs answer; t2 \(192\.0\.2\.2\): no SSH yet; \d+ s are left until one gets further", line) for line in said):
            return
    pytest.fail("nothing was told")


def test_one_that_is_being_built_is_asked_when_it_is_there(wait):
    building = instance(1, "BUILD", networks={}, address=None)
    said, _debounce_ = wait({"u1": (0, 0, 0)}, [[building], [building], [instance(1)]], every=0.02)
    assert "0 of 1 VMs answer; t1 (whenenv-W1) is BUILD" in said[0] and said[-1].startswith("answers   t1 (192.0.2.1)")


def test_a_floating_ip_that_comes_late_is_the_one_that_is_asked(wait):
    late = instance(1, address="203.0.113.1", floating="203.0.113.1")
    for moment in more_time(0.3):
        _said, debounce = wait({"u1": (0, 0, moment)}, [[instance(1)], [late]])
        if debounce.asked["u1"].addresses == ["203.0.113.1", "192.0.2.1"]:
            return
    pytest.fail("it was not asked")


@pytest.mark.parametrize(("looks", "code", "words"), [
    ([[instance(1), instance(2, "ERROR", fault="No valid host was found.")]], "boot_failed", "The VM t2 (192.0.2.2) is in ERROR: No valid host was found."),
    ([[instance(1), instance(2)], [instance(1), instance(2, "ERROR", fault="died")]], "boot_failed", "The VM t2 (192.0.2.2) is in ERROR: died."),
    ([[instance(1), instance(2)], [instance(1)]], "gone", "1 VMs were deleted while they were waited for: t2 (192.0.2.2)."),
    ([[instance(1, networks={}, address=None)]], "no_address", "The VM t1 (whenenv-W1) has no address that could be asked."),
    ([FaultlineError("the cloud cannot be reached", code="no_answer")], "no_answer", "the cloud cannot be reached"),
])
def test_what_cannot_answer_any_more_ends_it_at_once(wait, looks, code, words):
    with pytest.raises(FaultlineError) as caught:
        wait({"u1": (None,), "u2": (None,)}, looks, patience=60)
    assert (caught.value.code, caught.value.message) == (code, words)


def test_the_cloud_may_be_away_while_vms_answer(wait):
    for moment in more_time(0.4):
        said, _debounce_ = wait({"u1": (0, 0, moment)}, [[instance(1)], FaultlineError("no answer", code="no_answer"), [instance(1)]])
        if "the cloud does not answer: no answer" in said:
            return
    pytest.fail("nobody was told")


@pytest.mark.parametrize("error", [FaultlineError("User 1 may not ping here.", code="no_ping"), OSError("no more processes")])
def test_what_goes_wrong_in_a_thread_is_raised(wait, error):
    with pytest.raises(type(error), match=str(error)):
        wait({"u1": (error,)}, [[instance(1)]])


# ---- names


def answering(number, short=(), long=(), **more):
    vm = Told(instance(number, **more), {"ping": True, "port": 22})
    vm.keys = {f"192.0.2.{number}": {("ssh-ed25519", f"KEY{number}")}}
    vm.seen = {"VM_HOSTNAME_SHORT": list(short), "VM_HOSTNAME_LONG": list(long), "VM_DISK": {}}
    return vm


def learned(*vms, port=22, **leads):
    return _debounce.learned(vms, port, lambda names: {name: leads.get(name.replace("-", "_").replace(".", "_"), []) for name in names})


def test_a_servers_own_name_is_its_own():
    keys, yielding, left = learned(answering(1, ["whenenv-w1"], ["Whenenv-W1.novalocal"]), port=2222)
    assert set(keys) == {"192.0.2.1", "[whenenv-w1]:2222", "[whenenv-w1.novalocal]:2222"} and not yielding and not left


def test_a_name_that_leads_to_the_vm_is_its_own():
    keys, yielding, left = learned(answering(1, ["mon1"]), mon1=["192.0.2.1"])
    assert keys["mon1"] == {("ssh-ed25519", "KEY1")} and not yielding and not left


def test_a_name_that_leads_nowhere_replaces_nothing():
    keys, yielding, left = learned(answering(1, ["mon1"], ["mon1.example.org"]))
    assert set(keys) == {"192.0.2.1", "mon1", "mon1.example.org"} and yielding == ["mon1", "mon1.example.org"] and not left


def test_a_name_of_another_host_is_left_alone():
    keys, _yielding, left = learned(answering(1, ["github"], ["github.com"]), github_com=["140.82.121.3"])
    assert "github.com" not in keys
    assert left == [{"name": "github.com", "why": "t1 (192.0.2.1) says that it is this host, but it leads to 140.82.121.3"}]


def test_a_name_that_two_say_is_nobodys():
    keys, _yielding, left = learned(answering(1, ["vm"]), answering(2, ["vm"]))
    assert set(keys) == {"192.0.2.1", "192.0.2.2"} and left == [{"name": "vm", "why": "2 VMs say that it is theirs"}]


@pytest.mark.parametrize("name", ["localhost", "localhost.localdomain", "10.0.0.1", "none"])
def test_what_is_no_name_of_a_host_is_not_learned(name):
    keys, _yielding, left = learned(answering(1, [name]))
    assert set(keys) == {"192.0.2.1"} and not left


def test_names_are_resolved_as_ssh_would():
    assert "127.0.0.1" in _debounce.resolved(["localhost"])["localhost"]
    assert _debounce.resolved(["no-such-host.invalid"]) == {"no-such-host.invalid": []}
