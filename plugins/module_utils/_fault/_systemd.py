# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd units: what they are, what runs in them, start and stop."""

from __future__ import annotations

import contextlib
import os
import re
import signal

from . import _proc
from ._errors import FaultlineError
from ._exec import command, run

_PROPERTIES = (
    "Id", "Names", "LoadState", "ActiveState", "SubState", "UnitFileState", "ControlGroup", "Restart",
    "RestartUSec", "TimeoutStopUSec", "RequiredBy", "BoundBy", "ConsistsOf", "TriggeredBy", "WatchdogUSec",
    "Type", "MainPID", "KillMode", "Result", "Transient", "RefuseManualStart", "Job",
    "SuccessExitStatus", "RestartPreventExitStatus", "RestartForceExitStatus",
)
# signals by which a process ends cleanly in systemd's eyes (systemd.service(5), Restart=)
_CLEAN = frozenset((signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE))
# what systemctl takes for the name of one unit; patterns and paths are something else to it
_NAME = re.compile(r"[A-Za-z0-9:_.\\-][A-Za-z0-9:_.\\@-]*\Z")
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


def launch(argv, timeout):
    """Run a command of the user's own that may leave something behind: outside of our own control group, which ends with us."""
    command(argv, timeout=timeout, apart=apart())


def version():
    """The number of systemd's release; 0 when it does not say."""
    words = run(["systemctl", "--version"]).out.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def unit_name(name):
    """keystone -> keystone.service; names that have a unit type keep it."""
    kinds = ("service", "socket", "target", "timer", "path", "mount", "scope", "slice")
    return name if name.rpartition(".")[2] in kinds and "." in name else name + ".service"


def wrong_name(name):
    """Why systemctl would refuse this name of a unit, and with it all others that are asked for at once; '' for one that it takes."""
    if not _NAME.match(name) or len(unit_name(name)) > 255:
        return "'%s' is no name of a unit" % name
    if "@." in unit_name(name):
        return "'%s' is a template and no unit: name an instance, as %s" % (name, unit_name(name).replace("@.", "@1."))
    return ""


def _statuses(words):
    """(exit codes, signals) of what systemctl shows of SuccessExitStatus= and its like: 75 250 TERM."""
    codes, signals = set(), set()
    for word in words.split():
        if word.isdigit():
            codes.add(int(word))
        else:
            number = getattr(signal, word if word.startswith("SIG") else "SIG" + word, None)
            signals |= {number} if number else set()
    return codes, signals


def seconds(span):
    """A time span as systemd writes it: 1min 30s, 100ms, infinity; 0 for what is none."""
    sizes = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
    return sum(float(number) * sizes[unit] for number, unit in re.findall(r"([0-9.]+)(us|ms|s|min|h|d)\b", span))


def _stop_timeout(span):
    """Seconds that a stop may take by the unit's own limit, which holds for each command, for SIGTERM and for SIGKILL: so four times it, and for
    a host that is slow."""
    return STOP_TIMEOUT if span == "infinity" else 4 * seconds(span) + 300


class Unit:
    """What `systemctl show` says of one unit. wrong: why systemctl says nothing of it, in words."""

    def __init__(self, properties, wrong=""):
        self.wrong = wrong
        self.name = properties.get("Id", "")
        self.names = properties.get("Names", "").split()
        self.loaded = properties.get("LoadState") == "loaded"
        self.masked = properties.get("LoadState") == "masked"
        self.state = properties.get("ActiveState", "inactive")
        self.substate = properties.get("SubState", "dead")
        # the number of what systemd is about to do to it, or 0
        self.job = int(properties.get("Job") or 0)
        self.enabled = properties.get("UnitFileState", "").startswith("enabled")
        self.control_group = properties.get("ControlGroup", "")
        self.type = properties.get("Type", "")
        self.main = int(properties.get("MainPID") or 0)
        self.kill_mode = properties.get("KillMode") or "control-group"
        self.result = properties.get("Result") or "success"
        # one that systemd makes anew for each start, as of systemd-run, is gone once it has stopped
        self.startable = properties.get("Transient") != "yes" and properties.get("RefuseManualStart") != "yes"
        self.restart = properties.get("Restart") or "no"
        self._clean, self._prevent, self._force = (
            _statuses(properties.get(name, "")) for name in ("SuccessExitStatus", "RestartPreventExitStatus", "RestartForceExitStatus"))
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
    def stays(self):
        """Active, and nothing is on its way that would change it, as a stop whose systemctl has given up on an answer."""
        return self.active and not self.job

    @property
    def up(self):
        """Active, or about to be."""
        return self.active or self.state == "activating"

    def processes(self):
        """All processes of the unit, children too, from its control group."""
        return _proc.in_cgroup(self.control_group) if self.control_group else []

    @property
    def exited(self):
        """Active, though what it has started has ended, or runs where systemd does not know: oneshot units, init scripts."""
        return self.state == "active" and self.substate == "exited"

    def comes_back_from(self, number, handled=False):
        """Whether systemd starts the unit again after its main process was sent this signal (systemd.service(5), table 2); None: not known.

        handled: whether that process does something of its own on the signal, so that it ends with an exit status that nobody knows.
        """
        if handled:
            return self._comes_back_from_exit()
        if number in self._prevent[1]:
            return False
        if number in self._force[1]:
            return True
        clean = number in _CLEAN or number in self._clean[1]
        return self.restart == "always" or self.restart in (("on-success",) if clean else ("on-failure", "on-abnormal", "on-abort"))

    def _comes_back_from_exit(self):
        codes_matter = self._prevent[0] if self.restart == "always" else self._force[0]
        if codes_matter or self.restart in ("on-success", "on-failure"):
            return None
        return self.restart == "always"


