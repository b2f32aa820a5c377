# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter pick."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.faultline.openstack.plugins.filter.pick import FilterModule, pick
from hypothesis import given
from hypothesis import strategies as st

NODES = [f"node-{number}" for number in range(1, 8)]


@pytest.mark.parametrize(("count", "many"), [(1, 1), (3, 3), ("3", 3), ("50%", 4), ("1%", 1), ("100%", 7)])
def test_as_many_as_were_asked_for_in_their_order(count, many):
    picked = pick(NODES, count, seed=7)
    assert len(picked) == many and picked == [node for node in NODES if node in picked]
    assert picked == pick(NODES, count, seed="7"), "another choice with the same seed"


@given(st.text(min_size=1), st.integers(0, 6))
def test_a_name_that_was_not_picked_can_leave_without_changing_the_choice(seed, place):
    picked = pick(NODES, 3, seed=seed)
    if NODES[place] not in picked:
        assert pick([node for node in NODES if node != NODES[place]], 3, seed=seed) == picked


def test_seeds_differ_and_names_count_once():
    assert len({pick(NODES, seed=seed)[0] for seed in range(50)}) == len(NODES)
    assert pick(["a", "a"], seed=1) == ["a"]


@pytest.mark.parametrize(("names", "count", "seed", "message"), [
    (NODES, 1, None, r"pick needs a seed, as pick\(seed=42\)"),
    (NODES, 1, "", "pick needs a seed"),
    ("node-1", 1, 7, "from a list of names, not from 'node-1'"),
    (5, 1, 7, "from a list of names, not from 5"),
    (NODES, 0, 7, "0 is neither a number"),
    (NODES, "some", 7, "'some' is neither a number"),
    (NODES, "101%", 7, "'101%' is neither"),
    (NODES, 8, 7, "8 of 7 names are wanted: node-1, node-2"),
    ([], 1, 7, "1 of 0 names are wanted: there is none"),
])  # fmt: skip
def test_what_cannot_be_picked_is_an_error(names, count, seed, message):
    with pytest.raises(AnsibleFilterError, match=message):
        pick(names, count, seed=seed)


def test_it_is_a_filter_of_the_collection():
    assert FilterModule().filters() == {"pick": pick}
