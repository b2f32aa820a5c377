# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks of the cloud model, addresses of hosts, and who is cut off from whom."""

from __future__ import annotations

import pytest
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _networks
from hypothesis import given
from hypothesis import strategies as st

HOSTS = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), min_size=3, max_size=12, unique=True)


@pytest.mark.parametrize("args, networks, wanted", [
    ({"network": "storage"}, {"storage": {"interface": "eth1", "cidr": "10.0.0.0/8", "mac": "x"}}, {"interface": "eth1", "cidr": "10.0.0.0/8"}),
    ({"network": "STORAGE"}, {"Storage": "10.0.0.0/8"}, {"network": "Storage", "cidr": "10.0.0.0/8"}),
    ({"network": "storage", "interface": "eth9"}, {}, {}),
    ({"network": "management"}, {}, {}),
    ({"network": "management"}, {"management": {"interface": "br0"}}, {"interface": "br0"}),
])
def test_what_the_inventory_knows_of_a_network(args, networks, wanted):
    filled = _networks.fill(args, networks)
    assert {**wanted, **filled} == filled and set(filled) <= {"network", *wanted}


def test_an_unknown_network_suggests_a_known_one():
    with pytest.raises(FaultlineError, match="no network 'storag'") as caught:
        _networks.fill({"network": "storag"}, {"storage": {}})
    assert caught.value.code == "unknown_network" and "Did you mean storage?" in caught.value.hint


def hosts(**variables):
    return _networks.Hosts(list(variables), lambda host, name: variables[host].get(name))


def test_a_host_of_the_inventory_is_all_of_its_addresses():
    known = hosts(
        ctl1={
            "ansible_host": "10.0.0.1",
            "faultline_host": {"interfaces": {"lo": {"addresses": ["127.0.0.1/8"]}, "eth1": {"addresses": ["10.1.0.1/24", "fe80::1/64", "fd00::1/64"]}}},
            "faultline_networks": {"storage": {"address": "10.2.0.1"}, "odd": "10.3.0.0/16"},
            "ansible_facts": {"all_ipv4_addresses": ["10.0.0.1", "10.4.0.1"]},
        },
        ctl2={"ansible_host": "10.0.0.2"},
    )
    assert _networks.addresses(["ctl1"], known) == ["10.1.0.1", "fd00::1", "10.2.0.1", "10.0.0.1", "10.4.0.1"]
    assert _networks.addresses(["192.0.2.0/24", "ctl2", "10.0.0.2"], known) == ["192.0.2.0/24", "10.0.0.2"]


def test_a_peer_that_nobody_knows():
    with pytest.raises(FaultlineError, match="neither an address, a network nor a host") as caught:
        _networks.addresses(["ctl9"], hosts(ctl1={}))
    assert "Did you mean ctl1?" in caught.value.hint


def mutual(cut):
    return all(host in cut[other] for host in cut for other in cut[host])


@given(HOSTS, st.sampled_from(["one", "half", "majority", "ring", "bridge"]), st.text(max_size=8))
def test_shapes_are_mutual_and_the_seed_says_which(names, shape, seed):
    cut = _networks.grudges(names, shape, seed)
    assert set(cut) == set(names) and mutual(cut) and not any(host in cut[host] for host in cut)
    assert cut == _networks.grudges(list(reversed(names)), shape, seed)
    sees = {host: len(names) - len(cut[host]) for host in names}
    if shape == "one":
        assert sorted(sees.values())[0] == 1 and sorted(sees.values())[1] == len(names) - 1
    if shape == "half":
        assert {len(cut[host]) for host in names} <= {len(names) // 2, len(names) - len(names) // 2}
    if shape == "majority":
        assert max(sees.values()) == len(names) // 2 + 1
    if shape == "ring":
        assert min(sees.values()) > len(names) / 2
    if shape == "bridge":
        assert [host for host in names if not cut[host]] and sum(not cut[host] for host in names) == 1


def test_every_host_may_be_the_one():
    assert {next(host for host, cut in _networks.grudges(["a", "b", "c"], "one", seed).items() if len(cut) == 2) for seed in range(40)} == {"a", "b", "c"}


@pytest.mark.parametrize("names, shape", [(["a"], "half"), (["a", "b"], "ring"), (["a", "b"], "bridge")])
def test_too_few_hosts_for_a_shape(names, shape):
    with pytest.raises(FaultlineError) as caught:
        _networks.grudges(names, shape, "s")
    assert caught.value.code == "too_few"


def test_networks_whose_names_differ_only_in_case_are_kept_apart():
    known = {"Storage": {"interface": "eth1"}, "storage": {"interface": "eth2"}}
    assert _networks.fill({"network": "storage"}, known) == {"network": "storage", "interface": "eth2"}
    with pytest.raises(FaultlineError, match="The network STORAGE may be Storage or storage.") as caught:
        _networks.fill({"network": "STORAGE"}, known)
    assert caught.value.code == "ambiguous_network"
