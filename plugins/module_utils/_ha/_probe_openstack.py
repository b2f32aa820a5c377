# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""openstack_api: the APIs of a cloud, through the VIP and on each controller, and what they say of their services and agents.

The token comes from one authentication before the first probe and is renewed in the background long before it expires, so that the series of
other services do not hang on Keystone. What an API refuses with 401 is asked once more with a new token, within the same deadline.
"""

from __future__ import annotations

import asyncio
import calendar
import contextlib
import json
import re
import time

from .._fault._errors import FaultlineError
from . import _probes, _web

_AUTH = {
    "url": (str, _probes.REQUIRED), "username": (str, None), "user_id": (str, None), "password": (str, None), "user_domain_name": (str, None),
    "user_domain_id": (str, None), "project_name": (str, None), "project_id": (str, None), "project_domain_name": (str, None),
    "project_domain_id": (str, None), "system_scope": (str, None), "application_credential_id": (str, None),
    "application_credential_name": (str, None), "application_credential_secret": (str, None), "verify": (bool, True), "ca_file": (str, None),
}
_REQUEST = {
    "service": (str, _probes.REQUIRED), "url": (str, _probes.REQUIRED), "via": (str, None), "kind": (str, None), "headers": (dict, None),
    "status": (list, None), "verify": (bool, True), "ca_file": (str, None),
}
# what an answer is about, where the request does not say
_KINDS = {"keystone": "token", "nova": "services", "cinder": "services", "neutron": "agents", "glance": "images", "placement": "resource_providers"}
_LISTS = ("services", "agents", "images", "resource_providers")
# seconds: of one authentication, between two that failed, and before its expiry that a token is not used any more
_AUTHENTICATING, _AGAIN, _STALE = 10, 2, 30
# names of what is down that a sample has
_NAMES = 20


def identity(what, auth):
    """The body of an authentication by Keystone's API v3, as a dictionary. auth: checked, see _AUTH."""
    def domain(prefix, fallback=None):
        for key in ("id", "name"):
            if auth["%s_domain_%s" % (prefix, key)]:
                return {key: auth["%s_domain_%s" % (prefix, key)]}
        return fallback or {"id": "default"}

    user = {"id": auth["user_id"]} if auth["user_id"] else {"name": auth["username"], "domain": domain("user")}
    if auth["application_credential_secret"]:
        credential = {"secret": auth["application_credential_secret"]}
        if auth["application_credential_id"]:
            credential["id"] = auth["application_credential_id"]
        else:
            credential.update(name=auth["application_credential_name"], user=user)
        return {"auth": {"identity": {"methods": ["application_credential"], "application_credential": credential}}}
    if not auth["password"] or not (auth["username"] or auth["user_id"]):
        raise _probes.bad("%s has neither a user with a password nor an application credential." % what)
    body = {"identity": {"methods": ["password"], "password": {"user": dict(user, password=auth["password"])}}}
    if auth["system_scope"]:
        body["scope"] = {"system": {"all": True}}
    elif auth["project_id"]:
        body["scope"] = {"project": {"id": auth["project_id"]}}
    elif auth["project_name"]:
        body["scope"] = {"project": {"name": auth["project_name"], "domain": domain("project", domain("user"))}}
    return {"auth": body}


def expiry(text, now):
    """Epoch seconds of a token's expires_at; an hour from now where it is none."""
    found = re.match(r"^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)", str(text))
    return calendar.timegm(tuple(map(int, found.groups()))) if found else now + 3600


class Token:
    """A token that is always there, from a first authentication on."""

    def __init__(self, what, auth):
        self._what = what
        url = auth["url"].rstrip("/")
        if not url.endswith("/auth/tokens"):
            url += ("" if url.endswith("/v3") else "/v3") + "/auth/tokens"
        self._place = _web.Place(what, url, auth["verify"], auth["ca_file"])
        self.by_password = not auth["application_credential_secret"]
        self.body = json.dumps(identity(what, auth)).encode()
        self._raw = self._place.request("POST", {"Content-Type": "application/json"}, self.body)
        self.id = None
        self._renew_at = 0.0
        self._asked_at = 0.0
        self._renewing = None
        self._keeping = None

    async def prepare(self):
        await self._place.prepare()
        try:
            await asyncio.wait_for(self._authenticate(), 2 * _AUTHENTICATING)
        except asyncio.TimeoutError as exc:
            raise self._refused("no answer within %d seconds" % (2 * _AUTHENTICATING)) from exc
        except (OSError, ValueError, asyncio.IncompleteReadError, _probes.Failed) as exc:
            raise self._refused(_probes.explain(exc)) from exc
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    def _refused(self, why):
        return FaultlineError(
            "%s got no token at the start: %s." % (self._what, why), code="not_authenticated",
            hint="Check the credentials, and that Keystone answers at the authentication's url.",
        )

    async def _authenticate(self):
        self._asked_at = time.monotonic()
        answer = await self._place.ask(self._raw)
        if answer.status != 201 or not answer.headers["X-Subject-Token"]:
            raise _probes.Failed("status %d" % answer.status)
        try:
            told = json.loads(answer.body.decode())["token"].get("expires_at")
        except (ValueError, KeyError, AttributeError):
            told = None
        now = time.time()
        left = expiry(told, now) - now
        # by the monotonic clock, and never in a hurry, whatever the clocks of the two hosts are
        self._renew_at = time.monotonic() + max(_STALE, min(left * 0.7, left - _STALE))
        self.id = answer.headers["X-Subject-Token"]

    async def renewed(self, refused):
        """Another token than the one that was refused; one authentication at a time, however many ask."""
        if self.id == refused:
            if self._renewing is None or self._renewing.done():
                if time.monotonic() - self._asked_at < _AGAIN:
                    return self.id
                self._renewing = asyncio.get_running_loop().create_task(self._renew())
            # whose deadline passes does not take the others' token away
            await asyncio.shield(self._renewing)
        return self.id

    async def _renew(self):
        with contextlib.suppress(OSError, ValueError, asyncio.TimeoutError, asyncio.IncompleteReadError, _probes.Failed):
            await asyncio.wait_for(self._authenticate(), _AUTHENTICATING)

    async def _keep(self):
        while True:
            await asyncio.sleep(max(_AGAIN, self._renew_at - time.monotonic()))
            if time.monotonic() >= self._renew_at:
                await self.renewed(self.id)

    async def close(self):
        for task in (self._keeping, self._renewing):
            if task and not task.done():
                task.cancel()


