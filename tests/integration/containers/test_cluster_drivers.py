# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drivers of cluster managers, on real ones: Pacemaker on three nodes, a Salt master with its minion."""

from __future__ import annotations

import json
import os
import pathlib
import ssl

import pytest
from lab_nodes import LAB, LONG, layer, wait_for
from lab_witness import LASTS, Witness, comes_back, keeps_shut
from patience import HANG
from warm_ansible import run_ansible

# one image for both; PyPI may be behind a certificate of this machine's own. timelib is for dates in words, and takes a compiler minutes
DOCKERFILE = """\
ARG BASE
FROM ${BASE}
RUN apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends pacemaker corosync pacemaker-cli-utils \\
      python3-venv && systemctl disable -q corosync pacemaker
COPY ca.crt needs.py /tmp/
RUN python3 -m venv /opt/salt && export PIP_CERT=/tmp/ca.crt && /opt/salt/bin/pip -q install --no-deps "salt~=3007.0" \\
 && /opt/salt/bin/python /tmp/needs.py > /tmp/needs.txt && /opt/salt/bin/pip -q install --requirement /tmp/needs.txt
"""
# by name only: a mirror may lag behind what the newest Salt asks for
NEEDS = """\
import importlib.metadata
import re
needs = [need for need in importlib.metadata.requires("salt") if "extra ==" not in need and not need.startswith("timelib")]
print("\\n".join(re.sub(r"^([A-Za-z0-9._-]+)[^;]*", r"\\1 ", need) for need in needs))
"""
NAMES = ("pcmk1", "pcmk2", "pcmk3")
COROSYNC = """\
totem {
  version: 2
  cluster_name: faultline
  transport: knet
  token: 30000
}
nodelist {
%s}
quorum {
  provider: corosync_votequorum
}
logging {
  to_syslog: yes
}
"""
# a busy machine may let each of these wait
OPERATIONS = "<operations>" + "".join(
    f'<op id="{{0}}-{name}" name="{name}" interval="{interval}" timeout="{HANG}s"/>' for name, interval in (("start", 0), ("stop", 0), ("monitor", "3s"))
) + "</operations>"
RESOURCES = f"""<resources>
<primitive id="single" class="systemd" type="theirs">{OPERATIONS.format("single")}</primitive>
<clone id="cache-clone"><primitive id="cache" class="systemd" type="memcached">{OPERATIONS.format("cache")}</primitive></clone>
</resources>"""
CACHE = {"driver": "pcs_service", "pcs_service": "cache-clone", "grep": "^/usr/bin/memcached"}
SINGLE = {"driver": "pcs_service", "pcs_service": "single", "grep": "^/usr/bin/sleep 99999$"}
SALT = {"driver": "salt_service", "salt_service": "memcached", "grep": "^/usr/bin/memcached"}


@pytest.fixture(scope="module")
def image(lab):
    """The recipe of nodes with the cluster managers."""
    authorities = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    files = {"needs.py": NEEDS, "ca.crt": pathlib.Path(authorities).read_text()}
    return {**json.loads((LAB / "node-run.json").read_text()), "image": layer("managers", DOCKERFILE, files)}


@pytest.fixture(scope="module")
def pacemaker(make_node, image):
    """Three nodes of one cluster, by name: a clone on each, and something that runs in one place."""
    nodes = {name: make_node(name, "--shm-size=256m", recipe=image) for name in NAMES}
    known = "".join(
        f"  node {{\n    ring0_addr: {node.address}\n    name: {node.name}\n    nodeid: {number}\n  }}\n"
        for number, node in enumerate(nodes.values(), start=1)
    )
    hosts = "".join(f"{node.address} {node.name}\n" for node in nodes.values())
    for node in nodes.values():
        node.sh(f"cat >> /etc/hosts <<'X'\n{hosts}X")
        node.sh(f"cat > /etc/corosync/corosync.conf <<'X'\n{COROSYNC % known}X")
        node.sh("printf '[Service]\\nExecStart=/usr/bin/sleep 99999\\n' > /etc/systemd/system/theirs.service; systemctl daemon-reload")
        node.sh("systemctl start corosync pacemaker")
    first = nodes["pcmk1"]
    wait_for(lambda: "with quorum" in first.sh("crm_mon -1", check=False) and "pcmk1 pcmk2 pcmk3" in first.sh("crm_mon -1", check=False), pause=1)
    first.sh("crm_attribute --name stonith-enabled --update false")
    first.sh(f"cibadmin --modify --allow-create --scope resources --xml-text '{RESOURCES}'")
    wait_for(lambda: runs(first, "cache-clone") == set(NAMES) and len(runs(first, "single")) == 1, pause=1)
    return nodes


