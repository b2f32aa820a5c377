# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_netiface where the kernel has netem, VLANs and a queue of its own: a Debian guest, seen from the controller."""

from __future__ import annotations

import secrets
import select
import socket
import struct
import time

import pytest
from lab_nodes import LONG, wait_for
from lab_wires import dropped, wait_same
from patience import HANG


@pytest.fixture(scope="module")
def guest_vm(make_vm):
    return make_vm("netem")


@pytest.fixture
def guest(guest_vm, clean):
    """The guest; the test fails if it leaves anything behind."""
    with clean(guest_vm):
        yield guest_vm


class Pinged:
    """What echo requests from the controller meet: how many were answered (received), the times in milliseconds, the answers' order, how
    many came twice (duplicates) or with wrong bytes (wrong)."""

    def __init__(self, address, count=20, interval=0.1):
        self.times, self.order, self.duplicates, self.wrong, self.sent = [], [], 0, 0, count
        # answers to earlier ones may be on their way yet
        name, sent, begin = secrets.randbelow(0x10000), {}, time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as channel:
            channel.connect((address, 0))
            while True:
                now = time.monotonic() - begin
                if len(sent) < count and now >= len(sent) * interval:
                    sent[len(sent)] = now
                    channel.send(self._request(name, len(sent) - 1))
                    continue
                left = len(sent) * interval - now if len(sent) < count else count * interval + 3 - now
                if left <= 0 or (len(self.order) == count and not self.duplicates):
                    break
                if select.select([channel], [], [], left)[0]:
                    self._heard(channel.recv(2048)[20:], name, sent, time.monotonic() - begin)
        self.received = len(self.order)

    @staticmethod
    def _request(name, number):
        raw = struct.pack("!BBHHH", 8, 0, 0, name, number) + b"faultline" * 4
        total = sum(struct.unpack(f"!{len(raw) // 2}H", raw))
        total = (total & 0xFFFF) + (total >> 16)
        return raw[:2] + struct.pack("!H", ~total & 0xFFFF) + raw[4:]

    def _heard(self, raw, name, sent, now):
        if len(raw) < 8 or raw[0] != 0 or struct.unpack("!H", raw[4:6])[0] != name:
            return
        number = struct.unpack("!H", raw[6:8])[0]
        if raw[8:] != b"faultline" * 4 or number not in sent:
            self.wrong += 1
        elif number in self.order:
            self.duplicates += 1
        else:
            self.order.append(number)
            self.times.append(1000 * (now - sent[number]))

    @property
    def median(self):
        # none at all is as late as can be
        return sorted(self.times)[len(self.times) // 2] if self.times else float("inf")

    def __repr__(self):
        return f"{self.received} of {self.sent}, {self.duplicates} twice, {self.wrong} wrong, {[round(each) for each in self.times]}"


def hit(vm, action, **args):
    return vm.hit("os_netiface", {"action": action, "network": "management", "duration": LONG, **args})


def wait_quick(vm):
    """Until echoes are as quick as without a delay, and all of them come."""
    wait_for(lambda: (seen := Pinged(vm.address)).received == seen.sent and seen.median < 150)


def greeting(vm):
    """In how many seconds its sshd greets."""
    begin = time.monotonic()
    with socket.create_connection((vm.address, 22), timeout=HANG) as channel:
        assert channel.recv(4) == b"SSH-"
    return time.monotonic() - begin


@pytest.mark.gate
def test_netem_delays_what_goes_out_and_not_the_way_of_ansible(guest):
    wait_quick(guest)
    answer = hit(guest, "delay", delay="1500ms", jitter="20ms")
    assert answer["proof"]["means"] == {"delay": "netem", "jitter": "netem"} and answer["proof"]["passed"] >= 50
    assert Pinged(guest.address).median > 1400
    wait_for(lambda: 1400 < Pinged(guest.address).median < 2200)
    # two round trips
    wait_for(lambda: greeting(guest) < 2.5)
    guest.heal(answer)
    wait_quick(guest)


def test_netem_delays_what_comes_in(guest):
    answer = hit(guest, "delay", delay="300ms", direction="in", protocol="icmp")
    assert Pinged(guest.address).median > 250
    wait_for(lambda: 250 < Pinged(guest.address).median < 500)
    guest.heal(answer)
    wait_quick(guest)
    assert "flt-" not in guest.sh("ip link")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_delay_and_loss_of_two_faults_add_up_and_end_in_both_orders(guest, order):
    faults = [hit(guest, "delay", delay="300ms"), hit(guest, "loss", loss="40%", protocol="icmp")]

    def as_expected(active):
        # of 200, 80 get lost, within five standard deviations
        seen = Pinged(guest.address, count=200, interval=0.02)
        lost = seen.sent - seen.received
        assert seen.median > 250 or 0 not in active, seen
        assert lost > 45 or 1 not in active, seen
        return (0 in active or seen.median < 250) and lost < (115 if 1 in active else 1)

    wait_for(lambda: as_expected({0, 1}))
    guest.heal(faults[order[0]])
    wait_for(lambda: as_expected({order[1]}))
    guest.heal(faults[order[1]])
    wait_for(lambda: as_expected(set()))


def test_several_effects_in_one_call(guest):
    answer = hit(guest, "delay", delay="200ms", loss="40%", duplicate="50%", rate="10mbit")
    seen = Pinged(guest.address, count=60, interval=0.05)
    assert seen.median > 150 and seen.received < 58
    wait_for(lambda: Pinged(guest.address, count=60, interval=0.05).duplicates > 3)
    guest.heal(answer)


def test_duplicates_reorder_and_corruption(guest):
    answer = hit(guest, "duplicate", duplicate="100%")
    wait_for(lambda: Pinged(guest.address).duplicates >= 15)
    guest.heal(answer)
    answer = hit(guest, "reorder", reorder="50%", delay="300ms")
    order = Pinged(guest.address, count=40, interval=0.05).order
    assert order != sorted(order)
    guest.heal(answer)
    answer = hit(guest, "corrupt", corrupt="100%", protocol="icmp")
    seen = Pinged(guest.address)
    # a wrong bit fails the checksum of IPv4, or of the echo, or is seen
    assert seen.received < 10, seen
    guest.heal(answer)
    wait_quick(guest)


def test_the_way_of_ansible_survives_everything_lost_with_its_neighbour_forgotten(guest):
    answer = hit(guest, "loss", loss="100%", direction="both")
    assert answer["proof"]["means"] == {"loss": "netem"}
    before = dropped(guest, answer)
    assert Pinged(guest.address, count=3).received == 0 and dropped(guest, answer) > before
    guest.sh("ip neigh flush all")
    guest.environment["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=no -o ControlPath=none"
    try:
        guest.heal(answer)
    finally:
        del guest.environment["ANSIBLE_SSH_ARGS"]
    wait_quick(guest)


VLANS = """
ip link add trunk0 address 02:00:00:00:05:00 type dummy; ip link set trunk0 up
ip link add link trunk0 name trunk0.5 type vlan id 5; ip address add 10.55.0.1/24 dev trunk0.5; ip -6 address add fd55::1/64 dev trunk0.5 nodad
ip link set trunk0.5 up
ip link add link trunk0 name trunk0.6 type vlan id 6
ip route add 10.56.0.0/16 via 10.55.0.9 dev trunk0.5; ip -6 route add fd56::/64 via fd55::9 dev trunk0.5 table 77
"""


def test_vlans_on_a_link_come_back_as_they_were(guest):
    """Those that were up with their addresses and routes, those that were down stay down."""
    guest.sh(VLANS)
    told = (
        "ip -br link | grep trunk; ip -o address show | grep trunk | sed 's/ valid_lft.*//; s/^[0-9]*: //'; "
        "ip route show table all | grep trunk; ip -6 route show table all | grep trunk; true")
    try:
        wait_for(lambda: "tentative" not in guest.sh("ip -6 address"))
        before = sorted(guest.sh(told).splitlines())
        answer = guest.hit("os_netiface", {"action": "disconnect", "interface": "trunk0", "duration": LONG})
        assert "10.56.0.0" not in guest.sh(told)
        guest.heal(answer)
        wait_for(lambda: "tentative" not in guest.sh("ip -6 address"))
        wait_same(lambda: sorted(guest.sh(told).splitlines()), before)
    finally:
        guest.sh("ip link del trunk0")


def test_reboot_of_the_guest_in_the_middle_leaves_nothing(guest_vm):
    answer = hit(guest_vm, "delay", delay="200ms", direction="both", duration=1800)
    guest_vm.power_off()
    guest_vm.power_on()
    guest_vm.wait_up()
    guest_vm.wait_healed()
    # what the power cut left on the disk may not say yet that it was injected
    assert guest_vm.record(answer["fault"]["id"])["state"] in ("undone", "aborted")
    assert "7fa1" not in guest_vm.sh("tc qdisc show")
    wait_quick(guest_vm)
