# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""http: web pages and services, by status and text."""

from __future__ import annotations

from . import _probes, _web

TARGET = {
    "name": (str, _probes.REQUIRED), "url": (str, _probes.REQUIRED), "via": (str, None), "method": (str, "GET"), "status": (list, None),
    "contains": (str, None), "verify": (bool, True), "ca_file": (str, None), "headers": (dict, None), "body": (str, ""),
}


class Page:
    """One thing that is asked for again and again. target: a checked dictionary, see TARGET."""

    def __init__(self, what, target):
        self._place = _web.Place(what, target["url"], target["verify"], target["ca_file"])
        self._raw = self._place.request(target["method"], target["headers"], target["body"].encode())
        self._status = target["status"]
        self._contains = target["contains"].encode() if target["contains"] else None
        for status in self._status or []:
            if not isinstance(status, int) or not 100 <= status < 600:
                raise _probes.bad("status of %s has %r; it must be numbers like 200." % (what, status))

    async def prepare(self):
        await self._place.prepare()

    async def look(self):
        answer = await self._place.ask(self._raw)
        value = {"status": answer.status}
        if answer.status not in self._status if self._status else answer.status >= 400:
            raise _probes.Failed("status %d" % answer.status, value)
        if self._contains and self._contains not in answer.body:
            raise _probes.Failed("the text is not there", value)
        return value


class Http(_probes.Family):
    """Targets {name, url, via, method, status: [numbers] (else all below 400), contains, verify, ca_file, headers, body}."""

    type = "http"
    OPTIONS = {"targets": (list, _probes.REQUIRED)}

    def __init__(self, spec):
        super().__init__(spec)
        what = "targets of the monitor %r" % self.spec["name"]
        self._pages = []
        for target in _probes.each(what, self.spec["targets"], TARGET):
            page = Page("the target %r" % target["name"], target)
            self._pages.append(page)
            self.one(self.named(target["name"], target["via"]), page.look)

    async def prepare(self):
        for page in self._pages:
            await page.prepare()


_probes.register(Http)
