# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a VM says of itself, and the commands that it is asked by."""

from __future__ import annotations

import subprocess

import pytest
from patience import HANG

from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _answers, _known_hosts
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

SETTINGS = {"user": "root", "port": 22, "private_key": None, "ssh_args": [], "ping": True}
LSBLK = """\
NAME="vda" MAJ:MIN="254:0" RM="0" SIZE="20G" RO="0" TYPE="disk" MOUNTPOINTS=""
NAME="vda1" MAJ:MIN="254:1" RM="0" SIZE="19.9G" RO="0" TYPE="part" MOUNTPOINTS="/"
NAME="sr0" MAJ:MIN="11:0" RM="1" SIZE="478K" RO="0" TYPE="rom" MOUNTPOINTS="/media/a\\x20b"
"""
BLOCKS = "ram0 0 0 \nsr0 1 0 \nvda 0 0 \nnvme0n1 0 1 \n"
PARTITIONS = """\
major minor  #blocks  name

   1        0      65536 ram0
 254        0      16384 vda
 254        1       1536 vda1
 259        0  104857600 nvme0n1
 259        1     921600 nvme0n1p1
  11        0        478 sr0
"""
MOUNTS = "rootfs / rootfs rw 0 0\n/dev/vda1 /data\\040x ext4 rw 0 0\n"


def said(short="vm", long="vm.example.org", lsblk="", blocks="", partitions="", mounts="", end="faultline:end\n"):
    return (
        f"Welcome\nfaultline:short\n{short}\nfaultline:long\n{long}\nfaultline:lsblk\n{lsblk}faultline:blocks\n{blocks}"
        f"faultline:partitions\n{partitions}faultline:mounts\n{mounts}{end}")


@pytest.mark.parametrize(("text", "short", "long"), [
    (said(), ["vm"], ["vm.example.org"]),
    (said(short="vm.example.org"), ["vm"], ["vm.example.org"]),
    (said(long=""), ["vm"], ["vm"]),
    (said(short="", long=""), [], []),
    (said(long="vm.example.org vm"), ["vm"], ["vm.example.org", "vm"]),
    (said(short="-oProxyCommand=x", long="a;b $(id) ../x"), [], []),
    (said(short="x" * 300), [], ["vm.example.org"]),
])
def test_host_names_are_read_and_nothing_else_is_taken_for_one(text, short, long):
    found = _answers.looked(text)
    assert (found["VM_HOSTNAME_SHORT"], found["VM_HOSTNAME_LONG"]) == (short, long)


@pytest.mark.parametrize("text", ["", "Please login as the user debian\n", said(end=""), said()[:-3]])
def test_half_an_answer_is_none(text):
    assert _answers.looked(text) is None


def test_disks_are_what_lsblk_says():
    disks = _answers.looked(said(lsblk=LSBLK, partitions=PARTITIONS))["VM_DISK"]
    assert list(disks) == ["vda", "vda1", "sr0"]
    assert disks["vda1"] == {"NAME": "vda1", "MAJ:MIN": "254:1", "RM": "0", "SIZE": "19.9G", "RO": "0", "TYPE": "part", "MOUNTPOINTS": "/"}
    assert disks["sr0"]["MOUNTPOINTS"] == "/media/a b"


def test_without_lsblk_disks_are_what_the_kernel_says():
    disks = _answers.looked(said(blocks=BLOCKS, partitions=PARTITIONS, mounts=MOUNTS))["VM_DISK"]
    assert disks == {
        "vda": {"NAME": "vda", "MAJ:MIN": "254:0", "RM": "0", "SIZE": "16M", "RO": "0", "TYPE": "disk", "MOUNTPOINT": ""},
        "vda1": {"NAME": "vda1", "MAJ:MIN": "254:1", "RM": "0", "SIZE": "1.5M", "RO": "0", "TYPE": "part", "MOUNTPOINT": "/data x"},
        "nvme0n1": {"NAME": "nvme0n1", "MAJ:MIN": "259:0", "RM": "0", "SIZE": "100G", "RO": "1", "TYPE": "disk", "MOUNTPOINT": ""},
        "nvme0n1p1": {"NAME": "nvme0n1p1", "MAJ:MIN": "259:1", "RM": "0", "SIZE": "900M", "RO": "1", "TYPE": "part", "MOUNTPOINT": ""},
        "sr0": {"NAME": "sr0", "MAJ:MIN": "11:0", "RM": "1", "SIZE": "478K", "RO": "0", "TYPE": "rom", "MOUNTPOINT": ""},
    }


