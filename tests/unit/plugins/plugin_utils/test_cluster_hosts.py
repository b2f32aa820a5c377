# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""VMs as hosts: names that sentences and patterns understand, groups by label and value."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.plugin_utils import _cluster_hosts


def instance(kind, number=1, we_id="12345678-x", **labels):
    return {"type": kind, "we_id": we_id, "metadata": {"WE_NUMBER": number} if number else {}, "labels": labels}


@pytest.mark.parametrize(("instances", "names"), [
    ([instance("mon"), instance("osd", 1), instance("osd", 2)], ["mon-1", "osd-1", "osd-2"]),
    ([instance("mon", we_id="aaaaaaaa-1"), instance("mon", we_id="bbbbbbbb-2")], ["mon-1-aaaaaaaa", "mon-1-bbbbbbbb"]),
    ([instance("old one", None)], ["old_one-1"]),
    ([instance("a:b,c[1]!&*"), instance("-x"), instance(".")], ["a_b_c_1____-1", "x-1", "1"]),
    ([instance("db", "3")], ["db-1"]),
])
def test_hosts_are_named_by_type_and_number(instances, names):
    assert list(_cluster_hosts.named(instances)) == names


@pytest.mark.parametrize(("labels", "groups"), [
    ({}, []),
    ({"CEPH_LAYOUT": ["MON", "OSD"]}, ["CEPH_LAYOUT_MON", "CEPH_LAYOUT_OSD"]),
    ({"a-b": ["c.d e"], "n": [1, True]}, ["a_b_c_d_e", "n_1", "n_True"]),
    ({"1st": ["x"]}, ["_1st_x"]),
    ({"l": ["x y", "x-y"]}, ["l_x_y"]),
    ({"": [""]}, ["_"]),
    ({"é": ["ü"]}, ["___"]),
])
def test_groups_are_labels_with_values(labels, groups):
    assert _cluster_hosts.groups(instance("mon", **labels)) == groups
