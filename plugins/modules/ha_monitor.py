#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sample the availability of services, hosts and clusters."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_monitor
short_description: Sample the availability of services, hosts and clusters
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Starts a process on the host that probes what it is told at a fixed rate and writes a sample of each probe to a file, one JSON object per line.
  - Probe k is due at its own time whatever became of the others, and each has a deadline, so a service that hangs delays nothing.
    A probe that cannot start within its period, because its host was frozen, is not made up for. It is counted as due and not as taken.
  - The process outlives the task, the SSH connection and the controller. It ends at its O(limit), or when it is stopped.
  - On the controller it is run with C(connection=local), for what is seen from there. On a host it loses no samples while the host's network is cut.
options:
  state:
    description:
      - V(started) starts a monitor and answers when its first probe is due. What it needs (names, a token) has to be there then.
      - V(stopped) ends it in order. Probes that are under way are finished, at their deadline at the latest. What does not end by then is killed.
      - V(status) only looks.
      - V(absent) ends it and removes its file, and the directory that it was made in when nothing else is there.
    type: str
    choices: [absent, started, status, stopped]
    default: started
  output:
    description:
      - The file of samples, a whole path. It must not be there yet. It is readable by its owner only, as is the directory that is made for it.
      - It is what a monitor is known by. Its process is named in the file of this name with C(.pid) behind it.
    type: path
    required: true
  spec:
    description:
      - What is monitored, a dictionary. Every monitor has C(name) and C(type), and may have C(rate) (probes per second of each series, at most 100),
        C(timeout) (seconds), C(host) (the name of the host in the inventory, which its series are named after), C(group), C(clock_offset)
        and C(clock_error) (seconds, for the header of the file). Series of a monitor are spread over its period.
      - C(http) has C(targets), a list of C(name), C(url), and optionally C(via), C(method), C(status) (a list, else all below 400),
        C(contains), C(verify), C(ca_file), C(headers) and C(body). Each probe has a connection of its own. Redirections are not followed.
      - C(openstack_api) has C(requests), a list of C(service), C(url), and optionally C(via), C(kind) (V(token), V(services), V(agents),
        V(images), V(resource_providers), V(plain), by default what the service has), C(headers), C(status), C(verify) and C(ca_file).
        Samples tell how many services or agents are up and which are down. Keystone is asked for a token by the token that is there,
        with C(full_authentication=true) by the password, whose hash costs Keystone far more.
      - C(tcp) has C(targets), a list of C(name), C(host), C(port) and optionally C(via). C(ssh) has the same (C(port) 22, C(rate) 1) and reads the
        server's greeting. OpenSSH from 9.8 on needs the monitor's address in C(PerSourcePenaltyExemptList) for that.
      - C(ping) has C(targets), a list of C(name), C(host) and optionally C(via). Root may, and whoever C(net.ipv4.ping_group_range) lets.
      - C(systemd) has C(units), a list. C(process) has C(patterns), a dictionary of names and regular expressions on whole command lines,
        and optionally C(count), how many have to be at work. Stopped ones are not.
      - C(container) has C(containers), a list of names, and optionally C(engine) (V(docker), V(podman), V(auto)).
      - C(galera) (C(rate) 1) has optionally C(size), C(command) (a list, by default the client C(mysql)), C(socket), C(user), C(defaults_file)
        and O(auth.password).
        A member is fine when it is Primary, Synced and sees all members.
      - C(rabbitmq) has optionally C(members) and C(command) (a list, by default C(rabbitmqctl), whose start takes seconds of CPU, hence C(rate) 0.1),
        or C(url) of the management API (C(rate) 1), with C(verify), C(ca_file) and O(auth).
      - C(nagios_plugin) (C(rate) 1) has C(command), a list, and optionally C(ok), exit codes that count as such (by default 0 and 1), and C(subject).
      - C(livestatus) (C(rate) 1) has C(address), V(host:port) or the path of a socket, and optionally C(filter) and C(host_filter), lists of
        filters of services and hosts in Livestatus' own words, and C(each), for a series of each service and host rather than one with counts.
      - C(servers) has C(targets), a list of C(name) and C(address), and optionally C(probe) (V(ping), V(ssh), V(tcp:PORT), V(http:PORT), V(https:PORT)),
        C(path) and C(contains).
      - Names of hosts are resolved once, at the start.
    type: dict
  auth:
    description: Secrets of monitors of the types C(openstack_api), C(rabbitmq) and C(galera). They reach the process through a pipe and are on no disk.
    type: dict
    suboptions:
      url:
        description: Keystone's, as V(http://10.0.0.10:5000/v3).
        type: str
      username:
        description: The user.
        type: str
      user_id:
        description: The user's id.
        type: str
      password:
        description: The user's password.
        type: str
      user_domain_name:
        description: The domain of the user; by default the one of the id V(default).
        type: str
      user_domain_id:
        description: The id of that domain.
        type: str
      project_name:
        description: The project that the token is for.
        type: str
      project_id:
        description: The id of that project.
        type: str
      project_domain_name:
        description: The domain of the project; by default the user's.
        type: str
      project_domain_id:
        description: The id of that domain.
        type: str
      system_scope:
        description: V(all) for a token for the whole system rather than for a project.
        type: str
      application_credential_id:
        description: The id of an application credential.
        type: str
      application_credential_name:
        description: The name of an application credential of the user.
        type: str
      application_credential_secret:
        description: Its secret.
        type: str
      verify:
        description: Whether certificates are checked.
        type: bool
      ca_file:
        description: Certificates to check with, a file on the host.
        type: path
  resume:
    description:
      - Go on in the file O(output) of a monitor that is gone, as after a reboot of the host. Without it such a file is an error.
    type: bool
    default: false
  limit:
    description: Seconds after which the monitor ends by itself.
    type: float
    default: 3600
  fetch:
    description: Whether to return samples, from O(offset) on, after what O(state) says was done.
    type: bool
    default: false
  offset:
    description: Bytes of the file that are known already, as RV(samples.offset) of the last answer said.
    type: int
    default: 0
  size:
    description: How many bytes of the file one answer may hold, before they are compressed.
    type: int
    default: 4194304
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - A monitor that runs with the same specification is left alone. Another one with the same O(output) is an error.
extends_documentation_fragment:
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
notes:
  - Needs Python 3.8 on the host, and nothing beside it.
  - Run by root on a host with systemd, the process has a control group of its own (a scope C(faultline-ha-*)), so that no fault on sshd takes it along.
    It raises its own priority then (nice -5), and is not the first whom a lack of memory hits. What it starts has the usual priority.
  - It is disturbed by what hits all of its host, as freezing or suspending it, by a reboot, which ends it, and by faults on processes whose
    pattern matches C(python3). A full disk costs nothing as long as memory holds the samples (32 MiB).
