# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look at all nodes has found, for the playbooks discover and verify."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cloud_found
author:
  - The Faultline team (@faultline)
version_added: 0.1.0
short_description: What a look at all nodes has found
description:
  - Puts together what M(faultline.openstack.os_cloud_facts) has found on many hosts.
  - The playbooks C(faultline.openstack.discover) and C(faultline.openstack.verify) are made of it.
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts that were looked at.
    type: list
    elements: str
    required: true
  groups:
    description: The variable C(groups).
    type: dict
    required: true
  look:
    description: Name of the variable that every host has registered the result of the look in.
    type: str
    default: faultline_look
  source:
    description: Text of the os-faults configuration file that the inventory is from.
    type: str
"""

EXAMPLES = r"""
- name: Tell what was found
  ansible.builtin.debug:
    msg: "{{ (hostvars | faultline.openstack.cloud_found(ansible_play_hosts_all, groups)).table }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: What was found.
  type: dict
  contains:
    table:
      description: Lines for a person.
      type: list
      elements: str
    gaps:
      description: What is not as the inventory says, one sentence each. Names every host and service.
      type: list
      elements: str
    dead:
      description: The hosts that do not answer.
      type: list
      elements: str
    notes:
      description: What C(config) has no room for, or has elsewhere than os-faults would look for it, one sentence each.
      type: list
      elements: str
    config:
      description: The content of an os-faults configuration file with what was found. Holds the secrets of the inventory.
      type: dict
"""

from ansible.errors import AnsibleFilterError
from ansible.parsing.vault import EncryptedString

from ..module_utils._fault._errors import FaultlineError
from ..plugin_utils import _config_text, _found
from ..plugin_utils._model import group_name, plain


def cloud_found(hostvars, hosts, groups, look="faultline_look", source=None):
    try:
        nodes = [_found.seen(str(host), hostvars[host], hostvars[host].get(look) or {}) for host in hosts]
        data = None
        if source:
            data = _config_text.load(str(source), "the source file", lambda text: EncryptedString(ciphertext=text))
        notes: list = []
        defined, told = _said(hostvars, hosts, groups)
        return {
            "table": _found.table(nodes, defined),
            "gaps": _found.gaps(nodes, defined, told),
            "dead": [node.name for node in nodes if node.found is None],
            "config": _found.config(nodes, data, "the source file", notes),
            "notes": notes,
        }
    except FaultlineError as exc:
        raise AnsibleFilterError(exc.text) from None


def _said(hostvars, hosts, groups):
    """The names that the inventory defines, and the hosts of those whose hosts it tells."""
    names, told = {"service": set(), "container": set()}, {}
    for kind, found in names.items():
        for host in hosts:
            found.update(plain(hostvars[host].get(f"faultline_{kind}_definitions") or {}))
        for name in found:
            group = group_name(kind, name)
            if group in groups and not any(group_name(kind, other) == group for other in found if other != name):
                told[kind, name] = [str(host) for host in groups[group]]
    return names, told


class FilterModule:
    def filters(self):
        return {"cloud_found": cloud_found}
