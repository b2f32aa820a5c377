# shellcheck shell=bash
# Read by bash on the node, after password=...: schemas, users of the message queue, bridges. Says so if it has made any.
set -euo pipefail

# a function, for rabbitmqctl would read on where bash reads this
prepare() {
    if mariadb --batch --execute 'SELECT 1' > /dev/null 2>&1 && ! MYSQL_PWD=$password mariadb --host=127.0.0.1 --execute 'SELECT 1' > /dev/null 2>&1; then
        mariadb << SQL
ALTER USER root@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('$password');
SQL
        for schema in glance keystone neutron nova_api nova_cell0 nova_cell1 placement; do
            mariadb --execute "CREATE DATABASE IF NOT EXISTS $schema CHARACTER SET utf8mb3"
        done
        echo 'made schemas'
    fi

    if ! rabbitmqctl --quiet list_users | grep -q '^stackrabbit'; then
        printf '%s\n' "$password" | rabbitmqctl --quiet add_user stackrabbit
        rabbitmqctl --quiet set_permissions stackrabbit '.*' '.*' '.*'
        rabbitmqctl --quiet add_vhost nova_cell1
        rabbitmqctl --quiet set_permissions --vhost nova_cell1 stackrabbit '.*' '.*' '.*'
        echo 'made users of the message queue'
    fi

    # in user space: the kernel need not have Open vSwitch
    for bridge in br-ex br-phy; do
        ovs-vsctl --may-exist add-br "$bridge" -- set bridge "$bridge" datapath_type=netdev
        ip link set "$bridge" up
    done

    a2enmod -q proxy proxy_uwsgi > /dev/null
    rm -f /etc/apache2/sites-enabled/000-default.conf
    printf 'd /var/run/uwsgi 0755 stack root\n' > /etc/tmpfiles.d/uwsgi.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/uwsgi.conf
    printf 'stack ALL=(root) NOPASSWD: ALL\n' > /etc/sudoers.d/50_stack_sh
    chmod 0440 /etc/sudoers.d/50_stack_sh
    systemctl daemon-reload
}

prepare < /dev/null
