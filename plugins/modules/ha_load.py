#!/usr/bin/python
# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start, await and stop one load of an availability run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ha_load
short_description: Start, await and stop one load of an availability run
version_added: 0.1.0
author:
  - The Faultline team (@faultline)
description:
  - Runs a load as a process of its own, which outlives the task. Each of its operations is a line of C(load/<name>.<phase>.jsonl) in the O(run),
    with raw outputs beside it.
  - V(rally) runs a task of Rally, V(command) any program or script, V(api) light requests to the cloud's APIs at a fixed rate.
  - It runs on the controller.
options:
  state:
    description:
      - V(started) starts it, and answers when it is ready to work. What cannot work fails here, as a Rally that is not installed or refuses its task.
      - V(waited) answers when it has ended, V(stopped) ends it in order, V(status) only looks.
    type: str
    choices: [started, waited, stopped, status]
    default: started
  load:
    description: The load as it stands in the scenario, with every key filled in. C(name) is enough where O(state) is not V(started).
    type: dict
    required: true
  phase:
    description: The part of the run that it is done in, which names its files.
    type: str
    choices: [baseline, disrupted, clean]
    default: disrupted
  database:
    description: The URL of Rally's database that C(environment) of the load is in. Rally's own configuration says it by default.
    type: str
  duration:
    description: Seconds after which the load is stopped in order. Required for V(api), which has no end of its own.
    type: float
  timeout:
    description: Seconds that V(waited) waits before it fails, and that V(stopped) gives the load to end in order. As long as the load may need by default.
    type: float
extends_documentation_fragment:
  - faultline.openstack.run
  - faultline.openstack.cloud
  - faultline.openstack.attributes
  - faultline.openstack.attributes.actiongroup
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - A load that is started twice fails. To stop one that has ended changes nothing.
notes:
  - O(auth) and O(cloud) are for V(rally) without an C(environment) of the load, and for V(api). V(command) gets the name of O(cloud) as C(OS_CLOUD).
  - openstacksdk is needed only where credentials are.
"""

EXAMPLES = r"""
- name: Start Rally
  faultline.openstack.ha_load:
    run: /var/tmp/ha/20261120-101500
    load:
      name: boot
      type: rally
      scenario_file: /root/boot.yaml
      args: {times: 40}
      args_file: null
      environment: null
      executable: /opt/rally/bin/rally
      start_delay: 0
      timeout: 900
    cloud: lab
  delegate_to: localhost

- name: Wait until it has done all its iterations
  faultline.openstack.ha_load:
    run: /var/tmp/ha/20261120-101500
    load: {name: boot}
    state: waited
    timeout: 900
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What is known of the load, in one sentence.
  returned: always
  type: str
  sample: "The load boot has finished: 40 operations, 2 of them failed"
load:
  description: The load.
  returned: success
  type: dict
  contains:
    state:
      description: V(none), V(running), V(finished), or V(cut_off) where its process died.
      type: str
    due:
      description: Operations that were due.
      type: int
    taken:
      description: Operations that are in the file.
      type: int
    failed:
      description: Operations that failed or had no answer in time.
      type: int
    stopped:
      description: Whether it was ended before it was through.
      type: bool
    failure:
      description: What went wrong with the load itself, or C(null). Its operations may well have failed without that.
      type: str
    output:
      description: The file of samples.
      type: str
    pid:
      description: Its process, where it was started.
      type: int
failure:
  description: The reason of a failure, for programs.
  returned: failed
  type: dict
