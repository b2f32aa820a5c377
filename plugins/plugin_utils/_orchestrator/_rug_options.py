# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the listener, checked: where it listens and with which limits, who may speak to it, which cloud it asks."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import ssl

from ...module_utils._fault._errors import FaultlineError
from . import _options

LOOPBACK = ("127.0.0.1", "::1")
SHORTEST = 16
# name: (kind, the least, the most, default)
_NUMBERS = {
    "port": (int, 1, 65535, 44250), "rate": (float, 0.1, 10_000, 20), "burst": (int, 1, 10_000, 200), "connections": (int, 1, 10_000, 100),
    "waiting": (int, 1, 100_000, 1000), "timeout": (float, 0.1, 600, 10), "pace": (float, 0, 600, 1),
}
_TEXTS = ("token", "token_file", "certfile", "keyfile")


@dataclasses.dataclass
class Options:
    """hosts: as given; named: whether they are others than those by default; cloud: those of _cloud.arguments()."""

    hosts: tuple
    named: bool
    port: int
    rate: float
    burst: int
    connections: int
    waiting: int
    timeout: float
    pace: float
    token_file: str
    certfile: str
    keyfile: str
    state_dir: str
    cloud: dict
    token: str = dataclasses.field(repr=False, default="")

    def read_token(self):
        """The token, from its file where there is one; empty where everybody may speak. FaultlineError bad_option."""
        if not self.token_file:
            return _token(self.token, "token") if self.token else ""
        try:
            with open(self.token_file, encoding="utf-8") as file:
                return _token(file.read(4096).strip(), "token_file")
        except (OSError, UnicodeDecodeError) as exc:
            raise _options.bad(f"token_file cannot be read: {_why(exc)}.") from exc

    def read_certificate(self, context=None):
        """A TLS context with the certificate as its files are now; None without any. FaultlineError bad_option."""
        if not self.certfile:
            return None
        context = context or ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # a key with a passphrase would ask for it on the terminal
            context.load_cert_chain(self.certfile, self.keyfile or None, password=lambda: "")
        except (OSError, ValueError) as exc:
            raise _options.bad(
                f"certfile and keyfile do not make a certificate: {_why(exc)}.",
                "They are PEM files; the key is in one of them, without a passphrase.") from exc
        return context


def checked(args):
    """The Options of a source's arguments, of which a rulebook may leave some empty. FaultlineError bad_option."""
    args = _options.given(args, {"host", "state_dir", *_NUMBERS, *_TEXTS, *_options.CLOUD})
    numbers = {name: _options.number(name, args.get(name, limits[-1]), *limits[:3]) for name, limits in _NUMBERS.items()}
    texts = {name: _options.text(name, args.get(name, "")) for name in _TEXTS}
    for name in ("token_file", "certfile", "keyfile"):
        texts[name] = os.path.expanduser(texts[name])
    if texts["token"] and texts["token_file"]:
        raise _options.bad("token and token_file are both given.", "One of them says what the token is.")
    if texts["keyfile"] and not texts["certfile"]:
        raise _options.bad("keyfile is given without certfile.")
    hosts = _hosts(args.get("host"))
    return Options(hosts=hosts, named=hosts != LOOPBACK, state_dir=_options.state_dir(args), cloud=_options.login(args), **numbers, **texts)


def off_loopback(addresses):
    """Those of some addresses at which other machines reach this one."""
    return [each for each in addresses if not _is_loopback(each)]


def guarded(token, addresses):
    """Refuse to be open to other machines without a token. FaultlineError no_token."""
    outside = off_loopback(addresses)
    if outside and not token:
        raise FaultlineError(
            f"Off loopback ({', '.join(outside)}) a token is required, and there is none.", code="no_token",
            hint=f"Give token or token_file, with at least {SHORTEST} characters, or listen on {' and '.join(LOOPBACK)}.")


def _is_loopback(address):
    found = ipaddress.ip_address(address.partition("%")[0])
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _why(exc):
    return getattr(exc, "strerror", None) or str(exc)


def _token(text, name):
    if len(text) < SHORTEST or not all("!" <= each <= "~" for each in text):
        raise _options.bad(f"{name} has to be at least {SHORTEST} characters of ASCII, without spaces.", "For example what `openssl rand -hex 32` prints.")
    return text


def _hosts(value):
    if value is None:
        return LOOPBACK
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not found or not all(isinstance(each, str) and each.strip() for each in found):
        raise _options.bad("host has to be an address or a list of them.", "For example 127.0.0.1, or [127.0.0.1, '::1'].")
    # as in a URL
    return tuple(each.strip().removeprefix("[").removesuffix("]") for each in found)
