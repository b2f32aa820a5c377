# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits until VMs really answer, all side by side; the time limit begins again whenever one gets further."""

from __future__ import annotations

import collections
import contextlib
import ipaddress
import queue
import socket
import threading
import time

from ..module_utils._cluster import _answers, _known_hosts
from ..module_utils._fault._errors import FaultlineError
from ..module_utils._ha import _cloud

# seconds between two tries of a VM, and between two looks at what the cloud says of those that do not answer
_PAUSE, _LOOK = 1.0, 15.0
# seconds that names may take to be resolved
_RESOLVE = 5
_HINT = "Do its security groups let ICMP and SSH in? Has it your key, and the user a shell? `openstack console log show` tells of its boot."


class Debounce:
    """The VMs of one session. ask(): the instances as the cloud has them now; settings: those of _answers.Asked.

    patience: seconds without any progress; every: seconds between two lines of progress; forks: VMs that are asked at a time.
    say(words) tells people.
    """

    def __init__(self, ask, settings, patience, every, forks, say, pause=_PAUSE, look=_LOOK):
        self.ask, self.settings, self.patience, self.every, self.say = ask, settings, patience, every, say
        self.pause, self.look = pause, look
        self.turns = threading.BoundedSemaphore(forks)
        self.stopping = threading.Event()
        self.news = queue.Queue()
        # id -> _answers.Asked; id -> why it cannot be asked yet
        self.asked, self.waiting, self.told = {}, {}, []
        # as the cloud had them last
        self.instances = []

    @property
    def answering(self):
        return [each for each in self.asked.values() if each.done]

    def run(self):
        """Until all have answered. FaultlineError: not_answering, boot_failed, no_address, gone, no_ping, missing_program."""
        self.begun = self.progress = time.monotonic()
        try:
            self.take(self.ask())
            threading.Thread(target=self._look, daemon=True).start()
            self._follow()
        finally:
            self.stopping.set()

    def _follow(self):
        status = self.begun + self.every
        while self.waiting or not all(each.done for each in self.asked.values()) or not self.news.empty():
            now = time.monotonic()
            if self.news.empty() and now > self.progress + self.patience:
                raise self._late()
            if now >= status:
                status = now + self.every
                self.say(self.status(now))
            with contextlib.suppress(queue.Empty):
                self._heard(*self.news.get(timeout=max(0.05, min(0.5, status - now))))

    def _heard(self, vm, news):
        if vm is None:
            self._cloud_says(news)
        elif isinstance(news, Exception):
            raise news
        else:
            self.progress = max(self.progress, news)
            if vm.done and vm not in self.told:
                self.told.append(vm)
                self.say(f"answers   {words(vm)} after {news - self.begun:.1f} s")

    def _look(self):
        """Ask the cloud again and again, beside the VMs: its API may take long."""
        while not self.stopping.wait(self.look):
            try:
                self.news.put((None, self.ask()))
            except Exception as exc:  # pylint: disable=broad-except
                self.news.put((None, exc))

    def _cloud_says(self, news):
        if isinstance(news, FaultlineError):
            # what answers does not need the cloud's API
            self.say(f"the cloud does not answer: {news.message}")
        elif isinstance(news, Exception):
            raise news
        else:
            self.take(news)

    def take(self, instances):
        """Take note of what the cloud says. A VM that cannot answer any more ends the wait."""
        there = {each["id"] for each in instances}
        gone = [name for name in [*self.asked, *self.waiting] if name not in there]
        if gone:
            what = words(self.asked[gone[0]]) if gone[0] in self.asked else gone[0]
            raise FaultlineError(f"{len(gone)} VMs were deleted while they were waited for: {what}.", code="gone", hint="Build the cluster up again.")
        self.instances = instances
        for each in instances:
            self._take(each)

    def _take(self, instance):
        name, vm = instance["id"], self.asked.get(instance["id"])
        if vm is not None and vm.done:
            return
        if instance["status"] == "ERROR":
            raise FaultlineError(
                f"The VM {words_of(instance)} is in ERROR: {str(instance['fault']).rstrip('.')}.", code="boot_failed",
                hint="Tear it down, or build the cluster up again.")
        found = _answers.addresses(instance)
        if not found and instance["status"] == "ACTIVE":
            raise FaultlineError(
                f"The VM {words_of(instance)} has no address that could be asked.", code="no_address", hint="Give it networks in the steering file.")
        if vm is None and found and instance["status"] == "ACTIVE":
            self.waiting.pop(name, None)
            self.asked[name] = vm = _answers.Asked(instance, self.settings)
            threading.Thread(target=self._one, args=(vm,), daemon=True).start()
        elif vm is None:
            self.waiting[name] = f"{words_of(instance)} is {instance['status']}"
        elif found:
            # a floating IP may come late
            vm.instance, vm.addresses, vm.address = instance, found, found[0]

    def _one(self, vm):
        """Ask one VM until it has answered everything."""
        best = 0
        try:
            while not vm.done and not self.stopping.is_set():
                with self.turns:
                    took = vm.step()
                if vm.reached > best:
                    best = vm.reached
                    self.news.put((vm, time.monotonic()))
                elif not took:
                    self.stopping.wait(self.pause)
        except Exception as exc:  # pylint: disable=broad-except
            self.news.put((vm, exc))

    # ---- words

    def missing(self):
        """Why the others are waited for, in words."""
        return [f"{words(vm)}: {vm.why}" for vm in self.asked.values() if not vm.done] + list(self.waiting.values())

    def status(self, now):
        missing = self.missing()
        more = f", and {len(missing) - 5} more" if len(missing) > 5 else ""
        return (
            f"{len(self.answering)} of {len(self.asked) + len(self.waiting)} VMs answer; {'; '.join(missing[:5])}{more}; "
            f"{self.progress + self.patience - now:.0f} s are left until one gets further")

    def _late(self):
        missing = self.missing()
        return FaultlineError(
            f"{len(missing)} of {len(self.asked) + len(self.waiting)} VMs do not answer, and none has got further for {self.patience:g} s: "
            f"{'; '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}.", code="not_answering", hint=_HINT, details={"missing": missing})


