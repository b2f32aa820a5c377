# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Did you mean: the known names nearest to a word."""

from __future__ import annotations

import difflib


def nearest(word, known, limit=3):
    """Up to `limit` of the known names, the most alike first; empty when nothing is alike."""
    names = {str(name).lower(): str(name) for name in sorted(known, key=str, reverse=True)}
    word = str(word).lower()
    found = difflib.get_close_matches(word, names, n=limit, cutoff=0.6)
    # What a person shortens: `api` for nova-api, `openvswitch` for neutron-openvswitch-agent.
    if len(word) >= 3:
        found += [name for name in sorted(names, key=len) if word in name and name not in found]
    return [names[name] for name in found[:limit]]


def did_you_mean(word, known, limit=3):
    """A sentence for an error's hint, or an empty string."""
    names = nearest(word, known, limit)
    if not names:
        return ""
    if len(names) == 1:
        return f"Did you mean {names[0]}?"
    return f"Did you mean {', '.join(names[:-1])} or {names[-1]}?"
