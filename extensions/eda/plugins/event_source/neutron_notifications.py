# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Neutron itself tells of its routers, over the message queue."""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys
from typing import Any

DOCUMENTATION = r"""
---
short_description: Listen to what Neutron tells of its routers
description:
  - Neutron sends a notification of each change that is made through its API, where the cloud is configured to, with C(driver = messagingv2) in the section
    C([oslo_messaging_notifications]) of C(neutron.conf). This listens to them by oslo.messaging, and tells the rules which routers were created, updated
    and deleted.
  - An update is one of the router itself, of its interfaces, of its ports, or of a floating IP that it has or had. What Neutron's agents change by
    themselves, as the state of a router, Neutron does not tell; see C(faultline.openstack.router_health) for that.
  - What changes nothing but names, descriptions, tags and revisions is no event. So what the rules have done about an event is not the next event. Of a
    router that was not seen before that is not known, and its first update always is one.
  - Nothing but ids goes on of a notification.
  - When the message queue is away it is waited for, for as long as it takes. When it is back there is one event more, a poll of all routers, because what was
    sent meanwhile may be lost. The same holds when more routers change than can be remembered, which is 5000 that wait.
requirements:
  - oslo.messaging
options:
  transport_url:
    description:
      - Where the message queue is, as in Neutron's own configuration, for example C(rabbit://user:password@10.0.0.1:5672,user:password@10.0.0.2:5672/).
      - What else there is in the section C([oslo_messaging_rabbit]) may follow as a query, C(?ssl=true&ssl_ca_file=/etc/ssl/ca.pem) or
        C(?rabbit_quorum_queue=true). C(amqp_durable_queues) and C(rabbit_quorum_queue) have to be as they are for Neutron.
      - It holds a password. Give it by a variable of the environment, C(ansible-rulebook -E NAME), or in O(config_file).
      - Where it is given and empty, and there is no O(config_file), nothing is heard, and the other sources of a rulebook go on.
    type: str
  config_file:
    description:
      - A file with C(transport_url) and C([oslo_messaging_rabbit]), as C(neutron.conf). Required without O(transport_url).
      - The command to reload has it read again.
    type: str
  topics:
    description: The topics that Neutron sends to.
    type: list
    elements: str
    default: [notifications]
  exchange:
    description: The exchange that Neutron sends to, C(control_exchange) in its configuration.
    type: str
    default: neutron
  pool:
    description:
      - The name of the queue. Those who listen with the same one share the notifications, so that each reaches one of them; each name gets all.
      - Two orchestrators had better have two, as what is a change is seen by what was before.
      - The queue stays when nobody listens, and what comes waits in it. Have RabbitMQ drop what is old, as with
        C(rabbitmqctl set_policy --priority 1 notifications '^faultline-' '{"message-ttl":600000}').
    type: str
    default: faultline-routers
  debounce:
    description: Seconds from the first notification about a router to the event. What comes meanwhile is part of it.
    type: float
    default: 2
"""

EXAMPLES = r"""
# ansible-rulebook -E TRANSPORT_URL ...
- faultline.openstack.neutron_notifications:
    transport_url: "{{ TRANSPORT_URL }}"

- faultline.openstack.neutron_notifications:
    config_file: /etc/faultline/notifications.conf
    topics: [notifications, versioned_notifications]
    pool: faultline-second
    debounce: 5
"""

# ansible-rulebook runs this file by itself: the rest of the collection is above it, by the path it was found by
for _folder in pathlib.Path(os.path.abspath(__file__)).parents:
    if _folder.name == "ansible_collections" and str(_folder.parent) not in sys.path:
        sys.path.append(str(_folder.parent))


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Listen until cancelled."""
    from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
    from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _notification_source

    try:
        await _notification_source.run(queue, args)
    except FaultlineError as exc:
        # ansible-rulebook shows the text of an exception
        raise RuntimeError(f"neutron_notifications: {exc.text}") from None


if __name__ == "__main__":
    """Print the events instead of handing them to rules."""

    import json

    class MockQueue(asyncio.Queue[Any]):
        """A fake queue."""

        async def put(self: MockQueue, event: dict[str, Any]) -> None:
            """Print the event."""
            print(json.dumps(event), flush=True)

    asyncio.run(main(MockQueue(), {"transport_url": os.environ.get("TRANSPORT_URL"), "debounce": os.environ.get("DEBOUNCE")}))