def words_of(instance):
    """What a person knows a VM by."""
    return f"{instance['type']} ({instance['address'] or instance['name']})"


def words(vm):
    return f"{vm.instance['type']} ({vm.address})"


# ---- which names are whose


def resolved(names):
    """{name: its addresses}, as far as they can be found in a moment."""
    def look(name):
        return sorted({ipaddress.ip_address(each[4][0].partition("%")[0]).compressed for each in socket.getaddrinfo(name, None)})

    works = {name: (lambda name=name: look(name)) for name in names}
    return {name: value or [] for name, (value, _exc) in _cloud.all_within(_RESOLVE, works).items()}


def learned(vms, port, resolve=resolved):
    """(keys, yielding, left) of VMs that have answered: {name: {(type, key)}} for known_hosts, those names that replace no key of another
    host, and [{name, why}] of host names that are not learned.

    A VM may say any name of itself, also that of a host of the user's.
    """
    told = collections.Counter(name for vm in vms for name in _host_names(vm))
    found, keys, yielding, left = resolve(list(told)), {}, [], []
    for vm in vms:
        keys.update(vm.keys)
    for vm in vms:
        (current, *_others) = vm.keys.values()
        for name in _host_names(vm):
            known = _known_hosts.name_of(name, port)
            if told[name] > 1:
                why = f"{told[name]} VMs say that it is theirs"
                if not any(each["name"] == name for each in left):
                    left.append({"name": name, "why": why})
            elif name.partition(".")[0] == str(vm.instance["name"]).lower() or set(found[name]) & set(vm.addresses):
                keys[known] = current
            elif found[name]:
                left.append({"name": name, "why": f"{words(vm)} says that it is this host, but it leads to {', '.join(found[name])}"})
            else:
                keys[known] = current
                yielding.append(known)
    return keys, yielding, left


def _host_names(vm):
    """The names that a VM says of itself and that could be a host's."""
    names = [each.lower().rstrip(".") for each in vm.seen["VM_HOSTNAME_SHORT"] + vm.seen["VM_HOSTNAME_LONG"]]
    return [each for each in dict.fromkeys(names) if each.partition(".")[0] not in ("localhost", "none") and not each.replace(".", "").isdigit()]
