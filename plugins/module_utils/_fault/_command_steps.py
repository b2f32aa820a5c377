# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step of a fault that is two commands of the user's own: one that breaks, one that mends."""

from __future__ import annotations

from . import _proc, _steps, _systemd
from ._errors import FaultlineError
from ._exec import command

PROGRAM = (_proc, _systemd)


class Mend:
    """Run the command that mends. up, down: argv; up_check, down_check: argv that ends with 0 when it is up, when it is down, or None;
    timeout: seconds of each."""

    type = "mend_by_command"

    @classmethod
    def make(cls, up, up_check, down_check, timeout, words):
        return _steps.step(cls, "run %s" % words, up=up, up_check=up_check, down_check=down_check, timeout=timeout)

    @staticmethod
    def takes(step):
        return 2 * step["timeout"]

    @staticmethod
    def undo(step):
        _systemd.launch(step["up"], step["timeout"])

    @staticmethod
    def held(step):
        return passes(step["down_check"], step["timeout"]) if step["down_check"] else None

    @staticmethod
    def residue(step):
        if step["up_check"] and not passes(step["up_check"], step["timeout"]):
            return "the check of its recovery fails: %s" % " ".join(step["up_check"])
        return ""


def passes(argv, timeout):
    """Whether a command ends with 0; one that cannot be run or takes too long does not."""
    try:
        return command(argv, timeout=timeout, check=False).rc == 0
    except FaultlineError:
        return False


_steps.register(Mend)
