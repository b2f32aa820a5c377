# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What os_node_fault says, beside what a client on another node sees of the node (docs/witness.md), as far as it can see anything."""

from __future__ import annotations

import time

import pytest
from lab_nodes import wait_for, with_memcached
from lab_witness import LASTS, SSH_RATE, Witness, boots, comes_back, keeps_shut, stays_open
from patience import HANG
from witness_table import Table

PORT = 18087
UNIT = "witness-page"
SERVER = f"^/usr/bin/python3 -m http.server {PORT}$"
# a page, by a server that goes on when it cannot open a file
_SERVED = (
    f"mkdir -p /opt/page; systemctl reset-failed {UNIT} 2>/dev/null; systemd-run --quiet --unit={UNIT} -p Restart=always -p RestartSec=100ms "
    f"-p WorkingDirectory=/opt/page /usr/bin/python3 -m http.server {PORT}")
# which a client may notice by slower answers, and not by missing ones
UNNOTICED = {
    "stress (cpu)": {"action": "stress", "target": "cpu", "load": 50}, "stress (memory)": {"action": "stress", "target": "memory", "size": "64M"},
    "fill_disk": {"action": "fill_disk", "path": "/data", "percent": 100},
    "exhaust (inodes)": {"action": "exhaust", "resource": "inodes", "path": "/data", "percent": 100},
    "exhaust (pids)": {"action": "exhaust", "resource": "pids", "free": 100}, "oom": {"action": "oom"},
}


@pytest.fixture(scope="module")
def seen_node(make_node):
    """A node with limits of its own."""
    limits = ("--memory=400m", "--memory-swap=400m", "--pids-limit=300", "--tmpfs=/data:size=64m,nr_inodes=3000")
    return make_node("seennode", *limits, furnish=with_memcached)


@pytest.fixture
def node(seen_node, clean):
    """That node with a page; the test fails if it leaves anything behind."""
    with clean(seen_node):
        yield seen_node


@pytest.fixture
def page(node, onlooker):
    """A witness of the page that the node serves."""
    node.sh(_SERVED)
    yield Witness([{"name": "page", "protocol": "http", "address": node.address, "port": PORT}], onlooker)
    node.sh(f"systemctl stop {UNIT}; systemctl reset-failed {UNIT}; rm -rf /opt/page", check=False)


def hit(node, **args):
    return node.hit("os_node_fault", {"wait_timeout": HANG, "recovery_timeout": HANG, **args})


@pytest.mark.parametrize(("words", "args"), [
    ("freeze_process", {"action": "freeze_process", "pattern": SERVER}),
    ("exhaust (fds)", {"action": "exhaust", "resource": "fds", "pattern": SERVER}),
])
def test_what_is_hit_answers_nobody_from_the_proof_to_the_end(node, page, words, args):
    keeps_shut("node", words, "a page", node, page, lambda: hit(node, duration=LASTS, wait=True, **args))


def test_a_process_is_back_when_a_client_is_answered(node, page):
    comes_back("node", "kill_process", "a page", node, page, lambda: hit(node, action="kill_process", pattern=SERVER, wait=True))


@pytest.mark.parametrize("words", UNNOTICED)
def test_what_a_client_notices_little_of_leaves_the_door_open(node, page, words):
    with page:
        answer = hit(node, duration=LASTS, wait=True, **UNNOTICED[words])
        record = node.record(answer["fault"]["id"])
        page.settle("page", record["undone"])
    since, until = record["proven"], record["proven"] + LASTS
    against = stays_open(page.seen, record, "page")
    before, while_it_lasts = (1000 * page.seen.median("page", *span) for span in ((0, record["began"]), (since, until)))
    Table().add(
        "node", words, "a page", f"for {LASTS} s; {'held' if record['held'] else 'not held'}; residue {', '.join(record['residue']) or 'none'}",
        f"{100 * page.seen.share('page', since, until):.0f} % of the questions answered, in {while_it_lasts:.0f} ms where it was {before:.0f} ms", against)
    assert against == [] and record["held"] is True and record["residue"] == []


def test_a_node_that_reboots_answers_by_its_own_words_no_sooner_than_to_a_client(node, onlooker):
    with Witness([{"name": "ssh", "protocol": "tcp", "address": node.address, "port": 22}], onlooker, rate=SSH_RATE) as witness:
        began = time.time()
        answer, ended = hit(node, action="reboot"), time.time()
        witness.settle("ssh", ended)
    wait_for(lambda: node.active("memcached"))
    boots("reboot", "a node's SSH", witness.seen, began, ended, answer["boot_time"])
