# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What os_power says, beside what a client on this machine sees of the guest (docs/witness.md)."""

from __future__ import annotations

import pytest
from lab_power import do, record
from lab_witness import LASTS, SSH_RATE, Witness, away
from witness_table import Table

GUEST = "seenpower"
BY_LIBVIRT = "a guest's SSH, by libvirt"


def sooner(seen, since, seconds):
    """What speaks against a host that answers Ansible so many seconds after a moment: it cannot before it answers anybody."""
    back = seen.back("ssh", since)
    if back is None:
        return ["it was never away, by the witness, or never came back"]
    answered = since + seconds
    return [] if answered >= back.begin - seen.near("ssh", back.begin) else [f"it answered {back.begin - answered:.1f} s later, by the witness"]


def in_words(seen, since):
    back = seen.back("ssh", since)
    return f"answered {back.end - since:.1f} s after that" if back else "not back"


def is_off(power, action, subject):
    with Witness([{"name": "ssh", "protocol": "tcp", "address": power.address, "port": 22}], rate=SSH_RATE) as witness:
        answer = do(power, action, duration=LASTS, wait=True)
        known = record(answer["fault"]["id"])
        witness.settle("ssh", known["undone"])
    seen, asked = witness.seen, witness.seen.between("ssh", known["proven"], known["proven"] + LASTS)
    against = away(seen, known, "ssh") + sooner(seen, known["undone"], answer["boot"]["seconds"])
    Table().add(
        "power", action, subject,
        f"off for {LASTS} s; {'held' if known['held'] else 'not held'}; residue {', '.join(known['residue']) or 'none'}; answers Ansible "
        f"{answer['boot']['seconds']:.1f} s after the undo",
        f"{sum(each.answered for each in asked)} of {len(asked)} questions answered; {in_words(seen, known['undone'])}", against)
    assert against == [] and known["held"] is True and known["residue"] == []


def starts_again(power, action, subject):
    with Witness([{"name": "ssh", "protocol": "tcp", "address": power.address, "port": 22}], rate=SSH_RATE) as witness:
        answer = do(power, action, wait=True)
        known = record(answer["fault"]["id"])
        witness.settle("ssh", known["injected"])
    against = sooner(witness.seen, known["began"], answer["boot"]["seconds"])
    Table().add(
        "power", action, subject, f"answers Ansible {answer['boot']['seconds']:.1f} s after it began",
        in_words(witness.seen, known["began"]), against)
    assert against == []


@pytest.mark.parametrize("action", ["poweroff", "shutdown"])
def test_a_machine_that_is_off_answers_nobody_until_its_deadline(power, action):
    is_off(power, action, BY_LIBVIRT)


@pytest.mark.parametrize("action", ["reset", "reboot"])
def test_a_machine_that_starts_again_answers_by_its_own_words_no_sooner_than_to_a_client(power, action):
    starts_again(power, action, BY_LIBVIRT)


def by(bmc):
    return f"a guest's SSH, by {bmc.driver} ({type(bmc).__name__})"


@pytest.mark.parametrize("action", ["poweroff", "shutdown"])
def test_a_machine_that_its_bmc_has_switched_off_answers_nobody_until_its_deadline(by_bmc, bmc, action):
    is_off(by_bmc(), action, by(bmc))


def test_a_machine_that_its_bmc_resets_answers_by_its_own_words_no_sooner_than_to_a_client(by_bmc, bmc):
    starts_again(by_bmc(), "reset", by(bmc))
