# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is hit of a unit, what is left alone, and what comes back: the service, not its control group."""

from __future__ import annotations

import pathlib

import pytest
from lab_nodes import LONG, wait_for
from patience import HANG

SERVER = pathlib.Path(__file__).with_name("unit_server.py").read_text(encoding="utf-8")
RUN = "ExecStart=/usr/bin/python3 /opt/fl-units/server.py"
AGENT = f"[Service]\n{RUN} workers 18190 18191\nKillMode=process\nRestart=on-failure\nRestartSec=100ms\n"
WATCHER = f"[Service]\n{RUN} watch 18192\nExecStop=/usr/bin/systemctl stop fl-payload.scope\nRestart=always\nRestartSec=100ms\n"


class Units:
    """Units of our own on a node, named fl-*."""

    def __init__(self, node):
        self.node = node
        node.sh(f"mkdir -p /opt/fl-units; cat > /opt/fl-units/server.py <<'X'\n{SERVER}\nX")

    def make(self, start, **texts):
        """Write units, by name, a last _ for the dot of its kind; start some."""
        for name, text in texts.items():
            self.node.sh(f"cat > /run/systemd/system/fl-{name.replace('_', '.')} <<'X'\n{text}\nX")
        self.node.sh(f"systemctl daemon-reload; systemctl start {start}")

    def remove(self):
        self.node.sh("""
systemctl stop 'fl-*'; rm -f /run/systemd/system/fl-*; systemctl daemon-reload
for pid in $(pgrep -f '[/]opt/fl-units/server.py'); do kill -KILL $pid; done
systemctl reset-failed 'fl-*'; rm -rf /opt/fl-units""", check=False)

    def answers(self, port, seconds=HANG):
        """The PID that answers at a port, as a client sees it; None for silence."""
        code = f"import socket; c = socket.create_connection(('127.0.0.1', {port}), {seconds}); print(c.recv(100).decode())"
        said = self.node.sh(f"python3 -c \"{code}\" 2>/dev/null", check=False)
        return int(said) if said else None

    def served(self, port):
        return wait_for(lambda: self.answers(port))

    def main(self, unit):
        return int(self.node.sh(f"systemctl show -p MainPID --value {unit}"))


@pytest.fixture
def units(spare):
    made = Units(spare)
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def agent(units):
    """(main process, its workers, its helper) of a unit with KillMode=process."""
    units.make("fl-agent", agent_service=AGENT)
    helper = units.served(18191)
    units.served(18190)
    main = units.main("fl-agent")
    workers = wait_for(lambda: [int(pid) for pid in units.node.sh(f"pgrep -P {main} -f workers", check=False).split()])
    wait_for(lambda: len(units.node.sh(f"pgrep -P {main} -f workers").split()) == 2)
    workers = [int(pid) for pid in units.node.sh(f"pgrep -P {main} -f workers").split()]
    assert helper not in workers and units.answers(18190) in workers
    return main, workers, helper


def pids(entries):
    return {each["pid"] for each in entries}


@pytest.mark.gate
@pytest.mark.parametrize("action", ["kill", "restart", "terminate"])
def test_a_helper_that_a_unit_leaves_to_itself_stays_and_is_told(units, agent, action):
    main, workers, helper = agent
    answer = units.node.fault("fl-agent", action, wait=True, **({"duration": 2} if action == "terminate" else {}))
    assert pids(answer["targets"][0]["processes"]) == pids(answer["proof"]["gone"]) == {main, *workers}
    assert pids(answer["targets"][0]["left_alone"]) == {helper} and answer["targets"][0]["left_alone"][0]["unit"] == "fl-agent.service"
    assert f"left alone: python3[{helper}], which KillMode=process does not end (processes=all hits them as well)" in answer["msg"]
    # who answers is new; the helper is the same
    assert units.served(18190) not in workers and units.main("fl-agent") != main
    assert units.answers(18191) == helper


def test_freeze_stops_the_workers_that_answer_and_not_the_helper(units, agent):
    main, workers, helper = agent
    answer = units.node.fault("fl-agent", "freeze", duration=LONG)
    assert set(units.node.states([main, *workers]).values()) == {"T"} and units.node.states([helper]) != {helper: "T"}
    assert units.answers(18190, 1) is None and units.answers(18191) == helper
    units.node.heal(answer)
    assert units.answers(18190) in workers


