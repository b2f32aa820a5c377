#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the os_fault action, which is in plugins/action/."""

from __future__ import annotations

DOCUMENTATION = r"""
module: os_fault
short_description: Break an OpenStack cloud with a sentence
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Understands one sentence, chooses the hosts that it means among the hosts of the play, and runs there the one module that does
    it, as M(faultline.openstack.os_service_fault). The other hosts skip the task. All hosts come to the same choice by themselves, so
    any strategy and any C(serial) will do.
  - >-
    The sentences, upper and lower case alike. What is in brackets may be left out; C(|) separates what to choose from.
  - "C(<action> <service> service [on <nodes>] [for <duration>]) with C(start | terminate | restart | kill | freeze | unfreeze | unplug |
    plug), and for services alone C(mask | crash_loop)."
  - "C(<action> <container> container [on <nodes>] [for <duration>]) with the same actions."
  - "C(<action> <nodes> [with <service> [service]] [for <duration>]) with C(reboot | poweroff | poweron | reset | shutdown | oom |
    crash)."
  - "C(<action> <network> network on <nodes> [with <service> [service]] [for <duration>]) with C(connect | disconnect)."
  - "C(delay <network> network by <100 ms | 1 second> on <nodes> ...), C(<lose | corrupt | duplicate | reorder> <30% | 0.5%> of packets on
    <network> network on <nodes> ...) and C(limit <network> network to <500 kbit | 1 mbit | 1 gbit> on <nodes> ...), each with
    C([with <service> [service]] [for <duration>]) at its end. They hit what goes out of these nodes."
  - "C(partition <nodes> [with <service> [service]] from <nodes> [with <service> [service]] [for <duration>]): no node of the one side hears
    any of the other, on any network. C(from all nodes) means all the others."
  - "C(stress <cpu | memory | disk | kernel | all> [for <duration>] on <nodes> [with <service> [service]]), 10 seconds if no duration
    is given."
  - "C(unplug | plug <service> service <ingress | egress> <from | to> <service> service ...) cuts only what two services say to each
    other, on the port of the one that is called: C(ingress) what comes in for the first, C(egress) what goes out to the second."
  - "C(<nodes>) is C(nodes | all nodes | one node | 2 nodes | 50% of nodes), each with an optional C(in <group>) and then C(except <node>
    [and <node> ...]); or C(<node> [and <node> ...] nodes). C(random), C(some) and C(single) mean C(one). C(node) and C(nodes) are
    alike: without a number they mean all."
  - "C(<node>) is a name of the inventory, an C(fqdn) or an C(ansible_host). Names may be separated by commas, too."
  - "C(<duration>) is C(30 seconds | 5 minutes | 1 hour 30 minutes | 1m30s), at most 7 days. It may stand before C(on), too. Only what
    can be undone takes a duration: C(terminate), C(freeze), C(unplug), C(poweroff), C(shutdown), C(disconnect), C(partition), C(stress) and whatever
    impairs packets."
  - Without C(on) a sentence means all nodes where the service or the container runs. A percentage is rounded up, so that it means at
    least one node.
  - The whole sentence must be understood. A negation, a word too many, an action, service, network or node that is not known, no node to
    choose from, or 2 nodes where there is one, is an error that points at the word, and nothing is done.
options:
  do:
    description:
      - The sentence. With O(plan_only) it may be a list of sentences.
    type: raw
    required: true
  seed:
    description:
      - Makes the same choice again. A host's place in the choice depends on the seed and its name alone.
      - By default each run draws a new one, the same for all hosts of a task. The result tells it.
    type: str
  among:
    description:
      - Names of the hosts to choose from, all hosts of the play (C(ansible_play_hosts_all)) by default. A chosen host that is not in the
        play is an error.
    type: list
    elements: str
  plan:
    description:
      - One of RV(plans), made before by O(plan_only). Nothing is chosen again; O(seed) and O(among) do not count then.
    type: dict
  plan_only:
    description:
      - Only make the plan, for all hosts at once and on the controller. Nothing is connected to. Use it with C(run_once).
    type: bool
    default: false
  plan_file:
    description:
      - With O(plan_only), write the plan to this file on the controller, as JSON, readable by its owner.
    type: path
  skip_unmapped:
    description:
      - What to do with hosts of which it is not known whether it runs there, C(faultline_services) being undefined, or the name being in C(faultline_unseen).
        By default this is an error, and with O(plan_only) a list in RV(unmapped). If set, they are left out of the choice, and are in RV(left_out).
    type: bool
    default: false
  signal:
    description: Passed on to the module, as O(faultline.openstack.os_service_fault#module:signal).
    type: str
  processes:
    description: Passed on to the module where it is that of services, as O(faultline.openstack.os_service_fault#module:processes).
    type: str
    choices: [main, all]
  wait:
    description: Passed on to the module, as O(faultline.openstack.os_service_fault#module:wait).
    type: bool
    default: false
  wait_timeout:
    description: Passed on to the module, as O(faultline.openstack.os_service_fault#module:wait_timeout).
    type: float
  recovery_timeout:
    description: Passed on to the module, as O(faultline.openstack.os_service_fault#module:recovery_timeout).
    type: float
attributes:
  check_mode:
    support: full
    details:
      - The result tells the hosts, the module with its arguments, and the undo. Nothing is connected to.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - A second C(kill) kills again.
  async:
    description: Supports being used with the C(async) keyword.
    support: full
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
  - faultline.openstack.marks
requirements:
  - lark on the controller, for the Python that runs Ansible
notes:
  - The sentence is data. It is never templated again, and what is not plain ASCII is refused.
  - What a service is called and where it runs comes from the groups C(service_<name>) and the host variables C(faultline_services) and
    C(faultline_service_definitions), which the inventory plugin P(faultline.openstack.os_faults#inventory) gives, and from a built-in
    catalogue of names.
  - A host with the connection C(local) is refused unless its variable C(faultline_allow_local) is true.
  - For many hosts use the playbook C(faultline.openstack.disrupt), which plans once and then runs on the chosen hosts only.
seealso:
  - module: faultline.openstack.os_service_fault
  - module: faultline.openstack.os_power
  - module: faultline.openstack.os_fault_info
  - module: faultline.openstack.os_fault_undo
"""

