# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the actions of clusters learn on the controller: the steering and account files, the public key, where Ansible runs. Reads files only."""

from __future__ import annotations

import getpass
import os
import pathlib
import re
import socket

from ..module_utils._cluster import _account, _lookup, _session, _steering
from ..module_utils._fault._errors import FaultlineError
from . import _config_text
from ._files import text_of
from ._ha._scenario_form import seconds
from ._model import plain

# as ssh itself tries them
KEYS = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
_DAYS = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:days?|d)(?: ?(.+))?")


def steering(source):
    """The data of a steering file (its path) or a dictionary, checked. FaultlineError: no_file, bad_steering."""
    if not isinstance(source, (str, os.PathLike)):
        name, data = "the steering file", source
    else:
        path = os.path.abspath(os.path.expanduser(str.__str__(os.fspath(source))))
        name = os.path.basename(path)
        data = _parsed(text_of(path, "steering", "A steering file is JSON or YAML."), path)
    # identifiers are checked before they are all text
    _steering.cluster(data, name)
    return plain(data)


def _parsed(text, path):
    """The data of a steering file: JSON where it looks so, for its old files may be named anything, else YAML."""
    name = os.path.basename(path)
    try:
        return _config_text.load(text, name + ("" if name.endswith(".json") or not text.lstrip().startswith("{") else ".json"))
    except FaultlineError as exc:
        if not name.endswith(".json") and text.lstrip().startswith("{"):
            # a mapping of YAML may begin so too
            try:
                return _config_text.load(text, name)
            except FaultlineError:
                pass
        raise FaultlineError(exc.message.replace(f"{name}.json", name), code="bad_steering", hint=exc.hint) from None
    except (ValueError, RecursionError):
        raise FaultlineError(f"{name}: it has a number of thousands of digits or is nested too deep.", code="bad_steering") from None


def without_user_data(data):
    """Steering data without the user data, and that by instance: it may hold secrets, and goes ways of its own."""
    taken = {str(name): each["user_data"] for name, each in data["instances"].items() if each.get("user_data") is not None}
    instances = {name: {key: value for key, value in each.items() if key != "user_data"} for name, each in data["instances"].items()}
    return {**data, "instances": instances}, taken


def login(args):
    """Options with the login of the account file that they name in place of its name. FaultlineError: no_file, bad_account, bad_option."""
    args = dict(args)
    path = args.pop("account_file", None)
    if not path:
        return args
    if args.get("auth") or args.get("cloud"):
        raise FaultlineError("account_file is a login, and so is %s." % ("auth" if args.get("auth") else "cloud"), code="bad_option", hint="Give one of them.")
    found = _account.load(str(path))
    return {**args, **{key: value for key, value in found.items() if key == "auth" or args.get(key) is None}}


def key(path, home=None):
    """The text of a public key: of the file that is named, else of the first that ssh would take. FaultlineError: no_file, bad_key."""
    folder = pathlib.Path(home or os.path.expanduser("~"), ".ssh")
    if not path:
        path = next((folder / name for name in KEYS if (folder / name).is_file()), None)
        if path is None:
            raise FaultlineError(
                f"There is no public key in {folder}: {', '.join(KEYS)}.", code="no_file", hint="Make one by ssh-keygen, or name one by public_key.")
    path = os.path.abspath(os.path.expanduser(str(path)))
    try:
        return _lookup.public_key(text_of(path, "key", "Give the public one, whose file ends with .pub."))
    except FaultlineError as exc:
        if exc.code != "bad_key":
            raise
        raise FaultlineError(f"{path}: {exc.message}", code="bad_key", hint=exc.hint) from None


def age(text):
    """Seconds of `3600`, `2 hours` or `1 day 12 hours`. FaultlineError: bad_option."""
    words = " ".join(str(text).lower().split())
    days = _DAYS.fullmatch(words)
    rest = seconds((days.group(2) or "0") if days else words)
    if rest is None:
        raise FaultlineError(f"older_than is no age: {words[:80]}.", code="bad_option", hint="Give seconds, or text such as 2 hours or 1 day.")
    return rest + (float(days.group(1)) * 86400 if days else 0)


def origin(variables):
    """Where Ansible runs, as metadata. variables: the task's; those of AWX and Zuul tell what the environment does not."""
    environment = dict(os.environ)
    for name in ("awx_job_template_id", "tower_job_template_id"):
        if variables.get(name):
            environment["AWX_JOB_TEMPLATE_ID"] = str(variables[name])
    zuul = variables.get("zuul")
    if isinstance(zuul, dict) and zuul.get("build"):
        told = {"ZUUL_UUID": zuul["build"], **{f"ZUUL_{name.upper()}": zuul.get(name) for name in ("tenant", "pipeline", "job", "branch", "ref", "change")}}
        project = zuul.get("project")
        told["ZUUL_PROJECT"] = project.get("canonical_name") or project.get("name") if isinstance(project, dict) else project
        environment.update({name: str(value) for name, value in told.items() if value})
    return _session.origin(environment, socket.gethostname(), _user(), terminal())


def _user():
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # a number that has no name
        return str(os.getuid())


def terminal(pid=None):
    """The terminal that a process was started in, as pts/3, or ''; by default Ansible's own, as its workers have none."""
    try:
        stat = pathlib.Path(f"/proc/{pid or os.getppid()}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    # its name may hold anything, parentheses too
    number = int(stat.rpartition(")")[2].split()[4])
    if number <= 0:
        return ""
    major, minor = os.major(number), os.minor(number)
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}" if minor < 256 else f"pts/{minor}"
    return f"tty{minor}" if major == 4 else f"{major}:{minor}"
