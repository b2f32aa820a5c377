# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions: where a buildup was run, by the variables of its environment, and which VMs are of the same place. Pure but for new()."""

from __future__ import annotations

import random
import re
import urllib.parse
import uuid

# what is between the epoch of time-based UUIDs and that of Unix, and how many of their ticks are in a second
_GREGORIAN, _TICKS = 0x01B21DD213814000, 10**7
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_JENKINS = {
    "JENKINS_BUILD_TAG": "BUILD_TAG", "JENKINS_BUILD_URL": "BUILD_URL", "JENKINS_EXECUTOR_NUMBER": "EXECUTOR_NUMBER",
    "JENKINS_NODE_NAME": "NODE_NAME", "JENKINS_WORKSPACE": "WORKSPACE",
}
_SAME = {name: name for name in (
    "ZUUL_UUID", "ZUUL_TENANT", "ZUUL_PROJECT", "ZUUL_PIPELINE", "ZUUL_JOB", "ZUUL_BRANCH", "ZUUL_REF", "ZUUL_CHANGE", "GITHUB_SERVER_URL",
    "GITHUB_REPOSITORY", "GITHUB_WORKFLOW", "GITHUB_JOB", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_REF")}
_GITLAB = {"GITLAB_%s" % name[3:]: name for name in (
    "CI_SERVER_URL", "CI_PROJECT_PATH", "CI_PIPELINE_URL", "CI_JOB_URL", "CI_JOB_NAME", "CI_RUNNER_ID", "CI_CONCURRENT_ID")}
_TERMINAL = {
    "TERMINAL_SSH_CONNECTION": "SSH_CONNECTION", "TERMINAL_GPG_TTY": "GPG_TTY", "TERMINAL_XAUTHLOCALHOSTNAME": "XAUTHLOCALHOSTNAME",
    "TERMINAL_OS_USERNAME": "OS_USERNAME",
}
# kind: ({metadata key: variable}, the keys that tell one place from another, all of which have to be there). A place runs one job at a time: otherwise
# jobs side by side would tear each other down.
KINDS = {
    "jenkins": (_JENKINS, ("JENKINS_EXECUTOR_NUMBER", "JENKINS_NODE_NAME")),
    "zuul": ({key: name for key, name in _SAME.items() if key.startswith("ZUUL_")}, ("ZUUL_TENANT", "ZUUL_PROJECT", "ZUUL_PIPELINE", "ZUUL_JOB", "ZUUL_REF")),
    "gitlab": (_GITLAB, ("GITLAB_SERVER_URL", "GITLAB_PROJECT_PATH", "GITLAB_JOB_NAME", "GITLAB_RUNNER_ID", "GITLAB_CONCURRENT_ID")),
    "github": (
        dict({key: name for key, name in _SAME.items() if key.startswith("GITHUB_")},
             GITHUB_RUNNER_NAME="RUNNER_NAME", GITHUB_RUNNER_ENVIRONMENT="RUNNER_ENVIRONMENT"),
        ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_WORKFLOW", "GITHUB_JOB", "GITHUB_RUNNER_NAME")),
    "awx": (
        {"AWX_HOST": "AWX_HOST", "AWX_JOB_ID": "JOB_ID", "AWX_JOB_TEMPLATE_ID": "AWX_JOB_TEMPLATE_ID", "AWX_INVENTORY_ID": "INVENTORY_ID"},
        ("AWX_HOST", "AWX_JOB_TEMPLATE_ID")),
    "terminal": (_TERMINAL, ()),
}
# variables that say which of them it is; a CI's agent may well have come by SSH
_SIGNS = (
    ("jenkins", ("EXECUTOR_NUMBER", "NODE_NAME")), ("zuul", ("ZUUL_UUID",)), ("gitlab", ("GITLAB_CI",)), ("github", ("GITHUB_ACTIONS",)),
    ("awx", ("AWX_HOST", "JOB_ID")),
)
# what tells terminals apart: an SSH connection, or a terminal with its machine and its user
_TELLING = ("TERMINAL_SSH_CONNECTION", "TERMINAL_GPG_TTY", "TERMINAL_TTY")


def new():
    """A new session. It bears its time: what cannot bear one of its own is as old as its session."""
    # not the address of the machine's network card
    return str(uuid.uuid1(node=random.getrandbits(48) | 1 << 40))


def born(session):
    """When a session of new() began, in epoch seconds; None of another."""
    try:
        found = uuid.UUID(session)
    except (ValueError, AttributeError, TypeError):
        return None
    return (found.time - _GREGORIAN) / _TICKS if found.version == 1 else None


def origin(environment, host="", user="", tty=""):
    """Where something is run, as metadata: the keys of the one CI or terminal that an environment {name: value} is of.

    host, user, tty: the controller's, its user's name, and the terminal that Ansible was started in.
    """
    kind = next((kind for kind, signs in _SIGNS if all(environment.get(name) for name in signs)), "terminal")
    found = {key: str(environment[name]) for key, name in KINDS[kind][0].items() if environment.get(name)}
    if kind == "terminal":
        found.update({key: value for key, value in (("TERMINAL_USER", user), ("TERMINAL_TTY", tty)) if value})
    if host:
        found["WE_HOSTNAME"] = host
    return found


def kind_of(metadata):
    """jenkins, zuul, gitlab, github, awx, terminal, or none."""
    kinds = {key.partition("_")[0].lower() for key in metadata}
    return next((kind for kind in KINDS if kind in kinds), "none")


def identity(metadata):
    """What a place is told from others by, to be compared; None where too little is known of it to be told from others."""
    kind = kind_of(metadata)
    if kind == "terminal":
        known = {key: value for key, value in metadata.items() if key.startswith("TERMINAL_")}
        if not any(key in known for key in _TELLING):
            return None
        return (kind, metadata.get("WE_HOSTNAME")) + tuple(sorted((key, str(value)) for key, value in known.items()))
    if kind == "none":
        return None
    values = [metadata.get(key) for key in KINDS[kind][1]]
    if kind == "jenkins":
        # executors of several Jenkins have the same names
        values.append(urllib.parse.urlsplit(str(metadata.get("JENKINS_BUILD_URL") or "")).netloc or None)
    if kind == "github" and metadata.get("GITHUB_RUNNER_ENVIRONMENT") != "self-hosted":
        # GitHub's own runners are lent anew for each job
        values.append(metadata.get("GITHUB_RUN_ID"))
    return None if None in values else (kind,) + tuple(map(str, values))


def same(one, other):
    """Whether two origins are the same place for certain."""
    return identity(one) is not None and identity(one) == identity(other)


def words(metadata):
    """An origin in words."""
    kind, host = kind_of(metadata), metadata.get("WE_HOSTNAME") or "an unknown host"
    if kind == "jenkins":
        return "Jenkins %s on %s" % (metadata.get("JENKINS_BUILD_TAG") or metadata.get("JENKINS_EXECUTOR_NUMBER"), metadata.get("JENKINS_NODE_NAME") or host)
    if kind == "zuul":
        return "Zuul %s" % " ".join(str(metadata[key]) for key in ("ZUUL_PROJECT", "ZUUL_JOB", "ZUUL_UUID") if metadata.get(key))
    if kind == "gitlab":
        return "GitLab %s" % (metadata.get("GITLAB_JOB_URL") or metadata.get("GITLAB_PROJECT_PATH"))
    if kind == "github":
        return "GitHub %s" % " ".join(str(metadata[key]) for key in ("GITHUB_REPOSITORY", "GITHUB_JOB", "GITHUB_RUN_ID") if metadata.get(key))
    if kind == "awx":
        return "AWX job %s at %s" % (metadata.get("AWX_JOB_ID"), metadata.get("AWX_HOST"))
    if kind == "none":
        return "unknown"
    where = metadata.get("TERMINAL_TTY") or metadata.get("TERMINAL_GPG_TTY")
    told = "terminal%s of %s on %s" % (" %s" % where if where else "", metadata.get("TERMINAL_USER") or "an unknown user", host)
    ssh = str(metadata.get("TERMINAL_SSH_CONNECTION") or "").split()
    return told + (" by SSH from %s" % ssh[0] if ssh else "")


def of(metadata):
    """The part of a VM's metadata that says where it was made."""
    prefixes = tuple("%s_" % kind.upper() for kind in KINDS)
    return {key: value for key, value in metadata.items() if key.startswith(prefixes) or key == "WE_HOSTNAME"}