def show(names):
    """[Unit] for unit names, in their order; one systemctl call. Unknown units have loaded False, and those whose name systemctl refuses have
    wrong as well."""
    asked = [name for name in names if not wrong_name(name)]
    told = _told(asked) if asked else []
    if told is None:
        # one that it refuses spoils the answer for all
        alone = [_told([name]) for name in asked]
        if not any(alone):
            run(_show(asked))
        told = [each[0] if each else Unit({"Id": unit_name(name)}, "systemctl refuses '%s'" % name) for name, each in zip(asked, alone)]
    found = dict(zip(asked, told))
    return [found[name] if name in found else Unit({"Id": unit_name(name)}, wrong_name(name)) for name in names]


def _show(names):
    return ["systemctl", "show", "--no-pager", "--property=" + ",".join(_PROPERTIES), "--"] + [unit_name(name) for name in names]


def _told(names):
    """[Unit] of one systemctl call; None where it does not tell of each of them."""
    done = run(_show(names), check=False)
    blocks = done.out.strip("\n").split("\n\n")
    if done.rc != 0 or len(blocks) != len(names):
        return None
    return [Unit(dict(line.split("=", 1) for line in block.splitlines() if "=" in line)) for block in blocks]


def choose(candidates):
    """The units meant by a list of candidates: of those that exist on this host the active ones; if none is active, the
    enabled ones; if none is enabled, the first. Aliases count once. [] when none exists."""
    found = {}
    for unit in candidates:
        if unit.loaded:
            found.setdefault(unit.name, unit)
    units = list(found.values())
    return [u for u in units if u.up] or [u for u in units if u.enabled] or units[:1]


def stops(name):
    """The other units that a unit stops when it is stopped (ExecStop=, ExecStopPost=)."""
    told = run(["systemctl", "show", "--no-pager", "--value", "--property=ExecStop,ExecStopPost", "--", name], check=False).out
    found = []
    for line in re.findall(r"argv\[\]=(.*?) ; ", told):
        words = line.split()
        verb = next((number for number, word in enumerate(words) if word in ("stop", "kill")), None)
        if verb is not None and words[0].endswith("systemctl"):
            found += [unit_name(word) for word in words[verb + 1:] if not word.startswith("-") and not wrong_name(word)]
    return [unit for unit in dict.fromkeys(found) if unit != name]


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
    _ask("stop", names, stop_timeout(names))


def stop_timeout(names):
    """Seconds that the stop of units may take, one after the other."""
    return sum(unit.stop_timeout for unit in show(names))


def restart(names):
    _past_limits("restart", names)


def _past_limits(verb, names):
    if run(["systemctl", verb, "--"] + names, timeout=START_TIMEOUT, check=False).rc != 0:
        run(["systemctl", "reset-failed", "--"] + names, check=False)
        _ask(verb, names, START_TIMEOUT)


def _ask(verb, names, timeout):
    """Have systemd do it; FaultlineError that says what stood in the way, where systemctl's words are for those who know it."""
    try:
        run(["systemctl", verb, "--"] + names, timeout=timeout)
    except FaultlineError as exc:
        what, said = ", ".join(names), exc.message.lower()
        if "canceled" in said:
            raise FaultlineError(
                "systemd has cancelled the %s of %s: another job for it came in between." % (verb, what), code="job_cancelled",
                hint="A cluster manager, a timer, a deployment, another undo or a person? See: journalctl -u %s. Do it again when nobody else works on it." % (
                    names[0]),
                details=exc.details) from exc
        if "is masked" in said:
            raise FaultlineError(
                "systemd does not %s %s: it is masked." % (verb, what), code="masked",
                hint="os_fault_info tells whether a fault of ours has masked it; if none has: systemctl unmask %s." % names[0], details=exc.details) from exc
        raise


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
    # why it is no longer up, as start-limit-hit
    return "%s is %s (%s)" % (name, unit.state, ", ".join([unit.substate] + ([unit.result] if unit.result != "success" and not unit.active else [])))


def require(names):
    """Fail with the reason when one of these units is not active."""
    for unit in show(names):
        if not unit.active:
            raise FaultlineError("%s." % last_words(unit.name), code="unit_down", hint="See: journalctl -u %s" % unit.name)
