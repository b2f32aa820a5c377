# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenStack's APIs: how a project is called in the catalogue, what is asked of it, and where. Pure."""

from __future__ import annotations

from .._fault._errors import FaultlineError

# for each project its types in the catalogue, the path of a short list (a load), and that of what tells its health (a monitor)
SERVICES = {
    "keystone": (("identity",), None, None),
    "nova": (("compute",), "/servers?limit=20", "/os-services"),
    "neutron": (("network",), "/v2.0/networks?limit=20", "/v2.0/agents"),
    "glance": (("image",), "/v2/images?limit=20", "/v2/images?limit=1"),
    "placement": (("placement",), "/resource_providers?name=faultline", "/resource_providers"),
    "cinder": (("block-storage", "volumev3", "block-store", "volume"), "/volumes?limit=20", "/os-services"),
    "heat": (("orchestration",), "/stacks?limit=20", "/stacks?limit=1"),
    "swift": (("object-store",), "?limit=20", "?limit=1"),
    "octavia": (("load-balancer",), "/v2.0/lbaas/loadbalancers?limit=20", "/v2.0/lbaas/loadbalancers?limit=1"),
    "designate": (("dns",), "/v2/zones?limit=20", "/v2/zones?limit=1"),
    "barbican": (("key-manager",), "/v1/secrets?limit=20", "/v1/secrets?limit=1"),
    "ironic": (("baremetal",), "/v1/nodes?limit=20", "/v1/nodes?limit=1"),
    "manila": (("shared-file-system", "sharev2"), "/shares?limit=20", "/shares?limit=1"),
    "magnum": (("container-infrastructure-management", "container-infra"), "/v1/clusters?limit=20", "/v1/clusters?limit=1"),
}
# what an endpoint may end with already
_VERSIONS = ("/v1", "/v2", "/v2.0")
LIST, HEALTH = 1, 2


def type_of(service):
    """The first type of a project in the catalogue; what is no project is one already."""
    return SERVICES[service][0][0] if service in SERVICES else service


def url_of(service, endpoints, what=LIST):
    """What is asked of a project, LIST or HEALTH, by the catalogue ({type: {url}}). FaultlineError (no_service) when it is not there."""
    types, path = SERVICES[service][0], SERVICES[service][what]
    for name in types:
        if name in endpoints:
            base = endpoints[name]["url"].rstrip("/")
            for version in _VERSIONS:
                if base.endswith(version) and (path or "").startswith(version + "/"):
                    base = base[:-len(version)]
            return base + (path or "")
    raise FaultlineError(
        "The cloud's catalogue has no %s." % service, code="no_service", hint="It has: %s. Leave it out of services." % ", ".join(sorted(endpoints)))


def request(service, endpoints, credentials, what=LIST):
    """A request as the probes of openstack_api know them. credentials: see _cloud.login()."""
    trust = {"verify": credentials.get("verify", True), "ca_file": credentials.get("cacert")}
    if service == "keystone":
        return dict(trust, service=service, url=tokens_of(credentials["auth"]["auth_url"]), kind="token")
    made = dict(trust, service=service, url=url_of(service, endpoints, what))
    # what is no list of a kind that the probes count
    return dict(made, kind="plain") if what == LIST else made


def tokens_of(url):
    """Where tokens are made."""
    url = url.rstrip("/")
    return url + ("" if url.endswith("/v3") else "/v3") + "/auth/tokens"


def login(credentials):
    """The credentials as the probes take them."""
    auth = dict(credentials["auth"])
    auth["url"] = auth.pop("auth_url")
    if auth.get("tenant_name"):
        auth.setdefault("project_name", auth.pop("tenant_name"))
    return dict(auth, verify=credentials.get("verify", True), ca_file=credentials.get("cacert"))
