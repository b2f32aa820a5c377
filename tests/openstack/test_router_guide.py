# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/guides/routers.md: every command is run as it stands there, in order, prints what the page shows, and does what the page says."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
from lab_nodes import ROOT, wait_for
from lab_terminal import on_a_terminal
from patience import HANG

PAGE = (ROOT / "docs" / "guides" / "routers.md").read_text(encoding="utf-8")
# (a command, what it prints)
COMMANDS = re.findall(r"^```sh\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", PAGE, re.MULTILINE | re.DOTALL)
CIDR = "192.168.86.0/24"
ONE, SECOND = "http://127.0.0.1:44250", "https://localhost:44251"
# what differs from one run to the next: ids, interfaces, nodes, numbers and times
VARIES = re.compile(
    r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(?P<device>\bq[gr]-[0-9a-f-]+)|(?P<node>\bnet[12]\*?)|(?P<number>\b\d[\d.:]*[smhd]?\b)|"
    r"(?P<space>\s+)")
PATTERNS = {"id": r"[0-9a-f-]{36}", "device": r"q[gr]-[0-9a-f-]+", "node": r"net[12]\*?", "number": r"[\d.:]+[smhd]?", "space": r"\s+"}


def shown(line):
    """A line of the page as a pattern."""
    found, at = "", 0
    for each in VARIES.finditer(line.strip()):
        found += re.escape(line.strip()[at:each.start()]) + PATTERNS[each.lastgroup]
        at = each.end()
    return found + re.escape(line.strip()[at:])


@dataclasses.dataclass
class Place:
    """A shell with a directory. server: the floating IP of the server behind the router."""

    lab: object
    folder: object
    router: object
    server: str
    environment: dict

    def type(self, command, status=0):
        """The output of a command as a user types it, in a process group of its own."""
        with subprocess.Popen(
                ["bash", "-ec", command], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, start_new_session=True) as process:
            try:
                output = process.communicate(timeout=2 * HANG)[0]
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == status, output
        return output

    def act(self, command, typed):
        """What a person sees who types a command on a terminal, and then keys as on_a_terminal takes them."""
        status, output = on_a_terminal(["bash", "-ec", command], *typed, cwd=self.folder, env=self.environment)
        assert status == 0, output
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output)

    def tags(self):
        return self.lab.sdk.network.get_router(self.router).tags

    def reached(self):
        """Whether the server can be reached through the router."""
        with contextlib.suppress(OSError):
            socket.create_connection((self.server, 22), 2).close()
            return True
        return False

    def debugged(self, base=ONE):
        """What an orchestrator knows."""
        certificate = "--cacert second.pem" if base == SECOND else ""
        return json.loads(self.type(f"curl --silent --show-error {certificate} -H @header -X PUT {base}/workers/debug/"))

    def machine(self, base=ONE):
        """What it remembers of the router."""
        return next((each for each in self.debugged(base)["routers"] if each["id"] == self.router.id), {"state": None, "history": []})


@pytest.fixture(scope="module")
def web(lab, private_network, tmp_path_factory):
    """The router of the page, with its project and a server behind it: (router, floating IP, folder with the key)."""
    api, compute, folder = lab.sdk.network, lab.sdk.compute, tmp_path_factory.mktemp("routers")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    with contextlib.ExitStack() as after:
        project = lab.sdk.identity.create_project(name="shop", domain_id="default")
        after.callback(lab.sdk.identity.delete_project, project)
        made = after.enter_context(private_network("web", CIDR, project_id=project.id))
        compute.create_keypair(name="web", public_key=(folder / "key.pub").read_text())
        after.callback(compute.delete_keypair, "web")
        group = api.create_security_group(name="web")
        after.callback(api.delete_security_group, group)
        for rule in ({"protocol": "icmp"}, {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}):
            api.create_security_group_rule(security_group_id=group.id, direction="ingress", ethertype="IPv4", **rule)
        port = api.create_port(network_id=made.network.id, security_group_ids=[group.id])
        after.callback(api.delete_port, port)
        server = compute.create_server(
            name="web", image_id=lab.sdk.image.find_image("tiny").id, flavor_id=compute.find_flavor("tiny").id, key_name="web", networks=[{"port": port.id}])
        after.callback(compute.wait_for_delete, server, wait=HANG, interval=0.5)
        after.callback(compute.delete_server, server)
        address = api.create_ip(floating_network_id=api.find_network("external").id, port_id=port.id)
        after.callback(api.delete_ip, address)
        compute.wait_for_server(server, wait=HANG, interval=0.5)
        yield made.router, address.floating_ip_address, folder


