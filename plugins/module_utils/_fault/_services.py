# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service is on this host, by its driver."""

from __future__ import annotations

from . import _systemd
from ._errors import FaultlineError
from ._service_driver import hand_over
from ._service_processes import ProcessService
from ._service_sysv import SysvService
from ._service_units import SystemService


def service(name, driver, definition):
    """The Service of a definition, found on this host; FaultlineError when it is not here. Where no unit of a system_service
    exists, its grep still finds what runs."""
    if driver == "linux_service":
        driver = "system_service" if _systemd.booted() else "sysv"
    if driver in ("pcs_service", "pcs_or_linux_service", "salt_service"):
        # only who uses a cluster manager carries its steps
        from . import _clustered
        return _clustered.service(name, driver, definition)
    found = {"system_service": SystemService, "process": ProcessService, "sysv": SysvService}[driver](name, definition)
    if definition.get("processes") == "main" and driver != "system_service":
        raise FaultlineError(
            "processes=main needs a unit of systemd, which knows its main process; %s is known by a pattern." % name, code="bad_option",
            hint="Nothing was touched. Leave processes out, or make grep match the one process only.",
        )
    try:
        found.find()
    except FaultlineError as exc:
        if driver != "system_service" or exc.code != "not_found" or not definition.get("grep"):
            raise
        found = ProcessService(name, definition)
        if not found.processes():
            raise
        hand_over(found)
    return found
