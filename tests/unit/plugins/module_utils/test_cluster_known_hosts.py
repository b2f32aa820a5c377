# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""known_hosts is right afterwards by ssh-keygen's own word, and not a byte else of it has changed."""

from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _known_hosts
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError

OLD = ("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl")
NEW = ("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIJ2OuNBnhRoRQRr4PzCcbR9CBEfvvPcyEtRcXGyYsdKa")
RSA = ("ssh-rsa", "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDKzUy")


def line(names, key, more=""):
    return f"{names} {key[0]} {key[1]}{more}\n"


def known(path, name):
    """The keys that ssh finds for a name, by ssh-keygen."""
    done = subprocess.run(["ssh-keygen", "-F", name, "-f", path], capture_output=True, text=True, check=False)
    return {tuple(each.split()[1:3]) for each in done.stdout.splitlines() if not each.startswith("#")}


@pytest.fixture(name="keys", scope="module")
def fixture_keys(tmp_path_factory):
    """Three real keys: (type, key)."""
    folder = tmp_path_factory.mktemp("keys")
    made = []
    for number, kind in enumerate(("ed25519", "ed25519", "ecdsa")):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / str(number)], check=True)
        made.append(tuple((folder / f"{number}.pub").read_text().split()[:2]))
    return made


@pytest.mark.parametrize(("host", "port", "name"), [
    ("192.0.2.1", 22, "192.0.2.1"), ("192.0.2.1", 2222, "[192.0.2.1]:2222"), ("Web-1.Example.org", 22, "web-1.example.org"),
    ("2001:DB8:0::1", 22, "2001:db8::1"), ("2001:db8::1", 2222, "[2001:db8::1]:2222")])
def test_names_are_those_of_ssh(host, port, name):
    assert _known_hosts.name_of(host, port) == name


TOUCHED = {
    "a stale key": (line("vm", OLD), ""),
    "with a comment": (line("vm", OLD, " of long ago"), ""),
    "in upper case": (line("VM", OLD), ""),
    "one of several names": (line("other,vm,10.0.0.9", OLD, " x"), line("other,10.0.0.9", OLD, " x")),
    "behind blanks": (" \t" + line("other,vm", OLD), " \t" + line("other", OLD)),
    "with the end of a line as on Windows": (line("vm,other", OLD, "\r"), line("other", OLD, "\r")),
    "of another type": (line("vm", RSA), ""),
}
ALONE = {
    "nothing": "",
    "a comment": "# vm ssh-ed25519 AAAA\n",
    "blanks": "\n  \n\t\n",
    "another host": line("vm2,vm.example.org,avm", OLD),
    "a pattern": line("v*,vm?", OLD),
    "all but it": line("!vm,10.*", OLD),
    "an authority": "@cert-authority " + line("vm", OLD),
    "a revoked key": "@revoked " + line("vm", OLD),
    "half a line": "vm ssh-ed25519\nvm\n",
    "a broken hash": "|1|" + line("vm", OLD) + "|1|a|b ssh-ed25519 AAAA\n" + "| ssh-ed25519 AAAA\n",
    "another one's hash": line(_known_hosts.hashed("vm2"), OLD),
    "bytes of any kind": "# \x85 \x0b \xff\n" + line("other\xe9", OLD),
}


@pytest.mark.parametrize("what", TOUCHED)
def test_what_is_stale_goes(what):
    before, after = TOUCHED[what]
    around = line("first", OLD), line("last", OLD)
    text, removed, added = _known_hosts.updated(before.join(around), {"vm": {NEW}})
    assert text == after.join(around) + line("vm", NEW)
    assert [name for name, _type in removed] == ["vm"] and added == [("vm", "ssh-ed25519")]


@pytest.mark.parametrize("what", ALONE)
def test_what_is_not_its_own_stays(what):
    text, removed, added = _known_hosts.updated(ALONE[what], {"vm": {NEW}})
    assert text == ALONE[what] + line("vm", NEW) and not removed and len(added) == 1


@pytest.mark.parametrize("text", [
    line("vm", NEW), line("vm", NEW)[:-1], line("a,vm,b", NEW, " x"), line(_known_hosts.hashed("vm"), NEW), line("vm", NEW) * 2, line("VM", NEW, "\r"),
], ids=["plain", "no end", "among others", "hashed", "twice", "upper case"])
def test_what_is_right_is_not_learned_again(text):
    assert _known_hosts.updated(text, {"vm": {NEW}}) == (text, [], [])


def test_the_last_line_may_have_no_end():
    text, _removed, _added = _known_hosts.updated(line("other", OLD)[:-1], {"vm": {NEW}})
    assert text == line("other", OLD) + line("vm", NEW)


def test_a_name_without_keys_is_only_forgotten():
    assert _known_hosts.updated(line("vm", OLD), {"vm": set()})[0] == ""


