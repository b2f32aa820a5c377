# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The actions of os_router as commands for a running astara-orchestrator, by its HTTP API; also for what else speaks it."""

from __future__ import annotations

import http.client
import re
import ssl
from urllib.parse import quote, unquote, urlsplit

from .._fault._errors import FaultlineError
from . import _marks, _router

DRIVERS = NEUTRON, ASTARA = "neutron", "astara"
PORT = 44250
# bytes of an answer that are read
_ANSWER = 65536
_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
# a URL or a header with these would be two
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_IDS_HINT = "Astara takes ids, or * and error for rebuild and update. os_router_info tells the id of a name."


def arguments():
    """The options of os_router that are about Astara."""
    return {
        "driver": {"type": "str", "default": NEUTRON, "choices": list(DRIVERS)},
        "astara_url": {"type": "str"},
        "astara_token": {"type": "str", "no_log": True},
    }


def unasked(params):
    """Refuse what only Astara would need. FaultlineError bad_option."""
    for name in ("astara_url", "astara_token"):
        if params[name]:
            raise _bad("%s is an option of the driver astara." % name, "Say driver: astara.")


def act(params, check_mode):
    """The result of os_router by Astara. FaultlineError: bad_option, bad_credentials, not_found, not_supported, refused, no_answer, driver_failed."""
    server, calls = Server(params), commands(params)
    # a poll changes nothing but what is known
    changed = params["action"] != "poll"
    if check_mode:
        return {"changed": changed, "msg": "would send %s to %s" % (_listed(calls), server.words), "calls": [{"call": "PUT " + each} for each in calls]}
    done, failed = [], []
    for each in calls:
        try:
            done.append({"call": "PUT " + each, "status": 200, "answer": server.put(each)})
        except FaultlineError as exc:
            if len(calls) == 1:
                raise
            failed.append({"call": "PUT " + each, "code": exc.code, "why": exc.text})
            if exc.code in ("no_answer", "bad_credentials"):
                # the next one would fare no better
                break
    if failed:
        raise FaultlineError(
            "%d of %d commands were not taken: %s" % (len(calls) - len(done), len(calls), " ".join(each["why"] for each in failed[:5])),
            code=failed[0]["code"], details={"failed": failed, "calls": done})
    return {"changed": changed, "msg": "%s took %s; what comes of it is in its log" % (server.words, _listed(calls)), "calls": done}


def _listed(calls):
    return ", ".join(calls[:5]) + (" and %d more" % (len(calls) - 5) if len(calls) > 5 else "")


# ---- what is said


def commands(params):
    """The paths that stand for an action and its options. FaultlineError bad_option."""
    action, routers, project = params["action"], params["router"] or [], params["project"]
    for name in ("agent", "probed", "ping"):
        if params.get(name) is not None:
            raise _bad("Astara knows no %s." % name, "It is an option of the driver neutron.")
    if params["force"]:
        raise _bad("Astara cannot be forced: it ignores commands for what is in debug.", "Take it out first with the action manage.")
    if params["reason"] is not None and action != "debug":
        raise _bad("reason is no option of the action %s." % action)
    if action == "poll":
        if routers or project:
            raise _bad("Astara polls all routers at once.", "Leave router and project away.")
        return ["/poll/"]
    if not (routers or project or params["all"]):
        raise _bad("%s: nothing says what is meant." % action, "Say router, project or all.")
    if routers and project:
        raise _bad("Astara takes routers or a project, not the routers of a project.")
    marks = action in ("debug", "manage")
    if routers:
        return ["/router/%s/%s/%s" % (action, _router_id(each, action, marks), _reason(params)) for each in dict.fromkeys(routers)]
    if project:
        if not marks:
            raise _bad("Astara cannot %s the routers of a project." % action, "Name the routers, or say all.")
        return ["/tenant/%s/%s/%s" % (action, _id(project, "project"), _reason(params))]
    if marks:
        return ["/global/debug/%s/%s" % ("enable" if action == "debug" else "disable", _reason(params))]
    return ["/router/%s/*/" % action]


def _router_id(name, action, marks):
    if name in _router.WILD:
        if marks:
            raise _bad("Astara ignores %s with the action %s, though it says that it took it." % (name, action), "Name the routers, or say all.")
        return name
    return _id(name, "router")


def _id(name, what):
    if not _ID.fullmatch(name.lower()):
        raise _bad("%s is no id of a %s." % (name, what), _IDS_HINT if what == "router" else "Astara takes ids of projects, no names.")
    return name.lower()


