# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power by OpenStack: a node that is a server of another cloud, by openstacksdk."""

from __future__ import annotations

import os
import time

from . import _power
from ._errors import FaultlineError

NAME = "openstack"
# Nova stops a server in its own way first, and by force when its patience ends: it has one stop
ACTIONS = ("poweroff", "poweron", "reset", "shutdown", "reboot")
_STATES = {1: "on", 3: "paused", 4: "off", 6: "crashed", 7: "suspended"}


def find(args, node):
    cloud, auth = str(args.get("cloud") or ""), args.get("auth")
    if not cloud and not auth:
        raise FaultlineError("The power driver openstack needs cloud or auth.", code="bad_option", hint="cloud: a name of clouds.yaml.")
    plain = {name: args[name] for name in ("cloud", "region_name", "verify", "cacert", "interface") if args.get(name) is not None}
    name = "openstack:%s" % (cloud or "%s at %s" % (auth.get("username", ""), auth.get("auth_url", ""))) if auth else ""
    where = {"words": "cloud %s" % (cloud or auth.get("auth_url", "")), "key": name, "connect": plain}
    session = Connection(where, auth)
    server = session.ask(_server, session.connection, node)
    if server is None:
        return None
    machine = dict(where, files=session.files, driver=NAME, words="server %s of %s" % (server.name, where["words"]), server=server.id)
    return machine, ({name: auth} if name else {})


def _server(connection, node):
    """The server that a node is: by its MAC, else by one of its names."""
    mac = _power.mac_of(node.get("mac"))
    if mac and connection.has_service("network"):
        port = next(iter(connection.network.ports(mac_address=mac)), None)
        if port is not None and port.device_id:
            return connection.compute.get_server(port.device_id)
    for name in ("libvirt_name", "fqdn", "name"):
        if node.get(name):
            found = [each for each in connection.compute.servers(name="^%s$" % str(node[name]).replace(".", "[.]")) if each.name == node[name]]
            if len(found) > 1:
                raise FaultlineError("%d servers are named %s." % (len(found), node[name]), code="ambiguous", hint="Give the node its mac.")
            if found:
                return found[0]
    return None


class Connection:
    """A connection to the cloud, and what its errors mean."""

    def __init__(self, where, auth):
        self.sdk = _power.library("openstack", "openstacksdk")
        self.errors = _power.library("keystoneauth1.exceptions", "openstacksdk")
        self.sdk_errors = _power.library("openstack.exceptions", "openstacksdk")
        self.words = where["words"]
        # which clouds.yaml it was: who switches the node on again has neither this environment nor this directory
        self.files = where.get("files")
        self.connection = self.ask(self._connect, where["connect"], auth)

    def _connect(self, options, auth):
        if auth:
            return self.sdk.connect(api_timeout=30, auth=auth, **options)
        given = dict(self.files, load_envvars=False) if self.files else {}
        loader = _power.library("openstack.config", "openstacksdk").OpenStackConfig(**given)
        if options["cloud"] == getattr(loader, "envvar_key", None):
            raise FaultlineError(
                "The cloud %s is this shell's variables OS_*, which the job that switches a node on again does not have." % options["cloud"],
                code="bad_option", hint="Write it into clouds.yaml, or give auth. Nothing was touched.")
        names = {"config_files": loader.config_filename, "secure_files": getattr(loader, "secure_config_filename", None)}
        self.files = {kind: [os.path.abspath(name)] for kind, name in names.items() if name}
        return self.sdk.connection.Connection(config=loader.get_one(api_timeout=30, **options))

    def ask(self, act, *arguments):
        try:
            return act(*arguments)
        except FaultlineError:
            raise
        except self.errors.http.Unauthorized as exc:
            raise _power.refused_credentials(self.words, "Look at clouds.yaml or auth.") from exc
        except (self.errors.ConnectFailure, self.errors.ConnectTimeout) as exc:
            raise _power.unreachable(self.words, exc) from exc
        except (self.errors.ClientException, self.sdk_errors.SDKException) as exc:
            raise FaultlineError("%s: %s" % (self.words, exc), code="driver_failed") from exc


class Session(Connection):
    """A session with the cloud, about one server."""

    def __init__(self, machine, key):
        super().__init__(machine, key)
        self.id = machine["server"]

    def close(self):
        self.connection.close()

    def _server(self):
        return self.ask(self.connection.compute.get_server, self.id)

    def state(self):
        server = self._server()
        if server.status in ("ACTIVE", "SHUTOFF") and not server.task_state:
            return {"ACTIVE": "on", "SHUTOFF": "off"}[server.status]
        return _STATES.get(server.power_state, "unknown")

    def facts(self):
        server = self._server()
        return {"server": server.name, "id": server.id, "status": server.status}

    def on(self):
        self.ask(self.connection.compute.start_server, self.id)

    def off(self):
        self.ask(self.connection.compute.stop_server, self.id)

    shutdown = off

    def reset(self, seconds):
        return self._seen_restart("HARD", seconds)

    def reboot(self, seconds):
        return self._seen_restart("SOFT", seconds)

    def _reboots(self):
        """The server's reboots that Nova has finished."""
        compute = self.connection.compute
        done = []
        for action in compute.server_actions(self.id):
            if action.action == "reboot":
                events = compute.get_server_action(action.request_id, self.id).events or []
                if events and all(event.get("result") == "Success" for event in events):
                    done.append(action.request_id)
        return set(done)

    def _seen_restart(self, kind, seconds):
        before = self.ask(self._reboots)
        self.ask(self.connection.compute.reboot_server, self.id, kind)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            new = self.ask(self._reboots) - before
            if new:
                return {"restart_seen_by": "Nova's finished action %s" % sorted(new)[0]}
            time.sleep(1)
        return {}
