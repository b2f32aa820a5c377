# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""os_fault and disrupt as Ansible runs them, in check mode on hosts that do not exist: whoever connects, fails."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from warm_ansible import run_ansible

HOSTS = [f"n{n}" for n in range(1, 8)]
MANY = "kill nova-api service on one node"


@pytest.fixture(scope="module")
def inventory(tmp_path_factory):
    """Seven hosts at addresses that lead nowhere; nova-api on six of them, own-api on nobody knows which."""
    path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    hosts = {host: {"ansible_host": f"192.0.2.{n}", "ansible_ssh_timeout": 2} for n, host in enumerate(HOSTS, start=1)}
    hosts["n1"]["faultline_services"] = {"nova-api": {"start_cmd": "{{ 'api' | upper }}", "driver": "process", "grep": "api"}}
    children = {"service_nova_api": {"hosts": {host: None for host in HOSTS[:6]}}, "few": {"hosts": {"n6": None, "n7": None}}}
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts, "children": children}}))
    return path


@pytest.fixture
def play(inventory, tmp_path):
    """Run a play of tasks in check mode; the result of each task as task name -> host -> result, and the process."""

    def run(tasks, *options, extra=None, **keywords):
        path = tmp_path / "play.yml"
        if tasks is not None:
            path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks, **keywords}]))
        target = "faultline.openstack.disrupt" if tasks is None else str(path)
        done = run_ansible(["ansible-playbook", "-i", str(inventory), "--check", target, *options, *(["-e", json.dumps(extra)] if extra else [])])
        said = [(host, json.loads(result)) for host, result in re.findall(r"^SAY (\S+) (.*)$", _said(done.stdout), re.MULTILINE)]
        done.results = dict(reversed(said))  # what each host said first; and then what it said last
        done.both = done.results, dict(said)
        return done

    return run


def _said(output):
    """The lines that the tasks below print: default output has them as JSON strings."""
    return "\n".join(json.loads(f'"{line}"') for line in re.findall(r'"msg": "(SAY .*)"', output))


def fault(do, **options):
    return {"faultline.openstack.os_fault": {"do": do, **options}, "register": "result", "name": "fault"}


SAY = {"ansible.builtin.debug": {"msg": "SAY {{ inventory_hostname }} {{ result | to_json }}"}, "name": "say"}


def agreed(results, hosts=HOSTS[:6], number=1):
    """All hosts made the same choice, and exactly those that are chosen act; the choice."""
    assert sorted(results) == HOSTS
    choices = {(result["seed"], tuple(result["chosen"])) for result in results.values()}
    assert len(choices) == 1, choices
    chosen = list(choices.pop()[1])
    assert len(chosen) == number and set(chosen) <= set(hosts)
    for host, result in results.items():
        assert result["changed"] is (host in chosen)
        assert result.get("skipped", False) is (host not in chosen)
    return chosen


@pytest.mark.parametrize("keywords", [
    {}, {"strategy": "free"}, {"strategy": "host_pinned"}, {"serial": 1}, {"serial": [1, "50%"]}, {"strategy": "free", "serial": 2},
    {"order": "reverse_sorted"}, {"strategy": "linear", "throttle": 1},
], ids=str)
def test_all_hosts_agree_without_a_seed(play, tmp_path, keywords):
    (tmp_path / "included.yml").write_text(json.dumps([fault(MANY), SAY]))
    done = play([fault(MANY), SAY, {"ansible.builtin.include_tasks": "included.yml"}], **keywords)
    assert done.returncode == 0, done.stdout
    plain, included = done.both
    agreed(plain)
    agreed(included)
    assert plain["n1"]["seed"] != included["n1"]["seed"]


def test_every_run_draws_a_new_seed_and_a_given_one_repeats_it(play):
    first, second = (play([fault(MANY), SAY]).results for turn in range(2))
    assert first["n1"]["seed"] != second["n1"]["seed"]
    again = play([fault(MANY, seed=first["n1"]["seed"]), SAY]).results
    assert agreed(again) == agreed(first)


