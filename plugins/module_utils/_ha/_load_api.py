# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load api: light requests to a cloud's APIs at a fixed rate, whatever became of the ones before (an open loop)."""

from __future__ import annotations

import asyncio
import json
import os

from .._fault._errors import FaultlineError
from . import _apis, _load, _probe_openstack, _probes, _sampler, _web

PATIENCE = 30
KEYPAIR = "keypair"


class Operations(_probe_openstack.OpenstackApi):
    """The requests, and where wanted a key pair that is made and deleted again."""

    type = "api"
    GROUP = "load"

    def __init__(self, spec, keypairs=None):
        super().__init__(spec)
        # the rate is that of all operations together
        self.rate = self.rate / (len(self.calls) + (1 if keypairs else 0))
        self._keypairs = None
        if keypairs:
            self._keypairs = keypairs
            self._places = {}
            self._verify = (spec["auth"]["verify"], spec["auth"]["ca_file"])
            self._number = 0
            self._prefix = "faultline-ha-%s" % os.urandom(4).hex()
            self.one(self.named(KEYPAIR), self._make_and_delete)

    async def prepare(self):
        await super().prepare()
        if self._keypairs:
            place = _web.Place("the load's key pairs", self._keypairs, *self._verify)
            await place.prepare()
            self._places[""] = place

    async def _ask(self, method, name="", body=b""):
        """One request about key pairs, with a new token where the old one is refused; its Answer."""
        place = self._places[""]
        target = place.target.rstrip("/") + ("/" + name if name else "")
        for again in (True, False):
            token = self._token.id
            headers = {"X-Auth-Token": token, "Content-Type": "application/json", "Accept": "application/json"}
            answer = await place.ask(_web.request(method, target, place.netloc, headers, body))
            if answer.status != 401 or not again or await self._token.renewed(token) == token:
                return answer

    async def _make_and_delete(self):
        self._number += 1
        name = "%s-%d" % (self._prefix, self._number)
        answer = await self._ask("POST", body=json.dumps({"keypair": {"name": name, "public_key": _KEY}}).encode())
        if answer.status not in (200, 201):
            raise _probes.Failed("status %d when it was made" % answer.status, {"status": answer.status})
        answer = await self._ask("DELETE", name)
        if answer.status not in (202, 204):
            raise _probes.Failed("status %d when it was deleted" % answer.status, {"status": answer.status})
        return {"status": answer.status}

    async def close(self):
        """Key pairs whose deletion had no answer are deleted now."""
        if self._keypairs:
            await self._sweep()
        await super().close()

    async def _sweep(self):
        try:
            answer = await self._ask("GET")
            told = json.loads(answer.body.decode()).get("keypairs") or []
            for name in [each["keypair"]["name"] for each in told]:
                if name.startswith(self._prefix):
                    await self._ask("DELETE", name)
        except (OSError, ValueError, KeyError, asyncio.IncompleteReadError):
            return


# a public key whose private half nobody has
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZhdWx0bGluZWZhdWx0bGluZWZhdWx0bGluZS1sb2Fk faultline"


class Api(_load.Load):
    """GET lists, make tokens, and with write make and delete key pairs."""

    patience = PATIENCE

    def __init__(self, load, told):
        super().__init__(load, told)
        if not told.get("credentials") or not told.get("limit"):
            raise FaultlineError("The load %s needs credentials and a duration." % self.name, code="bad_option", hint="Give cloud or auth, and duration.")
        self.loop = asyncio.new_event_loop()
        self.family = None

    def prepare(self):
        credentials, endpoints = self.told["credentials"], self.told["endpoints"]
        spec = {
            "name": self.name, "type": "api", "rate": self.load["rate"], "timeout": self.load["timeout"], "auth": _apis.login(credentials),
            "requests": [_apis.request(service, endpoints, credentials) for service in self.load["services"]],
        }
        keypairs = _apis.url_of("nova", endpoints).replace("/servers?limit=20", "/os-keypairs") if self.load["write"] else None
        self.family = Operations(spec, keypairs)
        # one loop for both, as the token's keeper belongs to it
        self.loop.run_until_complete(asyncio.wait_for(self.family.prepare(), _sampler.PREPARING))
        self.open({name: {"subject": each["subject"], "via": "api"} for name, each in self.family.series.items()})

    def work(self):
        self.loop.run_until_complete(self.take())

    async def take(self):
        sampler = _sampler.Sampler(self.family, self.writer, self.clock)
        begin = self.loop.time() + 0.05
        taking = self.loop.create_task(sampler.run(begin, self.told["limit"], lambda: None))
        while not taking.done():
            if self.stopping.is_set():
                sampler.stop()
            await asyncio.wait([taking], timeout=0.1)
        await taking
        await asyncio.wait_for(self.family.close(), 15)


_load.register("api", Api)
