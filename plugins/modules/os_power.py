#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switch a host off and on, reset it, prove it, and undo it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_power
short_description: Switch a host off and on, reset it, prove it, and undo it
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Acts on the machine that an inventory host is, by libvirt, IPMI, Redfish or the OpenStack that it is a server of. Drivers and hosts come from
    the inventory (C(faultline_power); C(libvirt_name), C(mac), C(fqdn)).
  - It runs on the controller by itself, without C(delegate_to), and never with C(become). The host need not answer.
  - What is reported is the state read back from the driver, never the answer to the command. Where a driver has nothing that shows a
    restart (IPMI, most Redfish), the host itself has to prove it by a new boot, over the connection that Ansible has.
  - Switching off for a time is undone by a detached job that keeps a journal, as all faults have one, on the controller or on the O(watcher),
    in C(/var/lib/faultline), or C(~/.local/state/faultline) where it does not run as root. It survives the playbook. Passwords are in its
    memory only. What a reboot of that machine interrupted is undone by the playbook C(faultline.openstack.heal), which has them from the inventory.
options:
  action:
    description:
      - V(poweroff) takes the power away; its undo gives it back. V(poweron) gives it back now, whoever took it.
      - V(shutdown) asks the host to shut down; its undo switches it on.
      - V(reset) restarts it at once, as by its button. V(reboot) asks it to reboot; where the driver has no such request (IPMI), it is shut down,
        and switched on again.
      - V(snapshot) keeps the machine as it is, memory too, and V(revert) makes it so again (libvirt only). They are no faults and have no undo.
      - V(undo) undoes what V(poweroff) and V(shutdown) of this module did to the host, and nothing else.
    type: str
    required: true
    choices: [poweroff, poweron, reset, shutdown, reboot, snapshot, revert, undo]
  power:
    description:
      - The power drivers, in the order in which they are asked. The first that knows the host counts. A driver that cannot be asked is
        passed over with a warning.
      - Each is C({driver, args}), as C(power_managements) of an os-faults file. The host variable C(faultline_power) by default.
      - "C(libvirt) has C(connection_uri). It finds the host by O(libvirt_name), O(mac), or O(fqdn)."
      - "C(ipmi) and C(redfish) have C(mac_to_bmc) and C(fqdn_to_bmc): dictionaries from O(mac) or O(fqdn) to a BMC with C(address),
        C(username), C(password), for IPMI C(port). C(redfish) takes a URL as C(address), and C(system) (which of several), C(verify)
        (the certificate; C(true), C(false), or a file)."
      - "C(openstack) has C(cloud), a name of C(clouds.yaml), or C(auth), and C(region_name). It finds the server by O(mac) or name."
      - Which C(clouds.yaml) it was is remembered for the undo. A shell's variables C(OS_*) (the cloud C(envvars)) are refused, for the
        job that switches on again does not have them.
    type: list
    elements: dict
    default: []
  node:
    description: The host's name in messages and journals. The name in the inventory by default.
    type: str
  libvirt_name:
    description: Name of the libvirt domain. The host variable of this name by default.
    type: str
  mac:
    description: A MAC address of the host, upper or lower case. The host variable of this name by default.
    type: str
  fqdn:
    description: The host's full name. The host variable of this name by default.
    type: str
  duration:
    description:
      - Seconds until V(poweroff) and V(shutdown) undo themselves. Refused for the other actions.
      - Without it the host stays off until V(poweron) or V(undo).
    type: float
  snapshot:
    description: Name of the snapshot of V(snapshot) and V(revert).
    type: str
    default: faultline
  stagger:
    description: Seconds between one host of the task and the next, in the order of the play.
    type: float
    default: 0
  state_timeout:
    description: Seconds within which the machine must be in the state that the action promises. A V(shutdown) may need more.
    type: float
    default: 60
  wait:
    description:
      - Answer when the host answers again over Ansible's connection (V(poweron), V(reset), V(reboot), V(revert)), or when it was switched on again
        after O(duration), which is proven, and answers again.
    type: bool
    default: false
  wait_timeout:
    description: Seconds that the undo may take beyond the deadline before a task that waits for it fails.
    type: float
    default: 60
  recovery_timeout:
    description: Seconds within which the host has to answer after it was switched on or restarted.
    type: float
    default: 300
  watcher:
    description:
      - Host of the inventory that acts instead of the controller, and keeps the time. Its Python needs the drivers' libraries.
      - For controllers that do not last as long as a fault, as the execution environments of AWX.
      - The host variable C(faultline_power_watcher) by default.
    type: str