"""

import os
import shutil
import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fault import _module
from ..module_utils._fault._errors import FaultlineError
from ..module_utils._ha import _cloud, _load, _load_api, _load_command, _load_rally, _process

_RUNNERS = {"rally": _load_rally, "command": _load_command, "api": _load_api}
# seconds that a load may take to get ready: Rally makes a database, an environment, and validates its task
_READY = {"rally": 420}


class LoadModule:
    """ha_load on the controller."""

    def __init__(self, module):
        self.params = module.params
        self.check_mode = module.check_mode
        self.load = module.params["load"]
        name = self.load.get("name")
        if not isinstance(name, str) or not name or os.sep in name or name.startswith("."):
            raise FaultlineError("load has the name %r; it must be one that a file may have." % (name,), code="bad_option")
        if not os.path.isdir(self.params["run"]):
            raise FaultlineError("There is no directory %s of a run." % self.params["run"], code="bad_option", hint="The run makes it first.")
        self.paths = _load.Paths(os.path.join(os.path.abspath(self.params["run"]), "load"), name, self.params["phase"])

    def run(self):
        return getattr(self, self.params["state"])()

    def started(self):
        kind = self.load.get("type")
        if kind not in _RUNNERS:
            raise FaultlineError(
                "The load %s has the type %r; it must be one of %s." % (self.load["name"], kind, ", ".join(sorted(_RUNNERS))), code="bad_option")
        if self.check_mode:
            return {"changed": True, "msg": "The load %s would be started" % self.load["name"]}
        os.makedirs(self.paths.folder, 0o700, exist_ok=True)
        told = {
            "phase": self.params["phase"], "folder": self.paths.folder, "environment": dict(os.environ), "database": self.params["database"],
            "limit": self.params["duration"], "credentials": self.credentials(kind),
        }
        if kind == "api":
            told["endpoints"] = _cloud.Connection(self.params).endpoints()
        if self.params["cloud"]:
            told["environment"]["OS_CLOUD"] = self.params["cloud"]
        runner = _RUNNERS[kind]
        news = _process.launch(
            _load, {
                "runner": runner.__name__, "load": self.load, "told": told, "pidfile": self.paths.pidfile, "start_delay": self.load.get("start_delay") or 0,
            }, self.paths.pidfile, also=[runner], patience=_READY.get(kind, 60))
        return self.answer(True, "is at work", pid=news["pid"])

    def credentials(self, kind):
        """What the load logs in with, where it does."""
        needed = kind == "api" or kind == "rally" and not self.load.get("environment")
        given = self.params["cloud"] or self.params["auth"] or os.environ.get("OS_AUTH_URL") or os.environ.get("OS_CLOUD")
        if not needed or kind == "rally" and not given:
            return None
        return _cloud.login(self.params)

    def waited(self):
        end = None if self.params["timeout"] is None else time.monotonic() + self.params["timeout"]
        while True:
            known = _load.state(self.paths)
            if known["state"] != "running" or self.check_mode:
                break
            if end is not None and time.monotonic() > end:
                raise FaultlineError(
                    "The load %s has not ended within %g seconds." % (self.load["name"], self.params["timeout"]), code="timeout",
                    hint="Stop it, or wait longer.")
            time.sleep(0.1)
        return self.answer(False)

    def stopped(self):
        if self.check_mode:
            return self.answer(bool(_process.find(self.paths.pidfile)))
        patience = self.params["timeout"] or max(runner.PATIENCE for runner in _RUNNERS.values()) + 15
        how = _process.stop(self.paths.pidfile, patience)
        # what a process that died has left; the cloud's password is in it
        shutil.rmtree(_load_rally.work_folder(self.paths), ignore_errors=True)
        return self.answer(how != "none")

    def status(self):
        return self.answer(False)

    def answer(self, changed, words=None, **more):
        """The result, by what the load's files say."""
        known = dict(_load.state(self.paths), output=self.paths.samples, **more)
        if words is None:
            words = {"none": "was never started", "running": "is at work", "cut_off": "was cut off", "finished": "has finished"}[known["state"]]
            if known["state"] == "finished":
                words += ": %d operations, %d of them failed" % (known["taken"], known["failed"])
            if known["failure"]:
                words += "; %s" % known["failure"]
        return {"changed": changed, "msg": "The load %s %s" % (self.load["name"], words), "load": known}


def main():
    module = AnsibleModule(
        argument_spec=dict(
            _cloud.arguments(),
            state={"type": "str", "choices": ["started", "waited", "stopped", "status"], "default": "started"},
            run={"type": "path", "required": True},
            load={"type": "dict", "required": True},
            phase={"type": "str", "choices": list(_load.PHASES), "default": "disrupted"},
            database={"type": "str", "no_log": True},
            duration={"type": "float"},
            timeout={"type": "float"},
        ),
        supports_check_mode=True,
    )
    _cloud.hide_only_secrets(module)
    _module.finish(module, lambda: LoadModule(module).run())


if __name__ == "__main__":
    main()