def test_ssh_finds_by_all_names_what_is_new_and_nothing_old(keys, tmp_path):
    old, new, more = keys
    path = tmp_path / "known_hosts"
    path.write_text(line("10.0.0.5,vm", old) + line("[10.0.0.5]:2222", old) + line("stays", old))
    names = ["10.0.0.5", "[10.0.0.5]:2222", "vm", "2001:db8::5"]
    removed, added, _left = _known_hosts.KnownHosts(path).update({name: {new, more} for name in names})
    assert len(removed) == 3 and len(added) == 8
    assert [known(path, name) for name in names] == [{new, more}] * 4
    assert known(path, "stays") == {old}
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert _known_hosts.KnownHosts(path).update({name: {new, more} for name in names}) == ([], [], [])
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_what_ssh_keygen_has_hashed_is_found(keys, tmp_path):
    old, new, _more = keys
    path = tmp_path / "known_hosts"
    path.write_text(line("10.0.0.5", old) + line("[10.0.0.5]:2222", old) + line("right", new) + line("stays", old) + line("pattern*", old))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    hashes = path.read_text().splitlines()
    removed, added, _left = _known_hosts.KnownHosts(path).update({"10.0.0.5": {new}, "[10.0.0.5]:2222": {new}, "right": {new}}, hash_names=True)
    assert sorted(removed) == sorted(added) == [("10.0.0.5", new[0]), ("[10.0.0.5]:2222", new[0])]
    assert path.read_text().splitlines()[:3] == hashes[2:] and "10.0.0.5" not in path.read_text()
    assert known(path, "10.0.0.5") == known(path, "[10.0.0.5]:2222") == known(path, "right") == {new}
    assert known(path, "stays") == {old}


def test_ssh_keygen_removes_what_we_have_hashed(keys, tmp_path):
    path = tmp_path / "known_hosts"
    path.write_text(line(_known_hosts.hashed("vm"), keys[0]))
    subprocess.run(["ssh-keygen", "-q", "-R", "vm", "-f", path], check=True, capture_output=True)
    assert path.read_text() == ""


def test_a_name_that_yields_replaces_nothing(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_text(line("mine,web", OLD))
    removed, added, left = _known_hosts.KnownHosts(path).update({"mine": {NEW}, "web": {NEW}, "new": {NEW}}, yielding=("web", "new"))
    assert path.read_text() == line("web", OLD) + line("mine", NEW) + line("new", NEW)
    assert ([name for name, _type in removed], [name for name, _type in added], left) == (["mine"], ["mine", "new"], ["web"])


def test_a_fingerprint_is_that_of_ssh_keygen(keys, tmp_path):
    path = tmp_path / "key.pub"
    path.write_text(" ".join(keys[0]))
    assert _known_hosts.fingerprint(keys[0][1]) == subprocess.run(
        ["ssh-keygen", "-l", "-f", path], check=True, capture_output=True, text=True).stdout.split()[1]
    assert _known_hosts.fingerprint("no key") == ""


def test_the_output_of_ssh_keyscan_is_read():
    text = "# 10.0.0.5:22 SSH-2.0-OpenSSH_9.2\n" + line("10.0.0.5", NEW) + line("10.0.0.5", RSA) + line("[10.0.0.6]:2222", NEW) + "garbage\n"
    found = _known_hosts.scanned(text)
    assert found == {"10.0.0.5": {NEW, RSA}, "[10.0.0.6]:2222": {NEW}}
    assert _known_hosts.scanned(_known_hosts.lines_of(found)) == found


def test_the_file_keeps_its_mode_its_owner_and_its_link(tmp_path):
    real, link = tmp_path / "real", tmp_path / "known_hosts"
    real.write_text(line("vm", OLD))
    real.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(real, 1, 2)
    link.symlink_to(real)
    before = real.stat()
    _known_hosts.KnownHosts(link).update({"vm": {NEW}})
    after = real.stat()
    assert link.is_symlink() and real.read_text() == line("vm", NEW)
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["known_hosts", "real"]


def test_a_file_that_is_not_there_is_made_for_its_user_alone(tmp_path):
    path = tmp_path / "new" / "known_hosts"
    _known_hosts.KnownHosts(path).update({"vm": {NEW}})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(FaultlineError) as caught:
        _known_hosts.KnownHosts(tmp_path).update({"vm": {NEW}})
    assert caught.value.text == f"{tmp_path} cannot be put right: Is a directory. Give another file with known_hosts."


def _learn(path, number):
    _known_hosts.KnownHosts(path).update({f"vm{number}-{each}": {NEW} for each in range(20)})


def test_several_writers_lose_nothing(tmp_path):
    path = tmp_path / "known_hosts"
    path.write_text("".join(line(f"vm{number}-0", OLD) for number in range(6)) + line("stays", OLD))
    writers = [multiprocessing.Process(target=_learn, args=(path, number)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    lines = path.read_text().splitlines(True)
    assert lines[0] == line("stays", OLD)
    assert sorted(lines[1:]) == sorted(line(f"vm{number}-{each}", NEW) for number in range(6) for each in range(20))
    assert len(list(tmp_path.iterdir())) == 1