@pytest.fixture
def place(lab, web):
    router, server, folder = web
    (folder / "os-faults.yaml").symlink_to(lab.folder / "os-faults.yaml")
    password = (lab.folder / "secrets" / "messaging").read_text().strip()
    found = Place(lab, folder, router, server, {
        **os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "OS_CLIENT_CONFIG_FILE": str(lab.folder / "clouds.yaml"), "SERVER": server,
        "ANSIBLE_NOCOLOR": "1", "TERM": "xterm-256color", "XDG_STATE_HOME": str(folder / "state"),
        "transport_url": "rabbit://" + ",".join(f"openstack:{password}@{node.address}:5672" for node in lab.kind("ctl")) + "/"})
    wait_for(found.reached, pause=1)
    try:
        yield found
    finally:
        for path in folder.glob("*.pid"):
            # one that has ended may have left its number to another process
            with contextlib.suppress(OSError):
                if b"ansible-rulebook" in pathlib.Path("/proc", path.read_text().strip(), "cmdline").read_bytes():
                    os.kill(int(path.read_text()), signal.SIGKILL)
        found.type("ansible localhost -m faultline.openstack.os_router -a 'cloud=faultline-lab action=manage all=true'")
        node = lab.kind("ctl")[0]
        for name in node.sh("timeout 60 rabbitmqctl --quiet list_queues name").splitlines():
            if name.startswith("faultline-routers"):
                node.sh(f"timeout 60 rabbitmqctl --quiet delete_queue {name}")


# ---- what is seen after each command of the page, beside what the page shows


def fine(_place, _output):
    pass


def nothing_else(_place, output):
    assert "web " not in output


def only_the_row(_place, output):
    assert len(output.splitlines()) == 1


def written(place, _output):
    (found,) = json.loads((place.folder / "web.json").read_text())["routers"]
    assert found["id"] == place.router.id and found["probed"] and oct((place.folder / "web.json").stat().st_mode)[-3:] == "600"


def noted(place, output):
    assert output == "" and (place.folder / "id").read_text().strip() == place.router.id


def console_left(place, output):
    assert "now under management: web" in output and "failed=0" in output and not [each for each in place.tags() if "debug" in each]


def inside(_place, output):
    assert "192.168.86.1/24" in output and "failed=0" in output


def on_the_server(_place, output):
    assert re.search(r"^\d+\.\d\d \d+\.\d\d", output, re.MULTILINE) and "failed=0" in output


def untouched(place, _output):
    assert not [each for each in place.tags() if "rebuilt" in each]


def rebuilt(place, output):
    told = json.loads(output[output.index("=> {") + 3:])["rebuilds"][0]
    assert told["pinged"]["address"] == place.server and told["pinged"]["answers"] and place.reached()
    assert "degraded" not in place.type("ansible-playbook faultline.openstack.router_poll -i os-faults.yaml -e @cloud.yml -e router_which=web")
    assert [each for each in place.tags() if each.startswith("faultline-rebuilt=")]


def marked(place, _output):
    assert sorted(each.partition("=")[0] for each in place.tags() if "debug" in each) == ["faultline-debug", "faultline-debug-reason"]


def in_debug(_place, output):
    assert '"code": "in_debug"' in output


def nobody_hit(_place, output):
    assert '"code": "in_debug"' in output and "Nothing was touched." in output and "hits" not in output


def would_hit(_place, output):
    assert "left alone" not in output and "failed=0" in output


def nearest_mark(_place, output):
    assert "router: its NAT is looked into" in output


def managed(place, _output):
    assert not [each for each in place.tags() if "debug" in each]


def installed(place, _output):
    assert "1.3.2" in place.type("eda/bin/ansible-rulebook --version")


def secret(place, _output):
    assert len((place.folder / "token").read_text().strip()) == 64


def started(place, output):
    assert output == "" and int((place.folder / "orchestrator.pid").read_text()) > 1


def polled(place, _output):
    def done():
        log = (place.folder / "orchestrator.log").read_text()
        assert "fatal:" not in log and "ERROR" not in log, log[-3000:]
        return '"__router_machines.msg": "1 router: 1 alive"' in log

    wait_for(done, pause=0.5)


def ignored(place, _output):
    wait_for(lambda: place.machine()["state"] == "ignored", pause=1)


def caught_up(place, _output):
    wait_for(lambda: place.machine()["state"] == "alive", pause=1)
    managed(place, _output)


def refused(_place, output):
    assert output.startswith("HTTP/1.1 401 ")


def reloaded(_place, output):
    assert json.loads(output)["queued"]


def known(place, output):
    told = json.loads(output)
    assert told["sources"]["neutron_notifications"]["connected"] and told["sources"]["router_health"]["planes"] == "both" and told["reloads"] == 1
    assert [each["id"] for each in told["routers"]] == [place.router.id] and told["marks"] == {"global": None, "projects": [], "routers": []}


def pushed(place, _output):
    wait_for(lambda: any(each["event"] == "update" and each["effect"] == "push" for each in place.machine()["history"]), pause=1)


