# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster costs: time and API calls for VMs that are built up and torn down.

    python tests/bench/clusters.py --cloud lab --image tiny --flavor m1.tiny --count 50

The VMs are on no network, so what is measured is the cloud's own time and this collection's questions. Use a cloud of Nova's fake driver.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import pathlib
import sys
import time
import unittest.mock

# where `make venv` links the collection
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / ".venv" / "collections"))

from ansible_collections.faultline.openstack.plugins.module_utils._cluster import _runs
from keystoneauth1.session import Session


@contextlib.contextmanager
def counted():
    """The requests that are sent meanwhile: {(method, last word of the path that is no id): [URL]}."""
    sent, request = collections.defaultdict(list), Session.request

    def one(self, url, method, *arguments, **more):
        words = [word for word in str(url).partition("?")[0].split("/") if word.isalpha() or word == "os-keypairs"]
        sent[method, next((word for word in reversed(words) if word != "detail"), "")].append(url)
        return request(self, url, method, *arguments, **more)

    with unittest.mock.patch.object(Session, "request", one):
        yield sent


def measure(auth, steering, key, origin, cloud=None):
    """[figures of the buildup, figures of the teardown]: vms, seconds, calls ({(method, what): [URL]}), calls_in_all, msg."""
    found = []
    for options in ({"state": "present", "steering": steering, "public_key": key}, {"state": "absent"}):
        params = {name: each.get("default") for name, each in _runs.arguments().items()}
        params.update(options, auth=auth, cloud=cloud, origin=origin)
        with counted() as calls:
            begun = time.monotonic()
            result = _runs.change(params, check_mode=False)
            seconds = time.monotonic() - begun
        vms = len(result["instances"]) if "instances" in result else sum(each["kind"] == "servers" for each in result["removed"])
        found.append({
            "vms": vms, "seconds": seconds, "calls": calls, "calls_in_all": sum(map(len, calls.values())), "msg": result["msg"]})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloud", help="a name of clouds.yaml")
    parser.add_argument("--image", default="tiny")
    parser.add_argument("--flavor", default="m1.tiny")
    parser.add_argument("--count", type=int, default=50)
    args = parser.parse_args()
    steering = {
        "images": {"i": {"OS_IMAGE_NAME": args.image}}, "flavor": {"f": {"OS_FLAVOR_NAME": args.flavor}},
        "instances": {"a": {"uuid_image": "i", "uuid_flavour": "f", "count": args.count, "networks": []}}}
    # a place of its own, whose sessions are nobody else's
    origin = {"TERMINAL_TTY": "bench", "TERMINAL_USER": "bench", "WE_HOSTNAME": "bench"}
    for what, each in zip(("up", "down"), measure(None, steering, None, origin, args.cloud), strict=True):
        most = sorted(each["calls"].items(), key=lambda item: -len(item[1]))[:6]
        print(f"{what:<5} {each['vms']} VMs in {each['seconds']:.1f} s, {each['calls_in_all'] / args.count:.2f} API calls per VM: "
              + ", ".join(f"{len(urls)} {method} {name}" for (method, name), urls in most))


if __name__ == "__main__":
    main()
