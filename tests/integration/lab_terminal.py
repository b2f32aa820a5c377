# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A person at a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading

from patience import HANG


def on_a_terminal(argv, *typed, timeout=HANG, size=(30, 140), **more):
    """(exit status, what a person sees) of a command on a terminal of its own.

    typed: (text, keys): once the text has come after what was typed before, these keys are pressed; keys may be a function that returns them.
    more: options of subprocess.Popen.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    seen, waiting = [""], list(typed)

    def read():
        since = 0
        try:
            while True:
                seen[0] += os.read(ours, 65536).decode(errors="replace")
                while waiting and waiting[0][0] in seen[0][since:]:
                    since = len(seen[0])
                    keys = waiting.pop(0)[1]
                    os.write(ours, (keys() if callable(keys) else keys).encode())
        except OSError:  # nobody has it any more
            pass

    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, **more) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"not within {timeout} seconds; {waiting[:1]} waited for in: {seen[0]}") from None
        finally:
            reader.join(HANG)
    os.close(ours)
    return process.returncode, seen[0]