def test_the_plan_is_the_result(play):
    result = play([fault("freeze nova-api service on n1 node for 5 seconds", wait=True), SAY]).results["n1"]
    assert result["sentence"] == "freeze nova-api service on n1 node for 5 seconds"
    assert result["intent"]["selector"]["names"] == ["n1"]
    assert result["undo"] == {"state": "planned", "steps": ["unfreeze after 5 seconds"]}
    assert result["steps"] == [{
        "module": "faultline.openstack.os_service_fault",
        # a template in the user's own inventory is the user's; it is filled in as os_service_fault does it
        "args": {"service": "nova-api", "action": "freeze", "duration": 5, "driver": "process", "grep": "api", "start_cmd": "API", "wait": True},
    }]


def test_which_processes_are_meant_is_passed_on_to_the_module(play):
    results = play([fault(MANY, seed="s", processes="all"), SAY]).results
    (chosen,) = agreed(results)
    assert results[chosen]["steps"][0]["args"]["processes"] == "all"


@pytest.mark.parametrize("text, code, piece", [
    ("kil nova-api service", "sentence", "Did you mean kill?"),
    ("kill nova-apo service", "unknown_service", "Did you mean nova-api"),
    ("partition n1 node from n1 node", "both_sides", "n1 would be on both sides"),
    ("kill own-api service", "unknown_service", "Unknown service 'own-api'"),
    ("kill mysql service", "unmapped", "Nobody has looked yet where the service mysql runs."),
])
def test_refusals(play, text, code, piece):
    done = play([{**fault(text), "ignore_errors": True}, SAY])
    for result in done.results.values():
        assert (result["failed"], result["changed"], result["failure"]["code"]) == (True, False, code)
        assert piece in result["msg"]
        assert "^" in result["msg"].splitlines()[-1]


