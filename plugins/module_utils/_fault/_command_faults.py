# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fault that is a command of the user's own, undone by another."""

from __future__ import annotations

from . import _command_steps, _engine, _journal, _module, _node_base, _proc, _systemd
from ._errors import FaultlineError


def arguments():
    """The argument_spec of os_command_fault."""
    return {
        "name": {"type": "str", "required": True},
        "down": {"type": "raw", "required": True},
        "up": {"type": "raw"},
        "down_check": {"type": "raw"},
        "up_check": {"type": "raw"},
        "timeout": {"type": "float", "default": 20},
        "reboots": {"type": "bool", "default": False},
        **_module.TIMES,
    }


def argv(name, value):
    """A command as an argv: a list as it is, a line for a shell by a shell; None where there is none."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return ["/bin/sh", "-c", value]
    if isinstance(value, list) and value and all(isinstance(word, (str, int, float)) for word in value):
        return [str(word) for word in value]
    raise FaultlineError("%s is %r; it must be a list of words, or a line for a shell." % (name, value), code="bad_command", hint="Nothing was touched.")


class CommandFault(_engine.Fault):
    """Run down; at the end, run up."""

    kind = "command"
    action = "command"
    why_not = "Give the command that undoes it (up), or leave duration out."

    def __init__(self, options):
        self.subject = options["name"]
        self.timeout = options["timeout"]
        self.down, self.up = argv("down", options["down"]), argv("up", options["up"])
        self.down_check, self.up_check = argv("down_check", options["down_check"]), argv("up_check", options["up_check"])
        self.reversible = self.up is not None
        self.reboots = options["reboots"]
        self.ahead = _node_base.GOES_AFTER if self.reboots else 0
        self.takes = self.timeout
        self.words = {name: options[name] if isinstance(options[name], str) else " ".join(map(str, options[name] or [])) for name in ("down", "up")}
        self.done = ""

    def resolve(self):
        if self.down is None:
            raise FaultlineError("%s has no command (down)." % self.subject, code="missing_option", hint="Nothing was touched.")
        if self.reboots and (self.up or self.down_check):
            raise FaultlineError(
                "%s ends the boot (reboots), and so nothing can be run after it: leave up and down_check out." % self.subject, code="bad_option",
                hint="Nothing was touched.")
        if self.up_check and not _command_steps.passes(self.up_check, self.timeout):
            raise FaultlineError(
                "%s is not up: the check of that fails already (%s)." % (self.subject, " ".join(self.up_check)), code="not_running",
                hint="Nothing was touched.",
            )

    def targets(self):
        return [{"command": self.words["down"]}]

    def plan(self):
        return ["run %s" % self.words["down"]]

    def before(self):
        # which resolve() has seen
        return "%s: up, as its check says" % self.subject if self.up_check else ""

    def after(self):
        return self.done

    def steps(self, fault_id):
        return [_command_steps.Mend.make(self.up, self.up_check, self.down_check, self.timeout, self.words["up"])]

    def inject(self, record):
        if self.reboots:
            _node_base.go_down("command", self.down)
        else:
            _systemd.launch(self.down, self.timeout)

    def prove(self, record):
        if self.reboots:
            self.done = "%s in %d seconds" % (self.words["down"], _node_base.GOES_AFTER)
            return {"boot": _journal.boot()}
        self.done = "done: %s" % self.words["down"]
        if not self.down_check:
            # the user gave nothing to look at: that the command ended well is all that is known
            return {"status": 0}
        if not _proc.wait_until(lambda: _command_steps.passes(self.down_check, self.timeout), self.timeout, pause=0.2):
            raise FaultlineError(
                "%s is not proven: its check (%s) fails after %g seconds." % (self.subject, " ".join(self.down_check), self.timeout), code="unproven")
        return {"status": 0, "down_check": "passes"}