@pytest.mark.parametrize("action", ["kill", "terminate"])
def test_all_processes_of_a_unit_go_if_that_is_asked_for(units, agent, action):
    main, workers, helper = agent
    answer = units.node.fault("fl-agent", action, processes="all", wait=True, **({"duration": 2} if action == "terminate" else {}))
    assert pids(answer["proof"]["gone"]) == {main, *workers, helper} and answer["targets"][0]["left_alone"] == [] and answer["notes"] == []
    assert units.served(18191) != helper


def test_a_worker_that_a_units_own_stop_leaves_is_told(units):
    stay = "/usr/bin/python3 -c 'import time; time.sleep(4321)' /opt/fl-units/server.py"
    units.make("fl-jobs", jobs_service=f"[Service]\nExecStart=/bin/sh -c \"{stay} & exec sleep 4321\"\nKillMode=process\n")
    main = units.main("fl-jobs")
    job = int(wait_for(lambda: units.node.sh(f"pgrep -P {main} -x python3", check=False)))
    answer = units.node.fault("fl-jobs", "terminate", duration=2, wait=True)
    assert pids(answer["targets"][0]["processes"]) == {main, job} and pids(answer["proof"]["gone"]) == {main}
    assert f"python3[{job}] still there" in answer["msg"] and units.node.states([job])
    main = units.main("fl-jobs")
    job = int(wait_for(lambda: units.node.sh(f"pgrep -P {main} -x python3", check=False)))
    killed = units.node.fault("fl-jobs", "kill")
    assert pids(killed["proof"]["gone"]) == {main, job}


def test_the_plan_tells_what_is_left_alone_and_what_starts_it_again(units, agent):
    main, workers, helper = agent
    answer = units.node.fault("fl-agent", "kill", "--check")
    assert len(answer["plan"]) == 3 and f"python3[{helper}]" not in answer["plan"][0] and f"python3[{main}]" in answer["plan"][0]
    assert answer["plan"][1] == "Restart=on-failure of fl-agent.service starts it again"
    assert answer["plan"][2] == answer["notes"][0] == f"left alone: python3[{helper}], which KillMode=process does not end (processes=all hits them as well)"
    assert units.main("fl-agent") == main and set(units.node.states(workers)) == set(workers)


def test_a_crash_loop_means_the_same_processes(units, agent):
    main, _workers, helper = agent
    answer = units.node.fault("fl-agent", "crash_loop", duration=LONG)
    wait_for(lambda: units.node.record(answer["fault"]["id"])["proof"].get("kills", 0) >= 2)
    assert units.answers(18191) == helper
    units.node.heal(answer)
    assert units.served(18190) and units.main("fl-agent") != main and units.answers(18191) == helper


WRAPPED = f"[Service]\n{RUN.replace('=', '=/usr/bin/setsid --wait ')} alone 18198\nKillMode=process\nRestart=always\nRestartSec=100ms\n"


def test_what_a_wrapper_runs_is_hit_with_it(units):
    units.make("fl-wrapped", wrapped_service=WRAPPED)
    server, main = units.served(18198), units.main("fl-wrapped")
    assert server != main
    frozen = units.node.fault("fl-wrapped", "freeze", duration=LONG)
    assert pids(frozen["proof"]["stopped"]) == {main, server} and units.answers(18198, 1) is None
    assert f"meant as well: python3[{server}], for which setsid[{main}] only waits" in frozen["msg"]
    units.node.heal(frozen)
    assert units.answers(18198) == server
    killed = units.node.fault("fl-wrapped", "kill", wait=True)
    assert pids(killed["proof"]["gone"]) == {main, server} and units.served(18198) not in (None, server)


def test_who_may_only_wrap_what_serves_is_refused_with_what_to_say(units):
    units.make("fl-wrapped", wrapped_service=f"[Service]\n{RUN} wrap 18198\nKillMode=process\n")
    server, main = units.served(18198), units.main("fl-wrapped")
    for action, options in (("kill", {}), ("freeze", {"duration": LONG}), ("crash_loop", {"duration": LONG})):
        answer = units.node.refused("fl-wrapped", action, **options)
        assert answer["failure"]["code"] == "wrapper", answer.output
        assert f"python3[{server}] listens on tcp 18198" in answer["msg"] and "processes=all" in answer["failure"]["hint"]
    assert units.answers(18198) == server and units.main("fl-wrapped") == main
    frozen = units.node.fault("fl-wrapped", "freeze", processes="all", duration=LONG)
    assert pids(frozen["proof"]["stopped"]) == {main, server} and units.answers(18198, 1) is None
    units.node.heal(frozen)
    assert units.answers(18198) == server
    # a helper that has to stay may be such a child as well
    frozen = units.node.fault("fl-wrapped", "freeze", processes="main", duration=LONG)
    assert pids(frozen["proof"]["stopped"]) == {main} and units.answers(18198) == server
    units.node.heal(frozen)


