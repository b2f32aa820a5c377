# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemctl says to those who know systemd, in words for those who do not."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _systemd
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError


@pytest.mark.parametrize("said, code, piece", [
    ("Job for a.service canceled.", "job_cancelled", "systemd has cancelled the stop of a.service: another job for it came in between."),
    ("Failed to stop a.service: Unit a.service is masked.", "masked", "systemd does not stop a.service: it is masked."),
    ("Failed to stop a.service: Access denied", "program_failed", "Access denied"),
])
def test_what_stood_in_the_way(monkeypatch, said, code, piece):
    def refuses(argv, **_options):
        raise FaultlineError(f"'{' '.join(argv)}' failed with status 1: {said}", code="program_failed", details={"argv": argv, "rc": 1})

    monkeypatch.setattr(_systemd, "run", refuses)
    with pytest.raises(FaultlineError) as caught:
        _systemd._ask("stop", ["a.service"], 5)
    assert caught.value.code == code and piece in caught.value.message and caught.value.details["rc"] == 1
    assert code == "program_failed" or "a.service" in caught.value.hint