def mended(place, output):
    assert "check_boot" in output and "| move | on net" in output and "nothing is done before it has been so for 5 s" in output
    wait_for(place.reached, pause=0.5)


def would_rest(_place, output):
    assert "failed=0" in output and '"1 router: 1 alive"' in output


def secure(place, _output):
    wait_for(lambda: place.debugged(SECOND)["sources"].get("router_health", {}).get("looks"), pause=1)
    assert {"0.0.0.0", "::"} == set(place.debugged(SECOND)["sources"]["rug_api"]["listening"])


def by_one(place, _output):
    def steps():
        found = [[each["outcome"] for each in place.machine(base)["history"] if each["event"] == "rebuild" and each["outcome"]] for base in (ONE, SECOND)]
        return found if all(found) else None

    (one,), (other,) = wait_for(steps, pause=1)
    assert sorted(each.startswith("on net") for each in (one, other)) == [False, True] and "failed: claimed" in (one, other)


def stopped(place, _output):
    assert not [each for each in place.tags() if "claim" in each]
    for name in ("orchestrator", "second"):
        with pytest.raises(ProcessLookupError):
            os.kill(int((place.folder / f"{name}.pid").read_text()), 0)
        assert "Traceback" not in (place.folder / f"{name}.log").read_text()


def walked(_place, output):
    assert output.index("[1] calculate") < output.index("[2] configure") < output.index('"memory": {') < output.index("The machine rests: alive, as it is well")


def recorded(place, output):
    assert [line.split()[:2] for line in output.splitlines()[:4]] == [["1", "calculate"], ["2", "configure"], ["3", "configure"], ["4", "alive"]]
    assert not [each for each in place.tags() if "debug" in each]


BROWSE, POLL = "ansible-playbook faultline.openstack.router_browse", "ansible-playbook faultline.openstack.router_poll"
SSH, ROUTER = "ansible-playbook faultline.openstack.router_ssh", "ansible localhost -m faultline.openstack.os_router"
DISRUPT = "ansible-playbook faultline.openstack.disrupt"
# (how the command begins, what is seen after it, what it ends with, what a person types)
CHECKS = [
    ("cat > cloud.yml", fine), (BROWSE, fine), (BROWSE, nothing_else), ("export PYTHONPATH", only_the_row),
    ("ansible-playbook faultline.openstack.router_console", console_left, 0, (
        ("web", "/"), ("words that the row", "web\r"), ("web ", "d"), ("taken out of automation", "odd\r"), ("router: odd", "m"),
        ("now under management: web", "q"))),
    (POLL, written), ("python3 -c", noted), (ROUTER, fine), ("cat > routers.yml", fine), ("ansible router_web", fine),
    (SSH, inside, 0, (("(web)", "ip -brief address; exit\n"),)), (SSH, inside, 0, ()), (SSH, on_the_server, 0, ()),
    ("ansible router_web", fine), (ROUTER, untouched), (ROUTER, rebuilt), (ROUTER, fine), (ROUTER, fine), (ROUTER, fine),
    (ROUTER, marked), (ROUTER, in_debug, 2), (DISRUPT, nobody_hit, 2), (DISRUPT, would_hit), (ROUTER, nearest_mark), (ROUTER, marked), (ROUTER, managed),
    ("python3 -m venv", installed), ("openssl rand", secret), ("eda/bin/ansible-rulebook", started), ("cat > header", polled), ("curl", ignored),
    ("curl", caught_up), ("curl", refused), ("curl", reloaded), ("curl", known), (ROUTER, pushed), ("ansible router_web", mended),
    ("ansible-playbook faultline.openstack.router_orchestrate", would_rest), ("openssl req", secure), ("curl", by_one), ("kill", stopped),
    (ROUTER, fine), ("ansible-playbook faultline.openstack.router_step", walked, 0, (("> ", "\n"), ("> ", "i\n"), *[("> ", "\n")] * 3)),
    ("python3 -c", recorded),
]


def test_every_command_of_the_page_has_a_check():
    assert [command[:len(begin)] for (command, _shown), (begin, *_check) in zip(COMMANDS, CHECKS, strict=True)] == [begin for begin, *_check in CHECKS]


def test_the_page_leads_through_all_that_is_done_with_routers(place):
    for (command, lines), (_begin, check, *more) in zip(COMMANDS, CHECKS, strict=True):
        begun = time.monotonic()
        status, typed = [*more, *(0, None)[len(more):]]
        output = place.type(command, status) if typed is None else place.act(command, typed)
        print(f"{time.monotonic() - begun:6.1f} s  {command}{output}")
        for line in filter(lambda each: each.strip() != "...", lines.splitlines()):
            assert re.search(shown(line), output), f"the page shows {line!r}, and this was seen:\n{output}"
        check(place, output)