def runs(node, resource):
    """Where a resource runs, in Pacemaker's own words."""
    out = node.sh(f"crm_resource --resource {resource} --locate 2>/dev/null", check=False)
    return {line.rpartition("is running on: ")[2].split()[0] for line in out.splitlines() if "is running on: " in line}


def settle(node):
    """Until the cluster has nothing more to do."""
    node.sh("crm_resource --wait")


def constraints(node):
    return node.sh("cibadmin --query --scope=constraints")


def call(node, action, options, **more):
    return node.hit("os_service_fault", {"service": options["pcs_service"], "action": action, **options, **more})


def test_a_clone_is_kept_off_this_node_only_and_comes_back(pacemaker, clean):
    with clean(pacemaker["pcmk2"]) as node:
        answer = call(node, "terminate", CACHE, duration=LONG)
        assert not node.active("memcached")
        # another node hears of it a moment later
        wait_for(lambda: runs(pacemaker["pcmk1"], "cache-clone") == {"pcmk1", "pcmk3"})
        assert answer["proof"]["constraint"] in constraints(node)
        node.heal(answer)
        wait_for(lambda: answer["proof"]["constraint"] not in constraints(node))
        wait_for(lambda: runs(node, "cache-clone") == set(NAMES))
        record = node.record(answer["fault"]["id"])
        assert record["held"] is True and record["residue"] == []


def test_what_runs_in_one_place_runs_elsewhere_meanwhile(pacemaker):
    where = runs(pacemaker["pcmk1"], "single").pop()
    node = pacemaker[where]
    answer = call(node, "terminate", SINGLE, duration=4, wait=True, wait_timeout=HANG)
    assert answer["undo"]["held"] is True
    wait_for(lambda: answer["proof"]["constraint"] not in constraints(node))
    settle(node)
    assert len(runs(node, "single")) == 1
    # and it is not here, so there is nothing to terminate
    other = next(each for name, each in pacemaker.items() if name not in runs(node, "single"))
    refused = other.call("os_service_fault", {"service": "single", "action": "terminate", **SINGLE})
    assert refused.failed and refused["failure"]["code"] == "not_running"


def test_constraints_of_others_stay_as_they_are_and_two_of_ours_go_in_both_orders(pacemaker):
    node = pacemaker["pcmk1"]
    theirs = '<rsc_location id="theirs" rsc="single" node="pcmk3" score="-INFINITY"/>'
    node.sh(f"cibadmin --create --scope=constraints --xml-text '{theirs}'; crm_resource --ban --resource single --node pcmk2")
    before = sorted(line for line in constraints(node).splitlines() if "rsc_location" in line)
    try:
        for order in ((0, 1), (1, 0)):
            faults = [call(node, "terminate", CACHE, duration=LONG) for _twice in range(2)]
            for number in order:
                # what a node tells of the cluster comes a moment later
                wait_for(lambda: runs(node, "cache-clone") == {"pcmk2", "pcmk3"})
                assert not node.active("memcached"), "the undo of one took the other away"
                assert node.call("os_fault_undo", {"id": faults[number]["fault"]["id"]})["residue"] == []
            wait_for(lambda: runs(node, "cache-clone") == set(NAMES))
            wait_for(lambda: sorted(line for line in constraints(node).splitlines() if "rsc_location" in line) == before)
    finally:
        # the next test must not suffer from this one
        node.call("os_fault_undo", {"all": True})
        node.sh("cibadmin --delete --scope=constraints --xml-text '<rsc_location id=\"theirs\"/>'; crm_resource --clear --resource single")


