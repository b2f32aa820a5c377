# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power by Redfish: a node whose BMC speaks it, by sushy (the library of OpenStack's Ironic)."""

from __future__ import annotations

import time
import warnings

from . import _power
from ._errors import FaultlineError

NAME = "redfish"
ACTIONS = ("poweroff", "poweron", "reset", "shutdown", "reboot")


def find(args, node):
    key, entry = _power.mapped(args, node)
    if entry is None:
        return None
    address, user = str(entry.get("address") or ""), str(entry.get("username") or "")
    if not address:
        raise FaultlineError("The BMC of %s has no address." % key, code="bad_option", hint="Look at mac_to_bmc and fqdn_to_bmc.")
    url = address if "://" in address else "https://%s" % address
    name = "redfish:%s@%s" % (user, url)
    machine = {
        "driver": NAME, "words": "Redfish BMC %s" % url, "key": name, "url": url, "username": user,
        "system": str(entry.get("system") or ""), "verify": entry.get("verify", True), "macs": [],
    }
    return machine, {name: str(entry.get("password") or "")}


class Session:
    """A session with one BMC, and the system that it manages."""

    def __init__(self, machine, key):
        self.sushy = _power.library("sushy", "sushy")
        self.errors = _power.library("sushy.exceptions", "sushy")
        self.words, self.user = machine["words"], machine["username"]
        self.wanted = machine["system"]
        # a session where the BMC has them, else each request with the password
        auth = _power.library("sushy.auth", "sushy")
        self.auth = auth.SessionOrBasicAuth(machine["username"] or None, key or None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.system = self._ask(self._system, machine)

    def _system(self, machine):
        root = self.sushy.Sushy(machine["url"], auth=self.auth, verify=machine["verify"], server_side_retries=0)
        members = root.get_system_collection().get_members()
        if self.wanted:
            members = [each for each in members if self.wanted in (each.identity, each.name, each.uuid, each.path)]
        if len(members) != 1:
            raise FaultlineError(
                "%s manages %d systems%s." % (self.words, len(members), " that are %s" % self.wanted if self.wanted else ""),
                code="ambiguous" if members else "not_found", hint="Name one as system in its entry: its Id, Name or UUID.",
            )
        return members[0]

    def close(self):
        self.auth.close()

    def _ask(self, act, *arguments):
        try:
            return act(*arguments)
        except FaultlineError:
            raise
        except self.errors.AccessError as exc:
            raise _power.refused_credentials(self.words, "Look at username (%s) and password of this BMC." % self.user) from exc
        except self.errors.ConnectionError as exc:
            raise _power.unreachable(self.words, exc) from exc
        except self.errors.SushyError as exc:
            raise FaultlineError("%s: %s" % (self.words, exc), code="driver_failed") from exc

    def _look(self):
        self.system.refresh(force=True)
        return self.system

    def state(self):
        power = self._ask(self._look).power_state
        word = str(getattr(power, "value", power) or "unknown").lower()
        return word if word in ("on", "off", "paused") else "unknown"

    def facts(self):
        system = self._ask(self._look)
        return {"bmc": self.words, "system": system.identity, "uuid": system.uuid, "name": system.name}

    def _reset(self, *kinds):
        """Ask for the first of these kinds of reset that the BMC offers."""
        wanted = [getattr(self.sushy.ResetType, kind) for kind in kinds]
        offered = self._ask(self.system.get_allowed_reset_system_values)
        kind = next((each for each in wanted if each in offered), None)
        if kind is None:
            raise FaultlineError(
                "%s offers no %s." % (self.words, " or ".join(each.value for each in wanted)), code="unsupported",
                hint="It offers: %s." % ", ".join(sorted(each.value for each in offered)),
            )
        self._ask(self.system.reset_system, kind)

    def on(self):
        self._reset("ON", "FORCE_ON")

    def off(self):
        self._reset("FORCE_OFF")

    def shutdown(self):
        self._reset("GRACEFUL_SHUTDOWN", "PUSH_POWER_BUTTON")

    def reset(self, seconds):
        return self._seen_restart(seconds, "FORCE_RESTART", "POWER_CYCLE")

    def reboot(self, seconds):
        return self._seen_restart(seconds, "GRACEFUL_RESTART")

    def _seen_restart(self, seconds, *kinds):
        """Ask for it, and look at the time of the last reset where the BMC keeps that; else the node itself has to prove it."""
        before = self._ask(self._look).json.get("LastResetTime")
        self._reset(*kinds)
        end = time.monotonic() + seconds
        while before and time.monotonic() < end:
            after = self._ask(self._look).json.get("LastResetTime")
            if after != before:
                return {"restart_seen_by": "LastResetTime %s" % after}
            time.sleep(0.5)
        return {}
