# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arm the dead-man's switch: something on the target that undoes at the deadline without us."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import select
import shutil
import sys

from . import _errors, _exec, _journal, _proc, _runner, _steps, _sweeper, _systemd
from ._errors import FaultlineError
from ._exec import run

# the runner's program, which arming installs on the target, but for the families of steps
_PROGRAM = (_errors, _exec, _journal, _proc, _runner, _steps, _sweeper)
# seconds that who keeps the time may take to stand: it catches only a hang, nothing is injected before
_HANG = 300
_MAIN = "import sys\n\nfrom faultline import {modules}\n\nsys.exit(_runner.main(sys.argv[1:]))\n"


def unit_name(fault_id):
    return "faultline-%s.service" % fault_id


def _source(module):
    """A module's text, from a file or from the zip that Ansible made of it."""
    source = module.__spec__.loader.get_source(module.__spec__.name)
    # Ansible's own loader on the controller gives bytes
    return source.decode() if isinstance(source, bytes) else source


def install_runner():
    """Put the runner's program on this host once; the argv that starts it."""
    modules = dict({module.__name__: module for module in _PROGRAM}, **_steps.families())
    names = sorted(name.rpartition(".")[2] for name in modules)
    sources = {name.rpartition(".")[2] + ".py": _source(module) for name, module in modules.items()}
    sources["__init__.py"] = ""
    sources["__main__.py"] = _MAIN.format(modules=", ".join(names))
    digest = hashlib.sha256("\0".join(name + sources[name] for name in sorted(sources)).encode()).hexdigest()[:16]
    home = os.path.join(_journal.HOME, "runner", digest)
    if not os.path.exists(os.path.join(home, "__main__.py")):
        with _journal.locked():
            try:
                os.makedirs(os.path.join(home, "faultline"), mode=0o700, exist_ok=True)
                main = sources.pop("__main__.py")
                for name in sorted(sources):
                    _write(os.path.join(home, "faultline", name), sources[name])
                # last: what starts it says that the rest is there
                _write(os.path.join(home, "__main__.py"), main)
                for folder in (os.path.join(home, "faultline"), home, os.path.dirname(home), _journal.HOME):
                    _journal.sync_path(folder)
            except OSError as exc:
                shutil.rmtree(home, ignore_errors=True)
                raise _journal.unwritable(exc) from exc
    _journal.trust(home)
    # isolated, but where it needs what users have installed for their Python
    _steps.program = [sys.executable] + ([] if _steps.needs_libraries() else ["-I", "-S"]) + ["-B", home]
    return _steps.program


def _write(path, text):
    with open(path, "w", opener=lambda name, flags: os.open(name, flags | os.O_CLOEXEC, 0o600)) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _line(argv):
    """A command line for a unit file; our own paths need no quoting, anything else is refused."""
    for word in argv:
        if not re.match(r"^[A-Za-z0-9_./+:-]+$", word):
            raise FaultlineError("'%s' cannot stand in a unit's command line." % word, code="bad_path")
    return " ".join(argv)


def arm(record):
    """Start whoever undoes this fault at its deadline, and return what it is, for the record: {type, unit}.

    Raises FaultlineError (not_armed), with nothing left running; nothing may be injected then.
    """
    try:
        # only root's units outlive a login, and only memory may hold keys
        if _systemd.booted() and os.geteuid() == 0 and not _steps.KEYS:
            return _arm_systemd(record, record["program"])
        return _arm_watchers(record, record["program"])
    except (FaultlineError, OSError) as exc:
        raise FaultlineError(
            "The dead-man's switch could not be armed: %s Nothing was touched." % getattr(exc, "message", exc), code="not_armed",
            hint="A fault that cannot undo itself is not injected.",
        ) from exc


def install_sweeper(program):
    """Have the open faults of this boot undone at the next one, where systemd boots."""
    if _systemd.booted() and os.geteuid() == 0:
        _sweeper.install(_line(program))


def _arm_systemd(record, program):
    fault_id = record["id"]
    _sweeper.install(_line(program))
    argv = [
        "systemd-run", "--quiet", "--collect", "--unit=" + unit_name(fault_id),
        "--description=faultline: %s %s" % (record["action"], record["subject"]),
        # notify: systemd-run returns when the timekeeper says that it stands
        "--property=Type=notify", "--property=TimeoutStartSec=%d" % _HANG,
        # the undo begins when the timekeeper has ended, whoever is left: in a container with cgroup v1 systemd does not hear of their end
        "--property=KillMode=process",
        "--property=ExecStopPost=" + _line(program + ["undo", fault_id]),
        # for the hook, which ends by itself
        "--property=TimeoutStopSec=%d" % _runner.longest_undo(record),
    ]
    if record["duration"] is not None:
        # it counts from now and cannot be moved, not for sure: a reload of systemd forgets EXTEND_TIMEOUT_USEC. So it allows for the longest injection
        argv.append("--property=RuntimeMaxSec=%d" % _runner.longest(record))
    run(argv + ["--"] + program + ["hold", fault_id])
    return {"type": "systemd", "unit": unit_name(fault_id)}


def _arm_watchers(record, program):
    reader, writer = os.pipe()
    keys, lend = os.pipe()
    try:
        raw = json.dumps(_steps.KEYS).encode()
        os.set_blocking(lend, False)
        if os.write(lend, raw) != len(raw):
            raise FaultlineError("the keys of its undo are too long.", code="not_armed")
        os.close(lend)
        lend = None
        child = os.fork()
        if child == 0:
            _become_watchers(record["id"], program, reader, writer, keys)
        os.close(writer)
        writer = None
        os.waitpid(child, 0)
        ready, _ignored, _also = select.select([reader], [], [], _HANG)
        if not ready or os.read(reader, 1) != b"1":
            raise FaultlineError("the watchdog did not start%s." % ("" if ready else " within %d seconds" % _HANG), code="not_armed")
    finally:
        for handle in (reader, writer, keys, lend):
            if handle is not None:
                os.close(handle)
    return {"type": "watchers"}


def _become_watchers(record_id, program, reader, writer, keys):
    """In the first child: detach, and let a grandchild become the watchdog, which nobody waits for."""
    try:
        if os.fork() == 0:
            os.close(reader)
            os.chdir("/")
            null = os.open(os.devnull, os.O_RDWR)
            for handle in (0, 1, 2):
                os.dup2(null, handle)
            for handle in (writer, keys):
                os.set_inheritable(handle, True)
            # where libraries are found that the undo needs is no secret, and no isolated program looks at it
            found = {"PYTHONPATH": os.environ["PYTHONPATH"]} if os.environ.get("PYTHONPATH") else {}
            os.execve(program[0], program + ["watch", record_id, str(writer), str(keys)], dict(_exec.environment(), **found))
    finally:
        os._exit(0)


def disarm(record):
    """Let the supervisor of a fault go whose undo is done; nothing happens if it has gone already."""
    if record.get("supervisor", {}).get("type") == "systemd":
        with contextlib.suppress(FaultlineError):
            run(["systemctl", "stop", "--no-block", "--", record["supervisor"]["unit"]], check=False)
