# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Power by libvirt: a node that is a domain."""

from __future__ import annotations

import re
import time

from . import _power
from ._errors import FaultlineError

NAME = "libvirt"
ACTIONS = ("poweroff", "poweron", "reset", "shutdown", "reboot", "snapshot", "revert")
# VIR_DOMAIN_*; blocked is a running domain that waits for a device
_STATES = {1: "on", 2: "on", 3: "paused", 4: "on", 5: "off", 6: "crashed", 7: "suspended"}
_MAC = re.compile(r"<mac address=['\"]([0-9A-Fa-f:]+)['\"]")


def _library():
    libvirt = _power.library("libvirt", "libvirt-python")
    # it would print its errors itself
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    return libvirt


def _open(uri):
    libvirt = _library()
    try:
        return libvirt.open(uri)
    except libvirt.libvirtError as exc:
        if exc.get_error_code() in (libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE):
            raise _power.refused_credentials("libvirt at %s" % uri, "Look at connection_uri.") from exc
        raise _power.unreachable("libvirt at %s" % uri, exc) from exc


def find(args, node):
    uri = str(args.get("connection_uri") or "")
    if not uri:
        raise FaultlineError("The power driver libvirt needs connection_uri.", code="bad_option", hint="As qemu+unix:///system.")
    connection = _open(uri)
    try:
        domain = _domain(connection.listAllDomains(0), node)
        if domain is None:
            return None
        macs = [_power.mac_of(mac) for mac in _MAC.findall(domain.XMLDesc(0))]
        return {
            "driver": NAME, "words": "libvirt domain %s" % domain.name(), "key": "", "uri": uri, "domain": domain.name(),
            "uuid": domain.UUIDString(), "macs": macs, "transient": not domain.isPersistent(),
        }, {}
    finally:
        connection.close()


def _domain(domains, node):
    """The domain that a node is: by libvirt_name, else by MAC, else by its full name."""
    if node.get("libvirt_name"):
        return next((each for each in domains if each.name() == node["libvirt_name"]), None)
    mac = _power.mac_of(node.get("mac"))
    if mac:
        found = [each for each in domains if mac in map(_power.mac_of, _MAC.findall(each.XMLDesc(0)))]
        if len(found) > 1:
            raise FaultlineError(
                "The domains %s have the same MAC address %s." % (", ".join(sorted(each.name() for each in found)), mac), code="ambiguous",
                hint="Give the node its libvirt_name.",
            )
        if found:
            return found[0]
    return next((each for each in domains if node.get("fqdn") and each.name() == node["fqdn"]), None)


class Session:
    """A connection to one domain."""

    def __init__(self, machine, key):
        del key
        self.libvirt = _library()
        self.libvirt.virEventRegisterDefaultImpl()
        self.connection = _open(machine["uri"])
        try:
            self.domain = self.connection.lookupByUUIDString(machine["uuid"])
        except self.libvirt.libvirtError as exc:
            if exc.get_error_code() != self.libvirt.VIR_ERR_NO_DOMAIN:
                raise _power.unreachable("libvirt at %s" % machine["uri"], exc) from exc
            raise FaultlineError("%s is gone: nobody defines it any more." % machine["words"], code="not_found") from exc
        self.words = machine["words"]

    def close(self):
        self.connection.close()

    def state(self):
        return _STATES.get(self.domain.state(0)[0], "unknown")

    def facts(self):
        return {"domain": self.domain.name(), "uuid": self.domain.UUIDString(), "snapshots": sorted(self.domain.snapshotListNames(0))}

    def on(self):
        if self.state() in ("paused", "suspended"):
            self.domain.resume()
        else:
            self.domain.create()

    def off(self):
        self.domain.destroy()

    def shutdown(self):
        self.domain.shutdown()

    def reset(self, seconds):
        return self._seen_restart(lambda: self.domain.reset(0), seconds)

    def reboot(self, seconds):
        return self._seen_restart(lambda: self.domain.reboot(0), seconds)

    def _seen_restart(self, act, seconds):
        """Do it, and wait for the hypervisor to say that the machine began anew."""
        seen, libvirt = [], self.libvirt
        self.connection.domainEventRegisterAny(self.domain, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, lambda *_ignored: seen.append(1), None)
        # the loop below must wake up without an event, too
        libvirt.virEventAddTimeout(200, lambda *_ignored: None, None)
        act()
        end = time.monotonic() + seconds
        while not seen and time.monotonic() < end:
            libvirt.virEventRunDefaultImpl()
        return {"restart_seen_by": "the hypervisor's reboot event"} if seen else {}

    def snapshot(self, name):
        if name in self.domain.snapshotListNames(0):
            raise FaultlineError("%s has a snapshot %s already." % (self.words, name), code="exists", hint="Give it another name.")
        self.domain.snapshotCreateXML("<domainsnapshot><name>%s</name></domainsnapshot>" % _escaped(name), 0)

    def revert(self, name):
        if name not in self.domain.snapshotListNames(0):
            raise FaultlineError(
                "%s has no snapshot %s." % (self.words, name), code="no_snapshot",
                hint="It has: %s." % (", ".join(sorted(self.domain.snapshotListNames(0))) or "none"),
            )
        self.domain.revertToSnapshot(self.domain.snapshotLookupByName(name, 0), 0)

    def current_snapshot(self):
        """(name, state of the machine in it) of the snapshot that the machine goes on from; ('', '') when there is none."""
        if not self.domain.hasCurrentSnapshot(0):
            return "", ""
        current = self.domain.snapshotCurrent(0)
        state = re.search(r"<state>(\w+)</state>", current.getXMLDesc(0))
        return current.getName(), {"running": "on", "shutoff": "off", "paused": "paused"}.get(state.group(1) if state else "", "")


def _escaped(name):
    return name.replace("&", "&amp;").replace("<", "&lt;")
