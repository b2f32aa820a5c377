# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine that a node is: which power driver knows it, and what is done to it, each within a hard deadline."""

from __future__ import annotations

import contextlib
import time

from . import _power, _power_ipmi, _power_libvirt, _power_openstack, _power_redfish, _steps
from ._errors import FaultlineError

DRIVERS = {driver.NAME: driver for driver in (_power_libvirt, _power_ipmi, _power_redfish, _power_openstack)}
# a driver that cannot be asked does not keep the next one from knowing the node
_PASSED_OVER = ("no_answer", "bad_credentials", "missing_library", "driver_failed")
# beyond what a driver waits for by itself: connecting, and saying it
_GRACE = 15


def find(managers, node, seconds):
    """(Machine, words of the drivers that could not be asked) of the first driver that knows the node.

    managers: [{driver, args}] in the order in which they are asked; node: {name, libvirt_name, mac, fqdn}.
    """
    troubles = []
    for manager in managers:
        driver = _driver(manager)
        args = manager.get("args") or {}
        try:
            # a bound function for each round: the loop's names move on
            found = _power.within(seconds, lambda ask=driver.find, options=args: ask(options, node), "The power driver %s" % driver.NAME)
        except FaultlineError as exc:
            if exc.code not in _PASSED_OVER:
                raise
            troubles.append(exc)
            continue
        if found:
            data, keys = found
            _steps.KEYS.update(keys)
            return Machine(data), [exc.message for exc in troubles]
    if troubles:
        first = troubles[0]
        raise FaultlineError(
            "No power driver knows %s: %s" % (node["name"], " ".join(exc.message for exc in troubles)), code=first.code, hint=first.hint)
    raise FaultlineError(
        "No power driver knows %s." % node["name"] if managers else "No power driver is given for %s." % node["name"],
        code="not_found" if managers else "no_driver",
        hint="Nothing was touched. The host is known by %s; give power (faultline_power) a driver that has it." % (
            ", ".join("%s %s" % (name, node[name]) for name in ("libvirt_name", "mac", "fqdn") if node.get(name)) or "its name only"),
    )


def _driver(manager):
    name = str(manager.get("driver") or "") if isinstance(manager, dict) else ""
    if name not in DRIVERS:
        raise FaultlineError(
            "'%s' is not a power driver." % name, code="no_driver", hint="There are: %s. As {driver: ipmi, args: {...}}." % ", ".join(DRIVERS))
    if not isinstance(manager.get("args") or {}, dict):
        raise FaultlineError("args of the power driver %s is not a dictionary." % name, code="bad_option")
    return DRIVERS[name]


class Machine:
    """One machine. data: what names it for good, for the journal; no secret is in it."""

    def __init__(self, data):
        self.data = data
        self.driver = DRIVERS[data["driver"]]
        self.words = data["words"]

    def actions(self):
        return self.driver.ACTIONS

    @contextlib.contextmanager
    def _session(self):
        if self.data["key"] and self.data["key"] not in _steps.KEYS:
            raise FaultlineError(
                "The password for %s is not known here." % self.words, code="no_key",
                hint="No disk holds it. Heal with the inventory that has it: os_power action=undo, or the playbook heal.",
            )
        session = self.driver.Session(self.data, _steps.KEYS.get(self.data["key"]))
        try:
            yield session
        finally:
            # BMCs have few sessions; one that cannot be ended says nothing of what was asked
            with contextlib.suppress(Exception):
                session.close()

    def ask(self, operation, *arguments, seconds):
        """What one operation of the driver's session returns."""
        def work():
            with self._session() as session:
                return getattr(session, operation)(*arguments)

        return self._within(seconds, work)

    def _within(self, seconds, work):
        return _power.within(seconds, self._known_errors(work), self.words, getattr(self.driver, "SILENCE", ""))

    def _known_errors(self, work):
        """An error that the driver has not translated names the machine."""
        def told():
            try:
                return work()
            except FaultlineError:
                raise
            except Exception as exc:
                raise FaultlineError("%s: %s" % (self.words, exc), code="driver_failed") from exc

        return told

    def has(self, operation):
        return hasattr(self.driver.Session, operation)

    def state(self, seconds=30):
        return self.ask("state", seconds=seconds)

    def wait_state(self, wanted, seconds):
        """{state, after}: the state once it is the wanted one, or when the time is up. A driver that fails is asked again."""
        def work():
            begin = time.monotonic()
            while True:
                try:
                    with self._session() as session:
                        while True:
                            state = session.state()
                            after = time.monotonic() - begin
                            if state == wanted or after >= seconds:
                                return {"state": state, "after": round(after, 2)}
                            time.sleep(0.2)
                except FaultlineError as exc:
                    if exc.code in ("bad_credentials", "no_key", "missing_library") or time.monotonic() - begin >= seconds:
                        raise
                time.sleep(1)

        return self._within(seconds + _GRACE, work)

    def restart(self, operation, seconds):
        """reset or reboot: {restart_seen_by}, empty when the driver has nothing that shows it."""
        return self.ask(operation, seconds, seconds=seconds + _GRACE)
