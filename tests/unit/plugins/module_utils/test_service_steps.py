# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of a stopped service that no unit runs: who counts as started again."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _proc, _service_steps
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

# when the stop began, by the clock of processes
TOLD = 1000


class Process(_proc.Process):
    """A process of our little world; deaf: it ignores signals."""

    alive = True

    def __init__(self, pid, start, deaf=False):
        super().__init__(pid, start, "slow.py")
        self.deaf = deaf

    def ignores(self, number):
        return self.deaf


class World:
    """Its processes, and what the command starts."""

    def __init__(self, *processes):
        self.processes = list(processes)
        self.children = []
        self.starts = 0
        # while somebody waits for the end of those that leave
        self.waits = lambda: None


@pytest.fixture
def world(monkeypatch):
    made = World()

    def wait_until(condition, timeout, pause=0):
        if not condition():
            made.waits()
        return condition()

    def launch(argv, timeout):
        made.starts += 1
        made.processes.append(Process(100 + made.starts, TOLD + 50))

    monkeypatch.setattr(_proc, "matching", lambda pattern: list(made.processes))
    monkeypatch.setattr(_proc, "descendants", lambda processes: made.children if processes else [])
    monkeypatch.setattr(_proc, "wait_until", wait_until)
    monkeypatch.setattr(_proc, "ticks", lambda: TOLD)
    monkeypatch.setattr(_service_steps, "launch", launch)
    return made


def stopped(world, *meant, **keys):
    """The step of a service whose stop has begun."""
    world.processes += meant
    step = _service_steps.Run.make(["start"], "slow", "down:process:slow", meant, **keys)
    assert _service_steps.Run.told([step]) and not _service_steps.Run.told([step])
    return step


def undone(step):
    """(what undo says, what is left)."""
    return _service_steps.Run.undo(step), _service_steps.Run.residue(step)


def test_after_a_boot_nobody_counts_as_told(world):
    step = dict(stopped(world), boot="another")
    world.processes.append(Process(7, 10))
    assert undone(step) == ("", "") and world.starts == 0
    world.processes.clear()
    assert undone(step) == ("", "") and world.starts == 1


def test_what_the_command_did_not_end_keeps_nothing_from_being_started_again(world):
    service, bystander = Process(1, 10), Process(2, 20)
    step = stopped(world, service, bystander)
    world.processes.remove(service)
    service.alive = False
    step["meant"][0]["pid"] = 2 ** 22 + 1  # nobody has it
    assert undone(step) == ("", "") and world.starts == 1


def test_who_has_gone_is_started_again(world):
    step = stopped(world, Process(1, 10))
    world.processes.clear()
    assert undone(step) == ("", "") and world.starts == 1


def test_who_goes_while_the_undo_waits_is_started_again(world):
    old = Process(1, 10)
    step = stopped(world, old)

    def goes():
        old.alive = False
        world.processes.clear()

    world.waits = goes
    assert undone(step) == ("", "") and world.starts == 1


def test_who_was_told_and_stays_is_residue_until_it_goes(world):
    step = stopped(world, Process(1, 10), by_signal=True)
    said, left = undone(step)
    assert said == "" and left.startswith("slow.py[1] was told to stop and is still there: it may go at any moment") and world.starts == 0
    world.processes.clear()
    assert undone(step) == ("", "") and world.starts == 1


@pytest.mark.parametrize("more", [Process(2, TOLD - 1), Process(3, TOLD + 7)])
def test_a_worker_of_one_that_leaves_is_none_that_was_started_again(world, more):
    step = stopped(world, Process(1, 10))
    world.processes.append(more)
    world.children.append(more)
    assert "may go at any moment" in undone(step)[1] and world.starts == 0


def test_one_that_came_before_the_order_has_got_it_as_well(world):
    step = stopped(world, Process(1, 10))
    world.processes[:] = [Process(2, TOLD - 1)]
    assert "slow.py[2] was told to stop" in undone(step)[1] and world.starts == 0


def test_one_that_somebody_has_started_since_is_enough(world):
    step = stopped(world, Process(1, 10))
    world.processes[:] = [Process(2, TOLD + 7)]
    assert undone(step) == ("", "") and world.starts == 0


def test_nobody_was_told_where_the_stop_had_not_begun(world):
    world.processes.append(Process(1, 10))
    step = _service_steps.Run.make(["start"], "slow", "down:process:slow", world.processes)
    assert undone(step) == ("", "") and world.starts == 0


def test_what_ignores_the_signal_stays(world):
    step = stopped(world, Process(1, 10, deaf=True), by_signal=True)
    assert undone(step) == ("slow.py[1] ignores SIGTERM, and runs on", "") and world.starts == 0


def test_what_no_command_could_tell_stays(world):
    step = stopped(world, Process(1, 10))
    assert _service_steps.Run.refused([step])
    assert undone(step) == ("what was to stop slow.py[1] has failed, and it runs on", "") and world.starts == 0


def test_a_step_of_an_older_version_is_judged_as_it_was(world):
    step = {"type": "run", "say": "run: start", "argv": ["start"], "grep": "slow"}
    assert undone(step) == ("", "") and world.starts == 1


def test_a_command_that_fails_is_raised(world, monkeypatch):
    def fails(argv, timeout):
        raise FaultlineError("no", code="program_failed")

    step = stopped(world)
    monkeypatch.setattr(_service_steps, "launch", fails)
    with pytest.raises(FaultlineError, match="no"):
        _service_steps.Run.undo(step)
    assert _service_steps.Run.residue(step) == "no process matches 'slow'"
