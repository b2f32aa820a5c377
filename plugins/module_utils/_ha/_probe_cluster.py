# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""galera, rabbitmq: whether a member of a cluster is in it, and how many are."""

from __future__ import annotations

import json

from . import _children, _probes, _web

_STATUS = {
    "wsrep_cluster_status": "status", "wsrep_cluster_size": "size", "wsrep_local_state_comment": "state", "wsrep_ready": "ready",
    "wsrep_connected": "connected", "wsrep_provider_name": "provider", "wsrep_flow_control_paused": "flow_control_paused",
    "wsrep_local_recv_queue": "receive_queue", "wsrep_local_send_queue": "send_queue",
}
_QUERY = "SHOW GLOBAL STATUS WHERE Variable_name IN (%s)" % ", ".join("'%s'" % name for name in _STATUS)


def _number(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


class Galera(_probes.Family):
    """The member of this host, by the mysql client. size: of the whole cluster. ok when it is Primary, Synced and of that size.

    alone: a database that is in no cluster is well when it answers.
    command: the client and what comes before it (docker exec NAME mysql); socket, user, defaults_file: the client's options.
    """

    type = "galera"
    RATE = 1.0
    TIMEOUT = 5.0
    GROUP = "cluster"
    OPTIONS = {
        "size": (int, None), "alone": (bool, False), "command": (list, None), "socket": (str, None), "user": (str, None),
        "defaults_file": (str, None), "auth": (dict, None),
    }

    def __init__(self, spec):
        super().__init__(spec)
        command = _probes.words("command of the monitor %r" % self.spec["name"], self.spec["command"] or ["mysql"])
        # it has to be the first
        argv = command + (["--defaults-file=" + self.spec["defaults_file"]] if self.spec["defaults_file"] else [])
        argv += ["--%s=%s" % (key, self.spec[key]) for key in ("socket", "user") if self.spec[key]]
        auth = _probes.check("auth of the monitor %r" % self.spec["name"], self.spec["auth"] or {}, {"password": (str, None)})
        # the client takes it from nowhere else that others cannot see
        self._environment = {"MYSQL_PWD": auth["password"]} if auth["password"] else {}
        self._command = argv + ["--batch", "--skip-column-names", "--connect-timeout=%d" % max(1, self.timeout), "--execute=" + _QUERY]
        self.one(self.named("galera"), self.look)

    async def prepare(self):
        self._command = _children.argv(self._command)

    async def look(self):
        rc, out, err = await _children.run(self._command, self._environment)
        if rc != 0:
            raise _probes.Failed(_children.last_line(err, out) or "the client failed with status %d" % rc)
        return self.judge(out)

    def judge(self, out):
        """The value of what the client says, or Failed."""
        told = dict(line.split("\t", 1) for line in out.splitlines() if "\t" in line)
        value = {word: _number(told[name]) for name, word in _STATUS.items() if name in told}
        # without Galera's library there are only empty words
        if "status" not in value or not value.pop("provider", "Galera"):
            if self.spec["alone"]:
                return {}
            raise _probes.Failed("this database is in no Galera cluster")
        wanted = self.spec["size"]
        wrong = [
            "status %s" % value["status"] if value["status"] != "Primary" else "",
            "state %s" % value.get("state") if value.get("state") != "Synced" else "",
            "not ready" if value.get("ready", "ON") != "ON" else "",
            "%s of %d members" % (value.get("size"), wanted) if wanted is not None and value.get("size") != wanted else "",
        ]
        if any(wrong):
            raise _probes.Failed(", ".join(filter(None, wrong)), value)
        return value


class RabbitMq(_probes.Family):
    """The cluster as this host's member sees it. members: how many have to run. ok when they do and nothing is partitioned.

    By rabbitmqctl, which takes seconds of CPU, so it is asked once in ten seconds; with a url by the management API, which is cheap.
    """

    type = "rabbitmq"
    RATE = 0.1
    TIMEOUT = 20.0
    GROUP = "cluster"
    OPTIONS = {
        "members": (int, None), "command": (list, None), "url": (str, None), "verify": (bool, True), "ca_file": (str, None), "auth": (dict, None),
    }

    def __init__(self, spec):
        if spec.get("url"):
            spec = dict({"rate": 1.0, "timeout": 5.0}, **{key: value for key, value in spec.items() if value is not None})
        super().__init__(spec)
        command = _probes.words("command of the monitor %r" % self.spec["name"], self.spec["command"] or ["rabbitmqctl"])
        # its own deadline comes first, so that it ends in order
        self._command = command + ["--quiet", "--formatter", "json", "--timeout", "%d" % max(1, self.timeout - 1), "cluster_status"]
        self._place = None
        if self.spec["url"]:
            auth = _probes.check("auth of the monitor %r" % self.spec["name"], self.spec["auth"] or {}, {
                "username": (str, _probes.REQUIRED), "password": (str, _probes.REQUIRED)})
            url = self.spec["url"].rstrip("/") + "/api/nodes"
            self._place = _web.Place("the monitor %r" % self.spec["name"], url, self.spec["verify"], self.spec["ca_file"])
            self._raw = self._place.request("GET", _web.basic(auth["username"], auth["password"]))
        self.one(self.named("rabbitmq"), self.look)

    async def prepare(self):
        if self._place:
            await self._place.prepare()
        else:
            self._command = _children.argv(self._command)

    async def look(self):
        return self.judge(*await (self._by_api() if self._place else self._by_command()))

    async def _by_command(self):
        rc, out, err = await _children.run(self._command)
        if rc != 0:
            raise _probes.Failed(_children.last_line(err, out) or "rabbitmqctl failed with status %d" % rc)
        told = json.loads(out[out.index("{"):])
        known = set(told.get("disk_nodes") or []) | set(told.get("ram_nodes") or []) | set(told.get("running_nodes") or [])
        return set(told.get("running_nodes") or []), known, told.get("partitions") or {}, len(told.get("alarms") or [])

    async def _by_api(self):
        answer = await self._place.ask(self._raw)
        if answer.status != 200:
            raise _probes.Failed("status %d" % answer.status)
        nodes = json.loads(answer.body.decode())
        partitions = {node["name"]: node["partitions"] for node in nodes if node.get("partitions")}
        alarms = sum(1 for node in nodes for key in ("mem_alarm", "disk_free_alarm") if node.get(key))
        return {node["name"] for node in nodes if node.get("running")}, {node["name"] for node in nodes}, partitions, alarms

    def judge(self, running, known, partitions, alarms):
        """The value of what was told, or Failed."""
        value = {"running": len(running), "known": len(known), "partitions": len(partitions), "alarms": alarms}
        if known - running:
            value["down_names"] = sorted(known - running)
        wanted = self.spec["members"]
        wrong = []
        if wanted is not None and len(running) != wanted:
            wrong.append("%d of %d members" % (len(running), wanted))
        elif wanted is None and known - running:
            wrong.append("%d of %d members" % (len(running), len(known)))
        if partitions:
            wrong.append("partitioned")
        if wrong:
            raise _probes.Failed(", ".join(wrong), value)
        return value


_probes.register(Galera, RabbitMq)