def test_start_takes_our_constraint_away(pacemaker):
    node = pacemaker["pcmk3"]
    answer = call(node, "terminate", CACHE)
    assert call(node, "start", CACHE)["proof"]["undone"] == [answer["fault"]["id"]]
    wait_for(lambda: runs(node, "cache-clone") == set(NAMES))
    assert call(node, "start", CACHE)["changed"] is False


def test_restart_and_kill_are_brought_back_by_pacemaker(pacemaker):
    node = pacemaker["pcmk2"]
    for action in ("restart", "kill"):
        before = node.sh("pgrep -f ^/usr/bin/memcached")
        answer = call(node, action, CACHE, wait=True, recovery_timeout=HANG)
        assert answer["proof"]["came_back"]["back"] is True
        assert [str(p["pid"]) for p in answer["proof"]["gone"]] == before.split()
        wait_for(lambda: runs(node, "cache-clone") == set(NAMES))


def cache_of(node):
    """A witness of a node's memcached, which answers on the node only."""
    door = {"name": "cache", "protocol": "tcp", "address": "127.0.0.1", "port": 11211, "send": b"version\r\n".hex()}
    return Witness([door], node, rate=100)


@pytest.mark.parametrize("action", ["terminate", "freeze", "unplug"])
def test_what_pacemaker_runs_is_silent_to_a_witness_from_the_proof_to_the_end(pacemaker, clean, action):
    node = pacemaker["pcmk2"]
    # a resource that does not answer is one that Pacemaker starts again
    node.sh("crm_resource --resource cache-clone --meta --set-parameter is-managed --parameter-value " + ("true" if action == "terminate" else "false"))
    try:
        with clean(node):
            keeps_shut("service", action, "memcached, by Pacemaker", node, cache_of(node), lambda: call(node, action, CACHE, duration=LASTS, wait=True))
    finally:
        node.sh("crm_resource --resource cache-clone --meta --delete-parameter is-managed")
    wait_for(lambda: runs(node, "cache-clone") == set(NAMES))


@pytest.mark.parametrize("action", ["restart", "kill"])
def test_what_pacemaker_brings_back_is_back_when_a_witness_is_answered(pacemaker, action):
    node = pacemaker["pcmk2"]
    comes_back("service", action, "memcached, by Pacemaker", node, cache_of(node), lambda: call(node, action, CACHE, wait=True, recovery_timeout=HANG))
    wait_for(lambda: runs(node, "cache-clone") == set(NAMES))


def test_a_cluster_that_would_not_obey_is_told_before_anything_is_touched(pacemaker):
    node = pacemaker["pcmk1"]
    node.sh("crm_attribute --name maintenance-mode --update true")
    try:
        answer = wait_for(lambda: refused_as(node, "not_managed"))
        assert "is not managed (maintenance?)" in answer["msg"] and "faultline" not in constraints(node)
    finally:
        node.sh("crm_attribute --name maintenance-mode --delete")
    missing = node.call("os_service_fault", {"service": "nova", "action": "terminate", "driver": "pcs_service"})
    assert missing["failure"]["code"] == "not_found" and "it has: cache, cache-clone, single" in missing["msg"]


def refused_as(node, code):
    answer = node.call("os_service_fault", {"service": "cache", "action": "terminate", **CACHE, "duration": 2}, "--check")
    return answer if answer.failed and answer["failure"]["code"] == code else None


def test_pcs_or_linux_service_is_pacemaker_where_it_runs_and_the_unit_elsewhere(pacemaker, spare):
    options = {**CACHE, "driver": "pcs_or_linux_service", "unit": ["memcached"]}
    with_cluster = call(pacemaker["pcmk1"], "terminate", options, duration=3, wait=True, wait_timeout=HANG)
    assert with_cluster["targets"][0]["resource"] == "cache-clone" and with_cluster["undo"]["held"] is True
    without = call(spare, "terminate", options, duration=2, wait=True, wait_timeout=HANG)
    assert without["targets"][0]["units"] == ["memcached.service"] and without["undo"]["held"] is True
    refused = spare.refused("memcached", "terminate", **CACHE)
    assert refused["failure"]["code"] == "no_pacemaker"


