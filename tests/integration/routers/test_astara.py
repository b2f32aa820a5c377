# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The driver astara of os_router, against a server that answers as Astara's API did, and against our own listener."""

from __future__ import annotations

import pathlib
import socket
import sys

import pytest
import yaml
from ansible_collections.faultline.openstack.plugins.module_utils._fault._errors import FaultlineError
from ansible_collections.faultline.openstack.plugins.module_utils._router import _runs
from astara_server import BROKEN, ROUTER, Api, Served
from lab_nodes import Node
from patience import HANG
from rug_listener import Listener

# these need no node, so nobody waits for them
pytestmark = pytest.mark.xdist_group("astara_alone")

PROJECT, NOBODY = "0" * 31 + "a", "00000000-0000-4000-8000-000000000000"
TOKEN = "0123456789abcdef0123"


@pytest.fixture
def astara():
    with Served(Api()) as found:
        yield found


@pytest.fixture
def api(astara):
    return astara.server.get_app()


def run(url, action, check_mode=False, **options):
    params = {name: told.get("default") for name, told in _runs.arguments().items()}
    return _runs.act({**params, "driver": "astara", "astara_url": url, "action": action, "timeout": HANG, **options}, check_mode)


def refused(url, action, **options):
    with pytest.raises(FaultlineError) as told:
        run(url, action, **options)
    return told.value


ACTIONS = [
    ("poll", {}, [("poll", {})]), ("poll", {"all": True}, [("poll", {})]),
    *[(action, {"router": [ROUTER.upper()]}, [(f"router {action}", {"router_id": ROUTER})]) for action in ("rebuild", "update", "debug", "manage")],
    ("rebuild", {"router": [ROUTER, "error", ROUTER]}, [("router rebuild", {"router_id": ROUTER}), ("router rebuild", {"router_id": "error"})]),
    ("update", {"all": True}, [("router update", {"router_id": "*"})]), ("rebuild", {"router": ["*"]}, [("router rebuild", {"router_id": "*"})]),
    # Astara keeps a reason as it stood in the path
    ("debug", {"router": [ROUTER], "reason": "its NAT, -x"}, [("router debug", {"router_id": ROUTER, "reason": "its%20NAT,%20-x"})]),
    ("debug", {"project": PROJECT, "reason": "move"}, [("tenant debug", {"tenant_id": PROJECT, "reason": "move"})]),
    ("manage", {"project": PROJECT}, [("tenant manage", {"tenant_id": PROJECT})]),
    ("debug", {"all": True, "reason": "--help"}, [("global debug", {"status": "enable", "reason": "--help"})]),
    ("manage", {"all": True}, [("global debug", {"status": "disable"})]),
]


@pytest.mark.parametrize(("action", "options", "wanted"), ACTIONS)
def test_an_action_is_a_command_of_astara(astara, api, action, options, wanted):
    would = run(astara.url, action, True, **options)
    assert api.sent == [] and would["msg"].startswith("would send /")
    told = run(astara.url, action, **options)
    assert api.sent == wanted and told["changed"] == would["changed"] == (action != "poll")
    assert [each["call"] for each in told["calls"]] == [each["call"] for each in would["calls"]]
    assert {(each["status"], each["answer"]) for each in told["calls"]} == {(200, "0")}
    assert told["msg"].startswith(f"Astara at {astara.url} took /")


@pytest.mark.parametrize(("action", "options", "text"), [
    ("poll", {"router": [ROUTER]}, "Astara polls all routers at once. Leave router and project away."),
    ("poll", {"probed": []}, "Astara knows no probed. It is an option of the driver neutron."),
    ("rebuild", {"router": [ROUTER], "agent": "net1"}, "Astara knows no agent. It is an option of the driver neutron."),
    ("rebuild", {"router": [ROUTER], "force": True},
     "Astara cannot be forced: it ignores commands for what is in debug. Take it out first with the action manage."),
    ("rebuild", {"router": [ROUTER], "reason": "x"}, "reason is no option of the action rebuild."),
    ("rebuild", {}, "rebuild: nothing says what is meant. Say router, project or all."),
    ("rebuild", {"project": PROJECT}, "Astara cannot rebuild the routers of a project. Name the routers, or say all."),
    *[("update", {"router": [name]}, f"{name} is no id of a router. "
       "Astara takes ids, or * and error for rebuild and update. os_router_info tells the id of a name.") for name in ("web", "../poll", ROUTER + "/")],
    ("debug", {"router": ["*"]}, "Astara ignores * with the action debug, though it says that it took it. Name the routers, or say all."),
    ("debug", {"project": "shop"}, "shop is no id of a project. Astara takes ids of projects, no names."),
    ("debug", {"router": [ROUTER], "project": PROJECT}, "Astara takes routers or a project, not the routers of a project."),
    ("debug", {"all": True, "reason": "a/b"}, "A reason for Astara can have no slash. "
     "It takes the command line from a path, and would take what follows for an argument."),
])
def test_what_astara_could_not_do_is_refused_before_it_is_asked(astara, api, action, options, text):
    told = refused(astara.url, action, **options)
    assert (told.code, told.text, api.sent) == ("bad_option", text, [])


@pytest.mark.parametrize(("url", "text"), [
    (None, "The driver astara needs astara_url."), ("127.0.0.1:44250", "astara_url is no URL: it has to be http:// or https://, an address and a port."),
    ("ftp://x", "astara_url is no URL: it has to be http:// or https://, an address and a port."), ("http://", "astara_url is no URL: "),
    ("http://fdca::1:44250", "astara_url is no URL: "), ("http://[fdca", "astara_url is no URL: "), ("http://x:99999", "astara_url is no URL: "),
    ("http://x/?a=b", "astara_url is no URL: "), ("http://x\r\nX: y", "astara_url is no URL: "), ("http://me:secret@x", "astara_url holds a login."),
])
def test_a_url_that_is_none_is_refused(url, text):
    told = refused(url, "poll")
    assert told.code == "bad_option" and told.message.startswith(text) and "secret" not in told.text


