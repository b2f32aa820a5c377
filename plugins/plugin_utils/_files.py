# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that a user names, read or refused."""

from __future__ import annotations

import os

from ..module_utils._fault._errors import FaultlineError
from ..module_utils._nearest import did_you_mean

LARGEST = 1_000_000


def text_of(path, what, hint=""):
    """The text of a file. what: the word for it. FaultlineError: no_file, bad_<what>, the latter with a hint of what it should be."""
    name, folder = os.path.basename(path), os.path.dirname(path)
    try:
        if os.path.isfile(path) and os.path.getsize(path) > LARGEST:
            raise FaultlineError(f"{name}: a {what} of more than {LARGEST} bytes.", code=f"bad_{what}", hint="Is it another file?")
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        there = os.listdir(folder) if os.path.isdir(folder) else []
        raise FaultlineError(f"There is no {what} file {path}.", code="no_file", hint=did_you_mean(name, there, 1)) from None
    except UnicodeDecodeError:
        raise FaultlineError(f"{name}: this is not text in UTF-8.", code=f"bad_{what}", hint=hint) from None
    except OSError as exc:
        raise FaultlineError(f"{path} cannot be read: {exc.strerror}.", code="no_file") from None
    except ValueError:
        raise FaultlineError(f"The name of the {what} file has a character that no file has.", code="no_file") from None