@pytest.fixture(scope="module")
def minion_node(make_node, image):
    """A Salt master and its minion on one node."""
    node = make_node("minion", recipe=image)
    node.sh("mkdir -p /etc/salt; printf 'auto_accept: true\\ninterface: 127.0.0.1\\n' > /etc/salt/master; "
            "printf 'master: 127.0.0.1\\nid: minion\\n' > /etc/salt/minion; ln -sf /opt/salt/bin/salt-call /opt/salt/bin/salt /usr/local/bin/")
    for part in ("master", "minion"):
        node.sh(f"systemd-run -q --unit=salt-{part} --property=KillMode=mixed /opt/salt/bin/salt-{part}")
    node.sh("systemctl enable -q --now memcached")
    wait_for(lambda: "True" in node.sh("salt -t 5 minion test.ping 2>/dev/null", check=False), pause=1)
    return node


def by_master(node, function):
    """What the minion answers to its master."""
    return node.sh(f"salt -t 20 --out=newline_values_only minion {function} memcached 2>/dev/null", check=False)


def test_a_salt_service_stops_and_starts_as_the_master_sees_it(minion_node):
    wait_for(lambda: by_master(minion_node, "service.status") == "True")
    answer = minion_node.fault("memcached", "terminate", duration=LONG, **SALT)
    wait_for(lambda: by_master(minion_node, "service.status") == "False")
    assert minion_node.call("os_fault_undo", {"id": answer["fault"]["id"]})["residue"] == []
    wait_for(lambda: by_master(minion_node, "service.status") == "True")
    before = minion_node.processes("memcached")
    restarted = minion_node.fault("memcached", "restart", wait=True, recovery_timeout=HANG, **SALT)
    assert restarted["proof"]["came_back"]["back"] is True and not set(minion_node.processes("memcached")) & set(before)
    missing = minion_node.refused("nova", "kill", driver="salt_service")
    assert missing["failure"]["code"] == "not_found" and "Salt knows no service nova" in missing["msg"]


@pytest.mark.parametrize("action", ["terminate", "freeze", "unplug"])
def test_what_salt_runs_is_silent_to_a_witness_from_the_proof_to_the_end(minion_node, clean, action):
    with clean(minion_node) as node:
        keeps_shut("service", action, "memcached, by Salt", node, cache_of(node), lambda: node.fault("memcached", action, duration=LASTS, wait=True, **SALT))


@pytest.mark.parametrize("action", ["restart", "kill"])
def test_what_salt_restarts_is_back_when_a_witness_is_answered(minion_node, action):
    node = minion_node
    comes_back("service", action, "memcached, by Salt", node, cache_of(node), lambda: node.fault("memcached", action, wait=True, **SALT))


def test_os_faults_definitions_of_all_three_drivers_are_filled_in(pacemaker, minion_node, tmp_path):
    """A configuration file of os-faults as it is, by the inventory plugin."""
    path = pathlib.Path(tmp_path / "os-faults.yaml")
    service = {"name": "cache", "grep": "memcached"}
    path.write_text(json.dumps({
        "cloud_management": {"driver": "universal"},
        "node_discover": {"driver": "node_list", "args": [{"ip": node.address, "auth": {
            "username": "root", "private_key_file": str(LAB / "id_ed25519")}} for node in (pacemaker["pcmk1"], minion_node)]},
        "services": {
            "one": {"driver": "pcs_service", "args": {"pcs_service": "cache-clone", "grep": service["grep"]}},
            "two": {"driver": "pcs_or_linux_service", "args": {"pcs_service": "nothing", "linux_service": "memcached", "grep": service["grep"]}},
            "three": {"driver": "salt_service", "args": {"salt_service": "memcached", "grep": service["grep"]}},
        },
    }))
    for node, name, seen in ((pacemaker["pcmk1"], "one", "resource"), (minion_node, "two", "units"), (minion_node, "three", "service")):
        usual, node.inventory = node.inventory, str(path)
        done = run_ansible(
            ["ansible", "-i", str(path), node.address, "-m", "faultline.openstack.os_service_fault", "-a",
             json.dumps({"service": name, "action": "freeze", "duration": 1, "wait": True})],
            ANSIBLE_HOST_KEY_CHECKING="false", ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal")
        node.inventory = usual
        assert done.returncode == 0 and f'"{seen}"' in done.stdout and '"state": "undone"' in done.stdout, done.stdout + done.stderr
