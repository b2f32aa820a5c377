# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes of a run that outlive the task that starts them: a session of their own, known by a pidfile, ended by it.

launch(main, arguments, pidfile) runs main.main(arguments) in a new Python, which leaves the task's session and, where systemd manages
the host and we are root, its control group too, so that neither the end of the SSH session nor a fault on sshd takes it along. What it
runs and its arguments reach it through a pipe: nothing of it is on the host's disk, and its command line is always the same, so that no
pattern of a fault matches it by chance. In the new process main() calls enter(pidfile) first and ready(news) once it is at work.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import os
import select
import signal
import sys
import time

from .._fault import _exec, _journal, _proc, _systemd
from .._fault._errors import FaultlineError

# seconds until systemd has to have made a control group; after that we go without
_SCOPE_PATIENCE = 20
# what ps shows of each of them
_LINE = "import json, sys; exec(json.loads(sys.stdin.buffer.readline().decode()))  # a process of faultline"
# imports by name from what came through the pipe; packages have no source
_BOOT = """
import importlib, importlib.abc, importlib.util, json, sys
told = json.loads(sys.stdin.buffer.read().decode())
class Carried(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in told["sources"] else None
    def is_package(self, name):
        return told["sources"][name] is None
    def get_source(self, name):
        return told["sources"][name] or ""
sys.meta_path.insert(0, Carried())
sys.exit(importlib.import_module(told["main"]).main(told["arguments"]))
"""


def _source(name):
    """A module's text, from a file or from the zip that Ansible made of it; None for a package."""
    spec = importlib.import_module(name).__spec__
    if spec.submodule_search_locations is not None:
        return None
    found = spec.loader.get_source(name)
    # Ansible's own loader on the controller gives bytes
    return found.decode() if isinstance(found, bytes) else found


def sources(*names):
    """{full name: source} of these modules and of all that they import relatively, to any depth; None for their packages."""
    found, left = {}, list(names)
    while left:
        name = left.pop()
        if name in found:
            continue
        found[name] = _source(name)
        if "." in name:
            left.append(name.rpartition(".")[0])
        if found[name] is None:
            continue
        for node in ast.walk(ast.parse(found[name])):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = ".".join([name.rsplit(".", node.level)[0]] + ([node.module] if node.module else []))
                # what is no module is a name in one
                named = ["%s.%s" % (base, alias.name) for alias in node.names]
                left += [base] + [each for each in named if each in sys.modules]
    return found


def launch(main, arguments, pidfile, also=(), patience=30):
    """Run main(arguments) of the module main in a process of its own; what it told ready() (a dictionary).

    arguments: JSON-able; secrets may be in it. pidfile: must not name a live process. also: modules that main imports by name, as modules.
    Returns once the process says that it is ready; FaultlineError of its own (what it raised before ready()), or not_started.
    """
    running = find(pidfile)
    if running:
        raise FaultlineError(
            "%s names the live process %s." % (pidfile, running), code="already_running", hint="Stop it first, or give another path.",
        )
    told = {"main": main.__name__, "arguments": arguments, "sources": sources(main.__name__, *[each.__name__ for each in also])}
    payload = json.dumps(_BOOT).encode() + b"\n" + json.dumps(told).encode()
    argv = [sys.executable, "-I", "-S", "-B", "-c", _LINE]
    answer = b""
    if os.geteuid() == 0 and _systemd.booted() and _exec.which("systemd-run"):
        unit = "faultline-ha-%s.scope" % os.urandom(4).hex()
        scope = [_exec.which("systemd-run"), "--quiet", "--scope", "--collect", "--unit=" + unit, "--description=faultline: at work", "--"]
        answer = _attempt(scope + argv, payload, patience, _SCOPE_PATIENCE)
    if not answer.startswith(b"{"):
        # a fault may have taken the bus or systemd itself away; that must not stop a monitor
        answer = _attempt(argv, payload, patience, patience)
    try:
        said = json.loads(answer.decode())
    except ValueError:
        raise FaultlineError(
            "The process did not start: %s" % (answer.decode(errors="replace").strip()[-800:] or "it gave no answer within %g seconds." % patience),
            code="not_started", hint="Nothing is left of it.",
        ) from None
    if "failure" in said:
        told = said["failure"]
        raise FaultlineError(told["message"], code=told["code"], hint=told["hint"], details=told["details"])
    return said["ready"]


