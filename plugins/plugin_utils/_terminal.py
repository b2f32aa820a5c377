# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The terminal that Ansible was started on, given to a program."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import termios

from ..module_utils._fault._errors import FaultlineError

# seconds between two looks at the size of the terminal
_RESIZED = 0.5
# seconds that a program has to go when its terminal is gone, before it is killed
_LAST = 10
# above ansible_collections
_ROOT = pathlib.Path(__file__).parents[5]
_PROGRAMS = "ansible_collections.faultline.openstack.plugins.plugin_utils."


def run_program(name, login, options, hint):
    """Run a program of plugin_utils on the terminal, which reads its login as JSON from --login-fd; its exit status."""
    # a password is on no command line, and in no environment
    reading, writing = os.pipe()
    try:
        os.write(writing, json.dumps(login).encode())
        os.close(writing)
        path = os.pathsep.join(each for each in (str(_ROOT), os.environ.get("PYTHONPATH")) if each)
        return run(
            [sys.executable, "-m", _PROGRAMS + name, "--login-fd", str(reading), *options], hint, pass_fds=[reading], env={**os.environ, "PYTHONPATH": path})
    finally:
        os.close(reading)


def run(argv, hint, **more):
    """Run argv on the terminal, with more options of subprocess.Popen; its exit status. hint: what to do where there is no terminal.

    FaultlineError: no_terminal.
    """
    with _opened(hint) as terminal:
        before = termios.tcgetattr(terminal)
        try:
            with subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal, **more) as process:
                return _followed(process, terminal)
        finally:
            # who was killed leaves it as it was in the middle; it may be gone
            with contextlib.suppress(termios.error):
                termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _followed(process, terminal):
    """The exit status of a process, which learns from us that the terminal has a new size or is gone: it is in no session that the kernel would tell."""
    size = os.get_terminal_size(terminal)
    hung_up = select.poll()
    hung_up.register(terminal, 0)
    while True:
        try:
            return process.wait(_RESIZED)
        except subprocess.TimeoutExpired:
            if hung_up.poll(0):
                return _ended(process)
            now = os.get_terminal_size(terminal)
            if now != size:
                size = now
                process.send_signal(signal.SIGWINCH)


def _ended(process):
    """The exit status of a process that is told to go."""
    process.send_signal(signal.SIGHUP)
    try:
        return process.wait(_LAST)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextlib.contextmanager
def _opened(hint):
    """The terminal, as a file descriptor. Ansible's workers have none of their own: it is that of the process that has started this one."""
    try:
        terminal = os.open(f"/proc/{os.getppid()}/fd/0", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        terminal = None
    try:
        if terminal is None or not os.isatty(terminal):
            raise FaultlineError("There is no terminal to give.", code="no_terminal", hint=hint)
        yield terminal
    finally:
        if terminal is not None:
            os.close(terminal)
