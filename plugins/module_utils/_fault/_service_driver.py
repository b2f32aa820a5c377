# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all drivers of services share."""

from __future__ import annotations

from . import _proc, _systemd
from ._errors import FaultlineError


def named(things):
    return ", ".join(str(thing) for thing in things)


class Service:
    """A service on this host, by one of the drivers below.

    name: its name in the cloud model; definition: {unit, grep, port: [(protocol, number)], processes, start_cmd, terminate_cmd, restart_cmd,
    start_timeout, stop_timeout}.
    """

    def __init__(self, name, definition):
        self.name = name
        self.definition = definition

    @property
    def names(self):
        """All words by which a fault on this service can be found again."""
        return (self.name,)

    def find(self):
        """Look the service up; FaultlineError (not_found) when this host does not have it."""
        raise NotImplementedError

    def look_again(self):
        """Forget what was known of its state."""

    def processes(self):
        """Its live processes that are meant, children too."""
        raise NotImplementedError

    def hit_by(self, action):
        """Refuse an action that would hit other processes than those that serve."""

    def ended_by_stop(self, processes):
        """Those of its processes that have to be gone once it is stopped; all, but where its manager leaves some to themselves."""
        return processes

    def payload(self):
        """Processes that it only watches, and takes along when it is stopped."""
        return []

    def notes(self):
        """What a person has to know of what is hit and what is not, in sentences without a full stop."""
        return []

    def nothing_here(self):
        """What to do about a service that has no process, in words."""
        return "Nothing was touched."

    @property
    def up(self):
        return bool(self.processes())

    def back(self, old, found):
        """Whether it is up again after these old processes were hit, and these were found just now."""
        del old, found
        return self.up

    @property
    def settled(self):
        """Whether nobody needs to start it."""
        return self.up

    def describe(self):
        """Its state, in words."""
        found = self.processes()
        return "%s: %s" % (self.name, ", ".join("%s (%s)" % (process, process.state) for process in found) or "no process")

    def foreseen(self, state):
        """describe() of another state, without its processes."""
        return "%s: %s" % (self.name, state)

    def target(self):
        """What is hit, for the result."""
        return {"service": self.name, "processes": [process.as_dict() for process in self.processes()]}

    def comes_back_from(self, number):
        """Whether something is known to restart it after its processes died of this signal; None: not known."""
        return None

    def revival(self, number, processes):
        """(the same, who restarts it or why nobody does, in words), for a signal that these processes are about to get."""
        del processes
        comes = self.comes_back_from(number)
        return comes, {True: "", False: "nothing is set to restart it", None: "it is not known whether anything restarts it"}[comes]

    def given_up(self):
        """Why whoever restarts it does so no longer, in words; '' where that is not known."""
        return ""

    # whether a connection to one of its ports starts it again
    woken_by_connection = False
    # why nobody could start it again, where can_start says so, and what to do about it
    why_no_start = "Its definition has no start_cmd, so nothing could start it again."
    how_to_start = "Add start_cmd, or leave duration out."
    # seconds that its stop may take
    stop_timeout = _systemd.STOP_TIMEOUT
    can_start = True
    # classes of faults for actions that are done in a way of its own
    faults = {}

    def start_steps(self):
        """The undo of a stop."""
        raise NotImplementedError

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def restart(self):
        raise NotImplementedError

    def _missing(self, what):
        return FaultlineError(
            "%s was not found on this host: %s." % (self.name, what), code="not_found", hint="Nothing was touched.",
            details={"service": self.name},
        )

    def _lacks(self, option, action):
        return FaultlineError(
            "%s cannot be %s: its definition has no %s." % (self.name, action, option), code="no_command",
            hint="Add %s to the service in the configuration file, or give it as an option." % option,
        )


def hand_over(service):
    """Fail (in_container) for a service that a container runs: the action plugin then calls the module for containers."""
    ids = {_proc.container(process.pid) for process in service.processes()}
    if len(ids) == 1 and "" not in ids:
        raise FaultlineError(
            "%s runs in the container %s and is no unit of this host." % (service.name, min(ids)[:12]), code="in_container",
            hint="Nothing was touched. Use os_container_fault.", details={"service": service.name, "container": min(ids)},
        )
