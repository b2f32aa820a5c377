# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes one output file, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile

from ...module_utils._fault._errors import FaultlineError


def write(path, content):
    """Text into a file that only its owner reads. FaultlineError `output` says why it cannot be written; then the file is as it was."""
    folder, scratch = os.path.dirname(os.path.abspath(path)), None
    try:
        # a name of its own: a reader never sees half a report
        handle, scratch = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(content)
        os.replace(scratch, path)
    except OSError as exc:
        if scratch is not None:
            with contextlib.suppress(OSError):
                os.unlink(scratch)
        raise FaultlineError(f"{path} cannot be written: {exc.strerror}.", "output", "Give a directory that you may write to.") from exc
