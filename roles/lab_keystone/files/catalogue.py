# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of the project "service", and services with their endpoints, in Keystone: catalogue.py < JSON. Says what it has made.

{"url": ".../v3", "password": of admin, "region": ..., "services": [{"name", "type", "url", "password"}]}
"""

import json
import sys
import urllib.request


class Keystone:
    def __init__(self, url, password):
        self.url, self.token = url, None
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        self.ask("POST", "auth/tokens", {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})

    def ask(self, method, path, body=None):
        headers = {"Content-Type": "application/json", **({"X-Auth-Token": self.token} if self.token else {})}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.token = self.token or answer.headers.get("X-Subject-Token")
            text = answer.read()
        return json.loads(text) if text else {}

    def need(self, kind, wanted, **rest):
        """The id of the thing that is as wanted; made if there is none."""
        found = [each for each in self.ask("GET", kind + "s")[kind + "s"] if all(each.get(key) == value for key, value in wanted.items())]
        if found:
            return found[0]["id"]
        print("made", kind, *wanted.values())
        return self.ask("POST", kind + "s", {kind: {**wanted, **rest}})[kind]["id"]


def main():
    given = json.load(sys.stdin)
    keystone = Keystone(given["url"], given["password"])
    project = keystone.need("project", {"name": "service", "domain_id": "default"})
    roles = [keystone.need("role", {"name": name}) for name in ("admin", "service")]
    for each in given["services"]:
        user = keystone.need("user", {"name": each["name"], "domain_id": "default"}, password=each["password"])
        for role in roles:
            keystone.ask("PUT", f"projects/{project}/users/{user}/roles/{role}")
        service = keystone.need("service", {"name": each["name"], "type": each["type"]})
        for interface in ("public", "internal", "admin"):
            wanted = {"service_id": service, "interface": interface, "region_id": given["region"]}
            keystone.need("endpoint", wanted, url=each["url"])


main()
