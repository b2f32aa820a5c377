# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that answers as the HTTP API of astara-orchestrator did: PUT only, the path is a command line, argparse reads it, the answer is its exit code.

Astara itself is not to be had: it is for Python 2, and no longer published. What it would have sent to its workers is kept here.
"""

from __future__ import annotations

import argparse
import socket
import threading
import wsgiref.simple_server

import webob.dec
import webob.exc

ROUTER = "7f8e4c1a-0b6d-4a53-9d0e-2f3b5c6d7e8f"
# what fails inside, as with a broken message queue
BROKEN = "bbbbbbbb-0000-4000-8000-000000000000"


class Api:
    """known: the ids of routers that Neutron would have."""

    def __init__(self, known=(ROUTER, BROKEN)):
        self.known, self.sent = set(known), []
        self.commands = {("poll",): [], ("workers", "debug"): [], ("config", "reload"): [], ("global", "debug"): ["status"], ("browse",): None, ("ssh",): None}
        for verb in ("debug", "manage", "update", "rebuild"):
            self.commands["router", verb] = self.commands["resource", verb] = ["router_id"]
        for verb in ("debug", "manage"):
            self.commands["tenant", verb] = ["tenant_id"]

    def find(self, words):
        for count in range(len(words), 0, -1):
            if tuple(words[:count]) in self.commands:
                return tuple(words[:count]), words[count:]
        raise ValueError("Unknown command")

    def run(self, name, rest):
        parser = argparse.ArgumentParser(prog=" ".join(name))
        for each in self.commands[name]:
            parser.add_argument(each)
        if self.commands[name]:
            parser.add_argument("--reason")
        if name[-1] == "rebuild":
            parser.add_argument("--router_image_uuid")
        told = vars(parser.parse_args(rest))
        router = told.get("router_id", "*").lower()
        if router == BROKEN:
            raise RuntimeError("no broker")
        if name[0] == "router" and router not in {"*", "error", *self.known}:
            raise ValueError(f"No router with id {router!r} found")
        if told.get("status", "enable").lower() not in ("enable", "disable"):
            raise ValueError("Invalid global-debug command")
        self.sent.append((" ".join(name), {key: value for key, value in told.items() if value is not None}))
        return 0

    @webob.dec.wsgify
    def __call__(self, request):
        try:
            if request.method != "PUT":
                return webob.exc.HTTPMethodNotAllowed()
            words = [each for each in request.path.split("/") if each]
            if not words:
                return webob.exc.HTTPNotFound()
            name, rest = self.find(words)
            if self.commands[name] is None:
                return webob.exc.HTTPNotImplemented()
            return str(self.run(name, rest))
        except SystemExit:
            return webob.exc.HTTPBadRequest()
        except ValueError:
            return webob.exc.HTTPNotFound()
        except Exception:
            return webob.exc.HTTPInternalServerError(explanation="An unknown error has occurred. Please try your request again.")


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_arguments):
        pass


class Served:
    """A WSGI application on the loopback of IPv6 or IPv4, while it is entered; url."""

    def __init__(self, app, host="::1"):
        kind = type("Server", (wsgiref.simple_server.WSGIServer,), {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET})
        self.server = wsgiref.simple_server.make_server(host, 0, app, server_class=kind, handler_class=_Quiet)
        self.url = f"http://[{host}]:{self.server.server_port}" if ":" in host else f"http://{host}:{self.server.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_arguments):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