def test_without_either_there_are_none():
    assert _answers.looked(said())["VM_DISK"] == {}


def test_the_question_is_understood_by_a_real_shell():
    done = subprocess.run(["sh", "-s"], input=_answers.LOOK, capture_output=True, text=True, timeout=HANG, check=False)
    found = _answers.looked(done.stdout)
    assert found["VM_HOSTNAME_SHORT"] == [subprocess.run(["uname", "-n"], capture_output=True, text=True, check=True).stdout.strip().partition(".")[0]]
    assert done.stderr == ""


def test_the_kernel_and_lsblk_say_the_same_of_this_machine():
    done = subprocess.run(["sh", "-s"], input=_answers.LOOK, capture_output=True, text=True, timeout=HANG, check=False)
    begin, end = done.stdout.index("faultline:lsblk"), done.stdout.index("faultline:blocks")
    by_lsblk, by_kernel = (_answers.looked(text)["VM_DISK"] for text in (done.stdout, done.stdout[:begin] + done.stdout[end:]))
    for name in set(by_lsblk) & set(by_kernel):
        for key in ("NAME", "MAJ:MIN", "RM", "SIZE", "RO"):
            assert by_kernel[name][key] == by_lsblk[name][key], name


@pytest.mark.parametrize(("count", "text"), [
    (0, "0B"), (512, "512B"), (1024, "1K"), (1536, "1.5K"), (16 << 20, "16M"), (20 << 30, "20G"), (int(1.8 * (1 << 40)), "1.8T"), (1 << 70, "1024E")])
def test_sizes_are_written_as_lsblk_does(count, text):
    assert _answers.human(count) == text


def test_addresses_begin_with_the_one_that_is_asked():
    instance = {"address": "203.0.113.5", "floating": "203.0.113.5", "networks": {"a": ["10.0.0.5", "FD00::5"], "b": ["203.0.113.5", "-oX", ""]}}
    assert _answers.addresses(instance) == ["203.0.113.5", "10.0.0.5", "fd00::5"]
    assert _answers.addresses({"address": None, "networks": {}}) == []


def test_a_login_is_by_key_only_and_by_the_keys_that_were_shown():
    argv = _answers.login_argv("192.0.2.1", {**SETTINGS, "port": 2222, "private_key": "/k", "ssh_args": ["-4"]}, "/tmp/known")
    assert argv[0] == "ssh" and argv[-2:] == ["192.0.2.1", "exec sh -s"] and argv[argv.index("-i") + 1] == "/k"
    for option in ("BatchMode=yes", "PreferredAuthentications=publickey", "StrictHostKeyChecking=yes", 'UserKnownHostsFile="/tmp/known"', "IdentitiesOnly=yes"):
        assert option in argv
    done = subprocess.run([argv[0], "-G", *argv[1:-1]], capture_output=True, text=True, check=True)
    for line in ("hostkeyalias vm", "port 2222", "user root", "userknownhostsfile /tmp/known", "updatehostkeys false", "addressfamily inet"):
        assert line in done.stdout.splitlines()


def test_whether_names_are_hashed_is_as_ssh_has_it(tmp_path):
    for word, hashed in (("yes", True), ("no", False)):
        config = tmp_path / word
        config.write_text(f"HashKnownHosts {word}\n")
        assert _answers.hashes_names("192.0.2.1", {**SETTINGS, "ssh_args": ["-F", str(config)]}) is hashed


