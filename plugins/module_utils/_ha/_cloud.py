# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cloud that a run is about, by openstacksdk: which one is meant, its catalogue, and questions that have a deadline."""

from __future__ import annotations

import importlib
import threading
import time

from .._fault import _power_openstack
from .._fault._errors import FaultlineError

# seconds that one request may take; the API of a broken cloud may take any time
REQUEST = 20
_PLAIN = ("region_name", "interface", "verify", "cacert")
_HINT = "Give cloud (a name of clouds.yaml), or auth, or the variables OS_* of a shell."
# keys of a login that tell whose it is, and are no secret
_LOGIN = (
    "auth_url", "username", "user_id", "password", "project_name", "project_id", "tenant_name", "user_domain_name", "user_domain_id",
    "project_domain_name", "project_domain_id",
)


def arguments():
    """The options of the fragment cloud."""
    return {
        "cloud": {"type": "str"},
        "auth": {"type": "dict", "no_log": True},
        "region_name": {"type": "str"},
        "interface": {"type": "str", "choices": ["public", "internal", "admin"]},
        "verify": {"type": "bool"},
        "cacert": {"type": "path"},
    }


def hide_only_secrets(module):
    """Let results name URLs and users: of all that stands in the option auth only passwords are hidden."""
    for name, value in (module.params.get("auth") or {}).items():
        if value is not None and not any(word in name.lower() for word in ("password", "secret", "token", "passcode")):
            module.no_log_values.discard(str(value))


def configured(options, request=REQUEST):
    """The configuration of the cloud that options mean, as openstacksdk has it. FaultlineError: missing_library, no_credentials."""
    try:
        loader = importlib.import_module("openstack.config")
        errors = importlib.import_module("openstack.exceptions"), importlib.import_module("keystoneauth1.exceptions")
    except ImportError as exc:
        raise FaultlineError(
            "The Python library openstacksdk is not installed for the Python that runs this: %s." % exc, code="missing_library",
            hint="pip install openstacksdk",
        ) from exc
    given = {name: options[name] for name in _PLAIN + ("cloud",) if options.get(name) is not None}
    try:
        if options.get("auth"):
            given.pop("cloud", None)
            config = loader.OpenStackConfig(load_yaml_config=False, load_envvars=False)
            found = config.get_one(auth=dict(options["auth"]), api_timeout=request, **given)
        else:
            config = loader.OpenStackConfig()
            _known(given.get("cloud"), config)
            found = config.get_one(api_timeout=request, **given)
    except (errors[0].ConfigException, errors[1].ClientException) as exc:
        raise FaultlineError("The credentials for a cloud are not complete: %s." % str(exc).rstrip("."), code="no_credentials", hint=_HINT) from exc
    return found


def _known(wanted, config):
    """Refuse a cloud that no file has."""
    names = [name for name in config.get_cloud_names() if name]
    if wanted and wanted not in names:
        known = [name for name in names if name not in ("defaults", "envvars")]
        raise FaultlineError(
            "There is no cloud %s in %s." % (wanted, config.config_filename or "any clouds.yaml"), code="no_credentials",
            hint="It has: %s." % ", ".join(sorted(known)) if known else "Name the file by OS_CLIENT_CONFIG_FILE, or give auth.")


def login(options):
    """The login that options mean, as programs of their own take it: {auth, region_name, verify, cacert}. Holds the password.

    One that is given as auth needs no library.
    """
    if options.get("auth"):
        config = dict({name: options.get(name) for name in _PLAIN}, auth=options["auth"])
    else:
        config = configured(options).config
    auth = {name: config["auth"][name] for name in _LOGIN if config["auth"].get(name)}
    verify = config.get("verify")
    return {"auth": auth, "region_name": config.get("region_name") or None, "verify": verify is not False, "cacert": config.get("cacert")}


class Connection(_power_openstack.Connection):
    """As for power, but the cloud may be the one of the shell's variables too, and nothing of it is mixed into a login that was given.

    options: those of arguments(). FaultlineError: missing_library, no_credentials, bad_credentials, no_answer, driver_failed.
    """

    def __init__(self, options, request=REQUEST):
        self.request = request
        # tells of a missing library before the drivers of power do, in other words
        self.config = configured(options, request)
        words = "the cloud %s" % ((options.get("auth") or {}).get("auth_url") or options.get("cloud") or "of the shell's variables")
        super().__init__({"words": words, "connect": {}}, None)
        # asks for a token: whoever cannot log in learns it here
        self.ask(lambda: self.connection.session.auth.get_access(self.connection.session))

    def _connect(self, _options, _auth):
        return self.sdk.connection.Connection(config=self.config)

    # ---- the catalogue

    def endpoints(self):
        """{service type: {name, url (of the interface that is used), public, internal, admin, region}} of the catalogue."""
        session = self.connection.session
        access = self.ask(session.auth.get_access, session)
        region, interface = self.config.config.get("region_name"), self.config.config.get("interface") or "public"
        found = {}
        for service in access.service_catalog.catalog if access.has_service_catalog() else []:
            urls = {}
            for endpoint in service.get("endpoints") or []:
                where = endpoint.get("region") or endpoint.get("region_id")
                if not region or where == region:
                    urls.setdefault("region", where)
                    urls[endpoint["interface"]] = endpoint["url"]
            if urls:
                found[service["type"]] = dict(urls, name=service.get("name") or service["type"], url=urls.get(interface) or urls.get("public"))
        return found

    def has(self, service):
        """Whether the catalogue has a service, under any of its names."""
        return bool(self.ask(self.connection.has_service, service))

    def explain(self, exc):
        """An exception of a request in words."""
        if isinstance(exc, FaultlineError):
            return exc.message
        try:
            self.ask(_raise, exc)
        except FaultlineError as told:
            return told.message
        except Exception as other:  # pylint: disable=broad-except
            return "%s: %s" % (type(other).__name__, other)
        return str(exc)


def _raise(exc):
    raise exc


def all_within(seconds, works):
    """What each work of works ({name: function}) returns, {name: (value, exception or None)}, all side by side.

    One that is not done in time has a TimeoutError. Its thread cannot be ended: it is a daemon, and must not touch what others read.
    """
    done, threads = {}, []

    def run(name, work):
        try:
            done[name] = (work(), None)
        except Exception as exc:  # pylint: disable=broad-except
            done[name] = (None, exc)

    end = time.monotonic() + seconds
    for name, work in works.items():
        thread = threading.Thread(target=run, args=(name, work), daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = TimeoutError("no answer within %g seconds" % seconds)
    return {name: done.get(name, (None, late)) for name in works}
