# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe sent to many hosts at once: one ssh process per host, a deadline for each, no host fatal to the rest."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import shlex
import signal
import subprocess
import tempfile

from ._login import becomes, host_key_options, jump_options, key_file, login

_MARK = "faultline-probe:"
_PROBE = pathlib.Path(__file__).resolve().parent.parent / "module_utils" / "_probe.py"
# Answers the password question of ssh, and of nothing else; the password itself is in the environment of ssh alone.
_ASKPASS = '#!/bin/sh\nprintf "%s\\n" "$FAULTLINE_SSH_PASSWORD"\n'


class ProbeError(Exception):
    """Why a host could not be probed, in one line."""


def argv_for(node, settings):
    """The ssh command that runs Python on a node and reads the program from stdin."""
    auth = node.auth
    argv = [settings["executable"]]
    argv += ["-T", "-o", "BatchMode=no" if auth.get("password") else "BatchMode=yes"]
    # A master of this short connection would hold our pipes open.
    argv += ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "NumberOfPasswordPrompts=1"]
    argv += ["-o", f"ConnectTimeout={max(1, int(settings['timeout']) - 1)}"]
    argv += host_key_options(node, settings["host_key_checking"])
    if auth.get("private_key_file"):
        argv += ["-i", key_file(auth["private_key_file"])]
    argv += ["-l", str(login(auth, settings["user"]))]
    argv += jump_options(node, settings["user"], settings["host_key_checking"])
    argv += settings["args"]
    return [*argv, node.ip, _remote_command(auth, settings)]


def _remote_command(auth, settings):
    python = f"{shlex.quote(settings['python'])} -"
    if not becomes(auth, settings["user"]) or (auth.get("become_method") or "sudo") != "sudo":
        return f"exec {python}"
    sudo = f"sudo -u {shlex.quote(str(auth.get('become_username') or 'root'))}"
    if not auth.get("become_password"):
        return f"exec {sudo} -n {python}"
    # The first line of stdin is the password; where sudo does not ask, it must not reach Python.
    asked = f'{{ printf "%s\\n" "$p"; cat; }} | exec {sudo} -S -p "" {python}'
    script = f"IFS= read -r p; if {sudo} -n true 2>/dev/null; then exec {sudo} -n {python}; else {asked}; fi"
    return f"exec sh -c {shlex.quote(script)}"


def program(spec):
    """The Python program that probes a host and prints what it found as one marked line of JSON."""
    call = f"\nprint({_MARK!r} + json.dumps(probe(json.loads({json.dumps(json.dumps(spec))}))))\n"
    return _PROBE.read_text(encoding="utf-8") + call


def probe_node(node, spec, settings):
    """What the probe found on one node; ProbeError when that took too long or failed."""
    text = program({**spec, "address": node.ip, "timeout": max(1.0, settings["timeout"] * 0.8)})
    if node.auth.get("become_password") and becomes(node.auth, settings["user"]):
        text = f"{node.auth['become_password']}\n{text}"
    environment = dict(os.environ, LC_ALL="C")
    with tempfile.TemporaryDirectory(prefix="faultline-") as folder:
        if node.auth.get("password"):
            askpass = os.path.join(folder, "askpass")
            with open(os.open(askpass, os.O_WRONLY | os.O_CREAT, 0o700), "w", encoding="utf-8") as stream:
                stream.write(_ASKPASS)
            environment.update(
                SSH_ASKPASS=askpass,
                SSH_ASKPASS_REQUIRE="force",
                DISPLAY=environment.get("DISPLAY") or ":",
                FAULTLINE_SSH_PASSWORD=str(node.auth["password"]),
            )
        return _answer(*_run(argv_for(node, settings), text, environment, settings["timeout"]))


def _run(argv, text, environment, timeout):
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(text.encode(), timeout=timeout)
        except subprocess.TimeoutExpired:
            # The whole group: a ProxyCommand is a child of ssh.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise ProbeError(f"no answer within {timeout:g} s") from None
    return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _answer(code, out, err):
    for line in reversed(out.splitlines()):
        if line.startswith(_MARK):
            try:
                return json.loads(line[len(_MARK) :])
            except ValueError:
                raise ProbeError("its answer cannot be read") from None
    said = [line.strip() for line in err.splitlines() if line.strip() and not line.startswith("Warning: Permanently")]
    raise ProbeError((said or [f"ssh ended with {code} and said nothing"])[-1][:300])


def probe_all(nodes, spec, settings, forks):
    """Node name -> {"found": ...} or {"error": ...}; all nodes at once, up to `forks` of them."""
    answers = {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, min(forks, len(nodes)))) as pool:
        tasks = {pool.submit(probe_node, node, spec, settings): node.name for node in nodes}
        for task in concurrent.futures.as_completed(tasks):
            try:
                answers[tasks[task]] = {"found": task.result()}
            except (ProbeError, OSError) as exc:
                answers[tasks[task]] = {"error": str(exc)}
    return answers
