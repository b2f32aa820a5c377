# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of a stopped service that no unit runs: who counts as started again."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault import _journal, _proc, _service_steps, _systemd
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
        # the clock of processes
        self.now = TOLD


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
    monkeypatch.setattr(_proc, "ticks", lambda: made.now)
    monkeypatch.setattr(_proc, "since", lambda moment: made.now - moment)
    monkeypatch.setattr(_systemd, "launch", launch)
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
    step = stopped(world)
    step["stopping"]["boot"] = "another"
    world.processes.append(Process(7, 10))
    assert undone(step) == ("", "") and world.starts == 0
    world.processes.clear()
    assert undone(step) == ("", "") and world.starts == 1


def test_what_the_command_did_not_end_keeps_nothing_from_being_started_again(world):
    service, bystander = Process(1, 10), Process(2, 20)
    step = stopped(world, service, bystander)
    world.processes.remove(service)
    service.alive = False
    step["stopping"]["meant"][0]["pid"] = 2 ** 22 + 1  # nobody has it
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


# what a stop may take, in the ticks of our world
LIMIT = 20
RUNS_ON = "what was to stop slow.py[1] has failed, and it runs on"


def failed(world, **keys):
    """The step of a service whose stop has failed; its process is still there."""
    step = stopped(world, Process(1, 10), stop_timeout=LIMIT)
    assert _service_steps.Run.refused([step], **keys)
    return step


def test_what_no_command_could_tell_stays(world):
    """There is no such program, so nobody has heard of it."""
    assert undone(failed(world, untold=True)) == (RUNS_ON, "") and world.starts == 0


def test_a_stop_that_failed_may_have_told_it_all_the_same_and_is_a_slow_one_until_its_time_is_up(world):
    """As of a command that sends the signal, and fails because it does not see it go within ten seconds."""
    step = failed(world)
    world.now = TOLD + LIMIT - 1
    said, left = undone(step)
    assert said == "" and "slow.py[1] may have been told to stop by what has failed" in left and "it may go at any moment" in left and world.starts == 0
    world.processes.clear()
    assert undone(step) == ("", "") and world.starts == 1


def test_what_is_still_there_when_the_time_of_a_failed_stop_is_up_was_told_nothing(world):
    step = failed(world)
    world.now = TOLD + LIMIT
    assert undone(step) == (RUNS_ON, "") and world.starts == 0


def test_one_that_goes_late_within_that_time_is_started_again_while_the_undo_waits(world):
    step = failed(world)

    def goes():
        world.processes.clear()

    world.waits = goes
    assert undone(step) == ("", "") and world.starts == 1


def test_a_failed_stop_of_an_older_version_has_the_usual_time(world):
    """Its record does not say how long."""
    step = {
        "type": "run", "say": "run: start", "argv": ["start"], "grep": "slow", "claim": "down:process:slow", "timeout": 300, "by_signal": False,
        "told": TOLD, "refused": True, "boot": _journal.boot(), "meant": [{"pid": 1, "start": 10, "comm": "slow.py"}]}
    world.processes.append(Process(1, 10))
    world.now = TOLD + _service_steps.STOP_TIMEOUT - 1
    assert "may go at any moment" in undone(step)[1]
    world.now = TOLD + _service_steps.STOP_TIMEOUT
    assert undone(step) == (RUNS_ON, "") and world.starts == 0
    world.processes.clear()
    assert undone(step) == ("", "") and world.starts == 1


def test_a_step_of_an_older_version_is_judged_as_it_was(world):
    step = {"type": "run", "say": "run: start", "argv": ["start"], "grep": "slow"}
    assert undone(step) == ("", "") and world.starts == 1


def test_a_command_that_fails_is_raised(world, monkeypatch):
    def fails(argv, timeout):
        raise FaultlineError("no", code="program_failed")

    step = stopped(world)
    monkeypatch.setattr(_systemd, "launch", fails)
    with pytest.raises(FaultlineError, match="no"):
        _service_steps.Run.undo(step)
    assert _service_steps.Run.residue(step) == "no process matches 'slow'"


@pytest.mark.parametrize(("state", "job", "starts"), [("active", "", 0), ("active", "42", 1), ("deactivating", "42", 1), ("inactive", "", 1)])
def test_a_unit_whose_stop_failed_and_is_still_on_its_way_is_started_again(monkeypatch, state, job, starts):
    """As where systemctl has given up on an answer: the unit is active, and its job is still to come."""
    started = []
    monkeypatch.setattr(_systemd, "_told", lambda names: [_systemd.Unit({"Id": name, "ActiveState": state, **({"Job": job} if job else {})}) for name in names])
    monkeypatch.setattr(_systemd, "start", started.append)
    _service_steps.StartUnit.undo(_service_steps.StartUnit.make("x.service"))
    assert started == [["x.service"]] * starts and "Job" in _systemd._PROPERTIES
