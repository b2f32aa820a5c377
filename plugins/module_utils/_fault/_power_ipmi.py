# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power by IPMI: a node whose BMC speaks it, by pyghmi."""

from __future__ import annotations

from . import _power
from ._errors import FaultlineError

NAME = "ipmi"
# IPMI has no soft reboot: it is a soft shutdown, seen, and a power-on
ACTIONS = ("poweroff", "poweron", "reset", "shutdown", "reboot")
SILENCE = "Is it there, and does IPMI over LAN reach it? Some BMCs say nothing to a user name that they do not know."


def find(args, node):
    key, entry = _power.mapped(args, node)
    if entry is None:
        return None
    address, port = _power.address_and_port(entry, 623)
    user = str(entry.get("username") or "")
    if not address:
        raise FaultlineError("The BMC of %s has no address." % key, code="bad_option", hint="Look at mac_to_bmc and fqdn_to_bmc.")
    name = "ipmi:%s@%s:%d" % (user, address, port)
    machine = {"driver": NAME, "words": "BMC %s:%d" % (address, port), "key": name, "address": address, "port": port, "username": user}
    return machine, {name: str(entry.get("password") or "")}


class Session:
    """A session with one BMC."""

    def __init__(self, machine, key):
        command = _power.library("pyghmi.ipmi.command", "pyghmi")
        self.failure = _power.library("pyghmi.exceptions", "pyghmi")
        self.words, self.user = machine["words"], machine["username"]
        try:
            self.command = command.Command(bmc=machine["address"], userid=machine["username"], password=key, port=machine["port"])
        except Exception as exc:
            raise self._translated(exc) from exc

    def close(self):
        self.command.ipmi_session.logout()

    def _translated(self, exc):
        text = str(exc)
        low = text.lower()
        if any(word in low for word in ("password", "unauthorized", "username", "user name", "invalid user", "hmac")):
            return _power.refused_credentials(self.words, "Look at username (%s) and password of this BMC." % self.user)
        # pyghmi has no words for a session that came to nothing
        if text in ("", "None") or "timeout" in low or "timed out" in low or isinstance(exc, OSError):
            return _power.unreachable(self.words, text if isinstance(exc, OSError) else "it is silent", SILENCE)
        return FaultlineError("%s: %s" % (self.words, text), code="driver_failed")

    def _ask(self, act, *arguments, **options):
        try:
            answer = act(*arguments, **options)
        except Exception as exc:
            raise self._translated(exc) from exc
        if isinstance(answer, dict) and answer.get("error"):
            raise self._translated(self.failure.IpmiException(str(answer["error"])))
        return answer

    def state(self):
        return self._ask(self.command.get_power).get("powerstate", "unknown")

    def facts(self):
        return {"bmc": self.words}

    def on(self):
        self._ask(self.command.set_power, "on", wait=False)

    def off(self):
        self._ask(self.command.set_power, "off", wait=False)

    def shutdown(self):
        self._ask(self.command.set_power, "shutdown", wait=False)

    def reset(self, seconds):
        """A BMC has nothing that shows a reset: it is proven by the node itself."""
        del seconds
        self._ask(self.command.set_power, "reset", wait=False)
        return {}
