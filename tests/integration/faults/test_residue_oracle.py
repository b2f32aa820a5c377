# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The residue oracle on a real node: what tests/unit/test_residue.py compares is what the node tells."""

from __future__ import annotations

import pytest
from lab_nodes import wait_for


@pytest.mark.parametrize("leave, take, words", [
    ("nft add table inet faultline_unplug_deadbeef", "nft delete table inet faultline_unplug_deadbeef", "table inet faultline_unplug_deadbeef"),
    ("kill -STOP $(pidof memcached)", "kill -CONT $(pidof memcached)", "memcached"),
    ("mkdir -p /run/systemd/system.control; ln -s /dev/null /run/systemd/system.control/memcached.service",
     "rm -r /run/systemd/system.control", "masked /run/systemd/system.control/memcached.service"),
    ("systemd-run -q --unit=faultline-work-deadbeef sleep 3000", "systemctl stop faultline-work-deadbeef",
     "unit node faultline-work-deadbeef.service active running"),
    ("systemctl stop memcached", "systemctl start memcached", "unit package memcached.service active running"),
    ("systemctl stop memcached", "systemctl start memcached", "socket tcp 127.0.0.1:11211"),
    # the kernel gives a link without a queue a length with its first
    ("tc qdisc replace dev eth0 root handle 7fa1: tbf rate 1gbit burst 1m latency 1s",
     "tc qdisc del dev eth0 root; ip link set eth0 txqueuelen 0", "7fa1:"),
    ("ip address add 10.99.0.1/32 dev eth0", "ip address del 10.99.0.1/32 dev eth0", "10.99.0.1/32"),
    ("ip link set eth0 mtu 1400", "ip link set eth0 mtu 1500", "mtu 1400"),
    ("touch /var/tmp/faultline-fill", "rm /var/tmp/faultline-fill", "file /var/tmp/faultline-fill"),
], ids=lambda words: words[:24])
def test_what_a_fault_could_leave_is_seen(spare, leave, take, words):
    before = spare.snapshot()
    spare.sh(leave)
    try:
        difference = before.difference(spare.snapshot())
        assert any(words in line for line in [*difference["appeared"], *difference["gone"]]), difference
    finally:
        spare.sh(take)
    wait_for(lambda: before.difference(spare.snapshot()) == {})


def test_what_others_do_meanwhile_is_not(spare):
    before = spare.snapshot()
    spare.sh("ip link add br-0123456789ab type bridge; ip link set br-0123456789ab up; nft add table inet theirs; "
             "systemctl start systemd-tmpfiles-clean.timer logrotate.service; ip rule add from 192.0.2.1 lookup 99")
    try:
        now = spare.snapshot()
        assert "link br-0123456789ab" in " ".join(now.lines) and "inet theirs" in " ".join(now.lines)
        assert before.difference(now) == {}
    finally:
        spare.sh("ip link del br-0123456789ab; nft delete table inet theirs; ip rule del from 192.0.2.1 lookup 99")
