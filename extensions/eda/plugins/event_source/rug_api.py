# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands for routers over HTTP, as astara-orchestrator took them."""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys
from typing import Any

DOCUMENTATION = r"""
---
short_description: Take commands for routers over HTTP, as astara-orchestrator did
description:
  - An HTTP listener with the calls of Astara's API, for the tools and habits that know it. A call is the command line of C(astara-ctl) as a path, sent
    with C(PUT).
  - C(/poll/), C(/router/rebuild/ID), C(/router/update/ID), C(/router/debug/ID), C(/router/manage/ID), C(/tenant/debug/ID), C(/tenant/manage/ID),
    C(/global/debug/enable), C(/global/debug/disable), C(/workers/debug/), C(/config/reload/). C(/resource/) stands for C(/router/) as well,
    C(/global-debug/) for C(/global/debug/). The ID of a router may be C(*) or C(error).
  - A reason for C(debug) is given as C(?reason=TEXT), as the JSON C({"reason":"TEXT"}) in the body, or as Astara took it, C(/--reason=TEXT/) at the end.
  - A command is an event for the rulebook. 200 says that it waits for the rules, not that it is done. Of commands that wait, equal ones are kept once, and
    those that do the same to several routers are one event, where the result is the same.
  - C(/workers/debug/) answers at once with what the machine remembers of each router, what the sources report, and what is in debug. It does so without
    the cloud too.
  - C(/config/reload/) reads the token, the certificate and the login again, and has the other sources do the same.
  - Answers are JSON, C({"msg":...}) with 200 or C({"error":..., "msg":..., "hint":...}) with 400 (wrong arguments), 401 (no or a wrong token), 403 (from
    a page in a browser), 404 (no such command, router or project), 405 (not C(PUT)), 408 (the body came too slowly), 413 (a body over 64 KiB), 429 (too
    many requests), 500 (its own fault), 501 (C(browse) and C(ssh), which are for terminals) or 503 (the cloud is away, too many commands wait, too many
    connections).
  - That a router is there is asked of the cloud once in 30 seconds; one that is not known is looked for again after a second.
options:
  host:
    description:
      - The address to listen on, or a list of them, IPv4 and IPv6.
      - By default the loopback of both; a machine without IPv6 has that of IPv4. What is named here has to be there.
    type: list
    elements: str
    default: ["127.0.0.1", "::1"]
  port:
    description: The TCP port.
    type: int
    default: 44250
  token:
    description:
      - "What callers have to send, as C(Authorization: Bearer TOKEN) or as C(X-Auth-Token). At least 16 characters. Required where an address is not of the
        loopback."
      - Without it whoever may run programs on this machine may give commands.
    type: str
  token_file:
    description: A file with the token, which keeps it out of the rulebook.
    type: str
  certfile:
    description: A PEM file with a certificate and those that sign it. Then it speaks TLS, and nothing else.
    type: str
  keyfile:
    description: A PEM file with its key, without a passphrase, where O(certfile) does not hold it.
    type: str
  cloud:
    description: A name of C(clouds.yaml). Without it and without O(auth) the variables C(OS_*) say which cloud is asked.
    type: str
  auth:
    description: The login, as C(auth) in C(clouds.yaml).
    type: dict
  region_name:
    description: The region, where the cloud has several.
    type: str
  interface:
    description: Which of the catalogue's endpoints are asked, V(public), V(internal) or V(admin).
    type: str
  verify:
    description: Whether the certificates of the cloud are checked.
    type: bool
  cacert:
    description: A file with the certificates that the cloud's are checked against.
    type: str
  state_dir:
    description:
      - Where the machines of the routers keep their states. By default C($XDG_STATE_HOME/faultline/routers), which is C(~/.local/state/faultline/routers).
    type: str
  rate:
    description: Requests a second, of all callers together. More are answered with 429 once O(burst) is used up.
    type: float
    default: 20
  burst:
    description: Requests that may come at once.
    type: int
    default: 200
  connections:
    description: Connections at once.
    type: int
    default: 100
  waiting:
    description: Commands that may wait for the rules.
    type: int
    default: 1000
  pace:
    description: Seconds between two events, so that many commands at once do not begin as many playbooks. A command that comes alone does not wait.
    type: float
    default: 1
  timeout:
    description: Seconds that a caller has to send a request, and to take the answer.
    type: float
    default: 10
"""

EXAMPLES = r"""
- faultline.openstack.rug_api:
    cloud: lab

- faultline.openstack.rug_api:
    cloud: lab
    host: ["0.0.0.0", "::"]
    token_file: /etc/faultline/rug.token
    certfile: /etc/faultline/rug.pem
    keyfile: /etc/faultline/rug.key
"""

# ansible-rulebook runs this file by itself: the rest of the collection is above it, by the path it was found by
for _folder in pathlib.Path(os.path.abspath(__file__)).parents:
    if _folder.name == "ansible_collections" and str(_folder.parent) not in sys.path:
        sys.path.append(str(_folder.parent))


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Take commands until the orchestrator ends."""
    from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
    from ansible_collections.faultline.openstack.plugins.plugin_utils._orchestrator import _rug_api

    try:
        await _rug_api.run(queue, args)
    except FaultlineError as exc:
        # ansible-rulebook shows the text of an exception
        raise RuntimeError(f"rug_api: {exc.text}") from None


if __name__ == "__main__":
    """Print the events instead of handing them to rules."""

    class MockQueue(asyncio.Queue[Any]):
        """A fake queue."""

        async def put(self: MockQueue, event: dict[str, Any]) -> None:
            """Print the event."""
            print(event, flush=True)

    asyncio.run(main(MockQueue(), {"cloud": "lab"}))