attributes:
  check_mode:
    support: full
    details:
      - The drivers are asked for the machine and its state.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - V(poweron) and V(undo) change nothing when there is nothing to do. V(poweroff) of a host that is off is refused.
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
  - faultline.openstack.marks
  - faultline.openstack.moment
requirements:
  - libvirt-python for libvirt, pyghmi for IPMI, sushy for Redfish, openstacksdk for OpenStack, each only where it is used
seealso:
  - module: faultline.openstack.os_power_info
  - module: faultline.openstack.os_fault
notes:
  - A host with the connection C(local), or one that is the controller itself, is refused unless its variable C(faultline_allow_local) is true.
"""

EXAMPLES = r"""
- name: Take the power away for a minute, and come back when the host answers again
  faultline.openstack.os_power:
    action: poweroff
    duration: 60
    wait: true

- name: Reset all hosts of the play, one every ten seconds, and tell how long they boot
  faultline.openstack.os_power:
    action: reset
    stagger: 10
    wait: true

- name: Switch on whatever is off
  faultline.openstack.os_power:
    action: poweron
    wait: true

- name: By a BMC that the inventory does not name
  faultline.openstack.os_power:
    action: shutdown
    state_timeout: 180
    power:
      - driver: ipmi
        args:
          fqdn_to_bmc:
            node-1.example.org: {address: 10.30.0.11, username: admin, password: "{{ bmc_password }}"}
"""

RETURN = r"""
msg:
  description: What happened, in one sentence.
  returned: always
  type: str
  sample: "node-1: off (BMC 10.30.0.11:623), undone at 2026-11-20T10:01:30.123Z"
fault:
  description: The fault. C(id) is C(null) in check mode and when there was nothing to do.
  returned: always
  type: dict
  sample: {id: poweroff-9f3a61c2, kind: power, action: poweroff, subject: node-1}
targets:
  description: The machine, and its state before.
  returned: always
  type: list
  elements: dict
injecting_at:
  description: When the command was about to be given, UTC. What is seen from here on may be its effect.
  returned: when injected
  type: str
  sample: "2026-11-20T10:00:30.123Z"
injected_at:
  description: When the command was given, UTC.
  returned: when injected
  type: str
  sample: "2026-11-20T10:00:31.456Z"
proven_at:
  description: When its effect was proven, UTC, by the same clock. Its duration counts from here.
  returned: when proven
  type: str
  sample: "2026-11-20T10:00:31.789Z"
proof:
  description:
    - The C(state) that was read back, C(after) how many seconds, and what it was C(read_from). For V(reset) and V(reboot) also what saw the
      restart (C(restart_seen_by)).
  returned: when injected
  type: dict
boot:
  description: The boot, where it was waited for.
  returned: when waited for
  type: dict
  contains:
    seconds:
      description: From the power-on or the restart until the host answered.
      type: float
    boot_id:
      description: The kernel's name of this boot.
      type: str
undo:
  description: The undo, as in M(faultline.openstack.os_service_fault).
  returned: always
  type: dict
residue:
  description: What is left of the fault after its undo. Anything else than an empty list is a failure.
  returned: always
  type: list
  elements: str
notes:
  description: What a person has to know of what is hit and what is not, in sentences; they are in RV(msg) as well.
  returned: always
  type: list
  elements: str
duration:
  description: The duration in seconds, or C(null).
  returned: always
  type: float
plan:
  description: What would be done, in words.
  returned: in check mode
  type: list
  elements: str
failure:
  description: The reason of a failure, for programs. C(code) is a stable word, as V(no_answer), V(bad_credentials), V(unproven).
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _engine, _module, _power_faults


class PowerModule:
    """os_power for one node, on the controller or a watcher."""

    def __init__(self, module):
        self.module = module
        self.params = module.params
        _power_faults.hide_only_secrets(module)

    def run(self):
        params = self.params
        fault = _power_faults.make(
            params["action"], _power_faults.node_of(params), params["power"], params["state_timeout"], params["snapshot"])
        result = _engine.perform(
            fault, params["duration"], params["wait"], params["wait_timeout"], self.module.check_mode, at=params["at"])
        for trouble in fault.warnings:
            self.module.warn(trouble)
        return result


def main():
    module = AnsibleModule(argument_spec=_power_faults.arguments(), supports_check_mode=True)
    _module.finish(module, PowerModule(module).run)


if __name__ == "__main__":
    main()