EXAMPLES = r"""
- name: Restart a service wherever it runs
  faultline.openstack.os_fault:
    do: Restart Keystone service

- name: Kill a service on one node, chosen at random
  faultline.openstack.os_fault:
    do: kill nova-api service on one node

- name: The same choice as in an earlier run
  faultline.openstack.os_fault:
    do: kill nova-api service on one node
    seed: 5f0c1d2e9a77

- name: Freeze a service for half a minute, and wait until it has recovered
  faultline.openstack.os_fault:
    do: freeze rabbitmq service on one node for 30 seconds
    wait: true

- name: Stop a service for a while on all nodes of a group but one
  faultline.openstack.os_fault:
    do: terminate memcached service on all nodes in controllers except ctl1 for 1m30s

- name: Cut half of a service's nodes off
  faultline.openstack.os_fault:
    do: unplug mysql service on 50% of nodes for 5 minutes

- name: Exactly these two
  faultline.openstack.os_fault:
    do: kill nova-api service on node-1 and node-2 nodes

- name: Two nodes, not the one with the virtual address
  faultline.openstack.os_fault:
    do: restart haproxy service on 2 nodes except ctl1

- name: Let a frozen service go on
  faultline.openstack.os_fault:
    do: unfreeze rabbitmq service

- name: Start a service on one host by its full name
  faultline.openstack.os_fault:
    do: start glance-api service on node-2.domain.tld node

- name: Make a plan, look at it, and do exactly that
  block:
    - name: Plan
      faultline.openstack.os_fault:
        do: kill keystone service on one node
        plan_only: true
        plan_file: plan.json
      run_once: true
      register: planned

    - name: Do it
      faultline.openstack.os_fault:
        do: kill keystone service on one node
        plan: "{{ planned.plans[0] }}"

- name: Nodes, networks, stress
  faultline.openstack.os_fault:
    do: "{{ item }}"
  loop:
    - Reboot one node with mysql
    - Disconnect management network on nodes with rabbitmq service for 60 seconds
    - delay storage network by 100 ms on one node for 1 minute
    - lose 30% of packets on management network on 2 nodes for 30 seconds
    - limit storage network to 1 mbit on one node for 30 seconds
    - partition nodes with mysql service from nodes with nova-compute service for 30 seconds
    - unplug keystone service ingress from haproxy service for 30 seconds
    - stress cpu for 20 seconds on all nodes with nova-api service
"""

