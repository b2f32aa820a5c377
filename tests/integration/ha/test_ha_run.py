# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ha_test on the lab's three controllers: what it measures, how it ends early, and what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
import yaml
from lab_names import address
from lab_nodes import LAB, ROOT, wait_for
from patience import HANG, more_time
from warm_ansible import run_ansible

from ansible_collections.faultline.openstack.plugins.module_utils._ha import _process

# seconds that a service is down for those who have to see it, though this machine may stand still meanwhile
SEEN = 12
# a service that nothing else needs for a moment
STOPPED = {"module": "os_service_fault", "args": {"service": "memcached", "action": "terminate"}, "hosts": ["ctl1"], "cool_down": 3}


class Run:
    """ansible-playbook ha_test in the background. process; folder: of its runs."""

    def __init__(self, folder, scenario, *options, inventory=LAB / "os-faults.yaml"):
        folder.mkdir()
        self.folder = folder / "runs"
        path = folder / "scenario.yml"
        path.write_text(scenario if isinstance(scenario, str) else yaml.safe_dump(scenario))
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["ansible-playbook", "faultline.openstack.ha_test", *(["-i", str(inventory)] if inventory else []), "-e", f"ha_test_scenario={path}",
                 "-e", f"ha_test_dir={self.folder}", "-e", "ha_test_progress=2", *options],
                cwd=ROOT, env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(LAB / "clouds.yaml"), "ANSIBLE_NOCOLOR": "1"}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def output(self):
        return self.log.read_text(errors="replace")

    @property
    def path(self):
        (path,) = self.folder.iterdir()
        return path

    def read(self, name):
        return json.loads((self.path / name).read_text())

    def wait(self):
        # there are many steps that may each take long
        return self.process.wait(2 * HANG)

    def wait_for_event(self, kind):
        def there():
            assert self.process.poll() is None, self.output
            path = next(iter(self.folder.glob("*/events.jsonl")), None) if self.folder.exists() else None
            # a line that is being written is none yet
            return path and any(json.loads(line)["kind"] == kind for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))

        wait_for(there)

    def end(self):
        """Leave nothing of it at work."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for path in self.folder.glob("*/samples/*.pid"):
            _process.stop(str(path), HANG)


def scenario(*disruptions, **keys):
    monitors = [{"type": "tcp", "name": "ports", "targets": [{"name": "memcached", "host": "ctl1", "port": 11211}]}]
    return {
        "name": "test", "cloud": "faultline-lab", "health": {"timeout": HANG, "services": ["keystone"]}, "baseline": 2, "cool_down": 2, "clean_run": False,
        "monitors": monitors, "disruptions": list(disruptions), **keys}


@pytest.fixture
def run(tmp_path, lab, clean):
    """run(scenario): a Run; the nodes that it hits have to be as before in the end."""
    with clean(lab["ctl1"]):
        started = []

        def begin(*args, **keys):
            started.append(Run(tmp_path / f"run{len(started)}", *args, **keys))
            return started[-1]

        try:
            yield begin
        finally:
            for each in started:
                each.end()


@pytest.mark.gate
def test_a_run_measures_what_it_breaks_and_passes(run, lab):
    units = {"type": "systemd", "name": "units", "on": ["ctl1"], "units": ["memcached"], "rate": 5}
    criteria = [
        {"name": "short", "metric": "longest_outage", "of": "ports:*", "at_most": HANG}, {"name": "well", "metric": "correctness", "at_most": 0}]
    checks = {
        "down_check": {"series": "units:memcached on {host}", "timeout": HANG},
        "up_check": {"probe": {"type": "tcp", "targets": [{"host": "ctl1", "port": 11211}]}, "timeout": HANG}}
    done = run(scenario({**STOPPED, "down_time": SEEN, **checks}, monitors=[*scenario()["monitors"], units], load=[
        {"type": "command", "name": "busy", "command": ["true"], "times": 5, "pause": 1}], **{"pass": criteria}))
    assert done.wait() == 0, done.output
    report = done.read("report.json")
    assert report["verdict"]["state"] == "passed"
    (injection,) = done.read("injections.json")
    assert injection["state"] == "undone" and injection["proven"] is True and injection["held"] is True and injection["residue"] == []
    assert SEEN - 0.1 < injection["undone"] - injection["injected"]
    (told,) = report["injections"]
    assert [(each["kind"], each["ok"]) for each in told["checks"]] == [("down_check", True), ("up_check", True)], told["checks"]
    assert all(0 <= each["after"] for each in told["checks"]) and any(each["key"] == "probe-d1:ctl1:11211" for each in report["series"])
    # both who look from here and who look on the host have seen it, for as long as it was
    for name in ("ports.jsonl", "units@ctl1.jsonl"):
        samples = [json.loads(line) for line in (done.path / "samples" / name).read_text().splitlines()[1:-1]]
        off, on = injection["injected"] + 1, injection["injected"] + SEEN - 1
        down = [each["outcome"] for each in samples if off < each["start"] and each["start"] + each["duration"] < on]
        assert len(down) >= 3 and "ok" not in down, (name, down)
        before = {each["outcome"] for each in samples if each["start"] + each["duration"] < told["at"]}
        assert before == {"ok"} and samples[-1]["outcome"] == "ok", name
        end = json.loads((done.path / "samples" / name).read_text().splitlines()[-1])
        # that none is lost is test_ha_monitor's, which asks once more where this machine had no processor for a whole period
        assert end["taken"] == len(samples) >= 30, end
    assert len((done.path / "load" / "busy.disrupted.jsonl").read_text().splitlines()) == 7
    for name in ("report.html", "junit.xml", "faultline_ha.prom"):
        assert (done.path / name).stat().st_size > 500
    assert "injected  d1" in done.output and "PASSED" in done.output
    # nothing of it is left on the host
    assert lab["ctl1"].sh("ls -d /var/tmp/faultline-* 2>/dev/null", check=False) == ""


def test_a_node_that_is_called_localhost_is_hit_and_the_controller_watches(run, lab, tmp_path):
    """What runs on the controller, the look at the cloud, its monitors and the load, is not sent to that node."""
    path = tmp_path / "os-faults.yaml"
    cloud = yaml.safe_load((LAB / "os-faults.yaml").read_text())
    cloud["node_discover"]["args"][0]["fqdn"] = "localhost"
    path.write_text(yaml.safe_dump(cloud))
    marker = tmp_path / "the load was here"
    certify = run(scenario(
        {**STOPPED, "hosts": ["localhost"], "down_time": SEEN},
        monitors=[{"type": "tcp", "name": "ports", "targets": [{"name": "memcached", "host": "localhost", "port": 11211}]}],
        load=[{"type": "command", "name": "touch", "command": ["touch", str(marker)]}]), inventory=path)
    certify.wait()
    (entry,) = certify.read("injections.json")
    assert entry["host"] == "localhost" and entry["proven"] and entry["state"] == "undone", certify.output
    assert certify.read("cloud.before.json")["errors"] == [] and marker.exists(), certify.output
    assert lab["ctl1"].sh(f"test -e '{marker}' && echo there || echo absent") == "absent"
    # the port of that node was down, seen from here
    samples = [json.loads(line) for line in (certify.path / "samples" / "ports.jsonl").read_text().splitlines()[1:-1]]
    assert {each["outcome"] for each in samples} > {"ok"}


def test_a_criterion_that_is_not_met_fails_the_run(run):
    done = run(scenario({**STOPPED, "down_time": SEEN}, **{"pass": [{"name": "never down", "metric": "downtime", "of": "ports:*", "at_most": 1}]}))
    assert done.wait() == 2 and done.read("report.json")["verdict"]["state"] == "failed"
    assert "never down" in done.output


def test_what_is_not_injected_never_passes(run, lab):
    for delay in more_time(12):
        broken = run(scenario({**STOPPED, "args": {"service": "memcached", "action": "freeze"}, "down_time": 3, "delay": delay}))
        broken.wait_for_event("phase")
        wait_for(lambda run=broken: lab["ctl1"].open_faults() or run.process.poll() is not None)
        # it is gone when its moment comes
        lab["ctl1"].sh("systemctl stop memcached")
        gone = time.time()
        try:
            status = broken.wait()
        finally:
            lab["ctl1"].sh("systemctl start memcached")
        (injection,) = broken.read("injections.json")
        if gone < injection["planned"]:
            break
    assert status == 2
    assert injection["state"] == "aborted" and injection["proven"] is False and "no process" in injection["failure"]
    assert any(each["state"] == "not evaluated" for each in broken.read("report.json")["criteria"])


def test_a_condition_ends_the_run_and_undoes_everything_at_once(run, lab):
    ended = run(scenario({**STOPPED, "down_time": 2 * HANG}, abort=[{"series": "ports:memcached", "down_for": 3}]))
    assert ended.wait() == 2, ended.output
    assert "ABORT: ports:memcached was down for more than 3 seconds" in ended.output
    (injection,) = ended.read("injections.json")
    assert injection["state"] == "undone" and injection["undone"] - injection["injected"] < 2 * HANG
    assert lab["ctl1"].active("memcached") and ended.read("run.json")["state"] == "aborted"


def test_a_host_that_does_not_answer_ends_the_run_healed_and_reported(run, lab, tmp_path):
    more = tmp_path / "more.yml"
    more.write_text(yaml.safe_dump({"all": {"hosts": {"gone": {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_user": "root"}}}}))
    ended = run(scenario(STOPPED, {**STOPPED, "hosts": ["gone"]}), "-i", str(more))
    assert ended.wait() == 2, ended.output
    assert "Go on only if every host took part: gone: " in ended.output and "UNREACHABLE" in ended.output
    told = {each["host"]: each["state"] for each in ended.read("injections.json")}
    assert told["ctl1"] == "aborted" and told["gone"] not in ("injected", "undone"), told
    assert lab["ctl1"].active("memcached") and lab["ctl1"].open_faults() == []
    report = ended.read("report.json")
    assert ended.read("run.json")["state"] == "aborted" and report["verdict"]["state"] == "failed" and (ended.path / "report.html").exists()


def test_an_interrupted_run_undoes_everything_at_once(run, lab):
    interrupted = run(scenario({**STOPPED, "down_time": 4 * HANG}))
    interrupted.wait_for_event("injected")
    wait_for(lambda: not lab["ctl1"].active("memcached"))
    # as Ctrl-C
    os.kill(interrupted.process.pid, signal.SIGINT)
    interrupted.wait()
    wait_for(lambda: lab["ctl1"].active("memcached") and lab["ctl1"].open_faults() == [])
    wait_for(lambda: interrupted.read("run.json")["state"] == "aborted")
    wait_for(lambda: "Everything is undone" in (interrupted.path / "guard.log").read_text())


def test_a_killed_run_heals_by_itself_and_is_reported(run, lab):
    for down_time in more_time(15):
        killed = run(scenario({**STOPPED, "down_time": down_time}))
        killed.wait_for_event("injected")
        faults = lab["ctl1"].open_faults()
        for pid in (*guards(killed.path), killed.process.pid):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(killed.process.pid, signal.SIGKILL)
        gone = time.time()
        lab["ctl1"].wait_healed()
        wait_for(lambda: lab["ctl1"].active("memcached"))
        killed.end()
        # or the run was still there when it healed
        if faults and gone < lab["ctl1"].record(faults[0])["undone"]:
            break
    assert lab["ctl1"].record(faults[0])["state"] == "undone"
    healed = run_ansible(["ansible-playbook", "faultline.openstack.heal", "-i", str(LAB / "os-faults.yaml")])
    assert healed.returncode == 0 and "nothing is left" in healed.stdout, healed.stdout
    reported = run_ansible(["ansible-playbook", "faultline.openstack.ha_test", "-i", str(LAB / "os-faults.yaml"), "-e", f"ha_test_report={killed.path}"])
    assert reported.returncode == 2 and "FAILED" in reported.stdout, reported.stdout
    report = killed.read("report.json")
    assert report["verdict"]["state"] == "failed" and (killed.path / "report.html").exists()
    assert any("memcached" in each["key"] for each in report["series"])


def guards(path):
    """PIDs of the guards of a run."""
    found = []
    for each in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"_ha/_guard.py" in each.read_bytes() and (each.parent / "fd" / "1").readlink() == path / "guard.log":
                found.append(int(each.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("keys, words", [
    ({"monitor": []}, "monitor: found an unknown key"),
    ({"disruptions": [{"do": "kill nova-apy service on one node"}]}, "nova-api"),
    ({"disruptions": [{**STOPPED, "down_time": [5, 2]}]}, "an empty range"),
    ({"load": [{"type": "rally", "scenario_file": "not-there.yaml"}]}, "not-there.yaml', which is not there"),
    ({"cloud": "no-such-cloud"}, "There is no cloud no-such-cloud"),
], ids=["key", "service", "range", "load", "credentials"])
def test_a_scenario_that_is_wrong_touches_nothing(run, lab, keys, words):
    before = lab["ctl1"].sh("ls /var/lib/faultline/closed", check=False)
    refused = run({**scenario(STOPPED), **keys})
    assert refused.wait() == 2, refused.output
    assert words in " ".join(refused.output.split()), refused.output
    assert lab["ctl1"].sh("ls /var/lib/faultline/closed", check=False) == before


@pytest.mark.parametrize("options", [{"inventory": None}, {}], ids=["without an inventory", "limited to a host that takes no part"])
def test_a_run_may_break_nothing_and_watch_the_cloud_alone(run, options):
    watched = run(
        scenario(monitors=[{"type": "openstack_api", "name": "api", "services": ["keystone"], "rate": 2}], baseline=3, **{"pass": [
            {"name": "well", "metric": "correctness", "at_most": 0}]}),
        *([] if options else ["--limit", "ctl2"]), **options)
    assert watched.wait() == 0, watched.output
    assert watched.read("report.json")["verdict"]["state"] == "passed" and watched.read("injections.json") == []
    (samples,) = (watched.path / "samples").glob("api*.jsonl")
    assert sum(json.loads(line).get("outcome") == "ok" for line in samples.read_text().splitlines()) > 1


def test_the_machine_that_it_is_run_on_is_only_hit_if_that_is_meant(run, tmp_path):
    more = tmp_path / "more.yml"
    more.write_text(yaml.safe_dump({"all": {"hosts": {"here": {"ansible_connection": "local"}}}}))
    refused = run(scenario({**STOPPED, "hosts": ["here"]}), "-i", str(more))
    assert refused.wait() == 2 and "here has the connection local: the fault would hit the controller itself" in refused.output
    assert not refused.folder.exists()


def test_a_cloud_that_never_answers_ends_the_run_before_anything_is_touched(run):
    # no node of the lab has this address
    nobody = address("255.99")
    deaf = run(scenario(STOPPED, cloud=None, health={"timeout": 6}), "-e", json.dumps({"ha_test_auth": {
        "auth_url": f"http://{nobody}:5000/v3", "username": "admin", "password": "x", "project_name": "admin", "user_domain_name": "Default",
        "project_domain_name": "Default"}}))
    assert deaf.wait() == 2, deaf.output
    assert "Stop unless the cloud is ready" in deaf.read("run.json")["aborted"]["reason"], deaf.output
    (injection,) = deaf.read("injections.json")
    assert injection["state"] == "missing" and injection["failure"] == "It was not armed."


def test_check_mode_tells_the_schedule_and_makes_nothing(run):
    told = run(scenario({**STOPPED, "down_time": 3}), "--check")
    assert told.wait() == 0, told.output
    assert "+0 s ctl1, round 1, undone at +3 s" in told.output and not told.folder.exists()