def test_options_of_astara_are_refused_without_its_driver():
    told = refused("http://[::1]:1", "poll", driver="neutron")
    assert (told.code, told.text) == ("bad_option", "astara_url is an option of the driver astara. Say driver: astara.")


@pytest.mark.parametrize(("router", "code", "text"), [
    (NOBODY, "not_found", f"does not know what /router/update/{NOBODY}/ is about (HTTP 404). Look at the id: it asks Neutron for it."),
    (BROKEN, "driver_failed", f"failed at /router/update/{BROKEN}/ (HTTP 500). Its log says why."),
])
def test_what_astara_refuses_is_told(astara, router, code, text):
    told = refused(astara.url, "update", router=[router])
    assert (told.code, told.text) == (code, f"Astara at {astara.url} {text}")


def test_of_several_routers_the_others_are_done(astara, api):
    told = refused(astara.url, "update", router=[NOBODY, ROUTER])
    assert told.code == "not_found" and told.message.startswith("1 of 2 commands were not taken: ")
    assert api.sent == [("router update", {"router_id": ROUTER})] and [each["status"] for each in told.details["calls"]] == [200]


@pytest.mark.parametrize(("status", "code", "words"), [
    (400, "refused", "takes other arguments than /poll/ has"), (401, "bad_credentials", "wants a token for /poll/"),
    (404, "not_supported", "has no command /poll/"),
    (405, "refused", "takes no PUT for /poll/"), (429, "no_answer", "did not take /poll/"), (501, "not_supported", "does /poll/ only on a terminal"),
    (502, "driver_failed", "failed at /poll/"), (503, "no_answer", "cannot do /poll/ now"), (302, "driver_failed", "does not take /poll/"),
])
def test_every_status_has_its_words(status, code, words):
    def answers(_environment, begin):
        begin(f"{status} X", [("Location", "http://127.0.0.1:9/")])
        return [b"why"]
    with Served(answers, "127.0.0.1") as there:
        told = refused(there.url, "poll")
    assert told.code == code and f"{words} (HTTP {status})." in told.message and told.details == {"status": status, "answer": "why"}


def test_nobody_there_silence_and_what_is_no_http(tmp_path):
    with socket.socket(socket.AF_INET6) as taken:
        # nobody else gets it, and nobody listens
        taken.bind(("::1", 0))
        told = refused(f"http://[::1]:{taken.getsockname()[1]}", "rebuild", router=[ROUTER, "error"])
    assert told.code == "no_answer" and "does not answer: Connection refused." in told.message and told.message.startswith("2 of 2 ")
    assert len(told.details["failed"]) == 1, "the next one would fare no better"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        told = refused(url, "poll", timeout=0.3)
        assert (told.code, told.message) == ("no_answer", f"Astara at {url} does not answer: no answer in time.")
    told = refused("http://no.such.host.invalid", "poll")
    assert told.code == "no_answer" and told.message.startswith("Astara at http://no.such.host.invalid does not answer: ")
    listener = Listener(tmp_path).up()
    try:
        told = refused(f"https://127.0.0.1:{listener.port}", "poll")
        assert told.code == "driver_failed" and ": no TLS with it: " in told.message
    finally:
        listener.end()


@pytest.fixture(scope="module")
def controller(tmp_path_factory):
    """This machine, as a user's terminal."""
    path = pathlib.Path(tmp_path_factory.mktemp("astara"), "hosts.yml")
    path.write_text(yaml.safe_dump({"all": {"hosts": {"controller": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}}}))
    return Node("controller", None, path, None)


@pytest.mark.gate
def test_our_own_listener_takes_the_same_commands(controller, tmp_path):
    listener = Listener(tmp_path, token=TOKEN).up()
    args = {"driver": "astara", "astara_url": f"http://[::1]:{listener.port}"}
    try:
        told = controller.turned_down("os_router", {**args, "action": "poll"})
        assert told["failure"]["code"] == "bad_credentials" and listener.events() == []
        told = controller.hit("os_router", {**args, "astara_token": TOKEN, "action": "debug", "all": True, "reason": "the move"})
        assert told["changed"] and TOKEN not in told.output
        run(args["astara_url"], "rebuild", router=["error"], astara_token=TOKEN)
        run(args["astara_url"], "manage", all=True, astara_token=TOKEN)
        told = [each["faultline_router"] for each in listener.events(3)]
        assert [(each["event"], each["scope"], each["reason"]) for each in told] == [
            ("debug", "all", "the%20move"), ("rebuild", "error", ""), ("manage", "all", "")]
        told = refused(args["astara_url"], "rebuild", router=["*", ROUTER], astara_token=TOKEN)
        # its cloud does not answer
        assert told.code == "no_answer" and len(told.details["calls"]) == 1
    finally:
        listener.end()


def test_check_mode_sends_nothing_by_ansible_too(controller, astara, api):
    args = {"driver": "astara", "astara_url": astara.url, "action": "rebuild", "router": ROUTER}
    told = controller.hit("os_router", args, "--check")
    assert told["changed"] and told["calls"] == [{"call": f"PUT /router/rebuild/{ROUTER}/"}] and api.sent == []
    told = controller.hit("os_router", args)
    assert told["calls"] == [{"call": f"PUT /router/rebuild/{ROUTER}/", "status": 200, "answer": "0"}]
    assert api.sent == [("router rebuild", {"router_id": ROUTER})]