def _reason(params):
    """A reason as an argument on Astara's command line. It keeps it percent-encoded, and splits the line at each slash, encoded or not."""
    reason = _marks.plain(params["reason"] or "")
    if "/" in reason:
        raise _bad("A reason for Astara can have no slash.", "It takes the command line from a path, and would take what follows for an argument.")
    return "--reason=%s/" % quote(reason, safe="") if reason else ""


def _bad(message, hint=""):
    return FaultlineError(message, code="bad_option", hint=hint)


# ---- whom it is said to


class Server:
    """An HTTP API as Astara's, by the options astara_url, astara_token, timeout, and verify and cacert of the login."""

    def __init__(self, params):
        url = params["astara_url"] or ""
        if not url:
            raise _bad("The driver astara needs astara_url.", "For example http://[fdca:3ba5:a17a:acda::1]:44250.")
        try:
            parts = urlsplit(url)
            self.host, self.port = unquote(parts.hostname or ""), parts.port or PORT
        except ValueError as exc:
            raise self._wrong(exc) from exc
        if parts.username is not None or parts.password is not None:
            # not told: it holds a password
            raise _bad("astara_url holds a login.", "A token is given as astara_token.")
        self.words = "Astara at %s" % url
        if parts.scheme not in ("http", "https") or not self.host or parts.query or parts.fragment or _CONTROL.search(url):
            raise self._wrong("it has to be http:// or https://, an address and a port")
        self.prefix = quote(parts.path.rstrip("/"), safe="/%")
        self.timeout = params["timeout"]
        self.tls = self._tls(params) if parts.scheme == "https" else None
        token = params["astara_token"]
        if token and not re.fullmatch(r"[!-~]+", token):
            raise _bad("astara_token has characters that no header can have.")
        self.headers = dict({"Content-Length": "0", "Accept": "*/*"}, **({"Authorization": "Bearer " + token} if token else {}))

    @staticmethod
    def _wrong(why):
        return _bad("astara_url is no URL: %s." % why, "For example http://[fdca:3ba5:a17a:acda::1]:44250, with an IPv6 address in brackets.")

    @staticmethod
    def _tls(params):
        try:
            context = ssl.create_default_context(cafile=params.get("cacert"))
        except OSError as exc:
            raise _bad("cacert %s cannot be read: %s." % (params["cacert"], exc.strerror or exc)) from exc
        if params.get("verify") is False:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def put(self, path):
        """What it answers to a command, as text."""
        if self.tls:
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.tls)
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request("PUT", self.prefix + path, headers=self.headers)
            answer = connection.getresponse()
            status, text = answer.status, _marks.plain(answer.read(_ANSWER).decode("utf-8", "replace"))
        except ssl.SSLError as exc:
            raise FaultlineError(
                "%s: no TLS with it: %s." % (self.words, _why(exc)), code="driver_failed", hint="Look at its certificate, at cacert and at verify.") from exc
        except OSError as exc:
            raise FaultlineError(
                "%s does not answer: %s." % (self.words, _why(exc)), code="no_answer",
                hint="Does astara-orchestrator run there, and can it be reached from here?") from exc
        except http.client.HTTPException as exc:
            raise FaultlineError("%s does not speak HTTP." % self.words, code="driver_failed", hint="Is the port right?") from exc
        finally:
            connection.close()
        if status != 200:
            raise self._refused(status, path, text)
        return text

    def _refused(self, status, path, text):
        code, words, hint = _STATUS.get(status, _STATUS[500] if status >= 500 else ("driver_failed", "does not take %s", "Is it Astara that listens there?"))
        if status == 404 and path.startswith(("/router/", "/tenant/")):
            code, words, hint = "not_found", "does not know what %s is about", "Look at the id: it asks Neutron for it."
        return FaultlineError("%s %s (HTTP %d)." % (self.words, words % path, status), code=code, hint=hint, details={"status": status, "answer": text[:500]})


_STATUS = {
    400: ("refused", "takes other arguments than %s has", "Older ones know no reason."),
    401: ("bad_credentials", "wants a token for %s", "Give astara_token."),
    403: ("bad_credentials", "does not allow %s", "Look at astara_token."),
    404: ("not_supported", "has no command %s", "Older ones have fewer commands; or it is not Astara that listens there."),
    405: ("refused", "takes no PUT for %s", "It is not Astara that listens there, or something stands in between."),
    429: ("no_answer", "has more to do than it takes, and did not take %s", "Try again later."),
    500: ("driver_failed", "failed at %s", "Its log says why."),
    501: ("not_supported", "does %s only on a terminal", "Log in there and use astara-ctl."),
    503: ("no_answer", "cannot do %s now", "Try again later."),
}


def _why(exc):
    if isinstance(exc, TimeoutError):
        return "no answer in time"
    return str(getattr(exc, "reason", None) or exc.strerror or exc).rstrip(".")
