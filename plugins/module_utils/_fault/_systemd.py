# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd units: what they are, what runs in them, start and stop."""

from __future__ import annotations

import contextlib
import os
import re

from . import _proc
from ._errors import FaultlineError
from ._exec import run

_PROPERTIES = (
    "Id", "Names", "LoadState", "ActiveState", "SubState", "UnitFileState", "ControlGroup", "Restart",
    "RestartUSec", "TimeoutStopUSec", "RequiredBy", "BoundBy", "ConsistsOf", "TriggeredBy", "WatchdogUSec",
)
# systemd.service(5): starting may take as long as the unit's own TimeoutStartSec, which operators raise for databases
START_TIMEOUT = 900
# and as long where a unit has no limit for its stop
STOP_TIMEOUT = 900
# masks that are before /etc and whatever the unit comes from, and gone with the next boot
MASKS = "/run/systemd/system.control"


def booted():
    """Whether systemd manages this host (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")


def apart():
    """What runs a program outside of our own control group, which ends with us; nothing where systemd does not manage this host."""
    return ["systemd-run", "--quiet", "--scope", "--collect", "--"] if booted() else []


def version():
    """The number of systemd's release; 0 when it does not say."""
    words = run(["systemctl", "--version"]).out.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def unit_name(name):
    """keystone -> keystone.service; names that have a unit type keep it."""
    kinds = ("service", "socket", "target", "timer", "path", "mount", "scope", "slice")
    return name if name.rpartition(".")[2] in kinds and "." in name else name + ".service"


def seconds(span):
    """A time span as systemd writes it: 1min 30s, 100ms, infinity; 0 for what is none."""
    sizes = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
    return sum(float(number) * sizes[unit] for number, unit in re.findall(r"([0-9.]+)(us|ms|s|min|h|d)\b", span))


def _stop_timeout(span):
    """Seconds that a stop may take by the unit's own limit, which holds for each command, for SIGTERM and for SIGKILL: so four times it, and for
    a host that is slow."""
    return STOP_TIMEOUT if span == "infinity" else 4 * seconds(span) + 300


class Unit:
    """What `systemctl show` says of one unit."""

    def __init__(self, properties):
        self.name = properties.get("Id", "")
        self.names = properties.get("Names", "").split()
        self.loaded = properties.get("LoadState") == "loaded"
        self.masked = properties.get("LoadState") == "masked"
        self.state = properties.get("ActiveState", "inactive")
        self.substate = properties.get("SubState", "dead")
        self.enabled = properties.get("UnitFileState", "").startswith("enabled")
        self.control_group = properties.get("ControlGroup", "")
        self.restart = properties.get("Restart", "no")
        self.restart_pause = seconds(properties.get("RestartUSec", ""))
        self.stop_timeout = _stop_timeout(properties.get("TimeoutStopUSec", ""))
        self.watchdog = properties.get("WatchdogUSec", "0") not in ("0", "infinity", "")
        self.triggers = properties.get("TriggeredBy", "").split()
        self.dependents = sorted(
            set((properties.get("RequiredBy", "") + " " + properties.get("BoundBy", "") + " " + properties.get("ConsistsOf", "")).split())
        )

    @property
    def active(self):
        return self.state in ("active", "reloading")

    @property
    def up(self):
        """Active, or about to be."""
        return self.active or self.state == "activating"

    def processes(self):
        """All processes of the unit, children too, from its control group."""
        return _proc.in_cgroup(self.control_group) if self.control_group else []

    def comes_back_from(self, number):
        """Whether Restart= brings the unit back after its main process died of this signal (systemd.service(5), table 2)."""
        if self.restart in ("always",):
            return True
        clean = number in (1, 2, 13, 15)
        return self.restart in ("on-failure", "on-abnormal", "on-abort") and not clean


def show(names):
    """[Unit] for unit names, in their order; one systemctl call. Unknown units have loaded False."""
    if not names:
        return []
    argv = ["systemctl", "show", "--no-pager", "--property=" + ",".join(_PROPERTIES), "--"]
    out = run(argv + [unit_name(name) for name in names]).out
    units = []
    for block in out.strip("\n").split("\n\n"):
        units.append(Unit(dict(line.split("=", 1) for line in block.splitlines() if "=" in line)))
    return units


def choose(names):
    """The units meant by a list of candidates: of those that exist on this host the active ones; if none is active, the
    enabled ones; if none is enabled, the first. Aliases count once. [] when none exists."""
    found = {}
    for unit in show(names):
        if unit.loaded:
            found.setdefault(unit.name, unit)
    units = list(found.values())
    return [u for u in units if u.up] or [u for u in units if u.enabled] or units[:1]


def stopped_together(units):
    """Names of the active units that a stop of these takes along (RequiredBy=, BoundBy=, ConsistsOf=), and of those that
    would start them again (TriggeredBy=); to any depth."""
    seen = {unit.name for unit in units}
    others, level = [], units
    while level:
        names = []
        for unit in level:
            names += [name for name in unit.dependents + unit.triggers if name not in seen and name not in names]
        seen.update(names)
        level = [unit for unit in show(names) if unit.up]
        others += [unit.name for unit in level]
    return others


def start(names):
    """Start units, whatever start limit they ran into; blocks until they are up or have failed."""
    _past_limits("start", names)


def stop(names):
    """Stop units, as long as each of them may take."""
    run(["systemctl", "stop", "--"] + names, timeout=stop_timeout(names))


def stop_timeout(names):
    """Seconds that the stop of units may take, one after the other."""
    return sum(unit.stop_timeout for unit in show(names))


def restart(names):
    _past_limits("restart", names)


def _past_limits(verb, names):
    if run(["systemctl", verb, "--"] + names, timeout=START_TIMEOUT, check=False).rc != 0:
        run(["systemctl", "reset-failed", "--"] + names, check=False)
        run(["systemctl", verb, "--"] + names, timeout=START_TIMEOUT)


def masks(path):
    """Whether a file masks the unit of its name."""
    return os.path.islink(path) and os.readlink(path) == os.devnull


def unmask(path):
    """Take a mask away, if it is one."""
    if masks(path):
        os.unlink(path)
    with contextlib.suppress(OSError):
        # others may have theirs there
        os.rmdir(os.path.dirname(path))
    # systemd remembers where it has found the unit
    run(["systemctl", "daemon-reload"])


def last_words(name):
    """The unit's state in a few words, for an error."""
    unit = show([name])[0]
    if unit.masked:
        return "%s is masked" % name
    return "%s is %s (%s)" % (name, unit.state, unit.substate)


def require(names):
    """Fail with the reason when one of these units is not active."""
    for unit in show(names):
        if not unit.active:
            raise FaultlineError("%s." % last_words(unit.name), code="unit_down", hint="See: journalctl -u %s" % unit.name)
