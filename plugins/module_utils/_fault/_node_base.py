# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all faults of a whole node share."""

from __future__ import annotations

import os

from . import _systemd, _worker
from ._engine import StepFault
from ._errors import FaultlineError
from ._exec import run

MIB = 1 << 20
# what stays free where the journal lives, so that records, and the undo, find room
JOURNAL_ROOM = 32 * MIB
# seconds until a node goes down on its own: the task has answered, the connection is closed, and the journal is on disk
GOES_AFTER = 2


def size(number):
    """Bytes as a person says them."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            return "%.4g %s" % (number, unit)
        number /= 1024.0
    return ""


def go_down(name, argv):
    """Run what ends this boot, GOES_AFTER seconds from now, in a process that nobody waits for. name: makes it known among units."""
    later = ["/bin/sh", "-c", 'sleep %d; exec "$@"' % GOES_AFTER, "sh"] + argv
    if _systemd.booted():
        # systemd would fill in variables
        run(["systemd-run", "--quiet", "--collect", "--unit=faultline-%s-now.service" % name, "--"] + [word.replace("$", "$$") for word in later])
    else:
        _worker.start("faultline-%s-now" % name, later)


def words(things):
    return ", ".join(str(thing) for thing in things)


class NodeFault(StepFault):
    """What all faults of a node share. A subclass that can be undone makes steps that can be done as well."""

    kind = "node"
    why_not = "Leave duration out."

    def __init__(self, options):
        self.options = options
        self.subject = os.uname().nodename
        self.done = ""
        self._before = ""

    def install(self):
        """Install what the fault needs and the host lacks, where the user wants that."""

    def targets(self):
        return [{"node": self.subject}]

    def before(self):
        return self._before

    def after(self):
        return self.done

    def prove(self, record):
        proof = super().prove(record)
        self.done = self.done or ", ".join("%s %s" % pair for pair in sorted(proof.items()))
        return proof

    def _refuse(self, why, hint="Nothing was touched.", code="guarded"):
        raise FaultlineError("%s of %s is refused: %s." % (self.action, self.subject, why), code=code, hint=hint)

    def _need(self, option, why):
        value = self.options.get(option)
        if value is None:
            raise FaultlineError("%s needs %s: %s." % (self.action, option, why), code="missing_option", hint="Nothing was touched.")
        return value
