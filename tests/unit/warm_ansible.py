# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's commands for tests, without what each spends on its own start.

A process that has imported Ansible forks for each command: the same code with the same arguments, a part of the processor's time.
run_ansible() starts that process, which is this file as a program. All commands of one such process share its local folder, so that a module
is packed once.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
_COMMANDS = {"ansible": "ansible.cli.adhoc", "ansible-inventory": "ansible.cli.inventory", "ansible-playbook": "ansible.cli.playbook"}
# what the commands would import by the names of plugins, once they need it
_PLUGINS = (
    "ansible.executor.module_common", "ansible.executor.playbook_executor", "ansible.executor.process.worker", "ansible.executor.task_queue_manager",
    "ansible.plugins.action.normal", "ansible.plugins.callback.default", "ansible.plugins.callback.minimal", "ansible.plugins.connection.local",
    "ansible.plugins.connection.ssh", "ansible.plugins.shell.sh", "ansible.plugins.strategy.free", "ansible.plugins.strategy.linear",
)


class _Warm:
    """A process that has imported Ansible, which reads its settings as it is imported: one for each set of them."""

    _MOST = 4
    _all = {}
    _guard = threading.Lock()

    def __init__(self, environment):
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], cwd=ROOT, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def _end(self):
        self._ours.close()
        self._process.wait()

    @classmethod
    def _end_all(cls, but=0):
        """All but the newest ones; a command that runs goes on."""
        while len(cls._all) > but:
            cls._all.pop(next(iter(cls._all)))._end()

    @classmethod
    def start(cls, argv, environment, files):
        """Begin a command on these files (its stdin, stdout, stderr); what its PID, and at its end its return code, is read from."""
        # options of the connection are read when there is one
        key = json.dumps({
            name: value for name, value in sorted(environment.items())
            if name in ("HOME", "PATH") or name.startswith(("ANSIBLE_", "LC_", "PYTHON")) and not name.startswith("ANSIBLE_SSH_")})
        told, tells = os.pipe()
        try:
            with cls._guard:
                if key not in cls._all:
                    cls._end_all(but=cls._MOST - 1)
                    cls._all[key] = cls(environment)
                request = json.dumps({"argv": argv, "environment": environment}).encode()
                socket.send_fds(cls._all[key]._ours, [request], [*(file.fileno() for file in files), tells])
        finally:
            os.close(tells)
        return os.fdopen(told, "rb", buffering=0)


atexit.register(_Warm._end_all)


def run_ansible(argv, timeout=300, **variables):
    """subprocess.run of a command of Ansible's in the checkout, with these variables beside the environment's; the finished process, its output as text."""
    environment = {**os.environ, **variables}
    with open(os.devnull, "rb") as nothing, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with _Warm.start(argv, environment, (nothing, out, err)) as told:
            pid = array.array("i", told.read(4))
            if not pid:
                raise RuntimeError(f"the process that has imported Ansible is gone, with {argv}")
            if not select.select([told], [], [], timeout)[0]:
                os.kill(pid[0], signal.SIGKILL)
                raise subprocess.TimeoutExpired(argv, timeout)
            code = array.array("i", told.read(4))
        for file in (out, err):
            file.seek(0)
        # one that has said no code was killed
        return subprocess.CompletedProcess(argv, code[0] if code else -signal.SIGKILL, out.read(), err.read())


def _command(request, files):
    """Be the command; its return code."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["argv"]
    code = 0
    try:
        importlib.import_module(_COMMANDS[os.path.basename(sys.argv[0])]).main()
    except SystemExit as exc:
        code = int(exc.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _serve(channel):
    sys.path.pop(0)
    for name in (*_COMMANDS.values(), *_PLUGINS):
        importlib.import_module(name)
    # what is here stays shared
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, files, _flags, _address = socket.recv_fds(channel, 1 << 20, 4)
        if not request:
            return
        if os.fork() == 0:
            # no handler of this process may run in the command, above all not the one that removes the shared folder
            code = 250
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                channel.close()
                os.set_inheritable(files[3], False)
                os.write(files[3], array.array("i", [os.getpid()]))
                code = _command(json.loads(request), files[:3])
                os.write(files[3], array.array("i", [code]))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        for file in files:
            os.close(file)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        _serve(given)
