# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the actions of clusters learn on the controller."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
import yaml
from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _lookup
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _cluster
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STEERING = {
    "label": {"l1": {"ROLE": ["db"]}}, "images": {"i1": {"OS_IMAGE_NAME": "debian-12"}}, "flavor": {"f1": {"OS_FLAVOR_NAME": "m1.tiny"}},
    "instances": {"a": {"uuid_image": "i1", "uuid_flavour": "f1", "usr_label": ["l1"]}}}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBcEpna70Tlc3tywrZh17KSkOjF+OIbpxynJGtZP7u7j alice@box"


def refused(act, *arguments):
    with pytest.raises(FaultlineError) as told:
        act(*arguments)
    return told.value


@pytest.mark.parametrize("name, text", [
    ("a.json", json.dumps(STEERING)), ("a.steering", json.dumps(STEERING, indent="\t")), ("a.yml", yaml.safe_dump(STEERING)),
    ("a", "{label: {}, images: {1: {OS_IMAGE_NAME: x}}, flavor: {f: {OS_FLAVOR_NAME: y}}, instances: {2: {uuid_image: 1, uuid_flavour: f}}}"),
])
def test_a_steering_file_is_json_or_yaml_whatever_its_name(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = _cluster.steering(str(tmp_path / name))
    assert found == STEERING or found["instances"] == {"2": {"uuid_image": 1, "uuid_flavour": "f"}}


@pytest.mark.parametrize("name, text, code, message", [
    ("a.json", '{"label": }', "bad_steering", "a.json: line 1, column 11: this is not JSON: Expecting value."),
    ("a.cfg", '{"label": {', "bad_steering", "a.cfg: line 1, column 12: this is not JSON: "),
    ("a.json", '{"images": 1, "images": 2}', "bad_steering", "a.json: the key images is there twice."),
    ("a.yml", "label: [", "bad_steering", "a.yml: line 1, column 9: this is not YAML: "),
    ("a.yml", "", "bad_steering", "a.yml: found nothing, expected a mapping with label, images, flavor and instances."),
    ("a.json", "[" * 100000, "bad_steering", "a.json: it has a number of thousands of digits or is nested too deep."),
    ("a.json", '{"label": %s}' % ("1" * 5000), "bad_steering", "a.json: it has a number of thousands of digits or is nested too deep."),
    ("a.yml", "a: &a [*a]\nlabel: *a\n", "bad_steering", "a.yml: 5 problems:"),
    ("a.yml", "x" * 1_000_001, "bad_steering", "a.yml: a steering of more than 1000000 bytes."),
])
def test_a_steering_file_that_is_none(tmp_path, name, text, code, message):
    (tmp_path / name).write_text(text)
    told = refused(_cluster.steering, str(tmp_path / name))
    assert told.code == code and message in told.text


def test_a_steering_file_that_is_not_there(tmp_path):
    (tmp_path / "ceph.json").write_text("{}")
    assert refused(_cluster.steering, str(tmp_path / "cef.json")).text == f"There is no steering file {tmp_path}/cef.json. Did you mean ceph.json?"
    assert refused(_cluster.steering, str(tmp_path)).code == "no_file"
    (tmp_path / "bytes.json").write_bytes(b"\xff")
    assert refused(_cluster.steering, str(tmp_path / "bytes.json")).code == "bad_steering"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 10**6), st.text(max_size=3) | st.sampled_from(["{", "}", '"', "&a", "*a", "!!binary x", "? ", "\x00", "\t", "-", "0x"]),
    st.integers(0, 9))
def test_a_steering_file_with_any_damage_is_read_or_refused(tmp_path, place, text, cut):
    for name, good in (("a.json", json.dumps(STEERING)), ("a.yml", yaml.safe_dump(STEERING))):
        place %= len(good)
        (tmp_path / name).write_text(good[:place] + text + good[place + cut:], encoding="utf-8", errors="replace")
        try:
            assert _cluster.steering(str(tmp_path / name))["instances"]
        except FaultlineError as exc:
            assert exc.code == "bad_steering" and exc.message.startswith(f"{name}: ")


def test_user_data_goes_ways_of_its_own():
    data = {**STEERING, "instances": {"a": {**STEERING["instances"]["a"], "user_data": "hush"}, "b": STEERING["instances"]["a"]}}
    rest, taken = _cluster.without_user_data(data)
    assert taken == {"a": "hush"} and "hush" not in json.dumps(rest) and rest["instances"]["b"] == STEERING["instances"]["a"]


