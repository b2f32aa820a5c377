# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The boot-time sweeper: a unit that is there while a fault is open, and undoes at boot what a reboot interrupted."""

from __future__ import annotations

import contextlib
import os

from . import _journal
from ._errors import FaultlineError
from ._exec import run

# seconds that systemd may take to answer: undos wait for it
_GLANCE = 30

_UNIT = "/etc/systemd/system/faultline-sweeper.service"
_WANT = "/etc/systemd/system/multi-user.target.wants/faultline-sweeper.service"
_TEXT = """\
# written by faultline with the first open fault, removed with the last one
[Unit]
Description=Undo the faults that a reboot interrupted
ConditionPathExistsGlob={home}/open/*.json
After=network.target multi-user.target

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart={program} sweep

[Install]
WantedBy=multi-user.target
"""


def install(program):
    """Have `program sweep` run at the next boots. program: a command line for a unit file."""
    text = _TEXT.format(home=_journal.HOME, program=program)
    with contextlib.suppress(FileNotFoundError):
        with open(_UNIT) as stream:
            if stream.read() == text and os.path.islink(_WANT):
                return
    os.makedirs(os.path.dirname(_WANT), exist_ok=True)
    temporary = _UNIT + ".new"
    with open(temporary, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, _UNIT)
    with contextlib.suppress(FileExistsError):
        os.symlink(_UNIT, _WANT)
    for path in (_UNIT, _WANT):
        _journal.sync_path(os.path.dirname(path))


def is_next():
    """Whether this host is going down, so that what cannot be undone now is the sweeper's."""
    if not os.path.exists(_UNIT):
        return False
    try:
        return run(["systemctl", "is-system-running"], timeout=_GLANCE, check=False).out.strip() == "stopping"
    except FaultlineError:
        # who is not told goes on
        return False


def remove():
    """Leave no sweeper behind."""
    there = os.path.exists(_UNIT)
    # the last is what somebody has left who was killed while he wrote it
    for path in (_WANT, _UNIT, _UNIT + ".new"):
        # who is not root has none, and leaves root's alone
        with contextlib.suppress(FileNotFoundError, PermissionError):
            os.unlink(path)
    # somebody may have had systemd look at its files meanwhile
    with contextlib.suppress(FaultlineError):
        listed = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "faultline-*"], timeout=_GLANCE, check=False).out if there else ""
        if os.path.basename(_UNIT) in listed:
            run(["systemctl", "daemon-reload", "--no-block"], timeout=_GLANCE, check=False)