@pytest.mark.gate
@pytest.mark.parametrize("orphaned", [False, True], ids=["its_child", "nobodys_child"])
def test_a_unit_that_only_watches_is_not_hit_in_place_of_what_serves(units, orphaned):
    units.make("fl-watcher", watcher_service=WATCHER)
    payload, watcher = units.served(18192), units.main("fl-watcher")
    if orphaned:
        units.node.sh(f"kill -KILL {watcher}")
        watcher = wait_for(lambda: next(iter({units.main("fl-watcher")} - {0, watcher}), None))
    for action, options in (("freeze", {"duration": 5}), ("kill", {}), ("unplug", {"duration": 5, "port": 18192}), ("crash_loop", {"duration": 5})):
        answer = units.node.refused("fl-watcher", action, grep="server.py watch", **options)
        assert answer["failure"]["code"] == "watcher", answer.output
        assert f"[{payload}] in fl-payload.scope" in answer["msg"] and "Give fl-payload.scope as unit" in answer["failure"]["hint"]
    assert units.answers(18192) == payload and units.main("fl-watcher") == watcher
    # what was said is what helps
    frozen = units.node.fault("fl-watcher", "freeze", unit="fl-payload.scope", duration=LONG)
    assert pids(frozen["proof"]["stopped"]) == {payload} and units.answers(18192, 1) is None
    units.node.heal(frozen)
    assert units.answers(18192) == payload


@pytest.mark.parametrize("action", ["restart", "terminate"])
def test_a_watching_unit_takes_what_serves_along_when_it_is_stopped(units, action):
    units.make("fl-watcher", watcher_service=WATCHER)
    payload = units.served(18192)
    answer = units.node.fault("fl-watcher", action, wait=True, **({"duration": 2} if action == "terminate" else {}))
    assert payload in pids(answer["proof"]["gone"])
    assert units.served(18192) != payload


def test_what_the_pattern_finds_elsewhere_is_not_hit_by_its_unit(units):
    units.make("fl-one fl-two", one_service=f"[Service]\n{RUN} alone 18193\n", two_service=f"[Service]\n{RUN} alone 18194\n")
    first, second = units.served(18193), units.served(18194)
    answer = units.node.refused("fl-one", "kill", grep="server.py alone 18194$")
    assert answer["failure"]["code"] == "elsewhere" and f"python3[{second}] in fl-two.service" in answer["msg"]
    units.make("fl-three", three_service="[Service]\nExecStart=/bin/sleep infinity\n")
    answer = units.node.refused("fl-three", "kill", port=["tcp", 18194])
    assert answer["failure"]["code"] == "elsewhere" and f"what listens on tcp 18194 is python3[{second}] in fl-two.service" in answer["msg"]
    # where they agree in part, it is told
    answer = units.node.fault("fl-one", "freeze", grep="server.py alone", port=[["tcp", 35357]], duration=2, wait=True)
    assert pids(answer["proof"]["stopped"]) == {first}
    assert any(f"python3[{second}] in fl-two.service" in note and "not meant" in note for note in answer["notes"])
    assert "fl-one.service does not listen on tcp 35357, but on tcp 18193" in answer["notes"]
    assert "tcp 35357" in answer["msg"]
    assert units.answers(18194) == second


