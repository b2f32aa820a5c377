# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ha_report and ha_compare, for the actions and for what documents them."""

from __future__ import annotations

FORMATS = ("json", "html", "junit", "prometheus")


def report_arguments():
    return dict(
        run=dict(type="path", required=True),
        formats=dict(type="list", elements="str", choices=list(FORMATS), default=list(FORMATS)),
        fail=dict(type="bool", default=False),
    )


def compare_arguments():
    return dict(
        before=dict(type="path", required=True),
        after=dict(type="path", required=True),
        html=dict(type="path"),
        everything=dict(type="bool", default=False),
        fail=dict(type="bool", default=False),
    )
