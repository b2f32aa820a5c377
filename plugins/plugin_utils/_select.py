# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is chosen: the same seed and the same hosts give the same choice, on every host and in every strategy. Pure."""

from __future__ import annotations

import hashlib


def rank(seed, host):
    """The place of a host in the order that a seed gives; it depends on no other host."""
    return hashlib.sha256(f"{seed}\0{host}".encode()).hexdigest()


def how_many(mode, n, of):
    """How many of `of` hosts a selector means. A percentage is rounded up, so that it means at least one."""
    if mode == "count":
        return n
    if mode == "percent":
        return -(-of * n // 100)
    return of


def choose(hosts, mode, n, seed):
    """The chosen hosts, in the order of `hosts`; ValueError where there are too few."""
    wanted = how_many(mode, n, len(hosts))
    if not 0 < wanted <= len(hosts):
        raise ValueError(f"{wanted} of {len(hosts)} hosts")
    chosen = set(sorted(hosts, key=lambda host: rank(seed, host))[:wanted])
    return [host for host in hosts if host in chosen]