def test_a_program_that_is_missing_is_told():
    with pytest.raises(FaultlineError, match="no-such-program is not installed"):
        _answers.run(["no-such-program"], 1)


def test_what_takes_too_long_is_ended():
    assert _answers.run(["sh", "-c", "sleep 60 & wait"], 0.2) == (None, "", "")


@pytest.fixture(name="no_icmp")
def fixture_no_icmp(monkeypatch):
    """A user who may not send ICMP."""
    def refuse(*_given):
        raise FaultlineError("User 1000 may not ping here: Operation not permitted.", code="no_ping", hint="Run the monitor as root.")

    monkeypatch.setattr(_answers._probe_network, "Echo", refuse)


@pytest.mark.parametrize(("status", "answers"), [(0, True), (1, False)])
def test_who_may_not_ping_asks_the_systems_program(no_icmp, monkeypatch, tmp_path, status, answers):
    program = tmp_path / "ping"
    program.write_text(f'#!/bin/sh\n[ "$*" = "-n -c 1 -W 3 192.0.2.1" ] && exit {status}\nexit 2\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert _answers.ping("192.0.2.1") is answers


def test_without_any_right_to_ping_the_way_out_is_told(no_icmp, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FaultlineError) as caught:
        _answers.ping("192.0.2.1")
    assert caught.value.code == "no_ping" and caught.value.hint.endswith("Or wait for SSH only, with ping set to false.")


class Asked(_answers.Asked):
    """One whose commands answer as they are told."""

    def __init__(self, *answers, **settings):
        super().__init__({"address": "192.0.2.1", "networks": {}, "type": "mon"}, {**SETTINGS, "ping": False, **settings})
        self.answers = list(answers)


@pytest.fixture(name="answering")
def fixture_answering(monkeypatch):
    """answering(*(status, output, errors)): an Asked whose commands give these."""
    def make(*answers):
        answers = list(answers)
        monkeypatch.setattr(_answers, "run", lambda *_given: answers.pop(0))
        return Asked()
    return make


KEY = (0, "192.0.2.1 ssh-ed25519 AAAA\n", "")


@pytest.mark.parametrize(("answers", "reached", "why"), [
    ([(0, "", "")], 0, "no SSH yet"),
    ([KEY], 1, "no login yet"),
    ([KEY, (255, "", "x\nroot@192.0.2.1: Permission denied (publickey).\n")], 1, "no login yet: root@192.0.2.1: Permission denied (publickey)."),
    ([KEY, (142, "Please login as the user debian\n", "")], 1, "no login yet: Please login as the user debian"),
    ([KEY, (None, "", "")], 1, "no login yet: it took longer than 45 s"),
    ([KEY, (1, "", "")], 1, "no login yet: ssh ended with 1 and said nothing"),
    ([KEY, (255, "", "Host key verification failed.\n")], 0, "no login yet: its host keys are others now"),
    ([KEY, (0, said(), "")], 2, ""),
])
def test_a_vm_is_asked_step_by_step(answering, answers, reached, why):
    vm = answering(*answers)
    for _each in answers:
        vm.step()
    assert (vm.reached, vm.why, vm.done) == (reached, why, reached == 2)


def test_other_addresses_are_learned_where_the_same_keys_answer(answering):
    shown = "10.0.0.5 ssh-ed25519 AAAA\n10.0.0.6 ssh-ed25519 BBBB\n"
    vm = answering(KEY, (0, said(), ""), (0, shown, ""))
    vm.addresses = ["192.0.2.1", "10.0.0.5", "10.0.0.6", "10.0.0.7"]
    vm.step()
    vm.step()
    assert vm.keys == _known_hosts.scanned("192.0.2.1 ssh-ed25519 AAAA\n10.0.0.5 ssh-ed25519 AAAA\n")