def test_who_was_left_out_is_told_by_the_task_too(play, tmp_path):
    """skip_unmapped goes on without those of which it is not known, and does not hide them."""
    hosts = {host: {"faultline_services": {}} for host in HOSTS}
    hosts["n1"]["faultline_services"] = {"own-api": {"driver": "process", "grep": "own"}}
    hosts["n2"]["faultline_unseen"] = {"services": {"own-api": "systemctl told nothing"}}
    (tmp_path / "more.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    results = play([fault("kill own-api service", skip_unmapped=True), SAY], "-i", str(tmp_path / "more.yml")).results
    assert sorted(results) == HOSTS
    for result in results.values():
        assert (result["chosen"], result["left_out"]) == (["n1"], {"n2": "systemctl told nothing"})
    assert results["n1"]["msg"].endswith("; leaves out n2, where it could not be looked for: systemctl told nothing.")


def test_a_sentence_is_never_templated_again(play, tmp_path):
    text = f"kill {{{{ lookup('ansible.builtin.pipe', 'touch {tmp_path}/ran') }}}} service"
    (tmp_path / "sentence").write_text(text)
    done = play([{**fault(f"{{{{ lookup('ansible.builtin.file', '{tmp_path}/sentence') }}}}"), "ignore_errors": True}, SAY])
    result = done.results["n1"]
    assert result["sentence"] == text
    assert "'{{' is not understood after 'kill'" in result["msg"]
    assert not (tmp_path / "ran").exists()


def test_the_controller_itself_is_refused(play):
    done = play([{**fault("kill nova-api service on n2 node"), "ignore_errors": True}, SAY], connection="local")
    assert done.results["n2"]["failure"]["code"] == "guarded"
    done = play([fault("kill nova-api service on n2 node"), SAY], extra={"faultline_allow_local": True}, connection="local")
    assert done.results["n2"]["changed"]


def test_no_other_host_by_delegation(play):
    done = play([{**fault("kill nova-api service on n2 node"), "ignore_errors": True, "delegate_to": "n3"}, SAY])
    assert done.results["n2"]["failure"]["code"] == "delegated"


def test_a_chosen_host_has_to_be_in_the_play(play):
    done = play([{**fault(MANY, among=["n1"]), "ignore_errors": True}, SAY], "--limit", "n2,n3")
    assert {result["failure"]["code"] for result in done.results.values()} == {"not_in_play"}


def test_a_list_is_for_plans_only(play):
    done = play([{**fault(["kill nova-api service"]), "ignore_errors": True}, SAY])
    assert done.results["n1"]["msg"].startswith("A sentence is text, not a list.")


def test_the_stub_fails_clearly_as_a_module(capsys):
    from ansible.module_utils.testing import patch_module_args
    from ansible_collections.faultline.openstack.plugins.modules import os_fault

    with patch_module_args({"do": MANY}), pytest.raises(SystemExit):
        os_fault.main()
    assert "os_fault is an action of the controller" in json.loads(capsys.readouterr().out)["msg"]


# ---- disrupt ----------------------------------------------------------------------------------------------------


def test_disrupt_prints_the_plan_and_connects_to_nothing(play, tmp_path):
    file = tmp_path / "plan.json"
    done = play(None, extra={"fault": [MANY, "freeze nova-api service on 50% of nodes for 1 minute"], "seed": "7", "plan_file": str(file)})
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    first, second = written["plans"]
    assert (first["seed"], second["seed"]) == ("7", "7/2")
    assert list(first["hosts"]) == first["chosen"] and len(second["chosen"]) == 3
    assert f"  hits {first['chosen'][0]} (of 6; seed 7); undo: none" in done.stdout
    assert f"  hits {', '.join(second['chosen'])} (of 6; seed 7/2); undo: unfreeze after 60 seconds" in done.stdout
    assert f"  {first['chosen'][0]}: faultline.openstack.os_service_fault " in done.stdout
    assert "unreachable=1" not in done.stdout
    # others warn of this machine as they like
    warnings = re.findall(r"^\[WARNING\]: (.*(?:\n(?!\[|\n).*)*)", done.stdout + done.stderr, re.MULTILINE)
    assert not [each for each in warnings if re.search("faultline|os_fault", each)], warnings


def test_disrupt_makes_the_choice_that_the_task_makes(play, tmp_path):
    file = tmp_path / "plan.json"
    play(None, extra={"fault": MANY, "seed": "x", "plan_file": str(file)})
    assert json.loads(file.read_text())["plans"][0]["chosen"] == agreed(play([fault(MANY, seed="x"), SAY]).results)


def test_disrupt_stays_within_the_limit_and_says_so(play):
    done = play(None, "--limit", "n3,n7", extra={"fault": MANY})
    assert done.returncode == 0
    assert "  hits n3 (of 1; seed " in done.stdout
    assert "  never hits n1, n2, n4, n5, n6: outside of --limit" in done.stdout
    done = play(None, "--limit", "n3,n7", extra={"fault": "kill nova-api service on n4 node"})
    assert done.returncode != 0
    assert "The node n4 is not among the hosts to choose from, because of --limit" in done.stdout + done.stderr


def test_disrupt_refuses_before_anything_else(play):
    for text in ("please do not reboot nodes", "kill nova-api service on 9 nodes", ["kill nova-api service", "kill nova-apo service"]):
        done = play(None, extra={"fault": text})
        assert done.returncode == 2
        assert "Break, prove, heal" not in done.stdout
        assert "unreachable=1" not in done.stdout


def test_disrupt_refuses_an_empty_list_and_a_plan_that_cannot_be_written(play):
    for extra, piece in (({"fault": []}, "There is no sentence."), ({"fault": MANY, "plan_file": "/no/such/file"}, "No such file or directory")):
        done = play(None, extra=extra)
        assert done.returncode == 2
        assert piece in done.stdout + done.stderr


def test_disrupt_without_a_fault(play):
    done = play(None)
    assert done.returncode == 2
    assert "give a sentence as the variable fault" in done.stdout + done.stderr


def test_disrupt_tells_whom_it_could_not_ask(play):
    done = play(None, extra={"fault": "kill mysql service on one node"})
    assert done.returncode == 2
    assert "There is no node that runs mysql to choose from. Left out because they do not answer: n2, n3, n4, n5, n6, n7." in done.stdout + done.stderr


# ---- routers in debug


@pytest.mark.parametrize(("extra", "words"), [
    ({"faultline_cloud": "nowhere"}, "Nobody knows which routers are in debug: There is no cloud nowhere in "),
    ({"faultline_cloud": ["nowhere"]}, "is no name. Give the name of a cloud in clouds.yaml."),
    ({"faultline_cloud": "nowhere", "faultline_allow_debug": True}, None),
    ({}, None),
])
def test_a_fault_that_concerns_routers_wants_to_know_their_marks(play, extra, words):
    done = play([fault("reboot one node in few"), SAY], extra=extra)
    assert (done.returncode == 0) is (words is None), done.stdout
    if words:
        # every host comes to it by itself, and none goes on
        assert done.stdout.count("Nobody knows" if "Nobody" in words else "is no name") >= len(HOSTS) and words in " ".join(done.stdout.split())
        assert "set the variable faultline_allow_debug to true. Nothing was touched." in " ".join(done.stdout.split())


def test_a_fault_that_concerns_none_asks_for_no_marks(play):
    assert play([fault(MANY), SAY], extra={"faultline_cloud": "nowhere"}).returncode == 0


# -- what the definition says of the undo -----------------------------------------------------------------------------

NO_START = """
cloud_management: {driver: universal}
node_discover: {driver: node_list, args: [{ip: 192.0.2.11, fqdn: ctl1}, {ip: 192.0.2.12, fqdn: ctl2}]}
services:
  app: {driver: process, args: {grep: my_app}, hosts: [192.0.2.11, 192.0.2.12]}
"""


@pytest.fixture(name="without_start")
def fixture_without_start(tmp_path):
    """without_start(sentence): the plan of disrupt --check with a service that nothing can start again; ctl2 has a definition of its own if `own`."""
    (tmp_path / "os-faults.yaml").write_text(NO_START)

    def run(sentence, own=None):
        path = tmp_path / "host_vars" / "ctl2.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({"faultline_services": {"app": own}} if own else {}))
        done = run_ansible([
            "ansible-playbook", "-i", str(tmp_path / "os-faults.yaml"), "--check", "faultline.openstack.disrupt", "-e", json.dumps({"fault": sentence})])
        done.said = " ".join(done.stdout.split())
        return done

    return run


def test_a_plan_says_undo_none_where_nothing_can_start_it_again(without_start):
    done = without_start("terminate app service")
    assert done.returncode == 0, done.stdout
    assert "undo: none: its definition has no start_cmd, so nothing starts it again" in done.said
    assert "processes that match 'my_app'; asks the ports that it listens on there" in done.said
    assert "which processes are hit and which are left alone, and which ports answer, only the host can tell" in done.said


def test_a_plan_refuses_a_duration_where_nothing_can_start_it_again(without_start):
    done = without_start("terminate app service for 30 seconds")
    assert done.returncode == 2 and "ctl1: terminate of app has no undo, so a duration has no meaning for it" in done.said
    assert "Add start_cmd to its definition, or leave the duration out. Nothing was touched." in done.said


def test_a_plan_looks_at_the_definition_of_each_host(without_start):
    done = without_start("terminate app service", own={"driver": "process", "grep": "other", "start_cmd": "/bin/other"})
    assert done.returncode == 0, done.stdout
    assert "nothing starts it again (on ctl1); start, when you ask for it (on ctl2)" in done.said and "match 'other'" in done.said
