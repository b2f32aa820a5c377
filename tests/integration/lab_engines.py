# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node as Kolla makes them: real engines inside, Docker and Podman, and containers with Kolla's names that listen."""

from __future__ import annotations

import json
import socket

import jinja2
from lab_nodes import LAB, ROOT, layer, wait_for

# what the lab's own profile kolla is made of
_LAYER = (ROOT / "roles/lab/files/engines/Dockerfile").read_text()
_TREE = (ROOT / "roles/lab_containers/files/image.sh").read_text()
_UNIT = jinja2.Template((ROOT / "roles/lab_containers/templates/container.service.j2").read_text(), trim_blocks=True)
# as Podman's own generators write them: a new container with each start
PODMAN_UNIT = """[Unit]
Description=Podman keystone

[Service]
Environment=PODMAN_SYSTEMD_UNIT=%n
Type=notify
NotifyAccess=all
Restart=always
RestartSec=1
TimeoutStartSec=300
TimeoutStopSec=300
ExecStart=/usr/bin/podman run --rm --replace --detach --sdnotify=conmon --name keystone --network host --ulimit=nofile=20000:20000 \\
  --ulimit=nproc=32768:32768 lab/service keystone 5000
ExecStop=/usr/bin/podman stop --ignore --time 5 keystone
ExecStopPost=/usr/bin/podman rm --force --ignore keystone
"""


def recipe():
    """The lab's recipe for a node that has engines of its own."""
    lab = json.loads((LAB / "node-run.json").read_text())
    return {"argv": lab["argv_with_engines"], "image": layer("engines", _LAYER)}


def docker_run(node, name, *options, program=None, port=None, engine="docker"):
    """A container that serves a page on its port."""
    # Podman raises the limits of its containers to its own, which a node may not
    limits = ["--ulimit=nofile=20000:20000", "--ulimit=nproc=32768:32768"] if engine == "podman" else []
    words = [engine, "run", "--detach", "--name", name, *limits, *options, "lab/service", program or name.replace("_", "-"), str(port)]
    return node.sh(" ".join(words))


def wrap(node, name, engine="docker"):
    """Hand a container over to a unit, as kolla-ansible does."""
    unit = f"kolla-{name}-container.service"
    text = _UNIT.render(item={"name": name}, lab_containers_engine=engine)
    node.sh(f"cat > /etc/systemd/system/{unit} <<'X'\n{text}\nX\nsystemctl daemon-reload; systemctl enable -q --now {unit}")
    wait_for(lambda: node.active(unit))


def start(node):
    """Wait for the engine of a new node, and give both engines the image."""
    wait_for(lambda: node.sh("docker info >/dev/null 2>&1 && echo up", check=False) == "up")
    node.sh(f"bash -s -- docker podman <<'TREE'\n{_TREE}TREE")


def furnish(node):
    """Put the cloud's containers on a new node."""
    start(node)
    docker_run(node, "nova_api", "--publish 18774:8774", "--restart unless-stopped", port=8774)
    docker_run(node, "nova_api_old", "--network none", "--restart always", program="heat-api", port=8004)
    docker_run(node, "neutron_server", "--network host", "--restart on-failure:5", port=9696)
    docker_run(node, "mariadb", "--network host", program="mariadbd", port=3306)
    wrap(node, "mariadb")
    docker_run(node, "glance_api", "--network host", port=9292, engine="podman")


def page(node, port, timeout=30):
    """What a neighbour gets from a port of the node: the page's text, or the name of the error."""
    try:
        with socket.create_connection((node.address, port), timeout=timeout) as channel:
            channel.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
            # what forwards a port accepts and then hangs up, where nobody is behind it
            return (channel.makefile("rb").read().decode().splitlines() or ["nothing"])[-1]
    except OSError as exc:
        return type(exc).__name__
