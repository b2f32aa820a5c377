# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of os_netiface, with the units that users of tc write. Pure."""

from __future__ import annotations

import re

from ._errors import FaultlineError
from ._module import TIMES

IMPAIRMENTS = ("delay", "loss", "corrupt", "duplicate", "reorder", "rate")
ACTIONS = ("connect", "disconnect", "partition") + IMPAIRMENTS
PROTOCOLS = ("tcp", "udp", "sctp", "icmp")
SHAPES = ("one", "half", "majority", "ring", "bridge")
_TIMES = {"us": 0.001, "usec": 0.001, "ms": 1, "msec": 1, "s": 1000, "sec": 1000}
_RATES = {
    "bit": 1, "kbit": 10 ** 3, "mbit": 10 ** 6, "gbit": 10 ** 9, "kibit": 2 ** 10, "mibit": 2 ** 20, "gibit": 2 ** 30,
    "bps": 8, "kbps": 8 * 10 ** 3, "mbps": 8 * 10 ** 6, "gbps": 8 * 10 ** 9,
}
# tc counts microseconds in 32 bits
_LONGEST = 4_000_000


def netiface_arguments():
    """The argument_spec of os_netiface."""
    return {
        "action": {"type": "str", "required": True, "choices": list(ACTIONS)},
        "network": {"type": "str"},
        "interface": {"type": "str"},
        "cidr": {"type": "str"},
        "label": {"type": "str"},
        "kind": {"type": "str", "default": "link", "choices": ["link", "isolate"]},
        "direction": {"type": "str", "choices": ["both", "in", "out"]},
        "peers": {"type": "list", "elements": "str"},
        "protocol": {"type": "str", "choices": list(PROTOCOLS)},
        "port": {"type": "list", "elements": "int"},
        "delay": {"type": "str"},
        "jitter": {"type": "str"},
        "distribution": {"type": "str", "choices": ["uniform", "normal", "pareto", "paretonormal"]},
        "correlation": {"type": "str"},
        "loss": {"type": "str"},
        "corrupt": {"type": "str"},
        "duplicate": {"type": "str"},
        "reorder": {"type": "str"},
        "rate": {"type": "str"},
        "include_management": {"type": "bool", "default": False},
        "shape": {"type": "str", "choices": list(SHAPES)},
        "group": {"type": "str"},
        "seed": {"type": "str"},
        **TIMES,
    }


def _bad(name, value, wanted):
    return FaultlineError("%s is %s; it must be %s." % (name, value, wanted), code="bad_%s" % name, hint="Nothing was touched.")


def percent(name, value):
    """More than 0 and at most 100: 30, 30%, 0.05%."""
    found = re.match(r"^([0-9]+(?:\.[0-9]+)?) ?%?$", str(value).strip())
    number = float(found.group(1)) if found else 0.0
    if not 0 < number <= 100:
        raise _bad(name, value, "a percentage of more than 0% and at most 100%")
    return number


def milliseconds(name, value):
    """100ms, 1.5s, 250us; a bare number is milliseconds."""
    found = re.match(r"^([0-9]+(?:\.[0-9]+)?) ?([a-z]*)$", str(value).strip().lower())
    number = float(found.group(1)) * _TIMES.get(found.group(2) or "ms", 0) if found else 0.0
    if not 0 < number <= _LONGEST:
        raise _bad(name, value, "a time such as 100ms, 1.5s or 250us")
    return number


def bits_per_second(name, value):
    """1mbit, 500kbit, 10gbit; as tc has it, kbps is a thousand bytes, and a bare number is bits."""
    found = re.match(r"^([0-9]+(?:\.[0-9]+)?) ?([a-z]*)$", str(value).strip().lower())
    number = int(float(found.group(1)) * _RATES.get(found.group(2) or "bit", 0)) if found else 0
    if not 8000 <= number <= 32 * 10 ** 9:
        raise _bad(name, value, "a rate of at least 8kbit and 32gbit at most, such as 500kbit, 1mbit or 10gbit")
    return number


def effects(params):
    """What is done to the packets, in milliseconds, percents and bits per second, of the options of one call."""
    found = {}
    for name in ("loss", "corrupt", "duplicate", "reorder", "correlation"):
        if params.get(name) is not None:
            found[name] = percent(name, params[name])
    for name in ("delay", "jitter"):
        if params.get(name) is not None:
            found[name] = milliseconds(name, params[name])
    if params.get("rate") is not None:
        found["rate"] = bits_per_second("rate", params["rate"])
    if params.get("distribution") is not None:
        found["distribution"] = params["distribution"]
    for name, needs in (("jitter", "delay"), ("distribution", "jitter")):
        if name in found and needs not in found:
            raise FaultlineError("%s needs %s." % (name, needs), code="bad_%s" % name, hint="Nothing was touched.")
    if "reorder" in found:
        # what is not sent at once has to wait for some time
        found.setdefault("delay", 10.0)
    return found


def check(params):
    """Refuse options that contradict each other, before anything is looked at."""
    action = params["action"]
    given = [name for name in IMPAIRMENTS + ("jitter", "correlation", "distribution") if params.get(name) is not None]
    if action in IMPAIRMENTS and params.get(action) is None:
        raise FaultlineError("action %s needs the option %s." % (action, action), code="missing_option", hint="For example %s: %s." % (
            action, {"delay": "100ms", "rate": "1mbit"}.get(action, "30%")))
    if action not in IMPAIRMENTS and given:
        raise FaultlineError("%s has no meaning for action %s." % (given[0], action), code="bad_option", hint="Leave it out.")
    filters = [name for name in ("peers", "protocol", "port") if params.get(name)]
    if action == "disconnect" and (filters or params.get("direction") not in (None, "both")):
        raise FaultlineError(
            "disconnect cuts an interface off wholly; %s has no meaning for it." % (filters or ["direction"])[0], code="bad_option",
            hint="partition drops packets of some peers, loss with 100% those of a filter.",
        )
    if params.get("port") and params.get("protocol") == "icmp":
        raise FaultlineError("icmp has no ports.", code="bad_option", hint="Leave port out.")
    for number in params.get("port") or []:
        if not 0 < number < 65536:
            raise _bad("port", number, "a number from 1 to 65535")
    if params.get("shape") is not None and action != "partition":
        raise FaultlineError("shape has no meaning for action %s." % action, code="bad_option", hint="Leave it out.")
    if action == "partition" and not params.get("peers"):
        raise FaultlineError(
            "partition needs the peers to cut off.", code="missing_option", hint="Give peers, or shape with a group of the inventory.")
    named = ("network", "interface") + (("label",) if action == "connect" else ())
    if action != "partition" and not any(params.get(name) for name in named):
        raise FaultlineError("%s needs a network or an interface." % action, code="missing_option", hint="For example network: management.")


def rate_words(bits):
    for size, unit in ((10 ** 9, "gbit"), (10 ** 6, "mbit"), (10 ** 3, "kbit")):
        if bits >= size:
            return "%g%s" % (bits / size, unit)
    return "%dbit" % bits


def words(found):
    """Effects for people."""
    said = []
    if "delay" in found:
        said.append("delay %gms%s" % (found["delay"], " +-%gms" % found["jitter"] if "jitter" in found else ""))
    said += ["%s %g%%" % (name, found[name]) for name in ("loss", "corrupt", "duplicate", "reorder") if name in found]
    if "rate" in found:
        said.append("rate %s" % rate_words(found["rate"]))
    return ", ".join(said)
