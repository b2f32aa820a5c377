# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps share that delete an nftables table of our own, wherever it is (see _steps.py)."""

from __future__ import annotations

from . import _namespaces, _nft


class OwnTable:
    """Delete the table of a step: {table}, in a network namespace that a subclass knows. A look that fails is an error, never an empty residue."""

    @staticmethod
    def entrance(step):
        """What runs a program where the table is; None when the kernel has let that go, with all that was in it."""
        raise NotImplementedError

    @staticmethod
    def place(step):
        """The network namespace, in words; '' for that of this host."""
        raise NotImplementedError

    @classmethod
    def _where(cls, step):
        return " in " + cls.place(step) if cls.place(step) else ""

    @classmethod
    def undo(cls, step):
        inside = cls.entrance(step)
        if inside is None:
            place = cls.place(step)
            return "%s is gone, and nftables table inet %s with it" % (
                place if place.startswith("the ") else "the network namespace %s" % place, step["table"])
        _nft.delete(step["table"], inside)
        return ""

    @classmethod
    def held(cls, step):
        inside = cls.entrance(step)
        return inside is not None and _nft.exists(step["table"], inside)

    @classmethod
    def residue(cls, step):
        return "nftables table inet %s is still there%s" % (step["table"], cls._where(step)) if cls.held(step) else ""


PROGRAM = (_namespaces, _nft)