class Request:
    """One API that is asked again and again."""

    def __init__(self, what, request, token, verbose):
        self._place = _web.Place(what, request["url"], request["verify"], request["ca_file"])
        self.kind = request["kind"] or _KINDS.get(request["service"], "plain")
        if self.kind not in _LISTS + ("token", "plain"):
            raise _probes.bad("kind of %s is %r; it must be one of %s." % (what, self.kind, ", ".join(_LISTS + ("token", "plain"))))
        self._wanted = request["status"] or ([201] if self.kind == "token" else None)
        self._headers = dict({"Accept": "application/json"}, **(request["headers"] or {}))
        if self.kind == "token":
            self._headers["Content-Type"] = "application/json"
        self._by_password = verbose or not (token and token.by_password)
        self._token = token
        self._made = (None, b"")

    async def prepare(self):
        await self._place.prepare()

    def _raw(self, token):
        if self._made[0] != token or not self._made[1]:
            if self.kind != "token":
                made = self._place.request("GET", dict(self._headers, **({"X-Auth-Token": token} if token else {})))
            else:
                body = self._token.body if self._by_password else json.dumps(
                    {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}).encode()
                made = self._place.request("POST", self._headers, body)
            self._made = (token, made)
        return self._made[1]

    async def look(self):
        token = self._token.id if self._token else None
        answer = await self._place.ask(self._raw(token))
        # with a token: Keystone knows ours as little as the others do, after its keys were changed
        if answer.status in (401, 404) and token and (answer.status == 401 or self.kind == "token"):
            renewed = await self._token.renewed(token)
            if renewed != token:
                answer = await self._place.ask(self._raw(renewed))
        if answer.status not in self._wanted if self._wanted else answer.status >= 400:
            raise _probes.Failed("status %d" % answer.status, {"status": answer.status})
        return judge(self.kind, answer)


def _is_up(entry):
    return bool(entry["alive"]) if "alive" in entry else str(entry.get("state", "")).lower() == "up"


def judge(kind, answer):
    """The value of a good answer: its status, and of lists how many are there, up and down, and which are down."""
    value = {"status": answer.status}
    if kind not in _LISTS:
        return value
    entries = json.loads(answer.body.decode()).get(kind)
    if not isinstance(entries, list):
        raise _probes.Failed("not understood: no %s in the answer" % kind, value)
    if kind not in ("services", "agents"):
        return dict(value, count=len(entries))
    down = sorted("%s@%s" % (entry.get("binary"), entry.get("host")) for entry in entries if not _is_up(entry))
    value.update(up=len(entries) - len(down), down=len(down))
    if down:
        value["down_names"] = down[:_NAMES]
    return value


class OpenstackApi(_probes.Family):
    """requests: {service, url (complete), via, kind: token|services|agents|images|resource_providers|plain, headers, status, verify, ca_file}.

    auth: how the token is got (url of Keystone, user and password or application credential, scope). full_authentication: whether Keystone is
    asked with the password each time, whose hash costs it a tenth of a second of CPU, and not with the token that is there.
    """

    type = "openstack_api"
    GROUP = "api"
    OPTIONS = {"requests": (list, _probes.REQUIRED), "auth": (dict, None), "full_authentication": (bool, False)}

    def __init__(self, spec):
        super().__init__(spec)
        name = self.spec["name"]
        self._token = None
        if self.spec["auth"]:
            what = "The monitor %r" % name
            self._token = Token(what, _probes.check("auth of the monitor %r" % name, self.spec["auth"], _AUTH))
        self._requests = []
        for request in _probes.each("requests of the monitor %r" % name, self.spec["requests"], _REQUEST):
            made = Request("the request for %s" % request["service"], request, self._token, self.spec["full_authentication"])
            if made.kind == "token" and not self._token:
                raise _probes.bad("The monitor %r asks Keystone for tokens but has no auth." % name)
            self._requests.append(made)
            self.one(self.named(request["service"], request["via"]), made.look)

    async def prepare(self):
        if self._token:
            await self._token.prepare()
        for request in self._requests:
            await request.prepare()

    async def close(self):
        if self._token:
            await self._token.close()


_probes.register(OpenstackApi)
