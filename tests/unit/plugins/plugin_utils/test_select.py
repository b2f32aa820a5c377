# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The choice: reproducible, fair, and never more or fewer than wanted."""

from __future__ import annotations

import collections

import pytest
from ansible_collections.faultline.openstack.plugins.plugin_utils._select import choose, how_many, rank
from hypothesis import given
from hypothesis import strategies as st

HOSTS = [f"ctl{n}" for n in range(1, 7)]


@pytest.mark.parametrize("mode, n, of, many", [
    ("all", None, 6, 6), ("count", 1, 6, 1), ("count", 6, 6, 6),
    ("percent", 50, 6, 3), ("percent", 50, 5, 3), ("percent", 1, 6, 1), ("percent", 100, 6, 6), ("percent", 34, 3, 2), ("percent", 33, 3, 1),
])
def test_how_many(mode, n, of, many):
    assert how_many(mode, n, of) == many
    assert len(choose(HOSTS[:of], mode, n, "seed")) == many


@pytest.mark.parametrize("hosts, mode, n", [([], "all", None), ([], "percent", 50), (HOSTS, "count", 7), (HOSTS, "count", 0), ([], "count", 1)])
def test_too_few_is_an_error(hosts, mode, n):
    with pytest.raises(ValueError):
        choose(hosts, mode, n, "seed")


def test_a_known_choice_stays():
    """Seeds are written down by users: the same one has to mean the same hosts in the next release, too."""
    assert choose(HOSTS, "count", 2, "5f0c1d2e9a77") == ["ctl1", "ctl2"]
    assert rank("a", "b") == "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138"


def test_seeds_spread_over_all_hosts():
    hit = collections.Counter(choose(HOSTS, "count", 1, seed)[0] for seed in range(600))
    assert set(hit) == set(HOSTS)
    assert min(hit.values()) > 50


@given(st.lists(st.sampled_from(HOSTS), unique=True, min_size=1), st.integers(1, 6), st.text(max_size=10), st.randoms())
def test_order_of_hosts_does_not_matter(hosts, n, seed, random):
    n = min(n, len(hosts))
    shuffled = list(hosts)
    random.shuffle(shuffled)
    chosen = choose(hosts, "count", n, seed)
    assert set(chosen) == set(choose(shuffled, "count", n, seed))
    assert chosen == [host for host in hosts if host in chosen]  # in the order of the inventory


@given(st.integers(1, 5), st.text(max_size=10))
def test_more_of_the_same_seed_contains_fewer(n, seed):
    assert set(choose(HOSTS, "count", n, seed)) < set(choose(HOSTS, "count", n + 1, seed))
