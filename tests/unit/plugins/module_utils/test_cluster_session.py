# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a cluster is built up from: what is kept of it, and what is the same place."""

from __future__ import annotations

import itertools
import time

import pytest
from patience import HANG
from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _session

JENKINS = {
    "EXECUTOR_NUMBER": "0", "NODE_NAME": "node-1", "BUILD_TAG": "jenkins-ceph-12", "BUILD_URL": "https://ci.example/job/ceph/12/", "WORKSPACE": "/w",
    "SSH_CONNECTION": "192.0.2.1 5 192.0.2.2 22", "PASSWORD": "hush"}
ZUUL = {"ZUUL_UUID": "u1", "ZUUL_TENANT": "t", "ZUUL_PROJECT": "p", "ZUUL_PIPELINE": "check", "ZUUL_JOB": "ceph", "ZUUL_REF": "refs/changes/1/1/1"}
GITLAB = {
    "GITLAB_CI": "true", "CI_SERVER_URL": "https://gitlab.example", "CI_PROJECT_PATH": "a/b", "CI_JOB_NAME": "ceph", "CI_RUNNER_ID": "7",
    "CI_CONCURRENT_ID": "0", "CI_JOB_URL": "https://gitlab.example/a/b/-/jobs/1", "CI_JOB_TOKEN": "hush"}
GITHUB = {
    "GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_WORKFLOW": "ci", "GITHUB_JOB": "ceph",
    "GITHUB_RUN_ID": "9", "RUNNER_NAME": "GitHub Actions 2", "RUNNER_ENVIRONMENT": "github-hosted", "GITHUB_TOKEN": "hush"}
AWX = {"AWX_HOST": "https://awx.example", "JOB_ID": "5", "AWX_JOB_TEMPLATE_ID": "3"}
SSH = {"SSH_CONNECTION": "192.0.2.1 5000 192.0.2.2 22", "GPG_TTY": "/dev/pts/1", "OS_USERNAME": "alice", "OS_PASSWORD": "hush"}


def origin(environment, host="box", user="alice", tty="pts/1", **more):
    return _session.origin({**environment, **more}, host, user, tty)


@pytest.mark.parametrize("environment, kind, words", [
    (JENKINS, "jenkins", "Jenkins jenkins-ceph-12 on node-1"),
    (ZUUL, "zuul", "Zuul p ceph u1"),
    (GITLAB, "gitlab", "GitLab https://gitlab.example/a/b/-/jobs/1"),
    (GITHUB, "github", "GitHub a/b ceph 9"),
    (AWX, "awx", "AWX job 5 at https://awx.example"),
    (SSH, "terminal", "terminal pts/1 of alice on box by SSH from 192.0.2.1"),
    ({}, "terminal", "terminal pts/1 of alice on box"),
])
def test_a_place_is_known_by_its_environment(environment, kind, words):
    found = origin(environment)
    assert (_session.kind_of(found), _session.words(found)) == (kind, words)
    assert "hush" not in found.values() and _session.same(found, origin(environment))
    assert _session.of({**found, "WE_ID": "x", "OS_NAME": "y"}) == found


def test_jenkins_and_a_terminal_have_the_keys_of_the_scripts():
    assert origin(JENKINS) == {
        "JENKINS_BUILD_TAG": "jenkins-ceph-12", "JENKINS_BUILD_URL": "https://ci.example/job/ceph/12/", "JENKINS_EXECUTOR_NUMBER": "0",
        "JENKINS_NODE_NAME": "node-1", "JENKINS_WORKSPACE": "/w", "WE_HOSTNAME": "box"}
    assert origin(SSH, XAUTHLOCALHOSTNAME="x") == {
        "TERMINAL_SSH_CONNECTION": SSH["SSH_CONNECTION"], "TERMINAL_GPG_TTY": "/dev/pts/1", "TERMINAL_XAUTHLOCALHOSTNAME": "x",
        "TERMINAL_OS_USERNAME": "alice", "TERMINAL_USER": "alice", "TERMINAL_TTY": "pts/1", "WE_HOSTNAME": "box"}


