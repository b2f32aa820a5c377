# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at routers from inside: what is read of the kernel and of users. Real namespaces: tests/integration/test_router_inside.py."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._router import _inside

ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
qg-1\t00000000\t%s\t0003\t0\t0\t0\t00000000\t0\t0\t0
qg-1\t0000530A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
qg-2\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
"""
ROUTE_6 = """\
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 qg-1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003 qg-1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 qg-1
"""


def test_the_default_routes_lead_to_the_gateways():
    # the kernel writes the number as this machine has it
    raw = "%08X" % int.from_bytes(bytes([10, 83, 0, 1]), sys.byteorder)
    assert _inside.gateways_4((ROUTE % raw).splitlines()) == ["10.83.0.1"]
    assert _inside.gateways_6(ROUTE_6.splitlines(), {"qg-1": 7}) == ["fe80::1%7", "2001:db8::1"]
    assert _inside.gateways_4([]) == _inside.gateways_6(["", "x"], {}) == []


@pytest.mark.parametrize(("text", "state"), [
    ("primary", "active"), ("master\n", "active"), ("backup", "standby"), ("fault", "fault"), ("", None), ("other", None), (None, None),
])
def test_keepalived_has_told_its_state(tmp_path, text, state):
    if text is not None:
        (tmp_path / "state").write_text(text)
    assert _inside.state(str(tmp_path / "state")) == state


def test_keepalived_is_known_by_its_configuration():
    confs = "/var/lib/neutron/ha_confs"
    lines = [
        f"keepalived -P -f {confs}/r-1/keepalived.conf -p {confs}/r-1.pid.keepalived", f"/usr/sbin/keepalived -P -f {confs}/r-2/keepalived.conf",
        f"/usr/bin/python3 /bin/neutron-keepalived-state-change --router_id=r-3 --conf_dir={confs}/r-3", f"vi {confs}/r-4/keepalived.conf",
        "keepalived -f /etc/keepalived/keepalived.conf", ""]
    assert _inside.keepaliveds(lines) == {"r-1", "r-2", "keepalived"}


@pytest.mark.parametrize(("router", "words"), [
    ({"id": "../../etc"}, "'../../etc' is no id of a router. Neutron's ids are UUIDs."),
    ({"id": ""}, "'' is no id of a router."),
    ({"id": "r", "addresses": ["10.0.0.1/24"]}, "'10.0.0.1/24' of r is no IP address."),
    ({"id": "r", "targets": ["a;b"]}, "'a;b' of r is no IP address."),
])
def test_what_is_no_router_is_refused(router, words):
    with pytest.raises(FaultlineError) as told:
        _inside.checked([router])
    assert told.value.code == "bad_router" and words in told.value.text


def test_addresses_are_written_as_the_kernel_does():
    (router,) = _inside.checked([{"id": "r", "addresses": ["2001:DB8:0::1"], "targets": None, "ha": None}])
    assert router == {"id": "r", "ha": False, "addresses": ["2001:db8::1"], "targets": []}


def test_a_node_without_the_namespace_says_so(tmp_path):
    (told,) = _inside.look(_inside.checked([{"id": "r", "ha": True, "addresses": ["10.0.0.1"]}]), 1, namespaces=str(tmp_path), ha_confs=str(tmp_path))
    assert told == {
        "id": "r", "namespace": False, "state": None, "keepalived": False, "gateways": [], "pings": [], "error": None,
        "addresses": [{"address": "10.0.0.1", "interface": None, "up": False}]}


@pytest.mark.parametrize("timeout", [0, -1, 61, float("nan")])
def test_a_deadline_is_one(timeout):
    with pytest.raises(FaultlineError) as told:
        _inside.look([], timeout)
    assert told.value.code == "bad_option" and "it must be more than 0 and at most 60 seconds." in told.value.text
