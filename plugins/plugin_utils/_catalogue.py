# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What OpenStack services are called in the deployments that people run: pure data.

One entry per service, merged over DevStack, the packages of Debian and Ubuntu, and RDO. `unit` is a flat list of
candidates: every candidate that is loaded on a host belongs to the service there. So a list never holds a unit
that also serves something else: what runs inside a shared Apache is found by `grep`, never by `apache2`.
"""

from __future__ import annotations


def _binary(*names):
    """A program by its name: as the program itself, as a script of an interpreter, or as a process title."""
    return r"(^|/)(%s)(:|\s|$)" % "|".join(names)


def _in_apache(words):
    """A process of mod_wsgi: its title, which it cuts to the length of what it was called by, /usr/sbin/httpd or /usr/sbin/apache2."""
    titles = set()
    for word in words:
        title = f"wsgi:{word}"
        titles.add(title + r"\)?")
        titles.update(title[:length] for length in (14, 15, 16) if len(title) > length)
    return rf"^\(({'|'.join(sorted(titles))})(\s|$)"


def _api(name, *words):
    """An API: as its own program, inside Apache (mod_wsgi), or inside uWSGI."""
    apache, words = _in_apache(words or (name,)), "|".join(words or (name,))
    return _binary(name) + rf"|{apache}|^({words})uWSGI|(^|/)uwsgi\S*\s.*/({words})-uwsgi"


def _units(*names, devstack=()):
    return [f"devstack@{name}" for name in ([devstack] if isinstance(devstack, str) else devstack)] + list(names)


def _packaged(name, devstack=()):
    """The unit as Debian and Ubuntu, and as RDO name it."""
    return _units(name, f"openstack-{name}", devstack=devstack)


# name: (units, grep[, port...])
_SERVICES = {
    # identity, images, placement
    "keystone": (_units("keystone", devstack="keystone"), _api("keystone", "keystone", "keystone-public", "keystone-admin"), 5000),
    "glance-api": (_packaged("glance-api", devstack="g-api"), _api("glance-api"), 9292),
    "glance-registry": (_packaged("glance-registry", devstack="g-reg"), _binary("glance-registry"), 9191),
    "placement-api": (
        _packaged("placement-api", devstack="placement-api"),
        _api("placement-api", "placement-api", "placement"),
        8778,
    ),
    # compute
    "nova-api": (_packaged("nova-api", devstack="n-api"), _api("nova-api", "nova-api", "nova_api"), 8774),
    "nova-api-metadata": (
        _units("nova-api-metadata", "openstack-nova-metadata-api", devstack="n-api-meta"),
        _api("nova-api-metadata", "nova-api-meta", "nova-api-metadata", "nova-metadata"),
        8775,
    ),
    "nova-compute": (_packaged("nova-compute", devstack="n-cpu"), _binary("nova-compute")),
    "nova-conductor": (
        _packaged("nova-conductor", devstack=("n-super-cond", "n-cond-cell1", "n-cond")),
        _binary("nova-conductor"),
    ),
    "nova-scheduler": (_packaged("nova-scheduler", devstack="n-sch"), _binary("nova-scheduler")),
    "nova-novncproxy": (
        _packaged("nova-novncproxy", devstack=("n-novnc-cell1", "n-novnc")),
        _binary("nova-novncproxy"),
        6080,
    ),
    "nova-spicehtml5proxy": (
        _packaged("nova-spicehtml5proxy", devstack=("n-spice-cell1", "n-spice")) + ["nova-spiceproxy"],
        _binary("nova-spicehtml5proxy"),
        6082,
    ),
    "nova-serialproxy": (
        _packaged("nova-serialproxy", devstack=("n-sproxy-cell1", "n-sproxy")),
        _binary("nova-serialproxy"),
        6083,
    ),
    # network. neutron-server is one process, or an API and RPC and periodic workers: whatever of these runs, is it. Each of the three can
    # be named alone, too (PARTS).
    "neutron-server": (
        _units(
            "neutron-server",
            "neutron-api",
            "neutron-rpc-server",
            "neutron-periodic-workers",
            devstack=("q-svc", "neutron-api", "neutron-rpc-server", "neutron-periodic-workers"),
        ),
        _binary("neutron-server", "neutron-rpc-server", "neutron-periodic-workers")
        + "|"
        + _api("neutron-api", "neutron-api", "neutron"),
        9696,
    ),
    "neutron-api": (_units("neutron-api", devstack="neutron-api"), _api("neutron-api", "neutron-api", "neutron"), 9696),
    "neutron-rpc-server": (_units("neutron-rpc-server", devstack="neutron-rpc-server"), _binary("neutron-rpc-server")),
    "neutron-periodic-workers": (
        _units("neutron-periodic-workers", devstack="neutron-periodic-workers"),
        _binary("neutron-periodic-workers"),
    ),
    "neutron-dhcp-agent": (_units("neutron-dhcp-agent", devstack="q-dhcp"), _binary("neutron-dhcp-agent")),
    "neutron-l3-agent": (_units("neutron-l3-agent", devstack="q-l3"), _binary("neutron-l3-agent")),
    "neutron-meta-agent": (_units("neutron-metadata-agent", devstack="q-meta"), _binary("neutron-metadata-agent")),
    "neutron-metering-agent": (
        _units("neutron-metering-agent", devstack="q-metering"),
        _binary("neutron-metering-agent"),
    ),
    "neutron-openvswitch-agent": (
        _units("neutron-openvswitch-agent", devstack="q-agt"),
        _binary("neutron-openvswitch-agent"),
    ),
    "neutron-linuxbridge-agent": (_units("neutron-linuxbridge-agent"), _binary("neutron-linuxbridge-agent")),
    "neutron-sriov-agent": (
        _units("neutron-sriov-agent", "neutron-sriov-nic-agent", devstack="q-sriov-agt"),
        _binary("neutron-sriov-nic-agent"),
    ),
    "neutron-ovn-metadata-agent": (
        _units("neutron-ovn-metadata-agent", devstack="q-ovn-metadata-agent"),
        _binary("neutron-ovn-metadata-agent"),
    ),
    "neutron-ovn-agent": (_units("neutron-ovn-agent", devstack="q-ovn-agent"), _binary("neutron-ovn-agent")),
    "openvswitch": (
        _units("openvswitch-switch", "openvswitch", "ovs-vswitchd", "ovsdb-server"),
        r"(^|/)ovs-vswitchd(\s|$)|(^|/)ovsdb-server\s.*conf\.db",
    ),
    "ovn-controller": (_units("ovn-host", "ovn-controller", devstack="ovn-controller"), _binary("ovn-controller")),
    "ovn-northd": (
        _units("ovn-central", "ovn-northd", devstack="ovn-northd"),
        _binary("ovn-northd"),
    ),
    "ovn-nb-db": (_units("ovn-ovsdb-server-nb", devstack="ovn-nb-db"), r"(^|/)ovsdb-server\s.*ovnnb", 6641),
    "ovn-sb-db": (_units("ovn-ovsdb-server-sb", devstack="ovn-sb-db"), r"(^|/)ovsdb-server\s.*ovnsb", 6642),
    # volumes, shares, objects
    "cinder-api": (_packaged("cinder-api", devstack="c-api"), _api("cinder-api", "cinder-api", "cinder-wsgi"), 8776),
    "cinder-scheduler": (_packaged("cinder-scheduler", devstack="c-sch"), _binary("cinder-scheduler")),
    "cinder-volume": (_packaged("cinder-volume", devstack="c-vol"), _binary("cinder-volume")),
    "cinder-backup": (_packaged("cinder-backup", devstack="c-bak"), _binary("cinder-backup")),
    "manila-api": (_packaged("manila-api", devstack="m-api"), _api("manila-api", "manila-api", "manila-wsgi"), 8786),
    "manila-scheduler": (_packaged("manila-scheduler", devstack="m-sch"), _binary("manila-scheduler")),
    "manila-share": (_packaged("manila-share", devstack="m-shr"), _binary("manila-share")),
    "manila-data": (_packaged("manila-data", devstack="m-dat"), _binary("manila-data")),
    "swift-proxy": (_packaged("swift-proxy", devstack="s-proxy"), _api("swift-proxy-server", "swift-proxy"), 8080),
    "swift-account": (_packaged("swift-account", devstack="s-account"), _binary("swift-account-server")),
    "swift-container": (_packaged("swift-container", devstack="s-container"), _binary("swift-container-server")),
    "swift-object": (_packaged("swift-object", devstack="s-object"), _binary("swift-object-server")),
    # orchestration, load balancers, bare metal, names, keys, clusters
    "heat-api": (_packaged("heat-api", devstack="h-api"), _api("heat-api"), 8004),
    "heat-api-cfn": (_packaged("heat-api-cfn", devstack="h-api-cfn"), _api("heat-api-cfn"), 8000),
    "heat-engine": (_packaged("heat-engine", devstack="h-eng"), _binary("heat-engine")),
    "octavia-api": (_packaged("octavia-api", devstack="o-api"), _api("octavia-api", "octavia-api", "octavia"), 9876),
    "octavia-worker": (_packaged("octavia-worker", devstack="o-cw"), _binary("octavia-worker")),
    "octavia-health-manager": (
        _packaged("octavia-health-manager", devstack="o-hm"),
        _binary("octavia-health-manager"),
    ),
    "octavia-housekeeping": (_packaged("octavia-housekeeping", devstack="o-hk"), _binary("octavia-housekeeping")),
    "ironic-api": (_packaged("ironic-api", devstack="ir-api"), _api("ironic-api", "ironic-api", "ironic"), 6385),
    "ironic-conductor": (_packaged("ironic-conductor", devstack="ir-cond"), _binary("ironic-conductor")),
    "ironic-inspector": (
        _packaged("ironic-inspector", devstack="ironic-inspector"),
        _binary("ironic-inspector"),
        5050,
    ),
    "designate-api": (_packaged("designate-api", devstack="designate-api"), _api("designate-api"), 9001),
    "designate-central": (_packaged("designate-central", devstack="designate-central"), _binary("designate-central")),
    "designate-mdns": (_packaged("designate-mdns", devstack="designate-mdns"), _binary("designate-mdns")),
    "designate-producer": (
        _packaged("designate-producer", devstack="designate-producer"),
        _binary("designate-producer"),
    ),
    "designate-worker": (_packaged("designate-worker", devstack="designate-worker"), _binary("designate-worker")),
    "barbican-api": (
        _packaged("barbican-api", devstack="barbican-svc"),
        _api("barbican-api", "barbican-api", "barbican"),
        9311,
    ),
    "barbican-worker": (_packaged("barbican-worker"), _binary("barbican-worker")),
    "magnum-api": (_packaged("magnum-api", devstack="magnum-api"), _api("magnum-api"), 9511),
    "magnum-conductor": (_packaged("magnum-conductor", devstack="magnum-cond"), _binary("magnum-conductor")),
    # telemetry
    "aodh-api": (_packaged("aodh-api", devstack="aodh-api"), _api("aodh-api", "aodh-api", "aodh"), 8042),
    "aodh-evaluator": (_packaged("aodh-evaluator", devstack="aodh-evaluator"), _binary("aodh-evaluator")),
    "aodh-listener": (_packaged("aodh-listener", devstack="aodh-listener"), _binary("aodh-listener")),
    "aodh-notifier": (_packaged("aodh-notifier", devstack="aodh-notifier"), _binary("aodh-notifier")),
    "ceilometer-agent-central": (
        _units("ceilometer-agent-central", "openstack-ceilometer-central", devstack="ceilometer-acentral"),
        r"ceilometer-polling\b.*\bcentral\b|(^|/)ceilometer-agent-central(:|\s|$)",
    ),
    "ceilometer-agent-compute": (
        _units("ceilometer-agent-compute", "openstack-ceilometer-compute", devstack="ceilometer-acompute"),
        r"ceilometer-polling\b.*\bcompute\b|(^|/)ceilometer-agent-compute(:|\s|$)",
    ),
    "ceilometer-agent-notification": (
        _units("ceilometer-agent-notification", "openstack-ceilometer-notification", devstack="ceilometer-anotification"),
        _binary("ceilometer-agent-notification"),
    ),
    "gnocchi-api": (
        _packaged("gnocchi-api", devstack="gnocchi-api"),
        _api("gnocchi-api", "gnocchi-api", "gnocchi"),
        8041,
    ),
    "gnocchi-metricd": (_packaged("gnocchi-metricd", devstack="gnocchi-metricd"), _binary("gnocchi-metricd")),
    # dashboard and web server: Apache as a whole is a service of its own
    "horizon": (_units("openstack-dashboard"), r"^\(wsgi:(horizon|openstack_dashboard)"),
    "apache": (_units("apache2", "httpd"), r"(^|/)(apache2|httpd)(\s|$)"),
    # what carries the rest
    "mysql": (_units("mariadb", "mysql", "mysqld"), _binary("mysqld", "mariadbd"), 3306),
    "proxysql": (_units("proxysql"), _binary("proxysql"), 6033),
    "rabbitmq": (_units("rabbitmq-server"), r"beam\.smp\b.*\brabbit|rabbitmq_server", 5672),
    "memcached": (_units("memcached"), _binary("memcached"), 11211),
    "redis": (_units("redis-server", "redis"), _binary("redis-server"), 6379),
    "etcd": (_units("etcd", devstack="etcd"), _binary("etcd"), 2379, 2380),
    "haproxy": (_units("haproxy"), r"(^|/)haproxy(\s|$)(?!.*/ns-metadata-proxy/)"),
    "keepalived": (_units("keepalived"), r"(^|/)keepalived(\s|$)(?!.*/ha_confs/)"),
    "libvirt": (_units("libvirtd", "virtqemud"), _binary("libvirtd", "virtqemud")),
    "pacemaker": (_units("pacemaker"), _binary("pacemakerd")),
    "corosync": (_units("corosync"), _binary("corosync")),
    "chrony": (_units("chrony", "chronyd"), _binary("chronyd")),
    "multipathd": (_units("multipathd"), _binary("multipathd")),
    "iscsid": (_units("iscsid"), _binary("iscsid")),
}

# What people also say.
ALIASES = {
    "galera": "mysql",
    "mariadb": "mysql",
    "mysqld": "mysql",
    "rabbitmq-server": "rabbitmq",
    "rabbit": "rabbitmq",
    "keystone-api": "keystone",
    "glance": "glance-api",
    "placement": "placement-api",
    "nova-metadata-api": "nova-api-metadata",
    "nova-metadata": "nova-api-metadata",
    "nova-vncproxy": "nova-novncproxy",
    "neutron-metadata-agent": "neutron-meta-agent",
    "neutron-ovs-agent": "neutron-openvswitch-agent",
    "neutron-lb-agent": "neutron-linuxbridge-agent",
    "ovs": "openvswitch",
    "ovs-vswitchd": "openvswitch",
    "libvirtd": "libvirt",
    "apache2": "apache",
    "httpd": "apache",
    "redis-server": "redis",
    "dashboard": "horizon",
    "swift-proxy-server": "swift-proxy",
    "heat-cfn": "heat-api-cfn",
}

# What some deployments run as services of their own, and others as one.
PARTS = {"neutron-server": ("neutron-api", "neutron-periodic-workers", "neutron-rpc-server")}

# The services that os-faults' DevStack driver knows.
DEVSTACK = (
    "cinder-api",
    "cinder-scheduler",
    "cinder-volume",
    "etcd",
    "glance-api",
    "heat-api",
    "heat-engine",
    "keystone",
    "memcached",
    "mysql",
    "neutron-dhcp-agent",
    "neutron-l3-agent",
    "neutron-meta-agent",
    "neutron-openvswitch-agent",
    "neutron-server",
    "nova-api",
    "nova-compute",
    "nova-scheduler",
    "placement-api",
    "rabbitmq",
)

# A unit that newer releases have split: who names the old one means all of the new ones.
SUCCESSORS = {
    "devstack@q-svc": ["devstack@neutron-api", "devstack@neutron-rpc-server", "devstack@neutron-periodic-workers"],
    "neutron-server": ["neutron-api", "neutron-rpc-server", "neutron-periodic-workers"],
    "devstack@n-cond": ["devstack@n-super-cond", "devstack@n-cond-cell1"],
    "mysql": ["mariadb"],
    "mariadb": ["mysql"],
}

# What finds a service in `ps | grep`, which knows basic regular expressions only; where that is not its name.
_PLAIN = {
    "apache": "/[ah][pt][at][cp][hd]",
    "ceilometer-agent-central": "ceilometer.*central",
    "ceilometer-agent-compute": "ceilometer.*compute",
    "chrony": "chronyd",
    "horizon": "wsgi:horizon",
    "libvirt": "virt[dq]",
    "mysql": "m[ay][rs][iq][al]d",
    "neutron-meta-agent": "neutron-metadata-agent",
    "neutron-server": "neutron-[sarp][ep][rci]",
    "neutron-sriov-agent": "neutron-sriov-nic-agent",
    "openvswitch": "ovs-vswitchd",
    "ovn-nb-db": "ovsdb-server.*ovnnb",
    "ovn-sb-db": "ovsdb-server.*ovnsb",
    "pacemaker": "pacemakerd",
    "placement-api": "placement",
    "rabbitmq": "beam.smp.*rabbit",
    "redis": "redis-server",
}

# The names that Kolla gives to its containers.
_KOLLA = """
aodh_api aodh_evaluator aodh_listener aodh_notifier
barbican_api barbican_keystone_listener barbican_worker
ceilometer_central ceilometer_compute ceilometer_notification
cinder_api cinder_backup cinder_scheduler cinder_volume
cloudkitty_api cloudkitty_processor
cron fluentd
designate_api designate_backend_bind9 designate_central designate_mdns designate_producer designate_sink designate_worker
etcd
glance_api glance_tls_proxy
gnocchi_api gnocchi_metricd gnocchi_statsd
grafana
haproxy hacluster_corosync hacluster_pacemaker
heat_api heat_api_cfn heat_engine
horizon
ironic_api ironic_conductor ironic_dnsmasq ironic_http ironic_inspector ironic_tftp
iscsid tgtd multipathd
keepalived
keystone keystone_fernet keystone_ssh
letsencrypt_lego letsencrypt_webserver
magnum_api magnum_conductor
manila_api manila_data manila_scheduler manila_share
mariadb mariadb_clustercheck proxysql
masakari_api masakari_engine masakari_hostmonitor masakari_instancemonitor
memcached
mistral_api mistral_engine mistral_event_engine mistral_executor
neutron_bgp_dragent neutron_dhcp_agent neutron_infoblox_ipam_agent neutron_l3_agent neutron_linuxbridge_agent
neutron_metadata_agent neutron_metering_agent neutron_openvswitch_agent neutron_ovn_agent neutron_ovn_metadata_agent
neutron_periodic_worker neutron_rpc_server neutron_server neutron_sriov_agent neutron_tls_proxy
nova_api nova_compute nova_compute_ironic nova_conductor nova_libvirt nova_metadata nova_novncproxy nova_scheduler
nova_serialproxy nova_spicehtml5proxy nova_ssh nova_super_conductor
octavia_api octavia_driver_agent octavia_health_manager octavia_housekeeping octavia_worker
opensearch opensearch_dashboards
openvswitch_db openvswitch_vswitchd ovsdpdk_db ovsdpdk_vswitchd
ovn_controller ovn_nb_db ovn_northd ovn_sb_db ovn_sb_db_relay_1
placement_api
prometheus_alertmanager prometheus_server
rabbitmq
redis redis_sentinel
skyline_apiserver skyline_console
swift_account_server swift_container_server swift_object_server swift_proxy_server
tacker_conductor tacker_server
trove_api trove_conductor trove_taskmanager
valkey valkey_sentinel
venus_api venus_manager
watcher_api watcher_applier watcher_engine
zun_api zun_cni_daemon zun_compute zun_wsproxy
"""

# The container of a service, where it does not bear the service's own name with underscores.
_KOLLA_OF = {
    "ceilometer-agent-central": "ceilometer_central",
    "ceilometer-agent-compute": "ceilometer_compute",
    "ceilometer-agent-notification": "ceilometer_notification",
    "corosync": "hacluster_corosync",
    "libvirt": "nova_libvirt",
    "mysql": "mariadb",
    "neutron-meta-agent": "neutron_metadata_agent",
    "neutron-periodic-workers": "neutron_periodic_worker",
    "nova-api-metadata": "nova_metadata",
    "openvswitch": "openvswitch_vswitchd",
    "pacemaker": "hacluster_pacemaker",
    "swift-account": "swift_account_server",
    "swift-container": "swift_container_server",
    "swift-object": "swift_object_server",
    "swift-proxy": "swift_proxy_server",
}

# Names that older manuals use for a container of today.
CONTAINER_ALIASES = {
    "neutron_ovs_agent": "neutron_openvswitch_agent",
    "neutron_api": "neutron_server",
    "mysql": "mariadb",
    "galera": "mariadb",
}


def services():
    """Service name -> definition, in the shape of the cloud model; a fresh copy."""
    catalogue = {}
    for name, (units, grep, *ports) in _SERVICES.items():
        definition = {"driver": "system_service", "unit": list(units), "grep": grep}
        if ports:
            pairs = [["tcp", port] for port in ports]
            definition["port"] = pairs[0] if len(pairs) == 1 else pairs
        container = _KOLLA_OF.get(name, name.replace("-", "_"))
        if container in _KOLLA.split():
            definition["container"] = [container]
        catalogue[name] = definition
    return catalogue


def plain_grep(name):
    """A pattern for a service that means the same to `grep` and to Python; '' for one that the catalogue does not have."""
    return _PLAIN.get(name, name) if name in _SERVICES else ""


def containers():
    """Container name -> definition, in the shape of the cloud model; a fresh copy."""
    return {name: {"driver": "docker_container", "container_name": name} for name in _KOLLA.split()}
