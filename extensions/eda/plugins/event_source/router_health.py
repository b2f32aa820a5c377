# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at the routers of a cloud, as a source of events for Event-Driven Ansible."""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys
from typing import Any

DOCUMENTATION = r"""
short_description: Look at the routers of a cloud, and tell whose state machine has something to do
description:
  - Looks at all routers each period, with as many questions whatever their number. A router that is well makes no event, and neither does one of which its
    machine only takes note, such as one that has to be ill for longer before anything is done.
  - An event is C({"faultline_router":{"event":"poll","scope":"routers","routers":[...],...}}) with the ids of those that have something to do.
  - A cloud that does not answer is asked again each period, for as long as it takes.
options:
  cloud:
    description: Name of a cloud in clouds.yaml. Without it the variables OS_* of the shell.
    type: str
  auth:
    description: A login of openstacksdk instead, with region_name, interface, verify and cacert.
    type: dict
  inventory:
    description:
      - Path of an inventory with the network nodes, or a list of paths. With it each look runs the playbook faultline.openstack.router_poll, so that the data
        plane counts too. It needs ansible-playbook on PATH, and a cloud by name. Without it only Neutron is asked.
    type: list
    elements: str
    default: []
  project:
    description: Only the routers of this project, by id or name.
    type: str
  period:
    description: Seconds from one look to the next.
    type: float
    default: 30
  timeout:
    description: Seconds that a look may take.
    type: float
    default: 60
  ping_timeout:
    description: Seconds that an address may take to answer a ping from its node.
    type: float
    default: 2
  state_dir:
    description: Where the machines remember, as in the module os_router_machine, which has the following limits too.
    type: str
  patience:
    description: Seconds that something has to be wrong before anything is done about it.
    type: float
    default: 20
  settle:
    description: Seconds that a configuration that was pushed may take to show.
    type: float
    default: 30
  rebuilds:
    description: Rebuilds of one router within window.
    type: int
    default: 3
  window:
    description: Seconds in which rebuilds are counted.
    type: float
    default: 3600
  backoff:
    description: Seconds between a rebuild and the next one.
    type: float
    default: 60
"""

EXAMPLES = r"""
- faultline.openstack.router_health:
    cloud: lab

- faultline.openstack.router_health:
    cloud: lab
    inventory: [/etc/faultline/os-faults.yaml]
    period: 10
"""

# ansible-rulebook runs this file by itself: the rest of the collection is above it, by the path it was found by
for _folder in pathlib.Path(os.path.abspath(__file__)).parents:
    if _folder.name == "ansible_collections" and str(_folder.parent) not in sys.path:
        sys.path.append(str(_folder.parent))


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Look until the orchestrator ends."""
    from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
    from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _health, _health_options

    try:
        health = _health.Health(_health_options.checked(args))
    except FaultlineError as exc:
        # ansible-rulebook shows the text of an exception
        raise RuntimeError(f"router_health: {exc.text}") from None
    await health.run(queue)


if __name__ == "__main__":
    """Print the events instead of handing them to rules."""

    class MockQueue(asyncio.Queue[Any]):
        """A fake queue."""

        async def put(self: MockQueue, event: dict[str, Any]) -> None:
            """Print the event."""
            print(event, flush=True)

    asyncio.run(main(MockQueue(), {"cloud": "lab"}))