"""

EXAMPLES = r"""
- name: Watch a page and a port from the controller
  faultline.openstack.ha_monitor:
    output: "{{ run_dir }}/samples/{{ item.name }}.jsonl"
    spec: "{{ item }}"
    limit: 600
  delegate_to: localhost
  run_once: true
  loop:
    - name: web
      type: http
      targets:
        - name: horizon
          url: http://10.0.0.10/
          status: [200, 302]
    - name: ports
      type: tcp
      targets:
        - {name: mysql, host: 10.0.0.10, port: 3306}

- name: Watch units on a host itself
  faultline.openstack.ha_monitor:
    output: /var/lib/faultline/monitors/units.jsonl
    spec:
      name: units
      type: systemd
      host: "{{ inventory_hostname }}"
      units: [nova-api, mariadb]

- name: Watch APIs of a cloud
  faultline.openstack.ha_monitor:
    output: "{{ run_dir }}/samples/api.jsonl"
    spec:
      name: api
      type: openstack_api
      requests:
        - {service: keystone, via: vip, url: "http://10.0.0.10:5000/v3/auth/tokens"}
        - {service: nova, via: vip, url: "http://10.0.0.10:8774/v2.1/os-services"}
        - {service: nova, via: ctl1, url: "http://10.0.0.11:8774/v2.1/os-services"}
    auth:
      url: http://10.0.0.10:5000/v3
      username: admin
      password: "{{ vault_admin_password }}"
      project_name: admin
  delegate_to: localhost
  run_once: true

- name: Stop it and get what it has sampled
  faultline.openstack.ha_monitor:
    state: stopped
    output: /var/lib/faultline/monitors/units.jsonl
    fetch: true
  register: units

- name: Leave nothing behind
  faultline.openstack.ha_monitor:
    state: absent
    output: /var/lib/faultline/monitors/units.jsonl
"""

RETURN = r"""
msg:
  description: What was done, in one sentence.
  returned: always
  type: str
  sample: api is being sampled, 8 series
monitor:
  description: The monitor as it is now.
  returned: success
  type: dict
  contains:
    name:
      description: Its name; null when there is none.
      type: str
    type:
      description: Its type.
      type: str
    state:
      description: V(running), V(ended), V(killed) (its file has no end line) or V(absent).
      type: str
    output:
      description: Its file.
      type: str
    pid:
      description: Its process, while it runs.
      type: int
    started:
      description: When its first probe was due, epoch seconds of the host's clock.
      type: float
    ended:
      description: When it ended, likewise.
      type: float
    period:
      description: Seconds between two probes of a series.
      type: float
    series:
      description: How many series it has.
      type: int
    size:
      description: Bytes of its file.
      type: int
    due:
      description: Samples that were due, once it has ended.
      type: int
    taken:
      description: Samples that were taken, once it has ended.
      type: int
    failure:
      description: What ended it, when nobody had asked for it.
      type: str
samples:
  description: A part of the file (O(fetch=true)).
  returned: success
  type: dict
  contains:
    content:
      description: Whole lines, compressed by zlib and encoded by base64.
      type: str
    offset:
      description: Where the next part begins.
      type: int
    size:
      description: Bytes of the whole file.
      type: int
    ended:
      description: Whether this part is the last of a file that was ended in order.
      type: bool
clock:
  description: The host's clock right before it answered, epoch seconds.
  returned: success
  type: float
clock_ns:
  description: The same, in nanoseconds.
  returned: success
  type: int
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _module
from ..module_utils._ha import _monitor


def main():
    module = AnsibleModule(argument_spec=_monitor.arguments(), required_if=[["state", "started", ["spec"]]], supports_check_mode=True)
    _module.finish(module, lambda: _monitor.manage(module.params, module.check_mode))


if __name__ == "__main__":
    main()
