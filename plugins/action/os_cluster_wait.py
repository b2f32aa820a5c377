# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_cluster_wait: wait until every VM of a session really answers, then put known_hosts and the state file right."""

from __future__ import annotations

import time

from ansible.utils.display import Display

from ..module_utils import _cluster_wait_arguments
from ..module_utils._cluster import _answers, _known_hosts, _state
from ..module_utils._cluster._cluster import Cluster
from ..module_utils._fault._errors import FaultlineError
from ..module_utils._ha import _cloud
from ..plugin_utils import _cluster, _debounce
from ..plugin_utils._action import FaultAction
from ..plugin_utils._model import plain

# seconds that waiting for the cloud's API may take in all
_API = 900


class ActionModule(FaultAction):
    _supports_async = False

    def perform(self, result, task_vars):
        args = _cluster.login(plain(self.validate_argument_spec(_cluster_wait_arguments.wait())[1]))
        before = _state.read(args["state_file"]) if args["state_file"] else {}
        cloud = Cluster(_cloud.Connection(args), _API)
        session = args["session"] or (_state.session(args["state_file"]) if before else "current")
        if session == "current":
            session = _current(cloud, task_vars)
        instances = cloud.instances({session})
        if not instances:
            raise FaultlineError(f"The session {session} has no VMs.", code="no_session", hint="os_cluster_info tells the sessions that there are.")
        if self._task.check_mode:
            return {**result, "changed": False, "session": session, "instances": instances, "msg": f"{len(instances)} VMs would be waited for"}
        display = Display()
        wait = Wait(args, session, before, lambda words: display.display(f"{time.strftime('%H:%M:%S')}  {words}"))
        return {**result, **wait.run(lambda: cloud.instances({session}))}


def _current(cloud, task_vars):
    """The newest session of this terminal or CI job."""
    found = [each["session"] for each in cloud.sessions(_cluster.origin(task_vars or {})) if each["current"]]
    if not found:
        raise FaultlineError(
            "There is no session of this terminal or CI job.", code="no_session", hint="Name one by session; os_cluster_info tells which there are.")
    return found[0]


class Wait:
    """One wait, and what is made of it. before: the state file as it was; say(words) tells people."""

    def __init__(self, args, session, before, say):
        self.args, self.session, self.before, self.say = args, session, before, say
        self.settings = {key: args[key] for key in ("user", "port", "private_key", "ssh_args", "ping")}

    def run(self, ask):
        """The result of the task. What has answered is kept where others have not."""
        begun = time.monotonic()
        debounce = _debounce.Debounce(ask, self.settings, self.args["timeout"], self.args["every"], self.args["forks"], self.say)
        try:
            debounce.run()
        except FaultlineError as exc:
            exc.details.update(self.kept(debounce))
            raise
        seconds = round(time.monotonic() - begun, 1)
        diskless = [_debounce.words(vm) for vm in debounce.answering if not vm.seen["VM_DISK"]]
        more = f"; no disks could be found in {', '.join(diskless)}" if diskless else ""
        return {**self.kept(debounce), "seconds": seconds, "msg": f"{len(debounce.answering)} VMs answer, the last one after {seconds:g} s{more}"}

    def kept(self, debounce):
        """Put known_hosts and the state file right for what has answered; parts of the result."""
        vms, told = debounce.answering, {"path": self.args["known_hosts"], "removed": [], "added": [], "left": []}
        if vms:
            keys, yielding, left = _debounce.learned(vms, self.args["port"])
            hashed = self.args["hash_known_hosts"]
            if hashed is None:
                hashed = _answers.hashes_names(vms[0].address, self.settings)
            removed, added, taken = _known_hosts.KnownHosts(self.args["known_hosts"]).update(keys, hashed, yielding)
            told["left"] = left + [{"name": name, "why": "it is another host's, by its key"} for name in taken]
            told.update({key: [{"name": name, "type": kind} for name, kind in each] for key, each in (("removed", removed), ("added", added))})
        instances, path = [self.described(vm) for vm in vms], self.args["state_file"]
        changed = bool(told["removed"] or told["added"])
        if path and debounce.instances:
            every = {each["id"]: each for each in [*debounce.instances, *instances]}
            changed = _state.write(path, _state.state(every.values(), self.before)) or changed
        return {"changed": changed, "session": self.session, "instances": instances, "known_hosts": told, "state_file": path}

    @staticmethod
    def described(vm):
        """An instance, with what it says of itself."""
        (keys, *_others) = vm.keys.values()
        return {**vm.instance, **vm.seen, "host_keys": sorted(_known_hosts.fingerprint(key) for _kind, key in keys)}