def test_the_first_key_of_ssh_is_taken(tmp_path):
    (tmp_path / ".ssh").mkdir()
    assert refused(_cluster.key, None, tmp_path).text == (
        f"There is no public key in {tmp_path}/.ssh: id_ed25519.pub, id_ecdsa.pub, id_rsa.pub. Make one by ssh-keygen, or name one by public_key.")
    (tmp_path / ".ssh" / "id_rsa.pub").write_text(KEY + "\n")
    assert _cluster.key(None, tmp_path) == _cluster.key(str(tmp_path / ".ssh" / "id_rsa.pub")) == KEY


@pytest.mark.parametrize("text, message", [
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "This is a private key. Give the public one, whose file ends with .pub."),
    ("", "This is no public key of SSH. It is one line, as ssh-ed25519 AAAA... name."),
    (KEY + "\n" + KEY, "This is no public key of SSH. It is one line, as ssh-ed25519 AAAA... name."),
])
def test_what_is_no_public_key(tmp_path, text, message):
    (tmp_path / "k.pub").write_text(text)
    told = refused(_cluster.key, str(tmp_path / "k.pub"))
    assert (told.code, told.text) == ("bad_key", f"{tmp_path}/k.pub: {message}")


def test_a_fingerprint_is_of_the_key_and_not_of_its_comment():
    assert _lookup.fingerprint(KEY) == _lookup.fingerprint(KEY.rsplit(" ", 1)[0]) and len(_lookup.fingerprint(KEY)) == 16


@pytest.mark.parametrize("text, seconds", [("3600", 3600), (7, 7), ("2 hours", 7200), ("1 day", 86400), ("1.5d", 129600), ("2 days 1h30m", 178200)])
def test_an_age(text, seconds):
    assert _cluster.age(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "old", "1 week", "day", "1 day old", None])
def test_what_is_no_age(text):
    assert refused(_cluster.age, text).code == "bad_option"


def test_an_account_file_is_a_login_and_so_is_a_cloud(tmp_path):
    (tmp_path / "a.cfg").write_text('[main]\nusername = "u"\npassword = "p"\nauth_url = "http://c:5000"\ntenant = "t"\nregion = "R1"\n')
    found = _cluster.login({"account_file": str(tmp_path / "a.cfg"), "region_name": None, "state": "absent"})
    assert (found["auth"]["username"], found["region_name"], found["state"]) == ("u", "R1", "absent") and "account_file" not in found
    assert _cluster.login({"account_file": str(tmp_path / "a.cfg"), "region_name": "R2"})["region_name"] == "R2"
    assert refused(_cluster.login, {"account_file": "x", "cloud": "lab"}).text == "account_file is a login, and so is cloud. Give one of them."
    assert _cluster.login({"cloud": "lab", "account_file": None}) == {"cloud": "lab"}


def test_a_place_is_known_by_variables_too(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("CI_", "GITLAB", "GITHUB", "RUNNER", "SSH_", "GPG_", "OS_", "BUILD", "JOB", "AWX", "ZUUL", "EXECUTOR")):
            monkeypatch.delenv(name)
    zuul = {"build": "b1", "tenant": "t", "pipeline": "check", "job": "ceph", "ref": "r", "change": None, "project": {"canonical_name": "opendev.org/p"}}
    assert _cluster.origin({"zuul": zuul})["ZUUL_PROJECT"] == "opendev.org/p"
    monkeypatch.setenv("AWX_HOST", "https://awx")
    monkeypatch.setenv("JOB_ID", "5")
    found = _cluster.origin({"awx_job_template_id": 3})
    assert (found["AWX_JOB_TEMPLATE_ID"], found["AWX_HOST"]) == ("3", "https://awx") and found["WE_HOSTNAME"]


def test_the_terminal_of_a_process():
    leader, follower = pty.openpty()
    try:
        name = os.ttyname(follower)
        with subprocess.Popen(
            [sys.executable, "-c", "import fcntl, termios, sys; fcntl.ioctl(0, termios.TIOCSCTTY, 0); print('x', flush=True); sys.stdin.read()"],
            stdin=follower, stdout=subprocess.PIPE, start_new_session=True, text=True,
        ) as process:
            assert process.stdout.readline() == "x\n"
            assert f"/dev/{_cluster.terminal(process.pid)}" == name
            process.kill()
    finally:
        os.close(leader)
        os.close(follower)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        assert _cluster.terminal(process.pid) == ""
        process.kill()