RETURN = r"""
sentence:
  description: The sentence as it was given.
  returned: always
  type: raw
  sample: kill nova-api service on one node
intent:
  description: What was understood.
  returned: when understood
  type: dict
  sample:
    kind: service
    action: kill
    subject: nova-api
    selector: {mode: count, n: 1, names: [], group: null, exclude: []}
    with_service: null
    duration: null
    direction: null
    peer: null
seed:
  description: The seed of the choice.
  returned: when understood
  type: str
  sample: 5f0c1d2e9a77
chosen:
  description: All hosts that the sentence means.
  returned: when understood, without O(plan_only)
  type: list
  elements: str
  sample: [ctl2]
left_alone:
  description:
    - Hosts that the choice has avoided since they have a router in debug, each with C(host) and C(why). A sentence that names them, or means all nodes,
      is refused with the code C(in_debug).
  returned: when understood, without O(plan_only)
  type: list
  elements: dict
  sample:
    - {host: net1, why: "router web is in debug: its NAT is looked into"}
left_out:
  description:
    - Hosts that were left out of the choice because it could not be seen what runs there, with the reason. A sentence that names one of them is refused.
  returned: when understood, without O(plan_only)
  type: dict
  sample: {ctl3: systemctl told nothing of the units}
steps:
  description: The task that does the same without a sentence, its module and its arguments.
  returned: on a chosen host
  type: list
  elements: dict
  sample:
    - module: faultline.openstack.os_service_fault
      args: {service: nova-api, action: kill, driver: system_service, unit: [nova-api]}
plans:
  description: The plan of each sentence.
  returned: with O(plan_only)
  type: list
  elements: dict
  contains:
    sentence:
      description: The sentence.
      type: str
    intent:
      description: As RV(intent).
      type: dict
    seed:
      description: The seed of this sentence. The second of a list has the seed of the first with C(/2), and so on.
      type: str
    chosen:
      description: The chosen hosts.
      type: list
      elements: str
    candidates:
      description: The hosts among which they were chosen.
      type: list
      elements: str
    outside:
      description: Hosts where it runs too, but which are not in the play.
      type: list
      elements: str
    unreachable:
      description: Hosts that were left out because it could not be seen what runs there.
      type: list
      elements: str
    unseen:
      description: Why, of those of them that answered but could not tell, or that were not asked.
      type: dict
    left_alone:
      description: As RV(left_alone).
      type: list
      elements: dict
    undo:
      description: What puts it back, in words; none with the reason where nothing can, and on which hosts, where they differ.
      type: str
    hosts:
      description: For each chosen host the module, its arguments, its undo in words, and lines that foretell what is hit.
      type: dict
words:
  description: The plans in words; in check mode with all arguments.
  returned: with O(plan_only)
  type: list
  elements: str
  sample:
    - kill nova-api service on one node
    - "  hits ctl2 (of 3; seed 5f0c1d2e9a77); undo: none"
unmapped:
  description: Hosts that M(faultline.openstack.os_cloud_facts) has to look at before a plan can be made. There are no RV(plans) then.
  returned: with O(plan_only)
  type: list
  elements: str
failure:
  description: The reason of a failure, for programs. C(details) has the C(column), the C(word), what was C(expected), and C(suggestions).
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._sentence_arguments import sentence_arguments


def main():
    module = AnsibleModule(argument_spec=sentence_arguments(), supports_check_mode=True)
    module.fail_json(msg="os_fault is an action of the controller. Call it as faultline.openstack.os_fault, with the collection installed there.")


if __name__ == "__main__":
    main()