def test_of_a_unit_that_has_exited_the_process_that_it_left_is_hit(units):
    start = ("/usr/bin/systemd-run --quiet --scope --collect -p TimeoutStopSec=2 --unit=fl-left.scope "
             "/usr/bin/setsid --fork /usr/bin/python3 /opt/fl-units/server.py alone 18195")
    units.make("fl-script", script_service=(
        f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={start}\nExecStop=/usr/bin/systemctl stop fl-left.scope\n"))
    server = units.served(18195)
    assert units.node.sh("systemctl show -p SubState --value fl-script") == "exited"
    answer = units.node.refused("fl-script", "kill")
    assert answer["failure"]["code"] == "not_running" and "give grep or port" in answer["failure"]["hint"]
    for known in ({"grep": "server.py alone 18195"}, {"port": ["tcp", 18195]}):
        answer = units.node.fault("fl-script", "freeze", duration=2, wait=True, **known)
        assert pids(answer["proof"]["stopped"]) == {server} and "fl-script.service has no process of its own" in answer["msg"]
    answer = units.node.refused("fl-script", "crash_loop", grep="server.py alone 18195", duration=5)
    assert answer["failure"]["code"] == "watcher" and units.answers(18195) == server
    answer = units.node.fault("fl-script", "terminate", grep="server.py alone 18195", duration=2, wait=True)
    assert pids(answer["proof"]["gone"]) == {server} and units.served(18195) != server
    # nobody knows who would start it: it is waited for
    answer = units.node.refused("fl-script", "kill", grep="server.py alone 18195", wait=True, recovery_timeout=1)
    assert "within 1 seconds" in answer["msg"] and "it is not known whether anything restarts it" in answer["msg"]


def test_one_bad_name_costs_only_its_own_entry(spare):
    before = set(spare.processes("memcached"))
    answer = spare.fault("memcached", "kill", unit=["nova-compute@", "no such thing", "memcached"], wait=True)
    assert pids(answer["proof"]["gone"]) == before
    assert any("'nova-compute@' is a template" in note for note in answer["notes"]) and "'no such thing' is no name of a unit" in answer["msg"]
    answer = spare.refused("nova-compute", "kill", unit=["nova-compute@"], grep="memcached")
    assert answer["failure"]["code"] == "bad_unit" and "name an instance, as nova-compute@1.service" in answer["msg"]


@pytest.mark.parametrize(("settings", "signal", "expected", "says"), [
    ("Restart=always\nRestartPreventExitStatus=SIGKILL", "KILL", False, "nothing is set to restart it (fl-one.service has Restart=always)"),
    ("Restart=on-failure\nSuccessExitStatus=SIGKILL", "KILL", False, "nothing is set to restart it (fl-one.service has Restart=on-failure)"),
    ("Restart=no\nRestartForceExitStatus=SIGKILL", "KILL", True, "Restart=no of fl-one.service starts it again"),
    ("Restart=on-failure", "TERM", False, "nothing is set to restart it"),
    ("Restart=on-success", "TERM", True, "Restart=on-success of fl-one.service"),
    ("Restart=no", "KILL", False, "did not come back: nothing is set to restart it (fl-one.service has Restart=no)"),
])
def test_what_systemd_will_do_is_known_before(units, settings, signal, expected, says):
    units.make("fl-one", one_service=f"[Service]\n{RUN} alone 18193\n{settings}\n")
    units.served(18193)
    planned = units.node.fault("fl-one", "kill", "--check", signal=signal)
    assert says.partition("did not come back: ")[2] in planned["msg"] or says in planned["msg"]
    if expected:
        answer = units.node.fault("fl-one", "kill", signal=signal, wait=True)
        assert answer["proof"]["came_back"]["restarted_by"].startswith(says) and units.served(18193)
    else:
        answer = units.node.refused("fl-one", "kill", signal=signal, wait=True)
        assert says in answer["msg"] and "within" not in answer["msg"]
        assert not units.node.active("fl-one")
    assert answer["proof"]["came_back"]["expected"] is expected


def test_what_comes_back_is_judged_by_the_units_that_were_hit(units):
    units.make("fl-one fl-two", one_service=f"[Service]\n{RUN} alone 18193\nRestart=always\nRestartSec=100ms\n",
               two_service="[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n")
    first = units.served(18193)
    answer = units.node.fault("fl-both", "kill", unit=["fl-one", "fl-two"], wait=True)
    assert pids(answer["proof"]["gone"]) == {first} and answer["proof"]["came_back"]["expected"] is True
    assert units.served(18193) != first


def test_a_socket_starts_its_service_with_the_next_connection(units):
    units.make("fl-woken.socket fl-woken.service", woken_socket="[Socket]\nListenStream=127.0.0.1:18196\n",
               woken_service=f"[Service]\n{RUN} inherit 0\n")
    before = units.served(18196)
    answer = units.node.fault("fl-woken", "kill", wait=True)
    came_back = answer["proof"]["came_back"]
    assert pids(answer["proof"]["gone"]) == {before} and came_back["back"] is True and came_back["expected"] is None
    assert came_back["restarted_by"] == "fl-woken.socket starts it with its next connection"
    assert units.served(18196) not in (None, before)


@pytest.mark.parametrize(("kind", "trigger", "says"), [
    ("timer", "[Timer]\nOnUnitInactiveSec=1s\nAccuracySec=100ms\n", "fl-woken.timer starts it at its next time"),
    # systemd looks at the path when the service has ended, and it is there
    ("path", "[Path]\nPathExists=/opt/fl-units/server.py\n", "fl-woken.path starts it when its path changes"),
])
def test_a_timer_or_a_path_that_starts_a_service_is_named_and_kept_from_it(units, kind, trigger, says):
    units.make("fl-woken.service", woken_service=f"[Service]\n{RUN} alone 18196\n", **{f"woken_{kind}": trigger})
    units.node.sh(f"systemctl start fl-woken.{kind}")
    before = units.served(18196)
    killed = units.node.fault("fl-woken", "kill", wait=True)
    came_back = killed["proof"]["came_back"]
    assert pids(killed["proof"]["gone"]) == {before} and came_back["back"] is True and came_back["expected"] is None and came_back["restarted_by"] == says
    assert units.served(18196) != before
    down = units.node.fault("fl-woken", "terminate", duration=LONG)
    assert not units.node.active(f"fl-woken.{kind}") and not units.node.active("fl-woken.service") and units.answers(18196) is None
    units.node.heal(down)
    assert units.served(18196) and units.node.active(f"fl-woken.{kind}")


def test_a_mixed_unit_is_hit_whole_and_each_of_its_doors_is_silent(units):
    # its own stop tells the main process only, and kills what is left: none of them stays
    units.make("fl-mixed", mixed_service=f"[Service]\n{RUN} workers 18190 18191\nKillMode=mixed\nRestart=on-failure\nRestartSec=100ms\n")
    helper, worker = units.served(18191), units.served(18190)
    killed = units.node.fault("fl-mixed", "kill", wait=True)
    assert {helper, worker} < pids(killed["proof"]["gone"]) and killed["targets"][0]["left_alone"] == [] and killed["notes"] == []
    assert units.served(18191) != helper and units.served(18190) != worker
    frozen = units.node.fault("fl-mixed", "freeze", duration=LONG)
    assert units.answers(18190, 1) is None and units.answers(18191, 1) is None
    units.node.heal(frozen)
    helper = units.served(18191)
    down = units.node.fault("fl-mixed", "terminate", duration=LONG)
    assert helper in pids(down["proof"]["gone"]) and units.answers(18190) is None and units.answers(18191) is None
    units.node.heal(down)
    assert units.served(18190) and units.served(18191) != helper


def test_a_unit_that_ran_into_its_start_limit_says_so(units):
    units.make("fl-one", one_service=f"[Unit]\nStartLimitBurst=1\nStartLimitIntervalSec=600\n[Service]\n{RUN} alone 18193\nRestart=always\nRestartSec=0\n")
    units.served(18193)
    answer = units.node.refused("fl-one", "kill", wait=True, recovery_timeout=5)
    assert "within 5 seconds" in answer["msg"] and "systemd has given up on fl-one.service" in answer["msg"]


def test_what_nothing_can_start_again_has_no_undo(units):
    units.node.sh("systemd-run --quiet --unit=fl-passing.service /usr/bin/python3 /opt/fl-units/server.py alone 18197")
    server = units.served(18197)
    planned = units.node.fault("fl-passing", "terminate", "--check")
    assert planned["undo"]["state"] == "none" and "undo: none. fl-passing.service is a transient unit" in planned["msg"]
    refused = units.node.refused("fl-passing", "terminate", duration=5)
    assert refused["failure"]["code"] == "no_undo" and units.answers(18197) == server
    options = {"driver": "process", "grep": "server.py alone 18197"}
    planned = units.node.fault("my-app", "terminate", "--check", **options)
    assert planned["undo"]["state"] == "none" and "undo: none. Its definition has no start_cmd" in planned["msg"]
    # of a pattern nobody knows who would start it
    answer = units.node.refused("my-app", "kill", wait=True, recovery_timeout=1, **options)
    assert "within 1 seconds" in answer["msg"] and "it is not known whether anything restarts it" in answer["msg"]
    assert "main needs a unit" in units.node.refused("my-app", "kill", processes="main", **options)["msg"]
