# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network namespaces of a host."""

from __future__ import annotations

import concurrent.futures
import ctypes
import os

from ._errors import FaultlineError

# setns(2)
_CLONE_NEWNET = 0x40000000


def within(path, work):
    """What work() returns in a network namespace: in a thread of its own, so that the rest of this process stays where it is."""
    def enter():
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        finally:
            os.close(handle)
        return work()

    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(enter).result()
    except OSError as exc:
        raise FaultlineError(
            "The network namespace %s cannot be entered: %s." % (path, exc.strerror), code="no_namespace",
            hint="It takes root with CAP_SYS_ADMIN.",
        ) from exc
