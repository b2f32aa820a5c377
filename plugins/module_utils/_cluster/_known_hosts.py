# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""known_hosts: put right what it says of some names, and leave every other byte as it is."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import hmac
import ipaddress
import os
import re
import stat
import tempfile

from .._fault._errors import FaultlineError

_HASHED = "|1|"
_BLANK = " \t"


# ---- names and keys


def name_of(host, port=22):
    """How known_hosts writes a host."""
    host = host.lower()
    with contextlib.suppress(ValueError):
        host = ipaddress.ip_address(host).compressed
    return host if port == 22 else "[%s]:%d" % (host, port)


def hashed(name, salt=None):
    """A name as HashKnownHosts writes it."""
    salt = os.urandom(20) if salt is None else salt
    digest = hmac.new(salt, name.encode("latin-1", "replace"), hashlib.sha1).digest()
    return _HASHED + "|".join(base64.b64encode(each).decode("ascii") for each in (salt, digest))


def scanned(text):
    """{name: {(type, key)}} of what ssh-keyscan has written."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and not words[0].startswith(("#", "@")):
            found.setdefault(words[0].lower(), set()).add((words[1], words[2]))
    return found


def lines_of(keys):
    """The lines for {name: {(type, key)}}."""
    return "".join("%s %s %s\n" % (name, kind, key) for name in keys for kind, key in sorted(keys[name]))


def fingerprint(key):
    """A key's SHA256 fingerprint, as ssh shows it."""
    try:
        raw = base64.b64decode(key, validate=True)
    except ValueError:
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode("ascii").rstrip("=")


# ---- the text


class _Line:
    """One line with a key, or any other (host is None)."""

    def __init__(self, text):
        self.text = text
        self.hosts = self.key = None
        rest = text.rstrip("\r\n").lstrip(_BLANK)
        # markers mean certificate authorities and revoked keys, which are no host's own
        if not rest or rest[0] in "#@":
            return
        words = rest.split(None, 3)
        if len(words) < 3:
            return
        begin = len(text) - len(text.lstrip(_BLANK))
        self.before, self.hosts, self.after = text[:begin], words[0], text[begin + len(words[0]):]
        self.key = (words[1], words[2])

    def of(self, names):
        """Those of the names that it has, as they are."""
        if self.hosts is None:
            return []
        if self.hosts.startswith(_HASHED):
            return [name for name in names if _is_hash_of(self.hosts, name)]
        mine = {each.lower() for each in self.hosts.split(",")}
        return [name for name in names if name in mine]

    def without(self, names):
        """Its text without these names; '' when none is left."""
        if self.hosts.startswith(_HASHED):
            return ""
        left = [each for each in self.hosts.split(",") if each.lower() not in names]
        return self.before + ",".join(left) + self.after if left else ""


def _is_hash_of(text, name):
    parts = text.split("|")
    try:
        salt = base64.b64decode(parts[2], validate=True)
    except (IndexError, ValueError):
        return False
    return hmac.compare_digest(hashed(name, salt), text)


def updated(text, keys, hash_names=False):
    """(text, removed, added): a known_hosts in which each name of keys, {name: {(type, key)}}, has these keys and no others.

    removed, added: [(name, type)]. Patterns and lines with markers are left alone, and so is what is right already.
    """
    out, removed, known = [], [], set()
    for line in _lines(text):
        stale = []
        for name in line.of(keys):
            if line.key in keys[name]:
                known.add((name,) + line.key)
            else:
                stale.append(name)
        removed += [(name, line.key[0]) for name in stale]
        out.append(line.without(stale) if stale else line.text)
    added = [(name,) + key for name in keys for key in sorted(keys[name]) if (name,) + key not in known]
    result = "".join(out)
    if added and result and not result.endswith("\n"):
        result += "\n"
    for name, kind, key in added:
        result += "%s %s %s\n" % (hashed(name) if hash_names else name, kind, key)
    return result, removed, [each[:2] for each in added]


def others(text, keys):
    """The names of keys that have another key there."""
    return {name for line in _lines(text) for name in line.of(keys) if line.key not in keys[name]}


def _lines(text):
    # splitlines() knows more ends of lines than ssh
    return map(_Line, re.findall("[^\n]*\n|[^\n]+", text))


# ---- the file


class KnownHosts:
    """One file. It is replaced as a whole, with its mode and owner, by one writer at a time."""

    def __init__(self, path):
        # a link stays a link
        self.path = os.path.realpath(os.path.expanduser(path))

    def update(self, keys, hash_names=False, yielding=()):
        """(removed, added, left): as updated(), and the names of `yielding` that have another key there, which they do not replace.

        A file that is right is not touched. FaultlineError when it cannot be read or written.
        """
        try:
            with self._locked() as stream:
                before = stream.read().decode("latin-1")
                left = others(before, {name: keys[name] for name in yielding})
                after, removed, added = updated(before, {name: keys[name] for name in keys if name not in left}, hash_names)
                if after != before:
                    self._replace(after.encode("latin-1"), os.fstat(stream.fileno()))
                return removed, added, sorted(left)
        except OSError as exc:
            raise FaultlineError(
                "%s cannot be put right: %s." % (self.path, exc.strerror), code="known_hosts", hint="Give another file with known_hosts.") from exc

    @contextlib.contextmanager
    def _locked(self):
        """The file, open, and nobody else's for so long."""
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        while True:
            with open(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                # whoever had the lock before may have put another file in its place
                if self._is_here(stream):
                    yield stream
                    return

    def _is_here(self, stream):
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(stream.fileno()))
        except FileNotFoundError:
            return False

    def _replace(self, raw, before):
        handle, temporary = tempfile.mkstemp(prefix=".known_hosts.", dir=os.path.dirname(self.path))
        try:
            with open(handle, "wb") as stream:
                stream.write(raw)
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(stream.fileno(), before.st_uid, before.st_gid)
                os.fchmod(stream.fileno(), stat.S_IMODE(before.st_mode))
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
