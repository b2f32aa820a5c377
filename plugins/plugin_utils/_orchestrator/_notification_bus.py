# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The message queue that Neutron's notifications come by, as oslo.messaging reaches it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import warnings
from urllib.parse import quote

from ...module_utils._fault._errors import FaultlineError
from ...module_utils._router._marks import plain
from . import _options

# what config_file and the query of transport_url may say otherwise: few messages in memory, a broker that hangs is noticed, and one that is back is found
_DEFAULTS = {"rabbit_qos_prefetch_count": 100, "heartbeat_timeout_threshold": 30, "rabbit_interval_max": 5}
_GROUP = "oslo_messaging_rabbit"
# seconds between two tries where oslo.messaging does not try by itself, as where it may not log in
_PAUSE, _LONGEST_PAUSE = 1, 30
_LONGEST = 300
_URL = "transport_url is that of Neutron's own configuration, as rabbit://user:password@host:5672/."
_LOGGERS = ("oslo_messaging", "oslo.messaging", "kombu", "amqp")
_AWAY = re.compile(r"is unreachable|closed the connection|Connection failed|Unable to connect")
_BACK = re.compile(r"Reconnected to AMQP server")
_SKIPPED = re.compile(r"Failed to process message|Exception during message handling|Unknown priority")


class Bus:
    """Listens until it is ended. told(event_type, payload), skipped() and changed(up, problem) are called from threads of its own.

    It waits for a broker that is away, and goes on, for as long as it takes.
    """

    def __init__(self, options, told, skipped, changed):
        """FaultlineError missing_program, bad_option."""
        self.options, self._told, self._skipped, self._changed = options, told, skipped, changed
        try:
            # it says at once that a library of its own is deprecated
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import oslo_messaging
                from oslo_config import cfg
                from oslo_messaging import opts
        except ImportError as exc:
            raise FaultlineError(
                f"neutron_notifications needs the Python package oslo.messaging, and importing it failed: {exc}.", code="missing_program",
                hint="Install it where ansible-rulebook is: pip install oslo.messaging") from None
        self._messaging = oslo_messaging
        self._transport, self._secrets = self._open(cfg, opts)
        self._over, self._lock, self._server = threading.Event(), threading.Lock(), None
        self._words = _Words(self._heard)

    def _open(self, cfg, opts):
        """(transport, what nobody may read)."""
        conf, options = cfg.ConfigOpts(), self.options
        if options.config_file and not os.access(options.config_file, os.R_OK):
            raise _options.bad(f"config_file, {options.config_file}, is not there, or may not be read.")
        try:
            conf([], project="faultline", default_config_files=[options.config_file] if options.config_file else [], default_config_dirs=[])
            for group, found in opts.list_opts():
                conf.register_opts(found, group=group)
            for name, value in _DEFAULTS.items():
                conf.set_default(name, value, group=_GROUP)
            text = options.transport_url or conf.oslo_messaging_notifications.transport_url or conf.transport_url
            # without a scheme, or with none of its drivers', its own words would hold the password
            url = self._messaging.TransportURL.parse(conf, text)
        except Exception as exc:
            what = "transport_url" if options.transport_url else f"config_file, {options.config_file},"
            raise _options.bad(f"{what} is not as oslo.messaging needs it ({type(exc).__name__}).", _URL) from None
        # oslo.messaging hands it on in a URL in which it means something else
        if any("/" in (host.username or "") + (host.password or "") for host in url.hosts):
            raise _options.bad(
                "The user or the password of transport_url holds a slash, which oslo.messaging cannot hand on.",
                "Give it others; with these Neutron cannot log in either.")
        secrets = {text} | {each for host in url.hosts if host.password for each in (host.password, quote(host.password), quote(host.password, safe=""))}
        try:
            return self._messaging.get_notification_transport(conf, url=text), secrets
        except Exception as exc:
            raise _options.bad(f"oslo.messaging does not take transport_url: {cleaned(exc, secrets)}.", _URL) from None

    def begin(self):
        self._words.put_on()
        threading.Thread(target=self._begin, daemon=True).start()

    def _begin(self):
        """Waits for the broker as long as it takes; so it has a thread of its own."""
        messaging, pause = self._messaging, _PAUSE
        targets = [messaging.Target(topic=each, exchange=self.options.exchange) for each in self.options.topics]
        while not self._over.is_set():
            server = messaging.get_notification_listener(self._transport, targets, [_Endpoint(self._told)], pool=self.options.pool)
            try:
                # one thread: the messages stay in order
                server.start(override_pool_size=1)
            except Exception as exc:  # pylint: disable=broad-except
                # of others the text may hold a part of the URL
                known = isinstance(exc, OSError) or type(exc).__module__.startswith(("amqp.", "kombu."))
                self._changed(False, cleaned(exc, self._secrets) if known else type(exc).__name__)
                self._over.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            with self._lock:
                if not self._over.is_set():
                    self._server = server
                    self._changed(True, "")
                    return
            _stop(server)

    def end(self):
        """Stop listening. It may take until the broker is back: for a thread that nobody waits for."""
        with self._lock:
            self._over.set()
        if self._server:
            _stop(self._server)
        with contextlib.suppress(Exception):
            self._transport.cleanup()
        self._words.take_off()

    def _heard(self, level, text):
        """What the library has logged."""
        if _BACK.search(text):
            self._changed(True, "")
        elif _SKIPPED.search(text):
            self._skipped()
        elif level >= logging.ERROR and _AWAY.search(text):
            self._changed(False, cleaned(text, self._secrets))


def cleaned(words, secrets):
    """Words of others on one short line, without secrets."""
    text = plain(words)
    for each in sorted(secrets, key=len, reverse=True):
        text = text.replace(each, "***")
    return (text[:_LONGEST] or type(words).__name__).rstrip(".")


def _stop(server):
    # a broker that is away now lets go of it all by itself
    with contextlib.suppress(Exception):
        server.stop()
        server.wait()


class _Endpoint:
    def __init__(self, told):
        self._told = told

    def info(self, _context, _publisher, event_type, payload, _metadata):
        """Neutron sends all of its notifications with this priority."""
        self._told(event_type, payload)


class _Words(logging.Handler):
    """Takes what the libraries would log, which is a line for each try; they tell nobody else of a connection that is lost or found again."""

    def __init__(self, heard):
        super().__init__()
        self._heard = heard

    def put_on(self):
        for logger in map(logging.getLogger, _LOGGERS):
            logger.propagate = False
            logger.setLevel(logging.INFO)
            # what comes when nobody listens any more is nothing either
            logger.handlers = [logging.NullHandler(), *(each for each in logger.handlers if not isinstance(each, logging.NullHandler)), self]

    def take_off(self):
        for logger in map(logging.getLogger, _LOGGERS):
            logger.removeHandler(self)

    def emit(self, record):
        with contextlib.suppress(Exception):
            self._heard(record.levelno, record.getMessage())
