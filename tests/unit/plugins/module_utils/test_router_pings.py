# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long an address did not answer."""

from __future__ import annotations

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._router import _pings


@pytest.mark.parametrize(("answered", "outages"), [
    ("", []), ("++++", []), ("++--+", [3]), ("--++", [2]), ("++--", [2]), ("+-+--+-", [2, 3, 1]), ("---", [2]), ("-", [0]),
])
def test_a_time_without_an_answer_is_never_told_shorter(answered, outages):
    assert _pings.gaps([(float(at), each == "+") for at, each in enumerate(answered)]) == outages
