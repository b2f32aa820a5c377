# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests on a small Nova (fixture `nova`) do to it."""

from __future__ import annotations

import contextlib

# a linuxbridge agent that says it is alive, as Neutron's own table has it: it binds ports and does nothing
_AGENT = """
REPLACE INTO agents (id, agent_type, `binary`, topic, host, admin_state_up, created_at, started_at, heartbeat_timestamp, `load`, configurations)
VALUES ('00000000-0000-0000-0000-00000000a9e7', 'Linux bridge agent', 'neutron-linuxbridge-agent', 'N/A', 'nova', 1, NOW(), NOW(),
UTC_TIMESTAMP() + INTERVAL 1 DAY, 0,
'{"tunnel_types": ["vxlan"], "tunneling_ip": "192.0.2.1", "interface_mappings": {}, "bridge_mappings": {}, "l2_population": true}')
"""


@contextlib.contextmanager
def network_agent(nova):
    """Meanwhile Neutron has an agent that binds ports."""
    nova.sh(f"mariadb neutron <<'X'\n{_AGENT}\nX")
    try:
        yield
    finally:
        nova.sh("mariadb neutron -e \"DELETE FROM agents WHERE host = 'nova'\"")
