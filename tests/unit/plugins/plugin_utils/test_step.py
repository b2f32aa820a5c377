# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan foretells of a step: its undo, its doors, and what is refused before any host is touched."""

from __future__ import annotations

import pytest

from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.plugin_utils import _step
from ansible_collections.faultline.openstack.plugins.plugin_utils._fill import CONTAINER_MODULE, SERVICE_MODULE


def app(action, **more):
    return {"service": "app", "action": action, "driver": "process", "grep": "my_app", **more}


def unit(action, **more):
    return {"service": "app", "action": action, "driver": "system_service", "unit": ["app", "app2"], **more}


@pytest.mark.parametrize("module, args, undo", [
    (SERVICE_MODULE, app("terminate"), "none: its definition has no start_cmd, so nothing starts it again"),
    (SERVICE_MODULE, app("terminate", start_cmd="/bin/app"), "start"),
    (SERVICE_MODULE, app("freeze"), "start"),
    (SERVICE_MODULE, unit("terminate"), "start"),
    (CONTAINER_MODULE, app("terminate"), "start"),
])
def test_the_undo_is_none_where_nothing_starts_it_again(module, args, undo):
    assert _step.undo(module, args, "start") == undo


@pytest.mark.parametrize("args, lasts, code, piece", [
    (app("terminate", duration=30), True, "no_undo", "terminate of app has no undo, so a duration has no meaning for it: its definition has no start_cmd"),
    (app("restart"), False, "no_command", "neither restart_cmd nor start_cmd"),
    (app("mask", start_cmd="x"), False, "no_systemd", "needs a unit of systemd"),
    (app("crash_loop", start_cmd="x"), True, "no_systemd", "needs a unit of systemd"),
])
def test_what_the_module_would_refuse_is_refused_when_it_is_planned(args, lasts, code, piece):
    with pytest.raises(FaultlineError) as caught:
        _step.refuse(SERVICE_MODULE, args, lasts)
    assert caught.value.code == code and piece in caught.value.message and caught.value.hint


@pytest.mark.parametrize("args, lasts", [
    (app("terminate"), False), (app("terminate", start_cmd="x"), True), (app("restart", restart_cmd="x"), False), (app("restart", start_cmd="x"), False),
    (unit("terminate"), True), (unit("mask"), True), (unit("restart"), False), (app("kill"), False), (app("freeze"), True),
])
def test_what_may_be_done_is_not_refused(args, lasts):
    _step.refuse(SERVICE_MODULE, args, lasts)


@pytest.mark.parametrize("args, line", [
    (app("terminate"), "processes that match 'my_app'; asks the ports that it listens on there"),
    (app("unplug", port=["tcp", 80]), "processes that match 'my_app'; cuts tcp 80"),
    (unit("unplug", port=[["tcp", 53], ["udp", 53]]), "the unit app or app2; cuts tcp 53, udp 53"),
    (unit("plug"), "the unit app or app2; opens the ports that it listens on there"),
    ({"service": "app", "action": "kill"}, "the unit app; asks the ports that it listens on there"),
    ({"service": "app", "action": "kill", "driver": "pcs_service"}, "what pcs_service runs; asks the ports that it listens on there"),
])
def test_what_is_hit_and_which_door_is_asked(args, line):
    first, second = _step.foretold("ctl1", SERVICE_MODULE, {**args, "duration": 5})
    assert first == line
    assert second.endswith(f'ansible ctl1 -m {SERVICE_MODULE} -a \'{{"service": "app", "action": "{args["action"]}", "duration": 5}}\' --check')
    assert _step.foretold("ctl1", CONTAINER_MODULE, args) == []
