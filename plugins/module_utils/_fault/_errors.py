# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception family of the collection."""

from __future__ import annotations


class FaultlineError(Exception):
    """What failed, on what, why, and what to do about it.

    message: one sentence for a person; names the thing.
    code: stable snake_case word for programs.
    hint: what to do about it, or empty.
    details: JSON-able facts; never a secret.
    """

    def __init__(self, message, code="error", hint="", details=None):
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.details = details or {}

    @property
    def text(self):
        """Message and hint, as fail_json's msg."""
        return self.message + (" " + self.hint if self.hint else "")

    def as_failure(self):
        """The structured half of a failed result."""
        return {"code": self.code, "hint": self.hint, "details": self.details}