def _attempt(argv, payload, patience, first):
    """Start argv detached, feed it the payload; what it says until it is ready or gone. first: seconds that it has to take the payload."""
    ours, answers = os.pipe()
    theirs, feed = os.pipe()
    note, reported = os.pipe()
    child = os.fork()
    if child == 0:
        _detach(argv, theirs, answers, reported)
    for handle in (theirs, answers, reported):
        os.close(handle)
    process = None
    try:
        os.waitpid(child, 0)
        raw = os.read(note, 20)
        process = _proc.lookup(int(raw)) if raw else None
        os.set_blocking(feed, False)
        said, left = b"", payload
        end, taken_by = time.monotonic() + patience, time.monotonic() + first
        while not said.endswith(b"}\n"):
            until = (min(end, taken_by) if left else end) - time.monotonic()
            if until <= 0:
                break
            readable, writable, _also = select.select([ours], [feed] if left else [], [], until)
            if writable:
                try:
                    left = left[os.write(feed, left):]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    left = b""
                if not left:
                    # it reads to the end
                    os.close(feed)
                    feed = None
            if readable:
                more = os.read(ours, 65536)
                if not more:
                    break
                said += more
        lines = said.splitlines(True)
        if said.endswith(b"}\n") and lines[-1].startswith(b"{"):
            process = None
            return lines[-1]
        return said
    finally:
        for handle in (ours, feed, note):
            if handle is not None:
                os.close(handle)
        if process is not None:
            # whoever did not get ready must not get ready later
            process.send(signal.SIGKILL)


def _detach(argv, stdin, stdout, reported):
    """In the first child: a session of its own, then a grandchild whom nobody waits for becomes argv. Never returns."""
    try:
        os.setsid()
        if os.fork() == 0:
            os.write(reported, b"%d" % os.getpid())
            os.chdir("/")
            os.umask(0o077)
            for number, handle in ((0, stdin), (1, stdout), (2, stdout)):
                os.dup2(handle, number)
            os.execve(argv[0], argv, _exec.environment())
    finally:
        os._exit(1)


def enter(pidfile):
    """In the new process: write its pidfile, and take no notice of hang-ups."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    other = find(pidfile)
    if other:
        raise FaultlineError("%s names the live process %s." % (pidfile, other), code="already_running", hint="Another task was faster.")
    told = dict(_proc.lookup(os.getpid()).as_dict(), boot=_journal.boot())
    temporary = "%s.%d" % (pidfile, os.getpid())
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as stream:
            json.dump(told, stream)
        os.rename(temporary, pidfile)
    except OSError as exc:
        raise FaultlineError("%s cannot be written: %s." % (pidfile, exc.strerror), code="unwritable", hint="Give another path.") from exc


def leave(pidfile):
    """In the new process, last: take its pidfile away, if it is still its own."""
    process = find(pidfile)
    if process and process.pid == os.getpid():
        os.unlink(pidfile)


def _say(told):
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(told).encode() + b"\n")
    null = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(null, handle)


def ready(news):
    """In the new process: let launch() return these news (a dictionary of less than 4 KiB), and the task go."""
    _say({"ready": news})


def failed(exc):
    """In the new process: let launch() raise this FaultlineError."""
    _say({"failure": dict(exc.as_failure(), message=exc.message)})


def find(pidfile):
    """The live process that a pidfile names, by PID, start time and boot, or None. FaultlineError when it is not our user's own file."""
    try:
        handle = os.open(pidfile, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise FaultlineError("%s cannot be read: %s." % (pidfile, exc.strerror), code="untrusted_pidfile") from exc
    with os.fdopen(handle, "rb") as stream:
        info = os.fstat(stream.fileno())
        if info.st_uid != os.geteuid() or info.st_mode & 0o022:
            raise FaultlineError(
                "%s could have been written by others." % pidfile, code="untrusted_pidfile", hint="No process is ended by it. Look at it, and remove it.",
            )
        try:
            told = json.loads(stream.read().decode())
            process = _proc.Process.from_dict(told)
        except (ValueError, KeyError, TypeError):
            return None
    return process if told.get("boot") == _journal.boot() and process.alive else None


def stop(pidfile, patience):
    """End the process that a pidfile names: SIGTERM, and after patience seconds SIGKILL to all of its session.

    Returns none (nobody was alive), ended or killed. The pidfile is gone then.
    """
    process = find(pidfile)
    how = "none"
    if process:
        how = "ended"
        process.send(signal.SIGTERM)
        if not _proc.wait_until(lambda: not process.alive, patience):
            how = "killed"
            left = _proc.in_session(process)
            for each in [process] + left:
                each.send(signal.SIGKILL)
            _proc.wait_until(lambda: not process.alive, 60)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(pidfile)
    return how