@pytest.mark.parametrize("one, other, same", [
    (origin(JENKINS), origin(JENKINS, BUILD_TAG="jenkins-ceph-13", BUILD_URL="https://ci.example/job/ceph/13/", host="agent-b"), True),
    (origin(JENKINS), origin(JENKINS, EXECUTOR_NUMBER="1"), False),
    (origin(JENKINS), origin(JENKINS, NODE_NAME="node-2"), False),
    # executors of several Jenkins have the same names
    (origin(JENKINS), origin(JENKINS, BUILD_URL="https://other.example/job/ceph/12/"), False),
    (origin(ZUUL), origin(ZUUL, ZUUL_UUID="u2"), True),
    (origin(ZUUL), origin(ZUUL, ZUUL_REF="refs/changes/2/2/1"), False),
    (origin(GITLAB), origin(GITLAB, CI_JOB_URL="https://gitlab.example/a/b/-/jobs/2"), True),
    (origin(GITLAB), origin(GITLAB, CI_CONCURRENT_ID="1"), False),
    (origin(GITLAB), origin(GITLAB, CI_PROJECT_PATH="a/c"), False),
    # two jobs of a matrix have the same name
    (origin(GITHUB), origin(GITHUB, RUNNER_NAME="GitHub Actions 3"), False),
    (origin(GITHUB), origin(GITHUB, GITHUB_RUN_ID="10"), False),
    (origin(GITHUB, RUNNER_ENVIRONMENT="self-hosted"), origin(GITHUB, RUNNER_ENVIRONMENT="self-hosted", GITHUB_RUN_ID="10"), True),
    (origin(AWX), origin(AWX, JOB_ID="6"), True),
    (origin(AWX), origin(AWX, AWX_JOB_TEMPLATE_ID="4"), False),
    (origin(SSH), origin(SSH, SSH_CONNECTION="192.0.2.1 5001 192.0.2.2 22"), False),
    (origin(SSH), origin(SSH, OS_USERNAME="bob"), False),
    (origin({}), origin({}, tty="pts/2"), False),
    (origin({}), origin({}, user="bob"), False),
    (origin({}), origin({}, host="other"), False),
    # less is known of one
    (origin(SSH), origin({}), False),
    (origin(SSH), origin(SSH, tty=""), False),
    # nothing tells these two from others
    (origin({}, tty=""), origin({}, tty=""), False),
    ({}, {}, False),
])
def test_what_is_the_same_place(one, other, same):
    assert {_session.same(*pair) for pair in itertools.permutations((one, other))} == {same}


def test_places_of_different_kinds_are_never_the_same():
    for one, other in itertools.combinations([JENKINS, ZUUL, GITLAB, GITHUB, AWX, SSH], 2):
        assert not _session.same(origin(one), origin(other))


@pytest.mark.parametrize("environment, key", [
    (ZUUL, "ZUUL_JOB"), (GITLAB, "CI_RUNNER_ID"), (GITHUB, "RUNNER_NAME"), (AWX, "AWX_JOB_TEMPLATE_ID"), (JENKINS, "BUILD_URL")])
def test_a_place_of_which_too_little_is_known_is_nobodys(environment, key):
    found = origin({name: value for name, value in environment.items() if name != key})
    assert _session.identity(found) is None and not _session.same(found, found)


def test_a_session_bears_its_time():
    made = {_session.new() for _each in range(50)}
    assert len(made) == 50
    for each in made:
        assert _session.UUID.fullmatch(each) and abs(_session.born(each) - time.time()) < HANG


@pytest.mark.parametrize("session", ["d9428888-122b-41e1-b85c-61cd3cbb3210", "x", "", None])
def test_a_session_of_others_has_no_time(session):
    assert _session.born(session) is None
